"""Early data: sent, accepted, refused, replayed (§2.3, §4.2.10, §8)."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from postshake.config import ClientAuth, ServerConfig
from postshake.connection import Connection, State
from postshake.constants import CipherSuite, ContentType, NamedGroup, Role
from postshake.errors import (
    BadRecordMac,
    IllegalParameter,
    InternalError,
    TooMuch,
    UnexpectedMessage,
    UnsupportedExtension,
    UsageError,
)
from postshake.events import Outcome
from postshake.protocol import handshake
from postshake.protocol.link import Flight
from postshake.protocol.tls13.psk import Psk
from postshake.questions import ClaimEarlyData
from postshake.resumption import (
    EarlyDataClaim,
    ExternalPsk,
    SingleUse,
    Ticket,
    TicketKeys,
    TicketState,
)
from postshake.wire.extensions import EarlyDataIndication, Extensions
from postshake.wire.hello import EncryptedExtensions, EndOfEarlyData
from tests.certs import CA, NOW
from tests.interleaving import interleave
from tests.pair import ConnectionPair, End, server_config
from tests.resuming import Today, established, keylog_pair, on_the_way, resuming, sent_hellos
from tests.vectors.rfc8448 import RESUMED

GET = b"GET / HTTP/1.1\r\n\r\n"
SHA384 = (CipherSuite.TLS_AES_256_GCM_SHA384,)


def a_day(*names: str, client: Any = None, **server: Any) -> tuple[Today, Ticket]:
    """Two ends that do early data, and a ticket."""
    today = Today(*names, client=client, server={"max_early_data": 1000, **server})
    return today, today.session()[1]


def accepted(pair: ConnectionPair) -> bool:
    client, server = established(pair)
    assert client.early_data_accepted is server.early_data_accepted
    return client.early_data_accepted


# --- accepted


def test_it_can_be_read_before_the_handshake_is_complete() -> None:
    today, ticket = a_day("alice", client_auth=ClientAuth.REQUIRE)
    pair = resuming(ticket, GET, client=today.client, server=today.server)
    pair.server.auto_read = False
    pair.client.connection.start()
    pair.client.settle()
    pair.server.receive(pair.client.connection.data_to_send())  # one flight, and that is all
    server = pair.server.connection
    assert server.state is State.HANDSHAKING
    assert server.readable == len(GET)
    assert server.read_is_early
    assert server.read(3) == b"GET"
    assert server.read_is_early
    assert server.read() == GET[3:]
    assert not server.read_is_early


def test_it_is_nobodys_whoever_is_authenticated_later() -> None:
    today, ticket = a_day("alice", client_auth=ClientAuth.REQUIRE)
    pair = resuming(ticket, GET, client=today.client, server=today.server)
    pair.server.auto_read = False
    pair.handshake()
    pair.client.connection.send_data(b"late")
    pair.move()
    server = pair.server.connection
    assert server.peer_identity is not None
    assert server.readable == len(GET) + 4
    assert server.read_is_early
    assert server.read_identity is None
    assert server.read() == GET  # and not a byte more
    assert not server.read_is_early
    assert server.read_identity == server.peer_identity
    assert server.read() == b"late"


def test_an_anonymous_clients_early_data_is_apart_too() -> None:
    today, ticket = a_day("alice")
    pair = resuming(ticket, GET, client=today.client, server=today.server)
    pair.server.auto_read = False
    pair.handshake()
    pair.client.connection.send_data(b"late")
    pair.move()
    pair.reauth()
    server = pair.server.connection
    pieces = []
    while server.readable:
        early, identity = server.read_is_early, server.read_identity
        pieces.append((server.read(), early, identity is not None))
    assert pieces == [(GET, True, False), (b"late", False, False)]


def test_more_may_be_written_until_the_server_has_answered() -> None:
    today, ticket = a_day("alice")
    pair = resuming(ticket, b"one ", client=today.client, server=today.server)
    client = pair.client.connection
    client.send_early_data(bytearray(b"two "))
    client.start()
    pair.client.settle()
    client.send_early_data(memoryview(b"three "))
    pair.server.receive(client.data_to_send())
    client.send_early_data(b"four")
    pair.server.receive(client.data_to_send())
    assert pair.server.data == b"one two three four"
    pair.handshake()
    assert accepted(pair)
    with pytest.raises(UsageError, match="not any more"):
        client.send_early_data(b"five")
    assert client.failure is None


@pytest.mark.parametrize("size", [1, 1000, 16384, 16385, 100_000])
def test_as_much_as_the_ticket_allows(size: int) -> None:
    today, ticket = a_day("alice", max_early_data=size)
    assert ticket.max_early_data_size == size
    pair = resuming(ticket, client=today.client, server=today.server)
    with pytest.raises(UsageError, match=f"allows {size} more bytes"):
        pair.client.connection.send_early_data(bytes(size + 1))
    pair.client.connection.send_early_data(b"x" * size)
    with pytest.raises(UsageError, match="allows 0 more bytes"):
        pair.client.connection.send_early_data(b"x")
    pair.handshake()
    assert accepted(pair)
    assert pair.server.data == b"x" * size


def test_a_reauth_follows_on_its_transcript() -> None:
    today, ticket = a_day("alice")
    pair = today.resume(ticket, GET)
    assert pair.reauth().outcome is Outcome.AUTHENTICATED


def test_both_ends_log_the_same_early_secrets() -> None:
    client_log, server_log, client_keep, server_keep = keylog_pair()
    today, ticket = a_day(
        "alice",
        client={"keylog": client_keep},
        keylog=server_keep,
    )
    early = {"CLIENT_EARLY_TRAFFIC_SECRET", "EARLY_EXPORTER_SECRET"}
    assert not early & client_log.keys()
    assert accepted(today.resume(ticket, GET))
    assert early <= client_log.keys()
    assert client_log == server_log


def test_the_trace_shows_it() -> None:
    entries: list[Any] = []
    today, ticket = a_day("alice", client={"trace": entries.append}, trace=entries.append)
    entries.clear()
    today.resume(ticket, GET)
    lines = [(entry.direction.name, entry.what, entry.epoch) for entry in entries]
    assert ("sent", "application data", "early") in lines
    assert ("received", "application data", "early") in lines
    assert ("sent", "EndOfEarlyData", "early") in lines
    assert lines.index(("sent", "application data", "early")) < lines.index(
        ("sent", "ServerHello", "plaintext")
    )


def test_without_middlebox_compatibility() -> None:
    today, ticket = a_day("alice", client={"middlebox_compatibility": False})
    pair = resuming(ticket, GET, client=today.client, server=today.server)
    pair.client.connection.start()
    pair.client.settle()
    data = pair.client.connection.data_to_send()
    end = 5 + int.from_bytes(data[3:5], "big")
    assert data[end] == ContentType.application_data
    pair.server.receive(data)
    assert pair.server.data == GET
    assert accepted(pair.handshake())


def test_rfc8448_our_server_reads_what_was_recorded() -> None:
    """Section 4: ClientHello, six bytes of early data, and the secrets they come from."""
    client_flight = RESUMED.sent_by(Role.client)
    psk = RESUMED.secrets["psk"]

    class Recorded:
        def keep(self, state: TicketState) -> bytes:
            raise AssertionError("no ticket is wanted")

        def find(self, ticket: bytes) -> TicketState:
            return TicketState(
                suite=0x1301,
                psk=psk,
                lifetime=30,
                age_add=0xFAD6AAC5,
                received_at=NOW.timestamp(),
                started_at=NOW.timestamp(),
                server_name="server",
                max_early_data_size=1024,
            )

    log: dict[str, str] = {}
    config = server_config(
        groups=(NamedGroup.x25519,),
        max_early_data=1024,
        ticket_database=Recorded(),
        keylog=lambda line: log.update({line.split()[0]: line.split()[2]}),
    )
    server = End(Connection(config))
    server.receive(b"".join(record.data for record in client_flight[:2]))
    assert server.error is None
    assert server.data == b"ABCDEF"
    for label, name in (
        ("CLIENT_EARLY_TRAFFIC_SECRET", "client_early_traffic_secret"),
        ("EARLY_EXPORTER_SECRET", "early_exporter_master_secret"),
    ):
        assert log[label] == RESUMED.secrets[name].hex()


# --- refused: skipped, and the client knows


def refused(pair: ConnectionPair) -> None:
    """Nothing of it was read, and the connection works."""
    assert not accepted(pair)
    assert pair.server.data == b""
    pair.client.connection.send_data(b"again")
    pair.move()
    assert pair.server.data == b"again"
    assert pair.server.connection.identity_history[0] == (0, None)
    assert pair.reauth().outcome is Outcome.AUTHENTICATED


@pytest.mark.parametrize("size", [10, 1000, 30_000])
@pytest.mark.parametrize(
    "fields",
    [
        {"max_early_data": 0},
        {"verifier": CA("Another").verifier(), "client_auth": ClientAuth.NONE},
        {"cipher_suites": (CipherSuite.TLS_CHACHA20_POLY1305_SHA256,)},
        {"cipher_suites": SHA384},
        {"alpn_protocols": (b"other",)},
        {"require_cookie": True},
        {"groups": (NamedGroup.secp384r1,)},
        {"psk_modes": ()},
    ],
    ids=["off", "trust", "suite", "hash", "alpn", "cookie", "group", "no PSK"],
)
def test_what_is_refused_is_skipped(fields: Any, size: int) -> None:
    groups = (NamedGroup.x25519, NamedGroup.secp384r1)
    client = {"alpn_protocols": (b"one", b"other"), "groups": groups}
    server = {"alpn_protocols": (b"one", b"other"), "groups": groups, "max_early_data": 30_000}
    today, ticket = a_day("alice", client=client, **{**server, "client_auth": ClientAuth.REQUEST})
    other = replace(today.server, **fields)
    pair = today.resume(ticket, b"e" * size, server=other)
    if fields.get("verifier") is not None:
        assert not established(pair)[0].resumed
        assert not accepted(pair)
        return
    refused(pair)


def test_an_unknown_ticket_is_a_refusal_too() -> None:
    today, _ = a_day("alice")
    _, ticket = a_day("alice", ticket_keys=TicketKeys([b"k" * 32]))
    pair = today.resume(ticket, GET)
    assert not established(pair)[0].resumed
    refused(pair)


def test_a_server_that_never_heard_of_it_skips_as_much_as_tickets_usually_allow() -> None:
    plain = Today("alice", server={"ticket_keys": TicketKeys([b"k" * 32])})
    _, ticket = a_day("alice", max_early_data=2**17)
    refused(plain.resume(ticket, bytes(2**14)))
    pair = resuming(ticket, bytes(2**14 + 1), client=plain.client, server=plain.server)
    with pytest.raises(BadRecordMac):
        pair.handshake()
    pair = resuming(ticket, bytes(2**14 - 1), client=plain.client, server=plain.server)
    pair.client.connection.send_early_data(bytes(2))
    with pytest.raises(TooMuch, match="rejected early data"):
        pair.handshake()


def test_it_goes_with_the_first_psk_alone() -> None:
    key = ExternalPsk(b"key", b"k" * 32)
    today, ticket = a_day("alice", psks=(key,))
    client = replace(today.client, psks=(key,))
    pair = today.resume(replace(ticket, ticket=b"unknown"), GET, client=client)
    assert established(pair)[0].psk_identity == b"key"
    refused(pair)


@pytest.mark.parametrize(
    "change",
    [
        lambda config: replace(config, cipher_suites=(CipherSuite.TLS_CHACHA20_POLY1305_SHA256,)),
        lambda config: replace(config, alpn_protocols=(b"two",)),
        lambda config: replace(config, psk_modes=()),
        lambda config: replace(config, wall_clock=lambda: NOW.timestamp() + 10**7),
    ],
    ids=["suite", "alpn", "no PSK", "expired"],
)
def test_a_client_that_cannot_use_it_offers_none(change: Any) -> None:
    protocols = {"alpn_protocols": (b"one", b"two")}
    today, ticket = a_day("alice", client=protocols, **protocols)
    pair = resuming(ticket, GET, client=change(today.client), server=today.server)
    hellos = sent_hellos(pair)
    pair.handshake()
    assert hellos[0].extensions.get(EarlyDataIndication) is None
    refused(pair)


def test_a_retry_ends_it() -> None:
    today, ticket = a_day("alice", require_cookie=True)
    pair = resuming(ticket, GET, client=today.client, server=today.server)
    hellos = sent_hellos(pair)
    pair.handshake()
    assert [hello.extensions.get(EarlyDataIndication) is not None for hello in hellos] == [
        *(True, False)
    ]
    assert established(pair)[0].resumed
    refused(pair)


# --- §8: freshness and replay


@pytest.mark.parametrize(
    ("skew", "fresh"), [(0, True), (9.9, True), (-9.9, True), (10.2, False), (-10.2, False)]
)
def test_the_age_on_the_wire_must_fit_the_clock(skew: float, fresh: bool) -> None:
    today, ticket = a_day("alice")
    today.later(100)
    server = replace(today.server, wall_clock=lambda: today.clock.now + skew)
    pair = today.resume(ticket, GET, server=server)
    assert accepted(pair) is fresh
    assert established(pair)[0].resumed
    assert pair.server.data == (GET if fresh else b"")


def test_the_window_is_a_setting() -> None:
    today, ticket = a_day("alice", early_data_window=1.0)
    server = replace(today.server, wall_clock=lambda: today.clock.now + 1.5)
    assert not accepted(today.resume(ticket, GET, server=server))


def replay(pair: ConnectionPair, config: ServerConfig) -> End:
    """Give a client's first flight to another server connection."""
    pair.client.connection.start()
    pair.client.settle()
    flight = pair.client.connection.data_to_send()
    pair.server.receive(flight)
    victim = End(Connection(config))
    victim.receive(flight)
    return victim


