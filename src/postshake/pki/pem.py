"""PEM: blocks of base64 with a label, among other text (RFC 7468).

``cryptography`` reads most of it. This is for what it does not: blocks of all kinds in one file,
certificates with OpenSSL's trust behind them, keys under the label of another form. Lines are
taken as OpenSSL takes them: a boundary begins its line, and may have blanks behind it. The time
is linear in the size of the file, whatever is in it.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final, NamedTuple

__all__ = ["PemBlock", "pem_blocks"]

_BOUNDARY: Final = re.compile(
    rb"^-----(BEGIN|END) ([A-Z0-9 ]+)-----[\x00-\x09\x0b-\x20]*$", re.MULTILINE
)


class PemBlock(NamedTuple):
    """What stands between two boundaries of the same label."""

    label: bytes
    """As in ``-----BEGIN label-----``."""
    headers: dict[bytes, bytes]
    """Of the old form (RFC 1421), as Proc-Type and DEK-Info of encrypted keys."""
    content: bytes
    """What was encoded; nothing, if that cannot be read."""


def pem_blocks(data: bytes) -> list[PemBlock]:
    """Read all blocks of a text; what is not ended, or by another label, is none."""
    found = []
    label, start = b"", -1
    for boundary in _BOUNDARY.finditer(data):
        if boundary[1] == b"BEGIN":
            label, start = boundary[2], boundary.end()
        elif start >= 0 and boundary[2] == label:
            found.append(_block(label, data[start : boundary.start()]))
            start = -1
        else:
            start = -1
    return found


def _block(label: bytes, text: bytes) -> PemBlock:
    headers: dict[bytes, bytes] = {}
    lines = []
    for line in text.splitlines():
        name, colon, value = line.partition(b":")
        if colon:
            headers[name.strip()] = value.strip()
        else:
            lines += line.split()
    try:
        return PemBlock(label, headers, base64.b64decode(b"".join(lines), validate=True))
    except binascii.Error:
        return PemBlock(label, headers, b"")
