"""postshake behind the same two interfaces as every other library."""

from __future__ import annotations

import socket
from typing import Any, ClassVar

from postshake import (
    AuthRequest,
    ChainVerifier,
    ClientConfig,
    Credential,
    Outcome,
    ReauthCompleted,
    ReauthUnavailable,
    Refusal,
    ServerConfig,
    TrustStore,
)
from postshake.drive.sync.stream import Stream
from tests.interop.certificates import Certificates, Who
from tests.interop.libraries import Client
from tests.interop.lines import LineServer, Link
from tests.interop.program import TIMEOUT

__all__ = ["OurClient", "OurServer"]


def _credential(who: Who) -> Credential:
    return Credential.from_files(who.certificate, who.key)


class OurServer(LineServer):
    """Our server.

    Args:
        certificates: whom it trusts.
        identity: who it is; the one with an ECDSA key by default.
        on_refusal: what it does to a client without an acceptable certificate.
        named: whether its requests name the authority that it trusts.
        fields: more of its configuration.
    """

    def __init__(
        self,
        certificates: Certificates,
        *,
        identity: Who | None = None,
        on_refusal: Refusal = Refusal.KEEP,
        named: bool = False,
        **fields: Any,
    ) -> None:
        trust = TrustStore.from_files(certificates.ca)
        credential = _credential(identity or certificates.server)
        fields.setdefault("verifier", ChainVerifier(trust))
        config = ServerConfig(credentials=(credential,), **fields)
        request = AuthRequest(
            authorities=trust.names() if named else (), within=TIMEOUT, on_refusal=on_refusal
        )
        super().__init__(lambda sock: OurLink(sock, config, request))


class OurLink(Link):
    """A connection of our server."""

    def __init__(self, sock: socket.socket, config: ServerConfig, request: AuthRequest) -> None:
        sock.settimeout(TIMEOUT)
        self._request = request
        self._stream = Stream(sock, config)
        try:
            self._stream.handshake()
        except BaseException:
            self._stream.close()
            raise

    def receive(self) -> bytes:
        return self._stream.receive()

    def send(self, data: bytes) -> None:
        self._stream.send(data)

    def whoami(self) -> str:
        identity = self._stream.peer_identity
        return identity.common_name or "nameless" if identity else "nobody"

    def reauth(self) -> str:
        try:
            return _describe(self._stream.reauth(self._request))
        except ReauthUnavailable:
            return "unavailable"

    def reauth_twice(self) -> str:
        """Have two requests open at once, and wait for the second first."""
        first, second = (self._stream.request_auth(self._request) for _ in range(2))
        outcomes = [self._stream.wait(context) for context in (second, first)]
        return " and ".join(map(_describe, outcomes))

    def update(self) -> None:
        self._stream.key_update(request_peer=True)

    def close(self) -> None:
        self._stream.close()


def _describe(completed: ReauthCompleted) -> str:
    match completed.outcome:
        case Outcome.AUTHENTICATED if completed.identity:
            return f"authenticated {completed.identity.common_name}"
        case Outcome.REFUSED:
            return f"refused {type(completed.error).__name__}"
        case outcome:
            return outcome.value


class OurClient(Client):
    """Our client. It answers with its one credential, whatever the server wants to see."""

    fields: ClassVar[dict[str, Any]] = {}
    """More of its configuration."""

    def _open(self, certificates: Certificates, who: Who | None, offer: bool) -> None:
        credential = _credential(who) if who else None
        config = ClientConfig(
            credentials=(credential,) if credential else (),
            verifier=ChainVerifier(TrustStore.from_files(certificates.ca)),
            post_handshake_auth=offer,
            **self.fields,
        )
        self._socket.settimeout(TIMEOUT)
        # only for a refusal does it matter that the server did not name the authority
        refused = who is certificates.mallory
        answer = (lambda _: credential) if refused else None
        self._stream = Stream(self._socket, config, "localhost", answer=answer)
        self._stream.handshake()

    def send(self, data: bytes) -> None:
        self._stream.send(data)

    def receive(self) -> bytes:
        return self._stream.receive()

    def update(self) -> None:
        self._stream.key_update(request_peer=True)

    def close(self) -> None:
        self._stream.close()
