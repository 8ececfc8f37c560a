"""``postshake serve`` and those who visit it: curl, s_client, gnutls-cli, ssl, ourselves."""

from __future__ import annotations

import contextlib
import http.client
import re
import signal
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from postshake.cli.connection_handler import MAX_BODY, MAX_HEAD
from tests.certs import CA
from tests.cli.conftest import Run, Serve
from tests.drive.streams import RawClient
from tests.interop.certificates import Certificates, Who
from tests.interop.program import TIMEOUT, Program, Stage
from tests.interop.programs import Curl, GnutlsCli, SClient, Wget
from tests.pair import client_config
from tests.requirements import require
from tests.revoking import make_list


def context(certificates: Certificates, who: Who | None, *, offer: bool = True) -> ssl.SSLContext:
    """The standard library's client."""
    context = ssl.create_default_context(cafile=str(certificates.ca))
    context.post_handshake_auth = offer
    if who is not None:
        context.load_cert_chain(who.certificate, who.key)
    return context


@contextlib.contextmanager
def browser(
    port: int, certificates: Certificates, who: Who | None = None, *, offer: bool = True
) -> Iterator[Callable[..., tuple[int, str]]]:
    """Fetch pages over one connection, with the standard library."""
    connection = http.client.HTTPSConnection(
        "localhost", port, timeout=TIMEOUT, context=context(certificates, who, offer=offer)
    )

    def fetch(path: str, method: str = "GET", body: bytes | None = None) -> tuple[int, str]:
        connection.request(method, path, body)
        response = connection.getresponse()
        return response.status, response.read().decode()

    try:
        yield fetch
    finally:
        connection.close()


@contextlib.contextmanager
def plain(port: int, certificates: Certificates) -> Iterator[ssl.SSLSocket]:
    """Speak bytes to the server."""
    with (
        socket.create_connection(("localhost", port), TIMEOUT) as sock,
        context(certificates, None).wrap_socket(sock, server_hostname="localhost") as tls,
    ):
        yield tls


def ask(tls: ssl.SSLSocket, request: bytes) -> bytes:
    """Send a request and read all that comes, until the server says goodbye."""
    tls.sendall(request)
    parts = []
    while part := tls.recv(65536):
        parts.append(part)
    return b"".join(parts)


# --- pages


def test_a_step_up_and_what_the_log_says(
    serve: Callable[..., Serve], certificates: Certificates, tmp_path: Path
):
    server = serve("--keylog", tmp_path / "keys")
    with browser(server.port, certificates, certificates.alice) as fetch:
        assert fetch("/") == (
            200,
            "This page is public. To me you are nobody.\nNot public: /protected\n",
        )
        status, text = fetch("/protected")
        assert (status, text) == (200, "This page is protected. To me you are CN=alice.\n")
        assert fetch("/protected/deep?x=1")[0] == 200  # not asked again
        assert "CN=alice" in fetch("/")[1]
    server.expect(r"#1 handshake: TLS 1\.3, TLS_\w+, \w+.*, reauth offered$")
    server.expect(r"#1 GET / 200$")
    server.expect(r"#1 reauth authenticated CN=alice$")
    server.expect(r"#1 GET /protected 200$")
    server.expect(r"#1 GET /protected/deep 200$")
    server.expect(r"#1 gone without goodbye$")
    assert server.program.output.count("reauth authenticated") == 1
    labels = {line.split()[0] for line in (tmp_path / "keys").read_text().splitlines()}
    assert {"CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0"} <= labels
    assert (tmp_path / "keys").stat().st_mode & 0o077 == 0


def test_who_does_not_prove_anything_gets_an_explanation(
    serve: Callable[..., Serve], certificates: Certificates
):
    server = serve()
    with browser(server.port, certificates) as fetch:
        status, text = fetch("/protected")
        assert status == 403
        assert "declined" in text
        assert fetch("/")[0] == 200  # and the connection goes on
        assert fetch("/protected")[0] == 403
    with browser(server.port, certificates, certificates.mallory) as fetch:
        status, text = fetch("/protected")
        assert status == 403
        # the request names the authorities, so mallory has nothing to show
        assert "declined" in text or "refused" in text
    with browser(server.port, certificates, certificates.alice, offer=False) as fetch:
        status, text = fetch("/protected")
        assert status == 403
        assert "post_handshake_auth" in text
        assert fetch("/")[0] == 200


