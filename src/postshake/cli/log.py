"""The lines that `serve` logs on standard output."""

from __future__ import annotations

import contextlib
import json
import sys
from datetime import datetime

from ..text import clip

__all__ = ["Log"]


class Log:
    """Writes one line for each thing; threads do not mix theirs.

    A line has no control characters, whoever's words it repeats, and an end.

    Args:
        as_json: each line is an object with ``time``, ``message`` and, where it is about one,
            the number of the ``connection``.
    """

    def __init__(self, *, as_json: bool = False) -> None:
        self._as_json = as_json

    def __call__(self, text: str, connection: int | None = None) -> None:
        """Write a line."""
        text = clip(text)
        now = datetime.now().astimezone()
        if self._as_json:
            line = {"time": now.isoformat(timespec="milliseconds"), "message": text}
            whole = json.dumps(line | ({} if connection is None else {"connection": connection}))
        else:
            about = "" if connection is None else f"#{connection} "
            whole = f"{now:%H:%M:%S} {about}{text}"
        with contextlib.suppress(OSError):  # a log that nobody reads must not stop us
            sys.stdout.write(f"{whole}\n")
            sys.stdout.flush()
