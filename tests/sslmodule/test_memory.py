"""What stays in a memory buffer, and what is taken from it, with both modules."""

from __future__ import annotations

import ssl as standard

import pytest

from tests.sslmodule.ends import Memory, client_context, ours, server_context

BOTH_MODULES = pytest.mark.parametrize("module", [standard, ours], ids=["standard", "ours"])
VERSIONS = pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])


@pytest.fixture
def pair(module, version):
    client = client_context(module)
    client.maximum_version = getattr(module.TLSVersion, version)
    pair = Memory(server_context(module), client).handshake()
    pair.exchange()
    return pair


def read_while_something_is_there(end, incoming):
    """Read as uvloop's SSLProtocol does: only for as long as there is anything to read."""
    pieces = []
    while incoming.pending or end.pending():
        try:
            pieces.append(end.read(2**18))
        except standard.SSLWantReadError:
            break
    return pieces


@BOTH_MODULES
@VERSIONS
def test_a_goodbye_that_comes_with_data_is_found(pair):
    pair.client.write(bytes(40_000))
    with pytest.raises(standard.SSLWantReadError):
        pair.client.unwrap()
    pair.move()
    pieces = read_while_something_is_there(pair.server, pair.up)
    assert b"".join(pieces[:-1]) == bytes(40_000)
    assert pieces[-1] == b""


@BOTH_MODULES
@VERSIONS
def test_damage_that_comes_with_data_is_found(pair):
    pair.client.write(b"good")
    pair.move()
    pair.up.write(b"\x17\x03\x03\x00\x20" + bytes(32))
    with pytest.raises(standard.SSLError) as caught:
        read_while_something_is_there(pair.server, pair.up)
    assert not isinstance(caught.value, standard.SSLWantReadError)


@BOTH_MODULES
@VERSIONS
@pytest.mark.parametrize("behind", [b"p", b"plain", b"plain text from now on"])
def test_what_is_behind_the_goodbye_stays(pair, behind):
    with pytest.raises(standard.SSLWantReadError):
        pair.client.unwrap()
    pair.move()
    pair.up.write(behind)
    pair.server.unwrap()
    assert pair.up.read() == behind


@BOTH_MODULES
@VERSIONS
def test_one_read_returns_one_record(pair):
    pair.client.write(b"one")
    pair.client.write(b"two")
    pair.move()
    assert pair.server.read(1) == b"o"
    assert pair.server.pending() == 2
    assert [pair.server.read(99), pair.server.read(99)] == [b"ne", b"two"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "HTTP_REQUEST"),
        (b"220 mail.example.com ESMTP\r\n", "WRONG_VERSION_NUMBER"),
    ],
)
def test_a_stream_that_began_with_text_stays_text(text, reason):
    pair = Memory(server_context(ours), client_context(ours))
    pair.up.write(text)
    for _ in range(3):
        with pytest.raises(standard.SSLError) as caught:
            pair.server.do_handshake()
        assert caught.value.reason == reason
    pair.move()
    assert pair.down.pending == 0
