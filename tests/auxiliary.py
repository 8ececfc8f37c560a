"""OpenSSL's trusted certificates, made by hand: X509_CERT_AUX behind a certificate."""

from __future__ import annotations

import base64
from collections.abc import Iterable

from cryptography.x509 import ExtendedKeyUsage
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from tests.certs import content, wrap

__all__ = ["ANY", "CLIENT", "SERVER", "auxiliary", "trusted_pem"]

SERVER = ExtendedKeyUsageOID.SERVER_AUTH.dotted_string
CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH.dotted_string
ANY = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE.dotted_string


def auxiliary(
    trust: Iterable[str] | None = None,
    reject: Iterable[str] | None = None,
    alias: str | None = None,
) -> bytes:
    """Make what stands behind the certificate."""
    parts = b""
    if trust is not None:
        parts += wrap(0x30, _purposes(trust))
    if reject is not None:
        parts += wrap(0xA0, _purposes(reject))
    if alias is not None:
        parts += wrap(0x0C, alias.encode())
    return wrap(0x30, parts)


def trusted_pem(
    der: bytes, trust: Iterable[str] | None = None, reject: Iterable[str] | None = None
) -> bytes:
    """Make a TRUSTED CERTIFICATE."""
    text = base64.encodebytes(der + auxiliary(trust, reject))
    label = b"TRUSTED CERTIFICATE-----\n"
    return b"-----BEGIN " + label + text + b"-----END " + label


def _purposes(dotted: Iterable[str]) -> bytes:
    purposes = [ObjectIdentifier(each) for each in dotted]
    return content(ExtendedKeyUsage(purposes).public_bytes()) if purposes else b""
