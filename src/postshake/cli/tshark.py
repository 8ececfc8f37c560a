"""A recording made of a capture: tshark reads it and decrypts it with a key log.

What a capture cannot tell is left open: whether a server believed a certificate is never
on the wire, so no identity comes from here.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

from ..constants import AlertDescription, HandshakeType, Role, name_of
from ..errors import UsageError, present
from ..recording.recording import LONGEST, MAX_LINES, Recording
from .arguments import waiting

__all__ = ["read_capture"]

TIME = 120.0  # seconds that tshark may take
MOST_FIELDS = 400  # of a message
TAG_AND_TYPE = 17  # bytes that TLS 1.3 adds to a record's content
CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, DATA = "20", "21", "22", "23"
ENCRYPTED = "encrypted"
"""The epoch of what could not be decrypted."""
WHOLE = ("tls.handshake.sig_hash_alg",)
UNSHOWN = ("tls.handshake.session_ticket", "tls.app_data", "tls.segment")


def read_capture(path: str, keylog: str | None, stream: int) -> Recording:
    """Read one TCP connection of a capture.

    Raises:
        UsageError: there is no tshark, or it cannot read the file, or no TLS is in it.
    """
    program = shutil.which("tshark")
    if program is None:
        raise UsageError("captures are read with tshark, which is not installed")
    command = [program, "-r", path, "-2", "-Y", f"tcp.stream == {stream} && tls", "-T", "pdml"]
    if keylog is not None:
        command += ["-o", f"tls.keylog_file:{keylog}"]
    with (
        waiting(f"tshark reads {path}"),
        tempfile.TemporaryFile() as complaints,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaints
        ) as process,
    ):
        timer = threading.Timer(TIME, process.kill)
        timer.daemon = True
        timer.start()
        reader = _Reader()
        whole = True
        try:
            for _, element in ElementTree.iterparse(present(process.stdout, "output")):
                if element.tag == "packet":
                    reader.packet(element)
                    element.clear()
                    if len(reader.recording.lines) >= MAX_LINES:
                        whole = False
                        break
        except ElementTree.ParseError:
            pass  # it ended early; its exit code says why
        finally:
            late = not timer.is_alive()
            timer.cancel()
            if not whole:
                process.kill()
        code = process.wait()
        if late:
            raise UsageError(f"tshark took more than {TIME:.0f} seconds for {path}")
        if whole and code:
            complaints.seek(0)
            said = complaints.read(LONGEST).decode("utf-8", "backslashreplace").strip()
            raise UsageError(f"tshark cannot read {path}: {said}")
    if reader.client_port is None:
        raise UsageError(f"{path}: this TCP connection has no ClientHello of TLS")
    return reader.recording


class _Reader:
    """Makes lines of packets, and keeps in mind what keys each side has come to."""

    def __init__(self) -> None:
        self.recording = Recording(Role.client)
        self.recording.captured = True
        self.client_port: str | None = None
        self._began: float | None = None
        self._ready = {Role.client: False, Role.server: False}  # had sent its Finished
        self._updates = {Role.client: 0, Role.server: 0}

    def packet(self, packet: ElementTree.Element) -> None:
        """Read one packet."""
        port = _value(packet, "tcp.srcport")
        moment = float(_value(packet, "timestamp", "value") or 0)
        if self._began is None:
            self._began = moment
        for record in packet.iterfind("proto[@name='tls']/field[@name='tls.record']"):
            for line in self._record(record, port):
                if len(self.recording.lines) < MAX_LINES:
                    self.recording.lines.append({"t": round(moment - self._began, 6), **line})

    def _record(self, record: ElementTree.Element, port: str) -> Iterator[dict[str, Any]]:
        content = _value(record, "tls.record.content_type")
        opaque = record.find(".//field[@name='tls.record.opaque_type']") is not None
        messages = list(record.iterfind("field[@name='tls.handshake']"))
        types = [_value(each, "tls.handshake.type") for each in messages]
        if self.client_port is None and "1" in types:
            self.client_port = port
        sender = Role.client if port == self.client_port else Role.server
        line: dict[str, Any] = {
            "from": sender.name,
            "detail": "",
            "context": "",
            "fields": [],
            "epoch": self._epoch(sender) if opaque else "plaintext",
        }
        if opaque and not content:
            size = _size(record.find("field[@name='tls.app_data']"))
            yield line | {"what": "encrypted record", "size": size, "epoch": ENCRYPTED}
        elif content == CHANGE_CIPHER_SPEC:
            yield line | {"what": "ChangeCipherSpec", "size": 1}
        elif content == ALERT:
            number = _value(record, "tls.alert_message.desc")
            name = name_of(AlertDescription, int(number)) if number else "encrypted"
            yield line | {"what": f"Alert {name}", "size": 2}
        elif content == DATA:
            size = _size(record.find("field[@name='tls.app_data']"))
            size -= TAG_AND_TYPE if opaque else 0
            yield line | {"what": "application data", "size": max(0, size)}
        for message, number in zip(messages, types, strict=True):
            yield line | self._message(message, number)
            if opaque and number:
                self._turn(sender, int(number))
                line["epoch"] = self._epoch(sender)
            # the messages behind one that has no type cannot be read either

    def _message(self, message: ElementTree.Element, number: str) -> dict[str, Any]:
        if not number:
            return {"what": "encrypted message", "size": _size(message)}
        name = name_of(HandshakeType, int(number))
        told: dict[str, Any] = {
            "what": "".join(word.capitalize() for word in name.split("_")),
            "size": _size(message),
            "fields": _fields(message),
        }
        if int(number) in (HandshakeType.certificate_request, HandshakeType.certificate):
            context = _value(message, "tls.handshake.certificate_request_context", "value")
            told["context"] = context
            if context and _value(message, "tls.handshake.certificates_length") == "0":
                told["detail"] = "empty: declined"
        return told

    def _epoch(self, sender: Role) -> str:
        return f"application {self._updates[sender]}" if self._ready[sender] else "handshake"

    def _turn(self, sender: Role, number: int) -> None:
        """Take note of a message after which the sender has other keys."""
        if number == HandshakeType.finished:
            self._ready[sender] = True
        elif number == HandshakeType.key_update:
            self._updates[sender] += 1


def _value(element: ElementTree.Element, name: str, attribute: str = "show") -> str:
    found = element.find(f".//field[@name='{name}']")
    return (found.get(attribute) or "") if found is not None else ""


def _size(element: ElementTree.Element | None) -> int:
    return int(element.get("size") or 0) if element is not None else 0


def _leaves(element: ElementTree.Element) -> Iterator[ElementTree.Element]:
    """Give the fields that have none in them, or are shown as one."""
    for field in element:
        if len(field) and field.get("name") not in WHOLE:
            yield from _leaves(field)
        else:
            yield field


def _fields(message: ElementTree.Element) -> list[list[str]]:
    """Give a message's fields as tshark shows them."""
    found: list[list[str]] = []
    for field in _leaves(message):
        shown = field.get("showname") or ""
        name, separator, value = shown.partition(": ")
        if field.get("hide") == "yes" or not separator or name.lower().endswith("length"):
            continue
        if (field.get("name") or "").startswith(UNSHOWN):
            value = f"{_size(field)} bytes"
        if len(found) == MOST_FIELDS:
            found.append(["…", "more fields are left out"])
            break
        found.append([name[:LONGEST], value[:LONGEST]])
    return found
