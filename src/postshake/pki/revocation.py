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
from functools import cached_property
from itertools import pairwise

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ..errors import CertificateRevoked, CertificateUnknown, UsageError
from .ocsp import SKEW, Finding, Standing, read_response
from .pss import may_have_signed

__all__ = [
    "Finding",
    "Require",
    "Revocation",
    "RevocationLists",
    "Standing",
    "load_lists",
    "read_lists",
]


class Require(Enum):
    """Which certificates are believed only if they are known not to be revoked."""

    NOTHING = "nothing"
    """What is not known to be revoked counts as good. Who can keep responses and new
    lists from us keeps a revoked certificate in use."""
    LEAF = "leaf"
    """The peer's own."""
    CHAIN = "chain"
    """All but the trust anchor."""


class Revocation:
    """Who looks whether certificates of a path were revoked (RFC 5280 section 6.3, RFC 6960).

    Safe to share between connections and threads.

    Args:
        lists: certificate revocation lists; of those of one issuer the newest counts.
        require: which certificates have to be known to be good.

    Raises:
        UsageError: a list is of a kind that cannot be used by itself.
    """

    def __init__(
        self,
        lists: Iterable[x509.CertificateRevocationList] = (),
        *,
        require: Require = Require.NOTHING,
    ) -> None:
        self.require = require
        self._lists = RevocationLists(lists)

    @classmethod
    def from_files(
        cls, *paths: str | os.PathLike[str], require: Require = Require.NOTHING
    ) -> Revocation:
        """Load lists from PEM or DER files.

        Raises:
            UsageError: a file cannot be read, or holds no list.
        """
        return cls([each for path in paths for each in load_lists(path)], require=require)

    def __repr__(self) -> str:
        return f"Revocation({len(self._lists)} lists, require={self.require.name})"

    def replace(self, lists: Iterable[x509.CertificateRevocationList]) -> None:
        """Use these lists from now on, in the place of those there were."""
        self._lists = RevocationLists(lists)

    def check(self, chain: tuple[bytes, ...], at: float, stapled: bytes | None = None) -> None:
        """Look a path up, the peer's certificate first.

        Args:
            chain: DER, the trust anchor last.
            at: the time, in seconds since the epoch.
            stapled: the OCSP response that came with the first certificate.

        Raises:
            CertificateRevoked: one of them was revoked.
            CertificateUnknown: nothing usable is known of one that has to be good.
        """
        lists = self._lists
        if stapled is None and not len(lists) and self.require is Require.NOTHING:
            return
        now = datetime.fromtimestamp(at, UTC)
        path = [x509.load_der_x509_certificate(der) for der in chain]
        for index, (certificate, issuer) in enumerate(pairwise(path)):
            found: Finding | None = None
            if index == 0 and stapled is not None:
                found = read_response(stapled, certificate, issuer, now)
            if found is None:
                found = lists.find(certificate, issuer, now)
            name = certificate.subject.rfc4514_string()
            if found.standing is Standing.REVOKED:
                raise CertificateRevoked(f"certificate {name!r} was {found}")
            needed = self.require is Require.CHAIN or (self.require is Require.LEAF and not index)
            if needed and found.standing is not Standing.GOOD:
                raise CertificateUnknown(
                    f"certificate {name!r}: whether it was revoked is not known: {found}"
                )


class RevocationLists:
    """Lists by issuer; of each issuer the newest.

    Args:
        lists: certificate revocation lists.

    Raises:
        UsageError: one is a delta, covers only some reasons, is indirect, or has a
            critical extension that we do not know (RFC 5280 section 5.2).
    """

    def __init__(self, lists: Iterable[x509.CertificateRevocationList] = ()) -> None:
        self._by_issuer: dict[bytes, list[_List]] = {}
        for each in sorted(lists, key=lambda each: each.last_update_utc, reverse=True):
            self._by_issuer.setdefault(each.issuer.public_bytes(), []).append(_List(each))

    def __len__(self) -> int:
        return sum(map(len, self._by_issuer.values()))

    def find(
        self, certificate: x509.Certificate, issuer: x509.Certificate, now: datetime
    ) -> Finding:
        """Look a certificate up in its issuer's newest list that is about such as it.

        One that is not signed by this issuer, who may have a namesake, or is of tomorrow,
        is passed over for an older one.
        """
        useless: Finding | None = None
        for each in self._by_issuer.get(certificate.issuer.public_bytes(), ()):
            if each.covers(certificate):
                found = each.find(certificate, issuer, now)
                if found.standing not in (Standing.BADLY_SIGNED, Standing.NOT_YET_VALID):
                    return found
                useless = useless or found
        return useless or Finding(Standing.UNKNOWN)


