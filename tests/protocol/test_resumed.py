"""Resumed sessions, our client with our server (§2.2, §4.2.11)."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest

from postshake.config import ClientAuth
from postshake.connection import Connection
from postshake.constants import CipherSuite, ContentType, NamedGroup, PskKeyExchangeMode
from postshake.errors import (
    CertificateExpired,
    DecryptError,
    IllegalParameter,
    InternalError,
    MissingExtension,
    UnexpectedMessage,
    UnsupportedExtension,
    UsageError,
)
from postshake.events import HandshakeCompleted, Outcome, Ticket, TraceEntry
from postshake.pki.trust import PeerChain, VerifiedChain
from postshake.protocol.link import Flight
from postshake.questions import ChooseCredential, JudgePeer, Refused
from postshake.resumption import ExternalPsk, PskKind
from postshake.wire.auth import Certificate, CertificateRequest, Finished
from postshake.wire.extensions import (
    EarlyDataIndication,
    Extensions,
    KeyShareClientHello,
    KeyShareServerHello,
    PreSharedKeyClientHello,
    PreSharedKeyServerHello,
    PskIdentity,
    PskKeyExchangeModes,
    ServerNameAck,
)
from postshake.wire.hello import EncryptedExtensions
from tests.certs import DAY, NOW
from tests.pair import ConnectionPair, issued, server_config, the_ca
from tests.resuming import (
    NAME,
    Today,
    asked,
    established,
    keylog_pair,
    on_the_way,
    resuming,
    sent_hellos,
    tickets_of,
)
from tests.sealer import Sealer
from tests.tampering import split_records

PSK_KE, PSK_DHE_KE = PskKeyExchangeMode.psk_ke, PskKeyExchangeMode.psk_dhe_ke
REQUIRE = {"client_auth": ClientAuth.REQUIRE}
SUITES = tuple(CipherSuite)[:3]


def talk(pair: ConnectionPair) -> None:
    """Data flows both ways, and both ends have the same keys for others."""
    pair.client.connection.send_data(b"question")
    pair.server.connection.send_data(b"answer")
    pair.move()
    assert (pair.server.data, pair.client.data) == (b"question", b"answer")
    exported = [end.connection.export(b"EXPORTER-x", b"", 32) for end in (pair.client, pair.server)]
    assert exported[0] == exported[1]


def is_full(pair: ConnectionPair) -> bool:
    """Whether there was a full handshake, as both ends say."""
    client, server = established(pair)
    assert client.psk is server.psk
    assert (server.our_credential is not None) == (client.psk is None)
    return client.psk is None


# --- it works


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
@pytest.mark.parametrize("modes", [(PSK_DHE_KE,), (PSK_KE,), (PSK_KE, PSK_DHE_KE)], ids=str)
@pytest.mark.parametrize("cookie", [False, True])
@pytest.mark.parametrize("early", [b"", b"early"])
def test_every_combination(suite: CipherSuite, modes: Any, cookie: bool, early: bytes) -> None:
    fields = {"psk_modes": modes}
    server = {"require_cookie": cookie, "max_early_data": 100, **fields}
    today = Today("alice", client={"cipher_suites": (suite,), **fields}, server=server)
    _, ticket = today.session()
    today.later(5)
    pair = today.resume(ticket, early)
    client, server_side = established(pair)
    assert client.psk is server_side.psk is PskKind.RESUMPTION
    assert client.suite.code == server_side.suite.code == suite
    assert client.group == server_side.group
    assert (client.group is None) == (PSK_DHE_KE not in modes)
    assert client.hello_retry_request is cookie
    accepted = bool(early) and not cookie
    assert client.early_data_accepted is server_side.early_data_accepted is accepted
    assert pair.server.data == (early if accepted else b"")
    pair.server.data = b""
    talk(pair)


def test_no_certificate_is_sent_signed_or_chosen() -> None:
    entries: list[Any] = []
    today = Today("alice", server=REQUIRE, client={"trace": entries.append})
    _, ticket = today.session()
    entries.clear()
    pair = resuming(ticket, client=today.client, server=today.server)
    questions = asked(pair, "client"), asked(pair, "server")
    pair.handshake()
    for found in questions:
        assert [type(each.subject) for each in found] == [JudgePeer]
    messages = [entry.what for entry in entries if entry.what != "ChangeCipherSpec"]
    assert messages[:5] == [
        *("ClientHello", "ServerHello", "EncryptedExtensions", "Finished", "Finished")
    ]


def test_both_identities_are_as_proven_then() -> None:
    today = Today("alice", server=REQUIRE)
    first, ticket = today.session()
    then = NOW.timestamp()
    today.later(3600)
    pair = today.resume(ticket)
    for side, name in (("client", NAME), ("server", "alice")):
        before = getattr(first, side).connection.peer_identity
        identity = getattr(pair, side).connection.peer_identity
        assert identity.common_name == name
        assert identity.chain == before.chain
        assert identity.verified_chain == before.verified_chain
        assert identity.proven_at == then
    assert established(pair)[0].our_credential is None


def test_an_anonymous_client_stays_anonymous() -> None:
    today = Today("alice")
    _, ticket = today.session()
    pair = today.resume(ticket)
    assert pair.server.connection.peer_identity is None


def test_sessions_resume_sessions_and_their_keys_differ() -> None:
    today = Today("alice", server=REQUIRE)
    pair, ticket = today.session()
    seen = {pair.client.connection.export(b"EXPORTER-x", b"", 32)}
    for _ in range(3):
        pair = today.resume(ticket)
        talk(pair)
        seen.add(pair.client.connection.export(b"EXPORTER-x", b"", 32))
        assert tickets_of(pair)[-1].psk != ticket.psk
        ticket = tickets_of(pair)[-1]
        assert ticket.started_at == NOW.timestamp()
        assert pair.server.connection.peer_identity is not None
    assert len(seen) == 4


def test_a_ticket_survives_being_written_down() -> None:
    today = Today("alice", server=REQUIRE)
    _, ticket = today.session()
    again = Ticket.from_bytes(ticket.to_bytes())
    assert again == ticket
    assert not is_full(today.resume(again))


def test_it_works_however_the_stream_is_cut() -> None:
    today = Today("alice", server={"max_early_data": 1000, "tickets": 8})
    first, _ = today.session()
    for ticket, size in zip(tickets_of(first), (1, 2, 3, 5, 7, 100, 1000), strict=False):

        def split(data: bytes, size: int = size) -> list[bytes]:
            return [data[start : start + size] for start in range(0, len(data), size)]

        pair = resuming(
            ticket, b"early", client=today.client, server=today.server, split=split
        ).handshake()
        assert pair.server.data == b"early"
        assert not is_full(pair)


def test_post_handshake_auth_is_negotiated_anew() -> None:
    """Section 5.6 of the behaviour page: nothing of it is in a ticket."""
    today = Today("alice")
    _, ticket = today.session()
    pair = today.resume(ticket, client=replace(today.client, post_handshake_auth=False))
    assert not established(pair)[1].post_handshake_auth
    with pytest.raises(UsageError, match="post_handshake_auth"):
        pair.server.connection.request_auth()


def test_alpn_is_negotiated_anew() -> None:
    protocols = {"alpn_protocols": (b"http/1.1", b"x")}
    today = Today("alice", client=protocols, server=protocols)
    _, ticket = today.session()
    assert ticket.alpn_protocol == b"http/1.1"
    pair = today.resume(ticket, server=replace(today.server, alpn_protocols=(b"x",)))
    assert not is_full(pair)
    assert {each.alpn_protocol for each in established(pair)} == {b"x"}


def test_the_server_may_choose_another_suite_of_the_same_hash() -> None:
    today = Today("alice", client={"cipher_suites": SUITES})
    _, ticket = today.session()
    assert ticket.suite == CipherSuite.TLS_AES_128_GCM_SHA256
    chacha = (CipherSuite.TLS_CHACHA20_POLY1305_SHA256,)
    pair = today.resume(ticket, server=replace(today.server, cipher_suites=chacha))
    assert established(pair)[0].suite.code == chacha[0]
    assert not is_full(pair)
    talk(pair)


# --- a full handshake instead


@pytest.mark.parametrize(
    ("client", "server", "seconds"),
    [
        ({}, {}, 24 * 3600),
        ({"psk_modes": ()}, {}, 0),
        ({}, {"psk_modes": ()}, 0),
        ({"psk_modes": (PSK_KE,)}, {}, 0),
        ({"cipher_suites": (CipherSuite.TLS_AES_256_GCM_SHA384,)}, {}, 0),
        ({}, {"cipher_suites": (CipherSuite.TLS_AES_256_GCM_SHA384,)}, 0),
        ({"session_lifetime": 50}, {}, 60),
        ({}, {"session_lifetime": 50}, 60),
        ({}, {"verifier": None, "client_auth": ClientAuth.NONE}, 0),
        ({}, {}, -60),
    ],
    ids=[
        *("expired", "client without PSKs", "server without PSKs", "no common mode"),
        *("client's suites", "server's suites", "client's limit", "server's limit"),
        *("nobody to judge", "clock set back"),
    ],
)
def test_what_is_no_good_any_more_costs_a_full_handshake(
    client: Any, server: Any, seconds: float
) -> None:
    today = Today("alice", server=REQUIRE)
    _, ticket = today.session()
    today.later(seconds)
    pair = today.resume(
        ticket, client=replace(today.client, **client), server=replace(today.server, **server)
    )
    assert is_full(pair)
    talk(pair)


def test_a_ticket_expires_to_the_second() -> None:
    today = Today("alice", server={"ticket_lifetime": 100})
    _, ticket = today.session()
    assert ticket.lifetime == 100
    today.later(99)
    assert not is_full(today.resume(ticket))
    today.later(1)
    pair = resuming(ticket, client=today.client, server=today.server)
    hellos = sent_hellos(pair)
    assert is_full(pair.handshake())
    assert hellos[0].extensions.get(PreSharedKeyClientHello) is None


def test_the_server_expires_a_ticket_by_its_own_clock() -> None:
    today = Today("alice", server={"ticket_lifetime": 100})
    _, ticket = today.session()
    late = replace(today.server, wall_clock=lambda: NOW.timestamp() + 100)
    pair = resuming(ticket, client=today.client, server=late)
    hellos = sent_hellos(pair)
    assert is_full(pair.handshake())
    assert hellos[0].extensions.get(PreSharedKeyClientHello) is not None


def test_a_ticket_is_for_one_server_name() -> None:
    today = Today("alice")
    _, ticket = today.session()
    dns = the_ca().issue("both", purpose="server", dns=[NAME, "other.example"]).credential()
    server = replace(today.server, credentials=(dns,))
    pair = resuming(ticket, client=today.client, server=server, server_name="other.example")
    hellos = sent_hellos(pair)
    assert is_full(pair.handshake())
    assert hellos[0].extensions.get(PreSharedKeyClientHello) is None


def test_the_server_holds_a_ticket_against_the_name_too() -> None:
    today = Today("alice")
    _, ticket = today.session()
    dns = the_ca().issue("both", purpose="server", dns=[NAME, "other.example"]).credential()
    server = replace(today.server, credentials=(dns,))
    lying = replace(ticket, server_name="other.example", chain=dns.chain)
    pair = resuming(lying, client=today.client, server=server, server_name="other.example")
    hellos = sent_hellos(pair)
    assert is_full(pair.handshake())
    assert hellos[0].extensions.get(PreSharedKeyClientHello) is not None


def test_an_unknown_ticket_costs_a_full_handshake() -> None:
    today, elsewhere = Today("alice"), Today("alice")
    _, ticket = elsewhere.session()
    assert is_full(today.resume(ticket))


# --- §4.6.1: judged again


def test_an_issuer_that_expired_costs_a_full_handshake() -> None:
    """The ticket lives, as the client's own certificate does; its issuer's does not."""
    below = the_ca().intermediate("short-lived", not_after=NOW + DAY / 2)
    today = Today("alice", server=REQUIRE)
    bob = replace(today.client, credentials=(below.issue("bob").credential(),))
    pair = ConnectionPair(bob, today.server).handshake()
    (ticket,) = tickets_of(pair)
    today.later(DAY.total_seconds() / 2 - 5)
    assert not is_full(today.resume(ticket))
    today.later(10)
    pair = today.resume(ticket)  # whose client has another certificate by now
    assert is_full(pair)
    identity = pair.server.connection.peer_identity
    assert identity is not None
    assert identity.common_name == "alice"
    with pytest.raises(CertificateExpired):
        today.resume(ticket, client=bob)


class Until:
    """Believes chains until told otherwise, and says what it was asked."""

    def __init__(self, verifier: Any) -> None:
        self.verifier = verifier
        self.revoked = False
        self.asked: list[PeerChain] = []

    def verify(self, peer: PeerChain) -> VerifiedChain:
        self.asked.append(peer)
        if self.revoked:
            raise CertificateExpired("not any more")
        verdict: VerifiedChain = self.verifier.verify(peer)
        return verdict


@pytest.mark.parametrize("side", ["client", "server"])
def test_a_peer_that_is_not_trusted_today_is_not_resumed(side: str) -> None:
    judge = Until(the_ca().verifier())
    today = Today("alice", server=REQUIRE)
    setattr(today, side, replace(getattr(today, side), verifier=judge))
    _, ticket = today.session()
    judge.asked.clear()
    assert not is_full(today.resume(ticket))
    (peer,) = judge.asked
    names = ("alice",) if side == "server" else (NAME, "server")
    assert peer.certificates == issued(*names).chain
    judge.revoked = True
    pair = resuming(ticket, client=today.client, server=today.server)
    hellos = sent_hellos(pair)
    with pytest.raises(CertificateExpired):  # from the full handshake
        pair.handshake()
    assert (hellos[0].extensions.get(PreSharedKeyClientHello) is None) == (side == "client")


def test_the_question_says_that_it_is_about_an_old_proof() -> None:
    today = Today("alice", server=REQUIRE)
    _, ticket = today.session()
    today.later(77)
    pair = resuming(ticket, client=today.client, server=today.server)
    questions = asked(pair, "client"), asked(pair, "server")
    pair.handshake()
    for found in questions:
        (judge,) = (each.subject for each in found)
        assert isinstance(judge, JudgePeer)
        assert judge.proven_at == NOW.timestamp()
        assert judge.peer.at == NOW.timestamp() + 77


def test_what_refuses_an_old_proof_may_accept_a_new_one() -> None:
    today = Today("alice", server=REQUIRE)
    _, ticket = today.session()
    pair = resuming(ticket, client=today.client, server=today.server)
    pair.server.hold = lambda question: isinstance(question.subject, JudgePeer)
    pair.client.connection.start()
    pair.move()
    (question,) = pair.server.held_questions
    pair.server.hold = lambda question: False
    refusal = Refused(CertificateExpired("we want to see you again"))
    pair.server.connection.answer(question.id, refusal)
    pair.move()
    assert is_full(pair)
    assert pair.server.connection.peer_identity is not None


@pytest.mark.parametrize("answer", [None, True, "yes", ()])
def test_only_a_verdict_lets_an_identity_in(answer: Any) -> None:
    today = Today("alice", server=REQUIRE)
    _, ticket = today.session()
    pair = resuming(ticket, client=today.client, server=today.server)
    pair.server.hold = lambda question: isinstance(question.subject, JudgePeer)
    pair.client.connection.start()
    pair.move()
    (question,) = pair.server.held_questions
    with pytest.raises(InternalError, match="JudgePeer"):
        pair.server.connection.answer(question.id, answer)


# --- B10: REQUIRE cannot be bypassed


def test_b10_a_ticket_without_an_identity_does_not_satisfy_require() -> None:
    today = Today("alice")
    _, ticket = today.session()
    requiring = replace(today.server, client_auth=ClientAuth.REQUIRE)
    pair = today.resume(ticket, server=requiring)
    assert is_full(pair)
    identity = pair.server.connection.peer_identity
    assert identity is not None
    assert identity.common_name == "alice"


def test_b10_may_be_switched_off() -> None:
    today = Today("alice")
    _, ticket = today.session()
    lax = replace(today.server, client_auth=ClientAuth.REQUIRE, resumption_requires_identity=False)
    pair = today.resume(ticket, server=lax)
    assert not is_full(pair)
    assert pair.server.connection.peer_identity is None


# --- reauth


@pytest.mark.parametrize("modes", [(PSK_DHE_KE,), (PSK_KE,)], ids=str)
@pytest.mark.parametrize("retried", [False, True])
@pytest.mark.parametrize("early", [b"", b"early"])
def test_r17_reauth_in_a_resumed_session(modes: Any, retried: bool, early: bytes) -> None:
    """Its transcript begins with this handshake, EndOfEarlyData included."""
    fields = {"psk_modes": modes}
    server = {"max_early_data": 100, "require_cookie": retried, **fields}
    today = Today("alice", client=fields, server=server)
    _, ticket = today.session()
    pair = today.resume(ticket, early)
    completed = pair.reauth()
    assert completed.outcome is Outcome.AUTHENTICATED
    assert completed.identity is not None
    assert completed.identity.common_name == "alice"
    assert pair.reauth(decline=True).outcome is Outcome.DECLINED
    pair.server.data = b""
    talk(pair)


def test_reauth_of_another_than_the_ticket_says_is_an_identity_change() -> None:
    today = Today("alice", server=REQUIRE)
    _, ticket = today.session()
    bob = replace(today.client, credentials=(issued("bob").credential(),))
    pair = today.resume(ticket, client=bob)
    assert pair.reauth().outcome is Outcome.REFUSED
    identity = pair.server.connection.peer_identity
    assert identity is not None
    assert identity.common_name == "alice"


# --- §4.2.11: lies


def offer_of(hello: Any) -> PreSharedKeyClientHello:
    offer: PreSharedKeyClientHello = hello.extensions.require(PreSharedKeyClientHello)
    return offer


def with_offer(hello: Any, **fields: Any) -> Any:
    *others, offer = hello.extensions.items
    return replace(hello, extensions=Extensions((*others, replace(offer, **fields))))


def without(hello: Any, kind: type[Any]) -> Any:
    kept = tuple(item for item in hello.extensions if type(item) is not kind)
    return replace(hello, extensions=Extensions(kept))


def plus(hello: Any, extension: Any) -> Any:
    *others, last = hello.extensions.items
    return replace(hello, extensions=Extensions((*others, extension, last)))


def flip(data: bytes, bit: int = 0) -> bytes:
    return (int.from_bytes(data, "big") ^ 1 << bit).to_bytes(len(data), "big")


def retagged(hello: Any) -> Any:
    return replace(hello, random=flip(hello.random))


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        (lambda h: with_offer(h, binders=(flip(offer_of(h).binders[0]),)), DecryptError, "PSK"),
        (lambda h: with_offer(h, binders=(bytes(32),)), DecryptError, "PSK"),
        (lambda h: with_offer(h, binders=(offer_of(h).binders[0] + b"\0",)), DecryptError, "PSK"),
        (retagged, DecryptError, "no PSK on offer can be used"),
        (lambda h: plus(h, EarlyDataIndication()), DecryptError, "PSK"),
        (lambda h: without(h, PskKeyExchangeModes), MissingExtension, "psk_key_exchange_modes"),
    ],
    ids=["one bit", "zeros", "too long", "another hello", "early data added", "no modes"],
)
def test_what_the_binder_does_not_cover_is_refused(change: Any, error: Any, text: str) -> None:
    today = Today("alice")
    _, ticket = today.session()
    pair = resuming(ticket, client=today.client, server=today.server)
    on_the_way(pair, "to server", change)
    with pytest.raises(error, match=text):
        pair.handshake()
    assert pair.server.connection.peer_identity is None


def test_no_bit_of_a_ticket_may_change() -> None:
    """A ticket that does not open costs a full handshake, if anything."""
    today = Today("alice", server=REQUIRE)
    _, ticket = today.session()
    bits = len(ticket.ticket) * 8
    for bit in itertools.chain(range(0, bits, 97), range(bits - 8, bits)):
        changed = replace(ticket, ticket=flip(ticket.ticket, bit))
        assert is_full(today.resume(changed)), bit
    for length in (1, 16, 48, len(ticket.ticket) - 1):
        assert is_full(today.resume(replace(ticket, ticket=ticket.ticket[:length])))


def test_whoever_has_the_ticket_and_not_its_key_gets_nowhere() -> None:
    today = Today("alice", server=REQUIRE)
    _, ticket = today.session()
    with pytest.raises(DecryptError):
        today.resume(replace(ticket, psk=bytes(32)))


def answering(change: Any) -> Any:
    def alter(hello: Any) -> Any:
        items = [change(item) for item in hello.extensions]
        return replace(hello, extensions=Extensions(tuple(i for i in items if i is not None)))

    return alter


def selected(index: int) -> Any:
    return answering(
        lambda item: (
            PreSharedKeyServerHello(index) if type(item) is PreSharedKeyServerHello else item
        )
    )


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        (selected(1), IllegalParameter, "a selected_identity below 1, got 1"),
        (selected(0xFFFF), IllegalParameter, "got 65535"),
        (
            answering(lambda item: None if type(item) is KeyShareServerHello else item),
            IllegalParameter,
            "psk_ke was not among the modes",
        ),
        (
            lambda hello: replace(hello, cipher_suite=CipherSuite.TLS_AES_256_GCM_SHA384),
            IllegalParameter,
            "expected a suite with sha256",
        ),
    ],
    ids=["index", "far index", "no key share", "hash"],
)
def test_a_server_must_choose_what_was_offered(change: Any, error: Any, text: str) -> None:
    today = Today("alice")
    _, ticket = today.session()
    pair = resuming(ticket, client=today.client, server=today.server)
    on_the_way(pair, "to client", change)
    with pytest.raises(error, match=text):
        pair.handshake()


def test_a_psk_that_nobody_offered_is_refused() -> None:
    pair = ConnectionPair()
    on_the_way(
        pair,
        "to client",
        lambda hello: replace(
            hello, extensions=Extensions((*hello.extensions, PreSharedKeyServerHello(0)))
        ),
    )
    with pytest.raises(UnsupportedExtension, match="answers none of ours"):
        pair.handshake()


def test_a_key_exchange_that_was_not_wanted_is_refused() -> None:
    fields = {"psk_modes": (PSK_KE,)}
    today = Today("alice", client=fields, server=fields)
    _, ticket = today.session()
    pair = resuming(ticket, client=today.client, server=today.server)
    full = ConnectionPair(today.client, today.server)
    shares: list[Any] = []
    on_the_way(full, "to client", lambda hello: (shares.extend(hello.extensions), hello)[1])
    full.handshake()
    (share,) = (item for item in shares if isinstance(item, KeyShareServerHello))
    on_the_way(pair, "to client", lambda hello: plus(hello, share))
    with pytest.raises(IllegalParameter, match="psk_dhe_ke was not among the modes"):
        pair.handshake()


@pytest.mark.parametrize("message", [Certificate(b"", ()), CertificateRequest(b"", Extensions())])
def test_r17_a_resumed_handshake_has_no_certificates(
    message: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """§4.3.2: a server that uses a PSK asks for none either."""
    today = Today("alice")
    _, ticket = today.session()
    add = Flight.add

    def sneak(flight: Flight, honest: Any) -> None:
        add(flight, honest)
        if isinstance(honest, EncryptedExtensions):
            add(flight, message)

    monkeypatch.setattr(Flight, "add", sneak)
    with pytest.raises(UnexpectedMessage, match="expected Finished, got Certificate"):
        today.resume(ticket)


def test_a_client_that_proves_nothing_is_not_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    today = Today("alice", server=REQUIRE)
    _, ticket = today.session()
    pair = resuming(ticket, client=today.client, server=today.server)
    pair.client.connection.start()
    pair.client.settle()
    pair.server.receive(pair.client.connection.data_to_send())
    add = Flight.add

    def lie(flight: Flight, honest: Any) -> None:
        add(flight, Finished(flip(honest.verify_data)) if type(honest) is Finished else honest)

    monkeypatch.setattr(Flight, "add", lie)
    pair.client.receive(pair.server.connection.data_to_send())
    pair.server.receive(pair.client.connection.data_to_send())
    assert isinstance(pair.server.error, DecryptError)
    assert pair.server.connection.peer_identity is None


# --- HelloRetryRequest


def test_after_a_retry_the_binder_covers_what_came_before() -> None:
    """The second hello has a binder of its own, over message_hash and the retry."""
    groups = (NamedGroup.x25519, NamedGroup.secp256r1)
    today = Today("alice", client={"groups": groups}, server={"groups": groups[1:]})
    _, ticket = today.session()
    ticket = replace(ticket, group=0)
    pair = resuming(ticket, client=today.client, server=today.server)
    hellos = sent_hellos(pair)
    pair.handshake()
    assert established(pair)[0].hello_retry_request
    assert not is_full(pair)
    first, second = (offer_of(hello) for hello in hellos)
    assert first.identities == second.identities
    assert first.binders != second.binders
    assert type(hellos[1].extensions.items[-1]) is PreSharedKeyClientHello


def test_a_retry_drops_what_does_not_fit_its_suite() -> None:
    """§4.1.4: a PSK of another hash than the retry's suite has is of no use."""
    today = Today("alice", client={"cipher_suites": SUITES})
    _, ticket = today.session()
    other = replace(
        today.server,
        cipher_suites=(CipherSuite.TLS_AES_256_GCM_SHA384,),
        require_cookie=True,
    )
    pair = resuming(ticket, client=today.client, server=other)
    hellos = sent_hellos(pair)
    assert is_full(pair.handshake())
    offers = [hello.extensions.get(PreSharedKeyClientHello) for hello in hellos]
    assert offers[0] is not None
    assert offers[1] is None


