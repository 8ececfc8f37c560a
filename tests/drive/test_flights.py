"""One flight, one write, in every driver (§2; RFC 896).

A small segment waits until the one before it was acknowledged, unless TCP_NODELAY is set: a
flight that leaves in two costs a round trip, or the 40 ms of a delayed acknowledgement. The
peer here is an engine that sends each record by itself, so that whoever writes as soon as
there is something would be seen.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import anyio
import pytest

import postshake.ssl
from postshake.config import ClientAuth
from postshake.connection import Connection
from postshake.constants import NamedGroup, ProtocolVersion
from postshake.drive.answers import find_answer_now
from postshake.drive.anyio import TLSStream
from postshake.drive.asyncio import streams
from postshake.drive.sync import Stream
from postshake.session import CLIENT, SERVER, CertificateCredentials, Session
from tests.drive.streams import NAME, TIMEOUT, at_once, tcp_pair
from tests.pair import client_config, issued, server_config, the_ca
from tests.tampering import split_records

BOTH = (ProtocolVersion.TLS13, ProtocolVersion.TLS12)
VERSIONS = pytest.mark.parametrize("version", BOTH, ids=["1.3", "1.2"])


@pytest.fixture
def sends(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of what is sent by any driver; the peer uses `sendall`."""
    sizes: list[int] = []
    send = socket.socket.send

    def count(self: socket.socket, data: Any, *flags: int) -> int:
        size = send(self, data, *flags)
        if self.family == socket.AF_INET:  # else it is what wakes an event loop up
            sizes.append(size)
        return size

    monkeypatch.setattr(socket.socket, "send", count)
    return sizes


# --- the drivers: each shakes hands over a socket, in either role


def by_stream(sock: socket.socket, server: bool) -> None:
    config = server_config(tickets=2, versions=BOTH) if server else client_config(versions=BOTH)
    Stream(sock, config, None if server else NAME).handshake()


def by_ssl(sock: socket.socket, server: bool) -> None:
    ssl = postshake.ssl
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=the_ca().der)
    if server:
        context.use_credential(issued(NAME, "server").credential())
    name = None if server else NAME
    wrapped = context.wrap_socket(sock, server_side=server, server_hostname=name)
    wrapped.detach()


def by_session(sock: socket.socket, server: bool) -> None:
    session = Session(SERVER if server else CLIENT)
    session.priority_set_direct("NORMAL")
    credentials = CertificateCredentials()
    credentials.set_x509_trust([the_ca().certificate])
    if server:
        certificate = issued(NAME, "server")
        credentials.set_x509_key([certificate.certificate], certificate.private_key)
    else:
        session.server_name_set(NAME)
        session.set_verify_cert(NAME)
    session.credentials_set(credentials)
    session.transport_set(sock)
    session.handshake()


def by_anyio(backend: str) -> Callable[[socket.socket, bool], None]:
    async def run(sock: socket.socket, server: bool) -> None:
        from postshake.drive.anyio.transports import AsyncSocket

        config = server_config(tickets=2, versions=BOTH) if server else client_config(versions=BOTH)
        stream = TLSStream(AsyncSocket(sock), config, None if server else NAME)
        await stream.handshake()

    return lambda sock, server: anyio.run(run, sock, server, backend=backend)


def by_asyncio(sock: socket.socket, server: bool) -> None:
    async def run() -> None:
        config = server_config(tickets=2, versions=BOTH) if server else client_config(versions=BOTH)
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.create_connection(asyncio.Protocol, sock=sock)
        name = None if server else NAME
        above = await streams.start_tls(transport, protocol, config, server_name=name)
        above.abort()

    asyncio.run(run())


DRIVERS: dict[str, Callable[[socket.socket, bool], None]] = {
    "Stream": by_stream,
    "SSLSocket": by_ssl,
    "Session": by_session,
    "anyio on asyncio": by_anyio("asyncio"),
    "anyio on trio": by_anyio("trio"),
    "asyncio": by_asyncio,
}
EACH = pytest.mark.parametrize("driver", DRIVERS)


class Peer:
    """An engine at the other end, which sends each record in a segment of its own."""

    def __init__(self, sock: socket.socket, connection: Connection) -> None:
        sock.settimeout(TIMEOUT)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock, self.connection = sock, connection

    def send(self) -> None:
        for record in split_records(self.connection.data_to_send()):
            self.sock.sendall(record)

    def take(self) -> None:
        data = self.sock.recv(65536)
        assert data, "the driver hung up"
        self.connection.receive_data(data)
        while (question := self.connection.next_question()) is not None:
            self.connection.answer(question.id, find_answer_now(question.subject))

    def handshake(self) -> None:
        self.connection.start()
        while self.connection.established is None:
            self.send()
            self.take()
        self.send()


def shake(driver: str, server: bool, peer: Connection) -> None:
    """Let a driver shake hands with the peer; it may be slow to hear that all is well."""
    ours, theirs = tcp_pair()
    other = Peer(theirs, peer)
    try:
        at_once(lambda: DRIVERS[driver](ours, server), other.handshake)
    finally:
        theirs.close()
        ours.close()


@EACH
@VERSIONS
def test_a_client(driver: str, version: ProtocolVersion, sends: list[int]) -> None:
    server = server_config(
        versions=(version,), client_auth=ClientAuth.REQUEST, tickets=0, tickets12=False
    )
    shake(driver, False, Connection(server))
    assert len(sends) == 2, "ClientHello; and all that follows the server's flight"


@EACH
def test_a_client_that_is_sent_back(driver: str, sends: list[int]) -> None:
    server = server_config(groups=(NamedGroup.secp384r1,), tickets=0)
    shake(driver, False, Connection(server))
    assert len(sends) == 3, "two hellos, and the rest"


@EACH
@VERSIONS
def test_a_server(driver: str, version: ProtocolVersion, sends: list[int]) -> None:
    client = client_config(versions=(version,))
    shake(driver, True, Connection(client, NAME))
    # a Session sends no tickets unless it is told to
    more = 0 if driver == "Session" and version is ProtocolVersion.TLS13 else 1
    assert len(sends) == 1 + more, "all up to its Finished; and tickets, or its Finished in 1.2"


def test_the_count_is_of_the_drivers_alone(sends: list[int]) -> None:
    ours, theirs = tcp_pair()
    with ours, theirs:
        theirs.sendall(b"x")
        assert sends == []
        ours.send(b"yz")
    assert sends == [2]
