"""Constants that are others than the standard module's."""

from __future__ import annotations

__all__ = ["CHANNEL_BINDING_TYPES", "HAS_TLSv1", "HAS_TLSv1_1"]

HAS_TLSv1 = HAS_TLSv1_1 = False
"""OpenSSL may have them; we speak TLS 1.3 and 1.2."""

CHANNEL_BINDING_TYPES = ["tls-exporter", "tls-server-end-point"]
"""What `get_channel_binding` takes in every version. Programs that find tls-unique here ask for
it in TLS 1.3 too, which has none (RFC 9266 section 3); in TLS 1.2 it can be had."""
