"""Messages that only TLS 1.2 has: there and back, cut short, and byte by byte."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postshake.constants import HandshakeType
from postshake.errors import DecodeError, IllegalParameter, PeerError, UnexpectedMessage
from postshake.wire.auth import Finished
from postshake.wire.handshake import decode_handshake, decode_handshake12, encode_handshake
from postshake.wire.post_handshake import NewSessionTicket
from postshake.wire.tls12 import (
    Certificate12,
    CertificateRequest12,
    CertificateStatus12,
    ChangeCipherSpec,
    ClientKeyExchange,
    HelloRequest,
    NewSessionTicket12,
    ServerEcdhParams,
    ServerHelloDone,
    ServerKeyExchange,
)
from tests.strategies12 import MESSAGES12

kinds = pytest.mark.parametrize("kind", MESSAGES12, ids=lambda kind: kind.__name__)


@kinds
@given(data=st.data())
def test_there_and_back(kind: type[Any], data: st.DataObject) -> None:
    message = data.draw(MESSAGES12[kind])
    raw = encode_handshake(message)
    assert raw[0] == kind.handshake_type
    assert int.from_bytes(raw[1:4], "big") == len(raw) - 4
    decoded = decode_handshake12(raw[0], raw[4:])
    assert decoded == message
    assert type(decoded) is kind


@kinds
@given(data=st.data())
def test_no_proper_prefix_decodes_and_nothing_longer(kind: type[Any], data: st.DataObject) -> None:
    body = data.draw(MESSAGES12[kind]).encode()
    for wrong in (*(body[:end] for end in range(len(body))), body + b"\0"):
        with pytest.raises(DecodeError):
            kind.decode(wrong)


@kinds
@given(body=st.binary(max_size=60))
def test_any_bytes_decode_or_fail_properly(kind: type[Any], body: bytes) -> None:
    try:
        message = kind.decode(body)
    except PeerError:
        return
    assert message.encode() == body


@pytest.mark.parametrize(
    ("message", "body"),
    [
        (HelloRequest(), ""),
        (ServerHelloDone(), ""),
        (Certificate12(()), "000000"),
        (Certificate12((b"ab", b"c")), "000009 000002 6162 000001 63"),
        (CertificateStatus12(b"ocsp"), "01 000004 6f637370"),
        (
            ServerKeyExchange(ServerEcdhParams(0x001D, b"key"), 0x0403, b"sig"),
            "03 001d 03 6b6579 0403 0003 736967",
        ),
        (
            CertificateRequest12((64, 1), (0x0403, 0x0804), (b"ca",)),
            "02 40 01 0004 0403 0804 0004 0002 6361",
        ),
        (CertificateRequest12((1,), (0x0401,)), "01 01 0002 0401 0000"),
        (ClientKeyExchange(b"key"), "03 6b6579"),
        (NewSessionTicket12(7200, b"ticket"), "00001c20 0006 7469636b6574"),
        (NewSessionTicket12(0, b""), "00000000 0000"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_byte_by_byte(message: Any, body: str) -> None:
    assert message.encode() == bytes.fromhex(body)
    assert type(message).decode(bytes.fromhex(body)) == message


@pytest.mark.parametrize(
    ("kind", "body", "error", "text"),
    [
        (Certificate12, "000003 000000", DecodeError, "at least 1"),
        (CertificateStatus12, "01 000000", DecodeError, "at least 1"),
        (CertificateStatus12, "02 000001 00", IllegalParameter, "status type ocsp"),
        (ServerKeyExchange, "01 001d 01 00 0403 0000", IllegalParameter, "named_curve"),
        (ServerKeyExchange, "03 001d 00 0403 0000", DecodeError, "at least 1"),
        (ClientKeyExchange, "00", DecodeError, "at least 1"),
        (CertificateRequest12, "00 0002 0401 0000", DecodeError, "at least 1"),
        (CertificateRequest12, "01 01 0000 0000", DecodeError, "list of 16-bit"),
        (CertificateRequest12, "01 01 0003 040104 0000", DecodeError, "list of 16-bit"),
        (CertificateRequest12, "01 01 0002 0401 0002 0000", DecodeError, "at least 1"),
    ],
)
def test_what_is_refused(kind: Any, body: str, error: type[PeerError], text: str) -> None:
    with pytest.raises(error, match=text) as caught:
        kind.decode(bytes.fromhex(body))
    assert type(caught.value) is error


def test_change_cipher_spec() -> None:
    assert ChangeCipherSpec.decode(b"\1") == ChangeCipherSpec()
    assert ChangeCipherSpec().encode() == b"\1"


@pytest.mark.parametrize("body", [b"", b"\0", b"\2", b"\1\1", b"\1\0"])
def test_change_cipher_spec_of_another_kind(body: bytes) -> None:
    with pytest.raises(UnexpectedMessage, match="one byte of 1"):
        ChangeCipherSpec.decode(body)


def test_each_version_reads_its_own_shapes() -> None:
    body = bytes.fromhex("00001c20 00000000 01 00 0001 00 0000")
    assert isinstance(decode_handshake(4, body), NewSessionTicket)
    with pytest.raises(DecodeError):
        decode_handshake12(4, body)
    assert decode_handshake12(20, b"x" * 12) == Finished(b"x" * 12)


@pytest.mark.parametrize(
    "code",
    [
        HandshakeType.end_of_early_data,
        HandshakeType.encrypted_extensions,
        HandshakeType.key_update,
        HandshakeType.compressed_certificate,
        99,
    ],
)
def test_tls_1_2_has_no_such_message(code: int) -> None:
    with pytest.raises(UnexpectedMessage, match=r"expected a handshake message of TLS 1\.2"):
        decode_handshake12(code, b"")


@pytest.mark.parametrize("kind", [HelloRequest, ServerHelloDone, ClientKeyExchange])
def test_tls_1_3_has_none_of_these(kind: Any) -> None:
    with pytest.raises(UnexpectedMessage, match=r"expected a handshake message of TLS 1\.3"):
        decode_handshake(kind.handshake_type, b"")
