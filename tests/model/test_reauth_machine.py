"""Requests, answers, data, updates and time, in any order the table allows.

The machine carries out random steps on two connections and keeps a small model of
what must come of them. Bytes are delivered in random amounts, so that everything
crosses everything on the wire. Whatever happens, both ends stay open, each request
comes to the outcome that the model says, and each byte has the right identity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from postshake.config import AuthRequest
from postshake.connection import State
from postshake.constants import ContentType
from postshake.drive.answers import find_answer_now
from postshake.events import (
    Direction,
    Outcome,
    PeerKeyUpdated,
    ReauthAnswered,
    ReauthCompleted,
    ReauthRequested,
    TicketReceived,
    TraceEntry,
)
from postshake.questions import JudgePeer, Question
from postshake.record.limits import Limits
from postshake.wire.post_handshake import NewSessionTicket
from tests.certs import CA
from tests.hostile import send_handshake, send_record
from tests.model.tables import CLIENT_REAUTH, READING, SERVER_REAUTH, At
from tests.pair import Clock, ConnectionPair, End, client_config, issued, server_config

T = TypeVar("T")
PICKS = st.integers(0, 99)
AMOUNTS = st.one_of(st.just(10**6), st.integers(1, 2000))
CREDENTIALS = {
    "alice": issued("alice").credential(),
    "bob": issued("bob").credential(),
    "mallory": CA("Elsewhere").issue("mallory").credential(),
}
ROOMY = Limits(
    empty_records=10**6,
    key_updates=10**6,
    pending_requests=10**6,
    requests_per_window=10**6,
    tickets_per_connection=10**6,
)
OTHER = {"client": "server", "server": "client"}
AUTHENTICATING = ("Certificate", "CertificateVerify", "Finished")
DECLINING = ("empty Certificate", "Finished")


@dataclass
class Request:
    """What the model knows of one request."""

    context: bytes
    deadline: float | None
    on_client: At | None = None  # None while the request is on the wire
    on_server: At = At.REQUESTED
    settled: bool = False
    answered_by: str | None = None


@dataclass
class Wire:
    """Bytes on their way, and what each run of them means."""

    data: bytes = b""
    sent: int = 0
    received: int = 0
    items: list[tuple[int, tuple[Any, ...]]] = field(default_factory=list)


def _pick(choices: Sequence[T], pick: int) -> T:
    return choices[pick % len(choices)]


class Reauth(RuleBasedStateMachine):
    """Two connections, the wires between them, and what must come of it all."""

    @initialize(
        fragment=st.sampled_from([100, 16384]),
        allow_change=st.booleans(),
        patient=st.booleans(),
        prompt=st.booleans(),
    )
    def shake_hands(
        self, fragment: int, allow_change: bool, patient: bool, prompt: bool = False
    ) -> None:
        self.trace: dict[str, list[TraceEntry]] = {"client": [], "server": []}
        self.clock = Clock()
        self.pair = ConnectionPair(
            client_config("alice", limits=ROOMY, trace=self.trace["client"].append),
            server_config(
                limits=ROOMY,
                trace=self.trace["server"].append,
                clock=self.clock,
                allow_identity_change=allow_change,
            ),
        ).handshake()
        self.ends: dict[str, End] = {"client": self.pair.client, "server": self.pair.server}
        for name, end in self.ends.items():
            end.connection._engine.layer.max_fragment_out = fragment
            end.auto_read = False
            end.hold = lambda question: True
            end.events.clear()
            self.trace[name].clear()
        self.allow_change = allow_change
        self.patient = patient  # verdicts are awaited
        self.prompt = prompt  # what is sent arrives at once
        self.wires = {"client": Wire(), "server": Wire()}  # by who sends
        self.requests: dict[bytes, Request] = {}
        self.signatures: dict[bytes, tuple[Question, str]] = {}
        self.asked = {"client": False, "server": False}
        self.silent = {"client": False, "server": False}  # since they answered a request
        self.owed = {"client": False, "server": False}
        self.identity: str | None = None
        self.bytes = {"client": b"", "server": b""}  # by who received them
        self.whose: list[str | None] = []  # by whom each byte at the server is
        self.read = {"client": 0, "server": 0}
        self.updates = {"client": 0, "server": 0}
        self.tickets = 0
        self.completed: list[tuple[bytes, Outcome, str | None, int]] = []
        self.requested: list[tuple[bytes, int]] = []
        self.answered: list[tuple[bytes, str | None]] = []

    # --- what the ends do

    @rule(within=st.sampled_from([None, None, 1.0, 5.0]))
    def request(self, within: float | None) -> None:
        context = self.pair.server.connection.request_auth(AuthRequest(within=within))
        deadline = None if within is None else self.clock.now + within
        self.requests[context] = Request(context, deadline)
        self._sent("server", ("request", context))

    @precondition(lambda self: self._on_client(At.REQUESTED))
    @rule(
        pick=PICKS,
        name=st.sampled_from(["alice", "alice", "bob", "mallory", None]),
        at_once=st.sampled_from([True, True, False]),
    )
    def answer(self, pick: int, name: str | None, at_once: bool) -> None:
        request = _pick(self._on_client(At.REQUESTED), pick)
        credential = CREDENTIALS[name] if name is not None else None
        self.pair.client.connection.answer_auth(request.context, credential)
        if name is None:
            request.on_client = CLIENT_REAUTH[At.REQUESTED, "decline"]
            self.answered.append((request.context, None))
            self._sent("client", ("answer", request.context, None))
            return
        request.on_client = CLIENT_REAUTH[At.REQUESTED, "choice"]
        self._sent("client")
        (question,) = self._questions("client")
        self.signatures[request.context] = question, name
        if at_once:
            self._sign(request)

    @precondition(lambda self: self._on_client(At.SIGNING))
    @rule(pick=PICKS)
    def signature(self, pick: int) -> None:
        self._sign(_pick(self._on_client(At.SIGNING), pick))

    @precondition(lambda self: self._on_client(At.SIGNING))
    @rule(pick=PICKS)
    def signer_fails(self, pick: int) -> None:
        request = _pick(self._on_client(At.SIGNING), pick)
        question, _ = self.signatures.pop(request.context)
        self.pair.client.connection.answer(question.id, OSError("no token"))
        request.on_client = CLIENT_REAUTH[At.SIGNING, "failure"]
        self._sent("client")

    @precondition(lambda self: self.pair.server.held_questions)
    @rule(pick=PICKS)
    def verdict(self, pick: int) -> None:
        self._judge(_pick(self.pair.server.held_questions, pick))

    @precondition(lambda self: self._unsettled())
    @rule(pick=PICKS)
    def cancel(self, pick: int) -> None:
        request = _pick(self._unsettled(), pick)
        self.pair.server.connection.cancel_auth(request.context)
        self._settle(request, Outcome.CANCELLED)
        self._sent("server")

    @rule(seconds=st.sampled_from([0.5, 1.0, 5.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds
        due = [
            (request.deadline, request.context)
            for request in self._unsettled()
            if request.deadline is not None and request.deadline <= self.clock.now
        ]
        self.pair.server.connection.check_deadlines()
        for _, context in sorted(due):
            self._settle(self.requests[context], Outcome.EXPIRED)
        self._sent("server")

    @rule(end=st.sampled_from(sorted(OTHER)), asks=st.booleans())
    def key_update(self, end: str, asks: bool) -> None:
        self.ends[end].connection.key_update(request_peer=asks)
        asks = asks and not self.asked[end]
        self.asked[end] |= asks
        self._sent(end, ("update", asks))

    @rule(end=st.sampled_from(sorted(OTHER)), data=st.binary(min_size=1, max_size=80))
    def send(self, end: str, data: bytes) -> None:
        self.ends[end].connection.send_data(data)
        owed = [("owed update",)] if self.owed[end] else []  # §4.6.3: before the next data
        self._sent(end, *owed, ("data", data))

    @rule(end=st.sampled_from(sorted(OTHER)))
    def send_nothing(self, end: str) -> None:
        send_record(self.ends[end], ContentType.application_data, b"")
        self._sent(end, ("nothing",))

    @rule()
    def send_ticket(self) -> None:
        send_handshake(self.pair.server, NewSessionTicket(60, 0, b"n", b"ticket"))
        self._sent("server", ("ticket",))

    @rule(sender=st.sampled_from(sorted(OTHER)), amount=AMOUNTS)
    def deliver(self, sender: str, amount: int) -> None:
        wire = self.wires[sender]
        piece, wire.data = wire.data[:amount], wire.data[amount:]
        if not piece:
            return
        wire.received += len(piece)
        receiver = OTHER[sender]
        owes = self.owed[receiver]
        while wire.items and wire.items[0][0] <= wire.received:
            _, item = wire.items.pop(0)
            owes |= self._receive(receiver, item)
        self.ends[receiver].connection.receive_data(piece)
        self._questions(receiver)
        if owes and self.silent[receiver]:
            self.owed[receiver] = True  # and one is enough, however often it is asked
            owes = False
        self._sent(receiver, *([("owed update",)] if owes else []))
        if receiver == "server" and not self.patient:
            for question in tuple(self.pair.server.held_questions):
                self._judge(question)

    @rule(end=st.sampled_from(sorted(OTHER)), size=st.integers(-1, 100))
    def read_data(self, end: str, size: int) -> None:
        connection = self.ends[end].connection
        identity = connection.read_identity
        start = self.read[end]
        piece = connection.read(size)
        assert piece == self.bytes[end][start : start + len(piece)]
        self.read[end] += len(piece)
        if end == "server" and piece:
            name = identity.common_name if identity is not None else None
            assert set(self.whose[start : start + len(piece)]) == {name}
        if size != 0 and start < len(self.bytes[end]):
            assert piece, "there was something to read"

    # --- what must come of it

    def _receive(self, end: str, item: tuple[Any, ...]) -> bool:
        """Note in the model that an end receives something; tell whether it owes an update."""
        match item:
            case ("data", data):
                self.bytes[end] += data
                if end == "server":
                    self.whose += [self.identity] * len(data)
            case ("update", asks):
                self.updates[end] += 1
                if not asks:
                    self.asked[end] = False
                return bool(asks)
            case ("owed update",):
                self.updates[end] += 1
                self.asked[end] = False
            case ("ticket",):
                self.tickets += 1
            case ("request", context):
                self.requests[context].on_client = At.REQUESTED
                self.requested.append((context, len(self.bytes["client"])))
            case ("answer", context, name):
                self._take_answer(self.requests[context], name)
        return False

    def _take_answer(self, request: Request, name: str | None) -> None:
        for message in AUTHENTICATING if name is not None else DECLINING:
            request.on_server = SERVER_REAUTH[request.on_server, message]
        request.answered_by = name
        if request.settled:
            request.on_server = At.DONE  # a late answer is judged by nobody
        elif request.on_server is At.DONE:
            self._settle(request, Outcome.DECLINED)

    def _judge(self, question: Question) -> None:
        self.pair.server.held_questions.remove(question)
        assert isinstance(question.subject, JudgePeer)
        request = self.requests[question.subject.context]
        request.on_server = SERVER_REAUTH[request.on_server, "verdict"]
        self.pair.server.connection.answer(question.id, find_answer_now(question.subject))
        name = request.answered_by
        assert name is not None
        changed = self.identity is not None and self.identity != name
        if request.settled:
            pass
        elif name == "mallory" or (changed and not self.allow_change):
            self._settle(request, Outcome.REFUSED)
        else:
            self.identity = name
            self._settle(request, Outcome.AUTHENTICATED, name)
        self._sent("server")

    def _sign(self, request: Request) -> None:
        question, name = self.signatures.pop(request.context)
        self.pair.client.connection.answer(question.id, find_answer_now(question.subject))
        request.on_client = CLIENT_REAUTH[At.SIGNING, "signature"]
        self.answered.append((request.context, name))
        self._sent("client", ("answer", request.context, name))

    def _settle(self, request: Request, outcome: Outcome, name: str | None = None) -> None:
        assert not request.settled
        request.settled = True
        self.completed.append((request.context, outcome, name, len(self.bytes["server"])))

    def _sent(self, sender: str, *items: tuple[Any, ...]) -> None:
        """Take what an end has to send: so much, and nothing but what the model says."""
        data = self.ends[sender].connection.data_to_send()
        assert bool(data) == bool(items), f"{sender} sent {len(data)} bytes for {items}"
        wire = self.wires[sender]
        wire.data += data
        wire.sent += len(data)
        wire.items += [(wire.sent, item) for item in items]
        for item in items:
            self.silent[sender] = item == ("owed update",)
            self.owed[sender] &= item[0] not in ("update", "owed update")
        if self.prompt:
            self.deliver(sender, len(wire.data))

    def _questions(self, end: str) -> list[Question]:
        """Collect an end's events and new questions."""
        held = self.ends[end].held_questions
        before = len(held)
        self.ends[end].settle()
        new = held[before:]
        if end == "client":
            held.clear()
        return new

    def _on_client(self, at: At) -> list[Request]:
        return [request for request in self.requests.values() if request.on_client is at]

    def _unsettled(self) -> list[Request]:
        return [request for request in self.requests.values() if not request.settled]

    @invariant()
    def both_ends_are_open(self) -> None:
        for end in self.ends.values():
            assert end.error is None
            assert end.connection.state is State.OPEN
            end.settle()

    @invariant()
    def the_client_is_who_it_proved_to_be(self) -> None:
        identity = self.pair.server.connection.peer_identity
        assert (identity and identity.common_name) == self.identity
        proven = [(at, name) for _, _, name, at in self.completed if name is not None]
        history = self.pair.server.connection.identity_history
        assert [(at, each and each.common_name) for at, each in history] == [(0, None), *proven]

    @invariant()
    def requests_come_to_what_the_model_says(self) -> None:
        completed = [
            (
                event.context,
                event.outcome,
                event.identity.common_name if event.identity is not None else None,
                event.position,
            )
            for event in self.pair.server.of(ReauthCompleted)
        ]
        assert completed == self.completed
        server, client = self.pair.server.connection, self.pair.client.connection
        assert server.open_requests == tuple(each.context for each in self._unsettled())
        assert client.open_requests == tuple(each.context for each in self._on_client(At.REQUESTED))
        deadlines = [each.deadline for each in self._unsettled() if each.deadline is not None]
        assert server.next_deadline() == min(deadlines, default=None)

    @invariant()
    def the_client_sees_what_the_model_says(self) -> None:
        requested = self.pair.client.of(ReauthRequested)
        assert [(event.context, event.position) for event in requested] == self.requested
        answered = [
            (event.context, event.credential and event.credential.leaf.subject)
            for event in self.pair.client.of(ReauthAnswered)
        ]
        assert answered == [
            (context, name and CREDENTIALS[name].leaf.subject) for context, name in self.answered
        ]
        assert len(self.pair.client.of(TicketReceived)) == self.tickets
        for name, end in self.ends.items():
            assert len(end.of(PeerKeyUpdated)) == self.updates[name]

    @invariant()
    def no_message_stands_inside_another_answer(self) -> None:
        """The table read as a grammar, over what each end sent and received."""
        for name, direction in (("client", Direction.sent), ("server", Direction.received)):
            at: At | None = None
            for entry in self.trace[name]:
                if entry.direction is not direction:
                    continue
                what = entry.what
                if what == "Certificate" and entry.size == 4 + 1 + 32 + 3:
                    what = "empty Certificate"
                if at is None and what in ("Certificate", "empty Certificate"):
                    at = At.REQUESTED
                if at is None:
                    assert what in ("KeyUpdate", "application data")
                    continue
                at = SERVER_REAUTH[at, what]
                if at not in READING:
                    at = None

    def check(self) -> None:
        """Check all that must hold."""
        self.both_ends_are_open()
        self.the_client_is_who_it_proved_to_be()
        self.requests_come_to_what_the_model_says()
        self.the_client_sees_what_the_model_says()
        self.no_message_stands_inside_another_answer()

    def teardown(self) -> None:
        """Let everything come to its end: then every request has one."""
        if not hasattr(self, "requests"):
            return
        for _ in range(3):
            for sender in OTHER:
                self.deliver(sender, 10**9)
            for request in self._on_client(At.SIGNING):
                self._sign(request)
            while self._on_client(At.REQUESTED):
                self.answer(0, None, True)
            for question in tuple(self.pair.server.held_questions):
                self._judge(question)
        self.check()
        assert self._unsettled() == []
        assert all(request.on_server is At.DONE for request in self.requests.values())
        for end in OTHER:
            while self.read[end] < len(self.bytes[end]):
                self.read_data(end, 64)
            assert self.ends[end].connection.read() == b""


