"""A session from its first `handshake` call on: what runs, and what may be called when."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial

from ..connection import Connection
from ..constants import AlertDescription, AlertLevel, ProtocolVersion, Role
from ..errors import PostshakeError, UsageError
from ..record.deframer import MAX_PLAINTEXT
from . import codes
from . import constants as c
from .certificate_choice import CertificateChooser
from .errors import Again, Interrupted, ReauthRequest, SessionError, translate
from .handshake import MainHandshake
from .reauth import ClientReauth, ServerReauth
from .record_driver import RecordDriver
from .settings import SessionSettings
from .transport import Transport
from .verification import PeerVerification

__all__ = ["ResumableCalls", "RunningSession"]


class ResumableCalls:
    """Calls whose bytes are queued and have not all left: made again, they go on.

    Args:
        driver: pushes what the engine has to send.
    """

    __slots__ = ("_driver", "_results")

    def __init__(self, driver: RecordDriver) -> None:
        self._driver = driver
        self._results: dict[str, int] = {}  # of those that were begun and did not end

    def __bool__(self) -> bool:
        """Whether any call was begun and did not end."""
        return bool(self._results)

    def begun(self, name: str) -> bool:
        """Return whether this call was begun and did not end."""
        return name in self._results

    def run(self, name: str, begin: Callable[[], int]) -> int:
        """Queue something once, however often its call is made, and push it.

        Args:
            name: which call it is, with what makes it another than one of the same name.
            begin: queues the bytes, and returns what the call is to return.

        Raises:
            Again, Interrupted: the transport takes no more now: run it again.
            SessionError: it failed.
        """
        driver = self._driver
        if name not in self._results:
            try:
                self._results[name] = begin()
            except PostshakeError as error:
                driver.fail(error)
        driver.flush()
        return self._results.pop(name)


class RunningSession:
    """What a session has from its first `handshake` call on.

    Args:
        settings: what was said to the session.
        transport: the way to the peer.
        verification: who judges the peer.
        chooser: who chooses what we show.
        connection: the engine, not started yet.
        handle: returns the session, which the application's functions get.
    """

    __slots__ = (
        "_settings",
        "calls",
        "client_reauth",
        "connection",
        "driver",
        "handshake",
        "server_reauth",
    )

    def __init__(
        self,
        settings: SessionSettings,
        transport: Transport,
        verification: PeerVerification,
        chooser: CertificateChooser,
        connection: Connection,
        handle: Callable[[], object],
    ) -> None:
        self._settings = settings
        self.connection = connection
        verification.connection = connection
        driver = self.driver = RecordDriver(transport, connection)
        self.calls = ResumableCalls(driver)
        self.handshake = MainHandshake(settings, verification, chooser, driver, handle)
        self.client_reauth: ClientReauth | None = None
        self.server_reauth: ServerReauth | None = None
        if settings.role is Role.client:
            self.client_reauth = ClientReauth(settings, chooser, driver)
        else:
            self.server_reauth = ServerReauth(settings, verification, driver)

    # --- what may be called

    def check_valid(self) -> None:
        """Raise E_INVALID_SESSION after a fatal error."""
        if self.driver.invalid:
            raise SessionError(codes.E_INVALID_SESSION)

    def check_complete(self) -> None:
        """Raise E_UNAVAILABLE_DURING_HANDSHAKE until the handshake is seen through."""
        if not self.handshake.complete:
            raise SessionError(codes.E_UNAVAILABLE_DURING_HANDSHAKE)

    def open(self) -> Connection:
        """Return the engine of a session that may send.

        Raises:
            SessionError: E_INVALID_SESSION, after a fatal error or our goodbye, but for
                calls that were begun before it; E_UNAVAILABLE_DURING_HANDSHAKE.
        """
        self.check_valid()
        self.check_complete()
        if self.connection.sent_close and not self.calls:
            raise SessionError(codes.E_INVALID_SESSION, "our side is closed")
        return self.connection

    # --- sending

    def send(self, name: str, data: bytes | bytearray | memoryview) -> int:
        """Send data for the call of this name, at most a record; return how much was taken."""
        return self.calls.run(name, partial(self._queue, data))

    def update_keys(self, name: str, *, request_peer: bool) -> None:
        """Change the keys that we send with, for the call of this name."""
        self.calls.run(name, partial(self._queue_key_update, request_peer))

    def send_tickets(self, name: str, count: int) -> None:
        """Send session tickets, for the call of this name."""
        self.calls.run(name, partial(self.connection.send_tickets, count))

    def send_alert(self, description: AlertDescription, level: AlertLevel) -> None:
        """Send an alert; another alert is another call."""
        name = _alert_call(description, level)
        self.calls.run(name, partial(self._queue_alert, description, level))

    def may_send_alert(self, description: AlertDescription, level: AlertLevel) -> bool:
        """Return whether `send_alert` can be called: our side is open, or it was begun."""
        return not self.connection.sent_close or self.calls.begun(_alert_call(description, level))

    def _queue(self, data: bytes | bytearray | memoryview) -> int:
        if type(data) is not bytes or len(data) > MAX_PLAINTEXT:  # bytes are sealed as they are
            data = memoryview(data)[:MAX_PLAINTEXT]
        self.connection.send_data(data)
        return len(data)

    def _queue_key_update(self, request_peer: bool) -> int:
        self.connection.key_update(request_peer)
        return 0

    def _queue_alert(self, description: AlertDescription, level: AlertLevel) -> int:
        try:
            self.connection.send_alert(description, level)
        except UsageError as error:
            raise translate(error) from error
        return 0

    # --- receiving

    @property
    def waits_for_answer(self) -> bool:
        """Client: whether a request for reauth has to be told of, or answered, first."""
        client = self.client_reauth
        return client is not None and (client.running or bool(self.driver.requests))

    def received(self, size: int) -> bytes | None:
        """Take data that is there; nothing at the end, None when there is none yet."""
        connection = self.connection
        if connection.readable:
            return connection.read(min(size, connection.readable_in_record))
        return b"" if connection.peer_closed and not self.driver.requests else None

    def take_record(self) -> None:
        """Take a record, within the time that `record_set_timeout` gives.

        Raises:
            Again, Interrupted: call again.
            SessionError: E_TIMEDOUT; or what came ends the session.
        """
        seconds = self._settings.record_timeout
        if seconds is None:
            self._take_record()
        else:
            with self.driver.transport.time_limit(seconds):
                self._take_record()

    def _take_record(self) -> None:
        """Take a record; in TLS 1.2, say at once that we do not renegotiate."""
        driver, established = self.driver, self.connection.established
        is_tls12 = established is not None and established.version is ProtocolVersion.TLS12
        if is_tls12:
            with suppress(Again, Interrupted):  # what is left of it must not keep us from reading
                driver.flush_answers()
        driver.take_record()
        if is_tls12 and not self.connection.readable:
            driver.flush_answers()

    def report_request(self) -> None:
        """Tell the application of a request for reauth, or answer it (AUTO_REAUTH)."""
        if self.client_reauth is not None:
            self.client_reauth.report_request()

    # --- the end

    def send_close(self) -> None:
        """Send close_notify, unless we have said our last."""
        if not self.connection.sent_close:
            self.connection.send_alert(AlertDescription.close_notify)
        self.driver.flush()

    def await_close(self) -> None:
        """Throw away what comes until the peer has said that no more will.

        Raises:
            Again, Interrupted: call again.
            ReauthRequest: client without AUTO_REAUTH: the server asks for authentication.
        """
        connection, driver = self.connection, self.driver
        while not connection.peer_closed and not driver.transport.ended:
            driver.take_record(closing=True)
            connection.read()
            if driver.requests:
                driver.requests.popleft()
                if not self._settings.flags & c.AUTO_REAUTH:
                    raise ReauthRequest


def _alert_call(description: AlertDescription, level: AlertLevel) -> str:
    return f"alert {level.value} {description.value}"
