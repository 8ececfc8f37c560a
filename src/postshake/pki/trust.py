"""Whether a peer's certificate is to be believed.

A Verifier is asked once per authentication, before Finished is accepted as proof.
ChainVerifier is the default: a path to a trust anchor, good for the peer's role and,
for servers, for the name. Whether anything was revoked is `revocation`'s to say.

A path that was verified is remembered while each of its certificates is valid, under
the exact bytes that were presented: nothing else that the verdict depends on can
change, as trust store and settings are fixed. Refusals are never remembered, and
revocation is looked at anew each time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from ..constants import Role
from ..errors import BadCertificate, CertificateRequired
from ..values import dataclass, field
from .distrusted import DISTRUSTED_KEYS, check_keys
from .facts import Facts
from .names import matches_names, name_mismatch, normalize_server_name
from .path import PathSearch
from .revocation import Revocation
from .revocation_search import Surroundings
from .store import TrustStore
from .unreadable import refusing_unreadable

__all__ = ["ChainVerifier", "PeerChain", "TrustStore", "VerifiedChain", "Verifier"]


@dataclass(frozen=True, slots=True)
class PeerChain:
    """What a Verifier is asked about."""

    certificates: tuple[bytes, ...]
    """As the peer sent them: DER, its own first."""
    role: Role
    """Which end the peer is."""
    server_name: str | None
    """The server that we meant to reach; None when it is not to be checked."""
    ocsp_response: bytes | None
    """As stapled by the peer."""
    at: float
    """The time of asking, in seconds since the epoch."""
    leaf: x509.Certificate | None = field(default=None, init=False, repr=False, compare=False)
    """The first certificate, if it was parsed already.

    No argument, so that it cannot be another one by mistake.
    """

    leaf_key: PublicKeyTypes | None = field(default=None, init=False, repr=False, compare=False)
    """Its key, likewise."""

    def with_leaf(self, leaf: x509.Certificate, key: PublicKeyTypes | None = None) -> PeerChain:
        """Keep what was parsed from the first certificate's very bytes; return itself."""
        object.__setattr__(self, "leaf", leaf)
        object.__setattr__(self, "leaf_key", key)
        return self


@dataclass(frozen=True, slots=True)
class VerifiedChain:
    """A path that was verified."""

    certificates: tuple[bytes, ...]
    """DER, the peer's own first, the trust anchor last; one alone when it is both."""


class Verifier(Protocol):
    """Who decides whether a peer is believed."""

    def verify(self, peer: PeerChain) -> VerifiedChain | Awaitable[VerifiedChain]:
        """Return the verified path, at once or later.

        Raises:
            CertificateError: the peer is refused; the subclass decides the alert.
        """
        ...


class ChainVerifier:
    """Believe who can show a path to a trust anchor (RFC 5280 section 6).

    Safe to share between connections and threads.

    Args:
        trust: the anchors.
        max_depth: most certificates between the peer's own and the anchor.
        minimum_rsa_bits: shortest RSA key accepted anywhere in the path.
        cache_size: how many verified chains are remembered; 0 for none.
        revocation: who looks whether certificates were revoked; None for nobody.
        distrusted_keys: SHA-256 digests of the public keys (SubjectPublicKeyInfo) that no
            certificate of a path may have, the anchor included; the default is of keys
            that are known to be in wrong hands.
    """

    __slots__ = (
        "_cache",
        "_distrusted_keys",
        "cache_size",
        "max_depth",
        "minimum_rsa_bits",
        "revocation",
        "trust",
    )

    def __init__(
        self,
        trust: TrustStore,
        *,
        max_depth: int = 8,
        minimum_rsa_bits: int = 2048,
        cache_size: int = 256,
        revocation: Revocation | None = None,
        distrusted_keys: Iterable[bytes] = DISTRUSTED_KEYS,
    ) -> None:
        self.trust = trust
        self.max_depth = max_depth
        self.minimum_rsa_bits = minimum_rsa_bits
        self.cache_size = cache_size
        self.revocation = revocation
        self._distrusted_keys = frozenset(distrusted_keys)
        self._cache: dict[_Key, _Remembered] = {}

    @refusing_unreadable
    def verify(self, peer: PeerChain) -> VerifiedChain:
        """Find a path from the peer's certificate to an anchor (§4.4.2).

        Raises:
            CertificateError: there is none; the subclass says why.
            UsageError: ``peer.server_name`` is no server name.
        """
        chain = self._verify_path(peer)
        if self.revocation is not None:
            around = self.surroundings(peer)
            self.revocation.check(chain.certificates, peer.at, peer.ocsp_response, around)
        return chain

    def surroundings(self, peer: PeerChain) -> Surroundings:
        """Say what is known around a path of this peer's, for a look at revocation."""
        return Surroundings(
            self.trust,
            peer.certificates[1:],
            lambda anchors: PathSearch(
                anchors, peer.role, peer.at, self.max_depth, self.minimum_rsa_bits
            ),
        )

    def _verify_path(self, peer: PeerChain) -> VerifiedChain:
        key = (peer.certificates, peer.role, peer.server_name)
        remembered = self._cache.pop(key, None)
        if remembered is not None and remembered.since <= peer.at < remembered.until:
            self._cache[key] = remembered  # last in line to be forgotten
            return remembered.chain
        if not peer.certificates:
            raise CertificateRequired("expected a certificate, got none")
        path = self._find_path(peer)
        check_keys([facts.fields.spki for facts in path], self._distrusted_keys)
        chain = VerifiedChain(tuple([facts.der for facts in path]))
        if self.cache_size > 0:
            since = max([facts.not_before for facts in path])
            until = min([facts.not_after for facts in path]) + 1
            self._remember(key, _Remembered(chain, since, until))
        return chain

    def forget(self) -> None:
        """Forget every remembered path."""
        self._cache.clear()

    def _find_path(self, peer: PeerChain) -> list[Facts]:
        host = None
        if peer.role is Role.server and peer.server_name is not None:
            host, _ = normalize_server_name(peer.server_name)  # a wrong one is our own fault
        try:
            leaf = Facts(peer.certificates[0], peer.leaf, peer.leaf_key)
        except ValueError as error:
            raise BadCertificate(f"the peer's certificate cannot be read: {error}") from error
        search = PathSearch(self.trust, peer.role, peer.at, self.max_depth, self.minimum_rsa_bits)
        path = search.find(leaf, peer.certificates[1:])
        if host is not None and not matches_names(leaf.alternative_names, host):
            raise name_mismatch(leaf.alternative_names, host)
        return path

    def _remember(self, key: _Key, remembered: _Remembered) -> None:
        # Other threads may be here too: each call on the dict is atomic, and losing
        # a race costs one more verification.
        if len(self._cache) >= self.cache_size:
            for oldest in list(self._cache)[: len(self._cache) - self.cache_size + 1]:
                self._cache.pop(oldest, None)
        self._cache[key] = remembered

    def __repr__(self) -> str:
        return f"ChainVerifier({self.trust!r}, remembered={len(self._cache)})"


@dataclass(frozen=True, slots=True)
class _Remembered:
    chain: VerifiedChain
    since: float
    until: float


_Key = tuple[tuple[bytes, ...], Role, str | None]
