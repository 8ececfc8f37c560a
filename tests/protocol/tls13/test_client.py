"""The client's handshake after the hellos: parameters, the server's proof, our own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from postshake.config import ClientAuth
from postshake.constants import CipherSuite, ContentType, NamedGroup, Role, SignatureScheme
from postshake.crypto.groups import supported_groups
from postshake.crypto.signatures import sign
from postshake.crypto.suites import TLS13_SUITES
from postshake.errors import (
    BadCertificate,
    CertificateExpired,
    DecodeError,
    DecryptError,
    IllegalParameter,
    MessageTooLarge,
    MissingExtension,
    NameMismatch,
    TLSError,
    TooMuch,
    UnexpectedMessage,
    UnknownCA,
    UnsupportedExtension,
    WrongPurpose,
)
from postshake.questions import ChooseCredential
from postshake.record.limits import Limits
from postshake.wire.auth import (
    Certificate,
    CertificateEntry,
    CertificateRequest,
    CertificateVerify,
    Finished,
)
from postshake.wire.extensions import (
    ApplicationLayerProtocolNegotiation,
    CertificateAuthorities,
    CertificateStatus,
    EarlyDataIndication,
    Extensions,
    MaxFragmentLength,
    RecordSizeLimit,
    ServerNameAck,
    SignatureAlgorithms,
    SignatureAlgorithmsCert,
    SupportedGroups,
    UnknownExtension,
)
from postshake.wire.handshake import encode_handshake
from postshake.wire.hello import EncryptedExtensions
from postshake.wire.post_handshake import KeyUpdate, NewSessionTicket
from tests.certs import CA, Issued
from tests.hostile import send_record
from tests.pair import ConnectionPair, End, client_config, issued, server_config, the_ca
from tests.tampering import (
    ASKING,
    REQUIRING,
    Case,
    check_refusal,
    drop,
    framed,
    give,
    instead,
    lying,
    plus,
    raw_instead,
    refuse,
    sends_before,
    swapped,
    twice,
    without,
)

ALPN = ApplicationLayerProtocolNegotiation


def change(kind: type[Any], function: Any) -> Any:
    return lambda: instead(kind, function)


def change_raw(kind: type[Any], function: Any) -> Any:
    return lambda: raw_instead(kind, function)


def flip(data: bytes) -> bytes:
    return data[:-1] + bytes((data[-1] ^ 1,))


def entries(*ders: bytes) -> tuple[CertificateEntry, ...]:
    return tuple(CertificateEntry(der) for der in ders)


def fragments_with_data_between(end: End, message: Any, raw: bytes) -> bytes:
    if type(message) is EncryptedExtensions:
        send_record(end, ContentType.handshake, raw[:5] if len(raw) > 5 else raw[:3])
        send_record(end, ContentType.application_data, b"between")
    return raw


EE, CR, CERT, CV, FIN = (
    EncryptedExtensions,
    CertificateRequest,
    Certificate,
    CertificateVerify,
    Finished,
)
TICKET = encode_handshake(NewSessionTicket(60, 0, b"", b"ticket"))

PARAMETERS = [
    Case(
        "a protocol that nobody offered",
        change(EE, lambda m: plus(m, ALPN((b"h2",)))),
        UnsupportedExtension,
        "EncryptedExtensions: extension 16 answers none of ours",
    ),
    Case(
        "a protocol that is not ours",
        change(EE, lambda m: plus(m, ALPN((b"h2",)))),
        IllegalParameter,
        r"expected one of our application protocols, got b'h2'",
        client={"alpn_protocols": (b"http/1.1",)},
    ),
    Case(
        "two protocols",
        change(EE, lambda m: plus(m, ALPN((b"a", b"b")))),
        IllegalParameter,
        "expected one of our application protocols, got",
        client={"alpn_protocols": (b"a", b"b")},
    ),
    Case(
        "an empty protocol",
        change(EE, lambda m: plus(m, UnknownExtension(16, b"\0\1\0"))),
        DecodeError,
        "application_layer_protocol_negotiation in EncryptedExtensions",
        client={"alpn_protocols": (b"a", b"b")},
    ),
    Case(
        "an extension of ServerHello",
        change(EE, lambda m: plus(m, UnknownExtension(51, b""))),
        IllegalParameter,
        "EncryptedExtensions: expected key_share only in",
    ),
    Case(
        "an extension that we do not know",
        change(EE, lambda m: plus(m, UnknownExtension(0x5A5A, b""))),
        UnsupportedExtension,
        "EncryptedExtensions: extension 23130",
    ),
    Case(
        "early data that nobody offered",
        change(EE, lambda m: plus(m, EarlyDataIndication())),
        UnsupportedExtension,
        "extension 42",
    ),
    Case(
        "an extension twice",
        change(EE, lambda m: plus(m, ServerNameAck(), replacing=False)),
        IllegalParameter,
        "server_name twice",
    ),
    Case(
        "a name in the acknowledgement",
        change(EE, lambda m: plus(m, UnknownExtension(0, b"\0\0"))),
        DecodeError,
        "server_name in EncryptedExtensions",
    ),
    Case(
        "a record_size_limit that nobody offered",
        change(EE, lambda m: plus(m, RecordSizeLimit(100))),
        UnsupportedExtension,
        "extension 28",
    ),
    Case(
        "a record_size_limit that is too small",
        change(EE, lambda m: plus(m, UnknownExtension(28, b"\0\x3f"))),
        IllegalParameter,
        "expected at least 64, got 63",
        client={"record_size_limit": 100},
    ),
    Case(
        "both limits",
        change(EE, lambda m: plus(m, RecordSizeLimit(100), MaxFragmentLength(1))),
        IllegalParameter,
        "both record_size_limit and max_fragment_length",
        client={"record_size_limit": 100, "max_fragment_length": 512},
    ),
    Case(
        "another max_fragment_length",
        change(EE, lambda m: plus(m, MaxFragmentLength(2))),
        IllegalParameter,
        "expected max_fragment_length 512, got 1024",
        client={"max_fragment_length": 512},
    ),
    Case(
        "no EncryptedExtensions",
        lambda: drop(EE),
        UnexpectedMessage,
        "expected EncryptedExtensions, got Certificate",
    ),
    Case(
        "two EncryptedExtensions",
        lambda: twice(EE),
        UnexpectedMessage,
        "expected CertificateRequest or Certificate, got EncryptedExtensions",
    ),
    Case(
        "a byte after their end",
        change_raw(EE, lambda m, raw: framed(8, raw[4:] + b"\0")),
        DecodeError,
        "EncryptedExtensions: expected its end",
    ),
    Case(
        "data before them",
        lambda: sends_before(EE, ContentType.application_data, b"data"),
        UnexpectedMessage,
        "application data, and client handshake expects EncryptedExtensions",
    ),
    Case(
        "data between their fragments",
        lambda: fragments_with_data_between,
        UnexpectedMessage,
        "application data, and a handshake message is not complete",
    ),
    Case(
        "an empty record before them",
        lambda: sends_before(EE, ContentType.application_data, b""),
        UnexpectedMessage,
        "application data",
    ),
]

PROOFS = [
    Case(
        "a request with a context",
        change(CR, lambda m: replace(m, certificate_request_context=b"abc")),
        IllegalParameter,
        "CertificateRequest: expected an empty context in the handshake, got 3 bytes",
        server=ASKING,
    ),
    Case(
        "a request without schemes",
        change(CR, lambda m: without(m, SignatureAlgorithms)),
        MissingExtension,
        "CertificateRequest: expected signature_algorithms, got none",
        server=ASKING,
    ),
    Case(
        "a request with an extension of ClientHello",
        change(CR, lambda m: plus(m, UnknownExtension(49, b""))),
        IllegalParameter,
        "CertificateRequest: expected post_handshake_auth only in ClientHello",
        server=ASKING,
    ),
    Case(
        "two requests",
        lambda: twice(CR),
        UnexpectedMessage,
        "expected Certificate, got CertificateRequest",
        server=ASKING,
    ),
    Case(
        "a request after Certificate",
        lambda: swapped(CR, CERT),
        UnexpectedMessage,
        "expected CertificateVerify, got CertificateRequest",
        server=ASKING,
    ),
    Case(
        "Certificate with a context",
        change(CERT, lambda m: replace(m, certificate_request_context=b"x")),
        IllegalParameter,
        "Certificate: expected an empty context from a server, got 1 bytes",
    ),
    Case(
        "no certificates",
        change(CERT, lambda m: replace(m, certificate_list=())),
        DecodeError,
        "expected a server's certificates, got none",
    ),
    Case(
        "no Certificate",
        lambda: drop(CERT),
        UnexpectedMessage,
        "expected CertificateRequest or Certificate, got CertificateVerify",
    ),
    Case(
        "two Certificates",
        lambda: twice(CERT),
        UnexpectedMessage,
        "expected CertificateVerify, got Certificate",
    ),
    Case(
        "too many certificates",
        change(CERT, lambda m: replace(m, certificate_list=m.certificate_list * 17)),
        TooMuch,
        "expected at most 16 certificates, got 17",
    ),
    Case(
        "more certificates than our limit",
        change(CERT, lambda m: replace(m, certificate_list=m.certificate_list * 3)),
        TooMuch,
        "expected at most 2 certificates, got 3",
        client={"limits": Limits(certificate_entries=2)},
    ),
    Case(
        "a Certificate that is too long",
        change(CERT, lambda m: replace(m, certificate_list=entries(bytes(3000)))),
        MessageTooLarge,
        "message of type 11: expected at most 2048 bytes, got a length of 3009",
        client={"limits": Limits(handshake_message=2048)},
    ),
    Case(
        "a certificate that is none",
        change(CERT, lambda m: replace(m, certificate_list=entries(b"not DER"))),
        BadCertificate,
        "the leaf cannot be read",
    ),
    Case(
        "an empty certificate",
        change(CERT, lambda m: replace(m, certificate_list=entries(b""))),
        DecodeError,
        "Certificate: expected a vector of at least 1",
    ),
    Case(
        "an extension that nobody asked for",
        change(
            CERT,
            lambda m: replace(
                m,
                certificate_list=(
                    replace(
                        m.certificate_list[0], extensions=Extensions((CertificateStatus(b"ocsp"),))
                    ),
                ),
            ),
        ),
        UnsupportedExtension,
        "entry 0 carries extension 5, which nobody asked for",
    ),
    Case(
        "an unknown extension on the second",
        change(
            CERT,
            lambda m: replace(
                m,
                certificate_list=(
                    *m.certificate_list,
                    CertificateEntry(b"x", Extensions((UnknownExtension(0x9A9A, b""),))),
                ),
            ),
        ),
        UnsupportedExtension,
        "entry 1 carries extension 39578",
    ),
    Case(
        "an extension of another message",
        change(
            CERT,
            lambda m: replace(
                m,
                certificate_list=(
                    CertificateEntry(b"x", Extensions((UnknownExtension(43, b""),))),
                ),
            ),
        ),
        IllegalParameter,
        "Certificate entry: expected supported_versions only in",
    ),
    Case(
        "a certificate for another key",
        change(
            CERT, lambda m: replace(m, certificate_list=entries(issued("mallory", "server").der))
        ),
        DecryptError,
        "ecdsa_secp256r1_sha256 signature does not verify",
    ),
    Case(
        "a certificate for another kind of key",
        change(
            CERT,
            lambda m: replace(
                m, certificate_list=entries(issued("mallory", "server", "ed25519").der)
            ),
        ),
        IllegalParameter,
        "scheme ecdsa_secp256r1_sha256 does not fit the certificate's Ed25519PublicKey",
    ),
    Case(
        "another scheme",
        change(CV, lambda m: replace(m, algorithm=SignatureScheme.ed25519)),
        IllegalParameter,
        "scheme ed25519 does not fit",
    ),
    Case(
        "a scheme that was not offered",
        change(CV, lambda m: m),
        IllegalParameter,
        "expected one of the schemes that we offered, got ecdsa_secp256r1_sha256",
        client={"signature_algorithms": (SignatureScheme.ed25519,)},
        server={
            "credentials": (issued("server.example", "server", "ed25519").credential(),),
        },
    ),
    Case(
        "a scheme for certificates only",
        change(CV, lambda m: replace(m, algorithm=SignatureScheme.rsa_pkcs1_sha256)),
        IllegalParameter,
        "one of the schemes that we offered, got rsa_pkcs1_sha256",
    ),
    Case(
        "a GREASE scheme",
        change(CV, lambda m: replace(m, algorithm=0x3A3A)),
        IllegalParameter,
        "got 0x3a3a",
    ),
    Case(
        "a signature with a flipped bit",
        change(CV, lambda m: replace(m, signature=flip(m.signature))),
        DecryptError,
        "signature does not verify",
    ),
    Case(
        "an empty signature",
        change(CV, lambda m: replace(m, signature=b"")),
        DecryptError,
        "signature does not verify",
    ),
    Case(
        "no CertificateVerify",
        lambda: drop(CV),
        UnexpectedMessage,
        "expected CertificateVerify, got Finished",
    ),
    Case(
        "two CertificateVerify",
        lambda: twice(CV),
        UnexpectedMessage,
        "expected Finished, got CertificateVerify",
    ),
    Case(
        "CertificateVerify before Certificate",
        lambda: swapped(CERT, CV),
        UnexpectedMessage,
        "expected CertificateRequest or Certificate, got CertificateVerify",
    ),
    Case(
        "Finished with a flipped bit",
        change(FIN, lambda m: Finished(flip(m.verify_data))),
        DecryptError,
        "Finished: verify_data does not match the transcript",
    ),
    Case(
        "a short Finished",
        change(FIN, lambda m: Finished(m.verify_data[:-1])),
        DecodeError,
        "Finished: expected 32 bytes of verify_data, got 31",
    ),
    Case(
        "an empty Finished",
        change(FIN, lambda m: Finished(b"")),
        DecodeError,
        "got 0",
    ),
    Case(
        "a long Finished",
        change(FIN, lambda m: Finished(m.verify_data + b"\0")),
        DecodeError,
        "got 33",
    ),
    Case(
        "a ticket in the record of Finished",
        change_raw(FIN, lambda m, raw: raw + TICKET),
        UnexpectedMessage,
        "expected a key change at the end of a record",
    ),
    Case(
        "a ticket before Finished",
        change_raw(FIN, lambda m, raw: TICKET + raw),
        UnexpectedMessage,
        "expected Finished, got NewSessionTicket",
    ),
    Case(
        "KeyUpdate before Finished",
        change_raw(FIN, lambda m, raw: framed(24, b"\0") + raw),
        UnexpectedMessage,
        "expected Finished, got KeyUpdate",
    ),
    Case(
        "half an alert",
        lambda: sends_before(CERT, ContentType.alert, b"\1"),
        DecodeError,
        "alert: expected 1 bytes",
    ),
    Case(
        "a change_cipher_spec under protection",
        lambda: sends_before(CERT, ContentType.change_cipher_spec, b"\1"),
        UnexpectedMessage,
        "expected handshake, alert or application_data, got content type 20",
    ),
]


@pytest.mark.parametrize("case", PARAMETERS, ids=str)
def test_parameters_that_lie_are_refused(case: Case) -> None:
    refuse(case, Role.server)


@pytest.mark.parametrize("case", PROOFS, ids=str)
def test_a_proof_that_lies_is_refused(case: Case) -> None:
    if case.name == "a scheme that was not offered":
        case = replace(case, lie=change(CV, lambda m: replace(m, algorithm=0x0403)))
    refuse(case, Role.server)


def test_a_signature_for_the_other_role_is_refused() -> None:
    """§4.4.3: the context string keeps a client's signature from serving a server."""
    pair = ConnectionPair()
    key = issued("server.example", "server").private_key

    def sign_as_client(question: Any) -> bytes:
        data = question.subject.data.replace(b"server Cert", b"client Cert")
        return sign(question.subject.scheme, key, data)

    pair.server.hold = lambda question: hasattr(question.subject, "signer")
    pair.client.connection.start()
    pair.move()
    (question,) = pair.server.held_questions
    give(pair.server, question, sign_as_client(question))
    pair.move()
    check_refusal(pair.client, pair.server, DecryptError, "signature does not verify")


