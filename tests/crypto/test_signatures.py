from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa, x25519
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from postshake.constants import SignatureScheme
from postshake.crypto import signatures
from postshake.crypto.signatures import (
    PssParameters,
    certificate_schemes,
    fits,
    handshake_schemes,
    schemes_for,
    sign,
    verify,
)
from postshake.crypto.tls12.signatures import fits12, schemes12_for
from postshake.errors import DecryptError, IllegalParameter, UsageError
from tests.crypto.without import load_without

Scheme = SignatureScheme
DATA = b"\x20" * 64 + b"TLS 1.3, client CertificateVerify\x00" + bytes(32)

ECDSA = [
    Scheme.ecdsa_secp256r1_sha256,
    Scheme.ecdsa_secp384r1_sha384,
    Scheme.ecdsa_secp521r1_sha512,
]
RSAE = [Scheme.rsa_pss_rsae_sha256, Scheme.rsa_pss_rsae_sha384, Scheme.rsa_pss_rsae_sha512]
PSS = [Scheme.rsa_pss_pss_sha256, Scheme.rsa_pss_pss_sha384, Scheme.rsa_pss_pss_sha512]
MLDSA = [Scheme.mldsa44, Scheme.mldsa65, Scheme.mldsa87]
HAS_MLDSA = Scheme.mldsa44 in handshake_schemes()

HASHES: dict[str, hashes.HashAlgorithm] = {
    "256": hashes.SHA256(),
    "384": hashes.SHA384(),
    "512": hashes.SHA512(),
}

FITTING: dict[str, list[SignatureScheme]] = {
    "p256": [Scheme.ecdsa_secp256r1_sha256],
    "p384": [Scheme.ecdsa_secp384r1_sha384],
    "p521": [Scheme.ecdsa_secp521r1_sha512],
    "secp256k1": [],
    "ed25519": [Scheme.ed25519],
    "ed448": [Scheme.ed448],
    "x25519": [],
    "rsa1024": RSAE[:2],
    "rsa2048": RSAE,
    **({scheme.name: [scheme] for scheme in MLDSA} if HAS_MLDSA else {}),
}
"""Which schemes each key may use; an RSASSA-PSS certificate swaps RSAE for PSS."""


@cache
def key(name: str) -> Any:
    """Make a private key, once."""
    curves: dict[str, Any] = {"p256": ec.SECP256R1, "p384": ec.SECP384R1, "p521": ec.SECP521R1}
    if name in curves or name == "secp256k1":
        return ec.generate_private_key(curves.get(name, ec.SECP256K1)())
    if name.startswith("rsa"):
        return rsa.generate_private_key(65537, int(name[3:]))
    if name.startswith("mldsa"):
        from cryptography.hazmat.primitives.asymmetric import mldsa

        return getattr(mldsa, f"MLDSA{name[5:]}PrivateKey").generate()
    others: dict[str, Any] = {
        "ed25519": ed25519.Ed25519PrivateKey,
        "ed448": ed448.Ed448PrivateKey,
        "x25519": x25519.X25519PrivateKey,
    }
    return others[name].generate()


@cache
def signed(scheme: SignatureScheme) -> tuple[Any, bytes]:
    """Sign DATA by a scheme: the public key and the signature."""
    private = key(signer_of(scheme))
    return private.public_key(), sign(scheme, private, DATA)


def signer_of(scheme: SignatureScheme) -> str:
    if scheme in RSAE + PSS:
        return "rsa2048"
    return next(name for name, schemes in FITTING.items() if scheme in schemes)


every_key = pytest.mark.parametrize("name", FITTING)
every_scheme = pytest.mark.parametrize("scheme", handshake_schemes(), ids=lambda s: s.name)


# What fits


def test_preferred_first() -> None:
    offered = (Scheme.ed25519, *ECDSA, *RSAE, *PSS, Scheme.ed448)
    assert handshake_schemes() == (*offered, *(MLDSA if HAS_MLDSA else ()))


def test_certificates_may_be_signed_by_pkcs1_too_and_nothing_by_sha1() -> None:
    pkcs1 = (Scheme.rsa_pkcs1_sha256, Scheme.rsa_pkcs1_sha384, Scheme.rsa_pkcs1_sha512)
    assert certificate_schemes() == handshake_schemes() + pkcs1
    assert not {Scheme.rsa_pkcs1_sha1, Scheme.ecdsa_sha1} & set(certificate_schemes())


