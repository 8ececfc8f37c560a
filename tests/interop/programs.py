"""The real programs: servers for our client, clients for our server."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from tests.interop.certificates import Certificates, Who
from tests.interop.lines import MARK
from tests.interop.program import (
    TIMEOUT,
    PeerFailed,
    Program,
    Stage,
    Stoppable,
    free_port,
)
from tests.requirements import require
from tests.waiting import MOMENT

__all__ = [
    "Curl",
    "Fetched",
    "Fetcher",
    "GnutlsCli",
    "GnutlsServ",
    "Httpd",
    "ProgramClient",
    "SClient",
    "SServer",
    "Selfserv",
    "Tstclnt",
    "Wget",
]

TLS13 = "NORMAL:-VERS-ALL:+VERS-TLS1.3"


# Servers


class SServer:
    """openssl s_server, told what to do on its standard input."""

    def __init__(self, stage: Stage, certificates: Certificates, *more: str) -> None:
        openssl = require("openssl")
        self.port = free_port()
        # Not -quiet, -brief or -www: they switch the commands off.
        self._program = stage.program(
            *(openssl, "s_server", "-accept", f"127.0.0.1:{self.port}", "-tls1_3", "-msg"),
            *("-cert", certificates.server.certificate, "-key", certificates.server.key),
            # without -verify_return_error whom it does not trust is only reported
            *("-CAfile", certificates.ca, "-verify_return_error", *more),
        )
        self.expect = self._program.expect
        self.expect(r"^ACCEPT")

    def wait_for_handshake(self) -> None:
        """Wait until a command is safe.

        One that comes earlier makes s_server ask DURING the handshake.
        """
        self.expect(r"^CIPHER is")

    def request(self) -> None:
        """Ask for a certificate."""
        self._program.send("c")
        self._expect_sent("CertificateRequest")

    def request_in_vain(self) -> None:
        """Try to ask a client that did not offer."""
        self._program.send("c")
        self.expect(r"extension not received")

    def update(self) -> None:
        """Change our keys and have the client change its."""
        self._program.send("K")
        # with update_requested, unlike its answer to an update of the client's
        self._expect_sent("KeyUpdate", r"\n    18 00 00 01 01")

    def _expect_sent(self, name: str, more: str = "") -> None:
        # it takes what it finds on standard input for one command: no second one before
        self.expect(rf"^>>> TLS 1\.3, Handshake \[length [0-9a-f]+\], {name}{more}$")

    def say(self, text: str) -> None:
        """Send a line of data, after everything before it."""
        self._program.send(text)

    def expect_message(self, name: str) -> None:
        """Wait for a handshake message from the client."""
        self.expect(rf"^<<< TLS 1\.3, Handshake \[length [0-9a-f]+\], {name}$")

    def expect_identity(self, who: Who, certificate: str = "Certificate") -> None:
        """Wait for the whole of an accepted answer; the certificate comes in this message."""
        self.expect_message(certificate)
        self.expect(rf"^depth=0 CN ?= ?{who.name}$")
        self.expect(r"^verify return:1$")
        self.expect_message("CertificateVerify")
        self.expect_message("Finished")

    def expect_decline(self, certificate: str = "Certificate") -> None:
        """Wait for an answer without a certificate; the empty list comes in this message."""
        if certificate == "Certificate":
            # context and an empty list: a header of 4 bytes, 1 + 32, and 3
            self.expect(r"^<<< TLS 1\.3, Handshake \[length 0028\], Certificate$")
        else:
            self.expect_message(certificate)
        self.expect_message("Finished")


class GnutlsServ:
    """gnutls-serv --echo, which asks when the client sends the line ``**REAUTH**``."""

    def __init__(self, stage: Stage, certificates: Certificates) -> None:
        serv = require("gnutls-serv")
        self.port = free_port()
        self._program = stage.program(
            # --disable-client-cert: not in the handshake; REAUTH requires one all the same
            *(serv, "--echo", "--disable-client-cert", "--verify-client-cert"),
            *("-p", str(self.port), "--priority", TLS13, "--x509cafile", certificates.ca),
            *("--x509certfile", certificates.server.certificate),
            *("--x509keyfile", certificates.server.key),
        )
        self.expect = self._program.expect
        self.expect(r"listening on IPv4 .*\.\.\.done")


class Selfserv:
    """NSS selfserv, a small HTTP server that asks after the first request."""

    def __init__(
        self, stage: Stage, certificates: Certificates, *more: str, required: bool = True
    ) -> None:
        selfserv = require("selfserv", "certutil", "pk12util")
        self.port = free_port()
        self._program = stage.program(
            *(selfserv, "-d", certificates.nss, "-n", certificates.server.name),
            # -E: after the handshake; three -r: requested, four: required
            *("-p", str(self.port), "-V", "tls1.3:tls1.3", "-E", "-v"),
            *("-rrrr" if required else "-rrr", *more),
        )
        self.expect = self._program.expect
        self.expect(r"About to call accept")


class Httpd(Stoppable):
    """Apache httpd: ``/protected`` requires a certificate, ``/optional`` asks for one."""

    def __init__(self, stage: Stage, certificates: Certificates) -> None:
        apache = require("apache2")
        modules = Path(require("mod_ssl.so")).parent
        self.port = free_port()
        # its workers are another user if root started it
        self._folder = Path(tempfile.mkdtemp(prefix="postshake-httpd-"))
        self._folder.chmod(0o755)
        stage.hold(self)
        self._pages = self._folder / "htdocs"
        for path in ("index.html", "protected/index.html", "optional/index.html"):
            (self._pages / path).parent.mkdir(parents=True, exist_ok=True)
            (self._pages / path).write_text(f"{path}\n")
        config = self._folder / "httpd.conf"
        config.write_text(self._config(certificates, modules))
        self._program = stage.program(apache, "-d", self._folder, "-f", config, "-D", "FOREGROUND")
        self._wait()

    def _config(self, certificates: Certificates, modules: Path) -> str:
        names = ["mpm_event", "authz_core", "dir", "headers", "socache_shmcb", "ssl"]
        lines = [f'LoadModule {name}_module "{modules}/mod_{name}.so"' for name in names]
        return f"""
{chr(10).join(lines)}
ServerRoot "{self._folder}"
DefaultRuntimeDir "{self._folder}"
PidFile "{self._folder}/httpd.pid"
ServerName localhost
Listen 127.0.0.1:{self.port}
User www-data
Group www-data
StartServers 1
ServerLimit 1
ThreadsPerChild 4
MaxRequestWorkers 4
MinSpareThreads 1
MaxSpareThreads 4
ErrorLog "{self._folder}/error.log"
LogLevel warn ssl:debug
CustomLog "{self._folder}/access.log" "%r: %>s"
DocumentRoot "{self._pages}"
DirectoryIndex index.html
SSLSessionCache none
<VirtualHost 127.0.0.1:{self.port}>
    ServerName localhost
    SSLEngine on
    SSLProtocol -all +TLSv1.3
    SSLCertificateFile "{certificates.server.certificate}"
    SSLCertificateKeyFile "{certificates.server.key}"
    SSLCACertificateFile "{certificates.ca}"
    SSLVerifyClient none
    SSLVerifyDepth 2
    <Directory "{self._pages}">
        Require all granted
    </Directory>
    <Location "/protected">
        SSLVerifyClient require
    </Location>
    <Location "/optional">
        SSLVerifyClient optional
    </Location>
    Header set X-Client "%{{SSL_CLIENT_VERIFY}}s %{{SSL_CLIENT_S_DN}}s"
