"""Handshakes and other exchanges of messages as generators: what they expect and ask.

Theory of operation
===================

A *flow* is a generator that reads like the RFC's figure: send this, expect that,
check, go on. It yields for two reasons only. ``yield from expect(Finished)``
waits for the peer's next message; ``yield from ask(Sign(...))`` waits for an
answer of our owner's. Sending is a plain call that queues. A flow never sees
bytes arriving, sockets or time, and never calls code of the owner's.

A *conversation* is a running flow. It knows what it waits for, so that the
connection can route to it, refuse what is not awaited, and tell a person. The
connection steps it with `take` (a message), `answer` (a value) or `fail` (an
exception, thrown at the yield). Errors are not caught inside flows: they unwind
through the step into the connection, which sends the alert, once.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Generic, TypeAlias, TypeVar

from .._dataclass import dataclass
from ..constants import HandshakeType
from ..errors import InternalError, TLSError, UnexpectedHandshake
from ..questions import Subject
from ..wire.handshake import Handshake, struct_name
from ..wire.tls12 import ChangeCipherSpec
from .transcript import Transcript

__all__ = ["Ask", "Conversation", "Expect", "Flow", "Received", "ask", "expect", "expect_one_of"]

T = TypeVar("T")
M = TypeVar("M", bound=Handshake | ChangeCipherSpec)
A = TypeVar("A")


@dataclass(slots=True)
class Received:
    """A message of the peer's, and its bytes as they came."""

    message: Handshake | ChangeCipherSpec
    raw: bytes


@dataclass(slots=True)
class Expect:
    """A flow waits for a message of one of these types."""

    kinds: tuple[type[object], ...]

    def __str__(self) -> str:
        return " or ".join(map(_name_of_kind, self.kinds))


def _name_of_kind(kind: type[object]) -> str:
    """What the RFC calls a message: that of TLS 1.2 has no name of its own there."""
    handshake_type = getattr(kind, "handshake_type", None)
    return kind.__name__ if handshake_type is None else struct_name(handshake_type)


@dataclass(slots=True)
class Ask:
    """A flow waits for its owner's answer."""

    subject: Subject[Any]

    def __str__(self) -> str:
        return f"the answer to {type(self.subject).__name__}"


Flow: TypeAlias = Generator[Expect | Ask, Any, T]
"""A conversation that ends with a T."""


def expect(kind: type[M], *, into: Transcript | None = None) -> Flow[M]:
    """Wait for a message of this type, and add it to the transcript `into`."""
    received: Received = yield Expect((kind,))
    if into is not None:
        into.add(received.raw)
    message = received.message
    if not isinstance(message, kind):  # the step has checked it
        raise InternalError(f"expected {kind.__name__}, got {type(message).__name__}")
    return message


def expect_one_of(*kinds: type[object]) -> Flow[Received]:
    """Wait for a message of one of these types; it enters no transcript yet."""
    received: Received = yield Expect(kinds)
    return received


def ask(subject: Subject[A]) -> Flow[A]:
    """Ask the owner, and wait for the answer."""
    answer: A = yield Ask(subject)
    return answer


class Conversation(Generic[T]):
    """A running flow: what it waits for and, in the end, what it came to."""

    __slots__ = ("_flow", "_on_done", "_on_failed", "name", "waiting_for")

    def __init__(
        self,
        name: str,
        flow: Flow[T],
        on_done: Callable[[T], None],
        on_failed: Callable[[BaseException], None] | None = None,
    ) -> None:
        self.name = name
        """What a person would call it."""
        self.waiting_for: Expect | Ask | None = None
        """What it needs to go on; None before it began and after it ended."""
        self._flow = flow
        self._on_done = on_done
        self._on_failed = on_failed

    def __repr__(self) -> str:
        return f"<{self.name}: waiting for {self.waiting_for or 'nothing'}>"

    def begin(self) -> None:
        """Run to the first wait."""
        self._step(None)

    def check_awaited(self, handshake_type: int) -> None:
        """Check that a message of this type is awaited, before anything in it is read.

        Raises:
            UnexpectedHandshake: it is not.
        """
        waiting_for = self.waiting_for
        if handshake_type == HandshakeType.compressed_certificate:
            handshake_type = HandshakeType.certificate  # in whose place it comes (RFC 8879)
        if isinstance(waiting_for, Expect):
            for kind in waiting_for.kinds:
                if getattr(kind, "handshake_type", None) == handshake_type:
                    return
        raise self._unexpected(struct_name(handshake_type))

    def _unexpected(self, got: str) -> UnexpectedHandshake:
        awaited = self.waiting_for or "no message"
        return UnexpectedHandshake(f"{self.name}: expected {awaited}, got {got}")

    def take(self, received: Received) -> None:
        """Go on with a message; it must be one that is awaited."""
        waiting_for = self.waiting_for
        if not isinstance(waiting_for, Expect) or not isinstance(
            received.message, waiting_for.kinds
        ):
            raise self._unexpected(_name_of_kind(type(received.message)))
        self._step(received)

    def answer(self, value: object) -> None:
        """Go on with the owner's answer."""
        self._step(value)

    def fail(self, error: BaseException) -> None:
        """Go on with the owner's failure to answer.

        It is thrown at the yield, and so ends the connection, unless the
        conversation can be given up without harm. What is no TLSError becomes an
        InternalError first: a signer's UsageError is not our caller's.
        """
        if self._on_failed is not None:
            self._flow.close()
            self.waiting_for = None
            self._on_failed(error)
            return
        failure = error
        if not isinstance(error, TLSError):
            failure = InternalError(f"{type(error).__name__}: {error}")
            failure.__cause__ = error
        try:
            self.waiting_for = self._flow.throw(failure)
        except StopIteration as stop:
            self._finish(stop.value)
        finally:
            del error, failure  # whose tracebacks have this frame

    def _step(self, value: Any) -> None:
        try:
            self.waiting_for = self._flow.send(value)
        except StopIteration as stop:
            self._finish(stop.value)

    def _finish(self, result: T) -> None:
        self.waiting_for = None
        self._on_done(result)
