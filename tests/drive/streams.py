"""Two streams joined by real sockets, and functions that run at once."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

from postshake.config import ClientConfig, ServerConfig
from postshake.connection import Connection
from postshake.drive.answers import find_answer_now
from postshake.drive.sync.stream import Stream
from tests.pair import client_config, server_config
from tests.waiting import PATIENCE

__all__ = ["TIMEOUT", "RawClient", "Streams", "at_once", "join", "socketpair", "tcp_pair"]

TIMEOUT = PATIENCE
NAME = "server.example"


def tcp_pair(**options: int) -> tuple[socket.socket, socket.socket]:
    """Two ends of a TCP connection; options are set on both, such as SO_SNDBUF."""
    with socket.socket() as listener:
        for option, value in options.items():
            listener.setsockopt(socket.SOL_SOCKET, getattr(socket, option), value)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        ours = socket.socket()
        for option, value in options.items():
            ours.setsockopt(socket.SOL_SOCKET, getattr(socket, option), value)
        ours.connect(listener.getsockname())
        theirs, _ = listener.accept()
    return ours, theirs


def socketpair(**options: int) -> tuple[socket.socket, socket.socket]:
    """A pair of local sockets."""
    pair = socket.socketpair()
    for sock in pair:
        for option, value in options.items():
            sock.setsockopt(socket.SOL_SOCKET, getattr(socket, option), value)
    return pair


class Streams:
    """A client and a server, each a Stream."""

    def __init__(self, client: Stream, server: Stream) -> None:
        self.client = client
        self.server = server

    def handshake(self) -> Streams:
        at_once(self.client.handshake, self.server.handshake)
        return self


@contextlib.contextmanager
def join(
    client: ClientConfig | None = None,
    server: ServerConfig | None = None,
    *,
    sockets: Callable[[], tuple[socket.socket, socket.socket]] = tcp_pair,
    client_options: dict[str, Any] | None = None,
    server_options: dict[str, Any] | None = None,
) -> Iterator[Streams]:
    """Join two streams; both are closed in the end."""
    ours, theirs = sockets()
    ours.settimeout(TIMEOUT)
    theirs.settimeout(TIMEOUT)
    streams = Streams(
        Stream(ours, client or client_config("alice"), NAME, **client_options or {}),
        Stream(theirs, server or server_config(), **server_options or {}),
    )
    try:
        yield streams
    finally:
        at_once(streams.client.close, streams.server.close)


class RawClient:
    """A client's engine on a socket, which does only what a test says."""

    def __init__(
        self, sock: socket.socket, config: ClientConfig | None = None, name: str = NAME
    ) -> None:
        sock.settimeout(TIMEOUT)
        self.sock = sock
        self.connection = Connection(config or client_config("alice"), name)

    def handshake(self) -> None:
        """Shake hands."""
        self.connection.start()
        while self.connection.established is None:
            self.flush()
            self.take()
        self.flush()

    def flush(self) -> None:
        """Send what is due."""
        self.sock.sendall(self.connection.data_to_send())

    def take(self) -> None:
        """Receive once, and answer questions; requests wait."""
        data = self.sock.recv(65536)
        assert data, "the server hung up"
        self.connection.receive_data(data)
        while (question := self.connection.next_question()) is not None:
            self.connection.answer(question.id, find_answer_now(question.subject))

    def take_request(self) -> bytes:
        """Receive until a request is there; return its context."""
        while not self.connection.open_requests:
            self.take()
        return self.connection.open_requests[0]

    def answer(self, context: bytes, *, decline: bool = False) -> None:
        """Answer a request."""
        credentials = self.connection.config.credentials
        self.connection.answer_auth(context, None if decline else credentials[0])
        while (question := self.connection.next_question()) is not None:
            self.connection.answer(question.id, find_answer_now(question.subject))
        self.flush()

    def read_to_the_end(self) -> bytes:
        """Receive until the server hangs up; ConnectionResetError if it does so rudely."""
        parts = []
        while part := self.sock.recv(65536):
            parts.append(part)
        return b"".join(parts)


def at_once(*functions: Callable[[], Any]) -> list[Any]:
    """Run functions in threads, return what they return; what one raises is raised."""
    results: list[Any] = [None] * len(functions)
    errors: list[BaseException] = []

    def run(index: int, function: Callable[[], Any]) -> None:
        try:
            results[index] = function()
        except BaseException as error:
            errors.append(error)

    threads = [
        threading.Thread(target=run, args=each, daemon=True) for each in enumerate(functions)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * TIMEOUT)
    assert not any(thread.is_alive() for thread in threads), "the two ends wait for each other"
    for error in errors:
        raise error
    return results
