"""Requests for post-handshake authentication, as a server makes them (§4.6.2).

How one answer is read stands in `reauth`; here is what becomes of it.
"""

from __future__ import annotations

import heapq

from ..._dataclass import replace
from ...config import AuthRequest, Refusal, ServerConfig
from ...errors import (
    CertificateError,
    CertificateRequired,
    IdentityChanged,
    IllegalParameter,
    InternalError,
    ReauthUnavailable,
    UnexpectedMessage,
    UsageError,
)
from ...events import Established, Outcome, ReauthCompleted
from ...questions import Refused, Verdict
from ...wire.auth import Certificate
from ..event_queue import EventQueue
from ..flow import Conversation, Received
from ..link import Flight, Link
from ..proofs import identify
from ..transcript import Transcript
from .authenticate import apply_request_policy
from .certificate_request import make_certificate_request, wanted_for
from .reauth import Answer, Authenticated, Declined, OpenRequest, read_answer
from .ticket_issuer import TicketIssuer

__all__ = ["ReauthServer"]

CONTEXT_LENGTH = 32  # §4.3.2: unpredictable; OpenSSL's length


class ReauthServer:
    """The requests that a server has made on one connection."""

    __slots__ = (
        "_config",
        "_deadlines",
        "_established",
        "_events",
        "_issuer",
        "_link",
        "_open",
        "_spent",
        "_transcript",
    )

    def __init__(
        self,
        link: Link,
        config: ServerConfig,
        established: Established,
        transcript: Transcript,
        events: EventQueue,
        issuer: TicketIssuer,
    ) -> None:
        self._link = link
        self._config = config
        self._established = established
        self._transcript = transcript
        self._events = events
        self._issuer = issuer
        self._open: dict[bytes, OpenRequest] = {}
        self._deadlines: list[tuple[float, bytes]] = []
        self._spent: dict[bytes, None] = {}  # contexts of all requests ever made

    @property
    def open_requests(self) -> tuple[bytes, ...]:
        """Contexts of the requests that are not settled, oldest first."""
        return tuple(context for context, request in self._open.items() if not request.settled)

    def request(self, policy: AuthRequest) -> bytes:
        """Send a CertificateRequest, and return its context (§4.6.2)."""
        self._check_available()
        verifier = policy.verifier or self._config.verifier
        if verifier is None:
            raise UsageError("nobody is there to judge the answer: give a verifier")
        context = self._new_context(policy.context)
        wanted = wanted_for(policy, self._config)
        flight = Flight(self._transcript.fork())
        try:
            message = make_certificate_request(
                context,
                wanted,
                request_ocsp=policy.request_ocsp,
                compression=self._config.certificate_compression,
            )
            flight.add(message)
        except InternalError as error:  # a list too long for its length, say
            raise UsageError(f"this request cannot be written: {error}") from error
        request = OpenRequest(context, policy, message, wanted, flight.transcript, verifier)
        request.conversation = Conversation(
            f"reauth {context[:4].hex()}",
            read_answer(request, self._link, self._config, lambda: self._events.peer_identity),
            lambda answer: self._settle(request, answer),
        )
        request.conversation.begin()
        self._open[context] = request
        self._spent[context] = None
        if policy.within is not None:
            deadline = self._config.clock() + policy.within
            heapq.heappush(self._deadlines, (deadline, context))
        self._link.send(flight)
        return context

    def _check_available(self) -> None:
        if not self._established.post_handshake_auth:
            raise ReauthUnavailable("the client did not offer post_handshake_auth (§4.2.6)")
        external = self._established.psk_identity is not None
        if external and not self._config.reauth_with_external_psk:
            raise ReauthUnavailable(
                "the session began with an external PSK, and config.reauth_with_external_psk "
                "is off (RFC 9846 section 4.3.2)"
            )
        protocol = self._established.alpn_protocol
        if protocol in self._config.reauth_forbidden_alpn:
            raise ReauthUnavailable(
                f"the application protocol {protocol!r} forbids it (RFC 9113 section 9.2.3)"
            )
        if len(self._open) >= self._config.limits.outstanding_requests:
            raise ReauthUnavailable(
                f"{len(self._open)} requests are unanswered, which is the limit"
            )

    def _new_context(self, wish: bytes | None) -> bytes:
        """Return a context that this connection has not seen (§4.3.2)."""
        context = self._config.random(CONTEXT_LENGTH) if wish is None else wish
        if not 1 <= len(context) <= 255:
            raise UsageError(f"a context has 1 to 255 bytes, not {len(context)} (§4.3.2)")
        if context in self._spent:
            raise UsageError("this context was used before in this connection (§4.3.2)")
        return context

    def take_certificate(self, received: Received) -> Conversation[Answer]:
        """Give a Certificate to the conversation that its context names (§4.4.2).

        Returns:
            The conversation, which now reads until its Finished.
        """
        certificate = received.message
        if not isinstance(certificate, Certificate):
            raise InternalError(f"expected Certificate, got {type(certificate).__name__}")
        if not self._spent:
            raise UnexpectedMessage("Certificate, and nobody asked for one", section="4.6.2")
        context = certificate.certificate_request_context
        request = self._open.get(context)
        if request is None or request.answered:
            raise IllegalParameter(
                f"Certificate: its context of {len(context)} bytes names no unanswered request",
                section="4.4.2",
            )
        request.answered = True
        conversation = request.conversation
        if conversation is None:
            raise InternalError("the request has no conversation")
        conversation.take(received)
        return conversation

    def _settle(self, request: OpenRequest, answer: Answer) -> None:
        """Draw the conclusion from a complete answer."""
        del self._open[request.context]
        request.conversation = None  # it knows us: a cycle, and done with
        if request.settled:
            return
        if isinstance(answer, Declined):
            error = CertificateRequired("asked for a certificate, got none", section="4.4.2.4")
            self._conclude(request, Outcome.DECLINED, error)
            return
        verdict = self._accept(request, answer)
        if isinstance(verdict, Refused):
            self._conclude(request, Outcome.REFUSED, verdict.error)
            return
        request.settled = True
        identity = identify(answer.signed, answer.proof, verdict, answer.at, request.context)
        self._events.commit_identity(identity)
        self._events.emit(
            ReauthCompleted(self._events.position, request.context, Outcome.AUTHENTICATED, identity)
        )
        self._issuer.issue(self._config.tickets_after_reauth)

    def _accept(self, request: OpenRequest, answer: Authenticated) -> Verdict:
        """Add to the owner's verdict what the request itself demands."""
        verdict = apply_request_policy(
            answer.verdict, request.policy, request.wanted, answer.signed
        )
        if isinstance(verdict, Refused):
            return verdict
        previous = self._events.peer_identity
        if (
            previous is not None
            and previous.chain[0] != answer.signed.certificates[0]
            and not self._config.allow_identity_change
        ):
            return Refused(
                IdentityChanged("another certificate than before, and the policy forbids that")
            )
        return verdict

    def _conclude(self, request: OpenRequest, outcome: Outcome, error: CertificateError) -> None:
        """Report that a request brought no identity; end the connection if it says so."""
        request.settled = True
        self._events.emit(
            ReauthCompleted(self._events.position, request.context, outcome, None, error)
        )
        harmless = outcome is Outcome.CANCELLED or (
            outcome is Outcome.DECLINED and not request.policy.required
        )
        if request.policy.on_refusal is Refusal.CLOSE and not harmless:
            raise error.without_traceback()  # the event has the other, which is to keep no frames

    def cancel(self, context: bytes) -> None:
        """Lose interest in a request; a late answer is read and dropped."""
        request = self._open.get(context)
        if request is None or request.settled:
            raise UsageError("this context names no open request")
        self._conclude(request, Outcome.CANCELLED, CertificateRequired("cancelled"))

    def amend(self, context: bytes, required: bool, on_refusal: Refusal) -> None:
        """Change what a missing or refused certificate means for an open request."""
        request = self._open.get(context)
        if request is None or request.settled:
            raise UsageError("this context names no open request")
        request.policy = replace(request.policy, required=required, on_refusal=on_refusal)

    def next_deadline(self) -> float | None:
        """Return when the next request expires, on the configuration's clock."""
        while self._deadlines:
            deadline, context = self._deadlines[0]
            request = self._open.get(context)
            if request is not None and not request.settled:
                return deadline
            heapq.heappop(self._deadlines)
        return None

    def expire(self) -> None:
        """Settle the requests whose time is up."""
        now = self._config.clock()
        while (deadline := self.next_deadline()) is not None and deadline <= now:
            _, context = heapq.heappop(self._deadlines)
            request = self._open[context]
            error = CertificateRequired(f"no answer within {request.policy.within} seconds")
            self._conclude(request, Outcome.EXPIRED, error)
