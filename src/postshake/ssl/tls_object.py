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
is used under one lock, `_state`, which nobody holds while waiting for a socket; reading and
writing have one each, `_reading` and `_writing`, so that bytes stay in order. Each may be taken
again by the thread that has it, for callbacks are called while it reads, and may ask the TLS
object, or begin another request. Who waits for something that another thread may read for it,
data or an answer, is told of each step that this thread makes.

*Reading does not wait to write.* What reading brings about, tickets, key updates, answers,
is sent if the socket takes it. If not, whoever reads on waits for both; a writer that is at
it sends it as well. If it cannot be sent any more, that is for those to learn who write, from
the system: what a peer sent before it left is read all the same, and why it left.

*What is kept.* Nothing here keeps a view of a caller's buffer, or an exception that was
raised, beyond the call that it belongs to: a view keeps the buffer from being resized, and
an exception keeps its callers' variables.
"""

from __future__ import annotations

import contextlib
import logging
import ssl
import threading
import weakref
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any

from .._dataclass import replace
from ..config import AuthRequest, ClientConfig, Config, Refusal, ServerConfig
from ..connection import Connection
from ..constants import AlertDescription, ProtocolVersion, Role, SignatureScheme
from ..drive.answers import find_answer_now
from ..errors import AlertReceived, PostshakeError, TLSError, UsageError, present
from ..events import Established, ReauthCompleted, ReauthRequested
from ..pki.credential import Credential
from ..pki.identity import Identity
from ..protocol.negotiate import choose_version
from ..questions import ChooseConfig, ChoosePsk, Question, Sign
from ..recording.recording import Recording
from .callbacks import ContextCallbacks, report_unraisable
from .constants import CHANNEL_BINDING_TYPES
from .engine_config import (
    cipher_name,
    config_for,
    credentials_of,
    stricter_flags,
    stricter_level,
    stricter_mode,
)
from .engine_settings import engine_settings
from .errors import alerting, failure, ssl_error, translate
from .peercert import certificate_dict
from .read_lock import ReadLock
from .reauth import Reauth
from .session import SSLSession
from .transports import BioTransport, Transport, check_is_tls
from .unusual_names import without_unusual_name

__all__ = ["TLSObject"]

log = logging.getLogger("postshake.ssl")

PIECE = 64 * 1024  # of what is written to a socket: sealed and sent in turn
IGNORE_UNEXPECTED_EOF = 1 << 7
STALL = 5.0  # seconds for which a reauth waits for another thread to read on; asyncio's, too
GLANCE = 0.05  # seconds between looks, should two threads wait for one to have read


_VERSIONS = {ProtocolVersion.TLS13: "TLSv1.3", ProtocolVersion.TLS12: "TLSv1.2"}


class TLSObject:
    """The TLS under one SSLSocket or SSLObject.

    Args:
        context: whose settings hold, as they are now.
        transport: where bytes come from and go to.
        server_side: whether we are the server.
        server_hostname: client: whom we mean to reach, in ASCII.
        owner: the SSLSocket or SSLObject, which callbacks get.
        session: client: what to resume.
        wrapped: the socket, if it is one, that `shutdown` gives back.

    Raises:
        TypeError: the context is none of ours, or the session is none.
    """

    __slots__ = (
        "__weakref__",
        "_asked",
        "_began",
        "_callbacks",
        "_config",
        "_configured",
        "_connection",
        "_cut",
        "_foreign",
        "_handshake_until",
        "_open",
        "_options",
        "_own",
        "_own_scheme",
        "_owner",
        "_piece",
        "_reader",
        "_reading",
        "_reauths",
        "_room",
        "_session",
        "_settings",
        "_settled",
        "_shown",
        "_state",
        "_taken",
        "_transport",
        "_unsent",
        "_verify_mode",
        "_wrapped",
        "_writing",
        "recording",
        "server_hostname",
        "server_side",
    )

    def __init__(
        self,
        context: ssl.SSLContext,
        transport: Transport,
        server_side: bool,
        server_hostname: str | None,
        owner: Any,
        session: SSLSession | None,
        wrapped: Any = None,
    ) -> None:
        self._own = context  # versions, options, tickets and callbacks
        self._shown = context  # certificates and trust
        self._settings = engine_settings(context)
        self.server_side = server_side
        self.server_hostname = server_hostname
        self.recording: Recording | None = None
        """What happens on the connection, where the context has it written down."""
        if self._settings.recorder is not None:
            self.recording = self._settings.recorder(Role.server if server_side else Role.client)
        self._owner = weakref.ref(owner) if owner is not None else None
        self._callbacks = ContextCallbacks(context, self._owner or weakref.ref(self))
        self._wrapped = weakref.ref(wrapped) if wrapped is not None else None
        self._transport = transport
        self._piece = 2**62 if isinstance(transport, BioTransport) else PIECE
        self._connection: Connection | None = None
        self._options = int(context.options)
        self._configure()
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
        self._handshake_until: float | None = None  # on `monotonic`
        self._open: Connection | None = None  # once it has shaken hands
        self._reauths: dict[bytes, Reauth] = {}
        self._settled: list[Reauth] = []  # of which those who wait are not told yet
        self._own_scheme: SignatureScheme | None = None  # by which we signed last
        self._asked: tuple[AuthRequest, Reauth] | None = None
        # the thread that waited last for data to read; its number may be another's by now
        self._reader: weakref.ref[threading.Thread] | None = None
        self._room: threading.Event | None = None  # that somebody has read, for who waits for it

    # --- whose settings hold

    @property
    def owner(self) -> Any:
        """The SSLSocket or SSLObject, which has us and is not kept alive by us."""
        return self._owner() if self._owner is not None else None

    @owner.setter
    def owner(self, owner: Any) -> None:
        self._owner = weakref.ref(owner)
        self._callbacks = ContextCallbacks(self._own, self._owner)

    @property
    def context(self) -> ssl.SSLContext:
        """The context; another one may be set, before the handshake or in an sni_callback.

        It brings its certificates, whom it trusts, its application protocols (a server's), its
        ciphers and signature algorithms; versions, groups, options and tickets stay those of
        the context that made this object. What the peer must prove is the stricter of both, in
        verify_mode, check_hostname, verify_flags and security level. After the handshake, it
        holds for post-handshake authentication.
        """
        return self._shown

    @context.setter
    def context(self, context: ssl.SSLContext) -> None:
        engine_settings(context)  # or it is none of ours
        self._shown = context
        if self._connection is None:
            self._configure()

    def _configure(self) -> None:
        """Go by the settings of the two contexts, as they are now."""
        own, shown = self._own, self._shown
        config = config_for(own, self.server_side, shown)
        if self.recording is not None:
            config = replace(config, trace=self.recording.trace)
        self._config = config
        self._configured = shown  # the context that the configuration goes by
        self._verify_mode = stricter_mode(own, shown)

    # --- the session

    @property
    def session(self) -> SSLSession | None:
        """What the next connection may resume; None on a server that has shaken no hands."""
        connection = self._connection
        if connection is None or connection.established is None:
            return self._session
        return SSLSession(self._own, connection.session)

    @session.setter
    def session(self, session: SSLSession) -> None:
        if not isinstance(session, SSLSession):
            raise TypeError("Value is not a SSLSession.")
        if session.context is not self._own:
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
            self._handshake(self._transport.limit())
        except TimeoutError as error:
            raise TimeoutError("The handshake operation timed out") from error
        self._check()  # it may have failed since

    def _handshake(self, limit: float | None) -> Connection:
        if self._open is not None:
            return self._open
        connection = self._connection
        if connection is None:
            connection = self._connect()
        limit, strict = self._handshake_deadline(limit)
        self._check()
        self._step(connection.start)
        while connection.established is None:
            self._flush_or_hear(limit, strict=strict)
            self._take_turn(self._handshake_is_over, limit, strict=strict)
            self._check()  # it takes nothing more once it has failed, and says nothing
        if not self.server_side or connection.established.version != ProtocolVersion.TLS13:
            self._flush_or_hear(limit)
        # else all that is left are tickets, which leave with what is read or written next: a
        # client that has sent its data and gone needs none
        with self._state:
            first, self._open = self._open is None, connection
        if first:
            self._settings.count(self.server_side, good=True, resumed=self.session_reused)
        return connection

    def _handshake_is_over(self) -> bool:
        connection = self._connected()
        return connection.established is not None or connection.failure is not None

    def _handshake_deadline(self, limit: float | None) -> tuple[float | None, bool]:
        """When a handshake must be over at the latest; and whether that is our own deadline."""
        seconds = self._settings.handshake_timeout
        if not self.server_side or seconds is None:
            return limit, False
        if self._handshake_until is None:
            self._handshake_until = monotonic() + seconds
        if limit is not None and limit < self._handshake_until:
            return limit, False
        return self._handshake_until, True

    def _connect(self) -> Connection:
        self._settings.count(self.server_side)
        session = self._session.kept if self._session is not None else None
        config, name = self._config, self.server_hostname
        if isinstance(config, ClientConfig):
            try:
                config, name = without_unusual_name(config, name)
            except UsageError as error:
                raise translate(error, name) from error
        if session is not None and session.server_name != name:
            session = None
        asks = self.server_side and self._settings.sni_callback is not None
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
                    return self._read_now(size)
        self._reader = weakref.ref(threading.current_thread())
        limit = self._transport.limit()
        connection = self._open or self._handshake(limit)
        while True:
            # in this order: another thread may bring both at once
            over = self._peer_is_done() or connection.failure is not None
            if connection.readable:
                with self._state:
                    if connection.readable:
                        return self._read_now(size)
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

    def _read_now(self, size: int) -> bytes:
        if self._room is not None:
            self._room.set()
        return self._connected().read(size)

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
        connection = self._open or self._handshake(limit)
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
        return self._wrapped() if self._wrapped is not None else None

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
        if policy.verifier is None and self._shown is not self._configured:
            # a context that was set after the handshake judges what comes after it
            flags = stricter_flags(self._own, self._shown)
            names = self._shown.hostname_checks_common_name
            level = stricter_level(self._own, self._shown)
            request = replace(
                policy, verifier=engine_settings(self._shown).find_verifier(flags, names, level)
            )
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
        begun = self._connected().read_position
        while not reauth.done:
            self.check_deadlines()
            if not reauth.done:
                self._await(reauth, limit, begun)

    def _is_full(self) -> bool:
        """Whether so much data waits to be read that no more is taken for the sake of an answer."""
        connection = self._connected()
        with self._state:
            return connection.unread_size > connection.config.limits.waiting_input

    def _await_room(self, reauth: Reauth, limit: float | None, begun: int) -> None:
        """Wait until the thread that reads has read, if there is one.

        Args:
            reauth: what is waited for; the other thread may bring it.
            limit: until when the call may take.
            begun: how much had been read when it began.

        Raises:
            SSLError: DATA_WAITING: nobody else reads, or has for a while.
            TimeoutError: the limit has passed.
        """
        connection = self._connected()
        reader = self._reader
        others = reader is not None and reader() is not threading.current_thread()
        if not self._transport.blocks or not (others or connection.read_position > begun):
            raise _data_waiting()
        if self._room is None:
            self._room = threading.Event()
        until = self._until_due(limit)
        before, stalled = connection.read_position, monotonic() + STALL
        while self._is_full() and not reauth.done and connection.failure is None:
            now = monotonic()
            if until is not None and now >= until:
                if limit is not None and now >= limit:
                    raise TimeoutError("The read operation timed out")
                return  # a deadline is to be looked at
            if connection.read_position > before:
                before, stalled = connection.read_position, now + STALL
            elif now >= stalled:
                raise _data_waiting()
            self._room.wait(GLANCE)
            self._room.clear()

    def _await(self, reauth: Reauth, limit: float | None, begun: int) -> None:
        self._check()
        if self._peer_is_done():
            raise ssl_error("PEER_DID_NOT_RETURN_A_CERTIFICATE", "the client said goodbye")
        if self._is_full():
            self._await_room(reauth, limit, begun)
            return
        until = self._until_due(limit)
        try:
            if self._send_now() and self._reading.taken:  # who reads waits to read alone
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
            self._step(connection.check_deadlines)

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
        waits = self._unsent or connection.has_data_to_send
        send = self._send_now if waits else None
        try:
            data = self._transport.receive(limit, strict=strict, send=send)
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

    def _step(self, call: Callable[..., object], *arguments: Any) -> None:
        """Let the engine take a step, and settle what comes of it.

        Args:
            call: a method of the connection's.
            arguments: for it.
        """
        try:
            with self._state:
                try:
                    call(*arguments)
                finally:
                    if self._connected().has_news:
                        self._handle_events()
        except PostshakeError as error:
            raise self._failed(error) from error
        finally:
            self._reading.tell()
        if self._connection is not None and self._connection.has_data_to_send:
            self._send_now()
        self._tell_settled()

    def _send_now(self) -> bool:
        """Send what the socket takes at once; return whether anything is left for us to send.

        It raises nothing: if nothing can be sent any more, the system says so again to who
        writes.
        """
        connection = self._connected()
        while self._writing.acquire(blocking=False):  # else who has it sends this, too
            try:
                while self._unsent or connection.has_data_to_send:
                    self._take_output()
                    sent = self._transport.send_now(self._unsent)
                    if not self._sent(sent):
                        return True
            except OSError:
                return False
            finally:
                self._writing.release()
            if not connection.has_data_to_send:  # it may have been queued since
                break
        return False

    def _take_output(self) -> None:
        """Take from the engine what is to be sent next, if nothing waits already."""
        if not self._unsent:
            with self._state:
                self._unsent = self._connected().data_to_send()

    def _sent(self, size: int) -> bool:
        """Note how much of it has left; return whether all has."""
        left = size < len(self._unsent)
        self._unsent = memoryview(self._unsent)[size:] if left else b""
        return not left

    def _failed(self, error: PostshakeError) -> Exception:
        """Send the alert, tell who waits, and return what is to be raised."""
        failure = translate(error, self.server_hostname)
        self._send_now()  # the reason matters more than the alert
        self._fail_reauths(partial(translate, error.without_traceback()))
        return failure

    def _fail_reauths(self, failure: Callable[[], Exception]) -> None:
        """Tell who waits for an answer that none will come."""
        with self._state:
            for reauth in self._reauths.values():
                reauth.fail(failure)
                self._settled.append(reauth)
            self._reauths.clear()
        self._tell_settled()

    def _tell_settled(self) -> None:
        """Tell those who wait for answers that are there, once no lock of ours is held.

        They may ask again, and so wait for whoever writes, who waits for `_state`.
        """
        while self._settled:
            try:
                reauth = self._settled.pop(0)
            except IndexError:  # another thread tells, too
                return
            reauth.tell()

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
                    self._take_output()
                    self._sent(self._transport.send(self._unsent, limit, strict=strict))
            finally:
                self._writing.release()
            if not self._connected().has_data_to_send:
                return
            wait = False  # whoever queued it since may have found us writing

    def _flush_or_hear(self, limit: float | None, *, strict: bool = False) -> None:
        """Send what waits; if the peer is gone, say why it left, if it told."""
        try:
            self._flush(limit, strict=strict)
        except ConnectionError:
            connection = self._connected()
            with contextlib.suppress(OSError):  # what it said is here by now, if anything is
                while connection.failure is None:
                    self._take_turn(lambda: connection.failure, monotonic(), strict=True)
            if isinstance(connection.failure, AlertReceived):
                self._check()
            raise

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

    # --- questions and events, with `_state` held

    def _handle_events(self) -> None:
        connection = self._connected()
        while True:
            if (question := connection.next_question()) is not None:
                self._answer(question)
            elif (event := connection.next_event()) is not None:
                if self.recording is not None:
                    self.recording.event(event)
                if isinstance(event, ReauthCompleted):
                    reauth = self._reauths.pop(event.context, None)
                    if reauth is not None:
                        reauth.settle(event)
                        self._settled.append(reauth)
                elif isinstance(event, ReauthRequested):
                    self._answer_request(event)
            else:
                return

    def _answer(self, question: Question) -> None:
        connection = self._connected()
        subject = question.subject
        if isinstance(subject, ChooseConfig):
            found: object = self._choose_config(subject)
        elif isinstance(subject, ChoosePsk) and subject.hint:
            found = self._callbacks.choose_psk(self._shown, subject.hint.decode())
        else:
            if isinstance(subject, Sign):
                self._own_scheme = subject.scheme
            found = find_answer_now(subject)
        try:
            connection.answer(question.id, found)
            if not isinstance(subject, Sign) or connection.failure is not None:
                return
            if isinstance(found, Exception):
                log.error("a request was declined: the key could not sign", exc_info=found)
                for context in connection.open_requests if not self.server_side else ():
                    connection.answer_auth(context, None)
        finally:
            del found  # an exception's traceback has this frame

    def _choose_config(self, subject: ChooseConfig) -> Config | Exception | None:
        """Call the sni_callback, and go by the context that is set then."""
        try:
            choose_version(subject.config, subject.client_hello)
        except TLSError:
            return None  # it ends here, whatever is chosen: nobody is asked, as in OpenSSL
        refusal = self._callbacks.call_sni_callback(subject.server_name)
        if refusal is not None:
            return refusal
        if self._shown is self._configured:
            return None
        try:
            self._configure()
        except (OSError, ValueError) as error:  # the context cannot be used: fail closed
            report_unraisable(error)
            return alerting(AlertDescription.internal_error)
        return self._config

    def _answer_request(self, request: ReauthRequested) -> None:
        connection = self._connected()
        if connection.failure is None and not connection.sent_close:
            credential = self._callbacks.choose_credential(request, self._credentials)
            connection.answer_auth(request.context, credential)

    def _credentials(self) -> tuple[Credential, ...]:
        """Client: what to choose from after the handshake."""
        if self._shown is self._configured:
            return self._config.credentials
        return credentials_of(self._shown, server_side=False)  # set after the handshake

    # --- what was agreed on, and with whom

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
        if self._shown is not self._own and self._shown.verify_mode == ssl.CERT_NONE:
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

    def _connected(self) -> Connection:
        return present(self._connection, "connection")


def _data_waiting() -> ssl.SSLError:
    return ssl_error("DATA_WAITING", "read what the client sends, then call again")
