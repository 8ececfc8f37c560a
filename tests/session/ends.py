"""Two ends of a session over memory, each of them ours or GnuTLS's.

An `End` speaks the API of `postshake.gnutls`, which `bridge.Gnutls` has too. Its methods
return what C returns: 0, counts, negative numbers. A `Pair` has a client and a server and
a `Pipe` each way, which can be blocked, and remembers what was written.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest

import postshake.gnutls as ours
from postshake.config import Config
from postshake.errors import present
from postshake.events import Direction, TraceEntry
from postshake.protocol.link import Flight, Link
from postshake.session import Session
from postshake.session import constants as c
from postshake.session.record_driver import RecordDriver
from postshake.session.settings import SessionSettings
from tests.certs import CA, Issued
from tests.session.bridge import Gnutls, needs_libgnutls

__all__ = [
    "AGAIN",
    "REAUTH",
    "End",
    "Pair",
    "Pipe",
    "Setup",
    "authority",
    "certificate",
    "driver_of",
    "extension_block",
    "flip",
    "hello_extensions",
    "pairings",
    "records",
    "settings_of",
    "tamper",
]

AGAIN, REAUTH = -28, -424
WAITING = {AGAIN, -52}
PRIORITY = "NORMAL:-VERS-ALL:+VERS-TLS1.3"
GNUTLS = "libgnutls"
OURS = "ours"
STEPS = 40
_ONE_AT_A_TIME = threading.RLock()


@cache
def _authority(name: str) -> CA:
    return CA(name)


def authority(name: str = "Test CA") -> CA:
    """An authority, the same for each asking."""
    with _ONE_AT_A_TIME:
        return _authority(name)


@cache
def _certificate(name: str, purpose: str, ca: str, **options: Any) -> Issued:
    if purpose == "server":
        options["dns"] = (name,)
    return authority(ca).issue(name, purpose=purpose, **options)


def certificate(name: str, purpose: str = "client", ca: str = "Test CA", **options: Any) -> Issued:
    """A certificate, the same for each asking."""
    with _ONE_AT_A_TIME:  # two threads get the same one
        return _certificate(name, purpose, ca, **options)


def driver_of(session: Session) -> RecordDriver:
    """What joins a session's engine to its transport, which no public method shows."""
    return present(session._running, "driver: the session has not begun its handshake").driver


def settings_of(session: Session) -> SessionSettings:
    """What was said to a session, with what no public method shows again."""
    return session._settings


class Pipe:
    """Bytes on their way in one direction."""

    def __init__(self) -> None:
        self.waiting = bytearray()
        self.writes: list[bytes] = []
        self.ended = False
        self.room: int | None = None
        """How many bytes it still takes; None for all."""

    def push(self, _ptr: Any, data: Any) -> int:
        data = bytes(data)
        if self.room is not None:
            data = data[: self.room]
            if not data:
                raise BlockingIOError
            self.room -= len(data)
        self.waiting += data
        self.writes.append(data)
        return len(data)

    def pull(self, _ptr: Any, size: int) -> bytes:
        if not self.waiting:
            if self.ended:
                return b""
            raise BlockingIOError
        data = bytes(self.waiting[:size])
        del self.waiting[:size]
        return data

    def hold(self) -> bytes:
        """Take everything off the pipe."""
        data = bytes(self.waiting)
        self.waiting.clear()
        return data

    def put(self, data: bytes) -> None:
        self.waiting += data


@dataclass
class Setup:
    """How an end is made."""

    flags: int = c.POST_HANDSHAKE_AUTH
    certificates: Iterable[Issued] = ()
    trust: Iterable[CA] | None = None
    credentials: bool = True
    """Whether it has certificate credentials at all."""
    priority: str = PRIORITY
    request: int | None = None
    prepare: Callable[[End], None] | None = None
    alpn: tuple[bytes, ...] = ()
    psk: tuple[str, bytes] | None = None
    """A pre-shared key that it has."""
    ticket_key: bytes | None = None
    """A server's."""
    data: bytes | None = None
    """What a client resumes with."""


@cache
def _gnutls() -> Gnutls:
    return Gnutls()


