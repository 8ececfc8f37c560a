"""Two Connections and a wire between them, which may split, delay and tamper.

``ConnectionPair`` moves bytes until nothing moves any more, answers questions on
the way, and keeps what each end saw. Nothing here is random unless a test says so:
both ends get a counting source of bytes and clocks that stand still.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from postshake.config import AuthRequest, ClientConfig, ServerConfig
from postshake.connection import Connection
from postshake.drive.answers import find_answer_now
from postshake.errors import AlertReceived, PostshakeError
from postshake.events import Event, Outcome, ReauthCompleted, ReauthRequested
from postshake.pki.credential import Credential
from postshake.questions import Question
from tests.certs import CA, NOW, Issued

__all__ = [
    "Clock",
    "ConnectionPair",
    "End",
    "client_config",
    "counting_random",
    "issued",
    "server_config",
    "the_ca",
]

Splitter = Callable[[bytes], Iterable[bytes]]


@cache
def the_ca() -> CA:
    """The authority that both ends trust."""
    return CA("Test CA")


@cache
def issued(name: str, purpose: str = "client", key_type: str = "p256") -> Issued:
    """A certificate of that authority, the same for each asking."""
    if purpose == "server":
        return the_ca().issue(name, purpose=purpose, key_type=key_type, dns=[name])
    return the_ca().issue(name, purpose=purpose, key_type=key_type)


class Clock:
    """A clock that moves when told to."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def counting_random(seed: str) -> Callable[[int], bytes]:
    """A source of bytes that gives the same run again for the same seed."""
    count = 0

    def random(size: int) -> bytes:
        nonlocal count
        count += 1
        return hashlib.shake_128(f"{seed} {count}".encode()).digest(size)

    return random


def client_config(*names: str, **fields: Any) -> ClientConfig:
    """A client that trusts the test authority and has these client certificates."""
    fields.setdefault("credentials", tuple(issued(name).credential() for name in names))
    fields.setdefault("verifier", the_ca().verifier())
    fields.setdefault("random", counting_random("client"))
    fields.setdefault("clock", Clock())
    fields.setdefault("wall_clock", NOW.timestamp)
    return ClientConfig(**fields)


def server_config(**fields: Any) -> ServerConfig:
    """A server for ``server.example`` that trusts the test authority."""
    fields.setdefault("credentials", (issued("server.example", "server").credential(),))
    fields.setdefault("verifier", the_ca().verifier())
    fields.setdefault("random", counting_random("server"))
    fields.setdefault("clock", Clock())
    fields.setdefault("wall_clock", NOW.timestamp)
    return ServerConfig(**fields)


@dataclass
class End:
    """One end, and what it saw."""

    connection: Connection
    events: list[Event] = field(default_factory=list)
    data: bytes = b""
    error: PostshakeError | None = None
    held_questions: list[Question] = field(default_factory=list)
    hold: Callable[[Question], bool] = lambda question: False
    """Which questions to leave open, in `held_questions`."""
    auto_read: bool = True

    def of(self, kind: type[Any]) -> list[Any]:
        """The events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    def settle(self) -> None:
        """Answer questions, collect events and data."""
        connection = self.connection
        while (question := connection.next_question()) is not None:
            if self.hold(question):
                self.held_questions.append(question)
                continue
            try:
                connection.answer(question.id, find_answer_now(question.subject))
            except PostshakeError as error:
                self.error = error
        while (event := connection.next_event()) is not None:
            self.events.append(event)
        while self.auto_read and connection.readable:
            self.data += connection.read()

    def receive(self, data: bytes) -> None:
        """Give bytes to the connection; an error is kept, not raised."""
        if self.connection.failure is not None:
            return
        try:
            self.connection.receive_data(data)
        except PostshakeError as error:
            self.error = error
        self.settle()


class ConnectionPair:
    """A client and a server joined by a wire.

    Args:
        client: the client's configuration.
        server: the server's.
        split: cuts each batch of bytes into what is delivered at a time.
    """

    def __init__(
        self,
        client: ClientConfig | None = None,
        server: ServerConfig | None = None,
        *,
        server_name: str | None = "server.example",
        split: Splitter = lambda data: (data,),
    ) -> None:
        self.client = End(Connection(client or client_config("alice"), server_name))
        self.server = End(Connection(server or server_config()))
        self.split = split
        self.tamper: Callable[[str, bytes], bytes] = lambda direction, data: data

    def move(self, rounds: int = 100) -> None:
        """Carry bytes both ways until nothing moves."""
        for _ in range(rounds):
            moved = False
            for name, source, target in (
                ("to server", self.client, self.server),
                ("to client", self.server, self.client),
            ):
                source.settle()
                data = self.tamper(name, source.connection.data_to_send())
                for piece in self.split(data) if data else ():
                    target.receive(piece)
                moved = moved or bool(data)
            if not moved:
                return
        raise AssertionError("the two ends never come to rest")

    def handshake(self) -> ConnectionPair:
        """Shake hands, and insist that it worked."""
        self.client.connection.start()
        self.server.connection.start()
        self.move()
        errors = [end.error for end in (self.client, self.server) if end.error is not None]
        for error in sorted(errors, key=lambda error: isinstance(error, AlertReceived)):
            raise error
        assert self.client.connection.established is not None
        assert self.server.connection.established is not None
        return self

    def answer_all(self, *, decline: bool = False) -> None:
        """Let the client answer every request that it has seen."""
        for event in self.client.of(ReauthRequested):
            if event.context in self.client.connection.open_requests:
                credentials = self.client.connection.config.credentials
                credential = None if decline or not credentials else credentials[0]
                self.client.connection.answer_auth(event.context, credential)

    def ask(self, **fields: Any) -> bytes:
        """Let the server ask, and the client see it; the request's context."""
        context = self.server.connection.request_auth(AuthRequest(**fields))
        self.move()
        return context

    def give(self, context: bytes, credential: Credential | None) -> None:
        """Let the client answer one request, and the server see it."""
        self.client.connection.answer_auth(context, credential)
        self.move()

    def outcomes(self) -> list[tuple[bytes, Outcome]]:
        """What became of the requests that are settled, by context and in order."""
        return [(event.context, event.outcome) for event in self.server.of(ReauthCompleted)]

    def reauth(self, request: AuthRequest | None = None, **fields: Any) -> ReauthCompleted:
        """One whole request and its answer; what the server made of it."""
        decline = fields.pop("decline", False)
        request = replace(request or AuthRequest(), **fields)
        context = self.server.connection.request_auth(request)
        self.move()
        self.answer_all(decline=decline)
        self.move()
        if self.server.error is not None:
            raise self.server.error
        (completed,) = (
            event for event in self.server.of(ReauthCompleted) if event.context == context
        )
        return completed
