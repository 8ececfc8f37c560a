"""TLS libraries inside this process, as servers and as clients, each over a thread.

Servers are `LineServer`s. Clients have five verbs: ``send``, ``receive``, ``ask``,
``last_words`` and ``close``; some can also ``update`` their keys.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
from pathlib import Path
from typing import Any, ClassVar

from cryptography import x509
from cryptography.x509.oid import NameOID
from tlslite.api import HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey
from tlslite.constants import KeyUpdateMessageType

from tests.interop import libgnutls, versions
from tests.interop.certificates import Certificates, Who
from tests.interop.lines import MARK, LineServer, Link, close_gently, connect
from tests.interop.program import TIMEOUT, PeerFailed, Stage, Stoppable
from tests.requirements import require
from tests.waiting import MOMENT

__all__ = [
    "CPythonClient",
    "CPythonServer",
    "Client",
    "LibgnutlsAutoClient",
    "LibgnutlsManualClient",
    "LibgnutlsServer",
    "TlsliteClient",
    "TlsliteServer",
    "common_name",
]


def common_name(certificate: bytes | None) -> str:
    """Return the common name in a DER certificate, "nobody" without one."""
    if not certificate:
        return "nobody"
    subject = x509.load_der_x509_certificate(certificate).subject
    return str(subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


class Client(Stoppable):
    """What the clients in this process have in common."""

    can_update: ClassVar[bool] = True
    """Whether it can start a key update."""
    repeats: ClassVar[bool] = True
    """Whether it gets more than one answer right."""

    def __init__(
        self,
        stage: Stage,
        port: int,
        certificates: Certificates,
        who: Who | None,
        *,
        offer: bool = True,
    ) -> None:
        self._socket = connect(port)
        self._buffer = b""
        self._heard: list[str] = []
        stage.hold(self)
        self._open(certificates, who, offer)

    def _open(self, certificates: Certificates, who: Who | None, offer: bool) -> None:
        raise NotImplementedError

    def send(self, data: bytes) -> None:
        """Send all of it."""
        raise NotImplementedError

    def receive(self) -> bytes:
        """Return some data, b"" at the end; requests are answered on the way."""
        raise NotImplementedError

    def update(self) -> None:
        """Change our keys and have the server change its."""
        raise NotImplementedError

    def close(self) -> None:
        """Say goodbye."""

    def certificate_for_s_server(self, *, declines: bool = False) -> str:
        """Name the message in which its certificate comes, or that it has none."""
        return "Certificate"

    def read_until(self, end: bytes) -> bytes:
        """Return what comes up to `end`, without it."""
        while end not in self._buffer:
            data = self.receive()
            if not data:
                raise PeerFailed(f"the server closed, after {self._buffer!r}")
            self._buffer += data
        found, _, self._buffer = self._buffer.partition(end)
        return found

    def ask(self, line: str) -> str:
        """Send a line and return the answer to it."""
        self.send(line.encode() + b"\n")
        answer = self.read_until(b"\n").decode()
        self._heard.append(f"{line}: {answer}")
        assert answer.startswith(MARK), answer
        return answer.removeprefix(MARK)

    def get(self, path: str) -> tuple[int, dict[str, str], str]:
        """Fetch a page; return its status, its headers and its text."""
        self.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        first, *lines = self.read_until(b"\r\n\r\n").decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (s.partition(": ") for s in lines)}
        length = int(headers["content-length"])
        while len(self._buffer) < length:
            self._buffer += self.receive()
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        self._heard.append(f"GET {path}: {first}")
        return int(first.split()[1]), headers, body.decode()

    def last_words(self, line: str) -> str:
        """Send a line that the server will not survive; return what we hear of it."""
        try:
            self.send(line.encode() + b"\n")
            while data := self.receive():
                self._heard.append(repr(data))
        except Exception as error:  # each library has its own
            return f"{type(error).__name__}: {error}"
        return "closed"

    def log(self) -> str:
        return "\n".join([f"# {type(self).__name__}", *self._heard])

    def stop(self) -> None:
        with contextlib.suppress(Exception):
            self.close()
        self._socket.close()


# CPython's ssl, on OpenSSL


class CPythonServer(LineServer):
    """The standard library's ssl; `required` makes it refuse a client that declines."""

    can_update = False
    asks_after_update = False

    def __init__(
        self, certificates: Certificates, *, required: bool = True, identity: Who | None = None
    ) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        identity = identity or certificates.server
        context.load_cert_chain(identity.certificate, identity.key)
        context.load_verify_locations(certificates.ca)
        # on a server this moves the request out of the handshake
        context.post_handshake_auth = True
        context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
        super().__init__(lambda sock: _CPythonLink(sock, context))


