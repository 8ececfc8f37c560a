"""TLS streams over TCP: connecting, and serving (on anyio)."""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import anyio.lowlevel
from anyio.abc import TaskStatus

from ...config import ClientConfig, ServerConfig
from ...errors import PostshakeError
from .stream import TLSStream
from .tcp import connect, listen
from .transports import AsyncSocket

__all__ = ["open_tls_stream", "serve_tls"]

HANDSHAKE_TIME = 30.0  # seconds; a client that is slower is not worth a socket
PAUSE = 0.1  # seconds to wait when there are no descriptors left

log = logging.getLogger("postshake.drive")

_ENDINGS = (
    PostshakeError,
    OSError,
    anyio.EndOfStream,
    anyio.BrokenResourceError,
    anyio.ClosedResourceError,
)
"""What a connection's end looks like to its handler."""

Handler = Callable[[TLSStream], Awaitable[Any]]


async def open_tls_stream(
    host: str,
    port: int,
    config: ClientConfig,
    *,
    server_name: str | None = None,
    **options: Any,
) -> TLSStream:
    """Connect by TCP and shake hands.

    Cancelled, it closes what it has opened.

    Args:
        host: a name or address.
        port: the port.
        config: the policy.
        server_name: whom the certificate must be for; None for `host`.
        options: what else `TLSStream` takes, such as ``answer``.

    Raises:
        OSError: nobody answers there.
        TLSError, TruncationError: the handshake failed.
    """
    stream = TLSStream(await connect(host, port), config, server_name or host, **options)
    try:
        await stream.handshake()
    except BaseException:
        with anyio.CancelScope(shield=True):
            await stream.transport.aclose()
        raise
    return stream


async def serve_tls(
    handler: Handler,
    host: str | None,
    port: int,
    config: ServerConfig,
    *,
    handshake_time: float | None = HANDSHAKE_TIME,
    task_status: TaskStatus[list[tuple[Any, ...]]] = anyio.TASK_STATUS_IGNORED,
    **options: Any,
) -> None:
    """Serve TLS over TCP, each connection in a task of its own, until cancelled.

    Started with ``await group.start(serve_tls, ...)`` it gives the addresses that it listens
    on. What a handler raises ends its connection and is logged, nothing else: as
    information where the connection failed, else with its traceback as an error.

    Args:
        handler: called with each stream when its handshake is complete; it is closed
            when the handler returns.
        host: a name or address; None for all of this machine's.
        port: 0 for a free one.
        config: the policy.
        handshake_time: seconds that a handshake may take; None for any time.
        task_status: anyio's.
        options: what else `TLSStream` takes, such as ``max_unread``.
    """
    options["handshake_time"] = handshake_time
    async with listen(host, port) as sockets, anyio.create_task_group() as group:
        for listener in sockets:
            group.start_soon(_accept, listener, handler, config, options, group)
        task_status.started([each.getsockname() for each in sockets])


async def _accept(
    listener: socket.socket,
    handler: Handler,
    config: ServerConfig,
    options: dict[str, Any],
    group: anyio.abc.TaskGroup,
) -> None:
    while True:
        try:
            sock, _ = listener.accept()
        except (BlockingIOError, InterruptedError):
            await anyio.wait_readable(listener)
            continue
        except ConnectionError:  # it left before it was accepted
            continue
        except OSError as error:  # out of descriptors, most likely
            log.error("cannot accept connections: %s", error)
            await anyio.sleep(PAUSE)
            continue
        with contextlib.suppress(OSError):  # some systems mind when it has left meanwhile
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream = TLSStream(AsyncSocket(sock), config, **options)
        group.start_soon(_serve, stream, handler)
        await anyio.lowlevel.checkpoint()


async def _serve(stream: TLSStream, handler: Handler) -> None:
    try:
        async with _closing(stream):
            await stream.handshake()
            await handler(stream)
    except Exception as error:  # one connection's, and no other's business
        _report(error)


@contextlib.asynccontextmanager
async def _closing(stream: TLSStream) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await stream.aclose()


def _report(error: Exception) -> None:
    """Log why a connection ended; a handler with tasks of its own raises a group."""
    rest: BaseException | None = error
    if isinstance(error, ExceptionGroup):
        rest = error.split(_ENDINGS)[1]
    elif isinstance(error, _ENDINGS):
        rest = None
    if rest is None:
        log.info("a connection ended: %s", _told(error))
    else:
        log.error("a connection's handler failed: %s", _told(error), exc_info=error)


def _told(error: BaseException) -> str:
    """Say what happened: the first of a group's."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}".removesuffix(": ")
