"""Scenarios 1 to 26: what a reauth does when all goes as it should, or the client declines."""

from __future__ import annotations

import random
import socket
import ssl
import threading

import pytest
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from postshake.constants import SignatureScheme
from postshake.pki.credential import Credential
from postshake.session import (
    POST_HANDSHAKE_AUTH,
    SERVER,
    Again,
    CertificateCredentials,
    Session,
    codes,
)
from postshake.session import constants as c
from tests.session.ends import (
    AGAIN,
    Pair,
    Setup,
    authority,
    certificate,
    flip,
    hello_extensions,
    pairings,
    tamper,
)
from tests.waiting import PATIENCE

ALICE = ("alice",)
POST_HANDSHAKE_AUTH_EXTENSION = 49


def with_alice(**fields):
    return Setup(certificates=[certificate("alice")], **fields)


def is_alice(end):
    return end.leaf() == certificate("alice").der


@pairings()
def test_001_the_extension_is_in_client_hello_alone(kind):
    pair = Pair(kind, with_alice()).handshake()
    assert hello_extensions(pair.up.writes[0])[POST_HANDSHAKE_AUTH_EXTENSION] == b""
    assert POST_HANDSHAKE_AUTH_EXTENSION not in hello_extensions(pair.down.writes[0])


@pairings()
def test_002_the_server_sees_the_offer_in_its_flags(kind):
    pair = Pair(kind, with_alice()).handshake()
    assert pair.server.flags() & c.SFLAGS_POST_HANDSHAKE_AUTH
    assert not pair.client.flags() & c.SFLAGS_POST_HANDSHAKE_AUTH


@pairings()
def test_003_four_reauths_in_a_row(kind):
    pair = Pair(kind, with_alice()).handshake()
    for _ in range(4):
        assert pair.reauth() == (0, 0)
        assert is_alice(pair.server)


def _reauth_after_data(pair, mode):
    pair.server.request(mode)
    pair.ask()
    for byte in range(3):
        assert pair.client.send(bytes([byte])) == 1
    assert pair.client.reauth() == 0
    for byte in range(3):
        assert pair.server.reauth() == codes.E_GOT_APPLICATION_DATA
        assert pair.server.recv() == bytes([byte])
        assert pair.server.pending() == 0
    return pair.server.reauth()


@pairings()
def test_004_data_before_the_answer_is_reported_record_by_record(kind):
    pair = Pair(kind, with_alice()).handshake()
    assert _reauth_after_data(pair, c.CERT_REQUIRE) == 0
    assert is_alice(pair.server)
    for _ in range(3):
        assert pair.reauth() == (0, 0)


@pairings()
def test_005_declining_where_a_certificate_is_required(kind):
    pair = Pair(kind, Setup()).handshake()
    assert pair.reauth() == (0, codes.E_CERTIFICATE_REQUIRED)
    if pair.server.is_ours:
        assert pair.server.reauth() == codes.E_INVALID_SESSION
    assert isinstance(pair.server.recv(), int)


@pairings()
def test_006_declining_where_a_certificate_is_requested(kind):
    pair = Pair(kind, Setup()).handshake()
    assert _reauth_after_data(pair, c.CERT_REQUEST) == 0
    assert pair.server.leaf() is None
    assert pair.data_flows()


AUTO = c.POST_HANDSHAKE_AUTH | c.AUTO_REAUTH


def _auto_reauth(pair, mode):
    """A server's reauth, against a client that only receives."""
    pair.server.request(mode)
    said = []
    for _ in range(10):
        code = pair.server.reauth()
        said.append(pair.client.recv())
        if code != AGAIN:
            assert set(said) == {AGAIN}
            return code
    return AGAIN


@pairings()
def test_007_an_auto_client_only_receives(kind):
    pair = Pair(kind, with_alice(flags=AUTO)).handshake()
    for _ in range(4):
        assert _auto_reauth(pair, c.CERT_REQUIRE) == 0
    assert is_alice(pair.server)
    assert pair.server.bye(c.SHUT_WR) == 0
    assert pair.client.recv_until() == b""


