"""DER as a tree of elements, and BER made into DER."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postshake.pki.elements import INTEGER, OCTET_STRING, SEQUENCE, definite, elements
from tests.vectors.rfc9881 import tlv

INDEFINITE, END = b"\x80", b"\0\0"


def test_elements():
    data = tlv(0x30, tlv(0x02, b"\x05") + tlv(0x04, b"octets")) + tlv(0x05, b"")
    sequence, null = elements(data)
    assert (sequence.tag, null.tag) == (SEQUENCE, 5)
    assert sequence.der + null.der == data
    number, octets = sequence.parts()
    assert (number.number(), octets.expect(OCTET_STRING)) == (5, b"octets")
    assert elements(b"") == ()


@pytest.mark.parametrize(
    ("data", "call"),
    [
        (b"\x30", lambda each: each),
        (b"\x30\x05\0", lambda each: each),
        (tlv(0x04, b""), lambda each: each.number()),
        (tlv(0x02, b""), lambda each: each.number()),
        (tlv(0x02, b"\xff"), lambda each: each.number()),
        (tlv(0x04, b""), lambda each: each.parts()),
        (tlv(0x30, b"\x04"), lambda each: each.parts()),
        (tlv(0x02, b"\0"), lambda each: each.expect(SEQUENCE)),
        (tlv(0x02, b"\0"), lambda each: each.dotted()),
        (tlv(0x30, b""), lambda each: each.algorithm()),
        (tlv(0x30, tlv(0x06, b"\x2a") + b"\5\0\5\0"), lambda each: each.algorithm()),
    ],
    ids=range(11),
)
def test_what_is_something_else(data, call):
    with pytest.raises(ValueError):  # noqa: PT011 - whatever the text
        call(*elements(data))


def test_algorithms():
    (element,) = elements(tlv(0x30, tlv(0x06, b"\x2a\x03") + b"\x05\0"))
    oid, (parameter,) = element.algorithm()
    assert (oid, parameter.der) == ("1.2.3", b"\x05\0")
    (element,) = elements(tlv(0x30, tlv(0x06, b"\x2a\x03")))
    assert element.algorithm() == ("1.2.3", ())
    assert INTEGER == 2


@pytest.mark.parametrize(
    ("ber", "der"),
    [
        (tlv(0x30, tlv(0x02, b"\x05")), tlv(0x30, tlv(0x02, b"\x05"))),
        (b"\x30\x80" + tlv(0x02, b"\x05") + END, tlv(0x30, tlv(0x02, b"\x05"))),
        (b"\x30\x80\x30\x80" + END + END + tlv(4, b""), tlv(0x30, tlv(0x30, b"")) + tlv(4, b"")),
        (b"\x24\x80" + tlv(4, b"ab") + tlv(4, b"c") + END, tlv(4, b"abc")),
        (tlv(0x24, tlv(4, b"ab") + b"\x24\x80" + tlv(4, b"c") + END), tlv(4, b"abc")),
        (b"\xa0\x80" + tlv(4, b"ab") + END, tlv(0xA0, tlv(4, b"ab"))),
        (b"\x04\x83\0\0\x01x", tlv(4, b"x")),
        (b"", b""),
    ],
    ids=lambda data: data.hex() or "empty",
)
def test_definite(ber, der):
    assert definite(ber) == der
    assert definite(der) == der


@pytest.mark.parametrize(
    "ber",
    [
        b"\x30",
        b"\x30\x05",
        b"\x30\x80",
        b"\x30\x80\x02\x01\x05",
        b"\x30\x80\x02\x01\x05\0",
        b"\x04\x80abc" + END,
        b"\x1f\x01\0",
        b"\x24\x80" + tlv(2, b"\x05") + END,
        b"\x30\x80" * 40 + END * 40,
        b"\x30\x89" + bytes(3),
    ],
    ids=lambda data: data[:6].hex(),
)
def test_what_is_not_ber(ber):
    with pytest.raises(ValueError):  # noqa: PT011 - whatever the text
        definite(ber)


@given(st.binary(max_size=60))
def test_any_octets_are_ber_or_a_value_error(data):
    try:
        der = definite(data)
    except ValueError:
        return
    assert definite(der) == der
