"""``postshake serve`` with files, and with applications."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import ssl
from pathlib import Path

import pytest

from tests.cli.conftest import ENVIRONMENT, Serve
from tests.interop.program import TIMEOUT
from tests.requirements import require

APPLICATION = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    names = (scope["extensions"].get("tls") or {}).get("client_cert_name")
    body = f"{scope['path']} for {names}".encode()
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body})
"""


@contextlib.contextmanager
def visit(port, certificates, who=None):
    """Fetch over one connection, with the standard library."""
    context = ssl.create_default_context(cafile=str(certificates.ca))
    context.post_handshake_auth = True
    if who is not None:
        context.load_cert_chain(who.certificate, who.key)
    connection = http.client.HTTPSConnection("localhost", port, timeout=TIMEOUT, context=context)

    def fetch(path, method="GET"):
        connection.putrequest(method, path, skip_accept_encoding=True)
        connection.endheaders()
        response = connection.getresponse()
        return response.status, response.read(), response.headers

    try:
        yield fetch
    finally:
        connection.close()


@pytest.fixture
def folder(tmp_path):
    site = tmp_path / "site"
    for name in ("protected/inner", "open", ".git", ".well-known"):
        (site / name).mkdir(parents=True)
    (site / "index.html").write_text("<h1>welcome</h1>")
    (site / "large.bin").write_bytes(bytes(range(256)) * 20_000)
    (site / "protected" / "secret.txt").write_text("secret")
    (site / "open" / "index.html").symlink_to(site / "protected" / "secret.txt")
    (site / "open" / "link.txt").symlink_to(site / "protected" / "secret.txt")
    (site / "open" / "out.txt").symlink_to("/etc/passwd")
    (site / "open" / "round").symlink_to("round")
    (site / "open" / "a b.css").write_text("b {}")
    (site / ".git" / "config").write_text("hidden")
    (site / ".well-known" / "security.txt").write_text("Contact: us")
    os.mkfifo(site / "open" / "pipe")
    return site


def test_files(serve, certificates, folder):
    server = serve(folder)
    with visit(server.port, certificates) as fetch:
        status, body, headers = fetch("/")
        assert (status, body) == (200, b"<h1>welcome</h1>")
        assert headers["content-type"] == "text/html; charset=utf-8"
        assert headers["x-content-type-options"] == "nosniff"
        assert fetch("/large.bin")[1] == (folder / "large.bin").read_bytes()
        status, body, headers = fetch("/large.bin", "HEAD")
        assert (status, body, headers["content-length"]) == (200, b"", "5120000")
        assert fetch("/open/a%20b.css")[2]["content-type"] == "text/css; charset=utf-8"
        assert fetch("/open/a%20b.css?x=1")[0] == 200
        assert fetch("/.well-known/security.txt")[0] == 200
        status, _, headers = fetch("/open?x")
        assert (status, headers["location"]) == (301, "/open/")
        for hidden in ("/.git/config", "/open/out.txt", "/open/round", "/open/pipe", "/none",
                       "/open/", "/index.html/x"):  # fmt: skip
            assert fetch(hidden)[0] == 404, hidden
        for ambiguous in ("/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/a%00b",
                          "//etc/passwd", "//[x/", "/x%ff", "/open%2flink.txt"):  # fmt: skip
            assert fetch(ambiguous)[0] == 400, ambiguous
        assert fetch("/", "POST")[0] == 405


@pytest.mark.parametrize(
    "path",
    ["/protected/secret.txt", "/protected/none", "/protected/", "/protected", "/open/link.txt",
     "/%70rotected/secret.txt"],
)  # fmt: skip
def test_protected_files(serve, certificates, folder, path):
    server = serve(folder)
    with visit(server.port, certificates) as fetch:
        status, body, _ = fetch(path)
        assert status == 403
        assert b"secret" not in body
    with visit(server.port, certificates, certificates.alice) as fetch:
        status, body, _ = fetch(path)
        assert status == {"/protected": 301, "/protected/": 404, "/protected/none": 404}.get(
            path, 200
        )
        assert (status == 200) is (body == b"secret")


@pytest.mark.parametrize(
    "path",
    ["/open/../protected/secret.txt", "//protected/secret.txt", "/protected%2fsecret.txt",
     "/./protected/secret.txt", "/open/%2e%2e/protected/secret.txt", "/protected%5csecret.txt",
     "/protected//secret.txt", "/%2e/protected/secret.txt", "http:protected/secret.txt",
     "/%c0%ae/protected/secret.txt", "/protected/secret.txt#x", "protected/secret.txt"],
)  # fmt: skip
def test_paths_that_are_read_in_more_than_one_way(serve, certificates, folder, path):
    server = serve(folder)
    with visit(server.port, certificates, certificates.alice) as fetch:
        status, body, _ = fetch(path)
        assert status == 400
        assert b"secret" not in body
        assert fetch("/")[0] == 200  # and the connection goes on


def test_a_protected_index(serve, certificates, folder):
    """An index is served for its folder, which is another name for it."""
    (folder / "shop").mkdir()
    (folder / "shop" / "index.html").write_text("secret")
    server = serve(folder, "--protect", "/shop/index.html")
    with visit(server.port, certificates) as fetch:
        for path in ("/shop/index.html", "/shop/", "/shop"):
            assert fetch(path)[0] == 403, path
    with visit(server.port, certificates, certificates.alice) as fetch:
        assert fetch("/shop/")[:2] == (200, b"secret")


