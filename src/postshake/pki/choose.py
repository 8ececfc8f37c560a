"""Which of our credentials answers a request, and with which scheme.

Pure choices: nothing here signs, verifies or asks anybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, SignatureAlgorithmOID

from .._dataclass import dataclass
from ..constants import (
    SignatureScheme,
    names_of,
)
from ..errors import BadCertificate, DecodeError, IllegalParameter, WrongPurpose
from ..text import listed
from .credential import Credential
from .der import (
    bit_string,
    certificate_fields,
    normal_name,
    object_identifier,
    object_identifiers,
)
from .names import matches_host
from .unreadable import UNREADABLE

__all__ = [
    "Wanted",
    "check_oid_filters",
    "choose_credential",
    "choose_scheme",
    "choose_server_credential",
    "fits_request",
    "leads_to",
    "read_oid_filters",
]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a CertificateRequest asks for (§4.3.2)."""

    authorities: tuple[bytes, ...] = ()
    """Names of acceptable authorities, DER; none means any (§4.2.4)."""
    signature_algorithms: tuple[int, ...] = ()
    """For CertificateVerify, the peer's preferred first (§4.2.3)."""
    signature_algorithms_cert: tuple[int, ...] | None = None
    """For certificates; None means the same ones (§4.2.3)."""
    oid_filters: tuple[tuple[bytes, bytes], ...] = ()
    """Pairs of DER object identifier and DER value (§4.2.5)."""
    tls12: bool = False
    """Whether the schemes mean what they mean in TLS 1.2."""

    def schemes_of(self, credential: Credential) -> tuple[SignatureScheme, ...]:
        """What a credential can sign with in the version that is asked for."""
        return credential.schemes12 if self.tls12 else credential.schemes


def choose_credential(credentials: Iterable[Credential], wanted: Wanted) -> Credential | None:
    """Choose the first credential that fits; None means to decline (§4.4.2.3).

    One that fits but for the algorithms of its chain is the second choice
    (§4.4.2.2 allows it).

    Raises:
        IllegalParameter: the request's oid_filters break their rules.
        DecodeError: the request's oid_filters cannot be read.
    """
    read_oid_filters(wanted.oid_filters)
    second: Credential | None = None
    for credential in credentials:
        if _misfit(credential, wanted) is None:
            if _chain_misfit(credential, wanted) is None:
                return credential
            second = second or credential
    return second


def fits_request(credential: Credential, wanted: Wanted) -> str | None:
    """Say why a credential does not fit a request; None when it does (§4.4.2.3).

    Raises:
        IllegalParameter: the request's oid_filters break their rules.
        DecodeError: the request's oid_filters cannot be read.
    """
    return _misfit(credential, wanted) or _chain_misfit(credential, wanted)


def choose_scheme(ours: Iterable[int], wanted: Iterable[int]) -> SignatureScheme | None:
    """Choose the first scheme of the peer's list that is ours too (§4.2.3)."""
    able = frozenset(ours)
    for scheme in wanted:
        if scheme in able:
            return SignatureScheme(scheme)
    return None


def choose_server_credential(
    credentials: Sequence[Credential], server_name: str | None, wanted: Wanted
) -> Credential | None:
    """Choose what a server shows: the right name first, then what fits best (§4.4.2.2).

    A scheme in common is a must. The name, the authorities and the algorithms of
    the chain are preferences, in this order: a client may take a certificate that
    meets none of them, and says so itself if it does not.

    Args:
        credentials: ours, favourites first.
        server_name: whom the client wants to reach, if it said so.
        wanted: what the client said it accepts.
    """
    able = [
        credential
        for credential in credentials
        if choose_scheme(wanted.schemes_of(credential), wanted.signature_algorithms) is not None
    ]
    if len(able) < 2:
        return able[0] if able else None

    def misfits(credential: Credential) -> tuple[bool, bool, bool]:
        return (
            server_name is not None and not matches_host(credential.leaf, server_name),
            bool(wanted.authorities) and not _under(credential, wanted.authorities),
            _chain_misfit(credential, wanted) is not None,
        )

    return min(able, key=misfits)


