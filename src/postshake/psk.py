"""Pre-shared keys: what both ends were given, and guards against replay (§2.2, §2.3).

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
from collections import deque
from collections.abc import Awaitable
from enum import Enum
from typing import Protocol

from .constants import ProtocolVersion
from .crypto.hkdf import HASH_LENGTHS, expand_label, extract
from .errors import DecodeError, UsageError
from .values import dataclass, field
from .wire.codec import Reader, u16, vec16

__all__ = [
    "EarlyDataClaim",
    "ExternalPsk",
    "ImportedIdentity",
    "PskKind",
    "PskLookup",
    "ReplayGuard",
    "SingleUse",
    "import_psk",
]

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


@dataclass(frozen=True, slots=True)
class EarlyDataClaim:
    """One ClientHello that wants its early data accepted (§8.2)."""

    key: bytes
    """Unique to this ClientHello: its first PSK binder, which was checked."""
    issued_at: float
    """When its ticket was issued, in seconds since the epoch."""
    now: float
    """The time of asking, on the same clock."""
    until: float
    """Until when a copy of this ClientHello would still pass for fresh."""


class ReplayGuard(Protocol):
    """Who remembers which early data was accepted, so that none is accepted twice.

    All servers that accept each other's tickets need one guard between them, or
    early data can be replayed once to each (§8).
    """

    def claim(self, claim: EarlyDataClaim) -> bool | Awaitable[bool]:
        """Return True once for each key, and never again before ``claim.until``.

        When in doubt, return False: the client sends its data again, after the
        handshake. An exception ends the handshake.
        """
        ...


class SingleUse:
    """Remembers claims in memory: a guard for the servers of one process (§8.2).

    Safe to share between connections and threads.

    Args:
        started_at: since when it has been remembering. Claims with older tickets
            may have been accepted before a restart; they are refused as long as
            such a claim could still be fresh.
        capacity: how many claims it remembers; further ones are refused.
    """

    __slots__ = ("_claims", "_order", "capacity", "started_at")

    def __init__(self, started_at: float = 0.0, *, capacity: int = 65536) -> None:
        self.started_at = started_at
        self.capacity = capacity
        self._claims: dict[bytes, object] = {}
        self._order: deque[tuple[float, bytes]] = deque()

    def claim(self, claim: EarlyDataClaim) -> bool:
        """Accept what was not seen before."""
        freshness = claim.until - claim.now
        if claim.issued_at < self.started_at and claim.now < self.started_at + freshness:
            return False
        self._forget(claim.now)
        if len(self._claims) >= self.capacity:
            return False
        # one atomic call decides, so of two threads only one can be the first
        mine = object()
        if self._claims.setdefault(claim.key, mine) is not mine:
            return False
        self._order.append((claim.until, claim.key))
        return True

    def _forget(self, now: float) -> None:
        """Drop what is stale at the front; claims come nearly in the order of their ends."""
        order = self._order
        while True:
            try:
                oldest = order.popleft()
            except IndexError:  # empty, by now: other threads are at it too
                return
            if oldest[0] >= now:
                order.appendleft(oldest)
                return
            self._claims.pop(oldest[1], None)

    def __repr__(self) -> str:
        return f"SingleUse({len(self._claims)} of {self.capacity})"
