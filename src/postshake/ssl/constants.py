"""Constants that are others than the standard module's."""

from __future__ import annotations

__all__ = ["CHANNEL_BINDING_TYPES", "HAS_TLSv1", "HAS_TLSv1_1"]

HAS_TLSv1 = HAS_TLSv1_1 = False
"""OpenSSL may have them; we speak TLS 1.3 and 1.2."""

CHANNEL_BINDING_TYPES = ["tls-exporter", "tls-server-end-point", "tls-unique"]
"""What `get_channel_binding` takes; tls-unique is of TLS 1.2 alone (RFC 9266 section 3)."""