def check_oid_filters(
    certificate: x509.Certificate, filters: Iterable[tuple[bytes, bytes]]
) -> None:
    """Raise unless a certificate passes the filters we recognise (§4.2.5).

    Those are keyUsage and extendedKeyUsage: the certificate must have all the
    bits or purposes of the filter and may have more. Others are passed over.

    Raises:
        WrongPurpose: the certificate does not pass.
        BadCertificate: its extensions cannot be read.
        IllegalParameter: an OID stands there twice, or anyExtendedKeyUsage does.
        DecodeError: a filter cannot be read.
    """
    for oid, values in read_oid_filters(filters).items():
        try:
            held = _held(certificate, oid)
        except UNREADABLE as error:
            raise BadCertificate(f"the certificate's extensions: {error}") from error
        if held is None:
            raise WrongPurpose(
                f"the certificate lacks {_FILTERED[oid]}, which an oid_filter asks for",
                section="4.2.5",
            )
        missing = values - held
        if missing:
            raise WrongPurpose(
                f"the certificate's {_FILTERED[oid]} lacks "
                f"{listed(sorted(map(str, missing)))}, which an oid_filter asks for",
                section="4.2.5",
            )


def leads_to(chain: Sequence[bytes], authorities: Iterable[bytes]) -> bool:
    """Tell whether a verified chain was issued under one of these names (§4.2.4).

    The issuers that count are those whose signature was checked. A trust anchor is
    believed for its own sake: nobody checked who issued it, so that its subject counts, and
    its issuer's name does not. Elsewhere it is the other way round: a certificate that merely
    bears an authority's name as its own subject was not issued by it.

    Args:
        chain: a path that was verified, DER, leaf first, the trust anchor last; one alone
            when it is both.
        authorities: DER names.
    """
    if not chain:
        return False
    wanted = {normal_name(name) or name for name in authorities}
    vouched = [certificate_fields(der).issuer for der in chain[:-1]]
    vouched.append(certificate_fields(chain[-1]).subject)
    return any((normal_name(name) or name) in wanted for name in vouched)


_FILTERED = {
    ExtensionOID.KEY_USAGE.dotted_string: "keyUsage",
    ExtensionOID.EXTENDED_KEY_USAGE.dotted_string: "extendedKeyUsage",
}
_ANY_PURPOSE = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE.dotted_string
_KEY_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def read_oid_filters(filters: Iterable[tuple[bytes, bytes]]) -> dict[str, frozenset[str]]:
    """Check all filters; return those that we recognise, by dotted OID (§4.2.5).

    Raises:
        IllegalParameter: an OID stands there twice, or anyExtendedKeyUsage does.
        DecodeError: a filter cannot be read.
    """
    seen: set[bytes] = set()
    read: dict[str, frozenset[str]] = {}
    for raw_oid, raw_values in filters:
        if raw_oid in seen:
            raise IllegalParameter("an OID stands twice in oid_filters", section="4.2.5")
        seen.add(raw_oid)
        try:
            oid = object_identifier(raw_oid)
            if oid not in _FILTERED:
                continue
            if not raw_values:
                read[oid] = frozenset()
            elif oid == ExtensionOID.KEY_USAGE.dotted_string:
                bits = bit_string(raw_values)
                read[oid] = frozenset(
                    _KEY_USAGES[bit] if bit < len(_KEY_USAGES) else f"bit {bit}" for bit in bits
                )
            else:
                read[oid] = frozenset(object_identifiers(raw_values))
        except ValueError as error:
            raise DecodeError(f"oid_filters: {error}", section="4.2.5") from error
        if _ANY_PURPOSE in read[oid]:
            raise IllegalParameter("anyExtendedKeyUsage stands in oid_filters", section="4.2.5")
    return read


def _held(certificate: x509.Certificate, oid: str) -> frozenset[str] | None:
    """What a certificate has of a filtered extension; None without the extension."""
    for extension in certificate.extensions:
        value = extension.value
        if extension.oid.dotted_string != oid:
            continue
        if isinstance(value, x509.KeyUsage):
            return frozenset(name for name in _KEY_USAGES if _has_usage(value, name))
        if isinstance(value, x509.ExtendedKeyUsage):
            return frozenset(purpose.dotted_string for purpose in value)
    return None


def _has_usage(usage: x509.KeyUsage, name: str) -> bool:
    if name in ("encipher_only", "decipher_only") and not usage.key_agreement:
        return False  # undefined then, and cryptography raises
    return bool(getattr(usage, name))


