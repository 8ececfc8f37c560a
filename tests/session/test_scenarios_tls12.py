"""Scenarios of TLS 1.2: no reauth, and no renegotiation in its place.

Renegotiation is refused with the warning no_renegotiation, and the session goes on. It can
only be asked for by GnuTLS: an end of ours says that there is none.
"""

from __future__ import annotations

import hashlib

import pytest

from postshake.constants import AlertDescription
from postshake.session import codes
from postshake.session import constants as c
from tests.session.ends import AGAIN, End, Pair, Setup, certificate, pairings

PRIORITY = "NORMAL:-VERS-ALL:+VERS-TLS1.2"
NO_RENEGOTIATION = AlertDescription.no_renegotiation
PSK = ("alice's laptop", b"0123456789abcdef0123456789abcdef")
WARNED = codes.E_WARNING_ALERT_RECEIVED


def tls12(*names: str, flags: int = c.POST_HANDSHAKE_AUTH, request: int | None = None) -> Setup:
    shown = [certificate(name) for name in names]
    return Setup(flags=flags, certificates=shown, priority=PRIORITY, request=request)


def pair_of(kind: str, client: Setup | None = None, server: Setup | None = None) -> Pair:
    pair = Pair(kind, client or tls12("alice"), server or tls12()).handshake()
    for end in (pair.client, pair.server):
        assert end.api.gnutls_protocol_get_version(end.session) == c.TLS1_2
    return pair


def rehandshake(end: End) -> int:
    return int(end.api.gnutls_rehandshake(end.session))


def assert_refused(pair: Pair, by: End, told: End) -> None:
    """See our end refuse to renegotiate, the other hear of it, and both go on."""
    assert by.recv() == AGAIN
    assert told.handshake() == WARNED
    assert told.alert() == NO_RENEGOTIATION
    assert pair.data_flows()


@pairings()
@pytest.mark.parametrize("request_mode", [c.CERT_IGNORE, c.CERT_REQUIRE])
def test_027_tls_1_2_has_no_reauth(kind, request_mode):
    pair = pair_of(kind, server=tls12(request=request_mode))
    leaf = pair.server.leaf()
    assert (leaf is not None) is (request_mode == c.CERT_REQUIRE)
    pair.server.request(c.CERT_REQUIRE)
    for _ in range(2):
        assert pair.server.reauth() == codes.E_INVALID_REQUEST
        assert pair.client.reauth() == codes.E_INVALID_REQUEST
    assert not pair.server.flags() & c.SFLAGS_POST_HANDSHAKE_AUTH
    assert pair.server.leaf() == leaf
    assert pair.data_flows()


@pairings("gnutls-ours")
def test_091_a_client_does_not_change_its_certificate(kind):
    pair = pair_of(kind, server=tls12(request=c.CERT_REQUIRE))
    leaf = pair.server.leaf()
    assert leaf is not None
    pair.client.set_credentials([certificate("bob")])
    assert pair.client.handshake() == AGAIN
    assert_refused(pair, pair.server, pair.client)
    assert pair.server.leaf() == leaf


@pairings("ours-gnutls")
def test_092_a_server_does_not_change_its_certificate(kind):
    pair = pair_of(kind)
    leaf = pair.client.leaf()
    assert leaf is not None
    pair.server.set_credentials([certificate("other.example", "server")])
    assert rehandshake(pair.server) == 0
    assert_refused(pair, pair.client, pair.server)
    assert pair.client.leaf() == leaf


def psk_pair(kind: str) -> Pair:
    both = Setup(flags=c.POST_HANDSHAKE_AUTH, priority=f"{PRIORITY}:-KX-ALL:+ECDHE-PSK", psk=PSK)
    pair = pair_of(kind, client=both, server=both)
    assert pair.client.key_exchange() == pair.server.key_exchange() == c.KX_ECDHE_PSK
    assert pair.server.username() == PSK[0]
    return pair


@pairings()
def test_093_a_psk_session_has_no_reauth(kind):
    pair = psk_pair(kind)
    pair.server.request(c.CERT_REQUIRE)
    assert pair.server.reauth() == codes.E_INVALID_REQUEST
    assert pair.data_flows()


@pairings("gnutls-ours")
@pytest.mark.parametrize("name", ["bob", "alice's second laptop"], ids=["shorter", "longer"])
def test_093_a_client_does_not_change_its_psk(kind, name):
    pair = psk_pair(kind)
    pair.client.set_psk(c.CLIENT, name, bytes(32))
    assert pair.client.handshake() == AGAIN
    assert_refused(pair, pair.server, pair.client)
    assert pair.server.username() == PSK[0]


@pairings("ours-gnutls")
def test_093_nor_does_a_server_ask_for_it(kind):
    pair = psk_pair(kind)
    assert rehandshake(pair.server) == 0
    assert_refused(pair, pair.client, pair.server)


@pairings("ours-gnutls")
def test_122_a_server_asks_to_renegotiate(kind):
    pair = pair_of(kind)
    assert rehandshake(pair.server) == 0
    assert_refused(pair, pair.client, pair.server)


