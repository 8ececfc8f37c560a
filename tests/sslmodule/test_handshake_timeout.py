"""How long a client may keep a server's socket from its handshake: with `ssl`, for ever."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.drive.streams import tcp_pair
from tests.sslmodule.ends import client_context, ours, server_context
from tests.waiting import PATIENCE


@contextlib.contextmanager
def ends(timeout: float | None, **options: Any) -> Iterator[tuple[Any, socket.socket]]:
    """A server's socket that has not shaken hands, and the client's plain one."""
    context = server_context(ours)
    for name, value in options.items():
        setattr(context, name, value)
    one, other = tcp_pair()
    one.settimeout(timeout)
    with context.wrap_socket(one, server_side=True, do_handshake_on_connect=False) as server:
        yield server, other
    other.close()


def hello() -> bytes:
    incoming, outgoing = ours.MemoryBIO(), ours.MemoryBIO()
    client = client_context(ours).wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ours.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


@contextlib.contextmanager
def trickling(sock: socket.socket, data: bytes) -> Iterator[None]:
    """Send slowly, but steadily, in the meantime."""
    enough = threading.Event()

    def send() -> None:
        with contextlib.suppress(OSError):
            for byte in data:
                sock.sendall(bytes((byte,)))
                if enough.wait(0.01):
                    return

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    yield
    enough.set()
    thread.join(PATIENCE)


CALLS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "do_handshake": (lambda server: server.do_handshake(), "handshake"),
    "recv": (lambda server: server.recv(1), "read"),
    "send": (lambda server: server.send(b"x"), "read"),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("timeout", [None, PATIENCE], ids=["blocks", "with a timeout"])
@pytest.mark.parametrize("trickles", [False, True])
def test_a_handshake_ends_in_time(name, timeout, trickles):
    call, what = CALLS[name]
    sent = hello()[:-1] if trickles else b""
    with ends(timeout, handshake_timeout=0.4) as (server, other), trickling(other, sent):
        with pytest.raises(TimeoutError, match=f"The {what} operation timed out"):
            call(server)
        assert server.gettimeout() == timeout
        took = []
        for _ in range(5):
            before = time.monotonic()
            with pytest.raises(TimeoutError):
                call(server)  # it is over: nobody waits again
            took.append(time.monotonic() - before)
        assert min(took) < 0.4


def test_the_time_is_for_all_calls_together():
    with ends(0.01, handshake_timeout=0.2) as (server, other):
        until = time.monotonic() + 0.3
        while time.monotonic() < until:
            with pytest.raises(TimeoutError):
                server.do_handshake()
        server.settimeout(PATIENCE)
        before = time.monotonic()
        with pytest.raises(TimeoutError):
            server.do_handshake()
        assert time.monotonic() - before < PATIENCE / 2
        other.close()


def test_a_shorter_timeout_of_the_sockets_ends_a_call_and_no_more():
    with ends(0.05, handshake_timeout=PATIENCE) as (server, other):
        with pytest.raises(TimeoutError, match="The handshake operation timed out"):
            server.do_handshake()
        server.settimeout(PATIENCE)
        thread = threading.Thread(target=server.do_handshake)
        thread.start()
        context = client_context(ours)
        with context.wrap_socket(other, server_hostname="localhost") as client:
            thread.join(PATIENCE)
            assert client.version() == "TLSv1.3"


def test_nothing_ends_afterwards():
    with ends(None, handshake_timeout=PATIENCE) as (server, other):
        thread = threading.Thread(target=server.do_handshake)
        thread.start()
        with client_context(ours).wrap_socket(other, server_hostname="localhost") as client:
            thread.join(PATIENCE)
            server._sslobj._handshake_until = time.monotonic() - 1
            client.sendall(b"late")
            assert server.recv(4) == b"late"


def test_what_does_not_block_has_no_deadline():
    with ends(0.0, handshake_timeout=0.0) as (server, _), pytest.raises(ours.SSLWantReadError):
        server.do_handshake()


def test_a_client_waits_for_its_server_as_long_as_it_likes():
    one, other = tcp_pair()
    context = client_context(ours)
    context.handshake_timeout = 0.0
    one.settimeout(0.1)
    with context.wrap_socket(
        one, server_hostname="localhost", do_handshake_on_connect=False
    ) as client:
        before = time.monotonic()
        with pytest.raises(TimeoutError):
            client.do_handshake()
        assert time.monotonic() - before > 0.09
    other.close()


def test_the_defaults():
    assert ours.SSLContext(ours.PROTOCOL_TLS_SERVER).handshake_timeout == 60.0
    with ends(0.05, handshake_timeout=None) as (server, _), pytest.raises(TimeoutError):
        server.do_handshake()


def test_a_listening_socket_serves_the_next_one():
    """Its `accept` shakes hands, as the standard module's; a silent client held all others up."""
    context = server_context(ours)
    context.handshake_timeout = 0.3
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        context.wrap_socket(listener, server_side=True) as server,
        socket.create_connection(server.getsockname()),
    ):
        with pytest.raises(TimeoutError):
            server.accept()
        context.handshake_timeout = PATIENCE
        served = []
        thread = threading.Thread(target=lambda: served.append(server.accept()[0]), daemon=True)
        thread.start()
        sock = socket.create_connection(server.getsockname(), timeout=PATIENCE)
        with client_context(ours).wrap_socket(sock, server_hostname="localhost"):
            thread.join(PATIENCE)
        served[0].close()
