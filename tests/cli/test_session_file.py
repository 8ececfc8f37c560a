"""``postshake connect``: sessions, tokens, and JSON for programs."""

from __future__ import annotations

import json
import os
import socket

import pytest

from tests.interop.program import free_port
from tests.requirements import require
from tests.tokens import PIN, needs_softhsm, token

PROTECTED = "GET /protected HTTP/1.0\r\n\r\n"


def events(stderr):
    return [json.loads(line) for line in stderr.splitlines()]


def openssl_server(stage, certificates, *options):
    port = free_port()
    who = certificates.server
    program = stage.program(
        *(require("openssl"), "s_server", "-accept", f"127.0.0.1:{port}", "-www"),
        *("-cert", who.certificate, "-key", who.key, *options),
    )
    program.expect("^ACCEPT")
    return port


@pytest.mark.interop
@pytest.mark.parametrize("version", ["-tls1_3", "-tls1_2"])
def test_reconnect(stage, run, as_client, certificates, version):
    port = openssl_server(stage, certificates, version)
    done = run(*as_client(port, None, "--reconnect"), input="GET / HTTP/1.0\r\n\r\n")
    assert done.returncode == 0, done.stderr
    first, second = [line for line in done.stderr.splitlines() if "connected to" in line]
    assert "resumed" not in first
    assert "resumed" in second
    assert "Reused, " in done.stdout


@pytest.mark.interop
def test_a_server_without_tickets(stage, run, as_client, certificates):
    port = openssl_server(stage, certificates, "-tls1_3", "-num_tickets", "0")
    done = run(*as_client(port, None, "--reconnect", "--json"))
    assert done.returncode == 1
    last = events(done.stderr)[-1]
    assert last["event"] == "error"
    assert last["exit_code"] == 1
    assert "nothing can be resumed" in last["message"]


def test_a_session_in_a_file(shared, run, as_client, certificates, tmp_path):
    file = tmp_path / "session"
    arguments = as_client(shared.port, certificates.alice, "--session", file, "--json")
    done = run(*arguments, input=PROTECTED)
    assert done.returncode == 0, done.stderr
    told = events(done.stderr)
    assert [each["event"] for each in told] == [
        "connected", "server", "asked", "answered", "closed",
    ]  # fmt: skip
    assert told[0]["resumed"] is False
    assert told[1]["identity"]["common_name"] == "localhost"
    assert told[3]["subject"] == "CN=alice"
    assert told[2]["context"] == told[3]["context"]
    assert file.stat().st_mode & 0o077 == 0
    told = events(run(*arguments, input=PROTECTED).stderr)
    assert told[0]["resumed"] is True
    file.write_bytes(b"something else")
    done = run(*arguments)
    assert done.returncode == 2
    assert events(done.stderr)[-1]["exit_code"] == 2


def test_sessions_of_another_server_are_left_aside(shared, run, as_client, certificates, tmp_path):
    file = tmp_path / "session"
    assert run(*as_client(shared.port, None, "--session", file), input=PROTECTED).returncode == 0
    assert file.exists()
    other = run("connect", f"127.0.0.1:{shared.port}", "--cafile", certificates.ca,
                "--session", file, input=PROTECTED)  # fmt: skip
    assert "resumed" not in other.stderr


def test_the_network_in_json(run, certificates):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    done = run("connect", f"127.0.0.1:{port}", "--cafile", certificates.ca, "--json")
    assert done.returncode == 4
    assert events(done.stderr)[-1]["exit_code"] == 4
    assert run("connect", "localhost:99999", "--json").returncode == 2


@needs_softhsm
def test_a_key_in_a_token(start, run, certificates, tmp_path):
    there = token()
    alice = there.ca.issue("alice", purpose="client")
    uri = there.keep("alice", alice)
    certificate = tmp_path / "alice.crt"
    certificate.write_bytes(alice.pem())
    (tmp_path / "ca.crt").write_bytes(there.ca.pem())
    pin = tmp_path / "pin"
    pin.write_text(PIN + "\n")
    who = certificates.server
    server = start("serve", "--port", "0", "--cert", who.certificate, "--key", who.key,
                   "--ca", tmp_path / "ca.crt")  # fmt: skip
    port = server.expect(r"listening on https://127\.0\.0\.1:(\d+)$")[1]
    done = run(
        *("connect", f"localhost:{port}", "--cafile", certificates.ca, "--cert", certificate),
        *("--key", f"{uri}?module-path={there.module}", "--key-password-file", pin),
        input=PROTECTED,
        SOFTHSM2_CONF=os.environ["SOFTHSM2_CONF"],
    )
    assert done.returncode == 0, done.stderr
    assert "To me you are CN=alice." in done.stdout
