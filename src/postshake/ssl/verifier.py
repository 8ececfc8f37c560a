"""Whom a context believes: its trusted certificates, flags, names and revocation lists."""

from __future__ import annotations

import hashlib
import ssl
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from cryptography import x509
from cryptography.utils import CryptographyDeprecationWarning

from ..constants import Role
from ..errors import (
    CertificateError,
    CertificateRequired,
    CertificateRevoked,
    NameMismatch,
    UnknownCA,
)
from ..pki.constraints import COMMON_NAME, NameBudget, check_host_name
from ..pki.der import attribute_values, text
from ..pki.extensions import NameKind
from ..pki.names import covers, normalize_server_name
from ..pki.ocsp import Standing
from ..pki.parsed_certificate import Facts
from ..pki.policies import PolicyInputs
from ..pki.revocation_search import RevocationLists, RevocationSearch
from ..pki.trust import ChainVerifier, PeerChain, TrustStore, VerifiedChain
from ..pki.trusted_certificate import TrustedUses
from ..pki.unreadable import refusing_unreadable
from .diagnosis import PURPOSES, Diagnosis
from .security_level import bits_of_level, check_strength
from .strict import check_strictly
from .verify_codes import VerifyCode, message_of, verify_code_of, with_verify_code

__all__ = ["POLICY_FLAGS", "AnyPeer", "ContextVerifier"]

