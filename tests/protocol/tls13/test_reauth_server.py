"""A server's requests: made, bounded, expired, cancelled, amended, settled (§4.6.2)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from postshake.config import AuthRequest, ClientAuth, Refusal
from postshake.connection import State
from postshake.constants import AlertDescription, Role, SignatureScheme
from postshake.errors import (
    AccessDenied,
    AlertReceived,
    BadCertificateSignature,
    CertificateError,
    CertificateExpired,
    CertificateRequired,
    IdentityChanged,
    InternalError,
    ReauthUnavailable,
    UnknownCA,
    UnsupportedCertificate,
    UsageError,
    WeakKey,
    WrongPurpose,
)
from postshake.events import Outcome, PeerClosed, ReauthCompleted, ReauthRequested
from postshake.pki.credential import Credential
from postshake.pki.trust import PeerChain, VerifiedChain
from postshake.questions import JudgePeer, Refused
from postshake.record.limits import Limits
from tests.certs import CA, Issued, key_usage
from tests.hostile import assert_refused, release
from tests.pair import (
    Clock,
    ConnectionPair,
    client_config,
    issued,
    server_config,
    the_ca,
)

P256 = SignatureScheme.ecdsa_secp256r1_sha256
P384 = SignatureScheme.ecdsa_secp384r1_sha384
KEY_USAGE = bytes.fromhex("0603551d0f")
KEY_AGREEMENT = bytes.fromhex("03020308")
ROOMY = Limits(pending_requests=10_000, requests_per_window=10_000, outstanding_requests=10_000)


class Opinion:
    """A verifier that says what it is told to."""

    def __init__(self, verdict: Exception | None = None) -> None:
        self.verdict = verdict
        self.asked: list[PeerChain] = []

    def verify(self, peer: PeerChain) -> VerifiedChain:
        self.asked.append(peer)
        if self.verdict is not None:
            raise self.verdict
        return VerifiedChain((*peer.certificates, the_ca().der))


def still_works(pair: ConnectionPair) -> bool:
    """Both ends go on as if nothing had happened."""
    pair.server.auto_read = pair.client.auto_read = False
    pair.client.connection.send_data(b"ping")
    pair.server.connection.send_data(b"pong")
    pair.move()
    return (pair.server.connection.read()[-4:], pair.client.connection.read()[-4:]) == (
        b"ping",
        b"pong",
    )


alice = issued("alice").credential()
bob = issued("bob").credential()


def stranger() -> Credential:
    return CA("Elsewhere").issue("mallory").credential()


# --- may it ask at all


def test_r2_no_request_goes_to_a_client_that_did_not_offer() -> None:
    """R-2: and the connection is unharmed."""
    pair = ConnectionPair(client_config("alice", post_handshake_auth=False)).handshake()
    with pytest.raises(ReauthUnavailable, match="did not offer post_handshake_auth"):
        pair.server.connection.request_auth()
    assert not pair.server.connection.has_data_to_send
    assert still_works(pair)


@pytest.mark.parametrize("protocol", [b"h2", b"h3"])
def test_no_request_goes_where_the_application_protocol_forbids(protocol: bytes) -> None:
    """RFC 9113 section 9.2.3, RFC 9001 section 4.4."""
    pair = ConnectionPair(
        client_config("alice", alpn_protocols=(protocol,)),
        server_config(alpn_protocols=(protocol,)),
    ).handshake()
    with pytest.raises(ReauthUnavailable, match=f"{protocol!r} forbids it"):
        pair.server.connection.request_auth()
    assert still_works(pair)


def test_http_1_1_does_not_forbid() -> None:
    pair = ConnectionPair(
        client_config("alice", alpn_protocols=(b"h2", b"http/1.1")),
        server_config(alpn_protocols=(b"http/1.1",)),
    ).handshake()
    assert pair.reauth().outcome is Outcome.AUTHENTICATED


def test_the_handshake_comes_first() -> None:
    """Scenarios 34 and 35: refused, and the handshake is unharmed."""
    pair = ConnectionPair()
    for connection in (pair.server.connection, pair.client.connection):
        with pytest.raises(ReauthUnavailable, match="handshake is not complete"):
            connection.request_auth()
        with pytest.raises(ReauthUnavailable, match="handshake is not complete"):
            connection.answer_auth(b"", None)
    pair.client.connection.start()
    pair.server.receive(pair.client.connection.data_to_send())
    assert pair.server.connection.state is State.HANDSHAKING
    with pytest.raises(ReauthUnavailable, match="handshake is not complete"):
        pair.server.connection.request_auth()
    pair.handshake()
    assert pair.reauth().outcome is Outcome.AUTHENTICATED


def test_each_side_has_its_own_calls() -> None:
    pair = ConnectionPair().handshake()
    with pytest.raises(UsageError, match="only an established server"):
        pair.client.connection.request_auth()
    with pytest.raises(UsageError, match="only an established server"):
        pair.client.connection.cancel_auth(b"c")
    with pytest.raises(UsageError, match="only a client answers"):
        pair.server.connection.answer_auth(b"c", None)
    assert pair.client.connection.next_deadline() is None
    pair.client.connection.check_deadlines()
    assert still_works(pair)


def test_nobody_asks_after_close_notify() -> None:
    """R-44: after ours nothing may be sent, after theirs nothing will be answered."""
    pair = ConnectionPair().handshake()
    pair.client.connection.close()
    pair.move()
    with pytest.raises(ReauthUnavailable, match="client said close_notify"):
        pair.server.connection.request_auth()
    pair.server.connection.close()
    with pytest.raises(UsageError, match="our side of the connection is closed"):
        pair.server.connection.request_auth()


def test_somebody_must_be_there_to_judge() -> None:
    pair = ConnectionPair(server=server_config(verifier=None)).handshake()
    with pytest.raises(UsageError, match="nobody is there to judge"):
        pair.server.connection.request_auth()
    opinion = Opinion()
    assert pair.reauth(verifier=opinion).outcome is Outcome.AUTHENTICATED
    assert len(opinion.asked) == 1


# --- contexts


def test_r10_r12_contexts_are_long_fresh_and_from_the_configured_source() -> None:
    """R-10, R-11, R-12: unique, not empty, and as unpredictable as `config.random`."""
    pair = ConnectionPair(server=server_config(limits=ROOMY)).handshake()
    drawn: list[bytes] = []
    random = pair.server.connection.config.random

    def record(size: int) -> bytes:
        drawn.append(random(size))
        return drawn[-1]

    object.__setattr__(pair.server.connection.config, "random", record)
    contexts = [pair.server.connection.request_auth() for _ in range(50)]
    assert contexts == drawn
    assert {len(context) for context in contexts} == {32}
    assert len(set(contexts)) == 50


@pytest.mark.parametrize("length", [1, 32, 255])
def test_a_context_of_ones_own(length: int) -> None:
    pair = ConnectionPair().handshake()
    context = bytes(range(1, 256))[:length]
    assert pair.reauth(context=context).context == context


@pytest.mark.parametrize("state", ["open", "answered", "declined", "cancelled", "cancelled late"])
def test_r10_no_context_is_used_twice(state: str) -> None:
    """R-10: whatever became of the first request."""
    pair = ConnectionPair().handshake()
    pair.ask(context=b"once")
    if state in ("cancelled", "cancelled late"):
        pair.server.connection.cancel_auth(b"once")
    if state != "open" and state != "cancelled":
        pair.give(b"once", None if state == "declined" else alice)
    with pytest.raises(UsageError, match=r"used before in this connection.*4\.3\.2"):
        pair.server.connection.request_auth(AuthRequest(context=b"once"))
    assert pair.reauth(context=b"twice").outcome is Outcome.AUTHENTICATED


def test_r10_a_context_that_was_drawn_and_is_open_is_refused() -> None:
    """R-10: also if it is the engine's own."""
    pair = ConnectionPair().handshake()
    context = pair.ask()
    with pytest.raises(UsageError, match="used before"):
        pair.server.connection.request_auth(AuthRequest(context=context))


