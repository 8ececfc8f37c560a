"""What can be asked of a TLS object: whom it speaks to, and how."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

from .._dataclass import replace
from ..config import ClientConfig, ServerConfig
from ..connection import Connection
from ..constants import ProtocolVersion, Role, SignatureScheme
from ..errors import UsageError
from ..events import Established
from ..pki.identity import Identity
from ..recording.recording import Recording
from .constants import CHANNEL_BINDING_TYPES
from .engine_config import cipher_name, config_for, stricter_mode
from .peercert import certificate_dict

if TYPE_CHECKING:
    from .context import SSLContext

__all__ = ["Facts"]

_VERSIONS = {ProtocolVersion.TLS13: "TLSv1.3", ProtocolVersion.TLS12: "TLSv1.2"}


class Facts:
    """The part of a TLS object that tells."""

    _connection: Connection | None = None
    _own_scheme: SignatureScheme | None = None  # by which we signed last

    def __init__(self, context: SSLContext, server_side: bool, server_hostname: str | None) -> None:
        self._own_context = context  # versions, options, tickets and callbacks
        self._context: SSLContext = context  # certificates and trust
        self.server_side = server_side
        self.server_hostname = server_hostname
        self.recording: Recording | None = None
        """What happens on the connection, where the context has it written down."""
        if context.recorder is not None:
            self.recording = context.recorder(Role.server if server_side else Role.client)
        self._verify_mode = context.verify_mode
        self._options = int(context.options)
        self._configure()

    def _configure(self) -> None:
        """Go by the settings of the two contexts, as they are now."""
        own, shown = self._own_context, self._context
        config = config_for(own, self.server_side, shown)
        if self.recording is not None:
            config = replace(config, trace=self.recording.trace)
        self._config = config
        self._configured = shown  # the context that the configuration goes by
        self._verify_mode = stricter_mode(own, shown)

    @property
    def context(self) -> SSLContext:
        """The context; another one may be set, before the handshake or in an sni_callback.

        It brings its certificates, whom it trusts, its application protocols (a server's), its
        ciphers and signature algorithms; versions, groups, options and tickets stay those of
        the context that made this object. What the peer must prove is the stricter of both, in
        verify_mode, check_hostname, verify_flags and security level. After the handshake, it
        holds for post-handshake authentication.
        """
        return self._context

    @context.setter
    def context(self, context: SSLContext) -> None:
        if not hasattr(context, "_credentials"):
            raise TypeError("The value must be a SSLContext of postshake.ssl")
        self._context = context
        if self._connection is None:
            self._configure()

    @property
    def session_reused(self) -> bool:
        """Whether an earlier session was resumed."""
        connection = self._connection
        if connection is None or connection.established is None:
            return False
        return connection.established.resumed

    def version(self) -> str | None:
        """Return ``"TLSv1.3"`` or ``"TLSv1.2"``; None before the handshake."""
        established = self._established
        return _VERSIONS[established.version] if established is not None else None

    def cipher(self) -> tuple[str, str, int] | None:
        """Return the suite's name, its protocol and its strength in bits."""
        established = self._established
        if established is None:
            return None
        suite = established.suite
        return cipher_name(suite.code), _VERSIONS[established.version], suite.key_length * 8

    def shared_ciphers(self) -> list[tuple[str, str, int]] | None:
        """Return the suites that a server and its client both have."""
        if not self.server_side or self._established is None:
            return None
        # what the client offered besides is not kept
        cipher = self.cipher()
        return [cipher] if cipher is not None else None

    def compression(self) -> None:
        """Return None: there never is compression (RFC 7525)."""

    def selected_alpn_protocol(self) -> str | None:
        """Return the application protocol that was agreed on."""
        established = self._established
        if established is None or established.alpn_protocol is None:
            return None
        return established.alpn_protocol.decode("ascii")

    def group(self) -> str | None:
        """Return the name of the key exchange's group."""
        established = self._established
        return established.group.name if established is not None and established.group else None

    def client_sigalg(self) -> str | None:
        """Return by what the client signed last to authenticate; None if it did not."""
        return self._signed_by(self.server_side)

    def server_sigalg(self) -> str | None:
        """Return by what the server signed; None if it did not, as when resuming."""
        return self._signed_by(not self.server_side)

    def _signed_by(self, the_peer: bool) -> str | None:
        if self._established is None:
            return None
        scheme = self._own_scheme
        if the_peer:
            scheme = self.identity.signature_scheme if self.identity is not None else None
        return scheme.name if scheme is not None else None

    def get_channel_binding(self, kind: str = "tls-unique") -> bytes | None:
        """Return what names this connection to a protocol above it.

        Args:
            kind: one of `CHANNEL_BINDING_TYPES`; or tls-unique, in TLS 1.2.

        Returns:
            None before the handshake.

        Raises:
            ValueError: the kind is unknown, or this connection has none of it: tls-unique in
                TLS 1.3 (RFC 9266 section 3), and what `Connection.channel_binding` says.
        """
        if kind not in (*CHANNEL_BINDING_TYPES, "tls-unique"):
            raise ValueError(f"{kind!r} channel binding type not implemented")
        if self._connection is None or self._established is None:
            return None
        try:
            return self._connection.channel_binding(kind)
        except UsageError as error:
            raise ValueError(str(error)) from error

    @property
    def cipher_code(self) -> int | None:
        """The suite's number on the wire."""
        return int(self._established.suite.code) if self._established is not None else None

    @property
    def our_certificate(self) -> bytes | None:
        """Our certificate of the handshake, DER; None if none was shown, as when resuming."""
        established = self._established
        credential = established.our_credential if established is not None else None
        return credential.chain[0] if credential is not None else None

    # --- the peer

    @property
    def config(self) -> ClientConfig | ServerConfig:
        """How the engine behaves on this connection."""
        return self._connection.config if self._connection is not None else self._config

    @property
    def identity(self) -> Identity | None:
        """Whom the peer has proven to be, as of now."""
        return self._connection.peer_identity if self._connection is not None else None

    @property
    def read_identity(self) -> Identity | None:
        """Whom the peer had proven to be when it sent the next byte to be read."""
        return self._connection.read_identity if self._connection is not None else None

    @property
    def read_position(self) -> int:
        """How many bytes of application data were read so far."""
        return self._connection.read_position if self._connection is not None else 0

    def identity_at(self, position: int) -> Identity | None:
        """Return whom the peer had proven to be when the byte at this position came."""
        if self._connection is None:
            return None
        history = self._connection.identity_history
        return next(identity for start, identity in reversed(history) if start <= position)

    def getpeercert(self, binary_form: bool = False) -> dict[str, Any] | bytes | None:
        """Return the peer's certificate; an empty dictionary if it was not verified."""
        if self._established is None:
            raise ValueError("handshake not done yet")
        identity = self.identity
        if identity is None:
            return None
        if binary_form:
            return identity.chain[0]
        if self._context is not self._own_context and self._context.verify_mode == ssl.CERT_NONE:
            return {}  # as the standard library has it: this context promises nothing
        return certificate_dict(identity.chain[0]) if identity.verified else {}

    def get_unverified_chain(self) -> list[bytes]:
        """Return the chain as the peer sent it, DER."""
        return list(self.identity.chain) if self.identity is not None else []

    def get_verified_chain(self) -> list[bytes]:
        """Return the path to a trusted certificate, DER; empty if nothing was verified."""
        return list(self.identity.verified_chain) if self.identity is not None else []

    @property
    def _established(self) -> Established | None:
        return self._connection.established if self._connection is not None else None
