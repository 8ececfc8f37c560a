"""What moves an asynchronous stream's bytes: one task at a time, for all of them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import anyio

from ...connection import Connection
from ...errors import PostshakeError
from ...events import Event
from .event_handler import AsyncAnswerer, Errands
from .transports import Transport

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
        self._send_error: Exception | None = None  # after which nothing is sent any more
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

        One after the other, two ends that both wait to send would wait for ever. If it
        cannot be sent, there may yet be something to receive: why not, for one.

        Raises:
            EndOfStream: no more will come.
            BrokenResourceError, ClosedResourceError: as of anyio's streams, whatever the
                transport raises.
        """
        try:
            if not self._has_output:
                return await self.transport.receive()
            data, failure = b"", None
            async with anyio.create_task_group() as group:
                group.start_soon(self._flush_quietly)
                try:
                    data = await self.transport.receive()
                except Exception as error:  # the group would make a group of it
                    failure = error
                group.cancel_scope.cancel()
            if failure is not None:
                raise failure
        except OSError as error:
            raise self._gone(error) from error
        if not data:
            raise anyio.EndOfStream
        return data

    async def _advance(self, step: Callable[..., object], *arguments: Any) -> None:
        """Let the engine take a step; send what it has to say, sort what it brought."""
        try:
            step(*arguments)
        except PostshakeError:
            self._sort()
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
        """Send what can be sent without waiting; the rest leaves with whatever call comes.

        If it cannot be sent, that is for those to tell who want to send: see `_check_sending`.
        """
        if self._writing.locked():
            return
        connection = self.connection
        while self._unsent or connection.has_data_to_send:
            if self._send_error is not None:
                self._drop_output()
                return
            if not self._unsent:
                self._unsent = memoryview(connection.data_to_send())
            try:
                sent = self.transport.send_now(self._unsent)
            except Exception as error:
                self._send_error = error
                continue
            if sent is None:
                await self._flush_quietly()
                return
            if not sent:
                return
            self._unsent = self._unsent[sent:]

    async def _flush(self) -> None:
        async with self._writing:
            await self._send_rest()

    async def _flush_quietly(self) -> None:
        """Send all that waits; what fails is kept for who wants to know."""
        with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            await self._flush()

    async def _send_rest(self) -> None:
        """Send all that waits; whoever calls this has the lock for writing.

        Raises:
            BrokenResourceError, ClosedResourceError: it cannot be sent.
        """
        connection = self.connection
        while True:
            self._check_sending()
            if not self._unsent:
                if not connection.has_data_to_send:
                    return
                self._unsent = memoryview(connection.data_to_send())
            try:
                sent = await self.transport.send_some(self._unsent)
            except Exception as error:
                self._send_error = error
            else:
                self._unsent = self._unsent[sent:]

    def _check_sending(self) -> None:
        """Raise as anyio's streams do if nothing can be sent any more."""
        if self._send_error is not None:
            self._drop_output()
            raise self._gone(self._send_error) from self._send_error

    def _drop_output(self) -> None:
        """Forget what waits to be sent: nobody listens."""
        self._unsent = memoryview(b"")
        self.connection.data_to_send()

    def _gone(self, error: Exception) -> Exception:
        """Make anyio's error for a transport that fails."""
        if self._closed:
            return anyio.ClosedResourceError()
        reason = str(error) or str(error.__cause__ or "")
        return anyio.BrokenResourceError(f"{type(error).__name__}: {reason}".removesuffix(": "))

    def _check(self) -> None:
        if self.connection.failure is not None:
            raise self.connection.failure
        if self._closed:
            raise anyio.ClosedResourceError
