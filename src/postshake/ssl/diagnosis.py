"""Which number OpenSSL has for a chain that was refused.

A chain may have many defects, and OpenSSL tells the first that it comes upon: it builds one
path by names and identifiers alone, and then goes over it again and again, for extensions,
strength, the name, revocation, signatures and times, and constraints. The verifier searches in
another order, which is safer and cheaper, and so may refuse for another reason. When it has
refused, this goes OpenSSL's way through the same certificates.

It decides nothing: what it finds is for the exception's ``verify_code``. What a peer sends is
looked at within the same bounds, and a signature is checked once for each certificate.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.oid import SignatureAlgorithmOID as Signed

from .._dataclass import dataclass
from ..constants import Role
from ..errors import CertificateError
from ..pki import extensions as ext
from ..pki.constraints import NameBudget, check_names_against
from ..pki.der import elements, object_identifier, tlv
from ..pki.parsed_certificate import (
    MAXIMUM_EXPONENT_BITS,
    MAXIMUM_RSA_BITS,
    Facts,
    has_explicit_curve,
)
from ..pki.store import TrustStore
from ..pki.strict_der import version_of
from ..pki.trust import PeerChain
from ..pki.unreadable import UNREADABLE
from .security_level import FLOOR, key_bits, signature_bits
from .strict import check_strictly_at
from .verify_codes import VerifyCode, code_of

__all__ = ["PURPOSES", "Diagnosis"]

LONGEST = 101  # certificates in a path without its end, as OpenSSL has it
SENT = 16  # certificates of a peer's that are looked at

PURPOSES = {
    Role.server: ExtendedKeyUsageOID.SERVER_AUTH.dotted_string,
    Role.client: ExtendedKeyUsageOID.CLIENT_AUTH.dotted_string,
}
"""What a peer's certificate has to be for."""
_USES = {
    # digitalSignature, keyAgreement; of servers keyEncipherment too
    Role.client: 0x8000 | 0x0800,
    Role.server: 0x8000 | 0x0800 | 0x2000,
}
_PROXY = b"\x06\x08\x2b\x06\x01\x05\x05\x07\x01\x0e"  # 1.3.6.1.5.5.7.1.14
_SUPPORTED = frozenset({
    ext.KEY_USAGE,
    ext.SUBJECT_ALTERNATIVE_NAME,
    ext.BASIC_CONSTRAINTS,
    ext.CERTIFICATE_POLICIES,
    ext.CRL_DISTRIBUTION_POINTS,
    ext.EXTENDED_KEY_USAGE,
    ext.POLICY_CONSTRAINTS,
    ext.NAME_CONSTRAINTS,
    ext.POLICY_MAPPINGS,
    ext.INHIBIT_ANY_POLICY,
    _PROXY,
    b"\x06\x09\x60\x86\x48\x01\x86\xf8\x42\x01\x01",  # netscape-cert-type
    b"\x06\x08\x2b\x06\x01\x05\x05\x07\x01\x07",  # sbgp-ipAddrBlock
    b"\x06\x08\x2b\x06\x01\x05\x05\x07\x01\x08",  # sbgp-autonomousSysNum
    b"\x06\x09\x2b\x06\x01\x05\x05\x07\x30\x01\x05",  # id-pkix-ocsp-nocheck
})  # fmt: skip
"""Extensions that OpenSSL takes when they are critical."""