# --- verdicts on the server


def server_with(issued_: Issued) -> dict[str, Any]:
    return {"credentials": (issued_.credential(),)}


@pytest.mark.parametrize(
    ("certificate", "error", "match"),
    [
        (lambda: CA("Other CA").issue("server.example", purpose="server"), UnknownCA, "Other CA"),
        (lambda: the_ca().issue("a.example", purpose="server"), NameMismatch, "a.example"),
        (lambda: the_ca().issue("server.example", purpose="client"), WrongPurpose, ""),
        (
            lambda: the_ca().issue("server.example", purpose="server", expired=True),
            CertificateExpired,
            "",
        ),
    ],
    ids=["unknown CA", "another name", "a client's", "expired"],
)
def test_a_server_that_is_refused_is_told_why(
    certificate: Any, error: type[TLSError], match: str
) -> None:
    pair = ConnectionPair(server=server_config(**server_with(certificate())))
    pair.client.connection.start()
    pair.move()
    check_refusal(pair.client, pair.server, error, match)
    assert pair.client.connection.established is None
    assert pair.server.connection.established is None


def test_the_server_is_known_by_its_certificate() -> None:
    pair = ConnectionPair().handshake()
    identity = pair.client.connection.peer_identity
    assert identity is not None
    assert identity.chain == issued("server.example", "server").chain
    assert identity.verified_chain[-1] == the_ca().der
    assert pair.client.connection.identity_history == ((0, None), (0, identity))


