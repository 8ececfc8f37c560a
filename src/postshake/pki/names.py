"""Server names, and whether a certificate is for one (RFC 9525).

Only subjectAltName counts: dNSName for names, iPAddress for addresses. The common
name is never looked at. A wildcard is the whole left-most label, stands for exactly
one label, and needs two labels to its right.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable
from functools import lru_cache

from cryptography import x509

from ..errors import BadCertificate, NameMismatch, UsageError
from .extensions import (
    SUBJECT_ALTERNATIVE_NAME,
    GeneralName,
    NameKind,
    extension_of,
    read_general_names,
)

__all__ = [
    "check_host",
    "covers",
    "matches_host",
    "matches_names",
    "normalize_server_name",
    "sni_host_name",
]

_ALLOWED = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")
_SHOWN = 8
_LONGEST = 300  # characters: a DNS name has 253, an address of IPv6 with its zone less


def check_host(certificate: x509.Certificate, server_name: str) -> None:
    """Raise unless the certificate is for this server (RFC 9525 section 6).

    Raises:
        NameMismatch: it is for other names, or for none.
        BadCertificate: its names cannot be read.
        UsageError: the server name is not one.
    """
    names = _alternative_names(certificate)
    if not covers(names, server_name):
        raise name_mismatch(names, server_name)


def matches_host(certificate: x509.Certificate, hostname: str) -> bool:
    """Whether the certificate is for this DNS name or IP address (RFC 9525 section 6).

    None is for what is neither, such as the ``*`` that a client may well send.
    """
    try:
        return covers(_alternative_names(certificate), hostname)
    except (BadCertificate, UsageError):
        return False


def matches_names(names: Iterable[x509.GeneralName], hostname: str) -> bool:
    """Whether one of these alternative names covers the host (RFC 9525 section 6)."""
    return covers(_unparsed(names), hostname)


def covers(names: Collection[GeneralName], hostname: str) -> bool:
    """Whether one of a peer's alternative names is for the host (RFC 9525 section 6).

    Args:
        names: as `extensions` reads them. What is no name at all is for nobody.
        hostname: a DNS name or an IP address.

    Raises:
        UsageError: the host is neither.
    """
    host, is_ip = normalize_server_name(hostname)
    if is_ip:
        address = ipaddress.ip_address(host).packed
        return (NameKind.ip_address, address) in names
    wanted = [host.encode()]
    _, _, parent = host.partition(".")
    if "." in parent:
        wanted.append(b"*." + parent.encode())
    for kind, value in names:  # noqa: SIM110 (there may be thousands)
        if kind == NameKind.dns_name and value.lower() in wanted:
            return True
    return False


def name_mismatch(names: Iterable[GeneralName], server_name: str) -> NameMismatch:
    """Say what was expected and what the certificate is for."""
    hosts = [name for name in names if name[0] in (NameKind.dns_name, NameKind.ip_address)]
    shown = ", ".join([_shown(*name) for name in hosts[:_SHOWN]]) or "no host"
    if len(hosts) > _SHOWN:
        shown += f" and {len(hosts) - _SHOWN} more"
    return NameMismatch(f"expected a certificate for {server_name!r}, got one for {shown}")


def _shown(kind: int, value: bytes) -> str:
    if kind == NameKind.ip_address and len(value) in (4, 16):
        return ascii(str(ipaddress.ip_address(value)))
    text = value[:_LONGEST].decode("ascii", "backslashreplace")
    return ascii(text if len(value) <= _LONGEST else text + "...")


def _unparsed(names: Iterable[x509.GeneralName]) -> list[GeneralName]:
    """Give names of ``cryptography``'s the form that `extensions` gives them."""
    found: list[GeneralName] = []
    for name in names:
        if isinstance(name, x509.DNSName):
            found.append((NameKind.dns_name, name.value.encode()))
        elif isinstance(name, x509.IPAddress):
            address = name.value
            if isinstance(address, (ipaddress.IPv4Address, ipaddress.IPv6Address)):
                found.append((NameKind.ip_address, address.packed))
    return found


@lru_cache(maxsize=512)
def normalize_server_name(name: str) -> tuple[str, bool]:
    """Bring a host name to the form that is compared; whether it is an IP address.

    DNS names come back in lower case, as A-labels, without the final dot; addresses
    in their shortest form, without brackets or zone.

    Raises:
        UsageError: it is neither.
    """
    if len(name) > _LONGEST:  # no name is, and what is read is remembered
        raise UsageError(f"server name too long: {len(name)} characters, at most {_LONGEST}")
    if ":" in name or name[-1:].isdigit():  # no DNS name ends in a label of digits
        literal = name[1:-1] if name.startswith("[") and name.endswith("]") else name
        try:
            return str(ipaddress.ip_address(literal.partition("%")[0])), True
        except ValueError:
            pass
    host = name
    if not host.isascii():
        if len(host) > 253:  # the codec's cost grows with the square
            raise UsageError(f"server name too long: {len(host)} characters, at most 253")
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError as error:
            raise UsageError(f"not a server name: {name!r}") from error
    host = host.lower().removesuffix(".")
    labels = host.split(".")
    if (
        not host
        or len(host) > 253
        or any(not 0 < len(label) < 64 or not _ALLOWED.issuperset(label) for label in labels)
        or labels[-1].isdigit()
    ):
        raise UsageError(f"neither a DNS name nor an IP address: {name!r}")
    return host, False


def sni_host_name(server_name: str) -> str | None:
    """Give the name for the server_name extension, None for addresses (RFC 6066 section 3)."""
    host, is_ip = normalize_server_name(server_name)
    return None if is_ip else host


def _alternative_names(certificate: x509.Certificate) -> tuple[GeneralName, ...]:
    try:
        held = extension_of(certificate, SUBJECT_ALTERNATIVE_NAME)
        return read_general_names(held) if held is not None else ()
    except ValueError as error:
        raise BadCertificate(f"the certificate's names cannot be read: {error}") from error
