"""Step-up in ASGI applications: a certificate when a route is reached.

    app = StepUp(app)  # outermost: what the server is given

    @app.get("/admin")
    async def admin(request):
        identity = await reauth(request, within=30)

The server's TLS must be a context of `postshake.ssl`. uvicorn takes one from its
``ssl_context_factory``, hypercorn from ``Config.create_ssl_context``; see `uvicorn_ssl` and
`HypercornConfig`. HTTP/1.1 alone can do it (RFC 9113, 9.2.3).

Theory of operation
===================

While the client is asked, its request's body may be on the way, in front of the answer. A
server that reads no more of it would never see the answer. So the body is taken from the
server meanwhile, kept (in memory, then on disk, within bounds), and given to the
application afterwards, in order. All of that request was sent before the proof: its
`Connection.identity_of_request` is who the client was when the request came, and stays it.
"""

from __future__ import annotations

import asyncio
import contextlib
import html
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any, TypeAlias

from ..pki.identity import Identity
from ..ssl import ReauthExpired, SSLCertVerificationError, SSLError
from ..ssl import reauth as reauth_over
from ..ssl.reauth import Authority
from ..ssl.sockets import SSLObject
from .policy import BodyTooLarge, CertificateNeeded, Lack, Policy, why_refused_now
from .scope import find_transport, tls_extension
from .spool import Spool

__all__ = ["Connection", "StepUp", "connection_of", "reauth", "step_up"]

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

KEY = "postshake"  # among the scope's extensions
PIECE = 64 * 1024
DROPPING = 2.0  # seconds for which a body that was refused is still read
log = logging.getLogger("postshake.web")


