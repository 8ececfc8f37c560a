"""TLS 1.2 from the server's side: what it settles and refuses, and sessions on both."""

from __future__ import annotations

import hmac
from dataclasses import replace
from typing import Any

import pytest

from postshake import ReauthUnavailable
from postshake.config import ClientAuth
from postshake.connection import State
from postshake.constants import AlertDescription as Alert
from postshake.constants import AlertLevel, CipherSuite, NamedGroup, SignatureScheme
from postshake.errors import (
    AlertReceived,
    BadCertificate,
    BadRecordMac,
    BadSignature,
    CertificateRequired,
    DecodeError,
    IllegalParameter,
    InappropriateFallback,
    InternalError,
    NegotiationError,
    NoApplicationProtocol,
    TLSError,
    TooMuch,
    UnexpectedMessage,
    UnknownCA,
    UnrecognizedName,
    UnsupportedVersion,
    UsageError,
)
from postshake.protocol.client_hello import tls12_extensions
from postshake.questions import ChooseCredential, Sign
from postshake.record.limits import Limits
from postshake.wire.auth import CertificateVerify
from postshake.wire.extensions import (
    ApplicationLayerProtocolNegotiation,
    EcPointFormats,
    ExtendedMasterSecret,
    RecordSizeLimit,
    RenegotiationInfo,
    SessionTicket,
    SignatureAlgorithms,
    SupportedGroups,
    SupportedVersionsClientHello,
)
from postshake.wire.hello import ClientHello, ServerHello
from postshake.wire.tls12 import (
    Certificate12,
    CertificateRequest12,
    ClientKeyExchange,
    HelloRequest,
    ServerKeyExchange,
)
from tests.certs import CA, NOW
from tests.pair import ConnectionPair, issued, the_ca
from tests.sealer import Sealer
from tests.tls12 import (
    BOTH,
    CCS,
    SIGNED_SUITES,
    Raw,
    check_refusal,
    lie,
    pair12,
    plus,
    records,
    swap,
    without,
)
from tests.tls12 import record as record_of

REQUIRE = {"client_auth": ClientAuth.REQUIRE}
HELLO_REQUEST = bytes(4)


def flipped(data: bytes) -> bytes:
    return data[:-1] + bytes((data[-1] ^ 1,))


def hello(change: Any) -> Any:
    return swap(ClientHello, change)


def drop(message: Any) -> list[Any]:
    return []


# Certificates of clients


@pytest.mark.parametrize(
    "key_type", ["p256", "p384", "p521", "ed25519", "ed448", "rsa2048", "rsa-pss"]
)
def test_a_client_proves_itself_with_every_key(key_type: str) -> None:
    credential = issued("alice", key_type=key_type).credential()
    pair = pair12(client={"credentials": (credential,)}, server=REQUIRE).handshake()
    identity = pair.server.connection.peer_identity
    assert identity is not None
    assert identity.chain == credential.chain
    assert identity.verified
    assert identity.proven_at == NOW.timestamp()
    assert pair.client.connection.established is not None
    assert pair.client.connection.established.our_credential is credential


def test_a_client_that_has_none() -> None:
    pair = pair12(server={"client_auth": ClientAuth.REQUEST}).handshake()
    assert pair.server.connection.peer_identity is None
    check_refusal(
        pair12(server=REQUIRE),
        "server",
        CertificateRequired,
        Alert.handshake_failure,  # TLS 1.2 knows no certificate_required
        "expected a certificate, got none",
    )


def test_a_client_that_nobody_vouches_for() -> None:
    stranger = CA("Stranger").issue("alice").credential()
    check_refusal(
        pair12(client={"credentials": (stranger,)}, server=REQUIRE),
        "server",
        UnknownCA,
        Alert.unknown_ca,
        "",
    )


