"""Extensions about certificates: what is asked for, and what comes with them (§4.2).

They stand in ClientHello and CertificateRequest, where each end says what it
can check, and in the entries of a Certificate.
"""

from __future__ import annotations

from typing import ClassVar, Self

from .._dataclass import dataclass
from ..constants import CertificateStatusType, ExtensionType
from ..errors import IllegalParameter
from .codec import Empty, Reader, u8, u16_list, vec8, vec16, vec24

__all__ = [
    "CertificateAuthorities",
    "CertificateStatus",
    "CompressCertificate",
    "OidFilter",
    "OidFilters",
    "PostHandshakeAuth",
    "SignatureAlgorithms",
    "SignatureAlgorithmsCert",
    "SignedCertificateTimestampRequest",
    "SignedCertificateTimestamps",
    "StatusRequest",
    "StatusRequestEmpty",
]


@dataclass(frozen=True, slots=True)
class SignatureAlgorithms:
    """Schemes the sender can check in CertificateVerify, best first (§4.2.3).

    ::

        SignatureScheme supported_signature_algorithms<2..2^16-2>;
    """

    extension_type: ClassVar[int] = ExtensionType.signature_algorithms

    supported_signature_algorithms: tuple[int, ...]

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """Read the body."""
        return cls(reader.u16_list(reader.u16()))

    def encode(self) -> bytes:
        """Write the body."""
        return vec16(u16_list(self.supported_signature_algorithms))


@dataclass(frozen=True, slots=True)
class SignatureAlgorithmsCert:
    """Schemes the sender can check in certificates, best first (§4.2.3).

    ::

        SignatureScheme supported_signature_algorithms<2..2^16-2>;
    """

    extension_type: ClassVar[int] = ExtensionType.signature_algorithms_cert

    supported_signature_algorithms: tuple[int, ...]

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """Read the body."""
        return cls(reader.u16_list(reader.u16()))

    def encode(self) -> bytes:
        """Write the body."""
        return vec16(u16_list(self.supported_signature_algorithms))


@dataclass(frozen=True, slots=True)
class CertificateAuthorities:
    """Authorities a chain should lead to, as DER names (§4.2.4).

    ::

        DistinguishedName authorities<3..2^16-1>;   // opaque DistinguishedName<1..2^16-1>
    """

    extension_type: ClassVar[int] = ExtensionType.certificate_authorities

    authorities: tuple[bytes, ...]

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """Read the body."""
        names = reader.sub16(min=3)
        authorities = []
        while names.offset < names.end:
            authorities.append(names.vec16(min=1))
        return cls(tuple(authorities))

    def encode(self) -> bytes:
        """Write the body."""
        return vec16(b"".join(map(vec16, self.authorities)))


@dataclass(frozen=True, slots=True)
class OidFilter:
    """A certificate extension, and the values a certificate must have in it (§4.2.5).

    ::

        opaque certificate_extension_oid<1..2^8-1>;
        opaque certificate_extension_values<0..2^16-1>;
    """

    certificate_extension_oid: bytes
    """The object identifier, in DER."""
    certificate_extension_values: bytes
    """The extension's value, in DER; empty asks only that it be there."""

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """Read one filter."""
        return cls(reader.vec8(min=1), reader.vec16())

    def encode(self) -> bytes:
        """Write one filter."""
        return vec8(self.certificate_extension_oid) + vec16(self.certificate_extension_values)


@dataclass(frozen=True, slots=True)
class OidFilters:
    """What the client's certificate must satisfy (§4.2.5).

    ::

        OIDFilter filters<0..2^16-1>;
    """

    extension_type: ClassVar[int] = ExtensionType.oid_filters

    filters: tuple[OidFilter, ...]

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """Read the body; who chooses a certificate judges the identifiers."""
        rows = reader.sub16()
        filters = []
        while rows.offset < rows.end:
            filters.append(OidFilter.decode(rows))
        return cls(tuple(filters))

    def encode(self) -> bytes:
        """Write the body."""
        return vec16(b"".join([row.encode() for row in self.filters]))


