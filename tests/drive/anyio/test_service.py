"""Serving over TCP: what one connection does is no other's business."""

from __future__ import annotations

import contextlib
import functools
import inspect
import logging
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from postshake.config import AuthRequest
from postshake.connection import Connection
from postshake.drive.anyio import TLSStream, open_tls_stream, serve_tls
from postshake.drive.anyio.tcp import connect
from postshake.drive.anyio.transports import AsyncSocket
from postshake.errors import TLSError
from tests.drive.streams import tcp_pair
from tests.pair import client_config, issued, server_config

NAME = "server.example"
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time


def on_both(function: Callable[..., Awaitable[None]]) -> Any:
    """Run a test on asyncio and on trio, for at most 60 seconds."""

    @functools.wraps(function)
    def test(*, backend: str, **options: Any) -> None:
        async def limited() -> None:
            with anyio.fail_after(60):
                await function(**options)

        anyio.run(limited, backend=backend)

    backend = inspect.Parameter("backend", inspect.Parameter.KEYWORD_ONLY)
    own = inspect.signature(function)
    parameters = [*own.parameters.values(), backend]
    test.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    return pytest.mark.parametrize("backend", ["asyncio", "trio"])(test)


def with_alice() -> Any:
    return client_config(credentials=(issued("alice").credential(),))


async def echo(stream: TLSStream) -> None:
    with contextlib.suppress(anyio.EndOfStream):
        while True:
            await stream.send(await stream.receive())


@contextlib.asynccontextmanager
async def serving(
    handler: Callable[[TLSStream], Awaitable[None]] = echo, **options: Any
) -> AsyncIterator[int]:
    async with anyio.create_task_group() as group:
        ((_, port, *_),) = await group.start(
            functools.partial(serve_tls, **options), handler, "127.0.0.1", 0, server_config()
        )
        yield port
        group.cancel_scope.cancel()


async def check_serves(port: int) -> None:
    """An honest client is served."""
    async with await open_tls_stream("127.0.0.1", port, with_alice(), server_name=NAME) as stream:
        await stream.send(b"honest")
        assert await stream.receive() == b"honest"


