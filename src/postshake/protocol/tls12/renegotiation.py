"""Renegotiation, refused (RFC 5246 section 7.4.1.1, RFC 5746)."""

from __future__ import annotations

from ...constants import AlertDescription, AlertLevel, ContentType, HandshakeType, Role
from ...errors import UnexpectedMessage
from ...events import Direction, TraceEntry
from ...record.limits import RateLimit
from ...wire.alert import Alert
from ..flow import Received
from ..link import Link, trace_epoch

__all__ = ["Renegotiation"]


class Renegotiation:
    """Says no, each time that the peer of a TLS 1.2 connection asks.

    A server asks with HelloRequest, a client with another ClientHello. The warning
    no_renegotiation answers both, and the connection goes on.
    """

    __slots__ = ("_link", "_rate", "asks")

    def __init__(self, link: Link) -> None:
        self._link = link
        limits = link.config.limits
        self._rate = RateLimit(
            limits.key_updates,
            limits.key_update_window,
            link.config.clock,
            "wishes for renegotiation",
        )
        self.asks = (
            HandshakeType.hello_request if link.role is Role.client else HandshakeType.client_hello
        )
        """The message with which our peer would ask."""

    def refuse(self, received: Received) -> None:
        """Answer a wish for renegotiation, after the handshake."""
        self._rate.hit()
        if self._link.closed:
            return
        config = self._link.config
        if config.trace is not None:
            epoch = trace_epoch(self._link.outbound)
            config.trace(TraceEntry(Direction.sent, "Alert no_renegotiation", 2, epoch))
        alert = Alert(AlertLevel.warning, AlertDescription.no_renegotiation)
        self._link.layer.send(ContentType.alert, alert.encode())

    def ignore(self, received: Received) -> None:
        """Pass over a HelloRequest within the handshake, as a client must (7.4.1.1)."""
        if self._link.role is Role.server:
            raise UnexpectedMessage("HelloRequest from a client", section="RFC 5246, 7.4.1.1")
        self._rate.hit()
