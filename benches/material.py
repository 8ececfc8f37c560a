"""What all contestants work with: the same certificates, the same data."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache

from postshake.constants import NamedGroup, name_of
from postshake.record.deframer import HEADER_LENGTH, MAX_PLAINTEXT
from postshake.wire.extensions import KeyShareServerHello
from postshake.wire.handshake import decode_handshake
from postshake.wire.hello import ServerHello
from tests.certs import CA, Issued

__all__ = ["BYTE", "DATA", "MOST", "SERVER_NAME", "SUITE", "Material", "group_of", "material"]

SERVER_NAME = "server.example"
SUITE = "TLS_AES_128_GCM_SHA256"
DATA = os.urandom(2**20)
"""What is sent: a part of it, or all."""
MOST = MAX_PLAINTEXT
"""What one record holds at most."""
BYTE = b"!"


@dataclass(frozen=True)
class Material:
    """A P-256 authority, and a P-256 certificate of its own for each end."""

    ca: CA
    server: Issued
    client: Issued


@cache
def material() -> Material:
    """Make the certificates, once."""
    ca = CA("Bench CA")
    return Material(
        ca,
        ca.issue(SERVER_NAME, purpose="server", dns=[SERVER_NAME]),
        ca.issue("alice", purpose="client", email=["alice@example.com"]),
    )


def group_of(flight: bytes) -> str:
    """Read the group from a server's first flight: not every API tells it."""
    message = flight[HEADER_LENGTH:]
    hello = decode_handshake(message[0], message[4 : 4 + int.from_bytes(message[1:4], "big")])
    assert isinstance(hello, ServerHello)
    assert not hello.is_hello_retry_request
    return name_of(NamedGroup, hello.extensions.require(KeyShareServerHello).server_share.group)
