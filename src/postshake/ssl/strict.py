"""What VERIFY_X509_STRICT looks at: chains by the letter of RFC 5280, as OpenSSL takes it.

`ssl.create_default_context` sets the flag from Python 3.13 on. These checks come on top of
the engine's own, in OpenSSL's order, and each has its number there.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import CertificateUnknown, UnknownCA
from ..pki.extensions import (
    AUTHORITY_KEY_IDENTIFIER,
    BASIC_CONSTRAINTS,
    SUBJECT_ALTERNATIVE_NAME,
    SUBJECT_KEY_IDENTIFIER,
    KeyUsage,
)
from ..pki.parsed_certificate import Facts
from .errors import with_verify_code

__all__ = ["check_strictly"]

_INVALID_CA = 79
_EMPTY = b"\x30\x00"


def check_strictly(path: Sequence[Facts]) -> None:
    """Check a path that was found, the leaf first and what is trusted last.

    Raises:
        CertificateError: something in it is against RFC 5280. It has a ``verify_code``.
    """
    for index, facts in enumerate(path):
        _check_kind(facts, is_leaf=index == 0)
        if len(path) > 1:  # RFC 6818 section 2: what signed itself is another thing
            _check_uses(facts)
            _check_names(facts)
            _check_identifiers(facts, is_last=index + 1 == len(path))


def _check_kind(facts: Facts, *, is_leaf: bool) -> None:
    """Look for authorities that do not say in basicConstraints that they are."""
    constraints = facts.content.basic_constraints
    if constraints is not None:
        says_so = constraints.ca or is_leaf
    else:
        old_root = facts.certificate.version.value == 0 and facts.is_self_issued
        says_so = is_leaf and not old_root and not _may(facts, KeyUsage.key_cert_sign)
    if not says_so:
        raise with_verify_code(UnknownCA("invalid CA certificate"), _INVALID_CA)


def _check_uses(facts: Facts) -> None:
    """Hold basicConstraints and keyUsage against each other (sections 4.2.1.9, 4.2.1.3)."""
    content = facts.content
    constraints = content.basic_constraints
    is_ca = constraints is not None and constraints.ca
    signs = _may(facts, KeyUsage.key_cert_sign)
    if constraints is not None and constraints.path_length is not None:
        if not signs:
            raise _odd("Path length given without key usage keyCertSign", 81)
        if not is_ca:
            raise _odd("Path length invalid for non-CA cert", 80)
    if is_ca and BASIC_CONSTRAINTS not in content.critical:
        raise _odd("Basic Constraints of CA cert not marked critical", 89)
    if is_ca and content.key_usage is None:
        raise _odd("CA cert does not include key usage extension", 92)
    if not is_ca and signs:
        raise _odd("Key usage keyCertSign invalid for non-CA cert", 82)


def _check_names(facts: Facts) -> None:
    """Look for names that are not there (sections 4.1.2.4, 4.1.2.6, 4.2.1.6)."""
    content = facts.content
    constraints = content.basic_constraints
    alternative = content.extensions.get(SUBJECT_ALTERNATIVE_NAME)
    signs = (constraints is not None and constraints.ca) or _may(facts, KeyUsage.crl_sign)
    nameless = facts.fields.subject == _EMPTY
    if facts.fields.issuer == _EMPTY:
        raise _odd("Issuer name empty", 83)
    if nameless and (signs or alternative is None):
        raise _odd("Subject name empty", 84)
    if nameless and alternative is not None and SUBJECT_ALTERNATIVE_NAME not in content.critical:
        raise _odd("Subject empty and Subject Alt Name extension not critical", 88)
    if alternative == _EMPTY:
        raise _odd("Empty Subject Alternative Name extension", 87)


def _check_identifiers(facts: Facts, *, is_last: bool) -> None:
    """Look for the identifiers of keys (sections 4.2.1.1, 4.2.1.2)."""
    content = facts.content
    constraints = content.basic_constraints
    if content.critical & {AUTHORITY_KEY_IDENTIFIER, SUBJECT_KEY_IDENTIFIER}:
        raise _odd("unhandled critical extension", 34)
    if facts.certificate.version.value != 2:  # version 3
        if content.extensions:
            raise _odd("Using cert extension requires at least X509v3", 93)
        return
    if not is_last and facts.hint(AUTHORITY_KEY_IDENTIFIER) is None:
        raise _odd("Missing Authority Key Identifier", 85)
    if (
        constraints is not None
        and constraints.ca
        and SUBJECT_KEY_IDENTIFIER not in content.extensions
    ):
        raise _odd("Missing Subject Key Identifier", 86)


def _may(facts: Facts, bit: int) -> bool:
    """Whether its keyUsage says that it may."""
    usage = facts.content.key_usage
    return usage is not None and bool(usage & bit)


def _odd(text: str, code: int) -> CertificateUnknown:
    return with_verify_code(CertificateUnknown(text), code)