def test_a_replay_is_not_read() -> None:
    today, ticket = a_day("alice")
    pair = resuming(ticket, GET, client=today.client, server=today.server)
    victim = replay(pair, today.server)
    assert pair.server.data == GET
    assert victim.data == b""
    assert victim.error is None  # the handshake goes on, as far as a replay can go
    assert victim.connection.has_data_to_send


def test_a_replay_to_another_server_of_the_same_guard_is_not_read() -> None:
    today, ticket = a_day("alice")
    twin = replace(today.server, credentials=server_config().credentials)
    assert twin.replay_guard is today.server.replay_guard
    victim = replay(resuming(ticket, GET, client=today.client, server=today.server), twin)
    assert victim.data == b""


def test_a_replay_that_comes_late_is_stale() -> None:
    today, ticket = a_day("alice")
    forgetful = replace(today.server, replay_guard=SingleUse())
    pair = resuming(ticket, GET, client=today.client, server=today.server)
    pair.client.connection.start()
    pair.client.settle()
    flight = pair.client.connection.data_to_send()
    today.later(10.5)
    victim = End(Connection(forgetful))
    victim.receive(flight)
    assert victim.data == b""


def test_a_ticket_may_be_used_for_early_data_again() -> None:
    """What is claimed is the ClientHello, not the ticket (§8.2)."""
    today, ticket = a_day("alice")
    for _ in range(3):
        assert accepted(today.resume(ticket, GET))


