"""Limits on what a peer may make us hold, or do in vain.

A limit is never negotiated; it only bounds what a hostile peer can cost. The
defaults leave an honest peer plenty of room. Nothing here reads a clock: the
one that `RateLimit` needs is given to it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from .._dataclass import dataclass
from ..errors import TooMuch, UsageError

__all__ = ["Budget", "Limits", "RateLimit"]


_WINDOWS = ("key_update_window", "request_window")  # in seconds: a rate needs some


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one connection; shareable.

    Raises:
        UsageError: a limit is negative, or a window is not positive.
    """

    handshake_message: int = 128 * 1024
    """Bytes in one handshake message, header not counted."""

    hello_message: int = 64 * 1024
    """The same for ClientHello and ServerHello, which anyone may send (Go and rustls take
    as much). Read, they take up to twenty times their length in memory."""

    handshake_fragments: int = 4096
    """Records that one handshake message may be spread over. The longest that is allowed
    takes 2049 of 64 bytes, the least that a peer may ask for (RFC 8449)."""

    certificate_entries: int = 16
    """Certificates in one Certificate message."""

    empty_records: int = 32
    """Empty application data records in a row (Go's maxUselessRecords is 16)."""

    warning_alerts: int = 4
    """Alerts of one connection that neither close nor fail it."""

    key_updates: int = 32
    """KeyUpdates from the peer within `key_update_window` (OpenSSL allows 32)."""

    key_update_window: float = 10.0
    """Seconds over which KeyUpdates are counted."""

    change_cipher_specs: int = 8
    """Compatibility ChangeCipherSpec records in one handshake."""

    waiting_input: int = 256 * 1024
    """Bytes that wait unread while a question to the owner is open."""

    pending_requests: int = 32
    """Authentication requests that a client leaves unanswered at a time."""

    pending_requests_size: int = 512 * 1024
    """Bytes of the messages with these requests, together."""

    requests_per_window: int = 256
    """Authentication requests from a server within `request_window`."""

    request_window: float = 10.0
    """Seconds over which authentication requests are counted."""

    outstanding_requests: int = 1024
    """Authentication requests that a server has open at a time."""

    tickets: int = 32
    """Tickets kept per connection."""

    tickets_per_connection: int = 512
    """Tickets that a server may send over one connection."""

    def __post_init__(self) -> None:
        for name in self.__match_args__:
            value = getattr(self, name)
            window = name in _WINDOWS
            if value < 0 or (window and not value):
                least = "more than 0" if window else "at least 0"
                raise UsageError(f"limit {name}: expected {least}, got {value}")


class Budget:
    """A number of things that may happen before something else does."""

    __slots__ = ("left", "limit", "what")

    def __init__(self, limit: int, what: str) -> None:
        self.limit = limit
        self.left = limit
        """How much may still be spent."""
        self.what = what

    def __repr__(self) -> str:
        return f"Budget({self.what!r}, {self.left} of {self.limit} left)"

    def spend(self, amount: int = 1) -> None:
        """Take from the budget.

        Raises:
            TooMuch: it does not hold that much; what is left stays as it was.
        """
        if amount > self.left:
            raise TooMuch(
                f"too many {self.what}: expected at most {self.limit}, "
                f"got {self.limit - self.left + amount}"
            )
        self.left -= amount

    def refill(self) -> None:
        """Begin again: something useful happened."""
        self.left = self.limit


class RateLimit:
    """At most so many hits in any window of time."""

    __slots__ = ("_clock", "_hits", "limit", "what", "window")

    def __init__(
        self, limit: int, window: float, clock: Callable[[], float], what: str = "messages"
    ) -> None:
        self.limit = limit
        self.window = window
        self.what = what
        self._clock = clock
        self._hits: deque[float] | None = None  # most are never hit, and it is large

    def __repr__(self) -> str:
        return f"RateLimit({self.what!r}, {self.limit} in {self.window:g} s)"

    def hit(self) -> None:
        """Count one now.

        Raises:
            TooMuch: there were `limit` already within the window.
        """
        now = self._clock()
        if self._hits is None:
            self._hits = deque()
        hits = self._hits
        while hits and now - hits[0] >= self.window:
            hits.popleft()
        if len(hits) >= self.limit:
            raise TooMuch(
                f"too many {self.what}: expected at most {self.limit} in {self.window:g} s, "
                f"got {len(hits) + 1}"
            )
        hits.append(now)
