"""TLS 1.2 from the client's side: what it settles, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from postshake.config import ClientAuth
from postshake.constants import AlertDescription as Alert
from postshake.constants import CipherSuite, NamedGroup, ProtocolVersion, SignatureScheme
from postshake.crypto.tls12.suites import TLS12_SUITES
from postshake.drive.answers import find_answer_now
from postshake.errors import (
    AlertReceived,
    BadCertificate,
    BadFinished,
    BadRecordMac,
    BadSignature,
    DecodeError,
    IllegalParameter,
    NameMismatch,
    NegotiationError,
    TLSError,
    TooMuch,
    UnexpectedMessage,
    UnknownCA,
    UnsupportedExtension,
    UnsupportedVersion,
    UsageError,
)
from postshake.protocol.link import Flight
from postshake.protocol.session_secrets import SessionSecrets12
from postshake.questions import ChooseCredential, JudgePeer, Sign
from postshake.record.limits import Limits
from postshake.wire.extensions import (
    ApplicationLayerProtocolNegotiation,
    EcPointFormats,
    ExtendedMasterSecret,
    KeyShareEntry,
    KeyShareServerHello,
    MaxFragmentLength,
    RecordSizeLimit,
    RenegotiationInfo,
    SessionTicket,
    StatusRequestEmpty,
    SupportedGroups,
    SupportedVersionsClientHello,
)
from postshake.wire.hello import ClientHello, ServerHello
from postshake.wire.tls12 import (
    Certificate12,
    CertificateRequest12,
    CertificateStatus12,
    HelloRequest,
    NewSessionTicket12,
    ServerHelloDone,
    ServerKeyExchange,
)
from tests.certs import CA
from tests.pair import client_config, counting_random, issued, server_config
from tests.tls12 import (
    BOTH,
    CCS,
    SIGNED_SUITES,
    TLS12,
    Raw,
    alert,
    check_refusal,
    lie,
    pair12,
    plus,
    swap,
    without,
)
from tests.tls12 import record as record_of

GROUPS = (
    NamedGroup.x25519,
    NamedGroup.x448,
    NamedGroup.secp256r1,
    NamedGroup.secp384r1,
    NamedGroup.secp521r1,
)
ECDSA_KEYS = ("p256", "p384", "p521", "ed25519", "ed448")
RSA_KEYS = ("rsa2048", "rsa-pss")


# What works


CURVES = {
    "p256": NamedGroup.secp256r1,
    "p384": NamedGroup.secp384r1,
    "p521": NamedGroup.secp521r1,
}


@pytest.mark.parametrize(
    ("suite", "key_type"),
    [
        pytest.param(code, key_type, id=f"{code.name[4:]}-{key_type}")
        for code in map(CipherSuite, SIGNED_SUITES)
        for key_type in (RSA_KEYS if "_RSA_" in code.name else ECDSA_KEYS)
    ],
)
def test_every_suite_with_every_key_and_group(suite: CipherSuite, key_type: str) -> None:
    credential = issued("server.example", "server", key_type).credential()
    curve = CURVES.get(key_type)  # which a client has to list as well (RFC 8422 section 5.1.1)
    for group in GROUPS:
        groups = (group,) if curve is None or curve is group else (group, curve)
        pair = pair12(
            client={"cipher_suites12": (suite,), "groups": groups},
            server={"credentials": (credential,), "groups": (group,)},
        ).handshake()
        for end in (pair.client, pair.server):
            settled = end.connection.established
            assert settled is not None
            assert settled.version is ProtocolVersion.TLS12
            assert settled.suite is TLS12_SUITES[suite]
            assert settled.group is group
            assert settled.extended_master_secret
            assert not settled.resumed
            assert not settled.post_handshake_auth
        identity = pair.client.connection.peer_identity
        assert identity is not None
        assert identity.chain == credential.chain
        assert identity.verified
        pair.client.connection.send_data(b"ping" * 10_000)
        pair.server.connection.send_data(b"pong" * 10_000)
        pair.move()
        assert pair.server.data == b"ping" * 10_000
        assert pair.client.data == b"pong" * 10_000


@pytest.mark.parametrize("scheme", [SignatureScheme.rsa_pkcs1_sha256, 0x0601, 0x0804, 0x0806])
def test_the_clients_wish_decides_how_rsa_signs(scheme: int) -> None:
    credential = issued("server.example", "server", "rsa2048").credential()
    seen: list[int] = []

    def look(message: Any, raw: bytes) -> None:
        if isinstance(message, ServerKeyExchange):
            seen.append(message.algorithm)

    pair = pair12(
        client={"signature_algorithms12": (scheme,)}, server={"credentials": (credential,)}
    )
    lie(pair, "to client", look).handshake()
    assert seen == [scheme]


@pytest.mark.parametrize("key_type", ["p256", "p384", "p521"])
def test_an_ecdsa_scheme_names_no_curve(key_type: str) -> None:
    credential = issued("server.example", "server", key_type).credential()
    for scheme in (0x0403, 0x0503, 0x0603):
        pair12(
            client={"signature_algorithms12": (scheme,)}, server={"credentials": (credential,)}
        ).handshake()


@pytest.mark.parametrize(
    ("ours", "theirs", "version"),
    [
        (BOTH, BOTH, ProtocolVersion.TLS13),
        (BOTH[::-1], BOTH, ProtocolVersion.TLS13),
        (BOTH, TLS12, ProtocolVersion.TLS12),
        (TLS12, BOTH, ProtocolVersion.TLS12),
        (TLS12, TLS12, ProtocolVersion.TLS12),
    ],
)
def test_the_highest_common_version(ours: Any, theirs: Any, version: ProtocolVersion) -> None:
    pair = pair12(client={"versions": ours}, server={"versions": theirs}).handshake()
    assert pair.client.connection.established is not None
    assert pair.client.connection.established.version is version


@pytest.mark.parametrize("versions", [(BOTH[:1], TLS12), (TLS12, BOTH[:1])])
def test_no_common_version(versions: Any) -> None:
    pair = pair12(client={"versions": versions[0]}, server={"versions": versions[1]})
    pair.client.connection.start()
    pair.move()
    assert type(pair.server.error) is UnsupportedVersion
    assert isinstance(pair.client.error, AlertReceived)
    assert pair.client.error.received == Alert.protocol_version


def test_a_hello_of_tls_1_2_alone_says_nothing_of_1_3() -> None:
    hellos: list[ClientHello] = []
    pair = pair12(client={"request_status": True, "alpn_protocols": (b"x",)})
    lie(pair, "to server", swap(ClientHello, lambda m: hellos.append(m) or m)).handshake()
    (hello,) = hellos
    types = {each.extension_type for each in hello.extensions}
    assert types == {0, 5, 10, 11, 13, 16, 23, 35, 50, 65281}
    assert hello.legacy_session_id == b""
    assert hello.cipher_suites == SIGNED_SUITES
    groups = hello.extensions.require(SupportedGroups).named_group_list
    assert not [group for group in groups if group > 0x1000]


@pytest.mark.parametrize("cut", [1, 2, 3, 5, 7, 64, 1000])
def test_any_cutting_gives_the_same(cut: int) -> None:
    def pieces(data: bytes) -> list[bytes]:
        return [data[at : at + cut] for at in range(0, len(data), cut)]

    ours = {"credentials": (issued("alice").credential(),)}
    theirs = {
        "credentials": (issued("server.example", "server").credential(),),
        "client_auth": ClientAuth.REQUIRE,
    }
    whole, split = (
        pair12(client=ours, server=theirs, split=how).handshake()
        for how in (lambda data: (data,), pieces)
    )
    for pair in (whole, split):
        pair.client.connection.send_data(b"ping" * 5000)
        pair.move()
        pair.server.connection.close()
        pair.client.connection.close()
        pair.move()
    assert split.client.events == whole.client.events
    assert split.server.events == whole.server.events
    assert split.server.data == whole.server.data
    assert split.server.connection.state is whole.server.connection.state


@pytest.mark.parametrize("size", [1, 50, 600])
def test_handshake_messages_in_many_records(size: int) -> None:
    pair = pair12("alice", server={"client_auth": ClientAuth.REQUIRE})

    def fragments(message: Any, raw: bytes) -> list[Raw]:
        return [Raw(record_of(22, raw[at : at + size])) for at in range(0, len(raw), size)]

    lie(pair, "to client", fragments).handshake()


def test_the_owner_is_asked_in_order() -> None:
    asked: dict[str, list[str]] = {"client": [], "server": []}
    pair = pair12("alice", server={"client_auth": ClientAuth.REQUIRE})

    def note(name: str) -> Any:
        def hold(question: Any) -> bool:
            asked[name].append(type(question.subject).__name__)
            return True

        return hold

    pair.client.hold, pair.server.hold = note("client"), note("server")
    pair.client.connection.start()
    for _ in range(10):
        pair.move()
        for end in (pair.client, pair.server):
            for question in end.held_questions:
                end.connection.answer(question.id, find_answer_now(question.subject))
            end.held_questions.clear()
    assert pair.client.connection.established is not None
    assert pair.server.connection.peer_identity is not None
    assert asked == {
        "client": [JudgePeer.__name__, ChooseCredential.__name__, Sign.__name__],
        "server": [ChooseCredential.__name__, Sign.__name__, JudgePeer.__name__],
    }


def test_what_is_stapled_is_judged() -> None:
    stapled = replace(issued("server.example", "server").credential(), ocsp_response=b"ocsp")
    for wish in (True, False):
        seen: list[bytes | None] = []
        pair = pair12(client={"request_status": wish}, server={"credentials": (stapled,)})

        def look(question: Any, seen: list[bytes | None] = seen) -> bool:
            seen.append(question.subject.peer.ocsp_response)
            return False

        pair.client.hold = look
        pair.handshake()
        assert seen == [b"ocsp" if wish else None]


def test_a_promised_status_may_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    add = Flight.add

    def add_all_but_status(self: Flight, message: Any) -> None:
        if not isinstance(message, CertificateStatus12):
            add(self, message)

    monkeypatch.setattr(Flight, "add", add_all_but_status)
    stapled = replace(issued("server.example", "server").credential(), ocsp_response=b"ocsp")
    pair12(client={"request_status": True}, server={"credentials": (stapled,)}).handshake()


# What is refused: lies of the server's


def hello(change: Any) -> Any:
    return swap(ServerHello, change)


def exchange(**fields: Any) -> Any:
    return swap(ServerKeyExchange, lambda m: replace(m, **fields))


def params(**fields: Any) -> Any:
    return swap(ServerKeyExchange, lambda m: replace(m, params=replace(m.params, **fields)))


def flipped(data: bytes) -> bytes:
    return data[:-1] + bytes((data[-1] ^ 1,))


RSA_LEAF = issued("server.example", "server", "rsa2048").der
OTHER_LEAF = issued("other.example", "server").der

REFUSALS: list[Any] = [
    # ServerHello
    ("TLS 1.1", hello(lambda m: replace(m, legacy_version=0x0302)),
     UnsupportedVersion, Alert.protocol_version, "got TLS11"),
    ("a version to come", hello(lambda m: replace(m, legacy_version=0x0305)),
     UnsupportedVersion, Alert.protocol_version, "got 0x0305"),
    ("TLS 1.1, and it could do better",
     hello(lambda m: replace(m, legacy_version=0x0302, random=bytes(24) + b"DOWNGRD\0")),
     IllegalParameter, Alert.illegal_parameter, "someone tampered"),
    ("compression", hello(lambda m: replace(m, legacy_compression_method=1)),
     IllegalParameter, Alert.illegal_parameter, "expected no compression, got 1"),
    ("a suite with CBC", hello(lambda m: replace(m, cipher_suite=0xC013)),
     IllegalParameter, Alert.illegal_parameter, "got 0xc013"),
    ("a suite of TLS 1.3", hello(lambda m: replace(m, cipher_suite=0x1301)),
     IllegalParameter, Alert.illegal_parameter, "got TLS_AES_128_GCM_SHA256"),
    ("no renegotiation_info", hello(lambda m: without(m, RenegotiationInfo)),
     NegotiationError, Alert.handshake_failure, "expected renegotiation_info, got none"),
    ("a renegotiation", hello(lambda m: plus(m, RenegotiationInfo(b"x" * 12))),
     NegotiationError, Alert.handshake_failure, "empty renegotiation_info"),
    ("an answer to nothing", hello(lambda m: plus(m, StatusRequestEmpty())),
     UnsupportedExtension, Alert.unsupported_extension, "answers none of ours"),
    ("an extension of TLS 1.3",
     hello(lambda m: plus(m, KeyShareServerHello(KeyShareEntry(29, b"x"))))  ,
     IllegalParameter, Alert.illegal_parameter, "key_share only in"),
    ("compressed points", hello(lambda m: plus(m, EcPointFormats((1, 2)))),
     IllegalParameter, Alert.illegal_parameter, "expected uncompressed points"),
    ("two limits",
     hello(lambda m: plus(m, MaxFragmentLength(1), RecordSizeLimit(64))),
     IllegalParameter, Alert.illegal_parameter, "both record_size_limit and"),
    ("another fragment length",
     hello(lambda m: plus(without(m, RecordSizeLimit), MaxFragmentLength(2))),
     IllegalParameter, Alert.illegal_parameter, "max_fragment_length 512, got 1024"),
    ("a protocol that we do not speak",
     hello(lambda m: plus(m, ApplicationLayerProtocolNegotiation((b"h3",)))),
     IllegalParameter, Alert.illegal_parameter, "one of our application protocols"),
    ("two protocols", hello(lambda m: plus(m, ApplicationLayerProtocolNegotiation((b"x", b"y")))),
     IllegalParameter, Alert.illegal_parameter, "one of our application protocols"),
    # Certificate
    ("no certificate", swap(Certificate12, lambda m: Certificate12(())),
     DecodeError, Alert.decode_error, "expected a server's certificates, got none"),
    ("seventeen certificates",
     swap(Certificate12, lambda m: Certificate12(m.certificate_list * 17)),
     TooMuch, Alert.unexpected_message, "at most 16 certificates, got 17"),
    ("a certificate that is none", swap(Certificate12, lambda m: Certificate12((b"0\0",))),
     BadCertificate, Alert.bad_certificate, "the leaf cannot be read"),
    ("somebody else's certificate", swap(Certificate12, lambda m: Certificate12((OTHER_LEAF,))),
     BadSignature, Alert.decrypt_error, "does not verify"),
    ("RSA in an ECDSA suite", swap(Certificate12, lambda m: Certificate12((RSA_LEAF,))),
     IllegalParameter, Alert.illegal_parameter, "expected a key for an ECDSA suite"),
    ("a status that was not promised",
     swap(Certificate12, lambda m: [m, CertificateStatus12(b"ocsp")]),
     UnexpectedMessage, Alert.unexpected_message, "expected ServerKeyExchange"),
    # ServerKeyExchange
    ("a bad signature",
     swap(ServerKeyExchange, lambda m: replace(m, signature=flipped(m.signature))),
     BadSignature, Alert.decrypt_error, "does not verify"),
    ("another key than the signed one",
     swap(ServerKeyExchange,
          lambda m: replace(m, params=replace(m.params, public=flipped(m.params.public)))),
     BadSignature, Alert.decrypt_error, "does not verify"),
    ("SHA-1", exchange(algorithm=0x0203),
     IllegalParameter, Alert.illegal_parameter, "one of the schemes that we offered"),
    ("an RSA scheme for an ECDSA key", exchange(algorithm=0x0804),
     IllegalParameter, Alert.illegal_parameter, "does not fit"),
    ("a hybrid group", params(group=0x11EC),
     IllegalParameter, Alert.illegal_parameter, "a group of ours, got X25519MLKEM768"),
    ("a group that we did not offer", params(group=0x001E),
     IllegalParameter, Alert.illegal_parameter, "a group of ours, got x448"),
    ("a curve of its own", swap(ServerKeyExchange, lambda m: [b"\x0c\0\0\2\1\0"]),
     IllegalParameter, Alert.illegal_parameter, "named_curve"),
    ("bytes after the end",
     swap(ServerKeyExchange,
          lambda m: [b"\x0c" + (len(m.encode()) + 1).to_bytes(3, "big") + m.encode() + b"\0"]),
     DecodeError, Alert.decode_error, "expected its end"),
    # order
    ("no ServerKeyExchange", swap(ServerKeyExchange, lambda m: []),
     UnexpectedMessage, Alert.unexpected_message, "ServerKeyExchange, got ServerHelloDone"),
    ("no Certificate", swap(Certificate12, lambda m: []),
     UnexpectedMessage, Alert.unexpected_message, "expected Certificate, got ServerKeyExchange"),
    ("ServerHello twice", swap(ServerHello, lambda m: [m, m]),
     UnexpectedMessage, Alert.unexpected_message, "expected Certificate, got ServerHello"),
    ("ServerHelloDone twice", swap(ServerHelloDone, lambda m: [m, m]),
     UnexpectedMessage, Alert.unexpected_message, "got ServerHelloDone"),
    ("a request before the key exchange",
     swap(ServerKeyExchange, lambda m: [CertificateRequest12((64,), (0x0403,)), m]),
     UnexpectedMessage, Alert.unexpected_message, "got CertificateRequest"),
    ("a ticket before its time",
     swap(ServerHelloDone, lambda m: [m, NewSessionTicket12(1, b"x")]),
     UnexpectedMessage, Alert.unexpected_message, "got NewSessionTicket"),
    ("a message of TLS 1.3", swap(Certificate12, lambda m: [b"\x08\0\0\2\0\0"]),
     UnexpectedMessage, Alert.unexpected_message, "expected Certificate, got EncryptedExtensions"),
    # ChangeCipherSpec
    ("ChangeCipherSpec before Certificate", swap(Certificate12, lambda m: [Raw(CCS), m]),
     UnexpectedMessage, Alert.unexpected_message, "expected Certificate, got ChangeCipherSpec"),
    ("ChangeCipherSpec before ServerHelloDone", swap(ServerHelloDone, lambda m: [Raw(CCS), m]),
     UnexpectedMessage, Alert.unexpected_message, "got ChangeCipherSpec"),
    ("ChangeCipherSpec inside a message",
     lambda m, raw: [Raw(record_of(22, raw[:9]) + CCS + record_of(22, raw[9:]))],
     UnexpectedMessage, Alert.unexpected_message, "9 more bytes"),
    ("data before Finished", swap(ServerHelloDone, lambda m: [m, Raw(record_of(23, b"data"))]),
     UnexpectedMessage, Alert.unexpected_message, "application data before any key"),
    ("data inside a message",
     swap(ServerHelloDone, lambda m: [Raw(record_of(22, b"\x0e\0") + record_of(23, b"data"))]),
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
        client={
            "groups": (NamedGroup.x25519, NamedGroup.X25519MLKEM768, NamedGroup.secp256r1),
            "max_fragment_length": 512,
            "record_size_limit": 500,
            "alpn_protocols": (b"x", b"y"),
        }
    )
    check_refusal(lie(pair, "to client", change), "client", error, description, match)


def test_the_table_has_every_case_once() -> None:
    assert len({case[0] for case in REFUSALS}) == len(REFUSALS)


def test_a_made_up_session_id_is_no_session() -> None:
    made_up = counting_random("client")(32)
    pair = pair12(client={"versions": BOTH, "random": lambda size: (made_up * 3)[:size]})
    lie(pair, "to client", hello(lambda m: replace(m, legacy_session_id_echo=made_up)))
    check_refusal(
        pair, "client", IllegalParameter, Alert.illegal_parameter, "the one that we made up"
    )


# Downgrades


@pytest.mark.parametrize("form", [b"DOWNGRD\1", b"DOWNGRD\0"])
def test_a_server_that_says_it_could_do_better(form: bytes) -> None:
    pair = pair12(client={"versions": BOTH})
    change = hello(lambda m: replace(m, random=m.random[:24] + form))
    check_refusal(
        lie(pair, "to client", change),
        "client",
        IllegalParameter,
        Alert.illegal_parameter,
        "someone tampered with our ClientHello",
    )


def test_a_stripped_offer_is_noticed() -> None:
    """The attack itself: someone takes TLS 1.3 out of our ClientHello (§4.1.3)."""
    pair = pair12(client={"versions": BOTH}, server={"versions": BOTH})
    lie(pair, "to server", swap(ClientHello, lambda m: without(m, SupportedVersionsClientHello)))
    check_refusal(
        pair,
        "client",
        IllegalParameter,
        Alert.illegal_parameter,
        "someone tampered with our ClientHello",
    )


def test_a_client_of_1_2_alone_takes_the_sentinel_for_what_it_is() -> None:
    """It is the server's right to know TLS 1.3 (§4.1.3 asks only 1.3 clients to look)."""
    randoms: list[bytes] = []
    pair = pair12(server={"versions": BOTH})
    lie(pair, "to client", hello(lambda m: randoms.append(m.random) or m)).handshake()
    assert randoms[0].endswith(b"DOWNGRD\1")
    randoms.clear()
    pair = pair12()
    lie(pair, "to client", hello(lambda m: randoms.append(m.random) or m)).handshake()
    assert not randoms[0].endswith(b"DOWNGRD\1")


