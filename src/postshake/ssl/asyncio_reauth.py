"""Reauth where asyncio does the TLS: connections made with ``ssl=context``."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Iterable
from typing import Any, Literal, overload
from weakref import WeakKeyDictionary

from ..config import AuthRequest
from ..pki.identity import Identity
from .reauth import Authority, Reauth
from .sockets import SSLObject

__all__ = ["reauth"]

LOOKING = 0.5  # seconds between looks at the transports of all who wait


@overload
async def reauth(
    transport: asyncio.BaseTransport | asyncio.StreamWriter,
    authorities: Iterable[Authority] = (),
    *,
    within: float | None = None,
    require: Literal[True] = True,
    request: None = None,
) -> Identity: ...


@overload
async def reauth(
    transport: asyncio.BaseTransport | asyncio.StreamWriter,
    authorities: Iterable[Authority] = (),
    *,
    within: float | None = None,
    require: bool = True,
    request: AuthRequest | None = None,
) -> Identity | None: ...


async def reauth(
    transport: asyncio.BaseTransport | asyncio.StreamWriter,
    authorities: Iterable[Authority] = (),
    *,
    within: float | None = None,
    require: bool = True,
    request: AuthRequest | None = None,
) -> Identity | None:
    """Server: ask the client of an asyncio connection to prove who it is (§4.6.2).

    The answer comes in between other data, so the transport must be reading: a protocol
    that has paused it waits for ever, or until `within`. With streams, somebody must
    read on when the reader's buffer is full.

    Cancelled, it withdraws the request: a late answer is read and ignored.

    Args:
        transport: of a connection whose server was given one of our contexts; or the
            stream writer on it.
        authorities: as in `SSLObject.reauth`, and so are the rest and what comes of it.
        within: seconds that the client has.
        require: whether declining is an error.
        request: all that can be asked for.

    Raises:
        TypeError: this is no connection of one of our contexts.
        ConnectionError: it was closed before the answer came.
    """
    ssl_object = transport.get_extra_info("ssl_object")
    if not isinstance(ssl_object, SSLObject):
        raise TypeError(
            "expected a connection with a context of postshake.ssl, got one with "
            f"{type(ssl_object).__name__}"
        )
    if transport.is_closing():
        raise ConnectionAbortedError("closed before the client was asked")
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[Reauth] = loop.create_future()
    asked = ssl_object.start_reauth(authorities, within=within, require=require, request=request)

    def settled(reauth: Reauth) -> None:
        if not outcome.done():
            outcome.set_result(reauth)

    asked.add_done_callback(settled)
    _flush(transport)
    timer = _Deadline(loop, transport, ssl_object, asked)
    watch = _Watch.of(loop)
    watch.add(outcome, transport)
    try:
        await outcome
    except asyncio.CancelledError:
        ssl_object.cancel_reauth(asked)
        raise
    finally:
        watch.remove(outcome)
        timer.cancel()
    return asked.result()


def _flush(transport: Any) -> None:
    """Have the bytes sent that wait in the TLS object.

    asyncio looks for them whenever it has read or written something. Pausing and going
    on makes it look; no public call does that alone.
    """
    transport = getattr(transport, "transport", transport)
    if transport.is_reading():
        transport.pause_reading()
        transport.resume_reading()


class _Deadline:
    """Lets one request expire in time, and sends what that brings about."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        transport: Any,
        ssl_object: SSLObject,
        asked: Reauth,
    ) -> None:
        self._loop = loop
        self._transport = transport
        self._ssl_object = ssl_object
        self._asked = asked
        self._timer: asyncio.TimerHandle | None = None
        if asked.policy.within is not None:
            self._timer = loop.call_later(asked.policy.within, self._expire)

    def cancel(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _expire(self) -> None:
        with contextlib.suppress(ssl.SSLError):  # whoever waits is told
            self._ssl_object.check_deadlines()
        _flush(self._transport)
        if not self._asked.done:  # the loop's clock is a hair before the engine's
            self._timer = self._loop.call_later(0.001, self._expire)


class _Watch:
    """Notices that a connection was closed under the requests that wait on it.

    asyncio tells that to the protocol alone, which is not ours, and the TLS object hears of
    it only where there is a goodbye. So there is one timer for all requests of a loop, while
    there are any.
    """

    def __init__(self) -> None:
        self._waiting: dict[asyncio.Future[Reauth], Any] = {}
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    def of(cls, loop: asyncio.AbstractEventLoop) -> _Watch:
        """Return a loop's."""
        watch = _WATCHES.get(loop)
        if watch is None:
            watch = _WATCHES[loop] = cls()
        return watch

    def add(self, outcome: asyncio.Future[Reauth], transport: Any) -> None:
        """Fail this outcome when the transport is closed."""
        self._waiting[outcome] = transport
        if transport.is_closing():
            _fail(outcome)
        if self._timer is None:
            self._timer = outcome.get_loop().call_later(LOOKING, self._look)

    def remove(self, outcome: asyncio.Future[Reauth]) -> None:
        """Look no more after this one."""
        del self._waiting[outcome]
        if not self._waiting and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        for outcome, transport in self._waiting.items():
            if transport.is_closing():
                _fail(outcome)
        for outcome in self._waiting:
            self._timer = outcome.get_loop().call_later(LOOKING, self._look)
            break


_WATCHES: WeakKeyDictionary[asyncio.AbstractEventLoop, _Watch] = WeakKeyDictionary()


def _fail(outcome: asyncio.Future[Reauth]) -> None:
    if not outcome.done():
        outcome.set_exception(ConnectionAbortedError("closed before the client answered"))
