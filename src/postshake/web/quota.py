"""How much may be kept for all clients together while they are asked who they are."""

from __future__ import annotations

import threading

__all__ = ["QUOTA", "Quota"]


class Quota:
    """What all connections of a process may keep together; threads and loops may share one.

    What one request may keep is another thing: `Policy.max_body` and `Policy.max_messages`.

    Args:
        memory: bytes in memory. When they are used up, bodies go to disk at once, and
            messages of websockets are refused.
        disk: bytes in temporary files. When they are used up, bodies are refused.
    """

    def __init__(self, memory: int = 64 * 1024 * 1024, disk: int = 1024 * 1024 * 1024) -> None:
        self.memory = memory
        self.disk = disk
        self.memory_used = 0
        """Bytes that are kept in memory now."""
        self.disk_used = 0
        """Bytes that are kept in temporary files now."""
        self._lock = threading.Lock()

    def take_memory(self, size: int) -> bool:
        """Take that many bytes of memory, if there are."""
        with self._lock:
            if self.memory_used + size > self.memory:
                return False
            self.memory_used += size
            return True

    def take_disk(self, size: int) -> bool:
        """Take that many bytes of disk, if there are."""
        with self._lock:
            if self.disk_used + size > self.disk:
                return False
            self.disk_used += size
            return True

    def give_back(self, *, memory: int = 0, disk: int = 0) -> None:
        """Give back what was taken."""
        with self._lock:
            self.memory_used -= memory
            self.disk_used -= disk


QUOTA = Quota()  # of this process, for everybody who names no other
