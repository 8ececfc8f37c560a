"""OpenSSL's numbers for what is wrong with a peer's certificates, and its words for them.

The numbers are those of ``x509_vfy.h`` (X509_V_ERR_), the words what
X509_verify_cert_error_string() says. This is the one place of both.
"""

from __future__ import annotations

import ssl
from enum import IntEnum
from typing import TypeVar

from .. import errors

__all__ = ["VerifyCode", "code_of", "message_of", "verify_code_of", "with_verify_code"]


class VerifyCode(IntEnum):
    """What `ssl.SSLCertVerificationError` has as its verify_code."""

    UNABLE_TO_GET_ISSUER_CERT = 2
    UNABLE_TO_GET_CRL = 3
    UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY = 6
    CERT_SIGNATURE_FAILURE = 7
    CRL_SIGNATURE_FAILURE = 8
    CERT_NOT_YET_VALID = 9
    CERT_HAS_EXPIRED = 10
    CRL_NOT_YET_VALID = 11
    CRL_HAS_EXPIRED = 12
    DEPTH_ZERO_SELF_SIGNED_CERT = 18
    SELF_SIGNED_CERT_IN_CHAIN = 19
    UNABLE_TO_GET_ISSUER_CERT_LOCALLY = 20
    UNABLE_TO_VERIFY_LEAF_SIGNATURE = 21
    CERT_CHAIN_TOO_LONG = 22
    CERT_REVOKED = 23
    PATH_LENGTH_EXCEEDED = 25
    INVALID_PURPOSE = 26
    CERT_REJECTED = 28
    KEYUSAGE_NO_CERTSIGN = 32
    UNHANDLED_CRITICAL_EXTENSION = 34
    KEYUSAGE_NO_CRL_SIGN = 35
    UNHANDLED_CRITICAL_CRL_EXTENSION = 36
    PROXY_CERTIFICATES_NOT_ALLOWED = 40
    INVALID_POLICY_EXTENSION = 42
    NO_EXPLICIT_POLICY = 43
    DIFFERENT_CRL_SCOPE = 44
    PERMITTED_VIOLATION = 47
    EXCLUDED_VIOLATION = 48
    APPLICATION_VERIFICATION = 50
    UNSUPPORTED_CONSTRAINT_TYPE = 51
    UNSUPPORTED_CONSTRAINT_SYNTAX = 52
    UNSUPPORTED_NAME_SYNTAX = 53
    HOSTNAME_MISMATCH = 62
    IP_ADDRESS_MISMATCH = 64
    EE_KEY_TOO_SMALL = 66
    CA_KEY_TOO_SMALL = 67
    CA_MD_TOO_WEAK = 68
    SIGNATURE_ALGORITHM_INCONSISTENCY = 78
    INVALID_CA = 79
    PATHLEN_INVALID_FOR_NON_CA = 80
    PATHLEN_WITHOUT_KU_KEY_CERT_SIGN = 81
    KU_KEY_CERT_SIGN_INVALID_FOR_NON_CA = 82
    ISSUER_NAME_EMPTY = 83
    SUBJECT_NAME_EMPTY = 84
    MISSING_AUTHORITY_KEY_IDENTIFIER = 85
    MISSING_SUBJECT_KEY_IDENTIFIER = 86
    EMPTY_SUBJECT_ALT_NAME = 87
    EMPTY_SUBJECT_SAN_NOT_CRITICAL = 88
    CA_BCONS_NOT_CRITICAL = 89
    CA_CERT_MISSING_KEY_USAGE = 92
    EXTENSIONS_REQUIRE_VERSION_3 = 93
    EC_KEY_EXPLICIT_PARAMS = 94


