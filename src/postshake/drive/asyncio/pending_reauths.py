"""Requests for authentication whose outcome somebody awaits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ...connection import Connection
from ...events import ReauthCompleted
from ..limits import STALL, data_waiting

__all__ = ["PendingReauths"]


class PendingReauths:
    """A future for each request, and the timers that end them.

    One timer is for the next deadline of a request. The other ends all requests when nobody
    reads the data that is in front of their answers.

    Args:
        connection: the engine, a server's.
        loop: has the futures and the timers.
        max_unread: how many bytes of memory unread data may take.
        step: calls its argument, a method of the engine's, and handles what comes of it.
    """

    __slots__ = ("_connection", "_deadline", "_loop", "_max_unread", "_stall", "_step", "outcomes")

    def __init__(
        self,
        connection: Connection,
        loop: asyncio.AbstractEventLoop,
        max_unread: int,
        step: Callable[[Callable[[], None]], None],
    ) -> None:
        self._connection = connection
        self._loop = loop
        self._max_unread = max_unread
        self._step = step
        self._deadline: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None
        self.outcomes: dict[bytes, asyncio.Future[ReauthCompleted]] = {}
        """Of the requests that are awaited, by their contexts."""

    def add(self, context: bytes) -> asyncio.Future[ReauthCompleted]:
        """Return the future of a request that was just made."""
        outcome: asyncio.Future[ReauthCompleted] = self._loop.create_future()
        self.outcomes[context] = outcome
        self._arm()
        return outcome

    def complete(self, event: ReauthCompleted) -> None:
        """Give an outcome to who awaits it, if anybody does."""
        outcome = self.outcomes.get(event.context)
        if outcome is not None and not outcome.done():
            outcome.set_result(event)

    def fail(self, error: BaseException) -> None:
        """Give all who wait an error."""
        for outcome in self.outcomes.values():
            if not outcome.done():
                outcome.set_exception(error)

    def limit_stall(self, stalled: bool) -> None:
        """Begin to count the time for which nobody reads on, or end it.

        Args:
            stalled: whether no more data is kept, and nobody takes what there is.
        """
        if stalled and self.outcomes:
            if self._stall is None:
                self._stall = self._loop.call_later(STALL, self._fail_stalled)
        elif self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def stop(self) -> None:
        """End the timers."""
        for timer in (self._deadline, self._stall):
            if timer is not None:
                timer.cancel()

    def _fail_stalled(self) -> None:
        self.fail(data_waiting(self._connection, self._max_unread, "reading is paused"))

    def _arm(self) -> None:
        """Look at the deadlines when the next one is due."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        due = self._connection.next_deadline()
        if due is not None:
            delay = max(0.0, due - self._connection.config.clock())
            self._deadline = self._loop.call_later(delay, self._expire)

    def _expire(self) -> None:
        self._deadline = None
        self._step(self._connection.check_deadlines)
        self._arm()
