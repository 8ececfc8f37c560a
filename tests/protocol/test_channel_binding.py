"""Channel bindings (RFC 9266, RFC 5929): in both versions, resumed and not."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from postshake.connection import Connection
from postshake.errors import UsageError
from postshake.events import Direction, TraceEntry
from postshake.resumption.external_psk import ExternalPsk
from postshake.resumption.session12 import SessionCache12
from postshake.wire.auth import Finished
from tests.pair import ConnectionPair, client_config, counting_random, issued, server_config
from tests.sealer import Sealer
from tests.tls12 import BOTH, pair12

KEY = ExternalPsk(b"sensor7", bytes(range(32)))
SERVER = hashlib.sha256(issued("server.example", "server").der).digest()


def both(pair: ConnectionPair, kind: str) -> tuple[bytes, bytes]:
    return (
        pair.client.connection.channel_binding(kind),
        pair.server.connection.channel_binding(kind),
    )


class Watched:
    """A TLS 1.2 connection whose Finished messages are written down as the client sees them."""

    def __init__(self, seed: str, session: Any = None, **fields: Any) -> None:
        self.finished: list[tuple[Direction, bytes]] = []
        client = {"trace": self.note, "random": counting_random(f"client {seed}")}
        server = {"random": counting_random(f"server {seed}")} | fields.pop("server", {})
        self.pair = pair12(client=client | fields.pop("client", {}), server=server)
        if session is not None:
            config = self.pair.client.connection.config
            self.pair.client.connection = Connection(config, "server.example", session=session)
        self.pair.handshake()

    def note(self, entry: TraceEntry) -> None:
        if isinstance(entry.message, Finished):
            self.finished.append((entry.direction, entry.message.verify_data))


SENT, RECEIVED = Direction.sent, Direction.received


def test_tls_unique_is_the_client_s_finished() -> None:
    full = Watched("full")
    assert [direction for direction, _ in full.finished] == [SENT, RECEIVED]
    assert both(full.pair, "tls-unique") == 2 * (full.finished[0][1],)
    assert both(Watched("another").pair, "tls-unique") != both(full.pair, "tls-unique")


@pytest.mark.parametrize("psk", [False, True])
@pytest.mark.parametrize("kind", ["ticket", "session ID"])
def test_tls_unique_is_the_server_s_finished_where_a_session_is_resumed(
    kind: str, psk: bool
) -> None:
    server: dict[str, Any] = {"ticket_keys": Sealer()}
    if kind == "session ID":
        server = {"sessions12": SessionCache12(), "tickets12": False}
    client: dict[str, Any] = {}
    if psk:
        client = {"psks": (KEY,), "verifier": None}
        server |= {"psks": (KEY,), "credentials": ()}
    first = Watched("first", client=client, server=server)
    session = first.pair.client.connection.session12
    assert [direction for direction, _ in first.finished] == [SENT, RECEIVED]
    assert both(first.pair, "tls-unique") == 2 * (first.finished[0][1],)
    again = Watched("again", session, client=client, server=server)
    assert [direction for direction, _ in again.finished] == [RECEIVED, SENT]
    assert both(again.pair, "tls-unique") == 2 * (again.finished[0][1],)
    assert both(again.pair, "tls-unique") != both(first.pair, "tls-unique")


def test_there_is_no_tls_unique_in_tls_1_3() -> None:
    for pair in (ConnectionPair(), pair12(client={"versions": BOTH}, server={"versions": BOTH})):
        pair.handshake()
        for end in (pair.client, pair.server):
            with pytest.raises(UsageError, match=r"no 'tls-unique' in TLS 1\.3.*RFC 9266"):
                end.connection.channel_binding("tls-unique")


def test_tls_exporter() -> None:
    pair = ConnectionPair().handshake()
    binding = pair.client.connection.channel_binding("tls-exporter")
    assert binding == pair.client.connection.export(b"EXPORTER-Channel-Binding", b"", 32)
    assert both(pair, "tls-exporter") == (binding, binding)
    assert pair.client.connection.channel_binding() == binding


@pytest.mark.parametrize("tls12", [False, True])
def test_tls_server_end_point_is_the_hash_of_the_certificate(tls12: bool) -> None:
    pair = pair12("alice") if tls12 else ConnectionPair(client_config("alice"), server_config())
    pair.handshake()
    assert both(pair, "tls-server-end-point") == (SERVER, SERVER)
    if not tls12:
        pair.reauth()  # who the client is changes nothing
        assert both(pair, "tls-server-end-point") == (SERVER, SERVER)


def test_where_the_server_has_no_certificate_there_is_no_end_point() -> None:
    client, server = {"psks": (KEY,), "verifier": None}, {"psks": (KEY,), "credentials": ()}
    for pair in (
        pair12(client=client, server=server),
        ConnectionPair(client_config(**client), server_config(**server)),
    ):
        pair.handshake()
        for end in (pair.client, pair.server):
            with pytest.raises(UsageError, match="there is no certificate"):
                end.connection.channel_binding("tls-server-end-point")


def test_a_resumed_session_tells_the_client_alone_which_certificate_it_began_with() -> None:
    server = {"ticket_keys": Sealer()}
    session = Watched("first", server=server).pair.client.connection.session12
    again = Watched("again", session, server=server).pair
    assert again.client.connection.channel_binding("tls-server-end-point") == SERVER
    with pytest.raises(UsageError, match="resumed session does not say"):
        again.server.connection.channel_binding("tls-server-end-point")


def test_there_is_no_other_kind() -> None:
    connection = ConnectionPair().handshake().client.connection
    for kind in ("tls-unique-for-telnet", ""):
        with pytest.raises(UsageError, match=f"no channel binding '{kind}'"):
            connection.channel_binding(kind)


@pytest.mark.parametrize("kind", ["tls-exporter", "tls-unique", "tls-server-end-point"])
def test_before_the_handshake_there_is_none(kind: str) -> None:
    pair = ConnectionPair()
    pair.client.connection.start()
    for end in (pair.client, pair.server):
        with pytest.raises(UsageError, match="handshake is not complete"):
            end.connection.channel_binding(kind)