def test_everything_protected(serve, certificates, folder):
    server = serve(folder, "--protect", "/")
    with visit(server.port, certificates) as fetch:
        assert fetch("/")[0] == 403
        assert fetch("/large.bin")[0] == 403


@pytest.fixture
def application(tmp_path, stage, certificates):
    """Serve an application in the current folder."""
    (tmp_path / "shop.py").write_text(APPLICATION)

    def start(*arguments):
        import sys

        who = certificates.server
        program = stage.program(
            *(sys.executable, "-m", "postshake", "serve", "shop:app", "--port", "0"),
            *("--cert", who.certificate, "--key", who.key, "--ca", certificates.ca, *arguments),
            environment=ENVIRONMENT | {"PYTHONPATH": f"{ENVIRONMENT['PYTHONPATH']}:{tmp_path}"},
        )
        return Serve(program)

    return start


def test_an_application(application, certificates):
    server = application("--protect", "/admin", "--protect", "/staff")
    server.expect("startup complete")
    with visit(server.port, certificates, certificates.alice) as fetch:
        assert fetch("/")[:2] == (200, b"/ for None")
        assert fetch("/admin/x")[:2] == (200, b"/admin/x for CN=alice")
        assert fetch("/")[:2] == (200, b"/ for CN=alice")
    with visit(server.port, certificates) as fetch:
        assert fetch("/administration")[:2] == (200, b"/administration for None")
        assert fetch("/admin")[0] == 403
        assert fetch("/staff/")[0] == 403
        for path in ("/x/../admin", "//admin", "/x/%2e%2e/staff", "/./admin/x", "/admin%0a"):
            assert fetch(path)[0] == 400, path
    server.program.signal(signal.SIGTERM)
    server.expect("stopped")
    assert server.program.wait() == 0


def test_an_application_and_who_was_revoked(application, certificates):
    crl = certificates.revoke(require("openssl"), certificates.alice, certificates.mallory)
    server = application("--protect", "/admin", "--crl", crl)
    server.expect("startup complete")
    with visit(server.port, certificates, certificates.alice) as fetch:
        assert fetch("/")[:2] == (200, b"/ for None")
        status, body, *_ = fetch("/admin/x")
        assert status == 403
        assert b"was not accepted" in body
    with visit(server.port, certificates, certificates.alice_rsa) as fetch:
        assert fetch("/admin/x")[:2] == (200, b"/admin/x for CN=alice-rsa")


def test_an_application_and_the_picture(application, certificates):
    server = application("--protect", "/admin", "--debug-path", "/debug")
    server.expect("startup complete")
    with visit(server.port, certificates, certificates.alice) as fetch:
        assert fetch("/admin")[:2] == (200, b"/admin for CN=alice")
        status, page, headers = fetch("/debug")
        assert status == 200
        assert headers["content-type"].startswith("text/html")
        for shown in (b"ClientHello", b"CertificateRequest", b"CN=alice"):
            assert shown in page
        assert fetch("/debug/x")[:2] == (200, b"/debug/x for CN=alice")
    with visit(server.port, certificates) as fetch:  # another one's is not shown
        assert b"CN=alice" not in fetch("/debug")[1]


def test_an_application_is_not_drawn_unasked(application, certificates):
    server = application()
    server.expect("startup complete")
    with visit(server.port, certificates) as fetch:
        assert fetch("/debug")[:2] == (200, b"/debug for None")


def test_wrong_applications(run, tmp_path, certificates):
    who = certificates.server
    files = ("--cert", who.certificate, "--key", who.key, "--ca", certificates.ca)
    for what, complaint in (
        ("no_such_module:app", "no_such_module"),
        ("json:app", "app"),
        (str(tmp_path / "none"), "none"),
        (certificates.ca, "no folder"),
    ):
        done = run("serve", what, *files)
        assert done.returncode == 2, done.stderr
        assert complaint in done.stderr
    for option in ("--echo", "--optional"):
        assert run("serve", "json:loads", option, *files).returncode == 2
    assert run("serve", tmp_path, "--echo", *files).returncode == 2


def test_the_log_in_json(start, run, certificates):
    who = certificates.server
    server = start("serve", "--port", "0", "--cert", who.certificate, "--key", who.key,
                   "--ca", certificates.ca, "--json")  # fmt: skip
    line = server.expect(r"^(\{.*listening on https://127\.0\.0\.1:\d+.*\})$")[1]
    port = json.loads(line)["message"].rpartition(":")[2]
    run("connect", f"localhost:{port}", "--cafile", certificates.ca, input="GET / HTTP/1.0\n\n")
    line = json.loads(server.expect(r"^(\{.*GET / 200.*\})$")[1])
    assert line["connection"] == 1
    assert line["time"][10] == "T"


def test_certificates_are_made_by_default(tmp_path, stage):
    import sys

    program = stage.program(
        *(sys.executable, "-c", f"import os; os.chdir({str(tmp_path)!r}); "
          "from postshake.__main__ import main; main(['serve', '--port', '0'])"),
        environment=ENVIRONMENT,
    )  # fmt: skip
    Serve(program)
    assert Path(tmp_path, "postshake-certs", "ca.crt").exists()
