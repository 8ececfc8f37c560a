"""The configuration of connections: immutable, and shared by many.

Everything that would make a run differ from the last comes in here: randomness,
the two clocks, and the observers.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Container, Iterable
from enum import Enum, IntEnum

from ._dataclass import dataclass, field
from .constants import (
    CertificateCompressionAlgorithm,
    CipherSuite,
    NamedGroup,
    ProtocolVersion,
    PskKeyExchangeMode,
    SignatureScheme,
    name_of,
)
from .crypto.groups import supported_groups
from .crypto.signatures import certificate_schemes, handshake_schemes
from .crypto.suites import TLS13_SUITES
from .crypto.tls12.signatures import common_schemes, handshake_schemes12
from .crypto.tls12.suites import TLS12_SUITES, Authentication
from .errors import PeerError, UsageError
from .events import TraceEntry
from .pki.choose import read_oid_filters
from .pki.compression import can_compress
from .pki.credential import Credential
from .pki.policies import policy_names
from .pki.trust import Verifier
from .record.limits import Limits
from .resumption.external_psk import ExternalPsk, PskLookup
from .resumption.replay import ReplayGuard, SingleUse
from .resumption.session12 import SessionCache12
from .resumption.ticket import MAX_LIFETIME, TicketDatabase
from .resumption.ticket_keys import TicketKeys, TicketSealer

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


_PSK_MODES = (PskKeyExchangeMode.psk_dhe_ke, PskKeyExchangeMode.psk_ke)


def check_known(
    setting: str, codes: Iterable[int], known: Container[int], names: type[IntEnum]
) -> None:
    """Refuse code points that we do not have, when they are given and not at the handshake.

    Raises:
        UsageError: which they are.
    """
    unknown = [
        name_of(names, code) if isinstance(code, int) else repr(code)
        for code in codes
        if code not in known
    ]
    if unknown:
        raise UsageError(f"{setting} has {', '.join(unknown)}, which we do not have")


def check_schemes(setting: str, schemes: Iterable[int], known: Container[int]) -> None:
    """The same for signature schemes."""
    check_known(setting, schemes, known, SignatureScheme)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What both roles have in common."""

    versions: tuple[ProtocolVersion, ...] = (ProtocolVersion.TLS13, ProtocolVersion.TLS12)
    """What we speak; of those that both ends have, the highest is taken (§4.2.1)."""
    credentials: tuple[Credential, ...] = ()
    """What we can authenticate with, favourites first."""
    verifier: Verifier | None = None
    """Who judges the peer's certificate. A client must have one."""
    alpn_protocols: tuple[bytes, ...] = ()
    """Application protocols, favourites first (RFC 7301)."""
    cipher_suites: tuple[CipherSuite, ...] = tuple(suite.code for suite in TLS13_SUITES.values())
    cipher_suites12: tuple[CipherSuite, ...] = tuple(suite.code for suite in TLS12_SUITES.values())
    """The same for TLS 1.2, favourites first."""
    groups: tuple[NamedGroup, ...] = field(default_factory=supported_groups)
    signature_algorithms: tuple[int, ...] = field(default_factory=handshake_schemes)
    """Schemes that the peer's CertificateVerify may have (§4.2.3)."""
    signature_algorithms12: tuple[int, ...] = field(default_factory=handshake_schemes12)
    """Schemes that the peer's signature may have in TLS 1.2 (RFC 5246 7.4.1.4.1)."""
    signature_algorithms_cert: tuple[int, ...] = field(default_factory=certificate_schemes)
    """Schemes that the signatures inside the peer's chain may have."""
    certificate_compression: tuple[CertificateCompressionAlgorithm, ...] = ()
    """What may make certificates shorter on their way, favourites first (RFC 8879): the
    peer's, and ours if the peer can undo it; in TLS 1.3 alone.
    `postshake.pki.compression.compressors` tells what can be had here."""
    require_extended_master_secret: bool = False
    """Refuse TLS 1.2 peers that cannot bind the keys to the handshake (RFC 7627).
    With others the connection can be neither resumed nor exported from."""
    limits: Limits = field(default_factory=Limits)
    padding: Callable[[int, int], int] | None = None
    """Given content type and length of a record, how many zeros to add (§5.4)."""
    record_size_limit: int | None = None
    """The longest record that we are willing to receive, in bytes (RFC 8449)."""
    reauth_forbidden_alpn: frozenset[bytes] = frozenset({b"h2", b"h3"})
    """Application protocols in which reauth is forbidden (RFC 9113, 9.2.3)."""
    psks: tuple[ExternalPsk, ...] = ()
    """Keys that both ends were given by other means, favourites first (§2.2)."""
    psk_modes: tuple[PskKeyExchangeMode, ...] = (PskKeyExchangeMode.psk_dhe_ke,)
    """How PSKs may be used (§4.2.9); empty for no PSK and no resumption at all.

    With ``psk_ke`` there is no key exchange: whoever learns the PSK later can read
    what was recorded before."""
    session_lifetime: float = MAX_LIFETIME
    """Seconds after a full handshake for which its session may be resumed, however
    many tickets came in between (§4.6.1)."""
    reauth_with_external_psk: bool = True
    """Whether reauth is allowed where the session began with an external PSK.

    RFC 9846 section 4.3.2 asks for restraint: external PSKs together with
    certificates were not analysed. A certificate then says who is at the other end
    only if no third party has the PSK. Turn it off where PSKs are shared by groups,
    or where the letter of RFC 9846 counts: a server's requests are then refused with
    `ReauthUnavailable`, and a client takes one for an unexpected message."""
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
        for name in ("versions", "cipher_suites", "groups", "signature_algorithms"):
            if not getattr(self, name):
                raise UsageError(f"config.{name} is empty: nothing could be negotiated")
        self._check_tls12()
        check_known("config.cipher_suites", self.cipher_suites, TLS13_SUITES, CipherSuite)
        check_known("config.groups", self.groups, supported_groups(), NamedGroup)
        check_schemes("config.signature_algorithms", self.signature_algorithms, handshake_schemes())
        check_schemes(
            "config.signature_algorithms_cert",
            self.signature_algorithms_cert,
            certificate_schemes(),
        )
        check_known("config.psk_modes", self.psk_modes, _PSK_MODES, PskKeyExchangeMode)
        if self.certificate_compression:
            self._check_compression()
        limit = self.record_size_limit
        if limit is not None and not MIN_RECORD_SIZE_LIMIT <= limit <= MAX_RECORD_SIZE_LIMIT:
            raise UsageError(
                f"config.record_size_limit is {limit}; RFC 8449 allows "
                f"{MIN_RECORD_SIZE_LIMIT} to {MAX_RECORD_SIZE_LIMIT}"
            )
        for protocol in self.alpn_protocols:
            if type(protocol) is not bytes or not 1 <= len(protocol) <= 255:
                raise UsageError(f"config.alpn_protocols: {protocol!r} is not 1 to 255 bytes")
        if len({psk.identity for psk in self.psks}) < len(self.psks):
            raise UsageError("config.psks: two keys have the same identity")
        if self.session_lifetime < 0:
            raise UsageError(f"config.session_lifetime is {self.session_lifetime}: below zero")

    def _check_compression(self) -> None:
        lacking = {each for each in self.certificate_compression if not can_compress(each)}
        if lacking:
            names = [name_of(CertificateCompressionAlgorithm, code) for code in sorted(lacking)]
            raise UsageError(
                f"config.certificate_compression has {', '.join(names)}, "
                "which cannot be had here: install postshake[compression]"
            )

    def _check_tls12(self) -> None:
        spoken = (ProtocolVersion.TLS13, ProtocolVersion.TLS12)
        if not set(self.versions) <= set(spoken):
            raise UsageError("config.versions: we speak TLS 1.3 and TLS 1.2, nothing else")
        if ProtocolVersion.TLS12 not in self.versions:
            return
        if len(self.versions) == 1 and all("MLKEM" in group.name for group in self.groups):
            raise UsageError("config.groups has none that TLS 1.2 can use")
        for name in ("cipher_suites12", "signature_algorithms12"):
            if not getattr(self, name):
                raise UsageError(f"config.{name} is empty: nothing could be negotiated")
        check_known("config.cipher_suites12", self.cipher_suites12, TLS12_SUITES, CipherSuite)
        check_schemes(
            "config.signature_algorithms12", self.signature_algorithms12, handshake_schemes12()
        )


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
    tickets12: bool = True
    """Ask a TLS 1.2 server for the session in a ticket (RFC 5077), and offer those we have."""
    request_status: bool = False
    """Ask the server for an OCSP response, which the verifier gets (RFC 6066, 8)."""
    is_fallback: bool = False
    """Whether `versions` was lowered after a handshake had failed. A server that could
    do better then says so, for someone may have made it fail (RFC 7507)."""

    def __post_init__(self) -> None:
        # zero-argument super() does not work in a slotted dataclass
        Config.__post_init__(self)
        if self.verifier is None and not self._can_use_psks():
            raise UsageError(
                "a client needs config.verifier, or psks that it can use: "
                "without them any server would do"
            )
        self._check_offered_schemes()
        if self.key_shares < 0:
            raise UsageError(f"config.key_shares is {self.key_shares}, which is below zero")
        if self.max_fragment_length not in (None, 512, 1024, 2048, 4096):
            raise UsageError(
                f"config.max_fragment_length is {self.max_fragment_length}; "
                "RFC 6066 allows 512, 1024, 2048 and 4096"
            )

    def _check_offered_schemes(self) -> None:
        """Refuse lists of which a ClientHello, which has one for both versions, leaves nothing."""
        if len(self.versions) < 2 or self.verifier is None:
            return
        offered = frozenset(common_schemes(self.signature_algorithms, self.signature_algorithms12))
        for name, version in (("", "TLS 1.3"), ("12", "TLS 1.2")):
            if not offered.intersection(getattr(self, f"signature_algorithms{name}")):
                raise UsageError(
                    f"config.signature_algorithms{name} has nothing that can be offered for "
                    f"{version}: a scheme of both versions has to be in both lists"
                )

    def _can_use_psks(self) -> bool:
        hashes = {TLS13_SUITES[code].hash_name for code in self.cipher_suites}
        suites12 = [TLS12_SUITES[code] for code in self.cipher_suites12 if code in TLS12_SUITES]
        tls13 = any(psk.hash_name in hashes for psk in self.psks)
        tls12 = any(suite.authentication is Authentication.PSK for suite in suites12)
        return bool(self.psks and self.psk_modes) and (
            (tls13 and ProtocolVersion.TLS13 in self.versions)
            or (tls12 and ProtocolVersion.TLS12 in self.versions)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig(Config):
    """How a server behaves."""

    client_auth: ClientAuth = ClientAuth.NONE
    """Whether the main handshake asks for a certificate.

    With a pre-shared key it never does (§4.3.2): a resumed session brings the
    identity that it had, and an external PSK is the client's proof itself."""
    client_auth12: ClientAuth | None = None
    """The same for TLS 1.2, where there is no asking later; None for no difference."""
    certificate_authorities: tuple[bytes, ...] = ()
    """DER names of authorities that clients' chains should lead to (§4.2.4)."""
    request_ocsp: bool = False
    """Ask for an OCSP response with the client's certificate (§4.4.2.1)."""
    allow_identity_change: bool = False
    """Whether a client that proved one identity may prove another afterwards."""
    chosen_elsewhere: bool = False
    """Whether whoever answers `ChooseCredential` brings credentials of its own, so
    that `credentials` may be empty."""
    choose_config: bool = False
    """Whether `ChooseConfig` is asked when the ClientHello is there, before anything is
    negotiated or resumed: another configuration may hold for the name that the client asks
    for, with other certificates, other authorities and another `client_auth`."""
    prefer_client_suites: bool = False
    """Whether the cipher suite is chosen in the client's order, not in ours: a telephone
    without AES in its processor knows why it likes ChaCha20 better."""
    alpn_mismatch_is_fatal: bool = True
    """Whether a client that speaks none of `alpn_protocols` is refused (RFC 7301 section 3.2).
    Otherwise no application protocol is agreed on."""
    refuse_unknown_names: bool = False
    """Refuse a server name for which no credential is (unrecognized_name)."""
    require_cookie: bool = False
    """Make every client prove its address with a HelloRetryRequest (§4.1.4)."""
    psk_identity_hint: bytes = b""
    """TLS 1.2: tells clients which of their keys we mean (RFC 4279 section 2); in the clear."""
    psk_lookup: PskLookup | None = None
    """Where to find external PSKs that `psks` does not list."""
    send_half_rtt_data: bool = False
    """Whether data may be sent as soon as our Finished is, half a round trip before the
    client's (§2, figure 1; §4.4.4): see `Connection.can_send_data`. Nobody has proven then
    that it is there, or that it said what we read: send only what anybody may have, such as
    a greeting. It cannot be had together with `client_auth`, and in TLS 1.2 not at all."""
    tickets: int = 2
    """How many tickets a client gets after the handshake (§4.6.1)."""
    tickets_after_reauth: int = 0
    """How many a client gets when reauth has proven who it is. Only tickets sent
    after that carry the new identity; `Connection.send_tickets` sends them too."""
    ticket_lifetime: int = 24 * 3600
    """Seconds for which a ticket may be used. It ends earlier with the client's
    certificate, and with `session_lifetime`."""
    ticket_keys: TicketSealer = field(default_factory=TicketKeys)
    """What seals tickets, and opens them."""
    ticket_database: TicketDatabase | None = None
    """Who keeps session states instead; tickets are then names, and nothing is sealed."""
    resumption_requires_identity: bool = True
    """Whether a server with `ClientAuth.REQUIRE` refuses tickets without an identity.

    Otherwise a client that got its ticket elsewhere, or earlier, gets in without."""
    max_early_data: int = 0
    """Bytes of 0-RTT data that clients may send with a ticket; 0 for none (§2.3).

    Early data can be replayed by anyone on the path, within the bounds that
    `replay_guard` sets, and has no forward secrecy. Allow it only where the
    application knows which requests may come twice."""
    early_data_window: float = 10.0
    """Seconds by which a ticket's age may be off before early data is refused (§8.3)."""
    replay_guard: ReplayGuard | None = None
    """Who sees to it that early data is accepted once; None for a guard in memory."""
    tickets12: bool = True
    """Whether a TLS 1.2 client that asks for it gets its session in a ticket, sealed with
    `ticket_keys` (RFC 5077)."""
    sessions12: SessionCache12 | None = None
    """Keeps TLS 1.2 sessions for clients that take no tickets; None for none."""
    session_lifetime12: int = 7200
    """Seconds for which a TLS 1.2 session may be resumed."""

    def __post_init__(self) -> None:
        Config.__post_init__(self)
        elsewhere = self.chosen_elsewhere or self.choose_config
        if not (self.credentials or elsewhere or self.psks or self.psk_lookup is not None):
            raise UsageError("a server needs config.credentials, or pre-shared keys")
        if len(self.psk_identity_hint) > 0xFFFF:
            raise UsageError("config.psk_identity_hint has more than 65535 bytes")
        if self.send_half_rtt_data and self.client_auth is not ClientAuth.NONE:
            raise UsageError(
                "config.send_half_rtt_data would send to a client before it has proven what "
                "config.client_auth asks for"
            )
        if not 0 <= self.ticket_lifetime <= MAX_LIFETIME:
            raise UsageError(
                f"config.ticket_lifetime is {self.ticket_lifetime}; "
                f"TLS allows 0 to {MAX_LIFETIME} seconds (§4.6.1)"
            )
        if not 0 <= self.max_early_data < 2**32:
            raise UsageError(f"config.max_early_data is {self.max_early_data}, not 0 to 2**32 - 1")
        if self.replay_guard is None and self.max_early_data:
            # what was accepted before now, perhaps by a process before us, it cannot know
            guard = SingleUse(started_at=self.wall_clock())
            object.__setattr__(self, "replay_guard", guard)
        if self.verifier is None and {self.client_auth, self.auth12} != {ClientAuth.NONE}:
            raise UsageError("config.client_auth asks for certificates, and there is no verifier")

    @property
    def has_certificates(self) -> bool:
        """Whether a full handshake could show one: ours, or one that the owner will choose."""
        return bool(self.credentials or self.chosen_elsewhere)

    @property
    def auth12(self) -> ClientAuth:
        """Whether the handshake of TLS 1.2 asks for a certificate."""
        return self.client_auth if self.client_auth12 is None else self.client_auth12


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
    policies: tuple[str, ...] = ()
    """Certificate policies, as dotted numbers, of which one must hold for the client's chain
    (RFC 5280 section 6.1), beside what the verifier demands; empty for none. A verifier that
    does not tell which hold (`VerifiedChain.policies`) has every answer refused."""

    def __post_init__(self) -> None:
        policy_names("request.policies", self.policies)
        for name in ("signature_algorithms", "signature_algorithms_cert"):
            if getattr(self, name) == ():
                raise UsageError(f"request.{name} is empty: nobody could answer (§4.2.3)")
        check_schemes(
            "request.signature_algorithms", self.signature_algorithms or (), handshake_schemes()
        )
        check_schemes(
            "request.signature_algorithms_cert",
            self.signature_algorithms_cert or (),
            certificate_schemes(),
        )
        if not all(self.authorities):
            raise UsageError("request.authorities: an authority's name is empty (§4.2.4)")
        try:
            read_oid_filters(self.oid_filters)
        except PeerError as error:  # it would be one if a peer sent them
            raise UsageError(f"request.oid_filters: {error}") from error
