"""The messages that authenticate, byte by byte."""

from __future__ import annotations

import pytest

from postshake.errors import DecodeError, IllegalParameter
from postshake.wire.auth import (
    Certificate,
    CertificateEntry,
    CertificateRequest,
    CertificateVerify,
    CompressedCertificate,
    Finished,
)
from postshake.wire.extensions import CertificateStatus, Extensions, SignatureAlgorithms


def test_certificate_request() -> None:
    request = CertificateRequest(b"ctx", Extensions((SignatureAlgorithms((0x0403,)),)))
    body = bytes.fromhex("03 637478 0008 000d 0004 0002 0403")
    assert request.encode() == body
    assert CertificateRequest.decode(body) == request


def test_certificate_request_without_extensions_is_readable() -> None:
    """RFC 9846 lowered the bound to 0; the flow misses signature_algorithms."""
    assert CertificateRequest.decode(b"\0\0\0") == CertificateRequest(b"", Extensions())


def test_certificate_request_may_not_offer_post_handshake_auth() -> None:
    with pytest.raises(IllegalParameter, match="post_handshake_auth only in ClientHello"):
        CertificateRequest.decode(bytes.fromhex("00 0004 0031 0000"))


def test_certificate() -> None:
    certificate = Certificate(
        b"c",
        (
            CertificateEntry(b"leaf", Extensions((CertificateStatus(b"ok"),))),
            CertificateEntry(b"ca"),
        ),
    )
    body = bytes.fromhex(
        """
        01 63 00001a
        000004 6c656166 000a 0005 0006 01 000002 6f6b
        000002 6361 0000
        """
    )
    assert certificate.encode() == body
    assert Certificate.decode(body) == certificate


def test_certificate_that_declines() -> None:
    body = bytes.fromhex("03 637478 000000")
    assert Certificate(b"ctx", ()).encode() == body
    assert Certificate.decode(body) == Certificate(b"ctx", ())


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("00", "Certificate: expected 3 bytes at byte 1, got 0"),
        ("00 000005 000000 0000", "at least 1 bytes at byte 7, got 0"),
        ("00 000004 000001 61", "Certificate: expected 2 bytes at byte 8, got 0"),
        ("00 000006 000001 61 0000 00", "expected its end at byte 10, got 1"),
        ("00 000007 000001 61 0000 00", "expected 3 bytes at byte 10, got 1"),
    ],
)
def test_damaged_certificate(body: str, text: str) -> None:
    with pytest.raises(DecodeError, match=text):
        Certificate.decode(bytes.fromhex(body))


def test_certificate_entry_names_itself() -> None:
    with pytest.raises(IllegalParameter, match=r"^Certificate entry: expected each extension"):
        Certificate.decode(bytes.fromhex("00 00000e 000001 61 0008 0a0a 0000 0a0a 0000"))


def test_certificate_verify() -> None:
    verify = CertificateVerify(0x0403, b"sig")
    assert verify.encode().hex() == "04030003736967"
    assert CertificateVerify.decode(verify.encode()) == verify


@pytest.mark.parametrize("body", ["", "0403", "0403 0002 61", "0403 0001 6161"])
def test_damaged_certificate_verify(body: str) -> None:
    with pytest.raises(DecodeError, match="CertificateVerify: expected"):
        CertificateVerify.decode(bytes.fromhex(body))


@pytest.mark.parametrize("length", [0, 1, 32, 48, 200])
def test_finished_is_what_is_there(length: int) -> None:
    data = bytes(range(length))
    assert Finished.decode(data) == Finished(data)
    assert Finished(data).encode() == data


def test_compressed_certificate() -> None:
    body = bytes.fromhex("0001 000102 000003 616263")
    message = CompressedCertificate(1, 258, b"abc")
    assert message.encode() == body
    assert CompressedCertificate.decode(body) == message


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("0001 0001", "CompressedCertificate: expected 3 bytes at byte 2, got 2"),
        ("0001 000102 000000", "at least 1 bytes at byte 8, got 0"),
        (
            "0001 000102 000002 61",
            "expected a vector of 2 bytes at byte 8, got 1",
        ),
        ("0001 000102 000001 61 00", "expected its end at byte 9, got 1"),
    ],
)
def test_damaged_compressed_certificate(body: str, text: str) -> None:
    with pytest.raises(DecodeError, match=text):
        CompressedCertificate.decode(bytes.fromhex(body))
