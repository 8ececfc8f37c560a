"""Session tickets as a client receives and keeps them (§4.6.1)."""

from __future__ import annotations

from typing import Any

import pytest

from postshake.constants import CipherSuite
from postshake.crypto.schedule import resumption_psk
from postshake.crypto.suites import TLS13_SUITES
from postshake.errors import (
    DecodeError,
    IllegalParameter,
    TLSError,
    TooMuch,
    UnexpectedMessage,
)
from postshake.events import Ticket, TicketReceived
from postshake.protocol.session_secrets import SessionSecrets
from postshake.record.limits import Limits
from postshake.wire.extensions import EarlyDataTicket, Extensions, UnknownExtension
from postshake.wire.post_handshake import NewSessionTicket
from tests.certs import NOW
from tests.hostile import send_handshake
from tests.pair import ConnectionPair, client_config, server_config
from tests.tampering import check_refusal, framed
from tests.vectors.rfc8448 import SIMPLE

NOON = NOW.timestamp() + 1.5
WEEK = 7 * 24 * 3600


def ticket(
    number: int = 1, lifetime: int = 3600, nonce: bytes = b"\0", *items: Any
) -> NewSessionTicket:
    return NewSessionTicket(
        lifetime, 0x01020304, nonce, b"ticket %d" % number, Extensions(tuple(items))
    )


def given(*messages: NewSessionTicket, **fields: Any) -> ConnectionPair:
    """A pair whose server sent these."""
    pair = ConnectionPair(client_config(**fields)).handshake()
    for message in messages:
        send_handshake(pair.server, message)
    pair.move()
    return pair


def test_a_ticket_is_kept_and_told() -> None:
    pair = ConnectionPair(client_config(wall_clock=lambda: NOON)).handshake()
    pair.server.connection.send_data(b"four")
    send_handshake(pair.server, ticket(1, 3600, b"nonce", EarlyDataTicket(16384)))
    pair.server.connection.send_data(b"more")
    pair.move()
    (kept,) = pair.client.connection.tickets
    (event,) = pair.client.of(TicketReceived)
    assert event == TicketReceived(4, kept)
    assert pair.client.data == b"fourmore"
    outcome = pair.server.connection._engine.outcome
    assert outcome is not None
    assert isinstance(outcome.secrets, SessionSecrets)
    psk = resumption_psk("sha256", outcome.secrets.resumption_master_secret, b"nonce")
    assert isinstance(kept, Ticket)
    assert (kept.ticket, kept.psk) == (b"ticket 1", psk)
    assert (kept.lifetime, kept.age_add, kept.received_at) == (3600, 0x01020304, NOON)
    assert kept.max_early_data_size == 16384


def test_both_ends_agree_on_the_psk_for_a_longer_hash() -> None:
    suite = TLS13_SUITES[CipherSuite.TLS_AES_256_GCM_SHA384]
    pair = given(ticket(), cipher_suites=(suite.code,))
    (kept,) = pair.client.connection.tickets
    outcome = pair.server.connection._engine.outcome
    assert outcome is not None
    assert isinstance(outcome.secrets, SessionSecrets)
    assert len(kept.psk) == 48
    secret = outcome.secrets.resumption_master_secret
    assert kept.psk == resumption_psk("sha384", secret, b"\0")


def test_the_recorded_psk() -> None:
    assert SIMPLE.ticket is not None
    secret = SIMPLE.secrets["resumption_master_secret"]
    assert resumption_psk("sha256", secret, SIMPLE.ticket.nonce) == SIMPLE.ticket.psk


def test_each_nonce_gives_a_key_of_its_own() -> None:
    pair = given(ticket(1, nonce=b""), ticket(2, nonce=b"a"), ticket(3, nonce=bytes(255)))
    assert len({kept.psk for kept in pair.client.connection.tickets}) == 3


def test_unknown_extensions_are_passed_over() -> None:
    pair = given(ticket(1, 60, b"", UnknownExtension(0x0A0A, b"grease")))
    (kept,) = pair.client.connection.tickets
    assert kept.max_early_data_size == 0


