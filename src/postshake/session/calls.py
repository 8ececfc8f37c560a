"""How a call that stopped goes on when it is made again."""

from __future__ import annotations

from collections.abc import Callable

from ..config import Config
from ..errors import present
from ..record.deframer import MAX_PLAINTEXT
from . import codes
from . import constants as c
from .errors import SessionError
from .facts import Facts
from .handshake import Handshake

__all__ = ["Calls"]


class Calls(Facts):
    """The part of a session that keeps calls apart that were begun and did not end."""

    def __init__(self, flags: int, *, config: Config | None = None) -> None:
        super().__init__(flags, config=config)
        self._shaking: Handshake | None = None
        self._begun: dict[str, int] = {}  # calls whose bytes are queued, and their results

    def _update_keys(self, flags: int) -> int:
        self._opened().key_update(request_peer=bool(flags & c.KU_PEER))
        return 0

    def _queue(self, data: bytes | bytearray | memoryview) -> int:
        piece = memoryview(data)[:MAX_PLAINTEXT]
        self._opened().send_data(piece)
        return len(piece)

    def _resumable(self, what: str, begin: Callable[[], int]) -> int:
        """Queue something once, however often its call is made, and push it."""
        machine = present(self._machine, "connection")
        if what not in self._begun:
            with machine.fatal():
                self._begun[what] = begin()
        machine.flush()
        return self._begun.pop(what)

    @property
    def _is_complete(self) -> bool:
        return self._shaking is not None and self._shaking.complete

    def _check_valid(self) -> None:
        if self._machine is not None and self._machine.invalid:
            raise SessionError(codes.E_INVALID_SESSION)

    def _check_open(self) -> None:
        self._check_valid()
        if self._machine is None or not self._is_complete:
            raise SessionError(codes.E_UNAVAILABLE_DURING_HANDSHAKE)
        if self._machine.connection.sent_close and not self._begun:
            raise SessionError(codes.E_INVALID_SESSION, "our side is closed")
