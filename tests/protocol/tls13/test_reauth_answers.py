"""Answers that are wrong: interrupted, or not true (§4.6.2, §4.4).

Every defect has an error, an alert that the liar sees, and words that say what was
expected and what came. Whom the server knew before, it knows still.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from postshake.config import Refusal
from postshake.connection import State
from postshake.constants import (
    AlertDescription,
    AlertLevel,
    CipherSuite,
    ContentType,
    HandshakeType,
    KeyUpdateRequest,
    Role,
    SignatureScheme,
)
from postshake.errors import (
    AlertReceived,
    BadCertificate,
    DecodeError,
    DecryptError,
    IllegalParameter,
    PostshakeError,
    TLSError,
    TooMuch,
    UnexpectedMessage,
    UnsupportedExtension,
)
from postshake.events import (
    Outcome,
    ReauthCompleted,
    ReauthRequested,
)
from postshake.pki.credential import Credential
from postshake.wire.alert import Alert
from postshake.wire.auth import (
    Certificate,
    CertificateEntry,
    CertificateRequest,
    CertificateVerify,
    Finished,
)
from postshake.wire.codec import u8, vec8, vec16, vec24
from postshake.wire.extensions import (
    CertificateStatus,
    Extensions,
    ServerNameAck,
    StatusRequestEmpty,
    UnknownExtension,
)
from postshake.wire.handshake import encode_handshake
from postshake.wire.hello import EndOfEarlyData
from postshake.wire.post_handshake import KeyUpdate, NewSessionTicket
from tests.hostile import (
    assert_refused,
    capture_answer,
    link_of,
    rewriting,
    send_handshake,
    send_record,
)
from tests.pair import (
    ConnectionPair,
    client_config,
    issued,
    server_config,
    the_ca,
)

alice = issued("alice").credential()


# --- nothing inside an answer


def ccs(pair: ConnectionPair) -> None:
    link_of(pair.client).layer.send_change_cipher_spec()


def send(content_type: int, data: bytes) -> Callable[[ConnectionPair], None]:
    return lambda pair: send_record(pair.client, content_type, data)


def message(raw: Any) -> Callable[[ConnectionPair], None]:
    return lambda pair: send_handshake(pair.client, raw)


def alert(description: AlertDescription) -> Callable[[ConnectionPair], None]:
    return send(ContentType.alert, Alert(AlertLevel.warning, description).encode())


def another_answer(pair: ConnectionPair) -> None:
    (context,) = pair.client.connection.open_requests
    send_handshake(pair.client, *capture_answer(pair.client, context, alice))


INTRUDERS: dict[str, tuple[Callable[[ConnectionPair], None], str]] = {
    "data": (send(ContentType.application_data, b"data"), "application data, and {awaited}"),
    "empty data": (send(ContentType.application_data, b""), "application data, and {awaited}"),
    "KeyUpdate": (
        message(KeyUpdate(KeyUpdateRequest.update_not_requested)),
        "expected {expected}, got KeyUpdate",
    ),
    "another answer": (another_answer, "expected {expected}, got Certificate"),
    "NewSessionTicket": (
        message(NewSessionTicket(1, 0, b"", b"t")),
        "expected {expected}, got NewSessionTicket",
    ),
    "CertificateRequest": (
        message(CertificateRequest(b"", Extensions())),
        "expected {expected}, got CertificateRequest",
    ),
    "EndOfEarlyData": (message(EndOfEarlyData()), "expected {expected}, got EndOfEarlyData"),
    "unknown message": (message(b"\x63\0\0\0"), "got 0x0063"),
    "ChangeCipherSpec": (ccs, "change_cipher_spec: expected none now"),
    "close_notify": (alert(AlertDescription.close_notify), "alert close_notify, and {awaited}"),
    "user_canceled": (alert(AlertDescription.user_canceled), "alert user_canceled, and {awaited}"),
    "empty fragment": (
        lambda pair: link_of(pair.client).layer.output.append(
            link_of(pair.client).layer.outbound.seal(ContentType.handshake, b"")
        ),
        "expected content in a record",
    ),
    "heartbeat": (
        lambda pair: link_of(pair.client).layer.output.append(
            link_of(pair.client).layer.outbound.seal(24, b"heartbeat")
        ),
        "expected handshake, alert or application_data",
    ),
}


@pytest.mark.parametrize("name", INTRUDERS)
@pytest.mark.parametrize(
    ("decline", "after", "expected"),
    [
        (False, 1, "CertificateVerify"),
        (False, 2, "Finished"),
        (True, 1, "Finished"),
    ],
    ids=["after Certificate", "after CertificateVerify", "in a decline"],
)
def test_r7_nothing_may_come_inside_an_answer(
    name: str, decline: bool, after: int, expected: str
) -> None:
    """R-7, R-36: unexpected_message; what was received stays readable, nobody is known."""
    intrude, match = INTRUDERS[name]
    pair = ConnectionPair().handshake()
    pair.server.auto_read = False
    context = pair.ask()
    pair.ask()
    parts = capture_answer(pair.client, context, None if decline else alice)
    pair.client.connection.send_data(b"kept")
    send_handshake(pair.client, *parts[:after])
    intrude(pair)
    send_handshake(pair.client, *parts[after:])
    assert_refused(
        pair,
        UnexpectedMessage,
        match.format(expected=expected, awaited=f"reauth .* expects {expected}"),
    )
    assert pair.outcomes() == []
    assert pair.server.connection.peer_identity is None
    assert pair.server.connection.read() == b"kept"


@pytest.mark.parametrize(
    "name",
    ["data", "empty data", "ChangeCipherSpec", "close_notify", "user_canceled", "empty fragment"],
)
@pytest.mark.parametrize("cut", [1, 3, 4, 50])
def test_r34_nothing_may_come_inside_a_message(name: str, cut: int) -> None:
    """R-34, R-36: handshake fragments are not mixed with other records; GnuTLS takes it."""
    intrude, match = INTRUDERS[name]
    pair = ConnectionPair().handshake()
    context = pair.ask()
    flight = b"".join(capture_answer(pair.client, context, alice))
    send_handshake(pair.client, flight[:cut])
    intrude(pair)
    send_handshake(pair.client, flight[cut:])
    assert_refused(
        pair,
        UnexpectedMessage,
        match.format(expected="", awaited=r"a handshake message is not complete \(§5\.1\)"),
    )
    assert pair.outcomes() == []


@pytest.mark.parametrize("cut", [1, 4, 30])
def test_r34_nor_inside_a_request(cut: int) -> None:
    """R-34: the client checks it too."""
    pair = ConnectionPair().handshake()
    raw = encode_handshake(CertificateRequest(bytes(99), Extensions()))[:cut]
    send_handshake(pair.server, raw)
    pair.server.connection.send_data(b"data")
    assert_refused(pair, UnexpectedMessage, "a handshake message is not complete", by=Role.client)


@pytest.mark.parametrize("inside", ["between messages", "inside a message"])
def test_a_fatal_alert_ends_everything_wherever_it_comes(inside: str) -> None:
    """Scenario 59: the peer may fail at any moment."""
    pair = ConnectionPair().handshake()
    context = pair.ask()
    parts = capture_answer(pair.client, context, alice)
    send_handshake(pair.client, parts[0] if inside[0] == "b" else parts[0][:20])
    failure = Alert(AlertLevel.fatal, AlertDescription.internal_error)
    send_record(pair.client, ContentType.alert, failure.encode())
    pair.move()
    assert isinstance(pair.server.error, AlertReceived)
    assert pair.server.error.received == AlertDescription.internal_error
    assert not pair.server.connection.has_data_to_send


def test_r35_a_key_update_ends_its_record() -> None:
    """R-35: not one byte more, be it the beginning of an answer."""
    pair = ConnectionPair().handshake()
    context = pair.ask()
    parts = capture_answer(pair.client, context, alice)
    update = KeyUpdate(KeyUpdateRequest.update_not_requested)
    send_handshake(pair.client, update, parts[0])
    assert_refused(pair, UnexpectedMessage, "expected a key change at the end of a record")


def test_r35_an_answer_may_stand_before_a_key_update_in_one_record() -> None:
    """R-35: what comes before the change belongs to the old keys."""
    pair = ConnectionPair().handshake()
    context = pair.ask()
    parts = capture_answer(pair.client, context, alice)
    send_handshake(pair.client, *parts, KeyUpdate(KeyUpdateRequest.update_not_requested))
    link_of(pair.client).layer.update_write()
    pair.client.connection.send_data(b"under the next keys")
    pair.move()
    assert pair.outcomes() == [(context, Outcome.AUTHENTICATED)]
    assert pair.server.data == b"under the next keys"


def test_the_stream_may_end_inside_an_answer() -> None:
    pair = ConnectionPair().handshake()
    context = pair.ask()
    send_handshake(pair.client, capture_answer(pair.client, context, alice)[0])
    pair.move()
    with pytest.raises(PostshakeError, match="while we waited for CertificateVerify"):
        pair.server.connection.receive_eof()
    assert pair.server.connection.peer_identity is None


def test_answers_that_nobody_asked_for() -> None:
    """unexpected_message before the first request, illegal_parameter for wrong contexts."""
    pair = ConnectionPair().handshake()
    send_handshake(pair.client, Certificate(b"c", ()))
    assert_refused(pair, UnexpectedMessage, "Certificate, and nobody asked for one")
    for kind, name in (
        (CertificateVerify(0x0403, b"s"), "CertificateVerify"),
        (Finished(bytes(32)), "Finished"),
        (EndOfEarlyData(), "EndOfEarlyData"),
        (NewSessionTicket(1, 0, b"", b"t"), "NewSessionTicket"),
    ):
        pair = ConnectionPair().handshake()
        pair.ask()
        send_handshake(pair.client, kind)
        assert_refused(pair, UnexpectedMessage, f"{name} after the handshake")


# --- answers that lie

Tamper = Callable[[Any], Any]


def with_entry(change: Callable[[CertificateEntry], CertificateEntry]) -> Tamper:
    def tamper(certificate: Certificate) -> Certificate:
        first, *rest = certificate.certificate_list
        return replace(certificate, certificate_list=(change(first), *rest))

    return tamper


def with_extension(extension: Any) -> Tamper:
    return with_entry(lambda entry: replace(entry, extensions=Extensions((extension,))))


def raw_body(kind: HandshakeType, change: Callable[[bytes], bytes]) -> Tamper:
    return lambda honest: u8(kind) + vec24(change(honest.encode()))


def flip(data: bytes, at: int = -1, bit: int = 1) -> bytes:
    changed = bytearray(data)
    changed[at] ^= bit
    return bytes(changed)


def with_context(change: Callable[[bytes], bytes]) -> Tamper:
    return lambda honest: replace(
        honest, certificate_request_context=change(honest.certificate_request_context)
    )


def certificate_body(rest: Callable[[Certificate], bytes]) -> Tamper:
    """A Certificate whose context is right, and what follows it is not."""
    return lambda honest: (
        u8(HandshakeType.certificate)
        + vec24(vec8(honest.certificate_request_context) + rest(honest))
    )


def with_scheme(scheme: int) -> Tamper:
    return lambda honest: replace(honest, algorithm=scheme)


C, V, F = HandshakeType.certificate, HandshakeType.certificate_verify, HandshakeType.finished
S = SignatureScheme
NO_UNANSWERED = "Certificate: its context of {} bytes names no unanswered request"
LIES: dict[str, tuple[type[Any], Tamper, type[TLSError], str]] = {
    # Certificate
    "context: one bit": (
        Certificate,
        with_context(lambda context: flip(context)),
        IllegalParameter,
        NO_UNANSWERED.format(32),
    ),
    "context: empty": (
        Certificate,
        with_context(lambda context: b""),
        IllegalParameter,
        NO_UNANSWERED.format(0),
    ),
    "context: shorter": (
        Certificate,
        with_context(lambda context: context[:-1]),
        IllegalParameter,
        NO_UNANSWERED.format(31),
    ),
    "context: too long": (
        Certificate,
        with_context(lambda context: (context * 8)[:255]),
        IllegalParameter,
        NO_UNANSWERED.format(255),
    ),
    "Certificate: empty message": (
        Certificate,
        raw_body(C, lambda body: b""),
        DecodeError,
        "Certificate: expected 1 bytes at byte 0, got 0",
    ),
    "Certificate: context longer than the message": (
        Certificate,
        raw_body(C, lambda body: b"\xff" + body[1:40]),
        DecodeError,
        "Certificate: expected a vector of 255 bytes at byte 1, got 39",
    ),
    "Certificate: list longer than the message": (
        Certificate,
        certificate_body(lambda honest: b"\0\0\x05abc"),
        DecodeError,
        "Certificate: expected a vector of 5 bytes.*got 3",
    ),
    "Certificate: list shorter than the message": (
        Certificate,
        certificate_body(lambda honest: vec24(b"") + b"x"),
        DecodeError,
        "Certificate: expected its end.*got 1 bytes more",
    ),
    "Certificate: no list": (
        Certificate,
        certificate_body(lambda honest: b""),
        DecodeError,
        "Certificate: expected",
    ),
    "Certificate: certificate of no bytes": (
        Certificate,
        certificate_body(lambda honest: vec24(vec24(b"") + vec16(b""))),
        DecodeError,
        "Certificate: expected a vector of at least 1 bytes.*got 0",
    ),
    "Certificate: certificate longer than the list": (
        Certificate,
        certificate_body(lambda honest: vec24(b"\0\0\x09abc")),
        DecodeError,
        "Certificate: expected a vector of 9 bytes.*got 3",
    ),
    "Certificate: entry without extensions": (
        Certificate,
        certificate_body(lambda honest: vec24(vec24(alice.chain[0]))),
        DecodeError,
        "Certificate: expected",
    ),
    "Certificate: extensions longer than the entry": (
        Certificate,
        certificate_body(lambda honest: vec24(vec24(alice.chain[0]) + b"\0\x04\0")),
        DecodeError,
        "expected a vector of 4 bytes.*got 1",
    ),
    "R-29: a status that nobody asked for": (
        Certificate,
        with_extension(CertificateStatus(b"good")),
        UnsupportedExtension,
        "Certificate: entry 0 carries extension 5, which nobody asked for",
    ),
    "R-29: an extension that nobody knows": (
        Certificate,
        with_extension(UnknownExtension(0xFAFA, b"")),
        UnsupportedExtension,
        "Certificate: entry 0 carries extension 64250, which nobody asked for",
    ),
    "an extension that stands elsewhere": (
        Certificate,
        with_extension(ServerNameAck()),
        IllegalParameter,
        "Certificate entry: expected server_name only in",
    ),
    "an extension twice": (
        Certificate,
        with_entry(
            lambda entry: replace(
                entry, extensions=Extensions((UnknownExtension(0xFAFA, b""),) * 2)
            )
        ),
        IllegalParameter,
        "expected each extension once",
    ),
    "Certificate: too many": (
        Certificate,
        lambda honest: replace(honest, certificate_list=honest.certificate_list * 17),
        TooMuch,
        "Certificate: expected at most 16 certificates, got 17",
    ),
    "Certificate: the leaf is no certificate": (
        Certificate,
        with_entry(lambda entry: replace(entry, cert_data=b"junk")),
        BadCertificate,
        "Certificate: the leaf cannot be read",
    ),
    "Certificate: somebody else's": (
        Certificate,
        with_entry(lambda entry: replace(entry, cert_data=issued("bob").der)),
        DecryptError,
        "the ecdsa_secp256r1_sha256 signature does not verify",
    ),
    "Certificate: of another kind of key": (
        Certificate,
        with_entry(lambda entry: replace(entry, cert_data=issued("k", key_type="p384").der)),
        IllegalParameter,
        "CertificateVerify: scheme ecdsa_secp256r1_sha256 does not fit the certificate's",
    ),
    "Certificate: emptied, with a CertificateVerify": (
        Certificate,
        lambda honest: replace(honest, certificate_list=()),
        UnexpectedMessage,
        "expected Finished, got CertificateVerify",
    ),
    "Certificate: left out": (
        Certificate,
        lambda honest: None,
        UnexpectedMessage,
        "CertificateVerify after the handshake",
    ),
    # CertificateVerify
    "R-22: CertificateVerify left out": (
        CertificateVerify,
        lambda honest: None,
        UnexpectedMessage,
        "expected CertificateVerify, got Finished",
    ),
    "signature: one bit": (
        CertificateVerify,
        lambda honest: replace(honest, signature=flip(honest.signature)),
        DecryptError,
        r"signature does not verify \(§4\.4\.3\)",
    ),
    "signature: empty": (
        CertificateVerify,
        lambda honest: replace(honest, signature=b""),
        DecryptError,
        "signature does not verify",
    ),
    "signature: of something else": (
        CertificateVerify,
        lambda honest: replace(
            honest, signature=issued("alice").private_key.sign(b"x", ec.ECDSA(hashes.SHA256()))
        ),
        DecryptError,
        "signature does not verify",
    ),
    "scheme: unknown": (
        CertificateVerify,
        with_scheme(0xFEFE),
        IllegalParameter,
        "CertificateVerify: expected one of the schemes that we offered, got",
    ),
    "R-23: SHA-1": (
        CertificateVerify,
        with_scheme(S.ecdsa_sha1),
        IllegalParameter,
        "expected one of the schemes that we offered, got ecdsa_sha1",
    ),
    "R-23: PKCS #1 v1.5": (
        CertificateVerify,
        with_scheme(S.rsa_pkcs1_sha256),
        IllegalParameter,
        "expected one of the schemes that we offered, got rsa_pkcs1_sha256",
    ),
    "scheme: another curve's": (
        CertificateVerify,
        with_scheme(S.ecdsa_secp384r1_sha384),
        IllegalParameter,
        "scheme ecdsa_secp384r1_sha384 does not fit the certificate's",
    ),
    "scheme: another algorithm's": (
        CertificateVerify,
        with_scheme(S.rsa_pss_rsae_sha256),
        IllegalParameter,
        "scheme rsa_pss_rsae_sha256 does not fit the certificate's",
    ),
    "CertificateVerify: empty message": (
        CertificateVerify,
        raw_body(V, lambda body: b""),
        DecodeError,
        "CertificateVerify: expected 2 bytes at byte 0, got 0",
    ),
    "CertificateVerify: signature longer than the message": (
        CertificateVerify,
        raw_body(V, lambda body: body[:2] + b"\xff\xff" + body[4:]),
        DecodeError,
        "CertificateVerify: expected a vector of 65535 bytes",
    ),
    "CertificateVerify: signature shorter than the message": (
        CertificateVerify,
        raw_body(V, lambda body: body + b"x"),
        DecodeError,
        "CertificateVerify: expected its end.*got 1 bytes more",
    ),
    # Finished
    "Finished: one bit": (
        Finished,
        lambda honest: Finished(flip(honest.verify_data)),
        DecryptError,
        r"Finished: verify_data does not match the transcript \(§4\.4\.4\)",
    ),
    "Finished: too short": (
        Finished,
        lambda honest: Finished(honest.verify_data[:-1]),
        DecodeError,
        "Finished: expected 32 bytes of verify_data, got 31",
    ),
    "Finished: too long": (
        Finished,
        lambda honest: Finished(honest.verify_data + b"x"),
        DecodeError,
        "Finished: expected 32 bytes of verify_data, got 33",
    ),
    "Finished: empty": (
        Finished,
        lambda honest: Finished(b""),
        DecodeError,
        "Finished: expected 32 bytes of verify_data, got 0",
    ),
    "Finished: left out": (
        Finished,
        lambda honest: KeyUpdate(KeyUpdateRequest.update_not_requested),
        UnexpectedMessage,
        "expected Finished, got KeyUpdate",
    ),
}


@pytest.mark.parametrize("name", LIES)
def test_a_lie_is_found_and_named(name: str) -> None:
    """R-16, R-22, R-23, R-25, R-29, scenarios 62 to 69: error, alert and words.

    The liar hashes what it sends, so that nothing but the lie is wrong. Whom the
    server knew before it knows still, and what it received it can still read.
    """
    kind, tamper, error_class, match = LIES[name]
    config = server_config(cipher_suites=(CipherSuite.TLS_AES_128_GCM_SHA256,))
    pair = ConnectionPair(server=config).handshake()
    known = pair.reauth().identity
    assert known is not None
    history = pair.server.connection.identity_history
    pair.server.auto_read = False
    context = pair.ask()
    pair.client.connection.send_data(b"kept")
    with rewriting(kind, tamper):
        pair.give(context, alice)
    assert_refused(pair, error_class, match)
    assert [event.context for event in pair.server.of(ReauthCompleted)] != [context]
    assert len(pair.server.of(ReauthCompleted)) == 1
    assert pair.server.connection.peer_identity is known
    assert pair.server.connection.identity_history == history
    assert pair.server.connection.read() == b"kept"


@pytest.mark.parametrize(
    "name",
    [name for name, (kind, *_) in LIES.items() if kind is Finished] + ["context: one bit"],
)
def test_a_lie_in_a_decline_is_found_too(name: str) -> None:
    """R-25: also who proves nothing proves that it said so."""
    kind, tamper, error_class, match = LIES[name]
    config = server_config(cipher_suites=(CipherSuite.TLS_AES_128_GCM_SHA256,))
    pair = ConnectionPair(server=config).handshake()
    context = pair.ask(required=False)
    with rewriting(kind, tamper):
        pair.give(context, None)
    assert_refused(pair, error_class, match)
    assert pair.outcomes() == []


@pytest.mark.parametrize("name", ["signature: one bit", "Finished: one bit"])
@pytest.mark.parametrize("on_refusal", Refusal)
def test_r25_a_wrong_proof_is_no_refusal_that_could_be_survived(
    name: str, on_refusal: Refusal
) -> None:
    """R-25: `Refusal.KEEP` is about certificates, not about broken protocol."""
    kind, tamper, error_class, match = LIES[name]
    pair = ConnectionPair().handshake()
    context = pair.ask(on_refusal=on_refusal)
    with rewriting(kind, tamper):
        pair.give(context, alice)
    assert_refused(pair, error_class, match)


@pytest.mark.parametrize("expired", [False, True], ids=["cancelled", "expired"])
@pytest.mark.parametrize("name", ["signature: one bit", "Finished: one bit", "signature: empty"])
def test_r25_a_late_answer_is_checked_like_any_other(name: str, expired: bool) -> None:
    """R-25: that nobody wants it any more is no licence."""
    kind, tamper, error_class, match = LIES[name]
    pair = ConnectionPair().handshake()
    context = pair.ask(within=0.0 if expired else None)
    if expired:
        pair.server.connection.check_deadlines()
    else:
        pair.server.connection.cancel_auth(context)
    with rewriting(kind, tamper):
        pair.give(context, alice)
    assert_refused(pair, error_class, match)


@pytest.mark.parametrize("first", [alice, None], ids=["authenticated", "declined"])
def test_r10_a_spent_context_is_refused(first: Credential | None) -> None:
    """R-10, R-16: an answer is good for once, even the very same bytes."""
    pair = ConnectionPair().handshake()
    context = pair.ask()
    parts = capture_answer(pair.client, context, first)
    send_handshake(pair.client, *parts)
    pair.move()
    assert len(pair.outcomes()) == 1
    send_handshake(pair.client, *parts)
    assert_refused(pair, IllegalParameter, NO_UNANSWERED.format(32))
    assert len(pair.outcomes()) == 1


def test_r10_a_context_whose_verdict_is_awaited_is_spent() -> None:
    """R-10: a second Certificate for it may not replace the first."""
    pair = ConnectionPair().handshake()
    pair.server.hold = lambda question: True
    context = pair.ask()
    parts = capture_answer(pair.client, context, alice)
    send_handshake(pair.client, *parts)
    send_handshake(pair.client, *parts)
    assert_refused(pair, IllegalParameter, NO_UNANSWERED.format(32))
    assert pair.server.connection.peer_identity is None


def test_the_answer_to_one_request_does_not_answer_another() -> None:
    """R-16, R-19: with its context changed, its signature is of another transcript."""
    pair = ConnectionPair().handshake()
    first, second = pair.ask(), pair.ask()
    parts = capture_answer(pair.client, first, alice)
    swapped = replace(Certificate.decode(parts[0][4:]), certificate_request_context=second)
    send_handshake(pair.client, swapped, *parts[1:])
    assert_refused(pair, DecryptError, "signature does not verify")
    assert pair.outcomes() == []


def test_a_scheme_that_only_another_request_offered_is_refused() -> None:
    """R-23: the list that counts is the request's own."""
    pair = ConnectionPair().handshake()
    pair.ask(signature_algorithms=(S.ecdsa_secp256r1_sha256,))
    strict = pair.ask(signature_algorithms=(S.ed25519,))
    lenient = CertificateRequest(strict, pair.client.of(ReauthRequested)[0].request.extensions)
    client = pair.client.connection._engine.post_handshake.reauth_client
    assert client is not None
    _, transcript, size = client._pending[strict]
    client._pending[strict] = lenient, transcript, size  # the client believes what it likes
    pair.give(strict, alice)
    assert_refused(
        pair,
        IllegalParameter,
        "expected one of the schemes that we offered, got ecdsa_secp256r1_sha256",
    )