def test_the_guard_may_be_anywhere() -> None:
    today, ticket = a_day("alice")
    pair = resuming(ticket, GET, client=today.client, server=today.server)
    pair.server.hold = lambda question: isinstance(question.subject, ClaimEarlyData)
    pair.client.connection.start()
    pair.move()
    (question,) = pair.server.held_questions
    subject = question.subject
    assert isinstance(subject, ClaimEarlyData)
    assert subject.guard is today.server.replay_guard
    assert subject.claim.issued_at == ticket.received_at
    assert len(subject.claim.key) == 32
    assert pair.server.data == b""  # not before the answer
    pair.server.connection.answer(question.id, True)
    pair.move()
    assert accepted(pair)
    assert pair.server.data == GET


@pytest.mark.parametrize("answer", [None, 1, "yes", OSError("guard is down")])
def test_only_a_bool_is_a_claim(answer: Any) -> None:
    today, ticket = a_day("alice")
    pair = resuming(ticket, GET, client=today.client, server=today.server)
    pair.server.hold = lambda question: isinstance(question.subject, ClaimEarlyData)
    pair.client.connection.start()
    pair.move()
    (question,) = pair.server.held_questions
    with pytest.raises(InternalError):
        pair.server.connection.answer(question.id, answer)
    assert pair.server.data == b""


