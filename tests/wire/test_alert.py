"""Alerts: two bytes, no more and no less."""

from __future__ import annotations

import pytest
from hypothesis import given

from postshake.constants import AlertDescription, AlertLevel
from postshake.errors import DecodeError
from postshake.wire.alert import Alert
from tests.strategies import alerts


@given(alerts())
def test_round_trip(alert: Alert) -> None:
    assert Alert.decode(alert.encode()) == alert


def test_bytes() -> None:
    alert = Alert(AlertLevel.fatal, AlertDescription.certificate_required)
    assert alert.encode().hex() == "0274"
    assert Alert.decode(b"\x02\x74") == alert


@pytest.mark.parametrize("data", [b"", b"\x02", b"\x02\x74\x00", b"\x01\x00\x01\x00"])
def test_wrong_length(data: bytes) -> None:
    with pytest.raises(DecodeError, match="alert: expected"):
        Alert.decode(data)
