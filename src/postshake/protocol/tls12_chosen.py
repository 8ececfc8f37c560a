"""What the exchange of hellos returns where TLS 1.2 was chosen (RFC 5246 section 7.4.1)."""

from __future__ import annotations

from .._dataclass import dataclass
from ..pki.trust import VerifiedChain
from ..resumption.session12 import Session12
from ..wire.extensions import Extensions
from ..wire.hello import ClientHello, ServerHello

__all__ = ["ClientOffered12", "OfferedSession12", "ServerChose12"]


@dataclass(frozen=True, slots=True)
class OfferedSession12:
    """A session that a client offers to resume, and what its server's chain is worth today."""

    session: Session12
    verdict: VerifiedChain | None
    """None where an external PSK vouches for the server."""


@dataclass(frozen=True, slots=True)
class ServerChose12:
    """A client's view: the server answered without supported_versions (§4.1.3)."""

    client_hello: ClientHello
    server_hello: ServerHello
    raw: tuple[bytes, bytes]
    """Both messages as they stood on the wire."""
    session: OfferedSession12 | None
    """The session that we offered to resume."""


@dataclass(slots=True)
class ClientOffered12:
    """A server's view: TLS 1.2 is the best that both ends have (§4.2.1)."""

    client_hello: ClientHello
    raw: bytes

    @property
    def extensions(self) -> Extensions:
        """The client's."""
        return self.client_hello.extensions
