"""TLS streams on asyncio and trio: talking, reauth, cancelling, and tasks side by side."""

from __future__ import annotations

import contextlib
import functools
import random
import socket
import ssl
import time
from typing import ClassVar

import anyio
import anyio.lowlevel
import anyio.streams.tls
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postshake.config import AuthRequest
from postshake.drive.anyio import TLSStream, open_tls_stream, serve_tls
from postshake.drive.anyio.tcp import connect, listen
from postshake.drive.anyio.transports import AsyncSocket
from postshake.errors import (
    CertificateError,
    CertificateRequired,
    DataWaiting,
    ReauthUnavailable,
    TLSError,
    TruncationError,
    UnknownCA,
    UsageError,
)
from postshake.events import Event, HandshakeCompleted, ReauthCompleted
from tests.certs import CA
from tests.pair import client_config, issued, server_config
from tests.sslmodule.ends import ca_file as ssl_ca_file
from tests.sslmodule.ends import client_context, server_context
from tests.sslmodule.ends import files as ssl_files
from tests.waiting import PATIENCE

NAME = "server.example"
BACKENDS = ["asyncio", "trio"]


def on_both(function):
    """Run a test on asyncio and on trio."""

    @pytest.mark.parametrize("backend", BACKENDS)
    @functools.wraps(function)
    def test(backend, *arguments, **options):
        async def limited():
            with anyio.fail_after(PATIENCE):
                await function(*arguments, **options)

        anyio.run(limited, backend=backend)

    del test.__wrapped__  # pytest would look at the coroutine's signature
    return test


class Trickle:
    """A transport that moves a few bytes at a time, as chance says."""

    def __init__(self, sock, seed=None):
        self.under = AsyncSocket(sock)
        self.chance = random.Random(seed) if seed is not None else None

    async def receive(self, max_bytes=65536):
        if self.chance:
            await anyio.lowlevel.checkpoint()
            max_bytes = self.chance.choice([1, 2, 7, 100, 5000])
        return await self.under.receive(max_bytes)

    async def send_some(self, data):
        if self.chance:
            await anyio.lowlevel.checkpoint()
            data = data[: self.chance.choice([1, 3, 50, 4000])]
        return await self.under.send_some(data)

    def send_now(self, data):
        if self.chance and self.chance.random() < 0.5:
            return 0
        return self.under.send_now(data[: self.chance.choice([1, 3, 50])] if self.chance else data)

    def shut_down(self):
        self.under.shut_down()

    async def aclose(self):
        await self.under.aclose()


def with_alice(**fields):
    return client_config(credentials=(issued("alice").credential(),), **fields)


def timed(**fields):
    """A server's configuration on the real clock."""
    return server_config(clock=time.monotonic, **fields)


@contextlib.asynccontextmanager
async def pair(client=None, server=None, *, shaken=True, seed=None, **options):
    """A client and a server, over a pair of sockets."""
    one, other = socket.socketpair()
    client_options = {k[7:]: v for k, v in options.items() if k.startswith("client_")}
    server_options = {k[7:]: v for k, v in options.items() if k.startswith("server_")}
    a = TLSStream(Trickle(one, seed), client or with_alice(), NAME, **client_options)
    b = TLSStream(Trickle(other, seed), server or timed(), **server_options)
    try:
        if shaken:
            async with anyio.create_task_group() as group:
                group.start_soon(a.handshake)
                group.start_soon(b.handshake)
        yield a, b
    finally:
        for each in (a, b):
            each.connection.close()
            await each.transport.aclose()


@contextlib.asynccontextmanager
async def reading(stream, into=None):
    """Receive in another task, as a client does that may be asked at any time."""

    async def receive():
        with contextlib.suppress(anyio.EndOfStream, anyio.ClosedResourceError):
            while True:
                data = await stream.receive()
                if into is not None:
                    into.extend(data)

    async with anyio.create_task_group() as group:
        group.start_soon(receive)
        yield
        group.cancel_scope.cancel()


# --- talking


@on_both
async def test_talking_and_ending():
    async with pair() as (client, server):
        await client.send(b"hello")
        assert await server.receive() == b"hello"
        await client.send_eof()
        with pytest.raises(anyio.EndOfStream):
            await server.receive()
        await server.send(b"still here")
        assert await client.receive(5) == b"still"
        assert await client.receive() == b" here"
        with pytest.raises(UsageError):
            await client.send(b"no more")
        assert client.extra_attributes[anyio.streams.tls.TLSAttribute.tls_version]() == "TLSv1.3"
        assert "TLSStream" in repr(client)


