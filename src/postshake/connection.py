"""The engine's only door: bytes in, bytes out, events and questions.

A Connection does no I/O, reads no clock but the configuration's, and calls no
code of its owner's except the configuration's observers. Its owner moves bytes
between it and a transport, reads its events, and answers its questions; see
`postshake.drive` for owners that do.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from typing import Any

from .config import AuthRequest, ClientConfig, Refusal, ServerConfig
from .constants import AlertDescription, AlertLevel, ContentType, HandshakeType, Role, name_of
from .errors import (
    AlertReceived,
    InternalError,
    PostshakeError,
    ReauthUnavailable,
    TLSError,
    TruncationError,
    UnexpectedMessage,
    UsageError,
)
from .events import (
    Direction,
    Established,
    Event,
    HandshakeCompleted,
    PeerClosed,
    Ticket,
    TraceEntry,
)
from .pki.credential import Credential
from .pki.identity import Identity
from .pki.names import normalize_server_name
from .protocol.client13 import client_handshake
from .protocol.desk import Desk
from .protocol.exporter import channel_binding, export
from .protocol.flow import Ask, Conversation, Expect, Received
from .protocol.key_update import KeyUpdates
from .protocol.link import Link, trace_epoch
from .protocol.outcome import HandshakeOutcome
from .protocol.reauth_client import ReauthClient
from .protocol.reauth_server import ReauthServer
from .protocol.resumption import TicketStore
from .protocol.server13 import server_handshake
from .questions import Question
from .record.layer import RecordLayer
from .record.limits import Budget
from .record.reassembly import Reassembly
from .wire.alert import Alert
from .wire.handshake import decode_handshake

__all__ = ["Connection", "State"]

APPLICATION_DATA = int(ContentType.application_data)


class State(Enum):
    """How far a connection has come."""

    NEW = "new"
    HANDSHAKING = "handshaking"
    OPEN = "open"
    CLOSED = "closed"
    """Both ends said close_notify."""
    BROKEN = "broken"
    """It failed; see `Connection.failure`. What was received can still be read."""


class Connection:
    """One TLS connection, client or server, without its transport.

    An owner does four things, in any order and at any pace: it gives what came
    from the transport to `receive_data`; sends what `data_to_send` gives; reads
    `next_event` and `read`; answers what `next_question` asks. Any call may queue
    bytes to send, also one that raises: then they hold the alert, and sending
    them is the last courtesy.

    Not safe for use by several threads at once.

    Args:
        config: the policy; its class decides the role.
        server_name: client only: the host name or address that we mean to reach.
            It may be left out only if ``config.check_server_name`` is off.

    Raises:
        UsageError: `server_name` is missing, is no name, or was given to a server.
    """

    def __init__(self, config: ClientConfig | ServerConfig, server_name: str | None = None) -> None:
        self.config = config
        self.role = Role.client if isinstance(config, ClientConfig) else Role.server
        if server_name is not None:
            if self.role is Role.server:
                raise UsageError("a server learns the server name from the client")
            normalize_server_name(server_name)
        elif isinstance(config, ClientConfig) and config.check_server_name:
            raise UsageError(
                "a client needs a server_name to hold the certificate against, "
                "or config.check_server_name=False"
            )
        self.established: Established | None = None
        """What the handshake settled; None until it is complete."""
        self.failure: PostshakeError | None = None
        """Why the connection is broken, if it is."""
        self._server_name = server_name
        limits = config.limits
        self._layer = RecordLayer(limits=limits, role=self.role, padding=config.padding)
        self._layer.ccs_allowed = True
        self._reassembly = Reassembly(limits)
        self._link = Link(self.role, config, self._layer, self._reassembly)
        self._desk = Desk()
        self._plaintext = self._desk.plaintext
        self._alert_budget = Budget(limits.warning_alerts, "alerts that change nothing")
        self._handshake: Conversation[HandshakeOutcome] | None = None
        self._reader: Conversation[Any] | None = None
        self._outcome: HandshakeOutcome | None = None
        self._key_updates = KeyUpdates(self._link, self._desk)
        self._reauth_server: ReauthServer | None = None
        self._reauth_client: ReauthClient | None = None
        self._tickets: TicketStore | None = None
        self._started = False
        self._data_allowed = False
        self._sent_close = False
        self._received_close = False

    def __repr__(self) -> str:
        waiting = [self._reader, *self._desk.open_questions()]
        text = "".join(f", {conversation!r}" for conversation in waiting if conversation)
        return f"<Connection {self.role.name} {self.state.value}{text}>"

    # --- what it is

    @property
    def state(self) -> State:
        """How far the connection has come."""
        if self.failure is not None:
            return State.BROKEN
        if self._sent_close and self._received_close:
            return State.CLOSED
        if self.established is not None:
            return State.OPEN
        return State.HANDSHAKING if self._started else State.NEW

    @property
    def peer_identity(self) -> Identity | None:
        """Whom the peer has proven to be, as of now; None if nobody."""
        return self._desk.peer_identity

    @property
    def identity_history(self) -> tuple[tuple[int, Identity | None], ...]:
        """From which position in the received data on the peer was known as whom."""
        return tuple(self._plaintext.history)

    @property
    def tickets(self) -> tuple[Ticket, ...]:
        """Client: the session tickets received so far, newest last."""
        return tuple(self._tickets.tickets) if self._tickets is not None else ()

    @property
    def peer_closed(self) -> bool:
        """Whether the peer said close_notify: it will send no more."""
        return self._received_close

    # --- bytes

    def start(self) -> None:
        """Begin the handshake; a client's ClientHello is queued. Again: nothing."""
        if self._started:
            return
        self._started = True
        config = self.config
        flow = (
            client_handshake(self._link, config, self._server_name)
            if isinstance(config, ClientConfig)
            else server_handshake(self._link, config)
        )
        self._handshake = Conversation(f"{self.role.name} handshake", flow, self._establish)
        self._reader = self._handshake
        with self._failing():
            self._desk.begin(self._handshake)

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """Take bytes from the transport, however they are cut.

        Data that came before a failure stays readable.

        Raises:
            TLSError: the connection is over; `data_to_send` holds the alert.
            UsageError: the connection failed before, or a question must be
                answered first (see `wants_data`).
        """
        self._check_working()
        if self._received_close:
            return  # §6.1: what follows a closure alert is ignored
        self.start()
        if self._held and self._layer.buffered + len(data) > self.config.limits.waiting_input:
            raise UsageError("answer the open question before giving more data")
        with self._failing():
            self._layer.feed(data)
            self._process()
            self._key_updates.pay()

    @property
    def wants_data(self) -> bool:
        """Whether more input can be used now; not while the handshake asks something."""
        return self.failure is None and not self._received_close and not self._held

    def receive_eof(self) -> None:
        """Note that the transport will bring no more.

        Raises:
            TruncationError: the peer did not say close_notify, so something may
                be missing. What was received can still be read.
        """
        if self._received_close or self.failure is not None:
            return
        awaited = f" while we waited for {self._reader.waiting_for}" if self._reader else ""
        self.failure = TruncationError(
            f"the {self.role.peer.name}'s stream ended without close_notify{awaited}"
        )
        raise self.failure

    def data_to_send(self) -> bytes:
        """Take the bytes that the transport must carry."""
        return self._layer.data_to_send()

    @property
    def has_data_to_send(self) -> bool:
        """Whether `data_to_send` would give any."""
        return self._layer.has_output

    def send_data(self, data: bytes | bytearray | memoryview) -> None:
        """Queue application data.

        Raises:
            UsageError: the handshake is not complete, or our side is closed.
        """
        self._check_open()
        if self.config.trace is not None:
            self._trace_data(Direction.sent, len(data))
        layer = self._layer
        layer.send(APPLICATION_DATA, data)
        if layer.outbound.wants_update:
            self._key_updates.send()

    def read(self, size: int = -1) -> bytes:
        """Take received application data: what is there, at most `size` bytes.

        No piece crosses a change of the peer's identity; `read_identity`, looked
        up before, says whose it is.
        """
        return self._plaintext.read(size)

    @property
    def readable(self) -> int:
        """How many bytes of application data wait to be read."""
        return len(self._plaintext)

    @property
    def read_position(self) -> int:
        """How many bytes of application data were read so far."""
        return self._plaintext.read_position

    @property
    def read_identity(self) -> Identity | None:
        """Whom the peer had proven to be when the next byte to read was received."""
        return self._plaintext.read_identity

    def close(self) -> None:
        """Say close_notify: we send no more, and may still receive (§6.1)."""
        if self._sent_close or self.failure is not None:
            return
        self._send_alert(AlertDescription.close_notify)

    # --- events and questions

    def next_event(self) -> Event | None:
        """Take the oldest event; None if there is none."""
        events = self._desk.events
        return events.popleft() if events else None

    def next_question(self) -> Question | None:
        """Take the oldest question; None if there is none. Every one wants an answer."""
        questions = self._desk.questions
        return questions.popleft() if questions else None

    def answer(self, question_id: int, value: object) -> None:
        """Answer a question.

        An exception given as the value says that no answer could be found. That
        ends the connection with internal_error, with one exception: when a
        client's signature for a request fails, nothing was sent, and the request
        is open as before, to be declined or tried again.

        Raises:
            UsageError: there is no such question.
            TLSError: the answer ends the connection.
        """
        conversation = self._desk.who_asked(question_id)
        with self._failing():
            if isinstance(value, BaseException):
                conversation.fail(value)
            else:
                conversation.answer(value)
            self._desk.note(conversation)
            if conversation is self._handshake:
                self._take_messages()
                self._process()

    # --- reauth

    def request_auth(self, request: AuthRequest | None = None) -> bytes:
        """Server: ask the client to authenticate now (§4.6.2).

        Returns at once with the context; `ReauthCompleted` reports the outcome.
        Data read before that event is from an unproven peer.

        Raises:
            ReauthUnavailable: the client did not offer post_handshake_auth, the
                application protocol forbids it, or too many requests are open.
            UsageError: we are a client, not established, or closed.
        """
        self._check_open()
        if self._reauth_server is None:
            raise UsageError("only a server asks for authentication")
        with self._failing():
            return self._reauth_server.request(request or AuthRequest())

    def cancel_auth(self, context: bytes) -> None:
        """Server: give a request up; a late answer is read and ignored.

        Raises:
            UsageError: no open request has this context.
        """
        self._server_side().cancel(context)

    def amend_auth(self, context: bytes, *, required: bool, on_refusal: Refusal) -> None:
        """Server: change what a missing or refused certificate will mean.

        Raises:
            UsageError: no open request has this context.
        """
        self._server_side().amend(context, required, on_refusal)

    def answer_auth(self, context: bytes, credential: Credential | None) -> None:
        """Client: answer a request for authentication; None declines (§4.6.2).

        In any order, and as late as you like; every request wants an answer. The
        signature is asked for as a question, and the answer leaves when it is
        there. TLS never says whether the server accepted it.

        Raises:
            UsageError: no open request has this context.
        """
        self._check_open()
        if self._reauth_client is None:
            raise UsageError("only a client answers requests for authentication")
        with self._failing():
            self._reauth_client.answer(context, credential)

    @property
    def open_requests(self) -> tuple[bytes, ...]:
        """Contexts of the requests that wait, oldest first.

        On a server they wait for the client's answer or for a verdict, on a client
        for our own answer.
        """
        if self._reauth_server is not None:
            return self._reauth_server.open_requests
        return self._reauth_client.pending_requests if self._reauth_client is not None else ()

    def next_deadline(self) -> float | None:
        """Return when `check_deadlines` is due, on `config.clock`; None for never."""
        return self._reauth_server.next_deadline() if self._reauth_server is not None else None

    def check_deadlines(self) -> None:
        """Expire the requests whose time is up.

        Raises:
            CertificateRequired: one of them said that this ends the connection.
        """
        if self._reauth_server is not None and self.failure is None:
            with self._failing():
                self._reauth_server.expire()

    # --- keys

    def key_update(self, request_peer: bool = False) -> None:
        """Change the keys that we send with, and perhaps ask the peer to (§4.6.3)."""
        self._check_open()
        self._key_updates.send(request_peer)

    def export(self, label: bytes, context: bytes, length: int) -> bytes:
        """Derive keying material for an application (§7.5).

        Raises:
            UsageError: the handshake is not complete, or the length is out of range.
        """
        return export(self._complete_outcome().secrets, label, context, length)

    def channel_binding(self, kind: str = "tls-exporter") -> bytes:
        """Return what names this connection to a protocol above (RFC 9266)."""
        return channel_binding(self._complete_outcome().secrets, kind)

    # --- records in

    @property
    def _held(self) -> bool:
        """Whether input must wait because the handshake waits for its owner."""
        return self._handshake is not None and isinstance(self._handshake.waiting_for, Ask)

    def _process(self) -> None:
        """Take all records that are there. The first branch is route (a)."""
        if self._held:
            return
        next_record = self._layer.next_record
        plaintext = self._plaintext
        append = plaintext.chunks.append
        trace = self.config.trace
        while (record := next_record()) is not None:
            content_type, content = record
            if content_type == APPLICATION_DATA and self._data_allowed:
                if content:
                    append(content)
                    plaintext.position += len(content)
                    if trace is not None:
                        self._trace_data(Direction.received, len(content))
                continue
            self._take_record(content_type, content)
            if self._held or self._received_close:
                return

    def _take_record(self, content_type: int, content: bytes) -> None:
        if content_type == ContentType.handshake:
            self._reassembly.feed(content)
            self._take_messages()
        elif content_type == ContentType.alert:
            self._take_alert(Alert.decode(content))
        else:
            raise UnexpectedMessage(f"application data, and {self._what_is_awaited()}")

    def _what_is_awaited(self) -> str:
        if self._reassembly.partial:
            return "a handshake message is not complete (§5.1)"
        if self._reader is not None:
            return f"{self._reader.name} expects {self._reader.waiting_for}"
        return "the handshake is not complete"

    def _take_messages(self) -> None:
        while not self._held and (message := self._reassembly.next_message()) is not None:
            self._take_message(*message)
        self._data_allowed = (
            self.established is not None and self._reader is None and not self._reassembly.partial
        )

    def _take_message(self, handshake_type: int, raw: bytes) -> None:
        message = decode_handshake(handshake_type, raw[4:])
        if self.config.trace is not None:
            self._link.trace(Direction.received, message, len(raw))
        received = Received(message, raw)
        reader = self._reader
        if reader is not None:
            reader.take(received)
            self._go_on_with(reader)
        elif handshake_type == HandshakeType.key_update:
            self._key_updates.take(received)
        elif handshake_type == HandshakeType.certificate and self._reauth_server is not None:
            self._go_on_with(self._reauth_server.take_certificate(received))
        elif (
            handshake_type == HandshakeType.certificate_request and self._reauth_client is not None
        ):
            self._reauth_client.take_request(received)
        elif handshake_type == HandshakeType.new_session_ticket and self._tickets is not None:
            self._tickets.take(received)
        else:
            raise UnexpectedMessage(
                f"{name_of(HandshakeType, handshake_type)} after the handshake", section="4.6"
            )

    def _go_on_with(self, conversation: Conversation[Any]) -> None:
        """Let a conversation read on, or put up what it asks instead."""
        if isinstance(conversation.waiting_for, Expect):
            self._reader = conversation
            return
        if self._reader is conversation and conversation is not self._handshake:
            self._reader = None
        self._desk.note(conversation)

    def _take_alert(self, alert: Alert) -> None:
        description = alert.description
        if self.config.trace is not None:
            self.config.trace(
                TraceEntry(
                    Direction.received,
                    f"Alert {name_of(AlertDescription, description)}",
                    2,
                    trace_epoch(self._link.inbound),
                )
            )
        if description == AlertDescription.user_canceled:  # RFC 9846 section 6.1
            self._alert_budget.spend()
        elif description == AlertDescription.close_notify and self.established is not None:
            self._received_close = True
            self._desk.emit(PeerClosed(self._desk.position))
        else:
            raise AlertReceived(description, peer=self.role.peer)

    # --- inside

    def _establish(self, outcome: HandshakeOutcome) -> None:
        """Open the connection: the handshake's conversation is over."""
        self._handshake = self._reader = None
        self._outcome = outcome
        self._layer.ccs_allowed = False
        self.established = outcome.established
        if outcome.identity is not None:
            self._desk.commit_identity(outcome.identity)
        config = self.config
        shared = (outcome.established, outcome.transcript, self._desk)
        if isinstance(config, ClientConfig):
            self._tickets = TicketStore(self._link, outcome.secrets, self._desk)
            self._reauth_client = ReauthClient(self._link, config, *shared)
        else:
            self._reauth_server = ReauthServer(self._link, config, *shared)
        self._desk.emit(HandshakeCompleted(self._desk.position, outcome.established))

    def _complete_outcome(self) -> HandshakeOutcome:
        if self._outcome is None:
            raise UsageError("the handshake is not complete")
        return self._outcome

    def _server_side(self) -> ReauthServer:
        if self._reauth_server is None:
            raise UsageError("there are no requests: not an established server")
        return self._reauth_server

    def _check_working(self) -> None:
        if self.failure is not None:
            raise UsageError(f"the connection has failed: {self.failure}") from self.failure

    def _check_open(self) -> None:
        self._check_working()
        if self.established is None:
            raise ReauthUnavailable("the handshake is not complete")
        if self._sent_close:
            raise UsageError("our side of the connection is closed")

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Turn what goes wrong inside into the connection's failure."""
        self._check_working()
        try:
            yield
        except UsageError:
            raise  # the caller's own fault breaks nothing
        except TLSError as error:
            self._fail(error)
            raise
        except Exception as error:
            failure = InternalError(f"{type(error).__name__}: {error}")
            self._fail(failure)
            raise failure from error

    def _fail(self, error: TLSError) -> None:
        """Break the connection and queue the alert."""
        error.peer = self.role.peer
        self.failure = error
        self._handshake = self._reader = None
        self._desk.clear_questions()
        if error.alert is not None and not self._sent_close:
            with suppress(InternalError):  # one failure is enough
                self._send_alert(error.alert)

    def _send_alert(self, description: AlertDescription) -> None:
        closing = description in (AlertDescription.close_notify, AlertDescription.user_canceled)
        level = AlertLevel.warning if closing else AlertLevel.fatal
        self._sent_close = True
        if self.config.trace is not None:
            self.config.trace(
                TraceEntry(
                    Direction.sent,
                    f"Alert {description.name}",
                    2,
                    trace_epoch(self._link.outbound),
                )
            )
        self._layer.send(ContentType.alert, Alert(level, description).encode())

    def _trace_data(self, direction: Direction, size: int) -> None:
        assert self.config.trace is not None
        protection = self._link.inbound if direction is Direction.received else self._link.outbound
        self.config.trace(TraceEntry(direction, "application data", size, trace_epoch(protection)))
