"""Reauth where asyncio does the TLS: what it notices, and what waiting costs."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from postshake.config import AuthRequest
from postshake.ssl import asyncio_reauth
from tests.sslmodule.ends import client_context, ours, server_context
from tests.waiting import PATIENCE

ASKING: dict[str, Any] = {"asks_later": True}


def looping(loop: str) -> Callable[..., None]:
    if loop == "uvloop":
        return pytest.importorskip("uvloop").run
    return asyncio.run


LOOPS = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])


def visited(
    loop: str,
    serve: Callable[..., Awaitable[Any]],
    visit: Callable[..., Awaitable[Any]],
    **fields: Any,
) -> Any:
    """Run a server of asyncio's, and one client; what serving came to."""

    async def main() -> Any:
        done = asyncio.get_running_loop().create_future()

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                result = await serve(reader, writer)
            except BaseException as error:
                await closed(writer)
                done.set_exception(error)
            else:
                await closed(writer)
                done.set_result(result)

        context = server_context(ours, **ASKING)
        listener = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context, **fields)
        port = listener.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=client_context(ours), server_hostname="localhost"
        )
        try:
            visiting = asyncio.ensure_future(visit(reader, writer))
            try:
                return await done
            finally:
                visiting.cancel()
                await asyncio.gather(visiting, return_exceptions=True)
        finally:
            await closed(writer)
            listener.close()

    async def limited() -> Any:
        return await asyncio.wait_for(main(), PATIENCE)

    return looping(loop)(limited())


async def closed(writer: asyncio.StreamWriter) -> None:
    """Hang up, and wait until that is done."""
    writer.transport.abort()
    with contextlib.suppress(Exception):
        await writer.wait_closed()


async def read_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A client that may be asked at any time."""
    await reader.read()


def pause(writer: asyncio.StreamWriter) -> None:
    transport: Any = writer.transport
    transport.pause_reading()


async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A client that is never asked, for it does not read."""
    pause(writer)
    await asyncio.sleep(PATIENCE)


@LOOPS
def test_a_client_that_resets_its_connection(loop):
    asked: list[asyncio.Event] = []

    async def serve(reader, writer):
        await reader.readexactly(5)
        asking = asyncio.ensure_future(ours.reauth(writer))
        await asyncio.sleep(0)
        asked[0].set()
        with pytest.raises((ConnectionError, ours.SSLError)):
            await asking
        return "noticed"

    async def visit(reader, writer):
        pause(writer)  # it never sees that it is asked
        asked.append(asyncio.Event())
        writer.write(b"hello")
        await asked[0].wait()
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    assert visited(loop, serve, visit) == "noticed"


@LOOPS
@pytest.mark.parametrize("how", ["abort", "close"])
def test_a_server_that_hangs_up_meanwhile(loop, how):
    async def serve(reader, writer):
        asked = asyncio.ensure_future(ours.reauth(writer))
        await asyncio.sleep(0)
        getattr(writer.transport, how)()
        with pytest.raises((ConnectionError, ours.SSLError)):
            await asked
        with pytest.raises((ConnectionError, ours.SSLError)):
            await ours.reauth(writer)  # it is closed already
        return "noticed"

    assert visited(loop, serve, say_nothing) == "noticed"


@LOOPS
def test_a_request_made_while_reading_is_paused_leaves_when_it_goes_on(loop):
    async def serve(reader, writer):
        writer.transport.pause_reading()
        asked = asyncio.ensure_future(ours.reauth(writer))
        await asyncio.sleep(0)
        assert not asked.done()
        writer.transport.resume_reading()
        return (await asked).common_name

    assert visited(loop, serve, read_on) == "alice"


@LOOPS
def test_a_deadline_that_is_over_tells_the_client(loop):
    async def serve(reader, writer):
        with pytest.raises(ours.ReauthExpired):
            await ours.reauth(writer, within=0.05)
        return (await reader.read()) or "expired"

    async def visit(reader, writer):
        writer.write_eof() if writer.can_write_eof() else writer.close()
        await asyncio.sleep(PATIENCE)

    assert visited(loop, serve, visit) == "expired"


# --- what waiting costs


class Loop:
    """An event loop that only keeps timers, and counts them."""

    def __init__(self):
        self.timers = []
        self.made = 0

    def call_later(self, delay, callback, *arguments):
        self.made += 1
        timer = Timer(self, lambda: callback(*arguments))
        self.timers.append(timer)
        return timer

    def fire(self):
        timers, self.timers = self.timers, []
        for timer in timers:
            timer.callback()


class Timer:
    def __init__(self, loop, callback):
        self.loop = loop
        self.callback = callback

    def cancel(self):
        self.loop.timers.remove(self)


class Outcome:
    """A future."""

    def __init__(self, loop):
        self.loop = loop
        self.error = None

    def get_loop(self):
        return self.loop

    def done(self):
        return self.error is not None

    def set_exception(self, error):
        self.error = error


class Line:
    """A transport."""

    def __init__(self):
        self.closing = False
        self.looks = 0

    def is_closing(self):
        self.looks += 1
        return self.closing


def test_any_number_of_waiting_requests_have_one_timer():
    loop, watch = Loop(), asyncio_reauth._Watch()
    waiting = [(Outcome(loop), Line()) for _ in range(1000)]
    for outcome, line in waiting:
        watch.add(outcome, line)
    assert loop.made == len(loop.timers) == 1
    for _ in range(10):
        loop.fire()
    assert loop.made == 11
    assert all(line.looks == 11 for _, line in waiting)
    waiting[7][1].closing = True
    loop.fire()
    assert isinstance(waiting[7][0].error, ConnectionAbortedError)
    assert sum(outcome.done() for outcome, _ in waiting) == 1
    for outcome, _ in waiting:
        watch.remove(outcome)
    assert loop.timers == []  # nobody waits: nobody looks
    watch.add(*waiting[0])
    assert len(loop.timers) == 1


def test_what_is_closed_already_is_not_waited_for():
    loop, watch = Loop(), asyncio_reauth._Watch()
    outcome, line = Outcome(loop), Line()
    line.closing = True
    watch.add(outcome, line)
    assert isinstance(outcome.error, ConnectionAbortedError)


def test_a_timer_that_comes_too_early_comes_again():
    """The loop's clock may be a hair before the engine's."""
    loop = Loop()
    asked = SimpleNamespace(done=False, policy=AuthRequest(within=5))
    checks = []

    def check_deadlines():
        checks.append(1)
        asked.done = len(checks) == 3

    tls = SimpleNamespace(check_deadlines=check_deadlines)
    asyncio_reauth._Deadline(loop, SimpleNamespace(is_reading=lambda: False), tls, asked)
    for _ in range(3):
        assert len(loop.timers) == 1
        loop.fire()
    assert len(checks) == 3
    assert loop.timers == []
