"""Streams over real sockets: talking, reauth, time running out, and things breaking."""

from __future__ import annotations

import contextlib
import random
import selectors
import socket
import struct
import threading
import time
from typing import Any

import pytest

from postshake.config import AuthRequest, ClientAuth, Refusal
from postshake.connection import State
from postshake.constants import SignatureScheme
from postshake.drive.sync import Stream
from postshake.errors import (
    AlertReceived,
    BadRecordMac,
    CertificateError,
    CertificateRequired,
    DataWaiting,
    DecodeError,
    InternalError,
    ReauthUnavailable,
    TruncationError,
    UnknownCA,
    UsageError,
)
from postshake.events import (
    Event,
    HandshakeCompleted,
    Outcome,
    PeerClosed,
    PeerKeyUpdated,
    ReauthAnswered,
    ReauthCompleted,
    ReauthRequested,
)
from postshake.pki.credential import Credential
from tests.certs import CA
from tests.drive.streams import (
    NAME,
    TIMEOUT,
    RawClient,
    Streams,
    at_once,
    join,
    socketpair,
    tcp_pair,
)
from tests.pair import Clock, client_config, issued, server_config
from tests.waiting import PATIENCE

SMALL = {"SO_SNDBUF": 16 * 1024, "SO_RCVBUF": 16 * 1024}


def timed_server_config(**fields: Any) -> Any:
    return server_config(clock=time.monotonic, **fields)


def receive_all(stream: Stream, size: int) -> bytes:
    parts = []
    while size:
        part = stream.receive()
        assert part, "the stream ended early"
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


# --- talking


@pytest.mark.parametrize("sockets", [socketpair, tcp_pair])
def test_data_goes_both_ways(sockets):
    with join(sockets=sockets) as streams:
        client, server = at_once(streams.client.handshake, streams.server.handshake)
        assert client.suite is server.suite
        assert server.server_name == NAME
        streams.client.send(b"hello")
        assert streams.server.receive() == b"hello"
        streams.server.send(bytearray(b"good "))
        streams.server.send(memoryview(b"day"))
        assert receive_all(streams.client, 8) == b"good day"
        assert streams.client.peer_identity is not None
        assert streams.server.peer_identity is None


def test_the_handshake_comes_by_itself():
    with join() as streams:
        at_once(
            lambda: streams.client.send(b"hello"),
            lambda: streams.server.receive() == b"hello",
        )
        assert streams.server.connection.state is State.OPEN
        assert streams.server.handshake() is streams.server.connection.established


def test_the_server_may_speak_first():
    # nothing but data follows the handshake here
    with join() as streams:
        assert at_once(lambda: streams.server.send(b"220"), streams.client.receive)[1] == b"220"


def test_receive_takes_no_more_than_asked_for():
    with join() as streams:
        streams.handshake()
        streams.client.send(b"hello")
        assert [streams.server.receive(2), streams.server.receive(2)] == [b"he", b"ll"]
        assert streams.server.readable == 1
        assert streams.server.receive() == b"o"
        with pytest.raises(UsageError):
            streams.server.receive(0)


def test_sending_nothing_sends_nothing():
    with join() as streams:
        streams.handshake()
        streams.client.send(b"")
        streams.client.send(b"x")
        assert streams.server.receive() == b"x"


def test_much_data():
    data = random.Random(1).randbytes(5_000_000)
    with join() as streams:
        streams.handshake()
        received = at_once(
            lambda: streams.client.send(data), lambda: receive_all(streams.server, len(data))
        )[1]
        assert received == data


def test_both_may_send_at_once():
    # far more than the sockets hold; neither receives before all is sent
    there, back = (random.Random(seed).randbytes(600_000) for seed in (1, 2))
    with join(sockets=lambda: tcp_pair(**SMALL)) as streams:
        streams.handshake()

        def talk(stream: Stream, say: bytes, hear: int) -> bytes:
            stream.send(say)
            return receive_all(stream, hear)

        heard = at_once(
            lambda: talk(streams.client, there, len(back)),
            lambda: talk(streams.server, back, len(there)),
        )
        assert heard == [back, there]


