"""A recording as one SVG image: the ladder, a flight a row, for a page or a slide.

Nothing is loaded from anywhere, and what a peer sent is text, never markup. The page that
`html` draws tells more; this one can stand in another.
"""

from __future__ import annotations

import argparse
import html
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .._dataclass import dataclass, field
from ..errors import UsageError
from ..text import clip, printable
from .recording import Recording

__all__ = ["THEMES", "add_svg_arguments", "draw", "save_drawing"]

THEMES = ("auto", "light", "dark")
"""Auto follows who looks at it."""

MOST_ROWS = 200
WIDTH, ROW, TURN, HEAD, FOOT = 760, 34, 40, 60, 40
CLIENT, SERVER = 40, 610  # where the two ends are
RAIL = 626  # who the server knows
NOTE = 660
MOST_LETTERS = 62  # that an arrow has room for
DATA = "application data"
ASKS = "CertificateRequest"
ANSWERS = ("Certificate", "CompressedCertificate")

LIGHT = {
    "paper": "#fbfaf7", "ink": "#1d1f23", "faint": "#5d636d", "rule": "#d8d6cf",
    "client": "#0060a8", "server": "#a04500", "known": "#00734f", "refused": "#a5004b",
    "plaintext": "#ecebe6", "early": "#fbeee0", "handshake": "#e3ecf7",
    "application": "#e6f1e9", "next": "#efe8f5",
}  # fmt: skip
DARK = {
    "paper": "#15171a", "ink": "#e9e7e2", "faint": "#a2a8b2", "rule": "#363a41",
    "client": "#74bdf5", "server": "#f5a65e", "known": "#52d0a4", "refused": "#ff86b3",
    "plaintext": "#26282c", "early": "#33271a", "handshake": "#1b2735",
    "application": "#1a2b22", "next": "#29213a",
}  # fmt: skip
STYLE = """
text { font: 14px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; fill: var(--ink); }
.end { font-weight: 700; font-size: 16px; } .small { font-size: 12px; fill: var(--faint); }
.what { font-weight: 600; } .data { font-weight: 400; }
.client { fill: var(--client); } .server { fill: var(--server); }
line.client { stroke: var(--client); } line.server { stroke: var(--server); }
line { stroke-width: 2; } line.data { stroke-dasharray: 2 4; }
.known { fill: var(--known); } .refused { fill: var(--refused); } .turn { font-weight: 600; }
.nobody { stroke: var(--faint); stroke-width: 3; stroke-dasharray: 3 4; }
line.known { stroke: var(--known); stroke-width: 7; }
""".strip()


@dataclass(slots=True)
class _Flight:
    """Messages that one end sends in a row, with the same keys."""

    sender: str
    epoch: str
    messages: list[str] = field(default_factory=list)
    request: int | None = None
    """Which request it makes or answers; the first is 1."""


@dataclass(frozen=True, slots=True)
class _Turn:
    """From here on the server knows the client, or does not."""

    text: str
    known: bool
    refused: bool


def draw(recording: Recording, title: str = "A connection", theme: str = "auto") -> str:
    """Draw a recording as an SVG image.

    Args:
        recording: what to draw; after 200 rows it ends.
        title: what it is, for who cannot see it.
        theme: "light", "dark", or "auto" for what the reader prefers.
    """
    rows = list(_rows(recording))
    shown = rows[:MOST_ROWS]
    height = HEAD + sum(TURN if isinstance(row, _Turn) else ROW for row in shown) + FOOT
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            f'width="{WIDTH}" height="{height}" role="img" aria-labelledby="title">',
            f'<title id="title">{_text(title)}</title>',
            f"<style>\n{_colours(theme)}\n{STYLE}\n</style>",
            f'<rect width="{WIDTH}" height="{height}" rx="10" fill="var(--paper)"/>',
            *_body(recording, shown, len(rows) - len(shown), height),
            "</svg>",
            "",
        ]
    )


