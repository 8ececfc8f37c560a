"""What can be known of a session, and derived from it."""

from __future__ import annotations

from ..connection import Connection
from ..constants import CipherSuite, NamedGroup, ProtocolVersion, Role
from ..errors import UsageError
from ..events import Established
from . import codes
from . import constants as c
from .errors import SessionError, translate
from .peer import Peer

__all__ = ["Facts"]

_VERSIONS = {ProtocolVersion.TLS12: c.TLS1_2, ProtocolVersion.TLS13: c.TLS1_3}
_KX12 = (
    ("ECDHE_ECDSA", c.KX_ECDHE_ECDSA),
    ("ECDHE_RSA", c.KX_ECDHE_RSA),
    ("ECDHE_PSK", c.KX_ECDHE_PSK),
)
_BINDINGS = {
    c.CB_TLS_UNIQUE: "tls-unique",
    c.CB_TLS_SERVER_END_POINT: "tls-server-end-point",
    c.CB_TLS_EXPORTER: "tls-exporter",
}


class Facts(Peer):
    """The part of a session that tells what was settled."""

    def get_flags(self) -> int:
        """Return SFLAGS_ bits: what the session has.

        SFLAGS_POST_HANDSHAKE_AUTH is set on a server when the client offered reauth
        and the session was made for it.
        """
        if self._machine is None or (established := self._established) is None:
            return 0
        flags = c.SFLAGS_SAFE_RENEGOTIATION
        if established.extended_master_secret:
            flags |= c.SFLAGS_EXT_MASTER_SECRET
        if self.role is Role.server:
            wanted = bool(self.flags & c.POST_HANDSHAKE_AUTH)
            if wanted and established.post_handshake_auth:
                flags |= c.SFLAGS_POST_HANDSHAKE_AUTH
        elif self._has_ticket and not self._without_tickets:
            flags |= c.SFLAGS_SESSION_TICKET
        if established.early_data_accepted:
            flags |= c.SFLAGS_EARLY_DATA
        if established.group in range(NamedGroup.ffdhe2048, NamedGroup.ffdhe8192 + 1):
            flags |= c.SFLAGS_RFC7919
        if self._machine.asked_for_ocsp:
            flags |= c.SFLAGS_SERV_REQUESTED_OCSP
        return flags

    def protocol_get_version(self) -> int:
        """Return TLS1_3 or TLS1_2; VERSION_UNKNOWN before the handshake."""
        established = self._established
        return c.VERSION_UNKNOWN if established is None else _VERSIONS[established.version]

    def server_name_get(self) -> str:
        """Return the name that the client wants to reach.

        Raises:
            SessionError: E_REQUESTED_DATA_NOT_AVAILABLE, when it named none.
        """
        established = self._established
        if established is None or established.server_name is None:
            raise SessionError(codes.E_REQUESTED_DATA_NOT_AVAILABLE, "no server name")
        return established.server_name

    def alpn_get_selected_protocol(self) -> bytes:
        """Return the application protocol that was agreed on.

        Raises:
            SessionError: E_REQUESTED_DATA_NOT_AVAILABLE, when none was.
        """
        established = self._established
        if established is None or established.alpn_protocol is None:
            raise SessionError(codes.E_REQUESTED_DATA_NOT_AVAILABLE, "no application protocol")
        return established.alpn_protocol

    def certificate_get_ours(self) -> bytes | None:
        """Return our certificate, DER, that was used last; None after declining."""
        shown = self._machine.shown if self._machine is not None else None
        return shown.chain[0] if shown is not None else None

    def compress_certificate_get_selected_method(self) -> int:
        """Return COMP_ZLIB and the like: how our certificate was compressed when last sent.

        COMP_UNKNOWN if it was sent as it is, or not at all.
        """
        machine = self._machine
        algorithm = machine.connection.certificate_compression if machine is not None else None
        return c.COMP_UNKNOWN if algorithm is None else algorithm + 1  # zlib is 1 on the wire

    def certificate_client_get_request_status(self) -> bool:
        """Client: whether the server has ever asked for a certificate."""
        return self._machine is not None and self._machine.was_asked

    def alert_get(self) -> int:
        """Return the number of the last alert that the peer sent; 0 is close_notify."""
        return self._machine.received_alert if self._machine is not None else 0

    def record_get_direction(self) -> int:
        """Return what the last interrupted call waits for: 0 to read, 1 to write."""
        return self.transport.direction

    def record_check_pending(self) -> int:
        """Return how many bytes `record_recv` would give without the transport."""
        return self._machine.readable if self._machine is not None else 0

    def prf_rfc5705(self, label: bytes | str, context: bytes, length: int) -> bytes:
        """Derive keying material for the application (§7.5); reauth does not change it."""
        data = label.encode() if isinstance(label, str) else label
        try:
            return self._opened().export(data, context, length)
        except UsageError as error:
            raise translate(error) from error

    def channel_binding(self, kind: int) -> bytes:
        """Return what names this session to a protocol above: CB_TLS_EXPORTER and others.

        CB_TLS_UNIQUE is of TLS 1.2 alone; CB_TLS_SERVER_END_POINT names the server and not the
        session (RFC 9266, RFC 5929).

        Raises:
            SessionError: E_CHANNEL_BINDING_NOT_AVAILABLE, before the handshake is complete, or
                if this session has none of the kind: `Connection.channel_binding` says when;
                E_UNIMPLEMENTED_FEATURE, for other kinds.
        """
        if self._established is None:
            raise SessionError(codes.E_CHANNEL_BINDING_NOT_AVAILABLE)
        name = _BINDINGS.get(kind)
        if name is None:
            raise SessionError(codes.E_UNIMPLEMENTED_FEATURE)
        try:
            return self._opened().channel_binding(name)
        except UsageError as error:
            raise SessionError(codes.E_CHANNEL_BINDING_NOT_AVAILABLE, str(error)) from error

    # --- who vouches for whom

    def kx_get(self) -> int:
        """Return the key exchange; KX_UNKNOWN before the handshake.

        TLS 1.3 has no such thing: with certificates it is KX_ECDHE_RSA whatever they
        are, as in GnuTLS; with a pre-shared key KX_ECDHE_PSK or KX_PSK. A session that
        goes on from another one is of the kind that that one was.
        """
        established = self._established
        if established is None:
            return c.KX_UNKNOWN
        if established.version is ProtocolVersion.TLS12:
            suite = CipherSuite(established.suite.code)
            return next(kx for word, kx in _KX12 if word in suite.name)
        if established.psk_identity is None:
            return c.KX_ECDHE_RSA
        return c.KX_PSK if established.group is None else c.KX_ECDHE_PSK

    def auth_get_type(self) -> int:
        """Return how the peer authenticates: CRD_CERTIFICATE, or CRD_PSK.

        A session that goes on from one is of the kind that that one was.
        """
        return c.CRD_CERTIFICATE if self._psk_identity is None else c.CRD_PSK

    auth_server_get_type = auth_client_get_type = auth_get_type

    def psk_client_get_hint(self) -> str | None:
        """Return a TLS 1.2 server's hint as to which PSK it means; None if it gave none.

        It may be asked for from the client function on.
        """
        if self.role is not Role.client or not self._psk_hint:
            return None
        return self._psk_hint.decode("utf-8", "replace")

    def psk_server_get_username(self) -> str | None:
        """Server: return the client's PSK identity; None without, or if it is no text."""
        try:
            name = self.psk_server_get_username2()
            return None if name is None or b"\0" in name else name.decode()
        except UnicodeDecodeError:
            return None

    def psk_server_get_username2(self) -> bytes | None:
        """Server: return the client's PSK identity, as bytes; reauth does not change it."""
        return self._psk_identity if self.role is Role.server else None

    # --- inside

    @property
    def _psk_identity(self) -> bytes | None:
        return self._established.psk_identity if self._established is not None else None

    @property
    def _has_ticket(self) -> bool:
        connection = self._opened()
        session12 = connection.session12
        return bool(connection.tickets or (session12 is not None and session12.ticket))

    @property
    def _established(self) -> Established | None:
        return self._machine.connection.established if self._machine is not None else None

    def _opened(self) -> Connection:
        if self._machine is None or self._established is None:
            raise SessionError(codes.E_UNAVAILABLE_DURING_HANDSHAKE)
        return self._machine.connection
