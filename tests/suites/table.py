"""The table of what came out: a line for each project."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["PROPERTY", "Row", "table"]

PROPERTY = "suite"
"""The name under which a test's report has its row."""


@dataclass(frozen=True)
class Row:
    """What came out of one project's tests.

    Args:
        project: its name.
        version: its release, or the Python whose tests these are.
        reason: why they were not run; nothing if they were.
        tests: how many were run.
        failed_standard: how many fail with the standard module.
        failed_ours: how many fail with ours.
        explained: how many of these the list of differences has.
        again: how many were run again.
        connections: how many connections our engine made.
        seconds: for all of it.
    """

    project: str
    version: str
    reason: str = ""
    tests: int = 0
    failed_standard: int = 0
    failed_ours: int = 0
    explained: int = 0
    again: int = 0
    connections: int = 0
    seconds: int = 0

    def told(self) -> dict[str, Any]:
        """The same as a report can carry it from one process to another."""
        return asdict(self)


_HEADS = {
    "project": "project",
    "version": "version",
    "tests": "tests",
    "failed_standard": "failed: standard",
    "failed_ours": "ours",
    "explained": "explained",
    "again": "run again",
    "connections": "connections",
    "seconds": "seconds",
}


def table(rows: Iterable[Row]) -> list[str]:
    """Write the rows below one another; nothing for none."""
    lines = [list(_HEADS.values())]
    reasons = []
    for row in sorted(rows, key=lambda row: row.project):
        if row.reason:
            reasons.append(f"{row.project} {row.version}: NOT RUN: {row.reason}")
        else:
            lines.append([str(getattr(row, name)) for name in _HEADS])
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADS))]
    written = [
        "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return (written if len(written) > 1 else []) + reasons
