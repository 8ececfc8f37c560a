"""The PRF of TLS 1.2, and one function for each thing derived with it (RFC 5246 section 5).

::

    P_hash(secret, seed) = HMAC(secret, A(1) + seed) + HMAC(secret, A(2) + seed) + …
    A(0) = seed, A(i) = HMAC(secret, A(i-1))
    PRF(secret, label, seed) = P_hash(secret, label + seed)

The hash is the cipher suite's: SHA-256, or SHA-384 for suites that say so.
"""

from __future__ import annotations

import hmac
from typing import Final

from ..._dataclass import dataclass, field
from ...constants import Role
from .suites import Suite12

__all__ = [
    "MASTER_SECRET_LENGTH",
    "VERIFY_DATA_LENGTH",
    "KeyBlock",
    "derive_key_block",
    "exporter12",
    "extended_master_secret",
    "finished_mac12",
    "master_secret",
    "prf",
    "psk_pre_master_secret",
]

MASTER_SECRET_LENGTH: Final = 48
"""RFC 5246 section 8.1."""

VERIFY_DATA_LENGTH: Final = 12
"""Octets of a Finished, for every suite here (RFC 5246 section 7.4.9)."""

_FINISHED_LABELS: Final = {Role.client: b"client finished", Role.server: b"server finished"}


def prf(hash_name: str, secret: bytes, label: bytes, seed: bytes, length: int) -> bytes:
    """Expand a secret to ``length`` octets for one purpose (RFC 5246 section 5)."""
    seed = label + seed
    a = seed
    output = b""
    while len(output) < length:
        a = hmac.digest(secret, a, hash_name)
        output += hmac.digest(secret, a + seed, hash_name)
    return output[:length]


def master_secret(
    hash_name: str, pre_master_secret: bytes, client_random: bytes, server_random: bytes
) -> bytes:
    """Derive the master secret from the key exchange (RFC 5246 section 8.1).

    It does not cover the handshake: two connections through a man in the middle may
    have the same one. Use ``extended_master_secret`` where the peer can.
    """
    seed = client_random + server_random
    return prf(hash_name, pre_master_secret, b"master secret", seed, MASTER_SECRET_LENGTH)


def extended_master_secret(hash_name: str, pre_master_secret: bytes, session_hash: bytes) -> bytes:
    """Derive the master secret that belongs to one handshake alone (RFC 7627 section 4).

    Args:
        hash_name: the suite's hash.
        pre_master_secret: what the key exchange gave.
        session_hash: the transcript's digest, through ClientKeyExchange.
    """
    label = b"extended master secret"
    return prf(hash_name, pre_master_secret, label, session_hash, MASTER_SECRET_LENGTH)


def psk_pre_master_secret(shared: bytes, psk: bytes) -> bytes:
    """Join what the key exchange gave and a pre-shared key (RFC 5489 section 2)."""
    return b"".join(part for each in (shared, psk) for part in (len(each).to_bytes(2, "big"), each))


@dataclass(frozen=True, slots=True)
class KeyBlock:
    """Keys and fixed parts of the nonces, of both directions (RFC 5246 section 6.3)."""

    client_write_key: bytes = field(repr=False)
    server_write_key: bytes = field(repr=False)
    client_write_iv: bytes = field(repr=False)
    server_write_iv: bytes = field(repr=False)

    def write_keys(self, role: Role) -> tuple[bytes, bytes]:
        """Return key and IV of what this end sends."""
        if role is Role.client:
            return self.client_write_key, self.client_write_iv
        return self.server_write_key, self.server_write_iv


def derive_key_block(
    suite: Suite12, master: bytes, client_random: bytes, server_random: bytes
) -> KeyBlock:
    """Derive the keys of a connection; an AEAD has no MAC keys (RFC 5246 section 6.3).

    ::

        client_write_key[SecurityParameters.enc_key_length]
        server_write_key[SecurityParameters.enc_key_length]
        client_write_IV[SecurityParameters.fixed_iv_length]
        server_write_IV[SecurityParameters.fixed_iv_length]
    """
    key, iv = suite.key_length, suite.fixed_iv_length
    seed = server_random + client_random  # the other way round than for the master secret
    block = prf(suite.hash_name, master, b"key expansion", seed, 2 * (key + iv))
    ivs = block[2 * key :]
    return KeyBlock(block[:key], block[key : 2 * key], ivs[:iv], ivs[iv:])


def finished_mac12(hash_name: str, master: bytes, role: Role, digest: bytes) -> bytes:
    """Compute the verify_data of a Finished (RFC 5246 section 7.4.9).

    Args:
        hash_name: the suite's hash.
        master: the master secret.
        role: whose Finished it is.
        digest: the transcript's, of all handshake messages before it. Compare the result
            with ``hmac.compare_digest``.
    """
    return prf(hash_name, master, _FINISHED_LABELS[role], digest, VERIFY_DATA_LENGTH)


def exporter12(
    hash_name: str, master: bytes, label: bytes, randoms: bytes, context: bytes | None, length: int
) -> bytes:
    """Derive keying material for an application (RFC 5705 section 4).

    Args:
        hash_name: the suite's hash.
        master: the master secret, an extended one: another binds to nothing (RFC 7627).
        label: what the material is for.
        randoms: client_random and server_random, joined.
        context: what it is bound to; None is not the same as empty here.
        length: how many octets.
    """
    seed = randoms
    if context is not None:
        seed += len(context).to_bytes(2, "big") + context
    return prf(hash_name, master, label, seed, length)
