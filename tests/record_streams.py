"""Streams of records that a peer with the keys could send: good ones, and all that is not.

An `Item` is one thing in a stream, before it is sealed: so the same stream can be made
again for another connection with other keys, to be cut in another way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from postshake.connection import Connection
from postshake.constants import ProtocolVersion, Role
from postshake.wire.auth import CertificateRequest
from postshake.wire.extensions import Extensions, SignatureAlgorithms
from postshake.wire.handshake import encode_handshake
from postshake.wire.post_handshake import NewSessionTicket
from tests.record.records import plain

__all__ = ["Item", "items", "sealed", "sealed_inner"]

ALERT, HANDSHAKE, DATA = 21, 22, 23


@dataclass(frozen=True)
class Item:
    """One thing in a stream."""

    what: str
    make: Callable[[Connection], bytes]

    def __repr__(self) -> str:
        return self.what


def sealed(sender: Connection, content_type: int, content: bytes, padding: int = 0) -> bytes:
    """One record of the sender's, whatever it holds."""
    return sender._engine.layer.outbound.seal(content_type, content, padding)


def sealed_inner(sender: Connection, inner: bytes) -> bytes:
    """One record of TLS 1.3 whose content, type and padding are all up to us, at any length."""
    outbound = sender._engine.layer.outbound
    header = (0x17_0303_0000 + len(inner) + 16).to_bytes(5, "big")
    nonce = (outbound._iv ^ outbound.sequence).to_bytes(12, "big")
    outbound.sequence += 1
    return header + outbound._seal(nonce, inner, header)


def key_update(sender: Connection, *, asked: bool) -> bytes:
    """The message, and new keys for what follows."""
    made = sealed(sender, HANDSHAKE, bytes((24, 0, 0, 1, asked)))
    sender._engine.layer.update_write()
    return made


def forged(sender: Connection) -> bytes:
    """A record of which one bit was changed on the way."""
    made = bytearray(sealed(sender, DATA, b"forged"))
    made[-1] ^= 1
    return bytes(made)


def fragments(sender: Connection, message: bytes, size: int) -> bytes:
    """A handshake message in records of so many bytes."""
    pieces = [message[at : at + size] for at in range(0, len(message), size)]
    return b"".join(sealed(sender, HANDSHAKE, piece) for piece in pieces)


TICKET = encode_handshake(NewSessionTicket(60, 0, b"n", b"ticket"))


def request(context: bytes) -> bytes:
    """A CertificateRequest."""
    schemes = SignatureAlgorithms((0x0403, 0x0807))
    return encode_handshake(CertificateRequest(context, Extensions((schemes,))))


def _of_both(version: ProtocolVersion) -> list[st.SearchStrategy[Item]]:
    """What is the same in both versions."""
    tls13 = version is ProtocolVersion.TLS13
    longest = 2**14

    def too_long(sender: Connection) -> bytes:
        if tls13:
            return sealed_inner(sender, bytes(longest + 1) + b"\x17")
        return _sealed12(sender, DATA, bytes(longest + 1))

    def simple(what: str, content_type: int, content: bytes) -> st.SearchStrategy[Item]:
        return st.just(Item(what, lambda sender: sealed(sender, content_type, content)))

    data = st.integers(1, 50).map(
        lambda size: Item(f"data {size}", lambda sender: sealed(sender, DATA, bytes(size)))
    )
    empty = simple("empty data", DATA, b"")
    return [
        # what is counted comes often, and what ends a stream seldom: see `items`
        data,
        data,
        empty,
        empty,
        simple("user_canceled", ALERT, b"\1\x5a"),
        simple("warning", ALERT, b"\1\x2d"),
        st.one_of(
            simple("goodbye", ALERT, b"\1\0"),
            simple("fatal alert", ALERT, b"\2\x28"),
            simple("long alert", ALERT, b"\1\0\0"),
            simple("empty handshake", HANDSHAKE, b""),
            simple("empty alert", ALERT, b""),
            simple("a part of a message", HANDSHAKE, b"\x04\0\0"),
            simple("an announcement of too much", HANDSHAKE, b"\x0b\xff\xff\xff"),
            simple("an unknown message", HANDSHAKE, b"\x77\0\0\0"),
            simple("an unknown content type", 99, b"x"),
            simple("ChangeCipherSpec, protected", 20, b"\1"),
            st.just(Item("forged", forged)),
            st.just(Item("too long", too_long)),
            st.just(Item("no record", lambda sender: b"\x17\x03\x03\0\x03abc")),
            st.just(Item("a long header", lambda sender: b"\x17\x03\x03\xff\xff")),
            st.just(Item("an unknown type", lambda sender: b"\x63\x03\x03\0\x01x")),
            st.just(Item("plaintext handshake", lambda sender: plain(22, b"\0\0\0\0"))),
            st.just(Item("plaintext alert", lambda sender: plain(21, b"\2\x28"))),
            st.just(Item("ChangeCipherSpec", lambda sender: plain(20, b"\1"))),
            st.just(Item("half a record", lambda sender: sealed(sender, DATA, b"half")[:-1])),
        ),
    ]