# --- outcomes


def test_r26_a_declined_request_may_go_on() -> None:
    """R-26: with nobody known, and an error to show."""
    pair = ConnectionPair().handshake()
    completed = pair.reauth(decline=True)
    assert completed.outcome is Outcome.DECLINED
    assert completed.identity is None
    assert type(completed.error) is CertificateRequired
    assert pair.server.connection.peer_identity is None
    assert pair.server.connection.identity_history == ((0, None),)
    assert still_works(pair)


def test_r26_a_declined_request_may_end_it() -> None:
    """R-26: certificate_required (116) reaches the client; the outcome is told as well."""
    pair = ConnectionPair().handshake()
    context = pair.ask(on_refusal=Refusal.CLOSE)
    pair.give(context, None)
    assert pair.outcomes() == [(context, Outcome.DECLINED)]
    assert_refused(pair, CertificateRequired, "asked for a certificate, got none")


def test_r26_what_is_not_required_never_ends_it() -> None:
    """R-26: `required=False` wins over `on_refusal` for a decline, and only for that."""
    pair = ConnectionPair().handshake()
    context = pair.ask(required=False, on_refusal=Refusal.CLOSE)
    pair.give(context, None)
    assert pair.outcomes() == [(context, Outcome.DECLINED)]
    assert still_works(pair)
    pair.give(pair.ask(required=False, on_refusal=Refusal.CLOSE), stranger())
    assert_refused(pair, UnknownCA, "")


