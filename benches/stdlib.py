"""The standard library's ssl over MemoryBIO, tuned.

No tickets, the suite of the others (both from ``OPENSSL_CONF``, see `__main__`), and no
chain of OpenSSL's own: with the authority in a context's store OpenSSL would append the
root to what it sends, after having verified it. ``ssl`` cannot switch that off. But an
end that only verifies needs no certificate in its context, and one that only signs needs
no authority; so between handshake and reauth both ends change their contexts.
"""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from benches import event_loop
from benches.contest import Impossible, Operation
from benches.material import BYTE, DATA, SERVER_NAME, SUITE, Material, group_of
from tests.certs import Issued

__all__ = ["Stdlib"]


class End:
    """An SSLObject and its buffers."""

    __slots__ = ("inbound", "outbound", "tls")

    def __init__(
        self,
        context: ssl.SSLContext,
        server_name: str | None = None,
        session: ssl.SSLSession | None = None,
    ) -> None:
        self.inbound = ssl.MemoryBIO()
        self.outbound = ssl.MemoryBIO()
        self.tls = context.wrap_bio(
            self.inbound,
            self.outbound,
            server_side=server_name is None,
            server_hostname=server_name,
            session=session,
        )


Shaken = tuple[End, End, bytes]
"""Client, server, and the server's flight."""


