"""The picture of a connection, in a real browser."""

from __future__ import annotations

import html
import json
from pathlib import Path

import pytest

from postshake.constants import Role
from postshake.recording import Recording
from postshake.recording.html import html_page
from tests.interop.chromium import Chromium

SHOTS = Path(__file__).parent.parent.parent / "build" / "screenshots"


RAILS = """return [...document.querySelectorAll('summary > .rail')].map(
    rail => getComputedStyle(rail).backgroundImage === 'none')"""
INSIDE = """
const frame = document.getElementById('ladder').getBoundingClientRect();
return [...document.querySelectorAll('svg.joins g')].every(each => {
  const box = each.getBoundingClientRect();
  return box.left >= frame.left && box.right <= frame.right && box.height > 10;
})"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The demo's page."""
    import io

    from postshake.cli.demo import demo

    path = tmp_path_factory.mktemp("picture") / "demo.html"
    assert demo(io.StringIO(), page=str(path)) == 0
    return path


def test_it_stands_alone(page):
    text = page.read_text(encoding="utf-8")
    assert "default-src &#x27;none&#x27;" in text or "default-src 'none'" in text
    for outside in ("http:", "https:", "//", "@import", "url("):
        assert outside not in text.replace("http://www.w3.org/2000/svg", "").replace("// ", "")
    assert "@@" not in text


def test_what_a_peer_sent_is_text():
    recording = Recording(Role.server)
    nasty = "<script>alert(1)</script>@@SCRIPT@@\"'"
    recording.lines = [
        {"t": 0.0, "from": "client", "what": nasty, "size": 1, "epoch": nasty, "detail": nasty,
         "context": "", "fields": [[nasty, nasty]]},
        {"t": 0.1, "from": nasty, "what": "Certificate", "context": nasty, "epoch": "handshake"},
        {"t": 0.2, "identity": {"subject": nasty, "issuer": nasty}, "context": nasty},
        {"t": 0.3, "outcome": nasty, "context": nasty},
    ]  # fmt: skip
    text = html_page(recording, nasty)
    assert nasty not in text
    assert text.count("<script>") == 1
    assert html.escape(nasty) in text


