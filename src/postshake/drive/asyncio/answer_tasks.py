"""Answers to the engine's questions and requests, some of which are coroutines."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from ...connection import Connection
from ...errors import PostshakeError
from ...events import ReauthRequested
from ...pki.credential import Credential
from ...questions import Question
from ..answers import choose_for, find_answer

__all__ = ["Answer", "AnswerTasks"]

Answer = Callable[[ReauthRequested], "Credential | Awaitable[Credential | None] | None"]
"""Chooses what to answer a request with; None declines."""


class AnswerTasks:
    """Answers questions and requests: at once, or in a task where the answer is a coroutine.

    Args:
        connection: the engine.
        answer: client: chooses the credential for each request; None for the first of the
            configuration's that fits.
        loop: runs the tasks.
        done: called when a task has given its answer.
        failed: called with the error when an answer ends the connection.
        declined: called with the error for which a request was declined.
    """

    __slots__ = (
        "_answer",
        "_choosing",
        "_connection",
        "_declined",
        "_done",
        "_failed",
        "_loop",
        "_stopped",
        "_tasks",
    )

    def __init__(
        self,
        connection: Connection,
        answer: Answer | None,
        loop: asyncio.AbstractEventLoop,
        done: Callable[[], None],
        failed: Callable[[PostshakeError], None],
        declined: Callable[[Exception], None],
    ) -> None:
        self._connection = connection
        self._answer = answer
        self._loop = loop
        self._done = done
        self._failed = failed
        self._declined = declined
        self._stopped = False
        self._tasks: set[asyncio.Task[None]] | None = None  # until there is one
        self._choosing: set[bytes] | None = None  # requests that tasks find the answers to

    def question(self, question: Question) -> None:
        """Answer a question."""
        try:
            found: Any = find_answer(question.subject)
        except Exception as error:
            found = error
        try:
            if isinstance(found, Awaitable):
                self._start(self._answer_later(question.id, found))
            else:
                self._give(question.id, found)
        finally:
            del found  # an exception's traceback has this frame

    def request(self, request: ReauthRequested) -> None:
        """Answer a request for authentication; what goes wrong declines it."""
        try:
            credential = self._choose(request)
        except Exception as error:
            self._declined(error)
            credential = None
        if isinstance(credential, Awaitable):
            if self._choosing is None:
                self._choosing = set()
            self._choosing.add(request.context)
            self._start(self._choose_later(request.context, credential, self._choosing))
        else:
            self._reply(request.context, credential)

    def stop(self) -> None:
        """Give no answer any more that is not there yet: the connection failed."""
        self._stopped = True

    def cancel(self) -> None:
        """Stop, and cancel the tasks: the connection is gone."""
        self._stopped = True
        for task in self._tasks or ():
            task.cancel()

    def release(self) -> None:
        """Refer to nobody any more: the connection is gone, and nobody is to be told anything."""
        self._done = self._failed = self._declined = _ignore

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        if self._tasks is None:
            self._tasks = set()
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer_later(self, number: int, answer: Awaitable[object]) -> None:
        try:
            found = await answer
        except Exception as error:
            found = error
        try:
            if not self._stopped:
                self._give(number, found)
                self._done()
        finally:
            del found  # an exception's traceback has this frame

    def _give(self, number: int, found: object) -> None:
        connection = self._connection
        try:
            connection.answer(number, found)
        except PostshakeError as error:
            self._failed(error)
            return
        if isinstance(found, Exception) and connection.failure is None:
            self._declined(found)  # a client's signature: no harm was done, and it declines
            for context in connection.open_requests:
                if context not in (self._choosing or ()):
                    self._reply(context, None)

    def _choose(self, request: ReauthRequested) -> Credential | Awaitable[Credential | None] | None:
        if self._answer is not None:
            return self._answer(request)
        return choose_for(request, self._connection.config.credentials)

    async def _choose_later(
        self, context: bytes, choice: Awaitable[Credential | None], choosing: set[bytes]
    ) -> None:
        credential = None
        try:
            credential = await choice
        except Exception as error:
            self._declined(error)
        finally:
            choosing.discard(context)
        self._reply(context, credential)
        self._done()

    def _reply(self, context: bytes, credential: Credential | None) -> None:
        connection = self._connection
        if self._stopped or connection.sent_close:
            return  # an answer could not be sent any more
        try:
            connection.answer_auth(context, credential)
        except PostshakeError as error:
            if connection.failure is not None:
                self._failed(error)
            else:  # the credential is none
                self._declined(error)
                connection.answer_auth(context, None)


def _ignore(*_: object) -> None:
    """Tell nobody."""
