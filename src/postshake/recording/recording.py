"""What happened on a connection, as JSON lines without secrets.

    recording = Recording(Role.server)
    config = ServerConfig(..., trace=recording.trace)
    stream = Stream(sock, config, on_event=recording.event)
    ...
    recording.save("connection.jsonl")

A recording is a list of lines. Each is a JSON object with a time ``t``, in seconds since the
first, and either a message::

    {"t": 0.001, "from": "client", "what": "ClientHello", "size": 512, "epoch": "plaintext",
     "detail": "", "context": "", "fields": [["random", "32 bytes 8f…"], …]}

or what became of who the client is::

    {"t": 0.05, "identity": {"subject": "CN=alice", …}, "context": "8f3a…"}
    {"t": 0.09, "outcome": "declined", "context": "11c2…"}

The first line names the format and the end that wrote it. There are no secrets in it, and no
application data: how much there was of it, and when. Who the peers are, it tells.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import time
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any

from ..constants import (
    CertificateCompressionAlgorithm,
    CipherSuite,
    ExtensionType,
    NamedGroup,
    ProtocolVersion,
    PskKeyExchangeMode,
    Role,
    SignatureScheme,
    name_of,
)
from ..errors import UsageError
from ..events import (
    Direction,
    Established,
    Event,
    HandshakeCompleted,
    Outcome,
    ReauthCompleted,
    TraceEntry,
)
from ..pki.der import certificate_fields
from ..pki.identity import Identity
from ..pki.strict_der import load_certificate, read_name
from ..pki.unreadable import UNREADABLE
from ..private_file import open_private
from ..wire.extensions import Extensions

__all__ = ["FORMAT", "LONGEST", "MAX_LINES", "Recording", "describe", "facts_of"]

FORMAT = "postshake trace 1"
MAX_LINES = 100_000
MAX_FILE = 256 * 1024 * 1024
MOST_FIELDS = 400  # of one message
MOST_LISTED = 64  # values of one field
SHOWN = 16  # bytes of a field in hexadecimal
DEEPEST = 6
LONGEST = 2000  # characters of a field
LONGEST_NAME = 512  # bytes of a distinguished name that is written out

_NAMES: dict[str, type[Any]] = {
    "cipher_suite": CipherSuite,
    "cipher_suites": CipherSuite,
    "group": NamedGroup,
    "named_group_list": NamedGroup,
    "selected_group": NamedGroup,
    "algorithm": SignatureScheme,
    "algorithms": CertificateCompressionAlgorithm,
    "supported_signature_algorithms": SignatureScheme,
    "versions": ProtocolVersion,
    "selected_version": ProtocolVersion,
    "legacy_version": ProtocolVersion,
    "ke_modes": PskKeyExchangeMode,
}


class Recording:
    """Writes down what one end of a connection sees.

    Args:
        role: which end it is.
        clock: seconds on a clock that never goes back.
        limit: how many lines are kept; further messages are counted only.
    """

    def __init__(
        self,
        role: Role,
        *,
        clock: Callable[[], float] = time.monotonic,
        limit: int = MAX_LINES,
    ) -> None:
        self.role = role
        self.lines: list[dict[str, Any]] = []
        """The lines, without the first, which names the format."""
        self.captured = False
        """Whether it was seen on the wire, where nobody sees what an end believes."""
        self.left_out = 0
        """Lines that found no room."""
        self._clock = clock
        self._limit = limit
        self._began: float | None = None

    def __repr__(self) -> str:
        return f"<Recording of a {self.role.name}, {len(self.lines)} lines>"

    def trace(self, entry: TraceEntry) -> None:
        """Note a message: for ``config.trace``."""
        sender = self.role if entry.direction is Direction.sent else self.role.peer
        context: bytes = getattr(entry.message, "certificate_request_context", b"")
        self._note(
            {
                "from": sender.name,
                "what": entry.what,
                "size": entry.size,
                "epoch": entry.epoch,
                "detail": entry.detail,
                "context": context.hex(),
                "fields": describe(entry.message) if entry.message is not None else [],
            }
        )

    def event(self, event: Event) -> None:
        """Note what became of a request: for ``on_event``."""
        if isinstance(event, HandshakeCompleted):
            self._note({"settled": facts_of(event.established)})
        elif isinstance(event, ReauthCompleted):
            context = event.context.hex()
            if event.outcome is Outcome.AUTHENTICATED:
                self.identity(event.identity, context)
            else:
                self._note({"outcome": event.outcome.value, "context": context})

    def identity(self, identity: Identity | None, context: str = "") -> None:
        """Note who the peer is from here on."""
        told = identity.to_dict() if identity is not None else None
        self._note({"identity": told, "context": context})

    def _note(self, line: dict[str, Any]) -> None:
        if len(self.lines) >= self._limit:
            self.left_out += 1
            return
        now = self._clock()
        if self._began is None:
            self._began = now
        self.lines.append({"t": round(now - self._began, 6), **line})

    # --- as a file

    def dump(self) -> str:
        """Return it as JSON lines."""
        first = {
            "format": FORMAT,
            "role": self.role.name,
            "captured": self.captured,
            "left_out": self.left_out,
        }
        return "".join(f"{json.dumps(line)}\n" for line in (first, *self.lines))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a file, which only its owner may read: it says who spoke to whom."""
        with open_private(path, "w", encoding="utf-8") as file:
            file.write(self.dump())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Recording:
        """Read a file that `save` wrote.

        Raises:
            UsageError: it is something else, or too large.
        """
        try:
            if os.stat(path).st_size > MAX_FILE:
                raise UsageError(f"{path}: more than {MAX_FILE} bytes")
            with open(path, encoding="utf-8") as file:
                return cls.parse(file)
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror or error}") from error
        except UnicodeDecodeError as error:
            raise UsageError(f"{path}: {error}") from error

    @classmethod
    def parse(cls, lines: Iterable[str]) -> Recording:
        """Read what `dump` wrote.

        Raises:
            UsageError: it is something else.
        """
        found = list(lines)
        try:
            first = json.loads(found[0]) if found else None
            if not isinstance(first, dict) or first.get("format") != FORMAT:
                raise UsageError(f"expected a first line with the format {FORMAT!r}")
            recording = cls(Role[first["role"]])
            recording.captured = first.get("captured") is True
            recording.left_out = int(first.get("left_out", 0))
            for number, text in enumerate(found[1:], 2):
                line = json.loads(text)
                _check_line(number, line)
                recording.lines.append(line)
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise UsageError(f"not a trace: {error}") from error
        return recording


