"""SessionSettings: what the calls that set something wrote, and what follows from it."""

from __future__ import annotations

from collections.abc import Iterable

from ..config import Config
from ..constants import CertificateCompressionAlgorithm, Role
from ..pki.compression import can_compress
from ..resumption.replay import EarlyDataClaim, ReplayGuard
from ..resumption.ticket_keys import TicketKeys
from . import codes
from . import constants as c
from .credentials import CertificateCredentials, VerifyFunction
from .errors import SessionError
from .priority import Priorities
from .psk import PskCredentials
from .ticket_keys import AntiReplay

__all__ = ["SessionSettings", "compression_algorithms"]

DEFAULT_LIFETIME = 6 * 3600
"""Seconds for which a session may be resumed, as in GnuTLS."""
DEFAULT_EARLY_DATA = 16384
"""Bytes of early data that a server takes, as in GnuTLS."""
DEFAULT_WINDOW = 10.0
"""Seconds by which a ticket's age may be off where no AntiReplay says otherwise."""

_COMPRESSION = {
    c.COMP_ZLIB: CertificateCompressionAlgorithm.zlib,
    c.COMP_BROTLI: CertificateCompressionAlgorithm.brotli,
    c.COMP_ZSTD: CertificateCompressionAlgorithm.zstd,
}


