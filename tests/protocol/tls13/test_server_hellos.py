"""The server's exchange of hellos: what it takes from a client, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from postshake.constants import CipherSuite, ContentType, NamedGroup, Role
from postshake.errors import (
    BadRecordMac,
    DecodeError,
    IllegalParameter,
    MessageTooLarge,
    MissingExtension,
    NegotiationError,
    RecordOverflow,
    TooMuch,
    UnexpectedMessage,
    UnsupportedVersion,
)
from postshake.wire.auth import Finished
from postshake.wire.codec import u16, vec8, vec16
from postshake.wire.extensions import (
    Cookie,
    EarlyDataIndication,
    Extensions,
    KeyShareClientHello,
    KeyShareEntry,
    PostHandshakeAuth,
    PreSharedKeyClientHello,
    PskIdentity,
    PskKeyExchangeModes,
    ServerName,
    SignatureAlgorithms,
    SupportedGroups,
    SupportedVersionsClientHello,
    UnknownExtension,
)
from postshake.wire.handshake import encode_handshake
from postshake.wire.hello import ClientHello
from tests.pair import ConnectionPair, End, client_config, server_config
from tests.record.records import plain
from tests.tampering import (
    Case,
    Lie,
    check_refusal,
    framed,
    instead,
    lying,
    plus,
    raw_instead,
    refuse,
    without,
)

X25519, P256, P384 = NamedGroup.x25519, NamedGroup.secp256r1, NamedGroup.secp384r1
ONE_GROUP = {"groups": (X25519,)}
TWO_GROUPS = {"groups": (X25519, P256)}
GREASE = 0x4A4A


def hello(change: Any, *, nth: int = 0) -> Any:
    return lambda: instead(ClientHello, change, nth=nth)


def raw(change: Any) -> Any:
    return lambda: raw_instead(ClientHello, change)


def shares(*entries: tuple[int, bytes]) -> KeyShareClientHello:
    return KeyShareClientHello(tuple(KeyShareEntry(*entry) for entry in entries))


def psk(message: ClientHello) -> ClientHello:
    offer = PreSharedKeyClientHello((PskIdentity(b"ticket", 0),), (bytes(32),))
    changed: ClientHello = plus(message, offer)
    return changed


def followed_by(data: bytes) -> Lie:
    """Let the first ClientHello's record go on; the client's transcript does not.

    A first ClientHello is written twice: for the transcript, then to be sent.
    """
    written = 0

    def lie(end: End, message: Any, raw: bytes) -> bytes:
        nonlocal written
        written += 1
        return raw + data if written == 2 else raw

    return lie


HELLOS = [
    Case(
        "no supported_versions",
        hello(lambda m: without(m, SupportedVersionsClientHello)),
        UnsupportedVersion,
        "expected TLS 1.3 to be offered, got TLS12",
    ),
    Case(
        "TLS 1.2 and 1.1",
        hello(lambda m: plus(m, SupportedVersionsClientHello((0x0303, 0x0302)))),
        UnsupportedVersion,
        "got TLS12, TLS11",
    ),
    Case(
        "only GREASE and a draft",
        hello(lambda m: plus(m, SupportedVersionsClientHello((GREASE, 0x7F1C)))),
        UnsupportedVersion,
        "got 0x4a4a, 0x7f1c",
    ),
    Case(
        "TLS 1.0 without extensions",
        hello(lambda m: replace(m, legacy_version=0x0301, extensions=Extensions())),
        UnsupportedVersion,
        "got TLS10",
    ),
    Case(
        "TLS 1.0 that ends before extensions",
        raw(lambda m, raw: framed(1, replace(m, extensions=Extensions()).encode()[:-2])),
        UnsupportedVersion,
        "got TLS12",
    ),
    Case(
        "compression",
        hello(lambda m: replace(m, legacy_compression_methods=b"\1\0")),
        IllegalParameter,
        "legacy_compression_methods: expected 00, got 0100",
    ),
    Case(
        "no signature_algorithms",
        hello(lambda m: without(m, SignatureAlgorithms)),
        MissingExtension,
        "expected SignatureAlgorithms",
    ),
    Case(
        "no supported_groups",
        hello(lambda m: without(m, SupportedGroups)),
        MissingExtension,
        "expected SupportedGroups",
    ),
    Case(
        "no key_share",
        hello(lambda m: without(m, KeyShareClientHello)),
        MissingExtension,
        "expected KeyShareClientHello",
    ),
    Case(
        "suites of TLS 1.2 alone",
        hello(lambda m: replace(m, cipher_suites=(0xC02F, GREASE))),
        NegotiationError,
        "the client offers TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, 0x4a4a",
    ),
    Case(
        "no group in common",
        hello(lambda m: plus(m, SupportedGroups((P384, GREASE)), shares())),
        NegotiationError,
        "no group in common: the client offers secp384r1, 0x4a4a",
        server=TWO_GROUPS,
    ),
    Case(
        "no scheme in common",
        hello(lambda m: plus(m, SignatureAlgorithms((0x0401, GREASE)))),
        NegotiationError,
        "none of our certificates fits",
    ),
    Case(
        "two shares for a group",
        hello(lambda m: plus(m, shares((X25519, b"k" * 32), (X25519, b"l" * 32)))),
        IllegalParameter,
        "two for x25519",
    ),
    Case(
        "a share for a group that is not listed",
        hello(lambda m: plus(m, shares((P256, b"k" * 65)))),
        IllegalParameter,
        "a key share for secp256r1, which supported_groups does not list",
        client=ONE_GROUP,
    ),
    Case(
        "a share that is too short",
        hello(lambda m: plus(m, shares((X25519, b"k" * 31)))),
        IllegalParameter,
        "x25519 has 32 octets, not 31",
        client=ONE_GROUP,
    ),
    Case(
        "a share of low order",
        hello(lambda m: plus(m, shares((X25519, bytes(32))))),
        IllegalParameter,
        "low order",
        client=ONE_GROUP,
    ),
    Case(
        "an extension twice",
        hello(lambda m: plus(m, PostHandshakeAuth(), replacing=False)),
        IllegalParameter,
        "expected each extension once, got post_handshake_auth twice",
    ),
    Case(
        "an extension of CertificateRequest",
        hello(lambda m: plus(m, UnknownExtension(48, b"\0\0"))),
        IllegalParameter,
        "expected oid_filters only in CertificateRequest",
    ),
    Case(
        "something after pre_shared_key",
        hello(lambda m: plus(psk(m), UnknownExtension(GREASE, b""))),
        IllegalParameter,
        "expected pre_shared_key as the last extension",
    ),
    Case(
        "pre_shared_key without modes",
        hello(lambda m: psk(without(m, PskKeyExchangeModes))),
        MissingExtension,
        "expected psk_key_exchange_modes with pre_shared_key",
    ),
    Case(
        "a session id that is too long",
        raw(lambda m, raw: framed(1, replace(m, legacy_session_id=bytes(33)).encode())),
        DecodeError,
        "a session id of at most 32 bytes, got 33",
    ),
    Case(
        "a byte after its end",
        raw(lambda m, raw: framed(1, raw[4:] + b"\0")),
        DecodeError,
        "ClientHello: expected its end",
    ),
    Case("nothing in it", raw(lambda m, raw: framed(1, b"")), DecodeError, "ClientHello"),
    Case(
        "no suites",
        raw(lambda m, raw: framed(1, u16(0x0303) + bytes(32) + vec8(b"") + vec16(b""))),
        DecodeError,
        "ClientHello: expected a list of 16-bit numbers",
    ),
    Case(
        "a long one announced",
        raw(lambda m, raw: b"\x01\x01\x00\x01"),
        MessageTooLarge,
        "message of type 1: expected at most 65536 bytes, got a length of 65537",
    ),
    Case(
        "another message in the same record",
        lambda: followed_by(encode_handshake(Finished(bytes(32)))),
        UnexpectedMessage,
        "expected a key change at the end of a record",
    ),
    Case(
        "half of another message in the same record",
        lambda: followed_by(b"\x14\0\0\x20"),
        UnexpectedMessage,
        "got 4 more bytes of handshake messages",
    ),
    Case(
        "a Finished instead",
        raw(lambda m, raw: encode_handshake(Finished(bytes(32)))),
        UnexpectedMessage,
        "server handshake: expected ClientHello, got Finished",
    ),
    Case(
        "a message of TLS 1.2 instead",
        raw(lambda m, raw: framed(16, b"key")),
        UnexpectedMessage,
        "got ClientKeyExchange",
    ),
    Case(
        "no server name in server_name",
        hello(lambda m: plus(m, UnknownExtension(0, vec16(b"\0" + vec16(b""))))),
        DecodeError,
        "server_name in ClientHello",
    ),
    Case(
        "a name that is none",
        hello(lambda m: plus(m, UnknownExtension(0, vec16(b"\0" + vec16(b"a b"))))),
        IllegalParameter,
        "expected a host name of visible ASCII",
    ),
    Case(
        "a record_size_limit that is too small",
        hello(lambda m: plus(m, UnknownExtension(28, u16(63)))),
        IllegalParameter,
        "record_size_limit in ClientHello: expected at least 64, got 63",
    ),
    Case(
        "a max_fragment_length that nobody knows",
        hello(lambda m: plus(m, UnknownExtension(1, b"\x05"))),
        IllegalParameter,
        "expected a code from 1 to 4, got 5",
    ),
]


@pytest.mark.parametrize("case", HELLOS, ids=str)
def test_a_client_hello_that_lies_is_refused(case: Case) -> None:
    refuse(case, Role.client)


def again(change: Any) -> Any:
    """Change the second ClientHello."""
    return hello(change, nth=1)


def psk_without_modes(end: End, message: Any, raw: bytes) -> bytes:
    """Leave the modes out of both hellos, and offer a key in the second."""
    if type(message) is not ClientHello:
        return raw
    bare = without(message, PskKeyExchangeModes)
    return encode_handshake(psk(bare) if message.extensions.get(Cookie) else bare)


FOR_P256 = {"groups": (P256,)}
COOKIE = {"require_cookie": True}

SECOND_HELLOS = [
    *(
        Case(name, again(change), IllegalParameter, "expected the first but for", server=COOKIE)
        for name, change in {
            "another random": lambda m: replace(m, random=bytes(32)),
            "another version": lambda m: replace(m, legacy_version=0x0302),
            "another session id": lambda m: replace(m, legacy_session_id=b"another"),
            "no session id": lambda m: replace(m, legacy_session_id=b""),
            "other suites": lambda m: replace(m, cipher_suites=m.cipher_suites[::-1]),
            "fewer suites": lambda m: replace(m, cipher_suites=m.cipher_suites[:1]),
            "another name": lambda m: plus(m, ServerName("other.example")),
            "no name": lambda m: without(m, ServerName),
            "no post_handshake_auth": lambda m: without(m, PostHandshakeAuth),
            "one extension more": lambda m: plus(m, UnknownExtension(0x7777, b"")),
            "other schemes": lambda m: plus(m, SignatureAlgorithms((0x0403,))),
            "other groups": lambda m: plus(m, SupportedGroups((X25519, P256))),
        }.items()
    ),
    Case(
        "pre_shared_key without modes",
        lambda: psk_without_modes,
        MissingExtension,
        "expected psk_key_exchange_modes with pre_shared_key",
        server=COOKIE,
    ),
    Case(
        "the cookie left out",
        again(lambda m: without(m, Cookie)),
        MissingExtension,
        "expected the extension Cookie",
        server=COOKIE,
    ),
    Case(
        "another cookie",
        again(lambda m: plus(m, Cookie(bytes(32)))),
        IllegalParameter,
        "the cookie is not ours",
        server=COOKIE,
    ),
    Case(
        "half of the cookie",
        again(lambda m: plus(m, Cookie(m.extensions.require(Cookie).cookie[:16]))),
        IllegalParameter,
        "the cookie is not ours",
        server=COOKIE,
    ),
    Case(
        "another share, and only a cookie was asked for",
        again(lambda m: plus(m, shares((X25519, b"k" * 32)))),
        IllegalParameter,
        "expected the same key shares",
        client=ONE_GROUP,
        server=COOKIE,
    ),
    Case(
        "no share",
        again(lambda m: plus(m, shares())),
        IllegalParameter,
        "expected one key share, for secp256r1, got none",
        client=TWO_GROUPS,
        server=FOR_P256,
    ),
    Case(
        "no key_share at all",
        again(lambda m: without(m, KeyShareClientHello)),
        MissingExtension,
        "KeyShareClientHello",
        client=TWO_GROUPS,
        server=FOR_P256,
    ),
    Case(
        "a share for another group",
        again(lambda m: plus(m, shares((X25519, b"k" * 32)))),
        IllegalParameter,
        "expected one key share, for secp256r1, got x25519",
        client=TWO_GROUPS,
        server=FOR_P256,
    ),
    Case(
        "two shares",
        again(
            lambda m: plus(
                m,
                shares(
                    (P256, m.extensions.require(KeyShareClientHello).client_shares[0].key_exchange),
                    (X25519, b"k" * 32),
                ),
            )
        ),
        IllegalParameter,
        "got secp256r1, x25519",
        client=TWO_GROUPS,
        server=FOR_P256,
    ),
    Case(
        "a point that is not on the curve",
        again(lambda m: plus(m, shares((P256, b"\x04" + bytes(63) + b"\x07")))),
        IllegalParameter,
        "no uncompressed point",
        client=TWO_GROUPS,
        server=FOR_P256,
    ),
    Case(
        "a Finished instead",
        lambda: raw_instead(
            ClientHello, lambda m, raw: encode_handshake(Finished(bytes(32))), nth=1
        ),
        UnexpectedMessage,
        "server handshake: expected ClientHello, got Finished",
        server=COOKIE,
    ),
]


@pytest.mark.parametrize("case", SECOND_HELLOS, ids=str)
def test_a_second_hello_that_lies_is_refused(case: Case) -> None:
    refuse(case, Role.client)


@pytest.mark.parametrize(
    "change",
    [
        lambda m: plus(m, UnknownExtension(21, bytes(40))),
        lambda m: psk(m),
    ],
    ids=["padding", "pre_shared_key"],
)
def test_what_a_second_hello_may_change(change: Any) -> None:
    """§4.1.2 names padding and pre_shared_key."""
    pair = ConnectionPair(server=server_config(**COOKIE))
    with lying(pair.client, instead(ClientHello, change, nth=1)):
        pair.handshake()


def greasy(message: ClientHello) -> ClientHello:
    """GREASE in every list that a client writes (RFC 8701 section 3.1)."""
    extensions = message.extensions
    groups = extensions.require(SupportedGroups).named_group_list
    entries = extensions.require(KeyShareClientHello).client_shares
    schemes = extensions.require(SignatureAlgorithms).supported_signature_algorithms
    changed: ClientHello = plus(
        replace(message, cipher_suites=(GREASE, *message.cipher_suites)),
        SupportedVersionsClientHello((GREASE, 0x0304)),
        SupportedGroups((GREASE, *groups)),
        KeyShareClientHello((KeyShareEntry(GREASE, b"\0"), *entries)),
        SignatureAlgorithms((GREASE, *schemes)),
        PskKeyExchangeModes((0x0B, 1)),
        UnknownExtension(0x8A8A, b""),
        UnknownExtension(0xBABA, b"\0"),
        UnknownExtension(16, vec16(vec8(b"\x4a\x4a") + vec8(b"http/1.1"))),
    )
    return changed


def test_grease_everywhere_changes_nothing() -> None:
    pair = ConnectionPair(server=server_config(alpn_protocols=(b"http/1.1",)))
    with lying(pair.client, instead(ClientHello, greasy)):
        pair.client.connection.start()
        pair.server.receive(pair.client.connection.data_to_send())
    assert pair.server.error is None
    pair.server.settle()
    assert pair.server.connection.has_data_to_send
    # the client did not offer ALPN, so let it not be there for a whole handshake
    pair = ConnectionPair()
    with lying(pair.client, instead(ClientHello, greasy)):
        pair.handshake()


def test_early_data_that_is_offered_is_ignored() -> None:
    """§4.2.10: a server that takes none answers as if it was not asked."""
    pair = ConnectionPair()
    with lying(pair.client, instead(ClientHello, lambda m: psk(plus(m, EarlyDataIndication())))):
        pair.handshake()


EARLY = [plain(23, bytes((number,)) * 100) for number in range(5)]


def offering_early_data(early: bytes, **server: Any) -> ConnectionPair:
    """A client that goes on with early data, under a key that nobody else has."""
    pair = ConnectionPair(server=server_config(**server))
    with lying(pair.client, instead(ClientHello, lambda m: psk(plus(m, EarlyDataIndication())))):
        pair.client.connection.start()
        pair.server.receive(pair.client.connection.data_to_send() + early)
        pair.move()
    return pair


@pytest.mark.parametrize("server", [{}, COOKIE], ids=["simple", "retry"])
def test_early_data_that_we_do_not_take_is_passed_over(server: dict[str, Any]) -> None:
    """§4.2.10: by trial decryption, or after a retry by its content type."""
    pair = offering_early_data(plain(20, b"\1") + b"".join(EARLY), **server)
    assert pair.client.error is pair.server.error is None
    pair.handshake()
    pair.client.connection.send_data(b"in time")
    pair.move()
    assert pair.server.data == b"in time"


@pytest.mark.parametrize("server", [{}, COOKIE], ids=["simple", "retry"])
def test_early_data_has_a_limit(server: dict[str, Any]) -> None:
    records = plain(23, bytes(16000 + 17)) * 2
    pair = offering_early_data(records, **server)
    check_refusal(pair.server, pair.client, TooMuch, "rejected early data: expected at most 384")


def test_early_data_that_nobody_offered_is_refused() -> None:
    pair = ConnectionPair()
    pair.client.connection.start()
    pair.server.receive(pair.client.connection.data_to_send() + EARLY[0])
    pair.move()
    check_refusal(pair.server, pair.client, BadRecordMac, "expected a valid tag")


def test_versions_before_tls_1_3_may_be_offered_too() -> None:
    pair = ConnectionPair()
    lie = instead(
        ClientHello, lambda m: plus(m, SupportedVersionsClientHello((0x0304, 0x0303, 0x0302)))
    )
    with lying(pair.client, lie):
        pair.handshake()


@pytest.mark.parametrize("version", [0x0300, 0x0301, 0x0303, 0x0304, 0xFFFF])
def test_record_versions_are_ignored(version: int) -> None:
    pair = ConnectionPair()
    pair.client.connection.start()
    data = pair.client.connection.data_to_send()
    pair.server.receive(data[:1] + version.to_bytes(2, "big") + data[3:])
    pair.handshake()


def test_the_server_prefers_its_own_order() -> None:
    suites = (CipherSuite.TLS_CHACHA20_POLY1305_SHA256, CipherSuite.TLS_AES_128_GCM_SHA256)
    pair = ConnectionPair(
        client_config(cipher_suites=suites[::-1], groups=(P256, X25519), key_shares=2),
        server_config(cipher_suites=suites, groups=(X25519, P256)),
    ).handshake()
    established = pair.client.connection.established
    assert established is not None
    assert (established.suite.code, established.group) == (suites[0], X25519)
    assert not established.hello_retry_request


def test_change_cipher_spec_before_the_first_hello_is_refused() -> None:
    """§5: only from the first ClientHello on."""
    pair = ConnectionPair()
    pair.server.receive(plain(ContentType.change_cipher_spec, b"\x01"))
    assert type(pair.server.error) is UnexpectedMessage
    assert "change_cipher_spec: expected none now" in str(pair.server.error)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", DecodeError),
        (bytes.fromhex("802e0100020015"), DecodeError),  # SSL 2.0
        (plain(23, b"early"), UnexpectedMessage),
        (plain(22, b""), UnexpectedMessage),
        (plain(22, b"x" * (2**14 + 1)), RecordOverflow),
    ],
    ids=["HTTP", "SSL 2.0", "data", "empty", "long"],
)
def test_what_is_no_client_hello(data: bytes, error: type[Exception]) -> None:
    pair = ConnectionPair()
    pair.server.receive(data)
    assert type(pair.server.error) is error
    assert str(pair.server.error).startswith("client: ")
    assert pair.server.connection.has_data_to_send


# --- what a hello may not be, whatever else it says


@pytest.mark.parametrize("version", [0x0300, 0x0200, 0x0000])
def test_ssl3_is_refused_though_the_extension_offers_tls(version: int) -> None:
    """RFC 8446 appendix D.5: protocol_version."""
    case = Case(
        "legacy_version",
        hello(lambda m: replace(m, legacy_version=version)),
        UnsupportedVersion,
        f"ClientHello.legacy_version: expected more than 0x0300, .* got 0x{version:04x}",
    )
    refuse(case, Role.client)


@pytest.mark.parametrize("version", [0x0301, 0x0302, 0x0304, 0x0305])
def test_any_other_legacy_version_means_nothing(version: int) -> None:
    """Section 4.2.1: what counts is supported_versions."""
    pair = ConnectionPair()
    with lying(pair.client, hello(lambda m: replace(m, legacy_version=version))()):
        pair.handshake()
