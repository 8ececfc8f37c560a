"""A request's body that came before the client's answer: kept, and given back in order."""

from __future__ import annotations

import tempfile
from typing import IO

from .policy import BodyTooLarge

__all__ = ["Spool"]

IN_MEMORY = 1024 * 1024  # bytes; the rest goes to a temporary file


class Spool:
    """Bytes that are written first and read afterwards.

    Args:
        limit: how many are kept.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115
        self._read_at = 0
        self.size = 0
        """How many bytes were written."""

    def write(self, data: bytes) -> None:
        """Keep bytes.

        Raises:
            BodyTooLarge: there are more than the limit.
        """
        if self.size + len(data) > self._limit:
            raise BodyTooLarge(
                f"more than {self._limit} bytes of the body came before the client's answer"
            )
        self._file.seek(self.size)
        self._file.write(data)
        self.size += len(data)

    def read(self, size: int) -> bytes:
        """Take bytes, oldest first; none when all are taken."""
        self._file.seek(self._read_at)
        data = self._file.read(size)
        self._read_at += len(data)
        if self._read_at == self.size:
            self._file.close()
            self._file = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115
            self._limit -= self.size
            self._read_at = self.size = 0
        return data

    @property
    def left(self) -> int:
        """How many bytes can be taken."""
        return self.size - self._read_at

    def close(self) -> None:
        """Forget what is left."""
        self._file.close()
