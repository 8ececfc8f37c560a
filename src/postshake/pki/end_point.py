"""The hash of a server's certificate that names the server (RFC 5929 section 4.1)."""

from __future__ import annotations

import hashlib

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding

from ..errors import UsageError
from .unreadable import UNREADABLE

__all__ = ["end_point_hash"]

_REPLACED = ("md5", "sha1")


def end_point_hash(der: bytes) -> bytes:
    """Hash a certificate, DER, by the hash of its own signature, or by SHA-256 for MD5 and SHA-1.

    Raises:
        UsageError: the signature has no hash function, as with Ed25519 and ML-DSA, or several:
            then the RFC defines nothing.
    """
    try:
        name = _hash_of_signature(x509.load_der_x509_certificate(der))
    except UNREADABLE as error:
        raise UsageError(
            f"there is no 'tls-server-end-point': the certificate's signature is unknown: {error}"
        ) from error
    return hashlib.new("sha256" if name in _REPLACED else name, der).digest()


def _hash_of_signature(certificate: x509.Certificate) -> str:
    algorithm = certificate.signature_hash_algorithm
    if algorithm is None:
        raise UsageError(
            "there is no 'tls-server-end-point': the certificate's signature has no hash "
            "function (RFC 5929 section 4.1)"
        )
    parameters = certificate.signature_algorithm_parameters
    if isinstance(parameters, padding.PSS) and parameters.mgf._algorithm.name != algorithm.name:
        raise UsageError(
            "there is no 'tls-server-end-point': the certificate's signature has two hash "
            "functions (RFC 5929 section 4.1)"
        )
    return algorithm.name.replace("-", "_")