def test_key_updates():
    events: list[Event] = []
    with join(client_options={"on_event": events.append}) as streams:
        streams.handshake()
        streams.server.key_update(request_peer=True)
        streams.server.send(b"new")
        assert streams.client.receive() == b"new"
        streams.client.send(b"newer")
        assert streams.server.receive() == b"newer"
        assert [event.generation for event in events if isinstance(event, PeerKeyUpdated)] == [1]


# --- reauth


def ask(streams: Streams, request: AuthRequest | None = None) -> ReauthCompleted:
    """Reauthenticate the client, which meanwhile waits for data."""

    def serve() -> ReauthCompleted:
        completed = streams.server.reauth(request)
        streams.server.send(b".")
        return completed

    completed, dot = at_once(serve, streams.client.receive)
    assert dot == b"."
    assert isinstance(completed, ReauthCompleted)
    return completed


@pytest.mark.parametrize("sockets", [socketpair, tcp_pair])
def test_reauth_and_whose_data_is_whose(sockets):
    with join(sockets=sockets) as streams:
        streams.handshake()
        streams.client.send(b"who am I?")
        completed = ask(streams)
        assert completed.outcome is Outcome.AUTHENTICATED
        assert completed.identity is not None
        assert completed.identity.common_name == "alice"
        assert streams.server.peer_identity is completed.identity
        # what came before the answer is nobody's, though it is read after it
        assert streams.server.receive_with_identity() == (b"who am I?", None)
        streams.client.send(b"and now?")
        assert streams.server.receive_with_identity() == (b"and now?", completed.identity)


def test_no_read_crosses_a_change_of_identity():
    with join() as streams:
        streams.handshake()
        streams.client.send(b"before")
        ask(streams)
        streams.client.send(b"after")
        while streams.server.readable < len(b"beforeafter"):  # both are there
            streams.server.timeout = 0.01
            with contextlib.suppress(DataWaiting, TimeoutError):
                streams.server.reauth(AuthRequest(within=None))
        assert streams.server.receive() == b"before"
        assert streams.server.receive() == b"after"


def test_reauth_three_times():
    with join() as streams:
        streams.handshake()
        assert [ask(streams).outcome for _ in range(3)] == [Outcome.AUTHENTICATED] * 3


def test_a_client_without_certificates_declines():
    with join(client_config()) as streams:
        streams.handshake()
        completed = ask(streams)
        assert completed.outcome is Outcome.DECLINED
        assert isinstance(completed.error, CertificateRequired)
        assert streams.server.peer_identity is None


def test_the_answer_is_the_owners_choice():
    asked: list[ReauthRequested] = []
    bob = issued("bob").credential()

    def answer(request: ReauthRequested) -> Credential | None:
        asked.append(request)
        return None if len(asked) == 1 else bob

    with join(client_options={"answer": answer}) as streams:
        streams.handshake()
        assert ask(streams).outcome is Outcome.DECLINED
        identity = ask(streams).identity
        assert identity is not None
        assert identity.common_name == "bob"
        assert len({request.context for request in asked}) == 2


def test_the_default_answer_heeds_the_authorities():
    with join() as streams:
        streams.handshake()
        completed = ask(streams, AuthRequest(authorities=(CA("Other CA").name,)))
        assert completed.outcome is Outcome.DECLINED
        assert ask(streams).outcome is Outcome.AUTHENTICATED


def test_a_refusal_keeps_the_connection():
    stranger = CA("Other CA").issue("mallory").credential()
    with join(client_config(credentials=(stranger,))) as streams:
        streams.handshake()
        completed = ask(streams)
        assert completed.outcome is Outcome.REFUSED
        assert isinstance(completed.error, UnknownCA)
        assert streams.server.peer_identity is None