class SessionSettings:
    """What a session was told; all that runs reads it, and it reads nobody.

    Some of it holds from the next handshake message on, some is read anew by each reauth;
    `Session` says which.

    Args:
        flags: CLIENT or SERVER, and what else is wanted, such as POST_HANDSHAKE_AUTH.
        base: where limits, clocks, randomness, key log and trace come from; its other
            fields are not looked at.

    Raises:
        SessionError: the flags make no sense.
    """

    __slots__ = (
        "_handshake_timeout",
        "_handshake_until",
        "anti_replay",
        "base",
        "certificates",
        "compression",
        "early_data",
        "flags",
        "max_early_data",
        "name_authorities",
        "priorities",
        "protocols",
        "psk",
        "record_timeout",
        "request_mode",
        "role",
        "server_name",
        "session_data",
        "ticket_keys",
        "ticket_lifetime",
        "verifies_certificate",
        "verify_function",
        "verify_hostname",
    )

    def __init__(self, flags: int, base: Config) -> None:
        if bool(flags & c.SERVER) == bool(flags & c.CLIENT):
            raise SessionError(codes.E_INVALID_REQUEST, "either CLIENT or SERVER, not both")
        if flags & c.DATAGRAM:
            raise SessionError(codes.E_UNIMPLEMENTED_FEATURE, "there is no DTLS")
        if flags & c.ENABLE_RAWPK:
            raise SessionError(codes.E_UNIMPLEMENTED_FEATURE, "there are no raw public keys")
        self.flags = flags
        self.role = Role.server if flags & c.SERVER else Role.client
        self.base = base
        self.priorities: Priorities | None = None
        self.certificates: CertificateCredentials | None = None
        self.psk: PskCredentials | None = None
        self.server_name: str | None = None
        """Client: whom it means to reach."""
        self.protocols: tuple[bytes, ...] = ()
        """Application protocols (ALPN), favourites first."""
        self.compression = base.certificate_compression
        self.request_mode = c.CERT_IGNORE
        """Server: whether a client's certificate is ignored, requested or required."""
        self.name_authorities = True
        """Server: whether a CertificateRequest lists the trusted authorities."""
        self.verify_function: VerifyFunction | None = None
        """Judges the peer, before the function of the credentials."""
        self.verifies_certificate = False
        """Whether the session verifies the peer's chain itself, in the place of a function."""
        self.verify_hostname: str | None = None
        """For whom the certificate has to be then; None for anybody."""
        self.record_timeout: float | None = None
        """Seconds that `record_recv` waits at most; None for the transport's own limit."""
        self._handshake_timeout: float | None = None
        self._handshake_until: float | None = None  # on the configuration's clock
        self.ticket_keys: TicketKeys | None = None
        """Server: what seals tickets; None for no tickets."""
        self.ticket_lifetime = DEFAULT_LIFETIME
        self.session_data = b""
        """Client: what it resumes with."""
        self.early_data = b""
        """Client: what to send ahead of the handshake."""
        self.max_early_data = DEFAULT_EARLY_DATA
        """Server: how many bytes of early data a ticket allows."""
        self.anti_replay: AntiReplay | None = None

    # --- what follows from it

    @property
    def offers_reauth(self) -> bool:
        """Client: whether the server may ask for a certificate later."""
        return bool(self.flags & c.POST_HANDSHAKE_AUTH) and self.certificates is not None

    @property
    def without_tickets(self) -> bool:
        """Whether no session is to be resumed."""
        return bool(self.flags & c.NO_TICKETS) or self._has_option("NO_TICKETS")

    @property
    def without_tickets12(self) -> bool:
        """Whether none of TLS 1.2 is to be resumed."""
        return bool(self.flags & c.NO_TICKETS_TLS12) or self._has_option("NO_TICKETS_TLS12")

    @property
    def without_ocsp(self) -> bool:
        """Client: whether no OCSP response is asked for."""
        return bool(self.flags & c.NO_STATUS_REQUEST) or self._has_option("NO_STATUS_REQUEST")

    @property
    def authorities(self) -> tuple[bytes, ...]:
        """Server: names of the authorities that a CertificateRequest lists."""
        if self.certificates is None or not self.name_authorities:
            return ()
        return self.certificates.trust.names()

    @property
    def allowed_early_data(self) -> int:
        """How much a server takes: none unless it was asked to, and replay is looked after."""
        guarded = self.replay_guard is not None
        return self.max_early_data if self.flags & c.ENABLE_EARLY_DATA and guarded else 0

    @property
    def replay_guard(self) -> ReplayGuard | None:
        """Who keeps early data from being accepted twice; None if nobody was named."""
        if self.anti_replay is None and self.flags & c.NO_REPLAY_PROTECTION:
            return _Unguarded()
        return self.anti_replay

    @property
    def early_data_window(self) -> float:
        """Seconds by which the age of a ticket that comes with early data may be off."""
        return self.anti_replay.window if self.anti_replay is not None else DEFAULT_WINDOW

    def _has_option(self, name: str) -> bool:
        return self.priorities is not None and name in self.priorities.options

    # --- the handshake's time

    def limit_handshake(self, milliseconds: int) -> None:
        """Limit the time of the whole handshake, from the next call on."""
        milliseconds &= 0xFFFF_FFFF  # in C, -1 is DEFAULT_HANDSHAKE_TIMEOUT
        if milliseconds == c.DEFAULT_HANDSHAKE_TIMEOUT:
            milliseconds = 40_000
        elif milliseconds == c.INDEFINITE_TIMEOUT:
            milliseconds = 0
        self._handshake_timeout = milliseconds / 1000 or None
        self._handshake_until = None

    def handshake_left(self) -> float | None:
        """Return for how many seconds the handshake may go on; None for any time."""
        if self._handshake_timeout is None:
            return None
        now = self.base.clock()
        if self._handshake_until is None:
            self._handshake_until = now + self._handshake_timeout
        return self._handshake_until - now


class _Unguarded:
    """For NO_REPLAY_PROTECTION: somebody else sees to it that nothing comes twice."""

    def claim(self, claim: EarlyDataClaim) -> bool:
        return True


def compression_algorithms(methods: Iterable[int]) -> tuple[CertificateCompressionAlgorithm, ...]:
    """Return TLS's algorithms for GnuTLS's numbers (RFC 8879).

    Raises:
        SessionError: E_INVALID_REQUEST for what is no method, E_UNIMPLEMENTED_FEATURE for
            one that cannot be had here.
    """
    algorithms = []
    for method in methods:
        algorithm = _COMPRESSION.get(method)
        if algorithm is None:
            raise SessionError(
                codes.E_INVALID_REQUEST, f"no way to compress has the number {method}"
            )
        if not can_compress(algorithm):
            raise SessionError(
                codes.E_UNIMPLEMENTED_FEATURE,
                f"{algorithm.name} is not installed: see postshake[compression]",
            )
        algorithms.append(algorithm)
    return tuple(algorithms)
