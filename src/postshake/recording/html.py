"""A recording as one self-contained HTML page: the ladder, to be read in a browser.

Nothing is loaded from anywhere, and the page's own policy forbids it. What a peer sent
is text there, never markup. Without scripts it reads as well; only the lines between requests
and answers are missing, and each carries a number too.
"""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..constants import ProtocolVersion
from ..errors import UsageError
from .recording import Recording

__all__ = ["html_page", "save_page"]

MOST_ROWS = 5000  # a browser takes no more with pleasure
_ABOUT_A_REQUEST = ("CertificateRequest", "Certificate", "CompressedCertificate")
_NAMED = {"plaintext": "not encrypted", "encrypted": "encrypted, keys unknown"}
EPOCHS = ("plaintext", "early", "handshake", "application")


def html_page(recording: Recording, title: str = "A connection") -> str:
    """Draw a recording as an HTML page."""
    script = (files(__package__) / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    rows = list(_Rows(recording))
    left_out = max(0, len(rows) - MOST_ROWS)
    parts = {
        "TITLE": html.escape(title),
        "HASH": f"sha256-{digest}",
        "FACTS": _facts(recording),
        "LEGEND": _legend(recording),
        "ROWS": "\n".join(rows[:MOST_ROWS]),
        "FOOTER": _footer(recording, left_out),
        "SCRIPT": script,
    }
    page = (files(__package__) / "page.html").read_text(encoding="utf-8")
    # split once: what is put in is never looked at again
    pieces = page.split("@@")
    return "".join(parts[piece] if index % 2 else piece for index, piece in enumerate(pieces))


def save_page(path: str, recording: Recording, title: str) -> None:
    """Write the page to a file.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        Path(path).write_text(html_page(recording, title), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from error


def _facts(recording: Recording) -> str:
    settled: dict[str, Any] = next(
        (line["settled"] for line in recording.lines if "settled" in line), {}
    )
    version = ProtocolVersion.__members__.get(str(settled.get("version")))
    named = {
        "version": version.text if version is not None else settled.get("version"),
        "cipher suite": settled.get("cipher_suite"),
        "key exchange": settled.get("group"),
        "server name": settled.get("server_name"),
        "application protocol": settled.get("alpn_protocol"),
        "resumed": "yes" if settled.get("resumed") else None,
    }
    items = "".join(
        f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(str(value))}</dd></div>"
        for name, value in named.items()
        if value
    )
    return f'<dl class="facts">{items}</dl>' if items else ""


def _legend(recording: Recording) -> str:
    epochs = dict.fromkeys(str(line["epoch"]) for line in recording.lines if "epoch" in line)
    told = [
        f'<span class="{_band(epoch)}">{html.escape(_NAMED.get(epoch, f"{epoch} keys"))}</span>'
        for epoch in epochs
    ]
    if recording.captured:  # whom a server believes is on no wire
        told.append('<span class="nobody">client: not to be seen here</span>')
    else:
        told.append('<span class="nobody">client: nobody</span>')
        told.append('<span class="somebody">client: proven</span>')
    return " ".join(told)


def _footer(recording: Recording, left_out: int) -> str:
    missing = left_out + recording.left_out
    more = f" {missing} further lines are left out." if missing else ""
    view = "As seen on the wire" if recording.captured else f"As the {recording.role.name} saw it"
    return f"{view}: {len(recording.lines)} lines. No secrets, no application data.{more}"


def _band(epoch: str) -> str:
    """Return the class of a row under these keys; key updates take turns."""
    name, _, generation = epoch.partition(" ")
    if epoch == "encrypted":  # with keys that nobody told
        return "early"
    if name not in EPOCHS:
        return "plaintext"
    return f"application-{int(generation or 0) % 2}" if name == "application" else name


class _Rows:
    """The rows of the ladder, one after the other."""

    def __init__(self, recording: Recording) -> None:
        self._lines = recording.lines
        self._known = False
        self._sender = ""
        self._numbers: dict[str, int] = {}
        self._outcomes = {
            str(line["context"]): str(line.get("outcome", "authenticated"))
            for line in recording.lines
            if line.get("context") and ("outcome" in line or "identity" in line)
        }

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            if "what" in line:
                yield self._message(line)
            elif "identity" in line:
                yield self._identity(line)
            elif "outcome" in line:
                yield self._outcome(line)

    def _message(self, line: dict[str, Any]) -> str:
        what, context = str(line["what"]), str(line.get("context", ""))
        sender = "client" if line.get("from") == "client" else "server"
        classes = ["from-" + sender, _band(str(line.get("epoch", "")))]
        if what == "application data":
            classes.append("data")
        if self._known:
            classes.append("known")
        if sender != self._sender:
            classes.append("flight")
        self._sender = sender
        attributes, badge = "", ""
        if context and what in _ABOUT_A_REQUEST:
            number = self._numbers.setdefault(context, len(self._numbers) + 1)
            badge = f'<span class="badge">request {number}</span>'
            kind = "asks" if what == "CertificateRequest" else "answers"
            outcome = self._outcomes.get(context, "open")
            attributes = (
                f' data-{kind}="{html.escape(context)}" data-outcome="{html.escape(outcome)}"'
                f' data-number="{number}"'
            )
        detail = str(line.get("detail", ""))
        if badge or not detail:
            note = badge
        else:
            note = f'<span class="badge">{html.escape(detail)}</span>'
        return (
            f'<details class="{" ".join(classes)}"{attributes}><summary>'
            f'<span class="time">{_time(line["t"])}</span>'
            f'<span class="lane"><span class="unseen">{sender} sends </span>'
            f'<span class="what">{html.escape(what)}</span>{note}<i></i></span>'
            f'<span class="rail"></span><span class="gutter"></span>'
            f'<span class="meta"><span class="size">{int(line.get("size", 0)):,}</span>'
            f'<span class="epoch">{html.escape(str(line.get("epoch", "")))}</span></span>'
            f"</summary>{_fields(line)}</details>"
        )

    def _identity(self, line: dict[str, Any]) -> str:
        identity = line["identity"]
        self._known = bool(identity)
        if not identity:
            return self._turn("no", "✖ From here on the client is nobody.")
        subject = html.escape(str(identity.get("subject", "")))
        issuer = html.escape(str(identity.get("issuer", "")))
        verified = "verified" if identity.get("verified") else "not verified"
        more = f"issued by {issuer}; {verified}; what came before stays nobody’s"
        return self._turn("yes", f"✔ From here on the client is {subject}", more)

    def _outcome(self, line: dict[str, Any]) -> str:
        number = self._numbers.get(str(line.get("context")), 0)
        return self._turn(
            "no",
            f"✖ Request {number}: {html.escape(str(line['outcome']))}",
            "the connection goes on as before",
        )

    def _turn(self, kind: str, markup: str, more: str = "") -> str:
        self._sender = ""
        small = f"<small>{more}</small>" if more else ""
        return (
            f'<div class="turn {kind}{" known" if self._known else ""}"><span></span>'
            f'<span class="lane">{markup}{small}</span><span class="rail"></span></div>'
        )


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 10 else f"{seconds:.2f} s"


def _fields(line: dict[str, Any]) -> str:
    pairs = [(str(pair[0]), str(pair[1])) for pair in line.get("fields", []) if len(pair) == 2] or [
        ("content", "not recorded" if line["what"] == "application data" else "none")
    ]
    pairs = [("sent at", _time(line["t"])), ("size", f"{line.get('size', 0)} bytes"), *pairs]
    items = "".join(
        f"<dt>{html.escape(name)}</dt><dd>{html.escape(value) or '(empty)'}</dd>"
        for name, value in pairs
    )
    return f'<dl class="fields">{items}</dl>'
