"""Both directions and the bytes between."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postshake.constants import Role
from postshake.crypto.suites import Suite
from postshake.errors import (
    BadRecordMac,
    DecodeError,
    InternalError,
    PeerError,
    RecordOverflow,
    TLSError,
    TooMuch,
    UnexpectedMessage,
)
from postshake.record.layer import RecordLayer
from postshake.record.limits import Limits
from postshake.record.protection import Epoch
from tests.record.records import (
    AES,
    ALERT,
    DATA,
    HANDSHAKE,
    SUITES,
    cut,
    drain,
    flip,
    layer,
    pair,
    plain,
    secret_for,
)

CCS = plain(20, b"\x01")
contents = st.tuples(
    st.sampled_from((ALERT, HANDSHAKE, DATA)),
    st.binary(min_size=1, max_size=40) | st.integers(1, 40_000).map(lambda size: b"\xa5" * size),
)
documented = (BadRecordMac, RecordOverflow, DecodeError, UnexpectedMessage, TooMuch)


def stream_of(sender: RecordLayer, sent: list[tuple[int, bytes]]) -> bytes:
    for content_type, data in sent:
        sender.send(content_type, data)
    return sender.data_to_send()


def drain_until_error(
    receiver: RecordLayer,
) -> tuple[list[tuple[int, bytes]], type[TLSError] | None]:
    """The records up to a documented error, and its class."""
    got = []
    try:
        while (record := receiver.next_record()) is not None:
            got.append(record)
    except documented as error:
        return got, type(error)
    return got, None


def sealed(content_type: int, data: bytes, padding: int = 0) -> bytes:
    """The first record under the shared secret, whatever its type and content."""
    sender, _ = pair()
    return sender.outbound.seal(content_type, data, padding)


# Streams


@settings(max_examples=60)
@given(
    st.lists(contents, max_size=6),
    st.lists(st.integers(0, 30) | st.integers(500, 30_000), max_size=40),
    st.integers(0, 3),
    st.sampled_from((bytes, bytearray, memoryview)),
)
def test_any_cutting_of_the_stream_gives_the_same_records(
    sent: list[tuple[int, bytes]], sizes: list[int], every: int, kind: type
) -> None:
    sender, receiver = pair()
    stream = stream_of(sender, sent)
    _, whole = pair()
    whole.feed(stream)
    expected = drain(whole)
    got = []
    for number, piece in enumerate(cut(stream, sizes)):
        receiver.feed(kind(piece))
        if every and number % every == 0:
            got += drain(receiver)
    got += drain(receiver)
    assert got == expected
    assert receiver.buffered == 0
    for content_type in (ALERT, HANDSHAKE, DATA):
        parts = [data for found, data in got if found == content_type]
        assert b"".join(parts) == b"".join(data for found, data in sent if found == content_type)


@pytest.mark.parametrize("suite", SUITES, ids=str)
@pytest.mark.parametrize("size", [1, 2, 2**14 - 1, 2**14, 2**14 + 1, 2**15, 2**15 + 1])
def test_data_is_fragmented_and_whole_again(suite: Suite, size: int) -> None:
    sender, receiver = pair(suite=suite)
    data = bytes(index % 251 for index in range(size))
    sender.send(DATA, data)
    stream = sender.data_to_send()
    records = -(-size // 2**14)
    assert len(stream) == size + records * (5 + 1 + 16)
    receiver.feed(stream)
    got = drain(receiver)
    assert [len(part) for _, part in got] == [2**14] * (size // 2**14) + [size % 2**14] * (
        size % 2**14 > 0
    )
    assert b"".join(part for _, part in got) == data
    assert receiver.inbound.sequence == sender.outbound.sequence == records


def test_output_is_empty_until_something_is_sent_and_after_it_is_taken() -> None:
    sender, receiver = pair()
    assert not sender.has_output
    assert sender.data_to_send() == b""
    sender.send(DATA, b"one")
    assert sender.has_output
    sender.send(DATA, b"two")
    receiver.feed(sender.data_to_send())
    assert not sender.has_output
    assert sender.data_to_send() == b""
    assert drain(receiver) == [(DATA, b"one"), (DATA, b"two")]


@pytest.mark.parametrize(
    "data",
    [
        bytearray(b"\1\2\3\4\5\6\7\0"),
        memoryview(b"\1\2\3\4\5\6\7\0"),
        memoryview(b"\1\2\3\4\5\6\7\0").cast("I"),
        memoryview(b"\1x\2x\3x\4x\5x\6x\7x\0x")[::2],
    ],
    ids=["bytearray", "memoryview", "cast", "strided"],
)
def test_any_buffer_is_sent_as_its_octets(data: bytearray | memoryview) -> None:
    sender, receiver = pair()
    sender.max_fragment_out = 6
    sender.send(DATA, data)
    receiver.feed(sender.data_to_send())
    assert drain(receiver) == [(DATA, b"\1\2\3\4\5\6"), (DATA, b"\7\0")]


def test_what_cannot_be_sent() -> None:
    sender, _ = pair()
    for content_type in (ALERT, HANDSHAKE):
        with pytest.raises(InternalError, match="got none"):
            sender.send(content_type, b"")
    with pytest.raises(InternalError, match="without any"):
        layer().send(DATA, b"data")
    assert not sender.has_output


def test_a_plain_handshake_is_fragmented_with_its_version() -> None:
    sender, receiver = layer(Role.client), layer()
    sender.legacy_record_version = 0x0301
    sender.max_fragment_out = 3
    sender.send(HANDSHAKE, b"hello")
    stream = sender.data_to_send()
    assert stream == plain(HANDSHAKE, b"hel", 0x0301) + plain(HANDSHAKE, b"lo", 0x0301)
    assert sender.legacy_record_version == 0x0301
    receiver.feed(stream)
    assert drain(receiver) == [(HANDSHAKE, b"hel"), (HANDSHAKE, b"lo")]
    assert receiver.inbound.sequence == sender.outbound.sequence == 2


# Bounds


@pytest.mark.parametrize("size", [0, 1, 2**14])
def test_content_up_to_the_limit_opens(size: int) -> None:
    _, receiver = pair()
    receiver.feed(sealed(DATA, bytes(size)))
    assert drain(receiver) == [(DATA, bytes(size))]


@pytest.mark.parametrize("body", [2**14 + 1 + 16 + 1, 2**14 + 256])
def test_more_content_than_allowed_overflows_only_if_it_authenticates(body: int) -> None:
    suite = AES
    _, receiver = pair()
    key_of = pair()[0].outbound
    header = b"\x17\x03\x03" + body.to_bytes(2, "big")
    inner = bytes(body - 17) + b"\x17"
    record = header + key_of._seal(key_of._iv.to_bytes(12, "big"), inner, header)
    receiver.feed(record)
    with pytest.raises(RecordOverflow, match=f"got {body - 17}"):
        receiver.next_record()
    _, other = pair(suite=suite)
    other.feed(flip(record, 8 * len(record) - 1))
    with pytest.raises(BadRecordMac):
        other.next_record()


def test_a_length_beyond_2_14_plus_256_overflows_at_once() -> None:
    _, receiver = pair()
    receiver.feed(b"\x17\x03\x03" + (2**14 + 257).to_bytes(2, "big"))
    with pytest.raises(RecordOverflow, match="got a length of 16641"):
        receiver.next_record()


@pytest.mark.parametrize("content_type", [ALERT, HANDSHAKE])
def test_plain_records_hold_at_most_2_14(content_type: int) -> None:
    receiver = layer()
    receiver.feed(plain(content_type, bytes(2**14)))
    assert drain(receiver) == [(content_type, bytes(2**14))]
    receiver.feed(plain(content_type, bytes(2**14 + 1)))
    with pytest.raises(RecordOverflow, match="at most 16384 bytes, got 16385"):
        receiver.next_record()


def test_record_size_limit_binds_content_and_padding_both_ways() -> None:
    sender, receiver = pair(padding=lambda content_type, length: 1000)
    sender.max_fragment_out = 100
    receiver.max_plaintext_in = 100
    assert receiver.max_plaintext_in == 100
    sender.send(DATA, bytes(250))
    stream = sender.data_to_send()
    assert len(stream) == 3 * (5 + 100 + 1 + 16)  # all padded to the limit, none beyond
    receiver.feed(stream)
    assert [len(data) for _, data in drain(receiver)] == [100, 100, 50]
    sender.max_fragment_out = 101
    sender.send(DATA, b"x")
    receiver.feed(sender.data_to_send())
    with pytest.raises(RecordOverflow, match="at most 100 bytes"):
        receiver.next_record()


# Padding


@given(
    st.lists(contents, min_size=1, max_size=4),
    st.integers(0, 20_000),
    st.integers(1, 2**14),
)
@settings(max_examples=40)
def test_padding_is_added_within_the_limit_and_taken_off(
    sent: list[tuple[int, bytes]], zeros: int, size: int
) -> None:
    asked: list[tuple[int, int]] = []

    def policy(content_type: int, length: int) -> int:
        asked.append((content_type, length))
        return zeros

    size = max(size, 200)
    sender, receiver = pair(padding=policy)
    sender.max_fragment_out = receiver.max_plaintext_in = size
    stream = stream_of(sender, sent)
    receiver.feed(stream)
    got = drain(receiver)
    assert [(content_type, len(data)) for content_type, data in got] == asked
    assert b"".join(data for _, data in got) == b"".join(data for _, data in sent)
    assert len(stream) == sum(22 + min(length + zeros, size) for _, length in asked)


def test_an_empty_record_may_be_all_padding() -> None:
    sender, receiver = pair(padding=lambda content_type, length: 64)
    sender.send(DATA, b"")
    stream = sender.data_to_send()
    assert len(stream) == 22 + 64
    receiver.feed(stream)
    assert drain(receiver) == [(DATA, b"")]


def test_padding_waits_for_protection() -> None:
    asked: list[int] = []

    def policy(content_type: int, length: int) -> int:
        asked.append(length)
        return 64

    sender = layer(Role.client, padding=policy)
    sender.send(HANDSHAKE, b"hello")
    assert asked == []
    assert sender.data_to_send() == plain(HANDSHAKE, b"hello")


def test_a_padding_policy_that_fails_is_an_internal_error() -> None:
    sender, _ = pair(padding=lambda content_type, length: 1 // 0)
    with pytest.raises(InternalError, match="ZeroDivisionError"):
        sender.send(DATA, b"x")
    sender, _ = pair(padding=lambda content_type, length: -1)
    with pytest.raises(InternalError, match="expected 0 or more, got -1"):
        sender.send(DATA, b"x")


# Tampering


@pytest.mark.parametrize("suite", SUITES, ids=str)
def test_no_flipped_bit_of_a_stream_yields_what_was_not_sent(suite: Suite) -> None:
    sender, _ = pair(suite=suite)
    stream = stream_of(sender, [(DATA, b"first"), (DATA, b"second")])
    first = len(b"first") + 22
    for bit in range(8 * len(stream)):
        _, receiver = pair(suite=suite)
        receiver.feed(flip(stream, bit))
        got, error = drain_until_error(receiver)
        inside = bit // 8 % first
        if error is None:  # a length that grew: the record is not whole yet, for ever
            assert inside in (3, 4)
            assert receiver.buffered
        elif inside in (1, 2) or inside >= 5:  # neither type nor length: only the tag can tell
            assert error is BadRecordMac
        assert got == ([(DATA, b"first")] if bit // 8 >= first else [])


def test_after_a_failure_the_error_is_repeated_and_nothing_opens() -> None:
    sender, receiver = pair()
    bad = flip(sealed(DATA, b"x"), 60)
    receiver.feed(bad)
    with pytest.raises(BadRecordMac) as first:
        receiver.next_record()
    receiver.feed(stream_of(sender, [(DATA, b"good")]))
    with pytest.raises(BadRecordMac) as second:
        receiver.next_record()
    assert repr(second.value) == repr(first.value)
    assert receiver.buffered == 0
    receiver.write_with(AES, secret_for(AES, 8), Epoch.application)
    receiver.send(ALERT, b"\x02\x14")  # the alert still goes out
    assert receiver.has_output


@settings(max_examples=150)
@given(
    st.lists(
        st.binary(max_size=60)
        | st.builds(plain, st.integers(0, 255), st.binary(max_size=50), st.integers(0, 0xFFFF)),
        max_size=8,
    ),
    st.sampled_from(Epoch),
    st.booleans(),
    st.integers(0, 50),
    st.lists(st.integers(0, 20), max_size=20),
)
def test_random_bytes_raise_documented_errors_only(
    junk: list[bytes], epoch: Epoch, ccs: bool, skip: int, sizes: list[int]
) -> None:
    receiver = layer(limits=Limits(change_cipher_specs=2))
    if epoch:
        receiver.read_with(AES, secret_for(AES), epoch)
    receiver.ccs_allowed = ccs
    receiver.skip_early_data = skip
    for piece in cut(b"".join(junk), sizes):
        receiver.feed(piece)
        got, error = drain_until_error(receiver)  # anything undocumented goes through
        for content_type, data in got:
            assert content_type == ALERT or (content_type == HANDSHAKE and not epoch)
            assert data
            assert epoch in (Epoch.plaintext, Epoch.handshake)
        if error is not None:
            assert issubclass(error, PeerError)
            assert error.alert is not None


def test_another_protocol_is_named() -> None:
    receiver = layer()
    receiver.feed(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
    with pytest.raises(DecodeError, match="HTTP request"):
        receiver.next_record()


# What may be in a record


@pytest.mark.parametrize("content_type", [ALERT, HANDSHAKE])
def test_empty_handshake_and_alert_are_unexpected(content_type: int) -> None:
    receiver = layer()
    receiver.feed(plain(content_type, b""))
    with pytest.raises(UnexpectedMessage, match="got none"):
        receiver.next_record()
    for padding in (0, 40):
        _, receiver = pair()
        receiver.feed(sealed(content_type, b"", padding))
        with pytest.raises(UnexpectedMessage, match="got none"):
            receiver.next_record()


@pytest.mark.parametrize("content_type", [1, 19, 20, 24, 255])
def test_other_inner_types_are_unexpected(content_type: int) -> None:
    _, receiver = pair()
    receiver.feed(sealed(content_type, b"\x01"))
    receiver.ccs_allowed = True
    with pytest.raises(UnexpectedMessage, match=rf"got content type {content_type}\b"):
        receiver.next_record()


def test_application_data_before_any_key_is_unexpected() -> None:
    receiver = layer()
    receiver.feed(plain(DATA, b"early"))
    with pytest.raises(UnexpectedMessage, match="before any key"):
        receiver.next_record()


@pytest.mark.parametrize("epoch", [Epoch.early, Epoch.handshake, Epoch.application])
def test_a_plain_handshake_record_under_protection_is_unexpected(epoch: Epoch) -> None:
    _, receiver = pair(epoch)
    receiver.feed(plain(HANDSHAKE, b"\x01\0\0\0"))
    with pytest.raises(UnexpectedMessage, match="expected a protected record"):
        receiver.next_record()


def test_a_plain_alert_is_heard_until_the_first_protected_record() -> None:
    alert = plain(ALERT, b"\x02\x28")
    sender, receiver = pair(Epoch.handshake)
    receiver.feed(alert)
    assert drain(receiver) == [(ALERT, b"\x02\x28")]
    receiver.feed(stream_of(sender, [(HANDSHAKE, b"x")]))
    assert drain(receiver) == [(HANDSHAKE, b"x")]
    receiver.feed(alert)
    with pytest.raises(UnexpectedMessage, match="plaintext of content type 21"):
        receiver.next_record()


@pytest.mark.parametrize("epoch", [Epoch.early, Epoch.application])
def test_a_plain_alert_under_other_keys_is_unexpected(epoch: Epoch) -> None:
    _, receiver = pair(epoch)
    receiver.feed(plain(ALERT, b"\x02\x28"))
    with pytest.raises(UnexpectedMessage):
        receiver.next_record()


# ChangeCipherSpec


@pytest.mark.parametrize("epoch", list(Epoch), ids=lambda epoch: epoch.name)
def test_a_change_cipher_spec_is_dropped_while_allowed(epoch: Epoch) -> None:
    receiver = layer()
    sender = layer(Role.client)
    if epoch:
        sender, receiver = pair(epoch)
    receiver.ccs_allowed = True
    sender.send_change_cipher_spec()
    sender.send(HANDSHAKE, b"x")
    stream = sender.data_to_send()
    assert stream.startswith(CCS)
    receiver.feed(stream)
    assert drain(receiver) == [(HANDSHAKE, b"x")]


def test_a_change_cipher_spec_is_refused_otherwise() -> None:
    for body in (b"", b"\0", b"\2", b"\1\1", b"\1\0"):
        receiver = layer()
        receiver.ccs_allowed = True
        receiver.feed(plain(20, body))
        with pytest.raises(UnexpectedMessage, match="expected one byte of 1"):
            receiver.next_record()
    receiver = layer()
    receiver.feed(CCS)
    with pytest.raises(UnexpectedMessage, match="expected none now"):
        receiver.next_record()


# Floods


def test_change_cipher_specs_are_counted() -> None:
    receiver = layer(limits=Limits(change_cipher_specs=3))
    receiver.ccs_allowed = True
    receiver.feed(3 * CCS)
    assert drain(receiver) == []
    receiver.feed(CCS)
    with pytest.raises(TooMuch, match="ChangeCipherSpec records: expected at most 3, got 4"):
        receiver.next_record()


def test_empty_records_are_counted_in_a_row() -> None:
    sender, receiver = pair(limits=Limits(empty_records=3))
    for _ in range(3):
        for _ in range(3):
            sender.send(DATA, b"")
        sender.send(DATA, b"x")
    receiver.feed(sender.data_to_send())
    assert len(drain(receiver)) == 12
    for _ in range(4):
        sender.send(DATA, b"")
    receiver.feed(sender.data_to_send())
    for _ in range(3):
        assert receiver.next_record() == (DATA, b"")
    with pytest.raises(TooMuch, match="empty records in a row: expected at most 3, got 4"):
        receiver.next_record()


def test_a_hundred_thousand_tiny_records() -> None:
    sender, receiver = pair()
    for _ in range(100_000):
        sender.send(DATA, b"x")
    receiver.feed(sender.data_to_send())
    count = 0
    while receiver.next_record() is not None:
        count += 1
    assert count == 100_000


def test_16_mib_in_one_call() -> None:
    sender, receiver = pair()
    data = bytes(range(256)) * 2**16
    sender.send(DATA, data)
    receiver.feed(sender.data_to_send())
    assert b"".join(part for _, part in drain(receiver)) == data


# Key changes


def test_records_before_a_key_change_use_the_old_key_and_those_after_the_new() -> None:
    sender, receiver = pair(Epoch.handshake)
    sender.send(HANDSHAKE, b"old")
    sender.write_with(AES, secret_for(AES, 9), Epoch.application)  # what is queued stays
    sender.send(DATA, b"new")
    receiver.feed(sender.data_to_send())
    assert receiver.next_record() == (HANDSHAKE, b"old")
    receiver.read_with(AES, secret_for(AES, 9), Epoch.application)
    assert receiver.next_record() == (DATA, b"new")
    assert repr(receiver) == (
        "RecordLayer(server, Inbound(application, generation 0, sequence 1), "
        "Outbound(plaintext, generation 0, sequence 0))"
    )


def test_missing_a_key_change_is_noticed() -> None:
    sender, receiver = pair(Epoch.handshake)
    sender.write_with(AES, secret_for(AES, 9), Epoch.application)
    sender.send(DATA, b"new")
    receiver.feed(sender.data_to_send())
    with pytest.raises(BadRecordMac, match="handshake keys"):
        receiver.next_record()


@given(st.lists(st.sampled_from(("data", "update")), max_size=12))
def test_updates_at_any_place_keep_both_in_step(steps: list[str]) -> None:
    sender, receiver = pair()
    for step in steps:
        if step == "update":
            sender.send(HANDSHAKE, b"\x18\0\0\x01\0")
            sender.update_write()
        else:
            sender.send(DATA, b"data")
    receiver.feed(sender.data_to_send())
    got = []
    while (record := receiver.next_record()) is not None:
        got.append("update" if record[0] == HANDSHAKE else "data")
        if record[0] == HANDSHAKE:
            receiver.update_read()
    assert got == steps
    assert receiver.inbound.generation == sender.outbound.generation == steps.count("update")


# Rejected early data


def early_sender() -> RecordLayer:
    sender = layer(Role.client)
    sender.write_with(AES, secret_for(AES, 3), Epoch.early)
    return sender


def test_rejected_early_data_is_skipped_until_a_record_opens() -> None:
    early = early_sender()
    early_stream = stream_of(early, [(DATA, b"e" * 10)] * 3)
    sender, receiver = pair(Epoch.handshake)
    receiver.skip_early_data = 100
    receiver.feed(early_stream)
    assert drain(receiver) == []
    assert receiver.skip_early_data == 70
    receiver.feed(stream_of(sender, [(HANDSHAKE, b"x")]))
    assert drain(receiver) == [(HANDSHAKE, b"x")]
    receiver.feed(stream_of(early, [(DATA, b"late")]))
    with pytest.raises(BadRecordMac):
        receiver.next_record()


def test_the_budget_for_skipping_is_exact() -> None:
    early = early_sender()
    stream = stream_of(early, [(DATA, b"e" * 10), (DATA, b"e" * 20)])
    _, receiver = pair(Epoch.handshake)
    receiver.skip_early_data = 30
    receiver.feed(stream)
    assert drain(receiver) == []
    _, receiver = pair(Epoch.handshake)
    receiver.skip_early_data = 29
    receiver.feed(stream)
    with pytest.raises(TooMuch, match="at most 19 more bytes, got 20"):
        receiver.next_record()


def test_empty_early_records_cost_something_too() -> None:
    early = early_sender()
    _, receiver = pair(Epoch.handshake)
    receiver.skip_early_data = 5
    receiver.feed(stream_of(early, [(DATA, b"")] * 5))
    assert drain(receiver) == []
    assert receiver.skip_early_data == 0


@pytest.mark.parametrize("epoch", [Epoch.early, Epoch.application])
def test_nothing_is_skipped_under_other_keys(epoch: Epoch) -> None:
    _, receiver = pair(epoch)
    receiver.skip_early_data = 1000
    receiver.feed(stream_of(early_sender(), [(HANDSHAKE, b"x")]))
    with pytest.raises(BadRecordMac):
        receiver.next_record()


def test_nothing_is_skipped_unasked() -> None:
    _, receiver = pair(Epoch.handshake)
    receiver.feed(stream_of(early_sender(), [(DATA, b"x")]))
    with pytest.raises(BadRecordMac):
        receiver.next_record()


def test_after_a_hello_retry_request_early_data_is_skipped_up_to_the_second_hello() -> None:
    early = early_sender()
    receiver = layer()
    receiver.skip_early_data = 100
    receiver.feed(stream_of(early, [(DATA, b"e" * 10)] * 2) + plain(HANDSHAKE, b"hello"))
    assert drain(receiver) == [(HANDSHAKE, b"hello")]
    assert receiver.skip_early_data == 0
    receiver.feed(stream_of(early, [(DATA, b"more")]))
    with pytest.raises(UnexpectedMessage, match="before any key"):
        receiver.next_record()
