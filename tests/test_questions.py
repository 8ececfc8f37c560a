"""Questions: answered late, wrongly, by an exception, or never."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from postshake.connection import State
from postshake.constants import AlertDescription, Role
from postshake.errors import (
    AlertReceived,
    BadCertificate,
    BadRecordMac,
    CertificateError,
    InternalError,
    ReauthUnavailable,
    TruncationError,
    UnknownCA,
    UsageError,
)
from postshake.events import HandshakeCompleted
from postshake.pki.credential import Credential
from postshake.questions import ChooseCredential, JudgePeer, Question, Refused, Sign
from postshake.record.limits import Limits
from tests.hostile import release
from tests.pair import (
    ConnectionPair,
    End,
    client_config,
    issued,
    server_config,
    the_ca,
)
from tests.tampering import REQUIRING, check_refusal, ends, give, states

ROLES = pytest.mark.parametrize("role", list(Role), ids=lambda role: role.name)


KINDS = {
    "server ChooseCredential": (Role.server, ChooseCredential),
    "server Sign": (Role.server, Sign),
    "server JudgePeer": (Role.server, JudgePeer),
    "client JudgePeer": (Role.client, JudgePeer),
    "client ChooseCredential": (Role.client, ChooseCredential),
    "client Sign": (Role.client, Sign),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def held(kind: str, **client: Any) -> tuple[ConnectionPair, End, Any]:
    """A pair in whose handshake one question waits for its answer."""
    role, subject = KINDS[kind]
    pair = ConnectionPair(client_config("alice", **client), server_config(**REQUIRING))
    end, _ = ends(pair, role)
    end.hold = lambda question: isinstance(question.subject, subject)
    pair.client.connection.start()
    pair.server.connection.start()
    pair.move()
    (question,) = end.held_questions
    return pair, end, question


@every_kind
def test_an_answer_may_take_its_time(kind: str) -> None:
    pair, end, question = held(kind)
    assert end.connection.state is State.HANDSHAKING
    assert not end.connection.wants_data
    assert end.connection.next_question() is None
    assert f"the answer to {type(question.subject).__name__}" in repr(end.connection)
    pair.move()
    release(end)
    pair.move()
    assert states(pair) == (State.OPEN, State.OPEN)
    assert end.connection.wants_data
    assert pair.server.connection.peer_identity is not None
    pair.client.connection.send_data(b"hello")
    pair.move()
    assert pair.server.data == b"hello"


def test_every_question_of_both_ends_may_be_held() -> None:
    pair = ConnectionPair(client_config("alice"), server_config(**REQUIRING))
    asked = []
    for end in (pair.client, pair.server):
        end.hold = lambda question: True
    pair.client.connection.start()
    for _ in range(20):
        pair.move()
        for end in (pair.client, pair.server):
            for question in tuple(end.held_questions):
                asked.append(f"{end.connection.role.name} {type(question.subject).__name__}")
                release(end, question)
    assert asked == [
        "server ChooseCredential",
        "server Sign",
        "client JudgePeer",
        "client ChooseCredential",
        "client Sign",
        "server JudgePeer",
    ]
    assert states(pair) == (State.OPEN, State.OPEN)


def test_input_waits_for_the_answer() -> None:
    """Data that comes while the server judges is there when the handshake is complete."""
    pair, server, _ = held("server JudgePeer")
    pair.client.connection.send_data(b"early bird")
    pair.move()
    assert (server.data, server.connection.readable, server.events) == (b"", 0, [])
    release(server)
    assert server.data == b"early bird"
    assert isinstance(server.events[0], HandshakeCompleted)
    identity = server.connection.peer_identity
    assert identity is not None
    assert server.connection.identity_history == ((0, None), (0, identity))


def test_errors_wait_for_the_answer_too() -> None:
    _, server, _ = held("server JudgePeer")
    server.receive(b"\x17\x03\x03\x00\x11" + bytes(17))
    assert server.error is None
    with pytest.raises(BadRecordMac):
        release(server)
    assert server.connection.state is State.BROKEN
    assert server.connection.established is not None


def test_waiting_input_has_a_limit() -> None:
    pair = ConnectionPair(
        client_config("alice"), server_config(limits=Limits(waiting_input=1000), **REQUIRING)
    )
    pair.server.hold = lambda question: isinstance(question.subject, JudgePeer)
    pair.client.connection.start()
    pair.move()
    pair.client.connection.send_data(bytes(900))
    pair.move()
    assert pair.server.error is None
    pair.client.connection.send_data(bytes(100))
    extra = pair.client.connection.data_to_send()
    with pytest.raises(UsageError, match="answer the open question before giving more data"):
        pair.server.connection.receive_data(extra)
    assert pair.server.connection.failure is None
    release(pair.server)
    pair.server.receive(extra)
    assert len(pair.server.data) == 1000


def test_a_question_is_answered_once() -> None:
    pair, server, question = held("server Sign")
    with pytest.raises(UsageError, match=f"question {question.id + 1} is not open"):
        server.connection.answer(question.id + 1, b"")
    release(server)
    with pytest.raises(UsageError, match=f"question {question.id} is not open"):
        server.connection.answer(question.id, b"")
    pair.handshake()


def test_questions_have_ids_of_their_own() -> None:
    ids: list[int] = []

    def note(question: Question) -> bool:
        ids.append(question.id)
        return False

    pair = ConnectionPair(client_config("alice"), server_config(**REQUIRING))
    pair.server.hold = note
    pair.handshake()
    assert len(ids) == len(set(ids)) == 3


def test_after_a_failure_nothing_is_asked() -> None:
    pair = ConnectionPair().handshake()
    server = pair.server.connection
    context = server.request_auth()
    pair.move()
    pair.client.connection.answer_auth(context, issued("alice").credential())
    pair.client.settle()
    server.receive_data(pair.client.connection.data_to_send())
    assert "the answer to JudgePeer" in repr(server)
    with pytest.raises(BadRecordMac):
        server.receive_data(b"\x17\x03\x03\x00\x11" + bytes(17))
    assert server.next_question() is None
    assert repr(server) == "<Connection server broken>"


def test_after_a_failure_nothing_can_be_answered() -> None:
    pair = ConnectionPair().handshake()
    context = pair.server.connection.request_auth()
    pair.move()
    pair.server.hold = lambda question: True
    pair.client.connection.answer_auth(context, issued("alice").credential())
    pair.move()
    (question,) = pair.server.held_questions
    pair.server.receive(b"\x17\x03\x03\x00\x11" + bytes(17))
    with pytest.raises(UsageError, match=f"question {question.id} is not open"):
        pair.server.connection.answer(question.id, Refused(UnknownCA("late")))
    assert type(pair.server.connection.failure) is BadRecordMac


def test_after_giving_up_nothing_is_asked() -> None:
    pair = ConnectionPair()
    pair.client.connection.start()
    server = pair.server.connection
    server.receive_data(pair.client.connection.data_to_send())
    assert "the answer to ChooseCredential" in repr(server)
    server.close()
    assert server.next_question() is None
    assert repr(server) == "<Connection server closed>"


FAILURES = [
    ValueError("no token"),
    UsageError("an asynchronous answer"),
    ReauthUnavailable("odd"),
    asyncio.CancelledError(),
    KeyboardInterrupt(),
    TruncationError("the agent hung up"),
]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
@every_kind
def test_who_cannot_answer_ends_the_connection(kind: str, failure: BaseException) -> None:
    pair, end, question = held(kind)
    other = pair.client if end is pair.server else pair.server
    give(end, question, failure)
    pair.move()
    error = end.error
    assert type(error) is InternalError
    assert type(failure).__name__ in str(error)
    assert str(failure) in str(error)
    assert error.__cause__ is failure
    assert repr(end.connection.failure) == repr(error)
    assert end.connection.state is State.BROKEN
    assert isinstance(other.error, AlertReceived)
    assert other.error.received == AlertDescription.internal_error


SENSELESS = [
    (kind, answer)
    for kind in KINDS
    for answer in (None, "yes", True, 7, object())
    if answer is not None or "ChooseCredential" not in kind  # there it declines
]


@pytest.mark.parametrize(("kind", "answer"), SENSELESS)
def test_a_senseless_answer_ends_the_connection(kind: str, answer: object) -> None:
    pair, end, question = held(kind)
    give(end, question, answer)
    pair.move()
    assert type(end.error) is InternalError
    assert end.connection.peer_identity is None


@pytest.mark.parametrize("error", [UnknownCA("who?"), BadCertificate("no")])
@pytest.mark.parametrize("kind", ["server JudgePeer", "client JudgePeer"])
def test_a_refusal_is_an_answer(kind: str, error: CertificateError) -> None:
    pair, end, question = held(kind)
    other = pair.client if end is pair.server else pair.server
    give(end, question, Refused(error))
    pair.move()
    check_refusal(end, other, type(error), str(error.args[0]))


class FailConnection:
    """A signer and a verifier that raise."""

    def __init__(self, credential: Credential, error: Exception) -> None:
        self.public_key = credential.signer.public_key
        self.schemes = credential.signer.schemes
        self.error = error

    def sign(self, scheme: Any, data: bytes) -> bytes:
        raise self.error

    def verify(self, peer: Any) -> Any:
        raise self.error


@pytest.mark.parametrize("error", [OSError("no card"), UsageError("no card")], ids=type)
@pytest.mark.parametrize("who", ["server's signer", "client's signer", "client's verifier"])
def test_a_signer_or_a_verifier_that_raises(who: str, error: Exception) -> None:
    alice = issued("alice").credential()
    server = issued("server.example", "server").credential()
    failing = FailConnection(server if who == "server's signer" else alice, error)
    pair = ConnectionPair(
        client_config(
            credentials=(replace(alice, signer=failing) if who == "client's signer" else alice,),
            verifier=failing if who == "client's verifier" else the_ca().verifier(),
        ),
        server_config(
            credentials=(replace(server, signer=failing) if who == "server's signer" else server,),
            **REQUIRING,
        ),
    )
    pair.client.connection.start()
    pair.move()
    end, other = ends(pair, Role.server if who.startswith("server") else Role.client)
    assert type(end.error) is InternalError
    assert "no card" in str(end.error)
    assert isinstance(other.error, AlertReceived)
    assert other.error.received == AlertDescription.internal_error


def test_a_wrong_signature_of_our_own_is_found_by_the_peer() -> None:
    pair, server, question = held("server Sign")
    give(server, question, b"not a signature")
    pair.move()
    assert isinstance(server.error, AlertReceived)
    assert server.error.received == AlertDescription.decrypt_error
