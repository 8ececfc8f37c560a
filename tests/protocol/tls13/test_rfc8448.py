"""The handshakes recorded in RFC 8448, replayed by whole Connections, byte for byte.

What is deterministic, once randomness comes from the trace: every derived secret,
every Finished, and every byte of every record that an end protects. What is not:

* Signatures, which are randomized. They are answered, as `Sign` is a question, with
  the recorded ones; that the engine asked for the right thing to be signed is
  checked by verifying the recorded signature over what it asked.
* The ClientHello. Ours offers other extensions than the trace's, so our client is
  given the recorded one as its offer (``make_offer``, ``renew_offer``).
* ServerHello and EncryptedExtensions. Ours answers with supported_versions first and
  without the list of groups, and a HelloRetryRequest's cookie is as the server likes
  it; these are replaced by the recorded ones as they are written, transcript
  included. Our own version of each is compared in meaning.
* Post-handshake, section 3: our server sends no tickets of its own; the recorded
  one is sent through its link.

All else is compared with the trace: every record in both directions, all secrets of
the key log, the resumption secret's PSK, and what each end saw.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from cryptography import x509

from postshake.config import ClientAuth, ClientConfig, Config, ServerConfig
from postshake.connection import Connection, State
from postshake.constants import ContentType, NamedGroup, Role, SignatureScheme
from postshake.crypto.groups import generate_share
from postshake.crypto.schedule import exporter
from postshake.crypto.signatures import verify
from postshake.events import HandshakeCompleted, PeerClosed, TicketReceived
from postshake.pki.credential import Credential
from postshake.pki.trust import PeerChain, VerifiedChain
from postshake.protocol.client_hello import Offer, renew_offer
from postshake.protocol.session_secrets import SessionSecrets
from postshake.protocol.tls13 import client_hellos
from postshake.questions import ChooseCredential, JudgePeer, Sign
from postshake.wire.auth import Certificate, CertificateRequest, CertificateVerify
from postshake.wire.extensions import (
    Cookie,
    KeyShareClientHello,
    KeyShareHelloRetryRequest,
    KeyShareServerHello,
    ServerName,
    SignatureAlgorithms,
    SupportedVersionsServerHello,
)
from postshake.wire.handshake import encode_handshake
from postshake.wire.hello import ClientHello, EncryptedExtensions, ServerHello
from postshake.wire.post_handshake import NewSessionTicket
from tests.hostile import send_handshake
from tests.pair import End
from tests.tampering import lying
from tests.vectors.rfc8448 import (
    CLIENT_AUTHENTICATION,
    COMPATIBILITY,
    RETRY,
    SIMPLE,
    Trace,
)

TRACES = {
    "simple": SIMPLE,
    "retry": RETRY,
    "client_authentication": CLIENT_AUTHENTICATION,
    "compatibility": COMPATIBILITY,
}
every_trace = pytest.mark.parametrize("trace", TRACES.values(), ids=TRACES)


def decoded(cls: type[Any], raw: bytes) -> Any:
    return cls.decode(raw[4:])


def has(trace: Trace, name: str) -> bool:
    return any(message.name == name for message in trace.messages)


class Believer:
    """Verifies nothing: the trace's certificates lead nowhere."""

    def verify(self, peer: PeerChain) -> VerifiedChain:
        return VerifiedChain(peer.certificates)


@dataclass
class RecordedSigner:
    """Has the recorded signature, and none but that."""

    public_key: Any
    schemes: tuple[SignatureScheme, ...]
    signature: bytes

    def sign(self, scheme: SignatureScheme, data: bytes) -> bytes:
        verify(scheme, self.public_key, self.signature, data)  # raises if it is for other data
        return self.signature


def credential_of(trace: Trace, role: Role) -> Credential:
    """The recorded certificate, with the recorded signature for a key."""
    certificate = decoded(Certificate, trace.message("Certificate", role))
    message = decoded(CertificateVerify, trace.message("CertificateVerify", role))
    chain = tuple(entry.cert_data for entry in certificate.certificate_list)
    key: Any = x509.load_der_x509_certificate(chain[0]).public_key()
    schemes = (SignatureScheme(message.algorithm),)
    return Credential(chain, RecordedSigner(key, schemes, message.signature))


@dataclass
class Draws:
    """A source of randomness that gives what the trace drew, in order."""

    wanted: list[bytes]

    def __call__(self, size: int) -> bytes:
        drawn = self.wanted.pop(0)
        assert len(drawn) == size
        return drawn


