"""TLS streams for asyncio and trio, on anyio (extra ``postshake[anyio]``).

    async with await open_tls_stream("localhost", 4433, config) as stream:
        await stream.send(b"hello")
        data = await stream.receive()

    async def handle(stream):
        identity = await stream.reauth(AuthRequest(within=30))

    await serve_tls(handle, "localhost", 4433, config)

Theory of operation
===================

Nothing runs in the background. Whatever call waits for bytes from the peer takes them for
all: data, requests, answers, key updates. Only one does so at a time; others wait for it
and look again whether they still need to. So any number of tasks may receive, send and
reauthenticate at once, and it does not matter which of them moves the bytes.

*Questions* (signatures, choices, verdicts) are answered by the task that met them, outside
of the lock for reading: however long an answer takes, other tasks go on.

*Cancelling* loses nothing. The engine is only called between awaits; what a task was
waiting for comes to the next one. Of a cancelled `send` whole records have left, and the rest
of a record that is half sent leaves with the next call; a question whose answer was cancelled
is asked again by the next task that comes by. A cancelled `reauth` withdraws its request.

*Time* is anyio's: put ``anyio.fail_after`` around what shall not take longer. The handshake has
a deadline of its own. The deadlines of requests count while somebody waits for the peer.

*A transport that fails* raises what anyio's streams raise: BrokenResourceError, and
ClosedResourceError once the stream is closed. When nothing can be sent any more, what the peer
sent is still received: it may say why.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

import anyio
from anyio.abc import AnyByteStream, ByteStream
from anyio.streams.tls import TLSAttribute

from ...config import AuthRequest, ClientConfig, ServerConfig
from ...connection import Connection, State
from ...constants import ProtocolVersion, Role
from ...errors import PostshakeError, ReauthUnavailable, UsageError
from ...events import Established, Event, ReauthCompleted
from ...pki.identity import Identity
from ...resumption.session12 import Session12
from ...resumption.ticket import Ticket
from ..answers import reauth_result
from ..limits import HANDSHAKE_TIME, LINGER, MAX_UNREAD, STALL, data_waiting
from .event_handler import AsyncAnswerer, AsyncEventHandler
from .pump import StreamPump
from .transports import AnyIOTransport, Transport

__all__ = ["TLSStream"]

PIECE = 64 * 1024  # of what is sent: sealed and sent in turn, so that answers need not wait


class TLSStream(ByteStream):
    """TLS over a transport, for any number of tasks.

    `open_tls_stream` and `serve_tls` make one over TCP; `over` puts one on any stream of
    anyio's.

    Args:
        transport: what carries the bytes; the stream closes it.
        config: the policy; its class decides the role.
        server_name: client only: whom we mean to reach.
        answer: client only: chooses the credential for each request, and may be a
            coroutine; the default takes the first of ``config.credentials`` that fits. If
            it raises, or the key cannot sign, the request is declined, and the call that
            met it raises UsageError; the connection goes on.
        on_event: called with every event, in order; it must not call the stream.
        max_unread: how many bytes of memory what waits for `receive` may take while
            only `reauth` waits; small records take more than their data.
        session: client only: what an earlier connection left, see `Connection.session`.
        handshake_time: seconds that the handshake may take in all, from the first call
            that waits for it; None for any time.
    """

    def __init__(
        self,
        transport: Transport,
        config: ClientConfig | ServerConfig,
        server_name: str | None = None,
        *,
        answer: AsyncAnswerer | None = None,
        on_event: Callable[[Event], None] | None = None,
        max_unread: int = MAX_UNREAD,
        session: Ticket | Session12 | None = None,
        handshake_time: float | None = HANDSHAKE_TIME,
    ) -> None:
        self.transport = transport
        self.connection = Connection(config, server_name, session=session)
        """The engine, for what the stream does not show."""
        self._handler = AsyncEventHandler(self.connection, answer, on_event)
        self._pump = StreamPump(transport, self.connection, self._handler)
        self._max_unread = max_unread
        self._handshake_done = False
        self._handshake_time = handshake_time
        self._handshake_until: float | None = None  # on anyio's clock
        self._receiver: int | None = None  # the task that waited last for data
        self._room: anyio.Event | None = None  # that somebody received, for who waits for it

    def __repr__(self) -> str:
        return f"<TLSStream {self.connection!r}{' closed' if self._pump.closed else ''}>"

    @classmethod
    def over(
        cls,
        stream: AnyByteStream,
        config: ClientConfig | ServerConfig,
        server_name: str | None = None,
        **options: Any,
    ) -> TLSStream:
        """Put TLS on any stream of anyio's.

        A send on it that is cancelled cannot be gone on with, for nobody knows how much of
        it has left: what is sent after that raises BrokenResourceError. Receiving goes on.
        """
        return cls(AnyIOTransport(stream), config, server_name, **options)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    @property
    def peer_identity(self) -> Identity | None:
        """Whom the peer has proven to be, as of now."""
        return self.connection.peer_identity

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        """The transport's, and those of `anyio.streams.tls.TLSAttribute` that we have."""
        connection = self.connection
        more: Mapping[Any, Callable[[], Any]] = getattr(self.transport, "extra_attributes", {})
        return {
            **more,
            TLSAttribute.alpn_protocol: lambda: _text(_settled(connection).alpn_protocol),
            TLSAttribute.peer_certificate_binary: lambda: (
                connection.peer_identity.chain[0] if connection.peer_identity else None
            ),
            TLSAttribute.server_side: lambda: connection.role is Role.server,
            TLSAttribute.standard_compatible: lambda: True,
            TLSAttribute.tls_version: lambda: _VERSIONS[_settled(connection).version],
        }

    # --- talking

    async def handshake(self) -> Established:
        """Shake hands; again, it only returns what was settled.

        Cancelled, it can be called again and goes on. The other calls begin with it.

        Raises:
            TLSError: it failed; the alert has been sent.
            TruncationError: the peer hung up.
            TimeoutError: it takes longer than ``handshake_time``.
            BrokenResourceError: the transport failed.
        """
        self._check()
        if not self._handshake_done:
            if self._handshake_time is None:
                await self._run_handshake()
            else:
                now = anyio.current_time()
                if self._handshake_until is None:
                    self._handshake_until = now + self._handshake_time
                with anyio.fail_after(max(0.0, self._handshake_until - now)):
                    await self._run_handshake()
        return _settled(self.connection)

    async def _run_handshake(self) -> None:
        connection = self.connection
        await self._pump.step(connection.start)
        while connection.established is None:
            self._check()
            last_words = None if self._pump.send_error is None else LINGER
            with anyio.move_on_after(last_words) as waiting:
                await self._pump.move(lambda: connection.established is not None)
            if waiting.cancelled_caught:
                self._pump.check_sending()
        if connection.role is Role.client or _settled(connection).version is ProtocolVersion.TLS12:
            await self._pump.flush()  # our Finished
        else:  # tickets: a client that has sent its data and gone needs none
            await self._pump.send_now()
        self._handshake_done = True

    async def send(self, item: bytes | bytearray | memoryview) -> None:
        """Send application data, all of it.

        Cancelled, some of it has left: whole records, from the front. What is sent next
        follows that.

        Raises:
            TLSError: the connection failed.
            BrokenResourceError: the transport did.
            UsageError: we said that we send no more.
        """
        await self.handshake()
        connection = self.connection
        with memoryview(item) as given, given.cast("B") as view:  # both free when this ends
            for start in range(0, len(view), PIECE):
                async with self._pump.writing:
                    self._check()
                    await self._pump.send_rest()
                    with view[start : start + PIECE] as piece:
                        connection.send_data(piece)
                    await self._pump.send_rest()

    async def receive(self, max_bytes: int = 65536) -> bytes:
        """Receive at most so many bytes; waits for at least one.

        All of it came while the peer was known as one and the same;
        `receive_with_identity` says as whom. Cancelled, nothing is lost.

        Raises:
            EndOfStream: the peer said that it will send no more.
            TLSError: the connection failed. What came before was returned first.
            TruncationError: the stream ended without a goodbye.
            BrokenResourceError: the transport failed, as when the peer resets it.
        """
        return (await self.receive_with_identity(max_bytes))[0]

    async def receive_with_identity(self, max_bytes: int = 65536) -> tuple[bytes, Identity | None]:
        """Receive as `receive` does, and say who sent it."""
        if max_bytes < 1:
            raise UsageError(f"expected to receive at least 1 byte, not {max_bytes}")
        connection = self.connection
        if not connection.readable:
            await self.handshake()
        else:
            await anyio.lowlevel.checkpoint()
        if not connection.readable:
            self._receiver = anyio.get_current_task().id
        while not connection.readable:
            if connection.peer_closed:
                raise anyio.EndOfStream
            self._check()
            try:
                await self._pump.move(lambda: bool(connection.readable or connection.peer_closed))
            except PostshakeError:
                if connection.failure is None or not connection.readable:
                    raise
                # the data came first; the failure is raised next time
        data, identity, _ = connection.take_data(max_bytes)
        if self._room is not None:
            self._room.set()
        return data, identity

    async def send_eof(self) -> None:
        """Say that we send no more; the peer may, and `receive` goes on (§6.1)."""
        await self.handshake()
        async with self._pump.writing:
            await self._pump.send_rest()
            self.connection.close()
            await self._pump.send_rest()

    # --- reauth

    async def reauth(self, request: AuthRequest | None = None) -> Identity | None:
        """Server: ask the client to authenticate, and wait for the outcome (§4.6.2).

        Other tasks may receive and send meanwhile, or ask as well. Data that nobody
        receives is kept; it is from whoever the client was before. Cancelled, it withdraws
        the request: a late answer is read and ignored.

        Returns:
            Whom the client proved to be; None if it declined, and was free to.

        Raises:
            CertificateError: its certificate was refused; it declined, and must not. The
                connection goes on, unless the request says otherwise.
            TimeoutError: it did not answer before the request's deadline.
            ReauthUnavailable: it cannot be asked, or said goodbye.
            DataWaiting: it sends more than is kept, and nobody receives it: no other task, or
                none for five seconds. The request is withdrawn.
            TLSError: its answer broke the protocol.
            TruncationError: it hung up.
            BrokenResourceError: the transport failed.
        """
        await self.handshake()
        context = self.connection.request_auth(request)
        try:
            await self._pump.send_now()
            self._pump.check_sending()
            return reauth_result(await self._wait_for(context), request or AuthRequest())
        except BaseException:
            if self.connection.failure is None and context in self.connection.open_requests:
                self.connection.cancel_auth(context)
                self._handler.collect()
            raise
        finally:
            self._handler.outcomes.pop(context, None)

    async def _wait_for(self, context: bytes) -> ReauthCompleted:
        connection = self.connection
        outcomes = self._handler.outcomes
        begun = connection.read_position
        while context not in outcomes:
            self._check()
            if connection.peer_closed:
                raise ReauthUnavailable("the client said goodbye and did not answer")
            if connection.unread_size > self._max_unread:
                await self._wait_for_room(begun)
            else:
                await self._pump.move(lambda: context in outcomes)
        return outcomes[context]

    async def _wait_for_room(self, begun: int) -> None:
        """Wait until the task that receives has received, if there is one.

        Args:
            begun: how much had been received when the call began that waits.
        """
        connection = self.connection
        others = self._receiver not in (None, anyio.get_current_task().id)
        waits = STALL if others or connection.read_position > begun else 0.0
        due = connection.next_deadline()
        left = waits if due is None else min(waits, due - connection.config.clock())
        room = self._room = self._room or anyio.Event()
        with anyio.move_on_after(max(left, 0.0)) as waiting:
            await room.wait()
        if self._room is room:
            self._room = None
        if not waiting.cancelled_caught:
            return
        if left < waits:
            await self._pump.step(connection.check_deadlines)
            return
        self._check()
        raise data_waiting(connection, self._max_unread, "receive them meanwhile")

    async def key_update(self, request_peer: bool = False) -> None:
        """Change the keys that we send with, and perhaps ask the peer to (§4.6.3)."""
        self._check()
        self.connection.key_update(request_peer)
        await self._pump.send_now()
        self._pump.check_sending()

    # --- ending

    async def aclose(self) -> None:
        """Say goodbye and close; takes two seconds at most. Cancelled, it closes at once.

        What was half sent is sent first; if that fails no goodbye is said, so that the
        peer does not take what it got for all. What the peer still sends is read for a
        short while: else the system would answer it with a reset, which could overtake our
        last words.
        """
        if self._pump.closed:
            return
        self._pump.closed = True
        try:
            with anyio.move_on_after(LINGER), contextlib.suppress(*_FAILURES):
                if self.connection.state is not State.NEW:
                    async with self._pump.writing:
                        await self._pump.send_rest()
                        self.connection.close()
                        await self._pump.send_rest()
                    self.transport.shut_down()
                    await self._pump.drain()
        finally:
            await self.transport.aclose()

    def _check(self) -> None:
        if self.connection.failure is not None:
            raise self.connection.failure
        if self._pump.closed:
            raise anyio.ClosedResourceError


_FAILURES = (
    PostshakeError,
    OSError,
    anyio.EndOfStream,
    anyio.BrokenResourceError,
    anyio.ClosedResourceError,
)
"""How a connection may end while it is closed: nobody minds."""

_VERSIONS = {ProtocolVersion.TLS13: "TLSv1.3", ProtocolVersion.TLS12: "TLSv1.2"}


def _settled(connection: Connection) -> Established:
    if connection.established is None:
        raise UsageError("the handshake is not complete")
    return connection.established


def _text(name: bytes | None) -> str | None:
    return name.decode("ascii", "replace") if name is not None else None
