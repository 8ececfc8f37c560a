"""A byte stream cut into records (§5.1).

What `feed` is given is read in place: a record that lies in one piece is never
copied. Pieces that together hold less than a record are kept, small ones in one
growing buffer, and joined once, when the record is whole; so the cost is linear, also
for a stream that comes byte by byte. Of a large piece whose records were taken, what
is left of it alone is kept. So what is held is little more than what is `buffered`,
however the peer cuts its stream.
"""

from __future__ import annotations

from collections import deque

from ..constants import ContentType
from ..errors import (
    DecodeError,
    InternalError,
    RecordOverflow,
    UnexpectedMessage,
)

__all__ = ["HEADER_LENGTH", "MAX_CIPHERTEXT", "MAX_PLAINTEXT", "SMALL", "Deframer"]

HEADER_LENGTH = 5
"""Content type, legacy_record_version, length (§5.1)."""

MAX_PLAINTEXT = 2**14
"""The most that a record's content may be (§5.1)."""

MAX_CIPHERTEXT = 2**14 + 256
"""The most that a protected record's body may be (§5.2)."""

_APPLICATION_DATA = int(ContentType.application_data)
_KNOWN_TYPES = frozenset(ContentType) - {ContentType.invalid}
SMALL = 2048
"""Below this a slice of bytes costs less than a view and its slice."""


class Deframer:
    """The bytes that came in and were not yet taken as records."""

    __slots__ = (
        "_buffer",
        "_closed",
        "_end",
        "_held",
        "_offset",
        "_pieces",
        "_skip",
        "_started",
        "_view",
        "idle",
    )

    def __init__(self) -> None:
        self._buffer = b""
        self._view: bytes | memoryview = b""  # of the buffer
        self._offset = 0  # where the next record begins in the buffer
        self._end = 0  # the buffer's length
        # what comes after the buffer, if anything
        self._pieces: deque[bytes | bytearray] | None = None
        self._skip = 0  # bytes of the first piece that were taken already
        self._held = 0  # bytes in the pieces, without those
        self._started = False  # whether a record header was ever accepted
        self._closed = False
        self.idle = True
        """Whether `next_fragment` was called until nothing was left."""

    def __repr__(self) -> str:
        return f"Deframer({self.buffered} bytes buffered)"

    @property
    def buffered(self) -> int:
        """How many bytes are not taken yet."""
        return self._end - self._offset + self._held

    def feed(self, data: bytes | bytearray | memoryview, offset: int = 0) -> None:
        """Add bytes from the peer; ``bytes`` are kept without a copy.

        An offset, past which they begin, is for `idle` deframers alone.
        """
        if type(data) is not bytes:
            data = bytes(memoryview(data))
        if self._offset == self._end and not self._held:
            if self._closed:
                return
            self._buffer = data
            self.idle = False
            self._offset = offset
            self._end = length = len(data)
            self._view = data if length < SMALL else memoryview(data)
        elif data:
            self._held += len(data)
            pieces = self._pieces
            if pieces is None:
                pieces = self._pieces = deque()
            if len(data) >= SMALL:
                pieces.append(data)
            elif pieces and type(last := pieces[-1]) is bytearray and len(last) < MAX_CIPHERTEXT:
                last += data  # an object for each byte would take fifty
            else:
                pieces.append(bytearray(data))

    def close(self) -> None:
        """Forget what is held and whatever may still come."""
        self._pieces = None
        self._held = self._skip = 0
        self._release()
        self._closed = True
        self.idle = False

    def next_fragment(self) -> tuple[bytes, bytes | memoryview] | None:
        """Give the next record's header and body, or None if it is not whole yet.

        Raises:
            DecodeError: the stream does not begin like TLS.
            UnexpectedMessage: an unknown content type.
            RecordOverflow: a length that no record may have.
        """
        start = self._offset
        if start == self._end and not self._held:  # every record was taken
            self._buffer = self._view = b""
            self._offset = self._end = 0
            self._pieces = None
            self.idle = not self._closed
            return None
        body = start + 5
        if body <= self._end:
            header = self._buffer[start:body]
            stop = body + (header[3] << 8 | header[4])
            if header[0] != _APPLICATION_DATA or stop - body > MAX_CIPHERTEXT:
                self._check(header, stop - body)
            if stop <= self._end:
                self._offset = stop
                return header, self._view[body:stop]
            needed = stop - start
        else:
            needed = HEADER_LENGTH
        return self.next_fragment() if self._gather(needed) else None

    def _gather(self, needed: int) -> bool:
        """Bring so many bytes into one buffer, if there are as many."""
        have = self._end - self._offset
        if have + self._held < needed:
            if self._offset > MAX_PLAINTEXT:  # the most of the buffer was taken
                self._buffer = self._buffer[self._offset :]
                self._view = memoryview(self._buffer)
                self._offset = 0
                self._end = have
            return False
        pieces = self._pieces
        if pieces is None:  # there are, since there were not enough
            raise InternalError("there are no pieces to join")
        if not have:
            self._buffer = bytes(pieces.popleft())
            self._view = memoryview(self._buffer)
            self._offset = self._skip
            self._end = len(self._buffer)
            self._skip = 0
            have = self._end - self._offset
            self._held -= have
            if have >= needed:
                return True
        parts: list[bytes | memoryview] = [self._view[self._offset :]]
        missing = needed - have
        self._held -= missing
        while missing:
            piece = pieces[0]
            skip = self._skip
            parts.append(memoryview(piece)[skip : skip + missing])
            taken = len(parts[-1])
            missing -= taken
            if skip + taken == len(piece):
                pieces.popleft()
                self._skip = 0
            else:
                self._skip = skip + taken
        self._buffer = b"".join(parts)
        self._view = memoryview(self._buffer)
        self._offset = 0
        self._end = needed
        return True

    def _release(self) -> None:
        self._buffer = b""
        self._view = b""
        self._offset = self._end = 0

    def _check(self, header: bytes, length: int) -> None:
        """Check a header; legacy_record_version must be ignored (§5.1)."""
        if header[0] not in _KNOWN_TYPES:
            if not self._started:
                raise DecodeError(
                    f"expected a TLS record, got {header!r}{_guess(header)}", section="5.1"
                )
            raise UnexpectedMessage(
                f"record: expected a content type from 20 to 23, got {header[0]}", section="5"
            )
        if length > MAX_CIPHERTEXT:
            raise RecordOverflow(
                f"record: expected at most {MAX_CIPHERTEXT} bytes, got a length of {length}",
                section="5.2",
            )
        self._started = True


def _guess(header: bytes) -> str:
    """Say what the other protocol may be."""
    if header.startswith((b"GET ", b"POST", b"HEAD", b"PUT ", b"OPTIO", b"CONNE", b"PRI *")):
        return ": an HTTP request without TLS?"
    if header.startswith(b"HTTP/"):
        return ": an HTTP answer without TLS?"
    if header.startswith(b"SSH-"):
        return ": an SSH server?"
    if header.startswith((b"220 ", b"220-")):
        return ": a mail or FTP greeting, before STARTTLS?"
    if header[0] & 0x80 and header[2] == 1:
        return ": an SSL 2.0 ClientHello?"
    return ""
