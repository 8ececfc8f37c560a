"""tlslite-ng, in pure Python, over a socket that is a buffer.

It verifies no chain: it holds the peer's signature against whatever certificate comes.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from typing import Any

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from benches.contest import Impossible, Operation
from benches.material import BYTE, DATA, SERVER_NAME, Material
from tests.certs import Issued

__all__ = ["TlsliteNg"]

_SUITE = 0x1301
_X25519 = 29


class _Wire:
    """One end of a connection in memory, as much of a socket as tlslite-ng uses."""

    def __init__(self) -> None:
        self.inbound = bytearray()
        self.peer: _Wire = self

    def send(self, data: bytes) -> int:
        self.peer.inbound += data
        return len(data)

    def sendall(self, data: bytes) -> None:
        self.peer.inbound += data

    def recv(self, size: int) -> bytes:
        if not self.inbound:
            raise OSError(errno.EWOULDBLOCK, "nothing there")
        data = bytes(self.inbound[:size])
        del self.inbound[:size]
        return data


Shaken = tuple[Any, Any]
"""Client and server."""


class TlsliteNg:
    """Two TLSConnections.

    Raises:
        Impossible: it is not installed.
    """

    name = "tlslite"
    every = 20  # rounds: what takes so long needs fewer samples

    def __init__(self, material: Material) -> None:
        try:
            import tlslite
            from tlslite import api
        except ImportError:
            raise Impossible("tlslite-ng is not installed") from None
        self.title = f"tlslite-ng {tlslite.__version__}, without verifying the chain"
        self._api: Any = api
        self._material = material
        self._client = self._pair_of(material.client)
        self._server = self._pair_of(material.server)

    def handshake(self, group: str | None) -> Operation:
        if group is None:
            raise Impossible("its default groups are X25519 and P-256, which the row before has")

        return Operation(self._shake, self._check)

    def resumed(self) -> Operation:
        client, _ = self._shake(tickets=1)
        _run(client.readAsync(1, 1), until_wants=True)
        session = client.session
        assert session.tickets

        def check(shaken: Shaken) -> None:
            self._check(shaken, resumed=True)

        return Operation(lambda: self._shake(session=session), check)

    def reauth(self, *, remembered: bool) -> Operation:
        if remembered:
            raise Impossible("it verifies no chain")
        client, server = self._shake()
        settings = self._settings()

        def run() -> bytes:
            server.session.clientCertChain = None
            _run(server.request_post_handshake_auth(settings))
            _run(client.readAsync(1, 1), until_wants=True)
            _run(server.readAsync(1, 1), until_wants=True)
            assert not server._cert_requests
            return bytes(server.session.clientCertChain.x509List[0].bytes)

        def check(evidence: bytes) -> None:
            assert evidence == self._material.client.der

        return Operation(run, check)

    def bulk(self, size: int, times: int) -> Operation:
        if size > 1024:
            raise Impossible("its AES takes seconds; the row of 1 KiB tells enough")
        client, server = self._shake()
        sent = DATA[:size]

        def run() -> bytes:
            for _ in range(times):
                _run(client.writeAsync(sent))
                data = _result(server.readAsync(size, size))
            return data

        return Operation(run, _check_equal(sent))

    def echo(self, times: int) -> Operation:
        client, server = self._shake()

        def run() -> bytes:
            for _ in range(times):
                _run(client.writeAsync(BYTE))
                _run(server.writeAsync(_result(server.readAsync(1, 1))))
                data = _result(client.readAsync(1, 1))
            return data

        return Operation(run, _check_equal(BYTE))

    def asyncio_echo(self, size: int, times: int, *, native: bool) -> Operation:
        raise Impossible("asyncio's streams cannot use it")

    def idle(self) -> object:
        raise Impossible("to make enough of them takes a minute")

    def _pair_of(self, issued: Issued) -> tuple[Any, Any]:
        chain = self._api.X509CertChain()
        chain.parsePemList(issued.certificate.public_bytes(Encoding.PEM).decode())
        key = issued.private_key.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        ).decode()
        return chain, self._api.parsePEMKey(key, private=True)

    def _settings(self, tickets: int = 0) -> Any:
        settings = self._api.HandshakeSettings()
        settings.minVersion = settings.maxVersion = (3, 4)
        settings.cipherNames = ["aes128gcm"]
        settings.eccCurves = ["x25519"]
        settings.keyShares = ["x25519"]
        settings.ticketKeys = [bytearray(32)]
        settings.ticket_count = tickets
        return settings

    def _shake(self, session: Any = None, tickets: int = 0) -> Shaken:
        wires = _Wire(), _Wire()
        wires[0].peer, wires[1].peer = wires[1], wires[0]
        client, server = (self._api.TLSConnection(wire) for wire in wires)
        chain, key = self._client
        ends: list[Iterator[int]] = [
            client.handshakeClientCert(
                chain,
                key,
                session=session,
                settings=self._settings(),
                serverName=SERVER_NAME,
                async_=True,
            ),
            server.handshakeServerAsync(
                certChain=self._server[0],
                privateKey=self._server[1],
                settings=self._settings(tickets),
            ),
        ]
        while ends:
            for each in tuple(ends):
                if _run(each, until_wants=True):
                    ends.remove(each)
        return client, server

    def _check(self, shaken: Shaken, *, resumed: bool = False) -> None:
        assert shaken[0].resumed is resumed  # its server does not say
        for end in shaken:
            assert end.version == (3, 4)
            assert end.session.cipherSuite == _SUITE
            assert end.ecdhCurve == _X25519


def _run(steps: Iterator[Any], *, until_wants: bool = False) -> bool:
    """Go on as far as the bytes that are there allow; whether that was to the end."""
    for step in steps:
        if step == 0 and until_wants:
            return False
        assert step != 0, "it waits for bytes that will not come"
    return True


def _result(steps: Iterator[Any]) -> bytes:
    """Read to the end, and return what was read."""
    for step in steps:
        if step not in (0, 1):
            return bytes(step)
        assert step != 0, "it waits for bytes that will not come"
    raise AssertionError("nothing was read")


def _check_equal(expected: bytes) -> Callable[[bytes], None]:
    def check(evidence: bytes) -> None:
        assert evidence == expected

    return check