@dataclass
class Replay:
    """One end of a recorded handshake, and the records that it must send."""

    trace: Trace
    connection: Connection
    keys: dict[str, bytes] = field(default_factory=dict)
    sent: bytes = b""
    written: dict[str, bytes] = field(default_factory=dict)
    subjects: list[Any] = field(default_factory=list)

    @property
    def role(self) -> Role:
        return self.connection.role

    def settle(self) -> None:
        connection = self.connection
        while (question := connection.next_question()) is not None:
            subject: Any = question.subject
            self.subjects.append(subject)
            answer: object
            if isinstance(subject, Sign):
                answer = subject.signer.sign(subject.scheme, subject.data)
            elif isinstance(subject, JudgePeer):
                answer = subject.verifier.verify(subject.peer)
            else:
                assert isinstance(subject, ChooseCredential)
                (answer,) = subject.credentials
            connection.answer(question.id, answer)
        self.sent += connection.data_to_send()

    def receive(self, data: bytes) -> None:
        self.connection.receive_data(data)
        self.settle()


def config_fields(trace: Trace, role: Role, keys: dict[str, bytes]) -> dict[str, Any]:
    def keylog(line: str) -> None:
        label, client_random, secret = line.split(" ")
        assert client_random == trace.message("ClientHello")[6:38].hex()
        assert label not in keys
        keys[label] = bytes.fromhex(secret)

    own = any(
        message.name == "Certificate" and message.sender is role for message in trace.messages
    )
    return {
        "credentials": (credential_of(trace, role),) if own else (),
        "verifier": Believer(),
        "keylog": keylog,
        "wall_clock": lambda: 1.5e9,
    }


def recorded_offer(trace: Trace, nth: int) -> Offer:
    """The recorded ClientHello with the private half of its share."""
    raw = trace.message("ClientHello", nth=nth)
    hello = decoded(ClientHello, raw)
    assert encode_handshake(hello) == raw
    pair = trace.key_pair(Role.client, nth)
    share = generate_share(pair.group, lambda size: pair.private)
    assert share.public == pair.public
    assert hello.extensions.require(KeyShareClientHello).client_shares[0].key_exchange == (
        pair.public
    )
    return Offer(hello, {pair.group: share})


@contextmanager
def recorded_offers(trace: Trace) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client_hellos, "make_offer", lambda *_, **__: recorded_offer(trace, 0))
        patch.setattr(
            client_hellos, "renew_offer", lambda config, offer, retry: recorded_offer(trace, 1)
        )
        yield


@contextmanager
def recorded_answers(trace: Trace, replay: Replay) -> Iterator[None]:
    """Let a server write the recorded hellos and parameters for its own."""
    kinds: dict[type[Any], tuple[str, Callable[[Any, Any], None]]] = {
        ServerHello: ("ServerHello", check_server_hello),
        EncryptedExtensions: ("EncryptedExtensions", check_parameters),
    }

    def lie(end: End, message: Any, raw: bytes) -> bytes:
        if type(message) is ServerHello and message.is_hello_retry_request:
            recorded = trace.message("HelloRetryRequest")
            check_retry(message, decoded(ServerHello, recorded))
            return recorded
        replay.written[type(message).__name__] = raw
        if type(message) in kinds:
            name, check = kinds[type(message)]
            recorded = trace.message(name)
            check(message, decoded(type(message), recorded))
            return recorded
        return raw

    with lying(End(replay.connection), lie):
        yield


def check_server_hello(ours: ServerHello, recorded: ServerHello) -> None:
    assert {**fields_of(ours), "extensions": None} == {**fields_of(recorded), "extensions": None}
    assert set(ours.extensions) == set(recorded.extensions)
    assert {type(each) for each in ours.extensions} == {
        KeyShareServerHello,
        SupportedVersionsServerHello,
    }


def check_retry(ours: ServerHello, recorded: ServerHello) -> None:
    assert {**fields_of(ours), "extensions": None} == {**fields_of(recorded), "extensions": None}
    for kind in (SupportedVersionsServerHello, KeyShareHelloRetryRequest):
        assert ours.extensions.require(kind) == recorded.extensions.require(kind)


def check_parameters(ours: EncryptedExtensions, recorded: EncryptedExtensions) -> None:
    """Ours says all that the recorded one does, but for the groups, which are no answer."""
    types = {each.extension_type for each in recorded.extensions} - {10}
    assert {each.extension_type for each in ours.extensions} == types


