"""One TLS connection with the interface of CPython's ``_ssl._SSLSocket``.

`SSLSocket` and `SSLObject` are the standard library's own classes. What they call, a
private object that in CPython is OpenSSL, is this one. So all that these classes do in
Python, timeouts, files, ragged ends, stays theirs.

Theory of operation
===================

Every call does what OpenSSL's would: it moves bytes until what it is for has happened, or
raises that it wants to read or write. Whatever arrives is settled in the call that read
it: key updates, tickets, a server's requests, a client's answers.

*Threads.* One may read while another writes, as programs do it with OpenSSL. The engine
is used under one lock, which nobody holds while waiting for a socket; reading and writing
have one each, so that bytes stay in order. Who reads never waits to write: if a writer is
at it, it sends what reading brought about.
"""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..config import AuthRequest, Refusal, ServerConfig
from ..connection import Connection
from ..errors import PostshakeError, UsageError
from ..values import replace
from .errors import ssl_error, translate
from .reauth import Reauth
from .session import SSLSession
from .settings import stricter_flags
from .settling import Settling
from .transports import BioTransport, Transport, check_is_tls

if TYPE_CHECKING:
    from .context import SSLContext

__all__ = ["Channel"]

PIECE = 64 * 1024  # of what is written to a socket: sealed and sent in turn
IGNORE_UNEXPECTED_EOF = 1 << 7


