"""Bytes between a Connection and an asynchronous transport: one task at a time moves them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import anyio

from ...connection import Connection
from ...errors import PostshakeError
from .event_handler import AsyncEventHandler
from .transports import Transport

__all__ = ["StreamPump"]


class StreamPump:
    """Sends what waits, and waits for the peer, for all tasks of one stream.

    Args:
        transport: what carries the bytes.
        connection: the engine.
        handler: takes the events and questions that come.
    """

    __slots__ = (
        "_connection",
        "_handler",
        "_reading",
        "_transport",
        "_unsent",
        "closed",
        "send_error",
        "writing",
    )

    def __init__(
        self,
        transport: Transport,
        connection: Connection,
        handler: AsyncEventHandler,
    ) -> None:
        self._transport = transport
        self._connection = connection
        self._handler = handler
        self._reading = anyio.Lock()
        self.writing = anyio.Lock()
        """Held by who seals data or sends what waits, for as long as that takes."""
        self._unsent = memoryview(b"")
        self.send_error: Exception | None = None
        """Why nothing is sent any more."""
        self.closed = False
        """Whether our side closed the transport, or is about to."""

    async def move(self, done: Callable[[], bool]) -> None:
        """Bring things forward: answer what is asked, or wait for bytes from the peer.

        Args:
            done: whether somebody else has done it meanwhile.
        """
        handler = self._handler
        if handler.has_work():
            await handler.settle(self.step)
            if done():
                return
        async with self._reading:
            if done() or handler.has_work():
                return
            await self._take()
        if handler.has_work():
            await handler.settle(self.step)

    async def _take(self) -> None:
        connection = self._connection
        due = connection.next_deadline()
        data: bytes | None = None
        ended = False
        with anyio.move_on_after(None if due is None else due - connection.config.clock()) as scope:
            try:
                data = await self._receive()
            except anyio.EndOfStream:
                ended = True
        if scope.cancelled_caught:
            await self.step(connection.check_deadlines)
        elif ended:
            await self.step(connection.receive_eof)
        elif data is not None:
            await self.step(connection.receive_data, data)

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
                return await self._transport.receive()
            data, failure = b"", None
            async with anyio.create_task_group() as group:
                group.start_soon(self._flush_silently)
                try:
                    data = await self._transport.receive()
                except Exception as error:  # the group would make a group of it
                    failure = error
                group.cancel_scope.cancel()
            if failure is not None:
                try:
                    raise failure
                finally:
                    del failure  # its traceback has this frame
        except OSError as error:
            raise self._gone(error) from error
        if not data:
            raise anyio.EndOfStream
        return data

    async def step(self, call: Callable[..., object], *arguments: Any) -> None:
        """Let the engine take a step; send what it has to say, collect what it brought."""
        connection = self._connection
        try:
            call(*arguments)
        except PostshakeError:
            self._handler.collect()
            await self.send_now()
            raise
        if connection.has_news:
            self._handler.collect()
        if connection.established is None and self._handler.has_questions():
            return  # the flight is not complete: it leaves whole, when the answer is there
        if self._has_output:
            await self.send_now()

    @property
    def _has_output(self) -> bool:
        """Whether bytes wait that nobody is sending: a sender takes what others queue, too."""
        waits = bool(self._unsent) or self._connection.has_data_to_send
        return waits and not self.writing.locked()

    async def send_now(self) -> None:
        """Send what can be sent without waiting; the rest leaves with whatever call comes.

        If it cannot be sent, that is for those to tell who want to send: see `check_sending`.
        """
        if self.writing.locked():
            return
        connection = self._connection
        while self._unsent or connection.has_data_to_send:
            if self.send_error is not None:
                self._drop_output()
                return
            if not self._unsent:
                self._unsent = memoryview(connection.data_to_send())
            try:
                sent = self._transport.send_now(self._unsent)
            except Exception as error:
                self.send_error = error
                continue
            if sent is None:
                await self._flush_silently()
                return
            if not sent:
                return
            self._unsent = self._unsent[sent:]

    async def flush(self) -> None:
        """Send all that waits, as `send_rest` does, once nobody else is sending."""
        async with self.writing:
            await self.send_rest()

    async def _flush_silently(self) -> None:
        """Send all that waits; what fails is kept for who wants to know."""
        with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            await self.flush()

    async def send_rest(self) -> None:
        """Send all that waits; whoever calls this has the lock for writing.

        Raises:
            BrokenResourceError, ClosedResourceError: it cannot be sent.
        """
        connection = self._connection
        while True:
            self.check_sending()
            if not self._unsent:
                if not connection.has_data_to_send:
                    return
                self._unsent = memoryview(connection.data_to_send())
            try:
                sent = await self._transport.send_some(self._unsent)
            except Exception as error:
                self.send_error = error
            else:
                self._unsent = self._unsent[sent:]

    async def drain(self) -> None:
        """Read and forget what the peer still sends, once no other task reads.

        Raises:
            EndOfStream: that was all.
            OSError, BrokenResourceError, ClosedResourceError: the transport failed.
        """
        async with self._reading:
            while True:
                await self._transport.receive()

    def check_sending(self) -> None:
        """Raise as anyio's streams do if nothing can be sent any more."""
        if self.send_error is not None:
            self._drop_output()
            raise self._gone(self.send_error) from self.send_error

    def _drop_output(self) -> None:
        """Forget what waits to be sent: nobody listens."""
        self._unsent = memoryview(b"")
        self._connection.data_to_send()

    def _gone(self, error: Exception) -> Exception:
        """Make anyio's error for a transport that fails."""
        if self.closed:
            return anyio.ClosedResourceError()
        reason = str(error) or str(error.__cause__ or "")
        return anyio.BrokenResourceError(f"{type(error).__name__}: {reason}".removesuffix(": "))