@pytest.mark.parametrize("sockets", [socketpair, tcp_pair])
def test_a_refusal_may_close_the_connection(sockets):
    stranger = CA("Other CA").issue("mallory").credential()
    with join(client_config(credentials=(stranger,)), sockets=sockets) as streams:
        streams.handshake()

        def serve() -> None:
            with pytest.raises(UnknownCA):
                streams.server.reauth(AuthRequest(on_refusal=Refusal.CLOSE))
            for again in (streams.server.handshake, streams.server.receive):
                with pytest.raises(UnknownCA):
                    again()
            streams.server.close()

        def visit() -> None:
            with pytest.raises(AlertReceived, match="unknown_ca"):
                streams.client.receive()
            streams.client.close()

        at_once(serve, visit)


def test_the_outcome_is_known_even_if_it_closes_the_connection():
    with join(client_config()) as streams:
        streams.handshake()
        context = streams.server.request_auth(AuthRequest(on_refusal=Refusal.CLOSE))

        def serve() -> None:
            with pytest.raises(CertificateRequired):
                streams.server.wait(context)
            assert streams.server.wait(context).outcome is Outcome.DECLINED

        def visit() -> None:
            with pytest.raises(AlertReceived, match="certificate_required"):
                streams.client.receive()

        at_once(serve, visit)


def test_a_request_expires_and_a_late_answer_is_nothing():
    with join(server=timed_server_config()) as streams:
        streams.handshake()
        completed = streams.server.reauth(AuthRequest(within=0.02))  # nobody moves the client
        assert completed.outcome is Outcome.EXPIRED
        streams.server.send(b"too late")
        assert streams.client.receive() == b"too late"  # and the answer left before
        streams.client.send(b"really?")
        assert streams.server.receive_with_identity() == (b"really?", None)


def test_a_deadline_holds_while_data_is_awaited():
    outcomes: list[Event] = []
    with join(
        server=timed_server_config(), server_options={"on_event": outcomes.append}
    ) as streams:
        streams.handshake()
        context = streams.server.request_auth(AuthRequest(within=0.02))
        streams.server.timeout = 0.2
        with pytest.raises(TimeoutError):
            streams.server.receive()
        assert streams.server.wait(context).outcome is Outcome.EXPIRED
        assert [each for each in outcomes if isinstance(each, ReauthCompleted)]


def test_an_expiry_may_close_the_connection():
    with join(server=timed_server_config()) as streams:
        streams.handshake()
        with pytest.raises(CertificateRequired):
            streams.server.reauth(AuthRequest(within=0.02, on_refusal=Refusal.CLOSE))
        with pytest.raises(AlertReceived, match="certificate_required"):
            streams.client.receive()


def test_several_requests_waited_for_in_any_order():
    with join() as streams:
        streams.handshake()
        contexts = [streams.server.request_auth() for _ in range(3)]

        def serve() -> list[Outcome]:
            outcomes = [streams.server.wait(context).outcome for context in reversed(contexts)]
            streams.server.send(b".")
            return outcomes

        assert at_once(serve, streams.client.receive)[0] == [Outcome.AUTHENTICATED] * 3
        with pytest.raises(UsageError, match="no request"):
            streams.server.wait(contexts[0])


def test_a_client_that_did_not_offer_it_is_not_asked():
    with join(client_config("alice", post_handshake_auth=False)) as streams:
        streams.handshake()
        with pytest.raises(ReauthUnavailable):
            streams.server.reauth()
        streams.server.send(b"still here")
        assert streams.client.receive() == b"still here"


def test_a_client_that_says_goodbye_will_not_answer():
    with join() as streams:
        streams.handshake()
        streams.client.send_eof()
        with pytest.raises(ReauthUnavailable):
            streams.server.reauth()
        streams.server.send(b"bye")
        assert streams.client.receive() == b"bye"


