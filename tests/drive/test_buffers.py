"""A call that failed, or was cancelled, leaves no view of its caller's buffer.

Whoever keeps the exception, as futures do, keeps the frames that it passed through: they must
not have one either.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket

import anyio
import pytest

from postshake.drive.anyio.stream import TLSStream
from postshake.drive.anyio.transports import AsyncSocket
from postshake.drive.sync.stream import Stream
from postshake.errors import TruncationError, UsageError
from tests.drive.asyncio.test_transport import leave, serving, visit
from tests.drive.streams import NAME, TIMEOUT, at_once
from tests.pair import client_config, server_config
from tests.waiting import PATIENCE

SIZE = 20_000_000


def is_free(buffer: bytearray) -> bool:
    """Whether nobody holds a view of it."""
    try:
        buffer.clear()
    except BufferError:
        return False
    return True


# --- blocking sockets


@pytest.fixture
def streams():
    one, other = socket.socketpair()
    for sock in (one, other):
        sock.settimeout(TIMEOUT)
    client, server = Stream(one, client_config("alice"), NAME), Stream(other, server_config())
    at_once(client.handshake, server.handshake)
    yield client, server
    other.close()
    client.close()


@pytest.mark.parametrize("how", ["full", "gone", "ended"])
def test_a_stream_lets_go_of_what_it_could_not_send(streams, how):
    client, server = streams
    if how == "full":
        client.timeout = 0.0
    elif how == "gone":
        server.close()
    else:
        client.send_eof()
    buffer = bytearray(SIZE)
    with pytest.raises((OSError, UsageError)) as kept:
        client.send(buffer)
    assert is_free(buffer)
    del kept


# --- anyio


@pytest.mark.parametrize("how", ["full", "gone", "ended"])
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_an_anyio_stream_lets_go_of_what_it_could_not_send(backend, how):
    async def run() -> None:
        one, other = socket.socketpair()
        client = TLSStream(AsyncSocket(one), client_config("alice"), NAME)
        server = TLSStream(AsyncSocket(other), server_config())
        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as group:
                group.start_soon(client.handshake)
                group.start_soon(server.handshake)
            if how == "gone":
                await server.transport.aclose()
            elif how == "ended":
                await client.send_eof()
            buffer = bytearray(SIZE)
            with pytest.raises((TimeoutError, anyio.BrokenResourceError, UsageError)) as kept:
                with anyio.fail_after(0.1 if how == "full" else PATIENCE):
                    await client.send(buffer)
            assert is_free(buffer)
            del kept
            await client.transport.aclose()
            await server.transport.aclose()

    anyio.run(run, backend=backend)


# --- asyncio


def test_an_asyncio_transport_lets_go_of_what_it_was_given():
    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TruncationError):
            while await reader.read(65536):
                pass

    async def run() -> None:
        async with serving(listen) as port:
            _, writer = await visit(port)
            buffer = bytearray(SIZE)
            writer.write(buffer)
            assert is_free(buffer)
            writer.transport.write_eof()
            buffer = bytearray(SIZE)
            with pytest.raises(RuntimeError) as kept:
                writer.write(buffer)
            assert is_free(buffer)
            del kept
            writer.transport.abort()
            await leave(writer)

    asyncio.run(asyncio.wait_for(run(), PATIENCE))
