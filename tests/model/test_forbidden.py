"""Messages in any order, allowed or not, straight from a peer that has the keys.

The machine sends what a table knows, well made but at any moment. What the table
allows must be taken; what it forbids must end the connection with the alert that
the table names, and the sender must be able to read it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from postshake.connection import State
from postshake.constants import (
    AlertDescription,
    AlertLevel,
    ContentType,
    HandshakeType,
    Role,
    SignatureScheme,
)
from postshake.record.limits import Limits
from postshake.wire.alert import Alert
from postshake.wire.auth import Certificate, CertificateRequest, CertificateVerify, Finished
from postshake.wire.codec import u8, vec24
from postshake.wire.extensions import Extensions, SignatureAlgorithms
from postshake.wire.hello import EndOfEarlyData
from postshake.wire.post_handshake import NewSessionTicket
from tests.hostile import (
    Tap,
    assert_refused,
    capture_answer,
    link_of,
    send_handshake,
    send_record,
)
from tests.model.tables import At, expected_of_client, expected_of_server
from tests.pair import ConnectionPair, client_config, issued, server_config

T = TypeVar("T")
PICKS = st.integers(0, 99)
alice = issued("alice").credential()
ROOMY = Limits(
    empty_records=10**6,
    warning_alerts=10**6,
    key_updates=10**6,
    pending_requests=10**6,
    requests_per_window=10**6,
)
SCHEMES = Extensions((SignatureAlgorithms((SignatureScheme.ecdsa_secp256r1_sha256,)),))


def _handshake() -> dict[HandshakeType, bytes]:
    """A whole handshake's messages, by type."""
    tap = Tap()
    pair = ConnectionPair(
        client_config("alice", keylog=tap.keylog), server_config(keylog=tap.keylog)
    )
    pair.tamper = tap
    pair.handshake()
    return {HandshakeType(raw[0]): raw for _, raw in tap.messages}


HANDSHAKE = _handshake()
NEVER = {
    "ClientHello": HANDSHAKE[HandshakeType.client_hello],
    "ServerHello": HANDSHAKE[HandshakeType.server_hello],
    "EncryptedExtensions": HANDSHAKE[HandshakeType.encrypted_extensions],
    "EndOfEarlyData": EndOfEarlyData(),
    "HelloRequest": u8(0) + vec24(b""),
    "message_hash": u8(254) + vec24(bytes(32)),
    "unknown message": u8(99) + vec24(b"?"),
}
"""What neither end may send once the handshake is complete."""
WAITING = {
    At.CERTIFIED: "waiting for CertificateVerify",
    At.PROVEN: "waiting for Finished",
    At.DECLINED: "waiting for Finished",
}


def _pick(choices: Sequence[T], pick: int) -> T:
    return choices[pick % len(choices)]


class Forbidden(RuleBasedStateMachine):
    """One end that keeps no rules, and one that knows them."""

    victim: Role

    @initialize(fragment=st.sampled_from([7, 16384]))
    def begin(self, fragment: int) -> None:
        self.fragment = fragment
        self.pair = ConnectionPair(
            client_config("alice", limits=ROOMY), server_config(limits=ROOMY)
        ).handshake()
        ends = {Role.client: self.pair.client, Role.server: self.pair.server}
        self.end, self.sender = ends[self.victim], ends[self.victim.peer]
        self.end.auto_read = False
        link_of(self.sender).layer.max_fragment_out = fragment
        self.sender.connection.send_data(b"kept")
        self.pair.move()
        self.position = 4
        self.prepare()

    def prepare(self) -> None:
        """Make a fresh model."""

    def send_common(self, message: str) -> bool:
        """Send what both roles have in common; tell whether it was that."""
        alert = Alert(AlertLevel.warning, AlertDescription.user_canceled).encode()
        actions: dict[str, Callable[[], None]] = {
            "KeyUpdate": lambda: self.sender.connection.key_update(),
            "data": lambda: self.sender.connection.send_data(b"data"),
            "empty data": lambda: send_record(self.sender, ContentType.application_data, b""),
            "user_canceled": lambda: send_record(self.sender, ContentType.alert, alert),
            "ChangeCipherSpec": lambda: link_of(self.sender).layer.send_change_cipher_spec(),
        }
        if message in NEVER:
            send_handshake(self.sender, NEVER[message])
        elif message in actions:
            actions[message]()
        else:
            return False
        return True

    def refused(self, error_class: type) -> None:
        """Insist on the error and its alert, and begin anew."""
        assert_refused(self.pair, error_class, "", by=self.victim)
        assert self.end.connection.readable == self.position
        self.begin(self.fragment)

    def accepted(self, message: str) -> None:
        """Insist that nothing broke."""
        self.pair.move()
        self.position += 4 * (message == "data")
        assert self.end.error is None, f"{message}: {self.end.error}"
        assert self.sender.error is None
        assert self.end.connection.state is State.OPEN
        assert self.end.connection.readable == self.position