class _CPythonLink(Link):
    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        self._finished = 0
        self._early = b""
        # The only way to see that an answer has come when it is a refusal, or the
        # same certificate as before.
        context._msg_callback = self._watch  # type: ignore[attr-defined]
        self._tls = context.wrap_socket(sock, server_side=True)

    def _watch(
        self, _conn: Any, direction: str, _version: Any, _kind: Any, message: Any, _data: bytes
    ) -> None:
        if direction == "read" and getattr(message, "name", "") == "FINISHED":
            self._finished += 1

    def receive(self) -> bytes:
        if self._early:
            early, self._early = self._early, b""
            return early
        return self._tls.recv(16384)

    def send(self, data: bytes) -> None:
        self._tls.sendall(data)

    def whoami(self) -> str:
        return common_name(self._tls.getpeercert(binary_form=True))

    def reauth(self) -> str:
        before = self._finished
        try:
            self._tls.verify_client_post_handshake()  # only makes a note of it
        except ssl.SSLError as error:
            if error.reason == "EXTENSION_NOT_RECEIVED":
                return "unavailable"
            raise
        self._tls.do_handshake()  # sends the request
        self._tls.setblocking(False)
        while self._finished == before:
            try:
                data = self._tls.recv(16384)
            except ssl.SSLWantReadError:
                if self._finished == before and not select.select([self._tls], [], [], TIMEOUT)[0]:
                    raise TimeoutError("no answer") from None
            else:
                if not data:
                    raise ConnectionError("the client closed before it answered")
                self._early += data
        self._tls.setblocking(True)
        name = self.whoami()
        return "declined" if name == "nobody" else f"authenticated {name}"

    def update(self) -> None:
        raise NotImplementedError("the standard library cannot start a key update")

    def close(self) -> None:
        self._tls.settimeout(MOMENT)
        with contextlib.suppress(OSError):
            self._tls.unwrap()
        # the clients with GnuTLS send an answer in two parts, and OpenSSL refuses the first
        close_gently(socket.socket(fileno=self._tls.detach()))


class CPythonClient(Client):
    """The standard library's ssl."""

    can_update = False

    def _open(self, certificates: Certificates, who: Who | None, offer: bool) -> None:
        context = ssl.create_default_context(cafile=str(certificates.ca))
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.post_handshake_auth = offer
        if who is not None:
            context.load_cert_chain(who.certificate, who.key)
        self._socket.settimeout(TIMEOUT)
        self._tls = context.wrap_socket(self._socket, server_hostname="localhost")

    def certificate_for_s_server(self, *, declines: bool = False) -> str:
        both = versions.libssl_compresses() and versions.s_server_compresses()
        return "CompressedCertificate" if both and not declines else "Certificate"

    def send(self, data: bytes) -> None:
        self._tls.sendall(data)

    def receive(self) -> bytes:
        return self._tls.recv(16384)

    def close(self) -> None:
        self._tls.settimeout(MOMENT)
        with contextlib.suppress(OSError):
            self._tls.unwrap()
        self._tls.close()


# tlslite-ng, in pure Python


def _settings() -> HandshakeSettings:
    settings = HandshakeSettings()
    settings.minVersion = (3, 4)
    return settings


def _tlslite_pair(who: Who) -> tuple[X509CertChain, Any]:
    chain = X509CertChain()
    chain.parsePemList(who.certificate.read_text())
    return chain, parsePEMKey(who.key.read_text(), private=True)


class TlsliteServer(LineServer):
    """tlslite-ng. It verifies no chain."""

    def __init__(
        self, certificates: Certificates, *, required: bool = True, identity: Who | None = None
    ) -> None:
        pair = _tlslite_pair(identity or certificates.server)
        super().__init__(lambda sock: _TlsliteLink(sock, pair, required))


class _TlsliteLink(Link):
    def __init__(self, sock: socket.socket, pair: tuple[Any, Any], required: bool) -> None:
        self._tls = TLSConnection(sock)
        chain, key = pair
        self._tls.handshakeServer(
            certChain=chain,
            privateKey=key,
            settings=_settings(),
            # without any it fails on a client that has some
            alpn=[bytearray(b"http/1.1")],
        )
        self._tls.client_cert_required = required
        self._early = b""

    def receive(self) -> bytes:
        if self._early:
            early, self._early = self._early, b""
            return early
        return bytes(self._tls.read(max=16384, min=1))

    def send(self, data: bytes) -> None:
        self._tls.write(data)

    def whoami(self) -> str:
        chain = self._tls.session.clientCertChain
        return common_name(bytes(chain.x509List[0].bytes) if chain and chain.x509List else None)

    def reauth(self) -> str:
        try:
            for _ in self._tls.request_post_handshake_auth(_settings()):
                pass
        except ValueError as error:
            if "not supported by client" in str(error):
                return "unavailable"
            raise
        while self._tls._cert_requests:  # nothing public tells when the answer is in
            self._early += self._tls.read(0, 0)
            self._early += self._tls.read(max=None, min=0) if self._tls._readBuffer else b""
        name = self.whoami()
        return "declined" if name == "nobody" else f"authenticated {name}"

    def update(self) -> None:
        for _ in self._tls.send_keyupdate_request(KeyUpdateMessageType.update_requested):
            pass

    def close(self) -> None:
        self._tls.closeSocket = False
        self._tls.close()


