"""Bad input ends the connection with the alert that the RFC names and one documented exception.

It does so however the stream is cut: what the transport hands over at a time is not the
peer's to choose, and must make no difference to what is taken, counted or refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from postshake.connection import Connection, State
from postshake.constants import ProtocolVersion, Role
from postshake.errors import InternalError, PostshakeError, TLSError
from postshake.record.limits import Limits
from tests.pair import ConnectionPair, End, client_config, server_config
from tests.record.records import plain
from tests.record_streams import Item, items, sealed
from tests.replayed import fresh, records_for
from tests.tampering import ends

TLS13, TLS12 = ProtocolVersion.TLS13, ProtocolVersion.TLS12
# so small that short streams reach them
LIMITS = Limits(
    empty_records=2,
    warning_alerts=2,
    key_updates=3,
    tickets_per_connection=3,
    pending_requests=2,
    requests_per_window=4,
    handshake_fragments=12,
)

Cut = Callable[[list[bytes]], list[bytes]]


def shaken(version: ProtocolVersion, receiver: Role) -> tuple[End, End]:
    """Who receives, with these limits, and who sends."""
    own = {"limits": LIMITS}
    pair = ConnectionPair(
        client_config("alice", versions=(version,), **(own if receiver is Role.client else {})),
        server_config(versions=(version,), **(own if receiver is Role.server else {})),
    )
    return ends(pair.handshake(), receiver)


def whole(records: list[bytes]) -> list[bytes]:
    return [b"".join(records)]


def by_the_byte(records: list[bytes]) -> list[bytes]:
    return [bytes((byte,)) for byte in b"".join(records)]


def by_twos(records: list[bytes]) -> list[bytes]:
    return [b"".join(records[at : at + 2]) for at in range(0, len(records), 2)]


def at(places: list[int]) -> Cut:
    def cut(records: list[bytes]) -> list[bytes]:
        stream = b"".join(records)
        marks = sorted({0, len(stream), *(place % (len(stream) + 1) for place in places)})
        return [stream[a:b] for a, b in pairwise(marks)]

    return cut


def what_comes_of(
    receiver: End, records: list[bytes], cut: Cut, sender: Connection | None = None
) -> dict[str, Any]:
    """Let an end receive the records, cut so; all that can be seen of it afterwards."""
    for piece in cut(records):
        receiver.receive(piece)
    connection = receiver.connection
    failure = connection.failure
    assert repr(failure) == repr(receiver.error)
    assert not isinstance(failure, InternalError)
    told: PostshakeError | None = None
    if sender is not None:  # what the peer is told: how often its updates are answered may vary
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                type(sender._engine.post_handshake.key_updates._rate), "hit", lambda self: None
            )
            try:
                sender.receive_data(connection.data_to_send())
            except PostshakeError as error:
                told = error
    return {
        "data": receiver.data,
        "events": [(type(each).__name__, each.position) for each in receiver.events],
        "failure": (type(failure).__name__, str(failure), getattr(failure, "alert", None)),
        "told": str(told),
        "state": connection.state,
        "closed": connection.peer_closed,
        "open requests": connection.open_requests,
        "sequence": None if failure else connection._engine.layer.inbound.sequence,
        "generation": connection._engine.layer.inbound.generation,
    }


@pytest.mark.parametrize("role", list(Role), ids=lambda role: role.name)
@pytest.mark.parametrize("version", [TLS13, TLS12], ids=lambda version: version.name)
@given(st.data())
def test_any_cut_of_any_stream_of_records_comes_to_the_same(
    version: ProtocolVersion, role: Role, draw: st.DataObject
) -> None:
    stream = draw.draw(items(version, role.peer), label="stream")
    places = draw.draw(st.lists(st.integers(0, 5000), max_size=8), label="cuts")
    ways: dict[str, Cut] = {
        "a record at a time": lambda records: records,
        "whole": whole,
        "by the byte": by_the_byte,
        "two at a time": by_twos,
        "anywhere": at(places),
    }
    if any(item.what == "too long" for item in stream):
        del ways["by the byte"]  # 16,000 calls each
    results = {}
    for name, cut in ways.items():
        receiver, sender = shaken(version, role)
        records = [item.make(sender.connection) for item in stream]
        results[name] = what_comes_of(receiver, records, cut, sender.connection)
    first = results["a record at a time"]
    event(str(first["failure"][0]))
    for name, result in results.items():
        assert result == first, f"{name} makes a difference"


EMPTY = Item("empty", lambda sender: sealed(sender, 23, b""))
PADDED = Item("padded", lambda sender: sealed(sender, 23, b"", 30))
LETTER = Item("letter", lambda sender: sealed(sender, 23, b"x"))
PADDED_LETTER = Item("padded letter", lambda sender: sealed(sender, 23, b"x", 30))


@pytest.mark.parametrize("role", list(Role), ids=lambda role: role.name)
@pytest.mark.parametrize(
    ("version", "empty"),
    [(TLS13, EMPTY), (TLS13, PADDED), (TLS12, EMPTY)],
    ids=["TLS13", "TLS13-padded", "TLS12"],
)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_a_peer_gets_nowhere_with_records_that_hold_nothing(
    version: ProtocolVersion, empty: Item, size: int, role: Role
) -> None:
    """However many come at a time, the one beyond the limit ends the connection."""
    pair = ConnectionPair(
        client_config(versions=(version,)), server_config(versions=(version,))
    ).handshake()
    receiver, sender = ends(pair, role)
    limit = Limits().empty_records
    taken = 0
    while receiver.error is None and taken < 10 * limit:
        receiver.receive(b"".join(empty.make(sender.connection) for _ in range(size)))
        taken += size
    assert str(receiver.error) == (
        f"{role.peer.name}: empty records in a row: expected at most {limit}, got {limit + 1}"
    )
    assert limit < taken <= limit + size


@pytest.mark.parametrize("letter", [LETTER, PADDED_LETTER], ids=str)
@pytest.mark.parametrize("size", [1, 2, 5])
def test_data_between_empty_records_forgives_them_padded_or_not(letter: Item, size: int) -> None:
    receiver, sender = shaken(TLS13, Role.server)
    stream = [each for _ in range(20) for each in (EMPTY, PADDED, letter)]
    records = [item.make(sender.connection) for item in stream]
    for start in range(0, len(records), size):
        receiver.receive(b"".join(records[start : start + size]))
    assert receiver.error is None
    assert receiver.data == b"x" * 20


def test_padded_data_is_not_empty() -> None:
    """Each padded record is opened out of turn; none of them counts as empty for that."""
    receiver, sender = shaken(TLS13, Role.server)
    for _ in range(50):
        receiver.receive(PADDED_LETTER.make(sender.connection))
    assert receiver.error is None
    assert receiver.data == b"x" * 50


# --- before there are any keys, and in the midst of the handshake


def strays() -> st.SearchStrategy[bytes]:
    """Records that need no key."""
    return st.one_of(
        st.just(plain(20, b"\1")),
        st.just(plain(21, b"\1\x5a")),
        st.just(plain(21, b"\1\x29")),
        st.just(plain(21, b"\2\x28")),
        st.just(plain(22, b"")),
        st.just(plain(22, b"\1\0")),
        st.just(plain(22, b"\x08\0\0\0")),
        st.just(plain(23, bytes(40))),
        st.just(plain(23, b"")),
        st.just(plain(99, b"x")),
        st.just(b"\x16\3\3\xff\xff"),
        st.binary(min_size=1, max_size=12),
    )


def in_fragments(record: bytes, size: int) -> Iterator[bytes]:
    """A plaintext handshake record as several; any other as it is."""
    if record[0] != 22:
        yield record
        return
    body = record[5:]
    for start in range(0, len(body), size):
        yield plain(22, body[start : start + size])


@pytest.mark.parametrize("role", list(Role), ids=lambda role: role.name)
@given(st.data())
def test_any_cut_of_a_handshake_with_strays_in_it_comes_to_the_same(
    role: Role, draw: st.DataObject
) -> None:
    size = draw.draw(st.sampled_from([1, 7, 60, 2000]), label="size of fragments")
    records = [piece for each in records_for(role) for piece in in_fragments(each, size)]
    for place, stray in draw.draw(
        st.lists(st.tuples(st.integers(0, len(records)), strays()), max_size=4), label="strays"
    ):
        records.insert(place, stray)
    places = draw.draw(st.lists(st.integers(0, 5000), max_size=8), label="cuts")
    ways: list[Cut] = [lambda records: records, whole, by_the_byte, by_twos, at(places)]
    results = [what_comes_of(fresh(role), records, cut) for cut in ways]
    for result in results:
        assert result == results[0]


@pytest.mark.parametrize("role", list(Role), ids=lambda role: role.name)
def test_after_a_goodbye_nothing_that_follows_is_looked_at_or_kept(role: Role) -> None:
    for size in (1, 100):
        receiver, sender = shaken(TLS13, role)
        stream = sealed(sender.connection, 21, b"\1\0") + bytes(50_000)
        for start in range(0, len(stream), size * 1000):
            receiver.receive(stream[start : start + size * 1000])
        assert receiver.error is None
        assert receiver.connection.peer_closed
        assert receiver.connection.state is State.OPEN
        assert receiver.connection._engine.layer.buffered == 0


def test_what_came_behind_a_failure_is_not_kept() -> None:
    receiver, sender = shaken(TLS13, Role.server)
    stream = sealed(sender.connection, 22, b"\x77\0\0\0") + bytes(50_000)
    receiver.receive(stream)
    assert isinstance(receiver.error, TLSError)
    assert receiver.connection._engine.layer.buffered == 0