@every_key
@pytest.mark.parametrize("pss_key", [False, True])
def test_which_scheme_fits_which_key(name: str, pss_key: bool) -> None:
    public = key(name).public_key()
    expected = FITTING[name]
    if pss_key:
        expected = [PSS[RSAE.index(scheme)] for scheme in expected if scheme in RSAE]
    assert [s for s in Scheme if fits(s, public, pss_key=pss_key)] == expected
    assert list(schemes_for(public, pss_key=pss_key)) == expected


@every_key
@pytest.mark.parametrize("code", [0, 0x0804 + 0x10000, 0x0A0A, 0xFFFF, -1])
def test_an_unknown_code_fits_nothing(name: str, code: int) -> None:
    assert not fits(code, key(name).public_key())


@pytest.mark.parametrize(("bits", "schemes"), [(1032, 2), (1033, 2), (1034, 3), (1040, 3)])
def test_rsa_keys_just_large_enough(bits: int, schemes: int) -> None:
    private = key(f"rsa{bits}")
    assert len(schemes_for(private.public_key())) == schemes
    for scheme in RSAE[:schemes]:
        verify(scheme, private.public_key(), sign(scheme, private, DATA), DATA)


def test_what_does_not_fit_a_small_rsa_key_cannot_be_signed_either() -> None:
    sha512 = hashes.SHA512()
    pss = padding.PSS(padding.MGF1(sha512), salt_length=64)
    with pytest.raises(ValueError, match=r"(?i)digest|too|size|large|small"):
        key("rsa1024").sign(DATA, pss, sha512)


# Signing and verifying


@every_scheme
def test_what_is_signed_verifies(scheme: SignatureScheme) -> None:
    public, signature = signed(scheme)
    verify(scheme, public, signature, DATA)


@every_scheme
@settings(max_examples=15, suppress_health_check=[HealthCheck.differing_executors], deadline=None)
@given(st.data())
def test_no_bit_may_be_flipped(scheme: SignatureScheme, data: st.DataObject) -> None:
    public, signature = signed(scheme)
    bit = data.draw(st.integers(0, 8 * (len(signature) + len(DATA)) - 1))
    both = int.from_bytes(signature + DATA, "big") ^ 1 << bit
    flipped = both.to_bytes(len(signature) + len(DATA), "big")
    with pytest.raises(DecryptError, match=scheme.name):
        verify(scheme, public, flipped[: len(signature)], flipped[len(signature) :])


@every_scheme
@pytest.mark.parametrize("change", ["empty", "short", "long", "huge", "zeros", "r and s are zero"])
def test_signatures_of_a_wrong_form(scheme: SignatureScheme, change: str) -> None:
    public, signature = signed(scheme)
    spoiled = {
        "empty": b"",
        "short": signature[:-1],
        "long": signature + b"\x00",
        "huge": signature * 100,
        "zeros": bytes(len(signature)),
        "r and s are zero": bytes.fromhex("3006020100020100"),  # CVE-2022-21449
    }[change]
    with pytest.raises(DecryptError):
        verify(scheme, public, spoiled, DATA)


@every_scheme
def test_another_key_of_the_same_kind_does_not_verify(scheme: SignatureScheme) -> None:
    _, signature = signed(scheme)
    name = signer_of(scheme)
    if name == "rsa2048":
        other = rsa.RSAPublicNumbers(65537, key(name).public_key().public_numbers().n + 2)
        with pytest.raises(DecryptError):
            verify(scheme, other.public_key(), signature, DATA)
        return
    with pytest.raises(DecryptError):
        verify(scheme, key.__wrapped__(name).public_key(), signature, DATA)


@every_key
def test_a_scheme_that_does_not_fit(name: str) -> None:
    private = key(name)
    for scheme in Scheme:
        if scheme in FITTING[name] or (name.startswith("rsa") and scheme in PSS):
            continue
        with pytest.raises(UsageError, match=scheme.name):
            sign(scheme, private, DATA)
        with pytest.raises(IllegalParameter, match=scheme.name):
            verify(scheme, private.public_key(), b"signature", DATA)


def test_an_unknown_code_is_refused_by_number() -> None:
    with pytest.raises(IllegalParameter, match="0x0a0a"):
        verify(0x0A0A, key("ed25519").public_key(), b"signature", DATA)
    with pytest.raises(UsageError, match="0x0a0a"):
        sign(0x0A0A, key("ed25519"), DATA)


