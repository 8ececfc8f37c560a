"""Byte stream -> records."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postshake.errors import DecodeError, RecordOverflow, UnexpectedMessage
from postshake.record.deframer import Deframer
from tests.memory import measured
from tests.record.records import cut, plain

bodies = st.binary(max_size=30) | st.integers(1000, 5000).map(bytes)
records = st.lists(st.builds(plain, st.sampled_from((20, 21, 22, 23)), bodies), max_size=8)
sizes = st.lists(st.integers(0, 12) | st.integers(500, 7000), max_size=60)


def drain(deframer: Deframer) -> list[bytes]:
    found = []
    while (fragment := deframer.next_fragment()) is not None:
        found.append(fragment[0] + bytes(fragment[1]))
    return found


@given(records, sizes, st.lists(st.booleans(), min_size=61, max_size=61))
def test_any_cutting_gives_the_same_records(
    sent: list[bytes], pieces: list[int], drains: list[bool]
) -> None:
    stream = b"".join(sent)
    deframer = Deframer()
    got: list[bytes] = []
    fed = 0
    for piece, now in zip(cut(stream, pieces), drains, strict=False):
        deframer.feed(piece)
        fed += len(piece)
        if now:
            got += drain(deframer)
        assert deframer.buffered == fed - len(b"".join(got))
    got += drain(deframer)
    assert got == sent
    assert deframer.buffered == 0


def test_bytes_are_read_in_place() -> None:
    stream = plain(23, bytes(4000)) + plain(23, bytes(4000))
    deframer = Deframer()
    deframer.feed(stream)
    for _ in range(2):
        fragment = deframer.next_fragment()
        assert fragment is not None
        assert isinstance(fragment[1], memoryview)
        assert fragment[1].obj is stream


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_a_buffer_that_its_owner_reuses_is_copied(kind: type) -> None:
    storage = bytearray(plain(22, b"hello"))
    deframer = Deframer()
    deframer.feed(storage if kind is bytearray else memoryview(storage))
    storage[5:] = b"spoil"
    fragment = deframer.next_fragment()
    assert fragment is not None
    assert bytes(fragment[1]) == b"hello"


def test_a_straddling_record_takes_only_what_it_needs() -> None:
    """A large piece is not copied because a record begins in the one before."""
    stream = plain(23, bytes(3000)) + plain(23, b"\x01" * 3000) + plain(23, b"\x02" * 3000)
    last = stream[1000:]
    deframer = Deframer()
    deframer.feed(stream[:1000])
    assert deframer.next_fragment() is None
    deframer.feed(last)
    found = [deframer.next_fragment() for _ in range(3)]
    assert [bytes(fragment[1][:1]) for fragment in found if fragment] == [b"\0", b"\1", b"\2"]
    assert found[2] is not None
    assert isinstance(found[2][1], memoryview)
    assert found[2][1].obj is last


def test_byte_by_byte_keeps_pieces_until_the_record_is_whole() -> None:
    """Linear, told without a clock: no buffer but for the header and the whole."""
    record = plain(22, bytes(16_000))
    deframer = Deframer()
    lengths = set()
    for index in range(len(record) - 1):
        deframer.feed(record[index : index + 1])
        assert deframer.next_fragment() is None
        lengths.add(len(deframer._buffer))
    assert lengths == {1, 5}
    deframer.feed(record[-1:])
    assert drain(deframer) == [record]


@pytest.mark.parametrize("size", [1, 2, 3, 700, 5000])
def test_what_a_part_of_a_record_takes_is_little_more_than_the_part(size: int) -> None:
    """However it comes: no object of its own for each piece."""
    record = plain(22, bytes(16_000))
    part = record[:-1]
    pieces = [bytearray(part[at : at + size]) for at in range(0, len(part), size)]
    deframer = Deframer()
    with measured() as memory:
        for piece in pieces:
            deframer.feed(bytes(piece))
            assert deframer.next_fragment() is None
    assert memory.held < 1.3 * len(record) + 1000


def test_large_pieces_and_small_ones_keep_their_order() -> None:
    """A large one is kept as it came, small ones behind it grow a buffer."""
    stream = bytes(range(256)) * 200
    record = plain(23, stream[:16_000]) + plain(23, stream[16_000:32_000])
    deframer = Deframer()
    start = 0
    for size in [1, 1, 3000, 5, 5, 2048, 2047, 1, 9000, 1, 1]:
        deframer.feed(record[start : start + size])
        start += size
    assert deframer.buffered == start
    assert drain(deframer) == [record[:16_005]]
    deframer.feed(record[start:])
    assert drain(deframer) == [record[16_005:]]
    assert deframer.buffered == 0


def test_of_a_piece_whose_records_were_taken_only_the_rest_is_kept() -> None:
    stream = plain(23, bytes(16_000)) * 8
    deframer = Deframer()
    with measured() as memory:
        deframer.feed(bytes(bytearray(stream + stream[:7])))
        assert len(drain(deframer)) == 8
    assert memory.held < 2000
    assert deframer.buffered == 7
    deframer.feed(stream[7:16_005])
    assert drain(deframer) == [stream[:16_005]]


def test_nothing_is_kept_when_all_is_read() -> None:
    deframer = Deframer()
    deframer.feed(plain(23, bytes(16_000)))
    assert len(drain(deframer)) == 1
    assert deframer._buffer == b""
    assert repr(deframer) == "Deframer(0 bytes buffered)"


@pytest.mark.parametrize("version", [0, 0x0300, 0x0301, 0x0304, 0xFFFF])
def test_legacy_record_version_is_ignored(version: int) -> None:
    deframer = Deframer()
    deframer.feed(plain(22, b"x", version))
    assert drain(deframer) == [plain(22, b"x", version)]


@pytest.mark.parametrize("content_type", [20, 21, 22, 23])
def test_the_longest_body_passes_and_one_more_byte_does_not(content_type: int) -> None:
    deframer = Deframer()
    deframer.feed(plain(content_type, bytes(2**14 + 256)))
    assert len(drain(deframer)) == 1
    deframer.feed(plain(content_type, bytes(2**14 + 257))[:5])  # the header is enough
    with pytest.raises(RecordOverflow, match=r"at most 16640 bytes, got a length of 16641"):
        deframer.next_fragment()


@pytest.mark.parametrize(
    ("stream", "hint"),
    [
        (b"GET / HTTP/1.1\r\n", "an HTTP request"),
        (b"POST /form HTTP/1.1\r\n", "an HTTP request"),
        (b"HTTP/1.1 400 Bad Request\r\n", "an HTTP answer"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "an SSH server"),
        (b"220 mail.example ESMTP\r\n", "before STARTTLS"),
        (b"\x80\x2e\x01\x03\x01\x00\x15", r"SSL 2\.0"),
        (b"\x00\x01\x02\x03\x04", "expected a TLS record"),
    ],
)
def test_a_stream_that_is_not_tls_is_named(stream: bytes, hint: str) -> None:
    deframer = Deframer()
    deframer.feed(stream)
    with pytest.raises(DecodeError, match=hint):
        deframer.next_fragment()


@pytest.mark.parametrize("content_type", [0, 19, 24, 255])
def test_an_unknown_type_later_on_is_unexpected(content_type: int) -> None:
    deframer = Deframer()
    deframer.feed(plain(22, b"x") + plain(content_type, b"x"))
    assert deframer.next_fragment() is not None
    with pytest.raises(UnexpectedMessage, match=f"from 20 to 23, got {content_type}"):
        deframer.next_fragment()


def test_a_closed_one_forgets() -> None:
    deframer = Deframer()
    deframer.feed(plain(22, b"one"))
    deframer.feed(plain(22, b"two"))
    deframer.close()
    deframer.feed(plain(22, b"three"))
    assert deframer.next_fragment() is None
    assert deframer.buffered == 0
