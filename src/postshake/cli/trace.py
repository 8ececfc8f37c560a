"""``postshake trace``: a recorded connection as a ladder, in the terminal or as a page."""

from __future__ import annotations

import argparse
import sys
from typing import Any, TextIO

from ..constants import Role
from ..events import Direction, TraceEntry
from ..recording.html import save_page
from ..recording.ladder import Ladder, Paint
from ..recording.recording import Recording
from ..recording.svg import add_svg_arguments, save_drawing
from ..text import printable
from .tshark import read_capture

__all__ = ["EPILOG", "add_arguments", "run"]

EPILOG = """\
A recording comes from `connect --record`, `demo --json`, or postshake.recording in a program
of yours. From a capture, tshark reads the messages; without a key log it sees only the first.

examples:
  postshake trace connection.jsonl --html connection.html
  postshake trace connection.jsonl --svg connection.svg --theme dark
  postshake trace --pcap capture.pcapng --keylog keys.log

"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.set_defaults(run=run)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("recording", nargs="?", metavar="FILE", help="a recording, JSON lines")
    what.add_argument("--pcap", metavar="FILE", help="a capture, which tshark can read")
    parser.add_argument("--keylog", metavar="FILE", help="an SSLKEYLOGFILE for the capture")
    parser.add_argument(
        "--stream", metavar="N", type=int, default=0, help="which TCP connection of the capture (0)"
    )
    parser.add_argument("--fields", action="store_true", help="show each message's fields too")
    parser.add_argument("--html", metavar="FILE", help="draw it as a page instead")
    add_svg_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print it as JSON lines instead")


def run(options: argparse.Namespace) -> int:
    """Show the recording."""
    if options.pcap is not None:
        recording = read_capture(options.pcap, options.keylog, options.stream)
    else:
        recording = Recording.load(options.recording)
    if options.html is not None:
        save_page(options.html, recording, f"A connection: {options.pcap or options.recording}")
    if options.svg is not None:
        title = f"A connection: {options.pcap or options.recording}"
        save_drawing(options.svg, recording, title, options.theme)
    if options.json:
        sys.stdout.write(recording.dump())
    elif options.html is None and options.svg is None:
        show(recording, sys.stdout, fields=options.fields)
    return 0


def show(recording: Recording, out: TextIO, *, fields: bool = False) -> None:
    """Print the ladder, and perhaps each message's fields."""
    ladder, paint = Ladder.suits(recording.role, out, indent=0), Paint.suits(out)
    print(ladder.header(), file=out)
    for line in recording.lines:
        if "what" in line:
            print(ladder.line(_entry(line, recording.role)), file=out)
            for name, value in line.get("fields", []) if fields else []:
                text = f"{paint(printable(str(name)), 2)} {printable(str(value))}"
                print(f"      {text.rstrip()}", file=out)
        elif "identity" in line:
            identity = line["identity"]
            who = printable(str(identity.get("subject"))) if identity else "nobody"
            print(paint(f"from here on the client is {who}", 1, 32), file=out)
        elif "outcome" in line:
            print(paint(f"the request was {printable(str(line['outcome']))}", 1, 31), file=out)


def _entry(line: dict[str, Any], role: Role) -> TraceEntry:
    sent = line.get("from") == role.name
    return TraceEntry(
        Direction.sent if sent else Direction.received,
        str(line["what"]),
        int(line.get("size", 0)),
        str(line.get("epoch", "")),
        str(line.get("detail", "")),
    )
