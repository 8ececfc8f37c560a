"""What a peer can make us hold or do is bounded.

Memory is measured in bytes that the process holds, not in bytes that the peer sent: an
object for each of them would be fifty times as much.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import anyio
import pytest

from postshake.config import AuthRequest, ClientAuth, ServerConfig
from postshake.connection import Connection
from postshake.constants import NamedGroup, ProtocolVersion, Role
from postshake.drive.anyio import TLSStream
from postshake.drive.anyio.transports import AsyncSocket
from postshake.drive.asyncio import create_server
from postshake.drive.sync import Stream
from postshake.errors import DataWaiting, MessageTooLarge, PostshakeError, TooMuch
from postshake.record.limits import Limits
from postshake.record.protection import Epoch, Outbound
from postshake.session import SERVER, CertificateCredentials, Session, SessionError
from postshake.wire.extensions import (
    ApplicationLayerProtocolNegotiation,
    CertificateAuthorities,
    Cookie,
    Extensions,
    KeyShareClientHello,
    KeyShareEntry,
    PreSharedKeyClientHello,
    PskIdentity,
    ServerName,
    SignatureAlgorithms,
    SignatureAlgorithmsCert,
    SupportedGroups,
    UnknownExtension,
)
from postshake.wire.handshake import decode_handshake, encode_handshake
from postshake.wire.hello import ClientHello
from tests.drive.streams import RawClient, at_once, tcp_pair
from tests.memory import measured
from tests.pair import ConnectionPair, End, client_config, issued, server_config
from tests.record.records import plain
from tests.record_streams import sealed
from tests.sslmodule.ends import ours, server_context
from tests.tampering import ends

TLS13, TLS12 = ProtocolVersion.TLS13, ProtocolVersion.TLS12
BOTH = (TLS13, TLS12)

STRANGER = 512 * 1024
"""Bytes that a peer which has proven nothing can make a connection hold, as SECURITY.md says."""
PIECE = 64 * 1024  # what a driver reads at a time
# there is a key share for the first, and certificates have keys in the last
GROUPS = (NamedGroup.x25519, NamedGroup.secp521r1, NamedGroup.secp256r1)


# --- before anything is proven


def unfinished(size: int, kind: int = 1, announced: int | None = None) -> bytes:
    """A message of which the last byte never comes, in records of this size."""
    limit = Limits().hello_message if kind in (1, 2) else Limits().handshake_message
    length = announced if announced is not None else limit
    raw = bytes((kind,)) + length.to_bytes(3, "big") + bytes(length - 1)
    return b"".join(plain(22, raw[at : at + size]) for at in range(0, len(raw), size))


def hello(
    *extensions: Any, suites: Iterable[int] = (), versions: Any = BOTH, last: Any = None
) -> ClientHello:
    """A ClientHello that is good but for what it has too much of."""
    config = client_config(versions=versions, groups=GROUPS)
    client = Connection(config, "server.example")
    client.start()
    raw = client.data_to_send()[5:]
    made = decode_handshake(1, raw[4:])
    assert isinstance(made, ClientHello)
    classes = {type(item) for item in extensions}
    kept = [item for item in made.extensions if type(item) not in classes]
    items = (*extensions, *kept, *([last] if last is not None else []))
    return replace(made, cipher_suites=(*made.cipher_suites, *suites), extensions=Extensions(items))


def on_the_wire(message: Any) -> bytes:
    raw = encode_handshake(message)
    return b"".join(plain(22, raw[at : at + 16384]) for at in range(0, len(raw), 16384))


def own_share() -> KeyShareEntry:
    shares = hello().extensions.require(KeyShareClientHello).client_shares
    return shares[0]


MANY = range(0x2000, 0x2000 + 30_000)  # code points that nobody has
HOSTILE_HELLOS: dict[str, Callable[[], ClientHello]] = {
    "suites": lambda: hello(suites=MANY),
    "the same suite": lambda: hello(suites=[0x1301] * 30_000),
    "groups": lambda: hello(SupportedGroups((*MANY, *GROUPS))),
    "signature algorithms": lambda: hello(SignatureAlgorithms((*MANY, 0x0403))),
    "the same signature algorithm": lambda: hello(SignatureAlgorithms((0x0403,) * 30_000)),
    "signature algorithms of certificates": lambda: hello(SignatureAlgorithmsCert((*MANY, 0x0403))),
    "key shares": lambda: hello(
        SupportedGroups((*GROUPS, *MANY[:16_000])),
        KeyShareClientHello(
            (own_share(), *(KeyShareEntry(code, b"x") for code in MANY[10_500:16_000]))
        ),
    ),
    "protocols": lambda: hello(ApplicationLayerProtocolNegotiation((b"ab",) * 21_000)),
    "authorities": lambda: hello(CertificateAuthorities((b"0\0",) * 16_000)),
    "unknown extensions": lambda: hello(
        *(UnknownExtension(code, b"") for code in range(1000, 16_000))
    ),
    "a long name": lambda: hello(ServerName("a." * 31_000 + "example")),
    "a long cookie": lambda: hello(Cookie(bytes(60_000))),
    "pre-shared keys": lambda: hello(
        last=PreSharedKeyClientHello(
            tuple(PskIdentity(b"%04d" % number, 0) for number in range(1400)),
            (bytes(32),) * 1400,
        )
    ),
}


def drive(server: Connection, pieces: list[bytearray]) -> PostshakeError | None:
    """Give a server what a stranger sends, as a socket would, and answer its questions."""
    end = End(server)
    pieces.reverse()
    while pieces and end.error is None:
        end.receive(bytes(pieces.pop()))
        server.data_to_send()
    return end.error


def held_by(config: ServerConfig, stream: bytes, piece: int = PIECE) -> tuple[int, Connection]:
    """How many bytes a connection holds when it has received this; and it."""
    server = Connection(config)
    server.start()
    pieces = [bytearray(stream[at : at + piece]) for at in range(0, len(stream), piece)]
    with measured() as memory:
        drive(server, list(pieces))
    return memory.held, server


@pytest.mark.parametrize("piece", [1, 3, 1000, PIECE])
@pytest.mark.parametrize("size", [1, 2, 17, 64, 16384])
def test_a_hello_that_never_ends_holds_little_more_than_it_is_long(size: int, piece: int) -> None:
    stream = unfinished(size)
    if piece < 10:
        stream = stream[:30_000]
    held, server = held_by(server_config(versions=BOTH), stream, piece)
    assert held < STRANGER / 2
    assert isinstance(server.failure, TooMuch | None)


@pytest.mark.parametrize("piece", [1, 2, 5])
def test_a_record_that_never_ends_holds_little_more_than_it_is_long(piece: int) -> None:
    stream = plain(22, b"\1\0\xff\xff" + bytes(16_000))[:-1]
    held, server = held_by(server_config(versions=BOTH), stream, piece)
    assert held < 2 * len(stream)
    assert server.failure is None


@pytest.mark.parametrize("versions", [(TLS13,), (TLS12,)], ids=["TLS13", "TLS12"])
@pytest.mark.parametrize("name", HOSTILE_HELLOS)
def test_a_hello_with_long_lists_holds_little_once_it_was_answered(
    name: str, versions: tuple[ProtocolVersion, ...]
) -> None:
    """Read, it may take twenty times its length; and the client need never send another byte."""
    stream = on_the_wire(HOSTILE_HELLOS[name]())
    assert 40_000 < len(stream) < 66_000
    config = server_config(versions=versions, client_auth=ClientAuth.REQUEST, groups=GROUPS)
    held, server = held_by(config, stream)
    assert held < STRANGER / 2
    assert server.failure is None
    assert "waiting for Certificate" in repr(server)


@pytest.mark.parametrize("name", HOSTILE_HELLOS)
@pytest.mark.parametrize("cookie", [False, True])
def test_nor_while_a_second_hello_is_awaited(name: str, cookie: bool) -> None:
    groups = GROUPS if cookie else (NamedGroup.secp521r1,)
    held, server = held_by(
        server_config(groups=groups, require_cookie=cookie), on_the_wire(HOSTILE_HELLOS[name]())
    )
    assert held < STRANGER / 2
    assert server.failure is None
    assert "waiting for ClientHello" in repr(server)


@pytest.mark.parametrize("name", HOSTILE_HELLOS)
def test_what_a_hello_costs_in_time_does_not_grow_with_its_square(name: str) -> None:
    """64 KiB of it, and many times what an honest one takes; but not seconds.

    The fastest of three, in time of this thread alone: a busy machine adds nothing to it.
    """
    stream = on_the_wire(HOSTILE_HELLOS[name]())
    times = []
    for _ in range(3):
        server = Connection(server_config(versions=BOTH))
        before = time.thread_time()
        drive(server, [bytearray(stream)])
        times.append(time.thread_time() - before)
    assert min(times) < 0.2


@pytest.mark.parametrize("size", [1, 2, 100, 16384])
def test_a_certificate_that_never_ends_holds_little_more_than_it_is_long(size: int) -> None:
    """The client has keys by then, as any stranger may; it has proven nothing."""
    pair = ConnectionPair(client_config("alice"), server_config(client_auth=ClientAuth.REQUEST))
    pair.client.connection.start()
    pair.server.receive(pair.client.connection.data_to_send())
    inbound = pair.server.connection._engine.layer.inbound
    assert inbound.epoch is Epoch.handshake
    assert inbound.suite is not None
    assert inbound.traffic_secret is not None
    client = Outbound()
    client.install(inbound.suite, inbound.traffic_secret, Epoch.handshake)
    length = Limits().handshake_message
    raw = b"\x0b" + length.to_bytes(3, "big") + bytes(length - 1)
    records = [bytearray(client.seal(22, raw[at : at + size])) for at in range(0, len(raw), size)]
    with measured() as memory:
        while records:
            taken = b"".join(records[:200])
            del records[:200]
            pair.server.receive(taken)
    assert memory.held < STRANGER
    if len(raw) / size > Limits().handshake_fragments:
        assert isinstance(pair.server.error, TooMuch)
    else:
        assert pair.server.error is None


@pytest.mark.parametrize("kind", [1, 2])
def test_a_longer_hello_is_refused_by_its_header(kind: int) -> None:
    role = Role.server if kind == 1 else Role.client
    end = ends(ConnectionPair(), role)[0]
    end.connection.start()
    end.receive(plain(22, bytes((kind,)) + (64 * 1024 + 1).to_bytes(3, "big")))
    assert isinstance(end.error, MessageTooLarge)


def test_a_message_in_too_many_records_is_refused() -> None:
    """Each has to be opened and looked at: a byte at a time is a hundred times the work."""
    most = Limits().handshake_fragments
    server = End(Connection(server_config()))
    server.receive(unfinished(1)[: 6 * most])
    assert server.error is None
    server.receive(unfinished(1)[6 * most : 6 * most + 6])
    assert isinstance(server.error, TooMuch)
    assert "at most 4096 records" in str(server.error)
    assert most * 64 > Limits().handshake_message  # of the least size that may be asked for


def test_a_failed_connection_keeps_nothing_of_what_made_it_fail() -> None:
    """Its failure stays to be asked for, and its traceback would keep all variables."""
    server = Connection(server_config(groups=(NamedGroup.secp256r1,)))
    stream = on_the_wire(
        hello(SupportedGroups(tuple(MANY)), KeyShareClientHello((KeyShareEntry(29, b"x"),)))
    )
    pieces = [bytearray(stream[at : at + 1000]) for at in range(0, len(stream), 1000)]
    with measured() as memory:
        assert drive(server, list(pieces)) is not None
    assert server.failure is not None
    assert memory.held < 100_000


# --- afterwards: data that nobody reads


@pytest.mark.parametrize("length", [1, 2, 30, 1000, 16384])
def test_the_memory_of_unread_data_can_be_asked_for(length: int) -> None:
    pair = ConnectionPair(client_config(), server_config()).handshake()
    pair.server.auto_read = False
    client, server = pair.client.connection, pair.server.connection
    count = 2_000 if length < 1000 else 50
    stream = b"".join(sealed(client, 23, bytes(length)) for _ in range(count))
    pieces = [bytearray(stream[at : at + PIECE]) for at in range(0, len(stream), PIECE)]
    del stream
    with measured() as memory:
        while pieces:
            server.receive_data(bytes(pieces.pop(0)))
    assert server.readable == count * length
    assert memory.held < 1.2 * server.unread_size + 3 * PIECE
    assert server.unread_size < 1.1 * memory.held + 64 * count
    server.read()
    assert server.unread_size == 0


def test_requests_that_a_client_leaves_unanswered_are_bounded_in_bytes() -> None:
    pair = ConnectionPair(client_config("alice"), server_config()).handshake()
    large = AuthRequest(authorities=tuple(bytes(1000) for _ in range(60)))
    with measured() as memory:
        while pair.client.error is None:
            pair.server.connection.request_auth(large)
            pair.move()
            pair.client.events.clear()
    assert isinstance(pair.client.error, TooMuch)
    assert "bytes of unanswered ones" in str(pair.client.error)
    assert memory.peak < 6 * Limits().pending_requests_size


# --- owners that keep what comes while they wait


def test_small_records_cannot_make_a_blocking_stream_keep_more_than_it_says() -> None:
    ours, theirs = tcp_pair()
    client = RawClient(ours)
    with Stream(theirs, server_config(), max_unread=64 * 1024) as server:
        at_once(client.handshake, server.handshake)
        stream = b"".join(sealed(client.connection, 23, b"xy") for _ in range(5_000))

        def flood() -> None:
            ours.sendall(stream)

        def ask() -> None:
            with pytest.raises(DataWaiting, match="bytes of memory are for them"):
                server.reauth()

        at_once(flood, ask)
        assert server.readable < 64 * 1024  # in bytes of data far less than that
    ours.close()


# --- time: a deadline for the whole, not for each read


def stream_shakes(sock: socket.socket) -> None:
    with Stream(sock, server_config(clock=time.monotonic), handshake_time=0.4) as server:
        server.timeout = None
        server.handshake()


def drop_in_shakes(sock: socket.socket) -> None:
    context = server_context(ours)
    context.handshake_timeout = 0.4
    sock.settimeout(None)
    with context.wrap_socket(sock, server_side=True):
        raise AssertionError("it was let in")


def session_shakes(sock: socket.socket) -> None:
    credentials = CertificateCredentials()
    credentials.set_x509_key(issued("server.example", "server").credential())
    session = Session(SERVER)
    session.credentials_set(credentials)
    session.transport_set(sock)
    session.handshake_set_timeout(400)
    with pytest.raises(SessionError, match="E_TIMEDOUT"):
        session.handshake()
    raise TimeoutError


def anyio_shakes(sock: socket.socket) -> None:
    async def shake() -> None:
        config = server_config(clock=time.monotonic)
        stream = TLSStream(AsyncSocket(sock), config, handshake_time=0.4)
        try:
            await stream.handshake()
        finally:
            await stream.transport.aclose()

    anyio.run(shake)


def asyncio_shakes(sock: socket.socket) -> None:
    async def shake() -> None:
        config = server_config(clock=time.monotonic)
        server = await create_server(asyncio.Protocol, "127.0.0.1", 0, config, handshake_time=0.4)
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        sent = hello_bytes()[:-1]
        try:
            for byte in sent:
                writer.write(bytes((byte,)))
                await writer.drain()
                await asyncio.sleep(0.005)
        except ConnectionError as error:
            raise TimeoutError from error
        finally:
            writer.close()
            server.close()

    sock.close()
    asyncio.run(shake())


def hello_bytes() -> bytes:
    client = Connection(client_config(), "server.example")
    client.start()
    return client.data_to_send()


@pytest.mark.parametrize(
    "shake",
    [stream_shakes, drop_in_shakes, session_shakes, anyio_shakes, asyncio_shakes],
    ids=lambda shake: shake.__name__,
)
def test_a_hello_that_trickles_is_given_up(shake: Callable[[socket.socket], None]) -> None:
    """Each byte comes soon after the last. Whoever owns the connection, it ends in time."""
    client, server = tcp_pair()
    over = threading.Event()

    def trickle() -> None:
        with suppress(OSError):
            for byte in hello_bytes()[:-1]:
                client.sendall(bytes((byte,)))
                if over.wait(0.02):
                    return

    thread = threading.Thread(target=trickle, daemon=True)
    thread.start()
    try:
        with pytest.raises(TimeoutError):
            shake(server)
    finally:
        over.set()
        thread.join(60)
        client.close()
        server.close()
