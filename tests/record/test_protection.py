"""One direction: seal and open, keys and numbers."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postshake.constants import Role
from postshake.crypto.schedule import next_traffic_secret, traffic_keys
from postshake.crypto.suites import Suite
from postshake.errors import BadRecordMac, InternalError, RecordOverflow, UnexpectedMessage
from postshake.record.protection import MAX_GENERATION, Epoch, Inbound, Outbound
from tests.record.records import AES, DATA, HANDSHAKE, SUITES, flip, secret_for
from tests.vectors.rfc8448 import TRACES, Record, Trace

suites = pytest.mark.parametrize("suite", SUITES, ids=str)
LAST = 2**64 - 1


def both(suite: Suite = AES, epoch: Epoch = Epoch.application) -> tuple[Outbound, Inbound]:
    outbound, inbound = Outbound(), Inbound()
    outbound.install(suite, secret_for(suite), epoch)
    inbound.install(suite, secret_for(suite), epoch)
    return outbound, inbound


def open_record(inbound: Inbound, record: bytes) -> tuple[int, bytes]:
    return inbound.open(record[:5], memoryview(record)[5:])


def seal_by_hand(suite: Suite, sequence: int, inner: bytes, secret: bytes | None = None) -> bytes:
    """A record as §5.2 and §5.3 have it, byte by byte."""
    key, iv = traffic_keys(suite, secret or secret_for(suite))
    padded = bytes(4) + sequence.to_bytes(8, "big")
    nonce = bytes(left ^ right for left, right in zip(iv, padded, strict=True))
    header = b"\x17\x03\x03" + (len(inner) + 16).to_bytes(2, "big")
    return header + suite.aead(key).encrypt(nonce, inner, header)


@suites
@pytest.mark.parametrize("sequence", [0, 1, 255, 256, 2**32, LAST])
def test_a_record_is_what_the_rfc_says(suite: Suite, sequence: int) -> None:
    outbound, inbound = both(suite)
    outbound.sequence = inbound.sequence = sequence
    record = outbound.seal(HANDSHAKE, b"content", padding=3)
    assert record == seal_by_hand(suite, sequence, b"content\x16\0\0\0")
    assert open_record(inbound, record) == (HANDSHAKE, b"content")
    assert outbound.sequence == inbound.sequence == sequence + 1


def protected(trace: Trace, sender: Role, epoch: str) -> list[Record]:
    """The protected records of one end: those up to Finished, or those after it."""
    records = [record for record in trace.sent_by(sender) if record.data[0] == DATA]
    end = next(index for index, record in enumerate(records) if has_finished(record)) + 1
    return records[:end] if epoch == "handshake" else records[end:]


def has_finished(record: Record) -> bool:
    payload, at = record.payload, 0
    while record.content_type == HANDSHAKE and at < len(payload):
        if payload[at] == 20:
            return True
        at += 4 + int.from_bytes(payload[at + 1 : at + 4], "big")
    return False


@pytest.mark.parametrize("sender", list(Role), ids=lambda role: role.name)
@pytest.mark.parametrize("name", ["simple", "retry", "client_authentication", "compatibility"])
def test_the_records_of_rfc_8448(name: str, sender: Role) -> None:
    trace = TRACES[name]
    opened = 0
    for epoch, secret in (
        ("handshake", f"{sender.name}_handshake_traffic_secret"),
        ("application", f"{sender.name}_application_traffic_secret_0"),
    ):
        outbound, inbound = Outbound(), Inbound()
        for direction in (outbound, inbound):
            direction.install(AES, trace.secrets[secret], Epoch[epoch])
        for record in protected(trace, sender, epoch):
            assert open_record(inbound, record.data) == (record.content_type, record.payload)
            assert outbound.seal(record.content_type, record.payload) == record.data
            opened += 1
    assert opened >= 2


@suites
@settings(max_examples=30)
@given(
    content_type=st.integers(1, 255),
    data=st.binary(max_size=200) | st.integers(0, 2**14).map(bytes),
    padding=st.integers(0, 300),
    as_view=st.booleans(),
)
def test_what_is_sealed_opens(
    suite: Suite, content_type: int, data: bytes, padding: int, as_view: bool
) -> None:
    padding = min(padding, 2**14 - len(data))
    outbound, inbound = both(suite)
    record = outbound.seal(content_type, memoryview(data) if as_view else data, padding)
    assert len(record) == 5 + len(data) + 1 + padding + 16
    assert open_record(inbound, record) == (content_type, data)


@given(
    data=st.binary(min_size=1, max_size=400),
    size=st.integers(1, 50),
    first=st.integers(0, 3),
    plain=st.booleans(),
)
def test_many_are_the_same_as_one_by_one(data: bytes, size: int, first: int, plain: bool) -> None:
    one, many = both()[0], both()[0]
    if plain:
        one, many = Outbound(), Outbound()
    one.sequence = many.sequence = first
    single = [one.seal(HANDSHAKE, data[at : at + size]) for at in range(0, len(data), size)]
    assert many.seal_many(HANDSHAKE, data, size) == b"".join(single)
    assert many.sequence == one.sequence == first + len(single)


@suites
def test_every_flipped_bit_is_noticed(suite: Suite) -> None:
    outbound, inbound = both(suite)
    record = outbound.seal(DATA, b"secret", padding=2)
    for bit in range(8 * len(record)):
        with pytest.raises(BadRecordMac, match="record 0 of application keys, generation 0"):
            open_record(inbound, flip(record, bit))
        assert inbound.sequence == 0
    assert open_record(inbound, record) == (DATA, b"secret")


@pytest.mark.parametrize("size", range(16))
def test_a_body_shorter_than_a_tag_does_not_authenticate(size: int) -> None:
    _, inbound = both()
    with pytest.raises(BadRecordMac):
        inbound.open(b"\x17\x03\x03\0" + bytes((size,)), bytes(size))


def test_a_record_opens_once_and_in_order_only() -> None:
    outbound, inbound = both()
    first, second = outbound.seal(DATA, b"1"), outbound.seal(DATA, b"2")
    with pytest.raises(BadRecordMac):
        open_record(inbound, second)
    assert open_record(inbound, first) == (DATA, b"1")
    with pytest.raises(BadRecordMac):
        open_record(inbound, first)
    assert open_record(inbound, second) == (DATA, b"2")


@pytest.mark.parametrize("zeros", [0, 1, 100])
def test_nothing_but_zeros_is_unexpected(zeros: int) -> None:
    _, inbound = both()
    with pytest.raises(UnexpectedMessage, match="nothing but padding"):
        open_record(inbound, seal_by_hand(AES, 0, bytes(zeros)))


@pytest.mark.parametrize("limit", [64, 511, 2**14])
def test_content_and_padding_have_one_limit(limit: int) -> None:
    for content, padding in ((limit, 0), (0, limit), (limit - 5, 5)):
        _, inbound = both()
        inbound.max_plaintext = limit
        inner = b"x" * content + b"\x17" + bytes(padding)
        assert open_record(inbound, seal_by_hand(AES, 0, inner)) == (DATA, b"x" * content)
        with pytest.raises(RecordOverflow, match=f"at most {limit} bytes .* got {limit + 1}"):
            open_record(inbound, seal_by_hand(AES, 1, inner + b"\0"))


def test_sealing_more_than_a_record_holds_is_our_fault() -> None:
    outbound, _ = both()
    outbound.seal(DATA, bytes(2**14))
    outbound.seal(DATA, bytes(2**14 - 1), padding=1)
    for data, padding in ((bytes(2**14 + 1), 0), (bytes(2**14), 1), (b"x", -1)):
        with pytest.raises(InternalError, match="at most 16384 bytes"):
            outbound.seal(DATA, data, padding)
    for size in (0, -1, 2**14 + 1):
        with pytest.raises(InternalError, match="fragments"):
            outbound.seal_many(DATA, b"data", size)
    with pytest.raises(InternalError, match="got 0 bytes"):
        outbound.seal_many(DATA, b"", 100)
    assert outbound.sequence == 2


def test_no_sequence_number_comes_after_the_last() -> None:
    outbound, inbound = both()
    outbound.sequence = inbound.sequence = LAST
    assert open_record(inbound, outbound.seal(DATA, b"")) == (DATA, b"")
    for _ in range(2):
        with pytest.raises(InternalError, match="used up"):
            outbound.seal(DATA, b"")
        with pytest.raises(InternalError, match="used up"):
            inbound.open(b"\x17\x03\x03\0\x20", bytes(32))
    outbound.sequence = LAST - 3
    with pytest.raises(InternalError, match="used up"):
        outbound.seal_many(DATA, b"12345", 1)
    assert outbound.sequence == LAST - 3


def test_a_number_is_taken_even_when_sealing_fails() -> None:
    outbound, _ = both()

    def fail(nonce: bytes, data: bytes | memoryview, header: bytes) -> bytes:
        raise MemoryError

    outbound._seal = fail
    for taken in (1, 2):
        with pytest.raises(MemoryError):
            outbound.seal(DATA, b"")
        assert outbound.sequence == taken
    with pytest.raises(MemoryError):
        outbound.seal_many(DATA, b"123", 1)
    assert outbound.sequence == 5


@suites
def test_updates_keep_both_sides_in_step(suite: Suite) -> None:
    outbound, inbound = both(suite)
    secret = secret_for(suite)
    for generation in range(1, 4):
        outbound.seal(DATA, b"under the old key")
        outbound.update()
        inbound.update()
        secret = next_traffic_secret(suite.hash_name, secret)
        assert outbound.traffic_secret == inbound.traffic_secret == secret
        assert (outbound.generation, outbound.sequence) == (generation, 0)
        assert (inbound.generation, inbound.sequence) == (generation, 0)
        assert outbound.epoch is inbound.epoch is Epoch.application
        record = outbound.seal(DATA, b"new")
        assert record == seal_by_hand(suite, 0, b"new\x17", secret)
        assert open_record(inbound, record) == (DATA, b"new")


def test_a_record_of_another_generation_does_not_open() -> None:
    outbound, inbound = both()
    old = outbound.seal(DATA, b"old")
    inbound.update()
    with pytest.raises(BadRecordMac, match="generation 1"):
        open_record(inbound, old)


def test_a_new_epoch_begins_again() -> None:
    outbound, _ = both(epoch=Epoch.handshake)
    outbound.update()
    outbound.seal(HANDSHAKE, b"x")
    outbound.install(AES, secret_for(AES, 9), Epoch.application)
    assert (outbound.epoch, outbound.generation, outbound.sequence) == (Epoch.application, 0, 0)
    assert outbound.seal(DATA, b"") == seal_by_hand(AES, 0, b"\x17", secret_for(AES, 9))


def test_updating_needs_a_secret_and_a_generation_that_is_left() -> None:
    for direction in (Outbound(), Inbound()):
        with pytest.raises(InternalError, match="expected a protected direction"):
            direction.update()
    outbound, inbound = both()
    outbound.generation = inbound.generation = MAX_GENERATION - 1
    outbound.update()
    with pytest.raises(InternalError, match="generations"):
        outbound.update()
    inbound.update()
    inbound.update()  # a receiver does not enforce the sender's bound
    assert outbound.generation == MAX_GENERATION
    assert inbound.generation == MAX_GENERATION + 1


@suites
def test_an_update_is_wanted_at_the_suites_limit(suite: Suite) -> None:
    outbound, _ = both(suite)
    outbound.sequence = suite.records_per_key - 1
    assert not outbound.wants_update
    outbound.seal(DATA, b"")
    assert outbound.wants_update
    outbound.update()
    assert not outbound.wants_update
    assert not Outbound().wants_update


def test_plain_records_bear_the_version_given() -> None:
    outbound = Outbound()
    outbound.legacy_record_version = 0x0301
    assert outbound.seal(HANDSHAKE, b"hello") == b"\x16\x03\x01\x00\x05hello"
    outbound.legacy_record_version = 0x0303
    assert outbound.seal(HANDSHAKE, b"", padding=0) == b"\x16\x03\x03\x00\x00"
    assert not outbound.protected
    with pytest.raises(InternalError, match="application data"):
        outbound.seal(DATA, b"data")


def test_opening_before_any_key_is_our_fault() -> None:
    with pytest.raises(InternalError, match="before any key"):
        Inbound().open(b"\x17\x03\x03\0\x20", bytes(32))


def test_repr_tells_where_it_stands_and_no_secret() -> None:
    outbound, inbound = both()
    outbound.seal(DATA, b"x")
    outbound.update()
    outbound.seal(DATA, b"x")
    assert repr(outbound) == "Outbound(application, generation 1, sequence 1)"
    assert repr(inbound) == "Inbound(application, generation 0, sequence 0)"
