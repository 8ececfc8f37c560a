"""Extensions of the hellos that concern neither keys nor certificates.

Names, application protocols and record sizes; and, at the end, those that only
TLS 1.2 has a use for, which a client of both versions offers all the same.
"""

from __future__ import annotations

from typing import ClassVar, Self

from .._dataclass import dataclass
from ..constants import ExtensionType
from ..errors import IllegalParameter, InternalError
from .codec import Empty, Reader, u8, u8_list, u16, vec8, vec16

__all__ = [
    "ApplicationLayerProtocolNegotiation",
    "EcPointFormats",
    "ExtendedMasterSecret",
    "MaxFragmentLength",
    "Padding",
    "RecordSizeLimit",
    "RenegotiationInfo",
    "ServerName",
    "ServerNameAck",
    "SessionTicket",
]

HOST_NAME = 0  # the only NameType there ever was (RFC 6066 section 3)


@dataclass(frozen=True, slots=True)
class ServerName:
    """The name of the server that the client wants (RFC 6066 section 3).

    ::

        struct {
            NameType name_type;              // host_name(0)
            opaque HostName<1..2^16-1>;
        } server_name_list<1..2^16-1>;
    """

    extension_type: ClassVar[int] = ExtensionType.server_name

    host_name: str

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """Read the body: one name, of visible ASCII.

        The list was meant to hold names of other types; none was ever defined
        and none can be any more, so a second entry is an error.
        """
        names = reader.sub16(min=1)
        name_type = names.u8()
        if name_type != HOST_NAME:
            raise IllegalParameter(
                f"{reader.what}: expected the name type host_name (0), "
                f"got {name_type} (RFC 6066 section 3)"
            )
        name = names.vec16(min=1)
        if names.offset < names.end:
            raise IllegalParameter(
                f"{reader.what}: expected one name, got more (RFC 6066 section 3)"
            )
        if not name.isascii() or min(name) <= 0x20 or max(name) == 0x7F:
            raise IllegalParameter(
                f"{reader.what}: expected a host name of visible ASCII, "
                f"got {name[:64]!r} (RFC 6066 section 3)"
            )
        return cls(name.decode("ascii"))

    def encode(self) -> bytes:
        """Write the body."""
        if not self.host_name.isascii():
            raise InternalError(f"expected an ASCII host name, got {self.host_name!r}")
        return vec16(u8(HOST_NAME) + vec16(self.host_name.encode("ascii")))


@dataclass(frozen=True, slots=True)
class ServerNameAck(Empty):
    """The server went by the name it was given (RFC 6066 section 3)."""

    extension_type: ClassVar[int] = ExtensionType.server_name


@dataclass(frozen=True, slots=True)
class MaxFragmentLength:
    """The longest fragment, both ways (RFC 6066 section 4).

    ::

        enum { 2^9(1), 2^10(2), 2^11(3), 2^12(4), (255) } MaxFragmentLength;
    """

    extension_type: ClassVar[int] = ExtensionType.max_fragment_length

    code: int

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """Read the body; only four codes are legal."""
        code = reader.u8()
        if not 1 <= code <= 4:
            raise IllegalParameter(
                f"{reader.what}: expected a code from 1 to 4, got {code} (RFC 6066 section 4)"
            )
        return cls(code)

    def encode(self) -> bytes:
        """Write the body."""
        return u8(self.code)

    @property
    def length(self) -> int:
        """The length in bytes that the code stands for."""
        return 256 << self.code


@dataclass(frozen=True, slots=True)
class ApplicationLayerProtocolNegotiation:
    """Application protocols, best first; from the server, the one (RFC 7301 section 3.1).

    ::

        ProtocolName protocol_name_list<2..2^16-1>;   // opaque ProtocolName<1..2^8-1>
    """

    extension_type: ClassVar[int] = ExtensionType.application_layer_protocol_negotiation

    protocol_name_list: tuple[bytes, ...]

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """Read the body."""
        names = reader.sub16(min=2)
        protocols = []
        while names.offset < names.end:
            protocols.append(names.vec8(min=1))
        return cls(tuple(protocols))

    def encode(self) -> bytes:
        """Write the body."""
        return vec16(b"".join(map(vec8, self.protocol_name_list)))


@dataclass(frozen=True, slots=True)
class Padding:
    """Zeros that make a ClientHello longer (RFC 7685 section 3)."""

    extension_type: ClassVar[int] = ExtensionType.padding

    length: int

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """Read the body, which holds nothing but zeros."""
        zeros = reader.rest()
        if zeros.count(0) != len(zeros):
            raise IllegalParameter(
                f"{reader.what}: expected zeros, got something else (RFC 7685 section 3)"
            )
        return cls(len(zeros))

    def encode(self) -> bytes:
        """Write the body."""
        return bytes(self.length)


@dataclass(frozen=True, slots=True)
class RecordSizeLimit:
    """The longest plaintext that the sender takes (RFC 8449 section 4).

    ::

        uint16 RecordSizeLimit;
    """

    extension_type: ClassVar[int] = ExtensionType.record_size_limit

    limit: int

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """Read the body; less than 64 is illegal."""
        limit = reader.u16()
        if limit < 64:
            raise IllegalParameter(
                f"{reader.what}: expected at least 64, got {limit} (RFC 8449 section 4)"
            )
        return cls(limit)

    def encode(self) -> bytes:
        """Write the body."""
        return u16(self.limit)


@dataclass(frozen=True, slots=True)
class EcPointFormats:
    """How elliptic curve points may be written, in TLS 1.2 (RFC 8422 section 5.1.2).

    ::

        ECPointFormat ec_point_format_list<1..2^8-1>;
    """

    extension_type: ClassVar[int] = ExtensionType.ec_point_formats

    ec_point_format_list: tuple[int, ...]

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """Read the body."""
        return cls(tuple(reader.vec8(min=1)))

    def encode(self) -> bytes:
        """Write the body."""
        return vec8(u8_list(self.ec_point_format_list))


@dataclass(frozen=True, slots=True)
class ExtendedMasterSecret(Empty):
    """The TLS 1.2 master secret covers the handshake (RFC 7627 section 5.1)."""

    extension_type: ClassVar[int] = ExtensionType.extended_master_secret


@dataclass(frozen=True, slots=True)
class SessionTicket:
    """A TLS 1.2 ticket, or an empty wish for one (RFC 5077 section 3.2)."""

    extension_type: ClassVar[int] = ExtensionType.session_ticket

    ticket: bytes

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """Read the body, which is the ticket without a length."""
        return cls(reader.rest())

    def encode(self) -> bytes:
        """Write the body."""
        return self.ticket


@dataclass(frozen=True, slots=True)
class RenegotiationInfo:
    """Ties a TLS 1.2 renegotiation to its connection (RFC 5746 section 3.2).

    ::

        opaque renegotiated_connection<0..255>;
    """

    extension_type: ClassVar[int] = ExtensionType.renegotiation_info

    renegotiated_connection: bytes

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """Read the body."""
        return cls(reader.vec8())

    def encode(self) -> bytes:
        """Write the body."""
        return vec8(self.renegotiated_connection)
