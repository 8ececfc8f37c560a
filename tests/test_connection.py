"""The door: states, ends, alerts, limits, sizes of records, and what it calls."""

from __future__ import annotations

import gc
import weakref
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from postshake.connection import Connection, State
from postshake.constants import AlertDescription, AlertLevel, ContentType, Role
from postshake.crypto.schedule import next_traffic_secret
from postshake.errors import (
    AlertReceived,
    BadRecordMac,
    DecodeError,
    InternalError,
    MessageTooLarge,
    PostshakeError,
    ReauthUnavailable,
    RecordOverflow,
    TLSError,
    TooMuch,
    TruncationError,
    UnexpectedMessage,
    UsageError,
)
from postshake.events import HandshakeCompleted, PeerClosed
from postshake.questions import JudgePeer
from postshake.record.limits import Limits
from postshake.wire.alert import Alert
from tests.hostile import link_of, release, send_record
from tests.pair import (
    ConnectionPair,
    client_config,
    server_config,
    the_ca,
)
from tests.record.records import plain
from tests.tampering import REQUIRING, check_refusal, ends, framed, give, split_records, states

ROLES = pytest.mark.parametrize("role", list(Role), ids=lambda role: role.name)


# --- how far it has come


def test_the_states_of_a_quiet_life() -> None:
    pair = ConnectionPair()
    client, server = pair.client.connection, pair.server.connection
    assert states(pair) == (State.NEW, State.NEW)
    assert (client.role, server.role) == (Role.client, Role.server)
    assert client.established is server.established is None
    client.start()
    assert states(pair) == (State.HANDSHAKING, State.NEW)
    assert client.has_data_to_send
    hello = client.data_to_send()
    assert not client.has_data_to_send
    client.start()
    assert not client.has_data_to_send
    server.receive_data(hello)
    assert states(pair) == (State.HANDSHAKING, State.HANDSHAKING)
    pair.move()
    assert states(pair) == (State.OPEN, State.OPEN)
    assert (client.established, server.established) != (None, None)
    client.close()
    assert states(pair) == (State.OPEN, State.OPEN)
    pair.move()
    assert (client.peer_closed, server.peer_closed) == (False, True)
    assert pair.server.events[-1] == PeerClosed(0)
    server.close()
    pair.move()
    assert states(pair) == (State.CLOSED, State.CLOSED)
    assert (client.peer_closed, server.peer_closed) == (True, True)


def test_both_ends_settle_the_same() -> None:
    pair = ConnectionPair(
        client_config("alice", alpn_protocols=(b"x",)),
        server_config(alpn_protocols=(b"x",), **REQUIRING),
    ).handshake()
    client, server = pair.client.connection.established, pair.server.connection.established
    assert client is not None
    assert server is not None
    assert replace(client, our_credential=None) == replace(server, our_credential=None)
    assert client.our_credential is pair.client.connection.config.credentials[0]
    assert server.our_credential is pair.server.connection.config.credentials[0]
    assert (client.server_name, client.alpn_protocol) == ("server.example", b"x")
    for end, established in ((pair.client, client), (pair.server, server)):
        assert end.events == [HandshakeCompleted(0, established)]


def test_a_repr_says_what_is_awaited() -> None:
    pair = ConnectionPair()
    assert repr(pair.client.connection) == "<Connection client new>"
    pair.client.connection.start()
    assert repr(pair.client.connection) == (
        "<Connection client handshaking, <client handshake: waiting for ServerHello>>"
    )
    pair.server.hold = lambda question: True
    pair.server.receive(pair.client.connection.data_to_send())
    assert "waiting for the answer to ChooseCredential" in repr(pair.server.connection)
    pair.server.hold = lambda question: False
    release(pair.server)
    pair.handshake()
    assert repr(pair.server.connection) == "<Connection server open>"


