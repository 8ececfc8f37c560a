"""The scaling runs as one SVG, drawn by hand: no library is worth five polylines."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import log10

from benches.scaling import Series

__all__ = ["svg"]

WIDTH, HEIGHT = 360, 220
LEFT, RIGHT, TOP, BOTTOM = 50, 20, 40, 40
COLUMNS = 2


def svg(all_series: Sequence[Series]) -> str:
    """Draw each series in a panel of its own: units to the right, cost of one upwards."""
    rows = -(-len(all_series) // COLUMNS)
    panels = [
        f'<g transform="translate({WIDTH * (index % COLUMNS)} {HEIGHT * (index // COLUMNS)})">'
        f"{_panel(each)}</g>"
        for index, each in enumerate(all_series)
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH * COLUMNS}" '
        f'height="{HEIGHT * rows}" font-family="sans-serif" font-size="10">'
        '<rect width="100%" height="100%" fill="white"/>' + "\n".join(panels) + "</svg>\n"
    )


def _panel(series: Series) -> str:
    most = max(cost for _, cost in series.points)
    least, last = (log10(series.points[index][0]) for index in (0, -1))
    width, height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    floor = TOP + height

    def x(number: int) -> float:
        return LEFT + width * (log10(number) - least) / ((last - least) or 1)

    def y(cost: float) -> float:
        return floor - height * cost / (1.1 * most)

    line = " ".join(f"{x(number):.1f},{y(cost):.1f}" for number, cost in series.points)
    marks = "".join(
        f'<circle cx="{x(number):.1f}" cy="{y(cost):.1f}" r="2.5" fill="#246"/>'
        f'<text x="{x(number):.1f}" y="{floor + 14}" text-anchor="middle">{number:,}</text>'
        f'<text x="{x(number):.1f}" y="{y(cost) - 6:.1f}" text-anchor="middle">{cost:.3g}</text>'
        for number, cost in series.points
    )
    return (
        f'<text x="{LEFT}" y="16" font-size="12">{escape(series.name)}</text>'
        f'<text x="{LEFT}" y="30" fill="#666">{escape(series.cost)}</text>'
        f'<path d="M{LEFT} {TOP}V{floor}H{LEFT + width}" fill="none" stroke="#999"/>'
        f'<polyline points="{line}" fill="none" stroke="#246"/>{marks}'
        f'<text x="{LEFT + width}" y="{floor + 28}" text-anchor="end" fill="#666">'
        f"{escape(series.units)}</text>"
    )
