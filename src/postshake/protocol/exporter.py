"""Exporters: keying material for applications (§7.5, RFC 5705)."""

from __future__ import annotations

from ..crypto.schedule import exporter
from ..errors import UsageError
from .session_secrets import SessionSecrets, SessionSecrets12

__all__ = ["export"]


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
