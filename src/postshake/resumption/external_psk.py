"""External pre-shared keys, and their import (§2.2, RFC 9258).

An *external* PSK comes from outside of TLS: both ends were configured with it. A
*resumption* PSK comes from an earlier connection and travels as a ticket; tickets
have a module of their own.

Both ends must hold an external PSK that is secret and, being used without any
stretching, has the strength of a key: no password (RFC 9257). Give each pair of
ends, and each direction of calling between them, a key of its own: who shares one
in a group cannot be told from another of the group.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable
from enum import Enum
from typing import Protocol

from .._dataclass import dataclass, field
from ..constants import ProtocolVersion
from ..crypto.hkdf import HASH_LENGTHS, expand_label, extract
from ..errors import DecodeError, UsageError
from ..wire.codec import Reader, u16, vec16

__all__ = ["ExternalPsk", "ImportedIdentity", "PskKind", "PskLookup", "import_psk"]

MIN_KEY_LENGTH = 16  # RFC 9257 section 6: at least 128 bits of entropy
PSK_HASHES = ("sha256", "sha384")  # those of the cipher suites (§4.2.11)


class PskKind(Enum):
    """Where the pre-shared key of a connection comes from."""

    EXTERNAL = "external"
    """Both ends were configured with it."""
    RESUMPTION = "resumption"
    """From an earlier connection, by a ticket."""


@dataclass(frozen=True, slots=True)
class ExternalPsk:
    """A key that both ends were given by other means (§4.2.11).

    Raises:
        UsageError: identity or key have an impossible length, or the hash is none
            of a cipher suite's.
    """

    identity: bytes
    """Names the key; it is sent in the clear."""
    key: bytes = field(repr=False)
    """At least 16 bytes, of full entropy."""
    hash_name: str = "sha256"
    """The hash that the key may be used with: ``"sha256"`` or ``"sha384"``."""
    is_imported: bool = False
    """Whether `import_psk` made it of another key: then it is for TLS 1.3 alone."""

    def __post_init__(self) -> None:
        if not 1 <= len(self.identity) <= 0xFFFF - 6:
            raise UsageError(f"a PSK's identity has 1 to 65529 bytes, not {len(self.identity)}")
        if len(self.key) < MIN_KEY_LENGTH:
            raise UsageError(
                f"a PSK has at least {MIN_KEY_LENGTH} bytes, not {len(self.key)} (RFC 9257)"
            )
        if self.hash_name not in PSK_HASHES or self.hash_name not in HASH_LENGTHS:
            raise UsageError(f"a PSK's hash is one of {PSK_HASHES}, not {self.hash_name!r}")


@dataclass(frozen=True, slots=True)
class ImportedIdentity:
    """What an imported PSK is called on the wire (RFC 9258 section 4.1).

    ::

        opaque external_identity<1...2^16-1>;
        opaque context<0..2^16-1>;
        uint16 target_protocol;
        uint16 target_kdf;
    """

    external_identity: bytes
    """The name of the key that was imported."""
    context: bytes
    """What the two ends bind the key to, such as their roles or addresses."""
    hash_name: str
    """The hash of the target: HKDF_SHA256 or HKDF_SHA384."""

    def encode(self) -> bytes:
        """Write it."""
        kdf = {name: code for code, name in _TARGET_KDFS.items()}[self.hash_name]
        names = vec16(self.external_identity) + vec16(self.context)
        return names + u16(ProtocolVersion.TLS13) + u16(kdf)

    @classmethod
    def decode(cls, identity: bytes) -> ImportedIdentity:
        """Read the identity that a client named.

        Raises:
            DecodeError: it is none of an imported PSK, or its target is not TLS 1.3.
        """
        reader = Reader(identity, "ImportedIdentity")
        external_identity, context = reader.vec16(min=1), reader.vec16()
        protocol, kdf = reader.u16(), reader.u16()
        reader.finish()
        if protocol != ProtocolVersion.TLS13 or kdf not in _TARGET_KDFS:
            raise DecodeError(
                "ImportedIdentity: expected TLS 1.3 with HKDF_SHA256 or HKDF_SHA384, "
                f"got 0x{protocol:04x} and 0x{kdf:04x}",
                section="RFC 9258, 4.1",
            )
        return cls(external_identity, context, _TARGET_KDFS[kdf])


_TARGET_KDFS = {1: "sha256", 2: "sha384"}  # RFC 9258 section 10


def import_psk(
    identity: bytes, key: bytes, *, hash_name: str = "sha256", context: bytes = b""
) -> tuple[ExternalPsk, ...]:
    """Make PSKs for TLS 1.3 of one key, each for one hash of the cipher suites (RFC 9258).

    A key may be used with one hash alone (§4.2.11); imported, it serves every suite, and its
    other uses and this one cannot harm each other. Both ends import it alike.

    Args:
        identity: names the key; it is sent in the clear.
        key: at least 16 bytes, of full entropy.
        hash_name: the hash that the key itself is for; sha256 where none was said.
        context: what the two ends bind the key to; sent in the clear, too.

    Returns:
        What belongs into ``config.psks``, for SHA-256 and SHA-384.

    Raises:
        UsageError: identity, context or key have an impossible length.
    """
    source = ExternalPsk(identity, key, hash_name)  # which checks them
    if len(identity) + len(context) > 0xFFFF - 14:
        raise UsageError("identity and context are too long for an ImportedIdentity (RFC 9258)")
    extracted = extract(hash_name, b"", source.key)
    found = []
    for target in PSK_HASHES:
        name = ImportedIdentity(identity, context, target).encode()
        digest = hashlib.new(hash_name, name).digest()
        length = HASH_LENGTHS[target]
        derived = expand_label(hash_name, extracted, b"derived psk", digest, length)
        found.append(ExternalPsk(name, derived, target, is_imported=True))
    return tuple(found)


class PskLookup(Protocol):
    """Where a server finds external PSKs that its configuration does not list."""

    def find(self, identity: bytes) -> ExternalPsk | Awaitable[ExternalPsk | None] | None:
        """Return the PSK of this identity; None for an unknown one.

        The identity is what a stranger sent, and nothing is proven yet. An exception
        ends the handshake.
        """
        ...


# --- §8: 0-RTT data and replay
