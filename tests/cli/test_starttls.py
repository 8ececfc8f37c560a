"""``postshake connect --starttls``, where openssl s_client goes the same way."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import threading
import time

import pytest

from postshake.cli import starttls
from postshake.cli.starttls import PROTOCOLS, StartTLSError, start_tls
from postshake.config import ServerConfig
from postshake.drive.sync.stream import Stream
from postshake.pki.credential import Credential
from tests.interop.program import TIMEOUT, free_port
from tests.requirements import require

FEATURES = (
    "<?xml version='1.0'?><stream:stream xmlns='jabber:client' id='1' from='localhost' "
    "version='1.0' xmlns:stream='http://etherx.jabber.org/streams'><stream:features>"
    "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>"
)
PROCEED = "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
LDAP_OK = bytes.fromhex("300c02010178070a010004000400")
LDAP_LONG = bytes.fromhex("308400000010020101788400000007" + "0a010004000400")
LDAP_REFUSED = bytes.fromhex("300c02010178070a013504000400")


def smtp(file):
    file.write(b"220-localhost ESMTP\r\n220 at your service\r\n")
    for line in file:
        if line.startswith(b"EHLO"):
            file.write(b"250-localhost\r\n250-SIZE 1000\r\n250 STARTTLS\r\n")
        elif line == b"STARTTLS\r\n":
            file.write(b"220 go ahead\r\n")
            return


def imap(file):
    file.write(b"* OK [CAPABILITY IMAP4rev1] hello\r\n")
    for line in file:
        tag, command = line.split(maxsplit=1)
        file.write(b"* CAPABILITY IMAP4rev1 STARTTLS\r\n" + tag + b" OK done\r\n")
        if command.strip().upper() == b"STARTTLS":
            return


def pop3(file):
    file.write(b"+OK hello\r\n")
    for line in file:
        if line == b"STLS\r\n":
            file.write(b"+OK begin\r\n")
            return


def ldap(file):
    request = file.read(31)
    assert request[:2] == b"\x30\x1d"
    assert request.endswith(b"1.3.6.1.4.1.1466.20037")
    file.write(LDAP_OK)


def xmpp(file):
    read_to(file, b">", after=b"<stream:stream")
    file.write(FEATURES.encode())
    assert b"urn:ietf:params:xml:ns:xmpp-tls" in read_to(file, b"/>")
    file.write(PROCEED.encode())


def read_to(file, end, after=b""):
    got = b""
    while not got.endswith(end) or after not in got:
        letter = file.read(1)
        assert letter, f"the client hung up after {got!r}"
        got += letter
    return got


SERVERS = {"smtp": smtp, "imap": imap, "pop3": pop3, "ldap": ldap, "xmpp": xmpp}


@pytest.fixture
def serving(certificates):
    """Start a server that talks in the clear, and then echoes one message in TLS."""
    listeners: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def start(protocol: str) -> int:
        who = certificates.server
        config = ServerConfig(credentials=(Credential.from_files(who.certificate, who.key),))
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def serve():
            try:
                sock, _ = listener.accept()
            except OSError:  # the test is over, and nobody came
                return
            with sock:
                sock.settimeout(TIMEOUT)
                with sock.makefile("rwb", buffering=0) as file:
                    SERVERS[protocol](file)
                with Stream(sock, config) as stream:
                    stream.send(b"echo " + stream.receive())

        threads.append(threading.Thread(target=serve))
        threads[-1].start()
        return listener.getsockname()[1]

    yield start
    for listener in listeners:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)  # who waits for a client waits no longer
        listener.close()
    for thread in threads:
        thread.join()


def test_all_are_tried():
    assert SERVERS.keys() == PROTOCOLS.keys()


@pytest.mark.parametrize("protocol", SERVERS)
def test_connect(serving, run, as_client, protocol):
    port = serving(protocol)
    done = run(*as_client(port, None, "--starttls", protocol, "--json"), input="hello\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "echo hello\n"
    connected = json.loads(done.stderr.splitlines()[0])
    assert connected["event"] == "connected"
    assert connected["version"] == "TLS13"


@pytest.mark.interop
@pytest.mark.parametrize("protocol", SERVERS)
def test_openssl_takes_these_servers_for_real(serving, certificates, protocol):
    openssl, port = require("openssl"), serving(protocol)
    command = [openssl, "s_client", "-connect", f"localhost:{port}", "-quiet"]
    command += ["-starttls", protocol, "-CAfile", str(certificates.ca), "-verify_return_error"]
    done = subprocess.run(command, input=b"hello\n", capture_output=True, timeout=TIMEOUT)
    assert b"echo hello" in done.stdout, done.stderr


@pytest.mark.interop
def test_a_real_mail_server(run, certificates):
    import ssl

    from aiosmtpd.controller import Controller
    from aiosmtpd.handlers import Sink

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    who = certificates.server
    context.load_cert_chain(who.certificate, who.key)
    controller = Controller(
        Sink(), hostname="127.0.0.1", port=free_port(), tls_context=context, ready_timeout=TIMEOUT
    )
    controller.start()
    try:
        place = f"127.0.0.1:{controller.port}"
        arguments: tuple[object, ...] = ("connect", place, "--servername", "localhost")
        arguments += ("--cafile", certificates.ca, "--starttls", "smtp", "--crlf")
        done = run(*arguments, input="EHLO me\nQUIT\n")
    finally:
        controller.stop()
    assert done.returncode == 0, done.stderr
    assert "250" in done.stdout
    assert "221 Bye" in done.stdout


def says(protocol: str, *words: bytes) -> None:
    """Let a server say this, however it is asked."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(TIMEOUT)
        for word in words:
            theirs.sendall(word)
        theirs.shutdown(socket.SHUT_WR)
        start_tls(ours, protocol, "name'<&\".example")


