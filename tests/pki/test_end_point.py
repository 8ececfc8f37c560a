"""tls-server-end-point: by which hash (RFC 5929 section 4.1)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

from postshake.errors import UsageError
from postshake.pki.end_point import end_point_hash
from tests.certs import CA

RSA = CA("RSA", key_type="rsa2048")
WITH_RSA = bytes.fromhex("06092a864886f70d0101")  # and one octet more


def renamed(certificate: x509.Certificate, old: int, new: int) -> bytes:
    """Say in both places that another algorithm has signed; that is not looked at here."""
    der = certificate.public_bytes(serialization.Encoding.DER)
    changed = der.replace(WITH_RSA + bytes([old]), WITH_RSA + bytes([new]))
    assert len(changed) == len(der)
    assert changed != der
    return changed


def two_hashes() -> bytes:
    """A signature of PSS with one hash, and another in MGF1."""
    issued = RSA.issue(pss_signature=True, hash_algorithm=hashes.SHA256())
    parameters = issued.certificate.signature_algorithm_parameters
    assert isinstance(parameters, padding.PSS)
    sha256 = bytes.fromhex("0609608648016503040201")
    der = issued.der
    first, second = der.index(sha256), der.index(sha256, der.index(sha256) + 1)
    assert second - first < 40  # the second is MGF1's
    for at in (second, der.rindex(sha256)):
        der = der[:at] + sha256[:-1] + b"\x02" + der[at + len(sha256) :]
    return der


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: CA().issue().der, "sha256"),
        (lambda: CA(key_type="p384").issue(hash_algorithm=hashes.SHA384()).der, "sha384"),
        (lambda: RSA.issue(hash_algorithm=hashes.SHA512()).der, "sha512"),
        (lambda: RSA.issue(hash_algorithm=hashes.SHA224()).der, "sha224"),
        (lambda: CA().issue(hash_algorithm=hashes.SHA3_256()).der, "sha3_256"),
        (lambda: RSA.issue(pss_signature=True, hash_algorithm=hashes.SHA384()).der, "sha384"),
        # MD5 and SHA-1 are not strong enough for this
        (lambda: renamed(RSA.issue().certificate, 11, 4), "sha256"),
        (lambda: renamed(RSA.issue().certificate, 11, 5), "sha256"),
    ],
    ids=["sha256", "sha384", "sha512", "sha224", "sha3", "pss", "md5", "sha1"],
)
def test_the_hash_is_that_of_the_signature(make: Callable[[], bytes], name: str) -> None:
    der = make()
    assert end_point_hash(der) == hashlib.new(name, der).digest()


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: CA(key_type="ed25519").issue().der, "no hash function"),
        (lambda: CA(key_type="ed448").issue().der, "no hash function"),
        (two_hashes, "two hash functions"),
        (lambda: renamed(RSA.issue().certificate, 11, 99), "unknown"),
        (lambda: b"no certificate", "unknown"),
    ],
    ids=["ed25519", "ed448", "two hashes", "unknown", "nonsense"],
)
def test_where_nothing_is_defined_there_is_none(make: Callable[[], bytes], why: str) -> None:
    with pytest.raises(UsageError, match=f"no 'tls-server-end-point': .*{why}"):
        end_point_hash(make())
