"""What was received before a proof is nobody's, whoever reads it later.

A client may send a request before the answer to the one before it has come. If that one brings
about a proof of who it is, the request was sent in front of it all the same.
"""

from __future__ import annotations

import contextlib
import http.server
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import postshake.ssl as ours
from postshake.ssl.engine_settings import engine_settings
from postshake.web import Policy, StepUp, connection_of, reauth
from postshake.web.wsgi import SENT_BY, reauth_handler
from postshake.web.wsgi import StepUp as WSGIStepUp
from postshake.web.wsgi import reauth as wsgi_reauth
from tests.sslmodule.ends import ca_file, client_context, files
from tests.web.servers import SERVERS as ASGI
from tests.web.servers import serving
from tests.web.test_wsgi import serving as serving_wsgi
from tests.web.wire import Wire, connected

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def name_of(identity: Any) -> str:
    return identity.common_name if identity is not None else "nobody"


async def asgi(scope, receive, send):
    """Says who sent the request, who the client is, and who ASGI's extension says it is."""
    if scope["type"] != "http":
        return
    if scope["path"] == "/ask":
        await reauth(scope, within=20)
    more = True
    while more:
        more = (await receive()).get("more_body", False)
    connection = connection_of(scope)
    subject = scope["extensions"]["tls"]["client_cert_name"] or "CN=nobody"
    body = " ".join(
        [name_of(connection.identity_of_request), name_of(connection.identity), subject]
    )
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body.encode()})


def wsgi(environ, start_response):
    if environ["PATH_INFO"] == "/ask":
        wsgi_reauth(environ, within=20)
    environ["wsgi.input"].read()
    who = environ.get("postshake.identity") or environ[SENT_BY]
    subject = environ.get("SSL_CLIENT_S_DN", "CN=nobody")
    body = " ".join([name_of(environ[SENT_BY]), name_of(who), subject]).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


@contextlib.contextmanager
def standing(server: str) -> Iterator[int]:
    """A server of this kind; give its port."""
    if server == "cheroot":
        with serving_wsgi(WSGIStepUp(wsgi)) as port:
            yield port
    else:
        with serving(server, StepUp(asgi)) as port:
            yield port


KINDS = [*ASGI.args[1], "cheroot"]
EACH = pytest.mark.parametrize("server", KINDS)


def get(path: str, body: bytes = b"", *, end: str = "\r\n") -> bytes:
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{length}{end}".encode() + body


@contextlib.contextmanager
def counting(port: int) -> Iterator[tuple[Wire, list[bytes]]]:
    """Connect as alice; give the connection, and the requests for a certificate so far."""
    context, asked = client_context(ours), []

    def choose(owner, request):
        asked.append(request.context)
        return engine_settings(context).credentials[0]

    context.reauth_callback = choose
    sock = socket.create_connection(("localhost", port), 60)
    with sock, context.wrap_socket(sock, server_hostname="localhost") as tls:
        yield Wire(tls), asked


@EACH
def test_a_request_that_came_with_the_one_that_asks(server):
    with standing(server) as port, counting(port) as (wire, asked):
        wire.send(get("/ask") + get("/transfer"))
        assert wire.answer().text == "nobody alice CN=alice"
        assert wire.answer().text == "nobody nobody CN=nobody"
        assert len(asked) == 1


@EACH
def test_it_is_asked_for_by_itself(server):
    with standing(server) as port, counting(port) as (wire, asked):
        wire.send(get("/ask") + get("/ask") + get("/ask", b"a body"))
        for number in (1, 2, 3):
            assert wire.answer().text == "nobody alice CN=alice"
            assert len(asked) == number


@pytest.mark.parametrize("size", [1, 2, 12, 40, -1])
@EACH
def test_a_request_that_began_before_the_proof(server, size):
    """Whoever sent its beginning chose what it is; the rest may be anybody's."""
    began = get("/transfer")
    with standing(server) as port, counting(port) as (wire, _):
        wire.send(get("/ask") + began[:size])
        assert wire.answer().text == "nobody alice CN=alice"
        wire.send(began[size:])
        assert wire.answer().text == "nobody nobody CN=nobody"


@EACH
def test_a_request_that_was_sent_after_the_proof(server):
    with standing(server) as port, counting(port) as (wire, asked):
        assert [wire.send(get("/")), wire.answer().text][1] == "nobody nobody CN=nobody"
        assert [wire.send(get("/ask")), wire.answer().text][1] == "nobody alice CN=alice"
        for path in ("/", "/ask", "/"):
            wire.send(get(path))
            assert wire.answer().text == "alice alice CN=alice"
        wire.send(get("/") + get("/ask", b"body") + get("/"))
        for _ in range(3):
            assert wire.answer().text == "alice alice CN=alice"
        assert len(asked) == 1


@EACH
def test_a_request_after_an_upload_that_was_asked_for(server):
    """The rest of a body is in front of the next request, whenever it came."""
    with standing(server) as port, counting(port) as (wire, asked):
        upload = get("/ask", bytes(300_000))
        wire.send(upload)
        assert wire.answer().text == "nobody alice CN=alice"
        wire.send(get("/"))
        assert wire.answer().text == "alice alice CN=alice"
        assert len(asked) == 1


@EACH
def test_a_connection_gets_over_it(server):
    """Later requests are the client's again, at the latest when it was asked again."""
    with standing(server) as port, counting(port) as (wire, asked):
        wire.send(get("/ask") + get("/transfer"))
        assert wire.answer().text == "nobody alice CN=alice"
        assert wire.answer().text == "nobody nobody CN=nobody"
        wire.send(get("/ask"))
        assert wire.answer().text.endswith("alice CN=alice")
        wire.send(get("/"))
        assert wire.answer().text == "alice alice CN=alice"
        assert len(asked) <= 2


@EACH
def test_a_protected_path_asks_each_request_that_came_too_early(server):
    protect = {"/safe": Policy(within=20)}
    if server == "cheroot":
        serve = serving_wsgi(WSGIStepUp(wsgi, protect=protect))
    else:
        serve = serving(server, StepUp(asgi, protect=protect))
    with serve as port:
        with counting(port) as (wire, asked):
            wire.send(get("/safe") + get("/safe/delete"))
            assert wire.answer().text == "nobody alice CN=alice"
            assert wire.answer().text == "nobody alice CN=alice"
            assert len(asked) == 2
        with connected(port, name=None) as wire:
            wire.send(get("/safe") + get("/safe/delete"))
            assert wire.answer().status == 403
            assert wire.answer().status == 403


def test_a_handler_of_http_server():
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            who = name_of(reauth_handler(self, Policy(within=20)))
            length = int(self.headers.get("Content-Length") or 0)
            body = f"{who} {len(self.rfile.read(length))}".encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ours.SSLContext(ours.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files())
    context.load_verify_locations(ca_file())
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with counting(server.server_address[1]) as (wire, asked):
            wire.send(get("/") + get("/", b"12345"))
            assert wire.answer().text == "alice 0"
            assert wire.answer().text == "alice 5"
            assert len(asked) == 2  # the second came too early for the first proof
            wire.send(get("/", bytes(100_000)))
            assert wire.answer().text == "alice 100000"
            wire.send(get("/"))
            assert wire.answer().text == "alice 0"
            assert len(asked) == 2
    finally:
        server.shutdown()
        server.server_close()
