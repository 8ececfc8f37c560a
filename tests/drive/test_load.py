"""Two thousand connections on one event loop, each reauthenticated while data flows both ways."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import random
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest

from postshake.drive.anyio import TLSStream, open_tls_stream, serve_tls
from postshake.drive.asyncio import open_connection, start_server
from tests.drive.anyio.test_stream import NAME, timed, with_alice
from tests.pair import issued
from tests.waiting import PATIENCE

MANY = 2000
AT_A_TIME = 100  # that connect: the system drops what waits beyond its backlog
PIECE = 1024
BEFORE, BETWEEN, AFTER = 4, 2, 2  # pieces: before the request, before its answer, after
WHOLE = (BEFORE + BETWEEN + AFTER) * PIECE
STREAM = random.Random(1).randbytes(251 * PIECE)  # what all say, each from another place on


def said(number: int, sender: str, first: int, count: int) -> bytes:
    """Some pieces of what one end says in its connection: no two ends say the same."""
    start = (2 * number + (sender == "server")) * 97 % (len(STREAM) - WHOLE)
    return STREAM[start + first * PIECE : start + (first + count) * PIECE]


@dataclass
class Talk:
    """One connection, as the test sees it from both ends."""

    number: int
    asked: anyio.Event = field(default_factory=anyio.Event)
    """The server has asked, and spoken since."""
    at_request: int = -1
    """How much the server had of the client's when it asked."""
    finished: int = 0
    """Ends that have everything."""


class OverStream:
    """An end that is a TLSStream."""

    def __init__(self, stream):
        self.connection = stream.connection
        self.send, self.send_eof, self.reauth = stream.send, stream.send_eof, stream.reauth
        self.close = stream.aclose
        self._receive = stream.receive

    async def receive(self):
        try:
            return await self._receive()
        except anyio.EndOfStream:
            return b""


class OverTransport:
    """An end that is a pair of asyncio's streams."""

    def __init__(self, reader, writer):
        self._reader, self._writer = reader, writer
        self.connection = writer.transport.connection
        self.reauth = writer.transport.reauth

    async def send(self, data):
        self._writer.write(data)
        await self._writer.drain()

    async def receive(self):
        return await self._reader.read(65536)

    async def send_eof(self):
        self._writer.write_eof()

    async def close(self):
        self._writer.close()
        await self._writer.wait_closed()


class Streams:
    """`postshake.drive.anyio`."""

    @asynccontextmanager
    async def serving(self, handle):
        async def handler(stream):
            await handle(OverStream(stream))

        async with anyio.create_task_group() as group:
            ((_, port, *_),) = await group.start(serve_tls, handler, "127.0.0.1", 0, timed())
            yield port
            group.cancel_scope.cancel()

    async def connect(self, port, config, answer):
        stream = await open_tls_stream(
            "127.0.0.1", port, config, server_name=NAME, answer=lambda _: answer()
        )
        assert isinstance(stream, TLSStream)
        return OverStream(stream)


class Transports:
    """`postshake.drive.asyncio`."""

    @asynccontextmanager
    async def serving(self, handle):
        tasks = []

        async def handler(reader, writer):
            tasks.append(asyncio.current_task())
            await handle(OverTransport(reader, writer))

        server = await start_server(handler, "127.0.0.1", 0, timed())
        yield server.sockets[0].getsockname()[1]
        server.close()
        await asyncio.gather(*tasks)

    async def connect(self, port, config, answer):
        reader, writer = await open_connection(
            "127.0.0.1", port, config, server_name=NAME, answer=lambda _: answer()
        )
        return OverTransport(reader, writer)


async def hear(end, number, sender, heard=b""):
    """Receive all that the peer says, and compare every byte."""
    expected = said(number, sender, 0, BEFORE + BETWEEN + AFTER)
    received = bytearray(heard)
    while data := await end.receive():
        assert data == expected[len(received) : len(received) + len(data)]
        received += data
    assert len(received) == WHOLE


