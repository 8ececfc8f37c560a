"""How the contestants are measured.

Round by round, each contestant does each operation once, and every round begins with
another one. So what disturbs the machine disturbs all alike; medians forget what is
rare, and ratios between the columns of one run are what can be compared.

An operation returns *evidence*, and each time its `check` shows, outside of what is
timed, that it did what it says: a contestant that skips work fails, it does not win.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter, perf_counter_ns
from typing import Any, Protocol

from benches.material import Material

__all__ = ["Case", "Contestant", "Impossible", "Measured", "Operation", "measure"]


class Impossible(Exception):
    """A contestant cannot do an operation; the text says why."""


@dataclass
class Operation:
    """One thing to measure."""

    run: Callable[[], Any]
    """Do it; return the evidence."""
    check: Callable[[Any], None]
    """Raise unless the evidence shows that it was done."""
    note: str = ""
    """What the reader of the table must know."""
    end: Callable[[], None] = field(default=lambda: None)
    """Give back what it holds."""


class Contestant(Protocol):
    """One way of doing each operation, both ends in one thread.

    Raises:
        Impossible: each of these may say that there is no such thing here.
    """

    name: str
    title: str
    """What it is, with its version."""

    def __init__(self, material: Material) -> None: ...

    def handshake(self, group: str | None) -> Operation:
        """A full handshake in this group, or with the default groups."""
        ...

    def resumed(self) -> Operation:
        """A handshake resumed with a ticket, and with an exchange of X25519 keys."""
        ...

    def reauth(self, *, remembered: bool) -> Operation:
        """From the server's call to its verdict.

        Args:
            remembered: whether a chain that was verified before need not be again.
        """
        ...

    def bulk(self, size: int, times: int) -> Operation:
        """A write of so many bytes to the server, read before the next, so many times."""
        ...

    def echo(self, times: int) -> Operation:
        """One byte to the server and one byte back, so many times."""
        ...

    def asyncio_echo(self, size: int, times: int, *, native: bool) -> Operation:
        """So many bytes to the server and back, so many times, on asyncio's streams.

        Args:
            size: of what is sent at a time.
            times: how often.
            native: by the fastest way that the contestant has, or else with asyncio's ``ssl=``.
        """
        ...

    def idle(self) -> object:
        """Make a pair that does nothing, for as long as it is held; pairs share policies."""
        ...


@dataclass(frozen=True)
class Case:
    """One row: how to set it up, and how often a sample does the thing."""

    name: str
    prepare: Callable[[Contestant], Operation]
    times: int = 1
    bytes_each: int = 0
    """What one operation moves, if that is of interest."""


@dataclass
class Measured:
    """What one contestant did in one case."""

    samples: list[float] = field(default_factory=list)
    """Microseconds for the thing once."""
    checks: int = 0
    """How often evidence was checked."""
    note: str = ""
    impossible: str = ""

    @property
    def median(self) -> float | None:
        """Microseconds; None when it cannot be done."""
        return median(self.samples) if self.samples else None


def measure(
    cases: Sequence[Case],
    contestants: Sequence[Contestant],
    *,
    seconds: float,
    least_rounds: int,
) -> dict[str, dict[str, Measured]]:
    """Measure every case with every contestant, by turns.

    Returns:
        What was measured, by the case's name and the contestant's.
    """
    results = {case.name: {each.name: Measured() for each in contestants} for case in cases}
    running: dict[str, list[tuple[str, int, Operation]]] = {case.name: [] for case in cases}
    for case in cases:
        for contestant in contestants:
            measured = results[case.name][contestant.name]
            try:
                operation = case.prepare(contestant)
            except Impossible as reason:
                measured.impossible = str(reason)
                continue
            measured.note = operation.note
            operation.check(operation.run())  # warms up
            every = getattr(contestant, "every", 1)  # rounds: some take a thousand times as long
            running[case.name].append((contestant.name, every, operation))
    gc.collect()
    gc.freeze()  # what the harness and the others hold is nobody's cost
    end = perf_counter() + seconds
    rounds = 0
    while rounds < least_rounds or perf_counter() < end:
        for case in cases:
            entrants = running[case.name]
            for name, every, operation in entrants:
                if rounds % every and rounds >= least_rounds:
                    continue
                started = perf_counter_ns()
                evidence = operation.run()
                took = perf_counter_ns() - started
                operation.check(evidence)
                measured = results[case.name][name]
                measured.samples.append(took / 1000 / case.times)
                measured.checks += 1
            entrants[:] = entrants[1:] + entrants[:1]  # another one begins the next round
        rounds += 1
    gc.unfreeze()
    for entrants in running.values():
        for _, _, operation in entrants:
            operation.end()
    return results
