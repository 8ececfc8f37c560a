"""What is kept of a body, in memory and on disk, and what it counts for."""

from __future__ import annotations

import io
import tempfile
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postshake.web import BodyTooLarge, Quota, ServerBusy
from postshake.web.body_buffer import IN_MEMORY, BodyBuffer
from postshake.web.quota import QUOTA


@given(st.lists(st.one_of(st.integers(1, 400_000), st.just(-1)), max_size=20))
def test_bytes_come_back_in_order(steps):
    quota = Quota()
    body_buffer, kept, written = BodyBuffer(quota), bytearray(), 0
    for step in steps:
        if step < 0:
            data = body_buffer.read(100_000)
            assert data == kept[:100_000]
            del kept[: len(data)]
        else:
            data = bytes((written + each) % 251 for each in range(0, step, 997)) * 300
            written += step
            body_buffer.write(data, 2**30)
            kept += data
        assert body_buffer.left == len(kept)
        assert quota.memory_used + quota.disk_used == body_buffer.size
    body_buffer.close()
    assert (quota.memory_used, quota.disk_used) == (0, 0)


def test_a_small_body_is_in_memory_and_a_large_one_on_disk():
    body_buffer = BodyBuffer(quota := Quota())
    body_buffer.write(bytes(IN_MEMORY), 2**30)
    assert (quota.memory_used, quota.disk_used) == (IN_MEMORY, 0)
    body_buffer.write(b"x", 2**30)
    assert (quota.memory_used, quota.disk_used) == (0, IN_MEMORY + 1)
    assert body_buffer.read(2**30) == bytes(IN_MEMORY) + b"x"
    assert (quota.memory_used, quota.disk_used) == (0, 0)
    body_buffer.write(b"again", 2**30)
    assert body_buffer.read(2) + body_buffer.read(9) == b"again"


def test_without_memory_it_goes_to_disk_at_once():
    body_buffer = BodyBuffer(quota := Quota(memory=10))
    body_buffer.write(b"0123456789", 2**30)
    body_buffer.write(b"x", 2**30)
    assert (quota.memory_used, quota.disk_used) == (0, 11)
    assert body_buffer.read(100) == b"0123456789x"


def test_limits():
    body_buffer = BodyBuffer(quota := Quota(memory=10, disk=20))
    body_buffer.write(bytes(10), 10)
    with pytest.raises(BodyTooLarge, match="more than 10 bytes"):
        body_buffer.write(b"x", 10)
    body_buffer.write(bytes(10), 30)
    with pytest.raises(ServerBusy):
        body_buffer.write(b"x", 30)
    assert body_buffer.read(100) == bytes(20)  # nothing of what was refused, and all of the rest
    assert (quota.memory_used, quota.disk_used) == (0, 0)


def test_a_full_disk(monkeypatch):
    body_buffer = BodyBuffer(quota := Quota(memory=10))
    body_buffer.write(b"0123456789", 100)
    monkeypatch.setattr(tempfile, "tempdir", "/nonexistent/folder")
    with pytest.raises(ServerBusy, match="cannot be kept"):
        body_buffer.write(b"x", 100)
    assert (quota.memory_used, quota.disk_used) == (10, 0)
    assert body_buffer.read(100) == b"0123456789"
    assert (quota.memory_used, quota.disk_used) == (0, 0)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_that_becomes_full(monkeypatch):
    full = partial(io.FileIO, "/dev/full", "r+")
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **options: full())
    body_buffer = BodyBuffer(quota := Quota(memory=10))
    body_buffer.write(b"0123456789", 100)
    with pytest.raises(ServerBusy, match="No space left"):
        body_buffer.write(b"x", 100)
    assert (quota.memory_used, quota.disk_used) == (10, 0)
    assert body_buffer.read(100) == b"0123456789"


def test_whoever_forgets_it_gives_back():
    quota = Quota()
    body_buffer = BodyBuffer(quota)
    body_buffer.write(b"x", 100)
    del body_buffer
    assert quota.memory_used == 0


def test_what_a_process_keeps_by_itself():
    assert (QUOTA.memory, QUOTA.disk) == (64 * 2**20, 2**30)
