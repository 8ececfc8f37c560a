"""What something makes the process hold, in bytes."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

__all__ = ["Memory", "measured"]


@dataclass
class Memory:
    """What was allocated within a block, as it ends."""

    held: int = 0
    """Bytes that are still held."""
    peak: int = 0
    """The most that were held at a time."""


@contextmanager
def measured() -> Iterator[Memory]:
    """Measure what is allocated within the block and not given back."""
    memory = Memory()
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    try:
        yield memory
    finally:
        gc.collect()
        held, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        memory.held, memory.peak = held - before, peak - before
