"""`SSLSocket` and `SSLObject`: the standard library's, and what it cannot say."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterable
from typing import Any, Literal, Self, overload

from ..config import AuthRequest, ClientConfig, ServerConfig
from ..pki.identity import Identity
from ..recording.recording import Recording
from .patched import check_importable, check_not_patched_since
from .reauth import Authority, Reauth, auth_request
from .tls_object import TLSObject

__all__ = ["SSLObject", "SSLSocket"]

check_importable()  # before there are classes that could not work


class _Reauthenticating:
    """What both have more than the standard library's."""

    _sslobj: TLSObject | None

    @overload
    def reauth(
        self,
        authorities: Iterable[Authority] = (),
        *,
        within: float | None = None,
        require: Literal[True] = True,
        policies: Iterable[str] = (),
        request: None = None,
    ) -> Identity: ...

    @overload
    def reauth(
        self,
        authorities: Iterable[Authority] = (),
        *,
        within: float | None = None,
        require: bool = True,
        policies: Iterable[str] = (),
        request: AuthRequest | None = None,
    ) -> Identity | None: ...

    def reauth(
        self,
        authorities: Iterable[Authority] = (),
        *,
        within: float | None = None,
        require: bool = True,
        policies: Iterable[str] = (),
        request: AuthRequest | None = None,
    ) -> Identity | None:
        """Server: ask the client to prove who it is, and wait for the answer (§4.6.2).

        Data that the client sends before it answers is kept for `read`; it is from
        whoever the client was before, as `read_identity` says.

        On an SSLObject, and on a socket that does not block, this raises SSLWantReadError
        or SSLWantWriteError: move bytes, and call it again with the same arguments. So it
        does after a timeout of the socket's.

        Args:
            authorities: whom the client's chain must lead to, as certificates or names;
                any trusted one if empty.
            within: seconds that the client has; the socket's timeout is another thing.
            require: whether declining is an error.
            policies: certificate policies, as dotted numbers, of which one must hold for the
                client's chain (RFC 5280 section 6.1); none if empty.
            request: all that can be asked for; it takes the place of the rest.

        Returns:
            Whom the client proved to be; None if it declined and was free to.

        Raises:
            SSLCertVerificationError: its certificate was refused. The connection goes on,
                with the identity from before.
            SSLError: it declined (PEER_DID_NOT_RETURN_A_CERTIFICATE), or cannot be asked:
                EXTENSION_NOT_RECEIVED, NOT_SERVER; or the connection failed.
            ReauthExpired: no answer in time.
        """
        policy = auth_request(
            authorities, within=within, require=require, policies=policies, request=request
        )
        return self._tls_object().reauth(policy).result()

    def start_reauth(
        self,
        authorities: Iterable[Authority] = (),
        *,
        within: float | None = None,
        require: bool = True,
        policies: Iterable[str] = (),
        request: AuthRequest | None = None,
    ) -> Reauth:
        """Server: ask the client, and return at once; reading brings the answer.

        Several may be out at a time. What it takes is as in `reauth`. If `within` is
        given, `check_deadlines` must be called when the time is up.
        """
        policy = auth_request(
            authorities, within=within, require=require, policies=policies, request=request
        )
        return self._tls_object().start_reauth(policy)

    def check_deadlines(self) -> None:
        """Settle the requests whose time is up."""
        self._tls_object().check_deadlines()

    def finish_reauth(self, reauth: Reauth) -> Identity | None:
        """Wait for the answer to a request that `start_reauth` made; see `reauth`."""
        self._tls_object().finish(reauth)
        return reauth.result()

    def cancel_reauth(self, reauth: Reauth) -> None:
        """Give a request up, unless it is settled: a late answer is read and ignored."""
        self._tls_object().cancel_reauth(reauth)

    def group(self) -> str | None:
        """Return the name of the key exchange's group; None before the handshake."""
        return self._sslobj.group() if self._sslobj is not None else None

    def client_sigalg(self) -> str | None:
        """Return by what the client signed last to authenticate; None if it did not."""
        return self._sslobj.client_sigalg() if self._sslobj is not None else None

    def server_sigalg(self) -> str | None:
        """Return by what the server signed; None if it did not, as when resuming."""
        return self._sslobj.server_sigalg() if self._sslobj is not None else None

    @property
    def cipher_code(self) -> int | None:
        """The suite's number on the wire; None before the handshake."""
        return self._sslobj.cipher_code if self._sslobj is not None else None

    @property
    def our_certificate(self) -> bytes | None:
        """Our certificate of the handshake, DER; None if none was shown, as when resuming."""
        return self._sslobj.our_certificate if self._sslobj is not None else None

    @property
    def unsent(self) -> bool:
        """Whether bytes wait to be sent that no call is sending."""
        return self._sslobj is not None and self._sslobj.unsent

    @property
    def identity(self) -> Identity | None:
        """Whom the peer has proven to be, as of now; None if nobody."""
        return self._sslobj.identity if self._sslobj is not None else None

    @property
    def read_identity(self) -> Identity | None:
        """Whom the peer had proven to be when it sent the next byte to be read.

        What one `read` returns came while the peer was one and the same.
        """
        return self._sslobj.read_identity if self._sslobj is not None else None

    @property
    def config(self) -> ClientConfig | ServerConfig:
        """How the engine behaves on this connection: its clock and its verifier among others."""
        return self._tls_object().config

    @property
    def read_position(self) -> int:
        """How many bytes of application data were read so far."""
        return self._sslobj.read_position if self._sslobj is not None else 0

    def identity_at(self, position: int) -> Identity | None:
        """Return whom the peer had proven to be when the byte at this position came.

        Positions count the application data from its beginning. One that has not come yet
        is from whoever the peer is now, unless that changes meanwhile.
        """
        if position < 0:
            raise ValueError(f"expected a position of 0 or more, got {position}")
        return self._sslobj.identity_at(position) if self._sslobj is not None else None

    @property
    def recording(self) -> Recording | None:
        """What happened on the connection, where the context has a `recorder`."""
        return self._sslobj.recording if self._sslobj is not None else None

    def get_unverified_chain(self) -> list[bytes]:
        """Return the chain as the peer sent it, DER; it need not be a path to anything."""
        return self._tls_object().get_unverified_chain()

    def get_verified_chain(self) -> list[bytes]:
        """Return the path to a trusted certificate, DER; empty if nothing was verified."""
        return self._tls_object().get_verified_chain()

    def _tls_object(self) -> TLSObject:
        if self._sslobj is None:
            raise ValueError(f"No SSL wrapper around {self}")
        return self._sslobj


