"""The hellos: those of RFC 8448 field by field, and what is special about them."""

from __future__ import annotations

import hashlib

import pytest

from postshake.errors import DecodeError, IllegalParameter
from postshake.wire.extensions import (
    CompressCertificate,
    Cookie,
    EarlyDataIndication,
    ExtendedMasterSecret,
    Extensions,
    KeyShareClientHello,
    KeyShareEntry,
    KeyShareHelloRetryRequest,
    KeyShareServerHello,
    PostHandshakeAuth,
    PreSharedKeyClientHello,
    PskIdentity,
    PskKeyExchangeModes,
    RecordSizeLimit,
    RenegotiationInfo,
    ServerName,
    ServerNameAck,
    SessionTicket,
    SignatureAlgorithms,
    SupportedGroups,
    SupportedVersionsClientHello,
    SupportedVersionsServerHello,
)
from postshake.wire.handshake import Handshake, decode_handshake, encode_handshake
from postshake.wire.hello import (
    DOWNGRADE_TLS11,
    DOWNGRADE_TLS12,
    HELLO_RETRY_REQUEST_RANDOM,
    ClientHello,
    EncryptedExtensions,
    ServerHello,
)

# RFC 8448 section 3, "Simple 1-RTT Handshake".
CLIENT_HELLO = bytes.fromhex("""
    010000c00303cb34ecb1e78163ba1c38c6dacb196a6dffa21a8d9912ec18a2ef
    6283024dece7000006130113031302010000910000000b000900000673657276
    6572ff01000100000a00140012001d0017001800190100010101020103010400
    230000003300260024001d002099381de560e4bd43d23d8e435a7dbafeb3c06e
    51c13cae4d5413691e529aaf2c002b0003020304000d0020001e040305030603
    020308040805080604010501060102010402050206020202002d00020101001c
    00024001""")
SERVER_HELLO = bytes.fromhex("""
    020000560303a6af06a4121860dc5e6e60249cd34c95930c8ac5cb1434dac155
    772ed3e2692800130100002e00330024001d0020c9828876112095fe66762bdb
    f7c672e156d6cc253b833df1dd69b1b04e751f0f002b00020304""")
ENCRYPTED_EXTENSIONS = bytes.fromhex("""
    080000240022000a00140012001d00170018001901000101010201030104001c
    0002400100000000""")

GROUPS = SupportedGroups((0x001D, 0x0017, 0x0018, 0x0019, 0x0100, 0x0101, 0x0102, 0x0103, 0x0104))

# fmt: off
SCHEMES = (
    0x0403, 0x0503, 0x0603, 0x0203, 0x0804, 0x0805, 0x0806,
    0x0401, 0x0501, 0x0601, 0x0201, 0x0402, 0x0502, 0x0602, 0x0202,
)
# fmt: on

TRACE: dict[bytes, Handshake] = {
    CLIENT_HELLO: ClientHello(
        random=CLIENT_HELLO[6:38],
        cipher_suites=(0x1301, 0x1303, 0x1302),
        extensions=Extensions(
            (
                ServerName("server"),
                RenegotiationInfo(b""),
                GROUPS,
                SessionTicket(b""),
                KeyShareClientHello((KeyShareEntry(0x001D, CLIENT_HELLO[-87:-55]),)),
                SupportedVersionsClientHello((0x0304,)),
                SignatureAlgorithms(SCHEMES),
                PskKeyExchangeModes((1,)),
                RecordSizeLimit(0x4001),
            )
        ),
    ),
    SERVER_HELLO: ServerHello(
        random=SERVER_HELLO[6:38],
        cipher_suite=0x1301,
        extensions=Extensions(
            (
                KeyShareServerHello(KeyShareEntry(0x001D, SERVER_HELLO[-38:-6])),
                SupportedVersionsServerHello(0x0304),
            )
        ),
    ),
    ENCRYPTED_EXTENSIONS: EncryptedExtensions(
        Extensions((GROUPS, RecordSizeLimit(0x4001), ServerNameAck()))
    ),
}


@pytest.mark.parametrize("raw", TRACE, ids=lambda raw: type(TRACE[raw]).__name__)
def test_trace_of_rfc8448(raw: bytes) -> None:
    assert decode_handshake(raw[0], raw[4:]) == TRACE[raw]
    assert encode_handshake(TRACE[raw]) == raw


def client_hello(*extensions: object, **fields: object) -> ClientHello:
    values = {"random": bytes(32), "cipher_suites": (0x1301,)} | fields
    return ClientHello(extensions=Extensions(extensions), **values)


def server_hello(*extensions: object, **fields: object) -> ServerHello:
    values = {"random": bytes(32), "cipher_suite": 0x1301} | fields
    return ServerHello(extensions=Extensions(extensions), **values)


def test_client_hello_from_before_extensions() -> None:
    hello = client_hello()
    body = hello.encode()
    assert body.endswith(b"\x01\x00\x00\x00")  # one compression method, no extensions
    assert ClientHello.decode(body[:-2]) == ClientHello.decode(body) == hello


