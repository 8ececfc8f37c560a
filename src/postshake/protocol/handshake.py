"""The handshake: hellos, and then the version that they chose (§4.1, RFC 5246 section 7.3)."""

from __future__ import annotations

from ..config import ClientConfig, ServerConfig
from ..tickets import Ticket
from . import client_hellos, server_hellos
from .client12 import client_handshake12
from .client13 import client_handshake13
from .early_data import EarlyData
from .flow import Flow
from .hellos12 import ClientOffered12, ServerChose12
from .link import Link
from .outcome import HandshakeOutcome
from .psk_client import gather_psks
from .server12 import server_handshake12
from .server13 import server_handshake13

__all__ = ["client_handshake", "server_handshake"]


def client_handshake(
    link: Link,
    config: ClientConfig,
    server_name: str | None,
    ticket: Ticket | None,
    early_data: EarlyData,
) -> Flow[HandshakeOutcome]:
    """Shake hands as a client.

    Args:
        link: the connection.
        config: our policy.
        server_name: whom we mean to reach, for SNI and for the certificate.
        ticket: a session to resume, if the server agrees.
        early_data: what to send before the server has answered.
    """
    psks = yield from gather_psks(config, server_name, ticket)
    hellos = yield from client_hellos.exchange_hellos(link, config, server_name, psks, early_data)
    if isinstance(hellos, ServerChose12):
        return (yield from client_handshake12(link, config, server_name, hellos))
    return (yield from client_handshake13(link, config, server_name, hellos, early_data))


def server_handshake(link: Link, config: ServerConfig) -> Flow[HandshakeOutcome]:
    """Shake hands as a server."""
    hellos = yield from server_hellos.exchange_hellos(link, config)
    if isinstance(hellos, ClientOffered12):
        return (yield from server_handshake12(link, config, hellos))
    return (yield from server_handshake13(link, config, hellos))
