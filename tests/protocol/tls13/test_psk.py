"""External pre-shared keys, and binders as RFC 8448 recorded one (§2.2, §4.2.11)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from postshake.config import ClientAuth
from postshake.connection import Connection
from postshake.constants import CipherSuite, NamedGroup, PskKeyExchangeMode
from postshake.errors import (
    AlertReceived,
    DecryptError,
    InternalError,
    MissingExtension,
    NegotiationError,
    ReauthUnavailable,
    UnexpectedMessage,
    UsageError,
)
from postshake.events import Outcome
from postshake.protocol.tls13.psk import Psk, make_binder
from postshake.questions import FindPsk, JudgePeer
from postshake.resumption import ExternalPsk, PskKind, TicketState
from postshake.wire.auth import CertificateRequest
from postshake.wire.extensions import (
    Extensions,
    KeyShareClientHello,
    PreSharedKeyClientHello,
    SignatureAlgorithms,
    SupportedGroups,
)
from tests.certs import CA
from tests.pair import ConnectionPair, client_config, server_config
from tests.resuming import Today, asked, established, on_the_way, resuming, sent_hellos, tickets_of
from tests.vectors.rfc8448 import RESUMED

PSK_KE, PSK_DHE_KE = PskKeyExchangeMode.psk_ke, PskKeyExchangeMode.psk_dhe_ke
SHA384 = (CipherSuite.TLS_AES_256_GCM_SHA384,)
KEY = ExternalPsk(b"sensor 7", b"k" * 32)
OTHER = ExternalPsk(b"sensor 8", b"K" * 32)
NO_CERTIFICATES: dict[str, Any] = {"credentials": (), "verifier": None, "psks": (KEY,)}


def psk_pair(client: Any = None, server: Any = None, **fields: Any) -> ConnectionPair:
    """Two ends with no certificates and one key."""
    return ConnectionPair(
        client_config(**{**NO_CERTIFICATES, **(client or {})}),
        server_config(**{**NO_CERTIFICATES, **(server or {})}),
        **{"server_name": None, **fields},
    )


def talk(pair: ConnectionPair) -> None:
    pair.client.connection.send_data(b"question")
    pair.server.connection.send_data(b"answer")
    pair.move()
    assert (pair.server.data, pair.client.data) == (b"question", b"answer")


# --- the recorded binder


def recorded() -> Psk:
    psk = RESUMED.secrets["psk"]
    state = TicketState(
        suite=0x1301, psk=psk, lifetime=30, age_add=0xFAD6AAC5, received_at=0.0, started_at=0.0
    )
    return Psk.resuming(b"ticket", state)


def test_the_binder_is_the_recorded_one() -> None:
    binder = RESUMED.binder
    assert binder is not None
    assert make_binder(recorded(), binder.client_hello_prefix, None) == binder.binder
    assert recorded().early_secret().binder_key(external=False) == binder.binder_key


def test_an_external_psk_has_another_binder() -> None:
    binder = RESUMED.binder
    assert binder is not None
    external = Psk.external(ExternalPsk(b"ticket", recorded().key))
    assert make_binder(external, binder.client_hello_prefix, None) != binder.binder


# --- it works


@pytest.mark.parametrize("hash_name", ["sha256", "sha384"])
@pytest.mark.parametrize("modes", [(PSK_DHE_KE,), (PSK_KE,), (PSK_DHE_KE, PSK_KE)], ids=str)
@pytest.mark.parametrize("cookie", [False, True])
def test_a_key_is_all_that_it_takes(hash_name: str, modes: Any, cookie: bool) -> None:
    """No certificate, no name: and the hash of the key decides which suite it is."""
    fields = {"psks": (ExternalPsk(b"sensor 7", b"k" * 32, hash_name),), "psk_modes": modes}
    pair = psk_pair(fields, {**fields, "require_cookie": cookie}).handshake()
    for end in established(pair):
        assert end.psk is PskKind.EXTERNAL
        assert end.psk_identity == b"sensor 7"
        assert end.suite.hash_name == hash_name
        assert (end.group is None) == (PSK_DHE_KE not in modes)
        assert end.our_credential is None
        assert not end.resumed
    assert pair.client.connection.peer_identity is None
    assert pair.server.connection.peer_identity is None
    talk(pair)


def test_the_client_says_what_it_would_like() -> None:
    """The server looks for the first that it knows, in the client's order."""
    pair = psk_pair({"psks": (OTHER, KEY)}).handshake()
    assert {end.psk_identity for end in established(pair)} == {KEY.identity}
    pair = psk_pair({"psks": (OTHER, KEY)}, {"psks": (KEY, OTHER)}).handshake()
    assert {end.psk_identity for end in established(pair)} == {OTHER.identity}