@on_both
async def test_much_data_both_ways_at_once():
    data = bytes(range(256)) * 8000
    async with pair() as (client, server):
        got = {client: bytearray(), server: bytearray()}

        async def receive(end):
            while len(got[end]) < len(data):
                got[end] += await end.receive()

        async with anyio.create_task_group() as group:
            for end in (client, server):
                group.start_soon(receive, end)
                group.start_soon(end.send, data)
        assert got[client] == got[server] == data


@on_both
async def test_over_tcp():
    served = []

    async def handle(stream):
        served.append(stream.peer_identity)
        while True:
            await stream.send(await stream.receive())

    async with anyio.create_task_group() as group:
        addresses = await group.start(serve_tls, handle, "127.0.0.1", 0, server_config())
        port = addresses[0][1]
        for _ in range(3):
            async with await open_tls_stream(
                "127.0.0.1", port, client_config(), server_name=NAME
            ) as stream:
                await stream.send(b"echo")
                assert await stream.receive() == b"echo"
        with pytest.raises(TLSError):
            await open_tls_stream("127.0.0.1", port, client_config())  # no such name
        sock = await connect("127.0.0.1", port)
        await sock.send_some(memoryview(b"no TLS at all"))
        await sock.aclose()
        group.cancel_scope.cancel()
    assert served == [None] * 3


@on_both
async def test_nobody_is_there():
    async with listen("127.0.0.1", 0) as sockets:
        port = sockets[0].getsockname()[1]
    with pytest.raises(OSError, match="refused"):
        await connect("127.0.0.1", port)


# --- reauth


@on_both
async def test_reauth_while_data_flows_both_ways():
    async with pair() as (client, server):
        seen = bytearray()
        async with reading(client), reading(server, seen), anyio.create_task_group() as group:
            group.start_soon(client.send, bytes(500_000))
            group.start_soon(server.send, bytes(500_000))
            identities = [await server.reauth() for _ in range(5)]
        assert {each.common_name for each in identities} == {"alice"}
        assert server.peer_identity.common_name == "alice"


@on_both
async def test_data_before_the_answer_is_kept_and_is_nobodys():
    async with pair() as (client, server):
        await client.send(b"before")
        async with reading(client):
            assert (await server.reauth()).common_name == "alice"
        assert await server.receive_with_identity() == (b"before", None)
        await client.send(b"after")
        data, whose = await server.receive_with_identity()
        assert (data, whose.common_name) == (b"after", "alice")


@on_both
async def test_an_upload_that_nobody_receives():
    async with (
        pair(server_max_unread=100_000) as (client, server),
        anyio.create_task_group() as group,
    ):
        group.start_soon(client.send, bytes(400_000))
        with pytest.raises(DataWaiting):
            await server.reauth()
        assert not server.connection.open_requests
        got = 0
        while got < 400_000:
            got += len(await server.receive())
        async with reading(client):
            assert (await server.reauth()).common_name == "alice"


@on_both
async def test_several_at_a_time():
    outcomes = []
    async with pair() as (client, server):

        async def ask():
            outcomes.append(await server.reauth())

        async with reading(client), anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(ask)
    assert len(outcomes) == 10


@on_both
async def test_an_answer_that_takes_its_time():
    go_on = anyio.Event()

    async def answer(request):
        await go_on.wait()
        return issued("alice", "client").credential()

    async with pair(client_answer=answer) as (client, server):
        async with reading(client), anyio.create_task_group() as group:
            outcomes = []

            async def ask():
                outcomes.append(await server.reauth())

            group.start_soon(ask)
            await anyio.sleep(0.02)
            assert not outcomes
            await server.send(b"meanwhile")
            go_on.set()
        assert outcomes[0].common_name == "alice"


@on_both
async def test_a_deadline():
    async def never(request):
        await anyio.sleep_forever()

    async with pair(client_answer=never) as (client, server), reading(client):
        with pytest.raises(TimeoutError, match="no answer within"):
            await server.reauth(AuthRequest(within=0.05))
        assert not server.connection.open_requests
        await server.send(b"the connection goes on")


@on_both
async def test_cancelled_half_way_and_asked_again():
    first = True
    waited = anyio.Event()

    async def answer(request):
        nonlocal first
        if first:
            first = False
            await waited.wait()
        return issued("alice", "client").credential()

    async with pair(client_answer=answer) as (client, server), reading(client):
        with anyio.move_on_after(0.05) as scope:
            await server.reauth()
        assert scope.cancelled_caught
        assert not server.connection.open_requests  # withdrawn
        waited.set()
        assert (await server.reauth()).common_name == "alice"


