"""The key schedule of TLS 1.3, one method per named secret (§7.1).

::

             0
             |
    PSK ->  HKDF-Extract = Early Secret
             |  binder_key, client_early_traffic_secret, early_exporter_master_secret
             v
    (EC)DHE -> HKDF-Extract = Handshake Secret
             |  client_handshake_traffic_secret, server_handshake_traffic_secret
             v
    0 ->    HKDF-Extract = Master Secret
                client_application_traffic_secret_0, server_application_traffic_secret_0,
                exporter_master_secret, resumption_master_secret

Each stage is a type of its own, and only the stage before makes it: a secret
cannot be asked of a schedule that has not come so far. The digest that a method
takes is the transcript hash through the message its docstring names.

A stage keeps one secret, which its ``repr`` does not show. Python cannot wipe
it; drop the stage when the next one is made.
"""

from __future__ import annotations

import hashlib
import hmac
from functools import cache
from typing import Final

from .hkdf import HASH_LENGTHS, derive_secret, expand_label, extract, first_block
from .suites import IV_LENGTH, Suite

__all__ = [
    "EarlySecret",
    "HandshakeSecret",
    "MasterSecret",
    "exporter",
    "finished_mac",
    "next_traffic_secret",
    "resumption_psk",
    "traffic_keys",
]

_ZEROS: Final = {name: bytes(length) for name, length in HASH_LENGTHS.items()}
"""The 0 that stands for a missing input: a hash's length of zero octets."""

_NOTHING_HASHED: Final = {name: hashlib.new(name, b"").digest() for name in HASH_LENGTHS}
"""Transcript-Hash of no message at all, the context of some labels."""


_KEY_BLOCKS: Final = {size: first_block(b"key", size) for size in (16, 32)}
_IV_BLOCK: Final = first_block(b"iv", IV_LENGTH)


class _Stage:
    """A secret of the schedule, and what to derive from it."""

    __slots__ = ("_secret", "hash_name")

    def __init__(self, hash_name: str, salt: bytes, ikm: bytes | None) -> None:
        self.hash_name = hash_name
        """The hash that this schedule runs on."""
        self._secret = extract(hash_name, salt, _ZEROS[hash_name] if ikm is None else ikm)

    def _derive(self, label: bytes, digest: bytes) -> bytes:
        return derive_secret(self.hash_name, self._secret, label, digest)

    def _salt(self) -> bytes:
        """The ``derived`` secret, with which the next stage is salted."""
        return self._derive(b"derived", _NOTHING_HASHED[self.hash_name])

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.hash_name}>"


class EarlySecret(_Stage):
    """The first stage, from a PSK or from nothing (§7.1).

    Args:
        hash_name: the hash of the suite, or of the PSK.
        psk: the pre-shared key; None when there is none.
    """

    __slots__ = ()

    def __init__(self, hash_name: str, psk: bytes | None = None) -> None:
        super().__init__(hash_name, b"", psk)

    def binder_key(self, *, external: bool, imported: bool = False) -> bytes:
        """Derive what proves that we hold the PSK (§4.2.11.2, RFC 9258 section 4.2).

        Args:
            external: whether it is an external one, and not a resumed session's.
            imported: whether it is an external one that was imported.
        """
        label = b"ext binder" if external else b"res binder"
        if imported:
            label = b"imp binder"
        return self._derive(label, _NOTHING_HASHED[self.hash_name])

    def client_early_traffic_secret(self, digest: bytes) -> bytes:
        """Derive the secret of 0-RTT data; through ClientHello (§7.1)."""
        return self._derive(b"c e traffic", digest)

    def early_exporter_master_secret(self, digest: bytes) -> bytes:
        """Derive what early exporters start from; through ClientHello (§7.5)."""
        return self._derive(b"e exp master", digest)

    def with_shared_secret(self, shared_secret: bytes | None) -> HandshakeSecret:
        """Go on with the key exchange's result; None after a PSK alone (§7.1)."""
        return HandshakeSecret(self.hash_name, self._salt(), shared_secret)


@cache
def _salt_without_psk(hash_name: str) -> bytes:
    """Derive what is the same in every handshake without a PSK, and no secret."""
    return EarlySecret(hash_name)._salt()


