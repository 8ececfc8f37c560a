"""What tests of TLS 1.2 share: pairs of it, and a wire that tells lies.

Until ChangeCipherSpec every handshake message is plain, so whoever sits between two
ends can change it. ``lie`` gives each message of one direction to a function, which
returns what goes on instead: messages, and whole records.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from postshake.constants import AlertDescription, HandshakeType, ProtocolVersion
from postshake.crypto.tls12.suites import TLS12_SUITES, Authentication
from postshake.errors import AlertReceived, TLSError
from postshake.wire.extensions import Extension, Extensions
from postshake.wire.handshake import decode_handshake12, encode_handshake
from postshake.wire.hello import ClientHello, ServerHello
from tests.pair import ConnectionPair, client_config, server_config

__all__ = [
    "BOTH",
    "CCS",
    "SIGNED_SUITES",
    "TLS12",
    "Raw",
    "alert",
    "check_refusal",
    "lie",
    "pair12",
    "plus",
    "record",
    "records",
    "swap",
    "without",
]

TLS12 = (ProtocolVersion.TLS12,)
BOTH = (ProtocolVersion.TLS13, ProtocolVersion.TLS12)
CCS = bytes.fromhex("140303000101")
SIGNED_SUITES = tuple(
    code for code, suite in TLS12_SUITES.items() if suite.authentication is not Authentication.PSK
)
"""Those with certificates."""


def pair12(
    *clients: str,
    client: dict[str, Any] | None = None,
    server: dict[str, Any] | None = None,
    **options: Any,
) -> ConnectionPair:
    """A client and a server that speak TLS 1.2, and TLS 1.3 if their fields say so."""
    return ConnectionPair(
        client_config(*clients, **({"versions": TLS12} | (client or {}))),
        server_config(**({"versions": TLS12} | (server or {}))),
        **options,
    )


class Raw(bytes):
    """Whole records, to be sent as they are."""


Lie = Callable[[Any, bytes], Iterable[object] | None]
"""Given a message and its bytes, returns what to send instead; None for the same."""


def lie(pair: ConnectionPair, direction: str, change: Lie, *, psk: bool = False) -> ConnectionPair:
    """Change the plain messages of one direction, ``"to client"`` or ``"to server"``.

    Args:
        pair: whose messages.
        direction: which of them.
        change: what becomes of each.
        psk: whether the key exchange is one with pre-shared keys.
    """
    protected = False
    pending = b""  # of a message that goes on in the next record

    def tamper(name: str, data: bytes) -> bytes:
        nonlocal protected, pending
        if name != direction:
            return data
        out = b""
        for content_type, body in records(data):
            if content_type == 20:
                protected = True
            if content_type != 22 or protected:
                out += record(content_type, body)
                continue
            whole, pending = _messages(pending + body)
            for raw in whole:
                changed = change(decode_handshake12(raw[0], raw[4:], psk=psk), raw)
                out += b"".join(map(_on_wire, [raw] if changed is None else changed))
        return out

    pair.tamper = tamper
    return pair


def _on_wire(thing: Any) -> bytes:
    if isinstance(thing, Raw):
        return thing
    return record(22, thing if isinstance(thing, bytes) else encode_handshake(thing))


def records(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Content type and body of each record."""
    while data:
        end = 5 + int.from_bytes(data[3:5], "big")
        yield data[0], data[5:end]
        data = data[end:]


def record(content_type: int, body: bytes) -> bytes:
    """One plain record."""
    return bytes((content_type, 3, 3)) + len(body).to_bytes(2, "big") + body


def alert(level: int, description: int) -> bytes:
    """One plain alert."""
    return record(21, bytes((level, description)))


def _messages(stream: bytes) -> tuple[list[bytes], bytes]:
    """The whole messages, and what is left of another."""
    whole = []
    while len(stream) >= 4 and len(stream) >= (end := 4 + int.from_bytes(stream[1:4], "big")):
        whole.append(stream[:end])
        stream = stream[end:]
    return whole, stream


def swap(kind: type | HandshakeType, change: Callable[[Any], object]) -> Lie:
    """Change messages of one class: what `change` returns, a list of several, goes on."""

    def apply(message: Any, raw: bytes) -> Iterable[object] | None:
        if not isinstance(message, kind):
            return None
        changed = change(message)
        return changed if isinstance(changed, list) else [changed]

    return apply


def without(hello: ClientHello | ServerHello, *kinds: type) -> Any:
    """A hello without these extensions."""
    kept = tuple(each for each in hello.extensions if not isinstance(each, kinds))
    return replace(hello, extensions=Extensions(kept))


def plus(hello: ClientHello | ServerHello, *extensions: Extension) -> Any:
    """A hello with these extensions, instead of those of their types."""
    types = {each.extension_type for each in extensions}
    kept = tuple(each for each in hello.extensions if each.extension_type not in types)
    return replace(hello, extensions=Extensions((*kept, *extensions)))


def check_refusal(
    pair: ConnectionPair, victim: str, error: type[TLSError], alert: AlertDescription, match: str
) -> None:
    """Shake hands; insist that the victim refuses like this, and that the other is told."""
    pair.client.connection.start()
    pair.server.connection.start()
    pair.move()
    end, other = (pair.client, pair.server) if victim == "client" else (pair.server, pair.client)
    assert end.error is not None, "nothing was refused"
    assert isinstance(end.error, error), repr(end.error)
    assert end.error.alert is error.alert, repr(end.error)
    assert match in str(end.error), str(end.error)
    assert end.connection.established is None
    assert isinstance(other.error, AlertReceived), repr(other.error)
    assert other.error.received == alert, repr(other.error)
