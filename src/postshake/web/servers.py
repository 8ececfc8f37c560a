"""Server contexts without a request in the handshake, and with reauth, for each web server."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..ssl import CERT_OPTIONAL, PROTOCOL_TLS_SERVER, SSLContext

if TYPE_CHECKING:
    from hypercorn.config import Config

__all__ = ["hypercorn_config", "server_context", "uvicorn_ssl"]


def server_context(
    certfile: Any,
    keyfile: Any = None,
    *,
    ca: Any = None,
    password: Any = None,
    protocols: tuple[str, ...] = ("http/1.1",),
) -> SSLContext:
    """Make a server's context that asks nobody at first, and whom it likes later.

    Clients of TLS 1.2 cannot be asked later: they are in the handshake, and may decline.

    Args:
        certfile: the server's chain, PEM.
        keyfile: its key, if it is in another file.
        ca: whose clients are believed, PEM; None for the system's authorities.
        password: the key's, or who to ask for it.
        protocols: application protocols, favourites first. Reauth works in HTTP/1.1 alone.
    """
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certfile, keyfile, password)
    if ca is not None:
        context.load_verify_locations(ca)
    else:
        context.load_default_certs()
    context.verify_mode = CERT_OPTIONAL  # what a route needs is the route's to say
    context.post_handshake_auth = True
    context.set_alpn_protocols(protocols)
    return context


def uvicorn_ssl(context: SSLContext) -> Callable[..., SSLContext]:
    """Make uvicorn's ``ssl_context_factory`` from a context.

    ``uvicorn.run(StepUp(app), ssl_context_factory=uvicorn_ssl(context))``
    """
    return lambda config, default: context


def hypercorn_config(context: SSLContext, **settings: Any) -> Config:
    """Make a hypercorn Config with a context: ``await serve(StepUp(app), config)``.

    Args:
        context: ours; its application protocols take the place of the configuration's.
        settings: attributes of the configuration, such as ``bind``.
    """
    from hypercorn.config import Config

    class WithContext(Config):
        """Hypercorn's configuration, with TLS of another make."""

        @property
        def ssl_enabled(self) -> bool:
            return True

        def create_ssl_context(self) -> Any:
            return context

    config = WithContext()
    for name, value in settings.items():
        setattr(config, name, value)
    return config
