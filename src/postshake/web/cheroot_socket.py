"""A TLS connection as cheroot's files read and write it: what ends it is said in its words.

cheroot writes a traceback, or three, for each exception that it does not expect, and then
tries to answer. A connection that ended is ConnectionAbortedError to it, which it passes over.
"""

from __future__ import annotations

import errno
import logging
import ssl
from typing import Any

from ..ssl import SSLSocket

__all__ = ["CherootSocket"]

log = logging.getLogger("postshake.web")


class CherootSocket:
    """What `socket.SocketIO` needs of a socket.

    Args:
        sock: the connection; its handshake is part of the first call.
    """

    def __init__(self, sock: SSLSocket) -> None:
        self._sock = sock

    def recv_into(self, buffer: Any) -> int:
        """Receive into a buffer; return how many bytes.

        Raises:
            ConnectionAbortedError: TLS failed, or the handshake took too long.
            OSError: the socket failed.
        """
        try:
            return self._sock.recv_into(buffer)
        except (ssl.SSLError, TimeoutError) as error:
            raise self._ended(error) from error

    def send(self, data: Any) -> int:
        """Send what the socket takes; return how many bytes. It raises what receiving raises."""
        try:
            return self._sock.send(data)
        except (ssl.SSLError, TimeoutError) as error:
            raise self._ended(error) from error

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._sock.fileno()

    def _decref_socketios(self) -> None:
        self._sock._decref_socketios()  # type: ignore[attr-defined]

    def _ended(self, error: OSError) -> OSError:
        """Return the error that is raised for this one."""
        if isinstance(error, TimeoutError) and self._sock.version() is not None:
            return error  # between requests, or in one: cheroot knows what to say
        log.info("a connection ended: %s: %s", type(error).__name__, error)
        return ConnectionAbortedError(errno.ECONNABORTED, str(error))