def test_a_changed_hello_shows_in_the_end() -> None:
    """What nobody looks at still is in the transcript, and so in the keys (RFC 7627)."""
    pair = pair12()
    lie(pair, "to server", swap(ClientHello, lambda m: plus(m, SessionTicket(b"x"))))
    check_refusal(pair, "server", BadRecordMac, Alert.bad_record_mac, "does not authenticate")


def test_a_changed_hello_without_extended_master_secret() -> None:
    """There Finished alone notices (RFC 5246 section 7.4.9)."""
    pair = pair12()
    lie(pair, "to server", swap(ClientHello, lambda m: without(m, ExtendedMasterSecret)))
    check_refusal(pair, "server", BadFinished, Alert.decrypt_error, "Finished")


# Finished


@pytest.mark.parametrize(
    ("change", "error", "description", "match"),
    [
        (flipped, BadFinished, Alert.decrypt_error, "verify_data does not match"),
        (lambda mac: b"", DecodeError, Alert.decode_error, "12 bytes of verify_data, got 0"),
        (lambda mac: mac[:-1], DecodeError, Alert.decode_error, "got 11"),
        (lambda mac: mac + b"0", DecodeError, Alert.decode_error, "got 13"),
    ],
)
@pytest.mark.parametrize("liar", ["client", "server"])
def test_a_wrong_finished(
    monkeypatch: pytest.MonkeyPatch,
    liar: str,
    change: Any,
    error: type[TLSError],
    description: Alert,
    match: str,
) -> None:
    real = SessionSecrets12.finished_mac
    lied: list[str] = []

    def finished_mac(self: SessionSecrets12, role: Any, digest: bytes) -> bytes:
        mac = real(self, role, digest)
        if role.name == liar and not lied:  # who sends it computes it first
            lied.append(liar)
            return bytes(change(mac))
        return mac

    monkeypatch.setattr(SessionSecrets12, "finished_mac", finished_mac)
    pair = pair12()
    pair.client.connection.start()
    pair.move()
    victim, other = (pair.server, pair.client)[:: 1 if liar == "client" else -1]
    assert isinstance(victim.error, error)
    assert victim.error.alert is error.alert
    assert match in str(victim.error)
    assert victim.connection.established is None
    assert victim.connection.peer_identity is None
    assert isinstance(other.error, AlertReceived)
    assert other.error.received == description


