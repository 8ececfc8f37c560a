"""A TLS connection without its transport: bytes in, bytes out, events and questions.

A Connection does no I/O, reads no clock but the configuration's, and calls no
code of its owner's except the configuration's observers. Its owner moves bytes
between it and a transport, reads its events, and answers its questions; see
`postshake.drive` for owners that do.
"""

from __future__ import annotations

from enum import Enum

from .config import AuthRequest, ClientConfig, Refusal, ServerConfig
from .constants import (
    AlertDescription,
    AlertLevel,
    CertificateCompressionAlgorithm,
    ProtocolVersion,
    Role,
)
from .errors import InternalError, PostshakeError, ReauthUnavailable, UsageError
from .events import Direction, Established, Event, Ticket
from .pki.credential import Credential
from .pki.identity import Identity
from .pki.names import normalize_server_name
from .protocol.channel_binding import channel_binding
from .protocol.engine import APPLICATION_DATA, Engine
from .protocol.exporter import export
from .protocol.outcome import HandshakeOutcome
from .protocol.tls13.reauth_server import ReauthServer
from .questions import Question
from .resumption.session12 import Session12

__all__ = ["Connection", "State"]


class State(Enum):
    """How far a connection has come."""

    NEW = "new"
    HANDSHAKING = "handshaking"
    OPEN = "open"
    CLOSED = "closed"
    """Both ends said close_notify."""
    BROKEN = "broken"
    """It failed; see `Connection.failure`. What was received can still be read."""


_ANY_ANSWER = AuthRequest()


