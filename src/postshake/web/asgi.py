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

A server may hold more than that: requests that were sent together with this one, in front
of the answer just the same. They are nobody's, and ask by themselves. `request_position`
says how it is known where a request began.
"""

from __future__ import annotations

import asyncio
import contextlib
import html
import logging
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any, TypeAlias

from ..pki.identity import Identity
from ..ssl import ReauthExpired, SSLCertVerificationError, SSLError
from ..ssl import reauth as reauth_over
from ..ssl.reauth import Authority
from ..ssl.sockets import SSLObject
from .body_buffer import BodyBuffer
from .path_guard import CLAIMING, AmbiguousPath, PathGuard
from .policy import (
    MAX_MESSAGES,
    BodyTooLarge,
    CertificateNeeded,
    Lack,
    Policy,
    ServerBusy,
    why_refused_now,
)
from .quota import QUOTA, Quota
from .request_position import begins_at, request_position
from .root_paths import own_root_paths
from .scope import find_transport, holds_more, tls_extension

__all__ = ["Connection", "StepUp", "connection_of", "reauth", "step_up"]

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

KEY = "postshake"  # among the scope's extensions
PIECE = 64 * 1024
DROPPING = 2.0  # seconds for which an answer waits for a body that was refused
LINGERING = 60.0  # seconds for which what still comes is read, unless the client leaves
DISCONNECTS = frozenset({"http.disconnect", "websocket.disconnect"})
TURNS = 10  # of the loop, in which what was read from TLS reaches a server's parser
log = logging.getLogger("postshake.web")


class Connection:
    """The connection that one request came on, as ``scope["extensions"]["postshake"]``."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, quota: Quota = QUOTA) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._quota = quota
        self._transport = find_transport(send)
        tls = self._transport.get_extra_info("ssl_object") if self._transport is not None else None
        self._tls: SSLObject | None = tls if isinstance(tls, SSLObject) else None
        self._pending: asyncio.Task[Message] | None = None
        self._buffered: BodyBuffer | None = None
        self._has_whole_body = False  # in the spool
        self._later: deque[Message] = deque()  # what came after it
        self._later_size = 0  # bytes of memory
        self._is_over = False  # nothing more of the request will come
        self._dropping: asyncio.Task[None] | None = None
        self._asking = asyncio.Lock()
        self._proven: Identity | None = None
        self._failed = False
        self.identity_of_request = (
            self._tls.identity_at(request_position(self._tls)) if self._tls is not None else None
        )
        """Whom the client had proven to be when this request came. A proof that is given
        because of it does not count for it: the request was sent before. Nor does one that
        an earlier request brought about, if this one was sent together with that."""

    @property
    def identity(self) -> Identity | None:
        """Whom the client has proven to be: before it sent this request, or when asked for it.

        In a websocket, what was sent before the proof and received after it is not the
        proven client's, and nothing tells it from the rest.
        """
        return self._proven or self.identity_of_request

    @property
    def why_refused_now(self) -> str | None:
        """Why the client's identity would not be accepted now, as when its certificate ended."""
        return why_refused_now(self.identity, self._tls.config) if self._tls is not None else None

    @property
    def is_ours(self) -> bool:
        """Whether it has our TLS."""
        return self._tls is not None

    @property
    def recording(self) -> Any:
        """What happened on the connection, where the context has a `recorder`."""
        return self._tls.recording if self._tls is not None else None

    async def step_up(self, policy: Policy) -> Identity:
        """Return an identity that the policy accepts; ask for one if there is none yet.

        Cancelled, it withdraws the request and keeps the connection.

        Raises:
            CertificateNeeded: there is none.
            BodyTooLarge: too much of the body, or of a websocket's messages, came before
                the answer.
            ServerBusy: all clients together have sent too much before their answers.
        """
        async with self._asking:
            identity = self.identity
            tls = self._tls
            in_force = tls is not None and identity is tls.identity
            config = tls.config if tls is not None else None
            if identity is not None and in_force and policy.is_met_by(identity, config):
                return identity
            try:
                return await self._ask(policy)
            except CertificateNeeded as needed:
                self._fill(needed.detail or needed.lack.value)
                raise

    async def _ask(self, policy: Policy) -> Identity:
        self._failed = True  # until it is known better
        if self._tls is None:
            raise CertificateNeeded(Lack.UNAVAILABLE, "the connection has none of our TLS")
        protocol, version = self._tls.selected_alpn_protocol(), self._scope.get("http_version")
        if protocol in ("h2", "h3") or version in ("2", "2.0", "3"):  # which Upgrade can bring, too
            raise CertificateNeeded(Lack.FORBIDDEN)
        asking = asyncio.ensure_future(
            reauth_over(self._transport, policy.authorities, within=policy.within)
        )
        try:
            identity = await self._keeping_the_body(asking, policy.max_body, policy.max_messages)
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
        self._proven, self._failed = identity, False
        self._fill(None)
        return identity

    async def _keeping_the_body(
        self,
        asking: asyncio.Future[Identity],
        max_body: int,
        max_messages: int = MAX_MESSAGES,
    ) -> Identity:
        """Take what comes of the body, or of messages, until the client has answered.

        When all of it is there, the next message would be that the client left; to wait
        for it keeps the server reading, without which no answer comes.
        """
        while not asking.done():
            pending = self._next_message()
            both: set[asyncio.Future[Any]] = {asking, pending}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if pending.done():
                self._keep(pending.result(), max_body, max_messages)
                self._pending = None  # only now: what could not be kept is still to be given
        return asking.result()

    def _next_message(self) -> asyncio.Task[Message]:
        if self._pending is None:
            self._pending = asyncio.ensure_future(_call(self._receive))
        return self._pending

    def _keep(self, message: Message, max_body: int, max_messages: int) -> None:
        if message["type"] == "http.request":
            if self._buffered is None:
                self._buffered = BodyBuffer(self._quota)
            self._buffered.write(message.get("body", b""), max_body)
            self._is_over = self._has_whole_body = not message.get("more_body", False)
            return
        size = _memory_of(message)
        if self._later_size + size > max_messages:
            raise BodyTooLarge(
                f"messages of more than {max_messages} bytes came before the client's answer"
            )
        if not self._quota.take_memory(size):
            raise ServerBusy("too much is kept for clients that have not answered yet")
        self._later_size += size
        self._later.append(message)
        if message["type"] in DISCONNECTS:
            self._is_over = True
            raise CertificateNeeded(Lack.DECLINED, "the client left instead of answering")

    async def receive(self) -> Message:
        """Give the application the next message: first what was kept, then what comes."""
        if self._buffered is not None and (self._buffered.left or self._has_whole_body):
            body = self._buffered.read(PIECE)
            more = bool(self._buffered.left) or not self._has_whole_body
            self._has_whole_body = self._has_whole_body and more
            return {"type": "http.request", "body": body, "more_body": more}
        if self._later:
            message = self._later.popleft()
            self._give_back(_memory_of(message))
            return message
        if self._pending is None:
            message = await self._receive()
        else:
            try:
                message = await asyncio.shield(self._pending)
            finally:
                if self._pending.done():
                    self._pending = None
        if message["type"] == "http.request":
            self._is_over = not message.get("more_body", False)
        elif message["type"] in DISCONNECTS:
            self._is_over = True
        return message

    async def drop_rest(self) -> None:
        """Read what still comes of the request, and forget it; wait a short while for its end.

        A client that is still sending may look at the answer only afterwards. And some
        servers wait for ever for an application to read what it never will: so it is read
        on, behind the application's back, until the server says that the client has left.
        """
        self._forget()
        if not self._is_over:
            await asyncio.wait({self._drop()}, timeout=DROPPING)
        if self._is_over and self._tls is not None:
            # a server may have paused with the last of the body; and a client that hangs up
            # while asyncio has its transport paused is not noticed by closing it any more
            self._transport.resume_reading()

    def _drop(self) -> asyncio.Task[None]:
        if self._dropping is None:
            self._dropping = asyncio.ensure_future(self._read_to_the_end())
            _droppers.add(self._dropping)
            self._dropping.add_done_callback(_droppers.discard)
        return self._dropping

    async def _read_to_the_end(self) -> None:
        with contextlib.suppress(Exception):  # whatever a server says to who reads too long
            async with asyncio.timeout(LINGERING):
                while not self._is_over:
                    await self.receive()
                    await asyncio.sleep(0)  # whatever a server gives without waiting

    async def note_end(self) -> None:
        """Note, just before the response is complete, where the next request begins."""
        tls = self._tls
        if tls is None or tls.identity is self.identity_of_request:
            return  # nothing was proven meanwhile, or whoever it was sent this, too
        position = tls.read_position
        for _ in range(TURNS):
            await asyncio.sleep(0)
        if not holds_more(self._send):
            begins_at(tls, position)

    @property
    def was_refused(self) -> bool:
        """Whether the client was asked last, and could not be identified."""
        return self._failed

    def _fill(self, error: str | None) -> None:
        if self._tls is not None:
            extensions = self._scope["extensions"]
            extensions["tls"] = tls_extension(self._tls, self.identity, error)

    def _forget(self) -> None:
        if self._buffered is not None:
            self._buffered.close()
        self._has_whole_body = False
        self._later.clear()
        self._give_back(self._later_size)

    def _give_back(self, size: int) -> None:
        self._later_size -= size
        self._quota.give_back(memory=size)

    def close(self) -> None:
        """The request is over."""
        self._forget()
        if self._failed and not self._is_over:
            self._drop()
        elif self._pending is not None and self._dropping is None:
            self._pending.cancel()


