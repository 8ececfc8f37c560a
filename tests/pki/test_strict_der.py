"""Certificates that are not in strict DER: the copy that is read, and all that is shown of them."""

from __future__ import annotations

import json
import ssl as standard
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from postshake import ChainVerifier, Credential, TrustStore, UsageError
from postshake.constants import Role
from postshake.errors import CertificateError
from postshake.pki.der import certificate_fields
from postshake.pki.extensions import read_extensions
from postshake.pki.identity import Identity
from postshake.pki.names import matches_host
from postshake.pki.parsed_certificate import Facts
from postshake.pki.strict_der import (
    issuer_of,
    load_certificate,
    read_name,
    strict_certificate,
    subject_of,
    version_of,
)
from postshake.pki.trust import PeerChain
from postshake.ssl.peercert import certificate_dict
from postshake.web.wsgi import client_variables
from tests import forging as f
from tests import odd_certificates as odd
from tests.certs import CA, KEY_TYPES, NOW


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Of serial numbers below 1, `cryptography` warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def verify(path: list[bytes]) -> None:
    """Refuse a path as the engine does."""
    peer = PeerChain(tuple(path[:-1]), Role.client, None, None, NOW.timestamp())
    ChainVerifier(TrustStore(path[-1:])).verify(peer)


def accepted(name: str) -> bool:
    """Whether the engine takes it."""
    try:
        verify(odd.write(odd.ODDITIES[name]))
    except CertificateError:
        return False
    return True


TAKEN = [name for name in odd.ODDITIES if accepted(name)]


# --- the copy


@pytest.mark.parametrize("key_type", [each for each in KEY_TYPES if not each.startswith("mldsa")])
def test_strict_der_comes_back_as_it_is(key_type: str) -> None:
    for issued in (CA("Root"), CA("Root").issue("a.example", key_type=key_type, dns=["a.example"])):
        assert strict_certificate(issued.der) == issued.der


@pytest.mark.parametrize("name", TAKEN)
def test_the_copy_says_the_same(name: str) -> None:
    der = odd.write(odd.ODDITIES[name])[0]
    fields = certificate_fields(der)
    copy = certificate_fields(load_certificate(der).public_bytes(Encoding.DER))
    assert copy.spki == fields.spki
    assert read_extensions(copy.extensions) == read_extensions(fields.extensions)


def test_the_copy_of_a_copy_is_the_same() -> None:
    for each in odd.ODDITIES.values():
        for der in odd.write(each):
            try:
                copy = strict_certificate(der)
            except ValueError:
                continue
            assert strict_certificate(copy) == copy


@pytest.mark.parametrize(
    "name", ["ECDSA with NULL", "critical FALSE, written out", "version 2", "an empty RDN"]
)
def test_nothing_that_nobody_signed_may_be_otherwise(name: str) -> None:
    """Outside of what is signed no bit may differ, in odd ones as in others."""
    leaf, anchor = odd.write(odd.ODDITIES[name])
    tbs = certificate_fields(leaf).tbs
    start = leaf.index(tbs)
    for at in (*range(start), *range(start + len(tbs), len(leaf))):
        for bit in range(8):
            damaged = bytearray(leaf)
            damaged[at] ^= 1 << bit
            with pytest.raises(CertificateError):
                verify([bytes(damaged), anchor])


def test_every_flipped_bit_of_an_odd_certificate_is_refused() -> None:
    leaf, anchor = odd.write(odd.ODDITIES["critical FALSE, written out"])
    verify([leaf, anchor])
    for index in range(len(leaf)):
        damaged = bytearray(leaf)
        damaged[index] ^= 1 << index % 8
        with pytest.raises(CertificateError):
            verify([bytes(damaged), anchor])


@given(st.binary(max_size=300))
def test_rubbish_is_a_value_error(data: bytes) -> None:
    for reader in (load_certificate, strict_certificate, read_name):
        with pytest.raises(ValueError):  # noqa: PT011 (whatever it says)
            reader(b"\x31" + data)


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("nothing", 3),
        ("version 2", 2),
        ("version 4", 4),
        ("version 1 with extensions", 1),
        ("version 1, written out", 1),
    ],
)
def test_versions(name: str, version: int) -> None:
    der = odd.write(odd.ODDITIES[name])[0]
    assert version_of(der) == version
    assert certificate_dict(der)["version"] == version


# --- names


@pytest.mark.parametrize(
    ("tag", "content", "text"),
    [
        (0x14, b"J\xfcrgen", "Jürgen"),
        (0x16, b"J\xfcrgen", "Jürgen"),
        (0x13, b"john_doe@example.com", "john_doe@example.com"),
        (0x1A, b"a", "a"),
        (0x1B, b"a", "a"),
        (0x1E, "ä".encode("utf-16-be"), "ä"),
    ],
)
def test_strings_are_shown_as_openssl_shows_them(tag: int, content: bytes, text: str) -> None:
    read = read_name(f.seq(f.rdn(content, tag=tag)))
    [attribute] = read
    assert attribute.value == text


def test_an_empty_rdn_hides_no_other() -> None:
    read = read_name(f.seq(f.tlv(0x31), f.rdn("alice")))
    assert read.rfc4514_string() == "CN=alice"


