"""A client's session, to be resumed by its next connection."""

from __future__ import annotations

import hashlib
from typing import Any

from ..resumption.session12 import Session12
from ..resumption.ticket import Ticket

__all__ = ["SSLSession"]


class SSLSession:
    """What `SSLSocket.session` gives, and `wrap_socket(session=...)` takes.

    In TLS 1.3 a server sends tickets after the handshake, with its first data: until
    then there is nothing to resume, and `has_ticket` is False.
    """

    def __init__(self, context: Any, kept: Ticket | Session12 | None) -> None:
        self.context = context
        self.kept = kept
        """What the engine resumes; None while there is nothing."""

    @property
    def id(self) -> bytes:
        """Names the session; of a ticket, a digest does."""
        if isinstance(self.kept, Session12) and self.kept.session_id:
            return self.kept.session_id
        ticket = self._ticket
        return hashlib.sha256(ticket).digest() if ticket else b""

    @property
    def _ticket(self) -> bytes:
        return self.kept.ticket if self.kept is not None else b""

    @property
    def time(self) -> int:
        """When it was made, in seconds since the epoch."""
        if isinstance(self.kept, Ticket):
            return int(self.kept.received_at)
        return int(self.kept.proven_at) if self.kept is not None else 0

    @property
    def timeout(self) -> int:
        """Seconds from then for which it may be resumed."""
        return self.kept.lifetime if self.kept is not None else 0

    @property
    def ticket_lifetime_hint(self) -> int:
        """The same, as the server said it with a ticket."""
        return self.timeout if self.has_ticket else 0

    @property
    def has_ticket(self) -> bool:
        """Whether there is a ticket."""
        return bool(self._ticket)

    def __eq__(self, other: object) -> bool:
        return self.id == other.id if isinstance(other, SSLSession) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"<SSLSession {self.id[:4].hex() or 'without a ticket'}>"
