"""A TLS transport of asyncio's own kind, with reauth; `postshake.drive.streams` makes them.

Theory of operation
===================

Between the transport below and the protocol above stands one object, `TLSTransport`. What
comes from below goes through the engine, and what that gives goes up, in the same call: no task,
no queue. So does what is written, the other way. Tasks exist only where the owner's code is
asynchronous: signers, choosers, verifiers that are coroutines.

*Flow control.* Writing is the lower transport's: its buffer is full or not, and says so to
the protocol above. Reading is paused below when the protocol above pauses it, except while
a reauth waits: its answer is behind the data. Then what comes is kept, up to a bound.

*The end.* A goodbye from the peer is `eof_received` above, and writing may go on. Closing says
goodbye, and reads the peer's last words for a short while, so that they do not make the
system reset the connection before the peer has read ours.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from ..config import AuthRequest, ClientConfig, ServerConfig
from ..connection import Connection
from ..errors import PostshakeError, ReauthUnavailable, TruncationError
from ..events import HandshakeCompleted, PeerClosed, ReauthCompleted, ReauthRequested
from ..pki.credential import Credential
from ..pki.identity import Identity
from .answers import choose_for, conclude, find_answer

__all__ = ["Answer", "Below", "TLSTransport"]

LINGER = 2.0  # seconds for which a closing transport reads what the peer still sends
MAX_UNREAD = 1024 * 1024

Answer = Callable[[ReauthRequested], "Credential | Awaitable[Credential | None] | None"]


class TLSTransport(asyncio.Transport):
    """TLS over a transport of asyncio's; see `asyncio.Transport`.

    `get_extra_info` knows, besides what the lower transport does, ``connection`` (the
    engine), ``peer_identity``, ``alpn_protocol``, ``cipher`` and ``tls_version``.

    Args:
        protocol: the protocol above.
        config: the policy; its class decides the role.
        server_name: client only: whom we mean to reach.
        answer: client only: chooses the credential for each request, and may be a
            coroutine; the default takes the first of ``config.credentials`` that fits. If it
            fails, or the key cannot sign, the request is declined, and the event loop's
            exception handler told.
        max_unread: how many bytes are kept while a reauth waits and reading is paused.
        options: what `postshake.Connection` takes besides, such as ``session``.
    """

    def __init__(
        self,
        protocol: asyncio.BaseProtocol,
        config: ClientConfig | ServerConfig,
        server_name: str | None = None,
        *,
        answer: Answer | None = None,
        max_unread: int = MAX_UNREAD,
        **options: Any,
    ) -> None:
        super().__init__()
        self.connection = Connection(config, server_name, **options)
        """The engine, for what this class does not show."""
        self._loop = asyncio.get_running_loop()
        self._protocol = protocol
        self._answer = answer
        self._max_unread = max_unread
        self._raw: asyncio.Transport | None = None
        self._shaken: asyncio.Future[None] = self._loop.create_future()
        self._made = self._paused = self._closing = self._lost = self._eof = False
        self._reauths: dict[bytes, asyncio.Future[ReauthCompleted]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._deadline: asyncio.TimerHandle | None = None
        self._closer: asyncio.TimerHandle | None = None
        self._failure: BaseException | None = None

    def __repr__(self) -> str:
        return f"<TLSTransport {self.connection!r}{' closing' if self._closing else ''}>"

    # --- asyncio.BaseTransport

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what is known under this name."""
        connection = self.connection
        established = connection.established
        match name:
            case "connection":
                return connection
            case "peer_identity":
                return connection.peer_identity
            case "alpn_protocol" | "cipher" | "tls_version" if established is not None:
                found = {
                    "alpn_protocol": established.alpn_protocol,
                    "cipher": established.suite.code.name,
                    "tls_version": established.version,
                }
                return found[name]
            case _:
                return self._raw.get_extra_info(name, default) if self._raw else default

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Let another protocol be above."""
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol above."""
        return self._protocol

    def is_closing(self) -> bool:
        """Whether it is closed, or about to be."""
        return self._closing or self._lost

    def close(self) -> None:
        """Say goodbye when all that was written has left, and close; reading ends at once."""
        if self._closing or self._raw is None:
            return
        self._closing = True
        if not self._made:
            self.abort()
            return
        with contextlib.suppress(PostshakeError):
            self.connection.close()
        self._send()
        self._raw.resume_reading() if not self._raw.is_reading() else None
        if self._eof or not self._raw.can_write_eof():
            self._raw.close()
            return
        self._raw.write_eof()
        self._closer = self._loop.call_later(LINGER, self._raw.abort)

    def abort(self) -> None:
        """Close at once; what was not sent yet is lost, and no goodbye is said."""
        self._closing = True
        if self._raw is not None:
            self._raw.abort()

    # --- reading

    def is_reading(self) -> bool:
        """Whether the protocol above is given data."""
        return not self._paused and not self._closing

    def pause_reading(self) -> None:
        """Give the protocol above no data until `resume_reading`."""
        self._paused = True
        self._control_reading()

    def resume_reading(self) -> None:
        """Go on giving data to the protocol above."""
        if not self._paused:
            return
        self._paused = False
        self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        if not self._paused and not self._lost:
            self._deliver()
            self._control_reading()

    def _control_reading(self) -> None:
        """Read below if somebody wants it: the protocol, or a reauth that waits."""
        raw = self._raw
        if raw is None or raw.is_closing():
            return
        engine = self.connection
        waits = bool(self._reauths) and engine.readable <= self._max_unread
        wanted = engine.wants_data and (not self._paused or waits or self._closing)
        if wanted and not raw.is_reading():
            raw.resume_reading()
        elif not wanted and raw.is_reading():
            raw.pause_reading()

    # --- writing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send data; it does not wait, see the protocol's `pause_writing`."""
        if not data or self._raw is None:
            return
        if self._lost or self._failure is not None:
            return  # as asyncio's: connection_lost tells
        self.connection.send_data(data)
        self._raw.write(self.connection.data_to_send())

    def writelines(self, list_of_data: Any) -> None:
        """Send several pieces of data as one."""
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        """Return True: the ways of a TLS 1.3 connection end one by one."""
        return True

    def write_eof(self) -> None:
        """Say that we send no more; the peer may, and reading goes on (§6.1)."""
        with contextlib.suppress(PostshakeError):
            self.connection.close()
        self._send()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set from how many unsent bytes on the protocol is to pause, and when to go on."""
        if self._raw is not None:
            self._raw.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        """Return how many bytes wait to be sent."""
        return self._raw.get_write_buffer_size() if self._raw is not None else 0

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Return the low and the high mark."""
        return self._raw.get_write_buffer_limits() if self._raw is not None else (0, 0)

    # --- reauth

    async def reauth(self, request: AuthRequest | None = None) -> Identity | None:
        """Server: ask the client to authenticate, and wait for the outcome (§4.6.2).

        Data goes on both ways meanwhile, and other requests may be out. What comes before
        the answer is from whoever the client was before. Cancelled, it withdraws the
        request: a late answer is read and ignored.

        Returns:
            Whom the client proved to be; None if it declined, and was free to.

        Raises:
            CertificateError: its certificate was refused; or it declined, and must not.
            TimeoutError: it did not answer before the request's deadline.
            ReauthUnavailable: it cannot be asked, or said goodbye.
            TLSError, TruncationError, OSError: the connection failed before.
        """
        context = self.connection.request_auth(request)
        outcome: asyncio.Future[ReauthCompleted] = self._loop.create_future()
        self._reauths[context] = outcome
        self._send()
        self._arm()
        self._control_reading()
        try:
            return conclude(await outcome, request or AuthRequest())
        finally:
            self._reauths.pop(context, None)
            if self.connection.failure is None and context in self.connection.open_requests:
                self.connection.cancel_auth(context)
                self._settle()
            self._control_reading()

    def _arm(self) -> None:
        """Look at the deadlines when the next one is due."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        due = self.connection.next_deadline()
        if due is not None:
            delay = max(0.0, due - self.connection.config.clock())
            self._deadline = self._loop.call_later(delay, self._expire)

    def _expire(self) -> None:
        self._deadline = None
        self._advance(self.connection.check_deadlines)
        self._arm()

    # --- from below; see `Below`

    def _connect(self, raw: asyncio.Transport) -> None:
        self._raw = raw
        self._advance(self.connection.start)

    def _receive(self, data: bytes) -> None:
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
        except (PostshakeError, TruncationError) as error:
            self._break(error)

    def _lose(self, error: BaseException | None) -> None:
        """The transport below is closed."""
        if self._lost:
            return
        self._lost = self._closing = True
        for timer in (self._deadline, self._closer):
            if timer is not None:
                timer.cancel()
        for task in self._tasks:
            task.cancel()
        reason = self._failure or error
        if not self._shaken.done():
            self._shaken.set_exception(reason or ConnectionAbortedError("closed in the handshake"))
            self._shaken.exception()  # whoever waits for it sees it; nobody may be there
        gone = reason or ReauthUnavailable("the connection was closed before the answer came")
        self._fail_reauths(gone)
        if self._made:
            self._protocol.connection_lost(reason)  # type: ignore[arg-type]

    # --- the engine

    def _advance(self, step: Callable[..., object], *arguments: Any) -> None:
        """Let the engine take a step, and see to what comes of it."""
        try:
            step(*arguments)
        except PostshakeError as error:
            self._break(error)
            return
        self._settle()
        self._send()
        self._deliver()
        self._control_reading()

    def _send(self) -> None:
        if self.connection.has_data_to_send and self._raw is not None:
            self._raw.write(self.connection.data_to_send())

    def _break(self, error: BaseException) -> None:
        """The connection failed: what came before goes up, the alert goes down, all ends."""
        self._failure = error
        self._settle()
        self._send()
        self._paused = False
        self._deliver()
        self._fail_reauths(error)
        self._closing = True
        if self._raw is not None:
            self._raw.close()

    def _fail_reauths(self, error: BaseException) -> None:
        for outcome in self._reauths.values():
            if not outcome.done():
                outcome.set_exception(error)

    def _deliver(self) -> None:
        connection = self.connection
        while connection.readable and not self._paused:
            data = connection.read()
            if self._closing and self._failure is None:
                continue  # nobody wants it any more
            protocol = self._protocol
            if isinstance(protocol, asyncio.BufferedProtocol):
                _feed(protocol, data)
            else:
                protocol.data_received(data)  # type: ignore[attr-defined]

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
                        self._deliver()
                        self._peer_closed()
                    case ReauthCompleted():
                        outcome = self._reauths.get(event.context)
                        if outcome is not None and not outcome.done():
                            outcome.set_result(event)
                    case ReauthRequested():
                        self._start(self._answer_request(event))
            else:
                return

    def _establish(self) -> None:
        self._send()  # our Finished comes before what the protocol says
        self._made = True
        self._protocol.connection_made(self)
        if not self._shaken.done():
            self._shaken.set_result(None)

    def _peer_closed(self) -> None:
        for outcome in self._reauths.values():
            if not outcome.done():
                outcome.set_exception(ReauthUnavailable("the client said goodbye"))
        if self._closing:
            if self._raw is not None:
                self._raw.close()
            return
        keep_open = self._protocol.eof_received()  # type: ignore[attr-defined]
        if not keep_open:
            self.close()

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
        self._advance(self._give, number, found)

    def _give(self, number: int, found: object) -> None:
        connection = self.connection
        connection.answer(number, found)
        if isinstance(found, Exception) and connection.failure is None:
            self._report(found)
            for context in connection.open_requests:
                connection.answer_auth(context, None)

    async def _answer_request(self, request: ReauthRequested) -> None:
        credential: Any = None
        try:
            credential = (self._answer or self._choose)(request)
            if isinstance(credential, Awaitable):
                credential = await credential
        except Exception as error:
            credential = None
            self._report(error)
        if not self.connection.sent_close and self.connection.failure is None:
            self._advance(self.connection.answer_auth, request.context, credential)

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

    def _start(self, work: Any) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class Below(asyncio.Protocol):
    """The protocol of the transport below."""

    def __init__(self, above: TLSTransport) -> None:
        self._above = above

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The transport below is there."""
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self._above._connect(transport)  # type: ignore[arg-type]

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        self._above._receive(data)

    def eof_received(self) -> bool:
        """No more will come."""
        self._above._end()
        return not self._above.is_closing()

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport below is closed."""
        self._above._lose(exc)

    def pause_writing(self) -> None:
        """The buffer below is full."""
        if self._above._made:
            self._above._protocol.pause_writing()

    def resume_writing(self) -> None:
        """There is room again."""
        if self._above._made:
            self._above._protocol.resume_writing()


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
