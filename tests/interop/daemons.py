"""Servers that begin in the clear and go over to TLS: mail, a directory, chat.

Each asks for a client's certificate in the handshake and says whose it was, in its own words.
They listen on free ports, and keep what they write in a folder of the test's.
"""

from __future__ import annotations

import contextlib
import socket
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.interop import versions
from tests.interop.certificates import Certificates
from tests.interop.program import (
    TIMEOUT,
    PeerFailed,
    Program,
    Stage,
    Stoppable,
    free_port,
)
from tests.requirements import require, require_root

__all__ = ["DAEMONS", "Daemon", "daemon"]


@dataclass
class Daemon:
    """A server that is there.

    Args:
        program: its process.
        port: where it listens.
        asks: what to say to it to hear who we are, and to hang up.
        knows: what it then says to alice, as a pattern.
    """

    program: Program
    port: int
    asks: bytes
    knows: bytes


def daemon(stage: Stage, name: str, certificates: Certificates) -> Daemon:
    """Start one of `DAEMONS`."""
    # not below pytest's own folder, which these could not enter when they give root up
    holder = tempfile.TemporaryDirectory(prefix="postshake-daemon-", ignore_cleanup_errors=True)
    stage.hold(_Folder(holder))
    folder = Path(holder.name)
    folder.chmod(0o755)
    return DAEMONS[name](stage, folder, certificates)


@dataclass
class _Folder(Stoppable):
    holder: tempfile.TemporaryDirectory[str]

    def stop(self) -> None:
        self.holder.cleanup()


def _exim(stage: Stage, folder: Path, certificates: Certificates) -> Daemon:
    path = require("exim4")
    require_root()
    port, spool = free_port(), folder / "spool"
    spool.mkdir()
    spool.chmod(0o777)
    configuration = folder / "exim.conf"
    configuration.write_text(f"""
spool_directory = {spool}
log_file_path = {spool}/%slog
pid_file_path = {folder}/pid
daemon_smtp_ports = {port}
local_interfaces = 127.0.0.1
primary_hostname = localhost
keep_environment =
tls_advertise_hosts = *
tls_certificate = {certificates.server.certificate}
tls_privatekey = {certificates.server.key}
tls_verify_certificates = {certificates.ca}
tls_try_verify_hosts = *
acl_smtp_mail = whose
begin acl
whose:
  deny message = you are $tls_in_peerdn, verified: $tls_in_certificate_verified
""")
    program = stage.program(path, "-bdf", "-C", configuration)
    _wait(program, port)
    asks = b"EHLO me\r\nMAIL FROM:<>\r\nQUIT\r\n"
    return Daemon(program, port, asks, rb"550 you are CN=alice, verified: 1\r\n")


def _dovecot(stage: Stage, folder: Path, certificates: Certificates, protocol: str) -> Daemon:
    path = require("dovecot")
    require_root()
    port, home = free_port(), folder / "home"
    home.mkdir()
    home.chmod(0o777)
    (folder / "base").mkdir()
    (folder / "base").chmod(0o755)
    configuration = folder / "dovecot.conf"
    own = _dovecot_2_4 if versions.dovecot_2_4() else _dovecot_2_3
    configuration.write_text(f"""{own(certificates, home)}
base_dir = {folder}/base
state_dir = {folder}/base
log_path = /dev/stderr
protocols = {protocol}
listen = 127.0.0.1
ssl = required
auth_mechanisms = external
auth_ssl_require_client_cert = yes
auth_ssl_username_from_cert = yes
default_internal_user = nobody
default_internal_group = nogroup
default_login_user = nobody
service {protocol}-login {{
  chroot =
  inet_listener {protocol} {{
    port = {port}
  }}
  inet_listener {protocol}s {{
    port = 0
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
""")
    program = stage.program(path, "-F", "-c", configuration)
    _wait(program, port)
    if protocol == "imap":
        asks, knows = b"a AUTHENTICATE EXTERNAL =\r\nb LOGOUT\r\n", rb"a OK .*Logged in"
    else:
        asks, knows = b"AUTH EXTERNAL =\r\nQUIT\r\n", rb"\+OK Logged in"
    return Daemon(program, port, asks, knows)


