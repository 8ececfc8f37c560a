"""The engine's only door: bytes in, bytes out, events and questions.

A Connection does no I/O, reads no clock but the configuration's, and calls no
code of its owner's except the configuration's observers. Its owner moves bytes
between it and a transport, reads its events, and answers its questions; see
`postshake.drive` for owners that do.
"""

from __future__ import annotations

from .config import AuthRequest, ClientConfig, Refusal, ServerConfig
from .constants import AlertDescription, AlertLevel
from .errors import InternalError, ReauthUnavailable, UsageError
from .events import Direction, Event, Ticket
from .facts import Facts, State
from .pki.credential import Credential
from .pki.names import normalize_server_name
from .protocol.engine import APPLICATION_DATA, Engine
from .protocol.exporter import channel_binding, export
from .protocol.outcome import SessionSecrets
from .protocol.reauth_server import ReauthServer
from .protocol.secrets12 import SessionSecrets12
from .questions import Question
from .session12 import Session12

__all__ = ["Connection", "State"]


_ANY_ANSWER = AuthRequest()


class Connection(Facts):
    """One TLS connection, client or server, without its transport.

    An owner does four things, in any order and at any pace: it gives what came
    from the transport to `receive_data`; sends what `data_to_send` gives; reads
    `next_event` and `read`; answers what `next_question` asks. Any call may queue
    bytes to send, also one that raises: then they hold the alert, and sending
    them is the last courtesy.

    Not safe for use by several threads at once.

    Args:
        config: the policy; its class decides the role.
        server_name: client only: the host name or address that we mean to reach.
            It may be left out only if ``config.check_server_name`` is off.
        session: client only: what an earlier connection to this server left, to be
            resumed; see `Connection.session`. If it is no good any more, or the server does
            not know it, there is a full handshake; ``established.resumed`` tells. Use
            each ticket once.

    Raises:
        UsageError: `server_name` is missing, is no name, or was given to a server; or
            a session was, or it is another server's.
    """

    def __init__(
        self,
        config: ClientConfig | ServerConfig,
        server_name: str | None = None,
        *,
        session: Ticket | Session12 | None = None,
    ) -> None:
        if session is not None and isinstance(config, ServerConfig):
            raise UsageError("a server learns the session from the client")
        if server_name is not None:
            if isinstance(config, ServerConfig):
                raise UsageError("a server learns the server name from the client")
            normalize_server_name(server_name)
        elif (
            isinstance(config, ClientConfig)
            and config.check_server_name
            and config.verifier is not None  # PSKs alone name the server themselves
        ):
            raise UsageError(
                "a client needs a server_name to hold the certificate against, "
                "or config.check_server_name=False"
            )
        if isinstance(session, Session12) and session.server_name != server_name:
            raise UsageError("a session of TLS 1.2 is for the server that it began with")
        super().__init__(Engine(config, server_name, session))

    # --- bytes

    def start(self) -> None:
        """Begin the handshake; a client's ClientHello is queued. Again: nothing."""
        self._engine.start()

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """Take bytes from the transport, however they are cut.

        Data that came before a failure stays readable.

        Raises:
            TLSError: the connection is over; `data_to_send` holds the alert.
            UsageError: the connection failed before, or a question must be
                answered first (see `wants_data`).
        """
        engine = self._engine
        if engine.data_alone and type(data) is bytes:  # nearly always
            if engine.layer.receive_data(data, self._plaintext):
                return
            data = b""  # there is more in it, which the layer keeps
        else:
            if engine.failure is not None:
                engine.check_working()
            if engine.received_close:
                return  # §6.1: what follows a closure alert is ignored
            if not engine.started:
                engine.start()
            if (
                engine.outcome is None
                and engine.held
                and engine.layer.buffered + len(data) > self.config.limits.waiting_input
            ):
                raise UsageError("answer the open question before giving more data")
        engine.receive(data)

    def receive_eof(self) -> None:
        """Note that the transport will bring no more.

        Raises:
            TruncationError: the peer did not say close_notify, so something may
                be missing. What was received can still be read.
        """
        self._engine.end_of_stream()

    def data_to_send(self) -> bytes:
        """Take the bytes that the transport must carry."""
        layer = self._engine.layer
        output = layer.output
        return output.pop() if len(output) == 1 else layer.data_to_send()

    def send_data(self, data: bytes | bytearray | memoryview) -> None:
        """Queue application data.

        A server may do so before the handshake is complete, where
        ``config.send_half_rtt_data`` says so: see `can_send_data`.

        Raises:
            UsageError: the handshake is not complete, or our side is closed.
        """
        engine = self._engine
        layer = engine.layer
        outbound = layer.outbound
        if (  # nearly always
            engine.data_alone
            and type(data) is bytes
            and 0 < len(data) <= layer.max_fragment_out
            and layer.padding is None
            and outbound.sequence + 1 < outbound.update_due
            and not engine.link.closed
        ):
            layer.output.append(outbound.seal_data(data))
            return
        if engine.failure is not None or engine.outcome is None or engine.link.closed:
            if not engine.may_send_half_rtt:
                self._check_open()
        if engine.link.config.trace is not None:
            engine.link.trace_record(Direction.sent, "application data", len(data))
        try:
            if engine.after.key_updates.owed:
                engine.after.key_updates.send()
            layer.send(APPLICATION_DATA, data)
            if layer.outbound.sequence >= layer.outbound.update_due:
                engine.after.key_updates.send()
        except InternalError as error:  # a part of the data may be queued already
            engine.fail(error)
            raise

    def send_early_data(self, data: bytes | bytearray | memoryview) -> None:
        """Client: send data ahead of the handshake, on the strength of a ticket (§2.3).

        Write the first of it before `start`; more may follow until the server has
        answered. If ``established.early_data_accepted`` is False in the end, the
        server has read nothing of it: send it again if you like.

        Anyone on the path can replay early data to the server, and it has no forward
        secrecy. Send only what may come twice.

        Raises:
            UsageError: we have no ticket that allows as much, it is too late, or we
                are a server.
        """
        engine = self._engine
        engine.check_working()
        if engine.early_data is None:
            raise UsageError("only a client sends early data")
        if engine.link.closed:
            raise UsageError("our side of the connection is closed")
        engine.early_data.write(data)

    def read(self, size: int = -1) -> bytes:
        """Take received application data: what is there, at most `size` bytes.

        No piece crosses a change of the peer's identity; `read_identity`, looked
        up before, says whose it is.
        """
        return self._plaintext.read(size)

    def close(self) -> None:
        """Say close_notify: we send no more, and may still receive (§6.1).

        Before the handshake is complete this gives the connection up: nothing
        more is taken.
        """
        engine = self._engine
        if engine.link.closed or engine.failure is not None:
            return
        with engine.failing():
            if engine.outcome is None:
                engine.give_up()
            else:
                engine.send_alert(AlertDescription.close_notify)

    def send_alert(self, description: AlertDescription, level: AlertLevel | None = None) -> None:
        """Send an alert of your own, after a failure too (§6).

        A connection sends what its failures call for by itself, unless
        ``config.send_alerts`` is off. A fatal alert and close_notify are the last
        that we say; receiving goes on.

        Args:
            description: which alert.
            level: None for the one that belongs to it.

        Raises:
            UsageError: we have said our last.
        """
        if self._engine.link.closed:
            raise UsageError("our side of the connection is closed")
        self._engine.send_alert(description, level)

    # --- events and questions

    def next_event(self) -> Event | None:
        """Take the oldest event; None if there is none."""
        return self._engine.desk.next_event()

    def next_question(self) -> Question | None:
        """Take the oldest question; None if there is none. Every one wants an answer."""
        return self._engine.desk.next_question()

    def answer(self, question_id: int, value: object) -> None:
        """Answer a question.

        An exception given as the value says that no answer could be found. That
        ends the connection, with internal_error if it is no TLSError. Only when a
        client's signature for a request fails there is no harm: nothing was sent,
        and the request is open as before, to be declined or tried again.

        Raises:
            UsageError: there is no such question.
            TLSError: the answer ends the connection.
            TruncationError: `receive_eof` was called before the answer.
        """
        try:
            self._engine.answer(question_id, value)
        finally:
            del value  # an exception's traceback has this frame

    # --- reauth

    def request_auth(self, request: AuthRequest | None = None) -> bytes:
        """Server: ask the client to authenticate now (§4.6.2).

        Returns at once with the context; `ReauthCompleted` reports the outcome.
        Data read before that event is from an unproven peer.

        Raises:
            ReauthUnavailable: the client did not offer post_handshake_auth or chose
                TLS 1.2, which does not know it, the
                application protocol forbids it, too many requests are open, the
                handshake is not complete, or the client has closed its side.
            UsageError: we are a client or closed, or the request makes no sense.
        """
        self._check_open()
        requests = self._server_side()
        if self._engine.received_close:
            raise ReauthUnavailable("the client said close_notify and can answer no more")
        with self._engine.failing(harmless=UsageError):
            return requests.request(request or _ANY_ANSWER)

    def cancel_auth(self, context: bytes) -> None:
        """Server: give a request up; a late answer is read and ignored.

        Raises:
            UsageError: no open request has this context.
        """
        self._server_side().cancel(context)

    def amend_auth(self, context: bytes, *, required: bool, on_refusal: Refusal) -> None:
        """Server: change what a missing or refused certificate will mean.

        Raises:
            UsageError: no open request has this context.
        """
        self._server_side().amend(context, required, on_refusal)

    def answer_auth(self, context: bytes, credential: Credential | None) -> None:
        """Client: answer a request for authentication; None declines (§4.6.2).

        In any order, and as late as you like; every request wants an answer. The
        signature is asked for as a question, and the answer leaves when it is
        there. TLS never says whether the server accepted it.

        Raises:
            UsageError: no open request has this context.
        """
        self._check_open()
        requests = self._engine.after.reauth_client
        if self._is_tls12:
            raise ReauthUnavailable(
                "TLS 1.2 was chosen, which has no post-handshake authentication"
            )
        if requests is None:
            raise UsageError("only a client answers requests for authentication")
        with self._engine.failing(harmless=UsageError):
            requests.answer(context, credential)

    def check_deadlines(self) -> None:
        """Expire the requests whose time is up.

        Raises:
            CertificateRequired: one of them said that this ends the connection.
        """
        requests = self._engine.after.reauth_server
        if requests is not None and self.failure is None:
            with self._engine.failing():
                requests.expire()

    # --- tickets

    def send_tickets(self, count: int = 1) -> int:
        """Server: send session tickets that carry who the client is known to be now.

        Tickets sent before a reauth know nothing of it: send new ones afterwards, or
        see ``config.tickets_after_reauth``.

        Returns:
            How many are sent: all, or 0 if the client could use none. That is when it
            does no resumption, when the session or the client's certificate has come
            to its end, or when its certificate could not be judged again because
            there is no ``config.verifier``.

        Raises:
            UsageError: `count` is not positive, we are a client, the handshake is not
                complete, or our side is closed.
        """
        self._check_open()
        if self._engine.after.issuer is None:
            raise UsageError("only a server sends tickets")
        if count < 1:
            raise UsageError(f"expected to send at least one ticket, not {count}")
        with self._engine.failing():
            return self._engine.after.issuer.issue(count)

    # --- keys

    def key_update(self, request_peer: bool = False) -> None:
        """Change the keys that we send with, and perhaps ask the peer to (§4.6.3).

        Raises:
            UsageError: the connection is not open, or is one of TLS 1.2.
        """
        self._check_open()
        if self._is_tls12:
            raise UsageError("TLS 1.2 has no key updates")
        with self._engine.failing():
            self._engine.after.key_updates.send(request_peer)

    def export(self, label: bytes, context: bytes | None, length: int) -> bytes:
        """Derive keying material for an application (§7.5, RFC 5705).

        In TLS 1.2 no context and an empty one give different results.

        Raises:
            UsageError: the handshake is not complete, the length is out of range, or
                TLS 1.2 was chosen by a peer without extended_master_secret (RFC 7627).
        """
        return export(self._secrets(), label, context, length)

    def channel_binding(self, kind: str = "tls-exporter") -> bytes:
        """Return what names this connection to a protocol above (RFC 9266)."""
        return channel_binding(self._secrets(), kind)

    # --- inside

    def _secrets(self) -> SessionSecrets | SessionSecrets12:
        if self._engine.outcome is None:
            raise UsageError("the handshake is not complete")
        return self._engine.outcome.secrets

    def _server_side(self) -> ReauthServer:
        if self._is_tls12:
            raise ReauthUnavailable(
                "TLS 1.2 was chosen, which has no post-handshake authentication"
            )
        if self._engine.after.reauth_server is None:
            raise UsageError("only an established server asks for authentication")
        return self._engine.after.reauth_server

    def _check_open(self) -> None:
        engine = self._engine
        engine.check_working()
        if engine.outcome is None:
            raise ReauthUnavailable("the handshake is not complete")
        if engine.link.closed:
            raise UsageError("our side of the connection is closed")