@pytest.mark.parametrize("modes", [(PSK_DHE_KE,), (PSK_KE,)], ids=str)
def test_a_second_hello_may_not_drop_what_the_retry_was_based_on(modes: Any) -> None:
    fields = {"psk_modes": modes}
    today = Today("alice", client=fields, server={"require_cookie": True, **fields})
    _, ticket = today.session()
    pair = resuming(ticket, client=today.client, server=today.server)
    pair.client.connection.start()
    pair.client.settle()
    pair.server.receive(pair.client.connection.data_to_send())
    pair.client.receive(pair.server.connection.data_to_send())
    on_the_way(pair, "to server", lambda hello: without(hello, PreSharedKeyClientHello))
    data = pair.client.connection.data_to_send()
    assert data[0] == ContentType.change_cipher_spec
    pair.server.receive(data[:6])
    pair.server.receive(pair.tamper("to server", data[6:]))
    if PSK_KE in modes:
        assert isinstance(pair.server.error, IllegalParameter)
        assert "expected the PSK of the first" in str(pair.server.error)
    else:  # a full handshake, whose transcript the client will not share
        assert pair.server.error is None


# --- misuse, and what shows


def test_only_a_client_is_given_a_session() -> None:
    _, ticket = Today("alice").session()
    with pytest.raises(UsageError, match="a server learns the session from the client"):
        Connection(server_config(), session=ticket)


