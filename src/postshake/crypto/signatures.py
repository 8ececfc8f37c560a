"""Signature schemes: which fits a key, signing, and verifying (§4.2.3).

In TLS 1.3 a scheme names everything: the algorithm, the hash, and for ECDSA the
curve. So a scheme fits a key or it does not; ``fits`` answers, from one row each.

RSA is the odd one. ``rsa_pss_rsae_*`` is for keys whose certificate says
rsaEncryption, ``rsa_pss_pss_*`` for those that say RSASSA-PSS, and ``cryptography``
loads both as the same class. The certificate knows which
(``certificate.public_key_algorithm_oid``); callers say so with ``pss_key``. A key that
says RSASSA-PSS may also say with which hash and mask, and with how long a salt (RFC
4055); then nothing else fits it.

PKCS #1 v1.5 signs certificates, never a handshake: it has no row here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

from .._dataclass import dataclass
from ..constants import SignatureScheme, name_of
from ..errors import BadSignature, IllegalParameter, UsageError

try:  # newer than the oldest cryptography we work with
    from cryptography.hazmat.primitives.asymmetric import mldsa

    mldsa.MLDSA44PrivateKey.from_seed_bytes(bytes(32))
except (ImportError, UnsupportedAlgorithm):  # too old, or over a library without it
    _HAS_MLDSA = False
else:
    _HAS_MLDSA = True

__all__ = [
    "PssKey",
    "PssParameters",
    "certificate_schemes",
    "fits",
    "handshake_schemes",
    "schemes_for",
    "sign",
    "verify",
]


@dataclass(frozen=True, slots=True)
class PssParameters:
    """What an RSASSA-PSS key is restricted to (RFC 4055 section 3.1)."""

    hash_name: str
    """As ``cryptography`` calls it, or its object identifier."""
    mask_hash_name: str
    """MGF1's, likewise; or the object identifier of another mask generation function."""
    minimum_salt_length: int
    """Octets."""

    def allow(self, hash_name: str, mask_hash_name: str, salt_length: int) -> bool:
        """Tell whether the key may make such signatures (RFC 4055 section 3.3).

        §4.2.3 wants identical parameters; a longer salt is what a key's own RFC allows
        and other implementations take.
        """
        return (hash_name, mask_hash_name) == (
            self.hash_name,
            self.mask_hash_name,
        ) and salt_length >= self.minimum_salt_length


PssKey: TypeAlias = bool | PssParameters
"""Whether a certificate says RSASSA-PSS rather than rsaEncryption, and with which parameters,
if it names any."""


def handshake_schemes() -> tuple[SignatureScheme, ...]:
    """List what we sign and verify a CertificateVerify with, preferred first (§4.2.3)."""
    return tuple(SignatureScheme(code) for code in _SCHEMES)


def certificate_schemes() -> tuple[SignatureScheme, ...]:
    """List what certificates may be signed with: PKCS #1 v1.5 as well (§4.2.3)."""
    return (
        *handshake_schemes(),
        SignatureScheme.rsa_pkcs1_sha256,
        SignatureScheme.rsa_pkcs1_sha384,
        SignatureScheme.rsa_pkcs1_sha512,
    )


def fits(scheme: int, public_key: PublicKeyTypes, *, pss_key: PssKey = False) -> bool:
    """Tell whether a key may sign a TLS 1.3 handshake by a scheme (§4.2.3).

    Args:
        scheme: a code point; an unknown one fits nothing.
        public_key: the key of the certificate.
        pss_key: whether the certificate says RSASSA-PSS rather than rsaEncryption.
    """
    row = _SCHEMES.get(scheme)
    return row is not None and row.takes(pss_key) and row.fits(public_key)


def schemes_for(
    public_key: PublicKeyTypes, *, pss_key: PssKey = False
) -> tuple[SignatureScheme, ...]:
    """List the schemes that fit a key, preferred first; none for a key that cannot sign."""
    return tuple(
        SignatureScheme(code)
        for code, row in _SCHEMES.items()
        if row.takes(pss_key) and row.fits(public_key)
    )


def sign(scheme: int, private_key: PrivateKeyTypes, data: bytes) -> bytes:
    """Sign data by a scheme (§4.4.3).

    Raises:
        UsageError: the key cannot sign by that scheme.
    """
    row = _SCHEMES.get(scheme)
    if row is None or not row.fits(private_key):
        raise UsageError(_misfit(scheme, private_key))
    return row.sign(private_key, data)


def verify(scheme: int, public_key: PublicKeyTypes, signature: bytes, data: bytes) -> None:
    """Check a signature over data (§4.4.3).

    An RSA key verifies both by ``rsa_pss_rsae_*`` and by ``rsa_pss_pss_*``;
    which of them its certificate allows is for ``fits`` to say.

    Raises:
        BadSignature: the signature is wrong.
        IllegalParameter: the key cannot have signed by that scheme.
    """
    row = _SCHEMES.get(scheme)
    if row is None or not row.fits(public_key):
        raise IllegalParameter(_misfit(scheme, public_key), section="4.4.3")
    try:
        row.verify(public_key, signature, data)
    except InvalidSignature:
        raise BadSignature(
            f"the {name_of(SignatureScheme, scheme)} signature does not verify", section="4.4.3"
        ) from None


