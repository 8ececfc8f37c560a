"""The conversations of TLS 1.2 (RFC 5246)."""
