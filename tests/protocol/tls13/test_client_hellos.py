"""The client's exchange of hellos: what it takes from a server, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from postshake.constants import (
    CipherSuite,
    ContentType,
    HandshakeType,
    NamedGroup,
    ProtocolVersion,
    Role,
)
from postshake.errors import (
    DecodeError,
    IllegalParameter,
    MessageTooLarge,
    MissingExtension,
    UnexpectedMessage,
    UnsupportedExtension,
    UnsupportedVersion,
)
from postshake.wire.auth import Finished
from postshake.wire.codec import u16
from postshake.wire.extensions import (
    ApplicationLayerProtocolNegotiation,
    Cookie,
    KeyShareClientHello,
    KeyShareEntry,
    KeyShareHelloRetryRequest,
    KeyShareServerHello,
    PreSharedKeyServerHello,
    ServerNameAck,
    SupportedVersionsServerHello,
    UnknownExtension,
)
from postshake.wire.handshake import decode_handshake, encode_handshake
from postshake.wire.hello import (
    DOWNGRADE_TLS11,
    DOWNGRADE_TLS12,
    HELLO_RETRY_REQUEST_RANDOM,
    ClientHello,
    EncryptedExtensions,
    ServerHello,
)
from tests.hostile import send_record
from tests.pair import ConnectionPair, End, client_config, server_config
from tests.record.records import plain
from tests.tampering import Case, Lie, framed, instead, lying, plus, raw_instead, refuse, without

AES, CHACHA = CipherSuite.TLS_AES_128_GCM_SHA256, CipherSuite.TLS_CHACHA20_POLY1305_SHA256
X25519, P256, P384 = NamedGroup.x25519, NamedGroup.secp256r1, NamedGroup.secp384r1
ONE_GROUP = {"groups": (X25519,)}
TWO_GROUPS = {"groups": (X25519, P256)}


def hello(change: Any, *, nth: int = 0) -> Any:
    return lambda: instead(ServerHello, change, nth=nth)


def raw(change: Any) -> Any:
    return lambda: raw_instead(ServerHello, change)


def share(group: int, key: bytes) -> KeyShareServerHello:
    return KeyShareServerHello(KeyShareEntry(group, key))


HELLOS = [
    Case(
        "legacy_version",
        hello(lambda m: replace(m, legacy_version=0x0304)),
        IllegalParameter,
        "legacy_version: expected 0x0303, as in TLS 1.2, got 0x0304",
    ),
    Case(
        "another session id",
        hello(lambda m: replace(m, legacy_session_id_echo=bytes(32))),
        IllegalParameter,
        "legacy_session_id_echo: expected b'.*, got b'",
    ),
    Case(
        "no session id",
        hello(lambda m: replace(m, legacy_session_id_echo=b"")),
        IllegalParameter,
        "legacy_session_id_echo",
    ),
    Case(
        "compression",
        hello(lambda m: replace(m, legacy_compression_method=1)),
        IllegalParameter,
        "legacy_compression_method: expected 0, got 1",
    ),
    Case(
        "a suite that was not offered",
        hello(lambda m: replace(m, cipher_suite=CHACHA)),
        IllegalParameter,
        "expected a cipher suite of ours, got TLS_CHACHA20_POLY1305_SHA256",
        client={"cipher_suites": (AES,)},
    ),
    Case(
        "a suite of TLS 1.2",
        hello(lambda m: replace(m, cipher_suite=0xC02F)),
        IllegalParameter,
        "got TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    ),
    Case(
        "a GREASE suite",
        hello(lambda m: replace(m, cipher_suite=0x0A0A)),
        IllegalParameter,
        "got 0x0a0a",
    ),
    Case(
        "TLS 1.2",
        hello(lambda m: without(m, SupportedVersionsServerHello, KeyShareServerHello)),
        UnsupportedVersion,
        "expected TLS 1.3, got TLS12",
    ),
    Case(
        "TLS 1.0",
        hello(
            lambda m: replace(
                without(m, SupportedVersionsServerHello, KeyShareServerHello), legacy_version=0x0301
            )
        ),
        UnsupportedVersion,
        "expected TLS 1.3, got TLS10",
    ),
    *(
        Case(
            f"TLS 1.2 with the sentinel {sentinel[-1]}",
            hello(
                lambda m, sentinel=sentinel: replace(
                    without(m, SupportedVersionsServerHello, KeyShareServerHello),
                    random=m.random[:-8] + sentinel,
                )
            ),
            IllegalParameter,
            "tampered with our ClientHello",
        )
        for sentinel in (DOWNGRADE_TLS12, DOWNGRADE_TLS11)
    ),
    Case(
        "TLS 1.2 in supported_versions",
        hello(lambda m: plus(m, SupportedVersionsServerHello(0x0303))),
        IllegalParameter,
        "expected TLS 1.3 in supported_versions, got 0x0303",
    ),
    Case(
        "no key share",
        hello(lambda m: without(m, KeyShareServerHello)),
        MissingExtension,
        "ServerHello: expected key_share, got none",
    ),
    Case(
        "a share for a group without one of ours",
        hello(lambda m: plus(m, share(P256, b"\x04" + bytes(64)))),
        IllegalParameter,
        "expected a key share for a group of ours, got secp256r1",
        client=TWO_GROUPS,
    ),
    Case(
        "a GREASE share",
        hello(lambda m: plus(m, share(0x1A1A, b"\0"))),
        IllegalParameter,
        "got 0x1a1a",
    ),
    Case(
        "a share that is too long",
        hello(lambda m: plus(m, share(X25519, bytes(33)))),
        IllegalParameter,
        "x25519 has 32 octets, not 33",
        client=ONE_GROUP,
    ),
    Case(
        "a share of low order",
        hello(lambda m: plus(m, share(X25519, bytes(32)))),
        IllegalParameter,
        "low order",
        client=ONE_GROUP,
    ),
    Case(
        "a point that is not on the curve",
        hello(lambda m: plus(m, share(P256, b"\x04" + bytes(63) + b"\x07"))),
        IllegalParameter,
        "no uncompressed point",
        client={"groups": (P256,)},
    ),
    Case(
        "an extension twice",
        hello(lambda m: plus(m, SupportedVersionsServerHello(0x0304), replacing=False)),
        IllegalParameter,
        "expected each extension once, got supported_versions twice",
    ),
    Case(
        "an extension of EncryptedExtensions",
        hello(lambda m: plus(m, ServerNameAck())),
        IllegalParameter,
        "expected server_name only in .*EncryptedExtensions",
    ),
    Case(
        "a pre-shared key that nobody offered",
        hello(lambda m: plus(m, PreSharedKeyServerHello(0))),
        UnsupportedExtension,
        "extension 41 answers none of ours",
    ),
    Case(
        "an extension that we do not know",
        hello(lambda m: plus(m, UnknownExtension(0x7777, b""))),
        UnsupportedExtension,
        "ServerHello: extension 30583 answers none of ours",
    ),
    Case(
        "a byte after its end",
        raw(lambda m, raw: framed(2, raw[4:] + b"\0")),
        DecodeError,
        "ServerHello: expected its end at byte \\d+, got 1 bytes more",
    ),
    Case("a byte too few", raw(lambda m, raw: framed(2, raw[4:-1])), DecodeError, "ServerHello"),
    Case("nothing in it", raw(lambda m, raw: framed(2, b"")), DecodeError, "ServerHello: expected"),
    Case(
        "a long one announced",
        raw(lambda m, raw: b"\x02\xff\xff\xff"),
        MessageTooLarge,
        "expected at most 65536 bytes, got a length of 16777215",
    ),
    Case(
        "EncryptedExtensions in the same record",
        raw(lambda m, raw: raw + encode_handshake(EncryptedExtensions())),
        UnexpectedMessage,
        "expected a key change at the end of a record, got 6 more bytes",
    ),
    Case(
        "the header of another message in the same record",
        raw(lambda m, raw: raw + b"\x08\0"),
        UnexpectedMessage,
        "got 2 more bytes of handshake messages",
    ),
    Case(
        "two of them in a record",
        raw(lambda m, raw: raw + raw),
        UnexpectedMessage,
        "key change",
    ),
    Case(
        "a Finished instead",
        raw(lambda m, raw: encode_handshake(Finished(bytes(32)))),
        UnexpectedMessage,
        "client handshake: expected ServerHello, got Finished",
    ),
    Case(
        "a message of TLS 1.2 instead",
        raw(lambda m, raw: framed(14, b"")),
        UnexpectedMessage,
        "got ServerHelloDone",
    ),
    Case(
        "a message type that nobody has",
        raw(lambda m, raw: framed(99, b"abc")),
        UnexpectedMessage,
        "expected ServerHello, got 0x0063",
    ),
]


@pytest.mark.parametrize("case", HELLOS, ids=str)
def test_a_server_hello_that_lies_is_refused(case: Case) -> None:
    refuse(case, Role.server)


def retry(message: ServerHello, *items: Any, **fields: Any) -> ServerHello:
    """A HelloRetryRequest in the place of a ServerHello."""
    asking = without(message, KeyShareServerHello, KeyShareHelloRetryRequest, Cookie)
    return plus(replace(asking, random=HELLO_RETRY_REQUEST_RANDOM, **fields), *items)


RETRIES = [
    Case(
        "nothing asked for",
        hello(lambda m: retry(m)),
        IllegalParameter,
        "expected a group or a cookie, got nothing to change",
    ),
    Case(
        "a group that was not offered",
        hello(lambda m: retry(m, KeyShareHelloRetryRequest(P384))),
        IllegalParameter,
        "asks for secp384r1, which we did not offer",
        client=TWO_GROUPS,
    ),
    Case(
        "a GREASE group",
        hello(lambda m: retry(m, KeyShareHelloRetryRequest(0x2A2A))),
        IllegalParameter,
        "asks for 0x2a2a",
    ),
    Case(
        "a group that has a share",
        hello(lambda m: retry(m, KeyShareHelloRetryRequest(X25519))),
        IllegalParameter,
        "asks for x25519, for which it has a key share",
        client=TWO_GROUPS,
    ),
    Case(
        "another session id",
        hello(lambda m: retry(m, Cookie(b"c"), legacy_session_id_echo=b"x")),
        IllegalParameter,
        "legacy_session_id_echo",
    ),
    Case(
        "compression",
        hello(lambda m: retry(m, Cookie(b"c"), legacy_compression_method=1)),
        IllegalParameter,
        "compression",
    ),
    Case(
        "a suite that was not offered",
        hello(lambda m: retry(m, Cookie(b"c"), cipher_suite=0x1301)),
        IllegalParameter,
        "cipher suite",
        client={"cipher_suites": (CHACHA,)},
    ),
    Case(
        "no supported_versions",
        hello(lambda m: without(retry(m, Cookie(b"c")), SupportedVersionsServerHello)),
        UnsupportedVersion,
        "expected TLS 1.3",
    ),
    Case(
        "TLS 1.2",
        hello(lambda m: retry(m, Cookie(b"c"), SupportedVersionsServerHello(0x0303))),
        IllegalParameter,
        "0x0303",
    ),
    Case(
        "an empty cookie",
        raw(lambda m, raw: encode_handshake(retry(m, UnknownExtension(44, b"\0\0")))),
        DecodeError,
        "cookie in HelloRetryRequest: expected a vector of at least 1",
    ),
    Case(
        "an extension that we do not know",
        hello(lambda m: retry(m, Cookie(b"c"), UnknownExtension(0x7777, b""))),
        UnsupportedExtension,
        "HelloRetryRequest: extension 30583",
    ),
    Case(
        "a share instead of a group",
        hello(lambda m: retry(m, UnknownExtension(51, u16(P256) + u16(1) + b"k"))),
        DecodeError,
        "key_share in HelloRetryRequest",
        client=TWO_GROUPS,
    ),
    Case(
        "a cookie in ServerHello",
        hello(lambda m: plus(m, Cookie(b"c"))),
        IllegalParameter,
        "expected cookie only in ClientHello, HelloRetryRequest",
    ),
    Case(
        "a second one",
        lambda: instead(
            ServerHello,
            lambda m: retry(m, Cookie(b"another")),
            nth=1,
        ),
        UnexpectedMessage,
        "expected ServerHello, got a second HelloRetryRequest",
        server={"require_cookie": True},
    ),
    Case(
        "another suite afterwards",
        lambda: instead(ServerHello, lambda m: replace(m, cipher_suite=CHACHA), nth=1),
        IllegalParameter,
        "expected the suite of the HelloRetryRequest, TLS_AES_128_GCM_SHA256, got TLS_CHACHA20",
        server={"require_cookie": True},
    ),
    Case(
        "a share for another group afterwards",
        lambda: instead(ServerHello, lambda m: plus(m, share(X25519, b"k" * 32)), nth=1),
        IllegalParameter,
        "expected a key share for a group of ours, got x25519",
        client=TWO_GROUPS,
        server={"groups": (P256,)},
    ),
    Case(
        "another session id afterwards",
        lambda: instead(ServerHello, lambda m: replace(m, legacy_session_id_echo=b"x"), nth=1),
        IllegalParameter,
        "legacy_session_id_echo",
        server={"require_cookie": True},
    ),
    Case(
        "TLS 1.2 afterwards, which we speak (CVE-2019-17023)",
        lambda: instead(
            ServerHello,
            lambda m: without(m, SupportedVersionsServerHello, KeyShareServerHello),
            nth=1,
        ),
        UnsupportedVersion,
        "expected TLS 1.3, got TLS",
        client={"versions": (ProtocolVersion.TLS13, ProtocolVersion.TLS12)},
        server={"require_cookie": True},
    ),
    Case(
        "no key share afterwards (CVE-2026-3230)",
        lambda: instead(ServerHello, lambda m: without(m, KeyShareServerHello), nth=1),
        MissingExtension,
        "key_share",
        server={"require_cookie": True},
    ),
]


@pytest.mark.parametrize("case", RETRIES, ids=str)
def test_a_retry_that_lies_is_refused(case: Case) -> None:
    refuse(case, Role.server)


def messages_sent(end: End) -> list[Any]:
    """The handshake messages in plaintext that wait to be sent."""
    data, found = end.connection.data_to_send(), []
    while data:
        size = 5 + int.from_bytes(data[3:5], "big")
        record, data = data[:size], data[size:]
        if record[0] == ContentType.handshake:
            found.append(decode_handshake(record[5], record[9:]))
    return found


@pytest.mark.parametrize(
    ("server", "group"),
    [
        ({"groups": (P256,)}, P256),
        ({"require_cookie": True}, X25519),
        ({"groups": (P256,), "require_cookie": True}, P256),
    ],
    ids=["group", "cookie", "both"],
)
def test_a_retry_is_followed(server: dict[str, Any], group: NamedGroup) -> None:
    hellos: list[ClientHello] = []

    def watch(end: End, message: Any, raw: bytes) -> bytes:
        if isinstance(message, ClientHello) and message not in hellos:
            hellos.append(message)
        return raw

    pair = ConnectionPair(client_config(**TWO_GROUPS), server_config(**server))
    with lying(pair.client, watch):
        pair.handshake()
    for end in (pair.client, pair.server):
        established = end.connection.established
        assert established is not None
        assert (established.group, established.hello_retry_request) == (group, True)
    first, second = hellos
    assert first.random == second.random
    assert first.legacy_session_id == second.legacy_session_id
    shares = second.extensions.require(KeyShareClientHello).client_shares
    assert [entry.group for entry in shares] == [group]
    if group is X25519:
        assert first.extensions.get(KeyShareClientHello) == second.extensions.get(
            KeyShareClientHello
        )
    assert (second.extensions.get(Cookie) is not None) is server.get("require_cookie", False)
    pair.client.connection.send_data(b"after a retry")
    pair.move()
    assert pair.server.data == b"after a retry"


def test_without_a_retry_none_is_reported() -> None:
    established = ConnectionPair().handshake().client.connection.established
    assert established is not None
    assert not established.hello_retry_request


def test_no_share_at_all_leads_to_a_retry() -> None:
    pair = ConnectionPair(client_config(key_shares=0, **ONE_GROUP)).handshake()
    established = pair.client.connection.established
    assert established is not None
    assert established.hello_retry_request


def test_a_cookie_comes_back_as_it_was() -> None:
    cookie = bytes(range(256)) * 8

    def ask(message: Any) -> Any:
        return retry(message, Cookie(cookie)) if message.is_hello_retry_request else message

    pair = ConnectionPair(server=server_config(require_cookie=True))
    with lying(pair.server, instead(ServerHello, ask)):
        pair.client.connection.start()
        pair.server.receive(pair.client.connection.data_to_send())
        pair.client.receive(pair.server.connection.data_to_send())
        (second,) = messages_sent(pair.client)
    assert second.extensions.require(Cookie).cookie == cookie


def test_the_first_record_says_tls_1_0_and_no_other() -> None:
    pair = ConnectionPair(server=server_config(require_cookie=True))
    pair.client.connection.start()
    first = pair.client.connection.data_to_send()
    pair.server.receive(first)
    pair.client.receive(pair.server.connection.data_to_send())
    second = pair.client.connection.data_to_send()
    assert first[:3].hex() == "160301"
    assert second[6:9].hex() == "160303"


def content_types(data: bytes) -> list[int]:
    found = []
    while data:
        found.append(data[0])
        data = data[5 + int.from_bytes(data[3:5], "big") :]
    return found


CCS, HANDSHAKE, PROTECTED = 20, 22, 23


@pytest.mark.parametrize("cookie", [False, True], ids=["simple", "retry"])
def test_where_change_cipher_spec_stands(cookie: bool) -> None:
    """§D.4: the client's before its second flight, the server's after its first message."""
    batches: list[tuple[str, list[int]]] = []

    def tap(direction: str, data: bytes) -> bytes:
        if data:
            batches.append((direction, content_types(data)))
        return data

    pair = ConnectionPair(server=server_config(require_cookie=cookie))
    pair.tamper = tap
    pair.handshake()
    if not cookie:
        assert batches == [
            ("to server", [HANDSHAKE]),
            ("to client", [HANDSHAKE, CCS, PROTECTED]),
            ("to server", [CCS, PROTECTED]),
        ]
    else:
        assert batches == [
            ("to server", [HANDSHAKE]),
            ("to client", [HANDSHAKE, CCS]),
            ("to server", [CCS, HANDSHAKE]),
            ("to client", [HANDSHAKE, PROTECTED]),
            ("to server", [PROTECTED]),
        ]


@pytest.mark.parametrize("cookie", [False, True], ids=["simple", "retry"])
def test_without_compatibility_there_is_none(cookie: bool) -> None:
    seen: list[int] = []

    def tap(direction: str, data: bytes) -> bytes:
        seen.extend(content_types(data))
        return data

    pair = ConnectionPair(
        client_config(middlebox_compatibility=False), server_config(require_cookie=cookie)
    )
    pair.tamper = tap
    pair.handshake()
    assert CCS not in seen


def test_change_cipher_spec_between_any_two_records_changes_nothing() -> None:
    pair = ConnectionPair()
    spare = {"to server": 4, "to client": 4}  # the limit is 8, ours come on top

    def strew(direction: str, data: bytes) -> bytes:
        end = pair.server if direction == "to server" else pair.client
        out = b""
        while data:
            size = 5 + int.from_bytes(data[3:5], "big")
            started = direction == "to client" or end.connection.state.value != "new"
            if started and spare[direction] and end.connection.established is None:
                spare[direction] -= 1
                out += plain(CCS, b"\x01")
            out += data[:size]
            data = data[size:]
        return out

    pair.tamper = strew
    pair.client.connection.start()
    pair.server.connection.start()
    spare["to server"] = 0  # before the ClientHello it is not allowed
    pair.server.receive(strew("to server", pair.client.connection.data_to_send()))
    spare["to server"] = 4
    pair.handshake()
    assert spare == {"to server": 2, "to client": 1}


@pytest.mark.parametrize("body", [b"\x02", b"\x01\x01", b""])
def test_no_other_change_cipher_spec_is_allowed(body: bytes) -> None:
    pair = ConnectionPair()
    pair.client.connection.start()
    pair.client.receive(plain(CCS, body))
    assert type(pair.client.error) is UnexpectedMessage
    assert "change_cipher_spec" in str(pair.client.error)


def test_change_cipher_spec_after_the_handshake_is_refused() -> None:
    pair = ConnectionPair().handshake()
    pair.client.receive(plain(CCS, b"\x01"))
    assert type(pair.client.error) is UnexpectedMessage
    pair.move()
    assert "unexpected_message" in str(pair.server.error)


def test_a_server_that_speaks_something_else_is_named() -> None:
    pair = ConnectionPair()
    pair.client.connection.start()
    pair.client.receive(b"HTTP/1.1 400 Bad Request\r\n")
    assert type(pair.client.error) is DecodeError
    assert str(pair.client.error).startswith("server: ")
    assert "HTTP" in str(pair.client.error)


@pytest.mark.parametrize("kind", [HandshakeType.client_hello, HandshakeType.key_update])
def test_only_a_server_hello_opens(kind: HandshakeType) -> None:
    pair = ConnectionPair()
    pair.client.connection.start()
    pair.server.connection.start()
    honest = pair.client.connection.data_to_send()
    body = honest[5:] if kind is HandshakeType.client_hello else framed(kind, b"\0")
    send_record(pair.server, ContentType.handshake, body)
    pair.client.receive(pair.server.connection.data_to_send())
    assert isinstance(pair.client.error, UnexpectedMessage)
    assert "expected ServerHello" in str(pair.client.error)


def test_grease_in_a_server_hello_is_refused_and_in_lists_is_not_ours() -> None:
    """RFC 8701: a client must refuse GREASE that a server selects."""
    case = Case(
        "GREASE",
        lambda: instead(ServerHello, lambda m: plus(m, UnknownExtension(0xFAFA, b""))),
        UnsupportedExtension,
        "64250",
    )
    refuse(case, Role.server)


def test_alpn_stands_in_encrypted_extensions_only() -> None:
    lie: Lie = instead(
        ServerHello, lambda m: plus(m, ApplicationLayerProtocolNegotiation((b"http/1.1",)))
    )
    case = Case("ALPN", lambda: lie, IllegalParameter, "application_layer_protocol_negotiation")
    refuse(case, Role.server)


@pytest.mark.parametrize("versions", [(0x0304,), (0x0304, 0x0303)])
@pytest.mark.parametrize("version", [0x0300, 0x0000])
def test_ssl3_is_refused_though_the_extension_says_tls(
    version: int, versions: tuple[int, ...]
) -> None:
    """RFC 8446 appendix D.5: protocol_version."""
    case = Case(
        "legacy_version",
        hello(lambda m: replace(m, legacy_version=version)),
        UnsupportedVersion,
        f"ServerHello.legacy_version: expected more than 0x0300, .* got 0x{version:04x}",
        client={"versions": versions},
    )
    refuse(case, Role.server)
