"""The server in this process: what no client can do to it, and what the system may."""

from __future__ import annotations

import contextlib
import errno
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from postshake.cli import server as module
from postshake.cli.connection_handler import ConnectionHandler
from postshake.cli.server import Server
from postshake.cli.static_files import StaticFiles
from postshake.config import AuthRequest
from postshake.connection import Connection
from postshake.drive.sync import Stream
from tests.pair import client_config, server_config
from tests.waiting import PATIENCE

NAME = "server.example"


class Lines:
    """A log in memory."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._news = threading.Condition()

    def __call__(self, text: str, connection: int | None = None) -> None:
        with self._news:
            self.lines.append(text)
            self._news.notify_all()

    def wait_for(self, part: str) -> str:
        """Wait for a line with this in it."""
        with self._news:
            found = self._news.wait_for(
                lambda: next((line for line in self.lines if part in line), None), PATIENCE
            )
        assert found is not None, self.lines
        return found


@contextlib.contextmanager
def running(
    handle: Any = ConnectionHandler.echo, *, connections: int = 1, **fields: Any
) -> Iterator[Any]:
    """A server with one place, and its log."""
    log = Lines()
    with Server(
        server_config(clock=time.monotonic, **fields),
        AuthRequest(within=1.0),
        handle,
        "127.0.0.1",
        0,
        connections,
        log=log,
    ) as server:
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        yield server, log
        server.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()


def check_serves(server: Server) -> None:
    """An honest client gets the one place."""
    sock = socket.create_connection(server.address, timeout=PATIENCE)
    with Stream(sock, client_config(), NAME) as stream:
        stream.send(b"hello\n")
        assert stream.receive() == b"hello\n"


def test_a_hello_that_trickles_does_not_hold_a_place(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "TIMEOUT", 0.5)
    client = Connection(client_config(), NAME)
    client.start()
    hello = client.data_to_send()
    with running() as (server, log), socket.create_connection(server.address) as sock:

        def trickle() -> None:
            with contextlib.suppress(OSError):
                for byte in hello[:-1]:
                    sock.sendall(bytes((byte,)))
                    time.sleep(0.01)  # this is what is tested: slow, but steady

        thread = threading.Thread(target=trickle, daemon=True)
        thread.start()
        log.wait_for("failed: TimeoutError")
        monkeypatch.setattr(module, "TIMEOUT", PATIENCE)
        check_serves(server)
        thread.join(PATIENCE)


def test_who_says_nothing_does_not_hold_a_place(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "IDLE", 0.5)
    with running() as (server, log):
        sock = socket.create_connection(server.address, timeout=PATIENCE)
        with Stream(sock, client_config(), NAME) as stream:
            stream.handshake()
            log.wait_for("closed")
        monkeypatch.setattr(module, "IDLE", PATIENCE)
        check_serves(server)


def test_a_response_that_nobody_reads_does_not_hold_a_place(tmp_path: Path):
    (tmp_path / "large").write_bytes(bytes(30_000_000))
    site = StaticFiles(str(tmp_path))

    def pages(handler: ConnectionHandler) -> None:
        assert handler.stream.timeout == module.TIMEOUT
        handler.stream.timeout = 0.5
        handler.site = site
        handler.pages(("/protected",))

    with running(pages) as (server, log):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(PATIENCE)
        sock.connect(server.address)
        stream = Stream(sock, client_config(), NAME)
        stream.send(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        log.wait_for("failed: TimeoutError")
        stream.close()
        again = Stream(
            socket.create_connection(server.address, timeout=PATIENCE), client_config(), NAME
        )
        with again:
            again.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert again.receive().startswith(b"HTTP/1.1 ")


class Scarce:
    """A listening socket that cannot accept at first."""

    def __init__(self, sock: socket.socket, failures: int) -> None:
        self._sock = sock
        self.failures = failures

    def accept(self) -> tuple[socket.socket, Any]:
        if self.failures:
            self.failures -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return self._sock.accept()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


def test_it_goes_on_when_there_are_no_descriptors_left(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "PAUSE", 0.01)

    def none_left(*arguments: Any) -> Any:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(selectors, "EpollSelector", none_left, raising=False)
    monkeypatch.setattr(selectors, "DefaultSelector", none_left)
    honest = Server.run
    scarce: list[Scarce] = []

    def run(self: Server) -> None:
        scarce.append(Scarce(self._listener, 3))
        self._listener = scarce[0]  # type: ignore[assignment]
        honest(self)

    monkeypatch.setattr(Server, "run", run)
    with running() as (server, log):
        check_serves(server)
        assert "Too many open files" in log.wait_for("cannot accept connections")
        assert scarce[0].failures == 0


def test_it_goes_on_when_there_are_no_threads_left(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "PAUSE", 0.01)
    honest = threading.Thread.start
    failures = [1, 1, 1]

    def start(self: threading.Thread) -> None:
        if self.name.startswith("connection") and failures:
            failures.pop()
            raise RuntimeError("can't start new thread")
        honest(self)

    monkeypatch.setattr(threading.Thread, "start", start)
    with running() as (server, log):
        for _ in range(3):
            sock = socket.create_connection(server.address, timeout=PATIENCE)
            with sock, contextlib.suppress(ConnectionError):
                assert sock.recv(1) == b""
        check_serves(server)
        assert "can't start new thread" in log.wait_for("cannot serve")


def test_a_mistake_ends_one_connection(capsys: pytest.CaptureFixture[str]):
    def handle(handler: ConnectionHandler) -> None:
        if handler.stream.receive() != b"hello\n":
            raise KeyError("a mistake")
        handler.stream.send(b"hello\n")

    with running(handle) as (server, log):
        sock = socket.create_connection(server.address, timeout=PATIENCE)
        with Stream(sock, client_config(), NAME) as stream:
            stream.send(b"surprise")
            assert stream.receive() == b""  # it says goodbye
        log.wait_for("KeyError: 'a mistake'")
        check_serves(server)
    assert "Traceback" in capsys.readouterr().err
