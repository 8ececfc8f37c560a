"""Tickets as a server makes and sends them, and what stands for a session (§4.6.1)."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from postshake.config import ClientAuth, Refusal
from postshake.constants import PskKeyExchangeMode
from postshake.errors import (
    InternalError,
    PostshakeError,
    ReauthUnavailable,
    TooMuch,
    UsageError,
)
from postshake.events import Outcome, ReauthCompleted, TicketReceived
from postshake.pki.trust import PeerChain, VerifiedChain
from postshake.questions import FindTicket, JudgePeer, KeepTicket
from postshake.record.limits import Limits
from postshake.resumption import TicketKeys
from postshake.resumption.ticket import MAX_LIFETIME, Ticket, TicketState
from postshake.wire.post_handshake import NewSessionTicket
from tests.certs import CA, DAY, NOW
from tests.interleaving import interleave
from tests.pair import ConnectionPair, client_config, counting_random, issued, server_config, the_ca
from tests.resuming import Today, asked, established, resuming, tickets_of

REQUIRE = {"client_auth": ClientAuth.REQUIRE}
HOUR = 3600.0

STATE = TicketState(
    suite=0x1301,
    psk=b"p" * 32,
    lifetime=7200,
    age_add=0xDEADBEEF,
    received_at=1000.25,
    started_at=999.5,
    server_name="server.example",
    alpn_protocol=b"http/1.1",
    max_early_data_size=16384,
    chain=(b"leaf", b"middle"),
    verified_chain=(b"leaf", b"middle", b"root"),
    proven_at=1000.0,
    psk_identity=b"external",
)
BARE = TicketState(
    suite=0x1302, psk=b"p" * 48, lifetime=1, age_add=0, received_at=0.0, started_at=0.0
)


def ticket_of(state: TicketState) -> Ticket:
    fields = {name: getattr(state, name) for name in TicketState.__slots__}
    return Ticket(ticket=b"opaque", **fields)


# --- written down


@pytest.mark.parametrize(
    "state",
    [STATE, BARE, replace(BARE, server_name="", alpn_protocol=b""), ticket_of(STATE)],
    ids=["all", "least", "empty is not None", "a client's"],
)
def test_what_is_written_can_be_read(state: TicketState) -> None:
    again = type(state).from_bytes(state.to_bytes())
    assert again == state
    assert type(again) is type(state)


@pytest.mark.parametrize("state", [STATE, BARE, ticket_of(STATE)], ids=["all", "least", "ticket"])
def test_no_part_of_it_can_be_read(state: TicketState) -> None:
    data = state.to_bytes()
    for length in range(len(data)):
        with pytest.raises(UsageError, match=type(state).__name__):
            type(state).from_bytes(data[:length])
    with pytest.raises(UsageError):
        type(state).from_bytes(data + b"\0")


def test_no_bit_of_it_makes_anything_but_our_own_errors() -> None:
    data = ticket_of(STATE).to_bytes()
    read = 0
    for bit in range(len(data) * 8):
        changed = (int.from_bytes(data, "big") ^ 1 << bit).to_bytes(len(data), "big")
        try:
            Ticket.from_bytes(changed)
            read += 1
        except PostshakeError:
            pass
    assert 0 < read < len(data) * 8  # a bit of a key is as good as its opposite


@pytest.mark.parametrize(
    ("place", "value", "text"),
    [(0, 9, "expected format 2, got 9"), (1, 0x77, "cipher suite 0x7701")],
)
def test_another_version_is_named(place: int, value: int, text: str) -> None:
    data = bytearray(ticket_of(STATE).to_bytes())
    data[place] = value
    with pytest.raises(UsageError, match=text):
        Ticket.from_bytes(bytes(data))


def test_a_certificate_is_written_once() -> None:
    chain = (b"x" * 1000, b"y" * 1000)
    twice = replace(BARE, chain=chain, verified_chain=(*chain, b"z"))
    assert len(twice.to_bytes()) < 2200


def test_a_week_is_the_most() -> None:
    state = replace(BARE, lifetime=2**32 - 1)
    assert state.is_current(MAX_LIFETIME - 1)
    assert not state.is_current(MAX_LIFETIME)
    assert not state.is_current(-1)


def test_what_shows_of_a_state_is_no_secret() -> None:
    state = replace(STATE, psk=b"SECRET" * 6)
    for shown in (repr(state), repr(ticket_of(state)), repr(KeepTicket(Shelf(), state))):
        assert "SECRET" not in shown
        assert str(0xDEADBEEF) not in shown
        assert "opaque" not in shown
        assert "server.example" in shown


# --- sealed


def test_what_is_sealed_opens() -> None:
    keys, random = TicketKeys(), counting_random("keys")
    ticket = keys.seal(b"state", 0.0, random)
    assert keys.open(ticket, 1.0) == b"state"
    assert b"state" not in ticket
    assert ticket != keys.seal(b"state", 0.0, random)


def test_no_bit_of_what_is_sealed_may_change() -> None:
    keys = TicketKeys([b"k" * 32])
    ticket = keys.seal(b"state", 0.0, counting_random("keys"))
    for bit in range(len(ticket) * 8):
        changed = (int.from_bytes(ticket, "big") ^ 1 << bit).to_bytes(len(ticket), "big")
        assert keys.open(changed, 0.0) is None
    for length in range(len(ticket)):
        assert keys.open(ticket[:length], 0.0) is None
    assert keys.open(ticket + b"\0", 0.0) is None


def test_keys_are_shared_by_their_bytes() -> None:
    one, other = TicketKeys([b"k" * 32]), TicketKeys([b"k" * 32])
    assert other.open(one.seal(b"state", 0.0, counting_random("keys")), 10**9) == b"state"
    assert TicketKeys([b"K" * 32]).open(one.seal(b"s", 0.0, counting_random("x")), 0.0) is None


def test_rotated_keys_open_until_there_are_too_many() -> None:
    keys, random = TicketKeys([b"0" * 32], keep=3), counting_random("keys")
    first = keys.seal(b"state", 0.0, random)
    for number in (b"1", b"2"):
        keys.rotate(number * 32)
        assert keys.open(first, 0.0) == b"state"
    assert keys.seal(b"x", 0.0, random)[:16] != first[:16]
    keys.rotate(b"3" * 32)
    assert keys.open(first, 0.0) is None


def test_keys_of_its_own_are_replaced_and_forgotten() -> None:
    keys, random = TicketKeys(rotate_after=100, keep=3), counting_random("keys")
    first = keys.seal(b"state", 1000.0, random)
    assert keys.seal(b"x", 1099.0, random)[:16] == first[:16]
    second = keys.seal(b"x", 1100.0, random)
    assert second[:16] != first[:16]
    assert keys.open(first, 1299.0) == b"state"
    assert keys.open(first, 1300.0) is None  # also if nothing was sealed meanwhile
    assert keys.open(second, 1300.0) == b"x"


def test_threads_agree_on_a_key_of_its_own() -> None:
    """Whoever sealed, at the first time and at each renewal, everybody can open."""
    for seed in range(60):
        keys, random = TicketKeys(rotate_after=100, keep=3), counting_random("keys")
        for now in (1000.0, 1100.0, 1200.0):
            tickets = interleave([partial(keys.seal, b"state", now, random)] * 3, seed)
            assert len({ticket[:16] for ticket in tickets}) == 1
            assert all(keys.open(ticket, now) == b"state" for ticket in tickets)


def test_no_key_that_was_brought_is_lost() -> None:
    """An owner rotates while connections seal, with a key of their own at first."""
    for seed in range(60):
        keys, random = TicketKeys(rotate_after=100), counting_random("keys")
        before = keys.seal(b"state", 1000.0, random)
        sealing = partial(keys.seal, b"state", 1100.0, random)
        found = interleave([sealing, partial(keys.rotate, b"k" * 32), sealing], seed)
        shared = TicketKeys([b"k" * 32])
        assert shared.open(keys.seal(b"state", 1101.0, random), 1101.0) == b"state"
        for ticket in (before, found[0], found[2]):
            assert keys.open(ticket, 1101.0) == b"state"


def test_what_shows_of_keys_is_no_secret() -> None:
    keys = TicketKeys([b"SECRET" * 6])
    assert "SECRET" not in repr(keys)
    assert repr(TicketKeys()) == "TicketKeys(none yet)"


@pytest.mark.parametrize(
    "make",
    [
        lambda: TicketKeys([b"k" * 31]),
        lambda: TicketKeys().rotate(b""),
        lambda: TicketKeys(keep=0),
        lambda: TicketKeys(rotate_after=0),
        lambda: server_config(ticket_lifetime=MAX_LIFETIME + 1),
        lambda: server_config(ticket_lifetime=-1),
        lambda: server_config(session_lifetime=-1),
        lambda: server_config(max_early_data=2**32),
    ],
)
def test_what_makes_no_sense_is_refused(make: Any) -> None:
    with pytest.raises(UsageError):
        make()


# --- sent


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_tickets_follow_the_handshake(count: int) -> None:
    pair = ConnectionPair(server=server_config(tickets=count)).handshake()
    assert len(pair.client.of(TicketReceived)) == count
    tickets = tickets_of(pair)
    assert len({each.ticket for each in tickets}) == count
    assert len({each.psk for each in tickets}) == count  # §4.6.1: nonces are unique
    assert len({each.age_add for each in tickets}) == count


def test_two_come_unless_the_configuration_says_otherwise() -> None:
    config = server_config()
    default = type(config)(credentials=config.credentials).tickets
    assert default == 2


def test_more_may_be_sent_at_any_time() -> None:
    pair = ConnectionPair().handshake()
    assert pair.server.connection.send_tickets() == 1
    pair.server.connection.send_data(b"between")
    assert pair.server.connection.send_tickets(3) == 3
    pair.move()
    assert [event.position for event in pair.client.of(TicketReceived)] == [0, 7, 7, 7]
    assert len({each.psk for each in tickets_of(pair)}) == 4


def test_what_a_ticket_says() -> None:
    today = Today("alice", server={**REQUIRE, "alpn_protocols": (b"x",), "max_early_data": 77},
                  client={"alpn_protocols": (b"x",)})  # fmt: skip
    today.later(3)
    pair, ticket = today.session()
    server = pair.client.connection.peer_identity
    assert server is not None
    assert ticket.chain == server.chain
    assert ticket.verified_chain == server.verified_chain
    assert ticket.started_at == ticket.received_at == ticket.proven_at == NOW.timestamp() + 3
    assert (ticket.server_name, ticket.alpn_protocol) == ("server.example", b"x")
    assert (ticket.max_early_data_size, ticket.single_use) == (77, True)
    assert ticket.group == established(pair)[0].group
    plaintext = today.server.ticket_keys.open(ticket.ticket, today.clock.now)
    assert plaintext is not None
    state = TicketState.from_bytes(plaintext)
    alice = pair.server.connection.peer_identity
    assert alice is not None
    assert (state.chain, state.verified_chain) == (alice.chain, alice.verified_chain)
    for name in ("psk", "lifetime", "age_add", "suite", "started_at", "server_name"):
        assert getattr(state, name) == getattr(ticket, name), name
    # the client's own secret is nowhere in clear
    assert ticket.psk not in ticket.ticket
    assert alice.chain[0] not in ticket.ticket


@pytest.mark.parametrize(
    "call",
    [
        lambda pair: pair.server.connection.send_tickets(0),
        lambda pair: pair.server.connection.send_tickets(-1),
        lambda pair: pair.client.connection.send_tickets(),
        lambda pair: (pair.server.connection.close(), pair.server.connection.send_tickets()),
        lambda pair: ConnectionPair().server.connection.send_tickets(),
    ],
    ids=["none", "fewer", "from a client", "after goodbye", "before the handshake"],
)
def test_when_no_ticket_can_be_sent(call: Any) -> None:
    pair = ConnectionPair().handshake()
    with pytest.raises(UsageError) as caught:
        call(pair)
    assert isinstance(caught.value, ReauthUnavailable | UsageError)
    assert pair.server.connection.failure is None


@pytest.mark.parametrize("side", ["client", "server"])
def test_no_ticket_for_who_cannot_resume(side: str) -> None:
    """§4.2.9: modes restrict tickets too."""
    none = {"psk_modes": ()} if side == "client" else {"psk_modes": (PskKeyExchangeMode.psk_ke,)}
    client = client_config(**(none if side == "client" else {}))
    server = server_config(tickets=2, **(none if side == "server" else {}))
    pair = ConnectionPair(client, server).handshake()
    assert tickets_of(pair) == ()
    assert pair.server.connection.send_tickets(3) == 0


def test_r46_a_client_without_resumption_ignores_tickets() -> None:
    pair = ConnectionPair(client_config(psk_modes=())).handshake()
    outcome = pair.server.connection._engine.outcome
    assert outcome is not None
    pair.server.connection._engine.link.send_message(NewSessionTicket(60, 0, b"", b"ticket"))
    pair.server.connection.send_data(b"more")
    pair.move()
    assert pair.client.data == b"more"
    assert pair.client.of(TicketReceived) == []


def test_a_client_takes_no_flood_of_them() -> None:
    limits = Limits(tickets_per_connection=5)
    pair = ConnectionPair(client_config(limits=limits)).handshake()
    pair.server.connection.send_tickets(6)
    pair.move()
    assert isinstance(pair.client.error, TooMuch)


# --- how long


def test_r45_a_ticket_ends_with_the_clients_certificate() -> None:
    short = the_ca().issue("short", not_after=NOW + DAY / 4)
    today = Today(server=REQUIRE)
    client = replace(today.client, credentials=(short.credential(),))
    pair = ConnectionPair(client, today.server).handshake()
    (ticket,) = tickets_of(pair)
    assert ticket.lifetime == DAY.total_seconds() / 4
    today.later(DAY.total_seconds() / 4)
    assert pair.server.connection.send_tickets() == 0


def test_r45_all_tickets_of_a_session_end_with_it() -> None:
    today = Today("alice", server={"session_lifetime": 3 * HOUR, "ticket_lifetime": 2 * 3600})
    _, ticket = today.session()
    assert ticket.lifetime == 2 * HOUR
    today.later(1.5 * HOUR)
    pair = today.resume(ticket)
    (ticket,) = tickets_of(pair)
    assert ticket.lifetime == 1.5 * HOUR
    today.later(1.5 * HOUR - 1)
    pair = today.resume(ticket)
    assert established(pair)[0].resumed
    assert tickets_of(pair)[-1].lifetime == 1
    today.later(1)
    assert pair.server.connection.send_tickets() == 0
    pair = today.resume(ticket)
    assert not established(pair)[0].resumed
    assert tickets_of(pair)[-1].lifetime == 2 * HOUR  # a session of its own


def test_r45_a_reauth_does_not_prolong_the_session() -> None:
    today = Today("alice", server={"session_lifetime": HOUR})
    pair, _ = today.session()
    today.later(HOUR / 2)
    assert pair.reauth().outcome is Outcome.AUTHENTICATED
    pair.server.connection.send_tickets()
    pair.move()
    assert tickets_of(pair)[-1].lifetime == HOUR / 2


# --- R-39, B4: reauth


def name_on(pair: ConnectionPair) -> str | None:
    identity = pair.server.connection.peer_identity
    return identity.common_name if identity is not None else None


def test_r39_a_ticket_after_reauth_carries_who_was_proven() -> None:
    today = Today("alice")
    pair, before = today.session()
    assert pair.reauth().outcome is Outcome.AUTHENTICATED
    assert tickets_of(pair) == (before,)  # none by itself
    pair.server.connection.send_tickets()
    pair.move()
    after = tickets_of(pair)[-1]
    resumed = today.resume(after)
    assert name_on(resumed) == "alice"
    identity = resumed.server.connection.peer_identity
    assert identity is not None
    assert identity.certificate_request_context == b""  # that was another connection's
    assert name_on(today.resume(before)) is None


def test_o10_tickets_may_follow_a_reauth_by_themselves() -> None:
    today = Today("alice", server={"tickets": 0, "tickets_after_reauth": 2})
    pair = ConnectionPair(today.client, today.server).handshake()
    assert tickets_of(pair) == ()
    assert pair.reauth(decline=True).outcome is Outcome.DECLINED
    assert tickets_of(pair) == ()
    assert pair.reauth().outcome is Outcome.AUTHENTICATED
    assert len(tickets_of(pair)) == 2
    assert name_on(today.resume(tickets_of(pair)[0])) == "alice"


@pytest.mark.parametrize("what", ["open", "declined", "refused", "awaiting a verdict"])
def test_b4_what_is_not_proven_and_accepted_is_in_no_ticket(what: str) -> None:
    stranger = CA("Stranger").issue("mallory").credential()
    today = Today("alice", server={"tickets_after_reauth": 1})
    client = today.client
    if what == "refused":
        client = replace(client, credentials=(stranger,))
    pair = ConnectionPair(client, replace(today.server, tickets=0)).handshake()
    if what == "awaiting a verdict":
        pair.server.hold = lambda question: isinstance(question.subject, JudgePeer)
    pair.server.connection.request_auth()
    pair.move()
    if what != "open":
        pair.answer_all(decline=what == "declined")
        pair.move()
    outcomes = [event.outcome for event in pair.server.of(ReauthCompleted)]
    assert outcomes == {
        "declined": [Outcome.DECLINED], "refused": [Outcome.REFUSED],
    }.get(what, [])  # fmt: skip
    assert tickets_of(pair) == ()
    pair.server.connection.send_tickets()
    pair.move()
    (ticket,) = tickets_of(pair)
    plaintext = today.server.ticket_keys.open(ticket.ticket, today.clock.now)
    assert plaintext is not None
    assert TicketState.from_bytes(plaintext).chain == ()
    resumed = today.resume(ticket, client=today.client)
    assert established(resumed)[0].resumed
    assert name_on(resumed) is None


def test_b4_a_refusal_leaves_the_former_identity_in_the_ticket() -> None:
    today = Today("alice", "bob", server=REQUIRE)
    pair, _ = today.session()
    assert pair.reauth(on_refusal=Refusal.KEEP).outcome is Outcome.AUTHENTICATED
    context = pair.server.connection.request_auth()
    pair.move()
    pair.client.connection.answer_auth(context, issued("bob").credential())
    pair.move()
    assert pair.server.of(ReauthCompleted)[-1].outcome is Outcome.REFUSED
    pair.server.connection.send_tickets()
    pair.move()
    assert name_on(today.resume(tickets_of(pair)[-1])) == "alice"


def test_an_identity_that_could_not_be_judged_again_is_in_no_ticket() -> None:
    """The verifier came with the request: nobody would be there at resumption."""
    today = Today("alice", server={"verifier": None})
    pair = ConnectionPair(today.client, today.server).handshake()
    assert len(tickets_of(pair)) == 1
    assert pair.reauth(verifier=the_ca().verifier()).outcome is Outcome.AUTHENTICATED
    assert pair.server.connection.send_tickets() == 0


# --- kept elsewhere


class Shelf:
    """A database of one process."""

    def __init__(self) -> None:
        self.states: dict[bytes, TicketState] = {}
        self.full = False
        self.count = 0

    def keep(self, state: TicketState) -> bytes:
        if self.full:
            raise OSError("no room")
        ticket = b"ticket %d" % self.count
        self.count += 1
        self.states[ticket] = state
        return ticket

    def find(self, ticket: bytes) -> TicketState | None:
        return self.states.pop(ticket, None)  # once


def test_states_may_be_kept_elsewhere() -> None:
    shelf = Shelf()
    today = Today("alice", server={**REQUIRE, "ticket_database": shelf})
    _, ticket = today.session()
    assert ticket.ticket == b"ticket 0"
    assert shelf.states[b"ticket 0"].psk == ticket.psk
    pair = today.resume(ticket)
    assert established(pair)[0].resumed
    assert name_on(pair) == "alice"
    assert not established(today.resume(ticket))[0].resumed


def test_a_state_is_found_once_however_many_hellos_there_are() -> None:
    today = Today("alice", server={**REQUIRE, "ticket_database": Shelf(), "require_cookie": True})
    _, ticket = today.session()
    pair = resuming(ticket, client=today.client, server=today.server)
    questions = asked(pair, "server")
    pair.handshake()
    assert established(pair)[0].resumed
    assert [type(each.subject) for each in questions] == [FindTicket, JudgePeer, KeepTicket]


def test_a_state_that_cannot_be_kept_costs_its_ticket_alone() -> None:
    shelf = Shelf()
    shelf.full = True
    today = Today("alice", server={"ticket_database": shelf})
    pair = ConnectionPair(today.client, today.server).handshake()
    pair.client.connection.send_data(b"on")
    pair.move()
    assert pair.server.data == b"on"
    assert tickets_of(pair) == ()


def test_keeping_may_take_its_time() -> None:
    today = Today("alice", server={"ticket_database": Shelf()})
    pair = ConnectionPair(today.client, today.server)
    pair.server.hold = lambda question: isinstance(question.subject, KeepTicket)
    pair.handshake()
    (question,) = pair.server.held_questions
    pair.client.connection.send_data(b"meanwhile")
    pair.move()
    assert pair.server.data == b"meanwhile"
    assert pair.reauth().outcome is Outcome.AUTHENTICATED
    pair.server.connection.answer(question.id, b"later")
    pair.move()
    (ticket,) = tickets_of(pair)
    assert ticket.ticket == b"later"
    assert isinstance(question.subject, KeepTicket)
    assert question.subject.state.chain == ()  # as of when it was sent for


def test_a_ticket_that_comes_after_goodbye_is_not_sent() -> None:
    today = Today("alice", server={"ticket_database": Shelf()})
    pair = ConnectionPair(today.client, today.server)
    pair.server.hold = lambda question: isinstance(question.subject, KeepTicket)
    pair.handshake()
    (question,) = pair.server.held_questions
    pair.server.connection.close()
    pair.server.connection.data_to_send()
    pair.server.connection.answer(question.id, b"later")
    assert pair.server.connection.data_to_send() == b""


@pytest.mark.parametrize("answer", [None, "text", b""])
def test_only_bytes_are_a_ticket(answer: Any) -> None:
    today = Today("alice", server={"ticket_database": Shelf()})
    pair = ConnectionPair(today.client, today.server)
    pair.server.hold = lambda question: isinstance(question.subject, KeepTicket)
    pair.handshake()
    (question,) = pair.server.held_questions
    with pytest.raises(InternalError, match="KeepTicket"):
        pair.server.connection.answer(question.id, answer)


@pytest.mark.parametrize("answer", [b"state", "text", OSError("gone")])
def test_only_a_state_is_a_session(answer: Any) -> None:
    today = Today("alice", server={"ticket_database": Shelf()})
    _, ticket = today.session()
    pair = resuming(ticket, client=today.client, server=today.server)
    pair.server.hold = lambda question: isinstance(question.subject, FindTicket)
    pair.client.connection.start()
    pair.move()
    (question,) = pair.server.held_questions
    with pytest.raises(InternalError):
        pair.server.connection.answer(question.id, answer)


def test_a_chain_too_long_for_a_ticket_costs_the_ticket_alone() -> None:
    alice = issued("alice").credential()

    class Trusting:
        def verify(self, peer: PeerChain) -> VerifiedChain:
            return VerifiedChain((peer.certificates[0], b"z" * 2**15))

    today = Today("alice", server={**REQUIRE, "verifier": Trusting()})
    pair = ConnectionPair(today.client, today.server).handshake()
    identity = pair.server.connection.peer_identity
    assert identity is not None
    assert identity.chain == alice.chain
    assert tickets_of(pair) == ()
    assert pair.server.connection.failure is None


# --- keys that change


def test_tickets_outlive_a_rotation_and_not_two_too_many() -> None:
    keys = TicketKeys([b"a" * 32], keep=2)
    today = Today("alice", server={"ticket_keys": keys})
    _, ticket = today.session()
    keys.rotate(b"b" * 32)
    assert established(today.resume(ticket))[0].resumed
    keys.rotate(b"c" * 32)
    assert not established(today.resume(ticket))[0].resumed


def test_servers_that_share_keys_share_sessions() -> None:
    one = Today("alice", server={**REQUIRE, "ticket_keys": TicketKeys([b"s" * 32])})
    other = Today("alice", server={**REQUIRE, "ticket_keys": TicketKeys([b"s" * 32])})
    _, ticket = one.session()
    pair = other.resume(ticket)
    assert established(pair)[0].resumed
    assert name_on(pair) == "alice"


def test_a_state_sealed_by_another_version_is_unknown() -> None:
    keys = TicketKeys([b"s" * 32])
    today = Today("alice", server={"ticket_keys": keys})
    _, ticket = today.session()
    sealed = keys.seal(b"\x63 from the future", today.clock.now, counting_random("x"))
    pair = today.resume(replace(ticket, ticket=sealed))
    assert not established(pair)[0].resumed
