"""Which identities are enough for a route."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytest

from postshake.pki.identity import Identity
from postshake.pki.revocation import Revocation
from postshake.pki.trust import PeerChain, VerifiedChain
from postshake.web.policy import Policy, why_refused_now
from tests.certs import CA, DAY, NOW, Issued
from tests.pair import Clock, issued, server_config, the_ca
from tests.revoking import make_list


def proven(who: Issued, **fields: Any) -> Identity:
    fields.setdefault("verified_chain", (*who.chain, the_ca().der))
    fields.setdefault("proven_at", NOW.timestamp())
    return Identity(who.chain, **fields)


def test_an_identity_will_do() -> None:
    assert Policy().is_met_by(proven(issued("alice")))
    assert Policy().is_met_by(proven(issued("alice")), server_config())
    assert not Policy().is_met_by(None)
    assert not Policy().is_met_by(proven(issued("alice"), verified_chain=()))


def test_one_that_has_ended_will_not() -> None:
    ended = proven(the_ca().issue("alice", expired=True))
    assert not Policy().is_met_by(ended)
    assert why_refused_now(ended, None) == "the certificate has expired"
    alice = proven(issued("alice"))
    late = server_config(wall_clock=(NOW + 400 * DAY).timestamp)
    assert Policy().is_met_by(alice)  # on the system's clock
    assert not Policy().is_met_by(alice, late)
    assert "was valid until" in str(why_refused_now(alice, late))


def test_one_that_was_revoked_since_will_not() -> None:
    alice, revocation = proven(issued("alice")), Revocation()
    config = server_config(verifier=the_ca().verifier(revocation=revocation))
    assert Policy().is_met_by(alice, config)
    revocation.replace([make_list(the_ca(), issued("alice"))])
    assert not Policy().is_met_by(alice, config)
    assert "was revoked" in str(why_refused_now(alice, config))


def test_age_is_counted_on_the_connection_s_clock() -> None:
    alice = proven(issued("alice"), proven_at=NOW.timestamp())
    for seconds, enough in ((59.0, True), (60.0, False)):
        config = server_config(wall_clock=Clock(NOW.timestamp() + seconds))
        assert Policy(max_age=60).is_met_by(alice, config) is enough
    assert not Policy(max_age=0).is_met_by(proven(issued("alice"), proven_at=time.time()))


def test_authorities() -> None:
    alice = proven(issued("alice"))
    assert Policy.of([the_ca().certificate]).is_met_by(alice, server_config())
    assert not Policy.of([CA("Other").certificate]).is_met_by(alice, server_config())


def test_who_cannot_be_judged_is_not_let_in(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def verify(self, peer: PeerChain) -> VerifiedChain:
            raise RuntimeError("no directory")

    config = server_config(verifier=Broken())
    with caplog.at_level(logging.ERROR, "postshake.web"):
        assert not Policy().is_met_by(proven(issued("alice")), config)
    assert "could not be judged again" in caplog.text
    assert why_refused_now(None, config) is None