CREDENTIALS: dict[str, tuple[Callable[[], Issued], type[CertificateError]]] = {
    "stranger": (lambda: CA("Elsewhere").issue("mallory"), UnknownCA),
    "expired": (lambda: the_ca().issue("late", expired=True), CertificateExpired),
    "server's": (lambda: the_ca().issue("s.example", purpose="server"), WrongPurpose),
    "for e-mail": (lambda: the_ca().issue("mail", purpose="email"), WrongPurpose),
    "weak": (lambda: the_ca().issue("weak", key_type="rsa1024"), WeakKey),
    "R-33: no digitalSignature": (
        lambda: the_ca().issue("agree", usage=key_usage("key_agreement")),
        WrongPurpose,
    ),
    "forged": (
        lambda: the_ca().issue("forged", signed_by=CA("Elsewhere").private_key),
        BadCertificateSignature,
    ),
}


@pytest.mark.parametrize("name", CREDENTIALS)
def test_r27_a_refused_chain_may_go_on(name: str) -> None:
    """R-27, R-33: the reason is told to the owner; the client learns nothing (R-42)."""
    make, error_class = CREDENTIALS[name]
    pair = ConnectionPair().handshake()
    context = pair.ask()
    pair.give(context, make().credential())
    (completed,) = pair.server.of(ReauthCompleted)
    assert completed.outcome is Outcome.REFUSED
    assert type(completed.error) is error_class
    assert completed.identity is None
    assert pair.server.connection.peer_identity is None
    assert still_works(pair)
    assert pair.client.error is None


@pytest.mark.parametrize("name", CREDENTIALS)
def test_r27_r38_a_refused_chain_may_end_it_with_the_alert_that_fits(name: str) -> None:
    """R-27, R-38: the alert is under application keys; the client reads it exactly."""
    make, error_class = CREDENTIALS[name]
    pair = ConnectionPair().handshake()
    context = pair.ask(on_refusal=Refusal.CLOSE)
    pair.give(context, make().credential())
    assert pair.outcomes() == [(context, Outcome.REFUSED)]
    assert_refused(pair, error_class, "")
    assert pair.server.connection.peer_identity is None


def test_r28_a_chain_signed_with_sha_1_is_a_bad_certificate() -> None:
    """R-28: MD5 likewise; bad_certificate."""
    authority = CA("RSA", key_type="rsa2048")
    leaf = authority.issue("old")
    sha256 = bytes.fromhex("06092a864886f70d01010b")
    for weak in (0x05, 0x04):  # sha1, md5
        der = leaf.der.replace(sha256, sha256[:-1] + bytes([weak]))
        assert der != leaf.der
        credential = Credential((der,), leaf.credential().signer)
        pair = ConnectionPair().handshake()
        verifier = authority.verifier()
        pair.give(pair.ask(verifier=verifier, on_refusal=Refusal.CLOSE), credential)
        assert WeakKey.alert is AlertDescription.bad_certificate
        assert_refused(pair, WeakKey, "sha1|md5")


@pytest.mark.parametrize(
    "error", [AccessDenied("not here"), UnsupportedCertificate("odd"), CertificateError("no")]
)
def test_r27_a_verifier_chooses_the_alert(error: CertificateError) -> None:
    """R-27: the class of what the request's own verifier raises decides."""
    pair = ConnectionPair().handshake()
    pair.give(pair.ask(verifier=Opinion(error), on_refusal=Refusal.CLOSE), alice)
    assert_refused(pair, type(error), str(error))


