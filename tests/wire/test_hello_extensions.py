"""Bodies of the other extensions of the hellos, byte by byte."""

from __future__ import annotations

import pytest

from postshake.errors import DecodeError, IllegalParameter, InternalError, PeerError
from postshake.wire.extensions import KnownExtension
from postshake.wire.hello_extensions import (
    ApplicationLayerProtocolNegotiation,
    EcPointFormats,
    ExtendedMasterSecret,
    MaxFragmentLength,
    Padding,
    RecordSizeLimit,
    RenegotiationInfo,
    ServerName,
    ServerNameAck,
    SessionTicket,
)
from tests.wire.bodies import check_body, check_refused


@pytest.mark.parametrize(
    ("extension", "body"),
    [
        (ServerName("a.b"), "0006 00 0003 612e62"),
        (ServerNameAck(), ""),
        (MaxFragmentLength(4), "04"),
        (ApplicationLayerProtocolNegotiation((b"h2", b"x")), "0005 02 6832 01 78"),
        (Padding(0), ""),
        (Padding(3), "000000"),
        (RecordSizeLimit(64), "0040"),
        (EcPointFormats((0, 2)), "02 00 02"),
        (ExtendedMasterSecret(), ""),
        (SessionTicket(b""), ""),
        (SessionTicket(b"ab"), "6162"),
        (RenegotiationInfo(b""), "00"),
        (RenegotiationInfo(b"ab"), "02 6162"),
    ],
    ids=repr,
)
def test_body(extension: KnownExtension, body: str) -> None:
    check_body(extension, body)


@pytest.mark.parametrize(
    ("extension", "body", "error", "text"),
    [
        (ServerName, "", DecodeError, "expected 2 bytes"),
        (ServerName, "0000", DecodeError, "at least 1 bytes"),
        (ServerName, "0003 00 0000", DecodeError, "at least 1 bytes"),
        (ServerName, "0004 01 0001 61", IllegalParameter, r"host_name \(0\), got 1"),
        (ServerName, "0008 00 0001 61 00 0001 62", IllegalParameter, "expected one name"),
        (ServerName, "0006 00 0003 610062", IllegalParameter, r"visible ASCII, got b'a\\x00b'"),
        (ServerName, "0005 00 0002 6120", IllegalParameter, "visible ASCII"),
        (ServerName, "0005 00 0002 617f", IllegalParameter, "visible ASCII"),
        (ServerName, "0005 00 0002 c3a9", IllegalParameter, "visible ASCII"),
        (ServerNameAck, "0000", DecodeError, "got 2 bytes more"),
        (MaxFragmentLength, "00", IllegalParameter, "from 1 to 4, got 0"),
        (MaxFragmentLength, "05", IllegalParameter, "from 1 to 4, got 5"),
        (MaxFragmentLength, "0101", DecodeError, "got 1 bytes more"),
        (ApplicationLayerProtocolNegotiation, "0000", DecodeError, "at least 2 bytes"),
        (ApplicationLayerProtocolNegotiation, "0003 00 01 78", DecodeError, "at least 1 bytes"),
        (Padding, "000001", IllegalParameter, "expected zeros"),
        (RecordSizeLimit, "003f", IllegalParameter, "at least 64, got 63"),
        (EcPointFormats, "00", DecodeError, "at least 1 bytes"),
        (ExtendedMasterSecret, "00", DecodeError, "got 1 bytes more"),
        (RenegotiationInfo, "", DecodeError, "expected 1 bytes"),
        (RenegotiationInfo, "0000", DecodeError, "got 1 bytes more"),
    ],
)
def test_refused(
    extension: type[KnownExtension], body: str, error: type[PeerError], text: str
) -> None:
    check_refused(extension, body, error, text)


@pytest.mark.parametrize(("code", "length"), [(1, 512), (2, 1024), (3, 2048), (4, 4096)])
def test_max_fragment_length_in_bytes(code: int, length: int) -> None:
    assert MaxFragmentLength(code).length == length


def test_a_name_of_ours_must_be_ascii() -> None:
    with pytest.raises(InternalError, match="é"):
        ServerName("é.example").encode()
