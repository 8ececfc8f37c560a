"""What a client keeps of a session, to come back to it: `Session.get_data`, as bytes."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import UsageError
from ..resumption.session12 import Session12
from ..resumption.ticket import Ticket
from . import codes
from .errors import Again, SessionError
from .record_driver import RecordDriver

__all__ = ["NO_DATA", "await_ticket", "read_session_data", "write_session_data"]

NO_DATA = b"\x00"
"""There is nothing to come back to; GnuTLS has the same."""
TICKET_WAIT = 0.25
"""Seconds that `get_data` gives a ticket to come, on a socket."""
TICKET_RECORDS = 32
"""Records that it looks at for one."""

_TLS13, _TLS12 = b"\x0d", b"\x0c"
_READERS: dict[bytes, Callable[[bytes], Ticket | Session12]] = {
    _TLS13: Ticket.from_bytes,
    _TLS12: Session12.decode,
}


def write_session_data(session: Ticket | Session12 | None) -> bytes:
    """Write what resumes a session; `NO_DATA` if it cannot be resumed.

    Secrets are in it: keep it as you keep a private key.
    """
    if session is None:
        return NO_DATA
    if isinstance(session, Ticket):
        return _TLS13 + session.to_bytes()
    return _TLS12 + session.encode()


def read_session_data(data: bytes, server_name: str | None) -> Ticket | Session12 | None:
    """Read what `write_session_data` wrote; what is for another server is left aside.

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


def await_ticket(driver: RecordDriver) -> None:
    """Take records until a ticket comes, or something that must be told of first.

    Raises:
        Interrupted: the transport was interrupted.
        SessionError: what came ends the session.
    """
    connection, transport = driver.connection, driver.transport
    for _ in range(TICKET_RECORDS):
        over = driver.invalid or connection.peer_closed or transport.ended
        if connection.tickets or driver.requests or over:
            return
        try:
            with transport.time_limit(TICKET_WAIT):
                driver.take_record()
        except Again:
            return
        except SessionError as error:
            if error.code == codes.E_TIMEDOUT:
                return
            raise
