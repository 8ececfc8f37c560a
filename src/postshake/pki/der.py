"""DER that ``cryptography`` does not read for us, read by offsets.

Certificates are parsed by ``cryptography``; what is here cuts fields out of bytes
that it has parsed already (names as they stand, the two copies of the signature
algorithm, each extension alone), and reads object identifiers, bit strings and names
that come from a CertificateRequest.

Whoever sends these bytes chooses them, so everything whose cost grows faster than its
size has a bound: object identifiers, bit strings, the letters of a name that have to be
normalised, and how many attributes a name has.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple, NewType

__all__ = [
    "MAXIMUM_NAME",
    "CertificateFields",
    "Element",
    "NormalName",
    "attribute_values",
    "attributes",
    "bit_string",
    "certificate_fields",
    "check_name_size",
    "elements",
    "encoded",
    "list_issuer",
    "normal_name",
    "object_identifier",
    "object_identifiers",
    "sequence",
    "shown_text",
    "text",
    "tlv",
]

NormalName = NewType("NormalName", bytes)
"""A distinguished name made comparable: equal for equal names, and at the start of
those of all names below it."""

MAXIMUM_NAME = 16 * 1024
"""Bytes of a distinguished name; those of the world have some hundreds."""
MAXIMUM_ATTRIBUTES = 128
"""Attributes of a distinguished name."""
_MAXIMUM_COMPARED = 2048  # bytes of a name that is normalised; of others the bytes count
_MAXIMUM_OID = 64  # octets of an object identifier: one of a UUID has 20
_MAXIMUM_BITS = 8  # octets of a bit string: a keyUsage has 2
_MAXIMUM_LETTERS = 512  # of a value with other letters than ASCII: NFKC is quadratic in accents
_REMEMBERED = 256  # bytes of a name that is normalised once for all, not each time


Element = tuple[int, int, int, int]


_NO_EXTENSIONS = b"\x30\x00"


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
    extensions: bytes
    """The sequence of extensions; an empty one where there is none."""


def certificate_fields(der: bytes) -> CertificateFields:
    """Cut a certificate that ``cryptography`` has parsed into fields (RFC 5280 section 4.1).

    Raises:
        ValueError: the bytes are not a certificate after all.
    """
    _, tbs, _ = tlv(der, 0)
    _, start, algorithm = tlv(der, tbs)
    length = der[algorithm + 1]  # what is short is gone through without a call
    signature_value = algorithm + 2 + length if length < 0x80 else tlv(der, algorithm)[2]
    short = der[signature_value + 1] < 0x80
    bits = signature_value + 2 if short else tlv(der, signature_value)[1]
    if der[bits] != 0:  # unused bits, which nobody signs or looks at
        raise ValueError("the signature is not whole octets")
    cuts = []
    at = start
    while at < algorithm:
        cuts.append(at)
        length = der[at + 1]
        if length < 0x80:
            at += 2 + length
        else:
            _, inner, at = tlv(der, at)
    if at != algorithm:
        raise ValueError("truncated DER")
    first = der[start] == 0xA0  # [0] EXPLICIT version, absent from version 1
    _, signature, issuer, validity, subject, spki, *more = cuts[first:]
    extensions = _NO_EXTENSIONS
    if more and der[more[-1]] == 0xA3:
        extensions = der[more[-1] + 2 if length < 0x80 else inner : algorithm]
    return CertificateFields(
        der[tbs:algorithm],
        der[algorithm:signature_value],
        der[signature:issuer],
        der[issuer:validity],
        der[subject:spki],
        der[spki : more[0] if more else algorithm],
        extensions,
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


def sequence(der: bytes) -> list[Element]:
    """Cut a whole SEQUENCE into its elements.

    Raises:
        ValueError: it is not one, or not whole.
    """
    tag, start, end = tlv(der, 0)
    if tag != 0x30 or end != len(der):
        raise ValueError("not a sequence")
    return elements(der, start, end)


def elements(data: bytes, offset: int, end: int) -> list[Element]:
    """Cut what lies between two offsets into elements.

    Returns:
        Of each the tag, and the offsets where it begins, where its content begins, and
        where it ends.

    Raises:
        ValueError: one runs past the end, its length is not DER, or its tag is of the
            kind that needs more than an octet, which no certificate has.
    """
    found = []
    while offset < end:
        if offset + 2 > end:
            raise ValueError("truncated DER")
        tag, length = data[offset], data[offset + 1]
        if tag & 0x1F == 0x1F:
            raise ValueError("a tag of more than one octet")
        start = offset + 2
        if length < 0x80:
            stop = start + length
        else:
            _, start, stop = tlv(data, offset)
        found.append((tag, offset, start, stop))
        offset = stop
    if offset != end:
        raise ValueError("truncated DER")
    return found


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


def encoded(tag: int, *parts: bytes) -> bytes:
    """Write an element: its tag, its length, and these parts as its content."""
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content


def object_identifier(der: bytes) -> str:
    """Read a whole OBJECT IDENTIFIER, tag included, as dotted numbers.

    Raises:
        ValueError: it is not one.
    """
    tag, start, end = tlv(der, 0)
    if tag != 0x06 or end != len(der) or start == end:
        raise ValueError("not an object identifier")
    if end - start > _MAXIMUM_OID:
        raise ValueError(f"an object identifier of {end - start} octets")
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
    return tuple([object_identifier(der[at:stop]) for _, at, _, stop in sequence(der)])


def bit_string(der: bytes) -> frozenset[int]:
    """Read a BIT STRING, such as a KeyUsage: the numbers of the bits that are set.

    Raises:
        ValueError: it is not one.
    """
    tag, start, end = tlv(der, 0)
    if tag != 0x03 or end != len(der) or start == end or der[start] > 7:
        raise ValueError("not a bit string")
    if end - start - 1 > _MAXIMUM_BITS:
        raise ValueError(f"a bit string of {end - start - 1} octets")
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
_SHOWN_BESIDE = frozenset({0x1A, 0x1B})  # VisibleString, GeneralString
_OF_BYTES = frozenset({0x0C, 0x12, 0x13, 0x14, 0x16})  # in which ASCII is ASCII


def normal_name(der: bytes, *, remember: bool = True) -> NormalName | None:
    """Make a distinguished name comparable, whatever its string types and case.

    RFC 5280 section 7.1: letters are compared without case, runs of blanks as
    one. None when the bytes are not a name, or one that is too long to be normalised for
    a stranger (2 KiB): such a name is equal only to itself.

    Args:
        der: the name.
        remember: whether it may be asked for again; some short ones are remembered.
    """
    remember = remember and len(der) <= _REMEMBERED
    try:
        return _normal_small_name(der) if remember else _normal_name(der)
    except (ValueError, IndexError):
        return None


def check_name_size(der: bytes) -> None:
    """Refuse a distinguished name that nobody should have to read.

    Raises:
        ValueError: it has too many bytes or attributes, or is not a name.
    """
    if len(der) > MAXIMUM_NAME:
        raise ValueError(f"a name of {len(der)} bytes, at most {MAXIMUM_NAME}")
    for _ in attributes(der):
        pass


def attribute_values(der: bytes, kind: bytes) -> list[tuple[int, bytes]]:
    """Return the values of one kind in a distinguished name, as tags and contents.

    Args:
        der: the name.
        kind: the attribute's type, a DER object identifier.

    Raises:
        ValueError: it is not a name, or one that is too large.
    """
    return [(tag, value) for _, found, tag, value in attributes(der) if found == kind]


def text(tag: int, content: bytes) -> str:
    """Read a string, whatever its type.

    Raises:
        ValueError: it is no string, or has letters that its type has not.
    """
    codec = _STRINGS.get(tag)
    if codec is None:
        raise ValueError("not a string")
    return content.decode(codec)


def shown_text(tag: int, content: bytes) -> str | None:
    """Read a string to show it; None where it is of no type that has letters.

    Strings of ASCII may have letters beyond it, which count as ISO 8859-1: so does OpenSSL.
    What is compared is read by `text`, which refuses them.

    Raises:
        ValueError: it is broken.
    """
    codec = "latin-1" if tag in _SHOWN_BESIDE else _STRINGS.get(tag)
    if codec is None:
        return None
    return content.decode("latin-1" if codec == "ascii" else codec)


def attributes(der: bytes) -> Iterator[tuple[int, bytes, int, bytes]]:
    """Go through a distinguished name. An RDN may be empty, and then nothing is yielded of it.

    Yields:
        Of each attribute the number of its RDN, its type as a DER object identifier, and the
        tag and the content of its value.

    Raises:
        ValueError: it is not a name, or one that is too large.
    """
    if len(der) > MAXIMUM_NAME:
        raise ValueError(f"a name of {len(der)} bytes, at most {MAXIMUM_NAME}")
    count = 0
    for number, (tag, _, start, end) in enumerate(sequence(der)):
        if tag != 0x31:
            raise ValueError("not a relative distinguished name")
        for pair, _, at, stop in elements(der, start, end):
            count += 1
            if count > MAXIMUM_ATTRIBUTES:
                raise ValueError(f"a name of more than {MAXIMUM_ATTRIBUTES} attributes")
            kind, value = elements(der, at, stop)
            if pair != 0x30 or kind[0] != 0x06:
                raise ValueError("not an attribute")
            yield number, der[kind[1] : kind[3]], value[0], der[value[2] : value[3]]


def _normal_name(der: bytes) -> NormalName:
    """Write each RDN with its length before it, so that no other begins as it does."""
    if len(der) > _MAXIMUM_COMPARED:
        raise ValueError("too long to normalise")
    rdns: list[list[bytes]] = []
    for number, kind, tag, value in attributes(der):
        if number == len(rdns):
            rdns.append([])
        elif number > len(rdns):
            raise ValueError("an empty relative distinguished name")
        if len(kind) != 5 or not kind.startswith(_X520) or kind[4] >= 0x80:
            object_identifier(kind)  # one that is not minimal would be another's double
        rdns[number].append(kind + _normal_value(tag, value))
    if len(rdns) != len(sequence(der)):
        raise ValueError("an empty relative distinguished name")
    return NormalName(b"".join([_sized(b"".join(sorted(pairs))) for pairs in rdns]))


_X520 = b"\x06\x03\x55\x04"  # 2.5.4, where nearly all types are
_normal_small_name = lru_cache(maxsize=256)(_normal_name)


def _normal_value(tag: int, content: bytes) -> bytes:
    codec = _STRINGS.get(tag)
    if codec is None:
        return bytes([tag]) + _sized(content)
    if tag in _OF_BYTES and content.isascii():
        letters = content.decode("ascii").lower()
    else:
        letters = content.decode(codec)
        if len(letters) > _MAXIMUM_LETTERS:
            raise ValueError(f"a value of {len(letters)} letters")
        letters = unicodedata.normalize("NFKC", letters).casefold()
    return b"\x0c" + _sized(" ".join(letters.split()).encode())


def _sized(content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + content
