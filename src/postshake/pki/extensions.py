"""The extensions of a certificate, each read alone (RFC 5280 section 4.2).

``cryptography`` reads all extensions of a certificate or none, and makes an object of each
thing in them. Here one is read when something asks for it, so what is odd about another does
not matter, and one with thirty thousand names costs nothing to whom its names are nothing.

A reader takes the value of one extension, which is what its OCTET STRING holds, and raises
ValueError for what is not of its type. It takes what is written down though it is the
default, as FALSE, which DER forbids and others accept.
"""

from __future__ import annotations

from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from .der import Element, bit_string, certificate_fields, elements, sequence, tlv

__all__ = [
    "AUTHORITY_INFORMATION_ACCESS",
    "AUTHORITY_KEY_IDENTIFIER",
    "BASIC_CONSTRAINTS",
    "CERTIFICATE_POLICIES",
    "CRL_DISTRIBUTION_POINTS",
    "EXTENDED_KEY_USAGE",
    "INHIBIT_ANY_POLICY",
    "KEY_USAGE",
    "NAME_CONSTRAINTS",
    "POLICY_CONSTRAINTS",
    "POLICY_MAPPINGS",
    "SUBJECT_ALTERNATIVE_NAME",
    "SUBJECT_KEY_IDENTIFIER",
    "BasicConstraints",
    "DistributionPoint",
    "Extensions",
    "GeneralName",
    "KeyUsage",
    "NameKind",
    "Subtrees",
    "extension_of",
    "read_access_descriptions",
    "read_authority_key_identifier",
    "read_basic_constraints",
    "read_distribution_points",
    "read_extended_key_usage",
    "read_extensions",
    "read_general_names",
    "read_key_usage",
    "read_name_constraints",
    "read_subject_key_identifier",
]

_CRITICAL = b"\x01\x01\xff"
_ARC = b"\x06\x03\x55\x1d"  # 2.5.29
SUBJECT_KEY_IDENTIFIER = _ARC + b"\x0e"
KEY_USAGE = _ARC + b"\x0f"
SUBJECT_ALTERNATIVE_NAME = _ARC + b"\x11"
BASIC_CONSTRAINTS = _ARC + b"\x13"
NAME_CONSTRAINTS = _ARC + b"\x1e"
CRL_DISTRIBUTION_POINTS = _ARC + b"\x1f"
CERTIFICATE_POLICIES = _ARC + b"\x20"
POLICY_MAPPINGS = _ARC + b"\x21"
AUTHORITY_KEY_IDENTIFIER = _ARC + b"\x23"
POLICY_CONSTRAINTS = _ARC + b"\x24"
EXTENDED_KEY_USAGE = _ARC + b"\x25"
INHIBIT_ANY_POLICY = _ARC + b"\x36"
AUTHORITY_INFORMATION_ACCESS = b"\x06\x08\x2b\x06\x01\x05\x05\x07\x01\x01"  # 1.3.6.1.5.5.7.1.1

MAXIMUM_EXTENSIONS = 128
"""Extensions of one certificate; those of the world have a dozen."""
MAXIMUM_POINTS = 8 * 1024
"""Bytes of a cRLDistributionPoints; those of the world have some hundreds."""
MOST_PLACES = 128
"""Places of one certificate where its issuer has anything else; two are many."""
MAXIMUM_NAMES = 4096
"""Alternative names of one certificate; public authorities certify some hundreds."""


class Extensions(NamedTuple):
    """The extensions of a certificate, unread. Nobody changes them."""

    values: dict[bytes, bytes]
    """By object identifier, DER."""
    critical: frozenset[bytes]
    """Those that are critical."""


class BasicConstraints(NamedTuple):
    """Whether a certificate is a CA's (section 4.2.1.9)."""

    ca: bool
    path_length: int | None
    """How many intermediates may be below it; None for any number. Says nothing without ca."""


class KeyUsage:
    """Bits of a keyUsage, of two octets (section 4.2.1.3)."""

    digital_signature = 0x8000
    key_cert_sign = 0x0400
    crl_sign = 0x0200


class NameKind:
    """Tags of a GeneralName (section 4.2.1.6)."""

    other_name = 0xA0
    x400_address = 0xA3
    edi_party_name = 0xA5
    rfc822_name = 0x81
    dns_name = 0x82
    directory_name = 0xA4
    uniform_resource_identifier = 0x86
    ip_address = 0x87
    registered_id = 0x88


GeneralName = tuple[int, bytes]
"""The tag of a GeneralName, and what it holds: of a directoryName the name in DER."""


