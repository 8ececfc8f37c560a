"""TLS 1.2 with peers that nobody here wrote, in both roles."""

from __future__ import annotations

import hmac
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from postshake import (
    AuthRequest,
    ChainVerifier,
    ClientAuth,
    ClientConfig,
    Connection,
    Credential,
    ServerConfig,
    TrustStore,
)
from postshake.constants import CipherSuite, NamedGroup, ProtocolVersion
from postshake.drive.sync import Stream
from postshake.errors import AlertReceived, InappropriateFallback, ReauthUnavailable, TLSError
from postshake.events import Direction, TraceEntry
from postshake.pki.trust import PeerChain, VerifiedChain
from postshake.resumption import Session12, SessionCache12
from tests.interop.certificates import Certificates, Who
from tests.interop.lines import LineServer, connect
from tests.interop.ours import OurLink
from tests.interop.program import TIMEOUT, Program, Stage, free_port
from tests.requirements import require
from tests.sealer import Sealer
from tests.tls12 import SIGNED_SUITES
from tests.waiting import wait_until

TLS12 = ProtocolVersion.TLS12
TLS13 = ProtocolVersion.TLS13
suites = pytest.mark.parametrize("suite", SIGNED_SUITES, ids=lambda code: code.name[4:])
GROUPS = {
    NamedGroup.x25519: ("X25519", "GROUP-X25519"),
    NamedGroup.x448: ("X448", "GROUP-X448"),
    NamedGroup.secp256r1: ("P-256", "GROUP-SECP256R1"),
    NamedGroup.secp384r1: ("P-384", "GROUP-SECP384R1"),
    NamedGroup.secp521r1: ("P-521", "GROUP-SECP521R1"),
}
groups = pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
GNUTLS12 = "NORMAL:-VERS-ALL:+VERS-TLS1.2"


def openssl_name(suite: CipherSuite) -> str:
    """``ECDHE-RSA-AES128-GCM-SHA256``."""
    name = suite.name.removeprefix("TLS_").replace("_WITH_", "_").replace("AES_", "AES")
    return name.replace("_", "-").removesuffix("-SHA256" if "CHACHA" in name else "-SHA0")


def gnutls_priority(suite: CipherSuite) -> str:
    exchange, _, cipher = suite.name.removeprefix("TLS_").partition("_WITH_")
    cipher = cipher.removesuffix("_SHA256").removesuffix("_SHA384").replace("_", "-")
    kinds = f"-KX-ALL:+{exchange.replace('_', '-')}:-CIPHER-ALL:+{cipher}"
    return f"{GNUTLS12}:{kinds}:+MAC-ALL"


def server_for(certificates: Certificates, suite: CipherSuite) -> Who:
    return certificates.server_rsa if "_RSA_" in suite.name else certificates.server


def credential(who: Who, **fields: Any) -> Credential:
    made = Credential.from_files(who.certificate, who.key)
    return Credential(made.chain, made.signer, **fields)


def client_config(certificates: Certificates, *who: Who, **fields: Any) -> ClientConfig:
    fields.setdefault("verifier", ChainVerifier(TrustStore.from_files(certificates.ca)))
    return ClientConfig(credentials=tuple(map(credential, who)), **fields)


def server_config(certificates: Certificates, *who: Who, **fields: Any) -> ServerConfig:
    who = who or (certificates.server, certificates.server_rsa)
    fields.setdefault("verifier", ChainVerifier(TrustStore.from_files(certificates.ca)))
    fields.setdefault("credentials", tuple(map(credential, who)))
    return ServerConfig(**fields)


# Our client


@contextmanager
def our_client(
    port: int, config: ClientConfig, session12: Session12 | None = None
) -> Iterator[Stream]:
    with Stream(connect(port), config, "localhost", session=session12) as stream:
        stream.timeout = TIMEOUT
        stream.handshake()
        yield stream


def say(stream: Stream, text: str) -> str:
    """Send a line and return the line that comes back."""
    stream.send(text.encode() + b"\n")
    answer = b""
    while not answer.endswith(b"\n"):
        data = stream.receive()
        assert data, answer
        answer += data
    return answer.decode().strip()


class SServer:
    """openssl s_server -rev, which gives every line back reversed."""

    def __init__(
        self, stage: Stage, certificates: Certificates, *more: str | Path, who: Who | None = None
    ) -> None:
        who = who or certificates.server
        self.port = free_port()
        self.program = stage.program(
            *(require("openssl"), "s_server", "-accept", f"127.0.0.1:{self.port}", "-rev"),
            *("-cert", who.certificate, "-key", who.key, "-CAfile", certificates.ca, *more),
        )
        self.program.expect(r"^ACCEPT")


