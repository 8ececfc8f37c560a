"""What can be asked of a connection; nothing here changes it."""

from __future__ import annotations

from enum import Enum

from .config import ClientConfig, ServerConfig
from .constants import CertificateCompressionAlgorithm, ProtocolVersion, Role
from .errors import PostshakeError
from .events import Established, Ticket
from .pki.identity import Identity
from .protocol.engine import Engine
from .resumption.session12 import Session12

__all__ = ["Facts", "State"]


class State(Enum):
    """How far a connection has come."""

    NEW = "new"
    HANDSHAKING = "handshaking"
    OPEN = "open"
    CLOSED = "closed"
    """Both ends said close_notify."""
    BROKEN = "broken"
    """It failed; see `Connection.failure`. What was received can still be read."""


class Facts:
    """A connection, as it is to be looked at.

    Args:
        engine: what does the work.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._plaintext = engine.event_queue.plaintext

    def __repr__(self) -> str:
        waiting = "".join(f", {each!r}" for each in self._engine.conversations())
        return f"<{type(self).__name__} {self.role.name} {self.state.value}{waiting}>"

    # --- how far it is, and what was settled

    @property
    def config(self) -> ClientConfig | ServerConfig:
        """The policy in force; a server's may be another one after `ChooseConfig`."""
        return self._engine.link.config

    @property
    def state(self) -> State:
        """How far the connection has come."""
        engine = self._engine
        if engine.failure is not None:
            return State.BROKEN
        if engine.link.closed and engine.received_close:
            return State.CLOSED
        if engine.outcome is not None:
            return State.OPEN
        return State.HANDSHAKING if engine.started else State.NEW

    @property
    def role(self) -> Role:
        """Which end we are."""
        return self._engine.role

    @property
    def can_send_data(self) -> bool:
        """Whether `send_data` may be called.

        That is while the connection is open; and on a server with
        ``config.send_half_rtt_data`` from its own Finished on, when nobody has proven yet to
        be there (§4.4.4).
        """
        engine = self._engine
        is_open = engine.outcome is not None and engine.failure is None and not engine.link.closed
        return is_open or engine.may_send_half_rtt

    @property
    def established(self) -> Established | None:
        """What the handshake settled; None until it is complete."""
        outcome = self._engine.outcome
        return outcome.established if outcome is not None else None

    @property
    def failure(self) -> PostshakeError | None:
        """Why the connection is broken, if it is: a new exception each time, to be raised."""
        failure = self._engine.failure
        return failure.without_traceback() if failure is not None else None

    @property
    def peer_identity(self) -> Identity | None:
        """Whom the peer has proven to be, as of now; None if nobody."""
        return self._plaintext.identity

    @property
    def identity_history(self) -> tuple[tuple[int, Identity | None], ...]:
        """From which position in the received data on the peer was known as whom."""
        return tuple(self._plaintext.history)

    @property
    def tickets(self) -> tuple[Ticket, ...]:
        """Client: the session tickets received so far, newest last."""
        store = self._engine.post_handshake.tickets
        return tuple(store.tickets) if store is not None else ()

    @property
    def session(self) -> Ticket | Session12 | None:
        """Client: what the next connection to this server can resume, if there is anything.

        The newest ticket, which in TLS 1.3 comes after the handshake, or the session of TLS 1.2.
        """
        tickets = self.tickets
        return tickets[-1] if tickets else self.session12

    @property
    def session12(self) -> Session12 | None:
        """Client: from what a TLS 1.2 connection can be resumed, if the server lets us."""
        outcome = self._engine.outcome
        return outcome.session12 if outcome is not None and self.role is Role.client else None

    @property
    def peer_closed(self) -> bool:
        """Whether the peer said close_notify: it will send no more."""
        return self._engine.received_close

    @property
    def sent_close(self) -> bool:
        """Whether we have said our last: close_notify, or a fatal alert."""
        return self._engine.link.closed

    @property
    def certificate_compression(self) -> CertificateCompressionAlgorithm | None:
        """How the certificate that we sent last was made shorter; None if it was not (RFC 8879)."""
        return self._engine.link.certificate_compression

    # --- data

    @property
    def wants_data(self) -> bool:
        """Whether more input can be used now; not while the handshake asks something."""
        engine = self._engine
        return engine.failure is None and not engine.received_close and not engine.held

    @property
    def has_data_to_send(self) -> bool:
        """Whether `data_to_send` would give any."""
        return bool(self._engine.layer.output)

    @property
    def readable(self) -> int:
        """How many bytes of application data wait to be read."""
        plaintext = self._plaintext
        return plaintext.position - plaintext.read_position

    @property
    def unread_size(self) -> int:
        """How much memory these bytes take, about: in small records far more than they are.

        Whoever keeps data for somebody who does not read holds this against a limit.
        """
        return self._plaintext.size

    @property
    def readable_in_record(self) -> int:
        """How many of these bytes came in one record: the one read from next."""
        return self._plaintext.left_of_record

    @property
    def read_position(self) -> int:
        """How many bytes of application data were read so far."""
        return self._plaintext.read_position

    @property
    def read_identity(self) -> Identity | None:
        """Whom the peer had proven to be when the next byte to read was received."""
        return self._plaintext.read_identity

    @property
    def read_is_early(self) -> bool:
        """Server: whether the next byte to read is early data (§2.3).

        It can be read before the handshake is complete. It may be a replay, and is
        nobody's: whoever is authenticated later did not say it by that. No piece
        that is read holds early data and other data.
        """
        return self._plaintext.read_position < self._plaintext.early_end

    @property
    def has_news(self) -> bool:
        """Whether an event or a question waits to be taken."""
        queue = self._engine.event_queue
        return queue.events is not None or queue.questions is not None

    # --- requests for authentication

    @property
    def open_requests(self) -> tuple[bytes, ...]:
        """Contexts of the requests that wait, oldest first.

        On a server they wait for the client's answer or for a verdict, on a client
        for our own answer.
        """
        engine = self._engine
        after = engine.post_handshake
        if after.reauth_server is not None:
            return after.reauth_server.open_requests
        return after.reauth_client.pending_requests if after.reauth_client is not None else ()

    def next_deadline(self) -> float | None:
        """Return when `check_deadlines` is due, on `config.clock`; None for never."""
        requests = self._engine.post_handshake.reauth_server
        return requests.next_deadline() if requests is not None else None

    @property
    def _is_tls12(self) -> bool:
        established = self.established
        return established is not None and established.version == ProtocolVersion.TLS12