def test_a_client_that_hangs_up_did_not_answer():
    ours, theirs = tcp_pair()
    client = RawClient(ours)
    with Stream(theirs, server_config()) as server:
        at_once(client.handshake, server.handshake)
        client.sock.shutdown(socket.SHUT_WR)
        with pytest.raises(TruncationError):
            server.reauth()
        client.sock.close()


def test_a_client_answers_while_it_sends_much():
    data = bytes(3_000_000)
    kept = 256 * 1024
    with join(server_options={"max_unread": kept}, sockets=lambda: tcp_pair(**SMALL)) as streams:
        streams.handshake()
        context = streams.server.request_auth()

        def serve() -> int:
            # the answer comes between pieces of the data, long before its end
            completed = streams.server.wait(context)
            assert completed.outcome is Outcome.AUTHENTICATED
            before = streams.server.readable
            receive_all(streams.server, len(data))
            return before

        before = at_once(lambda: streams.client.send(data), serve)[1]
        assert before <= kept


def test_too_much_data_instead_of_an_answer():
    data = bytes(200_000)
    ours, theirs = tcp_pair()
    client = RawClient(ours)
    with Stream(theirs, server_config(), max_unread=64 * 1024) as server:
        at_once(client.handshake, server.handshake)

        def visit() -> None:
            context = client.take_request()
            client.connection.send_data(data)
            client.flush()
            client.answer(context)

        def serve() -> ReauthCompleted:
            received = 0
            while True:
                try:
                    completed = server.reauth()
                except DataWaiting:
                    received += len(server.receive())
                else:
                    assert received > 0
                    return completed

        completed = at_once(visit, serve)[1]
        assert completed.outcome is Outcome.AUTHENTICATED
        assert client.connection.open_requests == ()  # it was asked once
        client.sock.close()


# --- the owner's code fails


class BrokenSigner:
    """A token that was pulled out."""

    def __init__(self, credential: Credential) -> None:
        self.public_key = credential.signer.public_key
        self.schemes = credential.signer.schemes

    def sign(self, scheme: SignatureScheme, data: bytes) -> bytes:
        raise TimeoutError("the token does not answer")


def broken() -> Credential:
    credential = issued("alice").credential()
    return Credential(credential.chain, BrokenSigner(credential))


def refuse_to_choose(request: ReauthRequested) -> Credential | None:
    raise RuntimeError("no idea")


def fail_on_request(event: Event) -> None:
    if isinstance(event, ReauthRequested):
        raise RuntimeError("no idea")


@pytest.mark.parametrize(
    ("fields", "options", "error"),
    [
        ({"credentials": (broken(),)}, {}, UsageError),
        ({}, {"answer": refuse_to_choose}, UsageError),
        ({}, {"on_event": fail_on_request}, RuntimeError),
    ],
    ids=["signer", "answer", "on_event"],
)
def test_a_client_that_cannot_answer_declines(fields, options, error):
    with join(client_config(**fields), client_options=options) as streams:
        streams.handshake()

        def visit() -> bytes:
            with pytest.raises(error) as raised:
                streams.client.receive()
            assert not isinstance(raised.value, TimeoutError)  # else "call it again"
            if error is UsageError:
                assert raised.value.__cause__ is not None
            return streams.client.receive()

        def serve() -> ReauthCompleted:
            completed = streams.server.reauth()
            streams.server.send(b"never mind")
            return completed

        heard, completed = at_once(visit, serve)
        assert completed.outcome is Outcome.DECLINED
        assert heard == b"never mind"


def test_other_requests_are_answered_all_the_same():
    count = 0

    def answer(request: ReauthRequested) -> Credential | None:
        nonlocal count
        count += 1
        if count == 2:
            raise RuntimeError("no idea")
        return issued("alice").credential()

    with join(client_options={"answer": answer}) as streams:
        streams.handshake()
        contexts = [streams.server.request_auth() for _ in range(3)]
        streams.server.send(b".")

        def visit() -> None:
            with pytest.raises(UsageError):
                streams.client.receive()
            assert streams.client.receive() == b"."

        def serve() -> list[Outcome]:
            return [streams.server.wait(context).outcome for context in contexts]

        outcomes = at_once(visit, serve)[1]
        assert outcomes == [Outcome.AUTHENTICATED, Outcome.DECLINED, Outcome.AUTHENTICATED]


