"""The presentation language: every length short, exact and long."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postshake.errors import DecodeError, InternalError
from postshake.wire.codec import (
    Empty,
    Reader,
    u8,
    u8_list,
    u16,
    u16_list,
    u24,
    u32,
    vec8,
    vec16,
    vec24,
)

READS = {
    "u8": lambda reader: reader.u8(),
    "u16": lambda reader: reader.u16(),
    "u24": lambda reader: reader.u24(),
    "u32": lambda reader: reader.u32(),
    "take": lambda reader: reader.take(5),
    "u16_list": lambda reader: reader.u16_list(4),
    "u16_list of": lambda reader: reader.u16_list(reader.u8()),
    "vec8": lambda reader: reader.vec8(),
    "vec16": lambda reader: reader.vec16(),
    "vec24": lambda reader: reader.vec24(),
    "vec8 of 3": lambda reader: reader.vec8(min=3),
    "sub8": lambda reader: reader.sub8(),
    "sub16": lambda reader: reader.sub16(),
    "sub24": lambda reader: reader.sub24(),
    "sub16 of 3": lambda reader: reader.sub16(min=3),
    "rest": lambda reader: reader.rest(),
    "finish": lambda reader: reader.finish(),
}


@pytest.mark.parametrize(
    ("read", "data", "value"),
    [
        ("u8", "ff", 255),
        ("u16", "0102", 0x0102),
        ("u24", "010203", 0x010203),
        ("u32", "01020304", 0x01020304),
        ("take", "0001020304", bytes(range(5))),
        ("u16_list", "13011302", (0x1301, 0x1302)),
        ("vec8", "026162", b"ab"),
        ("vec16", "00026162", b"ab"),
        ("vec24", "0000026162", b"ab"),
        ("vec8", "00", b""),
        ("vec8 of 3", "03616263", b"abc"),
    ],
)
@pytest.mark.parametrize("before", [b"", b"\xff" * 3])
@pytest.mark.parametrize("after", [b"", b"\xff" * 300])
def test_read_in_the_middle(
    read: str, data: str, value: object, before: bytes, after: bytes
) -> None:
    raw = bytes.fromhex(data)
    reader = Reader(before + raw + after, "x", len(before), len(before) + len(raw))
    assert READS[read](reader) == value
    assert reader.remaining == 0
    reader.finish()


@pytest.mark.parametrize(
    ("read", "data"),
    [
        ("u8", "ff"),
        ("u16", "0102"),
        ("u24", "010203"),
        ("u32", "01020304"),
        ("take", "0001020304"),
        ("u16_list", "13011302"),
        ("u16_list of", "0413011302"),
        ("vec8", "026162"),
        ("vec16", "00026162"),
        ("vec24", "0000026162"),
        ("sub8", "026162"),
        ("sub16", "00026162"),
        ("sub24", "0000026162"),
    ],
)
@pytest.mark.parametrize("after", ["nothing", "more"])
def test_no_prefix_reads(read: str, data: str, after: str) -> None:
    """Also when the bytes that are missing do stand there, past the end."""
    raw = bytes.fromhex(data)
    for length in range(len(raw)):
        held = raw if after == "more" else raw[:length]
        with pytest.raises(DecodeError):
            READS[read](Reader(held, "x", 0, length))


def test_sub_reader_stays_within_its_vector() -> None:
    reader = Reader(bytes.fromhex("0002 0105 aabbcc"), "ClientHello")
    part = reader.sub16()
    assert (reader.offset, part.remaining) == (4, 2)
    with pytest.raises(DecodeError, match=r"ClientHello: expected a vector of 5 .* got 0"):
        Reader(part.data, part.what, part.offset + 1, part.end).vec8()
    assert part.take(2) == b"\x01\x05"
    part.finish()
    assert reader.rest() == b"\xaa\xbb\xcc"


@pytest.mark.parametrize(
    ("read", "data", "text"),
    [
        ("u8", "", "hello: expected 1 bytes at byte 0, got 0 (§6.2)"),
        ("u32", "0102", "hello: expected 4 bytes at byte 0, got 2 (§6.2)"),
        ("vec16", "01", "hello: expected 2 bytes at byte 0, got 1 (§6.2)"),
        ("vec8", "05ff", "hello: expected a vector of 5 bytes at byte 1, got 1 (§6.2)"),
        (
            "vec8 of 3",
            "02ffff",
            "hello: expected a vector of at least 3 bytes at byte 1, got 2 (§3.4)",
        ),
        (
            "u16_list of",
            "03ffffff",
            "hello: expected a list of 16-bit numbers at byte 1, got 3 bytes (§3.4)",
        ),
        (
            "u16_list of",
            "00",
            "hello: expected a list of 16-bit numbers at byte 1, got 0 bytes (§3.4)",
        ),
        ("finish", "ffff", "hello: expected its end at byte 0, got 2 bytes more (§6.2)"),
    ],
)
def test_error_texts(read: str, data: str, text: str) -> None:
    with pytest.raises(DecodeError) as caught:
        READS[read](Reader(bytes.fromhex(data), "hello"))
    assert str(caught.value) == text


@given(st.binary(max_size=40), st.lists(st.sampled_from(sorted(READS)), max_size=8))
def test_any_reads_of_any_bytes(data: bytes, reads: list[str]) -> None:
    """A read either moves forward within the bytes, or raises DecodeError and stays."""
    reader = Reader(data)
    for read in reads:
        before = reader.offset
        try:
            READS[read](reader)
        except DecodeError:
            assert reader.offset == before or read == "u16_list of"
        assert before <= reader.offset <= reader.end == len(data)


@pytest.mark.parametrize(("write", "size"), [(u8, 1), (u16, 2), (u24, 3), (u32, 4)])
def test_numbers_that_fit(write: Callable[[int], bytes], size: int) -> None:
    limit = 1 << 8 * size
    assert write(1) == bytes(size - 1) + b"\x01"
    assert write(limit - 1) == b"\xff" * size
    for number in (limit, -1):
        with pytest.raises(InternalError, match=f"{8 * size} bits, got {number}"):
            write(number)


@pytest.mark.parametrize(("write", "size"), [(vec8, 1), (vec16, 2), (vec24, 3)])
def test_vectors_that_fit(write: Callable[[bytes], bytes], size: int) -> None:
    limit = (1 << 8 * size) - 1
    assert write(b"ab") == bytes(size - 1) + b"\x02ab"
    assert write(bytes(limit)) == b"\xff" * size + bytes(limit)
    with pytest.raises(InternalError, match=f"at most {limit} bytes .* got {limit + 1}"):
        write(bytes(limit + 1))


def test_lists_that_fit() -> None:
    assert u8_list((0, 255)) == b"\x00\xff"
    assert u16_list((0x1301, 1)) == b"\x13\x01\x00\x01"
    with pytest.raises(InternalError, match="8 bits"):
        u8_list((256,))
    with pytest.raises(InternalError, match="16 bits"):
        u16_list((0x10000,))


def test_empty_reads_and_writes_nothing() -> None:
    reader = Reader(b"x")
    assert Empty.decode(reader).encode() == b""
    assert reader.remaining == 1


def test_repr_says_where() -> None:
    assert repr(Reader(b"abc", "Finished", 1)) == "<Reader of Finished at byte 1 of 3>"