@pytest.mark.parametrize("direction", ["to client", "to server"])
@pytest.mark.parametrize(
    ("change", "error"),
    [
        (b"", TLSError),  # what is sealed is read as if it were plain
        (CCS + CCS, BadRecordMac),  # the second one is not sealed
        (record_of(20, b""), UnexpectedMessage),
        (record_of(20, b"\0"), UnexpectedMessage),
        (record_of(20, b"\1\1"), UnexpectedMessage),
        (record_of(22, b"\x14") + CCS, UnexpectedMessage),
        (CCS[:5] + b"\1" + record_of(22, b"\x14\0\0\x0c" + bytes(12)), BadRecordMac),
    ],
    ids=["none", "two", "empty", "zero", "two bytes", "half a message", "a plain Finished"],
)
def test_the_change_of_ciphers_is_in_its_place(
    direction: str, change: bytes, error: type[TLSError]
) -> None:
    pair = pair12()
    pair.tamper = lambda name, data: data.replace(CCS, change) if name == direction else data
    pair.client.connection.start()
    pair.move()
    victim = pair.client if direction == "to client" else pair.server
    if change or victim.error is not None:
        assert isinstance(victim.error, error)
        assert not isinstance(victim.error, AlertReceived)
    # else, once in thousands, the seal looks like the head of a Finished, whose rest does not come
    assert victim.connection.established is None


