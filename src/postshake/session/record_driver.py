"""Transport and engine, joined one record at a time.

What one record brings is seen before the next one is pulled: data, a request, a
question. So the order in which things happen on the wire is the order in which calls
report them, and data that came after an answer is never taken for data before it.

An error of the engine's becomes one with a code here, and ends the session: every later
call finds it invalid. No alert is sent; the owner sends it, with `alert_send_appropriate`.
"""

from __future__ import annotations

from collections import deque
from types import TracebackType

from ..connection import Connection
from ..constants import AlertDescription
from ..errors import AlertReceived, InternalError, PostshakeError, TruncationError
from ..events import ReauthAnswered, ReauthCompleted, ReauthRequested
from ..pki.credential import Credential
from ..questions import Question
from ..wire.extensions import StatusRequestEmpty
from . import codes
from .errors import SessionError, translate
from .transport import Transport

__all__ = ["Machine"]


_GONE = frozenset({codes.E_PUSH_ERROR, codes.E_PREMATURE_TERMINATION})
"""What pushing comes to when the peer has left."""
_HARMLESS = frozenset({codes.E_TIMEDOUT, codes.E_INVALID_REQUEST})


class _Fatal:
    """The block of `Machine.fatal`. A class: a generator's frame would keep what it raises."""

    __slots__ = ("_machine",)

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if isinstance(error, PostshakeError):
                self._machine.fail(error)
        finally:
            del error, traceback


class Machine:
    """One session's engine, and what it has to tell."""

    def __init__(self, transport: Transport, connection: Connection) -> None:
        self.transport = transport
        self.connection = connection
        self.invalid = False
        """Whether a fatal error has ended the session."""
        self.received_alert = AlertDescription.close_notify.value
        """The last alert that the peer sent."""
        self.questions: deque[Question] = deque()
        """What waits for an answer, oldest first."""
        self.requests: deque[ReauthRequested] = deque()
        """Client: requests that the application was not told of."""
        self.open: dict[bytes, ReauthRequested] = {}
        """Client: requests that wait for their answer, oldest first."""
        self.completed: dict[bytes, ReauthCompleted] = {}
        """Server: outcomes that nobody has looked at."""
        self.shown: Credential | None = None
        """What we authenticated with last."""
        self.was_asked = False
        """Client: whether the server ever asked for a certificate."""
        self.asked_for_ocsp = False
        """Client: whether it asked for an OCSP response with it."""

    @property
    def readable(self) -> int:
        """How many bytes of data can be read."""
        return self.connection.readable

    def fatal(self) -> _Fatal:
        """Turn what goes wrong inside into a code; a fatal one ends the session."""
        return _Fatal(self)

    def fail(self, error: PostshakeError) -> None:
        """Note an error, and raise it with its code, unless it has one."""
        if isinstance(error, AlertReceived):
            self.received_alert = error.received
        translated = translate(error)
        if translated.fatal and translated.code not in _HARMLESS:
            self.invalid = True
        try:
            if translated is not error:
                raise translated from error
        finally:
            del error, translated  # whose tracebacks have this frame, which has the session

    def take_record(self, *, closing: bool = False) -> None:
        """Pull one record and let the engine have it; sort what it brings.

        Args:
            closing: that the stream may end here without a goodbye: ours was said.

        Raises:
            SessionError: the transport would block, or the record ends the session.
        """
        connection = self.connection
        with self.fatal():
            record = self.transport.read_record()
            try:
                if record:
                    connection.receive_data(record)
                else:
                    connection.receive_eof()
            except AlertReceived as error:
                if error.received != AlertDescription.close_notify:
                    raise
                raise SessionError(codes.E_SESSION_EOF, "during the handshake") from error
            except TruncationError:
                if not closing:
                    raise
            finally:
                self.sort()

    def sort(self) -> None:
        """Collect the engine's events and questions."""
        connection = self.connection
        while (question := connection.next_question()) is not None:
            self.questions.append(question)
        while (event := connection.next_event()) is not None:
            match event:
                case ReauthRequested():
                    self.was_asked = True
                    if event.request.extensions.get(StatusRequestEmpty) is not None:
                        self.asked_for_ocsp = True
                    self.requests.append(event)
                    self.open[event.context] = event
                case ReauthAnswered():
                    self.shown = event.credential
                case ReauthCompleted():
                    self.completed[event.context] = event

    def answer(self, question: Question, value: object) -> None:
        """Answer the oldest question, which is this one."""
        if self.questions[0] is not question:
            raise InternalError("questions are answered in their order")
        self.questions.popleft()
        with self.fatal():
            try:
                self.connection.answer(question.id, value)
            finally:
                self.sort()

    def flush(self) -> None:
        """Push what the engine has to send."""
        if self.connection.has_data_to_send:
            self.transport.queue(self.connection.data_to_send())
        with self.fatal():
            self.transport.flush()

    def flush_answers(self) -> None:
        """Push what nobody asked for: tickets, answers to what was received.

        If they cannot be pushed any more, the peer may have sent its data before it left: who
        pushes something next is told, and who pulls is not kept from it.

        Raises:
            Again, Interrupted: call again.
        """
        try:
            if self.connection.has_data_to_send:
                self.transport.queue(self.connection.data_to_send())
            self.transport.flush()
        except SessionError as error:
            if error.code not in _GONE:
                raise
