"""The README's examples, run as they stand there."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from postshake.drive.answers import find_answer_now
from postshake.drive.streams import open_connection
from postshake.session import (
    CLIENT,
    POST_HANDSHAKE_AUTH,
    CertificateCredentials,
    ReauthRequest,
    Session,
)
from tests.certs import CA
from tests.pair import client_config, issued, server_config, the_ca
from tests.waiting import PATIENCE

README = Path(__file__).parent.parent / "README.md"
BLOCK = re.compile(r"<!-- test: (\w+) -->\n```python\n(.*?)```", re.S)


def blocks(title: str) -> list[Any]:
    """The code blocks with this mark, compiled."""
    text = README.read_text(encoding="utf-8")
    found = [source for name, source in BLOCK.findall(text) if name == title]
    assert found, f"no block is marked {title!r}"
    return [compile(source, f"README.md ({title})", "exec") for source in found]


def test_every_python_block_is_run():
    text = README.read_text(encoding="utf-8")
    assert text.count("```python") == len(BLOCK.findall(text))


def test_sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    ca = CA("Test CA")
    (tmp_path / "ca.crt").write_bytes(ca.pem())
    ca.issue("localhost", purpose="server", dns=["localhost"]).write(tmp_path, "server")
    ca.issue("alice").write(tmp_path, "alice")
    monkeypatch.chdir(tmp_path)
    server: dict[str, Any] = {}
    client: dict[str, Any] = {}
    for code, names in zip(blocks("sockets"), (server, client), strict=True):
        exec(code, names)
    ours, theirs = socket.socketpair()
    ours.settimeout(PATIENCE)
    theirs.settimeout(PATIENCE)
    thread = threading.Thread(target=server["serve"], args=(theirs,))
    thread.start()
    try:
        client["visit"](ours)
    finally:
        thread.join(PATIENCE)
    assert not thread.is_alive()


def test_streams(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    ca = CA("Test CA")
    (tmp_path / "ca.crt").write_bytes(ca.pem())
    ca.issue("localhost", purpose="server", dns=["localhost"]).write(tmp_path, "server")
    ca.issue("alice").write(tmp_path, "alice")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    client: dict[str, Any] = {}
    for code, there in zip(blocks("sockets"), (names, client), strict=True):
        exec(code, there)
    (code,) = blocks("streams")
    exec(code, names)
    started: list[asyncio.Server] = []
    start_server = names["start_server"]

    async def start_somewhere(handle, host, port, config):
        started.append(await start_server(handle, host, 0, config))
        return started[0]

    names["start_server"] = start_somewhere

    async def visit() -> bytes:
        serving = asyncio.create_task(names["main"]())
        while not started:
            await asyncio.sleep(0.01)
        port = started[0].sockets[0].getsockname()[1]
        reader, writer = await open_connection("localhost", port, client["config"])
        text = await reader.read()
        writer.close()
        serving.cancel()
        return text

    assert asyncio.run(visit()) == b"hello, whoever you are\nhello, alice\n"


def test_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    ca = CA("Test CA")
    (tmp_path / "ca.crt").write_bytes(ca.pem())
    ca.issue("localhost", purpose="server", dns=["localhost"]).write(tmp_path, "server")
    monkeypatch.chdir(tmp_path)
    early: list[bytes] = []
    names: dict[str, Any] = {"handle_unauthenticated": early.append}
    (code,) = blocks("session")
    exec(code, names)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(PATIENCE)
        theirs.settimeout(PATIENCE)
        thread = threading.Thread(target=names["serve"], args=(theirs,))
        thread.start()
        client = Session(CLIENT | POST_HANDSHAKE_AUTH)
        client.credentials_set(credentials := CertificateCredentials())
        credentials.set_x509_trust([ca.certificate])
        credentials.set_x509_key(ca.issue("alice").credential())
        client.set_verify_cert("localhost")
        client.transport_set(ours)
        client.handshake()
        with pytest.raises(ReauthRequest):
            client.record_recv()
        client.record_send(b"one moment")
        client.reauth()
        assert client.record_recv() == b"welcome"
        client.bye()
        thread.join(PATIENCE)
    assert not thread.is_alive()
    assert early == [b"one moment"]


def test_engine():
    def exchange(client, server):
        for _ in range(10):
            for source, target in ((client, server), (server, client)):
                for end in (source, target):
                    while question := end.next_question():
                        end.answer(question.id, find_answer_now(question.subject))
                if data := source.data_to_send():
                    target.receive_data(data)

    names: dict[str, Any] = {
        "client_config": client_config("alice"),
        "server_config": server_config(credentials=(issued("localhost", "server").credential(),)),
        "exchange": exchange,
        "alice": issued("alice").credential(),
        "staff_ca_name": the_ca().name,
    }
    (code,) = blocks("engine")
    exec(code, names)


def test_dropin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    ca = CA("Test CA")
    (tmp_path / "ca.crt").write_bytes(ca.pem())
    ca.issue("localhost", purpose="server", dns=["localhost"]).write(tmp_path, "server")
    ca.issue("alice").write(tmp_path, "alice")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    (code,) = blocks("dropin")
    exec(code, names)
    ours, theirs = socket.socketpair()
    ours.settimeout(PATIENCE)
    thread = threading.Thread(target=names["serve"], args=(theirs,))
    thread.start()
    context = names["ssl"].create_default_context(cafile="ca.crt")
    context.load_cert_chain("alice.crt", "alice.key")
    context.post_handshake_auth = True
    with context.wrap_socket(ours, server_hostname="localhost") as client:
        assert client.recv(100) == b"hello, alice\n"
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_web():

    import httpx

    names: dict[str, Any] = {}
    (code,) = blocks("web")
    exec(code, names)

    async def visit() -> httpx.Response:
        transport = httpx.ASGITransport(names["app"])
        async with httpx.AsyncClient(transport=transport, base_url="https://x") as client:
            return await client.get("/admin")

    # no TLS of ours under this: the clear answer; tests/test_docs.py has the same over TLS
    assert asyncio.run(visit()).status_code == 403
