"""What revocation lists say of the certificates of one path (RFC 5280 section 6.3.3).

Theory of operation
===================

A list counts for a certificate if it is about such as it, and if whoever signed it may speak
for the certificate's issuer. Usually that is the issuer itself, the next certificate of the
path. But an authority may have several keys, above all while it changes them, and may let
somebody else sign its lists. So any certificate counts that bears the name of the list's
issuer, may sign lists, was not revoked itself, and leads to the trust anchor of the path: the
same name under another anchor is another authority's.

Of the lists that one signer made about the same certificates the newest counts, with the newest
delta that goes on from it. Those of different signers, or about different certificates, are all
heard: a certificate that any of them revokes is revoked. It is good if they cover all reasons for
which it might have been.

A list that might have said something, and cannot be used, is reported. A forged one hides
nothing that another one says.

The peer chooses which certificates it sends, so a certificate that is not in the path has to
lead to the anchor before its key is tried on a list, and one budget holds for all searches that
this takes: that of the `PathSearch`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import NamedTuple, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from .._dataclass import dataclass
from ..errors import (
    CertificateError,
    present,
)
from .der import normal_name
from .ocsp import Finding, Standing
from .parsed_certificate import Facts
from .path import PathSearch
from .revocation_list import (
    ALL_REASONS,
    Defect,
    NameKey,
    ReportUnusable,
    RevocationList,
    Subject,
    log_unusable,
    name_key,
)
from .store import TrustStore

__all__ = ["RevocationLists", "RevocationSearch", "Surroundings"]

DEEPEST = 2  # signers of lists about signers of lists

_STANDINGS = {
    Defect.UNREADABLE: Standing.UNREADABLE,
    Defect.CRITICAL_EXTENSION: Standing.NOT_UNDERSTOOD,
    Defect.NO_BASE: Standing.UNKNOWN,
    Defect.BADLY_SIGNED: Standing.BADLY_SIGNED,
    Defect.NOT_ENTITLED: Standing.NOT_ENTITLED,
    Defect.SIGNER_REVOKED: Standing.BADLY_SIGNED,
    Defect.NOT_YET_VALID: Standing.NOT_YET_VALID,
    Defect.EXPIRED: Standing.EXPIRED,
}


class RevocationLists:
    """Lists by issuer, newest first, and certificates that may have signed them.

    What can never be used is reported when it is added. Safe to share between threads, of
    which one at a time may add something: a new table then takes the place of the old.

    Args:
        lists: certificate revocation lists.
        issuers: certificates of those who sign lists, where these are not the ones that
            issue certificates.
        on_unusable: is told of lists that cannot be used.
    """

    def __init__(
        self,
        lists: Iterable[x509.CertificateRevocationList] = (),
        *,
        issuers: Iterable[x509.Certificate] = (),
        on_unusable: ReportUnusable = log_unusable,
    ) -> None:
        self.on_unusable = on_unusable
        self.issuers = tuple(each.public_bytes(Encoding.DER) for each in issuers)
        self._table = _Table({}, False)
        self.add(lists)

    def __len__(self) -> int:
        return sum(map(len, self._table.by_issuer.values()))

    def add(self, lists: Iterable[x509.CertificateRevocationList]) -> None:
        """Use these, too."""
        added = [RevocationList(each) for each in lists]
        for each in added:
            if each.defect is not None:
                each.report(self.on_unusable, each.defect, each.detail)
        everything = [*chain.from_iterable(self._table.by_issuer.values()), *added]
        everything.sort(key=lambda each: each.content.last_update_utc, reverse=True)
        found: dict[NameKey, list[RevocationList]] = {}
        for each in everything:
            found.setdefault(each.issuer, []).append(each)
        by_issuer = {issuer: tuple(lists) for issuer, lists in found.items()}
        self._table = _Table(by_issuer, any(each.is_indirect for each in everything))

    def about(self, subject: Subject) -> Iterator[RevocationList]:
        """Lists whose issuer may say something of a certificate, newest first."""
        table = self._table
        yield from table.by_issuer.get(subject.issuer, ())
        if table.has_indirect:
            for issuer in dict.fromkeys(point.issuer for point in subject.points):
                if issuer != subject.issuer:
                    found = table.by_issuer.get(issuer, ())
                    yield from (each for each in found if each.is_indirect)


class _Table(NamedTuple):
    by_issuer: dict[NameKey, tuple[RevocationList, ...]]
    has_indirect: bool


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known around a path that was verified."""

    trust: TrustStore
    """All anchors."""
    presented: Sequence[bytes]
    """Certificates that the peer sent beside its own, DER."""
    paths_to: Callable[[TrustStore], PathSearch]
    """Makes a search for paths to these anchors, by the rules of the verifier."""


