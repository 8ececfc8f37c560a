"""Name constraints (RFC 5280 section 4.2.1.10)."""

from __future__ import annotations

import ipaddress

import pytest
from cryptography import x509

from postshake.constants import Role
from postshake.errors import BadCertificate, CertificateError, UnsupportedCertificate
from tests.certs import CA, name, peer

ROOT = CA("Root")
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
