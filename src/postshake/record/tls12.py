"""One direction's protection in TLS 1.2: keys that never change (RFC 5246 section 6.2.3.3).

A protected record is, on the wire::

    type | 0x0303 | length | [explicit nonce] | AEAD(content) | tag

The content type stands in the open, and every type is protected, handshake and alert
too. There is no padding, and no update of keys. The additional data is not the header
but ``seq_num | type | version | length of the content``; type and version are taken
from the header as the peer wrote it, so no bit of it can be changed unnoticed.

The nonce of AES-GCM is 4 octets of the key block and 8 that travel in each record;
ours are the sequence number, so none comes twice (RFC 5288 section 3). That of
ChaCha20-Poly1305 is as in TLS 1.3 (RFC 7905 section 2).
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag

from ..constants import ContentType
from ..crypto.suites import TAG_LENGTH, Aead
from ..crypto.tls12.suites import Suite12
from ..errors import BadRecordMac, InternalError, RecordOverflow, UnexpectedMessage
from .deframer import MAX_PLAINTEXT
from .protection import Epoch, Inbound, Outbound, no_content

__all__ = ["Inbound12", "Outbound12"]

_END_OF_SEQUENCE = 2**64


class Outbound12(Outbound):
    """The direction from us to the peer."""

    __slots__ = ("_explicit", "_salt")

    def __init__(self) -> None:
        super().__init__()
        self._salt = b""
        self._explicit = 0

    def install12(self, suite: Suite12, key: bytes, iv: bytes) -> None:
        """Protect from now on with these keys; a ChangeCipherSpec went before."""
        self._seal = _begin(self, suite, key, iv).encrypt
        self._iv = int.from_bytes(iv, "big")

    def update(self) -> None:
        """Refuse: TLS 1.2 has no key updates."""
        raise InternalError("key update: TLS 1.2 has none")

    def seal(self, content_type: int, data: bytes | memoryview, padding: int = 0) -> bytes:
        """Make one whole record, header included; padding is not possible.

        Raises:
            InternalError: as in `Outbound.seal`.
        """
        size = len(data)
        if size > MAX_PLAINTEXT or padding:
            raise InternalError(
                f"seal: expected a record of at most {MAX_PLAINTEXT} bytes without padding, "
                f"got {size}, and {padding} padding"
            )
        if not self.protected:
            return self._seal_plain(content_type, data)
        sequence = self.sequence
        if sequence >= _END_OF_SEQUENCE:
            raise InternalError("seal: all 2**64 sequence numbers of this key are used up")
        self.sequence = sequence + 1
        number = sequence.to_bytes(8, "big")
        additional = number + (content_type << 32 | 0x0303_0000 | size).to_bytes(5, "big")
        header = content_type << 32 | 0x0303_0000 | size + TAG_LENGTH + self._explicit
        if self._explicit:
            sealed = self._seal(self._salt + number, data, additional)
            return b"".join((header.to_bytes(5, "big"), number, sealed))
        nonce = (self._iv ^ sequence).to_bytes(12, "big")
        return header.to_bytes(5, "big") + self._seal(nonce, data, additional)

    def seal_many(self, content_type: int, data: bytes | memoryview, size: int) -> bytes:
        """Seal data in fragments of at most ``size`` bytes (RFC 5246 section 6.2.1)."""
        view = memoryview(data)
        seal = self.seal
        return b"".join(
            [seal(content_type, view[at : at + size]) for at in range(0, len(view), size)]
        )


class Inbound12(Inbound):
    """The direction from the peer to us."""

    __slots__ = ("_explicit", "_salt")

    def __init__(self) -> None:
        super().__init__()
        self._salt = b""
        self._explicit = 0

    def install12(self, suite: Suite12, key: bytes, iv: bytes) -> None:
        """Expect these keys from now on; a ChangeCipherSpec came before."""
        self._open = _begin(self, suite, key, iv).decrypt
        self._iv = int.from_bytes(iv, "big")

    def update(self) -> None:
        """Refuse: TLS 1.2 has no key updates."""
        raise InternalError("key update: TLS 1.2 has none")

    def take(self, header: bytes, body: bytes | memoryview) -> tuple[int, bytes]:
        """Judge a record, protected or not: its content type and content (RFC 5246 section 6.2).

        Raises:
            UnexpectedMessage: application data before any key, or no content at all.
            RecordOverflow: the content is longer than allowed.
            BadRecordMac: it does not authenticate.
        """
        if self.protected:
            record = self.open(header, body)
        elif header[0] == ContentType.application_data:
            raise UnexpectedMessage(
                "expected handshake records, got application data before any key",
                section="RFC 5246, 6.2.1",
            )
        elif len(body) > MAX_PLAINTEXT:
            raise RecordOverflow(
                f"plaintext record: expected at most {MAX_PLAINTEXT} bytes, got {len(body)}",
                section="RFC 5246, 6.2.1",
            )
        else:
            record = header[0], bytes(body)
        if not record[1]:
            raise no_content(header[0])
        return record

    def open(self, header: bytes, body: bytes | memoryview) -> tuple[int, bytes]:
        """Open one protected record of any type: its content type and content.

        Raises:
            BadRecordMac: it does not authenticate; nothing else is changed.
            RecordOverflow: the content is longer than allowed.
            InternalError: the sequence numbers of this key are used up.
        """
        sequence = self.sequence
        if sequence >= _END_OF_SEQUENCE:
            raise InternalError("open: all 2**64 sequence numbers of this key are used up")
        explicit = self._explicit
        size = len(body) - TAG_LENGTH - explicit
        number = sequence.to_bytes(8, "big")
        try:
            if size < 0:
                raise InvalidTag
            additional = b"".join((number, header[:3], size.to_bytes(2, "big")))
            if explicit:
                nonce = self._salt + body[:explicit]
                content = self._open(nonce, body[explicit:], additional)
            else:
                nonce = (self._iv ^ sequence).to_bytes(12, "big")
                content = self._open(nonce, body, additional)
        except InvalidTag:
            raise BadRecordMac(
                f"record {sequence}: expected a valid tag, got one that does not authenticate",
                section="RFC 5246, 6.2.3.3",
            ) from None
        self.sequence = sequence + 1
        if size > self.max_plaintext:
            raise RecordOverflow(
                f"record: expected at most {self.max_plaintext} bytes of content, got {size}",
                section="RFC 5246, 6.2.1",
            )
        return header[0], content


def _begin(direction: Outbound12 | Inbound12, suite: Suite12, key: bytes, iv: bytes) -> Aead:
    """Have a direction begin with these keys; return the cipher with its key."""
    direction._explicit = suite.explicit_nonce_length
    direction._salt = iv
    direction.suite = suite
    direction.sequence = 0
    direction.protected = True
    direction.epoch = Epoch.application
    return suite.aead(key)
