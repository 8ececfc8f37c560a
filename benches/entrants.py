"""Who competes."""

from __future__ import annotations

from benches.contest import Contestant, Impossible
from benches.floor import Floor
from benches.material import material
from benches.ours import Ours
from benches.pyopenssl import PyOpenSSL
from benches.stdlib import Stdlib
from benches.tlslite import TlsliteNg

__all__ = ["contestants"]


def contestants() -> list[Contestant]:
    """Those that are there."""
    found: list[Contestant] = []
    kinds: tuple[type[Contestant], ...] = (Floor, Ours, Stdlib, PyOpenSSL, TlsliteNg)
    for kind in kinds:
        try:
            found.append(kind(material()))
        except Impossible:
            continue
    return found