def test_a_certificate_may_be_optional(serve: Callable[..., Serve], certificates: Certificates):
    server = serve("--optional")
    with browser(server.port, certificates) as fetch:
        status, text = fetch("/protected")
        assert (status, text) == (200, "This page is protected. To me you are nobody.\n")
    with browser(server.port, certificates, certificates.alice) as fetch:
        assert "CN=alice" in fetch("/protected")[1]


def test_who_was_revoked_stays_outside(
    serve: Callable[..., Serve], certificates: Certificates, run: Run, as_client: Callable[..., Any]
):
    crl = certificates.revoke(require("openssl"), certificates.alice)
    server = serve("--crl", crl)
    get = "GET /protected HTTP/1.0\r\n\r\n"
    refused = run(*as_client(server.port, certificates.alice), input=get)
    assert "403" in refused.stdout
    server.expect("reauth refused: certificate 'CN=alice' was revoked on .*keyCompromise")
    let_in = run(*as_client(server.port, certificates.alice_rsa), input=get)
    assert "This page is protected. To me you are CN=alice-rsa" in let_in.stdout
    assert run("serve", "--crl", "nosuch").returncode == 2


def test_a_list_that_cannot_be_used_is_reported_once(
    serve: Callable[..., Serve],
    certificates: Certificates,
    tmp_path: Path,
    as_client: Callable[..., Any],
    run: Run,
):
    """At once where that shows at once, else when somebody comes whom it might have concerned."""
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0")
    authority = x509.load_pem_x509_certificate(Path(certificates.ca).read_bytes())
    odd = make_list(CA("Some\nbody"), extra=[(unknown, True)])
    forged = make_list(CA("Forger"), issuer=authority.subject)
    for name, made in (("odd", odd), ("forged", forged)):
        (tmp_path / name).write_bytes(made.public_bytes(Encoding.PEM))
    server = serve("--crl", tmp_path / "odd", "--crl", tmp_path / "forged")
    get = "GET /protected HTTP/1.0\r\n\r\n"
    for _ in range(2):
        assert "CN=alice" in run(*as_client(server.port, certificates.alice), input=get).stdout
    server.program.signal(signal.SIGTERM)
    assert server.program.wait() == 0
    told = [line for line in server.program.output.splitlines() if "cannot be used" in line]
    assert len(told) == 2
    assert re.search(r"list of 'CN=Some\\nbody' .*critical extension .*: 1\.2\.3\.4$", told[0])
    assert "no authority of its issuer's name" in told[1]


def test_what_is_protected_is_protected_however_it_is_written(
    serve: Callable[..., Serve], certificates: Certificates
):
    server = serve("--protect", "/admin", "--protect", "/a/b/")
    with browser(server.port, certificates) as fetch:
        for path in (
            "/admin",
            "/admin/",
            "/%61dmin",
            "/admin?x",
            "/ADMIN",
            "/admin;x",
            "/a/b/c",
        ):
            assert fetch(path)[0] == 403, path
        for path in ("//admin", "/x/../admin", "/x/..;/admin", "/admin%0a", "/a%2fb"):
            assert fetch(path)[0] == 400, path
        for path in ("/", "/administrator", "/a", "/protected"):
            assert fetch(path)[0] == 200, path


def test_bodies_are_read_first(serve: Callable[..., Serve], certificates: Certificates):
    server = serve()
    with browser(server.port, certificates, certificates.alice) as fetch:
        status, text = fetch("/protected", "POST", bytes(MAX_BODY))
        assert status == 200
        assert "CN=alice" in text
        assert fetch("/protected", "POST", b"x")[0] == 200
        assert fetch("/protected", "HEAD") == (200, "")
        assert fetch("/protected", "DELETE")[0] == 405


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.0\r\n\r\n", 200),
        (b"\r\nGET / HTTP/1.0\n\n", 200),
        (b"GET https://localhost/protected HTTP/1.0\r\n\r\n", 403),
        (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", 200),
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/2\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX : space\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", 413),
        # more digits than int() takes
        (b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", 413),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * MAX_HEAD + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * MAX_HEAD, 431),
    ],
)
def test_requests_good_and_bad(shared: Serve, certificates: Certificates, request_, status):
    with plain(shared.port, certificates) as tls:
        assert ask(tls, request_).startswith(b"HTTP/1.1 %d " % status)


