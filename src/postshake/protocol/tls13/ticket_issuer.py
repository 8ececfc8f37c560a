"""Session tickets, as a server sends them (§4.6.1).

What a ticket says of the client is what was proven and accepted when it was sent:
a request for authentication that is open or was refused leaves no trace in it.
"""

from __future__ import annotations

from ...config import ServerConfig
from ...crypto.schedule import resumption_psk
from ...errors import InternalError
from ...pki.identity import Identity
from ...questions import KeepTicket
from ...resumption.ticket import TicketState
from ...wire.extensions import EarlyDataTicket, Extension, Extensions
from ...wire.post_handshake import NewSessionTicket
from ..event_queue import EventQueue
from ..flow import Conversation, Flow, ask
from ..link import Link
from ..outcome import HandshakeOutcome
from ..session_secrets import SessionSecrets

__all__ = ["TicketIssuer"]

MAX_TICKET = 2**15
"""Bytes of one ticket. The client's next ClientHello must hold it, and servers bound that."""


class TicketIssuer:
    """The tickets that a server sends on one connection."""

    __slots__ = ("_batch", "_config", "_events", "_link", "_outcome", "_secrets", "_sent")

    def __init__(
        self,
        link: Link,
        config: ServerConfig,
        outcome: HandshakeOutcome,
        secrets: SessionSecrets,
        events: EventQueue,
    ) -> None:
        self._link = link
        self._config = config
        self._outcome = outcome
        self._secrets = secrets
        self._events = events
        self._sent = 0
        self._batch: list[NewSessionTicket] | None = None
        """Tickets that leave together; None where each leaves as soon as it is kept."""

    def issue(self, count: int) -> int:
        """Send tickets that carry who the client is known to be now.

        Returns:
            How many; 0 when none could be used: the client does no resumption, the
            session's time is up, or the client's identity could not be judged again.
        """
        if count < 1 or not self._outcome.resumable:
            return 0
        identity = self._events.peer_identity
        lifetime = self._lifetime(identity)
        unusable = identity is not None and self._config.verifier is None
        if lifetime <= 0 or unusable:
            return 0
        self._batch = []
        for _ in range(count):
            # unique in this connection: it sets the PSKs apart
            nonce = self._sent.to_bytes(4, "big")
            self._sent += 1
            state = self._state(identity, lifetime, nonce)
            flow = self._write(state, nonce)
            # a ticket that cannot be kept is not sent, and that is all
            self._events.start(Conversation("ticket", flow, self._send, lambda error: None))
        batch, self._batch = self._batch, None
        if batch:
            self._link.send_messages(batch)
        return count

    def _lifetime(self, identity: Identity | None) -> int:
        """Return how many seconds a ticket may live from now on (§4.6.1)."""
        config = self._config
        now = config.wall_clock()
        ends = [now + config.ticket_lifetime, self._outcome.started_at + config.session_lifetime]
        if identity is not None:
            ends.append(identity.not_after.timestamp())
        return int(min(ends) - now)

    def _state(self, identity: Identity | None, lifetime: int, nonce: bytes) -> TicketState:
        config, secrets = self._config, self._secrets
        established = self._outcome.established
        return TicketState(
            suite=secrets.suite.code,
            psk=resumption_psk(secrets.suite.hash_name, secrets.resumption_master_secret, nonce),
            lifetime=lifetime,
            age_add=int.from_bytes(config.random(4), "big"),
            received_at=config.wall_clock(),
            started_at=self._outcome.started_at,
            server_name=established.server_name,
            alpn_protocol=established.alpn_protocol,
            max_early_data_size=config.max_early_data,
            chain=identity.chain if identity is not None else (),
            verified_chain=identity.verified_chain if identity is not None else (),
            proven_at=identity.proven_at if identity is not None else 0.0,
            ocsp_response=identity.ocsp_response if identity is not None else None,
            psk_identity=established.psk_identity,
        )

    def _write(self, state: TicketState, nonce: bytes) -> Flow[NewSessionTicket]:
        """Write one NewSessionTicket, sealed or kept."""
        config = self._config
        if config.ticket_database is None:
            ticket = config.ticket_keys.seal(state.to_bytes(), state.received_at, config.random)
        else:
            ticket = yield from ask(KeepTicket(config.ticket_database, state))
            if not isinstance(ticket, bytes) or not ticket:
                raise InternalError(f"KeepTicket: the answer is {type(ticket).__name__}, no ticket")
        extensions: list[Extension] = []
        if state.max_early_data_size:
            extensions.append(EarlyDataTicket(state.max_early_data_size))
        block = Extensions(tuple(extensions))
        return NewSessionTicket(state.lifetime, state.age_add, nonce, ticket, block)

    def _send(self, message: NewSessionTicket) -> None:
        if self._link.closed or len(message.ticket) > MAX_TICKET:
            return
        if self._batch is not None:
            self._batch.append(message)
        else:
            self._link.send_message(message)
