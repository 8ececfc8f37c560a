"""GnuTLS's session in Python: the same words, numbers and rules.

    session = Session(SERVER | POST_HANDSHAKE_AUTH)
    session.credentials_set(credentials)
    session.transport_set(sock)
    session.handshake()
    session.certificate_server_set_request(CERT_REQUIRE)
    session.reauth()

What differs from GnuTLS, which differs from its own manual page, is said where it does.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial

from ..config import Config
from ..constants import AlertDescription, AlertLevel, ProtocolVersion, Role
from ..errors import (
    InternalError,
    UsageError,
    present,
)
from ..record.deframer import MAX_PLAINTEXT
from . import codes
from . import constants as c
from .engine_config import connect
from .errors import Again, Interrupted, NonFatal, ReauthRequest, SessionError, error_for, translate
from .handshake import Handshake
from .reauth import ClientReauth, ServerReauth
from .record_driver import Machine
from .resumption import Resumption

__all__ = ["Session"]


class Session(Resumption):
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
        super().__init__(flags, config=config)
        self._client: ClientReauth | None = None
        self._server: ServerReauth | None = None
        self._corked: bytearray | None = None

    def __repr__(self) -> str:
        state = "new" if self._machine is None else repr(self._machine.connection)
        return f"<Session {self.role.name}, {state}>"

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
        if self._machine is None:
            self._machine = Machine(self.transport, connect(self))
            if self._early_to_send:
                self._machine.connection.send_early_data(self._early_to_send)
            self._shaking = Handshake(self, self._machine)
            self._client = ClientReauth(self, self._machine)
            self._server = ServerReauth(self, self._machine)
        self._check_valid()
        if not self._is_complete:
            shaking = present(self._shaking, "handshake")
            with self.transport.time_limit(self._handshake_left()):
                shaking.run()
        elif self.role is Role.client:
            self._resumable("handshake", partial(self._update_keys, c.KU_PEER))

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
        self._check_valid()
        if not self._is_complete:
            raise SessionError(codes.E_UNAVAILABLE_DURING_HANDSHAKE)
        if present(self._established, "handshake").version is not ProtocolVersion.TLS13:
            raise SessionError(codes.E_INVALID_REQUEST, "only TLS 1.3 has it")
        if flags:
            raise SessionError(codes.E_INVALID_REQUEST, f"reauth knows no flags, got {flags}")
        if self.role is Role.client:
            present(self._client, "handshake").run()
        else:
            present(self._server, "handshake").run()

    # --- data

    def record_send(self, data: bytes | bytearray | memoryview = b"") -> int:
        """Send application data, at most 16384 bytes; return how many were taken.

        Raises:
            Again, Interrupted: the data was taken, and did not leave yet: call again
                with the same data. It is not sent twice.
            SessionError: it failed.
        """
        self._check_open()
        if self._corked is not None:
            self._corked += data
            return len(data)
        if "record_send" not in self._begun and not data:
            return 0
        return self._resumable("record_send", partial(self._queue, data))

    def record_cork(self) -> None:
        """Keep what is sent from here on, until `record_uncork`."""
        if self._corked is None:
            self._corked = bytearray()

    def record_uncork(self, flags: int = 0) -> int:
        """Send what was kept; return how many bytes. RECORD_WAIT makes it try on and on."""
        self._check_open()
        sent = 0
        while self._corked is not None:
            data = bytes(self._corked[:MAX_PLAINTEXT])
            if not data:
                self._corked = None
                break
            try:
                took = self._resumable("record_uncork", partial(self._queue, data))
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
        machine = self._machine
        if machine is None or not (self._is_complete or machine.invalid):
            raise SessionError(codes.E_UNAVAILABLE_DURING_HANDSHAKE)
        data = self._received(size)
        if data is None:
            self._check_valid()
            client = present(self._client, "handshake")
            if not client.running and not machine.requests:
                with self.transport.time_limit(self._record_timeout):
                    self._take_record()
                data = self._received(size)
        if data is not None:
            return data
        self._tell_of_request()
        raise Again("what came was no data")

    def _take_record(self) -> None:
        """Take a record; in TLS 1.2, say at once that we do not renegotiate."""
        machine = present(self._machine, "connection")
        is_tls12 = self.protocol_get_version() == c.TLS1_2
        if is_tls12:
            with suppress(Again, Interrupted):  # what is left of it must not keep us from reading
                machine.flush()
        machine.take_record()
        if is_tls12 and not machine.readable:
            machine.flush()

    def _received(self, size: int) -> bytes | None:
        """Take data that is there; nothing at the end, None when there is none yet."""
        machine = self._machine
        if machine is None:
            raise InternalError("there is no connection")
        connection = machine.connection
        if connection.readable:
            return connection.read(min(size, connection.readable_in_record))
        return b"" if connection.peer_closed and not machine.requests else None

    def _tell_of_request(self) -> None:
        """Tell the application of a request, or answer it in its place."""
        machine = present(self._machine, "connection")
        client = present(self._client, "handshake")
        requests = machine.requests
        if self.flags & c.AUTO_REAUTH:
            if client.running or requests:
                client.run()
        elif requests:
            requests.popleft()
            raise ReauthRequest

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
        machine = self._machine
        if machine is None:
            raise SessionError(codes.E_INVALID_REQUEST, "there was no handshake")
        if not machine.connection.sent_close:
            machine.connection.send_alert(AlertDescription.close_notify)
        machine.flush()
        if how == c.SHUT_WR:
            return
        self._check_valid()
        while not machine.connection.peer_closed and not self.transport.ended:
            machine.take_record(closing=True)
            machine.connection.read()
            if machine.requests:
                machine.requests.popleft()
                if not self.flags & c.AUTO_REAUTH:
                    raise ReauthRequest

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
        machine = self._machine
        if machine is None:
            raise SessionError(codes.E_INVALID_REQUEST, "there was no handshake")

        def queue() -> int:
            try:
                machine.connection.send_alert(description, of_level)
            except UsageError as error:
                raise translate(error) from error
            return 0

        self._resumable(f"alert {level} {alert}", queue)

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
        key = f"alert {level.value} {error.alert.value}"
        machine = self._machine
        if machine is None or (machine.connection.sent_close and key not in self._begun):
            return
        self.alert_send(level, error.alert)

    # --- keys

    def key_update(self, flags: int = 0) -> None:
        """Change the keys that we send with; with KU_PEER have the peer change its too."""
        if flags not in (0, c.KU_PEER):
            raise SessionError(codes.E_INVALID_REQUEST, f"key_update knows no flags {flags}")
        self._check_open()
        self._resumable("key_update", partial(self._update_keys, flags))
