"""One certificate revocation list, made ready for look-ups (RFC 5280 section 5).

A list is read once, when it is loaded: what it is about, whom it revokes, and whether it can
be used at all. From then on a look-up is that of a number in a set, however long the list is.
Its signature is checked when it is first needed, once for each certificate that may have made it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from enum import Enum
from typing import TypeAlias, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from .._dataclass import dataclass, field
from ..errors import present
from .der import list_issuer, normal_name
from .ocsp import SKEW, Finding, Standing
from .parsed_certificate import Facts
from .pss import may_have_signed

__all__ = [
    "ALL_REASONS",
    "Defect",
    "NameKey",
    "ReportUnusable",
    "RevocationList",
    "Subject",
    "UnusableList",
    "UnusableListObserver",
    "log_unusable",
    "name_key",
]

SIGNERS = 32  # certificates for which it is remembered whether they signed a list
ENTRIES = 1024  # entries of those who were looked up, which are remembered
CRITICAL = b"\x01\x01\xff\x04"  # an extension's TRUE, and the tag of what follows it

ALL_REASONS = frozenset(x509.ReasonFlags) - {
    x509.ReasonFlags.unspecified,
    x509.ReasonFlags.remove_from_crl,
}
"""For which a certificate may be revoked (RFC 5280 section 4.2.1.13)."""

NameKey: TypeAlias = object
"""A name made comparable; equal for equal names."""

T = TypeVar("T", bound=x509.ExtensionType)


# what cryptography raises where a list is odd; warnings, where they were made errors
_UNREADABLE = (
    ValueError,
    TypeError,
    Warning,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


class Defect(Enum):
    """Why a list cannot be used."""

    UNREADABLE = "it cannot be read"
    CRITICAL_EXTENSION = "it has a critical extension that is not supported"
    NO_BASE = "it says what has changed since another one, which is not there (a delta)"
    BADLY_SIGNED = "no authority of its issuer's name that may speak here has signed it"
    NOT_ENTITLED = "the keyUsage of its signer lacks cRLSign"
    SIGNER_REVOKED = "the certificate of its signer was revoked"
    NOT_YET_VALID = "it is of tomorrow"
    EXPIRED = "it has expired"


@dataclass(frozen=True, slots=True)
class UnusableList:
    """A revocation list that was loaded, and cannot be used."""

    content: x509.CertificateRevocationList | None = field(repr=False)
    """The list; None where it could not even be parsed."""
    defect: Defect
    """Why it cannot be used."""
    detail: str = ""
    """More about that."""

    @property
    def issuer(self) -> str:
        """Whose list it is, as RFC 4514 writes it; empty when that cannot be read."""
        try:
            return self.content.issuer.rfc4514_string() if self.content is not None else ""
        except _UNREADABLE:
            return ""

    def __str__(self) -> str:
        which = "a revocation list"
        if self.content is not None:
            name = self.issuer
            whose = repr(name[:200] + ("…" if len(name) > 200 else ""))
            which = (
                f"the revocation list of {whose} of {self.content.last_update_utc:%Y-%m-%d %H:%M}"
            )
        more = f": {self.detail}" if self.detail else ""
        return f"{which} cannot be used: {self.defect.value}{more}"


ReportUnusable: TypeAlias = Callable[[UnusableList], object]
"""Is told of lists that cannot be used."""


def log_unusable(unusable: UnusableList) -> None:
    """Write a warning to the log ``postshake.pki``."""
    import logging  # only where there is something to say

    logging.getLogger("postshake.pki").warning("%s", unusable)


class UnusableListObserver:
    """Tells a callback of lists that cannot be used, or the log where there is none."""

    def __init__(self) -> None:
        self.callback: ReportUnusable | None = None

    def __call__(self, unusable: UnusableList) -> None:
        """Tell of one."""
        (self.callback or log_unusable)(unusable)


def name_key(der: bytes) -> NameKey:
    """Make a name comparable, as RFC 5280 section 7.1 says; what is no name is its own bytes."""
    return normal_name(der) or der


@dataclass(frozen=True, slots=True)
class Point:
    """A place where lists about a certificate are (RFC 5280 section 4.2.1.13)."""

    issuer: NameKey
    """Whose lists."""
    names: frozenset[object]
    reasons: frozenset[x509.ReasonFlags]


class Subject:
    """A certificate whose status is wanted, with what a list's scope is held against."""

    __slots__ = ("_points", "facts", "issuer")

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.issuer = name_key(facts.fields.issuer)
        self._points: tuple[Point, ...] | None = None

    @property
    def is_authority(self) -> bool:
        """Whether it is a CA's."""
        constraints = _extension(self.facts.certificate, x509.BasicConstraints)
        return constraints is not None and constraints.ca

    @property
    def points(self) -> tuple[Point, ...]:
        """Where its issuer says that lists are; the issuer itself is such a place (6.3.3)."""
        if self._points is None:
            self._points = tuple(self._read_points())
        return self._points

    def _read_points(self) -> Iterator[Point]:
        yield Point(self.issuer, frozenset([("directory", self.issuer)]), ALL_REASONS)
        own = self.facts.certificate.issuer
        for point in _extension(self.facts.certificate, x509.CRLDistributionPoints) or ():
            reasons = (point.reasons or ALL_REASONS) & ALL_REASONS
            if point.crl_issuer is None:
                names = _names(point.full_name, point.relative_name, own)
                yield Point(self.issuer, names, reasons)
                continue
            for issuer in point.crl_issuer:
                if isinstance(issuer, x509.DirectoryName):
                    names = _names(point.full_name, point.relative_name, issuer.value)
                    names = names or _names(point.crl_issuer, None, own)
                    yield Point(name_key(issuer.value.public_bytes()), names, reasons)


