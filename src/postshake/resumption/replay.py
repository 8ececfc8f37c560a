"""Guards against 0-RTT data that is sent twice (§8)."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable
from typing import Protocol

from .._dataclass import dataclass

__all__ = ["EarlyDataClaim", "ReplayGuard", "SingleUse"]


@dataclass(frozen=True, slots=True)
class EarlyDataClaim:
    """One ClientHello that wants its early data accepted (§8.2)."""

    key: bytes
    """Unique to this ClientHello: its first PSK binder, which was checked."""
    issued_at: float
    """When its ticket was issued, in seconds since the epoch."""
    now: float
    """The time of asking, on the same clock."""
    until: float
    """Until when a copy of this ClientHello would still pass for fresh."""


class ReplayGuard(Protocol):
    """Who remembers which early data was accepted, so that none is accepted twice.

    All servers that accept each other's tickets need one guard between them, or
    early data can be replayed once to each (§8).
    """

    def claim(self, claim: EarlyDataClaim) -> bool | Awaitable[bool]:
        """Return True once for each key, and never again before ``claim.until``.

        When in doubt, return False: the client sends its data again, after the
        handshake. An exception ends the handshake.
        """
        ...


class SingleUse:
    """Remembers claims in memory: a guard for the servers of one process (§8.2).

    Safe to share between connections and threads.

    Args:
        started_at: since when it has been remembering. Claims with older tickets
            may have been accepted before a restart; they are refused as long as
            such a claim could still be fresh.
        capacity: how many claims it remembers; further ones are refused.
    """

    __slots__ = ("_claims", "_order", "capacity", "started_at")

    def __init__(self, started_at: float = 0.0, *, capacity: int = 65536) -> None:
        self.started_at = started_at
        self.capacity = capacity
        self._claims: dict[bytes, object] = {}
        self._order: deque[tuple[float, bytes]] = deque()

    def claim(self, claim: EarlyDataClaim) -> bool:
        """Accept what was not seen before."""
        freshness = claim.until - claim.now
        if claim.issued_at < self.started_at and claim.now < self.started_at + freshness:
            return False
        self._forget(claim.now)
        if len(self._claims) >= self.capacity:
            return False
        # one atomic call decides, so of two threads only one can be the first
        mine = object()
        if self._claims.setdefault(claim.key, mine) is not mine:
            return False
        self._order.append((claim.until, claim.key))
        return True

    def _forget(self, now: float) -> None:
        """Drop what is stale at the front; claims come nearly in the order of their ends."""
        order = self._order
        while True:
            try:
                oldest = order.popleft()
            except IndexError:  # empty, by now: other threads are at it too
                return
            if oldest[0] >= now:
                order.appendleft(oldest)
                return
            self._claims.pop(oldest[1], None)

    def __repr__(self) -> str:
        return f"SingleUse({len(self._claims)} of {self.capacity})"
