"""asyncio's protocols and streams over our TLS transport.

    reader, writer = await open_connection("localhost", 4433, config)
    writer.write(b"hello")

    async def serve(reader, writer):
        identity = await writer.transport.reauth(AuthRequest(within=30))

    server = await start_server(serve, "localhost", 4433, config)

They are called as asyncio's functions of the same names, with a configuration of ours.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ...config import ClientConfig, ServerConfig
from ...connection import Connection
from ...errors import UsageError
from ...resumption.session12 import Session12
from ...resumption.ticket import Ticket
from ..limits import HANDSHAKE_TIME, MAX_UNREAD
from .answer_tasks import Answer
from .protocol import SHUTDOWN_TIME, TLSProtocol, TLSTransport

__all__ = ["create_connection", "create_server", "open_connection", "start_server", "start_tls"]

STREAM_LIMIT = 2**16

ProtocolFactory = Callable[[], asyncio.BaseProtocol]


async def create_connection(
    factory: ProtocolFactory,
    host: str,
    port: int,
    config: ClientConfig,
    *,
    server_name: str | None = None,
    session: Ticket | Session12 | None = None,
    handshake_time: float = HANDSHAKE_TIME,
    answer: Answer | None = None,
    max_unread: int = MAX_UNREAD,
    shutdown_time: float = SHUTDOWN_TIME,
    **options: Any,
) -> tuple[TLSTransport, asyncio.BaseProtocol]:
    """Connect by TCP, shake hands, and put a protocol on it.

    Cancelled, it closes what it has opened.

    Args:
        factory: makes the protocol.
        host: a name or address.
        port: the port.
        config: the policy.
        server_name: whom the certificate must be for; None for `host`.
        session: what an earlier connection left, see `Connection.session`.
        handshake_time: seconds that the handshake may take.
        answer: chooses the credential for each request, and may be a coroutine; the default
            takes the first of ``config.credentials`` that fits. If it fails, or the key
            cannot sign, the request is declined, and the event loop's exception handler told.
        max_unread: how many bytes of memory what comes may take while a reauth waits and
            reading is paused; small records take more than their data.
        shutdown_time: for how many seconds `close` tries to send what was written.
        options: what `loop.create_connection` takes besides, such as ``family``.

    Raises:
        OSError: nobody answers there.
        TimeoutError, TLSError, TruncationError: the handshake failed.
    """
    tls = TLSProtocol(
        factory(),
        Connection(config, server_name or host, session=session),
        answer=answer,
        max_unread=max_unread,
        shutdown_time=shutdown_time,
        over_socket=True,
    )
    loop = asyncio.get_running_loop()
    await loop.create_connection(lambda: tls, host, port, **options)
    await _wait_for_handshake(tls, handshake_time)
    return tls.app_transport, tls.app_protocol


async def _wait_for_handshake(tls: TLSProtocol, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await asyncio.shield(tls.handshake_done)
    except BaseException:
        tls.abort()
        raise


async def create_server(
    factory: ProtocolFactory,
    host: Any,
    port: int,
    config: ServerConfig,
    *,
    handshake_time: float = HANDSHAKE_TIME,
    max_unread: int = MAX_UNREAD,
    shutdown_time: float = SHUTDOWN_TIME,
    **options: Any,
) -> asyncio.Server:
    """Serve TLS over TCP: each connection gets a protocol when its handshake is complete.

    Args:
        factory: makes the protocols.
        host: names or addresses, as `loop.create_server` takes them.
        port: the port; 0 for a free one.
        config: the policy.
        handshake_time: seconds that a handshake may take.
        max_unread: see `create_connection`.
        shutdown_time: see `create_connection`.
        options: what `loop.create_server` takes besides, such as ``backlog``.
    """
    loop = asyncio.get_running_loop()

    def accept() -> asyncio.Protocol:
        tls = TLSProtocol(
            factory(),
            Connection(config),
            max_unread=max_unread,
            shutdown_time=shutdown_time,
            over_socket=True,
        )
        too_slow = loop.call_later(handshake_time, tls.abort)
        tls.handshake_done.add_done_callback(lambda _: too_slow.cancel())
        return tls

    return await loop.create_server(accept, host, port, **options)


async def open_connection(
    host: str, port: int, config: ClientConfig, *, limit: int = STREAM_LIMIT, **options: Any
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect, and return a reader and a writer; see `create_connection`."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=limit, loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await create_connection(lambda: protocol, host, port, config, **options)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def start_server(
    client_connected: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any],
    host: Any,
    port: int,
    config: ServerConfig,
    *,
    limit: int = STREAM_LIMIT,
    **options: Any,
) -> asyncio.Server:
    """Serve with a reader and a writer for each client; see `create_server`.

    ``await writer.transport.reauth(request)`` asks the client who it is.
    """
    loop = asyncio.get_running_loop()

    def factory() -> asyncio.Protocol:
        reader = asyncio.StreamReader(limit=limit, loop=loop)
        return asyncio.StreamReaderProtocol(reader, client_connected, loop=loop)

    return await create_server(factory, host, port, config, **options)


async def start_tls(
    transport: asyncio.Transport,
    protocol: asyncio.BaseProtocol,
    config: ClientConfig | ServerConfig,
    *,
    server_name: str | None = None,
    handshake_time: float = HANDSHAKE_TIME,
    answer: Answer | None = None,
) -> TLSTransport:
    """Go over to TLS on a connection that began without; as `loop.start_tls`.

    The protocol's `connection_made` is called again, with the TLS transport.

    Raises:
        TimeoutError, TLSError, TruncationError: the handshake failed.
        UsageError: the transport is closing.
    """
    if transport.is_closing():
        raise UsageError("the transport is closing")
    tls = TLSProtocol(protocol, Connection(config, server_name), answer=answer)
    transport.set_protocol(tls)
    tls.connection_made(transport)
    if not transport.is_reading():
        transport.resume_reading()
    await _wait_for_handshake(tls, handshake_time)
    return tls.app_transport
