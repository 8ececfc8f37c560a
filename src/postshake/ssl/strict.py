"""What VERIFY_X509_STRICT looks at: chains by the letter of RFC 5280, as OpenSSL takes it.

`ssl.create_default_context` sets the flag from Python 3.13 on. These checks come on top of
the engine's own, in OpenSSL's order, and each has its number there.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TypeVar

from cryptography import x509

from ..errors import CertificateUnknown, UnknownCA
from .errors import with_verify_code

__all__ = ["check_strictly"]

T = TypeVar("T", bound=x509.ExtensionType)

_INVALID_CA = 79


@lru_cache(maxsize=256)  # what is in order stays so
def check_strictly(chain: tuple[bytes, ...]) -> None:
    """Check a path that was found, DER, the leaf first and what is trusted last.

    Raises:
        CertificateError: something in it is against RFC 5280. It has a ``verify_code``.
    """
    path = [x509.load_der_x509_certificate(der) for der in chain]
    for index, certificate in enumerate(path):
        _check_kind(certificate, is_leaf=index == 0)
        if len(path) > 1:  # RFC 6818 section 2: what signed itself is another thing
            _check_uses(certificate)
            _check_names(certificate)
            _check_identifiers(certificate, is_last=index + 1 == len(path))


def _check_kind(certificate: x509.Certificate, *, is_leaf: bool) -> None:
    """Look for authorities that do not say in basicConstraints that they are."""
    constraints = _value(certificate, x509.BasicConstraints)
    usage = _value(certificate, x509.KeyUsage)
    if constraints is not None:
        says_so = constraints.ca or is_leaf
    else:
        old_root = (
            certificate.version is x509.Version.v1 and certificate.subject == certificate.issuer
        )
        signs = usage is not None and usage.key_cert_sign
        says_so = is_leaf and not old_root and not signs
    if not says_so:
        raise with_verify_code(UnknownCA("invalid CA certificate"), _INVALID_CA)


def _check_uses(certificate: x509.Certificate) -> None:
    """Hold basicConstraints and keyUsage against each other (sections 4.2.1.9, 4.2.1.3)."""
    constraints = _extension(certificate, x509.BasicConstraints)
    usage = _value(certificate, x509.KeyUsage)
    is_ca = constraints is not None and constraints.value.ca
    signs = usage is not None and usage.key_cert_sign
    if constraints is not None and constraints.value.path_length is not None and not signs:
        raise _odd("Path length given without key usage keyCertSign", 81)
    if constraints is not None and is_ca and not constraints.critical:
        raise _odd("Basic Constraints of CA cert not marked critical", 89)
    if is_ca and usage is None:
        raise _odd("CA cert does not include key usage extension", 92)
    if not is_ca and signs:
        raise _odd("Key usage keyCertSign invalid for non-CA cert", 82)


def _check_names(certificate: x509.Certificate) -> None:
    """Look for names that are not there (sections 4.1.2.4, 4.1.2.6, 4.2.1.6)."""
    constraints = _value(certificate, x509.BasicConstraints)
    usage = _value(certificate, x509.KeyUsage)
    alternative = _extension(certificate, x509.SubjectAlternativeName)
    signs = (constraints is not None and constraints.ca) or (usage is not None and usage.crl_sign)
    nameless = not certificate.subject.rdns
    if not certificate.issuer.rdns:
        raise _odd("Issuer name empty", 83)
    if nameless and (signs or alternative is None):
        raise _odd("Subject name empty", 84)
    if nameless and alternative is not None and not alternative.critical:
        raise _odd("Subject empty and Subject Alt Name extension not critical", 88)
    if alternative is not None and not list(alternative.value):
        raise _odd("Empty Subject Alternative Name extension", 87)


def _check_identifiers(certificate: x509.Certificate, *, is_last: bool) -> None:
    """Look for the identifiers of keys (sections 4.2.1.1, 4.2.1.2)."""
    authority = _extension(certificate, x509.AuthorityKeyIdentifier)
    subject = _extension(certificate, x509.SubjectKeyIdentifier)
    constraints = _value(certificate, x509.BasicConstraints)
    if any(each is not None and each.critical for each in (authority, subject)):
        raise _odd("unhandled critical extension", 34)
    if certificate.version is not x509.Version.v3:
        if len(certificate.extensions):
            raise _odd("Using cert extension requires at least X509v3", 93)
        return
    if not is_last and (authority is None or authority.value.key_identifier is None):
        raise _odd("Missing Authority Key Identifier", 85)
    if constraints is not None and constraints.ca and subject is None:
        raise _odd("Missing Subject Key Identifier", 86)


def _extension(certificate: x509.Certificate, kind: type[T]) -> x509.Extension[T] | None:
    try:
        return certificate.extensions.get_extension_for_class(kind)
    except x509.ExtensionNotFound:
        return None


def _value(certificate: x509.Certificate, kind: type[T]) -> T | None:
    extension = _extension(certificate, kind)
    return extension.value if extension is not None else None


def _odd(text: str, code: int) -> CertificateUnknown:
    return with_verify_code(CertificateUnknown(text), code)
