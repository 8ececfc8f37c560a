"""``postshake connect``, with our own server and with OpenSSL's."""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from postshake.cli.arguments import endpoint
from postshake.cli.client import _with_crlf
from tests.cli.conftest import COMMAND, ENVIRONMENT, Run, Serve
from tests.interop.certificates import Certificates
from tests.interop.program import TIMEOUT, Program, Stage
from tests.interop.programs import GnutlsServ, SServer

PROTECTED = "GET /protected HTTP/1.0\r\n\r\n"
Arguments = Callable[..., list[str | Path]]


# --- with our server


def test_a_step_up(
    shared: Serve, run: Run, as_client: Arguments, certificates: Certificates, tmp_path: Path
):
    log = tmp_path / "keys"
    result = run(
        *as_client(shared.port, certificates.alice, "--trace", "--keylog", log), input=PROTECTED
    )
    assert result.returncode == 0
    assert result.stdout.startswith("HTTP/1.1 200 OK\r\n") or "200 OK" in result.stdout
    assert "To me you are CN=alice." in result.stdout
    facts = [
        r"connected to localhost port \d+: TLS 1\.3, TLS_\w+, \w+$",
        r"the server is CN=localhost, says CN=Peers CA$",
        r"the server asks for a certificate \(context [0-9a-f]{8}…, by 'peers ca'\)$",
        r"answered as CN=alice$",
        r"the server said goodbye$",
    ]
    position = 0
    for fact in facts:
        match = re.compile(f"^postshake: {fact}", re.MULTILINE).search(result.stderr, position)
        assert match, (fact, result.stderr)
        position = match.end()
    assert re.search(r"^│ ◀─+ CertificateRequest │ +\d+  application 0", result.stderr, re.M)
    assert re.search(r"^│ CertificateVerify ─+▶ │", result.stderr, re.M)
    assert "CLIENT_TRAFFIC_SECRET_0" in log.read_text()


def test_declining(shared: Serve, run: Run, as_client: Arguments, certificates: Certificates):
    for arguments in (
        as_client(shared.port),
        as_client(shared.port, certificates.alice, "--refuse"),
        as_client(shared.port, certificates.mallory),  # not by an authority asked for
    ):
        result = run(*arguments, input=PROTECTED)
        assert result.returncode == 0
        assert "403 Forbidden" in result.stdout
        assert "postshake: declined\n" in result.stderr


def test_groups_for_the_key_exchange(
    shared: Serve, run: Run, as_client: Arguments, certificates: Certificates
):
    for names, chosen in (
        ("SecP384r1MLKEM1024", "SecP384r1MLKEM1024"),
        ("x448, secp384R1", "x448"),
    ):
        result = run(*as_client(shared.port, None, "--groups", names), input=PROTECTED)
        assert re.search(rf"TLS 1\.3, \w+, {chosen}$", result.stderr, re.M), result.stderr
    result = run(*as_client(shared.port, None, "--groups", "x25519,P-256"))
    assert result.returncode == 2
    assert "expected some of X25519MLKEM768, x25519, " in result.stderr
    assert "got 'p-256'" in result.stderr


def test_quiet_is_quiet(shared: Serve, run: Run, as_client: Arguments, certificates: Certificates):
    result = run(*as_client(shared.port, certificates.alice, "--quiet"), input=PROTECTED)
    assert result.stderr == ""
    assert "CN=alice" in result.stdout


def test_alpn_and_line_ends(shared: Serve, run: Run, as_client: Arguments):
    result = run(
        *as_client(shared.port, None, "--alpn", "h3,http/1.1", "--crlf"),
        input="GET / HTTP/1.0\n\n",
    )
    assert "200 OK" in result.stdout
    assert "ALPN http/1.1" in result.stderr


def test_an_encrypted_key(
    shared: Serve, run: Run, as_client: Arguments, certificates: Certificates, tmp_path: Path
):
    key = load_pem_private_key(certificates.alice.key.read_bytes(), None)
    encrypted = tmp_path / "alice.key"
    encrypted.write_bytes(
        key.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"open sesame")
        )
    )
    password = tmp_path / "password"
    password.write_text("open sesame\n")
    arguments = [
        *as_client(shared.port, None, "--cert", certificates.alice.certificate),
        *("--key", encrypted),
    ]
    result = run(*arguments, "--key-password-file", password, input=PROTECTED)
    assert "CN=alice" in result.stdout
    result = run(*arguments, input=PROTECTED)
    assert result.returncode == 2
    assert "encrypted" in result.stderr


def test_much_goes_both_ways(
    serve: Callable[..., Serve], as_client: Arguments, certificates: Certificates, tmp_path: Path
):
    # an echo of it all, far more than what lies between; from a file, which is no pipe
    port = serve("--echo").port
    data = b"".join(b"%07d\n" % number for number in range(300_000))
    (tmp_path / "input").write_bytes(data)
    with (tmp_path / "input").open("rb") as source:
        result = subprocess.run(
            [*COMMAND, *map(str, as_client(port, certificates.alice, "--linger", "1"))],
            stdin=source,
            capture_output=True,
            timeout=TIMEOUT,
            env=ENVIRONMENT,
        )
    assert result.returncode == 0, result.stderr
    assert result.stdout == data


