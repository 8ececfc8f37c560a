"""OpenSSL as `cryptography` brings it, through pyOpenSSL, tuned like `stdlib`.

pyOpenSSL has no API for groups, for post-handshake authentication and for one mode, but
its bindings have: ``SSL._lib``. Whoever wants reauth from it today does the same.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from benches.contest import Impossible, Operation
from benches.material import BYTE, DATA, SERVER_NAME, SUITE, Material, group_of
from tests.certs import Issued

__all__ = ["PyOpenSSL"]

NO_AUTO_CHAIN = 8  # SSL_MODE_NO_AUTO_CHAIN
BUFFER = 65536

Shaken = tuple[Any, Any, bytes]
"""Client, server, and the server's flight."""


class PyOpenSSL:
    """Two OpenSSL.SSL.Connections over memory BIOs.

    Raises:
        Impossible: it is not installed.
    """

    name = "pyopenssl"

    def __init__(self, material: Material) -> None:
        try:
            import OpenSSL
            from OpenSSL import SSL
        except ImportError:
            raise Impossible("pyOpenSSL is not installed") from None
        version = SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode()
        self.title = f"pyOpenSSL {OpenSSL.__version__}, {version}, tuned"
        self._ssl: Any = SSL
        self._material = material
        self._idle_contexts = self._contexts("X25519")

    def handshake(self, group: str | None) -> Operation:
        contexts = self._contexts(group)

        def run() -> Shaken:
            return self._shake(*contexts)

        def check(shaken: Shaken) -> None:
            self._check(shaken, used)

        used = group_of(run()[2])
        return Operation(run, check, note="" if group else used)

    def resumed(self) -> Operation:
        raise Impossible("it has no way to ask for a ticket that OPENSSL_CONF has forbidden")

    def reauth(self, *, remembered: bool) -> Operation:
        if remembered:
            raise Impossible("OpenSSL verifies every chain anew")
        lib = self._ssl._lib
        if not getattr(lib, "Cryptography_HAS_SSL_VERIFY_CLIENT_POST_HANDSHAKE", False):
            raise Impossible("these bindings lack SSL_verify_client_post_handshake")
        client, server = self._pair()
        assert server.get_peer_certificate(as_cryptography=True) is None
        want_read = self._ssl.WantReadError

        def run() -> tuple[bytes, bytes]:
            assert lib.SSL_verify_client_post_handshake(server._ssl) == 1
            server.do_handshake()
            request = server.bio_read(BUFFER)
            client.bio_write(request)
            with suppress(want_read):
                client.recv(1)
            answer = client.bio_read(BUFFER)
            server.bio_write(answer)
            with suppress(want_read):
                server.recv(1)
            return request, answer

        def check(evidence: tuple[bytes, bytes]) -> None:
            request, answer = evidence
            certificate = self._material.client.der
            assert len(request) > 60
            # Certificate, CertificateVerify, Finished, and no authority among them
            assert 100 < len(answer) - len(certificate) < 400
            peer = server.get_peer_certificate(as_cryptography=True)
            assert peer == self._material.client.certificate
            self._check_silent(server)

        return Operation(run, check)

    def bulk(self, size: int, times: int) -> Operation:
        client, server = self._pair()
        sent = DATA[:size]
        buffer = max(BUFFER, 2 * size)

        def run() -> tuple[int, bytes]:
            moved = 0
            for _ in range(times):
                client.sendall(sent)  # send() takes one record at most
                server.bio_write(client.bio_read(buffer))
                left = size
                while left:  # recv() gives one record at most
                    data = server.recv(left)
                    left -= len(data)
                moved += size
            return moved, data

        return Operation(run, _check_moved(times, sent))

    def echo(self, times: int) -> Operation:
        client, server = self._pair()

        def run() -> tuple[int, bytes]:
            moved = 0
            for _ in range(times):
                client.send(BYTE)
                server.bio_write(client.bio_read(BUFFER))
                server.send(server.recv(16384))
                client.bio_write(server.bio_read(BUFFER))
                data = client.recv(16384)
                moved += len(data)
            return moved, data

        return Operation(run, _check_moved(times, BYTE))

    def asyncio_echo(self, size: int, times: int, *, native: bool) -> Operation:
        raise Impossible("asyncio cannot use it")

    def idle(self) -> object:
        """Make a pair that does nothing, for as long as it is held; they share the contexts."""
        return self._shake(*self._idle_contexts)[:2]

    def _contexts(self, group: str | None) -> tuple[Any, Any]:
        client = self._context(self._material.client, group)
        client.set_verify(self._ssl.VERIFY_PEER)
        self._ssl._lib.SSL_CTX_set_post_handshake_auth(client._context, 1)
        server = self._context(self._material.server, group)
        required = self._ssl.VERIFY_PEER | self._ssl.VERIFY_FAIL_IF_NO_PEER_CERT
        server.set_verify(required | self._ssl._lib.SSL_VERIFY_POST_HANDSHAKE)
        server.set_session_id(b"bench")
        return client, server

    def _context(self, issued: Issued, group: str | None) -> Any:
        context = self._ssl.Context(self._ssl.TLS_METHOD)
        context.set_min_proto_version(self._ssl.TLS1_3_VERSION)
        context.set_mode(NO_AUTO_CHAIN)
        if group is not None:
            lib = self._ssl._lib
            assert lib.SSL_CTX_set1_curves_list(context._context, group.encode()) == 1
        context.use_certificate(issued.certificate)
        context.use_privatekey(issued.private_key)
        context.get_cert_store().add_cert(_x509(self._material.ca))
        return context

    def _pair(self) -> tuple[Any, Any]:
        shaken = self._shake(*self._contexts("X25519"))
        self._check(shaken, group_of(shaken[2]))
        return shaken[0], shaken[1]

    def _shake(self, client_context: Any, server_context: Any) -> Shaken:
        want_read = self._ssl.WantReadError
        client = self._ssl.Connection(client_context, None)
        client.set_tlsext_host_name(SERVER_NAME.encode())
        self._expect_name(client)
        client.set_connect_state()
        server = self._ssl.Connection(server_context, None)
        server.set_accept_state()
        with suppress(want_read):
            client.do_handshake()
        server.bio_write(client.bio_read(BUFFER))
        with suppress(want_read):
            server.do_handshake()
        flight = server.bio_read(BUFFER)
        client.bio_write(flight)
        client.do_handshake()
        server.bio_write(client.bio_read(BUFFER))
        server.do_handshake()
        return client, server, flight

    def _expect_name(self, client: Any) -> None:
        """Have OpenSSL hold the certificate against the name, as everybody must."""
        lib = self._ssl._lib
        name = SERVER_NAME.encode()
        parameters = lib.SSL_get0_param(client._ssl)
        assert lib.X509_VERIFY_PARAM_set1_host(parameters, name, len(name)) == 1

    def _check(self, shaken: Shaken, group: str) -> None:
        client, server, flight = shaken
        assert client.get_cipher_name() == server.get_cipher_name() == SUITE
        peer = client.get_peer_certificate(as_cryptography=True)
        assert peer == self._material.server.certificate
        assert group_of(flight) == group
        self._check_silent(server)

    def _check_silent(self, server: Any) -> None:
        try:
            server.bio_read(1)
        except self._ssl.WantReadError:
            return
        raise AssertionError("the server sent tickets")


def _x509(issued: Issued) -> Any:
    from OpenSSL import crypto

    return crypto.X509.from_cryptography(issued.certificate)


def _check_moved(times: int, sent: bytes) -> Callable[[tuple[int, bytes]], None]:
    def check(evidence: tuple[int, bytes]) -> None:
        moved, last = evidence
        assert moved == times * len(sent)
        assert sent.endswith(last)  # the last record's
        assert last

    return check
