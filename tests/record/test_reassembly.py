"""Fragments -> whole handshake messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postshake.errors import MessageTooLarge, TooMuch, UnexpectedMessage
from postshake.record.limits import Limits
from postshake.record.reassembly import Reassembly
from tests.memory import measured
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


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_what_a_message_takes_is_little_more_than_the_message(size: int) -> None:
    """However it is cut: no object of its own for each fragment."""
    message = encode(11, bytes(50_000))
    part = message[:-1]
    fragments = [bytearray(part[at : at + size]) for at in range(0, len(part), size)]
    reassembly = Reassembly(Limits(handshake_fragments=len(fragments) + 1))
    with measured() as memory:
        for fragment in fragments:
            reassembly.feed(bytes(fragment))
            assert reassembly.next_message() is None
    assert memory.held < 1.3 * len(message)
    reassembly.feed(message[-1:])
    assert reassembly.next_message() == (11, message)


def test_byte_by_byte_is_linear() -> None:
    """Told without a clock: what was fed is copied to where it stays, and once more at the end."""
    reassembly = Reassembly(Limits(handshake_fragments=50_004))
    message = encode(11, bytes(50_000))
    buffers = set()
    for index in range(len(message)):
        assert reassembly.next_message() is None
        reassembly.feed(message[index : index + 1])
        if index:
            buffers.add(id(reassembly._buffer))
    assert len(buffers) == 1  # it grows, and is never joined anew
    assert reassembly.next_message() == (11, message)


def test_messages_that_always_straddle_leave_nothing_behind() -> None:
    """Every record ends within a message, so the buffer is never empty."""
    reassembly = Reassembly(Limits())
    stream = encode(4, bytes(96)) * 2000
    reassembly.feed(stream[:50])
    for start in range(50, len(stream) - 50, 100):
        reassembly.feed(stream[start : start + 100])
        assert len(drain(reassembly)) == 1
        assert len(reassembly._buffer) < 1000


def test_nothing_is_kept_of_a_message_that_was_taken() -> None:
    """What becomes of it may take a while: a verdict, a signature."""
    reassembly = Reassembly(Limits())
    message = encode(11, bytes(20_000))
    reassembly.feed(message[:16_384])
    reassembly.feed(message[16_384:])
    assert drain(reassembly) == [(11, message)]
    assert reassembly._buffer == b""


@pytest.mark.parametrize("fragment", [1, 3])
def test_a_message_may_come_in_so_many_records(fragment: int) -> None:
    message = encode(11, bytes(fragment * 10 - 4))
    reassembly = Reassembly(Limits(handshake_fragments=10))
    for _ in range(3):  # each has a count of its own
        for start in range(0, len(message), fragment):
            reassembly.feed(message[start : start + fragment])
        assert drain(reassembly) == [(11, message)]
    longer = encode(11, bytes(fragment * 11 - 4))
    for start in range(0, fragment * 10, fragment):
        reassembly.feed(longer[start : start + fragment])
        assert drain(reassembly) == []
    with pytest.raises(TooMuch, match="at most 10 records, got more"):
        reassembly.feed(longer[fragment * 10 :])


@pytest.mark.parametrize("kind", [1, 2])
def test_a_hello_has_a_limit_of_its_own(kind: int) -> None:
    limits = Limits(hello_message=50, handshake_message=100)
    reassembly = Reassembly(limits)
    reassembly.feed(encode(kind, bytes(50)))
    assert drain(reassembly) == [(kind, encode(kind, bytes(50)))]
    reassembly.feed(encode(kind, bytes(51)))
    with pytest.raises(MessageTooLarge, match=f"type {kind}: expected at most 50 bytes"):
        reassembly.next_message()
    reassembly = Reassembly(Limits(hello_message=200, handshake_message=100))
    reassembly.feed(encode(kind, bytes(101)))
    with pytest.raises(MessageTooLarge, match="expected at most 100 bytes"):
        reassembly.next_message()


def test_discarding_leaves_an_empty_one() -> None:
    reassembly = Reassembly(Limits())
    reassembly.feed(encode(11, bytes(50))[:20])
    assert reassembly.partial
    reassembly.discard()
    assert not reassembly.partial
    reassembly.check_aligned()
    reassembly.feed(encode(11, b"x"))
    assert drain(reassembly) == [(11, encode(11, b"x"))]


def test_a_single_message_is_not_copied() -> None:
    reassembly = Reassembly(Limits())
    message = encode(11, b"body")
    reassembly.feed(message)
    received = reassembly.next_message()
    assert received is not None
    assert received[1] is message
    assert "0 bytes" in repr(reassembly)
