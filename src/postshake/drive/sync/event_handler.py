"""What a blocking owner does for its connection: answer questions, hand events out."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from ...connection import Connection
from ...constants import Role
from ...errors import PostshakeError
from ...events import Event, ReauthCompleted, ReauthRequested
from ...pki.credential import Credential
from ..answers import declined_error, find_answer_now
from ..owner import Owner

__all__ = ["Answerer", "Chores"]

Answerer = Callable[[ReauthRequested], Credential | None]
"""Chooses what to answer a request with; None declines."""


class Chores(Owner[Answerer]):
    """The part of a stream that settles what comes of a step of the engine."""

    def __init__(
        self,
        connection: Connection,
        answer: Answerer | None,
        on_event: Callable[[Event], None] | None,
    ) -> None:
        super().__init__(connection, answer, on_event)
        self._ended = False  # we said that we send no more

    def _send_some(self) -> None:
        """Send what can be sent without waiting."""
        raise NotImplementedError

    def _advance(self, step: Callable[..., object], *arguments: Any) -> None:
        """Let the engine take a step, and settle what comes of it."""
        try:
            step(*arguments)
            self._settle()
        except Exception:
            if self.connection.failure is not None:
                self._settle()  # what led to it is worth knowing
            with contextlib.suppress(OSError, PostshakeError):  # the reason matters more
                self._send_some()
            raise

    def _settle(self) -> None:
        """Answer all questions and requests, and hand the events out.

        The owner's code may raise: the rest is settled first.
        """
        connection = self.connection
        errors: list[Exception] = []
        while True:
            if (question := connection.next_question()) is not None:
                found = find_answer_now(question.subject)
                connection.answer(question.id, found)
                if isinstance(found, Exception):  # and it was for a request: no harm done
                    errors.append(declined_error(found))
            elif (event := connection.next_event()) is not None:
                try:
                    self._take(event)
                except Exception as error:
                    errors.append(error)
            else:
                break
        if errors:
            if connection.role is Role.client and connection.failure is None and not self._ended:
                for context in connection.open_requests:  # those that failed
                    connection.answer_auth(context, None)
                self._settle()
            raise errors[0]

    def _take(self, event: Event) -> None:
        if isinstance(event, ReauthCompleted):
            self._completed[event.context] = event
        if self._on_event is not None:
            self._on_event(event)
        if isinstance(event, ReauthRequested):
            if self.connection.failure is not None or self._ended:
                return
            try:
                credential = self._answer(event)
            except Exception as error:
                raise declined_error(error) from error
            self.connection.answer_auth(event.context, credential)
