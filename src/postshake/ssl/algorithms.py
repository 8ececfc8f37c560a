"""Lists of algorithms in OpenSSL's words: groups, signature schemes, TLS 1.3 suites.

What OpenSSL has and we have not is left out of a list, as `set_ciphers` does it; a name
that nobody has, and a list that leaves nothing, are errors. So what is in force is never
more than what was asked for.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterable, Mapping
from typing import TypeVar

from ..constants import CipherSuite, NamedGroup, SignatureScheme
from ..crypto.groups import supported_groups
from ..crypto.signatures import handshake_schemes
from ..crypto.suites import TLS13_SUITES
from ..crypto.tls12.signatures import handshake_schemes12

__all__ = [
    "get_sigalgs",
    "group_named",
    "groups_listed",
    "names_of_groups",
    "schemes_listed",
    "suites_listed",
    "supported_schemes",
]

T = TypeVar("T")

_GROUP_ALIASES = {
    NamedGroup.secp256r1: ("P-256", "prime256v1"),
    NamedGroup.secp384r1: ("P-384",),
    NamedGroup.secp521r1: ("P-521",),
}
# of OpenSSL 3.6 and its elders, without those that the tables below have
_OTHER_GROUPS = re.compile(
    r"sect\d+[kr]\d|secp\d+[kr]\d|[KBP]-\d+|prime\d+v\d|c2pnb\w+|c2tnb\w+|wap-wsg-\w+"
    r"|brainpoolP\d+[rt]1(tls13)?|ffdhe\d+|(\w+)?MLKEM\d+|curveSM2|GC\d+[A-D]|GOST\w+",
    re.IGNORECASE,
)
_OTHER_SCHEMES = re.compile(
    r"(rsa_pkcs1|ecdsa|dsa)_(md5|sha1|sha224|sha256|sha384|sha512)|ecdsa_brainpool\w+"
    r"|(RSA|RSA-PSS|PSS|ECDSA|DSA)\+(MD5|SHA1|SHA224|SHA256|SHA384|SHA512)"
    r"|ml-?dsa-?\d+|slh-?dsa[\w-]+|sm2sig_sm3|gost\w+",
    re.IGNORECASE,
)
_OTHER_SUITES = re.compile(r"TLS_AES_128_CCM(_8)?_SHA256|TLS_SHA(256_SHA256|384_SHA384)")


# --- groups


def names_of_groups(groups: Iterable[NamedGroup], *, include_aliases: bool = False) -> list[str]:
    """Return OpenSSL's names of groups, with the other names that it knows if these are wanted."""
    names = []
    for group in groups:
        names.append(group.name)
        if include_aliases:
            names += _GROUP_ALIASES.get(group, ())
    return names


def _groups_by_name() -> dict[str, NamedGroup]:
    """Every group that we have, by each of its names in small letters."""
    return {
        name.lower(): group
        for group in supported_groups()
        for name in names_of_groups((group,), include_aliases=True)
    }


def group_named(name: str) -> NamedGroup:
    """Return the group that OpenSSL calls so.

    Raises:
        ValueError: we have no such group.
    """
    group = _groups_by_name().get(name.lower())
    if group is None:
        raise ValueError(f"unknown elliptic curve name {name!r}")
    return group


def groups_listed(text: str) -> tuple[NamedGroup, ...]:
    """Read a list as of SSL_CTX_set1_groups_list, favourites first.

    Names stand between colons, or slashes; ``?`` before a name allows it to be unknown,
    ``-`` takes a group out again, ``*`` asks for a key share, which is for us to choose,
    and DEFAULT is all that we have, in our order.

    Raises:
        SSLError: a name is nobody's, or no group is left.
    """
    known = _groups_by_name()
    found: dict[NamedGroup, None] = {}
    for element in _split(text, ":/"):
        name = element.lstrip("?*-")
        marks = element[: len(element) - len(name)]
        these = supported_groups() if name == "DEFAULT" else ()
        if name.lower() in known:
            these = (known[name.lower()],)
        elif not these and "?" not in marks and not _OTHER_GROUPS.fullmatch(name):
            raise ssl.SSLError(0, f"unrecognized group {name!r}")
        for group in these:
            if "-" in marks:
                found.pop(group, None)
            else:
                found[group] = None
    if not found:
        raise ssl.SSLError(0, f"no group is left of {text!r} that postshake has")
    return tuple(found)


