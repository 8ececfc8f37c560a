"""The handshakes recorded in RFC 8448, as bytes.

The values are in ``rfc8448.json``; ``tests/crypto/test_rfc8448.py`` derives every
secret, opens every record and verifies every signature, so none can be wrong.
One thing differs from the RFC's text: the ClientHello of the resumed handshake
has its binder, as it was sent.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from postshake.constants import ContentType, NamedGroup, Role

__all__ = [
    "CLIENT_AUTHENTICATION",
    "COMPATIBILITY",
    "RESUMED",
    "RETRY",
    "RSA_PRIVATE_KEY",
    "SIMPLE",
    "TRACES",
    "Binder",
    "KeyPair",
    "Message",
    "Record",
    "Ticket",
    "Trace",
]


@dataclass(frozen=True)
class KeyPair:
    """An ephemeral key; ``public`` is its key_exchange."""

    owner: Role
    group: NamedGroup
    private: bytes
    public: bytes


@dataclass(frozen=True)
class Message:
    """A handshake message with its header."""

    sender: Role
    name: str
    data: bytes


@dataclass(frozen=True)
class Record:
    """A record: what is in it, and the octets on the wire."""

    sender: Role
    content_type: ContentType
    payload: bytes
    data: bytes


@dataclass(frozen=True)
class Binder:
    """How the PSK binder of the resumed handshake comes about."""

    binder_key: bytes
    finished_key: bytes
    client_hello_prefix: bytes
    digest: bytes
    binder: bytes


@dataclass(frozen=True)
class Ticket:
    """The nonce of a NewSessionTicket, and the PSK that it stands for."""

    nonce: bytes
    psk: bytes


@dataclass(frozen=True)
class Trace:
    """One recorded handshake.

    ``secrets`` has the names of the key schedule, and ``shared_secret``, ``psk``,
    ``derived_for_handshake``, ``derived_for_master``; ``digests`` the transcript
    hash that went into each. ``traffic_keys`` (key, iv) are named for the sender
    and the epoch: ``client_early``, ``server_handshake``, ``server_application`` …
    """

    section: int
    key_pairs: tuple[KeyPair, ...]
    messages: tuple[Message, ...]
    records: tuple[Record, ...]
    secrets: dict[str, bytes]
    digests: dict[str, bytes]
    traffic_keys: dict[str, tuple[bytes, bytes]]
    finished_keys: dict[Role, bytes]
    verify_data: dict[Role, bytes]
    binder: Binder | None
    ticket: Ticket | None

    def message(self, name: str, sender: Role | None = None, nth: int = 0) -> bytes:
        """Find a message by name; ``nth`` counts those of one name, as ClientHellos."""
        return [
            message.data
            for message in self.messages
            if message.name == name and sender in (None, message.sender)
        ][nth]

    def key_pair(self, owner: Role, nth: int = -1) -> KeyPair:
        """Find an ephemeral key; without ``nth`` the one that served in the end."""
        return [pair for pair in self.key_pairs if pair.owner is owner][nth]

    def sent_by(self, sender: Role) -> tuple[Record, ...]:
        """List the records of one end, in order."""
        return tuple(record for record in self.records if record.sender is sender)


def _trace(raw: dict[str, Any]) -> Trace:
    unhex = bytes.fromhex
    binder, ticket = raw.get("binder"), raw.get("ticket")
    return Trace(
        section=raw["section"],
        key_pairs=tuple(
            KeyPair(
                Role[pair["owner"]],
                NamedGroup[pair["group"]],
                unhex(pair["private"]),
                unhex(pair["public"]),
            )
            for pair in raw["key_pairs"]
        ),
        messages=tuple(
            Message(Role[message["sender"]], message["name"], unhex(message["data"]))
            for message in raw["messages"]
        ),
        records=tuple(
            Record(
                Role[record["sender"]],
                ContentType[record["type"]],
                unhex(record["payload"]),
                unhex(record["record"]),
            )
            for record in raw["records"]
        ),
        secrets={name: unhex(value) for name, value in raw["secrets"].items()},
        digests={name: unhex(value) for name, value in raw["digests"].items()},
        traffic_keys={
            name: (unhex(value["key"]), unhex(value["iv"]))
            for name, value in raw["traffic_keys"].items()
        },
        finished_keys={Role[role]: unhex(value["key"]) for role, value in raw["finished"].items()},
        verify_data={
            Role[role]: unhex(value["verify_data"]) for role, value in raw["finished"].items()
        },
        binder=Binder(**{name: unhex(value) for name, value in binder.items()}) if binder else None,
        ticket=Ticket(**{name: unhex(value) for name, value in ticket.items()}) if ticket else None,
    )


_RAW = json.loads(Path(__file__).with_name("rfc8448.json").read_text(encoding="ascii"))

RSA_PRIVATE_KEY: dict[str, int] = {
    name: int(value, 16) for name, value in _RAW["rsa_private_key"].items()
}
"""Section 2: the key of the server's RSA certificate, 1024 bits of it."""

TRACES: dict[str, Trace] = {name: _trace(raw) for name, raw in _RAW["traces"].items()}

SIMPLE = TRACES["simple"]
"""Section 3: one round trip, a ticket, data, and the end."""

RESUMED = TRACES["resumed"]
"""Section 4: that ticket, used, with early data."""

RETRY = TRACES["retry"]
"""Section 5: a HelloRetryRequest for P-256, with a cookie."""

CLIENT_AUTHENTICATION = TRACES["client_authentication"]
"""Section 6: the server has an ECDSA certificate, and asks for one and gets RSA."""

COMPATIBILITY = TRACES["compatibility"]
"""Section 7: with change_cipher_spec records."""
