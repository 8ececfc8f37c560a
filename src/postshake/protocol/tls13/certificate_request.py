"""The CertificateRequest, written and read (§4.3.2).

The same message asks in the main handshake, where its context is empty, and
afterwards, where the context tells one request from another.
"""

from __future__ import annotations

from functools import lru_cache

from ...config import AuthRequest, Config
from ...constants import SignatureScheme
from ...errors import MissingExtension
from ...pki.choose import Wanted
from ...wire.auth import CertificateRequest
from ...wire.extensions import (
    CertificateAuthorities,
    CompressCertificate,
    Extension,
    Extensions,
    OidFilter,
    OidFilters,
    SignatureAlgorithms,
    SignatureAlgorithmsCert,
    StatusRequestEmpty,
)

__all__ = ["make_certificate_request", "wanted_by", "wanted_for"]

RSA_KEYS = frozenset(
    {
        SignatureScheme.rsa_pss_rsae_sha256,
        SignatureScheme.rsa_pss_rsae_sha384,
        SignatureScheme.rsa_pss_rsae_sha512,
    }
)
RSA_PKCS1 = frozenset(
    {
        SignatureScheme.rsa_pkcs1_sha256,
        SignatureScheme.rsa_pkcs1_sha384,
        SignatureScheme.rsa_pkcs1_sha512,
    }
)


def make_certificate_request(
    context: bytes,
    wanted: Wanted,
    *,
    request_ocsp: bool = False,
    compression: tuple[int, ...] = (),
) -> CertificateRequest:
    """Write a CertificateRequest.

    Args:
        context: empty in the main handshake, unique in the connection afterwards.
        wanted: what the server accepts.
        request_ocsp: whether an OCSP response is wanted too (§4.4.2.1).
        compression: what may make the certificate shorter (RFC 8879).
    """
    return CertificateRequest(
        context,
        _extensions(
            wanted.signature_algorithms,
            wanted.signature_algorithms_cert,
            wanted.authorities,
            wanted.oid_filters,
            request_ocsp,
            compression,
        ),
    )


@lru_cache(maxsize=64)  # a server asks for the same each time
def _extensions(
    wanted_schemes: tuple[int, ...],
    schemes_cert: tuple[int, ...] | None,
    authorities: tuple[bytes, ...],
    oid_filters: tuple[tuple[bytes, bytes], ...],
    request_ocsp: bool,
    compression: tuple[int, ...],
) -> Extensions:
    schemes = wanted_schemes
    if not RSA_KEYS.isdisjoint(schemes):
        # GnuTLS takes an RSA key for fit only where one of these is listed, and it may be,
        # for the chain (§4.2.3). No CertificateVerify with one is ever accepted.
        schemes += tuple(
            scheme for scheme in schemes_cert or () if scheme in RSA_PKCS1 and scheme not in schemes
        )
    extensions: list[Extension] = [SignatureAlgorithms(schemes)]
    if schemes_cert is not None and schemes_cert != wanted_schemes:
        extensions.append(SignatureAlgorithmsCert(schemes_cert))
    if authorities:
        extensions.append(CertificateAuthorities(authorities))
    if request_ocsp:
        extensions.append(StatusRequestEmpty())
    if compression:
        extensions.append(CompressCertificate(compression))
    if oid_filters:
        extensions.append(OidFilters(tuple([OidFilter(*pair) for pair in oid_filters])))
    return Extensions(tuple(extensions)).encode_once()


def wanted_by(request: CertificateRequest) -> Wanted:
    """Read what a CertificateRequest asks for; what we do not know is ignored.

    Raises:
        MissingExtension: signature_algorithms is not there.
    """
    schemes = request.extensions.get(SignatureAlgorithms)
    if schemes is None:
        raise MissingExtension(
            "CertificateRequest: expected signature_algorithms, got none", section="4.3.2"
        )
    schemes_cert = request.extensions.get(SignatureAlgorithmsCert)
    authorities = request.extensions.get(CertificateAuthorities)
    filters = request.extensions.get(OidFilters)
    return Wanted(
        authorities=authorities.authorities if authorities else (),
        signature_algorithms=schemes.supported_signature_algorithms,
        signature_algorithms_cert=(
            schemes_cert.supported_signature_algorithms if schemes_cert else None
        ),
        oid_filters=tuple(
            (item.certificate_extension_oid, item.certificate_extension_values)
            for item in (filters.filters if filters else ())
        ),
    )


def wanted_for(policy: AuthRequest, config: Config) -> Wanted:
    """Say what a request accepts: what it says itself, or else the configuration."""
    return Wanted(
        authorities=policy.authorities,
        signature_algorithms=_or_default(policy.signature_algorithms, config.signature_algorithms),
        signature_algorithms_cert=_or_default(
            policy.signature_algorithms_cert, config.signature_algorithms_cert
        ),
        oid_filters=policy.oid_filters,
    )


def _or_default(wish: tuple[int, ...] | None, default: tuple[int, ...]) -> tuple[int, ...]:
    return default if wish is None else wish