@pytest.mark.parametrize(
    ("types", "chosen"), [((64, 1), "p256"), ((1,), "rsa2048"), ((2, 3), None), ((64,), "p256")]
)
def test_certificate_types_are_heeded(types: tuple[int, ...], chosen: str | None) -> None:
    credentials = tuple(issued(f"c-{kind}", key_type=kind).credential() for kind in KINDS)
    pair = pair12(client={"credentials": credentials}, server={"client_auth": ClientAuth.REQUEST})
    seen: list[Certificate12] = []
    forced = swap(CertificateRequest12, lambda m: replace(m, certificate_types=types))
    lie(pair, "to client", forced)
    to_client = pair.tamper
    lie(pair, "to server", lambda m, raw: seen.append(m))
    to_server = pair.tamper
    pair.tamper = lambda name, data: to_server(name, to_client(name, data))
    pair.client.connection.start()
    pair.move()  # it ends in a wrong Finished: the transcripts differ
    certificate = next(each for each in seen if isinstance(each, Certificate12))
    expected = credentials[KINDS.index(chosen)].chain if chosen else ()
    assert certificate.certificate_list == expected


KINDS = ("p256", "rsa2048")


@pytest.mark.parametrize("liar", ["client", "server"])
def test_a_key_for_encryption_too_does_not_sign_as_one_for_pss_alone(liar: str) -> None:
    """The signature would verify; the certificate says otherwise (§4.2.3)."""
    credential = issued("both", "both", "rsa2048").credential()
    if liar == "server":
        credential = issued("server.example", "server", "rsa2048").credential()
    vars(credential)["schemes12"] = (SignatureScheme.rsa_pss_pss_sha256,)
    fields = {"credentials": (credential,)}
    pair = pair12(client=fields, server=REQUIRE) if liar == "client" else pair12(server=fields)
    victim = "server" if liar == "client" else "client"
    check_refusal(pair, victim, IllegalParameter, Alert.illegal_parameter, "does not fit the cert")


def test_authorities_are_told_and_heeded() -> None:
    other = CA("Other").issue("mallory").credential()
    alice = issued("alice").credential()
    pair = pair12(
        client={"credentials": (other, alice)},
        server=REQUIRE | {"certificate_authorities": (the_ca().name,)},
    ).handshake()
    assert pair.client.connection.established is not None
    assert pair.client.connection.established.our_credential is alice


# What is refused: lies of the client's

POINT = bytes.fromhex("04") + bytes(64)