# --- ALPN, limits


@pytest.mark.parametrize(
    ("ours", "theirs", "agreed"),
    [
        ((), (), None),
        ((b"h2", b"http/1.1"), (), None),
        ((), (b"h2",), None),
        ((b"h2", b"http/1.1"), (b"http/1.1", b"h2"), b"http/1.1"),
        ((b"x" * 255,), (b"x" * 255,), b"x" * 255),
    ],
)
def test_alpn(ours: tuple[bytes, ...], theirs: tuple[bytes, ...], agreed: bytes | None) -> None:
    pair = ConnectionPair(
        client_config(alpn_protocols=ours), server_config(alpn_protocols=theirs)
    ).handshake()
    for end in (pair.client, pair.server):
        assert end.connection.established is not None
        assert end.connection.established.alpn_protocol == agreed


def test_encrypted_extensions_may_list_groups() -> None:
    """§4.2.7: a client must not act on them before the handshake is complete."""
    pair = ConnectionPair()
    lie = instead(EE, lambda m: plus(m, SupportedGroups((0x0A0A, NamedGroup.x25519))))
    with lying(pair.server, lie):
        pair.handshake()


# --- every group, suite and key


@pytest.mark.parametrize("group", supported_groups(), ids=lambda group: group.name)
def test_every_group(group: NamedGroup) -> None:
    pair = ConnectionPair(client_config(groups=(group,)), server_config()).handshake()
    established = pair.server.connection.established
    assert established is not None
    assert established.group is group
    check_traffic(pair)


