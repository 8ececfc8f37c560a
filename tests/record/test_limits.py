"""Bounds on what a peer can cost."""

from __future__ import annotations

import dataclasses

import pytest

from postshake.constants import AlertDescription
from postshake.errors import TooMuch, UsageError
from postshake.record.limits import Budget, Limits, RateLimit


def test_limits_are_frozen_and_shareable() -> None:
    limits = Limits(empty_records=3)
    assert limits == Limits(empty_records=3)
    assert hash(limits) == hash(Limits(empty_records=3))
    with pytest.raises(dataclasses.FrozenInstanceError):
        limits.empty_records = 4  # type: ignore[misc]


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Limits)])
def test_a_negative_limit_is_refused_by_name(name: str) -> None:
    with pytest.raises(UsageError, match=name):
        Limits(**{name: -1})


def test_a_limit_may_be_0_and_a_window_may_not() -> None:
    assert Limits(requests_per_window=0).requests_per_window == 0
    for window in ({"key_update_window": 0.0}, {"request_window": 0.0}):
        with pytest.raises(UsageError, match="more than 0"):
            Limits(**window)


def test_a_budget_holds_exactly_its_limit() -> None:
    budget = Budget(3, "empty records")
    for _ in range(3):
        budget.spend()
    with pytest.raises(
        TooMuch, match=r"too many empty records: expected at most 3, got 4"
    ) as caught:
        budget.spend()
    assert caught.value.alert is AlertDescription.unexpected_message
    assert budget.left == 0


def test_a_refused_amount_is_not_taken() -> None:
    budget = Budget(10, "bytes")
    budget.spend(8)
    with pytest.raises(TooMuch, match="got 11"):
        budget.spend(3)
    budget.spend(2)
    assert budget.left == 0


def test_refilling_begins_again() -> None:
    budget = Budget(1, "alerts")
    budget.spend()
    budget.refill()
    budget.spend()
    assert repr(budget) == "Budget('alerts', 0 of 1 left)"


def test_a_rate_limit_counts_within_its_window_only() -> None:
    now = 100.0
    rate = RateLimit(2, 10.0, lambda: now, "key updates")
    rate.hit()
    now = 109.0
    rate.hit()
    now = 109.9
    with pytest.raises(TooMuch, match=r"too many key updates: expected at most 2 in 10 s, got 3"):
        rate.hit()
    now = 110.0  # the first one is 10 seconds old
    rate.hit()
    with pytest.raises(TooMuch):
        rate.hit()
    now = 119.0  # and the second: a refused hit does not count
    rate.hit()


def test_a_rate_limit_of_0_allows_nothing() -> None:
    with pytest.raises(TooMuch, match="messages"):
        RateLimit(0, 1.0, lambda: 0.0).hit()
