"""What ``postshake serve`` says to one client, and whose the requests are that it reads."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import pytest

from postshake import AuthRequest
from postshake.cli.connection_handler import ConnectionHandler
from postshake.drive.sync import Stream
from tests.drive.streams import join
from tests.waiting import PATIENCE

TIMEOUT = PATIENCE


@contextlib.contextmanager
def visited(handle) -> Iterator[tuple[Stream, list[str]]]:
    """Give a client's stream, and what the server's side logs."""
    log: list[str] = []
    with join() as streams:
        streams.handshake()
        streams.client.timeout = streams.server.timeout = TIMEOUT

        def serve():
            with contextlib.suppress(Exception):  # the client hangs up as it likes
                handle(
                    ConnectionHandler(
                        streams.server, AuthRequest(within=TIMEOUT), log.append, lambda: True
                    )
                )

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield streams.client, log
        streams.client.close()
        thread.join(TIMEOUT)
        assert not thread.is_alive()


def pages(handler):
    handler.pages(("/protected",))


def get(path, method="GET", body=b""):
    return f"{method} {path} HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def answers(stream, count):
    """Read so many answers; return what they say."""
    received = b""
    texts: list[str] = []
    while len(texts) < count:
        head, separator, rest = received.partition(b"\r\n\r\n")
        size = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0] or 0)
        if separator and len(rest) >= size:
            texts.append(rest[:size].decode())
            received = rest[size:]
            continue
        data = stream.receive()
        assert data, "the server hung up"
        received += data
    return texts


def test_a_request_that_came_before_the_proof_is_asked_for_by_itself():
    with visited(pages) as (client, log):
        client.send(get("/protected") + get("/protected/delete", "POST", b"all") + get("/"))
        first, second, third = answers(client, 3)
        assert "you are CN=" in first
        assert "you are CN=" in second
        assert "you are nobody" in third
        assert [line.split()[:2] for line in log] == [
            ["reauth", "authenticated"],
            ["GET", "/protected"],
            ["reauth", "authenticated"],
            ["POST", "/protected/delete"],
            ["GET", "/"],
        ]
        client.send(get("/") + get("/protected"))
        assert all("you are CN=" in each for each in answers(client, 2))
        assert len([line for line in log if line.startswith("reauth")]) == 2


@pytest.mark.parametrize("size", [1, 4, 20, -1])
def test_a_request_that_began_before_the_proof(size):
    request = get("/")
    with visited(pages) as (client, _):
        client.send(get("/protected") + request[:size])
        assert "you are CN=" in answers(client, 1)[0]
        client.send(request[size:])
        assert "you are nobody" in answers(client, 1)[0]


def test_a_line_that_came_before_the_proof_asks_by_itself():
    with visited(ConnectionHandler.echo) as (client, log):
        client.send(b"**REAUTH**\n**REAUTH**\nhello\n")
        received = b""
        while not received.endswith(b"hello\n"):
            received += client.receive()
        assert received.count(b"Successfully") == 2
        assert len(log) == 2
        client.send(b"**REAUTH**\n")
        assert b"Successfully" in client.receive()
        assert len(log) == 2  # it was known already
