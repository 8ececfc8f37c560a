"""What reading brings about and cannot be sent hides nothing of what can be read.

Tickets, key updates and answers leave by themselves. A peer that has sent its data and gone
takes none of them, and one that does not read takes none yet: its data is read all the same.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from postshake import ChainVerifier, ClientConfig, Credential, TrustStore
from tests.drive.streams import RawClient, at_once
from tests.sslmodule.ends import (
    ca_file,
    client_context,
    files,
    ours,
    server_context,
    standard,
)
from tests.sslmodule.versions import BROKEN_PIPES_ARE_TOLD
from tests.waiting import PATIENCE

MODULES = pytest.mark.parametrize("module", [ours, standard], ids=["ours", "standard"])
TIMEOUTS = pytest.mark.parametrize("timeout", [None, PATIENCE, 0], ids=["blocks", "limited", "not"])
ANSWER_TO_HELLO = bytes.fromhex("15 03 03 00 02 02 28")  # handshake_failure


def step(end: Any) -> bool:
    """Shake hands as far as it goes; return whether that is to the end."""
    try:
        end.do_handshake()
    except standard.SSLWantReadError:
        return False
    return True


@contextlib.contextmanager
def almost_shaken(server: Any, client: Any) -> Iterator[tuple[Any, Any]]:
    """Two ends over sockets; only the client's last flight has not been read yet."""
    one, other = socket.socketpair()
    up = client.wrap_socket(one, server_hostname="localhost", do_handshake_on_connect=False)
    down = server.wrap_socket(other, server_side=True, do_handshake_on_connect=False)
    with up, down:
        for end in (up, down):
            end.setblocking(False)
        assert not step(up)
        assert not step(down)
        assert step(up)
        yield down, up


@MODULES
@TIMEOUTS
def test_a_client_that_has_sent_and_gone_before_its_tickets(module, timeout):
    with almost_shaken(server_context(module), client_context(standard)) as (tls, client):
        client.sendall(b"the message")
        client.close()
        tls.settimeout(timeout)
        tls.do_handshake()
        assert tls.recv(100) == b"the message"
        told = (
            (BrokenPipeError,) if module is standard and BROKEN_PIPES_ARE_TOLD is not False else ()
        )
        with contextlib.suppress(*told):  # that its tickets could not be sent
            assert tls.recv(100) == b""
        with pytest.raises(OSError):  # noqa: PT011 - whichever it is
            tls.sendall(b"an answer")


@MODULES
def test_a_client_that_has_said_goodbye_before_its_tickets(module):
    with almost_shaken(server_context(module), client_context(standard)) as (tls, client):
        client.sendall(b"the message")
        with contextlib.suppress(standard.SSLWantReadError):
            client.unwrap()
        client.close()
        tls.settimeout(PATIENCE)
        assert tls.recv(100) == b"the message"  # shakes hands first
        assert tls.recv(100) == b""


@contextlib.contextmanager
def engine_and_server() -> Iterator[tuple[Any, RawClient]]:
    """A server's socket, and a client's engine that does only what a test says."""
    one, other = socket.socketpair()
    other.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    with open(ca_file(), "rb") as file:
        trust = TrustStore.from_pem(file.read())
    config = ClientConfig(
        verifier=ChainVerifier(trust),
        credentials=(Credential.from_files(*files("alice", purpose="client")),),
    )
    client = RawClient(one, config, "localhost")
    shaking = threading.Thread(target=client.handshake, daemon=True)
    shaking.start()
    other.settimeout(PATIENCE)
    context = server_context(ours, asks_later=True)
    context.num_tickets = 0
    with one, context.wrap_socket(other, server_side=True) as tls:
        shaking.join(PATIENCE)
        yield tls, client


def fill(tls: Any) -> None:
    """Send until the socket takes no more."""
    before = tls.gettimeout()
    tls.setblocking(False)
    with contextlib.suppress(ours.SSLWantWriteError):
        while True:
            tls.send(bytes(1000))
    tls.settimeout(before)


