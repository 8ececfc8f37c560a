"""What operations cost in things that can be counted: the same on every machine.

``python -m benches.counts`` prints the numbers that ``tests/test_costs.py`` holds
operations to. Times are only ever reported; counts can fail a build.
"""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import postshake
from benches.material import BYTE, DATA, MOST, material
from benches.ours import Ours
from postshake.config import AuthRequest

__all__ = ["COUNTED", "calls", "in_one_call", "peak", "requests", "tiny_records"]

_PACKAGE = str(Path(postshake.__file__).parent)


def calls(run: Callable[[], Any]) -> int:
    """Count the calls of postshake's own Python functions, the second time it runs."""
    run()
    count = 0

    def note(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        if event == "call" and frame.f_code.co_filename.startswith(_PACKAGE):
            count += 1

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(before)
    return count


def peak(run: Callable[[], Any]) -> int:
    """Measure how many bytes were allocated at most at a time while it ran."""
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _ours() -> Ours:
    return Ours(material())


COUNTED: dict[str, Callable[[], int]] = {
    "handshake": lambda: calls(_ours().handshake("X25519").run),
    "resumed handshake": lambda: calls(_ours().resumed().run),
    "reauth": lambda: calls(_ours().reauth(remembered=False).run),
    "reauth, remembered chain": lambda: calls(_ours().reauth(remembered=True).run),
    "16 KiB sealed and opened": lambda: calls(_ours().bulk(MOST, 1).run),
    "1 MiB sealed and opened": lambda: calls(_ours().bulk(2**20, 1).run),
    "one byte and back": lambda: calls(_ours().echo(1).run),
}
"""The hot operations, both ends together."""


def in_one_call(size: int) -> Callable[[], bytes]:
    """Send so many bytes in one call, and read them in one."""
    client, server = _ours().pair()
    data = (DATA * -(-size // len(DATA)))[:size]

    def run() -> bytes:
        client.send_data(data)
        server.receive_data(client.data_to_send())
        received = server.read()
        assert received == data
        return received

    return run


def tiny_records(count: int) -> Callable[[], None]:
    """Receive so many records of one byte in one call, and read byte by byte."""
    client, server = _ours().pair()

    def run() -> None:
        for _ in range(count):
            client.send_data(BYTE)
        server.receive_data(client.data_to_send())
        for _ in range(count):
            assert server.read(1) == BYTE
        assert not server.readable

    return run


def requests(count: int) -> Callable[[], None]:
    """Have so many requests open at a time, and let them be declined in reverse order."""
    client, server = _ours().pair(pending=count)

    def run() -> None:
        contexts = [server.request_auth(AuthRequest(within=60)) for _ in range(count)]
        client.receive_data(server.data_to_send())
        while client.next_event() is not None:
            pass
        for context in reversed(contexts):
            client.answer_auth(context, None)
        server.receive_data(client.data_to_send())
        assert not server.open_requests
        while server.next_event() is not None:
            pass
        while client.next_event() is not None:
            pass

    return run


if __name__ == "__main__":
    for name, count in COUNTED.items():
        print(f"{count():6} {name}")
