"""The messages that open a handshake (§4.1, §4.3.1)."""

from __future__ import annotations

from typing import ClassVar

from .._dataclass import dataclass
from ..constants import ExtensionType, HandshakeType, ProtocolVersion
from ..errors import DecodeError, IllegalParameter
from .codec import Reader, u8, u16, u16_list, vec8, vec16
from .extensions import NO_EXTENSIONS, Extensions, MessageKind, PreSharedKeyClientHello

__all__ = [
    "DOWNGRADE_TLS11",
    "DOWNGRADE_TLS12",
    "HELLO_RETRY_REQUEST_RANDOM",
    "ClientHello",
    "EncryptedExtensions",
    "EndOfEarlyData",
    "ServerHello",
]

HELLO_RETRY_REQUEST_RANDOM = bytes.fromhex(
    "cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c"
)
"""SHA-256 of "HelloRetryRequest": this ServerHello is one (§4.1.3)."""

DOWNGRADE_TLS12 = b"DOWNGRD\x01"
"""How the random of a server ends that knows TLS 1.3 and took 1.2 (§4.1.3)."""

DOWNGRADE_TLS11 = b"DOWNGRD\x00"
"""The same for a server that took TLS 1.1 or below (§4.1.3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientHello:
    """What the client can do, and its half of the keys (§4.1.2).

    ::

        ProtocolVersion legacy_version = 0x0303;    /* TLS v1.2 */
        Random random;                              // opaque Random[32]
        opaque legacy_session_id<0..32>;
        CipherSuite cipher_suites<2..2^16-2>;
        opaque legacy_compression_methods<1..2^8-1>;
        Extension extensions<8..2^16-1>;
    """

    handshake_type: ClassVar[HandshakeType] = HandshakeType.client_hello

    legacy_version: int = ProtocolVersion.TLS12
    random: bytes
    legacy_session_id: bytes = b""
    cipher_suites: tuple[int, ...]
    legacy_compression_methods: bytes = b"\0"
    extensions: Extensions = NO_EXTENSIONS

    @classmethod
    def decode(cls, body: bytes) -> ClientHello:
        """Read a whole message; one from before extensions may end without them.

        Raises:
            DecodeError: the body is not a ClientHello.
            IllegalParameter: pre_shared_key is not the last extension, or see
                ``Extensions.decode``.
        """
        reader = Reader(body, "ClientHello")
        hello = cls(
            legacy_version=reader.u16(),
            random=reader.take(32),
            legacy_session_id=_session_id(reader),
            cipher_suites=reader.u16_list(reader.u16()),
            legacy_compression_methods=reader.vec8(min=1),
            extensions=(
                Extensions.decode(reader, MessageKind.client_hello)
                if reader.remaining
                else NO_EXTENSIONS
            ),
        )
        reader.finish()
        for extension in hello.extensions.items[:-1]:
            if type(extension) is PreSharedKeyClientHello:
                raise IllegalParameter(
                    "ClientHello: expected pre_shared_key as the last extension, "
                    "got another after it",
                    section="4.2.11",
                )
        return hello

    def encode(self) -> bytes:
        """Write the body."""
        return b"".join(
            (
                u16(self.legacy_version),
                self.random,
                vec8(self.legacy_session_id),
                vec16(u16_list(self.cipher_suites)),
                vec8(self.legacy_compression_methods),
                self.extensions.encode(),
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerHello:
    """What the server chose, or a HelloRetryRequest (§4.1.3, §4.1.4).

    ::

        ProtocolVersion legacy_version = 0x0303;    /* TLS v1.2 */
        Random random;                              // opaque Random[32]
        opaque legacy_session_id_echo<0..32>;
        CipherSuite cipher_suite;
        uint8 legacy_compression_method = 0;
        Extension extensions<6..2^16-1>;
    """

    handshake_type: ClassVar[HandshakeType] = HandshakeType.server_hello

    legacy_version: int = ProtocolVersion.TLS12
    random: bytes
    legacy_session_id_echo: bytes = b""
    cipher_suite: int
    legacy_compression_method: int = 0
    extensions: Extensions = NO_EXTENSIONS

    @property
    def is_hello_retry_request(self) -> bool:
        """Whether the server asks for another ClientHello (§4.1.4)."""
        return self.random == HELLO_RETRY_REQUEST_RANDOM

    @classmethod
    def decode(cls, body: bytes) -> ServerHello:
        """Read a whole message, which may be a TLS 1.2 server's.

        One without supported_versions is: its extensions are judged by the
        rules of TLS 1.2, so that a client can name the version as the fault.

        Raises:
            DecodeError: the body is not a ServerHello.
            IllegalParameter: see ``Extensions.decode``.
        """
        reader = Reader(body, "ServerHello")
        hello = cls(
            legacy_version=reader.u16(),
            random=(random := reader.take(32)),
            legacy_session_id_echo=_session_id(reader),
            cipher_suite=reader.u16(),
            legacy_compression_method=reader.u8(),
            extensions=(
                Extensions.decode(reader, _kind(random, reader))
                if reader.remaining
                else NO_EXTENSIONS
            ),
        )
        reader.finish()
        return hello

    def encode(self) -> bytes:
        """Write the body."""
        return b"".join(
            (
                u16(self.legacy_version),
                self.random,
                vec8(self.legacy_session_id_echo),
                u16(self.cipher_suite),
                u8(self.legacy_compression_method),
                self.extensions.encode(),
            )
        )


@dataclass(frozen=True, slots=True)
class EncryptedExtensions:
    """The server's answers that the keys can hide (§4.3.1).

    ::

        Extension extensions<0..2^16-1>;
    """

    handshake_type: ClassVar[HandshakeType] = HandshakeType.encrypted_extensions

    extensions: Extensions = NO_EXTENSIONS

    @classmethod
    def decode(cls, body: bytes) -> EncryptedExtensions:
        """Read a whole message."""
        reader = Reader(body, "EncryptedExtensions")
        message = cls(Extensions.decode(reader, MessageKind.encrypted_extensions))
        reader.finish()
        return message

    def encode(self) -> bytes:
        """Write the body."""
        return self.extensions.encode()


def _session_id(reader: Reader) -> bytes:
    session_id = reader.vec8()
    if len(session_id) > 32:
        raise DecodeError(
            f"{reader.what}: expected a session id of at most 32 bytes, got {len(session_id)}",
            section="4.1",
        )
    return session_id


def _kind(random: bytes, reader: Reader) -> MessageKind:
    """Look ahead for what this ServerHello is."""
    if random == HELLO_RETRY_REQUEST_RANDOM:
        return MessageKind.hello_retry_request
    block = Reader(reader.data, reader.what, reader.offset, reader.end).sub16()
    while block.remaining:
        if block.u16() == ExtensionType.supported_versions:
            return MessageKind.server_hello
        block.vec16()
    return MessageKind.server_hello12


@dataclass(frozen=True, slots=True)
class EndOfEarlyData:
    """The client's early data ends here (§4.5).

    ::

        struct {} EndOfEarlyData;
    """

    handshake_type: ClassVar[HandshakeType] = HandshakeType.end_of_early_data

    @classmethod
    def decode(cls, body: bytes) -> EndOfEarlyData:
        """Read a whole message, which is empty."""
        Reader(body, "EndOfEarlyData").finish()
        return cls()

    def encode(self) -> bytes:
        """Write the body."""
        return b""
