"""The transport for asyncio, on asyncio's loop and on uvloop."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import random
import ssl
import time
from typing import Any

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from postshake import ChainVerifier, ClientConfig, Credential, ServerConfig, TrustStore
from postshake.config import AuthRequest, ClientAuth
from postshake.connection import Connection
from postshake.drive.asyncio.protocol import TLSProtocol, TLSTransport
from postshake.drive.asyncio.streams import (
    create_connection,
    create_server,
    open_connection,
    start_server,
    start_tls,
)
from postshake.errors import (
    CertificateRequired,
    DataWaiting,
    InternalError,
    ReauthUnavailable,
    TLSError,
    TruncationError,
    UnknownCA,
)
from tests.certs import CA
from tests.drive.anyio.test_stream import with_alice
from tests.pair import client_config, issued, server_config
from tests.sslmodule.ends import ca_file, client_context, files, server_context
from tests.waiting import PATIENCE, await_until

NAME = "server.example"


def on_both(function):
    """Run a test on both kinds of loop."""

    @functools.wraps(function)
    def test(*, loop, **options):
        factory = uvloop.new_event_loop if loop == "uvloop" else None
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(asyncio.wait_for(function(**options), PATIENCE))

    loop = inspect.Parameter("loop", inspect.Parameter.KEYWORD_ONLY)
    own = inspect.signature(function)
    test.__signature__ = own.replace(parameters=[*own.parameters.values(), loop])  # type: ignore[attr-defined]
    return pytest.mark.parametrize("loop", ["asyncio", "uvloop"])(test)


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr("postshake.drive.asyncio.protocol.LINGER", 0.05)
    monkeypatch.setattr("postshake.drive.asyncio.pending_reauths.STALL", 0.1)


def timed(**fields):
    return server_config(clock=time.monotonic, **fields)


@contextlib.asynccontextmanager
async def serving(handle, config=None, **options):
    """A server of streams, and its port; what its handlers raise is raised here."""
    done: list[Any] = []

    async def served(reader, writer):
        task = asyncio.current_task()
        done.append(task)
        try:
            await handle(reader, writer)
        finally:
            await leave(writer)

    server = await start_server(served, "127.0.0.1", 0, config or timed(), **options)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in done:
            await task


async def visit(port, config=None, **options):
    return await open_connection(
        "127.0.0.1", port, config or with_alice(), server_name=NAME, **options
    )


async def leave(writer):
    writer.close()
    with contextlib.suppress(OSError, TruncationError):
        await writer.wait_closed()


async def echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


# --- talking


@on_both
async def test_talking():
    async with serving(echo) as port:
        reader, writer = await visit(port)
        writer.write(b"hello")
        writer.writelines([b", ", b"world"])
        assert await reader.readexactly(12) == b"hello, world"
        info = writer.get_extra_info
        assert info("peer_identity").common_name == NAME
        assert info("cipher").startswith("TLS_")
        assert info("tls_version").name == "TLS13"
        assert info("connection").established is not None
        assert info("peername")[1] == port
        assert info("nothing", 7) == 7
        await leave(writer)


@on_both
async def test_what_both_ends_know():
    found: list[Any] = []

    async def handle(reader, writer):
        await writer.transport.reauth()
        found.append(writer.get_extra_info)
        writer.write(b"done")
        await reader.read()

    ours = with_alice(alpn_protocols=(b"h2", b"echo"))
    async with serving(handle, timed(alpn_protocols=(b"echo",))) as port:
        reader, writer = await visit(port, ours)
        assert await reader.readexactly(4) == b"done"
        client, server = writer.get_extra_info, found[0]
        assert client("peercert_der") == server("connection").config.credentials[0].chain[0]
        assert server("peercert_der") == ours.credentials[0].chain[0]
        assert server("peer_identity").common_name == "alice"
        for info in client, server:
            assert info("alpn_protocol") == b"echo"
            assert info("tls_version").name == "TLS13"
        assert client("cipher") == server("cipher")
        assert client("sockname") == server("peername")
        await leave(writer)


@on_both
async def test_a_ticket_resumes():
    config = timed(tickets=1)
    async with serving(echo, config) as port:
        reader, writer = await visit(port)
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        (ticket,) = writer.get_extra_info("connection").tickets
        await leave(writer)
        reader, writer = await visit(port, session=ticket)
        assert writer.get_extra_info("connection").established.resumed
        assert writer.get_extra_info("peer_identity").common_name == NAME
        await leave(writer)


@on_both
async def test_early_data_is_told_from_the_rest():
    pieces: list[Any] = []

    class Server(Noting):
        def data_received(self, data):
            pieces.append((data, self.transport.data_is_early))
            self.transport.write(b"got it")

    config = timed(tickets=1, max_early_data=1000)
    server = await create_server(Server, "127.0.0.1", 0, config)
    port = server.sockets[0].getsockname()[1]
    first, protocol = await noting(port)
    first.write(b"no ticket yet")
    while not (protocol.data and first.connection.tickets):
        await asyncio.sleep(0.01)
    (ticket,) = first.connection.tickets
    first.close()
    await protocol.lost
    protocol = Noting()
    connection = Connection(first.connection.config, NAME, session=ticket)
    connection.send_early_data(b"early")
    tls = TLSProtocol(protocol, connection)
    await asyncio.get_running_loop().create_connection(lambda: tls, "127.0.0.1", port)
    again = tls.app_transport
    while not protocol.data:
        await asyncio.sleep(0.01)
    again.write(b"late")
    while len(pieces) < 3:
        await asyncio.sleep(0.01)
    assert again.connection.established.early_data_accepted
    again.close()
    await protocol.lost
    server.close()
    assert pieces == [(b"no ticket yet", False), (b"early", True), (b"late", False)]


@on_both
async def test_much_data_both_ways():
    data = bytes(range(256)) * 20_000
    async with serving(echo) as port:
        reader, writer = await visit(port)

        async def send():
            for start in range(0, len(data), 100_000):
                writer.write(data[start : start + 100_000])
                await writer.drain()

        _, got = await asyncio.gather(send(), reader.readexactly(len(data)))
        assert got == data
        await leave(writer)


@on_both
async def test_half_close():
    async def answer(reader, writer):
        assert await reader.read() == b"all that I have"
        writer.write(b"thanks")

    async with serving(answer) as port:
        reader, writer = await visit(port)
        assert writer.can_write_eof()
        writer.write(b"all that I have")
        writer.write_eof()
        assert await reader.read() == b"thanks"
        await leave(writer)


class Noting(asyncio.Protocol):
    """Notes what it is told."""

    def __init__(self):
        self.calls = []
        self.data = bytearray()
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.calls.append("made")
        self.transport = transport

    def data_received(self, data):
        self.data += data

    def eof_received(self):
        self.calls.append("eof")

    def connection_lost(self, exc):
        self.calls.append("lost")
        self.lost.set_result(exc)

    def pause_writing(self):
        self.calls.append("pause")

    def resume_writing(self):
        self.calls.append("resume")


async def noting(port, config=None, **options):
    return await create_connection(
        Noting, "127.0.0.1", port, config or with_alice(), server_name=NAME, **options
    )


@on_both
async def test_flow_control():
    go_on = asyncio.Event()

    async def slow(reader, writer):
        await go_on.wait()
        assert len(await reader.readexactly(8_000_000)) == 8_000_000
        writer.write(b"x" * 2_000_000)
        await writer.drain()
        await reader.read()

    async with serving(slow, limit=2**24) as port:
        transport, protocol = await noting(port)
        transport.set_write_buffer_limits(high=100_000)
        assert transport.get_write_buffer_limits()[1] == 100_000
        transport.pause_reading()
        assert not transport.is_reading()
        transport.write(b"y" * 8_000_000)
        assert "pause" in protocol.calls
        assert transport.get_write_buffer_size() > 100_000
        go_on.set()
        while "resume" not in protocol.calls:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        assert not protocol.data  # paused
        transport.resume_reading()
        while len(protocol.data) < 2_000_000:
            await asyncio.sleep(0.01)
        transport.close()
        assert await protocol.lost is None
        assert protocol.calls.count("lost") == 1


class Buffered(asyncio.BufferedProtocol):
    """A protocol that has its own buffer."""

    def __init__(self):
        self.buffer = bytearray(7)
        self.data = bytearray()
        self.lost = asyncio.Event()

    def get_buffer(self, sizehint):
        return self.buffer

    def buffer_updated(self, nbytes):
        self.data += self.buffer[:nbytes]

    def connection_lost(self, error):
        self.lost.set()


@on_both
async def test_a_buffered_protocol():
    async with serving(echo) as port:
        transport, protocol = await create_connection(
            Buffered, "127.0.0.1", port, with_alice(), server_name=NAME
        )
        assert isinstance(protocol, Buffered)
        transport.write(b"0123456789" * 10)
        while len(protocol.data) < 100:
            await asyncio.sleep(0.01)
        assert protocol.data == b"0123456789" * 10
        transport.close()
        await protocol.lost.wait()


# --- reauth


def asking(result, *requests):
    """A server that asks, once for each request, and says so when it is done."""

    async def handle(reader, writer):
        for request in requests or (None,):
            try:
                result.append(await writer.transport.reauth(request))
            except Exception as error:
                result.append(error)
        writer.write(b"done")
        await writer.drain()
        await reader.read()

    return handle


@on_both
async def test_reauth_twice():
    result: list[Any] = []
    async with serving(asking(result, None, AuthRequest(within=10))) as port:
        reader, writer = await visit(port)
        assert await reader.readexactly(4) == b"done"
        await leave(writer)
    assert [each.common_name for each in result] == ["alice", "alice"]


@on_both
async def test_reauth_while_data_flows_both_ways():
    data = bytes(range(256)) * 8000
    result: list[Any] = []

    async def handle(reader, writer):
        async def ask():
            for _ in range(3):
                result.append(await writer.transport.reauth())

        await asyncio.gather(echo(reader, writer), ask())

    async with serving(handle) as port:
        reader, writer = await visit(port)

        async def send():
            for start in range(0, len(data), 50_000):
                writer.write(data[start : start + 50_000])
                await writer.drain()

        _, got = await asyncio.gather(send(), reader.readexactly(len(data)))
        assert got == data
        while len(result) < 3:
            await asyncio.sleep(0.01)
        writer.write_eof()
        await leave(writer)
    assert {each.common_name for each in result} == {"alice"}


@on_both
async def test_reauth_with_an_upload_that_nobody_reads():
    result: list[Any] = []

    async def handle(reader, writer):
        writer.transport.pause_reading()  # as a stream does whose buffer is full
        result.append(await writer.transport.reauth())
        writer.transport.resume_reading()
        assert len(await reader.readexactly(500_000)) == 500_000
        writer.write(b"done")

    async with serving(handle) as port:
        reader, writer = await visit(port)
        writer.write(bytes(500_000))
        assert await reader.readexactly(4) == b"done"
        await leave(writer)
    assert result[0].common_name == "alice"


@on_both
async def test_delayed_expired_cancelled_and_several_at_once():
    result: list[Any] = []
    calls = 0

    async def answer(request):
        nonlocal calls
        calls += 1
        await asyncio.sleep(0.3 if calls < 3 else 0)
        return issued("alice").credential()

    async def handle(reader, writer):
        transport = writer.transport
        with pytest.raises(TimeoutError, match="no answer within"):
            await transport.reauth(AuthRequest(within=0.05))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await transport.reauth()
        assert not transport.connection.open_requests
        result.extend(await asyncio.gather(*(transport.reauth() for _ in range(4))))
        writer.write(b"done")

    async with serving(handle) as port:
        reader, writer = await visit(port, answer=answer)
        assert await reader.readexactly(4) == b"done"
        await leave(writer)
    assert [each.common_name for each in result] == ["alice"] * 4


@on_both
async def test_declined_refused_and_impossible():
    result: list[Any] = []
    requests = AuthRequest(required=False), AuthRequest()
    async with serving(asking(result, *requests)) as port:
        reader, writer = await visit(port, client_config(credentials=()))
        assert await reader.readexactly(4) == b"done"
        await leave(writer)
        mallory = CA("Another CA").issue("mallory").credential()
        reader, writer = await visit(port, client_config(credentials=(mallory,)))
        assert await reader.readexactly(4) == b"done"
        await leave(writer)
        reader, writer = await visit(port, client_config(post_handshake_auth=False))
        assert await reader.readexactly(4) == b"done"
        await leave(writer)
    assert result[0] is None
    kinds = [CertificateRequired, UnknownCA, UnknownCA, ReauthUnavailable, ReauthUnavailable]
    assert [type(each) for each in result[1:]] == kinds


@on_both
async def test_what_fails_on_a_client_declines():
    result: list[Any] = []
    told: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))

    def broken(request):
        raise ValueError("no token")

    async with serving(asking(result, AuthRequest(required=False))) as port:
        reader, writer = await visit(port, answer=broken)
        assert await reader.readexactly(4) == b"done"
        await leave(writer)
    assert result == [None]
    assert isinstance(told[0]["exception"], ValueError)


@on_both
async def test_asynchronous_keys_and_verdicts():
    credential = issued("alice").credential()
    verifier = server_config().verifier
    result: list[Any] = []

    class Slow:
        public_key, schemes = credential.signer.public_key, credential.signer.schemes

        async def sign(self, scheme, data):
            await asyncio.sleep(0.01)
            return credential.signer.sign(scheme, data)

        async def verify(self, peer):
            await asyncio.sleep(0.01)
            return verifier.verify(peer)

    slow = client_config(credentials=(Credential(credential.chain, Slow()),), verifier=Slow())
    async with serving(asking(result), timed(verifier=Slow())) as port:
        reader, writer = await visit(port, slow)
        assert await reader.readexactly(4) == b"done"
        await leave(writer)
    assert result[0].common_name == "alice"


@on_both
async def test_a_client_that_leaves_instead():
    result: list[Any] = []
    for how in ("abort", "close"):
        outcome = asyncio.get_running_loop().create_future()

        async def handle(reader, writer, outcome=outcome):
            try:
                outcome.set_result(await writer.transport.reauth())
            except Exception as error:
                outcome.set_result(error)

        async with serving(handle) as port:

            async def never(request):
                await asyncio.sleep(60)

            _, writer = await visit(port, answer=never)
            getattr(writer.transport, how)()
            result.append(await outcome)
    assert all(isinstance(each, ReauthUnavailable | TruncationError | OSError) for each in result)


# --- breaking


@on_both
async def test_handshakes_that_fail():
    async with serving(echo) as port:
        with pytest.raises(TLSError):
            await open_connection("127.0.0.1", port, with_alice(), server_name="other.example")
        with pytest.raises(UnknownCA):
            await visit(port, client_config(verifier=CA("Another CA").verifier()))
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"no TLS at all" * 10)
        assert (await reader.read())[:1] == b"\x15"
        writer.close()

    gone = asyncio.Event()

    async def silent(reader, writer):
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()
        gone.set()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    with pytest.raises(TimeoutError):
        await visit(server.sockets[0].getsockname()[1], handshake_time=0.1)
    await gone.wait()
    server.close()


@on_both
async def test_a_client_that_never_shakes_hands():
    async with serving(echo, handshake_time=0.1) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()


@on_both
async def test_hanging_up_without_a_goodbye():
    seen = []

    async def handle(reader, writer):
        try:
            while data := await reader.read(100):
                seen.append(data)
        except Exception as error:
            seen.append(error)

    async with serving(handle) as port:
        _, writer = await visit(port)
        writer.write(b"last words")
        await await_until(lambda: seen)
        writer.transport.abort()
        await await_until(lambda: len(seen) > 1)
    assert seen[0] == b"last words"
    assert isinstance(seen[1], TruncationError | ConnectionError)


@on_both
async def test_what_comes_up_keeps_its_order_and_its_sender():
    """Data that was held back comes before the goodbye, and is not the later identity's."""
    calls: list[Any] = []
    done = asyncio.Event()

    class Server(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport = transport
            transport.pause_reading()
            self.task = asyncio.get_running_loop().create_task(self.ask())

        async def ask(self):
            identity = await self.transport.reauth()
            assert identity.common_name == "alice"
            await asyncio.sleep(0.1)
            assert not calls
            self.transport.resume_reading()

        def data_received(self, data):
            for byte in data:
                whose = self.transport.data_identity
                calls.append((chr(byte), whose.common_name if whose else None))
            assert self.transport.get_extra_info("peer_identity").common_name == "alice"

        def eof_received(self):
            calls.append("eof")

        def connection_lost(self, exc):
            calls.append("lost")
            done.set()

    server = await create_server(Server, "127.0.0.1", 0, timed())

    async def answer(request):
        writer.write(b"1")
        asyncio.get_running_loop().call_later(0.02, lambda: writer.write(b"2"))
        asyncio.get_running_loop().call_later(0.03, writer.write_eof)
        return issued("alice").credential()

    reader, writer = await visit(server.sockets[0].getsockname()[1], answer=answer)
    assert await reader.read() == b""
    await leave(writer)
    await done.wait()
    server.close()
    assert calls == [("1", None), ("2", "alice"), "eof", "lost"]


@on_both
async def test_a_verdict_against_a_server_is_said_to_it():
    async def judge(reader, writer):
        await reader.read()

    class Late:
        async def verify(self, peer):
            await asyncio.sleep(0.01)
            raise ValueError("the directory is down")

    class Now:
        def verify(self, peer):
            raise ValueError("the directory is down")

    for verifier in (Late(), Now()):
        alerts: list[Any] = []
        server_side = await create_server(Noting, "127.0.0.1", 0, timed(trace=alerts.append))
        port = server_side.sockets[0].getsockname()[1]
        with pytest.raises(InternalError):
            await visit(port, client_config(verifier=verifier))
        async with asyncio.timeout(PATIENCE):
            while "internal_error" not in repr(alerts):
                await asyncio.sleep(0.01)
        server_side.close()


@pytest.mark.usefixtures("impatient")
@on_both
async def test_closing_sends_what_was_written_to_a_slow_reader():
    go_on = asyncio.Event()
    got: list[int] = []

    async def slow(reader, writer):
        writer.transport.pause_reading()
        await go_on.wait()
        writer.transport.resume_reading()
        got.append(len(await reader.read()))

    async with serving(slow, limit=2**16) as port:
        transport, protocol = await noting(port)
        transport.write(bytes(20_000_000))
        transport.close()
        transport.write(b"too late")
        await asyncio.sleep(0.3)
        assert not protocol.lost.done()
        go_on.set()
        assert await protocol.lost is None
    assert got == [20_000_000]


@pytest.mark.usefixtures("impatient")
@on_both
async def test_a_reader_that_never_reads_does_not_hold_a_closed_transport():
    go_on = asyncio.Event()

    async def deaf(reader, writer):
        writer.transport.pause_reading()
        await go_on.wait()

    async with serving(deaf) as port:
        transport, protocol = await noting(port, shutdown_time=0.2)
        transport.write(bytes(20_000_000))
        transport.close()
        await protocol.lost
        go_on.set()


@pytest.mark.usefixtures("impatient")
@on_both
async def test_reauth_when_it_is_too_late_or_too_much_waits():
    result: list[Any] = []

    async def handle(reader, writer):
        transport = writer.transport
        transport.pause_reading()
        with pytest.raises(DataWaiting, match="are for them: reading is paused"):
            await transport.reauth()
        assert not transport.connection.open_requests
        assert transport.connection.readable < 3_000_000
        transport.close()
        with pytest.raises(ReauthUnavailable, match="is closed"):
            await transport.reauth()
        result.append("done")

    async with serving(handle) as port:
        reader, writer = await visit(port)
        writer.write(bytes(20_000_000))
        await reader.read()
        writer.transport.abort()
    assert result == ["done"]


# --- others' TLS


def configs():
    trust = TrustStore.from_files(ca_file())
    alice = Credential.from_files(*files("alice", purpose="client"))
    server = Credential.from_files(*files())
    return (
        ClientConfig(credentials=(alice,), verifier=ChainVerifier(trust)),
        ServerConfig(credentials=(server,), verifier=ChainVerifier(trust)),
    )


@on_both
async def test_a_client_with_the_standard_librarys_tls():
    result: list[Any] = []
    async with serving(asking(result), configs()[1]) as port:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=client_context(ssl), server_hostname="localhost"
        )
        assert await reader.readexactly(4) == b"done"
        writer.close()
    assert result[0].common_name == "alice"