# --- signature schemes


def supported_schemes() -> tuple[SignatureScheme, ...]:
    """Return all that a handshake may be signed by, in TLS 1.3 or 1.2."""
    return tuple(dict.fromkeys((*handshake_schemes(), *handshake_schemes12())))


def get_sigalgs() -> list[str]:
    """Return the names of all signature algorithms that handshakes may be signed by."""
    return [scheme.name for scheme in supported_schemes()]


def _schemes_by_name() -> dict[str, SignatureScheme]:
    """Every scheme by each of its names in small letters."""
    named = {scheme.name: scheme for scheme in supported_schemes()}
    for name, scheme in tuple(named.items()):
        if match := re.fullmatch(r"mldsa(\d+)", name):
            named[f"ml-dsa-{match[1]}"] = scheme
    for bits, curve in ((256, "secp256r1"), (384, "secp384r1"), (512, "secp521r1")):
        named[f"ecdsa+sha{bits}"] = SignatureScheme[f"ecdsa_{curve}_sha{bits}"]
        named[f"rsa+sha{bits}"] = SignatureScheme[f"rsa_pkcs1_sha{bits}"]
        pss = SignatureScheme[f"rsa_pss_rsae_sha{bits}"]
        named[f"pss+sha{bits}"] = named[f"rsa-pss+sha{bits}"] = pss
    return named


def schemes_listed(text: str) -> tuple[SignatureScheme, ...]:
    """Read a list as of SSL_CTX_set1_sigalgs_list, favourites first.

    Names stand between colons: ``ed25519``, ``rsa_pss_rsae_sha256``, ``ECDSA+SHA256``. A
    ``?`` before a name allows it to be unknown.

    Raises:
        SSLError: a name is nobody's, or no algorithm is left.
    """
    known = _schemes_by_name()
    found: dict[SignatureScheme, None] = {}
    for element in _split(text, ":"):
        name = element.removeprefix("?")
        scheme = known.get(name.lower())
        if scheme is not None:
            found[scheme] = None
        elif name == element and not _OTHER_SCHEMES.fullmatch(name):
            raise ssl.SSLError(0, f"unrecognized signature algorithm {name!r}")
    if not found:
        raise ssl.SSLError(0, f"no signature algorithm is left of {text!r} that postshake has")
    return tuple(found)


# --- suites of TLS 1.3


def suites_listed(text: str) -> tuple[CipherSuite, ...]:
    """Read a list as of SSL_CTX_set_ciphersuites, favourites first; nothing may be left.

    Raises:
        SSLError: no name is one of TLS 1.3's suites, and there is one.
    """
    known: Mapping[str, CipherSuite] = {
        CipherSuite(code).name: CipherSuite(code) for code in TLS13_SUITES
    }
    names = _split(text, ":")
    found = tuple(dict.fromkeys(known[name] for name in names if name in known))
    if names and not found:
        if not any(_OTHER_SUITES.fullmatch(name) for name in names):
            raise ssl.SSLError(0, "No cipher suite can be selected.")
        raise ssl.SSLError(0, f"no cipher suite is left of {text!r} that postshake has")
    return found


def _split(text: object, separators: str) -> list[str]:
    """Split a list into its elements; an empty one has none."""
    if not isinstance(text, str):
        raise TypeError(f"argument must be str, not {type(text).__name__}")
    if "\0" in text:
        raise ValueError("embedded null character")
    if not text:
        return []
    return [element.strip() for element in re.split(f"[{separators}]", text)]