class GnutlsServ:
    """gnutls-serv --echo."""

    def __init__(
        self,
        stage: Stage,
        certificates: Certificates,
        priority: str,
        *more: str | Path,
        who: Who | None = None,
    ) -> None:
        who = who or certificates.server
        self.port = free_port()
        self.program = stage.program(
            *(require("gnutls-serv"), "--echo", "-p", str(self.port), "--priority", priority),
            *("--x509certfile", who.certificate, "--x509keyfile", who.key),
            *("--x509cafile", certificates.ca, *more),
        )
        self.program.expect(r"listening on IPv4 .*\.\.\.done")


def check_client(stream: Stream, suite: CipherSuite, answer: str = "olleh") -> None:
    established = stream.connection.established
    assert established is not None
    assert established.version is TLS12
    assert established.suite.code is suite
    assert established.extended_master_secret
    assert not established.post_handshake_auth
    assert stream.peer_identity is not None
    assert stream.peer_identity.common_name is not None
    assert say(stream, "hello") == answer
    big = "x" * 10_000  # s_server reverses up to 16 KiB
    assert say(stream, big) == big


@suites
def test_our_client_with_s_server(stage: Stage, certificates: Certificates, suite) -> None:
    name = openssl_name(suite)
    who = server_for(certificates, suite)
    server = SServer(stage, certificates, "-tls1_2", "-cipher", name, who=who)
    with our_client(server.port, client_config(certificates)) as stream:
        check_client(stream, suite)


@suites
def test_our_client_with_gnutls_serv(stage: Stage, certificates: Certificates, suite) -> None:
    who = server_for(certificates, suite)
    server = GnutlsServ(
        stage, certificates, gnutls_priority(suite), "--disable-client-cert", who=who
    )
    with our_client(server.port, client_config(certificates)) as stream:
        check_client(stream, suite, "hello")


@groups
def test_our_clients_groups_with_s_server(stage: Stage, certificates: Certificates, group) -> None:
    # with an ECDSA certificate it wants the curve to be in the list, too
    who = certificates.server_rsa
    server = SServer(stage, certificates, "-tls1_2", "-groups", GROUPS[group][0], who=who)
    with our_client(server.port, client_config(certificates)) as stream:
        established = stream.connection.established
        assert established is not None
        assert established.group is group
        assert say(stream, "hello") == "olleh"


def test_a_server_of_both_versions_gives_tls_1_3(stage: Stage, certificates: Certificates) -> None:
    servers: list[SServer | GnutlsServ] = [
        SServer(stage, certificates),
        GnutlsServ(stage, certificates, "NORMAL"),
    ]
    for server in servers:
        with our_client(server.port, client_config(certificates)) as stream:
            established = stream.connection.established
            assert established is not None
            assert established.version is TLS13
        config = client_config(certificates, versions=(TLS12,))
        with our_client(server.port, config) as stream:
            established = stream.connection.established
            assert established is not None
            assert established.version is TLS12


def test_a_server_older_than_tls_1_2(stage: Stage, certificates: Certificates) -> None:
    server = SServer(stage, certificates, "-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0")
    with pytest.raises(TLSError), our_client(server.port, client_config(certificates)):
        pass


@pytest.mark.parametrize("name", ["alice", "alice_rsa"])
@pytest.mark.parametrize("versions", [(TLS12,), (TLS13, TLS12)], ids=["1.2", "both"])
def test_our_clients_certificate(
    stage: Stage, certificates: Certificates, name: str, versions
) -> None:
    who: Who = getattr(certificates, name)
    config = client_config(certificates, who, versions=versions)
    server = SServer(stage, certificates, "-tls1_2", "-Verify", "3", "-verify_return_error")
    with our_client(server.port, config) as stream:
        assert say(stream, "hello") == "olleh"
        assert stream.connection.established is not None
        assert stream.connection.established.our_credential is config.credentials[0]
    server.program.expect(rf"^depth=0 CN ?= ?{who.name}$")
    serv = GnutlsServ(stage, certificates, GNUTLS12, "--require-client-cert")
    with our_client(serv.port, config) as stream:
        assert say(stream, "hello") == "hello"
    serv.program.expect(rf"^\tSubject: CN={who.name}$")


def test_our_client_declines(stage: Stage, certificates: Certificates) -> None:
    server = SServer(stage, certificates, "-tls1_2", "-verify", "3")
    with our_client(server.port, client_config(certificates)) as stream:
        assert say(stream, "hello") == "olleh"
    server = SServer(stage, certificates, "-tls1_2", "-Verify", "3", "-verify_return_error")
    with (
        pytest.raises(AlertReceived) as caught,
        our_client(server.port, client_config(certificates)) as stream,
    ):
        say(stream, "hello")
    assert caught.value.received == 40  # handshake_failure