_MESSAGES = {
    2: "unable to get issuer certificate",
    3: "unable to get certificate CRL",
    6: "unable to decode issuer public key",
    7: "certificate signature failure",
    8: "CRL signature failure",
    9: "certificate is not yet valid",
    10: "certificate has expired",
    11: "CRL is not yet valid",
    12: "CRL has expired",
    18: "self-signed certificate",
    19: "self-signed certificate in certificate chain",
    20: "unable to get local issuer certificate",
    21: "unable to verify the first certificate",
    22: "certificate chain too long",
    23: "certificate revoked",
    25: "path length constraint exceeded",
    26: "unsuitable certificate purpose",
    28: "certificate rejected",
    32: "key usage does not include certificate signing",
    34: "unhandled critical extension",
    35: "key usage does not include CRL signing",
    36: "unhandled critical CRL extension",
    40: "proxy certificates not allowed, please set the appropriate flag",
    42: "invalid or inconsistent certificate policy extension",
    43: "no explicit policy",
    44: "different CRL scope",
    47: "permitted subtree violation",
    48: "excluded subtree violation",
    50: "application verification failure",
    51: "unsupported name constraint type",
    52: "unsupported or invalid name constraint syntax",
    53: "unsupported or invalid name syntax",
    62: "hostname mismatch",
    64: "IP address mismatch",
    66: "EE certificate key too weak",
    67: "CA certificate key too weak",
    68: "CA signature digest algorithm too weak",
    78: "cert info signature and signature algorithm mismatch",
    79: "invalid CA certificate",
    80: "Path length invalid for non-CA cert",
    81: "Path length given without key usage keyCertSign",
    82: "Key usage keyCertSign invalid for non-CA cert",
    83: "Issuer name empty",
    84: "Subject name empty",
    85: "Missing Authority Key Identifier",
    86: "Missing Subject Key Identifier",
    87: "Empty Subject Alternative Name extension",
    88: "Subject empty and Subject Alt Name extension not critical",
    89: "Basic Constraints of CA cert not marked critical",
    92: "CA cert does not include key usage extension",
    93: "Using cert extension requires at least X509v3",
    94: "Certificate public key has explicit ECC parameters",
}
if ssl.OPENSSL_VERSION_INFO >= (3, 6):
    _MESSAGES[9] += " or the system clock is incorrect"

# The special before the general.
_KINDS: tuple[tuple[type[errors.CertificateError], VerifyCode], ...] = (
    (errors.UnknownCA, VerifyCode.UNABLE_TO_GET_ISSUER_CERT_LOCALLY),
    (errors.CertificateExpired, VerifyCode.CERT_HAS_EXPIRED),
    (errors.CertificateNotYetValid, VerifyCode.CERT_NOT_YET_VALID),
    (errors.CertificateRevoked, VerifyCode.CERT_REVOKED),
    (errors.WrongPurpose, VerifyCode.INVALID_PURPOSE),
    (errors.DistrustedKey, VerifyCode.CERT_REJECTED),
    (errors.WeakKey, VerifyCode.EE_KEY_TOO_SMALL),
    (errors.NameNotPermitted, VerifyCode.PERMITTED_VIOLATION),
    (errors.NameExcluded, VerifyCode.EXCLUDED_VIOLATION),
    (errors.UnsupportedConstraint, VerifyCode.UNSUPPORTED_CONSTRAINT_TYPE),
    (errors.UnsupportedName, VerifyCode.UNSUPPORTED_NAME_SYNTAX),
    (errors.UnhandledCriticalExtension, VerifyCode.UNHANDLED_CRITICAL_EXTENSION),
    (errors.BadCertificateSignature, VerifyCode.CERT_SIGNATURE_FAILURE),
    (errors.InvalidCA, VerifyCode.INVALID_CA),
    (errors.PathLengthExceeded, VerifyCode.PATH_LENGTH_EXCEEDED),
    (errors.PolicyMismatch, VerifyCode.NO_EXPLICIT_POLICY),
    (errors.InvalidPolicies, VerifyCode.INVALID_POLICY_EXTENSION),
    (errors.ExplicitCurve, VerifyCode.EC_KEY_EXPLICIT_PARAMS),
    (errors.CertificateError, VerifyCode.APPLICATION_VERIFICATION),
)

E = TypeVar("E", bound=errors.CertificateError)


def message_of(code: VerifyCode) -> str:
    """Return OpenSSL's words for a number."""
    return _MESSAGES[code]


def with_verify_code(error: E, code: VerifyCode) -> E:
    """Give a verifier's refusal OpenSSL's number; return it."""
    error.verify_code = code  # type: ignore[attr-defined]
    return error


def verify_code_of(error: errors.CertificateError) -> VerifyCode | None:
    """Return the number that a refusal was given; None if it was given none."""
    return getattr(error, "verify_code", None)


def code_of(error: errors.CertificateError) -> VerifyCode:
    """Return the number that a refusal was given, or else that of its kind."""
    told = verify_code_of(error)
    if told is not None:
        return told
    return next(code for kind, code in _KINDS if isinstance(error, kind))
