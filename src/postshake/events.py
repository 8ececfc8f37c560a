"""What a Connection tells its owner, in the order in which it happened.

Application data is not an event: it goes straight to the plaintext queue. Order
between the two is kept by ``position``, the number of application data bytes
that had been received when the event happened. An owner that has read
``connection.read_position`` bytes has everything that came before an event with
that position.
"""

from __future__ import annotations

from enum import Enum

from ._dataclass import dataclass, field
from .constants import NamedGroup, ProtocolVersion
from .crypto.suites import Suite
from .errors import CertificateError
from .pki.credential import Credential
from .pki.identity import Identity
from .resumption.external_psk import PskKind
from .resumption.ticket import Ticket
from .wire.auth import CertificateRequest

__all__ = [
    "Direction",
    "Established",
    "Event",
    "HandshakeCompleted",
    "Outcome",
    "PeerClosed",
    "PeerKeyUpdated",
    "ReauthAnswered",
    "ReauthCompleted",
    "ReauthRequested",
    "Ticket",
    "TicketReceived",
    "TraceEntry",
]


class Direction(Enum):
    """Which way a message went, seen from our end."""

    sent = "sent"
    received = "received"


@dataclass(frozen=True, slots=True)
class Established:
    """What the handshake settled. It never changes afterwards."""

    version: ProtocolVersion
    """The protocol version in use."""
    suite: Suite
    """The cipher suite."""
    group: NamedGroup | None
    """The group of the key exchange; None where there was none (psk_ke, §4.2.9)."""
    server_name: str | None
    """The name that the client asked for (SNI), or None."""
    alpn_protocol: bytes | None
    """The application protocol agreed on (ALPN), or None."""
    post_handshake_auth: bool
    """Whether the client offered post_handshake_auth (§4.2.6)."""
    our_credential: Credential | None
    """What we authenticated with in the handshake, or None."""
    client_random: bytes
    """ClientHello.random, by which a key log names this connection."""
    hello_retry_request: bool = False
    """Whether the server asked for another ClientHello (§4.1.4)."""
    psk: PskKind | None = None
    """What kind of pre-shared key both ends proved to have; None with certificates."""
    psk_identity: bytes | None = None
    """The identity of the external PSK, also of one that an earlier connection began
    with and that this one resumes; None without."""
    psk_identity_hint: bytes | None = None
    """Client, TLS 1.2: the server's hint as to which PSK it means; None without."""
    early_data_accepted: bool = False
    """Whether the server took the client's early data (§4.2.10). If not, a client
    that sent some sends it again."""
    resumed: bool = False
    """Whether it goes on from an earlier connection's session (§2.2)."""
    extended_master_secret: bool = True
    """Whether the keys are bound to this handshake; in TLS 1.3 they always are (RFC 7627)."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened; `position` tells where in the received data."""

    position: int


@dataclass(frozen=True, slots=True)
class HandshakeCompleted(Event):
    """The handshake is done; application data may flow."""

    established: Established


@dataclass(frozen=True, slots=True)
class ReauthRequested(Event):
    """Client: the server asks us to authenticate (§4.6.2).

    Answer with `Connection.answer_auth(context, credential)`, whenever and in
    whatever order you like; None declines.
    """

    request: CertificateRequest = field(repr=False)
    """The message itself."""
    context: bytes
    """Names this request in this connection."""
    authorities: tuple[bytes, ...]
    """DER names of the authorities that the server accepts; empty for any."""
    signature_algorithms: tuple[int, ...]
    """Schemes that the signature may have, the server's favourite first."""
    signature_algorithms_cert: tuple[int, ...] | None
    """Schemes for the chain's signatures, None where the server said nothing."""
    oid_filters: tuple[tuple[bytes, bytes], ...]
    """What the certificate's extensions must hold (§4.2.5)."""


@dataclass(frozen=True, slots=True)
class ReauthAnswered(Event):
    """Client: our answer is on its way. Whether it was accepted TLS never says."""

    context: bytes
    credential: Credential | None
    """What we answered with; None if we declined."""


class Outcome(Enum):
    """How one request for authentication ended."""

    AUTHENTICATED = "authenticated"
    DECLINED = "declined"
    """The client has no certificate to show, or does not want to."""
    REFUSED = "refused"
    """The client proved its key; its certificate was not accepted."""
    EXPIRED = "expired"
    """No answer before the deadline. A late one is read and ignored."""
    CANCELLED = "cancelled"
    """We no longer want to know. A late answer is read and ignored."""


@dataclass(frozen=True, slots=True)
class ReauthCompleted(Event):
    """Server: one request is settled.

    Data received before `position` is from whoever the client was before.
    """

    context: bytes
    outcome: Outcome
    identity: Identity | None = None
    """Who the client proved to be; only with `Outcome.AUTHENTICATED`."""
    error: CertificateError | None = None
    """Why there is no identity."""


@dataclass(frozen=True, slots=True)
class TicketReceived(Event):
    """Client: the server sent a session ticket (§4.6.1)."""

    ticket: Ticket


@dataclass(frozen=True, slots=True)
class PeerKeyUpdated(Event):
    """The peer changed the keys it sends with (§4.6.3)."""

    generation: int


@dataclass(frozen=True, slots=True)
class PeerClosed(Event):
    """The peer sent close_notify: it will send no more, we still may (§6.1)."""


@dataclass(frozen=True, slots=True)
class TraceEntry:
    """One message as a connection's trace shows it; it holds no secret."""

    direction: Direction
    what: str
    """The message's name, such as ``CertificateRequest``."""
    size: int
    """Its length in bytes before protection."""
    epoch: str
    """Under which keys: ``plaintext``, ``handshake``, ``application 0`` …"""
    detail: str = ""
    """What else a person wants to know, such as a request's context."""
    message: object = field(default=None, repr=False, compare=False)
    """The handshake message itself; None for what is none."""
