"""Requests for post-handshake authentication, as a client answers them (§4.6.2).

How one answer is written stands in `reauth`; here is which requests are open.
"""

from __future__ import annotations

from ...config import ClientConfig
from ...errors import IllegalParameter, InternalError, TooMuch, UnexpectedMessage, UsageError
from ...events import Established, ReauthAnswered, ReauthRequested
from ...pki.choose import read_oid_filters
from ...pki.credential import Credential
from ...record.limits import RateLimit
from ...wire.auth import CertificateRequest
from ..event_queue import EventQueue
from ..flow import Conversation, Received
from ..link import Flight, Link
from ..transcript import Transcript
from .certificate_request import wanted_by
from .reauth import write_answer

__all__ = ["ReauthClient"]


class ReauthClient:
    """The requests that a client has received on one connection."""

    __slots__ = (
        "_answering",
        "_config",
        "_established",
        "_events",
        "_link",
        "_pending",
        "_pending_size",
        "_rate",
        "_transcript",
    )

    def __init__(
        self,
        link: Link,
        config: ClientConfig,
        established: Established,
        transcript: Transcript,
        events: EventQueue,
    ) -> None:
        self._link = link
        self._config = config
        self._established = established
        self._transcript = transcript
        self._events = events
        self._pending: dict[bytes, tuple[CertificateRequest, Transcript, int]] = {}
        self._pending_size = 0  # bytes of their messages
        # those of them that wait for a signature; an empty set takes thrice as much memory
        self._answering: dict[bytes, None] = {}
        limits = config.limits
        self._rate = RateLimit(
            limits.requests_per_window, limits.request_window, config.clock, "CertificateRequest"
        )

    @property
    def pending_requests(self) -> tuple[bytes, ...]:
        """Contexts of the requests whose answer was not begun, oldest first."""
        return tuple(context for context in self._pending if context not in self._answering)

    def take_request(self, received: Received) -> None:
        """Note a CertificateRequest, and tell the owner (§4.6.2)."""
        request = received.message
        if not isinstance(request, CertificateRequest):
            raise InternalError(f"expected CertificateRequest, got {type(request).__name__}")
        if not self._config.post_handshake_auth:
            raise UnexpectedMessage(
                "CertificateRequest, and we did not offer post_handshake_auth", section="4.6.2"
            )
        external = self._established.psk_identity is not None
        if external and not self._config.reauth_with_external_psk:
            raise UnexpectedMessage(
                "CertificateRequest in a session that began with an external PSK",
                section="RFC 9846, 4.3.2",
            )
        protocol = self._established.alpn_protocol
        if protocol in self._config.reauth_forbidden_alpn:
            raise UnexpectedMessage(
                f"CertificateRequest, which {protocol!r} forbids", section="RFC 9113, 9.2.3"
            )
        self._rate.hit()
        context = request.certificate_request_context
        if context in self._pending:
            raise IllegalParameter(
                "CertificateRequest: the context of a request that is still open", section="4.3.2"
            )
        if len(self._pending) >= self._config.limits.pending_requests:
            raise TooMuch(
                f"CertificateRequest: {len(self._pending)} are unanswered, which is the limit"
            )
        size = len(received.raw)
        most = self._config.limits.pending_requests_size
        if self._pending_size + size > most:
            raise TooMuch(
                f"CertificateRequest: expected at most {most} bytes of unanswered ones, "
                f"got {self._pending_size + size}"
            )
        wanted = wanted_by(request)
        read_oid_filters(wanted.oid_filters)
        transcript = self._transcript.fork()
        transcript.add(received.raw)
        self._pending[context] = request, transcript, size
        self._pending_size += size
        self._events.emit(
            ReauthRequested(
                self._events.position,
                request,
                context,
                wanted.authorities,
                wanted.signature_algorithms,
                wanted.signature_algorithms_cert,
                wanted.oid_filters,
            )
        )

    def answer(self, context: bytes, credential: Credential | None) -> None:
        """Begin to answer a request; None declines.

        The answer leaves when its signature is there. If signing fails, nothing
        was sent and the request is open as before.
        """
        entry = self._pending.get(context)
        if entry is None or context in self._answering:
            raise UsageError("this context names no request that is open")
        request, transcript, size = entry
        self._answering[context] = None

        def send(result: tuple[Flight, Credential | None]) -> None:
            if self._link.closed:
                return  # the signature came after our close_notify (§6.1)
            flight, used = result
            del self._pending[context]
            self._pending_size -= size
            self._answering.pop(context, None)
            self._link.send(flight)
            self._events.emit(ReauthAnswered(self._events.position, context, used))

        def put_back(error: BaseException) -> None:
            self._answering.pop(context, None)

        # a fork, so that a second try starts where this one did
        flow = write_answer(request, transcript.fork(), credential, self._link)
        name = f"answer to reauth {context[:4].hex()}"
        self._events.start(Conversation(name, flow, send, put_back))
