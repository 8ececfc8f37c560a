"""TLS for asyncio itself: transports and protocols, and its streams on them."""

from .protocol import TLSTransport
from .streams import create_connection, create_server, open_connection, start_server, start_tls

__all__ = [
    "TLSTransport",
    "create_connection",
    "create_server",
    "open_connection",
    "start_server",
    "start_tls",
]