class DistributionPoint(NamedTuple):
    """A place where lists about a certificate are (section 4.2.1.13)."""

    names: tuple[GeneralName, ...]
    """Its fullName."""
    relative: bytes | None
    """Its name below its issuer's: the content of a RelativeDistinguishedName."""
    reasons: frozenset[int] | None
    """Numbers of bits of ReasonFlags; None for all."""
    issuers: tuple[GeneralName, ...] | None
    """Whose lists they are; None for the certificate's own issuer."""


class Subtrees(NamedTuple):
    """Name constraints, as they stand there (section 4.2.1.10)."""

    permitted: tuple[GeneralName, ...]
    excluded: tuple[GeneralName, ...]


def extension_of(certificate: x509.Certificate, oid: bytes) -> bytes | None:
    """Return one extension of a certificate that is parsed, unread; None where it has none.

    Raises:
        ValueError: its extensions are not to be told apart, as one is there twice.
    """
    der = certificate.public_bytes(Encoding.DER)
    return read_extensions(certificate_fields(der).extensions).values.get(oid)


def read_extensions(block: bytes) -> Extensions:
    """Cut a sequence of extensions.

    Raises:
        ValueError: it is none, one is there twice (section 4.2), or there are too many.
    """
    tag, at, last = tlv(block, 0)
    if tag != 0x30 or last != len(block):
        raise ValueError("not a sequence")
    found: dict[bytes, bytes] = {}
    critical = set()
    while at < last:
        # what is short and as DER wants it is cut here, without a call for each of its parts
        end = at + 2 + block[at + 1] if at + 5 <= last else 0
        value = middle = at + 4 + block[at + 3] if end > at + 5 else last
        if block[middle : middle + 3] == _CRITICAL:
            value += 3
        if (
            value + 2 <= end <= last
            and block[at] == 0x30
            and block[at + 1] < 0x80
            and block[at + 2] == 0x06
            and block[value] == 0x04
            and value + 2 + block[value + 1] == end
        ):
            oid, content = block[at + 2 : middle], block[value + 2 : end]
            counts = value != middle
        else:
            end, oid, content, counts = _extension(block, at)
        if oid in found:
            raise ValueError("an extension is there twice")
        if len(found) == MAXIMUM_EXTENSIONS:
            raise ValueError(f"more than {MAXIMUM_EXTENSIONS} extensions")
        found[oid] = content
        if counts:
            critical.add(oid)
        at = end
    return Extensions(found, frozenset(critical))


def _extension(block: bytes, at: int) -> tuple[int, bytes, bytes, bool]:
    tag, start, end = tlv(block, at)
    if tag != 0x30:
        raise ValueError("not an extension")
    kind, *more, value = elements(block, start, end)
    critical = False
    if more:
        [flag] = more
        critical = _boolean(block, flag)
    if kind[0] != 0x06 or value[0] != 0x04:
        raise ValueError("not an extension")
    return end, block[kind[1] : kind[3]], block[value[2] : value[3]], critical


def read_basic_constraints(value: bytes) -> BasicConstraints:
    """Read basicConstraints."""
    usual = _BASIC.get(value)
    if usual is not None:
        return usual
    parts = sequence(value)
    ca = False
    if parts and parts[0][0] == 0x01:
        ca = _boolean(value, parts.pop(0))
    if not parts:
        return BasicConstraints(ca, None)
    [(tag, _, start, end)] = parts
    if tag != 0x02 or not 0 < end - start <= 8 or value[start] > 0x7F:
        raise ValueError("not a path length")
    return BasicConstraints(ca, int.from_bytes(value[start:end], "big"))


_BASIC = {
    b"\x30\x00": BasicConstraints(False, None),
    b"\x30\x03\x01\x01\xff": BasicConstraints(True, None),
}


def read_key_usage(value: bytes) -> int:
    """Read a keyUsage: its bits, as in `KeyUsage`."""
    if len(value) == 4 and value[:2] == b"\x03\x02":  # as nearly all have it
        if value[2] > 7 or value[3] & (1 << value[2]) - 1:
            raise ValueError("not a bit string")
        return value[3] << 8
    return sum([0x8000 >> bit for bit in bit_string(value) if bit < 16])


def read_extended_key_usage(value: bytes) -> frozenset[bytes]:
    """Read an extendedKeyUsage: object identifiers, DER (section 4.2.1.12)."""
    size = len(value)
    if 4 < size < 0x80 and value[:3] == b"\x30%c\x06" % (size - 2) and value[3] == size - 4:
        return frozenset((value[2:],))  # one, as nearly all have it
    found = sequence(value)
    if any(tag != 0x06 for tag, _, _, _ in found):
        raise ValueError("not an object identifier")
    return frozenset([value[at:end] for _, at, _, end in found])


