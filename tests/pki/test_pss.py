"""RSASSA-PSS keys with parameters: what of them is read, and what they may sign."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.x509.oid import ExtendedKeyUsageOID

from postshake.constants import SignatureScheme
from postshake.crypto.signatures import PssParameters
from postshake.errors import BadCertificate, CertificateError, CertificateRevoked, UsageError
from postshake.pki.credential import Credential, LocalSigner
from postshake.pki.elements import elements
from postshake.pki.ocsp import Standing, read_response
from postshake.pki.pss import may_have_signed, pss_key_of
from postshake.pki.revocation import Require, Revocation
from postshake.protocol.proofs import read_leaf
from tests.certs import CA, DAY, NOW, Issued, new_key, peer, reseal, restricted_key
from tests.revoking import make_list, make_response
from tests.vectors.rfc9881 import tlv

ROOT = CA("Root")
Scheme = SignatureScheme
SHA3_256 = "2.16.840.1.101.3.4.2.8"

# openssl genpkey -algorithm rsa-pss -pkeyopt rsa_pss_keygen_md:sha384 -pkeyopt
# rsa_pss_keygen_mgf1_md:sha256 -pkeyopt rsa_pss_keygen_saltlen:40; openssl req -x509 -sha384
# -sigopt rsa_mgf1_md:sha256
OPENSSL = base64.b64decode("""
MIIDlTCCAkmgAwIBAgIUUGr9ppWb0yMEn4DsHMm2BdvEi3EwQQYJKoZIhvcNAQEKMDSgDzANBglghkgBZQMEAgIFAKEcMBoG
CSqGSIb3DQEBCDANBglghkgBZQMEAgEFAKIDAgEoMAwxCjAIBgNVBAMMAXIwHhcNMjYxMTMwMTU0NzE0WhcNMzUwMjE2MTU0
NzE0WjAMMQowCAYDVQQDDAFyMIIBVjBBBgkqhkiG9w0BAQowNKAPMA0GCWCGSAFlAwQCAgUAoRwwGgYJKoZIhvcNAQEIMA0G
CWCGSAFlAwQCAQUAogMCASgDggEPADCCAQoCggEBAM2SZBQtrXDrE9+REsIBkev2JOjv5JOrVUtYm2GnSkYIxB4Z3bQRYct+
+5sttBnF79m2SaZL+k6Mn8IIRvxeWrL64N7d+BBqtKVyE0E3DxdOMvFN2jBS7ifcd5rs5pi53VlcUjHNy9jWTxQ5+Fo7FcIn
lp42uSz+kMtPJ5k3nEC67uJRF0h+cFX1T0wefcOQIekTr1DMsrmRIBvbt4PM+K7eoBwdOotwZlDssYab4AjYFRvepe9uxXFT
CTBQG+QdqR2lZ6C2NfH5voAxmWpUj99tfdJuy7g+BJN11NPSOiiEm+wNZNfy437+8YEPkb4U1eKmzm+vKT8YRQWJTtPKUHkC
AwEAAaNTMFEwHQYDVR0OBBYEFHr/sX52G4NdhscTk5LIflpGYqx6MB8GA1UdIwQYMBaAFHr/sX52G4NdhscTk5LIflpGYqx6
MA8GA1UdEwEB/wQFMAMBAf8wQQYJKoZIhvcNAQEKMDSgDzANBglghkgBZQMEAgIFAKEcMBoGCSqGSIb3DQEBCDANBglghkgB
ZQMEAgEFAKIDAgEoA4IBAQCwEDaF7KdF72XNX3bgf5ei1ZnyLa6OKrRl3K5PfpJ6BrjIfFms1myoCBJsDmXFTVOq7Qod+9h1
92RIvHJhytYHUlglBCL0Qfj82wn19LdfiY2fgW27covh/G0Z19wl7aJehkuef0u9YDy5G4FGh8faAmDtwBPRTNXMxYq0DChZ
u0IK1pwOwj4OBdg9AGgSddn51ePzvRMcCarod7vhUaapf3G9jVLcmTTRowP5Ss+czT33p6SW0GHtKAzwZNeESwgz/t2LiBRk
Y0rnj3G30+B8JRFEvafDGgUtRbBtKi/+1GFebRPNiLhY/sdwUvHvj3TGDpP7FSCF4F3okXNQwLCf
""")


def restricted(*parameters: Any, **options: Any) -> Issued:
    return ROOT.issue(key=restricted_key(*parameters), **options)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        (("sha256", None, 32), PssParameters("sha256", "sha256", 32)),
        (("sha384", "sha256", 48), PssParameters("sha384", "sha256", 48)),
        (("sha512", None, 0), PssParameters("sha512", "sha512", 0)),
        (("sha256",), PssParameters("sha256", "sha256", 20)),
        # RFC 4055 section 3.1: what is not there is SHA-1, MGF1 with SHA-1, 20
        ((None,), PssParameters("sha1", "sha1", 20)),
        ((None, None, 32), PssParameters("sha1", "sha1", 32)),
        (("sha3-256", None, 32), PssParameters(SHA3_256, SHA3_256, 32)),
    ],
    ids=str,
)
def test_parameters_are_read(parameters, expected):
    assert pss_key_of(restricted(*parameters).certificate) == expected


def test_keys_without_parameters():
    assert pss_key_of(ROOT.issue(key_type="rsa-pss").certificate) is True
    assert pss_key_of(ROOT.issue(key_type="rsa2048").certificate) is False
    assert pss_key_of(ROOT.certificate) is False


def test_openssls_certificate():
    certificate = x509.load_der_x509_certificate(OPENSSL)
    assert pss_key_of(certificate) == PssParameters("sha384", "sha256", 40)
    assert may_have_signed(certificate, certificate)


@pytest.mark.parametrize(
    ("parameters", "schemes"),
    [
        (("sha256", None, 32), [Scheme.rsa_pss_pss_sha256]),
        (("sha384", None, 48), [Scheme.rsa_pss_pss_sha384]),
        (("sha512", None, 8), [Scheme.rsa_pss_pss_sha512]),
        (("sha256",), [Scheme.rsa_pss_pss_sha256]),
        (("sha256", "sha512"), []),  # no scheme has two hashes (§4.2.3)
        (("sha256", None, 33), []),  # nor a salt longer than its hash
        ((None,), []),  # nor SHA-1
        (("sha3-256",), []),
    ],
    ids=str,
)
def test_a_credential_signs_by_the_parameters_of_its_certificate(parameters, schemes):
    issued = restricted(*parameters)
    if not schemes:
        with pytest.raises(UsageError, match=r"cannot sign in TLS 1\.3"):
            issued.credential()
        return
    credential = issued.credential()
    assert list(credential.schemes) == schemes
    assert list(credential.schemes12) == schemes
    # also if the signer could do more
    able = Credential(issued.chain, LocalSigner(issued.private_key.key, pss_key=True))
    assert list(able.schemes) == schemes
    assert list(able.schemes12) == schemes


def damaged() -> Issued:
    """A certificate with a trailer that RFC 4055 does not have."""
    issued = ROOT.issue(key=restricted_key("sha256", None, 32))
    salt = bytes.fromhex("a203020120")
    with_trailer = reseal(issued.certificate, ROOT.private_key, salt, bytes.fromhex("a303020102"))
    return Issued(with_trailer, issued.private_key)


def test_damaged_parameters_of_a_peer_are_a_bad_certificate():
    try:
        issued = damaged()
        issued.certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        pytest.skip("this cryptography refuses it by itself")
    with pytest.raises(BadCertificate, match="leaf cannot be read"):
        read_leaf(issued.der)
    with pytest.raises(UsageError, match="not known"):
        issued.credential()


# --- what a restricted authority has signed


CASES = [
    (("sha256", None, 32), {}, True),
    (("sha256", None, 8), {}, True),
    (("sha256",), {}, True),
    (("sha256", None, 32), {"salt_length": 40}, True),
    (("sha256", None, 32), {"salt_length": 20}, False),
    (("sha256", None, 33), {}, False),
    (("sha384", None, 48), {}, False),
    (("sha256", "sha512", 32), {}, False),
    (("sha512", None, 64), {"hash_algorithm": hashes.SHA512()}, True),
    (("sha256", None, 32), {"hash_algorithm": hashes.SHA512()}, False),
    ((None,), {}, False),
]


def authority(*parameters: Any) -> CA:
    """Its own certificate proves nothing: it is an anchor."""
    return CA("Restricted", key=restricted_key(*parameters))


@pytest.mark.parametrize(("parameters", "signature", "good"), CASES, ids=range(len(CASES)))
def test_certificates(parameters, signature, good):
    ca = authority(*parameters)
    alice = ca.issue("alice", **signature)
    assert may_have_signed(ca.certificate, alice.certificate) is good
    if good:
        ca.verifier().verify(peer(alice))
    else:
        with pytest.raises(CertificateError, match="was not signed by"):
            ca.verifier().verify(peer(alice))


def test_pkcs1_is_never_by_a_pss_key():
    for key in (new_key("rsa-pss"), restricted_key("sha256", None, 32)):
        ca = CA("Restricted", key=key)
        alice = ca.issue("alice", signed_by=key.key)  # the plain key: PKCS #1 v1.5
        assert not may_have_signed(ca.certificate, alice.certificate)
        with pytest.raises(CertificateError):
            ca.verifier().verify(peer(alice))


@pytest.mark.parametrize(("parameters", "signature", "good"), CASES, ids=range(len(CASES)))
def test_lists(parameters, signature, good):
    ca = authority(*parameters)
    alice = CA("Restricted", key=ca.private_key).issue("alice")
    algorithm = signature.get("hash_algorithm", hashes.SHA256())
    salt = signature.get("salt_length", algorithm.digest_size)
    revoked = sign_list(ca, alice, algorithm, padding.PSS(padding.MGF1(algorithm), salt))
    assert may_have_signed(ca.certificate, revoked) is good
    revocation = Revocation([revoked], require=Require.LEAF)
    chain = (alice.der, ca.der)
    with pytest.raises(CertificateError) as caught:
        revocation.check(chain, NOW.timestamp(), None)
    assert (type(caught.value) is CertificateRevoked) is good, caught.value


def sign_list(ca: CA, alice: Issued, algorithm: Any, pss: padding.PSS) -> Any:
    builder = x509.CertificateRevocationListBuilder(ca.certificate.subject, NOW - DAY, NOW + DAY)
    entry = x509.RevokedCertificateBuilder(alice.certificate.serial_number, NOW - DAY)
    builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(ca.private_key.key, algorithm, rsa_padding=pss)


def test_lists_with_pkcs1():
    ca = authority("sha256", None, 32)
    alice = ca.issue("alice")
    revoked = make_list(ca, alice, signed_by=ca.private_key.key)
    assert not may_have_signed(ca.certificate, revoked)
    with pytest.raises(CertificateError) as caught:
        Revocation([revoked], require=Require.LEAF).check(
            (alice.der, ca.der), NOW.timestamp(), None
        )
    assert type(caught.value) is not CertificateRevoked


# --- responses: cryptography makes none with PSS, so these are signed anew


def make_pss_response(
    ca: CA, about: Issued, key: Any, algorithm: hashes.HashAlgorithm, salt_length: int, status: str
) -> bytes:
    plain = CA.__new__(CA)
    plain.certificate, plain.private_key = ca.certificate, key
    der = make_response(plain, about, status)
    (whole,) = elements(der)
    response_status, response_bytes = whole.parts()
    ((oid, basic),) = (each.parts() for each in response_bytes.parts(0xA0))
    tbs, _algorithm, _signature, *rest = elements(basic.content)[0].parts()
    signature = key.sign(tbs.der, padding.PSS(padding.MGF1(algorithm), salt_length), algorithm)
    oids = {"sha256": "01", "sha512": "03"}
    of = tlv(0x30, bytes.fromhex("06096086480165030402" + oids[algorithm.name]))
    mask = tlv(0x30, bytes.fromhex("06092a864886f70d010108") + of)
    parameters = tlv(0xA0, of) + tlv(0xA1, mask)
    if salt_length != 20:
        parameters += tlv(0xA2, tlv(0x02, bytes([salt_length])))
    named = tlv(0x30, bytes.fromhex("06092a864886f70d01010a") + tlv(0x30, parameters))
    content = tbs.der + named + tlv(0x03, b"\0" + signature) + b"".join(each.der for each in rest)
    wrapped = tlv(0x30, oid.der + tlv(0x04, tlv(0x30, content)))
    return tlv(0x30, response_status.der + tlv(0xA0, wrapped))


@pytest.mark.parametrize(
    ("key", "algorithm", "salt_length", "good"),
    [
        (lambda: restricted_key("sha256", None, 32), hashes.SHA256(), 32, True),
        (lambda: restricted_key("sha256", None, 32), hashes.SHA256(), 40, True),
        (lambda: restricted_key("sha256", None, 32), hashes.SHA256(), 20, False),
        (lambda: restricted_key("sha256", None, 32), hashes.SHA512(), 64, False),
        (lambda: new_key("rsa-pss"), hashes.SHA512(), 64, True),
        (lambda: new_key("rsa2048"), hashes.SHA256(), 32, True),
    ],
)
def test_responses(key, algorithm, salt_length, good):
    key = key()
    ca = CA("Restricted", key=key)
    alice = ca.issue("alice")
    plain = getattr(key, "key", key)
    data = make_pss_response(ca, alice, plain, algorithm, salt_length, "revoked")
    found = read_response(data, alice.certificate, ca.certificate, NOW)
    assert (found is not None and found.standing is Standing.REVOKED) is good
    changed = bytearray(data)
    changed[-1] ^= 1
    assert read_response(bytes(changed), alice.certificate, ca.certificate, NOW) is None


def test_responses_with_pkcs1():
    for key, good in ((new_key("rsa-pss"), False), (restricted_key("sha256"), False)):
        ca = CA("Restricted", key=key)
        alice = ca.issue("alice")
        plain = CA.__new__(CA)
        plain.certificate, plain.private_key = ca.certificate, key.key
        data = make_response(plain, alice, "revoked")
        found = read_response(data, alice.certificate, ca.certificate, NOW)
        assert (found is not None) is good


def test_a_responder_is_certified_by_the_parameters_of_its_issuer():
    ca = authority("sha256", None, 32)
    alice = ca.issue("alice")
    for options, good in (({}, True), ({"hash_algorithm": hashes.SHA512()}, False)):
        responder = ca.issue("responder", purpose=(ExtendedKeyUsageOID.OCSP_SIGNING,), **options)
        data = make_response(ca, alice, "good", responder=responder)
        found = read_response(data, alice.certificate, ca.certificate, NOW)
        assert (found is not None) is good