@pytest.mark.parametrize("tickets", [True, False], ids=["ticket", "session ID"])
def test_our_client_comes_back(stage: Stage, certificates: Certificates, tickets: bool) -> None:
    more = [] if tickets else ["-no_ticket"]
    server = SServer(stage, certificates, "-tls1_2", "-Verify", "3", *more)
    config = client_config(certificates, certificates.alice)
    session = None
    for time in range(3):
        with our_client(server.port, config, session) as stream:
            assert say(stream, "hello") == "olleh"
            established = stream.connection.established
            assert established is not None
            assert established.resumed is (time > 0)
            assert stream.peer_identity is not None
            assert stream.peer_identity.common_name == "localhost"
            session = stream.connection.session12
            assert session is not None
            assert bool(session.ticket) is tickets
            assert bool(session.session_id) is not tickets
        session = Session12.decode(session.encode())


def test_our_client_declines_and_gnutls_serv(stage: Stage, certificates: Certificates) -> None:
    server = GnutlsServ(stage, certificates, GNUTLS12)
    with our_client(server.port, client_config(certificates)) as stream:
        assert say(stream, "hello") == "hello"
    server = GnutlsServ(stage, certificates, GNUTLS12, "--require-client-cert")
    config = client_config(certificates)
    with pytest.raises(AlertReceived) as caught, our_client(server.port, config) as stream:
        say(stream, "hello")
    assert caught.value.received == 50  # decode_error, whoever it is that declines


@pytest.mark.parametrize("tickets", [True, False], ids=["ticket", "session ID"])
def test_our_client_comes_back_to_gnutls_serv(
    stage: Stage, certificates: Certificates, tickets: bool
) -> None:
    more = [] if tickets else ["--noticket"]
    server = GnutlsServ(stage, certificates, GNUTLS12, "--disable-client-cert", *more)
    session = None
    for time in range(3):
        with our_client(server.port, client_config(certificates), session) as stream:
            assert say(stream, "hello") == "hello"
            assert stream.connection.established is not None
            assert stream.connection.established.resumed is (time > 0)
            session = stream.connection.session12
            assert session is not None
            assert bool(session.ticket) is tickets


def test_a_ticket_that_the_server_cannot_open(stage: Stage, certificates: Certificates) -> None:
    config = client_config(certificates)
    session = None
    for _ in range(2):
        server = SServer(stage, certificates, "-tls1_2")
        with our_client(server.port, config, session) as stream:
            assert say(stream, "hello") == "olleh"
            assert stream.connection.established is not None
            assert not stream.connection.established.resumed
            session = stream.connection.session12


class Curious:
    """A verifier that remembers what was stapled."""

    def __init__(self, verifier: ChainVerifier) -> None:
        self.verifier = verifier
        self.stapled: list[bytes | None] = []

    def verify(self, peer: PeerChain) -> VerifiedChain:
        self.stapled.append(peer.ocsp_response)
        return self.verifier.verify(peer)


@pytest.fixture
def ocsp_response(certificates: Certificates) -> bytes:
    """An answer that no responder gave; nobody here looks into it but to parse it."""
    from cryptography import x509
    from cryptography.x509 import ocsp

    assert x509
    return ocsp.OCSPResponseBuilder.build_unsuccessful(
        ocsp.OCSPResponseStatus.TRY_LATER
    ).public_bytes(_der())


def _der() -> Any:
    from cryptography.hazmat.primitives.serialization import Encoding

    return Encoding.DER


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_what_is_stapled_reaches_the_verifier(
    stage: Stage, certificates: Certificates, ocsp_response: bytes, tmp_path: Path, version: str
) -> None:
    path = tmp_path / "response"
    path.write_bytes(ocsp_response)
    server = SServer(stage, certificates, version, "-status_file", path)
    verifier = Curious(ChainVerifier(TrustStore.from_files(certificates.ca)))
    for wish in (True, False):
        config = client_config(certificates, verifier=verifier, request_status=wish)
        with our_client(server.port, config) as stream:
            assert say(stream, "hello") == "olleh"
    assert verifier.stapled == [ocsp_response, None]


def test_our_client_refuses_to_renegotiate(stage: Stage, certificates: Certificates) -> None:
    server = GnutlsServ(stage, certificates, GNUTLS12, "--disable-client-cert")
    with our_client(server.port, client_config(certificates)) as stream:
        assert say(stream, "**REHANDSHAKE**") == "Successfully executed command"
        # the library would go on, the program does not
        server.program.expect(r"^Error: A TLS warning alert has been received")


