"""A TLS transport of asyncio's own kind, with reauth; `postshake.drive.asyncio.streams` makes them.

Theory of operation
===================

Between the transport below and the protocol above stands one object, `TLSTransport`. What
comes from below goes through the engine, and what that gives goes up, in the same call: no task,
no queue. So does what is written, the other way. Tasks exist only where the owner's code is
asynchronous: signers, choosers, verifiers that are coroutines.

*Flow control.* Writing is the lower transport's: its buffer is full or not, and says so to
the protocol above. Reading is paused below when the protocol above pauses it, except while
a reauth waits: its answer is behind the data. Then what comes is kept, up to a bound.

*What cannot be sent* any more makes the transport below give up. What the peer sent before it
left is taken from the socket then, and goes up first.

*The end.* A goodbye from the peer is `eof_received` above, and writing may go on. Closing says
goodbye, and reads the peer's last words for a short while, so that they do not make the
system reset the connection before the peer has read ours.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from ...config import AuthRequest
from ...errors import PostshakeError, ReauthUnavailable
from ...events import ReauthCompleted
from ...pki.identity import Identity
from ..answers import reauth_result
from .protocol import Joint

__all__ = ["Below", "TLSTransport"]


class TLSTransport(Joint):
    """TLS over a transport of asyncio's; see `asyncio.Transport`.

    `get_extra_info` knows, besides what the lower transport does, ``connection`` (the
    engine), ``peer_identity``, ``peercert_der``, ``alpn_protocol``, ``cipher`` and
    ``tls_version``.

    Args:
        protocol: the protocol above.
        config: the policy; its class decides the role.
        server_name: client only: whom we mean to reach.
        answer: client only: chooses the credential for each request, and may be a
            coroutine; the default takes the first of ``config.credentials`` that fits. If it
            fails, or the key cannot sign, the request is declined, and the event loop's
            exception handler told.
        max_unread: how many bytes of memory what comes may take while a reauth waits and
            reading is paused; small records take more than their data.
        shutdown_time: for how many seconds `close` tries to send what was written.
        options: what `postshake.Connection` takes besides, such as ``session``.
    """

    def __repr__(self) -> str:
        return f"<TLSTransport {self.connection!r}{' closing' if self._closing else ''}>"

    # --- asyncio.BaseTransport

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what is known under this name."""
        connection = self.connection
        established = connection.established
        match name:
            case "connection":
                return connection
            case "peer_identity":
                return connection.peer_identity
            case "peercert_der":
                peer = connection.peer_identity
                return peer.chain[0] if peer is not None else default
            case "alpn_protocol" | "cipher" | "tls_version" if established is not None:
                found = {
                    "alpn_protocol": established.alpn_protocol,
                    "cipher": established.suite.code.name,
                    "tls_version": established.version,
                }
                return found[name]
            case _:
                return self._raw.get_extra_info(name, default) if self._raw else default

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Let another protocol be above."""
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol above."""
        return self._protocol

    def is_closing(self) -> bool:
        """Whether it is closed, or about to be."""
        return self._closing or self._lost

    def close(self) -> None:
        """Say goodbye when all that was written has left, and close; reading ends at once."""
        if self._closing or self._raw is None:
            return
        self._closing = True
        if not self._made:
            self.abort()
            return
        self._fail_reauths(ReauthUnavailable("the connection was closed before the answer came"))
        with contextlib.suppress(PostshakeError):
            self.connection.close()
        self._send()
        self._part()

    def abort(self) -> None:
        """Close at once; what was not sent yet is lost, and no goodbye is said."""
        self._closing = True
        if self._raw is not None:
            self._raw.abort()

    # --- reading

    def is_reading(self) -> bool:
        """Whether the protocol above is given data."""
        return not self._paused and not self._closing

    def pause_reading(self) -> None:
        """Give the protocol above no data until `resume_reading`."""
        self._paused = True
        self._control_reading()

    def resume_reading(self) -> None:
        """Go on giving data to the protocol above."""
        if not self._paused:
            return
        self._paused = False
        self._loop.call_soon(self._resume)

    def _resume(self) -> None:
        if not self._paused and not self._lost:
            self._go_on()

    @property
    def data_identity(self) -> Identity | None:
        """Whom the peer had proven to be when it sent what `data_received` was given last.

        ``peer_identity`` is as of now, and what was sent before an answer may be
        delivered after it.
        """
        return self._data_identity

    @property
    def data_is_early(self) -> bool:
        """Whether what `data_received` was given last was early data, maybe a replay (§2.3)."""
        return self._data_is_early

    # --- writing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send data; it does not wait, see the protocol's `pause_writing`."""
        if self._closing or self._raw is None or not data:
            return  # as asyncio's: connection_lost tells
        if self.connection.sent_close:
            raise RuntimeError("cannot call write() after write_eof()")
        self._wrote = True
        self.connection.send_data(data)
        self._raw.write(self.connection.data_to_send())

    def writelines(self, list_of_data: Any) -> None:
        """Send several pieces of data as one."""
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        """Return True: the ways of a TLS 1.3 connection end one by one."""
        return True

    def write_eof(self) -> None:
        """Say that we send no more; the peer may, and reading goes on (§6.1)."""
        with contextlib.suppress(PostshakeError):
            self.connection.close()
        self._send()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set from how many unsent bytes on the protocol is to pause, and when to go on."""
        if self._raw is not None:
            self._raw.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        """Return how many bytes wait to be sent."""
        return self._raw.get_write_buffer_size() if self._raw is not None else 0

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Return the low and the high mark."""
        return self._raw.get_write_buffer_limits() if self._raw is not None else (0, 0)

    # --- reauth

    async def reauth(self, request: AuthRequest | None = None) -> Identity | None:
        """Server: ask the client to authenticate, and wait for the outcome (§4.6.2).

        Data goes on both ways meanwhile, and other requests may be out. What comes before
        the answer is from whoever the client was before. Cancelled, it withdraws the
        request: a late answer is read and ignored.

        Returns:
            Whom the client proved to be; None if it declined, and was free to.

        Raises:
            CertificateError: its certificate was refused; or it declined, and must not.
            TimeoutError: it did not answer before the request's deadline.
            ReauthUnavailable: it cannot be asked, or said goodbye.
            DataWaiting: it sends more than is kept, and reading has been paused for five
                seconds. The request is withdrawn.
            TLSError, TruncationError, OSError: the connection failed before.
        """
        if self._closing:
            raise ReauthUnavailable("the connection is closed")
        context = self.connection.request_auth(request)
        outcome: asyncio.Future[ReauthCompleted] = self._loop.create_future()
        self._reauths[context] = outcome
        self._send()
        self._arm()
        self._control_reading()
        try:
            return reauth_result(await outcome, request or AuthRequest())
        finally:
            self._reauths.pop(context, None)
            if self.connection.failure is None and context in self.connection.open_requests:
                self.connection.cancel_auth(context)
                self._settle()
            self._control_reading()

    def _arm(self) -> None:
        """Look at the deadlines when the next one is due."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        due = self.connection.next_deadline()
        if due is not None:
            delay = max(0.0, due - self.connection.config.clock())
            self._deadline = self._loop.call_later(delay, self._expire)

    def _expire(self) -> None:
        self._deadline = None
        self._advance(self.connection.check_deadlines)
        self._arm()


class Below(asyncio.Protocol):
    """The protocol of the transport below."""

    def __init__(self, above: Joint) -> None:
        self._above = above
        self.data_received = above._receive  # type: ignore[method-assign]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The transport below is there."""
        self._above._connect(transport)  # type: ignore[arg-type]

    def eof_received(self) -> bool:
        """No more will come."""
        self._above._end()
        return not self._above.is_closing()

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport below is closed."""
        self._above._lose(exc)

    def pause_writing(self) -> None:
        """The buffer below is full."""
        if self._above._made:
            self._above._protocol.pause_writing()

    def resume_writing(self) -> None:
        """There is room again."""
        if self._above._made:
            self._above._protocol.resume_writing()
