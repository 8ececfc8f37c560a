"""What holds for every handshake message."""

from __future__ import annotations

import re
from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postshake.constants import HandshakeType
from postshake.errors import DecodeError, IllegalParameter, UnexpectedMessage
from postshake.wire.extensions import NO_EXTENSIONS
from postshake.wire.handshake import decode_handshake, encode_handshake
from postshake.wire.hello import ClientHello, ServerHello
from tests.strategies import MESSAGES

KNOWN = {
    HandshakeType.client_hello,
    HandshakeType.server_hello,
    HandshakeType.new_session_ticket,
    HandshakeType.end_of_early_data,
    HandshakeType.encrypted_extensions,
    HandshakeType.certificate,
    HandshakeType.certificate_request,
    HandshakeType.certificate_verify,
    HandshakeType.finished,
    HandshakeType.key_update,
    HandshakeType.compressed_certificate,
}

# A Finished is whatever is there: the flow, which knows the hash, checks its
# length. An EndOfEarlyData is empty and has no proper prefix.
OPEN_ENDED = {"Finished", "EndOfEarlyData"}


@pytest.mark.parametrize("name", MESSAGES)
@given(data=st.data())
def test_round_trip(name: str, data: st.DataObject) -> None:
    message = data.draw(MESSAGES[name])
    encoded = encode_handshake(message)
    assert encoded[0] == message.handshake_type
    assert int.from_bytes(encoded[1:4], "big") == len(encoded) - 4
    again = decode_handshake(encoded[0], encoded[4:])
    assert type(again) is type(message)
    assert again == message
    assert hash(again) == hash(message)


@pytest.mark.parametrize("name", sorted(MESSAGES.keys() - OPEN_ENDED))
@given(data=st.data())
@settings(max_examples=40)
def test_no_proper_prefix_decodes(name: str, data: st.DataObject) -> None:
    """But that hellos from before there were extensions end where those begin."""
    message = data.draw(MESSAGES[name])
    body = message.encode()
    old = None
    if isinstance(message, ClientHello | ServerHello):
        old = len(body) - len(message.extensions.encode())
    for length in range(len(body)):
        if length == old:
            assert decode_handshake(message.handshake_type, body[:length]) == replace(
                message, extensions=NO_EXTENSIONS
            )
            continue
        with pytest.raises(DecodeError):
            decode_handshake(message.handshake_type, body[:length])


@pytest.mark.parametrize("name", sorted(MESSAGES.keys() - {"Finished"}))
@given(data=st.data())
@settings(max_examples=40)
def test_nothing_may_follow(name: str, data: st.DataObject) -> None:
    message = data.draw(MESSAGES[name])
    more = data.draw(st.binary(min_size=1, max_size=3))
    with pytest.raises(DecodeError):
        decode_handshake(message.handshake_type, message.encode() + more)


@given(st.integers(0, 255), st.binary(max_size=80))
def test_arbitrary_bytes(handshake_type: int, body: bytes) -> None:
    check_verdict(handshake_type, body)


@pytest.mark.parametrize("name", MESSAGES)
@given(data=st.data())
def test_damaged_messages(name: str, data: st.DataObject) -> None:
    """Change, drop or insert a few bytes anywhere."""
    message = data.draw(MESSAGES[name])
    body = bytearray(message.encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(body)))
        drop = data.draw(st.integers(0, 2))
        body[at : at + drop] = data.draw(st.binary(max_size=2))
    check_verdict(message.handshake_type, bytes(body))


def check_verdict(handshake_type: int, body: bytes) -> None:
    """Check that bytes are refused as documented, or are exactly what they decode to."""
    try:
        message = decode_handshake(handshake_type, body)
    except UnexpectedMessage:
        assert handshake_type not in KNOWN
    except (DecodeError, IllegalParameter) as error:
        text = str(error)
        assert handshake_type in KNOWN, text
        assert re.fullmatch(r".+: expected .+ got .+", text, re.DOTALL)
    else:
        ends_early = isinstance(message, ClientHello | ServerHello) and not message.extensions.items
        assert message.encode() in ((body, body + b"\0\0") if ends_early else (body,))


@pytest.mark.parametrize("handshake_type", range(256))
def test_types(handshake_type: int) -> None:
    if handshake_type in KNOWN:
        with_no_body = {HandshakeType.finished, HandshakeType.end_of_early_data}
        if handshake_type in with_no_body:
            assert decode_handshake(handshake_type, b"").handshake_type == handshake_type
        else:
            with pytest.raises(DecodeError):
                decode_handshake(handshake_type, b"")
    else:
        with pytest.raises(UnexpectedMessage):
            decode_handshake(handshake_type, b"")


@pytest.mark.parametrize(("handshake_type", "name"), [(14, "server_hello_done"), (67, "0x0043")])
def test_unknown_type_text(handshake_type: int, name: str) -> None:
    with pytest.raises(UnexpectedMessage) as caught:
        decode_handshake(handshake_type, b"abc")
    assert str(caught.value) == (
        f"expected a handshake message of TLS 1.3, got {name} with 3 bytes (§4)"
    )


@pytest.mark.parametrize("name", MESSAGES)
@given(data=st.data())
@settings(max_examples=2)
def test_messages_are_frozen(name: str, data: st.DataObject) -> None:
    message = data.draw(MESSAGES[name])
    for field in fields(message):
        with pytest.raises(AttributeError):
            setattr(message, field.name, None)
    assert not hasattr(message, "__dict__")
