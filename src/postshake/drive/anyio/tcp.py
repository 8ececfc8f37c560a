"""TCP for streams: connecting, with addresses tried side by side, and listening."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import AsyncIterator
from typing import Any

import anyio

from .transports import AsyncSocket

__all__ = ["connect", "listen"]


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
