"""The handshake: hellos, and then the version that they chose (§4.1, RFC 5246 section 7.3).

What only TLS 1.2 needs is imported when it comes to that, for few processes ever speak it.
"""

from __future__ import annotations

from ..config import ClientConfig, ServerConfig
from ..errors import (
    InternalError,
    require,
)
from ..questions import ChooseConfig
from ..resumption.ticket import Ticket
from ..wire.extensions import ApplicationLayerProtocolNegotiation, ServerName
from ..wire.hello import ClientHello
from .flow import Flow, ask, expect_one_of
from .link import Link
from .outcome import HandshakeOutcome
from .tls12_chosen import ClientOffered12, ServerChose12
from .tls13 import client as client13
from .tls13 import client_hellos, server_hellos
from .tls13 import server as server13
from .tls13.early_data import EarlyData
from .tls13.psk_client import gather_psks

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
    session12 = None
    if link.session12 is not None:
        from .tls12.resumption import offered_session

        session12 = yield from offered_session(config, link.session12, server_name)
    hellos = yield from client_hellos.exchange_hellos(
        link, config, server_name, psks, session12, early_data
    )
    if isinstance(hellos, ServerChose12):
        from .tls12 import client as client12

        return (yield from client12.handshake(link, config, server_name, hellos))
    return (yield from client13.handshake(link, config, server_name, hellos, early_data))


def server_handshake(link: Link, config: ServerConfig) -> Flow[HandshakeOutcome]:
    """Shake hands as a server, with the configuration that is chosen for the client."""
    received = yield from expect_one_of(ClientHello)
    if config.choose_config:
        hello = require(ClientHello, received.message)
        config = yield from choose_config(link, config, hello)
        del hello
    flow = server_hellos.exchange_hellos(link, config, received)
    del received  # it may be large, and when a second comes is for the client to say
    hellos = yield from flow
    if isinstance(hellos, ClientOffered12):
        from .tls12 import server as server12

        return (yield from server12.handshake(link, config, hellos))
    return (yield from server13.handshake(link, config, hellos))


def choose_config(link: Link, config: ServerConfig, hello: ClientHello) -> Flow[ServerConfig]:
    """Ask by which configuration to go on with this client, and go by it from here on."""
    name = hello.extensions.get(ServerName)
    alpn = hello.extensions.get(ApplicationLayerProtocolNegotiation)
    chosen = yield from ask(
        ChooseConfig(
            config,
            server_name=name.host_name if name is not None else None,
            alpn_protocols=alpn.protocol_name_list if alpn is not None else (),
            client_hello=hello,
        )
    )
    if chosen is None:
        return config
    if not isinstance(chosen, ServerConfig):
        raise InternalError(
            f"ChooseConfig: the answer is a {type(chosen).__name__}, no ServerConfig"
        )
    link.config = chosen
    return chosen
