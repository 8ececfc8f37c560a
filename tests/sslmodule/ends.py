"""Contexts of either module, and two ends over memory or sockets."""

from __future__ import annotations

import contextlib
import functools
import socket
import ssl as standard
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest

import postshake.ssl as ours
from tests.certs import CA
from tests.waiting import PATIENCE

__all__ = [
    "MODULES",
    "ROLES",
    "Memory",
    "authority",
    "client_context",
    "files",
    "ours",
    "over_sockets",
    "server_context",
    "standard",
    "talk",
]

MODULES = {"ours": ours, "standard": standard}
ROLES = pytest.mark.parametrize(
    ("server", "client"),
    [(ours, ours), (ours, standard), (standard, ours)],
    ids=["ours-ours", "our server", "our client"],
)


F = TypeVar("F", bound=Callable[..., Any])
_ONE_AT_A_TIME = threading.RLock()
_authorities: dict[str, CA] = {}


def authority(name: str = "Test CA") -> CA:
    """An authority, the same for each asking."""
    with _ONE_AT_A_TIME:
        if name not in _authorities:
            _authorities[name] = CA(name)
        return _authorities[name]


def kept(function: F) -> F:
    """Remember what a function returned; threads get the same."""
    remembering = functools.cache(function)

    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        with _ONE_AT_A_TIME:
            return remembering(*arguments, **options)

    return cast(F, call)


@kept
def folder() -> Path:
    """Where the certificates are, for as long as the process lives."""
    return Path(tempfile.mkdtemp(prefix="postshake-ssl-"))


@kept
def files(name: str = "localhost", ca: str = "Test CA", **options: Any) -> tuple[str, str]:
    """Certificate and key of this name, as files."""
    if options.get("purpose", "server") == "server":
        options = {"purpose": "server", "dns": (name,)} | options
    issued = authority(ca).issue(name, **options)
    stem = f"{len(list(folder().iterdir()))}-{name.replace('*', 'star')}"
    paths = folder() / f"{stem}.crt", folder() / f"{stem}.key"
    paths[0].write_bytes(issued.pem())
    paths[1].write_bytes(issued.key_pem())
    return str(paths[0]), str(paths[1])


@kept
def ca_file(name: str = "Test CA") -> str:
    """The authority's certificate, as a file."""
    path = folder() / f"{name}.ca.crt"
    path.write_bytes(authority(name).pem())
    return str(path)


def server_context(module: Any, *, asks_later: bool = False, **options: Any) -> Any:
    """A server's context, which trusts the test authority for clients."""
    context = module.SSLContext(module.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files(**options))
    context.load_verify_locations(ca_file())
    if asks_later:
        context.post_handshake_auth = True
        context.verify_mode = module.CERT_REQUIRED
    return context


def client_context(module: Any, *, name: str | None = "alice", ca: str = "Test CA") -> Any:
    """A client's context, with a certificate, that answers requests."""
    context = module.create_default_context(cafile=ca_file(ca))
    if name is not None:
        context.load_cert_chain(*files(name, purpose="client"))
    context.post_handshake_auth = True
    return context


class Memory:
    """Two SSLObjects, and what carries bytes between them."""

    def __init__(self, server: Any, client: Any, name: str | None = "localhost") -> None:
        self.up, self.down = standard.MemoryBIO(), standard.MemoryBIO()
        self._out_up, self._out_down = standard.MemoryBIO(), standard.MemoryBIO()
        self.client = client.wrap_bio(self.down, self._out_up, server_hostname=name)
        self.server = server.wrap_bio(self.up, self._out_down, server_side=True)

    def move(self) -> bool:
        """Carry what is there; return whether there was anything."""
        moved = 0
        for source, target in ((self._out_up, self.up), (self._out_down, self.down)):
            data = source.read()
            moved += len(data)
            if data:
                target.write(data)
        return bool(moved)

    def run(self, *calls: Callable[[], Any]) -> list[Any]:
        """Make calls until each has come to an end; return what came of them.

        `idle` may be among them, and is done when the others are.
        """
        results: list[Any] = [None] * len(calls)
        left = dict(enumerate(calls))
        for _ in range(200):
            for index, call in list(left.items()):
                try:
                    results[index] = call()
                except standard.SSLWantReadError:
                    continue
                except Exception as error:
                    results[index] = error
                del left[index]
            moved = self.move()
            if set(left.values()) <= {self.idle}:
                return results
            if not moved:
                break
        for index in left:
            results[index] = "waits"
        return results

    def handshake(self) -> Memory:
        """Shake hands, and insist that it works."""
        assert self.run(self.client.do_handshake, self.server.do_handshake) == [None, None]
        return self

    def idle(self) -> None:
        """The client reads what is there, which is no data, and so answers requests."""
        with contextlib.suppress(standard.SSLWantReadError):
            assert self.client.read(1) is None
        raise standard.SSLWantReadError

    def exchange_client(self) -> None:
        """Carry what is there, and let the client settle it."""
        self.move()
        with contextlib.suppress(standard.SSLWantReadError):
            self.idle()
        self.move()

    def exchange(self) -> None:
        """Carry what is there, and let both ends settle it: there is no data."""
        while self.move():
            for end in (self.client, self.server):
                with contextlib.suppress(standard.SSLWantReadError):
                    assert end.read(1) is None


@contextlib.contextmanager
def over_sockets(server: Any, client: Any) -> Iterator[tuple[Any, Any]]:
    """Two SSLSockets of these contexts, server and client, that have shaken hands."""
    one, other = socket.socketpair()
    for sock in (one, other):
        sock.settimeout(30)
    made: list[Any] = []
    thread = threading.Thread(
        target=lambda: made.append(server.wrap_socket(other, server_side=True)), daemon=True
    )
    thread.start()
    with client.wrap_socket(one, server_hostname="localhost") as tls:
        thread.join(30)
        with made[0] as peer:
            yield peer, tls


@contextlib.contextmanager
def talk(server: Callable[[socket.socket], Any]) -> Iterator[tuple[socket.socket, list[Any]]]:
    """Run a server on one end of a connection, in a thread; give the other end.

    What the server returns, or the exception that it ends with, is in the list afterwards.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    outcome: list[Any] = []

    def run() -> None:
        sock, _ = listener.accept()
        sock.settimeout(PATIENCE)
        try:
            outcome.append(server(sock))
        except Exception as error:
            outcome.append(error)
        finally:
            sock.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    sock = socket.create_connection(listener.getsockname(), timeout=PATIENCE)
    try:
        yield sock, outcome
    finally:
        sock.close()
        thread.join(PATIENCE)
        listener.close()
        assert not thread.is_alive()
