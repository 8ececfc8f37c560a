"""The desk: events and questions for the owner, in order and once."""

from __future__ import annotations

import pytest

from postshake.constants import SignatureScheme
from postshake.errors import UsageError
from postshake.events import PeerClosed
from postshake.pki.identity import Identity
from postshake.protocol.event_queue import Desk
from postshake.protocol.flow import Conversation, Flow, ask, expect
from postshake.questions import Sign
from postshake.wire.auth import Finished
from tests.pair import issued

SIGNER = issued("alice").credential().signer


def sign(data: bytes) -> Sign:
    return Sign(SIGNER, SignatureScheme.ecdsa_secp256r1_sha256, data)


def signing(*subjects: Sign) -> tuple[Conversation[list[bytes]], list[list[bytes]]]:
    def flow() -> Flow[list[bytes]]:
        answers = []
        for subject in subjects:
            answers.append((yield from ask(subject)))
        return answers

    results: list[list[bytes]] = []
    return Conversation("signing", flow(), results.append), results


def test_a_question_goes_up_with_an_id_of_its_own() -> None:
    """Even where the subjects are equal: nothing is matched by value."""
    desk = Desk()
    (one, ones), (other, others) = signing(sign(b"x")), signing(sign(b"x"))
    desk.begin(one)
    desk.begin(other)
    assert desk.questions is not None
    first, second = desk.questions
    assert first.subject == second.subject
    assert first.id != second.id
    assert desk.open_questions() == [one, other]
    assert desk.who_asked(second.id) is other
    assert desk.who_asked(first.id) is one
    assert desk.open_questions() == []
    other.answer(b"2")
    assert (ones, others) == ([], [[b"2"]])


@pytest.mark.parametrize("question_id", [0, 2, -1])
def test_a_question_is_answered_once_and_only_if_it_was_asked(question_id: int) -> None:
    desk = Desk()
    desk.begin(signing(sign(b"x"))[0])
    with pytest.raises(UsageError, match=f"question {question_id} is not open"):
        desk.who_asked(question_id)
    desk.who_asked(1)
    with pytest.raises(UsageError, match="question 1 is not open"):
        desk.who_asked(1)


def test_the_next_question_has_the_next_id() -> None:
    desk = Desk()
    conversation, results = signing(sign(b"x"), sign(b"y"))
    desk.begin(conversation)
    for expected_id, data in ((1, b"x"), (2, b"y")):
        question = desk.questions.popleft()
        assert question.id == expected_id
        assert question.subject == sign(data)
        desk.who_asked(question.id).answer(data)
        desk.note(conversation)
    assert results == [[b"x", b"y"]]
    assert not desk.questions


def test_who_waits_for_a_message_asks_nothing() -> None:
    desk = Desk()
    conversation = Conversation("reading", expect(Finished), lambda message: None)
    desk.begin(conversation)
    assert not desk.questions
    assert desk.open_questions() == []


def test_after_a_failure_nothing_is_asked() -> None:
    desk = Desk()
    desk.begin(signing(sign(b"x"))[0])
    desk.clear_questions()
    assert not desk.questions
    assert desk.open_questions() == []
    with pytest.raises(UsageError):
        desk.who_asked(1)


def test_events_keep_their_order() -> None:
    desk = Desk()
    events = [PeerClosed(position) for position in (3, 1, 2)]
    for event in events:
        desk.emit(event)
    assert list(desk.events) == events


def test_an_identity_counts_from_where_it_was_committed() -> None:
    desk = Desk()
    assert desk.peer_identity is None
    desk.plaintext.chunks.append(b"data")
    desk.plaintext.position += 4
    assert desk.position == 4
    identity = Identity(issued("alice").chain)
    desk.commit_identity(identity)
    assert desk.peer_identity is identity
    assert desk.plaintext.history == [(0, None), (4, identity)]