GREETED = b"220 hello\r\n250 STARTTLS\r\n220 go\r\n"


@pytest.mark.parametrize(
    ("protocol", "said", "why"),
    [
        ("smtp", b"554 no\r\n", "554 no"),
        ("smtp", b"220 hello\r\n250 SIZE\r\n", "not offer"),
        ("smtp", b"220 hello\r\n250 STARTTLS\r\n454 not now\r\n", "454 not now"),
        ("smtp", GREETED + b"250 injected\r\n", "in the clear"),
        ("smtp", b"220 hel", "hung up"),
        ("smtp", b"220 " + bytes(5000), "more than 4096"),
        ("smtp", b"220-more\r\n" * 10_000, "more than 65536"),
        ("imap", b"* BYE\r\n", "BYE"),
        ("imap", b"* PREAUTH welcome\r\n", "PREAUTH"),
        ("imap", b"* OK\r\na1 NO \x1b[31m\r\n", r"\\x1b"),
        ("imap", b"* OK\r\na1 OK\r\n* injected\r\n", "in the clear"),
        ("pop3", b"+OK\r\n-ERR\r\n", "-ERR"),
        ("ldap", LDAP_REFUSED, "result code 53"),
        ("ldap", LDAP_OK + b"\x30", "in the clear"),
        ("ldap", LDAP_OK[:-5], "hung up"),
        ("ldap", b"\x30\x84\x7f\xff\xff\xff", "announced"),
        ("ldap", b"\x30\x89", "length"),
        ("ldap", b"\x30\x03\x02\x01\x01", "no LDAP"),
        ("ldap", b"HTTP/1.1 400", "expected LDAP"),
        ("xmpp", b"<stream:features></stream:features>", "not offer"),
        ("xmpp", FEATURES.encode() + b"<failure xmlns='x'/>", "failure"),
        ("xmpp", FEATURES.encode() + PROCEED.encode() + b"<message/>", "in the clear"),
        ("xmpp", b"<" * 70_000, "more than 65536"),
    ],
)
def test_what_is_refused(protocol, said, why):
    with pytest.raises(StartTLSError, match=why):
        says(protocol, said)


def test_what_is_taken():
    says("smtp", GREETED)
    says("ldap", LDAP_LONG)
    says("xmpp", FEATURES.encode(), b"<proceed xmlns='x'></proceed>\n")


def test_a_refusal_is_exit_code_1(run, certificates):
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        sock, _ = listener.accept()
        with sock:
            sock.sendall(b"554 no\r\n")

    thread = threading.Thread(target=serve)
    thread.start()
    with listener:
        place = f"localhost:{listener.getsockname()[1]}"
        done = run("connect", place, "--starttls", "smtp", "--cafile", certificates.ca)
        thread.join()
    assert done.returncode == 1
    assert "554 no" in done.stderr


