"""Resumption, pre-shared keys and early data with OpenSSL and GnuTLS, both ways."""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from postshake import (
    AuthRequest,
    ChainVerifier,
    ClientAuth,
    ClientConfig,
    Credential,
    ExternalPsk,
    Outcome,
    PostshakeError,
    PskKind,
    ServerConfig,
    Ticket,
    TrustStore,
)
from postshake.constants import NamedGroup, PskKeyExchangeMode
from postshake.drive.sync import Stream
from postshake.events import Established
from postshake.resumption import EarlyDataClaim
from tests.interop.certificates import Certificates, Who
from tests.interop.program import TIMEOUT, Program, Stage, Stoppable, free_port
from tests.interop.versions import gnutls_serv_echoes_early_data
from tests.requirements import require

KEY = ExternalPsk(b"sensor7", bytes(range(32)))
TLS13 = "NORMAL:-VERS-ALL:+VERS-TLS1.3"
WITH_PSK = f"{TLS13}:-KX-ALL:+ECDHE-PSK"
EARLY = b"early bird\n"


def credential(who: Who) -> Credential:
    return Credential.from_files(who.certificate, who.key)


class Visit:
    """What our server saw of one connection."""

    def __init__(self, stream: Stream, request: AuthRequest | None) -> None:
        self.established: Established = stream.handshake()
        self.early = b""
        while stream.connection.read_is_early:
            self.early += stream.receive()
        self.outcome: Outcome | None = None
        if request is not None:
            self.outcome = stream.reauth(request).outcome
            stream.connection.send_tickets()
        self.name = stream.peer_identity.common_name if stream.peer_identity else None
        with contextlib.suppress(PostshakeError, OSError):  # some leave without a word
            stream.send(b"welcome\n")
            while data := stream.receive():
                stream.send(data)


class SessionServer(Stoppable):
    """Our server, one connection after another, until it is stopped."""

    def __init__(
        self, certificates: Certificates, request: AuthRequest | None = None, **fields: Any
    ) -> None:
        self.config = ServerConfig(
            **{
                "credentials": (credential(certificates.server),),
                "verifier": ChainVerifier(TrustStore.from_files(certificates.ca)),
                **fields,
            }
        )
        self.request = request
        self.visits: list[Visit] = []
        self.errors: list[Exception] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._came = threading.Condition()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.settimeout(TIMEOUT)
            stream = Stream(sock, self.config)
            try:
                visit = Visit(stream, self.request)
                with self._came:
                    self.visits.append(visit)
                    self._came.notify_all()
            except Exception as error:
                self.errors.append(error)
            finally:
                with contextlib.suppress(Exception):
                    stream.close()

    def visit(self, number: int) -> Visit:
        """Wait for the end of a connection, counted from 0."""
        with self._came:
            came = self._came.wait_for(lambda: len(self.visits) > number, TIMEOUT)
        assert came, f"no connection {number}: {self.errors}"
        return self.visits[number]

    def log(self) -> str:
        return f"# our server: {self.errors}"

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(TIMEOUT)


def s_client(stage: Stage, certificates: Certificates, port: int, *options: Any) -> Program:
    return stage.program(
        *(require("openssl"), "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_3"),
        *("-CAfile", certificates.ca, "-servername", "localhost", *options),
    )


def leave(program: Program) -> str:
    """See the welcome, go, and give what it printed."""
    program.expect(r"welcome")  # amidst the dump of a ticket, if it likes
    program.send("Q")
    program.wait()
    return program.output


# --- OpenSSL's client, our server


