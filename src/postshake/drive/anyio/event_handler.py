"""What an asynchronous driver does with its connection's questions and events."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from inspect import isawaitable

import anyio

from ...connection import Connection
from ...constants import Role
from ...events import Event, ReauthCompleted, ReauthRequested
from ...pki.credential import Credential
from ...questions import Question
from ..answers import choose_for, declined_error, find_answer

__all__ = ["AsyncAnswerer", "AsyncEventHandler", "Step"]

AsyncAnswerer = Callable[[ReauthRequested], "Credential | Awaitable[Credential | None] | None"]
"""Chooses what to answer a request with; None declines."""

Step = Callable[..., Awaitable[None]]
"""Calls its first argument, a method of the engine's, with the others; sends what that has to
say, and collects what it brought."""


class AsyncEventHandler:
    """Hands the engine's events out, and answers its questions and requests.

    Args:
        connection: the engine.
        answer: client: chooses the credential for each request; None for the first of the
            configuration's that fits.
        on_event: called with every event, in order.
    """

    __slots__ = (
        "_answer",
        "_answering",
        "_connection",
        "_on_event",
        "_questions",
        "_requests",
        "outcomes",
    )

    def __init__(
        self,
        connection: Connection,
        answer: AsyncAnswerer | None,
        on_event: Callable[[Event], None] | None,
    ) -> None:
        self._connection = connection
        self._answer = answer
        self._on_event = on_event
        self._answering = anyio.Lock()
        self._questions: deque[Question] | None = None  # until there is one
        self._requests: deque[ReauthRequested] | None = None
        self.outcomes: dict[bytes, ReauthCompleted] = {}
        """Of requests that nobody has waited for yet, by their contexts."""

    def has_questions(self) -> bool:
        """Whether the engine waits for an answer."""
        return bool(self._questions)

    def has_work(self) -> bool:
        """Whether there is something to `settle`: questions of the engine's, or requests."""
        return bool(self._questions or self._requests)

    def collect(self) -> None:
        """Take the engine's questions and events, and hand the events out."""
        connection = self._connection
        while (question := connection.next_question()) is not None:
            if self._questions is None:
                self._questions = deque()
            self._questions.append(question)
        while (event := connection.next_event()) is not None:
            if isinstance(event, ReauthCompleted):
                self.outcomes[event.context] = event
            if self._on_event is not None:
                self._on_event(event)
            if isinstance(event, ReauthRequested):
                if self._requests is None:
                    self._requests = deque()
                self._requests.append(event)

    async def settle(self, step: Step) -> None:
        """Answer the questions and requests that are there, one after the other.

        Cancelled, it leaves those that have no answer yet for the next call.

        Args:
            step: gives the engine an answer.

        Raises:
            UsageError: a request was declined, because answering it failed.
            TLSError: an answer ended the connection.
        """
        async with self._answering:
            while True:
                questions, requests = self._questions, self._requests
                if self._connection.failure is not None:
                    self._questions = self._requests = None
                    return
                if questions:
                    await self._answer_question(questions, step)
                elif requests:
                    await self._answer_request(requests, step)
                else:
                    self._questions = self._requests = None
                    return

    async def _answer_question(self, questions: deque[Question], step: Step) -> None:
        connection = self._connection
        question = questions[0]
        try:
            found = find_answer(question.subject)
            if isawaitable(found):
                found = await found
        except Exception as error:
            found = error
        questions.popleft()  # not before: a cancelled answer is sought again
        try:
            await step(connection.answer, question.id, found)
            if isinstance(found, Exception) and connection.failure is None:  # no harm was done
                await self._decline(connection.open_requests, step)
                raise declined_error(found)
        finally:
            del found  # an exception's traceback has this frame

    async def _answer_request(self, requests: deque[ReauthRequested], step: Step) -> None:
        connection = self._connection
        request = requests[0]
        try:
            credential = self._choose(request)
            if isawaitable(credential):
                credential = await credential
        except Exception as error:
            requests.popleft()
            await self._decline((request.context,), step)
            raise declined_error(error) from error
        requests.popleft()
        if not connection.sent_close:  # else an answer could not be sent any more
            await step(connection.answer_auth, request.context, credential)

    def _choose(self, request: ReauthRequested) -> Credential | Awaitable[Credential | None] | None:
        if self._answer is not None:
            return self._answer(request)
        return choose_for(request, self._connection.config.credentials)

    async def _decline(self, contexts: tuple[bytes, ...], step: Step) -> None:
        """Decline a client's requests, but those that are still to be answered."""
        connection = self._connection
        waiting = {request.context for request in self._requests or ()}
        for context in contexts:
            if context not in waiting and connection.role is Role.client:
                if not connection.sent_close:
                    await step(connection.answer_auth, context, None)
