"""What comes back from where it was kept: tickets, sessions, recordings, authenticators."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import cache

from postshake.cli.trace import show
from postshake.constants import Role
from postshake.errors import CertificateError, PeerError, UsageError
from postshake.exported import ExportedAuthenticators, ExportedRequest
from postshake.recording import Recording
from postshake.recording.html import html_page
from postshake.resumption import Session12, Ticket, TicketKeys, TicketState
from postshake.session import SessionError
from postshake.session.session_data import read_session_data, write_session_data
from tests.fuzz.target import Script, Target, decoder, mutated
from tests.pair import ConnectionPair, client_config, server_config
from tests.resuming import Today
from tests.sealer import Sealer
from tests.tls12 import pair12

__all__ = ["sessions"]


def sessions() -> Iterator[Target]:
    """Give a target for each."""
    yield Target(
        "session TicketState",
        decoder(TicketState.from_bytes, UsageError),
        lambda: [sealed_state()],
        group="sessions",
    )
    yield Target(
        "session Ticket",
        decoder(Ticket.from_bytes, UsageError),
        lambda: [session().to_bytes()],
        group="sessions",
    )
    yield Target(
        "session Session12",
        decoder(Session12.decode, UsageError, again=True),
        lambda: [session12().encode()],
        group="sessions",
    )
    yield Target(
        "session data",
        decoder(lambda data: read_session_data(data, "server.example"), SessionError),
        lambda: [write_session_data(session()), write_session_data(session12())],
        group="sessions",
    )
    yield Target(
        "session sealed", sealed, lambda: [TicketKeys().seal(b"x", 0.0, bytes)], group="sessions"
    )
    yield Target(
        "recording", recorded, lambda: [recording().dump().encode()], group="sessions", weight=2
    )
    yield Target("exported request", requested, lambda: [request()], group="sessions")
    yield Target(
        "exported authenticator",
        authenticated,
        lambda: [b"", b"\1", b"\0\5abcde"],
        group="sessions",
    )


@cache
def session() -> Ticket:
    return Today("alice").session()[1]


@cache
def session12() -> Session12:
    pair = pair12("alice").handshake()
    found = pair.client.connection.session12
    assert found is not None
    return found


def sealed_state() -> bytes:
    """What a server sealed in a ticket."""
    sealer = Sealer()
    _, ticket = Today("alice", server={"ticket_keys": sealer}).session()
    state = sealer.open(ticket.ticket, 0.0)
    assert state is not None
    return state


def sealed(data: bytes) -> bool:
    keys = TicketKeys()
    assert keys.open(data, 0.0) is None
    return keys.open(keys.seal(data, 0.0, bytes), 0.0) == data


@cache
def recording() -> Recording:
    made = Recording(Role.server)
    pair = ConnectionPair(client_config("alice"), server_config(trace=made.trace))
    pair.handshake().reauth()
    for event in pair.server.events:
        made.event(event)
    return made


def recorded(data: bytes) -> bool:
    text = data.decode("utf-8", "replace")
    try:
        found = Recording.parse(text.splitlines())
    except UsageError:
        return False
    out = io.StringIO()
    show(found, out, fields=True)
    html_page(found, "title")
    return bool(out.getvalue())


@cache
def asked() -> tuple[ExportedAuthenticators, ExportedAuthenticators, ExportedRequest]:
    """What both ends of a connection make of exported authenticators, and an open request."""
    pair = ConnectionPair(client_config("alice"), server_config()).handshake()
    client = ExportedAuthenticators(pair.client.connection)
    server = ExportedAuthenticators(pair.server.connection)
    return client, server, server.request()


def request() -> bytes:
    return asked()[2].data


@cache
def answerer() -> ExportedAuthenticators:
    pair = ConnectionPair(client_config("alice"), server_config()).handshake()
    return ExportedAuthenticators(pair.client.connection)


def requested(data: bytes) -> bool:
    client = answerer()
    client._spent.clear()
    try:
        client.authenticate(data)
    except (PeerError, UsageError):
        return False
    return True


def authenticated(data: bytes) -> bool:
    """Of the right answer to an open request, the bytes say what to change."""
    client, server, open_request = asked()
    asked.cache_clear()
    right = client.authenticate(open_request.data)
    script = Script(data)
    answer = mutated(right, script) if script.below(4) else script.take(255)
    if data == b"":
        answer = right
    try:
        identity = server.validate(open_request.context, answer)
    except (PeerError, CertificateError):
        return False
    assert identity is None or answer == right
    return identity is not None
