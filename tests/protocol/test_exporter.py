"""Exporters and channel bindings: equal at both ends, and equal to RFC 5869 by hand."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postshake.constants import CipherSuite
from postshake.crypto.suites import TLS13_SUITES
from postshake.errors import UsageError
from postshake.protocol.exporter import channel_binding, export
from postshake.protocol.session_secrets import SessionSecrets
from tests.pair import ConnectionPair, client_config, server_config


def by_hand(hash_name: str, master: bytes, label: bytes, context: bytes, length: int) -> bytes:
    """§7.5 with nothing but hmac: another way to the same bytes."""
    size = hashlib.new(hash_name).digest_size

    def expand_label(secret: bytes, label: bytes, context: bytes, length: int) -> bytes:
        label = b"tls13 " + label
        info = length.to_bytes(2, "big") + bytes((len(label),)) + label
        info += bytes((len(context),)) + context
        block, out, count = b"", b"", 0
        while len(out) < length:
            count += 1
            block = hmac.new(secret, block + info + bytes((count,)), hash_name).digest()
            out += block
        return out[:length]

    empty = hashlib.new(hash_name).digest()
    derived = expand_label(master, label, empty, size)
    return expand_label(derived, b"exporter", hashlib.new(hash_name, context).digest(), length)


def secrets(code: CipherSuite) -> SessionSecrets:
    suite = TLS13_SUITES[code]
    return SessionSecrets(suite, bytes(range(suite.hash_length)), bytes(suite.hash_length))


@settings(max_examples=60)
@given(
    st.sampled_from(list(TLS13_SUITES)),
    st.binary(min_size=1, max_size=60),
    st.binary(max_size=300),
    st.integers(1, 400),
)
def test_the_bytes_are_those_of_the_rfc(
    code: CipherSuite, label: bytes, context: bytes, length: int
) -> None:
    session = secrets(code)
    expected = by_hand(
        session.suite.hash_name, session.exporter_master_secret, label, context, length
    )
    assert export(session, label, context, length) == expected


@pytest.mark.parametrize("suite", [suite.code for suite in TLS13_SUITES.values()])
def test_both_ends_export_the_same(suite: CipherSuite) -> None:
    lines: list[str] = []
    pair = ConnectionPair(
        client_config(cipher_suites=(suite,), keylog=lines.append), server_config()
    ).handshake()
    client, server = pair.client.connection, pair.server.connection
    assert client.export(b"EXPORTER-a", b"", 64) == server.export(b"EXPORTER-a", b"", 64)
    assert client.channel_binding() == server.channel_binding()
    (line,) = (line for line in lines if line.startswith("EXPORTER_SECRET "))
    master = bytes.fromhex(line.split()[2])
    expected = by_hand(TLS13_SUITES[suite].hash_name, master, b"EXPORTER-a", b"c", 48)
    assert client.export(b"EXPORTER-a", b"c", 48) == expected


def test_label_context_and_connection_all_matter() -> None:
    pair = ConnectionPair().handshake()
    connection = pair.client.connection
    found = {
        connection.export(b"EXPORTER-a", b"", 32),
        connection.export(b"EXPORTER-b", b"", 32),
        connection.export(b"EXPORTER-a", b"\0", 32),
        connection.export(b"EXPORTER-a", b"", 33)[:32],  # the length is part of it
        ConnectionPair(server=server_config(random=bytes))
        .handshake()
        .client.connection.export(b"EXPORTER-a", b"", 32),
    }
    assert len(found) == 5


def test_nothing_later_changes_it() -> None:
    pair = ConnectionPair().handshake()
    before = pair.client.connection.export(b"EXPORTER-a", b"", 32)
    pair.client.connection.key_update(request_peer=True)
    pair.move()
    pair.reauth()
    for end in (pair.client, pair.server):
        assert end.connection.export(b"EXPORTER-a", b"", 32) == before


def test_the_channel_binding_of_rfc_9266() -> None:
    pair = ConnectionPair().handshake()
    connection = pair.client.connection
    binding = connection.channel_binding("tls-exporter")
    assert len(binding) == 32
    assert binding == connection.export(b"EXPORTER-Channel-Binding", b"", 32)
    for kind in ("tls-unique", "tls-server-end-point", ""):
        with pytest.raises(UsageError, match=f"no channel binding '{kind}'"):
            connection.channel_binding(kind)


def test_lengths_have_bounds() -> None:
    session = secrets(CipherSuite.TLS_AES_128_GCM_SHA256)
    assert len(export(session, b"l", b"", 255 * 32)) == 255 * 32
    for length in (0, -1, 255 * 32 + 1):
        with pytest.raises(UsageError, match="1 to 8160 bytes"):
            export(session, b"l", b"", length)
    assert len(export(secrets(CipherSuite.TLS_AES_256_GCM_SHA384), b"l", b"", 255 * 48)) == 12240


@pytest.mark.parametrize("label", [b"", b"x" * 250])
def test_labels_have_bounds(label: bytes) -> None:
    with pytest.raises(UsageError):
        export(secrets(CipherSuite.TLS_AES_128_GCM_SHA256), label, b"", 32)


def test_before_the_handshake_there_is_nothing_to_export() -> None:
    pair = ConnectionPair()
    pair.client.connection.start()
    for end in (pair.client, pair.server):
        with pytest.raises(UsageError, match="handshake is not complete"):
            end.connection.export(b"EXPORTER-a", b"", 32)
        with pytest.raises(UsageError, match="handshake is not complete"):
            end.connection.channel_binding()


def test_after_a_failure_what_was_agreed_can_still_be_exported() -> None:
    pair = ConnectionPair().handshake()
    binding = pair.server.connection.channel_binding()
    pair.server.receive(b"\x17\x03\x03\x00\x11" + bytes(17))
    assert pair.server.connection.failure is not None
    assert pair.server.connection.channel_binding() == binding
    assert channel_binding(secrets(CipherSuite.TLS_AES_128_GCM_SHA256), "tls-exporter") != binding
