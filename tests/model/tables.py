"""The law of reauth as data: which message may follow which, and what else it meets.

This is Appendix A's missing page, written from §4.6.2 and not from the engine. The
machines beside it walk through these tables with random steps and hold the engine
against them.
"""

from __future__ import annotations

from enum import Enum, auto

from postshake.errors import (
    DecryptError,
    IllegalParameter,
    MissingExtension,
    PeerError,
    UnexpectedMessage,
)

__all__ = ["CLIENT_REAUTH", "SERVER_REAUTH", "At", "expected_of_client", "expected_of_server"]


class At(Enum):
    """Where one request stands, at one end."""

    REQUESTED = auto()
    """The request was sent, or received, and nothing was done about it."""
    # the server's
    CERTIFIED = auto()
    PROVEN = auto()
    DECLINED = auto()
    JUDGING = auto()
    # the client's
    SIGNING = auto()
    # both ends'
    DONE = auto()


SERVER_REAUTH: dict[tuple[At, str], At] = {
    (At.REQUESTED, "Certificate"): At.CERTIFIED,
    (At.REQUESTED, "empty Certificate"): At.DECLINED,
    (At.CERTIFIED, "CertificateVerify"): At.PROVEN,
    (At.PROVEN, "Finished"): At.JUDGING,
    (At.DECLINED, "Finished"): At.DONE,
    (At.JUDGING, "verdict"): At.DONE,
}
"""What one request may meet on a server, and where it leads."""

READING = frozenset({At.CERTIFIED, At.PROVEN, At.DECLINED})
"""In the midst of an answer: nothing else may come (§4.6.2)."""

CLIENT_REAUTH: dict[tuple[At, str], At] = {
    (At.REQUESTED, "choice"): At.SIGNING,
    (At.REQUESTED, "decline"): At.DONE,
    (At.SIGNING, "signature"): At.DONE,
    (At.SIGNING, "failure"): At.REQUESTED,
}
"""The mirror on a client, where it is the owner who acts."""

_SERVER_ANYTIME = frozenset({"KeyUpdate", "data", "empty data", "user_canceled"})
_CLIENT_ANYTIME = _SERVER_ANYTIME | {"CertificateRequest", "NewSessionTicket"}

_CONTEXTS_REFUSED = frozenset({"Certificate, unknown context", "Certificate, spent context"})


def expected_of_server(
    at: At | None, message: str, *, asked: bool, open_requests: bool
) -> At | type[PeerError] | None:
    """Say what a server makes of a message.

    Args:
        at: where the answer stands that is being read; None if none is.
        message: what comes.
        asked: whether the server ever asked for anything.
        open_requests: whether a request waits for its Certificate.

    Returns:
        Where the answer that is being read stands then, or the error.
    """
    if at is None:
        if message in _SERVER_ANYTIME:
            return None
        answers = message.split(",")[0] in ("Certificate", "empty Certificate")
        if answers and asked and (message in _CONTEXTS_REFUSED or not open_requests):
            return IllegalParameter  # of a context that no open request has
        if not open_requests:
            return UnexpectedMessage
        at = At.REQUESTED
    if (at, message.removesuffix(", wrong")) == (At.CERTIFIED, "CertificateVerify"):
        return DecryptError if message.endswith(", wrong") else At.PROVEN
    if (at, message) in {(At.PROVEN, "Finished, wrong"), (At.DECLINED, "Finished, wrong")}:
        return DecryptError
    after = SERVER_REAUTH.get((at, message), UnexpectedMessage)
    return after if after in READING or after is UnexpectedMessage else None


def expected_of_client(message: str, *, pending: bool) -> type[PeerError] | None:
    """Say what a client makes of a message: None if it is welcome, or the error."""
    if message == "CertificateRequest, context still open":
        return IllegalParameter if pending else None
    if message == "CertificateRequest, no schemes":
        return MissingExtension
    return None if message in _CLIENT_ANYTIME else UnexpectedMessage
