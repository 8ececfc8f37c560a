"""A context's word on compression reaches its connections (RFC 8879)."""

from __future__ import annotations

import pytest

from postshake.recording import Recording
from tests.sslmodule.ends import Memory, client_context, ours, server_context


def certificates_of(pair):
    return [
        line["what"]
        for line in pair.server.recording.lines
        if str(line.get("what")).endswith("Certificate")
    ]


def test_contexts_compress_what_they_are_told_to():
    server, client = server_context(ours), client_context(ours)
    server.recorder = Recording
    assert server.certificate_compression == ()
    assert certificates_of(Memory(server, client).handshake()) == ["Certificate"]
    server.certificate_compression = client.certificate_compression = ("zlib", "brotli")
    pair = Memory(server, client).handshake()
    assert certificates_of(pair) == ["CompressedCertificate"]
    (fields,) = [
        line["fields"] for line in pair.server.recording.lines if line.get("what") == "ClientHello"
    ]
    assert "zlib, brotli" in str(fields)


def test_a_name_that_is_none():
    context = client_context(ours)
    context.certificate_compression = ("gzip",)
    with pytest.raises(ValueError, match="gzip"):
        Memory(server_context(ours), context).handshake()
