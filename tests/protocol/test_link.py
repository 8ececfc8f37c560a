"""Flights, and what a conversation may do to its connection."""

from __future__ import annotations

import hashlib

import pytest

from postshake.constants import AlertDescription, ContentType, KeyUpdateRequest
from postshake.crypto.suites import TLS13_SUITES
from postshake.errors import InternalError, UnexpectedMessage
from postshake.events import Direction, TraceEntry
from postshake.protocol.link import Flight, Link, trace_epoch
from postshake.protocol.transcript import Transcript
from postshake.record.layer import RecordLayer
from postshake.record.limits import Limits
from postshake.record.protection import Epoch
from postshake.wire.auth import Certificate, CertificateEntry, Finished
from postshake.wire.handshake import encode_handshake
from postshake.wire.post_handshake import KeyUpdate
from tests.pair import ConnectionPair, client_config
from tests.protocol.links import link

AES = TLS13_SUITES[0x1301]
FINISHED = Finished(b"f" * 32)
CERTIFICATE = Certificate(b"ctxt!", (CertificateEntry(b"der"),))


def reader_of(sender: Link, secret: bytes) -> RecordLayer:
    reader = RecordLayer(limits=Limits(), role=sender.role.peer)
    reader.read_with(AES, secret, Epoch.application)
    reader.feed(sender.layer.data_to_send())
    return reader


def test_a_flight_is_hashed_as_it_is_written() -> None:
    flight = Flight(Transcript("sha256", b"before"))
    raw = [encode_handshake(CERTIFICATE), encode_handshake(FINISHED)]
    flight.add(CERTIFICATE)
    assert flight.digest() == hashlib.sha256(b"before" + raw[0]).digest()
    flight.add(FINISHED)
    assert flight.digest() == hashlib.sha256(b"before" + raw[0] + raw[1]).digest()
    assert flight.parts == raw
    assert flight.messages == [CERTIFICATE, FINISHED]


def test_a_flight_leaves_in_one_record_if_it_fits_and_once() -> None:
    secret = b"s" * 32
    ours = link()
    ours.write_with(AES, secret, Epoch.application)
    flight = Flight(Transcript("sha256"))
    flight.add(CERTIFICATE)
    flight.add(FINISHED)
    ours.send(flight)
    whole = encode_handshake(CERTIFICATE) + encode_handshake(FINISHED)
    reader = reader_of(ours, secret)
    assert reader.next_record() == (ContentType.handshake, whole)
    assert reader.next_record() is None
    assert (flight.parts, flight.messages) == ([], [])
    with pytest.raises(InternalError):
        ours.send(flight)


def test_a_long_flight_leaves_in_full_records() -> None:
    secret = b"s" * 32
    ours = link()
    ours.write_with(AES, secret, Epoch.application)
    flight = Flight(Transcript("sha256"))
    flight.add(Certificate(b"", (CertificateEntry(bytes(40000)),)))
    ours.send(flight)
    reader = reader_of(ours, secret)
    sizes = []
    while (record := reader.next_record()) is not None:
        sizes.append(len(record[1]))
    assert sizes == [2**14, 2**14, 40000 + 13 - 2**15]


def test_records_stay_within_what_was_negotiated() -> None:
    ours = link()
    ours.limit_records(sent=101, received=65)
    assert (ours.layer.max_fragment_out, ours.layer.max_plaintext_in) == (100, 64)
    ours.limit_records(sent=2**14 + 1, received=None)
    assert (ours.layer.max_fragment_out, ours.layer.max_plaintext_in) == (2**14, 64)
    ours.limit_records(sent=0xFFFF, received=None)
    assert ours.layer.max_fragment_out == 2**14


def test_there_is_no_secret_before_there_is_one() -> None:
    ours = link()
    for name in ("reading_secret", "writing_secret"):
        with pytest.raises(InternalError, match="needed before there is one"):
            getattr(ours, name)
    ours.write_with(AES, b"w" * 32, Epoch.handshake)
    ours.read_with(AES, b"r" * 32, Epoch.handshake)
    assert (ours.writing_secret, ours.reading_secret) == (b"w" * 32, b"r" * 32)


def test_keys_change_only_where_a_record_ends() -> None:
    ours = link()
    ours.reassembly.feed(b"\x08")
    with pytest.raises(UnexpectedMessage, match="got 1 more bytes"):
        ours.read_with(AES, b"r" * 32, Epoch.handshake)
    assert ours.inbound.epoch is Epoch.plaintext


def test_secrets_are_logged_in_the_format_that_wireshark_reads() -> None:
    lines: list[str] = []
    link(keylog=lines.append).log_secret("LABEL", b"\x01" * 32, b"\xab" * 32)
    assert lines == ["LABEL " + "01" * 32 + " " + "ab" * 32]
    link().log_secret("LABEL", b"\x01" * 32, b"\xab" * 32)  # to nobody


def test_the_trace_shows_each_message() -> None:
    seen: list[TraceEntry] = []
    ours = link(trace=seen.append)
    ours.send_change_cipher_spec()
    ours.write_with(AES, b"s" * 32, Epoch.handshake)
    flight = Flight(Transcript("sha256"))
    flight.add(CERTIFICATE)
    flight.add(FINISHED)
    ours.send(flight)
    ours.write_with(AES, b"s" * 32, Epoch.application)
    ours.layer.update_write()
    ours.send_message(KeyUpdate(KeyUpdateRequest.update_not_requested))
    sent = Direction.sent
    assert seen == [
        TraceEntry(sent, "ChangeCipherSpec", 1, "plaintext"),
        TraceEntry(sent, "Certificate", 4 + 6 + 3 + 8, "handshake", "context 63747874…"),
        TraceEntry(sent, "Finished", 36, "handshake"),
        TraceEntry(sent, "KeyUpdate", 5, "application 1"),
    ]


def test_epochs_have_names() -> None:
    ours = link()
    assert trace_epoch(ours.inbound) == "plaintext"
    ours.read_with(AES, b"s" * 32, Epoch.application)
    assert trace_epoch(ours.inbound) == "application 0"
    ours.layer.update_read()
    assert trace_epoch(ours.inbound) == "application 1"


def test_a_trace_of_a_whole_connection() -> None:
    seen: list[TraceEntry] = []
    pair = ConnectionPair(client_config(trace=seen.append)).handshake()
    pair.client.connection.send_data(b"hello")
    pair.server.connection.send_data(b"hi")
    pair.move()
    pair.client.connection.close()
    pair.server.connection.close()
    pair.move()
    found = [
        (entry.direction is Direction.sent, entry.what, entry.epoch)
        for entry in seen
        if entry.what != "ChangeCipherSpec"
    ]
    assert found == [
        (True, "ClientHello", "plaintext"),
        (False, "ServerHello", "plaintext"),
        (False, "EncryptedExtensions", "handshake"),
        (False, "Certificate", "handshake"),
        (False, "CertificateVerify", "handshake"),
        (False, "Finished", "handshake"),
        (True, "Finished", "handshake"),
        (True, "application data", "application 0"),
        (False, "application data", "application 0"),
        (True, f"Alert {AlertDescription.close_notify.name}", "application 0"),
        (False, "Alert close_notify", "application 0"),
    ]
    assert [entry.size for entry in seen if entry.what == "application data"] == [5, 2]
