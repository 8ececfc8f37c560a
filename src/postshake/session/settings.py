"""What is said to a session before it shakes hands."""

from __future__ import annotations

import socket
from collections.abc import Iterable

from ..config import Config
from ..constants import CertificateCompressionAlgorithm, Role
from ..errors import UsageError
from ..pki.compression import can_compress
from ..pki.names import normalize_server_name
from ..resumption.replay import ReplayGuard
from ..resumption.ticket import MAX_LIFETIME
from ..resumption.ticket_keys import TicketKeys
from . import codes
from . import constants as c
from .credentials import CertificateCredentials, VerifyFunction
from .errors import SessionError
from .priority import Priorities, parse_priorities
from .psk import PskCredentials
from .transport import Pull, Push, Transport

__all__ = ["Settings"]

DEFAULT_LIFETIME = 6 * 3600
"""Seconds for which a session may be resumed, as in GnuTLS."""
DEFAULT_EARLY_DATA = 16384
"""Bytes of early data that a server takes, as in GnuTLS."""

_COMPRESSION = {
    c.COMP_ZLIB: CertificateCompressionAlgorithm.zlib,
    c.COMP_BROTLI: CertificateCompressionAlgorithm.brotli,
    c.COMP_ZSTD: CertificateCompressionAlgorithm.zstd,
}


