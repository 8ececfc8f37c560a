"""Session in Python's words: exceptions, sockets, timeouts, and what the scenarios do not reach."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

import pytest

from postshake.config import AuthRequest, Config
from postshake.constants import AlertDescription
from postshake.errors import require
from postshake.pki.credential import Credential
from postshake.protocol import client_hello
from postshake.questions import JudgePeer
from postshake.record.limits import Limits
from postshake.session import (
    CLIENT,
    POST_HANDSHAKE_AUTH,
    SERVER,
    Again,
    CertificateCredentials,
    GotApplicationData,
    Interrupted,
    ReauthRequest,
    Session,
    SessionError,
    codes,
)
from postshake.session import constants as c
from postshake.session.transport import Transport
from postshake.wire.extensions import UnknownExtension
from tests.pair import Clock
from tests.session.ends import (
    PRIORITY,
    Pair,
    Pipe,
    Setup,
    authority,
    certificate,
    driver_of,
    pairings,
    settings_of,
)
from tests.waiting import PATIENCE

TIMEOUT = PATIENCE
TRUSTED = [authority().certificate]


def credentials(*names, purpose="client"):
    found = CertificateCredentials()
    found.set_x509_trust(TRUSTED)
    for name in names:
        found.set_x509_key(certificate(name, purpose).credential())
    return found


def client_session(*names, flags=POST_HANDSHAKE_AUTH, **options):
    session = Session(CLIENT | flags, **options)
    session.credentials_set(credentials(*names))
    session.server_name_set("server.example")
    session.set_verify_cert("server.example")
    return session


def server_session(flags=POST_HANDSHAKE_AUTH, **options):
    session = Session(SERVER | flags, **options)
    session.credentials_set(credentials("server.example", purpose="server"))
    return session


def joined(client, server):
    """Join two sessions in memory."""
    up, down = Pipe(), Pipe()
    client.transport_set_functions(lambda data: up.push(None, data), lambda n: down.pull(None, n))
    server.transport_set_functions(lambda data: down.push(None, data), lambda n: up.pull(None, n))
    return client, server


def shaken(client, server):
    joined(client, server)
    left = [client, server]
    for _ in range(4):
        for session in tuple(left):
            with contextlib.suppress(Again):
                session.handshake()
                left.remove(session)
    assert not left
    return client, server


def until_again(call):
    """What a call returns, until it would block."""
    with contextlib.suppress(Again):
        while True:
            yield call()


def failed(code, function, *arguments):
    with pytest.raises(SessionError) as caught:
        function(*arguments)
    assert caught.value.code == code, caught.value
    return caught.value


# --- over sockets


@pytest.fixture
def sockets():
    pair = socket.socketpair()
    for sock in pair:
        sock.settimeout(PATIENCE)
        sock.settimeout(TIMEOUT)
    yield pair
    for sock in pair:
        sock.close()


def in_thread(function):
    """Run a function beside the test; what it raises is raised by the answer."""
    caught = []

    def run():
        try:
            function()
        except BaseException as error:
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()

    def finish():
        thread.join(PATIENCE)
        assert not thread.is_alive()
        for error in caught:
            raise error

    return finish


@pytest.mark.parametrize("flags", [0, c.AUTO_REAUTH])
def test_the_manual_pages_example_over_blocking_sockets(sockets, flags):
    ours, theirs = sockets

    def be_client():
        session = client_session("alice", flags=POST_HANDSHAKE_AUTH | flags)
        session.transport_set(theirs)
        session.handshake()
        session.record_send(b"GET /admin")
        while True:
            try:
                data = session.record_recv()
            except ReauthRequest:
                session.record_send(b"wait")
                session.reauth()
            except Again:
                continue
            else:
                break
        assert data == b"hello alice"
        session.bye()

    finish = in_thread(be_client)
    session = server_session()
    session.transport_set(ours)
    session.handshake()
    assert session.record_recv(65536) == b"GET /admin"
    assert session.get_flags() & c.SFLAGS_POST_HANDSHAKE_AUTH
    session.certificate_server_set_request(c.CERT_REQUIRE)
    session.set_verify_cert()
    unauthenticated = b""
    while True:
        try:
            session.reauth()
            break
        except GotApplicationData:
            unauthenticated += session.record_recv(65536)
    assert unauthenticated == (b"" if flags else b"wait")
    assert session.certificate_get_peers() == certificate("alice").chain
    assert session.record_send(b"hello alice") == 11
    session.bye()
    finish()


def test_a_socket_that_does_not_block(sockets):
    ours, theirs = sockets
    ours.setblocking(False)
    theirs.setblocking(False)
    client, server = client_session(), server_session()
    client.transport_set(theirs)
    server.transport_set(ours)
    assert client.transport_get() is theirs
    for session in (client, server):
        with pytest.raises(Again):
            session.handshake()
    client.handshake()
    server.handshake()
    with pytest.raises(Again):
        server.record_recv()
    assert server.record_get_direction() == 0
    sent = sum(until_again(lambda: server.record_send(bytes(16384))))
    assert server.record_get_direction() == 1
    received = 0
    while received < sent:
        received += len(client.record_recv())
    assert server.record_send(bytes(16384)) == 16384  # the one that was taken
    received += sum(map(len, until_again(client.record_recv)))
    assert received == sent + 16384


def test_time_limits(sockets):
    ours, theirs = sockets
    ours.settimeout(0.05)
    server = server_session()
    server.transport_set(ours)
    failed(codes.E_TIMEDOUT, server.handshake)
    ours.settimeout(PATIENCE)
    server.handshake_set_timeout(50)
    failed(codes.E_TIMEDOUT, server.handshake)
    server.handshake_set_timeout(0)
    client = client_session("alice")
    client.transport_set(theirs)
    finish = in_thread(client.handshake)
    server.handshake()  # nothing was lost
    finish()
    server.record_set_timeout(50)
    failed(codes.E_TIMEDOUT, server.record_recv)
    assert ours.gettimeout() == PATIENCE
    client.record_send(b"late")
    assert server.record_recv() == b"late"
    server.certificate_server_set_request(c.CERT_REQUIRE)
    ours.settimeout(0.05)
    failed(codes.E_TIMEDOUT, server.reauth)  # the transport's own limit holds for it too
    ours.settimeout(PATIENCE)
    with pytest.raises(ReauthRequest):
        client.record_recv()
    client.reauth()
    server.reauth()


def test_a_handshake_has_one_time_limit_however_the_peer_trickles(sockets):
    """As in GnuTLS: of the whole handshake, not of each wait."""
    ours, theirs = sockets
    server = server_session()
    server.transport_set(ours)
    server.handshake_set_timeout(300)
    client = client_session("alice")
    pushed = []
    client.transport_set_functions(lambda data: pushed.append(bytes(data)) or len(data), again)
    failed(codes.E_AGAIN, client.handshake)
    over = threading.Event()

    def trickle():
        for byte in b"".join(pushed)[:-1]:
            if over.wait(0.02):
                return
            theirs.send(bytes((byte,)))

    finish = in_thread(trickle)
    before = time.monotonic()
    failed(codes.E_TIMEDOUT, server.handshake)
    assert time.monotonic() - before > 0.25
    assert not over.is_set()
    over.set()
    finish()
    failed(codes.E_TIMEDOUT, server.handshake)  # nor does calling it again give more time
    assert ours.gettimeout() == TIMEOUT


def again(size):
    raise BlockingIOError


def test_the_time_limit_holds_for_functions_and_calls_that_do_not_block():
    clock = Clock()
    server = Session(c.SERVER, config=Config(clock=clock))
    server.credentials_set(settings_of(server_session()).certificates)
    server.transport_set_functions(len, again)
    server.handshake_set_timeout(c.DEFAULT_HANDSHAKE_TIMEOUT)
    failed(codes.E_AGAIN, server.handshake)
    clock.now += 39
    failed(codes.E_AGAIN, server.handshake)
    clock.now += 2
    failed(codes.E_TIMEDOUT, server.handshake)
    server.handshake_set_timeout(c.INDEFINITE_TIMEOUT)
    failed(codes.E_AGAIN, server.handshake)
    clock.now += 10**6
    failed(codes.E_AGAIN, server.handshake)


def test_record_recv_has_one_time_limit_however_the_peer_trickles(sockets):
    ours, theirs = sockets
    client, server = client_session(), server_session()
    client.transport_set(theirs)
    server.transport_set(ours)
    finish = in_thread(client.handshake)
    server.handshake()
    finish()
    kept = []
    client.transport_set_functions(lambda data: kept.append(bytes(data)) or len(data), again)
    client.record_send(b"slowly")
    record = b"".join(kept)
    server.record_set_timeout(200)
    over = threading.Event()

    def trickle():
        for byte in record[:-1]:
            if over.wait(0.02):
                return
            theirs.send(bytes((byte,)))

    finish = in_thread(trickle)
    failed(codes.E_TIMEDOUT, server.record_recv)
    over.set()
    finish()
    assert ours.gettimeout() == TIMEOUT


def test_much_that_waits_to_be_pushed_is_pushed_in_order():
    """Each piece is kept as it was queued: to join them again and again would be quadratic."""
    taken = bytearray()
    stuck = True

    def push(data):
        if stuck:
            raise BlockingIOError
        size = min(3, len(data))
        taken.extend(data[:size])
        return size

    transport = Transport()
    transport.set_functions(push, again)
    for number in range(1000):
        transport.queue(b"%03d " % number)
    transport.queue(b"")
    with pytest.raises(Again):
        transport.flush()
    assert transport.pending
    stuck = False
    transport.flush()
    assert taken == b"".join(b"%03d " % number for number in range(1000))
    assert not transport.pending


def test_a_transport_that_breaks(sockets):
    client, server = shaken(client_session(), server_session())

    def broken(argument):
        raise OSError(5, "no disk, no wire")

    server.transport_set_functions(broken, broken)
    failed(codes.E_PULL_ERROR, server.record_recv)
    failed(codes.E_INVALID_SESSION, server.record_recv)
    client.transport_set_functions(broken, broken)
    failed(codes.E_PUSH_ERROR, client.record_send, b"data")

    def reset(argument):
        raise ConnectionResetError

    other = client_session()
    failed(codes.E_INVALID_REQUEST, other.handshake)  # no transport, so far
    other.transport_set_functions(reset, reset)
    failed(codes.E_PREMATURE_TERMINATION, other.handshake)


def test_functions_may_return_none_for_would_block():
    client, _ = joined(client_session(), server_session())
    client.transport_set_functions(lambda data: None, lambda size: None)
    with pytest.raises(Again):
        client.handshake()
    assert client.record_get_direction() == 1


def test_what_is_no_tls_is_found_out_at_once():
    server = server_session()
    answers = [b"GET /", b" HTTP/1.1\r\n"]
    server.transport_set_functions(len, lambda size: answers.pop(0)[:size])
    error = failed(codes.E_UNEXPECTED_PACKET_LENGTH, server.handshake)
    assert "HTTP" in str(error)


# --- before the handshake


@pytest.mark.parametrize("flags", [0, CLIENT | SERVER])
def test_either_client_or_server(flags):
    failed(codes.E_INVALID_REQUEST, Session, flags)


@pytest.mark.parametrize("flag", [c.DATAGRAM, c.ENABLE_RAWPK])
def test_what_there_is_not(flag):
    failed(codes.E_UNIMPLEMENTED_FEATURE, Session, CLIENT | flag)


def test_calls_that_are_too_early():
    session = client_session("alice")
    early = codes.E_UNAVAILABLE_DURING_HANDSHAKE
    failed(early, session.reauth)
    failed(early, session.record_send, b"x")
    failed(early, session.record_recv)
    failed(early, session.key_update)
    failed(early, session.prf_rfc5705, b"EXPORTER-x", b"", 32)
    failed(codes.E_CHANNEL_BINDING_NOT_AVAILABLE, session.channel_binding, c.CB_TLS_EXPORTER)
    failed(codes.E_INVALID_REQUEST, session.bye)
    failed(codes.E_INVALID_REQUEST, session.alert_send, 2, 40)
    missing = codes.E_REQUESTED_DATA_NOT_AVAILABLE
    failed(missing, session.server_name_get)
    failed(missing, session.alpn_get_selected_protocol)
    failed(codes.E_NO_CERTIFICATE_FOUND, session.certificate_verify_peers)
    assert session.certificate_get_peers() is None
    assert session.certificate_get_ours() is None
    assert session.get_flags() == session.record_check_pending() == session.alert_get() == 0
    assert session.protocol_get_version() == c.VERSION_UNKNOWN
    assert session.get_verify_cert_status() == c.CERT_STATUS_UNKNOWN
    session.alert_send_appropriate(codes.E_INTERNAL_ERROR)  # there is nobody to tell
    assert "new" in repr(session)


def test_servers_need_certificates():
    session = Session(SERVER)
    failed(codes.E_INSUFFICIENT_CREDENTIALS, session.handshake)
    session.credentials_set(CertificateCredentials())
    failed(codes.E_INSUFFICIENT_CREDENTIALS, session.handshake)


def test_wrong_arguments():
    session = client_session()
    failed(codes.E_RECEIVED_DISALLOWED_NAME, session.server_name_set, "no name!")
    failed(codes.E_INVALID_REQUEST, session.certificate_server_set_request, 3)
    failed(codes.E_INVALID_REQUEST, session.set_verify_cert, None, 1)
    client, server = shaken(client_session(), server_session())
    failed(codes.E_INVALID_REQUEST, client.key_update, 2)
    failed(codes.E_INVALID_REQUEST, client.bye, 2)
    failed(codes.E_INVALID_REQUEST, client.alert_send, 2, 255)
    failed(codes.E_INVALID_REQUEST, client.ticket_send)
    failed(codes.E_INVALID_REQUEST, server.ticket_send, 0)
    failed(codes.E_INVALID_REQUEST, client.prf_rfc5705, b"EXPORTER-x", b"", 0)
    assert client.record_send(b"unharmed") == 8


def test_the_configuration_gives_clocks_limits_and_randomness():
    lines: list[str] = []
    config = Config(random=lambda size: b"r" * size, keylog=lines.append, limits=Limits(tickets=1))
    client = client_session(config=config)
    shaken(client, server_session())
    assert driver_of(client).connection.established.client_random == b"r" * 32
    assert len(lines) == 5


# --- what was settled


def test_facts():
    client, server = client_session(), server_session()
    client.alpn_set_protocols(["http/1.1", b"other"])
    server.alpn_set_protocols([b"http/1.1"])
    shaken(client, server)
    assert client.protocol_get_version() == server.protocol_get_version() == c.TLS1_3
    assert server.server_name_get() == "server.example"
    assert client.alpn_get_selected_protocol() == b"http/1.1"
    assert client.channel_binding(c.CB_TLS_EXPORTER) == server.channel_binding(c.CB_TLS_EXPORTER)
    failed(codes.E_CHANNEL_BINDING_NOT_AVAILABLE, client.channel_binding, c.CB_TLS_UNIQUE)
    failed(codes.E_UNIMPLEMENTED_FEATURE, client.channel_binding, 7)
    assert client.prf_rfc5705("EXPORTER-x", b"", 20) == server.prf_rfc5705(b"EXPORTER-x", b"", 20)
    assert client.get_verify_cert_status() == 0
    assert client.certificate_get_peers() == certificate("server.example", "server").chain
    assert driver_of(client).connection.peer_identity.verified
    assert server.certificate_get_ours() == certificate("server.example", "server").der
    assert client.certificate_get_ours() is None
    assert not client.certificate_client_get_request_status()
    assert client.certificate_verify_peers("server.example") == 0
    found = client.certificate_verify_peers("other.example")
    assert found == c.CERT_INVALID | c.CERT_UNEXPECTED_OWNER == client.get_verify_cert_status()
    assert "open" in repr(client)


def test_no_application_protocol_in_common():
    client, server = client_session(), server_session()
    client.alpn_set_protocols([b"h2"])
    server.alpn_set_protocols([b"http/1.1"])
    joined(client, server)
    with pytest.raises(Again):
        client.handshake()
    error = failed(codes.E_NO_APPLICATION_PROTOCOL, server.handshake)
    server.alert_send_appropriate(error)
    failed(codes.E_FATAL_ALERT_RECEIVED, client.handshake)
    assert client.alert_get() == c.A_NO_APPLICATION_PROTOCOL


def test_reauth_is_refused_where_the_application_protocol_forbids_it():
    client, server = client_session("alice"), server_session()
    for session in (client, server):
        session.alpn_set_protocols([b"h2"])
    shaken(client, server)
    server.certificate_server_set_request(c.CERT_REQUIRE)
    failed(codes.E_INVALID_REQUEST, server.reauth)
    assert server.record_send(b"still there") == 11
    assert client.record_recv() == b"still there"


# --- data


def test_records_and_pieces_of_them():
    client, server = shaken(client_session(), server_session())
    assert client.record_send(b"") == 0
    assert client.record_send(bytes(20000)) == 16384
    assert client.record_send(memoryview(b"second")) == 6
    assert server.record_check_pending() == 0
    assert server.record_recv(16000) == bytes(16000)
    assert server.record_check_pending() == 384
    assert server.record_recv(16000) == bytes(384)  # not across the record's end
    assert server.record_recv() == b"second"
    client.record_cork()
    client.record_cork()
    assert client.record_send(b"a" * 10000) == 10000
    assert client.record_send(b"b" * 10000) == 10000
    with pytest.raises(Again):
        server.record_recv()
    assert client.record_uncork(c.RECORD_WAIT) == 20000
    assert server.record_recv() + server.record_recv() == b"a" * 10000 + b"b" * 10000
    assert client.record_uncork() == 0


def test_saying_goodbye():
    client, server = shaken(client_session(), server_session())
    client.bye(c.SHUT_WR)
    failed(codes.E_INVALID_SESSION, client.record_send, b"more")
    assert server.record_recv() == b""
    assert server.record_send(b"last words") == 10  # half closed
    server.bye()
    assert client.record_recv() == b"last words"
    assert client.record_recv() == b""
    client.bye()
    client.alert_send_appropriate(codes.E_INTERNAL_ERROR)  # too late: nothing is sent
    failed(codes.E_INVALID_REQUEST, client.alert_send, 2, 80)


def test_a_goodbye_throws_data_away_and_does_not_mind_a_lost_one():
    client, server = shaken(client_session(), server_session())
    server.record_send(b"unread")
    with pytest.raises(Again):
        client.bye()
    with pytest.raises(Again):
        client.bye()
    client.transport_set_functions(len, lambda size: b"")
    client.bye()


def test_a_stream_that_ends_without_goodbye():
    client, _ = shaken(client_session(), server_session())
    client.transport_set_functions(len, lambda size: b"")
    failed(codes.E_PREMATURE_TERMINATION, client.record_recv)
    failed(codes.E_INVALID_SESSION, client.record_recv)
    failed(codes.E_INVALID_SESSION, client.record_send, b"x")
    failed(codes.E_INVALID_SESSION, client.handshake)


def test_close_notify_in_the_handshake():
    client, server = joined(client_session(), server_session())
    with pytest.raises(Again):
        client.handshake()
    with pytest.raises(Again):
        server.handshake()
    driver_of(server).connection._engine.send_alert(AlertDescription.close_notify)
    driver_of(server).flush()
    client.transport_set_functions(lambda data: len(data), client.transport._pull)
    client.handshake()  # ours is complete before we see it
    assert client.record_recv() == b""


# --- callbacks that take time


def test_a_slow_verdict_in_the_handshake():
    answers = [codes.E_AGAIN, codes.E_INTERRUPTED, None]
    client, server = joined(client_session(), server_session())
    seen = []

    def judge(session):
        seen.append(session.certificate_get_peers())
        return answers.pop(0)

    client.set_verify_function(judge)
    with pytest.raises(Again):
        client.handshake()
    with pytest.raises(Again):
        server.handshake()
    with pytest.raises(Again):
        client.handshake()
    with pytest.raises(Interrupted):
        client.handshake()
    client.handshake()
    server.handshake()
    assert seen == [certificate("server.example", "server").chain] * 3


def test_a_refusal_in_the_handshake():
    client, server = joined(client_session(), server_session())
    client.set_verify_function(lambda session: -1)
    with pytest.raises(Again):
        client.handshake()
    with pytest.raises(Again):
        server.handshake()
    error = failed(codes.E_CERTIFICATE_ERROR, client.handshake)
    failed(codes.E_INVALID_SESSION, client.handshake)
    client.alert_send_appropriate(error)
    failed(codes.E_FATAL_ALERT_RECEIVED, server.handshake)
    assert server.alert_get() == c.A_BAD_CERTIFICATE


def test_a_refused_certificate_tells_the_peer_why():
    client, server = joined(client_session(), server_session())
    settings_of(client).certificates._trusted.clear()
    settings_of(client).certificates.set_x509_trust([authority("Another CA").certificate])
    with pytest.raises(Again):
        client.handshake()
    with pytest.raises(Again):
        server.handshake()
    error = failed(codes.E_CERTIFICATE_VERIFICATION_ERROR, client.handshake)
    assert error.alert == AlertDescription.unknown_ca
    client.alert_send_appropriate(error)
    failed(codes.E_FATAL_ALERT_RECEIVED, server.handshake)
    assert server.alert_get() == c.A_UNKNOWN_CA


def test_exceptions_of_callbacks_come_through_and_do_no_harm():
    client, server = shaken(client_session("alice"), server_session())
    server.certificate_server_set_request(c.CERT_REQUIRE)

    def confused(session):
        raise LookupError("where is the database?")

    server.set_verify_function(confused)
    with pytest.raises(Again):
        server.reauth()
    with pytest.raises(ReauthRequest):
        client.record_recv()
    client.reauth()
    with pytest.raises(LookupError):
        server.reauth()
    server.set_verify_function(None)
    server.reauth()
    assert server.certificate_get_peers() == certificate("alice").chain


def test_a_retrieve_function_chooses_and_may_take_its_time():
    client, server = shaken(client_session(), server_session())
    alice = certificate("alice").credential()
    answers = [codes.E_AGAIN, alice]
    requests = []

    def retrieve(session, request):
        requests.append(request)
        return answers.pop(0)

    settings_of(client).certificates.set_retrieve_function(retrieve)
    server.certificate_server_set_request(c.CERT_REQUIRE)
    with pytest.raises(Again):
        server.reauth()
    with pytest.raises(ReauthRequest):
        client.record_recv()
    with pytest.raises(Again):
        client.reauth()
    client.reauth()
    server.reauth()
    assert server.certificate_get_peers() == certificate("alice").chain
    assert requests[0] == requests[1]
    assert requests[0].post_handshake
    assert requests[0].authorities == (authority().name,)


@pytest.mark.parametrize("answer", [-1, "alice", codes.E_INTERNAL_ERROR])
def test_a_retrieve_function_that_fails(answer):
    client, server = shaken(client_session(), server_session())
    settings_of(client).certificates.set_retrieve_function(lambda session, request: answer)
    server.certificate_server_set_request(c.CERT_REQUIRE)
    with pytest.raises(Again):
        server.reauth()
    with pytest.raises(ReauthRequest):
        client.record_recv()
    failed(codes.E_USER_ERROR, client.reauth)
    failed(codes.E_INVALID_SESSION, client.reauth)
    client.alert_send_appropriate(codes.E_USER_ERROR)  # user_canceled, which says nothing
    client.bye(c.SHUT_WR)
    failed(codes.E_SESSION_EOF, server.reauth)


def test_a_server_that_chooses_by_name():
    server = Session(SERVER)
    found = CertificateCredentials()
    server.credentials_set(found)
    names = []

    def retrieve(session, request):
        names.append(request.server_name)
        return certificate("server.example", "server").credential()

    found.set_retrieve_function(retrieve)
    shaken(client_session(), server)
    assert names == ["server.example"]


class Token:
    """A signer that answers as it is told to."""

    def __init__(self, *answers):
        self.key = certificate("alice").credential().signer
        self.public_key, self.schemes = self.key.public_key, self.key.schemes
        self.answers = list(answers)

    def sign(self, scheme, data):
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return self.key.sign(scheme, data) if answer == "sign" else answer


def asked_with(token):
    client, server = shaken(client_session(), server_session())
    settings_of(client).certificates.set_x509_key(Credential(certificate("alice").chain, token))
    server.certificate_server_set_request(c.CERT_REQUIRE)
    with pytest.raises(Again):
        server.reauth()
    with pytest.raises(ReauthRequest):
        client.record_recv()
    return client, server


def test_a_slow_token():
    client, server = asked_with(Token(BlockingIOError(), InterruptedError(), Again(), "sign"))
    for kind in (Again, Interrupted, Again):
        with pytest.raises(kind):
            client.reauth()
        assert client.record_send(b"meanwhile") == 9
    client.reauth()
    for _ in range(3):
        with pytest.raises(GotApplicationData):
            server.reauth()
        assert server.record_recv() == b"meanwhile"
    server.reauth()


async def later():
    raise AssertionError("nobody waits for it")


@pytest.mark.parametrize("answer", [RuntimeError("token pulled out"), "coroutine"])
def test_a_token_that_fails_may_be_tried_again(answer):
    answer = later() if answer == "coroutine" else answer
    client, server = asked_with(Token(answer, "sign"))
    failed(codes.E_PK_SIGN_FAILED, client.reauth)
    client.reauth()
    server.reauth()
    assert server.certificate_get_peers() == certificate("alice").chain


def test_a_token_that_gives_no_signature_ends_the_session():
    client, _ = asked_with(Token("not bytes"))
    failed(codes.E_INTERNAL_ERROR, client.reauth)
    failed(codes.E_INVALID_SESSION, client.reauth)


# --- several requests, from a server that is no Session


def test_every_request_is_reported_and_answered_in_its_turn():
    pair = Pair("ours-ours", Setup(certificates=[certificate("alice")])).handshake()
    driver = driver_of(pair.server.it)
    verifier = authority().verifier()
    first, second = (
        driver.connection.request_auth(AuthRequest(verifier=verifier)) for _ in range(2)
    )
    driver.flush()
    client = pair.client.it
    for _ in range(2):
        with pytest.raises(ReauthRequest):
            client.record_recv()
    client.reauth()
    client.reauth()
    failed(codes.E_INVALID_REQUEST, client.reauth)
    for context in (first, second):
        while not driver.questions:
            with pytest.raises(Again):
                pair.server.it.record_recv()
        question = driver.questions[0]
        subject = require(JudgePeer, question.subject)
        assert subject.context == context
        driver.answer(question, verifier.verify(subject.peer))


def test_help_reads_like_the_manual_page():
    text = " ".join((Session.reauth.__doc__ or "").split())
    for phrase in (
        "server** asks", "client** answers", "What is not fatal", "GotApplicationData",
        "has not authenticated yet", "E_INVALID_REQUEST", "set_verify_cert",
        "certificate_server_set_request", "pre-shared key", "SFLAGS_POST_HANDSHAKE_AUTH",
        "AUTO_REAUTH", "Again", "Interrupted",
    ):  # fmt: skip
        assert phrase in text, phrase


def test_priorities_of_the_session():
    client = client_session()
    client.priority_set_direct(PRIORITY)
    failed(codes.E_INVALID_REQUEST, client.priority_set_direct, "NORMAL:+WHAT")
    shaken(client, server_session())


# --- corners


def asked(client, server, mode=c.CERT_REQUIRE):
    server.certificate_server_set_request(mode)
    with pytest.raises(Again):
        server.reauth()
    with pytest.raises(ReauthRequest):
        client.record_recv()


def test_a_corked_message_that_does_not_leave_at_once():
    client, server = shaken(client_session(), server_session())
    pipe = client.transport._push.__closure__[0].cell_contents
    client.record_cork()
    client.record_send(bytes(40000))
    pipe.room = 100
    with pytest.raises(Again):
        client.record_uncork()
    pipe.room = None
    assert client.record_uncork() == 40000
    assert sum(map(len, until_again(server.record_recv))) == 40000


def test_a_clients_certificate_may_have_to_be_for_a_name():
    client, server = shaken(client_session("alice"), server_session())
    server.set_verify_cert("alice.example")
    asked(client, server)
    client.reauth()
    failed(codes.E_CERTIFICATE_VERIFICATION_ERROR, server.reauth)
    assert server.get_verify_cert_status() == c.CERT_INVALID | c.CERT_UNEXPECTED_OWNER
    assert server.certificate_get_peers() is None


def test_a_certificate_without_key_usage_will_do():
    plain = certificate("plain", usage=None)
    client, server = shaken(client_session(), server_session())
    settings_of(client).certificates.set_x509_key(plain.credential())
    server.set_verify_cert()
    asked(client, server)
    client.reauth()
    server.reauth()
    assert server.certificate_get_peers() == plain.chain


def test_an_asynchronous_verifier_is_no_use():
    class Later:
        async def verify(self, peer):
            raise AssertionError("nobody waits for it")

    client, server = shaken(client_session("alice"), server_session())
    settings_of(server).certificates.set_verifier(Later())
    server.set_verify_cert()
    asked(client, server)
    client.reauth()
    failed(codes.E_UNIMPLEMENTED_FEATURE, server.reauth)


def test_a_client_without_credentials_declines_in_the_handshake():
    client, server = Session(CLIENT), server_session()
    server.certificate_server_set_request(c.CERT_REQUEST)
    seen = []
    server.set_verify_function(lambda session: seen.append(session.certificate_get_peers()))
    shaken(client, server)
    assert seen == [None]
    assert client.certificate_client_get_request_status()
    failed(codes.E_NO_CERTIFICATE_FOUND, server.certificate_verify_peers)
    failed(codes.E_INSUFFICIENT_CREDENTIALS, client.certificate_verify_peers)


def test_a_client_that_lost_its_credentials_is_told_so_and_unharmed():
    client, server = shaken(client_session("alice"), server_session())
    asked(client, server)
    lost, settings_of(client).certificates = settings_of(client).certificates, None
    failed(codes.E_INSUFFICIENT_CREDENTIALS, client.reauth)
    client.credentials_set(lost)
    client.reauth()
    server.reauth()


def test_after_its_goodbye_a_client_cannot_answer():
    client, server = shaken(client_session("alice"), server_session())
    asked(client, server)
    client.bye(c.SHUT_WR)
    failed(codes.E_INVALID_REQUEST, client.reauth)
    failed(codes.E_SESSION_EOF, server.reauth)


@pytest.mark.parametrize(
    ("option", "chosen"), [("", 0x1303), (":%SERVER_PRECEDENCE", 0x1301)], ids=["client", "server"]
)
@pairings("ours-ours", "ours-gnutls", "gnutls-ours")
def test_whose_favourite_suite_is_taken(kind, option, chosen):
    alone = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL"
    client = Setup(priority=f"{alone}:+CHACHA20-POLY1305:+AES-128-GCM")
    server = Setup(priority=f"{alone}:+AES-128-GCM:+CHACHA20-POLY1305{option}")
    pair = Pair(kind, client, server).handshake()
    hello = b"".join(pair.down.writes)
    at = 5 + 4 + 2 + 32
    at += 1 + hello[at]
    assert int.from_bytes(hello[at : at + 2]) == chosen


@pairings("ours-ours", "ours-gnutls", "gnutls-ours")
def test_a_fallback_that_was_not_needed(kind):
    """RFC 7507: the server could have done better."""
    old = Setup(priority="NORMAL:-VERS-ALL:+VERS-TLS1.2:%FALLBACK_SCSV")
    pair = Pair(kind, old, Setup(priority="NORMAL"))
    pair.client.handshake()
    code = pair.server.handshake()
    assert code == codes.E_INAPPROPRIATE_FALLBACK
    pair.server.alert_send_appropriate(code)
    assert pair.client.handshake() == codes.E_FATAL_ALERT_RECEIVED
    assert pair.client.alert() == AlertDescription.inappropriate_fallback


@pytest.mark.parametrize(
    ("flags", "option", "ticket"),
    [(0, "", True), (c.NO_TICKETS_TLS12, "", False), (0, ":%NO_TICKETS_TLS12", False)],
)
def test_no_tickets_in_tls12(flags, option, ticket):
    priority = f"NORMAL:-VERS-ALL:+VERS-TLS1.2{option}"
    server = Setup(flags=flags, priority=priority, ticket_key=bytes(64))
    pair = Pair("ours-ours", Setup(priority="NORMAL"), server).handshake()
    assert bool(pair.server.of("NewSessionTicket12")) is ticket


def test_peers_without_a_session_hash_can_be_refused(monkeypatch):
    unknown = UnknownExtension(0x1234, b"")
    monkeypatch.setattr(client_hello, "ExtendedMasterSecret", lambda: unknown)
    priority = "NORMAL:-VERS-ALL:+VERS-TLS1.2"
    for option, expected in (("", (0, 0)), (":%FORCE_SESSION_HASH", None)):
        pair = Pair("ours-ours", Setup(priority=priority), Setup(priority=priority + option))
        answers = pair.run(pair.client.handshake, pair.server.handshake)
        assert answers == expected if expected else answers[1] < 0
