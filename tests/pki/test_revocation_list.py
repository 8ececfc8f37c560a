"""One revocation list: what it is about, whom it revokes, and when it cannot be used."""

from __future__ import annotations

import datetime
import logging
import random
import time
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from postshake.pki.ocsp import Standing
from postshake.pki.parsed_certificate import Facts
from postshake.pki.revocation_list import (
    ALL_REASONS,
    Defect,
    RevocationList,
    Subject,
    UnusableList,
    UnusableListObserver,
)
from tests.certs import CA, DAY, NOW, Issued, key_usage, name, new_key
from tests.revoking import SINCE, make_list

ROOT = CA("Root")
BELOW = ROOT.intermediate("Below")
ALICE, BOB = BELOW.issue("alice"), BELOW.issue("bob")
BELOW_ISSUED = Issued(BELOW.certificate, BELOW.private_key)
POINT = x509.UniformResourceIdentifier("http://crl.example/1")
ANOTHER_POINT = x509.UniformResourceIdentifier("http://crl.example/2")
KEY = x509.ReasonFlags.key_compromise
HOLD = x509.ReasonFlags.certificate_hold
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0")


def scope(**options: Any) -> tuple[x509.ExtensionType, bool]:
    """An issuingDistributionPoint."""
    defaults: dict[str, Any] = {
        "full_name": None,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }
    return x509.IssuingDistributionPoint(**(defaults | options)), True


def points(*points: tuple[Any, ...]) -> tuple[x509.ExtensionType, bool]:
    """CRLDistributionPoints: names, or a relative name; reasons; a cRLIssuer."""
    found = []
    for where, reasons, issuer in points:
        relative = isinstance(where, x509.RelativeDistinguishedName)
        full = None if relative or where is None else [where]
        found.append(
            x509.DistributionPoint(
                full,
                where if relative else None,
                reasons,
                [x509.DirectoryName(issuer)] if issuer is not None else None,
            )
        )
    return x509.CRLDistributionPoints(found), False


def relative(text: str) -> x509.RelativeDistinguishedName:
    return x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def subject(issued: Issued) -> Subject:
    return Subject(Facts(issued.der))


def reasons(
    about: Issued, *extra: tuple[x509.ExtensionType, bool], ca: CA = BELOW, **options: Any
) -> frozenset[x509.ReasonFlags]:
    """For which reasons a list with this scope says something of a certificate."""
    return RevocationList(make_list(ca, extra=extra, **options)).reasons_for(subject(about))


# --- what it is about


def test_without_a_scope_it_is_about_all_that_its_issuer_issued() -> None:
    assert reasons(ALICE) == ALL_REASONS
    assert reasons(BELOW_ISSUED) == frozenset()
    assert reasons(BELOW_ISSUED, ca=ROOT) == ALL_REASONS


@pytest.mark.parametrize(
    ("options", "covers_leaf", "covers_authority"),
    [
        ({"only_contains_user_certs": True}, True, False),
        ({"only_contains_ca_certs": True}, False, True),
        ({"only_contains_attribute_certs": True}, False, False),
        ({"relative_name": relative("part")}, False, False),
        ({"full_name": [POINT]}, False, False),
    ],
)
def test_some_kinds(options: dict[str, Any], covers_leaf: bool, covers_authority: bool) -> None:
    assert bool(reasons(ALICE, scope(**options))) is covers_leaf
    assert bool(reasons(BELOW_ISSUED, scope(**options), ca=ROOT)) is covers_authority


def test_parts_that_have_a_place() -> None:
    """A part is about those that name its place (section 6.3.3 (b))."""
    dora = BELOW.issue("dora", extra=[points((POINT, None, None))])
    assert reasons(dora, scope(full_name=[POINT])) == ALL_REASONS
    assert reasons(dora, scope(full_name=[ANOTHER_POINT, POINT])) == ALL_REASONS
    assert not reasons(dora, scope(full_name=[ANOTHER_POINT]))
    assert not reasons(ALICE, scope(full_name=[POINT]))
    # a list for all is about her, too
    assert reasons(dora) == ALL_REASONS


def test_how_a_place_is_written() -> None:
    """Section 7.4: scheme and host of a URI without case; the rest as it stands."""
    dora = BELOW.issue("dora", extra=[points((POINT, None, None))])
    for text, same in (
        ("HTTP://CRL.Example/1", True),
        ("http://crl.example/1/", False),
        ("http://crl.example:80/1", False),
    ):
        place = x509.UniformResourceIdentifier(text)
        assert bool(reasons(dora, scope(full_name=[place]))) is same


