"""cheroot, and clients that end their connections in every way: a line each, and no traceback."""

from __future__ import annotations

import contextlib
import logging
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cheroot import wsgi

from postshake.connection import Connection
from postshake.constants import ProtocolVersion
from postshake.web import server_context
from postshake.web.wsgi import CherootAdapter, StepUp
from tests.pair import client_config, issued, the_ca

PATIENCE = 60.0
NAME = "server.example"


class Counting(wsgi.Server):
    """A server that keeps what it would write, and says what it did with each connection."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.written: list[tuple[str, bool]] = []

    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:
        self.written.append((msg, traceback))


@contextlib.contextmanager
def serving(tmp_path: Any, timeout: float = PATIENCE) -> Iterator[Counting]:
    certificate = issued(NAME, "server")
    (tmp_path / "server.pem").write_bytes(certificate.pem())
    (tmp_path / "server.key").write_bytes(certificate.key_pem())
    (tmp_path / "ca.pem").write_bytes(the_ca().pem())
    context = server_context(
        tmp_path / "server.pem", tmp_path / "server.key", ca=tmp_path / "ca.pem"
    )

    def app(environ: Any, start_response: Any) -> list[bytes]:
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start_response("200 OK", [("Content-Length", "5")])
        return [b"hello"]

    server = Counting(("127.0.0.1", 0), StepUp(app), numthreads=2)
    server.timeout = timeout
    server.ssl_adapter = CherootAdapter(context)
    server.prepare()
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join(PATIENCE)


class Client:
    """A client's engine on a socket."""

    def __init__(self, server: Counting) -> None:
        self.sock = socket.create_connection(server.bind_addr, timeout=PATIENCE)
        versions = (ProtocolVersion.TLS13,)
        self.connection = Connection(client_config(versions=versions, clock=time.monotonic), NAME)
        self.connection.start()

    def shake(self) -> None:
        while self.connection.established is None:
            self.flush()
            self.connection.receive_data(self.sock.recv(65536))
            self.settle()
        self.flush()

    def settle(self) -> None:
        from postshake.drive.answers import find_answer_now

        while (question := self.connection.next_question()) is not None:
            self.connection.answer(question.id, find_answer_now(question.subject))

    def flush(self) -> None:
        self.sock.sendall(self.connection.data_to_send())

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def until_the_end(self) -> bytes:
        parts = []
        with contextlib.suppress(ConnectionError):
            while part := self.sock.recv(65536):
                parts.append(part)
        self.sock.close()
        return b"".join(parts)


def hello_and_reset(server: Counting) -> None:
    client = Client(server)
    client.flush()
    client.reset()


def half_a_hello_and_reset(server: Counting) -> None:
    client = Client(server)
    client.sock.sendall(client.connection.data_to_send()[:50])
    client.reset()


def garbage(server: Counting) -> None:
    client = Client(server)
    client.sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
    client.until_the_end()


def an_alert(server: Counting) -> None:
    client = Client(server)
    client.sock.sendall(b"\x15\3\3\0\2\2\x28")
    client.until_the_end()


def a_wrong_version(server: Counting) -> None:
    client = Client(server)
    hello = bytearray(client.connection.data_to_send())
    hello[5] = 99
    client.sock.sendall(hello)
    client.until_the_end()


def a_forged_record(server: Counting) -> None:
    client = Client(server)
    client.shake()
    client.sock.sendall(b"\x17\3\3\0\x20" + bytes(32))
    client.until_the_end()


def a_forged_record_in_a_body(server: Counting) -> None:
    client = Client(server)
    client.shake()
    client.connection.send_data(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
    client.flush()
    client.sock.sendall(b"\x17\3\3\0\x20" + bytes(32))
    client.until_the_end()


def a_reset_in_a_body(server: Counting) -> None:
    client = Client(server)
    client.shake()
    client.connection.send_data(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
    client.flush()
    client.reset()


def check_serves(server: Counting) -> None:
    client = Client(server)
    client.shake()
    client.connection.send_data(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    client.flush()
    got = b""
    while not got.endswith(b"hello"):
        client.connection.receive_data(client.sock.recv(65536))
        got += client.connection.read()
    assert got.startswith(b"HTTP/1.1 200 OK")
    client.sock.close()


ENDS: list[Callable[[Counting], None]] = [
    hello_and_reset,
    half_a_hello_and_reset,
    garbage,
    an_alert,
    a_wrong_version,
    a_forged_record,
    a_forged_record_in_a_body,
    a_reset_in_a_body,
]


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
def test_a_bad_connection_is_worth_a_line(
    end: Callable[[Counting], None], tmp_path: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "postshake.web")
    with serving(tmp_path) as server:
        for _ in range(5):
            end(server)
        check_serves(server)
        check_serves(server)  # with both threads: what was before has ended
        written, lines = list(server.written), list(caplog.records)
    assert [text for text, traceback in written if traceback] == []
    assert len(written) + len(lines) <= 5
    assert all("\n" not in text for text, _ in written)


def test_a_client_that_says_nothing_does_not_hold_a_thread(tmp_path: Any) -> None:
    with serving(tmp_path, timeout=0.3) as server:
        silent = [Client(server) for _ in range(5)]
        for client in silent:
            client.sock.sendall(client.connection.data_to_send()[:100])
        for client in silent:
            client.until_the_end()
        assert [text for text, traceback in server.written if traceback] == []
        assert server.written == []
