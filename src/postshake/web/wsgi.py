"""Step-up in WSGI applications, on cheroot, and in plain `http.server`.

    def app(environ, start_response):
        identity = reauth(environ, within=30)
        ...

    server = cheroot.wsgi.Server(("", 443), StepUp(app))
    server.ssl_adapter = CherootAdapter(context)

The thread that serves the request asks, and waits. The request's body may be on the way, in
front of the client's answer: it is read meanwhile, kept within bounds, and given to the
application afterwards, by the ``wsgi.input`` that `StepUp` puts in the server's place. All of
it was sent before the proof, and so was what the server has read of a next request.
"""

from __future__ import annotations

import contextlib
import html
import io
import logging
import re
import ssl
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any, TypeAlias

from ..errors import present
from ..pki.identity import Identity
from ..pki.strict_der import version_of
from ..ssl import ReauthExpired, SSLCertVerificationError, SSLContext, SSLError, SSLSocket
from ..ssl.reauth import Authority
from .cheroot_socket import CherootSocket
from .path_guard import CLAIMING, AmbiguousPath, PathGuard
from .policy import (
    BodyTooLarge,
    CertificateNeeded,
    Lack,
    Policy,
    ServerBusy,
    why_refused_now,
)
from .quota import QUOTA, Quota
from .replaying_input import ReplayingInput
from .request_position import begins_at, request_position

__all__ = ["CherootAdapter", "StepUp", "client_variables", "reauth", "reauth_handler"]

Environ: TypeAlias = MutableMapping[str, Any]

SOCKET = "postshake.socket"
SENT_BY = "postshake.identity_of_request"
PROVEN = "postshake.identity"  # because it was asked for this request
QUOTA_KEY = "postshake.quota"
DROPPING = 2.0  # seconds for which a body that was refused is still read
CLAIMS = tuple(f"HTTP_{name.decode().upper().replace('-', '_')}" for name in sorted(CLAIMING))
log = logging.getLogger("postshake.web")


def reauth(
    environ: Environ,
    authorities: Iterable[Authority] = (),
    *,
    within: float = 30.0,
    max_age: float | None = None,
    policies: Iterable[str] = (),
    policy: Policy | None = None,
) -> Identity:
    """Return who the client is, and ask it if that is not known on this connection yet.

    The ``SSL_CLIENT_*`` variables are set afterwards, and ``wsgi.input`` gives the body as
    if nothing had been read of it.

    Args:
        environ: the request's, from a server that has our TLS.
        authorities: whom the client's chain must lead to, certificates or names.
        within: seconds that the client has.
        max_age: seconds for which an earlier proof on this connection will do; None for
            ever, 0 to ask in any case.
        policies: certificate policies, of which one must hold for the chain.
        policy: all of that at once.

    Raises:
        CertificateNeeded: that cannot be had; `StepUp` makes it a 403.
        BodyTooLarge: too much of the body came before the answer.
    """
    policy = policy or Policy.of(authorities, within=within, max_age=max_age, policies=policies)
    sock = environ.get(SOCKET)
    if not isinstance(sock, SSLSocket):
        raise CertificateNeeded(Lack.UNAVAILABLE, "the connection has none of our TLS")
    body = environ["wsgi.input"]
    if not isinstance(body, ReplayingInput):
        quota = environ.get(QUOTA_KEY, QUOTA)
        body = environ["wsgi.input"] = ReplayingInput(body, _body_length(environ), quota=quota)
    sent_by = environ[SENT_BY] if SENT_BY in environ else _identity_of_request(sock)
    try:
        identity = _step_up(sock, environ.get(PROVEN) or sent_by, policy, body)
    except CertificateNeeded as needed:
        environ["SSL_CLIENT_VERIFY"] = f"FAILED:{needed.detail or needed.lack.value}"
        raise
    environ[PROVEN] = identity
    _set_client_variables(environ, identity)
    return identity