def test_server_names() -> None:
    for name in ("", "a b", "*.example", "http://a.example"):
        with pytest.raises(UsageError):
            Connection(client_config(), name)
    with pytest.raises(UsageError, match="a server learns the server name from the client"):
        Connection(server_config(), "server.example")
    with pytest.raises(UsageError, match="a client needs a server_name"):
        Connection(client_config())
    Connection(client_config(check_server_name=False))


def test_without_a_name_any_trusted_server_will_do() -> None:
    pair = ConnectionPair(client_config(check_server_name=False), server_name=None).handshake()
    assert pair.server.connection.established is not None
    assert pair.server.connection.established.server_name is None


@ROLES
def test_before_the_handshake_is_complete(role: Role) -> None:
    pair = ConnectionPair()
    end, _ = ends(pair, role)
    connection = end.connection
    for _ in range(2):
        for call in (
            lambda: connection.send_data(b"x"),
            lambda: connection.key_update(),
            lambda: connection.request_auth(),
            lambda: connection.answer_auth(b"x", None),
        ):
            with pytest.raises(ReauthUnavailable, match="the handshake is not complete"):
                call()
        connection.start()
    assert connection.read() == b""
    assert (connection.readable, connection.read_position) == (0, 0)
    assert connection.peer_identity is connection.read_identity is None
    assert connection.next_deadline() is None
    assert connection.open_requests == connection.tickets == ()
    connection.check_deadlines()
    pair.handshake()


def test_data_both_ways() -> None:
    pair = ConnectionPair().handshake()
    pair.client.connection.send_data(b"a")
    pair.client.connection.send_data(bytearray(b"bc"))
    pair.client.connection.send_data(memoryview(b"def")[1:])
    pair.client.connection.send_data(b"")
    pair.server.connection.send_data(bytes(100_000))
    pair.move()
    assert (pair.server.data, pair.client.data) == (b"abcef", bytes(100_000))
    assert pair.server.connection.read_position == 5


# --- ends


@ROLES
def test_half_close(role: Role) -> None:
    pair = ConnectionPair().handshake()
    end, other = ends(pair, role)
    end.connection.send_data(b"last words")
    end.connection.close()
    pair.move()
    assert other.data == b"last words"
    assert other.of(PeerClosed) == [PeerClosed(10)]
    assert not other.connection.wants_data
    assert end.connection.wants_data
    for _ in range(3):
        other.connection.send_data(b"still talking")
        pair.move()
    assert end.data == b"still talking" * 3
    for call in (
        lambda: end.connection.send_data(b"x"),
        lambda: end.connection.key_update(),
    ):
        with pytest.raises(UsageError, match="our side of the connection is closed"):
            call()
    end.connection.close()
    assert not end.connection.has_data_to_send
    other.connection.receive_eof()  # nothing is missing
    other.connection.close()
    pair.move()
    end.connection.receive_eof()
    assert states(pair) == (State.CLOSED, State.CLOSED)


@ROLES
def test_what_follows_a_goodbye_is_ignored(role: Role) -> None:
    """§6.1: any data received after a closure alert must be."""
    pair = ConnectionPair().handshake()
    end, other = ends(pair, role)
    other.connection.send_data(b"before")
    other.connection.close()
    farewell = other.connection.data_to_send()
    layer = link_of(other).layer
    layer.send(ContentType.application_data, b"after")
    end.receive(farewell + layer.data_to_send() + b"and no TLS at all")
    end.receive(b"nor is this")
    assert (end.data, end.error, end.connection.state) == (b"before", None, State.OPEN)
    end.connection.send_data(b"x")


@ROLES
def test_truncation_is_noticed_and_what_came_is_not_lost(role: Role) -> None:
    pair = ConnectionPair().handshake()
    end, other = ends(pair, role)
    end.auto_read = False
    other.connection.send_data(b"half of ")
    other.connection.send_data(b"the story")
    data = other.connection.data_to_send()
    end.receive(data[:-3])
    with pytest.raises(TruncationError) as caught:
        end.connection.receive_eof()
    assert str(caught.value) == f"the {role.peer.name}'s stream ended without close_notify"
    assert repr(end.connection.failure) == repr(caught.value)
    assert end.connection.state is State.BROKEN
    assert end.connection.read() == b"half of "
    end.connection.receive_eof()  # known already
    with pytest.raises(UsageError, match=r"the connection has failed: .*without close_notify"):
        end.connection.send_data(b"x")
    with pytest.raises(UsageError):
        end.connection.receive_data(data[-3:])
    end.connection.close()
    assert not end.connection.has_data_to_send


