"""Bodies of the extensions about certificates, byte by byte."""

from __future__ import annotations

import pytest

from postshake.errors import DecodeError, IllegalParameter, PeerError
from postshake.wire.auth_extensions import (
    CertificateAuthorities,
    CertificateStatus,
    CompressCertificate,
    OidFilter,
    OidFilters,
    PostHandshakeAuth,
    SignatureAlgorithms,
    SignatureAlgorithmsCert,
    SignedCertificateTimestampRequest,
    SignedCertificateTimestamps,
    StatusRequest,
    StatusRequestEmpty,
)
from postshake.wire.extensions import KnownExtension
from tests.wire.bodies import check_body, check_refused


@pytest.mark.parametrize(
    ("extension", "body"),
    [
        (SignatureAlgorithms((0x0403, 0x0804)), "0004 0403 0804"),
        (SignatureAlgorithmsCert((0x0401,)), "0002 0401"),
        (CertificateAuthorities((b"ab", b"c")), "0007 0002 6162 0001 63"),
        (OidFilters(()), "0000"),
        (
            OidFilters((OidFilter(b"\x55", b"ab"), OidFilter(b"\x56", b""))),
            "000a 01 55 0002 6162 01 56 0000",
        ),
        (PostHandshakeAuth(), ""),
        (StatusRequest(), "01 0000 0000"),
        (StatusRequest(1, bytes.fromhex("0003 0001 61 0001 62")), "01 0003 0001 61 0001 62"),
        (StatusRequest(7, b"whatever"), "07" + b"whatever".hex()),
        (StatusRequestEmpty(), ""),
        (CertificateStatus(b"ocsp"), "01 000004 6f637370"),
        (SignedCertificateTimestampRequest(), ""),
        (
            SignedCertificateTimestamps(bytes.fromhex("0007 0002 6162 0001 63")),
            "0007 0002 6162 0001 63",
        ),
        (CompressCertificate((1, 3)), "04 0001 0003"),
    ],
    ids=repr,
)
def test_body(extension: KnownExtension, body: str) -> None:
    check_body(extension, body)


@pytest.mark.parametrize(
    ("extension", "body", "error", "text"),
    [
        (SignatureAlgorithms, "0000", DecodeError, "list of 16-bit numbers"),
        (SignatureAlgorithms, "0003 040308", DecodeError, "got 3 bytes"),
        (SignatureAlgorithmsCert, "0000", DecodeError, "list of 16-bit numbers"),
        (CertificateAuthorities, "0000", DecodeError, "at least 3 bytes"),
        (CertificateAuthorities, "0005 0000 0001 61", DecodeError, "at least 1 bytes"),
        (OidFilters, "0003 00 0000", DecodeError, "at least 1 bytes"),
        (OidFilters, "0002 01 55", DecodeError, "expected 2 bytes"),
        (PostHandshakeAuth, "00", DecodeError, "got 1 bytes more"),
        (StatusRequest, "", DecodeError, "expected 1 bytes"),
        (StatusRequest, "01 0000 0000 00", DecodeError, "got 1 bytes more"),
        (StatusRequest, "01 0000", DecodeError, "expected 2 bytes"),
        (StatusRequest, "01 0002 0000 0000", DecodeError, "at least 1 bytes"),
        (StatusRequestEmpty, "01", DecodeError, "got 1 bytes more"),
        (CertificateStatus, "01 000000", DecodeError, "at least 1 bytes"),
        (
            CertificateStatus,
            "02 000001 61",
            IllegalParameter,
            r"it: expected the status type ocsp \(1\), got 2",
        ),
        (SignedCertificateTimestampRequest, "00", DecodeError, "got 1 bytes more"),
        (SignedCertificateTimestamps, "0000", DecodeError, "at least 1 bytes"),
        (SignedCertificateTimestamps, "0002 0000", DecodeError, "at least 1 bytes"),
        (SignedCertificateTimestamps, "0003 0001 61 00", DecodeError, "got 1 bytes more"),
        (CompressCertificate, "00", DecodeError, "list of 16-bit numbers"),
        (CompressCertificate, "01 00", DecodeError, "list of 16-bit numbers"),
    ],
)
def test_refused(
    extension: type[KnownExtension], body: str, error: type[PeerError], text: str
) -> None:
    check_refused(extension, body, error, text)
