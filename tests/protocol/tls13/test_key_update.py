"""KeyUpdate in both directions, crossing, in floods, and where records end (§4.6.3)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postshake.constants import ContentType, KeyUpdateRequest
from postshake.crypto.schedule import next_traffic_secret
from postshake.crypto.suites import TLS13_SUITES
from postshake.errors import (
    BadRecordMac,
    DecodeError,
    IllegalParameter,
    TLSError,
    TooMuch,
    UnexpectedMessage,
    UsageError,
)
from postshake.events import PeerKeyUpdated
from postshake.record.limits import Limits
from postshake.wire.handshake import encode_handshake
from postshake.wire.post_handshake import KeyUpdate, NewSessionTicket
from tests.hostile import link_of, send_handshake, send_record
from tests.pair import Clock, ConnectionPair, End, client_config, server_config
from tests.tampering import check_refusal, framed

PLAIN = KeyUpdate(KeyUpdateRequest.update_not_requested)
ASKING = KeyUpdate(KeyUpdateRequest.update_requested)


def generations(end: End) -> tuple[int, int]:
    """How often the keys changed with which an end receives and sends."""
    link = link_of(end)
    return link.inbound.generation, link.outbound.generation


def update(end: End, message: KeyUpdate = PLAIN) -> None:
    """Let an end update, also where an honest one would not."""
    send_handshake(end, message)
    link_of(end).layer.update_write()


def check_in_step(pair: ConnectionPair) -> None:
    client, server = link_of(pair.client), link_of(pair.server)
    assert client.writing_secret == server.reading_secret
    assert client.reading_secret == server.writing_secret
    pair.client.connection.send_data(b"to server")
    pair.server.connection.send_data(b"to client")
    pair.move()
    assert pair.server.data.endswith(b"to server")
    assert pair.client.data.endswith(b"to client")


def both(pair: ConnectionPair, client_first: bool) -> tuple[End, End]:
    return (pair.client, pair.server) if client_first else (pair.server, pair.client)


@pytest.mark.parametrize("client_first", [True, False])
def test_one_direction(client_first: bool) -> None:
    pair = ConnectionPair().handshake()
    one, other = both(pair, client_first)
    one.connection.send_data(b"old")
    old = link_of(one).writing_secret
    one.connection.key_update()
    one.connection.send_data(b"new")
    assert link_of(one).writing_secret == next_traffic_secret("sha256", old)
    pair.move()
    assert other.data == b"oldnew"
    assert other.of(PeerKeyUpdated) == [PeerKeyUpdated(3, 1)]
    assert one.of(PeerKeyUpdated) == []
    assert (generations(one), generations(other)) == ((0, 1), (1, 0))
    check_in_step(pair)


@pytest.mark.parametrize("client_first", [True, False])
def test_a_request_is_answered(client_first: bool) -> None:
    pair = ConnectionPair().handshake()
    one, other = both(pair, client_first)
    one.connection.key_update(request_peer=True)
    pair.move()
    assert one.of(PeerKeyUpdated) == [PeerKeyUpdated(0, 1)]
    assert (generations(one), generations(other)) == ((1, 1), (1, 1))
    check_in_step(pair)


def test_the_answer_is_no_request() -> None:
    pair = ConnectionPair().handshake()
    sent: list[Any] = []
    pair.tamper = lambda direction, data: (sent.append(direction) if data else None) or data
    pair.client.connection.key_update(request_peer=True)
    pair.move()
    assert sent == ["to server", "to client"]


def test_crossing_requests() -> None:
    """§4.6.3: each answers the other's, and both end one or two generations on."""
    pair = ConnectionPair().handshake()
    pair.client.connection.key_update(request_peer=True)
    pair.server.connection.key_update(request_peer=True)
    pair.move()
    assert pair.client.error is pair.server.error is None
    assert generations(pair.client) == (2, 2)
    assert generations(pair.server) == (2, 2)
    check_in_step(pair)


def test_many_requests_in_one_delivery_get_one_answer() -> None:
    pair = ConnectionPair().handshake()
    for _ in range(10):
        update(pair.client, ASKING)
    pair.move()
    assert generations(pair.server) == (10, 1)
    assert len(pair.server.of(PeerKeyUpdated)) == 10
    check_in_step(pair)


