"""Messages that only TLS 1.2 has, or writes in another way (RFC 5246 section 7.4).

ClientHello, ServerHello, CertificateVerify and Finished are the same on the wire in
both versions and stand where TLS 1.3 has them. A shape that differs ends in ``12``.
"""

from __future__ import annotations

from typing import ClassVar

from .._dataclass import dataclass
from ..constants import CertificateStatusType, HandshakeType
from ..errors import IllegalParameter, UnexpectedMessage
from .codec import Reader, u8, u8_list, u16, u16_list, u32, vec8, vec16, vec24

__all__ = [
    "Certificate12",
    "CertificateRequest12",
    "CertificateStatus12",
    "ChangeCipherSpec",
    "ClientKeyExchange",
    "ClientKeyExchangePsk",
    "HelloRequest",
    "NewSessionTicket12",
    "ServerEcdhParams",
    "ServerHelloDone",
    "ServerKeyExchange",
    "ServerKeyExchangePsk",
]

NAMED_CURVE = 3
"""The ECCurveType of every group that has a number (RFC 8422 section 5.4)."""


@dataclass(frozen=True, slots=True)
class HelloRequest:
    """The server asks for renegotiation; in no transcript (RFC 5246 section 7.4.1.1).

    ::

        struct { } HelloRequest;
    """

    handshake_type: ClassVar[HandshakeType] = HandshakeType.hello_request

    @classmethod
    def decode(cls, body: bytes) -> HelloRequest:
        """Read a whole message, which is empty."""
        Reader(body, "HelloRequest").finish()
        return cls()

    def encode(self) -> bytes:
        """Write the body."""
        return b""


@dataclass(frozen=True, slots=True)
class Certificate12:
    """A chain, leaf first; a client without one sends none (RFC 5246 section 7.4.2).

    ::

        ASN.1Cert certificate_list<0..2^24-1>;   // opaque ASN.1Cert<1..2^24-1>
    """

    handshake_type: ClassVar[HandshakeType] = HandshakeType.certificate

    certificate_list: tuple[bytes, ...]

    @classmethod
    def decode(cls, body: bytes) -> Certificate12:
        """Read a whole message."""
        reader = Reader(body, "Certificate")
        entries = reader.sub24()
        certificates = []
        while entries.offset < entries.end:
            certificates.append(entries.vec24(min=1))
        reader.finish()
        return cls(tuple(certificates))

    def encode(self) -> bytes:
        """Write the body."""
        return vec24(b"".join(map(vec24, self.certificate_list)))


@dataclass(frozen=True, slots=True)
class CertificateStatus12:
    """An OCSP response for the server's certificate (RFC 6066 section 8).

    ::

        CertificateStatusType status_type;   // ocsp
        opaque OCSPResponse<1..2^24-1>;
    """

    handshake_type: ClassVar[HandshakeType] = HandshakeType.certificate_status

    response: bytes

    @classmethod
    def decode(cls, body: bytes) -> CertificateStatus12:
        """Read a whole message; OCSP is all that can be asked for."""
        reader = Reader(body, "CertificateStatus")
        status_type = reader.u8()
        if status_type != CertificateStatusType.ocsp:
            raise IllegalParameter(
                f"CertificateStatus: expected the status type ocsp (1), got {status_type}",
                section="RFC 6066, 8",
            )
        message = cls(reader.vec24(min=1))
        reader.finish()
        return message

    def encode(self) -> bytes:
        """Write the body."""
        return u8(CertificateStatusType.ocsp) + vec24(self.response)


@dataclass(frozen=True, slots=True)
class ServerEcdhParams:
    """The server's ephemeral key, which it signs (RFC 8422 section 5.4).

    ::

        ECCurveType curve_type;                // named_curve
        NamedCurve namedcurve;
        ECPoint public;                        // opaque point<1..2^8-1>
    """

    group: int
    public: bytes

    @classmethod
    def decode(cls, reader: Reader) -> ServerEcdhParams:
        """Read the part; curves given by their numbers alone are legal."""
        curve_type = reader.u8()
        if curve_type != NAMED_CURVE:
            raise IllegalParameter(
                f"{reader.what}: expected curve_type named_curve (3), got {curve_type}",
                section="RFC 8422, 5.4",
            )
        return cls(reader.u16(), reader.vec8(min=1))

    def encode(self) -> bytes:
        """Write the part."""
        return u8(NAMED_CURVE) + u16(self.group) + vec8(self.public)

    @property
    def length(self) -> int:
        """How many bytes of a ServerKeyExchange, its first, are these."""
        return 4 + len(self.public)