def _set_client_variables(
    environ: Environ, identity: Identity | None, refused: str | None = None
) -> None:
    """Set the variables, and leave none of somebody else."""
    for name in [each for each in environ if each.startswith("SSL_CLIENT_")]:
        del environ[name]
    environ.update(client_variables(identity, refused))


def reauth_handler(handler: Any, policy: Policy | None = None) -> Identity:
    """Do the same for a handler of `http.server`, whose ``rfile`` gives the body then.

    Call it once for a request, before anything of its body is read.
    """
    sock = handler.connection
    if not isinstance(sock, SSLSocket):
        raise CertificateNeeded(Lack.UNAVAILABLE, "the connection has none of our TLS")
    body = handler.rfile
    if not isinstance(body, ReplayingInput):
        body = handler.rfile = ReplayingInput(body, None, ends=False)
    body.left = _length(handler.headers.get("Content-Length"))
    return _step_up(sock, _identity_of_request(sock), policy or Policy(), body)


def _identity_of_request(sock: SSLSocket) -> Identity | None:
    return sock.identity_at(request_position(sock))


def _step_up(
    sock: SSLSocket, known: Identity | None, policy: Policy, body: ReplayingInput
) -> Identity:
    """Return whom the client proves to be, unless it is known as somebody who will do."""
    if known is not None and known is sock.identity and policy.is_met_by(known, sock.config):
        return known
    if sock.selected_alpn_protocol() in ("h2", "h3"):
        raise CertificateNeeded(Lack.FORBIDDEN)
    try:
        asked = sock.start_reauth(
            policy.authorities, within=policy.within, policies=policy.policies
        )
        try:
            # reading is what brings the answer in
            while not asked.done and body.read_ahead(policy.max_body):
                pass
        except BaseException:
            sock.cancel_reauth(asked)
            raise
        identity = sock.finish_reauth(asked)
    except ReauthExpired as error:
        raise CertificateNeeded(Lack.EXPIRED, str(error)) from error
    except SSLCertVerificationError as error:
        raise CertificateNeeded(Lack.REFUSED, error.verify_message) from error
    except SSLError as error:
        declined = error.reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE"
        lack = Lack.DECLINED if declined else Lack.UNAVAILABLE
        raise CertificateNeeded(lack, str(error)) from error
    if identity is None:
        raise CertificateNeeded(Lack.DECLINED)
    _note_end(sock, body)
    return identity


def _note_end(sock: SSLSocket, body: ReplayingInput) -> None:
    """Note where the next request begins: behind what was read and what is left of this one."""
    buffered = _buffered(body.source, sock)
    if buffered is not None and body.left is not None:
        begins_at(sock, sock.read_position - buffered + body.left)


def _buffered(file: Any, sock: SSLSocket) -> int | None:
    """Return how many bytes a server's file has read from the socket and not given out yet.

    None if that is unknown.
    """
    while (inner := getattr(file, "rfile", None)) is not None:  # cheroot's files in files
        file = inner
    if hasattr(file, "has_data"):  # the innermost of them
        return len(file.peek(1)) if file.has_data() else 0
    if not isinstance(file, io.BufferedReader):
        return None
    position, timeout = sock.read_position, sock.gettimeout()
    sock.settimeout(0.0)  # an empty one looks at the socket
    try:
        with contextlib.suppress(ssl.SSLWantReadError):
            found = len(file.peek(1))
            return found if sock.read_position == position else 0
        return 0
    finally:
        sock.settimeout(timeout)


def _body_length(environ: Environ) -> int | None:
    """Return how long the request's body is; None if only the server's reader knows."""
    if "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
        return None
    return _length(environ.get("CONTENT_LENGTH"))


def _length(text: str | None) -> int:
    if not text or not (text.isascii() and text.isdigit()):
        return 0
    # as long as no body can be; int() takes no more than some thousand digits
    return int(text) if len(text) < 19 else sys.maxsize


