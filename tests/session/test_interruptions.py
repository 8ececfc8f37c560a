"""Transports that stop anywhere give the same results as one that never does.

A whole session, handshake, reauth with data around it, and close, is run over a transport
that stops at a chosen call, at every call, at every byte, or where chance says. It begins
with certificates, with a pre-shared key, or with a ticket.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postshake.session import codes
from postshake.session import constants as c
from tests.session.ends import AGAIN, PRIORITY, REAUTH, End, Pair, Setup, certificate, pairings

INTERRUPTED = codes.E_INTERRUPTED
WAITING = (AGAIN, INTERRUPTED)

Stop = Callable[[str, int], int | None]
"""Given "push" or "pull" and a size: how many bytes to let through, or an exception."""


class Faulty:
    """Push and pull functions of one end, which stop where they are told to."""

    def __init__(self, end: End, stop: Stop) -> None:
        self.end, self.stop = end, stop
        self.calls = 0
        end.api.gnutls_transport_set_push_function(end.session, self.push)
        end.api.gnutls_transport_set_pull_function(end.session, self.pull)

    def push(self, ptr: Any, data: Any) -> int:
        return self.end.outbound.push(ptr, bytes(data)[: self._limit("push", len(data))])

    def pull(self, ptr: Any, size: int) -> bytes:
        return self.end.inbound.pull(ptr, self._limit("pull", size))

    def _limit(self, what: str, size: int) -> int:
        self.calls += 1
        limit = self.stop(what, size)
        return size if limit is None else min(size, limit)


def client_program(end: End, auto: bool) -> Iterator[Any]:
    """What a client does; what each call came to in the end is yielded."""
    yield from until_done(end.handshake)
    if not auto:
        yield from until(end.recv, REAUTH)
        yield from until_done(lambda: end.send(b"before"))
        yield from until_done(end.reauth)
    yield from until(end.recv, b"welcome")
    yield from until_done(lambda: end.send(b"after"))
    yield from until_done(end.bye)


def server_program(end: End) -> Iterator[Any]:
    """What a server does."""
    yield from until_done(end.handshake)
    end.request(c.CERT_REQUIRE)
    while True:
        code = yield from until_done(end.reauth)
        if code != codes.E_GOT_APPLICATION_DATA:
            break
        yield from until_done(end.recv)
    yield end.leaf() == certificate("alice").der
    yield from until_done(lambda: end.send(b"welcome"))
    yield from until(end.recv, b"after")
    yield from until(end.recv, b"")
    yield from until_done(end.bye)


def until_done(call: Callable[[], Any]) -> Iterator[Any]:
    """Make a call until it comes to an end; yields AGAIN for others to go on."""
    while (result := call()) in WAITING:
        yield AGAIN
    yield result
    return result


def until(call: Callable[[], Any], expected: Any) -> Iterator[Any]:
    result = yield from until_done(call)
    assert result == expected


KEY = bytes(range(64))
STARTS = ("certificates", "psk", "ticket")


def setups(kind: str, start: str, auto: bool) -> tuple[Setup, Setup]:
    """How client and server are made, for a session that starts so."""
    flags = c.POST_HANDSHAKE_AUTH | (c.AUTO_REAUTH if auto else 0)
    client = Setup(flags, [certificate("alice")])
    if start == "psk":
        more: dict[str, Any] = {"psk": ("alice", KEY[:32]), "priority": f"{PRIORITY}:+ECDHE-PSK"}
        return replace(client, **more), Setup(**more)
    if start == "ticket":
        return replace(client, data=earlier(kind)), Setup(ticket_key=KEY)
    return client, Setup()


@functools.cache
def earlier(kind: str) -> bytes:
    """What an earlier session can be resumed with."""
    pair = Pair(kind, Setup(), Setup(ticket_key=KEY)).handshake()
    assert pair.read_tickets() == 2
    return pair.client.get_data()


def run(
    kind: str,
    auto: bool = False,
    stops: tuple[Stop, Stop] | None = None,
    start: str = "certificates",
) -> list[list[Any]]:
    """Run both programs in turn; return what their calls came to, and the calls made."""
    pair = Pair(kind, *setups(kind, start, auto))
    stops = stops or (lambda what, size: None, lambda what, size: None)
    faulty = [
        Faulty(end, stop) for end, stop in zip((pair.client, pair.server), stops, strict=True)
    ]
    programs: list[Iterator[Any] | None] = [
        client_program(pair.client, auto),
        server_program(pair.server),
    ]
    results: list[list[Any]] = [[], []]
    idle = 0
    while programs[0] or programs[1]:
        for index, program in enumerate(programs):
            if program is None:
                continue
            step = next(program, StopIteration)
            if step is StopIteration:
                programs[index] = None
            elif step != AGAIN:
                results[index].append(step)
            idle = idle + 1 if step == AGAIN else 0
        assert idle < 100_000, "nobody gets any further"
    assert pair.client.is_resumed() is pair.server.is_resumed() is (start == "ticket")
    assert (pair.server.key_exchange() == c.KX_ECDHE_PSK) is (start == "psk")
    results.append([each.calls for each in faulty])
    return results


def same(kind: str, auto: bool, stops: tuple[Stop, Stop], start: str = "certificates") -> None:
    assert run(kind, auto, stops, start)[:2] == run(kind, auto, start=start)[:2]


def free(what: str, size: int) -> None:
    return None


class StopOnce:
    """Let everything through but one call."""

    def __init__(self, call: int, error: type[OSError]) -> None:
        self.left, self.error = call, error

    def __call__(self, what: str, size: int) -> None:
        self.left -= 1
        if self.left == 0:
            raise self.error


class StopEverySecond:
    """Stop at every call, and let its repetition through: so many bytes of it."""

    def __init__(self, size: int | None, errors: list[type[OSError]]) -> None:
        self.size, self.errors, self.turn = size, errors, 0

    def __call__(self, what: str, size: int) -> int | None:
        self.turn += 1
        if self.turn % 2:
            raise self.errors[self.turn // 2 % len(self.errors)]
        return self.size


ERRORS = [BlockingIOError, InterruptedError]


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("auto", [False, True], ids=["explicit", "auto"])
@pairings()
def test_the_programs_come_to_an_end(kind, auto, start):
    client, server, _ = run(kind, auto, start=start)
    before = [] if auto else [codes.E_GOT_APPLICATION_DATA, b"before"]
    sees = kind != "ours-gnutls" or start != "psk"  # D3
    assert server == [0, *before, 0, sees, 7, b"after", b"", 0]
    assert client == [0, *([] if auto else [REAUTH, 6, 0]), b"welcome", 5, 0]


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("auto", [False, True], ids=["explicit", "auto"])
@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("role", [0, 1], ids=["client", "server"])
@pairings()
def test_one_interruption_at_every_call_in_turn(kind, role, error, auto, start):
    *expected, calls = run(kind, auto, start=start)
    assert calls[role] > 10
    for call in range(1, calls[role] + 1):
        stops = [free, free]
        stops[role] = StopOnce(call, error)
        assert run(kind, auto, tuple(stops), start)[:2] == expected, f"stopped at call {call}"


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("auto", [False, True], ids=["explicit", "auto"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 100, None], ids=lambda size: f"{size} bytes")
@pairings()
def test_an_interruption_at_every_call_and_a_few_bytes_between(kind, size, auto, start):
    stops = (StopEverySecond(size, ERRORS), StopEverySecond(size, ERRORS[::-1]))
    same(kind, auto, stops, start)


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("error", ERRORS)
def test_every_byte_with_one_kind_of_interruption(error, start):
    same("ours-ours", False, (StopEverySecond(1, [error]), StopEverySecond(1, [error])), start)


def by_chance(seed: int, patience: float) -> Stop:
    chance = random.Random(seed)

    def stop(what: str, size: int) -> int:
        luck = chance.random()
        if luck > patience:
            raise chance.choice(ERRORS)
        return chance.choice([1, 2, 5, 17, 300, size])

    return stop


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(STARTS),
    st.booleans(),
    st.integers(0, 2**32),
    st.floats(0.2, 1),
)
def test_interruptions_where_chance_says(start, auto, seed, patience):
    stops = (by_chance(seed, patience), by_chance(seed + 1, patience))
    same("ours-ours", auto, stops, start)
