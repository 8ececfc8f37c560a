"""Peers that keep their keys and break the rules, and an ear on the wire.

What a hostile peer can do that a wire cannot is to send wrong messages in good
records, with transcripts that agree. ``rewriting`` changes a message of an
honest end as it is made, before it is hashed; ``send_handshake`` and
``send_record`` send whatever they are given; ``capture_answer`` takes a whole
answer out of an honest client's hands. ``Tap`` reads along with a key log.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from postshake.constants import ContentType, HandshakeType, Role
from postshake.crypto.suites import TLS13_SUITES
from postshake.drive.answers import find_answer_now
from postshake.errors import AlertReceived, PeerError, TLSError
from postshake.pki.credential import Credential
from postshake.protocol.link import Flight, Link
from postshake.questions import Question
from postshake.record.layer import RecordLayer
from postshake.record.limits import Limits
from postshake.record.protection import Epoch
from postshake.record.reassembly import Reassembly
from postshake.wire.handshake import Handshake, encode_handshake
from postshake.wire.hello import HELLO_RETRY_REQUEST_RANDOM
from tests.pair import ConnectionPair, End

__all__ = [
    "Tap",
    "assert_refused",
    "capture_answer",
    "link_of",
    "release",
    "rewriting",
    "send_handshake",
    "send_record",
]

Change = Callable[[Any], Handshake | bytes | None]


@contextmanager
def rewriting(kind: type[Any], change: Change) -> Iterator[None]:
    """Let every flight made meanwhile hold something else than this kind of message.

    Args:
        kind: the class of the message.
        change: what to send instead: a message, bytes with a header, or None for
            nothing. The sender's own transcript follows.
    """
    honest = Flight.add

    def add(self: Flight, message: Handshake) -> None:
        if type(message) is not kind:
            honest(self, message)
            return
        changed = change(message)
        if changed is None:
            return
        raw = changed if isinstance(changed, bytes) else encode_handshake(changed)
        self.transcript.add(raw)
        self.messages.append(message)
        self.parts.append(raw)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Flight, "add", add)
        yield


def link_of(end: End) -> Link:
    """The hold that an end's conversations have on it."""
    return end.connection._engine.link


def send_record(end: End, content_type: int, data: bytes) -> None:
    """Queue one or more records in an end's name."""
    link_of(end).layer.send(content_type, data)


def send_handshake(end: End, *messages: Handshake | bytes) -> None:
    """Queue handshake messages in an end's name, all in one record if they fit."""
    raw = [each if isinstance(each, bytes) else encode_handshake(each) for each in messages]
    send_record(end, ContentType.handshake, b"".join(raw))


def capture_answer(end: End, context: bytes, credential: Credential | None) -> list[bytes]:
    """Have a client write an answer, and keep it from being sent.

    Returns:
        Its messages, with headers. They are good until the client's next KeyUpdate.
    """
    captured: list[bytes] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Link, "send", lambda self, flight: captured.extend(flight.parts))
        end.connection.answer_auth(context, credential)
        end.settle()
    assert captured
    return captured


def release(end: End, *questions: Question) -> None:
    """Answer questions that were held, in this order; all that are held, if none is given."""
    for question in questions or tuple(end.held_questions):
        end.held_questions.remove(question)
        end.connection.answer(question.id, find_answer_now(question.subject))
    end.settle()


def assert_refused(
    pair: ConnectionPair, error_class: type[TLSError], match: str, *, by: Role = Role.server
) -> None:
    """Insist that one end failed in exactly this way, and that the other was told.

    What the failed end had received before must be there to read.
    """
    victim, other = (pair.server, pair.client) if by is Role.server else (pair.client, pair.server)
    received = victim.connection.readable + len(victim.data)
    pair.move()
    error = victim.error
    assert error is not None, "nothing was refused"
    # of the class, or of one that tells its kind apart
    assert isinstance(error, error_class), repr(error)
    assert error.alert is error_class.alert, repr(error)
    assert re.search(match, str(error)), str(error)
    assert repr(victim.connection.failure) == repr(error)
    if isinstance(error, PeerError):
        assert str(error).startswith(f"{by.peer.name}: ")
    assert isinstance(other.error, AlertReceived), repr(other.error)
    assert other.error.received == error_class.alert
    assert victim.connection.readable + len(victim.data) >= received


class Tap:
    """Reads along between two ends whose key logs it is given.

    ``pair.tamper = tap`` and ``keylog=tap.keylog`` in both configurations.
    """

    def __init__(self) -> None:
        self.secrets: dict[str, bytes] = {}
        self.messages: list[tuple[Role, bytes]] = []
        """Who sent what, in order, each with its header."""
        self.records: list[tuple[Role, int, int]] = []
        """Who sent a record of which content type, with how many bytes in it."""
        self._layers: dict[Role, RecordLayer] = {}
        self._reassemblies: dict[Role, Reassembly] = {}
        for sender in Role:
            layer = self._layers[sender] = RecordLayer(limits=Limits(), role=sender.peer)
            layer.ccs_allowed = True
            self._reassemblies[sender] = Reassembly(Limits())
        self._opened: set[Role] = set()

    def keylog(self, line: str) -> None:
        """Take a line of the key log."""
        label, _, secret = line.split(" ")
        self.secrets[label] = bytes.fromhex(secret)

    def __call__(self, direction: str, data: bytes) -> bytes:
        """Listen to a batch of bytes; they go on unchanged."""
        sender = Role.client if direction == "to server" else Role.server
        layer, reassembly = self._layers[sender], self._reassemblies[sender]
        layer.feed(data)
        while (record := layer.next_record()) is not None:
            self.records.append((sender, record[0], len(record[1])))
            if record[0] == ContentType.handshake:
                reassembly.feed(record[1])
                while (message := reassembly.next_message()) is not None:
                    self._take(sender, *message)
        return data

    def sent_by(self, sender: Role, handshake_type: HandshakeType) -> list[bytes]:
        """The messages of one type from one end."""
        return [raw for role, raw in self.messages if role is sender and raw[0] == handshake_type]

    def _take(self, sender: Role, handshake_type: int, raw: bytes) -> None:
        self.messages.append((sender, raw))
        if handshake_type == HandshakeType.server_hello:
            if raw[6:38] == HELLO_RETRY_REQUEST_RANDOM:
                return
            at = 39 + raw[38]
            self._suite = TLS13_SUITES[int.from_bytes(raw[at : at + 2], "big")]
            for role in Role:
                secret = self.secrets[f"{role.name.upper()}_HANDSHAKE_TRAFFIC_SECRET"]
                self._layers[role].read_with(self._suite, secret, Epoch.handshake)
        elif handshake_type == HandshakeType.finished and sender not in self._opened:
            self._opened.add(sender)
            secret = self.secrets[f"{sender.name.upper()}_TRAFFIC_SECRET_0"]
            self._layers[sender].read_with(self._suite, secret, Epoch.application)
        elif handshake_type == HandshakeType.key_update:
            self._layers[sender].update_read()
