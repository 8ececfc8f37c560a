"""Scripts as in `scripts`, over real sockets: timeouts, modes, files, and ends of all kinds.

Each end has a thread of its own. A step is done before the next begins; ``c:unwrap|s:unwrap``
is two at once.
"""

from __future__ import annotations

import io
import os
import select
import socket
import struct
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product
from typing import Any

from tests.sslmodule.scripts import Script, context_for, told
from tests.waiting import PATIENCE

__all__ = ["SOCKET_SCRIPTS", "play_sockets"]


def play_sockets(script: Script, server: Any, client: Any) -> list[str]:
    """Play a script over a pair of sockets."""
    return _Pair(script, server, client).play()


class _Pair:
    def __init__(self, script: Script, server: Any, client: Any) -> None:
        self.script = script
        self.modules = {"s": server, "c": client}
        self.raw: dict[str, socket.socket] = {}
        self.ends: dict[str, Any] = {}

    def play(self) -> list[str]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.raw["c"] = socket.create_connection(listener.getsockname(), timeout=PATIENCE)
            self.raw["s"], _ = listener.accept()
            self.raw["s"].settimeout(PATIENCE)
        outcomes = []
        try:
            with ThreadPoolExecutor(1) as first, ThreadPoolExecutor(1) as second:
                threads = {"c": first, "s": second}
                for steps in self.script.steps:
                    running = []
                    for step in steps.split("|"):
                        end, _, words = step.partition(":")
                        verb, *numbers = words.split()
                        call = partial(getattr(self, f"do_{verb}"), end, *map(float, numbers))
                        running.append((step, threads[end].submit(_outcome, call)))
                    outcomes += [f"{step}: {thread.result(PATIENCE)}" for step, thread in running]
        finally:
            for sock in (*self.ends.values(), *self.raw.values()):
                sock.close()
        return outcomes

    # --- steps

    def do_wrap(self, end: str) -> str:
        """Put TLS on the socket, and shake hands unless the settings say otherwise."""
        settings = self.script.server if end == "s" else self.script.client
        context = context_for(self.modules[end], end == "s", settings, [])
        name = None if end == "s" else settings.get("name", "localhost")
        self.ends[end] = context.wrap_socket(
            self.raw[end],
            server_side=end == "s",
            server_hostname=name,
            do_handshake_on_connect=settings.get("shakes", True),
            suppress_ragged_eofs=settings.get("ragged", True),
        )
        return "wrapped"

    def do_shake(self, end: str) -> Any:
        return self.ends[end].do_handshake()

    def do_timeout(self, end: str, seconds: float) -> Any:
        return self.ends[end].settimeout(seconds if seconds >= 0 else None)

    def do_blocking(self, end: str, yes: float) -> Any:
        return self.ends[end].setblocking(bool(yes))

    def do_mode(self, end: str) -> Any:
        return self.ends[end].gettimeout(), self.ends[end].getblocking()

    def do_recv(self, end: str, size: float) -> Any:
        return _short(self.ends[end].recv(int(size)))

    def do_recvflags(self, end: str, flags: float) -> Any:
        return self.ends[end].recv(10, int(flags))

    def do_into(self, end: str, size: float, buffer: float) -> Any:
        return self.ends[end].recv_into(bytearray(int(buffer)), int(size))

    def do_read(self, end: str, size: float) -> Any:
        return _short(self.ends[end].read(int(size)))

    def do_exactly(self, end: str, size: float) -> Any:
        data = b""
        while len(data) < size:
            piece = self.ends[end].recv(int(size) - len(data))
            if not piece:
                return f"the end after {len(data)}"
            data += piece
        return f"all {len(data)}"

    def do_send(self, end: str, size: float) -> Any:
        return self.ends[end].send(bytes(int(size)))

    def do_sendall(self, end: str, size: float) -> Any:
        return self.ends[end].sendall(bytes(int(size)))

    def do_sendflags(self, end: str, flags: float) -> Any:
        return self.ends[end].send(b"x", int(flags))

    def do_fill(self, end: str) -> Any:
        """Send until the socket takes no more."""
        data = bytes(100_000)
        for _ in range(1000):
            self.ends[end].sendall(data) if self.ends[end].gettimeout() else self.ends[end].send(
                data
            )
        return "no end"

    def do_sendfile(self, end: str, size: float) -> Any:
        with tempfile.TemporaryFile() as file:
            file.write(os.urandom(int(size)))
            file.seek(0)
            return self.ends[end].sendfile(file), file.tell()

    def do_sendlines(self, end: str) -> Any:
        with self.ends[end].makefile("w", encoding="utf-8", newline="\n") as file:
            file.write("first\nsecond\nthird")
        return "written"

    def do_lines(self, end: str) -> Any:
        with self.ends[end].makefile("r", encoding="utf-8", newline="\n") as file:
            return file.readline(), file.readline()

    def do_rest(self, end: str) -> Any:
        with self.ends[end].makefile("rb") as file:
            assert isinstance(file, io.BufferedReader)
            return _short(file.read())

    def do_pending(self, end: str) -> Any:
        return self.ends[end].pending() > 0

    def do_readable(self, end: str) -> Any:
        return bool(select.select([self.ends[end]], [], [], 0.2)[0])

    def do_unwrap(self, end: str) -> Any:
        plain = self.ends[end].unwrap()
        self.raw[end] = plain
        return isinstance(plain, socket.socket)

    def do_plainsend(self, end: str) -> Any:
        return socket.socket.send(self.raw[end], b"plain")

    def do_plainrecv(self, end: str) -> Any:
        return socket.socket.recv(self.raw[end], 100)

    def do_garbage(self, end: str) -> Any:
        return socket.socket.send(self.ends.get(end, self.raw[end]), b"220 no TLS here\r\n" * 3)

    def do_shutdown(self, end: str, how: float) -> Any:
        return self.ends[end].shutdown(int(how))

    def do_half(self, end: str) -> Any:
        """Close the direction of the transport that goes out, without a goodbye."""
        return socket.socket.shutdown(self.ends.get(end, self.raw[end]), socket.SHUT_WR)

    def do_close(self, end: str) -> Any:
        sock = self.ends.get(end, self.raw[end])
        sock.close()
        return sock.fileno()

    def do_reset(self, end: str) -> Any:
        sock = self.ends.get(end, self.raw[end])
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()

    def do_detach(self, end: str) -> Any:
        number = self.ends[end].detach()
        os.close(number)
        return number > 0, self.ends[end].fileno()

    def do_odd(self, end: str) -> Any:
        """What a TLS socket refuses to do."""
        sock = self.ends[end]
        calls: list[Callable[[], Any]] = [
            sock.dup,
            lambda: sock.recvfrom(10),
            lambda: sock.recvfrom_into(bytearray(10)),
            lambda: sock.sendto(b"x", ("127.0.0.1", 1)),
            lambda: sock.sendmsg([b"x"]),
            lambda: sock.recvmsg(10),
            lambda: sock.recvmsg_into([bytearray(10)]),
            lambda: sock.send("text"),
            lambda: sock.send(memoryview(b"abcdef")[::2]),
            lambda: sock.recv(-1),
            lambda: sock.connect(("127.0.0.1", 1)),
            lambda: sock.get_channel_binding("nonsense"),
            lambda: setattr(sock, "session", "text"),
        ]
        return [_outcome(call) for call in calls]

    def do_facts(self, end: str) -> Any:
        sock = self.ends[end]
        return [
            _outcome(call)
            for call in (
                sock.version, sock.selected_alpn_protocol, sock.compression, sock.getpeercert,
                lambda: sock.getpeercert(True), lambda: sock.server_side,
                lambda: sock.server_hostname, lambda: sock.session_reused,
                lambda: sock.session is None, lambda: sock.family, lambda: sock.type,
            )
        ]  # fmt: skip


