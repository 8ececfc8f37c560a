"""Client libraries that are handed our context, and answer a server that steps up."""

from __future__ import annotations

import asyncio
import http.server
import threading
from typing import ClassVar

import pytest

from tests.sslmodule.ends import client_context, ours, server_context
from tests.tokens import PIN, needs_softhsm, token
from tests.waiting import PATIENCE


class Steps(http.server.BaseHTTPRequestHandler):
    """`/` is for everyone; everything else asks for a certificate first."""

    protocol_version = "HTTP/1.1"
    connections: ClassVar[set[object]]

    def do_GET(self):
        self.connections.add(self.connection)
        name = "nobody"
        if self.path != "/":
            identity = self.connection.reauth(within=10, require=False)
            name = identity.common_name if identity is not None else "nobody"
        body = f"hello {name}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def service():
    """The URL of a server that steps up, and the connections that it got."""

    class Counting(Steps):
        connections: ClassVar[set[object]] = set()

    handler = Counting
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    context = server_context(ours, asks_later=True)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://localhost:{server.server_address[1]}", handler.connections
    server.shutdown()
    server.server_close()


STEPS = [("/", "hello nobody"), ("/admin", "hello alice"), ("/", "hello nobody")]


def test_http_client(service):
    from http.client import HTTPSConnection

    url, connections = service
    port = int(url.rpartition(":")[2])
    connection = HTTPSConnection("localhost", port, context=client_context(ours))
    for path, expected in STEPS:
        connection.request("GET", path)
        assert connection.getresponse().read().decode() == expected
    connection.close()
    assert len(connections) == 1


def test_urllib3(service):
    import urllib3

    url, connections = service
    with urllib3.PoolManager(ssl_context=client_context(ours)) as pool:
        for path, expected in STEPS:
            assert pool.request("GET", url + path).data.decode() == expected
    assert len(connections) == 1


def test_requests(service):
    import requests
    from requests.adapters import HTTPAdapter

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *arguments, **options):
            return super().init_poolmanager(*arguments, **options, ssl_context=client_context(ours))

    url, connections = service
    with requests.Session() as session:
        session.mount("https://", Adapter())
        for path, expected in STEPS:
            assert session.get(url + path, timeout=PATIENCE).text == expected
    assert len(connections) == 1


def test_httpx(service):
    import httpx

    url, connections = service
    with httpx.Client(verify=client_context(ours)) as client:
        for path, expected in STEPS:
            assert client.get(url + path).text == expected
    assert len(connections) == 1


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_httpx_asynchronous(service, backend):
    import anyio
    import httpx

    url, connections = service

    async def main():
        async with httpx.AsyncClient(verify=client_context(ours)) as client:
            for path, expected in STEPS:
                assert (await client.get(url + path)).text == expected

    anyio.run(main, backend=backend)
    assert len(connections) == 1


def test_aiohttp(service):
    import aiohttp

    url, connections = service

    async def main():
        connector = aiohttp.TCPConnector(ssl=client_context(ours))
        async with aiohttp.ClientSession(connector=connector) as session:
            for path, expected in STEPS:
                async with session.get(url + path) as response:
                    assert await response.text() == expected

    asyncio.run(main())
    assert len(connections) == 1


@needs_softhsm
def test_a_key_in_a_token(service):
    import httpx

    from postshake.signers.pkcs11 import TokenSigner, token_credential
    from tests.sslmodule.ends import authority

    issued = authority().issue("a card")
    uri = token().keep("client", issued)
    credential = token_credential(uri, issued.pem(), module=token().module, pin=PIN)
    context = client_context(ours, name=None)
    context.use_credential(credential)
    url, connections = service
    with httpx.Client(verify=context) as client:
        assert client.get(url + "/").text == "hello nobody"
        assert client.get(url + "/admin").text == "hello a card"
    assert len(connections) == 1
    assert isinstance(credential.signer, TokenSigner)
    credential.signer.close()


@pytest.mark.parametrize("kind", ["requests", "httpx"])
def test_a_server_of_another_authority(service, kind):
    url, _ = service
    context = client_context(ours, ca="Another CA")
    if kind == "httpx":
        import httpx

        with httpx.Client(verify=context) as client, pytest.raises(httpx.ConnectError) as caught:
            client.get(url)
        assert "CERTIFICATE_VERIFY_FAILED" in str(caught.value)
    else:
        import urllib3

        refused = pytest.raises(urllib3.exceptions.SSLError, match="CERTIFICATE_VERIFY_FAILED")
        with urllib3.PoolManager(ssl_context=context, retries=False) as pool, refused:
            pool.request("GET", url)
