"""Scenarios 17 to 19, 49, 54a, 97, 112 and 114 to 116: tickets, and what they say of a client."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from postshake.resumption import EarlyDataClaim
from postshake.session import AntiReplay, codes
from postshake.session import constants as c
from tests.interleaving import interleave
from tests.session.ends import (
    AGAIN,
    REAUTH,
    Pair,
    Setup,
    certificate,
    pairings,
)

OUR_SERVER = ("ours-ours", "gnutls-ours")
OUR_CLIENT = ("ours-ours", "ours-gnutls")
KEY = bytes(range(64))
INVALID_REQUEST = codes.E_INVALID_REQUEST


def ticketing(**fields):
    return Setup(ticket_key=KEY, **fields)


def with_alice(**fields):
    return Setup(certificates=[certificate("alice")], **fields)


def resume(pair, client=None, server=None):
    """Go on from the session of a pair's client; return the new pair, shaken."""
    setup = replace(client or Setup(), data=pair.client.get_data())
    return Pair(pair.kind, setup, server or ticketing()).handshake()


def authenticated(kind, **fields):
    """A pair whose client authenticated after the handshake, with its key set only then."""
    pair = Pair(kind, Setup(), ticketing(**fields)).handshake()
    pair.client.set_credentials([certificate("alice")])
    assert pair.reauth() == (0, 0)
    assert pair.read_tickets() == 2
    return pair


@pairings()
def test_017_a_ticket_after_reauth_resumes_as_the_authenticated_client(kind):
    pair = authenticated(kind)
    assert pair.server.ticket_send() == 0
    assert pair.read_tickets() == 3
    again = resume(pair)
    assert again.client.is_resumed()
    assert again.server.is_resumed()
    assert again.server.leaf() == certificate("alice").der
    assert again.data_flows()


@pairings()
@pytest.mark.parametrize("many", [8, 16])
def test_018_several_such_tickets(kind, many):
    pair = authenticated(kind)
    assert pair.server.ticket_send(many) == 0
    assert pair.read_tickets() == 2 + many
    again = resume(pair)
    assert again.server.is_resumed()
    assert again.server.leaf() == certificate("alice").der


@pairings()
def test_019_no_such_ticket(kind):
    pair = authenticated(kind)
    assert pair.server.ticket_send(0) == INVALID_REQUEST
    again = resume(pair)
    assert again.server.is_resumed()
    assert again.server.leaf() is None


@pairings()
def test_049_a_ticket_while_waiting_says_nothing_of_the_answer(kind):
    pair = Pair(kind, with_alice(), ticketing()).handshake()
    pair.read_tickets()
    pair.server.request(c.CERT_REQUIRE)
    assert pair.server.reauth() == AGAIN
    assert pair.server.ticket_send() == 0
    assert pair.client.recv_until() == REAUTH
    assert pair.read_tickets() == 3
    assert pair.client.reauth() == 0
    assert pair.server.reauth() == 0
    assert pair.server.leaf() == certificate("alice").der
    again = resume(pair)
    assert again.server.is_resumed()
    assert again.server.leaf() is None


@pairings(*OUR_CLIENT)
def test_054a_a_request_while_the_client_waits_for_a_ticket(kind):
    pair = Pair(kind, with_alice(), Setup()).handshake()
    pair.server.request(c.CERT_REQUIRE)
    assert pair.server.send(b"first") == 5
    assert pair.server.reauth() == AGAIN
    assert pair.client.get_data() == b"\0"
    assert pair.client.recv_until() == b"first"
    assert pair.client.recv_until() == REAUTH
    assert pair.client.reauth() == 0
    assert pair.server.reauth() == 0


@pairings(*OUR_SERVER)
def test_097_a_refused_certificate_is_in_no_ticket(kind):
    pair = Pair(kind, with_alice(), ticketing()).handshake()
    pair.read_tickets()
    pair.server.verify(lambda _: codes.E_CERTIFICATE_ERROR)
    assert pair.reauth() == (0, codes.E_CERTIFICATE_ERROR)
    assert pair.server.ticket_send() == 0
    assert pair.read_tickets() == 3
    again = resume(pair)
    assert again.server.is_resumed()
    assert again.server.leaf() is None


@pairings()
def test_112_two_tickets_by_default(kind):
    pair = Pair(kind, Setup(), ticketing()).handshake()
    assert pair.read_tickets() == 2
    assert pair.server.ticket_send(1) == 0
    assert pair.read_tickets() == 3


@pairings()
def test_112_none_by_itself(kind):
    flags = c.POST_HANDSHAKE_AUTH | c.NO_AUTO_SEND_TICKET
    pair = Pair(kind, Setup(), ticketing(flags=flags)).handshake()
    assert pair.read_tickets() == 0
    assert pair.server.ticket_send(1) == 0
    assert pair.read_tickets() == 1