async def reset(sock: socket.socket) -> None:
    """Hang up in the rudest way."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    sock.close()
    await anyio.lowlevel.checkpoint()


def socket_of(stream: TLSStream) -> socket.socket:
    assert isinstance(stream.transport, AsyncSocket)
    return stream.transport.socket


def hello() -> bytes:
    client = Connection(with_alice(), NAME)
    client.start()
    return client.data_to_send()


# --- one connection's end


async def hangs_up_at_once(port: int) -> None:
    await reset((await connect("127.0.0.1", port)).socket)


async def hangs_up_in_its_hello(port: int) -> None:
    under = await connect("127.0.0.1", port)
    await under.send_some(memoryview(hello()[:100]))
    await reset(under.socket)


async def hangs_up_after_its_hello(port: int) -> None:
    under = await connect("127.0.0.1", port)
    await under.send_some(memoryview(hello()))
    await reset(under.socket)


async def speaks_no_tls(port: int) -> None:
    under = await connect("127.0.0.1", port)
    await under.send_some(memoryview(b"GET / HTTP/1.1\r\n\r\n"))
    with contextlib.suppress(OSError, anyio.EndOfStream):
        while True:
            await under.receive()
    await under.aclose()


async def hangs_up_after_the_handshake(port: int) -> None:
    stream = await open_tls_stream("127.0.0.1", port, with_alice(), server_name=NAME)
    await reset(socket_of(stream))


async def hangs_up_with_much_to_read(port: int) -> None:
    """The service waits for it to read, and to answer."""
    stream = await open_tls_stream("127.0.0.1", port, with_alice(), server_name=NAME)
    await stream.send(b"much")
    await stream.receive(1)
    await reset(socket_of(stream))


PEERS = [
    hangs_up_at_once,
    hangs_up_in_its_hello,
    hangs_up_after_its_hello,
    speaks_no_tls,
    hangs_up_after_the_handshake,
    hangs_up_with_much_to_read,
]


async def busy(stream: TLSStream) -> None:
    """Echo; but of those who want much, ask who they are while it is on its way."""
    with contextlib.suppress(anyio.EndOfStream):
        while True:
            data = await stream.receive()
            if data != b"much":
                await stream.send(data)
                continue
            async with anyio.create_task_group() as group:
                group.start_soon(stream.send, bytes(20_000_000))
                await stream.reauth(AuthRequest(within=30))


@on_both
async def test_no_client_ends_the_service() -> None:
    async with serving(busy) as port:
        for peer in PEERS:
            await peer(port)
            await check_serves(port)
        async with anyio.create_task_group() as group:
            for _ in range(5):
                for peer in PEERS:
                    group.start_soon(peer, port)
        await check_serves(port)


class Unexpected(Exception):
    """A mistake in a handler."""


ERRORS: dict[str, tuple[Callable[[], Exception], bool]] = {
    "anyio.BrokenResourceError": (anyio.BrokenResourceError, True),
    "anyio.ClosedResourceError": (anyio.ClosedResourceError, True),
    "anyio.EndOfStream": (anyio.EndOfStream, True),
    "ConnectionResetError": (ConnectionResetError, True),
    "TimeoutError": (TimeoutError, True),
    "TLSError": (lambda: TLSError("expected peace, got war"), True),
    "a group of them": (
        lambda: ExceptionGroup("tasks", [ExceptionGroup("more", [anyio.EndOfStream()])]),
        True,
    ),
    "a mistake": (lambda: Unexpected("oops"), False),
    "a mistake in a group": (
        lambda: ExceptionGroup("tasks", [anyio.EndOfStream(), Unexpected("oops")]),
        False,
    ),
}


@pytest.mark.parametrize("name", ERRORS)
@on_both
async def test_what_a_handler_raises_ends_its_connection_and_is_logged(
    caplog: pytest.LogCaptureFixture, name: str
) -> None:
    make, expected = ERRORS[name]

    async def handler(stream: TLSStream) -> None:
        data = await stream.receive()
        if data == b"fail":
            raise make()
        await stream.send(data)

    caplog.set_level(logging.INFO, "postshake.drive")
    async with serving(handler) as port:
        async with await open_tls_stream(
            "127.0.0.1", port, with_alice(), server_name=NAME
        ) as stream:
            await stream.send(b"fail")
            with pytest.raises(anyio.EndOfStream):
                await stream.receive()  # it said goodbye
        await check_serves(port)
    (record,) = [each for each in caplog.records if each.name == "postshake.drive"]
    assert record.levelno == (logging.INFO if expected else logging.ERROR)
    assert bool(record.exc_info) is not expected
    assert type(make()).__name__ in record.message or "group" in name


# --- what users of a stream see


class FailConnection:
    """A transport under which everything breaks, when a test says so."""

    def __init__(self, sock: socket.socket) -> None:
        self.under = AsyncSocket(sock)
        self.stuck = False  # takes nothing at once
        self.failing: Exception | None = None

    async def receive(self, max_bytes: int = 65536) -> bytes:
        if self.failing is not None:
            await anyio.lowlevel.checkpoint()
            raise self.failing
        return await self.under.receive(max_bytes)

    async def send_some(self, data: memoryview) -> int:
        if self.failing is not None:
            await anyio.lowlevel.checkpoint()
            raise self.failing
        return await self.under.send_some(data)

    def send_now(self, data: memoryview) -> int | None:
        return 0 if self.stuck else self.under.send_now(data)

    def shut_down(self) -> None:
        self.under.shut_down()

    async def aclose(self) -> None:
        await self.under.aclose()


@contextlib.asynccontextmanager
async def breakable() -> AsyncIterator[tuple[TLSStream, TLSStream, FailConnection]]:
    """A client, a server, and what the server stands on."""
    one, other = tcp_pair()
    transport = FailConnection(other)
    client = TLSStream(AsyncSocket(one), with_alice(), NAME)
    server = TLSStream(transport, server_config())
    async with anyio.create_task_group() as group:
        group.start_soon(client.handshake)
        await server.handshake()
    try:
        yield client, server, transport
    finally:
        await client.transport.aclose()
        await server.transport.aclose()


GONE = [ConnectionResetError(104, "Connection reset by peer"), BrokenPipeError(32, "Broken pipe")]


@pytest.mark.parametrize("error", GONE, ids=repr)
@pytest.mark.parametrize("output", [False, True])
@pytest.mark.parametrize("call", ["receive", "reauth"])
@on_both
async def test_a_transport_that_fails_raises_what_anyio_promises(
    error: Exception, output: bool, call: str
) -> None:
    """Not a group of errors, whatever the stream does at the same time."""
    async with breakable() as (_, server, transport):
        transport.stuck = output
        if output:
            server.connection.key_update()  # which waits to be sent
        transport.failing = error
        with pytest.raises(anyio.BrokenResourceError, match=type(error).__name__):
            await (server.receive() if call == "receive" else server.reauth())
        with pytest.raises(anyio.BrokenResourceError):
            await server.receive()


@on_both
async def test_sending_to_nobody_is_a_broken_resource() -> None:
    async with breakable() as (_, server, transport):
        transport.failing = GONE[1]
        for _ in range(2):
            with pytest.raises(anyio.BrokenResourceError, match="Broken pipe"):
                await server.send(b"hello")
        with pytest.raises(anyio.BrokenResourceError, match="Broken pipe"):
            await server.key_update()
        assert not server.connection.has_data_to_send  # nobody will take it


@on_both
async def test_what_came_before_a_send_failed_is_received() -> None:
    """The peer asks for fresh keys, sends its last words, and reads no more."""
    async with breakable() as (client, server, transport):
        await client.key_update(request_peer=True)
        await client.send(b"last words")

        def refuse(data: memoryview) -> int:
            raise GONE[1]

        transport.send_now = refuse  # type: ignore[method-assign]
        assert await server.receive() == b"last words"
        await client.send(b"and more")
        assert await server.receive() == b"and more"
        with pytest.raises(anyio.BrokenResourceError):
            await server.send(b"an answer")


@on_both
async def test_a_stream_that_is_closed_meanwhile() -> None:
    async with breakable() as (_, server, _), anyio.create_task_group() as group:

        async def receive() -> None:
            with pytest.raises((anyio.ClosedResourceError, anyio.EndOfStream)):
                await server.receive()

        group.start_soon(receive)
        await anyio.wait_all_tasks_blocked()
        await server.transport.aclose()
        server._pump.closed = True


@on_both
async def test_closing_a_stream_while_another_task_receives() -> None:
    """The one that receives reads the peer's last words for both; no two tasks read at once."""
    ends: list[Exception] = []
    ours, theirs = tcp_pair()
    client = TLSStream(AsyncSocket(ours), client_config(), NAME)
    server = TLSStream(AsyncSocket(theirs), server_config())

    async def receive(stream: TLSStream) -> None:
        try:
            await stream.receive()
        except (anyio.ClosedResourceError, anyio.EndOfStream) as error:
            ends.append(error)

    async with client, server:
        async with anyio.create_task_group() as group:
            group.start_soon(server.handshake)
            await client.handshake()
        async with anyio.create_task_group() as group:
            group.start_soon(receive, server)
            group.start_soon(receive, client)
            await anyio.wait_all_tasks_blocked()
            group.start_soon(server.aclose)
            group.start_soon(client.aclose)
    assert len(ends) == 2