def claim(key: bytes = b"k", now: float = 1000.0, issued_at: float = 900.0) -> EarlyDataClaim:
    return EarlyDataClaim(key, issued_at, now, now + 10)


class TestSingleUse:
    def test_once(self) -> None:
        guard = SingleUse()
        assert guard.claim(claim(b"a"))
        assert not guard.claim(claim(b"a"))
        assert guard.claim(claim(b"b"))
        assert not guard.claim(claim(b"a", now=1009.9))

    def test_it_forgets_what_could_not_be_fresh(self) -> None:
        guard = SingleUse(capacity=2)
        assert guard.claim(claim(b"a", 1000.0))
        assert guard.claim(claim(b"b", 1005.0))
        assert not guard.claim(claim(b"c", 1006.0))  # full: when in doubt, no
        assert guard.claim(claim(b"c", 1010.1))
        assert not guard.claim(claim(b"d", 1010.2))
        assert repr(guard) == "SingleUse(2 of 2)"

    def test_after_a_restart_it_knows_what_it_cannot_know(self) -> None:
        guard = SingleUse(started_at=1000.0)
        assert not guard.claim(claim(b"a", now=1000.0, issued_at=999.0))
        assert not guard.claim(claim(b"a", now=1009.9, issued_at=999.0))
        assert guard.claim(claim(b"a", now=1010.0, issued_at=999.0))
        assert guard.claim(claim(b"b", now=1001.0, issued_at=1000.5))

    def test_threads_claim_each_key_once(self) -> None:
        for seed in range(60):
            guard = SingleUse(capacity=8)
            for key in (b"old", b"older"):
                assert guard.claim(claim(key, 900.0))
            claims = [claim(key, 1000.0) for key in (b"a", b"b", b"a")]
            found = interleave([partial(guard.claim, each) for each in claims], seed)
            assert found[1] is True
            assert sorted([found[0], found[2]]) == [False, True]
            assert repr(guard) == "SingleUse(2 of 8)"

    def test_a_configuration_has_one_since_it_was_made(self) -> None:
        config = server_config(max_early_data=1, wall_clock=lambda: 77.0)
        assert isinstance(config.replay_guard, SingleUse)
        assert config.replay_guard.started_at == 77.0
        assert server_config().replay_guard is None


