"""Credentials: from files, from memory, from objects; and what is wrong with them."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from postshake.errors import CertificateRevoked
from postshake.session import CertificateCredentials, SessionError, codes
from tests.certs import CA, peer
from tests.revoking import make_list
from tests.session.ends import authority, certificate
from tests.vectors.rfc9881 import (
    BOTH,
    CERTIFICATE,
    ENCRYPTED,
    PASSWORD,
    PKCS12,
    expanded_key,
    form,
    pem,
    tlv,
)


@pytest.fixture
def files(tmp_path):
    cert, key = certificate("alice").write(tmp_path, "alice")
    ca = tmp_path / "ca.crt"
    ca.write_bytes(authority().pem())
    (tmp_path / "alice.p12").write_bytes(certificate("alice").pkcs12(b"secret"))
    return tmp_path, str(ca), cert, key


def test_from_files(files):
    folder, ca, cert, key = files
    credentials = CertificateCredentials()
    assert credentials.set_x509_trust_file(ca) == 1
    assert credentials.set_x509_key_file(cert, key) == 0
    assert credentials.set_x509_simple_pkcs12_file(folder / "alice.p12", "secret") == 1
    assert credentials.get_x509_crt(0)[0] == certificate("alice").der
    assert credentials.get_x509_crt(1)[0] == certificate("alice").der
    assert len(credentials.trust) == 1
    assert repr(credentials) == "CertificateCredentials(chains=2, trusted=1)"


def test_from_memory_and_objects():
    alice = certificate("alice")
    credentials = CertificateCredentials()
    assert credentials.set_x509_trust_mem(authority().pem()) == 1
    assert credentials.set_x509_trust([authority("Another CA").certificate]) == 1
    assert credentials.set_x509_trust([authority().der]) == 1  # again: trusted once
    assert len(credentials.trust) == 2
    assert credentials.set_x509_key_mem(alice.pem(), alice.key_pem()) == 0
    assert credentials.set_x509_key([alice.certificate], alice.private_key) == 1
    assert credentials.set_x509_key(alice.credential()) == 2
    assert credentials.set_x509_simple_pkcs12_mem(alice.pkcs12(b"x"), b"x") == 3


def code_of(function, *arguments):
    with pytest.raises(SessionError) as caught:
        function(*arguments)
    return caught.value.code


def test_what_is_wrong(files):
    folder, _ca, cert, key = files
    credentials = CertificateCredentials()
    other = certificate("mallory").write(folder, "mallory")[1]
    assert code_of(credentials.set_x509_trust_file, folder / "none") == codes.E_FILE_ERROR
    assert code_of(credentials.set_x509_key_file, cert, folder / "none") == codes.E_FILE_ERROR
    mismatch = codes.E_CERTIFICATE_KEY_MISMATCH
    assert code_of(credentials.set_x509_key_file, cert, other) == mismatch
    assert code_of(credentials.set_x509_trust_file, key) == codes.E_CERTIFICATE_ERROR
    assert code_of(credentials.set_x509_trust_mem, b"no PEM") == codes.E_CERTIFICATE_ERROR
    wrong = (folder / "alice.p12", "wrong")
    assert code_of(credentials.set_x509_simple_pkcs12_file, *wrong) == codes.E_CERTIFICATE_ERROR
    bare = [certificate("alice").certificate]
    assert code_of(credentials.set_x509_key, bare) == codes.E_INVALID_REQUEST
    assert code_of(credentials.get_x509_crt, 0) == codes.E_REQUESTED_DATA_NOT_AVAILABLE


def test_trust_may_grow_while_sessions_use_it():
    credentials = CertificateCredentials()
    credentials.set_x509_trust([authority().certificate])
    before = credentials.verifier
    assert credentials.verifier is before  # and so is what it remembers
    credentials.set_x509_trust([authority("Another CA").certificate])
    assert len(credentials.trust) == 2
    assert credentials.verifier is not before


def test_a_verifier_of_ones_own_stays():
    credentials = CertificateCredentials()
    own = authority().verifier()
    credentials.set_verifier(own)
    credentials.set_x509_trust([authority("Another CA").certificate])
    assert credentials.verifier is own


def test_revocation_lists(tmp_path):
    """They add up, and hold for verifiers that were made before."""
    ca = CA("Revoking CA")
    first, second = ca.issue("first"), ca.issue("second")
    credentials = CertificateCredentials()
    credentials.set_x509_trust([ca.certificate])
    verifier = credentials.verifier
    other = CA("Another CA")
    path = tmp_path / "crl.pem"
    path.write_bytes(make_list(ca, first).public_bytes(Encoding.PEM))
    assert credentials.set_x509_crl_file(path) == 1
    assert credentials.set_x509_crl([make_list(other)]) == 1
    assert credentials.set_x509_crl_mem(make_list(other).public_bytes(Encoding.PEM).decode()) == 1
    with pytest.raises(CertificateRevoked):
        verifier.verify(peer(first))
    verifier.verify(peer(second))
    with pytest.raises(SessionError) as caught:
        credentials.set_x509_crl_file(tmp_path / "nosuch")
    assert caught.value.code == codes.E_FILE_ERROR
    with pytest.raises(SessionError):
        credentials.set_x509_crl_mem("no list")


def test_ml_dsa_keys_as_openssl_writes_them(tmp_path):
    """With the seed and the expanded key (RFC 9881 section 6); the latter alone is an error."""
    credentials = CertificateCredentials()
    cert, key = pem("CERTIFICATE", CERTIFICATE), pem("PRIVATE KEY", BOTH["ML-DSA-44"])
    encrypted = pem("ENCRYPTED PRIVATE KEY", ENCRYPTED["scrypt"])
    for name, data in (
        ("a.crt", cert),
        ("a.key", key),
        ("b.key", encrypted),
        ("a.p12", PKCS12["OpenSSL"]),
    ):
        (tmp_path / name).write_bytes(data)
    assert credentials.set_x509_key_file(tmp_path / "a.crt", tmp_path / "a.key") == 0
    assert credentials.set_x509_key_file(tmp_path / "a.crt", tmp_path / "b.key", PASSWORD) == 1
    assert credentials.set_x509_key_mem(cert, key) == 2
    assert credentials.set_x509_simple_pkcs12_file(tmp_path / "a.p12", PASSWORD) == 3
    assert {chain.chain for chain in credentials.chains} == {(CERTIFICATE,)}
    alone = pem("PRIVATE KEY", form("ML-DSA-44", tlv(0x04, expanded_key("ML-DSA-44"))))
    with pytest.raises(SessionError, match="expandedKey alone") as caught:
        credentials.set_x509_key_mem(cert, alone)
    assert caught.value.code == codes.E_UNKNOWN_PK_ALGORITHM