def test_our_client_tells_s_server_so_too(stage: Stage, certificates: Certificates) -> None:
    server = _Typing(stage, certificates)
    with our_client(server.port, client_config(certificates)) as stream:
        stream.send(b"hello\n")
        server.program.expect("^hello$")
        server.program.send("r")
        with pytest.raises(AlertReceived):  # OpenSSL gives up over it
            stream.receive()
        server.program.expect(r"<<< TLS 1\.2, Alert \[length 0002\], warning no_renegotiation")


class _Typing:
    """openssl s_server that takes commands."""

    def __init__(self, stage: Stage, certificates: Certificates) -> None:
        who = certificates.server
        self.port = free_port()
        self.program: Program = stage.program(
            *(require("openssl"), "s_server", "-accept", f"127.0.0.1:{self.port}", "-msg"),
            *("-tls1_2", "-cert", who.certificate, "-key", who.key),
        )
        self.program.expect(r"^ACCEPT")


def test_our_client_exports_what_s_server_does(stage: Stage, certificates: Certificates) -> None:
    who = certificates.server
    port = free_port()
    program = stage.program(
        *(require("openssl"), "s_server", "-accept", f"127.0.0.1:{port}", "-tls1_2"),
        *("-cert", who.certificate, "-key", who.key),
        *("-keymatexport", "EXPORTER-test", "-keymatexportlen", "40"),
    )
    program.expect(r"^ACCEPT")
    with our_client(port, client_config(certificates)) as stream:
        exported = stream.connection.export(b"EXPORTER-test", None, 40)
        theirs = program.expect(r"Keying material: ([0-9A-F]+)")[1]
        assert hmac.compare_digest(exported, bytes.fromhex(theirs))


# Our server


@dataclass
class Ours:
    """Our server in a thread, and its connections."""

    server: LineServer
    connections: list[Connection]
    trace: list[TraceEntry]

    @property
    def port(self) -> int:
        return self.server.port

    @property
    def last(self) -> Connection:
        return self.connections[-1]


@pytest.fixture
def serve(stage: Stage, certificates: Certificates):
    def serve(*who: Who, **fields: Any) -> Ours:
        connections: list[Connection] = []
        trace: list[TraceEntry] = []
        config = server_config(certificates, *who, trace=trace.append, **fields)

        def accept(sock: socket.socket) -> OurLink:
            link = OurLink(sock, config, AuthRequest())
            connections.append(link._stream.connection)
            return link

        return Ours(stage.hold(LineServer(accept)), connections, trace)

    return serve


def s_client(stage: Stage, port: int, certificates: Certificates, *more: str | Path) -> Program:
    return stage.program(
        *(require("openssl"), "s_client", "-connect", f"127.0.0.1:{port}"),
        *("-servername", "localhost", "-CAfile", certificates.ca, "-verify_return_error", *more),
    )


def gnutls_cli(
    stage: Stage, port: int, certificates: Certificates, priority: str, *more: str | Path
) -> Program:
    return stage.program(
        *(require("gnutls-cli"), "127.0.0.1", "-p", str(port), "--priority", priority),
        *("--sni-hostname", "localhost", "--verify-hostname", "localhost"),
        *("--x509cafile", certificates.ca, *more),
    )


def ask(program: Program, line: str, answer: str) -> None:
    program.send(line)
    program.expect(rf"^=> {answer}$")


def ask_once(program: Program, line: str, answer: str) -> None:
    """Ask, and make room: our server serves one after the other."""
    ask(program, line, answer)
    program.stop()


def established(ours: Ours) -> Any:
    settled = ours.last.established
    assert settled is not None
    return settled


@suites
@pytest.mark.parametrize("both", [True, False], ids=["of both versions", "of 1.2"])
def test_our_server_with_s_client(stage: Stage, certificates: Certificates, serve, suite, both):
    ours = serve(**({} if both else {"versions": (TLS12,)}))
    client = s_client(stage, ours.port, certificates, "-tls1_2", "-cipher", openssl_name(suite))
    ask(client, "whoami", "nobody")
    assert established(ours).suite.code is suite
    assert established(ours).version is TLS12
    ask(client, "reauth", "unavailable")
    ask(client, "whoami", "nobody")
    assert re.search(r"Extended master secret: yes", client.output)
    assert re.search(r"Secure Renegotiation IS supported", client.output)


