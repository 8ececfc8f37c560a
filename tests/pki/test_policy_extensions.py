"""What a certificate says of policies, read."""

from __future__ import annotations

import pytest
from cryptography import x509

from postshake.errors import InvalidPolicies
from postshake.pki import policy_extensions as pe
from postshake.pki.parsed_certificate import Facts
from tests import forging as f
from tests.certs import CA, new_key

ONE, TWO = f.oid("1.2.1"), f.oid("1.2.2")
KEY = new_key()


def facts_with(*extensions: bytes) -> Facts:
    return Facts(f.CA("CA", KEY).issue("leaf", f.spki(KEY), *extensions))


def policies(*oids: bytes, critical: bool = False) -> bytes:
    return f.extension("2.5.29.32", f.seq(*map(f.seq, oids)), critical=critical)


def test_what_cryptography_writes_is_read() -> None:
    oids = [x509.ObjectIdentifier(each) for each in ("1.2.1", "1.2.2", "2.5.29.32.0")]
    notice = x509.UserNotice(None, "for people")
    certificate = CA("Root").issue(
        extra=[
            (
                x509.CertificatePolicies(
                    [
                        x509.PolicyInformation(oids[0], ["https://cps.example", notice]),
                        x509.PolicyInformation(oids[2], None),
                    ]
                ),
                False,
            ),
            (x509.PolicyConstraints(3, None), True),
            (x509.InhibitAnyPolicy(2), True),
        ]
    )
    assert pe.read_policy_extensions(Facts(certificate.der)) == (
        {ONE, pe.ANY_POLICY},
        (),
        (3, None),
        2,
    )
    assert pe.read_policy_extensions(Facts(CA("Root").issue().der)) == (
        None,
        (),
        (None, None),
        None,
    )


def test_constraints() -> None:
    def read(*parts: bytes) -> pe.PolicyConstraints:
        return pe.read_policy_constraints(f.seq(*parts))

    assert read(f.tlv(0x80, b"\0")) == (0, None)
    assert read(f.tlv(0x80, b"\1"), f.tlv(0x81, b"\x01\x00")) == (1, 256)
    assert read() == (None, None)  # which RFC 5280 gives no meaning
    for wrong in (b"", b"\xff", b"\1" * 9):
        with pytest.raises(ValueError, match="number of certificates"):
            read(f.tlv(0x80, wrong))
    for parts in ([f.tlv(0x82, b"\0")], [f.tlv(0x80, b"\0")] * 2):
        with pytest.raises(ValueError, match="constraints"):
            read(*parts)


def test_mappings() -> None:
    assert pe.read_policy_mappings(f.seq(f.seq(ONE, TWO), f.seq(ONE, ONE))) == (
        (ONE, TWO),
        (ONE, ONE),
    )
    for wrong in (f.seq(ONE), f.seq(ONE, TWO, ONE), f.seq(ONE, f.integer(1)), ONE + TWO):
        with pytest.raises(ValueError, match="not a"):
            pe.read_policy_mappings(f.seq(wrong))


@pytest.mark.parametrize("reader", [pe.read_certificate_policies, pe.read_policy_mappings])
def test_there_may_not_be_more_than_anybody_has(reader) -> None:
    def made(count: int) -> bytes:
        oids = [f.oid(f"1.2.{index}") for index in range(count)]
        mapped = reader is pe.read_policy_mappings
        return f.seq(*[f.seq(each, each) if mapped else f.seq(each) for each in oids])

    assert len(reader(made(pe.MAXIMUM_POLICIES))) == pe.MAXIMUM_POLICIES
    for count in (0, pe.MAXIMUM_POLICIES + 1):
        with pytest.raises(ValueError, match=f"got {count}"):
            reader(made(count))


def test_no_prefix_is_read() -> None:
    for reader, whole in (
        (pe.read_certificate_policies, f.seq(f.seq(ONE), f.seq(TWO))),
        (pe.read_policy_mappings, f.seq(f.seq(ONE, TWO))),
        (pe.read_policy_constraints, f.seq(f.tlv(0x80, b"\0"))),
        (pe.read_inhibit_any_policy, f.integer(3)),
    ):
        reader(whole)
        for end in range(len(whole)):
            with pytest.raises(ValueError, match=r".+"):
                reader(whole[:end])
        with pytest.raises(ValueError, match=r".+"):
            reader(whole + b"\0")


def test_an_odd_qualifier_does_not_matter() -> None:
    notice = f.seq(f.oid("1.3.6.1.5.5.7.2.2"), f.seq(f.tlv(0x1A, "é".encode("latin-1"))))
    held = policies(ONE + f.seq(notice))
    assert pe.read_policy_extensions(facts_with(held)).policies == {ONE}


@pytest.mark.parametrize(
    "value", [b"\x05\0", f.seq(), f.seq(f.seq(ONE), f.seq(ONE)), f.seq(f.seq(f.integer(1)))]
)
def test_policies_that_cannot_be_read_hold_for_nobody(value: bytes) -> None:
    """And fail who must be understood: OpenSSL, too, looks at them only if it is asked to."""
    said = pe.read_policy_extensions(facts_with(f.extension("2.5.29.32", value)))
    assert said.policies is None
    critical = facts_with(f.extension("2.5.29.32", value, critical=True))
    with pytest.raises(InvalidPolicies, match="certificatePolicies cannot be read"):
        pe.read_policy_extensions(critical)


@pytest.mark.parametrize("critical", [False, True])
@pytest.mark.parametrize(
    ("oid", "what"),
    [
        ("2.5.29.33", "policyMappings"),
        ("2.5.29.36", "policyConstraints"),
        ("2.5.29.54", "inhibitAnyPolicy"),
    ],
)
def test_what_may_forbid_something_must_be_read(oid: str, what: str, critical: bool) -> None:
    broken = facts_with(policies(ONE), f.extension(oid, b"\x05\0", critical=critical))
    with pytest.raises(InvalidPolicies, match=what):
        pe.read_policy_extensions(broken)
