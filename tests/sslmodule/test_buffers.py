"""What a call leaves behind: no view of its caller's buffer, and no exception that is kept.

The standard module is held to the same, as the measure.
"""

from __future__ import annotations

import contextlib
import gc
import io
import socket
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.sslmodule.ends import client_context, ours, over_sockets, server_context, standard

MODULES = pytest.mark.parametrize("module", [ours, standard], ids=["ours", "standard"])
VERSIONS = pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])


@contextlib.contextmanager
def connected(module: Any, version: str = "TLSv1_3") -> Iterator[tuple[Any, Any]]:
    """A client of this module and a server of the standard one, over sockets."""
    client = client_context(module)
    client.maximum_version = getattr(module.TLSVersion, version)
    with over_sockets(server_context(standard), client) as (peer, tls):
        yield tls, peer


def is_free(buffer: bytearray) -> bool:
    """Whether nobody holds a view of it."""
    try:
        buffer.clear()
    except BufferError:
        return False
    return True


def caught(call: Callable[[], Any], wanted: type[BaseException]) -> BaseException:
    """The exception of a call, as whoever keeps it has it: with its traceback."""
    try:
        call()
    except wanted as error:
        return error
    raise AssertionError(f"expected {wanted.__name__}")


# --- buffers


@MODULES
@VERSIONS
def test_a_buffer_to_read_into_is_free_at_the_end(module, version):
    with connected(module, version) as (tls, peer):
        peer.sendall(b"123456789")
        socket.socket.shutdown(peer, socket.SHUT_WR)  # of the transport: a ragged end
        buffer = bytearray(100)
        assert tls.recv_into(buffer) == 9
        assert tls.recv_into(buffer) == 0
        assert is_free(buffer)


@MODULES
@VERSIONS
@pytest.mark.parametrize("buffering", [-1, 0], ids=["buffered", "raw"])
def test_files_read_to_a_ragged_end(module, version, buffering):
    with connected(module, version) as (tls, peer):
        peer.sendall(b"123456789")
        socket.socket.shutdown(peer, socket.SHUT_WR)
        with tls.makefile("rb", buffering=buffering) as file:
            assert isinstance(file, io.RawIOBase if buffering == 0 else io.BufferedReader)
            assert file.read() == b"123456789"


@MODULES
@pytest.mark.parametrize("view", [False, True], ids=["buffer", "view"])
def test_a_buffer_is_free_when_there_was_nothing_to_read(module, view):
    with connected(module) as (tls, _):
        tls.setblocking(False)
        buffer = bytearray(100)
        target: Any = memoryview(buffer) if view else buffer
        kept = caught(lambda: tls.recv_into(target), module.SSLWantReadError)
        if view:
            target.release()
        assert is_free(buffer)
        del kept


@MODULES
def test_a_buffer_is_free_when_reading_failed(module):
    with connected(module) as (tls, peer):
        socket.socket.sendall(peer, b"\x17\x03\x03\x00\x20" + bytes(32))  # no record of ours
        buffer = bytearray(100)
        kept = caught(lambda: tls.recv_into(buffer), module.SSLError)
        assert is_free(buffer)
        del kept


@MODULES
@pytest.mark.parametrize("size", [10, 50_000_000])
def test_a_buffer_is_free_when_the_socket_takes_no_more(module, size):
    with connected(module) as (tls, _):
        tls.setblocking(False)
        buffer = bytearray(size)
        view = memoryview(buffer)

        def fill() -> None:
            while True:
                tls.send(view)

        kept = caught(fill, module.SSLWantWriteError)
        view.release()
        assert is_free(buffer)
        del kept


@MODULES
def test_a_buffer_is_free_when_writing_failed(module):
    with connected(module) as (tls, peer):
        peer.close()
        buffer = bytearray(100_000)

        def write() -> None:
            for _ in range(1000):
                tls.send(buffer)

        kept = caught(write, OSError)
        assert is_free(buffer)
        del kept


def test_a_buffer_is_free_when_it_could_not_be_sealed(monkeypatch):
    """Whatever the engine fails by, its frames do not keep the data."""
    with connected(ours) as (tls, _):
        engine = tls._sslobj._connection._engine
        limited = engine.layer.outbound
        monkeypatch.setattr(type(limited), "seal_many", _raising, raising=True)
        buffer = bytearray(60_000)
        kept = caught(lambda: tls.send(buffer), ours.SSLError)
        assert isinstance(kept.__cause__, ours_internal_error())
        assert is_free(buffer)
        del kept


def _raising(self: Any, content_type: int, data: Any, size: int) -> bytes:
    pieces = [memoryview(data)[:10]]
    raise ours_internal_error()(f"made to fail with {len(pieces)} views")


def ours_internal_error() -> type[Exception]:
    from postshake.errors import InternalError

    return InternalError


@MODULES
def test_a_view_that_is_not_in_one_piece_is_refused_and_free(module):
    with connected(module) as (tls, _):
        buffer = bytearray(10)
        with memoryview(buffer)[::2] as pieces:
            kept = caught(lambda: tls.send(pieces), BufferError)
        assert is_free(buffer)
        del kept


# --- exceptions


class Big:
    """Something that a program would not want to keep."""


@MODULES
@VERSIONS
def test_a_connection_that_failed_keeps_no_variables_of_its_callers(module, version):
    def read_all(tls: Any) -> weakref.ref[Big]:
        local = Big()
        while True:
            try:
                if not tls.recv(100):
                    break
            except module.SSLError:
                break
        return weakref.ref(local)

    def handle(tls: Any) -> list[weakref.ref[Big]]:
        local = Big()
        return [weakref.ref(local), read_all(tls), read_all(tls)]

    with connected(module, version) as (tls, peer):
        peer.sendall(b"1")
        socket.socket.sendall(peer, b"\x17\x03\x03\x00\x20" + bytes(32))
        locals_ = handle(tls)
        gc.collect()
        assert [each() for each in locals_] == [None, None, None]


@pytest.mark.parametrize("how", ["reset", "end"])
def test_a_request_that_failed_is_settled_and_keeps_no_variables(how):
    def ask(tls: Any, client: Any) -> tuple[Any, weakref.ref[Big]]:
        local = Big()
        asked = tls.start_reauth()
        if how == "reset":  # there is data that it has not read
            client.close()
        else:
            socket.socket.shutdown(client, socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            tls.recv(1)
        for _ in range(3):
            with contextlib.suppress(OSError):
                asked.result()
        return asked, weakref.ref(local)

    server = server_context(ours, asks_later=True)
    with over_sockets(server, client_context(standard)) as (tls, client):
        asked, local = ask(tls, client)
        gc.collect()
        assert local() is None
        assert "failed" in repr(asked)
        with pytest.raises(ConnectionResetError if how == "reset" else ours.SSLEOFError):
            asked.result()
