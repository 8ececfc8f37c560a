"""A request's body that came before the client's answer: kept, and given back in order."""

from __future__ import annotations

import io
import tempfile
from typing import IO

from .policy import BodyTooLarge, ServerBusy
from .quota import QUOTA, Quota

__all__ = ["BodyBuffer"]

IN_MEMORY = 1024 * 1024  # bytes of one body; with more, all of it goes to a temporary file


class BodyBuffer:
    """Bytes that are written first and read afterwards.

    Args:
        quota: of what they are a part.
    """

    def __init__(self, quota: Quota = QUOTA) -> None:
        self._quota = quota
        self._file: IO[bytes] = io.BytesIO()
        self._in_memory = True
        self._read_at = 0
        self.size = 0
        """How many bytes were written and are kept, read or not."""

    @property
    def left(self) -> int:
        """How many bytes can be taken."""
        return self.size - self._read_at

    def write(self, data: bytes, limit: int) -> None:
        """Keep bytes; all of them, or none.

        Raises:
            BodyTooLarge: with what is kept they are more than the limit.
            ServerBusy: the quota is used up, or the disk is full.
        """
        if self.size + len(data) > limit:
            raise BodyTooLarge(
                f"more than {limit} bytes of the body came before the client's answer"
            )
        if self._in_memory and not self._stays_in_memory(len(data)):
            self._move_to_disk()
        if not self._in_memory and not self._quota.take_disk(len(data)):
            raise ServerBusy("too much is kept for clients that have not answered yet")
        try:
            self._file.seek(self.size)
            _write_all(self._file, data)
        except OSError as error:
            self._quota.give_back(disk=len(data))
            raise ServerBusy(f"the body cannot be kept: {error}") from error
        self.size += len(data)

    def _stays_in_memory(self, more: int) -> bool:
        return self.size + more <= IN_MEMORY and self._quota.take_memory(more)

    def _move_to_disk(self) -> None:
        if not self._quota.take_disk(self.size):
            raise ServerBusy("too much is kept for clients that have not answered yet")
        file: IO[bytes] | None = None
        try:
            # without a buffer of its own: what cannot be written is known at once
            file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
            self._file.seek(0)
            _write_all(file, self._file.read())
        except OSError as error:
            if file is not None:
                file.close()
            self._quota.give_back(disk=self.size)
            raise ServerBusy(f"the body cannot be kept: {error}") from error
        self._quota.give_back(memory=self.size)
        self._file, self._in_memory = file, False

    def read(self, size: int) -> bytes:
        """Take bytes, oldest first; none when all are taken."""
        self._file.seek(self._read_at)
        data = self._file.read(min(size, self.left))
        self._read_at += len(data)
        if not self.left:
            self.close()
        return data

    def close(self) -> None:
        """Forget what is left."""
        file, size = self._file, self.size
        in_memory, self._in_memory = self._in_memory, True
        self._file, self._read_at, self.size = io.BytesIO(), 0, 0
        file.close()
        if in_memory:
            self._quota.give_back(memory=size)
        else:
            self._quota.give_back(disk=size)

    def __del__(self) -> None:
        self.close()


def _write_all(file: IO[bytes], data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
