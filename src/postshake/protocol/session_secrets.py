"""The secrets that outlive a handshake, in both versions."""

from __future__ import annotations

from .._dataclass import dataclass, field
from ..constants import Role
from ..crypto.suites import Suite
from ..crypto.tls12.prf import (
    KeyBlock,
    derive_key_block,
    exporter12,
    finished_mac12,
)
from ..crypto.tls12.suites import Suite12
from ..errors import UsageError

__all__ = ["SessionSecrets", "SessionSecrets12"]


@dataclass(frozen=True, slots=True)
class SessionSecrets:
    """The secrets that outlive the handshake (§7.1). Reauth changes none of them."""

    suite: Suite
    exporter_master_secret: bytes = field(repr=False)
    resumption_master_secret: bytes = field(repr=False)


MAX_EXPORT = 2**16
"""The PRF has no end; whoever wants more than this wants something else."""


@dataclass(frozen=True, slots=True)
class SessionSecrets12:
    """The master secret, and the randoms that go with it in one connection."""

    suite: Suite12
    client_random: bytes
    server_random: bytes
    master_secret: bytes = field(repr=False)
    extended: bool
    """Whether the master secret is bound to the handshake that made it (RFC 7627)."""

    def key_block(self) -> KeyBlock:
        """Derive the keys of both directions (RFC 5246 section 6.3)."""
        return derive_key_block(
            self.suite, self.master_secret, self.client_random, self.server_random
        )

    def finished_mac(self, role: Role, digest: bytes) -> bytes:
        """Compute the verify_data of this end's Finished (RFC 5246 section 7.4.9)."""
        return finished_mac12(self.suite.hash_name, self.master_secret, role, digest)

    def export(self, label: bytes, context: bytes | None, length: int) -> bytes:
        """Derive keying material for an application (RFC 5705 section 4).

        Raises:
            UsageError: the master secret is not an extended one (RFC 7627 section 5.4),
                or length or context are out of range.
        """
        if not self.extended:
            raise UsageError(
                "nothing is exported: the peer has no extended_master_secret, and the keys "
                "may be the same in another connection (RFC 7627)"
            )
        if not 0 < length <= MAX_EXPORT:
            raise UsageError(f"an exporter gives 1 to {MAX_EXPORT} bytes, not {length}")
        if context is not None and len(context) > 0xFFFF:
            raise UsageError(f"an exporter's context has at most 65535 bytes, not {len(context)}")
        randoms = self.client_random + self.server_random
        name = self.suite.hash_name
        return exporter12(name, self.master_secret, label, randoms, context, length)
