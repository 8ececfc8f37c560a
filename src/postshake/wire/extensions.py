"""Extension blocks: what stands in them, and which message may carry what (§4.2).

The classes of single extensions are named here and live in three modules:
``exchange_extensions``, ``auth_extensions`` and ``hello_extensions``.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Protocol, Self, TypeVar

from .._dataclass import dataclass, field
from ..constants import (
    ExtensionType,
    name_of,
    names_of,
)
from ..errors import IllegalParameter, MissingExtension
from .auth_extensions import (
    CertificateAuthorities,
    CertificateStatus,
    CompressCertificate,
    OidFilter,
    OidFilters,
    PostHandshakeAuth,
    SignatureAlgorithms,
    SignatureAlgorithmsCert,
    SignedCertificateTimestampRequest,
    SignedCertificateTimestamps,
    StatusRequest,
    StatusRequestEmpty,
)
from .codec import Reader, from_bytes, vec16
from .exchange_extensions import (
    Cookie,
    EarlyDataIndication,
    EarlyDataTicket,
    KeyShareClientHello,
    KeyShareEntry,
    KeyShareHelloRetryRequest,
    KeyShareServerHello,
    PreSharedKeyClientHello,
    PreSharedKeyServerHello,
    PskIdentity,
    PskKeyExchangeModes,
    SupportedGroups,
    SupportedVersionsClientHello,
    SupportedVersionsServerHello,
)
from .hello_extensions import (
    ApplicationLayerProtocolNegotiation,
    EcPointFormats,
    ExtendedMasterSecret,
    MaxFragmentLength,
    Padding,
    RecordSizeLimit,
    RenegotiationInfo,
    ServerName,
    ServerNameAck,
    SessionTicket,
)

__all__ = [
    "NO_EXTENSIONS",
    "PLACES",
    "ApplicationLayerProtocolNegotiation",
    "CertificateAuthorities",
    "CertificateStatus",
    "CompressCertificate",
    "Cookie",
    "EarlyDataIndication",
    "EarlyDataTicket",
    "EcPointFormats",
    "ExtendedMasterSecret",
    "Extension",
    "Extensions",
    "KeyShareClientHello",
    "KeyShareEntry",
    "KeyShareHelloRetryRequest",
    "KeyShareServerHello",
    "MaxFragmentLength",
    "MessageKind",
    "OidFilter",
    "OidFilters",
    "Padding",
    "PostHandshakeAuth",
    "PreSharedKeyClientHello",
    "PreSharedKeyServerHello",
    "PskIdentity",
    "PskKeyExchangeModes",
    "RecordSizeLimit",
    "RenegotiationInfo",
    "ServerName",
    "ServerNameAck",
    "SessionTicket",
    "SignatureAlgorithms",
    "SignatureAlgorithmsCert",
    "SignedCertificateTimestampRequest",
    "SignedCertificateTimestamps",
    "StatusRequest",
    "StatusRequestEmpty",
    "SupportedGroups",
    "SupportedVersionsClientHello",
    "SupportedVersionsServerHello",
    "UnknownExtension",
]


class Extension(Protocol):
    """Anything that may stand in an extension block."""

    @property
    def extension_type(self) -> int:
        """The code point it stands under."""

    def encode(self) -> bytes:
        """Write the body, without type and length."""


class KnownExtension(Extension, Protocol):
    """An extension whose class follows from its type and its message."""

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """Read the body."""


AnyExtension = TypeVar("AnyExtension", bound=Extension)


class MessageKind(Enum):
    """Where an extension block stands; the value is its name in error texts."""

    client_hello = "ClientHello"
    server_hello = "ServerHello"
    server_hello12 = "TLS 1.2 ServerHello"
    hello_retry_request = "HelloRetryRequest"
    encrypted_extensions = "EncryptedExtensions"
    certificate_request = "CertificateRequest"
    client_certificate_request = "ClientCertificateRequest"
    certificate = "Certificate entry"
    new_session_ticket = "NewSessionTicket"


@dataclass(frozen=True, slots=True)
class UnknownExtension:
    """An extension that we do not know, kept as it is: GREASE for one (RFC 8701)."""

    extension_type: int
    data: bytes

    def encode(self) -> bytes:
        """Write the body."""
        return self.data


@dataclass(frozen=True, slots=True)
class Extensions:
    """The extensions of one message, in the order of the wire (§4.2).

    ::

        struct {
            ExtensionType extension_type;
            opaque extension_data<0..2^16-1>;
        } Extension;

        Extension extensions<0..2^16-1>;
    """

    items: tuple[Extension, ...] = ()
    _encoded: bytes | None = field(default=None, init=False, repr=False, compare=False)

    def __iter__(self) -> Iterator[Extension]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def get(self, cls: type[AnyExtension]) -> AnyExtension | None:
        """Return the extension of this class, or None."""
        for item in self.items:
            if type(item) is cls:
                return item
        return None

    def require(self, cls: type[AnyExtension]) -> AnyExtension:
        """Return the extension of this class.

        Raises:
            MissingExtension: it is not there.
        """
        item = self.get(cls)
        if item is None:
            got = names_of(ExtensionType, [item.extension_type for item in self.items])
            raise MissingExtension(
                f"expected the extension {cls.__name__}, got {got or 'none'}", section="9.2"
            )
        return item

    @classmethod
    def decode(cls, reader: Reader, message: MessageKind) -> Extensions:
        """Read a block with its length, as it stands in this kind of message.

        Raises:
            DecodeError: a length is wrong.
            IllegalParameter: a type stands here twice, or is known and may not
                stand in this message, or its body has an illegal value.
        """
        body = reader.sub16()
        offset, end = body.offset, body.end
        if offset == end:
            return NO_EXTENSIONS
        data = body.data
        rows = _ROWS[message]
        seen = set()
        items: list[Extension] = []
        # A hello spends most of its time here, so type and length are taken as
        # one number, and one reader is aimed at each body in turn.
        while offset < end:
            start = offset + 4
            header = from_bytes(data[offset:start])
            extension_type = header >> 16
            stop = start + (header & 0xFFFF)
            if stop > end:  # let the reader say how
                body.offset = offset
                body.u16()
                body.vec16()
            if extension_type in seen:
                raise IllegalParameter(
                    f"{message.value}: expected each extension once, "
                    f"got {name_of(ExtensionType, extension_type)} twice",
                    section="4.2",
                )
            seen.add(extension_type)
            row = rows.get(extension_type)
            if row is not None:
                extension, body.what = row
                body.offset = start
                body.end = stop
                items.append(extension.decode(body))
                body.finish()
            elif extension_type in PLACES:
                raise _misplaced(extension_type, message)
            else:
                items.append(UnknownExtension(extension_type, data[start:stop]))
            offset = stop
        return cls(tuple(items))

    def encode_once(self) -> Extensions:
        """Keep what `encode` gives, of a block that many messages will have; return itself."""
        object.__setattr__(self, "_encoded", self.encode())
        return self

    def encode(self) -> bytes:
        """Write the block with its length."""
        if self._encoded is not None:
            return self._encoded
        if not self.items:
            return b"\0\0"
        parts: list[bytes] = []
        for item in self.items:
            body = item.encode()
            if len(body) > 0xFFFF:
                vec16(body)  # says what is wrong
            parts += ((item.extension_type << 16 | len(body)).to_bytes(4, "big"), body)
        return vec16(b"".join(parts))


NO_EXTENSIONS = Extensions()
"""The empty block, which most certificates come with."""


def _misplaced(extension_type: int, message: MessageKind) -> IllegalParameter:
    name = name_of(ExtensionType, extension_type)
    places = ", ".join(place.value for place in PLACES[extension_type])
    return IllegalParameter(
        f"{message.value}: expected {name} only in {places}, got it here", section="4.2"
    )


_CH = MessageKind.client_hello
_SH = MessageKind.server_hello
_S2 = MessageKind.server_hello12
_RR = MessageKind.hello_retry_request
_EE = MessageKind.encrypted_extensions
_CR = MessageKind.certificate_request
_CT = MessageKind.certificate
_NT = MessageKind.new_session_ticket

PLACES: dict[int, dict[MessageKind, type[KnownExtension]]] = {
    ExtensionType.server_name: {_CH: ServerName, _EE: ServerNameAck, _S2: ServerNameAck},
    ExtensionType.max_fragment_length: dict.fromkeys((_CH, _EE, _S2), MaxFragmentLength),
    ExtensionType.status_request: {
        _CH: StatusRequest,
        _CR: StatusRequestEmpty,
        _CT: CertificateStatus,
        _S2: StatusRequestEmpty,
    },
    # what a TLS 1.2 server has no business to send, and some do
    ExtensionType.supported_groups: dict.fromkeys((_CH, _EE, _S2), SupportedGroups),
    ExtensionType.ec_point_formats: dict.fromkeys((_CH, _S2), EcPointFormats),
    ExtensionType.signature_algorithms: dict.fromkeys((_CH, _CR), SignatureAlgorithms),
    ExtensionType.application_layer_protocol_negotiation: dict.fromkeys(
        (_CH, _EE, _S2), ApplicationLayerProtocolNegotiation
    ),
    ExtensionType.signed_certificate_timestamp: {
        _CH: SignedCertificateTimestampRequest,
        _CR: SignedCertificateTimestampRequest,
        _CT: SignedCertificateTimestamps,
        _S2: SignedCertificateTimestamps,
    },
    ExtensionType.padding: {_CH: Padding},
    ExtensionType.extended_master_secret: dict.fromkeys((_CH, _S2), ExtendedMasterSecret),
    ExtensionType.compress_certificate: dict.fromkeys((_CH, _CR), CompressCertificate),
    ExtensionType.record_size_limit: dict.fromkeys((_CH, _EE, _S2), RecordSizeLimit),
    ExtensionType.session_ticket: dict.fromkeys((_CH, _S2), SessionTicket),
    ExtensionType.pre_shared_key: {_CH: PreSharedKeyClientHello, _SH: PreSharedKeyServerHello},
    ExtensionType.early_data: {
        _CH: EarlyDataIndication,
        _EE: EarlyDataIndication,
        _NT: EarlyDataTicket,
    },
    ExtensionType.supported_versions: {
        _CH: SupportedVersionsClientHello,
        _SH: SupportedVersionsServerHello,
        _RR: SupportedVersionsServerHello,
    },
    ExtensionType.cookie: dict.fromkeys((_CH, _RR), Cookie),
    ExtensionType.psk_key_exchange_modes: {_CH: PskKeyExchangeModes},
    ExtensionType.certificate_authorities: dict.fromkeys((_CH, _CR), CertificateAuthorities),
    ExtensionType.oid_filters: {_CR: OidFilters},
    ExtensionType.post_handshake_auth: {_CH: PostHandshakeAuth},
    ExtensionType.signature_algorithms_cert: dict.fromkeys((_CH, _CR), SignatureAlgorithmsCert),
    ExtensionType.key_share: {
        _CH: KeyShareClientHello,
        _SH: KeyShareServerHello,
        _RR: KeyShareHelloRetryRequest,
    },
    ExtensionType.renegotiation_info: dict.fromkeys((_CH, _S2), RenegotiationInfo),
}
"""Which message may carry which extension, and how its body reads there.

The table of §4.2, its rows in order of code points; RFC 8449 and RFC 8879 add
theirs, and the last column stands for TLS 1.2.
"""

for _places in PLACES.values():  # RFC 9261 section 4: as in a CertificateRequest, and a name
    if _CR in _places:
        _places[MessageKind.client_certificate_request] = _places[_CR]
PLACES[ExtensionType.server_name][MessageKind.client_certificate_request] = ServerName

_ROWS: dict[MessageKind, dict[int, tuple[type[KnownExtension], str]]] = {
    message: {
        int(extension_type): (
            places[message],
            f"{name_of(ExtensionType, extension_type)} in {message.value}",
        )
        for extension_type, places in PLACES.items()
        if message in places
    }
    for message in MessageKind
}