</VirtualHost>
"""

    def _wait(self) -> None:
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", self.port), timeout=MOMENT),
            ):
                return
            if self._program.ended:
                break
            time.sleep(0.02)
        raise PeerFailed(f"httpd does not listen\n{self._program.log()}\n{self.log()}")

    def expect_log(self, pattern: str, log: str = "error.log") -> None:
        """Wait for a line in a log, which is written after the response."""
        deadline = time.monotonic() + TIMEOUT
        while not re.search(pattern, self._read(log)):
            if time.monotonic() > deadline:
                raise PeerFailed(f"no {pattern!r} in {log}\n{self.log()}")
            time.sleep(0.02)

    def _read(self, log: str) -> str:
        with contextlib.suppress(FileNotFoundError):
            return (self._folder / log).read_text(errors="replace")
        return ""

    def log(self) -> str:
        return f"# access.log\n{self._read('access.log')}# error.log\n{self._read('error.log')}"

    def stop(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


# Clients that type lines


class ProgramClient:
    """A program that sends what we type and prints what it receives."""

    can_update: ClassVar[bool] = True
    """Whether it can start a key update."""
    repeats: ClassVar[bool] = True
    """Whether it gets more than one answer right."""
    program: Program

    def __init__(
        self,
        stage: Stage,
        port: int,
        certificates: Certificates,
        who: Who | None,
        *,
        offer: bool = True,
    ) -> None:
        raise NotImplementedError

    def ask(self, line: str) -> str:
        """Send a line and return the answer to it."""
        self.program.send(line)
        return self.program.expect(rf"{MARK}(.*)$")[1].strip()

    def last_words(self, line: str) -> str:
        """Send a line that the server will not survive; return what the program says."""
        self.program.send(line)
        self.program.wait()
        return self.program.output

    def update(self) -> None:
        """Change our keys and have the server change its."""
        raise NotImplementedError


class SClient(ProgramClient):
    """openssl s_client."""

    def __init__(
        self,
        stage: Stage,
        port: int,
        certificates: Certificates,
        who: Who | None,
        *more: str,
        offer: bool = True,
    ) -> None:
        openssl = require("openssl")
        arguments: list[str | Path] = ["-enable_pha"] if offer else []
        if who is not None:
            arguments += ["-cert", who.certificate, "-key", who.key]
        self.program = stage.program(
            *(openssl, "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_3", "-msg"),
            # it sends no name for an address
            *("-servername", "localhost", "-CAfile", certificates.ca, "-verify_return_error"),
            *arguments,
            *more,
        )
        self.program.expect(r"^Verify return code: 0 \(ok\)")

    def update(self) -> None:
        self.program.send("K")
        self.program.expect(r"^KEYUPDATE")


class GnutlsCli(ProgramClient):
    """gnutls-cli. Its standard input has to stay open."""

    def __init__(
        self,
        stage: Stage,
        port: int,
        certificates: Certificates,
        who: Who | None,
        *,
        offer: bool = True,
    ) -> None:
        cli = require("gnutls-cli")
        arguments: list[str | Path] = ["--post-handshake-auth"] if offer else []
        if who is not None:
            arguments += ["--x509certfile", who.certificate, "--x509keyfile", who.key]
        self.program = stage.program(
            *(cli, "127.0.0.1", "-p", str(port), "--priority", TLS13, "--inline-commands"),
            *("--sni-hostname", "localhost", "--verify-hostname", "localhost"),
            *("--x509cafile", certificates.ca, *arguments),
        )
        self.program.expect(r"^- Simple Client Mode")

    def update(self) -> None:
        self.program.send("^rekey^")
        self.program.expect(r"^- Rekey was completed")


class Tstclnt(ProgramClient):
    """NSS tstclnt. It finds no certificate under a nickname that is nobody's."""

    can_update = False

    def __init__(
        self,
        stage: Stage,
        port: int,
        certificates: Certificates,
        who: Who | None,
        *more: str,
        offer: bool = True,
    ) -> None:
        tstclnt = require("tstclnt", "certutil", "pk12util")
        self.program = stage.program(
            *(tstclnt, "-h", "localhost", "-4", "-p", str(port), "-V", "tls1.3:tls1.3"),
            *("-d", certificates.nss, "-n", who.name if who else "nobody"),
            *(["-E"] if offer else []),
            *more,
        )
        self.program.expect(r"^subject DN: CN=localhost")