def test_the_requests_verifier_goes_before_the_configurations() -> None:
    pair = ConnectionPair(server=server_config(verifier=Opinion(AccessDenied("no")))).handshake()
    trusting = Opinion()
    assert pair.reauth(verifier=trusting).outcome is Outcome.AUTHENTICATED
    assert pair.reauth().outcome is Outcome.REFUSED
    (peer,) = trusting.asked
    assert peer.certificates == alice.chain
    assert peer.role is Role.client
    assert peer.server_name is None
    assert peer.at == pair.server.connection.config.wall_clock()


def test_the_verdict_is_asked_for_with_all_that_it_may_depend_on() -> None:
    pair = ConnectionPair(server=server_config(allow_identity_change=True)).handshake()
    first = pair.reauth().identity
    pair.server.hold = lambda question: True
    opinion = Opinion()
    context = pair.ask(verifier=opinion)
    pair.give(context, bob)
    (question,) = pair.server.held_questions
    subject = question.subject
    assert isinstance(subject, JudgePeer)
    assert subject.peer.certificates == bob.chain
    assert subject.verifier is opinion
    assert subject.context == context
    assert subject.previous is first


# --- what the request itself demands


def test_r31_a_chain_under_none_of_the_authorities_is_refused() -> None:
    """R-31: the list is not only a hint."""
    other = CA("Other CA")
    verifier = the_ca().verifier()
    pair = ConnectionPair().handshake()
    for names, outcome in (
        ((other.name,), Outcome.REFUSED),
        ((other.name, the_ca().name), Outcome.AUTHENTICATED),
    ):
        completed = pair.reauth(authorities=names, verifier=verifier)
        assert completed.outcome is outcome
        if outcome is Outcome.REFUSED:
            assert type(completed.error) is UnknownCA
            assert "none of the authorities" in str(completed.error)


def test_r30_a_certificate_that_fails_the_filters_is_refused() -> None:
    """R-30: a client that ignores oid_filters gains nothing by it."""
    pair = ConnectionPair().handshake()
    completed = pair.reauth(oid_filters=((KEY_USAGE, KEY_AGREEMENT),))
    assert completed.outcome is Outcome.REFUSED
    assert type(completed.error) is WrongPurpose
    assert "keyUsage lacks key_agreement" in str(completed.error)


def test_r23_only_the_requests_own_schemes_count() -> None:
    """R-23: each open request has its own list; who cannot sign by it declines."""
    p256, p384 = (issued("k", key_type=kind).credential() for kind in ("p256", "p384"))
    config = server_config(allow_identity_change=True)
    pair = ConnectionPair(client_config(credentials=(p256, p384)), config).handshake()
    only_p256 = [pair.ask(signature_algorithms=(P256,)) for _ in range(2)]
    only_p384 = [pair.ask(signature_algorithms=(P384,)) for _ in range(2)]
    for contexts, credential, other in ((only_p384, p384, p256), (only_p256, p256, p384)):
        pair.give(contexts[0], other)
        pair.give(contexts[1], credential)
        assert pair.outcomes()[-2:] == [
            (contexts[0], Outcome.DECLINED),
            (contexts[1], Outcome.AUTHENTICATED),
        ]
        identity = pair.server.connection.peer_identity
        assert identity is not None
        assert identity.chain == credential.chain


# --- identity


def test_the_same_certificate_may_come_again() -> None:
    pair = ConnectionPair().handshake()
    for _ in range(4):
        assert pair.reauth().outcome is Outcome.AUTHENTICATED
    identities = [identity for _, identity in pair.server.connection.identity_history]
    assert identities[0] is None
    contexts = [identity.certificate_request_context for identity in identities[1:] if identity]
    assert contexts == [event.context for event in pair.server.of(ReauthCompleted)]