def test_a_server_that_cannot_sign_says_so():
    credential = issued(NAME, "server").credential()
    server = server_config(credentials=(Credential(credential.chain, BrokenSigner(credential)),))
    with join(server=server) as streams:

        def serve() -> None:
            with pytest.raises(InternalError):
                streams.server.handshake()

        def visit() -> None:
            with pytest.raises(AlertReceived, match="internal_error"):
                streams.client.handshake()

        at_once(serve, visit)


def test_a_server_whose_judge_breaks_down():
    class Judge:
        def verify(self, peer: Any) -> Any:
            raise OSError("the directory is away")

    with join(server=server_config(verifier=Judge())) as streams:
        streams.handshake()

        def serve() -> None:
            with pytest.raises(InternalError):
                streams.server.reauth()

        def visit() -> None:
            with pytest.raises(AlertReceived, match="internal_error"):
                streams.client.receive()

        at_once(serve, visit)


# --- events


def test_events_come_in_order():
    seen: dict[str, list[Event]] = {"client": [], "server": []}
    with join(
        client_options={"on_event": seen["client"].append},
        server_options={"on_event": seen["server"].append},
    ) as streams:
        streams.handshake()
        ask(streams)
        streams.client.send_eof()
        assert streams.server.receive() == b""
    assert [type(event) for event in seen["server"]] == [
        HandshakeCompleted,
        ReauthCompleted,
        PeerClosed,
    ]
    assert [type(event) for event in seen["client"]][:3] == [
        HandshakeCompleted,
        ReauthRequested,
        ReauthAnswered,
    ]


# --- time


def test_a_receive_that_times_out_loses_nothing():
    with join() as streams:
        streams.handshake()
        streams.server.timeout = 0.01
        with pytest.raises(TimeoutError):
            streams.server.receive()
        streams.client.send(b"late")
        streams.server.timeout = TIMEOUT
        assert streams.server.receive() == b"late"


def test_a_handshake_that_times_out_goes_on():
    with join() as streams:
        streams.client.timeout = streams.server.timeout = 0
        waiting = {streams.client, streams.server}
        for _ in range(1000):
            for stream in tuple(waiting):
                with contextlib.suppress(TimeoutError):
                    stream.handshake()
                    waiting.remove(stream)
            if not waiting:
                return
    raise AssertionError("the handshake never ends")


def test_a_half_received_record_survives_a_timeout():
    ours, theirs = socketpair()
    client = RawClient(ours)
    with Stream(theirs, server_config()) as server:
        at_once(client.handshake, server.handshake)
        client.connection.send_data(b"whole")
        record = client.connection.data_to_send()
        server.timeout = 0.01
        for cut in range(0, len(record), 9):
            with pytest.raises(TimeoutError):
                server.receive()
            ours.sendall(record[cut : cut + 9])
        server.timeout = TIMEOUT
        assert server.receive() == b"whole"
        ours.close()


def test_the_time_is_for_the_whole_call():
    # a peer that trickles does not keep a call alive
    ours, theirs = socketpair()
    client = RawClient(ours)
    with Stream(theirs, server_config()) as server:
        client.connection.start()
        hello = client.connection.data_to_send()
        server.timeout = 0.1

        given_up = threading.Event()

        def trickle() -> None:
            for octet in hello[:-1]:  # slow, but steady: half a minute for the whole
                if given_up.wait(0.02):
                    return
                ours.sendall(bytes([octet]))
            raise AssertionError("every byte kept it waiting")

        def serve() -> None:
            with pytest.raises(TimeoutError):
                server.handshake()
            given_up.set()

        at_once(trickle, serve)
        ours.close()


