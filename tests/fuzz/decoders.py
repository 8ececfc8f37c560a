"""Every message and every extension, by the tables that the engine goes by."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from hypothesis import strategies as st

from postshake.errors import DecodeError, PeerError
from postshake.resumption import ImportedIdentity
from postshake.wire import handshake
from postshake.wire.alert import Alert
from postshake.wire.codec import Reader
from postshake.wire.extensions import PLACES, Extensions, MessageKind, UnknownExtension
from postshake.wire.tls12 import ChangeCipherSpec, ClientKeyExchangePsk, ServerKeyExchangePsk
from tests import strategies, strategies12
from tests.fuzz.target import Target, decoder, drawn

__all__ = ["decoders"]


def decoders() -> Iterator[Target]:
    """Give a target for each."""
    yield from messages()
    yield from extensions()
    yield from blocks()
    yield Target(
        "wire Alert",
        decoder(Alert.decode, PeerError, again=True),
        lambda: [b"\2\x28"],
        group="messages",
    )
    yield Target(
        "wire ChangeCipherSpec",
        decoder(ChangeCipherSpec.decode, PeerError),
        lambda: [b"\1"],
        group="messages",
    )
    yield Target(
        "wire ImportedIdentity",
        decoder(ImportedIdentity.decode, DecodeError, again=True),
        lambda: [ImportedIdentity(b"name", b"context", "sha256").encode()],
        group="messages",
    )


def messages() -> Iterator[Target]:
    tables = (handshake._DECODERS, handshake._DECODERS12, handshake._DECODERS12_PSK)
    reads = {read.__self__: read for table in tables for read in table.values()}  # type: ignore[attr-defined]
    for cls, read in reads.items():
        yield Target(
            f"wire {cls.__name__}",
            decoder(read, PeerError, again=True),
            partial(messages_of, cls),
            group="messages",
            weight=2.0,
        )


def messages_of(cls: type[Any]) -> list[bytes]:
    """Good messages of a class."""
    every = [*strategies.MESSAGES.values(), *strategies12.MESSAGES12.values(), *PSK12]
    found = [
        each.encode() for strategy in every for each in drawn(strategy, 20) if type(each) is cls
    ]
    assert found, f"no test draws a {cls.__name__}"
    return found


PSK12 = [
    st.builds(ServerKeyExchangePsk, strategies.opaque(), strategies12.params),
    st.builds(ClientKeyExchangePsk, strategies.opaque(), strategies.opaque(1)),
]


def extensions() -> Iterator[Target]:
    classes: set[type[Any]] = {cls for places in PLACES.values() for cls in places.values()}
    for cls in sorted(classes, key=lambda cls: cls.__name__):
        yield Target(
            f"extension {cls.__name__}",
            decoder(whole(cls), PeerError, again=True),
            partial(extensions_of, cls),
            group="extensions",
            weight=0.5,
        )


def extensions_of(cls: type[Any]) -> list[bytes]:
    """Good extensions of a class."""
    return [each.encode() for each in drawn(strategies.EXTENSIONS[cls], 20)]


def whole(cls: type[Any]) -> Callable[[bytes], Any]:
    def read(data: bytes) -> Any:
        reader = Reader(data, cls.__name__)
        extension = cls.decode(reader)
        reader.finish()
        return extension

    return read


def blocks() -> Iterator[Target]:
    """Blocks of extensions, by the message that they stand in."""
    for kind in MessageKind:

        def read(data: bytes, kind: MessageKind = kind) -> Extensions:
            reader = Reader(data, kind.value)
            block = Extensions.decode(reader, kind)
            reader.finish()
            return block

        yield Target(
            f"extensions of {kind.value}",
            decoder(read, PeerError, again=True),
            partial(blocks_of, kind),
            group="extensions",
        )


def blocks_of(kind: MessageKind) -> list[bytes]:
    drawn_blocks = drawn(strategies.extensions_for(kind), 40)
    return [Extensions((UnknownExtension(0x0A0A, b""),)).encode()] + [
        block.encode() for block in drawn_blocks
    ]
