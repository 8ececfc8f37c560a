"""The key exchange with pre-shared keys: bytes and messages (RFC 5489 section 2)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postshake.errors import DecodeError, IllegalParameter, PeerError
from postshake.wire.handshake import decode_handshake12, encode_handshake
from postshake.wire.tls12 import ClientKeyExchangePsk, ServerEcdhParams, ServerKeyExchangePsk
from tests.strategies import opaque
from tests.strategies12 import params

servers = st.builds(ServerKeyExchangePsk, opaque(0, 80), params)
clients = st.builds(ClientKeyExchangePsk, opaque(0, 80), opaque(1, 133))
kinds = pytest.mark.parametrize("kind", [ServerKeyExchangePsk, ClientKeyExchangePsk])


@given(message=servers | clients)
def test_there_and_back(message):
    raw = encode_handshake(message)
    decoded = decode_handshake12(raw[0], raw[4:], psk=True)
    assert decoded == message
    assert type(decoded) is type(message)


@given(message=servers | clients)
def test_no_proper_prefix_decodes_and_nothing_longer(message):
    body = message.encode()
    for wrong in (*(body[:end] for end in range(len(body))), body + b"\0"):
        with pytest.raises(DecodeError):
            type(message).decode(wrong)


@kinds
@given(body=st.binary(max_size=60))
def test_any_bytes_decode_or_fail_properly(kind, body):
    try:
        message = kind.decode(body)
    except PeerError:
        return
    assert message.encode() == body


def test_byte_by_byte():
    server = ServerKeyExchangePsk(b"hint", ServerEcdhParams(29, b"\xaa\xbb"))
    assert server.encode().hex() == "000468696e74" + "03001d02aabb"
    client = ClientKeyExchangePsk(b"me", b"\xcc")
    assert client.encode().hex() == "00026d65" + "01cc"


def test_other_curves():
    with pytest.raises(IllegalParameter, match="named_curve"):
        ServerKeyExchangePsk.decode(bytes.fromhex("0000" + "01001d02aabb"))
