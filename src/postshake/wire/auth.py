"""The messages that authenticate, in the handshake and after it (§4.3.2, §4.4)."""

from __future__ import annotations

from typing import ClassVar, Self

from .._dataclass import dataclass
from ..constants import HandshakeType
from .codec import Reader, u16, u24, vec8, vec16, vec24
from .extensions import NO_EXTENSIONS, Extensions, MessageKind

__all__ = [
    "Certificate",
    "CertificateEntry",
    "CertificateRequest",
    "CertificateVerify",
    "ClientCertificateRequest",
    "CompressedCertificate",
    "Finished",
]


@dataclass(frozen=True, slots=True)
class CertificateRequest:
    """The server asks the client to authenticate (§4.3.2).

    ::

        opaque certificate_request_context<0..2^8-1>;
        Extension extensions<0..2^16-1>;
    """

    handshake_type: ClassVar[HandshakeType] = HandshakeType.certificate_request
    kind: ClassVar[MessageKind] = MessageKind.certificate_request

    certificate_request_context: bytes
    """Names the request in its answer; empty in the main handshake."""
    extensions: Extensions

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Read a whole message; an empty block decodes, as in RFC 9846."""
        reader = Reader(body, cls.__name__)
        message = cls(reader.vec8(), Extensions.decode(reader, cls.kind))
        reader.finish()
        return message

    def encode(self) -> bytes:
        """Write the body."""
        return vec8(self.certificate_request_context) + self.extensions.encode()


@dataclass(frozen=True, slots=True)
class ClientCertificateRequest(CertificateRequest):
    """A client asks the server for another certificate, outside of TLS (RFC 9261 section 4)."""

    handshake_type: ClassVar[HandshakeType] = HandshakeType.client_certificate_request
    kind: ClassVar[MessageKind] = MessageKind.client_certificate_request


@dataclass(frozen=True, slots=True)
class CertificateEntry:
    """One certificate of a chain, and what comes with it (§4.4.2).

    ::

        opaque cert_data<1..2^24-1>;
        Extension extensions<0..2^16-1>;
    """

    cert_data: bytes
    """The certificate, in DER."""
    extensions: Extensions = NO_EXTENSIONS

    @classmethod
    def decode(cls, reader: Reader) -> CertificateEntry:
        """Read one entry."""
        return cls(reader.vec24(min=1), Extensions.decode(reader, MessageKind.certificate))

    def encode(self) -> bytes:
        """Write one entry."""
        return vec24(self.cert_data) + self.extensions.encode()


@dataclass(frozen=True, slots=True)
class Certificate:
    """A chain, leaf first; a client without one sends none (§4.4.2).

    ::

        opaque certificate_request_context<0..2^8-1>;
        CertificateEntry certificate_list<0..2^24-1>;
    """

    handshake_type: ClassVar[HandshakeType] = HandshakeType.certificate

    certificate_request_context: bytes
    """The context of the request that this answers; empty from a server."""
    certificate_list: tuple[CertificateEntry, ...]

    @classmethod
    def decode(cls, body: bytes) -> Certificate:
        """Read a whole message."""
        reader = Reader(body, "Certificate")
        context = reader.vec8()
        entries = reader.sub24()
        certificates = []
        while entries.offset < entries.end:
            certificates.append(CertificateEntry.decode(entries))
        reader.finish()
        return cls(context, tuple(certificates))

    def encode(self) -> bytes:
        """Write the body."""
        return vec8(self.certificate_request_context) + vec24(
            b"".join([entry.encode() for entry in self.certificate_list])
        )


@dataclass(frozen=True, slots=True)
class CompressedCertificate:
    """A Certificate in fewer bytes (RFC 8879 section 4).

    ::

        CertificateCompressionAlgorithm algorithm;
        uint24 uncompressed_length;
        opaque compressed_certificate_message<1..2^24-1>;
    """

    handshake_type: ClassVar[HandshakeType] = HandshakeType.compressed_certificate

    algorithm: int
    uncompressed_length: int
    """How long the body of the Certificate is."""
    compressed_certificate_message: bytes

    @classmethod
    def decode(cls, body: bytes) -> CompressedCertificate:
        """Read a whole message."""
        reader = Reader(body, "CompressedCertificate")
        message = cls(reader.u16(), reader.u24(), reader.vec24(min=1))
        reader.finish()
        return message

    def encode(self) -> bytes:
        """Write the body."""
        return (
            u16(self.algorithm)
            + u24(self.uncompressed_length)
            + vec24(self.compressed_certificate_message)
        )


@dataclass(frozen=True, slots=True)
class CertificateVerify:
    """Proof that the sender has the key of its certificate (§4.4.3).

    ::

        SignatureScheme algorithm;
        opaque signature<0..2^16-1>;
    """

    handshake_type: ClassVar[HandshakeType] = HandshakeType.certificate_verify

    algorithm: int
    signature: bytes

    @classmethod
    def decode(cls, body: bytes) -> CertificateVerify:
        """Read a whole message."""
        reader = Reader(body, "CertificateVerify")
        message = cls(reader.u16(), reader.vec16())
        reader.finish()
        return message

    def encode(self) -> bytes:
        """Write the body."""
        return u16(self.algorithm) + vec16(self.signature)


@dataclass(frozen=True, slots=True)
class Finished:
    """A MAC over the conversation so far (§4.4.4).

    ::

        opaque verify_data[Hash.length];
    """

    handshake_type: ClassVar[HandshakeType] = HandshakeType.finished

    verify_data: bytes
    """Of any length here: only the flow knows the hash."""

    @classmethod
    def decode(cls, body: bytes) -> Finished:
        """Read a whole message."""
        return cls(body)

    def encode(self) -> bytes:
        """Write the body."""
        return self.verify_data