@on_both
async def test_a_server_with_the_standard_librarys_tls():
    certificates = []

    async def handle(reader, writer):
        tls = writer.get_extra_info("ssl_object")
        tls.verify_client_post_handshake()
        writer.write(b"who are you?")
        await reader.readexactly(4)
        certificates.append(tls.getpeercert()["subject"])
        writer.close()

    context = server_context(ssl, asks_later=True)
    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await open_connection("127.0.0.1", port, configs()[0], server_name="localhost")
    assert await reader.readexactly(12) == b"who are you?"
    writer.write(b"me!!")
    assert await reader.read() == b""
    await leave(writer)
    server.close()
    assert certificates == [((("commonName", "alice"),),)]


@on_both
async def test_start_tls():
    async def handle(reader, writer):
        assert await reader.readline() == b"STARTTLS\n"
        writer.write(b"go\n")
        await writer.drain()
        protocol = Noting()
        transport = await start_tls(writer.transport, protocol, timed())
        transport.write(b"in secret")
        await protocol.lost
        done.set()

    done = asyncio.Event()
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"STARTTLS\n")
    assert await reader.readline() == b"go\n"
    protocol = Noting()
    transport = await start_tls(writer.transport, protocol, with_alice(), server_name=NAME)
    assert isinstance(transport, TLSTransport)
    while protocol.data != b"in secret":
        await asyncio.sleep(0.01)
    transport.close()
    await protocol.lost
    await done.wait()
    server.close()


