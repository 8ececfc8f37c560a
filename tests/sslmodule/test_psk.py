"""Pre-shared keys by callbacks, as the standard library has them from Python 3.13 on."""

from __future__ import annotations

import pytest

from tests.sslmodule.ends import Memory, ours

KEY = bytes(range(32))
CHACHA = "ECDHE-PSK-CHACHA20-POLY1305"


def contexts(version, key=KEY):
    server = ours.SSLContext(ours.PROTOCOL_TLS_SERVER)
    client = ours.SSLContext(ours.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ours.CERT_NONE
    asked = []

    def find(identity):
        asked.append(identity)
        return KEY if identity == "sensor7" else b""

    server.set_psk_server_callback(find)
    client.set_psk_client_callback(lambda hint: ("sensor7", key))
    for context in (server, client):
        context.minimum_version = context.maximum_version = version
        context.set_ciphers(CHACHA)
    return server, client, asked


@pytest.mark.parametrize("version", [ours.TLSVersion.TLSv1_2, ours.TLSVersion.TLSv1_3])
def test_both_have_the_key(version):
    server, client, asked = contexts(version)
    pair = Memory(server, client)
    pair.handshake()
    assert asked == ["sensor7"]
    for end in (pair.server, pair.client):
        assert end.version() == version.name.replace("_", ".")
        assert end.getpeercert(True) is None
    if version == ours.TLSVersion.TLSv1_2:
        assert pair.client.cipher() == (CHACHA, "TLSv1.2", 256)


def test_a_client_is_asked_again_by_the_hint_of_the_server():
    """As OpenSSL does: with None when the handshake begins, and with what a TLS 1.2 server says."""
    server, client, _ = contexts(ours.TLSVersion.TLSv1_2)
    server.set_psk_server_callback(lambda identity: KEY, "which of them?")
    hints = []

    def choose(hint):
        hints.append(hint)
        return ("sensor7", KEY) if hint is None else ("sensor8", KEY)

    client.set_psk_client_callback(choose)
    pair = Memory(server, client)
    pair.handshake()
    assert hints == [None, "which of them?"]
    assert pair.server._sslobj._established.psk_identity == b"sensor8"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("answer", [(None, b""), RuntimeError("no")])
def test_a_hint_for_which_there_is_no_key(answer):
    server, client, _ = contexts(ours.TLSVersion.TLSv1_2)
    server.set_psk_server_callback(lambda identity: KEY, "which of them?")

    def choose(hint):
        if hint is None:
            return ("sensor7", KEY)
        if isinstance(answer, Exception):
            raise answer
        return answer

    client.set_psk_client_callback(choose)
    pair = Memory(server, client)
    results = pair.run(pair.client.do_handshake, pair.server.do_handshake)
    assert isinstance(results[0], ours.SSLError)
    assert pair.server.version() is None


def test_a_hint_that_is_too_long():
    server = ours.SSLContext(ours.PROTOCOL_TLS_SERVER)
    with pytest.raises(ValueError, match="more than 256 bytes"):
        server.set_psk_server_callback(lambda identity: KEY, "x" * 257)


@pytest.mark.parametrize("version", [ours.TLSVersion.TLSv1_2, ours.TLSVersion.TLSv1_3])
def test_one_has_not(version):
    server, client, _ = contexts(version, key=bytes(32))
    pair = Memory(server, client)
    results = pair.run(pair.client.do_handshake, pair.server.do_handshake)
    assert any(isinstance(result, ours.SSLError) for result in results)


@pytest.mark.parametrize(
    ("identity", "key", "why"),
    [(None, KEY, "without an identity"), ("sensor7", bytes(15), "at least 16 bytes")],
)
def test_a_key_that_will_not_do(identity, key, why):
    _, client, _ = contexts(ours.TLSVersion.TLSv1_3)
    client.set_psk_client_callback(lambda hint: (identity, key))
    with pytest.raises(ValueError, match=why):
        client.wrap_bio(ours.MemoryBIO(), ours.MemoryBIO(), server_hostname="server")