_RSA, _RSA_PSS = "1.2.840.113549.1.1.1", "1.2.840.113549.1.1.10"
_EC, _DSA = "1.2.840.10045.2.1", "1.2.840.10040.4.1"
_KEY_OF = {
    **dict.fromkeys(
        (
            Signed.RSA_WITH_MD5,
            Signed.RSA_WITH_SHA1,
            Signed.RSA_WITH_SHA224,
            Signed.RSA_WITH_SHA256,
            Signed.RSA_WITH_SHA384,
            Signed.RSA_WITH_SHA512,
        ),
        _RSA,
    ),
    **dict.fromkeys(
        (
            Signed.ECDSA_WITH_SHA1,
            Signed.ECDSA_WITH_SHA224,
            Signed.ECDSA_WITH_SHA256,
            Signed.ECDSA_WITH_SHA384,
            Signed.ECDSA_WITH_SHA512,
        ),
        _EC,
    ),
    **dict.fromkeys((Signed.DSA_WITH_SHA1, Signed.DSA_WITH_SHA224, Signed.DSA_WITH_SHA256), _DSA),
}
"""Of a signature's algorithm that is named for a key's: that one."""


class Diagnosis:
    """Goes OpenSSL's way through one chain.

    Args:
        peer: what was refused.
        stores: certificates that were loaded, whether they end paths or not.
        trusts: whether a loaded certificate ends a path: True, or False for one that must not
            be in any; None for one that does if it signed itself.
        at_once: whether any loaded certificate ends a path (VERIFY_X509_PARTIAL_CHAIN).
        bits: how many bits of security are asked for, if more than always.
        strict: whether VERIFY_X509_STRICT is set.
        proxies: whether VERIFY_ALLOW_PROXY_CERTS is set.
        max_depth: how many intermediates a path may have, which is less than OpenSSL's.
        common_names: whether a common name may count as a host's.
        name_code: says what is wrong with the leaf's names; None for nothing.
        revocation_code: says the same of a path's standing in revocation lists.
    """

    def __init__(
        self,
        peer: PeerChain,
        stores: Sequence[TrustStore],
        trusts: Callable[[bytes], bool | None],
        *,
        at_once: bool,
        bits: int,
        strict: bool,
        proxies: bool,
        max_depth: int,
        common_names: bool,
        name_code: Callable[[Facts], VerifyCode | None],
        revocation_code: Callable[[Sequence[Facts]], VerifyCode | None],
    ) -> None:
        self._peer = peer
        self._stores = stores
        self._trusts = trusts
        self._at_once = at_once
        self._bits = max(bits, FLOOR)
        self._strict = strict
        self._proxies = proxies
        self._max_depth = max_depth
        self._common_names = common_names
        self._name_code = name_code
        self._revocation_code = revocation_code

    def find(self) -> VerifyCode | None:
        """Return what OpenSSL would say; None if it would find nothing wrong."""
        try:
            leaf = _Reading(Facts(self._peer.certificates[0]))
            if leaf.bits < self._bits:
                return VerifyCode.EE_KEY_TOO_SMALL
            path, code = self._build(leaf)
        except (*UNREADABLE, IndexError, CertificateError):
            return None
        if code is not None:
            return code
        for check in (
            self._check_extensions,
            self._check_strength,
            self._check_name,
            self._check_revocation,
            self._check_signatures,
            self._check_constraints,
        ):
            try:
                code = check(path)
            except CertificateError as error:
                code = code_of(error)
            except (*UNREADABLE, IndexError):
                return None
            if code is not None:
                return code
        return VerifyCode.CERT_CHAIN_TOO_LONG if len(path) > self._max_depth + 2 else None

    # --- build_chain()

    def _build(self, leaf: _Reading) -> tuple[list[_Reading], VerifyCode | None]:
        """Build the path, and say why it ends where nothing is trusted."""
        path = [leaf]
        sent = self._read_sent()
        loaded = 0  # how many at the path's end were loaded
        while True:
            last = path[-1]
            found = self._find_loaded(path) if len(path) <= LONGEST else None
            if found is not None and last.signed_itself and found.der != last.der:
                found = None  # another certificate of the same name
            if found is not None:
                if last.signed_itself:
                    path[-1] = found
                else:
                    path.append(found)
                loaded += 1
                trusted = self._trust_of(found)
                if trusted is not None:
                    return path, None if trusted else VerifyCode.CERT_REJECTED
                if not found.signed_itself:
                    continue
                break
            if loaded or last.signed_itself or len(path) > LONGEST:
                break
            issuer = _best([each for each in sent if self._may_follow(each, path)], self._peer.at)
            if issuer is None:
                break
            path.append(issuer)
        if not loaded and self._at_once and any(store.find(leaf.der) for store in self._stores):
            return [leaf], None
        return path, _ending(path, loaded)

    def _read_sent(self) -> list[_Reading]:
        found = []
        for der in self._peer.certificates[1 : 1 + SENT]:
            try:
                found.append(_Reading(Facts(der)))
            except (*UNREADABLE, IndexError):
                continue
        return found

    def _find_loaded(self, path: list[_Reading]) -> _Reading | None:
        last = path[-1]
        issuers = {
            facts.der: facts
            for store in self._stores
            for alike in (True, False)
            for facts in store.issuers_of(last.facts, spelled_alike=alike)
        }
        likely = [each for each in map(_Reading, issuers.values()) if each.may_have_issued(last)]
        return _best(likely, self._peer.at)

    def _may_follow(self, issuer: _Reading, path: list[_Reading]) -> bool:
        return issuer.may_have_issued(path[-1]) and all(issuer.der != each.der for each in path)

    def _trust_of(self, loaded: _Reading) -> bool | None:
        """Whether a loaded certificate ends the path, must not be in it, or neither."""
        told = self._trusts(loaded.der)
        if told is not None:
            return told
        return True if loaded.signed_itself or self._at_once else None

    # --- what is looked at in the path, in this order

    def _check_extensions(self, path: list[_Reading]) -> VerifyCode | None:
        between = 0
        for index, each in enumerate(path):
            if each.critical - _SUPPORTED:
                return VerifyCode.UNHANDLED_CRITICAL_EXTENSION
            if _PROXY in each.extensions and not self._proxies:
                return VerifyCode.PROXY_CERTIFICATES_NOT_ALLOWED
            if not self._is_right_kind(each, index, is_last=index + 1 == len(path)):
                return VerifyCode.INVALID_CA
            if len(path) > 1:
                if each.has_explicit_curve:
                    return VerifyCode.EC_KEY_EXPLICIT_PARAMS
                if self._strict:
                    check_strictly_at([one.facts for one in path], index)
            if not self._is_for_purpose(each, index):
                return VerifyCode.INVALID_PURPOSE
            length = each.path_length
            if index > 1 and length is not None and between > length:
                return VerifyCode.PATH_LENGTH_EXCEEDED
            if index and not each.facts.is_self_issued:
                between += 1
        return None

    def _is_right_kind(self, each: _Reading, index: int, *, is_last: bool) -> bool:
        if not index:
            return not self._strict or each.authority in (0, 1)
        if is_last and not self._strict:
            return each.authority > 0
        return each.authority == 1

    def _is_for_purpose(self, each: _Reading, index: int) -> bool:
        role = self._peer.role
        if each.purposes is not None and PURPOSES[role] not in each.purposes:
            return False
        if index:
            return each.authority > 0
        return each.usage is None or bool(each.usage & _USES[role])

    def _check_strength(self, path: list[_Reading]) -> VerifyCode | None:
        for index, each in enumerate(path):
            if index and each.bits < self._bits:
                return VerifyCode.CA_KEY_TOO_SMALL
            if index + 1 < len(path) and signature_bits(each.facts.certificate) < self._bits:
                return VerifyCode.CA_MD_TOO_WEAK
        return None

    def _check_name(self, path: list[_Reading]) -> VerifyCode | None:
        return self._name_code(path[0].facts)

    def _check_revocation(self, path: list[_Reading]) -> VerifyCode | None:
        return self._revocation_code([each.facts for each in path])

    def _check_signatures(self, path: list[_Reading]) -> VerifyCode | None:
        """Check signatures and times, from the end that is trusted."""
        last = path[-1]
        skips_last = not last.signed_itself and not self._at_once
        if skips_last and len(path) == 1:
            return VerifyCode.UNABLE_TO_VERIFY_LEAF_SIGNATURE
        for index in reversed(range(len(path) - skips_last)):
            child = path[index]
            if index + 1 < len(path):
                issuer = path[index + 1]
                if not issuer.may_certify:
                    return VerifyCode.KEYUSAGE_NO_CERTSIGN
                if issuer.facts.readable is not None and not _signed(child, issuer):
                    return VerifyCode.CERT_SIGNATURE_FAILURE
            if self._peer.at < child.not_before:
                return VerifyCode.CERT_NOT_YET_VALID
            if self._peer.at >= child.not_after + 1:
                return VerifyCode.CERT_HAS_EXPIRED
        return None

    def _check_constraints(self, path: list[_Reading]) -> VerifyCode | None:
        budget = NameBudget()
        for index in reversed(range(len(path))):
            facts = path[index].facts
            if index and facts.is_self_issued:
                continue
            for ca in reversed(path[index + 1 :]):
                if ext.NAME_CONSTRAINTS in ca.extensions:
                    counts = self._common_names and not index
                    check_names_against(facts, ca.facts, budget, common_names=counts)
        return None


