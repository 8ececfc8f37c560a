"""No secret shows: not in a repr, not in a str, not in the text of an error."""

from __future__ import annotations

import base64
import gc
import traceback
from typing import Any

import pytest

from postshake.connection import State
from postshake.constants import NamedGroup
from postshake.crypto.schedule import traffic_keys
from postshake.errors import BadRecordMac
from postshake.protocol.session_secrets import SessionSecrets
from postshake.wire.alert import Alert
from postshake.wire.post_handshake import NewSessionTicket
from tests.hostile import link_of, release, send_handshake
from tests.pair import ConnectionPair, client_config, server_config
from tests.tampering import REQUIRING, states


def reachable(*roots: Any) -> list[Any]:
    """All objects that can be reached from these, but for modules, classes and functions."""
    seen: dict[int, Any] = {}
    todo = list(roots)
    while todo:
        item = todo.pop()
        if id(item) in seen or isinstance(item, (type, type(gc), type(reachable))):
            continue
        seen[id(item)] = item
        todo += gc.get_referents(item)
    return list(seen.values())


def spellings(secret: bytes) -> tuple[str, ...]:
    """How a secret could stand in a text."""
    return (
        secret.hex(),
        secret.hex().upper(),
        secret.hex(":"),
        repr(secret)[2:-1],
        base64.b64encode(secret).decode().rstrip("="),
        str(list(secret))[1:-1],
        str(int.from_bytes(secret, "big")),
    )


class Watch:
    """Knows a connection's secrets, and looks for them wherever they could show."""

    def __init__(self) -> None:
        self.secrets: set[bytes] = set()
        self.texts: dict[str, str] = {}

    def keylog(self, line: str) -> None:
        self.secrets.add(bytes.fromhex(line.split()[2]))

    def look(self, *roots: Any) -> None:
        for item in reachable(*roots):
            if isinstance(item, (bytes, bytearray, memoryview, str, int, float)):
                continue  # what it is made of; its owners are looked at
            module = type(item).__module__
            if module.startswith("postshake") or isinstance(item, BaseException):
                for text in (repr(item), str(item)):
                    self.texts.setdefault(text, f"{module}.{type(item).__qualname__}")

    def check(self) -> None:
        assert self.secrets
        found = [
            f"{name}: {text[:200]}"
            for text, name in self.texts.items()
            for secret in self.secrets
            for spelling in spellings(secret)
            if spelling in text
        ]
        assert not found, found


def private_bytes(item: Any) -> bytes | None:
    method = getattr(item, "private_bytes_raw", None)
    return method() if method is not None else None


def test_no_secret_shows_anywhere() -> None:
    """Every object of ours that can be reached, in every state; texts of errors too."""
    watch = Watch()
    pair = ConnectionPair(
        client_config("alice", keylog=watch.keylog, groups=(NamedGroup.x25519,)),
        server_config(keylog=watch.keylog, **REQUIRING),
    )
    both = (pair.client, pair.server)
    for end in both:
        end.hold = lambda question: True

    def look() -> None:
        watch.look(pair.client, pair.server)
        for item in reachable(pair.client.connection, pair.server.connection):
            private = private_bytes(item)
            if private is not None:
                watch.secrets.add(private)

    pair.client.connection.start()
    look()
    for _ in range(8):
        pair.move()
        look()
        for end in both:
            for question in tuple(end.held_questions):
                look()
                release(end, question)
    assert states(pair) == (State.OPEN, State.OPEN)
    for end in both:
        end.hold = lambda question: False
        outcome = end.connection._engine.outcome
        assert outcome is not None
        assert isinstance(outcome.secrets, SessionSecrets)
        watch.secrets.add(outcome.secrets.resumption_master_secret)
        watch.secrets.add(outcome.secrets.exporter_master_secret)
    send_handshake(pair.server, NewSessionTicket(60, 0, b"n", b"the opaque ticket"))
    pair.client.connection.key_update(request_peer=True)
    pair.move()
    for ticket in pair.client.connection.tickets:
        watch.secrets |= {ticket.psk, ticket.ticket}
    for end in both:
        for protection in (link_of(end).inbound, link_of(end).outbound):
            assert protection.suite is not None
            assert protection.traffic_secret is not None
            watch.secrets.add(protection.traffic_secret)
            watch.secrets |= set(traffic_keys(protection.suite, protection.traffic_secret))
    context = pair.server.connection.request_auth()
    pair.move()
    look()
    pair.client.connection.answer_auth(context, pair.client.connection.config.credentials[0])
    look()
    pair.move()
    look()
    pair.server.receive(b"\x17\x03\x03\x00\x11" + bytes(17))
    pair.move()
    look()
    assert type(pair.server.error) is BadRecordMac
    assert pair.client.error is not None
    for end in both:
        assert end.error is not None
        watch.texts["".join(traceback.format_exception(end.error))] = "traceback"
    assert len(watch.secrets) >= 15
    assert len(watch.texts) > 50
    kinds = set(watch.texts.values())
    for name in ("Connection", "Link", "Established", "HandshakeOutcome", "Offer", "Hellos"):
        assert any(kind.endswith(f".{name}") for kind in kinds), name
    watch.check()


def test_the_watch_would_find_one() -> None:
    watch = Watch()
    watch.secrets.add(b"s" * 16)
    watch.look([Alert(1, 2), ValueError(f"the key is {(b's' * 16).hex()}")])
    with pytest.raises(AssertionError, match="ValueError"):
        watch.check()