# --- chance


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32))
def test_pieces_where_chance_says(seed):
    chance = random.Random(seed)
    data = bytes(range(256)) * 100

    async def main():
        result: list[Any] = []

        async def handle(reader, writer):
            async def ask():
                result.append(await writer.transport.reauth())

            await asyncio.gather(echo(reader, writer), ask())

        async with serving(handle) as port:
            reader, writer = await visit(port)
            got = b""
            left = data
            while left or len(got) < len(data):
                size = chance.choice([1, 10, 1000, 20_000])
                writer.write(left[:size])
                left = left[size:]
                if len(got) < len(data):
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(0.001):
                            got += await reader.read(chance.choice([1, 100, 10_000]))
            assert got == data
            while not result:
                await asyncio.sleep(0.001)
            writer.write_eof()
            await leave(writer)
        assert result[0].common_name == "alice"

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


# --- protocols that fail


class FailConnection(asyncio.Protocol):
    """Makes a mistake where the client says."""

    def __init__(self, where: str, lost: asyncio.Future[Any]):
        self.where = where
        self.lost = lost

    def connection_made(self, transport):
        self.transport = transport
        self.fail("connection_made")

    def data_received(self, data):
        if data == b"hello":
            self.transport.write(data)
        else:
            self.fail("data_received")

    def eof_received(self):
        self.fail("eof_received")

    def connection_lost(self, exc):
        self.lost.set_result(exc)

    def fail(self, where):
        if where == self.where:
            raise LookupError("a mistake")


