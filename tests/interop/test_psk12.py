"""TLS 1.2 with external pre-shared keys: OpenSSL and GnuTLS, both ways.

Of the suites both have ChaCha20-Poly1305 alone.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from postshake import PskKind
from postshake.constants import CipherSuite, ProtocolVersion
from postshake.errors import BadRecordMac
from tests.interop.certificates import Certificates
from tests.interop.program import Stage, free_port
from tests.interop.test_sessions import (
    KEY,
    OurVisits,
    SessionServer,
    echo,
    gnutls_cli,
    gnutls_serv,
    hear,
    leave,
)
from tests.requirements import require

IDENTITY = KEY.identity.decode()
PRIORITY = "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+ECDHE-PSK"
SUITE = "ECDHE-PSK-CHACHA20-POLY1305"
VERSIONS = (ProtocolVersion.TLS12,), (ProtocolVersion.TLS13, ProtocolVersion.TLS12)
versions = pytest.mark.parametrize("ours", VERSIONS, ids=["of 1.2", "of both versions"])


def check(established: Any) -> None:
    assert established.version is ProtocolVersion.TLS12
    assert established.suite.code == CipherSuite.TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256
    assert (established.psk, established.psk_identity) == (PskKind.EXTERNAL, KEY.identity)
    assert established.extended_master_secret


HINT = "which of your sensors?"


def our_server(stage: Stage, certificates: Certificates, **fields: Any) -> SessionServer:
    return stage.hold(SessionServer(certificates, **{"psks": (KEY,), **fields}))


def s_client(
    stage: Stage, port: int, key: bytes = KEY.key, identity: str = IDENTITY, more: Any = ()
) -> Any:
    return stage.program(
        *(require("openssl"), "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_2"),
        *("-cipher", SUITE, "-psk", key.hex(), "-psk_identity", identity),
        *map(str, more),
    )


@versions
@pytest.mark.parametrize("credentials", [(), None], ids=["keys alone", "certificates too"])
def test_s_client(stage: Stage, certificates: Certificates, ours: Any, credentials: Any) -> None:
    fields = {} if credentials is None else {"credentials": credentials}
    server = our_server(stage, certificates, versions=ours, **fields)
    assert SUITE in leave(s_client(stage, server.port))
    check(server.visit(0).established)


@pytest.mark.parametrize(
    ("key", "identity"), [(bytes(32), IDENTITY), (KEY.key, "nobody")], ids=["key", "identity"]
)
def test_s_client_with_the_wrong(
    stage: Stage, certificates: Certificates, key: bytes, identity: str
) -> None:
    server = our_server(stage, certificates, credentials=())
    program = s_client(stage, server.port, key, identity)
    program.expect(r"alert bad record mac")
    program.wait()
    assert isinstance(server.errors[0], BadRecordMac)


def test_gnutls_cli(stage: Stage, certificates: Certificates) -> None:
    server = our_server(stage, certificates, credentials=())
    program = gnutls_cli(
        *(stage, certificates, server.port, "--priority", PRIORITY),
        *("--pskusername", IDENTITY, "--pskkey", KEY.key.hex()),
    )
    # it leaves when it has no more to say; 3.7 crashes before, when it describes such a session,
    # and does so with a server of GnuTLS's, too
    program.end_input()
    check(server.visit(0).established)


@versions
def test_s_server(stage: Stage, certificates: Certificates, ours: Any) -> None:
    port = free_port()
    program = stage.program(
        *(require("openssl"), "s_server", "-accept", f"127.0.0.1:{port}", "-tls1_2", "-nocert"),
        *("-cipher", SUITE, "-psk", KEY.key.hex(), "-psk_identity", IDENTITY),
        *("-psk_hint", HINT),
    )
    program.expect(r"^ACCEPT")
    client = OurVisits(certificates, port, psks=(KEY,), verifier=None, versions=ours)
    with client.open() as stream:
        established = stream.handshake()
        check(established)
        assert established.psk_identity_hint == HINT.encode()
        hear(stream, program)
        session = stream.connection.session
    with client.open(session) as stream:
        again = stream.handshake()
        assert again.resumed
        assert again.psk_identity == KEY.identity
        hear(stream, program)


def test_s_client_hears_the_hint_and_resumes(
    stage: Stage, certificates: Certificates, tmp_path: Path
) -> None:
    server = our_server(stage, certificates, credentials=(), psk_identity_hint=HINT.encode())
    session = tmp_path / "session"
    first = s_client(stage, server.port, more=("-sess_out", session))
    first.expect(f"PSK identity hint: {re.escape(HINT)}")
    leave(first)
    check(server.visit(0).established)
    leave(s_client(stage, server.port, more=("-sess_in", session)))
    again = server.visit(1).established
    assert again.resumed
    assert again.psk_identity == KEY.identity


@versions
def test_gnutls_serv(stage: Stage, certificates: Certificates, tmp_path: Path, ours: Any) -> None:
    passwords = tmp_path / "psk"
    passwords.write_text(f"{IDENTITY}:{KEY.key.hex()}\n")
    _, port = gnutls_serv(stage, certificates, "--priority", PRIORITY, "--pskpasswd", passwords)
    client = OurVisits(certificates, port, psks=(KEY,), verifier=None, versions=ours)
    with client.open() as stream:
        check(stream.handshake())
        echo(stream)
