"""Reauth through the drop-in: sockets that block and that do not, memory, asyncio, trio."""

from __future__ import annotations

import asyncio
import logging
import ssl as standard
import threading
import time

import pytest

from postshake import AuthRequest, Credential
from postshake.errors import PostshakeError
from tests.sslmodule.ends import (
    Memory,
    authority,
    client_context,
    files,
    ours,
    server_context,
    talk,
)
from tests.waiting import PATIENCE

alice = Credential.from_files(*files("alice", purpose="client"))
ASKING = {"asks_later": True}
CLIENTS = pytest.mark.parametrize("client", [ours, standard], ids=["ours", "standard"])


def answer(context, sock, data=b"hello"):
    """A client that says hello, reads until the end, and so answers what it is asked."""
    with context.wrap_socket(sock, server_hostname="localhost") as tls:
        tls.sendall(data)
        got = b""
        while piece := tls.recv(65536):
            got += piece
        return got


# --- sockets


@CLIENTS
def test_a_blocking_socket(client):
    def serve(sock):
        with server_context(ours, **ASKING).wrap_socket(sock, server_side=True) as tls:
            assert tls.getpeercert() is None
            assert tls.identity is None
            identity = tls.reauth()
            assert tls.getpeercert(True) == identity.chain[0] == tls.get_unverified_chain()[0]
            assert tls.get_verified_chain()[-1] == authority().der
            again = tls.reauth([authority().certificate], within=10)
            assert again == tls.identity
            assert tls.read_identity is None  # it was sent before
            assert tls.read_position == 0
            assert tls.recv(100) == b"hello"
            assert tls.read_identity == again
            assert tls.read_position == 5
            assert [tls.identity_at(each) for each in (0, 4)] == [None, None]
            assert tls.identity_at(5) is tls.identity_at(10**9) is tls.identity
            with pytest.raises(ValueError, match="position"):
                tls.identity_at(-1)
            return identity.common_name

    with talk(serve) as (sock, outcome):
        answer(client_context(client), sock)
    assert outcome == ["alice"]


@CLIENTS
def test_a_socket_that_does_not_block(client):
    def serve(sock):
        with server_context(ours, **ASKING).wrap_socket(sock, server_side=True) as tls:
            tls.setblocking(False)
            while True:
                try:
                    identity = tls.reauth()
                    break
                except ours.SSLWantReadError:
                    time.sleep(0.005)
            tls.setblocking(True)
            assert tls.recv(10) == b"hello"
            return identity.common_name

    with talk(serve) as (sock, outcome):
        answer(client_context(client), sock)
    assert outcome == ["alice"]


def test_a_timeout_of_the_socket_then_the_answer():
    go_on = threading.Event()

    def serve(sock):
        with server_context(ours, **ASKING).wrap_socket(sock, server_side=True) as tls:
            tls.settimeout(0.1)
            with pytest.raises(TimeoutError, match="timed out"):
                tls.reauth()
            go_on.set()
            tls.settimeout(PATIENCE)
            return tls.reauth().common_name  # the same request

    with talk(serve) as (sock, outcome):
        tls = client_context(ours).wrap_socket(sock, server_hostname="localhost")
        assert go_on.wait(PATIENCE)
        assert tls.recv(10) == b""
        tls.close()
    assert outcome == ["alice"]


def test_a_deadline_missed_and_then_another_try():
    expired = threading.Event()

    def serve(sock):
        with server_context(ours, **ASKING).wrap_socket(sock, server_side=True) as tls:
            with pytest.raises(ours.ReauthExpired) as caught:
                tls.reauth(within=0.1)
            assert isinstance(caught.value, TimeoutError)
            assert caught.value.reason == "REAUTH_EXPIRED"
            expired.set()
            return tls.reauth(within=10).common_name

    with talk(serve) as (sock, outcome):
        tls = client_context(ours).wrap_socket(sock, server_hostname="localhost")
        assert expired.wait(PATIENCE)
        assert tls.recv(10) == b""
        tls.close()
    assert outcome == ["alice"]


