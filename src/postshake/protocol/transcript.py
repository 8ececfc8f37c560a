"""The transcript: a running hash of the handshake messages (§4.4.1).

Theory of operation
===================

Every signature and every Finished covers the messages before it, as they stood
on the wire, four-byte headers included. Only a hash object is kept, never the
bytes; `digest` leaves it open for more.

A transcript may *fork*. When the main handshake ends its transcript is kept, and
every later request for authentication works on a fork of its own: handshake +
this CertificateRequest + its answer. Requests never see each other (§4.4.1).

When a server answers with HelloRetryRequest, the hash to use becomes known only
after the first ClientHello has gone. That ClientHello is then replaced by a
made-up message, ``message_hash``, which holds its digest: so a server with a
cookie needs to keep nothing but the hash. KeyUpdate and NewSessionTicket are in
no transcript.
"""

from __future__ import annotations

import hashlib

from ..constants import HandshakeType
from ..wire.codec import u8, vec24

__all__ = ["Transcript"]


class Transcript:
    """A running hash over handshake messages."""

    __slots__ = ("_hash", "hash_name")

    def __init__(self, hash_name: str, *messages: bytes) -> None:
        self.hash_name = hash_name
        """The cipher suite's hash."""
        self._hash = hashlib.new(hash_name)
        for message in messages:
            self._hash.update(message)

    @classmethod
    def after_retry(cls, hash_name: str, client_hello_digest: bytes) -> Transcript:
        """Begin anew after a HelloRetryRequest (§4.4.1).

        Args:
            hash_name: the hash of the suite that the HelloRetryRequest chose.
            client_hello_digest: that hash over the first ClientHello.
        """
        return cls(hash_name, u8(HandshakeType.message_hash) + vec24(client_hello_digest))

    def add(self, raw: bytes) -> None:
        """Take in one message, header included."""
        self._hash.update(raw)

    def digest(self) -> bytes:
        """Return the hash of all messages so far."""
        return self._hash.copy().digest()

    def fork(self) -> Transcript:
        """Return a copy that goes its own way from here."""
        twin = object.__new__(Transcript)
        twin.hash_name = self.hash_name
        twin._hash = self._hash.copy()
        return twin
