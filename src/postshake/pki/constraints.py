"""Name constraints: which names a CA may certify (RFC 5280 section 4.2.1.10).

A name of a kind that a constraint speaks of must be inside a permitted subtree and
outside every excluded one. What cannot be compared is refused, never passed over.

Names times subtrees is a product of two numbers that a peer chooses, so paths are held
against constraints last, when everything else about them was found right, and a search
has one budget for all of it. Before they are compared, names are brought to a form in
which that is one comparison of bytes.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..errors import BadCertificate, UnsupportedCertificate
from ..values import dataclass
from .der import attribute_values, normal_name, text
from .extensions import NAME_CONSTRAINTS, SUBJECT_ALTERNATIVE_NAME, GeneralName, NameKind
from .facts import Facts

__all__ = ["COMMON_NAME", "NameBudget", "check_host_name", "check_name_constraints"]

COMMON_NAME = b"\x06\x03\x55\x04\x03"  # 2.5.4.3
_EMAIL_ADDRESS = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01"  # 1.2.840.113549.1.9.1
_EMPTY = b"\x30\x00"
_SHOWN = 200


@dataclass(slots=True)
class NameBudget:
    """What comparing names may cost in one search."""

    comparisons: int = 50_000
    """Of a name with a subtree; a hostile chain could ask for many millions (Go: 250,000)."""
    name_bytes: int = 128 * 1024
    """Of names and subtrees that are read."""


def check_name_constraints(
    path: Sequence[Facts], budget: NameBudget, *, common_names: bool = False
) -> None:
    """Hold the names in a path against the constraints of the CAs above them.

    Args:
        path: leaf first, trust anchor last.
        budget: what is left of it for the search.
        common_names: whether a common name may count as a host's, and so is a DNS name
            here where it looks like one and the leaf has no other (RFC 6125 6.4.4).

    Raises:
        BadCertificate: a name is outside what a CA may certify, or cannot be read.
        UnsupportedCertificate: a constraint or name cannot be compared, or there is too
            much to compare.
    """
    held: list[list[_Name]] = []  # of each certificate below the CA
    for index, ca in enumerate(path):
        if index and ca.has(NAME_CONSTRAINTS):
            while len(held) < index:
                number = len(held)
                bound = not number or not path[number].is_self_issued
                held.append(
                    list(_names(path[number], budget, common_names=common_names and not number))
                    if bound
                    else []
                )
            permitted, excluded = _subtrees(ca, budget)
            for facts, names in zip(path, held, strict=False):
                for name in names:
                    _check(name, facts, ca, permitted, excluded, budget)


def check_host_name(host: bytes, path: Sequence[Facts], budget: NameBudget) -> None:
    """Hold a name that is about to count as the leaf's host against all CAs of a path.

    Args:
        host: the DNS name; it may have a wildcard.
        path: leaf first, trust anchor last.
        budget: as for `check_name_constraints`.

    Raises:
        BadCertificate, UnsupportedCertificate: as there.
    """
    name = _Name(NameKind.dns_name, _host(host), host)
    for ca in path[1:]:
        if ca.has(NAME_CONSTRAINTS):
            _check(name, path[0], ca, *_subtrees(ca, budget), budget)


@dataclass(frozen=True, slots=True)
class _Name:
    """A name of a certificate."""

    kind: int
    form: Any
    """What is compared; None if it cannot be."""
    value: bytes
    """What is shown."""

    def __str__(self) -> str:
        if self.kind == NameKind.directory_name:
            return "a directory name"
        if self.kind == NameKind.ip_address and len(self.value) in (4, 16):
            return f"the address {ipaddress.ip_address(self.value)}"
        shown = self.value[:_SHOWN].decode("ascii", "backslashreplace")
        return f"the name {shown!r}"


_Subtrees = dict[int, list[Any]]
"""Forms of subtrees, by their kind."""


def _names(facts: Facts, budget: NameBudget, *, common_names: bool) -> Iterator[_Name]:
    subject = facts.fields.subject
    extension = facts.content.extensions.get(SUBJECT_ALTERNATIVE_NAME)
    _spend_bytes(budget, facts, len(subject) + (len(extension.value) if extension else 0))
    kinds = set()
    for kind, value in facts.alternative_names:
        kinds.add(kind)
        yield _Name(kind, _form(kind, value), value)
    if subject != _EMPTY:
        yield _Name(NameKind.directory_name, facts.subject, subject)
    if NameKind.rfc822_name not in kinds:
        for value in _subject_values(subject, _EMAIL_ADDRESS):
            yield _Name(NameKind.rfc822_name, _form(NameKind.rfc822_name, value), value)
    if common_names and NameKind.dns_name not in kinds:
        for value in _subject_values(subject, COMMON_NAME):
            if _looks_like_a_host(value):
                yield _Name(NameKind.dns_name, _host(value), value)


def _subject_values(subject: bytes, kind: bytes) -> Iterator[bytes]:
    """Yield the values of one kind; one that cannot be read is empty, and inside of nothing."""
    try:
        for tag, value in attribute_values(subject, kind):
            try:
                yield text(tag, value).encode()
            except ValueError:
                yield b""
    except ValueError:
        yield b""


def _looks_like_a_host(name: bytes) -> bool:
    """Whether OpenSSL takes a common name for a DNS name: it has a dot, and labels."""
    labels = name.split(b".")
    return len(labels) > 1 and all(
        label and set(label) <= _LABEL and label[:1] != b"-" and label[-1:] != b"-"
        for label in labels
    )


_LABEL = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


def _subtrees(ca: Facts, budget: NameBudget) -> tuple[_Subtrees, _Subtrees]:
    _spend_bytes(budget, ca, len(ca.content.extensions[NAME_CONSTRAINTS].value))
    constraints = ca.name_constraints
    return _by_kind(constraints.permitted), _by_kind(constraints.excluded)


def _by_kind(subtrees: Sequence[GeneralName]) -> _Subtrees:
    found: _Subtrees = {}
    for kind, value in subtrees:
        found.setdefault(kind, []).append(_base(kind, value))
    return found


def _check(
    name: _Name,
    facts: Facts,
    ca: Facts,
    permitted: _Subtrees,
    excluded: _Subtrees,
    budget: NameBudget,
) -> None:
    inside, outside = permitted.get(name.kind, ()), excluded.get(name.kind, ())
    if not inside and not outside:
        return
    budget.comparisons -= len(inside) + len(outside)
    if budget.comparisons < 0:
        raise UnsupportedCertificate(f"certificate {ca} has too many name constraints to check")
    try:
        allowed = not inside or any(_within(name, base) for base in inside)
        forbidden = any(_touches(name, base) for base in outside)
    except _Incomparable as error:
        raise UnsupportedCertificate(
            f"certificate {facts} has a name that cannot be held against the constraints "
            f"of {ca}: {name}"
        ) from error
    if not allowed or forbidden:
        raise BadCertificate(
            f"certificate {facts} has {name}, which {ca} may not certify (name constraints)"
        )


def _spend_bytes(budget: NameBudget, facts: Facts, size: int) -> None:
    budget.name_bytes -= size
    if budget.name_bytes < 0:
        raise UnsupportedCertificate(f"certificate {facts} has too many names to check")


class _Incomparable(Exception):
    """A name, or a kind of names, for which no comparison is defined here."""


def _within(name: _Name, base: Any) -> bool:
    """Whether the name is inside the subtree."""
    if name.form is None or base is None:
        raise _Incomparable
    return _COMPARE[name.kind](name.form, base)


def _touches(name: _Name, base: Any) -> bool:
    """Whether the name is, or by its wildcard may stand for, something in the subtree."""
    if _within(name, base):
        return True
    if name.kind == NameKind.dns_name and name.form.startswith(b"*."):
        return _is_below(base.lstrip(b"."), name.form[2:])
    return False


def _form(kind: int, value: bytes) -> Any:
    """Bring a name to the form that is compared; None if there is none."""
    if kind == NameKind.dns_name:
        return _host(value)
    if kind == NameKind.directory_name:
        return normal_name(value)
    if kind == NameKind.ip_address:
        return (len(value), int.from_bytes(value, "big")) if len(value) in (4, 16) else None
    if kind == NameKind.rfc822_name:
        local, at, host = value.rpartition(b"@")
        found = _host(host)
        return (local, found) if at and local and found is not None else None
    if kind == NameKind.uniform_resource_identifier:
        return _uri_host(value)
    return None


def _base(kind: int, value: bytes) -> Any:
    """Bring a subtree to the form that is compared; None if there is none."""
    if kind == NameKind.ip_address:
        return _network(value) if len(value) in (8, 32) else None
    if kind == NameKind.rfc822_name:
        local, at, host = value.rpartition(b"@")
        found = _host(host)
        return (local if at else None, found) if found is not None else None
    if kind == NameKind.uniform_resource_identifier:
        return _host(value)
    return _form(kind, value)


def _network(value: bytes) -> tuple[int, int, int] | None:
    """Read an address and a mask, which has to be that of a network (RFC 4632)."""
    half = len(value) // 2
    mask = int.from_bytes(value[half:], "big")
    free = (1 << 8 * half) - 1 - mask
    if free & (free + 1):
        return None
    return half, int.from_bytes(value[:half], "big") & mask, mask


def _host(name: bytes) -> bytes | None:
    if not name.isascii():
        return None
    return name.lower().removesuffix(b".")


def _uri_host(uri: bytes) -> bytes | None:
    """Return the DNS name in a URI; None if it has none, or not one that is written plainly."""
    _, colon, rest = uri.partition(b":")
    if not colon or not rest.startswith(b"//"):
        return None
    authority = rest[2:]
    for end in (b"/", b"?", b"#"):
        authority = authority.partition(end)[0]
    host = authority.rpartition(b"@")[2].partition(b":")[0].lower().removesuffix(b".")
    if not host or not set(host) <= _HOST or host.replace(b".", b"").isdigit():
        return None
    return host


_HOST = _LABEL | frozenset(b".")


def _is_below(host: bytes, base: bytes) -> bool:
    if base.startswith(b"."):
        return host.endswith(base)
    return not base or host == base or host.endswith(b"." + base)


def _is_host(host: bytes, base: bytes) -> bool:
    return host.endswith(base) if base.startswith(b".") else host == base


def _is_mailbox(mailbox: tuple[bytes, bytes], base: tuple[bytes | None, bytes]) -> bool:
    (local, host), (base_local, base_host) = mailbox, base
    if base_local is not None:
        return local == base_local and host == base_host
    return not base_host or _is_host(host, base_host)


def _is_in_network(address: tuple[int, int], base: tuple[int, int, int]) -> bool:
    return address[0] == base[0] and address[1] & base[2] == base[1]


_COMPARE: dict[int, Callable[[Any, Any], bool]] = {
    NameKind.dns_name: _is_below,
    NameKind.rfc822_name: _is_mailbox,
    NameKind.uniform_resource_identifier: _is_host,
    NameKind.ip_address: _is_in_network,
    NameKind.directory_name: bytes.startswith,
}
