"""What is said to a session before it shakes hands, and the engine made of it."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from ..config import ClientAuth, ClientConfig, Config, ServerConfig
from ..connection import Connection
from ..constants import Role
from ..errors import UsageError
from ..pki.names import normalize_server_name
from ..pki.trust import PeerChain, VerifiedChain
from . import codes
from . import constants as c
from .credentials import CertificateCredentials, PskCredentials, VerifyFunction
from .errors import SessionError, translate
from .priority import Priorities, parse_priorities
from .transport import Pull, Push, Transport

__all__ = ["Settings"]

_BASE_FIELDS = tuple(each.name for each in fields(Config))
_KEY_SHARES = {c.KEY_SHARE_TOP: 1, c.KEY_SHARE_TOP2: 2, c.KEY_SHARE_TOP3: 3}


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
        self._server_name: str | None = None
        self._protocols: tuple[bytes, ...] = ()
        self._alpn_is_a_must = False
        self._request = c.CERT_IGNORE
        self._name_authorities = True
        self._verify_function: VerifyFunction | None = None
        self._handshake_timeout: float | None = None
        self._record_timeout: float | None = None

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

    def handshake_set_timeout(self, milliseconds: int) -> None:
        """Give the handshake's waits on a socket a limit each; 0 for the socket's own."""
        self._handshake_timeout = milliseconds / 1000 or None

    def record_set_timeout(self, milliseconds: int) -> None:
        """Give `record_recv`'s waits on a socket a limit; 0 for the socket's own."""
        self._record_timeout = milliseconds / 1000 or None

    # --- the engine

    def _connect(self) -> Connection:
        """Make the engine that these settings describe."""
        if self._psk is not None:
            raise SessionError(codes.E_UNIMPLEMENTED_FEATURE, "sessions have no PSKs yet")
        if self._certificates is None and self.role is Role.server:
            raise SessionError(codes.E_INSUFFICIENT_CREDENTIALS, "no credentials are set")
        priorities = self._priorities or parse_priorities("NORMAL")
        try:
            if self.role is Role.client:
                return Connection(self._client_config(priorities), self._server_name)
            return Connection(self._server_config(priorities))
        except UsageError as error:
            raise translate(error) from error

    def _common(self, priorities: Priorities) -> dict[str, Any]:
        base = {name: getattr(self._base, name) for name in _BASE_FIELDS}
        chains = self._certificates.chains if self._certificates is not None else ()
        cert_schemes = priorities.signature_algorithms
        return base | {
            "versions": priorities.usable_versions,
            "credentials": tuple(chains),
            "verifier": _asked_elsewhere,
            "alpn_protocols": self._protocols,
            "cipher_suites": priorities.tls13_suites,
            "cipher_suites12": priorities.tls12_suites,
            "groups": tuple(priorities.groups),
            "signature_algorithms": priorities.handshake_schemes,
            "signature_algorithms12": priorities.handshake_schemes12,
            "signature_algorithms_cert": tuple(cert_schemes),
            "send_alerts": False,
        }

    def _client_config(self, priorities: Priorities) -> ClientConfig:
        shares = next((many for flag, many in _KEY_SHARES.items() if self.flags & flag), 2)
        return ClientConfig(
            **self._common(priorities),
            check_server_name=False,
            post_handshake_auth=self._offers_reauth,
            key_shares=shares,
            middlebox_compatibility="DISABLE_TLS13_COMPAT_MODE" not in priorities.options,
        )

    def _server_config(self, priorities: Priorities) -> ServerConfig:
        certificates = self._certificates
        assert certificates is not None  # _connect has looked
        by_function = certificates.retrieve_function is not None
        if not certificates.chains and not by_function:
            raise SessionError(codes.E_INSUFFICIENT_CREDENTIALS, "no certificate is set")
        return ServerConfig(
            **self._common(priorities),
            tickets=0,  # a session cannot resume yet
            client_auth=ClientAuth(self._request),
            certificate_authorities=self._authorities,
            request_ocsp=True,
            chosen_elsewhere=by_function,
            allow_identity_change=bool(self.flags & c.ALLOW_ID_CHANGE),
        )

    @property
    def _offers_reauth(self) -> bool:
        return bool(self.flags & c.POST_HANDSHAKE_AUTH) and self._certificates is not None

    @property
    def _authorities(self) -> tuple[bytes, ...]:
        """Names of the authorities that a CertificateRequest lists."""
        if self._certificates is None or not self._name_authorities:
            return ()
        return self._certificates.trust.names()


class _AskedElsewhere:
    """A verifier that is never asked: the session answers JudgePeer itself."""

    def verify(self, peer: PeerChain) -> VerifiedChain:
        raise UsageError("a session answers for its peers itself")


_asked_elsewhere = _AskedElsewhere()