@pytest.mark.parametrize("broken", [b"J\xfcrgen", b"\xed\xa0\x80"])
def test_broken_utf8_is_no_name(broken: bytes) -> None:
    with pytest.raises(ValueError, match=r"utf|parse|Invalid"):
        read_name(f.seq(f.rdn(broken)))


# --- what is shown


@pytest.mark.parametrize("name", TAKEN)
def test_what_is_odd_hides_nothing_else(name: str) -> None:
    path = odd.write(odd.ODDITIES[name])
    identity = Identity((path[0],), tuple(path), NOW.timestamp())
    told = json.loads(identity.to_json())
    assert told["subject"] == subject_of(load_certificate(path[0])).rfc4514_string() != ""
    assert told["issuer"] == issuer_of(load_certificate(path[0])).rfc4514_string() != ""
    assert all(each["subject"] and each["issuer"] for each in told["chain"])
    assert identity.valid_until <= identity.not_after
    shown = certificate_dict(path[0])
    assert all(shown[each] for each in ("subject", "issuer", "notBefore", "notAfter"))
    variables = client_variables(identity)
    assert variables["SSL_CLIENT_CERT"] == standard.DER_cert_to_PEM_cert(path[0])
    assert "damaged" not in str(Facts(path[0]))


def test_the_certificate_itself_is_never_shown_as_another() -> None:
    """Who pins a fingerprint must not be given a copy's."""
    for name in TAKEN:
        der = odd.write(odd.ODDITIES[name])[0]
        try:
            shown = Identity((der,)).certificate
        except ValueError:
            continue
        assert shown.public_bytes(Encoding.DER) == der


def test_names_beside_one_that_cannot_be_read() -> None:
    names = f.names(
        f.dns(b"m\xfcller.example"), f.tlv(0x87, b"12345"), f.tlv(0xA3, f.seq()), f.dns("a.example")
    )
    der = f.CA().issue("alice", f.spki(odd.keys()[0]), names)
    assert certificate_dict(der)["subjectAltName"] == (
        ("DNS", "<invalid>"),
        ("IP Address", "<invalid>"),
        ("X400Name", "<unsupported>"),
        ("DNS", "a.example"),
    )
    assert Identity((der,)).subject_alt_names == (("DNS", "a.example"),)
    assert matches_host(load_certificate(der), "a.example")
    assert not matches_host(load_certificate(der), "b.example")


def test_places_beside_one_that_cannot_be_read() -> None:
    bad, good = f.tlv(0x86, b"http://\xe4/"), f.tlv(0x86, b"http://a/")
    points = f.seq(*[f.seq(f.tlv(0xA0, f.tlv(0xA0, each))) for each in (bad, good)])
    der = f.CA().issue(
        "alice",
        f.spki(odd.keys()[0]),
        f.extension("2.5.29.31", points),
        f.extension("1.3.6.1.5.5.7.1.1", b"\xff"),
    )
    shown = certificate_dict(der)
    assert shown["crlDistributionPoints"] == ("http://a/",)
    assert "OCSP" not in shown


# --- our own, and those we trust


@pytest.mark.parametrize("name", TAKEN)
def test_our_own_are_sent_as_they_are(name: str, tmp_path: Path) -> None:
    *chain, _ = odd.write(odd.ODDITIES[name])
    key = odd.keys()[0].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    text = "".join(map(standard.DER_cert_to_PEM_cert, chain)).encode()
    both = tmp_path / "both.pem"
    both.write_bytes(text + key)
    for credential in (
        Credential.from_pem(text, key),
        Credential.from_files(both),
        Credential.from_der(chain[::-1], odd.keys()[0]),
    ):
        assert credential.chain == tuple(chain)
        assert credential.schemes
        assert repr(credential)


@pytest.mark.parametrize("name", TAKEN)
def test_those_that_are_trusted_are_kept_as_they_are(name: str, tmp_path: Path) -> None:
    path = odd.write(odd.ODDITIES[name])
    text = "".join(map(standard.DER_cert_to_PEM_cert, path))
    (tmp_path / "ca.pem").write_text(text)
    (tmp_path / "ca.der").write_bytes(path[0])
    assert TrustStore.from_pem(text).ders() == tuple(path)
    assert TrustStore.from_files(tmp_path / "ca.pem", tmp_path / "ca.der").ders() == tuple(path)
    # what is trusted itself is found as such
    verify([path[0], path[0]])


def test_damaged_pem_is_still_refused() -> None:
    der = odd.write(odd.ODDITIES["version 2"])[0]
    text = standard.DER_cert_to_PEM_cert(der)
    for damaged in (
        text[:200] + "!" + text[200:],
        standard.DER_cert_to_PEM_cert(der[:-1]),
        text + text[:200],
        "x",
    ):
        with pytest.raises(UsageError):
            TrustStore.from_pem(damaged)


def test_a_credential_whose_usage_cannot_be_read_is_refused_when_it_is_made() -> None:
    for name in ("keyUsage that cannot be read", "extendedKeyUsage that cannot be read"):
        with pytest.raises(UsageError, match="cannot be read"):
            Credential.from_der(odd.write(odd.ODDITIES[name])[:1], odd.keys()[0])


def test_what_cryptography_reads_is_read_by_it() -> None:
    issued = CA("Root").issue("a.example")
    assert load_certificate(issued.der) == x509.load_der_x509_certificate(issued.der)
