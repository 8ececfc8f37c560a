"""`ChainVerifier`: whether a peer's certificate is to be believed.

A Verifier is asked once per authentication, before Finished is accepted as proof.
ChainVerifier is the default: a path to a trust anchor, good for the peer's role and,
for servers, for the name. Whether anything was revoked is `revocation`'s to say.

A path that was verified is remembered while each of its certificates is valid, under
all that the verdict depends on: the trust anchors, the settings, and a digest of what was
presented. Who trusts others from now on, or is stricter, finds nothing of before then, also
when a verdict of before then comes late. Refusals are never remembered, nor large chains, and
revocation is looked at anew each time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Iterable
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from .._dataclass import dataclass, field
from ..constants import Role
from ..errors import BadCertificate, CertificateRequired, UsageError
from .distrusted import DISTRUSTED_KEYS, check_keys
from .names import covers, name_mismatch, normalize_server_name
from .parsed_certificate import Facts
from .path import PathSearch
from .policies import PolicyInputs, PolicyKey
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
    policies: tuple[str, ...] = ()
    """Certificate policies, of which one must hold (`AuthRequest.policies`); none if empty."""
    leaf: x509.Certificate | None = field(default=None, init=False, repr=False, compare=False)
    """The first certificate, if it was parsed already. Of one that is not in strict DER, a copy
    that is: what was sent is in ``certificates``.

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
    policies: frozenset[str] = frozenset()
    """Certificate policies that hold for it and are acceptable, as dotted numbers; with
    "2.5.29.32.0" (anyPolicy) among them every policy does. A verifier that does not look at
    policies leaves it empty."""


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

    Safe to share between connections and threads. Everything that it was given can be
    assigned at any time: a verdict goes by what there was when it began, and later ones, those
    on sessions that are resumed among them, by what there is then. Who was verified already
    stays who it is for as long as its connection lives.

    Args:
        trust: the anchors; `replace` puts others into their place.
        max_depth: most certificates between the peer's own and the anchor.
        minimum_rsa_bits: shortest RSA key accepted anywhere in the path.
        cache_size: how many verified chains are remembered, of at most 32 KiB each; 0
            for none.
        revocation: who looks whether certificates were revoked; None for nobody.
        distrusted_keys: SHA-256 digests of the public keys (SubjectPublicKeyInfo) that no
            certificate of a path may have, the anchor included; the default is of keys
            that are known to be in wrong hands.
        intermediates: certificates of our own that may be missing in what a peer sends. They
            are not trusted.
        common_names: whether its common name may count as a server's name, for who asks,
            and is held against name constraints like one.
        policies: certificate policies, as dotted numbers, of which one must hold for the
            path; `PolicyInputs` for more (RFC 5280 section 6.1.1). With none, only what the
            path's own CAs require must hold. None does not look at policies at all.
    """

    __slots__ = (
        "_cache",
        "_common_names",
        "_distrusted_keys",
        "_intermediates",
        "_policies",
        "_trust",
        "cache_size",
        "max_depth",
        "minimum_rsa_bits",
        "revocation",
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
        intermediates: TrustStore | None = None,
        common_names: bool = False,
        policies: Iterable[str] | PolicyInputs | None = (),
    ) -> None:
        self._cache: dict[_Key, _Remembered] = {}
        self._intermediates = intermediates
        self._common_names = common_names
        self.trust = trust
        self.max_depth = max_depth
        self.minimum_rsa_bits = minimum_rsa_bits
        self.cache_size = cache_size
        self.revocation = revocation
        self._distrusted_keys = frozenset(distrusted_keys)
        self.policies = policies

    @property
    def policies(self) -> PolicyInputs | None:
        """What is asked of certificate policies. What is assigned is for verdicts from now on."""
        return self._policies[0]

    @policies.setter
    def policies(self, policies: Iterable[str] | PolicyInputs | None) -> None:
        if policies is not None and not isinstance(policies, PolicyInputs):
            policies = PolicyInputs.demanding(policies)
        # one assignment, for those who look meanwhile
        self._policies = policies, policies.key if policies is not None else None

    @property
    def trust(self) -> TrustStore:
        """The anchors. To assign others is to `replace` them."""
        return self._trust

    @trust.setter
    def trust(self, trust: TrustStore) -> None:
        self.replace(trust)

    def replace(self, trust: TrustStore) -> None:
        """Trust these anchors from now on, in the place of those there were.

        Raises:
            UsageError: it is no TrustStore.
        """
        if not isinstance(trust, TrustStore):
            raise UsageError(f"trust: expected a TrustStore, got {type(trust).__name__}")
        self._trust = trust
        self.forget()  # of no use any more: what is remembered tells for which anchors it is

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
        own = self._intermediates
        return Surroundings(
            self._trust,
            (*peer.certificates[1:], *(own.ders() if own is not None else ())),
            lambda anchors: PathSearch(
                anchors, peer.role, peer.at, self.max_depth, self.minimum_rsa_bits, own
            ),
        )

    def _verify_path(self, peer: PeerChain) -> VerifiedChain:
        trust, depth, bits = self._trust, self.max_depth, self.minimum_rsa_bits
        inputs, asked = self._policies
        if peer.policies:
            inputs = (inputs or _NOTHING_ASKED).and_of(peer.policies)
            asked = inputs.key
        digest = hashlib.sha256()  # of these certificates, in this order, and no others
        for der in peer.certificates:
            digest.update(len(der).to_bytes(4, "big") + der)
        key = (digest.digest(), peer.role, peer.server_name, trust.key, depth, bits, asked)
        remembered = self._cache.pop(key, None)
        if remembered is not None and remembered.since <= peer.at < remembered.until:
            self._cache[key] = remembered  # last in line to be forgotten
            return remembered.chain
        if not peer.certificates:
            raise CertificateRequired("expected a certificate, got none")
        search = PathSearch(
            trust,
            peer.role,
            peer.at,
            depth,
            bits,
            self._intermediates,
            self._common_names,
            inputs,
        )
        path = _find_path(search, peer)
        check_keys([facts.fields.spki for facts in path], self._distrusted_keys)
        held = search.policies_held
        chain = VerifiedChain(tuple([facts.der for facts in path]), held)
        size = sum(map(len, peer.certificates)) + _POLICY_SIZE * len(held)
        if self.cache_size > 0 and size <= _LARGEST:
            contents = [facts.content for facts in path]
            since = max([content.not_before for content in contents])
            until = min([content.not_after for content in contents]) + 1
            self._remember(key, _Remembered(chain, since, until))
        return chain

    def forget(self) -> None:
        """Forget every remembered path."""
        self._cache.clear()

    def _remember(self, key: _Key, remembered: _Remembered) -> None:
        # Other threads may be here too: each call on the dict is atomic, and losing
        # a race costs one more verification.
        if len(self._cache) >= self.cache_size:
            for oldest in list(self._cache)[: len(self._cache) - self.cache_size + 1]:
                self._cache.pop(oldest, None)
        self._cache[key] = remembered

    def __repr__(self) -> str:
        return f"ChainVerifier({self.trust!r}, remembered={len(self._cache)})"


def _find_path(search: PathSearch, peer: PeerChain) -> list[Facts]:
    host = None
    if peer.role is Role.server and peer.server_name is not None:
        host, _ = normalize_server_name(peer.server_name)  # a wrong one is our own fault
    try:
        leaf = Facts(peer.certificates[0], peer.leaf, peer.leaf_key)
    except ValueError as error:
        raise BadCertificate(f"the peer's certificate cannot be read: {error}") from error
    path = search.find(leaf, peer.certificates[1:])
    if host is not None and not covers(leaf.alternative_names, host):
        raise name_mismatch(leaf.alternative_names, host)
    return path


_LARGEST = 32 * 1024  # bytes of a chain that is remembered; four certificates of ML-DSA-87
_POLICY_SIZE = 128  # bytes that one takes in a set, about
_NOTHING_ASKED = PolicyInputs()


@dataclass(frozen=True, slots=True)
class _Remembered:
    chain: VerifiedChain
    since: float
    until: float


_Key = tuple[bytes, Role, str | None, bytes, int, int, PolicyKey | None]
