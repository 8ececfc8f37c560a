"""Path building and validation: from a peer's certificate to a trust anchor.

A depth-first search. At each certificate its possible issuers are those whose
subject is its issuer's name: trust anchors first, then what the peer sent. Every
candidate is checked before the search goes through it, cheap things first and the
signature last; what remains for a path that has reached an anchor is to hold its names
against the constraints of its CAs, and to see which policies hold (RFC 5280 section 6).
Nothing is accepted on the strength of a name or key identifier: these only order the
candidates.

The peer chooses the certificates, so the search is bounded: certificates looked at,
signatures checked, steps taken, names compared and read. A signature is checked once per
pair, a certificate read once, and only what the path needs of it; and nobody's names are
compared whom no anchor vouches for.

When no path is found, the error is the first defect of a candidate that was right
by name, as that is what an owner wants to hear of; UnknownCA means there was none.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from cryptography.x509.oid import ObjectIdentifier

from .._dataclass import dataclass, field
from ..constants import Role
from ..errors import (
    BadCertificate,
    BadCertificateSignature,
    CertificateError,
    CertificateExpired,
    CertificateNotYetValid,
    InvalidCA,
    PathLengthExceeded,
    UnknownCA,
    WrongPurpose,
)
from .constraints import NameBudget, check_name_constraints
from .der import object_identifier
from .extensions import (
    AUTHORITY_KEY_IDENTIFIER,
    NAME_CONSTRAINTS,
    SUBJECT_KEY_IDENTIFIER,
    KeyUsage,
)
from .parsed_certificate import Content, Facts, utc
from .policies import POLICY_EXTENSIONS, PolicyInputs, PolicySearch
from .store import TrustStore
from .strict_der import version_of

__all__ = ["PathSearch"]

_PURPOSES = {  # DER: 1.3.6.1.5.5.7.3.1 and .2
    Role.server: b"\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01",
    Role.client: b"\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x02",
}
_ANY_PURPOSE = b"\x06\x04\x55\x1d\x25\x00"  # 2.5.29.37.0
_SHOWN = 6


@dataclass(slots=True)
class PathSearch:
    """One search for a path; use ``find`` once."""

    trust: TrustStore
    role: Role
    """Of the peer: what the path must be good for."""
    at: float
    max_depth: int
    """Most certificates between leaf and anchor."""
    minimum_rsa_bits: int
    intermediates: TrustStore | None = None
    """Our own, which help to find a path and prove nothing."""
    common_names: bool = False
    """Whether the leaf's common name may count as a host's, where it has no DNS names."""
    policies: PolicyInputs | None = None
    """What is asked of certificate policies; None if nobody looks at them."""
    signatures_left: int = 32
    steps_left: int = 256
    certificates_read: int = 16
    """How many of the presented certificates are looked at."""
    names_left: NameBudget | None = None
    """What comparing names may still cost; None before it has cost anything."""
    policies_held: frozenset[str] = frozenset()
    """user-constrained-policy-set of the path that was found."""
    _presented: list[Facts] | None = None
    _proven: dict[tuple[bytes, bytes], bool] = field(default_factory=dict)
    _defect: CertificateError | None = None
    _unreadable: str | None = None
    _constrained: bool = False  # whether a CA that was met has name constraints
    _has_policies: bool = False  # whether a certificate that was met says something of policies
    _policy_search: PolicySearch | None = None

    def find(self, leaf: Facts, others: Sequence[bytes]) -> list[Facts]:
        """Find a valid path, leaf first, anchor last.

        Raises:
            CertificateError: there is none; the subclass says why.
        """
        self.check_leaf(leaf)
        if self.trust.find(leaf.der) is not None:
            path: list[Facts] | None = [leaf]
            if self.policies is not None:
                self._check_policies(self.policies, [leaf])
        else:
            path = self._extend([leaf], others)
        if path is None:
            raise self._failure(leaf)
        leaf.check_names()
        return path

    def find_signer(self, signer: Facts, others: Sequence[bytes]) -> list[Facts]:
        """Find a valid path from who signs revocation lists (RFC 5280 section 6.3.3 (f)).

        What it may do in TLS is not asked. This may be called for one after another; the
        bounds are for all of them together.

        Raises:
            CertificateError: there is none.
        """
        signer.understand(self.minimum_rsa_bits)
        self._check_validity(signer, signer.understand(self.minimum_rsa_bits))
        path = self._extend([signer], others)
        if path is not None:
            return path
        raise self._failure(signer)

    def check_leaf(self, leaf: Facts) -> None:
        """Check what concerns the peer's own certificate alone (§4.4.2.2).

        Raises:
            CertificateError: it is expired, weak, or not meant for this.
        """
        content = leaf.understand(self.minimum_rsa_bits)
        if NAME_CONSTRAINTS in content.extensions:
            _ = leaf.name_constraints  # nobody is below it, but what is critical is read
        if not POLICY_EXTENSIONS.isdisjoint(content.extensions):
            self._has_policies = True
        self._check_validity(leaf, content)
        self._check_purpose(leaf, content)
        usage = content.key_usage
        if usage is not None and not usage & KeyUsage.digital_signature:
            raise WrongPurpose(
                f"certificate {leaf} may not be used for signatures: "
                "its keyUsage lacks digitalSignature",
                section="4.4.2.2",
            )

    def _extend(self, path: list[Facts], others: Sequence[bytes]) -> list[Facts] | None:
        """Search on from the path's last certificate.

        Names that are spelled alike come first: others are rare, and dear to compare.
        """
        last = path[-1]
        for spelled_alike in (True, False):
            anchors = self.trust.issuers_of(last, spelled_alike=spelled_alike)
            for anchor in _likely_first(anchors, last):
                if self._usable(anchor, path):
                    whole = [*path, anchor]
                    inputs = self.policies
                    if (not self._constrained or self._may_have_names(whole)) and (
                        inputs is None
                        or not (self._has_policies or inputs.initial_explicit_policy)
                        or self._may_have_policies(inputs, whole)
                    ):
                        return whole
            candidates = self._candidates(path, others, spelled_alike=spelled_alike)
            if candidates and len(path) > self.max_depth:
                self._note(
                    BadCertificate(
                        f"the chain is too long: more than {self.max_depth} intermediates"
                    )
                )
                continue
            for issuer in _likely_first(candidates, last):
                if self._usable(issuer, path):
                    found = self._extend([*path, issuer], others)
                    if found is not None:
                        return found
        return None

    def _candidates(
        self, path: list[Facts], others: Sequence[bytes], *, spelled_alike: bool
    ) -> list[Facts]:
        """Other certificates with the right name that are not in the path already."""
        last = path[-1]
        if self._presented is None:
            self._presented = self._read(others)
        wanted = last.fields.issuer
        if spelled_alike:
            found = [each for each in self._presented if each.fields.subject == wanted]
        else:
            found = [each for each in self._presented if _is_issuer_otherwise(each, last)]
        if self.intermediates is not None:
            found += self.intermediates.issuers_of(last, spelled_alike=spelled_alike)
        return [each for each in found if not _is_in(each, path)]

    def _read(self, others: Sequence[bytes]) -> list[Facts]:
        found: dict[bytes, Facts] = {}
        for index, der in enumerate(others[: self.certificates_read], 1):
            try:
                found.setdefault(der, Facts(der))
            except ValueError as error:
                self._unreadable = f"certificate {index} of the chain cannot be read: {error}"
        return list(found.values())

    def _usable(self, issuer: Facts, path: list[Facts]) -> bool:
        """Whether this certificate rightly issued the path's last one; notes why not."""
        self.steps_left -= 1
        if self.steps_left < 0:
            raise BadCertificate("the chain is too intricate: too many possible paths")
        if self.signatures_left < 1:
            raise BadCertificate("the chain is too intricate: too many signatures to check")
        child = path[-1]
        try:
            self._check_authority(issuer, path)
            if self._signed(child, issuer):
                return True
            raise BadCertificateSignature(
                f"certificate {child} was not signed by {issuer}, which it names as its issuer"
            )
        except CertificateError as error:
            if not _differs(issuer, child):
                self._note(error)
        return False

    def _check_authority(self, issuer: Facts, path: list[Facts]) -> None:
        """Check that a certificate may issue what is below it (RFC 5280 section 6.1.4)."""
        content = issuer.understand(self.minimum_rsa_bits)
        basic = content.basic_constraints
        if basic is None:
            # A version 1 root has no extensions; it is believed because it is an anchor.
            if version_of(issuer.der) != 1 or self.trust.find(issuer.der) is None:
                raise InvalidCA(f"certificate {issuer} is not a CA: it has no basicConstraints")
        elif not basic.ca:
            raise InvalidCA(f"certificate {issuer} is not a CA: its basicConstraints say so")
        elif basic.path_length is not None:
            between = sum([not facts.is_self_issued for facts in path[1:]])
            if between > basic.path_length:
                raise PathLengthExceeded(
                    f"the chain is longer than {issuer} allows: {between} intermediates below it, "
                    f"at most {basic.path_length}"
                )
        usage = content.key_usage
        if usage is not None and not usage & KeyUsage.key_cert_sign:
            raise InvalidCA(
                f"certificate {issuer} may not sign certificates: its keyUsage lacks keyCertSign"
            )
        self._check_validity(issuer, content)
        self._check_purpose(issuer, content)
        if NAME_CONSTRAINTS in content.extensions:
            self._constrained = True
        if not POLICY_EXTENSIONS.isdisjoint(content.extensions):
            self._has_policies = True

    def _may_have_names(self, path: list[Facts]) -> bool:
        """Whether the constraints of the CAs in a path allow its names; notes why not."""
        try:
            if self.names_left is None:
                self.names_left = NameBudget()
            check_name_constraints(path, self.names_left, common_names=self.common_names)
        except CertificateError as error:
            self._note(error)
            return False
        return True

    def _may_have_policies(self, inputs: PolicyInputs, path: list[Facts]) -> bool:
        """Whether the policies hold in a path that are required; notes why not."""
        try:
            self._check_policies(inputs, path)
        except CertificateError as error:
            self._note(error)
            return False
        return True

    def _check_policies(self, inputs: PolicyInputs, path: list[Facts]) -> None:
        if self._policy_search is None:
            self._policy_search = PolicySearch(inputs)
        self.policies_held = self._policy_search.check(path)

    def _signed(self, child: Facts, issuer: Facts) -> bool:
        pair = (child.der, issuer.fields.spki)
        known = self._proven.get(pair)
        if known is None:
            self.signatures_left -= 1
            known = self._proven[pair] = child.check_signature(issuer)
        return known

    def _check_validity(self, facts: Facts, content: Content) -> None:
        if self.at < content.not_before:
            raise CertificateNotYetValid(
                f"certificate {facts} is valid from {utc(content.not_before)}, "
                f"and it is {utc(self.at)}"
            )
        if self.at >= content.not_after + 1:  # the last second belongs to it
            raise CertificateExpired(
                f"certificate {facts} was valid until {utc(content.not_after)}, "
                f"and it is {utc(self.at)}"
            )

    def _check_purpose(self, facts: Facts, content: Content) -> None:
        purposes = content.extended_key_usage
        if purposes is None:
            return
        wanted = _PURPOSES[self.role]
        if wanted not in purposes and _ANY_PURPOSE not in purposes:
            raise WrongPurpose(
                f"certificate {facts} is not for TLS {self.role.name}s: its extendedKeyUsage is "
                f"{_purpose_names(purposes)}, expected {_purpose_names([wanted])}"
            )

    def _note(self, error: CertificateError) -> None:
        if self._defect is None:
            self._defect = error

    def _failure(self, leaf: Facts) -> CertificateError:
        if self._defect is not None:
            return self._defect
        if self._unreadable is not None:
            return BadCertificate(self._unreadable)
        if leaf.is_self_issued:
            return UnknownCA(f"certificate {leaf} is self-signed and is not a trust anchor")
        return UnknownCA(
            f"certificate {leaf}, issued by {leaf.issuer_text()}, does not lead to one of the "
            f"{len(self.trust)} trust anchors"
        )


