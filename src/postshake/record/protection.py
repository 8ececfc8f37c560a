"""One direction's protection: secret, key, sequence number (§5.2, §5.3).

Theory of operation
===================

A connection has two directions, and neither knows of the other: `Outbound`
seals what we send, `Inbound` opens what the peer sent. Each begins without
protection and then holds exactly one *traffic secret* at a time. Two things
replace it, and both begin again at sequence number 0:

* ``install`` when the handshake has made a new secret: a new *epoch*;
* ``update`` when a KeyUpdate message passed: a new *generation* of the same
  epoch, whose secret is derived from the last one (§7.2).

``traffic_secret`` is public to the floors above, because the Finished key
always comes from the current secret of the direction that Finished travels in,
whatever its epoch and generation. Read it when the message is made or checked,
never earlier.

A protected record is, on the wire (§5.2)::

    23 | 0x0303 | length | AEAD(content | content type | zeros) | tag
    '---- header -------'        '---- TLSInnerPlaintext ----'

The header is the additional data, as the peer wrote it, so no bit of it can be
changed unnoticed. The nonce is the sequence number XORed into the IV; both are
kept as integers, and one ``to_bytes`` makes the nonce. The content type is the
last byte that is not zero. Nearly every record has no padding, so the last
byte is looked at first, and zeros are searched only if it is one.

Three numbers bound the use of a key:

* A sequence number never reaches 2**64: both directions refuse (§5.3).
* `Outbound.wants_update` turns true at the record ``update_due``, the suite's
  ``records_per_key`` (§5.5). Whoever sends looks at it now and then and updates; sealing does not
  stop, for the margin beyond the limit is wide, and a hard stop would turn a
  busy connection into a broken one.
* A record that does not open is the last one: TLS ends the connection at the
  first forgery, so a forger has one try per connection, far below any
  integrity limit. (Skipping rejected early data is bounded in bytes, see
  `RecordLayer.skip_early_data`.) The sequence number does not move then.

What is not here: fragments, content type rules and buffers (`layer`, `deframer`),
and everything that a message means.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from io import BytesIO
from typing import Protocol

from cryptography.exceptions import InvalidTag

from ..constants import ContentType
from ..crypto.schedule import next_traffic_secret, traffic_keys
from ..crypto.suites import TAG_LENGTH, Aead, Suite
from ..errors import BadRecordMac, InternalError, RecordOverflow, UnexpectedMessage, present
from .deframer import HEADER_LENGTH, MAX_PLAINTEXT, SMALL

__all__ = ["MAX_GENERATION", "DataSink", "Epoch", "Inbound", "Outbound", "no_content"]

MAX_GENERATION = 2**48 - 1
"""The most KeyUpdates that we send in a connection (RFC 9846, Key and IV Update)."""

_END_OF_SEQUENCE = 2**64
_APPLICATION_DATA = int(ContentType.application_data)
_PROTECTED_HEADER = 0x17_0303_0000 + 1 + TAG_LENGTH  # §5.2, for a record without content
_OVERHEAD = HEADER_LENGTH + 1 + TAG_LENGTH  # of a protected record without padding
_DATA_BYTE = bytes((_APPLICATION_DATA,))
_TYPE_BYTES = [bytes((code,)) for code in range(256)]

_Seal = Callable[[bytes, bytes | memoryview, bytes], bytes]
_Open = Callable[[bytes, bytes | memoryview, bytes], bytes]


class DataSink(Protocol):
    """Where opened application data goes."""

    chunks: list[bytes]
    """The contents of records."""
    position: int
    """How many bytes were ever added."""


class Epoch(IntEnum):
    """Which of the handshake's secrets protects a direction."""

    plaintext = 0
    early = 1
    handshake = 2
    application = 3


class _Protection:
    """The secret of one direction, and the number of its next record."""

    __slots__ = ("_iv", "epoch", "generation", "protected", "sequence", "suite", "traffic_secret")

    def __init__(self) -> None:
        self.epoch = Epoch.plaintext
        self.generation = 0
        """How many key updates this epoch has seen."""
        self.sequence = 0
        """The number of the next record."""
        self.suite: Suite | None = None
        self.traffic_secret: bytes | None = None
        self.protected = False
        """Whether a secret was installed."""
        self._iv = 0

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.epoch.name}, generation {self.generation}, "
            f"sequence {self.sequence})"
        )

    def _begin_epoch(self, suite: Suite, traffic_secret: bytes, epoch: Epoch) -> Aead:
        """Take a new secret of the handshake; return the cipher with its key."""
        aead = self._begin(suite, traffic_secret)
        self.epoch = epoch
        self.generation = 0
        return aead

    def _begin_generation(self) -> Aead:
        """Take the next traffic secret; return the cipher with its key."""
        if self.suite is None or self.traffic_secret is None:
            raise InternalError("key update: expected a protected direction, got a plain one")
        secret = next_traffic_secret(self.suite.hash_name, self.traffic_secret)
        aead = self._begin(self.suite, secret)
        self.generation += 1
        return aead

    def _begin(self, suite: Suite, traffic_secret: bytes) -> Aead:
        key, iv = traffic_keys(suite, traffic_secret)
        aead = suite.aead(key)
        self._iv = int.from_bytes(iv, "big")
        self.suite = suite
        self.traffic_secret = traffic_secret
        self.sequence = 0
        self.protected = True
        return aead


