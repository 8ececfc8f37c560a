"""Step-up in WSGI applications, on cheroot, and in plain `http.server`.

    def app(environ, start_response):
        identity = reauth(environ, within=30)
        ...

    server = cheroot.wsgi.Server(("", 443), StepUp(app))
    server.ssl_adapter = CherootAdapter(context)

The thread that serves the request asks, and waits. The request's body may be on the way, in
front of the client's answer: it is read meanwhile, kept within bounds, and given to the
application afterwards. All of it was sent before the proof.
"""

from __future__ import annotations

import html
import io
import logging
import ssl
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from typing import Any, TypeAlias

from ..pki.identity import Identity
from ..ssl import Reauth, ReauthExpired, SSLCertVerificationError, SSLContext, SSLError, SSLSocket
from ..ssl.reauth import Authority
from .cheroot_socket import CherootSocket
from .policy import BodyTooLarge, CertificateNeeded, Lack, Policy, why_refused_now
from .spool import Spool

__all__ = ["CherootAdapter", "StepUp", "client_variables", "reauth", "reauth_handler"]

Environ: TypeAlias = MutableMapping[str, Any]

SOCKET = "postshake.socket"
SENT_BY = "postshake.identity_of_request"
PIECE = 64 * 1024
log = logging.getLogger("postshake.web")


