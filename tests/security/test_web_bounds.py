"""What is kept for clients that have not answered is bounded, for each and for all.

"**What strangers can make a web server keep is bounded.** While a client is asked, at most
`Policy.max_body` of its request's body is kept (256 MiB, on disk for the most part), and at most
`Policy.max_messages` of a websocket's messages (1 MiB); for all clients of a process together at
most what the `Quota` says (64 MiB of memory, 1 GiB of disk). What is more is answered 413 or 503,
a websocket closed with 1009 or 1013." (SECURITY.md)
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import tempfile
import threading
import time

import pytest

from postshake.web import BodyTooLarge, Policy, Quota, ServerBusy, StepUp, reauth
from postshake.web.wsgi import StepUp as WSGIStepUp
from postshake.web.wsgi import reauth as wsgi_reauth
from tests.web.servers import SERVERS, serving
from tests.web.test_wsgi import serving as serving_wsgi
from tests.web.wire import TIMEOUT, connected, frame

pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    # uvicorn's old kind of websockets
    pytest.mark.filterwarnings("ignore:The .websockets. implementation is deprecated"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

WEBSOCKETS = pytest.mark.parametrize(
    "server",
    ["uvicorn-h11+websockets", "uvicorn-h11+wsproto", "uvicorn-h11+websockets-sansio", "hypercorn"],
)
EACH = pytest.mark.parametrize("server", [*SERVERS.args[1], "cheroot"])
ASGI = SERVERS
MIB = 1024 * 1024


class Watched(Quota):
    """A quota that remembers how much was used at most."""

    most_memory = most_disk = 0

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.was_full = threading.Event()

    def take_memory(self, size):
        taken = super().take_memory(size)
        if not taken:
            self.was_full.set()
        self.most_memory = max(self.most_memory, self.memory_used)
        return taken

    def take_disk(self, size):
        taken = super().take_disk(size)
        self.most_disk = max(self.most_disk, self.disk_used)
        return taken

    def wait_for(self, memory):
        """Wait until so much was used."""
        until = time.monotonic() + TIMEOUT
        while self.most_memory < memory:
            assert time.monotonic() < until, self.most_memory
            time.sleep(0.01)

    def wait_until_given_back(self):
        until = time.monotonic() + TIMEOUT
        while (self.memory_used, self.disk_used) != (0, 0):
            assert time.monotonic() < until, (self.memory_used, self.disk_used)
            time.sleep(0.01)


# --- websockets


async def asking_websocket(scope, receive, send):
    """Accepts, and asks then."""
    if scope["type"] != "websocket":
        return
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept"})
    await reauth(scope, within=TIMEOUT)


def flood(wire, frames):
    """Send without ever reading, until the server takes no more."""
    with contextlib.suppress(OSError):
        for _ in range(frames):
            wire.send(frame(bytes(16 * 1024)))


@WEBSOCKETS
def test_messages_of_one_websocket(server):
    quota = Watched()
    with serving(server, StepUp(asking_websocket, quota=quota)) as port:
        with connected(port, name=None) as wire:
            assert wire.open_websocket("/").status == 101
            flood(wire, 4 * MIB // (16 * 1024))
            quota.wait_for(MIB - 32 * 1024)  # reading answers, and the client must not yet
            assert wire.read_close() == 1009
        quota.wait_until_given_back()
    assert quota.most_memory <= MIB
    assert quota.most_memory > MIB // 2


@WEBSOCKETS
def test_small_messages_count_for_the_memory_that_they_take(server):
    quota = Watched()
    with serving(server, StepUp(asking_websocket, quota=quota)) as port:
        with connected(port, name=None) as wire:
            assert wire.open_websocket("/").status == 101
            with contextlib.suppress(OSError):
                wire.send(frame(b"") * 20_000)  # 120 KB, and some 5 MB in Python
            quota.wait_for(MIB - 1024)
            assert wire.read_close() == 1009
        quota.wait_until_given_back()
    assert quota.most_memory <= MIB


@WEBSOCKETS
def test_messages_of_all_websockets(server):
    """Each within its bound, and too much together."""
    quota = Watched(memory=MIB // 2)
    with serving(server, StepUp(asking_websocket, quota=quota)) as port:
        with contextlib.ExitStack() as stack:
            wires = [stack.enter_context(connected(port, name=None)) for _ in range(3)]
            for number, wire in enumerate(wires):
                assert wire.open_websocket("/").status == 101
                flood(wire, 12)  # 192 KiB
                if number < 2:
                    quota.wait_for((number + 1) * 192 * 1024)
            assert quota.was_full.wait(TIMEOUT)
            assert wires[2].read_close() == 1013
        quota.wait_until_given_back()
    assert quota.most_memory <= MIB // 2


@WEBSOCKETS
def test_messages_that_fit_are_given_back_in_order(server):
    async def app(scope, receive, send):
        if scope["type"] != "websocket":
            return
        await receive()
        await send({"type": "websocket.accept"})
        identity = await reauth(scope, within=TIMEOUT)
        await send({"type": "websocket.send", "text": identity.common_name})
        for _ in range(20):
            message = await receive()
            await send({"type": "websocket.send", "bytes": message["bytes"]})

    quota = Watched()
    with serving(server, StepUp(app, quota=quota)) as port, connected(port) as wire:
        assert wire.open_websocket("/").status == 101
        for number in range(20):
            wire.send(frame(b"%d " % number * 5000))
        assert wire.read_frame() == (1, b"alice")
        for number in range(20):
            assert wire.read_frame() == (2, b"%d " % number * 5000)
        quota.wait_until_given_back()


@WEBSOCKETS
def test_a_websocket_that_is_not_let_in(server):
    app = StepUp(asking_websocket, protect={"/": Policy(within=TIMEOUT)})
    with serving(server, app) as port, connected(port, name=None) as wire:
        answer = wire.open_websocket("/")
        assert answer.status == 403
    with serving(server, app) as port, connected(port, name=None) as wire:
        assert wire.open_websocket("//x").status in (400, 403)


# --- bodies


async def asgi(scope, receive, send):
    """Asks on its own, and takes what is too much as it comes."""
    if scope["type"] != "http":
        return
    said = ""
    if scope["path"] == "/ask":
        try:
            said = (await scope["extensions"]["postshake"].step_up(SMALL)).common_name or ""
        except (BodyTooLarge, ServerBusy) as error:
            said = type(error).__name__
    digest = hashlib.sha256()
    more = True
    while more:
        message = await receive()
        digest.update(message.get("body", b""))
        more = message.get("more_body", False)
    body = f"{said} {digest.hexdigest()}".encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def wsgi(environ, start_response):
    said = ""
    if environ["PATH_INFO"] == "/ask":
        try:
            said = wsgi_reauth(environ, policy=SMALL).common_name or ""
        except (BodyTooLarge, ServerBusy) as error:
            said = type(error).__name__
    digest = hashlib.sha256()
    while data := environ["wsgi.input"].read(10_000):
        digest.update(data)
    body = f"{said} {digest.hexdigest()}".encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


SMALL = Policy(within=TIMEOUT, max_body=MIB)


def standing(server, quota, **policy):
    protect = {"/safe": Policy(**{"within": TIMEOUT, **policy})}
    if server == "cheroot":
        return serving_wsgi(WSGIStepUp(wsgi, protect=protect, quota=quota))
    return serving(server, StepUp(asgi, protect=protect, quota=quota))


def post(wire, path, body):
    """Send all of it before anything is read, as many clients do."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    with contextlib.suppress(OSError):
        wire.send(head.encode() + body)
    return wire.answer()


