"""What a blocking driver does with its connection's questions and events."""

from __future__ import annotations

from collections.abc import Callable

from ...connection import Connection
from ...constants import Role
from ...events import Event, ReauthCompleted, ReauthRequested
from ...pki.credential import Credential
from ...questions import Question
from ..answers import choose_for, declined_error, find_answer_now

__all__ = ["Answerer", "EventHandler"]

Answerer = Callable[[ReauthRequested], Credential | None]
"""Chooses what to answer a request with; None declines."""


class EventHandler:
    """Answers the engine's questions and requests, and hands its events out.

    Args:
        connection: the engine.
        answer: client: chooses the credential for each request; None for the first of the
            configuration's that fits.
        on_event: called with every event, in order.
    """

    __slots__ = ("_answer", "_connection", "_on_event", "accepts_answers", "outcomes")

    def __init__(
        self,
        connection: Connection,
        answer: Answerer | None,
        on_event: Callable[[Event], None] | None,
    ) -> None:
        self._connection = connection
        self._answer = answer
        self._on_event = on_event
        self.outcomes: dict[bytes, ReauthCompleted] = {}
        """Of requests that nobody has waited for yet, by their contexts."""
        self.accepts_answers = True
        """Whether a request can still be answered: we did not say that we send no more."""

    def stop_answering(self) -> None:
        """Answer no request from now on: we are about to say that we send no more."""
        self.accepts_answers = False

    def handle(self) -> None:
        """Answer all questions and requests, and hand the events out.

        Code of the application's may raise: the rest is handled first, then the first of
        its errors is raised. What a client could not answer is declined.
        """
        connection = self._connection
        errors: list[Exception] = []
        while True:
            if (question := connection.next_question()) is not None:
                self._answer_question(question, errors)
            elif (event := connection.next_event()) is not None:
                try:
                    self._take(event)
                except Exception as error:
                    errors.append(error)
            else:
                break
        if errors:
            if connection.role is Role.client and self._can_answer():
                for context in connection.open_requests:  # those that failed
                    connection.answer_auth(context, None)
                self.handle()
            try:
                raise errors[0]
            finally:
                errors.clear()  # their tracebacks have this frame

    def _answer_question(self, question: Question, errors: list[Exception]) -> None:
        found = find_answer_now(question.subject)
        try:
            self._connection.answer(question.id, found)
            if isinstance(found, Exception):  # and it was for a request: no harm done
                errors.append(declined_error(found))
        finally:
            del found  # an exception's traceback leads to this frame

    def _take(self, event: Event) -> None:
        if isinstance(event, ReauthCompleted):
            self.outcomes[event.context] = event
        if self._on_event is not None:
            self._on_event(event)
        if isinstance(event, ReauthRequested) and self._can_answer():
            try:
                credential = self._choose(event)
            except Exception as error:
                raise declined_error(error) from error
            self._connection.answer_auth(event.context, credential)

    def _choose(self, request: ReauthRequested) -> Credential | None:
        if self._answer is not None:
            return self._answer(request)
        return choose_for(request, self._connection.config.credentials)

    def _can_answer(self) -> bool:
        return self.accepts_answers and self._connection.failure is None
