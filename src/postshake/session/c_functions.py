"""How a function with a C name is made of a method: handles in, numbers out."""

from __future__ import annotations

import errno
import os
import weakref
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, overload

from ..errors import PostshakeError, present
from . import Session
from .errors import translate

__all__ = [
    "HANDLES",
    "CredentialsHandle",
    "call",
    "files",
    "fill",
    "gnutls_session_t",
    "or_none",
    "receive",
    "setting",
    "with_handle",
]


P = ParamSpec("P")
R = TypeVar("R")


class Handle(Protocol):
    """What a C function gets first: it leads to the object whose method is called."""

    it: Any


class gnutls_session_t:
    """A session, once gnutls_init has filled it."""

    def __init__(self) -> None:
        self.it: Session | None = None
        self.ptr: Any = None
        """The transport's pointer."""
        self.errno = 0
        self.push: Callable[[Any, memoryview], int] | None = None
        self.pull: Callable[[Any, int], bytes | int] | None = None

    def connect(self) -> None:
        """Give the session its transport, once both functions are there."""
        if self.it is not None and self.push is not None and self.pull is not None:
            self.it.transport_set_functions(self._push, self._pull)

    def _push(self, data: memoryview) -> int:
        return self._checked(present(self.push, "push function")(self.ptr, data))

    def _pull(self, size: int) -> bytes:
        answer = present(self.pull, "pull function")(self.ptr, size)
        return answer if isinstance(answer, bytes) else bytes(self._checked(answer))

    def _checked(self, answer: int) -> int:
        if answer < 0:
            number = self.errno or errno.EIO
            self.errno = 0
            raise OSError(number, os.strerror(number))  # of the class that belongs to it
        return answer


HANDLES: weakref.WeakKeyDictionary[Session, gnutls_session_t] = weakref.WeakKeyDictionary()
"""The handle of each session."""


class CredentialsHandle:
    """Credentials, once they are allocated."""

    def __init__(self) -> None:
        self.it: Any = None


@overload
def call(method: Callable[Concatenate[Any, P], None]) -> Callable[Concatenate[Handle, P], int]: ...


@overload
def call(method: Callable[Concatenate[Any, P], int]) -> Callable[Concatenate[Handle, P], int]: ...


@overload
def call(
    method: Callable[Concatenate[Any, P], R],
) -> Callable[Concatenate[Handle, P], R | int]: ...


def call(method: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function of a method: handle in, number or value out."""

    def function(handle: Handle, *arguments: Any, **options: Any) -> Any:
        try:
            return _plain(method(handle.it, *arguments, **options))
        except PostshakeError as error:
            return translate(error).code

    function.__doc__ = method.__doc__
    return function


def _plain(value: Any) -> Any:
    return 0 if value is None else int(value) if isinstance(value, bool) else value


def or_none(method: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Handle, P], R]:
    """Make a function of a method whose None means NULL."""

    def function(handle: Handle, /, *arguments: P.args, **options: P.kwargs) -> R:
        return method(handle.it, *arguments, **options)

    function.__doc__ = method.__doc__
    return function


def setting(
    method: Callable[[Any, Any], None],
) -> Callable[[Handle, Callable[..., Any] | None], int]:
    """Make a function of a method that takes a callback: it gets the handle of the session."""

    def function(handle: Handle, callback: Callable[..., Any] | None) -> int:
        method(handle.it, with_handle(callback))
        return 0

    function.__doc__ = method.__doc__
    return function


def with_handle(callback: Callable[..., Any] | None) -> Callable[..., Any] | None:
    """Make of a callback one that gets the session's handle instead of the session."""
    if callback is None:
        return None
    return lambda session, *arguments: callback(HANDLES.get(session), *arguments)


def files(method: Callable[..., int]) -> Callable[..., int]:
    """Make a function of a method that reads files or PEM; it finds out the format itself."""
    function_of_all = call(method)

    def function(credentials: CredentialsHandle, *arguments: Any) -> int:
        *wanted, _format = arguments
        return function_of_all(credentials, *wanted)

    function.__doc__ = method.__doc__
    return function


def receive(buffer: bytearray, data: bytes | int) -> int:
    """Put data into a buffer, and return how much; a code stays what it is."""
    if isinstance(data, int):
        return data
    buffer[: len(data)] = data
    return len(data)


def fill(out: bytearray, value: bytes | int) -> int:
    """Let a buffer hold this, and return 0; a code stays what it is."""
    if isinstance(value, int):
        return value
    out[:] = value
    return 0
