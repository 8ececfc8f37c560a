"""What uvicorn's clients may take their time for, with both of its HTTP parsers."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from postshake.cli import deadlines
from postshake.cli.deadlines import with_deadlines
from tests.waiting import PATIENCE

PROTOCOLS = pytest.mark.parametrize(
    "protocol", [H11Protocol, HttpToolsProtocol], ids=lambda protocol: protocol.__name__
)


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Echo the body's length; or send much; or wait before the body is read."""
    assert scope["type"] == "http"
    size = 0
    if scope["path"] == "/later":
        await asyncio.sleep(2.5 * deadlines.BODY_TIME)  # for the looks in between
        # from here on the time is the client's, who needs some on a busy machine
        deadlines.BODY_TIME = PATIENCE
    more = scope["path"] != "/much"
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message["body"])
        more = message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] == "/much":
        for _ in range(200):
            await send({"type": "http.response.body", "body": bytes(100_000), "more_body": True})
    await send({"type": "http.response.body", "body": b"%d" % size})


@contextlib.contextmanager
def serving(protocol: type[Any]) -> Iterator[Callable[[], socket.socket]]:
    """Serve; what is given connects."""
    config = uvicorn.Config(app, http=with_deadlines(protocol), lifespan="off", log_level="error")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        try:
            yield lambda: socket.create_connection(listener.getsockname(), timeout=PATIENCE)
        finally:
            server.should_exit = server.force_exit = True
            thread.join(PATIENCE)


def ends(sock: socket.socket) -> bytes:
    """What comes until the server hangs up, in whatever way."""
    parts = []
    with contextlib.suppress(ConnectionError):
        while part := sock.recv(65536):
            parts.append(part)
    return b"".join(parts)


def trickle(sock: socket.socket, data: bytes, every: float = 0.01) -> threading.Event:
    """Send it slowly, but steadily; the event tells that it was cut off."""
    cut_off = threading.Event()

    def send() -> None:
        try:
            for byte in data:
                sock.sendall(bytes((byte,)))
                time.sleep(every)  # this is what is tested
        except OSError:
            cut_off.set()

    threading.Thread(target=send, daemon=True).start()
    return cut_off


def check_serves(connect: Callable[[], socket.socket], body: bytes = b"hello") -> None:
    with connect() as sock:
        head = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
        sock.sendall(head % len(body) + body)
        answer = ends(sock)
        assert answer.startswith(b"HTTP/1.1 200")
        assert answer.endswith(b"%d" % len(body)) or b"\r\n%d\r\n" % len(body) in answer


@PROTOCOLS
def test_an_honest_client_with_all_the_time(protocol: type[Any]) -> None:
    with serving(protocol) as connect:
        check_serves(connect)
        check_serves(connect, bytes(300_000))


@PROTOCOLS
@pytest.mark.parametrize("first", [False, True])
def test_a_head_that_trickles(
    protocol: type[Any], first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadlines, "HEAD_TIME", 0.5)
    with serving(protocol) as connect, connect() as sock:
        if not first:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert sock.recv(65536).startswith(b"HTTP/1.1 200")
        cut_off = trickle(sock, b"GET / HTTP/1.1\r\nX-Slow: " + b"x" * 60_000)
        ends(sock)
        assert cut_off.wait(PATIENCE)
        monkeypatch.setattr(deadlines, "HEAD_TIME", PATIENCE)
        check_serves(connect)


@PROTOCOLS
def test_a_client_that_says_nothing(protocol: type[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "HEAD_TIME", 0.3)
    with serving(protocol) as connect, connect() as sock:
        assert ends(sock) == b""


@PROTOCOLS
def test_a_body_that_trickles(protocol: type[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "BODY_TIME", 0.5)
    with serving(protocol) as connect, connect() as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
        cut_off = trickle(sock, bytes(100_000))
        ends(sock)
        assert cut_off.wait(PATIENCE)


@PROTOCOLS
def test_a_body_at_an_honest_rate(protocol: type[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Longer than the time that each has at least."""
    monkeypatch.setattr(deadlines, "BODY_TIME", 1.0)
    monkeypatch.setattr(deadlines, "BODY_RATE", 1000)
    with serving(protocol) as connect, connect() as sock:
        head = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 200000\r\n\r\n"
        sock.sendall(head)
        for _ in range(40):
            sock.sendall(bytes(5_000))
            time.sleep(0.05)  # steadily, for longer than BODY_TIME
        assert ends(sock).startswith(b"HTTP/1.1 200")


@PROTOCOLS
def test_a_body_that_we_do_not_read_yet(
    protocol: type[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading is paused: it is not the client that is slow."""
    monkeypatch.setattr(deadlines, "BODY_TIME", 1.0)
    monkeypatch.setattr(deadlines, "BODY_RATE", 10**9)
    with serving(protocol) as connect, connect() as sock:
        head = b"POST /later HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
        sock.sendall(head + b"Content-Length: 9000000\r\n\r\n" + bytes(9_000_000))
        answer = ends(sock)
        assert answer.startswith(b"HTTP/1.1 200"), answer


class Clock:
    """Time that passes when the test says so, for a protocol without a server."""

    def __init__(self) -> None:
        self.now = 0.0
        self.due: list[tuple[float, Any, tuple[Any, ...]]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, seconds: float, call: Any, *arguments: Any) -> Any:
        entry = (self.now + seconds, call, arguments)
        self.due.append(entry)
        return SimpleNamespace(cancel=lambda: entry in self.due and self.due.remove(entry))

    def advance(self, until: float) -> None:
        while ready := [entry for entry in self.due if entry[0] <= until]:
            first = min(ready, key=lambda entry: entry[0])
            self.due.remove(first)
            self.now = first[0]
            first[1](*first[2])
        self.now = until


class Reader:
    """As much of uvicorn's protocol as the deadlines look at."""

    def connection_made(self, transport: Any) -> None:
        self.transport, self.client = transport, None
        self.cycle: Any = None
        self.flow = SimpleNamespace(read_paused=False)

    def data_received(self, data: bytes) -> None:
        if self.cycle is None:
            self.cycle = SimpleNamespace(response_complete=False, more_body=True)
        if data == b"much":
            self.flow.read_paused = True


@pytest.mark.parametrize("seen", [False, True])
@pytest.mark.parametrize("resumed_at", [11, 39, 59.9])
def test_the_client_s_time_begins_when_reading_goes_on(
    resumed_at: float, seen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: clock)
    aborted: list[float] = []
    transport = SimpleNamespace(
        is_closing=lambda: bool(aborted), abort=lambda: aborted.append(clock.now)
    )
    protocol = with_deadlines(Reader)()
    protocol.connection_made(transport)
    protocol.data_received(b"head")
    clock.advance(10)
    protocol.data_received(b"much")
    clock.advance(resumed_at)
    protocol.flow.read_paused = False
    if seen:
        clock.advance(resumed_at + 20)
        protocol.data_received(b"more")
    clock.advance(1000)
    assert aborted
    assert deadlines.BODY_TIME <= aborted[0] - resumed_at <= 2 * deadlines.BODY_TIME


@PROTOCOLS
def test_a_response_that_nobody_reads(protocol: type[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "WRITE_TIME", 0.5)
    with serving(protocol) as connect:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(PATIENCE)
        with connect() as other:
            sock.connect(other.getpeername())
        with sock:
            sock.sendall(b"GET /much HTTP/1.1\r\nHost: a\r\n\r\n")
            # what it sends is answered with a reset, once the server has hung up
            assert trickle(sock, bytes(10_000)).wait(PATIENCE)
        check_serves(connect)
