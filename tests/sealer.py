"""A sealer of tickets, as small as one can be."""

from __future__ import annotations

from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["Sealer"]


class Sealer:
    """Seals with AES-GCM under one key."""

    def __init__(self, key: bytes = bytes(32)) -> None:
        self._aead = AESGCM(key)

    def seal(self, plaintext: bytes, now: float, random: Callable[[int], bytes]) -> bytes:
        """Nonce and ciphertext."""
        nonce = random(12)
        return nonce + self._aead.encrypt(nonce, plaintext, None)

    def open(self, ticket: bytes, now: float) -> bytes | None:
        """What `seal` was given, or None."""
        try:
            return self._aead.decrypt(ticket[:12], ticket[12:], None)
        except (InvalidTag, ValueError):
            return None