def test_a_handshake_has_a_deadline_over_all_calls():
    """However patient each call is, and however steadily the peer trickles."""
    ours, theirs = socketpair()
    client = RawClient(ours)
    client.connection.start()
    hello = client.connection.data_to_send()
    clock = Clock()
    with Stream(theirs, server_config(clock=clock), handshake_time=20) as server:
        server.timeout = TIMEOUT
        calls: list[Any] = [server.handshake, server.receive, server.send_eof]
        calls.append(lambda: server.send(b"x"))
        for octet, call in zip(hello, calls * 2, strict=False):
            ours.sendall(bytes([octet]))
            server.timeout = 0
            with pytest.raises(TimeoutError):
                call()
            clock.now += 2
        server.timeout = None  # for ever, but for the deadline
        clock.now += 4
        for call in calls:
            with pytest.raises(TimeoutError):
                call()
    ours.close()


def test_a_handshake_may_have_no_deadline():
    clock = Clock()
    ours, theirs = socketpair()
    client = RawClient(ours)
    with Stream(theirs, server_config(clock=clock), handshake_time=None) as server:
        server.timeout = 0
        with pytest.raises(TimeoutError):
            server.handshake()
        clock.now += 10**9
        server.timeout = TIMEOUT
        at_once(client.handshake, server.handshake)
    ours.close()


def test_the_deadline_ends_with_the_handshake():
    clock = Clock()
    with join(server=server_config(clock=clock)) as streams:
        streams.handshake()
        clock.now += 10**6
        streams.client.send(b"late")
        assert streams.server.receive() == b"late"


def test_a_reauth_that_times_out_goes_on_with_the_same_request():
    ours, theirs = socketpair()
    client = RawClient(ours)
    with Stream(theirs, server_config()) as server:
        at_once(client.handshake, server.handshake)
        request = AuthRequest()
        server.timeout = 0.01
        for _ in range(3):
            with pytest.raises(TimeoutError):
                server.reauth(request)
        context = client.take_request()
        assert client.connection.open_requests == (context,)
        server.timeout = TIMEOUT
        completed = at_once(lambda: server.reauth(request), lambda: client.answer(context))[0]
        assert completed.outcome is Outcome.AUTHENTICATED
        assert completed.context == context
        # and a new call is a new request
        server.timeout = 0.01
        with pytest.raises(TimeoutError):
            server.reauth(request)
        assert client.take_request() != context
        ours.close()


@pytest.mark.parametrize("size", [100_000, 2_000_000])
def test_a_send_that_times_out_is_flushed(size):
    data = random.Random(3).randbytes(size)
    with join(sockets=lambda: socketpair(**SMALL)) as streams:
        streams.handshake()
        streams.client.timeout = 0.01
        with pytest.raises(TimeoutError):
            streams.client.send(data)
        assert streams.client.unsent
        with pytest.raises(TimeoutError):
            streams.client.send(b", and this")  # taken as well
        streams.client.timeout = TIMEOUT
        expected = data + b", and this"
        received = at_once(
            streams.client.flush, lambda: receive_all(streams.server, len(expected))
        )[1]
        assert received == expected
        assert not streams.client.unsent


def test_what_is_sent_may_change_afterwards():
    data = bytearray(500_000)
    with join(sockets=lambda: socketpair(**SMALL)) as streams:
        streams.handshake()
        streams.client.timeout = 0.01
        with pytest.raises(TimeoutError):
            streams.client.send(data)
        data[:] = b"x" * len(data)
        streams.client.timeout = TIMEOUT
        received = at_once(streams.client.flush, lambda: receive_all(streams.server, len(data)))[1]
        assert received == bytes(len(data))