@pairings()
def test_008_an_auto_client_declines_what_is_required(kind):
    pair = Pair(kind, Setup(flags=AUTO)).handshake()
    assert _auto_reauth(pair, c.CERT_REQUIRE) == codes.E_CERTIFICATE_REQUIRED
    assert pair.client.recv() == AGAIN
    pair.down.ended = True
    assert pair.client.recv() == codes.E_PREMATURE_TERMINATION


@pairings()
def test_009_an_auto_client_declines_what_is_requested(kind):
    pair = Pair(kind, Setup(flags=AUTO)).handshake()
    assert _auto_reauth(pair, c.CERT_REQUEST) == 0
    assert pair.data_flows()


@pairings()
def test_014_without_the_flag_nothing_is_offered(kind):
    pair = Pair(kind, with_alice(flags=0), Setup(flags=0)).handshake()
    pair.server.request(c.CERT_REQUIRE)
    assert POST_HANDSHAKE_AUTH_EXTENSION not in hello_extensions(pair.up.writes[0])
    assert POST_HANDSHAKE_AUTH_EXTENSION not in hello_extensions(pair.down.writes[0])
    assert not pair.server.flags() & c.SFLAGS_POST_HANDSHAKE_AUTH
    assert pair.server.reauth() == codes.E_INVALID_REQUEST
    assert pair.client.reauth() == codes.E_INVALID_REQUEST
    assert pair.data_flows()


class WeakToken:
    """A token that can make no signature that TLS 1.3 takes from its kind of key."""

    schemes = (SignatureScheme.rsa_pss_pss_sha256,)

    def __init__(self, public_key: PublicKeyTypes) -> None:
        self.public_key = public_key

    def sign(self, scheme, data):
        raise AssertionError("nobody should ask")


def _with_weak_token(end):
    issued = certificate("token", key_type="rsa2048")
    token = WeakToken(issued.certificate.public_key())
    end.credentials.it.set_x509_key(Credential(issued.chain, token))


@pairings("ours-ours", "ours-gnutls")
@pytest.mark.parametrize(
    ("mode", "code"),
    [(c.CERT_REQUIRE, codes.E_CERTIFICATE_REQUIRED), (c.CERT_REQUEST, 0)],
)
def test_015_a_key_without_a_scheme_in_common_declines(kind, mode, code):
    pair = Pair(kind, Setup(flags=AUTO, prepare=_with_weak_token)).handshake()
    assert _auto_reauth(pair, mode) == code
    assert pair.client.ours() is None


@pairings("ours-ours", "ours-gnutls")
def test_016_and_that_may_be_welcome(kind):
    pair = Pair(kind, Setup(flags=AUTO, prepare=_with_weak_token)).handshake()
    assert _auto_reauth(pair, c.CERT_REQUEST) == 0
    assert pair.data_flows()


class RandomPieces:
    """A pull function that gives a little, or nothing, as chance has it."""

    def __init__(self, pipe, seed):
        self.pipe, self.chance = pipe, random.Random(seed)

    def __call__(self, ptr, size):
        luck = self.chance.random()
        if luck < 0.2:
            raise BlockingIOError
        if luck < 0.3:
            raise InterruptedError
        return self.pipe.pull(ptr, min(size, self.chance.randrange(1, 40)))


@pairings()
@pytest.mark.parametrize("seed", range(5))
def test_020_a_splitting_transport_and_a_retrieve_function_that_declines(kind, seed, monkeypatch):
    monkeypatch.setattr("tests.session.ends.STEPS", 5000)
    asked = []

    def retrieve(session, request):
        asked.append(request)

    def prepare(end):
        end.api.gnutls_certificate_set_retrieve_function(end.credentials, retrieve)

    pair = Pair(kind, Setup(flags=AUTO, prepare=prepare))
    for end in (pair.client, pair.server):
        pull = RandomPieces(end.inbound, seed)
        end.api.gnutls_transport_set_pull_function(end.session, pull)
    pair.handshake()
    pair.server.messages.clear()
    pair.server.request(c.CERT_REQUEST)
    waiting = (AGAIN, codes.E_INTERRUPTED)
    while (code := pair.server.reauth()) in waiting:
        assert pair.client.recv() in waiting
    assert code == 0
    assert asked
    came = [name for came, name in pair.server.messages if came]
    assert came == ["Certificate", "Finished"]
    assert pair.client.send(b"data") == 4
    while (data := pair.server.recv()) in waiting:
        pass
    assert data == b"data"


