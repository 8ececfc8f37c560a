"""Talk in plain text: HTTP to `postshake serve`, and servers before STARTTLS."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from postshake.cli.connection_handler import ConnectionHandler
from postshake.cli.starttls import PROTOCOLS, StartTLSError, start_tls
from postshake.config import AuthRequest
from postshake.errors import ReauthUnavailable
from tests.cli.test_starttls import FEATURES, GREETED, LDAP_LONG, LDAP_OK, PROCEED
from tests.fuzz.target import Script, Target

__all__ = ["conversations"]

REQUESTS = [
    b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
    b"POST /protected HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    b"HEAD /x%41/../y?z HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.1\r\nA: b\r\n\r\n",
]
TALKS = {
    "smtp": [GREETED],
    "imap": [b"* OK hello\r\n* CAPABILITY IMAP4rev1\r\na1 OK done\r\n"],
    "pop3": [b"+OK hello\r\n+OK begin\r\n"],
    "ldap": [LDAP_OK, LDAP_LONG],
    "xmpp": [FEATURES.encode() + PROCEED.encode()],
}


def conversations() -> Iterator[Target]:
    """Give a target for each."""
    seeds = [b"\0" + each for each in REQUESTS]
    yield Target("HTTP to serve", served, lambda: seeds, group="conversations", weight=3)
    yield Target(
        "lines to serve --echo",
        echoed,
        lambda: [b"\0hello\n**REAUTH**\nworld\n"],
        group="conversations",
    )
    for protocol in PROTOCOLS:
        yield Target(
            f"STARTTLS {protocol}",
            partial(started, protocol),
            partial(talks, protocol),
            group="conversations",
        )


def talks(protocol: str) -> list[bytes]:
    return [b"\0" + each for each in TALKS[protocol]]


class Wire:
    """What a test has in a socket's or a stream's place: these pieces come, and no more."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = iter(pieces)
        self.sent = bytearray()
        self.timeout: float | None = 30.0
        self.peer_identity = None

    def receive(self, size: int = 65536) -> bytes:
        return next(self._pieces, b"")

    def send(self, data: bytes) -> None:
        self.sent += data

    def reauth(self, request: Any) -> Any:
        raise ReauthUnavailable("the client did not offer post_handshake_auth")

    recv, sendall = receive, send

    def gettimeout(self) -> float | None:
        return self.timeout

    def settimeout(self, timeout: float | None) -> None:
        self.timeout = timeout

    def getsockname(self) -> tuple[str, int]:
        return "127.0.0.1", 1

    def __getattr__(self, name: str) -> Any:
        if name == "connection":  # whose data is whose
            return _Nobody()
        raise AttributeError(name)


class _Nobody:
    read_position = 1 << 30
    identity_history = ((0, None),)


def visit(data: bytes) -> tuple[ConnectionHandler, Wire, list[str]]:
    script = Script(data)
    wire = Wire([piece for piece in script.cut(data[1:]) if piece])
    log: list[str] = []
    left = iter([True] * 20)
    made = ConnectionHandler(
        wire,
        AuthRequest(),
        log.append,
        lambda: next(left, False),
        clock=lambda: 0.0,
    )
    return made, wire, log


def served(data: bytes) -> bool:
    one, wire, log = visit(data)
    one.pages(("/protected",))
    for line in log:
        assert line.isprintable(), line
    answers = bytes(wire.sent)
    assert not answers or answers.startswith(b"HTTP/1.1 ")
    return b"HTTP/1.1 200 OK" in answers or b" 403 " in answers


def echoed(data: bytes) -> bool:
    one, wire, _ = visit(data)
    one.echo()
    return bool(wire.sent)


def started(protocol: str, data: bytes) -> bool:
    wire = Wire([piece for piece in Script(data).cut(data[1:]) if piece])
    try:
        start_tls(wire, protocol, "a.example")
    except StartTLSError as error:
        refusal = error
    else:
        return True
    assert str(refusal).isprintable()
    return False
