"""How the cost of one unit grows with the number of units: it should not.

Times are medians of a few runs in this process, so small numbers carry what one
call costs at least; what matters is that a line does not rise to the right.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Any

from benches.counts import in_one_call, requests, tiny_records
from benches.footprint import pair_sizes
from benches.material import material
from benches.ours import Ours
from postshake import ChainVerifier
from postshake.constants import Role
from postshake.pki.trust import PeerChain
from tests.certs import NOW, Issued

__all__ = ["Series", "series"]


@dataclass(frozen=True)
class Series:
    """The cost of a unit, by the number of units."""

    name: str
    units: str
    """What is counted."""
    cost: str
    """What one of them costs, with the measure."""
    points: tuple[tuple[int, float], ...]

    @property
    def growth(self) -> float:
        """The cost of a unit at the largest number, against the smallest cost of any."""
        return self.points[-1][1] / min(cost for _, cost in self.points)


def series(*, quick: bool) -> list[Series]:
    """Measure them all."""
    most = 2 if quick else None
    return [
        Series(
            "bytes in one call",
            "KiB",
            "µs for a KiB",
            _timed([2**power for power in range(4, 15, 2)][:most], _data),
        ),
        Series(
            "records of one byte, received at once",
            "records",
            "µs for a record",
            _timed([10, 100, 1_000, 10_000, 100_000][:most], tiny_records),
        ),
        Series(
            "requests open at a time",
            "requests",
            "µs for a request, declined",
            _timed([1, 10, 100, 1_000][:most], requests),
        ),
        Series(
            "certificates in a chain",
            "certificates",
            "µs for a certificate, verified cold",
            _timed([1, 2, 3, 4, 5][:most], _chain, again=200),
        ),
        Series(
            "connections shaken hands with and held",
            "pairs",
            "µs for a pair",
            _timed([1, 10, 100, 1_000, 10_000][:most], _connections),
        ),
        Series(
            "memory of connections held",
            "pairs",
            "KiB for a pair",
            tuple(
                (pairs, pair_sizes(["ours"], pairs, 1)["ours"].samples[0])
                for pairs in [100, 1_000, 10_000][:most]
            ),
        ),
    ]


def _timed(
    numbers: Sequence[int], prepare: Callable[[int], Callable[[], Any]], again: int = 5
) -> tuple[tuple[int, float], ...]:
    points = []
    for number in numbers:
        run = prepare(number)
        run()  # warms up
        took = []
        for _ in range(again if number < 10_000 else 1):
            started = perf_counter()
            run()
            took.append(perf_counter() - started)
        points.append((number, median(took) * 1e6 / number))
    return tuple(points)


def _data(kibibytes: int) -> Callable[[], bytes]:
    return in_one_call(kibibytes * 1024)


def _chain(length: int) -> Callable[[], object]:
    """Verify a chain of so many certificates below the anchor, remembering none."""
    root = issuer = material().ca
    for number in range(length - 1):
        issuer = issuer.intermediate(f"intermediate {number}")
    leaf: Issued = issuer.issue("alice", purpose="client")
    verifier = ChainVerifier(root.trust(), cache_size=0)
    peer = PeerChain(leaf.chain, Role.client, None, None, NOW.timestamp())
    assert len(leaf.chain) == length

    def run() -> object:
        chain = verifier.verify(peer)
        assert len(chain.certificates) == length + 1
        return chain

    return run


def _connections(count: int) -> Callable[[], list[object]]:
    ours = Ours(material())
    return lambda: [ours.idle() for _ in range(count)]
