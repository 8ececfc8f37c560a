"""A client that puts bytes on the connection as it likes, and reads answers one by one."""

from __future__ import annotations

import contextlib
import socket
import ssl as standard
from collections.abc import Iterator
from types import ModuleType
from typing import NamedTuple

from tests.sslmodule.ends import client_context

__all__ = ["Answer", "Wire", "connected", "frame"]

TIMEOUT = 60.0


class Answer(NamedTuple):
    """An answer."""

    status: int
    headers: dict[str, str]
    text: str


class Wire:
    """A connection to a server that speaks HTTP/1.1."""

    def __init__(self, tls: socket.socket) -> None:
        self._tls = tls
        self._received = b""

    def send(self, data: bytes) -> None:
        """Send bytes, all at once."""
        self._tls.sendall(data)

    def answer(self) -> Answer:
        """Read the next answer."""
        while b"\r\n\r\n" not in self._received:
            self._read()
        head, _, rest = self._received.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        fields = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in fields}
        if headers.get("transfer-encoding") == "chunked":
            self._received, body = rest, b""
            while size := int(self._line(), 16):
                body += self._take(size)
                self._line()
            self._line()
        else:
            self._received = rest
            body = self._take(int(headers.get("content-length", 0)))
        status = int(first.split(" ")[1])
        return self.answer() if status == 100 else Answer(status, headers, body.decode())

    def some(self) -> bytes:
        """Read whatever comes next."""
        if not self._received:
            self._read()
        received, self._received = self._received, b""
        return received

    def open_websocket(self, path: str) -> Answer:
        """Ask for a websocket."""
        self.send(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        return self.answer()

    def read_frame(self) -> tuple[int, bytes]:
        """Read one of a server's frames: its opcode, and its payload."""
        first, length = self._take(2)
        if length == 126:
            length = int.from_bytes(self._take(2))
        elif length == 127:
            length = int.from_bytes(self._take(8))
        return first & 0x0F, self._take(length)

    def read_close(self) -> int:
        """Read to the close frame; return its code."""
        opcode, payload = self.read_frame()
        while opcode != 8:
            opcode, payload = self.read_frame()
        return int.from_bytes(payload[:2])

    def is_over(self) -> bool:
        """Wait for the server to hang up; False if it sends something else."""
        try:
            return not self._received and not self._tls.recv(1)
        except (ConnectionError, standard.SSLError):
            return True

    def _line(self) -> bytes:
        while b"\r\n" not in self._received:
            self._read()
        line, _, self._received = self._received.partition(b"\r\n")
        return line

    def _take(self, size: int) -> bytes:
        while len(self._received) < size:
            self._read()
        data, self._received = self._received[:size], self._received[size:]
        return data

    def _read(self) -> None:
        data = self._tls.recv(65536)
        if not data:
            raise ConnectionError(f"the server hung up after {self._received!r}")
        self._received += data


def frame(payload: bytes) -> bytes:
    """One message of a client's, masked with zeros (RFC 6455, 5.3)."""
    size = len(payload)
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 65536:
        length = b"\xfe" + size.to_bytes(2)
    else:
        length = b"\xff" + size.to_bytes(8)
    return b"\x82" + length + bytes(4) + payload


@contextlib.contextmanager
def connected(
    port: int, name: str | None = "alice", module: ModuleType = standard
) -> Iterator[Wire]:
    """Connect as somebody, who answers requests for a certificate while it reads."""
    context = client_context(module, name=name)
    sock = socket.create_connection(("localhost", port), TIMEOUT)
    with sock, context.wrap_socket(sock, server_hostname="localhost") as tls:
        yield Wire(tls)
