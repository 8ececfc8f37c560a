"""Every code, its number, its severity and its alert: typed again, and as libgnutls has them."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import postshake.session as session
from postshake import errors
from postshake.constants import AlertDescription, Role
from postshake.session import (
    Again,
    GotApplicationData,
    NonFatal,
    ReauthRequest,
    SessionError,
    codes,
    constants,
)
from postshake.session.errors import error_for, translate
from postshake.session.strerror import _MESSAGES, strerror
from tests.requirements import require
from tests.session.bridge import Gnutls, needs_libgnutls

# name, number, whether it is fatal by libgnutls, alert (w: at warning level; -: none is sent)
TABLE = """
SUCCESS 0 not -
UNKNOWN_COMPRESSION_ALGORITHM -3 fatal 47
UNKNOWN_CIPHER_TYPE -6 fatal 80
LARGE_PACKET -7 not -
UNSUPPORTED_VERSION_PACKET -8 fatal 70
UNEXPECTED_PACKET_LENGTH -9 fatal 50
TLS_PACKET_DECODING_ERROR -9 fatal 50
INVALID_SESSION -10 fatal 80
FATAL_ALERT_RECEIVED -12 fatal -
UNEXPECTED_PACKET -15 fatal 10
WARNING_ALERT_RECEIVED -16 not -
ERROR_IN_FINISHED_PACKET -18 fatal 51
UNEXPECTED_HANDSHAKE_PACKET -19 fatal 10
UNKNOWN_CIPHER_SUITE -21 fatal 40
UNWANTED_ALGORITHM -22 fatal 40
DECRYPTION_FAILED -24 fatal 20
MEMORY_ERROR -25 fatal 80
DECOMPRESSION_FAILED -26 fatal 30
COMPRESSION_FAILED -27 fatal 80
AGAIN -28 not -
EXPIRED -29 fatal 80
DB_ERROR -30 fatal 80
KEYFILE_ERROR -31 fatal 80
SRP_PWD_ERROR -31 fatal 80
INSUFFICIENT_CREDENTIALS -32 fatal 40
HASH_FAILED -33 fatal 80
BASE64_DECODING_ERROR -34 fatal 80
REHANDSHAKE -37 not w100
GOT_APPLICATION_DATA -38 fatal 80
RECORD_LIMIT_REACHED -39 fatal 80
ENCRYPTION_FAILED -40 fatal 80
CERTIFICATE_ERROR -43 fatal 42
PK_ENCRYPTION_FAILED -44 fatal 80
PK_DECRYPTION_FAILED -45 fatal 80
PK_SIGN_FAILED -46 fatal 80
X509_UNSUPPORTED_CRITICAL_EXTENSION -47 fatal 80
KEY_USAGE_VIOLATION -48 fatal 80
NO_CERTIFICATE_FOUND -49 fatal 50
INVALID_REQUEST -50 fatal 80
SHORT_MEMORY_BUFFER -51 fatal 80
INTERRUPTED -52 not -
PUSH_ERROR -53 fatal 80
PULL_ERROR -54 fatal 80
RECEIVED_ILLEGAL_PARAMETER -55 fatal 47
REQUESTED_DATA_NOT_AVAILABLE -56 fatal 80
RECEIVED_ILLEGAL_EXTENSION -58 fatal 110
INTERNAL_ERROR -59 fatal 80
CERTIFICATE_KEY_MISMATCH -60 fatal 80
UNSUPPORTED_CERTIFICATE_TYPE -61 fatal 43
X509_UNKNOWN_SAN -62 fatal 80
DH_PRIME_UNACCEPTABLE -63 fatal 71
FILE_ERROR -64 fatal 80
TOO_MANY_EMPTY_PACKETS -78 fatal 80
UNKNOWN_PK_ALGORITHM -80 fatal 40
TOO_MANY_HANDSHAKE_PACKETS -81 fatal 80
RECEIVED_DISALLOWED_NAME -82 fatal 47
NO_CIPHER_SUITES -87 fatal 40
PK_SIG_VERIFY_FAILED -89 fatal 51
CONSTRAINT_ERROR -101 fatal 80
UNKNOWN_ALGORITHM -105 fatal 80
UNSUPPORTED_SIGNATURE_ALGORITHM -106 fatal 40
SAFE_RENEGOTIATION_FAILED -107 fatal 40
UNSAFE_RENEGOTIATION_DENIED -108 fatal w100
UNKNOWN_SRP_USERNAME -109 fatal 115
PREMATURE_TERMINATION -110 fatal 10
CERTIFICATE_REQUIRED -112 fatal 116
UNSUPPORTED_ENCRYPTION_ALGORITHM -113 fatal 80
RANDOM_FAILED -206 fatal 80
HANDSHAKE_TOO_LARGE -210 fatal 50
CHANNEL_BINDING_NOT_AVAILABLE -213 fatal 80
INCOMPAT_DSA_KEY_WITH_TLS_PROTOCOL -216 fatal 40
INSUFFICIENT_SECURITY -217 fatal 71
HEARTBEAT_PONG_RECEIVED -292 not -
HEARTBEAT_PING_RECEIVED -293 not -
UNRECOGNIZED_NAME -294 fatal 112
PARSING_ERROR -302 fatal 80
TIMEDOUT -319 fatal 80
USER_ERROR -320 fatal 90
ECC_NO_SUPPORTED_CURVES -321 fatal 40
ECC_UNSUPPORTED_CURVE -322 fatal 40
CERTIFICATE_LIST_UNSORTED -324 fatal 80
ILLEGAL_PARAMETER -325 fatal 47
NO_PRIORITIES_WERE_SET -326 fatal 80
SESSION_EOF -328 fatal 80
NO_CERTIFICATE_STATUS -340 fatal 80
OCSP_RESPONSE_ERROR -341 fatal 80
AUTH_ERROR -343 fatal 80
NO_APPLICATION_PROTOCOL -344 fatal 120
INAPPROPRIATE_FALLBACK -347 fatal 86
CERTIFICATE_VERIFICATION_ERROR -348 fatal 42
UNEXPECTED_EXTENSIONS_LENGTH -350 fatal 50
SESSION_USER_ID_CHANGED -406 fatal 71
HANDSHAKE_DURING_FALSE_START -407 fatal 80
UNAVAILABLE_DURING_HANDSHAKE -408 fatal 80
PK_INVALID_PUBKEY -409 fatal 47
NOT_YET_ACTIVATED -411 fatal 80
CERTIFICATE_TIME_ERROR -416 fatal 80
RECORD_OVERFLOW -417 fatal 22
INCOMPATIBLE_SIG_WITH_KEY -419 fatal 47
OCSP_MISMATCH_WITH_CERTS -422 fatal 80
NO_COMMON_KEY_SHARE -423 fatal 40
REAUTH_REQUEST -424 not -
MISSING_EXTENSION -427 fatal 109
EARLY_DATA_REJECTED -429 fatal 80
UNIMPLEMENTED_FEATURE -1250 fatal 80
ASN1_ELEMENT_NOT_FOUND -67 fatal 42
ASN1_IDENTIFIER_NOT_FOUND -68 fatal 42
ASN1_DER_ERROR -69 fatal 42
ASN1_VALUE_NOT_FOUND -70 fatal 42
ASN1_GENERIC_ERROR -71 fatal 42
ASN1_VALUE_NOT_VALID -72 fatal 42
ASN1_TAG_ERROR -73 fatal 42
ASN1_TAG_IMPLICIT -74 fatal 42
ASN1_TYPE_ANY_ERROR -75 fatal 42
ASN1_SYNTAX_ERROR -76 fatal 42
ASN1_DER_OVERFLOW -77 fatal 42
"""
ROWS = [line.split() for line in TABLE.split("\n") if line]

NOT_FATAL_HERE = {"GOT_APPLICATION_DATA"}
"""Our one departure: the manual page calls it non-fatal."""

NAMES = [name for name in dir(codes) if name.startswith("E_")]
RANGE = ("E_APPLICATION_ERROR_MAX", "E_APPLICATION_ERROR_MIN")
ALIASES = (
    "E_ALREADY_REGISTERED",
    "E_INCOMPATIBLE_CRYPTO_LIBRARY",
    "E_KEYFILE_PARSING_ERROR",
    "E_SRP_PWD_ERROR",
    "E_TLS_PACKET_DECODING_ERROR",
)
NEWER = {"E_UNSUPPORTED_ENCRYPTION_ALGORITHM": (3, 8)}
"""Codes that older libraries have no name for, and since when they are there."""
INTERNAL = {
    "E_INT_CHECK_AGAIN": "never leaves the library",
    "E_INT_RET_0": "never leaves the library",
    "E_NEED_FALLBACK": "of its engine for drivers; nothing returns it",
    "E_WARNING_IA_FPHF_RECEIVED": "of TLS/IA, which was removed",
    "E_WARNING_IA_IPHF_RECEIVED": "of TLS/IA, which was removed",
}
"""Codes of the header that the library itself has no text for."""


@pytest.mark.parametrize(("name", "number", "severity", "alert"), ROWS, ids=lambda item: item)
def test_a_code_is_as_the_table_has_it(name, number, severity, alert):
    code = getattr(session, f"E_{name}")
    assert code == int(number)
    assert session.error_is_fatal(code) is (severity == "fatal" and name not in NOT_FATAL_HERE)
    description, level = session.error_to_alert(code)
    assert description == (80 if alert == "-" else int(alert.lstrip("w")))
    assert level == (1 if alert.startswith("w") else 2)


def test_every_code_has_a_name_and_a_text_of_its_own():
    values = {getattr(codes, name) for name in NAMES}
    assert set(_MESSAGES) == values
    assert len(set(_MESSAGES.values())) == len(values)
    for name in NAMES:
        expected = name
        if name in ALIASES:
            continue
        assert codes.strerror_name(getattr(codes, name)) == expected


def test_unknown_codes():
    assert codes.strerror_name(-9999) is None
    assert codes.error_is_fatal(-9999)
    assert not codes.error_is_fatal(7)
    assert strerror(-65123) == "the application's own error -65123"
    assert "-9999" in strerror(-9999)


@needs_libgnutls
@pytest.mark.parametrize("name", [name for name in NAMES if name not in ALIASES])
def test_a_code_is_as_libgnutls_has_it(name):
    real = Gnutls()
    code = getattr(codes, name)
    if name in NEWER and tuple(map(int, real.version.split(".")))[:2] < NEWER[name]:
        pytest.skip(f"libgnutls {real.version} is too old for it")
    if name in (*RANGE, "E_KEYFILE_ERROR"):
        assert real.gnutls_strerror_name(code) in (None, "GNUTLS_E_SRP_PWD_ERROR")
        return
    assert real.gnutls_strerror_name(code) == f"GNUTLS_{name}"
    fatal = real.gnutls_error_is_fatal(code)
    assert codes.error_is_fatal(code) is (fatal and name[2:] not in NOT_FATAL_HERE)
    level = ctypes.c_int()
    alert = real.gnutls_error_to_alert(code, level)
    assert codes.error_to_alert(code) == (alert, level.value)


@needs_libgnutls
def test_libgnutls_has_no_code_that_we_lack():
    real = Gnutls()
    theirs = {code for code in range(0, -1400, -1) if real.gnutls_strerror_name(code)}
    assert theirs <= {getattr(codes, name) for name in NAMES}


def test_constants_are_the_headers():
    """The numbers that the header writes down, as plain numbers or shifts."""
    text = Path(require("gnutls/gnutls.h")).read_text(encoding="utf-8", errors="replace")
    pattern = r"GNUTLS_([A-Z0-9_]+)\s*(?:=\s*)?\(?(-?\d+|1\s*<<\s*\d+|0x[0-9a-f]+)\)?\s*[,\n/}]"
    found = {
        name: eval(value)  # digits and shifts alone, by the pattern
        for name, value in re.findall(pattern, text)
    }
    ours = {name: value for name, value in vars(session).items() if name.isupper()}
    both = set(found) & set(ours)
    assert len(both) > 250
    wrong = {name: (ours[name], found[name]) for name in both if ours[name] != found[name]}
    assert not wrong


def test_the_header_has_no_code_that_we_lack():
    text = Path(require("gnutls/gnutls.h")).read_text(encoding="utf-8", errors="replace")
    found = dict(re.findall(r"#define GNUTLS_(E_[A-Z0-9_]+)\s+(-?\d+)", text))
    ours = {name: getattr(codes, name) for name in NAMES}
    assert len(found) > 180
    lacking = {name for name, number in found.items() if ours.get(name) != int(number)}
    assert lacking == INTERNAL.keys()


def test_errors_know_themselves():
    error = SessionError(codes.E_CERTIFICATE_REQUIRED, "who are you?")
    assert (error.code, error.name, error.fatal) == (-112, "E_CERTIFICATE_REQUIRED", True)
    assert error.alert == AlertDescription.certificate_required
    assert str(error).startswith("E_CERTIFICATE_REQUIRED (-112): ")
    assert str(error).endswith(": who are you?")
    assert isinstance(error, errors.PostshakeError)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (codes.E_AGAIN, Again),
        (codes.E_GOT_APPLICATION_DATA, GotApplicationData),
        (codes.E_REAUTH_REQUEST, ReauthRequest),
        (codes.E_INTERRUPTED, session.Interrupted),
        (codes.E_REHANDSHAKE, session.Rehandshake),
        (codes.E_WARNING_ALERT_RECEIVED, session.WarningAlertReceived),
    ],
)
def test_what_is_not_fatal_has_a_class(code, kind):
    error = error_for(code)
    assert type(error) is kind
    assert isinstance(error, NonFatal)
    assert not error.fatal


def _all_errors(
    kind: type[errors.PostshakeError] = errors.PostshakeError,
) -> Iterator[type[errors.PostshakeError]]:
    for below in kind.__subclasses__():
        if below.__module__ == "postshake.errors":
            yield below
            yield from _all_errors(below)


ARGUMENTS = {errors.AlertReceived: (80,)}


@pytest.mark.parametrize("kind", sorted(set(_all_errors()), key=str))
def test_every_error_of_the_engines_has_a_code(kind):
    error = kind(*ARGUMENTS.get(kind, ("why",)))
    translated = translate(error)
    assert codes.strerror_name(translated.code) is not None
    assert translated.fatal
    assert translated.__cause__ is error
    if getattr(kind, "alert", None) is not None:
        assert translated.alert == kind.alert  # more exact than the code's
    assert translate(translated) is translated


def test_the_peers_part_in_it_is_told():
    error = errors.DecodeError("too short")
    error.peer = Role.client
    assert "client: too short" in str(translate(error))


def test_every_code_and_number_is_a_name_of_the_package():
    """Its list stands apart from theirs, for mypy; one that was in one of them only was missed."""
    for numbers in (codes, constants):
        defined = {name for name in vars(numbers) if name.isupper() and not name.startswith("_")}
        assert defined <= set(numbers.__all__) <= set(session.__all__)
    assert len(set(session.__all__)) == len(session.__all__)
    names: dict[str, object] = {}
    exec("from postshake.session import *", names)
    assert names.keys() - {"__builtins__"} == set(session.__all__)