class RevocationList:
    """One list, in which is looked up quickly.

    Making one never fails: what is wrong with the list stands in `defect`.
    """

    __slots__ = (
        "_known",
        "_place",
        "_reported",
        "_revoked",
        "_scope",
        "_signers",
        "base",
        "content",
        "defect",
        "detail",
        "issuer",
        "issuer_name",
        "number",
        "scope_key",
    )

    def __init__(self, content: x509.CertificateRevocationList) -> None:
        self.content = content
        self.issuer_name = b""
        """Whose it is, DER; empty where that cannot be read."""
        self.issuer: NameKey = None
        """The same, made comparable."""
        self.defect: Defect | None = None
        """Why it can never be used; None if it can."""
        self.detail = ""
        """More about that."""
        self.scope_key = b""
        """Equal for lists that are about the same certificates."""
        self.number: int | None = None
        """Which of its issuer's lists it is (section 5.2.3)."""
        self.base: int | None = None
        """Of a delta, the number of the list since which it says what has changed (5.2.4)."""
        self._scope: x509.IssuingDistributionPoint | None = None
        self._place: frozenset[object] = frozenset()
        self._revoked: dict[NameKey, frozenset[int]] = {}
        self._known: dict[tuple[NameKey, int], Finding] = {}
        self._signers: dict[bytes, Defect | None] = {}
        self._reported: dict[Defect, object] = {}
        try:
            der = content.public_bytes(Encoding.DER)
            self.issuer_name = list_issuer(der)
            self.issuer = name_key(self.issuer_name)
            self._read_extensions()
            if self.defect is None:
                self._read_entries(der)
        except _UNREADABLE as error:
            self._cannot(Defect.UNREADABLE, str(error)[:200])

    @property
    def is_indirect(self) -> bool:
        """Whether it speaks for other authorities, too (section 5.2.5)."""
        return self._scope is not None and self._scope.indirect_crl

    def _cannot(self, defect: Defect, detail: str = "") -> None:
        if self.defect is None:
            self.defect, self.detail = defect, detail

    def _read_extensions(self) -> None:
        """Note what the list is about; who cannot tell must not use it (section 5.2)."""
        for extension in self.content.extensions:
            value = extension.value
            if isinstance(value, x509.IssuingDistributionPoint):
                self._scope = value
                self.scope_key = value.public_bytes()
                self._place = _names(value.full_name, value.relative_name, self.content.issuer)
            elif isinstance(value, x509.DeltaCRLIndicator):
                self.base = value.crl_number
            elif isinstance(value, x509.CRLNumber):
                self.number = value.crl_number
            elif extension.critical and not isinstance(value, x509.AuthorityKeyIdentifier):
                self._cannot(Defect.CRITICAL_EXTENSION, extension.oid.dotted_string)

    def _read_entries(self, der: bytes) -> None:
        """Note who is revoked.

        A critical extension of one entry that we do not know forbids the whole list (section
        5.3). They are rare: entries are read one by one only where one may be.
        """
        if not self.is_indirect:
            self._revoked[self.issuer] = frozenset([each.serial_number for each in self.content])
            if CRITICAL in der:
                for entry in self.content:
                    self._check_entry(entry, (x509.CRLReason, x509.InvalidityDate))
            return
        found: dict[NameKey, set[int]] = {self.issuer: set()}
        issuer = self.issuer
        for entry in self.content:  # each is of the issuer that was named last (section 5.3.3)
            names = self._check_entry(
                entry, (x509.CRLReason, x509.InvalidityDate, x509.CertificateIssuer)
            )
            if names is not None:
                issuer = _directory_name(names)
            found.setdefault(issuer, set()).add(entry.serial_number)
            self._known[issuer, entry.serial_number] = _finding(entry)
        self._revoked = {issuer: frozenset(serials) for issuer, serials in found.items()}

    def _check_entry(
        self, entry: x509.RevokedCertificate, known: tuple[type[x509.ExtensionType], ...]
    ) -> x509.CertificateIssuer | None:
        names = None
        for extension in entry.extensions:
            if isinstance(extension.value, x509.CertificateIssuer):
                names = extension.value
            if extension.critical and not isinstance(extension.value, known):
                self._cannot(Defect.CRITICAL_EXTENSION, extension.oid.dotted_string)
        return names

    # --- whether it is about a certificate

    def reasons_for(self, subject: Subject) -> frozenset[x509.ReasonFlags]:
        """For which reasons it says whether this certificate was revoked (section 6.3.3 (b), (d)).

        None where it is not about such as it.
        """
        scope = self._scope
        if scope is None:
            return ALL_REASONS if self.issuer == subject.issuer else frozenset()
        if scope.only_contains_attribute_certs:
            return frozenset()
        if scope.only_contains_ca_certs or scope.only_contains_user_certs:
            if subject.is_authority is not scope.only_contains_ca_certs:
                return frozenset()
        found: frozenset[x509.ReasonFlags] = frozenset()
        for point in subject.points:
            if point.issuer == self.issuer and (not self._place or point.names & self._place):
                found |= point.reasons
        return found & (scope.only_some_reasons or ALL_REASONS)

    # --- whether it counts

    def signed_by(self, signer: Facts) -> Defect | None:
        """Why a certificate does not vouch for the list; None if it does (section 6.3.3 (f), (g)).

        Who has the key, but must not use it so, is told from who does not have it.
        """
        try:
            return self._signers[signer.der]
        except KeyError:
            pass
        defect = self._check_signature(signer)
        if len(self._signers) >= SIGNERS:
            self._signers.clear()
        self._signers[signer.der] = defect
        return defect

    @property
    def has_signer(self) -> bool:
        """Whether somebody was found to have signed it, and to be allowed to."""
        return None in self._signers.copy().values()

    def _check_signature(self, signer: Facts) -> Defect | None:
        certificate = signer.certificate
        try:
            key = certificate.public_key()
            if not may_have_signed(certificate, self.content) or (
                not self.content.is_signature_valid(key)  # type: ignore[arg-type]
            ):
                return Defect.BADLY_SIGNED
            usage = _extension(certificate, x509.KeyUsage)
        except Exception:  # a key of another kind: TypeError, UnsupportedAlgorithm, …
            return Defect.BADLY_SIGNED
        return None if usage is None or usage.crl_sign else Defect.NOT_ENTITLED

    def timeliness(self, now: datetime) -> Defect | None:
        """Whether it is of tomorrow, or too old to say who is not revoked."""
        until = self.content.next_update_utc
        if self.content.last_update_utc > now + SKEW:
            return Defect.NOT_YET_VALID
        return Defect.EXPIRED if until is not None and until < now else None

    def report(self, to: ReportUnusable, defect: Defect, detail: str = "") -> None:
        """Tell that it cannot be used, unless that was told before."""
        own = object()
        if self._reported.setdefault(defect, own) is own:  # of several threads one tells it
            to(UnusableList(self.content, defect, detail))

    # --- what it says

    def goes_on_from(self, complete: RevocationList) -> bool:
        """Whether a delta says what has changed since a list (section 5.2.4)."""
        if self.base is None or self.number is None or complete.number is None:
            return False
        return self.base <= complete.number < self.number

    def find(self, subject: Subject) -> Finding | None:
        """Look a certificate up; None where it is not in the list.

        In a delta it may be there because it is good again.
        """
        serial = subject.facts.certificate.serial_number
        if serial not in self._revoked.get(subject.issuer, ()):
            return None
        key = subject.issuer, serial
        try:
            return self._known[key]
        except KeyError:
            pass
        if serial >= 0:
            entry = self.content.get_revoked_certificate_by_serial_number(serial)
        else:  # which there are, and cryptography does not look for
            entry = next(each for each in self.content if each.serial_number == serial)
        if len(self._known) >= ENTRIES:
            self._known.clear()
        # the number was read from there
        found = self._known[key] = _finding(present(entry, "entry of this number"))
        return found


