"""Fragments -> whole handshake messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postshake.errors import TooMuch, UnexpectedMessage
from postshake.record.limits import Limits
from postshake.record.reassembly import Reassembly
from tests.record.records import cut

messages = st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=40)), max_size=8)
sizes = st.lists(st.integers(1, 12), max_size=60)


def encode(message_type: int, body: bytes) -> bytes:
    return bytes((message_type,)) + len(body).to_bytes(3, "big") + body


def drain(reassembly: Reassembly) -> list[tuple[int, bytes]]:
    found = []
    while (message := reassembly.next_message()) is not None:
        found.append(message)
    return found


@given(messages, sizes, st.booleans())
def test_any_cutting_gives_the_same_messages(
    sent: list[tuple[int, bytes]], pieces: list[int], eager: bool
) -> None:
    reassembly = Reassembly(Limits())
    got = []
    for fragment in cut(b"".join(encode(*message) for message in sent), pieces):
        reassembly.feed(fragment)
        if eager:
            got += drain(reassembly)
    got += drain(reassembly)
    assert got == [(message_type, encode(message_type, body)) for message_type, body in sent]
    assert not reassembly.partial
    assert not reassembly.pending
    reassembly.check_aligned()


@given(messages, st.integers(1, 255), st.binary(min_size=1, max_size=20), st.data())
def test_an_unfinished_message_is_partial_and_not_aligned(
    sent: list[tuple[int, bytes]], message_type: int, body: bytes, data: st.DataObject
) -> None:
    last = encode(message_type, body)
    kept = data.draw(st.integers(1, len(last) - 1))
    reassembly = Reassembly(Limits())
    reassembly.feed(b"".join(encode(*message) for message in sent) + last[:kept])
    assert len(drain(reassembly)) == len(sent)
    assert reassembly.partial
    assert not reassembly.pending
    with pytest.raises(UnexpectedMessage, match=f"got {kept} more bytes"):
        reassembly.check_aligned()
    reassembly.feed(last[kept:])
    assert reassembly.pending
    assert not reassembly.partial
    assert drain(reassembly) == [(message_type, last)]


def test_a_whole_message_behind_a_key_change_is_not_aligned_either() -> None:
    reassembly = Reassembly(Limits())
    reassembly.feed(encode(20, b"finished") + encode(24, b"\x00"))
    assert reassembly.next_message() == (20, encode(20, b"finished"))
    assert reassembly.pending
    with pytest.raises(UnexpectedMessage, match="got 5 more bytes"):
        reassembly.check_aligned()


@pytest.mark.parametrize("size", [0, 1, 99, 100])
def test_a_message_up_to_the_limit_passes(size: int) -> None:
    reassembly = Reassembly(Limits(handshake_message=100))
    reassembly.feed(encode(11, bytes(size)))
    assert reassembly.next_message() == (11, encode(11, bytes(size)))


@pytest.mark.parametrize("size", [101, 2**24 - 1])
def test_a_longer_one_is_refused_by_its_header_alone(size: int) -> None:
    reassembly = Reassembly(Limits(handshake_message=100))
    header = b"\x0b" + size.to_bytes(3, "big")
    reassembly.feed(header[:3])
    assert reassembly.next_message() is None
    reassembly.feed(header[3:])
    with pytest.raises(TooMuch, match=f"type 11: expected at most 100 bytes, got .* {size}"):
        reassembly.next_message()


def test_byte_by_byte_joins_twice_at_most() -> None:
    """Linear, told without a clock: the buffer is replaced at header and end only."""
    reassembly = Reassembly(Limits())
    message = encode(11, bytes(50_000))
    buffers = set()
    for index in range(len(message)):
        assert reassembly.next_message() is None
        buffers.add(len(reassembly._buffer))
        reassembly.feed(message[index : index + 1])
    assert reassembly.next_message() == (11, message)
    assert buffers == {0, 1, 4}


def test_a_single_message_is_not_copied() -> None:
    reassembly = Reassembly(Limits())
    message = encode(11, b"body")
    reassembly.feed(message)
    received = reassembly.next_message()
    assert received is not None
    assert received[1] is message
    assert "0 bytes" in repr(reassembly)