def _of_tls13(sender: Role) -> list[st.SearchStrategy[Item]]:
    padding = st.integers(1, 60)
    of_sender = (
        st.one_of(
            st.integers(1, len(TICKET)).map(
                lambda size: Item(
                    f"ticket by {size}", lambda sender: fragments(sender, TICKET, size)
                )
            ),
            st.tuples(st.binary(min_size=1, max_size=2), st.integers(5, 40)).map(
                lambda drawn: Item(
                    f"request {drawn[0].hex()} by {drawn[1]}",
                    lambda sender: fragments(sender, request(drawn[0]), drawn[1]),
                )
            ),
            st.just(
                Item(
                    "two messages",
                    lambda sender: sealed(sender, HANDSHAKE, TICKET + TICKET),
                )
            ),
        )
        if sender is Role.server
        else st.just(Item("certificate", lambda sender: sealed(sender, HANDSHAKE, b"\x0b\0\0\0")))
    )
    padded = padding.map(
        lambda size: Item(f"padding {size}", lambda sender: sealed(sender, DATA, b"", size))
    )
    return [
        padded,
        padded,
        padding.map(
            lambda size: Item(f"padded {size}", lambda sender: sealed(sender, DATA, b"abc", size))
        ),
        st.booleans().map(
            lambda asked: Item(
                f"key update {asked}", lambda sender: key_update(sender, asked=asked)
            )
        ),
        of_sender,
        st.one_of(
            padding.map(
                lambda size: Item(
                    f"nothing but {size} zeros", lambda sender: sealed_inner(sender, bytes(size))
                )
            ),
            st.just(Item("nothing at all", lambda sender: sealed_inner(sender, b""))),
            st.just(
                Item(
                    "more behind a key update",
                    lambda sender: sealed(sender, HANDSHAKE, b"\x18\0\0\1\0\x04"),
                )
            ),
        ),
    ]


def _of_tls12(sender: Role) -> list[st.SearchStrategy[Item]]:
    wish = b"\0\0\0\0" if sender is Role.server else b"\1\0\0\0"
    return [
        st.just(Item("a wish to renegotiate", lambda sender: sealed(sender, HANDSHAKE, wish))),
        st.just(
            Item(
                "a Finished", lambda sender: sealed(sender, HANDSHAKE, b"\x14\0\0\x0c" + bytes(12))
            )
        ),
    ]


def _sealed12(sender: Connection, content_type: int, content: bytes) -> bytes:
    """A record of TLS 1.2, which may be too long."""
    outbound: Any = sender._engine.layer.outbound
    number = outbound.sequence.to_bytes(8, "big")
    outbound.sequence += 1
    header = bytes((content_type, 3, 3))
    additional = number + header + len(content).to_bytes(2, "big")
    explicit = number if outbound._explicit else b""
    nonce = (
        outbound._salt + number
        if outbound._explicit
        else (outbound._iv ^ int.from_bytes(number)).to_bytes(12, "big")
    )
    body = explicit + outbound._seal(nonce, content, additional)
    return header + len(body).to_bytes(2, "big") + body


def items(version: ProtocolVersion, sender: Role) -> st.SearchStrategy[list[Item]]:
    """Draw a stream of what an end with this role could send after the handshake."""
    more = _of_tls13 if version is ProtocolVersion.TLS13 else _of_tls12
    runs = st.tuples(
        st.one_of(*_of_both(version), *more(sender)), st.sampled_from([1, 1, 1, 2, 3, 4])
    )  # limits are of things in a row
    return st.lists(runs, min_size=1, max_size=16).map(_up_to_half_a_record)


def _up_to_half_a_record(drawn: list[tuple[Item, int]]) -> list[Item]:
    """The runs in a row; behind half a record all is noise, other noise for other keys."""
    stream = [item for item, count in drawn for _ in range(count)]
    halves = [index for index, item in enumerate(stream) if item.what == "half a record"]
    return stream[: halves[0] + 1] if halves else stream
