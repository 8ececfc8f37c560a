"""``postshake certs``: what it makes works, and nothing is overwritten."""

from __future__ import annotations

import json
import stat

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs12

from postshake import ChainVerifier, Credential, TrustStore
from postshake.constants import Role
from postshake.errors import CertificateRevoked
from postshake.pki.revocation import Revocation
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


def test_a_revocation_list(run, tmp_path):
    assert run("certs", tmp_path, "--client", "alice", "--client", "bob", "--crl").returncode == 0

    def serials():
        made = x509.load_pem_x509_crl((tmp_path / "ca.crl").read_bytes())
        ca = x509.load_pem_x509_certificate((tmp_path / "ca.crt").read_bytes())
        assert made.is_signature_valid(ca.public_key())
        return [each.serial_number for each in made], made.extensions[0].value.crl_number

    def serial(name):
        return x509.load_pem_x509_certificate((tmp_path / name).read_bytes()).serial_number

    assert serials() == ([], 1)
    done = run("certs", tmp_path, "--revoke", "bob")
    assert (done.returncode, done.stderr) == (0, "")
    assert "revoked: 1" in done.stdout
    assert serials() == ([serial("bob.crt")], 2)
    # who was revoked stays so, and is there once
    assert run("certs", tmp_path, "--revoke", "bob", "--revoke", "alice").returncode == 0
    assert serials() == ([serial("bob.crt"), serial("alice.crt")], 3)

    trust = TrustStore.from_files(tmp_path / "ca.crt")
    lists = Revocation.from_files(tmp_path / "ca.crl")
    bob = Credential.from_files(tmp_path / "bob.crt", tmp_path / "bob.key")
    now = bob.leaf.not_valid_before_utc.timestamp() + 7200
    with pytest.raises(CertificateRevoked):
        ChainVerifier(trust, revocation=lists).verify(
            PeerChain(bob.chain, Role.client, None, None, now)
        )


def test_what_cannot_be_revoked(run, tmp_path):
    mine, other = tmp_path / "mine", tmp_path / "other"
    for folder, name in ((mine, "alice"), (other, "mallory")):
        assert run("certs", folder, "--client", name, "--ca", name).returncode == 0
    assert "nobody.crt" in run("certs", mine, "--revoke", "nobody").stderr
    (mine / "mallory.crt").write_bytes((other / "mallory.crt").read_bytes())
    done = run("certs", mine, "--revoke", "mallory")
    assert done.returncode == 2
    assert "not ours to revoke" in done.stderr
    assert run("certs", other, "--crl").returncode == 0
    (mine / "ca.crl").write_bytes((other / "ca.crl").read_bytes())
    assert "another authority" in run("certs", mine, "--revoke", "alice").stderr
    (mine / "ca.crl").write_text("no list")
    assert run("certs", mine, "--revoke", "alice").returncode == 2
    assert (mine / "ca.crl").read_text() == "no list"


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
