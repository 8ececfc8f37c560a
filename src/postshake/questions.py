"""What a Connection asks its owner: signatures, choices and verdicts.

A conversation that needs a signature, a verdict or a choice stops and asks. The
owner fetches the question with `Connection.next_question()`, finds the answer at
once or after any wait, and gives it to `Connection.answer()`. Nothing is matched
by value: a question is named by its id.
"""

from __future__ import annotations

from typing import Generic, TypeAlias, TypeVar

from ._dataclass import dataclass, field
from .config import ServerConfig
from .constants import Role, SignatureScheme
from .errors import CertificateError
from .pki.choose import Wanted
from .pki.credential import Credential, Signer
from .pki.identity import Identity
from .pki.trust import PeerChain, VerifiedChain, Verifier
from .resumption.external_psk import ExternalPsk, PskLookup
from .resumption.replay import EarlyDataClaim, ReplayGuard
from .resumption.ticket import TicketDatabase, TicketState
from .wire.hello import ClientHello

__all__ = [
    "ChooseConfig",
    "ChooseCredential",
    "ChoosePsk",
    "ClaimEarlyData",
    "FindPsk",
    "FindTicket",
    "JudgePeer",
    "KeepTicket",
    "Question",
    "Refused",
    "Sign",
    "Subject",
    "Verdict",
]

A = TypeVar("A")


class Subject(Generic[A]):
    """What a question is about; ``A`` is the type of its answer."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Question:
    """A subject and the id to answer it by."""

    id: int
    subject: Subject[object]


@dataclass(frozen=True, slots=True)
class Sign(Subject[bytes]):
    """Sign `data` with the credential's key; the answer is the signature."""

    signer: Signer
    scheme: SignatureScheme
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Refused:
    """The verdict that a peer's certificate is not accepted."""

    error: CertificateError
    """Why; its class decides the alert, if one is sent."""


Verdict: TypeAlias = VerifiedChain | Refused
"""The answer to JudgePeer. An exception given instead means that no verdict was
reached, and ends the connection."""


@dataclass(frozen=True, slots=True)
class JudgePeer(Subject[Verdict]):
    """Decide whether the peer's chain is acceptable.

    The peer has proven already that it holds the leaf's key.
    """

    peer: PeerChain
    verifier: Verifier
    """Whom the configuration, or the request, names for this."""
    context: bytes
    """The request's context; empty in the main handshake."""
    previous: Identity | None
    """Whom the peer proved to be earlier in this connection."""
    proven_at: float | None = None
    """When the peer proved it, if that was in an earlier connection that this one is
    to resume. To refuse then means a full handshake, and a new proof, instead."""


@dataclass(frozen=True, slots=True)
class ChooseConfig(Subject["ServerConfig | None"]):
    """Server: choose the configuration for this client, by what its ClientHello says.

    Asked once, before anything is negotiated or resumed, where `ServerConfig.choose_config`
    says so. The answer holds for the whole connection, reauth and tickets included, but for
    its `limits` and `padding`: the record layer goes on as it began. None keeps the
    configuration that there is. A TLSError instead refuses the client with its alert.
    """

    config: ServerConfig
    """The one that there is."""
    server_name: str | None
    """The name that the client asked for (RFC 6066 section 3)."""
    alpn_protocols: tuple[bytes, ...]
    """The application protocols that it offers, its favourites first (RFC 7301)."""
    client_hello: ClientHello = field(repr=False)
    """All that it said."""


@dataclass(frozen=True, slots=True)
class ChooseCredential(Subject["Credential | None"]):
    """Choose what to authenticate with in the main handshake; None for nothing."""

    role: Role
    """Ours."""
    credentials: tuple[Credential, ...]
    """Those of the configuration."""
    wanted: Wanted
    """What the peer said it accepts."""
    server_name: str | None
    """The name that the client asked for, on a server."""


@dataclass(frozen=True, slots=True)
class FindTicket(Subject[TicketState | None]):
    """Server: find the session that a client's ticket names; None if there is none."""

    database: TicketDatabase
    """The configuration's."""
    ticket: bytes


@dataclass(frozen=True, slots=True)
class KeepTicket(Subject[bytes]):
    """Server: keep a session state; the answer is the ticket that names it.

    An exception given instead means that this ticket is not sent, and harms nothing.
    """

    database: TicketDatabase
    """The configuration's."""
    state: TicketState


@dataclass(frozen=True, slots=True)
class FindPsk(Subject[ExternalPsk | None]):
    """Server: find the external PSK of this identity; None if there is none."""

    lookup: PskLookup
    """The configuration's."""
    identity: bytes


@dataclass(frozen=True, slots=True)
class ChoosePsk(Subject[ExternalPsk | None]):
    """Client, TLS 1.2: choose the external PSK by the server's hint; None for none that fits.

    The hint is what a stranger sent, and nothing is proven yet (RFC 4279 section 5.2).
    """

    psks: tuple[ExternalPsk, ...]
    """Those of the configuration that TLS 1.2 can use, favourites first."""
    hint: bytes
    """Empty where the server gives none."""


@dataclass(frozen=True, slots=True)
class ClaimEarlyData(Subject[bool]):
    """Server: decide whether this early data is the first of its kind (§8)."""

    guard: ReplayGuard
    """The configuration's."""
    claim: EarlyDataClaim