def _signed(child: _Reading, issuer: _Reading) -> bool:
    key = issuer.key
    if isinstance(key, rsa.RSAPublicKey) and (
        key.key_size > MAXIMUM_RSA_BITS
        or key.public_numbers().e.bit_length() > MAXIMUM_EXPONENT_BITS
    ):
        return False  # too dear to check, and no path has it
    try:
        return child.facts.check_signature(issuer.facts)
    except CertificateError:
        return False


def _ending(path: list[_Reading], loaded: int) -> VerifyCode:
    """Say why a path that ends at nothing that is trusted goes no further."""
    if len(path) > LONGEST:
        return VerifyCode.CERT_CHAIN_TOO_LONG
    if path[-1].signed_itself:
        if len(path) == 1:
            return VerifyCode.DEPTH_ZERO_SELF_SIGNED_CERT
        return VerifyCode.SELF_SIGNED_CERT_IN_CHAIN
    if loaded:
        return VerifyCode.UNABLE_TO_GET_ISSUER_CERT
    return VerifyCode.UNABLE_TO_GET_ISSUER_CERT_LOCALLY


def _best(issuers: Sequence[_Reading], at: float) -> _Reading | None:
    """Return the first that is valid now, or else the one that is valid for longest."""
    valid = [each for each in issuers if each.not_before <= at < each.not_after + 1]
    if valid:
        return valid[0]
    return max(issuers, key=lambda each: each.not_after, default=None)


