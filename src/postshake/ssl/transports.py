"""Where the bytes of a TLS object come from and go to: memory, or a socket.

Both are read a record at a time and not a byte further, as OpenSSL does it. Whoever waits
with `select` for the next record finds it in the socket, and never waits for what was read
already. Whoever reads for as long as the memory buffer or `pending` has something, as uvloop
does, does not miss a goodbye or an alert that came together with data.
"""

from __future__ import annotations

import _socket
import selectors
import socket
import ssl
import weakref
from collections.abc import Callable
from time import monotonic
from typing import Any, Protocol, TypeVar

from ..record.deframer import HEADER_LENGTH, MAX_CIPHERTEXT
from .errors import ssl_error

A = TypeVar("A")
T = TypeVar("T")

__all__ = ["BioTransport", "SocketTransport", "Transport", "check_is_tls"]


class Transport(Protocol):
    """Bytes to and from the peer."""

    @property
    def unsent(self) -> bool:
        """Whether bytes that were taken have not left yet."""
        ...

    @property
    def blocks(self) -> bool:
        """Whether a call may wait."""
        ...

    def receive(
        self, limit: float | None, *, strict: bool = False, send: Callable[[], bool] | None = None
    ) -> bytes:
        """Return what can be used at once; ``b""`` when no more will come.

        Args:
            limit: on `monotonic`, until when to wait; None for ever. Only a socket
                that blocks waits at all.
            strict: whether the limit is another one than `limit` gave, and must be
                held whatever the socket's own timeout is.
            send: sends what still waits for the socket without waiting itself, and returns
                whether any of it is left: then the wait is for both. What cannot be sent does
                not keep what has come from being read.

        Raises:
            SSLWantReadError: nothing is there now.
            SSLWantWriteError: nothing is there now, and something is left to send.
            TimeoutError: the limit has passed.
            OSError: the socket failed.
        """
        ...

    def send(self, data: bytes | memoryview, limit: float | None, *, strict: bool = False) -> int:
        """Take bytes for the peer, and return how many; the limit is as in `receive`.

        Raises:
            SSLWantWriteError: none can be taken now.
            TimeoutError: the limit has passed.
            OSError: the socket failed.
        """
        ...

    def send_now(self, data: bytes | memoryview) -> int:
        """Take bytes for the peer without waiting, and return how many: perhaps none.

        Raises:
            OSError: the socket failed.
        """
        ...

    def limit(self) -> float | None:
        """Return until when an operation that begins now may take; None where nothing waits."""
        ...


