"""A stream that nobody holds any more is gone at once, its socket with it, without the collector.

So a handler that returns after an error has closed its connection, as with sockets.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
import warnings
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import pytest

from postshake.config import AuthRequest, ClientConfig
from postshake.drive.anyio.stream import TLSStream
from postshake.drive.anyio.transports import AsyncSocket
from postshake.drive.sync.stream import Stream
from postshake.errors import PostshakeError
from postshake.pki.credential import Credential
from tests.certs import CA
from tests.drive.asyncio.test_transport import leave, serving, visit
from tests.drive.streams import TIMEOUT, at_once
from tests.pair import client_config, issued, server_config
from tests.waiting import PATIENCE, await_until

NAME = "server.example"


@pytest.fixture(autouse=True)
def without_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
    gc.enable()


class Broken:
    """A key that does not sign."""

    def __init__(self, credential: Credential) -> None:
        self.schemes = credential.schemes
        self.public_key = credential.leaf.public_key()

    def sign(self, scheme: int, data: bytes) -> bytes:
        raise RuntimeError("no token")


def with_broken_key() -> ClientConfig:
    alice = issued("alice")
    good = alice.credential()
    broken = Credential.from_objects(good.certificates, Broken(good))
    return client_config(credentials=(broken,))


def distrusting() -> ClientConfig:
    return client_config("alice", verifier=CA("Another CA").verifier())


def is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def quietly(call: Callable[[], Any]) -> Callable[[], None]:
    def run() -> None:
        with contextlib.suppress(PostshakeError, OSError):
            call()

    return run


# --- blocking sockets


def streams(client: ClientConfig) -> tuple[Stream, Stream]:
    one, other = socket.socketpair()
    for sock in (one, other):
        sock.settimeout(TIMEOUT)
    return Stream(one, client, NAME), Stream(other, server_config())


def unused() -> tuple[Stream, Stream]:
    return streams(client_config("alice"))


def shaken() -> tuple[Stream, Stream]:
    client, server = streams(client_config("alice"))
    at_once(client.handshake, server.handshake)
    return client, server


def refused() -> tuple[Stream, Stream]:
    client, server = streams(distrusting())
    at_once(quietly(client.handshake), quietly(server.handshake))
    assert client.connection.failure is not None
    return client, server


def asked() -> tuple[Stream, Stream]:
    client, server = shaken()

    def ask() -> None:
        assert server.reauth(AuthRequest()).identity is not None
        server.send(b"x")

    at_once(ask, client.receive)
    return client, server


def unable() -> tuple[Stream, Stream]:
    client, server = streams(with_broken_key())
    at_once(client.handshake, server.handshake)

    def ask() -> None:
        assert server.reauth(AuthRequest(required=False)).identity is None

    at_once(ask, quietly(client.receive))
    return client, server


@pytest.mark.parametrize("how", [unused, shaken, refused, asked, unable])
def test_a_stream_that_nobody_holds_is_gone(how):
    client, server = how()
    numbers = [each.fileno() for each in (client, server)]
    there = [weakref.ref(each) for each in (client, server, client.connection, server.connection)]
    del client, server
    assert [each() for each in there] == [None] * 4
    assert not any(map(is_open, numbers))


# --- anyio


@pytest.mark.parametrize("config", [lambda: client_config("alice"), distrusting, with_broken_key])
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_an_anyio_stream_that_nobody_holds_is_gone(backend, config):
    async def shake(stream: TLSStream) -> None:
        with contextlib.suppress(PostshakeError, anyio.BrokenResourceError):
            await stream.handshake()

    async def answer(client: TLSStream) -> None:
        with contextlib.suppress(PostshakeError):
            await client.receive()

    async def ask(server: TLSStream) -> None:
        await server.reauth(AuthRequest(required=False))
        await server.send(b"x")

    async def made() -> tuple[list[weakref.ref[TLSStream]], list[int]]:
        one, other = socket.socketpair()
        client = TLSStream(AsyncSocket(one), config(), NAME)
        server = TLSStream(AsyncSocket(other), server_config())
        for calls in (shake, shake), (answer, ask):
            async with anyio.create_task_group() as group:
                group.start_soon(calls[0], client)
                group.start_soon(calls[1], server)
            if client.connection.failure is not None:
                break
        return [weakref.ref(client), weakref.ref(server)], [one.fileno(), other.fileno()]

    async def run() -> None:
        with anyio.fail_after(PATIENCE):
            there, numbers = await made()
            # the loop lets go of its finished tasks
            await await_until(lambda: [each() for each in there] == [None, None])
            assert not any(map(is_open, numbers))

    anyio.run(run, backend=backend)


# --- asyncio


@pytest.mark.parametrize("fails", [False, True])
def test_an_asyncio_transport_that_is_closed_and_that_nobody_holds_is_gone(fails):
    there: list[weakref.ref[Any]] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there.append(weakref.ref(writer.transport))
        there.append(weakref.ref(writer.transport.connection))  # type: ignore[attr-defined]
        await reader.read(10)

    async def visited(port: int) -> None:
        reader, writer = await visit(port)
        there.append(weakref.ref(writer.transport))
        writer.write(b"x")
        await reader.read()
        await leave(writer)

    async def run() -> None:
        async with serving(handle) as port:
            if fails:
                with contextlib.suppress(PostshakeError):
                    await visit(port, distrusting())
            await visited(port)
            assert there
            await await_until(lambda: not any(each() for each in there))

    asyncio.run(asyncio.wait_for(run(), PATIENCE))
