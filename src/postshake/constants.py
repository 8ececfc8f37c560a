"""Code points of TLS, spelled as the RFCs spell them.

The numbers come from RFC 8446 appendix B and the IANA TLS registries. A code
point that a peer sends and we do not know stays a plain ``int``: the enums name
numbers, they do not judge them.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from .text import listed

__all__ = [
    "AlertDescription",
    "AlertLevel",
    "CertificateStatusType",
    "CipherSuite",
    "ClientCertificateType",
    "CompressionMethod",
    "ContentType",
    "ExtensionType",
    "HandshakeType",
    "KeyUpdateRequest",
    "NamedGroup",
    "ProtocolVersion",
    "PskKeyExchangeMode",
    "Role",
    "SignatureScheme",
    "name_of",
    "names_of",
]


class Role(IntEnum):
    """Which end of the connection someone is."""

    client = 1
    server = 2

    @property
    def peer(self) -> Role:
        """The other end."""
        return Role.server if self is Role.client else Role.client


class ProtocolVersion(IntEnum):
    """Versions as they stand in hellos and records (§4.1.2, §5.1)."""

    SSL30 = 0x0300
    TLS10 = 0x0301
    TLS11 = 0x0302
    TLS12 = 0x0303
    TLS13 = 0x0304

    @property
    def text(self) -> str:
        """What people call it: ``"TLS 1.3"``."""
        return (
            "SSL 3.0" if self is ProtocolVersion.SSL30 else f"TLS 1.{self - ProtocolVersion.TLS10}"
        )

    @property
    def openssl_name(self) -> str:
        """What OpenSSL calls it: ``"TLSv1.3"``."""
        return self.text.replace(" ", "v").removesuffix(".0")


class ContentType(IntEnum):
    """What a record holds (§5.1)."""

    invalid = 0
    change_cipher_spec = 20
    alert = 21
    handshake = 22
    application_data = 23


class HandshakeType(IntEnum):
    """Handshake messages (§4); those that only TLS 1.2 has are marked."""

    hello_request = 0  # TLS 1.2
    client_hello = 1
    server_hello = 2
    new_session_ticket = 4
    end_of_early_data = 5
    encrypted_extensions = 8
    certificate = 11
    server_key_exchange = 12  # TLS 1.2
    certificate_request = 13
    server_hello_done = 14  # TLS 1.2
    certificate_verify = 15
    client_key_exchange = 16  # TLS 1.2
    client_certificate_request = 17  # RFC 9261
    finished = 20
    certificate_status = 22  # TLS 1.2, RFC 6066
    key_update = 24
    compressed_certificate = 25  # RFC 8879
    message_hash = 254


class AlertLevel(IntEnum):
    """Alert levels (§6); TLS 1.3 gives them no meaning."""

    warning = 1
    fatal = 2


class AlertDescription(IntEnum):
    """Alerts (§6; general_error is RFC 9846's)."""

    close_notify = 0
    unexpected_message = 10
    bad_record_mac = 20
    decryption_failed = 21
    record_overflow = 22
    decompression_failure = 30
    handshake_failure = 40
    no_certificate = 41
    bad_certificate = 42
    unsupported_certificate = 43
    certificate_revoked = 44
    certificate_expired = 45
    certificate_unknown = 46
    illegal_parameter = 47
    unknown_ca = 48
    access_denied = 49
    decode_error = 50
    decrypt_error = 51
    export_restriction = 60
    protocol_version = 70
    insufficient_security = 71
    internal_error = 80
    inappropriate_fallback = 86
    user_canceled = 90
    no_renegotiation = 100
    missing_extension = 109
    unsupported_extension = 110
    certificate_unobtainable = 111
    unrecognized_name = 112
    bad_certificate_status_response = 113
    bad_certificate_hash_value = 114
    unknown_psk_identity = 115
    certificate_required = 116
    general_error = 117
    no_application_protocol = 120


class ExtensionType(IntEnum):
    """Extensions (§4.2 and the IANA registry)."""

    server_name = 0
    max_fragment_length = 1
    status_request = 5
    supported_groups = 10
    ec_point_formats = 11
    signature_algorithms = 13
    application_layer_protocol_negotiation = 16
    signed_certificate_timestamp = 18
    padding = 21
    extended_master_secret = 23
    compress_certificate = 27
    record_size_limit = 28
    session_ticket = 35
    pre_shared_key = 41
    early_data = 42
    supported_versions = 43
    cookie = 44
    psk_key_exchange_modes = 45
    certificate_authorities = 47
    oid_filters = 48
    post_handshake_auth = 49
    signature_algorithms_cert = 50
    key_share = 51
    renegotiation_info = 0xFF01


class CipherSuite(IntEnum):
    """Cipher suites of TLS 1.3 (§B.4) and 1.2, and two signalling values."""

    TLS_AES_128_GCM_SHA256 = 0x1301
    TLS_AES_256_GCM_SHA384 = 0x1302
    TLS_CHACHA20_POLY1305_SHA256 = 0x1303
    TLS_EMPTY_RENEGOTIATION_INFO_SCSV = 0x00FF
    TLS_FALLBACK_SCSV = 0x5600
    # TLS 1.2: RFC 5289, RFC 7905
    TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 = 0xC02B
    TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 = 0xC02C
    TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 = 0xC02F
    TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 = 0xC030
    TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 = 0xCCA8
    TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 = 0xCCA9
    # and with pre-shared keys: RFC 7905, RFC 8442
    TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256 = 0xCCAC
    TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256 = 0xD001
    TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384 = 0xD002


class NamedGroup(IntEnum):
    """Key exchange groups (§4.2.7, draft-ietf-tls-ecdhe-mlkem)."""

    secp256r1 = 0x0017
    secp384r1 = 0x0018
    secp521r1 = 0x0019
    x25519 = 0x001D
    x448 = 0x001E
    ffdhe2048 = 0x0100
    ffdhe3072 = 0x0101
    ffdhe4096 = 0x0102
    ffdhe6144 = 0x0103
    ffdhe8192 = 0x0104
    SecP256r1MLKEM768 = 0x11EB
    X25519MLKEM768 = 0x11EC
    SecP384r1MLKEM1024 = 0x11ED


class SignatureScheme(IntEnum):
    """Signature schemes (§4.2.3, draft-ietf-tls-mldsa)."""

    rsa_pkcs1_sha1 = 0x0201
    ecdsa_sha1 = 0x0203
    rsa_pkcs1_sha256 = 0x0401
    ecdsa_secp256r1_sha256 = 0x0403
    rsa_pkcs1_sha384 = 0x0501
    ecdsa_secp384r1_sha384 = 0x0503
    rsa_pkcs1_sha512 = 0x0601
    ecdsa_secp521r1_sha512 = 0x0603
    rsa_pss_rsae_sha256 = 0x0804
    rsa_pss_rsae_sha384 = 0x0805
    rsa_pss_rsae_sha512 = 0x0806
    ed25519 = 0x0807
    ed448 = 0x0808
    rsa_pss_pss_sha256 = 0x0809
    rsa_pss_pss_sha384 = 0x080A
    rsa_pss_pss_sha512 = 0x080B
    mldsa44 = 0x0904
    mldsa65 = 0x0905
    mldsa87 = 0x0906


class KeyUpdateRequest(IntEnum):
    """The one field of a KeyUpdate (§4.6.3)."""

    update_not_requested = 0
    update_requested = 1


class PskKeyExchangeMode(IntEnum):
    """How a PSK may be used (§4.2.9)."""

    psk_ke = 0
    psk_dhe_ke = 1


class CompressionMethod(IntEnum):
    """Record compression, of which only its absence is left (§4.1.2)."""

    null = 0


class CertificateCompressionAlgorithm(IntEnum):
    """What makes a Certificate shorter (RFC 8879 section 7.3)."""

    zlib = 1
    brotli = 2
    zstd = 3


class ClientCertificateType(IntEnum):
    """What a TLS 1.2 server takes from a client (RFC 5246 section 7.4.4, RFC 8422)."""

    rsa_sign = 1
    ecdsa_sign = 64  # EdDSA as well


class CertificateStatusType(IntEnum):
    """What a status_request asks for (RFC 6066 section 8)."""

    ocsp = 1


_MOST_NAMED = 8


def names_of(enum: type[IntEnum], codes: Sequence[int]) -> str:
    """Name the first of many code points for a person; a peer may send thousands."""
    first = listed(name_of(enum, code) for code in codes[:_MOST_NAMED])
    more = len(codes) - _MOST_NAMED
    return f"{first} and {more} more" if more > 0 else first


def name_of(enum: type[IntEnum], code: int) -> str:
    """Name a code point for a person: ``x25519``, or ``0x6a6a`` when unknown."""
    try:
        return enum(code).name
    except ValueError:
        return f"0x{code:04x}"
