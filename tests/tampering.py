"""One end of a pair tells lies in the main handshake, consistently.

What it puts in a message's place enters its own transcript as well, so that its
later signatures and Finished agree with what the other end saw: the lie is found
by whoever checks for it, or not at all.

A `Lie` is asked for every message that the end is about to write. ``instead``
makes one from a function over decoded messages, ``raw_instead`` from one over
bytes; `refuse` runs the handshake and holds what came of it against what must.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from postshake.config import ClientAuth
from postshake.connection import Connection, State
from postshake.constants import AlertDescription, ContentType, Role
from postshake.errors import AlertReceived, PeerError, PostshakeError, TLSError
from postshake.protocol import link
from postshake.protocol.tls13 import client_hellos
from postshake.questions import Question
from postshake.wire.extensions import Extension, Extensions
from postshake.wire.handshake import Handshake, encode_handshake
from tests.hostile import send_record
from tests.pair import ConnectionPair, End, client_config, server_config

__all__ = [
    "ASKING",
    "REQUIRING",
    "Case",
    "Lie",
    "check_refusal",
    "drop",
    "ends",
    "framed",
    "give",
    "instead",
    "lying",
    "plus",
    "raw_instead",
    "refuse",
    "sends_before",
    "split_records",
    "states",
    "swapped",
    "twice",
    "without",
]

Lie = Callable[[End, Handshake, bytes], bytes]
"""The end that lies, the honest message, its bytes -> the bytes to send instead."""


@contextmanager
def lying(end: End, lie: Lie) -> Iterator[None]:
    """Let one end lie meanwhile; the other, run in the same thread, stays honest."""
    acting = False

    def encode(message: Handshake) -> bytes:
        raw = encode_handshake(message)
        return lie(end, message, raw) if acting else raw

    def wrap(method: Callable[..., Any]) -> Callable[..., Any]:
        def act(*args: Any) -> Any:
            nonlocal acting
            acting = True
            try:
                return method(*args)
            finally:
                acting = False

        return act

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(link, "encode_handshake", encode)
        patch.setattr(client_hellos, "encode_handshake", encode)
        for name in ("start", "receive_data", "answer"):
            patch.setattr(end.connection, name, wrap(getattr(end.connection, name)))
        yield


def instead(kind: type[Any], change: Callable[[Any], Handshake | None], *, nth: int = 0) -> Lie:
    """Change a message of one kind; None leaves it out.

    Args:
        kind: the class of the message.
        change: given the honest message, what to send.
        nth: which one of its kind, 0 for the first.
    """

    def change_raw(message: Handshake, raw: bytes) -> bytes:
        changed = change(message)
        return encode_handshake(changed) if changed is not None else b""

    return raw_instead(kind, change_raw, nth=nth)


def raw_instead(kind: type[Any], change: Callable[[Any, bytes], bytes], *, nth: int = 0) -> Lie:
    """Change the bytes of a message of one kind, header included."""
    seen: list[Handshake] = []

    def lie(end: End, message: Handshake, raw: bytes) -> bytes:
        if type(message) is not kind:
            return raw
        if message not in seen:  # a first ClientHello is written twice
            seen.append(message)
        return change(message, raw) if seen.index(message) == nth else raw

    return lie


def drop(kind: type[Any]) -> Lie:
    """Leave a message out."""
    return instead(kind, lambda message: None)


def twice(kind: type[Any]) -> Lie:
    """Send a message twice."""
    return raw_instead(kind, lambda message, raw: raw + raw)


def swapped(first: type[Any], second: type[Any]) -> Lie:
    """Send two messages of one flight in the wrong order."""
    kept = b""

    def lie(end: End, message: Handshake, raw: bytes) -> bytes:
        nonlocal kept
        if type(message) is first:
            kept = raw
            return b""
        return raw + kept if type(message) is second else raw

    return lie


def sends_before(kind: type[Any], content_type: ContentType, data: bytes) -> Lie:
    """Send another record before the flight with this message."""

    def lie(end: End, message: Handshake, raw: bytes) -> bytes:
        if type(message) is kind:
            send_record(end, content_type, data)
        return raw

    return lie


def framed(handshake_type: int, body: bytes) -> bytes:
    """Write a message by hand."""
    return bytes((handshake_type,)) + len(body).to_bytes(3, "big") + body


def without(message: Any, *kinds: type[Any]) -> Any:
    """The message without extensions of these classes."""
    kept = tuple(item for item in message.extensions if type(item) not in kinds)
    return replace(message, extensions=Extensions(kept))


def plus(message: Any, *items: Extension, replacing: bool = True) -> Any:
    """The message with these extensions, in place of those of the same type."""
    types = {item.extension_type for item in items} if replacing else set()
    kept = [item for item in message.extensions if item.extension_type not in types]
    return replace(message, extensions=Extensions((*kept, *items)))


@dataclass
class Case:
    """A lie, and what the honest end must say to it.

    ``lie`` makes one, since a lie may count; ``client`` and ``server`` are fields of
    the two configurations.
    """

    name: str
    lie: Callable[[], Lie]
    error: type[TLSError]
    match: str
    client: dict[str, Any] = field(default_factory=dict)
    server: dict[str, Any] = field(default_factory=dict)
    certificates: tuple[str, ...] = ("alice",)

    def __str__(self) -> str:
        return self.name


ASKING = {"client_auth": ClientAuth.REQUEST}
REQUIRING = {"client_auth": ClientAuth.REQUIRE}


def refuse(case: Case, liar_role: Role) -> ConnectionPair:
    """Run a handshake with a liar, and insist that the lie is refused just so."""
    pair = ConnectionPair(
        client_config(*case.certificates, **case.client), server_config(**case.server)
    )
    liar, honest = (
        (pair.client, pair.server) if liar_role is Role.client else (pair.server, pair.client)
    )
    with lying(liar, case.lie()):
        pair.client.connection.start()
        pair.server.connection.start()
        pair.move()
    check_refusal(honest, liar, case.error, case.match)
    assert honest.connection.established is None
    assert honest.connection.peer_identity is None
    return pair


def give(end: End, question: Question, value: object) -> None:
    """Answer one held question; an error is kept, as `End` keeps others."""
    end.held_questions.remove(question)
    try:
        end.connection.answer(question.id, value)
    except PostshakeError as error:
        end.error = error
    end.settle()


def ends(pair: ConnectionPair, role: Role) -> tuple[End, End]:
    """The end with this role, and the other."""
    return (pair.client, pair.server) if role is Role.client else (pair.server, pair.client)


def states(pair: ConnectionPair) -> tuple[State, State]:
    """How far the client and the server have come."""
    return pair.client.connection.state, pair.server.connection.state


def split_records(data: bytes) -> list[bytes]:
    """Cut a stream into its records."""
    records = []
    while data:
        size = 5 + int.from_bytes(data[3:5], "big")
        records.append(data[:size])
        data = data[size:]
    return records


def check_refusal(honest: End, liar: End, error_class: type[TLSError], match: str) -> None:
    """Insist on this error, on its text, and on the alert at the other end."""
    error = honest.error
    assert error is not None, "nothing was refused"
    # of the class, or of one that tells its kind apart
    assert isinstance(error, error_class), repr(error)
    assert error.alert is error_class.alert, repr(error)
    text = str(error)
    assert re.search(match, text), text
    connection: Connection = honest.connection
    assert repr(connection.failure) == repr(error)
    assert connection.state is State.BROKEN
    assert text.startswith(f"{liar.connection.role.name}: ")
    assert isinstance(error, TLSError)
    if isinstance(error, PeerError):
        assert error.section is None or f"(§{error.section})" in text
    told = liar.error
    assert isinstance(told, AlertReceived), repr(told)
    assert told.received == error_class.alert
    assert isinstance(error_class.alert, AlertDescription)
    assert error_class.alert.name in str(told)
    assert connection.role.name in str(told)
