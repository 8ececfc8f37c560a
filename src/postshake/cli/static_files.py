"""A folder of files, served over HTTP."""

from __future__ import annotations

import mimetypes
import os
import stat
from pathlib import Path
from typing import BinaryIO

from .._dataclass import dataclass
from ..errors import UsageError

__all__ = ["INDEX", "StaticFile", "StaticFiles"]

INDEX = "index.html"
TEXT = "; charset=utf-8"


@dataclass(frozen=True)
class StaticFile:
    """A file, open for reading."""

    file: BinaryIO
    size: int
    content_type: str


class StaticFiles:
    """Finds files in a folder, and none outside of it.

    What begins with a dot is not there, ``.well-known`` excepted; nor is what a link leads
    to outside of the folder, nor what is no file.

    Args:
        folder: the folder.

    Raises:
        UsageError: it is none.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        try:
            self.root = Path(folder).resolve(strict=True)
        except OSError as error:
            raise UsageError(f"{folder}: {error.strerror or error}") from error
        if not self.root.is_dir():
            raise UsageError(f"{folder} is no folder")

    def place(self, path: str) -> Path | None:
        """Return where a normalized path leads, links followed; None for nowhere."""
        try:
            place = (self.root / path.lstrip("/")).resolve(strict=True)
            parts = place.relative_to(self.root).parts
        except (OSError, ValueError, RuntimeError):  # not there, outside, a circle of links
            return None
        if any(part.startswith(".") and part != ".well-known" for part in parts):
            return None
        return place

    def url(self, place: Path) -> str:
        """Return the path that names this place without links."""
        return "/" + "/".join(place.relative_to(self.root).parts)

    def open(self, place: Path) -> StaticFile | None:
        """Open a file; None if it is none, or may not be read."""
        try:
            # not to wait for who would write into a pipe of this name
            number = os.open(place, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        except OSError:
            return None
        file = os.fdopen(number, "rb")
        facts = os.fstat(number)
        if not stat.S_ISREG(facts.st_mode):
            file.close()
            return None
        kind, encoding = mimetypes.guess_type(place.name)
        if kind is None or encoding is not None:
            kind = "application/octet-stream"
        return StaticFile(file, facts.st_size, kind + TEXT if kind.startswith("text/") else kind)
