"""A blocking socket with TLS on it.

    with socket.create_connection(("localhost", 4433)) as sock:
        stream = Stream(sock, config, server_name="localhost")
        stream.handshake()
        stream.send(b"hello")

A client answers requests for authentication by itself, inside `receive`, as they
come. A server calls `reauth`.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from time import monotonic
from types import TracebackType

from ..config import AuthRequest, ClientConfig, ServerConfig
from ..connection import Connection
from ..errors import TLSError, TruncationError, UsageError
from ..events import Established, Event, ReauthCompleted, ReauthRequested
from ..pki.choose import Wanted, choose_credential
from ..pki.credential import Credential
from ..pki.identity import Identity
from ..tickets import Ticket
from .answers import find_answer_now

__all__ = ["Answerer", "Stream"]

RECEIVE_SIZE = 256 * 1024
LINGER = 2.0  # seconds for which a closing stream reads what the peer still sends
LINGER_BYTES = 4 * 1024 * 1024

Answerer = Callable[[ReauthRequested], Credential | None]
"""Chooses what to answer a request with; None declines."""


class Stream:
    """TLS over a blocking socket.

    Timeouts are the socket's: a call that runs into one raises TimeoutError and
    loses nothing, and can be made again.

    Args:
        sock: connected; the stream sends and receives on it, and closes it.
        config: the policy; its class decides the role.
        server_name: client only: whom we mean to reach.
        answer: client only: chooses the credential for each request; the default
            takes the first of ``config.credentials`` that fits.
        session: client only: a ticket of an earlier connection, to resume it.
    """

    def __init__(
        self,
        sock: socket.socket,
        config: ClientConfig | ServerConfig,
        server_name: str | None = None,
        *,
        answer: Answerer | None = None,
        session: Ticket | None = None,
    ) -> None:
        self.connection = Connection(config, server_name, session=session)
        """The engine, for what this class does not show."""
        self.events: list[Event] = []
        """Events that nobody waited for, oldest first; yours to clear."""
        self._sock = sock
        self._answer = answer or self._choose
        self._completed: dict[bytes, ReauthCompleted] = {}
        self._unsent = b""
        self._closed = False

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def peer_identity(self) -> Identity | None:
        """Whom the peer has proven to be, as of now."""
        return self.connection.peer_identity

    def handshake(self) -> Established:
        """Shake hands; again, it only returns what was settled.

        Raises:
            TLSError: it failed; the alert has been sent.
            TruncationError: the peer hung up.
        """
        connection = self.connection
        connection.start()
        self._settle()
        while connection.established is None:
            self._pump()
        return connection.established

    def send(self, data: bytes | bytearray | memoryview) -> None:
        """Send application data, all of it."""
        self.handshake()
        self.connection.send_data(data)
        self._flush()

    def receive(self, size: int = 65536) -> bytes:
        """Receive at most `size` bytes; waits for at least one.

        All of it came while the peer was known as one and the same;
        `receive_with_identity` says as whom.

        Returns:
            The data, or ``b""`` when the peer said that it will send no more.

        Raises:
            TLSError: the connection failed. What came before was returned first.
            TruncationError: the stream ended without a goodbye.
        """
        return self.receive_with_identity(size)[0]

    def receive_with_identity(self, size: int = 65536) -> tuple[bytes, Identity | None]:
        """Receive as `receive` does, and say who sent it."""
        connection = self.connection
        while not connection.readable:
            if connection.peer_closed:
                return b"", connection.peer_identity
            if connection.failure is not None:
                raise connection.failure
            self.handshake()
            if not connection.readable and not connection.peer_closed:
                self._pump()
        identity = connection.read_identity
        return connection.read(size), identity

    def reauth(self, request: AuthRequest | None = None) -> ReauthCompleted:
        """Server: ask the client to authenticate, and wait for the outcome (§4.6.2).

        Data that the client sends meanwhile is kept for `receive`.

        Raises:
            ReauthUnavailable: the client did not offer it, or the application
                protocol forbids it; the connection is unharmed.
            TLSError: the client's answer broke the protocol, or the request said
                that a refusal ends the connection.
            TruncationError: the client hung up.
        """
        return self.wait(self.request_auth(request))

    def request_auth(self, request: AuthRequest | None = None) -> bytes:
        """Server: ask the client to authenticate, and return the request's context."""
        self.handshake()
        context = self.connection.request_auth(request)
        self._flush()
        return context

    def wait(self, context: bytes) -> ReauthCompleted:
        """Server: wait for the outcome of a request made with `request_auth`."""
        connection = self.connection
        while context not in self._completed:
            if connection.failure is not None:
                raise connection.failure
            if connection.peer_closed:
                raise TruncationError("the client said goodbye and did not answer")
            if context not in connection.open_requests:
                raise UsageError("no request has this context")
            self._pump()
        return self._completed.pop(context)

    def key_update(self, request_peer: bool = False) -> None:
        """Change the keys that we send with, and perhaps ask the peer to (§4.6.3)."""
        self.connection.key_update(request_peer)
        self._flush()

    def close(self) -> None:
        """Say goodbye and close the socket.

        Our side is shut first and what the peer still sends is read for a short
        while: else the system would answer it with a reset, and that could
        overtake our last words, an alert among them.
        """
        if self._closed:
            return
        self._closed = True
        self.connection.close()
        with contextlib.suppress(OSError):
            self._flush()
            self._sock.shutdown(socket.SHUT_WR)
            self._drain()
        self._sock.close()

    # --- inside

    def _pump(self) -> None:
        """Send what is due, wait for input or a deadline, and take what came."""
        self._flush()
        connection = self.connection
        try:
            data = self._wait_for_input()
            if data is None:
                connection.check_deadlines()
            elif data:
                connection.receive_data(data)
            else:
                connection.receive_eof()
            self._settle()
        except TLSError:
            self._settle()
            with contextlib.suppress(OSError):  # the reason matters more
                self._flush()
            raise
        self._flush()

    def _wait_for_input(self) -> bytes | None:
        """Receive from the socket; None when a request's deadline came first."""
        deadline = self.connection.next_deadline()
        if deadline is None:
            return self._sock.recv(RECEIVE_SIZE)
        timeout = self._sock.gettimeout()
        left = max(0.0, deadline - self.connection.config.clock())
        if timeout is not None and timeout < left:
            return self._sock.recv(RECEIVE_SIZE)
        self._sock.settimeout(left or 1e-6)  # 0 would mean not to block at all
        try:
            return self._sock.recv(RECEIVE_SIZE)
        except TimeoutError:
            return None
        finally:
            self._sock.settimeout(timeout)

    def _settle(self) -> None:
        """Answer all questions and requests, and sort the events."""
        connection = self.connection
        broken: BaseException | None = None
        while True:
            while (question := connection.next_question()) is not None:
                found = find_answer_now(question.subject)
                connection.answer(question.id, found)
                if isinstance(found, BaseException):
                    # only a request's signature fails without harm: then decline
                    broken = found
            event = connection.next_event()
            if event is None:
                break
            if isinstance(event, ReauthCompleted):
                self._completed[event.context] = event
            elif isinstance(event, ReauthRequested):
                connection.answer_auth(event.context, self._answer(event))
            else:
                self.events.append(event)
        if broken is not None:
            for context in connection.open_requests:
                connection.answer_auth(context, None)
            raise broken

    def _choose(self, request: ReauthRequested) -> Credential | None:
        return choose_credential(
            self.connection.config.credentials,
            Wanted(
                request.authorities,
                request.signature_algorithms,
                request.signature_algorithms_cert,
                request.oid_filters,
            ),
        )

    def _flush(self) -> None:
        """Send all that is due; what a timeout leaves over is sent first next time."""
        while self._unsent or self.connection.has_data_to_send:
            if not self._unsent:
                self._unsent = self.connection.data_to_send()
            view = memoryview(self._unsent)
            sent = 0
            try:
                while sent < len(view):
                    sent += self._sock.send(view[sent:])
            finally:
                self._unsent = bytes(view[sent:])

    def _drain(self) -> None:
        """Read and forget, until the peer is done or we have waited enough."""
        until = monotonic() + LINGER
        left = LINGER_BYTES
        while left > 0 and (wait := until - monotonic()) > 0:
            self._sock.settimeout(wait)
            data = self._sock.recv(RECEIVE_SIZE)
            if not data:
                return
            left -= len(data)