@ROLES
def test_truncation_of_a_handshake_says_what_was_awaited(role: Role) -> None:
    pair = ConnectionPair()
    end, _ = ends(pair, role)
    end.connection.start()
    awaited = "ServerHello" if role is Role.client else "ClientHello"
    with pytest.raises(TruncationError, match=f"without close_notify while we .* {awaited}$"):
        end.connection.receive_eof()


def test_an_end_behind_a_question_waits_for_the_answer() -> None:
    """The data and the goodbye that came with the handshake must not be lost."""
    for goodbye in (True, False):
        pair = ConnectionPair()
        pair.client.hold = lambda question: isinstance(question.subject, JudgePeer)
        pair.client.connection.start()
        pair.server.receive(pair.client.connection.data_to_send())
        pair.client.receive(pair.server.connection.data_to_send())
        # a server that does not wait for the client's Finished: §2 allows it
        layer = link_of(pair.server).layer
        layer.send(ContentType.application_data, b"half an answer")
        if goodbye:
            layer.send(ContentType.alert, b"\1\0")
        pair.client.receive(layer.data_to_send())
        pair.client.connection.receive_eof()
        assert pair.client.connection.failure is None
        (question,) = pair.client.held_questions
        give(pair.client, question, the_ca().verifier().verify(question.subject.peer))  # type: ignore[attr-defined]
        assert pair.client.data == b"half an answer"
        assert isinstance(pair.client.error, TruncationError) is not goodbye
        assert pair.client.connection.peer_closed is goodbye


@pytest.mark.parametrize("started", [False, True])
@ROLES
def test_closing_before_the_handshake_is_complete_gives_up(role: Role, started: bool) -> None:
    pair = ConnectionPair()
    end, other = ends(pair, role)
    if started:
        pair.client.connection.start()
        hello = pair.client.connection.data_to_send()
        pair.server.receive(hello)
        if role is Role.client:
            pair.server.settle()
    end.connection.close()
    assert end.connection.state is State.CLOSED
    assert end.connection.has_data_to_send is started
    pair.move()
    if started and role is Role.client:
        assert isinstance(other.error, AlertReceived)
        assert other.error.received == AlertDescription.close_notify
    elif started:  # our flight had told the client all, so for it this is a quiet end
        assert other.connection.peer_closed
    end.connection.start()
    end.receive(b"whatever")
    assert end.error is None
    assert not end.connection.has_data_to_send
    assert not end.connection.wants_data
    assert end.events == []
    end.connection.close()
    end.connection.receive_eof()
    with pytest.raises(UsageError):
        end.connection.send_data(b"x")


# --- alerts


@ROLES
@pytest.mark.parametrize("established", [False, True], ids=["handshake", "established"])
@pytest.mark.parametrize(
    "description", [*AlertDescription, 99, 255], ids=lambda description: str(description)
)
def test_an_alert_ends_the_connection(description: int, established: bool, role: Role) -> None:
    pair = ConnectionPair()
    end, other = ends(pair, role)
    if established:
        pair.handshake()
        other.connection.send_data(b"before")
    else:
        pair.client.connection.start()
    for level in (AlertLevel.warning, AlertLevel.fatal):
        if end.connection.state is not State.BROKEN and not end.connection.peer_closed:
            send_record(other, ContentType.alert, Alert(level, description).encode())
            pair.move()
    if description == AlertDescription.user_canceled:
        assert end.error is None
        return
    if description == AlertDescription.close_notify and established:
        assert end.error is None
        assert end.connection.peer_closed
        return
    error = end.error
    assert isinstance(error, AlertReceived)
    assert (error.received, error.alert) == (description, None)
    name = description.name if isinstance(description, AlertDescription) else f"alert {description}"
    assert str(error) == f"the {role.peer.name} sent the fatal alert {name}"
    assert repr(end.connection.failure) == repr(error)
    if established:
        assert end.data == b"before"
    assert other.error is None  # none is sent back
    with pytest.raises(UsageError, match="has failed"):
        end.connection.send_data(b"x")


