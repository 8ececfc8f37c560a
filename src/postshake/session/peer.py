"""Who the peer is, and whether that is believed."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ..constants import AlertDescription, Role
from ..errors import (
    CertificateError,
    present,
)
from ..pki.trust import PeerChain, VerifiedChain
from ..questions import JudgePeer
from . import codes
from . import constants as c
from .credentials import VerifyFunction
from .errors import SessionError, error_for
from .record_driver import Machine
from .settings import Settings
from .verify import check_key_usage, status_for, verify

if TYPE_CHECKING:
    from .session import Session

__all__ = ["Peer"]


class Peer(Settings):
    """The part of a session that knows its peer."""

    _machine: Machine | None = None
    _presented: PeerChain | None = None  # while it is judged
    _verified: VerifiedChain | None = None  # what a verification of it found
    _verify_status = c.CERT_STATUS_UNKNOWN
    _verifies_by_itself = False

    def set_verify_cert(self, hostname: str | None = None, flags: int = 0) -> None:
        """Verify the peer's chain, and that it is for this name, by ourselves.

        It takes the place of a verify function. What is not believed fails the
        handshake, or the reauth, with E_CERTIFICATE_VERIFICATION_ERROR;
        `get_verify_cert_status` says why. A client that may decline, and does, is not
        verified.
        """
        if flags:
            raise SessionError(codes.E_INVALID_REQUEST, "set_verify_cert knows no flags")
        self.set_verify_function(lambda session: session._verify_by_itself(hostname))
        self._verifies_by_itself = True

    def set_verify_function(self, function: VerifyFunction | None) -> None:
        """Let a function judge the peer; it comes before that of the credentials.

        It is called once the peer has proven that it has the certificate's key, in
        the main handshake and in every reauth. `certificate_get_peers` shows it the
        certificate in question, or None when a client declined that may. With no
        function at all, nothing is verified.
        """
        super().set_verify_function(function)
        self._verifies_by_itself = False

    def get_verify_cert_status(self) -> int:
        """Return what the last verification found: CERT_ bits, 0 for no fault.

        Before the first one it is CERT_STATUS_UNKNOWN.
        """
        return self._verify_status

    def certificate_verify_peers(self, hostname: str | None = None) -> int:
        """Verify the peer's chain against the trusted certificates.

        Args:
            hostname: whom the certificate must be for; None for anybody.

        Returns:
            CERT_ bits; 0 when nothing is wrong.

        Raises:
            SessionError: E_NO_CERTIFICATE_FOUND, when the peer has shown none, and
                E_INSUFFICIENT_CREDENTIALS, when nobody is trusted.
        """
        self._verify(hostname)
        return self._verify_status

    def certificate_get_peers(self) -> tuple[bytes, ...] | None:
        """Return the peer's chain, DER, leaf first; None if it has proven none.

        While a verify function runs it is the chain in question; else the last that
        was proven and accepted.
        """
        if self._presented is not None:
            return self._presented.certificates
        if self._machine is None:
            return None
        identity = self._machine.connection.peer_identity
        return identity.chain if identity is not None else None

    def ocsp_status_get(self) -> bytes | None:
        """Return the OCSP response that came with the certificate in question."""
        return self._presented.ocsp_response if self._presented is not None else None

    # --- inside

    def _judge(self, subject: JudgePeer) -> VerifiedChain:
        """Judge a chain whose key is proven.

        Raises:
            SessionError: it is refused, or not decided yet.
        """
        check_key_usage(subject.peer)
        self._check_change(subject)
        self._presented, self._verified = subject.peer, None
        try:
            self._ask_verify_function()
        finally:
            self._presented = None
        return self._verified or VerifiedChain(())

    def _check_change(self, subject: JudgePeer) -> None:
        """Refuse another certificate than before in this session, unless that is allowed.

        What a ticket brought was proven in another session, as GnuTLS sees it.
        """
        previous = subject.previous
        if previous is None or self.flags & c.ALLOW_ID_CHANGE:
            return
        established = present(self._machine, "connection").connection.established
        resumed = established is not None and established.resumed
        if resumed and not previous.certificate_request_context:
            return
        if previous.chain[0] != subject.peer.certificates[0]:
            raise SessionError(
                codes.E_SESSION_USER_ID_CHANGED, f"it was {previous.subject!r} before"
            )

    def _judge_nobody(self) -> None:
        """Let the verify function know that the client declined, as it may."""
        if not self._verifies_by_itself:
            self._ask_verify_function()

    def _ask_verify_function(self) -> None:
        function = self._verify_function
        if function is None and self._certificates is not None:
            function = self._certificates.verify_function
        if function is None:
            return
        answer = function(cast("Session", self))
        if answer is None:
            return
        if isinstance(answer, bool) or not isinstance(answer, int):
            raise TypeError(f"a verify function returns 0, None or a negative code, not {answer!r}")
        if answer > 0 or answer == -1:
            raise SessionError(codes.E_CERTIFICATE_ERROR, "the verify function refused it")
        if answer < 0:
            raise error_for(answer, "so says the verify function")

    def _verify_by_itself(self, hostname: str | None) -> int:
        error = self._verify(hostname)
        if error is not None:
            alert = error.alert if isinstance(error.alert, AlertDescription) else None
            raise SessionError(
                codes.E_CERTIFICATE_VERIFICATION_ERROR, str(error), alert=alert
            ) from error
        return 0

    def _verify(self, hostname: str | None) -> CertificateError | None:
        if self._certificates is None:
            raise SessionError(codes.E_INSUFFICIENT_CREDENTIALS, "nobody is trusted")
        chain = self.certificate_get_peers()
        if chain is None or self._machine is None:
            raise SessionError(codes.E_NO_CERTIFICATE_FOUND, "the peer has shown none")
        shown, known = self._presented, self._machine.connection.peer_identity
        if shown is not None:
            stapled = shown.ocsp_response
        else:
            stapled = known.ocsp_response if known is not None else None
        peer = PeerChain(
            chain,
            self.role.peer,
            hostname if self.role is Role.client else None,
            stapled,
            self._machine.connection.config.wall_clock(),
        )
        result = verify(self._certificates.verifier, peer, hostname)
        if isinstance(result, CertificateError):
            self._verify_status = status_for(result)
            return result
        self._verify_status = 0
        if shown is not None:
            self._verified = result
        return None
