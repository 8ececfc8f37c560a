"""The session that `connect` resumes, and the one that it keeps."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from ..drive.sync.stream import Stream
from ..errors import PostshakeError, UsageError
from ..resumption.session12 import Session12
from ..resumption.ticket import Ticket
from ..session.errors import SessionError
from ..session.session_data import NO_DATA, read_session_data, write_session_data
from .authority import private_file

__all__ = ["SessionFile", "SessionRefused"]

MOST = 1024 * 1024  # bytes of a file
CHUNK = 64 * 1024


class SessionRefused(PostshakeError):
    """The server does not resume sessions, or not this one."""


class SessionFile:
    """One session of one server, in memory and perhaps in a file.

    Args:
        path: the file, which need not be there yet; None for none.
        server_name: sessions of other servers are left aside.

    Raises:
        UsageError: the file cannot be read, or holds something else.
    """

    def __init__(self, path: str | None, server_name: str) -> None:
        self._path = Path(path) if path is not None else None
        self.session: Ticket | Session12 | None = None
        """What to resume."""
        if self._path is None:
            return
        with contextlib.suppress(FileNotFoundError):
            try:
                if self._path.stat().st_size > MOST:
                    raise UsageError(f"{path}: more than {MOST} bytes")
                data = self._path.read_bytes()
                self.session = read_session_data(data, server_name)
            except FileNotFoundError:
                raise
            except OSError as error:
                raise UsageError(f"{path}: {error.strerror or error}") from error
            except SessionError as error:
                raise UsageError(f"{path}: {error}") from error

    def await_one(self, stream: Stream, within: float, write: Callable[[bytes], bool]) -> bool:
        """Read until the server has sent a ticket; return whether it did.

        Args:
            stream: after its handshake.
            within: seconds that it may take.
            write: takes the data that comes meanwhile; False when nobody reads it.
        """
        until = monotonic() + within
        while stream.connection.session is None:
            stream.timeout = max(0.0, until - monotonic())
            try:
                data = stream.receive(CHUNK)
            except TimeoutError:
                break
            if not data or not write(data):
                break
        stream.timeout = within
        self.keep(stream)
        return self.session is not None

    def keep(self, stream: Stream) -> None:
        """Keep the newest session of this connection, if it gave any.

        Raises:
            UsageError: it cannot be written.
        """
        self.session = stream.connection.session  # each ticket is used once (C.4)
        if self._path is None:
            return
        data = write_session_data(self.session)
        if data == NO_DATA:
            return
        try:
            private_file(self._path, data)
        except OSError as error:
            raise UsageError(f"{self._path}: {error.strerror or error}") from error