def test_the_change_of_ciphers_in_pieces() -> None:
    """A record may come in any pieces; it is read when it is whole."""
    pair = pair12(split=lambda data: [data[at : at + 1] for at in range(len(data))])
    pair.handshake()


# What the policy and the verifier say


def test_extended_master_secret_is_preferred_and_may_be_required() -> None:
    strip = swap(ServerHello, lambda m: without(m, ExtendedMasterSecret))
    pair = pair12(client={"require_extended_master_secret": True})
    check_refusal(
        lie(pair, "to client", strip),
        "client",
        NegotiationError,
        Alert.handshake_failure,
        "our policy requires",
    )


def test_a_server_that_nobody_vouches_for() -> None:
    stranger = CA("Stranger").issue("server.example", purpose="server", dns=["server.example"])
    pair = pair12(server={"credentials": (stranger.credential(),)})
    check_refusal(pair, "client", UnknownCA, Alert.unknown_ca, "")


def test_a_server_of_another_name() -> None:
    pair = pair12(server_name="other.example")
    check_refusal(pair, "client", NameMismatch, Alert.bad_certificate, "other.example")


# Warnings, and alerts that end it


def warn(level: int, *descriptions: int) -> Any:
    raw = b"".join(alert(level, description) for description in descriptions)
    return swap(ServerHello, lambda m: [Raw(raw), m])


