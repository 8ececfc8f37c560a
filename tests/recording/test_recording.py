"""Recordings: what is in them, what is not, and how they travel."""

from __future__ import annotations

import json

import pytest

from postshake.constants import Role
from postshake.errors import UsageError
from postshake.recording import Recording, describe
from tests.pair import ConnectionPair, server_config


def recorded():
    """A handshake, a step-up, a refusal, and data, as the server saw it."""
    recording = Recording(Role.server)
    keys: list[str] = []
    pair = ConnectionPair(server=server_config(trace=recording.trace, keylog=keys.append))
    pair.handshake()
    pair.reauth()
    pair.reauth(required=False, decline=True)
    pair.client.connection.send_data(b"top secret plans")
    pair.move()
    for event in pair.server.events:
        recording.event(event)
    return recording, keys


def test_what_is_in_it():
    recording, _ = recorded()
    whats = [line["what"] for line in recording.lines if "what" in line]
    assert whats[:2] == ["ClientHello", "ServerHello"]
    assert whats.count("CertificateRequest") == 2
    hello = dict(map(tuple, recording.lines[0]["fields"]))
    assert hello["extensions.server_name.host_name"] == "server.example"
    assert "TLS_AES_128_GCM_SHA256" in hello["cipher_suites"]
    assert hello["extensions.post_handshake_auth"] == ""
    certificate = next(
        line
        for line in recording.lines
        if line.get("what") == "Certificate" and line["from"] == "client"
    )
    assert (
        "CN=alice, issued by"
        in dict(map(tuple, certificate["fields"]))["certificate_list.0.cert_data"]
    )
    request = next(line for line in recording.lines if line.get("what") == "CertificateRequest")
    assert request["context"] == certificate["context"]
    identity = next(line for line in recording.lines if "identity" in line)
    assert identity["identity"]["subject"] == "CN=alice"
    assert "2 lines" not in repr(recording)


def test_no_secret_is_in_it():
    recording, keys = recorded()
    text = recording.dump()
    for line in keys:
        secret = line.split()[2]
        assert secret[:16] not in text
    assert "secret plans" not in text
    assert b"secret plans".hex() not in text
    for message in (line for line in recording.lines if line.get("what") == "NewSessionTicket"):
        fields = dict(map(tuple, message["fields"]))
        assert fields["ticket"].endswith(" bytes")
        assert fields["ticket_age_add"] == "not shown"


def test_there_and_back(tmp_path):
    recording, _ = recorded()
    path = tmp_path / "connection.jsonl"
    recording.save(path)
    again = Recording.load(path)
    assert again.lines == json.loads(json.dumps(recording.lines))
    assert again.role is Role.server
    assert again.dump() == recording.dump()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no json",
        "[]",
        '{"format": "another"}',
        '{"format": "postshake trace 1"}',
        '{"format": "postshake trace 1", "role": "judge"}',
        '{"format": "postshake trace 1", "role": "server"}\n[]',
        '{"format": "postshake trace 1", "role": "server"}\n{"what": "no time"}',
    ],
)
def test_what_is_no_recording(text):
    with pytest.raises(UsageError):
        Recording.parse(text.splitlines())


def test_no_file(tmp_path):
    with pytest.raises(UsageError):
        Recording.load(tmp_path / "none")


def test_it_is_bounded():
    from postshake.events import Direction, TraceEntry

    recording = Recording(Role.client, limit=3)
    for _ in range(5):
        recording.trace(TraceEntry(Direction.sent, "application data", 1, "application 0"))
    assert len(recording.lines) == 3
    assert json.loads(recording.dump().splitlines()[0])["left_out"] == 2


def test_what_is_no_message_can_be_described_too():
    assert describe(None) == [["", "None"]]
    assert describe(7) == [["", "7"]]
    assert describe(b"x" * 40) == [["", f"40 bytes {'78' * 16}…"]]
