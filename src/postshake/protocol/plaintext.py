"""Application data as it was received, and from whom (route a).

Bytes go in at one end and out at the other. What makes this more than a queue of
bytes is that whom the peer has proven to be may change in between: no read
crosses such a change, so each piece that is read has one identity.
"""

from __future__ import annotations

from collections import deque

from ..pki.identity import Identity

__all__ = ["Plaintext"]


class Plaintext:
    """Received application data that has not been read yet."""

    __slots__ = ("_offset", "_turn", "chunks", "history", "position", "read_position")

    def __init__(self) -> None:
        self.chunks: deque[bytes] = deque()
        """What is there to read. Whoever appends adds to `position` too."""
        self.position = 0
        """How many bytes were ever received."""
        self.read_position = 0
        """How many bytes were ever read."""
        self.history: list[tuple[int, Identity | None]] = [(0, None)]
        """From which position on the peer was known as whom."""
        self._offset = 0  # into the first chunk
        self._turn = 0  # index of the history's entry for read_position

    @property
    def identity(self) -> Identity | None:
        """Whom the peer has proven to be, as of now."""
        return self.history[-1][1]

    @property
    def read_identity(self) -> Identity | None:
        """Whom the peer had proven to be when the next byte to read came."""
        self._catch_up()
        return self.history[self._turn][1]

    def commit(self, identity: Identity) -> None:
        """Take what comes from here on as from this identity."""
        self.history.append((self.position, identity))

    def __len__(self) -> int:
        """How many bytes can be read, changes of identity aside."""
        return self.position - self.read_position

    @property
    def left_of_record(self) -> int:
        """How many bytes of the oldest record can be read."""
        return len(self.chunks[0]) - self._offset if self.chunks else 0

    def read(self, size: int = -1) -> bytes:
        """Take at most `size` bytes, all from the same identity; all if negative."""
        history = self.history
        if self._turn + 1 < len(history):
            self._catch_up()
            if self._turn + 1 < len(history):
                available = history[self._turn + 1][0] - self.read_position
                size = available if size < 0 else min(size, available)
        chunks = self.chunks
        if size < 0 and len(chunks) == 1 and not self._offset:  # nearly always
            data = chunks.popleft()
            self.read_position += len(data)
            return data
        if not chunks or size == 0:
            return b""
        left = self.position - self.read_position if size < 0 else size
        taken: list[bytes] = []
        while chunks and left:
            chunk = chunks[0]
            if self._offset or len(chunk) > left:
                piece = chunk[self._offset : self._offset + left]
                self._offset += len(piece)
                if self._offset == len(chunk):
                    chunks.popleft()
                    self._offset = 0
            else:
                piece = chunks.popleft()
            taken.append(piece)
            left -= len(piece)
        data = taken[0] if len(taken) == 1 else b"".join(taken)
        self.read_position += len(data)
        return data

    def _catch_up(self) -> None:
        history = self.history
        while self._turn + 1 < len(history) and history[self._turn + 1][0] <= self.read_position:
            self._turn += 1
