"""What a client keeps of a session, to come back to it: `Session.get_data`, as bytes."""

from __future__ import annotations

from ..errors import UsageError
from ..session12 import Session12
from ..tickets import Ticket
from . import codes
from .errors import SessionError

__all__ = ["NO_DATA", "read_session_data", "session_data"]

NO_DATA = b"\x00"
"""There is nothing to come back to; GnuTLS has the same."""
_TLS13, _TLS12 = b"\x0d", b"\x0c"


def session_data(ticket: Ticket | None, session12: Session12 | None) -> bytes:
    """Write what resumes a session; `NO_DATA` if it cannot be resumed.

    Secrets are in it: keep it as you keep a private key.
    """
    if ticket is not None:
        return _TLS13 + ticket.to_bytes()
    if session12 is not None:
        return _TLS12 + session12.encode()
    return NO_DATA


def read_session_data(
    data: bytes, server_name: str | None
) -> tuple[Ticket | None, Session12 | None]:
    """Read what `session_data` wrote; what is for another server is left aside.

    Raises:
        SessionError: E_DB_ERROR: it is something else.
    """
    kind, rest = data[:1], data[1:]
    try:
        if kind == _TLS13:
            ticket = Ticket.from_bytes(rest)
            return (ticket if ticket.server_name == server_name else None), None
        if kind == _TLS12:
            session = Session12.decode(rest)
            return None, (session if session.server_name == server_name else None)
    except UsageError as error:
        raise SessionError(codes.E_DB_ERROR, str(error)) from error
    if data not in (NO_DATA, b""):
        raise SessionError(codes.E_DB_ERROR, "this was not made by get_data")
    return None, None
