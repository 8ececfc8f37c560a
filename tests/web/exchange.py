"""One request to an application, through the parsers of real servers, without a network.

Nobody has a certificate here, and there is no TLS: what needs one is answered 403.
"""

from __future__ import annotations

import asyncio
import io
import logging
import socket
import wsgiref.simple_server
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["ASGI_SERVERS", "WSGI_SERVERS", "Answer", "exchange"]

Answer = tuple[int, bytes]
Headers = Sequence[tuple[str, str]]


def exchange(
    server: str,
    app: Any,
    target: bytes,
    *,
    method: str = "GET",
    headers: Headers = (),
    root_path: str = "",
) -> Answer:
    """Ask for a target, as it stands on the wire; return the status and the body."""
    lines = [f"{method} ".encode() + target + b" HTTP/1.1", b"Host: localhost"]
    lines += [f"{name}: {value}".encode() for name, value in headers]
    request = b"\r\n".join([*lines, b"Connection: close", b"", b""])
    answer = ASGI_SERVERS[server] if server in ASGI_SERVERS else WSGI_SERVERS[server]
    head, _, body = answer(app, request, root_path).partition(b"\r\n\r\n")
    words = head.split(b" ")
    return (int(words[1]) if len(words) > 1 else 0), body


# --- ASGI


class Transport(asyncio.Transport):
    """What a server's protocol writes to."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_closed = asyncio.Event()

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        self.is_closed.set()

    def is_closing(self) -> bool:
        return self.is_closed.is_set()

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


def _uvicorn(kind: str) -> Callable[[Any, bytes, str], bytes]:
    async def talk(app: Any, request: bytes, root_path: str) -> bytes:
        from uvicorn import Config
        from uvicorn.server import ServerState

        config = Config(
            app, http=kind, ws="none", lifespan="off", access_log=False, root_path=root_path
        )
        config.log_level = None
        config.load()
        transport, state = Transport(), ServerState()
        protocol = config.http_protocol_class(  # type: ignore[call-arg]
            config=config, server_state=state, app_state={}
        )
        protocol.connection_made(transport)
        protocol.data_received(request)
        await asyncio.wait_for(transport.is_closed.wait(), 30)
        await asyncio.gather(*state.tasks)
        return transport.written

    return lambda app, request, root_path: _run(talk(app, request, root_path))


def _hypercorn(app: Any, request: bytes, root_path: str) -> bytes:
    async def talk() -> bytes:
        from hypercorn.app_wrappers import ASGIWrapper
        from hypercorn.asyncio.task_group import TaskGroup
        from hypercorn.asyncio.worker_context import WorkerContext
        from hypercorn.config import Config
        from hypercorn.events import Closed, RawData
        from hypercorn.protocol.h11 import H11Protocol
        from hypercorn.typing import ConnectionState

        config = Config()
        config.root_path = root_path
        config.errorlog = config.accesslog = None
        written, over = b"", asyncio.Event()

        async def send(event: Any) -> None:
            nonlocal written
            if isinstance(event, RawData):
                written += event.data
            elif isinstance(event, Closed):
                over.set()

        async with TaskGroup(asyncio.get_running_loop()) as group:
            protocol = H11Protocol(
                ASGIWrapper(app),
                config,
                WorkerContext(None),
                group,
                ConnectionState({}),
                True,
                ("127.0.0.1", 1),
                ("127.0.0.1", 443),
                send,
            )
            await protocol.handle(RawData(request))
            await asyncio.wait_for(over.wait(), 30)
        return written

    return _run(talk())


def _run(talk: Any) -> bytes:
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    result: bytes = asyncio.run(talk)
    return result


# --- WSGI


def _cheroot(app: Any, request: bytes, root_path: str) -> bytes:
    from cheroot import wsgi
    from cheroot.server import HTTPConnection

    server = wsgi.Server(("localhost", 443), _at(app, root_path))
    server.ready = True
    server.error_log = lambda *arguments, **options: None  # type: ignore[method-assign]
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(request)
        connection = HTTPConnection(server, ours)
        connection.communicate()
        connection.rfile.close()
        ours.close()
        written = b""
        while piece := theirs.recv(65536):
            written += piece
    return written


def _wsgiref(app: Any, request: bytes, root_path: str) -> bytes:
    written = b""

    class Handler(wsgiref.simple_server.WSGIRequestHandler):
        def log_message(self, *arguments: Any) -> None: ...

        def get_stderr(self) -> Any:
            return io.StringIO()

    class Server:
        base_environ: dict[str, str]
        server_name, server_port = "localhost", 443

        def get_app(self) -> Any:
            return _at(app, root_path)

    class Socket:
        def makefile(self, mode: str, *arguments: Any) -> Any:
            return io.BytesIO(request)

        def sendall(self, data: Any) -> None:
            nonlocal written
            written += bytes(data)

    server = Server()
    server.base_environ = {"SERVER_NAME": "localhost", "SERVER_PORT": "443", "SCRIPT_NAME": ""}
    Handler(Socket(), ("127.0.0.1", 1), server)
    return written


def _at(app: Any, root_path: str) -> Any:
    """Mount an application, as servers do: with SCRIPT_NAME, taken off the path if it is there."""

    def mounted(environ: Any, start_response: Any) -> Any:
        environ["SCRIPT_NAME"] = root_path
        path = environ["PATH_INFO"]
        if root_path and (path + "/").startswith(f"{root_path}/"):
            environ["PATH_INFO"] = path[len(root_path) :]
        return app(environ, start_response)

    return mounted


ASGI_SERVERS: dict[str, Callable[[Any, bytes, str], bytes]] = {
    "uvicorn-h11": _uvicorn("h11"),
    "uvicorn-httptools": _uvicorn("httptools"),
    "hypercorn": _hypercorn,
}
WSGI_SERVERS: dict[str, Callable[[Any, bytes, str], bytes]] = {
    "cheroot": _cheroot,
    "wsgiref": _wsgiref,
}
