"""Whom a context believes: its trusted certificates, flags, names and revocation lists."""

from __future__ import annotations

import hashlib
import ssl
import warnings
from collections.abc import Callable, Iterable
from dataclasses import replace

from cryptography import x509
from cryptography.utils import CryptographyDeprecationWarning

from ..constants import Role
from ..errors import CertificateRevoked, NameMismatch, UnknownCA
from ..pki.constraints import COMMON_NAME, NameBudget, check_host_name
from ..pki.der import attribute_values, certificate_fields, text
from ..pki.extensions import NameKind
from ..pki.names import covers, normalize_server_name
from ..pki.ocsp import Standing
from ..pki.parsed_certificate import Facts
from ..pki.policies import PolicyInputs
from ..pki.revocation_search import RevocationLists, RevocationSearch
from ..pki.trust import ChainVerifier, PeerChain, TrustStore, VerifiedChain
from ..pki.unreadable import refusing_unreadable
from .errors import with_verify_code
from .security_level import bits_of_level, check_strength
from .strict import check_strictly

__all__ = ["POLICY_FLAGS", "AnyPeer", "ContextVerifier"]

_EXPLICIT_POLICY, _INHIBIT_ANY, _INHIBIT_MAP = 0x100, 0x200, 0x400
POLICY_FLAGS = 0x80 | _EXPLICIT_POLICY | _INHIBIT_ANY | _INHIBIT_MAP
"""X509_V_FLAG_POLICY_CHECK and so on, for which the standard module has no names."""
SELF_SIGNED, SELF_SIGNED_IN_CHAIN = 18, 19
_NO_LIST = {
    Standing.UNKNOWN: (3, "unable to get certificate CRL"),
    Standing.BADLY_SIGNED: (8, "CRL signature failure"),
    Standing.NOT_YET_VALID: (11, "CRL is not yet valid"),
    Standing.EXPIRED: (12, "CRL has expired"),
    Standing.NOT_ENTITLED: (35, "key usage does not include CRL signing"),
    Standing.NOT_UNDERSTOOD: (36, "unhandled critical CRL extension"),
    Standing.OUT_OF_SCOPE: (44, "different CRL scope"),
    Standing.UNREADABLE: (3, "unable to get certificate CRL"),
    Standing.PARTLY_KNOWN: (3, "unable to get certificate CRL"),
}


class AnyPeer:
    """Believes everybody, and says so: what it accepts counts as unverified."""

    def verify(self, peer: PeerChain) -> VerifiedChain:
        """Accept the peer, who has proven its key and nothing else."""
        return VerifiedChain(())


class ContextVerifier:
    """Verifies as OpenSSL would with a context's settings.

    A connection keeps its verifier, and what the context is told to trust later is
    put into it by `replace`, or into its lists: as in OpenSSL, certificates and lists that
    are loaded while connections live count for their next verdict.

    Args:
        certificates: what was loaded to be trusted, DER.
        lists: revocation lists that were loaded; what is added to them later counts, too.
        flags: the context's verify_flags.
        common_names: whether a server's common name will do where it has no DNS names.
        security_level: the context's; what level 2 asks for is asked for always.
        used: is told of each path that was found, DER, the peer's own certificate first.
    """

    def __init__(
        self,
        certificates: Iterable[bytes],
        lists: RevocationLists | Iterable[x509.CertificateRevocationList] = (),
        flags: int = 0,
        *,
        common_names: bool = True,
        security_level: int = 2,
        used: Callable[[tuple[bytes, ...]], object] | None = None,
    ) -> None:
        self._used = used
        # without PARTIAL_CHAIN only what signed itself ends a path; the rest helps to find one
        self._partial = bool(flags & ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN)
        self._check_leaf = bool(flags & ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF)
        self._check_chain = (
            flags & ssl.VerifyFlags.VERIFY_CRL_CHECK_CHAIN == ssl.VerifyFlags.VERIFY_CRL_CHECK_CHAIN
        )
        self._strict = bool(flags & ssl.VerifyFlags.VERIFY_X509_STRICT)
        self._policies = _policy_inputs(flags)
        self._common_names = common_names
        self._bits = bits_of_level(security_level)
        self._lists = lists if isinstance(lists, RevocationLists) else RevocationLists(lists)
        self.replace(certificates)

    def replace(self, certificates: Iterable[bytes]) -> None:
        """Trust these from now on, in the place of those there were."""
        roots: list[bytes] = []
        others: list[bytes] = []
        with warnings.catch_warnings():
            # old roots break rules that were made after them
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)
            for der in certificates:
                own = _is_own_issuer(der)
                if own is not None:
                    (roots if own or self._partial else others).append(der)
            chains = ChainVerifier(
                TrustStore(roots),
                intermediates=TrustStore(others),
                common_names=self._common_names,
                policies=self._policies,
            )
        self._believed = _Believed(chains)

    @property
    def trust(self) -> TrustStore:
        """The certificates that end a path."""
        return self._believed.chains.trust

    @refusing_unreadable
    def verify(self, peer: PeerChain) -> VerifiedChain:
        """Find a path to what is trusted, then look at names and revocation lists.

        Raises:
            CertificateError: the peer is not believed. It may have a ``verify_code``,
                OpenSSL's number for what is wrong.
        """
        believed = self._believed
        whole = replace(peer, server_name=None)
        if peer.leaf is not None:
            whole = whole.with_leaf(peer.leaf, peer.leaf_key)
        try:
            chain = believed.chains.verify(whole)
        except UnknownCA as error:
            raise _explained(error, peer) from error
        if self._used is not None:
            self._used(chain.certificates)
        if (self._bits or self._strict) and not believed.is_in_order(chain):
            if self._bits:
                check_strength(chain.certificates, self._bits)
            if self._strict:
                check_strictly([Facts(der) for der in chain.certificates])
            believed.remember(chain)
        self._check_name(peer, chain)
        self._check_revocation(believed, chain, whole)
        return chain

    def _check_name(self, peer: PeerChain, chain: VerifiedChain) -> None:
        if peer.role is not Role.server or peer.server_name is None:
            return
        leaf = Facts(peer.certificates[0], peer.leaf, peer.leaf_key)
        if covers(leaf.alternative_names, peer.server_name):
            return
        if self._common_names:
            common_name = _by_common_name(leaf, peer.server_name)
            if common_name is not None:
                path = [leaf, *map(Facts, chain.certificates[1:])]
                check_host_name(common_name.encode(), path, NameBudget())
                return
        raise NameMismatch(f"the certificate is not for {peer.server_name!r}")

    def _check_revocation(
        self, believed: _Believed, chain: VerifiedChain, whole: PeerChain
    ) -> None:
        if not self._check_leaf:
            return
        around = believed.chains.surroundings(whole)
        search = RevocationSearch(self._lists, chain.certificates, whole.at, around)
        for index in range(len(search.path) if self._check_chain else 1):
            found = search.find(index)
            if found.standing is Standing.REVOKED and not found.outdated:
                raise CertificateRevoked("certificate revoked")
            if found.standing is not Standing.GOOD:
                code, text = _NO_LIST[Standing.EXPIRED if found.outdated else found.standing]
                raise with_verify_code(UnknownCA(text), code)


