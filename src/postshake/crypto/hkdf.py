"""HKDF as TLS 1.3 uses it: Extract, Expand-Label, Derive-Secret (§7.1, RFC 5869).

A handshake derives some thirty values and a reauth two, so each call is little
more than one HMAC: ``hmac.digest`` costs less than a ``cryptography`` context,
and the bytes of ``HkdfLabel`` before the context, of which a program uses a
handful, are kept.
"""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache
from typing import Final

from ..errors import UsageError

__all__ = ["HASH_LENGTHS", "derive_secret", "expand_label", "extract", "first_block"]

HASH_LENGTHS: Final = {
    name: hashlib.new(name).digest_size for name in ("sha256", "sha384", "sha512")
}
"""Octets that each hash gives, by its name in ``hashlib``."""


def extract(hash_name: str, salt: bytes, ikm: bytes) -> bytes:
    """Concentrate keying material into one secret (RFC 5869 section 2.2)."""
    return hmac.digest(salt, ikm, hash_name)


def expand_label(hash_name: str, secret: bytes, label: bytes, context: bytes, length: int) -> bytes:
    """Derive ``length`` octets for one purpose from a secret (§7.1).

    Args:
        hash_name: a key of ``HASH_LENGTHS``.
        secret: what to derive from.
        label: the purpose, without its ``"tls13 "``.
        context: what else the result depends on, mostly a transcript hash.
        length: how many octets to give.

    Raises:
        UsageError: label, context or length do not fit into an HkdfLabel.
    """
    info = _info(label, len(context), length) + context
    size = HASH_LENGTHS[hash_name]
    if length == size:
        return hmac.digest(secret, info + b"\x01", hash_name)
    if length < size:
        return hmac.digest(secret, info + b"\x01", hash_name)[:length]
    return _expand(hash_name, secret, info, length)


def derive_secret(hash_name: str, secret: bytes, label: bytes, transcript_hash: bytes) -> bytes:
    """Derive a secret for one purpose at one point of the handshake (§7.1)."""
    info = _info(label, len(transcript_hash), HASH_LENGTHS[hash_name])
    return hmac.digest(secret, b"%b%b\x01" % (info, transcript_hash), hash_name)


def first_block(label: bytes, length: int) -> bytes:
    """Return what HKDF-Expand-Label without context hashes for its first block (§7.1)."""
    return _info(label, 0, length) + b"\x01"


@lru_cache(maxsize=256)
def _info(label: bytes, context_length: int, length: int) -> bytes:
    """Write an HkdfLabel as far as its context (§7.1)."""
    if not 1 <= len(label) <= 249:
        raise UsageError(f"an HKDF label has 1 to 249 octets, not {len(label)}")
    if context_length > 255:
        raise UsageError(f"an HKDF context has at most 255 octets, not {context_length}")
    if not 0 <= length <= 0xFFFF:
        raise UsageError(f"HKDF gives at most 65535 octets, not {length}")
    label = b"tls13 " + label
    return b"%b%c%b%c" % (length.to_bytes(2, "big"), len(label), label, context_length)


def _expand(hash_name: str, secret: bytes, info: bytes, length: int) -> bytes:
    """Expand a secret to more than one block (RFC 5869 section 2.3)."""
    if length > 255 * HASH_LENGTHS[hash_name]:
        raise UsageError(
            f"HKDF with {hash_name} gives at most {255 * HASH_LENGTHS[hash_name]} octets,"
            f" not {length}"
        )
    blocks = [b""]
    for counter in range(1, -(-length // HASH_LENGTHS[hash_name]) + 1):
        blocks.append(hmac.digest(secret, b"%b%b%c" % (blocks[-1], info, counter), hash_name))
    return b"".join(blocks)[:length]
