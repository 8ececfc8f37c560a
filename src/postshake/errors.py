"""Every exception that postshake raises; the class decides the alert.

A ``TLSError`` ends the connection, and the engine sends its ``alert`` once. A
``UsageError`` is our caller's fault: nothing was sent and the connection is
unharmed. Messages say who, what, expected and got.
"""

from __future__ import annotations

from typing import ClassVar, Self, TypeVar

from .constants import AlertDescription, Role
from .text import clip

__all__ = [
    "AccessDenied",
    "AlertReceived",
    "BadCertificate",
    "BadCertificateSignature",
    "BadFinished",
    "BadRecordMac",
    "BadSignature",
    "CertificateError",
    "CertificateExpired",
    "CertificateNotYetValid",
    "CertificateRequired",
    "CertificateRevoked",
    "CertificateUnknown",
    "DataWaiting",
    "DecodeError",
    "DecryptError",
    "DistrustedKey",
    "ExplicitCurve",
    "IdentityChanged",
    "IllegalParameter",
    "InappropriateFallback",
    "InternalError",
    "InvalidCA",
    "InvalidPolicies",
    "KeyMismatch",
    "MessageTooLarge",
    "MissingExtension",
    "NameExcluded",
    "NameMismatch",
    "NameNotPermitted",
    "NegotiationError",
    "NoApplicationProtocol",
    "NoCommonGroup",
    "NoCommonScheme",
    "PathLengthExceeded",
    "PeerError",
    "PolicyMismatch",
    "PostshakeError",
    "ReauthUnavailable",
    "RecordOverflow",
    "SchemeMismatch",
    "TLSError",
    "TooMuch",
    "TruncationError",
    "UnexpectedHandshake",
    "UnexpectedMessage",
    "UnhandledCriticalExtension",
    "UnknownCA",
    "UnrecognizedName",
    "UnsupportedCertificate",
    "UnsupportedConstraint",
    "UnsupportedExtension",
    "UnsupportedKey",
    "UnsupportedName",
    "UnsupportedVersion",
    "UsageError",
    "WeakKey",
    "WrongPurpose",
    "present",
    "require",
]


class PostshakeError(Exception):
    """Anything that goes wrong in postshake.

    What it says may be in a peer's words: it has no control characters, and at most
    1000 characters.
    """

    def __init__(self, *args: object) -> None:
        super().__init__(*(clip(each) if isinstance(each, str) else each for each in args))

    def without_traceback(self) -> Self:
        """Return an equal exception, without traceback and cause.

        An exception that is kept keeps the frames that it passed through, with all that
        their variables hold, and each time it is raised again there are more of them.
        """
        same = type(self).__new__(type(self))
        same.args = self.args
        same.__dict__.update(self.__dict__)
        return same


class TLSError(PostshakeError):
    """The connection cannot go on.

    Args:
        message: what was expected and what was got, for a person.
        section: where the broken rule stands, such as ``"4.6.2"``.
    """

    alert: ClassVar[AlertDescription | None] = AlertDescription.internal_error
    """The alert that tells the peer; None where none is sent."""

    blames_peer: ClassVar[bool] = True
    """Whether the message is about what the peer did."""

    def __init__(self, message: str, *, section: str | None = None) -> None:
        super().__init__(message)
        self.section = section
        self.peer: Role | None = None
        """Which end the peer was; set by the connection that failed."""

    def __str__(self) -> str:
        text = str(self.args[0])
        if self.peer is not None and self.blames_peer:
            text = f"{self.peer.name}: {text}"
        return f"{text} (§{self.section})" if self.section else text


class PeerError(TLSError):
    """The peer broke the protocol."""


class DecodeError(PeerError):
    """A message could not be read: a length is wrong, or bytes are left over."""

    alert = AlertDescription.decode_error


class UnexpectedMessage(PeerError):
    """A record or message that is not allowed now."""

    alert = AlertDescription.unexpected_message


class UnexpectedHandshake(UnexpectedMessage):
    """Another handshake message than the conversation expects."""


class IllegalParameter(PeerError):
    """A readable value that is not allowed there."""

    alert = AlertDescription.illegal_parameter


class SchemeMismatch(IllegalParameter):
    """A signature scheme that does not fit the certificate's key."""


class MissingExtension(PeerError):
    """An extension that must be there is not."""

    alert = AlertDescription.missing_extension


class UnsupportedExtension(PeerError):
    """An extension where it must not stand, or that nobody asked for."""

    alert = AlertDescription.unsupported_extension


class BadRecordMac(PeerError):
    """A record did not authenticate."""

    alert = AlertDescription.bad_record_mac


class RecordOverflow(PeerError):
    """A record longer than allowed."""

    alert = AlertDescription.record_overflow


class DecryptError(PeerError):
    """A signature, a Finished or a binder is wrong."""

    alert = AlertDescription.decrypt_error


class BadSignature(DecryptError):
    """A signature does not verify."""


class BadFinished(DecryptError):
    """A Finished has the wrong value."""


class TooMuch(PeerError):
    """The peer exceeded a limit of ours: a flood, or something too large."""

    alert = AlertDescription.unexpected_message


class MessageTooLarge(TooMuch):
    """A handshake message is longer than we take."""

    alert = AlertDescription.illegal_parameter  # as OpenSSL says it


class NegotiationError(TLSError):
    """The two ends have nothing in common."""

    alert = AlertDescription.handshake_failure


class NoCommonGroup(NegotiationError):
    """No key exchange group in common."""


class NoCommonScheme(NegotiationError):
    """No signature scheme in common that a certificate of ours could sign by."""