def _likely_first(candidates: list[Facts], child: Facts) -> list[Facts]:
    """Order possible issuers: those whose key identifier is another's come last."""
    if len(candidates) < 2:
        return candidates
    return sorted(candidates, key=lambda issuer: _differs(issuer, child))


def _differs(issuer: Facts, child: Facts) -> bool:
    """Whether the key identifiers say that the issuer is another of the same name."""
    wanted = child.hint(AUTHORITY_KEY_IDENTIFIER)
    found = issuer.hint(SUBJECT_KEY_IDENTIFIER) if wanted else None
    return bool(wanted and found and wanted != found)


def _is_issuer_otherwise(facts: Facts, child: Facts) -> bool:
    """Whether it has the name of the child's issuer, in another spelling."""
    if facts.fields.subject == child.fields.issuer:
        return False
    return child.issuer is not None and facts.subject == child.issuer


def _is_in(facts: Facts, path: list[Facts]) -> bool:
    """Whether name and key are in the path already."""
    key, subject = facts.fields.spki, facts.fields.subject
    return any(used.fields.spki == key and used.fields.subject == subject for used in path)


def _purpose_names(purposes: Collection[bytes]) -> str:
    names = []
    for oid in sorted(purposes)[:_SHOWN]:
        try:
            dotted = object_identifier(oid)
            name = getattr(ObjectIdentifier(dotted), "_name", dotted)
            names.append(str(name) if name != "Unknown OID" else dotted)
        except ValueError:
            names.append("a damaged identifier")
    return ", ".join(names) + (" …" if len(purposes) > _SHOWN else "")
