"""What a fuzz target is: a function over any bytes, and bytes to begin with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

__all__ = ["Script", "Target", "decoder", "drawn", "mutated"]

T = TypeVar("T")


@dataclass(frozen=True)
class Target:
    """One decoder, or a life of connections, for a fuzzer to break."""

    name: str
    run: Callable[[bytes], object]
    """Takes any bytes. What it raises is a fault, whatever it is; whether it took them for
    good is what it returns."""
    seeds: Callable[[], Iterable[bytes]]
    """Good ones to begin with."""
    group: str
    """With which others it shares a process: to begin one takes as long as many runs."""
    weight: float = 1.0
    """How much of the time it gets, beside the others."""


def decoder(
    read: Callable[[bytes], Any], *documented: type[Exception], again: bool = False
) -> Callable[[bytes], bool]:
    """Make a target's function of one that reads bytes.

    Args:
        read: it.
        documented: what it may raise.
        again: whether what was read has an ``encode`` that must give the same again.
    """

    def run(data: bytes) -> bool:
        try:
            value = read(data)
        except documented:
            return False
        if again:
            assert read(value.encode()) == value
        return True

    return run


def drawn(strategy: st.SearchStrategy[T], count: int = 60) -> list[T]:
    """Draw examples, the same each time."""
    found: list[T] = []

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def draw(example: T) -> None:
        found.append(example)

    draw()
    return found


class Script:
    """Any bytes, read as a row of choices; zeros when there are no more."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        """How many bytes are left."""
        return max(0, len(self._data) - self._at)

    def below(self, limit: int) -> int:
        """Choose a number from 0 on."""
        size = 1 if limit <= 256 else 2
        part = self._data[self._at : self._at + size]
        self._at += size
        return int.from_bytes(part) % limit

    def one_of(self, *choices: T) -> T:
        """Choose one."""
        return choices[self.below(len(choices))]

    def take(self, most: int) -> bytes:
        """Choose a string of bytes."""
        size = self.below(most + 1)
        part = self._data[self._at : self._at + size]
        self._at += size
        return part

    def cut(self, data: bytes) -> list[bytes]:
        """Choose how to cut this into pieces."""
        size = self.one_of(0, 1, 2, 5, 60, 1000)
        if not size:
            return [data]
        return [data[at : at + size] for at in range(0, len(data), size)]


def mutated(raw: bytes, script: Script) -> bytes:
    """Change a handshake message in a few ways; it keeps at least a byte."""
    changed = bytearray(raw)
    for _ in range(1 + script.below(4)):
        if not changed:
            break
        at = script.below(len(changed))
        match script.below(8):
            case 0:
                changed[at] ^= 1 << script.below(8)
            case 1:
                changed[at] = script.below(256)
            case 2:
                changed[at] = script.one_of(0, 1, 2, 0x7F, 0x80, 0xFE, 0xFF)
            case 3:
                del changed[at : at + 1 + script.below(40)]
            case 4:
                changed[at:at] = script.take(40)
            case 5:  # the same part twice
                changed[at:at] = changed[at : at + 1 + script.below(200)]
            case 6:  # a number of 16 bits that is off by a little
                number = int.from_bytes(changed[at : at + 2]) + script.one_of(1, 0xFFFF, 2, 0xFFFE)
                changed[at : at + 2] = (number & 0xFFFF).to_bytes(2)
            case 7:
                changed[0] = script.below(256)
    if script.below(2) and len(changed) >= 4:  # the length as it should be
        changed[1:4] = (len(changed) - 4).to_bytes(3)
    return bytes(changed) or b"\0"