async def serve(end, talks, go_on):
    """One connection from the server's side."""
    heard = b""
    while len(heard) < 4:
        heard += await end.receive()
    number = int.from_bytes(heard[:4], "big")
    talk = talks[number]
    connection = end.connection
    await go_on.wait()
    async with anyio.create_task_group() as group:
        group.start_soon(hear, end, number, "client", heard[4:])
        await end.send(said(number, "server", 0, BEFORE))

        async def ask():
            identity = await end.reauth()
            assert identity.common_name == "alice"
            await end.send(said(number, "server", BEFORE + BETWEEN, AFTER))
            await end.send_eof()

        group.start_soon(ask)
        while not connection.open_requests:
            await anyio.sleep(0)
        talk.at_request = connection.read_position + connection.readable - 4
        await end.send(said(number, "server", BEFORE, BETWEEN))
        assert connection.open_requests, "that was sent while the request was open"
        assert connection.peer_identity is None
        talk.asked.set()
    (_, nobody), (position, alice) = connection.identity_history
    assert nobody is None
    assert alice.common_name == "alice"
    # what the client said after it was asked and before it answered is nobody's, to the byte
    assert position - 4 == (BEFORE + BETWEEN) * PIECE
    assert talk.at_request <= BEFORE * PIECE
    talk.finished += 1
    await end.close()


async def visit(ends, port, config, credential, talk, connected, go_on):
    """One connection from the client's side."""
    number = talk.number

    async def answer():
        await talk.asked.wait()
        await end.send(said(number, "client", BEFORE, BETWEEN))
        return credential

    end = await ends.connect(port, config, answer)
    await end.send(number.to_bytes(4, "big"))
    connected.append(end)
    await go_on.wait()
    async with anyio.create_task_group() as group:
        group.start_soon(hear, end, number, "server")
        await end.send(said(number, "client", 0, BEFORE))
    # the server has said all, its verdict first: what we say now is alice's
    await end.send(said(number, "client", BEFORE + BETWEEN, AFTER))
    await end.send_eof()
    talk.finished += 1
    await end.close()


def resident() -> int:
    """The process's memory, in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def enough_descriptors(many: int) -> bool:
    """Whether the process may open so many, after asking for as many as it may have."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = many + 200
    if soft < wanted and (hard == resource.RLIM_INFINITY or hard >= wanted):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return soft >= wanted


async def run(ends, many):
    """Hold so many connections, reauthenticate them all at once, and report."""
    talks = [Talk(number) for number in range(many)]
    config, credential = with_alice(), issued("alice").credential()
    go_on = anyio.Event()
    connected: list[OverStream | OverTransport] = []

    gc.collect()
    before, began = resident(), time.perf_counter()
    async with ends.serving(lambda end: serve(end, talks, go_on)) as port:
        async with anyio.create_task_group() as group:
            for talk in talks:
                group.start_soon(visit, ends, port, config, credential, talk, connected, go_on)
                while len(connected) + AT_A_TIME <= talk.number:
                    await anyio.sleep(0.01)
            while len(connected) < many:
                await anyio.sleep(0.05)
            handshakes = time.perf_counter() - began
            gc.collect()
            memory = (resident() - before) / many / 1024
            began = time.perf_counter()
            go_on.set()
        reauths = time.perf_counter() - began
        while any(talk.finished < 2 for talk in talks):
            await anyio.sleep(0.01)
    return (
        f"{many / handshakes:.0f} handshakes/s, {memory:.0f} KiB resident for a pair with its "
        f"tasks and sockets, then all at once {many / reauths:.0f}/s reauths "
        f"with {2 * WHOLE // 1024} KiB of data each"
    )


def work(ends, backend):
    """What the other process does."""
    assert enough_descriptors(2 * MANY)

    async def main():
        with anyio.fail_after(10 * PATIENCE):
            return await run(ends(), MANY)

    return anyio.run(main, backend=backend)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ends", "backend"),
    [(Transports, "asyncio"), (Streams, "asyncio"), (Streams, "trio")],
    ids=["transports", "streams on asyncio", "streams on trio"],
)
def test_two_thousand_connections(ends, backend, capsys):
    if not enough_descriptors(2 * MANY):
        pytest.skip("not enough descriptors")

    # a process of its own: what others have left behind would pass for this one's memory
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=fresh) as pool:
        report = pool.submit(work, ends, backend).result(11 * PATIENCE)
    with capsys.disabled():
        print(f"\n{MANY} connections, {ends.__name__.lower()} on {backend}: {report}")
