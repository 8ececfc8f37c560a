"""A client's requests: received, bounded, answered in any order, signed at leisure (§4.6.2)."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from postshake.config import AuthRequest
from postshake.connection import State
from postshake.constants import ContentType, HandshakeType, Role, SignatureScheme
from postshake.errors import (
    IllegalParameter,
    InternalError,
    MessageTooLarge,
    TooMuch,
    UsageError,
)
from postshake.events import (
    Direction,
    Outcome,
    ReauthAnswered,
    ReauthRequested,
    TraceEntry,
)
from postshake.pki.choose import Wanted, choose_credential
from postshake.pki.credential import Credential
from postshake.questions import Question, Sign
from postshake.record.limits import Limits
from postshake.wire.auth import Certificate, CertificateRequest
from postshake.wire.extensions import CertificateStatus, Extensions, StatusRequestEmpty
from tests.certs import CA
from tests.hostile import assert_refused, capture_answer, release, rewriting, send_handshake
from tests.pair import Clock, ConnectionPair, client_config, issued, server_config, the_ca

alice = issued("alice").credential()
KEY_USAGE = bytes.fromhex("0603551d0f")


def ask(pair: ConnectionPair, number: int = 1, **fields: Any) -> list[bytes]:
    contexts = [pair.server.connection.request_auth(AuthRequest(**fields)) for _ in range(number)]
    pair.move()
    return contexts


def is_sign(question: Question) -> bool:
    return isinstance(question.subject, Sign)


# --- what is open


def test_requests_wait_for_their_answers_oldest_first() -> None:
    pair = ConnectionPair().handshake()
    assert pair.client.connection.open_requests == ()
    contexts = ask(pair, 3)
    assert pair.client.connection.open_requests == tuple(contexts)
    assert [event.context for event in pair.client.of(ReauthRequested)] == contexts
    pair.client.connection.answer_auth(contexts[1], None)
    assert pair.client.connection.open_requests == (contexts[0], contexts[2])


def test_r9_answers_may_come_in_any_order() -> None:
    """R-9: every order of three, one of them a decline; each answer goes to its request."""
    for order in itertools.permutations(range(3)):
        pair = ConnectionPair().handshake()
        contexts = ask(pair, 3)
        for index in order:
            credential = None if index == 1 else alice
            pair.client.connection.answer_auth(contexts[index], credential)
            pair.move()
        answers = {0: Outcome.AUTHENTICATED, 1: Outcome.DECLINED, 2: Outcome.AUTHENTICATED}
        assert pair.outcomes() == [(contexts[index], answers[index]) for index in order]
        answered = [event.context for event in pair.client.of(ReauthAnswered)]
        assert answered == [contexts[index] for index in order]


def test_r5_a_request_may_wait_for_ever_while_data_flows() -> None:
    """R-5, R-8: choosing takes as long as a person takes."""
    pair = ConnectionPair().handshake()
    (context,) = ask(pair)
    for number in range(20):
        pair.client.connection.send_data(bytes([number]))
        pair.server.connection.send_data(bytes([number]))
        pair.move()
    assert pair.client.data == pair.server.data == bytes(range(20))
    pair.client.connection.answer_auth(context, alice)
    pair.move()
    assert pair.outcomes() == [(context, Outcome.AUTHENTICATED)]


def test_a_request_is_answered_once() -> None:
    pair = ConnectionPair().handshake()
    (context,) = ask(pair)
    with pytest.raises(UsageError, match="names no request that is open"):
        pair.client.connection.answer_auth(b"another", alice)
    pair.client.connection.answer_auth(context, alice)
    with pytest.raises(UsageError, match="names no request that is open"):
        pair.client.connection.answer_auth(context, None)  # its signature is not there yet
    pair.move()
    with pytest.raises(UsageError, match="names no request that is open"):
        pair.client.connection.answer_auth(context, alice)
    assert pair.outcomes() == [(context, Outcome.AUTHENTICATED)]


def test_position_tells_which_data_came_before_a_request() -> None:
    """Scenario 52: data, request, data in one burst."""
    pair = ConnectionPair().handshake()
    server = pair.server.connection
    server.send_data(b"first")
    server.request_auth()
    server.send_data(b"second")
    pair.move()
    (event,) = pair.client.of(ReauthRequested)
    assert event.position == len("first")
    assert pair.client.data == b"firstsecond"


# --- choosing


def test_a_choice_is_made_from_what_the_request_says() -> None:
    """R-31, O6, O23: all that the chooser needs is in the event."""
    other = CA("Other CA")
    mine = (other.issue("olga").credential(), alice)
    pair = ConnectionPair(client_config(credentials=mine)).handshake()

    def choose(**fields: Any) -> Credential | None:
        ask(pair, **fields)
        event = pair.client.of(ReauthRequested)[-1]
        wanted = Wanted(
            event.authorities,
            event.signature_algorithms,
            event.signature_algorithms_cert,
            event.oid_filters,
        )
        return choose_credential(mine, wanted)

    assert choose() is mine[0]
    assert choose(authorities=(the_ca().name,)) is alice
    assert choose(authorities=(CA("Third").name,)) is None
    assert choose(signature_algorithms=(SignatureScheme.ed25519,)) is None
    assert choose(oid_filters=((KEY_USAGE, bytes.fromhex("03020308")),)) is None


def test_r32_a_chain_signed_by_other_schemes_is_the_second_choice() -> None:
    """R-32: rather than declining; the server may take it all the same."""
    other = CA("EdDSA CA", key_type="ed25519").issue("olga").credential()
    pair = ConnectionPair(client_config(credentials=(alice, other))).handshake()
    ask(pair, signature_algorithms_cert=(SignatureScheme.ed25519,))
    (event,) = pair.client.of(ReauthRequested)
    wanted = Wanted(
        signature_algorithms=event.signature_algorithms,
        signature_algorithms_cert=event.signature_algorithms_cert,
    )
    assert choose_credential((alice, other), wanted) is other
    assert choose_credential((alice,), wanted) is alice
    pair.give(event.context, alice)
    assert pair.outcomes() == [(event.context, Outcome.AUTHENTICATED)]


def test_r41_a_credential_that_cannot_sign_declines() -> None:
    """R-23, R-41: an empty Certificate rather than a scheme that was not offered."""
    pair = ConnectionPair().handshake()
    (context,) = ask(pair, signature_algorithms=(SignatureScheme.ed25519,))
    pair.client.connection.answer_auth(context, alice)
    pair.move()
    assert [event.credential for event in pair.client.of(ReauthAnswered)] == [None]
    assert pair.outcomes() == [(context, Outcome.DECLINED)]


def test_the_servers_favourite_scheme_is_used() -> None:
    schemes = (SignatureScheme.rsa_pss_rsae_sha512, SignatureScheme.rsa_pss_rsae_sha256)
    rsa = issued("rsa", key_type="rsa2048").credential()
    for order in (schemes, schemes[::-1]):
        pair = ConnectionPair(client_config(credentials=(rsa,))).handshake()
        pair.client.hold = is_sign
        (context,) = ask(pair, signature_algorithms=order)
        pair.client.connection.answer_auth(context, rsa)
        pair.client.settle()
        (question,) = pair.client.held_questions
        assert isinstance(question.subject, Sign)
        assert question.subject.scheme is order[0]


@pytest.mark.parametrize("asked", [False, True])
def test_r29_an_ocsp_response_goes_only_to_who_asks_in_this_request(asked: bool) -> None:
    """R-29: entry extensions correspond to those of the CertificateRequest."""
    stapled = issued("alice").credential(ocsp_response=b"good")
    pair = ConnectionPair(client_config(credentials=(stapled,))).handshake()

    def honest_or_asking(request: CertificateRequest) -> CertificateRequest:
        if not asked:
            return request
        extensions = Extensions((*request.extensions, StatusRequestEmpty()))
        return CertificateRequest(request.certificate_request_context, extensions)

    with rewriting(CertificateRequest, honest_or_asking):
        (context,) = ask(pair)
    raw, *_ = capture_answer(pair.client, context, stapled)
    (entry,) = Certificate.decode(raw[4:]).certificate_list
    assert entry.extensions.items == ((CertificateStatus(b"good"),) if asked else ())


def test_r42_the_client_never_learns_the_outcome() -> None:
    """R-42: accepted, refused and cancelled look the same; only the application can tell."""
    seen = []
    for credential in (alice, CA("Elsewhere").issue("mallory").credential()):
        pair = ConnectionPair(client_config(credentials=(credential,))).handshake()
        (context,) = ask(pair)
        pair.client.connection.answer_auth(context, credential)
        pair.move()
        seen.append([type(event) for event in pair.client.events])
        assert not pair.server.connection.has_data_to_send
    assert seen[0] == seen[1]


# --- signing takes its time


def test_an_answer_waits_for_its_signature_and_data_does_not() -> None:
    """Asynchronous signing: nothing of the answer leaves before all of it can."""
    entries: list[TraceEntry] = []
    pair = ConnectionPair(client_config("alice", trace=entries.append)).handshake()
    pair.client.hold = is_sign
    (context,) = ask(pair)
    client = pair.client.connection
    client.answer_auth(context, alice)
    pair.client.settle()
    assert not client.has_data_to_send
    assert client.open_requests == ()
    assert "waiting for the answer to Sign" in repr(client)
    entries.clear()
    client.send_data(b"meanwhile")
    pair.server.connection.send_data(b"yes?")
    pair.move()
    assert (pair.server.data, pair.client.data) == (b"meanwhile", b"yes?")
    assert pair.client.of(ReauthAnswered) == []
    release(pair.client)
    pair.move()
    assert pair.outcomes() == [(context, Outcome.AUTHENTICATED)]
    assert [entry.what for entry in entries if entry.direction is Direction.sent] == [
        "application data",
        "Certificate",
        "CertificateVerify",
        "Finished",
    ]


def test_signatures_may_come_in_another_order_than_the_choices() -> None:
    """Each answer is one run; the order on the wire is that of the signatures."""
    entries: list[TraceEntry] = []
    pair = ConnectionPair(client_config("alice", trace=entries.append)).handshake()
    pair.client.hold = is_sign
    contexts = ask(pair, 3)
    for context in contexts:
        pair.client.connection.answer_auth(context, alice)
    pair.client.settle()
    entries.clear()
    first, second, third = pair.client.held_questions
    release(pair.client, third, first, second)
    pair.move()
    order = [contexts[2], contexts[0], contexts[1]]
    assert pair.outcomes() == [(context, Outcome.AUTHENTICATED) for context in order]
    assert [event.context for event in pair.client.of(ReauthAnswered)] == order
    sent = [entry.what for entry in entries if entry.direction is Direction.sent]
    assert sent == ["Certificate", "CertificateVerify", "Finished"] * 3


def test_r21_a_key_update_while_a_signature_is_awaited_does_no_harm() -> None:
    """R-21: the Finished key is that of the moment when the answer leaves."""
    pair = ConnectionPair().handshake()
    pair.client.hold = is_sign
    (context,) = ask(pair)
    pair.client.connection.answer_auth(context, alice)
    pair.client.settle()
    for _ in range(2):
        pair.client.connection.key_update(request_peer=True)
        pair.move()
    release(pair.client)
    pair.move()
    assert pair.outcomes() == [(context, Outcome.AUTHENTICATED)]


@pytest.mark.parametrize("error", [OSError("token unplugged"), UsageError("?"), TimeoutError()])
@pytest.mark.parametrize("then", ["sign", "decline"])
def test_a_signature_that_fails_puts_the_request_back(error: Exception, then: str) -> None:
    """Nothing was sent, nothing broke; declining and trying again both work."""
    pair = ConnectionPair().handshake()
    pair.client.hold = is_sign
    first, second = ask(pair, 2)
    client = pair.client.connection
    client.answer_auth(first, alice)
    pair.client.settle()
    (question,) = pair.client.held_questions
    client.answer(question.id, error)
    pair.client.held_questions.clear()
    assert client.open_requests == (first, second)
    assert not client.has_data_to_send
    assert client.state is State.OPEN
    assert pair.client.of(ReauthAnswered) == []
    with pytest.raises(UsageError, match="not open"):
        client.answer(question.id, b"too late")
    client.answer_auth(first, alice if then == "sign" else None)
    pair.client.settle()
    release(pair.client)
    pair.move()
    expected = Outcome.AUTHENTICATED if then == "sign" else Outcome.DECLINED
    assert pair.outcomes() == [(first, expected)]


def test_what_is_no_signature_is_our_own_fault() -> None:
    pair = ConnectionPair().handshake()
    pair.client.hold = is_sign
    (context,) = ask(pair)
    pair.client.connection.answer_auth(context, alice)
    pair.client.settle()
    (question,) = pair.client.held_questions
    with pytest.raises(InternalError, match="the signer returned str, not bytes"):
        pair.client.connection.answer(question.id, "signature")
    pair.move()
    assert pair.outcomes() == []
    assert pair.server.connection.peer_identity is None


def test_r44_a_signature_that_comes_after_our_goodbye_sends_nothing() -> None:
    """R-44: close_notify is the last that we say."""
    pair = ConnectionPair().handshake()
    pair.client.hold = is_sign
    (context,) = ask(pair)
    pair.client.connection.answer_auth(context, alice)
    pair.client.settle()
    pair.client.connection.close()
    pair.move()
    release(pair.client)
    assert not pair.client.connection.has_data_to_send
    assert pair.client.of(ReauthAnswered) == []
    with pytest.raises(UsageError, match="our side of the connection is closed"):
        pair.client.connection.answer_auth(context, None)


def test_r44_a_key_update_that_comes_after_our_goodbye_is_not_answered() -> None:
    """R-37, R-44: an update is owed before our next data, and there is none."""
    pair = ConnectionPair().handshake()
    pair.client.connection.close()
    pair.move()
    pair.server.connection.key_update(request_peer=True)
    pair.server.connection.send_data(b"still here")
    pair.client.receive(pair.server.connection.data_to_send())
    assert pair.client.data == b"still here"
    assert not pair.client.connection.has_data_to_send


# --- a hostile server


def roomy_server() -> Any:
    return server_config(limits=Limits(outstanding_requests=1000))


def test_only_so_many_requests_may_be_pending() -> None:
    limits = Limits(pending_requests=3)
    pair = ConnectionPair(client_config("alice", limits=limits), roomy_server()).handshake()
    contexts = ask(pair, 3)
    pair.client.connection.answer_auth(contexts[0], None)
    pair.move()
    ask(pair, 1)
    assert pair.client.error is None
    ask(pair, 1)
    assert_refused(pair, TooMuch, "3 are unanswered, which is the limit", by=Role.client)


def test_what_is_being_signed_is_still_unanswered() -> None:
    """Else a slow signer would let a server pile up work without end."""
    limits = Limits(pending_requests=3)
    pair = ConnectionPair(client_config("alice", limits=limits), roomy_server()).handshake()
    pair.client.hold = is_sign
    for context in ask(pair, 3):
        pair.client.connection.answer_auth(context, alice)
    ask(pair, 1)
    assert_refused(pair, TooMuch, "3 are unanswered", by=Role.client)


def test_r10_the_context_of_an_answer_that_is_being_signed_is_taken() -> None:
    """R-10: a second request of that name could not be told from the first."""
    pair = ConnectionPair().handshake()
    pair.client.hold = is_sign
    (context,) = ask(pair)
    pair.client.connection.answer_auth(context, alice)
    pair.client.settle()
    send_handshake(
        pair.server,
        CertificateRequest(context, pair.client.of(ReauthRequested)[0].request.extensions),
    )
    pair.move()
    assert_refused(pair, IllegalParameter, "still open", by=Role.client)


def test_only_so_many_requests_may_come_in_a_while() -> None:
    """O22: each costs a signature and perhaps a person's attention."""
    clock = Clock()
    limits = Limits(requests_per_window=4, request_window=10.0)
    config = client_config("alice", limits=limits, clock=clock)
    pair = ConnectionPair(config, roomy_server()).handshake()
    for _ in range(3):
        for _ in range(4):
            assert pair.reauth().outcome is Outcome.AUTHENTICATED
        clock.now += 10
    for _ in range(4):
        pair.reauth()
    ask(pair)
    assert_refused(
        pair, TooMuch, r"CertificateRequest: expected at most 4 in 10 s, got 5", by=Role.client
    )


