"""What is played with every pair of peers, whichever end is ours.

A server made for these scenarios asks for no certificate in its handshake, so
whatever it knows of the client it learned afterwards.
"""

from __future__ import annotations

import re
from typing import Protocol

from tests.interop.certificates import Certificates, Who
from tests.interop.libraries import Client
from tests.interop.lines import LineServer
from tests.interop.program import Stage
from tests.interop.programs import Fetcher, GnutlsServ, Httpd, Selfserv, SServer
from tests.interop.wolf import WolfServer

__all__ = ["TRUSTED", "LineClient", "assert_alert", "trusted"]

TRUSTED = ("alice", "alice_rsa")
"""Attributes of Certificates: an ECDSA and an RSA key."""


def trusted(certificates: Certificates, name: str) -> Who:
    """Return one of TRUSTED."""
    who = getattr(certificates, name)
    assert isinstance(who, Who)
    return who


class LineClient(Protocol):
    """What a client of a line server must be able to do."""

    def ask(self, line: str) -> str:
        """Send a line and return the answer to it."""

    def last_words(self, line: str) -> str:
        """Send a line that the server will not survive; return what is heard of it."""

    def update(self) -> None:
        """Change our keys and have the server change its."""


ALERTS = {
    "unknown_ca": r"unknown.?ca(?![a-z])|CA is unknown|certificate authority is unknown|alert 48$",
    "certificate_required": r"certificate (is )?required|certificate_required|alert 116$",
    "certificate_revoked": r"certificate.?(was |is |has been |as )?revoked|alert 44$",
    "decrypt_error": r"decrypt.?error|alert 51$",
    "access_denied": r"access.?(was )?denied",
    "internal_error": r"internal.?error",
}


def assert_alert(name: str, words: str) -> None:
    """Check that somebody's last words name this alert, in whatever style."""
    assert re.search(ALERTS[name], words, re.IGNORECASE | re.MULTILINE), f"no {name} in: {words}"


# A line server and a client that sends lines


def accept(server: LineServer, client: LineClient, who: Who, times: int = 1) -> None:
    """Reauthenticate, and be known from then on."""
    assert client.ask("whoami") == "nobody"
    for _ in range(times):
        assert client.ask("reauth") == f"authenticated {who.name}"
        assert client.ask("whoami") == who.name
    assert server.first_identities == ["nobody"]


def decline(client: LineClient, times: int = 1) -> None:
    """Answer without a certificate, and go on."""
    for _ in range(times):
        assert client.ask("reauth") == "declined"
        assert client.ask("whoami") == "nobody"


def update_from_server(client: LineClient, who: Who) -> None:
    """Change keys from the server's side before, between and after."""
    for _ in range(2):
        assert client.ask("update") == "updated"
        assert client.ask("reauth") == f"authenticated {who.name}"
    assert client.ask("update") == "updated"
    assert client.ask("whoami") == who.name


def update_from_client(server: LineServer, client: LineClient, who: Who) -> None:
    """Change keys from the client's side before, between and after."""
    for _ in range(2):
        client.update()
        if not server.asks_after_update:
            client.ask("whoami")
        assert client.ask("reauth") == f"authenticated {who.name}"
    client.update()
    assert client.ask("whoami") == who.name


def not_offered(client: LineClient) -> None:
    """Ask a client that did not offer; nothing happens to the connection."""
    assert client.ask("reauth") == "unavailable"
    assert client.ask("whoami") == "nobody"


# A line server and a program that fetches pages


def fetch(server: LineServer, fetcher: Fetcher, who: Who, times: int = 1) -> None:
    """Reauthenticate for a page, and be known on the same connection."""
    fetched = fetcher.fetch(server.port, who, "/whoami", *["/reauth"] * times, "/whoami")
    assert fetched.status == 0, fetched.output
    expected = [f"authenticated {who.name}"] * times
    assert fetched.answers == ["nobody", *expected, who.name]
    assert server.first_identities == ["nobody"]


def fetch_declining(server: LineServer, fetcher: Fetcher, times: int = 1) -> None:
    """Fetch the page without a certificate."""
    fetched = fetcher.fetch(server.port, None, *["/reauth"] * times)
    assert (fetched.status, fetched.answers) == (0, ["declined"] * times), fetched.output


def fetch_refused(server: LineServer, fetcher: Fetcher, who: Who | None, alert: str) -> None:
    """Be refused the page, and be told why by an alert."""
    fetched = fetcher.fetch(server.port, who, "/reauth")
    assert fetched.status != 0
    assert fetched.answers == []
    if fetcher.names_alerts:
        assert_alert(alert, fetched.output)
    else:
        assert "alert" in fetched.output


