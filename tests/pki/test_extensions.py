"""Extensions, each read alone, held against what ``cryptography`` makes of all of them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from postshake.pki import extensions as ext
from postshake.pki.der import certificate_fields, tlv
from tests import forging as f
from tests.certs import CA, KEY_TYPES, key_usage, name

READERS: dict[str, Callable[[bytes], Any]] = {
    reader.__name__: reader
    for reader in (
        ext.read_extensions,
        ext.read_basic_constraints,
        ext.read_key_usage,
        ext.read_extended_key_usage,
        ext.read_general_names,
        ext.read_name_constraints,
        ext.read_authority_key_identifier,
        ext.read_subject_key_identifier,
        ext.read_distribution_points,
        ext.read_access_descriptions,
    )
}
ANY = x509.ObjectIdentifier("1.2.3.4.5")
TRUE, FALSE = f.tlv(0x01, b"\xff"), f.tlv(0x01, b"\x00")


def block(*extensions: bytes) -> bytes:
    """A sequence of extensions."""
    return f.seq(*extensions)


def everything(key_type: str = "p256") -> x509.Certificate:
    """A certificate with all that is read, short and long."""
    return (
        CA("Root")
        .issue(
            "a.example",
            key_type=key_type,
            purpose="both",
            ca=True,
            path_length=3,
            usage=key_usage("digital_signature", "key_cert_sign", "crl_sign"),
            dns=[f"host{index}.example" for index in range(40)],
            ip=("10.0.0.1", "::1"),
            email=("a@b.example",),
            names=[x509.DirectoryName(name("dir"))],
            permitted=[x509.DNSName("example"), x509.DirectoryName(name("x"))],
            excluded=[x509.DNSName(f"no{index}.example") for index in range(40)],
            extra=[
                (x509.PolicyConstraints(0, None), True),
                (x509.UnrecognizedExtension(ANY, b"x" * 300), True),
                (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b""), False),
            ],
        )
        .certificate
    )


@pytest.mark.parametrize("key_type", sorted(KEY_TYPES))
def test_they_are_those_that_cryptography_finds(key_type: str) -> None:
    certificate = CA("Root").issue("a.example", purpose="server", key_type=key_type).certificate
    for each in (certificate, everything()):
        fields = certificate_fields(each.public_bytes(Encoding.DER))
        values, critical = ext.read_extensions(fields.extensions)
        assert {oid.hex() for oid in values} == {
            f.oid(theirs.oid.dotted_string).hex() for theirs in each.extensions
        }
        for theirs in each.extensions:
            oid = f.oid(theirs.oid.dotted_string)
            assert values[oid] == theirs.value.public_bytes()
            assert (oid in critical) == theirs.critical


def test_what_they_say() -> None:
    certificate = everything()
    fields = certificate_fields(certificate.public_bytes(Encoding.DER))
    values, _ = ext.read_extensions(fields.extensions)
    assert ext.read_basic_constraints(values[ext.BASIC_CONSTRAINTS]) == (True, 3)
    bits = ext.read_key_usage(values[ext.KEY_USAGE])
    usage = ext.KeyUsage
    assert bits == usage.digital_signature | usage.key_cert_sign | usage.crl_sign
    assert ext.read_extended_key_usage(values[ext.EXTENDED_KEY_USAGE]) == {
        f.oid("1.3.6.1.5.5.7.3.1"),
        f.oid("1.3.6.1.5.5.7.3.2"),
    }
    names = ext.read_general_names(values[ext.SUBJECT_ALTERNATIVE_NAME])
    assert names[0] == (ext.NameKind.dns_name, b"host0.example")
    assert names[40:] == (
        (ext.NameKind.ip_address, bytes([10, 0, 0, 1])),
        (ext.NameKind.ip_address, bytes(15) + b"\1"),
        (ext.NameKind.rfc822_name, b"a@b.example"),
        (ext.NameKind.directory_name, name("dir").public_bytes()),
    )
    trees = ext.read_name_constraints(values[ext.NAME_CONSTRAINTS])
    assert trees.permitted[1] == (ext.NameKind.directory_name, name("x").public_bytes())
    assert len(trees.excluded) == 40
    identifiers = [
        certificate.extensions.get_extension_for_class(kind).value
        for kind in (x509.AuthorityKeyIdentifier, x509.SubjectKeyIdentifier)
    ]
    assert isinstance(identifiers[0], x509.AuthorityKeyIdentifier)
    assert isinstance(identifiers[1], x509.SubjectKeyIdentifier)
    authority = values[ext.AUTHORITY_KEY_IDENTIFIER]
    assert ext.read_authority_key_identifier(authority) == identifiers[0].key_identifier
    subject = values[ext.SUBJECT_KEY_IDENTIFIER]
    assert ext.read_subject_key_identifier(subject) == identifiers[1].digest


def test_places_are_those_that_cryptography_finds() -> None:
    directory = x509.DirectoryName(name("lists"))
    uri = x509.UniformResourceIdentifier("http://crl.example/1")
    reasons = frozenset({x509.ReasonFlags.key_compromise, x509.ReasonFlags.aa_compromise})
    relative = x509.RelativeDistinguishedName([*name("here")])
    points = x509.CRLDistributionPoints(
        [
            x509.DistributionPoint([uri, directory], None, None, None),
            x509.DistributionPoint(None, relative, reasons, [directory]),
            x509.DistributionPoint(None, None, None, [directory]),
        ]
    )
    general = (
        (ext.NameKind.uniform_resource_identifier, b"http://crl.example/1"),
        (ext.NameKind.directory_name, name("lists").public_bytes()),
    )
    [(_, at, end)] = [tlv(f.rdn("here"), 0)]
    assert ext.read_distribution_points(points.public_bytes()) == (
        ext.DistributionPoint(general, None, None, None),
        ext.DistributionPoint((), f.rdn("here")[at:end], frozenset({1, 8}), general[1:]),
        ext.DistributionPoint((), None, None, general[1:]),
    )
    method = x509.ObjectIdentifier("1.3.6.1.5.5.7.48.1")
    access = x509.AuthorityInformationAccess([x509.AccessDescription(method, uri)])
    assert ext.read_access_descriptions(access.public_bytes()) == (
        (f.oid("1.3.6.1.5.5.7.48.1"), general[0]),
    )


def test_what_is_written_down_though_it_is_the_default() -> None:
    """OpenSSL and GnuTLS take it; DER would have it left out."""
    flag = f.seq(f.oid("1.2.3"), FALSE, f.tlv(0x04, b"x"))
    assert ext.read_extensions(block(flag)) == ({f.oid("1.2.3"): b"x"}, frozenset())
    assert ext.read_basic_constraints(f.seq(FALSE)) == (False, None)
    assert ext.read_basic_constraints(f.seq(f.integer(0))) == (False, 0)
    assert ext.read_basic_constraints(f.seq(f.tlv(0x01, b"\1"))) == (True, None)
    tree = f.seq(f.dns("a"), f.tlv(0x80, b"\0"))
    assert ext.read_name_constraints(f.seq(f.tlv(0xA0, tree))).permitted == ((0x82, b"a"),)
    assert ext.read_key_usage(f.tlv(0x03, b"\0\x80")) == ext.KeyUsage.digital_signature
    assert ext.read_key_usage(f.tlv(0x03, b"\7\4\x80")) == ext.KeyUsage.key_cert_sign | 0x80
    assert ext.read_authority_key_identifier(f.seq()) is None


@pytest.mark.parametrize(
    "bad",
    [
        block(f.extension("1.2.3", b"a"), f.extension("1.2.3", b"b")),  # section 4.2
        block(*(f.extension(f"1.2.{index}", b"") for index in range(129))),
        block(f.extension("1.2.3", b"a"))[:-1],
        block(f.extension("1.2.3", b"a")) + b"\0",
        block(b"\x30\x00"),
        block(f.tlv(0x31, f.oid("1.2.3"), f.tlv(0x04))),
        block(f.seq(f.oid("1.2.3"), f.tlv(0x05))),
        block(f.seq(f.oid("1.2.3"), f.tlv(0x02, b"\1"), f.tlv(0x04))),
        block(f.seq(f.oid("1.2.3"), TRUE, f.tlv(0x04), f.tlv(0x04))),
        block(f.seq(f.tlv(0x04), f.tlv(0x04))),
        block(f.seq(f.oid("1.2.3"), f.tlv(0x01, b"\xff\xff"), f.tlv(0x04))),
    ],
)
def test_no_extensions(bad: bytes) -> None:
    with pytest.raises(ValueError, match=r"extension|DER|sequence|boolean|unpack"):
        ext.read_extensions(bad)


def test_as_many_as_there_may_be() -> None:
    many = block(*(f.extension(f"1.2.{index}", b"") for index in range(128)))
    assert len(ext.read_extensions(many).values) == 128


def test_long_and_short_ones_are_cut_alike() -> None:
    for size in (0, 1, 100, 107, 108, 109, 115, 127, 128, 255, 256, 65536):
        for critical in (False, True):
            whole = block(f.extension("1.2.3", b"v" * size, critical=critical), f.BASIC_CA)
            values, marked = ext.read_extensions(whole)
            assert values[f.oid("1.2.3")] == b"v" * size
            assert (f.oid("1.2.3") in marked) is critical
            assert ext.BASIC_CONSTRAINTS in values


@pytest.mark.parametrize(
    ("reader", "bad"),
    [
        ("read_basic_constraints", f.seq(TRUE, f.integer(1), f.integer(1))),
        ("read_basic_constraints", f.seq(TRUE, f.integer(-1))),
        ("read_basic_constraints", f.seq(TRUE, f.integer(1 << 80))),
        ("read_basic_constraints", TRUE),
        ("read_key_usage", f.tlv(0x03, b"\7\xc0")),  # unused bits that are set
        ("read_key_usage", f.tlv(0x03, b"\x08\x80")),
        ("read_key_usage", f.tlv(0x03, b"\0" + b"\xff" * 9)),
        ("read_key_usage", f.tlv(0x04, b"\7\x80")),
        ("read_extended_key_usage", f.seq(f.oid("1.2.3"), f.integer(1))),
        ("read_extended_key_usage", f.oid("1.2.3")),
        ("read_general_names", f.seq(f.integer(1))),
        ("read_general_names", f.seq(b"\x9f\x81\x01\x00")),  # a tag of two octets
        ("read_general_names", f.seq(*[f.dns("")] * 4097)),
        ("read_name_constraints", f.seq(f.tlv(0xA2))),
        ("read_name_constraints", f.seq(f.tlv(0xA0), f.tlv(0xA0))),
        ("read_name_constraints", f.seq(f.tlv(0xA0, f.dns("a")))),
        ("read_name_constraints", f.seq(f.tlv(0xA0, f.seq(f.dns("a"), f.tlv(0x80, b"\1"))))),
        ("read_name_constraints", f.seq(f.tlv(0xA1, f.seq(f.dns("a"), f.tlv(0x81, b"\1"))))),
        ("read_name_constraints", f.seq(f.tlv(0xA0, f.seq(f.integer(1))))),
        ("read_distribution_points", f.tlv(0x31)),
        ("read_distribution_points", f.seq(f.tlv(0x31))),
        ("read_distribution_points", f.seq(*[f.seq()] * 4100)),
        ("read_distribution_points", f.seq(f.seq(f.tlv(0x83)))),
        ("read_distribution_points", f.seq(f.seq(f.tlv(0xA0)))),
        ("read_distribution_points", f.seq(f.seq(f.tlv(0xA0, f.tlv(0xA2))))),
        ("read_distribution_points", f.seq(f.seq(f.tlv(0xA0, f.tlv(0xA0, f.integer(1)))))),
        ("read_distribution_points", f.seq(f.seq(f.tlv(0xA0, *[f.tlv(0xA0)] * 2)))),
        ("read_distribution_points", f.seq(f.seq(f.tlv(0x81, b"\x08\x80")))),
        ("read_distribution_points", f.seq(f.seq(f.tlv(0x81, b"\0" * 128)))),
        ("read_distribution_points", f.seq(f.seq(f.tlv(0xA2, f.dns("a")), f.tlv(0x81, b"\0\1")))),
        ("read_distribution_points", f.seq(f.seq(*[f.tlv(0x81, b"\0\1")] * 2))),
        ("read_access_descriptions", f.seq(f.seq(f.oid("1.2.3")))),
        ("read_access_descriptions", f.seq(f.seq(f.dns("a"), f.oid("1.2.3")))),
        ("read_access_descriptions", f.seq(f.seq(f.oid("1.2.3"), f.integer(1)))),
        ("read_access_descriptions", f.seq(f.tlv(0x31, f.oid("1.2.3"), f.dns("a")))),
        ("read_access_descriptions", f.seq(*[f.seq(f.oid("1.2.3"), f.dns("a"))] * 129)),
        ("read_subject_key_identifier", f.seq()),
        ("read_authority_key_identifier", f.tlv(0x04, b"k")),
    ],
)
def test_no_value_of_its_kind(reader: str, bad: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        READERS[reader](bad)


@pytest.mark.parametrize("reader", sorted(READERS))
@given(st.binary(max_size=60))
def test_any_bytes_are_a_value_or_a_value_error(reader: str, data: bytes) -> None:
    for each in (data, f.seq(data), f.seq(f.seq(data)), f.seq(f.tlv(0xA0, data))):
        with contextlib.suppress(ValueError):
            READERS[reader](each)