class TestSClient:
    @pytest.mark.parametrize(
        "fields",
        [
            {},
            {"groups": (NamedGroup.secp384r1,)},
            {"require_cookie": True},
            {"cipher_suites": (0x1302,)},
            {"cipher_suites": (0x1303,)},
        ],
        ids=["plain", "retry", "cookie", "sha384", "chacha"],
    )
    def test_resume(
        self, stage: Stage, certificates: Certificates, tmp_path: Path, fields: Any
    ) -> None:
        server = stage.hold(SessionServer(certificates, **fields))
        session = tmp_path / "session"
        groups = ("-groups", "X25519:P-384")
        first = s_client(stage, certificates, server.port, *groups, "-sess_out", session)
        assert "New, TLSv1.3" in leave(first)
        second = s_client(stage, certificates, server.port, *groups, "-sess_in", session)
        assert "Reused, TLSv1.3" in leave(second)
        assert not server.visit(0).established.resumed
        established = server.visit(1).established
        assert established.resumed
        assert established.hello_retry_request == ("groups" in fields or "require_cookie" in fields)

    def test_b10_the_identity_comes_with_the_ticket(
        self, stage: Stage, certificates: Certificates, tmp_path: Path
    ) -> None:
        server = stage.hold(SessionServer(certificates, client_auth=ClientAuth.REQUIRE))
        alice, session = certificates.alice, tmp_path / "session"
        options = ("-cert", alice.certificate, "-key", alice.key, "-sess_out", session)
        leave(s_client(stage, certificates, server.port, *options))
        leave(s_client(stage, certificates, server.port, "-sess_in", session))
        assert [server.visit(0).name, server.visit(1).name] == [alice.name, alice.name]
        assert server.visit(1).established.resumed

    def test_r39_a_ticket_after_reauth_carries_the_identity(
        self, stage: Stage, certificates: Certificates, tmp_path: Path
    ) -> None:
        server = stage.hold(SessionServer(certificates, AuthRequest(within=TIMEOUT)))
        alice, session = certificates.alice, tmp_path / "session"
        known = ("-enable_pha", "-cert", alice.certificate, "-key", alice.key)
        leave(s_client(stage, certificates, server.port, *known, "-sess_out", session))
        server.request = None
        leave(s_client(stage, certificates, server.port, "-sess_in", session))
        server.request = AuthRequest(within=TIMEOUT)
        leave(s_client(stage, certificates, server.port, *known, "-sess_in", session))
        visits = [server.visit(number) for number in range(3)]
        assert [visit.established.resumed for visit in visits] == [False, True, True]
        assert [visit.name for visit in visits] == [alice.name] * 3
        assert visits[2].outcome is Outcome.AUTHENTICATED  # reauth in a resumed session

    @pytest.mark.parametrize("allowed", [True, False])
    def test_early_data(
        self, stage: Stage, certificates: Certificates, tmp_path: Path, allowed: bool
    ) -> None:
        server = stage.hold(SessionServer(certificates, max_early_data=1000))
        session, data = tmp_path / "session", tmp_path / "data"
        data.write_bytes(EARLY)
        leave(s_client(stage, certificates, server.port, "-sess_out", session))
        if not allowed:
            server.config = replace(server.config, max_early_data=0)
        options = ("-sess_in", session, "-early_data", data)
        said = leave(s_client(stage, certificates, server.port, *options))
        visit = server.visit(1)
        assert visit.established.resumed
        assert visit.established.early_data_accepted is allowed
        assert visit.early == (EARLY if allowed else b"")
        assert f"Early data was {'accepted' if allowed else 'rejected'}" in said

    @pytest.mark.parametrize("reauth", [False, True])
    def test_b2_external_psk(self, stage: Stage, certificates: Certificates, reauth: bool) -> None:
        request = AuthRequest(within=TIMEOUT) if reauth else None
        server = stage.hold(SessionServer(certificates, request, credentials=(), psks=(KEY,)))
        alice = certificates.alice
        known = ("-enable_pha", "-cert", alice.certificate, "-key", alice.key) if reauth else ()
        program = s_client(
            *(stage, certificates, server.port, "-psk", KEY.key.hex()),
            *("-psk_identity", KEY.identity.decode(), *known),
        )
        leave(program)
        visit = server.visit(0)
        assert (visit.established.psk, visit.established.psk_identity) == (
            *(PskKind.EXTERNAL, KEY.identity),
        )
        assert visit.name == (alice.name if reauth else None)

    def test_a_wrong_psk(self, stage: Stage, certificates: Certificates) -> None:
        server = stage.hold(SessionServer(certificates, credentials=(), psks=(KEY,)))
        options = ("-psk", bytes(32).hex(), "-psk_identity", KEY.identity.decode())
        s_client(stage, certificates, server.port, *options).expect(r"alert decrypt error")


# --- our client, OpenSSL's server