@ROLES
@pytest.mark.parametrize("established", [False, True], ids=["handshake", "established"])
def test_user_canceled_is_ignored_but_not_for_ever(role: Role, established: bool) -> None:
    pair = ConnectionPair()
    end, other = ends(pair, role)
    if established:
        pair.handshake()
    else:
        end.connection.start()
    for _ in range(4):
        send_record(other, ContentType.alert, Alert(1, AlertDescription.user_canceled).encode())
    end.receive(other.connection.data_to_send())
    assert end.error is None
    send_record(other, ContentType.alert, Alert(1, AlertDescription.user_canceled).encode())
    end.receive(other.connection.data_to_send())
    assert type(end.error) is TooMuch
    assert "alerts that change nothing: expected at most 4, got 5" in str(end.error)


@pytest.mark.parametrize("description", [AlertDescription.close_notify, 90])
@ROLES
def test_a_goodbye_within_a_message_is_refused(role: Role, description: int) -> None:
    """§5.1: no other record stands between a message's fragments."""
    pair = ConnectionPair().handshake()
    end, other = ends(pair, role)
    send_record(other, ContentType.handshake, b"\x18\0")
    send_record(other, ContentType.alert, Alert(1, description).encode())
    pair.move()
    check_refusal(
        end, other, UnexpectedMessage, "the alert .*, and a handshake message is not complete"
    )


@ROLES
def test_after_our_goodbye_not_even_an_alert_is_sent(role: Role) -> None:
    pair = ConnectionPair().handshake()
    end, _ = ends(pair, role)
    end.connection.close()
    pair.move()
    end.receive(b"\x17\x03\x03\x00\x11" + bytes(17))
    assert type(end.error) is BadRecordMac
    assert not end.connection.has_data_to_send


@pytest.mark.parametrize("content", [b"\1", b"\2\x28\0", b"\1\0\1\0"])
@ROLES
def test_an_alert_is_two_bytes(role: Role, content: bytes) -> None:
    pair = ConnectionPair().handshake()
    end, other = ends(pair, role)
    send_record(other, ContentType.alert, content)
    pair.move()
    check_refusal(end, other, DecodeError, "alert: expected")


@ROLES
def test_an_error_is_told_once_and_data_before_it_can_be_read(role: Role) -> None:
    pair = ConnectionPair().handshake()
    end, other = ends(pair, role)
    end.auto_read = False
    other.connection.send_data(b"good")
    data = other.connection.data_to_send()
    other.connection.send_data(b"bad")
    bad = bytearray(other.connection.data_to_send())
    bad[-1] ^= 1
    end.receive(data + bytes(bad))
    alert = end.connection.data_to_send()
    assert len(split_records(alert)) == 1
    assert type(end.error) is BadRecordMac
    assert not end.connection.has_data_to_send
    with pytest.raises(UsageError):
        end.connection.receive_data(b"more")
    assert not end.connection.has_data_to_send
    assert (end.connection.readable, end.connection.read(2), end.connection.read()) == (
        4,
        b"go",
        b"od",
    )
    other.receive(alert)
    assert isinstance(other.error, AlertReceived)
    assert other.error.received == AlertDescription.bad_record_mac


