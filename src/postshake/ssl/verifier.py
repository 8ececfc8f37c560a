"""Whom a context believes: its trusted certificates, flags, names and revocation lists."""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Iterable
from dataclasses import replace

from cryptography import x509
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import NameOID

from ..constants import Role
from ..errors import CertificateRevoked, NameMismatch, UnknownCA
from ..pki.names import matches_host, normalize_server_name
from ..pki.ocsp import Standing
from ..pki.revocation_search import RevocationLists, RevocationSearch
from ..pki.trust import ChainVerifier, PeerChain, TrustStore, VerifiedChain
from ..pki.unreadable import refusing_unreadable
from .errors import with_verify_code
from .security_level import bits_of_level, check_strength
from .strict import check_strictly

__all__ = ["AnyPeer", "ContextVerifier"]

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

    @refusing_unreadable
    def verify(self, peer: PeerChain) -> VerifiedChain:
        """Accept the peer, who has proven its key and nothing else."""
        return VerifiedChain(())


class ContextVerifier:
    """Verifies as OpenSSL would with a context's settings.

    Args:
        certificates: what was loaded to be trusted, DER.
        lists: revocation lists that were loaded; what is added to them later counts, too.
        flags: the context's verify_flags.
        common_names: whether a server's common name will do where it has no DNS names.
        security_level: the context's; what level 2 asks for is asked for always.
    """

    def __init__(
        self,
        certificates: Iterable[bytes],
        lists: RevocationLists | Iterable[x509.CertificateRevocationList] = (),
        flags: int = 0,
        *,
        common_names: bool = True,
        security_level: int = 2,
    ) -> None:
        # without PARTIAL_CHAIN only what signed itself ends a path; the rest helps to find one
        partial = bool(flags & ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN)
        roots: list[bytes] = []
        self._others: list[bytes] = []
        with warnings.catch_warnings():
            # old roots break rules that were made after them
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)
            for der in certificates:
                own = _is_own_issuer(der)
                if own is not None:
                    (roots if own or partial else self._others).append(der)
            self.trust = TrustStore(roots)
        self._chains = ChainVerifier(self.trust)
        self._lists = lists if isinstance(lists, RevocationLists) else RevocationLists(lists)
        self._check_leaf = bool(flags & ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF)
        self._check_chain = (
            flags & ssl.VerifyFlags.VERIFY_CRL_CHECK_CHAIN == ssl.VerifyFlags.VERIFY_CRL_CHECK_CHAIN
        )
        self._strict = bool(flags & ssl.VerifyFlags.VERIFY_X509_STRICT)
        self._common_names = common_names
        self._bits = bits_of_level(security_level)

    @refusing_unreadable
    def verify(self, peer: PeerChain) -> VerifiedChain:
        """Find a path to what is trusted, then look at names and revocation lists.

        Raises:
            CertificateError: the peer is not believed. It may have a ``verify_code``,
                OpenSSL's number for what is wrong.
        """
        whole = replace(peer, certificates=(*peer.certificates, *self._others), server_name=None)
        if peer.leaf is not None:
            whole = whole.with_leaf(peer.leaf)
        try:
            chain = self._chains.verify(whole)
        except UnknownCA as error:
            raise _explained(error, peer) from error
        if self._bits:
            check_strength(chain.certificates, self._bits)
        if self._strict:
            check_strictly(chain.certificates)
        self._check_name(peer)
        self._check_revocation(chain, whole)
        return chain

    def _check_name(self, peer: PeerChain) -> None:
        if peer.role is not Role.server or peer.server_name is None:
            return
        leaf = peer.leaf or x509.load_der_x509_certificate(peer.certificates[0])
        if matches_host(leaf, peer.server_name):
            return
        if self._common_names and _by_common_name(leaf, peer.server_name):
            return
        raise NameMismatch(f"the certificate is not for {peer.server_name!r}")

    def _check_revocation(self, chain: VerifiedChain, whole: PeerChain) -> None:
        if not self._check_leaf:
            return
        around = self._chains.surroundings(whole)
        search = RevocationSearch(self._lists, chain.certificates, whole.at, around)
        for index in range(len(search.path) if self._check_chain else 1):
            found = search.find(index)
            if found.standing is Standing.REVOKED and not found.outdated:
                raise CertificateRevoked("certificate revoked")
            if found.standing is not Standing.GOOD:
                code, text = _NO_LIST[Standing.EXPIRED if found.outdated else found.standing]
                raise with_verify_code(UnknownCA(text), code)


def _is_own_issuer(der: bytes) -> bool | None:
    """Whether a certificate issued itself; None for one that cannot be read.

    One bad root among a hundred in a bundle is not ours to mend.
    """
    try:
        certificate = x509.load_der_x509_certificate(der)
        return certificate.subject == certificate.issuer
    except (ValueError, x509.InvalidVersion):
        return None


def _explained(error: UnknownCA, peer: PeerChain) -> UnknownCA:
    """Say whether the path ended at a certificate that signed itself, as OpenSSL does."""
    if _is_own_issuer(peer.certificates[0]):
        return with_verify_code(UnknownCA("self-signed certificate"), SELF_SIGNED)
    if any(map(_is_own_issuer, peer.certificates[1:])):  # some of which may be no certificates
        return with_verify_code(
            UnknownCA("self-signed certificate in certificate chain"), SELF_SIGNED_IN_CHAIN
        )
    return error


def _by_common_name(leaf: x509.Certificate, name: str) -> bool:
    """Whether the common name is the host's, where there are no DNS names to go by."""
    host, is_address = normalize_server_name(name)
    if is_address:
        return False
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        if names.get_values_for_type(x509.DNSName):
            return False
    except x509.ExtensionNotFound:
        pass
    common = [str(each.value) for each in leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    return bool(common) and _matches(common[-1], host)


def _matches(pattern: str, host: str) -> bool:
    """Whether a DNS name, perhaps with a wildcard first, is for a host (RFC 9525)."""
    ours, theirs = pattern.lower().rstrip(".").split("."), host.lower().rstrip(".").split(".")
    if ours[0] == "*" and len(ours) > 2:
        return ours[1:] == theirs[1:]
    return ours == theirs
