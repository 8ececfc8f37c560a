"""Text that may hold a stranger's words: made safe to print, and short enough to read.

Whoever shows or logs what a peer sent goes through here, and all errors of ours do.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

__all__ = ["LONGEST", "clip", "listed", "printable"]

LONGEST = 1000
"""Characters of an error's text, or of a line of a log, at most."""
_MOST_LISTED = 8
_LONGEST_LISTED = 64


def printable(text: str) -> str:
    """Escape what could steer a terminal or break a line."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def clip(text: str, size: int = LONGEST, ascii_only: bool = False) -> str:
    """Make text printable and at most this long."""
    # each character escaped is not shorter than before
    text = printable(text[: size + 1])
    if ascii_only:
        text = text.replace("…", "...").encode("ascii", "backslashreplace").decode()
    if len(text) <= size:
        return text
    end = "..." if ascii_only else "…"
    return text[: size - len(end)] + end


def listed(items: Iterable[object], *, most: int = _MOST_LISTED) -> str:
    """List the first of many things with commas, and say how many more there are."""
    rest = iter(items)
    shown = [clip(str(each), _LONGEST_LISTED) for each in islice(rest, most)]
    more = sum(1 for _ in rest)
    return ", ".join(shown) + (f" and {more} more" if more else "")