@pytest.mark.parametrize("suite", [suite.code for suite in TLS13_SUITES.values()], ids=str)
def test_every_suite(suite: CipherSuite) -> None:
    pair = ConnectionPair(client_config(cipher_suites=(suite,)), server_config()).handshake()
    for end in (pair.client, pair.server):
        assert end.connection.established is not None
        assert end.connection.established.suite.code is suite
    check_traffic(pair)


KEYS = {
    "p256": SignatureScheme.ecdsa_secp256r1_sha256,
    "p384": SignatureScheme.ecdsa_secp384r1_sha384,
    "p521": SignatureScheme.ecdsa_secp521r1_sha512,
    "ed25519": SignatureScheme.ed25519,
    "ed448": SignatureScheme.ed448,
    "rsa2048": SignatureScheme.rsa_pss_rsae_sha256,
    "rsa-pss": SignatureScheme.rsa_pss_pss_sha256,
    "mldsa44": SignatureScheme.mldsa44,
    "mldsa65": SignatureScheme.mldsa65,
    "mldsa87": SignatureScheme.mldsa87,
}


@pytest.mark.parametrize("key_type", KEYS)
def test_every_kind_of_key_on_both_sides(key_type: str) -> None:
    if KEYS[key_type] not in client_config().signature_algorithms:
        pytest.skip("this cryptography has none")
    seen: list[int] = []

    def watch(end: End, message: Any, raw: bytes) -> bytes:
        if isinstance(message, CertificateVerify):
            seen.append(message.algorithm)
        return raw

    pair = ConnectionPair(
        client_config(credentials=(issued("bob", "client", key_type).credential(),)),
        server_config(**server_with(issued("server.example", "server", key_type)), **REQUIRING),
    )
    with lying(pair.server, watch):
        pair.handshake()
    assert seen == [KEYS[key_type]]
    identity = pair.server.connection.peer_identity
    assert identity is not None
    assert identity.common_name == "bob"
    check_traffic(pair)