def client_variables(identity: Identity | None, refused: str | None = None) -> dict[str, str]:
    """Return the ``SSL_CLIENT_*`` variables, as mod_ssl names them.

    Args:
        identity: the client's.
        refused: why it would not be accepted any more; None if it would.
    """
    if identity is None:
        return {"SSL_CLIENT_VERIFY": "NONE"}
    verify = "SUCCESS" if identity.verified else "GENEROUS"
    found = {
        "SSL_CLIENT_VERIFY": verify if refused is None else f"FAILED:{refused}",
        "SSL_CLIENT_CERT": ssl.DER_cert_to_PEM_cert(identity.chain[0]),
        "SSL_CLIENT_S_DN": _printable(identity.subject),
        "SSL_CLIENT_I_DN": _printable(identity.issuer),
        "SSL_CLIENT_M_SERIAL": f"{identity.serial_number:X}",
        "SSL_CLIENT_M_VERSION": str(version_of(identity.chain[0])),
        "SSL_CLIENT_V_START": f"{identity.not_before:%b %d %H:%M:%S %Y GMT}",
        "SSL_CLIENT_V_END": f"{identity.not_after:%b %d %H:%M:%S %Y GMT}",
        "SSL_CLIENT_FINGERPRINT": identity.fingerprint,
    }
    if identity.common_name:
        found["SSL_CLIENT_S_DN_CN"] = _printable(identity.common_name)
    for index, der in enumerate(identity.chain[1:]):
        found[f"SSL_CLIENT_CERT_CHAIN_{index}"] = ssl.DER_cert_to_PEM_cert(der)
    numbers: dict[str, int] = {}
    for kind, value in identity.subject_alt_names:
        name = {"DNS": "DNS", "email": "Email"}.get(kind)
        if name is not None:
            at = numbers[name] = numbers.get(name, -1) + 1
            found[f"SSL_CLIENT_SAN_{name}_{at}"] = _printable(value)
    return found


def _printable(text: str) -> str:
    """Write control characters as mod_ssl does, so that no variable ends early or in a new line."""
    return _CONTROLS.sub(lambda found: f"\\{ord(found[0]):02X}", text)


_CONTROLS = re.compile("[\x00-\x1f\x7f]")


def _connection_variables(sock: SSLSocket) -> dict[str, str]:
    name, protocol, bits = present(sock.cipher(), "cipher")  # a request has come through it
    return {
        "SSL_PROTOCOL": protocol,
        "SSL_CIPHER": name,
        "SSL_CIPHER_USEKEYSIZE": str(bits),
        "SSL_SESSION_RESUMED": "Resumed" if sock.session_reused else "Initial",
    }


class StepUp:
    """Wraps a WSGI application: variables for who the client is, 403 where that is needed.

    It must be outermost. With `protect`, a path that can be read in more than one way is
    answered 400, wherever it leads; see `postshake.web.StepUp`, which guards alike.

    Args:
        app: the application.
        protect: paths below which every request needs a certificate, with what is asked.
        root_paths: prefixes that the application takes off paths by itself; ``SCRIPT_NAME``
            is seen without.
        quota: what may be kept for all clients together while they are asked; by default
            that of the process.

    Raises:
        ValueError: a path that is to be protected can be read in more than one way.
    """

    def __init__(
        self,
        app: Any,
        *,
        protect: Mapping[str, Policy] | None = None,
        root_paths: Iterable[str] = (),
        quota: Quota = QUOTA,
    ) -> None:
        self.app = app
        self._guard = PathGuard(protect or {})
        self._root_paths = tuple(root_paths)
        self._quota = quota

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve one request."""
        sock = environ.get(SOCKET)
        identity = refused = None
        if isinstance(sock, SSLSocket):
            identity = _identity_of_request(sock)
            refused = why_refused_now(identity, sock.config)
            environ.update(_connection_variables(sock))
        environ[SENT_BY] = identity
        environ[QUOTA_KEY] = self._quota
        _set_client_variables(environ, identity, refused)
        # before anybody takes hold of the server's
        body = ReplayingInput(environ["wsgi.input"], _body_length(environ), quota=self._quota)
        environ["wsgi.input"] = body
        try:
            for policy in self._policies(environ):
                reauth(environ, policy=policy)
            answer: Iterable[bytes] = self.app(environ, start_response)
            return _Closing(answer, body) if body.has_read_ahead else answer
        except (AmbiguousPath, BodyTooLarge, CertificateNeeded, ServerBusy) as error:
            detail = error.detail if isinstance(error, CertificateNeeded) else str(error)
            path, kind = environ.get("PATH_INFO"), type(error).__name__
            log.info("refused %.200r: %s: %.500r", path, kind, detail)
            body.drop(DROPPING)
            return _answer(start_response, error.status, str(error))

    def _policies(self, environ: Environ) -> Iterable[Policy]:
        if not self._guard:
            return ()
        raw = environ.get("REQUEST_URI") or environ.get("RAW_URI")
        return self._guard.find(
            _decoded(environ.get("PATH_INFO", "")),
            raw=_bytes(raw) if raw else None,
            roots=(_decoded(environ.get("SCRIPT_NAME", "")), *self._root_paths),
            claims=[_bytes(environ[name]) for name in CLAIMS if name in environ],
        )


def _bytes(text: str) -> bytes:
    """Return what a server was sent, of what it made of it (PEP 3333)."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError as error:
        raise AmbiguousPath("the path is not as WSGI has it") from error


