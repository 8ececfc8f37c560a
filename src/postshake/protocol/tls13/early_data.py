"""Early data: what a client sends before it has heard from the server (§2.3, §4.2.10).

Early data is sealed with a key that comes from the ticket alone. So it has no forward
secrecy, and nothing of the server's makes it fresh: whoever recorded it can send it
again. A server accepts it only with the first PSK on offer, in the suite and the
application protocol of the session, when the ticket's age on the wire fits the clock,
and when a guard that remembers has not seen this ClientHello before (§8).

What is not accepted is skipped, unread. The client learns which from
EncryptedExtensions and sends the data again if it likes; TLS never does so by itself.
"""

from __future__ import annotations

import hashlib

from ...config import ClientConfig, ServerConfig
from ...constants import ContentType
from ...crypto.suites import TLS13_SUITES, Suite
from ...errors import IllegalParameter, InternalError, UsageError, present
from ...events import Direction, TraceEntry
from ...questions import ClaimEarlyData
from ...record.protection import Epoch
from ...resumption.replay import EarlyDataClaim
from ...wire.extensions import EarlyDataIndication, PreSharedKeyClientHello
from ...wire.hello import ClientHello, EndOfEarlyData
from ..flow import Flow, ask, expect
from ..link import Flight, Link
from ..transcript import Transcript
from .psk import Psk

__all__ = ["EarlyData", "admit_early_data", "begin_reading", "read_early_data", "skip_early_data"]

SKIPPED = 2**14
"""Bytes of early data that we pass over at least, whatever this configuration allows:
the ticket may be another's (§4.2.10). OpenSSL allows a stranger as many."""


class EarlyData:
    """A client's early data on one connection, and the keys that wait behind it."""

    __slots__ = (
        "_config",
        "_keys",
        "_link",
        "_psk",
        "_queue",
        "accepted",
        "began",
        "left",
        "over",
    )

    def __init__(self, link: Link, config: ClientConfig, limit: int) -> None:
        self.left = limit
        """How many bytes may still be sent."""
        self.began = False
        """Whether it was offered to the server."""
        self.accepted = False
        """Whether the server takes it."""
        self.over = not limit
        """Whether no more may be sent."""
        self._link = link
        self._config = config
        self._psk: Psk | None = None
        self._queue: list[bytes] = []
        self._keys: tuple[Suite, bytes] | None = None

    # --- our owner's side

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send early data, or keep it until the ClientHello is out.

        Raises:
            UsageError: there is no ticket that allows as much, or it is too late.
        """
        if self.over:
            raise UsageError("early data cannot be sent here, or not any more (§4.2.10)")
        data = bytes(data)
        if len(data) > self.left:
            raise UsageError(f"the ticket allows {self.left} more bytes of early data")
        self.left -= len(data)
        if self.began:
            self._send(data)
        else:
            self._queue.append(data)

    # --- the handshake's side

    def wanted(self, psks: tuple[Psk, ...]) -> bool:
        """Whether to offer early data: there is some, and the ticket is good for it."""
        config = self._config
        session = psks[0].session if psks else None
        suited = (
            bool(self._queue)
            and session is not None
            and session.suite in config.cipher_suites
            and (session.alpn_protocol is None or session.alpn_protocol in config.alpn_protocols)
        )
        if not suited:
            self.over = True
        return suited

    def begin(self, psk: Psk, hello: ClientHello, raw: bytes) -> None:
        """Send what was written, right behind the ClientHello that offers it (§4.2.10)."""
        link = self._link
        if self._config.middlebox_compatibility:  # §D.4: before our second flight
            link.send_change_cipher_spec()
        digest = hashlib.new(psk.hash_name, raw).digest()
        suite = TLS13_SUITES[present(psk.session, "session").suite]
        link.write_with(suite, derive_secrets(link, psk, hello, digest), Epoch.early)
        self.began = True
        self._psk = psk
        for data in self._queue:
            self._send(data)
        self._queue.clear()

    def retry(self) -> None:
        """Give it up for a HelloRetryRequest: the next ClientHello is plaintext (§4.1.2)."""
        if self.began:
            self._link.layer.write_plain()
        self._give_up()

    def keep_keys(self, psk: Psk | None, suite: Suite, writing_secret: bytes) -> None:
        """Take the handshake's keys, to use now or after the early data (§4.5)."""
        self._keys = suite, writing_secret
        if self.over or psk is None or psk.index != 0:
            self._give_up()

    def settle(self, accepted: bool, suite: Suite, alpn_protocol: bytes | None) -> None:
        """Learn from EncryptedExtensions whether it is accepted (§4.2.10)."""
        if not accepted:
            self._give_up()
            return
        session = self._psk.session if self._psk is not None else None
        if self.over or session is None:
            raise IllegalParameter(
                "EncryptedExtensions: early data accepted with another PSK than the first",
                section="4.2.10",
            )
        if suite.code != session.suite or alpn_protocol != session.alpn_protocol:
            raise IllegalParameter(
                "EncryptedExtensions: early data accepted with another suite or application "
                "protocol than the session had",
                section="4.2.10",
            )
        self.accepted = True

    def finish(self, transcript: Transcript) -> None:
        """End it with EndOfEarlyData, once the server's Finished was read (§4.5)."""
        if self.over:
            return
        flight = Flight(transcript)
        flight.add(EndOfEarlyData())
        self._link.send(flight)
        self._give_up()

    def _send(self, data: bytes) -> None:
        if self._config.trace is not None:
            self._config.trace(TraceEntry(Direction.sent, "application data", len(data), "early"))
        self._link.layer.send(ContentType.application_data, data)

    def _give_up(self) -> None:
        self.over = True
        self._queue.clear()
        if self._keys is not None:
            self._link.write_with(*self._keys, Epoch.handshake)
            self._keys = None