@pairings("ours-ours", "gnutls-ours")
def test_122_a_server_of_ours_does_not_ask(kind):
    pair = pair_of(kind)
    assert rehandshake(pair.server) == codes.E_INVALID_REQUEST
    assert rehandshake(pair.client) == codes.E_INVALID_REQUEST
    assert pair.data_flows()


@pairings("ours-gnutls")
def test_123_a_client_that_goes_on_sending(kind):
    pair = pair_of(kind)
    assert rehandshake(pair.server) == 0
    assert pair.client.send(b"more") == 4
    assert pair.server.handshake() == codes.E_GOT_APPLICATION_DATA
    assert pair.server.recv() == b"more"
    assert_refused(pair, pair.client, pair.server)


@pairings("gnutls-ours")
def test_123a_a_client_asks_to_renegotiate(kind):
    pair = pair_of(kind)
    assert pair.client.handshake() == AGAIN
    assert_refused(pair, pair.server, pair.client)


@pairings("gnutls-ours")
def test_123a_and_data_overtakes_the_wish(kind):
    pair = pair_of(kind)
    assert pair.server.send(b"on its way") == 10
    assert pair.client.handshake() == codes.E_GOT_APPLICATION_DATA
    assert pair.client.recv() == b"on its way"
    assert pair.server.recv() == AGAIN
    assert pair.client.handshake() == WARNED
    assert pair.client.alert() == NO_RENEGOTIATION
    # called again, GnuTLS began anew: its second hello is refused, too, and nothing is lost
    assert pair.client.send(b"up") == 2
    assert pair.server.recv_until() == b"up"
    assert pair.server.send(b"down") == 4
    assert pair.client.recv() == WARNED
    assert pair.client.recv() == b"down"
    assert pair.data_flows()


@pairings("ours-ours", "ours-gnutls")
def test_123b_a_client_of_ours_does_not_ask(kind):
    pair = pair_of(kind)
    assert pair.client.handshake() == codes.E_INVALID_REQUEST
    assert pair.data_flows()


@pairings("ours-gnutls")
def test_124_a_server_asks_again_and_again(kind):
    pair = pair_of(kind)
    for _ in range(5):
        assert rehandshake(pair.server) == 0
        assert_refused(pair, pair.client, pair.server)


@pairings("ours-gnutls")
def test_125_auto_reauth_does_not_renegotiate(kind):
    pair = pair_of(kind, tls12("alice", flags=c.POST_HANDSHAKE_AUTH | c.AUTO_REAUTH))
    pair.server.request(c.CERT_REQUIRE)
    assert rehandshake(pair.server) == 0
    assert_refused(pair, pair.client, pair.server)
    assert pair.server.leaf() is None


@pairings("ours-gnutls")
def test_126_a_splitting_transport(kind):
    pair = pair_of(kind, tls12("alice", flags=c.POST_HANDSHAKE_AUTH | c.AUTO_REAUTH))
    assert rehandshake(pair.server) == 0
    asked = pair.down.hold()
    pair.up.room = 0
    for index in range(len(asked)):
        pair.down.put(asked[index : index + 1])
        assert pair.client.recv() == AGAIN
    assert pair.client.direction() == 1  # the refusal waits for room
    for _ in range(100):
        pair.up.room = 1
        assert pair.client.recv() == AGAIN
        assert pair.server.recv() in (AGAIN, WARNED)
    assert pair.server.alert() == NO_RENEGOTIATION
    pair.up.room = None
    assert pair.data_flows()


@pairings()
@pytest.mark.parametrize("tickets", [True, False])
def test_channel_bindings_are_the_same_at_both_ends(kind, tickets):
    flags = c.POST_HANDSHAKE_AUTH
    key = bytes(range(64)) if tickets else None
    client, server = tls12("alice", flags=flags), tls12()
    server.ticket_key = key
    pair = Pair(kind, client, server)
    early = [end.channel_binding(c.CB_TLS_UNIQUE) for end in (pair.client, pair.server)]
    assert early == 2 * [codes.E_CHANNEL_BINDING_NOT_AVAILABLE]
    pair.handshake()
    unique = pair.client.channel_binding(c.CB_TLS_UNIQUE)
    assert isinstance(unique, bytes)
    assert len(unique) == 12
    server_hash = hashlib.sha256(certificate("server.example", "server").der).digest()
    bindings = [
        {number: end.channel_binding(number) for number in (0, 1, 2)}
        for end in (pair.client, pair.server)
    ]
    assert bindings[0] == bindings[1]
    assert bindings[0][c.CB_TLS_SERVER_END_POINT] == server_hash
    if tickets:  # now the server finishes first
        client.data = pair.client.get_data()
        again = Pair(kind, client, server).handshake()
        assert again.client.is_resumed()
        both = [end.channel_binding(c.CB_TLS_UNIQUE) for end in (again.client, again.server)]
        assert both[0] == both[1] != unique
        assert again.client.channel_binding(c.CB_TLS_SERVER_END_POINT) == server_hash


@pairings("ours-ours", "gnutls-ours")
def test_there_is_no_other_channel_binding_than_the_three(kind):
    pair = pair_of(kind)
    for end in (pair.client, pair.server):
        assert end.channel_binding(7) == codes.E_UNIMPLEMENTED_FEATURE