_SHAPES: dict[str, type | tuple[type, ...]] = {
    "t": (int, float),
    "from": str,
    "what": str,
    "size": int,
    "epoch": str,
    "detail": str,
    "context": str,
    "outcome": str,
    "fields": list,
    "settled": dict,
    "identity": (dict, type(None)),
}


def _check_line(number: int, line: object) -> None:
    """Check that what is shown of a line is what it is taken for.

    Raises:
        UsageError: it is not; the error has the line's number.
    """
    if not isinstance(line, dict) or "t" not in line:
        raise UsageError(f"line {number}: expected an object with a time")
    for name, value in line.items():
        shape = _SHAPES.get(name)
        if shape is not None and (not isinstance(value, shape) or isinstance(value, bool)):
            raise UsageError(f"line {number}: {name} is a {type(value).__name__}")
    if not math.isfinite(line["t"]) or not 0 <= line.get("size", 0) <= MAX_FILE:
        raise UsageError(f"line {number}: a time or a size that cannot be")
    for pair in line.get("fields", []):
        if not isinstance(pair, list) or len(pair) != 2:
            raise UsageError(f"line {number}: expected fields to be pairs")


def describe(message: object) -> list[list[str]]:
    """Give a message's fields as pairs of texts, nested ones with dotted names.

    Bytes are shown by their number and the first few; a ticket is not shown at all.
    """
    found: list[list[str]] = []
    _describe("", message, found, 0)
    return found


def _describe(name: str, value: object, found: list[list[str]], depth: int) -> None:
    inner = _parts(value) if depth < DEEPEST else None
    if len(found) >= MOST_FIELDS:
        return
    if inner is None:
        found.append([name.removesuffix("."), _clip(_text(name.rpartition(".")[2], value))])
        return
    prefix = f"{name}." if name else ""
    for part, each in inner:
        _describe(f"{prefix}{part}", each, found, depth + 1)


def _parts(value: object) -> list[tuple[str, object]] | None:
    """Return what a message or an extension consists of; None for a plain value."""
    if isinstance(value, Extensions):
        return [(name_of(ExtensionType, each.extension_type), each) for each in value.items]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = [(each.name, getattr(value, each.name)) for each in dataclasses.fields(value)]
        return parts or [("", "")]
    if isinstance(value, tuple) and value and dataclasses.is_dataclass(value[0]):
        return [(str(index), each) for index, each in enumerate(value)]
    return None


def _text(name: str, value: object) -> str:
    if name in ("ticket", "ticket_nonce", "ticket_age_add"):
        return f"{len(value)} bytes" if isinstance(value, bytes) else "not shown"
    if isinstance(value, bytes):
        if name == "cert_data":
            return f"{_certificate(value)} ({len(value)} bytes)"
        if name in ("authorities", "certificate_authorities"):
            return _name(value)
        if name.endswith(("host_name", "protocol_name")):
            return value.decode("ascii", "backslashreplace")
        more = "…" if len(value) > SHOWN else ""
        return f"{len(value)} bytes {value[:SHOWN].hex()}{more}".strip()
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, int) and not isinstance(value, bool) and name in _NAMES:
        return name_of(_NAMES[name], value)
    if isinstance(value, tuple):
        first = ", ".join(_text(name, each) for each in value[:MOST_LISTED]) or "none"
        return (
            first if len(value) <= MOST_LISTED else f"{first} and {len(value) - MOST_LISTED} more"
        )
    return str(value)


def _certificate(der: bytes) -> str:
    try:
        load_certificate(der)
        fields = certificate_fields(der)
    except (IndexError, *UNREADABLE):
        return "a certificate that cannot be read"
    return f"{_name(fields.subject)}, issued by {_name(fields.issuer)}"


def _name(der: bytes) -> str:
    try:
        if len(der) <= LONGEST_NAME:
            return read_name(der).rfc4514_string() if der else ""
        return f"a name of {len(der)} bytes"
    except (AttributeError, *UNREADABLE):
        return f"{len(der)} bytes {der[:SHOWN].hex()}"


def _clip(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def facts_of(established: Established) -> dict[str, Any]:
    """Give what a handshake settled as plain values that JSON can hold."""
    group = established.group
    return {
        "version": established.version.name,
        "cipher_suite": str(established.suite),
        "group": group.name if group is not None else None,
        "server_name": established.server_name,
        "alpn_protocol": (established.alpn_protocol or b"").decode("ascii", "replace") or None,
        "post_handshake_auth": established.post_handshake_auth,
        "resumed": established.resumed,
    }