def test_an_upload_in_flight():
    sent = []

    def serve(sock):
        with server_context(ours, **ASKING).wrap_socket(sock, server_side=True) as tls:
            asked = tls.start_reauth()
            before = after = 0
            while True:
                whose = tls.read_identity
                data = tls.recv(65536)
                before, after = before + len(data) * (not whose), after + len(data) * bool(whose)
                if data.endswith(b"end"):
                    break
            assert asked.result().common_name == "alice"
            tls.sendall(b"thanks")
            return before, after

    with talk(serve) as (sock, outcome):
        context = client_context(ours)
        answered = threading.Event()
        context.reauth_callback = lambda end, request: answered.set() or alice
        tls = context.wrap_socket(sock, server_hostname="localhost")
        thanks = []
        reader = threading.Thread(target=lambda: thanks.append(tls.recv(10)))
        tls.sendall(bytes(3_000_000))
        sent.append(3_000_000)
        reader.start()  # answers, while the upload goes on
        while not answered.is_set() or len(sent) < 5:
            tls.sendall(bytes(1_000_000))
            sent.append(1_000_000)
        tls.sendall(bytes(1_000_000) + b"end")
        reader.join(PATIENCE)
        tls.close()
    ((before, after),) = outcome
    assert thanks == [b"thanks"]
    assert before + after == sum(sent) + 1_000_003
    assert before >= 3_000_000
    assert after >= 3


@CLIENTS
def test_a_client_that_has_no_certificate(client):
    def serve(sock):
        with server_context(ours, **ASKING).wrap_socket(sock, server_side=True) as tls:
            assert tls.reauth(require=False) is None
            with pytest.raises(ours.SSLError) as caught:
                tls.reauth()
            assert caught.value.reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE"
            tls.sendall(b"still here")
            return tls.recv(100)

    with talk(serve) as (sock, outcome):
        assert answer(client_context(client, name=None), sock) == b"still here"
    assert outcome == [b"hello"]


@CLIENTS
def test_a_client_that_is_not_believed(client):
    def serve(sock):
        with server_context(ours, **ASKING).wrap_socket(sock, server_side=True) as tls:
            with pytest.raises(ours.SSLCertVerificationError) as caught:
                tls.reauth()
            assert caught.value.verify_code == 20
            assert tls.identity is None
            tls.sendall(b"still here")
            return tls.recv(100)

    context = client_context(client, name=None)
    context.load_cert_chain(*files("mallory", "Another CA", purpose="client"))
    with talk(serve) as (sock, outcome):
        assert answer(context, sock) == b"still here"
    assert outcome == [b"hello"]


@CLIENTS
def test_who_cannot_be_asked(client):
    def serve(sock):
        with server_context(ours, **ASKING).wrap_socket(sock, server_side=True) as tls:
            for call in (tls.reauth, tls.verify_client_post_handshake):
                with pytest.raises(ours.SSLError) as caught:
                    call()
                assert caught.value.reason == "EXTENSION_NOT_RECEIVED"
            assert tls.recv(100) == b"hello"
            tls.sendall(b"unharmed")
            return "asked"

    context = client_context(client)
    context.post_handshake_auth = False
    with talk(serve) as (sock, outcome):
        assert answer(context, sock) == b"unharmed"
    assert outcome == ["asked"]


def test_a_client_asks_nobody():
    pair = Memory(server_context(ours, **ASKING), client_context(ours)).handshake()
    for call in (pair.client.reauth, pair.client.verify_client_post_handshake):
        with pytest.raises(ours.SSLError) as caught:
            call()
        assert caught.value.reason == "NOT_SERVER"


# --- as the standard library has it


@CLIENTS
def test_verify_client_post_handshake(client):
    def serve(sock):
        with server_context(ours, **ASKING).wrap_socket(sock, server_side=True) as tls:
            tls.verify_client_post_handshake()
            assert tls.getpeercert() is None
            tls.sendall(b"say more")
            assert tls.recv(100) == b"hello"
            return tls.getpeercert()["subject"]

    with talk(serve) as (sock, outcome):
        tls = client_context(client).wrap_socket(sock, server_hostname="localhost")
        assert tls.recv(8) == b"say more"
        tls.sendall(b"hello")
        tls.recv(10)
        tls.close()
    assert outcome == [((("commonName", "alice"),),)]