def test_pipelining_and_continue(shared: Serve, certificates: Certificates):
    requests = (
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc"
        b"GET /b HTTP/1.1\r\n\r\nGET /c HTTP/1.0\r\n\r\n"
    )
    with plain(shared.port, certificates) as tls:
        answer = ask(tls, requests)
    assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"100", b"200", b"200", b"200"]


# --- lines


def test_echo_for_openssl(serve: Callable[..., Serve], certificates: Certificates, stage: Stage):
    server = serve("--echo")
    client = SClient(stage, server.port, certificates, certificates.alice).program
    client.send("hello")
    client.expect(r"^hello$")
    for _ in range(2):
        client.send("**REAUTH**")
        client.expect(r"^Successfully executed command$")
    client.send("bye")
    client.expect(r"^bye$")
    server.expect(r"#1 reauth authenticated CN=alice$")


def test_echo_for_gnutls(serve: Callable[..., Serve], certificates: Certificates, stage: Stage):
    server = serve("--echo")
    client = GnutlsCli(stage, server.port, certificates, certificates.alice_rsa).program
    client.send("**REAUTH**")
    client.expect(r"Successfully executed command")
    client.send("bye")
    client.expect(r"^bye$")
    server.expect(r"#1 reauth authenticated CN=alice-rsa$")


def test_echo_for_who_has_nothing_to_show(
    serve: Callable[..., Serve], certificates: Certificates, stage: Stage
):
    server = serve("--echo")
    client = SClient(stage, server.port, certificates, None).program
    client.send("**REAUTH**")
    client.expect(r"^You were asked for one, and declined\.$")
    client.send("still here")
    client.expect(r"^still here$")
    server.expect(r"#1 reauth declined: ")


def test_long_lines_come_back_too(serve: Callable[..., Serve], certificates: Certificates):
    line = b"x" * 300_000 + b"\n"
    with plain(serve("--echo").port, certificates) as tls:
        tls.sendall(line)
        heard = b""
        while len(heard) < len(line):
            heard += tls.recv(65536)
        assert heard == line


# --- programs


@pytest.mark.parametrize("program", [Curl, Wget])
def test_programs_that_fetch(shared: Serve, certificates: Certificates, stage: Stage, program):
    fetched = program(stage, certificates).fetch(
        shared.port, certificates.alice, "/", "/protected", "/protected/again"
    )
    assert fetched.status == 0, fetched.output
    assert "To me you are nobody." in fetched.output
    assert fetched.output.count("To me you are CN=alice.") == 2


