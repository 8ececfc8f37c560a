"""Sessions that a server keeps: by IDs in TLS 1.2, and all of them where OP_NO_TICKET is set."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from postshake.resumption import TicketState
from postshake.ssl import session_cache
from postshake.ssl.session_cache import CAPACITY, LARGEST, SessionCache
from tests.sslmodule.ends import Memory, client_context, ours, server_context, standard

VERSIONS = pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
CLIENTS = pytest.mark.parametrize("client", [ours, standard], ids=["ours", "standard"])


def at_most(version: str, context: Any) -> Any:
    context.maximum_version = getattr(standard.TLSVersion, version)
    return context


def visit(server: Any, client: Any, session: Any = None) -> tuple[Memory, Any]:
    """Connect, and say goodbye: the two ends, and what the client keeps."""
    pair = Memory(server, client)
    if session is not None:
        pair.client.session = session
    pair.handshake()
    pair.server.write(b"x")  # the tickets of TLS 1.3 are before it
    pair.move()
    assert pair.client.read(1) == b"x"
    kept = pair.client.session
    pair.run(pair.client.unwrap, pair.server.unwrap)
    return pair, kept


@CLIENTS
@pytest.mark.parametrize("who", ["server", "client"])
def test_tls12_goes_on_by_a_session_id_where_there_are_no_tickets(who, client):
    server, client = server_context(ours), at_most("TLSv1_2", client_context(client))
    (server if who == "server" else client).options |= ours.OP_NO_TICKET
    first, session = visit(server, client)
    assert not first.client.session_reused
    assert not session.has_ticket
    assert len(session.id) == 32
    again, second = visit(server, client, session)
    assert again.client.session_reused
    assert again.server.session_reused
    assert second.id == session.id
    assert server.session_stats()["hits"] == 1


@CLIENTS
def test_tls13_goes_on_by_the_name_of_a_session(client):
    server, client = server_context(ours), client_context(client)
    server.options |= ours.OP_NO_TICKET
    _, session = visit(server, client)
    assert session.has_ticket  # which is a name, and holds nothing
    again, _ = visit(server, client, session)
    assert again.client.session_reused
    assert again.server.session_reused


@CLIENTS
@VERSIONS
def test_no_session_leaves_a_server_that_is_to_keep_them(version, client, monkeypatch):
    def seal(*arguments: Any) -> bytes:
        raise AssertionError("sealed")

    monkeypatch.setattr("postshake.resumption.TicketKeys.seal", seal)
    server, client = server_context(ours), at_most(version, client_context(client))
    server.options |= ours.OP_NO_TICKET
    visit(server, client)
    server.set_ciphers("DEFAULT:@SECLEVEL=3")  # whose tickets would have no forward secrecy
    server.options &= ~ours.OP_NO_TICKET
    visit(server, client)


@pytest.mark.parametrize("server", [ours, standard], ids=["ours", "standard"])
def test_a_client_without_tickets_does_not_ask_for_any(server):
    client = at_most("TLSv1_2", client_context(ours))
    sizes = []
    for options in (0, ours.OP_NO_TICKET):
        client.options |= options
        pair = Memory(server_context(server), client)
        with pytest.raises(ours.SSLWantReadError):
            pair.client.do_handshake()
        sizes.append(pair._out_up.pending)
        _, session = visit(server_context(server), client)
        assert session.has_ticket == (not options)
    assert sizes[0] - sizes[1] == 4  # an empty extension


@CLIENTS
@VERSIONS
def test_a_session_brings_the_identity_that_was_proven(version, client):
    server = server_context(ours)
    server.verify_mode = ours.CERT_REQUIRED
    server.options |= ours.OP_NO_TICKET
    client = at_most(version, client_context(client))
    _, session = visit(server, client)
    again, _ = visit(server, client, session)
    assert again.server.session_reused
    assert again.server.identity.common_name == "alice"


@CLIENTS
@VERSIONS
def test_a_session_without_an_identity_is_worth_nothing_where_one_is_wanted(version, client):
    server = server_context(ours)
    server.options |= ours.OP_NO_TICKET
    client = at_most(version, client_context(client))
    _, session = visit(server, client)
    server.verify_mode = ours.CERT_REQUIRED
    again, _ = visit(server, client, session)
    assert not again.server.session_reused
    assert again.server.identity.common_name == "alice"


@VERSIONS
def test_the_sessions_of_a_context_are_its_own(version):
    client = at_most(version, client_context(ours))
    servers = [server_context(ours) for _ in range(2)]
    for server in servers:
        server.options |= ours.OP_NO_TICKET
    _, session = visit(servers[0], client)
    again, _ = visit(servers[1], client, session)
    assert not again.server.session_reused


def test_a_session_of_tls12_ends_with_a_fatal_alert():
    server, client = server_context(ours), at_most("TLSv1_2", client_context(ours))
    server.options |= ours.OP_NO_TICKET
    pair = Memory(server, client).handshake()
    session = pair.client.session
    pair.up.write(b"\x17\x03\x03\x00\x20" + bytes(32))
    with pytest.raises(ours.SSLError):
        pair.server.read(1)
    again, _ = visit(server, client, session)
    assert not again.server.session_reused


# --- what is kept


def state(number: int, certificates: int = 100) -> TicketState:
    return TicketState(
        suite=0x1301,
        psk=number.to_bytes(32, "big"),
        lifetime=60,
        age_add=0,
        received_at=0,
        started_at=0,
        chain=(bytes(certificates),),
    )


def test_the_oldest_session_goes(monkeypatch):
    monkeypatch.setattr(session_cache, "CAPACITY", 3)
    cache = SessionCache()
    names = [cache.keep(state(number)) for number in range(5)]
    assert len(set(names)) == 5
    assert [cache.find(name) is not None for name in names] == [False, False, True, True, True]
    assert cache.find(names[4]) == state(4)
    assert len(cache) == 3


def test_a_session_with_very_large_certificates_is_not_kept():
    cache = SessionCache()
    with pytest.raises(ValueError, match=f"more than {LARGEST} bytes"):
        cache.keep(state(1, LARGEST + 1))
    assert cache.keep(state(1, LARGEST))
    assert len(cache) == 1
    assert CAPACITY * LARGEST == 64 * 2**20  # at the very most, as docs/ssl.md says


def test_nor_is_one_of_a_stranger_with_a_very_long_name():
    """As it asked for: a name of a server's may be as long as a ClientHello."""
    cache = SessionCache()
    of_nobody = replace(state(1), chain=())
    assert cache.keep(replace(of_nobody, server_name="n" * 1000))
    with pytest.raises(ValueError, match="more than 1024 bytes"):
        cache.keep(replace(of_nobody, server_name="n" * 1100))
    assert cache.keep(replace(state(1), server_name="n" * 1100))
    assert len(cache) == 2


def test_names_that_nobody_gave():
    cache = SessionCache()
    cache.keep(state(1))
    for name in (b"", bytes(32), b"x" * 1000):
        assert cache.find(name) is None