class Outbound(_Protection):
    """The direction from us to the peer."""

    __slots__ = ("_seal", "legacy_record_version", "update_due")

    def __init__(self) -> None:
        super().__init__()
        self.legacy_record_version = 0x0303
        """What plaintext records bear; 0x0301 suits a first ClientHello (§5.1)."""
        self.update_due = _END_OF_SEQUENCE
        """The sequence number from which on a KeyUpdate is due (§5.5)."""
        self._seal: _Seal = _no_key

    @property
    def wants_update(self) -> bool:
        """Whether this key has sealed enough, and a KeyUpdate is due (§5.5)."""
        return self.sequence >= self.update_due

    def install(self, suite: Suite, traffic_secret: bytes, epoch: Epoch) -> None:
        """Protect from now on with a new secret of the handshake (§7.3)."""
        self._seal = self._begin_epoch(suite, traffic_secret, epoch).encrypt
        self.update_due = suite.records_per_key

    def update(self) -> None:
        """Go on with the next traffic secret (§7.2).

        Raises:
            InternalError: nothing was installed, or there were 2**48 - 1 updates already.
        """
        if self.generation >= MAX_GENERATION:
            raise InternalError("key update: all 2**48 - 1 generations of keys are used up")
        self._seal = self._begin_generation().encrypt
        self.update_due = present(self.suite, "cipher suite").records_per_key

    def seal(self, content_type: int, data: bytes | memoryview, padding: int = 0) -> bytes:
        """Make one whole record, header included (§5.2).

        ``padding`` zeros follow the content; a plaintext record has none.

        Raises:
            InternalError: content and padding exceed 2**14 bytes, application
                data without protection, or the sequence numbers of this key
                are used up. Nothing was sealed then.
        """
        size = len(data)
        if padding or size > MAX_PLAINTEXT:
            size += padding
            if size > MAX_PLAINTEXT or padding < 0:
                raise InternalError(
                    f"seal: expected a record of at most {MAX_PLAINTEXT} bytes, "
                    f"got {size}, of them {padding} padding"
                )
        if not self.protected:
            return self._seal_plain(content_type, data)
        if type(data) is bytes and not padding:
            inner = data + _TYPE_BYTES[content_type]
        else:
            inner = b"".join((data, _TYPE_BYTES[content_type], bytes(padding)))
        header = (_PROTECTED_HEADER + size).to_bytes(5)
        sequence = self.sequence
        if sequence >= _END_OF_SEQUENCE:
            raise _used_up("seal")
        self.sequence = sequence + 1
        return header + self._seal((self._iv ^ sequence).to_bytes(12), inner, header)

    def seal_data(self, data: bytes) -> bytes:
        """Make one whole record of application data, as `seal` does (§5.2).

        Its caller has seen to it that there is protection, that the data fit, and that
        sequence numbers are left: it is below ``update_due``.
        """
        sequence = self.sequence
        self.sequence = sequence + 1
        header = (_PROTECTED_HEADER + len(data)).to_bytes(5)
        nonce = (self._iv ^ sequence).to_bytes(12)
        return header + self._seal(nonce, data + _DATA_BYTE, header)

    def seal_many(self, content_type: int, data: bytes | memoryview, size: int) -> bytes:
        """Seal data in fragments of at most ``size`` bytes, without padding (§5.1).

        Each record is written behind the last in one buffer, and its own memory
        used again for the next: joining them at the end would touch all of it
        twice, and fresh memory costs several times what sealing does. There
        must be some data.

        Raises:
            InternalError: as in `seal`, before anything was sealed.
        """
        if not data or not 0 < size <= MAX_PLAINTEXT:
            raise InternalError(
                f"seal: expected data in fragments of 1 to {MAX_PLAINTEXT}, "
                f"got {len(data)} bytes in fragments of {size}"
            )
        view = memoryview(data)
        length = len(view)
        count, rest = divmod(length, size)
        whole = length - rest
        records = BytesIO()
        write = records.write
        overhead = _OVERHEAD if self.protected else HEADER_LENGTH
        records.seek(length + overhead * (count + (rest > 0)) - 1)
        write(b"\0")  # all the room at once: growing costs more
        records.seek(0)
        if self.protected:
            seal = self._seal
            iv = self._iv
            join = b"".join
            type_byte = _TYPE_BYTES[content_type]
            header = (_PROTECTED_HEADER + size).to_bytes(5)
            sequence = self.sequence
            if sequence + count >= _END_OF_SEQUENCE:
                raise _used_up("seal")
            self.sequence = sequence + count
            for start in range(0, whole, size):
                inner = join((view[start : start + size], type_byte))
                write(header)
                write(seal((iv ^ sequence).to_bytes(12), inner, header))
                sequence += 1
        else:
            for start in range(0, whole, size):
                write(self.seal(content_type, view[start : start + size]))
        if rest:
            write(self.seal(content_type, view[whole:]))
        return records.getvalue()  # the buffer itself, not a copy

    def _seal_plain(self, content_type: int, data: bytes | memoryview) -> bytes:
        if content_type == _APPLICATION_DATA:
            raise InternalError("seal: expected protection, got application data without any")
        header = content_type << 32 | self.legacy_record_version << 16 | len(data)
        self.sequence += 1
        return b"".join((header.to_bytes(5), data))