def test_curl_posts_much(shared: Serve, certificates: Certificates, tmp_path: Path):
    curl = require("curl")
    (tmp_path / "body").write_bytes(bytes(MAX_BODY))
    alice = certificates.alice
    result = subprocess.run(
        [
            *(curl, "-q", "-sS", "--noproxy", "*", "--cacert", certificates.ca),
            *("--cert", alice.certificate, "--key", alice.key, "-H", "Expect: 100-continue"),
            *(
                "--data-binary",
                f"@{tmp_path / 'body'}",
                f"https://localhost:{shared.port}/protected",
            ),
        ],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert "CN=alice" in result.stdout, result.stderr


# --- time and ends


def test_a_client_that_does_not_answer_is_given_up(
    serve: Callable[..., Serve], certificates: Certificates
):
    from postshake.pki.trust import ChainVerifier, TrustStore

    server = serve("--within", "0.05")
    config = client_config(
        credentials=(),
        verifier=ChainVerifier(TrustStore.from_files(certificates.ca)),
    )
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        client = RawClient(sock, config, "localhost")
        client.handshake()
        client.connection.send_data(b"GET /protected HTTP/1.0\r\n\r\n")
        client.flush()
        while not client.connection.peer_closed:
            client.take()
        answer = client.connection.read()
        assert answer.startswith(b"HTTP/1.1 403 ")
        assert b"expired" in answer
        assert len(client.connection.open_requests) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_cleanly_and_says_goodbye(
    serve: Callable[..., Serve], certificates: Certificates, number: signal.Signals
):
    server = serve()
    with plain(server.port, certificates) as tls:
        tls.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert tls.recv(65536).startswith(b"HTTP/1.1 200 ")
        server.program.signal(number)
        assert tls.recv(65536) == b""  # close_notify: else this would raise
    assert server.program.wait() == 0
    assert re.search(r"stopped$", server.program.output)
    assert "Traceback" not in server.program.output


def test_who_says_nonsense_does_no_harm(serve: Callable[..., Serve], certificates: Certificates):
    server = serve()
    with socket.create_connection(("127.0.0.1", server.port), TIMEOUT) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert sock.recv(100)[0] == 21  # an alert
    server.expect(r"#1 failed: \w+: ")
    socket.create_connection(("127.0.0.1", server.port), TIMEOUT).close()
    server.expect(r"#2 gone without goodbye$")
    with browser(server.port, certificates) as fetch:
        assert fetch("/")[0] == 200


def test_more_clients_than_places_wait(serve: Callable[..., Serve], certificates: Certificates):
    server = serve("--connections", "1")
    with (
        plain(server.port, certificates) as first,
        socket.create_connection(("127.0.0.1", server.port), TIMEOUT) as second,
    ):
        first.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert first.recv(65536)
        first.unwrap()
        with context(certificates, None).wrap_socket(second, server_hostname="localhost") as tls:
            assert ask(tls, b"GET / HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200 ")
    server.expect(r"#1 closed$")


# --- starting


def test_certificates_made_on_the_fly(start: Callable[..., Program], run: Run, tmp_path: Path):
    folder = tmp_path / "tls"
    server = Serve(start("serve", "--port", "0", "--auto", folder))
    made = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(made) == {"ca.crt", "server.crt", "server.key", "client.crt", "client.key"}
    assert all(
        (folder / f"{name}.key").stat().st_mode & 0o077 == 0 for name in ("server", "client")
    )
    arguments = ["--cert", folder / "client.crt", "--key", folder / "client.key", "--quiet"]
    for host in ("localhost", "127.0.0.1"):
        result = run(
            *("connect", f"{host}:{server.port}", "--cafile", folder / "ca.crt", *arguments),
            input="GET /protected HTTP/1.0\r\n\r\n",
        )
        assert result.returncode == 0, result.stderr
        assert "CN=alice" in result.stdout
    server.program.signal(signal.SIGTERM)
    assert server.program.wait() == 0
    Serve(start("serve", "--port", "0", "--auto", folder))  # again, with the same ones
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == made


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--cert", "x"], "give --cert and --ca together"),
        (["--auto", "tls", "--cert", "x"], "--auto takes the place"),
        (["--cert", "nowhere.crt", "--ca", "nowhere.crt"], "nowhere.crt"),
        (["--port", "99999"], "expected 0 to 65535"),
        (["--within", "-1"], "seconds"),
        (["--connections", "0"], "above 0"),
    ],
)
def test_wrong_arguments(run: Run, tmp_path: Path, arguments: list[str], complaint: str):
    result = run("serve", *arguments)
    assert result.returncode == 2
    assert complaint in result.stderr
    assert "Traceback" not in result.stderr


def test_a_folder_of_others_is_left_alone(run: Run, tmp_path: Path):
    (tmp_path / "ca.crt").write_text("mine")
    result = run("serve", "--auto", tmp_path)
    assert result.returncode == 2
    assert "nothing is overwritten" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["ca.crt"]


def test_a_port_that_is_taken(run: Run, tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = run("serve", "--port", port, "--auto", tmp_path / "tls")
    assert result.returncode == 4
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("command", ["demo", "serve", "connect"])
def test_help_tells_the_exit_codes(run: Run, command: str):
    result = run(command, "--help")
    assert result.returncode == 0
    assert "3    the other side refused our certificate" in result.stdout
