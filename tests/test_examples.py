"""Examples that are parts of a program: that they do what their page says.

Those that are whole are run by tests/test_pages.py.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from postshake.pki.revocation import Revocation
from tests.certs import CA, peer
from tests.pair import ConnectionPair, issued, server_config, the_ca
from tests.reader import blocks
from tests.revoking import make_list


def run(page: str, name: str) -> dict[str, Any]:
    """Run what is saved under this name; return what it defines."""
    (source,) = [
        each.text for each in blocks(page) if each.kind == "python" and each.mark("as") == name
    ]
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(source, f"{page} ({name})", "exec"), names)
    return names


def test_unusable_lists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    ca = CA("Docs CA, again")
    forged = make_list(ca, signed_by=CA("Forger").private_key)
    (tmp_path / "tls").mkdir()
    (tmp_path / "tls" / "ca.crl").write_bytes(forged.public_bytes(Encoding.PEM))
    made = run("docs/howto/servers.md", "watched_lists.py")
    ca.verifier(revocation=made["revocation"]).verify(peer(ca.issue("bob")))
    assert "cannot be used: no authority of its issuer's name" in capsys.readouterr().out


def test_an_identity_ends() -> None:
    still_welcome = run("docs/howto/servers.md", "still_welcome.py")["still_welcome"]
    revocation = Revocation()
    config = server_config(verifier=the_ca().verifier(revocation=revocation))
    pair = ConnectionPair(server=config).handshake()
    stream = SimpleNamespace(connection=pair.server.connection, peer_identity=None)
    assert not still_welcome(stream)
    stream.peer_identity = pair.reauth().identity
    assert still_welcome(stream)
    revocation.replace([make_list(the_ca(), issued("alice"))])
    assert not still_welcome(stream)