@suites
def test_our_server_with_gnutls_cli(stage: Stage, certificates: Certificates, serve, suite):
    ours = serve()
    client = gnutls_cli(stage, ours.port, certificates, gnutls_priority(suite))
    client.expect(r"^- Simple Client Mode")
    ask(client, "whoami", "nobody")
    assert established(ours).suite.code is suite
    ask(client, "reauth", "unavailable")


@groups
def test_our_servers_groups(stage: Stage, certificates: Certificates, serve, group):
    ours = serve()
    # RSA: with an ECDSA certificate OpenSSL wants its curve to be listed
    more = ("-tls1_2", "-curves", GROUPS[group][0], "-cipher", "ECDHE-RSA-AES128-GCM-SHA256")
    ask_once(s_client(stage, ours.port, certificates, *more), "whoami", "nobody")
    assert established(ours).group is group
    if group is not NamedGroup.x448:  # which GnuTLS 3.7 does not offer in TLS 1.2
        priority = f"{GNUTLS12}:-GROUP-ALL:+{GROUPS[group][1]}:-KX-ALL:+ECDHE-RSA"
        client = gnutls_cli(stage, ours.port, certificates, priority)
        client.expect(r"^- Simple Client Mode")
        ask(client, "whoami", "nobody")
        assert established(ours).group is group


def test_a_client_of_both_versions_gets_tls_1_3(stage: Stage, certificates: Certificates, serve):
    ours = serve()
    ask_once(s_client(stage, ours.port, certificates), "whoami", "nobody")
    assert established(ours).version is TLS13
    client = gnutls_cli(stage, ours.port, certificates, "NORMAL")
    client.expect(r"^- Simple Client Mode")
    ask(client, "whoami", "nobody")
    assert established(ours).version is TLS13


def test_a_client_older_than_tls_1_2(stage: Stage, certificates: Certificates, serve):
    ours = serve()
    more = ("-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0")
    client = s_client(stage, ours.port, certificates, *more)
    client.expect(r"alert protocol version")


def test_a_fallback_is_refused(stage: Stage, certificates: Certificates, serve):
    ours = serve()
    client = s_client(stage, ours.port, certificates, "-tls1_2", "-fallback_scsv")
    client.expect(r"alert inappropriate fallback")
    client.wait()
    wait_until(lambda: ours.server.errors, "its error")  # its thread drains the connection first
    assert isinstance(ours.server.errors[0], InappropriateFallback)
    ours = serve(versions=(TLS12,))
    client = s_client(stage, ours.port, certificates, "-tls1_2", "-fallback_scsv")
    ask(client, "whoami", "nobody")


@pytest.mark.parametrize("name", ["alice", "alice_rsa"])
def test_a_clients_certificate(stage: Stage, certificates: Certificates, serve, name: str):
    who: Who = getattr(certificates, name)
    ours = serve(client_auth=ClientAuth.REQUIRE)
    pair = ("-cert", who.certificate, "-key", who.key)
    ask_once(s_client(stage, ours.port, certificates, "-tls1_2", *pair), "whoami", who.name)
    pair = ("--x509certfile", who.certificate, "--x509keyfile", who.key)
    client = gnutls_cli(stage, ours.port, certificates, GNUTLS12, *pair)
    client.expect(r"^- Simple Client Mode")
    ask(client, "whoami", who.name)


def test_a_client_without_a_certificate(stage: Stage, certificates: Certificates, serve):
    ours = serve(client_auth=ClientAuth.REQUEST)
    ask(s_client(stage, ours.port, certificates, "-tls1_2"), "whoami", "nobody")
    ours = serve(client_auth=ClientAuth.REQUIRE)
    client = s_client(stage, ours.port, certificates, "-tls1_2")
    client.expect(r"alert handshake failure")
    client.wait()


def test_a_client_that_is_not_trusted(stage: Stage, certificates: Certificates, serve):
    ours = serve(client_auth=ClientAuth.REQUIRE)
    who = certificates.mallory
    pair = ("-cert", who.certificate, "-key", who.key)
    client = s_client(stage, ours.port, certificates, "-tls1_2", *pair)
    client.expect(r"alert unknown ca")
    client.wait()
    assert not ours.connections