def test_no_secret_shows() -> None:
    log, _, keep, _ = keylog_pair()
    today = Today("alice", server=REQUIRE)
    _, ticket = today.session()
    pair = resuming(ticket, client=replace(today.client, keylog=keep), server=today.server)
    shown = [repr(ticket)]
    questions = asked(pair, "client"), asked(pair, "server")
    pair.handshake()
    for end in (pair.client, pair.server):
        shown += [repr(end.connection), repr(end.connection._engine.outcome), repr(end.events)]
        shown += [repr(end.connection._engine.early_data), repr(end.connection.config)]
    shown += [repr(question) for found in questions for question in found]
    secrets = [ticket.psk, ticket.ticket, ticket.to_bytes(), *map(bytes.fromhex, log.values())]
    assert len(secrets) > 5
    for text in shown:
        for secret in secrets:
            assert secret.hex() not in text
            assert repr(secret)[2:-1] not in text


def test_the_event_says_it() -> None:
    today = Today("alice")
    _, ticket = today.session()
    pair = today.resume(ticket)
    for end in (pair.client, pair.server):
        (event,) = end.of(HandshakeCompleted)
        assert event.established.resumed
        assert event.established.psk_identity is None


def test_the_group_of_the_session_saves_a_round_trip() -> None:
    """And with it early data, which a retry would end."""
    groups = (NamedGroup.x25519, NamedGroup.secp256r1)
    today = Today(
        "alice", client={"groups": groups}, server={"groups": groups[1:], "max_early_data": 10}
    )
    first, ticket = today.session()
    assert established(first)[0].hello_retry_request
    assert ticket.group == groups[1]
    pair = today.resume(ticket, b"early")
    assert not established(pair)[0].hello_retry_request
    assert pair.server.data == b"early"
    stranger = replace(ticket, group=0x6A6A)
    assert established(today.resume(stranger, b"early"))[0].hello_retry_request


