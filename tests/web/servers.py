"""Real web servers, each in a thread of its own, on a free port."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from postshake.web import hypercorn_config, server_context, uvicorn_ssl
from tests.sslmodule.ends import ca_file, files
from tests.waiting import PATIENCE

__all__ = ["SERVERS", "serving", "serving_with"]

# with + behind it, and who speaks websockets there: uvicorn-h11+wsproto
SERVERS = pytest.mark.parametrize(
    "server", ["uvicorn-h11", "uvicorn-httptools", "uvicorn-uvloop", "hypercorn"]
)


@contextlib.contextmanager
def serving(server: str, app: Any, protocols: tuple[str, ...] = ("http/1.1",)) -> Iterator[int]:
    """Serve an application; give the port."""
    cert, key = files()
    context = server_context(cert, key, ca=ca_file(), protocols=protocols)
    with serving_with(server, app, context) as port:
        yield port


@contextlib.contextmanager
def serving_with(server: str, app: Any, context: Any) -> Iterator[int]:
    """Serve an application with a context; give the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    run = _hypercorn if server == "hypercorn" else _uvicorn
    with run(server, app, context, listener):
        yield port


@contextlib.contextmanager
def _uvicorn(server: str, app: Any, context: Any, listener: socket.socket) -> Iterator[None]:
    import uvicorn

    kind, _, websockets = server.partition("-")[2].partition("+")
    config = uvicorn.Config(
        app,
        ssl_context_factory=uvicorn_ssl(context),
        http="httptools" if kind == "httptools" else "h11",
        loop="uvloop" if kind == "uvloop" else "asyncio",
        ws=websockets or "auto",
        log_level="error",
        lifespan="off",
        timeout_keep_alive=int(PATIENCE),
    )
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, args=([listener],), daemon=True)
    thread.start()
    while not running.started:
        assert thread.is_alive()
        time.sleep(0.01)
    try:
        yield
    finally:
        running.should_exit = True
        thread.join(PATIENCE)
        listener.close()
    assert not thread.is_alive()


@contextlib.contextmanager
def _hypercorn(server: str, app: Any, context: Any, listener: socket.socket) -> Iterator[None]:
    from hypercorn.asyncio import serve

    config = hypercorn_config(
        context, bind=[f"fd://{listener.detach()}"], errorlog=None, accesslog=None
    )
    config.keep_alive_timeout = PATIENCE
    stop = threading.Event()

    async def until_stopped() -> None:
        while not stop.is_set():
            await asyncio.sleep(0.02)

    def run() -> None:
        asyncio.run(serve(app, config, shutdown_trigger=until_stopped))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(PATIENCE)
    assert not thread.is_alive()