@pytest.mark.parametrize("kept", ["ticket", "session ID"])
def test_s_client_comes_back(
    stage: Stage, certificates: Certificates, serve, kept: str, tmp_path: Path
):
    means: dict[str, Any] = {"ticket_keys": Sealer()}
    if kept == "session ID":
        means = {"sessions12": SessionCache12(), "tickets12": False}
    ours = serve(client_auth=ClientAuth.REQUIRE, **means)
    who, file = certificates.alice, tmp_path / "session"
    pair = ("-tls1_2", "-cert", who.certificate, "-key", who.key)
    for time, more in enumerate((("-sess_out", file), ("-sess_in", file), ("-sess_in", file))):
        client = s_client(stage, ours.port, certificates, *pair, *more)
        ask(client, "whoami", "alice")
        assert established(ours).resumed is (time > 0)
        client.send("Q")
        client.wait()
        assert ("Reused, TLSv1.2" in client.output) is (time > 0)


def test_gnutls_cli_without_a_certificate(stage: Stage, certificates: Certificates, serve):
    ours = serve(client_auth=ClientAuth.REQUEST)
    client = gnutls_cli(stage, ours.port, certificates, GNUTLS12)
    client.expect(r"^- Simple Client Mode")
    ask(client, "whoami", "nobody")
    ours = serve(client_auth=ClientAuth.REQUIRE)
    client = gnutls_cli(stage, ours.port, certificates, GNUTLS12)
    client.expect(r"Received alert \[40\]: Handshake failed")


@pytest.mark.parametrize("kept", ["ticket", "session ID"])
def test_gnutls_cli_comes_back(stage: Stage, certificates: Certificates, serve, kept: str):
    means: dict[str, Any] = {"ticket_keys": Sealer()}
    if kept == "session ID":
        means = {"sessions12": SessionCache12(), "tickets12": False}
    ours = serve(**means)
    client = gnutls_cli(stage, ours.port, certificates, GNUTLS12, "--resume")
    client.expect(r"^\*\*\* This is a resumed session")
    ask(client, "whoami", "nobody")
    resumed = [each.established.resumed for each in ours.connections if each.established]
    assert resumed == [False, True]


def test_our_server_refuses_to_renegotiate(stage: Stage, certificates: Certificates, serve):
    ours = serve()
    more = ("--inline-commands",)
    client = gnutls_cli(stage, ours.port, certificates, GNUTLS12, *more)
    client.expect(r"^- Simple Client Mode")
    ask(client, "whoami", "nobody")
    client.send("^renegotiate^")
    client.expect(r"(?i)no renegotiation")
    sent = [entry.what for entry in ours.trace if entry.direction is Direction.sent]
    assert "Alert no_renegotiation" in sent


def test_our_server_tells_s_client_so_too(stage: Stage, certificates: Certificates, serve):
    ours = serve()
    client = s_client(stage, ours.port, certificates, "-tls1_2", "-msg")
    ask(client, "whoami", "nobody")
    client.send("R")
    client.expect(r"<<< TLS 1\.2, Alert \[length 0002\], warning no_renegotiation")


def test_what_we_staple_reaches_s_client(
    stage: Stage, certificates: Certificates, serve, ocsp_response: bytes
):
    stapling = credential(certificates.server, ocsp_response=ocsp_response)
    ours = serve(credentials=(stapling,))
    client = s_client(stage, ours.port, certificates, "-tls1_2", "-status")
    client.expect(r"OCSP Response Status: trylater")
    ask(client, "whoami", "nobody")


def test_s_client_exports_what_our_server_does(stage: Stage, certificates: Certificates, serve):
    ours = serve()
    more = ("-keymatexport", "EXPORTER-test", "-keymatexportlen", "40")
    client = s_client(stage, ours.port, certificates, "-tls1_2", *more)
    theirs = client.expect(r"Keying material: ([0-9A-F]+)")[1]
    ask(client, "whoami", "nobody")
    assert ours.last.export(b"EXPORTER-test", None, 40) == bytes.fromhex(theirs)


def test_application_protocols(stage: Stage, certificates: Certificates, serve):
    ours = serve(alpn_protocols=(b"lines/2", b"lines/1"))
    client = s_client(stage, ours.port, certificates, "-tls1_2", "-alpn", "lines/1,x")
    client.expect(r"^ALPN protocol: lines/1")
    ask(client, "whoami", "nobody")
    assert established(ours).alpn_protocol == b"lines/1"
    server = SServer(stage, certificates, "-tls1_2", "-alpn", "lines/1")
    config = client_config(certificates, alpn_protocols=(b"x", b"lines/1"))
    with our_client(server.port, config) as stream:
        assert stream.connection.established is not None
        assert stream.connection.established.alpn_protocol == b"lines/1"


