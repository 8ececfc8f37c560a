"""The record layer: both directions of a connection (§5).

`RecordLayer` takes bytes from the transport and gives opened records; it takes
content and gives bytes. What is allowed as a record is judged here, what a
message means is not. `receive_data` is the path that application data takes;
`next_record` is the path of all else, and of what comes between.
"""

from __future__ import annotations

from collections.abc import Callable

from ..constants import ContentType, Role
from ..crypto.suites import TAG_LENGTH, Suite
from ..crypto.tls12.suites import Suite12
from ..errors import (
    BadRecordMac,
    InternalError,
    RecordOverflow,
    TLSError,
    TooMuch,
    UnexpectedMessage,
    require,
)
from .deframer import HEADER_LENGTH, MAX_PLAINTEXT, Deframer
from .limits import Budget, Limits
from .protection import DataSink, Epoch, Inbound, Outbound, no_content
from .tls12 import Inbound12, Outbound12

__all__ = ["PaddingPolicy", "RecordLayer"]

PaddingPolicy = Callable[[int, int], int]
"""Content type and length of a fragment -> how many zeros to add (§5.4)."""

_CHANGE_CIPHER_SPEC = int(ContentType.change_cipher_spec)
_ALERT = int(ContentType.alert)
_HANDSHAKE = int(ContentType.handshake)
_APPLICATION_DATA = int(ContentType.application_data)
_CHANGE_CIPHER_SPEC_RECORD = bytes.fromhex("140303000101")  # §D.4: version, one byte of 1
_OVERHEAD = 17  # content type and tag, at least
_SEALED = HEADER_LENGTH + TAG_LENGTH  # what a record of TLS 1.3 has besides its inner plaintext


