"""What a client keeps of a session, to come back to it: `Session.get_data`, as bytes."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import UsageError
from ..resumption.session12 import Session12
from ..resumption.ticket import Ticket
from . import codes
from .errors import SessionError

__all__ = ["NO_DATA", "read_session_data", "session_data"]

NO_DATA = b"\x00"
"""There is nothing to come back to; GnuTLS has the same."""
_TLS13, _TLS12 = b"\x0d", b"\x0c"
_READERS: dict[bytes, Callable[[bytes], Ticket | Session12]] = {
    _TLS13: Ticket.from_bytes,
    _TLS12: Session12.decode,
}


def session_data(session: Ticket | Session12 | None) -> bytes:
    """Write what resumes a session; `NO_DATA` if it cannot be resumed.

    Secrets are in it: keep it as you keep a private key.
    """
    if session is None:
        return NO_DATA
    if isinstance(session, Ticket):
        return _TLS13 + session.to_bytes()
    return _TLS12 + session.encode()


def read_session_data(data: bytes, server_name: str | None) -> Ticket | Session12 | None:
    """Read what `session_data` wrote; what is for another server is left aside.

    Raises:
        SessionError: E_DB_ERROR: it is something else.
    """
    if data in (NO_DATA, b""):
        return None
    read = _READERS.get(data[:1])
    if read is None:
        raise SessionError(codes.E_DB_ERROR, "this was not made by get_data")
    try:
        session = read(data[1:])
    except UsageError as error:
        raise SessionError(codes.E_DB_ERROR, str(error)) from error
    return session if session.server_name == server_name else None