def _decoded(text: str) -> str:
    try:
        return _bytes(text).decode()
    except UnicodeDecodeError as error:
        raise AmbiguousPath("the path is no UTF-8") from error


class _Closing:
    """An application's answer, after which what is left of the body is forgotten."""

    def __init__(self, answer: Iterable[bytes], body: ReplayingInput) -> None:
        self._answer = answer
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._answer)

    def close(self) -> None:
        """Close both."""
        self._body.close()
        close = getattr(self._answer, "close", None)
        if close is not None:
            close()


STATUSES = {
    400: "400 Bad Request",
    403: "403 Forbidden",
    413: "413 Content Too Large",
    503: "503 Service Unavailable",
}


def _answer(start_response: Callable[..., Any], status: int, text: str) -> list[bytes]:
    title = STATUSES[status].partition(" ")[2]
    body = f"<!doctype html><meta charset=utf-8><title>{title}</title><p>{html.escape(text)}</p>\n"
    data = body.encode()
    headers = [
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Length", str(len(data))),
        ("Cache-Control", "no-store"),
    ]
    if status == 503:
        headers.append(("Retry-After", "30"))
    start_response(STATUSES[status], headers)
    return [data]


class CherootAdapter:
    """cheroot's way to our TLS: ``server.ssl_adapter = CherootAdapter(context)``.

    Hands are shaken in the thread that serves the connection, not where new ones are
    accepted: a client that is slow at it holds up nobody else. It has the time that cheroot
    gives to one read (``server.timeout``), and at most ``context.handshake_timeout``.

    A connection that ends in its handshake, or by a failure of TLS, is logged as information
    by ``postshake.web``, in one line.

    Args:
        context: ours, such as `server_context` makes.
    """

    def __init__(self, context: SSLContext) -> None:
        self.context = context

    def bind(self, sock: Any) -> Any:
        """Leave the listening socket as it is: each connection is wrapped by itself."""
        return sock

    def wrap(self, sock: Any) -> tuple[Any, dict[str, Any]]:
        """Put TLS on a new connection; return it, and what goes into the environment."""
        from cheroot.errors import FatalSSLAlert

        try:
            wrapped = self.context.wrap_socket(
                sock, server_side=True, do_handshake_on_connect=False
            )
        except OSError as error:  # it is gone already
            raise FatalSSLAlert(str(error)) from error
        return wrapped, {"wsgi.url_scheme": "https", "HTTPS": "on", SOCKET: wrapped}

    def makefile(self, sock: Any, mode: str = "r", bufsize: int = -1) -> Any:
        """Return cheroot's own file over the connection."""
        from cheroot.makefile import StreamReader, StreamWriter

        kind = StreamReader if "r" in mode else StreamWriter
        return kind(CherootSocket(sock), mode, bufsize)