# Clients that fetch pages


class Fetched:
    """What a program fetched: its exit status and everything that it printed."""

    def __init__(self, status: int, output: str) -> None:
        self.status = status
        self.output = output

    @property
    def answers(self) -> list[str]:
        """The answers of the server, in order."""
        return re.findall(rf"^{MARK}(.*)$", self.output, re.MULTILINE)


class Fetcher:
    """A program that fetches pages and ends."""

    names_alerts: ClassVar[bool] = True
    """Whether it tells which alert it received."""

    def __init__(self, stage: Stage, certificates: Certificates) -> None:
        self._stage = stage
        self._certificates = certificates

    def fetch(self, port: int, who: Who | None, *paths: str, offer: bool = True) -> Fetched:
        """Fetch the pages over one connection."""
        program = self._start(port, who, paths, offer)
        program.end_input()
        return Fetched(program.wait(), program.output)

    def _start(self, port: int, who: Who | None, paths: Sequence[str], offer: bool) -> Program:
        raise NotImplementedError


class Curl(Fetcher):
    """curl. Its OpenSSL backend always offers post_handshake_auth."""

    def _start(self, port: int, who: Who | None, paths: Sequence[str], offer: bool) -> Program:
        curl = require("curl")
        pair: list[str | Path] = ["--cert", who.certificate, "--key", who.key] if who else []
        return self._stage.program(
            *(curl, "-q", "-sS", "-4", "--http1.1", "--noproxy", "*", "--max-time", str(TIMEOUT)),
            *("--cacert", self._certificates.ca, *pair),
            *(f"https://localhost:{port}{path}" for path in paths),
        )


class Wget(Fetcher):
    """wget. Its GnuTLS backend always offers post_handshake_auth."""

    names_alerts = False

    def _start(self, port: int, who: Who | None, paths: Sequence[str], offer: bool) -> Program:
        wget = require("wget")
        pair = [f"--certificate={who.certificate}", f"--private-key={who.key}"] if who else []
        return self._stage.program(
            # one try: it would make twenty, for minutes
            *(wget, "--no-config", "-nv", "-O", "-", "--tries=1", f"--timeout={TIMEOUT:g}", "-4"),
            *("--no-hsts", "--no-proxy", f"--ca-certificate={self._certificates.ca}", *pair),
            *(f"https://localhost:{port}{path}" for path in paths),
        )
