"""Signers that block, for drivers that must not wait."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from ..constants import SignatureScheme
from ..pki.credential import Signer

__all__ = ["ThreadedSigner"]


class ThreadedSigner:
    """A signer that works in a thread, so that an event loop need not wait for it.

    Its `sign` is a coroutine, for drivers that await: asyncio, and trio with anyio.

    Args:
        signer: who signs; a blocking one.
    """

    def __init__(self, signer: Signer) -> None:
        self._signer = signer
        self.public_key = signer.public_key
        self.schemes = signer.schemes
        self.schemes12: tuple[SignatureScheme, ...] = getattr(signer, "schemes12", signer.schemes)

    async def sign(self, scheme: SignatureScheme, data: bytes) -> bytes:
        """Sign the data in a thread. Cancelled, it lets the thread finish for nothing."""
        work: Callable[[], Any] = partial(self._signer.sign, scheme, data)
        if "anyio" not in sys.modules and _in_asyncio():  # it takes long to import
            return bytes(await asyncio.to_thread(work))
        from anyio import to_thread

        return bytes(await to_thread.run_sync(work, abandon_on_cancel=True))

    def __repr__(self) -> str:
        return f"ThreadedSigner({self._signer!r})"


def _in_asyncio() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
