"""OpenSSL's own form of a certificate, which says what it is trusted for.

PEM calls it TRUSTED CERTIFICATE; ``openssl x509 -trustout`` and the trust tools of Fedora write
it. Behind the certificate stands an X509_CERT_AUX:

    X509_CERT_AUX ::= SEQUENCE {
        trust   SEQUENCE OF OBJECT IDENTIFIER OPTIONAL,
        reject  [0] IMPLICIT SEQUENCE OF OBJECT IDENTIFIER OPTIONAL,
        alias   UTF8String OPTIONAL,
        keyid   OCTET STRING OPTIONAL,
        other   [1] IMPLICIT SEQUENCE OF AlgorithmIdentifier OPTIONAL }
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import NamedTuple

from ..errors import UsageError
from .elements import SEQUENCE, Element, elements
from .pem import pem_blocks

__all__ = ["TrustedUses", "check_no_uses", "read_trusted_certificate", "without_uses"]

_ANY = "2.5.29.37.0"  # anyExtendedKeyUsage
_REJECT = 0xA0
_LABEL = b"-----BEGIN TRUSTED CERTIFICATE-----"


class TrustedUses(NamedTuple):
    """What a certificate is trusted for, and what not: purposes, as dotted numbers."""

    trusted: frozenset[str] | None
    """None where that is not said: then it is trusted like any that was loaded."""
    rejected: frozenset[str]

    def allow(self, purpose: str) -> bool | None:
        """Whether it ends paths for a purpose, or must be in none; None if nothing is said."""
        if self.rejected & {purpose, _ANY}:
            return False
        return None if self.trusted is None else bool(self.trusted & {purpose, _ANY})

    def and_also(self, other: TrustedUses) -> TrustedUses:
        """Return what holds where both were said of the same certificate: the stricter of both."""
        told = [each.trusted for each in (self, other) if each.trusted is not None]
        trusted = frozenset.intersection(*told) if told else None
        return TrustedUses(trusted, self.rejected | other.rejected)


def read_trusted_certificate(data: bytes) -> tuple[bytes, TrustedUses | None]:
    """Cut a certificate off from what is said of its uses; None where nothing stands behind it.

    Raises:
        ValueError: what stands behind it is something else.
    """
    certificate, *more = elements(data)
    if not more:
        return certificate.der, None
    [auxiliary] = more
    trusted, rejected = None, frozenset[str]()
    for each in auxiliary.parts():
        if each.tag == SEQUENCE and trusted is None:
            trusted = _purposes(each.parts())
        elif each.tag == _REJECT:
            rejected = _purposes(each.parts(_REJECT))
    return certificate.der, TrustedUses(trusted, rejected)


def check_no_uses(data: bytes, where: str) -> None:
    """Refuse PEM text with such a certificate, where nobody would heed what it says.

    Raises:
        UsageError: there is one.
    """
    if _LABEL in data:
        raise UsageError(
            f"{where}: a TRUSTED CERTIFICATE says what it is trusted for, which nothing here goes "
            "by: expected a CERTIFICATE (openssl x509 writes one)"
        )


def without_uses(data: bytes) -> bytes:
    """Return PEM text in which such certificates are plain ones, to be our own.

    What they are trusted for is for who verifies them.
    """
    if _LABEL not in data:
        return data
    plain = []
    for block in pem_blocks(data):
        if block.label == b"TRUSTED CERTIFICATE":
            der, _ = read_trusted_certificate(block.content)
        elif block.label in (b"CERTIFICATE", b"X509 CERTIFICATE"):
            der = block.content
        else:
            continue
        text = base64.encodebytes(der)
        plain.append(b"-----BEGIN CERTIFICATE-----\n" + text + b"-----END CERTIFICATE-----\n")
    return b"".join(plain)


def _purposes(identifiers: Iterable[Element]) -> frozenset[str]:
    return frozenset(each.dotted() for each in identifiers)
