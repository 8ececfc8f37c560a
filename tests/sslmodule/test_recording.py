"""What a context writes down of its connections."""

from __future__ import annotations

import pytest

from postshake.recording import Recording
from tests.sslmodule.ends import Memory, client_context, ours, server_context


def test_both_ends_write_down_what_they_see():
    server, client = server_context(ours), client_context(ours)
    server.recorder = client.recorder = Recording
    pair = Memory(server, client).handshake()
    for end, role in ((pair.server, "server"), (pair.client, "client")):
        recording = end.recording
        assert recording.role.name == role
        told = [line.get("what") for line in recording.lines]
        assert told[:2] == ["ClientHello", "ServerHello"]
        assert recording is end.recording
        assert told.count("Finished") == 2
    assert pair.server.recording is not pair.client.recording


def test_nothing_is_written_down_unasked():
    pair = Memory(server_context(ours), client_context(ours)).handshake()
    assert pair.server.recording is None
    with pytest.raises(TypeError):
        ours.SSLObject()
