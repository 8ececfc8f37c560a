"""``postshake certs``: what it makes works, and nothing is overwritten."""

from __future__ import annotations

import json
import stat

from cryptography.hazmat.primitives.serialization import pkcs12

from postshake import ChainVerifier, Credential, TrustStore
from postshake.constants import Role
from postshake.pki.trust import PeerChain


def test_an_authority_a_server_and_clients(run, tmp_path):
    folder = tmp_path / "tls"
    done = run("certs", folder, "--server", "localhost", "--client", "alice", "--json")
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert [each["subject"] for each in made] == [
        "CN=postshake test CA", "CN=localhost", "CN=alice",
    ]  # fmt: skip
    trust = TrustStore.from_files(folder / "ca.crt")
    for name, role, host in (("server", Role.server, "localhost"), ("alice", Role.client, None)):
        credential = Credential.from_files(folder / f"{name}.crt", folder / f"{name}.key")
        now = credential.leaf.not_valid_before_utc.timestamp() + 7200
        ChainVerifier(trust).verify(PeerChain(credential.chain, role, host, None, now))
        assert stat.S_IMODE((folder / f"{name}.key").stat().st_mode) == 0o600
    data = (folder / "alice.p12").read_bytes()
    key, certificate, more = pkcs12.load_key_and_certificates(data, b"postshake")
    assert certificate.subject.rfc4514_string() == "CN=alice"
    assert key is not None
    assert len(more) == 1


def test_more_names_for_an_authority_that_is_there(run, tmp_path):
    assert run("certs", tmp_path, "--client", "alice", "--ca", "Mine").returncode == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    (tmp_path / "password").write_text("long enough\n")
    done = run(
        *("certs", tmp_path, "--client", "alice", "--client", "bob"),
        *("--password-file", tmp_path / "password"),
    )
    assert done.returncode == 0, done.stderr
    assert "CN=bob" in done.stdout
    assert "CN=alice" not in done.stdout
    assert all((tmp_path / name).read_bytes() == data for name, data in before.items())
    data = (tmp_path / "bob.p12").read_bytes()
    assert pkcs12.load_key_and_certificates(data, b"long enough")[0] is not None
    assert "everything was there" in run("certs", tmp_path, "--client", "bob").stdout


def test_what_cannot_be_done(run, tmp_path):
    assert run("certs", tmp_path, "--client", "..").returncode == 2
    assert run("certs", tmp_path, "--client", "ca").returncode == 2
    (tmp_path / "empty").write_text("")
    assert run("certs", tmp_path, "--password-file", tmp_path / "empty").returncode == 2
    (tmp_path / "ca.key").unlink()
    done = run("certs", tmp_path)
    assert done.returncode == 2
    assert "nothing is overwritten" in done.stderr


def test_serve_and_connect_with_them(run, start, tmp_path):
    run("certs", tmp_path, "--server", "localhost", "--client", "alice")
    program = start(
        *("serve", "--port", "0", "--cert", tmp_path / "server.crt"),
        *("--key", tmp_path / "server.key", "--ca", tmp_path / "ca.crt"),
    )
    port = program.expect(r"listening on https://127\.0\.0\.1:(\d+)$")[0].rpartition(":")[2]
    done = run(
        *("connect", f"localhost:{port.strip()}", "--cafile", tmp_path / "ca.crt"),
        *("--cert", tmp_path / "alice.crt", "--key", tmp_path / "alice.key"),
        input="GET /protected HTTP/1.0\r\n\r\n",
    )
    assert "To me you are CN=alice" in done.stdout
