"""Waiting for what must come: for the thing itself, and with an end that no busy machine reaches.

A limit of a few seconds says nothing about what is tested, only about what else the machine
does; so does a pause in which something is to happen. Short limits remain where it is they that
are tested: there nothing comes, however long one waits.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import anyio

__all__ = ["MOMENT", "PATIENCE", "await_until", "wait_until"]

PATIENCE = 60.0
"""Seconds after which whatever is waited for will not come any more."""

MOMENT = 1.0
"""Seconds for what need not come: a goodbye, one try of many."""


def wait_until(condition: Callable[[], object], what: str = "what was waited for") -> None:
    """Wait until this holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come in {PATIENCE:g} s")
        time.sleep(0.01)


async def await_until(condition: Callable[[], object], what: str = "what was waited for") -> None:
    """Wait in a task, on whichever loop, until this holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come in {PATIENCE:g} s")
        await anyio.sleep(0.01)
