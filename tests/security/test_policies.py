"""A certificate policy holds for a path that was verified, or it is not shown.

Who must have one and has it not is refused.
So it is in the main handshake, in reauth, in sessions that are resumed, in exported
authenticators, and on routes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cryptography import x509

from postshake import AuthRequest, ProtocolVersion
from postshake.config import ClientAuth
from postshake.constants import AlertDescription, Role
from postshake.drive.answers import judge_identity
from postshake.errors import AlertReceived, PolicyMismatch, TLSError, UsageError
from postshake.events import Outcome
from postshake.exported import ExportedAuthenticators
from postshake.pki.identity import Identity
from postshake.pki.trust import ChainVerifier, PeerChain, VerifiedChain
from postshake.questions import Refused
from postshake.ssl.verifier import AnyPeer
from postshake.web.policy import Policy, why_refused_now
from tests.certs import CA, NOW, Issued
from tests.pair import ConnectionPair, client_config, server_config, the_ca
from tests.resuming import Today, established, resuming, tickets_of

CARD, SOFT, OTHER = "1.3.6.1.4.1.99999.1", "1.3.6.1.4.1.99999.2", "1.3.6.1.4.1.99999.3"
REQUIRE = {"client_auth": ClientAuth.REQUIRE}


def extension(*policies: str) -> tuple[x509.ExtensionType, bool]:
    held = [x509.PolicyInformation(x509.ObjectIdentifier(each), None) for each in policies]
    return x509.CertificatePolicies(held), False


CARDS: CA = the_ca().intermediate("Cards", extra=[extension(CARD, SOFT)])
ALICE = CARDS.issue("alice", extra=[extension(CARD, OTHER)])
BOB = CARDS.issue("bob", extra=[extension(SOFT)])


def connected(who: Issued, *, client: Any = None, server: Any = None) -> ConnectionPair:
    mine = {"credentials": (who.credential(),), **(client or {})}
    return ConnectionPair(client_config(**mine), server_config(**(server or {})))


def shown(pair: ConnectionPair) -> set[str] | None:
    identity = pair.server.connection.peer_identity
    return set(identity.policies) if identity is not None else None


@pytest.mark.parametrize("version", [ProtocolVersion.TLS13, ProtocolVersion.TLS12])
def test_in_the_main_handshake(version: ProtocolVersion) -> None:
    over = {"versions": (version,)}
    pair = connected(ALICE, client=over, server=REQUIRE | over).handshake()
    assert shown(pair) == {CARD}  # OTHER is what only the card says
    assert pair.client.connection.peer_identity is not None
    assert pair.client.connection.peer_identity.policies == frozenset()
    strict = REQUIRE | over | {"verifier": the_ca().verifier(policies=[CARD])}
    assert shown(connected(ALICE, client=over, server=strict).handshake()) == {CARD}
    pair = connected(BOB, client=over, server=strict)
    with pytest.raises(TLSError):
        pair.handshake()
    pair.move()
    assert isinstance(pair.server.connection.failure, PolicyMismatch)
    failure = pair.client.connection.failure
    assert isinstance(failure, AlertReceived)
    assert failure.received == AlertDescription.certificate_unknown
    assert shown(pair) is None


def test_in_reauth() -> None:
    pair = connected(ALICE).handshake()
    assert pair.reauth(AuthRequest(policies=(SOFT, OTHER))).outcome is Outcome.REFUSED
    assert shown(pair) is None
    assert pair.reauth(AuthRequest(policies=(CARD, SOFT))).outcome is Outcome.AUTHENTICATED
    assert shown(pair) == {CARD}
    completed = connected(BOB).handshake().reauth(AuthRequest(policies=(CARD,)))
    assert isinstance(completed.error, PolicyMismatch)
    assert CARD in str(completed.error)
    for wrong in (("card",), CARD):
        with pytest.raises(UsageError, match=r"request\.policies: expected"):
            AuthRequest(policies=wrong)


class Elsewhere:
    """A verifier that knows nothing of policies."""

    def verify(self, peer: PeerChain) -> VerifiedChain:
        return VerifiedChain((*peer.certificates, the_ca().der))


@pytest.mark.parametrize("verifier", [Elsewhere(), AnyPeer()])
def test_who_tells_of_no_policies_cannot_say_that_one_holds(verifier: Any) -> None:
    pair = connected(ALICE, server={"verifier": verifier}).handshake()
    refused = pair.reauth(AuthRequest(policies=(CARD,)))
    assert isinstance(refused.error, PolicyMismatch)
    assert pair.reauth().outcome is Outcome.AUTHENTICATED
    assert shown(pair) == set()


@pytest.mark.parametrize("version", [ProtocolVersion.TLS13, ProtocolVersion.TLS12])
def test_in_exported_authenticators(version: ProtocolVersion) -> None:
    over = {"versions": (version,)}
    for who, expected in ((ALICE, {CARD}), (BOB, None)):
        pair = connected(who, client=over, server=over).handshake()
        client = ExportedAuthenticators(pair.client.connection)
        server = ExportedAuthenticators(pair.server.connection)
        request = server.request(AuthRequest(policies=(CARD,)))
        answer = client.authenticate(request.data)
        if expected is None:
            with pytest.raises(PolicyMismatch):
                server.validate(request.context, answer)
        else:
            identity = server.validate(request.context, answer)
            assert identity is not None
            assert identity.policies == expected


def test_a_ticket_shows_what_holds_today() -> None:
    """Not what a request's own verifier found, nor what another verifier would."""
    lax = ChainVerifier(the_ca().trust(), policies=None)
    today = Today(client={"credentials": (ALICE.credential(),)}, server=REQUIRE | {"verifier": lax})
    pair, ticket = today.session()
    assert shown(pair) == set()
    assert pair.reauth(AuthRequest(policies=(CARD,))).outcome is Outcome.AUTHENTICATED
    assert shown(pair) == {CARD}
    pair.server.connection.send_tickets()
    pair.move()
    for each in (ticket, tickets_of(pair)[-1]):
        again = resuming(each, client=today.client, server=today.server).handshake()
        assert established(again)[1].resumed
        assert shown(again) == set()
    for policies, expected in (([CARD], {CARD}), ([], {CARD}), ([SOFT], None)):
        today.server = replace(today.server, verifier=the_ca().verifier(policies=policies))
        again = resuming(ticket, client=today.client, server=today.server)
        if expected is None:  # a full handshake, in which it is refused, too
            with pytest.raises(TLSError):
                again.handshake()
            again.move()
            assert isinstance(again.server.connection.failure, PolicyMismatch)
        else:
            again.handshake()
            assert established(again)[1].resumed
        assert shown(again) == expected