def test_a_warning_before_the_server_hello_is_passed_over() -> None:
    for versions in (BOTH, TLS12):
        pair = pair12(client={"versions": versions})
        lie(pair, "to client", warn(1, Alert.unrecognized_name)).handshake()


@pytest.mark.parametrize("level", [0, 2, 3])
def test_the_same_as_an_error_is_not(level: int) -> None:
    pair = lie(pair12(), "to client", warn(level, Alert.unrecognized_name))
    pair.client.connection.start()
    pair.move()
    assert isinstance(pair.client.error, AlertReceived)
    assert pair.client.error.received == Alert.unrecognized_name


def test_a_client_of_1_3_alone_takes_no_warning() -> None:
    pair = pair12(client={"versions": BOTH[:1]}, server={"versions": BOTH})
    lie(pair, "to client", warn(1, Alert.unrecognized_name))
    pair.client.connection.start()
    pair.move()
    assert isinstance(pair.client.error, AlertReceived)


def test_warnings_have_a_limit() -> None:
    pair = pair12(client={"limits": Limits(warning_alerts=3)})
    lie(pair, "to client", warn(1, *[Alert.unrecognized_name] * 3)).handshake()
    pair = pair12(client={"limits": Limits(warning_alerts=3)})
    check_refusal(
        lie(pair, "to client", warn(1, *[Alert.unrecognized_name] * 4)),
        "client",
        TooMuch,
        Alert.unexpected_message,
        "alerts that change nothing",
    )


