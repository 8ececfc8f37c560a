"""Code points, and what people call them."""

from __future__ import annotations

from postshake.constants import ProtocolVersion


def test_versions_have_two_names():
    assert [(each.text, each.openssl_name) for each in ProtocolVersion] == [
        ("SSL 3.0", "SSLv3"),
        ("TLS 1.0", "TLSv1"),
        ("TLS 1.1", "TLSv1.1"),
        ("TLS 1.2", "TLSv1.2"),
        ("TLS 1.3", "TLSv1.3"),
    ]
