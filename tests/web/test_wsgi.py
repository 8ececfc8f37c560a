"""Step-up in WSGI on cheroot, and in http.server."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import io
import socket
import sys
import threading

import httpx
import pytest

import postshake.ssl as ours
from postshake.web import CertificateNeeded, Policy, server_context
from postshake.web.wsgi import (
    SENT_BY,
    CherootAdapter,
    StepUp,
    _length,
    client_variables,
    reauth,
    reauth_handler,
)
from tests.certs import CA
from tests.sslmodule.ends import authority, ca_file, files
from tests.waiting import PATIENCE
from tests.web.test_asgi import MODULES, visit

# cheroot answers 500 to whoever hung up, into a file that it has closed
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def app(environ, start_response):
    name: str | None = "nobody"
    if environ["PATH_INFO"].startswith("/admin"):
        identity = reauth(environ, [authority().certificate], within=10)
        name = identity.common_name
        assert environ["SSL_CLIENT_S_DN_CN"] == name
    digest, size = hashlib.sha256(), 0
    left = int(environ.get("CONTENT_LENGTH") or 0)
    while left > size:
        data = environ["wsgi.input"].read(min(10_000, left - size))
        assert data
        digest.update(data)
        size += len(data)
    sent_by = environ[SENT_BY]
    start_response(
        "200 OK",
        [
            ("x-name", name),
            ("x-size", str(size)),
            ("x-digest", digest.hexdigest()),
            ("x-verify", environ["SSL_CLIENT_VERIFY"]),
            ("x-sent-by", sent_by.common_name if sent_by else "nobody"),
            ("x-protocol", environ["SSL_PROTOCOL"]),
        ],
    )
    return [f"hello {name}".encode()]


@contextlib.contextmanager
def serving(application):
    from cheroot import wsgi

    server = wsgi.Server(("127.0.0.1", 0), application, numthreads=4, timeout=int(PATIENCE))
    server.ssl_adapter = CherootAdapter(server_context(*files(), ca=ca_file()))
    server.prepare()
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield server.bind_addr[1]
    finally:
        server.stop()
        thread.join(PATIENCE)


@MODULES
def test_one_connection_steps_up(module):
    with serving(StepUp(app)) as port, visit(port, module) as client:
        first = client.get("/")
        assert first.text == "hello nobody"
        assert first.headers["x-verify"] == "NONE"
        assert first.headers["x-protocol"] == "TLSv1.3"
        admin = client.get("/admin")
        assert admin.text == "hello alice"
        assert admin.headers["x-verify"] == "SUCCESS"
        assert admin.headers["x-sent-by"] == "nobody"
        assert client.get("/").headers["x-sent-by"] == "alice"


@MODULES
def test_an_upload_to_a_protected_route(module):
    data = bytes(range(256)) * (50_000_000 // 256)
    with serving(StepUp(app)) as port, visit(port, module) as client:
        answer = client.post("/admin", content=data)
    assert answer.text == "hello alice"
    assert int(answer.headers["x-size"]) == len(data)
    assert answer.headers["x-digest"] == hashlib.sha256(data).hexdigest()
    assert answer.headers["x-sent-by"] == "nobody"


def test_refusals():
    with serving(StepUp(app)) as port, visit(port, ours, name=None) as client:
        answer = client.get("/admin")
        assert answer.status_code == 403
        assert "none was shown" in answer.text
        assert client.get("/").text == "hello nobody"
    protected = StepUp(app, protect={"/": Policy(max_body=100_000, within=10)})
    with serving(protected) as port, visit(port, ours, name=None) as client:
        assert client.get("/anything").status_code == 403
    with serving(protected) as port, visit(port, ours) as client:
        assert client.post("/small", content=bytes(1_000_000)).status_code == 413


def test_plain_http_to_cheroot():
    with serving(StepUp(app)) as port:
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://localhost:{port}/")
        with visit(port, ours) as client:
            assert client.get("/").text == "hello nobody"


def test_a_slow_client_holds_up_nobody():
    with serving(StepUp(app)) as port, visit(port, ours) as client:
        slow = socket.create_connection(("127.0.0.1", port))
        assert client.get("/").text == "hello nobody"
        slow.close()


def test_no_tls_at_all():
    with pytest.raises(CertificateNeeded):
        reauth({"wsgi.input": None})


def test_variables():
    issued = CA("Test CA").issue(
        "alice", dns=("a.example", "b.example"), email=("alice@example.org",)
    )
    from postshake import Identity

    identity = Identity(chain=issued.chain, verified_chain=issued.chain, proven_at=0.0)
    found = client_variables(identity)
    assert found["SSL_CLIENT_S_DN"] == "CN=alice"
    assert found["SSL_CLIENT_I_DN"] == "CN=Test CA"
    assert found["SSL_CLIENT_SAN_DNS_1"] == "b.example"
    assert found["SSL_CLIENT_SAN_Email_0"] == "alice@example.org"
    assert "BEGIN CERTIFICATE" in found["SSL_CLIENT_CERT"]
    assert all(isinstance(value, str) for value in found.values())
    assert found["SSL_CLIENT_VERIFY"] == "SUCCESS"
    assert client_variables(identity, "it ended")["SSL_CLIENT_VERIFY"] == "FAILED:it ended"
    assert client_variables(None) == {"SSL_CLIENT_VERIFY": "NONE"}


def test_a_name_stays_one_name_in_variables():
    """A value that is written like two is escaped (CVE-2021-44532 and its kin)."""
    from postshake import Identity

    issued = CA("Test CA").issue(
        "alice,O=Admin+OU=x\nCN=root\x00", dns=("a.example, DNS:b.example",)
    )
    found = client_variables(Identity(issued.chain, issued.chain, proven_at=0.0))
    assert found["SSL_CLIENT_S_DN"] == r"CN=alice\,O=Admin\+OU=x\0ACN=root\00"
    assert found["SSL_CLIENT_S_DN_CN"] == r"alice,O=Admin+OU=x\0ACN=root\00"
    assert found["SSL_CLIENT_SAN_DNS_0"] == "a.example, DNS:b.example"
    assert "SSL_CLIENT_SAN_DNS_1" not in found


def test_variables_of_somebody_else_are_taken_away():
    seen = {}

    def application(environ, start_response):
        seen.update(environ)
        start_response("200 OK", [])
        return [b""]

    claimed = {"SSL_CLIENT_VERIFY": "SUCCESS", "SSL_CLIENT_S_DN": "CN=root", "SSL_CLIENT_X": "y"}
    environ = {"PATH_INFO": "/", "wsgi.input": io.BytesIO(), **claimed}
    list(StepUp(application)(environ, lambda status, headers: None))
    told = {name: value for name, value in seen.items() if name.startswith("SSL_CLIENT_")}
    assert told == {"SSL_CLIENT_VERIFY": "NONE"}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        try:
            name = reauth_handler(self, Policy(within=10)).common_name
        except CertificateNeeded as needed:
            self.reply(403, str(needed))
            return
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.reply(200, f"{name} {len(body)}")

    def reply(self, status, text):
        self.send_response(status)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *arguments):
        pass


@MODULES
def test_http_server(module):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = server_context(*files(), ca=ca_file())
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_address[1]
    with visit(port, module) as client:
        assert client.post("/", content=bytes(5_000_000)).text == "alice 5000000"
        assert client.post("/", content=b"").text == "alice 0"
    with visit(port, module, name=None) as client:
        assert client.post("/", content=b"").status_code == 403
    server.shutdown()
    server.server_close()


def test_a_content_length_is_a_number_of_any_length():
    """A head may have more digits than int() takes."""
    assert _length("42") == 42
    assert _length("0" * 5 + "7") == 7
    for text in ("9" * 5000, "9" * 19, "0" * 5000):
        assert _length(text) == sys.maxsize
    for nothing in (None, "", "-1", "1e3", "\u0661", "+5", " 5"):
        assert _length(nothing) == 0
