"""Certificates that others read and ``cryptography`` does not, written anew in strict DER.

Authorities have signed FALSE written out, booleans of other values than DER's, an underscore
in a PrintableString, accents in strings of ASCII, the numbers of versions 2 and 4, and NULL where
ECDSA has no parameters. OpenSSL and GnuTLS read all that; ``cryptography`` then reads nothing of
the certificate. So such a one is parsed from a copy, in which only the spelling differs: times,
serial number, key and signature are the same bytes, and what extensions say is what they said.

The copy is for reading. What was signed, the names that are compared and the extensions of a path
are always cut out of the certificate itself.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from .der import (
    Element,
    attributes,
    certificate_fields,
    elements,
    encoded,
    sequence,
    shown_text,
    tlv,
)
from .unreadable import UNREADABLE

__all__ = [
    "issuer_of",
    "load_certificate",
    "read_name",
    "strict_certificate",
    "subject_of",
    "version_of",
]

_VERSION_1 = b"\xa0\x03\x02\x01\x00"
_VERSION_2 = b"\xa0\x03\x02\x01\x01"
_VERSION_3 = b"\xa0\x03\x02\x01\x02"
_VERSION_4 = b"\xa0\x03\x02\x01\x03"  # what programs wrote that were told to set version 3
_ECDSA = b"\x06\x08\x2a\x86\x48\xce\x3d\x04\x03"  # 1.2.840.10045.4.3, and one arc more
_NULL = b"\x05\x00"
_TRUE = b"\x01\x01\xff"
_SEQUENCE, _SET, _OCTETS, _TEXT, _EXTENSIONS = 0x30, 0x31, 0x04, 0x0C, 0xA3
_CONSTRUCTED = 0x20
_DER_ONLY = 0x80  # tags from here on are of no type that an attribute has


def load_certificate(der: bytes) -> x509.Certificate:
    """Parse a certificate, also one that is not in strict DER.

    Raises:
        ValueError: it is damaged, or of an unknown version.
    """
    try:
        return x509.load_der_x509_certificate(der)
    except (ValueError, x509.InvalidVersion, Warning) as error:  # not all of it a ValueError
        try:
            copy = strict_certificate(der)
            if copy != der:
                return x509.load_der_x509_certificate(copy)
        except (ValueError, IndexError, x509.InvalidVersion, Warning):
            pass  # what was wrong in the first place says more
        raise ValueError(str(error)) from error


def strict_certificate(der: bytes) -> bytes:
    """Write a certificate anew in strict DER; it comes back as it is where it is in that.

    Raises:
        ValueError: it is no certificate, or has a name that nobody can read.
    """
    # nothing but what is named above may differ, least of all what nobody has signed
    signed, algorithm, signature = sequence(der)
    parts = [(tag, der[begin:done]) for tag, begin, _, done in _inside(der, _SEQUENCE, signed)]
    version = b""
    if parts[0][0] == 0xA0:
        _, version = parts.pop(0)
        version = {_VERSION_1: b"", _VERSION_2: _VERSION_3, _VERSION_4: _VERSION_3}.get(
            version, version
        )
    serial, signed_with, issuer, validity, subject, key, *more = [part for _, part in parts]
    written = encoded(
        _SEQUENCE,
        version,
        serial,
        _algorithm(signed_with),
        _name(issuer),
        validity,
        _name(subject),
        key,
        *[_extensions(each) if each[0] == _EXTENSIONS else each for each in more],
    )
    outside = _algorithm(der[algorithm[1] : algorithm[3]])
    return encoded(_SEQUENCE, written, outside, der[signature[1] : signature[3]])


def version_of(der: bytes) -> int:
    """Return which version a certificate that was parsed says it is of: 1 to 4."""
    _, at, _ = tlv(der, 0)
    _, at, _ = tlv(der, at)
    return der[at + 4] + 1 if der[at] == _VERSION_1[0] else 1


def subject_of(certificate: x509.Certificate) -> x509.Name:
    """Return the subject, however it is spelled.

    Raises:
        ValueError: nobody can read it.
    """
    try:
        return certificate.subject
    except UNREADABLE:
        return read_name(certificate_fields(certificate.public_bytes(Encoding.DER)).subject)


def issuer_of(certificate: x509.Certificate) -> x509.Name:
    """Return the issuer's name, likewise.

    Raises:
        ValueError: nobody can read it.
    """
    try:
        return certificate.issuer
    except UNREADABLE:
        return read_name(certificate_fields(certificate.public_bytes(Encoding.DER)).issuer)


def read_name(der: bytes) -> x509.Name:
    """Parse a distinguished name, however it is spelled.

    Raises:
        ValueError: nobody can read it, or it is too large.
    """
    try:
        return x509.Name.from_bytes(der)
    except UNREADABLE:
        pass
    try:
        return x509.Name.from_bytes(_name(der))
    except ValueError:
        raise
    except UNREADABLE as error:
        raise ValueError(str(error)) from error


def _name(der: bytes) -> bytes:
    """Write a name anew, all strings in UTF-8."""
    rdns: list[list[bytes]] = []
    last = -1
    for number, kind, tag, value in attributes(der):
        if number != last:
            rdns.append([])
            last = number
        rdns[-1].append(encoded(_SEQUENCE, kind, _value(tag, value)))
    # section 11.6 of X.690: the elements of a set are sorted
    return encoded(_SEQUENCE, *[encoded(_SET, *sorted(pairs)) for pairs in rdns])


def _value(tag: int, content: bytes) -> bytes:
    text = shown_text(tag, content)
    if text is not None:
        return encoded(_TEXT, text.encode())
    whole = encoded(tag, content)
    # what is made of parts is shown as bytes, as it is no value that cryptography has
    return encoded(_OCTETS, whole) if tag & _CONSTRUCTED or tag >= _DER_ONLY else whole


def _inside(data: bytes, tag: int, element: Element) -> list[Element]:
    """Cut an element of this kind into its parts."""
    if element[0] != tag:
        raise ValueError(f"expected an element with the tag {tag:#04x}, got {element[0]:#04x}")
    return elements(data, element[2], element[3])


def _algorithm(der: bytes) -> bytes:
    """Write an AlgorithmIdentifier anew: ECDSA has no parameters (RFC 5758 section 3.2)."""
    tag, start, end = tlv(der, 0)
    content = der[start:end]
    if (
        tag == _SEQUENCE
        and len(content) == 12
        and content.startswith(_ECDSA)
        and content.endswith(_NULL)
    ):
        return encoded(_SEQUENCE, content[:-2])
    return der


def _extensions(der: bytes) -> bytes:
    """Write extensions anew: critical is TRUE, or not there (X.690 sections 11.1 and 11.5)."""
    [block] = elements(der, 0, len(der))
    [whole] = _inside(der, _EXTENSIONS, block)
    written = []
    for each in _inside(der, _SEQUENCE, whole):
        oid, *flags, value = _inside(der, _SEQUENCE, each)
        critical = b""
        if flags:
            [(tag, _, where, done)] = flags
            if tag != 0x01 or done != where + 1:
                raise ValueError("not a boolean")
            critical = _TRUE if der[where] else b""
        written.append(encoded(_SEQUENCE, der[oid[1] : oid[3]], critical, der[value[1] : value[3]]))
    return encoded(_EXTENSIONS, encoded(_SEQUENCE, *written))
