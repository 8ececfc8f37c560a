"""What hot operations cost, held to limits by counts that no busy machine disturbs.

A count is of calls of postshake's own functions, both ends together. It is higher on
Python 3.11, where a comprehension is a call too, than on later ones. Whoever makes an
operation cheaper lowers its limit (``python -m benches.counts`` prints the counts);
whoever must raise one says in the commit what it pays for.
"""

from __future__ import annotations

import pytest

from benches.counts import COUNTED, calls, in_one_call, peak, requests, tiny_records

LIMITS = {
    "handshake": 1045,
    "resumed handshake": 1050,
    "reauth": 378,
    "reauth, remembered chain": 335,
    "16 KiB sealed and opened": 8,
    "1 MiB sealed and opened": 9,
    "one byte and back": 16,
}


@pytest.mark.parametrize("name", COUNTED)
def test_calls_stay_within_their_limit(name):
    count = COUNTED[name]()
    assert 0 < count <= LIMITS[name]


@pytest.mark.parametrize("name", COUNTED)
def test_a_limit_is_near_the_count(name):
    """A limit far above it would guard nothing."""
    if name.startswith(("16 KiB", "1 MiB", "one")):
        assert COUNTED[name]() >= LIMITS[name] * 0.9
    else:  # comprehensions may not count
        assert COUNTED[name]() >= LIMITS[name] * 0.75


def test_data_in_one_call_costs_by_the_record():
    small, large = 1, 16
    few, many = (calls(in_one_call(size * 2**20)) for size in (small, large))
    assert many <= few * large / small


def test_data_in_one_call_is_held_twice_at_most():
    """Once as records and once as what was opened; never a third time."""
    for size in (2**20, 2**24):
        assert peak(in_one_call(size)) < 2.1 * size


def test_tiny_records_cost_the_same_however_many_wait():
    few, many = (calls(tiny_records(count)) / count for count in (100, 10_000))
    assert many <= few


def test_memory_of_tiny_records_is_linear():
    few, many = (peak(tiny_records(count)) / count for count in (1_000, 20_000))
    assert many < 1.3 * few


def test_requests_cost_the_same_however_many_are_open():
    few, many = (calls(requests(count)) / count for count in (10, 250))
    assert many <= few


def test_more_calls_are_seen():
    """The counter counts: one record more is not free, if it takes a call."""
    assert calls(tiny_records(3)) < calls(tiny_records(4))
