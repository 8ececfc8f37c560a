"""Certificate messages that are as expensive to refuse as we know how to make them.

A `Recipe` says what is in one: which keys, how many authorities of one name that vouch for
each other, and with what the room that the limits leave is filled. `RECIPES` are the kinds
that were found to hurt somebody; ``benches/hostile_chains.py`` looks for worse.

A stranger made everything itself. An insider has an authority that the victim's anchor has
certified, and so gets as far as the checks that come last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any

from tests import forging as f
from tests.certs import new_key

__all__ = [
    "ANCHOR",
    "FILLINGS",
    "HOST",
    "KEYS",
    "NAMES",
    "POLICIES",
    "RECIPES",
    "SUBJECTS",
    "Attack",
    "Recipe",
    "TooLarge",
    "bake",
]

ROOM = 120_000
"""Bytes of certificates in one message, a little below `Limits.handshake_message`."""
MOST = 16
"""Certificates in one message: `Limits.certificate_entries`."""
HOST = "victim.example"


@dataclass(frozen=True)
class Attack:
    """A chain, and who can sign for its leaf."""

    chain: tuple[bytes, ...]
    key: Any


@dataclass(frozen=True)
class Recipe:
    """What to make a chain of."""

    title: str
    insider: bool = False
    layers: int = 0
    """Of authorities between the leaf and whoever is at the top."""
    each: int = 1
    """Certificates of each, which have one name and one key."""
    key_type: str = "p256"
    exponent: int = 0
    """Of RSA keys that the authorities have instead, and that nobody can sign with."""
    fill: dict[str, float] = field(default_factory=dict)
    """With what the room is filled, and how much of it: names of `FILLINGS`, `SUBJECTS`
    ("subject:…", "issuer:…") and `NAMES` ("names:…" of the leaf; "permits:…" and "excludes:…"
    of each authority, which share what is theirs), and `POLICIES` ("policies:…", of which leaf and
    authorities have the same share)."""


class TooLarge(ValueError):
    """A recipe asks for more than a message may hold."""


NAMES: dict[str, Callable[[int], bytes]] = {
    "dns": lambda i: f.dns(f"{i:x}.x"),
    "dns, empty": lambda i: f.dns(""),
    "dns, wild": lambda i: f.dns(f"*.{i:x}.x"),
    "mail": lambda i: f.tlv(0x81, f"{i:x}@x.y".encode()),
    "uri": lambda i: f.tlv(0x86, f"h://{i:x}.x".encode()),
    "ip": lambda i: f.tlv(0x87, i.to_bytes(4, "big")),
    "ip6": lambda i: f.tlv(0x87, i.to_bytes(16, "big")),
    "directory": lambda i: f.tlv(0xA4, f.name(f"{i:x}")),
    "directory, empty": lambda i: f.tlv(0xA4, f.seq()),
    "registered": lambda i: f.tlv(0x88, b"\x2a"),
    "other": lambda i: f.tlv(0xA0, f.oid("1.2.3"), f.tlv(0xA0, b"\5\0")),
}
"""GeneralNames, of which each is another one where that matters."""


def _subtree(kind: str, index: int) -> bytes:
    """A subtree in which none of the names is."""
    if kind == "ip":
        return f.tlv(0x87, (0xFF000000 + index).to_bytes(4, "big") + b"\xff" * 4)
    if kind == "ip6":
        return f.tlv(0x87, (index | 1 << 127).to_bytes(16, "big") + b"\xff" * 16)
    if kind == "uri":
        return f.tlv(0x86, f"{index:x}.y".encode())
    if kind == "directory":
        return f.tlv(0xA4, f.name(f"y{index:x}"))
    if kind.startswith("dns"):
        return f.dns(f"{index:x}.y")
    if kind == "mail":
        return f.tlv(0x81, f"{index:x}@y.z".encode())
    return NAMES[kind](index)


SUBJECTS: dict[str, Callable[[int], bytes]] = {
    "attributes": lambda size: f.rdn("") * (size // 11),
    "one set": lambda size: f.tlv(0x31, f.seq(f.oid("2.5.4.3"), f.tlv(0x0C)) * (size // 9)),
    "accents": lambda size: f.rdn("\u0315\u0300" * (size // 4)),
    "many accents": lambda size: f.rdn("\u0315\u0300" * 120) * (size // 500),
    "ligatures": lambda size: f.rdn("\ufdfa" * 500) * (size // 1520),
    "one letter": lambda size: f.rdn("a" * size),
    "long type": lambda size: f.tlv(
        0x31, f.seq(f.tlv(0x06, b"\x2a" + b"\x81" * size + b"\1"), f.tlv(0x0C, b"a"))
    ),
    "commas": lambda size: f.rdn(", " * (size // 2)),
}
"""Contents of distinguished names of a size."""

FILLINGS: dict[str, Callable[[int], list[bytes]]] = {
    "purposes": lambda size: [f.extension("2.5.29.37", f.seq(f.oid("1.2.3") * (size // 4)))],
    "policies": lambda size: [f.extension("2.5.29.32", f.seq(f.seq(f.oid("1.2.3")) * (size // 6)))],
    "mappings": lambda size: [
        f.extension("2.5.29.33", f.seq(f.seq(f.oid("1.2.3"), f.oid("1.2.3")) * (size // 10)))
    ],
    "points": lambda size: [
        f.extension(
            "2.5.29.31",
            f.seq(f.seq(f.tlv(0xA0, f.tlv(0xA0, f.tlv(0x86)))) * (size // 8)),
            critical=True,
        )
    ],
    "places": lambda size: [
        f.extension("1.3.6.1.5.5.7.1.1", f.seq(f.seq(f.oid("1.2"), f.tlv(0x86)) * (size // 7)))
    ],
    "extensions": lambda size: [
        f.seq(f.oid(f"1.2.{index}"), f.tlv(0x04)) for index in range(size // 10)
    ],
    "one extension": lambda size: [f.extension("1.2.3", b"a" * size)],
    "a long extension type": lambda size: [
        f.seq(f.tlv(0x06, b"\x2a" + b"\x81" * size + b"\1"), f.tlv(0x01, b"\xff"), f.tlv(0x04))
    ],
    "uses": lambda size: [f.extension("2.5.29.15", f.tlv(0x03, b"\0" + b"\xff" * size))],
}
"""Extensions of a leaf, of a size."""

_ANY_POLICY = "2.5.29.32.0"


def _policies(*numbers: int | str) -> bytes:
    """CertificatePolicies."""
    whole = [each if isinstance(each, str) else f"1.2.{each}" for each in numbers]
    return f.extension("2.5.29.32", f.seq(*(f.seq(f.oid(each)) for each in whole)))


def _mappings(pairs: Iterable[tuple[int, int]]) -> bytes:
    """PolicyMappings."""
    made = (f.seq(f.oid(f"1.2.{ours}"), f.oid(f"1.2.{theirs}")) for ours, theirs in pairs)
    return f.extension("2.5.29.33", f.seq(*made), critical=True)


_REQUIRED = f.extension("2.5.29.36", f.seq(f.tlv(0x80, b"\0")), critical=True)


def _crossed(count: int, layer: int) -> list[bytes]:
    """As many policies as can all be mapped to each other."""
    some = range(max(int(count**0.5), 1))
    return [_policies(*some), _mappings((ours, theirs) for ours in some for theirs in some)]


POLICIES: dict[str, Callable[[int, int], list[bytes]]] = {
    "same": lambda count, layer: [_policies(*range(count))],
    "same, required": lambda count, layer: [_policies(*range(count)), _REQUIRED],
    "others, required": lambda count, layer: [
        _policies(*range(layer and 1000, (layer and 1000) + count)),
        _REQUIRED,
    ],
    "any and others": lambda count, layer: [
        _policies(_ANY_POLICY, *range(layer * 300, layer * 300 + count - 1))
    ],
    "crossed": _crossed,
    "crossed, required": lambda count, layer: [*_crossed(count, layer), _REQUIRED],
    "crossed, and then another": lambda count, layer: [
        *(_crossed(count, layer) if layer else [_policies(1000)]),
        _REQUIRED,
    ],
    "any, mapped": lambda count, layer: [
        _policies(_ANY_POLICY),
        _mappings((layer * 300 + each, layer * 300 + each + 3000) for each in range(count)),
    ],
    "any, mapped, required": lambda count, layer: [
        _policies(_ANY_POLICY) if layer else _policies(1000),
        _mappings((layer * 300 + each, layer * 300 + each + 3000) for each in range(count)),
        _REQUIRED,
    ],
}
"""What a certificate says of policies, of some number; the layer of a leaf is 0."""
_POLICY = 16  # bytes that one takes, with what it is mapped to
_MOST_POLICIES = 256

KEYS = ("p256", "p384", "p521", "ed25519", "ed448", "rsa2048", "rsa3072", "mldsa44", "mldsa87")


@cache
def _key(kind: str, number: int) -> Any:
    return new_key(kind)


ANCHOR = f.CA("The victim's anchor", _key("p256", -1))


def bake(recipe: Recipe) -> Attack:
    """Make the chain that a recipe describes.

    Raises:
        TooLarge: no message holds it.
    """
    share = {what: int(part * ROOM) for what, part in recipe.fill.items()}
    layers, each = recipe.layers, recipe.each
    if 1 + layers * each > MOST:
        raise TooLarge(recipe)
    keys = [_key(recipe.key_type, number) for number in range(layers + 1)]
    leaf_key = _key("p256", 100)
    subject, issuer = (_name(share, what, default) for what, default in _LEAF)
    top = ANCHOR if recipe.insider else f.CA("Nobody", keys[layers])
    said = _said_of_policies(share, layers * each, 0)
    extensions = [f.DIGITAL_SIGNATURE, *_leaf_extensions(share), *said]
    signer = keys[0] if layers else top.key
    leaf = f.certificate(
        subject, issuer if layers else top.subject, f.spki(leaf_key), signer, extensions
    )
    others = []
    bounds = _bounds(share, layers * each)
    for layer in range(layers):
        last = layer + 1 == layers
        above = top.subject if last and recipe.insider else issuer
        signer = top.key if last and recipe.insider else keys[layer + 1]
        for index in range(each):
            info = f.spki(keys[layer])
            if recipe.exponent:  # as long as the modulus, and another one in each
                modulus = keys[layer].public_key().public_numbers().n
                info = f.rsa_spki(modulus, recipe.exponent + 2 * (layer * each + index))
            said = _said_of_policies(share, layers * each, layer + 1)
            others.append(f.certificate(issuer, above, info, signer, [f.BASIC_CA, *bounds, *said]))
    chain = (leaf, *others)
    if sum(map(len, chain)) > ROOM + 6000:
        raise TooLarge(recipe)
    return Attack(chain, leaf_key)


_LEAF = (("subject", f.name("leaf")), ("issuer", f.name("X")))


def _name(share: dict[str, int], what: str, default: bytes) -> bytes:
    for kind, size in share.items():
        if kind.startswith(f"{what}:"):
            return f.seq(SUBJECTS[kind.partition(":")[2]](size))
    return default


def _leaf_extensions(share: dict[str, int]) -> list[bytes]:
    found: list[bytes] = []
    held = [f.dns(HOST)]
    for kind, size in share.items():
        if kind in FILLINGS:
            found += FILLINGS[kind](size)
        elif kind.startswith("names:"):
            held += _some(NAMES[kind.partition(":")[2]], size)
    return [*found, f.names(*held)]


def _said_of_policies(share: dict[str, int], authorities: int, layer: int) -> list[bytes]:
    for kind, size in share.items():
        if kind.startswith("policies:"):
            count = min(max(size // (authorities + 1) // _POLICY, 1), _MOST_POLICIES)
            return POLICIES[kind.partition(":")[2]](count, layer)
    return []


def _bounds(share: dict[str, int], authorities: int) -> list[bytes]:
    trees: dict[str, list[bytes]] = {"permits": [], "excludes": []}
    for kind, size in share.items():
        what, _, of = kind.partition(":")
        if what in trees and authorities:
            trees[what] += _some(partial(_subtree, of), size // authorities, more=2)
    if not any(trees.values()):
        return []
    return [f.constraints(trees["permits"], trees["excludes"])]


def _some(make: Callable[[int], bytes], size: int, more: int = 0) -> list[bytes]:
    found: list[bytes] = []
    while size > 0:
        found.append(make(len(found)))
        size -= len(found[-1]) + more
    return found


_MESH = Recipe("fifteen authorities of one name, one key", layers=1, each=15)

RECIPES: tuple[Recipe, ...] = (
    Recipe("a leaf, and nothing else"),
    _MESH,
    Recipe("three layers of five", layers=3, each=5),
    Recipe("five layers of three", layers=5, each=3),
    Recipe("three layers of five, P-384", layers=3, each=5, key_type="p384"),
    Recipe("three layers of five, Ed448", layers=3, each=5, key_type="ed448"),
    Recipe("eight layers", layers=8, each=1, insider=True),
    Recipe(
        "fifteen RSA keys with exponents as long as they are",
        layers=1,
        each=15,
        key_type="rsa3072",
        exponent=(1 << 3070) + 1,
    ),
    *(
        Recipe(
            f"{kind} in the {what}",
            layers=1,
            fill={f"{what}:{kind}": 0.9 if what == "subject" else 0.3},
        )
        for kind in SUBJECTS
        for what in ("subject", "issuer")
    ),
    *(
        Recipe(f"{kind}, fifteen times", layers=3, each=5, fill={f"issuer:{kind}": 0.03})
        for kind in SUBJECTS
    ),
    *(Recipe(f"alternative names: {kind}", fill={f"names:{kind}": 0.95}) for kind in NAMES),
    *(Recipe(kind, fill={kind: 0.95}) for kind in FILLINGS),
    *(Recipe(f"insider: {kind}", insider=True, fill={kind: 0.95}) for kind in FILLINGS),
    *(
        Recipe(
            f"{who}names and {what}: {kind}",
            insider=bool(who),
            layers=layers,
            each=each,
            fill={f"names:{kind}": 0.4, f"{what}:{kind}": 0.4},
        )
        for kind in NAMES
        for what in ("permits", "excludes")
        for who, layers, each in (("", 3, 5), ("insider: ", 1, 1), ("insider: ", 3, 5))
    ),
    *(
        Recipe(
            f"insider: policies: {kind}, {layers} by {each}",
            insider=True,
            layers=layers,
            each=each,
            fill={f"policies:{kind}": 0.6},
        )
        for kind in POLICIES
        for layers, each in ((1, 15), (3, 5), (8, 1))
    ),
    replace(_MESH, title="a large leaf for fifteen keys", fill={"one extension": 0.8}),
    *(
        Recipe(f"found by chance, {number}", insider, layers, each, key_type, fill=fill)
        for number, (insider, layers, each, key_type, fill) in enumerate(
            (
                (
                    False,
                    5,
                    3,
                    "p521",
                    {"issuer:attributes": 0.01, "excludes:directory, empty": 0.2},
                ),
                (True, 3, 5, "p384", {"issuer:attributes": 0.01, "excludes:directory, empty": 0.2}),
                (True, 8, 1, "p384", {"issuer:attributes": 0.01, "excludes:directory, empty": 0.3}),
                (
                    True,
                    5,
                    3,
                    "p521",
                    {"issuer:ligatures": 0.015, "excludes:directory, empty": 0.01},
                ),
                (True, 5, 3, "p384", {"excludes:dns, wild": 0.002, "names:dns, wild": 0.3}),
                (True, 5, 3, "p521", {"permits:dns, empty": 0.3, "names:registered": 0.1}),
            )
        )
    ),
)
"""What hurt somebody, here or elsewhere."""