def test_small_records(stage: Stage, certificates: Certificates, serve):
    ours = serve()
    client = s_client(stage, ours.port, certificates, "-tls1_2", "-maxfraglen", "512")
    ask(client, "whoami", "nobody")
    server = SServer(stage, certificates, "-tls1_2")
    config = client_config(certificates, max_fragment_length=512)
    with our_client(server.port, config) as stream:
        big = "x" * 5000
        assert say(stream, big) == big
        assert stream.connection._engine.layer.max_fragment_out == 512
    server2 = GnutlsServ(stage, certificates, GNUTLS12, "--disable-client-cert")
    config = client_config(certificates, record_size_limit=600)
    with our_client(server2.port, config) as stream:
        assert say(stream, big) == big


@pytest.mark.parametrize("offered", [[], ["--tls-max", "1.2"]], ids=["1.3", "1.2"])
def test_curl(stage: Stage, certificates: Certificates, serve, offered: list[str]):
    ours = serve(client_auth=ClientAuth.REQUEST)
    who = certificates.alice
    program = stage.program(
        *(require("curl"), "-q", "-sS", "-4", "--http1.1", "--noproxy", "*", *offered),
        *("--cacert", certificates.ca, "--cert", who.certificate, "--key", who.key),
        f"https://localhost:{ours.port}/whoami",
    )
    assert program.wait() == 0
    program.expect(r"^=> alice")
    assert established(ours).version is (TLS12 if offered else TLS13)


def nss_cipher(suite: CipherSuite) -> tuple[str, str]:
    return "-c", f":{suite:04X}"


def tstclnt(stage: Stage, port: int, certificates: Certificates, *more: str | Path) -> Program:
    return stage.program(
        *(require("tstclnt", "certutil", "pk12util"), "-h", "localhost", "-4", "-p", str(port)),
        *("-V", "tls1.2:tls1.2", "-d", certificates.nss, *more),
    )


@suites
def test_our_server_with_tstclnt(stage: Stage, certificates: Certificates, serve, suite):
    ours = serve()
    client = tstclnt(stage, ours.port, certificates, *nss_cipher(suite), "-G")
    ask(client, "whoami", "nobody")
    assert established(ours).version is TLS12
    assert established(ours).suite.code is suite
    assert established(ours).extended_master_secret
    ask(client, "reauth", "unavailable")


@pytest.mark.parametrize("name", ["alice", "alice_rsa"])
def test_tstclnts_certificate(stage: Stage, certificates: Certificates, serve, name: str):
    who: Who = getattr(certificates, name)
    ours = serve(client_auth=ClientAuth.REQUIRE)
    ask(tstclnt(stage, ours.port, certificates, "-n", who.name), "whoami", who.name)


def test_tstclnt_without_a_certificate(stage: Stage, certificates: Certificates, serve):
    ours = serve(client_auth=ClientAuth.REQUEST)
    ask(tstclnt(stage, ours.port, certificates, "-n", "nobody"), "whoami", "nobody")
    ours = serve(client_auth=ClientAuth.REQUIRE)
    client = tstclnt(stage, ours.port, certificates, "-n", "nobody")
    client.expect(r"SSL_ERROR_HANDSHAKE_FAILURE_ALERT")


def test_tstclnt_that_is_not_trusted(stage: Stage, certificates: Certificates, serve):
    ours = serve(client_auth=ClientAuth.REQUIRE)
    client = tstclnt(stage, ours.port, certificates, "-n", certificates.mallory.name)
    client.expect(r"SSL_ERROR_UNKNOWN_CA_ALERT")


@pytest.mark.parametrize("kept", ["ticket", "session ID"])
def test_tstclnt_comes_back(stage: Stage, certificates: Certificates, serve, kept: str):
    means: dict[str, Any] = {"ticket_keys": Sealer()}
    if kept == "session ID":
        means = {"sessions12": SessionCache12(), "tickets12": False}
    ours = serve(client_auth=ClientAuth.REQUIRE, **means)
    request = certificates.folder / f"request12-{ours.port}"
    request.write_text("GET /whoami HTTP/1.0\r\nHost: localhost\r\n\r\n")
    # two connections, one after the other; -u: with tickets
    more = ("-n", "alice", "-L", "2", "-A", request)
    client = tstclnt(stage, ours.port, certificates, *more, *(["-u"] if kept == "ticket" else []))
    for _ in range(2):
        client.expect(r"^=> alice")
    client.wait()
    resumed = [each.established.resumed for each in ours.connections if each.established]
    assert resumed == [False, True]


class Selfserv:
    """NSS selfserv, which sends every request back."""

    def __init__(self, stage: Stage, certificates: Certificates, who: Who, *more: str) -> None:
        self.port = free_port()
        database = certificates.nss_rsa if who is certificates.server_rsa else certificates.nss
        self.program = stage.program(
            *(require("selfserv", "certutil", "pk12util"), "-d", database, "-n", who.name),
            *("-p", str(self.port), "-V", "tls1.2:tls1.2", "-v", *more),
        )
        self.program.expect(r"About to call accept")


