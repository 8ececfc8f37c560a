"""A signer that blocks, in a thread."""

from __future__ import annotations

import asyncio
import threading

from postshake.crypto.signatures import verify
from postshake.signers.threaded import ThreadedSigner
from tests.waiting import PATIENCE


class Slow:
    """A signer that a test lets go on."""

    def __init__(self, held):
        self.signer = held.signer
        self.public_key, self.schemes = held.signer.public_key, held.schemes
        self.go_on = threading.Event()

    def sign(self, scheme, data):
        assert self.go_on.wait(PATIENCE)
        return self.signer.sign(scheme, data)


def test_a_loop_goes_on_while_a_thread_signs():
    from tests.certs import CA

    held = CA("Test CA").issue("alice").credential()
    slow = Slow(held)
    signer = ThreadedSigner(slow)

    async def main():
        task = asyncio.ensure_future(signer.sign(held.schemes[0], b"data"))
        await asyncio.sleep(0.02)
        assert not task.done()
        slow.go_on.set()
        verify(held.schemes[0], held.leaf.public_key(), await task, b"data")

    asyncio.run(main())
    assert signer.schemes == held.schemes