class SSLSocket(_Reauthenticating, ssl.SSLSocket):
    """A socket with our TLS on it; see `ssl.SSLSocket`.

    One thread may read while another writes.
    """

    @classmethod
    def _create(cls, sock: socket.socket, *args: Any, **kwargs: Any) -> Self:
        check_not_patched_since()
        _refuse_data_of_who_is_gone(sock)
        return super()._create(sock, *args, **kwargs)  # type: ignore[misc, no-any-return]

    def get_channel_binding(self, cb_type: str = "tls-unique") -> bytes | None:
        """Return what names this connection to a protocol above; None before the handshake.

        Raises:
            ValueError: for tls-unique in TLS 1.3, which has none (RFC 9266); for what else is not
                in `CHANNEL_BINDING_TYPES`; for tls-server-end-point, if there is no certificate of
                the server's, or it is signed without a hash function.
        """
        return self._sslobj.get_channel_binding(cb_type) if self._sslobj is not None else None


def _refuse_data_of_who_is_gone(sock: socket.socket) -> None:
    """Refuse a socket that is not connected any more and holds data, which no TLS protected.

    The standard class does so since Python 3.11.5; before, it gave the data to who called
    `recv` (CVE-2023-40217).
    """
    try:
        sock.getpeername()
        return
    except OSError as error:
        if error.errno != errno.ENOTCONN:
            raise
    timeout = sock.gettimeout()
    sock.setblocking(False)
    try:
        data = sock.recv(1)
    except OSError as error:
        if error.errno not in (errno.ENOTCONN, errno.EINVAL, errno.EAGAIN):  # a reset, say
            raise
        data = b""  # it was never connected
    finally:
        sock.settimeout(timeout)
    if data:
        sock.close()
        text = "Closed before TLS handshake with data in recv buffer."
        refused = ssl.SSLError(errno.ENOTCONN, text)
        refused.reason = text
        refused.library = None  # type: ignore[assignment]
        try:
            raise refused
        finally:
            del refused  # its traceback has this frame, which has the socket


class SSLObject(_Reauthenticating, ssl.SSLObject):
    """TLS between two memory buffers; see `ssl.SSLObject`."""
