"""An echo over TCP on asyncio's streams, both ends in one event loop."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable

from benches.contest import Operation
from benches.material import DATA, SERVER_NAME, SUITE

__all__ = ["Connect", "Handler", "echo", "over_ssl"]

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Connect = Callable[[Handler], Awaitable[Streams]]
"""Starts a server with this handler, and connects to it."""

_READ = 2**16


def echo(connect: Connect, size: int, times: int) -> Operation:
    """Send so many bytes and receive them again, so many times."""
    loop = asyncio.new_event_loop()
    reader, writer = loop.run_until_complete(connect(_give_back))
    cipher = writer.get_extra_info("cipher")
    assert SUITE in (cipher, cipher[0])
    sent = DATA[:size]

    async def talk() -> tuple[int, bytes]:
        moved = 0
        for _ in range(times):
            writer.write(sent)
            await writer.drain()
            data = await reader.readexactly(size)
            moved += size
        return moved, data

    def run() -> tuple[int, bytes]:
        return loop.run_until_complete(talk())

    def check(evidence: tuple[int, bytes]) -> None:
        assert evidence == (size * times, sent)

    def end() -> None:
        writer.close()
        loop.run_until_complete(asyncio.gather(*asyncio.all_tasks(loop)))
        loop.close()

    return Operation(run, check, end=end)


def over_ssl(client_context: ssl.SSLContext, server_context: ssl.SSLContext) -> Connect:
    """Give asyncio's own functions these contexts, whosever they are."""

    async def connect(handler: Handler) -> Streams:
        server = await asyncio.start_server(handler, "127.0.0.1", 0, ssl=server_context)
        return await asyncio.open_connection(
            *server.sockets[0].getsockname(), ssl=client_context, server_hostname=SERVER_NAME
        )

    return connect


async def _give_back(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_READ):
        writer.write(data)
        await writer.drain()
    writer.close()