def test_keys_of_both_hashes_may_be_offered() -> None:
    long = ExternalPsk(b"long", b"l" * 48, "sha384")
    for known in (KEY, long):
        pair = psk_pair({"psks": (long, KEY)}, {"psks": (known,)}).handshake()
        assert established(pair)[1].suite.hash_name == known.hash_name


def test_without_suites_for_it_a_key_is_not_offered() -> None:
    client = client_config(psks=(KEY,), cipher_suites=SHA384)
    pair = ConnectionPair(client, server_config(psks=(KEY,)))
    hellos = sent_hellos(pair)
    pair.handshake()
    assert hellos[0].extensions.get(PreSharedKeyClientHello) is None
    for nothing in ({"cipher_suites": SHA384}, {"psk_modes": ()}):
        with pytest.raises(UsageError, match="without them any server would do"):
            client_config(verifier=None, psks=(KEY,), **nothing)


def test_a_key_that_only_the_client_has_leads_to_certificates() -> None:
    pair = ConnectionPair(client_config(psks=(KEY,)), server_config()).handshake()
    assert established(pair)[0].psk is None
    assert pair.client.connection.peer_identity is not None


def test_a_client_without_certificates_asks_for_none() -> None:
    """§4.2.3: without signature_algorithms there is nothing to show."""
    pair = psk_pair(server={"psks": (), "credentials": server_config().credentials})
    hellos = sent_hellos(pair)
    with pytest.raises(MissingExtension, match="SignatureAlgorithms"):
        pair.handshake()
    assert hellos[0].extensions.get(SignatureAlgorithms) is None


def test_a_client_without_certificates_takes_none() -> None:
    pair = psk_pair(server={"psks": (), "credentials": server_config().credentials})

    def add(hello: Any) -> Any:
        *others, offer = hello.extensions.items
        schemes = SignatureAlgorithms(server_config().signature_algorithms)
        return replace(hello, extensions=Extensions((*others, schemes, offer)))

    on_the_way(pair, "to server", add)
    with pytest.raises(NegotiationError, match="took none of our pre-shared keys"):
        pair.handshake()


@pytest.mark.parametrize(
    "psks",
    [(OTHER,), (ExternalPsk(KEY.identity, OTHER.key),), (ExternalPsk(KEY.identity, b"x" * 16),)],
    ids=["unknown identity", "wrong key", "wrong length"],
)
def test_an_unknown_identity_looks_like_a_wrong_key(psks: Any) -> None:
    """§E.6: who guesses identities learns nothing."""
    pair = psk_pair({"psks": psks})
    with pytest.raises(DecryptError) as caught:
        pair.handshake()
    assert str(caught.value) == "client: ClientHello: no PSK on offer can be used (§4.2.11)"
    assert isinstance(pair.client.error, AlertReceived)
    assert pair.client.error.received == 51


def test_who_offers_no_key_at_all_is_refused() -> None:
    pair = ConnectionPair(client_config(), server_config(credentials=(), psks=(KEY,)))
    with pytest.raises(NegotiationError):
        pair.handshake()


def test_an_external_psk_is_proof_enough_where_a_certificate_is_required() -> None:
    """§4.3.2 forbids to ask for both in the handshake."""
    server = {"client_auth": ClientAuth.REQUIRE, "verifier": server_config().verifier}
    pair = psk_pair(server=server).handshake()
    assert established(pair)[1].psk is PskKind.EXTERNAL


def test_extensions_that_depend_on_each_other_come_together() -> None:
    """§9.2: groups and shares, also with a PSK."""
    for kind, other in (
        (SupportedGroups, "KeyShareClientHello"),
        (KeyShareClientHello, "SupportedGroups"),
    ):
        pair = psk_pair()

        def keep(hello: Any, kind: type[Any] = kind) -> Any:
            dropped = {SupportedGroups, KeyShareClientHello} - {kind}
            kept = tuple(item for item in hello.extensions if type(item) not in dropped)
            return replace(hello, extensions=Extensions(kept))

        on_the_way(pair, "to server", keep)
        with pytest.raises(MissingExtension, match=other):
            pair.handshake()


# --- looked up


class Book:
    def __init__(self, *psks: ExternalPsk) -> None:
        self.psks = {psk.identity: psk for psk in psks}
        self.asked: list[bytes] = []

    def find(self, identity: bytes) -> ExternalPsk | None:
        self.asked.append(identity)
        return self.psks.get(identity)


def test_keys_may_be_looked_up() -> None:
    book = Book(KEY)
    pair = psk_pair({"psks": (OTHER, KEY)}, {"psks": (), "psk_lookup": book}).handshake()
    assert established(pair)[1].psk_identity == KEY.identity
    assert book.asked == [OTHER.identity, KEY.identity]