def test_a_loop_of_ones_own():
    # one thread for both ends, which never waits but in select
    there, back = (random.Random(seed).randbytes(300_000) for seed in (1, 2))
    with (
        join(sockets=lambda: tcp_pair(**SMALL)) as streams,
        selectors.DefaultSelector() as selector,
    ):
        streams.handshake()
        left: dict[Stream, bytes] = {streams.client: there, streams.server: back}
        heard: dict[Stream, bytes] = {streams.client: b"", streams.server: b""}
        for stream in left:
            stream.timeout = 0
            selector.register(stream, selectors.EVENT_READ | selectors.EVENT_WRITE)
        context = streams.server.request_auth()
        while (
            any(left.values())
            or any(stream.unsent for stream in left)
            or (len(heard[streams.client]) < len(back) or len(heard[streams.server]) < len(there))
        ):
            for key, _ in selector.select(TIMEOUT):
                stream = key.fileobj  # type: ignore[assignment]
                with contextlib.suppress(TimeoutError):
                    while True:
                        heard[stream] += stream.receive()
                with contextlib.suppress(TimeoutError):
                    if stream.unsent:
                        stream.flush()
                    elif left[stream]:
                        piece, left[stream] = left[stream][:50_000], left[stream][50_000:]
                        stream.send(piece)
        assert heard == {streams.client: back, streams.server: there}
        assert streams.server.wait(context).outcome is Outcome.AUTHENTICATED
        streams.client.timeout = streams.server.timeout = TIMEOUT


# --- ending


def test_goodbye_from_one_side_leaves_the_other_talking():
    with join() as streams:
        streams.handshake()
        streams.client.send(b"that is all")
        streams.client.send_eof()
        assert streams.server.receive() == b"that is all"
        assert streams.server.receive() == b""
        assert streams.server.receive() == b""
        streams.server.send(b"thank you")
        streams.server.close()
        assert streams.client.receive() == b"thank you"
        assert streams.client.receive() == b""
        with pytest.raises(UsageError):
            streams.client.send(b"one more thing")
        assert streams.client.connection.state is State.CLOSED


def test_a_request_that_comes_after_our_goodbye_is_not_answered():
    with join() as streams:
        streams.handshake()
        streams.server.request_auth()
        streams.client.send_eof()
        streams.server.send(b"bye")
        assert streams.client.receive() == b"bye"
        assert streams.server.receive() == b""


def test_close_is_enough_and_may_be_repeated():
    with join() as streams:
        streams.handshake()
        at_once(streams.client.close, streams.server.close)
        streams.client.close()
        for call in (streams.client.handshake, streams.client.receive, streams.client.flush):
            with pytest.raises(UsageError, match="closed"):
                call()
        assert streams.client.fileno() == -1


def test_a_stream_that_never_began_closes_quietly():
    ours, theirs = socketpair()
    Stream(ours, client_config(), NAME).close()
    assert theirs.recv(100) == b""
    theirs.close()


