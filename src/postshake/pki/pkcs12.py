"""PKCS #12 files with ML-DSA keys, which ``cryptography`` opens and then cannot read.

It checks the integrity of the file before it reads what is inside (RFC 7292 section 4),
so this is only to be asked once it has done so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from .elements import OCTET_STRING, Element, definite, elements
from .parsed_certificate import load_certificate
from .pbes2 import decrypt, decrypt_key
from .private_key import read_pkcs8

__all__ = ["read_pkcs12"]

_DATA: Final = "1.2.840.113549.1.7.1"
_ENCRYPTED_DATA: Final = "1.2.840.113549.1.7.6"
_KEY_BAG: Final = "1.2.840.113549.1.12.10.1.1"
_SHROUDED_KEY_BAG: Final = "1.2.840.113549.1.12.10.1.2"
_CERTIFICATE_BAG: Final = "1.2.840.113549.1.12.10.1.3"
_X509: Final = "1.2.840.113549.1.9.22.1"
_EXPLICIT: Final = 0xA0
_IMPLICIT: Final = 0x80
_CONSTRUCTED: Final = 0x20


def read_pkcs12(data: bytes, password: bytes) -> tuple[PrivateKeyTypes, list[x509.Certificate]]:
    """Read the ML-DSA key and all certificates of a file whose integrity was checked.

    Args:
        data: a PFX (RFC 7292 section 4).
        password: the password, in UTF-8.

    Raises:
        ValueError: it is damaged, or has no such key.
        UnsupportedKey: the key cannot be used; the text says why.
    """
    key: PrivateKeyTypes | None = None
    certificates: list[x509.Certificate] = []
    for kind, value in _bags(data, password):
        if kind == _KEY_BAG:
            key = read_pkcs8(value.der)
        elif kind == _SHROUDED_KEY_BAG:
            key = read_pkcs8(decrypt_key(value.der, password))
        elif kind == _CERTIFICATE_BAG:
            of_kind, content = value.parts()
            if of_kind.dotted() == _X509:
                (certificate,) = content.parts(_EXPLICIT)
                certificates.append(load_certificate(certificate.expect(OCTET_STRING)))
    if key is None:
        raise ValueError("holds no private key")
    return key, certificates


def _bags(data: bytes, password: bytes) -> Iterator[tuple[str, Element]]:
    """Give the kind and the value of each SafeBag (RFC 7292 section 4.2)."""
    (whole,) = elements(definite(data))
    _, auth_safe, *_ = whole.parts()
    (authenticated,) = elements(definite(_data(auth_safe)))
    for content_info in authenticated.parts():
        oid, content = content_info.parts()
        if oid.dotted() == _ENCRYPTED_DATA:
            (encrypted_data,) = content.parts(_EXPLICIT)
            _, encrypted, *_ = encrypted_data.parts()
            _, algorithm, octets = encrypted.parts()
            safe = decrypt(algorithm, _joined(octets), password)
        else:
            safe = _data(content_info)
        (bags,) = elements(definite(safe))
        for bag in bags.parts():
            kind, value, *_ = bag.parts()
            (inner,) = value.parts(_EXPLICIT)
            yield kind.dotted(), inner


def _data(content_info: Element) -> bytes:
    """Return what a ContentInfo of the kind data holds (RFC 5652 sections 3 and 4)."""
    oid, content = content_info.parts()
    if oid.dotted() != _DATA:
        raise ValueError(f"expected content of the kind data, got {oid.dotted()}")
    (octets,) = content.parts(_EXPLICIT)
    return octets.expect(OCTET_STRING)


def _joined(octets: Element) -> bytes:
    """Return an OCTET STRING with the tag [0], whole or in pieces."""
    if octets.tag == _IMPLICIT | _CONSTRUCTED:
        return b"".join(piece.expect(OCTET_STRING) for piece in octets.parts(octets.tag))
    return octets.expect(_IMPLICIT)
