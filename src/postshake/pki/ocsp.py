"""OCSP responses that came with a certificate (RFC 6960), and what a lookup finds."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum
from itertools import islice

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import SignatureAlgorithmOID

from .._dataclass import dataclass
from .der import certificate_fields
from .extensions import EXTENDED_KEY_USAGE, extension_of, read_extended_key_usage
from .pss import may_have_signed, pss_key_of, pss_of_response

__all__ = ["SKEW", "Finding", "Standing", "read_response"]

SKEW = timedelta(minutes=5)
"""By which clocks may differ."""
DAY = timedelta(days=1)  # for which a response counts that names no end
SINGLES = 64
"""How many certificates a response may be about; what comes later is not looked at."""
_OCSP_SIGNING = b"\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x09"  # 1.3.6.1.5.5.7.3.9
RESPONDERS = 4
"""How many of the certificates in a response are looked at: each takes a signature."""


class Standing(Enum):
    """What is known of a certificate."""

    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "there is no revocation list of its issuer"
    BADLY_SIGNED = "the revocation list is not signed by its issuer"
    NOT_YET_VALID = "the revocation list is of tomorrow"
    EXPIRED = "the revocation list has expired"
    NOT_ENTITLED = "the revocation list is signed by a key that may not sign any"
    NOT_UNDERSTOOD = "the revocation list has a critical extension that is not supported"
    UNREADABLE = "the revocation list cannot be read"
    OUT_OF_SCOPE = "its issuer's revocation lists are not about it"
    PARTLY_KNOWN = "its issuer's revocation lists do not cover every reason"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found out about a certificate."""

    standing: Standing
    since: datetime | None = None
    """From when on it is revoked."""
    reason: str = ""
    """Why, if its issuer says so."""
    outdated: bool = False
    """Whether there must be a newer list than the one that says so."""

    def __str__(self) -> str:
        if self.standing is not Standing.REVOKED:
            return str(self.standing.value)
        when = f" on {self.since:%Y-%m-%d}" if self.since is not None else ""
        return f"revoked{when}{f', {self.reason}' if self.reason else ''}"


def read_response(
    data: bytes,
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    now: datetime,
    names: tuple[bytes, ...] = (),
) -> Finding | None:
    """Read an OCSP response (RFC 6960 section 4.2).

    Args:
        data: the response.
        certificate: whose status is wanted.
        issuer: who certified it.
        now: the time.
        names: the issuer's name as it is spelled, DER, where these two are copies in which it
            may be spelled otherwise.

    Returns:
        What it says of the certificate: revoked, if any part of it says so. None if it says
        nothing that can be used. A peer could have left it out as well.
    """
    try:
        response = ocsp.load_der_ocsp_response(data)
        if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            return None
        if not _is_authorized(response, issuer, now):
            return None
        good = None
        for each in islice(response.responses, SINGLES):
            if _is_about(each, certificate, issuer, names) and _is_current(each, now):
                found = _finding(each)
                if found is not None and found.standing is Standing.REVOKED:
                    return found  # whatever stands before it, or after
                good = good or found
    except Exception:  # whatever a stranger's bytes make cryptography raise
        return None
    return good


def _is_about(
    single: ocsp.OCSPSingleResponse,
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    names: tuple[bytes, ...],
) -> bool:
    if single.serial_number != certificate.serial_number:
        return False
    request = ocsp.OCSPRequestBuilder().add_certificate(
        certificate, issuer, single.hash_algorithm
    ).build()  # fmt: skip
    # the issuer's name as the certificate spells it, or else as the issuer does itself
    own = certificate_fields(issuer.public_bytes(Encoding.DER)).subject
    spelled = [request.issuer_name_hash]
    for name in (own, *names):
        digest = hashes.Hash(single.hash_algorithm)
        digest.update(name)
        spelled.append(digest.finalize())
    return single.issuer_name_hash in spelled and single.issuer_key_hash == request.issuer_key_hash


def _is_current(single: ocsp.OCSPSingleResponse, now: datetime) -> bool:
    until = single.next_update_utc or single.this_update_utc + DAY
    return single.this_update_utc - SKEW <= now <= until + SKEW


def _finding(single: ocsp.OCSPSingleResponse) -> Finding | None:
    if single.certificate_status is ocsp.OCSPCertStatus.GOOD:
        return Finding(Standing.GOOD)
    if single.certificate_status is ocsp.OCSPCertStatus.REVOKED:
        reason = single.revocation_reason
        since = single.revocation_time_utc
        return Finding(Standing.REVOKED, since, reason.value if reason is not None else "")
    return None


def _is_authorized(response: ocsp.OCSPResponse, issuer: x509.Certificate, now: datetime) -> bool:
    """Whether the issuer signed it, or one whom the issuer lets (section 4.2.2.2)."""
    if _signed(response, issuer):
        return True
    return any(
        _is_responder(each, issuer, now) and _signed(response, each)
        for each in response.certificates[:RESPONDERS]
    )


def _is_responder(certificate: x509.Certificate, issuer: x509.Certificate, now: datetime) -> bool:
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        return False
    try:
        value = extension_of(certificate, EXTENDED_KEY_USAGE)
        purposes = read_extended_key_usage(value) if value is not None else frozenset()
        certificate.verify_directly_issued_by(issuer)
        if not may_have_signed(issuer, certificate):
            return False
    except (ValueError, TypeError, InvalidSignature):
        return False
    return _OCSP_SIGNING in purposes


def _signed(response: ocsp.OCSPResponse, signer: x509.Certificate) -> bool:
    key = signer.public_key()
    signature, signed = response.signature, response.tbs_response_bytes
    try:
        if response.signature_algorithm_oid == SignatureAlgorithmOID.RSASSA_PSS:
            pss = pss_of_response(response, signer)
            if pss is None or not isinstance(key, rsa.RSAPublicKey):
                return False
            key.verify(signature, signed, *pss)
            return True
        digest = response.signature_hash_algorithm
        if isinstance(digest, (hashes.SHA1, hashes.MD5)):
            return False
        if isinstance(key, ec.EllipticCurvePublicKey) and digest is not None:
            key.verify(signature, signed, ec.ECDSA(digest))
        elif isinstance(key, rsa.RSAPublicKey) and digest is not None:
            if pss_key_of(signer):
                return False
            key.verify(signature, signed, padding.PKCS1v15(), digest)
        elif digest is None:  # Ed25519 and its kin
            key.verify(signature, signed)  # type: ignore[union-attr, call-arg]
        else:
            return False
    except (InvalidSignature, AttributeError, TypeError, ValueError, UnsupportedAlgorithm):
        return False
    return True
