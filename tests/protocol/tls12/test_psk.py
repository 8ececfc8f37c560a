"""TLS 1.2 with external pre-shared keys (RFC 5489): what it proves, and to whom."""

from __future__ import annotations

from dataclasses import replace

import pytest

from postshake import ExternalPsk, PskKind, ReauthUnavailable
from postshake.config import ClientAuth, ClientConfig
from postshake.connection import Connection
from postshake.constants import AlertDescription as Alert
from postshake.constants import CipherSuite, NamedGroup
from postshake.crypto.tls12.prf import psk_pre_master_secret
from postshake.crypto.tls12.suites import TLS12_SUITES
from postshake.errors import (
    AlertReceived,
    BadRecordMac,
    IllegalParameter,
    NegotiationError,
    TLSError,
    UnexpectedMessage,
    UsageError,
)
from postshake.protocol.client_hello import offered_suites
from postshake.questions import ChoosePsk
from postshake.resumption import Session12, SessionCache12
from postshake.resumption.external_psk import import_psk
from postshake.wire.extensions import PreSharedKeyClientHello
from postshake.wire.handshake import encode_handshake
from postshake.wire.hello import ClientHello, ServerHello
from postshake.wire.tls12 import Certificate12, CertificateRequest12
from tests.pair import client_config, counting_random, the_ca
from tests.sealer import Sealer
from tests.tampering import give
from tests.tls12 import BOTH, SIGNED_SUITES, lie, pair12, record, swap

KEY = ExternalPsk(b"sensor7", bytes(range(32)))
OTHER = ExternalPsk(b"sensor8", bytes(32))
PSK_SUITES = tuple(code for code in TLS12_SUITES if code not in SIGNED_SUITES)
ALONE = {"psks": (KEY,), "verifier": None}
"""A client that has nothing to judge certificates with."""
WITHOUT = {"psks": (KEY,), "credentials": ()}
"""A server that has no certificate."""


class Lookup:
    def __init__(self, *psks: ExternalPsk) -> None:
        self.psks = {psk.identity: psk for psk in psks}
        self.asked: list[bytes] = []

    def find(self, identity: bytes) -> ExternalPsk | None:
        self.asked.append(identity)
        return self.psks.get(identity)


def settled(pair):
    ends = (pair.client.connection, pair.server.connection)
    for end in ends:
        assert end.established.psk is PskKind.EXTERNAL
        assert end.established.psk_identity == KEY.identity
        assert end.established.suite.code in PSK_SUITES
        assert end.peer_identity is None
    assert ends[0].session12.psk_identity == KEY.identity
    return ends


def test_the_pre_master_secret():
    assert psk_pre_master_secret(b"\xaa" * 3, b"\xbb" * 2).hex() == "0003aaaaaa0002bbbb"


@pytest.mark.parametrize("suite", PSK_SUITES, ids=lambda code: code.name[4:])
@pytest.mark.parametrize("group", [NamedGroup.x25519, NamedGroup.secp256r1])
def test_both_ends_have_the_key(suite, group):
    suites = {"cipher_suites12": (suite,), "groups": (group,)}
    pair = pair12(client=ALONE | suites, server=WITHOUT | suites).handshake()
    client, server = settled(pair)
    assert client.established.suite.code == server.established.suite.code == suite
    assert client.established.group is server.established.group is group
    client.send_data(b"up")
    server.send_data(b"down")
    pair.move()
    assert (pair.server.data, pair.client.data) == (b"up", b"down")
    exported = [end.export(b"EXPORTER-x", None, 32) for end in (client, server)]
    assert exported[0] == exported[1]
    with pytest.raises(ReauthUnavailable):
        server.request_auth()


def test_a_key_from_a_lookup():
    lookup = Lookup(OTHER, KEY)
    pair = pair12(client=ALONE, server={"psk_lookup": lookup, "credentials": ()}).handshake()
    settled(pair)
    assert lookup.asked == [KEY.identity]


@pytest.mark.parametrize(
    ("psk", "known"),
    [(replace(KEY, key=bytes(32)), KEY), (OTHER, KEY)],
    ids=["wrong key", "unknown identity"],
)
def test_what_is_wrong_does_not_show(psk, known):
    pair = pair12(client=ALONE | {"psks": (psk,)}, server=WITHOUT | {"psks": (known,)})
    with pytest.raises(BadRecordMac):
        pair.handshake()
    assert isinstance(pair.client.error, AlertReceived)
    assert pair.client.error.received == Alert.bad_record_mac
    assert pair.server.connection.established is None
    assert pair.client.connection.established is None