REFUSALS: list[Any] = [
    # ClientHello
    ("TLS 1.1", hello(lambda m: replace(m, legacy_version=0x0302)),
     UnsupportedVersion, Alert.protocol_version, "expected TLS 1.2 to be offered, got TLS11"),
    ("supported_versions without any of ours",
     hello(lambda m: plus(m, SupportedVersionsClientHello((0x0302, 0x0A0A)))),
     UnsupportedVersion, Alert.protocol_version, "got TLS11, 0x0a0a"),
    ("no null compression", hello(lambda m: replace(m, legacy_compression_methods=b"\1")),
     IllegalParameter, Alert.illegal_parameter, "expected null among them"),
    ("a renegotiation", hello(lambda m: plus(m, RenegotiationInfo(b"x" * 12))),
     NegotiationError, Alert.handshake_failure, "empty renegotiation_info"),
    ("compressed points", hello(lambda m: plus(m, EcPointFormats((1,)))),
     IllegalParameter, Alert.illegal_parameter, "expected uncompressed points"),
    ("no schemes", hello(lambda m: without(m, SignatureAlgorithms)),
     NegotiationError, Alert.handshake_failure, "expected signature_algorithms"),
    ("SHA-1 alone", hello(lambda m: plus(m, SignatureAlgorithms((0x0201, 0x0203)))),
     NegotiationError, Alert.handshake_failure, "none of our certificates fits"),
    ("RSA schemes alone", hello(lambda m: plus(m, SignatureAlgorithms((0x0804, 0x0401)))),
     NegotiationError, Alert.handshake_failure, "none of our certificates fits"),
    ("suites for RSA alone", hello(lambda m: replace(m, cipher_suites=(0xC02F,))),
     NegotiationError, Alert.handshake_failure, "none of our certificates fits"),
    ("suites of TLS 1.3 alone", hello(lambda m: replace(m, cipher_suites=(0x1301,))),
     NegotiationError, Alert.handshake_failure, "no TLS 1.2 cipher suite in common"),
    ("no group of ours", hello(lambda m: plus(m, SupportedGroups((0x0016, 0x11EC)))),
     NegotiationError, Alert.handshake_failure, "no group for TLS 1.2 in common"),
    ("a protocol that we do not speak",
     hello(lambda m: plus(m, ApplicationLayerProtocolNegotiation((b"h3",)))),
     NoApplicationProtocol, Alert.no_application_protocol, "got b'h3'"),
    # Certificate and ClientKeyExchange
    ("no certificate at all", swap(Certificate12, drop),
     UnexpectedMessage, Alert.unexpected_message, "expected Certificate, got ClientKeyExchange"),
    ("an empty certificate", swap(Certificate12, lambda m: Certificate12(())),
     CertificateRequired, Alert.handshake_failure, "expected a certificate, got none"),
    ("seventeen certificates", swap(Certificate12, lambda m: Certificate12((b"x",) * 17)),
     TooMuch, Alert.unexpected_message, "at most 16 certificates, got 17"),
    ("a certificate that is none", swap(Certificate12, lambda m: Certificate12((b"0\0",))),
     BadCertificate, Alert.bad_certificate, "the leaf cannot be read"),
    ("no key", swap(ClientKeyExchange, drop),
     UnexpectedMessage, Alert.unexpected_message, "expected ClientKeyExchange"),
    ("an empty key", swap(ClientKeyExchange, lambda m: [b"\x10\0\0\1\0"]),
     DecodeError, Alert.decode_error, "at least 1"),
    ("a key too short", swap(ClientKeyExchange, lambda m: ClientKeyExchange(b"x" * 64)),
     IllegalParameter, Alert.illegal_parameter, "65 octets, not 64"),
    ("a point beside the curve", swap(ClientKeyExchange, lambda m: ClientKeyExchange(POINT)),
     IllegalParameter, Alert.illegal_parameter, "no uncompressed point"),
    # CertificateVerify
    ("no proof", swap(CertificateVerify, drop),
     UnexpectedMessage, Alert.unexpected_message, "expected CertificateVerify"),
    ("a bad proof", swap(CertificateVerify, lambda m: replace(m, signature=flipped(m.signature))),
     BadSignature, Alert.decrypt_error, "does not verify"),
    ("SHA-1", swap(CertificateVerify, lambda m: replace(m, algorithm=0x0203)),
     IllegalParameter, Alert.illegal_parameter, "one of the schemes that we offered"),
    ("a scheme for another key", swap(CertificateVerify, lambda m: replace(m, algorithm=0x0401)),
     IllegalParameter, Alert.illegal_parameter, "does not fit"),
    ("another hash", swap(CertificateVerify, lambda m: replace(m, algorithm=0x0503)),
     BadSignature, Alert.decrypt_error, "does not verify"),
    ("the proof twice", swap(CertificateVerify, lambda m: [m, m]),
     UnexpectedMessage, Alert.unexpected_message, "expected ChangeCipherSpec"),
    ("the proof before the key",
     swap(ClientKeyExchange, lambda m: [CertificateVerify(0x0403, b""), m]),
     UnexpectedMessage, Alert.unexpected_message, "expected ClientKeyExchange"),
    # others
    ("a second ClientHello", hello(lambda m: [m, m]),
     UnexpectedMessage, Alert.unexpected_message, "expected Certificate, got ClientHello"),
    ("a HelloRequest", swap(ClientKeyExchange, lambda m: [HelloRequest(), m]),
     UnexpectedMessage, Alert.unexpected_message, "HelloRequest from a client"),
    ("ChangeCipherSpec before the key", swap(ClientKeyExchange, lambda m: [Raw(CCS), m]),
     UnexpectedMessage, Alert.unexpected_message, "ClientKeyExchange, got ChangeCipherSpec"),
    ("ChangeCipherSpec before the proof", swap(CertificateVerify, lambda m: [Raw(CCS), m]),
     UnexpectedMessage, Alert.unexpected_message, "CertificateVerify, got ChangeCipherSpec"),
    ("ChangeCipherSpec first of all", hello(lambda m: [Raw(CCS), m]),
     UnexpectedMessage, Alert.unexpected_message, "expected none now"),
    ("data before Finished", swap(ClientKeyExchange, lambda m: [m, Raw(record_of(23, b"x"))]),
     UnexpectedMessage, Alert.unexpected_message, "application data before any key"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "error", "description", "match"),
    [case[1:] for case in REFUSALS],
    ids=[case[0] for case in REFUSALS],
)
def test_a_lie_is_refused(
    change: Any, error: type[TLSError], description: Alert, match: str
) -> None:
    pair = pair12(
        "alice",
        client={"alpn_protocols": (b"x",), "groups": (NamedGroup.secp256r1,)},
        server=REQUIRE | {"alpn_protocols": (b"x",)},
    )
    check_refusal(lie(pair, "to server", change), "server", error, description, match)