@dataclass(frozen=True, slots=True)
class PostHandshakeAuth(Empty):
    """The client is willing to authenticate after the handshake (§4.2.6)."""

    extension_type: ClassVar[int] = ExtensionType.post_handshake_auth


@dataclass(frozen=True, slots=True)
class StatusRequest:
    """The client asks for revocation status with the certificate (RFC 6066 section 8).

    ::

        CertificateStatusType status_type;
        select (status_type) {
            case ocsp: OCSPStatusRequest;   // ResponderID responder_id_list<0..2^16-1>;
        } request;                          // Extensions  request_extensions<0..2^16-1>;
    """

    extension_type: ClassVar[int] = ExtensionType.status_request

    status_type: int = CertificateStatusType.ocsp
    request: bytes = bytes(4)
    """Kept as it is: nobody names responders. The default names none."""

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """Read the body; a status type that we do not know is the server's to ignore."""
        status_type = reader.u8()
        start = reader.offset
        if status_type == CertificateStatusType.ocsp:
            responders = reader.sub16()
            while responders.offset < responders.end:
                responders.vec16(min=1)
            reader.vec16()
            reader.finish()
            reader.offset = start
        return cls(status_type, reader.rest())

    def encode(self) -> bytes:
        """Write the body."""
        return u8(self.status_type) + self.request


@dataclass(frozen=True, slots=True)
class StatusRequestEmpty(Empty):
    """The server asks for OCSP with the client's certificate (§4.4.2.1).

    In a TLS 1.2 ServerHello it announces a CertificateStatus.
    """

    extension_type: ClassVar[int] = ExtensionType.status_request


@dataclass(frozen=True, slots=True)
class CertificateStatus:
    """An OCSP response for the certificate it stands with (§4.4.2.1).

    ::

        CertificateStatusType status_type;   // ocsp
        opaque OCSPResponse<1..2^24-1>;
    """

    extension_type: ClassVar[int] = ExtensionType.status_request

    response: bytes

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """Read the body; OCSP is all that can be asked for."""
        status_type = reader.u8()
        if status_type != CertificateStatusType.ocsp:
            raise IllegalParameter(
                f"{reader.what}: expected the status type ocsp (1), got {status_type}",
                section="4.4.2.1",
            )
        return cls(reader.vec24(min=1))

    def encode(self) -> bytes:
        """Write the body."""
        return u8(CertificateStatusType.ocsp) + vec24(self.response)


@dataclass(frozen=True, slots=True)
class SignedCertificateTimestampRequest(Empty):
    """The sender wants proof that the certificate was logged (RFC 6962 section 3.3.1)."""

    extension_type: ClassVar[int] = ExtensionType.signed_certificate_timestamp


@dataclass(frozen=True, slots=True)
class SignedCertificateTimestamps:
    """Logs' promises about the certificate it stands with (RFC 6962 section 3.3).

    ::

        SerializedSCT sct_list<1..2^16-1>;   // opaque SerializedSCT<1..2^16-1>
    """

    extension_type: ClassVar[int] = ExtensionType.signed_certificate_timestamp

    signed_certificate_timestamp_list: bytes
    """The list with its length, as logs and servers store it."""

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """Read the body; its shape is checked, and it is kept as it is."""
        start = reader.offset
        timestamps = reader.sub16(min=1)
        while timestamps.offset < timestamps.end:
            timestamps.vec16(min=1)
        return cls(reader.data[start : reader.offset])

    def encode(self) -> bytes:
        """Write the body."""
        return self.signed_certificate_timestamp_list


@dataclass(frozen=True, slots=True)
class CompressCertificate:
    """Algorithms the sender can undo on a Certificate, best first (RFC 8879 section 3).

    ::

        CertificateCompressionAlgorithm algorithms<2..2^8-2>;
    """

    extension_type: ClassVar[int] = ExtensionType.compress_certificate

    algorithms: tuple[int, ...]

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """Read the body."""
        return cls(reader.u16_list(reader.u8()))

    def encode(self) -> bytes:
        """Write the body."""
        return vec8(u16_list(self.algorithms))
