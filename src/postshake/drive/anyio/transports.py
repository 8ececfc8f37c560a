"""Sockets for anyio, asyncio or trio, whose calls can be cancelled at any time.

anyio's own streams cannot say how much of a cancelled `send` has left, and a TLS record
of which half has left is the end of a connection. Here a call that is cancelled has done
nothing.
"""

from __future__ import annotations

import contextlib
import socket
from typing import Protocol

import anyio
from anyio.abc import AnyByteStream, ByteReceiveStream

__all__ = ["AnyIOTransport", "AsyncSocket", "Transport"]


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


class AnyIOTransport:
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
