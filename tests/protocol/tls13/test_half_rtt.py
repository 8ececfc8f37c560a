"""Data that a server sends before the client's Finished (§2, figure 1; §4.4.4)."""

from __future__ import annotations

from typing import Any

import pytest

from postshake.config import ClientAuth
from postshake.connection import Connection
from postshake.constants import ProtocolVersion
from postshake.drive.answers import find_answer_now
from postshake.errors import DecryptError, ReauthUnavailable, UsageError
from postshake.events import HandshakeCompleted
from postshake.questions import JudgePeer, Sign
from tests.pair import ConnectionPair, client_config, server_config
from tests.resuming import NAME, Today, resuming
from tests.tampering import give
from tests.tls12 import TLS12, pair12

HALF = {"send_half_rtt_data": True}


def greeted(pair: ConnectionPair) -> ConnectionPair:
    """Bring the server as far as its Finished, and let it send what it may."""
    pair.client.connection.start()
    pair.server.connection.start()
    assert not pair.server.connection.can_send_data
    pair.client.settle()  # who resumes judges the server first
    pair.server.receive(pair.client.connection.data_to_send())
    assert pair.server.connection.established is None
    return pair


@pytest.mark.parametrize("resumed", [False, True])
@pytest.mark.parametrize("cut", [1, 7, 1000])
def test_the_client_reads_it_with_the_handshake(resumed: bool, cut: int) -> None:
    today = Today(server=HALF)
    _, ticket = today.session()
    pair = resuming(ticket if resumed else None, client=today.client, server=today.server)
    greeted(pair)
    assert pair.server.connection.can_send_data
    pair.server.connection.send_data(b"220 welcome" * 5000)
    flight = pair.server.connection.data_to_send()
    for at in range(0, len(flight), cut):
        pair.client.receive(flight[at : at + cut])
    assert pair.client.error is None
    assert pair.client.data == b"220 welcome" * 5000
    assert pair.client.connection.established.resumed is resumed
    pair.move()
    assert pair.server.of(HandshakeCompleted)
    pair.server.connection.send_data(b"more")
    pair.client.connection.send_data(b"thanks")
    pair.move()
    assert pair.client.data.endswith(b"more")
    assert pair.server.data == b"thanks"
    assert pair.reauth().identity is None, "a client without a certificate declines"


def test_the_data_waits_until_the_client_has_judged_the_server() -> None:
    pair = ConnectionPair(client_config("alice"), server_config(**HALF))
    pair.client.hold = lambda question: isinstance(question.subject, JudgePeer)
    greeted(pair)
    pair.server.connection.send_data(b"welcome")
    pair.client.receive(pair.server.connection.data_to_send())
    assert pair.client.data == b"", "from whom, nobody knows yet"
    (question,) = pair.client.held_questions
    give(pair.client, question, find_answer_now(question.subject))
    pair.client.settle()
    assert pair.client.data == b"welcome"


def test_nothing_may_be_sent_before_our_finished_is() -> None:
    pair = ConnectionPair(client_config("alice"), server_config(**HALF))
    pair.server.hold = lambda question: isinstance(question.subject, Sign)
    greeted(pair)
    assert not pair.server.connection.can_send_data
    with pytest.raises(ReauthUnavailable, match="the handshake is not complete"):
        pair.server.connection.send_data(b"too soon")
    assert pair.server.connection.failure is None


@pytest.mark.parametrize("fields", [{}, HALF | {"versions": (ProtocolVersion.TLS12,)}])
def test_it_is_off_by_default_and_not_in_tls12(fields: dict[str, Any]) -> None:
    versions = {"versions": fields["versions"]} if "versions" in fields else {}
    pair = greeted(ConnectionPair(client_config("alice", **versions), server_config(**fields)))
    assert not pair.server.connection.can_send_data
    with pytest.raises(ReauthUnavailable):
        pair.server.connection.send_data(b"x")


def test_it_is_not_in_a_resumption_of_tls12_either() -> None:
    """There the server finishes first, which is no reason."""
    first = pair12(server={"tickets12": True}).handshake()
    server = first.server.connection.config
    pair = pair12(server={"ticket_keys": server.ticket_keys, **HALF})
    session = first.client.connection.session
    pair.client.connection = Connection(client_config(versions=TLS12), NAME, session=session)
    greeted(pair)
    assert pair.server.connection.has_data_to_send
    assert not pair.server.connection.can_send_data
    pair.move()
    assert pair.server.connection.established.resumed


def test_a_client_cannot() -> None:
    pair = greeted(ConnectionPair(client_config("alice"), server_config(**HALF)))
    assert not pair.client.connection.can_send_data


@pytest.mark.parametrize("asks", [ClientAuth.REQUEST, ClientAuth.REQUIRE])
def test_it_is_refused_where_a_client_has_to_prove_itself_first(asks: ClientAuth) -> None:
    with pytest.raises(UsageError, match="before it has proven"):
        server_config(client_auth=asks, **HALF)


def test_reauth_and_tickets_wait_for_the_client() -> None:
    pair = greeted(ConnectionPair(client_config("alice"), server_config(**HALF)))
    for call in (pair.server.connection.request_auth, pair.server.connection.send_tickets):
        with pytest.raises(UsageError, match="the handshake is not complete"):
            call()


def test_no_more_after_a_failure_or_a_goodbye() -> None:
    pair = greeted(ConnectionPair(client_config("alice"), server_config(**HALF)))
    pair.server.connection.data_to_send()
    pair.server.receive(b"\x17\x03\x03\x00\x20" + bytes(32))
    assert pair.server.connection.failure is not None
    assert not pair.server.connection.can_send_data
    with pytest.raises(UsageError):
        pair.server.connection.send_data(b"x")
    assert not isinstance(pair.server.connection.failure, DecryptError)
    pair = greeted(ConnectionPair(client_config("alice"), server_config(**HALF)))
    pair.server.connection.close()
    assert not pair.server.connection.can_send_data


def test_can_send_data_tells_of_an_open_connection() -> None:
    pair = ConnectionPair(client_config("alice")).handshake()
    assert pair.client.connection.can_send_data
    assert pair.server.connection.can_send_data
    pair.client.connection.close()
    assert not pair.client.connection.can_send_data
    pair.move()
    assert pair.server.connection.can_send_data, "half closed (§6.1)"