def _finding(entry: x509.RevokedCertificate) -> Finding:
    reason = ""
    try:
        said = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
        if said is x509.ReasonFlags.remove_from_crl:  # section 6.3.3 (k)
            return Finding(Standing.GOOD)
        reason = str(said.value)
    except (x509.ExtensionNotFound, ValueError, x509.DuplicateExtension):
        pass
    return Finding(Standing.REVOKED, entry.revocation_date_utc, reason)


def _directory_name(names: x509.CertificateIssuer) -> NameKey:
    for name in names:
        if isinstance(name, x509.DirectoryName):
            return name_key(name.value.public_bytes())
    raise ValueError("an entry's certificateIssuer is no directory name")


def _names(
    full: Iterable[x509.GeneralName] | None,
    relative: x509.RelativeDistinguishedName | None,
    issuer: x509.Name,
) -> frozenset[object]:
    """Make the names of a place comparable; a relative one goes on from its issuer's."""
    if relative is not None:
        full = [x509.DirectoryName(x509.Name([*_rdns(issuer), relative]))]
    return frozenset(map(_comparable, full or ()))


def _rdns(name: x509.Name) -> list[x509.RelativeDistinguishedName]:
    return list(name.rdns)


def _comparable(name: x509.GeneralName) -> object:
    if isinstance(name, x509.DirectoryName):
        return "directory", name_key(name.value.public_bytes())
    if isinstance(name, x509.UniformResourceIdentifier):  # section 7.4: scheme and host
        scheme, separator, rest = name.value.partition("://")
        host, slash, path = rest.partition("/")
        return "uri", scheme.lower() + separator + host.lower() + slash + path
    return name


def _extension(certificate: x509.Certificate, kind: type[T]) -> T | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
