"""A certificate as `getpeercert` shows it: nested tuples, and OpenSSL's words."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from ipaddress import ip_address
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

from ..pki.der import (
    certificate_fields,
    check_name_size,
    elements,
    encoded,
    object_identifier,
)
from ..pki.extensions import (
    AUTHORITY_INFORMATION_ACCESS,
    CRL_DISTRIBUTION_POINTS,
    SUBJECT_ALTERNATIVE_NAME,
    GeneralName,
    NameKind,
    read_access_descriptions,
    read_distribution_points,
    read_extensions,
    read_general_names,
)
from ..pki.parsed_certificate import SMALL
from ..pki.strict_der import issuer_of, load_certificate, read_name, subject_of, version_of
from .object_names import long_name, other_name

__all__ = ["certificate_dict"]

_LONG_NAMES = {
    NameOID.COMMON_NAME: "commonName",
    NameOID.SURNAME: "surname",
    NameOID.SERIAL_NUMBER: "serialNumber",
    NameOID.COUNTRY_NAME: "countryName",
    NameOID.LOCALITY_NAME: "localityName",
    NameOID.STATE_OR_PROVINCE_NAME: "stateOrProvinceName",
    NameOID.STREET_ADDRESS: "streetAddress",
    NameOID.ORGANIZATION_NAME: "organizationName",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "organizationalUnitName",
    NameOID.TITLE: "title",
    NameOID.GIVEN_NAME: "givenName",
    NameOID.GENERATION_QUALIFIER: "generationQualifier",
    NameOID.DN_QUALIFIER: "dnQualifier",
    NameOID.PSEUDONYM: "pseudonym",
    NameOID.USER_ID: "userId",
    NameOID.DOMAIN_COMPONENT: "domainComponent",
    NameOID.EMAIL_ADDRESS: "emailAddress",
    NameOID.BUSINESS_CATEGORY: "businessCategory",
    NameOID.POSTAL_CODE: "postalCode",
    NameOID.JURISDICTION_COUNTRY_NAME: "jurisdictionCountryName",
    NameOID.JURISDICTION_LOCALITY_NAME: "jurisdictionLocalityName",
    NameOID.JURISDICTION_STATE_OR_PROVINCE_NAME: "jurisdictionStateOrProvinceName",
    NameOID.ORGANIZATION_IDENTIFIER: "organizationIdentifier",
}
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def certificate_dict(der: bytes) -> dict[str, Any]:
    """Give a certificate's fields as the standard library gives them.

    What cannot be read of an extension is left out, or shown as ``<invalid>``, and hides
    nothing else.

    Raises:
        ValueError: it is no certificate.
    """
    certificate = load_certificate(der)
    fields: dict[str, Any] = {
        "subject": _shown(subject_of, certificate),
        "issuer": _shown(issuer_of, certificate),
        "version": version_of(der),
        "serialNumber": _serial(certificate.serial_number),
        "notBefore": _time(certificate.not_valid_before_utc),
        "notAfter": _time(certificate.not_valid_after_utc),
    }
    try:
        extensions = read_extensions(certificate_fields(der).extensions).values
    except ValueError:  # only in what was not verified
        return fields
    names = _alternative_names(extensions)
    if names is not None:
        fields["subjectAltName"] = names
    for key, method in (("OCSP", _OCSP), ("caIssuers", _CA_ISSUERS)):
        places = _access(extensions, method)
        if places:
            fields[key] = places
    points = _crl_points(extensions)
    if points:
        fields["crlDistributionPoints"] = points
    return fields


def _shown(name_of: Callable[[x509.Certificate], x509.Name], certificate: x509.Certificate) -> Any:
    try:
        return _name(name_of(certificate))
    except ValueError:  # only in what our own verifier has not verified
        return ()


def _name(name: x509.Name) -> tuple[tuple[tuple[str, str], ...], ...]:
    return tuple(
        tuple(
            (_LONG_NAMES.get(each.oid) or long_name(each.oid.dotted_string), _text(each))
            for each in part
        )
        for part in name.rdns
    )


def _text(attribute: x509.NameAttribute[Any]) -> str:
    value = attribute.value
    return value if isinstance(value, str) else value.hex()


def _serial(number: int) -> str:
    text = f"{abs(number):X}"
    return "-" * (number < 0) + "0" * (len(text) % 2) + text


def _time(moment: datetime) -> str:
    """Write a time as OpenSSL does: ``Jan  1 00:00:00 2030 GMT``."""
    return f"{_MONTHS[moment.month - 1]} {moment.day:2} {moment:%H:%M:%S %Y} GMT"


def _alternative_names(extensions: dict[bytes, bytes]) -> tuple[tuple[str, Any], ...] | None:
    value = extensions.get(SUBJECT_ALTERNATIVE_NAME)
    try:
        names = read_general_names(value) if value is not None else None
    except ValueError:
        return None
    return tuple([_general_name(*name) for name in names]) if names is not None else None


def _general_name(kind: int, value: bytes) -> tuple[str, Any]:
    label, read = _GENERAL_NAMES.get(kind, _UNKNOWN)
    try:
        return label, read(value)
    except ValueError:
        return label, "<invalid>"


def _ip_address(value: bytes) -> str:
    return _address(str(ip_address(value)))


def _directory_name(value: bytes) -> Any:
    if len(value) > SMALL:
        check_name_size(value)
    return _name(read_name(value))


def _registered_id(value: bytes) -> str:
    return long_name(object_identifier(encoded(0x06, value)))


def _other_name(value: bytes) -> str:
    kind, held = elements(value, 0, len(value))
    return other_name(object_identifier(value[kind[1] : kind[3]]), value[held[2] : held[3]])


def _unsupported(value: bytes) -> str:
    return "<unsupported>"


_GENERAL_NAMES: dict[int, tuple[str, Callable[[bytes], Any]]] = {
    NameKind.dns_name: ("DNS", bytes.decode),
    NameKind.rfc822_name: ("email", bytes.decode),
    NameKind.uniform_resource_identifier: ("URI", bytes.decode),
    NameKind.ip_address: ("IP Address", _ip_address),
    NameKind.directory_name: ("DirName", _directory_name),
    NameKind.registered_id: ("Registered ID", _registered_id),
    NameKind.other_name: ("othername", _other_name),
    NameKind.x400_address: ("X400Name", _unsupported),
    NameKind.edi_party_name: ("EdiPartyName", _unsupported),
}
_UNKNOWN = ("othername", _unsupported)
_OCSP = b"\x06\x08\x2b\x06\x01\x05\x05\x07\x30\x01"  # 1.3.6.1.5.5.7.48.1
_CA_ISSUERS = b"\x06\x08\x2b\x06\x01\x05\x05\x07\x30\x02"  # 1.3.6.1.5.5.7.48.2


def _address(text: str) -> str:
    """Write an address of IPv6 as OpenSSL does: in full, in capitals, without leading zeros."""
    if ":" not in text:
        return text
    from ipaddress import IPv6Address

    return ":".join(f"{int(group, 16):X}" for group in IPv6Address(text).exploded.split(":"))


def _access(extensions: dict[bytes, bytes], method: bytes) -> tuple[str, ...]:
    value = extensions.get(AUTHORITY_INFORMATION_ACCESS)
    try:
        found = read_access_descriptions(value) if value is not None else ()
    except ValueError:
        return ()
    return _places([name for used, name in found if used == method])


def _crl_points(extensions: dict[bytes, bytes]) -> tuple[str, ...]:
    value = extensions.get(CRL_DISTRIBUTION_POINTS)
    try:
        found = read_distribution_points(value) if value is not None else ()
    except ValueError:
        return ()
    return _places([name for point in found for name in point.names])


def _places(names: Iterable[GeneralName]) -> tuple[str, ...]:
    """Return those of the names that are URIs; one that is no text leads nowhere."""
    found = []
    for kind, value in names:
        if kind == NameKind.uniform_resource_identifier:
            try:
                found.append(value.decode())
            except ValueError:
                continue
    return tuple(found)
