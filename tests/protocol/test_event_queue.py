"""The desk: events and questions for the owner, in order and once."""

from __future__ import annotations

import pytest

from postshake.constants import SignatureScheme
from postshake.errors import UsageError
from postshake.events import PeerClosed
from postshake.pki.identity import Identity
from postshake.protocol.event_queue import EventQueue
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
    events = EventQueue()
    (one, ones), (other, others) = signing(sign(b"x")), signing(sign(b"x"))
    events.start(one)
    events.start(other)
    assert events.questions is not None
    first, second = events.questions
    assert first.subject == second.subject
    assert first.id != second.id
    assert events.askers() == [one, other]
    assert events.take_asker(second.id) is other
    assert events.take_asker(first.id) is one
    assert events.askers() == []
    other.answer(b"2")
    assert (ones, others) == ([], [[b"2"]])


@pytest.mark.parametrize("question_id", [0, 2, -1])
def test_a_question_is_answered_once_and_only_if_it_was_asked(question_id: int) -> None:
    events = EventQueue()
    events.start(signing(sign(b"x"))[0])
    with pytest.raises(UsageError, match=f"question {question_id} is not open"):
        events.take_asker(question_id)
    events.take_asker(1)
    with pytest.raises(UsageError, match="question 1 is not open"):
        events.take_asker(1)


def test_the_next_question_has_the_next_id() -> None:
    events = EventQueue()
    conversation, results = signing(sign(b"x"), sign(b"y"))
    events.start(conversation)
    for expected_id, data in ((1, b"x"), (2, b"y")):
        question = events.questions.popleft()
        assert question.id == expected_id
        assert question.subject == sign(data)
        events.take_asker(question.id).answer(data)
        events.add_question(conversation)
    assert results == [[b"x", b"y"]]
    assert not events.questions


def test_who_waits_for_a_message_asks_nothing() -> None:
    events = EventQueue()
    conversation = Conversation("reading", expect(Finished), lambda message: None)
    events.start(conversation)
    assert not events.questions
    assert events.askers() == []


def test_after_a_failure_nothing_is_asked() -> None:
    events = EventQueue()
    events.start(signing(sign(b"x"))[0])
    events.clear_questions()
    assert not events.questions
    assert events.askers() == []
    with pytest.raises(UsageError):
        events.take_asker(1)


def test_events_keep_their_order() -> None:
    events = EventQueue()
    reports = [PeerClosed(position) for position in (3, 1, 2)]
    for report in reports:
        events.emit(report)
    assert list(events.events) == reports


def test_an_identity_counts_from_where_it_was_committed() -> None:
    events = EventQueue()
    assert events.peer_identity is None
    events.plaintext.chunks.append(b"data")
    events.plaintext.position += 4
    assert events.position == 4
    identity = Identity(issued("alice").chain)
    events.commit_identity(identity)
    assert events.peer_identity is identity
    assert events.plaintext.history == [(0, None), (4, identity)]
