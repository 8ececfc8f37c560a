"""Policy: what a connection may do. Frozen, and shared by many connections.

Everything that would make a run differ from the last comes in here: randomness,
the two clocks, and the observers.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from .constants import CipherSuite, NamedGroup
from .crypto.groups import supported_groups
from .crypto.signatures import certificate_schemes, handshake_schemes
from .crypto.suites import TLS13_SUITES
from .errors import PeerError, UsageError
from .events import TraceEntry
from .pki.choose import read_oid_filters
from .pki.credential import Credential
from .pki.trust import Verifier
from .record.limits import Limits

__all__ = ["AuthRequest", "ClientAuth", "ClientConfig", "Config", "Refusal", "ServerConfig"]

MIN_RECORD_SIZE_LIMIT = 64  # RFC 8449 section 4
MAX_RECORD_SIZE_LIMIT = 2**14 + 1  # with the content type's byte


class ClientAuth(Enum):
    """Whether a server asks for a certificate in the main handshake."""

    NONE = 0
    REQUEST = 1
    REQUIRE = 2


class Refusal(Enum):
    """What becomes of the connection when a request for authentication fails."""

    KEEP = "keep"
    """It goes on, with the client known as before (§4.4.2.4 allows it)."""
    CLOSE = "close"
    """It ends with the alert that fits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What both roles have in common."""

    credentials: tuple[Credential, ...] = ()
    """What we can authenticate with, favourites first."""
    verifier: Verifier | None = None
    """Who judges the peer's certificate. A client must have one."""
    alpn_protocols: tuple[bytes, ...] = ()
    """Application protocols, favourites first (RFC 7301)."""
    cipher_suites: tuple[CipherSuite, ...] = tuple(suite.code for suite in TLS13_SUITES.values())
    groups: tuple[NamedGroup, ...] = field(default_factory=supported_groups)
    signature_algorithms: tuple[int, ...] = field(default_factory=handshake_schemes)
    """Schemes that the peer's CertificateVerify may have (§4.2.3)."""
    signature_algorithms_cert: tuple[int, ...] = field(default_factory=certificate_schemes)
    """Schemes that the signatures inside the peer's chain may have."""
    limits: Limits = field(default_factory=Limits)
    padding: Callable[[int, int], int] | None = None
    """Given content type and length of a record, how many zeros to add (§5.4)."""
    record_size_limit: int | None = None
    """The longest record that we are willing to receive, in bytes (RFC 8449)."""
    reauth_forbidden_alpn: frozenset[bytes] = frozenset({b"h2", b"h3"})
    """Application protocols in which reauth is forbidden (RFC 9113, 9.2.3)."""
    send_alerts: bool = True
    """Whether a failure is told to the peer by itself. An owner that switches this
    off says it with `Connection.send_alert`, or leaves the peer in the dark."""
    random: Callable[[int], bytes] = os.urandom
    clock: Callable[[], float] = time.monotonic
    """Seconds on a clock that never goes back: deadlines and rates."""
    wall_clock: Callable[[], float] = time.time
    """Seconds since the epoch: what certificates and tickets are held against."""
    keylog: Callable[[str], None] | None = field(default=None, repr=False)
    """Called with each line of an SSLKEYLOGFILE; whoever has them reads all."""
    trace: Callable[[TraceEntry], None] | None = field(default=None, repr=False)
    """Called for each message sent and received."""

    def __post_init__(self) -> None:
        for name in ("cipher_suites", "groups", "signature_algorithms"):
            if not getattr(self, name):
                raise UsageError(f"config.{name} is empty: nothing could be negotiated")
        unknown = [hex(code) for code in self.cipher_suites if code not in TLS13_SUITES]
        if unknown:
            raise UsageError(f"config.cipher_suites has {', '.join(unknown)}, which we do not have")
        missing = [hex(code) for code in self.groups if code not in supported_groups()]
        if missing:
            raise UsageError(f"config.groups has {', '.join(missing)}, which we do not have")
        limit = self.record_size_limit
        if limit is not None and not MIN_RECORD_SIZE_LIMIT <= limit <= MAX_RECORD_SIZE_LIMIT:
            raise UsageError(
                f"config.record_size_limit is {limit}; RFC 8449 allows "
                f"{MIN_RECORD_SIZE_LIMIT} to {MAX_RECORD_SIZE_LIMIT}"
            )
        bad = [name for name in self.alpn_protocols if not 1 <= len(name) <= 255]
        if bad:
            raise UsageError(f"config.alpn_protocols: {bad[0]!r} is not 1 to 255 bytes long")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientConfig(Config):
    """How a client behaves."""

    post_handshake_auth: bool = True
    """Offer to answer requests for authentication later (§4.2.6)."""
    check_server_name: bool = True
    """Whether the server's certificate must be for the name that we mean to reach.
    Without it, whoever has any certificate from a trusted authority will do."""
    key_shares: int = 1
    """For how many of `groups` a key share goes into the first ClientHello.

    More cost a key each; fewer may cost a round trip (§4.1.4)."""
    certificate_authorities: tuple[bytes, ...] = ()
    """DER names of authorities that the server's chain should lead to (§4.2.4)."""
    middlebox_compatibility: bool = True
    """Look like TLS 1.2 to boxes on the way (§D.4)."""
    max_fragment_length: int | None = None
    """Ask for records of at most 512, 1024, 2048 or 4096 bytes (RFC 6066)."""

    def __post_init__(self) -> None:
        # zero-argument super() does not work in a slotted dataclass
        Config.__post_init__(self)
        if self.verifier is None:
            raise UsageError("a client needs config.verifier: without it any server would do")
        if self.key_shares < 0:
            raise UsageError(f"config.key_shares is {self.key_shares}, which is below zero")
        if self.max_fragment_length not in (None, 512, 1024, 2048, 4096):
            raise UsageError(
                f"config.max_fragment_length is {self.max_fragment_length}; "
                "RFC 6066 allows 512, 1024, 2048 and 4096"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig(Config):
    """How a server behaves."""

    client_auth: ClientAuth = ClientAuth.NONE
    """Whether the main handshake asks for a certificate."""
    certificate_authorities: tuple[bytes, ...] = ()
    """DER names of authorities that clients' chains should lead to (§4.2.4)."""
    request_ocsp: bool = False
    """Ask for an OCSP response with the client's certificate (§4.4.2.1)."""
    allow_identity_change: bool = False
    """Whether a client that proved one identity may prove another afterwards."""
    chosen_elsewhere: bool = False
    """Whether whoever answers `ChooseCredential` brings credentials of its own, so
    that `credentials` may be empty."""
    refuse_unknown_names: bool = False
    """Refuse a server name for which no credential is (unrecognized_name)."""
    require_cookie: bool = False
    """Make every client prove its address with a HelloRetryRequest (§4.1.4)."""

    def __post_init__(self) -> None:
        Config.__post_init__(self)
        if not self.credentials and not self.chosen_elsewhere:
            raise UsageError("a server needs at least one of config.credentials")
        if self.client_auth is not ClientAuth.NONE and self.verifier is None:
            raise UsageError("config.client_auth asks for certificates, and there is no verifier")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthRequest:
    """What a server asks for when it asks a client to authenticate (§4.3.2)."""

    authorities: tuple[bytes, ...] = ()
    """DER names of the authorities that are accepted; empty for any trusted one.

    They are not only a hint: a chain that leads to none of them is refused, unless
    `binding_authorities` is off."""
    binding_authorities: bool = True
    """Whether the verified chain must lead to one of `authorities`."""
    signature_algorithms: tuple[int, ...] | None = None
    """Schemes for the client's signature; None for the configuration's."""
    signature_algorithms_cert: tuple[int, ...] | None = None
    """Schemes for the chain's signatures; None for the configuration's."""
    oid_filters: tuple[tuple[bytes, bytes], ...] = ()
    """Extensions that the certificate must have: DER OID and DER value (§4.2.5)."""
    request_ocsp: bool = False
    """Ask for an OCSP response with the certificate (§4.4.2.1)."""
    context: bytes | None = None
    """A context of your own, 1 to 255 bytes and never used before in this
    connection; None for 32 random bytes, which nobody can foresee (§4.3.2)."""
    within: float | None = None
    """Seconds until the request expires; None for never."""
    required: bool = True
    """Whether declining counts as a refusal."""
    on_refusal: Refusal = Refusal.KEEP
    """What a refusal, a missing certificate or an expiry does to the connection."""
    verifier: Verifier | None = None
    """Who judges the answer; None for the configuration's."""

    def __post_init__(self) -> None:
        for name in ("signature_algorithms", "signature_algorithms_cert"):
            if getattr(self, name) == ():
                raise UsageError(f"request.{name} is empty: nobody could answer (§4.2.3)")
        if not all(self.authorities):
            raise UsageError("request.authorities: an authority's name is empty (§4.2.4)")
        try:
            read_oid_filters(self.oid_filters)
        except PeerError as error:  # it would be one if a peer sent them
            raise UsageError(f"request.oid_filters: {error}") from error
