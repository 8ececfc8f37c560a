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
    bit_string,
    certificate_fields,
    normal_name,
    object_identifier,
    object_identifiers,
)
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
