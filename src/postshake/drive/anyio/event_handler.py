"""What an asynchronous owner does for its connection: find answers, hand events out."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any

import anyio

from ...connection import Connection
from ...constants import Role
from ...events import Event, ReauthCompleted, ReauthRequested
from ...pki.credential import Credential
from ...questions import Question
from ..answers import declined_error, find_answer
from ..owner import Owner

__all__ = ["AsyncAnswerer", "Errands"]

AsyncAnswerer = Callable[[ReauthRequested], "Credential | Awaitable[Credential | None] | None"]
"""Chooses what to answer a request with; None declines."""


class Errands(Owner[AsyncAnswerer]):
    """The part of a stream that answers its connection's questions and requests."""

    def __init__(
        self,
        connection: Connection,
        answer: AsyncAnswerer | None,
        on_event: Callable[[Event], None] | None,
    ) -> None:
        super().__init__(connection, answer, on_event)
        self._answering = anyio.Lock()
        self._questions: deque[Question] = deque()
        self._requests: deque[ReauthRequested] = deque()

    async def _advance(self, step: Callable[..., object], *arguments: Any) -> None:
        """Let the engine take a step; send what it has to say, sort what it brought."""
        raise NotImplementedError

    def _sort(self) -> None:
        connection = self.connection
        while (question := connection.next_question()) is not None:
            self._questions.append(question)
        while (event := connection.next_event()) is not None:
            if isinstance(event, ReauthCompleted):
                self._completed[event.context] = event
            if self._on_event is not None:
                self._on_event(event)
            if isinstance(event, ReauthRequested):
                self._requests.append(event)

    async def _settle(self) -> None:
        """Answer the questions and requests that are there, one after the other."""
        async with self._answering:
            while self._questions or self._requests:
                if self.connection.failure is not None:
                    self._questions.clear()
                    self._requests.clear()
                elif self._questions:
                    await self._answer_question(self._questions[0])
                else:
                    await self._answer_request(self._requests[0])

    async def _answer_question(self, question: Question) -> None:
        connection = self.connection
        try:
            found = find_answer(question.subject)
            if isawaitable(found):
                found = await found
        except Exception as error:
            found = error
        self._questions.popleft()  # not before: a cancelled answer is sought again
        await self._advance(connection.answer, question.id, found)
        if isinstance(found, Exception) and connection.failure is None:  # no harm was done
            await self._decline_rest()
            raise declined_error(found)

    async def _answer_request(self, request: ReauthRequested) -> None:
        connection = self.connection
        try:
            credential = self._answer(request)
            if isawaitable(credential):
                credential = await credential
        except Exception as error:
            self._requests.popleft()
            await self._decline_rest(request.context)
            raise declined_error(error) from error
        self._requests.popleft()
        if not connection.sent_close:  # else an answer could not be sent any more
            await self._advance(connection.answer_auth, request.context, credential)

    async def _decline_rest(self, *contexts: bytes) -> None:
        connection = self.connection
        waiting = {request.context for request in self._requests}
        for context in contexts or connection.open_requests:
            if context not in waiting and connection.role is Role.client:
                if not connection.sent_close:
                    await self._advance(connection.answer_auth, context, None)