class OurVisits:
    """Our client, connection after connection."""

    def __init__(self, certificates: Certificates, port: int, **fields: Any) -> None:
        fields.setdefault("credentials", (credential(certificates.alice),))
        fields.setdefault("verifier", ChainVerifier(TrustStore.from_files(certificates.ca)))
        self.config = ClientConfig(**fields)
        self.port = port

    def open(self, ticket: Ticket | None = None, early: bytes = b"") -> Stream:
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=TIMEOUT)
        stream = Stream(sock, self.config, "localhost", session=ticket)
        if early:
            stream.connection.send_early_data(early)
        stream.handshake()
        return stream


def s_server(stage: Stage, certificates: Certificates, *options: Any) -> tuple[Program, int]:
    port = free_port()
    program = stage.program(
        *(require("openssl"), "s_server", "-accept", f"127.0.0.1:{port}", "-tls1_3"),
        *("-cert", certificates.server.certificate, "-key", certificates.server.key),
        *("-CAfile", certificates.ca, "-verify_return_error", *options),
    )
    program.expect(r"^ACCEPT")
    return program, port


def hear(stream: Stream, program: Program) -> None:
    """Take a line of the server's, and the tickets that came before it."""
    program.expect(r"^CIPHER is")
    program.send("hear")
    assert stream.receive() == b"hear\n"


class TestSServer:
    @pytest.mark.parametrize(
        "options",
        [(), ("-groups", "P-384"), ("-ciphersuites", "TLS_AES_256_GCM_SHA384")],
        ids=["plain", "retry", "sha384"],
    )
    @pytest.mark.parametrize("reauth", [False, True])
    def test_resume(
        self, stage: Stage, certificates: Certificates, options: Any, reauth: bool
    ) -> None:
        program, port = s_server(stage, certificates, "-msg", *options)
        ours = OurVisits(certificates, port)
        with ours.open() as stream:
            hear(stream, program)
            ticket = stream.connection.tickets[-1]
        with ours.open(Ticket.from_bytes(ticket.to_bytes())) as stream:
            assert stream.handshake().resumed
            assert stream.peer_identity is not None
            assert stream.peer_identity.common_name == certificates.server.name
            hear(stream, program)
            if reauth:
                program.send("c")
                # it takes what it finds on standard input for one command
                program.expect(
                    r"^>>> TLS 1\.3, Handshake \[length [0-9a-f]+\], CertificateRequest$"
                )
                program.send("after")
                assert stream.receive() == b"after\n"
                program.expect(rf"^depth=0 CN ?= ?{certificates.alice.name}$")

    @pytest.mark.parametrize("allowed", [True, False])
    def test_early_data(self, stage: Stage, certificates: Certificates, allowed: bool) -> None:
        # without -early_data its tickets allow it all the same when they say so
        program, port = s_server(stage, certificates, "-early_data")
        ours = OurVisits(certificates, port)
        with ours.open() as stream:
            hear(stream, program)
            ticket = stream.connection.tickets[-1]
        assert ticket.max_early_data_size == 16384
        if not allowed:  # it looks at its clock, too
            ticket = replace(ticket, received_at=ticket.received_at - 60)
        with ours.open(ticket, EARLY) as stream:
            established = stream.handshake()
            assert established.resumed
            assert established.early_data_accepted is allowed
            if allowed:
                program.expect(r"early bird$")  # printed past what it prints with stdio
            hear(stream, program)

    def test_early_data_and_a_retry(self, stage: Stage, certificates: Certificates) -> None:
        program, port = s_server(stage, certificates, "-early_data", "-groups", "P-384:X25519")
        groups = {"groups": (NamedGroup.x25519, NamedGroup.secp384r1)}
        ours = OurVisits(certificates, port, **groups)
        with ours.open() as stream:
            hear(stream, program)
            ticket = stream.connection.tickets[-1]
        # another server, which knows neither ticket nor group
        program, port = s_server(stage, certificates, "-early_data", "-groups", "P-384")
        ours.port = port
        with ours.open(ticket, EARLY) as stream:
            established = stream.handshake()
            assert established.hello_retry_request
            assert not established.early_data_accepted
            hear(stream, program)

    @pytest.mark.parametrize("mode", list(PskKeyExchangeMode))
    def test_external_psk(
        self, stage: Stage, certificates: Certificates, mode: PskKeyExchangeMode
    ) -> None:
        port = free_port()
        program = stage.program(
            *(require("openssl"), "s_server", "-accept", f"127.0.0.1:{port}", "-tls1_3"),
            *("-nocert", "-psk", KEY.key.hex(), "-psk_identity", KEY.identity.decode()),
            *(("-allow_no_dhe_kex",) if mode is PskKeyExchangeMode.psk_ke else ()),
        )
        program.expect(r"^ACCEPT")
        fields = {"psks": (KEY,), "verifier": None, "psk_modes": (mode,)}
        ours = OurVisits(certificates, port, **fields)
        with ours.open() as stream:
            established = stream.handshake()
            assert established.psk is PskKind.EXTERNAL
            assert (established.group is None) == (mode is PskKeyExchangeMode.psk_ke)
            hear(stream, program)
            ticket = stream.connection.tickets[-1]
        with ours.open(ticket) as stream:
            established = stream.handshake()
            assert (established.psk, established.psk_identity) == (
                *(PskKind.RESUMPTION, KEY.identity),
            )
            hear(stream, program)

    def test_reauth_with_an_external_psk(self, stage: Stage, certificates: Certificates) -> None:
        options = ("-psk", KEY.key.hex(), "-psk_identity", KEY.identity.decode(), "-msg")
        program, port = s_server(stage, certificates, *options)
        with OurVisits(certificates, port, psks=(KEY,)).open() as stream:
            assert stream.handshake().psk is PskKind.EXTERNAL
            hear(stream, program)
            program.send("c")
            program.expect(r"^>>> TLS 1\.3, Handshake \[length [0-9a-f]+\], CertificateRequest$")
            program.send("after")
            assert stream.receive() == b"after\n"
            program.expect(rf"^depth=0 CN ?= ?{certificates.alice.name}$")


