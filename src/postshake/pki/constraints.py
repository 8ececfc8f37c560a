"""Name constraints: which names a CA may certify (RFC 5280 section 4.2.1.10).

A name of a kind that a constraint speaks of must be inside a permitted subtree and
outside every excluded one. What cannot be compared is refused, never passed over.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.x509.oid import NameOID

from ..errors import BadCertificate, UnsupportedCertificate
from .der import normal_name
from .facts import Facts

__all__ = ["check_name_constraints"]

_MAXIMUM_COMPARISONS = 50_000
"""Names times subtrees; a hostile chain could ask for many millions (Go: 250,000)."""


def check_name_constraints(ca: Facts, below: Iterable[Facts]) -> None:
    """Check the names of all certificates below a CA against its constraints.

    Args:
        ca: the authority, whose constraints these are.
        below: the path under it, leaf first.

    Raises:
        BadCertificate: a name is outside what the CA may certify.
        UnsupportedCertificate: a constraint or name cannot be compared.
    """
    constraints = ca.name_constraints
    if constraints is None:
        return
    permitted = list(constraints.permitted_subtrees or ())
    excluded = list(constraints.excluded_subtrees or ())
    spent = 0
    for depth, facts in enumerate(below):
        if depth and facts.is_self_issued:
            continue
        facts.check_names()
        for name in _names(facts):
            spent += len(permitted) + len(excluded)
            if spent > _MAXIMUM_COMPARISONS:
                raise UnsupportedCertificate(
                    f"certificate {ca} has too many name constraints to check"
                )
            kin = [subtree for subtree in permitted if type(subtree) is type(name)]
            try:
                allowed = not kin or any(_within(name, subtree) for subtree in kin)
                forbidden = any(
                    _touches(name, subtree) for subtree in excluded if type(subtree) is type(name)
                )
            except (ValueError, _Incomparable) as error:
                raise UnsupportedCertificate(
                    f"certificate {facts} has a name that cannot be held against the constraints "
                    f"of {ca}: {name!r}"
                ) from error
            if not allowed or forbidden:
                raise BadCertificate(
                    f"certificate {facts} has the name {str(name.value)[:200]!r}, which "
                    f"{ca} may not certify (name constraints)"
                )


class _Incomparable(Exception):
    """A kind of name for which no comparison is defined here."""


def _names(facts: Facts) -> Iterable[x509.GeneralName]:
    yield from facts.alternative_names
    subject = facts.certificate.subject
    if len(list(subject)):
        yield x509.DirectoryName(subject)
    if not any(isinstance(name, x509.RFC822Name) for name in facts.alternative_names):
        for attribute in subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS):
            yield x509.RFC822Name(str(attribute.value))


def _within(name: x509.GeneralName, subtree: x509.GeneralName) -> bool:
    """Whether the name is inside the subtree."""
    if isinstance(name, x509.DNSName):
        return _host_within(_ascii(name.value), _ascii(str(subtree.value)))
    if isinstance(name, x509.IPAddress):
        network, address = subtree.value, name.value
        return address.version == network.version and address in network
    if isinstance(name, x509.DirectoryName):
        base = normal_name(subtree.value.public_bytes())
        whole = normal_name(name.value.public_bytes())
        if base is None or whole is None:
            raise _Incomparable
        return whole[: len(base)] == base
    if isinstance(name, x509.RFC822Name):
        return _mailbox_within(name.value, str(subtree.value))
    if isinstance(name, x509.UniformResourceIdentifier):
        host = urlsplit(name.value).hostname
        if not host or host.replace(".", "").isdigit() or ":" in host:
            raise _Incomparable
        return _exact_or_below(_ascii(host), _ascii(str(subtree.value)))
    raise _Incomparable


def _touches(name: x509.GeneralName, subtree: x509.GeneralName) -> bool:
    """Whether the name is, or by its wildcard may stand for, something in the subtree."""
    if _within(name, subtree):
        return True
    if isinstance(name, x509.DNSName) and name.value.startswith("*."):
        parent = _ascii(name.value)[2:]
        return _host_within(_ascii(str(subtree.value)).lstrip("."), parent)
    return False


def _host_within(host: str, base: str) -> bool:
    if base.startswith("."):
        return host.endswith(base)
    return not base or host == base or host.endswith("." + base)


def _exact_or_below(host: str, base: str) -> bool:
    return host.endswith(base) if base.startswith(".") else host == base


def _mailbox_within(mailbox: str, base: str) -> bool:
    local, at, host = mailbox.rpartition("@")
    if not at or not local:
        raise _Incomparable
    base_local, base_at, base_host = base.rpartition("@")
    if base_at:
        return local == base_local and _ascii(host) == _ascii(base_host)
    return not base or _exact_or_below(_ascii(host), _ascii(base))


def _ascii(host: str) -> str:
    if not host.isascii():
        raise _Incomparable
    return host.lower().removesuffix(".")