@dataclass(frozen=True, slots=True)
class _Identifier:
    """An authorityKeyIdentifier (RFC 5280 section 4.2.1.1)."""

    key: bytes | None
    serial: int | None
    issuer: bytes | None


class _Reading:
    """What OpenSSL reads of one certificate, where there may be things that we refuse to read."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.der = facts.der
        certificate = facts.certificate
        self.not_before = certificate.not_valid_before_utc.timestamp()
        self.not_after = certificate.not_valid_after_utc.timestamp()
        self.key_type = _key_type(facts.fields.spki)
        self.has_explicit_curve = has_explicit_curve(facts.der)
        self.key: PublicKeyTypes | None = None
        with contextlib.suppress(*UNREADABLE):
            self.key = certificate.public_key()
        self.bits = key_bits(self.key) if self.key is not None else 0
        if self.has_explicit_curve and self.key is None:
            self.bits = FLOOR
        self.extensions: dict[bytes, bytes] = {}
        self.critical: frozenset[bytes] = frozenset()
        self.usage: int | None = None
        self.path_length: int | None = None
        self.purposes: frozenset[str] | None = None
        self.is_readable = True
        self._constraints: ext.BasicConstraints | None = None
        self._key_identifier: bytes | None = None
        self._issuer: _Identifier | None = None
        try:
            self._read()
        except ValueError:
            self.is_readable = False

    def _read(self) -> None:
        found, self.critical = ext.read_extensions(self.facts.fields.extensions)
        self.extensions = found
        if ext.BASIC_CONSTRAINTS in found:
            self._constraints = ext.read_basic_constraints(found[ext.BASIC_CONSTRAINTS])
            self.path_length = self._constraints.path_length
        if ext.KEY_USAGE in found:
            self.usage = ext.read_key_usage(found[ext.KEY_USAGE])
            if not self.usage:
                raise ValueError("a keyUsage of nothing")
        if ext.EXTENDED_KEY_USAGE in found:
            purposes = ext.read_extended_key_usage(found[ext.EXTENDED_KEY_USAGE])
            self.purposes = frozenset(map(object_identifier, purposes))
        if ext.SUBJECT_KEY_IDENTIFIER in found:
            value = found[ext.SUBJECT_KEY_IDENTIFIER]
            self._key_identifier = ext.read_subject_key_identifier(value)
        if ext.AUTHORITY_KEY_IDENTIFIER in found:
            self._issuer = _read_identifier(found[ext.AUTHORITY_KEY_IDENTIFIER])
        if ext.SUBJECT_ALTERNATIVE_NAME in found:
            ext.read_general_names(found[ext.SUBJECT_ALTERNATIVE_NAME])
        if ext.NAME_CONSTRAINTS in found:
            ext.read_name_constraints(found[ext.NAME_CONSTRAINTS])

    @property
    def may_certify(self) -> bool:
        """Whether its keyUsage does not forbid it to."""
        return self.usage is None or bool(self.usage & ext.KeyUsage.key_cert_sign)

    @property
    def authority(self) -> int:
        """What X509_check_ca() returns: 0 for no authority, 1 for one, others for old kinds."""
        if not self.is_readable or not self.may_certify:
            return 0
        if self._constraints is not None:
            return int(self._constraints.ca)
        if version_of(self.der) == 1 and self.signed_itself:
            return 3
        return 4 if self.usage is not None else 0

    @property
    def signed_itself(self) -> bool:
        """Whether it looks as if it had; the signature is not checked."""
        return self.may_have_issued(self)

    def may_have_issued(self, child: _Reading) -> bool:
        """Whether names, identifiers and kinds of key allow it (ossl_x509_likely_issued())."""
        ours, theirs = self.facts, child.facts
        same = ours.fields.subject == theirs.fields.issuer
        if not same and (ours.subject is None or ours.subject != theirs.issuer):
            return False
        if not self.is_readable or not child.is_readable:
            return False
        if self.key is None and not self.has_explicit_curve:
            return False
        wanted = child._issuer
        if wanted is not None:
            own = self._key_identifier
            if wanted.key is not None and own is not None and wanted.key != own:
                return False
            if wanted.serial is not None and wanted.serial != ours.certificate.serial_number:
                return False
            if wanted.issuer is not None and wanted.issuer != ours.fields.issuer:
                return False
        oid = theirs.certificate.signature_algorithm_oid
        kind = _KEY_OF.get(oid, oid.dotted_string)
        return kind == self.key_type or (kind == _RSA_PSS and self.key_type == _RSA)


def _key_type(spki: bytes) -> str:
    _, start, _ = tlv(spki, 0)
    _, inner, _ = tlv(spki, start)
    _, _, end = tlv(spki, inner)
    return object_identifier(spki[inner:end])


def _read_identifier(value: bytes) -> _Identifier:
    key = ext.read_authority_key_identifier(value)
    serial = issuer = None
    _, at, last = tlv(value, 0)
    for tag, _, start, end in elements(value, at, last):
        if tag == 0x82:
            serial = int.from_bytes(value[start:end], "big", signed=True)
        elif tag == 0xA1:
            for kind, _, first, stop in elements(value, start, end):
                if kind == 0xA4 and issuer is None:
                    issuer = value[first:stop]
    return _Identifier(key, serial, issuer)
