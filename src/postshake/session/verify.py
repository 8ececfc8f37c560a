"""What is wrong with a peer's chain, in GnuTLS's status bits."""

from __future__ import annotations

from inspect import isawaitable

from .. import errors
from ..constants import Role
from ..errors import CertificateError, UsageError
from ..pki.der import certificate_fields
from ..pki.extensions import KEY_USAGE, KeyUsage, read_extensions, read_key_usage
from ..pki.names import covers
from ..pki.parsed_certificate import Facts
from ..pki.trust import PeerChain, VerifiedChain, Verifier
from . import codes
from . import constants as c
from .errors import SessionError

__all__ = ["check_key_usage", "status_for", "verify"]

# The special before the general.
_STATUS: tuple[tuple[type[CertificateError], int], ...] = (
    (errors.UnknownCA, c.CERT_SIGNER_NOT_FOUND),
    (errors.CertificateExpired, c.CERT_EXPIRED),
    (errors.CertificateNotYetValid, c.CERT_NOT_ACTIVATED),
    (errors.CertificateRevoked, c.CERT_REVOKED),
    (errors.DistrustedKey, c.CERT_REVOKED),  # as GnuTLS has it for what is blocklisted
    (errors.NameMismatch, c.CERT_UNEXPECTED_OWNER),
    (errors.WrongPurpose, c.CERT_PURPOSE_MISMATCH),
    (errors.WeakKey, c.CERT_INSECURE_ALGORITHM),
    (errors.UnsupportedCertificate, c.CERT_UNKNOWN_CRIT_EXTENSIONS),
    (errors.PolicyMismatch, c.CERT_UNKNOWN_CRIT_EXTENSIONS),  # as GnuTLS: it refuses to look
    (errors.BadCertificate, c.CERT_SIGNATURE_FAILURE),
)


def status_for(error: CertificateError) -> int:
    """Return the status bits for a verifier's refusal; CERT_INVALID is always set."""
    bit = next((bit for kind, bit in _STATUS if isinstance(error, kind)), 0)
    return c.CERT_INVALID | bit


def verify(
    verifier: Verifier, peer: PeerChain, hostname: str | None
) -> VerifiedChain | CertificateError:
    """Verify a chain, and that it is for a name; return the path or what is wrong.

    Raises:
        SessionError: the verifier's answer is not there yet, as a coroutine's would be.
    """
    try:
        verdict = verifier.verify(peer)
    except CertificateError as error:
        return error.without_traceback()  # whose frames would have it, and it them
    if isawaitable(verdict):
        if hasattr(verdict, "close"):
            verdict.close()
        raise SessionError(
            codes.E_UNIMPLEMENTED_FEATURE, "a session blocks, and this verifier is asynchronous"
        )
    if hostname is not None and peer.role is Role.client:  # servers' names are verified above
        if not _is_for(peer, hostname):
            return errors.NameMismatch(f"the client's certificate is not for {hostname!r}")
    return verdict


def _is_for(peer: PeerChain, hostname: str) -> bool:
    try:
        return covers(Facts(peer.certificates[0]).alternative_names, hostname)
    except (CertificateError, UsageError):  # names that cannot be read, or no host at all
        return False


def check_key_usage(peer: PeerChain) -> None:
    """Raise unless the peer's certificate may sign (§4.4.2.2).

    Raises:
        SessionError: E_KEY_USAGE_VIOLATION.
    """
    try:
        extensions = read_extensions(certificate_fields(peer.certificates[0]).extensions)
        usage = extensions.values.get(KEY_USAGE)
        may_sign = usage is None or read_key_usage(usage) & KeyUsage.digital_signature
    except (ValueError, IndexError) as error:
        raise SessionError(codes.E_CERTIFICATE_ERROR, str(error)) from error
    if not may_sign:
        raise SessionError(
            codes.E_KEY_USAGE_VIOLATION, "the certificate's keyUsage lacks digitalSignature"
        )