@pytest.mark.parametrize(
    ("name", "text"),
    [("p384", r"\(ECPublicKey on secp384r1\)"), ("rsa1024", r"\(RSAPublicKey of 1024 bits\)")],
)
def test_a_refusal_names_the_key(name: str, text: str) -> None:
    with pytest.raises(IllegalParameter, match=text):
        verify(Scheme.ed25519, key(name).public_key(), b"signature", DATA)


# RSA, where much can be got wrong


SALT_LENGTHS = {"none": 0, "20": 20, "31": 31, "33": 33, "longest": padding.PSS.MAX_LENGTH}


@pytest.mark.parametrize("salt_length", SALT_LENGTHS.values(), ids=SALT_LENGTHS.keys())
def test_pss_salts_are_as_long_as_the_hash(salt_length: Any) -> None:
    sha256 = hashes.SHA256()
    pss = padding.PSS(padding.MGF1(sha256), salt_length=salt_length)
    signature = key("rsa2048").sign(DATA, pss, sha256)
    with pytest.raises(DecryptError):
        verify(Scheme.rsa_pss_rsae_sha256, key("rsa2048").public_key(), signature, DATA)


def test_pss_masks_with_the_same_hash() -> None:
    pss = padding.PSS(padding.MGF1(hashes.SHA512()), salt_length=32)
    signature = key("rsa2048").sign(DATA, pss, hashes.SHA256())
    with pytest.raises(DecryptError):
        verify(Scheme.rsa_pss_rsae_sha256, key("rsa2048").public_key(), signature, DATA)


@pytest.mark.parametrize("scheme", RSAE + PSS, ids=lambda s: s.name)
def test_pkcs1_is_never_a_handshake_signature(scheme: SignatureScheme) -> None:
    signature = key("rsa2048").sign(DATA, padding.PKCS1v15(), HASHES[scheme.name[-3:]])
    with pytest.raises(DecryptError):
        verify(scheme, key("rsa2048").public_key(), signature, DATA)


def test_rsae_and_pss_differ_in_the_key_and_not_in_the_octets() -> None:
    for rsae, pss in zip(RSAE, PSS, strict=True):
        public, signature = signed(rsae)
        verify(pss, public, signature, DATA)
        assert fits(rsae, public) != fits(pss, public)


@pytest.mark.parametrize("scheme", ECDSA + RSAE + PSS, ids=lambda s: s.name)
@pytest.mark.parametrize("bits", HASHES)
def test_the_hash_is_the_one_that_the_scheme_names(scheme: SignatureScheme, bits: str) -> None:
    private, chosen = key(signer_of(scheme)), HASHES[bits]
    if scheme in ECDSA:
        signature = private.sign(DATA, ec.ECDSA(chosen))
    else:
        pss = padding.PSS(padding.MGF1(chosen), salt_length=chosen.digest_size)
        signature = private.sign(DATA, pss, chosen)
    if scheme.name.endswith(bits):
        verify(scheme, private.public_key(), signature, DATA)
    else:
        with pytest.raises(DecryptError):
            verify(scheme, private.public_key(), signature, DATA)


# Older libraries


def test_without_mldsa_the_others_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    older = load_without("mldsa", signatures, monkeypatch)
    assert older.handshake_schemes() == (Scheme.ed25519, *ECDSA, *RSAE, *PSS, Scheme.ed448)
    private = key("p256")
    signature = older.sign(Scheme.ecdsa_secp256r1_sha256, private, DATA)
    older.verify(Scheme.ecdsa_secp256r1_sha256, private.public_key(), signature, DATA)
    assert not older.fits(Scheme.mldsa44, private.public_key())


@pytest.mark.parametrize(
    ("parameters", "fitting"),
    [
        (PssParameters("sha256", "sha256", 32), PSS[:1]),
        (PssParameters("sha384", "sha384", 0), PSS[1:2]),
        (PssParameters("sha512", "sha512", 64), PSS[2:]),
        (PssParameters("sha256", "sha256", 33), []),
        (PssParameters("sha256", "sha512", 20), []),
        (PssParameters("sha1", "sha1", 20), []),
    ],
    ids=str,
)
def test_a_key_with_parameters_fits_their_scheme_alone(parameters, fitting) -> None:
    """RFC 4055 section 3.3, in the schemes of §4.2.3: one hash, and a salt as long."""
    public = key("rsa2048").public_key()
    for scheme in Scheme:
        assert fits(scheme, public, pss_key=parameters) is (scheme in fitting)
        assert fits12(scheme, public, pss_key=parameters) is (scheme in fitting)
    assert list(schemes_for(public, pss_key=parameters)) == fitting
    assert list(schemes12_for(public, pss_key=parameters)) == fitting