def check_traffic(pair: ConnectionPair) -> None:
    pair.client.connection.send_data(b"ping")
    pair.server.connection.send_data(b"pong" * 5000)
    pair.move()
    assert (pair.server.data, pair.client.data) == (b"ping", b"pong" * 5000)


# --- the client's own certificate


def test_a_request_is_answered_with_what_fits() -> None:
    other = CA("Other CA")
    ours = (other.issue("stranger").credential(), issued("alice").credential())
    pair = ConnectionPair(
        client_config(credentials=ours),
        server_config(certificate_authorities=(the_ca().name,), **REQUIRING),
    ).handshake()
    established = pair.client.connection.established
    assert established is not None
    assert established.our_credential is ours[1]
    identity = pair.server.connection.peer_identity
    assert identity is not None
    assert identity.common_name == "alice"


def test_a_request_says_what_is_accepted() -> None:
    schemes = (SignatureScheme.ed25519, SignatureScheme.ecdsa_secp256r1_sha256)
    pair = ConnectionPair(
        client_config("alice"),
        server_config(
            client_auth=ClientAuth.REQUIRE,
            certificate_authorities=(the_ca().name,),
            signature_algorithms=schemes,
            signature_algorithms_cert=schemes[1:],
        ),
    )
    pair.client.hold = lambda question: isinstance(question.subject, ChooseCredential)
    pair.client.connection.start()
    pair.move()
    (question,) = pair.client.held_questions
    subject = question.subject
    assert isinstance(subject, ChooseCredential)
    assert subject.role is Role.client
    assert subject.credentials == pair.client.connection.config.credentials
    assert subject.wanted.authorities == (the_ca().name,)
    assert subject.wanted.signature_algorithms == schemes
    assert subject.wanted.signature_algorithms_cert == schemes[1:]
    give(pair.client, question, None)
    pair.move()
    assert "certificate_required" in str(pair.client.error)