def read_general_names(value: bytes) -> tuple[GeneralName, ...]:
    """Read a subjectAltName, without a look at what its names are."""
    tag, start, end = tlv(value, 0)
    if tag != 0x30 or end != len(value):
        raise ValueError("not a sequence")
    return _general_names(value, start, end)


def _general_names(data: bytes, start: int, end: int) -> tuple[GeneralName, ...]:
    held = elements(data, start, end)
    if len(held) > MAXIMUM_NAMES:
        raise ValueError(f"{len(held)} names, at most {MAXIMUM_NAMES}")
    found = []
    for tag, _, at, stop in held:
        if tag & 0xC0 != 0x80:
            raise ValueError("not a general name")
        found.append((tag, data[at:stop]))
    return tuple(found)


def read_distribution_points(value: bytes) -> tuple[DistributionPoint, ...]:
    """Read cRLDistributionPoints, without a look at what its names are."""
    if len(value) > MAXIMUM_POINTS:
        raise ValueError(f"distribution points in {len(value)} bytes, at most {MAXIMUM_POINTS}")
    return tuple([_distribution_point(value, each) for each in sequence(value)])


def _distribution_point(data: bytes, element: Element) -> DistributionPoint:
    tag, _, start, end = element
    if tag != 0x30:
        raise ValueError("not a distribution point")
    names: tuple[GeneralName, ...] = ()
    relative = reasons = issuers = None
    last = -1
    for tag, _, at, stop in elements(data, start, end):
        if tag & 0x1F <= last:
            raise ValueError("fields of a distribution point in a wrong order")
        last = tag & 0x1F
        if tag == 0xA0:
            [(kind, _, inside, done)] = elements(data, at, stop)
            if kind == 0xA0:
                names = _general_names(data, inside, done)
            elif kind == 0xA1:
                relative = data[inside:done]
            else:
                raise ValueError("not the name of a distribution point")
        elif tag == 0x81:
            content = data[at:stop]
            reasons = bit_string(b"\x03%c%b" % (len(content) & 0x7F, content))
        elif tag == 0xA2:
            issuers = _general_names(data, at, stop)
        else:
            raise ValueError("not a distribution point")
    return DistributionPoint(names, relative, reasons, issuers)


def read_access_descriptions(value: bytes) -> tuple[tuple[bytes, GeneralName], ...]:
    """Read authorityInfoAccess: methods, DER, and where they are used (section 4.2.2.1)."""
    held = sequence(value)
    if len(held) > MOST_PLACES:
        raise ValueError(f"{len(held)} access descriptions, at most {MOST_PLACES}")
    found = []
    for tag, _, start, end in held:
        if tag != 0x30:
            raise ValueError("not an access description")
        method, (kind, _, at, stop) = elements(value, start, end)
        if method[0] != 0x06 or kind & 0xC0 != 0x80:
            raise ValueError("not an access description")
        found.append((value[method[1] : method[3]], (kind, value[at:stop])))
    return tuple(found)


def read_name_constraints(value: bytes) -> Subtrees:
    """Read nameConstraints."""
    found: dict[int, tuple[GeneralName, ...]] = {}
    for tag, _, start, end in sequence(value):
        if tag not in (0xA0, 0xA1) or tag in found:
            raise ValueError("not name constraints")
        found[tag] = tuple([_subtree(value, each) for each in elements(value, start, end)])
    return Subtrees(found.get(0xA0, ()), found.get(0xA1, ()))


def read_authority_key_identifier(value: bytes) -> bytes | None:
    """Read the issuer's key identifier; None if it is named in another way (4.2.1.1)."""
    for tag, _, start, end in sequence(value):
        if tag == 0x80:
            return value[start:end]
    return None


def read_subject_key_identifier(value: bytes) -> bytes:
    """Read a certificate's own key identifier (section 4.2.1.2)."""
    tag, start, end = tlv(value, 0)
    if tag != 0x04 or end != len(value):
        raise ValueError("not a key identifier")
    return value[start:end]


def _boolean(data: bytes, element: tuple[int, int, int, int]) -> bool:
    tag, _, start, end = element
    if tag != 0x01 or end - start != 1:
        raise ValueError("not a boolean")
    return data[start] != 0


def _subtree(data: bytes, element: tuple[int, int, int, int]) -> GeneralName:
    tag, _, start, end = element
    if tag != 0x30:
        raise ValueError("not a subtree")
    base, *distances = elements(data, start, end)
    # section 4.2.1.10: the minimum is 0, and there is no maximum
    if any(data[at:stop] != b"\x80\x01\x00" for _, at, _, stop in distances):
        raise ValueError("a subtree with a minimum or a maximum")
    kind, _, start, end = base
    if kind & 0xC0 != 0x80:
        raise ValueError("not a general name")
    return kind, data[start:end]
