"""Credentials that sign by some of the schemes that their key fits."""

from __future__ import annotations

import pytest

from postshake.constants import SignatureScheme
from postshake.errors import UsageError
from postshake.pki.credential import Credential
from postshake.pki.limited import limited
from tests.certs import CA

S = SignatureScheme


def credential(key_type: str) -> Credential:
    issued = CA("Test CA").issue("alice", key_type=key_type)
    return Credential.from_objects([issued.certificate], issued.private_key)


@pytest.mark.parametrize("key_type", ["p256", "rsa2048", "ed25519"])
def test_nothing_is_taken_from_what_is_allowed_whole(key_type):
    whole = credential(key_type)
    assert limited(whole, set(whole.schemes) | set(whole.schemes12)) is whole
    assert limited(whole, SignatureScheme) is whole


def test_only_what_is_allowed_is_left():
    whole = credential("rsa2048")
    part = limited(whole, (S.rsa_pss_rsae_sha384, S.rsa_pkcs1_sha256, S.ed25519))
    assert part is not None
    assert part.schemes == (S.rsa_pss_rsae_sha384,)
    assert set(part.schemes12) == {S.rsa_pss_rsae_sha384, S.rsa_pkcs1_sha256}
    assert part.chain == whole.chain
    assert part.signer.sign(S.rsa_pss_rsae_sha384, b"data")
    assert repr(part) == repr(whole)


def test_in_tls12_a_scheme_names_no_curve():
    part = limited(credential("p256"), [S.ecdsa_secp384r1_sha384])
    assert part is not None
    assert part.schemes == ()
    assert part.schemes12 == (S.ecdsa_secp384r1_sha384,)


def test_nothing_left_is_no_credential():
    assert limited(credential("p256"), [S.ed25519]) is None
    assert limited(credential("p256"), []) is None


def test_what_is_beside_the_key_stays():
    whole = credential("rsa2048")
    stapled = Credential(whole.chain, whole.signer, b"response", b"timestamps")
    part = limited(stapled, [S.rsa_pss_rsae_sha256])
    assert part is not None
    assert part.ocsp_response == b"response"
    assert part.signed_certificate_timestamps == b"timestamps"
    with pytest.raises(UsageError):
        Credential(whole.chain, credential("rsa2048").signer)