def test_key_shares_keep_the_order_of_the_groups() -> None:
    """§4.2.8, also when a ticket says which group is likely."""
    groups = (NamedGroup.x25519, NamedGroup.secp256r1, NamedGroup.secp384r1)
    today = Today("alice", client={"groups": groups, "key_shares": 2}, server={"groups": groups})
    _, ticket = today.session()
    ticket = replace(ticket, group=groups[2])
    pair = resuming(ticket, client=today.client, server=today.server)
    hellos = sent_hellos(pair)
    pair.handshake()
    shares = hellos[0].extensions.require(KeyShareClientHello).client_shares
    assert [entry.group for entry in shares] == [groups[0], groups[2]]


def test_the_session_keeps_its_suite() -> None:
    """The server has come to like another; early data needs the old one (§4.2.10)."""
    aes, chacha = CipherSuite.TLS_AES_128_GCM_SHA256, CipherSuite.TLS_CHACHA20_POLY1305_SHA256
    today = Today("alice", server={"cipher_suites": (aes, chacha), "max_early_data": 10})
    _, ticket = today.session()
    fond = replace(today.server, cipher_suites=(chacha, aes))
    pair = today.resume(ticket, b"early", server=fond)
    assert established(pair)[0].suite.code == aes
    assert pair.server.data == b"early"


