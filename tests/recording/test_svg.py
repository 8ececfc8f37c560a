"""The image of a connection."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from postshake.constants import Role
from postshake.recording import Recording
from postshake.recording.svg import MOST_ROWS, draw

ASSETS = Path(__file__).parent.parent.parent / "docs" / "assets"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def recording():
    """The one on the front page, a demo's."""
    return Recording.load(ASSETS / "connection.jsonl")


def texts(image: str) -> list[str]:
    root = ET.fromstring(image)
    return [each.text or "" for each in root.iter(f"{SVG}text")]


def message(sender, what, epoch="application 0", context="", t=0.0):
    return {"t": t, "from": sender, "what": what, "size": 1, "epoch": epoch, "context": context}


def test_it_tells_the_story(recording):
    told = texts(draw(recording))
    assert "EncryptedExtensions, Certificate, CertificateVerify, Finished" in told
    assert told.index("CertificateRequest  (request 1)") < told.index(
        "Certificate, CertificateVerify, Finished  (request 1)"
    )
    assert told.index("✔ From here on the client is CN=alice") < told.index(
        "✖ Request 2: declined. The connection goes on."
    )
    # what came before is not painted as proven
    rails = [
        (each.get("class", ""), float(each.get("y1", "")))
        for each in ET.fromstring(draw(recording)).iter(f"{SVG}line")
        if each.get("class") in ("nobody", "known")
    ][:-2]  # those of the legend
    kinds = [kind for kind, _ in rails]
    assert kinds == sorted(kinds, reverse=True)
    assert {"nobody", "known"} == set(kinds)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_front_page_has_what_is_drawn_today(recording, theme):
    """`make picture` draws it again."""
    path = ASSETS / f"connection-{theme}.svg"
    title = "A connection: docs/assets/connection.jsonl"
    assert path.read_text(encoding="utf-8") == draw(recording, title, theme)


def test_colours(recording):
    light, dark, auto = (draw(recording, theme=theme) for theme in ("light", "dark", "auto"))
    assert "#fbfaf7" in light
    assert "#fbfaf7" not in dark
    assert "prefers-color-scheme" in auto
    assert "prefers-color-scheme" not in light + dark
    for image in (light, dark, auto):
        assert "http" not in image.replace("http://www.w3.org/2000/svg", "")
        assert "url(" not in image


def test_what_a_peer_sent_is_text():
    nasty = "</text><script>alert(1)</script>&\x00\x1b\ud800\ufffe" + "x" * 500
    recording = Recording(Role.server)
    recording.lines = [
        message(nasty, nasty, nasty),
        message("client", "Certificate", nasty, nasty),
        {"t": 0.2, "identity": {"subject": nasty}, "context": nasty},
        {"t": 0.3, "outcome": nasty, "context": nasty},
        {"t": 0.4, "identity": None, "context": ""},
    ]
    image = draw(recording, nasty)
    image.encode()  # no half of a pair is left
    root = ET.fromstring(image)
    assert {each.tag for each in root.iter()} <= {
        f"{SVG}{name}" for name in ("svg", "title", "style", "rect", "text", "line", "path")
    }
    assert "From here on the client is nobody." in texts(image)


def test_it_ends():
    recording = Recording(Role.server)
    for number in range(2 * MOST_ROWS):
        recording.lines.append(message(("client", "server")[number % 2], "KeyUpdate"))
    assert texts(draw(recording)).count("KeyUpdate") == MOST_ROWS
    assert "and more" in texts(draw(recording))


def test_a_capture_knows_nobody():
    recording = Recording(Role.server)
    recording.captured = True
    recording.lines = [message("client", "ClientHello", "plaintext")]
    assert not [text for text in texts(draw(recording)) if "the client is" in text]


def test_the_command(run, tmp_path):
    image = tmp_path / "connection.svg"
    done = run("trace", ASSETS / "connection.jsonl", "--svg", image, "--theme", "dark")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert ET.fromstring(image.read_text(encoding="utf-8")).tag == f"{SVG}svg"
    done = run("trace", ASSETS / "connection.jsonl", "--svg", tmp_path / "no" / "where.svg")
    assert done.returncode == 2
    assert "where.svg" in done.stderr