# --- lies


def test_more_than_the_ticket_allows_is_refused() -> None:
    today, ticket = a_day("alice", max_early_data=10)
    greedy = replace(ticket, max_early_data_size=11)
    pair = resuming(greedy, b"x" * 11, client=today.client, server=today.server)
    with pytest.raises(UnexpectedMessage, match="more early data than its ticket allows"):
        pair.handshake()


def test_it_takes_a_psk_to_offer_it() -> None:
    pair = ConnectionPair()
    on_the_way(
        pair,
        "to server",
        lambda hello: replace(
            hello, extensions=Extensions((*hello.extensions, EarlyDataIndication()))
        ),
    )
    with pytest.raises(IllegalParameter, match="expected pre_shared_key with early_data"):
        pair.handshake()


def test_a_second_hello_offers_none() -> None:
    today, ticket = a_day("alice", require_cookie=True)
    pair = resuming(ticket, client=today.client, server=today.server)
    pair.client.connection.start()
    pair.client.settle()
    pair.server.receive(pair.client.connection.data_to_send())
    pair.client.receive(pair.server.connection.data_to_send())

    def offer(hello: Any) -> Any:
        *others, last = hello.extensions.items
        return replace(hello, extensions=Extensions((*others, EarlyDataIndication(), last)))

    on_the_way(pair, "to server", offer)
    data = pair.client.connection.data_to_send()
    pair.server.receive(data[:6] + pair.tamper("to server", data[6:]))
    assert isinstance(pair.server.error, IllegalParameter)
    assert "early data is over" in str(pair.server.error)


def sneaking(monkeypatch: pytest.MonkeyPatch, change: Any) -> None:
    """Change what flights are made of."""
    add = Flight.add
    monkeypatch.setattr(Flight, "add", lambda flight, message: add(flight, change(message)))


def accept_anyway(message: Any) -> Any:
    if type(message) is EncryptedExtensions and not any(
        type(item) is EarlyDataIndication for item in message.extensions
    ):
        return EncryptedExtensions(Extensions((*message.extensions, EarlyDataIndication())))
    return message


def test_a_server_must_not_accept_what_was_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    today, ticket = a_day("alice")
    sneaking(monkeypatch, accept_anyway)
    with pytest.raises(UnsupportedExtension):
        today.resume(ticket)


def test_a_server_must_not_accept_it_with_another_psk(monkeypatch: pytest.MonkeyPatch) -> None:
    key = ExternalPsk(b"key", b"k" * 32)
    today, ticket = a_day("alice", psks=(key,))
    client = replace(today.client, psks=(key,))
    sneaking(monkeypatch, accept_anyway)
    with pytest.raises(IllegalParameter, match="another PSK than the first"):
        today.resume(replace(ticket, ticket=b"unknown"), GET, client=client)