def test_a_name_counts_where_certificates_are_not_held_against_it() -> None:
    today = Today("alice", client={"check_server_name": False})
    _, ticket = today.session()
    pair = resuming(ticket, client=today.client, server=today.server, server_name="other.example")
    hellos = sent_hellos(pair)
    assert is_full(pair.handshake())
    assert hellos[0].extensions.get(PreSharedKeyClientHello) is None


def test_after_a_retry_a_psk_of_another_hash_is_passed_over() -> None:
    """The suite is settled by then; a binder could not even be held against it."""
    today = Today("alice", client={"cipher_suites": SUITES})
    _, ticket = today.session()
    suites = (CipherSuite.TLS_AES_256_GCM_SHA384, CipherSuite.TLS_AES_128_GCM_SHA256)
    other = replace(today.server, cipher_suites=suites, require_cookie=True)
    pair = ConnectionPair(today.client, other)
    pair.client.connection.start()
    pair.server.receive(pair.client.connection.data_to_send())
    pair.client.receive(pair.server.connection.data_to_send())
    offer = PreSharedKeyClientHello((PskIdentity(ticket.ticket, 0),), (bytes(32),))

    def add(hello: Any) -> Any:
        return replace(hello, extensions=Extensions((*hello.extensions, offer)))

    on_the_way(pair, "to server", add)
    data = pair.client.connection.data_to_send()
    pair.server.receive(data[:6] + pair.tamper("to server", data[6:]))
    assert pair.server.error is None
    assert pair.server.connection.has_data_to_send