@pytest.mark.parametrize(
    ("content_type", "content", "error", "match"),
    [
        (22, b"", UnexpectedMessage, "expected content in a record of type 22"),
        (21, b"", UnexpectedMessage, "expected content in a record of type 21"),
        (20, b"\1", UnexpectedMessage, "content type 20"),
        (24, b"heartbeat", UnexpectedMessage, "content type 24"),
        (22, framed(0, b""), UnexpectedMessage, "HelloRequest after the handshake"),
        (22, framed(1, b"x"), UnexpectedMessage, "ClientHello after the handshake"),
        (22, framed(20, bytes(32)), UnexpectedMessage, "Finished after the handshake"),
        (22, framed(8, b"\0\0"), UnexpectedMessage, "EncryptedExtensions after the handshake"),
        (22, framed(5, b""), UnexpectedMessage, "EndOfEarlyData after the handshake"),
        (22, framed(254, bytes(32)), UnexpectedMessage, "MessageHash after the handshake"),
        (22, b"\x04\xff\xff\xff", MessageTooLarge, "got a length of 16777215"),
        (22, framed(15, b"\4\3\0\0"), UnexpectedMessage, "CertificateVerify after the handshake"),
    ],
)
@ROLES
def test_what_has_no_place_after_the_handshake(
    role: Role, content_type: int, content: bytes, error: type[TLSError], match: str
) -> None:
    pair = ConnectionPair().handshake()
    end, other = ends(pair, role)
    layer = link_of(other).layer
    layer.output.append(layer.outbound.seal(content_type, content))
    pair.move()
    check_refusal(end, other, error, match)


def test_plaintext_after_the_handshake_is_refused() -> None:
    pair = ConnectionPair().handshake()
    pair.client.receive(plain(ContentType.alert, b"\2\x28"))
    assert type(pair.client.error) is UnexpectedMessage


# --- limits


def test_a_handshake_message_has_a_limit() -> None:
    for limit, works in ((100, False), (4000, True)):
        pair = ConnectionPair(client_config(limits=Limits(handshake_message=limit)))
        pair.client.connection.start()
        pair.server.connection.start()
        pair.move()
        if works:
            assert states(pair) == (State.OPEN, State.OPEN)
        else:
            check_refusal(pair.client, pair.server, MessageTooLarge, "expected at most 100 bytes")


@ROLES
def test_empty_records_have_a_limit(role: Role) -> None:
    pair = ConnectionPair().handshake()
    end, other = ends(pair, role)
    for _ in range(32):
        other.connection.send_data(b"")
    other.connection.send_data(b"x")
    for _ in range(32):
        other.connection.send_data(b"")
    pair.move()
    assert (end.error, end.data) == (None, b"x")
    other.connection.send_data(b"")
    pair.move()
    check_refusal(end, other, TooMuch, "empty records in a row: expected at most 32, got 33")


def test_change_cipher_specs_have_a_limit() -> None:
    pair = ConnectionPair()
    pair.client.connection.start()
    ccs = plain(20, b"\1")
    pair.client.receive(ccs * 8)
    assert pair.client.error is None
    pair.client.receive(ccs)
    assert type(pair.client.error) is TooMuch


# --- sizes of records


def opened_sizes(pair: ConnectionPair, role: Role) -> list[int]:
    """Sizes of what is in the protected records that one end sends from here on."""
    sizes: list[int] = []
    direction = "to server" if role is Role.client else "to client"

    def tap(name: str, data: bytes) -> bytes:
        if name == direction:
            sizes.extend(len(record) - 22 for record in split_records(data) if record[0] == 23)
        return data

    pair.tamper = tap
    return sizes


@pytest.mark.parametrize("limit", [64, 65, 512, 2**14 + 1])
def test_record_size_limit_of_a_client(limit: int) -> None:
    """RFC 8449 section 4: content, padding and the content type's byte."""
    pair = ConnectionPair(client_config(record_size_limit=limit))
    sizes = opened_sizes(pair, Role.server)
    pair.handshake()
    pair.server.connection.send_data(bytes(3 * 2**14))
    pair.move()
    assert max(sizes) == limit - 1
    assert pair.client.data == bytes(3 * 2**14)


