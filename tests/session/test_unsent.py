"""What cannot be pushed any more hides nothing of what the peer sent before it left."""

from __future__ import annotations

from typing import Any

from postshake.session import codes
from postshake.session import constants as c
from postshake.session.ticket_keys import session_ticket_key_generate
from tests.session.ends import AGAIN, End, Pair, Setup, certificate, pairings
from tests.session.test_scenarios_tls12 import pair_of

AUTO = c.POST_HANDSHAKE_AUTH | c.AUTO_REAUTH


def leaves(peer: End, end: End) -> None:
    """Have a peer go: what this end pushes from now on, nobody takes."""

    def push(_ptr: Any, data: Any) -> int:
        raise BrokenPipeError(32, "nobody is there")

    end.api.gnutls_transport_set_push_function(end.session, push)
    peer.outbound.ended = True


@pairings("ours-ours", "gnutls-ours")
def test_a_client_that_left_before_its_tickets(kind):
    setup = Setup(ticket_key=session_ticket_key_generate())
    pair = Pair(kind, Setup(), setup)
    assert pair.client.handshake() == AGAIN
    assert pair.server.handshake() == AGAIN
    assert pair.client.handshake() == 0
    assert pair.client.send(b"the message") == 11
    assert pair.client.bye(c.SHUT_WR) == 0
    leaves(pair.client, pair.server)
    assert pair.server.handshake() == 0
    assert pair.server.recv_until() == b"the message"
    assert pair.server.recv_until() == b""
    assert pair.server.send(b"an answer") == codes.E_PUSH_ERROR


@pairings("ours-ours", "gnutls-ours")
def test_a_client_that_answered_and_left(kind):
    pair = Pair(kind, Setup(certificates=[certificate("alice")])).handshake()
    pair.server.request(c.CERT_REQUIRE)
    pair.ask()
    assert pair.client.key_update(c.KU_PEER) == 0
    assert pair.server.reauth() == AGAIN  # and the server owes an update
    assert pair.client.reauth() == 0
    assert pair.client.send(b"signed") == 6
    leaves(pair.client, pair.server)
    assert pair.server.reauth() == 0
    assert pair.server.leaf() == certificate("alice").der
    assert pair.server.recv_until() == b"signed"


@pairings("ours-ours", "ours-gnutls")
def test_a_server_that_asked_sent_data_and_left(kind):
    pair = Pair(kind, Setup(flags=AUTO, certificates=[certificate("alice")])).handshake()
    pair.server.request(c.CERT_REQUEST)
    assert pair.server.reauth() == AGAIN
    assert pair.server.send(b"the news") == 8
    leaves(pair.server, pair.client)
    assert pair.client.recv_until() == b"the news"


@pairings("gnutls-ours")
def test_a_client_of_tls12_that_wanted_to_renegotiate_and_left(kind):
    pair = pair_of(kind)
    assert pair.client.handshake() == AGAIN  # a hello that we refuse
    leaves(pair.client, pair.server)
    assert pair.server.recv() == AGAIN
    assert pair.server.recv() == codes.E_PREMATURE_TERMINATION
