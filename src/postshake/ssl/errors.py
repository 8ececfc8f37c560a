"""The standard library's exceptions, with OpenSSL's reasons and codes.

Programs look at classes, at ``reason`` and at ``verify_code``. So what the engine says is
put in OpenSSL's words as far as it has some; the engine's own, which say who, what,
expected and got, are the exception's cause.
"""

from __future__ import annotations

import ssl
from typing import TypeVar

from .. import errors
from ..constants import AlertDescription as Alert
from ..pki.names import normalize_server_name
from .verify_codes import VerifyCode, code_of, message_of, verify_code_of

__all__ = [
    "alerting",
    "failure",
    "refused",
    "ssl_error",
    "translate",
]

_REASONS: tuple[tuple[type[errors.PostshakeError], str], ...] = (
    (errors.CertificateRequired, "PEER_DID_NOT_RETURN_A_CERTIFICATE"),
    (errors.InappropriateFallback, "INAPPROPRIATE_FALLBACK"),
    (errors.UnsupportedVersion, "UNSUPPORTED_PROTOCOL"),
    (errors.NoApplicationProtocol, "NO_APPLICATION_PROTOCOL"),
    (errors.NoCommonGroup, "NO_SUITABLE_KEY_SHARE"),
    (errors.NoCommonScheme, "NO_SUITABLE_SIGNATURE_ALGORITHM"),
    (errors.UnrecognizedName, "CALLBACK_FAILED"),
    (errors.NegotiationError, "NO_SHARED_CIPHER"),
    (errors.UnexpectedMessage, "UNEXPECTED_MESSAGE"),
    (errors.DecodeError, "LENGTH_MISMATCH"),
    (errors.SchemeMismatch, "WRONG_SIGNATURE_TYPE"),
    (errors.IllegalParameter, "BAD_EXTENSION"),
    (errors.MissingExtension, "MISSING_EXTENSION"),
    (errors.UnsupportedExtension, "UNSOLICITED_EXTENSION"),
    (errors.BadRecordMac, "DECRYPTION_FAILED_OR_BAD_RECORD_MAC"),
    (errors.RecordOverflow, "DATA_LENGTH_TOO_LONG"),
    (errors.BadSignature, "BAD_SIGNATURE"),
    (errors.BadFinished, "DIGEST_CHECK_FAILED"),
    (errors.DecryptError, "BINDER_DOES_NOT_VERIFY"),
    (errors.MessageTooLarge, "EXCESSIVE_MESSAGE_SIZE"),
    (errors.ReauthUnavailable, "EXTENSION_NOT_RECEIVED"),
)

_OLD = {10, 20, 30, 40, 41, 42, 43, 44, 45, 46, 47}  # alerts that SSL 3.0 had
_ALERTS = {
    Alert.missing_extension: "TLSV13_ALERT_MISSING_EXTENSION",
    Alert.unsupported_extension: "TLSV1_UNSUPPORTED_EXTENSION",
    Alert.unrecognized_name: "TLSV1_UNRECOGNIZED_NAME",
    Alert.bad_certificate_status_response: "TLSV1_BAD_CERTIFICATE_STATUS_RESPONSE",
    Alert.certificate_required: "TLSV13_ALERT_CERTIFICATE_REQUIRED",
    Alert.user_canceled: "TLSV1_ALERT_USER_CANCELLED",
}


S = TypeVar("S", bound=ssl.SSLError)


def ssl_error(
    reason: str,
    text: str | None = None,
    *,
    kind: type[S] = ssl.SSLError,  # type: ignore[assignment]
    number: int = ssl.SSL_ERROR_SSL,
) -> S:
    """Make an SSLError as the standard library does, with its attributes.

    Args:
        reason: OpenSSL's name for it, such as ``"WRONG_VERSION_NUMBER"``.
        text: a sentence; None for the reason in small letters.
        kind: the class.
        number: the errno, one of SSLErrorNumber.
    """
    text = text or reason.lower().replace("_", " ")
    error = kind(int(number), f"[SSL: {reason}] {text}")
    error.reason, error.library = reason, "SSL"
    return error


def failure(detail: str = "") -> ssl.SSLEOFError:
    """Make the error for a stream that ended without a goodbye."""
    text = "EOF occurred in violation of protocol" + (f": {detail}" if detail else "")
    return ssl_error(
        "UNEXPECTED_EOF_WHILE_READING", text, kind=ssl.SSLEOFError, number=ssl.SSL_ERROR_EOF
    )


def refused(error: errors.CertificateError, server_name: str | None) -> ssl.SSLError:
    """Make the error for a certificate that was not believed."""
    code, message = _verify_code(error, server_name)
    made = ssl_error(
        "CERTIFICATE_VERIFY_FAILED",
        f"certificate verify failed: {message}",
        kind=ssl.SSLCertVerificationError,
    )
    made.verify_code, made.verify_message = int(code), message
    return made


def _verify_code(error: errors.CertificateError, server_name: str | None) -> tuple[VerifyCode, str]:
    code = verify_code_of(error)
    if code is None and isinstance(error, errors.NameMismatch):
        is_address = server_name is not None and _is_address(server_name)
        code = VerifyCode.IP_ADDRESS_MISMATCH if is_address else VerifyCode.HOSTNAME_MISMATCH
    if code is None:
        code = code_of(error)
    named = _NAMED.get(code)
    if named is None:
        return code, message_of(code)
    return code, f"{named} mismatch, certificate is not valid for '{server_name}'."


_NAMED = {VerifyCode.HOSTNAME_MISMATCH: "Hostname", VerifyCode.IP_ADDRESS_MISMATCH: "IP address"}


def _is_address(server_name: str) -> bool:
    try:
        return normalize_server_name(server_name)[1]
    except errors.UsageError:  # neither a name nor an address: see `unusual_names`
        return False


def translate(error: errors.PostshakeError, server_name: str | None = None) -> Exception:
    """Turn an exception of the engine's into one of the standard library's.

    A UsageError that no reason stands for becomes a ValueError.
    """
    made: Exception
    if isinstance(error, errors.AlertReceived):
        made = _alert(error.received)
    elif isinstance(error, errors.TruncationError):
        made = failure()
    elif isinstance(error, errors.CertificateError) and not isinstance(
        error, errors.CertificateRequired
    ):
        made = refused(error, server_name)
    else:
        reason = next((name for kind, name in _REASONS if isinstance(error, kind)), None)
        if reason is not None:
            made = ssl_error(reason)
        elif isinstance(error, errors.UsageError):
            made = ValueError(str(error))
        else:
            made = ssl_error("INTERNAL_ERROR", str(error))
    made.__cause__ = error
    return made


def _alert(number: int) -> ssl.SSLError:
    if number == Alert.close_notify:  # a goodbye in mid-handshake
        return failure("the peer closed the connection")
    try:
        alert = Alert(number)
    except ValueError:
        return ssl_error("UNKNOWN_ALERT_TYPE", f"the peer sent alert {number}")
    name = _ALERTS.get(alert)
    if name is None:
        name = f"{'SSLV3' if number in _OLD else 'TLSV1'}_ALERT_{alert.name.upper()}"
    return ssl_error(name)


def alerting(number: int) -> errors.TLSError:
    """Make an error of the engine's that sends this alert."""
    kind = type("Refusal", (errors.UnrecognizedName,), {"alert": Alert(number)})
    return errors.require(errors.TLSError, kind("refused by the sni_callback"))