def test_a_session_of_tls_1_2_shows_what_holds_today() -> None:
    over = {"versions": (ProtocolVersion.TLS12,)}
    today = Today(
        client=over | {"credentials": (ALICE.credential(),)},
        server=REQUIRE | over | {"verifier": ChainVerifier(the_ca().trust(), policies=None)},
    )
    pair = ConnectionPair(today.client, today.server).handshake()
    session: Any = pair.client.connection.session12
    assert shown(pair) == set()
    for policies, expected in (((), {CARD}), (None, set())):
        today.server.verifier.policies = policies
        again = resuming(session, client=today.client, server=today.server).handshake()
        assert established(again)[1].resumed
        assert shown(again) == expected


def identity(who: Issued, *policies: str) -> Identity:
    return Identity(
        who.chain,
        verified_chain=(*who.chain, the_ca().der),
        proven_at=NOW.timestamp(),
        policies=frozenset(policies),
    )


def test_an_identity_is_held_against_a_route_s_policies() -> None:
    alice, config = identity(ALICE, CARD), server_config()
    assert Policy.of(policies=[CARD]).is_met_by(alice, config)
    assert not Policy.of(policies=[SOFT]).is_met_by(alice, config)
    assert not Policy.of(policies=[CARD]).is_met_by(identity(ALICE), config)
    # what it shows is not enough: it must hold today
    assert not Policy.of(policies=[OTHER]).is_met_by(identity(ALICE, OTHER), config)
    changed = server_config(verifier=the_ca().verifier(policies=[SOFT]))
    assert not Policy.of(policies=[CARD]).is_met_by(alice, changed)
    assert OTHER in str(why_refused_now(alice, config, (OTHER,)))
    assert "accepts none" in str(why_refused_now(alice, changed, (CARD,)))


def test_judged_again_it_must_hold_again() -> None:
    alice = identity(ALICE, CARD)
    for config in (server_config(), server_config(verifier=None)):
        assert isinstance(judge_identity(alice, config, policies=(CARD,)), VerifiedChain)
        refused = judge_identity(alice, config, policies=(SOFT,))
        assert isinstance(refused, Refused)
        assert isinstance(refused.error, PolicyMismatch)


def test_it_is_told_in_a_log() -> None:
    assert identity(ALICE, SOFT, CARD).to_dict()["policies"] == [CARD, SOFT]


def test_a_client_may_want_its_server_to_have_one() -> None:
    server = CARDS.issue("server.example", purpose="server", extra=[extension(SOFT)])
    served = {"credentials": (server.credential(),)}
    for wanted, works in (([SOFT], True), ([CARD], False)):
        client = client_config(verifier=the_ca().verifier(policies=wanted))
        pair = ConnectionPair(client, server_config(**served))
        if works:
            found = pair.handshake().client.connection.peer_identity
            assert found is not None
            assert found.policies == {SOFT}
        else:
            with pytest.raises(PolicyMismatch):
                pair.handshake()
    question = identity(BOB).for_verifier(Role.server, None, 0.0, (CARD,))
    assert question.policies == (CARD,)
