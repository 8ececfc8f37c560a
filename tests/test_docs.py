"""The examples of the documentation, run as they stand there against real servers and clients."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import threading
import time
from pathlib import Path
from typing import Any

import anyio
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

import postshake.ssl as ssl
from postshake import ChainVerifier, ClientConfig, Connection, TrustStore
from postshake.drive.answers import find_answer_now
from postshake.errors import CertificateRevoked, UnknownCA
from postshake.events import TraceEntry
from postshake.pki.compression import compressors
from tests.certs import CA, peer
from tests.pair import ConnectionPair
from tests.revoking import make_list
from tests.web.servers import serving_with

DOCS = Path(__file__).parent.parent / "docs"
BLOCK = re.compile(r"<!-- test: (\w+) -->\n```python\n(.*?)```", re.S)
PORT = "8443"


def source(page: str, name: str) -> str:
    """One example's text."""
    found = dict(BLOCK.findall((DOCS / page).read_text(encoding="utf-8")))
    return found[name]


def run(page: str, name: str, port: int | None = None, **names: Any) -> dict[str, Any]:
    """Run an example; with another port than the page names."""
    text = source(page, name)
    if port is not None:
        text = text.replace(PORT, str(port))
    names.setdefault("__name__", "example")
    exec(compile(text, f"{page} ({name})", "exec"), names)
    return names


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """What `postshake certs tls --server localhost --client alice` makes."""
    ca = CA("Docs CA")
    tls = tmp_path / "tls"
    tls.mkdir()
    (tls / "ca.crt").write_bytes(ca.pem())
    ca.issue("localhost", purpose="server", dns=("localhost",)).write(tls, "server")
    ca.issue("alice").write(tls, "alice")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_example_is_run():
    """All marked examples have a test here, and nearly all are marked."""
    marked = {
        (str(page.relative_to(DOCS)), name)
        for page in DOCS.rglob("*.md")
        for name, _ in BLOCK.findall(page.read_text(encoding="utf-8"))
    }
    ours = Path(__file__).read_text(encoding="utf-8")
    assert {name for _, name in marked if f'"{name}"' not in ours} == set()
    for page in DOCS.rglob("*.md"):
        text = page.read_text(encoding="utf-8")
        unmarked = text.count("```python") - len(BLOCK.findall(text))
        assert unmarked <= (1 if page.name in ("clients.md", "ssl.md") else 0), page


def client(port: int, module: Any = ssl) -> Any:
    """A client's context, from the page on clients."""
    return run("howto/clients.md", "context")["context"]


def get(port: int, path: str) -> Any:
    import httpx

    with httpx.Client(verify=client(port), base_url=f"https://localhost:{port}") as visitor:
        return visitor.get(path)


# --- servers


def web_context() -> Any:
    from postshake.web import server_context

    return server_context("tls/server.crt", "tls/server.key", ca="tls/ca.crt")


def test_tutorial(capsys):
    app = run("tutorial.md", "tutorial_app")["app"]
    from postshake.web import StepUp

    with serving_with("uvicorn-h11", StepUp(app), web_context()) as port:
        run("tutorial.md", "tutorial_client", port)
    assert capsys.readouterr().out == "hello, whoever you are\nhello, alice\n"


def test_starlette_and_paths():
    app = run("howto/servers.md", "starlette")["app"]
    with serving_with("uvicorn-h11", app, web_context()) as port:
        assert get(port, "/admin").text == "hello, alice"
    app = run("howto/servers.md", "paths")["app"]
    with serving_with("hypercorn", app, web_context()) as port:
        assert get(port, "/").text == "nobody"
        assert get(port, "/payroll").text == "CN=alice"


def test_hypercorn():
    names = run("howto/servers.md", "hypercorn")
    assert names["config"].create_ssl_context() is names["tls"]
    assert names["config"].bind == ["localhost:8443"]


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def test_cheroot():
    port = free_port()
    server = run("howto/servers.md", "cheroot", port)["server"]
    server.timeout = 2
    server.prepare()
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        assert get(port, "/").text == "hello, nobody"
        assert get(port, "/admin").text == "hello, alice"
    finally:
        server.stop()
        thread.join(20)