class Connection:
    """The connection that one request came on, as ``scope["extensions"]["postshake"]``."""

    def __init__(self, scope: Scope, receive: Receive, transport: Any) -> None:
        self._scope = scope
        self._receive = receive
        self._transport = transport
        tls = transport.get_extra_info("ssl_object") if transport is not None else None
        self._tls: SSLObject | None = tls if isinstance(tls, SSLObject) else None
        self._pending: asyncio.Task[Message] | None = None
        self._spool: Spool | None = None
        self._has_whole_body = False  # in the spool
        self._later: deque[Message] = deque()  # what came after it
        self._asking = asyncio.Lock()
        self.identity_of_request = self.identity
        """Whom the client had proven to be when this request came. A proof that is given
        because of it does not count for it: the request was sent before."""

    @property
    def identity(self) -> Identity | None:
        """Whom the client has proven to be, as of now."""
        return self._tls.identity if self._tls is not None else None

    @property
    def why_refused_now(self) -> str | None:
        """Why the client's identity would not be accepted now, as when its certificate ended."""
        return why_refused_now(self.identity, self._tls.config) if self._tls is not None else None

    @property
    def is_ours(self) -> bool:
        """Whether it has our TLS."""
        return self._tls is not None

    async def step_up(self, policy: Policy) -> Identity:
        """Return an identity that the policy accepts; ask for one if there is none yet.

        Cancelled, it withdraws the request and keeps the connection.

        Raises:
            CertificateNeeded: there is none.
            BodyTooLarge: too much of the body came before the answer.
        """
        async with self._asking:
            identity = self.identity
            config = self._tls.config if self._tls is not None else None
            if identity is not None and policy.is_met_by(identity, config):
                return identity
            try:
                return await self._ask(policy)
            except CertificateNeeded as needed:
                self._fill(needed.detail or needed.lack.value)
                raise

    async def _ask(self, policy: Policy) -> Identity:
        if self._tls is None:
            raise CertificateNeeded(Lack.UNAVAILABLE, "the connection has none of our TLS")
        if self._tls.selected_alpn_protocol() in ("h2", "h3"):
            raise CertificateNeeded(Lack.FORBIDDEN)
        asking = asyncio.ensure_future(
            reauth_over(self._transport, policy.authorities, within=policy.within)
        )
        try:
            identity = await self._keeping_the_body(asking, policy.max_body)
        except ReauthExpired as error:
            raise CertificateNeeded(Lack.EXPIRED, str(error)) from error
        except SSLCertVerificationError as error:
            raise CertificateNeeded(Lack.REFUSED, error.verify_message) from error
        except SSLError as error:
            lack = _LACKS.get(error.reason, Lack.UNAVAILABLE)
            raise CertificateNeeded(lack, str(error)) from error
        finally:
            if not asking.done():
                asking.cancel()
        if identity is None:
            raise CertificateNeeded(Lack.DECLINED)
        self._fill(None)
        return identity

    async def _keeping_the_body(
        self, asking: asyncio.Future[Identity | None], limit: int
    ) -> Identity | None:
        """Take what comes of the body, until the client has answered.

        When all of it is there, the next message would be that the client left; to wait
        for it keeps the server reading, without which no answer comes.
        """
        while not asking.done():
            if self._pending is None:
                self._pending = asyncio.ensure_future(_call(self._receive))
            both: set[asyncio.Future[Any]] = {asking, self._pending}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if self._pending.done():
                message = self._pending.result()
                self._pending = None
                self._keep(message, limit)
        return asking.result()

    def _keep(self, message: Message, limit: int) -> None:
        if message["type"] != "http.request":
            self._later.append(message)
            if message["type"] in ("http.disconnect", "websocket.disconnect"):
                raise CertificateNeeded(Lack.DECLINED, "the client left instead of answering")
            return
        if self._spool is None:
            self._spool = Spool(limit)
        self._spool.write(message.get("body", b""))
        if not message.get("more_body", False):
            self._has_whole_body = True

    async def receive(self) -> Message:
        """Give the application the next message: first what was kept, then what comes."""
        if self._spool is not None and (self._spool.left or self._has_whole_body):
            body = self._spool.read(PIECE)
            more = bool(self._spool.left) or not self._has_whole_body
            self._has_whole_body = self._has_whole_body and more
            return {"type": "http.request", "body": body, "more_body": more}
        if self._later:
            return self._later.popleft()
        if self._pending is not None:
            try:
                return await asyncio.shield(self._pending)
            finally:
                if self._pending.done():
                    self._pending = None
        return await self._receive()

    async def drop_body(self) -> None:
        """Read what still comes of the body, for a short while, for the server's sake.

        Some servers wait for ever for an application to read what it never will.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DROPPING):
                more = True
                while more:
                    message = await self.receive()
                    more = message["type"] == "http.request" and message.get("more_body", False)

    def _fill(self, error: str | None) -> None:
        if self._tls is not None:
            self._scope["extensions"]["tls"] = tls_extension(self._tls, error)

    def close(self) -> None:
        """The request is over."""
        if self._pending is not None:
            self._pending.cancel()
        if self._spool is not None:
            self._spool.close()


_LACKS = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": Lack.DECLINED,
    "EXTENSION_NOT_RECEIVED": Lack.UNAVAILABLE,
}


async def _call(receive: Receive) -> Message:
    return await receive()


Refusal: TypeAlias = Callable[[Scope, Receive, Send, CertificateNeeded], Awaitable[None]]
"""Answers a request whose client could not be identified."""


class StepUp:
    """Wraps an application, so that it can ask clients for certificates.

    It must be outermost: what the server is given. It also fills in ASGI's TLS extension,
    and answers 403, with an explanation, where the application lets `CertificateNeeded`
    pass.

    Args:
        app: the application.
        protect: paths below which every request needs a certificate, with what is asked:
            ``{"/admin": Policy(within=30)}``. ``/admin`` is ``/admin`` and ``/admin/...``.
        on_refusal: answers instead of the 403.
    """

    def __init__(
        self,
        app: Any,
        *,
        protect: Mapping[str, Policy] | None = None,
        on_refusal: Refusal | None = None,
    ) -> None:
        self.app = app
        self._protect = {path.rstrip("/"): policy for path, policy in (protect or {}).items()}
        self._on_refusal = on_refusal or _forbid

    def __getattr__(self, name: str) -> Any:
        return getattr(self.app, name)  # such as routes and decorators of a framework's

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        scope["extensions"] = dict(scope.get("extensions") or {})
        connection = Connection(scope, receive, find_transport(send))
        scope["extensions"][KEY] = connection
        connection._fill(connection.why_refused_now)
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            policy = self._policy_for(scope)
            if policy is not None:
                await connection.step_up(policy)
            await self.app(scope, connection.receive, sending)
        except CertificateNeeded as needed:
            if started:
                raise
            log.info("refused %s: %s %s", scope.get("path"), needed.lack.value, needed.detail)
            await self._refuse(scope, receive, send, needed)
        except BodyTooLarge as error:
            if started:
                raise
            await _answer(send, 413, str(error), close=True)
            await connection.drop_body()
        finally:
            connection.close()

    def _policy_for(self, scope: Scope) -> Policy | None:
        path = scope.get("path", "")
        best = None
        for prefix in self._protect:
            if path == prefix or path.startswith(f"{prefix}/"):
                if best is None or len(prefix) > len(best):
                    best = prefix
        return self._protect[best] if best is not None else None

    async def _refuse(
        self, scope: Scope, receive: Receive, send: Send, needed: CertificateNeeded
    ) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": needed.lack.value})
            return
        await self._on_refusal(scope, receive, send, needed)


async def _forbid(scope: Scope, receive: Receive, send: Send, needed: CertificateNeeded) -> None:
    await _answer(send, needed.status, str(needed))


async def _answer(send: Send, status: int, text: str, *, close: bool = False) -> None:
    title = {403: "A certificate is needed", 413: "Too much at once"}[status]
    body = (
        f"<!doctype html><meta charset=utf-8><title>{title}</title>"
        f"<h1>{title}</h1><p>{html.escape(text)}</p>\n"
    ).encode()
    headers = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    if close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def connection_of(request: Any) -> Connection:
    """Return the connection of a request.

    Args:
        request: a scope, or an object with one, such as Starlette's Request.

    Raises:
        RuntimeError: the application was not wrapped in `StepUp`.
    """
    scope = request if isinstance(request, Mapping) else request.scope
    connection = scope.get("extensions", {}).get(KEY)
    if not isinstance(connection, Connection):
        raise RuntimeError("wrap the application, outermost, before asking: app = StepUp(app)")
    return connection


async def reauth(
    request: Any,
    authorities: Iterable[Authority] = (),
    *,
    within: float = 30.0,
    max_age: float | None = None,
) -> Identity:
    """Return who the client is, and ask it if that is not known on this connection yet.

    Cancelled, it withdraws the question; the connection goes on.

    Args:
        request: a scope, or an object with one, such as Starlette's Request.
        authorities: whom the client's chain must lead to, certificates or names.
        within: seconds that the client has.
        max_age: seconds for which an earlier proof on this connection will do; None for
            ever, 0 to ask in any case.

    Raises:
        CertificateNeeded: that cannot be had. With Starlette and FastAPI it is an
            HTTPException too, which becomes 403.
    """
    policy = Policy.of(authorities, within=within, max_age=max_age)
    return await step_up(request, policy)


async def step_up(request: Any, policy: Policy) -> Identity:
    """Do what `reauth` does, for a policy."""
    connection = connection_of(request)
    try:
        return await connection.step_up(policy)
    except CertificateNeeded as needed:
        with contextlib.suppress(ImportError):
            from starlette.requests import HTTPConnection

            from .starlette import HTTPCertificateNeeded

            if isinstance(request, HTTPConnection):
                raise HTTPCertificateNeeded(needed.lack, needed.detail) from needed
        raise
