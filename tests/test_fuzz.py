"""Whatever comes, and however it is cut.

One deterministic life is recorded once, and replayed to fresh ends in pieces, in part,
and with changes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from postshake.connection import State
from postshake.constants import Role
from postshake.errors import (
    TruncationError,
)
from postshake.events import HandshakeCompleted, PeerClosed, PeerKeyUpdated, TicketReceived
from postshake.wire.auth import Certificate
from postshake.wire.handshake import encode_handshake
from tests.hostile import link_of
from tests.pair import (
    ConnectionPair,
    End,
    client_config,
    issued,
    server_config,
)
from tests.record.records import plain
from tests.replayed import (
    check_survives,
    fresh,
    records_for,
    replayed_client,
    replayed_server,
)
from tests.strategies import messages
from tests.tampering import REQUIRING, ends, framed, lying

ROLES = pytest.mark.parametrize("role", list(Role), ids=lambda role: role.name)


# --- cuts


def live(role: Role, pieces: Iterable[bytes]) -> tuple[list[Any], bytes, bytes, State]:
    """What an end tells and sends when it receives these pieces."""
    end = fresh(role)
    for piece in pieces:
        end.receive(piece)
    assert end.error is None
    return end.events, end.data, end.connection.data_to_send(), end.connection.state


@ROLES
def test_byte_by_byte_is_the_same(role: Role) -> None:
    stream = b"".join(records_for(role))
    whole = live(role, [stream])
    assert live(role, [bytes((byte,)) for byte in stream]) == whole
    events, data, sent, state = whole
    kinds = {type(event) for event in events}
    if role is Role.client:
        assert kinds == {HandshakeCompleted, TicketReceived, PeerKeyUpdated, PeerClosed}
        assert data == b"hello" + b"more" * 200
    else:
        assert kinds == {HandshakeCompleted, PeerKeyUpdated, PeerClosed}
        assert data == b"questionand more"
    assert sent
    assert state is State.OPEN  # we did not say goodbye ourselves


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(Role), st.data())
def test_every_way_of_cutting_is_the_same(role: Role, draw: st.DataObject) -> None:
    stream = b"".join(records_for(role))
    cuts = sorted(draw.draw(st.sets(st.integers(0, len(stream)), max_size=12)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert live(role, pieces) == live(role, [stream])


def test_buffers_of_every_kind_are_taken_and_may_be_used_again() -> None:
    expected = live(Role.client, [b"".join(records_for(Role.client))])
    end = fresh(Role.client)
    buffer = bytearray(7)
    stream = b"".join(records_for(Role.client))
    for start in range(0, len(stream), 7):
        piece = stream[start : start + 7]
        buffer[: len(piece)] = piece
        end.receive(memoryview(buffer)[: len(piece)])
        buffer[:] = bytes(7)
    assert (end.events, end.data) == expected[:2]


@pytest.mark.parametrize("size", [1, 3, 50])
def test_fragments_of_messages_in_any_records(size: int) -> None:
    """A liar of an end that puts each few bytes of its handshake into a record of their own."""
    pair = ConnectionPair(client_config("alice"), server_config(**REQUIRING))
    for end in (pair.client, pair.server):
        link_of(end).layer.max_fragment_out = size
    pair.handshake()
    pair.client.connection.send_data(b"hello")
    pair.move()
    assert pair.server.data == b"hello"
    assert pair.server.connection.peer_identity is not None


# --- whatever comes


def after(role: Role, count: int) -> End:
    """An end that has received so many good records."""
    end = fresh(role)
    for record in records_for(role)[:count]:
        end.receive(record)
    assert end.error is None
    return end


fuzzed = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
places = st.tuples(st.sampled_from(Role), st.integers(0, 9))
junk = st.one_of(
    st.binary(max_size=80),
    st.builds(
        lambda content_type, body, version: plain(content_type, body, version),
        st.sampled_from([0, 20, 21, 22, 23, 24]),
        st.binary(max_size=60),
        st.sampled_from([0x0301, 0x0303, 0]),
    ),
    st.builds(
        lambda kind, body: plain(22, framed(kind, body)),
        st.sampled_from([0, 1, 2, 4, 5, 8, 11, 13, 15, 20, 24, 254]),
        st.binary(max_size=60),
    ),
)


@fuzzed
@given(places, st.lists(junk, min_size=1, max_size=3))
def test_junk_at_every_state(place: tuple[Role, int], pieces: list[bytes]) -> None:
    role, count = place
    end = after(role, count)
    for piece in pieces:
        end.receive(piece)
    check_survives(end)


@fuzzed
@given(places, st.data())
def test_mutated_records_at_every_state(place: tuple[Role, int], draw: st.DataObject) -> None:
    role, count = place
    records = records_for(role)
    count %= len(records)
    end = after(role, count)
    record = bytearray(records[count])
    for _ in range(draw.draw(st.integers(1, 3))):
        at = draw.draw(st.integers(0, len(record) - 1))
        match draw.draw(st.sampled_from(["flip", "cut", "insert", "repeat"])):
            case "flip":
                record[at] ^= 1 << draw.draw(st.integers(0, 7))
            case "cut":
                del record[at : at + draw.draw(st.integers(1, 8))]
            case "insert":
                record[at:at] = draw.draw(st.binary(min_size=1, max_size=8))
            case "repeat":
                record += records[draw.draw(st.integers(0, len(records) - 1))]
        if not record:
            break
    end.receive(bytes(record))
    for later in records[count + 1 :]:
        end.receive(later)
    check_survives(end)


@settings(fuzzed, max_examples=200)
@given(st.sampled_from(Role), st.integers(0, 5), st.data())
def test_mutated_messages_of_a_peer_that_has_the_keys(
    role: Role, nth: int, draw: st.DataObject
) -> None:
    """The peer changes what it says, and hashes what it says: only checks can find it."""
    pair = ConnectionPair(
        replace(replayed_client(), alpn_protocols=(b"x", b"y")),
        replace(replayed_server(), alpn_protocols=(b"y",)),
    )
    liar, honest = ends(pair, role)
    told: list[Any] = []

    def lie(end: End, message: Any, raw: bytes) -> bytes:
        if message not in told:
            told.append(message)
            changed = bytearray(raw)
            if told.index(message) == nth:
                at = draw.draw(st.integers(0, len(raw) - 1))
                match draw.draw(st.sampled_from(["flip", "set", "cut", "insert", "header"])):
                    case "flip":
                        changed[at] ^= 1 << draw.draw(st.integers(0, 7))
                    case "set":
                        changed[at] = draw.draw(st.sampled_from([0, 1, 2, 0x7F, 0x80, 0xFF]))
                    case "cut":
                        del changed[at : at + draw.draw(st.integers(1, 40))]
                    case "insert":
                        changed[at:at] = draw.draw(st.binary(min_size=1, max_size=40))
                    case "header":
                        changed[0] = draw.draw(st.integers(0, 255))
                if draw.draw(st.booleans()) and len(changed) >= 4:  # the length as it should be
                    changed[1:4] = (len(changed) - 4).to_bytes(3, "big")
            kept.append(bytes(changed) or b"\0")
        return kept[told.index(message)]

    kept: list[bytes] = []
    with lying(liar, lie):
        pair.client.connection.start()
        pair.server.connection.start()
        pair.move()
    check_survives(honest)
    if honest.connection.established is None:
        assert honest.connection.peer_identity is None
        assert honest.events == []


# a server sends ServerHello, EncryptedExtensions, CertificateRequest and its proof,
# a client ClientHello and its proof
MOMENTS = [(Role.server, nth) for nth in range(6)] + [(Role.client, nth) for nth in range(4)]


@fuzzed
@given(st.sampled_from(MOMENTS), messages())
def test_any_legal_message_in_any_place(moment: tuple[Role, int], other: Any) -> None:
    """Well-formed, hashed, and hardly ever what the protocol has there."""
    role, nth = moment
    pair = ConnectionPair(replayed_client(), replayed_server())
    liar, honest = ends(pair, role)
    told: list[Any] = []

    def lie(end: End, message: Any, raw: bytes) -> bytes:
        if message not in told:
            told.append(message)
        return encode_handshake(other) if told.index(message) == nth else raw

    with lying(liar, lie):
        pair.client.connection.start()
        pair.server.connection.start()
        pair.move()
    check_survives(honest)
    if honest.connection.established is not None:
        assert type(other) is type(told[nth])  # other parameters, say, and they are legal
    else:
        assert honest.connection.peer_identity is None


@fuzzed
@given(
    st.sampled_from(Role),
    st.lists(
        st.one_of(
            st.tuples(st.sampled_from([0, 20, 21, 22, 23, 24, 255]), st.binary(max_size=40)),
            st.tuples(
                st.just(22),
                st.builds(
                    framed,
                    st.sampled_from([0, 1, 2, 4, 5, 8, 11, 13, 15, 20, 24, 25, 254]),
                    st.binary(max_size=40),
                ),
            ),
        ),
        min_size=1,
        max_size=6,
    ),
)
def test_good_records_with_anything_in_them(role: Role, items: list[tuple[int, bytes]]) -> None:
    pair = ConnectionPair(client_config("alice")).handshake()
    end, other = ends(pair, role)
    if role is Role.server:
        end.connection.request_auth()
        pair.move()
    layer = link_of(other).layer
    for content_type, content in items:
        layer.output.append(layer.outbound.seal(content_type, content))
    end.receive(other.connection.data_to_send())
    check_survives(end)
    assert end.connection.peer_identity == (
        pair.client.connection.peer_identity if role is Role.client else None
    )


@ROLES
def test_every_truncated_stream_waits_or_fails_as_documented(role: Role) -> None:
    for count in range(len(records_for(role))):
        end = after(role, count)
        end.receive(records_for(role)[count][:-1])
        assert end.error is None
        with pytest.raises(TruncationError):
            end.connection.receive_eof()


def test_a_certificate_of_random_bytes_never_breaks_the_parser() -> None:
    """The leaf is parsed by cryptography, whose exceptions are many."""
    der = issued("alice").der

    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, len(der) - 1), st.integers(0, 7), st.booleans())
    def flip(at: int, bit: int, cut: bool) -> None:
        changed = bytearray(der)
        changed[at] ^= 1 << bit
        pair = ConnectionPair(client_config("alice"), server_config(**REQUIRING))

        def lie(end: End, message: Any, raw: bytes) -> bytes:
            if type(message) is not Certificate:
                return raw
            leaf = bytes(changed[:at] if cut and at else changed)
            entry = replace(message.certificate_list[0], cert_data=leaf)
            return framed(11, replace(message, certificate_list=(entry,)).encode())

        with lying(pair.client, lie):
            pair.client.connection.start()
            pair.move()
        check_survives(pair.server)
        assert pair.server.error is not None
        assert pair.server.connection.peer_identity is None

    flip()
