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


@MODULES
@pytest.mark.parametrize("server_side", [True, False])
def test_it_is_refused_when_the_socket_is_wrapped(module: Any, server_side: bool) -> None:
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
            with pytest.raises(module.SSLError, match="before TLS handshake"):
                context.wrap_socket(accepted, server_side=server_side, server_hostname=name)


def connected(sock: socket.socket) -> bool:
    try:
        sock.getpeername()
    except OSError:
        return False
    return True