@pytest.mark.browser
def test_in_a_browser(page, stage):
    browser = Chromium(stage)
    text = browser.open(page.as_uri())
    assert "From here on the client is CN=alice" in text
    assert "Request 2: declined" in text
    browser.screenshot(SHOTS / "picture.png")
    # brackets join each request with its answer
    assert [each.get_attribute("class") for each in browser.all("svg.joins g")] == ["yes", "no"]
    assert [each.text for each in browser.all("svg.joins text")] == ["1", "2"]
    known = browser.run(RAILS)
    assert known == sorted(known)  # once proven, proven to the end
    assert {False, True} == set(known)
    hello = browser.all("details summary")[0]
    assert "legacy_version" not in browser.text
    hello.click()
    assert "legacy_version" in browser.text
    assert "localhost" in browser.text
    hello.send_keys("\n")  # and by keyboard
    assert "legacy_version" not in browser.text
    browser.all("#all")[0].click()
    assert browser.run("return document.querySelectorAll('details[open]').length") == len(
        browser.all("details")
    )
    assert browser.complaints() == []
    assert [url for url in browser.requests() if not url.startswith(("file:", "data:"))] == []
    assert browser.run("return document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.browser
def test_several_requests_at_once(stage, tmp_path):
    recording = Recording(Role.server)
    asked = [("server", "CertificateRequest", each * 8) for each in "abcd"]
    answered = [("client", "Certificate", each * 8) for each in "bac"]
    recording.lines = [
        {"t": number / 1000, "from": sender, "what": what, "size": 40, "epoch": "application 0",
         "detail": "", "context": context, "fields": []}
        for number, (sender, what, context) in enumerate(asked + answered)
    ] + [
        {"t": 0.01, "outcome": "declined", "context": "b" * 8},
        {"t": 0.01, "identity": {"subject": "CN=a"}, "context": "a" * 8},
    ]  # fmt: skip
    page = tmp_path / "page.html"
    page.write_text(html_page(recording), encoding="utf-8")
    browser = Chromium(stage, width=500)
    browser.open(page.as_uri())
    # d has no answer, and of c nobody knows what became
    drawn = [each.get_attribute("class") for each in browser.all("svg.joins g")]
    assert drawn == ["yes", "no", "open"]
    assert browser.run(INSIDE)
    rights = browser.run("""return [...document.querySelectorAll('svg.joins path.line')].map(
        each => Math.round(each.getBoundingClientRect().right))""")
    assert len(set(rights)) == 3  # side by side


@pytest.mark.browser
@pytest.mark.parametrize(("name", "width", "dark"), [("dark", 1100, True), ("phone", 500, False)])
def test_dark_and_on_a_phone(page, stage, name, width, dark):
    browser = Chromium(stage, width=width, dark=dark)
    browser.open(page.as_uri())
    browser.screenshot(SHOTS / f"picture-{name}.png")
    assert browser.run(INSIDE)
    assert all(each.is_displayed() for each in browser.all(".meta .size, .meta .epoch"))
    assert browser.run("return document.documentElement.scrollWidth <= window.innerWidth")
    background = browser.run("return getComputedStyle(document.body).backgroundColor")
    brightness = sum(map(int, background.removeprefix("rgb(").removesuffix(")").split(", ")))
    assert (brightness < 200) is dark


@pytest.mark.browser
def test_serve_shows_it_and_chromium_is_told_why_not(serve, stage, certificates):
    server = serve("--debug-path", "/debug")
    browser = Chromium(stage)
    base = f"https://localhost:{server.port}"
    assert "This page is public" in browser.open(f"{base}/")
    # Chromium has no post-handshake authentication
    assert "needs a client certificate" in browser.open(f"{base}/protected")
    assert "ClientHello" in browser.open(f"{base}/debug")
    assert [
        line for line in browser.complaints() if "403" not in line and "favicon" not in line
    ] == []


def test_serve_shows_it_to_nobody_unasked(serve, run, as_client):
    server = serve()
    done = run(*as_client(server.port), input="GET /debug HTTP/1.0\r\n\r\n")
    assert "ClientHello" not in done.stdout
    assert "public" in done.stdout


def test_demo_as_json(run, tmp_path):
    done = run("demo", "--json")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[0]["format"] == "postshake trace 1"
    assert any("identity" in line for line in lines)
    path = tmp_path / "demo.jsonl"
    path.write_text(done.stdout)
    shown = run("trace", path)
    assert shown.returncode == 0, shown.stderr
    assert "CertificateRequest" in shown.stdout
    assert "from here on the client is CN=alice" in shown.stdout
    assert "the request was declined" in shown.stdout
    assert "legacy_version" not in shown.stdout
    assert (
        "      extensions.server_name.host_name localhost" in run("trace", path, "--fields").stdout
    )
    page = tmp_path / "demo.html"
    assert run("trace", path, "--html", page).returncode == 0
    assert "CN=alice" in page.read_text()
    assert run("trace", path, "--json").stdout == done.stdout


def test_connect_records(serve, run, as_client, certificates, tmp_path):
    server = serve()
    path = tmp_path / "connection.jsonl"
    request = "GET /protected HTTP/1.0\r\n\r\n"
    done = run(*as_client(server.port, certificates.alice, "--record", path), input=request)
    assert "To me you are CN=" in done.stdout
    assert "CertificateRequest" in run("trace", path).stdout


def test_trace_of_something_else(run, tmp_path):
    path = tmp_path / "junk"
    path.write_text("junk")
    assert run("trace", path).returncode == 2
    assert run("trace").returncode == 2
    assert run("trace", tmp_path / "none").returncode == 2
