"""A ticket proves nothing new.

It carries who was proven and accepted when it was sent, ends with that certificate and with
the session's lifetime, and its chain is judged again before it is used. A server that requires
certificates takes no ticket without an identity.
"""

from __future__ import annotations

import datetime
from dataclasses import replace

import pytest

from postshake.config import ClientAuth
from postshake.errors import CertificateRequired, TLSError
from postshake.pki.trust import ChainVerifier, TrustStore
from postshake.resumption import TicketKeys
from tests.certs import CA, NOW
from tests.pair import issued, the_ca
from tests.resuming import Today, established, resuming, tickets_of

REQUIRE = {"client_auth": ClientAuth.REQUIRE}


def resumed(today: Today, ticket: object) -> bool:
    pair = resuming(ticket, client=today.client, server=today.server).handshake()
    return established(pair)[1].resumed


def test_the_identity_is_the_one_of_when_it_was_sent() -> None:
    today = Today("alice")
    pair, before = today.session()
    assert pair.reauth().identity is not None
    pair.server.connection.send_tickets()
    pair.move()
    after = tickets_of(pair)[-1]
    for ticket, name in ((before, None), (after, "alice")):
        again = resuming(ticket, client=today.client, server=today.server).handshake()
        assert established(again)[1].resumed
        identity = again.server.connection.peer_identity
        assert (identity.common_name if identity else None) == name


def test_an_older_ticket_does_not_get_around_a_certificate_that_is_required() -> None:
    today = Today("alice")
    _, ticket = today.session()
    today.server = replace(today.server, **REQUIRE)
    today.client = replace(today.client, credentials=())
    with pytest.raises(TLSError):
        resuming(ticket, client=today.client, server=today.server).handshake()
    pair = resuming(ticket, client=today.client, server=today.server)
    pair.client.connection.start()
    pair.move()
    assert isinstance(pair.server.connection.failure, CertificateRequired)
    assert pair.server.connection.peer_identity is None


def test_it_ends_with_the_certificate_of_whom_it_carries() -> None:
    hour = datetime.timedelta(hours=1)
    short = the_ca().issue("alice", not_after=NOW + hour)
    today = Today(client={"credentials": (short.credential(),)}, server=REQUIRE)
    _, ticket = today.session()
    assert ticket.lifetime <= 3600
    today.later(3599)
    assert resumed(today, ticket)
    today.client = replace(today.client, credentials=(issued("alice").credential(),))
    today.later(2)
    assert not resumed(today, ticket)


def test_it_ends_with_the_sessions_lifetime_however_often_it_was_renewed() -> None:
    today = Today("alice", server=REQUIRE | {"session_lifetime": 1000.0})
    _, ticket = today.session()
    for _ in range(4):
        today.later(240)
        pair = resuming(ticket, client=today.client, server=today.server).handshake()
        assert established(pair)[1].resumed
        ticket = tickets_of(pair)[-1]
    today.later(60)
    assert not resumed(today, ticket)


@pytest.mark.parametrize("side", ["client", "server"])
def test_its_chain_is_judged_again_by_todays_trust(side: str) -> None:
    today = Today("alice", server=REQUIRE)
    _, ticket = today.session()
    others = ChainVerifier(TrustStore([CA("Another CA").der]))
    setattr(today, side, replace(getattr(today, side), verifier=others))
    with pytest.raises(TLSError):  # a full handshake, which fails for the same reason
        resumed(today, ticket)


def test_nobody_makes_one_without_the_keys() -> None:
    today = Today("alice", server=REQUIRE)
    _, ticket = today.session()
    for at in range(0, len(ticket.ticket), 7):
        changed = bytearray(ticket.ticket)
        changed[at] ^= 1
        assert not resumed(today, replace(ticket, ticket=bytes(changed)))
    today.server = replace(today.server, ticket_keys=TicketKeys())
    assert not resumed(today, ticket), "nor opens one of other keys"


def test_a_server_that_was_given_no_key_does_not_seal_with_zeros() -> None:
    """Until its first rotation GnuTLS did (CVE-2020-13777): anybody could open and make tickets."""
    today = Today("alice", server=REQUIRE)
    _, ticket = today.session()
    now = today.clock.now
    zeros = TicketKeys([bytes(32)])
    assert zeros.open(ticket.ticket, now) is None
    state = today.server.ticket_keys.open(ticket.ticket, now)
    assert state is not None
    forged = zeros.seal(state, now, today.server.random)
    assert not resumed(today, replace(ticket, ticket=forged))
    assert not resumed(Today("alice", server=REQUIRE), replace(ticket, ticket=forged))


def test_what_hides_a_ticket_s_age_is_drawn_for_each() -> None:
    """Go sent zeros, and who watched could tell a client's connections (CVE-2022-30629)."""
    today = Today("alice", server={"tickets": 8})
    pair, _ = today.session()
    assert len({ticket.age_add for ticket in tickets_of(pair)}) == 8
