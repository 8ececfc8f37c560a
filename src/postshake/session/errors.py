"""Exceptions with GnuTLS's codes, and the one table that turns the engine's into them.

What is not fatal has a small branch of its own, `NonFatal`: the call did not come to
its end, nothing is lost, and it is to be made again.
"""

from __future__ import annotations

from typing import ClassVar

from .. import errors
from ..constants import AlertDescription
from ..text import clip
from . import codes
from .strerror import strerror

__all__ = [
    "Again",
    "GotApplicationData",
    "Interrupted",
    "NonFatal",
    "ReauthRequest",
    "Rehandshake",
    "SessionError",
    "WarningAlertReceived",
    "error_for",
    "translate",
]


class SessionError(errors.PostshakeError):
    """A call failed with one of GnuTLS's codes.

    Args:
        code: which; negative.
        detail: what is known beyond the code.
        alert: what tells the peer best; None for the code's usual one.
    """

    def __init__(
        self, code: int, detail: str = "", *, alert: AlertDescription | None = None
    ) -> None:
        super().__init__(code, detail)
        self.code = code
        """GnuTLS's number."""
        self.detail = clip(detail)
        """What is known beyond the code."""
        self.alert = alert if alert is not None else codes.error_to_alert(code)[0]
        """The alert that tells the peer, if the peer is told."""

    @property
    def name(self) -> str:
        """The code's name, such as ``E_INVALID_REQUEST``."""
        return codes.strerror_name(self.code) or f"E_{self.code}"

    @property
    def fatal(self) -> bool:
        """Whether the call cannot simply be made again."""
        return codes.error_is_fatal(self.code)

    def __str__(self) -> str:
        text = f"{self.name} ({self.code}): {strerror(self.code)}"
        return f"{text}: {self.detail}" if self.detail else text


class NonFatal(SessionError):
    """Nothing is lost: do what it says, and make the call again."""

    usual: ClassVar[int] = codes.E_AGAIN

    def __init__(self, detail: str = "") -> None:
        super().__init__(self.usual, detail)


class Again(NonFatal):
    """The transport would block, or there is nothing for you yet: call again."""


class Interrupted(NonFatal):
    """The transport was interrupted: call again."""

    usual = codes.E_INTERRUPTED


class GotApplicationData(NonFatal):
    """Application data came first: take it with `record_recv`, then call again.

    It is from a peer who has not authenticated yet, or as whoever it was before.
    """

    usual = codes.E_GOT_APPLICATION_DATA


class ReauthRequest(NonFatal):
    """The server asks for authentication: answer with `reauth`, when you like."""

    usual = codes.E_REAUTH_REQUEST


class Rehandshake(NonFatal):
    """The peer wants to negotiate again; only TLS 1.2 knows that."""

    usual = codes.E_REHANDSHAKE


class WarningAlertReceived(NonFatal):
    """The peer sent a warning, see `alert_get`; only TLS 1.2 knows that."""

    usual = codes.E_WARNING_ALERT_RECEIVED


_NON_FATAL: dict[int, type[NonFatal]] = {
    kind.usual: kind
    for kind in (
        Again,
        Interrupted,
        GotApplicationData,
        ReauthRequest,
        Rehandshake,
        WarningAlertReceived,
    )
}


def error_for(code: int, detail: str = "") -> SessionError:
    """Make the exception for a code, of the class that belongs to it."""
    kind = _NON_FATAL.get(code)
    return kind(detail) if kind is not None else SessionError(code, detail)


# The engine's errors, the special before the general.
_CODES: tuple[tuple[type[errors.PostshakeError], int], ...] = (
    (errors.AlertReceived, codes.E_FATAL_ALERT_RECEIVED),
    (errors.UnexpectedHandshake, codes.E_UNEXPECTED_HANDSHAKE_PACKET),
    (errors.UnexpectedMessage, codes.E_UNEXPECTED_PACKET),
    (errors.DecodeError, codes.E_UNEXPECTED_PACKET_LENGTH),
    (errors.SchemeMismatch, codes.E_INCOMPATIBLE_SIG_WITH_KEY),
    (errors.IllegalParameter, codes.E_RECEIVED_ILLEGAL_PARAMETER),
    (errors.MissingExtension, codes.E_MISSING_EXTENSION),
    (errors.UnsupportedExtension, codes.E_RECEIVED_ILLEGAL_EXTENSION),
    (errors.BadRecordMac, codes.E_DECRYPTION_FAILED),
    (errors.RecordOverflow, codes.E_RECORD_OVERFLOW),
    (errors.BadSignature, codes.E_PK_SIG_VERIFY_FAILED),
    (errors.BadFinished, codes.E_ERROR_IN_FINISHED_PACKET),
    (errors.DecryptError, codes.E_DECRYPTION_FAILED),
    (errors.MessageTooLarge, codes.E_HANDSHAKE_TOO_LARGE),
    (errors.TooMuch, codes.E_TOO_MANY_HANDSHAKE_PACKETS),
    (errors.InappropriateFallback, codes.E_INAPPROPRIATE_FALLBACK),
    (errors.UnsupportedVersion, codes.E_UNSUPPORTED_VERSION_PACKET),
    (errors.NoApplicationProtocol, codes.E_NO_APPLICATION_PROTOCOL),
    (errors.UnrecognizedName, codes.E_UNRECOGNIZED_NAME),
    (errors.NoCommonGroup, codes.E_NO_COMMON_KEY_SHARE),
    (errors.NegotiationError, codes.E_NO_CIPHER_SUITES),
    (errors.CertificateRequired, codes.E_CERTIFICATE_REQUIRED),
    (errors.IdentityChanged, codes.E_SESSION_USER_ID_CHANGED),
    (errors.CertificateError, codes.E_CERTIFICATE_ERROR),
    (errors.InternalError, codes.E_INTERNAL_ERROR),
    (errors.TruncationError, codes.E_PREMATURE_TERMINATION),
    (errors.UnsupportedKey, codes.E_UNKNOWN_PK_ALGORITHM),
    (errors.KeyMismatch, codes.E_CERTIFICATE_KEY_MISMATCH),
    (errors.UsageError, codes.E_INVALID_REQUEST),
)


def translate(error: errors.PostshakeError) -> SessionError:
    """Turn an exception of the engine's into one with a code.

    Its alert stays the engine's, which is often more exact than the code's.
    """
    if isinstance(error, SessionError):
        return error
    code = next((code for kind, code in _CODES if isinstance(error, kind)), codes.E_INTERNAL_ERROR)
    alert = error.alert if isinstance(error, errors.TLSError) else None
    translated = SessionError(code, str(error), alert=alert)
    translated.__cause__ = error
    return translated
