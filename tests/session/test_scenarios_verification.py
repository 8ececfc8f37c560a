"""Scenarios 78 to 99: who judges a certificate, and what becomes of the peer's identity."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from postshake.session import codes
from postshake.session import constants as c
from tests.revoking import make_list
from tests.session.ends import (
    AGAIN,
    Pair,
    Setup,
    authority,
    certificate,
    driver_of,
    flip,
    pairings,
    tamper,
)

OUR_SERVER = ("ours-ours", "gnutls-ours")
OUR_CLIENT = ("ours-ours", "ours-gnutls")
ALLOW = c.POST_HANDSHAKE_AUTH | c.ALLOW_ID_CHANGE
FORCE = c.POST_HANDSHAKE_AUTH | c.FORCE_CLIENT_CERT


def with_alice(**fields):
    return Setup(certificates=[certificate("alice")], **fields)


def alice():
    return certificate("alice").der


def bob():
    return certificate("bob").der


def verdicts(end, *answers):
    """Let a server answer with these, one after the other; what it saw is returned."""
    seen, left = [], list(answers)

    def function(end):
        seen.append(end.leaf())
        return left.pop(0) if len(left) > 1 else left[0]

    end.verify(function)
    return seen


@pairings()
def test_078_the_sessions_verify_function_comes_before_the_credentials(kind):
    pair = Pair(kind, with_alice()).handshake()
    wrong = []
    api = pair.server.api
    api.gnutls_certificate_set_verify_function(
        pair.server.credentials, lambda session: wrong.append(1) or 0
    )
    seen = verdicts(pair.server, 0)
    for _ in range(2):
        assert pair.reauth() == (0, 0)
    assert seen == [alice()] * 2
    assert not wrong


@pairings()
def test_078_the_credentials_verify_function_serves_sessions_without(kind):
    pair = Pair(kind, with_alice()).handshake()
    seen = []
    api = pair.server.api

    def function(session):
        seen.append(api.gnutls_certificate_get_peers(session)[0])
        return 0

    api.gnutls_certificate_set_verify_function(pair.server.credentials, function)
    assert pair.reauth() == (0, 0)
    assert seen == [alice()]


@pairings()
@pytest.mark.parametrize("answer", [-1, 1, 7])
def test_079_a_refusal_without_a_reason(kind, answer):
    pair = Pair(kind, with_alice()).handshake()
    verdicts(pair.server, answer)
    assert pair.reauth()[1] == codes.E_CERTIFICATE_ERROR


@pairings()
@pytest.mark.parametrize("answer", [-50, -348, -65001])
def test_080_a_refusal_with_a_code(kind, answer):
    pair = Pair(kind, with_alice()).handshake()
    verdicts(pair.server, answer)
    assert pair.reauth()[1] == answer


@pairings()
def test_081_a_verdict_that_takes_time(kind):
    pair = Pair(kind, with_alice()).handshake()
    seen = verdicts(pair.server, AGAIN, AGAIN, AGAIN, 0)
    assert pair.reauth()[1] == AGAIN
    assert pair.server.reauth() == AGAIN
    assert pair.server.reauth() == AGAIN
    assert pair.server.reauth() == 0
    assert seen == [alice()] * 4
    assert pair.server.leaf() == alice()


@pairings()
def test_082_refused_and_then_accepted_after_all(kind):
    pair = Pair(kind, with_alice()).handshake()
    verdicts(pair.server, -1)
    assert pair.reauth()[1] == codes.E_CERTIFICATE_ERROR
    verdicts(pair.server, 0)
    assert pair.server.reauth() == 0
    assert pair.server.leaf() == alice()


@pairings(*OUR_SERVER)
def test_083_refused_and_the_session_goes_on(kind):
    pair = Pair(kind, with_alice()).handshake()
    verdicts(pair.server, -1)
    assert pair.reauth()[1] == codes.E_CERTIFICATE_ERROR
    assert pair.server.leaf() is None
    assert pair.data_flows()


@pairings()
def test_084_nobody_verifies(kind):
    stranger = certificate("stranger", ca="Another CA")
    pair = Pair(kind, Setup(FORCE, [stranger])).handshake()
    assert pair.reauth() == (0, 0)
    assert pair.server.leaf() == stranger.der
    if pair.server.is_ours:
        assert not driver_of(pair.server.it).connection.peer_identity.verified
    assert pair.server.verify_peers() == c.CERT_INVALID | c.CERT_SIGNER_NOT_FOUND


@pairings()
def test_085_verified_by_itself_and_unknown(kind):
    stranger = certificate("stranger", ca="Another CA")
    pair = Pair(kind, Setup(FORCE, [stranger])).handshake()
    pair.server.verify_by_itself()
    code = pair.reauth()[1]
    assert code == codes.E_CERTIFICATE_VERIFICATION_ERROR
    assert pair.server.status() == 0x42
    assert pair.server.alert_send_appropriate(code) == 0
    assert pair.client.recv_until() == codes.E_FATAL_ALERT_RECEIVED
    assert pair.client.alert() == c.A_BAD_CERTIFICATE


@pairings("ours-ours", "gnutls-ours")
def test_085_the_exception_knows_a_better_alert(kind):
    stranger = certificate("stranger", ca="Another CA")
    pair = Pair(kind, Setup(FORCE, [stranger])).handshake()
    pair.server.request(c.CERT_REQUIRE)
    pair.ask()
    assert pair.client.reauth() == 0
    session = pair.server.it
    session.set_verify_cert()
    with pytest.raises(Exception, match="E_CERTIFICATE_VERIFICATION_ERROR") as caught:
        session.reauth()
    session.alert_send_appropriate(caught.value)
    assert pair.client.recv_until() == codes.E_FATAL_ALERT_RECEIVED
    assert pair.client.alert() == c.A_UNKNOWN_CA


@pairings()
@pytest.mark.parametrize("revoked", [True, False])
def test_revoked_or_not(kind, revoked):
    """As 85, with a list of the authority's; numbers and status are GnuTLS's."""
    pair = Pair(kind, with_alice()).handshake()
    crl = make_list(authority(), *[certificate("alice")] * revoked).public_bytes(Encoding.PEM)
    add = pair.server.api.gnutls_certificate_set_x509_crl_mem
    assert add(pair.server.credentials, crl, c.X509_FMT_PEM) == 1
    pair.server.verify_by_itself()
    assert pair.reauth() == (0, codes.E_CERTIFICATE_VERIFICATION_ERROR if revoked else 0)
    assert pair.server.status() == (c.CERT_INVALID | c.CERT_REVOKED if revoked else 0)


@pairings()
def test_086_the_right_name_and_the_wrong_one(kind):
    pair = Pair(kind, Setup())
    pair.client.verify_by_itself("server.example")
    pair.handshake()
    assert pair.client.status() == 0

    pair = Pair(kind, Setup())
    pair.client.verify_by_itself("other.example")
    for _ in range(4):
        if (code := pair.client.handshake()) != AGAIN:
            break
        pair.server.handshake()
    assert code == codes.E_CERTIFICATE_VERIFICATION_ERROR
    assert pair.client.status() == c.CERT_INVALID | c.CERT_UNEXPECTED_OWNER


@pairings(*OUR_SERVER)
def test_087_verified_by_itself_and_declined(kind):
    pair = Pair(kind, Setup()).handshake()
    pair.server.verify_by_itself()
    assert pair.reauth(c.CERT_REQUEST) == (0, 0)
    assert pair.server.leaf() is None
    assert pair.data_flows()


@pairings()
def test_088_a_verify_function_hears_of_a_declining_client(kind):
    pair = Pair(kind, Setup()).handshake()
    seen = verdicts(pair.server, 0)
    assert pair.reauth(c.CERT_REQUEST) == (0, 0)
    assert seen == [None]


@pairings(*OUR_SERVER)
def test_088_and_may_refuse_it_or_take_its_time(kind):
    pair = Pair(kind, Setup()).handshake()
    seen = verdicts(pair.server, AGAIN, -1, 0)
    assert pair.reauth(c.CERT_REQUEST) == (0, AGAIN)
    assert pair.server.reauth() == codes.E_CERTIFICATE_ERROR
    assert pair.server.reauth() == 0
    assert seen == [None] * 3


@pairings()
@pytest.mark.parametrize("flags", [c.POST_HANDSHAKE_AUTH, ALLOW], ids=["forbidden", "allowed"])
def test_089_another_certificate_than_before(kind, flags):
    pair = Pair(kind, with_alice(), Setup(flags)).handshake()
    seen = verdicts(pair.server, 0)
    assert pair.reauth() == (0, 0)
    pair.client.set_credentials([certificate("bob")])
    code = pair.reauth()[1]
    if flags == ALLOW:
        assert code == 0
        assert pair.server.leaf() == bob()
        return
    assert code == codes.E_SESSION_USER_ID_CHANGED
    assert seen == [alice()]  # nobody was asked about Bob
    if pair.server.is_ours:
        assert pair.server.leaf() == alice()
    assert pair.server.alert_send_appropriate(code) == 0
    assert pair.client.recv_until() == codes.E_FATAL_ALERT_RECEIVED
    assert pair.client.alert() == c.A_INSUFFICIENT_SECURITY


@pairings()
@pytest.mark.parametrize("flags", [c.POST_HANDSHAKE_AUTH, ALLOW], ids=["forbidden", "allowed"])
def test_090_another_certificate_than_in_the_handshake(kind, flags):
    pair = Pair(kind, with_alice(), Setup(flags, request=c.CERT_REQUIRE)).handshake()
    assert pair.server.leaf() == alice()
    pair.client.set_credentials([certificate("bob")])
    code = pair.reauth()[1]
    assert code == (0 if flags == ALLOW else codes.E_SESSION_USER_ID_CHANGED)
    if pair.server.is_ours:
        assert pair.server.leaf() == (bob() if flags == ALLOW else alice())


@pairings(*OUR_SERVER)
def test_094_authenticated_and_then_declined_as_may_be(kind):
    pair = Pair(kind, with_alice()).handshake()
    assert pair.reauth() == (0, 0)
    pair.client.set_credentials()
    assert pair.reauth(c.CERT_REQUEST) == (0, 0)
    assert pair.server.leaf() == alice()
    assert pair.data_flows()


@pairings()
def test_095_authenticated_and_then_declined_as_may_not_be(kind):
    pair = Pair(kind, with_alice()).handshake()
    assert pair.reauth() == (0, 0)
    pair.client.set_credentials()
    assert pair.reauth() == (0, codes.E_CERTIFICATE_REQUIRED)
    assert pair.server.leaf() == alice()


@pairings("ours-ours")
def test_096_a_bad_signature_after_authentication(kind, monkeypatch):
    pair = Pair(kind, with_alice(), Setup(ALLOW)).handshake()
    assert pair.reauth() == (0, 0)
    pair.client.set_credentials([certificate("bob")])
    tamper(monkeypatch, pair.client, "CertificateVerify", flip)
    assert pair.reauth() == (0, codes.E_PK_SIG_VERIFY_FAILED)
    assert pair.server.leaf() == alice()


@pairings()
def test_099_an_alert_after_the_answer(kind):
    pair = Pair(kind, with_alice()).handshake()
    assert pair.reauth() == (0, 0)
    assert pair.server.alert_send(c.AL_FATAL, c.A_CERTIFICATE_REQUIRED) == 0
    assert pair.client.recv_until() == codes.E_FATAL_ALERT_RECEIVED
    assert pair.client.alert() == c.A_CERTIFICATE_REQUIRED


def test_true_and_false_are_no_verdicts():
    pair = Pair("ours-ours", with_alice()).handshake()
    pair.server.request(c.CERT_REQUIRE)
    pair.ask()
    assert pair.client.reauth() == 0
    for answer in (True, False):
        pair.server.it.set_verify_function(lambda session, answer=answer: answer)
        with pytest.raises(TypeError, match="verify function"):
            pair.server.it.reauth()
    pair.server.it.set_verify_function(None)
    assert pair.server.reauth() == 0
