"""Reading and writing the presentation language (§3).

Reading moves one integer offset over ``bytes``; writing joins what ``vec8``,
``vec16`` and ``vec24`` return, so that an encoder looks like its RFC struct. A
handshake writes some eighty numbers and vectors, so each writer is one call.
"""

from __future__ import annotations

from struct import error as StructError
from struct import pack, unpack_from
from typing import Self

from ..errors import DecodeError, InternalError

__all__ = [
    "Empty",
    "Reader",
    "u8",
    "u8_list",
    "u16",
    "u16_list",
    "u24",
    "u32",
    "vec8",
    "vec16",
    "vec24",
]

from_bytes = int.from_bytes  # big-endian is its default, as it is the network's

# In the methods below a length read from a slice that was cut short is smaller
# than the one sent, but the vector then starts past the end: one comparison
# finds both a short length and a short body.


class Reader:
    """A place in some bytes, and where to stop (§3.4).

    Args:
        data: the bytes; a part is read in place, without copying them.
        what: what is being read, for error texts: ``"ClientHello"``.
        offset: where to start.
        end: where to stop; None is the end of the data.

    Every method raises ``DecodeError``, and nothing else, when the bytes do not
    hold what is asked for.
    """

    __slots__ = ("data", "end", "offset", "what")

    def __init__(
        self, data: bytes, what: str = "message", offset: int = 0, end: int | None = None
    ) -> None:
        self.data = data
        self.what = what
        self.offset = offset
        self.end = len(data) if end is None else end

    def __repr__(self) -> str:
        return f"<Reader of {self.what} at byte {self.offset} of {self.end}>"

    @property
    def remaining(self) -> int:
        """How many bytes are left."""
        return self.end - self.offset

    def u8(self) -> int:
        """Read one byte."""
        offset = self.offset
        if offset >= self.end:
            raise self._too_short(1)
        self.offset = offset + 1
        return self.data[offset]

    def u16(self) -> int:
        """Read a 16-bit number."""
        offset = self.offset
        if offset + 2 > self.end:
            raise self._too_short(2)
        self.offset = offset + 2
        return self.data[offset] << 8 | self.data[offset + 1]

    def u24(self) -> int:
        """Read a 24-bit number."""
        return from_bytes(self.take(3))

    def u32(self) -> int:
        """Read a 32-bit number."""
        return from_bytes(self.take(4))

    def take(self, count: int) -> bytes:
        """Read exactly this many bytes."""
        offset = self.offset
        stop = offset + count
        if stop > self.end:
            raise self._too_short(count)
        self.offset = stop
        return self.data[offset:stop]

    def rest(self) -> bytes:
        """Read all that is left."""
        offset = self.offset
        self.offset = self.end
        return self.data[offset : self.end]

    def u16_list(self, length: int) -> tuple[int, ...]:
        """Read a list of at least one 16-bit number.

        Args:
            length: its length in bytes, as read just before:
                ``reader.u16_list(reader.u16())``.
        """
        offset = self.offset
        stop = offset + length
        if length < 2 or length & 1:
            raise DecodeError(
                f"{self.what}: expected a list of 16-bit numbers at byte {offset}, "
                f"got {length} bytes",
                section="3.4",
            )
        if stop > self.end:
            raise self._too_short(length)
        self.offset = stop
        return unpack_from(f">{length >> 1}H", self.data, offset)

    def vec8(self, min: int = 0) -> bytes:
        """Read a vector with an 8-bit length, of at least ``min`` bytes."""
        start = self.offset + 1
        stop = start + from_bytes(self.data[self.offset : start])
        if not start + min <= stop <= self.end:
            raise self._bad_vector(start, stop, min)
        self.offset = stop
        return self.data[start:stop]

    def vec16(self, min: int = 0) -> bytes:
        """Read a vector with a 16-bit length, of at least ``min`` bytes."""
        start = self.offset + 2
        stop = start + from_bytes(self.data[self.offset : start])
        if not start + min <= stop <= self.end:
            raise self._bad_vector(start, stop, min)
        self.offset = stop
        return self.data[start:stop]

    def vec24(self, min: int = 0) -> bytes:
        """Read a vector with a 24-bit length, of at least ``min`` bytes."""
        start = self.offset + 3
        stop = start + from_bytes(self.data[self.offset : start])
        if not start + min <= stop <= self.end:
            raise self._bad_vector(start, stop, min)
        self.offset = stop
        return self.data[start:stop]

    def sub8(self, min: int = 0) -> Reader:
        """Step over a vector with an 8-bit length; return a reader of it."""
        return self._sub(self.offset + 1, min)

    def sub16(self, min: int = 0) -> Reader:
        """Step over a vector with a 16-bit length; return a reader of it."""
        return self._sub(self.offset + 2, min)

    def sub24(self, min: int = 0) -> Reader:
        """Step over a vector with a 24-bit length; return a reader of it."""
        return self._sub(self.offset + 3, min)

    def finish(self) -> None:
        """Check that nothing is left."""
        if self.offset != self.end:
            raise DecodeError(
                f"{self.what}: expected its end at byte {self.offset}, "
                f"got {self.end - self.offset} bytes more",
                section="6.2",
            )

    def _sub(self, start: int, min: int) -> Reader:
        stop = start + from_bytes(self.data[self.offset : start])
        if not start + min <= stop <= self.end:
            raise self._bad_vector(start, stop, min)
        self.offset = stop
        return Reader(self.data, self.what, start, stop)

    def _too_short(self, wanted: int) -> DecodeError:
        return DecodeError(
            f"{self.what}: expected {wanted} bytes at byte {self.offset}, got {self.remaining}",
            section="6.2",
        )

    def _bad_vector(self, start: int, stop: int, min: int) -> DecodeError:
        if start > self.end:
            return self._too_short(start - self.offset)
        if stop > self.end:
            return DecodeError(
                f"{self.what}: expected a vector of {stop - start} bytes at byte {start}, "
                f"got {self.end - start}",
                section="6.2",
            )
        return DecodeError(
            f"{self.what}: expected a vector of at least {min} bytes at byte {start}, "
            f"got {stop - start}",
            section="3.4",
        )


