"""``postshake serve module:app``: an ASGI application on uvicorn, over our TLS."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from posixpath import normpath
from typing import Any

from ..errors import UsageError
from ..pki.revocation import Revocation
from ..pki.trust import ChainVerifier, TrustStore
from ..recording import Recording
from ..web.asgi import StepUp
from ..web.policy import Policy
from ..web.scope import find_transport
from ..web.servers import server_context, uvicorn_ssl
from .common import RECORDED
from .deadlines import with_deadlines
from .picture import picture

__all__ = ["load", "serve"]

Message = MutableMapping[str, Any]


def load(text: str) -> Any:
    """Import an application, ``package.module:attribute``, also from the current folder.

    Raises:
        UsageError: it cannot be imported, or uvicorn is not installed.
    """
    try:
        from uvicorn.importer import ImportFromStringError, import_from_string
    except ImportError as error:
        raise UsageError("applications need uvicorn: pip install postshake[cli]") from error
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
    policy = Policy(within=within)
    guarded: Any = StepUp(_Plain(app, protected), protect=dict.fromkeys(protected, policy))
    if debug is not None:
        context.recorder = partial(Recording, limit=RECORDED)
        guarded = _Pictures(guarded, debug)
    config = uvicorn.Config(
        guarded,
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
        transport = find_transport(send) if scope["type"] == "http" else None
        if transport is None or scope["path"] != self._path or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        page = picture(transport.get_extra_info("ssl_object").recording, "Your connection")
        headers = [(b"content-type", b"text/html; charset=utf-8"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": page.encode()})


class _Plain:
    """Lets nobody reach what is protected by writing its path in another way.

    `StepUp` compares paths as they come, and so do most applications; one that serves
    files takes ``/a/../admin`` for ``/admin``.
    """

    def __init__(self, app: Any, protected: tuple[str, ...]) -> None:
        self._app = app
        self._protected = protected

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        path = scope.get("path", "")
        if scope["type"] == "http" and not self._covers(path) and self._covers(_normal(path)):
            start = {"type": "http.response.start", "status": 404, "headers": []}
            await send(start)
            await send({"type": "http.response.body", "body": b"not found\n"})
            return
        await self._app(scope, receive, send)

    def _covers(self, path: str) -> bool:
        return any(path == each or path.startswith(f"{each}/") for each in self._protected)


def _normal(path: str) -> str:
    return normpath("/" + path.replace("\\", "/").lstrip("/"))