def test_pre_shared_key_stands_last() -> None:
    psk = PreSharedKeyClientHello((PskIdentity(b"t", 0),), (bytes(32),))
    last = client_hello(PostHandshakeAuth(), psk)
    assert ClientHello.decode(last.encode()) == last
    assert last.encode().endswith(psk.encode())
    with pytest.raises(IllegalParameter) as caught:
        ClientHello.decode(client_hello(psk, PostHandshakeAuth()).encode())
    assert str(caught.value) == (
        "ClientHello: expected pre_shared_key as the last extension, got another after it (§4.2.11)"
    )


@pytest.mark.parametrize("length", [0, 1, 32])
def test_session_ids(length: int) -> None:
    session_id = bytes(range(length))
    hello = client_hello(legacy_session_id=session_id)
    answer = server_hello(legacy_session_id_echo=session_id)
    assert ClientHello.decode(hello.encode()).legacy_session_id == session_id
    assert ServerHello.decode(answer.encode()).legacy_session_id_echo == session_id


@pytest.mark.parametrize("length", [33, 255])
def test_session_ids_too_long(length: int) -> None:
    session_id = bytes(length)
    text = f"expected a session id of at most 32 bytes, got {length}"
    with pytest.raises(DecodeError, match=f"ClientHello: {text}"):
        ClientHello.decode(client_hello(legacy_session_id=session_id).encode())
    with pytest.raises(DecodeError, match=f"ServerHello: {text}"):
        ServerHello.decode(server_hello(legacy_session_id_echo=session_id).encode())


def test_client_hello_needs_a_suite_and_a_compression_method() -> None:
    with pytest.raises(DecodeError, match="ClientHello: expected a list of 16-bit numbers"):
        ClientHello.decode(client_hello(cipher_suites=()).encode())
    with pytest.raises(DecodeError, match="ClientHello: expected a vector of at least 1 bytes"):
        ClientHello.decode(client_hello(legacy_compression_methods=b"").encode())


def test_hello_retry_request_is_known_by_its_random() -> None:
    assert hashlib.sha256(b"HelloRetryRequest").digest() == HELLO_RETRY_REQUEST_RANDOM
    retry = server_hello(
        SupportedVersionsServerHello(0x0304),
        KeyShareHelloRetryRequest(0x0017),
        Cookie(b"c"),
        random=HELLO_RETRY_REQUEST_RANDOM,
    )
    again = ServerHello.decode(retry.encode())
    assert again == retry
    assert again.is_hello_retry_request
    assert not server_hello().is_hello_retry_request


def test_each_kind_of_server_hello_has_its_extensions() -> None:
    version = SupportedVersionsServerHello(0x0304)
    share = KeyShareServerHello(KeyShareEntry(0x1D, bytes(32)))
    retry = HELLO_RETRY_REQUEST_RANDOM
    with pytest.raises(DecodeError, match="key_share in HelloRetryRequest"):
        ServerHello.decode(server_hello(version, share, random=retry).encode())
    with pytest.raises(IllegalParameter, match=r"^ServerHello: expected cookie only in"):
        ServerHello.decode(server_hello(version, Cookie(b"c")).encode())
    with pytest.raises(IllegalParameter, match=r"^ServerHello: expected extended_master_secret"):
        ServerHello.decode(server_hello(ExtendedMasterSecret(), version).encode())
    with pytest.raises(IllegalParameter, match=r"^TLS 1\.2 ServerHello: expected key_share"):
        ServerHello.decode(server_hello(share).encode())


def test_a_tls12_server_hello_decodes() -> None:
    """So that what a client reports is the version, not an extension."""
    old = server_hello(
        RenegotiationInfo(b""),
        ExtendedMasterSecret(),
        SessionTicket(b""),
        ServerNameAck(),
        random=bytes(24) + DOWNGRADE_TLS12,
        cipher_suite=0xC02B,
    )
    assert ServerHello.decode(old.encode()) == old
    assert ServerHello.decode(server_hello().encode()[:-2]) == server_hello()


def test_downgrade_marks() -> None:
    assert DOWNGRADE_TLS12.hex() == "444f574e47524401"
    assert DOWNGRADE_TLS11.hex() == "444f574e47524400"


def test_encrypted_extensions_refuse_what_is_not_for_them() -> None:
    message = EncryptedExtensions(Extensions((EarlyDataIndication(),)))
    assert EncryptedExtensions.decode(message.encode()) == message
    assert EncryptedExtensions.decode(b"\0\0") == EncryptedExtensions()
    for extension in (PostHandshakeAuth(), CompressCertificate((1,)), ExtendedMasterSecret()):
        with pytest.raises(IllegalParameter, match=r"^EncryptedExtensions: expected"):
            EncryptedExtensions.decode(Extensions((extension,)).encode())