class Channel(Settling):
    """The TLS under one SSLSocket or SSLObject.

    Args:
        context: whose settings hold, as they are now.
        transport: where bytes come from and go to.
        server_side: whether we are the server.
        server_hostname: client: whom we mean to reach, in ASCII.
        owner: the SSLSocket or SSLObject, which callbacks get.
        session: client: what to resume.
    """

    def __init__(
        self,
        context: SSLContext,
        transport: Transport,
        server_side: bool,
        server_hostname: str | None,
        owner: Any,
        session: SSLSession | None,
    ) -> None:
        super().__init__(context, server_side, server_hostname)
        self.owner = owner
        self._transport = transport
        self._piece = 2**62 if isinstance(transport, BioTransport) else PIECE
        self._session: SSLSession | None = None
        if session is not None:
            self.session = session
        self._reading, self._writing = threading.RLock(), threading.RLock()
        self._state = threading.RLock()
        self._unsent: bytes | memoryview = b""
        self._taken = 0  # bytes of the data at hand that were sealed by a write that stopped
        self._began = False
        self._open: Connection | None = None  # once it has shaken hands
        self._reauths: dict[bytes, Reauth] = {}
        self._asked: tuple[AuthRequest, Reauth] | None = None

    # --- the session

    @property
    def session(self) -> SSLSession | None:
        """What the next connection may resume; None on a server that has shaken no hands."""
        connection = self._connection
        if connection is None or connection.established is None:
            return self._session
        return SSLSession(self._own_context, connection.session)

    @session.setter
    def session(self, session: SSLSession) -> None:
        if not isinstance(session, SSLSession):
            raise TypeError("Value is not a SSLSession.")
        if session.context is not self._own_context:
            raise ValueError("Session refers to a different SSLContext.")
        if self.server_side:
            raise ValueError("Cannot set session for server-side SSLSocket.")
        if self._connection is not None:
            raise ValueError("Cannot set session after handshake.")
        self._session = session

    # --- the handshake

    def do_handshake(self) -> None:
        """Shake hands; again, nothing."""
        self._shake(self._transport.limit())

    def _shake(self, limit: float | None) -> Connection:
        if self._open is not None:
            return self._open
        connection = self._connection
        if connection is None:
            connection = self._connect()
        with self._reading:
            self._check()
            self._step(connection.start)
            while connection.established is None:
                self._flush(limit)
                self._take(limit)
                self._check()  # it takes nothing more once it has failed, and says nothing
            self._flush(limit)
            self._open = connection
        self._own_context._count(self.server_side, good=True, resumed=self.session_reused)
        return connection

    def _connect(self) -> Connection:
        self._own_context._count(self.server_side)
        session = self._session.kept if self._session is not None else None
        name = self.server_hostname
        if session is not None and session.server_name != name:
            session = None
        config = self._config
        asks = self.server_side and self._own_context.sni_callback is not None
        if asks and isinstance(config, ServerConfig) and not config.choose_config:
            config = replace(config, choose_config=True)  # the callback was set since
        try:
            self._connection = Connection(config, name, session=session)
        except UsageError as error:
            raise translate(error, name) from error
        return self._connection

    # --- data

    def read(self, size: int = 1024, buffer: Any = None) -> Any:
        """Read at most `size` bytes, into a buffer if there is one; nothing at the end."""
        if buffer is None:
            if size < 0:
                raise ValueError("size should not be negative")
            return self._read(size) if size else b""
        view = memoryview(buffer).cast("B")
        data = self._read(size if 0 < size < len(view) else len(view)) if len(view) else b""
        view[: len(data)] = data
        return len(data)

    def _read(self, size: int) -> bytes:
        connection = self._connection
        if connection is not None and connection.readable:
            with self._state:
                if connection.readable:  # another thread may have been quicker
                    return connection.read(size)
        limit = self._transport.limit()
        connection = self._open or self._shake(limit)
        with self._reading:
            while True:
                if connection.readable:
                    with self._state:
                        if connection.readable:
                            return connection.read(size)
                if connection.failure is not None:
                    self._check()
                if connection.peer_closed:
                    if connection.sent_close:
                        raise ssl.SSLZeroReturnError(
                            ssl.SSL_ERROR_ZERO_RETURN, "TLS/SSL connection has been closed (EOF)"
                        )
                    return b""
                try:
                    self._take(limit)
                except ssl.SSLEOFError:
                    if not self._options & IGNORE_UNEXPECTED_EOF:
                        raise
                    return b""
                except ssl.SSLError:
                    if connection.failure is None or not connection.readable:
                        raise  # else the data came first; the failure is raised next time

    def write(self, data: Any) -> int:
        """Write all of the data.

        If it must stop in between, call it again with the same data: it goes on.
        """
        view: bytes | memoryview = data if type(data) is bytes else _bytes_of(data)
        size = len(view)
        limit = self._transport.limit()
        connection = self._open or self._shake(limit)
        with self._writing:
            if connection.failure is not None:
                self._check()
            if self._taken > size:
                raise ssl_error("BAD_WRITE_RETRY")
            if connection.sent_close:
                raise ssl_error("PROTOCOL_IS_SHUTDOWN")
            if self._unsent or connection.has_data_to_send:
                self._flush(limit)
            while self._taken < size:
                piece = view
                if size > self._piece or self._taken:
                    piece = memoryview(view)[self._taken : self._taken + self._piece]
                try:
                    with self._state:
                        connection.send_data(piece)  # it brings no event and no question
                except PostshakeError as error:
                    if connection.failure is None:  # another thread has said goodbye
                        raise ssl_error("PROTOCOL_IS_SHUTDOWN") from error
                    raise self._failed(error) from error
                self._taken += len(piece)
                self._flush(limit)
            self._taken = 0
        return size

    def pending(self) -> int:
        """Return how many bytes can be read without looking at the transport."""
        return self._connection.readable if self._connection is not None else 0

    @property
    def unsent(self) -> bool:
        """Whether bytes wait to be sent, here or in the memory buffer."""
        return bool(self._unsent) or self._transport.unsent

    def shutdown(self) -> Any:
        """Say goodbye, and wait for the peer's; return the socket, if it is one.

        Raises:
            SSLError: APPLICATION_DATA_AFTER_CLOSE_NOTIFY: the peer's data is not read yet.
        """
        limit = self._transport.limit()
        connection = self._connection
        if connection is None or connection.established is None:
            raise ssl_error("SHUTDOWN_WHILE_IN_INIT")
        with self._reading:
            self._check()
            if not connection.sent_close:
                self._step(connection.close)
            self._flush(limit)
            while not connection.peer_closed:
                if connection.readable:
                    raise ssl_error("APPLICATION_DATA_AFTER_CLOSE_NOTIFY")
                self._take(limit)
        return self.owner if not isinstance(self._transport, BioTransport) else None

    # --- reauth

    def verify_client_post_handshake(self) -> None:
        """Ask the client to authenticate. The answer is read with later data.

        A certificate that is refused, or is missing and must not be, ends the connection.
        """
        required = self._verify_mode == ssl.CERT_REQUIRED
        if self._verify_mode == ssl.CERT_NONE and self.server_side and self.version():
            raise ssl_error("INVALID_CONFIG")
        self.start_reauth(AuthRequest(required=required, on_refusal=Refusal.CLOSE))

    def start_reauth(self, policy: AuthRequest) -> Reauth:
        """Ask the client to authenticate, and return at once.

        Raises:
            SSLError: it did not offer that, or this is not TLS 1.3.
        """
        connection = self._connection
        if connection is None or self.version() != "TLSv1.3":
            raise ssl_error("WRONG_SSL_VERSION")
        if not self.server_side:
            raise ssl_error("NOT_SERVER")
        request = policy
        if policy.verifier is None and self._context is not self._configured:
            # a context that was set after the handshake judges what comes after it
            flags = stricter_flags(self._own_context, self._context)
            names = self._context.hostname_checks_common_name
            request = replace(policy, verifier=self._context._verifier(flags, names))
        with self._state:
            try:
                context = connection.request_auth(request)
            except UsageError as error:
                raise translate(error) from error
            reauth = self._reauths[context] = Reauth(policy, context)
        with contextlib.suppress(ssl.SSLWantWriteError):
            self._flush(self._transport.limit())
        return reauth

    def reauth(self, policy: AuthRequest) -> Reauth:
        """Ask the client, unless this very request is out already, and see it through."""
        if self._asked is None or self._asked[0] != policy:
            self._asked = policy, self.start_reauth(policy)
        reauth = self._asked[1]
        try:
            self.finish(reauth)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, TimeoutError):
            raise
        except BaseException:
            self._asked = None
            raise
        self._asked = None
        return reauth

    def finish(self, reauth: Reauth) -> None:
        """Wait until a request is settled."""
        limit = self._transport.limit()
        self._flush(limit)
        while not reauth.done:
            self._await(reauth, limit)

    def _await(self, reauth: Reauth, limit: float | None) -> None:
        connection = self._connected()
        self.check_deadlines()
        if reauth.done:
            return
        if connection.peer_closed:
            raise ssl_error("PEER_DID_NOT_RETURN_A_CERTIFICATE", "the client said goodbye")
        if connection.readable > connection.config.limits.waiting_input:
            raise ssl_error("DATA_WAITING", "read what the client sends, then call again")
        due = connection.next_deadline()
        if due is not None:
            wait = due - connection.config.clock()
            if not self._transport.wait(wait, limit):
                return  # to look at the deadline again
        with self._reading:
            if not reauth.done:
                self._take(limit)

    def cancel_reauth(self, reauth: Reauth) -> None:
        """Give a request up."""
        if not reauth.done and reauth.context in self._reauths:
            self._step(self._connected().cancel_auth, reauth.context)

    def check_deadlines(self) -> None:
        """Settle the requests whose time is up."""
        connection = self._connected()
        if connection.next_deadline() is not None:
            self._step(connection.check_deadlines)

    # --- moving bytes

    def _take(self, limit: float | None) -> None:
        """Take bytes from the transport, and let the engine have them."""
        connection = self._connected()
        data = self._transport.receive(limit)
        if data:
            if not self._began:
                self._began = True
                check_is_tls(data, self.server_side)
            self._step(connection.receive_data, data)
        else:
            self._step(connection.receive_eof)

    def _step(self, call: Callable[..., object], *arguments: Any) -> None:
        """Let the engine take a step, and settle what comes of it."""
        try:
            with self._state:
                try:
                    call(*arguments)
                finally:
                    if self._connected().has_news:
                        self._settle()
        except PostshakeError as error:
            raise self._failed(error) from error
        if self._connection is not None and self._connection.has_data_to_send:
            with contextlib.suppress(ssl.SSLWantWriteError):  # a later call sends it
                self._flush(self._transport.limit(), wait=False)

    def _failed(self, error: PostshakeError) -> Exception:
        """Send the alert, tell who waits, and return what is to be raised."""
        failure = translate(error, self.server_hostname)
        with contextlib.suppress(OSError):  # the reason matters more than the alert
            self._flush(self._transport.limit())
        for reauth in self._reauths.values():
            reauth.fail(failure)
        self._reauths.clear()
        return failure

    def _flush(self, limit: float | None, *, wait: bool = True) -> None:
        """Send what waits; unless `wait`, leave it to who is writing already."""
        connection = self._connected()
        if not self._writing.acquire(blocking=wait):
            return
        try:
            while self._unsent or connection.has_data_to_send:
                if not self._unsent:
                    with self._state:
                        self._unsent = connection.data_to_send()
                sent = self._transport.send(self._unsent, limit)
                left = sent < len(self._unsent)
                self._unsent = memoryview(self._unsent)[sent:] if left else b""
        finally:
            self._writing.release()

    def _check(self) -> None:
        connection = self._connected()
        if connection.failure is not None:
            raise translate(connection.failure, self.server_hostname) from connection.failure


def _bytes_of(data: Any) -> memoryview:
    view = memoryview(data)
    if not view.c_contiguous:
        raise BufferError("memoryview: underlying buffer is not C-contiguous")
    return view.cast("B")
