"""What moves an asynchronous stream's bytes: one task at a time, for all of them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import anyio

from ..connection import Connection
from ..errors import PostshakeError
from ..events import Event
from .errands import AsyncAnswerer, Errands
from .sockets import Transport

__all__ = ["Carrier"]


class Carrier(Errands):
    """The part of a stream that sends what waits, and waits for the peer.

    Args:
        transport: what carries the bytes.
        connection: the engine.
        answer: client: chooses the credential for each request.
        on_event: called with every event, in order.
    """

    def __init__(
        self,
        transport: Transport,
        connection: Connection,
        answer: AsyncAnswerer | None,
        on_event: Callable[[Event], None] | None,
    ) -> None:
        super().__init__(connection, answer, on_event)
        self.transport = transport
        self._reading, self._writing = anyio.Lock(), anyio.Lock()
        self._unsent = memoryview(b"")
        self._closed = False

    async def _move(self, done: Callable[[], bool]) -> None:
        """Bring things forward: answer what is asked, or wait for bytes from the peer.

        Args:
            done: whether somebody else has done it meanwhile.
        """
        if self._questions or self._requests:
            await self._settle()
            if done():
                return
        async with self._reading:
            if done() or self._questions or self._requests:
                return
            await self._take()
        if self._questions or self._requests:
            await self._settle()

    async def _take(self) -> None:
        connection = self.connection
        due = connection.next_deadline()
        data: bytes | None = None
        ended = False
        with anyio.move_on_after(None if due is None else due - connection.config.clock()) as scope:
            try:
                data = await self._receive()
            except anyio.EndOfStream:
                ended = True
        if scope.cancelled_caught:
            await self._advance(connection.check_deadlines)
        elif ended:
            await self._advance(connection.receive_eof)
        elif data is not None:
            await self._advance(connection.receive_data, data)

    async def _receive(self) -> bytes:
        """Wait for bytes, and send what still waits at the same time.

        One after the other, two ends that both wait to send would wait for ever.
        """
        if not self._has_output:
            return await self.transport.receive()
        data = b""
        async with anyio.create_task_group() as group:
            group.start_soon(self._flush)
            with contextlib.suppress(anyio.EndOfStream):
                data = await self.transport.receive()
            group.cancel_scope.cancel()
        if not data:
            raise anyio.EndOfStream
        return data

    async def _advance(self, step: Callable[..., object], *arguments: Any) -> None:
        """Let the engine take a step; send what it has to say, sort what it brought."""
        try:
            step(*arguments)
        except PostshakeError:
            self._sort()
            with contextlib.suppress(OSError, anyio.BrokenResourceError):  # the reason matters more
                await self._send_now()
            raise
        self._sort()
        if self.connection.established is None and self._questions:
            return  # the flight is not complete: it leaves whole, when the answer is there
        if self._has_output:
            await self._send_now()

    @property
    def _has_output(self) -> bool:
        """Whether bytes wait that nobody is sending: a sender takes what others queue, too."""
        waits = bool(self._unsent) or self.connection.has_data_to_send
        return waits and not self._writing.locked()

    async def _send_now(self) -> None:
        """Send what can be sent without waiting; the rest leaves with whatever call comes."""
        if self._writing.locked():
            return
        connection = self.connection
        while self._unsent or connection.has_data_to_send:
            if not self._unsent:
                self._unsent = memoryview(connection.data_to_send())
            sent = self.transport.send_now(self._unsent)
            if sent is None:
                await self._flush()
                return
            if not sent:
                return
            self._unsent = self._unsent[sent:]

    async def _flush(self) -> None:
        async with self._writing:
            await self._send_rest()

    async def _send_rest(self) -> None:
        """Send all that waits; whoever calls this has the lock for writing."""
        connection = self.connection
        while True:
            if not self._unsent:
                if not connection.has_data_to_send:
                    return
                self._unsent = memoryview(connection.data_to_send())
            sent = await self.transport.send_some(self._unsent)
            self._unsent = self._unsent[sent:]

    def _check(self) -> None:
        if self.connection.failure is not None:
            raise self.connection.failure
        if self._closed:
            raise anyio.ClosedResourceError