def add_svg_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments of commands that draw."""
    parser.add_argument("--svg", metavar="FILE", help="draw it as an image, a flight a row")
    parser.add_argument(
        "--theme", choices=THEMES, default="auto", help="the image's colours; auto: the reader's"
    )


def save_drawing(path: str, recording: Recording, title: str, theme: str) -> None:
    """Write the image to a file.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        Path(path).write_text(draw(recording, title, theme), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from error


def _rows(recording: Recording) -> Iterator[_Flight | _Turn]:
    """Put messages into flights, and say where the client's identity changes."""
    numbers: dict[str, int] = {}
    flight: _Flight | None = None
    known = False
    for line in recording.lines:
        if "what" not in line:
            turn = _turn(line, numbers, known)
            if turn is not None:
                if flight is not None:
                    yield flight
                flight, known = None, turn.known
                yield turn
            continue
        what, context = str(line["what"]), str(line.get("context", ""))
        sender = "client" if line.get("from") == "client" else "server"
        epoch = str(line.get("epoch", ""))
        request = None
        if context and (what == ASKS or what in ANSWERS):
            request = numbers.setdefault(context, len(numbers) + 1)
        goes_on = (
            flight is not None
            and (flight.sender, flight.epoch) == (sender, epoch)
            and request is None
            and (what == DATA) == (flight.messages[-1] == DATA)
        )
        if flight is None or not goes_on:
            if flight is not None:
                yield flight
            flight = _Flight(sender, epoch)
        flight.request = flight.request or request
        if what != DATA or DATA not in flight.messages:
            flight.messages.append(what)
    if flight is not None:
        yield flight


def _turn(line: dict[str, Any], numbers: dict[str, int], known: bool) -> _Turn | None:
    if "identity" in line:
        identity = line["identity"]
        if not identity:
            return _Turn("From here on the client is nobody.", False, True)
        subject = clip(str(identity.get("subject", "")), MOST_LETTERS - 28)
        return _Turn(f"✔ From here on the client is {subject}", True, False)
    if "outcome" in line:
        number = numbers.get(str(line.get("context", "")), 0)
        outcome = clip(str(line["outcome"]), 20)
        return _Turn(f"✖ Request {number}: {outcome}. The connection goes on.", known, True)
    return None


def _body(
    recording: Recording, rows: list[_Flight | _Turn], left_out: int, height: int
) -> Iterator[str]:
    yield f'<text class="end client" x="{CLIENT}" y="30">client</text>'
    yield f'<text class="end server" x="{SERVER}" y="30" text-anchor="end">server</text>'
    yield f'<text class="small" x="{NOTE}" y="46">keys</text>'
    top, known, keys = HEAD, False, ""
    for row in rows:
        size = TURN if isinstance(row, _Turn) else ROW
        if isinstance(row, _Turn):
            known = row.known
            yield from _turn_row(row, top)
        else:
            yield from _flight_row(row, top, new_keys=row.epoch != keys)
            keys = row.epoch
        if not recording.captured:
            kind = "known" if known else "nobody"
            yield (
                f'<line class="{kind}" x1="{RAIL + 8}" x2="{RAIL + 8}" '
                f'y1="{top}" y2="{top + size}"/>'
            )
        top += size
    for end, x in (("client", CLIENT - 12), ("server", SERVER + 8)):
        yield f'<line class="{end}" x1="{x}" x2="{x}" y1="{HEAD - 8}" y2="{top}"/>'
    foot = height - 14
    if left_out or recording.left_out:
        yield f'<text class="small" x="{CLIENT}" y="{foot}">and more</text>'
    if not recording.captured:  # whom a server believes is on no wire
        for x, kind, text in ((SERVER - 210, "nobody", "nobody"), (SERVER - 60, "known", "proven")):
            yield f'<line class="{kind}" x1="{x}" x2="{x}" y1="{foot - 12}" y2="{foot + 2}"/>'
            yield f'<text class="small" x="{x + 10}" y="{foot}">the client is {text}</text>'


def _flight_row(flight: _Flight, top: int, *, new_keys: bool) -> Iterator[str]:
    name, _, generation = flight.epoch.partition(" ")
    band = name if name in ("plaintext", "early", "handshake", "application") else "plaintext"
    if name == "application" and generation.isdecimal() and int(generation) % 2:
        band = "next"
    # one more than a row, so that no seam shows between bands
    yield (
        f'<rect x="{CLIENT - 12}" y="{top}" width="{SERVER - CLIENT + 20}" '
        f'height="{ROW + 0.5}" fill="var(--{band})"/>'
    )
    data = " data" if flight.messages == [DATA] else ""
    label = ", ".join(flight.messages)
    if flight.request is not None:
        label += f"  (request {flight.request})"
    from_client = flight.sender == "client"
    x, anchor = (CLIENT, "start") if from_client else (SERVER - 4, "end")
    yield (
        f'<text class="what {flight.sender}{data}" x="{x}" y="{top + 16}" '
        f'text-anchor="{anchor}">{_text(clip(label, MOST_LETTERS + 10))}</text>'
    )
    y = top + 24
    yield f'<line class="{flight.sender}{data}" x1="{CLIENT}" x2="{SERVER - 4}" y1="{y}" y2="{y}"/>'
    tip, back = (SERVER + 2, SERVER - 8) if from_client else (CLIENT - 6, CLIENT + 4)
    yield f'<path class="{flight.sender}" d="M {tip} {y} L {back} {y - 5} V {y + 5} Z"/>'
    if new_keys:
        keys = _text(clip(flight.epoch, 22))
        yield f'<text class="small" x="{NOTE}" y="{top + 20}">{keys}</text>'


def _turn_row(turn: _Turn, top: int) -> Iterator[str]:
    kind = "refused" if turn.refused else "known"
    middle = (CLIENT + SERVER) // 2
    yield (
        f'<text class="turn {kind}" x="{middle}" y="{top + TURN // 2 + 5}" '
        f'text-anchor="middle">{_text(turn.text)}</text>'
    )


def _colours(theme: str) -> str:
    def block(colours: dict[str, str]) -> str:
        return "svg { " + " ".join(f"--{name}: {value};" for name, value in colours.items()) + " }"

    if theme == "auto":
        return f"{block(LIGHT)}\n@media (prefers-color-scheme: dark) {{ {block(DARK)} }}"
    return block(DARK if theme == "dark" else LIGHT)


def _text(text: str) -> str:
    return html.escape(printable(text))
