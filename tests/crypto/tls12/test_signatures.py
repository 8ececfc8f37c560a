"""Signature schemes in the sense of TLS 1.2."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from postshake.constants import SignatureScheme
from postshake.crypto.signatures import handshake_schemes, sign, verify
from postshake.crypto.tls12.signatures import (
    fits12,
    handshake_schemes12,
    schemes12_for,
    sign12,
    verify12,
)
from postshake.errors import BadSignature, IllegalParameter, UsageError
from tests.certs import new_key

S = SignatureScheme
ECDSA = {S.ecdsa_secp256r1_sha256, S.ecdsa_secp384r1_sha384, S.ecdsa_secp521r1_sha512}
PSS = {S.rsa_pss_rsae_sha256, S.rsa_pss_rsae_sha384, S.rsa_pss_rsae_sha512}
PSS_PSS = {S.rsa_pss_pss_sha256, S.rsa_pss_pss_sha384, S.rsa_pss_pss_sha512}
PKCS1 = {S.rsa_pkcs1_sha256, S.rsa_pkcs1_sha384, S.rsa_pkcs1_sha512}
FITTING = {
    "p256": ECDSA,
    "p384": ECDSA,
    "p521": ECDSA,
    "ed25519": {S.ed25519},
    "ed448": {S.ed448},
    "rsa2048": PSS | PKCS1,
}
keys = pytest.mark.parametrize("name", FITTING)


def test_no_sha1_no_ml_dsa_and_pkcs1_last() -> None:
    schemes = handshake_schemes12()
    assert set(schemes) == {S.ed25519, S.ed448} | ECDSA | PSS | PSS_PSS | PKCS1
    assert set(schemes[-3:]) == PKCS1
    assert schemes[:-3] == tuple(each for each in handshake_schemes() if each in schemes)


@keys
def test_what_fits_a_key(name: str) -> None:
    key = new_key(name).public_key()
    assert set(schemes12_for(key)) == FITTING[name]
    assert {scheme for scheme in SignatureScheme if fits12(scheme, key)} == FITTING[name]
    assert not fits12(0x0A0A, key)


def test_what_fits_a_key_for_pss_alone() -> None:
    key = new_key("rsa2048").public_key()
    assert set(schemes12_for(key, pss_key=True)) == PSS_PSS


def test_a_curve_that_nobody_named() -> None:
    key = ec.generate_private_key(ec.SECP256K1())
    assert schemes12_for(key.public_key()) == ()
    with pytest.raises(UsageError):
        sign12(S.ecdsa_secp256r1_sha256, key, b"data")


@keys
def test_what_is_signed_verifies(name: str) -> None:
    private = new_key(name)
    for scheme in FITTING[name]:
        signature = sign12(scheme, private, b"data")
        verify12(scheme, private.public_key(), signature, b"data")
        for bad, data in ((signature, b"dat"), (_flip(signature), b"data"), (b"", b"data")):
            with pytest.raises(BadSignature):
                verify12(scheme, private.public_key(), bad, data)


def _flip(signature: bytes) -> bytes:
    return signature[:-1] + bytes((signature[-1] ^ 1,))


def test_the_hash_is_the_schemes() -> None:
    private = new_key("p384")
    signature = sign12(S.ecdsa_secp256r1_sha256, private, b"data")
    with pytest.raises(BadSignature):
        verify12(S.ecdsa_secp384r1_sha384, private.public_key(), signature, b"data")
    rsa = new_key("rsa2048")
    with pytest.raises(BadSignature):
        verify12(S.rsa_pkcs1_sha256, rsa.public_key(), sign(PSS.copy().pop(), rsa, b""), b"")


@pytest.mark.parametrize(
    ("scheme", "name"),
    [
        (S.rsa_pkcs1_sha256, "p256"),
        (S.ecdsa_secp256r1_sha256, "rsa2048"),
        (S.ed25519, "p256"),
        (S.ecdsa_sha1, "p256"),
        (S.rsa_pkcs1_sha1, "rsa2048"),
        (S.mldsa44, "p256"),
        (0x0A0A, "p256"),
    ],
)
def test_what_does_not_fit(scheme: int, name: str) -> None:
    private = new_key(name)
    with pytest.raises(IllegalParameter):
        verify12(scheme, private.public_key(), b"signature", b"data")
    if scheme != S.mldsa44:
        with pytest.raises(UsageError):
            sign12(scheme, private, b"data")


def test_tls_1_3_stays_strict() -> None:
    """A wider scheme table for TLS 1.2 changes nothing for CertificateVerify of 1.3."""
    private = new_key("p384")
    signature = sign12(S.ecdsa_secp256r1_sha256, private, b"data")
    with pytest.raises(IllegalParameter):
        verify(S.ecdsa_secp256r1_sha256, private.public_key(), signature, b"data")
