"""Records and fragments, cut in any way: the cut makes no difference."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from postshake.constants import Role
from postshake.crypto.tls12.suites import TLS12_SUITES
from postshake.errors import PeerError
from postshake.record.deframer import Deframer
from postshake.record.layer import RecordLayer
from postshake.record.limits import Limits
from postshake.record.protection import Epoch
from postshake.record.reassembly import Reassembly
from tests.fuzz.target import Script, Target
from tests.record.records import AES, pair, plain, secret_for

__all__ = ["records"]

SUITE12 = next(iter(TLS12_SUITES.values()))
LIMITS = Limits(handshake_message=300, hello_message=200, handshake_fragments=20, empty_records=3)


def records() -> Iterator[Target]:
    """Give a target for each."""
    yield Target(
        "record Deframer", deframed, lambda: [b"\0" + plain(22, b"hello") * 3], group="records"
    )
    yield Target(
        "record Reassembly", reassembled, lambda: [b"\1" + b"\x0b\0\0\5hello" * 3], group="records"
    )
    for name, epoch in (("plain", Epoch.plaintext), ("protected", Epoch.application)):
        yield Target(
            f"record layer, {name}",
            partial(layered, epoch=epoch),
            lambda: [b"\0\0" + plain(22, b"hello") + plain(23, bytes(40)), sealed_ones()],
            group="records",
        )
    yield Target(
        "record layer, TLS 1.2",
        layered12,
        lambda: [b"\0\0" + plain(22, b"hello") + plain(20, b"\1")],
        group="records",
    )


def deframed(data: bytes) -> bool:
    script = Script(data)
    pieces = script.cut(data[1:])
    results = []
    for way in ([b"".join(pieces)], pieces):
        deframer = Deframer()
        found: list[Any] = []
        try:
            for piece in way:
                deframer.feed(piece)
                while (fragment := deframer.next_fragment()) is not None:
                    found.append((fragment[0], bytes(fragment[1])))
        except PeerError as error:
            found.append((type(error), str(error)))
        else:
            whole = sum(len(header) + len(body) for header, body in found)
            assert deframer.buffered + whole == len(data[1:])
        results.append(found)
    assert results[0] == results[1]
    return bool(results[0]) and isinstance(results[0][-1][0], bytes)


def reassembled(data: bytes) -> bool:
    script = Script(data)
    fragments = [piece for piece in script.cut(data[1:]) if piece]
    reassembly = Reassembly(LIMITS)
    found = b""
    held = 0
    try:
        for fragment in fragments:
            reassembly.feed(fragment)
            held += len(fragment)
            while (message := reassembly.next_message()) is not None:
                kind, raw = message
                assert raw[0] == kind
                assert int.from_bytes(raw[1:4]) == len(raw) - 4 <= LIMITS.handshake_message
                found += raw
    except PeerError:
        return False
    assert data[1:].startswith(found)
    assert reassembly.partial == (len(found) < held)
    return bool(found)


def sealed_ones() -> bytes:
    """What opens with the keys of `layered`."""
    sender, _ = pair()
    sender.send(23, b"hello")
    sender.send(22, b"\x18\0\0\1\0")
    sender.output.append(sender.outbound.seal(23, b"", 20))
    return b"\0\0" + sender.data_to_send()


def layered(data: bytes, epoch: Epoch) -> bool:
    script = Script(data)
    options = script.below(256)
    pieces = script.cut(data[2:])
    results = [opened(piece_list, epoch, options) for piece_list in ([b"".join(pieces)], pieces)]
    assert results[0] == results[1]
    return bool(results[0])


def opened(pieces: list[bytes], epoch: Epoch, options: int) -> list[Any]:
    layer = RecordLayer(limits=LIMITS, role=Role.server)
    if epoch is not Epoch.plaintext:
        layer.read_with(AES, secret_for(AES), epoch)
    layer.ccs_allowed = bool(options & 1)
    layer.skip_early_data = 100 if options & 2 else 0
    if options & 4:
        layer.max_plaintext_in = 63
    return drained(layer, pieces)


def drained(layer: RecordLayer, pieces: list[bytes]) -> list[Any]:
    found: list[Any] = []
    try:
        for piece in pieces:
            layer.feed(piece)
            while (record := layer.next_record()) is not None:
                found.append(record)
    except PeerError as error:
        found.append((type(error), str(error)))
        assert layer.buffered == 0
    return found


def layered12(data: bytes) -> bool:
    script = Script(data)
    protected = script.below(2)
    pieces = script.cut(data[2:])
    results = []
    for way in ([b"".join(pieces)], pieces):
        layer = RecordLayer(limits=LIMITS, role=Role.client)
        layer.enter_tls12()
        if protected:
            layer.read_with12(SUITE12, bytes(SUITE12.key_length), bytes(SUITE12.fixed_iv_length))
        results.append(drained(layer, way))
    assert results[0] == results[1]
    return bool(results[0])
