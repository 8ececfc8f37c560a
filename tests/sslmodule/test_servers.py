"""Web servers that are handed our context: uvicorn, hypercorn, cheroot; and uvloop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.sslmodule.ends import ROLES, client_context, ours, server_context, standard
from tests.waiting import MOMENT, PATIENCE, wait_until

BODY = bytes(range(256)) * 4096


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Sends back what it got, reversed."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    answer = body[::-1] + scope["path"].encode()
    headers = [(b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


@contextlib.contextmanager
def uvicorn_server(context: Any, loop: str) -> Iterator[int]:
    import uvicorn

    port = free_port()
    config = uvicorn.Config(
        application,
        host="127.0.0.1",
        port=port,
        loop=loop,
        log_level="error",
        ssl_context_factory=lambda config, default: context,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        wait_for(port)
        yield port
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
    assert not thread.is_alive()


@contextlib.contextmanager
def hypercorn_server(context: Any, worker: str) -> Iterator[int]:
    from hypercorn.config import Config

    port = free_port()

    class Ours(Config):
        ssl_enabled = True

        def create_ssl_context(self) -> Any:
            return context

    config = Ours()
    config.bind = [f"127.0.0.1:{port}"]
    config.graceful_timeout = 1
    stop = threading.Event()
    app: Any = application

    if worker == "trio":
        import trio
        from hypercorn.trio import serve as serve_trio

        async def until_trio() -> None:
            while not stop.is_set():
                await trio.sleep(0.05)

        def run() -> None:
            trio.run(lambda: serve_trio(app, config, shutdown_trigger=until_trio))
    else:
        from hypercorn.asyncio import serve

        async def until() -> None:
            while not stop.is_set():
                await asyncio.sleep(0.05)

        def run() -> None:
            asyncio.run(serve(app, config, shutdown_trigger=until))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        wait_for(port)
        yield port
    finally:
        stop.set()
        thread.join(PATIENCE)
    assert not thread.is_alive()


@contextlib.contextmanager
def cheroot_server(context: Any, _: str) -> Iterator[int]:
    from cheroot.ssl.builtin import BuiltinSSLAdapter
    from cheroot.wsgi import Server

    def wsgi(environ: Any, start_response: Any) -> list[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        answer = body[::-1] + environ["PATH_INFO"].encode()
        start_response("200 OK", [("Content-Length", str(len(answer)))])
        return [answer]

    from tests.sslmodule.ends import files

    server = Server(("127.0.0.1", 0), wsgi)
    server.ssl_adapter = BuiltinSSLAdapter(*files())
    server.ssl_adapter.context = context
    server.prepare()
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield server.bind_addr[1]
    finally:
        server.stop()
        thread.join(PATIENCE)


def wait_for(port: int) -> None:
    def listens() -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), MOMENT):
            return True
        return False

    wait_until(listens, f"a server on {port}")


KINDS = {
    "uvicorn-asyncio": (uvicorn_server, "asyncio"),
    "uvicorn-uvloop": (uvicorn_server, "uvloop"),
    "hypercorn-asyncio": (hypercorn_server, "asyncio"),
    "hypercorn-trio": (hypercorn_server, "trio"),
    "cheroot": (cheroot_server, ""),
}


@ROLES
@pytest.mark.parametrize("kind", KINDS)
def test_a_web_server(kind, server, client):
    if kind == "uvicorn-uvloop":
        pytest.importorskip("uvloop")
    serve, how = KINDS[kind]
    with serve(server_context(server), how) as port:
        url = f"https://localhost:{port}"
        with httpx.Client(verify=client_context(client)) as session:
            for _ in range(2):
                assert session.get(f"{url}/hello").content == b"/hello"
                assert session.post(f"{url}/!", content=BODY).content == BODY[::-1] + b"/!"
        with (
            httpx.Client(verify=client_context(client, ca="Another CA")) as session,
            pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"),
        ):
            session.get(url)
        with httpx.Client(verify=client_context(client)) as session:  # it goes on
            assert session.get(f"{url}/again").content == b"/again"


# --- uvloop, whose own TLS takes the standard library's objects


def on_uvloop(main: Any) -> Any:
    uvloop = pytest.importorskip("uvloop")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(asyncio.wait_for(main, PATIENCE))


@ROLES
def test_streams_on_uvloop(server, client):
    async def main() -> None:
        async def echo(reader, writer):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
            writer.close()

        listener = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=server_context(server))
        port = listener.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=client_context(client), server_hostname="localhost"
        )
        writer.write(BODY)
        assert await reader.readexactly(len(BODY)) == BODY
        writer.close()
        await writer.wait_closed()
        listener.close()

    on_uvloop(main())


@pytest.mark.parametrize("client", [ours, standard], ids=["ours", "standard"])
def test_reauth_on_uvloop(client):
    async def main() -> str:
        found = asyncio.get_running_loop().create_future()

        async def serve(reader, writer):
            try:
                identity = await ours.reauth(writer, within=10)
                again = await ours.reauth(writer, within=10)
                assert again.chain == identity.chain
                assert await reader.readexactly(5) == b"hello"
                found.set_result(identity.common_name)
            except BaseException as error:
                found.set_exception(error)
            finally:
                writer.close()

        context = server_context(ours, asks_later=True)
        listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        port = listener.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=client_context(client), server_hostname="localhost"
        )
        writer.write(b"hello")
        reading = asyncio.ensure_future(reader.read())
        try:
            return str(await found)
        finally:
            await asyncio.gather(reading, return_exceptions=True)
            writer.close()
            listener.close()

    assert on_uvloop(main()) == "alice"
