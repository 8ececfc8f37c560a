"""ASGI's TLS extension, and how the connection behind a request is found.

An ASGI server tells an application nothing of the connection. But ``send`` is a method of
the server's, and leads to the transport by public names: in uvicorn's request to
``transport``, in hypercorn's stream by ``send`` again to the ``writer``. So the
application is wrapped as a whole, where ``send`` is still the server's own.
"""

from __future__ import annotations

import ssl
from typing import Any

from ..ssl.sockets import SSLObject

__all__ = ["find_transport", "tls_extension"]

DEEPEST = 6  # methods that lead from one object to the next


def find_transport(send: Any) -> Any:
    """Return the asyncio transport behind a server's ``send``; None if it cannot be found."""
    for _ in range(DEEPEST):
        owner = getattr(send, "__self__", None)
        if owner is None:
            return None
        writer = getattr(owner, "writer", None)
        transport = getattr(owner, "transport", None) or getattr(writer, "transport", None)
        if transport is not None:
            return transport if callable(getattr(transport, "get_extra_info", None)) else None
        send = getattr(owner, "send", None)
    return None


def tls_extension(tls: SSLObject, error: str | None = None) -> dict[str, Any]:
    """Fill in ``scope["extensions"]["tls"]``, as ASGI's TLS extension 0.2 says."""
    identity = tls.identity
    channel = tls._channel()
    ours = channel.our_certificate
    return {
        "server_cert": ssl.DER_cert_to_PEM_cert(ours) if ours is not None else None,
        "client_cert_chain": [
            ssl.DER_cert_to_PEM_cert(der) for der in (identity.chain if identity else ())
        ],
        "client_cert_name": identity.subject if identity is not None else None,
        "client_cert_error": error,
        "tls_version": {"TLSv1.3": 0x0304, "TLSv1.2": 0x0303}.get(tls.version() or ""),
        "cipher_suite": channel.cipher_code,
    }
