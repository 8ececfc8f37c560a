"""What a certificate says of policies (RFC 5280 sections 4.2.1.4, 5, 11 and 14).

Of certificatePolicies only the identifiers are read: qualifiers are for people, and what is odd
in their text does not matter here. Policies that cannot be read hold for nobody, which is the
most that they can cost; if they are critical, or if it is one of the three others, which can
forbid something, the certificate is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

from ..errors import InvalidPolicies
from .der import elements, sequence, tlv
from .extensions import (
    CERTIFICATE_POLICIES,
    INHIBIT_ANY_POLICY,
    POLICY_CONSTRAINTS,
    POLICY_MAPPINGS,
)
from .parsed_certificate import Facts

__all__ = [
    "ANY_POLICY",
    "MAXIMUM_POLICIES",
    "PolicyConstraints",
    "PolicyExtensions",
    "read_certificate_policies",
    "read_inhibit_any_policy",
    "read_policy_constraints",
    "read_policy_extensions",
    "read_policy_mappings",
]

ANY_POLICY = b"\x06\x04\x55\x1d\x20\x00"  # 2.5.29.32.0
MAXIMUM_POLICIES = 256
"""Policies of one certificate, and mappings; those of the world have some dozens."""

T = TypeVar("T")


class PolicyConstraints(NamedTuple):
    """After how many more certificates something holds; None for never (section 4.2.1.11)."""

    require_explicit_policy: int | None
    inhibit_policy_mapping: int | None


class PolicyExtensions(NamedTuple):
    """What one certificate says of policies; identifiers are DER."""

    policies: frozenset[bytes] | None
    """None if it has none, or none that can be read."""
    mappings: tuple[tuple[bytes, bytes], ...]
    """issuerDomainPolicy and subjectDomainPolicy of each."""
    constraints: PolicyConstraints
    inhibit_any_policy: int | None


_NO_CONSTRAINTS = PolicyConstraints(None, None)


def read_policy_extensions(facts: Facts) -> PolicyExtensions:
    """Read all that a certificate says of policies.

    Raises:
        InvalidPolicies: something in it cannot be read that must be understood.
        CertificateError: the certificate cannot be read at all.
    """
    content = facts.content
    extensions = content.extensions

    def read(oid: bytes, what: str, reader: Callable[[bytes], T], without: T) -> T:
        value = extensions.get(oid)
        if value is None:
            return without
        try:
            return reader(value)
        except ValueError as error:
            if oid == CERTIFICATE_POLICIES and oid not in content.critical:
                return without
            raise InvalidPolicies(
                f"certificate {facts}: its {what} cannot be read: {error}"
            ) from error

    return PolicyExtensions(
        read(CERTIFICATE_POLICIES, "certificatePolicies", read_certificate_policies, None),
        read(POLICY_MAPPINGS, "policyMappings", read_policy_mappings, ()),
        read(POLICY_CONSTRAINTS, "policyConstraints", read_policy_constraints, _NO_CONSTRAINTS),
        read(INHIBIT_ANY_POLICY, "inhibitAnyPolicy", read_inhibit_any_policy, None),
    )


def read_certificate_policies(value: bytes) -> frozenset[bytes]:
    """Read certificatePolicies, without their qualifiers."""
    held = sequence(value)
    _check_count(len(held))
    found = set()
    for tag, _, start, end in held:
        if tag != 0x30:
            raise ValueError("not a policy")
        found.add(_identifier(value, start, end))
    if len(found) < len(held):
        raise ValueError("a policy is there twice")  # section 4.2.1.4
    return frozenset(found)


def read_policy_mappings(value: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """Read policyMappings."""
    held = sequence(value)
    _check_count(len(held))
    found = []
    for tag, _, start, end in held:
        parts = elements(value, start, end) if tag == 0x30 else []
        if [part[0] for part in parts] != [0x06, 0x06]:
            raise ValueError("not a mapping")
        (_, at, _, middle), _ = parts
        found.append((value[at:middle], value[middle:end]))
    return tuple(found)


def read_policy_constraints(value: bytes) -> PolicyConstraints:
    """Read policyConstraints."""
    found: dict[int, int] = {}
    for tag, _, start, end in sequence(value):
        if tag not in (0x80, 0x81) or tag in found:
            raise ValueError("not policy constraints")
        found[tag] = _skip_certs(value[start:end])
    return PolicyConstraints(found.get(0x80), found.get(0x81))


def read_inhibit_any_policy(value: bytes) -> int:
    """Read inhibitAnyPolicy."""
    tag, start, end = tlv(value, 0)
    if tag != 0x02 or end != len(value):
        raise ValueError("not a number")
    return _skip_certs(value[start:end])


def _check_count(count: int) -> None:
    if not 0 < count <= MAXIMUM_POLICIES:
        raise ValueError(f"expected 1 to {MAXIMUM_POLICIES} of them, got {count}")


def _identifier(data: bytes, start: int, end: int) -> bytes:
    tag, _, stop = tlv(data, start)
    if tag != 0x06 or stop > end:
        raise ValueError("not a policy identifier")
    return data[start:stop]


def _skip_certs(octets: bytes) -> int:
    if not 0 < len(octets) <= 8 or octets[0] > 0x7F:
        raise ValueError("not a number of certificates")
    return int.from_bytes(octets, "big")