@on_both
async def test_declining():
    bare = client_config(credentials=())
    async with pair(bare) as (client, server), reading(client):
        assert await server.reauth(AuthRequest(required=False)) is None
        with pytest.raises(CertificateRequired):
            await server.reauth()
        assert server.peer_identity is None
        await server.send(b"the connection goes on")


@on_both
async def test_a_certificate_that_is_not_believed():
    mallory = CA("Another CA").issue("mallory").credential()
    async with pair(client_config(credentials=(mallory,))) as (client, server), reading(client):
        with pytest.raises(UnknownCA):
            await server.reauth()


@on_both
async def test_who_cannot_be_asked():
    async with pair(client_config(post_handshake_auth=False)) as (client, server):
        with pytest.raises(ReauthUnavailable):
            await server.reauth()
        with pytest.raises(UsageError):
            await client.reauth()
    async with pair() as (client, server):
        await client.send_eof()
        with pytest.raises(ReauthUnavailable):
            await server.reauth()


@on_both
async def test_an_asynchronous_verdict_and_an_asynchronous_key():
    verifier = server_config().verifier
    credential = issued("alice", "client").credential()

    class Slow:
        public_key, schemes = credential.signer.public_key, credential.signer.schemes

        async def verify(self, peer):
            await anyio.sleep(0.01)
            return verifier.verify(peer)

        async def sign(self, scheme, data):
            await anyio.sleep(0.01)
            return credential.signer.sign(scheme, data)

    slow = client_config(credentials=(type(credential)(credential.chain, Slow()),))
    async with pair(slow, server_config(verifier=Slow())) as (client, server), reading(client):
        assert (await server.reauth()).common_name == "alice"


@on_both
async def test_what_fails_on_a_client_declines():
    async def broken(request):
        raise ValueError("no token")

    async with pair(client_answer=broken) as (client, server), anyio.create_task_group() as group:
        outcomes = []

        async def ask():
            outcomes.append(await server.reauth(AuthRequest(required=False)))

        group.start_soon(ask)
        with pytest.raises(UsageError, match="no token"):
            await client.receive()
        await client.send(b"unharmed")
        assert await server.receive() == b"unharmed"
    assert outcomes == [None]


@on_both
async def test_events_are_told():
    events: list[Event] = []
    async with pair(server_on_event=events.append) as (client, server), reading(client):
        await server.reauth()
        await server.key_update(request_peer=True)
        await server.send(b"x")
    kinds = [type(each) for each in events]
    assert kinds[0] is HandshakeCompleted
    assert ReauthCompleted in kinds


# --- cancelling


@on_both
async def test_cancelling_a_receive_loses_nothing():
    data = bytes(range(256)) * 400
    got = bytearray()
    chance = random.Random(7)
    async with pair(seed=3) as (client, server), anyio.create_task_group() as group:
        group.start_soon(client.send, data)
        while len(got) < len(data):
            with anyio.move_on_after(chance.choice([0, 0.0001, 0.001])):
                piece = await server.receive()
                got += piece
    assert got == data


@on_both
async def test_cancelling_sends_and_handshakes():
    async with pair(shaken=False, seed=11) as (client, server):

        async def patiently(call):
            chance = random.Random(5)
            while True:
                with anyio.move_on_after(chance.choice([0, 0.0005, 0.01])):
                    return await call()

        async with anyio.create_task_group() as group:
            group.start_soon(patiently, client.handshake)
            group.start_soon(patiently, server.handshake)
        sent = []
        for index in range(30):
            with anyio.move_on_after(0 if index % 3 else 1):
                await client.send(b"%04d" % index * 200)
                sent.append(index)
        await client.send(b"end")
        got = b""
        while not got.endswith(b"end"):
            got += await server.receive()
        for index in sent:
            assert b"%04d" % index * 200 in got


@on_both
async def test_a_send_over_another_stream_that_was_cancelled():
    class Stuck:
        extra_attributes: ClassVar[dict] = {}

        async def receive(self, max_bytes=65536):
            await anyio.sleep_forever()

        async def send(self, item):
            await anyio.sleep_forever()

        async def aclose(self):
            pass

    stream = TLSStream.over(Stuck(), client_config(), NAME)
    with anyio.move_on_after(0.01):
        await stream.handshake()
    with pytest.raises(anyio.BrokenResourceError, match="half done"):
        await stream.handshake()