def test_the_table_has_every_case_once() -> None:
    assert len({case[0] for case in REFUSALS}) == len(REFUSALS)


@pytest.mark.parametrize("key", [bytes(32), b"\1" + bytes(31)], ids=["zero", "one"])
def test_a_key_of_low_order(key: bytes) -> None:
    pair = lie(pair12(), "to server", swap(ClientKeyExchange, lambda m: ClientKeyExchange(key)))
    check_refusal(pair, "server", IllegalParameter, Alert.illegal_parameter, "low order")


def test_a_certificate_that_nobody_asked_for() -> None:
    pair = pair12()
    lie(pair, "to server", swap(ClientKeyExchange, lambda m: [Certificate12((b"x",)), m]))
    check_refusal(
        pair,
        "server",
        UnexpectedMessage,
        Alert.unexpected_message,
        "expected ClientKeyExchange, got Certificate",
    )


def test_a_proof_over_another_conversation() -> None:
    """It signs all messages so far (RFC 5246 section 7.4.8): one changed bit shows."""
    pair = pair12("alice", server=REQUIRE)
    lie(pair, "to server", hello(lambda m: plus(m, SessionTicket(b"x"))))
    check_refusal(pair, "server", BadSignature, Alert.decrypt_error, "does not verify")


@pytest.mark.parametrize("answer", [ValueError("no token"), "text", 7])
def test_a_signer_that_fails(answer: object) -> None:
    for name in ("client", "server"):
        pair = pair12("alice", server=REQUIRE)
        end = pair.client if name == "client" else pair.server
        end.hold = lambda question: isinstance(question.subject, Sign)
        pair.client.connection.start()
        pair.move()
        (question,) = end.held_questions
        with pytest.raises(InternalError):
            end.connection.answer(question.id, answer)
        pair.move()
        other = pair.server if name == "client" else pair.client
        assert isinstance(other.error, AlertReceived)
        assert other.error.received == Alert.internal_error


# What the policy says


def test_extended_master_secret_may_be_required() -> None:
    pair = pair12(server={"require_extended_master_secret": True})
    lie(pair, "to server", hello(lambda m: without(m, ExtendedMasterSecret)))
    check_refusal(pair, "server", NegotiationError, Alert.handshake_failure, "our policy requires")


def test_an_unknown_name() -> None:
    check_refusal(
        pair12(server={"refuse_unknown_names": True}, server_name="other.example"),
        "server",
        UnrecognizedName,
        Alert.unrecognized_name,
        "other.example",
    )


