"""TLS 1.2 under whatever comes: one flipped bit, lost pieces, noise."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postshake.config import ClientAuth
from postshake.errors import InternalError, TLSError
from tests.pair import ConnectionPair, End
from tests.sealer import Sealer
from tests.tls12 import pair12

directions = st.sampled_from(["to client", "to server"])


def required(**options: Any) -> ConnectionPair:
    """A handshake with everything in it."""
    server = {"client_auth": ClientAuth.REQUIRE, "ticket_keys": Sealer()}
    return pair12("alice", server=server, **options)


def change_once(pair: ConnectionPair, direction: str, flight: int, change: Any) -> list[bytes]:
    """Change one flight of one direction; what it was is returned, once it was sent."""
    seen: list[bytes] = []
    count = 0

    def tamper(name: str, data: bytes) -> bytes:
        nonlocal count
        if name != direction or not data:
            return data
        count += 1
        if count != flight:
            return data
        seen.append(data)
        return bytes(change(data))

    pair.tamper = tamper
    return seen


def run(pair: ConnectionPair) -> None:
    pair.client.connection.start()
    pair.server.connection.start()
    pair.move()


def check_honest(end: End, expected: str) -> None:
    """Whoever is established knows the right peer; nobody is at fault himself."""
    assert not isinstance(end.error, InternalError), end.error
    identity = end.connection.peer_identity
    if end.connection.established is None:
        assert identity is None
    else:
        assert identity is not None
        assert identity.common_name == expected


@settings(max_examples=400, deadline=None)
@given(direction=directions, flight=st.integers(1, 2), place=st.floats(0, 1), bit=st.integers(0, 7))
def test_one_flipped_bit(direction: str, flight: int, place: float, bit: int) -> None:
    pair = required()

    def flip(data: bytes) -> bytes:
        changed = bytearray(data)
        changed[int(place * (len(data) - 1))] ^= 1 << bit
        return bytes(changed)

    sent = change_once(pair, direction, flight, flip)
    run(pair)
    check_honest(pair.client, "server.example")
    check_honest(pair.server, "alice")
    both = [end.connection.established is not None for end in (pair.client, pair.server)]
    if all(both):  # nothing that matters was hit: the version of a plain record
        at = int(place * (len(sent[0]) - 1))
        assert _is_version_of_a_plain_record(sent[0], at)


def _is_version_of_a_plain_record(data: bytes, at: int) -> bool:
    start, plain = 0, True
    while start < len(data):
        if plain and start < at < start + 3:
            return True
        plain = plain and data[start] != 20
        start += 5 + int.from_bytes(data[start + 3 : start + 5], "big")
    return False


@settings(max_examples=150, deadline=None)
@given(
    direction=directions,
    flight=st.integers(1, 2),
    start=st.integers(0, 1500),
    size=st.integers(1, 300),
    instead=st.binary(max_size=20),
)
def test_a_piece_that_is_lost_or_replaced(
    direction: str, flight: int, start: int, size: int, instead: bytes
) -> None:
    pair = required()
    change_once(pair, direction, flight, lambda data: data[:start] + instead + data[start + size :])
    run(pair)
    check_honest(pair.client, "server.example")
    check_honest(pair.server, "alice")


@settings(max_examples=150, deadline=None)
@given(noise=st.binary(max_size=200), content_type=st.sampled_from([20, 21, 22, 23]))
@pytest.mark.parametrize("direction", ["to client", "to server"])
def test_noise_after_the_handshake(direction: str, noise: bytes, content_type: int) -> None:
    pair = required().handshake()
    sender = pair.server if direction == "to client" else pair.client
    receiver = pair.client if direction == "to client" else pair.server
    if noise:
        sender.connection._engine.layer.send(content_type, noise)
    pair.move()
    assert receiver.error is None or isinstance(receiver.error, TLSError)
    assert not isinstance(receiver.error, InternalError)
    assert receiver.connection.peer_identity is not None
    if content_type == 23:
        assert receiver.data == noise


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=30))
def test_any_cutting_of_the_stream(sizes: list[int]) -> None:
    def split(data: bytes) -> list[bytes]:
        pieces, start, number = [], 0, 0
        while start < len(data):
            size = sizes[number % len(sizes)]
            pieces.append(data[start : start + size])
            start += size
            number += 1
        return pieces

    pair = required(split=split).handshake()
    pair.client.connection.send_data(b"x" * 1000)
    pair.server.connection.send_data(b"y" * 1000)
    pair.move()
    assert (pair.client.data, pair.server.data) == (b"y" * 1000, b"x" * 1000)
    assert pair.client.connection.session12 is not None
    check_honest(pair.server, "alice")
