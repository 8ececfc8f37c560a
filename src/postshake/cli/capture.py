"""A capture as a recording: tshark reads it, decrypts it with a key log, and tells us."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

from ..constants import AlertDescription, HandshakeType, Role, name_of
from ..errors import UsageError
from ..recording import Recording

__all__ = ["read_capture"]

TIME = 120.0  # seconds that tshark may take
_FIELDS = (
    "frame.time_relative",
    "tcp.srcport",
    "tls.record.content_type",
    "tls.record.opaque_type",
    "tls.handshake.type",
    "tls.handshake.length",
    "tls.alert_message.desc",
    "tls.app_data",
    "tls.handshake.certificate_request_context",
)
CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, DATA = "20", "21", "22", "23"


def read_capture(path: str, keylog: str | None, stream: int) -> Recording:
    """Read one TCP connection of a capture.

    Raises:
        UsageError: there is no tshark, or it cannot read the file, or no TLS is in it.
    """
    program = shutil.which("tshark")
    if program is None:
        raise UsageError("captures are read with tshark, which is not installed")
    command = [program, "-r", path, "-2", "-Y", f"tcp.stream == {stream} && tls", "-T", "fields"]
    if keylog is not None:
        command += ["-o", f"tls.keylog_file:{keylog}"]
    command += ["-E", "separator=|", "-E", "occurrence=a", "-E", "aggregator=,"]
    for field in _FIELDS:
        command += ["-e", field]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIME, check=False)
    except subprocess.TimeoutExpired:
        raise UsageError(f"tshark took more than {TIME:.0f} seconds for {path}") from None
    if done.returncode:
        raise UsageError(f"tshark cannot read {path}: {done.stderr.strip()}")
    return _recording(done.stdout.splitlines(), path)


def _recording(rows: list[str], path: str) -> Recording:
    recording = Recording(Role.client)
    client_port: str | None = None
    began: float | None = None
    for row in rows:
        cells = row.split("|")
        if len(cells) != len(_FIELDS):
            continue
        moment, port, content, opaque, kinds, lengths, alerts, _data, _contexts = cells
        types = [each for each in kinds.split(",") if each]
        if client_port is None and "1" in types:
            client_port = port
        sender = Role.client if port == client_port else Role.server
        began = float(moment) if began is None else began
        at = {"t": round(float(moment) - began, 6), "from": sender.name, "detail": "", "fields": []}
        epoch = "plaintext" if not opaque else "application 0"
        recording.lines += _messages(at, epoch, content, types, lengths.split(","), alerts)
    if client_port is None:
        raise UsageError(f"{path}: this TCP connection has no ClientHello of TLS")
    return recording


def _messages(
    at: dict[str, Any], epoch: str, content: str, types: list[str], lengths: list[str], alerts: str
) -> list[dict[str, Any]]:
    """Return what one frame carried: tshark lists messages by their kind."""
    found = []
    kinds = [each for each in content.split(",") if each]
    if CHANGE_CIPHER_SPEC in kinds:
        found.append({"what": "ChangeCipherSpec", "size": 1, "epoch": "plaintext"})
    for index, number in enumerate(types):
        name = name_of(HandshakeType, int(number))
        size = int(lengths[index]) + 4 if index < len(lengths) and lengths[index] else 0
        what = "".join(word.capitalize() for word in name.split("_"))
        found.append({"what": what, "size": size, "epoch": epoch})
    for number in filter(None, alerts.split(",")):
        name = name_of(AlertDescription, int(number))
        found.append({"what": f"Alert {name}", "size": 2, "epoch": epoch})
    for _ in range(kinds.count(DATA)):
        found.append({"what": "application data", "size": 0, "epoch": epoch})
    return [{**at, **each} for each in found]
