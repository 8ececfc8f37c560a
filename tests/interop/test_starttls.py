"""From the clear to TLS with servers that people run: exim, dovecot, slapd, prosody."""

from __future__ import annotations

import imaplib
import poplib
import re
import smtplib
import subprocess
import sys

import pytest

import postshake.ssl as ssl
from postshake.cli.starttls import PROTOCOLS
from tests.interop.certificates import Certificates, Who
from tests.interop.daemons import DAEMONS, Daemon, daemon
from tests.interop.program import TIMEOUT, Stage

ASKED_FOR_NAMES = [name for name in DAEMONS if name != "xmpp"]  # prosody's are anonymous


def test_all_protocols_are_tried():
    assert DAEMONS.keys() == PROTOCOLS.keys()


def talk(server: Daemon, protocol: str, certificates: Certificates, who: Who | None) -> bytes:
    """Say to a server with ``postshake connect`` what makes it tell who we are."""
    command = [sys.executable, "-m", "postshake", "connect", f"localhost:{server.port}"]
    command += ["--starttls", protocol, "--cafile", str(certificates.ca), "--linger", "1"]
    if who is not None:
        command += ["--cert", str(who.certificate), "--key", str(who.key)]
    done = subprocess.run(command, input=server.asks, capture_output=True, timeout=TIMEOUT)
    assert done.returncode == 0, done.stderr
    assert b"TLS 1.3" in done.stderr
    return done.stdout


@pytest.mark.parametrize("protocol", DAEMONS)
def test_connect(stage: Stage, certificates: Certificates, protocol: str):
    server = daemon(stage, protocol, certificates)
    said = talk(server, protocol, certificates, certificates.alice)
    assert re.search(server.knows, said), said


@pytest.mark.parametrize("protocol", ASKED_FOR_NAMES)
def test_connect_as_nobody(stage: Stage, certificates: Certificates, protocol: str):
    server = daemon(stage, protocol, certificates)
    said = talk(server, protocol, certificates, None)
    assert said
    assert not re.search(server.knows, said), said


# the standard library's clients, with our context in the place of its own


@pytest.fixture
def context(certificates: Certificates) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(certificates.ca))
    context.load_cert_chain(certificates.alice.certificate, certificates.alice.key)
    return context


def assert_it_was_us(context: ssl.SSLContext) -> None:
    assert context.session_stats()["connect_good"] == 1


def test_smtplib(stage: Stage, certificates: Certificates, context: ssl.SSLContext):
    server = daemon(stage, "smtp", certificates)
    with smtplib.SMTP("localhost", server.port, timeout=TIMEOUT) as client:
        client.starttls(context=context)
        client.ehlo()
        assert client.mail("") == (550, b"you are CN=alice, verified: 1")
    assert_it_was_us(context)


def test_imaplib(stage: Stage, certificates: Certificates, context: ssl.SSLContext):
    server = daemon(stage, "imap", certificates)
    with imaplib.IMAP4("localhost", server.port, timeout=TIMEOUT) as client:
        client.starttls(ssl_context=context)
        assert client.authenticate("EXTERNAL", lambda _: b"")[0] == "OK"
        status, (count,) = client.select()
        assert (status, count) == ("OK", b"0")
        letter = b"Subject: hello\r\n\r\n" + b"data " * 20_000
        assert client.append("INBOX", "", "", letter)[0] == "OK"
        client.noop()
        _, fetched = client.fetch("1", "(RFC822)")
        assert isinstance(fetched[0], tuple)
        assert fetched[0][1] == letter
    assert_it_was_us(context)


def test_poplib(stage: Stage, certificates: Certificates, context: ssl.SSLContext):
    server = daemon(stage, "pop3", certificates)
    client = poplib.POP3("localhost", server.port, timeout=TIMEOUT)
    client.stls(context)
    answer = client._shortcmd("AUTH EXTERNAL =")  # type: ignore[attr-defined]
    assert answer.startswith(b"+OK Logged in")
    assert client.stat() == (0, 0)
    assert client.quit().startswith(b"+OK")
    assert_it_was_us(context)
