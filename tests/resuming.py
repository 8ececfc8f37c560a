"""Sessions for tests: one connection that leaves tickets, and one that resumes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from postshake.config import ClientConfig, ServerConfig
from postshake.connection import Connection
from postshake.events import Established, Ticket
from postshake.questions import Question
from postshake.wire.handshake import decode_handshake, encode_handshake
from postshake.wire.hello import ClientHello
from tests.certs import NOW
from tests.pair import Clock, ConnectionPair, End, client_config, server_config

__all__ = [
    "NAME",
    "Today",
    "asked",
    "established",
    "keylog_pair",
    "on_the_way",
    "resuming",
    "sent_hellos",
    "tickets_of",
]

NAME = "server.example"


class Today:
    """A client's and a server's configuration that share a wall clock.

    ``today.later(60)`` moves it.
    """

    def __init__(self, *names: str, client: Any = None, server: Any = None) -> None:
        self.clock = Clock(NOW.timestamp())
        self.client: ClientConfig = client_config(*names, wall_clock=self.clock, **(client or {}))
        fields = {"tickets": 1, **(server or {})}
        self.server: ServerConfig = server_config(wall_clock=self.clock, **fields)

    def later(self, seconds: float) -> None:
        """Let time pass on both ends."""
        self.clock.now += seconds

    def session(self, server_name: str | None = NAME) -> tuple[ConnectionPair, Ticket]:
        """A connection with a full handshake, and its newest ticket."""
        pair = ConnectionPair(self.client, self.server, server_name=server_name).handshake()
        return pair, tickets_of(pair)[-1]

    def resume(self, ticket: Ticket, early: bytes = b"", **fields: Any) -> ConnectionPair:
        """A connection that offers a ticket, after its handshake."""
        fields = {"client": self.client, "server": self.server, **fields}
        return resuming(ticket, early, **fields).handshake()


def resuming(
    ticket: Ticket | None,
    early: bytes = b"",
    *,
    client: ClientConfig,
    server: ServerConfig,
    server_name: str | None = NAME,
    **fields: Any,
) -> ConnectionPair:
    """A connection that offers a ticket, and early data, before its handshake."""
    pair = ConnectionPair(client, server, server_name=server_name, **fields)
    pair.client = End(Connection(client, server_name, session=ticket))
    if early:
        pair.client.connection.send_early_data(early)
    return pair


def tickets_of(pair: ConnectionPair) -> tuple[Ticket, ...]:
    """The tickets that the client has."""
    return pair.client.connection.tickets


def established(pair: ConnectionPair) -> tuple[Established, Established]:
    """What client and server settled."""
    client, server = pair.client.connection, pair.server.connection
    assert client.established is not None
    assert server.established is not None
    return client.established, server.established


def keylog_pair() -> tuple[dict[str, str], dict[str, str], Any, Any]:
    """Two key logs, and the functions that fill them."""
    logs: tuple[dict[str, str], dict[str, str]] = ({}, {})

    def into(log: dict[str, str]) -> Any:
        def keep(line: str) -> None:
            label, _, secret = line.split(" ")
            log[label] = secret

        return keep

    return *logs, into(logs[0]), into(logs[1])


def asked(pair: ConnectionPair, side: str) -> list[Question]:
    """The questions of one end from here on, as they are answered."""
    seen: list[Question] = []
    end: End = getattr(pair, side)

    def look(question: Question) -> bool:
        seen.append(question)
        return False

    end.hold = look
    return seen


def on_the_way(pair: ConnectionPair, direction: str, change: Callable[[Any], Any]) -> None:
    """Change the first plaintext message of a direction on the way, as its record allows."""
    done: list[bool] = []

    def tamper(name: str, data: bytes) -> bytes:
        if name != direction or done or not data:
            return data
        done.append(True)
        end = 5 + int.from_bytes(data[3:5], "big")
        raw = encode_handshake(change(decode_handshake(data[5], data[9:end])))
        return data[:3] + len(raw).to_bytes(2, "big") + raw + data[end:]

    pair.tamper = tamper


def sent_hellos(pair: ConnectionPair) -> list[ClientHello]:
    """The ClientHellos that go over the wire from here on."""
    seen: list[ClientHello] = []

    def look(name: str, data: bytes) -> bytes:
        offset = 0
        while name == "to server" and offset < len(data):
            end = offset + 5 + int.from_bytes(data[offset + 3 : offset + 5], "big")
            if data[offset] == 22 and data[offset + 5] == 1:
                seen.append(ClientHello.decode(data[offset + 9 : end]))
            offset = end
        return data

    pair.tamper = look
    return seen
