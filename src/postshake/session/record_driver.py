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
from typing import NoReturn

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

__all__ = ["RecordDriver"]


_GONE = frozenset({codes.E_PUSH_ERROR, codes.E_PREMATURE_TERMINATION})
"""What pushing comes to when the peer has left."""
_HARMLESS = frozenset({codes.E_TIMEDOUT, codes.E_INVALID_REQUEST})


class _Fatal:
    """The block of `fatal`. A class: a generator's frame would keep what it raises."""

    __slots__ = ("_driver",)

    def __init__(self, driver: RecordDriver) -> None:
        self._driver = driver

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
                self._driver.fail(error)
        finally:
            del error, traceback


class RecordDriver:
    """One session's engine, and what it has to tell.

    Args:
        transport: the way to the peer.
        connection: the engine.
    """

    __slots__ = (
        "asked_for_ocsp",
        "connection",
        "invalid",
        "outcomes",
        "questions",
        "received_alert",
        "requests",
        "shown",
        "transport",
        "unanswered",
        "was_asked",
    )

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
        self.unanswered: dict[bytes, ReauthRequested] = {}
        """Client: requests that wait for their answer, oldest first."""
        self.outcomes: dict[bytes, ReauthCompleted] = {}
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

    def fail(self, error: PostshakeError) -> NoReturn:
        """Raise what went wrong as an error with a code; a fatal one ends the session."""
        if isinstance(error, AlertReceived):
            self.received_alert = error.received
        translated = translate(error)
        if translated.fatal and translated.code not in _HARMLESS:
            self.invalid = True
        try:
            if translated is error:
                raise error
            raise translated from error
        finally:
            del error, translated  # whose tracebacks have this frame, which has the session

    def fatal(self) -> _Fatal:
        """Raise what goes wrong in a block with a code, as `fail` does."""
        return _Fatal(self)

    def take_record(self, *, closing: bool = False) -> None:
        """Pull one record and let the engine have it; sort what it brings.

        Args:
            closing: that the stream may end here without a goodbye: ours was said.

        Raises:
            SessionError: the transport would block, or the record ends the session.
        """
        try:  # for each record: `fatal` costs more than a small one
            self._take(self.transport.read_record(), closing)
        except PostshakeError as error:
            self.fail(error)

    def _take(self, record: bytes, closing: bool) -> None:
        connection = self.connection
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
            if connection.has_news:
                self.collect_events()

    def collect_events(self) -> None:
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
                    self.unanswered[event.context] = event
                case ReauthAnswered():
                    self.shown = event.credential
                case ReauthCompleted():
                    self.outcomes[event.context] = event

    def answer(self, question: Question, value: object) -> None:
        """Answer the oldest question, which is this one."""
        if self.questions[0] is not question:
            raise InternalError("questions are answered in their order")
        self.questions.popleft()
        try:
            self.connection.answer(question.id, value)
        except PostshakeError as error:
            self.fail(error)
        finally:
            self.collect_events()

    def flush(self) -> None:
        """Push what the engine has to send."""
        try:
            self._push()
        except PostshakeError as error:
            self.fail(error)

    def flush_answers(self) -> None:
        """Push what nobody asked for: tickets, answers to what was received.

        If they cannot be pushed any more, the peer may have sent its data before it left: who
        pushes something next is told, and who pulls is not kept from it.

        Raises:
            Again, Interrupted: call again.
        """
        try:
            self._push()
        except SessionError as error:
            if error.code not in _GONE:
                raise

    def _push(self) -> None:
        connection, transport = self.connection, self.transport
        if connection.has_data_to_send:
            transport.queue(connection.data_to_send())
        elif not transport.pending:
            return
        transport.flush()