_EXPLICIT_POLICY, _INHIBIT_ANY, _INHIBIT_MAP = 0x100, 0x200, 0x400
POLICY_FLAGS = 0x80 | _EXPLICIT_POLICY | _INHIBIT_ANY | _INHIBIT_MAP
"""X509_V_FLAG_POLICY_CHECK and so on, for which the standard module has no names."""
_NO_LIST = {
    Standing.UNKNOWN: VerifyCode.UNABLE_TO_GET_CRL,
    Standing.BADLY_SIGNED: VerifyCode.CRL_SIGNATURE_FAILURE,
    Standing.NOT_YET_VALID: VerifyCode.CRL_NOT_YET_VALID,
    Standing.EXPIRED: VerifyCode.CRL_HAS_EXPIRED,
    Standing.NOT_ENTITLED: VerifyCode.KEYUSAGE_NO_CRL_SIGN,
    Standing.NOT_UNDERSTOOD: VerifyCode.UNHANDLED_CRITICAL_CRL_EXTENSION,
    Standing.OUT_OF_SCOPE: VerifyCode.DIFFERENT_CRL_SCOPE,
    Standing.UNREADABLE: VerifyCode.UNABLE_TO_GET_CRL,
    Standing.PARTLY_KNOWN: VerifyCode.UNABLE_TO_GET_CRL,
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
        uses: of certificates that say it, what they are trusted for.
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
        uses: Mapping[bytes, TrustedUses] | None = None,
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
        self._proxies = bool(flags & ssl.VerifyFlags.VERIFY_ALLOW_PROXY_CERTS)
        self._common_names = common_names
        self._bits = bits_of_level(security_level)
        self._lists = lists if isinstance(lists, RevocationLists) else RevocationLists(lists)
        self.replace(certificates, uses)

    def replace(
        self, certificates: Iterable[bytes], uses: Mapping[bytes, TrustedUses] | None = None
    ) -> None:
        """Trust these from now on, in the place of those there were.

        Args:
            certificates: DER.
            uses: of certificates that say it, what they are trusted for.
        """
        uses = uses or {}
        with warnings.catch_warnings():
            # old roots break rules that were made after them
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)
            ending = {der: _is_own_issuer(der) for der in certificates}
            believed = self._believe(ending, uses, Role.client)
            of_servers = self._believe(ending, uses, Role.server) if uses else believed
        self._believed = {Role.client: believed, Role.server: of_servers}

    def _believe(
        self, ending: dict[bytes, bool | None], uses: Mapping[bytes, TrustedUses], role: Role
    ) -> _Believed:
        roots, others, rejected = [], [], []
        allowed = {der: told.allow(PURPOSES[role]) for der, told in uses.items()}
        for der, own in ending.items():
            if own is not None:
                told = allowed.get(der)
                if told is False:
                    rejected.append(der)
                elif own or told or self._partial:
                    roots.append(der)
                else:
                    others.append(der)
        trust, intermediates = TrustStore(roots), TrustStore(others)
        chains = ChainVerifier(
            trust,
            intermediates=intermediates,
            common_names=self._common_names,
            policies=self._policies,
        )
        return _Believed(chains, (trust, intermediates, TrustStore(rejected)), allowed)

    @property
    def trust(self) -> TrustStore:
        """The certificates that end a path of a server's."""
        return self._believed[Role.server].chains.trust

    @refusing_unreadable
    def verify(self, peer: PeerChain) -> VerifiedChain:
        """Find a path to what is trusted, then look at names and revocation lists.

        Raises:
            CertificateError: the peer is not believed. It may have a ``verify_code``,
                OpenSSL's number for what is wrong.
        """
        believed = self._believed[peer.role]
        whole = replace(peer, server_name=None)
        if peer.leaf is not None:
            whole = whole.with_leaf(peer.leaf, peer.leaf_key)
        try:
            return self._judge(believed, peer, whole)
        except CertificateRequired:
            raise
        except CertificateError as error:
            code = self._diagnosis(believed, peer, whole).find()
            if code is not None:
                with_verify_code(error, code)
            raise

    def _judge(self, believed: _Believed, peer: PeerChain, whole: PeerChain) -> VerifiedChain:
        chain = believed.chains.verify(whole)
        believed.check_not_rejected(chain)
        if self._used is not None:
            self._used(chain.certificates)
        if (self._bits or self._strict) and not believed.is_in_order(chain):
            if self._bits:
                check_strength(chain.certificates, self._bits)
            if self._strict:
                check_strictly([Facts(der) for der in chain.certificates])
            believed.remember(chain)
        self._check_name(peer, chain)
        self._check_revocation(believed, chain.certificates, whole)
        return chain

    def _diagnosis(self, believed: _Believed, peer: PeerChain, whole: PeerChain) -> Diagnosis:
        def name_code(leaf: Facts) -> VerifyCode | None:
            name = peer.server_name
            if peer.role is not Role.server or name is None:
                return None
            if covers(leaf.alternative_names, name):
                return None
            if self._common_names and _by_common_name(leaf, name) is not None:
                return None
            is_address = normalize_server_name(name)[1]
            return VerifyCode.IP_ADDRESS_MISMATCH if is_address else VerifyCode.HOSTNAME_MISMATCH

        def revocation_code(path: Sequence[Facts]) -> VerifyCode | None:
            try:
                self._check_revocation(believed, tuple(facts.der for facts in path), whole)
            except CertificateError as error:
                return verify_code_of(error)
            return None

        return Diagnosis(
            peer,
            believed.stores,
            believed.allowed.get,
            at_once=self._partial,
            bits=self._bits,
            strict=self._strict,
            proxies=self._proxies,
            max_depth=believed.chains.max_depth,
            common_names=self._common_names,
            name_code=name_code,
            revocation_code=revocation_code,
        )

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
        self, believed: _Believed, path: tuple[bytes, ...], whole: PeerChain
    ) -> None:
        if not self._check_leaf:
            return
        around = believed.chains.surroundings(whole)
        search = RevocationSearch(self._lists, path, whole.at, around)
        for index in range(len(search.path) if self._check_chain else 1):
            found = search.find(index)
            if found.standing is Standing.REVOKED and not found.outdated:
                revoked = CertificateRevoked("certificate revoked")
                raise with_verify_code(revoked, VerifyCode.CERT_REVOKED)
            if found.standing is not Standing.GOOD:
                code = _NO_LIST[Standing.EXPIRED if found.outdated else found.standing]
                raise with_verify_code(UnknownCA(message_of(code)), code)


class _Believed:
    """Whom a verifier believes at a time. It is made whole and put into place by one assignment."""

    def __init__(
        self,
        chains: ChainVerifier,
        stores: tuple[TrustStore, ...],
        allowed: Mapping[bytes, bool | None],
    ) -> None:
        self.chains = chains
        self.stores = stores  # all that was loaded
        self.allowed = allowed  # what some of that say of themselves
        self._in_order: dict[bytes, None] = {}  # digests of paths

    def check_not_rejected(self, chain: VerifiedChain) -> None:
        """Refuse a path with a certificate that was loaded as one that must not be in it."""
        if self.allowed and any(self.allowed.get(der) is False for der in chain.certificates):
            error = UnknownCA("a certificate of the path was loaded as not trusted for this use")
            raise with_verify_code(error, VerifyCode.CERT_REJECTED)

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