class RevocationSearch:
    """Looks up the certificates of one path.

    Args:
        lists: where.
        path: DER, the trust anchor last.
        at: the time, in seconds since the epoch.
        around: what else is known; None for nothing.
    """

    def __init__(
        self,
        lists: RevocationLists,
        path: Sequence[bytes],
        at: float,
        around: Surroundings | None = None,
    ) -> None:
        self._lists = lists
        self.path = tuple(map(Facts, path))
        """The path."""
        self._at = at
        self._now = datetime.fromtimestamp(at, UTC)
        self._around = around
        self._depth = 0
        self._paths: PathSearch | None = None
        self._others: tuple[Facts, ...] | None = None
        self._led: dict[bytes, Sequence[Facts] | None] = {}

    def find(self, index: int) -> Finding:
        """Look up one certificate of the path."""
        subject = Subject(self.path[index])
        why_not = Finding(Standing.UNKNOWN)
        unsaid = ALL_REASONS
        complete: dict[_Kind, RevocationList] = {}
        deltas: dict[_Kind, RevocationList] = {}
        for each in self._lists.about(subject):
            reasons = ALL_REASONS if each.defect is not None else each.reasons_for(subject)
            if not reasons:
                why_not = _first(why_not, Standing.OUT_OF_SCOPE)
                continue
            signer = self._signer(each, index)
            if isinstance(signer, Defect):
                why_not = _first(why_not, _STANDINGS[signer])
                continue
            kind = signer.fields.spki, each.scope_key
            kept = complete if each.base is None else deltas
            if kind in kept:
                continue  # a newer one of the same kind counts
            late = self._late(each)
            if late is not None:
                why_not = _first(why_not, _STANDINGS[late])
            if late is not Defect.NOT_YET_VALID:
                kept[kind] = each
            if late is None and each.base is None:
                unsaid -= reasons
        entries = [
            self._entry(subject, complete.get(kind), deltas.get(kind)) for kind in complete | deltas
        ]
        revoked = [entry for entry in entries if entry is not None]
        if revoked:
            return min(revoked, key=lambda entry: entry.outdated)
        if not unsaid:
            return Finding(Standing.GOOD)
        return _first(why_not, Standing.PARTLY_KNOWN) if unsaid < ALL_REASONS else why_not

    def _entry(
        self, subject: Subject, complete: RevocationList | None, delta: RevocationList | None
    ) -> Finding | None:
        """What a list, with what has changed since, says of a revoked certificate."""
        found = complete.find(subject) if complete is not None else None
        source = complete
        if delta is not None and not (complete is not None and _is_newer(complete, delta)):
            change = delta.find(subject)
            if complete is None or not delta.goes_on_from(complete):
                delta.report(self._lists.on_unusable, Defect.NO_BASE)
                if change is not None and change.standing is not Standing.REVOKED:
                    change = None  # what was revoked stays so when the list grows old
            elif change is not None and change.standing is not Standing.REVOKED:
                if self._late(delta) is not None:
                    change = None
            if change is not None:
                found, source = change, delta
        if found is None or source is None or found.standing is not Standing.REVOKED:
            return None
        outdated = self._late(source) is Defect.EXPIRED
        return Finding(found.standing, found.since, found.reason, outdated)

    def _late(self, each: RevocationList) -> Defect | None:
        """Whether a list is of another time than now, which is reported."""
        late = each.timeliness(self._now)
        if late is not None:
            each.report(self._lists.on_unusable, late)
        return late

    # --- who may speak

    def issuers(self, index: int) -> Sequence[Facts]:
        """Return who has signed a certificate of the path, as far as that is known.

        The issuer of a trust anchor is not looked for when a path is; it may be another anchor,
        or among what the peer sent.
        """
        if index + 1 < len(self.path):
            return self.path[index + 1 : index + 2]
        last = self.path[index]
        if last.is_self_issued:
            return (last,)
        if self._around is None:
            return ()
        anchors = self._around.trust.named(last.issuer)
        wanted = name_key(last.fields.issuer)
        others = [each for each in self._beside() if name_key(each.fields.subject) == wanted]
        return [each for each in (*anchors, *others) if _has_signed(each, last)]

    def _signer(self, list_: RevocationList, index: int) -> Facts | Defect:
        """Find who signed a list and may speak of a certificate; or why there is nobody."""
        if list_.defect is not None:
            return list_.defect
        worst = Defect.BADLY_SIGNED
        for candidate, is_proven in self._candidates(list_, index):
            path = None if is_proven else self._path_from(candidate)
            if path is None and not is_proven:
                continue
            defect = list_.signed_by(candidate)
            if defect is None and path is not None and self._is_revoked(path):
                defect = Defect.SIGNER_REVOKED
            if defect is None:
                return candidate
            if defect is not Defect.BADLY_SIGNED:
                worst = defect
        if self._depth < DEEPEST and not (
            worst is Defect.BADLY_SIGNED and self._is_a_namesake_s(list_)
        ):
            list_.report(self._lists.on_unusable, worst)
        return worst

    def _candidates(self, list_: RevocationList, index: int) -> Iterator[tuple[Facts, bool]]:
        """Give certificates of a list's issuer, and whether they are proven to be such."""
        for each in self.path[index + 1 :] or self.issuers(index):
            if name_key(each.fields.subject) == list_.issuer:
                yield each, True
        if self._around is not None and self._depth < DEEPEST:
            for each in self._beside():
                if name_key(each.fields.subject) == list_.issuer:
                    yield each, False

    def _beside(self) -> tuple[Facts, ...]:
        """Read the certificates that are not in the path: ours first, then the peer's."""
        if self._others is None:
            self._others = ()
            if self._around is not None:
                own = {each.der for each in self.path}
                every = dict.fromkeys((*self._lists.issuers, *self._around.presented))
                self._others = tuple(_readable(der for der in every if der not in own))
        return self._others

    def _path_from(self, signer: Facts) -> Sequence[Facts] | None:
        """Find a path from a certificate to the anchor; None if there is none (6.3.3 (f))."""
        if signer.der not in self._led:
            if self._paths is None:
                anchor = TrustStore([self.path[-1].der])
                self._paths = present(self._around, "verifier").paths_to(anchor)
            others = [each.der for each in (*self.path[1:], *self._beside())]
            try:
                self._led[signer.der] = self._paths.find_signer(signer, others)
            except CertificateError:
                self._led[signer.der] = None
        return self._led[signer.der]

    def _is_revoked(self, path: Sequence[Facts]) -> bool:
        """Whether a certificate of another path to the same anchor was revoked."""
        search = RevocationSearch(self._lists, [each.der for each in path], self._at, self._around)
        search._depth, search._paths = self._depth + 1, self._paths
        own = {each.der for each in self.path}
        return any(
            search.find(index).standing is Standing.REVOKED
            for index, each in enumerate(path[:-1])
            if each.der not in own
        )

    def _is_a_namesake_s(self, list_: RevocationList) -> bool:
        """Whether a list is good, but another authority's with the same name."""
        if list_.has_signer:
            return True
        if self._around is None:
            return False
        anchors = self._around.trust.named(normal_name(list_.issuer_name))
        return any(list_.signed_by(each) is None for each in anchors)


_Kind: TypeAlias = tuple[bytes, bytes]
"""Whose lists, and about what: the signer's key, and the scope."""


def _is_newer(one: RevocationList, other: RevocationList) -> bool:
    if one.number is not None and other.number is not None:
        return one.number >= other.number
    return one.content.last_update_utc >= other.content.last_update_utc


def _first(finding: Finding, standing: Standing) -> Finding:
    return Finding(standing) if finding.standing is Standing.UNKNOWN else finding


def _readable(certificates: Iterable[bytes]) -> Iterator[Facts]:
    for der in certificates:
        try:
            yield Facts(der)
        except ValueError:
            continue


def _has_signed(issuer: Facts, certificate: Facts) -> bool:
    try:
        issuer.understand(0)
        return certificate.check_signature(issuer)
    except CertificateError:
        return False