def test_021_an_echo_server_reauthenticates_an_openssl_client_on_command(tmp_path):
    ours, theirs = socket.socketpair()
    ours.settimeout(PATIENCE)
    done = []

    def serve():
        credentials = CertificateCredentials()
        server = certificate("server.example", "server")
        credentials.set_x509_key(server.credential())
        credentials.set_x509_trust([authority().certificate])
        session = Session(SERVER | POST_HANDSHAKE_AUTH)
        session.credentials_set(credentials)
        session.transport_set(ours)
        session.handshake()
        session.set_verify_cert()
        session.certificate_server_set_request(c.CERT_REQUIRE)
        while True:
            try:
                line = session.record_recv()
            except Again:
                continue
            if not line:
                break
            if line.startswith(b"**REAUTH**"):
                session.reauth()
                done.append(session.certificate_get_peers())
                line = b"Successfully executed command\n"
            session.record_send(line)
        session.bye(c.SHUT_WR)

    thread = threading.Thread(target=serve)
    thread.start()
    context = ssl.create_default_context(cadata=authority().pem().decode())
    context.load_cert_chain(*certificate("alice").write(tmp_path, "alice"))
    context.post_handshake_auth = True
    with context.wrap_socket(theirs, server_hostname="server.example") as stream:
        for _ in range(2):
            stream.sendall(b"**REAUTH**\n")
            assert stream.recv(100) == b"Successfully executed command\n"
        stream.sendall(b"HELLO\n")
        assert stream.recv(100) == b"HELLO\n"
        stream.unwrap()
    thread.join(PATIENCE)
    ours.close()
    assert [chain and chain[0] for chain in done] == [certificate("alice").der] * 2


@pairings()
def test_022_without_a_reauth_there_is_no_request(kind):
    pair = Pair(kind, with_alice()).handshake()
    assert pair.data_flows()
    assert pair.client.of("CertificateRequest") == 0


@pairings()
def test_023_the_request_goes_on_after_the_answer(kind):
    pair = Pair(kind, with_alice()).handshake()
    pair.server.request(c.CERT_REQUIRE)
    pair.ask()
    assert pair.client.reauth() == 0
    assert pair.client.send(b"GET /") == 5  # at once: it is the authenticated client's
    assert pair.server.reauth() == 0
    assert is_alice(pair.server)
    assert pair.server.recv() == b"GET /"


@pairings("ours-ours", "gnutls-ours")
def test_024_a_key_update_between_request_and_answer(kind):
    pair = Pair(kind, with_alice()).handshake()
    pair.server.request(c.CERT_REQUIRE)
    pair.ask()
    assert pair.client.key_update(c.KU_PEER) == 0
    assert pair.client.reauth() == 0
    assert pair.server.reauth() == 0
    assert is_alice(pair.server)
    assert pair.data_flows()
    assert pair.server.of("KeyUpdate", incoming=False) == 1


@pairings()
@pytest.mark.parametrize(
    ("mode", "code"),
    [(c.CERT_REQUIRE, codes.E_CERTIFICATE_REQUIRED), (c.CERT_REQUEST, 0)],
)
def test_025_an_empty_answer_ends_in_an_alert_or_in_data(kind, mode, code):
    pair = Pair(kind, Setup()).handshake()
    assert pair.reauth(mode) == (0, code)
    if code:
        assert pair.server.alert_send_appropriate(code) == 0
        assert pair.client.recv_until() == codes.E_FATAL_ALERT_RECEIVED
        assert pair.client.alert() == c.A_CERTIFICATE_REQUIRED
    else:
        assert pair.data_flows()


@pairings("ours-ours", "ours-gnutls")
def test_026_a_signature_with_a_flipped_bit(kind, monkeypatch):
    pair = Pair(kind, with_alice()).handshake()
    tamper(monkeypatch, pair.client, "CertificateVerify", flip)
    code = pair.reauth()[1]
    assert code == codes.E_PK_SIG_VERIFY_FAILED
    assert pair.server.alert_send_appropriate(code) == 0
    assert pair.client.recv_until() == codes.E_FATAL_ALERT_RECEIVED
    assert pair.client.alert() == c.A_DECRYPT_ERROR