# --- GnuTLS


def gnutls_cli(stage: Stage, certificates: Certificates, port: int, *options: Any) -> Program:
    return stage.program(
        *(require("gnutls-cli"), "-p", str(port), "localhost"),
        *("--x509cafile", certificates.ca, *options),
    )


class Refusing:
    """A guard to whom everything was there before."""

    def __init__(self) -> None:
        self.asked = 0

    def claim(self, claim: EarlyDataClaim) -> bool:
        self.asked += 1
        return False


class TestGnutlsCli:
    def test_resume(self, stage: Stage, certificates: Certificates) -> None:
        server = stage.hold(SessionServer(certificates, client_auth=ClientAuth.REQUIRE))
        alice = certificates.alice
        program = gnutls_cli(
            *(stage, certificates, server.port, "--priority", TLS13, "--resume"),
            *("--waitresumption", "--x509certfile", alice.certificate),
            *("--x509keyfile", alice.key),
        )
        program.expect(r"This is a resumed session")
        program.end_input()
        assert not server.visit(0).established.resumed
        visit = server.visit(1)
        assert visit.established.resumed
        assert visit.name == alice.name

    @pytest.mark.parametrize("allowed", [True, False])
    def test_early_data(
        self, stage: Stage, certificates: Certificates, tmp_path: Path, allowed: bool
    ) -> None:
        guard = None if allowed else Refusing()
        server = stage.hold(SessionServer(certificates, max_early_data=1000, replay_guard=guard))
        data = tmp_path / "data"
        data.write_bytes(EARLY)
        program = gnutls_cli(
            *(stage, certificates, server.port, "--priority", TLS13, "--resume"),
            *("--waitresumption", f"--earlydata={data}"),
        )
        program.expect(r"This is a resumed session")
        program.end_input()
        visit = server.visit(1)
        assert visit.established.resumed
        assert visit.established.early_data_accepted is allowed
        assert visit.early == (EARLY if allowed else b"")
        assert guard is None or guard.asked == 1

    def test_reauth_with_an_external_psk(self, stage: Stage, certificates: Certificates) -> None:
        request, alice = AuthRequest(within=TIMEOUT), certificates.alice
        server = stage.hold(SessionServer(certificates, request, credentials=(), psks=(KEY,)))
        program = gnutls_cli(
            *(stage, certificates, server.port, "--priority", WITH_PSK, "--post-handshake-auth"),
            *("--pskusername", KEY.identity.decode(), "--pskkey", KEY.key.hex()),
            *("--x509certfile", alice.certificate, "--x509keyfile", alice.key),
        )
        program.expect(r"^welcome$")
        program.end_input()
        visit = server.visit(0)
        assert visit.established.psk is PskKind.EXTERNAL
        assert (visit.outcome, visit.name) == (Outcome.AUTHENTICATED, alice.name)

    @pytest.mark.parametrize("kx", ["ECDHE-PSK", "PSK"])
    def test_external_psk(self, stage: Stage, certificates: Certificates, kx: str) -> None:
        modes = (PskKeyExchangeMode.psk_ke, PskKeyExchangeMode.psk_dhe_ke)
        server = stage.hold(
            SessionServer(certificates, credentials=(), psks=(KEY,), psk_modes=modes)
        )
        program = gnutls_cli(
            *(stage, certificates, server.port, "--priority", f"{TLS13}:-KX-ALL:+{kx}"),
            *("--pskusername", KEY.identity.decode(), "--pskkey", KEY.key.hex()),
        )
        program.expect(r"^- Handshake was completed")
        program.end_input()
        established = server.visit(0).established
        assert established.psk_identity == KEY.identity
        assert (established.group is None) == (kx == "PSK")