def test_many_requests_to_a_silent_end_get_one_answer_and_another_with_its_data() -> None:
    """§4.6.3: a receiver that is silent owes one, before its next data."""
    pair = ConnectionPair().handshake()
    for _ in range(5):
        update(pair.client, ASKING)
        pair.move()
    assert generations(pair.server) == (5, 1)
    pair.server.connection.send_data(b"first")
    pair.server.connection.send_data(b"second")
    pair.move()
    assert generations(pair.server) == (5, 2), "before the data that it was owed before"
    assert pair.client.data == b"firstsecond"
    update(pair.client, ASKING)
    pair.move()
    assert generations(pair.server) == (6, 3), "no longer silent: at once"
    check_in_step(pair)


def test_an_update_of_our_own_pays_what_we_owe() -> None:
    """An answer is owed before our next data, and any update of ours is one."""
    pair = ConnectionPair().handshake()
    pair.client.connection.key_update(request_peer=True)
    pair.server.receive(pair.client.connection.data_to_send())
    assert generations(pair.server) == (1, 1)
    pair.move()
    assert generations(pair.client) == (1, 1)


def test_no_second_request_before_the_answer() -> None:
    """RFC 9846 section 4.7.3 forbids it; the second update goes out without."""
    pair = ConnectionPair().handshake()
    for _ in range(2):
        pair.client.connection.key_update(request_peer=True)
        pair.server.receive(pair.client.connection.data_to_send())
    assert generations(pair.server) == (2, 1)
    pair.move()
    pair.server.connection.send_data(b"not silent")
    pair.client.connection.key_update(request_peer=True)  # answered: now again
    pair.move()
    assert generations(pair.client) == (2, 3)
    check_in_step(pair)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["c", "s", "cr", "sr", "cd", "sd", "move", "up", "down"])))
def test_any_order_keeps_both_in_step(steps: list[str]) -> None:
    limits = Limits(key_updates=1000)
    pair = ConnectionPair(client_config(limits=limits), server_config(limits=limits)).handshake()
    expected = {"c": b"", "s": b""}
    for number, step in enumerate(steps):
        end = pair.client if step[0] == "c" else pair.server
        if step == "move":
            pair.move()
        elif step == "up":
            pair.server.receive(pair.client.connection.data_to_send())
        elif step == "down":
            pair.client.receive(pair.server.connection.data_to_send())
        elif step.endswith("d"):
            data = b"%d." % number
            expected[step[0]] += data
            end.connection.send_data(data)
        else:
            end.connection.key_update(request_peer=step.endswith("r"))
    pair.move()
    assert pair.client.error is pair.server.error is None
    assert (pair.server.data, pair.client.data) == (expected["c"], expected["s"])
    check_in_step(pair)


# --- misuse


@pytest.mark.parametrize("client_first", [True, False])
def test_a_flood_is_refused(client_first: bool) -> None:
    pair = ConnectionPair().handshake()
    one, other = both(pair, client_first)
    for _ in range(32):
        update(one)
    pair.move()
    assert other.error is None
    update(one)
    pair.move()
    check_refusal(other, one, TooMuch, "too many KeyUpdate messages: .* 32 in 10 s, got 33")


def test_updates_at_leisure_are_no_flood() -> None:
    clock = Clock()
    pair = ConnectionPair(server=server_config(clock=clock)).handshake()
    for _ in range(100):
        update(pair.client)
        pair.move()
        clock.now += 0.4
    assert pair.server.error is None
    check_in_step(pair)


@pytest.mark.parametrize(
    ("message", "error", "match"),
    [
        (framed(24, b"\2"), IllegalParameter, "expected request_update 0 or 1, got 2"),
        (framed(24, b"\xff"), IllegalParameter, "got 255"),
        (framed(24, b""), DecodeError, "KeyUpdate: expected 1 bytes"),
        (framed(24, b"\0\0"), DecodeError, "KeyUpdate: expected its end"),
    ],
)
@pytest.mark.parametrize("client_first", [True, False])
def test_a_bad_update_is_refused(
    client_first: bool, message: bytes, error: type[TLSError], match: str
) -> None:
    pair = ConnectionPair().handshake()
    one, other = both(pair, client_first)
    send_handshake(one, message)
    pair.move()
    check_refusal(other, one, error, match)


