"""Step-up on uvicorn and hypercorn, asked by httpx, requests and curl."""

from __future__ import annotations

import hashlib
import ssl as standard
import subprocess
from typing import Annotated

import httpx
import pytest
from fastapi import Depends, FastAPI, Request
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

import postshake.ssl as ours
from postshake import Identity
from postshake.web import (
    CertificateNeeded,
    Policy,
    Quota,
    StepUp,
    connection_of,
    reauth,
    step_up,
)
from postshake.web.starlette import certificate, requires_certificate
from tests.requirements import require
from tests.sslmodule.ends import authority, ca_file, client_context, files
from tests.waiting import PATIENCE
from tests.web.servers import SERVERS, serving, serving_with
from tests.web.wire import connected

MODULES = pytest.mark.parametrize("module", [ours, standard], ids=["our client", "standard"])


# --- applications


async def plain(scope, receive, send):
    """An application of no framework."""
    if scope["type"] == "lifespan":
        return
    name: str | None = "nobody"
    if scope["path"].startswith("/admin"):
        identity = await reauth(scope, within=10)
        name = identity.common_name
    connection = connection_of(scope)
    whose = connection.identity_of_request
    digest, size = hashlib.sha256(), 0
    while True:
        message = await receive()
        assert message["type"] == "http.request", message
        digest.update(message.get("body", b""))
        size += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    tls = scope["extensions"]["tls"]
    headers = {
        "x-name": name,
        "x-sent-by": whose.common_name if whose else "nobody",
        "x-size": str(size),
        "x-digest": digest.hexdigest(),
        "x-tls": f"{tls['tls_version']:04x}",
        "x-chain": str(len(tls["client_cert_chain"])),
        "x-subject": tls["client_cert_name"] or "",
    }
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(k.encode(), v.encode()) for k, v in headers.items()],
        }
    )
    await send({"type": "http.response.body", "body": f"hello {name}".encode()})


Client = Annotated[Identity, Depends(certificate(within=10))]


def starlette_app():
    async def home(request):
        return PlainTextResponse("hello nobody")

    async def admin(request):
        identity = await reauth(request, [authority().certificate], within=10)
        return JSONResponse(identity.to_dict())

    @requires_certificate(within=10)
    async def decorated(request):
        return PlainTextResponse(f"hello {request.state.identity.common_name}")

    return StepUp(
        Starlette(
            routes=[
                Route("/", home),
                Route("/admin", admin),
                Route("/decorated", decorated),
            ]
        )
    )


def fastapi_app():
    app = FastAPI()

    @app.get("/")
    async def home() -> str:
        return "hello nobody"

    @app.get("/admin")
    async def admin(client: Client) -> str:
        return f"hello {client.common_name}"

    @app.post("/admin")
    async def upload(client: Client, request: Request) -> str:
        connection = connection_of(request)
        assert connection.identity_of_request is None
        return f"{client.common_name} {len(await request.body())}"

    return StepUp(app)


def visit(port, module, name="alice", **options):
    context = client_context(module, name=name)
    return httpx.Client(
        verify=context, base_url=f"https://localhost:{port}", timeout=PATIENCE, **options
    )


# --- tests


@MODULES
@SERVERS
def test_one_connection_steps_up(server, module):
    with serving(server, StepUp(plain)) as port, visit(port, module) as client:
        first = client.get("/")
        assert first.text == "hello nobody"
        assert first.headers["x-tls"] == "0304"
        assert first.headers["x-chain"] == "0"
        admin = client.get("/admin")
        assert admin.text == "hello alice"
        assert admin.headers["x-sent-by"] == "nobody"
        assert int(admin.headers["x-chain"]) >= 1  # OpenSSL adds the authority
        assert admin.headers["x-subject"] == "CN=alice"
        again = client.get("/admin/more")
        assert again.headers["x-sent-by"] == "alice"  # the same connection
        assert client.get("/").headers["x-sent-by"] == "alice"


