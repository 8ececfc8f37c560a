"""A refusal never authenticates.

Declined, refused, expired and cancelled are outcomes of their own, none of which carries an
identity, whatever the client sends, before, between and afterwards.
"""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from postshake.config import AuthRequest, Refusal
from postshake.connection import State
from postshake.constants import AlertDescription
from postshake.errors import AccessDenied, CertificateRequired
from postshake.events import Outcome, ReauthCompleted
from postshake.pki.trust import PeerChain, VerifiedChain
from tests.certs import CA
from tests.pair import Clock, ConnectionPair, client_config, issued, server_config

STRANGER = CA("Nobody's CA").issue("alice").credential()
NOT_REFUSED = {Outcome.AUTHENTICATED}


class Refusing:
    """A verifier who says no for a reason of its own."""

    def verify(self, peer: PeerChain) -> VerifiedChain:
        raise AccessDenied("not on a Monday")


def shaken(**fields: Any) -> tuple[ConnectionPair, Clock]:
    clock = Clock()
    return ConnectionPair(
        client_config("alice"), server_config(clock=clock, **fields)
    ).handshake(), clock


def declined(pair: ConnectionPair, clock: Clock, context: bytes) -> None:
    pair.give(context, None)


def refused_chain(pair: ConnectionPair, clock: Clock, context: bytes) -> None:
    pair.give(context, STRANGER)


def expired(pair: ConnectionPair, clock: Clock, context: bytes) -> None:
    clock.now += 31
    pair.server.connection.check_deadlines()
    pair.give(context, issued("alice").credential())  # right, and too late


def cancelled(pair: ConnectionPair, clock: Clock, context: bytes) -> None:
    pair.server.connection.cancel_auth(context)
    pair.give(context, issued("alice").credential())


WAYS = {
    Outcome.DECLINED: declined,
    Outcome.REFUSED: refused_chain,
    Outcome.EXPIRED: expired,
    Outcome.CANCELLED: cancelled,
}
EACH = pytest.mark.parametrize("outcome", WAYS)


def test_every_outcome_but_one_is_shown_here() -> None:
    assert set(Outcome) == set(WAYS) | NOT_REFUSED


@EACH
def test_there_is_no_identity_in_it_and_none_afterwards(outcome: Outcome) -> None:
    pair, clock = shaken()
    context = pair.ask(within=30)
    pair.client.connection.send_data(b"before")
    WAYS[outcome](pair, clock, context)
    pair.client.connection.send_data(b"after")
    pair.server.auto_read = False
    pair.move()
    (completed,) = pair.server.of(ReauthCompleted)
    assert completed.outcome is outcome
    assert completed.identity is None
    assert pair.server.connection.peer_identity is None
    assert pair.server.connection.read_identity is None
    assert pair.server.connection.state is State.OPEN, "the default is to go on"


@EACH
def test_an_earlier_identity_is_neither_lost_nor_replaced(outcome: Outcome) -> None:
    pair, clock = shaken(allow_identity_change=True)
    assert pair.reauth().outcome is Outcome.AUTHENTICATED
    proven = pair.server.connection.peer_identity
    pair.server.events.clear()
    WAYS[outcome](pair, clock, pair.ask(within=30))
    assert pair.server.connection.peer_identity is proven


@EACH
def test_what_must_be_proven_ends_the_connection_where_that_was_asked_for(
    outcome: Outcome,
) -> None:
    if outcome is Outcome.CANCELLED:
        return  # nobody wants it any more
    pair, clock = shaken()
    context = pair.ask(within=30, on_refusal=Refusal.CLOSE)
    with contextlib.suppress(CertificateRequired):  # of whom the clock told
        WAYS[outcome](pair, clock, context)
    pair.move()
    assert pair.server.connection.state is State.BROKEN
    assert pair.server.connection.peer_identity is None
    assert pair.client.error is not None


def test_a_verdict_of_no_is_final_for_its_request_alone() -> None:
    pair, _ = shaken()
    refused = pair.reauth(AuthRequest(verifier=Refusing()))
    assert (refused.outcome, refused.identity) == (Outcome.REFUSED, None)
    assert isinstance(refused.error, AccessDenied)
    assert refused.error.alert is AlertDescription.access_denied
    assert pair.reauth().outcome is Outcome.AUTHENTICATED


def test_requests_answered_out_of_order_keep_their_own_outcomes() -> None:
    pair, clock = shaken(allow_identity_change=True)
    contexts = {outcome: pair.ask(within=30) for outcome in (Outcome.DECLINED, Outcome.REFUSED)}
    wanted = pair.ask(within=30)
    pair.give(wanted, issued("alice").credential())
    for outcome, context in reversed(contexts.items()):
        WAYS[outcome](pair, clock, context)
    by_context = {each.context: each for each in pair.server.of(ReauthCompleted)}
    assert by_context[wanted].identity.common_name == "alice"
    for outcome, context in contexts.items():
        assert (by_context[context].outcome, by_context[context].identity) == (outcome, None)
    assert pair.server.connection.peer_identity.common_name == "alice"
