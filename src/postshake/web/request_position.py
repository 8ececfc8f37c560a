"""Where in the client's data a request began, and so whom it is from.

A server may have read a request long before it hands it on: with one that came earlier, in
the same record even (pipelining, RFC 9112, 9.3.2). Whoever the client has proven to be in
between did not send it by that. Servers do not say where a request began. What is known is
how far the connection had been read when the one before it was over, and whether the
server held anything more then. If it did, the next request is taken to have begun where
that one did, which is too early at worst, never too late.
"""

from __future__ import annotations

import threading
import weakref

from ..ssl.sockets import SSLObject, SSLSocket

__all__ = ["begins_at", "request_position"]

_positions: weakref.WeakKeyDictionary[SSLObject | SSLSocket, int] = weakref.WeakKeyDictionary()
_lock = threading.Lock()  # servers with threads have many connections, and this is one


def request_position(tls: SSLObject | SSLSocket) -> int:
    """Return a position at or before the first byte of the request that is next, or served."""
    with _lock:
        return _positions.get(tls, 0)


def begins_at(tls: SSLObject | SSLSocket, position: int) -> None:
    """Note that the next request begins at this position, or after it."""
    with _lock:
        _positions[tls] = max(position, _positions.get(tls, 0))
