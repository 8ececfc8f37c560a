"""Scenarios 10 to 13, 98 and 98a: reauth where the session began with an external PSK."""

from __future__ import annotations

from dataclasses import replace

import pytest

from postshake.session import codes
from postshake.session import constants as c
from tests.session.ends import AGAIN, Pair, Setup, certificate, hello_extensions, pairings

PRIORITY = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-KX-ALL:+ECDHE-PSK"
PSK = ("alice's laptop", b"0123456789abcdef0123456789abcdef")
PHA = 49
OUR_SERVER = ("ours-ours", "gnutls-ours")


def psk_pair(kind, *, client=(), **server):
    """A pair that has a PSK; the server gets its certificates after the handshake."""
    server_setup = Setup(priority=PRIORITY, psk=PSK, credentials=False, **server)
    pair = Pair(
        kind,
        Setup(priority=PRIORITY, psk=PSK, certificates=client),
        server_setup,
    )
    pair.handshake()
    pair.server.set_credentials([certificate("server.example", "server")])
    return pair


@pairings()
def test_010_reauth_in_a_psk_session(kind):
    pair = psk_pair(kind, client=[certificate("alice")])
    for _ in range(4):
        assert pair.reauth() == (0, 0)
    assert pair.client.key_exchange() == pair.server.key_exchange() == c.KX_ECDHE_PSK
    if pair.server.is_ours:  # D3: GnuTLS shows neither
        assert pair.server.leaf() == certificate("alice").der
        assert pair.server.username() == PSK[0]
    assert pair.data_flows()


@pairings()
def test_011_declining_what_is_required_in_a_psk_session(kind):
    pair = psk_pair(kind)
    assert pair.reauth(c.CERT_REQUIRE) == (0, codes.E_CERTIFICATE_REQUIRED)


@pairings()
def test_012_declining_what_is_requested_in_a_psk_session(kind):
    pair = psk_pair(kind)
    assert pair.reauth(c.CERT_REQUEST) == (0, 0)
    assert pair.data_flows()


@pairings()
def test_013_the_hellos_of_a_psk_session(kind):
    pair = psk_pair(kind)
    assert hello_extensions(pair.up.writes[0])[PHA] == b""
    assert PHA not in hello_extensions(pair.down.writes[0])
    assert pair.server.flags() & c.SFLAGS_POST_HANDSHAKE_AUTH


@pairings(*OUR_SERVER)
def test_098_the_verify_function_is_heard_in_a_psk_session(kind):
    pair = psk_pair(kind, client=[certificate("alice")])
    seen = []
    pair.server.verify(lambda server: seen.append(server.leaf()) or -1)
    answer, verdict = pair.reauth()
    assert (answer, verdict) == (0, codes.E_CERTIFICATE_ERROR)
    assert seen == [certificate("alice").der]
    assert pair.server.peers() is None


@pairings(*OUR_SERVER)
def test_098a_a_ticket_after_reauth_in_a_psk_session(kind):
    key = bytes(range(64))
    pair = psk_pair(kind, client=[certificate("alice")], ticket_key=key)
    assert pair.reauth() == (0, 0)
    pair.read_tickets()
    assert pair.server.ticket_send() == 0
    pair.read_tickets()
    setup = Setup(priority=PRIORITY, psk=PSK)
    again = Pair(
        kind,
        replace(setup, data=pair.client.get_data()),
        replace(setup, ticket_key=key),
    ).handshake()
    assert again.server.is_resumed()
    assert again.server.leaf() == certificate("alice").der
    assert again.server.username() == PSK[0]


# --- what no scenario says


@pairings("ours-ours", "gnutls-ours", "ours-gnutls")
def test_a_key_that_is_not_the_same(kind):
    pair = Pair(
        kind,
        Setup(priority=PRIORITY, psk=(PSK[0], bytes(32)), credentials=False),
        Setup(priority=PRIORITY, psk=PSK, credentials=False),
    )
    _, server = pair.run(pair.client.handshake, pair.server.handshake)
    assert server not in (0, AGAIN)


@pairings("ours-ours", "gnutls-ours")
def test_an_identity_that_nobody_knows_falls_back_to_certificates(kind):
    both = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+ECDHE-PSK"
    pair = Pair(
        kind,
        Setup(priority=both, psk=("nobody", PSK[1])),
        Setup(priority=both, psk=PSK),
    ).handshake()
    assert pair.server.username() is None
    assert pair.client.leaf() == certificate("server.example", "server").der
    assert pair.server.key_exchange() == c.KX_ECDHE_RSA


@pytest.mark.parametrize("kind", ["ours-ours"])
def test_psks_without_a_key_exchange_for_them(kind):
    pair = Pair(kind, Setup(psk=PSK, credentials=False), Setup(psk=PSK, credentials=False))
    assert pair.client.handshake() == codes.E_INSUFFICIENT_CREDENTIALS
    assert pair.server.handshake() == codes.E_INSUFFICIENT_CREDENTIALS


@pairings()
def test_psk_without_a_key_exchange(kind):
    alone = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-KX-ALL:+PSK"
    setup = Setup(priority=alone, psk=PSK, credentials=False)
    pair = Pair(kind, setup, replace(setup)).handshake()
    assert pair.server.key_exchange() == pair.client.key_exchange() == c.KX_PSK
    assert pair.data_flows()
