"""Reading DER by hand."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import NameOID
from cryptography.x509.name import _ASN1Type
from hypothesis import given
from hypothesis import strategies as st

from postshake.pki.der import (
    attribute_values,
    bit_string,
    certificate_fields,
    normal_name,
    object_identifier,
    object_identifiers,
    sequence,
    text,
)
from tests import forging as f
from tests.certs import CA, KEY_TYPES, key_usage, name


@pytest.mark.parametrize("key_type", sorted(KEY_TYPES))
def test_fields_are_those_of_cryptography(key_type: str) -> None:
    issued = CA("Root").issue(key_type=key_type)
    certificate = issued.certificate
    fields = certificate_fields(issued.der)
    assert fields.tbs == certificate.tbs_certificate_bytes
    assert fields.issuer == certificate.issuer.public_bytes()
    assert fields.subject == certificate.subject.public_bytes()
    assert fields.algorithm == fields.signature
    if key_type != "rsa-pss":
        assert fields.spki == certificate.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )


@given(
    st.integers(0, 2),
    st.integers(0, 39),
    st.lists(st.integers(0, 2**40), max_size=5),
)
def test_object_identifier(first: int, second: int, rest: list[int]) -> None:
    dotted = ".".join(map(str, [first, second, *rest]))
    der = _oid(dotted)
    assert object_identifier(der) == dotted
    for cut in range(len(der)):
        with pytest.raises(ValueError, match=r"DER|object identifier"):
            object_identifier(der[:cut])


def _oid(dotted: str) -> bytes:
    """Let cryptography encode it, as the one purpose of an extendedKeyUsage."""
    return x509.ExtendedKeyUsage([x509.ObjectIdentifier(dotted)]).public_bytes()[2:]


def test_object_identifiers() -> None:
    oids = ["1.3.6.1.5.5.7.3.1", "2.5.29.37.0"]
    usage = x509.ExtendedKeyUsage(map(x509.ObjectIdentifier, oids))
    assert object_identifiers(usage.public_bytes()) == tuple(oids)
    with pytest.raises(ValueError, match="sequence"):
        object_identifiers(usage.public_bytes() + b"\0")


def test_bit_string() -> None:
    bits = key_usage("digital_signature", "key_agreement", "decipher_only")
    assert bit_string(bits.public_bytes()) == {0, 4, 8}
    assert bit_string(b"\3\1\0") == frozenset()
    for bad in (b"\3\1\1", b"\3\2\1\1", b"\3\2\x08\0", b"\3\0", b"\4\2\0\0", b"\3\2\0\0\0"):
        with pytest.raises(ValueError, match="bit"):
            bit_string(bad)


def test_normal_name() -> None:
    def typed(text: str, kind: _ASN1Type) -> bytes:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text, kind)]).public_bytes()

    same = {
        normal_name(typed("Some CA", _ASN1Type.UTF8String)),
        normal_name(typed(" some  ca ", _ASN1Type.PrintableString)),
        normal_name(typed("SOME CA", _ASN1Type.BMPString)),
    }
    assert len(same) == 1
    assert None not in same
    assert normal_name(name("Some CA2").public_bytes()) not in same
    assert normal_name(name(organization_name="Some CA").public_bytes()) not in same
    one = name("a", organization_name="b")
    assert normal_name(one.public_bytes()) != normal_name(
        x509.Name(reversed(list(one))).public_bytes()
    )


@given(st.binary(max_size=40))
def test_normal_name_of_anything(data: bytes) -> None:
    normal_name(data)
    assert normal_name(name("x").public_bytes() + b"\0" + data) is None


@pytest.mark.parametrize("size", [0, 1, 126, 127, 128, 255, 256, 65535, 70000])
def test_elements_of_any_length(size: int) -> None:
    parts = [f.tlv(0x04, b"a" * size), f.tlv(0x05), f.tlv(0xA3, b"b" * size)]
    found = sequence(f.seq(*parts))
    whole = f.seq(*parts)
    assert [whole[at:end] for _, at, _, end in found] == parts
    assert [(tag, end - start) for tag, _, start, end in found] == [
        (0x04, size),
        (0x05, 0),
        (0xA3, size),
    ]


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"\x30",
        b"\x31\x00",
        b"\x30\x00\x00",
        b"\x30\x01\x04",
        b"\x30\x02\x04\x01",
        b"\x30\x03\x04\x81\x00",
        b"\x30\x03\x1f\x81\x00",
        b"\x30\x04\x04\x00\xbf\x00",
        f.seq(f.tlv(0x04, b"a" * 200))[:-1],
    ],
)
def test_no_sequence(bad: bytes) -> None:
    with pytest.raises(ValueError, match=r"DER|sequence|octet"):
        sequence(bad)


@pytest.mark.parametrize("version", [b"", f.tlv(0xA0, f.integer(1))])
@pytest.mark.parametrize("tail", [b"", f.tlv(0x81, b"\0a"), f.tlv(0x82, b"\0" + b"u" * 300)])
@pytest.mark.parametrize("block", [b"", f.BASIC_CA, f.extension("1.2.3", b"x" * 70_000)])
def test_fields_whatever_there_is_behind_and_before(
    version: bytes, tail: bytes, block: bytes
) -> None:
    fields = [f.integer(5), f.seq(f.oid("1.2")), f.name("i"), f.seq(), f.name("s"), f.seq(b"\5\0")]
    tbs = f.seq(version, *fields, tail, f.tlv(0xA3, f.seq(block)) if block else b"")
    der = f.seq(tbs, f.seq(f.oid("1.3")), f.tlv(0x03, b"\0" + b"s" * 200))
    cut = certificate_fields(der)
    assert cut.tbs == tbs
    assert (cut.algorithm, cut.signature) == (f.seq(f.oid("1.3")), f.seq(f.oid("1.2")))
    assert (cut.issuer, cut.subject, cut.spki) == (f.name("i"), f.name("s"), f.seq(b"\5\0"))
    assert cut.extensions == f.seq(block)


def test_long_object_identifiers_and_bit_strings() -> None:
    """To read them takes the square of their length."""
    uuid = "2.25.305821105408246119474742976030998643995"
    assert object_identifier(f.oid(uuid)) == uuid
    assert bit_string(f.tlv(0x03, b"\0" + b"\xff" * 8)) == set(range(64))
    with pytest.raises(ValueError, match="65 octets"):
        object_identifier(f.tlv(0x06, b"\x2a" + b"\x81" * 63 + b"\1"))
    with pytest.raises(ValueError, match="9 octets"):
        bit_string(f.tlv(0x03, b"\0" + b"\xff" * 9))


def test_a_name_begins_as_those_above_it() -> None:
    parts = [f.rdn("a"), f.rdn("b" * 300), f.tlv(0x31, f.rdn("c")[2:], f.rdn("d")[2:])]
    whole = normal_name(f.seq(*parts))
    assert whole is not None
    for count in range(4):
        start = normal_name(f.seq(*parts[:count]))
        assert start is not None
        assert whole.startswith(start)
    for other in (
        f.seq(f.rdn("aa")),
        f.seq(f.rdn("")),
        f.seq(parts[1]),
        f.seq(f.rdn("a"), f.rdn("b")),
    ):
        normal = normal_name(other)
        assert normal is not None
        assert not whole.startswith(normal)


def test_names_that_are_too_much() -> None:
    """They are equal only to themselves."""
    assert normal_name(f.seq(f.rdn("a" * 2000))) is not None
    assert normal_name(f.seq(f.rdn("a" * 2100))) is None
    assert normal_name(f.seq(f.rdn("\u0315" * 500))) is not None
    assert normal_name(f.seq(f.rdn("\u0315" * 600))) is None
    assert normal_name(f.seq(f.rdn("") * 128)) is not None
    assert normal_name(f.seq(f.rdn("") * 129)) is None
    assert normal_name(f.seq(b"\x31\x00")) is None


def test_values_of_a_name() -> None:
    subject = f.seq(f.rdn("a"), f.rdn("x", "2.5.4.10"), f.rdn(b"\0\xe4", tag=0x1E))
    values = attribute_values(subject, f.oid("2.5.4.3"))
    assert [text(*each) for each in values] == ["a", "ä"]
    for tag, content in ((0x13, b"\xe4"), (0x0C, b"\xe4"), (0x1E, b"a"), (0x03, b"\0")):
        with pytest.raises(ValueError, match=r"codec|string"):
            text(tag, content)