def _misfit(credential: Credential, wanted: Wanted) -> str | None:
    if choose_scheme(wanted.schemes_of(credential), wanted.signature_algorithms) is None:
        ours = ", ".join(scheme.name for scheme in wanted.schemes_of(credential))
        theirs = names_of(SignatureScheme, wanted.signature_algorithms)
        return f"no signature scheme in common: ours {ours or 'none'}; wanted {theirs or 'none'}"
    usage = _held(credential.leaf, ExtensionOID.KEY_USAGE.dotted_string)
    if usage is not None and "digital_signature" not in usage:
        return "the certificate's keyUsage lacks digitalSignature"
    if wanted.authorities and not _under(credential, wanted.authorities):
        return "no certificate of the chain is issued by an authority that is wanted"
    try:
        check_oid_filters(credential.leaf, wanted.oid_filters)
    except WrongPurpose as reason:
        return str(reason)
    return None


def _under(credential: Credential, authorities: tuple[bytes, ...]) -> bool:
    wanted = {normal_name(name) or name for name in authorities}
    for der in credential.chain:
        fields = certificate_fields(der)
        for name in (fields.issuer, fields.subject):
            if (normal_name(name) or name) in wanted:
                return True
    return False


def _chain_misfit(credential: Credential, wanted: Wanted) -> str | None:
    """Hold the chain's signatures against signature_algorithms_cert (§4.4.2.2)."""
    allowed = wanted.signature_algorithms_cert
    if allowed is None:
        allowed = wanted.signature_algorithms
    for certificate in credential.certificates:
        if certificate.issuer == certificate.subject:
            continue  # its own signature proves nothing, and is not checked
        if not _signed_by(certificate) & set(allowed):
            return (
                f"the chain has a signature of a kind that is not wanted: "
                f"{certificate.signature_algorithm_oid.dotted_string}"
            )
    return None


def _signed_by(certificate: x509.Certificate) -> set[int]:
    """Schemes by any of which a certificate's signature may be called."""
    oid = certificate.signature_algorithm_oid
    schemes = _SIGNED_BY.get(oid.dotted_string)
    if schemes is not None:
        return schemes
    try:
        if oid == SignatureAlgorithmOID.RSASSA_PSS and isinstance(
            certificate.signature_algorithm_parameters, padding.PSS
        ):
            algorithm = certificate.signature_hash_algorithm
            return _PSS_SIGNED_BY.get(algorithm.name if algorithm else "", set())
    except UNREADABLE:
        pass
    return set()


_S = SignatureScheme
_SIGNED_BY: dict[str, set[int]] = {
    SignatureAlgorithmOID.RSA_WITH_SHA1.dotted_string: {_S.rsa_pkcs1_sha1},
    SignatureAlgorithmOID.RSA_WITH_SHA256.dotted_string: {_S.rsa_pkcs1_sha256},
    SignatureAlgorithmOID.RSA_WITH_SHA384.dotted_string: {_S.rsa_pkcs1_sha384},
    SignatureAlgorithmOID.RSA_WITH_SHA512.dotted_string: {_S.rsa_pkcs1_sha512},
    SignatureAlgorithmOID.ECDSA_WITH_SHA1.dotted_string: {_S.ecdsa_sha1},
    SignatureAlgorithmOID.ECDSA_WITH_SHA256.dotted_string: {_S.ecdsa_secp256r1_sha256},
    SignatureAlgorithmOID.ECDSA_WITH_SHA384.dotted_string: {_S.ecdsa_secp384r1_sha384},
    SignatureAlgorithmOID.ECDSA_WITH_SHA512.dotted_string: {_S.ecdsa_secp521r1_sha512},
    SignatureAlgorithmOID.ED25519.dotted_string: {_S.ed25519},
    SignatureAlgorithmOID.ED448.dotted_string: {_S.ed448},
    "2.16.840.1.101.3.4.3.17": {_S.mldsa44},
    "2.16.840.1.101.3.4.3.18": {_S.mldsa65},
    "2.16.840.1.101.3.4.3.19": {_S.mldsa87},
}
_PSS_SIGNED_BY: dict[str, set[int]] = {
    "sha256": {_S.rsa_pss_rsae_sha256, _S.rsa_pss_pss_sha256},
    "sha384": {_S.rsa_pss_rsae_sha384, _S.rsa_pss_pss_sha384},
    "sha512": {_S.rsa_pss_rsae_sha512, _S.rsa_pss_pss_sha512},
}