@pytest.mark.parametrize("known_from", ["handshake", "reauth"])
@pytest.mark.parametrize("on_refusal", Refusal)
def test_another_identity_is_refused(known_from: str, on_refusal: Refusal) -> None:
    """Scenarios 89 and 90: insufficient_security, and alice stays who she was."""
    in_handshake = known_from == "handshake"
    config = server_config(client_auth=ClientAuth.REQUEST if in_handshake else ClientAuth.NONE)
    pair = ConnectionPair(server=config).handshake()
    if not in_handshake:
        pair.reauth()
    known = pair.server.connection.peer_identity
    assert known is not None
    assert known.common_name == "alice"
    context = pair.ask(on_refusal=on_refusal)
    pair.give(context, bob)
    assert pair.outcomes()[-1] == (context, Outcome.REFUSED)
    error = pair.server.of(ReauthCompleted)[-1].error
    assert type(error) is IdentityChanged
    assert error.alert is AlertDescription.insufficient_security
    assert pair.server.connection.peer_identity is known
    if on_refusal is Refusal.KEEP:
        assert still_works(pair)
        assert pair.reauth().outcome is Outcome.AUTHENTICATED
    else:
        assert_refused(pair, IdentityChanged, "another certificate than before")


def test_another_identity_is_allowed_by_policy() -> None:
    """Scenario 89 with ALLOW_ID_CHANGE: each byte has the identity of its time."""
    pair = ConnectionPair(server=server_config(allow_identity_change=True)).handshake()
    pair.server.auto_read = False
    connection = pair.server.connection
    for credential, data in (
        (None, b"nobody"),
        (alice, b"alice's"),
        (bob, b"bob's"),
        (alice, b"a"),
    ):
        if credential is not None:
            pair.give(pair.ask(), credential)
        pair.client.connection.send_data(data)
        pair.move()
    seen = []
    while connection.readable:
        identity = connection.read_identity
        seen.append((connection.read(), identity and identity.common_name))
    assert seen == [(b"nobody", None), (b"alice's", "alice"), (b"bob's", "bob"), (b"a", "alice")]


def test_declining_afterwards_leaves_the_identity() -> None:
    """Scenario 94, GnuTLS's bug B1: an earlier success does not spoil a decline."""
    pair = ConnectionPair().handshake()
    known = pair.reauth().identity
    assert pair.reauth(decline=True).outcome is Outcome.DECLINED
    assert pair.server.connection.peer_identity is known
    assert pair.reauth().outcome is Outcome.AUTHENTICATED


def test_of_two_verdicts_the_first_decides_who_the_client_is() -> None:
    """Two answers, two identities, verdicts in the other order: the later one is refused."""
    pair = ConnectionPair().handshake()
    pair.server.hold = lambda question: True
    first, second = pair.ask(), pair.ask()
    pair.give(first, alice)
    pair.give(second, bob)
    assert pair.server.connection.open_requests == (first, second)
    one, two = pair.server.held_questions
    release(pair.server, two)
    release(pair.server, one)
    assert pair.outcomes() == [(second, Outcome.AUTHENTICATED), (first, Outcome.REFUSED)]
    identity = pair.server.connection.peer_identity
    assert identity is not None
    assert identity.common_name == "bob"


# --- the verdict takes its time


def test_data_flows_while_a_verdict_is_awaited() -> None:
    """R-8: and is from whoever the client was until the verdict is there."""
    pair = ConnectionPair().handshake()
    pair.server.auto_read = False
    pair.server.hold = lambda question: True
    connection = pair.server.connection
    context = pair.ask()
    pair.client.connection.send_data(b"before ")
    pair.give(context, alice)
    pair.client.connection.send_data(b"meanwhile")
    connection.send_data(b"hello")
    pair.move()
    assert pair.client.data == b"hello"
    assert connection.peer_identity is None
    assert pair.outcomes() == []
    assert "waiting for the answer to JudgePeer" in repr(connection)
    release(pair.server)
    pair.client.connection.send_data(b"after")
    pair.move()
    (completed,) = pair.server.of(ReauthCompleted)
    assert completed.position == len("before meanwhile")
    assert connection.identity_history == ((0, None), (16, completed.identity))
    assert connection.read_identity is None
    assert connection.read() == b"before meanwhile"
    assert connection.read_position == 16
    assert connection.read_identity is completed.identity
    assert connection.read() == b"after"


def test_a_verifier_that_fails_is_our_own_fault() -> None:
    """internal_error, and neither a refusal nor an identity."""
    pair = ConnectionPair().handshake()
    pair.give(pair.ask(verifier=Opinion(ValueError("no connection to LDAP"))), alice)
    assert pair.outcomes() == []
    assert pair.server.connection.peer_identity is None
    assert_refused(pair, InternalError, "ValueError: no connection to LDAP")


