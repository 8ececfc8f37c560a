"""ML-DSA private keys in the forms of RFC 9881, as OpenSSL and NSS write them.

All are of one seed, 00 01 02 … 1f, which is that of the RFC's examples (appendix C.1).
The values are in ``rfc9881.json``, which says how they were made.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path

__all__ = [
    "BOTH",
    "CERTIFICATE",
    "ENCRYPTED",
    "PASSWORD",
    "PKCS12",
    "SEED",
    "expanded_key",
    "form",
    "pem",
    "tlv",
]

_VALUES = json.loads((Path(__file__).parent / "rfc9881.json").read_text(encoding="utf-8"))

SEED = bytes(range(32))
PASSWORD: bytes = _VALUES["password"].encode()
BOTH: dict[str, bytes] = {name: base64.b64decode(text) for name, text in _VALUES["both"].items()}
"""OneAsymmetricKey in DER with seed and expandedKey, by parameter set."""
CERTIFICATE: bytes = base64.b64decode(_VALUES["certificate"])
"""DER, of the key of ML-DSA-44, valid for a century, for server and client."""
ENCRYPTED: dict[str, bytes] = {
    name: base64.b64decode(text) for name, text in _VALUES["encrypted"].items()
}
"""EncryptedPrivateKeyInfo with the key of ML-DSA-44, by how its key was derived."""
PKCS12: dict[str, bytes] = {
    name: base64.b64decode(text) for name, text in _VALUES["pkcs12"].items()
}
"""The key of ML-DSA-44 and its certificate, by who wrote them."""

_ARC = {"ML-DSA-44": 17, "ML-DSA-65": 18, "ML-DSA-87": 19}


def expanded_key(name: str) -> bytes:
    """The expanded key, as OpenSSL computed it."""
    length = {"ML-DSA-44": 2560, "ML-DSA-65": 4032, "ML-DSA-87": 4896}[name]
    return BOTH[name][-length:]


def form(name: str, choice: bytes) -> bytes:
    """Make a OneAsymmetricKey around an ML-DSA-PrivateKey (RFC 9881 section 6)."""
    oid = bytes.fromhex("6086480165030403") + bytes([_ARC[name]])
    algorithm = tlv(0x30, tlv(0x06, oid))
    return tlv(0x30, b"\x02\x01\x00" + algorithm + tlv(0x04, choice))


def tlv(tag: int, content: bytes) -> bytes:
    """Make an element of DER."""
    if len(content) < 0x80:
        return bytes([tag, len(content)]) + content
    length = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def pem(label: str, der: bytes) -> bytes:
    """Write DER as PEM."""
    text = base64.encodebytes(der).decode()
    return f"-----BEGIN {label}-----\n{text}-----END {label}-----\n".encode()
