"""A lock for reading, whose waiters share what the reader brings.

Who waits for data, or for the answer to a request, need not read it: another thread may be
at it, and take the very record that is waited for. So a waiter is woken by whatever that
thread does, and looks whether it has what it wants; and when the reader leaves, one of those
who still wait takes its place.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic

__all__ = ["ReadLock"]


class ReadLock:
    """Held by the one thread that reads; the thread that holds it may take it again."""

    __slots__ = ("_lock", "_waiting")

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._waiting: tuple[threading.Event, ...] = ()

    def acquire(self, arrived: Callable[[], object], limit: float | None) -> bool:
        """Become the reader, or wait until another reader has brought what we want.

        Args:
            arrived: whether it is there; asked after each step of the connection.
            limit: on `monotonic`, until when to wait; None for ever.

        Returns:
            Whether we are the reader, and must call `release`; else `arrived` holds.

        Raises:
            TimeoutError: the limit has passed.
        """
        if self._lock.acquire(blocking=False):
            return True
        woken = threading.Event()
        self._change(lambda waiting: (*waiting, woken))
        try:
            while True:
                woken.clear()
                if arrived():
                    return False
                if self._lock.acquire(blocking=False):
                    return True
                left = None if limit is None else limit - monotonic()
                if left is not None and left <= 0:
                    raise TimeoutError("The read operation timed out")
                woken.wait(left)
        finally:
            self._change(lambda waiting: tuple(one for one in waiting if one is not woken))

    @property
    def taken(self) -> bool:
        """Whether another thread is reading."""
        if self._lock.acquire(blocking=False):
            self.release()  # and tell those who came meanwhile
            return False
        return True

    def release(self) -> None:
        """Let another read."""
        self._lock.release()
        self.tell()

    def tell(self) -> None:
        """Have those who wait look again."""
        for one in self._waiting:
            one.set()

    def _change(
        self, how: Callable[[tuple[threading.Event, ...]], tuple[threading.Event, ...]]
    ) -> None:
        with _CHANGING:  # for all connections: waiting is rare, and this is short
            self._waiting = how(self._waiting)


_CHANGING = threading.Lock()