def fields_of(message: ServerHello) -> dict[str, Any]:
    return {name: getattr(message, name) for name in message.__slots__}


def client_of(trace: Trace) -> Replay:
    keys: dict[str, bytes] = {}
    hello = decoded(ClientHello, trace.message("ClientHello"))
    config = ClientConfig(
        **config_fields(trace, Role.client, keys),
        middlebox_compatibility=bool(hello.legacy_session_id),
        groups=(NamedGroup.x25519, NamedGroup.secp256r1),
    )
    name = hello.extensions.require(ServerName).host_name
    return Replay(trace, Connection(config, name), keys)


def server_of(trace: Trace) -> Replay:
    keys: dict[str, bytes] = {}
    pair = trace.key_pair(Role.server)
    random = trace.message("ServerHello")[6:38]
    fields: dict[str, Any] = config_fields(trace, Role.server, keys)
    recorded: dict[str, Any] = {}  # with schemes that we do not have, and a configuration refuses
    if has(trace, "CertificateRequest"):
        request = decoded(CertificateRequest, trace.message("CertificateRequest"))
        schemes = request.extensions.require(SignatureAlgorithms).supported_signature_algorithms
        fields["client_auth"] = ClientAuth.REQUIRE
        recorded = {"signature_algorithms": schemes, "signature_algorithms_cert": schemes}
    config = ServerConfig(
        **fields, tickets=0, groups=(pair.group,), random=Draws([pair.private, random])
    )
    for name, value in recorded.items():
        object.__setattr__(config, name, value)
    return Replay(trace, Connection(config), keys)


def check_keys(replay: Replay) -> None:
    secrets = replay.trace.secrets
    assert replay.keys == {
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET": secrets["client_handshake_traffic_secret"],
        "SERVER_HANDSHAKE_TRAFFIC_SECRET": secrets["server_handshake_traffic_secret"],
        "CLIENT_TRAFFIC_SECRET_0": secrets["client_application_traffic_secret_0"],
        "SERVER_TRAFFIC_SECRET_0": secrets["server_application_traffic_secret_0"],
        "EXPORTER_SECRET": secrets["exporter_master_secret"],
    }
    exported = exporter("sha256", secrets["exporter_master_secret"], b"EXPORTER-x", b"c", 40)
    assert replay.connection.export(b"EXPORTER-x", b"c", 40) == exported


def drive(replay: Replay) -> list[bytes]:
    """Walk through the recorded records: give the peer's, and compare our own.

    Returns:
        The application data that came.
    """
    connection, trace = replay.connection, replay.trace
    connection.start()
    replay.settle()
    data = []
    for record in trace.records:
        if record.sender is not replay.role:
            replay.receive(record.data)
            if record.content_type is ContentType.application_data:
                data.append(connection.read())
            continue
        if record.content_type is ContentType.application_data:
            connection.send_data(record.payload)
        elif record.content_type is ContentType.alert:
            connection.close()
        elif record.payload[0] == 4:  # a ticket, in the server's name
            ticket = NewSessionTicket.decode(record.payload[4:])
            assert encode_handshake(ticket) == record.payload
            send_handshake(End(connection), ticket)
        replay.settle()
        assert replay.sent[: len(record.data)] == record.data, record.content_type.name
        replay.sent = replay.sent[len(record.data) :]
    assert replay.sent == b""
    assert connection.state is State.CLOSED
    return data


def events(replay: Replay) -> list[Any]:
    found = []
    while (event := replay.connection.next_event()) is not None:
        found.append(event)
    return found


def check_end(replay: Replay, data: list[bytes]) -> list[Any]:
    check_keys(replay)
    trace = replay.trace
    assert data == [
        record.payload
        for record in trace.records
        if record.sender is not replay.role and record.content_type is ContentType.application_data
    ]
    seen = events(replay)
    assert isinstance(seen[0], HandshakeCompleted)
    assert isinstance(seen[-1], PeerClosed)
    established = replay.connection.established
    assert established is not None
    assert established.group is trace.key_pair(Role.server).group
    assert established.hello_retry_request is has(trace, "HelloRetryRequest")
    return seen