_droppers: set[asyncio.Task[None]] = set()  # a loop keeps no task alive
_LACKS = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": Lack.DECLINED,
    "EXTENSION_NOT_RECEIVED": Lack.UNAVAILABLE,
}


async def _call(receive: Receive) -> Message:
    return await receive()


def _memory_of(message: Message) -> int:
    """Return the bytes of memory that a message counts for: those that a client can repeat."""
    if message["type"] != "websocket.receive":
        return 0
    return sys.getsizeof(message) + sum(map(sys.getsizeof, message.values()))


Refusal: TypeAlias = Callable[[Scope, Receive, Send, CertificateNeeded], Awaitable[None]]
"""Answers a request whose client could not be identified."""


class StepUp:
    """Wraps an application, so that it can ask clients for certificates.

    It must be outermost, what the server is given; only another one may be around it, as
    `postshake serve` puts one. It also fills in ASGI's TLS extension, and answers 403, with
    an explanation, where the application lets `CertificateNeeded` pass; 413 and 503 where
    what came before the answer is too much.

    With `protect`, a path that can be read in more than one way is answered 400, wherever
    it leads: empty, ``.`` and ``..`` segments, backslashes, control characters, encoded
    slashes, broken UTF-8. What is left is compared in every reading, with a root path and
    without. What a guard of paths cannot see is another name for the same thing: a second
    route, a link in a folder, a rewrite inside of the application. A route that calls
    `reauth` by itself is the surest.

    Args:
        app: the application.
        protect: paths below which every request needs a certificate, with what is asked:
            ``{"/admin": Policy(within=30)}``. ``/admin`` is ``/admin`` and ``/admin/...``,
            in any capitals. They are decoded, and begin with a slash.
        on_refusal: answers instead of the 403.
        root_paths: prefixes that the application takes off paths by itself. The server's
            root path, a mount's, FastAPI's and Django's are found without.
        quota: what may be kept for all clients together while they are asked; by default
            that of the process, 64 MiB of memory and 1 GiB of disk.

    Raises:
        ValueError: a path that is to be protected can be read in more than one way.
    """

    def __init__(
        self,
        app: Any,
        *,
        protect: Mapping[str, Policy] | None = None,
        on_refusal: Refusal | None = None,
        root_paths: Iterable[str] = (),
        quota: Quota = QUOTA,
    ) -> None:
        self.app = app
        self._guard = PathGuard(protect or {})
        self._on_refusal = on_refusal or _forbid
        self._root_paths = frozenset(root_paths)
        self._own_root_paths: frozenset[str] | None = None
        self._quota = quota

    def __getattr__(self, name: str) -> Any:
        return getattr(self.app, name)  # such as routes and decorators of a framework's

    # each server has types of its own for these
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request."""
        if scope["type"] not in ("http", "websocket"):
            if self._guard and scope["type"] != "lifespan":
                raise ValueError(f"expected http or websocket to guard, got {scope['type']}")
            await self.app(scope, receive, send)
            return
        outer = (scope.get("extensions") or {}).get(KEY)
        if isinstance(outer, Connection):  # we are mounted in an application that has one
            await self._serve(scope, outer, send)
            return
        scope["extensions"] = dict(scope.get("extensions") or {})
        connection = Connection(scope, receive, send, self._quota)
        scope["extensions"][KEY] = connection
        connection._fill(connection.why_refused_now)
        try:
            await self._serve(scope, connection, send)
        finally:
            connection.close()

    async def _serve(self, scope: Scope, connection: Connection, send: Send) -> None:
        answer = _Answer(scope, connection, send)
        try:
            for policy in self._policies(scope):
                await connection.step_up(policy)
            await self.app(scope, connection.receive, answer.send)
        except (AmbiguousPath, BodyTooLarge, CertificateNeeded, ServerBusy) as error:
            detail = error.detail if isinstance(error, CertificateNeeded) else str(error)
            kind = type(error).__name__
            log.info("refused %.200r: %s: %.500r", scope.get("path"), kind, detail)
            if answer.started and scope["type"] == "http":
                raise
            answer.is_refusal = True
            if scope["type"] == "http" and isinstance(error, CertificateNeeded):
                await self._on_refusal(scope, connection.receive, answer.send, error)
            else:
                await answer.refuse(error.status, str(error))

    def _policies(self, scope: Scope) -> Iterable[Policy]:
        if not self._guard:
            return ()
        if self._own_root_paths is None:
            self._own_root_paths = self._root_paths | own_root_paths(self.app)
        claims = [value for name, value in scope.get("headers") or () if name.lower() in CLAIMING]
        return self._guard.find(
            scope["path"],
            raw=scope.get("raw_path"),
            roots=(scope.get("root_path") or "", *self._own_root_paths),
            claims=claims,
        )


class _Answer:
    """What is sent for one request, and how far it is."""

    def __init__(self, scope: Scope, connection: Connection, send: Send) -> None:
        self._scope = scope
        self._connection = connection
        self._send = send
        self.started = False
        """Whether anything was sent."""
        self.is_refusal = False
        """Whether it is an answer of ours, to a request whose body nobody will read."""
        self._is_closed = False  # a websocket

    async def send(self, message: Message) -> None:
        """Send a message; before the last one, see to what is left of the request."""
        self.started = True
        kind = message["type"]
        self._is_closed = self._is_closed or kind == "websocket.close"
        if kind == "http.response.body" and not message.get("more_body", False):
            if self.is_refusal or self._connection.was_refused:
                if message.get("body"):  # which the client may see before its body is read
                    await self._send({**message, "more_body": True})
                    message = {"type": kind, "body": b"", "more_body": False}
                await self._connection.drop_rest()
            await self._connection.note_end()
        await self._send(message)

    async def refuse(self, status: int, text: str) -> None:
        """Answer with a page that says why; or close a websocket."""
        if self._scope["type"] == "http":
            for message in _page("http.response", status, text):
                await self.send(message)
        elif self._is_closed:
            return
        elif not self.started and "websocket.http.response" in self._scope["extensions"]:
            for message in _page("websocket.http.response", status, text):
                await self.send(message)
        else:
            reason = TITLES[status]
            await self.send({"type": "websocket.close", "code": CODES[status], "reason": reason})
            await self._connection.drop_rest()


TITLES = {
    400: "The path is ambiguous",
    403: "A certificate is needed",
    413: "Too much at once",
    503: "Too much from everybody",
}
CODES = {400: 1008, 403: 1008, 413: 1009, 503: 1013}  # of websockets: RFC 6455, 7.4.1, and IANA's


async def _forbid(scope: Scope, receive: Receive, send: Send, needed: CertificateNeeded) -> None:
    for message in _page("http.response", needed.status, str(needed)):
        await send(message)


def _page(kind: str, status: int, text: str) -> Iterator[Message]:
    title = TITLES[status]
    body = (
        f"<!doctype html><meta charset=utf-8><title>{title}</title>"
        f"<h1>{title}</h1><p>{html.escape(text)}</p>\n"
    ).encode()
    headers = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    if status in (413, 503):
        headers.append((b"connection", b"close"))  # there is more of the body to come
    if status == 503:
        headers.append((b"retry-after", b"30"))
    yield {"type": f"{kind}.start", "status": status, "headers": headers}
    yield {"type": f"{kind}.body", "body": body}


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
        CertificateNeeded: that cannot be had.
        BodyTooLarge: too much of the body came before the answer.
        ServerBusy: all clients together sent too much before their answers.

    With Starlette and FastAPI these are HTTPExceptions too, which become 403, 413 and 503.
    """
    policy = Policy.of(authorities, within=within, max_age=max_age)
    return await step_up(request, policy)


async def step_up(request: Any, policy: Policy) -> Identity:
    """Do what `reauth` does, for a policy."""
    connection = connection_of(request)
    try:
        return await connection.step_up(policy)
    except (BodyTooLarge, CertificateNeeded, ServerBusy) as error:
        if "starlette.requests" in sys.modules:  # else it is no request of Starlette's
            from starlette.requests import HTTPConnection

            from .http_exception import http_exception

            if isinstance(request, HTTPConnection):
                raise http_exception(error) from error
        raise
