"""What servers share so that sessions can be resumed: ticket keys, and a guard against replay."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from typing import TypeAlias

from ..resumption.replay import EarlyDataClaim, SingleUse
from ..resumption.ticket_keys import TicketKeys

__all__ = ["AddFunction", "AntiReplay", "session_ticket_key_generate"]

TICKET_KEY_LENGTH = 64

AddFunction: TypeAlias = Callable[[int, bytes, bytes], int | None]
"""``add(expires, key, data)`` remembers a key until a time, in seconds since the epoch. It
returns 0 or None, or E_DB_ENTRY_EXISTS for one that is remembered already."""


def session_ticket_key_generate() -> TicketKeys:
    """Make a key that seals tickets; servers that accept each other's tickets share it."""
    return TicketKeys([secrets.token_bytes(TICKET_KEY_LENGTH)])


class AntiReplay:
    """What keeps early data from being accepted twice (§8); one for all sessions.

    Without `set_add_function` it remembers in memory, for one process.
    """

    def __init__(self) -> None:
        self.window = 10.0
        """Seconds by which a ticket's age may be off."""
        self._memory: SingleUse | None = None
        self._lock = threading.Lock()  # two memories would each accept the same
        self._add: AddFunction | None = None

    def set_window(self, milliseconds: int) -> None:
        """Say by how much a ticket's age may be off; 10 seconds otherwise."""
        self.window = milliseconds / 1000

    def set_add_function(self, function: AddFunction | None) -> None:
        """Let a function remember, such as one with a database behind it."""
        self._add = function

    def claim(self, claim: EarlyDataClaim) -> bool:
        """Accept a ClientHello's early data the first time (`ReplayGuard`)."""
        if self._add is None:
            with self._lock:
                if self._memory is None:  # older tickets may have been used with others before
                    self._memory = SingleUse(claim.now)
            return self._memory.claim(claim)
        return not self._add(int(claim.until) + 1, claim.key, b"")