@pytest.mark.parametrize("where", ["connection_made", "data_received", "eof_received"])
@pytest.mark.parametrize("later", [False, True], ids=["at once", "in a task"])
@on_both
async def test_a_protocol_that_fails_ends_its_own_connection(where, later):
    """As on asyncio's own transports, also where a verdict was awaited meanwhile."""
    loop = asyncio.get_running_loop()
    told: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda loop, context: told.append(context))
    places = [where, ""]
    lost: list[asyncio.Future[Any]] = [loop.create_future(), loop.create_future()]
    pending = list(lost)

    class Slow:
        def __init__(self, verifier):
            self.verifier = verifier

        async def verify(self, peer):
            await asyncio.sleep(0)
            return self.verifier.verify(peer)

    fields: dict[str, Any] = {"client_auth": ClientAuth.REQUEST}
    if later:
        fields["verifier"] = Slow(timed().verifier)
    server = await create_server(
        lambda: FailConnection(places.pop(0), pending.pop(0)), "127.0.0.1", 0, timed(**fields)
    )
    port = server.sockets[0].getsockname()[1]
    reader, writer = await visit(port)
    with contextlib.suppress(ConnectionError):
        writer.write(b"fail")
        writer.write_eof()
    with contextlib.suppress(ConnectionError, TruncationError):
        await reader.read()
    assert isinstance(await lost[0], LookupError)
    (context,) = told
    assert context["message"] == f"Fatal error: protocol.{where}() call failed."
    assert isinstance(context["exception"], LookupError)
    await leave(writer)
    reader, writer = await visit(port)  # the next one is served
    writer.write(b"hello")
    assert await reader.readexactly(5) == b"hello"
    await leave(writer)
    server.close()