class Connection:
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
        self._engine = Engine(config, server_name, session)
        self._plaintext = self._engine.event_queue.plaintext

    def __repr__(self) -> str:
        waiting = "".join(f", {each!r}" for each in self._engine.conversations())
        return f"<{type(self).__name__} {self.role.name} {self.state.value}{waiting}>"

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

    @property
    def wants_data(self) -> bool:
        """Whether more input can be used now; not while the handshake asks something."""
        engine = self._engine
        return engine.failure is None and not engine.received_close and not engine.held

    def data_to_send(self) -> bytes:
        """Take the bytes that the transport must carry."""
        layer = self._engine.layer
        output = layer.output
        return output.pop() if len(output) == 1 else layer.data_to_send()

    @property
    def has_data_to_send(self) -> bool:
        """Whether `data_to_send` would give any."""
        return bool(self._engine.layer.output)

    # --- application data

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
            if engine.post_handshake.key_updates.update_owed:
                engine.post_handshake.key_updates.send()
            layer.send(APPLICATION_DATA, data)
            if layer.outbound.sequence >= layer.outbound.update_due:
                engine.post_handshake.key_updates.send()
        except InternalError as error:  # a part of the data may be queued already
            engine.fail(error)
            raise

    @property
    def can_send_data(self) -> bool:
        """Whether `send_data` may be called.

        That is while the connection is open; and on a server with
        ``config.send_half_rtt_data`` from its own Finished on, when nobody has proven yet to
        be there (§4.4.4).
        """
        engine = self._engine
        is_open = engine.outcome is not None and engine.failure is None and not engine.link.closed
        return is_open or engine.may_send_half_rtt

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

    def take_data(self, size: int = -1) -> tuple[bytes, Identity | None, bool]:
        """Take data as `read` does, and say what `read_identity` and `read_is_early` say of it."""
        return self._plaintext.take(size)

    @property
    def readable(self) -> int:
        """How many bytes of application data wait to be read."""
        plaintext = self._plaintext
        return plaintext.position - plaintext.read_position

    @property
    def readable_in_record(self) -> int:
        """How many of these bytes came in one record: the one read from next."""
        return self._plaintext.left_of_record

    @property
    def unread_size(self) -> int:
        """How much memory these bytes take, about: in small records far more than they are.

        Whoever keeps data for somebody who does not read holds this against a limit.
        """
        return self._plaintext.size

    @property
    def read_position(self) -> int:
        """How many bytes of application data were read so far."""
        return self._plaintext.read_position

    @property
    def read_identity(self) -> Identity | None:
        """Whom the peer had proven to be when the next byte to read was received."""
        return self._plaintext.read_identity

    @property
    def read_is_early(self) -> bool:
        """Server: whether the next byte to read is early data (§2.3).

        It can be read before the handshake is complete. It may be a replay, and is
        nobody's: whoever is authenticated later did not say it by that. No piece
        that is read holds early data and other data.
        """
        return self._plaintext.read_position < self._plaintext.early_end

    # --- events and questions

    @property
    def has_news(self) -> bool:
        """Whether an event or a question waits to be taken."""
        queue = self._engine.event_queue
        return queue.events is not None or queue.questions is not None

    def next_event(self) -> Event | None:
        """Take the oldest event; None if there is none."""
        return self._engine.event_queue.next_event()

    def next_question(self) -> Question | None:
        """Take the oldest question; None if there is none. Every one wants an answer."""
        return self._engine.event_queue.next_question()

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

    # --- how far it is, and what was settled

    @property
    def config(self) -> ClientConfig | ServerConfig:
        """The policy in force; a server's may be another one after `ChooseConfig`."""
        return self._engine.link.config

    @property
    def role(self) -> Role:
        """Which end we are."""
        return self._engine.role

    @property
    def state(self) -> State:
        """How far the connection has come."""
        engine = self._engine
        if engine.failure is not None:
            return State.BROKEN
        if engine.link.closed and engine.received_close:
            return State.CLOSED
        if engine.outcome is not None:
            return State.OPEN
        return State.HANDSHAKING if engine.started else State.NEW

    @property
    def failure(self) -> PostshakeError | None:
        """Why the connection is broken, if it is: a new exception each time, to be raised."""
        failure = self._engine.failure
        return failure.without_traceback() if failure is not None else None

    @property
    def established(self) -> Established | None:
        """What the handshake settled; None until it is complete."""
        outcome = self._engine.outcome
        return outcome.established if outcome is not None else None

    @property
    def certificate_compression(self) -> CertificateCompressionAlgorithm | None:
        """How the certificate that we sent last was made shorter; None if it was not (RFC 8879)."""
        return self._engine.link.certificate_compression

    # --- who the peer is

    @property
    def peer_identity(self) -> Identity | None:
        """Whom the peer has proven to be, as of now; None if nobody."""
        return self._plaintext.identity

    @property
    def identity_history(self) -> tuple[tuple[int, Identity | None], ...]:
        """From which position in the received data on the peer was known as whom."""
        return tuple(self._plaintext.history)

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
        requests = self._engine.post_handshake.reauth_client
        if self._is_tls12:
            raise ReauthUnavailable(
                "TLS 1.2 was chosen, which has no post-handshake authentication"
            )
        if requests is None:
            raise UsageError("only a client answers requests for authentication")
        with self._engine.failing(harmless=UsageError):
            requests.answer(context, credential)

    @property
    def open_requests(self) -> tuple[bytes, ...]:
        """Contexts of the requests that wait, oldest first.

        On a server they wait for the client's answer or for a verdict, on a client
        for our own answer.
        """
        engine = self._engine
        after = engine.post_handshake
        if after.reauth_server is not None:
            return after.reauth_server.open_requests
        return after.reauth_client.pending_requests if after.reauth_client is not None else ()

    def next_deadline(self) -> float | None:
        """Return when `check_deadlines` is due, on `config.clock`; None for never."""
        requests = self._engine.post_handshake.reauth_server
        return requests.next_deadline() if requests is not None else None

    def check_deadlines(self) -> None:
        """Expire the requests whose time is up.

        Raises:
            CertificateRequired: one of them said that this ends the connection.
        """
        requests = self._engine.post_handshake.reauth_server
        if requests is not None and self.failure is None:
            with self._engine.failing():
                requests.expire()

    # --- sessions

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
        if self._engine.post_handshake.issuer is None:
            raise UsageError("only a server sends tickets")
        if count < 1:
            raise UsageError(f"expected to send at least one ticket, not {count}")
        with self._engine.failing():
            return self._engine.post_handshake.issuer.issue(count)

    @property
    def tickets(self) -> tuple[Ticket, ...]:
        """Client: the session tickets received so far, newest last."""
        store = self._engine.post_handshake.tickets
        return tuple(store.tickets) if store is not None else ()

    @property
    def session(self) -> Ticket | Session12 | None:
        """Client: what the next connection to this server can resume, if there is anything.

        The newest ticket, which in TLS 1.3 comes after the handshake, or the session of TLS 1.2.
        """
        tickets = self.tickets
        return tickets[-1] if tickets else self.session12

    @property
    def session12(self) -> Session12 | None:
        """Client: from what a TLS 1.2 connection can be resumed, if the server lets us."""
        outcome = self._engine.outcome
        return outcome.session12 if outcome is not None and self.role is Role.client else None

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
            self._engine.post_handshake.key_updates.send(request_peer)

    def export(self, label: bytes, context: bytes | None, length: int) -> bytes:
        """Derive keying material for an application (§7.5, RFC 5705).

        In TLS 1.2 no context and an empty one give different results.

        Raises:
            UsageError: the handshake is not complete, the length is out of range, or
                TLS 1.2 was chosen by a peer without extended_master_secret (RFC 7627).
        """
        return export(self._outcome().secrets, label, context, length)

    def channel_binding(self, kind: str = "tls-exporter") -> bytes:
        """Return what names this connection to a protocol above (RFC 9266, RFC 5929).

        Args:
            kind: ``"tls-exporter"``; ``"tls-unique"`` in TLS 1.2 alone; or
                ``"tls-server-end-point"``, which names the server and not the connection.

        Raises:
            UsageError: the handshake is not complete; there is no such kind; or this connection
                has none: TLS 1.2 without extended_master_secret (RFC 7627), no certificate
                of the server's, one whose signature has no hash function (as Ed25519), or, on
                a server, a resumed session.
        """
        return channel_binding(self._outcome(), self._engine.role, kind)

    # --- ending

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

    @property
    def peer_closed(self) -> bool:
        """Whether the peer said close_notify: it will send no more."""
        return self._engine.received_close

    @property
    def sent_close(self) -> bool:
        """Whether we have said our last: close_notify, or a fatal alert."""
        return self._engine.link.closed

    # --- inside

    def _outcome(self) -> HandshakeOutcome:
        if self._engine.outcome is None:
            raise UsageError("the handshake is not complete")
        return self._engine.outcome

    def _server_side(self) -> ReauthServer:
        if self._is_tls12:
            raise ReauthUnavailable(
                "TLS 1.2 was chosen, which has no post-handshake authentication"
            )
        if self._engine.post_handshake.reauth_server is None:
            raise UsageError("only an established server asks for authentication")
        return self._engine.post_handshake.reauth_server

    def _check_open(self) -> None:
        engine = self._engine
        engine.check_working()
        if engine.outcome is None:
            raise ReauthUnavailable("the handshake is not complete")
        if engine.link.closed:
            raise UsageError("our side of the connection is closed")

    @property
    def _is_tls12(self) -> bool:
        established = self.established
        return established is not None and established.version == ProtocolVersion.TLS12
