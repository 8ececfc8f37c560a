"""The engine behind a Connection: routes what is received, and fails once.

Records become data, messages or alerts; messages go to the conversation that reads,
or, when none does, by their type to key updates, tickets or reauth. Whatever goes
wrong unwinds to `failing`, which sends the alert.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, NoReturn

from ..config import ClientConfig, ServerConfig
from ..constants import (
    AlertDescription,
    AlertLevel,
    ContentType,
    HandshakeType,
    ProtocolVersion,
    Role,
    name_of,
)
from ..errors import (
    InternalError,
    PostshakeError,
    TLSError,
    TruncationError,
    UnexpectedMessage,
    UsageError,
)
from ..events import Direction, HandshakeCompleted, PeerClosed
from ..record.layer import RecordLayer
from ..record.limits import Budget
from ..record.protection import Epoch
from ..record.reassembly import Reassembly
from ..resumption.session12 import Session12
from ..resumption.ticket import Ticket
from ..wire.alert import Alert
from ..wire.auth import CompressedCertificate
from ..wire.tls12 import ChangeCipherSpec
from .alerts import CLOSURE_ALERTS, send_alert, tolerate_alert, trace_alert
from .event_queue import EventQueue
from .flow import Ask, Conversation, Expect, Received
from .handshake import client_handshake, server_handshake
from .link import Link
from .outcome import HandshakeOutcome
from .post_handshake import PostHandshake
from .tls13.compressed_certificate import uncompressed
from .tls13.early_data import EarlyData

__all__ = ["APPLICATION_DATA", "Engine"]

APPLICATION_DATA = int(ContentType.application_data)


class Engine:
    """One end's conversations, and the records that feed them."""

    __slots__ = (  # as all that every idle connection has
        "_alert_budget",
        "_data_allowed",
        "_ended",
        "_handshake",
        "_reader",
        "_server_name",
        "_ticket",
        "data_alone",
        "early_data",
        "event_queue",
        "failure",
        "layer",
        "link",
        "outcome",
        "post_handshake",
        "reassembly",
        "received_close",
        "role",
        "started",
    )

    def __init__(
        self,
        config: ClientConfig | ServerConfig,
        server_name: str | None,
        session: Ticket | Session12 | None = None,
    ) -> None:
        self.role = Role.client if isinstance(config, ClientConfig) else Role.server
        self.outcome: HandshakeOutcome | None = None
        """What the handshake left; None until it is complete."""
        self.failure: PostshakeError | None = None
        """Why nothing works any more, if nothing does."""
        self.started = False
        self.received_close = False
        limits = config.limits
        self.layer = RecordLayer(limits=limits, role=self.role, padding=config.padding)
        self.reassembly = Reassembly(limits)
        self.link = Link(self.role, config, self.layer, self.reassembly)
        ticket = session if isinstance(session, Ticket) else None
        self.link.session12 = session if isinstance(session, Session12) else None
        self.event_queue = EventQueue()
        self.post_handshake = PostHandshake(self.link, self.event_queue)
        self.early_data: EarlyData | None = None
        if isinstance(config, ClientConfig):
            limit = ticket.max_early_data_size if ticket is not None else 0
            self.early_data = EarlyData(self.link, config, limit)
        self._ticket = ticket
        self._server_name = server_name
        self._handshake: Conversation[HandshakeOutcome] | None = None
        self._reader: Conversation[Any] | None = None
        self._data_allowed = False
        self.data_alone = False
        """Whether data may come, and nothing but the data is of interest to anyone."""
        self._ended = False
        self._alert_budget = Budget(limits.warning_alerts, "alerts that change nothing")

    def conversations(self) -> list[Conversation[Any]]:
        """Those that wait for a message or an answer."""
        reader = [self._reader] if self._reader is not None else []
        asking = [each for each in self.event_queue.askers() if each is not self._reader]
        return reader + asking

    def start(self) -> None:
        """Begin the handshake, once."""
        if self.started:
            return
        self.started = True
        config = self.link.config
        if isinstance(config, ClientConfig):
            early_data = self.early_data
            if early_data is None:
                raise InternalError("a client has its early data from the beginning")
            flow = client_handshake(self.link, config, self._server_name, self._ticket, early_data)
        else:
            flow = server_handshake(self.link, config)
        self._handshake = Conversation(f"{self.role.name} handshake", flow, self._establish)
        self._reader = self._handshake
        with self.failing():
            self.event_queue.start(self._handshake)

    def receive(self, data: bytes | bytearray | memoryview) -> None:
        """Take bytes from the transport; nothing may have failed before."""
        try:  # route (a): `failing` costs more than a small record
            self.layer.feed(data)
            self._process()
            if self.post_handshake.key_updates.update_owed:
                self.post_handshake.key_updates.send_owed()
        except Exception as error:
            self.break_by(error)

    def answer(self, question_id: int, value: object) -> None:
        """Let the conversation that asked go on."""
        conversation = self.event_queue.take_asker(question_id)
        held = self.held
        try:
            with self.failing():
                if isinstance(value, BaseException):
                    conversation.fail(value)
                else:
                    conversation.answer(value)
                self.event_queue.add_question(conversation)
                if held:  # by this question: while the handshake asks, nothing else does
                    self._take_messages()
                    self._process()
                    self.post_handshake.key_updates.send_owed()
        finally:
            del value  # an exception's traceback has this frame
        if self._ended:
            self.end_of_stream()

    @property
    def held(self) -> bool:
        """Whether input must wait because the handshake waits for its owner."""
        return self._handshake is not None and isinstance(self._handshake.waiting_for, Ask)

    @property
    def may_send_half_rtt(self) -> bool:
        """Whether a server may send data though the client's Finished is awaited (§2)."""
        config = self.link.config
        return (
            isinstance(config, ServerConfig)
            and config.send_half_rtt_data
            and self.outcome is None
            and self.failure is None
            and not self.link.closed
            and not self.link.tls12
            and self.layer.outbound.epoch is Epoch.application
        )

    # --- records in

    def _process(self) -> None:
        """Take all records that are there. The first branch is route (a)."""
        if self._handshake is not None and self.held:
            return
        next_record = self.layer.next_record
        plaintext = self.event_queue.plaintext
        append = plaintext.chunks.append
        trace = self.link.config.trace
        while (record := next_record()) is not None:
            content_type, content = record
            if content_type == APPLICATION_DATA and self._data_allowed:
                if content:
                    append(content)
                    plaintext.position += len(content)
                    if trace is not None:
                        self.link.trace_record(Direction.received, "application data", len(content))
                continue
            self._take_record(content_type, content)
            if self.received_close or (self._handshake is not None and self.held):
                return

    def _take_record(self, content_type: int, content: bytes) -> None:
        if content_type == ContentType.handshake:
            self.reassembly.feed(content)
            self._take_messages()
        elif content_type == ContentType.alert:
            self._take_alert(Alert.decode(content))
        elif content_type == ContentType.change_cipher_spec:
            self._take_change_cipher_spec(content)
        elif self.layer.inbound.epoch is Epoch.early and not self.reassembly.partial:
            self._take_early_data(content)
        else:
            raise UnexpectedMessage(f"application data, and {self._what_is_awaited()}")

    def _take_early_data(self, content: bytes) -> None:
        """Keep early data that was accepted, for what it is worth (§4.2.10)."""
        self.link.early_data_left -= len(content)
        if self.link.early_data_left < 0:
            raise UnexpectedMessage("more early data than its ticket allows", section="4.2.10")
        self.event_queue.plaintext.add_early(content)
        if self.link.config.trace is not None:
            self.link.trace_record(Direction.received, "application data", len(content))

    def _take_change_cipher_spec(self, content: bytes) -> None:
        """Give it to the reader like a message: TLS 1.2 alone has it (RFC 5246 section 7.1)."""
        self.reassembly.check_aligned()
        message = ChangeCipherSpec.decode(content)
        if self.link.config.trace is not None:
            self.link.trace_record(Direction.received, "ChangeCipherSpec", 1)
        reader = self._reader
        if reader is None:
            raise UnexpectedMessage("ChangeCipherSpec after the handshake", section="RFC 5246, 7.1")
        reader.take(Received(message, content))
        self._resume(reader)

    def _what_is_awaited(self) -> str:
        if self.reassembly.partial:
            return "a handshake message is not complete (§5.1)"
        if self._reader is not None:
            return f"{self._reader.name} expects {self._reader.waiting_for}"
        return "the handshake is not complete"

    def _take_messages(self) -> None:
        next_message = self.reassembly.next_message
        while self._handshake is None or not self.held:
            message = next_message()
            if message is None:
                break
            self._take_message(*message)
        self._data_allowed = (
            self.outcome is not None and self._reader is None and not self.reassembly.partial
        )
        self.data_alone = (
            self._data_allowed and not self.link.tls12 and self.link.config.trace is None
        )

    def _take_message(self, handshake_type: int, raw: bytes) -> None:
        # its order is checked before it is read: what nobody awaits is not decoded
        if self._reader is None:
            self.post_handshake.check_awaited(handshake_type)
        elif handshake_type != HandshakeType.hello_request:
            self._reader.check_awaited(handshake_type)
        message = self.link.decode(handshake_type, raw[4:])
        if type(message) is CompressedCertificate:
            message = uncompressed(message, self.link.config)
            handshake_type = HandshakeType.certificate
        if self.link.config.trace is not None:
            self.link.trace(Direction.received, message, raw)
        received = Received(message, raw)
        reader = self._reader
        if reader is not None and handshake_type == HandshakeType.hello_request:
            self.post_handshake.renegotiation.ignore(received)
            return
        if reader is not None:
            reader.take(received)
        else:
            reader = self.post_handshake.take(handshake_type, received)
        if reader is not None:
            self._resume(reader)

    def _resume(self, conversation: Conversation[Any]) -> None:
        """Let a conversation read on, or put up what it asks instead."""
        if isinstance(conversation.waiting_for, Expect):
            self._reader = conversation
            return
        if self._reader is conversation and conversation is not self._handshake:
            self._reader = None
        self.event_queue.add_question(conversation)

    def _take_alert(self, alert: Alert) -> None:
        description = alert.description
        trace_alert(self.link, Direction.received, description)
        closing = description in CLOSURE_ALERTS
        if closing and (self.reassembly.partial or (self.outcome and self._reader)):
            # an error may come anywhere; these would be passed over, and split a flight
            raise UnexpectedMessage(
                f"the alert {name_of(AlertDescription, description)}, "
                f"and {self._what_is_awaited()}",
                section=None if self.reassembly.partial else "4.6.2",
            )
        if description == AlertDescription.close_notify and self.outcome is not None:
            self.received_close = True
            self.data_alone = False
            self.layer.discard_input()  # §6.1: what follows is ignored
            self.event_queue.emit(PeerClosed(self.event_queue.position))
        else:
            tolerate_alert(self.link, alert, self._alert_budget)

    # --- what becomes of it

    def _establish(self, outcome: HandshakeOutcome) -> None:
        """Open the connection: the handshake's conversation is over."""
        self._handshake = self._reader = None
        self.outcome = outcome
        self.layer.ccs_allowed = False
        self.event_queue.plaintext.end_early()
        if outcome.identity is not None:
            self.event_queue.commit_identity(outcome.identity)
        if outcome.established.version != ProtocolVersion.TLS12:
            self.post_handshake.begin(outcome)
        self.event_queue.emit(HandshakeCompleted(self.event_queue.position, outcome.established))

    def give_up(self) -> None:
        """Close before the handshake is complete: nothing more is said or taken."""
        if self.started:
            self.send_alert(AlertDescription.user_canceled)
            self.send_alert(AlertDescription.close_notify)
        self.started = self.link.closed = self.received_close = True
        self.data_alone = False
        self._drop_conversations()

    def end_of_stream(self) -> None:
        """Break the connection, unless the peer said goodbye or it has failed already."""
        self._ended = True
        if self.received_close or self.failure is not None or self.held:
            return  # what waits behind a question is looked at once that is answered
        awaited = f" while we waited for {self._reader.waiting_for}" if self._reader else ""
        self.data_alone = False
        failure = TruncationError(
            f"the {self.role.peer.name}'s stream ended without close_notify{awaited}"
        )
        self.failure = failure.without_traceback()
        try:
            raise failure
        finally:
            del failure  # whose traceback has this frame

    def check_working(self) -> None:
        """Refuse to go on after a failure."""
        if self.failure is not None:
            raise UsageError(f"the connection has failed: {self.failure}") from self.failure

    def failing(self, *, harmless: type[UsageError] | None = None) -> FailConnection:
        """Turn what goes wrong inside into the connection's failure.

        Args:
            harmless: what a call raises before it changes anything: its caller's
                own fault.
        """
        self.check_working()
        return FailConnection(self.break_by, harmless)

    def break_by(self, error: Exception) -> NoReturn:
        """Raise what went wrong inside, as the connection's failure."""
        failure = error
        try:
            if isinstance(failure, TLSError):
                self.fail(failure)
                raise failure
            failure = InternalError(f"{type(error).__name__}: {error}")
            self.fail(failure)
            raise failure from error
        finally:
            del error, failure  # whose tracebacks have this frame: a cycle with all it leads to

    def fail(self, error: TLSError) -> None:
        """Break the connection and queue the alert."""
        error.peer = self.role.peer
        self.failure = error.without_traceback()
        self.data_alone = False
        self._drop_conversations()
        self._forget_session12()
        if error.alert is not None and self.link.config.send_alerts and not self.link.closed:
            with suppress(Exception):  # one failure is enough
                self.send_alert(error.alert)

    def _forget_session12(self) -> None:
        """Keep a failed TLS 1.2 connection from being resumed (RFC 5246 section 7.2.2)."""
        session = self.outcome.session12 if self.outcome is not None else None
        if session is not None and isinstance(self.link.config, ServerConfig):
            if self.link.config.sessions12 is not None:
                self.link.config.sessions12.forget(session.session_id)

    def _drop_conversations(self) -> None:
        self._handshake = self._reader = None
        self.event_queue.clear_questions()
        self.layer.discard_input()
        self.reassembly.discard()

    def send_alert(self, description: AlertDescription, level: AlertLevel | None = None) -> None:
        """Queue an alert; after one that closes we say nothing else."""
        send_alert(self.link, description, level)


class FailConnection:
    """A block in which what goes wrong breaks the connection.

    A class, for a generator would take three times as long.

    Args:
        break_by: raises what went wrong as the connection's failure.
        harmless: what a call raises before it changes anything: its caller's own fault.
    """

    __slots__ = ("_break_by", "_harmless")

    def __init__(
        self, break_by: Callable[[Exception], NoReturn], harmless: type[UsageError] | None
    ) -> None:
        self._break_by = break_by
        self._harmless = harmless

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, Exception):
            if self._harmless is None or not isinstance(error, self._harmless):
                try:
                    self._break_by(error)
                finally:
                    del error, traceback  # which have this frame
