"""Handshake messages by their type (§4)."""

from __future__ import annotations

from collections.abc import Callable

from ..constants import HandshakeType, name_of
from ..errors import UnexpectedMessage
from .auth import (
    Certificate,
    CertificateRequest,
    CertificateVerify,
    CompressedCertificate,
    Finished,
)
from .codec import vec24
from .hello import ClientHello, EncryptedExtensions, EndOfEarlyData, ServerHello
from .post_handshake import KeyUpdate, NewSessionTicket
from .tls12 import (
    Certificate12,
    CertificateRequest12,
    CertificateStatus12,
    ClientKeyExchange,
    ClientKeyExchangePsk,
    HelloRequest,
    NewSessionTicket12,
    ServerHelloDone,
    ServerKeyExchange,
    ServerKeyExchangePsk,
)

__all__ = ["Handshake", "decode_handshake", "decode_handshake12", "encode_handshake"]

Handshake = (
    ClientHello
    | ServerHello
    | NewSessionTicket
    | EndOfEarlyData
    | EncryptedExtensions
    | Certificate
    | CertificateRequest
    | CertificateVerify
    | CompressedCertificate
    | Finished
    | KeyUpdate
    | HelloRequest
    | Certificate12
    | CertificateStatus12
    | ServerKeyExchange
    | CertificateRequest12
    | ServerHelloDone
    | ClientKeyExchange
    | NewSessionTicket12
    | ServerKeyExchangePsk
    | ClientKeyExchangePsk
)
"""Any handshake message, of either version; a HelloRetryRequest is a ServerHello."""


def decode_handshake(handshake_type: int, body: bytes) -> Handshake:
    """Read one whole message, given without its four bytes of header (§4).

    Raises:
        UnexpectedMessage: TLS 1.3 has no message of this type.
        DecodeError: the body is not such a message.
        IllegalParameter: a value in it is legal in no context.
    """
    decode = _DECODERS.get(handshake_type)
    if decode is None:
        raise UnexpectedMessage(
            "expected a handshake message of TLS 1.3, "
            f"got {name_of(HandshakeType, handshake_type)} with {len(body)} bytes",
            section="4",
        )
    return decode(body)


def decode_handshake12(handshake_type: int, body: bytes, *, psk: bool = False) -> Handshake:
    """Read one whole message of TLS 1.2 (RFC 5246 section 7.4).

    Args:
        handshake_type: its type.
        body: without the header.
        psk: whether the key exchange is one with pre-shared keys (RFC 5489).

    Raises:
        UnexpectedMessage: TLS 1.2, as we speak it, has no message of this type.
        DecodeError: the body is not such a message.
        IllegalParameter: a value in it is legal in no context.
    """
    decode = (_DECODERS12_PSK if psk else _DECODERS12).get(handshake_type)
    if decode is None:
        raise UnexpectedMessage(
            "expected a handshake message of TLS 1.2, "
            f"got {name_of(HandshakeType, handshake_type)} with {len(body)} bytes",
            section="RFC 5246, 7.4",
        )
    return decode(body)


def struct_name(handshake_type: int) -> str:
    """Return what the RFC calls a message of this type, for a person: ``ServerHelloDone``."""
    name = name_of(HandshakeType, handshake_type)
    return name if name.startswith("0x") else "".join(map(str.capitalize, name.split("_")))


def encode_handshake(message: Handshake) -> bytes:
    """Write one whole message with its header (§4).

    ::

        HandshakeType msg_type;
        uint24 length;
    """
    body = message.encode()
    if len(body) > 0xFFFFFF:
        vec24(body)  # says what is wrong
    return (message.handshake_type << 24 | len(body)).to_bytes(4, "big") + body


_DECODERS: dict[int, Callable[[bytes], Handshake]] = {
    ClientHello.handshake_type: ClientHello.decode,
    ServerHello.handshake_type: ServerHello.decode,
    NewSessionTicket.handshake_type: NewSessionTicket.decode,
    EndOfEarlyData.handshake_type: EndOfEarlyData.decode,
    EncryptedExtensions.handshake_type: EncryptedExtensions.decode,
    Certificate.handshake_type: Certificate.decode,
    CertificateRequest.handshake_type: CertificateRequest.decode,
    CertificateVerify.handshake_type: CertificateVerify.decode,
    Finished.handshake_type: Finished.decode,
    KeyUpdate.handshake_type: KeyUpdate.decode,
    CompressedCertificate.handshake_type: CompressedCertificate.decode,
}

_DECODERS12: dict[int, Callable[[bytes], Handshake]] = {
    HelloRequest.handshake_type: HelloRequest.decode,
    ClientHello.handshake_type: ClientHello.decode,
    ServerHello.handshake_type: ServerHello.decode,
    NewSessionTicket12.handshake_type: NewSessionTicket12.decode,
    Certificate12.handshake_type: Certificate12.decode,
    ServerKeyExchange.handshake_type: ServerKeyExchange.decode,
    CertificateRequest12.handshake_type: CertificateRequest12.decode,
    ServerHelloDone.handshake_type: ServerHelloDone.decode,
    CertificateVerify.handshake_type: CertificateVerify.decode,
    ClientKeyExchange.handshake_type: ClientKeyExchange.decode,
    Finished.handshake_type: Finished.decode,
    CertificateStatus12.handshake_type: CertificateStatus12.decode,
}

_DECODERS12_PSK: dict[int, Callable[[bytes], Handshake]] = _DECODERS12 | {
    ServerKeyExchangePsk.handshake_type: ServerKeyExchangePsk.decode,
    ClientKeyExchangePsk.handshake_type: ClientKeyExchangePsk.decode,
}
