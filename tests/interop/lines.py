"""A tiny server that asks for a certificate when a line tells it to.

It is the same for every TLS library, ours among them: a `Link` is the library's
connection behind five verbs, and `respond` is all of the conversation. A line is a
command; ``GET /command HTTP/1.1`` is one as well, for clients that speak HTTP.
Every answer begins with ``=> ``.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import traceback
from collections.abc import Callable
from typing import ClassVar

from tests.interop.program import TIMEOUT, Stoppable
from tests.waiting import MOMENT

__all__ = ["MARK", "LineServer", "Link", "close_gently", "connect", "respond", "set_time_limit"]

MARK = "=> "


class Link:
    """The server's end of a connection, after the handshake."""

    def receive(self) -> bytes:
        """Return some data, b"" at the end."""
        raise NotImplementedError

    def send(self, data: bytes) -> None:
        """Send all of it."""
        raise NotImplementedError

    def whoami(self) -> str:
        """Return the client's common name, or "nobody"."""
        raise NotImplementedError

    def reauth(self) -> str:
        """Ask for a certificate, wait, and return how that ended."""
        raise NotImplementedError

    def reauth_twice(self) -> str:
        """Do it with two requests at once, where the library can."""
        raise NotImplementedError

    def update(self) -> None:
        """Change our keys and have the client change its."""
        raise NotImplementedError

    def close(self) -> None:
        """Say goodbye and close the socket."""


def respond(link: Link) -> None:
    """Answer lines until the client closes."""
    buffer = b""
    while True:
        line, buffer = _read_line(link, buffer)
        if line is None:
            return
        verb, _, rest = line.partition(" ")
        if verb != "GET":
            if line:
                link.send(f"{MARK}{_obey(link, line)}\n".encode())
            continue
        path, _, version = rest.partition(" ")
        header: str | None = line
        while header:  # up to the empty line
            header, buffer = _read_line(link, buffer)
        body = f"{MARK}{_obey(link, path.strip('/') or 'whoami')}\n"
        keep = version == "HTTP/1.1"
        link.send(
            f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
            f"Connection: {'keep-alive' if keep else 'close'}\r\n\r\n{body}".encode()
        )
        if not keep:
            return


def _obey(link: Link, command: str) -> str:
    match command:
        case "whoami":
            return link.whoami()
        case "reauth":
            return link.reauth()
        case "update":
            link.update()
            return "updated"
        case "twice":
            return link.reauth_twice()
        case _:
            return f"unknown command {command}"


def _read_line(link: Link, buffer: bytes) -> tuple[str | None, bytes]:
    while b"\n" not in buffer:
        data = link.receive()
        if not data:
            return None, b""
        buffer += data
    line, _, rest = buffer.partition(b"\n")
    return line.decode(errors="replace").strip(), rest


class LineServer(Stoppable):
    """Serves `respond`, one connection after another, in a thread.

    Args:
        accept: does the handshake on a socket and returns the link.
    """

    can_update: ClassVar[bool] = True
    """Whether it can start a key update."""
    asks_after_update: ClassVar[bool] = True
    """Whether it can ask when the client changed keys and it has written nothing since.

    OpenSSL's answer to the update is then what goes out; the request is forgotten."""

    def __init__(self, accept: Callable[[socket.socket], Link]) -> None:
        self._accept = accept
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._stopping = threading.Event()
        self._connection: socket.socket | None = None
        self.port: int = self._listener.getsockname()[1]
        self.first_identities: list[str] = []
        """Whom each client was known as after its handshake: nobody, in all tests."""
        self.errors: list[BaseException] = []
        """What ended a connection early."""
        self._log: list[str] = []
        self._thread = threading.Thread(target=self._serve, name=type(self).__name__, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # stopping
            with connection:
                if self._stopping.is_set():
                    return
                self._connection = connection
                set_time_limit(connection)
                self._converse(connection)
                self._connection = None

    def _converse(self, connection: socket.socket) -> None:
        link: Link | None = None
        try:
            link = self._accept(connection)
            self.first_identities.append(link.whoami())
            respond(link)
        except Exception as error:  # whatever a library raises is what the test wants to see
            self.errors.append(error)
            self._log.append(traceback.format_exc())
        finally:
            if link is not None:
                with contextlib.suppress(Exception):
                    link.close()

    def log(self) -> str:
        return f"# {type(self).__name__}\n" + "\n".join(self._log)

    def stop(self) -> None:
        self._stopping.set()
        connection = self._connection
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # this wakes accept
        with contextlib.suppress(OSError):  # and this does where that does not
            socket.create_connection(("127.0.0.1", self.port), timeout=MOMENT).close()
        self._thread.join(TIMEOUT)
        self._listener.close()
        assert not self._thread.is_alive(), "the server's thread does not end"


def connect(port: int) -> socket.socket:
    """Connect to a peer, with a time limit on everything."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)
    set_time_limit(connection)
    return connection


def set_time_limit(connection: socket.socket) -> None:
    """Limit every wait, also for C libraries that read from the descriptor."""
    connection.settimeout(None)  # a Python time limit would make it non-blocking below
    limit = struct.pack("ll", int(TIMEOUT), 0)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)


def close_gently(connection: socket.socket) -> None:
    """Close so that what the peer still sends does not turn our alert into a reset."""
    with connection, contextlib.suppress(OSError):
        connection.settimeout(MOMENT)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(16384):
            pass