def _misfit(scheme: int, key: object) -> str:
    what = type(key).__name__
    if isinstance(key, _EC_KEYS):
        what = f"{what} on {key.curve.name}"
    elif isinstance(key, _RSA_KEYS):
        what = f"{what} of {key.key_size} bits"
    return f"the scheme {name_of(SignatureScheme, scheme)} does not fit the key ({what})"


@dataclass(frozen=True, slots=True)
class _Scheme:
    """What one SignatureScheme stands for; keys are private or public ones."""

    fits: Callable[[Any], bool]
    sign: Callable[[Any, bytes], bytes]
    verify: Callable[[Any, bytes, bytes], None]
    pss_hash: hashes.HashAlgorithm | None = None
    """Of a scheme for RSASSA-PSS keys, for the mask as well; the salt is as long."""

    def takes(self, pss_key: PssKey) -> bool:
        """Whether it is for keys of RSASSA-PSS, or not, as the key is; and for its parameters."""
        if self.pss_hash is None or not pss_key:
            return self.pss_hash is None and not pss_key
        name = self.pss_hash.name
        return pss_key is True or pss_key.allow(name, name, self.pss_hash.digest_size)


_EC_KEYS = (ec.EllipticCurvePublicKey, ec.EllipticCurvePrivateKey)
_RSA_KEYS = (rsa.RSAPublicKey, rsa.RSAPrivateKey)


def _ecdsa(curve: ec.EllipticCurve, hash_algorithm: hashes.HashAlgorithm) -> _Scheme:
    """Bind ECDSA to one curve and one hash (§4.2.3)."""
    curve_name = curve.name
    algorithm = ec.ECDSA(hash_algorithm)

    def fits(key: object) -> bool:
        return isinstance(key, _EC_KEYS) and key.curve.name == curve_name

    def sign(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
        return key.sign(data, algorithm)

    def verify(key: ec.EllipticCurvePublicKey, signature: bytes, data: bytes) -> None:
        key.verify(signature, data, algorithm)

    return _Scheme(fits, sign, verify)


def _rsa_pss(hash_algorithm: hashes.HashAlgorithm, *, for_pss_key: bool) -> _Scheme:
    """Bind RSASSA-PSS to one hash, for the mask as well, and a salt as long (§4.2.3)."""
    size = hash_algorithm.digest_size
    pss = padding.PSS(mgf=padding.MGF1(hash_algorithm), salt_length=size)

    def fits(key: object) -> bool:
        # The encoded message, a bit shorter than the modulus, holds hash, salt
        # and two octets (RFC 8017 section 9.1.1): too much for 1024 bits of SHA-512.
        return isinstance(key, _RSA_KEYS) and (key.key_size + 6) // 8 >= 2 * size + 2

    def sign(key: rsa.RSAPrivateKey, data: bytes) -> bytes:
        return key.sign(data, pss, hash_algorithm)

    def verify(key: rsa.RSAPublicKey, signature: bytes, data: bytes) -> None:
        key.verify(signature, data, pss, hash_algorithm)

    return _Scheme(fits, sign, verify, hash_algorithm if for_pss_key else None)


def _pure(public: type, private: type) -> _Scheme:
    """Take an algorithm that leaves nothing to choose: EdDSA, or ML-DSA without context."""

    def fits(key: object) -> bool:
        return isinstance(key, (public, private))

    def sign(key: Any, data: bytes) -> bytes:
        signature: bytes = key.sign(data)
        return signature

    def verify(key: Any, signature: bytes, data: bytes) -> None:
        key.verify(signature, data)

    return _Scheme(fits, sign, verify)


def _schemes() -> dict[int, _Scheme]:
    """Build the table of schemes, in the order of our preference."""
    code = SignatureScheme
    sha256, sha384, sha512 = hashes.SHA256(), hashes.SHA384(), hashes.SHA512()
    schemes: dict[int, _Scheme] = {
        code.ed25519: _pure(ed25519.Ed25519PublicKey, ed25519.Ed25519PrivateKey),
        code.ecdsa_secp256r1_sha256: _ecdsa(ec.SECP256R1(), sha256),
        code.ecdsa_secp384r1_sha384: _ecdsa(ec.SECP384R1(), sha384),
        code.ecdsa_secp521r1_sha512: _ecdsa(ec.SECP521R1(), sha512),
        code.rsa_pss_rsae_sha256: _rsa_pss(sha256, for_pss_key=False),
        code.rsa_pss_rsae_sha384: _rsa_pss(sha384, for_pss_key=False),
        code.rsa_pss_rsae_sha512: _rsa_pss(sha512, for_pss_key=False),
        code.rsa_pss_pss_sha256: _rsa_pss(sha256, for_pss_key=True),
        code.rsa_pss_pss_sha384: _rsa_pss(sha384, for_pss_key=True),
        code.rsa_pss_pss_sha512: _rsa_pss(sha512, for_pss_key=True),
        code.ed448: _pure(ed448.Ed448PublicKey, ed448.Ed448PrivateKey),
    }
    if _HAS_MLDSA:
        schemes |= {
            code.mldsa44: _pure(mldsa.MLDSA44PublicKey, mldsa.MLDSA44PrivateKey),
            code.mldsa65: _pure(mldsa.MLDSA65PublicKey, mldsa.MLDSA65PrivateKey),
            code.mldsa87: _pure(mldsa.MLDSA87PublicKey, mldsa.MLDSA87PrivateKey),
        }
    return schemes


_SCHEMES: Final = _schemes()
