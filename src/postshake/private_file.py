"""Files that nobody but their owner may read: key logs, keys, sessions, recordings."""

from __future__ import annotations

import os
from typing import IO, Any

__all__ = ["open_private"]


def open_private(path: str | os.PathLike[str], mode: str = "w", **options: Any) -> IO[Any]:
    """Open a file as `open` does; one that this makes only its owner may read and write.

    One that is there keeps its permissions: they are what somebody gave it.

    Args:
        path: the file.
        mode: one that writes.
        options: of `open`, such as ``encoding``.
    """
    return open(path, mode, opener=_owners, **options)


def _owners(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