@pairings()
def test_114_a_ticket_from_before_then_reauth(kind):
    pair = Pair(kind, with_alice(), ticketing()).handshake()
    pair.read_tickets()
    again = resume(pair, with_alice())
    assert again.server.leaf() is None
    judged = []
    again.server.verify(lambda server: judged.append(server.leaf()) or 0)
    assert again.reauth() == (0, 0)
    assert judged == [certificate("alice").der] == [again.server.leaf()]


@pairings()
def test_115_a_ticket_of_one_client_then_reauth_as_another(kind):
    pair = authenticated(kind)
    assert pair.server.ticket_send() == 0
    pair.read_tickets()
    again = resume(pair, Setup(certificates=[certificate("bob")]))
    assert again.server.leaf() == certificate("alice").der
    assert again.reauth() == (0, 0)
    assert again.server.leaf() == certificate("bob").der
    again.client.set_credentials([certificate("alice")])  # from here on it is one connection
    expected = codes.E_SESSION_USER_ID_CHANGED
    assert again.reauth() == (0, expected)


@pairings(*OUR_SERVER)
def test_116_what_is_required_cannot_be_had_by_an_older_ticket(kind):
    pair = Pair(kind, with_alice(), ticketing()).handshake()
    pair.read_tickets()
    again = resume(pair, with_alice(), ticketing(request=c.CERT_REQUIRE))
    assert not again.server.is_resumed()
    assert again.server.leaf() == certificate("alice").der
    nobody = replace(Setup(), data=pair.client.get_data())
    refused = Pair(kind, nobody, ticketing(request=c.CERT_REQUIRE))
    _, server = refused.run(refused.client.handshake, refused.server.handshake)
    assert server == codes.E_CERTIFICATE_REQUIRED


# --- what no scenario says


@pairings(*OUR_SERVER)
def test_who_is_not_believed_any_more_proves_it_anew(kind):
    pair = authenticated(kind)
    assert pair.server.ticket_send() == 0
    pair.read_tickets()
    judged = []

    def verify(server):
        judged.append(server.leaf())
        return 0 if len(judged) > 1 else codes.E_CERTIFICATE_ERROR

    again = resume(
        pair,
        with_alice(),
        ticketing(request=c.CERT_REQUEST, prepare=lambda server: server.verify(verify)),
    )
    assert judged == [certificate("alice").der] * 2
    assert not again.server.is_resumed()
    assert again.server.leaf() == certificate("alice").der


@pairings(*OUR_CLIENT)
def test_a_client_judges_the_server_again(kind):
    pair = Pair(kind, Setup(), ticketing()).handshake()
    pair.read_tickets()
    distrusting = Setup(trust=[], prepare=lambda client: client.verify_by_itself("server.example"))
    setup = replace(distrusting, data=pair.client.get_data())
    again = Pair(kind, setup, ticketing())
    client, _ = again.run(again.client.handshake, again.server.handshake)
    assert client == codes.E_CERTIFICATE_VERIFICATION_ERROR


@pairings(*OUR_SERVER)
def test_another_key_opens_no_ticket(kind):
    pair = Pair(kind, Setup(), ticketing()).handshake()
    pair.read_tickets()
    again = resume(pair, None, Setup(ticket_key=bytes(64)))
    assert not again.server.is_resumed()
    assert again.data_flows()


NO_TICKETS = c.POST_HANDSHAKE_AUTH | c.NO_TICKETS


@pairings(*OUR_CLIENT)
def test_a_client_that_wants_no_tickets(kind):
    pair = Pair(kind, Setup(flags=NO_TICKETS), ticketing()).handshake()
    # GnuTLS sends them all the same
    assert pair.read_tickets() == (0 if pair.both_ours else 2)
    assert pair.client.get_data() == b"\0"
    assert not pair.client.flags() & c.SFLAGS_SESSION_TICKET


@pairings(*OUR_SERVER)
def test_a_server_that_gives_no_tickets(kind):
    pair = Pair(kind, Setup(), ticketing(flags=NO_TICKETS)).handshake()
    assert pair.server.ticket_send() == INVALID_REQUEST
    assert pair.read_tickets() == 0


@pairings()
@pytest.mark.parametrize("tickets", [True, False])
def test_resumption_in_tls12(kind, tickets):
    priority = "NORMAL:-VERS-ALL:+VERS-TLS1.2"
    client = Setup(priority=priority)
    server = Setup(priority=priority, ticket_key=KEY if tickets else None)
    pair = Pair(kind, client, server).handshake()
    assert bool(pair.client.flags() & c.SFLAGS_SESSION_TICKET) is tickets
    again = resume(pair, client, server)
    assert again.client.is_resumed() is again.server.is_resumed() is tickets
    assert again.data_flows()
    assert pair.server.ticket_send() == INVALID_REQUEST