class _List:
    """One list, in which is looked up quickly."""

    def __init__(self, content: x509.CertificateRevocationList) -> None:
        self._content = content
        self._signed_by: bytes | None = None  # the key that was found to have signed it
        self._scope: x509.IssuingDistributionPoint | None = None
        for extension in content.extensions:
            if isinstance(extension.value, x509.IssuingDistributionPoint):
                self._scope = extension.value
                if self._scope.indirect_crl or self._scope.only_some_reasons:
                    raise UsageError(f"{self} is indirect, or for some reasons only")
            elif extension.critical:  # a delta among them
                oid = extension.oid.dotted_string
                raise UsageError(f"{self} has a critical extension that is not supported: {oid}")

    def __str__(self) -> str:
        return f"the revocation list of {self._content.issuer.rfc4514_string()!r}"

    @cached_property
    def _revoked(self) -> dict[int, x509.RevokedCertificate]:
        return {each.serial_number: each for each in self._content}

    def covers(self, certificate: x509.Certificate) -> bool:
        """Whether the list is about certificates of this kind (section 5.2.5)."""
        scope = self._scope
        if scope is None:
            return True
        if scope.relative_name is not None:  # a part, and nobody says which: seldom seen
            return False
        is_ca = _is_ca(certificate)
        if scope.only_contains_attribute_certs or (scope.only_contains_ca_certs and not is_ca):
            return False
        if scope.only_contains_user_certs and is_ca:
            return False
        return not scope.full_name or bool(set(scope.full_name) & _distribution_points(certificate))

    def find(
        self, certificate: x509.Certificate, issuer: x509.Certificate, now: datetime
    ) -> Finding:
        """Look a certificate up, unless the list itself will not do."""
        content = self._content
        if not self._is_signed_by(issuer):
            return Finding(Standing.BADLY_SIGNED)
        if content.last_update_utc > now + SKEW:
            return Finding(Standing.NOT_YET_VALID)
        outdated = content.next_update_utc is not None and content.next_update_utc < now
        entry = self._revoked.get(certificate.serial_number)
        if entry is not None:  # what was revoked stays so
            since = entry.revocation_date_utc
            return Finding(Standing.REVOKED, since, _reason(entry), outdated)
        return Finding(Standing.EXPIRED if outdated else Standing.GOOD)

    def _is_signed_by(self, issuer: x509.Certificate) -> bool:
        der = issuer.public_bytes(Encoding.DER)
        if self._signed_by == der:
            return True
        try:
            usage = issuer.extensions.get_extension_for_class(x509.KeyUsage).value
            if not usage.crl_sign:
                return False
        except x509.ExtensionNotFound:
            pass
        key = issuer.public_key()
        try:
            signed = may_have_signed(issuer, self._content) and self._content.is_signature_valid(
                key  # type: ignore[arg-type]
            )
        except Exception:  # a key of another kind: TypeError, UnsupportedAlgorithm, …
            return False
        if signed:
            self._signed_by = der
        return signed


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _distribution_points(certificate: x509.Certificate) -> set[x509.GeneralName]:
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except x509.ExtensionNotFound:
        return set()
    return {name for point in points for name in point.full_name or ()}


def _reason(entry: x509.RevokedCertificate) -> str:
    try:
        return entry.extensions.get_extension_for_class(x509.CRLReason).value.reason.value
    except x509.ExtensionNotFound:
        return ""


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
    except ValueError as error:
        raise UsageError(f"no revocation list that can be read: {error}") from error
    if not found:
        raise UsageError("no revocation list")
    return found


_BEGIN = b"-----BEGIN X509 CRL-----"