def test_the_name_chooses_the_certificate() -> None:
    credentials = tuple(
        issued(name, "server").credential() for name in ("one.example", "two.example")
    )
    for name, credential in zip(("one.example", "two.example"), credentials, strict=True):
        pair = pair12(server={"credentials": credentials}, server_name=name).handshake()
        assert pair.server.connection.established is not None
        assert pair.server.connection.established.our_credential is credential
        assert pair.server.connection.established.server_name == name


def test_the_suite_goes_with_the_certificate() -> None:
    rsa, ecdsa = (issued("server.example", "server", kind).credential() for kind in KINDS[::-1])
    for offered, expected in (
        (SIGNED_SUITES, CipherSuite.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
        ((0xC02C,), CipherSuite.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
        ((0xCCA8, 0xC02B), CipherSuite.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
    ):
        pair = pair12(
            client={"cipher_suites12": offered}, server={"credentials": (rsa, ecdsa)}
        ).handshake()
        assert pair.server.connection.established is not None
        assert pair.server.connection.established.suite.code is expected


def test_a_client_without_supported_groups_gets_a_nist_curve() -> None:
    groups: list[int] = []
    pair = pair12()
    lie(pair, "to server", hello(lambda m: without(m, SupportedGroups)))
    to_server = pair.tamper
    lie(pair, "to client", swap(ServerKeyExchange, lambda m: groups.append(m.params.group) or m))
    to_client = pair.tamper
    pair.tamper = lambda name, data: to_server(name, to_client(name, data))
    pair.client.connection.start()
    pair.move()
    assert groups == [NamedGroup.secp256r1]


@pytest.mark.parametrize("how", ["SCSV", "extension", "neither"])
def test_renegotiation_info_answers_either_way_to_ask(how: str) -> None:
    def ask(m: ClientHello) -> ClientHello:
        m = m if how == "extension" else without(m, RenegotiationInfo)
        suites = (*m.cipher_suites, *((0x00FF,) if how == "SCSV" else ()))
        return replace(m, cipher_suites=suites)

    answers: list[bool] = []
    pair = lie(pair12(), "to server", hello(ask))
    to_server = pair.tamper

    def look(m: ServerHello) -> ServerHello:
        answers.append(m.extensions.get(RenegotiationInfo) == RenegotiationInfo(b""))
        return m

    lie(pair, "to client", swap(ServerHello, look))
    to_client = pair.tamper
    pair.tamper = lambda name, data: to_server(name, to_client(name, data))
    pair.client.connection.start()
    pair.move()
    assert answers == [how != "neither"]


# Fallbacks (RFC 7507)


def test_a_fallback_that_was_not_needed() -> None:
    pair = pair12(client={"is_fallback": True}, server={"versions": BOTH})
    check_refusal(
        pair,
        "server",
        InappropriateFallback,
        Alert.inappropriate_fallback,
        "a fallback to TLS12, and we have TLS 1.3",
    )


def test_a_fallback_that_was() -> None:
    pair12(client={"is_fallback": True}).handshake()
    pair12(client={"is_fallback": True, "versions": BOTH}, server={"versions": BOTH}).handshake()


def test_a_fallback_below_all_that_we_have() -> None:
    pair = pair12(client={"is_fallback": True})
    lie(pair, "to server", hello(lambda m: replace(m, legacy_version=0x0301)))
    check_refusal(pair, "server", InappropriateFallback, Alert.inappropriate_fallback, "TLS10")


# Records


def test_record_size_limits() -> None:
    pair = pair12(client={"record_size_limit": 100}, server={"record_size_limit": 200}).handshake()
    sizes: dict[str, list[int]] = {"to client": [], "to server": []}

    def look(name: str, data: bytes) -> bytes:
        sizes[name] += [len(body) - 24 for _, body in records(data)]
        return data

    pair.tamper = look
    pair.client.connection.send_data(bytes(1000))
    pair.server.connection.send_data(bytes(1000))
    pair.move()
    assert max(sizes["to client"]) == 100
    assert max(sizes["to server"]) == 200
    assert len(pair.client.data) == len(pair.server.data) == 1000


def test_the_limit_that_is_answered_is_one_of_tls_1_2() -> None:
    seen: list[RecordSizeLimit | None] = []
    pair = pair12(client={"record_size_limit": 2**14 + 1})

    def look(m: ServerHello) -> ServerHello:
        seen.append(m.extensions.get(RecordSizeLimit))
        return m

    lie(pair, "to client", swap(ServerHello, look)).handshake()
    assert seen == [RecordSizeLimit(2**14)]
    assert pair.client.connection._engine.layer.max_plaintext_in == 2**14


def test_max_fragment_length() -> None:
    pair = pair12(client={"max_fragment_length": 512}).handshake()
    layers = [end.connection._engine.layer for end in (pair.client, pair.server)]
    assert {layer.max_fragment_out for layer in layers} == {512}
    assert {layer.max_plaintext_in for layer in layers} == {512}


# After the handshake


def open12(*clients: str, **options: Any) -> ConnectionPair:
    return pair12(*clients, **options).handshake()


def test_reauth_is_unavailable_and_harms_nothing() -> None:
    pair = open12("alice")
    server, client = pair.server.connection, pair.client.connection
    for call in (
        lambda: server.request_auth(),
        lambda: client.answer_auth(b"context", None),
        lambda: server.cancel_auth(b"context"),
    ):
        with pytest.raises(ReauthUnavailable, match=r"TLS 1\.2"):
            call()
    for connection in (server, client):
        with pytest.raises(UsageError, match="no key updates"):
            connection.key_update()
        assert connection.open_requests == ()
        assert connection.tickets == ()
        assert connection.next_deadline() is None
        connection.check_deadlines()
        assert not connection.has_data_to_send
        assert connection.state is State.OPEN
    _still_works(pair)


def _still_works(pair: ConnectionPair) -> None:
    pair.client.data = pair.server.data = b""
    pair.client.connection.send_data(b"ping")
    pair.server.connection.send_data(b"pong")
    pair.move()
    assert (pair.client.data, pair.server.data) == (b"pong", b"ping")


@pytest.mark.parametrize("times", [1, 3])
def test_renegotiation_is_refused_and_harms_nothing(times: int) -> None:
    traces: list[str] = []
    pair = open12(client={"trace": lambda entry: traces.append(entry.what)})
    for _ in range(times):
        pair.server.connection._engine.layer.send(22, HELLO_REQUEST)
    pair.move()
    assert traces.count("Alert no_renegotiation") == times
    assert pair.client.error is None
    assert pair.server.error is None
    _still_works(pair)


def test_a_client_that_wants_to_renegotiate() -> None:
    traces: list[str] = []
    pair = open12(server={"trace": lambda entry: traces.append(entry.what)})
    hello = ClientHello(random=bytes(32), cipher_suites=(0xC02B,)).encode()
    raw = b"\1" + len(hello).to_bytes(3, "big") + hello
    pair.client.connection._engine.layer.send(22, raw)
    pair.move()
    assert traces.count("Alert no_renegotiation") == 1
    _still_works(pair)


def test_wishes_for_renegotiation_have_a_limit() -> None:
    pair = open12(client={"limits": Limits(key_updates=2)})
    for _ in range(3):
        pair.server.connection._engine.layer.send(22, HELLO_REQUEST)
    pair.move()
    assert isinstance(pair.client.error, TooMuch)


@pytest.mark.parametrize(
    ("to", "raw"),
    [
        ("client", b"\x01\0\0\0"),
        ("client", b"\x04\0\0\6\0\0\0\0\0\0"),
        ("client", b"\x18\0\0\1\0"),
        ("client", b"\x0d\0\0\7\0\0\4\4\3\0\0"),
        ("server", HELLO_REQUEST),
        ("server", b"\x0b\0\0\3\0\0\0"),
        ("server", b"\x14\0\0\x0c" + bytes(12)),
    ],
)
def test_no_other_message_comes_after_the_handshake(to: str, raw: bytes) -> None:
    pair = open12()
    sender, receiver = (pair.server, pair.client)[:: 1 if to == "client" else -1]
    sender.connection._engine.layer.send(22, raw)
    pair.move()
    assert isinstance(receiver.error, (UnexpectedMessage, DecodeError))
    assert isinstance(sender.error, AlertReceived)


def test_no_change_of_ciphers_comes_after_the_handshake() -> None:
    pair = open12()
    pair.client.connection._engine.layer.send(20, b"\1")
    pair.move()
    assert isinstance(pair.server.error, UnexpectedMessage)
    assert "ChangeCipherSpec after the handshake" in str(pair.server.error)


def test_warnings_are_passed_over_and_errors_are_not() -> None:
    pair = open12()
    layer = pair.client.connection._engine.layer
    layer.send(21, bytes((AlertLevel.warning, Alert.no_renegotiation)))
    layer.send(21, bytes((AlertLevel.warning, Alert.user_canceled)))
    pair.move()
    _still_works(pair)
    layer.send(21, bytes((AlertLevel.fatal, Alert.no_renegotiation)))
    pair.move()
    assert isinstance(pair.server.error, AlertReceived)


def test_both_say_goodbye() -> None:
    pair = open12()
    pair.client.connection.close()
    pair.move()
    assert pair.server.connection.peer_closed
    assert pair.server.error is None
    pair.server.connection.send_data(b"last words")
    pair.server.connection.close()
    pair.move()
    assert pair.client.data == b"last words"
    assert pair.client.connection.state is pair.server.connection.state is State.CLOSED


@pytest.mark.parametrize("suite", SIGNED_SUITES, ids=lambda code: code.name[4:])
def test_a_flipped_bit_of_data_ends_it(suite: CipherSuite) -> None:
    kind = "rsa2048" if "_RSA_" in suite.name else "p256"
    server = {"credentials": (issued("server.example", "server", kind).credential(),)}
    pair = open12(client={"cipher_suites12": (suite,)}, server=server)
    pair.tamper = lambda name, data: flipped(data) if data and name == "to server" else data
    pair.client.connection.send_data(b"data")
    pair.move()
    assert isinstance(pair.server.error, BadRecordMac)
    assert pair.server.data == b""


# Exporters, channel bindings, key logs


def test_both_export_the_same() -> None:
    pair = open12()
    client, server = pair.client.connection, pair.server.connection
    for context in (None, b"", b"context"):
        exported = client.export(b"EXPORTER-test", context, 40)
        assert exported == server.export(b"EXPORTER-test", context, 40)
    assert client.export(b"EXPORTER-test", None, 32) != client.export(b"EXPORTER-test", b"", 32)
    assert client.channel_binding() == server.channel_binding()
    assert client.channel_binding() == client.export(b"EXPORTER-Channel-Binding", b"", 32)
    for kind in ("tls-unique", "tls-server-end-point"):
        with pytest.raises(UsageError, match="no channel binding"):
            client.channel_binding(kind)
    for context, length in ((None, 0), (None, 2**16 + 1), (bytes(2**16), 32)):
        with pytest.raises(UsageError):
            client.export(b"EXPORTER-test", context, length)


def test_nothing_is_exported_without_extended_master_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = tls12_extensions

    def fewer(*arguments: Any) -> Any:
        return [each for each in real(*arguments) if not isinstance(each, ExtendedMasterSecret)]

    monkeypatch.setattr("postshake.protocol.client_hello.tls12_extensions", fewer)
    pair = pair12("alice", server=REQUIRE).handshake()
    for end in (pair.client, pair.server):
        assert end.connection.established is not None
        assert not end.connection.established.extended_master_secret
        with pytest.raises(UsageError, match="RFC 7627"):
            end.connection.export(b"EXPORTER-test", None, 32)
        with pytest.raises(UsageError, match="RFC 7627"):
            end.connection.channel_binding()
        assert end.connection.session12 is None
    assert pair.server.connection.peer_identity is not None
    _still_works(pair)


def test_the_key_log_names_the_master_secret() -> None:
    lines: dict[str, list[str]] = {"client": [], "server": []}
    client, server = ({"keylog": each.append} for each in lines.values())
    pair = pair12(client=client, server=server)
    pair.handshake()
    assert lines["client"] == lines["server"]
    (line,) = lines["client"]
    label, random, secret = line.split()
    assert label == "CLIENT_RANDOM"
    assert pair.client.connection.established is not None
    assert bytes.fromhex(random) == pair.client.connection.established.client_random
    assert len(bytes.fromhex(secret)) == 48


def test_no_repr_and_no_trace_shows_a_secret() -> None:
    lines: list[str] = []
    shown: list[str] = []
    observers = {"keylog": lines.append, "trace": lambda entry: shown.append(repr(entry))}
    pair = pair12("alice", client=observers, server=REQUIRE | observers | {"ticket_keys": Sealer()})
    pair.handshake()
    master = bytes.fromhex(lines[0].split()[2])
    session = pair.client.connection.session12
    assert session is not None
    assert hmac.compare_digest(session.master_secret, master)
    for end in (pair.client, pair.server):
        engine = end.connection._engine
        assert engine.outcome is not None
        shown += [repr(each) for each in (engine.outcome, engine.layer, engine.link, end)]
        shown += [repr(engine.outcome.secrets), repr(end.connection)]
    text = "".join(shown)
    for secret in (master, session.ticket):
        assert repr(secret)[2:-1] not in text
        assert secret.hex() not in text


# --- keys on curves that a client does not list (RFC 8422 sections 5.1.1 and 5.3)


def on(curve: str) -> Any:
    return issued("server.example", "server", curve).credential()


def test_a_certificate_is_on_a_curve_that_the_client_lists() -> None:
    listed = {"groups": (NamedGroup.x25519, NamedGroup.secp256r1)}
    for credentials, shown in (
        ((on("p384"), on("p256")), 1),
        ((on("p384"), on("rsa2048")), 1),
        ((on("ed25519"), on("p384")), 0),  # whose curve is no group to be listed
    ):
        pair = pair12(client=listed, server={"credentials": credentials}).handshake()
        assert pair.server.connection.established.our_credential is credentials[shown]


@pytest.mark.parametrize("chosen_elsewhere", [False, True])
def test_no_other_certificate_is_shown(chosen_elsewhere: bool) -> None:
    pair = pair12(
        client={"groups": (NamedGroup.x25519, NamedGroup.secp256r1)},
        server={
            "credentials": () if chosen_elsewhere else (on("p384"),),
            "chosen_elsewhere": chosen_elsewhere,
        },
    )
    pair.server.hold = lambda question: (
        chosen_elsewhere and isinstance(question.subject, ChooseCredential)
    )
    pair.client.connection.start()
    pair.move()
    for question in pair.server.held_questions:
        with pytest.raises(NegotiationError):
            pair.server.connection.answer(question.id, on("p384"))
    pair.move()
    assert isinstance(pair.server.connection.failure, NegotiationError)
    assert pair.client.error.received == Alert.handshake_failure


def test_a_client_that_lists_no_groups_takes_any_curve() -> None:
    pair = pair12(server={"credentials": (on("p384"),)})
    shown: list[tuple[bytes, ...]] = []
    lie(pair, "to server", swap(ClientHello, lambda m: without(m, SupportedGroups)))
    pair.client.connection.start()
    pair.server.receive(pair.tamper("to server", pair.client.connection.data_to_send()))
    lie(pair, "to client", lambda m, raw: shown.append(getattr(m, "certificate_list", ())))
    pair.tamper("to client", pair.server.connection.data_to_send())
    assert on("p384").chain in shown
