"""Tickets of TLS 1.3: what a client keeps, and what a server seals (§4.6.1).

After a handshake a server gives its client *tickets*. Each stands for a session
state: a key that only these two ends have, and what they knew of each other when
the ticket was sent. The client keeps a `Ticket`; what the server must know again is
a `TicketState`. The server usually keeps nothing: the ticket *is* the state, sealed
with keys of its own (`TicketKeys`). A server that would rather keep the states has a
`TicketDatabase`, and its tickets are names.

The state carries who the peer had proven to be when the ticket was sent, and nothing
that was not proven and accepted by then. It proves nothing new: whoever resumes with
it is judged again, by today's trust and time.
"""

from __future__ import annotations

import struct
from collections.abc import Awaitable
from typing import Any, Protocol, Self

from .._dataclass import dataclass, field
from ..crypto.suites import TLS13_SUITES
from ..errors import DecodeError, UsageError
from ..wire.codec import Reader, u8, u16, u32, vec8, vec16, vec24

__all__ = ["MAX_LIFETIME", "Ticket", "TicketDatabase", "TicketState"]

MAX_LIFETIME = 7 * 24 * 3600
"""Seconds for which any ticket may be used (§4.6.1)."""

FORMAT = 2  # of the encodings below; a change of them takes the next number


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketState:
    """What one end must know to resume a session (§4.6.1)."""

    suite: int
    """The cipher suite: early data uses it, and its hash is the PSK's."""
    psk: bytes = field(repr=False)
    """The pre-shared key that belongs to the ticket."""
    lifetime: int
    """Seconds for which the ticket may be used."""
    age_add: int = field(repr=False)
    """Added to the ticket's age on the wire."""
    received_at: float
    """When the ticket was received, or on a server issued; seconds since the epoch."""
    started_at: float
    """When the full handshake was that this session goes back to."""
    server_name: str | None = None
    """The server that the client meant to reach."""
    alpn_protocol: bytes | None = None
    """The application protocol of the session."""
    max_early_data_size: int = 0
    """Bytes of 0-RTT data that the server allows, 0 for none."""
    chain: tuple[bytes, ...] = field(default=(), repr=False)
    """The certificates that the peer had proven itself with, DER, leaf first."""
    verified_chain: tuple[bytes, ...] = field(default=(), repr=False)
    """The path to a trust anchor that they were accepted with then."""
    proven_at: float = 0.0
    """When the peer had proven its certificate's key."""
    ocsp_response: bytes | None = field(default=None, repr=False)
    """The OCSP response that had come with its chain."""
    psk_identity: bytes | None = None
    """The external PSK that the session goes back to, if it began with one."""

    @property
    def hash_name(self) -> str:
        """The hash that the PSK is used with (§4.2.11)."""
        return TLS13_SUITES[self.suite].hash_name

    def is_current(self, now: float) -> bool:
        """Whether the ticket may be used at this time."""
        return 0 <= now - self.received_at < min(self.lifetime, MAX_LIFETIME)

    def to_bytes(self) -> bytes:
        """Write all of it, secrets included; keep it as you keep a private key."""
        certificates = list(dict.fromkeys((*self.chain, *self.verified_chain)))
        return b"".join(
            (
                u8(FORMAT),
                u16(self.suite),
                vec8(self.psk),
                u32(self.lifetime),
                u32(self.age_add),
                struct.pack(">ddd", self.received_at, self.started_at, self.proven_at),
                _optional(self.server_name.encode() if self.server_name is not None else None),
                _optional(self.alpn_protocol),
                _optional(self.psk_identity),
                u32(self.max_early_data_size),
                vec24(b"".join(map(vec24, certificates))),
                vec8(bytes(map(certificates.index, self.chain))),
                vec8(bytes(map(certificates.index, self.verified_chain))),
                vec24(self.ocsp_response or b""),
            )
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote.

        Raises:
            UsageError: it is something else, or of another version of postshake.
        """
        reader = Reader(data, cls.__name__)
        try:
            state = cls._decode(reader)
            reader.finish()
        except (DecodeError, IndexError, UnicodeDecodeError) as error:
            raise UsageError(f"this is no {cls.__name__}: {error}") from error
        return state

    @classmethod
    def _decode(cls, reader: Reader) -> Self:
        version = reader.u8()
        if version != FORMAT:
            raise UsageError(f"{cls.__name__}: expected format {FORMAT}, got {version}")
        suite = reader.u16()
        if suite not in TLS13_SUITES:
            raise UsageError(f"{cls.__name__}: cipher suite 0x{suite:04x} is not one of ours")
        psk, lifetime, age_add = reader.vec8(min=1), reader.u32(), reader.u32()
        received_at, started_at, proven_at = struct.unpack(">ddd", reader.take(24))
        server_name = _read_optional(reader)
        alpn_protocol = _read_optional(reader)
        psk_identity = _read_optional(reader)
        max_early_data_size = reader.u32()
        block = reader.sub24()
        certificates = []
        while block.remaining:
            certificates.append(block.vec24(min=1))
        return cls(
            suite=suite,
            psk=psk,
            lifetime=lifetime,
            age_add=age_add,
            received_at=received_at,
            started_at=started_at,
            proven_at=proven_at,
            server_name=server_name.decode() if server_name is not None else None,
            alpn_protocol=alpn_protocol,
            psk_identity=psk_identity,
            max_early_data_size=max_early_data_size,
            chain=tuple(certificates[index] for index in reader.vec8()),
            verified_chain=tuple(certificates[index] for index in reader.vec8()),
            ocsp_response=reader.vec24() or None,
            **cls._decode_more(reader),
        )

    @classmethod
    def _decode_more(cls, reader: Reader) -> dict[str, Any]:
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket(TicketState):
    """A session ticket as a client keeps it (§4.6.1).

    Use it for one connection: who sees a ticket twice knows that both connections
    are of the same client (§C.4). Servers send several for that.
    """

    ticket: bytes = field(repr=False)
    """What the server sent; it means something to the server alone."""
    single_use: bool = True
    """Whether to forget it once it was offered; a hint for whoever keeps it."""
    group: int = 0
    """The group of the session's key exchange, which the server is likely to take
    again; 0 if there was none."""

    def to_bytes(self) -> bytes:
        """Write all of it, secrets included; keep it as you keep a private key."""
        return (
            TicketState.to_bytes(self) + vec16(self.ticket) + u8(self.single_use) + u16(self.group)
        )

    @classmethod
    def _decode_more(cls, reader: Reader) -> dict[str, Any]:
        return {
            "ticket": reader.vec16(min=1),
            "single_use": bool(reader.u8()),
            "group": reader.u16(),
        }


class TicketDatabase(Protocol):
    """A server's store of session states, where tickets are only their names.

    It sees all secrets. Unlike sealed tickets, its tickets can be taken back, and
    can be made good for one use.
    """

    def keep(self, state: TicketState) -> bytes | Awaitable[bytes]:
        """Keep a state, and return the ticket for it: unique, and not to be guessed.

        An exception means that this ticket is not sent.
        """
        ...

    def find(self, ticket: bytes) -> TicketState | Awaitable[TicketState | None] | None:
        """Return the state that a ticket names; None if there is none (any more).

        The ticket is what a stranger sent. None means a full handshake; an exception
        ends the handshake.
        """
        ...


def _optional(value: bytes | None) -> bytes:
    return u8(0) if value is None else u8(1) + vec16(value)


def _read_optional(reader: Reader) -> bytes | None:
    return reader.vec16() if reader.u8() else None