class Stdlib:
    """Two SSLObjects."""

    name = "ssl"

    def __init__(self, material: Material) -> None:
        self.title = f"ssl, {ssl.OPENSSL_VERSION}, tuned"
        self._material = material
        self._client_context = _verifying(ssl.PROTOCOL_TLS_CLIENT, material.ca)
        self._server_context = _signing(ssl.PROTOCOL_TLS_SERVER, material.server)
        self._echo_context = _signing(ssl.PROTOCOL_TLS_SERVER, material.server)
        self._echo_context.verify_mode = ssl.CERT_NONE

    def handshake(self, group: str | None) -> Operation:
        def check(shaken: Shaken) -> None:
            self._check(shaken, used)

        client_context = self._client_context

        def shake() -> Shaken:
            return self._shake(client_context, self._server_context)

        used = group_of(shake()[2])
        if group is not None and used != group.lower():
            client_context = _verifying(ssl.PROTOCOL_TLS_CLIENT, self._material.ca)
            client_context.set_ecdh_curve(group)  # set_groups() is of 3.15
            used = group_of(shake()[2])
            assert used == group.lower()
        return Operation(shake, check, note="" if group else used)

    def resumed(self) -> Operation:
        client_context = _verifying(ssl.PROTOCOL_TLS_CLIENT, self._material.ca)
        server_context = _signing(ssl.PROTOCOL_TLS_SERVER, self._material.server)
        server_context.verify_mode = ssl.CERT_NONE  # else OpenSSL wants a session id context
        server_context.num_tickets = 1
        client, server, _ = self._shake(client_context, server_context)
        client.inbound.write(server.outbound.read())
        with suppress(ssl.SSLWantReadError):
            client.tls.read(1)
        session = client.tls.session
        server_context.num_tickets = 0

        def run() -> Shaken:
            return self._shake(client_context, server_context, session)

        def check(shaken: Shaken) -> None:
            assert shaken[0].tls.session_reused
            assert shaken[1].tls.session_reused
            assert not shaken[1].outbound.pending  # no tickets

        used = group_of(run()[2])
        return Operation(run, check, note="" if used == "x25519" else used)

    def reauth(self, *, remembered: bool) -> Operation:
        if remembered:
            raise Impossible("OpenSSL verifies every chain anew")
        client, server = self._pair()
        client.tls.context = _signing(ssl.PROTOCOL_TLS_CLIENT, self._material.client)
        server.tls.context = _verifying(ssl.PROTOCOL_TLS_SERVER, self._material.ca)
        assert server.tls.getpeercert(True) is None

        def run() -> tuple[bytes, bytes]:
            server.tls.verify_client_post_handshake()
            server.tls.do_handshake()
            request = server.outbound.read()
            client.inbound.write(request)
            with suppress(ssl.SSLWantReadError):
                client.tls.read(1)
            answer = client.outbound.read()
            server.inbound.write(answer)
            with suppress(ssl.SSLWantReadError):
                server.tls.read(1)
            return request, answer

        def check(evidence: tuple[bytes, bytes]) -> None:
            request, answer = evidence
            certificate = self._material.client.der
            assert len(request) > 60
            # Certificate, CertificateVerify, Finished, and no authority among them
            assert 100 < len(answer) - len(certificate) < 400
            assert server.tls.getpeercert(True) == certificate
            assert not server.outbound.pending  # no tickets

        return Operation(run, check)

    def bulk(self, size: int, times: int) -> Operation:
        client, server = self._pair()
        sent = DATA[:size]

        def run() -> tuple[int, bytes]:
            moved = 0
            for _ in range(times):
                client.tls.write(sent)
                server.inbound.write(client.outbound.read())
                left = size
                while left:  # read() gives one record at most
                    data = server.tls.read(left)
                    left -= len(data)
                moved += size
            return moved, data

        return Operation(run, _check_moved(times, sent))

    def echo(self, times: int) -> Operation:
        client, server = self._pair()

        def run() -> tuple[int, bytes]:
            moved = 0
            for _ in range(times):
                client.tls.write(BYTE)
                server.inbound.write(client.outbound.read())
                server.tls.write(server.tls.read(16384))
                client.inbound.write(server.outbound.read())
                data = client.tls.read(16384)
                moved += len(data)
            return moved, data

        return Operation(run, _check_moved(times, BYTE))

    def asyncio_echo(self, size: int, times: int, *, native: bool) -> Operation:
        connect = event_loop.over_ssl(self._client_context, self._echo_context)
        return event_loop.echo(connect, size, times)

    def idle(self) -> object:
        """Make a pair that does nothing, for as long as it is held."""
        return self._pair()

    def _pair(self) -> tuple[End, End]:
        shaken = self._shake(self._client_context, self._server_context)
        self._check(shaken, group_of(shaken[2]))
        return shaken[0], shaken[1]

    def _shake(
        self,
        client_context: ssl.SSLContext,
        server_context: ssl.SSLContext,
        session: ssl.SSLSession | None = None,
    ) -> Shaken:
        client, server = End(client_context, SERVER_NAME, session), End(server_context)
        with suppress(ssl.SSLWantReadError):
            client.tls.do_handshake()
        server.inbound.write(client.outbound.read())
        with suppress(ssl.SSLWantReadError):
            server.tls.do_handshake()
        flight = server.outbound.read()
        client.inbound.write(flight)
        client.tls.do_handshake()
        server.inbound.write(client.outbound.read())
        server.tls.do_handshake()
        return client, server, flight

    def _check(self, shaken: Shaken, group: str) -> None:
        client, server, flight = shaken
        for end in (client, server):
            cipher = end.tls.cipher()
            assert cipher is not None
            assert cipher[0] == SUITE
        assert client.tls.getpeercert(True) == self._material.server.der
        assert group_of(flight) == group
        assert not server.outbound.pending  # no tickets


def _signing(protocol: int, issued: Issued) -> ssl.SSLContext:
    """A context that shows a certificate and verifies none; a server's will ask later."""
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.post_handshake_auth = True
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    with tempfile.TemporaryDirectory() as folder:
        context.load_cert_chain(*issued.write(Path(folder), "own"))
    return context


def _verifying(protocol: int, ca: Issued) -> ssl.SSLContext:
    """A context that trusts an authority and shows no certificate."""
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.post_handshake_auth = True
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=ca.certificate.public_bytes(Encoding.PEM).decode())
    return context


def _check_moved(times: int, sent: bytes) -> Callable[[tuple[int, bytes]], None]:
    def check(evidence: tuple[int, bytes]) -> None:
        moved, last = evidence
        assert moved == times * len(sent)
        assert sent.endswith(last)  # the last record's
        assert last

    return check
