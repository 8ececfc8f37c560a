"""A connection's messages as a ladder: the client on the left, the server on the right."""

from __future__ import annotations

import os
import shutil
from typing import TextIO

from ..constants import Role
from ..events import Direction, TraceEntry
from ..text import clip

__all__ = ["Ladder", "Paint"]

NARROWEST, WIDEST = 24, 40  # between the two rails
BYTES, KEYS, DETAIL = 7, 13, 22


class Paint:
    """Colours for a terminal, or none.

    Args:
        colour: whether to use them.
    """

    def __init__(self, colour: bool) -> None:
        self.colour = colour

    @classmethod
    def suits(cls, stream: TextIO) -> Paint:
        """Colour on a terminal, unless NO_COLOR forbids it (no-color.org)."""
        wanted = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        return cls(wanted and stream.isatty())

    def __call__(self, text: str, *codes: int) -> str:
        """Paint text with SGR codes: 1 is bold, 2 faint, 32 green."""
        if not self.colour or not text:
            return text
        return f"\x1b[{';'.join(map(str, codes))}m{text}\x1b[0m"


class Ladder:
    """Writes trace entries as lines of a ladder, as wide as there is room.

    Args:
        end: whose trace it is.
        width: columns to stay within; what finds no room is left out, detail first.
        ascii_only: whether to draw with ASCII alone.
        paint: colours.
        indent: columns before the client's rail.
    """

    def __init__(
        self,
        end: Role,
        *,
        width: int = 80,
        ascii_only: bool = False,
        paint: Paint | None = None,
        indent: int = 4,
    ) -> None:
        self._end = end
        self._ascii = ascii_only
        self._paint = paint or Paint(False)
        self._indent = " " * indent
        self._rail, self._line, self._left, self._right = "|-<>" if ascii_only else "│─◀▶"
        room = width - indent - 2  # the rails
        rest = room - NARROWEST
        self._keys = rest >= BYTES + 2 + KEYS
        self._detail = 0
        rest -= BYTES + (2 + KEYS if self._keys else 0)
        if self._keys and rest > 2 + DETAIL // 2:
            lane = min(WIDEST - NARROWEST, max(0, rest - 2 - DETAIL))
            self._detail = rest - 2 - lane
        else:
            lane = max(0, min(WIDEST - NARROWEST, rest))
        self._lane = NARROWEST + lane

    @classmethod
    def suits(cls, end: Role, stream: TextIO, *, indent: int = 4) -> Ladder:
        """Draw for this stream: its terminal's width, its encoding, colour or none."""
        width = min(shutil.get_terminal_size((80, 24)).columns, 100)
        try:
            "│─◀▶…".encode(stream.encoding or "ascii")
            ascii_only = False
        except (UnicodeEncodeError, LookupError):
            ascii_only = True
        paint = Paint.suits(stream)
        return cls(end, width=width, ascii_only=ascii_only, paint=paint, indent=indent)

    def header(self) -> str:
        """Return the line that names the columns."""
        text = f"{self._indent}client{'server':>{self._lane - 4}}{'bytes':>{BYTES}}"
        if self._keys:
            text += f"  {'keys':<{KEYS}}"
        if self._detail:
            text += "  detail"
        return self._paint(text.rstrip(), 2)

    def line(self, entry: TraceEntry) -> str:
        """Return the line for one message."""
        by_client = (entry.direction is Direction.sent) == (self._end is Role.client)
        paint = self._paint
        name = clip(entry.what, self._lane - 5, self._ascii)
        shaft = self._line * (self._lane - 4 - len(name))
        colour = 36 if by_client else 35
        weight = 2 if entry.what == "application data" else 1
        if by_client:
            lane = f" {paint(name, weight, colour)} {paint(shaft + self._right, colour)} "
        else:
            lane = f" {paint(self._left + shaft, colour)} {paint(name, weight, colour)} "
        rail = paint(self._rail, 2)
        text = f"{self._indent}{rail}{lane}{rail}{entry.size:>{BYTES}}"
        if self._keys:
            keys = f"{entry.epoch:<{KEYS}}" if self._detail and entry.detail else entry.epoch
            text += f"  {paint(keys, 2)}"
        if self._detail and entry.detail:
            text += f"  {clip(entry.detail, self._detail, self._ascii)}"
        return text
