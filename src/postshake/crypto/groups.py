"""Key exchange groups: (EC)DHE, and ECDHE with ML-KEM (§4.2.8).

A client holds a ``KeyShare`` until the server's share completes it; a server
answers a share at once. Whatever a peer sends that is no key of the group, or
leads to the all-zero secret, is ``IllegalParameter``.

Private keys are drawn from the ``random`` given, octet for octet, so that a
recorded handshake can be replayed. One thing is not: the randomness of an
ML-KEM encapsulation, which OpenSSL draws itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x448 import X448PrivateKey, X448PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .._dataclass import dataclass, field
from ..constants import NamedGroup, name_of
from ..errors import IllegalParameter, InternalError, UsageError

try:  # newer than the oldest cryptography we work with
    from cryptography.hazmat.primitives.asymmetric.mlkem import (
        MLKEM768PrivateKey,
        MLKEM768PublicKey,
        MLKEM1024PrivateKey,
        MLKEM1024PublicKey,
    )

    MLKEM768PrivateKey.from_seed_bytes(bytes(64))
except (ImportError, UnsupportedAlgorithm):  # too old, or over a library without it
    _HAS_MLKEM = False
else:
    _HAS_MLKEM = True

__all__ = ["KeyShare", "answer_share", "generate_share", "supported_groups"]

Random: TypeAlias = Callable[[int], bytes]
"""Gives so many random octets."""


class KeyShare(Protocol):
    """A key of ours that waits for the peer's; it holds the private part."""

    @property
    def group(self) -> NamedGroup:
        """The group it belongs to."""

    @property
    def public(self) -> bytes:
        """Our key_exchange, as it stands in a KeyShareEntry (§4.2.8)."""

    def complete(self, peer_public: bytes) -> bytes:
        """Compute the shared secret from the peer's key_exchange (§7.4).

        Raises:
            IllegalParameter: it is no key of this group, or a degenerate one.
        """


def supported_groups() -> tuple[NamedGroup, ...]:
    """List what this build of ``cryptography`` can do, preferred first."""
    return tuple(NamedGroup(group) for group in _GROUPS)


def generate_share(group: int, random: Random) -> KeyShare:
    """Make a fresh key for a group (§4.2.8).

    Raises:
        UsageError: the group is not among ``supported_groups()``.
    """
    return _find(group).generate(random)


def answer_share(group: int, peer_public: bytes, random: Random) -> tuple[bytes, bytes]:
    """Answer a client's share: our key_exchange and the shared secret (§4.2.8, §7.4).

    Raises:
        IllegalParameter: the client's is no key of this group, or a degenerate one.
        UsageError: the group is not among ``supported_groups()``.
    """
    return _find(group).answer(peer_public, random)


def _find(group: int) -> _Group:
    found = _GROUPS.get(group)
    if found is None:
        raise UsageError(f"the group {name_of(NamedGroup, group)} is not supported here")
    return found


class _Group(Protocol):
    """How a group makes shares and answers them."""

    @property
    def client_length(self) -> int:
        """Octets of a client's key_exchange."""

    @property
    def server_length(self) -> int:
        """Octets of a server's key_exchange."""

    def generate(self, random: Random) -> KeyShare: ...

    def answer(self, peer_public: bytes, random: Random) -> tuple[bytes, bytes]: ...


def _check_length(group: NamedGroup, expected: int, key: bytes) -> None:
    if len(key) != expected:
        raise IllegalParameter(
            f"a key share for {group.name} has {expected} octets, not {len(key)}",
            section="4.2.8",
        )


# X25519 and X448 (RFC 7748)


@dataclass(frozen=True, slots=True)
class _Montgomery:
    """X25519 or X448: any octets are a key (§4.2.8.2, RFC 7748)."""

    group: NamedGroup
    client_length: int
    private_key: type[X25519PrivateKey] | type[X448PrivateKey]
    public_key: type[X25519PublicKey] | type[X448PublicKey]

    @property
    def server_length(self) -> int:
        return self.client_length

    def generate(self, random: Random) -> _MontgomeryShare:
        private = self.private_key.from_private_bytes(random(self.client_length))
        return _MontgomeryShare(self, private.public_key().public_bytes_raw(), private)

    def answer(self, peer_public: bytes, random: Random) -> tuple[bytes, bytes]:
        share = self.generate(random)
        return share.public, share.complete(peer_public)