EARLY = c.ENABLE_EARLY_DATA


class Replay:
    """One guard for several servers, which all must be of the same make."""

    def __init__(self):
        self.it = None
        self.seen = []
        self.refuse = False

    def enable(self, server):
        api = server.api
        if self.it is None:
            self.it = api.gnutls_anti_replay_t()
            api.gnutls_anti_replay_init(self.it)
            api.gnutls_anti_replay_set_add_function(self.it, self.add)
        api.gnutls_anti_replay_enable(server.session, self.it)

    def add(self, expires, key, data):
        self.seen.append(key)
        return codes.E_DB_ENTRY_EXISTS if self.refuse else 0


def early_pair(kind, replay, flags=EARLY):
    client, server = Setup(flags=EARLY), ticketing(flags=flags, prepare=replay.enable)
    pair = Pair(kind, client, server).handshake()
    pair.read_tickets()
    return Pair(kind, replace(client, data=pair.client.get_data()), server)


@pairings()
def test_early_data(kind):
    replay = Replay()
    pair = early_pair(kind, replay)
    assert pair.client.early_send(b"before anything") == 0
    pair.handshake()
    assert pair.client.flags() & c.SFLAGS_EARLY_DATA
    assert pair.server.flags() & c.SFLAGS_EARLY_DATA
    assert len(replay.seen) == 1
    assert pair.server.early_recv() == b"before anything"
    assert pair.server.early_recv() == codes.E_REQUESTED_DATA_NOT_AVAILABLE
    assert pair.data_flows()


@pairings()
def test_early_data_that_came_before_is_refused(kind):
    replay = Replay()
    pair = early_pair(kind, replay)
    replay.refuse = True
    assert pair.client.early_send(b"again and again") == 0
    pair.handshake()
    assert not pair.client.flags() & c.SFLAGS_EARLY_DATA
    assert not pair.server.flags() & c.SFLAGS_EARLY_DATA
    assert pair.server.early_recv() == codes.E_REQUESTED_DATA_NOT_AVAILABLE
    assert pair.data_flows()


@pairings(*OUR_CLIENT)
def test_early_data_is_bounded_by_the_ticket(kind):
    pair = early_pair(kind, Replay())
    assert pair.client.early_send(bytes(16384)) == 0
    assert pair.client.early_send(b"1") == codes.E_RECORD_LIMIT_REACHED
    pair.handshake()
    assert pair.server.early_recv() == bytes(16384)
    assert pair.client.early_send(b"late") == INVALID_REQUEST


@pairings("ours-ours")
@pytest.mark.parametrize("protected", [True, False])
def test_a_server_takes_no_early_data_unprotected_by_itself(kind, protected):
    flags = EARLY if protected else EARLY | c.NO_REPLAY_PROTECTION
    client, server = Setup(flags=EARLY), ticketing(flags=flags)
    pair = Pair(kind, client, server).handshake()
    pair.read_tickets()
    again = Pair(kind, replace(client, data=pair.client.get_data()), server)
    expected = codes.E_RECORD_LIMIT_REACHED if protected else 0
    assert again.client.early_send(b"early") == expected
    again.handshake()
    if not protected:
        assert again.server.early_recv() == b"early"


def test_a_guard_of_our_own_remembers_in_memory():
    guard = AntiReplay()
    guard.set_window(5000)
    assert guard.window == 5.0
    first = EarlyDataClaim(b"old", issued_at=90.0, now=100.0, until=105.0)
    assert not guard.claim(first)  # it may have been accepted before we were there
    later = replace(first, key=b"new", issued_at=100.5, now=101.0, until=106.0)
    assert guard.claim(later)
    assert not guard.claim(later)


def test_threads_share_one_memory():
    """Of copies of a ClientHello that arrive at once, right at the beginning, one is accepted."""
    for seed in range(60):
        guard = AntiReplay()
        copy = EarlyDataClaim(b"key", issued_at=100.5, now=100.0, until=106.0)
        assert sorted(interleave([partial(guard.claim, copy)] * 2, seed)) == [False, True]


@pairings("ours-ours")
def test_data_that_was_not_made_by_get_data(kind):
    pair = Pair(kind)
    for junk in (b"\x01", b"\x0d" + bytes(40), b"\x0c\x12"):
        assert pair.client.api.gnutls_session_set_data(pair.client.session, junk) == -30
    assert pair.client.api.gnutls_session_set_data(pair.client.session, b"\0") == 0
    assert pair.server.api.gnutls_session_set_data(pair.server.session, b"\0") == INVALID_REQUEST
    pair.handshake()
    assert not pair.client.is_resumed()
