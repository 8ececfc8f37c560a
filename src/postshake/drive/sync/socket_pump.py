"""Bytes between a Connection and a socket that does not block.

`SocketPump.move` moves what can be moved, out and in, and waits only if nothing could. What
comes is given to the connection by `SocketPump.step`, which has the questions and events that
follow from it handled: so an answer to a request leaves from inside any call.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any

from ...connection import Connection
from ...errors import PostshakeError, UsageError
from .event_handler import EventHandler

__all__ = ["SocketPump"]

RECEIVE_SIZE = 256 * 1024
SEND_SIZE = 128 * 1024  # sealed at a time
LINGER_BYTES = 4 * 1024 * 1024  # of the peer's that are read after our goodbye

# no descriptor of its own, unlike epoll, and none too large for it, unlike select
_Selector: Callable[[], selectors.BaseSelector] = getattr(
    selectors, "PollSelector", selectors.SelectSelector
)


class SocketPump:
    """Moves bytes for one stream.

    Args:
        sock: the socket; it is made non-blocking.
        connection: the engine.
        handler: handles the events and questions that come.
        max_unread: how many bytes of memory what is not read may take while something is
            sent.
    """

    __slots__ = (
        "_connection",
        "_handler",
        "_max_unread",
        "_selector",
        "_send_error",
        "_sock",
        "_unsealed",
        "_unsent",
        "_waiting_for",
        "_waits",
    )

    def __init__(
        self,
        sock: socket.socket,
        connection: Connection,
        handler: EventHandler,
        max_unread: int,
    ) -> None:
        self._sock = sock
        self._connection = connection
        self._handler = handler
        self._max_unread = max_unread
        self._unsealed: deque[memoryview] = deque()  # data to send after `_unsent`
        self._unsent = memoryview(b"")
        self._send_error: OSError | None = None
        self._waits = False
        sock.setblocking(False)
        self._waiting_for = selectors.EVENT_READ
        self._selector = _Selector()
        # by its number: a selector refers to itself, and would keep a socket open
        self._selector.register(sock.fileno(), self._waiting_for)

    @property
    def unsent(self) -> bool:
        """Whether bytes wait for the socket."""
        return bool(self._unsent or self._unsealed or self._connection.has_data_to_send)

    def step(self, call: Callable[..., object], *arguments: Any) -> None:
        """Let the engine take a step, and have what comes of it handled.

        Raises:
            Exception: what the step raised, or code of the application's; what can be sent
                without waiting was sent, such as an alert.
        """
        try:
            call(*arguments)
            if self._connection.has_news:
                self._handler.handle()
        except Exception:
            if self._connection.failure is not None:
                self._handler.handle()  # what led to it is worth knowing
            with contextlib.suppress(OSError, PostshakeError):  # the reason matters more
                self.send_some()
            raise

    def queue(self, data: bytes) -> None:
        """Take application data to send; much of it is sealed piece by piece."""
        if len(data) > SEND_SIZE or self._unsealed:
            self._unsealed.append(memoryview(data))
        elif data:
            self._connection.send_data(data)

    def move(self, limit: float | None) -> None:
        """Move what can be moved, out and in; wait if nothing can.

        Raises:
            TimeoutError: the limit, a time of `monotonic`, is past.
        """
        connection = self._connection
        deadline = connection.next_deadline()
        if deadline is not None and connection.config.clock() >= deadline:
            self.step(connection.check_deadlines)
            self.send_some()
            return
        sent = self.send_some()
        if self._receive_some():
            self.send_some()
        else:
            self._wait(limit, reading=True, writing=not sent)

    def flush(self, limit: float | None) -> None:
        """Send all that is due; the peer may want to be read meanwhile."""
        while not self.send_some():
            room = self._connection.wants_data and self._connection.unread_size < self._max_unread
            if not (room and self._receive_some()):
                self._wait(limit, reading=room, writing=True)
        if self._send_error is not None:
            raise type(self._send_error)(*self._send_error.args)

    def send_some(self) -> bool:
        """Send what the socket takes; return whether nothing is left.

        Much data gets one piece on its way at a time, so that what the peer says
        meanwhile is heard.
        """
        connection = self._connection
        sealed = False
        while self._send_error is None:
            if not self._unsent:
                if not connection.has_data_to_send:
                    if sealed and self._unsealed:
                        return False
                    if not self._seal_some():
                        return True
                    sealed = True
                self._unsent = memoryview(connection.data_to_send())
            try:
                count = self._sock.send(self._unsent)
            except (BlockingIOError, InterruptedError):
                return False
            except OSError as error:
                self._send_error = type(error)(*error.args)  # without the frames it came through
                self._hear_last_words()
            else:
                self._unsent = self._unsent[count:]
        self._unsent = memoryview(b"")  # nobody listens any more
        self._unsealed.clear()
        connection.data_to_send()
        return True

    def _seal_some(self) -> bool:
        """Seal the next piece of the data to send, if there is any."""
        unsealed = self._unsealed
        if self._connection.failure is not None:
            unsealed.clear()
        if not unsealed:
            return False
        data = unsealed.popleft()
        self._connection.send_data(data[:SEND_SIZE])
        if len(data) > SEND_SIZE:
            unsealed.appendleft(data[SEND_SIZE:])
        return True

    def _receive_some(self) -> bool:
        """Take what has come; return whether there was anything."""
        try:
            data = self._sock.recv(RECEIVE_SIZE)
        except (BlockingIOError, InterruptedError):
            return False
        if data:
            self.step(self._connection.receive_data, data)
        else:
            self.step(self._connection.receive_eof)
        return True

    def _hear_last_words(self) -> None:
        """Read what a peer said that will not listen any more: it may say why."""
        with contextlib.suppress(OSError):
            left = self._max_unread
            while self._connection.wants_data and left > 0:
                data = self._sock.recv(RECEIVE_SIZE)
                if not data:
                    return
                left -= len(data)
                self.step(self._connection.receive_data, data)

    def _wait(self, limit: float | None, *, reading: bool, writing: bool) -> None:
        """Wait until the socket is ready, a request's deadline is there, or the limit."""
        waits: list[float] = []
        if limit is not None:
            waits.append(limit - monotonic())
            if waits[0] <= 0:
                raise TimeoutError("timed out")
        deadline = self._connection.next_deadline()
        if deadline is not None:
            waits.append(max(0.0, deadline - self._connection.config.clock()))
        wanted = (selectors.EVENT_READ if reading else 0) | (
            selectors.EVENT_WRITE if writing else 0
        )
        if wanted != self._waiting_for:
            self._waiting_for = wanted
            self._selector.modify(self._sock.fileno(), wanted)
        if self._waits:
            raise UsageError("another thread waits in this stream, which is for one at a time")
        self._waits = True
        try:
            self._selector.select(min(waits, default=None))
        finally:
            self._waits = False

    def _forget_some(self) -> int:
        """Read and forget; return how much, -1 when nothing came yet."""
        try:
            return len(self._sock.recv(RECEIVE_SIZE))
        except (BlockingIOError, InterruptedError):
            return -1

    def send_rest(self, until: float) -> None:
        """Send all that is due, and forget what comes meanwhile."""
        hearing = True
        while not self.send_some():
            hearing = hearing and self._forget_some() != 0
            self._wait(until, reading=hearing, writing=True)

    def drain(self, until: float) -> None:
        """Read and forget until the peer is done or we have waited enough."""
        left = 0 if self._connection.peer_closed else LINGER_BYTES
        while left > 0:
            count = self._forget_some()
            if count == 0:
                return
            if count < 0:
                self._wait(until, reading=True, writing=False)
            left -= max(0, count)

    def close(self) -> None:
        """Close the socket; a thread that waits for it is woken."""
        if self._waits:
            with contextlib.suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)
        self._selector.close()
        self._sock.close()
