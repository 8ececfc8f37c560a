"""What is read of one certificate: once, alone, whole, and within bounds."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from cryptography import x509

from postshake.constants import Role
from postshake.errors import BadCertificate, CertificateError, UnsupportedCertificate
from postshake.pki import extensions as ext
from postshake.pki.parsed_certificate import Facts
from postshake.pki.trust import ChainVerifier, PeerChain, TrustStore
from tests import forging as f
from tests.certs import CA, NOW, new_key, peer
from tests.interleaving import interleave

FORGER = f.CA("Forger")
KEY = new_key()
DESCRIPTION = "2.5.4.13"
CLIENT = f.extension("2.5.29.37", f.seq(f.oid("1.3.6.1.5.5.7.3.2")))


def verify(*extensions: bytes, role: Role = Role.client, host: str | None = None) -> None:
    """Have a certificate with these extensions verified."""
    leaf = FORGER.issue("leaf", f.spki(KEY), *extensions)
    verifier = ChainVerifier(TrustStore([FORGER.own()]), cache_size=0)
    verifier.verify(PeerChain((leaf,), role, host, None, NOW.timestamp()))


def test_threads_see_an_anchor_whole_or_not_at_all() -> None:
    """A leaf that the anchor's constraints forbid, verified by two at once."""
    root = CA("Constrained", permitted=[x509.DNSName("corp.example")])
    forbidden = peer(root.issue("www.bank.example", purpose="server"), Role.server)
    for seed in range(150):
        verifier = root.verifier()  # whose anchor nobody has read yet
        for result in interleave([partial(verifier.verify, forbidden)] * 2, seed):
            assert isinstance(result, BadCertificate)
            assert "may not certify" in str(result)
        with pytest.raises(BadCertificate, match="may not certify"):  # nor is it remembered
            verifier.verify(forbidden)


def test_threads_find_an_anchor_by_another_spelling() -> None:
    root = CA("Root")
    twin = CA(subject=x509.Name([_attribute("ROOT")]), key=root.private_key)
    leaf = peer(twin.issue())
    for seed in range(50):
        verifier = root.verifier()
        for result in interleave([partial(verifier.verify, leaf)] * 2, seed):
            assert result.certificates[-1] == root.der


def _attribute(value: str) -> x509.NameAttribute[str]:
    kind = x509.name._ASN1Type.PrintableString
    return x509.NameAttribute(x509.NameOID.COMMON_NAME, value, kind)