def test_nobody_reads_what_comes(shared: Serve, as_client: Arguments):
    with subprocess.Popen(
        [*COMMAND, *map(str, as_client(shared.port, None))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stdin.write(b"GET / HTTP/1.1\r\n\r\n")
        process.stdin.flush()
        assert process.wait(TIMEOUT) == 0
        assert b"Broken" not in process.stderr.read()


# --- with others


def test_openssl_asks_while_nothing_is_typed(
    stage: Stage, start: Callable[..., Program], as_client: Arguments, certificates: Certificates
):
    server = SServer(stage, certificates)
    client = start(*as_client(server.port, certificates.alice_rsa))
    server.wait_for_handshake()
    client.expect("connected")
    for _ in range(3):
        server.request()
        server.expect_identity(certificates.alice_rsa)
        client.expect("answered as CN=alice-rsa")
    server.say("typed there")
    client.expect("^typed there$")
    client.send("typed here")
    server.expect("^typed here$")
    server.update()
    server.expect_message("KeyUpdate")


def test_openssl_is_declined(
    stage: Stage, start: Callable[..., Program], as_client: Arguments, certificates: Certificates
):
    server = SServer(stage, certificates)
    client = start(*as_client(server.port, certificates.alice, "--refuse"))
    server.wait_for_handshake()
    server.request()
    server.expect_decline()
    client.expect("declined")
    client.send("still here")
    server.expect("^still here$")


def test_gnutls_is_asked_to_ask(
    stage: Stage, start: Callable[..., Program], as_client: Arguments, certificates: Certificates
):
    server = GnutlsServ(stage, certificates)
    client = start(*as_client(server.port, certificates.alice))
    client.expect("connected")
    client.send("**REAUTH**")
    client.expect("answered as CN=alice")
    client.expect("Successfully executed command")


def test_a_refused_certificate_is_exit_code_3(
    stage: Stage, start: Callable[..., Program], as_client: Arguments, certificates: Certificates
):
    server = GnutlsServ(stage, certificates)
    client = start(*as_client(server.port, certificates.alice, "--refuse"))
    client.expect("connected")
    client.send("**REAUTH**")
    client.expect("the server sent the fatal alert certificate_required")
    assert client.wait() == 3


# --- what can go wrong


def test_a_server_that_is_not_trusted(shared: Serve, run: Run, certificates: Certificates):
    other = certificates.folder / "rogue-ca.crt"
    result = run("connect", f"localhost:{shared.port}", "--cafile", other)
    assert result.returncode == 1
    assert "postshake: " in result.stderr
    result = run(
        *("connect", f"localhost:{shared.port}", "--cafile", certificates.ca),
        *("--servername", "elsewhere.example"),
    )
    assert result.returncode == 1
    assert "elsewhere.example" in result.stderr


def test_a_server_that_is_not_there(run: Run, certificates: Certificates):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    result = run("connect", f"127.0.0.1:{port}", "--cafile", certificates.ca)
    assert result.returncode == 4
    assert "refused" in result.stderr


def test_a_server_that_speaks_something_else(run: Run, certificates: Certificates):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        process = subprocess.Popen(
            [*COMMAND, "connect", f"127.0.0.1:{port}", "--cafile", str(certificates.ca)],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT,
        )
        server.settimeout(TIMEOUT)
        sock, _ = server.accept()
        with sock:
            sock.sendall(b"220 mail.example ESMTP\r\n")
            sock.shutdown(socket.SHUT_WR)
            _, complaint = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 1
    assert "Traceback" not in complaint


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "HOST"),
        (["localhost:x"], "expected HOST or HOST:PORT"),
        (["localhost", "--key", "k"], "--key needs --cert"),
        (["localhost", "--cafile", "nowhere.crt"], "nowhere.crt"),
        (["localhost", "--cert", "nowhere.crt"], "nowhere.crt"),
    ],
)
def test_wrong_arguments(run: Run, arguments: list[str], complaint: str):
    result = run("connect", *arguments)
    assert result.returncode == 2
    assert complaint in result.stderr


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("example.org", ("example.org", 443)),
        ("example.org:8443", ("example.org", 8443)),
        ("192.0.2.1:1", ("192.0.2.1", 1)),
        ("[2001:db8::1]:8443", ("2001:db8::1", 8443)),
        ("[2001:db8::1]", ("2001:db8::1", 443)),
        ("2001:db8::1", ("2001:db8::1", 443)),
    ],
)
def test_endpoints(text: str, expected: tuple[str, int]):
    assert endpoint(text, 443) == expected


def test_line_ends_that_are_cut_in_two():
    text = b"a\nb\r\nc\r\r\n\n"
    expected = text.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    for cut in range(len(text) + 1):
        first, after_cr = _with_crlf(text[:cut], False)
        second, _ = _with_crlf(text[cut:], after_cr)
        assert first + second == expected, cut