# --- what a resumption says and keeps


def traced(today: Today, ticket: Ticket | None) -> list[type]:
    entries: list[TraceEntry] = []
    client = replace(today.client, trace=entries.append)
    resuming(ticket, client=client, server=today.server).handshake()
    (parameters,) = [
        each.message for each in entries if isinstance(each.message, EncryptedExtensions)
    ]
    return [type(each) for each in parameters.extensions]


def test_the_server_name_is_acknowledged_in_a_full_handshake_alone() -> None:
    """RFC 6066 section 3: a server that resumes must not answer the extension."""
    today = Today()
    _, ticket = today.session()
    assert ServerNameAck in traced(today, None)
    assert ServerNameAck not in traced(today, ticket)


def test_a_server_whose_certificates_are_chosen_elsewhere_falls_back_to_one() -> None:
    """A ticket that it cannot open costs a full handshake, as with credentials of its own."""
    today = Today()
    _, ticket = today.session()
    shown = issued("server.example", "server").credential()
    server = replace(today.server, credentials=(), chosen_elsewhere=True, ticket_keys=Sealer())
    pair = resuming(ticket, client=today.client, server=server)
    pair.server.hold = lambda question: isinstance(question.subject, ChooseCredential)
    pair.client.connection.start()
    pair.move()
    (question,) = pair.server.held_questions
    pair.server.connection.answer(question.id, shown)
    pair.move()
    assert pair.server.error is pair.client.error is None
    assert is_full(pair)


