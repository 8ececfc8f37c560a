"""Post-handshake authentication, both ends together (§4.6.2).

Here stands what needs both: what is on the wire, how requests, answers, data and
key updates mix, and what comes of answers that were tampered with. What concerns
one end alone is in ``test_reauth_server`` and ``test_reauth_client``, and the
request in ``test_certificate_request``. Names that begin with ``r19`` show a row
of the checklist in the behaviour specification.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import settings

from postshake.config import ClientAuth, Refusal
from postshake.connection import State
from postshake.constants import (
    AlertDescription,
    AlertLevel,
    CipherSuite,
    ContentType,
    ExtensionType,
    HandshakeType,
    KeyUpdateRequest,
    NamedGroup,
    Role,
    SignatureScheme,
)
from postshake.crypto.signatures import handshake_schemes
from postshake.crypto.suites import TLS13_SUITES
from postshake.errors import (
    AlertReceived,
    IllegalParameter,
)
from postshake.events import (
    Outcome,
    PeerKeyUpdated,
    TicketReceived,
)
from postshake.wire.alert import Alert
from postshake.wire.auth import (
    Certificate,
    CertificateRequest,
    CertificateVerify,
)
from postshake.wire.codec import u8, u16, vec8, vec16, vec24
from postshake.wire.handshake import encode_handshake
from postshake.wire.hello import HELLO_RETRY_REQUEST_RANDOM, ClientHello, EncryptedExtensions
from postshake.wire.post_handshake import KeyUpdate, NewSessionTicket
from tests.certs import CA
from tests.hostile import (
    Tap,
    assert_refused,
    capture_answer,
    link_of,
    release,
    send_handshake,
    send_record,
)
from tests.pair import (
    Clock,
    ConnectionPair,
    client_config,
    issued,
    server_config,
    the_ca,
)

alice = issued("alice").credential()
bob = issued("bob").credential()
QUICK = settings(derandomize=True, deadline=None, database=None)


def tapped(
    client: dict[str, Any] | None = None, server: dict[str, Any] | None = None
) -> tuple[ConnectionPair, Tap]:
    tap = Tap()
    pair = ConnectionPair(
        client_config("alice", keylog=tap.keylog, **(client or {})),
        server_config(keylog=tap.keylog, **(server or {})),
    )
    pair.tamper = tap
    return pair, tap


# --- what is on the wire


def test_r1_r3_the_client_offers_it_empty_and_the_server_never_says_it() -> None:
    """R-1, R-3, scenario 1: extension 49, in the ClientHello alone."""
    pair, tap = tapped()
    pair.handshake()
    pair.reauth()
    offer = u16(49) + vec16(b"")
    (hello,) = tap.sent_by(Role.client, HandshakeType.client_hello)
    types = [each.extension_type for each in ClientHello.decode(hello[4:]).extensions]
    assert types.count(ExtensionType.post_handshake_auth) == 1
    assert offer in hello
    for sender, raw in tap.messages:
        if sender is Role.server and raw[0] != HandshakeType.server_hello:
            message_class = {8: EncryptedExtensions, 13: CertificateRequest}.get(raw[0])
            if message_class is not None:
                extensions = message_class.decode(raw[4:]).extensions  # type: ignore[attr-defined]
                assert ExtensionType.post_handshake_auth not in [
                    each.extension_type for each in extensions
                ]
    established = pair.server.connection.established
    assert established is not None
    assert established.post_handshake_auth


def test_r1_who_does_not_offer_it_sends_no_extension() -> None:
    """R-1, scenario 14."""
    pair, tap = tapped({"post_handshake_auth": False})
    pair.handshake()
    (hello,) = tap.sent_by(Role.client, HandshakeType.client_hello)
    types = [each.extension_type for each in ClientHello.decode(hello[4:]).extensions]
    assert ExtensionType.post_handshake_auth not in types
    established = pair.server.connection.established
    assert established is not None
    assert not established.post_handshake_auth


@pytest.mark.parametrize("decline", [False, True])
def test_r6_r7_r16_an_answer_on_the_wire(decline: bool) -> None:
    """R-6, R-7, R-16: which messages, in which order, with the context echoed."""
    pair, tap = tapped()
    pair.handshake()
    before = len(tap.messages)
    completed = pair.reauth(decline=decline)
    (_, request), *answer = tap.messages[before:]
    assert [(sender, raw[0]) for sender, raw in answer] == [
        (Role.client, kind)
        for kind in (
            (HandshakeType.certificate, HandshakeType.finished)
            if decline
            else (
                HandshakeType.certificate,
                HandshakeType.certificate_verify,
                HandshakeType.finished,
            )
        )
    ]
    context = CertificateRequest.decode(request[4:]).certificate_request_context
    certificate = Certificate.decode(answer[0][1][4:])
    assert certificate.certificate_request_context == context == completed.context
    assert bool(certificate.certificate_list) is not decline


def test_r11_the_main_handshakes_context_is_empty_and_later_ones_are_not() -> None:
    """R-11."""
    pair, tap = tapped(server={"client_auth": ClientAuth.REQUIRE})
    pair.handshake()
    pair.reauth()
    contexts = [
        CertificateRequest.decode(raw[4:]).certificate_request_context
        for raw in tap.sent_by(Role.server, HandshakeType.certificate_request)
    ]
    assert [len(context) for context in contexts] == [0, 32]


def expand_label(name: str, secret: bytes, label: bytes, length: int) -> bytes:
    """HKDF-Expand-Label with an empty context, from the RFCs and nothing of ours."""
    info = u16(length) + vec8(b"tls13 " + label) + vec8(b"")
    block, output, count = b"", b"", 1
    while len(output) < length:
        block = hmac.digest(secret, block + info + bytes([count]), name)
        output, count = output + block, count + 1
    return output[:length]


@pytest.mark.parametrize("retry", [False, True], ids=["", "HelloRetryRequest"])
@pytest.mark.parametrize("suite", TLS13_SUITES, ids=lambda suite: suite.name)
def test_r19_r20_r21_r24_r25_signature_and_finished_computed_by_hand(
    suite: CipherSuite, retry: bool
) -> None:
    """R-19, R-20, R-21, R-24: what is signed and what keys the Finished.

    The transcript is the main handshake, with message_hash for a first ClientHello,
    and the own CertificateRequest, and nothing else; the key is of the generation
    in force. Three requests are open, tickets and key updates pass, and they are
    answered in reverse.
    """
    pair, tap = tapped({"cipher_suites": (suite,)}, {"require_cookie": retry})
    pair.handshake()
    name = "sha384" if suite is CipherSuite.TLS_AES_256_GCM_SHA384 else "sha256"
    size = hashlib.new(name).digest_size
    base: list[bytes] = [raw for _, raw in tap.messages]
    if retry:
        assert base[1][6:38] == HELLO_RETRY_REQUEST_RANDOM
        base[0] = b"\xfe\0\0" + bytes([size]) + hashlib.new(name, base[0]).digest()
    assert base[-1][0] == HandshakeType.finished
    contexts = [pair.ask() for _ in range(3)]
    requests = tap.sent_by(Role.server, HandshakeType.certificate_request)
    send_handshake(pair.server, NewSessionTicket(60, 0, b"", b"ticket"))
    pair.server.connection.key_update(request_peer=True)
    pair.move()
    secret = tap.secrets["CLIENT_TRAFFIC_SECRET_0"]
    generation = 1  # the client answered the server's update
    secret = expand_label(name, secret, b"traffic upd", size)
    for index in (2, 1, 0):
        pair.give(contexts[index], alice)
        raw_certificate, raw_verify, raw_finished = (raw for _, raw in tap.messages[-3:])
        through_certificate = b"".join((*base, requests[index], raw_certificate))
        verify = CertificateVerify.decode(raw_verify[4:])
        content = (
            b"\x20" * 64
            + b"TLS 1.3, client CertificateVerify\0"
            + hashlib.new(name, through_certificate).digest()
        )
        key = alice.leaf.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        key.verify(verify.signature, content, ec.ECDSA(hashes.SHA256()))
        digest = hashlib.new(name, through_certificate + raw_verify).digest()
        finished_key = expand_label(name, secret, b"finished", size)
        assert raw_finished[4:] == hmac.digest(finished_key, digest, name), f"at {generation}"
        pair.client.connection.key_update()
        pair.move()
        secret = expand_label(name, secret, b"traffic upd", size)
        generation += 1
    assert pair.outcomes() == [(contexts[i], Outcome.AUTHENTICATED) for i in (2, 1, 0)]


def test_r40_reauth_changes_no_secret() -> None:
    """R-40, scenario 127: exporters, channel binding and traffic keys stay as they are."""
    pair = ConnectionPair().handshake()
    ends = (pair.client.connection, pair.server.connection)

    def secrets() -> list[Any]:
        return [
            (
                end.export(b"EXPORTER-test", b"", 32),
                end.channel_binding(),
                end._engine.layer.inbound.traffic_secret,
                end._engine.layer.outbound.traffic_secret,
                end.established,
            )
            for end in ends
        ]

    before = secrets()
    for decline in (False, True):
        pair.reauth(decline=decline)
        assert secrets() == before
    exported = [end.export(b"EXPORTER-test", b"", 32) for end in ends]
    pair.client.connection.key_update(request_peer=True)
    pair.move()
    assert [end.export(b"EXPORTER-test", b"", 32) for end in ends] == exported
    assert exported[0] == exported[1]


def test_r38_the_alert_about_a_certificate_is_under_application_keys() -> None:
    """R-38: of the generation in force."""
    pair, tap = tapped()
    pair.handshake()
    pair.server.connection.key_update()
    context = pair.ask(on_refusal=Refusal.CLOSE)
    pair.give(context, CA("Elsewhere").issue("mallory").credential())
    assert tap.records[-1] == (Role.server, ContentType.alert, 2)
    assert isinstance(pair.client.error, AlertReceived)
    assert pair.client.error.received == AlertDescription.unknown_ca


# --- after every kind of handshake, with every kind of key

KEYS = [
    ("p256", SignatureScheme.ecdsa_secp256r1_sha256),
    ("p384", SignatureScheme.ecdsa_secp384r1_sha384),
    ("p521", SignatureScheme.ecdsa_secp521r1_sha512),
    ("ed25519", SignatureScheme.ed25519),
    ("ed448", SignatureScheme.ed448),
    ("rsa2048", SignatureScheme.rsa_pss_rsae_sha256),
    ("rsa2048", SignatureScheme.rsa_pss_rsae_sha384),
    ("rsa2048", SignatureScheme.rsa_pss_rsae_sha512),
    ("rsa-pss", SignatureScheme.rsa_pss_pss_sha256),
    ("rsa-pss", SignatureScheme.rsa_pss_pss_sha384),
    ("rsa-pss", SignatureScheme.rsa_pss_pss_sha512),
    ("mldsa44", SignatureScheme.mldsa44),
    ("mldsa65", SignatureScheme.mldsa65),
    ("mldsa87", SignatureScheme.mldsa87),
]


@pytest.mark.parametrize(("kind", "scheme"), KEYS, ids=lambda value: str(value))
def test_r23_every_key_proves_its_holder(kind: str, scheme: SignatureScheme) -> None:
    """R-23: with every scheme that the engine has."""
    if scheme not in handshake_schemes():
        pytest.skip(f"cryptography has no {scheme.name} here")
    credential = issued("holder", key_type=kind).credential()
    pair = ConnectionPair(client_config(credentials=(credential,))).handshake()
    completed = pair.reauth(signature_algorithms=(scheme,))
    assert completed.outcome is Outcome.AUTHENTICATED
    assert completed.identity is not None
    assert completed.identity.chain == credential.chain
    assert completed.identity.verified_chain == (*credential.chain, the_ca().der)
    assert completed.identity.certificate_request_context == completed.context


def test_r23_the_table_of_keys_is_complete() -> None:
    assert set(handshake_schemes()) <= {scheme for _, scheme in KEYS}


def test_a_chain_of_several_certificates_arrives_whole() -> None:
    credential = the_ca().intermediate().intermediate("Below").issue("deep").credential()
    pair = ConnectionPair(client_config(credentials=(credential,))).handshake()
    identity = pair.reauth().identity
    assert identity is not None
    assert identity.chain == credential.chain
    assert len(identity.verified_chain) == 4


def test_r20_reauth_after_a_hello_retry_request() -> None:
    """R-20, scenario 40: twice."""
    pair = ConnectionPair(server=server_config(require_cookie=True)).handshake()
    established = pair.server.connection.established
    assert established is not None
    assert established.hello_retry_request
    for _ in range(2):
        assert pair.reauth().outcome is Outcome.AUTHENTICATED


@pytest.mark.parametrize("group", [NamedGroup.x25519, NamedGroup.secp256r1])
def test_r20_reauth_after_another_group_was_asked_for(group: NamedGroup) -> None:
    """R-20: the HelloRetryRequest that names a group."""
    pair = ConnectionPair(
        client_config("alice", key_shares=0), server_config(groups=(group,))
    ).handshake()
    assert pair.reauth().outcome is Outcome.AUTHENTICATED


@pytest.mark.parametrize("client_auth", ClientAuth)
def test_reauth_after_authentication_in_the_handshake(client_auth: ClientAuth) -> None:
    pair = ConnectionPair(server=server_config(client_auth=client_auth)).handshake()
    first = pair.server.connection.peer_identity
    assert (first is None) is (client_auth is ClientAuth.NONE)
    completed = pair.reauth()
    assert completed.outcome is Outcome.AUTHENTICATED
    assert completed.identity is not first
    history = pair.server.connection.identity_history
    assert [identity for _, identity in history] == [
        None,
        *([first] if first is not None else []),
        completed.identity,
    ]


# --- what may come between request and answer


def key_update(which: str, asks: bool) -> Callable[[ConnectionPair], None]:
    def act(pair: ConnectionPair) -> None:
        getattr(pair, which).connection.key_update(request_peer=asks)

    return act


def say(which: str, data: bytes) -> Callable[[ConnectionPair], None]:
    return lambda pair: getattr(pair, which).connection.send_data(data)


def ticket(pair: ConnectionPair) -> None:
    send_handshake(pair.server, NewSessionTicket(60, 0, b"n", b"ticket"))


def canceled(pair: ConnectionPair) -> None:
    alert = Alert(AlertLevel.warning, AlertDescription.user_canceled)
    send_record(pair.client, ContentType.alert, alert.encode())


BETWEEN: dict[str, Callable[[ConnectionPair], None]] = {
    "client's data": say("client", b"x" * 20_000),
    "server's data": say("server", b"y" * 20_000),
    "client's key update": key_update("client", False),
    "client's key update that asks": key_update("client", True),
    "server's key update": key_update("server", False),
    "server's key update that asks": key_update("server", True),
    "R-46: ticket": ticket,
    "client's empty record": say("client", b""),
    "server's empty record": say("server", b""),
    "R-44: user_canceled": canceled,
    "another request": lambda pair: void(pair.server.connection.request_auth()),
}


def void(_: object) -> None:
    return None


@pytest.mark.parametrize("name", BETWEEN)
@pytest.mark.parametrize("decline", [False, True])
def test_r8_anything_else_may_come_between_request_and_answer(name: str, decline: bool) -> None:
    """R-8, R-37, R-44, R-46: scenarios 47 to 54 and 61a, where GnuTLS fails several."""
    pair = ConnectionPair().handshake()
    context = pair.ask()
    for _ in range(3):
        BETWEEN[name](pair)
        pair.move()
    pair.give(context, None if decline else alice)
    assert pair.outcomes() == [(context, Outcome.DECLINED if decline else Outcome.AUTHENTICATED)]
    assert pair.client.connection.state is pair.server.connection.state is State.OPEN
    assert len(pair.client.of(TicketReceived)) == (3 if "ticket" in name else 0)


@pytest.mark.parametrize(
    ("one", "other"), list(itertools.combinations(BETWEEN, 2)), ids=lambda value: str(value)
)
def test_r8_and_so_may_any_two_of_them_in_one_burst(one: str, other: str) -> None:
    """R-8, R-37: crossing key updates among them."""
    pair = ConnectionPair().handshake()
    pair.server.auto_read = False
    context = pair.server.connection.request_auth()
    BETWEEN[one](pair)
    BETWEEN[other](pair)
    pair.move()
    BETWEEN[other](pair)
    pair.client.connection.answer_auth(context, alice)
    BETWEEN[one](pair)
    pair.move()
    assert pair.outcomes() == [(context, Outcome.AUTHENTICATED)]
    assert pair.client.connection.state is pair.server.connection.state is State.OPEN


def test_r37_a_requested_update_is_answered_before_our_next_data() -> None:
    """R-37: and not inside an answer, nor twice."""
    pair, tap = tapped()
    pair.handshake()
    context = pair.ask()
    before = len(tap.records)
    pair.server.connection.key_update(request_peer=True)
    pair.server.connection.key_update(request_peer=True)
    pair.client.receive(pair.server.connection.data_to_send())
    pair.give(context, alice)
    pair.client.connection.send_data(b"data")
    pair.move()
    sent = [kind for role, kind, _ in tap.records[before:] if role is Role.client]
    assert sent == [ContentType.handshake, ContentType.handshake, ContentType.application_data]
    updates = tap.sent_by(Role.client, HandshakeType.key_update)
    assert updates == [encode_handshake(KeyUpdate(KeyUpdateRequest.update_not_requested))]
    assert len(pair.client.of(PeerKeyUpdated)) == 2


def test_r37_no_second_update_is_asked_for_before_the_first_is_answered() -> None:
    """R-37, RFC 9846: the second says update_not_requested; later ones may ask again."""
    pair, tap = tapped()
    pair.handshake()
    for _ in range(2):
        pair.server.connection.key_update(request_peer=True)
    pair.move()
    pair.server.connection.key_update(request_peer=True)
    pair.move()
    asks = [raw[-1] for raw in tap.sent_by(Role.server, HandshakeType.key_update)]
    assert asks == [1, 0, 1]


def test_r37_a_key_update_has_one_of_two_values() -> None:
    """R-37: another value is illegal_parameter."""
    pair = ConnectionPair().handshake()
    pair.ask()
    send_handshake(pair.client, u8(HandshakeType.key_update) + vec24(b"\2"))
    assert_refused(pair, IllegalParameter, "KeyUpdate: expected request_update 0 or 1, got 2")


def test_data_has_the_identity_of_its_time() -> None:
    """O20: before, between request and answer, while the verdict is awaited, after."""
    pair = ConnectionPair().handshake()
    pair.server.auto_read = False
    server, client = pair.server.connection, pair.client.connection
    client.send_data(b"a" * 10)
    context = pair.ask()
    client.send_data(b"b" * 10)
    client.answer_auth(context, alice)
    pair.client.settle()
    client.send_data(b"c" * 10)  # right behind the answer: the verdict is asked for later
    pair.server.hold = lambda question: True
    pair.move()
    release(pair.server)
    client.send_data(b"d" * 10)
    pair.move()
    identity = server.peer_identity
    assert identity is not None
    assert server.identity_history == ((0, None), (30, identity))
    read = []
    while server.readable:
        whose = server.read_identity
        read.append((whose, server.read(15)))
    assert read == [
        (None, b"a" * 10 + b"b" * 5),
        (None, b"b" * 5 + b"c" * 10),
        (identity, b"d" * 10),
    ]


# --- how an answer may be cut


@pytest.mark.parametrize("decline", [False, True])
def test_an_answer_may_be_cut_anywhere_into_two_records(decline: bool) -> None:
    """R-7: at every boundary, inside headers and between messages."""
    credential = None if decline else alice
    expected = Outcome.DECLINED if decline else Outcome.AUTHENTICATED
    clock = Clock()
    pair = ConnectionPair(client_config("alice", clock=clock)).handshake()

    def answer() -> tuple[bytes, bytes]:
        clock.now += 1  # so that many requests are no flood
        context = pair.ask()
        return context, b"".join(capture_answer(pair.client, context, credential))

    _, shortest = answer()  # signatures differ in length by a few bytes
    for cut in range(1, len(shortest) - 4):
        context, flight = answer()
        send_handshake(pair.client, flight[:cut])
        pair.move()
        assert pair.server.connection.state is State.OPEN
        send_handshake(pair.client, flight[cut:])
        pair.move()
        assert pair.outcomes()[-1] == (context, expected), f"cut at {cut}"


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 50, 16384])
def test_an_answer_may_be_cut_into_many_records(size: int) -> None:
    pair = ConnectionPair().handshake()
    context = pair.ask()
    flight = b"".join(capture_answer(pair.client, context, alice))
    for start in range(0, len(flight), size):
        send_handshake(pair.client, flight[start : start + size])
    pair.move()
    assert pair.outcomes() == [(context, Outcome.AUTHENTICATED)]


@pytest.mark.parametrize(
    "records",
    [((0, 1, 2),), ((0,), (1, 2)), ((0, 1), (2,)), ((0,), (1,), (2,))],
    ids=["NSS: one", "GnuTLS: two", "two", "three"],
)
@pytest.mark.parametrize("at_once", [False, True])
def test_messages_may_share_records_or_not(
    records: tuple[tuple[int, ...], ...], at_once: bool
) -> None:
    """Scenario 47: and may arrive together or one by one, with the server's data between."""
    pair = ConnectionPair().handshake()
    context = pair.ask()
    parts = capture_answer(pair.client, context, alice)
    for group in records:
        send_handshake(pair.client, *(parts[index] for index in group))
        if not at_once:
            pair.server.connection.send_data(b".")
            pair.move()
    pair.move()
    assert pair.outcomes() == [(context, Outcome.AUTHENTICATED)]
    assert pair.client.data == b"" if at_once else b"." * len(records)


def test_several_answers_may_share_a_record() -> None:
    pair = ConnectionPair().handshake()
    contexts = [pair.ask() for _ in range(3)]
    flights = [capture_answer(pair.client, context, alice) for context in contexts]
    send_handshake(pair.client, *itertools.chain.from_iterable(flights))
    pair.move()
    assert pair.outcomes() == [(context, Outcome.AUTHENTICATED) for context in contexts]


def test_a_request_may_be_cut_anywhere_too() -> None:
    pair = ConnectionPair().handshake()
    link = link_of(pair.server)
    link.layer.max_fragment_out = 1
    context = pair.ask()
    link.layer.max_fragment_out = 16384
    pair.give(context, alice)
    assert pair.outcomes() == [(context, Outcome.AUTHENTICATED)]
