"""Handshake fragments put together as whole messages (§5.1).

A record may hold several messages, and a message may span several records.
Costs are linear however the messages are cut: a fragment is read in place by a
moving offset, and fragments of an unfinished message are joined only when all
of it is there.
"""

from __future__ import annotations

from ..errors import MessageTooLarge, UnexpectedMessage
from .limits import Limits

__all__ = ["Reassembly"]

HEADER_LENGTH = 4  # struct Handshake: msg_type, uint24 length (§4)


class Reassembly:
    """Handshake messages on their way in, one direction of one connection."""

    __slots__ = ("_buffer", "_held", "_limit", "_needed", "_offset", "_pieces")

    def __init__(self, limits: Limits) -> None:
        self._limit = limits.handshake_message
        self._buffer = b""
        self._offset = 0
        self._pieces: list[bytes] = []  # after the buffer
        self._held = 0  # bytes from the offset on, the pieces included
        self._needed = HEADER_LENGTH  # bytes that the next step wants to see

    def __repr__(self) -> str:
        return f"Reassembly({self._held} bytes held)"

    def feed(self, fragment: bytes) -> None:
        """Add what one handshake record held."""
        if self._held:
            self._pieces.append(fragment)
        else:
            self._buffer = fragment
            self._offset = 0
        self._held += len(fragment)

    def next_message(self) -> tuple[int, bytes] | None:
        """Give the next message: its type, and all its bytes with the header (§4).

        None means that no whole message is there.

        Raises:
            MessageTooLarge: a header announces a message longer than the limit. This
                comes before the message's body is waited for.
        """
        if not self._held or not self.pending:
            if not self._held:
                self._buffer = b""
            return None
        start = self._offset
        stop = self._offset = start + self._needed
        self._held -= self._needed
        self._needed = HEADER_LENGTH
        buffer = self._buffer
        if not start and stop == len(buffer):
            return buffer[0], buffer
        return buffer[start], buffer[start:stop]

    @property
    def pending(self) -> bool:
        """Whether a whole message waits; may raise as `next_message` does."""
        if self._held < self._needed:
            return False
        if self._pieces:
            self._join()
        if self._needed == HEADER_LENGTH:
            start = self._offset + 1
            length = int.from_bytes(self._buffer[start : start + 3], "big")
            if length > self._limit:
                raise MessageTooLarge(
                    f"handshake message of type {self._buffer[self._offset]}: expected at most "
                    f"{self._limit} bytes, got a length of {length}"
                )
            self._needed = HEADER_LENGTH + length
            if self._held < self._needed:
                return False
            if self._pieces:
                self._join()
        return True

    @property
    def partial(self) -> bool:
        """Whether bytes are held that do not make a whole message yet."""
        return self._held > 0 and not self.pending

    def check_aligned(self) -> None:
        """Check that the keys may change here: no byte is left over (§5.1).

        Raises:
            UnexpectedMessage: a record went on after a message that ends the
                use of its keys.
        """
        if self._held:
            raise UnexpectedMessage(
                f"expected a key change at the end of a record, got {self._held} more bytes "
                "of handshake messages",
                section="5.1",
            )

    def _join(self) -> None:
        """Bring `_needed` bytes, which are there, into one buffer."""
        if len(self._buffer) - self._offset < self._needed:
            self._buffer = b"".join((self._buffer[self._offset :], *self._pieces))
            self._offset = 0
            self._pieces.clear()