# openssl s_server and a client in this process


def s_server(
    stage: Stage, certificates: Certificates, make: type[Client], who: Who | None, times: int = 1
) -> None:
    """Have s_server ask, with data around it; `who` None declines."""
    server = SServer(stage, certificates)
    client = make(stage, server.port, certificates, who)
    shown = client.certificate_for_s_server(declines=who is None)
    server.wait_for_handshake()
    for turn in range(times):
        server.request()
        server.say(f"ping {turn}")
        assert client.read_until(b"\n") == f"ping {turn}".encode()
        if who is None:
            server.expect_decline(shown)
        else:
            server.expect_identity(who, shown)
        client.send(b"pong %d\n" % turn)
        server.expect(rf"^pong {turn}$")


def s_server_updates(
    stage: Stage, certificates: Certificates, make: type[Client], who: Who
) -> None:
    """Have s_server change keys between its requests, and the client too if it can."""
    server = SServer(stage, certificates)
    client = make(stage, server.port, certificates, who)
    server.wait_for_handshake()
    for turn in range(3):
        if client.can_update:
            client.update()
            client.send(b"updated\n")
            server.expect(r"^updated$")
            server.say("so am I")  # unless it writes, it forgets to ask: see LineServer
            assert client.read_until(b"\n") == b"so am I"
        server.update()
        server.request()
        server.say(f"ping {turn}")
        assert client.read_until(b"\n") == f"ping {turn}".encode()
        server.expect_identity(who, client.certificate_for_s_server())


def s_server_refuses(
    stage: Stage, certificates: Certificates, make: type[Client], who: Who
) -> None:
    """Be refused by s_server."""
    server = SServer(stage, certificates)
    client = make(stage, server.port, certificates, who)
    server.wait_for_handshake()
    server.request()
    assert_alert("unknown_ca", client.last_words("hello"))


def s_server_without_offer(stage: Stage, certificates: Certificates, make: type[Client]) -> None:
    """Have s_server find that it may not ask."""
    server = SServer(stage, certificates)
    client = make(stage, server.port, certificates, certificates.alice, offer=False)
    server.wait_for_handshake()
    server.request_in_vain()
    client.send(b"still here\n")
    server.expect(r"^still here$")


# gnutls-serv --echo and a client in this process


def gnutls_serv(
    stage: Stage, certificates: Certificates, make: type[Client], who: Who, times: int = 1
) -> None:
    """Have gnutls-serv ask. It answers only after a certificate that it accepts."""
    server = GnutlsServ(stage, certificates)
    client = make(stage, server.port, certificates, who)
    client.send(b"hello\n")
    assert client.read_until(b"\n") == b"hello"
    for _ in range(times):
        client.send(b"**REAUTH**\n")
        assert client.read_until(b"\n") == b"Successfully executed command"
        server.expect(r"Sending re-auth request")
    client.send(b"after\n")
    assert client.read_until(b"\n") == b"after"


def gnutls_serv_refuses(
    stage: Stage,
    certificates: Certificates,
    make: type[Client],
    who: Who | None,
    alert: str,
    offer: bool = True,
) -> None:
    """Be refused by gnutls-serv."""
    server = GnutlsServ(stage, certificates)
    client = make(stage, server.port, certificates, who, offer=offer)
    assert_alert(alert, client.last_words("**REAUTH**"))


# NSS selfserv and a client in this process

REQUEST = "GET / HTTP/1.0\r\n\r"


def selfserv(stage: Stage, certificates: Certificates, make: type[Client], who: Who | None) -> None:
    """Have selfserv ask for its one page; `who` None declines."""
    server = Selfserv(stage, certificates, required=who is not None)
    client = make(stage, server.port, certificates, who)
    client.send(REQUEST.encode() + b"\n")
    assert b"GET / HTTP/1.0" in client.read_until(b"EOF")
    if who is not None:
        server.expect(rf"^selfserv: Subject: CN={who.name}$")


def selfserv_ends(stage: Stage, certificates: Certificates, make: type[Client], who: Who) -> None:
    """See selfserv close after its one page: it cannot ask twice."""
    server = Selfserv(stage, certificates)
    client = make(stage, server.port, certificates, who)
    client.send(REQUEST.encode() + b"\n")
    client.read_until(b"EOF\r\n\r\n\r\n")
    assert client.receive() == b""


def selfserv_refuses(
    stage: Stage, certificates: Certificates, make: type[Client], who: Who | None, alert: str
) -> None:
    """Be refused by selfserv."""
    server = Selfserv(stage, certificates)
    client = make(stage, server.port, certificates, who)
    assert_alert(alert, client.last_words(REQUEST))


