"""A certificate as `getpeercert` shows it: nested tuples, and OpenSSL's words."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtensionOID, NameOID

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


def certificate_dict(certificate: x509.Certificate) -> dict[str, Any]:
    """Give a certificate's fields as the standard library gives them."""
    fields: dict[str, Any] = {
        "subject": _name(certificate.subject),
        "issuer": _name(certificate.issuer),
        "version": certificate.version.value + 1,
        "serialNumber": _serial(certificate.serial_number),
        "notBefore": _time(certificate.not_valid_before_utc),
        "notAfter": _time(certificate.not_valid_after_utc),
    }
    names = _alternative_names(certificate)
    if names:
        fields["subjectAltName"] = names
    for key, method in (
        ("OCSP", AuthorityInformationAccessOID.OCSP),
        ("caIssuers", AuthorityInformationAccessOID.CA_ISSUERS),
    ):
        places = _access(certificate, method)
        if places:
            fields[key] = places
    points = _crl_points(certificate)
    if points:
        fields["crlDistributionPoints"] = points
    return fields


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
    sign = "-" if number < 0 else ""
    return f"{sign}{text}" if len(text) % 2 == 0 else f"{sign}0{text}"


def _time(moment: datetime) -> str:
    """Write a time as OpenSSL does: ``Jan  1 00:00:00 2030 GMT``."""
    return f"{_MONTHS[moment.month - 1]} {moment.day:2} {moment:%H:%M:%S %Y} GMT"


def _extension(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> Any:
    try:
        return certificate.extensions.get_extension_for_oid(oid).value
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension):
        return ()
    except x509.UnsupportedGeneralNameType:
        return ()


def _alternative_names(certificate: x509.Certificate) -> tuple[tuple[str, Any], ...]:
    found = _extension(certificate, ExtensionOID.SUBJECT_ALTERNATIVE_NAME)
    return tuple(_general_name(name) for name in found)


def _general_name(name: x509.GeneralName) -> tuple[str, Any]:
    match name:
        case x509.DNSName():
            return "DNS", name.value
        case x509.RFC822Name():
            return "email", name.value
        case x509.UniformResourceIdentifier():
            return "URI", name.value
        case x509.IPAddress():
            return "IP Address", _address(str(name.value))
        case x509.DirectoryName():
            return "DirName", _name(name.value)
        case x509.RegisteredID():
            return "Registered ID", long_name(name.value.dotted_string)
        case x509.OtherName():
            return "othername", other_name(name.type_id.dotted_string, name.value)
        case _:
            return "othername", "<unsupported>"


def _address(text: str) -> str:
    """Write an address of IPv6 as OpenSSL does: in full, in capitals, without leading zeros."""
    if ":" not in text:
        return text
    from ipaddress import IPv6Address

    return ":".join(f"{int(group, 16):X}" for group in IPv6Address(text).exploded.split(":"))


def _access(certificate: x509.Certificate, method: x509.ObjectIdentifier) -> tuple[str, ...]:
    found = _extension(certificate, ExtensionOID.AUTHORITY_INFORMATION_ACCESS)
    return tuple(
        each.access_location.value
        for each in found
        if each.access_method == method
        and isinstance(each.access_location, x509.UniformResourceIdentifier)
    )


def _crl_points(certificate: x509.Certificate) -> tuple[str, ...]:
    found = _extension(certificate, ExtensionOID.CRL_DISTRIBUTION_POINTS)
    return tuple(
        name.value
        for point in found
        for name in point.full_name or ()
        if isinstance(name, x509.UniformResourceIdentifier)
    )