def test_only_so_many_are_looked_up() -> None:
    book = Book()
    many = tuple(ExternalPsk(b"guess %d" % number, b"g" * 16) for number in range(30))
    pair = psk_pair({"psks": many}, {"psks": (), "psk_lookup": book})
    with pytest.raises(DecryptError):
        pair.handshake()
    assert book.asked == [psk.identity for psk in many[:8]]


def test_a_look_up_may_take_its_time() -> None:
    pair = psk_pair(server={"psks": (), "psk_lookup": Book()})
    pair.server.hold = lambda question: isinstance(question.subject, FindPsk)
    pair.client.connection.start()
    pair.move()
    (question,) = pair.server.held_questions
    assert isinstance(question.subject, FindPsk)
    assert question.subject.identity == KEY.identity
    pair.server.connection.answer(question.id, KEY)
    pair.move()
    talk(pair)


@pytest.mark.parametrize("answer", [b"k" * 32, True, OSError("gone")])
def test_only_a_psk_is_an_answer(answer: Any) -> None:
    pair = psk_pair(server={"psks": (), "psk_lookup": Book()})
    pair.server.hold = lambda question: isinstance(question.subject, FindPsk)
    pair.client.connection.start()
    pair.move()
    (question,) = pair.server.held_questions
    with pytest.raises(InternalError):
        pair.server.connection.answer(question.id, answer)


# --- resumption of such a session


def today_with_key(**server: Any) -> Today:
    fields = {**NO_CERTIFICATES, "check_server_name": False}
    return Today(client=fields, server={**NO_CERTIFICATES, **server})


def test_a_session_that_began_with_a_key_is_resumed_as_such() -> None:
    today = today_with_key(max_early_data=100)
    _, ticket = today.session(None)
    assert ticket.psk_identity == KEY.identity
    assert ticket.chain == ()
    pair = today.resume(ticket, b"early", server_name=None)
    for end in established(pair):
        assert (end.psk, end.psk_identity) == (PskKind.RESUMPTION, KEY.identity)
        assert end.early_data_accepted
    assert tickets_of(pair)[-1].psk_identity == KEY.identity


@pytest.mark.parametrize("side", ["client", "server"])
def test_a_key_that_was_taken_back_resumes_nothing(side: str) -> None:
    today = today_with_key()
    _, ticket = today.session(None)
    both = {"client": (KEY, OTHER), "server": (KEY, OTHER), side: (OTHER,)}
    pair = resuming(
        ticket,
        client=replace(today.client, psks=both["client"]),
        server=replace(today.server, psks=both["server"]),
        server_name=None,
    ).handshake()
    assert {(end.psk, end.psk_identity) for end in established(pair)} == {
        (PskKind.EXTERNAL, OTHER.identity)
    }


def test_a_ticket_goes_before_external_keys() -> None:
    today = today_with_key()
    _, ticket = today.session(None)
    pair = resuming(ticket, client=today.client, server=today.server, server_name=None)
    hellos = sent_hellos(pair)
    pair.handshake()
    offer = hellos[0].extensions.require(PreSharedKeyClientHello)
    assert [entry.identity for entry in offer.identities] == [ticket.ticket, KEY.identity]
    assert offer.identities[1].obfuscated_ticket_age == 0  # §4.2.11


def test_a_ticket_that_proves_nothing_is_not_offered() -> None:
    """A session in which the server showed neither certificate nor key."""
    today = Today("alice")
    _, ticket = today.session()
    pair = resuming(
        replace(ticket, chain=(), verified_chain=()), client=today.client, server=today.server
    )
    hellos = sent_hellos(pair)
    pair.handshake()
    assert hellos[0].extensions.get(PreSharedKeyClientHello) is None


# --- B2: reauth


def with_reauth(**fields: Any) -> ConnectionPair:
    """External PSK, and certificates at hand for later."""
    today = Today("alice", client={"psks": (KEY,)}, server={"psks": (KEY,)})
    client, server = replace(today.client, **fields), replace(today.server, **fields)
    return ConnectionPair(client, server).handshake()


@pytest.mark.parametrize("modes", [(PSK_DHE_KE,), (PSK_KE,)], ids=str)
def test_b2_reauth_after_an_external_psk_is_verified_and_visible(modes: Any) -> None:
    pair = with_reauth(psk_modes=modes)
    assert established(pair)[1].psk is PskKind.EXTERNAL
    questions = asked(pair, "server")
    completed = pair.reauth()
    assert completed.outcome is Outcome.AUTHENTICATED
    assert [type(each.subject) for each in questions] == [JudgePeer]
    identity = pair.server.connection.peer_identity
    assert identity is not None
    assert identity.common_name == "alice"
    assert identity.verified
    assert established(pair)[1].psk_identity == KEY.identity
    assert pair.reauth(decline=True).outcome is Outcome.DECLINED
    talk(pair)


