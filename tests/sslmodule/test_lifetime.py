"""TLS objects that nobody holds any more are gone at once, without the collector's help.

So it is in the standard module, and programs rely on it: a handler that returns after an
error has closed its socket.
"""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import warnings
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.sslmodule.ends import (
    Memory,
    client_context,
    ours,
    over_sockets,
    server_context,
    standard,
)

MODULES = pytest.mark.parametrize("module", [ours, standard], ids=["ours", "standard"])


@pytest.fixture(autouse=True)
def without_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def begun(module: Any) -> Any:
    return Memory(server_context(module), client_context(module)).client


def hello_sent(module: Any) -> Any:
    client = begun(module)
    with contextlib.suppress(module.SSLWantReadError):
        client.do_handshake()
    return client


def shaken(module: Any) -> Any:
    return Memory(server_context(module), client_context(module)).handshake().client


def answered(module: Any) -> Any:
    pair = Memory(server_context(module, asks_later=True), client_context(module)).handshake()
    pair.exchange()
    pair.server.verify_client_post_handshake()
    pair.server.write(b"x")  # with which OpenSSL sends the request
    pair.move()
    assert pair.client.read(1) == b"x"
    pair.exchange()
    assert pair.server.getpeercert()
    return pair.server


def refused(module: Any) -> Any:
    client = client_context(module, ca="Another CA")
    pair = Memory(server_context(module), client)
    reasons = []
    for end in (pair.client, pair.server) * 3:
        try:
            end.do_handshake()
        except module.SSLError as error:  # and let go of it
            reasons.append(getattr(error, "reason", None))
        pair.move()
    assert {"CERTIFICATE_VERIFY_FAILED", "TLSV1_ALERT_UNKNOWN_CA"} <= set(reasons)
    return pair.client


def called_back(module: Any) -> Any:
    server = server_context(module)
    server.sni_callback = lambda end, name, context: None
    return Memory(server, client_context(module)).handshake().server


@MODULES
@pytest.mark.parametrize("how", [begun, hello_sent, shaken, answered, refused, called_back])
def test_an_object_that_nobody_holds_is_gone(how: Callable[[Any], Any], module: Any) -> None:
    end = how(module)
    there = weakref.ref(end)
    del end
    assert there() is None


@MODULES
def test_a_socket_that_nobody_holds_is_closed(module):
    with (
        over_sockets(server_context(standard), client_context(standard)),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", ResourceWarning)
        one, other = socket.socketpair()
        with other:
            tls = client_context(module).wrap_socket(
                one, server_hostname="localhost", do_handshake_on_connect=False
            )
            tls.setblocking(False)
            with contextlib.suppress(module.SSLWantReadError):
                tls.do_handshake()
            number = tls.fileno()
            there = weakref.ref(tls)
            del tls
            assert there() is None
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.fstat(number)


@MODULES
def test_a_context_goes_with_the_last_that_needs_it(module):
    server, client = server_context(module), client_context(module)
    there = weakref.ref(client)
    pair = Memory(server, client).handshake()
    del client
    assert there() is pair.client.context
    del pair
    assert there() is None


def test_what_is_left_of_a_socket_says_so():
    one, other = socket.socketpair()
    with other:
        tls = client_context(ours).wrap_socket(
            one, server_hostname="localhost", do_handshake_on_connect=False
        )
        inside = tls._sslobj
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            del tls
        assert inside.owner is None
        with pytest.raises(ours.SSLError, match="Underlying socket connection gone"):
            inside.do_handshake()