class UnsupportedVersion(NegotiationError):
    """No protocol version in common."""

    alert = AlertDescription.protocol_version


class InappropriateFallback(UnsupportedVersion):
    """The client retried with an older version than both ends have (RFC 7507)."""

    alert = AlertDescription.inappropriate_fallback


class NoApplicationProtocol(NegotiationError):
    """No ALPN protocol in common."""

    alert = AlertDescription.no_application_protocol


class UnrecognizedName(NegotiationError):
    """The server does not serve the name that was asked for."""

    alert = AlertDescription.unrecognized_name


class CertificateError(TLSError):
    """The peer's certificate was not accepted."""

    alert = AlertDescription.bad_certificate


class BadCertificate(CertificateError):
    """A certificate is damaged, badly signed, or against the rules."""


class BadCertificateSignature(BadCertificate):
    """A certificate was not signed by the one that it names as its issuer."""


class InvalidCA(BadCertificate):
    """A certificate issued another and may not: it is no CA's, or its keyUsage forbids it."""


class PathLengthExceeded(BadCertificate):
    """There are more certificates below a CA than it allows (RFC 5280 section 4.2.1.9)."""


class NameNotPermitted(BadCertificate):
    """A name outside of all that a CA of the chain may certify (RFC 5280 section 4.2.1.10)."""


class NameExcluded(BadCertificate):
    """A name that a CA of the chain must not certify (RFC 5280 section 4.2.1.10)."""


class InvalidPolicies(BadCertificate):
    """What a certificate says of policies is against the rules, or cannot be read."""


class ExplicitCurve(BadCertificate):
    """A key on a curve that is written out, not named (RFC 5480 section 2.1.1)."""


class UnsupportedCertificate(CertificateError):
    """A certificate of a kind that we cannot use."""

    alert = AlertDescription.unsupported_certificate


class UnhandledCriticalExtension(UnsupportedCertificate):
    """A critical extension that is not known (RFC 5280 section 4.2)."""


class UnsupportedConstraint(UnsupportedCertificate):
    """Name constraints on a kind of names that are not compared (RFC 5280 section 4.2.1.10)."""


class UnsupportedName(UnsupportedCertificate):
    """A name that has no form in which it is held against name constraints."""


class WrongPurpose(UnsupportedCertificate):
    """The certificate is not meant for this use."""


class CertificateRevoked(CertificateError):
    """The certificate was revoked."""

    alert = AlertDescription.certificate_revoked


class DistrustedKey(CertificateError):
    """A certificate of the chain has a key that is known to be in wrong hands."""

    alert = AlertDescription.bad_certificate


class CertificateExpired(CertificateError):
    """A certificate of the chain is past its validity."""

    alert = AlertDescription.certificate_expired


class CertificateNotYetValid(CertificateError):
    """A certificate of the chain is not valid yet."""

    alert = AlertDescription.certificate_expired


class CertificateUnknown(CertificateError):
    """The certificate was refused for some other reason."""

    alert = AlertDescription.certificate_unknown


class UnknownCA(CertificateError):
    """The chain does not lead to a trusted authority."""

    alert = AlertDescription.unknown_ca


class AccessDenied(CertificateError):
    """The certificate is valid, and access was refused all the same."""

    alert = AlertDescription.access_denied


class NameMismatch(CertificateError):
    """The certificate is for another name."""


class PolicyMismatch(CertificateError):
    """A certificate policy is required, and no acceptable one holds for the chain."""

    alert = AlertDescription.certificate_unknown


class WeakKey(CertificateError):
    """A key or signature of the chain is too weak."""


class CertificateRequired(CertificateError):
    """No certificate was given where one is required."""

    alert = AlertDescription.certificate_required


class IdentityChanged(CertificateError):
    """The peer showed another certificate than before in this connection."""

    alert = AlertDescription.insufficient_security


class AlertReceived(TLSError):
    """The peer ended the connection with an alert; none is sent back."""

    alert = None
    blames_peer = False

    def __init__(self, received: int, *, peer: Role | None = None) -> None:
        try:
            name = AlertDescription(received).name
        except ValueError:
            name = f"alert {received}"
        super().__init__(f"the {peer.name if peer else 'peer'} sent the fatal alert {name}")
        self.received = received
        """The alert's number."""


class InternalError(TLSError):
    """A fault of postshake itself, or of a callback given to it."""

    blames_peer = False


class UsageError(PostshakeError):
    """A call that makes no sense now; the connection is unharmed."""


class ReauthUnavailable(UsageError):
    """Post-handshake authentication cannot be had on this connection now."""


class DataWaiting(UsageError):
    """The peer's data must be received before the call can go on; then make it again."""


class KeyMismatch(UsageError):
    """A private key that is not the certificate's."""


class UnsupportedKey(UsageError):
    """A private key that can be read, and that nothing here signs with."""


class TruncationError(PostshakeError):
    """The stream ended without close_notify: data may be missing (§6.1)."""


_T = TypeVar("_T")


def require(kind: type[_T], value: object) -> _T:
    """Return a value that is of this kind, by all that our own code has done before.

    Unlike ``assert``, which ``python -O`` leaves out.

    Raises:
        InternalError: it is not.
    """
    if not isinstance(value, kind):
        raise InternalError(f"expected {kind.__name__}, got {type(value).__name__}")
    return value


def present(value: _T | None, what: str) -> _T:
    """Return a value that is there, by all that our own code has done before.

    Raises:
        InternalError: it is None; the error names it.
    """
    if value is None:
        raise InternalError(f"there is no {what}")
    return value
