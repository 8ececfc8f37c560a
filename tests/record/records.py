"""What the tests of this floor share: two ends with the same keys, and tampering."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from postshake.constants import CipherSuite, Role
from postshake.crypto.suites import TLS13_SUITES, Suite
from postshake.record.layer import PaddingPolicy, RecordLayer
from postshake.record.limits import Limits
from postshake.record.protection import Epoch

ALERT, HANDSHAKE, DATA = 21, 22, 23
SUITES = tuple(TLS13_SUITES.values())
AES = TLS13_SUITES[CipherSuite.TLS_AES_128_GCM_SHA256]


def secret_for(suite: Suite, mark: int = 7) -> bytes:
    return bytes((mark,)) * suite.hash_length


def layer(
    role: Role = Role.server, *, limits: Limits | None = None, padding: PaddingPolicy | None = None
) -> RecordLayer:
    return RecordLayer(limits=limits or Limits(), role=role, padding=padding)


def pair(
    epoch: Epoch = Epoch.application,
    suite: Suite = AES,
    *,
    limits: Limits | None = None,
    padding: PaddingPolicy | None = None,
) -> tuple[RecordLayer, RecordLayer]:
    """A client that writes and a server that reads under the same secret."""
    sender = layer(Role.client, padding=padding)
    receiver = layer(Role.server, limits=limits)
    sender.write_with(suite, secret_for(suite), epoch)
    receiver.read_with(suite, secret_for(suite), epoch)
    return sender, receiver


def drain(receiver: RecordLayer) -> list[tuple[int, bytes]]:
    records = []
    while (record := receiver.next_record()) is not None:
        records.append(record)
    return records


def cut(stream: bytes, sizes: Iterable[int]) -> Iterator[bytes]:
    """The stream in pieces of these sizes; what is left comes last."""
    start = 0
    for size in sizes:
        yield stream[start : start + size]
        start += size
    yield stream[start:]


def flip(stream: bytes, bit: int) -> bytes:
    changed = bytearray(stream)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def plain(content_type: int, body: bytes, version: int = 0x0303) -> bytes:
    return bytes((content_type,)) + version.to_bytes(2, "big") + len(body).to_bytes(2, "big") + body
