"""The master secret of TLS 1.2, and what comes of it (RFC 5246 section 8.1, RFC 7627)."""

from __future__ import annotations

import hmac

from ..constants import Role
from ..crypto.prf12 import (
    VERIFY_DATA_LENGTH,
    KeyBlock,
    derive_key_block,
    exporter12,
    extended_master_secret,
    finished_mac12,
    master_secret,
)
from ..crypto.suites12 import Suite12
from ..errors import BadFinished, DecodeError, UsageError
from ..values import dataclass, field
from ..wire.auth import Finished
from ..wire.tls12 import ChangeCipherSpec
from .authenticate import FinishedProof
from .flow import Flow, expect
from .link import Flight, Link
from .transcript import Transcript

__all__ = ["SessionSecrets12", "Transcript12", "derive_secrets", "read_finished", "send_finished"]

MAX_EXPORT = 2**16
"""The PRF has no end; whoever wants more than this wants something else."""


@dataclass(frozen=True, slots=True)
class SessionSecrets12:
    """The master secret, and the randoms that go with it in one connection."""

    suite: Suite12
    client_random: bytes
    server_random: bytes
    master_secret: bytes = field(repr=False)
    extended: bool
    """Whether the master secret is bound to the handshake that made it (RFC 7627)."""

    def key_block(self) -> KeyBlock:
        """Derive the keys of both directions (RFC 5246 section 6.3)."""
        return derive_key_block(
            self.suite, self.master_secret, self.client_random, self.server_random
        )

    def finished_mac(self, role: Role, digest: bytes) -> bytes:
        """Compute the verify_data of this end's Finished (RFC 5246 section 7.4.9)."""
        return finished_mac12(self.suite.hash_name, self.master_secret, role, digest)

    def export(self, label: bytes, context: bytes | None, length: int) -> bytes:
        """Derive keying material for an application (RFC 5705 section 4).

        Raises:
            UsageError: the master secret is not an extended one (RFC 7627 section 5.4),
                or length or context are out of range.
        """
        if not self.extended:
            raise UsageError(
                "nothing is exported: the peer has no extended_master_secret, and the keys "
                "may be the same in another connection (RFC 7627)"
            )
        if not 0 < length <= MAX_EXPORT:
            raise UsageError(f"an exporter gives 1 to {MAX_EXPORT} bytes, not {length}")
        if context is not None and len(context) > 0xFFFF:
            raise UsageError(f"an exporter's context has at most 65535 bytes, not {len(context)}")
        randoms = self.client_random + self.server_random
        name = self.suite.hash_name
        return exporter12(name, self.master_secret, label, randoms, context, length)


class Transcript12(Transcript):
    """A transcript that keeps its messages, until no CertificateVerify can come.

    That signs the messages themselves, with a hash that is not the suite's and is
    not known before (RFC 5246 section 7.4.8).
    """

    __slots__ = ("_messages",)

    def __init__(self, hash_name: str, *messages: bytes) -> None:
        super().__init__(hash_name, *messages)
        self._messages: list[bytes] = list(messages)

    def add(self, raw: bytes) -> None:
        """Take in one message, header included."""
        super().add(raw)
        self._messages.append(raw)

    def messages(self) -> bytes:
        """Return all messages so far, joined."""
        return b"".join(self._messages)


def derive_secrets(
    suite: Suite12,
    pre_master_secret: bytes,
    randoms: tuple[bytes, bytes],
    session_hash: bytes | None,
) -> SessionSecrets12:
    """Derive the master secret (RFC 5246 section 8.1, RFC 7627 section 4).

    Args:
        suite: the cipher suite.
        pre_master_secret: what the key exchange gave.
        randoms: the client's and the server's.
        session_hash: the transcript's digest, through ClientKeyExchange; None where
            the peer does not know extended_master_secret.
    """
    name = suite.hash_name
    if session_hash is None:
        master = master_secret(name, pre_master_secret, *randoms)
    else:
        master = extended_master_secret(name, pre_master_secret, session_hash)
    return SessionSecrets12(suite, *randoms, master, session_hash is not None)


def send_finished(link: Link, secrets: SessionSecrets12, transcript: Transcript) -> bytes:
    """Send ChangeCipherSpec, and Finished as the first protected record (7.1, 7.4.9).

    Returns:
        Its verify_data.
    """
    link.change_write_keys12(secrets.suite, *secrets.key_block().write_keys(link.role))
    flight = Flight(transcript)
    verify_data = secrets.finished_mac(link.role, flight.digest())
    flight.add(Finished(verify_data))
    link.send(flight)
    return verify_data


def read_finished(
    link: Link, secrets: SessionSecrets12, transcript: Transcript
) -> Flow[tuple[FinishedProof, bytes]]:
    """Read the peer's ChangeCipherSpec and Finished, and check it (RFC 5246 section 7.4.9).

    Returns:
        The proof, and its verify_data.
    """
    yield from expect(ChangeCipherSpec)
    peer = link.role.peer
    link.change_read_keys12(secrets.suite, *secrets.key_block().write_keys(peer))
    digest = transcript.digest()
    finished = yield from expect(Finished, into=transcript)
    return check_finished12(finished, secrets, peer, digest), finished.verify_data


def check_finished12(
    finished: Finished, secrets: SessionSecrets12, role: Role, digest: bytes
) -> FinishedProof:
    """Check a Finished, and return the proof (RFC 5246 section 7.4.9).

    Args:
        finished: the message.
        secrets: the connection's.
        role: whose Finished it is.
        digest: the transcript's, through the message before it.

    Raises:
        DecodeError: it has the wrong length.
        BadFinished: it has the wrong value.
    """
    if len(finished.verify_data) != VERIFY_DATA_LENGTH:
        raise DecodeError(
            f"Finished: expected {VERIFY_DATA_LENGTH} bytes of verify_data, "
            f"got {len(finished.verify_data)}",
            section="RFC 5246, 7.4.9",
        )
    if not hmac.compare_digest(finished.verify_data, secrets.finished_mac(role, digest)):
        raise BadFinished(
            "Finished: verify_data does not match the transcript", section="RFC 5246, 7.4.9"
        )
    return FinishedProof()
