"""Signature schemes as TLS 1.2 means them (RFC 5246 section 7.4.1.4.1, §4.2.3).

The code points are those of TLS 1.3, and three things differ. An ECDSA scheme names
a hash but no curve: ``ecdsa_secp256r1_sha256`` may come from a key on P-384. PKCS #1
v1.5 may sign a handshake. And ML-DSA has no cipher suite that would go with it. What
is not said here is as in ``signatures``; SHA-1 is nowhere.
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

from ...constants import SignatureScheme, name_of
from ...errors import BadSignature, IllegalParameter
from .. import signatures

__all__ = [
    "common_schemes",
    "fits12",
    "handshake_schemes12",
    "schemes12_for",
    "sign12",
    "verify12",
]

_S = SignatureScheme

_ECDSA: Final[dict[int, hashes.HashAlgorithm]] = {
    _S.ecdsa_secp256r1_sha256: hashes.SHA256(),
    _S.ecdsa_secp384r1_sha384: hashes.SHA384(),
    _S.ecdsa_secp521r1_sha512: hashes.SHA512(),
}

_PKCS1: Final[dict[int, hashes.HashAlgorithm]] = {
    _S.rsa_pkcs1_sha256: hashes.SHA256(),
    _S.rsa_pkcs1_sha384: hashes.SHA384(),
    _S.rsa_pkcs1_sha512: hashes.SHA512(),
}

_CURVES: Final = frozenset({"secp256r1", "secp384r1", "secp521r1"})
_ML_DSA: Final = frozenset({_S.mldsa44, _S.mldsa65, _S.mldsa87})

_SCHEMES: Final = (
    *(scheme for scheme in signatures.handshake_schemes() if scheme not in _ML_DSA),
    *(SignatureScheme(code) for code in _PKCS1),  # last: PSS is preferred
)


def handshake_schemes12() -> tuple[SignatureScheme, ...]:
    """List what we sign and verify a TLS 1.2 handshake with, preferred first."""
    return _SCHEMES


_OF_BOTH: Final = frozenset(_SCHEMES) & frozenset(signatures.handshake_schemes())


def common_schemes(ours13: tuple[int, ...], ours12: tuple[int, ...]) -> tuple[int, ...]:
    """Make one list of two, for a ClientHello that offers both versions (§4.2.3).

    A scheme that both versions have is in it if both lists name it, since the server may use
    it in either. One that only one version has is in it if that version's list names it.
    """
    refused = _OF_BOTH - (frozenset(ours13) & frozenset(ours12))
    offered = dict.fromkeys((*ours13, *ours12))
    return tuple([scheme for scheme in offered if scheme not in refused])


def fits12(scheme: int, public_key: PublicKeyTypes, *, pss_key: signatures.PssKey = False) -> bool:
    """Tell whether a key may sign a TLS 1.2 handshake by a scheme.

    Args:
        scheme: a code point; an unknown one fits nothing.
        public_key: the key of the certificate.
        pss_key: whether the certificate says RSASSA-PSS rather than rsaEncryption.
    """
    if scheme in _ECDSA:
        return (
            isinstance(public_key, ec.EllipticCurvePublicKey) and public_key.curve.name in _CURVES
        )
    if scheme in _PKCS1:
        return isinstance(public_key, rsa.RSAPublicKey) and not pss_key
    return scheme not in _ML_DSA and signatures.fits(scheme, public_key, pss_key=pss_key)


def schemes12_for(
    public_key: PublicKeyTypes, *, pss_key: signatures.PssKey = False
) -> tuple[SignatureScheme, ...]:
    """List the schemes that fit a key in TLS 1.2, preferred first."""
    return tuple(scheme for scheme in _SCHEMES if fits12(scheme, public_key, pss_key=pss_key))


def sign12(scheme: int, private_key: PrivateKeyTypes, data: bytes) -> bytes:
    """Sign data by a scheme, in either version's sense.

    Raises:
        UsageError: the key cannot sign by that scheme.
    """
    if scheme in _ECDSA and isinstance(private_key, ec.EllipticCurvePrivateKey):
        if private_key.curve.name in _CURVES:
            return private_key.sign(data, ec.ECDSA(_ECDSA[scheme]))
    if scheme in _PKCS1 and isinstance(private_key, rsa.RSAPrivateKey):
        return private_key.sign(data, padding.PKCS1v15(), _PKCS1[scheme])
    return signatures.sign(scheme, private_key, data)


def verify12(scheme: int, public_key: PublicKeyTypes, signature: bytes, data: bytes) -> None:
    """Check a signature over data (RFC 5246 section 7.4.3).

    Raises:
        BadSignature: the signature is wrong.
        IllegalParameter: the key cannot have signed by that scheme.
    """
    try:
        if scheme in _ECDSA and isinstance(public_key, ec.EllipticCurvePublicKey):
            public_key.verify(signature, data, ec.ECDSA(_ECDSA[scheme]))
        elif scheme in _PKCS1 and isinstance(public_key, rsa.RSAPublicKey):
            public_key.verify(signature, data, padding.PKCS1v15(), _PKCS1[scheme])
        elif scheme in _ML_DSA:
            raise IllegalParameter(
                f"{name_of(SignatureScheme, scheme)} does not exist in TLS 1.2",
                section="RFC 5246, 7.4.3",
            )
        else:
            signatures.verify(scheme, public_key, signature, data)
    except InvalidSignature:
        raise BadSignature(
            f"the {name_of(SignatureScheme, scheme)} signature does not verify",
            section="RFC 5246, 7.4.3",
        ) from None
