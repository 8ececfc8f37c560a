"""What gevent and eventlet put into the place of the standard module's classes.

Both replace `ssl.SSLSocket` and `ssl.SSLContext` by classes whose waiting lets other greenlets
run. gevent's hold a socket that never blocks, and hand that to the context; what waits is the
object around it. So our classes, which are made from those that are there when this package is
imported, use that object: its `recv` and `send` wait as gevent has it, and whatever blocks here
blocks one greenlet. eventlet's make their objects of a class of its own, whatever the context
says, so there is no way in.

The standard module's own methods look for its classes by their names in it. Those find other
classes when they were replaced after ours were made, and then recurse without an end.
"""

from __future__ import annotations

import ssl
from typing import Any

__all__ = ["STANDARD_CONTEXT", "check_importable", "check_not_patched_since", "cooperative"]

_CLASSES = ssl.SSLContext, ssl.SSLSocket  # as they are while ours are made

STANDARD_CONTEXT: type[ssl.SSLContext] = next(
    each for each in ssl.SSLContext.__mro__ if each.__module__ == "ssl"
)
"""The standard module's own class, whatever stands in its place."""


def check_importable() -> None:
    """See whether our classes can be made from those that `ssl` has now.

    Raises:
        ImportError: they are eventlet's, or of somebody of whom we know nothing.
    """
    if _package_of(ssl.SSLSocket) == "eventlet":
        raise ImportError(
            "postshake.ssl does not work where eventlet has patched ssl: its sockets cannot be "
            "made ours. Use gevent, threads or asyncio in this program, or import postshake.ssl "
            "in a process of its own",
            name="postshake.ssl",
        )
    if (who := _package_of(ssl.SSLContext)) not in ("ssl", "gevent"):
        raise ImportError(
            f"{who} has replaced ssl.SSLContext: import postshake.ssl before it does so",
            name="postshake.ssl",
        )


def check_not_patched_since() -> None:
    """See whether `ssl` has the classes that ours were made from.

    Raises:
        RuntimeError: somebody has replaced them since.
    """
    if ssl.SSLSocket is not _CLASSES[1]:
        who = _package_of(ssl.SSLSocket)
        advice = (
            "call gevent.monkey.patch_all() first, before anything else is imported"
            if who == "gevent"
            else "it does not work with that"
        )
        raise RuntimeError(f"{who} has patched ssl after postshake.ssl was imported: {advice}")


def cooperative(sock: Any) -> Any:
    """Return the object that waits for a socket: gevent's around its own; else the socket."""
    around = getattr(sock, "_sslsock", None)  # of gevent's alone; a weak reference
    return around() if around is not None else sock


def _package_of(kind: type) -> str:
    return kind.__module__.partition(".")[0]
