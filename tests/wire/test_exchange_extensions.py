"""Bodies of the extensions that settle the keys, byte by byte."""

from __future__ import annotations

import pytest

from postshake.errors import DecodeError, IllegalParameter, PeerError
from postshake.wire.exchange_extensions import (
    Cookie,
    EarlyDataIndication,
    EarlyDataTicket,
    KeyShareClientHello,
    KeyShareEntry,
    KeyShareHelloRetryRequest,
    KeyShareServerHello,
    PreSharedKeyClientHello,
    PreSharedKeyServerHello,
    PskIdentity,
    PskKeyExchangeModes,
    SupportedGroups,
    SupportedVersionsClientHello,
    SupportedVersionsServerHello,
)
from postshake.wire.extensions import KnownExtension
from tests.wire.bodies import check_body, check_refused

BINDER = bytes(range(32))


@pytest.mark.parametrize(
    ("extension", "body"),
    [
        (SupportedVersionsClientHello((0x0304, 0x0303)), "04 0304 0303"),
        (SupportedVersionsServerHello(0x0304), "0304"),
        (Cookie(b"abc"), "0003 616263"),
        (SupportedGroups((0x001D, 0x11EC)), "0004 001d 11ec"),
        (KeyShareClientHello(()), "0000"),
        (
            KeyShareClientHello((KeyShareEntry(0x1D, b"ab"), KeyShareEntry(0x17, b"c"))),
            "000b 001d 0002 6162 0017 0001 63",
        ),
        (KeyShareServerHello(KeyShareEntry(0x1D, b"ab")), "001d 0002 6162"),
        (KeyShareHelloRetryRequest(0x17), "0017"),
        (PskKeyExchangeModes((1, 0)), "02 01 00"),
        (EarlyDataIndication(), ""),
        (EarlyDataTicket(0x01020304), "01020304"),
        (
            PreSharedKeyClientHello((PskIdentity(b"t", 0x0A0B0C0D),), (BINDER,)),
            "0007 0001 74 0a0b0c0d 0021 20" + BINDER.hex(),
        ),
        (PreSharedKeyServerHello(2), "0002"),
    ],
    ids=repr,
)
def test_body(extension: KnownExtension, body: str) -> None:
    check_body(extension, body)


@pytest.mark.parametrize(
    ("extension", "body", "error", "text"),
    [
        (SupportedVersionsClientHello, "00", DecodeError, "list of 16-bit numbers"),
        (SupportedVersionsClientHello, "03 030403", DecodeError, "got 3 bytes"),
        (SupportedVersionsServerHello, "030403", DecodeError, "got 1 bytes more"),
        (Cookie, "0000", DecodeError, "at least 1 bytes"),
        (SupportedGroups, "0000", DecodeError, "list of 16-bit numbers"),
        (KeyShareClientHello, "0004 001d 0000", DecodeError, "at least 1 bytes"),
        (KeyShareClientHello, "0003 001d 00", DecodeError, "expected 2 bytes"),
        (
            KeyShareClientHello,
            "000a 001d 0001 61 001d 0001 62",
            IllegalParameter,
            "it: expected one share for each group, got two for x25519",
        ),
        (KeyShareServerHello, "001d 0000", DecodeError, "at least 1 bytes"),
        (KeyShareHelloRetryRequest, "00", DecodeError, "expected 2 bytes"),
        (PskKeyExchangeModes, "00", DecodeError, "at least 1 bytes"),
        (EarlyDataIndication, "00000000", DecodeError, "got 4 bytes more"),
        (EarlyDataTicket, "", DecodeError, "expected 4 bytes"),
        (PreSharedKeyClientHello, "0000 0021 20" + "00" * 32, DecodeError, "at least 7 bytes"),
        (
            PreSharedKeyClientHello,
            "0007 0001 74 00000000 0000",
            DecodeError,
            "at least 33 bytes",
        ),
        (
            PreSharedKeyClientHello,
            "0007 0001 74 00000000 0021 1f" + "00" * 31 + "00",
            DecodeError,
            "at least 32 bytes",
        ),
        (
            PreSharedKeyClientHello,
            "0007 0000 00000000 00" + "0021 20" + "00" * 32,
            DecodeError,
            "at least 1 bytes",
        ),
        (
            PreSharedKeyClientHello,
            "000e" + "0001 74 00000000" * 2 + "0021 20" + "00" * 32,
            IllegalParameter,
            "a binder for each of 2 identities, got 1",
        ),
    ],
)
def test_refused(
    extension: type[KnownExtension], body: str, error: type[PeerError], text: str
) -> None:
    check_refused(extension, body, error, text)


@pytest.mark.parametrize("sizes", [(32,), (48, 32), (32, 64, 255)])
def test_binders_length_is_what_follows_the_identities(sizes: tuple[int, ...]) -> None:
    binders = tuple(bytes([size]) * size for size in sizes)
    offer = PreSharedKeyClientHello(tuple(PskIdentity(b"t", 0) for _ in sizes), binders)
    encoded = offer.encode()
    tail = encoded[-offer.binders_length :]
    assert tail[:2] == (len(tail) - 2).to_bytes(2, "big")
    assert tail[3 : 3 + sizes[0]] == binders[0]
    assert encoded[: -offer.binders_length].endswith(PskIdentity(b"t", 0).encode())
