"""Handshake fragments put together as whole messages (§5.1).

A record may hold several messages, and a message may span several records.
Costs are linear however the messages are cut: a fragment is read in place by a
moving offset, and fragments of an unfinished message grow one buffer. That takes
little more than the message, and how many records it may come in is bounded too,
for each has to be opened and looked at.
"""

from __future__ import annotations

from ..constants import HandshakeType
from ..errors import MessageTooLarge, TooMuch, UnexpectedMessage
from .limits import Limits

__all__ = ["Reassembly"]

HEADER_LENGTH = 4  # struct Handshake: msg_type, uint24 length (§4)
HELLOS = (HandshakeType.client_hello, HandshakeType.server_hello)


class Reassembly:
    """Handshake messages on their way in, one direction of one connection."""

    __slots__ = (
        "_buffer",
        "_fragments",
        "_held",
        "_hello_limit",
        "_limit",
        "_most_fragments",
        "_needed",
        "_offset",
    )

    def __init__(self, limits: Limits) -> None:
        self._limit = limits.handshake_message
        self._hello_limit = min(limits.hello_message, limits.handshake_message)
        self._most_fragments = limits.handshake_fragments
        self._buffer: bytes | bytearray = b""
        self._offset = 0
        self._held = 0  # bytes from the offset on
        self._needed = HEADER_LENGTH  # bytes that the next step wants to see
        self._fragments = 1  # in which they came

    def __repr__(self) -> str:
        return f"Reassembly({self._held} bytes held)"

    def feed(self, fragment: bytes) -> None:
        """Add what one handshake record held.

        Raises:
            TooMuch: the message at hand comes in more records than the limit.
        """
        if not self._held:
            self._buffer = fragment
            self._offset = 0
        else:
            self._fragments += 1
            if self._fragments > self._most_fragments:
                raise TooMuch(
                    f"handshake message: expected at most {self._most_fragments} records, "
                    f"got more, with {self._held + len(fragment)} bytes in them"
                )
            if not isinstance(self._buffer, bytearray):
                self._buffer = bytearray(memoryview(self._buffer)[self._offset :])
            elif self._offset:
                del self._buffer[: self._offset]  # which moves nothing
            self._offset = 0
            self._buffer += fragment
        self._held += len(fragment)

    def discard(self) -> None:
        """Forget what is held: nobody will ask for it."""
        self._buffer = b""
        self._offset = self._held = 0
        self._needed = HEADER_LENGTH

    def next_message(self) -> tuple[int, bytes] | None:
        """Give the next message: its type, and all its bytes with the header (§4).

        None means that no whole message is there.

        Raises:
            MessageTooLarge: a header announces a message longer than the limit. This
                comes before the message's body is waited for.
        """
        if not self._held or not self.pending:
            return None
        buffer = self._buffer
        start = self._offset
        stop = self._offset = start + self._needed
        self._held -= self._needed
        self._needed = HEADER_LENGTH
        self._fragments = 1
        if not self._held:
            self._buffer = b""  # at once: what becomes of the message may take a while
            if not start and type(buffer) is bytes:
                return buffer[0], buffer
        return buffer[start], bytes(memoryview(buffer)[start:stop])

    @property
    def pending(self) -> bool:
        """Whether a whole message waits; may raise as `next_message` does."""
        if self._held < self._needed:
            return False
        if self._needed == HEADER_LENGTH:
            buffer, start = self._buffer, self._offset
            length = int.from_bytes(buffer[start + 1 : start + 4], "big")
            limit = self._hello_limit if buffer[start] in HELLOS else self._limit
            if length > limit:
                raise MessageTooLarge(
                    f"handshake message of type {buffer[start]}: expected at most "
                    f"{limit} bytes, got a length of {length}"
                )
            self._needed = HEADER_LENGTH + length
        return self._held >= self._needed

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