class Empty:
    """A part without content: ``struct {} Empty`` (§4.2.10)."""

    __slots__ = ()

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """Read nothing; who reads on finds out whether something is there."""
        return cls()

    def encode(self) -> bytes:
        """Write nothing."""
        return b""


def u8(number: int) -> bytes:
    """Write one byte."""
    try:
        return number.to_bytes(1, "big")
    except OverflowError:
        raise _too_large(number, 1) from None


def u16(number: int) -> bytes:
    """Write a 16-bit number."""
    try:
        return number.to_bytes(2, "big")
    except OverflowError:
        raise _too_large(number, 2) from None


def u24(number: int) -> bytes:
    """Write a 24-bit number."""
    try:
        return number.to_bytes(3, "big")
    except OverflowError:
        raise _too_large(number, 3) from None


def u32(number: int) -> bytes:
    """Write a 32-bit number."""
    try:
        return number.to_bytes(4, "big")
    except OverflowError:
        raise _too_large(number, 4) from None


def u8_list(numbers: tuple[int, ...]) -> bytes:
    """Write 8-bit numbers one after another, without a length."""
    try:
        return bytes(numbers)
    except ValueError:
        raise InternalError(f"expected numbers of 8 bits, got {numbers}") from None


def u16_list(numbers: tuple[int, ...]) -> bytes:
    """Write 16-bit numbers one after another, without a length."""
    try:
        return pack(f">{len(numbers)}H", *numbers)
    except StructError:
        raise InternalError(f"expected numbers of 16 bits, got {numbers}") from None


def vec8(body: bytes) -> bytes:
    """Write a vector with an 8-bit length (§3.4)."""
    try:
        return len(body).to_bytes(1, "big") + body
    except OverflowError:
        raise _too_long(body, 1) from None


def vec16(body: bytes) -> bytes:
    """Write a vector with a 16-bit length (§3.4)."""
    try:
        return len(body).to_bytes(2, "big") + body
    except OverflowError:
        raise _too_long(body, 2) from None


def vec24(body: bytes) -> bytes:
    """Write a vector with a 24-bit length (§3.4)."""
    try:
        return len(body).to_bytes(3, "big") + body
    except OverflowError:
        raise _too_long(body, 3) from None


def _too_large(number: int, size: int) -> InternalError:
    return InternalError(f"expected a number of {8 * size} bits, got {number}")


def _too_long(body: bytes, size: int) -> InternalError:
    return InternalError(
        f"expected at most {(1 << 8 * size) - 1} bytes for a vector, got {len(body)}"
    )