class End:
    """One end; every method returns GnuTLS's number, or the data."""

    def __init__(self, which: str, role: int, setup: Setup, outbound: Pipe, inbound: Pipe) -> None:
        self.which = which
        self.api: Any = ours if which == OURS else _gnutls()
        self.outbound, self.inbound = outbound, inbound
        self.messages: list[tuple[bool, str]] = []
        """Handshake messages: whether it came in, and its name."""
        self.bodies: list[tuple[bool, int, bytes]] = []
        """The same with bodies, of GnuTLS alone."""
        self.session: Any = self.api.gnutls_session_t()
        assert self.api.gnutls_init(self.session, role | setup.flags) == 0
        if which == OURS:
            settings_of(self.it).base = Config(trace=self._note)
        else:
            self.api.set_hook(self.session, self._hook)
        self.api.gnutls_priority_set_direct(self.session, setup.priority)
        if setup.alpn:
            self.api.gnutls_alpn_set_protocols(self.session, list(setup.alpn))
        self.credentials: Any = None
        if setup.credentials:
            self.set_credentials(setup.certificates, setup.trust)
        if setup.psk is not None:
            self.set_psk(role, *setup.psk)
        if setup.ticket_key is not None:
            enable = self.api.gnutls_session_ticket_enable_server
            assert enable(self.session, setup.ticket_key) == 0
        if setup.data is not None:
            assert self.api.gnutls_session_set_data(self.session, setup.data) == 0
        if role == c.CLIENT:
            self.api.gnutls_server_name_set(self.session, c.NAME_DNS, "server.example")
        elif setup.request is not None:
            self.request(setup.request)
        if setup.prepare:
            setup.prepare(self)
        self.api.gnutls_transport_set_ptr(self.session, None)
        self.api.gnutls_transport_set_push_function(self.session, outbound.push)
        self.api.gnutls_transport_set_pull_function(self.session, inbound.pull)

    @property
    def is_ours(self) -> bool:
        return self.which == OURS

    def set_credentials(
        self, certificates: Iterable[Issued] = (), trust: Iterable[CA] | None = None
    ) -> None:
        credentials = self.credentials = self.api.gnutls_certificate_credentials_t()
        self.api.gnutls_certificate_allocate_credentials(credentials)
        for ca in (authority(),) if trust is None else trust:
            added = self.api.gnutls_certificate_set_x509_trust_mem(
                credentials, ca.pem(), c.X509_FMT_PEM
            )
            assert added == 1
        for issued in certificates:
            self.add_certificate(issued)
        self.api.gnutls_credentials_set(self.session, c.CRD_CERTIFICATE, credentials)

    def set_psk(self, role: int, name: str, key: bytes) -> None:
        api = self.api
        if role == c.CLIENT:
            credentials = api.gnutls_psk_client_credentials_t()
            api.gnutls_psk_allocate_client_credentials(credentials)
            api.gnutls_psk_set_client_credentials(credentials, name, key, c.PSK_KEY_RAW)
        else:
            credentials = api.gnutls_psk_server_credentials_t()
            api.gnutls_psk_allocate_server_credentials(credentials)
            api.gnutls_psk_set_server_credentials_function(
                credentials, lambda _, asked: key if asked == name.encode() else None
            )
        assert api.gnutls_credentials_set(self.session, c.CRD_PSK, credentials) == 0

    def add_certificate(self, issued: Issued) -> None:
        call = self.api.gnutls_certificate_set_x509_key_mem
        assert call(self.credentials, issued.pem(), issued.key_pem(), c.X509_FMT_PEM) >= 0

    def _note(self, entry: TraceEntry) -> None:
        self.messages.append((entry.direction is Direction.received, entry.what))

    def _hook(self, kind: int, incoming: bool, body: bytes) -> None:
        names = {11: "Certificate", 13: "CertificateRequest", 15: "CertificateVerify"}
        names |= {20: "Finished", 4: "NewSessionTicket", 24: "KeyUpdate", 1: "ClientHello"}
        self.messages.append((incoming, names.get(kind, str(kind))))
        self.bodies.append((incoming, kind, body))

    @property
    def it(self) -> Any:
        """Our Session, on an end of ours."""
        return self.session.it

    def of(self, name: str, *, incoming: bool | None = None) -> int:
        """How many handshake messages of this name there were."""
        return sum(what == name and incoming in (None, came) for came, what in self.messages)

    # --- what C has

    def handshake(self) -> int:
        return int(self.api.gnutls_handshake(self.session))

    def reauth(self, flags: int = 0) -> int:
        return int(self.api.gnutls_reauth(self.session, flags))

    def send(self, data: bytes) -> int:
        return int(self.api.gnutls_record_send(self.session, data))

    def recv(self, size: int = 65536) -> bytes | int:
        buffer = bytearray(size)
        count = self.api.gnutls_record_recv(self.session, buffer, size)
        return bytes(buffer[:count]) if count >= 0 else int(count)

    def bye(self, how: int = c.SHUT_RDWR) -> int:
        return int(self.api.gnutls_bye(self.session, how))

    def request(self, mode: int) -> None:
        self.api.gnutls_certificate_server_set_request(self.session, mode)

    def flags(self) -> int:
        return int(self.api.gnutls_session_get_flags(self.session))

    def key_update(self, flags: int = 0) -> int:
        return int(self.api.gnutls_session_key_update(self.session, flags))

    def pending(self) -> int:
        return int(self.api.gnutls_record_check_pending(self.session))

    def direction(self) -> int:
        return int(self.api.gnutls_record_get_direction(self.session))

    def alert(self) -> int:
        return int(self.api.gnutls_alert_get(self.session))

    def alert_send(self, level: int, alert: int) -> int:
        return int(self.api.gnutls_alert_send(self.session, level, alert))

    def alert_send_appropriate(self, code: int) -> int:
        return int(self.api.gnutls_alert_send_appropriate(self.session, code))

    def peers(self) -> tuple[bytes, ...] | None:
        return self.api.gnutls_certificate_get_peers(self.session)

    def leaf(self) -> bytes | None:
        chain = self.peers()
        return chain[0] if chain else None

    def ours(self) -> bytes | None:
        return self.api.gnutls_certificate_get_ours(self.session)

    def verify(self, function: Callable[[End], int]) -> None:
        """Set the session's verify function; it gets this end."""
        self.api.gnutls_session_set_verify_function(self.session, lambda _: function(self))

    def verify_by_itself(self, host: str | None = None) -> None:
        self.api.gnutls_session_set_verify_cert(self.session, host, 0)

    def ticket_send(self, count: int = 1) -> int:
        return int(self.api.gnutls_session_ticket_send(self.session, count, 0))

    def is_resumed(self) -> bool:
        return bool(self.api.gnutls_session_is_resumed(self.session))

    def key_exchange(self) -> int:
        return int(self.api.gnutls_kx_get(self.session))

    def username(self) -> str | None:
        return self.api.gnutls_psk_server_get_username(self.session)

    def get_data(self) -> bytes:
        out = bytearray()
        assert self.api.gnutls_session_get_data2(self.session, out) == 0
        return bytes(out)

    def early_send(self, data: bytes) -> int:
        return int(self.api.gnutls_record_send_early_data(self.session, data))

    def early_recv(self, size: int = 65536) -> bytes | int:
        buffer = bytearray(size)
        count = self.api.gnutls_record_recv_early_data(self.session, buffer, size)
        return bytes(buffer[:count]) if count >= 0 else int(count)

    def status(self) -> int:
        return int(self.api.gnutls_session_get_verify_cert_status(self.session))

    def verify_peers(self) -> int:
        status = ctypes.c_uint()
        code = self.api.gnutls_certificate_verify_peers2(self.session, status)
        return int(code) or status.value

    def export(self, label: bytes = b"EXPORTER-test") -> bytes:
        out = bytearray()
        assert self.api.gnutls_prf_rfc5705(self.session, label, b"", 32, out) == 0
        return bytes(out)

    def channel_binding(self, kind: int) -> bytes | int:
        out = bytearray()
        code = self.api.gnutls_session_channel_binding(self.session, kind, out)
        return int(code) or bytes(out)

    # --- more than one call

    def recv_until(self, *kinds: object, tries: int = STEPS) -> bytes | int:
        """Receive until something else than AGAIN comes."""
        for _ in range(tries):
            got = self.recv()
            if got != AGAIN:
                return got
        return AGAIN


