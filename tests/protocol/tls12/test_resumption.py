"""Sessions of TLS 1.2: given, offered, resumed, refused."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest

from postshake.config import ClientAuth
from postshake.connection import Connection
from postshake.constants import AlertDescription as Alert
from postshake.errors import (
    AccessDenied,
    BadRecordMac,
    DecryptError,
    IllegalParameter,
    NegotiationError,
    TLSError,
    UnexpectedMessage,
    UsageError,
)
from postshake.pki.trust import PeerChain, VerifiedChain
from postshake.protocol.client_hello import tls12_extensions
from postshake.protocol.tls12 import server_state
from postshake.questions import JudgePeer, Question
from postshake.resumption import Session12, SessionCache12
from postshake.wire.extensions import (
    ExtendedMasterSecret,
    SessionTicket,
    SignatureAlgorithms,
    SupportedGroups,
)
from postshake.wire.hello import ClientHello, ServerHello
from postshake.wire.tls12 import (
    Certificate12,
    NewSessionTicket12,
)
from tests.certs import NOW
from tests.pair import ConnectionPair, counting_random, issued, the_ca
from tests.sealer import Sealer
from tests.tls12 import (
    BOTH,
    TLS12,
    check_refusal,
    lie,
    pair12,
    plus,
    swap,
    without,
)

REQUIRE = {"client_auth": ClientAuth.REQUIRE}


def flipped(data: bytes) -> bytes:
    return data[:-1] + bytes((data[-1] ^ 1,))


def hello(change: Any) -> Any:
    return swap(ClientHello, change)


def _still_works(pair: ConnectionPair) -> None:
    pair.client.data = pair.server.data = b""
    pair.client.connection.send_data(b"ping")
    pair.server.connection.send_data(b"pong")
    pair.move()
    assert (pair.client.data, pair.server.data) == (b"pong", b"ping")


def means(kind: str) -> dict[str, Any]:
    return (
        {"ticket_keys": Sealer()}
        if kind == "ticket"
        else {"sessions12": SessionCache12(), "tickets12": False}
    )


NUMBERS = itertools.count()


def come_back(
    session: Session12 | None,
    *clients: str,
    client: dict[str, Any] | None = None,
    server: dict[str, Any] | None = None,
    **options: Any,
) -> ConnectionPair:
    """Another connection, with randoms of its own, which offers the session."""
    number = next(NUMBERS)
    client = {"random": counting_random(f"client {number}")} | (client or {})
    server = {"random": counting_random(f"server {number}")} | (server or {})
    pair = pair12(*clients, client=client, server=server, **options)
    config, name = pair.client.connection.config, options.get("server_name", "server.example")
    pair.client.connection = Connection(config, name, session=session)
    return pair


def resumed(pair: ConnectionPair) -> bool:
    settled = [end.connection.established for end in (pair.client, pair.server)]
    assert settled[0] is not None
    assert settled[1] is not None
    assert settled[0].resumed is settled[1].resumed
    return settled[0].resumed


kinds = pytest.mark.parametrize("kind", ["ticket", "session ID"])


@kinds
@pytest.mark.parametrize("versions", [TLS12, BOTH], ids=["1.2", "both"])
@pytest.mark.parametrize("compatible", [True, False])
def test_a_session_is_resumed(kind: str, versions: Any, compatible: bool) -> None:
    client = {"versions": versions, "middlebox_compatibility": compatible}
    server = REQUIRE | means(kind)
    pair = pair12("alice", client=client, server=server).handshake()
    assert not resumed(pair)
    first = pair.client.connection.session12
    assert first is not None
    assert bool(first.ticket) is (kind == "ticket")
    assert bool(first.session_id) is (kind != "ticket")
    for _ in range(2):
        pair = come_back(first, "alice", client=client, server=server).handshake()
        assert resumed(pair)
        settled = pair.client.connection.established
        assert settled is not None
        assert settled.suite is first.suite
        assert settled.group is first.group
        server_identity = pair.client.connection.peer_identity
        client_identity = pair.server.connection.peer_identity
        assert server_identity is not None
        assert client_identity is not None
        assert server_identity.common_name == "server.example"
        assert client_identity.common_name == "alice"
        assert client_identity.verified
        assert client_identity.proven_at == NOW.timestamp()
        _still_works(pair)
        assert pair.client.connection.export(b"x", None, 9) == pair.server.connection.export(
            b"x", None, 9
        )
        assert pair.client.connection.session12 == first


@kinds
@pytest.mark.parametrize("cut", [1, 7])
def test_a_session_is_resumed_in_pieces(kind: str, cut: int) -> None:
    server = means(kind)
    session = pair12(server=server).handshake().client.connection.session12
    pair = come_back(
        session,
        server=server,
        split=lambda data: [data[at : at + cut] for at in range(0, len(data), cut)],
    )
    assert resumed(pair.handshake())


def test_a_new_connection_has_new_keys() -> None:
    server = means("ticket")
    pair = pair12(server=server).handshake()
    exported = {pair.client.connection.export(b"x", None, 32)}
    for _ in range(2):
        again = come_back(pair.client.connection.session12, server=server)
        exported.add(again.handshake().client.connection.export(b"x", None, 32))
    assert len(exported) == 3


REASONS: dict[str, dict[str, Any]] = {
    "another key seals": {"ticket_keys": Sealer(b"k" * 32)},
    "no tickets any more": {"tickets12": False},
    "too old": {"wall_clock": lambda: NOW.timestamp() + 7201},
    "from the future": {"wall_clock": lambda: NOW.timestamp() - 10},
    "the suite is not ours any more": {"cipher_suites12": (0xC02C,)},
}


@pytest.mark.parametrize("reason", REASONS)
def test_why_a_session_is_not_resumed(reason: str) -> None:
    server = means("ticket")
    session = pair12(server=server).handshake().client.connection.session12
    pair = come_back(session, server=server | REASONS[reason]).handshake()
    assert not resumed(pair)
    _still_works(pair)


def test_a_session_is_for_one_name() -> None:
    names = ("one.example", "two.example")
    server = means("ticket") | {
        "credentials": tuple(issued(name, "server").credential() for name in names)
    }
    session = (
        pair12(server=server, server_name="one.example").handshake().client.connection.session12
    )
    assert session is not None
    with pytest.raises(UsageError, match="the server that it began with"):
        come_back(session, server=server, server_name="two.example")
    # a client that does it all the same gets a full handshake (RFC 6066 section 3)
    forged = replace(session, server_name="two.example")
    pair = come_back(forged, server=server, server_name="two.example").handshake()
    assert not resumed(pair)
    identity = pair.client.connection.peer_identity
    assert identity is not None
    assert identity.common_name == "two.example"


def test_a_damaged_ticket() -> None:
    server = means("ticket")
    session = pair12(server=server).handshake().client.connection.session12
    assert session is not None
    for ticket in (flipped(session.ticket), session.ticket[:-1], b"x", b"x" * 300):
        assert not resumed(come_back(replace(session, ticket=ticket), server=server).handshake())


def test_what_the_sealer_opens_may_be_another_thing() -> None:
    """A ticket of TLS 1.3, say, from the same keys."""
    sealer = Sealer()
    session = pair12(server={"ticket_keys": sealer}).handshake().client.connection.session12
    assert session is not None
    ticket = sealer.seal(b"\1 something else", 0, lambda size: bytes(size))
    pair = come_back(replace(session, ticket=ticket), server={"ticket_keys": sealer}).handshake()
    assert not resumed(pair)


@kinds
def test_required_certificates_are_not_bypassed_by_a_session(kind: str) -> None:
    server = means(kind)
    session = pair12(server=server).handshake().client.connection.session12
    pair = come_back(session, "alice", server=server | REQUIRE).handshake()
    assert not resumed(pair)
    identity = pair.server.connection.peer_identity
    assert identity is not None
    assert identity.common_name == "alice"
    assert resumed(come_back(session, server=server).handshake())


class Changing:
    """A verifier that can be told to refuse."""

    def __init__(self) -> None:
        self.refuse = False
        self.refused_chain: tuple[bytes, ...] | None = None
        self.asked = 0

    def verify(self, peer: PeerChain) -> VerifiedChain:
        self.asked += 1
        if self.refuse or peer.certificates == self.refused_chain:
            raise AccessDenied("not today")
        return the_ca().verifier().verify(peer)


def test_a_resumed_client_is_judged_again() -> None:
    verifier = Changing()
    server = REQUIRE | means("ticket") | {"verifier": verifier}
    session = pair12("alice", server=server).handshake().client.connection.session12
    assert verifier.asked == 1
    assert resumed(come_back(session, "alice", server=server).handshake())
    assert verifier.asked == 2
    verifier.refuse = True
    pair = come_back(session, "alice", server=server)
    check_refusal(pair, "server", AccessDenied, Alert.access_denied, "not today")
    assert verifier.asked == 4  # the session, and then the proof anew


def test_a_resumed_server_is_judged_again() -> None:
    verifier = Changing()
    server, client = means("ticket"), {"verifier": verifier}
    session = pair12(client=client, server=server).handshake().client.connection.session12
    assert resumed(come_back(session, client=client, server=server).handshake())
    assert verifier.asked == 2, "before it is offered, and not again"
    verifier.refuse = True
    pair = come_back(session, client=client, server=server)
    check_refusal(pair, "client", AccessDenied, Alert.access_denied, "not today")
    assert verifier.asked == 4  # the session, and then the proof anew


def test_a_server_that_has_another_certificate_by_now_is_asked_for_it() -> None:
    """A session of a server whom nobody trusts any more costs a full handshake, no more."""
    verifier = Changing()
    server, client = means("ticket"), {"verifier": verifier}
    session = pair12(client=client, server=server).handshake().client.connection.session12
    verifier.refused_chain = session.peer_chain
    fresh = issued("server.example", "server", "p384").credential()
    pair = come_back(session, client=client, server=server | {"credentials": (fresh,)})
    assert not resumed(pair.handshake())
    assert pair.client.connection.peer_identity.chain == fresh.chain
    assert verifier.asked == 3  # at first, for the session, and for the fresh certificate


@pytest.mark.parametrize("role", ["client", "server"])
def test_who_judges_a_session_learns_when_it_was_proven(role: str) -> None:
    server = REQUIRE | means("ticket")
    session = pair12("alice", server=server).handshake().client.connection.session12
    pair = come_back(session, "alice", server=server)
    end = getattr(pair, role)
    judged: list[JudgePeer] = []

    def look(question: Question) -> bool:
        if isinstance(question.subject, JudgePeer):
            judged.append(question.subject)
        return False

    end.hold = look
    assert resumed(pair.handshake())
    assert [each.proven_at for each in judged] == [session.proven_at]


def test_a_client_does_not_offer_what_it_cannot_use() -> None:
    server = means("ticket")
    session = pair12(server=server).handshake().client.connection.session12
    for client in (
        {"cipher_suites12": (0xC02C,)},
        {"wall_clock": lambda: NOW.timestamp() + 7201},
        {"versions": BOTH[:1]},
    ):
        offered: list[bytes | None] = []

        def look(m: ClientHello, offered: list[bytes | None] = offered) -> ClientHello:
            extension = m.extensions.get(SessionTicket)
            offered.append(extension.ticket if extension else None)
            return m

        versions = {"versions": BOTH}
        pair = come_back(session, client=client, server=server | versions)
        lie(pair, "to server", swap(ClientHello, look)).handshake()
        assert offered[0] in (b"", None)
        assert not resumed(pair)


def test_a_session_needs_extended_master_secret_again() -> None:
    server = means("ticket")
    session = pair12(server=server).handshake().client.connection.session12
    pair = come_back(session, server=server)
    lie(pair, "to server", hello(lambda m: without(m, ExtendedMasterSecret)))
    check_refusal(
        pair, "server", NegotiationError, Alert.handshake_failure, "as in the session to resume"
    )
    pair = come_back(session, server=server)
    lie(pair, "to client", swap(ServerHello, lambda m: without(m, ExtendedMasterSecret)))
    check_refusal(
        pair, "client", NegotiationError, Alert.handshake_failure, "as in the resumed session"
    )


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (
            swap(ServerHello, lambda m: replace(m, cipher_suite=0xC02C)),
            IllegalParameter,
            "expected the suite of the resumed session",
        ),
        (
            swap(ServerHello, lambda m: plus(m, SessionTicket(b""))),
            UnexpectedMessage,
            "expected NewSessionTicket, got ChangeCipherSpec",
        ),
        (
            swap(ServerHello, lambda m: replace(m, legacy_session_id_echo=b"another")),
            UnexpectedMessage,
            "expected Certificate, got ChangeCipherSpec",
        ),
        (
            swap(ServerHello, lambda m: [m, NewSessionTicket12(1, b"x")]),
            UnexpectedMessage,
            "expected ChangeCipherSpec, got NewSessionTicket",
        ),
        (
            swap(ServerHello, lambda m: [m, Certificate12((b"x",))]),
            UnexpectedMessage,
            "expected ChangeCipherSpec, got Certificate",
        ),
    ],
)
def test_a_resumption_with_lies(change: Any, error: type[TLSError], match: str) -> None:
    server = means("ticket")
    session = pair12(server=server).handshake().client.connection.session12
    pair = lie(come_back(session, server=server), "to client", change)
    pair.client.connection.start()
    pair.move()
    assert isinstance(pair.client.error, error)
    assert pair.client.error.alert is error.alert
    assert match in str(pair.client.error)


@kinds
def test_another_master_secret_does_not_resume(kind: str) -> None:
    """Who saw a ticket, or an ID, has not got what is in it."""
    server = means(kind)
    session = pair12("alice", server=server | REQUIRE).handshake().client.connection.session12
    assert session is not None
    thief = replace(session, master_secret=bytes(48))
    pair = come_back(thief, server=server | REQUIRE)
    pair.client.connection.start()
    pair.move()
    assert isinstance(pair.client.error, BadRecordMac)
    assert pair.server.connection.peer_identity is None
    assert pair.server.connection.established is None


def test_a_client_may_want_no_tickets() -> None:
    """The server names sessions by IDs then, if it keeps any (RFC 5077 section 3.4)."""
    cache = SessionCache12()
    without = {"tickets12": False}
    pair = pair12(client=without, server={"ticket_keys": Sealer()} | {"sessions12": cache})
    session = pair.handshake().client.connection.session12
    assert session is not None
    assert (session.ticket, len(session.session_id)) == (b"", 32)
    assert len(cache) == 1
    again = {"client": without, "server": {"sessions12": cache}}
    assert resumed(come_back(session, **again).handshake())
    with_ticket = pair12(server={"ticket_keys": Sealer()}).handshake().client.connection.session12
    assert with_ticket is not None
    assert with_ticket.ticket
    hello = come_back(with_ticket, **again)
    hello.client.connection.start()
    sent = hello.client.connection.data_to_send()
    assert with_ticket.ticket not in sent
    assert not resumed(come_back(with_ticket, **again).handshake())


def test_a_server_may_change_its_mind_about_tickets() -> None:
    class Huge(Sealer):
        def seal(self, plaintext: bytes, now: float, random: Any) -> bytes:
            return bytes(2**16)

    pair = pair12(server={"ticket_keys": Huge()}).handshake()
    assert pair.client.connection.session12 is None


def test_a_failed_connection_is_not_resumed() -> None:
    cache = SessionCache12()
    pair = pair12(server={"sessions12": cache, "tickets12": False}).handshake()
    session = pair.client.connection.session12
    assert len(cache) == 1
    pair.client.connection._engine.layer.send(20, b"\1")
    pair.move()
    assert pair.server.error is not None
    assert len(cache) == 0
    assert not resumed(
        come_back(session, server={"sessions12": cache, "tickets12": False}).handshake()
    )


def test_a_session_given_to_a_server() -> None:
    pair = pair12(server=means("ticket")).handshake()
    with pytest.raises(UsageError, match="learns the session from the client"):
        Connection(pair.server.connection.config, session=pair.client.connection.session12)


def test_a_server_of_1_3_is_offered_the_session_in_vain() -> None:
    session = pair12(server=means("ticket")).handshake().client.connection.session12
    pair = come_back(session, client={"versions": BOTH}, server={"versions": BOTH}).handshake()
    assert pair.client.connection.established is not None
    assert pair.client.connection.established.version == BOTH[0]
    assert not resumed(pair)


def test_a_session_with_an_identity_needs_a_verifier() -> None:
    server = means("ticket")
    session = pair12("alice", server=server | REQUIRE).handshake().client.connection.session12
    pair = come_back(session, server=server | {"verifier": None}).handshake()
    assert not resumed(pair)
    assert pair.server.connection.peer_identity is None
    _still_works(pair)


def test_the_suite_of_the_session_must_be_offered() -> None:
    server = means("ticket")
    session = pair12(server=server).handshake().client.connection.session12
    assert session is not None
    pair = come_back(session, server=server)
    answers: list[int] = []
    others = (0xC02C, 0xCCA9)
    lie(pair, "to server", hello(lambda m: replace(m, cipher_suites=others)))
    to_server = pair.tamper
    lie(pair, "to client", swap(ServerHello, lambda m: answers.append(m.cipher_suite) or m))
    to_client = pair.tamper
    pair.tamper = lambda name, data: to_server(name, to_client(name, data))
    pair.client.connection.start()
    pair.move()
    assert session.suite.code not in others
    assert answers == [0xC02C]


@pytest.fixture
def unbound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients that do not offer extended_master_secret."""
    real = tls12_extensions

    def fewer(*arguments: Any) -> Any:
        return [each for each in real(*arguments) if not isinstance(each, ExtendedMasterSecret)]

    monkeypatch.setattr("postshake.protocol.client_hello.tls12_extensions", fewer)


