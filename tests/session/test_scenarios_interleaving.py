"""Scenarios 42 to 61a: what comes between a request and its answer, and transports that stop."""

from __future__ import annotations

import pytest

from postshake.session import codes
from postshake.session import constants as c
from tests.session.ends import (
    AGAIN,
    REAUTH,
    Pair,
    Setup,
    certificate,
    driver_of,
    flip,
    pairings,
    records,
)

OUR_SERVER = ("ours-ours", "gnutls-ours")
OUR_CLIENT = ("ours-ours", "ours-gnutls")
AUTO = c.POST_HANDSHAKE_AUTH | c.AUTO_REAUTH


def asked(kind, flags=c.POST_HANDSHAKE_AUTH):
    """A pair whose client was asked, and told."""
    pair = Pair(kind, Setup(flags, [certificate("alice")])).handshake()
    pair.server.request(c.CERT_REQUIRE)
    pair.ask()
    return pair


@pairings(*OUR_SERVER)
def test_042_reauth_again_without_reading_what_came(kind):
    pair = asked(kind)
    assert pair.client.send(b"x" * 64) == 64
    for _ in range(3):
        assert pair.server.reauth() == codes.E_GOT_APPLICATION_DATA
    assert pair.server.recv() == b"x" * 64
    assert pair.client.reauth() == 0
    assert pair.server.reauth() == 0


@pairings(*OUR_SERVER)
def test_043_reauth_again_having_read_a_part(kind):
    pair = asked(kind)
    assert pair.client.send(b"x" * 64) == 64
    assert pair.client.reauth() == 0
    assert pair.server.reauth() == codes.E_GOT_APPLICATION_DATA
    assert pair.server.recv(10) == b"x" * 10
    assert pair.server.pending() == 54
    assert pair.server.reauth() == codes.E_GOT_APPLICATION_DATA
    assert pair.server.recv() == b"x" * 54
    assert pair.server.reauth() == 0


@pairings(*OUR_SERVER)
def test_044_data_was_read_in_part_before_reauth_began(kind):
    pair = Pair(kind, Setup(certificates=[certificate("alice")])).handshake()
    assert pair.client.send(b"x" * 64) == 64
    assert pair.server.recv(10) == b"x" * 10
    pair.server.request(c.CERT_REQUIRE)
    assert pair.server.reauth() == codes.E_GOT_APPLICATION_DATA
    assert pair.client.recv_until() == REAUTH  # the request went out all the same
    assert pair.client.reauth() == 0
    assert pair.server.recv() == b"x" * 54
    assert pair.server.reauth() == 0


@pairings()
def test_045_receiving_data_while_waiting(kind):
    pair = asked(kind)
    assert pair.client.send(b"meanwhile") == 9
    assert pair.server.recv() == b"meanwhile"
    assert pair.client.reauth() == 0
    assert pair.server.reauth() == 0


@pairings(*OUR_SERVER)
def test_046_receiving_while_the_answer_is_on_the_wire(kind):
    pair = asked(kind)
    assert pair.client.reauth() == 0
    assert pair.client.send(b"after") == 5
    while (got := pair.server.recv()) == AGAIN:
        pass
    assert got == b"after"  # read before the verdict: whoever it was before said it
    assert pair.server.leaf() is None
    assert pair.server.reauth() == 0
    assert pair.server.leaf() == certificate("alice").der


@pairings()
def test_047_the_answer_comes_in_pieces(kind):
    pair = asked(kind)
    assert pair.client.reauth() == 0
    flight = records(pair.up.hold())
    for piece in flight[:-1]:
        pair.up.put(piece)
        assert pair.server.reauth() == AGAIN
        assert pair.server.send(b"meanwhile") == 9
        assert pair.client.recv_until() == b"meanwhile"
    pair.up.put(flight[-1])
    assert pair.server.reauth() == 0


@pairings()
def test_048_the_server_updates_keys_while_waiting(kind):
    pair = asked(kind)
    assert pair.server.key_update() == 0
    assert pair.client.recv() == AGAIN
    assert pair.client.reauth() == 0
    assert pair.server.reauth() == 0
    assert pair.data_flows()


@pairings()
def test_050_keys_were_updated_before(kind):
    pair = Pair(kind, Setup(certificates=[certificate("alice")])).handshake()
    for _ in range(2):
        assert pair.client.key_update() == 0
        assert pair.server.recv() == AGAIN
        assert pair.server.key_update() == 0
        assert pair.client.recv_until(tries=3) == AGAIN
    assert pair.reauth() == (0, 0)
    assert pair.data_flows()


@pairings(*OUR_SERVER)
def test_051_the_client_updates_keys_between_request_and_answer(kind):
    pair = asked(kind)
    assert pair.client.key_update() == 0
    assert pair.client.reauth() == 0
    assert pair.server.reauth() == 0
    assert pair.data_flows()


def burst(pair):
    """The server sends data, a request, and data."""
    pair.server.request(c.CERT_REQUIRE)
    assert pair.server.send(b"first") == 5
    assert pair.server.reauth() == AGAIN
    assert pair.server.send(b"second") == 6


@pairings()
def test_052_a_request_is_reported_in_order_with_data(kind):
    pair = Pair(kind, Setup(certificates=[certificate("alice")])).handshake()
    burst(pair)
    assert pair.client.recv_until() == b"first"
    assert pair.client.recv_until() == REAUTH
    assert pair.client.recv_until() == b"second"
    assert pair.client.reauth() == 0
    assert pair.server.reauth() == 0


