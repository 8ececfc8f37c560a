"""Certificates written byte by byte: what no library would make.

``certificate(...)`` takes names, keys and extensions as DER, and signs what comes of it. The
pieces of DER are `tlv`, `seq`, `oid` and the like. `CA` keeps a name and a key together.
"""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Iterable
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.certs import DAY, NOW, new_key

__all__ = [
    "BASIC_CA",
    "CA",
    "COMMON_NAME",
    "DIGITAL_SIGNATURE",
    "TRUE",
    "VERSION_3",
    "certificate",
    "constraints",
    "dns",
    "extension",
    "integer",
    "name",
    "names",
    "oid",
    "rdn",
    "rsa_spki",
    "seq",
    "spki",
    "tlv",
]

COMMON_NAME = "2.5.4.3"
_SERIALS = itertools.count(1000)


def tlv(tag: int, *parts: bytes) -> bytes:
    """One element."""
    content = b"".join(parts)
    if len(content) < 0x80:
        return bytes([tag, len(content)]) + content
    size = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(size)]) + size + content


def seq(*parts: bytes) -> bytes:
    """A SEQUENCE."""
    return tlv(0x30, *parts)


def integer(value: int) -> bytes:
    """An INTEGER."""
    return tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def oid(dotted: str) -> bytes:
    """An OBJECT IDENTIFIER."""
    first, second, *rest = map(int, dotted.split("."))
    octets = bytearray()
    for arc in (first * 40 + second, *rest):
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(arc & 0x7F | 0x80)
        octets += bytes(reversed(groups))
    return tlv(0x06, bytes(octets))


TRUE = tlv(0x01, b"\xff")
VERSION_3 = tlv(0xA0, integer(2))


def rdn(value: str | bytes, kind: str = COMMON_NAME, tag: int = 0x0C) -> bytes:
    """A relative distinguished name of one attribute."""
    content = value.encode() if isinstance(value, str) else value
    return tlv(0x31, seq(oid(kind), tlv(tag, content)))


def name(common_name: str) -> bytes:
    """A distinguished name of one common name."""
    return seq(rdn(common_name))


def extension(kind: str, value: bytes, *, critical: bool | bytes = False) -> bytes:
    """An extension; bytes for critical are that field as it stands there."""
    flag = critical if isinstance(critical, bytes) else TRUE if critical else b""
    return seq(oid(kind), flag, tlv(0x04, value))


def dns(host: str | bytes) -> bytes:
    """A dNSName."""
    return tlv(0x82, host.encode() if isinstance(host, str) else host)


def names(*general_names: bytes) -> bytes:
    """A subjectAltName."""
    return extension("2.5.29.17", seq(*general_names))


def constraints(
    permitted: Iterable[bytes] = (), excluded: Iterable[bytes] = (), *, critical: bool = True
) -> bytes:
    """Name constraints, of GeneralNames."""
    trees = [b"".join(map(seq, each)) for each in (permitted, excluded)]
    parts = [tlv(0xA0 + index, each) for index, each in enumerate(trees) if each]
    return extension("2.5.29.30", seq(*parts), critical=critical)


BASIC_CA = extension("2.5.29.19", seq(tlv(0x01, b"\xff")), critical=True)
DIGITAL_SIGNATURE = extension("2.5.29.15", tlv(0x03, b"\x07\x80"), critical=True)


def spki(key: Any) -> bytes:
    """The subjectPublicKeyInfo of a private key."""
    encoded: bytes = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return encoded


def rsa_spki(modulus: int, exponent: int) -> bytes:
    """The subjectPublicKeyInfo of an RSA key that nobody needs to have."""
    key = seq(integer(modulus), integer(exponent))
    return seq(seq(oid("1.2.840.113549.1.1.1"), tlv(0x05)), tlv(0x03, b"\0" + key))


def certificate(
    subject: bytes,
    issuer: bytes,
    key_info: bytes,
    signer: Any,
    extensions: Iterable[bytes] = (),
    *,
    serial: bytes | None = None,
    version: bytes = VERSION_3,
    algorithm: bytes | None = None,
    inner: bytes | None = None,
    validity: bytes | None = None,
    unique_ids: bytes = b"",
    not_before: datetime.datetime = NOW - DAY,
    not_after: datetime.datetime = NOW + 365 * DAY,
) -> bytes:
    """Write a certificate and sign it."""
    algorithm = algorithm or _algorithm(signer)
    validity = validity or seq(*[_utc_time(moment) for moment in (not_before, not_after)])
    block = b"".join(extensions)
    tbs = seq(
        version,
        integer(next(_SERIALS)) if serial is None else serial,
        inner or algorithm,
        issuer,
        validity,
        subject,
        key_info,
        unique_ids,
        tlv(0xA3, seq(block)) if block else b"",
    )
    return seq(tbs, algorithm, tlv(0x03, b"\0" + _sign(signer, tbs)))


class CA:
    """A name and a key that certify."""

    def __init__(self, subject: bytes | str = "Forger", key: Any = None) -> None:
        self.subject = name(subject) if isinstance(subject, str) else subject
        self.key = key or new_key()

    def own(self, *extensions: bytes) -> bytes:
        """Its certificate, signed by itself."""
        return certificate(
            self.subject, self.subject, spki(self.key), self.key, [BASIC_CA, *extensions]
        )

    def issue(self, subject: bytes | str, key_info: bytes, *extensions: bytes) -> bytes:
        """Certify somebody."""
        whole = name(subject) if isinstance(subject, str) else subject
        return certificate(whole, self.subject, key_info, self.key, extensions)


_ALGORITHMS = {  # by what the private key's class begins with
    "ECPrivateKey": oid("1.2.840.10045.4.3.2"),
    "RSAPrivateKey": oid("1.2.840.113549.1.1.11") + tlv(0x05),
    "Ed25519PrivateKey": oid("1.3.101.112"),
    "Ed448PrivateKey": oid("1.3.101.113"),
    "MLDSA44PrivateKey": oid("2.16.840.1.101.3.4.3.17"),
    "MLDSA65PrivateKey": oid("2.16.840.1.101.3.4.3.18"),
    "MLDSA87PrivateKey": oid("2.16.840.1.101.3.4.3.19"),
}


def _algorithm(signer: Any) -> bytes:
    kind = type(signer).__name__
    return seq(next(value for known, value in _ALGORITHMS.items() if kind.endswith(known)))


def _sign(signer: Any, data: bytes) -> bytes:
    if isinstance(signer, ec.EllipticCurvePrivateKey):
        return signer.sign(data, ec.ECDSA(hashes.SHA256()))
    if isinstance(signer, rsa.RSAPrivateKey):
        return signer.sign(data, padding.PKCS1v15(), hashes.SHA256())
    signature: bytes = signer.sign(data)
    return signature


def _utc_time(moment: datetime.datetime) -> bytes:
    return tlv(0x17, f"{moment:%y%m%d%H%M%SZ}".encode())