class BioTransport:
    """Two memory buffers that somebody else moves on."""

    __slots__ = ("_incoming", "_outgoing", "_partial")

    def __init__(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> None:
        self._incoming, self._outgoing = incoming, outgoing
        self._partial = bytearray()

    @property
    def unsent(self) -> bool:
        """Whether the outgoing buffer holds any."""
        return self._outgoing.pending > 0

    @property
    def blocks(self) -> bool:
        """Nobody waits here."""
        return False

    def receive(
        self, limit: float | None, *, strict: bool = False, send: Callable[[], bool] | None = None
    ) -> bytes:
        """Return one record, or what there is of bytes that are none."""
        partial = self._partial
        while missing := _missing(partial):
            data = self._incoming.read(missing)
            if not data:
                if not self._incoming.eof:
                    raise want_read()
                rest = bytes(partial)
                partial.clear()
                return rest
            partial += data
        record = bytes(partial)
        partial.clear()
        return record

    def send(self, data: bytes | memoryview, limit: float | None, *, strict: bool = False) -> int:
        """Take everything."""
        return self._outgoing.write(data)

    def send_now(self, data: bytes | memoryview) -> int:
        """Take everything."""
        return self._outgoing.write(data)

    def limit(self) -> float | None:
        """Nobody waits here."""
        return None


class SocketTransport:
    """A socket, in whatever mode it is.

    Args:
        sock: the SSLSocket; its methods of `socket.socket` are used, which know of no TLS. It
            is not kept alive: it has us.
    """

    __slots__ = ("_broken_by", "_partial", "_receive", "_send", "_socket")

    def __init__(self, sock: socket.socket) -> None:
        self._socket = weakref.ref(sock)
        # gevent's are no sockets of the system's, and wait in methods of their own
        systems = isinstance(sock, _socket.socket)
        replaced = not issubclass(socket.socket, _socket.socket)
        kind = _socket.socket if systems and replaced else socket.socket
        self._receive, self._send = kind.recv, kind.send
        self._partial = bytearray()
        self._broken_by: tuple[type[ConnectionError], tuple[Any, ...]] | None = None

    @property
    def unsent(self) -> bool:
        """What the socket took has left."""
        return False

    @property
    def blocks(self) -> bool:
        """Whether the socket's timeout is not 0."""
        return self._sock.gettimeout() != 0

    def receive(
        self, limit: float | None, *, strict: bool = False, send: Callable[[], bool] | None = None
    ) -> bytes:
        """Return one record, or what there is of bytes that are none."""
        if self._broken_by is not None:
            raise self._broken_by[0](*self._broken_by[1])
        partial = self._partial
        while missing := _missing(partial):
            left = send is not None and self._send_meanwhile(send, limit)
            if strict and not left:
                self._wait(selectors.EVENT_READ, limit)
            try:
                want = want_write if left else want_read
                data = self._call(self._receive, missing, want, limit)
            except ConnectionError as error:
                # the system says it once, and from then on that the stream has ended
                self._broken_by = type(error), error.args
                raise
            if not data:
                rest = bytes(partial)
                partial.clear()
                return rest
            partial += data
        record = bytes(partial)
        partial.clear()
        return record

    def send(self, data: bytes | memoryview, limit: float | None, *, strict: bool = False) -> int:
        """Send what the socket takes."""
        if strict:
            self._wait(selectors.EVENT_WRITE, limit)
        return self._call(self._send, data, want_write, limit)

    def send_now(self, data: bytes | memoryview) -> int:
        """Send what the socket takes at once."""
        sock = self._sock
        if sock.gettimeout() != 0 and not self._select(selectors.EVENT_WRITE, 0):
            return 0
        try:
            return self._send(sock, data, _AT_ONCE)
        except (BlockingIOError, TimeoutError):
            return 0

    @property
    def _sock(self) -> socket.socket:
        sock = self._socket()
        if sock is None:
            raise ssl.SSLError(0, "Underlying socket connection gone")
        return sock

    def limit(self) -> float | None:
        """The socket's timeout from now on; none where it waits for ever, or not at all."""
        timeout = self._sock.gettimeout()
        return monotonic() + timeout if timeout else None

    def _wait(self, event: int, limit: float | None) -> None:
        """Wait until the socket is ready, unless it does not block."""
        if limit is None or self._sock.gettimeout() == 0:
            return
        if not self._select(event, max(limit - monotonic(), 0)):
            what = "read" if event == selectors.EVENT_READ else "write"
            raise TimeoutError(f"The {what} operation timed out")

    def _send_meanwhile(self, send: Callable[[], bool], limit: float | None) -> bool:
        """Send until there is something to read, or nothing left; return whether there is."""
        both = selectors.EVENT_READ | selectors.EVENT_WRITE
        while send():
            if self._sock.gettimeout() == 0:
                return True
            ready = self._select(both, None if limit is None else max(limit - monotonic(), 0))
            if not ready:
                raise TimeoutError("The read operation timed out")
            if ready & selectors.EVENT_READ:
                return True
        return False

    def _select(self, events: int, seconds: float | None) -> int:
        """Return for which of these events the socket is ready, waiting so long at most."""
        with _Selector() as selector:
            selector.register(self._sock, events)
            ready = selector.select(seconds)
            return ready[0][1] if ready else 0

    def _call(
        self,
        call: Callable[[socket.socket, A], T],
        argument: A,
        want: Callable[[], ssl.SSLError],
        limit: float | None,
    ) -> T:
        """Call a method of the socket's own, within the limit of the whole operation.

        The socket grants its timeout to each call anew, so a peer that sends a byte
        now and then could keep us for ever.
        """
        sock = self._sock
        what = "read" if want is want_read else "write"
        if limit is not None and monotonic() > limit and sock.gettimeout():
            raise TimeoutError(f"The {what} operation timed out")
        try:
            return call(sock, argument)
        except BlockingIOError:
            raise want() from None
        except TimeoutError:
            raise TimeoutError(f"The {what} operation timed out") from None


# no descriptor of its own, unlike epoll, and none too large for it, unlike select
_Selector: Callable[[], selectors.BaseSelector] = getattr(
    selectors, "PollSelector", selectors.SelectSelector
)

_AT_ONCE = getattr(socket, "MSG_DONTWAIT", 0)
"""Where a socket that blocks is ready to write, this sends no more than it has room for."""


def _missing(partial: bytearray) -> int:
    """How many bytes the record at hand lacks, as far as can be known."""
    if len(partial) < HEADER_LENGTH:
        return HEADER_LENGTH - len(partial)
    length = partial[3] << 8 | partial[4]
    if not 20 <= partial[0] <= 23 or length > MAX_CIPHERTEXT:
        return 0  # the engine says what is wrong with it
    return HEADER_LENGTH + length - len(partial)


def check_is_tls(data: bytes, server_side: bool) -> None:
    """See whether the peer speaks TLS at all (OpenSSL has errors of its own for that)."""
    if data[0] in range(20, 24) and data[1:2] in (b"\x03", b""):
        return
    if server_side and data[:4] in (b"GET ", b"POST", b"HEAD", b"PUT "):
        raise ssl_error("HTTP_REQUEST")
    if server_side and data.startswith(b"CONNE"):
        raise ssl_error("HTTPS_PROXY_REQUEST")
    raise ssl_error("WRONG_VERSION_NUMBER")


def want_read() -> ssl.SSLError:
    """Make the error for having to wait until the peer sends."""
    return ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "The operation did not complete (read)")


def want_write() -> ssl.SSLError:
    """Make the error for having to wait until the socket takes more."""
    return ssl.SSLWantWriteError(ssl.SSL_ERROR_WANT_WRITE, "The operation did not complete (write)")