def test_one_without_any_certificate_still_refuses_alike() -> None:
    """Which PSKs there are does not show, where there is nothing else to go by."""
    psk = ExternalPsk(b"ours", bytes(32))
    server = server_config(credentials=(), psks=(psk,))
    client = replace(Today().client, psks=(ExternalPsk(b"unknown", bytes(32)),))
    with pytest.raises(DecryptError, match="no PSK on offer can be used"):
        ConnectionPair(client, server).handshake()


@pytest.mark.parametrize("side", ["client", "server"])
def test_a_stapled_response_is_there_when_the_chain_is_judged_again(side: str) -> None:
    """Otherwise whoever requires one would refuse every resumption."""
    stapled = replace(issued("server.example", "server").credential(), ocsp_response=b"server's")
    theirs = replace(issued("alice").credential(), ocsp_response=b"client's")
    today = Today(
        client={"credentials": (theirs,), "request_status": True},
        server={
            "credentials": (stapled,),
            "client_auth": ClientAuth.REQUIRE,
            "request_ocsp": True,
        },
    )
    _, ticket = today.session()
    assert ticket.ocsp_response == b"server's"
    again = Ticket.from_bytes(ticket.to_bytes())
    assert again == ticket
    pair = resuming(again, client=today.client, server=today.server)
    questions = asked(pair, side)
    pair.handshake()
    (judged,) = [q.subject for q in questions if isinstance(q.subject, JudgePeer)]
    assert judged.peer.ocsp_response == (b"server's" if side == "client" else b"client's")
    identity = getattr(pair, side).connection.peer_identity
    assert identity.ocsp_response == judged.peer.ocsp_response
    assert not is_full(pair)


def test_tickets_share_a_record() -> None:
    for count in (1, 3):
        pair = ConnectionPair(server=server_config(tickets=count))
        batches: list[bytes] = []

        def keep(direction: str, data: bytes, batches: list[bytes] = batches) -> bytes:
            if direction == "to client" and data:
                batches.append(data)
            return data

        pair.tamper = keep
        pair.handshake()
        assert len(tickets_of(pair)) == count
        assert len(split_records(batches[-1])) == 1
