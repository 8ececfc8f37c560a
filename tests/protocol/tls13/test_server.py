"""The server's handshake after the hellos: its choices, its flight, the client's proof."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from postshake.config import ClientAuth
from postshake.constants import (
    AlertDescription,
    ContentType,
    NamedGroup,
    Role,
    SignatureScheme,
)
from postshake.errors import (
    BadCertificate,
    CertificateExpired,
    CertificateRequired,
    DecodeError,
    DecryptError,
    IllegalParameter,
    NegotiationError,
    NoApplicationProtocol,
    TLSError,
    TooMuch,
    UnexpectedMessage,
    UnknownCA,
    UnrecognizedName,
    UnsupportedExtension,
    WrongPurpose,
)
from postshake.questions import ChooseCredential
from postshake.record.limits import Limits
from postshake.wire.auth import Certificate, CertificateEntry, CertificateVerify, Finished
from postshake.wire.extensions import (
    ApplicationLayerProtocolNegotiation,
    CertificateStatus,
    Extensions,
    MaxFragmentLength,
    RecordSizeLimit,
    ServerName,
    ServerNameAck,
    SignatureAlgorithms,
    SignatureAlgorithmsCert,
    SignedCertificateTimestampRequest,
    SignedCertificateTimestamps,
    StatusRequest,
    UnknownExtension,
)
from postshake.wire.handshake import encode_handshake
from postshake.wire.hello import ClientHello, EncryptedExtensions, EndOfEarlyData
from postshake.wire.post_handshake import KeyUpdate, NewSessionTicket
from tests.certs import CA, Issued
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
)

CERT, CV, FIN = Certificate, CertificateVerify, Finished


def change(kind: type[Any], function: Any) -> Any:
    return lambda: instead(kind, function)


def change_raw(kind: type[Any], function: Any) -> Any:
    return lambda: raw_instead(kind, function)


def flip(data: bytes) -> bytes:
    return data[:-1] + bytes((data[-1] ^ 1,))


def entries(*ders: bytes) -> tuple[CertificateEntry, ...]:
    return tuple(CertificateEntry(der) for der in ders)


def before(message: Any) -> Any:
    """Send another message first, in the same record as Finished."""
    return change_raw(FIN, lambda m, raw: encode_handshake(message) + raw)


PROOFS = [
    Case(
        "Certificate with a context",
        change(CERT, lambda m: replace(m, certificate_request_context=b"x")),
        IllegalParameter,
        "Certificate: expected an empty context in the handshake, got 1 bytes",
        server=REQUIRING,
    ),
    Case(
        "no certificates where one is required",
        change(CERT, lambda m: replace(m, certificate_list=())),
        CertificateRequired,
        "expected a certificate, got none",
        server=REQUIRING,
    ),
    Case(
        "CertificateVerify without certificates",
        change(CERT, lambda m: replace(m, certificate_list=())),
        UnexpectedMessage,
        "expected Finished, got CertificateVerify",
        server=ASKING,
    ),
    Case(
        "no Certificate",
        lambda: drop(CERT),
        UnexpectedMessage,
        "server handshake: expected Certificate, got CertificateVerify",
        server=REQUIRING,
    ),
    Case(
        "two Certificates",
        lambda: twice(CERT),
        UnexpectedMessage,
        "expected CertificateVerify, got Certificate",
        server=REQUIRING,
    ),
    Case(
        "too many certificates",
        change(CERT, lambda m: replace(m, certificate_list=m.certificate_list * 5)),
        TooMuch,
        "expected at most 4 certificates, got 5",
        server=REQUIRING | {"limits": Limits(certificate_entries=4)},
    ),
    Case(
        "a certificate that is none",
        change(CERT, lambda m: replace(m, certificate_list=entries(b"\x30\x00"))),
        BadCertificate,
        "the leaf cannot be read",
        server=REQUIRING,
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
        server=REQUIRING,
    ),
    Case(
        "a certificate for another key",
        change(CERT, lambda m: replace(m, certificate_list=entries(issued("mallory").der))),
        DecryptError,
        "signature does not verify",
        server=REQUIRING,
    ),
    Case(
        "a signature with a flipped bit",
        change(CV, lambda m: replace(m, signature=flip(m.signature))),
        DecryptError,
        "signature does not verify",
        server=REQUIRING,
    ),
    Case(
        "the scheme of another curve",
        change(CV, lambda m: replace(m, algorithm=SignatureScheme.ecdsa_secp384r1_sha384)),
        IllegalParameter,
        "scheme ecdsa_secp384r1_sha384 does not fit",
        server=REQUIRING,
    ),
    Case(
        "a scheme that was not asked for",
        change(CV, lambda m: replace(m, algorithm=SignatureScheme.ecdsa_sha1)),
        IllegalParameter,
        "one of the schemes that we offered, got ecdsa_sha1",
        server=REQUIRING,
    ),
    Case(
        "no CertificateVerify",
        lambda: drop(CV),
        UnexpectedMessage,
        "expected CertificateVerify, got Finished",
        server=REQUIRING,
    ),
    Case(
        "CertificateVerify before Certificate",
        lambda: swapped(CERT, CV),
        UnexpectedMessage,
        "expected Certificate, got CertificateVerify",
        server=REQUIRING,
    ),
    Case(
        "Certificate that nobody asked for",
        before(Certificate(b"", ())),
        UnexpectedMessage,
        "server handshake: expected Finished, got Certificate",
    ),
    Case(
        "EndOfEarlyData without early data",
        before(EndOfEarlyData()),
        UnexpectedMessage,
        "expected Finished, got EndOfEarlyData",
    ),
    Case(
        "KeyUpdate before Finished",
        before(KeyUpdate.decode(b"\1")),
        UnexpectedMessage,
        "expected Finished, got KeyUpdate",
    ),
    Case(
        "a ticket from a client",
        before(NewSessionTicket(1, 1, b"", b"t")),
        UnexpectedMessage,
        "expected Finished, got NewSessionTicket",
    ),
    Case(
        "a message of TLS 1.2",
        change_raw(FIN, lambda m, raw: framed(16, b"") + raw),
        UnexpectedMessage,
        "got ClientKeyExchange",
    ),
    Case(
        "Finished with a flipped bit",
        change(FIN, lambda m: Finished(flip(m.verify_data))),
        DecryptError,
        "verify_data does not match the transcript",
    ),
    Case(
        "Finished with a flipped bit, after a certificate",
        change(FIN, lambda m: Finished(flip(m.verify_data))),
        DecryptError,
        "verify_data does not match the transcript",
        server=REQUIRING,
    ),
    Case(
        "a Finished of another hash",
        change(FIN, lambda m: Finished(m.verify_data + bytes(16))),
        DecodeError,
        "expected 32 bytes of verify_data, got 48",
    ),
    Case(
        "something in the record of Finished",
        change_raw(FIN, lambda m, raw: raw + framed(24, b"\0")),
        UnexpectedMessage,
        "expected a key change at the end of a record, got 5 more bytes",
    ),
    Case(
        "two Finished",
        lambda: twice(FIN),
        UnexpectedMessage,
        "expected a key change at the end of a record",
    ),
    Case(
        "data before Finished",
        lambda: sends_before(FIN, ContentType.application_data, b"GET /"),
        UnexpectedMessage,
        "application data, and server handshake expects Finished",
    ),
    Case(
        "data before Certificate",
        lambda: sends_before(CERT, ContentType.application_data, b"GET /"),
        UnexpectedMessage,
        "application data, and server handshake expects Certificate",
        server=REQUIRING,
    ),
]


@pytest.mark.parametrize("case", PROOFS, ids=str)
def test_a_proof_that_lies_is_refused(case: Case) -> None:
    pair = refuse(case, Role.client)
    assert pair.server.of(object) == []
    assert pair.server.connection.readable == 0


# --- who the client is


@pytest.mark.parametrize(
    ("certificate", "error", "match"),
    [
        (lambda: CA("Other CA").issue("alice"), UnknownCA, "Other CA"),
        (lambda: the_ca().issue("alice", purpose="server"), WrongPurpose, ""),
        (lambda: the_ca().issue("alice", expired=True), CertificateExpired, ""),
    ],
    ids=["unknown CA", "a server's", "expired"],
)
@pytest.mark.parametrize("client_auth", [ClientAuth.REQUEST, ClientAuth.REQUIRE])
def test_a_client_that_is_refused_is_told_why(
    client_auth: ClientAuth, certificate: Any, error: type[TLSError], match: str
) -> None:
    pair = ConnectionPair(
        client_config(credentials=(certificate().credential(),)),
        server_config(client_auth=client_auth),
    )
    pair.client.connection.start()
    pair.move()
    check_refusal(pair.server, pair.client, error, match)
    assert pair.server.connection.established is None
    assert pair.server.connection.peer_identity is None


@pytest.mark.parametrize(
    ("client_auth", "names", "known_as"),
    [
        (ClientAuth.NONE, ("alice",), None),
        (ClientAuth.NONE, (), None),
        (ClientAuth.REQUEST, (), None),
        (ClientAuth.REQUEST, ("alice",), "alice"),
        (ClientAuth.REQUIRE, ("alice",), "alice"),
    ],
)
def test_client_auth(client_auth: ClientAuth, names: tuple[str, ...], known_as: str | None) -> None:
    pair = ConnectionPair(client_config(*names), server_config(client_auth=client_auth)).handshake()
    identity = pair.server.connection.peer_identity
    assert (identity.common_name if identity else None) == known_as
    assert pair.client.connection.established is not None
    credential = pair.client.connection.established.our_credential
    assert (credential is not None) is (known_as is not None)
    if identity is not None:
        assert identity.certificate_request_context == b""
        assert pair.server.connection.identity_history == ((0, None), (0, identity))
        assert pair.server.connection.read_identity is identity


def test_a_client_without_a_certificate_is_refused_where_one_is_required() -> None:
    pair = ConnectionPair(client_config(), server_config(**REQUIRING))
    pair.client.connection.start()
    pair.move()
    check_refusal(pair.server, pair.client, CertificateRequired, "expected a certificate, got none")
    # the client had done all it could, and hears of it afterwards
    assert pair.client.connection.established is not None


# --- what the server chooses


def sent_by_server(pair: ConnectionPair) -> list[Any]:
    messages: list[Any] = []

    def watch(end: End, message: Any, raw: bytes) -> bytes:
        messages.append(message)
        return raw

    with lying(pair.server, watch):
        pair.handshake()
    return messages


def server_credentials(*issued_: Issued) -> dict[str, Any]:
    return {"credentials": tuple(each.credential() for each in issued_)}


def test_the_certificate_is_chosen_by_name() -> None:
    names = ("a.example", "b.example", "c.example")
    server = server_config(**server_credentials(*(issued(name, "server") for name in names)))
    for name in names:
        pair = ConnectionPair(client_config(), server, server_name=name).handshake()
        established = pair.server.connection.established
        assert established is not None
        assert established.server_name == name
        assert established.our_credential is server.credentials[names.index(name)]
        identity = pair.client.connection.peer_identity
        assert identity is not None
        assert identity.common_name == name


def test_an_address_is_not_sent_as_a_name() -> None:
    certificate = the_ca().issue("server", purpose="server", ip=("192.0.2.1",))
    pair = ConnectionPair(
        client_config(),
        server_config(**server_credentials(certificate)),
        server_name="192.0.2.1",
    )
    messages = sent_by_server(pair)
    assert pair.server.connection.established is not None
    assert pair.server.connection.established.server_name is None
    (parameters,) = (each for each in messages if isinstance(each, EncryptedExtensions))
    assert parameters.extensions.get(ServerNameAck) is None


def test_a_name_is_acknowledged() -> None:
    messages = sent_by_server(ConnectionPair())
    (parameters,) = (each for each in messages if isinstance(each, EncryptedExtensions))
    assert [type(each) for each in parameters.extensions] == [ServerNameAck]


ODD_NAMES = ["*", "..", "-", "1.2.3.4", "::1", "a:b", "x" * 300, "%00", "server.example:443"]


@pytest.mark.parametrize("name", ["other.example", *ODD_NAMES])
def test_an_unknown_name_is_refused_if_we_want_that(name: str) -> None:
    pair = ConnectionPair(server=server_config(refuse_unknown_names=True))
    with lying(pair.client, instead(ClientHello, lambda m: plus(m, ServerName(name)))):
        pair.client.connection.start()
        pair.move()
    check_refusal(pair.server, pair.client, UnrecognizedName, "there is no certificate for '")


@pytest.mark.parametrize("name", ["other.example", *ODD_NAMES])
def test_an_unknown_name_gets_our_first_certificate_otherwise(name: str) -> None:
    """The client judges whether it will do (RFC 6066 section 3)."""
    server = server_config(
        **server_credentials(issued("server.example", "server"), issued("b.example", "server"))
    )
    pair = ConnectionPair(server=server)
    with lying(pair.client, instead(ClientHello, lambda m: plus(m, ServerName(name)))):
        pair.handshake()
    assert pair.server.connection.established is not None
    assert pair.server.connection.established.our_credential is server.credentials[0]
    assert pair.server.connection.established.server_name == name


def test_a_known_name_is_not_refused() -> None:
    ConnectionPair(server=server_config(refuse_unknown_names=True)).handshake()


def test_the_certificate_is_chosen_by_scheme() -> None:
    server = server_config(
        **server_credentials(
            issued("server.example", "server", "rsa2048"),
            issued("server.example", "server", "p256"),
            issued("server.example", "server", "ed25519"),
        )
    )
    for number, schemes in enumerate(
        [
            (SignatureScheme.rsa_pss_rsae_sha384,),
            (SignatureScheme.ecdsa_secp256r1_sha256,),
            (SignatureScheme.ed25519,),
        ]
    ):
        pair = ConnectionPair(client_config(signature_algorithms=schemes), server).handshake()
        assert pair.server.connection.established is not None
        assert pair.server.connection.established.our_credential is server.credentials[number]


def test_the_certificate_is_chosen_by_authority() -> None:
    other = CA("Other CA")
    server = server_config(
        **server_credentials(
            other.issue("server.example", purpose="server"), issued("server.example", "server")
        )
    )
    client = client_config(certificate_authorities=(the_ca().name,))
    pair = ConnectionPair(client, server).handshake()
    assert pair.server.connection.established is not None
    assert pair.server.connection.established.our_credential is server.credentials[1]


def test_the_certificate_is_chosen_by_the_chain_s_algorithms() -> None:
    rsa = CA("RSA CA", key_type="rsa2048")
    server = server_config(
        **server_credentials(
            rsa.issue("server.example", purpose="server"), issued("server.example", "server")
        )
    )
    ecdsa = (SignatureScheme.ecdsa_secp256r1_sha256,)
    pair = ConnectionPair(client_config(signature_algorithms_cert=ecdsa), server).handshake()
    assert pair.server.connection.established is not None
    assert pair.server.connection.established.our_credential is server.credentials[1]


def test_the_owner_is_asked_with_all_that_the_client_said() -> None:
    pair = ConnectionPair(
        client_config(
            certificate_authorities=(the_ca().name,),
            signature_algorithms=(0x0403, 0x0807),
            signature_algorithms_cert=(0x0403,),
        )
    )
    pair.server.hold = lambda question: isinstance(question.subject, ChooseCredential)
    pair.client.connection.start()
    pair.move()
    (question,) = pair.server.held_questions
    subject = question.subject
    assert isinstance(subject, ChooseCredential)
    assert subject.role is Role.server
    assert subject.server_name == "server.example"
    assert subject.credentials == pair.server.connection.config.credentials
    assert subject.wanted.authorities == (the_ca().name,)
    assert subject.wanted.signature_algorithms == (0x0403, 0x0807)
    assert subject.wanted.signature_algorithms_cert == (0x0403,)
    give(pair.server, question, None)
    pair.move()
    check_refusal(pair.server, pair.client, NegotiationError, "none of our certificates fits")


def test_a_credential_that_cannot_sign_what_the_client_takes() -> None:
    pair = ConnectionPair(client_config(signature_algorithms=(SignatureScheme.ed25519,)))
    pair.server.hold = lambda question: isinstance(question.subject, ChooseCredential)
    pair.client.connection.start()
    pair.move()
    (question,) = pair.server.held_questions
    give(pair.server, question, issued("server.example", "server").credential())
    pair.move()
    check_refusal(
        pair.server,
        pair.client,
        NegotiationError,
        "no signature scheme in common: the client accepts ed25519",
    )


def test_no_application_protocol_in_common() -> None:
    pair = ConnectionPair(
        client_config(alpn_protocols=(b"h2",)), server_config(alpn_protocols=(b"http/1.1",))
    )
    pair.client.connection.start()
    pair.move()
    check_refusal(
        pair.server,
        pair.client,
        NoApplicationProtocol,
        r"expected one of \(b'http/1.1',\), got b'h2'",
    )


def test_what_a_client_did_not_ask_for_is_not_sent() -> None:
    credential = issued("server.example", "server").credential(
        ocsp_response=b"stapled", signed_certificate_timestamps=b"\0\3\0\1x"
    )
    messages = sent_by_server(
        ConnectionPair(
            server=server_config(
                credentials=(credential,), record_size_limit=100, alpn_protocols=(b"h2",)
            )
        )
    )
    (parameters,) = (each for each in messages if isinstance(each, EncryptedExtensions))
    for kind in (RecordSizeLimit, MaxFragmentLength, ApplicationLayerProtocolNegotiation):
        assert parameters.extensions.get(kind) is None
    (certificate,) = (each for each in messages if isinstance(each, Certificate))
    assert all(len(entry.extensions) == 0 for entry in certificate.certificate_list)


def test_a_stapled_response_is_sent_to_a_client_that_asks() -> None:
    credential = issued("server.example", "server").credential(
        ocsp_response=b"stapled", signed_certificate_timestamps=b"\0\3\0\1x"
    )
    sent: list[Certificate] = []

    def watch(end: End, message: Any, raw: bytes) -> bytes:
        if isinstance(message, Certificate):
            sent.append(message)
        return raw

    asks = instead(
        ClientHello, lambda m: plus(m, StatusRequest(), SignedCertificateTimestampRequest())
    )
    pair = ConnectionPair(server=server_config(credentials=(credential,)))
    with lying(pair.client, asks):
        pair.client.connection.start()
        hello = pair.client.connection.data_to_send()
    with lying(pair.server, watch):
        pair.server.receive(hello)
    (message,) = sent
    extensions = message.certificate_list[0].extensions
    assert extensions.require(CertificateStatus).response == b"stapled"
    assert extensions.require(SignedCertificateTimestamps).encode() == b"\0\3\0\1x"


def test_a_request_names_our_schemes_once() -> None:
    same = (SignatureScheme.ed25519, SignatureScheme.ed448)
    pair = ConnectionPair(
        client_config(),
        server_config(
            client_auth=ClientAuth.REQUEST,
            signature_algorithms=same,
            signature_algorithms_cert=same,
        ),
    )
    messages = sent_by_server(pair)
    (request,) = (each for each in messages if type(each).__name__ == "CertificateRequest")
    assert request.certificate_request_context == b""
    assert request.extensions.require(SignatureAlgorithms).supported_signature_algorithms == same
    assert request.extensions.get(SignatureAlgorithmsCert) is None


@pytest.mark.parametrize(
    ("ours", "offered", "retried", "group"),
    [
        ((NamedGroup.x25519, NamedGroup.secp256r1), (NamedGroup.secp256r1,), False, "secp256r1"),
        ((NamedGroup.secp256r1,), (NamedGroup.x25519, NamedGroup.secp256r1), True, "secp256r1"),
        (
            (NamedGroup.secp256r1, NamedGroup.x25519),
            (NamedGroup.x25519, NamedGroup.secp256r1),
            False,
            "x25519",
        ),
    ],
)
def test_the_group(
    ours: tuple[NamedGroup, ...], offered: tuple[NamedGroup, ...], retried: bool, group: str
) -> None:
    pair = ConnectionPair(client_config(groups=offered), server_config(groups=ours)).handshake()
    established = pair.server.connection.established
    assert established is not None
    assert established.group is not None
    assert (established.hello_retry_request, established.group.name) == (retried, group)


@pytest.mark.parametrize("offered", [True, False])
def test_whether_the_client_would_answer_later_is_known(offered: bool) -> None:
    pair = ConnectionPair(client_config(post_handshake_auth=offered)).handshake()
    for end in (pair.client, pair.server):
        assert end.connection.established is not None
        assert end.connection.established.post_handshake_auth is offered


def test_nothing_is_said_before_the_client_has_finished() -> None:
    """A server could send data before the client's Finished; this one does not."""
    pair = ConnectionPair()
    pair.client.connection.start()
    pair.server.receive(pair.client.connection.data_to_send())
    with pytest.raises(Exception, match="the handshake is not complete"):
        pair.server.connection.send_data(b"early")
    pair.handshake()


@pytest.mark.parametrize("alert", [AlertDescription.bad_certificate, 0, 255])
def test_a_client_that_fails_before_it_has_keys_is_heard(alert: int) -> None:
    """Its alert is in plaintext, and the server reads protected records by then."""
    pair = ConnectionPair()
    pair.client.connection.start()
    pair.server.receive(pair.client.connection.data_to_send())
    pair.server.receive(bytes((21, 3, 3, 0, 2, 2, alert)))
    assert type(pair.server.error).__name__ == "AlertReceived"
    assert getattr(pair.server.error, "received", None) == alert


def test_unknown_extensions_of_a_client_are_passed_over() -> None:
    pair = ConnectionPair()
    lie = instead(ClientHello, lambda m: plus(m, UnknownExtension(0x7777, b"anything")))
    with lying(pair.client, lie):
        pair.handshake()