def test_a_place_with_a_relative_name() -> None:
    """It goes on from the name of the list's issuer (sections 4.2.1.13, 5.2.5)."""
    part = scope(relative_name=relative("Part 1"))
    whole = x509.Name([*BELOW.certificate.subject.rdns, relative("PART  1")])
    for where, same in (
        (relative("part 1"), True),
        (x509.DirectoryName(whole), True),
        (relative("part 2"), False),
        (x509.DirectoryName(name("Part 1")), False),
    ):
        one = BELOW.issue("one", extra=[points((where, None, None))])
        assert bool(reasons(one, part)) is same, where
        full = scope(full_name=[x509.DirectoryName(whole)])
        assert bool(reasons(one, full)) is same, where


def test_the_issuer_is_a_place_itself() -> None:
    """Section 6.3.3, last paragraph."""
    itself = x509.DirectoryName(BELOW.certificate.subject)
    dora = BELOW.issue("dora", extra=[points((POINT, None, None))])
    for one in (ALICE, dora):
        assert reasons(one, scope(full_name=[itself])) == ALL_REASONS


def test_some_reasons() -> None:
    """Section 6.3.3 (d): what the list is for, and what the place is for."""
    some = scope(only_some_reasons=frozenset([KEY, HOLD]))
    assert reasons(ALICE, some) == {KEY, HOLD}
    there = scope(full_name=[POINT], only_some_reasons=frozenset([KEY, HOLD]))
    for wanted, left in ((None, {KEY, HOLD}), (frozenset([KEY]), {KEY})):
        one = BELOW.issue("one", extra=[points((POINT, wanted, None))])
        assert reasons(one, there) == left
    two = BELOW.issue(
        "two",
        extra=[points((POINT, frozenset([KEY]), None), (POINT, frozenset([HOLD]), None))],
    )
    assert reasons(two, scope(full_name=[POINT])) == {KEY, HOLD}


def test_of_another_authority() -> None:
    """Who signs lists for others says so, and their certificates name it (6.3.3 (b))."""
    other = CA("Lists")
    indirect = scope(indirect_crl=True)
    theirs = BELOW.issue("theirs", extra=[points((None, None, other.certificate.subject))])
    assert reasons(theirs, indirect, ca=other) == ALL_REASONS
    assert not reasons(theirs, ca=other)
    assert not reasons(ALICE, indirect, ca=other)
    assert reasons(theirs, indirect) == ALL_REASONS  # from its issuer itself
    there = scope(indirect_crl=True, full_name=[POINT])
    assert not reasons(theirs, there, ca=other)
    named = x509.DirectoryName(other.certificate.subject)
    assert reasons(theirs, scope(indirect_crl=True, full_name=[named]), ca=other) == ALL_REASONS
    with_place = BELOW.issue("one", extra=[points((POINT, None, other.certificate.subject))])
    assert reasons(with_place, there, ca=other) == ALL_REASONS
    assert not reasons(with_place, scope(full_name=[POINT]))  # its own issuer's are not there


# --- whom it revokes


def test_who_is_in_it() -> None:
    revoking = RevocationList(make_list(BELOW, ALICE, reason=KEY))
    for _ in range(2):
        found = revoking.find(subject(ALICE))
        assert found is not None
        assert (found.standing, found.since, found.reason) == (
            Standing.REVOKED,
            SINCE,
            "keyCompromise",
        )
    assert revoking.find(subject(BOB)) is None


def test_entries_of_another_issuer() -> None:
    """An entry belongs to the issuer that was named last before it (section 5.3.3)."""
    other = CA("Lists")
    own = other.issue("own")
    serial = own.certificate.serial_number
    twin = BELOW.issue("twin", serial_number=serial)
    certificate_issuer = x509.CertificateIssuer([x509.DirectoryName(BELOW.certificate.subject)])
    for first, found_twin in (((), False), (((certificate_issuer, True),), True)):
        indirect = RevocationList(
            make_list(other, own, extra=[scope(indirect_crl=True)], of_entries=first)
        )
        assert indirect.defect is None
        assert (indirect.find(subject(twin)) is not None) is found_twin
        assert (indirect.find(subject(own)) is not None) is not found_twin