def test_what_cannot_be_read_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a search the peer says how often we come by."""
    reads = []
    read = ext.read_extensions
    monkeypatch.setattr(ext, "read_extensions", lambda block: reads.append(1) or read(block))
    twice = [f.extension("1.2.3", b"")] * 2
    facts = Facts(FORGER.issue("leaf", f.spki(KEY), *twice))
    errors = []
    for _ in range(3):
        with pytest.raises(BadCertificate, match="an extension is there twice") as raised:
            facts.understand(2048)
        errors.append(raised.value)
    assert len(reads) == 1
    assert len(set(map(id, errors))) == 3  # whoever raises an exception writes into it
    broken = f.extension("2.5.29.17", b"\x30\x05")
    facts = Facts(FORGER.issue("leaf", f.spki(KEY), broken))
    names = []
    look = ext.read_general_names
    monkeypatch.setattr(ext, "read_general_names", lambda value: names.append(1) or look(value))
    for _ in range(3):
        with pytest.raises(BadCertificate, match="subjectAltName cannot be read"):
            _ = facts.alternative_names
    assert len(names) == 1


ODD: dict[str, bytes] = {
    "an unknown one that is rubbish": f.extension("1.2.3.4", b"\xff\xff"),
    "places that are rubbish": f.extension("1.3.6.1.5.5.7.1.1", b"\x05"),
    "policy text in Latin-1": f.extension(
        "2.5.29.32",
        f.seq(
            f.seq(
                f.oid("1.2.3"),
                f.seq(f.seq(f.oid("1.3.6.1.5.5.7.2.2"), f.seq(f.tlv(0x1A, b"Espa\xf1a")))),
            )
        ),
    ),
    "names, one of them not ASCII": f.names(f.dns("m\xfcller.example"), f.dns("a.example")),
    "names that are rubbish": f.extension("2.5.29.17", b"\x04\x00"),
    "an address of five octets": f.names(f.tlv(0x87, b"12345")),
    "a place that is not ASCII": f.extension(
        "1.3.6.1.5.5.7.1.1",
        f.seq(f.seq(f.oid("1.3.6.1.5.5.7.48.1"), f.tlv(0x86, b"http://\xe4.example/"))),
    ),
    "an issuer's key identifier that is rubbish": f.extension("2.5.29.35", b"\x04\x00"),
    "a path length in a leaf": f.extension("2.5.29.19", f.seq(f.integer(0)), critical=True),
    "FALSE, written out": f.extension("2.5.29.19", f.seq(f.tlv(0x01, b"\0")), critical=True),
    "critical places of lists": f.extension(
        "2.5.29.31",
        f.seq(f.seq(f.tlv(0xA0, f.tlv(0xA0, f.tlv(0x86, b"http://crl.example/"))))),
        critical=True,
    ),
}


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_extension_is_nobodys_who_does_not_need_it(odd: str) -> None:
    """OpenSSL and GnuTLS take certificates with each of these."""
    verify(ODD[odd], CLIENT)


@pytest.mark.parametrize(
    ("extension", "error"),
    [
        (f.extension("1.2.3.4", b"", critical=True), UnsupportedCertificate),
        (f.extension("2.5.29.17", b"\x04\x00", critical=True), BadCertificate),
        (f.extension("2.5.29.35", b"\x04\x00", critical=True), BadCertificate),
        (f.extension("2.5.29.30", b"\x04\x00", critical=True), BadCertificate),
        (f.extension("2.5.29.15", b"\x04\x00"), BadCertificate),
        (f.extension("2.5.29.19", b"\x04\x00"), BadCertificate),
        (f.extension("2.5.29.37", b"\x04\x00"), BadCertificate),
        (f.extension("2.5.29.36", b"\x04\x00"), BadCertificate),
    ],
)
def test_what_must_be_understood_and_cannot_be(
    extension: bytes, error: type[CertificateError]
) -> None:
    with pytest.raises(error):
        verify(extension)


def test_names_that_are_rubbish_are_no_host() -> None:
    with pytest.raises(BadCertificate, match="subjectAltName cannot be read"):
        verify(ODD["names that are rubbish"], role=Role.server, host="a.example")
    verify(ODD["names, one of them not ASCII"], role=Role.server, host="a.example")


def _subject(content: bytes) -> bytes:
    return f.certificate(f.seq(content), f.name("X"), f.spki(KEY), KEY)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: _subject(f.rdn("a" * 16_400)), "its subject is a name of 16421 bytes"),
        (lambda: _subject(f.rdn("abcdefghijklmnopqrstuvwxyz") * 129), "more than 128 attributes"),
        (
            lambda: f.certificate(f.name("a"), f.seq(f.rdn("") * 400), f.spki(KEY), KEY),
            "its issuer is a name of more than 128 attributes",
        ),
        (
            lambda: FORGER.issue("a", f.spki(KEY), f.names(*[f.dns("")] * 4097)),
            "4097 names, at most 4096",
        ),
        (
            lambda: FORGER.issue(
                "a", f.spki(KEY), *(f.extension(f"1.2.{index}", b"x" * 30) for index in range(129))
            ),
            "more than 128 extensions",
        ),
    ],
)
def test_there_is_an_end_to_what_is_read(make: Callable[[], bytes], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Facts(make())


@pytest.mark.parametrize(
    "make",
    [
        lambda: _subject(f.rdn("a" * 16_000)),
        lambda: _subject(f.rdn("abcdefghijklmnopqrstuvwxyz") * 128),
        lambda: FORGER.issue("a", f.spki(KEY), f.names(*[f.dns("")] * 4096)),
    ],
)
def test_and_the_end_is_far_away(make: Callable[[], bytes]) -> None:
    assert Facts(make()).understand(2048)


def test_an_exponent_as_long_as_the_modulus() -> None:
    """To check one signature with it costs as much as to make a hundred."""
    modulus = new_key("rsa2048").public_key().public_numbers().n
    for bits, good in ((17, True), (64, True), (65, False), (2047, False)):
        leaf = FORGER.issue("leaf", f.rsa_spki(modulus, (1 << bits - 1) + 1))
        if good:
            assert Facts(leaf).understand(2048)
        else:
            with pytest.raises(UnsupportedCertificate, match=f"an exponent of {bits} bits"):
                Facts(leaf).understand(2048)
    long = FORGER.issue("leaf", f.rsa_spki((1 << 8199) + 1, 65537))
    with pytest.raises(UnsupportedCertificate, match="8200 bits, expected at most 8192"):
        Facts(long).understand(2048)


def test_a_name_in_an_error_is_short() -> None:
    facts = Facts(_subject(f.rdn("a" * 10_000, DESCRIPTION)))
    assert len(str(facts)) < 250
    assert str(facts) is str(facts)  # made once
    serial = f.certificate(f.seq(), f.name("X"), f.spki(KEY), KEY, serial=f.integer(1 << 80_000))
    assert len(str(Facts(serial))) < 250
