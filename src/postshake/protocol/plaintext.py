"""Application data that was received and not yet read, and from whom it is.

Bytes go in at one end and out at the other. What makes this more than a queue of
bytes is that whom the peer has proven to be may change in between: no read
crosses such a change, so each piece that is read has one identity.
"""

from __future__ import annotations

from ..pki.identity import Identity

__all__ = ["Plaintext"]

OVERHEAD = 64
"""Bytes that a record's content takes besides itself: as an object, and its place here."""


class Plaintext:
    """Received application data that has not been read yet."""

    __slots__ = (
        "_first",
        "_offset",
        "_turn",
        "chunks",
        "early_end",
        "history",
        "position",
        "read_position",
    )

    def __init__(self) -> None:
        self.chunks: list[bytes] = []  # an empty deque takes ten times as much memory
        """What there is to read. Whoever appends adds to `position` too."""
        self.position = 0
        """How many bytes were ever received."""
        self.read_position = 0
        """How many bytes were ever read."""
        self.history: list[tuple[int, Identity | None]] = [(0, None)]
        """From which position on the peer was known as whom."""
        self.early_end = 0
        """Up to which position it is early data, which anyone may have replayed."""
        self._first = 0  # index of the first chunk that was not read
        self._offset = 0  # into that
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

    def add_early(self, data: bytes) -> None:
        """Add early data: of nobody, whoever will be authenticated later (§4.2.10)."""
        if data:
            self.chunks.append(data)
            self.position += len(data)
            self.early_end = self.position

    def end_early(self) -> None:
        """Let no read go from early data on into what follows it."""
        if self.early_end:
            self.history.append((self.position, None))

    def __len__(self) -> int:
        """How many bytes can be read, changes of identity aside."""
        return self.position - self.read_position

    @property
    def size(self) -> int:
        """How many bytes of memory what can be read takes, about."""
        waiting = len(self.chunks) - self._first
        return self.position - self.read_position + OVERHEAD * waiting

    @property
    def left_of_record(self) -> int:
        """How many bytes of the oldest record can be read."""
        return len(self.chunks[self._first]) - self._offset if self.chunks else 0

    def read(self, size: int = -1) -> bytes:
        """Take at most `size` bytes, all from the same identity; all if negative."""
        history = self.history
        if self._turn + 1 < len(history):
            self._catch_up()
            if self._turn + 1 < len(history):
                available = history[self._turn + 1][0] - self.read_position
                size = available if size < 0 else min(size, available)
        chunks = self.chunks
        if (  # nearly always
            len(chunks) == 1 and not self._offset and (size < 0 or len(chunks[0]) <= size)
        ):
            data = chunks.pop()
            self.read_position += len(data)
            return data
        if not chunks or size == 0:
            return b""
        left = self.position - self.read_position if size < 0 else size
        taken: list[bytes] = []
        first = self._first
        while left and first < len(chunks):
            piece = chunks[first]
            if self._offset or len(piece) > left:
                whole = len(piece)
                piece = piece[self._offset : self._offset + left]
                self._offset += len(piece)
                if self._offset < whole:
                    taken.append(piece)
                    break
                self._offset = 0
            first += 1
            taken.append(piece)
            left -= len(piece)
        if 2 * first >= len(chunks):  # as many were read: each is moved once at most
            del chunks[:first]
            first = 0
        else:
            for index in range(self._first, first):
                chunks[index] = b""  # its place is given back later, its bytes now
        self._first = first
        data = taken[0] if len(taken) == 1 else b"".join(taken)
        self.read_position += len(data)
        return data

    def take(self, size: int = -1) -> tuple[bytes, Identity | None, bool]:
        """Take data as `read` does; return whose it is, and whether it is early data, too."""
        if self._turn + 1 < len(self.history):
            self._catch_up()
        identity = self.history[self._turn][1]
        is_early = self.read_position < self.early_end
        return self.read(size), identity, is_early

    def _catch_up(self) -> None:
        history = self.history
        while self._turn + 1 < len(history) and history[self._turn + 1][0] <= self.read_position:
            self._turn += 1
