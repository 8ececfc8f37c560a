"""Deadlines for clients of uvicorn, which has none: each connection holds a place.

The protocol that uvicorn would use, and timers beside it. They tell by what it keeps in public
attributes, the same for both of its HTTP parsers: the request at hand (``cycle``), and who
has paused reading (``flow``).
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

__all__ = ["with_deadlines"]

HEAD_TIME = 30.0  # seconds for a request's head, from its first byte on
BODY_TIME = 30.0  # seconds for its body,
BODY_RATE = 8 * 1024  # and one more for so many bytes of it
WRITE_TIME = 60.0  # seconds for a client to take what fills the buffers

log = logging.getLogger("uvicorn.error")


def with_deadlines(protocol: type[Any]) -> type[Any]:
    """Return uvicorn's class of protocols with deadlines added.

    Args:
        protocol: its own for HTTP/1.1.
    """

    class Impatient(protocol):  # type: ignore[misc]
        """Gives up a client that is too slow, however steadily."""

        def connection_made(self, transport: asyncio.Transport) -> None:
            self._reading: asyncio.TimerHandle | None = None
            self._writing: asyncio.TimerHandle | None = None
            self._received = 0
            self._was_paused = False  # reading the body, since its time began
            super().connection_made(transport)
            self._await_head()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_reading()
            self._stop_writing()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            self._received += len(data)
            cycle = self.cycle
            if self._was_paused and self._reading is not None:  # and is not any more
                self._stop_reading()
                self._received = len(data)
                self._await_body(BODY_TIME, asyncio.get_running_loop().time())
            super().data_received(data)
            self._was_paused = self.flow.read_paused  # it is paused in there, and nowhere else
            if self.cycle is not cycle:  # a head is complete
                self._stop_reading()
            if self.transport.is_closing():
                return
            if self._awaits_body():
                if self._reading is None:
                    self._received = 0
                    self._await_body(BODY_TIME, asyncio.get_running_loop().time())
            elif self.cycle is not None and not self.cycle.response_complete:
                self._stop_reading()  # all is there
            elif self._reading is None:
                self._await_head()

        def handle_websocket_upgrade(self, *arguments: Any) -> None:
            self._stop_reading()  # the connection is another protocol's from here on
            super().handle_websocket_upgrade(*arguments)

        def pause_writing(self) -> None:
            super().pause_writing()
            if self._writing is None:
                self._writing = self._later(WRITE_TIME, "does not read its response")

        def resume_writing(self) -> None:
            self._stop_writing()
            super().resume_writing()

        # --- timers

        def _awaits_body(self) -> bool:
            cycle = self.cycle
            return cycle is not None and not cycle.response_complete and cycle.more_body

        def _await_head(self) -> None:
            self._reading = self._later(HEAD_TIME, "does not send its request's head")

        def _await_body(self, seconds: float, since: float) -> None:
            loop = asyncio.get_running_loop()
            self._reading = loop.call_later(seconds, self._look_at_body, since)

        def _look_at_body(self, since: float) -> None:
            """Go on with a client that sends enough, or that we keep from sending."""
            self._reading = None
            if not self._awaits_body():
                return
            now = asyncio.get_running_loop().time()
            if self._was_paused:
                self._was_paused = self.flow.read_paused
                self._received = 0
                self._await_body(BODY_TIME, now)
                return
            left = since + BODY_TIME + self._received / BODY_RATE - now
            if left > 0:
                self._await_body(left, since)
            else:
                self._give_up("does not send its request's body")

        def _later(self, seconds: float, why: str) -> asyncio.TimerHandle:
            return asyncio.get_running_loop().call_later(seconds, self._give_up, why)

        def _give_up(self, why: str) -> None:
            log.info("%s %s in time", ":".join(map(str, self.client or ("a client",))), why)
            self.transport.abort()

        def _stop_reading(self) -> None:
            if self._reading is not None:
                self._reading.cancel()
                self._reading = None

        def _stop_writing(self) -> None:
            if self._writing is not None:
                self._writing.cancel()
                self._writing = None

    return Impatient