@dataclass
class Pair:
    """A client and a server, and the pipes between."""

    kind: str
    client_setup: Setup = field(default_factory=Setup)
    server_setup: Setup = field(default_factory=Setup)

    def __post_init__(self) -> None:
        client, server = self.kind.split("-")
        names = {"ours": OURS, "gnutls": GNUTLS}
        self.up, self.down = Pipe(), Pipe()
        if not self.server_setup.certificates:
            self.server_setup.certificates = (certificate("server.example", "server"),)
        self.client = End(names[client], c.CLIENT, self.client_setup, self.up, self.down)
        self.server = End(names[server], c.SERVER, self.server_setup, self.down, self.up)

    @property
    def both_ours(self) -> bool:
        return self.client.is_ours and self.server.is_ours

    def handshake(self) -> Pair:
        """Shake hands, and insist that it worked; tickets are read away."""
        assert self.run(self.client.handshake, self.server.handshake) == (0, 0)
        return self

    def run(self, client: Callable[[], Any], server: Callable[[], Any]) -> tuple[Any, Any]:
        """Call both in turn until neither says AGAIN; return what they say in the end."""
        answers: list[Any] = [AGAIN, AGAIN]
        for _ in range(STEPS):
            for index, call in enumerate((client, server)):
                if answers[index] in WAITING:
                    answers[index] = call()
            if not WAITING & set(answers):
                break
        return answers[0], answers[1]

    def ask(self) -> None:
        """Let the server send its request, and the client be told of it."""
        assert self.server.reauth() == AGAIN
        assert self.client.recv_until() == REAUTH

    def reauth(self, mode: int | None = c.CERT_REQUIRE) -> tuple[int, int]:
        """One whole reauth: what client and server say to it."""
        if mode is not None:
            self.server.request(mode)
        self.ask()
        answer = self.client.reauth()
        return answer, self.server.reauth()

    def read_tickets(self) -> int:
        """Let the client read what is there, which is no data; how many tickets it has seen."""
        while self.down.waiting:
            assert self.client.recv() == AGAIN
        return self.client.of("NewSessionTicket", incoming=True)

    def data_flows(self) -> bool:
        """Whether data can go both ways."""
        for one, other in ((self.client, self.server), (self.server, self.client)):
            if one.send(b"ping") != 4 or other.recv_until() != b"ping":
                return False
        return True