TestReauth = Reauth.TestCase
TestReauth.settings = settings(
    max_examples=200, stateful_step_count=50, derandomize=True, deadline=None, database=None
)


@pytest.mark.parametrize("seed", range(24))
def test_a_long_walk(seed: int) -> None:
    """The same machine on long walks: Hypothesis prefers short and simple ones."""
    random = Random(seed)
    machine = Reauth()
    machine.shake_hands(
        fragment=random.choice([100, 16384]),
        allow_change=random.random() < 0.5,
        patient=random.random() < 0.5,
    )
    for step in range(400):
        pick = random.randrange(100)
        end = random.choice(sorted(OTHER))
        match random.choices(
            ["request", "client", "server", "deliver", "update", "send", "other", "time"],
            [4, 8, 4, 10, 2, 4, 1, 0.3],
        ):
            case ["request"] if len(machine._unsettled()) < 8:
                machine.request(random.choice([None, None, 1.0, 5.0]))
            case ["client"]:
                if machine._on_client(At.SIGNING) and random.random() < 0.6:
                    random.choice([machine.signature, machine.signature, machine.signer_fails])(
                        pick
                    )
                elif machine._on_client(At.REQUESTED):
                    machine.answer(pick, random.choice([*CREDENTIALS, None]), pick % 2 == 0)
            case ["server"]:
                if machine.pair.server.held_questions:
                    machine.verdict(pick)
                elif machine._unsettled() and random.random() < 0.1:
                    machine.cancel(pick)
            case ["deliver"]:
                machine.deliver(end, random.choice([1, 50, 500, 10**6]))
            case ["update"]:
                machine.key_update(end, pick % 2 == 0)
            case ["send"]:
                machine.send(end, random.randbytes(1 + pick % 80))
                machine.read_data(end, pick - 1)
            case ["other"]:
                if pick % 2:
                    machine.send_nothing(end)
                else:
                    machine.send_ticket()
            case ["time"]:
                machine.time_passes(random.choice([0.5, 1.0, 5.0]))
        if step % 20 == 0:
            machine.check()
    machine.teardown()
    outcomes = {outcome for _, outcome, *_ in machine.completed}
    assert outcomes >= {Outcome.DECLINED, Outcome.REFUSED, Outcome.AUTHENTICATED}
    assert len(set(machine.whose)) > 1
