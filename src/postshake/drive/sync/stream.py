"""A blocking socket with TLS on it.

    with socket.create_connection(("localhost", 4433)) as sock:
        stream = Stream(sock, config, server_name="localhost")
        stream.handshake()
        stream.send(b"hello")

A client answers requests for authentication by itself, as they come, inside
whatever call is moving bytes. A server calls `reauth`.

Theory of operation
===================

The socket does not block; the stream does. Its `SocketPump` moves what can be moved, out
and in, and waits only if nothing could. Each call pumps until what it is for has
happened. So nothing depends on which call is running: an answer to a request, or
to a key update, leaves from inside `receive` as well as from inside `send`.

*Sending reads.* When the socket takes no more, the peer may be waiting for us to
read, or for the answer to a request. So `send` takes what comes meanwhile, up to
``max_unread`` bytes for `receive` to return later. Beyond that two ends that both
send without ever receiving block each other, as they would without TLS. Much data is
sealed piece by piece, so that an answer need not wait for all of it.

*Time.* A call takes at most `timeout` seconds, then raises TimeoutError, and nothing
is lost: made again, it goes on where it was. `send` is the exception, because its
data was taken; `flush` goes on with it. With a timeout of 0 nothing ever waits, and
a loop of one's own can do so with `fileno` and `unsent`. The handshake has a deadline
besides, over all calls: a peer that sends a byte now and then gets no further.

*Failure.* A connection that failed stays failed: every call raises the reason, once
what was received before has been read. The alert has left by then if the socket
took it, and `close` sees to it that the peer can read it.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from time import monotonic
from types import TracebackType

from ...config import AuthRequest, ClientConfig, ServerConfig
from ...connection import Connection, State
from ...constants import ProtocolVersion, Role
from ...errors import DataWaiting, PostshakeError, ReauthUnavailable, UsageError, present
from ...events import Established, Event, ReauthCompleted
from ...pki.identity import Identity
from ...resumption.session12 import Session12
from ...resumption.ticket import Ticket
from ..limits import HANDSHAKE_TIME, LINGER, MAX_UNREAD, data_waiting
from .event_handler import Answerer, EventHandler
from .socket_pump import SocketPump

__all__ = ["Answerer", "Stream"]


class Stream:
    """TLS over a socket, for one thread at a time.

    A call that would wait while another thread waits in one raises UsageError; `close` may be
    called all the same, and wakes it. Where one thread reads while another asks, use
    `postshake.ssl`.

    Args:
        sock: connected. The stream owns it from here on: it makes it non-blocking,
            takes its timeout over, and closes it.
        config: the policy; its class decides the role.
        server_name: client only: whom we mean to reach.
        answer: client only: chooses the credential for each request; the default
            takes the first of ``config.credentials`` that fits. If it raises, or the
            credential cannot sign, the request is declined and the call that was
            moving bytes raises a UsageError; the connection goes on.
        on_event: called with every event, in order, while bytes are moved. It must
            not call the stream.
        max_unread: how many bytes of memory what waits for `receive` may take while
            another call waits; small records take more than their data.
        session: client only: what an earlier connection left, see `Connection.session`.
        handshake_time: seconds that the handshake may take in all, from the first call
            on; None for any time.
    """

    timeout: float | None
    """Seconds that a call may take; None for any time, 0 to wait for nothing."""

    def __init__(
        self,
        sock: socket.socket,
        config: ClientConfig | ServerConfig,
        server_name: str | None = None,
        *,
        answer: Answerer | None = None,
        on_event: Callable[[Event], None] | None = None,
        max_unread: int = MAX_UNREAD,
        session: Ticket | Session12 | None = None,
        handshake_time: float | None = HANDSHAKE_TIME,
    ) -> None:
        self.connection = Connection(config, server_name, session=session)
        """The engine, for what the stream does not show."""
        self.timeout = sock.gettimeout()
        self._sock = sock
        self._max_unread = max_unread
        self._asked: tuple[AuthRequest | None, bytes] | None = None
        self._closed = False
        self._handshake_time = handshake_time
        self._handshake_until: float | None = None  # on the configuration's clock
        self._handler = EventHandler(self.connection, answer, on_event)
        self._pump = SocketPump(sock, self.connection, self._handler, max_unread)

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Stream {self.connection!r}{' closed' if self._closed else ''}>"

    @property
    def peer_identity(self) -> Identity | None:
        """Whom the peer has proven to be, as of now."""
        return self.connection.peer_identity

    @property
    def readable(self) -> int:
        """How many bytes `receive` has to give without looking at the socket."""
        return self.connection.readable

    @property
    def unsent(self) -> bool:
        """Whether bytes wait for the socket; `flush` sends them."""
        return self._pump.unsent

    def fileno(self) -> int:
        """Return the socket's descriptor, to wait for; see also `readable` and `unsent`."""
        return self._sock.fileno()

    # --- talking

    def handshake(self) -> Established:
        """Shake hands; again, it only returns what was settled.

        Raises:
            TLSError: it failed; the alert has been sent.
            TruncationError: the peer hung up.
            TimeoutError: it took too long; call it again to go on, unless ``handshake_time``
                is over.
        """
        return self._handshake(self._limit())

    def send(self, data: bytes | bytearray | memoryview) -> None:
        """Send application data, all of it.

        Raises:
            TimeoutError: it took too long. Once the handshake is complete the data
                was taken all the same: do not send it again, but `flush`.
            TLSError: the connection failed.
            UsageError: we said that we send no more.
        """
        limit = self._limit()
        self._handshake(limit)
        if not self._handler.accepts_answers:
            raise UsageError("we said that we send no more")
        data = bytes(data)  # which copies no bytes
        self._pump.queue(data)
        self._pump.flush(limit)

    def flush(self) -> None:
        """Send what a timeout left over."""
        self._check()
        self._pump.flush(self._limit())

    def receive(self, size: int = 65536) -> bytes:
        """Receive at most `size` bytes; waits for at least one.

        All of it came while the peer was known as one and the same;
        `receive_with_identity` says as whom.

        Returns:
            The data, or ``b""`` when the peer said that it will send no more.

        Raises:
            TLSError: the connection failed. What came before was returned first.
            TruncationError: the stream ended without a goodbye.
            TimeoutError: nothing came in time.
        """
        return self.receive_with_identity(size)[0]

    def receive_with_identity(self, size: int = 65536) -> tuple[bytes, Identity | None]:
        """Receive as `receive` does, and say who sent it."""
        if size < 1:
            raise UsageError(f"expected to receive at least 1 byte, not {size}")
        limit = self._limit()
        connection = self.connection
        while not connection.readable:
            if connection.peer_closed:
                return b"", connection.peer_identity
            self._handshake(limit)
            if not connection.readable and not connection.peer_closed:
                try:
                    self._pump.move(limit)
                except PostshakeError:
                    if connection.failure is None or not connection.readable:
                        raise
                    # the data came first; the failure is raised next time
        data, identity, _ = connection.take_data(size)
        return data, identity

    def reauth(self, request: AuthRequest | None = None) -> ReauthCompleted:
        """Server: ask the client to authenticate, and wait for the outcome (§4.6.2).

        Data that the client sends meanwhile is kept for `receive`; it is from
        whoever the client was before.

        Raises:
            ReauthUnavailable: the client did not offer it or said goodbye, or the
                application protocol forbids it; the connection is unharmed.
            DataWaiting: the client sends more than is kept. Receive some, then call
                this again with the same request: it goes on with the one that is open.
            TimeoutError: no outcome in time; call it again to go on. The request's
                own deadline is another thing, and an outcome.
            TLSError: the client's answer broke the protocol, or the request said
                that a refusal ends the connection.
            TruncationError: the client hung up.
        """
        limit = self._limit()
        is_new = self._asked is None or self._asked[0] != request
        if is_new:
            self._handshake(limit)
            self._asked = request, self.connection.request_auth(request)
        try:
            if is_new:  # else waiting sends what is left of it, and hears what came
                self._pump.flush(limit)
            completed = self._wait_for(present(self._asked, "request")[1], limit)
        except (TimeoutError, DataWaiting):
            raise
        except BaseException:
            self._asked = None
            raise
        self._asked = None
        return completed

    def request_auth(self, request: AuthRequest | None = None) -> bytes:
        """Server: ask the client to authenticate, and return the request's context.

        It is asked even if this runs into a timeout; then the context is the last
        of ``connection.open_requests``.
        """
        limit = self._limit()
        self._handshake(limit)
        context = self.connection.request_auth(request)
        self._pump.flush(limit)
        return context

    def wait(self, context: bytes) -> ReauthCompleted:
        """Server: wait for the outcome of a request made with `request_auth`.

        It raises what `reauth` raises.
        """
        return self._wait_for(context, self._limit())

    def _wait_for(self, context: bytes, limit: float | None) -> ReauthCompleted:
        connection = self.connection
        outcomes = self._handler.outcomes
        while context not in outcomes:
            self._check()
            if context not in connection.open_requests:
                raise UsageError("no request has this context")
            if connection.peer_closed:
                raise ReauthUnavailable("the client said goodbye and did not answer")
            if connection.unread_size > self._max_unread:
                raise data_waiting(connection, self._max_unread, "receive them first")
            self._pump.move(limit)
        return outcomes.pop(context)

    def key_update(self, request_peer: bool = False) -> None:
        """Change the keys that we send with, and perhaps ask the peer to (§4.6.3)."""
        self._check()
        self.connection.key_update(request_peer)
        self._pump.flush(self._limit())

    # --- ending

    def send_eof(self) -> None:
        """Say that we send no more; the peer may, and `receive` goes on (§6.1).

        Requests for authentication that come now are not answered: an answer could
        not be sent any more.
        """
        limit = self._limit()
        self._handshake(limit)
        self._pump.flush(limit)
        self._handler.stop_answering()
        self.connection.close()
        self._pump.flush(limit)

    def close(self) -> None:
        """Say goodbye and close the socket; takes two seconds at most.

        What a timeout left over is sent first; if that fails no goodbye is said, so
        that the peer does not take what it got for all. Then our side is shut, and
        what the peer still sends is read for a short while: else the system would
        answer it with a reset, and that could overtake our last words, an alert
        among them.
        """
        if self._closed:
            return
        self._closed = True
        self._handler.stop_answering()
        until = monotonic() + LINGER
        try:
            with contextlib.suppress(OSError, PostshakeError):
                if self.connection.state is not State.NEW:
                    self._pump.send_rest(until)
                    self.connection.close()
                    self._pump.send_rest(until)
                    self._sock.shutdown(socket.SHUT_WR)
                    self._pump.drain(until)
        finally:
            self._pump.close()

    # --- inside

    def _limit(self) -> float | None:
        """When a call that begins now has to end."""
        return None if self.timeout is None else monotonic() + self.timeout

    def _check(self) -> None:
        if self.connection.failure is not None:
            raise self.connection.failure
        if self._closed:
            raise UsageError("the stream is closed")

    def _handshake(self, limit: float | None) -> Established:
        self._check()
        connection = self.connection
        established = connection.established
        if established is not None:
            return established
        limit = self._handshake_limit(limit)
        self._pump.step(connection.start)
        while (established := connection.established) is None:
            self._check()
            self._pump.move(limit)
        if self.connection.role is Role.client or established.version is ProtocolVersion.TLS12:
            self._pump.flush(limit)  # our Finished
        else:  # tickets: a client that has sent its data and gone needs none
            self._pump.send_some()
        return established

    def _handshake_limit(self, limit: float | None) -> float | None:
        """When a call that shakes hands has to end, at the latest."""
        if self._handshake_time is None:
            return limit
        now = self.connection.config.clock()
        if self._handshake_until is None:
            self._handshake_until = now + self._handshake_time
        deadline = monotonic() + self._handshake_until - now
        return deadline if limit is None else min(limit, deadline)