@MODULES
@SERVERS
def test_an_upload_to_a_protected_route(server, module):
    data = bytes(range(256)) * (50_000_000 // 256)
    with serving(server, StepUp(plain)) as port, visit(port, module) as client:
        answer = client.post("/admin", content=data)
    assert answer.text == "hello alice"
    assert int(answer.headers["x-size"]) == len(data)
    assert answer.headers["x-digest"] == hashlib.sha256(data).hexdigest()
    assert answer.headers["x-sent-by"] == "nobody"  # not authenticated retroactively


@SERVERS
def test_an_upload_in_chunks_and_one_that_is_too_large(server):
    def chunks():
        for _ in range(40):
            yield bytes(25_000)

    app = StepUp(plain, protect={"/small": Policy(within=10, max_body=100_000)})
    with serving(server, app) as port, visit(port, ours) as client:
        answer = client.post("/admin", content=chunks())
        assert int(answer.headers["x-size"]) == 1_000_000
    with serving(server, app) as port, visit(port, ours) as client:
        assert client.post("/small", content=bytes(1_000_000)).status_code == 413


@SERVERS
def test_a_client_that_declines(server):
    with serving(server, StepUp(plain)) as port, visit(port, ours, name=None) as client:
        answer = client.get("/admin")
        assert answer.status_code == 403
        assert "none was shown" in answer.text
        assert client.get("/").text == "hello nobody"  # and the connection goes on


@SERVERS
def test_a_client_that_cannot_be_asked(server):
    context = client_context(ours)
    context.post_handshake_auth = False
    with serving(server, StepUp(plain)) as port:
        base = f"https://localhost:{port}"
        with httpx.Client(verify=context, base_url=base) as client:
            answer = client.get("/admin")
            assert answer.status_code == 403
            assert "did not offer" in answer.text
        # TLS 1.2 asks in the handshake
        for name, status in (("alice", 200), (None, 403)):
            context = client_context(ours, name=name)
            context.maximum_version = ours.TLSVersion.TLSv1_2
            with httpx.Client(verify=context, base_url=base) as client:
                assert client.get("/").status_code == 200
                assert client.get("/admin").status_code == status


def test_a_client_that_is_not_believed():
    context = client_context(ours, name=None)
    context.load_cert_chain(*files("mallory", "Another CA", purpose="client"))
    with serving("uvicorn-h11", StepUp(plain)) as port, httpx.Client(verify=context) as client:
        answer = client.get(f"https://localhost:{port}/admin")
        assert answer.status_code == 403
        assert "not accepted" in answer.text


def test_http2_is_told_so():
    with serving("hypercorn", StepUp(plain), ("h2", "http/1.1")) as port:
        context = client_context(standard)
        base = f"https://localhost:{port}"
        with httpx.Client(verify=context, base_url=base, http2=True) as client:
            answer = client.get("/admin")
            assert answer.http_version == "HTTP/2"
            assert answer.status_code == 403
            assert "HTTP/2 does not allow" in answer.text
            assert client.get("/").text == "hello nobody"


@SERVERS
def test_protected_paths(server):
    app = StepUp(plain, protect={"/": Policy(within=10), "/secret": Policy(max_age=0, within=10)})
    with serving(server, app) as port, visit(port, ours) as client:
        assert client.get("/x").headers["x-subject"] == "CN=alice"
        assert client.get("/secret/x").headers["x-subject"] == "CN=alice"


@SERVERS
def test_one_around_the_other(server):
    """As where `postshake serve` is given an application that is wrapped already."""
    app = StepUp(StepUp(plain, protect={"/inner": Policy(within=10)}))
    with serving(server, app) as port, visit(port, ours) as client:
        assert client.post("/admin", content=bytes(100_000)).headers["x-size"] == "100000"
        assert client.get("/inner").headers["x-subject"] == "CN=alice"
    with serving(server, app) as port, visit(port, ours, name=None) as client:
        assert "none was shown" in client.get("/admin").text
        assert "none was shown" in client.get("/inner").text
        assert client.get("/").text == "hello nobody"


def test_an_answer_of_ones_own():
    async def sorry(scope, receive, send, needed):
        assert isinstance(needed, CertificateNeeded)
        await send({"type": "http.response.start", "status": 418, "headers": []})
        await send({"type": "http.response.body", "body": needed.lack.value.encode()})

    app = StepUp(plain, on_refusal=sorry)
    with serving("uvicorn-h11", app) as port, visit(port, ours, name=None) as client:
        answer = client.get("/admin")
        assert (answer.status_code, answer.text) == (418, "declined")


@SERVERS
def test_starlette(server):
    with serving(server, starlette_app()) as port, visit(port, ours) as client:
        assert client.get("/").text == "hello nobody"
        assert client.get("/decorated").text == "hello alice"
        told = client.get("/admin").json()
        assert told["common_name"] == "alice"
        assert told["verified"]
    with serving(server, starlette_app()) as port, visit(port, ours, name=None) as client:
        for path in ("/admin", "/decorated"):
            answer = client.get(path)
            assert answer.status_code == 403
            assert "none was shown" in answer.text


@SERVERS
def test_fastapi(server):
    with serving(server, fastapi_app()) as port, visit(port, ours) as client:
        assert client.get("/").json() == "hello nobody"
        assert client.post("/admin", content=bytes(1_000_000)).json() == "alice 1000000"
        assert client.get("/admin").json() == "hello alice"
    with serving(server, fastapi_app()) as port, visit(port, ours, name=None) as client:
        answer = client.get("/admin")
        assert answer.status_code == 403
        assert "none was shown" in answer.json()["detail"]


def test_an_application_that_was_not_wrapped():
    import asyncio

    with pytest.raises(RuntimeError, match=r"app = StepUp\(app\)"):
        asyncio.run(reauth({"type": "http"}))


def test_a_server_without_our_tls():
    transport = httpx.ASGITransport(StepUp(plain))

    async def main():
        async with httpx.AsyncClient(transport=transport, base_url="https://x") as client:
            answer = await client.get("/admin")
            assert answer.status_code == 403

    import asyncio

    asyncio.run(main())


@pytest.mark.interop
@SERVERS
def test_curl(server, tmp_path):
    curl = require("curl")
    cert, key = files("alice", purpose="client")
    with serving(server, StepUp(plain)) as port:
        url = f"https://localhost:{port}"
        command = [curl, "-sS", "--http1.1", "--cacert", ca_file(), "--cert", cert, "--key", key]
        command += ["-w", "[%{num_connects}]", f"{url}/", f"{url}/admin"]
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=True)
    assert done.stdout == b"hello nobody[1]hello alice[0]", done


