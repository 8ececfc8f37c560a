"""TLS between a transport of asyncio's and a protocol, with reauth; `streams` makes them.

Theory of operation
===================

As in asyncio's own `sslproto`, two objects that know each other stand between the transport
below and the protocol above. `TLSProtocol` is the protocol of the transport below, and holds
the engine and all state; `TLSTransport` is what the protocol above sees. What comes from
below goes through the engine, and what that gives goes up, in the same call: no task, no
queue. So does what is written, the other way. Tasks exist only where the application's code is
asynchronous: signers, choosers, verifiers that are coroutines.

*Flow control.* Writing is the lower transport's: its buffer is full or not, and says so to
the protocol above. Reading is paused below when the protocol above pauses it, except while
a reauth waits: its answer is behind the data. Then what comes is kept, up to a bound.

*What cannot be sent* any more makes the transport below give up. What the peer sent before it
left is taken from the socket then, and goes up first.

*The end.* A goodbye from the peer is `eof_received` above, and writing may go on. Closing says
goodbye, and reads the peer's last words for a short while, so that they do not make the
system reset the connection before the peer has read ours.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from ...config import AuthRequest
from ...connection import Connection
from ...errors import PostshakeError, ReauthUnavailable, present
from ...events import HandshakeCompleted, PeerClosed, ReauthCompleted, ReauthRequested
from ...pki.identity import Identity
from ..answers import reauth_result
from ..limits import LINGER, MAX_UNREAD
from .answer_tasks import Answer, AnswerTasks
from .pending_reauths import PendingReauths

__all__ = ["SHUTDOWN_TIME", "TLSProtocol", "TLSTransport"]

SHUTDOWN_TIME = 30.0  # seconds for which it tries to send what was written; asyncio's own
LAST_WORDS = 16 * 1024 * 1024  # bytes that are read at most of who takes nothing any more


class TLSProtocol(asyncio.Protocol):
    """The protocol of the transport below; see `asyncio.Protocol`.

    Args:
        app_protocol: the protocol above.
        connection: the engine.
        answer: client: chooses the credential for each request; None for the first of the
            configuration's that fits.
        max_unread: how many bytes of memory what comes may take while a reauth waits and
            reading is paused.
        shutdown_time: for how many seconds closing tries to send what was written.
        over_socket: whether the transport below is one of the loop's own, on a socket.
    """

    __slots__ = (
        "_answers",
        "_app_connected",
        "_app_transport",
        "_closer",
        "_crashed",
        "_eof",
        "_eof_due",
        "_failure",
        "_loop",
        "_lost",
        "_max_unread",
        "_over_socket",
        "_reauths",
        "_shutdown_time",
        "app_protocol",
        "closing",
        "connection",
        "data_identity",
        "data_is_early",
        "handshake_done",
        "paused",
        "transport",
        "wrote",
    )

    def __init__(
        self,
        app_protocol: asyncio.BaseProtocol,
        connection: Connection,
        *,
        answer: Answer | None = None,
        max_unread: int = MAX_UNREAD,
        shutdown_time: float = SHUTDOWN_TIME,
        over_socket: bool = False,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.connection = connection
        self.app_protocol = app_protocol
        """The protocol above."""
        self._app_transport: TLSTransport | None = TLSTransport(self)  # until the end
        self.transport: asyncio.Transport | None = None
        """The one below, once there is one."""
        self.handshake_done: asyncio.Future[None] = self._loop.create_future()
        """Has a result when the handshake is complete, or why it failed."""
        self.closing = False
        """Whether our side is closed, or about to be."""
        self.paused = False
        """Whether the protocol above wants no data now."""
        self.wrote = False
        """Whether the protocol above ever sent anything."""
        self.data_identity: Identity | None = None
        """Whom the peer had proven to be when it sent what was delivered last."""
        self.data_is_early = False
        """Whether what was delivered last was early data."""
        self._app_connected = False
        self._lost = False
        self._eof = False  # nothing more comes from below
        self._eof_due = False  # the peer said goodbye, and the protocol above does not know
        self._max_unread = max_unread
        self._shutdown_time = shutdown_time
        self._over_socket = over_socket
        self._answers = AnswerTasks(
            connection, answer, self._loop, self._after_step, self.fail, self._report_declined
        )
        self._reauths: PendingReauths | None = None  # until there is one
        self._closer: asyncio.TimerHandle | None = None
        self._failure: PostshakeError | None = None
        self._crashed: Exception | None = None

    @property
    def app_transport(self) -> TLSTransport:
        """What the protocol above is given; it has no state, so after the end a new one will do."""
        return self._app_transport or TLSTransport(self)

    # --- from below: asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake: the transport below is there."""
        self.transport = transport  # type: ignore[assignment]
        self.step(self.connection.start)

    def data_received(self, data: bytes) -> None:
        """Take bytes from the transport below."""
        if self._failure is not None:
            return  # read only so that the peer can read our alert
        connection = self.connection
        try:
            connection.receive_data(data)
        except PostshakeError as error:
            self.fail(error)
            return
        if connection.has_news:
            self._handle_events()
        if connection.has_data_to_send:
            self.flush()
        if connection.readable:
            self._deliver()
        if (self._reauths is not None and self._reauths.outcomes) or not connection.wants_data:
            self._control_reading()

    def eof_received(self) -> bool:
        """Note that nothing more comes from below; return whether it is to stay open."""
        self._eof = True
        if not self.connection.peer_closed and not self.closing:
            try:
                self.connection.receive_eof()
            except PostshakeError as error:
                self.fail(error)
        return not self.closing

    def connection_lost(self, exc: BaseException | None) -> None:
        """End everything: the transport below is closed."""
        if self._lost:
            return
        heard = False
        if isinstance(exc, ConnectionError) and not self.closing:
            heard = self._hear_last_words()
            if self.connection.peer_closed and not self.wrote and self._failure is None:
                exc = None  # it has said all and left; what it did not take were tickets
        self._lost = self.closing = True
        if self._closer is not None:
            self._closer.cancel()
        if self._reauths is not None:
            self._reauths.stop()
        self._answers.cancel()
        reason = self._failure or self._crashed or exc
        if not self.handshake_done.done():
            self.handshake_done.set_exception(
                reason or ConnectionAbortedError("closed in the handshake")
            )
            self.handshake_done.exception()  # whoever waits sees it; nobody may be there
        gone = ReauthUnavailable("the connection was closed before the answer came")
        self._fail_reauths(reason or gone)
        if heard:  # who waits for data sees it before it hears of the end
            self._loop.call_soon(self._tell_lost, reason)
        else:
            self._tell_lost(reason)

    def pause_writing(self) -> None:
        """Tell the protocol above that the buffer below is full."""
        if self._app_connected:
            self.app_protocol.pause_writing()

    def resume_writing(self) -> None:
        """Tell the protocol above that there is room again."""
        if self._app_connected:
            self.app_protocol.resume_writing()

    def _tell_lost(self, reason: BaseException | None) -> None:
        if self._app_connected:
            self.app_protocol.connection_lost(reason)  # type: ignore[arg-type]
        # what refers to us goes, and so do we when nobody holds us any more
        self._answers.release()
        self._app_transport = self._reauths = None

    def _hear_last_words(self) -> bool:
        """Take what a peer sent that takes nothing any more; return whether it was data.

        The transport below gives up when it cannot send, though there may be something to
        receive. Its socket is open until this returns.
        """
        transport, connection = self.transport, self.connection
        before = connection.read_position
        sock = None
        if transport is not None and self._over_socket:
            sock = transport.get_extra_info("socket")
        if sock is None:
            return False
        left = LAST_WORDS
        with contextlib.suppress(OSError), sock.dup() as copy:
            while left > 0 and self._failure is None and connection.wants_data:
                if self.paused and connection.unread_size > self._max_unread:
                    break
                data = copy.recv(min(left, 256 * 1024))
                if not data:
                    break
                left -= len(data)
                self.data_received(data)
        self.paused = False
        self._deliver()
        return connection.read_position > before

    # --- the engine

    def step(self, call: Callable[..., object], *arguments: Any) -> None:
        """Let the engine take a step, and handle what comes of it."""
        try:
            call(*arguments)
        except PostshakeError as error:
            self.fail(error)
            return
        self._after_step()

    def _after_step(self) -> None:
        self._handle_events()
        self.flush()
        self._deliver()
        self._control_reading()

    def flush(self) -> None:
        """Give the transport below what the engine has to send."""
        if self.connection.has_data_to_send and self.transport is not None:
            self.transport.write(self.connection.data_to_send())

    def fail(self, error: PostshakeError) -> None:
        """End a connection that failed: what came before goes up, the alert goes down."""
        if self._failure is not None:
            return
        self._failure = error
        self._answers.stop()
        self._handle_events()
        self.flush()
        self.paused = False
        self._deliver()
        self._fail_reauths(error)
        self.closing = True
        self._start_shutdown()

    def _handle_events(self) -> None:
        """Answer the engine's questions, and pass its events on."""
        connection = self.connection
        while True:
            if (question := connection.next_question()) is not None:
                self._answers.question(question)
            elif (event := connection.next_event()) is not None:
                match event:
                    case HandshakeCompleted():
                        self._connect_app()
                    case PeerClosed():
                        self._fail_reauths(ReauthUnavailable("the client said goodbye"))
                        self._eof_due = True
                        self._deliver()
                    case ReauthCompleted() if self._reauths is not None:
                        self._reauths.complete(event)
                    case ReauthRequested():
                        self._answers.request(event)
            else:
                return

    def _report_declined(self, error: Exception) -> None:
        self._loop.call_exception_handler(
            {
                "message": "a request for authentication was declined: answering it failed",
                "exception": error,
                "transport": self.app_transport,
            }
        )

    # --- upwards

    def _connect_app(self) -> None:
        self.flush()  # our Finished comes before what the protocol says
        self._app_connected = True
        if not self.handshake_done.done():
            self.handshake_done.set_result(None)
        try:
            self.app_protocol.connection_made(self.app_transport)
        except Exception as error:
            self._crash(error, "connection_made")

    def _deliver(self) -> None:
        """Give the protocol above what there is: data, then the peer's goodbye."""
        if not self._app_connected:
            return  # early data waits for the handshake
        connection = self.connection
        while connection.readable and not self.paused:
            data, self.data_identity, self.data_is_early = connection.take_data()
            if self.closing and self._failure is None:
                continue  # nobody wants it any more
            protocol: Any = self.app_protocol
            try:
                if isinstance(protocol, asyncio.BufferedProtocol):
                    _feed(protocol, data)
                else:
                    protocol.data_received(data)
            except Exception as error:
                self._crash(error, "data_received")
                return
        if self._eof_due and not self.paused:
            self._eof_due = False
            if self.closing:
                self._start_shutdown()
                return
            protocol = self.app_protocol
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
                "transport": self.app_transport,
                "protocol": self.app_protocol,
            }
        )
        self._crashed = error
        self.abort()

    # --- flow control

    def pause_reading(self) -> None:
        """Deliver nothing until `resume_reading`."""
        self.paused = True
        self._control_reading()

    def resume_reading(self) -> None:
        """Deliver again, from the loop's next turn on."""
        if self.paused:
            self.paused = False
            self._loop.call_soon(self._resume)

    def _resume(self) -> None:
        if not self.paused and not self._lost:
            self._after_step()

    def _control_reading(self) -> None:
        """Read below if somebody wants it: the protocol above, or a reauth that waits."""
        transport = self.transport
        if transport is None or self.closing or transport.is_closing():
            return
        connection = self.connection
        stopped = self.paused
        if self._reauths is not None:
            full = self.paused and connection.unread_size > self._max_unread
            self._reauths.limit_stall(full)
            if self._reauths.outcomes:
                stopped = full
        wanted = connection.wants_data and not stopped
        if wanted is not transport.is_reading():
            if wanted:
                transport.resume_reading()
            else:
                transport.pause_reading()

    # --- reauth

    async def reauth(self, request: AuthRequest | None) -> Identity | None:
        """Do what `TLSTransport.reauth` says."""
        if self.closing:
            raise ReauthUnavailable("the connection is closed")
        connection = self.connection
        context = connection.request_auth(request)
        if self._reauths is None:
            self._reauths = PendingReauths(connection, self._loop, self._max_unread, self.step)
        outcomes = self._reauths.outcomes
        outcome = self._reauths.add(context)
        self.flush()
        self._control_reading()
        try:
            return reauth_result(await outcome, request or AuthRequest())
        finally:
            outcomes.pop(context, None)
            if connection.failure is None and context in connection.open_requests:
                connection.cancel_auth(context)
                self._handle_events()
            self._control_reading()

    def _fail_reauths(self, error: BaseException) -> None:
        if self._reauths is not None:
            self._reauths.fail(error)

    # --- the end

    def close(self) -> None:
        """Say goodbye when all that was written has left, and close."""
        if self.closing or self.transport is None:
            return
        self.closing = True
        if not self._app_connected:
            self.abort()
            return
        self._fail_reauths(ReauthUnavailable("the connection was closed before the answer came"))
        self.send_close()
        self._start_shutdown()

    def send_close(self) -> None:
        """Say that we send no more, unless that is too late."""
        with contextlib.suppress(PostshakeError):
            self.connection.close()
        self.flush()

    def abort(self) -> None:
        """Close at once."""
        self.closing = True
        if self.transport is not None:
            self.transport.abort()

    def _start_shutdown(self) -> None:
        """Close below, when all has left.

        Until then, and for a short while after, what the peer sends is read: else the
        system would answer it with a reset, which could overtake our last words.
        """
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        if self._eof or self.connection.peer_closed or not transport.can_write_eof():
            transport.close()
        else:
            if not transport.is_reading():
                transport.resume_reading()
            try:
                transport.write_eof()
            except OSError:  # the peer is gone
                transport.abort()
                return
        latest = self._loop.time() + self._shutdown_time
        if self._closer is not None:
            self._closer.cancel()
        self._closer = self._loop.call_later(LINGER, self._check_shutdown_timeout, latest)

    def _check_shutdown_timeout(self, latest: float) -> None:
        transport = present(self.transport, "transport")
        if transport.get_write_buffer_size() and self._loop.time() < latest:
            self._closer = self._loop.call_later(LINGER, self._check_shutdown_timeout, latest)
        else:
            transport.abort()


