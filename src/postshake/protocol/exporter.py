"""Keys for others: exporters and channel bindings (§7.5, RFC 9266)."""

from __future__ import annotations

from ..crypto.schedule import exporter
from ..errors import UsageError
from .session_secrets import SessionSecrets, SessionSecrets12

__all__ = ["channel_binding", "export"]

CHANNEL_BINDING_LABEL = b"EXPORTER-Channel-Binding"  # RFC 9266 section 4
CHANNEL_BINDING_LENGTH = 32


def export(
    secrets: SessionSecrets | SessionSecrets12, label: bytes, context: bytes | None, length: int
) -> bytes:
    """Derive keying material for an application (§7.5, RFC 5705).

    Reauth and key updates do not change it.

    Args:
        secrets: the session's.
        label: what it is for, such as ``b"EXPORTER-my-protocol"``.
        context: what it is bound to; empty and None are the same in TLS 1.3 alone.
        length: how many bytes.
    """
    if isinstance(secrets, SessionSecrets12):
        return secrets.export(label, context, length)
    limit = 255 * secrets.suite.hash_length  # RFC 5869 section 2.3
    if not 0 < length <= limit:
        raise UsageError(f"an exporter gives 1 to {limit} bytes, not {length}")
    return exporter(
        secrets.suite.hash_name, secrets.exporter_master_secret, label, context or b"", length
    )


def channel_binding(secrets: SessionSecrets | SessionSecrets12, kind: str) -> bytes:
    """Return what names this connection to a protocol above (RFC 9266).

    Args:
        secrets: the session's.
        kind: ``"tls-exporter"``; there is no other that is unique.
    """
    if kind != "tls-exporter":
        raise UsageError(f"there is no channel binding {kind!r}; there is 'tls-exporter'")
    return export(secrets, CHANNEL_BINDING_LABEL, b"", CHANNEL_BINDING_LENGTH)