def test_the_issuer_of_entries_holds_until_the_next() -> None:
    other = CA("Lists")
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(other.certificate.subject)
        .last_update(NOW)
        .next_update(NOW + DAY)
        .add_extension(*scope(indirect_crl=True))
    )
    own = other.issue("own")
    for issued, named in ((own, None), (ALICE, BELOW), (BOB, None), (BELOW_ISSUED, ROOT)):
        entry = (
            x509.RevokedCertificateBuilder()
            .serial_number(issued.certificate.serial_number)
            .revocation_date(SINCE)
        )
        if named is not None:
            names = [x509.DirectoryName(named.certificate.subject)]
            entry = entry.add_extension(x509.CertificateIssuer(names), critical=True)
        builder = builder.add_revoked_certificate(entry.build())
    found = RevocationList(builder.sign(other.private_key, hashes.SHA256()))
    for issued in (own, ALICE, BOB, BELOW_ISSUED):
        assert found.find(subject(issued)) is not None
    # the same numbers of other issuers are other certificates
    for ca, issued in ((ROOT, ALICE), (other, BOB), (BELOW, BELOW_ISSUED)):
        twin = ca.issue("twin", serial_number=issued.certificate.serial_number)
        assert found.find(subject(twin)) is None


@pytest.mark.filterwarnings("ignore:Parsed a serial number which wasn't positive")
def test_a_negative_number() -> None:
    """There are such certificates, and a list may name them (PKITS 4.4.15)."""
    odd = BELOW.issue("odd", serial_number=ODD)
    plain, negative = (b"\2\x14" + octets for octets in (ODD.to_bytes(20), b"\x80" + bytes(19)))
    content = make_list(BELOW, odd).public_bytes(Encoding.DER).replace(plain, negative)
    revoking = RevocationList(x509.load_der_x509_crl(content))
    assert revoking.defect is None
    assert revoking.find(subject(odd)) is None
    changed = x509.load_der_x509_certificate(odd.der.replace(plain, negative))
    assert changed.serial_number == -(1 << 159)
    assert revoking.find(Subject(Facts(changed.public_bytes(Encoding.DER)))) is not None


ODD = 0x7E << 152 | 5


# --- when it cannot be used


@pytest.mark.parametrize(
    ("options", "defect"),
    [
        ({"extra": [(UNKNOWN, True)]}, Defect.CRITICAL_EXTENSION),
        ({"extra": [(UNKNOWN, False)]}, None),
        ({"of_entries": [(UNKNOWN, True)]}, Defect.CRITICAL_EXTENSION),
        ({"of_entries": [(UNKNOWN, False)]}, None),
        ({"of_entries": [(x509.InvalidityDate(datetime.datetime(2020, 1, 1)), True)]}, None),
        (
            {"of_entries": [(x509.CertificateIssuer([x509.DirectoryName(name("A"))]), True)]},
            Defect.CRITICAL_EXTENSION,  # outside of an indirect list it has no meaning
        ),
        (
            {
                "extra": [scope(indirect_crl=True)],
                "of_entries": [(x509.CertificateIssuer([x509.DNSName("a.example")]), True)],
            },
            Defect.UNREADABLE,
        ),
        ({"number": 5, "extra": [(x509.DeltaCRLIndicator(4), True)]}, None),
    ],
)
def test_extensions(options: dict[str, Any], defect: Defect | None) -> None:
    """Sections 5.2 and 5.3: a critical extension that we do not know forbids its use."""
    assert RevocationList(make_list(BELOW, ALICE, **options)).defect is defect


def test_signers() -> None:
    made = RevocationList(make_list(BELOW, ALICE))
    silent = ROOT.intermediate("Below", key=BELOW.private_key, usage=key_usage("key_cert_sign"))
    other = ROOT.intermediate("Below")
    assert not made.has_signer
    for _ in range(2):
        assert made.signed_by(Facts(silent.der)) is Defect.NOT_ENTITLED
        assert made.signed_by(Facts(other.der)) is Defect.BADLY_SIGNED
        assert not made.has_signer
    assert made.signed_by(Facts(BELOW.der)) is None
    assert made.has_signer


def test_memory_is_bounded() -> None:
    made = RevocationList(make_list(BELOW, *(BELOW.issue(str(number)) for number in range(3))))
    for number in range(100):
        made.signed_by(Facts(ALICE.der[:-1] + bytes([number])))
    assert len(made._signers) <= 32