def test_the_newest_are_kept() -> None:
    pair = given(*(ticket(number) for number in range(5)), limits=Limits(tickets=3))
    assert [kept.ticket for kept in pair.client.connection.tickets] == [
        b"ticket 2",
        b"ticket 3",
        b"ticket 4",
    ]
    assert len(pair.client.of(TicketReceived)) == 5


def test_a_lifetime_of_0_means_to_drop_it() -> None:
    pair = given(ticket(1, lifetime=0))
    assert pair.client.connection.tickets == ()
    assert pair.client.of(TicketReceived) == []
    assert pair.client.error is None


@pytest.mark.parametrize("lifetime", [1, WEEK])
def test_a_lifetime_up_to_a_week(lifetime: int) -> None:
    (kept,) = given(ticket(1, lifetime)).client.connection.tickets
    assert kept.lifetime == lifetime


REFUSED: list[tuple[NewSessionTicket | bytes, type[TLSError], str]] = [
    (ticket(1, WEEK + 1), IllegalParameter, "at most 604800 seconds, got 604801"),
    (ticket(1, 0xFFFFFFFF), IllegalParameter, "got 4294967295"),
    (framed(4, bytes(8) + b"\0" + b"\0\0" + b"\0\0"), DecodeError, "NewSessionTicket"),
    (framed(4, ticket().encode() + b"\0"), DecodeError, "expected its end"),
    (framed(4, b""), DecodeError, "NewSessionTicket"),
    (
        ticket(1, 60, b"", UnknownExtension(42, b"\0\0\0\1"), UnknownExtension(42, b"\0\0\0\1")),
        IllegalParameter,
        "early_data twice",
    ),
    (ticket(1, 60, b"", UnknownExtension(42, b"")), DecodeError, "early_data in NewSessionTicket"),
    (
        ticket(1, 60, b"", UnknownExtension(51, b"")),
        IllegalParameter,
        "NewSessionTicket: expected key_share only in",
    ),
]


@pytest.mark.parametrize(("message", "error", "match"), REFUSED)
def test_a_bad_ticket_is_refused_and_data_before_it_is_not_lost(
    message: NewSessionTicket | bytes, error: type[TLSError], match: str
) -> None:
    pair = ConnectionPair().handshake()
    pair.client.auto_read = False
    pair.server.connection.send_data(b"before")
    send_handshake(pair.server, message)
    pair.move()
    check_refusal(pair.client, pair.server, error, match)
    assert pair.client.connection.read() == b"before"
    assert pair.client.connection.tickets == ()


def test_a_flood_of_tickets_is_refused() -> None:
    limits = Limits(tickets_per_connection=3)
    pair = given(*(ticket(number, number % 2) for number in range(3)), limits=limits)
    assert pair.client.error is None
    send_handshake(pair.server, ticket())
    pair.move()
    check_refusal(
        pair.client, pair.server, TooMuch, "too many NewSessionTicket .* at most 3, got 4"
    )


def test_many_tickets_in_one_record() -> None:
    pair = ConnectionPair().handshake()
    send_handshake(pair.server, *(ticket(number) for number in range(8)))
    pair.move()
    assert len(pair.client.connection.tickets) == 8


def test_a_client_sends_no_tickets() -> None:
    pair = ConnectionPair().handshake()
    send_handshake(pair.client, ticket())
    pair.move()
    check_refusal(
        pair.server, pair.client, UnexpectedMessage, "NewSessionTicket after the handshake"
    )


def test_a_server_has_none() -> None:
    pair = ConnectionPair(server=server_config()).handshake()
    assert pair.server.connection.tickets == ()
    assert ConnectionPair().client.connection.tickets == ()


def test_a_ticket_does_not_show_its_secrets() -> None:
    pair = given(ticket())
    (kept,) = pair.client.connection.tickets
    (event,) = pair.client.of(TicketReceived)
    for text in (repr(kept), str(event)):
        assert "lifetime=3600" in text
        for secret in (kept.psk, kept.ticket):
            assert secret.hex() not in text
            assert repr(secret)[2:-1] not in text
        assert str(kept.age_add) not in text