@on_both
async def test_over_a_stream_of_anyios():
    one, other = socket.socketpair()
    async with (
        await anyio.abc.SocketStream.from_socket(one) as left,
        await anyio.abc.SocketStream.from_socket(other) as right,
    ):
        client = TLSStream.over(left, with_alice(), NAME)
        server = TLSStream.over(right, server_config())
        async with anyio.create_task_group() as group:
            group.start_soon(client.handshake)
            await server.handshake()
        async with reading(client):
            assert (await server.reauth()).common_name == "alice"


# --- breaking


@on_both
async def test_hanging_up():
    async with pair() as (client, server):
        await client.send(b"last words")
        await client.transport.aclose()
        assert await server.receive() == b"last words"
        with pytest.raises((TruncationError, OSError)):
            await server.receive()


@on_both
async def test_closing():
    async with pair() as (client, server):
        async with anyio.create_task_group() as group:
            group.start_soon(client.aclose)
            with pytest.raises(anyio.EndOfStream):
                await server.receive()
            await server.aclose()
        with pytest.raises(anyio.ClosedResourceError):
            await client.receive()
        with pytest.raises(anyio.ClosedResourceError):
            await client.send(b"x")


@on_both
async def test_a_server_that_is_not_believed():
    stranger = client_config(verifier=CA("Another CA").verifier())
    async with pair(stranger, shaken=False) as (client, server):
        caught = []

        async def shake(end):
            try:
                await end.handshake()
            except TLSError as error:
                caught.append(error)

        async with anyio.create_task_group() as group:
            group.start_soon(shake, client)
            group.start_soon(shake, server)
        assert isinstance(caught[0], CertificateError)
        assert len(caught) == 2


# --- other engines


@on_both
async def test_a_client_of_openssls():
    one, other = socket.socketpair()
    server = TLSStream(AsyncSocket(one), openssl_server_config())
    stream = await anyio.abc.SocketStream.from_socket(other)
    async with anyio.create_task_group() as group, stream:
        group.start_soon(server.handshake)
        client = await anyio.streams.tls.TLSStream.wrap(
            stream, hostname="localhost", ssl_context=client_context(ssl), standard_compatible=False
        )
        await client.send(b"hello")
        outcomes = []

        async def ask():
            outcomes.append(await server.reauth())
            await server.send(b"welcome")

        group.start_soon(ask)
        assert await client.receive() == b"welcome"
        assert outcomes[0].common_name == "alice"
        assert await server.receive() == b"hello"
        await server.transport.aclose()


def openssl_server_config():
    from postshake import ChainVerifier, Credential, ServerConfig, TrustStore

    return ServerConfig(
        credentials=(Credential.from_files(*ssl_files()),),
        verifier=ChainVerifier(TrustStore.from_files(ssl_ca_file())),
    )


@on_both
async def test_a_server_of_openssls():
    from postshake import ChainVerifier, ClientConfig, Credential, TrustStore

    one, other = socket.socketpair()
    config = ClientConfig(
        credentials=(Credential.from_files(*ssl_files("alice", purpose="client")),),
        verifier=ChainVerifier(TrustStore.from_files(ssl_ca_file())),
    )
    client = TLSStream(AsyncSocket(one), config, "localhost")
    stream = await anyio.abc.SocketStream.from_socket(other)
    async with anyio.create_task_group() as group, stream:
        group.start_soon(client.handshake)
        server = await anyio.streams.tls.TLSStream.wrap(
            stream,
            server_side=True,
            ssl_context=server_context(ssl, asks_later=True),
            standard_compatible=False,
        )
        server._ssl_object.verify_client_post_handshake()
        await server.send(b"who are you?")
        assert await client.receive() == b"who are you?"
        await client.send(b"see for yourself")
        assert await server.receive() == b"see for yourself"
        certificate = server._ssl_object.getpeercert()
        assert certificate is not None
        assert certificate["subject"] == ((("commonName", "alice"),),)
        await client.transport.aclose()


# --- chance


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(BACKENDS))
def test_splits_where_chance_says(seed, backend):
    async def main():
        with anyio.fail_after(PATIENCE):
            async with pair(seed=seed) as (client, server):
                got = bytearray()
                async with reading(client), reading(server, got):
                    async with anyio.create_task_group() as group:
                        group.start_soon(client.send, bytes(range(200)) * 50)
                        group.start_soon(server.key_update, True)
                        assert (await server.reauth()).common_name == "alice"
                    while len(got) < 10_000:
                        await anyio.sleep(0.001)
                assert got == bytes(range(200)) * 50

    anyio.run(main, backend=backend)
