"""``postshake serve module:app``: an ASGI application on uvicorn, over our TLS."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from inspect import signature
from typing import Any

from ..errors import UsageError
from ..pki.revocation import Revocation
from ..pki.trust import ChainVerifier, TrustStore
from ..recording.html import html_page
from ..recording.recording import Recording
from ..web.asgi import StepUp, connection_of
from ..web.policy import Policy
from ..web.root_paths import own_root_paths
from ..web.servers import server_context, uvicorn_ssl
from .arguments import RECORDED
from .deadlines import with_deadlines

__all__ = ["load", "serve"]

Message = MutableMapping[str, Any]

UVICORN = "uvicorn 0.47 or newer (the extra postshake[cli])"


def load(text: str) -> Any:
    """Import an application, ``package.module:attribute``, also from the current folder.

    Raises:
        UsageError: it cannot be imported, or uvicorn is not installed, or too old.
    """
    try:
        import uvicorn
        from uvicorn.importer import ImportFromStringError, import_from_string
    except ImportError as error:
        raise UsageError(f"applications need {UVICORN}, and there is none") from error
    if "ssl_context_factory" not in signature(uvicorn.Config).parameters:
        raise UsageError(f"applications need {UVICORN}, and this is {uvicorn.__version__}")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        return import_from_string(text)
    except (ImportFromStringError, ModuleNotFoundError) as error:
        raise UsageError(f"{text}: {error}") from error


def serve(
    app: Any,
    listener: socket.socket,
    *,
    certificate: str,
    key: str | None,
    ca: str,
    protected: tuple[str, ...],
    within: float,
    keylog: str | None,
    connections: int,
    revocation: Revocation,
    debug: str | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        app: an ASGI application.
        listener: a socket that listens.
        certificate: the server's chain, a file.
        key: its key's file, if it is another one.
        ca: a file with the authorities that clients' certificates must come from.
        protected: paths that need a certificate, and all below them.
        within: seconds that a client has to answer.
        keylog: a file for the secrets.
        connections: most at a time.
        revocation: who looks whether clients' certificates were revoked.
        debug: where a client sees its own connection, drawn; None for nowhere.
    """
    import uvicorn
    from uvicorn.protocols.http.auto import AutoHTTPProtocol

    context = server_context(certificate, key, ca=ca)
    context.verifier = ChainVerifier(TrustStore.from_files(ca), revocation=revocation)
    if keylog is not None:
        context.keylog_filename = keylog
    # what is protected without the pictures is so with them
    roots = own_root_paths(app)
    if debug is not None:
        context.recorder = partial(Recording, limit=RECORDED)
        app = _Pictures(app, debug)
    protect = dict.fromkeys(protected, Policy(within=within))
    config = uvicorn.Config(
        StepUp(app, protect=protect, root_paths=roots),
        ssl_context_factory=uvicorn_ssl(context),
        http=with_deadlines(AutoHTTPProtocol),
        limit_concurrency=connections,
        log_level="info",
        server_header=False,
    )
    uvicorn.Server(config).run([listener])


class _Pictures:
    """Shows each client its own connection, and leaves the rest to the application."""

    def __init__(self, app: Any, path: str) -> None:
        self._app = app
        self._path = path

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        asked_for = scope["type"] == "http" and scope["method"] == "GET"
        if not asked_for or scope["path"] != self._path:
            await self._app(scope, receive, send)
            return
        page = html_page(connection_of(scope).recording, "Your connection")
        headers = [(b"content-type", b"text/html; charset=utf-8"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": page.encode()})