def derive_secrets(link: Link, psk: Psk, hello: ClientHello, digest: bytes) -> bytes:
    """Derive the secrets that early data has, and log them; return the traffic secret (§7.1).

    Args:
        link: the connection.
        psk: the first one on offer.
        hello: the ClientHello.
        digest: the transcript's hash, through it.
    """
    early = psk.early_secret()
    secret = early.client_early_traffic_secret(digest)
    exporter = early.early_exporter_master_secret(digest)
    link.log_secret("CLIENT_EARLY_TRAFFIC_SECRET", hello.random, secret)
    link.log_secret("EARLY_EXPORTER_SECRET", hello.random, exporter)
    return secret


# --- the server's side


def admit_early_data(
    config: ServerConfig, hello: ClientHello, psk: Psk | None, suite: Suite, alpn: bytes | None
) -> Flow[bool]:
    """Decide whether to accept the early data that a ClientHello offers (§4.2.10, §8)."""
    offered = hello.extensions.get(PreSharedKeyClientHello)
    if offered is None or hello.extensions.get(EarlyDataIndication) is None:
        return False
    session = psk.session if psk is not None else None
    if (
        psk is None
        or session is None
        or psk.index != 0
        or not config.max_early_data
        or not session.max_early_data_size
        or config.replay_guard is None
        or suite.code != session.suite
        or alpn != session.alpn_protocol
    ):
        return False
    now = config.wall_clock()
    age = (offered.identities[0].obfuscated_ticket_age - session.age_add) % 2**32 / 1000
    sent_at = session.received_at + age
    if abs(now - sent_at) > config.early_data_window:
        return False
    claim = EarlyDataClaim(
        offered.binders[0], session.received_at, now, sent_at + config.early_data_window
    )
    fresh = yield from ask(ClaimEarlyData(config.replay_guard, claim))
    if not isinstance(fresh, bool):
        raise InternalError(f"ClaimEarlyData: the answer is a {type(fresh).__name__}, not a bool")
    return fresh


def begin_reading(link: Link, psk: Psk, hello: ClientHello, suite: Suite, digest: bytes) -> None:
    """Read early data from here on, as much as its ticket allowed."""
    session = present(psk.session, "session")
    link.layer.skip_early_data = 0
    link.early_data_left = session.max_early_data_size
    link.read_with(suite, derive_secrets(link, psk, hello, digest), Epoch.early)


def read_early_data(
    link: Link, suite: Suite, transcript: Transcript, reading_secret: bytes
) -> Flow[None]:
    """Read on until EndOfEarlyData; the handshake's keys follow it (§4.5)."""
    yield from expect(EndOfEarlyData, into=transcript)
    link.read_with(suite, reading_secret, Epoch.handshake)


def skip_early_data(link: Link, config: ServerConfig, hello: ClientHello, psk: Psk | None) -> None:
    """Pass over the early data that a ClientHello announces, unless it is accepted later."""
    if hello.extensions.get(EarlyDataIndication) is not None:
        session = psk.session if psk is not None else None
        allowed = session.max_early_data_size if session is not None else 0
        link.layer.skip_early_data = max(SKIPPED, config.max_early_data, allowed)
