"""What one client gets, and how long it may take to ask for it."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from postshake.cli import connection_handler
from postshake.cli.connection_handler import ConnectionHandler, RequestTooSlow
from postshake.config import AuthRequest
from tests.pair import Clock


class Trickle:
    """A stream that brings so many bytes at a time, each after so many seconds."""

    def __init__(self, data: bytes, *, size: int = 1, every: float = 1.0) -> None:
        self.clock = Clock()
        self.timeout: float | None = 30.0
        self.sent = b""
        self.waited: list[float | None] = []
        self.peer_identity = None
        # nobody was known at any time
        self.connection = SimpleNamespace(read_position=len(data), identity_history=[(0, None)])
        self._every = every
        self._pieces: Iterator[bytes] = (data[at : at + size] for at in range(0, len(data), size))

    def receive(self, size: int = 65536) -> bytes:
        self.waited.append(self.timeout)
        if self.timeout is not None and self._every > self.timeout:
            self.clock.now += self.timeout
            raise TimeoutError("timed out")
        self.clock.now += self._every
        return next(self._pieces, b"")

    def send(self, data: bytes) -> None:
        self.sent += data

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"nobody was to ask for {name}")


def served(stream: Trickle, *, idle: int = 1) -> list[str]:
    """Let it ask for pages; what was logged."""
    log: list[str] = []
    left = iter([True] * idle)
    one = ConnectionHandler(
        stream,
        AuthRequest(),
        log.append,
        lambda: next(left, False),
        clock=stream.clock,
    )
    one.pages(("/protected",))
    return log


def status(stream: Trickle) -> int:
    return int(stream.sent.split(b" ", 2)[1])


REQUEST = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"


def test_a_request_that_comes_in_time():
    stream = Trickle(REQUEST, every=0.8)
    served(stream)
    assert status(stream) == 200
    assert stream.timeout == 30.0  # as before, for the response


@pytest.mark.parametrize("every", [0.9, 5.0, 29.0])
def test_a_head_has_one_deadline_however_steadily_it_comes(every):
    stream = Trickle(REQUEST + b"X" * 60_000, every=every)
    stream._pieces = iter([b"X"] * 60_000)
    before = stream.clock.now
    log = served(stream)
    assert status(stream) == 408
    assert b"Connection: close" in stream.sent
    assert stream.clock.now - before == pytest.approx(connection_handler.HEAD_TIME, abs=every)
    assert "too slow" in log[-1]
    waited = [each for each in stream.waited if each is not None]
    assert waited == stream.waited == sorted(waited, reverse=True)  # what is left of it
    assert waited[0] <= connection_handler.HEAD_TIME


@pytest.mark.parametrize("rate", [10_000, 100_000])
def test_a_body_at_an_honest_rate(rate):
    size = 300_000
    head = b"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: %d\r\n\r\n" % size
    stream = Trickle(head + bytes(size), size=rate)
    served(stream)
    assert status(stream) == 200


@pytest.mark.parametrize("size", [100, 300_000, connection_handler.MAX_BODY])
def test_a_body_has_a_deadline_by_its_length(size):
    head = b"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: %d\r\n\r\n" % size
    stream = Trickle(b"")
    stream._pieces = iter([head, *[b"x"] * size])
    before = stream.clock.now
    served(stream)
    assert status(stream) == 408
    allowed = connection_handler.BODY_TIME + size / connection_handler.BODY_RATE
    assert stream.clock.now - before == pytest.approx(allowed, abs=2)
    assert allowed < 160  # for the longest that is taken


def test_every_request_has_a_deadline_of_its_own():
    stream = Trickle(REQUEST * 3, every=0.8)
    served(stream, idle=3)
    assert stream.sent.count(b"HTTP/1.1 200 OK") == 3


def test_a_line_has_a_deadline_too():
    stream = Trickle(b"x" * 1000)
    one = ConnectionHandler(
        stream,
        AuthRequest(),
        lambda text: None,
        lambda: True,
        clock=stream.clock,
    )
    with pytest.raises(RequestTooSlow):
        one.echo()
    assert not stream.sent
    assert issubclass(RequestTooSlow, TimeoutError)


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (b"9" * 5000, 413),  # more digits than Python reads
        (b"0" * 5000, 413),
        (b"%d" % (connection_handler.MAX_BODY + 1), 413),
        ("²".encode("latin-1"), 400),
        (b"-1", 400),
        (b"", 400),
    ],
)
def test_lengths_that_are_none(length, expected):
    stream = Trickle(
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + length + b"\r\n\r\n", size=10_000
    )
    served(stream)
    assert status(stream) == expected
