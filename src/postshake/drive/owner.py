"""What the owners of connections have in common, whether they block or not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from ..connection import Connection
from ..events import Event, ReauthCompleted, ReauthRequested
from .answers import choose_for

__all__ = ["Owner"]

AnyAnswerer = TypeVar("AnyAnswerer", bound=Callable[[ReauthRequested], Any])


class Owner(Generic[AnyAnswerer]):
    """Who has a connection, hears of its events, and chooses certificates for it.

    Args:
        connection: the engine.
        answer: client: chooses the credential for each request; the default takes the
            first of the configuration's that fits.
        on_event: called with every event, in order.
    """

    def __init__(
        self,
        connection: Connection,
        answer: AnyAnswerer | None,
        on_event: Callable[[Event], None] | None,
    ) -> None:
        self.connection = connection
        """The engine, for what the stream does not show."""
        self._answerer = answer
        self._on_event = on_event
        self._completed: dict[bytes, ReauthCompleted] = {}

    def _answer(self, request: ReauthRequested) -> Any:
        if self._answerer is not None:
            return self._answerer(request)
        return choose_for(request, self.connection.config.credentials)