@pytest.mark.parametrize(
    "fields",
    [
        {"cipher_suites": (CipherSuite.TLS_CHACHA20_POLY1305_SHA256,)},
        {"alpn_protocols": (b"two",)},
    ],
    ids=["suite", "alpn"],
)
def test_a_server_must_not_accept_it_in_another_session(
    fields: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    protocols = {"alpn_protocols": (b"one", b"two")}
    today, ticket = a_day("alice", client=protocols, **protocols)
    sneaking(monkeypatch, accept_anyway)
    with pytest.raises(IllegalParameter, match="another suite or application protocol"):
        today.resume(ticket, GET, server=replace(today.server, **fields))


def test_end_of_early_data_must_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it the server reads the client's Finished with the keys of early data."""
    today, ticket = a_day("alice")
    monkeypatch.setattr("postshake.protocol.tls13.early_data.Link.send", skip_end)
    with pytest.raises(BadRecordMac):
        today.resume(ticket, GET)


def skip_end(link: Any, flight: Any) -> None:
    if any(type(message) is EndOfEarlyData for message in flight.messages):
        flight.parts.clear()
        flight.messages.clear()
        return
    link.layer.send(ContentType.handshake, b"".join(flight.parts))
    flight.parts.clear()
    flight.messages.clear()


def test_no_alert_or_data_between_the_parts_of_end_of_early_data() -> None:
    """§5.1: a message that began is finished before any data."""
    today, ticket = a_day("alice")
    pair = resuming(ticket, GET, client=today.client, server=today.server)
    pair.client.connection.start()
    pair.client.settle()
    layer = pair.client.connection._engine.layer
    layer.send(ContentType.handshake, b"\x05\0")
    layer.send(ContentType.application_data, b"between")
    pair.server.receive(pair.client.connection.data_to_send())
    assert isinstance(pair.server.error, UnexpectedMessage)
    assert pair.server.data == GET


# --- misuse


@pytest.mark.parametrize("what", ["server", "no ticket", "no allowance", "begun without"])
def test_when_none_can_be_sent(what: str) -> None:
    today, ticket = a_day("alice")
    if what == "server":
        connection = Connection(today.server)
    elif what == "no ticket":
        connection = Connection(today.client, "server.example")
    elif what == "no allowance":
        none = replace(ticket, max_early_data_size=0)
        connection = Connection(today.client, "server.example", session=none)
    else:
        pair = resuming(ticket, client=today.client, server=today.server)
        connection = pair.client.connection
        connection.start()
        pair.client.settle()
    with pytest.raises(UsageError):
        connection.send_early_data(GET)
    assert connection.failure is None


def test_a_stranger_without_a_ticket_is_not_asked_to_skip() -> None:
    """Application data before any key is an error where nobody offered any."""
    pair = ConnectionPair()
    pair.client.connection.start()
    data = pair.client.connection.data_to_send()
    pair.server.receive(data + b"\x17\x03\x03\x00\x20" + bytes(32))
    assert isinstance(pair.server.error, BadRecordMac)


def test_sent_without_a_name() -> None:
    fields = {"check_server_name": False}
    today = Today("alice", client=fields, server={"max_early_data": 100})
    _, ticket = today.session(None)
    pair = resuming(ticket, GET, client=today.client, server=today.server, server_name=None)
    assert accepted(pair.handshake())


def test_what_was_written_before_a_close_is_forgotten() -> None:
    today, ticket = a_day("alice")
    pair = resuming(ticket, GET, client=today.client, server=today.server)
    pair.client.connection.close()
    assert pair.client.connection.data_to_send() == b""
    with pytest.raises(UsageError):
        pair.client.connection.send_early_data(b"more")


def test_a_ticket_that_allows_none_gets_none() -> None:
    today = Today("alice", server={"max_early_data": 0})
    _, ticket = today.session()
    forged = replace(ticket, max_early_data_size=100)
    generous = replace(today.server, max_early_data=100)
    refused(today.resume(forged, GET, server=generous))


def test_it_goes_with_the_first_psk_though_the_second_is_a_ticket(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its keys come from the first, which the server does not know."""
    today, ticket = a_day("alice")
    stranger = replace(ticket, ticket=b"unknown", psk=bytes(32))

    def gather(*_: Any) -> Any:
        return Psk.resuming(stranger.ticket, stranger), Psk.resuming(ticket.ticket, ticket)
        yield

    monkeypatch.setattr(handshake, "gather_psks", gather)
    pair = today.resume(stranger, GET)
    assert established(pair)[0].resumed
    refused(pair)


def test_one_change_cipher_spec_is_enough() -> None:
    today, ticket = a_day("alice")
    pair = resuming(ticket, GET, client=today.client, server=today.server)
    count = 0

    def look(name: str, data: bytes) -> bytes:
        nonlocal count
        count += data.count(bytes.fromhex("140303000101")) if name == "to server" else 0
        return data

    pair.tamper = look
    assert accepted(pair.handshake())
    assert count == 1