@dataclass(frozen=True, slots=True)
class ServerKeyExchange:
    """The server's half of the key exchange, signed (RFC 8422 section 5.4).

    ::

        ServerECDHParams params;
        SignatureAndHashAlgorithm algorithm;   // a SignatureScheme
        opaque signature<0..2^16-1>;
    """

    handshake_type: ClassVar[HandshakeType] = HandshakeType.server_key_exchange

    params: ServerEcdhParams
    algorithm: int
    signature: bytes

    @classmethod
    def decode(cls, body: bytes) -> ServerKeyExchange:
        """Read a whole message."""
        reader = Reader(body, "ServerKeyExchange")
        message = cls(ServerEcdhParams.decode(reader), reader.u16(), reader.vec16())
        reader.finish()
        return message

    def encode(self) -> bytes:
        """Write the body."""
        return self.params.encode() + u16(self.algorithm) + vec16(self.signature)


@dataclass(frozen=True, slots=True)
class CertificateRequest12:
    """The server asks for a certificate (RFC 5246 section 7.4.4).

    ::

        ClientCertificateType certificate_types<1..2^8-1>;
        SignatureAndHashAlgorithm supported_signature_algorithms<2..2^16-2>;
        DistinguishedName certificate_authorities<0..2^16-1>;
    """

    handshake_type: ClassVar[HandshakeType] = HandshakeType.certificate_request

    certificate_types: tuple[int, ...]
    supported_signature_algorithms: tuple[int, ...]
    certificate_authorities: tuple[bytes, ...] = ()
    """DER names; none means any."""

    @classmethod
    def decode(cls, body: bytes) -> CertificateRequest12:
        """Read a whole message."""
        reader = Reader(body, "CertificateRequest")
        types = tuple(reader.vec8(min=1))
        schemes = reader.u16_list(reader.u16())
        names = reader.sub16()
        authorities = []
        while names.offset < names.end:
            authorities.append(names.vec16(min=1))
        reader.finish()
        return cls(types, schemes, tuple(authorities))

    def encode(self) -> bytes:
        """Write the body."""
        return b"".join(
            (
                vec8(u8_list(self.certificate_types)),
                vec16(u16_list(self.supported_signature_algorithms)),
                vec16(b"".join(map(vec16, self.certificate_authorities))),
            )
        )


@dataclass(frozen=True, slots=True)
class ServerHelloDone:
    """The server's first flight ends here (RFC 5246 section 7.4.5).

    ::

        struct { } ServerHelloDone;
    """

    handshake_type: ClassVar[HandshakeType] = HandshakeType.server_hello_done

    @classmethod
    def decode(cls, body: bytes) -> ServerHelloDone:
        """Read a whole message, which is empty."""
        Reader(body, "ServerHelloDone").finish()
        return cls()

    def encode(self) -> bytes:
        """Write the body."""
        return b""


@dataclass(frozen=True, slots=True)
class ClientKeyExchange:
    """The client's half of the key exchange (RFC 8422 section 5.7).

    ::

        ECPoint ecdh_Yc;                       // opaque point<1..2^8-1>
    """

    handshake_type: ClassVar[HandshakeType] = HandshakeType.client_key_exchange

    public: bytes

    @classmethod
    def decode(cls, body: bytes) -> ClientKeyExchange:
        """Read a whole message."""
        reader = Reader(body, "ClientKeyExchange")
        message = cls(reader.vec8(min=1))
        reader.finish()
        return message

    def encode(self) -> bytes:
        """Write the body."""
        return vec8(self.public)


@dataclass(frozen=True, slots=True)
class NewSessionTicket12:
    """A ticket with which the client may resume (RFC 5077 section 3.3).

    ::

        uint32 ticket_lifetime_hint;
        opaque ticket<0..2^16-1>;
    """

    handshake_type: ClassVar[HandshakeType] = HandshakeType.new_session_ticket

    ticket_lifetime_hint: int
    """In seconds; 0 leaves it to the client."""
    ticket: bytes
    """Empty where the server has changed its mind."""

    @classmethod
    def decode(cls, body: bytes) -> NewSessionTicket12:
        """Read a whole message."""
        reader = Reader(body, "NewSessionTicket")
        message = cls(reader.u32(), reader.vec16())
        reader.finish()
        return message

    def encode(self) -> bytes:
        """Write the body."""
        return u32(self.ticket_lifetime_hint) + vec16(self.ticket)


@dataclass(frozen=True, slots=True)
class ChangeCipherSpec:
    """The sender's next record is protected (RFC 5246 section 7.1).

    No handshake message, but a record of its own type. Conversations wait for it as
    for a message, since its place among them is what makes it safe; it is in no
    transcript.

    ::

        enum { change_cipher_spec(1), (255) } type;
    """

    @classmethod
    def decode(cls, body: bytes) -> ChangeCipherSpec:
        """Read the content of one record, which is one byte."""
        if body != b"\x01":
            raise UnexpectedMessage(
                f"ChangeCipherSpec: expected one byte of 1, got {body[:8]!r}",
                section="RFC 5246, 7.1",
            )
        return cls()

    def encode(self) -> bytes:
        """Write the content of the record."""
        return b"\x01"


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