def test_certificates_come_first_where_both_would_do():
    pair = pair12(client={"psks": (KEY,)}, server={"psks": (KEY,)}).handshake()
    assert pair.client.connection.established.psk is None
    assert pair.client.connection.peer_identity is not None


def test_unless_the_server_prefers_the_key():
    suites = (*PSK_SUITES, *SIGNED_SUITES)
    server = {"psks": (KEY,), "cipher_suites12": suites}
    settled(pair12(client={"psks": (KEY,)}, server=server).handshake())


def test_or_its_certificates_do_not_fit():
    rsa = (CipherSuite.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, *PSK_SUITES)
    server = {"psks": (KEY,), "cipher_suites12": rsa}  # its key is on a curve
    settled(pair12(client={"psks": (KEY,)}, server=server).handshake())


def test_tls_1_3_is_still_better():
    both = {"versions": BOTH}
    pair = pair12(client=ALONE | both, server=WITHOUT | both).handshake()
    assert pair.client.connection.established.suite.code not in TLS12_SUITES
    assert pair.client.connection.established.psk is PskKind.EXTERNAL


@pytest.mark.parametrize("client", [{}, {"psks": (KEY,), "psk_modes": ()}], ids=["none", "off"])
def test_without_keys_no_such_suite_is_offered(client):
    offered = []
    pair = pair12(client=client, server={"psks": (KEY,)})
    lie(pair, "to server", swap(ClientHello, lambda hello: offered.append(hello) or hello))
    pair.handshake()
    assert offered[0].cipher_suites == SIGNED_SUITES


def test_without_a_verifier_no_other_is():
    offered = []
    pair = pair12(client=ALONE, server=WITHOUT)
    look = swap(ClientHello, lambda hello: offered.append(hello) or hello)
    lie(pair, "to server", look, psk=True).handshake()
    assert offered[0].cipher_suites == PSK_SUITES
    assert offered[0].extensions.get(PreSharedKeyClientHello) is None  # that is TLS 1.3's


def test_a_server_without_keys_has_nothing_for_such_a_client():
    with pytest.raises(NegotiationError, match="cipher suite in common"):
        pair12(client=ALONE).handshake()


def test_a_client_with_keys_alone_takes_no_certificate():
    """Else any server could show one, and nobody would judge it."""
    pair = pair12(client=ALONE, server=WITHOUT)
    wrong = SIGNED_SUITES[0]
    change = swap(ServerHello, lambda hello: replace(hello, cipher_suite=wrong))
    with pytest.raises(IllegalParameter, match="of ours"):
        lie(pair, "to client", change, psk=True).handshake()


@pytest.mark.parametrize("message", [Certificate12(()), CertificateRequest12((64,), (0x0403,))])
def test_no_certificates_and_no_request_for_them(message):
    pair = pair12(client=ALONE, server=WITHOUT)

    pair.client.connection.start()
    pair.server.connection.start()
    pair.client.settle()
    pair.server.receive(pair.client.connection.data_to_send())
    pair.server.settle()
    flight = pair.server.connection.data_to_send()
    hello_length = 4 + int.from_bytes(flight[6:9], "big")
    hello, rest = flight[5 : 5 + hello_length], flight[5 + hello_length :]
    pair.client.receive(record(22, hello + encode_handshake(message) + rest))
    assert isinstance(pair.client.error, UnexpectedMessage)


def test_a_server_that_wants_certificates_asks_for_none_here():
    server = WITHOUT | {"client_auth": ClientAuth.REQUIRE}
    settled(pair12("alice", client=ALONE, server=server).handshake())


# --- sessions


def come_back(session, client, server):
    pair = pair12(client=client, server=server)
    config = replace(pair.client.connection.config, random=counting_random("another client"))
    pair.client.connection = Connection(config, "server.example", session=session)
    return pair


@pytest.mark.parametrize("kind", ["ticket", "session ID"])
def test_a_session_is_resumed_for_as_long_as_both_have_the_key(kind):
    lookup = Lookup(KEY)
    server = {"credentials": (), "psk_lookup": lookup, "ticket_keys": Sealer()}
    if kind == "session ID":
        server |= {"sessions12": SessionCache12(), "tickets12": False}
    session = settled(pair12(client=ALONE, server=server).handshake())[0].session12
    assert Session12.decode(session.encode()) == session
    for _ in range(2):
        pair = come_back(session, ALONE, server).handshake()
        for end in (pair.client.connection, pair.server.connection):
            assert end.established.resumed
            assert end.established.psk is None
            assert end.established.psk_identity == KEY.identity
            assert end.peer_identity is None
        session = pair.client.connection.session12
    # a client that lost the key, or has another, offers nothing
    for psks in ((OTHER,), ()):
        both = {"psks": psks, "verifier": the_ca().verifier()}
        pair = come_back(session, both, {"psks": (OTHER,), "ticket_keys": server["ticket_keys"]})
        assert not pair.handshake().client.connection.established.resumed
    # and a server from which it was withdrawn resumes nothing
    del lookup.psks[KEY.identity]
    pair = come_back(session, ALONE, server)
    with pytest.raises((AlertReceived, TLSError)):
        pair.handshake()
    assert pair.server.connection.established is None