def gnutls_serv(stage: Stage, certificates: Certificates, *options: Any) -> tuple[Program, int]:
    port = free_port()
    program = stage.program(
        *(require("gnutls-serv"), "--echo", "-p", str(port)),
        *("--x509cafile", certificates.ca, *options),
    )
    program.expect(r"listening on IPv4 .*\.\.\.done")
    return program, port


def receive_to(stream: Stream, end: bytes) -> bytes:
    received = b""
    while not received.endswith(end):
        received += (data := stream.receive())
        assert data, f"closed after {received!r}"
    return received


def echo(stream: Stream) -> None:
    stream.send(b"echo\n")
    receive_to(stream, b"echo\n")


class TestGnutlsServ:
    @pytest.mark.parametrize("early", ["none", "accepted", "refused"])
    def test_resume(self, stage: Stage, certificates: Certificates, early: str) -> None:
        program, port = gnutls_serv(
            *(stage, certificates, "--priority", TLS13, "--earlydata"),
            *("--x509certfile", certificates.server.certificate),
            *("--x509keyfile", certificates.server.key, "--disable-client-cert"),
            "--verify-client-cert",
        )
        ours = OurVisits(certificates, port)
        with ours.open() as stream:
            echo(stream)
            ticket = stream.connection.tickets[-1]
        if early == "refused":  # it takes a ticket's age that does not fit for a replay
            ticket = replace(ticket, received_at=ticket.received_at - 60)
        with ours.open(ticket, b"" if early == "none" else EARLY) as stream:
            established = stream.handshake()
            assert established.resumed
            assert established.early_data_accepted is (early == "accepted")
            assert stream.peer_identity is not None
            stream.send(b"**REAUTH**\n")
            echoed = EARLY if early == "accepted" and gnutls_serv_echoes_early_data() else b""
            assert receive_to(stream, b"command\n") == echoed + b"Successfully executed command\n"
            echo(stream)
        program.expect(r"This is a resumed session")

    def test_external_psk(self, stage: Stage, certificates: Certificates, tmp_path: Path) -> None:
        passwords = tmp_path / "psk"
        passwords.write_text(f"{KEY.identity.decode()}:{KEY.key.hex()}\n")
        options = (
            *("--priority", WITH_PSK, "--pskpasswd", passwords, "--verify-client-cert"),
            *("--x509certfile", certificates.server.certificate),
            *("--x509keyfile", certificates.server.key, "--disable-client-cert"),
        )
        _, port = gnutls_serv(stage, certificates, *options)
        ours = OurVisits(certificates, port, psks=(KEY,), verifier=None)
        with ours.open() as stream:
            assert stream.handshake().psk is PskKind.EXTERNAL
            stream.send(b"**REAUTH**\n")
            assert b"Successfully executed command" in stream.receive()
            echo(stream)
            ticket = stream.connection.tickets[-1]
        with ours.open(ticket) as stream:
            established = stream.handshake()
            assert (established.psk, established.psk_identity) == (
                *(PskKind.RESUMPTION, KEY.identity),
            )
            echo(stream)