def test_b2_who_is_not_verified_is_nobody() -> None:
    pair = ConnectionPair(
        client_config(credentials=(CA("Other").issue("eve").credential(),), psks=(KEY,)),
        server_config(psks=(KEY,)),
    ).handshake()
    assert pair.reauth().outcome is Outcome.REFUSED
    assert pair.server.connection.peer_identity is None


def test_b2_tickets_work_after_it_and_carry_both() -> None:
    """GnuTLS fails here with INTERNAL_ERROR."""
    pair = with_reauth()
    pair.reauth()
    assert pair.server.connection.send_tickets() == 1
    pair.move()
    again = resuming(
        tickets_of(pair)[-1],
        client=pair.client.connection.config,
        server=pair.server.connection.config,
    ).handshake()
    identity = again.server.connection.peer_identity
    assert identity is not None
    assert identity.common_name == "alice"
    assert established(again)[1].psk_identity == KEY.identity
    assert again.reauth().outcome is Outcome.AUTHENTICATED


def resumed_from_key(pair: ConnectionPair) -> ConnectionPair:
    pair.server.connection.send_tickets()
    pair.move()
    return resuming(
        tickets_of(pair)[-1],
        client=pair.client.connection.config,
        server=pair.server.connection.config,
    ).handshake()


@pytest.mark.parametrize("how", [lambda pair: pair, resumed_from_key], ids=["external", "resumed"])
def test_r18_a_server_may_refuse_to_mix_keys_and_certificates(
    how: Callable[[ConnectionPair], ConnectionPair],
) -> None:
    pair = how(with_reauth(reauth_with_external_psk=False))
    with pytest.raises(ReauthUnavailable, match="RFC 9846"):
        pair.server.connection.request_auth()
    talk(pair)


def test_r18_a_client_may_refuse_to_mix_keys_and_certificates() -> None:
    client = client_config("alice", psks=(KEY,), reauth_with_external_psk=False)
    pair = ConnectionPair(client, server_config(psks=(KEY,))).handshake()
    pair.server.connection.request_auth()
    pair.move()
    assert isinstance(pair.client.error, UnexpectedMessage)
    assert pair.client.error.section == "RFC 9846, 4.3.2"


def test_r18_the_switch_is_about_external_keys_alone() -> None:
    fields = {"reauth_with_external_psk": False}
    today = Today("alice", client=fields, server=fields)
    _, ticket = today.session()
    assert today.resume(ticket).reauth().outcome is Outcome.AUTHENTICATED


def test_r18_no_certificate_request_in_the_main_handshake() -> None:
    entries: list[Any] = []
    server = {"client_auth": ClientAuth.REQUEST, "verifier": server_config().verifier}
    psk_pair(server={**server, "trace": entries.append}).handshake()
    assert CertificateRequest.__name__ not in [entry.what for entry in entries]


# --- misuse


@pytest.mark.parametrize(
    "make",
    [
        lambda: ExternalPsk(b"", b"k" * 32),
        lambda: ExternalPsk(b"i" * 65530, b"k" * 32),
        lambda: ExternalPsk(b"i", b"k" * 15),
        lambda: ExternalPsk(b"i", b"k" * 32, "md5"),
        lambda: ExternalPsk(b"i", b"k" * 32, "sha512"),
        lambda: client_config(psks=(KEY, replace(OTHER, identity=KEY.identity))),
        lambda: client_config(verifier=None),
        lambda: server_config(credentials=()),
        lambda: Connection(client_config(psks=(KEY,))),
    ],
    ids=[
        *("no identity", "long identity", "short key", "no hash", "no suite's hash"),
        *("two of one name", "trusts nobody", "proves nothing", "no name to check"),
    ],
)
def test_what_makes_no_sense_is_refused(make: Any) -> None:
    with pytest.raises(UsageError):
        make()


def test_no_key_shows() -> None:
    secret = ExternalPsk(b"public", b"SECRET" * 6)
    fields = {"psks": (secret,)}
    pair = psk_pair(fields, fields).handshake()
    for shown in (
        *(secret, pair.client.connection.config, pair.server.connection.config),
        *(Psk.external(secret), established(pair)),
    ):
        assert "SECRET" not in repr(shown)
        assert "public" in repr(shown)


def test_groups_are_negotiated_as_ever() -> None:
    groups = (NamedGroup.x25519, NamedGroup.secp256r1)
    pair = psk_pair({"groups": groups}, {"groups": groups[1:]}).handshake()
    assert established(pair)[0].hello_retry_request
    assert established(pair)[1].group == NamedGroup.secp256r1
