"""The little DER that ``cryptography`` does not read for us.

Certificates are parsed by ``cryptography``; what is here cuts fields out of bytes
that it has parsed already (names as they stand, the two copies of the signature
algorithm), and reads object identifiers, bit strings and names that come from a
CertificateRequest.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import NamedTuple

__all__ = [
    "CertificateFields",
    "NormalName",
    "bit_string",
    "certificate_fields",
    "list_issuer",
    "normal_name",
    "object_identifier",
    "object_identifiers",
    "tlv",
]

NormalName = tuple[tuple[tuple[str, str | bytes], ...], ...]
"""A distinguished name made comparable: RDNs of (type, value) pairs."""


class CertificateFields(NamedTuple):
    """Raw fields of one certificate (RFC 5280 section 4.1)."""

    tbs: bytes
    """What is signed."""
    algorithm: bytes
    """signatureAlgorithm, outside the signed part."""
    signature: bytes
    """signature, its copy inside the signed part."""
    issuer: bytes
    subject: bytes
    spki: bytes
    """subjectPublicKeyInfo."""


def certificate_fields(der: bytes) -> CertificateFields:
    """Cut a certificate that ``cryptography`` has parsed into fields (RFC 5280 section 4.1).

    Raises:
        ValueError: the bytes are not a certificate after all.
    """
    _, start, _ = tlv(der, 0)
    _, inner, tbs_end = tlv(der, start)
    _, _, algorithm_end = tlv(der, tbs_end)
    _, signature_value, _ = tlv(der, algorithm_end)
    if der[signature_value] != 0:  # unused bits, which nobody signs or looks at
        raise ValueError("the signature is not whole octets")
    if der[inner] == 0xA0:  # [0] EXPLICIT version, absent from version 1
        _, _, inner = tlv(der, inner)
    _, _, serial_end = tlv(der, inner)
    _, _, signature_end = tlv(der, serial_end)
    _, _, issuer_end = tlv(der, signature_end)
    _, _, validity_end = tlv(der, issuer_end)
    _, _, subject_end = tlv(der, validity_end)
    _, _, spki_end = tlv(der, subject_end)
    return CertificateFields(
        der[start:tbs_end],
        der[tbs_end:algorithm_end],
        der[serial_end:signature_end],
        der[signature_end:issuer_end],
        der[validity_end:subject_end],
        der[subject_end:spki_end],
    )


def list_issuer(der: bytes) -> bytes:
    """Cut the issuer out of a revocation list that ``cryptography`` has parsed (5.1.2).

    Raises:
        ValueError: the bytes are not a revocation list after all.
    """
    _, start, _ = tlv(der, 0)
    _, inner, _ = tlv(der, start)
    if der[inner] == 0x02:  # version, absent from version 1
        _, _, inner = tlv(der, inner)
    _, _, begin = tlv(der, inner)
    _, _, end = tlv(der, begin)
    return der[begin:end]


def tlv(data: bytes, offset: int) -> tuple[int, int, int]:
    """Read one tag and length: the tag, where the content starts, where it ends.

    Raises:
        ValueError: the element runs past the data, or its length is not DER.
    """
    if offset + 2 > len(data):
        raise ValueError("truncated DER")
    length = data[offset + 1]
    start = offset + 2
    if length >= 0x80:
        count = length & 0x7F
        start += count
        if not 1 <= count <= 4 or start > len(data):
            raise ValueError("bad DER length")
        length = int.from_bytes(data[offset + 2 : start], "big")
        if length < 0x80 or data[offset + 2] == 0:
            raise ValueError("DER length not minimal")
    end = start + length
    if end > len(data):
        raise ValueError("truncated DER")
    return data[offset], start, end


def object_identifier(der: bytes) -> str:
    """Read a whole OBJECT IDENTIFIER, tag included, as dotted numbers.

    Raises:
        ValueError: it is not one.
    """
    tag, start, end = tlv(der, 0)
    if tag != 0x06 or end != len(der) or start == end:
        raise ValueError("not an object identifier")
    arcs: list[int] = []
    value = 0
    fresh = True
    for octet in der[start:end]:
        if fresh and octet == 0x80:
            raise ValueError("object identifier not minimal")
        value = value << 7 | octet & 0x7F
        fresh = octet < 0x80
        if fresh:
            arcs.append(value)
            value = 0
    if not fresh:
        raise ValueError("truncated object identifier")
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, [first, arcs[0] - 40 * first, *arcs[1:]]))


def object_identifiers(der: bytes) -> tuple[str, ...]:
    """Read a SEQUENCE OF OBJECT IDENTIFIER, such as an ExtendedKeyUsage.

    Raises:
        ValueError: it is not one.
    """
    tag, offset, end = tlv(der, 0)
    if tag != 0x30 or end != len(der):
        raise ValueError("not a sequence")
    found = []
    while offset < end:
        _, _, stop = tlv(der, offset)
        found.append(object_identifier(der[offset:stop]))
        offset = stop
    return tuple(found)


def bit_string(der: bytes) -> frozenset[int]:
    """Read a BIT STRING, such as a KeyUsage: the numbers of the bits that are set.

    Raises:
        ValueError: it is not one.
    """
    tag, start, end = tlv(der, 0)
    if tag != 0x03 or end != len(der) or start == end or der[start] > 7:
        raise ValueError("not a bit string")
    octets = der[start + 1 :]
    if not octets and der[start]:
        raise ValueError("not a bit string")
    bits = {
        8 * index + bit
        for index, octet in enumerate(octets)
        for bit in range(8)
        if octet & 0x80 >> bit
    }
    if any(bit >= 8 * len(octets) - der[start] for bit in bits):
        raise ValueError("unused bits are set")
    return frozenset(bits)


_STRINGS = {
    0x0C: "utf-8",  # UTF8String
    0x12: "ascii",  # NumericString
    0x13: "ascii",  # PrintableString
    0x14: "latin-1",  # TeletexString, as everyone reads it
    0x16: "ascii",  # IA5String
    0x1C: "utf-32-be",  # UniversalString
    0x1E: "utf-16-be",  # BMPString
}


@lru_cache(maxsize=512)
def normal_name(der: bytes) -> NormalName | None:
    """Make a distinguished name comparable, whatever its string types and case.

    RFC 5280 section 7.1: letters are compared without case, runs of blanks as
    one. None when the bytes are not a name.
    """
    try:
        return _normal_name(der)
    except (ValueError, IndexError):
        return None


def _normal_name(der: bytes) -> NormalName:
    tag, offset, end = tlv(der, 0)
    if tag != 0x30 or end != len(der):
        raise ValueError("not a name")
    rdns = []
    while offset < end:
        tag, at, rdn_end = tlv(der, offset)
        if tag != 0x31 or rdn_end > end:
            raise ValueError("not a relative distinguished name")
        pairs = []
        while at < rdn_end:
            tag, start, pair_end = tlv(der, at)
            _, _, type_end = tlv(der, start)
            value_tag, value_start, value_end = tlv(der, type_end)
            if tag != 0x30 or value_end != pair_end or pair_end > rdn_end:
                raise ValueError("not an attribute")
            kind = object_identifier(der[start:type_end])
            pairs.append((kind, _normal_value(value_tag, der[value_start:value_end])))
            at = pair_end
        rdns.append(tuple(sorted(pairs, key=repr)))
        offset = rdn_end
    return tuple(rdns)


def _normal_value(tag: int, content: bytes) -> str | bytes:
    codec = _STRINGS.get(tag)
    if codec is None:
        return bytes([tag]) + content
    text = unicodedata.normalize("NFKC", content.decode(codec)).casefold()
    return " ".join(text.split())