def test_record_size_limits_are_each_end_s_own() -> None:
    pair = ConnectionPair(
        client_config(record_size_limit=100), server_config(record_size_limit=200)
    ).handshake()
    for role, expected in ((Role.server, 99), (Role.client, 199)):
        sizes = opened_sizes(pair, role)
        end, _ = ends(pair, role)
        end.connection.send_data(bytes(1000))
        pair.move()
        assert max(sizes) == expected
    assert (len(pair.client.data), len(pair.server.data)) == (1000, 1000)


@ROLES
def test_a_record_above_our_limit_is_refused(role: Role) -> None:
    pair = ConnectionPair(
        client_config(record_size_limit=100), server_config(record_size_limit=100)
    ).handshake()
    end, other = ends(pair, role)
    layer = link_of(other).layer
    layer.max_fragment_out = 100
    other.connection.send_data(bytes(100))
    pair.move()
    check_refusal(end, other, RecordOverflow, "expected at most 99 bytes .*, got 100")


def test_a_server_s_limit_waits_for_a_client_that_offers_it() -> None:
    pair = ConnectionPair(server=server_config(record_size_limit=100)).handshake()
    sizes = opened_sizes(pair, Role.client)
    pair.client.connection.send_data(bytes(1000))
    pair.move()
    assert sizes == [1000]
    assert len(pair.server.data) == 1000


@pytest.mark.parametrize("length", [512, 1024, 2048, 4096])
def test_max_fragment_length(length: int) -> None:
    """RFC 6066 section 4: it binds both ends."""
    pair = ConnectionPair(client_config(max_fragment_length=length)).handshake()
    for role in Role:
        sizes = opened_sizes(pair, role)
        end, other = ends(pair, role)
        end.connection.send_data(bytes(10_000))
        pair.move()
        assert max(sizes) == length
        assert other.data == bytes(10_000)


@ROLES
def test_a_fragment_above_the_agreed_length_is_refused(role: Role) -> None:
    pair = ConnectionPair(client_config(max_fragment_length=512)).handshake()
    end, other = ends(pair, role)
    link_of(other).layer.max_fragment_out = 513
    other.connection.send_data(bytes(513))
    pair.move()
    check_refusal(end, other, RecordOverflow, "expected at most 512 bytes .*, got 513")


def test_record_size_limit_displaces_max_fragment_length() -> None:
    """RFC 8449 section 5."""
    pair = ConnectionPair(client_config(max_fragment_length=512, record_size_limit=1000))
    pair.handshake()
    sizes = opened_sizes(pair, Role.server)
    pair.server.connection.send_data(bytes(5000))
    pair.move()
    assert max(sizes) == 999


@pytest.mark.parametrize("limit", [None, 300])
def test_a_padding_policy(limit: int | None) -> None:
    """§5.4: every protected record of ours is as long as the policy says, or the limit."""
    asked: list[tuple[int, int]] = []

    def to_256(content_type: int, length: int) -> int:
        asked.append((content_type, length))
        return -length % 256

    pair = ConnectionPair(client_config(padding=to_256, record_size_limit=limit))
    pair.server.connection.start()
    sizes = opened_sizes(pair, Role.client)
    pair.handshake()
    for size in (0, 1, 255, 256, 257, 1000):
        pair.client.connection.send_data(bytes(size))
        pair.server.connection.send_data(bytes(size))
    pair.client.connection.close()
    pair.move()
    assert len(pair.server.data) == len(pair.client.data) == 1769
    assert {size % 256 for size in sizes} == {0}
    assert {content_type for content_type, _ in asked} == {21, 22, 23}
    assert pair.server.connection.peer_closed


def test_padding_stays_within_the_peer_s_limit() -> None:
    pair = ConnectionPair(
        client_config(padding=lambda content_type, length: 2**14),
        server_config(record_size_limit=200),
    )
    pair.handshake()
    pair = ConnectionPair(
        client_config(padding=lambda content_type, length: 2**14, record_size_limit=2**14 + 1),
        server_config(record_size_limit=200),
    ).handshake()
    sizes = opened_sizes(pair, Role.client)
    pair.client.connection.send_data(bytes(500))
    pair.move()
    assert sizes == [199, 199, 199]
    assert len(pair.server.data) == 500


