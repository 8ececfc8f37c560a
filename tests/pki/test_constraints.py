"""Name constraints (RFC 5280 section 4.2.1.10)."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from cryptography import x509

from postshake.constants import Role
from postshake.errors import BadCertificate, CertificateError, UnsupportedCertificate
from postshake.pki import path as path_module
from postshake.pki.constraints import NameBudget, check_host_name, check_name_constraints
from postshake.pki.parsed_certificate import Facts
from tests import forging as f
from tests.certs import CA, name, new_key, peer

ROOT = CA("Root")
KEY = new_key()
VERIFIER = ROOT.verifier(cache_size=0)
DNS, MAIL, URI, DIR = (
    x509.DNSName,
    x509.RFC822Name,
    x509.UniformResourceIdentifier,
    lambda **parts: x509.DirectoryName(name(**parts)),
)


def ip(network: str) -> x509.IPAddress:
    return x509.IPAddress(ipaddress.ip_network(network))


@pytest.mark.parametrize(
    ("permitted", "excluded", "leaf", "error"),
    [
        ([DNS("a.example")], None, {"dns": ["a.example"]}, None),
        ([DNS("a.example")], None, {"dns": ["x.a.example"]}, None),
        ([DNS("a.example")], None, {"dns": ["*.a.example"]}, None),
        ([DNS("A.example")], None, {"dns": ["a.EXAMPLE"]}, None),
        ([DNS("a.example")], None, {"dns": ["xa.example"]}, BadCertificate),
        ([DNS("a.example")], None, {"dns": ["example"]}, BadCertificate),
        ([DNS("a.example")], None, {"dns": ["*.example"]}, BadCertificate),
        ([DNS("a.example")], None, {"dns": ["a.example", "b.example"]}, BadCertificate),
        ([DNS("a.example"), DNS("b.example")], None, {"dns": ["b.example"]}, None),
        ([DNS("a.example")], None, {"ip": ["10.0.0.1"]}, None),  # another kind
        (None, [DNS("a.example")], {"dns": ["b.example"]}, None),
        (None, [DNS("a.example")], {"dns": ["a.example"]}, BadCertificate),
        (None, [DNS("a.example")], {"dns": ["x.a.example"]}, BadCertificate),
        (None, [DNS("a.example")], {"dns": ["*.example"]}, BadCertificate),  # may stand for it
        ([DNS("example")], [DNS("a.example")], {"dns": ["a.example"]}, BadCertificate),
        ([ip("10.0.0.0/8")], None, {"ip": ["10.1.2.3"]}, None),
        ([ip("10.0.0.0/8")], None, {"ip": ["11.1.2.3"]}, BadCertificate),
        ([ip("10.0.0.0/8")], None, {"ip": ["::1"]}, BadCertificate),
        (None, [ip("10.0.0.0/8")], {"ip": ["10.1.2.3"]}, BadCertificate),
        (None, [ip("10.0.0.0/8")], {"ip": ["::1"]}, None),
        ([MAIL("a.example")], None, {"email": ["x@a.example"]}, None),
        ([MAIL("a.example")], None, {"email": ["x@b.a.example"]}, BadCertificate),
        ([MAIL(".a.example")], None, {"email": ["x@b.a.example"]}, None),
        ([MAIL("x@a.example")], None, {"email": ["x@a.example"]}, None),
        ([MAIL("x@a.example")], None, {"email": ["y@a.example"]}, BadCertificate),
        (
            [MAIL("a.example")],
            None,
            {"subject": name("x", email_address="x@b.example")},
            BadCertificate,
        ),
        ([URI("a.example")], None, {"names": [URI("https://a.example/x")]}, None),
        ([URI("a.example")], None, {"names": [URI("https://b.example/x")]}, BadCertificate),
        ([URI(".a.example")], None, {"names": [URI("spiffe://b.a.example/x")]}, None),
        ([URI("a.example")], None, {"names": [URI("urn:a.example")]}, UnsupportedCertificate),
        (None, [URI("a.example")], {"names": [URI("https://10.0.0.1/")]}, UnsupportedCertificate),
        (
            [DIR(organization_name="Org")],
            None,
            {"subject": name("x", organization_name="ORG")},
            None,
        ),
        (
            [DIR(organization_name="Org")],
            None,
            {"subject": name("x", organization_name="Other")},
            BadCertificate,
        ),
        ([DIR(organization_name="Org")], None, {"subject": name("x")}, BadCertificate),
        (
            None,
            [DIR(organization_name="Org")],
            {"subject": name("x", organization_name="org")},
            BadCertificate,
        ),
        (
            None,
            [x509.RegisteredID(x509.ObjectIdentifier("1.2.3"))],
            {"names": [x509.RegisteredID(x509.ObjectIdentifier("1.2.3"))]},
            UnsupportedCertificate,
        ),
    ],
)
def test_constraint(
    permitted, excluded, leaf: dict[str, object], error: type[CertificateError] | None
) -> None:
    ca = ROOT.intermediate("Bound", permitted=permitted, excluded=excluded)
    below = ca.intermediate(subject=name("Below", organization_name="Org"))
    for issued in (ca.issue(**leaf), below.issue(**leaf)):
        if error is None:
            assert VERIFIER.verify(peer(issued))
        else:
            with pytest.raises(error):
                VERIFIER.verify(peer(issued))


def test_intermediates_are_bound_and_self_issued_ones_are_not() -> None:
    ca = ROOT.intermediate("Bound", permitted=[x509.DirectoryName(name(organization_name="Org"))])
    subject = name("x", organization_name="Org")
    with pytest.raises(BadCertificate, match="CN=Stray"):
        VERIFIER.verify(peer(ca.intermediate("Stray").issue(subject=subject)))
    renewed = ca.intermediate("Bound")
    assert VERIFIER.verify(peer(renewed.issue(subject=subject)))


def test_anchors_constraints_bind() -> None:
    root = CA("Bound root", permitted=[DNS("a.example")])
    with pytest.raises(BadCertificate, match=r"b\.example"):
        root.verifier().verify(
            peer(root.issue("b.example", purpose="server"), Role.server, "b.example")
        )


def test_comparisons_are_bounded() -> None:
    ca = ROOT.intermediate("Many", excluded=[DNS(f"x{index}.example") for index in range(300)])
    leaf = ca.issue(dns=[f"y{index}.example" for index in range(300)])
    with pytest.raises(UnsupportedCertificate, match="too many"):
        VERIFIER.verify(peer(leaf))


def held(
    *names: bytes,
    permitted: tuple[bytes, ...] = (),
    excluded: tuple[bytes, ...] = (),
    subject: bytes = f.seq(),
    common_names: bool = False,
) -> None:
    """Hold a leaf with these names against an anchor with these constraints."""
    ca = f.CA("Bound")
    path = [
        Facts(ca.issue(subject, f.spki(KEY), f.names(*names))),
        Facts(ca.own(f.constraints(permitted, excluded))),
    ]
    check_name_constraints(path, NameBudget(), common_names=common_names)


def ip_tree(address: str, mask: str) -> bytes:
    return f.tlv(0x87, *[ipaddress.ip_address(each).packed for each in (address, mask)])


@pytest.mark.parametrize(
    ("name", "tree", "inside"),
    [
        (f.dns("b.a.example"), f.dns(".a.example"), True),
        (f.dns("a.example"), f.dns(".a.example"), False),
        (f.dns("a.example."), f.dns("A.Example"), True),
        (f.dns("anything"), f.dns(""), True),
        (f.dns("*"), f.dns("a.example"), False),
        (f.tlv(0x87, bytes([10, 1, 2, 3])), ip_tree("10.1.9.9", "255.255.0.0"), True),
        (f.tlv(0x87, bytes([10, 1, 2, 3])), ip_tree("0.0.0.0", "0.0.0.0"), True),
        (f.tlv(0x87, bytes([10, 1, 2, 3])), ip_tree("::", "::"), False),
        (f.tlv(0x81, b"x@b.a.example"), f.tlv(0x81, b"a.example"), False),
        (f.tlv(0x81, b"x@A.example"), f.tlv(0x81, b"x@a.EXAMPLE"), True),
        (f.tlv(0x81, b"X@a.example"), f.tlv(0x81, b"x@a.example"), False),
        (f.tlv(0x86, b"h://u:p@A.example:80/@b"), f.tlv(0x86, b"a.example"), True),
        (f.tlv(0x86, b"h://a.example?b.example"), f.tlv(0x86, b"a.example"), True),
        (f.tlv(0x86, b"h://b.example#@a.example"), f.tlv(0x86, b"a.example"), False),
        (f.tlv(0xA4, f.name(" the   NAME ")), f.tlv(0xA4, f.name("The name")), True),
        (f.tlv(0xA4, f.name("The name")), f.tlv(0xA4, f.seq()), True),
        (f.tlv(0xA4, f.seq(f.rdn("a"))), f.tlv(0xA4, f.seq(f.rdn("a"), f.rdn("b"))), False),
        (f.tlv(0xA4, f.seq(f.rdn("ab"))), f.tlv(0xA4, f.seq(f.rdn("a"))), False),
    ],
)
def test_inside(name: bytes, tree: bytes, inside: bool) -> None:
    good, bad = ({"permitted": (tree,)}, {"excluded": (tree,)})[:: 1 if inside else -1]
    held(name, **good)
    with pytest.raises(BadCertificate, match="may not certify"):
        held(name, **bad)


@pytest.mark.parametrize(
    ("name", "tree"),
    [
        (f.dns("m\xfcller.example"), f.dns("a.example")),
        (f.dns("a.example"), f.dns("m\xfcller.example")),
        (f.tlv(0x87, b"12345"), ip_tree("10.0.0.0", "255.0.0.0")),
        (f.tlv(0x87, bytes([10, 1, 2, 3])), ip_tree("10.0.0.0", "255.0.255.0")),
        (f.tlv(0x87, bytes([10, 1, 2, 3])), f.tlv(0x87, b"12345")),
        (f.tlv(0x81, b"nobody"), f.tlv(0x81, b"a.example")),
        (f.tlv(0x81, b"@a.example"), f.tlv(0x81, b"a.example")),
        (f.tlv(0x86, b"urn:a.example"), f.tlv(0x86, b"a.example")),
        (f.tlv(0x86, b"h://10.0.0.1/"), f.tlv(0x86, b"a.example")),
        (f.tlv(0x86, b"h://[::1]/"), f.tlv(0x86, b"a.example")),
        (f.tlv(0x86, b"h://b.example\\.a.example/"), f.tlv(0x86, b"a.example")),
        (f.tlv(0x86, b"h://%61.example/"), f.tlv(0x86, b"a.example")),
        (f.tlv(0x86, b"h:///"), f.tlv(0x86, b"a.example")),
        (f.tlv(0x88, b"\x2a\x03"), f.tlv(0x88, b"\x2a\x03")),
        (f.tlv(0xA0, f.oid("1.2.3"), f.tlv(0xA0, b"\5\0")), f.tlv(0xA0, f.oid("1.2.3"))),
        (f.tlv(0xA4, f.seq(f.rdn("\u0315" * 600))), f.tlv(0xA4, f.name("a"))),
    ],
)
def test_what_cannot_be_compared_is_refused(name: bytes, tree: bytes) -> None:
    held(name, permitted=(f.tlv(0x89),))  # of no kind that it has
    for trees in ({"permitted": (tree,)}, {"excluded": (tree,)}):
        with pytest.raises(UnsupportedCertificate, match="cannot be held against"):
            held(name, **trees)


def test_a_permitted_subtree_that_cannot_be_compared_permits_nothing() -> None:
    odd = f.dns("m\xfcller.example")
    held(f.dns("a.example"), permitted=(odd, f.dns("a.example")))
    with pytest.raises(UnsupportedCertificate):
        held(f.dns("b.example"), permitted=(odd, f.dns("a.example")))
    with pytest.raises(UnsupportedCertificate):
        held(f.dns("a.example"), excluded=(odd, f.dns("b.example")))


def test_mail_in_a_subject_that_cannot_be_read() -> None:
    subject = f.seq(f.rdn(b"\xff\xff", "1.2.840.113549.1.9.1", 0x16))
    with pytest.raises(UnsupportedCertificate):
        held(f.dns("a"), permitted=(f.tlv(0x81, b"a.example"),), subject=subject)


COMMON: tuple[tuple[str, bool], ...] = (
    ("bank.test", False),
    ("BANK.test", False),
    ("good.example", True),
    ("www.good.example", True),
    ("Alice Lee", True),  # these are no DNS names to OpenSSL
    ("alice", True),
    ("alice@bank.test", True),
    ("-a.bank.test", True),
    ("bank..test", True),
    ("*.bank.test", True),
)


@pytest.mark.parametrize(("common_name", "allowed"), COMMON)
def test_a_common_name_that_may_be_a_host(common_name: str, allowed: bool) -> None:
    trees = (f.dns("good.example"),)
    subject = f.seq(f.rdn(common_name))
    held(permitted=trees, subject=subject)  # where it may not
    if allowed:
        held(permitted=trees, subject=subject, common_names=True)
    else:
        with pytest.raises(BadCertificate, match="may not certify"):
            held(permitted=trees, subject=subject, common_names=True)
    held(f.dns("good.example"), permitted=trees, subject=subject, common_names=True)


def test_each_of_several_common_names_is_looked_at() -> None:
    subject = f.seq(f.rdn("bank.test"), f.rdn("good.example"))
    with pytest.raises(BadCertificate, match=r"bank\.test"):
        held(permitted=(f.dns("good.example"),), subject=subject, common_names=True)


@pytest.mark.parametrize(
    ("host", "allowed"), [(b"good.example", True), (b"*.bank.test", False), (b"localhost", False)]
)
def test_a_name_that_is_about_to_count(host: bytes, allowed: bool) -> None:
    ca, below = f.CA("Bound"), f.CA("Below")
    path = [
        Facts(below.issue("leaf", f.spki(KEY))),
        Facts(ca.issue(below.subject, f.spki(below.key), f.BASIC_CA)),
        Facts(ca.own(f.constraints([f.dns("good.example")]))),
    ]
    if allowed:
        check_host_name(host, path, NameBudget())
    else:
        with pytest.raises(BadCertificate, match="may not certify"):
            check_host_name(host, path, NameBudget())
    check_host_name(host, path[:2], NameBudget())


def test_a_search_has_one_budget() -> None:
    """Each of two CAs asks for less than there is; together it is too much."""
    trees = [f.dns(f"x{index}.example") for index in range(150)]
    names = [f.dns(f"y{index}.example") for index in range(200)]
    top, below = f.CA("Top"), f.CA("Below")
    middle = top.issue(below.subject, f.spki(below.key), f.BASIC_CA, f.constraints(excluded=trees))
    leaf = Facts(below.issue("leaf", f.spki(KEY), f.names(*names)))
    check_name_constraints([leaf, Facts(middle), Facts(top.own())], NameBudget())
    both = [leaf, Facts(middle), Facts(top.own(f.constraints(excluded=trees)))]
    with pytest.raises(UnsupportedCertificate, match="too many name constraints"):
        check_name_constraints(both, NameBudget())
    budget = NameBudget(comparisons=100_000)
    check_name_constraints(both, budget)
    assert budget.comparisons == 100_000 - 2 * 150 * 200
    with pytest.raises(UnsupportedCertificate, match="too many names to check"):
        check_name_constraints(both, NameBudget(comparisons=100_000, name_bytes=5000))


def test_names_are_held_against_constraints_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's are compared whom no anchor vouches for, or whose signature is wrong."""
    asked = []

    def asking(*args: Any, **options: Any) -> None:
        asked.append(1)
        check_name_constraints(*args, **options)

    monkeypatch.setattr(path_module, "check_name_constraints", asking)
    permitted = [x509.DNSName("a.example")]
    stranger = CA("Stranger").intermediate("Bound", permitted=permitted)
    forged = ROOT.intermediate("Bound", permitted=permitted, signed_by=new_key())
    for ca in (stranger, forged):
        with pytest.raises(CertificateError):
            VERIFIER.verify(peer(ca.issue(dns=["b.example"])))
    assert not asked
    bound = ROOT.intermediate("Bound", permitted=permitted)
    assert VERIFIER.verify(peer(bound.issue(dns=["a.example"])))
    assert len(asked) == 1
    assert VERIFIER.verify(peer(ROOT.intermediate("Free").issue()))
    assert len(asked) == 1


def test_a_way_that_constraints_forbid_is_not_the_last_one() -> None:
    """Cross-certified: one issuer's constraints forbid the leaf, the other's allow it."""
    key, subject = new_key(), name("Shared")
    narrow = ROOT.intermediate(subject=subject, key=key, permitted=[DNS("a.example")])
    wide = ROOT.intermediate(subject=subject, key=key)
    leaf = narrow.issue(dns=["b.example"])
    for order in ((narrow.der, wide.der), (wide.der, narrow.der)):
        found = VERIFIER.verify(peer([leaf.der, *order])).certificates
        assert found == (leaf.der, wide.der, ROOT.der)
    with pytest.raises(BadCertificate, match="may not certify"):
        VERIFIER.verify(peer([leaf.der, narrow.der]))