class Inbound(_Protection):
    """The direction from the peer to us."""

    __slots__ = ("_open", "ahead", "max_plaintext")

    def __init__(self) -> None:
        super().__init__()
        self.max_plaintext = MAX_PLAINTEXT
        """The most that content and padding of a protected record may be."""
        self.ahead: bytes | None = None
        """What `open_many` opened and did not want: the next record's content and type."""
        self._open: _Open = _no_key

    def install(self, suite: Suite, traffic_secret: bytes, epoch: Epoch) -> None:
        """Expect from now on what a new secret of the handshake protects (§7.3)."""
        self._open = self._begin_epoch(suite, traffic_secret, epoch).decrypt

    def update(self) -> None:
        """Go on with the next traffic secret (§7.2).

        Raises:
            InternalError: nothing was installed.
        """
        self._open = self._begin_generation().decrypt

    def open(self, header: bytes, body: bytes | memoryview) -> tuple[int, bytes]:
        """Open one protected record: its inner content type and content (§5.2).

        Raises:
            BadRecordMac: it does not authenticate; nothing else is changed.
            RecordOverflow: content and padding are longer than allowed.
            UnexpectedMessage: it holds nothing but zeros.
            InternalError: the sequence numbers of this key are used up.
        """
        sequence = self.sequence
        if sequence >= _END_OF_SEQUENCE:
            raise _used_up("open")
        try:
            inner = self._open((self._iv ^ sequence).to_bytes(12), body, header)
        except InvalidTag:
            raise BadRecordMac(
                f"record {sequence} of {self.epoch.name} keys, generation {self.generation}: "
                "expected a valid tag, got one that does not authenticate",
                section="5.2",
            ) from None
        self.sequence = sequence + 1
        return self._judge(inner)

    def open_many(self, data: bytes, into: DataSink) -> int:
        """Open the records of application data that these bytes begin with (§5.2).

        This is `open` for all that a stream mostly consists of, in one loop without a
        call of ours for a record. It ends before a record that is not whole or that
        `open` must judge, and after one that holds something else, which it puts
        `ahead`.

        Returns:
            Where it ended. What lies behind is as if it had never been looked at.
        """
        offset, end = 0, len(data)
        view = data if end < SMALL else memoryview(data)
        decrypt, iv, sequence = self._open, self._iv, self.sequence
        if sequence + end >= _END_OF_SEQUENCE:
            return 0
        most = self.max_plaintext + 1 + TAG_LENGTH
        append = into.chunks.append
        received = 0
        while offset + _OVERHEAD < end:
            body = offset + 5
            header = data[offset:body]
            length = header[3] << 8 | header[4]
            stop = body + length
            if header[0] != _APPLICATION_DATA or stop > end or not TAG_LENGTH < length <= most:
                break
            try:
                inner = decrypt((iv ^ sequence).to_bytes(12), view[body:stop], header)
            except InvalidTag:  # `open` knows what to say
                break
            sequence += 1
            offset = stop
            if inner[-1] != _APPLICATION_DATA or len(inner) == 1:
                self.ahead = inner
                break
            append(inner[:-1])
            received += len(inner) - 1
        self.sequence = sequence
        into.position += received
        return offset

    def open_ahead(self) -> tuple[int, bytes]:
        """Give the record that `open_many` ended with, judged as `open` does."""
        inner, self.ahead = self.ahead, None
        if inner is None:
            raise InternalError("no record was opened ahead")
        return self._judge(inner)

    def _judge(self, inner: bytes) -> tuple[int, bytes]:
        if len(inner) - 1 > self.max_plaintext:
            raise RecordOverflow(
                f"record: expected at most {self.max_plaintext} bytes of content and padding, "
                f"got {len(inner) - 1}",
                section="5.2",
            )
        if inner and (content_type := inner[-1]):
            return content_type, inner[:-1]
        inner = inner.rstrip(b"\0")
        if not inner:
            raise UnexpectedMessage(
                "record: expected a content type, got nothing but padding", section="5.4"
            )
        return inner[-1], inner[:-1]


def _no_key(nonce: bytes, data: bytes | memoryview, header: bytes) -> bytes:
    raise InternalError("expected protection, got a record before any key")


def _used_up(what: str) -> InternalError:
    return InternalError(f"{what}: all 2**64 sequence numbers of this key are used up")


def no_content(content_type: int) -> UnexpectedMessage:
    """Tell of a record without content, where there must be some (§5.1)."""
    return UnexpectedMessage(
        f"expected content in a record of type {content_type}, got none", section="5.1"
    )