@pytest.mark.parametrize("error", [UsageError("asynchronous"), ReauthUnavailable("x")])
def test_a_verifiers_usage_error_breaks_the_connection_too(error: UsageError) -> None:
    """It is not the fault of who called `answer`, and nobody would ever answer."""
    pair = ConnectionPair().handshake()
    pair.give(pair.ask(verifier=Opinion(error)), alice)
    assert_refused(pair, InternalError, type(error).__name__)


@pytest.mark.parametrize("verdict", [None, True, alice, b"yes"])
def test_only_a_verdict_is_a_verdict(verdict: object) -> None:
    """Whatever else an owner answers, it is no identity."""
    pair = ConnectionPair().handshake()
    pair.server.hold = lambda question: True
    pair.give(pair.ask(), alice)
    (question,) = pair.server.held_questions
    with pytest.raises(InternalError):
        pair.server.connection.answer(question.id, verdict)
    assert pair.server.connection.peer_identity is None
    pair.move()
    assert isinstance(pair.client.error, AlertReceived)
    assert pair.client.error.received == AlertDescription.internal_error


def test_a_verdict_may_come_after_the_clients_goodbye() -> None:
    """R-44: the client said all that it has to say; who it was still matters."""
    pair = ConnectionPair().handshake()
    pair.server.hold = lambda question: True
    context = pair.ask()
    pair.give(context, alice)
    pair.client.connection.close()
    pair.move()
    assert pair.server.of(PeerClosed)
    pair.server.connection.receive_eof()
    release(pair.server)
    assert pair.outcomes() == [(context, Outcome.AUTHENTICATED)]


def test_a_question_is_answered_once() -> None:
    pair = ConnectionPair().handshake()
    pair.server.hold = lambda question: True
    pair.give(pair.ask(), alice)
    (question,) = pair.server.held_questions
    release(pair.server)
    with pytest.raises(UsageError, match=f"question {question.id} is not open"):
        pair.server.connection.answer(question.id, Refused(AccessDenied("too late")))
    assert pair.server.connection.peer_identity is not None


# --- deadlines


def timed(**fields: Any) -> tuple[ConnectionPair, Clock, bytes]:
    clock = Clock()
    pair = ConnectionPair(server=server_config(clock=clock)).handshake()
    return pair, clock, pair.ask(within=5.0, **fields)


def test_an_unanswered_request_expires_and_the_connection_goes_on() -> None:
    pair, clock, context = timed()
    connection = pair.server.connection
    assert connection.next_deadline() == 1005.0
    clock.now = 1004.9
    connection.check_deadlines()
    assert connection.open_requests == (context,)
    clock.now = 1005.0
    connection.check_deadlines()
    pair.server.settle()
    (completed,) = pair.server.of(ReauthCompleted)
    assert (completed.context, completed.outcome) == (context, Outcome.EXPIRED)
    assert type(completed.error) is CertificateRequired
    assert "no answer within 5.0 seconds" in str(completed.error)
    assert connection.next_deadline() is None
    assert connection.open_requests == ()
    assert still_works(pair)


def test_an_unanswered_request_may_end_the_connection() -> None:
    """The alert is certificate_required, and the client sees it."""
    pair, clock, context = timed(on_refusal=Refusal.CLOSE)
    clock.now += 5
    with pytest.raises(CertificateRequired, match=r"client: no answer within 5\.0 seconds"):
        pair.server.connection.check_deadlines()
    pair.move()
    assert pair.outcomes() == [(context, Outcome.EXPIRED)]
    assert isinstance(pair.client.error, AlertReceived)
    assert pair.client.error.received == AlertDescription.certificate_required
    assert pair.server.connection.state is State.BROKEN


@pytest.mark.parametrize("credential", [alice, None, "stranger"], ids=["good", "decline", "bad"])
def test_r8_a_late_answer_is_read_and_dropped(credential: Any) -> None:
    """R-5, R-8: the client must answer; a settled request asks nobody for a verdict."""
    pair, clock, context = timed()
    clock.now += 6
    pair.server.connection.check_deadlines()
    pair.server.hold = lambda question: True
    pair.give(context, stranger() if credential == "stranger" else credential)
    assert pair.server.held_questions == []
    assert pair.outcomes() == [(context, Outcome.EXPIRED)]
    assert pair.server.connection.peer_identity is None
    assert still_works(pair)
    pair.server.hold = lambda question: False
    assert pair.reauth().outcome is Outcome.AUTHENTICATED


