"""Sockets for anyio, asyncio or trio, whose calls can be cancelled at any time.

anyio's own streams cannot say how much of a cancelled `send` has left, and a TLS record
of which half has left is the end of a connection. Here a call that is cancelled has done
nothing.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import AsyncIterator
from typing import Any, Protocol

import anyio
from anyio.abc import AnyByteStream, ByteReceiveStream

__all__ = ["AsyncSocket", "OverStream", "Transport", "connect", "listen"]


class Transport(Protocol):
    """What a TLS stream needs of what is under it."""

    async def receive(self, max_bytes: int = 65536) -> bytes:
        """Receive something; raise EndOfStream at the end. Cancelled, nothing is lost."""
        ...

    async def send_some(self, data: memoryview) -> int:
        """Send something; return how many bytes. Cancelled, none was."""
        ...

    def send_now(self, data: memoryview) -> int | None:
        """Send what can be sent without waiting; None if only `send_some` can tell."""
        ...

    def shut_down(self) -> None:
        """Send no more."""
        ...

    async def aclose(self) -> None:
        """Close it."""
        ...


class AsyncSocket(ByteReceiveStream):
    """A connected socket.

    Args:
        sock: taken over; it is made non-blocking.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.socket = sock

    async def receive(self, max_bytes: int = 65536) -> bytes:
        """Receive what is there, waiting for at least one byte; cancelled, nothing.

        Raises:
            EndOfStream: no more will come.
            OSError: the connection failed.
        """
        await anyio.lowlevel.checkpoint_if_cancelled()
        while True:
            try:
                data = self.socket.recv(max_bytes)
            except (BlockingIOError, InterruptedError):
                await anyio.wait_readable(self.socket)
                continue
            if not data:
                raise anyio.EndOfStream
            await anyio.lowlevel.cancel_shielded_checkpoint()
            return data

    async def send_some(self, data: memoryview) -> int:
        """Send what the socket takes, at least one byte; return how many. Cancelled, none."""
        while True:
            try:
                return self.socket.send(data)
            except (BlockingIOError, InterruptedError):
                await anyio.wait_writable(self.socket)

    def send_now(self, data: memoryview) -> int:
        """Send what the socket takes at once; return how many bytes."""
        try:
            return self.socket.send(data)
        except (BlockingIOError, InterruptedError):
            return 0

    def shut_down(self) -> None:
        """Send no more."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    async def aclose(self) -> None:
        """Close it; whoever waits for it is woken."""
        if self.socket.fileno() >= 0:
            with contextlib.suppress(OSError, NotImplementedError):
                anyio.notify_closing(self.socket)
            self.socket.close()


class OverStream:
    """Any stream of anyio's as a transport."""

    def __init__(self, stream: AnyByteStream) -> None:
        self._stream = stream
        self._torn = False
        self.extra_attributes = stream.extra_attributes

    async def receive(self, max_bytes: int = 65536) -> bytes:
        """Receive what comes."""
        return bytes(await self._stream.receive())

    async def send_some(self, data: memoryview) -> int:
        """Send all of it; cancelled, the stream is torn."""
        if self._torn:
            raise anyio.BrokenResourceError("a send was cancelled when it was half done")
        self._torn = True
        await self._stream.send(bytes(data))
        self._torn = False
        return len(data)

    def send_now(self, data: memoryview) -> None:
        """Nobody can tell what would wait."""

    def shut_down(self) -> None:
        """There is no way to say it."""

    async def aclose(self) -> None:
        """Close it."""
        await self._stream.aclose()


async def connect(host: str, port: int, *, wait: float = 10.0) -> AsyncSocket:
    """Connect to a host by TCP, trying its addresses one after the other.

    Args:
        host: a name or address.
        port: the port.
        wait: seconds that each address but the last may take to answer.

    Raises:
        OSError: none of them answers; the last one's error.
    """
    found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    failure: OSError | None = None
    for index, (family, kind, protocol, _, address) in enumerate(found):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            limit = anyio.move_on_after(None if index + 1 == len(found) else wait)
            with limit:
                await _connect(sock, address)
                return AsyncSocket(sock)
            failure = TimeoutError(f"{address[0]} did not answer within {wait} seconds")
        except OSError as error:
            failure = error
        except BaseException:
            sock.close()
            raise
        sock.close()
    raise failure or OSError(f"{host} has no address")


async def _connect(sock: socket.socket, address: Any) -> None:
    try:
        sock.connect(address)
    except (BlockingIOError, InterruptedError):
        await anyio.wait_writable(sock)
        number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            raise OSError(number, os.strerror(number)) from None


@contextlib.asynccontextmanager
async def listen(
    host: str | None, port: int, backlog: int = 1024
) -> AsyncIterator[list[socket.socket]]:
    """Listen on a host's addresses; closes the sockets at the end.

    Args:
        host: a name or address; None for all of this machine's.
        port: 0 for a free one, which the first address chooses.
        backlog: how many connections may wait to be accepted.
    """
    found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[socket.socket] = []
    try:
        for family, kind, protocol, _, address in found:
            sock = socket.socket(family, kind, protocol)
            sockets.append(sock)
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if not port and len(sockets) > 1:
                address = (address[0], sockets[0].getsockname()[1], *address[2:])
            sock.bind(address)
            sock.listen(backlog)
        yield sockets
    finally:
        for sock in sockets:
            with contextlib.suppress(OSError, NotImplementedError):
                anyio.notify_closing(sock)
            sock.close()