@pytest.mark.parametrize(
    "after",
    [
        encode_handshake(PLAIN),
        encode_handshake(NewSessionTicket(1, 1, b"", b"t")),
        b"\x18",
        b"\x18\0\0\1",
    ],
    ids=["an update", "a ticket", "a byte", "a header"],
)
def test_nothing_follows_in_its_record(after: bytes) -> None:
    """§5.1: a message before a key change ends its record."""
    pair = ConnectionPair().handshake()
    pair.server.connection.send_data(b"before")
    send_handshake(pair.server, encode_handshake(PLAIN) + after)
    pair.move()
    check_refusal(
        pair.client,
        pair.server,
        UnexpectedMessage,
        f"expected a key change at the end of a record, got {len(after)} more bytes",
    )
    assert pair.client.data == b"before"


def test_it_may_end_a_record_that_holds_others() -> None:
    pair = ConnectionPair().handshake()
    send_handshake(pair.server, NewSessionTicket(1, 1, b"", b"t"), PLAIN)
    link_of(pair.server).layer.update_write()
    pair.move()
    assert generations(pair.client) == (1, 0)
    assert len(pair.client.connection.tickets) == 1
    check_in_step(pair)


def test_its_own_bytes_may_come_in_records_of_their_own() -> None:
    pair = ConnectionPair().handshake()
    for byte in encode_handshake(PLAIN):
        send_record(pair.server, ContentType.handshake, bytes((byte,)))
    link_of(pair.server).layer.update_write()
    pair.move()
    check_in_step(pair)


def test_data_between_its_fragments_is_refused() -> None:
    pair = ConnectionPair().handshake()
    raw = encode_handshake(PLAIN)
    pair.server.connection.send_data(b"before")
    send_record(pair.server, ContentType.handshake, raw[:2])
    pair.server.connection.send_data(b"between")
    pair.move()
    check_refusal(
        pair.client,
        pair.server,
        UnexpectedMessage,
        "application data, and a handshake message is not complete",
    )
    assert pair.client.data == b"before"


@pytest.mark.parametrize("client_first", [True, False])
def test_who_forgets_to_change_keys_is_refused(client_first: bool) -> None:
    pair = ConnectionPair().handshake()
    one, other = both(pair, client_first)
    send_handshake(one, PLAIN)  # and the keys stay
    one.connection.send_data(b"under the old key")
    pair.move()
    check_refusal(other, one, BadRecordMac, "generation 1: expected a valid tag")
    assert other.data == b""


def test_the_sender_updates_when_a_key_has_done_enough() -> None:
    """§5.5: after so many records, before the next."""
    pair = ConnectionPair().handshake()
    suite = TLS13_SUITES[0x1301]
    link_of(pair.client).outbound.sequence = suite.records_per_key - 2
    link_of(pair.server).inbound.sequence = suite.records_per_key - 2
    for count in range(4):
        pair.client.connection.send_data(b"%d" % count)
    pair.move()
    assert generations(pair.server) == (1, 0)
    assert link_of(pair.client).outbound.sequence == 2
    assert pair.server.data == b"0123"


def test_before_and_after_there_is_none() -> None:
    pair = ConnectionPair()
    with pytest.raises(UsageError, match="the handshake is not complete"):
        pair.client.connection.key_update()
    pair.handshake()
    pair.client.connection.close()
    with pytest.raises(UsageError, match="our side of the connection is closed"):
        pair.client.connection.key_update()


def test_after_our_goodbye_no_answer_is_sent() -> None:
    """§6.1: close_notify is the last that we say, whatever is asked."""
    pair = ConnectionPair().handshake()
    pair.server.connection.close()
    pair.move()
    pair.client.connection.key_update(request_peer=True)
    pair.client.connection.send_data(b"still heard")
    pair.move()
    assert pair.server.data == b"still heard"
    assert generations(pair.server) == (1, 0)
    assert not pair.server.connection.has_data_to_send
    assert pair.client.error is None
