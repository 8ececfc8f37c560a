"""The commands that our pages show."""

from __future__ import annotations

import json
import re
import shlex

import pytest

from postshake.cli.main import EXIT_CODES, parser
from postshake.recording import FORMAT, Recording
from postshake.recording.html import html_page
from tests.reader import PAGES, ROOT, blocks

# what tests/test_pages.py cannot type, for want of a mail server, say
COMMANDS = [
    command
    for page in PAGES
    for block in blocks(page)
    if block.mark("not") is not None
    for command in re.findall(r"^\$ postshake (.*)$", block.text.replace("\\\n", " "), re.MULTILINE)
]


@pytest.mark.parametrize("command", COMMANDS)
def test_it_is_understood(command):
    assert parser().parse_args(shlex.split(command, comments=True))


def test_there_are_some():
    assert {shlex.split(command)[0] for command in COMMANDS} == {"serve", "connect", "trace"}


def test_the_format():
    text = (ROOT / "docs/cli.md").read_text(encoding="utf-8")
    lines = [line for block in re.findall(r"```json\n(.*?)```", text, re.S)
             for line in block.splitlines()]  # fmt: skip
    recording = Recording.parse(lines)
    assert json.loads(lines[0])["format"] == FORMAT
    assert len(recording.lines) == 4
    page = html_page(recording)
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
