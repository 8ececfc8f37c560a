"""What a flow may do to its connection: send messages, change keys, log secrets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from ..config import ClientConfig, ServerConfig
from ..constants import CertificateCompressionAlgorithm, ContentType, HandshakeType, Role
from ..crypto.suites import Suite
from ..crypto.tls12.suites import Suite12
from ..errors import (
    InternalError,
    present,
)
from ..events import Direction, TraceEntry
from ..record.deframer import MAX_PLAINTEXT
from ..record.layer import RecordLayer
from ..record.protection import Epoch, Inbound, Outbound
from ..record.reassembly import Reassembly
from ..resumption.session12 import Session12
from ..wire.handshake import (
    Handshake,
    decode_handshake,
    decode_handshake12,
    encode_handshake,
)
from .transcript import Transcript

__all__ = ["Flight", "Link", "trace_epoch"]


class Flight:
    """Messages that leave together; each enters the transcript as it is added."""

    __slots__ = ("messages", "parts", "transcript")

    def __init__(self, transcript: Transcript) -> None:
        self.transcript = transcript
        self.messages: list[Handshake] = []
        self.parts: list[bytes] = []

    def add(self, message: Handshake, *, on_wire: Handshake | None = None) -> None:
        """Append a message to the flight and to the transcript.

        Args:
            message: what is said.
            on_wire: the form that it has there, if another.
        """
        raw = encode_handshake(on_wire or message)
        self.transcript.add(raw)
        self.messages.append(message)
        self.parts.append(raw)

    def digest(self) -> bytes:
        """Return the hash of the transcript so far."""
        return self.transcript.digest()


class Link:
    """A conversation's hold on the connection it belongs to."""

    __slots__ = (
        "certificate_compression",
        "change_cipher_spec_due",
        "closed",
        "config",
        "decode",
        "early_data_left",
        "layer",
        "reassembly",
        "role",
        "session12",
        "tls12",
    )

    def __init__(
        self,
        role: Role,
        config: ClientConfig | ServerConfig,
        layer: RecordLayer,
        reassembly: Reassembly,
    ) -> None:
        self.role = role
        self.config = config
        """The policy in force; a server's owner may choose another when the client is known."""
        self.layer = layer
        self.reassembly = reassembly
        self.change_cipher_spec_due = False
        """Whether a ChangeCipherSpec goes before what we say next (§D.4)."""
        self.closed = False
        """Whether we said our last alert: nothing may follow it (§6.1)."""
        self.early_data_left = 0
        """How many bytes of early data we still accept (§4.2.10)."""
        self.certificate_compression: CertificateCompressionAlgorithm | None = None
        """How the certificate that we sent last was made shorter (RFC 8879)."""
        self.tls12 = False
        """Whether TLS 1.2 was chosen."""
        self.session12: Session12 | None = None
        """Client: the TLS 1.2 session to resume, if the server wants to."""
        self.decode: Callable[[int, bytes], Handshake] = decode_handshake
        """Reads a handshake message of the version in use."""

    @property
    def inbound(self) -> Inbound:
        """The protection of what we receive."""
        return self.layer.inbound

    @property
    def outbound(self) -> Outbound:
        """The protection of what we send."""
        return self.layer.outbound

    @property
    def reading_secret(self) -> bytes:
        """The traffic secret, of the current generation, of what we receive."""
        return _present(self.layer.inbound)

    @property
    def writing_secret(self) -> bytes:
        """The traffic secret, of the current generation, of what we send."""
        return _present(self.layer.outbound)

    def send(self, flight: Flight) -> None:
        """Queue a flight as one unbroken run of bytes, in as few records as it fits."""
        if self.config.trace is not None:
            for message, raw in zip(flight.messages, flight.parts, strict=True):
                self.trace(Direction.sent, message, raw)
        self.layer.send(ContentType.handshake, b"".join(flight.parts))
        flight.parts.clear()
        flight.messages.clear()

    def send_message(self, message: Handshake) -> None:
        """Queue one message that belongs to no transcript."""
        self.send_messages((message,))

    def send_messages(self, messages: Sequence[Handshake]) -> None:
        """Queue messages that belong to no transcript, in as few records as they fit."""
        raw = [encode_handshake(message) for message in messages]
        if self.config.trace is not None:
            for message, each in zip(messages, raw, strict=True):
                self.trace(Direction.sent, message, each)
        self.layer.send(ContentType.handshake, b"".join(raw))

    def send_due_change_cipher_spec(self) -> None:
        """Queue the ChangeCipherSpec that goes before our second flight, if one does (§D.4).

        It leaves with that flight, not as soon as it could: in a segment of its own it would
        keep the flight waiting until the peer has acknowledged it (RFC 896).
        """
        if self.change_cipher_spec_due:
            self.change_cipher_spec_due = False
            self.send_change_cipher_spec()

    def send_change_cipher_spec(self) -> None:
        """Queue the record that makes TLS 1.3 look like TLS 1.2 (§D.4)."""
        if self.config.trace is not None:
            self.config.trace(TraceEntry(Direction.sent, "ChangeCipherSpec", 1, "plaintext"))
        self.layer.send_change_cipher_spec()

    def write_with(self, suite: Suite, traffic_secret: bytes, epoch: Epoch) -> None:
        """Protect what we send from here on with these keys."""
        self.layer.write_with(suite, traffic_secret, epoch)

    def read_with(self, suite: Suite, traffic_secret: bytes, epoch: Epoch) -> None:
        """Expect these keys on what we receive from here on.

        Raises:
            UnexpectedMessage: handshake bytes were left over before the change (§5.1).
        """
        self.reassembly.check_aligned()
        self.layer.read_with(suite, traffic_secret, epoch)

    def enter_tls12(self) -> None:
        """Go by the rules of TLS 1.2 from here on: the hellos have chosen it."""
        self.tls12 = True
        self.decode = decode_handshake12
        self.layer.enter_tls12()

    def enter_psk12(self) -> None:
        """Read the key exchange as it is with pre-shared keys: the suite says so (RFC 5489)."""
        self.decode = partial(decode_handshake12, psk=True)

    def change_write_keys12(self, suite: Suite12, key: bytes, iv: bytes) -> None:
        """Announce protection and begin it (RFC 5246 section 7.1)."""
        self.send_change_cipher_spec()
        self.layer.write_with12(suite, key, iv)

    def change_read_keys12(self, suite: Suite12, key: bytes, iv: bytes) -> None:
        """Expect protection: the peer has announced it (RFC 5246 section 7.1)."""
        self.layer.read_with12(suite, key, iv)

    def limit_records(self, *, sent: int, received: int | None) -> None:
        """Keep protected records within what was negotiated (RFC 8449 section 4).

        Args:
            sent: the peer's limit, in bytes of content, padding and content type.
            received: ours; None for the protocol's own.
        """
        self.layer.max_fragment_out = min(sent - 1, MAX_PLAINTEXT)
        if received is not None:
            self.layer.max_plaintext_in = received - 1

    def limit_records12(self, *, sent: int, received: int | None) -> None:
        """The same for TLS 1.2, whose records hold no content type (RFC 8449 section 4)."""
        if received is not None:
            received = min(received, MAX_PLAINTEXT) + 1
        self.limit_records(sent=sent + 1, received=received)

    def log_secret(self, label: str, client_random: bytes, secret: bytes) -> None:
        """Give one secret to the key log, if there is one (SSLKEYLOGFILE)."""
        if self.config.keylog is not None:
            self.config.keylog(f"{label} {client_random.hex()} {secret.hex()}")

    def protection(self, direction: Direction) -> Inbound | Outbound:
        """Return the protection of one direction."""
        return self.inbound if direction is Direction.received else self.outbound

    def trace_record(self, direction: Direction, what: str, size: int) -> None:
        """Show what is no handshake message to the trace; call it only where there is one."""
        trace = present(self.config.trace, "trace")
        epoch = trace_epoch(self.protection(direction))
        trace(TraceEntry(direction, what, size, epoch))

    def trace(self, direction: Direction, message: Handshake, raw: bytes) -> None:
        """Show a message to the trace; call it only where there is one."""
        trace = present(self.config.trace, "trace")
        context = getattr(message, "certificate_request_context", b"")
        compressed = raw[0] == HandshakeType.compressed_certificate
        name = "CompressedCertificate" if compressed else type(message).__name__
        trace(
            TraceEntry(
                direction,
                name,
                len(raw),
                trace_epoch(self.protection(direction)),
                f"context {context[:4].hex()}…" if context else "",
                message,
            )
        )


def _present(protection: Inbound | Outbound) -> bytes:
    if protection.traffic_secret is None:
        raise InternalError("a traffic secret is needed before there is one")
    return protection.traffic_secret


def trace_epoch(protection: Inbound | Outbound) -> str:
    """Name the keys in use for a person: ``handshake``, ``application 1``."""
    if protection.epoch is Epoch.application:
        return f"application {protection.generation}"
    return protection.epoch.name
