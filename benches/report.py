"""The results as a table for people and as JSON for programs."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from statistics import quantiles
from typing import Any

from benches.cases import Results, Row
from benches.contest import Measured
from benches.scaling import Series

__all__ = ["growth", "table", "to_json"]

_COLUMNS = ("floor", "ours", "ssl", "pyopenssl", "tlslite")
_OTHERS = ("floor", "ssl", "pyopenssl")


def table(results: Results) -> str:
    """Write the table: medians, ratios, goals, and what the names stand for."""
    names = [name for name in _COLUMNS if name in results.titles]
    others = [name for name in _OTHERS if name in results.titles]
    head = ["", "unit", *names, *(f"ours/{other}" for other in others), "goal", "holds"]
    body = [_cells(row, names, others) for row in results.rows]
    widths = [max(map(len, column)) for column in zip(head, *body, strict=True)]
    lines = [_line(head, widths), _line(["-" * width for width in widths], widths)]
    lines += [_line(cells, widths) for cells in body]
    lines.append("")
    lines += [f"{name}: {title}" for name, title in results.titles.items()]
    lines += _notes(results)
    lines.append("Medians of one run, by turns; only ratios travel between machines.")
    return "\n".join(lines)


def _cells(row: Row, names: list[str], others: list[str]) -> list[str]:
    rate = row.bytes_each > 0
    figures = [_figure(row.figures.get(name), row) for name in names]
    ratios = [_ratio(row.ratio(other), rate) for other in others]
    goal = ", ".join(
        f"{'≥' if rate else '≤'} {most:g} {other}"
        for other, most in row.goal.items()
        if other in others
    )
    holds = {True: "yes", False: "NO", None: ""}[row.holds]
    return [row.name, "MB/s" if rate else row.unit, *figures, *ratios, goal, holds]


def _figure(measured: Measured | None, row: Row) -> str:
    if measured is None or measured.median is None:
        return "–"
    if row.bytes_each:
        return f"{row.bytes_each / measured.median:.0f}"
    return f"{measured.median:.{1 if measured.median < 100 else 0}f}"


def _ratio(ratio: float | None, rate: bool) -> str:
    """A ratio of times, or of rates, which is the other way round."""
    if ratio is None:
        return "–"
    return f"{1 / ratio if rate else ratio:.2f}"


def _line(cells: list[str], widths: list[int]) -> str:
    left = {0, 1, len(cells) - 2, len(cells) - 1}
    padded = (
        cell.ljust(width) if index in left else cell.rjust(width)
        for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join(padded).rstrip()


def _notes(results: Results) -> list[str]:
    notes: dict[str, list[str]] = {}  # what is to be said -> the rows of which it is
    for row in results.rows:
        texts = []
        for name, measured in row.figures.items():
            if measured.impossible:
                texts.append(f"none from {name}: {measured.impossible}")
            elif measured.note:
                texts.append(f"{name} with {measured.note}")
        if texts:
            notes.setdefault(", ".join(texts), []).append(row.name)
    return [f"{'; '.join(rows)}: {text}" for text, rows in notes.items()]


def growth(all_series: Iterable[Series]) -> str:
    """Write what one of many costs, by how many there are."""
    lines = []
    for each in all_series:
        lines.append(f"{each.name} ({each.cost}); at the end {each.growth:.2f} of the least")
        lines += [f"{number:12,} {cost:9.3g}" for number, cost in each.points]
    return "\n".join(lines)


def to_json(results: Results) -> dict[str, Any]:
    """Give every figure, in the units of the rows; for all of them less is better."""
    return {
        "machine": {
            "python": platform.python_version(),
            "platform": platform.platform(),
            "processors": os.cpu_count(),
        },
        "contestants": dict(results.titles),
        "rows": [
            {
                "name": row.name,
                "unit": row.unit,
                "bytes_each": row.bytes_each,
                "figures": {name: _details(each) for name, each in row.figures.items()},
                "ratios": {other: row.ratio(other) for other in row.figures if other != "ours"},
                "goal": dict(row.goal),
                "holds": row.holds,
            }
            for row in results.rows
        ],
    }


def _details(measured: Measured) -> dict[str, Any]:
    samples = measured.samples
    return {
        "median": measured.median,
        "quartiles": quantiles(samples, n=4) if len(samples) > 1 else None,
        "least": min(samples, default=None),
        "samples": len(samples),
        "checks": measured.checks,
        "note": measured.note,
        "impossible": measured.impossible,
    }