COMMON = [*NEVER, "KeyUpdate", "data", "empty data", "user_canceled", "ChangeCipherSpec"]
TO_SERVER = [
    *COMMON,
    "Certificate",
    "empty Certificate",
    "Certificate, unknown context",
    "Certificate, spent context",
    "CertificateVerify",
    "CertificateVerify, wrong",
    "Finished",
    "Finished, wrong",
    "CertificateRequest",
    "NewSessionTicket",
]
FITTING = {
    At.CERTIFIED: ["CertificateVerify"],
    At.PROVEN: ["Finished"],
    At.DECLINED: ["Finished"],
    None: ["Certificate", "empty Certificate", "KeyUpdate", "data"],
}


class ToServer(Forbidden):
    """A client that keeps no rules."""

    victim = Role.server

    def prepare(self) -> None:
        self.at: At | None = None
        self.asked = False
        self.unanswered: list[bytes] = []
        self.spent: list[bytes] = []
        self.rest: list[bytes] = []
        self.authenticated = False

    @precondition(lambda self: len(self.unanswered) < 4)
    @rule()
    def ask(self) -> None:
        self.unanswered.append(self.pair.ask())
        self.asked = True

    @rule(pick=PICKS)
    def send_what_fits(self, pick: int) -> None:
        if self.at is None and not self.unanswered:
            self.ask()
        self._send(_pick(FITTING[self.at], pick), pick)

    @rule(message=st.sampled_from(TO_SERVER), pick=PICKS)
    def send_anything(self, message: str, pick: int) -> None:
        self._send(message, pick)

    def _send(self, message: str, pick: int) -> None:
        expected = expected_of_server(
            self.at, message, asked=self.asked, open_requests=bool(self.unanswered)
        )
        if not self.send_common(message):
            send_handshake(self.sender, self._make(message, pick))
        if isinstance(expected, type):
            self.refused(expected)
            return
        self.accepted(message)
        if message == "Finished":
            self.authenticated |= self.at is At.PROVEN
        self.at = expected
        assert (self.pair.server.connection.peer_identity is not None) == self.authenticated
        if expected is not None:
            assert WAITING[expected] in repr(self.pair.server.connection)

    def _make(self, message: str, pick: int) -> bytes | Certificate | Finished:
        kind, _, flaw = message.partition(", ")
        if kind in ("Certificate", "empty Certificate") and not flaw:
            if self.at is not None or not self.unanswered:
                return Certificate(b"nobody's", ())
            context = _pick(self.unanswered, pick)
            self.unanswered.remove(context)
            self.spent.append(context)
            credential = alice if kind == "Certificate" else None
            certificate, *self.rest = capture_answer(self.pair.client, context, credential)
            return certificate
        if kind == "Certificate":
            spent = self.spent if flaw == "spent context" else []
            return Certificate(spent[0] if spent else b"unheard of", ())
        if kind == "CertificateRequest":
            return _raw(CertificateRequest(b"c", SCHEMES))
        if kind == "NewSessionTicket":
            return _raw(NewSessionTicket(60, 0, b"", b"t"))
        types = {
            "CertificateVerify": HandshakeType.certificate_verify,
            "Finished": HandshakeType.finished,
        }
        if self.rest and self.rest[0][0] == types[kind]:
            raw = self.rest.pop(0)
            return raw[:-1] + bytes([raw[-1] ^ 1]) if flaw else raw
        if kind == "Finished":
            return Finished(bytes(32))
        return _raw(CertificateVerify(SignatureScheme.ecdsa_secp256r1_sha256, b"signature"))