@CLIENTS
def test_verify_client_post_handshake_ends_what_is_refused(client):
    def serve(sock):
        with server_context(ours, **ASKING).wrap_socket(sock, server_side=True) as tls:
            tls.verify_client_post_handshake()
            tls.sendall(b"say more")
            with pytest.raises(ours.SSLError) as caught:
                tls.recv(100)
            return caught.value.reason

    with talk(serve) as (sock, outcome):
        tls = client_context(client, name=None).wrap_socket(sock, server_hostname="localhost")
        assert tls.recv(8) == b"say more"
        with pytest.raises(ours.SSLError) as caught:
            tls.recv(100)
        assert caught.value.reason == "TLSV13_ALERT_CERTIFICATE_REQUIRED"
        tls.close()
    assert outcome == ["PEER_DID_NOT_RETURN_A_CERTIFICATE"]


# --- memory


@CLIENTS
def test_memory(client):
    pair = Memory(server_context(ours, **ASKING), client_context(client)).handshake()
    with pytest.raises(ours.SSLWantReadError):
        pair.server.reauth()
    pair.client.write(b"in between")
    pair.exchange_client()
    (identity,) = pair.run(pair.server.reauth)
    assert identity.common_name == "alice"
    assert pair.server.read_identity is None
    assert pair.server.read(100) == b"in between"
    assert pair.server.getpeercert()["subject"] == ((("commonName", "alice"),),)


def test_several_at_a_time_and_one_given_up():
    pair = Memory(server_context(ours, **ASKING), client_context(ours)).handshake()
    asked = [pair.server.start_reauth() for _ in range(3)]
    told: list[object] = []
    for each in asked:
        each.add_done_callback(told.append)
    pair.server.cancel_reauth(asked[1])
    pair.server.cancel_reauth(asked[1])
    assert told == [asked[1]]
    with pytest.raises(ours.SSLError):
        asked[1].result()
    pair.exchange()
    assert set(told) == set(asked)
    assert asked[0].result().chain == asked[2].result().chain
    assert repr(asked[0]).endswith("authenticated>")


def test_a_request_of_ones_own():
    pair = Memory(server_context(ours, **ASKING), client_context(ours)).handshake()
    with pytest.raises(ours.SSLWantReadError):
        pair.server.reauth(request=AuthRequest(context=b"mine", authorities=(b"\x30\x00",)))
    pair.exchange_client()
    with pytest.raises(ours.SSLError):  # alice's authority is another
        pair.server.reauth(request=AuthRequest(context=b"mine", authorities=(b"\x30\x00",)))
    with pytest.raises(ValueError, match="used before"):
        pair.server.start_reauth(request=AuthRequest(context=b"mine"))


def test_a_chooser():
    context = client_context(ours, name=None)
    asked = []

    def choose(end, request):
        asked.append((end, request.authorities))
        return Credential.from_files(*files("bob", purpose="client"))

    context.reauth_callback = choose
    assert context.reauth_callback is choose
    pair = Memory(server_context(ours, **ASKING), context).handshake()
    (identity, _) = pair.run(lambda: pair.server.reauth([authority().certificate]), pair.idle)
    assert identity.common_name == "bob"
    assert asked == [(pair.client, (authority().certificate.subject.public_bytes(),))]


class Broken:
    """A signer whose token was pulled out."""

    def __init__(self, signer):
        self.public_key, self.schemes = signer.public_key, signer.schemes

    def sign(self, scheme, data):
        raise PostshakeError("no token")


@pytest.mark.parametrize("what", ["chooser", "signer"])
def test_what_fails_on_a_client_declines(what, caplog):
    credential = Credential.from_files(*files("alice", purpose="client"))
    context = client_context(ours, name=None)
    if what == "chooser":
        context.reauth_callback = lambda end, request: 1 / 0
    else:
        context.use_signer(credential.certificates, Broken(credential.signer))
    pair = Memory(server_context(ours, **ASKING), context).handshake()
    with caplog.at_level(logging.ERROR, "postshake.ssl"):
        (identity, _) = pair.run(lambda: pair.server.reauth(require=False), pair.idle)
    assert identity is None
    assert "declined" in caplog.text


