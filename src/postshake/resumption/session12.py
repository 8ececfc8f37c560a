"""Sessions of TLS 1.2, and the two ways to come back to one (RFC 5246 7.3, RFC 5077).

A server either keeps a session and names it by an ID (`SessionCache12`), or seals it
into a ticket that the client keeps (`TicketSealer`). A client gives the session of an
earlier connection to its next one, and the handshake is shorter by a round trip.

Only sessions with an extended master secret are kept: without it, whoever stood
between two connections could join them (RFC 7627 section 5.4).
"""

from __future__ import annotations

from .._dataclass import dataclass, field
from ..constants import NamedGroup
from ..crypto.tls12.prf import MASTER_SECRET_LENGTH
from ..crypto.tls12.suites import TLS12_SUITES, Suite12
from ..errors import DecodeError, UsageError
from ..wire.codec import Reader, u8, u16, u32, vec8, vec16, vec24

__all__ = ["Session12", "SessionCache12"]

FORMAT = 0x22
"""Of what `Session12.encode` writes. No session of TLS 1.3 begins so, should one sealer
serve both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session12:
    """What one end needs to resume a session of TLS 1.2."""

    suite: Suite12
    group: NamedGroup
    """Of the key exchange that made the master secret."""
    master_secret: bytes = field(repr=False)
    server_name: str | None
    """The name that the session is for, as sent or received in SNI, or as checked."""
    peer_chain: tuple[bytes, ...] = field(default=(), repr=False)
    """DER certificates that the peer proved itself with; empty for nobody."""
    ocsp_response: bytes | None = field(default=None, repr=False)
    """As it was stapled to them."""
    psk_identity: bytes | None = None
    """The external PSK that both ends proved to have, if the session began with one."""
    proven_at: float
    """When the peer proved itself, in seconds since the epoch."""
    lifetime: int
    """Seconds from `proven_at` for which the session may be resumed."""
    session_id: bytes = b""
    """What names it to the server, if the server keeps it."""
    ticket: bytes = field(default=b"", repr=False)
    """What the server gave the client to keep."""

    def is_alive(self, now: float) -> bool:
        """Whether it may be resumed now."""
        return self.proven_at <= now < self.proven_at + self.lifetime

    def encode(self) -> bytes:
        """Write all of it. Whoever has these bytes can read the connections."""
        name = self.server_name
        return b"".join(
            (
                u8(FORMAT),
                u16(self.suite.code),
                u16(self.group),
                vec8(self.master_secret),
                vec16(b"" if name is None else b"=" + name.encode()),
                vec24(b"".join(map(vec24, self.peer_chain))),
                vec24(self.ocsp_response or b""),
                vec16(self.psk_identity or b""),
                vec8(str(self.proven_at).encode()),
                u32(self.lifetime),
                vec8(self.session_id),
                vec16(self.ticket),
            )
        )

    @classmethod
    def decode(cls, data: bytes) -> Session12:
        """Read what `encode` wrote.

        Raises:
            UsageError: these bytes are not a session that this version knows.
        """
        try:
            return cls._decode(Reader(data, "session"))
        except (DecodeError, KeyError, ValueError) as error:
            raise UsageError(f"expected a TLS 1.2 session, got something else: {error}") from error

    @classmethod
    def _decode(cls, reader: Reader) -> Session12:
        if reader.u8() != FORMAT:
            raise ValueError("another format")
        suite = TLS12_SUITES[reader.u16()]
        group = NamedGroup(reader.u16())
        master_secret = reader.vec8(min=MASTER_SECRET_LENGTH)
        name = reader.vec16()
        chain = reader.sub24()
        certificates = []
        while chain.offset < chain.end:
            certificates.append(chain.vec24(min=1))
        session = cls(
            suite=suite,
            group=group,
            master_secret=master_secret,
            server_name=name[1:].decode() if name else None,
            peer_chain=tuple(certificates),
            ocsp_response=reader.vec24() or None,
            psk_identity=reader.vec16() or None,
            proven_at=float(reader.vec8()),
            lifetime=reader.u32(),
            session_id=reader.vec8(),
            ticket=reader.vec16(),
        )
        reader.finish()
        return session


class SessionCache12:
    """Sessions that a server keeps in memory, by their IDs (RFC 5246 section 7.3).

    Safe to share between connections and threads.

    Args:
        capacity: how many; the oldest is forgotten for one more.
        largest: bytes of a session of a client that has proven itself; of another it is
            1 KiB. What is larger is not kept, and its client shakes hands in full.
    """

    __slots__ = ("_sessions", "capacity", "largest")

    def __init__(self, capacity: int = 1024, largest: int = 16 * 1024) -> None:
        self.capacity = capacity
        self.largest = largest
        self._sessions: dict[bytes, Session12] = {}

    def __repr__(self) -> str:
        return f"SessionCache12({len(self._sessions)} of {self.capacity})"

    def __len__(self) -> int:
        return len(self._sessions)

    def put(self, session: Session12) -> None:
        """Keep a session under its ID."""
        if _size(session) > (self.largest if session.peer_chain else _LARGEST_OF_NOBODY):
            return
        # Each call on the dict is atomic; losing a race costs one full handshake.
        if len(self._sessions) >= self.capacity > 0:
            for oldest in list(self._sessions)[: len(self._sessions) - self.capacity + 1]:
                self._sessions.pop(oldest, None)
        if self.capacity > 0:
            self._sessions[session.session_id] = session

    def get(self, session_id: bytes) -> Session12 | None:
        """Return the session of this ID, if it is still kept."""
        return self._sessions.get(session_id)

    def forget(self, session_id: bytes) -> None:
        """Drop a session: one that ended with a fatal alert (RFC 5246 section 7.2.2)."""
        self._sessions.pop(session_id, None)


_LARGEST_OF_NOBODY = 1024


def _size(session: Session12) -> int:
    """Bytes that a peer sent for us to keep."""
    name, chain = session.server_name or "", session.peer_chain
    return len(name) + len(session.ocsp_response or b"") + sum(map(len, chain))