class RecordLayer:
    """The records of one connection, sans I/O.

    After a `TLSError` from `next_record` no record is ever given again: the
    call repeats the error, and further input is forgotten. Sending still
    works, for the alert.
    """

    __slots__ = (
        "_ccs_budget",
        "_deframer",
        "_empty_limit",
        "_empty_records",
        "_failure",
        "ccs_allowed",
        "inbound",
        "max_fragment_out",
        "outbound",
        "output",
        "padding",
        "role",
        "skip_early_data",
    )

    def __init__(self, *, limits: Limits, role: Role, padding: PaddingPolicy | None = None) -> None:
        self.role = role
        """Which end we are."""
        self.inbound: Inbound = Inbound()
        self.outbound: Outbound = Outbound()
        self.max_fragment_out = MAX_PLAINTEXT
        """The most content and padding that we put into a record.

        A record_size_limit of the peer's counts the content type too: set one
        less than it says (RFC 8449 section 4).
        """
        self.ccs_allowed = False
        """Whether a compatibility ChangeCipherSpec is dropped, not refused (§5)."""
        self.skip_early_data = 0
        """Bytes of rejected early data that may still be skipped (§4.2.10).

        While it is not 0, records that do not open under fresh handshake keys
        are dropped, and application data before any key (after a
        HelloRetryRequest) is too. The first record that opens ends it.
        """
        self.padding = padding
        """How much padding records get; None for none."""
        self._deframer = Deframer()
        self.output: list[bytes] = []
        """What waits for the transport; see `data_to_send`."""
        self._failure: TLSError | None = None
        self._ccs_budget = Budget(limits.change_cipher_specs, "ChangeCipherSpec records")
        self._empty_limit = limits.empty_records
        self._empty_records = 0  # in a row

    def __repr__(self) -> str:
        return f"RecordLayer({self.role.name}, {self.inbound!r}, {self.outbound!r})"

    # In

    @property
    def buffered(self) -> int:
        """How many bytes from the transport are not decoded yet."""
        return self._deframer.buffered

    @property
    def max_plaintext_in(self) -> int:
        """The most content and padding that a protected record may hold.

        A record_size_limit of ours counts the content type too: set one less
        than it says (RFC 8449 section 4).
        """
        return self.inbound.max_plaintext

    @max_plaintext_in.setter
    def max_plaintext_in(self, size: int) -> None:
        self.inbound.max_plaintext = size

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take bytes from the transport; ``bytes`` are read in place, not copied."""
        self._deframer.feed(data)

    def discard_input(self) -> None:
        """Forget what was not decoded yet, and whatever may still come."""
        self._deframer.close()
        self.inbound.ahead = None

    def receive_data(self, data: bytes, into: DataSink) -> bool:
        """Take bytes from the transport, and open the application data in front.

        This is `feed` and what `next_record` would give, for a connection of TLS 1.3
        whose peer sends application data, as nearly all always do.

        Returns:
            Whether that was all; if not, go on with `next_record`.
        """
        if not self._deframer.idle:
            self.feed(data)
            return False
        inbound = self.inbound
        end = inbound.open_many(data, into)
        ahead = inbound.ahead
        if ahead is None:
            if end:
                self._empty_records = 0
            if end == len(data):
                return True
        elif end > len(ahead) + _SEALED:  # there was data in front of it; itself may be empty
            self._empty_records = 0
        self._deframer.feed(data, end)
        return False

    def next_record(self) -> tuple[int, bytes] | None:
        """Open the next record: its content type and content (§5.2).

        The type is 21, 22 or 23, and in TLS 1.2 also 20. Application data may be
        empty (padding alone); the others are not. None means that more bytes are
        needed.

        Raises:
            DecodeError: the stream is not TLS.
            UnexpectedMessage: a record that is not allowed now.
            RecordOverflow: a record longer than allowed.
            BadRecordMac: a record that does not authenticate.
            TooMuch: a flood of fruitless records.
        """
        inbound = self.inbound
        try:
            while True:
                if inbound.ahead is not None:
                    record = inbound.open_ahead()
                elif (fragment := self._deframer.next_fragment()) is None:
                    break
                else:
                    header, body = fragment
                    if header[0] != _APPLICATION_DATA or not inbound.protected:
                        plain = self._plain_record(header, body)
                        if plain is not None:
                            return plain
                        continue
                    try:
                        record = inbound.open(header, body)
                    except BadRecordMac:
                        if not self._skips():
                            raise
                        self._skip(body)
                        continue
                # whichever way it was opened: here alone it is judged
                if record[0] != _APPLICATION_DATA or not record[1]:
                    self._check_inner(record)
                elif self._empty_records:
                    self._empty_records = 0
                return record
        except TLSError as error:
            self._failure = error.without_traceback()
            self._deframer.close()
            raise
        if self._failure is not None:
            raise self._failure.without_traceback()
        return None

    def read_with(self, suite: Suite, traffic_secret: bytes, epoch: Epoch) -> None:
        """Open what comes from now on with this secret.

        Check first that no handshake bytes are left over (`Reassembly.check_aligned`).
        """
        self.inbound.install(suite, traffic_secret, epoch)

    def update_read(self) -> None:
        """Open what comes from now on with the next generation of keys (§7.2)."""
        self.inbound.update()

    def enter_tls12(self) -> None:
        """Go by the rules of TLS 1.2 from here on; nothing is protected yet."""
        inbound, outbound = Inbound12(), Outbound12()
        inbound.max_plaintext = self.inbound.max_plaintext
        outbound.legacy_record_version = self.outbound.legacy_record_version
        self.inbound, self.outbound = inbound, outbound
        self.padding = None  # TLS 1.2 has none

    def read_with12(self, suite: Suite12, key: bytes, iv: bytes) -> None:
        """Open what comes from now on with these keys (RFC 5246 section 7.1)."""
        require(Inbound12, self.inbound).install12(suite, key, iv)

    def write_with12(self, suite: Suite12, key: bytes, iv: bytes) -> None:
        """Seal what is sent from now on with these keys (RFC 5246 section 7.1)."""
        require(Outbound12, self.outbound).install12(suite, key, iv)

    # Out

    def send(self, content_type: int, data: bytes | bytearray | memoryview) -> None:
        """Seal content in as many records as it needs; queue them (§5.1).

        Empty application data makes one empty record.

        Raises:
            InternalError: application data without protection, an empty
                handshake fragment or alert, a padding policy that fails, or
                sequence numbers that are used up.
        """
        if type(data) is bytes and 0 < len(data) <= self.max_fragment_out and self.padding is None:
            self.output.append(self.outbound.seal(content_type, data))
            return
        if type(data) is not bytes:
            data = memoryview(data)
            data = data.cast("B") if data.c_contiguous else data.tobytes()
        if content_type != _APPLICATION_DATA and not data:
            raise InternalError(f"send: expected content of type {content_type}, got none")
        size = self.max_fragment_out
        if self.padding is not None and self.outbound.protected:
            view = memoryview(data)
            for start in range(0, len(view) or 1, size):
                fragment = view[start : start + size]
                padding = self._padding_for(content_type, len(fragment))
                self.output.append(self.outbound.seal(content_type, fragment, padding))
        elif len(data) <= size:
            self.output.append(self.outbound.seal(content_type, data))
        else:
            self.output.append(self.outbound.seal_many(content_type, data, size))

    def send_change_cipher_spec(self) -> None:
        """Queue the compatibility ChangeCipherSpec, never protected (§D.4)."""
        self.output.append(_CHANGE_CIPHER_SPEC_RECORD)

    @property
    def has_output(self) -> bool:
        """Whether `data_to_send` would give any bytes."""
        return bool(self.output)

    def data_to_send(self) -> bytes:
        """Take all bytes that wait for the transport."""
        output = self.output
        if len(output) == 1:
            return output.pop()
        data = b"".join(output)
        output.clear()
        return data

    @property
    def legacy_record_version(self) -> int:
        """What plaintext records of ours bear; a client begins with 0x0301 (§5.1)."""
        return self.outbound.legacy_record_version

    @legacy_record_version.setter
    def legacy_record_version(self, version: int) -> None:
        self.outbound.legacy_record_version = version

    def write_with(self, suite: Suite, traffic_secret: bytes, epoch: Epoch) -> None:
        """Seal what is sent from now on with this secret; what is queued stays."""
        self.outbound.install(suite, traffic_secret, epoch)

    def write_plain(self) -> None:
        """Send without protection again: the second ClientHello after early data (§4.1.2)."""
        self.outbound = Outbound()

    def update_write(self) -> None:
        """Seal what is sent from now on with the next generation of keys (§7.2)."""
        self.outbound.update()

    # Rarer things

    def _check_inner(self, record: tuple[int, bytes]) -> None:
        """Check an opened record that is not plain application data."""
        content_type, content = record
        if content_type == _APPLICATION_DATA:
            self._empty_records += 1
            if self._empty_records > self._empty_limit:
                raise TooMuch(
                    f"empty records in a row: expected at most {self._empty_limit}, "
                    f"got {self._empty_records}"
                )
        elif content_type not in (_HANDSHAKE, _ALERT):
            raise UnexpectedMessage(
                "protected record: expected handshake, alert or application_data, "
                f"got content type {content_type}",
                section="5.2",
            )
        elif not content:
            raise no_content(content_type)

    def _plain_record(self, header: bytes, body: bytes | memoryview) -> tuple[int, bytes] | None:
        """Judge a record that is not protected; None when it is dropped."""
        inbound = self.inbound
        content_type = header[0]
        if isinstance(inbound, Inbound12):
            return inbound.take(header, body)
        if content_type == _CHANGE_CIPHER_SPEC:
            self._drop_change_cipher_spec(body)
            return None
        if content_type == _APPLICATION_DATA:
            if not self.skip_early_data:
                raise UnexpectedMessage(
                    "expected handshake records, got application data before any key",
                    section="5.2",
                )
            self._skip(body)
            return None
        if len(body) > MAX_PLAINTEXT:
            raise RecordOverflow(
                f"plaintext record: expected at most {MAX_PLAINTEXT} bytes, got {len(body)}",
                section="5.1",
            )
        if inbound.protected and (
            # A peer that fails before it has keys can only say so in plaintext.
            content_type != _ALERT or inbound.epoch != Epoch.handshake or inbound.sequence
        ):
            raise UnexpectedMessage(
                f"expected a protected record, got plaintext of content type {content_type}",
                section="5",
            )
        if not body:
            raise no_content(content_type)
        if not inbound.protected:
            inbound.sequence += 1
            if content_type == _HANDSHAKE:
                self.skip_early_data = 0  # the second ClientHello follows all early data
        return content_type, bytes(body)

    def _drop_change_cipher_spec(self, body: bytes | memoryview) -> None:
        if not self.ccs_allowed or bytes(body) != b"\x01":
            allowed = "one byte of 1" if self.ccs_allowed else "none now"
            raise UnexpectedMessage(
                f"change_cipher_spec: expected {allowed}, got {bytes(body[:8])!r}", section="5"
            )
        self._ccs_budget.spend()

    def _skips(self) -> bool:
        inbound = self.inbound
        return (
            self.skip_early_data > 0 and inbound.epoch == Epoch.handshake and inbound.sequence == 0
        )

    def _skip(self, body: bytes | memoryview) -> None:
        """Count a record of rejected early data: its content, at least 1 (§4.2.10)."""
        size = max(1, len(body) - _OVERHEAD)
        if size > self.skip_early_data:
            raise TooMuch(
                f"rejected early data: expected at most {self.skip_early_data} more bytes, "
                f"got {size}",
                section="4.2.10",
            )
        self.skip_early_data -= size

    def _padding_for(self, content_type: int, length: int) -> int:
        """Ask the policy, and keep the record within its size."""
        policy = self.padding
        if policy is None:
            return 0
        try:
            padding = int(policy(content_type, length))
        except Exception as error:
            raise InternalError(f"the padding policy failed: {error!r}") from error
        if padding < 0:
            raise InternalError(f"the padding policy: expected 0 or more, got {padding}")
        return min(padding, self.max_fragment_out - length)
