"""Bytes to and from the peer: a socket, or a push and a pull function.

Any call may stop at any byte. What was pulled is kept until it makes a whole record,
what was not pushed yet is pushed next time; so the call that stopped can be made again.

Not a byte more is pulled than the record at hand needs. So an application that waits
for its socket to become readable never waits for what was read already.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TypeVar

from ..record.deframer import HEADER_LENGTH, MAX_CIPHERTEXT
from . import codes
from .errors import Again, Interrupted, SessionError

__all__ = ["Pull", "Push", "Transport"]

A = TypeVar("A")
T = TypeVar("T")

Push = Callable[[memoryview], int | None]
"""Takes bytes for the peer, and returns how many it took."""
Pull = Callable[[int], bytes | None]
"""Returns at most so many bytes from the peer; ``b""`` when no more will come."""

READ, WRITE = 0, 1
_TYPES = range(20, 24)


class Transport:
    """One connection's way to its peer.

    Push and pull say that they would block with BlockingIOError, or by returning
    None; that they were interrupted, with InterruptedError; that their time is up,
    with TimeoutError.
    """

    def __init__(self) -> None:
        self.direction = READ
        """What the last call that could not go on wanted to do: 1 for writing."""
        self.socket: socket.socket | None = None
        self.ended = False
        """Whether the peer's bytes have come to an end."""
        self._push: Push | None = None
        self._pull: Pull | None = None
        self._unsent: list[memoryview] = []
        self._partial = bytearray()
        self._until: float | None = None  # when waiting has to end, on `monotonic`

    def set_socket(self, sock: socket.socket) -> None:
        """Use a connected socket, in whatever mode it is."""
        self.socket = sock
        self._push, self._pull = sock.send, sock.recv

    def set_functions(self, push: Push, pull: Pull) -> None:
        """Use two functions."""
        self.socket = None
        self._push, self._pull = push, pull

    @property
    def pending(self) -> bool:
        """Whether bytes wait to be pushed."""
        return bool(self._unsent)

    def queue(self, data: bytes) -> None:
        """Put bytes behind those that wait to be pushed."""
        if data:
            self._unsent.append(memoryview(data))

    def flush(self) -> None:
        """Push all that waits.

        Raises:
            Again: the transport takes no more now.
            Interrupted: it was interrupted.
            SessionError: it failed.
        """
        unsent = self._unsent
        while unsent:
            view = unsent[0]
            self.direction = WRITE
            sent = self._call(self._push, view, codes.E_PUSH_ERROR)
            if not sent:
                raise Again("the transport took nothing")
            if sent < len(view):
                unsent[0] = view[sent:]
            else:
                del unsent[0]

    def read_record(self) -> bytes:
        """Pull until one record is whole, and return it; ``b""`` at the end.

        Of what cannot be a record, the first bytes are returned as they are.

        Raises:
            Again: the transport has no more now.
            Interrupted: it was interrupted.
            SessionError: it failed.
        """
        partial = self._partial
        while missing := self._missing():
            self.direction = READ
            data = self._call(self._pull, missing, codes.E_PULL_ERROR)
            if data is None:
                raise Again("the transport gave nothing")
            if not data:
                self.ended = True
                return b""
            partial += data
        record = bytes(partial)
        partial.clear()
        return record

    @contextmanager
    def time_limit(self, seconds: float | None) -> Iterator[None]:
        """Limit what is waited for within the block, in all; None for the socket's own limit.

        A limit for each wait would be none: a peer that sends a byte now and then could
        keep us for ever. What blocks in a function that was set cannot be interrupted; it is
        not called again when the time is up.
        """
        if seconds is None:
            yield
            return
        sock, before = self.socket, self._until
        own = sock.gettimeout() if sock is not None else None
        self._until = monotonic() + seconds
        try:
            yield
        finally:
            self._until = before
            if sock is not None and own != 0:
                sock.settimeout(own)

    def _missing(self) -> int:
        """How many bytes the record at hand lacks, as far as can be known."""
        partial = self._partial
        if len(partial) < HEADER_LENGTH:
            return HEADER_LENGTH - len(partial)
        length = partial[3] << 8 | partial[4]
        if partial[0] not in _TYPES or length > MAX_CIPHERTEXT:
            return 0  # the engine says what is wrong with it
        return HEADER_LENGTH + length - len(partial)

    def _call(self, function: Callable[[A], T] | None, argument: A, code: int) -> T:
        if function is None:
            raise SessionError(codes.E_INVALID_REQUEST, "no transport was set")
        if self._until is not None:
            left = self._until - monotonic()
            if left <= 0:
                raise SessionError(codes.E_TIMEDOUT)
            if self.socket is not None and self.socket.gettimeout() != 0:
                self.socket.settimeout(left)
        try:
            return function(argument)
        except BlockingIOError as error:
            raise Again from error
        except InterruptedError as error:
            raise Interrupted from error
        except TimeoutError as error:
            raise SessionError(codes.E_TIMEDOUT) from error
        except ConnectionResetError as error:
            raise SessionError(codes.E_PREMATURE_TERMINATION, str(error)) from error
        except OSError as error:
            raise SessionError(code, str(error)) from error
