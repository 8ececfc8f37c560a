"""OpenSSL's security levels, as ``@SECLEVEL=3`` in `set_ciphers` or its configuration sets them.

A level asks for so many bits of security from whatever a connection uses: suites, groups,
signatures, and the keys of a peer's chain. Level 2, of 112 bits, is the least that we have;
what the levels above it demand is in SSL_CTX_set_security_level(3).
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.utils import CryptographyDeprecationWarning

from ..constants import CipherSuite, NamedGroup, SignatureScheme
from ..crypto.suites import TLS13_SUITES
from ..crypto.tls12.suites import TLS12_SUITES
from ..errors import WeakKey
from ..pki.parsed_certificate import describe, load_certificate
from .verify_codes import VerifyCode, message_of, with_verify_code

__all__ = [
    "FLOOR",
    "allows_tickets",
    "bits_of_level",
    "check_strength",
    "has_strong_key",
    "key_bits",
    "signature_bits",
    "strong_groups",
    "strong_schemes",
    "strong_suites",
]

A = TypeVar("A", CipherSuite, NamedGroup, SignatureScheme)

FLOOR = 112
"""Bits of security of the weakest thing that we have."""

_BITS = {3: 128, 4: 192, 5: 256}
# by the names of groups, schemes and hashes; the first that fits
_BY_NAME = tuple(
    (re.compile(pattern), bits)
    for pattern, bits in (
        ("mlkem1024", 256),
        ("mlkem768", 192),
        ("mldsa87", 256),
        ("mldsa65", 192),
        ("mldsa44", 128),
        ("25519$", 128),
        ("448$", 224),
        ("sha512$", 256),
        ("sha384$", 192),
        ("sha256$", 128),
        ("secp521r1", 256),
        ("secp384r1", 192),
        ("secp256r1", 128),
    )
)
_RSA = ((15360, 256), (7680, 192), (3072, 128), (2048, 112), (1024, 80))
_CURVES = ((512, 256), (384, 192), (256, 128), (224, 112), (160, 80))
_BROKEN = {"md5": 39, "sha1": 63, "sha224": 112}


def bits_of_level(level: int) -> int:
    """Return how many bits of security a level asks for, where it is more than we always do."""
    return _BITS.get(min(level, 5), 0)


def allows_tickets(level: int) -> bool:
    """Whether sessions may be sealed into tickets, which have no forward secrecy."""
    return level < 3


def strong_suites(suites: Iterable[CipherSuite], bits: int) -> tuple[CipherSuite, ...]:
    """Return the suites whose cipher has so many bits of security."""
    lengths = {
        suite.code: suite.key_length * 8
        for suite in (*TLS13_SUITES.values(), *TLS12_SUITES.values())
    }
    return tuple(code for code in suites if lengths[code] >= bits)


def strong_groups(groups: Iterable[NamedGroup], bits: int) -> tuple[NamedGroup, ...]:
    """Return the groups with so many bits of security; of hybrids, the better half counts."""
    return tuple(group for group in groups if _named_bits(group.name) >= bits)


def strong_schemes(schemes: Iterable[SignatureScheme], bits: int) -> tuple[SignatureScheme, ...]:
    """Return the schemes whose hash, or whose key where it has none, has so many bits."""
    return tuple(scheme for scheme in schemes if _named_bits(scheme.name) >= bits)


def _named_bits(name: str) -> int:
    small = name.lower()
    return next((bits for pattern, bits in _BY_NAME if pattern.search(small)), FLOOR)


def has_strong_key(certificate: x509.Certificate, bits: int) -> bool:
    """Whether the key of a certificate has so many bits of security."""
    try:
        return key_bits(certificate.public_key()) >= bits
    except (ValueError, UnsupportedAlgorithm):
        return False


def check_strength(chain: tuple[bytes, ...], bits: int) -> None:
    """Check a path that was found, DER, the leaf first and what is trusted last.

    Raises:
        WeakKey: a key, or the hash of a signature, is too weak. It has a ``verify_code``.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)  # of old roots
        path = [load_certificate(der) for der in chain]
        if not has_strong_key(path[0], bits):
            raise _weak(path[0], VerifyCode.EE_KEY_TOO_SMALL)
        for index, certificate in enumerate(path):
            if index and not has_strong_key(certificate, bits):
                raise _weak(certificate, VerifyCode.CA_KEY_TOO_SMALL)
            if index + 1 < len(path) and signature_bits(certificate) < bits:
                raise _weak(certificate, VerifyCode.CA_MD_TOO_WEAK)


def _weak(certificate: x509.Certificate, code: VerifyCode) -> WeakKey:
    return with_verify_code(
        WeakKey(f"certificate {describe(certificate)}: {message_of(code)}"), code
    )


def key_bits(key: PublicKeyTypes) -> int:
    """Return how many bits of security a key has, as EVP_PKEY_get_security_bits() says."""
    if isinstance(key, (rsa.RSAPublicKey, dsa.DSAPublicKey)):
        return next((bits for size, bits in _RSA if key.key_size >= size), 0)
    if isinstance(key, ec.EllipticCurvePublicKey):
        size = key.curve.key_size
        return next((bits for least, bits in _CURVES if size >= least), size // 2)
    return _named_bits(type(key).__name__.removesuffix("PublicKey").lower())


def signature_bits(certificate: x509.Certificate) -> int:
    """Return how many bits of security the hash has by which a certificate was signed."""
    try:
        algorithm = certificate.signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm):
        return 0
    if algorithm is None:  # it goes with the key, which is looked at where it stands
        return max(_BITS.values())
    return _BROKEN.get(algorithm.name, _named_bits(algorithm.name))