def reauth(
    environ: Environ,
    authorities: Iterable[Authority] = (),
    *,
    within: float = 30.0,
    max_age: float | None = None,
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
        policy: all of that at once.

    Raises:
        CertificateNeeded: that cannot be had; `StepUp` makes it a 403.
        BodyTooLarge: too much of the body came before the answer.
    """
    policy = policy or Policy.of(authorities, within=within, max_age=max_age)
    sock = environ.get(SOCKET)
    if not isinstance(sock, SSLSocket):
        raise CertificateNeeded(Lack.UNAVAILABLE, "the connection has none of our TLS")
    body = _Body(environ["wsgi.input"], _length(environ.get("CONTENT_LENGTH")))
    if environ.get("HTTP_TRANSFER_ENCODING", "").lower() == "chunked":
        body.left = None  # the server's reader knows where it ends
    try:
        identity = _step_up(sock, policy, body)
    except CertificateNeeded as needed:
        environ["SSL_CLIENT_VERIFY"] = f"FAILED:{needed.detail or needed.lack.value}"
        raise
    finally:
        environ["wsgi.input"] = body.again()
    environ.update(client_variables(identity))
    return identity


def reauth_handler(handler: Any, policy: Policy | None = None) -> Identity:
    """Do the same for a handler of `http.server`, whose ``rfile`` gives the body then."""
    sock = handler.connection
    if not isinstance(sock, SSLSocket):
        raise CertificateNeeded(Lack.UNAVAILABLE, "the connection has none of our TLS")
    body = _Body(handler.rfile, _length(handler.headers.get("Content-Length")))
    try:
        return _step_up(sock, policy or Policy(), body)
    finally:
        handler.rfile = body.again(owned=True)


def _step_up(sock: SSLSocket, policy: Policy, body: _Body) -> Identity:
    identity = sock.identity
    if identity is not None and policy.is_met_by(identity, sock.config):
        return identity
    if sock.selected_alpn_protocol() in ("h2", "h3"):
        raise CertificateNeeded(Lack.FORBIDDEN)
    try:
        asked = sock.start_reauth(policy.authorities, within=policy.within)
        body.keep_until(asked, policy.max_body)
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
    return identity


class _Body:
    """The request's body: what of it was read while the client was asked, and the rest."""

    def __init__(self, source: Any, left: int | None) -> None:
        self._source = source
        self._spool: Spool | None = None
        self.left = left
        """Bytes that are still to come; None when only the source knows."""

    def keep_until(self, asked: Reauth, limit: int) -> None:
        """Read the body, piece by piece, until the client has answered or it ends.

        Reading is what brings the answer in.
        """
        while not asked.done and self.left != 0:
            size = PIECE if self.left is None else min(PIECE, self.left)
            data = self._source.read(size)
            if not data:
                self.left = 0
                return
            if self.left is not None:
                self.left -= len(data)
            if self._spool is None:
                self._spool = Spool(limit)
            self._spool.write(data)

    def again(self, *, owned: bool = False) -> Any:
        """Return a file that gives all of it, in order; closing it closes what it `owned`."""
        if self._spool is None:
            return self._source
        return io.BufferedReader(_Replayed(self._spool, self._source, owned))


class _Replayed(io.RawIOBase):
    """What was kept, and then what still comes."""

    def __init__(self, spool: Spool, rest: Any, owned: bool) -> None:
        self._spool = spool
        self._rest = rest
        self._owned = owned

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = len(buffer)
        data = self._spool.read(size) if self._spool.left else self._read_rest(size)
        buffer[: len(data)] = data
        return len(data)

    def _read_rest(self, size: int) -> bytes:
        read = getattr(self._rest, "read1", self._rest.read)
        data: bytes = read(size)
        return data

    def close(self) -> None:
        self._spool.close()
        if self._owned:
            self._rest.close()
        super().close()


def _length(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() else 0


def client_variables(identity: Identity | None, refused: str | None = None) -> dict[str, str]:
    """Return the ``SSL_CLIENT_*`` variables, as mod_ssl names them.

    Args:
        identity: the client's.
        refused: why it would not be accepted any more; None if it would.
    """
    if identity is None:
        return {"SSL_CLIENT_VERIFY": "NONE"}
    certificate = identity.certificate
    verify = "SUCCESS" if identity.verified else "GENEROUS"
    found = {
        "SSL_CLIENT_VERIFY": verify if refused is None else f"FAILED:{refused}",
        "SSL_CLIENT_CERT": ssl.DER_cert_to_PEM_cert(identity.chain[0]),
        "SSL_CLIENT_S_DN": identity.subject,
        "SSL_CLIENT_I_DN": identity.issuer,
        "SSL_CLIENT_M_SERIAL": f"{identity.serial_number:X}",
        "SSL_CLIENT_M_VERSION": str(certificate.version.value + 1),
        "SSL_CLIENT_V_START": f"{identity.not_before:%b %d %H:%M:%S %Y GMT}",
        "SSL_CLIENT_V_END": f"{identity.not_after:%b %d %H:%M:%S %Y GMT}",
        "SSL_CLIENT_FINGERPRINT": identity.fingerprint,
    }
    if identity.common_name:
        found["SSL_CLIENT_S_DN_CN"] = identity.common_name
    for index, der in enumerate(identity.chain[1:]):
        found[f"SSL_CLIENT_CERT_CHAIN_{index}"] = ssl.DER_cert_to_PEM_cert(der)
    numbers: dict[str, int] = {}
    for kind, value in identity.subject_alt_names:
        name = {"DNS": "DNS", "email": "Email"}.get(kind)
        if name is not None:
            at = numbers[name] = numbers.get(name, -1) + 1
            found[f"SSL_CLIENT_SAN_{name}_{at}"] = value
    return found


def _connection_variables(sock: SSLSocket) -> dict[str, str]:
    cipher = sock.cipher()
    assert cipher is not None  # a request has come through it
    name, protocol, bits = cipher
    return {
        "SSL_PROTOCOL": protocol,
        "SSL_CIPHER": name,
        "SSL_CIPHER_USEKEYSIZE": str(bits),
        "SSL_SESSION_RESUMED": "Resumed" if sock.session_reused else "Initial",
    }


class StepUp:
    """Wraps a WSGI application: variables for who the client is, 403 where that is needed.

    Args:
        app: the application.
        protect: paths below which every request needs a certificate, with what is asked.
    """

    def __init__(self, app: Any, *, protect: Mapping[str, Policy] | None = None) -> None:
        self.app = app
        self._protect = {path.rstrip("/"): policy for path, policy in (protect or {}).items()}

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve one request."""
        sock = environ.get(SOCKET)
        identity = refused = None
        if isinstance(sock, SSLSocket):
            identity = sock.identity
            refused = why_refused_now(identity, sock.config)
            environ.update(_connection_variables(sock))
        environ[SENT_BY] = identity
        environ.update(client_variables(identity, refused))
        try:
            path = environ.get("PATH_INFO", "")
            for prefix, policy in sorted(self._protect.items(), reverse=True):
                if path == prefix or path.startswith(f"{prefix}/"):
                    reauth(environ, policy=policy)
                    break
            answer: Iterable[bytes] = self.app(environ, start_response)
            return answer
        except CertificateNeeded as needed:
            log.info("refused %s: %s %s", path, needed.lack.value, needed.detail)
            return _answer(start_response, "403 Forbidden", str(needed))
        except BodyTooLarge as error:
            return _answer(start_response, "413 Content Too Large", str(error))


def _answer(start_response: Callable[..., Any], status: str, text: str) -> list[bytes]:
    title = status.partition(" ")[2]
    body = f"<!doctype html><meta charset=utf-8><title>{title}</title><p>{html.escape(text)}</p>\n"
    data = body.encode()
    headers = [
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Length", str(len(data))),
        ("Cache-Control", "no-store"),
    ]
    start_response(status, headers)
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