class _Believed:
    """Whom a verifier believes at a time. It is made whole and put into place by one assignment."""

    def __init__(self, chains: ChainVerifier) -> None:
        self.chains = chains
        self._in_order: dict[bytes, None] = {}  # digests of paths

    def is_in_order(self, chain: VerifiedChain) -> bool:
        """Whether a path was found to be as strong, and as strictly made, as is asked for."""
        return _digest(chain) in self._in_order

    def remember(self, chain: VerifiedChain) -> None:
        """Let a path be in order."""
        if len(self._in_order) >= _REMEMBERED:  # each call is atomic, and losing all is no loss
            self._in_order.clear()
        self._in_order[_digest(chain)] = None


_REMEMBERED = 1024


def _policy_inputs(flags: int) -> PolicyInputs | None:
    """Ask of policies what OpenSSL's flags ask: nothing at all without one of them."""
    if not flags & POLICY_FLAGS:
        return None
    return PolicyInputs(
        initial_explicit_policy=bool(flags & _EXPLICIT_POLICY),
        initial_any_policy_inhibit=bool(flags & _INHIBIT_ANY),
        initial_policy_mapping_inhibit=bool(flags & _INHIBIT_MAP),
    )


def _digest(chain: VerifiedChain) -> bytes:
    return hashlib.sha256(b"".join(chain.certificates)).digest()


def _is_own_issuer(der: bytes) -> bool | None:
    """Whether a certificate issued itself; None for one that cannot be read.

    One bad root among a hundred in a bundle is not ours to mend.
    """
    try:
        facts = Facts(der)
    except ValueError:
        return None
    return facts.is_self_issued or (facts.subject is not None and facts.subject == facts.issuer)


def _explained(error: UnknownCA, peer: PeerChain) -> UnknownCA:
    """Say whether the path ended at a certificate that signed itself, as OpenSSL does."""
    if _is_self_issued(peer.certificates[0]):
        return with_verify_code(UnknownCA("self-signed certificate"), SELF_SIGNED)
    if any(map(_is_self_issued, peer.certificates[1:])):
        return with_verify_code(
            UnknownCA("self-signed certificate in certificate chain"), SELF_SIGNED_IN_CHAIN
        )
    return error.without_traceback()  # nothing may be its own cause


def _is_self_issued(der: bytes) -> bool:
    try:
        fields = certificate_fields(der)
    except (ValueError, IndexError):
        return False
    return fields.subject == fields.issuer


def _by_common_name(leaf: Facts, name: str) -> str | None:
    """Return the common name if it is the host's, where there are no DNS names to go by."""
    host, is_address = normalize_server_name(name)
    if is_address or any(kind == NameKind.dns_name for kind, _ in leaf.alternative_names):
        return None
    try:
        common = [text(*each) for each in attribute_values(leaf.fields.subject, COMMON_NAME)]
    except ValueError:
        return None
    return common[-1] if common and _matches(common[-1], host) else None


def _matches(pattern: str, host: str) -> bool:
    """Whether a DNS name, perhaps with a wildcard first, is for a host (RFC 9525)."""
    ours, theirs = pattern.lower().rstrip(".").split("."), host.lower().rstrip(".").split(".")
    if ours[0] == "*" and len(ours) > 2:
        return ours[1:] == theirs[1:]
    return ours == theirs
