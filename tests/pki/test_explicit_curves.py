"""Keys on curves that are written out, not named: refused anywhere in a path (RFC 5480 2.1.1).

``cryptography`` takes those that are a named curve after all. Who computes with what is written
there can be given a generator of somebody's choice (CVE-2020-0601).
"""

from __future__ import annotations

import ssl as standard
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import postshake.ssl as ours
from postshake.constants import AlertDescription, Role
from postshake.errors import BadCertificate, CertificateError, ExplicitCurve
from postshake.pki.trust import ChainVerifier, PeerChain, TrustStore
from postshake.protocol.proofs import read_leaf
from postshake.ssl.errors import translate
from postshake.ssl.verifier import ContextVerifier
from tests import forging as f
from tests.certs import KEY_TYPES, NOW, new_key

CURVES = {  # field, a, b, order, generator
    "secp256r1": (
        "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff",
        "ffffffff00000001000000000000000000000000fffffffffffffffffffffffc",
        "5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b",
        "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
    ),
    "secp384r1": (
        "ff" * 31 + "feffffffff0000000000000000ffffffff",
        "ff" * 31 + "feffffffff0000000000000000fffffffc",
        "b3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875a"
        "c656398d8a2ed19d2a85c8edd3ec2aef",
        "ff" * 24 + "c7634d81f4372ddf581a0db248b0a77aecec196accc52973",
    ),
}


def explicit(key: Any, generator: bytes | None = None) -> bytes:
    """The subjectPublicKeyInfo of a key, with its curve written out."""
    curve = key.curve
    prime, a, b, order = CURVES[curve.name]
    if generator is None:
        generator = _point(ec.derive_private_key(1, curve))
    parameters = f.seq(
        f.integer(1),
        f.seq(f.oid("1.2.840.10045.1.1"), f.integer(int(prime, 16))),
        f.seq(f.tlv(0x04, bytes.fromhex(a)), f.tlv(0x04, bytes.fromhex(b))),
        f.tlv(0x04, generator),
        f.integer(int(order, 16)),
        f.integer(1),
    )
    return _info(parameters, key)


def _info(parameters: bytes, key: Any) -> bytes:
    algorithm = f.seq(f.oid("1.2.840.10045.2.1"), parameters)
    return f.seq(algorithm, f.tlv(0x03, b"\0" + _point(key)))


def _point(key: Any) -> bytes:
    encoded: bytes = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return encoded


def own_generator(key: Any) -> bytes:
    return explicit(key, _point(key))


KEYS = {curve: new_key(kind) for curve, kind in (("secp256r1", "p256"), ("secp384r1", "p384"))}
WRITTEN = {
    "P-256": explicit(KEYS["secp256r1"]),
    "P-384": explicit(KEYS["secp384r1"]),
    "another generator": own_generator(KEYS["secp256r1"]),
    "no curve": _info(b"\5\0", KEYS["secp256r1"]),  # implicitCurve
}
NAMES = f.names(f.dns("a.example"))


@pytest.mark.parametrize("where", ["leaf", "intermediate", "anchor", "both"])
@pytest.mark.parametrize("kind", WRITTEN)
def test_it_is_refused(kind: str, where: str) -> None:
    written = WRITTEN[kind]
    key = KEYS["secp384r1" if kind == "P-384" else "secp256r1"]
    root, below = f.CA("Root", key), f.CA("Below", key)
    anchor, chain = root.own(), []
    if where == "anchor":
        anchor = f.certificate(root.subject, root.subject, written, key, [f.BASIC_CA])
        chain = [root.issue("leaf", f.spki(new_key()), f.DIGITAL_SIGNATURE, NAMES)]
    elif where == "intermediate":
        leaf = below.issue("leaf", f.spki(new_key()), f.DIGITAL_SIGNATURE, NAMES)
        chain = [leaf, root.issue("Below", written, f.BASIC_CA)]
    else:
        chain = [root.issue("leaf", written, f.DIGITAL_SIGNATURE, NAMES)]
    trusted = chain if where == "both" else [anchor]
    peer = PeerChain(tuple(chain), Role.server, "a.example", None, NOW.timestamp())
    partial = int(standard.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN)
    for verifier in (ChainVerifier(TrustStore(trusted)), ContextVerifier(trusted, (), partial)):
        with pytest.raises(CertificateError) as caught:
            verifier.verify(peer)
        assert type(caught.value) is ExplicitCurve, caught.value
        assert caught.value.alert is AlertDescription.bad_certificate  # as OpenSSL
        told = translate(caught.value)
        assert isinstance(told, ours.SSLCertVerificationError)
        assert (told.verify_code, told.verify_message) == (
            94,
            "Certificate public key has explicit ECC parameters",
        )


@pytest.mark.parametrize("kind", sorted(set(KEY_TYPES) - {"rsa1024"}))
def test_other_keys_are_not_taken_for_it(kind: str) -> None:
    root = f.CA("Root", KEYS["secp256r1"])
    leaf = root.issue("leaf", f.spki(new_key(kind)), f.DIGITAL_SIGNATURE)
    peer = PeerChain((leaf,), Role.client, None, None, NOW.timestamp())
    assert ChainVerifier(TrustStore([root.own()])).verify(peer)


@pytest.mark.parametrize("kind", WRITTEN)
def test_a_peer_that_shows_one_is_told_so(kind: str) -> None:
    """Also where ``cryptography`` cannot read the key, before anybody judges it."""
    leaf = f.CA("Root", KEYS["secp256r1"]).issue("leaf", WRITTEN[kind], f.DIGITAL_SIGNATURE)
    if kind in ("P-256", "P-384"):
        assert read_leaf(leaf)  # and then the verifier refuses it
        return
    with pytest.raises(ExplicitCurve):
        read_leaf(leaf)


def test_others_that_cannot_be_read_are_not_told_so() -> None:
    odd = f.seq(f.seq(f.oid("1.2.840.10045.2.1"), f.oid("1.2.3")), f.tlv(0x03, b"\0\4"))
    root = f.CA("Root", KEYS["secp256r1"])
    for der in (root.issue("leaf", odd, f.DIGITAL_SIGNATURE), b"rubbish", b"\x30\x03\2\1\1"):
        with pytest.raises(BadCertificate) as caught:
            read_leaf(der)
        assert type(caught.value) is BadCertificate
