"""How the tests of single extensions state their cases."""

from __future__ import annotations

import pytest

from postshake.errors import PeerError
from postshake.wire.codec import Reader
from postshake.wire.extensions import KnownExtension


def check_body(extension: KnownExtension, body: str) -> None:
    """Check that an extension is these bytes, and these bytes are that extension."""
    raw = bytes.fromhex(body)
    assert extension.encode() == raw
    assert _decode(type(extension), raw) == extension


def check_refused(
    extension: type[KnownExtension], body: str, error: type[PeerError], text: str
) -> None:
    """Check that a body is refused with exactly this error, which says this."""
    with pytest.raises(error, match=text) as caught:
        _decode(extension, bytes.fromhex(body))
    assert type(caught.value) is error


def _decode(extension: type[KnownExtension], body: bytes) -> KnownExtension:
    reader = Reader(body, "it")
    decoded = extension.decode(reader)
    reader.finish()
    return decoded