def test_a_request_that_is_too_long_is_refused_before_it_is_held() -> None:
    limits = Limits(handshake_message=1000)
    pair = ConnectionPair(client_config("alice", limits=limits), roomy_server())
    reassembly = pair.client.connection._engine.reassembly
    reassembly._limit = reassembly._hello_limit = 10_000  # for the handshake
    pair.handshake()
    reassembly._limit = 1000
    pair.server.connection.request_auth(AuthRequest(authorities=(bytes(2000),)))
    first = pair.server.connection.data_to_send()
    assert len(first) > 2000
    pair.client.receive(first)
    assert_refused(
        pair, MessageTooLarge, "expected at most 1000 bytes, got a length of", by=Role.client
    )


def test_the_bytes_of_requests_that_wait_have_a_limit() -> None:
    """Few requests may be large: each is held until it is answered."""
    limits = Limits(pending_requests_size=10_000)
    pair = ConnectionPair(client_config("alice", limits=limits), roomy_server()).handshake()
    long = AuthRequest(authorities=(bytes(3000),))
    for _ in range(3):
        context = pair.server.connection.request_auth(long)
        pair.move()
    assert pair.client.error is None
    pair.give(context, None)  # there is room again
    pair.server.connection.request_auth(long)
    pair.move()
    assert pair.client.error is None
    pair.server.connection.request_auth(long)
    pair.move()
    assert_refused(
        pair, TooMuch, "expected at most 10000 bytes of unanswered ones, got 12", by=Role.client
    )


def test_r7_an_answer_leaves_in_one_record_if_it_fits() -> None:
    """R-7, O16: sealed at once, so that nothing of ours can come between."""
    pair = ConnectionPair().handshake()
    (context,) = ask(pair)
    outbound = pair.client.connection._engine.layer.outbound
    honest = outbound._seal
    sealed: list[bytes] = []

    def seal(nonce: bytes, inner: bytes | memoryview, header: bytes) -> bytes:
        sealed.append(bytes(inner))
        return honest(nonce, inner, header)

    outbound._seal = seal
    pair.client.connection.answer_auth(context, alice)
    pair.client.settle()
    (record,) = sealed
    assert record[-1] == ContentType.handshake
    assert record[0] == HandshakeType.certificate
    assert record[-1 - 36 :][0] == HandshakeType.finished
