"""`Session`: a TLS session with GnuTLS's calls, numbers and rules.

    session = Session(SERVER | POST_HANDSHAKE_AUTH)
    session.credentials_set(credentials)
    session.transport_set(sock)
    session.handshake()
    session.certificate_server_set_request(CERT_REQUIRE)
    session.reauth()

What differs from GnuTLS, which differs from its own manual page, is said where it does.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from weakref import ref

from ..config import Config
from ..connection import Connection
from ..constants import AlertDescription, AlertLevel, ProtocolVersion, Role
from ..errors import UsageError, present
from ..events import Established
from ..pki.names import normalize_server_name
from ..record.deframer import MAX_PLAINTEXT
from ..resumption.ticket import MAX_LIFETIME, Ticket
from ..resumption.ticket_keys import TicketKeys
from . import codes
from . import constants as c
from .certificate_choice import CertificateChooser
from .credentials import CertificateCredentials, VerifyFunction
from .engine_config import make_connection
from .errors import Again, NonFatal, SessionError, error_for, translate
from .priority import parse_priorities
from .psk import PskCredentials
from .running import RunningSession
from .session_data import NO_DATA, await_ticket, read_session_data, write_session_data
from .settings import SessionSettings, compression_algorithms
from .status import key_exchange, protocol_version, session_flags
from .ticket_keys import AntiReplay
from .transport import Pull, Push, Transport
from .verification import PeerVerification

__all__ = ["Session"]

_BINDINGS = {
    c.CB_TLS_UNIQUE: "tls-unique",
    c.CB_TLS_SERVER_END_POINT: "tls-server-end-point",
    c.CB_TLS_EXPORTER: "tls-exporter",
}


class Session:
    """One TLS session over a transport, for a client or a server.

    Every call may stop at any byte that the transport does not take or has not got: it
    raises `Again` or `Interrupted`, nothing is lost, and the same call made again goes
    on from there. `record_get_direction` says whether to wait for reading or writing.

    After a fatal error every call raises E_INVALID_SESSION. No alert is sent by itself:
    give the error to `alert_send_appropriate`, and close.

    Args:
        flags: CLIENT or SERVER, and what else is wanted. POST_HANDSHAKE_AUTH: a client
            offers reauth, a server may ask for it. AUTO_REAUTH: a client answers
            inside `record_recv`. ALLOW_ID_CHANGE: the peer may show another
            certificate than before. FORCE_CLIENT_CERT: a client's only certificate is
            shown whatever authorities the server names. Others are GnuTLS's, and
            harmless where they have no meaning here.
        config: where limits, clocks, randomness, key log and trace come from.

    Raises:
        SessionError: the flags make no sense.
    """

    def __init__(self, flags: int, *, config: Config | None = None) -> None:
        self._settings = SessionSettings(flags, config or Config())
        self.flags = flags
        self.role = self._settings.role
        self.transport = Transport()
        self._handle: ref[object] = ref(self)  # weak: a session that nobody holds is gone
        self._verification = PeerVerification(self._settings, self._handle)
        self._running: RunningSession | None = None  # from the first `handshake` on
        self._corked: bytearray | None = None

    def __repr__(self) -> str:
        state = "new" if self._running is None else repr(self._running.connection)
        return f"<Session {self.role.name}, {state}>"

    # --- what it is to use, and with whom

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

    def credentials_set(self, credentials: CertificateCredentials | PskCredentials) -> None:
        """Use these credentials; those of the other kind stay as they are.

        A server may set them at any time before it asks for a reauth. A client that
        has no CertificateCredentials when it shakes hands does not offer reauth.
        """
        if isinstance(credentials, CertificateCredentials):
            self._settings.certificates = credentials
        else:
            self._settings.psk = credentials

    def priority_set_direct(self, text: str) -> None:
        """Say what may be negotiated, in a priority string; see `postshake.session.priority`.

        Raises:
            SessionError: E_INVALID_REQUEST; it names the word that is wrong.
        """
        self._settings.priorities = parse_priorities(text)

    def server_name_set(self, name: str) -> None:
        """Client: name the server that we mean to reach.

        Its certificate is not held against the name by that; see `set_verify_cert`.
        """
        try:
            normalize_server_name(name)
        except UsageError as error:
            raise SessionError(codes.E_RECEIVED_DISALLOWED_NAME, str(error)) from error
        self._settings.server_name = name

    def alpn_set_protocols(self, protocols: Iterable[bytes | str]) -> None:
        """Name the application protocols that we speak, favourites first (RFC 7301)."""
        self._settings.protocols = tuple(
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
        self._settings.compression = compression_algorithms(methods)

    def handshake_set_timeout(self, milliseconds: int) -> None:
        """Limit the time of the whole handshake, from the first call on.

        However many calls it takes, E_TIMEDOUT ends what comes later. A function that was
        set to pull with must not block itself for longer.

        Args:
            milliseconds: 0 or INDEFINITE_TIMEOUT for none, DEFAULT_HANDSHAKE_TIMEOUT for 40
                seconds.
        """
        self._settings.limit_handshake(milliseconds)

    def record_set_timeout(self, milliseconds: int) -> None:
        """Limit how long `record_recv` waits on a socket; 0 for the socket's own limit."""
        self._settings.record_timeout = milliseconds / 1000 or None

    # --- the handshake

    def handshake(self) -> None:
        """Shake hands.

        The peer is verified on the way if somebody was named who does that; see
        `set_verify_cert` and `set_verify_function`. Called again on a complete session
        it makes a client ask for a key update, and does nothing on a server. TLS 1.2
        is never negotiated anew: there a client gets E_INVALID_REQUEST.

        Raises:
            Again, Interrupted: call again.
            SessionError: it failed; see `alert_send_appropriate`.
        """
        running = self._running or self._start()
        running.check_valid()
        if not running.handshake.complete:
            with self.transport.time_limit(self._settings.handshake_left()):
                running.handshake.run()
        elif self.role is Role.client:
            running.update_keys("handshake", request_peer=True)

    def _start(self) -> RunningSession:
        self._running = RunningSession(
            self._settings,
            self.transport,
            self._verification,
            CertificateChooser(self._settings, self._handle),
            make_connection(self._settings, self._handle),
            self._handle,
        )
        return self._running

    def rehandshake(self) -> None:
        """Server: in TLS 1.3, change keys in both directions.

        Raises:
            SessionError: E_INVALID_REQUEST, on a client and in TLS 1.2, which is never
                negotiated anew. The session is unharmed.
        """
        if self.role is Role.client:
            raise SessionError(codes.E_INVALID_REQUEST, "only a server asks for it")
        self.key_update(c.KU_PEER)

    # --- reauthentication

    def certificate_server_set_request(self, mode: int) -> None:
        """Server: CERT_IGNORE, CERT_REQUEST or CERT_REQUIRE a client's certificate.

        It holds for the main handshake and for reauth, may be changed at any time,
        and counts as it is when the client's answer arrives.
        """
        if mode not in (c.CERT_IGNORE, c.CERT_REQUEST, c.CERT_REQUIRE):
            raise SessionError(codes.E_INVALID_REQUEST, f"no request mode has the number {mode}")
        self._settings.request_mode = mode

    def certificate_send_x509_rdn_sequence(self, suppress: bool) -> None:
        """Server: whether to leave unsaid which authorities are trusted."""
        self._settings.name_authorities = not suppress

    def reauth(self, flags: int = 0) -> None:
        """Authenticate a client after the handshake (TLS 1.3, §4.6.2).

        A **server** asks its client for a certificate with this call, and waits for the
        answer. A **client** answers with it, after `record_recv` has raised
        `ReauthRequest`. None comes to a client that did not say POST_HANDSHAKE_AUTH
        when its session was made, or had no CertificateCredentials when it shook
        hands. One with AUTO_REAUTH as well answers inside `record_recv`, and never
        calls this.

        Before it calls, a server makes its session with POST_HANDSHAKE_AUTH, sees
        SFLAGS_POST_HANDSHAKE_AUTH in `get_flags`, and says with
        `certificate_server_set_request` whether a certificate is wanted (CERT_REQUEST)
        or needed (CERT_REQUIRE). How the session began, with certificates, a ticket or
        a pre-shared key, does not matter. After this call `certificate_get_peers` has
        the client's chain. It may be made again and again: each time the client is
        asked anew.

        Verification happens inside this call, through `set_verify_cert`, or the verify
        function of the session, or that of the credentials, as in the handshake. With
        none of them nobody verifies: `certificate_verify_peers` is then yours to call.
        A verify function that returns E_AGAIN has not decided; this call returns that,
        and made again, it asks again. A client that declines, as it may under
        CERT_REQUEST, is a success; the verify function is called, and sees the
        certificate from before, or None.

        *What is not fatal.* `GotApplicationData`: the client spoke before it answered.
        Take what is there with `record_recv`, then call again. That data, and all that
        was read before this call returned, comes from a client that has not
        authenticated yet, or is still whoever it was before; do not treat it as
        anything better. `Again` and `Interrupted`: the transport would block; wait as
        `record_get_direction` says and call again. A blocking transport waits as long
        as the client takes, unless it has a time limit of its own.

        On a client a return only means that the answer has left: TLS does not say
        whether it was accepted. One that was refused shows up as an alert at some later
        `record_recv`. Nothing of the application's is sent between the parts of an
        answer; it may send and receive before it calls, for as long as it likes.

        Args:
            flags: none is defined: 0.

        Raises:
            GotApplicationData, Again, Interrupted: call again, as said above.
            SessionError: E_INVALID_REQUEST, when the peer did not offer it or has not
                asked for it, the mode is CERT_IGNORE, the flags are not 0, or this is
                not TLS 1.3. E_UNAVAILABLE_DURING_HANDSHAKE, before the handshake is
                complete. E_INSUFFICIENT_CREDENTIALS, without CertificateCredentials.
                None of these does any harm.
            SessionError: E_CERTIFICATE_REQUIRED, when the client declined and may not;
                E_SESSION_EOF, when it closed instead of answering; and whatever is
                wrong with the answer. These end the session.
            SessionError: E_CERTIFICATE_ERROR, E_CERTIFICATE_VERIFICATION_ERROR,
                E_SESSION_USER_ID_CHANGED or what the verify function returned, when the
                certificate was refused. The session goes on with the identity from
                before; called again, this call asks for another verdict on the same
                certificate.
            SessionError: E_PK_SIGN_FAILED, on a client. Nothing was sent; call again
                to try again.
        """
        running = self._started()
        running.check_valid()
        running.check_complete()
        if present(self._established, "handshake").version is not ProtocolVersion.TLS13:
            raise SessionError(codes.E_INVALID_REQUEST, "only TLS 1.3 has it")
        if flags:
            raise SessionError(codes.E_INVALID_REQUEST, f"reauth knows no flags, got {flags}")
        if running.client_reauth is not None:
            running.client_reauth.run()
        else:
            present(running.server_reauth, "handshake").run()

    def certificate_client_get_request_status(self) -> bool:
        """Client: whether the server has ever asked for a certificate."""
        return self._running is not None and self._running.driver.was_asked

    # --- verification

    def set_verify_cert(self, hostname: str | None = None, flags: int = 0) -> None:
        """Verify the peer's chain, and that it is for this name, by ourselves.

        It takes the place of a verify function. What is not believed fails the
        handshake, or the reauth, with E_CERTIFICATE_VERIFICATION_ERROR;
        `get_verify_cert_status` says why. A client that may decline, and does, is not
        verified.
        """
        if flags:
            raise SessionError(codes.E_INVALID_REQUEST, "set_verify_cert knows no flags")
        settings = self._settings
        settings.verify_function = None
        settings.verifies_certificate, settings.verify_hostname = True, hostname

    def set_verify_function(self, function: VerifyFunction | None) -> None:
        """Let a function judge the peer; it comes before that of the credentials.

        It is called once the peer has proven that it has the certificate's key, in
        the main handshake and in every reauth. `certificate_get_peers` shows it the
        certificate in question, or None when a client declined that may. With no
        function at all, nothing is verified.
        """
        settings = self._settings
        settings.verify_function = function
        settings.verifies_certificate, settings.verify_hostname = False, None

    def get_verify_cert_status(self) -> int:
        """Return what the last verification found: CERT_ bits, 0 for no fault.

        Before the first one it is CERT_STATUS_UNKNOWN.
        """
        return self._verification.status

    def certificate_verify_peers(self, hostname: str | None = None) -> int:
        """Verify the peer's chain against the trusted certificates.

        Args:
            hostname: whom the certificate must be for; None for anybody.

        Returns:
            CERT_ bits; 0 when nothing is wrong.

        Raises:
            SessionError: E_NO_CERTIFICATE_FOUND, when the peer has shown none, and
                E_INSUFFICIENT_CREDENTIALS, when nobody is trusted.
        """
        self._verification.verify(hostname)
        return self._verification.status

    def certificate_get_peers(self) -> tuple[bytes, ...] | None:
        """Return the peer's chain, DER, leaf first; None if it has proven none.

        While a verify function runs it is the chain in question; else the last that
        was proven and accepted.
        """
        return self._verification.chain()

    def ocsp_status_get(self) -> bytes | None:
        """Return the OCSP response that came with the certificate in question."""
        return self._verification.ocsp_response()

    # --- data

    def record_send(self, data: bytes | bytearray | memoryview = b"") -> int:
        """Send application data, at most 16384 bytes; return how many were taken.

        Raises:
            Again, Interrupted: the data was taken, and did not leave yet: call again
                with the same data. It is not sent twice.
            SessionError: it failed.
        """
        running = self._started()
        running.open()
        if self._corked is not None:
            self._corked += data
            return len(data)
        if not data and not running.calls.begun("record_send"):
            return 0
        return running.send("record_send", data)

    def record_cork(self) -> None:
        """Keep what is sent from here on, until `record_uncork`."""
        if self._corked is None:
            self._corked = bytearray()

    def record_uncork(self, flags: int = 0) -> int:
        """Send what was kept; return how many bytes. RECORD_WAIT makes it try on and on."""
        running = self._started()
        running.open()
        sent = 0
        while self._corked is not None:
            data = bytes(self._corked[:MAX_PLAINTEXT])
            if not data:
                self._corked = None
                break
            try:
                took = running.send("record_uncork", data)
            except NonFatal:
                if flags & c.RECORD_WAIT:
                    continue
                raise
            del self._corked[:took]
            sent += took
        return sent

    def record_recv(self, size: int = MAX_PLAINTEXT) -> bytes:
        """Receive application data: what is left of one record, at most `size` bytes.

        Returns:
            The data, or ``b""`` when the peer has closed its side.

        Raises:
            Again: the transport has no more; or something came that was no data, such
                as a ticket, a key update or, with AUTO_REAUTH, a request that was
                answered. Also on a blocking transport: call again.
            Interrupted: call again.
            ReauthRequest: client: the server asks for authentication; see `reauth`.
                It is raised once for each request, in order with the data.
            SessionError: the session has failed.
        """
        running = self._started()
        if not running.driver.invalid:  # after a failure there may be data from before it
            running.check_complete()
        data = running.received(size)
        if data is None:
            running.check_valid()
            if not running.waits_for_answer:
                running.take_record()
                data = running.received(size)
        if data is not None:
            return data
        running.report_request()
        raise Again("what came was no data")

    def record_check_pending(self) -> int:
        """Return how many bytes `record_recv` would give without the transport."""
        return self._running.driver.readable if self._running is not None else 0

    def record_get_direction(self) -> int:
        """Return what the last interrupted call waits for: 0 to read, 1 to write."""
        return self.transport.direction

    # --- the end

    def bye(self, how: int = c.SHUT_RDWR) -> None:
        """Say that we send no more; with SHUT_RDWR, wait for the peer to say it too.

        Data that still comes is thrown away.

        Raises:
            Again, Interrupted: call again.
            ReauthRequest: client: the server asks for authentication. It is too late to
                answer; call again.
        """
        if how not in (c.SHUT_RDWR, c.SHUT_WR):
            raise SessionError(codes.E_INVALID_REQUEST, f"there is no way {how} to say goodbye")
        running = self._running
        if running is None:
            raise SessionError(codes.E_INVALID_REQUEST, "there was no handshake")
        running.send_close()
        if how == c.SHUT_RDWR:
            running.check_valid()
            running.await_close()

    def alert_get(self) -> int:
        """Return the number of the last alert that the peer sent; 0 is close_notify."""
        return self._running.driver.received_alert if self._running is not None else 0

    def alert_send(self, level: int, alert: int) -> None:
        """Send an alert.

        Raises:
            Again, Interrupted: call again.
            SessionError: E_INVALID_REQUEST, when there is no such alert, or we have
                said our last already.
        """
        try:
            description, of_level = AlertDescription(alert), AlertLevel(level)
        except ValueError as error:
            raise SessionError(codes.E_INVALID_REQUEST, str(error)) from error
        if self._running is None:
            raise SessionError(codes.E_INVALID_REQUEST, "there was no handshake")
        self._running.send_alert(description, of_level)

    def alert_send_appropriate(self, error: SessionError | int) -> None:
        """Send the alert that tells the peer of an error, if one does.

        None is sent for what is not fatal, except that E_REHANDSHAKE is refused with
        no_renegotiation, nor for E_FATAL_ALERT_RECEIVED, nor after close_notify.

        Args:
            error: the exception; its alert may say more exactly what was wrong than
                the alert of its code, as unknown_ca does. Or a code, for GnuTLS's.
        """
        if isinstance(error, int):
            error = error_for(error)
        _, level = codes.error_to_alert(error.code)
        if error.code == codes.E_FATAL_ALERT_RECEIVED or (
            not error.fatal and error.code != codes.E_REHANDSHAKE
        ):
            return
        if self._running is not None and self._running.may_send_alert(error.alert, level):
            self.alert_send(level, error.alert)

    # --- keys

    def key_update(self, flags: int = 0) -> None:
        """Change the keys that we send with; with KU_PEER have the peer change its too."""
        if flags not in (0, c.KU_PEER):
            raise SessionError(codes.E_INVALID_REQUEST, f"key_update knows no flags {flags}")
        running = self._started()
        running.open()
        running.update_keys("key_update", request_peer=bool(flags & c.KU_PEER))

    def prf_rfc5705(self, label: bytes | str, context: bytes, length: int) -> bytes:
        """Derive keying material for the application (§7.5); reauth does not change it."""
        data = label.encode() if isinstance(label, str) else label
        try:
            return self._settled().export(data, context, length)
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
            return self._settled().channel_binding(name)
        except UsageError as error:
            raise SessionError(codes.E_CHANNEL_BINDING_NOT_AVAILABLE, str(error)) from error

    # --- what was settled

    def get_flags(self) -> int:
        """Return SFLAGS_ bits: what the session has.

        SFLAGS_POST_HANDSHAKE_AUTH is set on a server when the client offered reauth
        and the session was made for it.
        """
        running = self._running
        return session_flags(self._settings, running.driver) if running is not None else 0

    def protocol_get_version(self) -> int:
        """Return TLS1_3 or TLS1_2; VERSION_UNKNOWN before the handshake."""
        return protocol_version(self._established)

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
        shown = self._running.driver.shown if self._running is not None else None
        return shown.chain[0] if shown is not None else None

    def compress_certificate_get_selected_method(self) -> int:
        """Return COMP_ZLIB and the like: how our certificate was compressed when last sent.

        COMP_UNKNOWN if it was sent as it is, or not at all.
        """
        running = self._running
        algorithm = running.connection.certificate_compression if running is not None else None
        return c.COMP_UNKNOWN if algorithm is None else algorithm + 1  # zlib is 1 on the wire

    def kx_get(self) -> int:
        """Return the key exchange; KX_UNKNOWN before the handshake.

        TLS 1.3 has no such thing: with certificates it is KX_ECDHE_RSA whatever they
        are, as in GnuTLS; with a pre-shared key KX_ECDHE_PSK or KX_PSK. A session that
        goes on from another one is of the kind that that one was.
        """
        return key_exchange(self._established)

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
        running = self._running
        if self.role is not Role.client or running is None or not running.handshake.psk_hint:
            return None
        return running.handshake.psk_hint.decode("utf-8", "replace")

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

    # --- sessions that go on from earlier ones (§2.2)

    def is_resumed(self) -> bool:
        """Return whether this session goes on from an earlier one."""
        return self._established is not None and self._established.resumed

    def ticket_enable_server(self, key: TicketKeys | bytes) -> None:
        """Server: give clients tickets, sealed with this key, and take those that are.

        Two are sent at the end of the handshake, unless the session was made with
        NO_AUTO_SEND_TICKET. Without this call there are none.

        Args:
            key: of `session_ticket_key_generate`, the same for all sessions; or 32
                bytes or more of your own.

        Raises:
            SessionError: E_INVALID_REQUEST, on a client, for a short key, and when the
                handshake has begun.
        """
        if self.role is Role.client or self._running is not None:
            raise SessionError(codes.E_INVALID_REQUEST, "for a server, before the handshake")
        if isinstance(key, bytes):
            if len(key) < 32:
                raise SessionError(
                    codes.E_INVALID_REQUEST, f"expected a key of 32 bytes or more, got {len(key)}"
                )
            key = TicketKeys([key])
        self._settings.ticket_keys = key

    def db_set_cache_expiration(self, seconds: int) -> None:
        """Server: say for how long a session may be resumed; six hours otherwise.

        A week is the most that TLS allows (§4.6.1). It ends earlier with the client's
        certificate.
        """
        if not 0 <= seconds <= MAX_LIFETIME:
            raise SessionError(
                codes.E_INVALID_REQUEST, f"expected 0 to {MAX_LIFETIME} seconds, got {seconds}"
            )
        self._settings.ticket_lifetime = seconds

    def ticket_send(self, count: int = 1, flags: int = 0) -> None:
        """Server: send session tickets, which carry who the client is known to be now.

        A ticket from before a reauth does not have its identity; send one afterwards
        if clients shall resume with it.

        Raises:
            Again, Interrupted: call again.
            SessionError: E_INVALID_REQUEST: on a client, in TLS 1.2, for less than
                one, or without `ticket_enable_server`.
        """
        running = self._started()
        running.open()
        if self.role is Role.client or count < 1 or flags:
            raise SessionError(codes.E_INVALID_REQUEST, "a server sends at least one ticket")
        if self.protocol_get_version() != c.TLS1_3:
            raise SessionError(codes.E_INVALID_REQUEST, "only TLS 1.3 sends tickets later")
        if self._settings.ticket_keys is None or self._settings.without_tickets:
            raise SessionError(codes.E_INVALID_REQUEST, "ticket_enable_server was not called")
        running.send_tickets("ticket_send", count)

    def get_data(self) -> bytes:
        """Client: return what `set_data` needs to resume this session later.

        In TLS 1.3 the server sends it, as tickets, when it likes; it is the newest. If
        none is there yet, this waits for one, a quarter of a second on a socket. Data
        and requests for reauth that come meanwhile are kept for `record_recv`.

        It holds secrets: keep it as you keep a private key, and use it once.

        Returns:
            The data; if this session cannot be resumed, a byte that changes nothing.

        Raises:
            Interrupted: call again.
            SessionError: E_INVALID_REQUEST, on a server;
                E_UNAVAILABLE_DURING_HANDSHAKE; or the session has failed.
        """
        if self.role is Role.server:
            raise SessionError(codes.E_INVALID_REQUEST, "clients keep sessions")
        running = self._started()
        running.check_complete()
        if self._settings.without_tickets:
            return NO_DATA
        if self.protocol_get_version() == c.TLS1_3:
            await_ticket(running.driver)
        return write_session_data(running.connection.session)

    def set_data(self, data: bytes) -> None:
        """Client: resume the session that `get_data` gave this for, if the server agrees.

        `is_resumed` tells afterwards whether it did. For another server name than that
        session's it has no effect.

        Raises:
            SessionError: E_DB_ERROR, when it is something else; E_INVALID_REQUEST, on
                a server, and when the handshake has begun.
        """
        if self.role is Role.server or self._running is not None:
            raise SessionError(codes.E_INVALID_REQUEST, "for a client, before the handshake")
        read_session_data(data, None)
        self._settings.session_data = data

    # --- early data (§2.3)

    def anti_replay_enable(self, anti_replay: AntiReplay) -> None:
        """Server: let this keep early data from being accepted twice.

        A server made with ENABLE_EARLY_DATA takes none without it, unless it was made
        with NO_REPLAY_PROTECTION too.
        """
        self._settings.anti_replay = anti_replay

    def record_set_max_early_data_size(self, size: int) -> None:
        """Server: say how many bytes of early data a ticket allows; 16384 otherwise."""
        if self.role is Role.client or not 0 <= size < 2**32:
            raise SessionError(codes.E_INVALID_REQUEST, "for a server, 0 to 2**32 - 1")
        self._settings.max_early_data = size

    def record_get_max_early_data_size(self) -> int:
        """Return how many bytes of early data may be sent; on a server, received."""
        settings = self._settings
        if self.role is Role.server:
            return settings.max_early_data
        if not settings.flags & c.ENABLE_EARLY_DATA:
            return 0
        earlier = read_session_data(settings.session_data, settings.server_name)
        return earlier.max_early_data_size if isinstance(earlier, Ticket) else 0

    def record_send_early_data(self, data: bytes | bytearray | memoryview) -> None:
        """Client: send data ahead of the handshake, which `set_data` made possible.

        It leaves with `handshake`. If SFLAGS_EARLY_DATA is not among `get_flags` after
        that, the server has read none of it: send it again with `record_send`.

        Anyone on the path can send it to the server again, and it has no forward
        secrecy. Send only what may come twice.

        Raises:
            SessionError: E_INVALID_REQUEST, when the session was made without
                ENABLE_EARLY_DATA or has shaken hands; E_RECORD_LIMIT_REACHED, when it
                is more than the ticket allows.
        """
        settings = self._settings
        wrong = self.role is Role.server or not settings.flags & c.ENABLE_EARLY_DATA
        if wrong or self._running is not None:
            raise SessionError(
                codes.E_INVALID_REQUEST, "for a client with ENABLE_EARLY_DATA, before the handshake"
            )
        if len(settings.early_data) + len(data) > self.record_get_max_early_data_size():
            raise SessionError(codes.E_RECORD_LIMIT_REACHED, "the ticket allows less")
        settings.early_data += bytes(data)

    def record_recv_early_data(self, size: int) -> bytes:
        """Server: take early data that came with the handshake.

        It may be a replay, and is nobody's: a client that is authenticated later did
        not say it by that.

        Raises:
            SessionError: E_REQUESTED_DATA_NOT_AVAILABLE, when there is no more.
        """
        if self.role is Role.client:
            raise SessionError(codes.E_INVALID_REQUEST, "only a server receives early data")
        early_data = self._running.handshake.early_data if self._running is not None else None
        if not early_data:
            raise SessionError(codes.E_REQUESTED_DATA_NOT_AVAILABLE, "no early data")
        data = bytes(early_data[:size])
        del early_data[:size]
        return data

    # --- inside

    @property
    def _established(self) -> Established | None:
        return self._running.connection.established if self._running is not None else None

    @property
    def _psk_identity(self) -> bytes | None:
        return self._established.psk_identity if self._established is not None else None

    def _started(self) -> RunningSession:
        if self._running is None:
            raise SessionError(codes.E_UNAVAILABLE_DURING_HANDSHAKE)
        return self._running

    def _settled(self) -> Connection:
        """Return the engine, if the handshake has settled something."""
        connection = self._started().connection
        if connection.established is None:
            raise SessionError(codes.E_UNAVAILABLE_DURING_HANDSHAKE)
        return connection
