"""What the protocol between a transport and an application costs, in calls and in memory."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
import weakref
from typing import Any

import pytest

from benches.counts import calls
from postshake.config import AuthRequest
from postshake.connection import Connection
from postshake.drive.asyncio.protocol import TLSProtocol
from tests.drive.asyncio.test_transport import on_both, timed
from tests.pair import client_config, server_config

NAME = "server.example"


class Wire(asyncio.Transport):
    """A transport that keeps what is written, and is read by calling its protocol."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.reading = True

    def write(self, data: Any) -> None:
        self.written.append(data)

    def take(self) -> bytes:
        data, self.written = b"".join(self.written), []
        return data

    def is_closing(self) -> bool:
        return False

    def is_reading(self) -> bool:
        return self.reading

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class App(asyncio.Protocol):
    """Keeps what comes."""

    def __init__(self) -> None:
        self.data: list[bytes] = []
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.data.append(data)


class End:
    """One end: its wire, its protocol, its application."""

    def __init__(self, connection: Connection) -> None:
        self.wire, self.app = Wire(), App()
        self.tls = TLSProtocol(self.app, connection)


def move(client: End, server: End) -> None:
    while client.wire.written or server.wire.written:
        for near, far in ((client, server), (server, client)):
            if near.wire.written:
                far.tls.data_received(near.wire.take())


def open_pair() -> tuple[End, End]:
    client, server = End(Connection(client_config(), NAME)), End(Connection(timed()))
    for end in (client, server):
        end.tls.connection_made(end.wire)
    move(client, server)
    assert client.tls.handshake_done.done()
    assert server.app.transport is server.tls.app_transport
    return client, server


@on_both
async def test_calls_of_a_record_in_and_a_record_out():
    """Of functions of ours; each is a microsecond's tenth on a path that is all throughput."""
    client, server = open_pair()
    records = []
    for _ in range(2):
        client.app.transport.write(b"x" * 100)
        records.append(client.wire.take())
    assert calls(lambda: server.tls.data_received(records.pop(0))) <= 15
    assert server.app.data == [b"x" * 100] * 2
    assert calls(lambda: client.app.transport.write(b"x")) <= 5


@on_both
async def test_an_idle_connection_has_what_it_needs_and_no_more():
    config = server_config()
    connections = [Connection(config) for _ in range(101)]
    End(connections.pop())
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    kept = [TLSProtocol(App(), each) for each in connections]
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (after - before) / len(kept) < 1200
    for each in (kept[0], kept[0].app_transport):
        assert not hasattr(each, "__dict__")


@on_both
async def test_a_transport_can_be_remembered_weakly():
    """Applications keep sets of them, as they may of asyncio's own."""
    client, _ = open_pair()
    assert weakref.ref(client.app.transport)() is client.app.transport


@on_both
async def test_a_reauth_and_another():
    client, server = open_pair()
    for _ in range(2):
        outcome = asyncio.ensure_future(server.app.transport.reauth(AuthRequest(required=False)))
        await asyncio.sleep(0)  # it asks
        move(client, server)
        assert await outcome is None  # a client without certificates declines
    assert not server.tls.connection.open_requests


@pytest.mark.parametrize("how", ["cancelled", "expired"])
@on_both
async def test_a_reauth_that_ends_otherwise(how):
    client, server = open_pair()
    request = AuthRequest(within=0.01 if how == "expired" else 60)
    outcome = asyncio.ensure_future(server.app.transport.reauth(request))
    await asyncio.sleep(0)
    if how == "cancelled":
        outcome.cancel()
    with pytest.raises(asyncio.CancelledError if how == "cancelled" else TimeoutError):
        await outcome
    assert not server.tls.connection.open_requests
    move(client, server)  # the late answer is read and ignored
    assert server.tls.connection.failure is None
    client.app.transport.write(b"on it goes")
    move(client, server)
    assert server.app.data == [b"on it goes"]
