"""Argument types and options that several commands share."""

from __future__ import annotations

import argparse
import contextlib
import sys
import threading
from collections.abc import Callable, Iterator

from ..constants import NamedGroup
from ..crypto.groups import supported_groups
from ..errors import UsageError
from ..private_file import open_private

__all__ = ["RECORDED", "endpoint", "groups", "key_log", "positive", "seconds", "waiting"]

RECORDED = 2000  # lines of a connection that are kept to be shown

PATIENCE = 1.0  # seconds after which a person wants to know what is going on


def endpoint(text: str, default_port: int) -> tuple[str, int]:
    """Read ``HOST``, ``HOST:PORT`` or ``[ADDRESS]:PORT``.

    Raises:
        ArgumentTypeError: it is none of these.
    """
    host, separator, port = text.rpartition(":")
    if not separator or (":" in host and not host.startswith("[")) or text.endswith("]"):
        host, port = text, str(default_port)  # a name, or a bare IPv6 address
    host = host.removeprefix("[").removesuffix("]")
    if not host or not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65536:
        raise argparse.ArgumentTypeError(
            f"expected HOST or HOST:PORT, with a port from 1 to 65535, got {text!r}"
        )
    return host, int(port)


def seconds(text: str) -> float:
    """Read a number of seconds, zero or more."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number of seconds, got {text!r}")
    return value


def positive(text: str) -> int:
    """Read a whole number above zero."""
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, got {text!r}")
    return int(text)


def groups(text: str) -> tuple[NamedGroup, ...]:
    """Read names of key exchange groups, favourites first, with commas between them.

    Raises:
        ArgumentTypeError: a name is none of a group that we have.
    """
    known = {group.name.lower(): group for group in supported_groups()}
    try:
        return tuple(known[name.strip().lower()] for name in text.split(","))
    except KeyError as error:
        names = ", ".join(group.name for group in known.values())
        raise argparse.ArgumentTypeError(f"expected some of {names}, got {error}") from None


def key_log(path: str) -> Callable[[str], None]:
    """Append to an SSLKEYLOGFILE; what it holds opens the whole conversation.

    Raises:
        UsageError: it cannot be written.
    """
    lock = threading.Lock()

    def write(line: str) -> None:
        with lock, open_private(path, "a", encoding="ascii") as file:
            file.write(line + "\n")

    try:
        open_private(path, "a").close()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from error
    return write


@contextlib.contextmanager
def waiting(text: str, *, quiet: bool = False) -> Iterator[None]:
    """Say on a terminal what takes so long, when it takes more than a second."""
    if quiet or sys.stderr is None or not sys.stderr.isatty():
        yield
        return
    timer = threading.Timer(PATIENCE, lambda: print(f"postshake: {text} …", file=sys.stderr))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
