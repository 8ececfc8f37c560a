"""One connection and several threads: who waits is told what another thread has read."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest

from postshake.config import AuthRequest
from postshake.ssl import Reauth
from tests.sslmodule.ends import client_context, ours, over_sockets, server_context, standard
from tests.waiting import PATIENCE, wait_until


class Doing:
    """A call in a thread of its own; `connected` sees to it that it ends."""

    running: ClassVar[list[Doing]] = []

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self._outcome: list[Any] = []
        self.running.append(self)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._outcome.append(self._call())
        except Exception as error:
            self._outcome.append(error)

    @property
    def done(self) -> bool:
        return bool(self._outcome)

    def result(self) -> Any:
        """What came of it; it must have come to an end."""
        self._thread.join(PATIENCE)
        assert self._outcome, "it still waits"
        return self._outcome[0]


def held_by_another(tls: Any) -> bool:
    """Whether another thread is reading."""
    lock = tls._sslobj._reading
    if lock._lock.acquire(blocking=False):
        lock.release()  # and tell those who came meanwhile
        return False
    return True


def begin_to_read(tls: Any, call: Callable[[], Any]) -> Doing:
    """Have a thread make a call that reads; return once it does."""
    doing = Doing(call)
    end = time.monotonic() + PATIENCE
    while not held_by_another(tls):
        assert not doing.done
        assert time.monotonic() < end
        time.sleep(0.001)
    return doing


@contextlib.contextmanager
def connected(client: Any) -> Iterator[tuple[Any, Any]]:
    """A server of ours and a client of this module.

    No thread uses a socket any more when it is closed: its number may be another's by then.
    """
    contexts = server_context(ours, asks_later=True), client_context(client)
    with over_sockets(*contexts) as ends:
        try:
            yield ends
        finally:
            for end in ends:
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(end, socket.SHUT_RDWR)
            while Doing.running:
                Doing.running.pop().result()


@pytest.mark.parametrize("within", [None, PATIENCE])
@pytest.mark.parametrize("timeout", [None, PATIENCE])
def test_an_answer_that_another_thread_reads(within, timeout):
    with connected(standard) as (tls, client):
        tls.settimeout(timeout)
        reader = begin_to_read(tls, lambda: tls.recv(10))
        started = time.monotonic()
        asking = Doing(lambda: tls.reauth(within=within))
        answering = Doing(lambda: client.recv(10))
        assert asking.result().common_name == "alice"
        assert time.monotonic() - started < PATIENCE / 2
        assert not reader.done
        client.sendall(b"and on")
        assert reader.result() == b"and on"
        tls.sendall(b"goodbye")
        assert answering.result() == b"goodbye"


def test_data_that_comes_while_another_thread_waits_for_an_answer():
    with connected(standard) as (tls, client):
        asking = begin_to_read(tls, lambda: tls.reauth(within=PATIENCE))
        reader = Doing(lambda: tls.recv(10))
        client.sendall(b"not yet")
        assert reader.result() == b"not yet"
        assert not asking.done
        later = Doing(lambda: tls.recv(10))
        Doing(lambda: client.recv(10))  # answers
        assert asking.result().common_name == "alice"
        client.sendall(b"now")
        assert later.result() == b"now"


def test_a_reader_keeps_its_timeout_while_another_thread_waits_for_an_answer():
    with connected(standard) as (tls, _):
        asking = begin_to_read(tls, lambda: tls.reauth(within=PATIENCE))
        tls.settimeout(0.1)
        assert isinstance(Doing(lambda: tls.recv(10)).result(), TimeoutError)
        assert not asking.done


def test_a_deadline_is_kept_while_another_thread_reads():
    with connected(standard) as (tls, _):
        tls.settimeout(None)
        begin_to_read(tls, lambda: tls.recv(10))
        asking = Doing(lambda: tls.reauth(within=0.1))
        assert isinstance(asking.result(), ours.ReauthExpired)


def test_a_deadline_is_kept_while_a_record_trickles_in():
    with connected(standard) as (tls, client):
        tls.settimeout(None)
        socket.socket.sendall(client, b"\x17\x03\x03")
        asking = Doing(lambda: tls.reauth(within=0.1))
        assert isinstance(asking.result(), ours.ReauthExpired)


@pytest.mark.parametrize("busy", [False, True], ids=["alone", "while-another-writes"])
def test_a_deadline_is_kept_when_the_request_cannot_leave(busy):
    with connected(standard) as (tls, _):
        tls.setblocking(False)
        with contextlib.suppress(ours.SSLWantWriteError):
            while True:
                tls.send(bytes(100_000))
        tls.settimeout(None)
        if busy:
            Doing(lambda: tls.sendall(bytes(100_000)))
        asking = Doing(lambda: tls.reauth(within=0.1))
        assert isinstance(asking.result(), ours.ReauthExpired)


def test_closing_says_goodbye_while_another_thread_reads():
    with connected(standard) as (tls, client):
        reader = begin_to_read(tls, lambda: tls.recv(10))
        closing = Doing(tls.unwrap)
        assert client.recv(10) == b""  # the goodbye is there
        client.unwrap()
        assert isinstance(closing.result(), socket.socket)
        assert isinstance(reader.result(), ours.SSLZeroReturnError)


UPLOAD = 2_000_000  # more than what is kept for the sake of an answer


def read_all(tls: Any) -> int:
    read = 0
    while read < UPLOAD:
        read += len(tls.recv(65536))
    return read


def upload_and_answer(client: Any) -> bytes:
    """Send much, and then read, which answers the request that came meanwhile."""
    client.sendall(bytes(UPLOAD))
    return bytes(client.recv(10))


@pytest.mark.parametrize("timeout", [None, PATIENCE])
def test_an_answer_behind_much_that_another_thread_reads(timeout):
    with connected(standard) as (tls, client):
        tls.settimeout(timeout)
        reader = begin_to_read(tls, lambda: read_all(tls))
        asked = tls.start_reauth(within=PATIENCE)
        uploading = Doing(lambda: upload_and_answer(client))
        assert Doing(lambda: tls.finish_reauth(asked)).result().common_name == "alice"
        assert reader.result() == UPLOAD
        tls.sendall(b"thanks")
        assert uploading.result() == b"thanks"


def ask_behind_much(tls: Any, client: Any) -> tuple[Doing, Doing]:
    """Have a thread read a little, and a request wait behind more than is kept."""
    begin_to_read(tls, lambda: tls.recv(1))
    asked = tls.start_reauth(within=PATIENCE)
    uploading = Doing(lambda: upload_and_answer(client))
    return Doing(lambda: tls.finish_reauth(asked)), uploading


def test_a_reader_that_takes_its_time():
    with connected(standard) as (tls, client):
        asking, uploading = ask_behind_much(tls, client)
        limit = tls.config.limits.waiting_input
        wait_until(lambda: asking.done or tls._sslobj._connection.unread_size > limit)
        assert not asking.done
        left = UPLOAD - 1
        while left:
            left -= len(tls.recv(65536))
        assert asking.result().common_name == "alice"
        tls.sendall(b"thanks")
        assert uploading.result() == b"thanks"


def test_a_reader_that_reads_no_more(monkeypatch):
    monkeypatch.setattr("postshake.ssl.tls_object.STALL", 0.2)
    with connected(standard) as (tls, client):
        asking, _ = ask_behind_much(tls, client)
        error = asking.result()
        assert isinstance(error, ours.SSLError)
        assert error.reason == "DATA_WAITING"


def test_who_waits_for_a_reader_keeps_its_timeout():
    with connected(standard) as (tls, client):
        tls.settimeout(0.5)
        asking, _ = ask_behind_much(tls, client)
        assert isinstance(asking.result(), TimeoutError)


def test_a_reader_that_has_ended_is_another_thread(monkeypatch):
    """The system gives its number to the next one."""
    monkeypatch.setattr("postshake.ssl.tls_object.STALL", 0.2)
    with connected(standard) as (tls, client):
        tls.settimeout(PATIENCE)
        reading = begin_to_read(tls, lambda: tls.recv(1))
        asked = tls.start_reauth(within=PATIENCE)
        Doing(lambda: upload_and_answer(client))
        assert reading.result() == b"\0"
        limit = tls.config.limits.waiting_input
        asking = Doing(lambda: tls.finish_reauth(asked))
        wait_until(lambda: asking.done or tls._sslobj._connection.unread_size > limit)
        began = time.monotonic()
        assert asking.result().reason == "DATA_WAITING"
        assert time.monotonic() - began > 0.1  # it waited for who had read


def test_much_that_nobody_else_reads():
    with connected(standard) as (tls, client):
        asked = tls.start_reauth()
        uploading = Doing(lambda: upload_and_answer(client))
        with pytest.raises(ours.SSLError, match="DATA_WAITING"):
            tls.finish_reauth(asked)
        assert read_all(tls) == UPLOAD
        assert tls.finish_reauth(asked).common_name == "alice"
        tls.sendall(b"thanks")
        assert uploading.result() == b"thanks"


def test_two_threads_shake_hands_once():
    one, other = socket.socketpair()
    server, context = server_context(standard), client_context(ours)
    serving = Doing(lambda: server.wrap_socket(other, server_side=True))
    with context.wrap_socket(
        one, server_hostname="localhost", do_handshake_on_connect=False
    ) as tls:
        tls.settimeout(PATIENCE)
        both = [Doing(tls.do_handshake) for _ in range(2)]
        assert [each.result() for each in both] == [None, None]
        assert context.session_stats()["connect_good"] == 1
        serving.result().close()
        Doing.running.clear()


class Leaving:
    """A lock for writing, with something that happens while its last holder lets go of it."""

    def __init__(self, meanwhile: Callable[[], Any]) -> None:
        self._lock = threading.RLock()
        self._depth = 0
        self._meanwhile: Callable[[], Any] | None = meanwhile

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if self._lock.acquire(blocking, timeout):
            self._depth += 1
            return True
        return False

    def release(self) -> None:
        meanwhile = self._meanwhile if self._depth == 1 else None
        if meanwhile is not None:
            self._meanwhile = None
            thread = threading.Thread(target=meanwhile)
            thread.start()
            thread.join(PATIENCE)
        self._depth -= 1
        self._lock.release()


@pytest.mark.parametrize("call", ["write", "_flush"])
def test_what_is_queued_while_a_writer_leaves_is_sent(call):
    """A reader leaves what it brings about to who is writing, who must not miss it."""
    with connected(ours) as (tls, client):
        channel = tls._sslobj
        connection = channel._connection
        channel._writing = Leaving(lambda: channel._step(connection.key_update))
        channel.write(b"x") if call == "write" else channel._flush(None)
        assert not connection.has_data_to_send
        tls.sendall(b"y")
        assert client.recv(10).startswith(b"x" if call == "write" else b"y")


def test_a_callback_may_ask_again_while_another_thread_writes():
    """It runs with no lock held that the writer waits for."""
    with connected(ours) as (tls, client):
        left, settled, enough = [20], [0], threading.Event()

        def upload() -> None:
            while not enough.is_set():
                tls.sendall(bytes(200_000))

        def again(reauth: Any) -> None:
            settled[0] += reauth.result() is not None
            left[0] -= 1
            if left[0]:
                tls.start_reauth().add_done_callback(again)
            else:
                enough.set()

        def download() -> None:
            with contextlib.suppress(OSError):
                while client.recv(65536):
                    pass

        def listen() -> None:
            with contextlib.suppress(OSError):
                tls.recv(1)

        Doing(download)
        writer = Doing(upload)
        tls.start_reauth().add_done_callback(again)
        Doing(listen)
        assert enough.wait(PATIENCE), f"{left[0]} requests left"
        assert settled[0] == 20
        assert writer.result() is None


def test_a_callback_that_comes_while_the_request_is_settled_is_called():
    """Whoever looks first, and however the two threads take turns, once."""
    for _ in range(200):
        told: list[Reauth] = []
        reauth = Reauth(AuthRequest(), b"context")
        start = threading.Barrier(2)

        def settle(reauth: Reauth = reauth, start: threading.Barrier = start) -> None:
            start.wait(PATIENCE)
            reauth.fail(ValueError)
            reauth.tell()

        thread = Doing(settle)
        start.wait(PATIENCE)
        reauth.add_done_callback(told.append)
        thread.result()
        assert told == [reauth]
    Doing.running.clear()
