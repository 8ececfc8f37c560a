"""What a server's objects tell of what it holds."""

from __future__ import annotations

import asyncio

import pytest

from postshake.web.scope import find_transport, holds_more
from tests.web.exchange import Transport


@pytest.mark.parametrize("kind", ["h11", "httptools"])
def test_uvicorn(kind):
    """From the first byte of a request on it holds more, however it was cut."""
    from uvicorn import Config
    from uvicorn.server import ServerState

    seen = []

    async def app(scope, receive, send):
        seen.append(send)
        assert find_transport(send) is transport
        await asyncio.sleep(3600)

    async def main(first, more):
        config = Config(app, http=kind, ws="none", lifespan="off")
        config.log_level = None
        config.load()
        protocol = config.http_protocol_class(  # type: ignore[call-arg]
            config=config, server_state=ServerState(), app_state={}
        )
        transport.protocol = protocol  # type: ignore[attr-defined]
        protocol.connection_made(transport)
        protocol.data_received(first)
        while not seen:
            await asyncio.sleep(0)
        before = holds_more(seen[0])
        for piece in more:
            protocol.data_received(piece)
        return before, holds_more(seen.pop())

    request = b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
    transport = Transport()
    transport.get_protocol = lambda: transport.protocol  # type: ignore
    assert asyncio.run(main(request, [])) == (False, False)
    assert asyncio.run(main(request[:-2], [b"b", b"c"])) == (False, False)
    assert asyncio.run(main(request + b"G", [])) == (True, True)
    for size in (1, 3, 20, len(request), len(request) + 3):
        more = (request * 2)[:size]
        assert asyncio.run(main(request, [more])) == (False, True), size
        assert asyncio.run(main(request, [bytes([each]) for each in more])) == (False, True)


def test_hypercorn_and_what_its_reader_holds():
    from hypercorn.asyncio.tcp_server import TCPServer
    from hypercorn.protocol.h11 import H11Protocol
    from hypercorn.protocol.http_stream import HTTPStream

    async def main():
        tcp = TCPServer.__new__(TCPServer)
        tcp.reader = asyncio.StreamReader()
        h11 = H11Protocol.__new__(H11Protocol)
        import h11 as parser

        h11.connection = parser.Connection(parser.SERVER)
        h11.send = tcp.protocol_send
        stream = HTTPStream.__new__(HTTPStream)
        stream.send = h11.stream_send
        send = stream.app_send
        assert not holds_more(send)
        tcp.reader.feed_data(b"G")
        assert holds_more(send)
        assert await tcp.reader.read(1) == b"G"
        assert not holds_more(send)
        h11.connection.receive_data(b"G")
        assert holds_more(send)

    asyncio.run(main())


def test_a_server_that_nobody_knows():
    class Server:
        transport = None

        async def send(self, message): ...

    assert holds_more(Server().send)
    assert holds_more(lambda message: None)
    assert holds_more(None)