TO_CLIENT = [
    *COMMON,
    "CertificateRequest",
    "CertificateRequest, context still open",
    "CertificateRequest, no schemes",
    "NewSessionTicket",
    "Certificate",
    "CertificateVerify",
    "Finished",
]


class ToClient(Forbidden):
    """A server that keeps no rules."""

    victim = Role.client

    def prepare(self) -> None:
        self.pending: list[bytes] = []
        self.count = 0

    @precondition(lambda self: self.pending)
    @rule(pick=PICKS, decline=st.booleans())
    def answer(self, pick: int, decline: bool) -> None:
        context = _pick(self.pending, pick)
        self.pending.remove(context)
        capture_answer(self.pair.client, context, None if decline else alice)

    @rule(pick=PICKS)
    def send_what_fits(self, pick: int) -> None:
        self._send(_pick(["CertificateRequest", "KeyUpdate", "data"], pick), pick)

    @rule(message=st.sampled_from(TO_CLIENT), pick=PICKS)
    def send_anything(self, message: str, pick: int) -> None:
        self._send(message, pick)

    def _send(self, message: str, pick: int) -> None:
        expected = expected_of_client(message, pending=bool(self.pending))
        if not self.send_common(message):
            send_handshake(self.sender, self._make(message, pick))
        if isinstance(expected, type):
            self.refused(expected)
            return
        self.accepted(message)
        assert self.pair.client.connection.open_requests == tuple(self.pending)

    def _make(self, message: str, pick: int) -> bytes:
        kind, _, flaw = message.partition(", ")
        if kind == "CertificateRequest":
            if flaw == "context still open" and self.pending:
                context = _pick(self.pending, pick)
            else:
                self.count += 1
                context = self.count.to_bytes(4, "big")
                if not flaw.startswith("no"):
                    self.pending.append(context)
            extensions = Extensions() if flaw == "no schemes" else SCHEMES
            return _raw(CertificateRequest(context, extensions))
        return {
            "NewSessionTicket": _raw(NewSessionTicket(60, 0, b"", b"t")),
            "Certificate": _raw(Certificate(b"c", ())),
            "CertificateVerify": _raw(
                CertificateVerify(SignatureScheme.ecdsa_secp256r1_sha256, b"s")
            ),
            "Finished": _raw(Finished(bytes(32))),
        }[kind]


def _raw(message: object) -> bytes:
    body: bytes = message.encode()  # type: ignore[attr-defined]
    return u8(message.handshake_type) + vec24(body)  # type: ignore[attr-defined]


for machine in (ToServer, ToClient):
    machine.TestCase.settings = settings(
        max_examples=60, stateful_step_count=40, derandomize=True, deadline=None, database=None
    )
TestToServer = ToServer.TestCase
TestToClient = ToClient.TestCase


STAGES: dict[str, list[str]] = {
    "nothing asked": [],
    "asked": ["ask"],
    "Certificate read": ["ask", "ask", "Certificate"],
    "CertificateVerify read": ["ask", "ask", "Certificate", "CertificateVerify"],
    "empty Certificate read": ["ask", "ask", "empty Certificate"],
    "authenticated": ["ask", "Certificate", "CertificateVerify", "Finished"],
    "declined, another asked": ["ask", "empty Certificate", "Finished", "ask"],
}


@pytest.mark.parametrize("fragment", [7, 16384])
@pytest.mark.parametrize("stage", STAGES)
def test_every_message_to_a_server_at_every_stage(stage: str, fragment: int) -> None:
    """The whole table: Hypothesis above finds what its rows do to each other."""
    for message in TO_SERVER:
        machine = ToServer()
        machine.begin(fragment)
        for step in STAGES[stage]:
            if step == "ask":
                machine.ask()
            else:
                machine.send_anything(step, 0)
        machine.send_anything(message, 0)


@pytest.mark.parametrize("fragment", [7, 16384])
@pytest.mark.parametrize("pending", [0, 1, 2])
def test_every_message_to_a_client_at_every_stage(pending: int, fragment: int) -> None:
    for message in TO_CLIENT:
        machine = ToClient()
        machine.begin(fragment)
        for _ in range(pending):
            machine.send_anything("CertificateRequest", 0)
        machine.send_anything(message, 0)
