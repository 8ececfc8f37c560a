"""Two thousand connections on one event loop, each reauthenticated while data flows."""

from __future__ import annotations

import gc
import socket
import time
import tracemalloc

import anyio
import pytest

from postshake import Identity
from postshake.drive.aio import TLSStream
from postshake.drive.sockets import AsyncSocket
from tests.drive.test_aio import NAME, timed, with_alice

MANY = 2000
RECORD = bytes(range(256)) * 4
ROUNDS = 4


def enough_descriptors(many: int) -> bool:
    """Whether the process may open so many, after asking for as many as it may have."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = many + 200
    if soft < wanted and (hard == resource.RLIM_INFINITY or hard >= wanted):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return soft >= wanted


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_two_thousand_connections(backend, capsys):
    if not enough_descriptors(2 * MANY):
        pytest.skip("not enough descriptors")
    many = MANY if backend == "asyncio" else MANY // 4
    client_config, server_config = with_alice(), timed()
    report = {}

    async def client(sock, connected):
        stream = TLSStream(AsyncSocket(sock), client_config, NAME)
        await stream.handshake()
        connected.append(stream)
        got = 0
        for _ in range(ROUNDS):
            await stream.send(RECORD)
            while got % len(RECORD) or not got:
                got += len(await stream.receive())
            got = 0
        await stream.send(b"end")
        assert await stream.receive() == b"end"
        await stream.transport.aclose()

    async def server(sock, identities, go_on):
        stream = TLSStream(AsyncSocket(sock), server_config)
        await stream.handshake()
        await go_on.wait()
        received = bytearray()
        authenticated_from = None

        async def echo():
            nonlocal authenticated_from
            while not received.endswith(b"end"):
                data, whose = await stream.receive_with_identity()
                if whose is not None and authenticated_from is None:
                    authenticated_from = len(received)
                received.extend(data)
                await stream.send(data)

        async with anyio.create_task_group() as group:
            group.start_soon(echo)
            identities.append(await stream.reauth())
        assert bytes(received) == RECORD * ROUNDS + b"end"
        await stream.transport.aclose()

    async def main():
        identities: list[Identity | None] = []
        connected: list[TLSStream] = []
        go_on = anyio.Event()
        gc.collect()
        tracemalloc.start()
        began, before = time.perf_counter(), tracemalloc.get_traced_memory()[0]
        async with anyio.create_task_group() as group:
            for _ in range(many):
                one, other = socket.socketpair()
                group.start_soon(client, one, connected)
                group.start_soon(server, other, identities, go_on)
            while len(connected) < many:
                await anyio.sleep(0.05)
            gc.collect()
            report["memory"] = (tracemalloc.get_traced_memory()[0] - before) / many / 1024
            report["handshakes"] = time.perf_counter() - began
            tracemalloc.stop()
            began = time.perf_counter()
            go_on.set()
        report["reauths"] = time.perf_counter() - began
        assert len(identities) == many
        assert all(each is not None and each.common_name == "alice" for each in identities)

    anyio.run(main, backend=backend)
    with capsys.disabled():
        print(
            f"\n{many} connections on {backend}: {report['handshakes']:.1f} s to connect (traced), "
            f"{report['reauths']:.1f} s for a reauth and {ROUNDS} echoes each, "
            f"{report['memory']:.0f} KiB of Python's memory for a pair with its tasks"
        )