@dataclass(frozen=True, slots=True)
class _MontgomeryShare:
    how: _Montgomery = field(repr=False)
    public: bytes
    private: X25519PrivateKey | X448PrivateKey = field(repr=False)

    @property
    def group(self) -> NamedGroup:
        return self.how.group

    def complete(self, peer_public: bytes) -> bytes:
        how = self.how
        _check_length(how.group, how.client_length, peer_public)
        try:
            # mypy cannot know that both halves are of the same curve; the row says so.
            return self.private.exchange(how.public_key.from_public_bytes(peer_public))  # type: ignore[arg-type]
        except ValueError:  # the result is all zero, which §7.4.2 has us refuse
            raise IllegalParameter(
                f"the peer's {how.group.name} key is of low order", section="7.4.2"
            ) from None


# The NIST curves


@dataclass(frozen=True, slots=True)
class _Weierstrass:
    """A NIST curve, whose points travel uncompressed (§4.2.8.2)."""

    group: NamedGroup
    curve: ec.EllipticCurve

    @property
    def client_length(self) -> int:
        return 1 + 2 * -(-self.curve.key_size // 8)

    @property
    def server_length(self) -> int:
        return self.client_length

    def generate(self, random: Random) -> _WeierstrassShare:
        private = ec.derive_private_key(self._scalar(random), self.curve)
        public = private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return _WeierstrassShare(self, public, private)

    def answer(self, peer_public: bytes, random: Random) -> tuple[bytes, bytes]:
        share = self.generate(random)
        return share.public, share.complete(peer_public)

    def _scalar(self, random: Random) -> int:
        """Draw a private key by testing candidates (FIPS 186-5 A.2.2)."""
        bits = self.curve.key_size
        for _ in range(_MOST_CANDIDATES):
            candidate = int.from_bytes(random(-(-bits // 8)), "big") & ((1 << bits) - 1)
            if 0 < candidate < self.curve.group_order:
                return candidate
        raise InternalError(f"the random source gives no private key for {self.group.name}")


@dataclass(frozen=True, slots=True)
class _WeierstrassShare:
    how: _Weierstrass = field(repr=False)
    public: bytes
    private: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def group(self) -> NamedGroup:
        return self.how.group

    def complete(self, peer_public: bytes) -> bytes:
        how = self.how
        _check_length(how.group, how.client_length, peer_public)
        try:  # of the three forms it reads, only the uncompressed one is so long
            peer = ec.EllipticCurvePublicKey.from_encoded_point(how.curve, peer_public)
        except ValueError:
            raise IllegalParameter(
                f"the peer's key is no uncompressed point of {how.group.name}",
                section="4.2.8.2",
            ) from None
        return self.private.exchange(_ECDH, peer)


_ECDH = ec.ECDH()

_MOST_CANDIDATES = 64
"""A candidate fails less than once in 2**32; so many failures are a broken source."""


# ML-KEM, which needs company


@dataclass(frozen=True, slots=True)
class _MlKem:
    """ML-KEM (FIPS 203), half of a hybrid; the peer's blame names the whole."""

    group: NamedGroup
    name: str
    client_length: int
    server_length: int
    private_key: type[MLKEM768PrivateKey] | type[MLKEM1024PrivateKey]
    public_key: type[MLKEM768PublicKey] | type[MLKEM1024PublicKey]

    def generate(self, random: Random) -> _MlKemShare:
        private = self.private_key.from_seed_bytes(random(64))
        return _MlKemShare(self, private.public_key().public_bytes_raw(), private)

    def answer(self, peer_public: bytes, random: Random) -> tuple[bytes, bytes]:
        try:
            peer = self.public_key.from_public_bytes(peer_public)
        except ValueError:  # FIPS 203 section 7.2: a coefficient is out of range
            raise IllegalParameter(
                f"the peer's share for {self.group.name} holds no {self.name} key"
            ) from None
        secret, ciphertext = peer.encapsulate()
        return ciphertext, secret


@dataclass(frozen=True, slots=True)
class _MlKemShare:
    how: _MlKem = field(repr=False)
    public: bytes
    private: MLKEM768PrivateKey | MLKEM1024PrivateKey = field(repr=False)

    @property
    def group(self) -> NamedGroup:
        return self.how.group

    def complete(self, peer_public: bytes) -> bytes:
        _check_length(self.group, self.how.server_length, peer_public)
        return self.private.decapsulate(peer_public)


def _ml_kem_768(group: NamedGroup) -> _MlKem:
    return _MlKem(group, "ML-KEM-768", 1184, 1088, MLKEM768PrivateKey, MLKEM768PublicKey)


def _ml_kem_1024(group: NamedGroup) -> _MlKem:
    return _MlKem(group, "ML-KEM-1024", 1568, 1568, MLKEM1024PrivateKey, MLKEM1024PublicKey)


@dataclass(frozen=True, slots=True)
class _Hybrid:
    """Two exchanges side by side: every value is the two halves', joined.

    See draft-ietf-tls-hybrid-design and draft-ietf-tls-ecdhe-mlkem.
    """

    group: NamedGroup
    first: _Group
    second: _Group

    @property
    def client_length(self) -> int:
        return self.first.client_length + self.second.client_length

    @property
    def server_length(self) -> int:
        return self.first.server_length + self.second.server_length

    def generate(self, random: Random) -> _HybridShare:
        return _HybridShare(self, self.first.generate(random), self.second.generate(random))

    def answer(self, peer_public: bytes, random: Random) -> tuple[bytes, bytes]:
        _check_length(self.group, self.client_length, peer_public)
        cut = self.first.client_length
        first_public, first_secret = self.first.answer(peer_public[:cut], random)
        second_public, second_secret = self.second.answer(peer_public[cut:], random)
        return first_public + second_public, first_secret + second_secret


@dataclass(frozen=True, slots=True)
class _HybridShare:
    how: _Hybrid = field(repr=False)
    first: KeyShare
    second: KeyShare

    @property
    def group(self) -> NamedGroup:
        return self.how.group

    @property
    def public(self) -> bytes:
        return self.first.public + self.second.public

    def complete(self, peer_public: bytes) -> bytes:
        _check_length(self.group, self.how.server_length, peer_public)
        cut = self.how.first.server_length
        return self.first.complete(peer_public[:cut]) + self.second.complete(peer_public[cut:])


def _groups() -> dict[int, _Group]:
    """Build the table of groups, in the order of our preference."""
    x25519 = _Montgomery(NamedGroup.x25519, 32, X25519PrivateKey, X25519PublicKey)
    x448 = _Montgomery(NamedGroup.x448, 56, X448PrivateKey, X448PublicKey)
    p256 = _Weierstrass(NamedGroup.secp256r1, ec.SECP256R1())
    p384 = _Weierstrass(NamedGroup.secp384r1, ec.SECP384R1())
    p521 = _Weierstrass(NamedGroup.secp521r1, ec.SECP521R1())
    groups: dict[int, _Group] = {}
    if _HAS_MLKEM:
        hybrid = NamedGroup.X25519MLKEM768
        groups[hybrid] = _Hybrid(hybrid, _ml_kem_768(hybrid), x25519)
    groups |= {group.group: group for group in (x25519, p256, p384, p521, x448)}
    if _HAS_MLKEM:
        hybrid = NamedGroup.SecP256r1MLKEM768
        groups[hybrid] = _Hybrid(hybrid, p256, _ml_kem_768(hybrid))
        hybrid = NamedGroup.SecP384r1MLKEM1024
        groups[hybrid] = _Hybrid(hybrid, p384, _ml_kem_1024(hybrid))
    return groups


_GROUPS: Final = _groups()
