"""A request's body as a file, from which one may read ahead.

While a client is asked, its body comes in front of the answer, and is read. Whoever wants
the body has often taken hold of its file by then: frameworks do when they make their request
object. So this file is in its place from the beginning, and gives what was read ahead before
the rest.
"""

from __future__ import annotations

import contextlib
import io
import sys
import time
from typing import Any

from .body_buffer import BodyBuffer
from .policy import BodyTooLarge
from .quota import QUOTA, Quota

__all__ = ["ReplayingInput"]

PIECE = 64 * 1024


class ReplayingInput(io.BufferedIOBase):
    """A file of the server's, with what was read ahead of it in front.

    Closing it forgets what was read ahead, and leaves the server's file open.

    Args:
        source: the server's file.
        left: bytes of the body that are still to come; None when only the source knows.
        ends: whether the file ends with the body; if not, what follows can be read as well.
        quota: of what is kept, a part.
    """

    def __init__(
        self, source: Any, left: int | None, *, ends: bool = True, quota: Quota = QUOTA
    ) -> None:
        self.source = source
        self.left = left
        """Bytes of the body that were not read from the source yet; None if that is unknown."""
        self._ends = ends
        self._quota = quota
        self._buffered: BodyBuffer | None = None
        self._piece = io.BytesIO()  # of the spool, to find lines in
        self._refused = b""  # came after what is in the spool, which had no room for it

    def read_ahead(self, limit: int) -> bool:
        """Read a piece of the body, and keep it; False when there is no more.

        Raises:
            BodyTooLarge: as much as the limit is kept, and there is more.
            ServerBusy: the quota is used up.
        """
        if self._buffered is None:
            self._buffered = BodyBuffer(self._quota)
        if not self._refused:
            if self.left == 0:
                return False
            if self._buffered.size >= limit:
                raise BodyTooLarge(
                    f"more than {limit} bytes of the body came before the client's answer"
                )
            self._refused = self._read_source(min(PIECE, limit - self._buffered.size))
        self._buffered.write(self._refused, limit)
        self._refused = b""
        return self.left != 0

    def drop(self, seconds: float) -> None:
        """Read what still comes of the body for so many seconds, and forget it.

        A client that is still sending looks at its answer only afterwards, and loses it if
        the server hangs up meanwhile.
        """
        self.close()
        until = time.monotonic() + seconds
        with contextlib.suppress(Exception):  # the client has left, or does not go on
            while self.left != 0 and time.monotonic() < until:
                self._read_source(PIECE)

    @property
    def has_read_ahead(self) -> bool:
        """Whether there is anything to give in front of what the source has."""
        return bool(self._refused) or (self._buffered is not None and self._buffered.left > 0)

    # --- a file

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """Read so many bytes, or all; fewer only at the end."""
        parts: list[bytes] = []
        if size is None or size < 0:
            while part := self.read1():
                parts.append(part)
            return b"".join(parts)
        while size and (part := self._take(size)):
            parts.append(part)
            size -= len(part)
        if size:
            parts.append(self._read_source(size))
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def read1(self, size: int = -1, /) -> bytes:
        """Read what is there, at most so many bytes, or else wait for some."""
        size = PIECE if size < 0 else size
        return self._take(size) or self._read_source(size, "read1")

    def readline(self, size: int | None = -1, /) -> bytes:
        """Read up to a line's end, or so many bytes."""
        wanted = sys.maxsize if size is None or size < 0 else size
        parts: list[bytes] = []
        while wanted and not (parts and parts[-1].endswith(b"\n")):
            part = self._take_line(wanted)
            part = part or self._read_source(min(wanted, PIECE), "readline")
            if not part:
                break
            parts.append(part)
            wanted -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        """Forget what was read ahead."""
        if self._buffered is not None:
            self._buffered.close()
        self._piece, self._refused = io.BytesIO(), b""
        super().close()

    def _take(self, size: int) -> bytes:
        """Take some of what was read ahead."""
        return self._next_piece().read(size)

    def _take_line(self, size: int) -> bytes:
        return self._next_piece().readline(size)

    def _next_piece(self) -> io.BytesIO:
        piece = self._piece
        if piece.tell() == len(piece.getbuffer()):
            if self._buffered is not None and self._buffered.left:
                self._piece = io.BytesIO(self._buffered.read(PIECE))
            elif self._refused:
                self._piece, self._refused = io.BytesIO(self._refused), b""
        return self._piece

    def _read_source(self, size: int, how: str = "read") -> bytes:
        """Read from the source, and count it."""
        if self.left is not None and (self._ends or self.left):
            size = min(size, self.left)
        if size == 0:
            return b""
        data: bytes = getattr(self.source, how, self.source.read)(size)
        if not data:
            self.left = 0
        elif self.left is not None:
            self.left -= min(self.left, len(data))
        return data
