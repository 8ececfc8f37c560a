"""Dispatch of post-handshake messages by type (§4.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..config import ClientConfig, ServerConfig
from ..constants import HandshakeType
from ..errors import InternalError, UnexpectedMessage
from ..wire.handshake import struct_name
from .event_queue import EventQueue
from .flow import Conversation, Received
from .link import Link
from .outcome import HandshakeOutcome
from .session_secrets import SessionSecrets
from .tls13.key_update import KeyUpdates
from .tls13.reauth_client import ReauthClient
from .tls13.reauth_server import ReauthServer
from .tls13.ticket_issuer import TicketIssuer
from .tls13.ticket_store import TicketStore

if TYPE_CHECKING:
    from .tls12.renegotiation import Renegotiation

__all__ = ["PostHandshake"]


_ANSWERS = (HandshakeType.certificate, HandshakeType.compressed_certificate)
_FOR_CLIENTS = (HandshakeType.certificate_request, HandshakeType.new_session_ticket)


class PostHandshake:
    """The takers of messages that no conversation expects."""

    __slots__ = (
        "_events",
        "_link",
        "_renegotiation",
        "issuer",
        "key_updates",
        "reauth_client",
        "reauth_server",
        "tickets",
    )

    def __init__(self, link: Link, events: EventQueue) -> None:
        self._link = link
        self._events = events
        self.key_updates = KeyUpdates(link, events)
        self.reauth_server: ReauthServer | None = None
        self.reauth_client: ReauthClient | None = None
        self.tickets: TicketStore | None = None
        self.issuer: TicketIssuer | None = None
        self._renegotiation: Renegotiation | None = None  # until the peer of a TLS 1.2 wants it

    @property
    def renegotiation(self) -> Renegotiation:
        """What takes the wishes of a TLS 1.2 peer."""
        if self._renegotiation is None:
            from .tls12.renegotiation import Renegotiation

            self._renegotiation = Renegotiation(self._link)
        return self._renegotiation

    def begin(self, outcome: HandshakeOutcome) -> None:
        """Prepare for what TLS 1.3 has after this handshake; a server sends its tickets."""
        link, events, config = self._link, self._events, self._link.config
        secrets = outcome.secrets
        if not isinstance(secrets, SessionSecrets):
            raise InternalError("these are not TLS 1.3's secrets")
        shared = (outcome.established, outcome.transcript, events)
        if isinstance(config, ClientConfig):
            self.tickets = TicketStore(link, outcome, secrets, events)
            self.reauth_client = ReauthClient(link, config, *shared)
        elif isinstance(config, ServerConfig):
            self.issuer = TicketIssuer(link, config, outcome, secrets, events)
            self.reauth_server = ReauthServer(link, config, *shared, self.issuer)
            self.issuer.issue(config.tickets)

    def check_awaited(self, handshake_type: int) -> None:
        """Check that a message of this type concerns somebody here, before it is read.

        Raises:
            UnexpectedMessage: it does not.
        """
        if self._link.tls12:
            awaited = handshake_type == self.renegotiation.asks
        elif handshake_type == HandshakeType.key_update:
            awaited = True
        elif self.reauth_server is not None:
            awaited = handshake_type in _ANSWERS
        else:
            awaited = self.reauth_client is not None and handshake_type in _FOR_CLIENTS
        if not awaited:
            raise UnexpectedMessage(
                f"{struct_name(handshake_type)} after the handshake", section="4.6"
            )

    def take(self, handshake_type: int, received: Received) -> Conversation[Any] | None:
        """Give a message to whom it concerns.

        Returns:
            The conversation that reads on, if the message begins an answer.

        Raises:
            UnexpectedMessage: it concerns nobody here.
        """
        if handshake_type == HandshakeType.certificate and self.reauth_server is not None:
            return self.reauth_server.take_certificate(received)
        if handshake_type == HandshakeType.certificate_request and self.reauth_client is not None:
            self.reauth_client.take_request(received)
        elif handshake_type == HandshakeType.new_session_ticket and self.tickets is not None:
            self.tickets.take(received)
        elif handshake_type == HandshakeType.key_update and not self._link.tls12:
            self.key_updates.take(received)
        elif self._link.tls12 and handshake_type == self.renegotiation.asks:
            self.renegotiation.refuse(received)
        else:
            raise UnexpectedMessage(
                f"{struct_name(handshake_type)} after the handshake", section="4.6"
            )
        return None
