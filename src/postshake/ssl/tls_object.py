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
at it, it sends what reading brought about. Who waits for something that another thread
may read for it, data or an answer, is told of each step that this thread makes.

*What is kept.* Nothing here keeps a view of a caller's buffer, or an exception that was
raised, beyond the call that it belongs to: a view keeps the buffer from being resized, and
an exception keeps its callers' variables.
"""

from __future__ import annotations

import contextlib
import ssl
import threading
import weakref
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from .._dataclass import replace
from ..config import AuthRequest, Refusal, ServerConfig
from ..connection import Connection
from ..errors import PostshakeError, UsageError
from .engine_config import stricter_flags, stricter_level
from .errors import failure, ssl_error, translate
from .read_lock import ReadLock
from .reauth import Reauth
from .session import SSLSession
from .settling import Settling
from .transports import BioTransport, Transport, check_is_tls

if TYPE_CHECKING:
    from .context import SSLContext

__all__ = ["TLSObject"]

PIECE = 64 * 1024  # of what is written to a socket: sealed and sent in turn
IGNORE_UNEXPECTED_EOF = 1 << 7


class TLSObject(Settling):
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
        self._owner = weakref.ref(owner) if owner is not None else None
        self._transport = transport
        self._piece = 2**62 if isinstance(transport, BioTransport) else PIECE
        self._session: SSLSession | None = None
        if session is not None:
            self.session = session
        self._reading, self._writing = ReadLock(), threading.RLock()
        self._state = threading.RLock()
        self._unsent: bytes | memoryview = b""
        self._taken = 0  # bytes of the data at hand that were sealed by a write that stopped
        self._began = False
        self._cut = False  # whether the stream ended, and OP_IGNORE_UNEXPECTED_EOF lets it
        self._foreign = b""  # what began the stream, if it was no TLS: no later call goes on
        self._shake_until: float | None = None  # on `monotonic`
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
        try:
            self._shake(self._transport.limit())
        except TimeoutError as error:
            raise TimeoutError("The handshake operation timed out") from error
        self._check()  # it may have failed since

    def _shake(self, limit: float | None) -> Connection:
        if self._open is not None:
            return self._open
        connection = self._connection
        if connection is None:
            connection = self._connect()
        limit, strict = self._until_shaken(limit)
        self._check()
        self._step(connection.start)
        while connection.established is None:
            self._flush(limit, strict=strict)
            self._take_turn(self._has_shaken, limit, strict=strict)
            self._check()  # it takes nothing more once it has failed, and says nothing
        self._flush(limit)
        with self._state:
            first, self._open = self._open is None, connection
        if first:
            self._own_context._count(self.server_side, good=True, resumed=self.session_reused)
        return connection

    def _has_shaken(self) -> bool:
        connection = self._connected()
        return connection.established is not None or connection.failure is not None

    def _until_shaken(self, limit: float | None) -> tuple[float | None, bool]:
        """When a handshake must be over at the latest; and whether that is our own deadline."""
        seconds = self._own_context.handshake_timeout
        if not self.server_side or seconds is None:
            return limit, False
        if self._shake_until is None:
            self._shake_until = monotonic() + seconds
        if limit is not None and limit < self._shake_until:
            return limit, False
        return self._shake_until, True

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
        with memoryview(buffer) as given, given.cast("B") as view:
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
        while True:
            # in this order: another thread may bring both at once
            over = self._peer_is_done() or connection.failure is not None
            if connection.readable:
                with self._state:
                    if connection.readable:
                        return connection.read(size)
            if over:
                self._check()
                if connection.sent_close:
                    raise ssl.SSLZeroReturnError(
                        ssl.SSL_ERROR_ZERO_RETURN, "TLS/SSL connection has been closed (EOF)"
                    )
                return b""
            try:
                self._take_turn(self._has_arrived, limit)
            except ssl.SSLError:
                if connection.failure is None or not connection.readable:
                    raise  # else the data came first; the failure is raised next time

    def _has_arrived(self) -> object:
        connection = self._connected()
        return connection.readable or self._peer_is_done() or connection.failure is not None

    def _peer_is_done(self) -> bool:
        return self._cut or self._connected().peer_closed

    def write(self, data: Any) -> int:
        """Write all of the data.

        If it must stop in between, call it again with the same data: it goes on.
        """
        if type(data) is bytes:
            return self._write(data)
        with memoryview(data) as given:
            if not given.c_contiguous:
                raise BufferError("memoryview: underlying buffer is not C-contiguous")
            with given.cast("B") as view:
                return self._write(view)

    def _write(self, data: bytes | memoryview) -> int:
        size = len(data)
        limit = self._transport.limit()
        connection = self._open or self._shake(limit)
        self._acquire_writing(limit)
        try:
            if connection.failure is not None:
                self._check()
            if self._taken > size:
                raise ssl_error("BAD_WRITE_RETRY")
            if connection.sent_close:
                raise ssl_error("PROTOCOL_IS_SHUTDOWN")
            if self._unsent or connection.has_data_to_send:
                self._flush(limit)
            while self._taken < size:
                if size <= self._piece and not self._taken:
                    self._seal(data)
                    self._taken = size
                else:
                    end = self._taken + self._piece
                    with memoryview(data) as whole, whole[self._taken : end] as piece:
                        self._seal(piece)
                        self._taken += len(piece)
                self._flush(limit)
            self._taken = 0
        finally:
            self._writing.release()
        if connection.has_data_to_send:  # whoever queued it since may have found us writing
            with contextlib.suppress(OSError):  # all of the data was taken
                self._flush(limit, wait=False)
        return size

    def _seal(self, data: bytes | memoryview) -> None:
        connection = self._connected()
        try:
            with self._state:
                connection.send_data(data)  # it brings no event and no question
        except PostshakeError as error:
            error.__traceback__ = None  # its frames have views of the data
            if connection.failure is None:  # another thread has said goodbye
                raise ssl_error("PROTOCOL_IS_SHUTDOWN") from error
            raise self._failed(error) from error

    def uses_ktls_for_send(self) -> bool:
        """Say that it is not the kernel that seals: so files are read and sent by `write`."""
        return False

    def uses_ktls_for_recv(self) -> bool:
        """Say that it is not the kernel that opens records."""
        return False

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
        self._check()
        if not connection.sent_close:
            self._step(connection.close)
        self._flush(limit)
        while not self._peer_is_done():
            self._check()
            if connection.readable:
                raise ssl_error("APPLICATION_DATA_AFTER_CLOSE_NOTIFY")
            self._take_turn(self._has_arrived, limit)
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
            SSLError: it did not offer that, this is not TLS 1.3, or the connection is over.
        """
        connection = self._connection
        if connection is None or self.version() != "TLSv1.3":
            raise ssl_error("WRONG_SSL_VERSION")
        if not self.server_side:
            raise ssl_error("NOT_SERVER")
        self._check()
        if connection.sent_close:
            raise ssl_error("PROTOCOL_IS_SHUTDOWN")
        request = policy
        if policy.verifier is None and self._context is not self._configured:
            # a context that was set after the handshake judges what comes after it
            flags = stricter_flags(self._own_context, self._context)
            names = self._context.hostname_checks_common_name
            level = stricter_level(self._own_context, self._context)
            request = replace(policy, verifier=self._context._verifier(flags, names, level))
        with self._state:
            try:
                context = connection.request_auth(request)
            except UsageError as error:
                raise translate(error) from error
            reauth = self._reauths[context] = Reauth(policy, context)
        with contextlib.suppress(ssl.SSLWantWriteError, TimeoutError):  # a later call sends it
            self._flush(self._until_due(self._transport.limit()), strict=True)
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
        """Wait until a request is settled, by us or by whoever reads meanwhile."""
        limit = self._transport.limit()
        while not reauth.done:
            self.check_deadlines()
            if not reauth.done:
                self._await(reauth, limit)

    def _await(self, reauth: Reauth, limit: float | None) -> None:
        connection = self._connected()
        self._check()
        if self._peer_is_done():
            raise ssl_error("PEER_DID_NOT_RETURN_A_CERTIFICATE", "the client said goodbye")
        if connection.unread_size > connection.config.limits.waiting_input:
            raise ssl_error("DATA_WAITING", "read what the client sends, then call again")
        until = self._until_due(limit)
        try:
            self._flush(until, strict=True)
            self._take_turn(lambda: reauth.done or self._peer_is_done(), until, strict=True)
        except TimeoutError:
            if limit is not None and monotonic() >= limit:
                raise
            # else a deadline is to be looked at

    def _until_due(self, limit: float | None) -> float | None:
        """Return when to stop waiting: at the limit, or when the next request expires."""
        connection = self._connected()
        due = connection.next_deadline()
        if due is None:
            return limit
        due = monotonic() + due - connection.config.clock()
        return due if limit is None else min(limit, due)

    def cancel_reauth(self, reauth: Reauth) -> None:
        """Give a request up."""
        if not reauth.done and reauth.context in self._reauths:
            self._step(self._connected().cancel_auth, reauth.context)

    def check_deadlines(self) -> None:
        """Settle the requests whose time is up."""
        connection = self._connected()
        if connection.next_deadline() is not None:
            self._step(connection.check_deadlines, waits=False)

    # --- moving bytes

    def _take_turn(
        self, arrived: Callable[[], object], limit: float | None, *, strict: bool = False
    ) -> None:
        """Take bytes from the transport, unless another thread brings what we want.

        Whoever calls this looks again whether it is there.
        """
        if not self._reading.acquire(arrived, limit):
            return
        try:
            if not arrived():
                self._take(limit, strict)
        finally:
            self._reading.release()

    def _take(self, limit: float | None, strict: bool) -> None:
        """Take bytes from the transport, and let the engine have them."""
        connection = self._connected()
        if self._foreign:
            check_is_tls(self._foreign, self.server_side)
        try:
            data = self._transport.receive(limit, strict=strict)
        except ConnectionError as error:
            self._fail_reauths(partial(type(error), *error.args))
            raise
        if data:
            if not self._began:
                self._foreign = data
                check_is_tls(data, self.server_side)
                self._began, self._foreign = True, b""
            self._step(connection.receive_data, data)
        elif not self._options & IGNORE_UNEXPECTED_EOF or connection.failure is not None:
            self._step(connection.receive_eof)
        elif self._open is None:
            raise ssl.SSLZeroReturnError(
                ssl.SSL_ERROR_ZERO_RETURN, "TLS/SSL connection has been closed (EOF)"
            )
        else:  # for us the peer has said goodbye; the engine, which has no such option, waits on
            self._cut = True
            self._fail_reauths(failure)
            self._reading.tell()

    def _step(self, call: Callable[..., object], *arguments: Any, waits: bool = True) -> None:
        """Let the engine take a step, and settle what comes of it.

        Args:
            call: a method of the connection's.
            arguments: for it.
            waits: whether to wait until the socket has taken what is to be sent then.
        """
        try:
            with self._state:
                try:
                    call(*arguments)
                finally:
                    if self._connected().has_news:
                        self._settle()
        except PostshakeError as error:
            raise self._failed(error, waits) from error
        finally:
            self._reading.tell()
        if self._connection is not None and self._connection.has_data_to_send:
            with contextlib.suppress(ssl.SSLWantWriteError):  # a later call sends it
                self._flush_after_step(waits)

    def _flush_after_step(self, waits: bool) -> None:
        if waits:
            self._flush(self._transport.limit(), wait=False)
        else:
            with contextlib.suppress(TimeoutError):
                self._flush(monotonic(), wait=False, strict=True)

    def _failed(self, error: PostshakeError, waits: bool = True) -> Exception:
        """Send the alert, tell who waits, and return what is to be raised."""
        failure = translate(error, self.server_hostname)
        with contextlib.suppress(OSError):  # the reason matters more than the alert
            self._flush_after_step(waits)
        self._fail_reauths(partial(translate, error.without_traceback()))
        return failure

    def _fail_reauths(self, failure: Callable[[], Exception]) -> None:
        """Tell who waits for an answer that none will come."""
        with self._state:
            for reauth in self._reauths.values():
                reauth.fail(failure)
            self._reauths.clear()

    def _flush(self, limit: float | None, *, wait: bool = True, strict: bool = False) -> None:
        """Send what waits; unless `wait`, leave it to who is writing already."""
        connection = self._connected()
        while True:
            if wait:
                self._acquire_writing(limit)
            elif not self._writing.acquire(blocking=False):
                return
            try:
                while self._unsent or connection.has_data_to_send:
                    if not self._unsent:
                        with self._state:
                            self._unsent = connection.data_to_send()
                    sent = self._transport.send(self._unsent, limit, strict=strict)
                    left = sent < len(self._unsent)
                    self._unsent = memoryview(self._unsent)[sent:] if left else b""
            finally:
                self._writing.release()
            if not self._connected().has_data_to_send:
                return
            wait = False  # whoever queued it since may have found us writing

    def _acquire_writing(self, limit: float | None) -> None:
        """Wait until nobody else is writing."""
        if not self._writing.acquire(blocking=False):
            left = -1 if limit is None else max(limit - monotonic(), 0)
            if not self._writing.acquire(timeout=left):
                raise TimeoutError("The write operation timed out")

    def _check(self) -> None:
        failure = self._connected().failure
        if failure is not None:
            raise translate(failure, self.server_hostname)