def ask_for_an_update(client: RawClient, data: bytes) -> None:
    """Ask for an answer, a KeyUpdate, and send data behind it."""
    client.connection.key_update(request_peer=True)
    client.connection.send_data(data)
    client.flush()


@TIMEOUTS
def test_an_answer_to_a_peer_that_is_gone(timeout):
    with engine_and_server() as (tls, client):
        ask_for_an_update(client, b"the message")
        client.connection.close()
        client.flush()
        client.sock.close()
        tls.settimeout(timeout)
        assert tls.recv(100) == b"the message"
        assert tls.recv(100) == b""


@pytest.mark.parametrize("timeout", [None, 0.5, 0], ids=["blocks", "limited", "not"])
def test_an_answer_to_a_peer_that_does_not_read_yet(timeout):
    with engine_and_server() as (tls, client):
        fill(tls)
        ask_for_an_update(client, b"the message")
        tls.settimeout(timeout)
        assert at_once(lambda: tls.recv(100)) == [b"the message"]  # and the answer waits


@pytest.mark.parametrize("timeout", [None, PATIENCE], ids=["blocks", "limited"])
@pytest.mark.parametrize("cut", [0, 3], ids=["whole", "cut"])
def test_an_answer_leaves_while_nothing_comes(timeout, cut):
    with engine_and_server() as (tls, client):
        fill(tls)
        ask_for_an_update(client, b"1")
        tls.settimeout(timeout)
        assert at_once(lambda: tls.recv(100)) == [b"1"]
        client.connection.send_data(b"2")
        record = client.connection.data_to_send()
        client.sock.sendall(record[:cut])
        read: list[bytes] = []
        reading = threading.Thread(target=lambda: read.append(tls.recv(100)), daemon=True)
        reading.start()
        while not client.connection._engine.layer.inbound.generation:  # until the update came
            client.take()
            client.connection.read()
        client.sock.sendall(record[cut:])
        reading.join(PATIENCE)
        assert read == [b"2"]


def test_a_socket_that_does_not_block_wants_to_write_while_an_answer_waits():
    with engine_and_server() as (tls, client):
        fill(tls)
        ask_for_an_update(client, b"the message")
        tls.setblocking(False)
        assert tls.recv(100) == b"the message"
        with pytest.raises(ours.SSLWantWriteError):
            tls.recv(100)
        assert tls.unsent
        while tls.unsent:
            client.take()
            client.connection.read()
            with pytest.raises((ours.SSLWantReadError, ours.SSLWantWriteError)):
                tls.recv(100)
        with pytest.raises(ours.SSLWantReadError):
            tls.recv(100)


def test_a_client_that_has_answered_a_request_and_gone():
    with engine_and_server() as (tls, client):
        asked = tls.start_reauth()
        context = client.take_request()
        client.connection.key_update(request_peer=True)
        client.flush()
        client.answer(context)
        client.connection.send_data(b"signed")
        client.flush()
        client.sock.close()
        identity = tls.finish_reauth(asked)
        assert identity.common_name == "alice"
        assert tls.recv(100) == b"signed"


@MODULES
def test_a_peer_that_has_refused_us_and_gone_is_heard(module):
    # docs/ssl.md: Words to a peer that is gone
    one, other = socket.socketpair()
    with client_context(module).wrap_socket(
        one, server_hostname="localhost", do_handshake_on_connect=False
    ) as tls:
        other.sendall(ANSWER_TO_HELLO)
        other.close()
        with pytest.raises((BrokenPipeError, ours.SSLError)) as raised:
            tls.do_handshake()
        if module is standard:
            assert isinstance(raised.value, BrokenPipeError)
        else:
            assert isinstance(raised.value, ours.SSLError)
            assert raised.value.reason == "SSLV3_ALERT_HANDSHAKE_FAILURE"


def test_a_peer_that_has_gone_without_a_word():
    one, other = socket.socketpair()
    with client_context(ours).wrap_socket(
        one, server_hostname="localhost", do_handshake_on_connect=False
    ) as tls:
        other.close()
        with pytest.raises(BrokenPipeError):
            tls.do_handshake()
