"""Route (a): application data, and what may come in the midst of it.

Bytes that hold data alone take a loop of their own. Whatever else they hold must come to
the same as if they took the long way: the test cuts the stream so that they must.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from postshake import Connection, TLSError
from postshake.constants import ContentType
from postshake.errors import BadRecordMac, InternalError, RecordOverflow, UnexpectedMessage
from postshake.record.limits import Limits
from tests.pair import ConnectionPair, client_config, server_config

DATA = int(ContentType.application_data)
HANDSHAKE = int(ContentType.handshake)
ALERT = int(ContentType.alert)

Made = Callable[[Connection], bytes]


def ends(**limits: int) -> tuple[Connection, Connection]:
    """A client and a server that have shaken hands."""
    pair = ConnectionPair(
        client_config(), replace(server_config(), limits=Limits(**limits), tickets=0)
    )
    pair.handshake()
    return pair.client.connection, pair.server.connection


def record(data: bytes, content_type: int = DATA, padding: int = 0) -> Made:
    return lambda client: client._engine.layer.outbound.seal(content_type, data, padding)


def sealed(inner: bytes) -> Made:
    """A record whose content, type and padding are all up to us."""

    def make(client: Connection) -> bytes:
        outbound = client._engine.layer.outbound
        header = (0x17_0303_0000 + len(inner) + 16).to_bytes(5, "big")
        nonce = (outbound._iv ^ outbound.sequence).to_bytes(12, "big")
        outbound.sequence += 1
        return header + outbound._seal(nonce, inner, header)

    return make


def forged(client: Connection) -> bytes:
    whole = bytearray(record(b"forged")(client))
    whole[-1] ^= 1
    return bytes(whole)


def key_update(client: Connection) -> bytes:
    client.key_update()
    return client.data_to_send()


def close(client: Connection) -> bytes:
    client.close()
    return client.data_to_send()


MANY = b"".join(b"%d " % number for number in range(50))
CASES: dict[str, tuple[list[Made], bytes, type[TLSError] | None]] = {
    "one": ([record(b"a")], b"a", None),
    "many": (
        [record(b"%d " % n) for n in range(50)],
        b"".join(b"%d " % n for n in range(50)),
        None,
    ),
    "large": ([record(bytes(2**14)), record(b"b" * 2**14)], bytes(2**14) + b"b" * 2**14, None),
    "padded": ([record(b"a"), record(b"b", padding=40), record(b"c")], b"abc", None),
    "empty": ([record(b"a"), record(b""), record(b"c")], b"ac", None),
    "zeros of data": ([record(bytes(9)), record(b"c")], bytes(9) + b"c", None),
    "key update": (
        [record(b"a"), key_update, record(b"b"), key_update, record(b"c")],
        b"abc",
        None,
    ),
    "close": ([record(b"a"), close], b"a", None),
    "forged": ([record(b"a"), forged, record(b"c")], b"a", BadRecordMac),
    "short": ([record(b"a"), lambda _: b"\x17\x03\x03\0\x03abc"], b"a", BadRecordMac),
    "no inner": ([record(b"a"), lambda _: b"\x17\x03\x03\0\x10" + bytes(16)], b"a", BadRecordMac),
    "nothing in it": ([record(b"a"), sealed(b"")], b"a", UnexpectedMessage),
    "padding alone": ([record(b"a"), sealed(bytes(5))], b"a", UnexpectedMessage),
    "unknown inner type": ([record(b"a"), sealed(b"x\x63")], b"a", UnexpectedMessage),
    "empty alert": ([record(b"a"), sealed(b"\x15")], b"a", UnexpectedMessage),
    "plaintext": ([record(b"a"), lambda _: b"\x17\x03\x03\0\x20" + bytes(32)], b"a", BadRecordMac),
    "too long": ([record(b"a"), sealed(bytes(2**14 + 1) + b"\x17")], b"a", RecordOverflow),
    "length": ([record(b"a"), lambda _: b"\x17\x03\x03\xff\xff" + bytes(9)], b"a", RecordOverflow),
    "unknown type": (
        [record(b"a"), lambda _: b"\x63\x03\x03\0\x20" + bytes(32)],
        b"a",
        UnexpectedMessage,
    ),
}


def receive(
    made: list[Made], cut: Callable[[bytes], list[bytes]]
) -> tuple[bytes, type[BaseException] | None, str]:
    """What the server read, how it ended, and what it says of itself."""
    client, server = ends()
    stream = b"".join(make(client) for make in made)
    error: BaseException | None = None
    for piece in cut(stream):
        try:
            server.receive_data(piece)
        except TLSError as caught:
            error = caught
            break
    layer = server._engine.layer
    return (
        server.read(),
        type(error) if error is not None else None,
        f"{server.state} {layer.inbound.sequence} {layer.inbound.generation}",
    )


@pytest.mark.parametrize("name", CASES)
def test_all_ways_of_cutting_come_to_the_same(name: str) -> None:
    made, data, error = CASES[name]
    ways: list[Callable[[bytes], list[bytes]]] = [
        lambda stream: [stream],
        lambda stream: [stream[:1], stream[1:]],  # the long way
        lambda stream: [stream[:-1], stream[-1:]],
        lambda stream: [stream[:30], stream[30:]],
    ]
    if name != "large":
        ways.append(lambda stream: [stream[at : at + 1] for at in range(len(stream))])
    results = [receive(made, way) for way in ways]
    assert results[0][:2] == (data, error)
    assert results.count(results[0]) == len(results)


def test_other_buffers_than_bytes_are_taken() -> None:
    client, server = ends()
    for kind in (bytearray, memoryview):
        client.send_data(b"data")
        server.receive_data(kind(client.data_to_send()))
        assert server.read() == b"data"


def test_empty_records_are_counted_and_data_between_them_forgives() -> None:
    client, server = ends(empty_records=2)
    for _ in range(3):
        server.receive_data(record(b"")(client) + record(b"")(client))
        server.receive_data(record(b"a")(client))
    with pytest.raises(TLSError, match="empty records"):
        server.receive_data(b"".join(record(b"")(client) for _ in range(3)))


def test_the_last_sequence_number_is_not_passed() -> None:
    client, server = ends()
    for protection in (client._engine.layer.outbound, server._engine.layer.inbound):
        protection.sequence = 2**64 - 1
    server.receive_data(record(b"last")(client))
    assert server.read() == b"last"
    with pytest.raises(InternalError, match="used up"):
        server.receive_data(b"\x17\x03\x03\0\x20" + bytes(32))


def test_nothing_is_read_after_a_failure() -> None:
    client, server = ends()
    with pytest.raises(BadRecordMac):
        server.receive_data(record(b"a")(client) + forged(client) + record(b"c")(client))
    with pytest.raises(Exception, match="the connection has failed"):
        server.receive_data(record(b"d")(client))
    assert server.read() == b"a"


def test_nothing_is_read_after_close_notify() -> None:
    client, server = ends()
    server.receive_data(close(client))
    server.receive_data(b"\x17\x03\x03\0\x20" + bytes(32))
    assert server.read() == b""


def test_every_record_is_traced_where_there_is_a_trace() -> None:
    seen: list[int] = []
    pair = ConnectionPair(
        client_config(),
        replace(
            server_config(),
            tickets=0,
            trace=lambda entry: (
                seen.append(entry.size) if entry.what == "application data" else None
            ),
        ),
    )
    pair.handshake()
    client, server = pair.client.connection, pair.server.connection
    server.receive_data(record(b"a")(client) + record(b"bc")(client))
    assert seen == [1, 2]