def read_all(sock: socket.socket) -> str:
    """What a server says to alice."""
    sock.settimeout(20)
    with client(0).wrap_socket(sock, server_hostname="localhost") as connection:
        got = b""
        while data := connection.recv(1000):
            got += data
    return got.decode()


def test_sockets():
    serve = run("howto/servers.md", "sockets")["serve"]
    one, other = socket.socketpair()
    thread = threading.Thread(target=serve, args=(one,))
    thread.start()
    assert read_all(other) == "hello, whoever you are\nhello, alice\n"
    thread.join(20)


def test_compression():
    config = run("howto/servers.md", "compression")["config"]
    connection = Connection(config)
    trusted = TrustStore.from_files("tls/ca.crt")
    seen: list[TraceEntry] = []
    peer = Connection(
        ClientConfig(
            verifier=ChainVerifier(trusted),
            certificate_compression=compressors(),
            trace=seen.append,
        ),
        "localhost",
    )
    peer.start()
    for source, target in ((peer, connection), (connection, peer)):
        target.receive_data(source.data_to_send())
        while (question := target.next_question()) is not None:
            target.answer(question.id, find_answer_now(question.subject))
    assert "CompressedCertificate" in [entry.what for entry in seen]


def test_authorities(folder):
    names = run("howto/servers.md", "authorities")
    verifier = names["config"].verifier
    other = CA("Other CA")
    asked = peer(other.issue("bob"))
    with pytest.raises(UnknownCA):
        verifier.verify(asked)
    (folder / "tls/ca.crt").write_bytes(other.pem())
    names["renew"]()
    assert verifier.verify(asked)


def test_revocation(folder):
    ca = CA("Docs CA, again")
    (folder / "tls" / "ca.crt").write_bytes(ca.pem())
    bob, carol = ca.issue("bob"), ca.issue("carol")

    def publish(*revoked):
        text = make_list(ca, *revoked).public_bytes(Encoding.PEM)
        (folder / "tls" / "ca.crl").write_bytes(text)

    publish()
    made = run("howto/servers.md", "revocation")
    verify = made["config"].verifier.verify
    verify(peer(bob))
    assert made["request"].request_ocsp
    publish(bob)
    verify(peer(bob))
    made["renew"]()
    verify(peer(carol))
    with pytest.raises(CertificateRevoked):
        verify(peer(bob))


def test_exported_authenticators():
    made = run("explanation.md", "exported")
    pair = ConnectionPair().handshake()
    server, client = (made["both_have"](end.connection) for end in (pair.server, pair.client))
    identity = made["ask"](server, lambda request: made["answer"](client, request))
    assert identity.common_name == "alice"


def eventually(port: int) -> socket.socket:
    for _ in range(200):
        with contextlib.suppress(OSError):
            return socket.create_connection(("localhost", port), timeout=20)
        time.sleep(0.02)
    raise AssertionError("nobody listens")


@pytest.mark.parametrize("name", ["asyncio", "streams", "anyio"])
def test_event_loops(name):
    port = free_port()
    main = run("howto/servers.md", name, port)["main"]

    async def visited() -> str:
        async with anyio.create_task_group() as group:
            group.start_soon(main)
            text = await asyncio.to_thread(lambda: read_all(eventually(port)))
            group.cancel_scope.cancel()
        return text

    assert asyncio.run(visited()) == "hello, alice\n"


# --- clients


@pytest.mark.parametrize("name", ["httpx", "requests", "urllib3", "aiohttp", "stdlib"])
def test_clients(name, capsys):
    app = run("howto/servers.md", "starlette")["app"]
    with serving_with("uvicorn-h11", app, web_context()) as port:
        run("howto/clients.md", name, port, context=client(port))
    assert capsys.readouterr().out == "hello, alice\n"


def test_a_chooser(capsys):
    context = client(0)
    run("howto/clients.md", "chooser", context=context)
    app = run("howto/servers.md", "starlette")["app"]
    with serving_with("uvicorn-h11", app, web_context()) as port:
        run("howto/clients.md", "httpx", port, context=context)
    assert "hello, alice" in capsys.readouterr().out


def test_session():
    serve = run("howto/gnutls.md", "session")["serve"]
    one, other = socket.socketpair()
    one.settimeout(20)
    thread = threading.Thread(target=serve, args=(one,))
    thread.start()
    assert read_all(other) == "welcome"
    thread.join(20)
    assert not thread.is_alive()
    one.close()
