"""A message's order is looked at before anything in it is read (§4, §6.2).

What comes out of turn is an unexpected_message, however damaged it is, and costs nothing to
refuse: nothing of it is decoded or inflated.
"""

from __future__ import annotations

import tracemalloc
import zlib
from typing import Any

import pytest

from postshake.constants import (
    AlertDescription,
    CertificateCompressionAlgorithm,
    ContentType,
    HandshakeType,
    Role,
)
from postshake.errors import UnexpectedMessage
from tests.hostile import send_record
from tests.pair import ConnectionPair, client_config, server_config
from tests.tampering import ends, framed
from tests.tls12 import TLS12

ZLIB = {"certificate_compression": (CertificateCompressionAlgorithm.zlib,)}
FIRST = {Role.client: HandshakeType.server_hello, Role.server: HandshakeType.client_hello}
ROLES = pytest.mark.parametrize("role", list(Role))


def refused(pair: ConnectionPair, role: Role, data: bytes) -> None:
    end, other = ends(pair, role)
    send_record(other, ContentType.handshake, data)
    end.receive(other.connection.data_to_send())
    assert isinstance(end.error, UnexpectedMessage), repr(end.error)
    end.connection.data_to_send()
    assert end.error.alert is AlertDescription.unexpected_message


@ROLES
@pytest.mark.parametrize(
    "kind", [each for each in HandshakeType if each is not HandshakeType.hello_request]
)
def test_as_the_first_message(role: Role, kind: HandshakeType) -> None:
    if kind is FIRST[role]:
        return
    pair = ConnectionPair(client_config(**ZLIB), server_config(**ZLIB))
    pair.client.connection.start()
    pair.client.connection.data_to_send()
    refused(pair, role, framed(kind, b"\0\0\0"))


@ROLES
@pytest.mark.parametrize("kind", list(HandshakeType))
@pytest.mark.parametrize("versions", [None, TLS12])
def test_after_the_handshake(role: Role, kind: HandshakeType, versions: Any) -> None:
    fields = {"versions": versions} if versions else {}
    awaited = {
        (None, Role.client): ("new_session_ticket", "key_update", "certificate_request"),
        (None, Role.server): ("key_update", "certificate", "compressed_certificate"),
        (TLS12, Role.client): ("hello_request",),
        (TLS12, Role.server): ("client_hello",),
    }[versions, role]
    if kind.name in awaited:
        return
    pair = ConnectionPair(client_config(**ZLIB, **fields), server_config(**ZLIB, **fields))
    pair.handshake()
    refused(pair, role, framed(kind, b"\0\0\0"))


def test_a_strangers_compressed_certificate_is_not_inflated() -> None:
    plain = bytes(120_000)
    body = b"\0\1" + len(plain).to_bytes(3, "big")
    packed = zlib.compress(plain)
    body += len(packed).to_bytes(3, "big") + packed
    pair = ConnectionPair(client_config(**ZLIB), server_config(**ZLIB))
    pair.server.connection.start()
    tracemalloc.start()
    try:
        refused(pair, Role.server, framed(HandshakeType.compressed_certificate, body))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < len(plain)
