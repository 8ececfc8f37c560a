"""Services of the standard library and others, with the import changed."""

from __future__ import annotations

import asyncio
import http.client
import http.server
import imaplib
import smtplib
import socketserver
import ssl as standard
import threading
import urllib.request
from email.message import EmailMessage
from typing import Any

import pytest

from tests.interop.program import free_port
from tests.sslmodule.ends import ROLES, client_context, ours, server_context
from tests.waiting import PATIENCE

# --- http.server and http.client


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.reply(f"you asked for {self.path}".encode())

    def do_POST(self):
        self.reply(self.rfile.read(int(self.headers["Content-Length"]))[::-1])

    def reply(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def web():
    """Starts http.server with a context."""
    servers = []

    def start(context, handler=Handler):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return server.server_address[1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@ROLES
def test_http(web, server, client):
    port = web(server_context(server))
    connection = http.client.HTTPSConnection("localhost", port, context=client_context(client))
    for path in ("/", "/again"):
        connection.request("GET", path)
        assert connection.getresponse().read() == f"you asked for {path}".encode()
    body = bytes(range(256)) * 8192
    connection.request("POST", "/", body)
    assert connection.getresponse().read() == body[::-1]
    connection.close()
    url = f"https://localhost:{port}/plain"
    with urllib.request.urlopen(url, context=client_context(client)) as response:
        assert response.read() == b"you asked for /plain"


def test_http_from_a_client_that_trusts_another(web):
    port = web(server_context(ours))
    context = client_context(ours, ca="Another CA")
    with pytest.raises(urllib.error.URLError) as caught:
        urllib.request.urlopen(f"https://localhost:{port}/", context=context)
    reason = caught.value.reason
    assert isinstance(reason, standard.SSLCertVerificationError)
    assert reason.verify_code == 20


@ROLES
def test_http_with_reauth(web, server, client):
    class Stepping(Handler):
        def do_GET(self):
            if server is ours:
                self.reply(self.connection.reauth(within=10).common_name.encode())
            elif (certificate := self.connection.getpeercert()) is not None:
                self.reply(certificate["subject"][0][0][1].encode())
            else:  # the verdict comes with later data
                self.connection.verify_client_post_handshake()
                self.reply(b"ask again")

    port = web(server_context(server, asks_later=True), Stepping)
    connection = http.client.HTTPSConnection("localhost", port, context=client_context(client))
    answers: list[bytes] = []
    while not answers or answers[-1] == b"ask again":
        connection.request("GET", "/admin")
        answers.append(connection.getresponse().read())
    assert answers[-1] == b"alice"
    assert len(answers) == (1 if server is ours else 2)
    connection.close()


# --- asyncio


async def echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.write_eof() if writer.can_write_eof() else None
    writer.close()


@ROLES
def test_asyncio_streams(server, client):
    async def main():
        listener = await asyncio.start_server(
            echo, "127.0.0.1", 0, ssl=server_context(server), ssl_handshake_timeout=PATIENCE
        )
        port = listener.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=client_context(client), server_hostname="localhost"
        )
        assert writer.get_extra_info("cipher")[1] == "TLSv1.3"
        assert writer.get_extra_info("peercert")["subject"] == ((("commonName", "localhost"),),)
        data = bytes(range(256)) * 4096

        async def send():
            for _ in range(4):
                writer.write(data)
                await writer.drain()

        _, got = await asyncio.gather(send(), reader.readexactly(4 * len(data)))
        assert got == data * 4
        writer.close()
        await writer.wait_closed()
        listener.close()
        await listener.wait_closed()

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


@ROLES
def test_asyncio_start_tls(server, client):
    async def serve(reader, writer):
        assert await reader.readline() == b"STARTTLS\n"
        writer.write(b"go\n")
        await writer.drain()
        await writer.start_tls(server_context(server))
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()

    async def main():
        listener = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"STARTTLS\n")
        assert await reader.readline() == b"go\n"
        await writer.start_tls(client_context(client), server_hostname="localhost")
        writer.write(b"now in secret\n")
        assert await reader.readline() == b"now in secret\n"
        assert await reader.read() == b""
        writer.close()
        listener.close()

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


# --- mail


class Inbox:
    def __init__(self):
        self.messages = []

    async def handle_DATA(self, server, session, envelope):
        self.messages.append((session.ssl, envelope.content))
        return "250 taken"


@ROLES
def test_smtp_with_starttls(server, client):
    from aiosmtpd.controller import Controller

    inbox = Inbox()
    context = server_context(server)
    controller = Controller(
        inbox,
        "127.0.0.1",
        0,
        tls_context=context,
        require_starttls=True,
        server_hostname="localhost",
        ready_timeout=PATIENCE,
    )
    controller.port = free_port()
    controller.start()
    try:
        with smtplib.SMTP("localhost", controller.port, timeout=PATIENCE) as smtp:
            code, _ = smtp.starttls(context=client_context(client))
            assert code == 220
            message = EmailMessage()
            message["Subject"] = "secret"
            message.set_content("hello\n" * 5000)
            smtp.send_message(message, "alice@example.org", ["bob@example.org"])
    finally:
        controller.stop()
    ((secured, content),) = inbox.messages
    assert secured
    assert content.count(b"hello") == 5000


class Imap(socketserver.StreamRequestHandler):
    context: Any = None

    def handle(self):
        self.wfile.write(b"* OK ready\r\n")
        while line := self.rfile.readline().decode():
            tag, command, *_ = line.split()
            if command == "CAPABILITY":
                self.wfile.write(b"* CAPABILITY IMAP4rev1 STARTTLS\r\n")
            elif command == "LOGOUT":
                self.wfile.write(f"* BYE\r\n{tag} OK done\r\n".encode())
                return
            self.wfile.write(f"{tag} OK done\r\n".encode())
            if command == "STARTTLS":
                self.connection = self.context.wrap_socket(self.request, server_side=True)
                self.rfile = self.connection.makefile("rb")
                self.wfile = self.connection.makefile("wb", 0)

    def finish(self):
        super().finish()
        self.connection.close()


@ROLES
def test_imap_with_starttls(server, client):
    handler = type("Secured", (Imap,), {"context": server_context(server)})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as service:
        threading.Thread(target=service.serve_forever, daemon=True).start()
        with imaplib.IMAP4("localhost", service.server_address[1], timeout=PATIENCE) as imap:
            assert imap.starttls(ssl_context=client_context(client))[0] == "OK"
            assert imap.noop()[0] == "OK"
        service.shutdown()


# --- trio


@ROLES
def test_trio(server, client):
    import trio

    async def main():
        async def serve(stream):
            async with trio.SSLStream(stream, server_context(server), server_side=True) as tls:
                while data := await tls.receive_some(65536):
                    await tls.send_all(data)

        async with trio.open_nursery() as nursery:
            (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
            port = listener.socket.getsockname()[1]
            await nursery.start(trio.serve_listeners, serve, [listener])
            stream = await trio.open_tcp_stream("127.0.0.1", port)
            tls = trio.SSLStream(stream, client_context(client), server_hostname="localhost")
            data, got = bytes(range(256)) * 2048, b""

            async def receive():
                nonlocal got
                while len(got) < len(data):
                    got += await tls.receive_some(65536)

            async with trio.open_nursery() as both:
                both.start_soon(receive)
                both.start_soon(tls.send_all, data)
            assert got == data
            await tls.aclose()
            nursery.cancel_scope.cancel()

    async def limited():
        with trio.fail_after(PATIENCE):
            await main()

    trio.run(limited)
