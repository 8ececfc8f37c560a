"""What holds for reauth whatever the bytes are."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any

from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from postshake.constants import (
    HandshakeType,
    Role,
)
from postshake.errors import (
    BadRecordMac,
    TLSError,
)
from postshake.events import (
    PeerKeyUpdated,
    ReauthAnswered,
    ReauthCompleted,
)
from postshake.pki.credential import Credential
from postshake.wire.auth import (
    Certificate,
    CertificateVerify,
    Finished,
)
from postshake.wire.codec import u8, vec24
from postshake.wire.handshake import encode_handshake
from postshake.wire.post_handshake import NewSessionTicket
from tests.hostile import (
    capture_answer,
    rewriting,
    send_handshake,
)
from tests.pair import (
    ConnectionPair,
    End,
    client_config,
    counting_random,
    issued,
    server_config,
)

QUICK = settings(derandomize=True, deadline=None, database=None)
ED25519 = issued("eve", key_type="ed25519").credential()


def ready(credential: Credential = ED25519) -> tuple[ConnectionPair, bytes]:
    """A pair that waits for one answer; every time the same."""
    pair = ConnectionPair(
        client_config(credentials=(credential,), random=counting_random("c")),
        server_config(random=counting_random("s")),
    ).handshake()
    return pair, pair.ask()


def flipped(data: bytes, position: int) -> bytes:
    """Flip one bit; the numbers that Hypothesis likes are spread over all of them."""
    at, bit = divmod(position * 2654435761 % (8 * len(data)), 8)
    changed = bytearray(data)
    changed[at] ^= 1 << bit
    return bytes(changed)


def assert_unproven(pair: ConnectionPair) -> None:
    pair.move()
    assert pair.server.connection.peer_identity is None
    assert pair.server.connection.identity_history == ((0, None),)
    for event in pair.server.of(ReauthCompleted):
        assert event.identity is None
    assert isinstance(pair.server.error, TLSError | None)


@given(st.integers(0, 2**20))
@settings(QUICK, max_examples=150)
def test_no_flipped_bit_on_the_wire_yields_an_identity(position: int) -> None:
    """Any bit of the sealed answer, header included, is missed by the tag."""
    pair, context = ready()
    pair.client.connection.answer_auth(context, ED25519)
    pair.client.settle()
    wire = pair.client.connection.data_to_send()
    pair.server.receive(flipped(wire, position))
    assert_unproven(pair)
    if flipped(wire, position)[:5] == wire[:5]:
        assert type(pair.server.error) is BadRecordMac


@given(st.integers(0, 2**20))
@settings(QUICK, max_examples=800)
def test_no_flipped_bit_of_the_messages_yields_an_identity(position: int) -> None:
    """Flipped before sealing, so that every record is good: the proofs must find it."""
    pair, context = ready()
    flight = b"".join(capture_answer(pair.client, context, ED25519))
    send_handshake(pair.client, flipped(flight, position))
    assert_unproven(pair)


@given(st.integers(0, 2), st.integers(0, 2**20))
@settings(QUICK, max_examples=200)
def test_no_flipped_bit_that_is_hashed_consistently_yields_an_identity(
    index: int, position: int
) -> None:
    """The liar even signs and finishes over its own flipped message.

    Only what the later messages prove may differ then: the flip is in the
    Certificate, whose leaf's key no longer fits or no longer is trusted, or in a
    proof itself.
    """
    kind = (Certificate, CertificateVerify, Finished)[index]
    pair, context = ready()
    lied: list[bytes] = []

    def lie(honest: Any) -> bytes:
        lied.append(flipped(encode_handshake(honest), position))
        return lied[0]

    with rewriting(kind, lie):
        pair.give(context, ED25519)
    assert_unproven(pair)


@given(
    st.lists(st.integers(1, 600), min_size=1, max_size=40),
    st.lists(st.integers(1, 600), min_size=1, max_size=40),
)
@settings(QUICK, max_examples=60)
def test_any_split_of_the_stream_gives_the_same_events(
    to_server: list[int], to_client: list[int]
) -> None:
    def cutter(sizes: Iterable[int]) -> Callable[[bytes], list[bytes]]:
        endless = itertools.cycle(sizes)

        def cut(data: bytes) -> list[bytes]:
            pieces = []
            while data:
                size = next(endless)
                pieces.append(data[:size])
                data = data[size:]
            return pieces

        return cut

    def story(server_cut: Any, client_cut: Any) -> list[Any]:
        pair, first = ready()
        cuts = {"server": server_cut, "client": client_cut}

        def carry() -> None:
            for source, target, name in (
                (pair.server, pair.client, "client"),
                (pair.client, pair.server, "server"),
            ):
                source.settle()
                for piece in cuts[name](source.connection.data_to_send()):
                    target.receive(piece)

        client, server = pair.client.connection, pair.server.connection
        second = server.request_auth()
        client.send_data(b"one" * 100)
        server.key_update(request_peer=True)
        server.send_data(b"two" * 100)
        carry()
        client.answer_auth(second, None)
        client.send_data(b"three" * 100)
        client.key_update(request_peer=True)
        client.answer_auth(first, ED25519)
        pair.client.settle()
        client.send_data(b"four" * 100)
        send_handshake(pair.server, NewSessionTicket(60, 0, b"n", b"t" * 300))
        carry()
        client.send_data(b"five")
        client.close()
        carry()
        carry()

        def plain(end: End) -> list[Any]:
            return [
                (type(event), getattr(event, "context", None), getattr(event, "outcome", None))
                + (() if isinstance(event, ReauthAnswered | ReauthCompleted) else (event.position,))
                for event in end.events
                if not isinstance(event, PeerKeyUpdated)
            ]

        assert pair.client.error is None
        assert pair.server.error is None
        return [
            plain(pair.client),
            plain(pair.server),
            pair.client.data,
            pair.server.data,
            len(pair.client.of(PeerKeyUpdated)),
            len(pair.server.of(PeerKeyUpdated)),
        ]

    whole = story(lambda data: [data], lambda data: [data])
    split = story(cutter(to_server), cutter(to_client))
    # updates that come in one batch are answered once
    assert whole[:4] == split[:4]


TYPES = st.one_of(st.sampled_from([int(each) for each in HandshakeType]), st.integers(0, 255))


@given(st.sampled_from(Role), st.lists(st.tuples(TYPES, st.binary(max_size=60)), min_size=1))
@settings(QUICK, max_examples=150)
def test_random_messages_raise_only_our_own_errors(
    to: Role, messages: list[tuple[int, bytes]]
) -> None:
    """Whatever comes after the handshake: a documented error and its alert, or nothing."""
    pair, _ = ready()
    victim, sender = (pair.server, pair.client) if to is Role.server else (pair.client, pair.server)
    send_handshake(sender, *(u8(kind) + vec24(body) for kind, body in messages))
    victim.receive(sender.connection.data_to_send())
    assert isinstance(victim.error, TLSError | None)
    assert repr(victim.connection.failure) == repr(victim.error)
    assert pair.server.connection.peer_identity is None


@given(st.sampled_from(Role), st.binary(min_size=1, max_size=200))
@settings(QUICK, max_examples=100)
def test_random_bytes_as_handshake_records_raise_only_our_own_errors(to: Role, data: bytes) -> None:
    pair, _ = ready()
    victim, sender = (pair.server, pair.client) if to is Role.server else (pair.client, pair.server)
    send_handshake(sender, data)
    victim.receive(sender.connection.data_to_send())
    assert isinstance(victim.error, TLSError | None)
    assert pair.server.connection.peer_identity is None


def test_what_the_properties_flip_is_an_answer_that_would_be_accepted() -> None:
    """Else they would show nothing."""
    pair, context = ready()
    send_handshake(pair.client, *capture_answer(pair.client, context, ED25519))
    pair.move()
    identity = pair.server.connection.peer_identity
    assert identity is not None
    assert identity.certificate == x509.load_der_x509_certificate(ED25519.chain[0])
