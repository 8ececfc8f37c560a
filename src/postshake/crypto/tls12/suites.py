"""The cipher suites of TLS 1.2 that we speak: ECDHE and an AEAD, nothing older.

RFC 5289 has those with AES-GCM, RFC 7905 those with ChaCha20-Poly1305, RFC 8442 those with
AES-GCM and pre-shared keys. Unlike in TLS 1.3 a suite also says what vouches for the server's
key exchange.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from ..._dataclass import dataclass
from ...constants import CipherSuite
from ..suites import IV_LENGTH, Suite

__all__ = ["TLS12_SUITES", "Authentication", "Suite12"]


class Authentication(Enum):
    """What vouches for the key exchange (RFC 8422 section 2, RFC 5489)."""

    ECDSA = "ecdsa"
    """EdDSA as well."""
    RSA = "rsa"
    PSK = "psk"
    """Nothing is signed: both ends have a key already."""


@dataclass(frozen=True, slots=True)
class Suite12(Suite):
    """A cipher suite of TLS 1.2; its hash is that of the PRF (RFC 5246 section 5)."""

    authentication: Authentication
    """Whose keys may sign with it, if any."""

    fixed_iv_length: int
    """Octets of the nonce that the key block gives (RFC 5246 section 6.2.3.3)."""

    @property
    def explicit_nonce_length(self) -> int:
        """Octets of the nonce that travel in each record; 0 for ChaCha20-Poly1305."""
        return IV_LENGTH - self.fixed_iv_length

    __str__ = Suite.__str__


_NEVER = 2**64 - 1
"""TLS 1.2 cannot change keys without the renegotiation that we refuse."""


def _suite(code: CipherSuite) -> Suite12:
    """Read a suite's row off its name, which says all of it."""
    name = code.name
    chacha = "CHACHA20" in name
    key_length = 16 if "AES_128" in name else 32
    hash_name, hash_length = ("sha384", 48) if name.endswith("SHA384") else ("sha256", 32)
    return Suite12(
        code,
        ChaCha20Poly1305 if chacha else AESGCM,
        key_length,
        hash_name,
        hash_length,
        _NEVER,
        next(each for each in Authentication if f"_{each.name}_" in name),
        12 if chacha else 4,  # RFC 7905 section 2, RFC 5288 section 3
    )


TLS12_SUITES: Final[dict[int, Suite12]] = {
    code: _suite(code)
    for code in (
        CipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        CipherSuite.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        CipherSuite.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        CipherSuite.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        CipherSuite.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        CipherSuite.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        CipherSuite.TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256,
        CipherSuite.TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384,
        CipherSuite.TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256,
    )
}
"""Every suite by its number, the preferred one first."""