class Drops:
    """A socket on which a server talks a few bytes at a time."""

    def __init__(self, data: bytes, size: int = 1, every: float = 0.0) -> None:
        self._pieces = iter([data[at : at + size] for at in range(0, len(data), size)])
        self._every = every
        self._timeout: float | None = 30.0
        self.now = 0.0
        self.waited: list[float | None] = []

    def recv(self, size: int) -> bytes:
        self.waited.append(self._timeout)
        self.now += self._every
        return next(self._pieces, b"")

    def gettimeout(self) -> float | None:
        return self._timeout

    def settimeout(self, timeout: float | None) -> None:
        self._timeout = timeout

    def sendall(self, data: bytes) -> None:
        pass

    def getsockname(self):
        return ("127.0.0.1", 1)


LONG = 65_000
SLOW = {
    "xmpp: proceeds": ("xmpp", FEATURES.encode() + b"<proceed " * (LONG // 9)),
    "xmpp: proceeds that end": ("xmpp", FEATURES.encode() + b"<proceed a> " * (LONG // 12)),
    "xmpp: no tag": ("xmpp", b"<" * LONG),
    "xmpp: many tags": ("xmpp", b"<>" * (LONG // 2)),
    "smtp: a long line": ("smtp", b"2" * 4000),
    "smtp: many lines": ("smtp", b"220-\r\n" * (LONG // 6)),
    "imap: many lines": ("imap", b"* OK\r\n" + b"* \n" * (LONG // 3)),
    "ldap": ("ldap", b"\x30\x82\xff\x00" + bytes(LONG)),
}


@pytest.mark.parametrize("name", SLOW)
@pytest.mark.parametrize("size", [1, 7, 4096])
def test_what_a_server_says_costs_no_more_than_it_is_long(name, size):
    """A search from the start at each byte, or a pattern that goes back, took minutes."""
    protocol, said = SLOW[name]
    before = time.thread_time()
    with pytest.raises(StartTLSError):
        start_tls(Drops(said, size), protocol, "a.example")
    assert time.thread_time() - before < 5


@pytest.mark.parametrize("protocol", SERVERS)
@pytest.mark.parametrize("every", [0.05, 10.0])
def test_a_server_has_a_minute_in_all(protocol, every, monkeypatch):
    begins = {"ldap": b"\x30\x82\xff\x00", "smtp": b"220-a\n", "imap": b"* OK\n* a\n"}
    sock = Drops(begins.get(protocol, b"") + b"x" * 3000, every=every)
    monkeypatch.setattr(starttls, "monotonic", lambda: sock.now)
    with pytest.raises(TimeoutError, match="60 seconds"):
        start_tls(sock, protocol, "a.example")
    assert 60 <= sock.now <= 60 + every
    assert max(each or 0 for each in sock.waited) == 30.0  # the socket's own, while there is more
    assert sock.gettimeout() == 30.0


@pytest.mark.parametrize(
    "said",
    [
        b"<proceed xmlns='x'/>",
        b"<proceed xmlns='x' />",
        b"<proceed xmlns='x'></proceed>",
        b"<proceed\txmlns='x'>\n</proceed\n>",
        b"\n  <proceed xmlns='x'/> \n",
    ],
)
def test_an_xmpp_server_may_write_its_consent_as_it_likes(said):
    for size in (1, 5, 4096):
        start_tls(Drops(FEATURES.encode() + said, size), "xmpp", "a.example")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"<proceed xmlns='x'><a/></proceed>", "something in it"),
        (b"<proceeding/><failure/>", "failure"),
        (b"<stream:error><not-authorized/></stream:error>", "stream:error"),
        (b"</proceed>", "hung up"),
    ],
)
def test_an_xmpp_server_that_does_not_consent(said, why):
    with pytest.raises(StartTLSError, match=why):
        start_tls(Drops(FEATURES.encode() + said), "xmpp", "a.example")


def test_features_without_end_or_starttls():
    for said in (b"<stream:features/>", b"<stream:features><a/></stream:features>"):
        with pytest.raises(StartTLSError, match="not offer"):
            start_tls(Drops(b"<stream:stream>" + said), "xmpp", "a.example")
    with pytest.raises(StartTLSError, match="not offer"):
        start_tls(Drops(b"<stream:stream><stream:error>"), "xmpp", "a.example")
