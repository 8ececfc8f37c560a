"""A body that is read ahead, and then again."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postshake.web import BodyTooLarge, Quota, ServerBusy
from postshake.web.replaying_input import PIECE, ReplayingInput

BODY = b"".join(b"%d\n" % number for number in range(30_000))  # more than two pieces


class Strict:
    """A file such as WSGI promises it: sizes are always given, and no other method is there."""

    def __init__(self, data):
        self._file = io.BytesIO(data)

    def read(self, size):
        assert size >= 0
        return self._file.read(size)

    def readline(self, size):
        assert size >= 0
        return self._file.readline(size)


SOURCES = pytest.mark.parametrize("source", [io.BytesIO, Strict])
LENGTHS = pytest.mark.parametrize("known", [True, False])


@pytest.mark.parametrize("ahead", [0, 1, 2, 100])
@LENGTHS
@SOURCES
def test_all_of_it(source, known, ahead):
    for read in (
        lambda file: file.read(),
        lambda file: file.read(-1),
        lambda file: file.read(None),
        lambda file: b"".join(file),
        lambda file: b"".join(file.readlines()),
        lambda file: b"".join(iter(lambda: file.read(1000), b"")),
        lambda file: b"".join(iter(lambda: file.read1(), b"")),
        lambda file: b"".join(iter(lambda: file.readline(3), b"")),
        lambda file: b"".join(iter(file.readline, b"")),
    ):
        file = ReplayingInput(source(BODY), len(BODY) if known else None)
        for _ in range(ahead):
            if not file.read_ahead(2**30):
                break
        assert file.has_read_ahead is (ahead > 0)
        assert read(file) == BODY
        assert file.read(1) == file.readline() == file.read() == b""


@given(
    st.lists(
        st.tuples(st.sampled_from(["ahead", "read", "read1", "readline"]), st.integers(1, 100_000)),
        max_size=30,
    )
)
def test_in_any_order(steps):
    file, twin = ReplayingInput(Strict(BODY), len(BODY)), io.BytesIO(BODY)
    for how, size in steps:
        if how == "ahead":
            file.read_ahead(2**30)
        elif how == "read1":
            data = file.read1(size)
            assert len(data) <= size
            assert data == twin.read(len(data))
            assert data or twin.tell() == len(BODY)
        else:
            assert getattr(file, how)(size) == getattr(twin, how)(size)
    assert file.read() == twin.read()


def test_lines_are_lines_across_pieces():
    lines = [b"x" * 50_000 + b"\n"] * 6 + [b"end"]
    file = ReplayingInput(io.BytesIO(b"".join(lines)), None)
    assert file.read_ahead(2**30)
    assert list(file) == lines


def test_it_ends_with_the_body():
    source = io.BytesIO(b"bodynext")
    file = ReplayingInput(source, 4)
    assert file.read() == b"body"
    assert file.read(1) == b""
    assert source.read() == b"next"
    file.close()
    assert not source.closed


def test_it_goes_on_behind_the_body():
    file = ReplayingInput(io.BytesIO(b"bodynext\nline"), 4, ends=False)
    while file.read_ahead(100):
        pass
    assert file.left == 0
    assert file.read(4) == b"body"
    assert file.readline() == b"next\n"
    file.left = 3  # another body
    assert not file.read_ahead(100)  # that was all of it
    assert file.read(3) == b"lin"
    assert file.read() == b"e"


def test_too_much_is_not_lost():
    file = ReplayingInput(io.BytesIO(BODY), len(BODY), quota=(quota := Quota()))
    assert file.read_ahead(PIECE + 10)
    assert file.read_ahead(PIECE + 10)
    with pytest.raises(BodyTooLarge):
        file.read_ahead(PIECE + 10)
    assert quota.memory_used == PIECE + 10
    with pytest.raises(BodyTooLarge):
        file.read_ahead(PIECE + 10)
    assert file.read() == BODY
    assert quota.memory_used == 0


def test_what_the_quota_has_no_room_for_is_not_lost():
    quota = Quota(memory=PIECE, disk=PIECE + 1)
    file = ReplayingInput(io.BytesIO(BODY), len(BODY), quota=quota)
    assert file.read_ahead(2**30)
    with pytest.raises(ServerBusy):
        file.read_ahead(2**30)
    with pytest.raises(ServerBusy):
        file.read_ahead(2**30)
    quota.disk = 2**30
    assert file.read_ahead(2**30)
    assert file.read() == BODY
    assert (quota.memory_used, quota.disk_used) == (0, 0)


def test_what_is_forgotten_is_given_back():
    quota = Quota()
    for forget in (ReplayingInput.close, lambda file: None, lambda file: file.drop(1.0)):
        file = ReplayingInput(io.BytesIO(BODY), len(BODY), quota=quota)
        assert file.read_ahead(2**30)
        assert quota.memory_used == PIECE
        forget(file)
        del file
        assert quota.memory_used == 0


def test_dropping_reads_the_rest():
    source = io.BytesIO(BODY + b"next")
    ReplayingInput(source, len(BODY)).drop(60.0)
    assert source.read() == b"next"
