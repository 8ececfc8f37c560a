"""Events and unanswered questions, queued for the connection's owner."""

from __future__ import annotations

from collections import deque
from typing import Any

from ..errors import UsageError
from ..events import Event
from ..pki.identity import Identity
from ..questions import Question
from .flow import Ask, Conversation
from .plaintext import Plaintext

__all__ = ["EventQueue"]


class EventQueue:
    """Where conversations put what the owner must know or decide."""

    __slots__ = ("_asking", "_next_id", "events", "plaintext", "questions")

    def __init__(self) -> None:
        self.events: deque[Event] | None = None
        self.questions: deque[Question] | None = None
        self.plaintext = Plaintext()
        self._asking: dict[int, Conversation[Any]] = {}
        self._next_id = 1

    @property
    def position(self) -> int:
        """How many bytes of application data have been received."""
        return self.plaintext.position

    @property
    def peer_identity(self) -> Identity | None:
        """Whom the peer has proven to be, as of now."""
        return self.plaintext.identity

    def commit_identity(self, identity: Identity) -> None:
        """Take this for the peer's identity from here on; it must be proven."""
        self.plaintext.commit(identity)

    def emit(self, event: Event) -> None:
        """Tell the owner."""
        if self.events is None:
            self.events = deque()
        self.events.append(event)

    def next_event(self) -> Event | None:
        """Take the oldest event; None if there is none."""
        if not self.events:
            return None
        event = self.events.popleft()
        if not self.events:
            self.events = None  # an empty deque is the largest thing of an idle connection
        return event

    def next_question(self) -> Question | None:
        """Take the oldest question; None if there is none."""
        if not self.questions:
            return None
        question = self.questions.popleft()
        if not self.questions:
            self.questions = None
        return question

    def start(self, conversation: Conversation[Any]) -> None:
        """Start a conversation, and put up its first question if it asks one."""
        conversation.begin()
        self.add_question(conversation)

    def add_question(self, conversation: Conversation[Any]) -> None:
        """Put up the question that a conversation stopped at, if it did."""
        waiting_for = conversation.waiting_for
        if isinstance(waiting_for, Ask):
            self._asking[self._next_id] = conversation
            if self.questions is None:
                self.questions = deque()
            self.questions.append(Question(self._next_id, waiting_for.subject))
            self._next_id += 1

    def take_asker(self, question_id: int) -> Conversation[Any]:
        """Return the conversation that waits for this answer; it asks no more."""
        conversation = self._asking.pop(question_id, None)
        if conversation is None:
            raise UsageError(f"question {question_id} is not open")
        if not self._asking:
            self._asking = {}  # one that was used keeps its size
        return conversation

    def askers(self) -> list[Conversation[Any]]:
        """Return the conversations that wait for answers."""
        return list(self._asking.values())

    def clear_questions(self) -> None:
        """Forget all questions: the connection has failed."""
        self.questions = None
        self._asking.clear()