def test_a_deadline_may_pass_while_the_verdict_is_awaited() -> None:
    """The verdict then comes too late, and a good one proves nobody."""
    pair, clock, context = timed()
    pair.server.hold = lambda question: True
    pair.give(context, alice)
    assert pair.server.connection.next_deadline() == 1005.0
    clock.now += 5
    pair.server.connection.check_deadlines()
    assert pair.server.connection.open_requests == ()
    release(pair.server)
    assert pair.outcomes() == [(context, Outcome.EXPIRED)]
    assert pair.server.connection.peer_identity is None
    assert still_works(pair)


def test_an_answer_in_time_meets_no_deadline() -> None:
    pair, clock, context = timed(on_refusal=Refusal.CLOSE)
    clock.now += 4
    pair.give(context, alice)
    assert pair.server.connection.next_deadline() is None
    clock.now += 100
    pair.server.connection.check_deadlines()
    assert pair.outcomes() == [(context, Outcome.AUTHENTICATED)]


def test_deadlines_expire_in_order_and_one_by_one() -> None:
    clock = Clock()
    pair = ConnectionPair(server=server_config(clock=clock)).handshake()
    by_deadline = {within: pair.ask(within=within) for within in (3.0, 1.0, 2.0, 4.0)}
    endless = pair.ask()
    connection = pair.server.connection
    connection.cancel_auth(by_deadline[1.0])
    assert connection.next_deadline() == 1002.0
    pair.give(by_deadline[2.0], alice)
    assert connection.next_deadline() == 1003.0
    clock.now += 10
    connection.check_deadlines()
    pair.server.settle()
    assert pair.outcomes()[2:] == [
        (by_deadline[3.0], Outcome.EXPIRED),
        (by_deadline[4.0], Outcome.EXPIRED),
    ]
    assert connection.open_requests == (endless,)


# --- cancelling and amending


def test_a_cancelled_request_is_settled_at_once() -> None:
    """On no account does it end the connection; a late answer changes nothing."""
    pair = ConnectionPair().handshake()
    context = pair.ask(on_refusal=Refusal.CLOSE)
    pair.server.connection.cancel_auth(context)
    pair.server.settle()
    assert pair.outcomes() == [(context, Outcome.CANCELLED)]
    assert pair.server.connection.open_requests == ()
    for call in (
        lambda: pair.server.connection.cancel_auth(context),
        lambda: pair.server.connection.amend_auth(context, required=True, on_refusal=Refusal.CLOSE),
    ):
        with pytest.raises(UsageError, match="no open request"):
            call()
    pair.give(context, stranger())
    assert pair.outcomes() == [(context, Outcome.CANCELLED)]
    assert still_works(pair)


def test_a_request_may_be_cancelled_while_its_verdict_is_awaited() -> None:
    pair = ConnectionPair().handshake()
    pair.server.hold = lambda question: True
    context = pair.ask()
    pair.give(context, alice)
    pair.server.connection.cancel_auth(context)
    release(pair.server)
    assert pair.outcomes() == [(context, Outcome.CANCELLED)]
    assert pair.server.connection.peer_identity is None


def test_a_cancelled_request_may_be_half_answered() -> None:
    """Cancelled between Certificate and Finished: the rest is read all the same."""
    pair = ConnectionPair().handshake()
    context = pair.ask()
    pair.client.connection._engine.layer.max_fragment_out = 64
    pair.client.connection.answer_auth(context, alice)
    pair.client.settle()
    flight = pair.client.connection.data_to_send()
    pair.server.receive(flight[:-20])
    assert "waiting for CertificateVerify" in repr(pair.server.connection)
    pair.server.connection.cancel_auth(context)
    pair.server.receive(flight[-20:])
    assert pair.outcomes() == [(context, Outcome.CANCELLED)]
    assert pair.server.connection.peer_identity is None
    assert still_works(pair)


