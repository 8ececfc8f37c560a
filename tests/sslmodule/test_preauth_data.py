"""What came before the handshake, from a peer that is gone, is not read as if TLS had carried it.

CVE-2023-40217: a socket that was closed again before it was wrapped counted as not connected,
and `recv` gave what lay in its buffer, in clear.
"""

from __future__ import annotations

import socket
import struct
from typing import Any

import pytest

from tests.sslmodule.ends import client_context, ours, server_context, standard
from tests.waiting import PATIENCE, wait_until

MODULES = pytest.mark.parametrize("module", [ours, standard], ids=["ours", "standard"])


SIDES = pytest.mark.parametrize("server_side", [True, False])


def wrap_what_was_reset(module: Any, server_side: bool) -> None:
    context = server_context(module) if server_side else client_context(module)
    name = None if server_side else "localhost"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = socket.create_connection(listener.getsockname())
        accepted, _ = listener.accept()
        with accepted:
            accepted.settimeout(PATIENCE)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            peer.sendall(b"DELETE /data HTTP/1.0\r\n\r\n")
            peer.close()  # by a reset
            wait_until(lambda: not connected(accepted))
            with pytest.raises(module.SSLError, match="before TLS handshake") as caught:
                context.wrap_socket(accepted, server_side=server_side, server_hostname=name)
            assert "before TLS handshake" in caught.value.reason
            assert accepted.fileno() == -1


@MODULES
@SIDES
def test_it_is_refused_when_the_socket_is_wrapped(module: Any, server_side: bool) -> None:
    wrap_what_was_reset(module, server_side)


@SIDES
def test_whatever_the_standard_class_does(
    server_side: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before Python 3.11.5 that took such a socket for one that is yet to be connected."""

    def too_late(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("the socket got as far as the standard class")

    monkeypatch.setattr(standard.SSLSocket, "_create", too_late)
    wrap_what_was_reset(ours, server_side)


@MODULES
def test_a_socket_that_is_yet_to_be_connected_is_not_touched(module: Any) -> None:
    with socket.socket() as sock:
        sock.settimeout(PATIENCE)
        context = client_context(module)
        with context.wrap_socket(sock, server_hostname="localhost") as wrapped:
            assert wrapped.gettimeout() == PATIENCE


def connected(sock: socket.socket) -> bool:
    try:
        sock.getpeername()
    except OSError:
        return False
    return True