def test_close_does_not_wait_for_a_peer_that_is_done(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("postshake.drive.sync.stream.LINGER", 2 * PATIENCE)
    with join() as streams:
        streams.handshake()
        streams.client.send_eof()
        assert streams.server.receive() == b""
        began = time.monotonic()
        streams.server.close()  # the client's socket is still open
        assert time.monotonic() - began < PATIENCE


def test_close_sends_what_was_left_over():
    data = random.Random(4).randbytes(300_000)
    with join(sockets=lambda: socketpair(**SMALL)) as streams:
        streams.handshake()
        streams.client.timeout = 0
        with pytest.raises(TimeoutError):
            streams.client.send(data)

        def serve() -> bytes:
            received = receive_all(streams.server, len(data))
            assert streams.server.receive() == b""
            streams.server.close()
            return received

        assert at_once(streams.client.close, serve)[1] == data


def test_no_goodbye_after_data_that_did_not_leave(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("postshake.drive.sync.stream.LINGER", 0.05)
    with join(sockets=lambda: socketpair(**SMALL)) as streams:
        streams.handshake()
        streams.client.timeout = 0
        with pytest.raises(TimeoutError):
            streams.client.send(bytes(3_000_000))
        streams.client.close()  # gives up: nobody reads
        with pytest.raises((TruncationError, ConnectionError)):
            receive_all(streams.server, 3_000_000)


# --- breaking


@pytest.mark.parametrize("sockets", [socketpair, tcp_pair])
def test_truncation_is_told_after_the_data(sockets):
    ours, theirs = sockets()
    client = RawClient(ours)
    with Stream(theirs, server_config()) as server:
        at_once(client.handshake, server.handshake)
        client.connection.send_data(b"half of i")
        client.flush()
        ours.close()
        assert server.receive() == b"half of i"
        for _ in range(2):
            with pytest.raises(TruncationError):
                server.receive()
        with pytest.raises(TruncationError):
            server.send(b"?")


def test_hanging_up_in_the_handshake_is_truncation():
    ours, theirs = socketpair()
    with Stream(theirs, server_config()) as server:
        ours.close()
        with pytest.raises(TruncationError):
            server.handshake()


def test_what_is_no_tls_gets_an_alert():
    ours, theirs = tcp_pair()
    with Stream(theirs, server_config()) as server:
        ours.sendall(b"GET / HTTP/1.1\r\n\r\n")
        with pytest.raises(DecodeError):
            server.handshake()
        ours.settimeout(TIMEOUT)
        assert ours.recv(100)[0] == 21  # an alert
        ours.shutdown(socket.SHUT_WR)
    ours.close()


def test_the_alert_can_be_read_although_data_is_in_flight():
    """Else what nobody reads would make the system reset the connection."""
    ours, theirs = tcp_pair(**SMALL)
    client = RawClient(ours)
    with Stream(theirs, server_config()) as server:
        at_once(client.handshake, server.handshake)
        client.connection.send_data(b"fine")
        client.flush()
        client.connection.send_data(bytes(100))
        record = bytearray(client.connection.data_to_send())
        record[-1] ^= 1
        flood = struct.pack("!BHH", 23, 0x0303, 16384) + bytes(16384)

        def serve() -> None:
            assert server.receive() == b"fine"
            with pytest.raises(BadRecordMac):
                server.receive()
            server.close()

        def visit() -> None:
            ours.sendall(record + flood * 100)  # more than any buffer holds
            heard = client.read_to_the_end()
            ours.close()
            client.connection.receive_data(heard)

        with pytest.raises(AlertReceived, match="bad_record_mac"):
            at_once(visit, serve)
        ours.close()


def test_the_reason_is_read_when_sending_fails():
    # in TLS 1.3 a client is done before the server has judged it
    server = server_config(client_auth=ClientAuth.REQUIRE)
    with join(client_config(), server) as streams:

        def serve() -> None:
            with pytest.raises(CertificateError):
                streams.server.handshake()
            streams.server.close()

        def visit() -> None:
            streams.client.handshake()
            with pytest.raises(AlertReceived, match="certificate_required"):
                streams.client.send(bytes(10_000_000))
            with pytest.raises(AlertReceived):
                streams.client.receive()

        at_once(serve, visit)


def test_the_reason_is_read_when_the_peer_is_gone():
    ours, theirs = socketpair()
    client = RawClient(ours)
    with Stream(theirs, server_config()) as server:
        at_once(client.handshake, server.handshake)
        client.connection.send_data(b"last words")
        client.connection.close()
        client.flush()
        ours.close()
        with pytest.raises(BrokenPipeError):
            server.send(b"hello?")
        assert server.receive() == b"last words"
        assert server.receive() == b""
        with pytest.raises(BrokenPipeError):
            server.send(b"hello?")


def test_an_untrusted_server_hears_why():
    with join(client_config(verifier=CA("Other CA").verifier())) as streams:

        def visit() -> None:
            with pytest.raises(UnknownCA):
                streams.client.handshake()
            streams.client.close()

        def serve() -> None:
            with pytest.raises(AlertReceived, match="unknown_ca"):
                streams.server.handshake()
            streams.server.close()

        at_once(visit, serve)
