"""Messages after the handshake: tickets and key updates (§4.6)."""

from __future__ import annotations

from typing import ClassVar

from .._dataclass import dataclass
from ..constants import HandshakeType, KeyUpdateRequest
from ..errors import IllegalParameter
from .codec import Reader, u8, u32, vec8, vec16
from .extensions import NO_EXTENSIONS, Extensions, MessageKind

__all__ = ["KeyUpdate", "NewSessionTicket"]


@dataclass(frozen=True, slots=True)
class NewSessionTicket:
    """A ticket with which the client may resume (§4.6.1).

    ::

        uint32 ticket_lifetime;
        uint32 ticket_age_add;
        opaque ticket_nonce<0..255>;
        opaque ticket<1..2^16-1>;
        Extension extensions<0..2^16-2>;
    """

    handshake_type: ClassVar[HandshakeType] = HandshakeType.new_session_ticket

    ticket_lifetime: int
    """In seconds."""
    ticket_age_add: int
    """Added to the age in milliseconds, modulo 2^32, to hide it."""
    ticket_nonce: bytes
    ticket: bytes
    extensions: Extensions = NO_EXTENSIONS

    @classmethod
    def decode(cls, body: bytes) -> NewSessionTicket:
        """Read a whole message."""
        reader = Reader(body, "NewSessionTicket")
        message = cls(
            reader.u32(),
            reader.u32(),
            reader.vec8(),
            reader.vec16(min=1),
            Extensions.decode(reader, MessageKind.new_session_ticket),
        )
        reader.finish()
        return message

    def encode(self) -> bytes:
        """Write the body."""
        return b"".join(
            (
                u32(self.ticket_lifetime),
                u32(self.ticket_age_add),
                vec8(self.ticket_nonce),
                vec16(self.ticket),
                self.extensions.encode(),
            )
        )


@dataclass(frozen=True, slots=True)
class KeyUpdate:
    """The sender's next record is under new keys (§4.6.3).

    ::

        KeyUpdateRequest request_update;
    """

    handshake_type: ClassVar[HandshakeType] = HandshakeType.key_update

    request_update: KeyUpdateRequest

    @classmethod
    def decode(cls, body: bytes) -> KeyUpdate:
        """Read a whole message.

        Raises:
            IllegalParameter: the value is neither of the two there are.
        """
        reader = Reader(body, "KeyUpdate")
        value = reader.u8()
        reader.finish()
        try:
            return cls(KeyUpdateRequest(value))
        except ValueError:
            raise IllegalParameter(
                f"KeyUpdate: expected request_update 0 or 1, got {value}", section="4.6.3"
            ) from None

    def encode(self) -> bytes:
        """Write the body."""
        return u8(self.request_update)