# --- observers and sources


class Boom(Exception):
    pass


@pytest.mark.parametrize("error", [Boom, UsageError])
@pytest.mark.parametrize("name", ["trace", "keylog", "random", "padding", "wall_clock"])
@ROLES
def test_what_the_configuration_calls_may_fail_without_leaking_its_exception(
    role: Role, name: str, error: type[Exception]
) -> None:
    def boom(*args: Any) -> Any:
        raise error("made to fail")

    fields: dict[str, Any] = {name: boom}
    pair = ConnectionPair(
        client_config("alice", **(fields if role is Role.client else {})),
        server_config(**(fields if role is Role.server else {}), **REQUIRING),
    )
    end, _ = ends(pair, role)
    with suppress(InternalError):  # a client may fail as it starts
        pair.client.connection.start()
    pair.move()
    failure = end.connection.failure
    assert type(failure) is InternalError
    assert "made to fail" in str(failure)


@pytest.mark.parametrize("name", ["trace", "padding"])
def test_sending_may_fail_without_a_half_sent_message_going_unnoticed(name: str) -> None:
    calls: list[Any] = []

    def fails_later(*args: Any) -> int:
        if calls:
            raise Boom("made to fail")
        return 0

    pair = ConnectionPair(client_config(**{name: fails_later})).handshake()
    calls.append(1)
    connection = pair.client.connection
    if name == "padding":
        with pytest.raises(InternalError, match="made to fail"):
            connection.send_data(b"x")
    else:
        with pytest.raises(InternalError, match="made to fail"):
            connection.key_update()
    assert connection.state is State.BROKEN


# --- the key log


def test_the_key_log() -> None:
    """Both ends log the same five lines, in SSLKEYLOGFILE's format, and nothing later."""
    logs: dict[str, list[str]] = {"client": [], "server": []}
    pair = ConnectionPair(
        client_config(keylog=logs["client"].append), server_config(keylog=logs["server"].append)
    ).handshake()
    pair.client.connection.key_update(request_peer=True)
    pair.move()
    pair.reauth(decline=True)
    assert sorted(logs["client"]) == sorted(logs["server"])
    assert len(logs["client"]) == 5
    established = pair.client.connection.established
    assert established is not None
    labels = {}
    for line in logs["client"]:
        label, client_random, secret = line.split(" ")
        assert bytes.fromhex(client_random) == established.client_random
        labels[label] = bytes.fromhex(secret)
    assert set(labels) == {
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
        "SERVER_HANDSHAKE_TRAFFIC_SECRET",
        "CLIENT_TRAFFIC_SECRET_0",
        "SERVER_TRAFFIC_SECRET_0",
        "EXPORTER_SECRET",
    }
    assert link_of(pair.client).writing_secret == next_traffic_secret(
        "sha256", labels["CLIENT_TRAFFIC_SECRET_0"]
    )


@ROLES
def test_a_kept_failure_holds_no_frames(role: Role) -> None:
    """Frames hold what the caller's variables hold: buffers, keys, whole requests."""

    class Big:
        pass

    def handle(connection: Connection) -> weakref.ref[Big]:
        local = Big()
        with pytest.raises(PostshakeError):
            connection.receive_data(b"\x17\x03\x03\x00\x20" + bytes(32))
        for _ in range(3):
            with pytest.raises(PostshakeError):
                raise connection.failure or AssertionError
        return weakref.ref(local)

    end, _ = ends(ConnectionPair().handshake(), role)
    local = handle(end.connection)
    gc.collect()
    assert local() is None
    failure = end.connection.failure
    assert type(failure) is BadRecordMac
    assert failure.peer is role.peer
    assert failure.__traceback__ is failure.__cause__ is failure.__context__ is None