def test_r29_a_status_that_was_asked_for_is_taken_and_shown_to_the_verifier() -> None:
    """R-29: only in answer to a request that asked."""
    seen: list[bytes | None] = []

    class Nosy:
        def verify(self, peer: Any) -> Any:
            seen.append(peer.ocsp_response)
            return the_ca().verifier().verify(peer)

    stapled = issued("alice").credential(ocsp_response=b"good")
    pair = ConnectionPair(client_config(credentials=(stapled,))).handshake()

    def asking(request: CertificateRequest) -> CertificateRequest:
        return replace(request, extensions=Extensions((*request.extensions, StatusRequestEmpty())))

    context = pair.ask(verifier=Nosy())
    server = pair.server.connection._engine.post_handshake.reauth_server
    assert server is not None
    request = server._open[context]
    request.message = asking(request.message)  # our API does not ask yet
    with rewriting(Certificate, with_extension(CertificateStatus(b"good"))):
        pair.give(context, stapled)
    assert pair.outcomes() == [(context, Outcome.AUTHENTICATED)]
    assert seen == [b"good"]


def test_r21_an_answer_from_before_a_key_update_is_refused() -> None:
    """R-21: its Finished has the key of another generation."""
    pair = ConnectionPair().handshake()
    context = pair.ask()
    parts = capture_answer(pair.client, context, alice)
    pair.client.connection.key_update()
    send_handshake(pair.client, *parts)
    assert_refused(pair, DecryptError, "Finished: verify_data does not match")
    assert pair.server.connection.peer_identity is None


def test_r44_close_notify_instead_of_an_answer() -> None:
    """R-44, scenario 58: legal; the server may still send, and the request stays open."""
    pair = ConnectionPair().handshake()
    context = pair.ask()
    pair.client.connection.close()
    pair.move()
    assert pair.server.connection.open_requests == (context,)
    pair.server.connection.send_data(b"farewell")
    pair.server.connection.close()
    pair.move()
    assert pair.client.data == b"farewell"
    assert pair.client.connection.state is pair.server.connection.state is State.CLOSED
