"""Sessions of TLS 1.3 that a server keeps, so that its tickets are only their names.

That is what OP_NO_TICKET asks for: no session leaves the server, sealed or not, and
a copy of no key opens one. Sessions of TLS 1.2 have `postshake.resumption.SessionCache12`.
"""

from __future__ import annotations

import os
import threading

from ..resumption.ticket import TicketState

__all__ = ["CAPACITY", "LARGEST", "SessionCache"]

CAPACITY = 4096
"""Sessions that a context keeps, of each version; the oldest goes when there is one more."""

LARGEST = 16 * 1024
"""Bytes of a proven client's, its certificates above all, with which a session is kept."""

LARGEST_OF_NOBODY = 1024
"""The same for who has proven nothing."""

NAME_LENGTH = 32


class SessionCache:
    """Session states by random names: a `postshake.TicketDatabase`, for threads to share."""

    __slots__ = ("_lock", "_states")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._states: dict[bytes, TicketState] = {}

    def __len__(self) -> int:
        return len(self._states)

    def keep(self, state: TicketState) -> bytes:
        """Keep a state, and return its name.

        Raises:
            ValueError: there is too much of the client's in it; so there is no ticket.
        """
        size = sum(map(len, {*state.chain, *state.verified_chain}))
        size += len(state.server_name or "") + len(state.ocsp_response or b"")
        most = LARGEST if state.chain else LARGEST_OF_NOBODY
        if size > most:
            raise ValueError(f"a session with more than {most} bytes of its client's")
        name = os.urandom(NAME_LENGTH)
        with self._lock:
            while len(self._states) >= CAPACITY:
                del self._states[next(iter(self._states))]
            self._states[name] = state
        return name

    def find(self, ticket: bytes) -> TicketState | None:
        """Return the state of this name, if it is still kept."""
        return self._states.get(ticket)
