"""The master secret of TLS 1.2, and what comes of it (RFC 5246 section 8.1, RFC 7627)."""

from __future__ import annotations

import hmac

from ...constants import Role
from ...crypto.tls12.prf import VERIFY_DATA_LENGTH, extended_master_secret, master_secret
from ...crypto.tls12.suites import Suite12
from ...errors import BadFinished, DecodeError
from ...wire.auth import Finished
from ...wire.tls12 import ChangeCipherSpec
from ..flow import Flow, expect
from ..link import Flight, Link
from ..proofs import FinishedProof
from ..session_secrets import SessionSecrets12
from ..transcript import Transcript

__all__ = ["Transcript12", "derive_secrets", "read_finished", "send_finished"]


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


def send_finished(link: Link, secrets: SessionSecrets12, transcript: Transcript) -> None:
    """Send ChangeCipherSpec, and Finished as the first protected record (7.1, 7.4.9)."""
    link.change_write_keys12(secrets.suite, *secrets.key_block().write_keys(link.role))
    flight = Flight(transcript)
    flight.add(Finished(secrets.finished_mac(link.role, flight.digest())))
    link.send(flight)


def read_finished(
    link: Link, secrets: SessionSecrets12, transcript: Transcript
) -> Flow[FinishedProof]:
    """Read the peer's ChangeCipherSpec and Finished, and check it (RFC 5246 section 7.4.9)."""
    yield from expect(ChangeCipherSpec)
    peer = link.role.peer
    link.change_read_keys12(secrets.suite, *secrets.key_block().write_keys(peer))
    digest = transcript.digest()
    finished = yield from expect(Finished, into=transcript)
    return check_finished(finished, secrets, peer, digest)


def check_finished(
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
