"""ASGI's TLS extension, and how the connection behind a request is found.

An ASGI server tells an application nothing of the connection. But ``send`` is a method of
the server's, and leads to the transport by public names: in uvicorn's request to
``transport``, in hypercorn's stream by ``send`` again to the ``writer``. So the
application is wrapped as a whole, where ``send`` is still the server's own. On the same way
lies the server's parser, which knows whether more was received than one request.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from typing import Any

from ..pki.identity import Identity
from ..ssl.sockets import SSLObject

__all__ = ["find_transport", "holds_more", "tls_extension"]

DEEPEST = 6  # methods that lead from one object to the next
KNOWN = frozenset({"hypercorn", "uvicorn"})  # servers whose objects are looked into


def _owners(send: Any) -> Iterator[Any]:
    """Yield the objects that a server's ``send`` leads through, to the one with a transport."""
    for _ in range(DEEPEST):
        owner = getattr(send, "__self__", None)
        if owner is None:
            return
        yield owner
        send = getattr(owner, "send", None)


def find_transport(send: Any) -> Any:
    """Return the asyncio transport behind a server's ``send``; None if it cannot be found."""
    for owner in _owners(send):
        writer = getattr(owner, "writer", None)
        transport = getattr(owner, "transport", None) or getattr(writer, "transport", None)
        if transport is not None:
            return transport if callable(getattr(transport, "get_extra_info", None)) else None
    return None


def holds_more(send: Any) -> bool:
    """Whether a server has received more of a connection than the request that it serves.

    It is asked when that request was received whole, or never will be. True when in doubt:
    a server whose parser nobody knows here may hold anything.
    """
    parsers = [_parser_holds_more(owner) for owner in _owners(send) if _is_known(owner)]
    known = [each for each in parsers if each is not None]
    return any(known) or not known


def _is_known(owner: Any) -> bool:
    packages = {each.__module__.partition(".")[0] for each in type(owner).__mro__}
    return not packages.isdisjoint(KNOWN)


def _parser_holds_more(owner: Any) -> bool | None:
    """Whether one object on the way has unparsed input; None if it is no parser."""
    reader = getattr(owner, "reader", None)
    if isinstance(reader, asyncio.StreamReader):  # hypercorn's, in front of its parser
        return bool(getattr(reader, "_buffer", True)) or None
    h11 = getattr(owner, "conn", None) or getattr(owner, "connection", None)
    trailing = getattr(h11, "trailing_data", None)
    if isinstance(trailing, tuple):  # uvicorn's, and hypercorn's
        return bool(trailing[0])
    transport: Any = getattr(owner, "transport", None)
    protocol: Any = transport.get_protocol() if hasattr(transport, "get_protocol") else None
    if hasattr(protocol, "pipeline") and hasattr(protocol, "scope"):
        # uvicorn's with httptools, which begins a new scope with the first byte of a request
        return bool(protocol.pipeline) or protocol.scope is not getattr(owner, "scope", None)
    return None


def tls_extension(
    tls: SSLObject, identity: Identity | None, error: str | None = None
) -> dict[str, Any]:
    """Fill in ``scope["extensions"]["tls"]``, as ASGI's TLS extension 0.2 says.

    Args:
        tls: the connection's.
        identity: whom its client has proven to be.
        error: why that is nobody.
    """
    ours = tls.our_certificate
    return {
        "server_cert": ssl.DER_cert_to_PEM_cert(ours) if ours is not None else None,
        "client_cert_chain": [
            ssl.DER_cert_to_PEM_cert(der) for der in (identity.chain if identity else ())
        ],
        "client_cert_name": identity.subject if identity is not None else None,
        "client_cert_error": error,
        "tls_version": {"TLSv1.3": 0x0304, "TLSv1.2": 0x0303}.get(tls.version() or ""),
        "cipher_suite": tls.cipher_code,
    }
