"""What names a connection to a protocol above it (RFC 5929, RFC 9266).

A protocol above that authenticates, such as SCRAM, includes these bytes in what it proves. When
they differ at both ends, somebody between the two has a connection to each.
"""

from __future__ import annotations

from ..constants import Role
from ..errors import UsageError
from ..pki.end_point import end_point_hash
from .exporter import export
from .outcome import HandshakeOutcome
from .session_secrets import SessionSecrets12

__all__ = ["channel_binding"]

LABEL = b"EXPORTER-Channel-Binding"  # RFC 9266 section 4
LENGTH = 32


def channel_binding(outcome: HandshakeOutcome, role: Role, kind: str) -> bytes:
    """Return a connection's channel binding.

    Args:
        outcome: what the handshake came to.
        role: which end we are.
        kind: ``"tls-exporter"`` (RFC 9266) for any connection; ``"tls-unique"`` (RFC 5929
            section 3) for TLS 1.2; ``"tls-server-end-point"`` (section 4), which names the server
            and not the connection.

    Raises:
        UsageError: this connection has none of that kind, or there is no such kind.
    """
    match kind:
        case "tls-exporter":
            return export(outcome.secrets, LABEL, b"", LENGTH)
        case "tls-unique":
            return _unique(outcome)
        case "tls-server-end-point":
            return end_point_hash(_server_certificate(outcome, role))
    raise UsageError(
        f"there is no channel binding {kind!r}; there are 'tls-exporter', 'tls-unique' and "
        "'tls-server-end-point'"
    )


def _unique(outcome: HandshakeOutcome) -> bytes:
    """Return the handshake's first Finished (RFC 5929 section 3.1)."""
    if not isinstance(outcome.secrets, SessionSecrets12):
        raise UsageError(
            "there is no 'tls-unique' in TLS 1.3; use 'tls-exporter' (RFC 9266 section 3)"
        )
    if not outcome.secrets.extended:
        raise UsageError(
            "there is no 'tls-unique': the peer has no extended_master_secret, and it may be the "
            "same in another connection (RFC 7627)"
        )
    return outcome.first_finished


def _server_certificate(outcome: HandshakeOutcome, role: Role) -> bytes:
    """Return the server's certificate, DER, as its Certificate message had it."""
    if role is Role.client and outcome.identity is not None:
        return outcome.identity.chain[0]
    credential = outcome.established.our_credential
    if role is Role.server and credential is not None:
        return credential.chain[0]
    why = "with pre-shared keys there is no certificate"
    if role is Role.server and outcome.established.resumed:
        why = "a resumed session does not say which certificate it began with"
    raise UsageError(f"there is no 'tls-server-end-point': {why}")