def _dovecot_2_3(certificates: Certificates, home: Path) -> str:
    return f"""
ssl_cert = <{certificates.server.certificate}
ssl_key = <{certificates.server.key}
ssl_ca = <{certificates.ca}
ssl_require_crl = no
ssl_verify_client_cert = yes
ssl_cert_username_field = commonName
mail_location = maildir:{home}/%u
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = static
  args = uid=65534 gid=65534 home={home}/%u
}}
"""


def _dovecot_2_4(certificates: Certificates, home: Path) -> str:
    # the first line has to be the first
    return f"""dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
ssl_server_cert_file = {certificates.server.certificate}
ssl_server_key_file = {certificates.server.key}
ssl_server_ca_file = {certificates.ca}
ssl_server_require_crl = no
ssl_server_request_client_cert = yes
ssl_server_cert_username_field = commonName
mail_driver = maildir
mail_path = {home}/%{{user}}
passdb static {{
  fields {{
    nopassword = yes
  }}
}}
userdb static {{
  fields {{
    uid = 65534
    gid = 65534
    home = {home}
  }}
}}
"""


def _imap(stage: Stage, folder: Path, certificates: Certificates) -> Daemon:
    return _dovecot(stage, folder, certificates, "imap")


def _pop3(stage: Stage, folder: Path, certificates: Certificates) -> Daemon:
    return _dovecot(stage, folder, certificates, "pop3")


# BindRequest { version 3, name "", sasl { "EXTERNAL", "" } }, then "Who am I?" (RFC 4532)
_WHO_AM_I = (
    b"\x30\x18\x02\x01\x02\x60\x13\x02\x01\x03\x04\x00\xa3\x0c\x04\x08EXTERNAL\x04\x00"
    b"\x30\x1e\x02\x01\x03\x77\x19\x80\x171.3.6.1.4.1.4203.1.11.3"
)


def _slapd(stage: Stage, folder: Path, certificates: Certificates) -> Daemon:
    path, schema = require("slapd"), require("core.schema")
    port = free_port()
    configuration = folder / "slapd.conf"
    configuration.write_text(f"""
include {schema}
pidfile {folder}/pid
argsfile {folder}/arguments
TLSCACertificateFile {certificates.ca}
TLSCertificateFile {certificates.server.certificate}
TLSCertificateKeyFile {certificates.server.key}
TLSVerifyClient try
""")
    address = f"ldap://127.0.0.1:{port}"
    program = stage.program(path, "-f", configuration, "-h", address, "-d", "256")
    _wait(program, port)
    return Daemon(program, port, _WHO_AM_I, rb"dn:cn=alice$")


_STREAM = (
    b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' version='1.0' "
    b"xmlns:stream='http://etherx.jabber.org/streams' to='localhost'>"
)


def _prosody(stage: Stage, folder: Path, certificates: Certificates) -> Daemon:
    """It knows nobody: clients are anonymous."""
    path = require("prosody")
    port = free_port()
    configuration = folder / "prosody.cfg.lua"
    configuration.write_text(f"""
run_as_root = true
pidfile = "{folder}/pid"
data_path = "{folder}"
log = {{ info = "*console" }}
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {port} }}
s2s_ports = {{ }}
modules_enabled = {{ "tls", "saslauth" }}
modules_disabled = {{ "s2s" }}
authentication = "anonymous"
c2s_require_encryption = true
VirtualHost "localhost"
  ssl = {{
    certificate = "{certificates.server.certificate}", key = "{certificates.server.key}",
    cafile = "{certificates.ca}"
  }}
""")
    program = stage.program(path, "--config", configuration, "-F")
    _wait(program, port)
    return Daemon(program, port, _STREAM, rb"<mechanism>ANONYMOUS</mechanism>")


def _wait(program: Program, port: int) -> None:
    """Wait until it takes connections: not all of them say when they do."""
    deadline = time.monotonic() + TIMEOUT
    while not program.ended and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise PeerFailed(f"nobody listens on {port}\n{program.log()}")


DAEMONS = {"smtp": _exim, "imap": _imap, "pop3": _pop3, "ldap": _slapd, "xmpp": _prosody}
"""By protocol: exim, dovecot twice, slapd and prosody."""
