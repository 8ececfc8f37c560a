"""Whether a certificate was revoked: lists that were loaded, and OCSP responses that were stapled.

    revocation = Revocation.from_files("ca.crl", require=Require.LEAF)
    verifier = ChainVerifier(trust, revocation=revocation)

Nothing is fetched: lists are files, or come from wherever their owner gets them, and
`Revocation.replace` puts new ones into the place of the old. A response comes with the
certificate, if the peer was asked for one (``config.request_status``, ``request_ocsp``).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import Enum

from cryptography import x509

from ..errors import CertificateRevoked, CertificateUnknown, UsageError
from .ocsp import Finding, Standing, read_response
from .revocation_list import Defect, ReportUnusable, UnusableList, log_unusable
from .revocation_search import RevocationLists, RevocationSearch, Surroundings

__all__ = [
    "Defect",
    "Require",
    "Revocation",
    "UnusableList",
    "load_lists",
    "read_lists",
]


class Require(Enum):
    """Which certificates are believed only if they are known not to be revoked."""

    NOTHING = "nothing"
    """What is not known to be revoked counts as good. Who can keep responses and new
    lists from us keeps a revoked certificate in use."""
    LEAF = "leaf"
    """The peer's own, also where it is a trust anchor itself."""
    CHAIN = "chain"
    """The peer's own, and all others but the trust anchor."""


class Revocation:
    """Who looks whether certificates of a path were revoked (RFC 5280 section 6.3, RFC 6960).

    A certificate that any list, or the response that came with it, shows to be revoked is
    refused, whatever others say. What is known of none of them is for `require` to decide.

    Lists for some reasons only, for parts of an authority's certificates, and of one
    authority about another's are understood; deltas are not. Safe to share between
    connections and threads.

    Args:
        lists: certificate revocation lists.
        require: which certificates have to be known to be good.
        issuers: certificates of those who sign lists, where they neither issue the
            certificates in question nor are sent by peers; as when an authority changes its
            key. They must lead to the trust anchor of the path (section 6.3.3).
        on_unusable: is told, once for each defect, of lists that were loaded and cannot be
            used: as they are loaded what shows then, and in a verification that one could
            have served what shows then. What it raises goes to whoever loads, or verifies.
            By default it is a warning in the log ``postshake.pki``.
    """

    def __init__(
        self,
        lists: Iterable[x509.CertificateRevocationList] = (),
        *,
        require: Require = Require.NOTHING,
        issuers: Iterable[x509.Certificate] = (),
        on_unusable: ReportUnusable = log_unusable,
    ) -> None:
        self.require = require
        self._issuers = tuple(issuers)
        self._on_unusable = on_unusable
        self._lists = self._read(lists)

    @classmethod
    def from_files(
        cls,
        *paths: str | os.PathLike[str],
        require: Require = Require.NOTHING,
        issuers: Iterable[x509.Certificate] = (),
        on_unusable: ReportUnusable = log_unusable,
    ) -> Revocation:
        """Load lists from PEM or DER files.

        Raises:
            UsageError: a file cannot be read, or holds no list.
        """
        lists = [each for path in paths for each in load_lists(path)]
        return cls(lists, require=require, issuers=issuers, on_unusable=on_unusable)

    def __repr__(self) -> str:
        return f"Revocation({len(self._lists)} lists, require={self.require.name})"

    def _read(self, lists: Iterable[x509.CertificateRevocationList]) -> RevocationLists:
        return RevocationLists(lists, issuers=self._issuers, on_unusable=self._on_unusable)

    def replace(self, lists: Iterable[x509.CertificateRevocationList]) -> None:
        """Use these lists from now on, in the place of those there were."""
        self._lists = self._read(lists)

    def add(self, lists: Iterable[x509.CertificateRevocationList]) -> None:
        """Use these lists, too."""
        self._lists.add(lists)

    def check(
        self,
        chain: tuple[bytes, ...],
        at: float,
        stapled: bytes | None = None,
        around: Surroundings | None = None,
    ) -> None:
        """Look a path up, the peer's certificate first.

        Args:
            chain: DER, the trust anchor last.
            at: the time, in seconds since the epoch.
            stapled: the OCSP response that came with the first certificate.
            around: where else signers of lists may be found; None for in the path alone.

        Raises:
            CertificateRevoked: one of them was revoked.
            CertificateUnknown: nothing usable is known of one that has to be good.
        """
        lists = self._lists
        if stapled is None and not len(lists) and self.require is Require.NOTHING:
            return
        search = RevocationSearch(lists, chain, at, around)
        for index in range(max(len(chain) - 1, 1)):
            found = search.find(index)
            if index == 0 and stapled is not None and found.standing is not Standing.REVOKED:
                found = _heard(stapled, search, at) or found
            if found.standing is Standing.REVOKED:
                raise CertificateRevoked(f"certificate {search.path[index]} was {found}")
            needed = self.require is Require.CHAIN or (self.require is Require.LEAF and not index)
            if needed and found.standing is not Standing.GOOD:
                raise CertificateUnknown(
                    f"certificate {search.path[index]}: "
                    f"whether it was revoked is not known: {found}"
                )


def _heard(stapled: bytes, search: RevocationSearch, at: float) -> Finding | None:
    """Read what a stapled response says of the first certificate; None if nothing."""
    now = datetime.fromtimestamp(at, UTC)
    leaf = search.path[0]
    for issuer in search.issuers(0):
        names = (leaf.fields.issuer, issuer.fields.subject)
        found = read_response(stapled, leaf.certificate, issuer.certificate, now, names)
        if found is not None:
            return found
    return None


def load_lists(path: str | os.PathLike[str]) -> list[x509.CertificateRevocationList]:
    """Load the lists of a PEM or DER file.

    Raises:
        UsageError: it cannot be read, or holds no list.
    """
    try:
        with open(path, "rb") as file:
            return read_lists(file.read())
    except OSError as error:
        raise UsageError(f"{os.fspath(path)}: {error.strerror or error}") from error
    except UsageError as error:
        raise UsageError(f"{os.fspath(path)}: {error}") from error


def read_lists(data: bytes) -> list[x509.CertificateRevocationList]:
    """Read lists, PEM or DER.

    Raises:
        UsageError: there are none.
    """
    try:
        if b"-----BEGIN" not in data:
            return [x509.load_der_x509_crl(data)]
        found = [x509.load_pem_x509_crl(_BEGIN + part) for part in data.split(_BEGIN)[1:]]
    except (ValueError, x509.InvalidVersion) as error:
        raise UsageError(f"no revocation list that can be read: {error}") from error
    if not found:
        raise UsageError("no revocation list")
    return found


_BEGIN = b"-----BEGIN X509 CRL-----"
