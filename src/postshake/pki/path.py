"""Path building and validation: from a peer's certificate to a trust anchor.

A depth-first search. At each certificate its possible issuers are those whose
subject is its issuer's name: trust anchors first, then what the peer sent. Every
candidate is checked in full before the search goes through it, cheap things first
and the signature last, so a path that reaches an anchor is a valid one (RFC 5280
section 6). Nothing is accepted on the strength of a name or key identifier: these
only order the candidates.

The peer chooses the certificates, so the search is bounded three ways: certificates
looked at, signatures checked, steps taken. A signature is checked once per pair.

When no path is found, the error is the first defect of a candidate that was right
by name, as that is what an owner wants to hear of; UnknownCA means there was none.
"""

from __future__ import annotations

from collections.abc import Sequence

from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from ..constants import Role
from ..errors import (
    BadCertificate,
    CertificateError,
    CertificateExpired,
    CertificateNotYetValid,
    UnknownCA,
    WrongPurpose,
)
from ..values import dataclass, field
from .constraints import check_name_constraints
from .der import normal_name
from .facts import Facts, utc
from .store import TrustStore

__all__ = ["PathSearch"]

_PURPOSES = {
    Role.client: ExtendedKeyUsageOID.CLIENT_AUTH,
    Role.server: ExtendedKeyUsageOID.SERVER_AUTH,
}
_ANY_PURPOSE = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE


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
    signatures_left: int = 32
    steps_left: int = 256
    certificates_read: int = 16
    """How many of the presented certificates are looked at."""
    _presented: list[Facts] | None = None
    _proven: dict[tuple[bytes, bytes], bool] = field(default_factory=dict)
    _defect: CertificateError | None = None
    _unreadable: str | None = None

    def find(self, leaf: Facts, others: Sequence[bytes]) -> list[Facts]:
        """Find a valid path, leaf first, anchor last.

        Raises:
            CertificateError: there is none; the subclass says why.
        """
        self.check_leaf(leaf)
        if self.trust.find(leaf.der) is not None:
            return [leaf]
        path = self._extend([leaf], others)
        if path is not None:
            return path
        raise self._failure(leaf)

    def find_signer(self, signer: Facts, others: Sequence[bytes]) -> list[Facts]:
        """Find a valid path from who signs revocation lists (RFC 5280 section 6.3.3 (f)).

        What it may do in TLS is not asked. This may be called for one after another; the
        bounds are for all of them together.

        Raises:
            CertificateError: there is none.
        """
        signer.understand(self.minimum_rsa_bits)
        self._check_validity(signer)
        path = self._extend([signer], others)
        if path is not None:
            return path
        raise self._failure(signer)

    def check_leaf(self, leaf: Facts) -> None:
        """Check what concerns the peer's own certificate alone (§4.4.2.2).

        Raises:
            CertificateError: it is expired, weak, or not meant for this.
        """
        leaf.understand(self.minimum_rsa_bits)
        leaf.check_names()
        self._check_validity(leaf)
        self._check_purpose(leaf)
        if leaf.key_usage is not None and not leaf.key_usage.digital_signature:
            raise WrongPurpose(
                f"certificate {leaf} may not be used for signatures: "
                "its keyUsage lacks digitalSignature",
                section="4.4.2.2",
            )

    def _extend(self, path: list[Facts], others: Sequence[bytes]) -> list[Facts] | None:
        """Search on from the path's last certificate."""
        last = path[-1]
        for anchor in _likely_first(self.trust.named(last.fields.issuer), last):
            if self._usable(anchor, path):
                return [*path, anchor]
        if len(path) > self.max_depth:
            if self._candidates(last, path, others):
                self._note(
                    BadCertificate(
                        f"the chain is too long: more than {self.max_depth} intermediates"
                    )
                )
            return None
        for issuer in _likely_first(self._candidates(last, path, others), last):
            if self._usable(issuer, path):
                found = self._extend([*path, issuer], others)
                if found is not None:
                    return found
        return None

    def _candidates(self, last: Facts, path: list[Facts], others: Sequence[bytes]) -> list[Facts]:
        """Presented certificates with the right name that are not in the path already."""
        if self._presented is None:
            self._presented = self._read(others)
        wanted = last.fields.issuer
        return [
            facts
            for facts in self._presented
            if _same_name(facts.fields.subject, wanted)
            and not any(
                facts.fields.spki == used.fields.spki
                and facts.fields.subject == used.fields.subject
                for used in path
            )
        ]

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
            issuer.understand(self.minimum_rsa_bits)
            self._check_authority(issuer, path)
            if self._signed(child, issuer):
                return True
            raise BadCertificate(
                f"certificate {child} was not signed by {issuer}, which it names as its issuer"
            )
        except CertificateError as error:
            if not _differs(issuer, child):
                self._note(error)
        return False

    def _check_authority(self, issuer: Facts, path: list[Facts]) -> None:
        """Check that a certificate may issue what is below it (RFC 5280 section 6.1.4)."""
        basic = issuer.basic_constraints
        if basic is None:
            # A version 1 root has no extensions; it is believed because it is an anchor.
            if issuer.certificate.version.value != 0 or self.trust.find(issuer.der) is None:
                raise BadCertificate(
                    f"certificate {issuer} is not a CA: it has no basicConstraints"
                )
        elif not basic.ca:
            raise BadCertificate(f"certificate {issuer} is not a CA: its basicConstraints say so")
        elif basic.path_length is not None:
            between = sum(not facts.is_self_issued for facts in path[1:])
            if between > basic.path_length:
                raise BadCertificate(
                    f"the chain is longer than {issuer} allows: {between} intermediates below it, "
                    f"at most {basic.path_length}"
                )
        if issuer.key_usage is not None and not issuer.key_usage.key_cert_sign:
            raise BadCertificate(
                f"certificate {issuer} may not sign certificates: its keyUsage lacks keyCertSign"
            )
        self._check_validity(issuer)
        self._check_purpose(issuer)
        if issuer.name_constraints is not None:
            check_name_constraints(issuer, path)

    def _signed(self, child: Facts, issuer: Facts) -> bool:
        pair = (child.der, issuer.fields.spki)
        known = self._proven.get(pair)
        if known is None:
            self.signatures_left -= 1
            known = self._proven[pair] = child.check_signature(issuer)
        return known

    def _check_validity(self, facts: Facts) -> None:
        if self.at < facts.not_before:
            raise CertificateNotYetValid(
                f"certificate {facts} is valid from {utc(facts.not_before)}, "
                f"and it is {utc(self.at)}"
            )
        if self.at >= facts.not_after + 1:  # the last second belongs to it
            raise CertificateExpired(
                f"certificate {facts} was valid until {utc(facts.not_after)}, "
                f"and it is {utc(self.at)}"
            )

    def _check_purpose(self, facts: Facts) -> None:
        purposes = facts.extended_key_usage
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
        issuer = leaf.certificate.issuer.rfc4514_string()[:200]  # read before: check_leaf
        return UnknownCA(
            f"certificate {leaf}, issued by {issuer!r}, does not lead to one of the "
            f"{len(self.trust)} trust anchors"
        )


def _likely_first(candidates: list[Facts], child: Facts) -> list[Facts]:
    """Order possible issuers: those whose key identifier is another's come last."""
    if len(candidates) < 2:
        return candidates
    return sorted(candidates, key=lambda issuer: _differs(issuer, child))


def _differs(issuer: Facts, child: Facts) -> bool:
    """Whether the key identifiers say that the issuer is another of the same name."""
    return bool(
        issuer.understood
        and child.authority_key_identifier
        and issuer.subject_key_identifier
        and child.authority_key_identifier != issuer.subject_key_identifier
    )


def _same_name(one: bytes, other: bytes) -> bool:
    if one == other:
        return True
    normal = normal_name(one)
    return normal is not None and normal == normal_name(other)


def _purpose_names(purposes: object) -> str:
    oids: list[ObjectIdentifier] = list(purposes)  # type: ignore[call-overload]
    names = sorted(getattr(oid, "_name", oid.dotted_string) for oid in oids)
    return ", ".join(names[:6]) + (" …" if len(names) > 6 else "")
