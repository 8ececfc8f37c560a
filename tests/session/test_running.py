"""What runs once a session has begun: calls that stop and go on, and how it begins."""

from __future__ import annotations

import contextlib
import inspect
from dataclasses import replace
from functools import partial

import pytest

from benches.counts import calls
from postshake.session import Again, CertificateCredentials, Session, SessionError, codes
from postshake.session import constants as c
from postshake.session import session as module
from postshake.session.running import ResumableCalls
from postshake.session.session_data import read_session_data, write_session_data
from tests.session.ends import Pair, Pipe, Setup, certificate, driver_of, settings_of

KEY = bytes(range(64))


def whole(**fields):
    pair = Pair("ours-ours", Setup(certificates=[certificate("alice")], **fields)).handshake()
    pair.read_tickets()
    return pair


def test_what_a_call_sends_is_queued_once():
    pair = whole()
    driver = driver_of(pair.client.it)
    resumable = ResumableCalls(driver)
    begun: list[None] = []

    def begin():
        begun.append(None)
        driver.connection.send_data(b"once")
        return 4

    pair.up.room = 3
    for _ in range(3):
        with pytest.raises(Again):
            resumable.run("a call", begin)
        assert resumable
        assert resumable.begun("a call")
        assert not resumable.begun("another")
    pair.up.room = None
    assert resumable.run("a call", begin) == 4
    assert not resumable
    assert len(begun) == 1
    assert pair.server.recv_until() == b"once"


def test_a_call_that_cannot_begin_leaves_nothing_behind():
    pair = whole()
    resumable = ResumableCalls(driver_of(pair.server.it))
    for _ in range(2):
        with pytest.raises(SessionError) as caught:
            resumable.run("a call", lambda: driver_of(pair.server.it).connection.send_tickets(0))
        assert caught.value.code == codes.E_INVALID_REQUEST
        assert not resumable
    assert pair.data_flows()


def early_client():
    """A client with early data to send."""
    server = Setup(
        flags=c.ENABLE_EARLY_DATA | c.NO_REPLAY_PROTECTION, ticket_key=KEY
    )  # fmt: skip
    client = Setup(flags=c.ENABLE_EARLY_DATA)
    pair = Pair("ours-ours", client, server).handshake()
    pair.read_tickets()
    again = Pair("ours-ours", replace(client, data=pair.client.get_data()), server)
    assert again.client.early_send(b"early") == 0
    return again


def test_early_data_that_cannot_leave_is_told_of_with_a_code_however_often():
    """The name was set after it, and the ticket is another server's."""
    pair = early_client()
    pair.client.it.server_name_set("another.example")
    for _ in range(2):
        with pytest.raises(SessionError) as caught:
            pair.client.it.handshake()
        assert caught.value.code == codes.E_INVALID_REQUEST
    assert not pair.up.writes
    pair.client.it.alert_send_appropriate(caught.value)
    assert pair.up.writes, "whoever waits for us can be told"


def test_early_data_is_sent_once_however_often_the_handshake_stops():
    pair = early_client()
    pair.up.room = 10
    for _ in range(3):
        assert pair.client.handshake() == codes.E_AGAIN
        pair.up.room = 10
    pair.up.room = None
    pair.handshake()
    assert pair.server.early_recv() == b"early"
    assert pair.server.early_recv() == codes.E_REQUESTED_DATA_NOT_AVAILABLE


def test_a_session_is_one_class_in_one_file():
    assert Session.__mro__ == (Session, object)
    public = [name for name in vars(Session) if not name.startswith("_")]
    assert "reauth" in public
    for name in public:
        method = getattr(Session, name)
        assert inspect.getdoc(method), name
        assert inspect.getsourcefile(method) == module.__file__, name


def test_parts_have_no_room_for_what_they_do_not_name():
    session = whole().client.it
    running = session._running
    for part in (
        settings_of(session), session._verification, running, running.driver, running.calls,
        running.handshake, running.client_reauth,
    ):  # fmt: skip
        assert not hasattr(part, "__dict__"), part


def test_a_record_costs_what_it_costs():
    """Calls of our own functions, both ends and the transport's; a limit near the count."""
    sessions = []
    for role, name, purpose in (
        (c.CLIENT, "alice", "client"),
        (c.SERVER, "server.example", "server"),
    ):
        session = Session(role)
        found = CertificateCredentials()
        found.set_x509_key(certificate(name, purpose).credential())
        session.credentials_set(found)
        sessions.append(session)
    client, server = sessions
    up, down = Pipe(), Pipe()
    client.transport_set_functions(partial(up.push, None), partial(down.pull, None))
    server.transport_set_functions(partial(down.push, None), partial(up.pull, None))
    for session in (client, server, client, server):
        with contextlib.suppress(Again):
            session.handshake()
    assert server.protocol_get_version() == c.TLS1_3

    def one_record():
        server.record_send(b"x" * 1000)
        assert client.record_recv() == b"x" * 1000

    assert 45 <= calls(one_record) <= 48


def test_session_data_is_read_as_it_was_written():
    pair = early_client()
    data = settings_of(pair.client.it).session_data
    assert write_session_data(read_session_data(data, "server.example")) == data
    assert read_session_data(data, "another.example") is None
