"""What is measured, and our goals for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from benches.contest import Case, Contestant, Measured, Operation, measure
from benches.entrants import contestants
from benches.footprint import import_times, pair_sizes
from benches.material import MOST

__all__ = ["Results", "Row", "run"]

WRITES = 16
ECHOES = 32


def _asyncio_echo(size: int, times: int, *, native: bool) -> Callable[[Contestant], Operation]:
    return lambda entrant: entrant.asyncio_echo(size, times, native=native)


CASES = (
    Case("handshake", lambda entrant: entrant.handshake("X25519")),
    Case("handshake, default groups", lambda entrant: entrant.handshake(None)),
    Case("resumed handshake", lambda entrant: entrant.resumed()),
    Case("reauth", lambda entrant: entrant.reauth(remembered=False)),
    Case("reauth, remembered chain", lambda entrant: entrant.reauth(remembered=True)),
    Case("bulk, 1 KiB writes", lambda entrant: entrant.bulk(1024, WRITES), WRITES, 1024),
    Case("bulk, 16 KiB writes", lambda entrant: entrant.bulk(MOST, WRITES), WRITES, MOST),
    Case("bulk, 1 MiB writes", lambda entrant: entrant.bulk(2**20, 1), 1, 2**20),
    Case("one byte and back", lambda entrant: entrant.echo(ECHOES), ECHOES),
    *(
        Case(
            f"asyncio {way}, {name}",
            _asyncio_echo(size, times, native=native),
            times,
            2 * size if size > 1 else 0,
        )
        for way, native in (("echo", True), ("echo by ssl=", False))
        for name, size, times in (
            ("1 byte", 1, 16),
            ("1 KiB", 1024, 16),
            ("16 KiB", MOST, 8),
            ("1 MiB", 2**20, 1),
        )
    ),
)

GOALS: Mapping[str, Mapping[str, float]] = {
    "handshake": {"floor": 1.3, "ssl": 1, "pyopenssl": 1},
    "reauth": {"floor": 1.25, "ssl": 1, "pyopenssl": 1},
    "resumed handshake": {"ssl": 1, "pyopenssl": 1},
    "bulk, 1 KiB writes": {"ssl": 1},
    "bulk, 16 KiB writes": {"ssl": 1},
    "bulk, 1 MiB writes": {"ssl": 1},
    "one byte and back": {"ssl": 1.5},
    "asyncio echo, 1 byte": {"ssl": 1},
    "asyncio echo, 1 KiB": {"ssl": 1},
    "asyncio echo, 16 KiB": {"ssl": 1},
    "asyncio echo, 1 MiB": {"ssl": 1},
    "idle pair": {"ssl": 0.5},
    "import": {"ssl": 1.2},
}
"""How much of another's time, or memory, ours may take at most."""


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    unit: str
    figures: Mapping[str, Measured]
    """By contestant; in the unit, less is better."""
    goal: Mapping[str, float] = field(default_factory=dict)
    bytes_each: int = 0
    """What one operation moves, if that is of interest."""

    def ratio(self, other: str) -> float | None:
        """How much of another's figure ours is."""
        ours, theirs = self.figures.get("ours"), self.figures.get(other)
        if ours is None or theirs is None or ours.median is None or not theirs.median:
            return None
        return ours.median / theirs.median

    @property
    def holds(self) -> bool | None:
        """Whether the goal is met against all that were there; None without a goal."""
        ratios = [(self.ratio(other), most) for other, most in self.goal.items()]
        known = [ratio <= most for ratio, most in ratios if ratio is not None]
        return all(known) if known else None


@dataclass(frozen=True)
class Results:
    """All that one run measured."""

    titles: Mapping[str, str]
    rows: tuple[Row, ...]


def run(*, seconds: float, quick: bool) -> Results:
    """Measure everything."""
    entrants = contestants()
    names = [each.name for each in entrants if each.name not in ("floor", "tlslite")]
    timed = measure(CASES, entrants, seconds=0 if quick else seconds, least_rounds=3)
    sizes = pair_sizes(names, pairs=20 if quick else 400, times=1 if quick else 3)
    imports = import_times(1 if quick else 15)
    rows = [
        Row(
            case.name,
            "µs",
            timed[case.name],
            GOALS.get(case.name, {}),
            case.bytes_each,
        )
        for case in CASES
    ]
    rows.append(Row("idle pair", "KiB", sizes, GOALS["idle pair"]))
    rows.append(Row("import", "ms", imports["import"], GOALS["import"]))
    rows.append(Row("import, and a Connection", "ms", imports["import, and a Connection"]))
    return Results({each.name: each.title for each in entrants}, tuple(rows))