def test_the_application_protocol_may_forbid_it():
    server, client = server_context(ours, **ASKING), client_context(ours)
    for context in (server, client):
        context.set_alpn_protocols(["h2"])
    pair = Memory(server, client).handshake()
    with pytest.raises(ours.SSLError) as caught:
        pair.server.reauth()
    assert caught.value.reason == "EXTENSION_NOT_RECEIVED"
    server.reauth_forbidden_alpn = client.reauth_forbidden_alpn = ()
    pair = Memory(server, client).handshake()
    (identity, _) = pair.run(pair.server.reauth, pair.idle)
    assert identity.common_name == "alice"


# --- asyncio and trio, whose own TLS it is


def streams(client, serve):
    """Run a server of asyncio's, and a client that reads until the end."""

    async def main():
        done = asyncio.get_running_loop().create_future()

        async def handle(reader, writer):
            try:
                done.set_result(await serve(reader, writer))
            except BaseException as error:
                done.set_exception(error)
            finally:
                writer.close()

        context = server_context(ours, **ASKING)
        listener = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
        port = listener.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=client, server_hostname="localhost"
        )
        writer.write(b"hello")
        reading = asyncio.ensure_future(reader.read())
        try:
            return await done
        finally:
            await asyncio.gather(reading, return_exceptions=True)
            writer.close()
            listener.close()

    return asyncio.run(asyncio.wait_for(main(), PATIENCE))


@CLIENTS
def test_asyncio(client):
    async def serve(reader, writer):
        identity = await ours.reauth(writer, within=10)
        again = await ours.reauth(writer.transport)
        assert again.chain == identity.chain
        assert await reader.readexactly(5) == b"hello"
        return identity.common_name

    assert streams(client_context(client), serve) == "alice"


@CLIENTS
def test_asyncio_declined(client):
    async def serve(reader, writer):
        assert await ours.reauth(writer, require=False) is None
        with pytest.raises(ours.SSLError):
            await ours.reauth(writer)
        return "unharmed"

    assert streams(client_context(client, name=None), serve) == "unharmed"


def test_asyncio_deadline_and_cancelling():
    async def serve(reader, writer):
        with pytest.raises(ours.ReauthExpired):
            await ours.reauth(writer, within=0)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await ours.reauth(writer)
        return (await ours.reauth(writer)).common_name

    assert streams(client_context(ours), serve) == "alice"


def test_asyncio_when_the_client_leaves():
    async def serve(reader, writer):
        writer.transport.abort()
        with pytest.raises((ConnectionError, ours.SSLError)):
            await ours.reauth(writer)
        return "noticed"

    assert streams(client_context(ours), serve) == "noticed"


def test_asyncio_over_another_tls():
    async def main():
        async def handle(reader, writer):
            with pytest.raises(TypeError, match=r"a context of postshake\.ssl"):
                await ours.reauth(writer)
            writer.close()

        listener = await asyncio.start_server(handle, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read() == b""
        writer.close()
        listener.close()

    asyncio.run(main())


@CLIENTS
def test_trio(client):
    import trio

    async def main():
        ends = trio.testing.memory_stream_pair()
        server = trio.SSLStream(ends[0], server_context(ours, **ASKING), server_side=True)
        peer = trio.SSLStream(ends[1], client_context(client), server_hostname="localhost")

        async def answer():
            await peer.send_all(b"hello")
            assert await peer.receive_some(10) == b"bye"

        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer)
            assert await server.receive_some(10) == b"hello"
            asked = server._ssl_object.start_reauth()  # type: ignore[attr-defined]
            # nothing but data sends what the TLS object wrote, with trio's public methods
            await server.send_all(b"bye")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(peer.send_all, b"and more")
            assert await server.receive_some(10) == b"and more"
        assert asked.result().common_name == "alice"

    import trio.testing

    trio.run(main)
