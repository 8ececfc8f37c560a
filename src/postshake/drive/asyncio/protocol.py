"""What joins the transport below, the engine and the protocol above."""

from __future__ import annotations

import asyncio
import contextlib
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from ...config import ClientConfig, ServerConfig
from ...connection import Connection
from ...errors import PostshakeError, ReauthUnavailable, present
from ...events import HandshakeCompleted, PeerClosed, ReauthCompleted, ReauthRequested
from ...pki.credential import Credential
from ...pki.identity import Identity
from ..answers import choose_for, find_answer
from ..limits import LINGER, MAX_UNREAD, STALL, data_waiting

__all__ = ["SHUTDOWN_TIME", "Answer", "Joint"]

SHUTDOWN_TIME = 30.0  # seconds for which it tries to send what was written; asyncio's own
LAST_WORDS = 16 * 1024 * 1024  # bytes that are read at most of who takes nothing any more

Answer = Callable[[ReauthRequested], "Credential | Awaitable[Credential | None] | None"]


class Joint(asyncio.Transport):
    """Takes what comes from below through the engine to the protocol above."""

    def __init__(
        self,
        protocol: asyncio.BaseProtocol,
        config: ClientConfig | ServerConfig,
        server_name: str | None = None,
        *,
        answer: Answer | None = None,
        max_unread: int = MAX_UNREAD,
        shutdown_time: float = SHUTDOWN_TIME,
        **options: Any,
    ) -> None:
        super().__init__()
        self.connection = Connection(config, server_name, **options)
        """The engine, for what this class does not show."""
        self._loop = asyncio.get_running_loop()
        self._protocol = protocol
        self._answer = answer or self._choose
        self._max_unread = max_unread
        self._shutdown_time = shutdown_time
        self._raw: asyncio.Transport | None = None
        self._shaken: asyncio.Future[None] = self._loop.create_future()
        self._made = self._paused = self._closing = self._lost = False
        self._eof = self._eof_due = False
        self._over_socket = False  # whether what is below is a transport of the loop's own
        self._wrote = False  # whether the protocol above ever sent anything
        self._reauths: dict[bytes, asyncio.Future[ReauthCompleted]] = {}
        self._choosing: set[bytes] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._deadline: asyncio.TimerHandle | None = None
        self._closer: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._failure: PostshakeError | None = None
        self._crashed: Exception | None = None
        self._data_identity: Identity | None = None
        self._data_is_early = False

    @abstractmethod
    def close(self) -> None:
        """Say goodbye and close."""

    # --- from below; see `transport.Below`

    def _connect(self, raw: asyncio.Transport) -> None:
        self._raw = raw
        self._advance(self.connection.start)

    def _receive(self, data: bytes) -> None:
        if self._failure is not None:
            return  # read only so that the peer can read our alert
        connection = self.connection
        try:
            connection.receive_data(data)
        except PostshakeError as error:
            self._break(error)
            return
        self._settle()
        if connection.has_data_to_send:
            self._send()
        if connection.readable:
            self._deliver()
        if not connection.wants_data or self._reauths:
            self._control_reading()

    def _end(self) -> None:
        """Nothing more comes from below."""
        self._eof = True
        if self.connection.peer_closed or self._closing:
            return
        try:
            self.connection.receive_eof()
        except PostshakeError as error:
            self._break(error)

    def _lose(self, error: BaseException | None) -> None:
        """The transport below is closed."""
        if self._lost:
            return
        heard = False
        if isinstance(error, ConnectionError) and not self._closing:
            heard = self._hear_last_words()
            if self.connection.peer_closed and not self._wrote and self._failure is None:
                error = None  # it has said all and left; what it did not take were tickets
        self._lost = self._closing = True
        for timer in (self._deadline, self._closer, self._stall):
            if timer is not None:
                timer.cancel()
        for task in self._tasks:
            task.cancel()
        reason = self._failure or self._crashed or error
        if not self._shaken.done():
            self._shaken.set_exception(reason or ConnectionAbortedError("closed in the handshake"))
            self._shaken.exception()  # whoever waits for it sees it; nobody may be there
        gone = ReauthUnavailable("the connection was closed before the answer came")
        self._fail_reauths(reason or gone)
        if self._made and heard:  # who waits for data sees it before it hears of the end
            self._loop.call_soon(self._tell_lost, reason)
        elif self._made:
            self._tell_lost(reason)

    def _tell_lost(self, reason: BaseException | None) -> None:
        self._protocol.connection_lost(reason)  # type: ignore[arg-type]

    def _hear_last_words(self) -> bool:
        """Take what a peer sent that takes nothing any more; return whether it was data.

        The transport below gives up when it cannot send, though there may be something to
        receive. Its socket is open until this returns.
        """
        raw, connection = self._raw, self.connection
        sock = raw.get_extra_info("socket") if raw is not None and self._over_socket else None
        before = connection.read_position
        if sock is None:
            return False
        left = LAST_WORDS
        with contextlib.suppress(OSError), sock.dup() as below:
            while left > 0 and self._failure is None and connection.wants_data:
                if self._paused and connection.unread_size > self._max_unread:
                    break
                data = below.recv(min(left, 256 * 1024))
                if not data:
                    break
                left -= len(data)
                self._receive(data)
        self._paused = False
        self._deliver()
        return connection.read_position > before

    # --- the engine

    def _advance(self, step: Callable[..., object], *arguments: Any) -> None:
        """Let the engine take a step, and see to what comes of it."""
        try:
            step(*arguments)
        except PostshakeError as error:
            self._break(error)
            return
        self._go_on()

    def _go_on(self) -> None:
        self._settle()
        self._send()
        self._deliver()
        self._control_reading()

    def _send(self) -> None:
        if self.connection.has_data_to_send and self._raw is not None:
            self._raw.write(self.connection.data_to_send())

    def _break(self, error: PostshakeError) -> None:
        """The connection failed: what came before goes up, the alert goes down, all ends."""
        if self._failure is not None:
            return
        self._failure = error
        self._settle()
        self._send()
        self._paused = False
        self._deliver()
        self._fail_reauths(error)
        self._closing = True
        self._part()

    def _fail_reauths(self, error: BaseException) -> None:
        for outcome in self._reauths.values():
            if not outcome.done():
                outcome.set_exception(error)

    def _part(self) -> None:
        """Close below, when all has left.

        Until then, and for a short while after, what the peer sends is read: else the
        system would answer it with a reset, which could overtake our last words.
        """
        raw = self._raw
        if raw is None or raw.is_closing():
            return
        if self._eof or self.connection.peer_closed or not raw.can_write_eof():
            raw.close()
        else:
            if not raw.is_reading():
                raw.resume_reading()
            try:
                raw.write_eof()
            except OSError:  # the peer is gone
                raw.abort()
                return
        latest = self._loop.time() + self._shutdown_time
        self._closer = self._loop.call_later(LINGER, self._give_up, latest)

    def _give_up(self, latest: float) -> None:
        raw = present(self._raw, "transport")
        if raw.get_write_buffer_size() and self._loop.time() < latest:
            self._closer = self._loop.call_later(LINGER, self._give_up, latest)
        else:
            raw.abort()

    # --- upwards

    def _deliver(self) -> None:
        """Give the protocol what there is: data, then the peer's goodbye."""
        if not self._made:
            return  # early data waits for the handshake
        connection = self.connection
        while connection.readable and not self._paused:
            data, self._data_identity, self._data_is_early = connection.take_data()
            if self._closing and self._failure is None:
                continue  # nobody wants it any more
            protocol: Any = self._protocol
            try:
                if isinstance(protocol, asyncio.BufferedProtocol):
                    _feed(protocol, data)
                else:
                    protocol.data_received(data)
            except Exception as error:
                self._crash(error, "data_received")
                return
        if self._eof_due and not self._paused:
            self._eof_due = False
            if self._closing:
                self._part()
                return
            protocol = self._protocol
            try:
                goes_on = protocol.eof_received()
            except Exception as error:
                self._crash(error, "eof_received")
                return
            if not goes_on:
                self.close()

    def _crash(self, error: Exception, call: str) -> None:
        """End the connection whose protocol failed, as asyncio's own transports do.

        Here, for this may be called from a task or a timer, where nobody else would.
        """
        self._loop.call_exception_handler(
            {
                "message": f"Fatal error: protocol.{call}() call failed.",
                "exception": error,
                "transport": self,
                "protocol": self._protocol,
            }
        )
        self._crashed = error
        self._closing = True
        if self._raw is not None:
            self._raw.abort()

    def _control_reading(self) -> None:
        """Read below if somebody wants it: the protocol, or a reauth that waits."""
        raw = self._raw
        if raw is None or self._closing or raw.is_closing():
            return
        connection = self.connection
        full = self._paused and connection.unread_size > self._max_unread
        if full and self._reauths:
            if self._stall is None:
                self._stall = self._loop.call_later(STALL, self._stalled)
        elif self._stall is not None:
            self._stall.cancel()
            self._stall = None
        wanted = connection.wants_data and not (full if self._reauths else self._paused)
        if wanted is not raw.is_reading():
            if wanted:
                raw.resume_reading()
            else:
                raw.pause_reading()

    def _stalled(self) -> None:
        self._fail_reauths(data_waiting(self.connection, self._max_unread, "reading is paused"))

    # --- questions and events

    def _settle(self) -> None:
        """See to the engine's questions and events."""
        connection = self.connection
        while True:
            if (question := connection.next_question()) is not None:
                self._find(question.id, question.subject)
            elif (event := connection.next_event()) is not None:
                match event:
                    case HandshakeCompleted():
                        self._establish()
                    case PeerClosed():
                        self._fail_reauths(ReauthUnavailable("the client said goodbye"))
                        self._eof_due = True
                        self._deliver()
                    case ReauthCompleted():
                        outcome = self._reauths.get(event.context)
                        if outcome is not None and not outcome.done():
                            outcome.set_result(event)
                    case ReauthRequested():
                        self._find_credential(event)
            else:
                return

    def _establish(self) -> None:
        self._send()  # our Finished comes before what the protocol says
        self._made = True
        if not self._shaken.done():
            self._shaken.set_result(None)
        try:
            self._protocol.connection_made(self)
        except Exception as error:
            self._crash(error, "connection_made")

    def _find(self, number: int, subject: Any) -> None:
        """Find the answer to a question, at once or in a task."""
        try:
            found: Any = find_answer(subject)
        except Exception as error:
            found = error
        if isinstance(found, Awaitable):
            self._start(self._find_later(number, found))
        else:
            self._give(number, found)

    async def _find_later(self, number: int, answer: Awaitable[object]) -> None:
        try:
            found = await answer
        except Exception as error:
            found = error
        if not self._lost and self._failure is None:
            self._give(number, found)
            self._go_on()

    def _give(self, number: int, found: object) -> None:
        connection = self.connection
        try:
            connection.answer(number, found)
        except PostshakeError as error:
            self._break(error)
            return
        if isinstance(found, Exception) and connection.failure is None:
            self._report(found)  # a client's signature: no harm was done, and it declines
            for context in connection.open_requests:
                if context not in self._choosing:
                    self._reply(context, None)

    def _find_credential(self, request: ReauthRequested) -> None:
        try:
            credential = self._answer(request)
        except Exception as error:
            self._report(error)
            credential = None
        if isinstance(credential, Awaitable):
            self._choosing.add(request.context)
            self._start(self._find_credential_later(request.context, credential))
        else:
            self._reply(request.context, credential)

    async def _find_credential_later(
        self, context: bytes, choice: Awaitable[Credential | None]
    ) -> None:
        credential = None
        try:
            credential = await choice
        except Exception as error:
            self._report(error)
        finally:
            self._choosing.discard(context)
        self._reply(context, credential)
        self._go_on()

    def _reply(self, context: bytes, credential: Credential | None) -> None:
        connection = self.connection
        if connection.sent_close or self._lost or self._failure is not None:
            return  # an answer could not be sent any more
        try:
            connection.answer_auth(context, credential)
        except PostshakeError as error:
            if connection.failure is not None:
                self._break(error)
            else:  # the credential is none
                self._report(error)
                connection.answer_auth(context, None)

    def _choose(self, request: ReauthRequested) -> Credential | None:
        return choose_for(request, self.connection.config.credentials)

    def _report(self, error: Exception) -> None:
        self._loop.call_exception_handler(
            {
                "message": "a request for authentication was declined: answering it failed",
                "exception": error,
                "transport": self,
            }
        )

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _feed(protocol: asyncio.BufferedProtocol, data: bytes) -> None:
    """Give data to a protocol that has its own buffer."""
    view = memoryview(data)
    while view:
        buffer = memoryview(protocol.get_buffer(len(view)))
        if not buffer:
            raise RuntimeError("get_buffer() returned an empty buffer")
        size = min(len(buffer), len(view))
        buffer[:size] = view[:size]
        protocol.buffer_updated(size)
        view = view[size:]
