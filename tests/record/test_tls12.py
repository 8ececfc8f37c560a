"""Records of TLS 1.2: sealed by hand, opened, bent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postshake.constants import CipherSuite, Role
from postshake.crypto.tls12.suites import TLS12_SUITES, Suite12
from postshake.errors import (
    BadRecordMac,
    InternalError,
    RecordOverflow,
    TLSError,
    TooMuch,
    UnexpectedMessage,
)
from postshake.record.layer import RecordLayer
from postshake.record.limits import Limits
from postshake.record.protection import Epoch
from postshake.record.tls12 import Inbound12, Outbound12
from tests.record.records import ALERT, DATA, HANDSHAKE, drain, flip, plain

CCS = 20
SUITES = tuple(TLS12_SUITES.values())
suites = pytest.mark.parametrize("suite", SUITES, ids=str)
GCM = TLS12_SUITES[CipherSuite.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]
LAST = 2**64 - 1


def keys(suite: Suite12) -> tuple[bytes, bytes]:
    return b"k" * suite.key_length, bytes(range(1, suite.fixed_iv_length + 1))


def both(suite: Suite12 = GCM) -> tuple[Outbound12, Inbound12]:
    outbound, inbound = Outbound12(), Inbound12()
    outbound.install12(suite, *keys(suite))
    inbound.install12(suite, *keys(suite))
    return outbound, inbound


def open_record(inbound: Inbound12, record: bytes) -> tuple[int, bytes]:
    return inbound.open(record[:5], memoryview(record)[5:])


def seal_by_hand(suite: Suite12, sequence: int, content_type: int, data: bytes) -> bytes:
    """A record as RFC 5246 section 6.2.3.3, RFC 5288 and RFC 7905 have it."""
    key, iv = keys(suite)
    number = sequence.to_bytes(8, "big")
    additional = number + bytes((content_type, 3, 3)) + len(data).to_bytes(2, "big")
    if suite.fixed_iv_length == 4:
        nonce, explicit = iv + number, number
    else:
        padded = bytes(4) + number
        nonce = bytes(left ^ right for left, right in zip(iv, padded, strict=True))
        explicit = b""
    body = explicit + suite.aead(key).encrypt(nonce, data, additional)
    return plain(content_type, body)


def layers(suite: Suite12 = GCM, **limits: int) -> tuple[RecordLayer, RecordLayer]:
    sender = RecordLayer(limits=Limits(), role=Role.client)
    receiver = RecordLayer(limits=Limits(**limits), role=Role.server)
    for layer in (sender, receiver):
        layer.enter_tls12()
    sender.write_with12(suite, *keys(suite))
    receiver.read_with12(suite, *keys(suite))
    return sender, receiver


@suites
@pytest.mark.parametrize("sequence", [0, 1, 256, 2**32, LAST])
@pytest.mark.parametrize("content_type", [CCS, ALERT, HANDSHAKE, DATA])
def test_a_record_is_what_the_rfcs_say(suite: Suite12, sequence: int, content_type: int) -> None:
    outbound, inbound = both(suite)
    outbound.sequence = inbound.sequence = sequence
    record = outbound.seal(content_type, b"content")
    assert record == seal_by_hand(suite, sequence, content_type, b"content")
    assert open_record(inbound, record) == (content_type, b"content")
    assert outbound.sequence == inbound.sequence == sequence + 1
    assert inbound.epoch is outbound.epoch is Epoch.application


@suites
def test_every_flipped_bit_is_noticed(suite: Suite12) -> None:
    outbound, inbound = both(suite)
    record = outbound.seal(DATA, b"secret")
    for bit in range(8 * len(record)):
        if bit // 8 in (3, 4):
            continue  # the deframer would cut another record
        with pytest.raises(BadRecordMac, match="record 0"):
            open_record(inbound, flip(record, bit))
    assert open_record(inbound, record) == (DATA, b"secret")


def test_a_peers_explicit_nonce_may_be_any() -> None:
    """It need not be the sequence number (RFC 5288 section 3)."""
    key, iv = keys(GCM)
    _, inbound = both()
    explicit = b"8 octets"
    additional = bytes(8) + bytes((DATA, 3, 3)) + (5).to_bytes(2, "big")
    body = explicit + GCM.aead(key).encrypt(iv + explicit, b"hello", additional)
    assert open_record(inbound, plain(DATA, body)) == (DATA, b"hello")


@suites
@pytest.mark.parametrize("size", range(26))
def test_a_body_shorter_than_nonce_and_tag(suite: Suite12, size: int) -> None:
    _, inbound = both(suite)
    with pytest.raises(BadRecordMac):
        inbound.open(bytes((DATA, 3, 3, 0, size)), bytes(size))
    assert inbound.sequence == 0


def test_records_open_once_and_in_order() -> None:
    outbound, inbound = both()
    first, second = outbound.seal(DATA, b"1"), outbound.seal(DATA, b"2")
    with pytest.raises(BadRecordMac):
        open_record(inbound, second)
    assert open_record(inbound, first) == (DATA, b"1")
    with pytest.raises(BadRecordMac):
        open_record(inbound, first)
    assert open_record(inbound, second) == (DATA, b"2")


@pytest.mark.parametrize("suite", [GCM, SUITES[-1]], ids=str)
@given(data=st.binary(min_size=1, max_size=300), size=st.integers(1, 50))
def test_many_are_the_same_as_one_by_one(suite: Suite12, data: bytes, size: int) -> None:
    one, many = both(suite)[0], both(suite)[0]
    single = [one.seal(DATA, data[at : at + size]) for at in range(0, len(data), size)]
    assert many.seal_many(DATA, data, size) == b"".join(single)
    assert many.sequence == one.sequence


def test_sequence_numbers_end() -> None:
    outbound, inbound = both()
    outbound.sequence = inbound.sequence = 2**64
    with pytest.raises(InternalError, match="used up"):
        outbound.seal(DATA, b"")
    with pytest.raises(InternalError, match="used up"):
        inbound.open(bytes((DATA, 3, 3, 0, 24)), bytes(24))


def test_there_are_no_updates_and_no_padding() -> None:
    outbound, inbound = both()
    outbound.sequence = 2**60
    assert not outbound.wants_update
    for direction in (outbound, inbound):
        with pytest.raises(InternalError, match=r"TLS 1\.2 has none"):
            direction.update()
    with pytest.raises(InternalError, match="without padding"):
        outbound.seal(DATA, b"", padding=1)
    with pytest.raises(InternalError, match="16384"):
        outbound.seal(DATA, bytes(2**14 + 1))


def test_a_record_longer_than_allowed() -> None:
    outbound, inbound = both()
    inbound.max_plaintext = 5
    assert open_record(inbound, outbound.seal(DATA, b"12345")) == (DATA, b"12345")
    with pytest.raises(RecordOverflow, match="at most 5 bytes of content, got 6"):
        open_record(inbound, outbound.seal(DATA, b"123456"))


# The layer


@suites
def test_all_types_pass_the_layer(suite: Suite12) -> None:
    sender, receiver = layers(suite)
    sent = [(HANDSHAKE, b"h" * 40), (CCS, b"\1"), (ALERT, b"\1\0"), (DATA, b"d" * 40_000)]
    for content_type, data in sent:
        sender.send(content_type, data)
    receiver.feed(sender.data_to_send())
    got = drain(receiver)
    assert got[:3] == sent[:3]
    assert b"".join(data for _, data in got[3:]) == sent[3][1]
    assert max(len(data) for _, data in got) == 2**14


def test_plain_records_before_the_keys() -> None:
    receiver = RecordLayer(limits=Limits(), role=Role.server)
    receiver.enter_tls12()
    receiver.feed(plain(HANDSHAKE, b"h") + plain(CCS, b"\1") + plain(ALERT, b"\1\0"))
    assert drain(receiver) == [(HANDSHAKE, b"h"), (CCS, b"\1"), (ALERT, b"\1\0")]


@pytest.mark.parametrize(
    ("record", "error"),
    [
        (plain(DATA, b"early"), UnexpectedMessage),
        (plain(HANDSHAKE, b""), UnexpectedMessage),
        (plain(CCS, b""), UnexpectedMessage),
        (plain(ALERT, b""), UnexpectedMessage),
        (plain(HANDSHAKE, bytes(2**14 + 1)), RecordOverflow),
    ],
)
def test_plain_records_that_are_refused(record: bytes, error: type[TLSError]) -> None:
    receiver = RecordLayer(limits=Limits(), role=Role.server)
    receiver.enter_tls12()
    receiver.feed(record)
    with pytest.raises(error):
        receiver.next_record()


@pytest.mark.parametrize("content_type", [CCS, ALERT, HANDSHAKE, DATA])
def test_nothing_plain_passes_once_there_are_keys(content_type: int) -> None:
    _, receiver = layers()
    receiver.feed(plain(content_type, b"\1"))
    with pytest.raises(BadRecordMac):
        receiver.next_record()


@pytest.mark.parametrize("content_type", [CCS, ALERT, HANDSHAKE])
def test_protected_and_empty(content_type: int) -> None:
    sender, receiver = layers()
    receiver.feed(sender.outbound.seal(content_type, b""))
    with pytest.raises(UnexpectedMessage, match="expected content"):
        receiver.next_record()


def test_empty_data_has_a_limit() -> None:
    sender, receiver = layers(empty_records=2)
    for _ in range(3):
        sender.send(DATA, b"")
    receiver.feed(sender.data_to_send())
    assert receiver.next_record() == (DATA, b"")
    assert receiver.next_record() == (DATA, b"")
    with pytest.raises(TooMuch, match="empty records"):
        receiver.next_record()


def test_padding_policies_are_for_tls_1_3() -> None:
    sender = RecordLayer(limits=Limits(), role=Role.client, padding=lambda kind, size: 100)
    sender.enter_tls12()
    sender.write_with12(GCM, *keys(GCM))
    sender.send(DATA, b"data")
    assert len(sender.data_to_send()) == 5 + 8 + 4 + 16


def test_no_repr_shows_a_key() -> None:
    outbound, inbound = both()
    for direction in (outbound, inbound):
        assert "kk" not in repr(direction)
        assert b"k".hex() * 4 not in repr(direction)
