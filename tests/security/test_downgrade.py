"""Nobody can talk two ends of TLS 1.3 down to TLS 1.2 unnoticed.

The server says in its random that it could do better, and the client looks; and a client that
retries with less says so, and the server looks.
"""

from __future__ import annotations

import pytest

from postshake.constants import AlertDescription, CipherSuite, ProtocolVersion
from postshake.errors import AlertReceived, IllegalParameter, InappropriateFallback, TLSError
from postshake.wire.extensions import SupportedVersionsClientHello
from postshake.wire.hello import DOWNGRADE_TLS12, ClientHello, ServerHello
from tests.pair import ConnectionPair, client_config, server_config
from tests.tls12 import BOTH, TLS12, lie, swap, without


def hidden(pair: ConnectionPair) -> ConnectionPair:
    """Somebody between takes the offer of TLS 1.3 out of the ClientHello."""
    return lie(
        pair, "to server", swap(ClientHello, lambda m: without(m, SupportedVersionsClientHello))
    )


def test_a_client_that_could_do_better_sees_it() -> None:
    pair = hidden(ConnectionPair(client_config(versions=BOTH), server_config(versions=BOTH)))
    pair.client.connection.start()
    pair.move()
    assert isinstance(pair.client.error, IllegalParameter)
    assert "tampered" in str(pair.client.error)
    assert isinstance(pair.server.error, AlertReceived)
    assert pair.server.error.received == AlertDescription.illegal_parameter


def test_the_mark_is_there_for_whoever_looks() -> None:
    seen: list[bytes] = []

    def look(message: ServerHello) -> ServerHello:
        seen.append(message.random[-8:])
        return message

    for versions, marked in ((BOTH, True), (TLS12, False)):
        pair = ConnectionPair(client_config(versions=TLS12), server_config(versions=versions))
        lie(pair, "to client", swap(ServerHello, look)).handshake()
        assert (seen.pop() == DOWNGRADE_TLS12) is marked


def test_whoever_takes_the_mark_away_breaks_the_handshake() -> None:
    from dataclasses import replace

    pair = hidden(ConnectionPair(client_config(versions=BOTH), server_config(versions=BOTH)))
    hide = pair.tamper
    lie(
        pair,
        "to client",
        swap(ServerHello, lambda m: replace(m, random=m.random[:-8] + bytes(8))),
    )
    forge = pair.tamper
    pair.tamper = lambda direction, data: forge(direction, hide(direction, data))
    with pytest.raises(TLSError):
        pair.handshake()
    assert pair.client.connection.established is None
    assert pair.server.connection.established is None


def test_a_server_refuses_a_fallback_that_is_none() -> None:
    pair = ConnectionPair(
        client_config(versions=TLS12, is_fallback=True), server_config(versions=BOTH)
    )
    pair.client.connection.start()
    pair.move()
    assert isinstance(pair.server.error, InappropriateFallback)
    fallback = ConnectionPair(
        client_config(versions=TLS12, is_fallback=True), server_config(versions=TLS12)
    ).handshake()
    assert fallback.server.connection.established.version is ProtocolVersion.TLS12
    assert CipherSuite.TLS_FALLBACK_SCSV == 0x5600