def _short(data: bytes) -> Any:
    return data if len(data) < 20 else f"{len(data)} bytes"


def _outcome(call: Callable[[], Any]) -> str:
    try:
        return told(call())
    except Exception as error:
        return told(error)


BOTH = ("c:wrap|s:wrap",)
LISTED: dict[str, tuple[str, ...]] = {
    "talk": ("c:sendall 5", "s:recv 10", "s:sendall 7", "c:recv 10", "c:facts", "s:facts"),
    "odd": ("c:odd", "s:odd", "c:recvflags 2", "c:sendflags 1"),
    "into": ("s:sendall 10", "c:into 4 8", "c:into 0 8", "c:into 4 0", "c:pending"),
    "much": ("s:sendall 300000|c:exactly 300000", "c:sendall 300000|s:exactly 300000"),
    "files": ("s:sendlines", "c:lines"),
    "sendfile": ("s:sendfile 200000|c:exactly 200000",),
    "timeout-read": ("c:timeout 0.1", "c:mode", "c:recv 5", "s:sendall 5", "c:recv 5"),
    "timeout-write": ("c:timeout 0.2", "c:fill"),
    "non-blocking": (
        "c:blocking 0", "c:mode", "c:recv 5", "s:sendall 5", "c:readable", "c:recv 5", "c:recv 5",
        "c:fill", "c:blocking 1", "c:mode",
    ),
    "no-time": ("c:timeout 0", "c:recv 5", "c:mode"),
    "unwrap": ("c:unwrap|s:unwrap", "c:plainsend", "s:plainrecv", "s:plainsend", "c:plainrecv"),
    "unwrap-one": ("c:timeout 0.1", "c:unwrap", "s:recv 5", "s:recv 5"),
    "unwrap-data": ("s:sendall 5", "c:unwrap"),
    "goodbye-then-end": ("c:timeout 0.2", "c:unwrap", "s:recv 5", "s:unwrap", "c:unwrap"),
    "close": ("c:sendall 5", "c:close", "s:recv 10", "s:recv 10", "c:recv 5", "c:sendall 5"),
    "half": ("c:half", "s:recv 10", "s:sendall 5"),
    "shutdown-write": ("c:sendall 3", "c:shutdown 1", "s:recv 10", "s:recv 10"),
    "shutdown-both": ("c:shutdown 2", "s:recv 10"),
    "reset": ("c:reset", "s:recv 10", "s:recv 10"),
    "garbage": ("c:garbage", "s:recv 10", "s:recv 10"),
    "detach": ("c:detach", "s:recv 10"),
    "rest": ("c:sendall 9", "c:close", "s:rest"),
    "pending": ("c:sendall 9", "s:recv 4", "s:pending", "s:readable", "s:recv 9", "s:pending"),
    "one-record-in-select": ("c:sendall 5", "s:readable", "s:recv 5", "s:readable"),
}  # fmt: skip
STARTS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "later": ({"shakes": False}, ("c:wrap", "s:wrap", "c:facts", "c:shake|s:shake", "c:facts")),
    "by-writing": (
        {"shakes": False}, ("c:wrap", "s:wrap", "c:sendall 5|s:recv 5", "s:sendall 3", "c:recv 9"),
    ),
    "silent": ({"shakes": False}, ("c:wrap", "c:timeout 0.1", "c:shake", "c:mode")),
    "silent-client": ({"shakes": False}, ("s:wrap", "s:timeout 0.1", "s:shake")),
    "non-blocking": ({"shakes": False}, ("c:wrap", "c:blocking 0", "c:shake", "c:shake")),
    "unwrap-early": ({"shakes": False}, ("c:wrap", "c:unwrap", "c:pending", "c:odd")),
    "closed": ({}, ("s:close", "c:wrap")),
    "closed-client": ({}, ("c:close", "s:wrap")),
    "reset": ({}, ("s:reset", "c:wrap")),
    "garbage": ({}, ("s:garbage", "c:wrap")),
    "garbage-client": ({}, ("c:garbage", "s:wrap")),
    "half": ({}, ("s:half", "c:wrap")),
    "ragged": ({"ragged": False}, ("c:wrap|s:wrap", "c:half", "s:recv 9", "s:half", "c:recv 9")),
    "wrong-name": ({"name": "other"}, ("c:wrap|s:wrap",)),
    "no-name": ({"name": None}, ("c:wrap",)),
}  # fmt: skip
RANGES = {"1.2": ("TLSv1_2", "TLSv1_2"), "1.3": ("TLSv1_3", "TLSv1_3")}

SOCKET_SCRIPTS: list[Script] = [
    Script(f"socket-{name}-{version}", {}, {"versions": RANGES[version]}, (*BOTH, *steps))
    for (name, steps), version in product(LISTED.items(), RANGES)
] + [
    Script(f"start-{name}-{version}", settings, settings | {"versions": RANGES[version]}, steps)
    for (name, (settings, steps)), version in product(STARTS.items(), RANGES)
]