def selfserv_without_offer(stage: Stage, certificates: Certificates, make: type[Client]) -> None:
    """Have selfserv find that it may not ask; it closes then."""
    server = Selfserv(stage, certificates)
    client = make(stage, server.port, certificates, certificates.alice, offer=False)
    client.last_words(REQUEST)
    server.expect(r"SSL_SendCertificateRequest returned error -12108")


# Apache httpd and a client in this process


def httpd(
    stage: Stage, certificates: Certificates, make: type[Client], who: Who | None, path: str
) -> None:
    """Fetch an open page, then one for which httpd asks; `who` None declines."""
    server = Httpd(stage, certificates)
    client = make(stage, server.port, certificates, who)
    status, headers, _ = client.get("/")
    assert (status, headers["x-client"]) == (200, "NONE (null)")
    status, headers, body = client.get(path)
    expected = f"SUCCESS CN={who.name}" if who else "NONE (null)"
    assert (status, headers["x-client"]) == (200, expected)
    assert body == f"{path.strip('/')}/index.html\n"
    server.expect_log(r"AH10129: verify client post handshake")


def httpd_asks_once(stage: Stage, certificates: Certificates, make: type[Client], who: Who) -> None:
    """Have httpd ask, and see that it is done with it, for better or worse.

    It wants to ask again for a page that requires what was optional before, but the way it
    set up its OpenSSL does not let it.
    """
    server = Httpd(stage, certificates)
    client = make(stage, server.port, certificates, who)
    for _ in range(2):
        status, headers, _ = client.get("/optional/")
        assert (status, headers["x-client"]) == (200, f"SUCCESS CN={who.name}")
    assert server.log().count("AH10129: verify client post handshake") == 1
    assert client.get("/protected/")[0] == 403
    server.expect_log(r"AH10158: cannot perform post-handshake authentication\n.*invalid config")


def httpd_refuses(
    stage: Stage, certificates: Certificates, make: type[Client], who: Who | None, alert: str
) -> None:
    """Be refused by httpd where it requires a certificate."""
    server = Httpd(stage, certificates)
    client = make(stage, server.port, certificates, who)
    assert client.get("/")[0] == 200
    assert_alert(alert, client.last_words("GET /protected/ HTTP/1.1\r\nHost: localhost\r\n\r"))


def httpd_without_offer(stage: Stage, certificates: Certificates, make: type[Client]) -> None:
    """Get 403 from httpd, which may not ask."""
    server = Httpd(stage, certificates)
    client = make(stage, server.port, certificates, certificates.alice, offer=False)
    assert client.get("/protected/")[0] == 403
    server.expect_log(r"AH10158")


# wolfSSL's server and a client in this process


def wolf_server(
    stage: Stage, certificates: Certificates, make: type[Client], who: Who | None
) -> None:
    """Have wolfSSL ask, between key updates where the client can; `who` None declines."""
    server = WolfServer(stage, certificates, required=who is not None)
    client = make(stage, server.port, certificates, who)
    assert client.ask("whoami") == "nobody"
    server.expect(r"^handshake done, client is nobody$")
    assert client.ask("update") == "updated"
    assert client.ask("reauth") == "asked"
    if client.can_update:
        client.update()
    for _ in range(2):
        assert client.ask("whoami") == (who.name if who else "nobody")
        assert client.ask("update") == "updated"


def wolf_server_twice(
    stage: Stage, certificates: Certificates, make: type[Client], who: Who | None
) -> None:
    """Have wolfSSL ask again, and be told that the answer is wrong, whoever gives it."""
    server = WolfServer(stage, certificates, required=who is not None)
    client = make(stage, server.port, certificates, who)
    assert client.ask("reauth") == "asked"
    assert client.ask("whoami") == (who.name if who else "nobody")
    client.send(b"reauth\n")
    assert_alert("decrypt_error", client.last_words("whoami"))
    server.expect(r"^read: verify problem (based on signature|on finished)$")


def wolf_server_refuses(
    stage: Stage, certificates: Certificates, make: type[Client], who: Who | None, alert: str
) -> None:
    """Be refused by wolfSSL."""
    server = WolfServer(stage, certificates)
    client = make(stage, server.port, certificates, who)
    assert_alert(alert, client.last_words("reauth"))


def wolf_server_without_offer(stage: Stage, certificates: Certificates, make: type[Client]) -> None:
    """Have wolfSSL find that it may not ask."""
    server = WolfServer(stage, certificates)
    not_offered(make(stage, server.port, certificates, certificates.alice, offer=False))