class Settings:
    """The first half of a session: what is set, and by which names.

    Args:
        flags: CLIENT or SERVER, and what else is wanted, such as POST_HANDSHAKE_AUTH.
        config: where limits, clocks, randomness, key log and trace come from; its
            other fields are not looked at.
    """

    def __init__(self, flags: int, *, config: Config | None = None) -> None:
        if bool(flags & c.SERVER) == bool(flags & c.CLIENT):
            raise SessionError(codes.E_INVALID_REQUEST, "either CLIENT or SERVER, not both")
        if flags & c.DATAGRAM:
            raise SessionError(codes.E_UNIMPLEMENTED_FEATURE, "there is no DTLS")
        if flags & c.ENABLE_RAWPK:
            raise SessionError(codes.E_UNIMPLEMENTED_FEATURE, "there are no raw public keys")
        self.flags = flags
        self.role = Role.server if flags & c.SERVER else Role.client
        self.transport = Transport()
        self._base = config or Config()
        self._priorities: Priorities | None = None
        self._certificates: CertificateCredentials | None = None
        self._psk: PskCredentials | None = None
        self._psk_hint = b""
        self._server_name: str | None = None
        self._protocols: tuple[bytes, ...] = ()
        self._alpn_is_a_must = False
        self._request = c.CERT_IGNORE
        self._name_authorities = True
        self._verify_function: VerifyFunction | None = None
        self._handshake_timeout: float | None = None
        self._handshake_until: float | None = None  # on the configuration's clock
        self._record_timeout: float | None = None
        self._ticket_keys: TicketKeys | None = None
        self._ticket_lifetime = DEFAULT_LIFETIME
        self._session_data = b""
        self._max_early_data = DEFAULT_EARLY_DATA
        self._replay_guard: ReplayGuard | None = None
        self._early_data_window = 10.0
        self._compression: tuple[CertificateCompressionAlgorithm, ...] = (
            self._base.certificate_compression
        )

    def credentials_set(self, credentials: CertificateCredentials | PskCredentials) -> None:
        """Use these credentials; those of the other kind stay as they are.

        A server may set them at any time before it asks for a reauth. A client that
        has no CertificateCredentials when it shakes hands does not offer reauth.
        """
        if isinstance(credentials, CertificateCredentials):
            self._certificates = credentials
        else:
            self._psk = credentials

    def priority_set_direct(self, text: str) -> None:
        """Say what may be negotiated, in a priority string; see `postshake.session.priority`.

        Raises:
            SessionError: E_INVALID_REQUEST; it names the word that is wrong.
        """
        self._priorities = parse_priorities(text)

    def server_name_set(self, name: str) -> None:
        """Client: name the server that we mean to reach.

        Its certificate is not held against the name by that; see `set_verify_cert`.
        """
        try:
            normalize_server_name(name)
        except UsageError as error:
            raise SessionError(codes.E_RECEIVED_DISALLOWED_NAME, str(error)) from error
        self._server_name = name

    def alpn_set_protocols(self, protocols: Iterable[bytes | str]) -> None:
        """Name the application protocols that we speak, favourites first (RFC 7301)."""
        self._protocols = tuple(
            each.encode() if isinstance(each, str) else each for each in protocols
        )

    def compress_certificate_set_methods(self, methods: Iterable[int]) -> None:
        """Let certificates be compressed on their way, in both directions (RFC 8879).

        Args:
            methods: COMP_ZLIB, COMP_BROTLI, COMP_ZSTD, favourites first; none of them
                for no compression, as it is without this call.

        Raises:
            SessionError: E_INVALID_REQUEST for what is no method,
                E_UNIMPLEMENTED_FEATURE for one that cannot be had here.
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
        self._compression = tuple(algorithms)

    def certificate_server_set_request(self, mode: int) -> None:
        """Server: CERT_IGNORE, CERT_REQUEST or CERT_REQUIRE a client's certificate.

        It holds for the main handshake and for reauth, may be changed at any time,
        and counts as it is when the client's answer arrives.
        """
        if mode not in (c.CERT_IGNORE, c.CERT_REQUEST, c.CERT_REQUIRE):
            raise SessionError(codes.E_INVALID_REQUEST, f"no request mode has the number {mode}")
        self._request = mode

    def certificate_send_x509_rdn_sequence(self, suppress: bool) -> None:
        """Server: whether to leave unsaid which authorities are trusted."""
        self._name_authorities = not suppress

    def set_verify_function(self, function: VerifyFunction | None) -> None:
        """Let a function judge the peer; it comes before that of the credentials."""
        self._verify_function = function

    def transport_set(self, sock: socket.socket) -> None:
        """Use a connected socket, blocking or not."""
        self.transport.set_socket(sock)

    def transport_set_functions(self, push: Push, pull: Pull) -> None:
        """Use two functions.

        ``push(data)`` returns how many bytes it took; ``pull(size)`` returns at most so
        many, and ``b""`` when no more will come. BlockingIOError means E_AGAIN,
        InterruptedError E_INTERRUPTED, TimeoutError E_TIMEDOUT, and any other OSError
        that the transport is broken.
        """
        self.transport.set_functions(push, pull)

    def transport_get(self) -> socket.socket | None:
        """Return the socket; None when there are functions instead."""
        return self.transport.socket

    def db_set_cache_expiration(self, seconds: int) -> None:
        """Server: say for how long a session may be resumed; six hours otherwise.

        A week is the most that TLS allows (§4.6.1). It ends earlier with the client's
        certificate.
        """
        if not 0 <= seconds <= MAX_LIFETIME:
            raise SessionError(
                codes.E_INVALID_REQUEST, f"expected 0 to {MAX_LIFETIME} seconds, got {seconds}"
            )
        self._ticket_lifetime = seconds

    def handshake_set_timeout(self, milliseconds: int) -> None:
        """Limit the time of the whole handshake, from the first call on.

        However many calls it takes, E_TIMEDOUT ends what comes later. A function that was
        set to pull with must not block itself for longer.

        Args:
            milliseconds: 0 or INDEFINITE_TIMEOUT for none, DEFAULT_HANDSHAKE_TIMEOUT for 40
                seconds.
        """
        milliseconds &= 0xFFFF_FFFF  # in C, -1 is DEFAULT_HANDSHAKE_TIMEOUT
        if milliseconds == c.DEFAULT_HANDSHAKE_TIMEOUT:
            milliseconds = 40_000
        elif milliseconds == c.INDEFINITE_TIMEOUT:
            milliseconds = 0
        self._handshake_timeout = milliseconds / 1000 or None
        self._handshake_until = None

    def _handshake_left(self) -> float | None:
        """Return for how many seconds the handshake may go on; None for any time."""
        if self._handshake_timeout is None:
            return None
        now = self._base.clock()
        if self._handshake_until is None:
            self._handshake_until = now + self._handshake_timeout
        return self._handshake_until - now

    def record_set_timeout(self, milliseconds: int) -> None:
        """Limit how long `record_recv` waits on a socket; 0 for the socket's own limit."""
        self._record_timeout = milliseconds / 1000 or None

    # --- for the engine

    @property
    def _offers_reauth(self) -> bool:
        return bool(self.flags & c.POST_HANDSHAKE_AUTH) and self._certificates is not None

    @property
    def _without_tickets(self) -> bool:
        return bool(self.flags & c.NO_TICKETS) or self._has_option("NO_TICKETS")

    @property
    def _without_tickets12(self) -> bool:
        return bool(self.flags & c.NO_TICKETS_TLS12) or self._has_option("NO_TICKETS_TLS12")

    @property
    def _without_ocsp(self) -> bool:
        return bool(self.flags & c.NO_STATUS_REQUEST) or self._has_option("NO_STATUS_REQUEST")

    def _has_option(self, name: str) -> bool:
        return self._priorities is not None and name in self._priorities.options

    @property
    def _allowed_early_data(self) -> int:
        """How much a server takes: none unless it was asked to, and replay is looked after."""
        guarded = self._replay_guard is not None or self.flags & c.NO_REPLAY_PROTECTION
        return self._max_early_data if self.flags & c.ENABLE_EARLY_DATA and guarded else 0

    @property
    def _authorities(self) -> tuple[bytes, ...]:
        """Names of the authorities that a CertificateRequest lists."""
        if self._certificates is None or not self._name_authorities:
            return ()
        return self._certificates.trust.names()