def test_what_a_refusal_means_may_change_while_the_request_is_open() -> None:
    """Scenario 38: GnuTLS evaluates the mode when the answer comes; so do we."""
    pair = ConnectionPair().handshake()
    lenient = pair.ask(on_refusal=Refusal.CLOSE)
    pair.server.connection.amend_auth(lenient, required=False, on_refusal=Refusal.KEEP)
    pair.give(lenient, None)
    assert still_works(pair)
    strict = pair.ask()
    pair.server.hold = lambda question: True
    pair.give(strict, stranger())  # even while the verdict is awaited
    pair.server.connection.amend_auth(strict, required=True, on_refusal=Refusal.CLOSE)
    with pytest.raises(UnknownCA):
        release(pair.server)
    pair.move()
    assert isinstance(pair.client.error, AlertReceived)
    assert pair.client.error.received == AlertDescription.unknown_ca


def test_whether_a_request_is_required_may_change_by_itself() -> None:
    """Scenario 38: either way, with `on_refusal` as it was."""
    pair = ConnectionPair().handshake()
    server = pair.server.connection
    waived = pair.ask(required=True, on_refusal=Refusal.CLOSE)
    server.amend_auth(waived, required=False, on_refusal=Refusal.CLOSE)
    pair.give(waived, None)
    assert still_works(pair)
    insisted = pair.ask(required=False, on_refusal=Refusal.CLOSE)
    server.amend_auth(insisted, required=True, on_refusal=Refusal.CLOSE)
    pair.give(insisted, None)
    assert_refused(pair, CertificateRequired, "asked for a certificate, got none")


def test_what_is_not_open_cannot_be_cancelled_or_amended() -> None:
    pair = ConnectionPair().handshake()
    with pytest.raises(UsageError, match="no open request"):
        pair.server.connection.cancel_auth(b"unheard of")
    with pytest.raises(UsageError, match="no open request"):
        pair.server.connection.amend_auth(b"x", required=True, on_refusal=Refusal.KEEP)


# --- many


def test_only_so_many_requests_wait_for_an_answer() -> None:
    """A cancelled one still counts: its answer may come, and must be read."""
    pair = ConnectionPair(server=server_config(limits=Limits(outstanding_requests=2))).handshake()
    first, second = pair.ask(), pair.ask()
    with pytest.raises(ReauthUnavailable, match="2 requests are unanswered, which is the limit"):
        pair.server.connection.request_auth()
    pair.server.connection.cancel_auth(first)
    with pytest.raises(ReauthUnavailable, match="which is the limit"):
        pair.server.connection.request_auth()
    pair.give(second, None)
    third = pair.ask()
    pair.give(first, None)
    pair.give(third, alice)
    assert [outcome for _, outcome in pair.outcomes()] == [
        Outcome.CANCELLED,
        Outcome.DECLINED,
        Outcome.AUTHENTICATED,
    ]


def calls(work: Callable[[], object]) -> int:
    """How many Python calls some work makes: a clock that no other process disturbs."""
    count = 0

    def profile(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("order", ["first in first out", "last in first out"])
def test_a_thousand_open_requests_cost_a_thousand_times_one(order: str) -> None:
    """Asking, answering and expiring are linear in the number of requests."""

    def run(number: int) -> tuple[int, int, int]:
        clock = Clock()
        pair = ConnectionPair(
            client_config("alice", limits=ROOMY), server_config(limits=ROOMY, clock=clock)
        ).handshake()
        server, client = pair.server.connection, pair.client.connection
        contexts: list[bytes] = []

        def request() -> None:
            for index in range(number):
                contexts.append(server.request_auth(AuthRequest(within=1.0 + index % 7)))
            pair.client.receive(server.data_to_send())

        def answer() -> None:
            todo = contexts[: number // 2]
            for context in todo if order[0] == "f" else reversed(todo):
                client.answer_auth(context, None)
                pair.server.receive(client.data_to_send())

        def expire() -> None:
            clock.now += 10
            server.check_deadlines()

        counts = calls(request), calls(answer), calls(expire)
        pair.server.settle()
        assert len(pair.client.of(ReauthRequested)) == number
        found = [outcome for _, outcome in pair.outcomes()]
        assert found.count(Outcome.DECLINED) == number // 2
        assert found.count(Outcome.EXPIRED) == number - number // 2
        return counts

    for small, large in zip(run(100), run(1000), strict=True):
        assert large < 12 * small
