"""Extensions that settle which keys both ends will have (§4.2).

Version, group, key shares, pre-shared keys, early data and the cookie. Where
the body differs by message, each body is a class of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Self

from .._dataclass import dataclass
from ..constants import ExtensionType, NamedGroup, name_of
from ..errors import IllegalParameter
from .codec import Empty, Reader, u8_list, u16, u16_list, u32, vec8, vec16

__all__ = [
    "Cookie",
    "EarlyDataIndication",
    "EarlyDataTicket",
    "KeyShareClientHello",
    "KeyShareEntry",
    "KeyShareHelloRetryRequest",
    "KeyShareServerHello",
    "PreSharedKeyClientHello",
    "PreSharedKeyServerHello",
    "PskIdentity",
    "PskKeyExchangeModes",
    "SupportedGroups",
    "SupportedVersionsClientHello",
    "SupportedVersionsServerHello",
]


@dataclass(frozen=True, slots=True)
class SupportedVersionsClientHello:
    """Versions the client speaks, best first (§4.2.1).

    ::

        ProtocolVersion versions<2..254>;
    """

    extension_type: ClassVar[int] = ExtensionType.supported_versions

    versions: tuple[int, ...]

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """Read the body."""
        return cls(reader.u16_list(reader.u8()))

    def encode(self) -> bytes:
        """Write the body."""
        return vec8(u16_list(self.versions))


@dataclass(frozen=True, slots=True)
class SupportedVersionsServerHello:
    """The version chosen, in ServerHello and HelloRetryRequest (§4.2.1).

    ::

        ProtocolVersion selected_version;
    """

    extension_type: ClassVar[int] = ExtensionType.supported_versions

    selected_version: int

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """Read the body."""
        return cls(reader.u16())

    def encode(self) -> bytes:
        """Write the body."""
        return u16(self.selected_version)


@dataclass(frozen=True, slots=True)
class Cookie:
    """What the client must send back after a HelloRetryRequest (§4.2.2).

    ::

        opaque cookie<1..2^16-1>;
    """

    extension_type: ClassVar[int] = ExtensionType.cookie

    cookie: bytes

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """Read the body."""
        return cls(reader.vec16(min=1))

    def encode(self) -> bytes:
        """Write the body."""
        return vec16(self.cookie)


@dataclass(frozen=True, slots=True)
class SupportedGroups:
    """Groups for key exchange, best first (§4.2.7).

    ::

        NamedGroup named_group_list<2..2^16-1>;
    """

    extension_type: ClassVar[int] = ExtensionType.supported_groups

    named_group_list: tuple[int, ...]

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """Read the body."""
        return cls(reader.u16_list(reader.u16()))

    def encode(self) -> bytes:
        """Write the body."""
        return vec16(u16_list(self.named_group_list))


@dataclass(frozen=True, slots=True)
class KeyShareEntry:
    """One public key for one group (§4.2.8).

    ::

        NamedGroup group;
        opaque key_exchange<1..2^16-1>;
    """

    group: int
    key_exchange: bytes

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """Read one entry."""
        return cls(reader.u16(), reader.vec16(min=1))

    def encode(self) -> bytes:
        """Write one entry."""
        return u16(self.group) + vec16(self.key_exchange)


@dataclass(frozen=True, slots=True)
class KeyShareClientHello:
    """The client's public keys, best first; none asks for a retry (§4.2.8).

    ::

        KeyShareEntry client_shares<0..2^16-1>;
    """

    extension_type: ClassVar[int] = ExtensionType.key_share

    client_shares: tuple[KeyShareEntry, ...]

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """Read the body; two shares for one group are illegal."""
        shares = reader.sub16()
        entries = []
        groups = set()
        while shares.offset < shares.end:
            entry = KeyShareEntry.decode(shares)
            if entry.group in groups:
                raise IllegalParameter(
                    f"{reader.what}: expected one share for each group, "
                    f"got two for {name_of(NamedGroup, entry.group)}",
                    section="4.2.8",
                )
            groups.add(entry.group)
            entries.append(entry)
        return cls(tuple(entries))

    def encode(self) -> bytes:
        """Write the body."""
        return vec16(_join(self.client_shares))


@dataclass(frozen=True, slots=True)
class KeyShareServerHello:
    """The server's public key, for a group the client has a share of (§4.2.8).

    ::

        KeyShareEntry server_share;
    """

    extension_type: ClassVar[int] = ExtensionType.key_share

    server_share: KeyShareEntry

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """Read the body."""
        return cls(KeyShareEntry.decode(reader))

    def encode(self) -> bytes:
        """Write the body."""
        return self.server_share.encode()


@dataclass(frozen=True, slots=True)
class KeyShareHelloRetryRequest:
    """The group the server wants a share for (§4.2.8).

    ::

        NamedGroup selected_group;
    """

    extension_type: ClassVar[int] = ExtensionType.key_share

    selected_group: int

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """Read the body."""
        return cls(reader.u16())

    def encode(self) -> bytes:
        """Write the body."""
        return u16(self.selected_group)


@dataclass(frozen=True, slots=True)
class PskKeyExchangeModes:
    """How the client would use a pre-shared key (§4.2.9).

    ::

        PskKeyExchangeMode ke_modes<1..255>;
    """

    extension_type: ClassVar[int] = ExtensionType.psk_key_exchange_modes

    ke_modes: tuple[int, ...]

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """Read the body."""
        return cls(tuple(reader.vec8(min=1)))

    def encode(self) -> bytes:
        """Write the body."""
        return vec8(u8_list(self.ke_modes))


@dataclass(frozen=True, slots=True)
class EarlyDataIndication(Empty):
    """Early data is offered, or accepted (§4.2.10)."""

    extension_type: ClassVar[int] = ExtensionType.early_data


@dataclass(frozen=True, slots=True)
class EarlyDataTicket:
    """How much early data this ticket allows (§4.2.10).

    ::

        uint32 max_early_data_size;
    """

    extension_type: ClassVar[int] = ExtensionType.early_data

    max_early_data_size: int

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """Read the body."""
        return cls(reader.u32())

    def encode(self) -> bytes:
        """Write the body."""
        return u32(self.max_early_data_size)


@dataclass(frozen=True, slots=True)
class PskIdentity:
    """A label for a pre-shared key, often a ticket (§4.2.11).

    ::

        opaque identity<1..2^16-1>;
        uint32 obfuscated_ticket_age;
    """

    identity: bytes
    obfuscated_ticket_age: int

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """Read one identity."""
        return cls(reader.vec16(min=1), reader.u32())

    def encode(self) -> bytes:
        """Write one identity."""
        return vec16(self.identity) + u32(self.obfuscated_ticket_age)


@dataclass(frozen=True, slots=True)
class PreSharedKeyClientHello:
    """Pre-shared keys on offer, each with proof that the client has it (§4.2.11).

    ::

        PskIdentity identities<7..2^16-1>;
        PskBinderEntry binders<33..2^16-1>;   // opaque PskBinderEntry<32..255>
    """

    extension_type: ClassVar[int] = ExtensionType.pre_shared_key

    identities: tuple[PskIdentity, ...]
    binders: tuple[bytes, ...]

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """Read the body; there is one binder for each identity."""
        offered = reader.sub16(min=7)
        identities = []
        while offered.offset < offered.end:
            identities.append(PskIdentity.decode(offered))
        proofs = reader.sub16(min=33)
        binders = []
        while proofs.offset < proofs.end:
            binders.append(proofs.vec8(min=32))
        if len(binders) != len(identities):
            raise IllegalParameter(
                f"{reader.what}: expected a binder for each of {len(identities)} identities, "
                f"got {len(binders)}",
                section="4.2.11",
            )
        return cls(tuple(identities), tuple(binders))

    def encode(self) -> bytes:
        """Write the body."""
        return vec16(_join(self.identities)) + vec16(b"".join(map(vec8, self.binders)))

    @property
    def binders_length(self) -> int:
        """How many bytes at the end of the ClientHello no binder covers (§4.2.11.2)."""
        return 2 + sum(1 + len(binder) for binder in self.binders)


@dataclass(frozen=True, slots=True)
class PreSharedKeyServerHello:
    """Which offered key the server took, counted from zero (§4.2.11).

    ::

        uint16 selected_identity;
    """

    extension_type: ClassVar[int] = ExtensionType.pre_shared_key

    selected_identity: int

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """Read the body."""
        return cls(reader.u16())

    def encode(self) -> bytes:
        """Write the body."""
        return u16(self.selected_identity)


def _join(parts: Iterable[KeyShareEntry | PskIdentity]) -> bytes:
    return b"".join([part.encode() for part in parts])