class TLSTransport(asyncio.Transport):
    """TLS over a transport of asyncio's; see `asyncio.Transport`.

    `create_connection`, `create_server` and `start_tls` make one and give it to the protocol's
    `connection_made`, when the handshake is complete; `open_connection` and `start_server`
    have it in their writers.

    `get_extra_info` knows, besides what the lower transport does, ``connection`` (the
    engine), ``peer_identity``, ``peercert_der``, ``alpn_protocol``, ``cipher`` and
    ``tls_version``.
    """

    __slots__ = ("__weakref__", "_tls", "connection")

    def __init__(self, tls: TLSProtocol) -> None:
        super().__init__()
        self._tls = tls
        self.connection = tls.connection
        """The engine, for what this class does not show."""

    def __repr__(self) -> str:
        return f"<TLSTransport {self.connection!r}{' closing' if self._tls.closing else ''}>"

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
            case "peercert_der":
                peer = connection.peer_identity
                return peer.chain[0] if peer is not None else default
            case "alpn_protocol" | "cipher" | "tls_version" if established is not None:
                found = {
                    "alpn_protocol": established.alpn_protocol,
                    "cipher": established.suite.code.name,
                    "tls_version": established.version,
                }
                return found[name]
            case _:
                lower = self._tls.transport
                return lower.get_extra_info(name, default) if lower is not None else default

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Let another protocol be above."""
        self._tls.app_protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol above."""
        return self._tls.app_protocol

    def is_closing(self) -> bool:
        """Whether it is closed, or about to be."""
        return self._tls.closing

    def close(self) -> None:
        """Say goodbye when all that was written has left, and close; reading ends at once."""
        self._tls.close()

    def abort(self) -> None:
        """Close at once; what was not sent yet is lost, and no goodbye is said."""
        self._tls.abort()

    # --- reading

    def is_reading(self) -> bool:
        """Whether the protocol above is given data."""
        return not self._tls.paused and not self._tls.closing

    def pause_reading(self) -> None:
        """Give the protocol above no data until `resume_reading`."""
        self._tls.pause_reading()

    def resume_reading(self) -> None:
        """Go on giving data to the protocol above."""
        self._tls.resume_reading()

    @property
    def data_identity(self) -> Identity | None:
        """Whom the peer had proven to be when it sent what `data_received` was given last.

        ``peer_identity`` is as of now, and what was sent before an answer may be
        delivered after it.
        """
        return self._tls.data_identity

    @property
    def data_is_early(self) -> bool:
        """Whether what `data_received` was given last was early data, maybe a replay (§2.3)."""
        return self._tls.data_is_early

    # --- writing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send data; it does not wait, see the protocol's `pause_writing`."""
        tls, connection = self._tls, self.connection
        if tls.closing or tls.transport is None or not data:
            return  # as asyncio's: connection_lost tells
        if connection.sent_close:
            raise RuntimeError("cannot call write() after write_eof()")
        tls.wrote = True
        connection.send_data(data)
        tls.transport.write(connection.data_to_send())

    def writelines(self, list_of_data: Any) -> None:
        """Send several pieces of data as one."""
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        """Return True: the ways of a TLS 1.3 connection end one by one."""
        return True

    def write_eof(self) -> None:
        """Say that we send no more; the peer may, and reading goes on (§6.1)."""
        self._tls.send_close()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set from how many unsent bytes on the protocol is to pause, and when to go on."""
        if self._tls.transport is not None:
            self._tls.transport.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        """Return how many bytes wait to be sent."""
        lower = self._tls.transport
        return lower.get_write_buffer_size() if lower is not None else 0

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Return the low and the high mark."""
        lower = self._tls.transport
        return lower.get_write_buffer_limits() if lower is not None else (0, 0)

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
            DataWaiting: it sends more than is kept, and reading has been paused for five
                seconds. The request is withdrawn.
            TLSError, TruncationError, OSError: the connection failed before.
        """
        return await self._tls.reauth(request)


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