@pairings()
def test_053_an_auto_client_answers_in_order_with_data(kind):
    pair = Pair(kind, Setup(AUTO, [certificate("alice")])).handshake()
    burst(pair)
    assert pair.client.recv_until() == b"first"
    assert pair.client.recv() == AGAIN
    assert pair.client.recv_until() == b"second"
    assert pair.server.reauth() == 0


@pairings()
def test_054_a_client_takes_its_time(kind):
    pair = asked(kind)
    for _ in range(3):
        assert pair.client.send(b"not yet") == 7
        assert pair.server.reauth() == codes.E_GOT_APPLICATION_DATA
        assert pair.server.recv() == b"not yet"
        assert pair.server.send(b"still waiting") == 13
        assert pair.client.recv() == b"still waiting"
    assert pair.client.reauth() == 0
    assert pair.server.reauth() == 0


@pairings()
def test_054b_a_client_says_goodbye_with_a_request_pending(kind):
    pair = Pair(kind, Setup(certificates=[certificate("alice")])).handshake()
    pair.client.recv_until(tries=3)
    pair.server.request(c.CERT_REQUIRE)
    assert pair.server.reauth() == AGAIN
    assert pair.client.bye() == REAUTH
    assert pair.client.bye() == AGAIN
    assert pair.server.reauth() == codes.E_SESSION_EOF
    assert pair.server.recv() == b""


@pairings(*OUR_CLIENT)
@pytest.mark.parametrize("room", [0, 1, 5, 100, 500])
def test_055_nothing_comes_between_the_parts_of_an_answer(kind, room):
    pair = asked(kind)
    pair.up.room = room
    assert pair.client.reauth() == AGAIN
    assert pair.client.direction() == 1
    assert pair.client.send(b"data") == AGAIN
    pair.up.room = None
    assert pair.client.send(b"data") == 4
    assert pair.client.reauth() == 0
    assert pair.server.reauth() == 0
    assert pair.server.recv() == b"data"
    assert pair.server.recv() == AGAIN


@pairings()
def test_056_an_auto_client_blocked_while_it_answers(kind):
    pair = Pair(kind, Setup(AUTO, [certificate("alice")])).handshake()
    pair.client.recv_until(tries=3)
    pair.server.request(c.CERT_REQUIRE)
    assert pair.server.reauth() == AGAIN
    pair.up.room = 40
    assert pair.client.recv() == AGAIN
    assert pair.client.direction() == 1
    assert pair.client.recv() == AGAIN
    pair.up.room = None
    assert pair.client.recv() == AGAIN
    assert pair.server.reauth() == 0


@pairings()
def test_057_a_server_blocked_while_it_asks(kind):
    pair = Pair(kind, Setup(certificates=[certificate("alice")])).handshake()
    pair.server.request(c.CERT_REQUIRE)
    pair.down.room = 10
    for _ in range(2):
        assert pair.server.reauth() == AGAIN
        assert pair.server.direction() == 1
    pair.down.room = None
    assert pair.server.reauth() == AGAIN
    assert pair.server.direction() == 0
    assert pair.client.recv_until() == REAUTH
    assert pair.client.reauth() == 0
    assert pair.client.recv() == AGAIN
    assert pair.server.reauth() == 0
    assert pair.client.of("CertificateRequest") == 1


@pairings(*OUR_CLIENT)
def test_054b_and_auto_reauth_never_hears_of_it(kind):
    pair = Pair(kind, Setup(AUTO, [certificate("alice")])).handshake()
    pair.client.recv_until(tries=3)
    pair.server.request(c.CERT_REQUIRE)
    assert pair.server.reauth() == AGAIN
    assert pair.client.bye() == AGAIN
    assert pair.server.reauth() == codes.E_SESSION_EOF


@pairings()
def test_058_a_client_closes_instead_of_answering(kind):
    pair = asked(kind)
    assert pair.client.bye(c.SHUT_WR) == 0
    assert pair.server.reauth() == codes.E_SESSION_EOF
    assert pair.server.recv() == b""


@pairings()
def test_059_a_client_sends_a_fatal_alert_instead(kind):
    pair = asked(kind)
    assert pair.client.alert_send(c.AL_FATAL, c.A_BAD_CERTIFICATE) == 0
    assert pair.server.reauth() == codes.E_FATAL_ALERT_RECEIVED
    assert pair.server.alert() == c.A_BAD_CERTIFICATE
    assert isinstance(pair.server.recv(), int)


@pairings(*OUR_SERVER)
def test_060_user_canceled_is_ignored_and_other_warnings_are_fatal(kind):
    pair = asked(kind)
    assert pair.client.alert_send(c.AL_WARNING, c.A_USER_CANCELED) == 0
    assert pair.server.reauth() == AGAIN
    assert pair.client.alert_send(c.AL_WARNING, c.A_NO_RENEGOTIATION) == 0
    assert pair.server.reauth() == codes.E_FATAL_ALERT_RECEIVED
    assert pair.server.alert() == c.A_NO_RENEGOTIATION


@pairings()
def test_061_one_bit_of_the_answers_ciphertext_flipped(kind):
    pair = asked(kind)
    assert pair.client.reauth() == 0
    pair.up.put(flip(pair.up.hold(), 40))
    code = pair.server.reauth()
    assert code == codes.E_DECRYPTION_FAILED
    assert pair.server.alert_send_appropriate(code) == 0
    assert pair.client.recv_until() == codes.E_FATAL_ALERT_RECEIVED
    assert pair.client.alert() == c.A_BAD_RECORD_MAC


@pairings("ours-ours")
def test_061a_an_empty_record_before_the_answer(kind):
    pair = asked(kind)
    connection = driver_of(pair.client.it).connection
    connection.send_data(b"")
    assert pair.client.reauth() == 0
    assert pair.server.reauth() == 0
