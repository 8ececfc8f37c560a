"""Who the peer is, whether that is believed, and what is wrong in GnuTLS's status bits."""

from __future__ import annotations

from collections.abc import Callable
from inspect import isawaitable

from .. import errors
from ..connection import Connection
from ..constants import AlertDescription, Role
from ..errors import CertificateError, UsageError, present
from ..pki.der import certificate_fields
from ..pki.extensions import KEY_USAGE, KeyUsage, read_extensions, read_key_usage
from ..pki.names import covers
from ..pki.parsed_certificate import Facts
from ..pki.trust import PeerChain, VerifiedChain, Verifier
from ..questions import JudgePeer
from . import codes
from . import constants as c
from .errors import SessionError, error_for
from .settings import SessionSettings

__all__ = ["PeerVerification", "check_key_usage", "status_for", "verify"]


class PeerVerification:
    """The peer's certificate: the one in question while it is judged, else the one believed.

    Args:
        settings: who judges, and whom the credentials trust.
        handle: returns the session, which a verify function gets.
    """

    __slots__ = ("_handle", "_presented", "_settings", "_verified", "connection", "status")

    def __init__(self, settings: SessionSettings, handle: Callable[[], object]) -> None:
        self._settings = settings
        self._handle = handle
        self._presented: PeerChain | None = None  # while it is judged
        self._verified: VerifiedChain | None = None  # what a verification of it found
        self.connection: Connection | None = None
        """The engine, once there is one."""
        self.status = c.CERT_STATUS_UNKNOWN
        """What the last verification found: CERT_ bits, 0 for no fault."""

    # --- for the application

    def chain(self) -> tuple[bytes, ...] | None:
        """Return the chain in question, else the one proven and accepted last."""
        if self._presented is not None:
            return self._presented.certificates
        if self.connection is None:
            return None
        identity = self.connection.peer_identity
        return identity.chain if identity is not None else None

    def ocsp_response(self) -> bytes | None:
        """Return the OCSP response that came with the certificate in question."""
        return self._presented.ocsp_response if self._presented is not None else None

    def verify(self, hostname: str | None) -> CertificateError | None:
        """Verify the peer's chain against the trusted certificates, and set `status`.

        Returns:
            What is wrong, if anything is.

        Raises:
            SessionError: E_NO_CERTIFICATE_FOUND, when the peer has shown none, and
                E_INSUFFICIENT_CREDENTIALS, when nobody is trusted.
        """
        settings = self._settings
        if settings.certificates is None:
            raise SessionError(codes.E_INSUFFICIENT_CREDENTIALS, "nobody is trusted")
        chain = self.chain()
        if chain is None or self.connection is None:
            raise SessionError(codes.E_NO_CERTIFICATE_FOUND, "the peer has shown none")
        shown, known = self._presented, self.connection.peer_identity
        if shown is not None:
            stapled = shown.ocsp_response
        else:
            stapled = known.ocsp_response if known is not None else None
        peer = PeerChain(
            chain,
            settings.role.peer,
            hostname if settings.role is Role.client else None,
            stapled,
            self.connection.config.wall_clock(),
        )
        result = verify(settings.certificates.verifier, peer, hostname)
        if isinstance(result, CertificateError):
            self.status = status_for(result)
            return result
        self.status = 0
        if shown is not None:
            self._verified = result
        return None

    # --- for the handshake and for reauth

    def judge(self, subject: JudgePeer) -> VerifiedChain:
        """Judge a chain whose key is proven.

        Raises:
            SessionError: it is refused, or not decided yet.
        """
        check_key_usage(subject.peer)
        self._check_change(subject)
        self._presented, self._verified = subject.peer, None
        try:
            if self._settings.verifies_certificate:
                self._verify_or_raise(self._settings.verify_hostname)
            else:
                self._ask_verify_function()
        finally:
            self._presented = None
        return self._verified or VerifiedChain(())

    def client_declined(self) -> None:
        """Let the verify function know that the client declined, as it may.

        Raises:
            SessionError: it does not accept that.
        """
        if not self._settings.verifies_certificate:
            self._ask_verify_function()

    def _check_change(self, subject: JudgePeer) -> None:
        """Refuse another certificate than before in this session, unless that is allowed.

        What a ticket brought was proven in another session, as GnuTLS sees it.
        """
        previous = subject.previous
        if previous is None or self._settings.flags & c.ALLOW_ID_CHANGE:
            return
        established = present(self.connection, "connection").established
        resumed = established is not None and established.resumed
        if resumed and not previous.certificate_request_context:
            return
        if previous.chain[0] != subject.peer.certificates[0]:
            raise SessionError(
                codes.E_SESSION_USER_ID_CHANGED, f"it was {previous.subject!r} before"
            )

    def _verify_or_raise(self, hostname: str | None) -> None:
        error = self.verify(hostname)
        if error is not None:
            alert = error.alert if isinstance(error.alert, AlertDescription) else None
            raise SessionError(
                codes.E_CERTIFICATE_VERIFICATION_ERROR, str(error), alert=alert
            ) from error

    def _ask_verify_function(self) -> None:
        settings = self._settings
        function = settings.verify_function
        if function is None and settings.certificates is not None:
            function = settings.certificates.verify_function
        if function is None:
            return
        answer = function(self._handle())
        if answer is None:
            return
        if isinstance(answer, bool) or not isinstance(answer, int):
            raise TypeError(f"a verify function returns 0, None or a negative code, not {answer!r}")
        if answer > 0 or answer == -1:
            raise SessionError(codes.E_CERTIFICATE_ERROR, "the verify function refused it")
        if answer < 0:
            raise error_for(answer, "so says the verify function")


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
