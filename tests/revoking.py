"""Revocation lists and OCSP responses of the test authorities, as wrong as a test needs them."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from postshake.pki.der import sequence, tlv
from tests import forging as f
from tests.certs import CA, DAY, NOW, Issued

__all__ = ["SINCE", "join_responses", "make_list", "make_response"]

SINCE = NOW - DAY
"""When whoever is revoked was revoked."""


def make_list(
    ca: CA,
    *revoked: Issued,
    since: datetime.datetime = NOW - DAY,
    until: datetime.datetime | None = NOW + DAY,
    reason: x509.ReasonFlags | None = None,
    extra: Iterable[tuple[x509.ExtensionType, bool]] = (),
    of_entries: Iterable[tuple[x509.ExtensionType, bool]] = (),
    issuer: x509.Name | None = None,
    number: int | None = None,
    signed_by: Any = None,
) -> x509.CertificateRevocationList:
    """A list of an authority's with these certificates in it."""
    builder = x509.CertificateRevocationListBuilder()
    builder = builder.issuer_name(issuer or ca.certificate.subject).last_update(since)
    builder = builder.next_update(until or NOW + DAY)
    for each in revoked:
        entry = x509.RevokedCertificateBuilder()
        entry = entry.serial_number(each.certificate.serial_number).revocation_date(SINCE)
        if reason is not None:
            entry = entry.add_extension(x509.CRLReason(reason), critical=False)
        for extension, critical in of_entries:
            entry = entry.add_extension(extension, critical=critical)
        builder = builder.add_revoked_certificate(entry.build())
    if number is not None:
        builder = builder.add_extension(x509.CRLNumber(number), critical=False)
    for extension, critical in extra:
        builder = builder.add_extension(extension, critical=critical)
    key = signed_by or ca.private_key
    return builder.sign(key, _hash(key))


def make_response(
    ca: CA,
    about: Issued,
    status: str = "good",
    *,
    since: datetime.datetime = NOW - DAY,
    until: datetime.datetime | None = NOW + DAY,
    reason: x509.ReasonFlags | None = None,
    issuer: CA | None = None,
    responder: Issued | None = None,
) -> bytes:
    """An OCSP response of an authority's, or of a responder's, about a certificate."""
    revoked = status == "revoked"
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=about.certificate,
        issuer=(issuer or ca).certificate,
        algorithm=hashes.SHA256(),
        cert_status=ocsp.OCSPCertStatus[status.upper()],
        this_update=since,
        next_update=until,
        revocation_time=SINCE if revoked else None,
        revocation_reason=reason if revoked else None,
    )
    signer = responder or ca
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, signer.certificate)
    if responder is not None:
        builder = builder.certificates([responder.certificate])
    key = signer.private_key
    return builder.sign(key, _hash(key)).public_bytes(Encoding.DER)


def join_responses(ca: CA, *responses: bytes) -> bytes:
    """One OCSP response of the authority's that says what several do, in this order."""
    loaded = [ocsp.load_der_ocsp_response(each).tbs_response_bytes for each in responses]
    cut = [[each[at:end] for _, at, _, end in sequence(each)] for each in loaded]
    responder, produced = cut[0][:2]
    singles = [each[2][tlv(each[2], 0)[1] :] for each in cut]
    signed = f.seq(responder, produced, f.seq(*singles))
    signature = ca.private_key.sign(signed, ec.ECDSA(hashes.SHA256()))
    ecdsa_with_sha256 = f.seq(f.oid("1.2.840.10045.4.3.2"))
    basic = f.seq(signed, ecdsa_with_sha256, f.tlv(0x03, b"\0" + signature))
    kind = f.oid("1.3.6.1.5.5.7.48.1.1")
    return f.seq(f.tlv(0x0A, b"\0"), f.tlv(0xA0, f.seq(kind, f.tlv(0x04, basic))))


def _hash(key: Any) -> hashes.HashAlgorithm | None:
    has_hash = isinstance(key, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey))
    return hashes.SHA256() if has_hash else None
