"""What a route asks of its client, and the refusal when it cannot be had."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from ..config import Config
from ..drive.answers import judge_identity
from ..pki.choose import leads_to
from ..pki.identity import Identity
from ..questions import Refused
from ..ssl.reauth import Authority, authority_names

__all__ = [
    "BodyTooLarge",
    "CertificateNeeded",
    "Lack",
    "Policy",
    "ServerBusy",
    "why_refused_now",
]

log = logging.getLogger("postshake.web")

MAX_BODY = 256 * 1024 * 1024
MAX_MESSAGES = 1024 * 1024


class Lack(Enum):
    """Why there is no identity."""

    UNAVAILABLE = "unavailable"
    """The client cannot be asked: it did not offer it, or the connection has no TLS 1.3."""
    FORBIDDEN = "forbidden"
    """HTTP/2 and HTTP/3 forbid it (RFC 9113, 9.2.3)."""
    DECLINED = "declined"
    """The client showed no certificate."""
    REFUSED = "refused"
    """Its certificate was not accepted."""
    EXPIRED = "expired"
    """It did not answer in time."""


class CertificateNeeded(Exception):
    """A route needs to know who the client is, and that cannot be had.

    The message is for the person at the client: it says what to do, and nothing that a
    stranger should not know.
    """

    def __init__(self, lack: Lack, detail: str = "") -> None:
        super().__init__(_MESSAGES[lack])
        self.lack = lack
        """Why."""
        self.detail = detail
        """More, for the server's log."""

    @property
    def status(self) -> int:
        """The HTTP status that says so: 403."""
        return 403


class BodyTooLarge(Exception):
    """More of the request's body, or of a websocket's messages, came than is kept.

    The limits are `Policy.max_body` and `Policy.max_messages`. Nothing of what came is lost.
    """

    status = 413


class ServerBusy(Exception):
    """What all clients sent before their answers is more than is kept: see `Quota`.

    It says nothing about this client; later there may be room. Nothing of what came is lost.
    """

    status = 503


_MESSAGES = {
    Lack.UNAVAILABLE: (
        "This page asks for a client certificate after the connection was made "
        "(TLS 1.3 post-handshake authentication), which this client did not offer. "
        "In Firefox set security.tls.enable_post_handshake_auth; curl does it by itself."
    ),
    Lack.FORBIDDEN: (
        "This page asks for a client certificate after the connection was made, which "
        "HTTP/2 does not allow. Use HTTP/1.1, for instance curl --http1.1."
    ),
    Lack.DECLINED: "This page needs a client certificate, and none was shown.",
    Lack.REFUSED: "The client certificate was not accepted.",
    Lack.EXPIRED: "This page needs a client certificate, and none was shown in time.",
}


@dataclass(frozen=True, slots=True)
class Policy:
    """What a route asks of its client."""

    authorities: tuple[Authority, ...] = ()
    """Whom the client's chain must lead to; any trusted one if empty."""
    within: float = 30.0
    """Seconds that the client has; a person may have to choose, and enter a PIN."""
    max_age: float | None = None
    """Seconds for which an identity proven earlier on this connection will do; None for
    the connection's whole life, 0 to ask each time. It never does longer than its
    certificates are valid, and are not revoked by the lists of today."""
    max_body: int = MAX_BODY
    """Bytes of the request's body that are kept, on disk for the most part, while the
    client has not answered; 256 MiB."""
    max_messages: int = MAX_MESSAGES
    """Bytes of memory for messages of a websocket that are kept meanwhile; 1 MiB."""

    @classmethod
    def of(
        cls,
        authorities: Iterable[Authority] = (),
        *,
        within: float = 30.0,
        max_age: float | None = None,
        max_body: int = MAX_BODY,
        max_messages: int = MAX_MESSAGES,
    ) -> Policy:
        """Make one; see the fields."""
        return cls(tuple(authorities), within, max_age, max_body, max_messages)

    def is_met_by(self, identity: Identity | None, config: Config | None = None) -> bool:
        """Whether an identity that is in force already is enough, now.

        Args:
            identity: the connection's.
            config: the connection's, whose clock and verifier count; None for the system's
                clock, and nobody to ask about revocation.
        """
        if identity is None or not identity.verified:
            return False
        now = config.wall_clock() if config is not None else time.time()
        if self.max_age is not None and now - identity.proven_at >= self.max_age:
            return False
        names = authority_names(self.authorities)
        if names and not leads_to(identity.verified_chain, names):
            return False
        return why_refused_now(identity, config) is None


def why_refused_now(identity: Identity | None, config: Config | None) -> str | None:
    """Say why an identity would not be accepted now; None where it would, or is nobody's."""
    if identity is None or not identity.verified:
        return None
    if config is None:
        ended = time.time() >= identity.valid_until.timestamp() + 1
        return "the certificate has expired" if ended else None
    try:
        verdict = judge_identity(identity, config)
    except Exception as error:  # the verifier's own: who cannot be judged is not let in
        log.exception("an identity could not be judged again")
        return f"it could not be judged: {type(error).__name__}"
    return str(verdict.error) if isinstance(verdict, Refused) else None