def fetch(stream: Stream) -> None:
    stream.send(b"GET / HTTP/1.0\r\n\r\n")
    page = b""
    while data := stream.receive():
        page += data
    assert page.startswith(b"HTTP/1.0 200")


@suites
def test_our_client_with_selfserv(stage: Stage, certificates: Certificates, suite):
    who = server_for(certificates, suite)
    server = Selfserv(stage, certificates, who, *nss_cipher(suite), "-G")
    with our_client(server.port, client_config(certificates)) as stream:
        settled = stream.connection.established
        assert settled is not None
        assert (settled.version, settled.suite.code) == (TLS12, suite)
        assert settled.extended_master_secret
        fetch(stream)


@pytest.mark.parametrize("name", ["alice", "alice_rsa"])
def test_our_clients_certificate_and_selfserv(stage: Stage, certificates: Certificates, name: str):
    who: Who = getattr(certificates, name)
    server = Selfserv(stage, certificates, certificates.server, "-rr")
    with our_client(server.port, client_config(certificates, who)) as stream:
        fetch(stream)
    server.program.expect(rf"^selfserv: Subject: CN={who.name}$")


def test_our_client_declines_and_selfserv(stage: Stage, certificates: Certificates):
    server = Selfserv(stage, certificates, certificates.server, "-r")
    with our_client(server.port, client_config(certificates)) as stream:
        fetch(stream)
    server = Selfserv(stage, certificates, certificates.server, "-rr")
    # selfserv names the authority that it trusts, and mallory has nothing from there
    for who in ((), (certificates.mallory,)):
        config = client_config(certificates, *who)
        with pytest.raises(AlertReceived) as caught, our_client(server.port, config) as stream:
            fetch(stream)
        assert caught.value.received == 42  # bad_certificate


@pytest.mark.parametrize("tickets", [True, False], ids=["ticket", "session ID"])
def test_our_client_comes_back_to_selfserv(
    stage: Stage, certificates: Certificates, tickets: bool
) -> None:
    more = ["-u"] if tickets else []
    server = Selfserv(stage, certificates, certificates.server, "-rr", *more)
    config = client_config(certificates, certificates.alice)
    session = None
    for time in range(2):
        with our_client(server.port, config, session) as stream:
            fetch(stream)
            settled = stream.connection.established
            assert settled is not None
            assert settled.resumed is (time > 0)
            session = stream.connection.session12
            assert session is not None
            assert bool(session.ticket) is tickets


# CPython's ssl


def test_cpython_client(stage: Stage, certificates: Certificates, serve):
    ours = serve(client_auth=ClientAuth.REQUIRE, ticket_keys=Sealer())
    context = ssl.create_default_context(cafile=str(certificates.ca))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificates.alice.certificate, certificates.alice.key)
    session = None
    for time in range(2):
        with (
            connect(ours.port) as sock,
            context.wrap_socket(sock, server_hostname="localhost", session=session) as tls,
        ):
            assert tls.version() == "TLSv1.2"
            tls.sendall(b"whoami\n")
            assert tls.recv(100) == b"=> alice\n"
            assert tls.session_reused is (time > 0)
            session = tls.session
        assert established(ours).resumed is (time > 0)


def test_cpython_server(stage: Stage, certificates: Certificates):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(certificates.ca))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(certificates.server.certificate, certificates.server.key)
    seen: list[Any] = []

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(TIMEOUT)

        def run() -> None:
            for _ in range(2):
                sock, _ = listener.accept()
                sock.settimeout(TIMEOUT)
                with context.wrap_socket(sock, server_side=True) as tls:
                    seen.append((tls.version(), tls.session_reused, tls.getpeercert()))
                    tls.sendall(tls.recv(100)[::-1])
                    tls.recv(100)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        config = client_config(certificates, certificates.alice)
        session = None
        for time in range(2):
            with our_client(listener.getsockname()[1], config, session) as stream:
                stream.send(b"abc")
                assert stream.receive() == b"cba"
                assert stream.connection.established is not None
                assert stream.connection.established.resumed is (time > 0)
                with pytest.raises(ReauthUnavailable, match=r"TLS 1\.2"):
                    stream.connection.request_auth()
                session = stream.connection.session12
        thread.join(TIMEOUT)
    assert [each[:2] for each in seen] == [("TLSv1.2", False), ("TLSv1.2", True)]
    assert all("alice" in str(each[2]["subject"]) for each in seen)