def test_a_server_that_requires_certificates_takes_the_key_for_a_proof():
    server = WITHOUT | {"client_auth": ClientAuth.REQUIRE, "ticket_keys": Sealer()}
    server |= {"verifier": the_ca().verifier()}
    session = settled(pair12(client=ALONE, server=server).handshake())[0].session12
    assert come_back(session, ALONE, server).handshake().server.connection.established.resumed


# --- the server's hint (RFC 4279 sections 2 and 5.2)


HINTED = WITHOUT | {"psks": (KEY, OTHER), "psk_identity_hint": b"plant 8"}


def test_a_hint_is_told_and_the_favourite_is_taken():
    pair = pair12(client=ALONE, server=HINTED).handshake()
    client, server = settled(pair)
    assert client.established.psk_identity_hint == b"plant 8"
    assert server.established.psk_identity_hint is None
    pair = pair12(client=ALONE, server=WITHOUT).handshake()
    assert pair.client.connection.established.psk_identity_hint is None


def asked_by_hint(answer, client=None):
    pair = pair12(client=client or ALONE | {"psks": (KEY, OTHER)}, server=HINTED)
    pair.client.hold = lambda question: isinstance(question.subject, ChoosePsk)
    pair.client.connection.start()
    pair.move()
    (question,) = pair.client.held_questions
    assert question.subject == ChoosePsk((KEY, OTHER), b"plant 8")
    give(pair.client, question, answer)
    pair.move()
    return pair


def test_the_owner_chooses_by_the_hint():
    pair = asked_by_hint(OTHER)
    assert pair.client.error is pair.server.error is None
    assert pair.server.connection.established.psk_identity == OTHER.identity


@pytest.mark.parametrize("answer", [None, b"sensor8"])
def test_no_key_for_the_hint_ends_it(answer):
    pair = asked_by_hint(answer)
    assert isinstance(pair.client.error, NegotiationError)
    assert pair.server.error.received == Alert.handshake_failure


def test_a_hint_has_a_length():
    with pytest.raises(UsageError, match="psk_identity_hint has more than"):
        pair12(client=ALONE, server=WITHOUT | {"psk_identity_hint": bytes(65536)})


# --- imported keys are for TLS 1.3 alone (RFC 9258)


def test_an_imported_key_is_of_no_use_here():
    imported = import_psk(KEY.identity, KEY.key)
    both = {"psks": imported, "verifier": None, "versions": BOTH}
    client = client_config(**both)
    assert not set(PSK_SUITES) & set(offered_suites(client))
    # nor for a client that names it all the same
    stolen = replace(imported[0], is_imported=False)
    pair = pair12(
        client={"psks": (stolen,), "verifier": None}, server=WITHOUT | {"psks": (KEY, *imported)}
    )
    with pytest.raises((AlertReceived, TLSError)):
        pair.handshake()
    assert pair.server.connection.established is None


def test_a_group_that_was_not_offered():
    client = ALONE | {"groups": (NamedGroup.x25519,)}
    pair = pair12(client=client, server=WITHOUT)

    x25519, p256 = bytes.fromhex("03001d20"), bytes.fromhex("03001720")
    pair.tamper = lambda _, data: data.replace(x25519, p256)
    with pytest.raises(IllegalParameter, match="ServerKeyExchange: expected a group of ours"):
        pair.handshake()


def test_a_client_needs_a_verifier_or_a_key_that_it_can_use():
    with pytest.raises(UsageError, match="any server would do"):
        ClientConfig(psks=(KEY,), versions=(0x0303,), cipher_suites12=SIGNED_SUITES)


def test_keys_do_not_show():
    pair = pair12(client=ALONE, server=WITHOUT).handshake()
    ends = (pair.client.connection, pair.server.connection)
    shown = repr([(end, end.config, end.established) for end in ends])
    assert repr(KEY.key)[2:-1] not in shown
    assert KEY.key.hex() not in shown
