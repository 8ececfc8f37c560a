"""What cannot be sent any more hides nothing of what a peer sent before it left.

Each owner of connections is held to it: with a client that has sent its data and gone before
it got its tickets, and with answers to key updates that nobody takes.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import anyio
import pytest

from postshake.config import AuthRequest, ServerConfig
from postshake.drive.anyio.stream import TLSStream
from postshake.drive.anyio.transports import AsyncSocket
from postshake.drive.asyncio.streams import create_server
from postshake.drive.sync.stream import Stream
from postshake.errors import TruncationError
from postshake.events import Direction, Outcome, TraceEntry
from tests.drive.anyio.test_stream import on_both
from tests.drive.asyncio.test_transport import on_both as on_both_loops
from tests.drive.streams import TIMEOUT, RawClient, at_once
from tests.pair import server_config

ENDS = pytest.mark.parametrize("goodbye", [True, False], ids=["goodbye", "ragged"])
MESSAGE = b"the message" * 10_000


class Leaving:
    """A client that says all and goes while the server looks at its Finished.

    So the server has all of it to read, and nobody to send its tickets to.
    """

    def __init__(self, *, goodbye: bool) -> None:
        self.client: RawClient | None = None
        self._goodbye = goodbye
        self.config: ServerConfig = server_config(tickets=2, trace=self._look)

    def _look(self, entry: TraceEntry) -> None:
        if entry.direction is Direction.received and entry.what == "Finished":
            client = self.client
            assert client is not None
            client.connection.send_data(MESSAGE)
            if self._goodbye:
                client.connection.close()
            client.flush()
            client.sock.close()


def pair(leaving: Leaving) -> tuple[socket.socket, RawClient]:
    """The server's socket, and the client, which has yet to shake hands."""
    one, other = socket.socketpair()
    for sock in (one, other):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 400_000)
    leaving.client = RawClient(one)
    return other, leaving.client


# --- blocking sockets


@ENDS
@pytest.mark.parametrize("calls_handshake", [True, False])
def test_a_stream_reads_what_a_client_sent_before_it_left(goodbye, calls_handshake):
    leaving = Leaving(goodbye=goodbye)
    sock, client = pair(leaving)
    sock.settimeout(TIMEOUT)
    stream = Stream(sock, leaving.config)

    def serve() -> bytes:
        if calls_handshake:
            stream.handshake()
        received = b""
        while len(received) < len(MESSAGE):
            received += stream.receive()
        return received

    assert at_once(serve, client.handshake)[0] == MESSAGE
    if goodbye:
        assert stream.receive() == b""
    else:
        with pytest.raises(TruncationError):
            stream.receive()
    with pytest.raises((OSError, TruncationError)):
        stream.send(b"an answer")
    stream.close()


def test_a_stream_that_goes_on_asking_hears_what_came_before_the_client_left():
    one, other = socket.socketpair()
    client = RawClient(one)
    other.settimeout(TIMEOUT)
    stream = Stream(other, server_config())
    at_once(client.handshake, stream.handshake)
    stream.timeout = 0.0
    request = AuthRequest()
    with pytest.raises(TimeoutError):
        stream.reauth(request)
    context = client.take_request()
    client.connection.key_update(request_peer=True)
    client.flush()
    client.answer(context)
    client.connection.send_data(b"signed")
    client.flush()
    client.sock.close()
    stream.timeout = TIMEOUT
    assert stream.receive() == b"signed"
    assert stream.reauth(request).outcome is Outcome.AUTHENTICATED
    stream.close()


# --- anyio


@on_both
async def test_an_anyio_stream_reads_what_a_client_sent_before_it_left():
    for goodbye in (True, False):
        leaving = Leaving(goodbye=goodbye)
        sock, client = pair(leaving)
        async with (
            TLSStream(AsyncSocket(sock), leaving.config) as stream,
            anyio.create_task_group() as group,
        ):
            group.start_soon(anyio.to_thread.run_sync, client.handshake)
            await stream.handshake()
            received = b""
            while len(received) < len(MESSAGE):
                received += await stream.receive()
            assert received == MESSAGE
            with pytest.raises(anyio.EndOfStream if goodbye else TruncationError):
                await stream.receive()
            with pytest.raises((anyio.BrokenResourceError, TruncationError)):
                await stream.send(b"an answer")


# --- asyncio


class Protocol(asyncio.Protocol):
    """Notes what it is told."""

    def __init__(self, *, paused: bool) -> None:
        self.data = b""
        self.told: list[object] = []
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._paused = paused

    def connection_made(self, transport: Any) -> None:
        if self._paused:
            transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        self.data += data

    def eof_received(self) -> None:
        self.told.append("eof")

    def connection_lost(self, exc: Exception | None) -> None:
        self.told.append(exc)
        self.over.set_result(None)


@ENDS
@pytest.mark.parametrize("paused", [False, True], ids=["reading", "paused"])
@on_both_loops
async def test_an_asyncio_protocol_is_given_what_a_client_sent_before_it_left(
    goodbye, paused, tmp_path
):
    leaving = Leaving(goodbye=goodbye)
    protocol = Protocol(paused=paused)
    listener = socket.socket(socket.AF_UNIX)  # which says at once that nobody is there
    listener.bind(str(tmp_path / "socket"))
    server = await create_server(lambda: protocol, None, None, leaving.config, sock=listener)
    one = socket.socket(socket.AF_UNIX)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 400_000)
    one.connect(str(tmp_path / "socket"))
    leaving.client = RawClient(one)
    async with server:
        await asyncio.to_thread(leaving.client.handshake)
        await protocol.over
    assert protocol.data == MESSAGE
    if goodbye:
        assert protocol.told == ["eof", None]
    else:
        assert len(protocol.told) == 1
        assert isinstance(protocol.told[0], (OSError, TruncationError))
