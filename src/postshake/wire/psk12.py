"""The key exchange of TLS 1.2 where it has pre-shared keys beside it (RFC 5489 section 2)."""

from __future__ import annotations

from typing import ClassVar

from ..constants import HandshakeType
from ..values import dataclass
from .codec import Reader, vec8, vec16
from .tls12 import ServerEcdhParams

__all__ = ["ClientKeyExchangePsk", "ServerKeyExchangePsk"]


@dataclass(frozen=True, slots=True)
class ServerKeyExchangePsk:
    """The server's half of the key exchange; the pre-shared key vouches for it.

    ::

        opaque psk_identity_hint<0..2^16-1>;
        ServerECDHParams params;
    """

    handshake_type: ClassVar[HandshakeType] = HandshakeType.server_key_exchange

    psk_identity_hint: bytes
    """Which key the client may take; what it means is up to the application."""
    params: ServerEcdhParams

    @classmethod
    def decode(cls, body: bytes) -> ServerKeyExchangePsk:
        """Read a whole message."""
        reader = Reader(body, "ServerKeyExchange")
        message = cls(reader.vec16(), ServerEcdhParams.decode(reader))
        reader.finish()
        return message

    def encode(self) -> bytes:
        """Write the body."""
        return vec16(self.psk_identity_hint) + self.params.encode()


@dataclass(frozen=True, slots=True)
class ClientKeyExchangePsk:
    """The client's half of the key exchange, and which pre-shared key it takes.

    ::

        opaque psk_identity<0..2^16-1>;
        ECPoint ecdh_Yc;                       // opaque point<1..2^8-1>
    """

    handshake_type: ClassVar[HandshakeType] = HandshakeType.client_key_exchange

    psk_identity: bytes
    public: bytes

    @classmethod
    def decode(cls, body: bytes) -> ClientKeyExchangePsk:
        """Read a whole message."""
        reader = Reader(body, "ClientKeyExchange")
        message = cls(reader.vec16(), reader.vec8(min=1))
        reader.finish()
        return message

    def encode(self) -> bytes:
        """Write the body."""
        return vec16(self.psk_identity) + vec8(self.public)
