"""Threads that take turns at every line, by chance that can be repeated.

``interleave([f, g], seed)`` runs functions in threads of which one runs at a time; before each
line of postshake's the next may get its turn. What shared objects do wrong for a moment,
another thread sees sooner or later: of a hundred seeds some are bound to hit it.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

import postshake

__all__ = ["interleave"]

_PACKAGE = str(Path(postshake.__file__).parent)
_STUCK = 0.1  # seconds after which whoever has the turn seems to wait for a lock


def interleave(functions: Sequence[Callable[[], Any]], seed: int, often: float = 0.15) -> list[Any]:
    """Run functions by turns; return what they returned or raised, in their order."""
    turns = _Turns(len(functions), Random(seed), often)
    results: list[Any] = [None] * len(functions)

    def run(number: int) -> None:
        turns.begin(number)
        sys.settrace(turns.trace(number))
        try:
            results[number] = functions[number]()
        except Exception as error:
            results[number] = error
        finally:
            sys.settrace(None)
            turns.end(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(functions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    return results


class _Turns:
    """Whose turn it is."""

    def __init__(self, count: int, random: Random, often: float) -> None:
        self._changed = threading.Condition()
        self._alive = list(range(count))
        self._blocked: set[int] = set()  # those who wait for a lock that another one holds
        self._turn = 0
        self._random = random
        self._often = often

    def begin(self, number: int) -> None:
        """Wait for the first turn."""
        with self._changed:
            self._wait(number)

    def end(self, number: int) -> None:
        """Let the others go on without this one."""
        with self._changed:
            self._alive.remove(number)
            self._blocked.discard(number)
            self._pass_on()

    def trace(self, number: int) -> Any:
        """Make the trace function of a thread."""

        def line(frame: FrameType, event: str, argument: object) -> Any:
            if event == "line":
                with self._changed:
                    self._blocked.discard(number)
                    if self._turn == number and self._random.random() < self._often:
                        self._pass_on()
                    self._wait(number)
            return line

        def call(frame: FrameType, event: str, argument: object) -> Any:
            return line if frame.f_code.co_filename.startswith(_PACKAGE) else None

        return call

    def _pass_on(self) -> None:
        able = [each for each in self._alive if each not in self._blocked]
        if self._alive:
            self._turn = self._random.choice(able or self._alive)
            self._changed.notify_all()

    def _wait(self, number: int) -> None:
        while self._turn != number:
            before = self._turn
            if not self._changed.wait(_STUCK) and self._turn == before:
                self._blocked.add(before)
                self._turn = number
                self._changed.notify_all()
