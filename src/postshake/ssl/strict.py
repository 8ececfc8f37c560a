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
from ..pki.strict_der import version_of
from .verify_codes import VerifyCode, message_of, with_verify_code

__all__ = ["check_strictly", "check_strictly_at"]

_EMPTY = b"\x30\x00"


def check_strictly(path: Sequence[Facts]) -> None:
    """Check a path that was found, the leaf first and what is trusted last.

    Raises:
        CertificateError: something in it is against RFC 5280. It has a ``verify_code``.
    """
    for index, facts in enumerate(path):
        _check_kind(facts, is_leaf=index == 0)
        if len(path) > 1:  # RFC 6818 section 2: what signed itself is another thing
            check_strictly_at(path, index)


def check_strictly_at(path: Sequence[Facts], index: int) -> None:
    """Check one certificate of a path of several, but for whether it says that it is a CA's.

    Raises:
        CertificateError: as `check_strictly`.
    """
    facts = path[index]
    _check_uses(facts)
    _check_names(facts)
    if facts.fields.algorithm != facts.fields.signature:  # section 4.1.1.2
        raise _odd(facts, VerifyCode.SIGNATURE_ALGORITHM_INCONSISTENCY)
    _check_identifiers(facts, is_last=index + 1 == len(path))


def _check_kind(facts: Facts, *, is_leaf: bool) -> None:
    """Look for authorities that do not say in basicConstraints that they are."""
    constraints = facts.content.basic_constraints
    if constraints is not None:
        says_so = constraints.ca or is_leaf
    else:
        old_root = version_of(facts.der) == 1 and facts.is_self_issued
        says_so = is_leaf and not old_root and not _may(facts, KeyUsage.key_cert_sign)
    if not says_so:
        raise with_verify_code(UnknownCA("invalid CA certificate"), VerifyCode.INVALID_CA)


def _check_uses(facts: Facts) -> None:
    """Hold basicConstraints and keyUsage against each other (sections 4.2.1.9, 4.2.1.3)."""
    content = facts.content
    constraints = content.basic_constraints
    is_ca = constraints is not None and constraints.ca
    signs = _may(facts, KeyUsage.key_cert_sign)
    if constraints is not None and constraints.path_length is not None:
        if not signs:
            raise _odd(facts, VerifyCode.PATHLEN_WITHOUT_KU_KEY_CERT_SIGN)
        if not is_ca:
            raise _odd(facts, VerifyCode.PATHLEN_INVALID_FOR_NON_CA)
    if is_ca and BASIC_CONSTRAINTS not in content.critical:
        raise _odd(facts, VerifyCode.CA_BCONS_NOT_CRITICAL)
    if is_ca and content.key_usage is None:
        raise _odd(facts, VerifyCode.CA_CERT_MISSING_KEY_USAGE)
    if not is_ca and signs:
        raise _odd(facts, VerifyCode.KU_KEY_CERT_SIGN_INVALID_FOR_NON_CA)


def _check_names(facts: Facts) -> None:
    """Look for names that are not there (sections 4.1.2.4, 4.1.2.6, 4.2.1.6)."""
    content = facts.content
    constraints = content.basic_constraints
    alternative = content.extensions.get(SUBJECT_ALTERNATIVE_NAME)
    signs = (constraints is not None and constraints.ca) or _may(facts, KeyUsage.crl_sign)
    nameless = facts.fields.subject == _EMPTY
    if facts.fields.issuer == _EMPTY:
        raise _odd(facts, VerifyCode.ISSUER_NAME_EMPTY)
    if nameless and (signs or alternative is None):
        raise _odd(facts, VerifyCode.SUBJECT_NAME_EMPTY)
    if nameless and alternative is not None and SUBJECT_ALTERNATIVE_NAME not in content.critical:
        raise _odd(facts, VerifyCode.EMPTY_SUBJECT_SAN_NOT_CRITICAL)
    if alternative == _EMPTY:
        raise _odd(facts, VerifyCode.EMPTY_SUBJECT_ALT_NAME)


def _check_identifiers(facts: Facts, *, is_last: bool) -> None:
    """Look for the identifiers of keys (sections 4.2.1.1, 4.2.1.2)."""
    content = facts.content
    constraints = content.basic_constraints
    if content.critical & {AUTHORITY_KEY_IDENTIFIER, SUBJECT_KEY_IDENTIFIER}:
        raise _odd(facts, VerifyCode.UNHANDLED_CRITICAL_EXTENSION)
    if version_of(facts.der) != 3:
        if content.extensions:
            raise _odd(facts, VerifyCode.EXTENSIONS_REQUIRE_VERSION_3)
        return
    if not is_last and facts.hint(AUTHORITY_KEY_IDENTIFIER) is None:
        raise _odd(facts, VerifyCode.MISSING_AUTHORITY_KEY_IDENTIFIER)
    if (
        constraints is not None
        and constraints.ca
        and SUBJECT_KEY_IDENTIFIER not in content.extensions
    ):
        raise _odd(facts, VerifyCode.MISSING_SUBJECT_KEY_IDENTIFIER)


def _may(facts: Facts, bit: int) -> bool:
    """Whether its keyUsage says that it may."""
    usage = facts.content.key_usage
    return usage is not None and bool(usage & bit)


def _odd(facts: Facts, code: VerifyCode) -> CertificateUnknown:
    return with_verify_code(CertificateUnknown(f"certificate {facts}: {message_of(code)}"), code)