class TlsliteClient(Client):
    """tlslite-ng. It offers post_handshake_auth whenever it has a chain, even an empty one."""

    def _open(self, certificates: Certificates, who: Who | None, offer: bool) -> None:
        self._tls = TLSConnection(self._socket)
        chain, key = _tlslite_pair(who or certificates.alice) if offer else (None, None)
        if offer and who is None:
            chain = X509CertChain([])
        self._tls.handshakeClientCert(chain, key, serverName="localhost", settings=_settings())

    def certificate_for_s_server(self, *, declines: bool = False) -> str:
        # an empty list, too
        return "CompressedCertificate" if versions.s_server_compresses() else "Certificate"

    def send(self, data: bytes) -> None:
        self._tls.write(data)

    def receive(self) -> bytes:
        return bytes(self._tls.read(max=16384, min=1))

    def update(self) -> None:
        for _ in self._tls.send_keyupdate_request(KeyUpdateMessageType.update_requested):
            pass

    def close(self) -> None:
        self._tls.close()


# libgnutls


class LibgnutlsServer(LineServer):
    """libgnutls, with the certificate required or requested."""

    def __init__(
        self, certificates: Certificates, *, required: bool = True, identity: Who | None = None
    ) -> None:
        require("libgnutls")
        who = identity or certificates.server
        mode = libgnutls.CERT_REQUIRE if required else libgnutls.CERT_REQUEST
        super().__init__(lambda sock: _LibgnutlsLink(sock, certificates.ca, who, mode))


class _LibgnutlsLink(Link):
    def __init__(self, sock: socket.socket, ca: Path, who: Who, mode: int) -> None:
        self._mode = mode
        self._early = b""
        self._session = libgnutls.GnutlsSession(
            sock,
            libgnutls.SERVER | libgnutls.POST_HANDSHAKE_AUTH,
            ca,
            who.certificate,
            who.key,
        )
        self._session.handshake()

    def receive(self) -> bytes:
        if self._early:
            early, self._early = self._early, b""
            return early
        data = self._session.receive()
        assert isinstance(data, bytes)
        return data

    def send(self, data: bytes) -> None:
        self._session.send(data)

    def whoami(self) -> str:
        return common_name(self._session.peer_certificate())

    def reauth(self) -> str:
        try:
            self._early += self._session.request_certificate(self._mode)
        except libgnutls.GnutlsError as error:
            if error.code == libgnutls.E_INVALID_REQUEST:
                return "unavailable"
            self._session.send_alert_for(error.code)  # the library leaves that to us
            raise
        name = self.whoami()
        if name == "nobody":
            return "declined"
        status = self._session.verify_peer()
        if status:
            self._session.refuse()
            raise ConnectionError(f"refused {name}, status {status:#x}")
        return f"authenticated {name}"

    def update(self) -> None:
        self._session.update_keys()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._session.bye()
        self._session.free()


class LibgnutlsAutoClient(Client):
    """libgnutls with GNUTLS_AUTO_REAUTH: requests are answered inside receive."""

    flags: ClassVar[int] = libgnutls.POST_HANDSHAKE_AUTH | libgnutls.AUTO_REAUTH

    def _open(self, certificates: Certificates, who: Who | None, offer: bool) -> None:
        require("libgnutls")
        self._session: libgnutls.GnutlsSession | None = libgnutls.GnutlsSession(
            self._socket,
            libgnutls.CLIENT | (self.flags if offer else 0),
            certificates.ca,
            who.certificate if who else None,
            who.key if who else None,
        )
        self._session.handshake()

    def send(self, data: bytes) -> None:
        assert self._session
        self._session.send(data)

    def receive(self) -> bytes:
        assert self._session
        while True:
            data = self._session.receive()
            if isinstance(data, bytes):
                return data
            assert not self.flags & libgnutls.AUTO_REAUTH
            self._heard.append("GNUTLS_E_REAUTH_REQUEST")
            self._session.answer()

    def update(self) -> None:
        assert self._session
        self._session.update_keys()

    def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            with contextlib.suppress(OSError):
                session.bye()
            session.free()


class LibgnutlsManualClient(LibgnutlsAutoClient):
    """libgnutls, told of each request by GNUTLS_E_REAUTH_REQUEST."""

    flags = libgnutls.POST_HANDSHAKE_AUTH
