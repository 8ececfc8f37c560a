"""RSASSA-PSS in certificates: for what its keys may be used (RFC 4055, §4.2.3).

A key whose certificate says RSASSA-PSS signs by PSS and nothing else; one that has
parameters beside it, by these alone. ``cryptography`` tells the first and passes the
parameters over, so they are read here: for leaves, which sign handshakes, and for
whatever signs certificates, lists and responses.
"""

from __future__ import annotations

from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import PublicKeyAlgorithmOID, SignatureAlgorithmOID

from ..crypto.signatures import PssKey, PssParameters
from .der import certificate_fields
from .elements import OCTET_STRING, Element, elements

__all__ = ["may_have_signed", "pss_key_of", "pss_of_response"]

_MGF1: Final = "1.2.840.113549.1.1.8"
_HASHES: Final = {
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.4": "sha224",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}
_STRONG: Final[dict[str, hashes.HashAlgorithm]] = {
    each.name: each for each in (hashes.SHA256(), hashes.SHA384(), hashes.SHA512())
}
_SHA1: Final = "sha1"  # the default for hash and mask (RFC 4055 section 3.1)
_SALT_LENGTH: Final = 20  # the default as well


def pss_key_of(certificate: x509.Certificate) -> PssKey:
    """Return whether a certificate's key is for RSASSA-PSS, and with which parameters.

    Raises:
        ValueError: the parameters cannot be read.
    """
    if certificate.public_key_algorithm_oid != PublicKeyAlgorithmOID.RSASSA_PSS:
        return False
    (spki,) = elements(certificate_fields(certificate.public_bytes(Encoding.DER)).spki)
    parameters = _parameters(spki.parts()[0])
    return True if parameters is None else parameters


def may_have_signed(
    issuer: x509.Certificate, signed: x509.Certificate | x509.CertificateRevocationList
) -> bool:
    """Tell whether an issuer's key may make signatures of the kind that something has.

    True also if the issuer's is no RSASSA-PSS key. Whether the signature is right is not
    looked at.

    Raises:
        ValueError: the parameters of the key or of the signature cannot be read.
    """
    key = pss_key_of(issuer)
    if key is False:
        return True
    if signed.signature_algorithm_oid != SignatureAlgorithmOID.RSASSA_PSS:
        return False
    if key is True:
        return True
    (whole,) = elements(signed.public_bytes(Encoding.DER))
    used = _parameters(whole.parts()[1])
    return used is not None and key.allow(
        used.hash_name, used.mask_hash_name, used.minimum_salt_length
    )


def pss_of_response(
    response: ocsp.OCSPResponse, signer: x509.Certificate
) -> tuple[padding.PSS, hashes.HashAlgorithm] | None:
    """Return by which padding and hash a signer signed a response with RSASSA-PSS.

    ``cryptography`` does not read the parameters of OCSP responses.

    Returns:
        None where the signer's key may not make such a signature, or its hash is too weak
        for any.

    Raises:
        ValueError: the parameters of the key or of the signature cannot be read.
    """
    key = pss_key_of(signer)
    (whole,) = elements(response.public_bytes(Encoding.DER))
    _, response_bytes = whole.parts()
    ((_, basic),) = (each.parts() for each in response_bytes.parts(0xA0))
    (basic_response,) = elements(basic.expect(OCTET_STRING))
    used = _parameters(basic_response.parts()[1])
    if used is None or used.hash_name not in _STRONG or used.mask_hash_name not in _STRONG:
        return None
    names = used.hash_name, used.mask_hash_name
    if isinstance(key, PssParameters) and not key.allow(*names, used.minimum_salt_length):
        return None
    hash_algorithm, mask_hash = (_STRONG[name] for name in names)
    return padding.PSS(padding.MGF1(mask_hash), used.minimum_salt_length), hash_algorithm


def _parameters(algorithm: Element) -> PssParameters | None:
    """Read RSASSA-PSS-params; None if there are none (RFC 4055 section 3.1)."""
    _, given = algorithm.algorithm()
    if not given:
        return None
    hash_name, mask_hash_name, salt_length = _SHA1, _SHA1, _SALT_LENGTH
    for field in given[0].parts():
        (value,) = field.parts(field.tag)
        if field.tag == 0xA0:
            hash_name = _hash_name(value)
        elif field.tag == 0xA1:
            function, of = value.algorithm()
            mask_hash_name = _hash_name(*of) if function == _MGF1 else function
        elif field.tag == 0xA2:
            salt_length = value.number()
        elif field.tag != 0xA3 or value.number() != 1:
            raise ValueError("RSASSA-PSS-params with a field that is not known")
    return PssParameters(hash_name, mask_hash_name, salt_length)


def _hash_name(*algorithms: Element) -> str:
    (algorithm,) = algorithms
    oid, _ = algorithm.algorithm()
    return _HASHES.get(oid, oid)
