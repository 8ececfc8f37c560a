"""Where errors unwind to: a block that turns each into the connection's failure."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import NoReturn

from ..errors import UsageError

__all__ = ["Failing"]


class Failing:
    """A block in which what goes wrong breaks the connection.

    A class, for a generator would take three times as long.

    Args:
        break_by: raises what went wrong as the connection's failure.
        harmless: what a call raises before it changes anything: its caller's own fault.
    """

    __slots__ = ("_break_by", "_harmless")

    def __init__(
        self, break_by: Callable[[Exception], NoReturn], harmless: type[UsageError] | None
    ) -> None:
        self._break_by = break_by
        self._harmless = harmless

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, Exception):
            if self._harmless is None or not isinstance(error, self._harmless):
                try:
                    self._break_by(error)
                finally:
                    del error, traceback  # which have this frame
