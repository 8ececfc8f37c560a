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
from collections.abc import Callable, Sequence
from typing import Any

from .._dataclass import dataclass, field
from ..errors import (
    NameExcluded,
    NameNotPermitted,
    UnsupportedCertificate,
    UnsupportedConstraint,
    UnsupportedName,
)
from .der import attribute_values, normal_name, text
from .extensions import NAME_CONSTRAINTS, SUBJECT_ALTERNATIVE_NAME, GeneralName, NameKind
from .parsed_certificate import Facts

__all__ = [
    "COMMON_NAME",
    "NameBudget",
    "check_host_name",
    "check_name_constraints",
    "check_names_against",
]

COMMON_NAME = b"\x06\x03\x55\x04\x03"  # 2.5.4.3
_EMAIL_ADDRESS = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01"  # 1.2.840.113549.1.9.1
_EMPTY = b"\x30\x00"
_UNREADABLE = b"\xff"  # is no name of a kind that is compared
_SHOWN = 200


@dataclass(slots=True)
class NameBudget:
    """What comparing names may cost in one search."""

    comparisons: int = 50_000
    """Of a name with a subtree; a hostile chain could ask for many millions (Go: 250,000)."""
    name_bytes: int = 64 * 1024
    """Of names and subtrees that are brought to a form that is compared."""
    forms: dict[tuple[int, bytes], Any] = field(default_factory=dict)
    """Those forms, for as long as the search lasts."""

    def form(self, kind: int, name: bytes) -> Any:
        """Bring a name to the form that is compared; None if there is none."""
        key = (kind, name)
        if key not in self.forms:
            self.forms[key] = _form(kind, name)
        return self.forms[key]


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
        NameNotPermitted, NameExcluded: a CA may not certify a name.
        BadCertificate: a name cannot be read.
        UnsupportedCertificate: a constraint or name cannot be compared, or there is too
            much to compare.
    """
    held: list[_Held] = []  # of each certificate below the CA
    for index, ca in enumerate(path):
        if index and ca.has(NAME_CONSTRAINTS):
            for number in range(len(held), index):
                facts = path[number]
                if number and facts.is_self_issued:  # section 6.1.4 (b): not bound
                    held.append(_Held({}, budget))
                else:
                    names = _names(facts, budget, common_names and not number)
                    held.append(_Held(names, budget))
            permitted, excluded = _subtrees(ca, budget)
            for facts, theirs in zip(path, held, strict=False):
                _check(theirs, facts, ca, permitted, excluded, budget)


def check_host_name(host: bytes, path: Sequence[Facts], budget: NameBudget) -> None:
    """Hold a name that is about to count as the leaf's host against all CAs of a path.

    Args:
        host: the DNS name; it may have a wildcard.
        path: leaf first, trust anchor last.
        budget: as for `check_name_constraints`.

    Raises:
        NameNotPermitted, NameExcluded, UnsupportedCertificate: as there.
    """
    for ca in path[1:]:
        if ca.has(NAME_CONSTRAINTS):
            held = _Held({NameKind.dns_name: [host]}, budget)
            _check(held, path[0], ca, *_subtrees(ca, budget), budget)


def check_names_against(
    facts: Facts, ca: Facts, budget: NameBudget, *, common_names: bool = False
) -> None:
    """Hold the names of one certificate against the constraints of one CA.

    Args:
        facts: the certificate.
        ca: an authority above it, which has constraints.
        budget: as for `check_name_constraints`.
        common_names: whether its common name may count as a host's.

    Raises:
        CertificateError: as there.
    """
    held = _Held(_names(facts, budget, common_names), budget)
    _check(held, facts, ca, *_subtrees(ca, budget), budget)


_Names = dict[int, list[bytes]]
"""Names, by their kind."""


class _Held:
    """Names of a certificate; those of a kind that is constrained are made comparable, once."""

    def __init__(self, names: _Names, budget: NameBudget) -> None:
        self._names = names
        self._budget = budget
        self._pairs: dict[int, list[tuple[Any, bytes]]] = {}

    def count(self, kind: int) -> int:
        """How many there are of a kind."""
        return len(self._names.get(kind, ()))

    def pairs(self, kind: int) -> list[tuple[Any, bytes]]:
        """Those of a kind: what is compared, and what is shown."""
        pairs = self._pairs.get(kind)
        if pairs is None:
            form = self._budget.form
            pairs = self._pairs[kind] = [(form(kind, each), each) for each in self._names[kind]]
        return pairs


def _names(facts: Facts, budget: NameBudget, common_names: bool) -> _Names:
    subject = facts.fields.subject
    alternative = facts.content.extensions.get(SUBJECT_ALTERNATIVE_NAME, b"")
    _spend_bytes(budget, facts, len(subject) + len(alternative))
    found = _by_kind(facts.alternative_names)
    if subject != _EMPTY:
        found.setdefault(NameKind.directory_name, []).append(subject)
    if NameKind.rfc822_name not in found:
        found[NameKind.rfc822_name] = _subject_values(subject, _EMAIL_ADDRESS)
    if common_names and NameKind.dns_name not in found:
        values = _subject_values(subject, COMMON_NAME)
        found[NameKind.dns_name] = [value for value in values if _looks_like_a_host(value)]
    return found


def _by_kind(names: Sequence[GeneralName]) -> _Names:
    found: _Names = {}
    for kind, value in names:
        found.setdefault(kind, []).append(value)
    return found


def _subject_values(subject: bytes, kind: bytes) -> list[bytes]:
    """Return the values of one kind; one that cannot be read is inside of nothing."""
    try:
        values = attribute_values(subject, kind)
    except ValueError:
        return [_UNREADABLE]
    found = []
    for tag, value in values:
        try:
            found.append(text(tag, value).encode())
        except ValueError:
            found.append(_UNREADABLE)
    return found


def _looks_like_a_host(name: bytes) -> bool:
    """Whether OpenSSL takes a common name for a DNS name: it has a dot, and labels."""
    labels = name.split(b".")
    return len(labels) > 1 and all(
        label and set(label) <= _LABEL and label[:1] != b"-" and label[-1:] != b"-"
        for label in labels
    )


_LABEL = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


def _subtrees(ca: Facts, budget: NameBudget) -> tuple[_Names, _Names]:
    _spend_bytes(budget, ca, len(ca.content.extensions[NAME_CONSTRAINTS]))
    constraints = ca.name_constraints
    return _by_kind(constraints.permitted), _by_kind(constraints.excluded)


def _spend_bytes(budget: NameBudget, facts: Facts, size: int) -> None:
    budget.name_bytes -= size
    if budget.name_bytes < 0:
        raise UnsupportedCertificate(f"certificate {facts} has too many names to check")


def _check(
    held: _Held,
    facts: Facts,
    ca: Facts,
    permitted: _Names,
    excluded: _Names,
    budget: NameBudget,
) -> None:
    """Hold names of one certificate against the constraints of one CA."""
    for kind in permitted.keys() | excluded.keys():
        count = held.count(kind)
        if not count:
            continue
        inside, outside = permitted.get(kind, []), excluded.get(kind, [])
        budget.comparisons -= count * (len(inside) + len(outside))
        if budget.comparisons < 0:
            raise UnsupportedCertificate(f"certificate {ca} has too many name constraints to check")
        subtrees = _Subtrees(kind, inside, outside)
        for form, value in held.pairs(kind):
            if subtrees.allow(form):
                continue
            if subtrees.can_be_compared_with(form):
                kind_of_error = NameExcluded if subtrees.permit(form) else NameNotPermitted
                raise kind_of_error(
                    f"certificate {facts} has {_show(kind, value)}, which {ca} may not certify "
                    "(name constraints)"
                )
            unsupported = UnsupportedName if kind in _MATCH else UnsupportedConstraint
            raise unsupported(
                f"certificate {facts} has a name that cannot be held against the "
                f"constraints of {ca}: {_show(kind, value)}"
            )


class _Subtrees:
    """What a CA permits and excludes of one kind of names."""

    def __init__(self, kind: int, permitted: list[bytes], excluded: list[bytes]) -> None:
        inside = [_base(kind, each) for each in permitted]
        outside = [_base(kind, each) for each in excluded]
        self._complete = None not in inside
        """Whether every permitted subtree can be compared."""
        make = _MATCH.get(kind)
        self._blind = make is None or None in outside
        """Whether nobody can say that a name is not excluded."""
        self._roots: list[bytes] = []  # that a wildcard may stand for
        self._permits: Callable[[Any], bool] = _anything
        self._excludes: Callable[[Any], bool] = _anything
        if make is None or self._blind:
            return
        self._excludes = make(outside)
        if inside:
            self._permits = make([each for each in inside if each is not None])
        if kind == NameKind.dns_name:
            self._roots = [each.lstrip(b".") for each in outside]

    def allow(self, form: Any) -> bool:
        """Whether a name is inside of something permitted, and of nothing excluded."""
        if self._blind or form is None or self._excludes(form):
            return False
        if self._roots and form[:2] == b"*.":
            parent, suffix = form[2:], form[1:]
            if any(root == parent or root.endswith(suffix) for root in self._roots):
                return False
        return self._permits(form)

    def permit(self, form: Any) -> bool:
        """Whether a name is inside of something permitted, or nothing says what is."""
        return self._permits(form)

    def can_be_compared_with(self, form: Any) -> bool:
        """Whether it is certain that a name is not allowed."""
        return not self._blind and self._complete and form is not None


def _show(kind: int, value: bytes) -> str:
    if kind == NameKind.directory_name:
        return "a directory name"
    if kind == NameKind.ip_address and len(value) in (4, 16):
        return f"the address {ipaddress.ip_address(value)}"
    return f"the name {value[:_SHOWN].decode('ascii', 'backslashreplace')!r}"


def _form(kind: int, value: bytes) -> Any:
    """Bring a name to the form that is compared; None if there is none."""
    if kind == NameKind.dns_name:
        return _host(value)
    if kind == NameKind.directory_name:
        return normal_name(value, remember=False)
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


def _anything(form: Any) -> bool:
    return True


def _in_domains(bases: list[bytes]) -> Callable[[bytes], bool]:
    """Match DNS names: a domain and all below it; with a dot before it only those below."""
    if b"" in bases:
        return _anything
    ends = tuple([each if each.startswith(b".") else b"." + each for each in bases])
    hosts = frozenset(bases)
    return lambda host: host in hosts or host.endswith(ends)


def _at_hosts(bases: list[bytes]) -> Callable[[bytes], bool]:
    """Match hosts of URIs: a host alone; with a dot before it all that are below."""
    ends = tuple([each for each in bases if each.startswith(b".")])
    hosts = frozenset(bases)
    return lambda host: host in hosts or host.endswith(ends)


def _in_mailboxes(bases: list[tuple[bytes | None, bytes]]) -> Callable[[tuple[bytes, bytes]], bool]:
    """Match mailboxes: one, those of a host, or those of all hosts below a domain."""
    hosts = [host for local, host in bases if local is None]
    if b"" in hosts:
        return _anything
    boxes = frozenset(bases)
    at_hosts = _at_hosts(hosts)
    return lambda mailbox: mailbox in boxes or at_hosts(mailbox[1])


def _in_networks(bases: list[tuple[int, int, int]]) -> Callable[[tuple[int, int]], bool]:
    def match(address: tuple[int, int]) -> bool:
        length, value = address
        return any(length == size and value & mask == network for size, network, mask in bases)

    return match


def _in_directories(bases: list[bytes]) -> Callable[[bytes], bool]:
    starts = tuple(bases)
    return lambda directory: directory.startswith(starts)


_MATCH: dict[int, Callable[[Any], Callable[[Any], bool]]] = {
    NameKind.dns_name: _in_domains,
    NameKind.rfc822_name: _in_mailboxes,
    NameKind.uniform_resource_identifier: _at_hosts,
    NameKind.ip_address: _in_networks,
    NameKind.directory_name: _in_directories,
}
"""Of each kind of names that can be compared: makes of subtrees what tells whether a name is
inside of one of them."""
