"""Reauth where asyncio does the TLS: connections made with ``ssl=context``."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Literal, overload

from ..config import AuthRequest
from ..pki.identity import Identity
from .reauth import Authority, Reauth
from .sockets import SSLObject

__all__ = ["reauth"]

WATCHING = 0.05  # seconds between looks at the transport


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
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[Reauth] = loop.create_future()
    asked = ssl_object.start_reauth(authorities, within=within, require=require, request=request)

    def settled(reauth: Reauth) -> None:
        if not outcome.done():
            outcome.set_result(reauth)

    asked.add_done_callback(settled)
    _flush(transport)
    within = asked.policy.within
    timer = loop.call_later(within, ssl_object.check_deadlines) if within is not None else None
    watch = loop.create_task(_watch(transport, ssl_object, outcome))
    try:
        await outcome
    except asyncio.CancelledError:
        ssl_object.cancel_reauth(asked)
        raise
    finally:
        watch.cancel()
        if timer is not None:
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


async def _watch(transport: Any, ssl_object: SSLObject, outcome: asyncio.Future[Reauth]) -> None:
    """Send what could not be sent while reading was paused; give up when it closes."""
    while not outcome.done():
        await asyncio.sleep(WATCHING)
        if transport.is_closing() and not outcome.done():
            outcome.set_exception(ConnectionAbortedError("closed before the client answered"))
        elif ssl_object.unsent:
            _flush(transport)
