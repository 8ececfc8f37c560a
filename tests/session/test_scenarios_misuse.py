"""Scenarios 27 to 41: preconditions and misuse."""

from __future__ import annotations

import pytest

from postshake.session import codes
from postshake.session import constants as c
from tests.session.ends import (
    AGAIN,
    PRIORITY,
    Pair,
    Setup,
    certificate,
    driver_of,
    hello_extensions,
    pairings,
    records,
    settings_of,
)


def with_alice(**fields):
    return Setup(certificates=[certificate("alice")], **fields)


@pairings()
def test_028_the_client_did_not_offer_it(kind):
    pair = Pair(kind, with_alice(flags=0)).handshake()
    pair.server.request(c.CERT_REQUIRE)
    assert not pair.server.flags() & c.SFLAGS_POST_HANDSHAKE_AUTH
    assert pair.server.reauth() == codes.E_INVALID_REQUEST
    assert pair.data_flows()


@pairings()
def test_029_the_server_did_not_want_it(kind):
    pair = Pair(kind, with_alice(), Setup(flags=0)).handshake()
    pair.server.request(c.CERT_REQUIRE)
    assert not pair.server.flags() & c.SFLAGS_POST_HANDSHAKE_AUTH
    assert pair.server.reauth() == codes.E_INVALID_REQUEST
    assert pair.client.reauth() == codes.E_INVALID_REQUEST
    assert pair.data_flows()


@pairings()
def test_030_nobody_said_whether_a_certificate_is_wanted(kind):
    pair = Pair(kind, with_alice()).handshake()
    assert pair.server.reauth() == codes.E_INVALID_REQUEST
    assert pair.data_flows()
    assert pair.reauth() == (0, 0)


@pairings("ours-ours", "ours-gnutls")
def test_031_a_client_without_certificate_credentials_offers_nothing(kind):
    pair = Pair(kind, Setup(credentials=False)).handshake()
    pair.server.request(c.CERT_REQUIRE)
    assert 49 not in hello_extensions(pair.up.writes[0])
    assert not pair.server.flags() & c.SFLAGS_POST_HANDSHAKE_AUTH
    assert pair.server.reauth() == codes.E_INVALID_REQUEST
    assert pair.data_flows()


@pairings("ours-ours", "gnutls-ours")
def test_032_a_server_without_credentials_is_told_so_and_unharmed(kind):
    pair = Pair(kind, with_alice()).handshake()
    pair.server.request(c.CERT_REQUIRE)
    credentials, settings_of(pair.server.it).certificates = (
        settings_of(pair.server.it).certificates,
        None,
    )
    for _ in range(2):
        assert pair.server.reauth() == codes.E_INSUFFICIENT_CREDENTIALS
    assert pair.data_flows()
    pair.server.it.credentials_set(credentials)
    assert pair.reauth() == (0, 0)


@pairings()
def test_033_a_client_that_was_not_asked(kind):
    pair = Pair(kind, with_alice()).handshake()
    assert pair.client.reauth() == codes.E_INVALID_REQUEST
    assert pair.data_flows()


@pairings()
def test_034_a_client_before_the_handshake(kind):
    pair = Pair(kind, with_alice())
    expected = {codes.E_UNAVAILABLE_DURING_HANDSHAKE}
    if not pair.client.is_ours:
        expected.add(codes.E_INVALID_REQUEST)  # GnuTLS looks at the version first
    assert pair.client.reauth() in expected
    pair.handshake()
    assert pair.data_flows()


@pairings("ours-ours", "gnutls-ours")
def test_035_a_server_in_mid_handshake(kind):
    pair = Pair(kind, with_alice(), Setup(request=c.CERT_REQUIRE))
    assert pair.client.handshake() == AGAIN
    assert pair.server.handshake() == AGAIN
    assert pair.server.reauth() == codes.E_UNAVAILABLE_DURING_HANDSHAKE
    pair.handshake()
    assert pair.reauth() == (0, 0)


EARLY = c.POST_HANDSHAKE_AUTH | c.ENABLE_EARLY_START


@pairings("ours-ours", "gnutls-ours")
def test_036_a_server_that_may_start_early_does_not(kind):
    pair = Pair(kind, with_alice(), Setup(flags=EARLY))
    pair.server.request(c.CERT_IGNORE)
    assert pair.client.handshake() == AGAIN
    assert pair.server.handshake() == AGAIN
    assert not pair.server.flags() & c.SFLAGS_EARLY_START
    pair.server.request(c.CERT_REQUIRE)
    assert pair.server.reauth() == codes.E_UNAVAILABLE_DURING_HANDSHAKE
    pair.handshake()
    assert pair.data_flows()


@pairings()
def test_037_a_server_that_may_start_early_reauthenticates_once_complete(kind):
    pair = Pair(kind, with_alice(), Setup(flags=EARLY)).handshake()
    assert pair.client.send(b"hello") == 5
    assert pair.server.recv_until() == b"hello"
    assert pair.reauth() == (0, 0)


@pairings()
def test_038_require_turned_into_request_before_the_answer(kind):
    pair = Pair(kind, Setup()).handshake()
    pair.server.request(c.CERT_REQUIRE)
    pair.ask()
    assert pair.client.reauth() == 0
    pair.server.request(c.CERT_REQUEST)
    assert pair.server.reauth() == 0
    assert pair.data_flows()


@pairings()
def test_039_require_turned_into_ignore_before_the_answer(kind):
    pair = Pair(kind, with_alice()).handshake()
    pair.server.request(c.CERT_REQUIRE)
    pair.ask()
    assert pair.client.reauth() == 0
    pair.server.request(c.CERT_IGNORE)
    for _ in range(3):
        assert pair.server.reauth() == codes.E_INVALID_REQUEST
    if pair.server.is_ours:  # and back again: nothing was lost
        pair.server.request(c.CERT_REQUIRE)
        assert pair.server.reauth() == 0


@pairings()
def test_040_after_a_hello_retry_request(kind):
    only = PRIORITY + ":-GROUP-ALL:+GROUP-SECP384R1"
    pair = Pair(kind, with_alice(), Setup(priority=only))
    client_likes = PRIORITY + ":-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1"
    pair.client.api.gnutls_priority_set_direct(pair.client.session, client_likes)
    pair.handshake()
    sent = records(b"".join(pair.up.writes))
    assert sum(record[0] == 22 and record[5] == 1 for record in sent) == 2  # ClientHellos
    for _ in range(2):
        assert pair.reauth() == (0, 0)


@pairings()
def test_041_every_request_has_a_context_of_its_own(kind):
    pair = Pair(kind, with_alice()).handshake()
    pair.server.request(c.CERT_REQUIRE)
    contexts: list[bytes] = []
    for _ in range(2):
        pair.ask()
        if pair.client.is_ours:
            contexts += driver_of(pair.client.it).unanswered
        else:
            body = pair.client.bodies[-1][2]
            contexts.append(body[1 : 1 + body[0]])
        assert (pair.client.reauth(), pair.server.reauth()) == (0, 0)
    first, second = contexts
    assert first != second
    assert {len(first), len(second)} == {32 if pair.server.is_ours else 12}


@pytest.mark.parametrize("flags", [1, 7, 1 << 14])
def test_061b_flags_are_refused(flags):
    pair = Pair("ours-ours", with_alice()).handshake()
    pair.server.request(c.CERT_REQUIRE)
    assert pair.server.reauth(flags) == codes.E_INVALID_REQUEST
    assert pair.client.recv() == AGAIN  # nothing was sent
    assert pair.reauth() == (0, 0)