def test_times() -> None:
    made = RevocationList(make_list(BELOW, since=NOW, until=NOW + DAY))
    minute = datetime.timedelta(minutes=1)
    for at, expected in (
        (NOW - 6 * minute, Defect.NOT_YET_VALID),
        (NOW - 4 * minute, None),  # by as much clocks may differ
        (NOW + DAY, None),
        (NOW + DAY + minute, Defect.EXPIRED),
    ):
        assert made.timeliness(at) is expected


def test_it_is_told_once() -> None:
    told: list[UnusableList] = []
    made = RevocationList(make_list(BELOW))
    for _ in range(2):
        made.report(told.append, Defect.EXPIRED)
    made.report(told.append, Defect.BADLY_SIGNED, "why")
    assert [(each.defect, each.detail) for each in told] == [
        (Defect.EXPIRED, ""),
        (Defect.BADLY_SIGNED, "why"),
    ]
    assert told[0].issuer == "CN=Below"
    assert told[0].content is made.content


def test_of_a_list_that_could_not_be_parsed() -> None:
    unusable = UnusableList(None, Defect.UNREADABLE, "why")
    assert unusable.issuer == ""
    assert str(unusable) == "a revocation list cannot be used: it cannot be read: why"


def test_an_observer(caplog: pytest.LogCaptureFixture) -> None:
    observer, told = UnusableListObserver(), list[UnusableList]()
    unusable = UnusableList(None, Defect.UNREADABLE)
    with caplog.at_level(logging.WARNING, "postshake.pki"):
        observer(unusable)
        assert [record.getMessage() for record in caplog.records] == [str(unusable)]
        observer.callback = told.append
        observer(unusable)
    assert told == [unusable]
    assert len(caplog.records) == 1


SEED = make_list(BELOW, ALICE, reason=KEY, extra=[scope(full_name=[POINT])]).public_bytes(
    Encoding.DER
)


@given(st.lists(st.tuples(st.integers(0, len(SEED) - 1), st.integers(0, 255)), max_size=3))
def test_what_is_odd_is_a_defect_and_no_exception(changes: list[tuple[int, int]]) -> None:
    damaged = bytearray(SEED)
    for at, octet in changes:
        damaged[at] = octet
    try:
        content = x509.load_der_x509_crl(bytes(damaged))
    except (ValueError, x509.InvalidVersion):
        return
    made = RevocationList(content)
    if made.defect is None:
        made.reasons_for(subject(ALICE))
        made.find(subject(ALICE))
        made.timeliness(NOW)
        made.signed_by(Facts(BELOW.der))
    assert str(UnusableList(content, Defect.EXPIRED)).isprintable()


# --- how long it takes


def test_a_long_list_is_looked_up_as_fast_as_a_short_one() -> None:
    """After the first time, which reads what the list says of the certificate."""
    noise = random.Random(1)
    builder = x509.CertificateRevocationListBuilder().issuer_name(BELOW.certificate.subject)
    builder = builder.last_update(NOW).next_update(NOW + DAY)
    entry = x509.RevokedCertificateBuilder().revocation_date(SINCE)
    many = [entry.serial_number(noise.getrandbits(150) | 1).build() for _ in range(100_000)]
    many.append(entry.serial_number(ALICE.certificate.serial_number).build())
    builder._revoked_certificates = many  # one by one, each would copy those before it
    long = RevocationList(builder.sign(BELOW.private_key, hashes.SHA256()))
    short = RevocationList(make_list(BELOW, ALICE))
    signer = Facts(BELOW.der)
    for who, is_in in ((ALICE, True), (BOB, False)):
        took = {}
        for made in (long, short):
            about = subject(who)
            times = []
            for _ in range(50):
                start = time.perf_counter()
                assert made.signed_by(signer) is None
                assert (made.find(about) is not None) is is_in
                times.append(time.perf_counter() - start)
            took[made] = min(times)
        # to look from the beginning takes a thousand times as long
        assert took[long] < 20 * took[short] + 1e-4


def test_a_key_of_another_kind_has_not_signed_it() -> None:
    other = CA("Below", key=new_key("ed25519"))
    assert RevocationList(make_list(BELOW)).signed_by(Facts(other.der)) is Defect.BADLY_SIGNED