@EACH
def test_the_body_of_one_request(server):
    quota = Watched()
    with standing(server, quota, max_body=MIB) as port:
        with connected(port) as wire:
            assert post(wire, "/safe", bytes(2 * MIB)).status == 413
        quota.wait_until_given_back()
    assert quota.most_memory + quota.most_disk <= 2 * MIB


@EACH
def test_the_bodies_of_all_requests(server):
    quota = Watched(memory=MIB // 4, disk=MIB)
    with standing(server, quota) as port:
        with connected(port) as wire:
            answer = post(wire, "/safe", bytes(2 * MIB))
            assert answer.status == 503
            assert answer.headers["retry-after"]
        quota.wait_until_given_back()
        with connected(port) as wire:
            assert post(wire, "/safe", bytes(MIB // 2)).text.startswith(" ")  # there is room again
        quota.wait_until_given_back()
    assert quota.most_memory <= MIB // 4
    assert quota.most_disk <= MIB


@EACH
def test_many_strangers_at_once(server):
    """Whatever comes of each of them, together they do not get beyond the quota."""
    quota = Watched(memory=MIB // 2, disk=2 * MIB)
    statuses = []

    def stranger(port):
        with connected(port, name=None) as wire, contextlib.suppress(OSError):
            statuses.append(post(wire, "/safe", bytes(MIB)).status)

    with standing(server, quota) as port:
        threads = [threading.Thread(target=stranger, args=(port,)) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(TIMEOUT)
        quota.wait_until_given_back()
    assert statuses
    assert set(statuses) <= {403, 503}
    assert quota.most_memory <= MIB // 2
    assert quota.most_disk <= 2 * MIB


@pytest.mark.parametrize(
    ("quota", "said"),
    [(Quota(), "BodyTooLarge"), (Quota(memory=MIB // 4, disk=MIB // 2), "ServerBusy")],
)
@EACH
def test_what_is_too_much_is_not_lost(server, quota, said):
    """Who catches the error finds all of the body, in order."""
    body = bytes(range(256)) * (3 * MIB // 256)
    with standing(server, quota) as port, connected(port) as wire:
        answer = post(wire, "/ask", body)
        assert answer.text == f"{said} {hashlib.sha256(body).hexdigest()}"
    assert (quota.memory_used, quota.disk_used) == (0, 0)


@EACH
def test_a_disk_that_takes_nothing(server, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", "/nonexistent/folder")
    quota = Watched()
    with standing(server, quota) as port:
        with connected(port) as wire:
            assert post(wire, "/safe", bytes(2 * MIB)).status == 503
        quota.wait_until_given_back()


# --- and a refused upload leaves nothing behind


@pytest.mark.parametrize("framework", [False, True], ids=["StepUp", "Starlette"])
@ASGI
def test_a_refused_upload_ends(server, framework):
    """Not with a server that waits for ever for what nobody will read."""
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    tasks = []

    async def safe(request):
        await reauth(request, within=TIMEOUT)
        return PlainTextResponse("safe")

    async def count(request):
        tasks.append(len(asyncio.all_tasks()))
        return PlainTextResponse("counted")

    routes = [Route("/safe", safe, methods=["POST"]), Route("/count", count)]
    protect = {} if framework else {"/safe": Policy(within=TIMEOUT)}
    app = StepUp(Starlette(routes=routes), protect=protect)

    def counted(port):
        with connected(port, name=None) as wire:
            wire.send(b"GET /count HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert wire.answer().status == 200
        return tasks[-1]

    with serving(server, app) as port:
        before = counted(port)
        for _ in range(5):
            with connected(port, name=None) as wire:
                assert post(wire, "/safe", bytes(3_000_000)).status == 403
                with contextlib.suppress(ConnectionError):  # it may hang up, but not hang
                    wire.send(b"GET /count HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    assert wire.answer().status == 200
        for _ in range(3):  # and clients that do not wait for the end of it
            with connected(port, name=None) as wire, contextlib.suppress(OSError):
                wire.send(
                    b"POST /safe HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3000000\r\n\r\n"
                    + bytes(1_000_000)
                )
                assert wire.answer().status == 403
        until = time.monotonic() + TIMEOUT
        while counted(port) > before:
            assert time.monotonic() < until, (before, tasks)
            time.sleep(0.1)
