"""The commands that our pages show."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from postshake.cli.main import EXIT_CODES, parser
from postshake.cli.picture import picture
from postshake.recording import FORMAT, Recording

ROOT = Path(__file__).parent.parent.parent
PAGES = ("README.md", "docs/cli.md")
COMMANDS = [
    command
    for page in PAGES
    for command in re.findall(
        r"^\$ postshake (.*)$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE
    )
]
SHORT = ("demo", "certs")


@pytest.mark.parametrize("command", COMMANDS)
def test_it_is_understood(command, run, tmp_path, monkeypatch):
    words = shlex.split(command, comments=True)
    assert parser().parse_args(words)
    if words[0] in SHORT:
        done = run(*(str(tmp_path / w) if w in ("tls", "demo.html") else w for w in words))
        assert done.returncode == 0, done.stderr


def test_there_are_some():
    assert {shlex.split(command)[0] for command in COMMANDS} == {
        "demo", "serve", "connect", "certs", "trace",
    }  # fmt: skip


def test_the_format():
    text = (ROOT / "docs/cli.md").read_text(encoding="utf-8")
    lines = [line for block in re.findall(r"```json\n(.*?)```", text, re.S)
             for line in block.splitlines()]  # fmt: skip
    recording = Recording.parse(lines)
    assert json.loads(lines[0])["format"] == FORMAT
    assert len(recording.lines) == 4
    page = picture(recording)
    assert "From here on the client is CN=alice" in page
    assert "declined" in page


def test_the_exit_codes():
    text = (ROOT / "docs/cli.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| (\d+) \|", text, re.MULTILINE)
    assert told == re.findall(r"^  (\d+) ", EXIT_CODES, re.MULTILINE)


def test_nobody_reads_to_the_end(tmp_path):
    import subprocess
    import sys

    from tests.cli.conftest import ENVIRONMENT
    from tests.interop.program import TIMEOUT

    with subprocess.Popen(
        [sys.executable, "-m", "postshake", "demo", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.wait(TIMEOUT) == 0
        assert process.stderr.read() == b""