@SERVERS
def test_errors_that_starlette_knows(server):
    """What is too much is 413 and 503 also where a framework answers."""

    async def small(request):
        await step_up(request, Policy(within=20, max_body=100_000))

    routes = [Route("/small", small, methods=["POST"])]
    with serving(server, StepUp(Starlette(routes=routes))) as port, visit(port, ours) as client:
        assert client.post("/small", content=bytes(1_000_000)).status_code == 413
    app = StepUp(Starlette(routes=routes), quota=Quota(memory=10, disk=10))
    with serving(server, app) as port, visit(port, ours) as client:
        answer = client.post("/small", content=bytes(1000))
        assert answer.status_code == 503
        assert answer.headers["retry-after"]


def test_a_recording_is_that_of_the_connection():
    from postshake.recording import Recording
    from postshake.web import server_context

    async def app(scope, receive, send):
        body = str(len(connection_of(scope).recording.lines) > 3).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    context = server_context(*files(), ca=ca_file())
    context.recorder = Recording
    with serving_with("uvicorn-h11", StepUp(app), context) as port, visit(port, ours) as client:
        assert client.get("/").text == "True"


def test_http2_that_came_by_an_upgrade():
    """Not agreed on in the handshake, and forbidden all the same (RFC 9113, 9.2.3)."""
    import h2.connection
    import h2.events

    http2 = h2.connection.H2Connection()
    settings = http2.initiate_upgrade_connection()
    head = (
        "GET /admin HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\n"
        f"Upgrade: h2c\r\nHTTP2-Settings: {settings.decode()}\r\n\r\n"
    )
    with serving("hypercorn", StepUp(plain)) as port, connected(port) as wire:
        wire.send(head.encode())
        assert wire.answer().status == 101
        wire.send(http2.data_to_send())
        text, status, ended = b"", b"", False
        while not ended:
            for event in http2.receive_data(wire.some()):
                if isinstance(event, h2.events.ResponseReceived):
                    status = dict(event.headers)[b":status"]
                elif isinstance(event, h2.events.DataReceived):
                    text += event.data
                elif isinstance(event, h2.events.StreamEnded):
                    ended = True
    assert status == b"403"
    assert b"HTTP/2 does not allow" in text


def test_a_server_that_gives_messages_for_ever():
    """What still comes is read for a while only, and never in the way of everything else."""
    import asyncio

    from postshake.web import asgi

    sent = []

    async def receive():
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def send(message):
        sent.append(message)

    async def main():
        scope = {"type": "http", "path": "/", "headers": []}
        await StepUp(plain, protect={"/": Policy()})(scope, receive, send)
        assert sent[-1]["more_body"] is False
        (dropping,) = asgi._droppers
        dropping.cancel()

    asyncio.run(asyncio.wait_for(main(), 60))
    assert [message["type"] for message in sent] == ["http.response.start"] + [
        "http.response.body"
    ] * 2
