"""PEM that is encrypted in the old way (RFC 1421 section 4.6.1.3), as OpenSSL does it.

``cryptography`` decrypts nearly all that OpenSSL writes so; this is for Camellia. The key is made
of the password by MD5, once over, which is why nobody should write it any more.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.padding import PKCS7

from .pbes2 import UnknownScheme, camellia
from .pem import PemBlock

__all__ = ["decrypt_pem"]

_CAMELLIA: Final = re.compile(rb"CAMELLIA-(128|192|256)-CBC")
_BLOCK: Final = 16
_SALT: Final = 8


def decrypt_pem(block: PemBlock, password: bytes) -> bytes:
    """Decrypt a block with the headers Proc-Type and DEK-Info.

    Raises:
        UnknownScheme: it is not encrypted with Camellia.
        ValueError: it is damaged, or the password is wrong.
    """
    name, _, vector_text = block.headers.get(b"DEK-Info", b"").partition(b",")
    known = _CAMELLIA.fullmatch(name)
    if known is None:
        shown = name[:40].decode("ascii", "backslashreplace")
        raise UnknownScheme(f"expected AES, DES or Camellia, got {shown}")
    vector = bytes.fromhex(vector_text.decode("ascii", "replace"))
    if len(vector) != _BLOCK:
        raise ValueError(f"expected {_BLOCK} octets in DEK-Info, got {len(vector)}")
    key = _derive(password, vector[:_SALT], int(known[1]) // 8)
    try:
        opened = Cipher(camellia(key), modes.CBC(vector)).decryptor()
        padded = opened.update(block.content) + opened.finalize()
    except UnsupportedAlgorithm as error:
        raise UnknownScheme(str(error)) from error
    unpadder = PKCS7(8 * _BLOCK).unpadder()
    return unpadder.update(padded) + unpadder.finalize()


def _derive(password: bytes, salt: bytes, length: int) -> bytes:
    """Make a key as OpenSSL's EVP_BytesToKey() does."""
    key = last = b""
    while len(key) < length:
        last = hashlib.md5(last + password + salt, usedforsecurity=False).digest()
        key += last
    return key[:length]