class HandshakeSecret(_Stage):
    """The second stage, from the key exchange (§7.1)."""

    __slots__ = ()

    @classmethod
    def without_psk(cls, hash_name: str, shared_secret: bytes) -> HandshakeSecret:
        """Begin where there is no PSK: the first stage is then a constant (§7.1)."""
        return cls(hash_name, _salt_without_psk(hash_name), shared_secret)

    def client_handshake_traffic_secret(self, digest: bytes) -> bytes:
        """Derive the client's secret of the handshake; through ServerHello (§7.1)."""
        return self._derive(b"c hs traffic", digest)

    def server_handshake_traffic_secret(self, digest: bytes) -> bytes:
        """Derive the server's secret of the handshake; through ServerHello (§7.1)."""
        return self._derive(b"s hs traffic", digest)

    def master(self) -> MasterSecret:
        """Go on to the last stage (§7.1)."""
        return MasterSecret(self.hash_name, self._salt(), None)


class MasterSecret(_Stage):
    """The last stage: what the connection lives on (§7.1)."""

    __slots__ = ()

    def client_application_traffic_secret_0(self, digest: bytes) -> bytes:
        """Derive the client's first secret of data; through the server's Finished (§7.1)."""
        return self._derive(b"c ap traffic", digest)

    def server_application_traffic_secret_0(self, digest: bytes) -> bytes:
        """Derive the server's first secret of data; through the server's Finished (§7.1)."""
        return self._derive(b"s ap traffic", digest)

    def exporter_master_secret(self, digest: bytes) -> bytes:
        """Derive what exporters start from; through the server's Finished (§7.5)."""
        return self._derive(b"exp master", digest)

    def resumption_master_secret(self, digest: bytes) -> bytes:
        """Derive what tickets resume from; through the client's Finished (§7.1)."""
        return self._derive(b"res master", digest)


def traffic_keys(suite: Suite, secret: bytes) -> tuple[bytes, bytes]:
    """Derive the key and the IV of one direction from its traffic secret (§7.3).

    Both are shorter than any hash, so one HMAC each gives them (RFC 5869 section 2.3).
    """
    size, name = suite.key_length, suite.hash_name
    key = hmac.digest(secret, _KEY_BLOCKS[size], name)
    return key[:size], hmac.digest(secret, _IV_BLOCK, name)[:IV_LENGTH]


def next_traffic_secret(hash_name: str, secret: bytes) -> bytes:
    """Derive the traffic secret that follows a key update (§7.2)."""
    return expand_label(hash_name, secret, b"traffic upd", b"", HASH_LENGTHS[hash_name])


def finished_mac(hash_name: str, base_key: bytes, digest: bytes) -> bytes:
    """Compute the verify_data of a Finished, or a PSK binder (§4.4.4, §4.2.11.2).

    Args:
        hash_name: the suite's hash.
        base_key: the traffic secret, now, of the direction the Finished travels;
            for a binder, the binder key.
        digest: the transcript hash of all before it. Compare the result with
            ``hmac.compare_digest``.
    """
    finished_key = expand_label(hash_name, base_key, b"finished", b"", HASH_LENGTHS[hash_name])
    return hmac.digest(finished_key, digest, hash_name)


def resumption_psk(hash_name: str, resumption_master_secret: bytes, ticket_nonce: bytes) -> bytes:
    """Derive the PSK that belongs to one ticket (§4.6.1)."""
    return expand_label(
        hash_name, resumption_master_secret, b"resumption", ticket_nonce, HASH_LENGTHS[hash_name]
    )


def exporter(
    hash_name: str, exporter_master_secret: bytes, label: bytes, context: bytes, length: int
) -> bytes:
    """Derive keying material for an application (§7.5).

    Takes the early_exporter_master_secret as well. No context and an empty one
    give the same result.

    Raises:
        UsageError: the label is empty or too long, or the length too great.
    """
    secret = derive_secret(hash_name, exporter_master_secret, label, _NOTHING_HASHED[hash_name])
    context_hash = hashlib.new(hash_name, context).digest()
    return expand_label(hash_name, secret, b"exporter", context_hash, length)