def test_a_key_that_fits_no_scheme_of_the_request_declines() -> None:
    pair = ConnectionPair(
        client_config("alice"),
        server_config(
            client_auth=ClientAuth.REQUEST, signature_algorithms=(SignatureScheme.ed25519,)
        ),
    ).handshake()
    assert pair.server.connection.peer_identity is None
    assert pair.client.connection.established is not None
    assert pair.client.connection.established.our_credential is None


def test_a_key_that_fits_no_scheme_declines_even_if_the_owner_insists() -> None:
    pair = ConnectionPair(
        client_config("alice"),
        server_config(
            client_auth=ClientAuth.REQUEST, signature_algorithms=(SignatureScheme.ed25519,)
        ),
    )
    pair.client.hold = lambda question: isinstance(question.subject, ChooseCredential)
    pair.client.connection.start()
    pair.move()
    (question,) = pair.client.held_questions
    give(pair.client, question, issued("alice").credential())
    pair.move()
    assert pair.server.connection.established is not None
    assert pair.server.connection.peer_identity is None


def test_grease_in_a_request_is_passed_over() -> None:
    def grease(message: CertificateRequest) -> Any:
        schemes = message.extensions.require(SignatureAlgorithms).supported_signature_algorithms
        return plus(
            message,
            SignatureAlgorithms((0x0A0A, *schemes)),
            SignatureAlgorithmsCert((0x1A1A, *schemes)),
            CertificateAuthorities((the_ca().name, b"\x30\x00")),
            UnknownExtension(0xCACA, b"\0"),
        )

    pair = ConnectionPair(client_config("alice"), server_config(**REQUIRING))
    with lying(pair.server, instead(CR, grease)):
        pair.handshake()
    assert pair.server.connection.peer_identity is not None


def test_only_one_end_lies() -> None:
    """The helper itself: a lie is asked about the messages of its own end alone."""
    told: list[Finished] = []

    def lie(end: End, message: Any, raw: bytes) -> bytes:
        if type(message) is Finished:
            told.append(message)
        return raw

    pair = ConnectionPair()
    with lying(pair.server, lie):
        pair.handshake()
    assert len(told) == 1


def test_key_update_is_refused_as_long_as_the_handshake_lasts() -> None:
    pair = ConnectionPair()
    raw = encode_handshake(KeyUpdate.decode(b"\0"))
    with lying(pair.server, raw_instead(EE, lambda m, honest: raw + honest)):
        pair.client.connection.start()
        pair.move()
    check_refusal(pair.client, pair.server, UnexpectedMessage, "got KeyUpdate")
