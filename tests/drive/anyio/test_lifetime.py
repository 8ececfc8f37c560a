"""What a call that failed leaves behind: nothing of its caller's (as of blocking streams)."""

from __future__ import annotations

import gc
import socket
import time
import weakref
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, ClassVar

import anyio
import pytest

from postshake.constants import SignatureScheme
from postshake.drive.anyio import TLSStream
from postshake.drive.anyio.transports import AsyncSocket
from postshake.pki.credential import Credential
from tests.certs import CA
from tests.pair import client_config, issued, server_config
from tests.waiting import PATIENCE


@pytest.fixture(autouse=True)
def without_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class Held:
    """Something in a caller's variable."""


async def left_by(call: Callable[[], Awaitable[object]]) -> weakref.ref[Held]:
    """Make a call, which must fail; return a variable of who makes it."""
    held = Held()
    try:
        await call()
    except Exception:  # and let go of it
        return weakref.ref(held)
    raise AssertionError("it did not fail")


async def try_to(call: Callable[[], Awaitable[object]]) -> None:
    try:
        await call()
    except Exception:  # why it fails is the other's affair
        return


class TokenError(OSError):
    """Knows which of its kind are still there."""

    there: ClassVar[weakref.WeakSet[TokenError]] = weakref.WeakSet()

    def __init__(self) -> None:
        super().__init__("the token does not answer")
        self.there.add(self)


class Signer:
    """A token that was pulled out; it says so at once, or later."""

    def __init__(self, credential: Credential, late: bool) -> None:
        self.public_key = credential.signer.public_key
        self.schemes = credential.signer.schemes
        self._late = late

    def sign(self, scheme: SignatureScheme, data: bytes) -> Any:
        async def fail() -> bytes:
            raise TokenError

        if self._late:
            return fail()
        raise TokenError


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("why", ["key", "late key", "trust"])
def test_a_handshake_that_fails_keeps_nothing_of_its_caller(backend: str, why: str) -> None:
    client, server = client_config(), server_config(clock=time.monotonic)
    if why == "trust":
        client = client_config(verifier=CA("Another CA").verifier())
    else:
        good = issued("server.example", "server").credential()
        broken = Credential(good.chain, Signer(good, late=why == "late key"))
        server = server_config(clock=time.monotonic, credentials=(broken,))

    async def run() -> Held | None:
        one, other = socket.socketpair()
        a = TLSStream(AsyncSocket(one), client, "server.example")
        b = TLSStream(AsyncSocket(other), server)
        fails, goes_on = (a, b) if why == "trust" else (b, a)
        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as group:
                group.start_soon(try_to, goes_on.handshake)
                left = await left_by(fails.handshake)
        there = left()
        for each in (a, b):
            each.connection.close()
            await each.transport.aclose()
        return there

    assert anyio.run(run, backend=backend) is None
    assert not TokenError.there
