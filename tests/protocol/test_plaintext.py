"""The queue of received data: bytes in order, and never two identities in one piece."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from postshake.pki.identity import Identity
from postshake.protocol.plaintext import Plaintext
from tests.memory import measured


def put(plaintext: Plaintext, data: bytes) -> None:
    plaintext.chunks.append(data)
    plaintext.position += len(data)


def who(number: int) -> Identity:
    return Identity((bytes((number,)),))


def test_bytes_come_out_as_they_went_in() -> None:
    plaintext = Plaintext()
    assert (plaintext.read(), plaintext.read(5), len(plaintext)) == (b"", b"", 0)
    put(plaintext, b"one")
    put(plaintext, b"two")
    put(plaintext, b"three")
    assert len(plaintext) == 11
    assert plaintext.read(0) == b""
    assert plaintext.read(1) == b"o"
    assert plaintext.read(4) == b"netw"
    assert plaintext.read() == b"othree"
    assert (plaintext.read(), plaintext.read_position, plaintext.position) == (b"", 11, 11)


def test_no_piece_has_two_identities() -> None:
    plaintext = Plaintext()
    put(plaintext, b"before")
    plaintext.commit(who(1))
    put(plaintext, b"after")
    plaintext.commit(who(2))
    plaintext.commit(who(3))
    put(plaintext, b"later")
    assert plaintext.identity == who(3)
    assert plaintext.history == [(0, None), (6, who(1)), (11, who(2)), (11, who(3))]
    assert (plaintext.read_identity, plaintext.read(100)) == (None, b"before")
    assert (plaintext.read_identity, plaintext.read()) == (who(1), b"after")
    assert (plaintext.read_identity, plaintext.read(2)) == (who(3), b"la")
    assert (plaintext.read_identity, plaintext.read()) == (who(3), b"ter")


def test_who_the_next_byte_will_be_from_is_known_before_it_comes() -> None:
    plaintext = Plaintext()
    plaintext.commit(who(1))
    assert plaintext.read_identity == who(1)
    assert plaintext.read() == b""
    put(plaintext, b"x")
    assert plaintext.read() == b"x"


steps = st.lists(
    st.one_of(
        st.binary(min_size=1, max_size=6),
        st.just("commit"),
        st.just("early"),  # a piece of early data
        st.tuples(st.booleans(), st.integers(-1, 8)),  # read or take so many
    ),
    max_size=40,
)


@settings(max_examples=200)
@given(steps)
def test_against_a_list_of_bytes_each_with_its_identity(steps: list[Any]) -> None:
    plaintext = Plaintext()
    model: list[tuple[int, Identity | None]] = []
    now: Identity | None = None
    read = 0
    number = early = 0
    for step in steps:
        if step == "early":
            if now is None and early == len(model):  # nothing else came yet
                plaintext.add_early(b"early")
                model += [(byte, None) for byte in b"early"]
                early = len(model)
                plaintext.end_early()
        elif step == "commit":
            number += 1
            now = who(number)
            plaintext.commit(now)
        elif isinstance(step, bytes):
            put(plaintext, step)
            model += [(byte, now) for byte in step]
        else:
            takes, size = step
            left = model[read:]
            whose = left[0][1] if left else now
            alike = [byte for byte, identity in left if identity == whose]
            if read < early:  # each piece of it ends where the next history entry begins
                alike = alike[: 5 - read % 5]
            expected = bytes(alike if size < 0 else alike[:size])
            if takes:
                assert plaintext.take(size) == (expected, whose, read < early)
            else:
                assert plaintext.read_identity == whose
                assert plaintext.read(size) == expected
            read += len(expected)
        assert plaintext.read_position == read
        assert len(plaintext) == len(model) - read
        assert plaintext.identity == now


def test_the_memory_of_small_pieces_is_counted() -> None:
    """What `size` says is what they take, within a fifth; their bytes are a small part of it."""
    for length in (1, 2, 20, 1000):
        plaintext = Plaintext()
        pieces = [bytearray(length) for _ in range(2000)]
        with measured() as memory:
            for piece in pieces:
                put(plaintext, bytes(piece))
        assert memory.held <= 1.2 * plaintext.size
        assert plaintext.size <= 2000 * (length + 64)
        plaintext.read(500 * length)
        assert plaintext.size <= 1500 * (length + 64)
        plaintext.read()
        assert plaintext.size == 0


def test_what_was_read_is_not_kept() -> None:
    plaintext = Plaintext()
    with measured() as memory:
        for _ in range(100):
            put(plaintext, bytes(bytearray(10_000)))
        for _ in range(49):
            plaintext.read(10_000)
    assert memory.held < 530_000
    assert plaintext.size < 530_000
    assert len(plaintext.read()) == 510_000