def pairings(*kinds: str) -> pytest.MarkDecorator:
    """Run a test for these pairings, client's side first; all if none is named."""
    kinds = kinds or ("ours-ours", "ours-gnutls", "gnutls-ours")
    return pytest.mark.parametrize(
        "kind",
        [
            pytest.param(
                kind,
                marks=[] if kind == "ours-ours" else [pytest.mark.interop, needs_libgnutls],
            )
            for kind in kinds
        ],
    )


def records(data: bytes) -> list[bytes]:
    """Cut a stream at its records."""
    cut = []
    while data:
        size = 5 + int.from_bytes(data[3:5], "big")
        cut.append(data[:size])
        data = data[size:]
    return cut


def hello_extensions(hello: bytes) -> dict[int, bytes]:
    """The extensions of a ClientHello or ServerHello, from its record."""
    at = 5 + 4 + 2 + 32
    at += 1 + hello[at]  # session id
    if hello[5] == 1:
        at += 2 + int.from_bytes(hello[at : at + 2], "big")  # cipher suites
        at += 1 + hello[at]
    else:
        at += 3
    return extension_block(hello[at:])


def extension_block(data: bytes) -> dict[int, bytes]:
    """Extensions from a block with its length."""
    end, at, found = 2 + int.from_bytes(data[:2], "big"), 2, {}
    while at < end:
        kind, size = (int.from_bytes(data[i : i + 2], "big") for i in (at, at + 2))
        found[kind] = data[at + 4 : at + 4 + size]
        at += 4 + size
    return found


def tamper(
    monkeypatch: pytest.MonkeyPatch, end: End, name: str, change: Callable[[bytes], bytes]
) -> None:
    """Change messages of this name that an end of ours sends; ``b""`` leaves them out."""
    link = driver_of(end.it).connection._engine.link
    send = Link.send

    def tampered(self: Link, flight: Flight) -> None:
        if self is link:
            pairs = [
                (message, change(raw) if type(message).__name__ == name else raw)
                for message, raw in zip(flight.messages, flight.parts, strict=True)
            ]
            flight.messages[:] = [message for message, raw in pairs if raw]
            flight.parts[:] = [raw for _, raw in pairs if raw]
        send(self, flight)

    monkeypatch.setattr(Link, "send", tampered)


def flip(raw: bytes, index: int = -1, bit: int = 1) -> bytes:
    """One bit of a message the other way round."""
    changed = bytearray(raw)
    changed[index] ^= bit
    return bytes(changed)
