"""All fuzz targets, by name, and by the process that they share."""

from __future__ import annotations

from tests.fuzz.certificates import certificates
from tests.fuzz.conversations import conversations
from tests.fuzz.decoders import decoders
from tests.fuzz.live import live
from tests.fuzz.records import records
from tests.fuzz.sessions import sessions
from tests.fuzz.target import Target

__all__ = ["GROUPS", "TARGETS"]

TARGETS: dict[str, Target] = {
    target.name: target
    for part in (live, decoders, records, certificates, sessions, conversations)
    for target in part()
}

GROUPS: dict[str, list[Target]] = {}
for _target in TARGETS.values():
    GROUPS.setdefault(_target.group, []).append(_target)
