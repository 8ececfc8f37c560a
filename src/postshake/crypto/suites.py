"""The cipher suites of TLS 1.3: one row each (§B.4)."""

from __future__ import annotations

from typing import Final, TypeAlias

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from .._dataclass import dataclass
from ..constants import CipherSuite

__all__ = ["IV_LENGTH", "TAG_LENGTH", "TLS13_SUITES", "Aead", "Suite"]

Aead: TypeAlias = AESGCM | ChaCha20Poly1305
"""A cipher with its key, ready to seal and open."""

IV_LENGTH: Final = 12
"""Octets of nonce; every AEAD of TLS 1.3 takes as many (§5.3)."""

TAG_LENGTH: Final = 16
"""Octets that sealing adds; every AEAD here adds as many (RFC 5116)."""


@dataclass(frozen=True, slots=True)
class Suite:
    """A cipher suite: how to seal records, and what to hash with (§B.4)."""

    code: CipherSuite
    """Its number on the wire."""

    aead: type[AESGCM] | type[ChaCha20Poly1305]
    """The AEAD's class: ``suite.aead(key)`` seals and opens."""

    key_length: int
    """Octets of the AEAD's key."""

    hash_name: str
    """The hash of HKDF and of the transcript, as ``hashlib`` names it."""

    hash_length: int
    """Octets of that hash, and so of every secret."""

    records_per_key: int
    """Full-sized records that one key may seal (§5.5)."""

    def __str__(self) -> str:
        return self.code.name


_AES_RECORDS = 23_726_566
"""2**24.5 records keep an attacker's advantage over AES-GCM near 2**-57 (§5.5)."""

_CHACHA_RECORDS = 2**64 - 1
"""The sequence number ends before ChaCha20-Poly1305 gets weak (§5.5)."""

TLS13_SUITES: Final[dict[int, Suite]] = {
    suite.code: suite
    for suite in (
        Suite(CipherSuite.TLS_AES_128_GCM_SHA256, AESGCM, 16, "sha256", 32, _AES_RECORDS),
        Suite(CipherSuite.TLS_AES_256_GCM_SHA384, AESGCM, 32, "sha384", 48, _AES_RECORDS),
        Suite(
            CipherSuite.TLS_CHACHA20_POLY1305_SHA256,
            ChaCha20Poly1305,
            32,
            "sha256",
            32,
            _CHACHA_RECORDS,
        ),
    )
}
"""Every suite by its number, the preferred one first."""
