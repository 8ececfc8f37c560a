"""OpenSSL's words for object identifiers, and for the names that are made of them."""

from __future__ import annotations

import ssl
from functools import lru_cache
from typing import Any

from ..pki.der import tlv

__all__ = ["long_name", "other_name"]

_UTF8_STRING, _IA5_STRING = 0x0C, 0x16
_OTHER_NAMES = {
    "1.3.6.1.4.1.311.20.2.3": ("UPN", _UTF8_STRING),
    "1.3.6.1.5.5.7.8.5": ("XmppAddr", _UTF8_STRING),
    "1.3.6.1.5.5.7.8.7": ("SRVName", _IA5_STRING),
    "1.3.6.1.5.5.7.8.8": ("NAIRealm", _UTF8_STRING),
    "1.3.6.1.5.5.7.8.9": ("SmtpUTF8Mailbox", _UTF8_STRING),
}


@lru_cache(maxsize=256)
def long_name(dotted: str) -> str:
    """Return what OpenSSL calls an object identifier; the numbers, if it does not know it.

    The standard module asks OpenSSL below it, whose list grows from one version to the next.
    """
    lookup: Any = getattr(ssl, "_ASN1Object", None)  # what `ssl.Purpose` is made with
    try:
        return str(lookup(dotted).longname) if lookup is not None else dotted
    except ValueError:
        return dotted


def other_name(dotted: str, value: bytes) -> str:
    """Return what OpenSSL shows of an otherName (RFC 5280 section 4.2.1.6).

    Args:
        dotted: its type-id.
        value: the name itself, DER.
    """
    label, wanted = _OTHER_NAMES.get(dotted, ("", 0))
    try:
        tag, start, end = tlv(value, 0)
        if tag == wanted and end == len(value):
            return f"{label}:{value[start:end].decode()}"
    except ValueError:
        pass
    return "<unsupported>"
