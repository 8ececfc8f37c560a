"""One deterministic life of two connections, recorded once, for fresh ends to receive again."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from postshake.connection import Connection, State
from postshake.constants import NamedGroup, Role
from postshake.errors import InternalError, TLSError, TruncationError, UsageError
from postshake.pki.credential import Credential
from postshake.wire.post_handshake import NewSessionTicket
from tests.hostile import send_handshake
from tests.pair import (
    ConnectionPair,
    End,
    client_config,
    counting_random,
    issued,
    server_config,
)
from tests.tampering import REQUIRING, split_records, states

__all__ = [
    "check_survives",
    "fresh",
    "recorded",
    "records_for",
    "replayed_client",
    "replayed_server",
]


@cache
def recorded() -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """The records that each end sends in a deterministic life with a bit of everything."""
    pair = ConnectionPair(replayed_client(), replayed_server())
    sent: dict[str, list[bytes]] = {"to server": [], "to client": []}

    def tap(direction: str, data: bytes) -> bytes:
        sent[direction] += split_records(data)
        return data

    pair.tamper = tap
    pair.handshake()
    pair.server.connection.send_data(b"hello")
    send_handshake(pair.server, NewSessionTicket(60, 0, b"n", b"ticket"))
    pair.server.connection.key_update()
    pair.server.connection.send_data(b"more" * 200)
    pair.client.connection.send_data(b"question")
    pair.client.connection.key_update()
    pair.client.connection.send_data(b"and more")
    pair.move()
    pair.client.connection.close()
    pair.server.connection.close()
    pair.move()
    assert states(pair) == (State.CLOSED, State.CLOSED)
    return tuple(sent["to client"]), tuple(sent["to server"])


@cache
def edna(name: str, purpose: str) -> Credential:
    """Who signs without randomness, and is the same each time."""
    return issued(name, purpose, "ed25519").credential()


def replayed_client() -> Any:
    return client_config(
        credentials=(edna("edna", "client"),),
        groups=(NamedGroup.x25519,),
        random=counting_random("replayed client"),
    )


def replayed_server() -> Any:
    return server_config(
        credentials=(edna("server.example", "server"),),
        groups=(NamedGroup.x25519,),
        random=counting_random("replayed server"),
        **REQUIRING,
    )


def fresh(role: Role) -> End:
    """An end that will understand the records of `recorded`."""
    if role is Role.client:
        end = End(Connection(replayed_client(), "server.example"))
    else:
        end = End(Connection(replayed_server()))
    end.connection.start()
    return end


def records_for(role: Role) -> tuple[bytes, ...]:
    return recorded()[0 if role is Role.client else 1]


def check_survives(end: End) -> None:
    """An end took something hostile: it goes on, or failed as documented."""
    error = end.error
    assert not isinstance(error, InternalError), repr(error)
    if error is None:
        return
    assert isinstance(error, (TLSError, TruncationError))
    assert repr(end.connection.failure) == repr(error)
    assert end.connection.state is State.BROKEN
    assert str(error)
    end.connection.data_to_send()
    with pytest.raises(UsageError):
        end.connection.receive_data(b"more")