# --- time


@on_both
async def test_a_client_that_says_nothing_is_let_go() -> None:
    async with serving(handshake_time=0.2) as port:
        under = await connect("127.0.0.1", port)
        with contextlib.suppress(anyio.EndOfStream, OSError):
            while True:
                await under.receive()  # until it hangs up
        await under.aclose()


@on_both
async def test_a_client_that_trickles_its_hello_is_let_go() -> None:
    """Each byte comes soon after the last; the handshake has one deadline."""
    async with serving(handshake_time=0.3) as port:
        under = await connect("127.0.0.1", port)
        sent = hello()
        with contextlib.suppress(OSError):
            for byte in sent[:-1]:
                await under.send_some(memoryview(bytes((byte,))))
                await anyio.sleep(0.005)
            raise AssertionError("it was let go on to the end")
        await under.aclose()


@on_both
async def test_a_handshake_has_a_deadline_over_all_calls() -> None:
    one, other = tcp_pair()
    stream = TLSStream(AsyncSocket(one), with_alice(), NAME, handshake_time=0.1)
    for call in (stream.handshake, stream.receive, lambda: stream.send(b"x")):
        with pytest.raises(TimeoutError):
            await call()
    before = anyio.current_time()
    with pytest.raises(TimeoutError):
        await stream.handshake()  # it is over: nobody waits again
    assert anyio.current_time() - before < 0.1
    await stream.aclose()
    other.close()


@on_both
async def test_a_handshake_may_have_no_deadline() -> None:
    one, other = tcp_pair()
    stream = TLSStream(AsyncSocket(one), with_alice(), NAME, handshake_time=None)
    with anyio.move_on_after(0.1) as waiting:
        await stream.handshake()
    assert waiting.cancelled_caught
    await stream.transport.aclose()
    other.close()
