"""Sessions of TLS 1.2: written, read, kept."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postshake.constants import NamedGroup
from postshake.crypto.tls12.suites import TLS12_SUITES
from postshake.errors import UsageError
from postshake.resumption import Session12, SessionCache12
from tests.strategies import opaque, tuples_of

sessions = st.builds(
    Session12,
    suite=st.sampled_from(list(TLS12_SUITES.values())),
    group=st.sampled_from(NamedGroup),
    master_secret=st.binary(min_size=48, max_size=48),
    server_name=st.none() | st.text(max_size=20),
    peer_chain=tuples_of(opaque(1, 40), minimum=0),
    ocsp_response=st.none() | opaque(1),
    proven_at=st.floats(0, 2**40),
    lifetime=st.integers(0, 2**32 - 1),
    session_id=opaque(0, 32),
    ticket=opaque(0, 40),
)

SESSION = Session12(
    suite=next(iter(TLS12_SUITES.values())),
    group=NamedGroup.x25519,
    master_secret=b"master secret" * 4,
    server_name="server.example",
    proven_at=1000.0,
    lifetime=60,
    session_id=b"id",
    ticket=b"ticket!",
)


@given(sessions)
def test_there_and_back(session: Session12) -> None:
    assert Session12.decode(session.encode()) == session


@given(sessions)
def test_no_proper_prefix_decodes_and_nothing_longer(session: Session12) -> None:
    data = session.encode()
    for wrong in (*(data[:end] for end in range(len(data))), data + b"\0"):
        with pytest.raises(UsageError, match=r"expected a TLS 1\.2 session"):
            Session12.decode(wrong)


@given(st.binary(max_size=80))
def test_any_bytes(data: bytes) -> None:
    with pytest.raises(UsageError):
        Session12.decode(data)
    with pytest.raises(UsageError):
        Session12.decode(b"\x12" + data)


def test_another_format_and_an_unknown_suite() -> None:
    data = SESSION.encode()
    for wrong in (b"\x01" + data[1:], data[:1] + b"\x13\x01" + data[3:]):
        with pytest.raises(UsageError):
            Session12.decode(wrong)


@pytest.mark.parametrize(
    ("now", "alive"), [(999.0, False), (1000.0, True), (1059.9, True), (1060.0, False)]
)
def test_how_long_it_lives(now: float, alive: bool) -> None:
    assert SESSION.is_alive(now) is alive


def test_no_repr_shows_a_secret() -> None:
    text = repr(SESSION)
    assert "master secret" not in text
    assert "ticket!" not in text
    assert "server.example" in text


def test_a_cache_forgets_the_oldest() -> None:
    cache = SessionCache12(capacity=2)
    for number in b"abc":
        cache.put(replace(SESSION, session_id=bytes((number,))))
    assert len(cache) == 2
    assert cache.get(b"a") is None
    assert cache.get(b"b") is not None
    cache.forget(b"b")
    cache.forget(b"b")
    assert cache.get(b"b") is None
    assert repr(cache) == "SessionCache12(1 of 2)"


def test_a_cache_keeps_no_session_with_very_large_certificates() -> None:
    cache = SessionCache12(largest=1000)
    for size, name in ((400, b"a"), (1000, b"b")):
        cache.put(replace(SESSION, session_id=name, peer_chain=(bytes(40), bytes(size))))
    assert cache.get(b"a") is not None
    assert cache.get(b"b") is None


def test_a_cache_keeps_little_of_anybody() -> None:
    """A name of a stranger's may be as long as a ClientHello, a chain as a Certificate."""
    cache = SessionCache12()
    for size, proven, kept in (
        (1000, False, True),
        (1100, False, False),
        (16_000, True, True),
        (17_000, True, False),
    ):
        chain = (b"c" * size,) if proven else ()
        name = None if proven else "n" * size
        session = replace(SESSION, session_id=b"x", peer_chain=chain, server_name=name)
        cache.put(replace(session, ocsp_response=None))
        assert (cache.get(b"x") is not None) is kept
        cache.forget(b"x")


def test_a_cache_that_keeps_nothing() -> None:
    cache = SessionCache12(capacity=0)
    cache.put(SESSION)
    assert cache.get(b"id") is None
