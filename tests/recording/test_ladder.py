"""The ladder: what stands where, at every width."""

from __future__ import annotations

import io
import re

import pytest

from postshake.constants import Role
from postshake.events import Direction, TraceEntry
from postshake.recording.ladder import Ladder, Paint
from postshake.text import clip, printable

REQUEST = TraceEntry(
    Direction.sent, "CertificateRequest", 141, "application 0", "context 0badcafe…"
)
ANSWER = TraceEntry(Direction.received, "Certificate", 459, "application 12", "context 0badcafe…")
LONG = TraceEntry(Direction.sent, "Alert " + "very_" * 9 + "long", 2, "plaintext", "x" * 99)


def test_the_client_stands_left():
    ladder = Ladder(Role.server, width=80)
    assert ladder.line(REQUEST) == (
        "    │ ◀────── CertificateRequest │    141  application 0  context 0badcafe…"
    )
    assert ladder.line(ANSWER) == (
        "    │ Certificate ─────────────▶ │    459  application 12  context 0badcafe…"
    )


def test_the_other_end_sees_the_same():
    seen_by_client = TraceEntry(
        Direction.received, REQUEST.what, REQUEST.size, REQUEST.epoch, REQUEST.detail
    )
    assert Ladder(Role.client).line(seen_by_client) == Ladder(Role.server).line(REQUEST)


def test_the_header_stands_above_its_columns():
    ladder = Ladder(Role.server, width=80)
    header, line = ladder.header(), ladder.line(REQUEST)
    assert header.index("server") + len("server") == line.rindex("│") + 1
    assert header.index("bytes") + len("bytes") == line.index("141") + len("141")
    assert header.index("keys") == line.index("application")
    assert header.index("detail") == line.index("context")


@pytest.mark.parametrize("width", range(30, 130, 3))
@pytest.mark.parametrize("entry", [REQUEST, LONG], ids=["short", "long"])
def test_it_stays_within_its_width(width: int, entry: TraceEntry):
    ladder = Ladder(Role.server, width=width)
    for line in (ladder.header(), ladder.line(entry)):
        assert len(line) <= max(width, 4 + 2 + 24 + 7)


def test_what_matters_less_goes_first():
    def shown(width: int) -> list[str]:
        line = Ladder(Role.server, width=width).line(REQUEST)
        return [part for part in ("141", "application 0", "context") if part in line]

    assert shown(80) == ["141", "application 0", "context"]
    assert shown(56) == ["141", "application 0"]
    assert shown(40) == ["141"]


def test_ascii_is_enough():
    ladder = Ladder(Role.server, ascii_only=True)
    text = ladder.line(LONG)
    assert text.isascii()
    assert "..." in text
    assert re.search(r"\| <--+ ", ladder.line(TraceEntry(Direction.sent, "Finished", 36, "x")))


def test_colour_changes_nothing_but_colour():
    plain, colour = Ladder(Role.server), Ladder(Role.server, paint=Paint(True))
    for entry in (REQUEST, ANSWER, LONG):
        painted = colour.line(entry)
        assert "\x1b[" in painted
        assert re.sub(r"\x1b\[[0-9;]*m", "", painted) == plain.line(entry)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "environment", "colour"),
    [
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"NO_COLOR": ""}, True),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {}, False),
    ],
)
def test_colour_is_for_terminals(stream, environment, colour, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert Paint.suits(stream).colour is colour


def test_it_suits_the_stream(monkeypatch):
    monkeypatch.setenv("COLUMNS", "70")
    assert "◀" in Ladder.suits(Role.server, Terminal()).line(REQUEST)
    latin = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    line = Ladder.suits(Role.server, latin).line(REQUEST)
    line.encode("latin-1")
    assert "<-" in line


def test_strangers_text_cannot_steer_the_terminal():
    assert printable("a\x1b[31m\nb\u202ec") == "a\\x1b[31m\\nb\\u202ec"
    assert clip("abcdef", 4) == "abc…"
    assert clip("abcdef", 4, ascii_only=True) == "a..."
    assert clip("abcd", 4) == "abcd"