@every_trace
def test_our_client_sends_what_was_recorded(trace: Trace) -> None:
    replay = client_of(trace)
    with recorded_offers(trace):
        data = drive(replay)
    seen = check_end(replay, data)
    certificate = decoded(Certificate, trace.message("Certificate", Role.server))
    identity = replay.connection.peer_identity
    assert identity is not None
    assert identity.chain == (certificate.certificate_list[0].cert_data,)
    tickets = [event.ticket for event in seen if isinstance(event, TicketReceived)]
    if trace.ticket is not None:
        (ticket,) = tickets
        message = decoded(NewSessionTicket, trace.message("NewSessionTicket"))
        assert (ticket.psk, ticket.ticket) == (trace.ticket.psk, message.ticket)
        assert ticket.lifetime == message.ticket_lifetime
        assert ticket.age_add == message.ticket_age_add
        assert ticket.max_early_data_size == 1024
    else:
        assert not tickets


@every_trace
def test_our_server_sends_what_was_recorded(trace: Trace) -> None:
    replay = server_of(trace)
    with recorded_answers(trace, replay):
        data = drive(replay)
    check_end(replay, data)
    random: Callable[[int], bytes] = replay.connection.config.random
    assert isinstance(random, Draws)
    assert random.wanted == []
    identity = replay.connection.peer_identity
    assert (identity is not None) is has(trace, "CertificateRequest")
    outcome = replay.connection._engine.outcome
    assert outcome is not None
    assert isinstance(outcome.secrets, SessionSecrets)
    assert outcome.secrets.resumption_master_secret == trace.secrets["resumption_master_secret"]


@every_trace
def test_our_client_and_our_server_play_both_parts(trace: Trace) -> None:
    """Nothing of the trace is fed in but randomness, hellos and signatures."""
    client, server = client_of(trace), server_of(trace)
    with recorded_offers(trace), recorded_answers(trace, server):
        client.connection.start()
        client.settle()
        wire: list[tuple[Role, bytes]] = []
        while client.sent or server.sent:
            for sender, receiver in ((client, server), (server, client)):
                data, sender.sent = sender.sent, b""
                if data:
                    wire.append((sender.role, data))
                    receiver.receive(data)
    recorded: list[tuple[Role, bytes]] = []
    for record in trace.records:
        later = record.payload[:1] == b"\4" or record.content_type in (
            ContentType.alert,
            ContentType.application_data,
        )
        if later:
            break
        if recorded and recorded[-1][0] is record.sender:
            recorded[-1] = (record.sender, recorded[-1][1] + record.data)
        else:
            recorded.append((record.sender, record.data))
    assert wire == recorded
    check_keys(client)
    check_keys(server)


@every_trace
def test_cut_into_single_bytes_the_replay_is_the_same(trace: Trace) -> None:
    replay = client_of(trace)
    records = trace.records
    with recorded_offers(trace):
        replay.connection.start()
        for record in records:
            if record.sender is Role.server:
                for byte in record.data:
                    replay.receive(bytes((byte,)))
    check_keys(replay)
    handshake = (ContentType.handshake, ContentType.change_cipher_spec)
    assert replay.sent == b"".join(
        record.data for record in trace.sent_by(Role.client) if record.content_type in handshake
    )
    assert replay.connection.peer_closed


def test_our_own_second_hello_is_the_recorded_one_in_meaning() -> None:
    """It lacks the padding, which the recorder added; all else is there, as §4.1.2 says."""
    trace = RETRY
    retry = decoded(ServerHello, trace.message("HelloRetryRequest"))
    recorded = decoded(ClientHello, trace.message("ClientHello", nth=1))
    config: Config = client_of(trace).connection.config
    assert isinstance(config, ClientConfig)
    pair = trace.key_pair(Role.client)
    drawn = ClientConfig(
        verifier=Believer(), random=lambda size: pair.private, groups=config.groups
    )
    offer = renew_offer(drawn, recorded_offer(trace, 0), retry)
    padding = 21
    assert set(offer.hello.extensions) == {
        each for each in recorded.extensions if each.extension_type != padding
    }
    assert offer.hello.extensions.require(Cookie) == retry.extensions.require(Cookie)
    assert list(offer.shares) == [pair.group]
    assert offer.hello.random == recorded.random


def test_the_recorded_request_is_ours_too() -> None:
    """Section 6: with the same schemes our CertificateRequest is the same bytes."""
    trace = CLIENT_AUTHENTICATION
    replay = server_of(trace)
    with recorded_answers(trace, replay):
        replay.receive(trace.sent_by(Role.client)[0].data)
    assert replay.written["CertificateRequest"] == trace.message("CertificateRequest")