@kinds
def test_an_unbound_session_is_not_kept_by_a_server(kind: str, unbound: None) -> None:
    server = means(kind)
    answers: list[tuple[bytes, bool]] = []

    def look(m: ServerHello) -> ServerHello:
        answers.append((m.legacy_session_id_echo, m.extensions.get(SessionTicket) is not None))
        return m

    pair = lie(pair12(server=server), "to client", swap(ServerHello, look)).handshake()
    assert answers == [(b"", False)]
    assert pair.server.connection._engine.outcome is not None
    assert pair.server.connection._engine.outcome.session12 is None
    assert not len(server.get("sessions12", ""))


def test_an_unbound_session_is_not_kept_by_a_client(
    monkeypatch: pytest.MonkeyPatch, unbound: None
) -> None:
    monkeypatch.setattr(server_state.ServerHandshakeState, "sends_ticket", True)
    pair = pair12(server=means("ticket")).handshake()
    assert pair.client.connection.session12 is None


@pytest.mark.parametrize(
    ("hint", "lifetime"), [(0, 24 * 3600), (60, 60), (2**32 - 1, 7 * 24 * 3600)]
)
def test_how_long_a_client_keeps_a_session(hint: int, lifetime: int) -> None:
    pair = pair12(server=means("ticket") | {"session_lifetime12": hint}).handshake()
    session = pair.client.connection.session12
    assert session is not None
    assert session.lifetime == lifetime


@kinds
@pytest.mark.parametrize("missing", [SignatureAlgorithms, SupportedGroups])
def test_a_resumption_needs_nothing_that_only_a_full_handshake_does(
    kind: str, missing: type
) -> None:
    server = means(kind)
    session = pair12(server=server).handshake().client.connection.session12
    pair = come_back(session, server=server)
    looked: list[bool] = []

    def strip(message: ClientHello) -> ClientHello:
        looked.append(message.extensions.get(missing) is not None)
        return without(message, missing)

    lie(pair, "to server", hello(strip))
    pair.client.connection.start()
    pair.move()
    assert looked == [True]
    # the two transcripts differ by what was taken out: but it got as far as Finished
    assert isinstance(pair.client.error, DecryptError)
    assert "Finished" in str(pair.client.error)


def test_a_full_handshake_needs_signature_algorithms() -> None:
    pair = lie(pair12(), "to server", hello(lambda m: without(m, SignatureAlgorithms)))
    check_refusal(
        pair, "server", NegotiationError, Alert.handshake_failure, "expected signature_algorithms"
    )
