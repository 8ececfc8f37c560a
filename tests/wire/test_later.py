"""Tickets, key updates and the end of early data, byte by byte."""

from __future__ import annotations

import pytest

from postshake.constants import KeyUpdateRequest
from postshake.errors import DecodeError, IllegalParameter
from postshake.wire.extensions import EarlyDataTicket, Extensions
from postshake.wire.hello import EndOfEarlyData
from postshake.wire.post_handshake import KeyUpdate, NewSessionTicket


def test_new_session_ticket() -> None:
    ticket = NewSessionTicket(
        7200, 0xDEADBEEF, b"\0\1", b"ticket", Extensions((EarlyDataTicket(16384),))
    )
    body = bytes.fromhex("00001c20 deadbeef 02 0001 0006 7469636b6574 0008 002a 0004 00004000")
    assert ticket.encode() == body
    assert NewSessionTicket.decode(body) == ticket


def test_new_session_ticket_must_hold_one() -> None:
    with pytest.raises(DecodeError, match=r"NewSessionTicket: .* at least 1 bytes"):
        NewSessionTicket.decode(bytes.fromhex("00000000 00000000 00 0000 0000"))


@pytest.mark.parametrize("request_update", KeyUpdateRequest)
def test_key_update(request_update: KeyUpdateRequest) -> None:
    message = KeyUpdate.decode(bytes([request_update]))
    assert message.request_update is request_update
    assert message.encode() == bytes([request_update])


@pytest.mark.parametrize("value", range(2, 256))
def test_key_update_of_another_value(value: int) -> None:
    with pytest.raises(IllegalParameter) as caught:
        KeyUpdate.decode(bytes([value]))
    assert str(caught.value) == f"KeyUpdate: expected request_update 0 or 1, got {value} (§4.6.3)"


@pytest.mark.parametrize("body", [b"", b"\0\0", b"\7\0"])
def test_key_update_of_another_length(body: bytes) -> None:
    """Its length is judged before its value."""
    with pytest.raises(DecodeError, match="KeyUpdate: expected"):
        KeyUpdate.decode(body)


def test_end_of_early_data() -> None:
    assert EndOfEarlyData.decode(b"") == EndOfEarlyData()
    assert EndOfEarlyData().encode() == b""
    with pytest.raises(DecodeError, match="EndOfEarlyData: expected its end"):
        EndOfEarlyData.decode(b"\0")
