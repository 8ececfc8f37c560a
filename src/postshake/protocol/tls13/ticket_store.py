"""Session tickets, as a client keeps them (§4.6.1)."""

from __future__ import annotations

from ...crypto.schedule import resumption_psk
from ...errors import IllegalParameter, InternalError
from ...events import TicketReceived
from ...record.limits import Budget
from ...resumption.ticket import MAX_LIFETIME, Ticket
from ...wire.extensions import EarlyDataTicket
from ...wire.post_handshake import NewSessionTicket
from ..event_queue import EventQueue
from ..flow import Received
from ..link import Link
from ..outcome import HandshakeOutcome
from ..session_secrets import SessionSecrets

__all__ = ["TicketStore"]


class TicketStore:
    """The tickets that a client received on one connection, newest last."""

    __slots__ = ("_budget", "_events", "_limit", "_link", "_outcome", "_secrets", "tickets")

    def __init__(
        self, link: Link, outcome: HandshakeOutcome, secrets: SessionSecrets, events: EventQueue
    ) -> None:
        limits = link.config.limits
        self._limit = limits.tickets
        self.tickets: tuple[Ticket, ...] = ()
        self._link = link
        self._outcome = outcome
        self._secrets = secrets
        self._events = events
        self._budget = Budget(limits.tickets_per_connection, "NewSessionTicket messages")

    def take(self, received: Received) -> None:
        """Keep a ticket, and tell the owner; a lifetime of 0 means to drop it."""
        message = received.message
        if not isinstance(message, NewSessionTicket):
            raise InternalError(f"expected NewSessionTicket, got {type(message).__name__}")
        self._budget.spend()
        if message.ticket_lifetime > MAX_LIFETIME:
            raise IllegalParameter(
                f"NewSessionTicket: expected a lifetime of at most {MAX_LIFETIME} seconds, "
                f"got {message.ticket_lifetime}",
                section="4.6.1",
            )
        if message.ticket_lifetime == 0 or not self._outcome.resumable:
            return
        early_data = message.extensions.get(EarlyDataTicket)
        secrets, established = self._secrets, self._outcome.established
        server = self._outcome.identity
        ticket = Ticket(
            ticket=message.ticket,
            suite=secrets.suite.code,
            psk=resumption_psk(
                secrets.suite.hash_name, secrets.resumption_master_secret, message.ticket_nonce
            ),
            lifetime=message.ticket_lifetime,
            age_add=message.ticket_age_add,
            received_at=self._link.config.wall_clock(),
            started_at=self._outcome.started_at,
            server_name=established.server_name,
            alpn_protocol=established.alpn_protocol,
            max_early_data_size=early_data.max_early_data_size if early_data else 0,
            chain=server.chain if server is not None else (),
            verified_chain=server.verified_chain if server is not None else (),
            proven_at=server.proven_at if server is not None else 0.0,
            ocsp_response=server.ocsp_response if server is not None else None,
            psk_identity=established.psk_identity,
            group=established.group or 0,
        )
        self.tickets = (*self.tickets, ticket)[-self._limit :] if self._limit else ()
        self._events.emit(TicketReceived(self._events.position, ticket))