def test_a_hello_request_within_the_handshake_is_ignored() -> None:
    ask = HelloRequest()
    for kind in (ServerHello, Certificate12, ServerKeyExchange, ServerHelloDone):
        # before ServerHello nobody knows yet that this message exists
        place = (lambda m: [m, ask]) if kind is ServerHello else (lambda m: [ask, m])
        lie(pair12(), "to client", swap(kind, place)).handshake()


def test_hello_requests_have_a_limit() -> None:
    pair = pair12(client={"limits": Limits(key_updates=5)})
    check_refusal(
        lie(pair, "to client", swap(ServerHello, lambda m: [m, *[HelloRequest()] * 6])),
        "client",
        TooMuch,
        Alert.unexpected_message,
        "wishes for renegotiation",
    )


# Configuration


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"versions": ()}, "config.versions is empty"),
        ({"versions": (ProtocolVersion.TLS11,)}, "TLS 1.3 and TLS 1.2, nothing else"),
        ({"cipher_suites12": ()}, "config.cipher_suites12 is empty"),
        ({"cipher_suites12": (0xC013,)}, "0xc013, which we do not have"),
        ({"cipher_suites12": (0x1301,)}, "TLS_AES_128_GCM_SHA256, which we do not have"),
        ({"signature_algorithms12": ()}, "config.signature_algorithms12 is empty"),
        (
            {"groups": (NamedGroup.X25519MLKEM768,)},
            "config.groups has none that TLS 1.2 can use",
        ),
    ],
)
def test_a_policy_that_cannot_work(fields: dict[str, Any], match: str) -> None:
    for make in (client_config, server_config):
        with pytest.raises(UsageError, match=match):
            make(**({"versions": TLS12} | fields))
