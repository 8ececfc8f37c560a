"""TLS streams for asyncio and trio, on anyio (extra ``postshake[anyio]``)."""

from .event_handler import AsyncAnswerer
from .service import open_tls_stream, serve_tls
from .stream import TLSStream
from .transports import AnyIOTransport, Transport

__all__ = [
    "AnyIOTransport",
    "AsyncAnswerer",
    "TLSStream",
    "Transport",
    "open_tls_stream",
    "serve_tls",
]
