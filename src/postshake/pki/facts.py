"""What path validation needs to know of one certificate, read once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.x509.oid import ObjectIdentifier, PublicKeyAlgorithmOID
from cryptography.x509.oid import SignatureAlgorithmOID as Signed

from ..errors import (
    BadCertificate,
    UnsupportedCertificate,
    WeakKey,
    require,
)
from .der import certificate_fields
from .pss import may_have_signed

__all__ = ["RSASSA_PSS", "Facts", "describe", "load_certificate", "load_certificates", "utc"]

RSASSA_PSS = PublicKeyAlgorithmOID.RSASSA_PSS
"""The algorithm of RSA keys that may only make PSS signatures."""

MAXIMUM_RSA_BITS = 8192
"""Larger keys cost too much to check: Go's limit too."""

_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_HASHES = ("sha256", "sha384", "sha512")

_ANY_CRITICAL = (
    x509.BasicConstraints,
    x509.KeyUsage,
    x509.ExtendedKeyUsage,
    x509.SubjectAlternativeName,
    x509.NameConstraints,
    x509.AuthorityKeyIdentifier,
    x509.SubjectKeyIdentifier,
    x509.CertificatePolicies,
    x509.PolicyConstraints,
    x509.InhibitAnyPolicy,
)
"""Extensions that may be critical. The last three only limit policies: we demand
none, so they can fail a path only by requiring one, and that is refused."""

_POLICY_MAPPINGS = ObjectIdentifier("2.5.29.33")


_READABLE: set[bytes] = set()
"""Names that could be read, in DER. To add one twice, or to lose all, does no harm."""
_READABLE_NAMES = 1024


class Facts:
    """One certificate, with the fields that path validation reads.

    Args:
        der: the certificate.
        certificate: the same, if it was parsed already.
        key: its key, if that was read already.

    Raises:
        ValueError: the bytes are not a certificate.
    """

    __slots__ = (
        "alternative_names",
        "authority_key_identifier",
        "basic_constraints",
        "certificate",
        "der",
        "extended_key_usage",
        "fields",
        "key",
        "key_usage",
        "name_constraints",
        "not_after",
        "not_before",
        "subject_key_identifier",
        "understood",
    )

    certificate: x509.Certificate
    key: PublicKeyTypes | None
    not_before: float
    not_after: float
    basic_constraints: x509.BasicConstraints | None
    key_usage: x509.KeyUsage | None
    extended_key_usage: frozenset[ObjectIdentifier] | None
    alternative_names: Iterable[x509.GeneralName]
    name_constraints: x509.NameConstraints | None
    authority_key_identifier: bytes | None
    subject_key_identifier: bytes | None

    def __init__(
        self,
        der: bytes,
        certificate: x509.Certificate | None = None,
        key: PublicKeyTypes | None = None,
    ) -> None:
        self.key = key
        self.certificate = load_certificate(der) if certificate is None else certificate
        self.der = der
        self.fields = certificate_fields(der)
        self.understood = False

    def understand(self, minimum_rsa_bits: int) -> None:
        """Read validity, extensions and key, once; refuse what must be refused anywhere.

        Raises:
            BadCertificate: something in it cannot be read.
            UnsupportedCertificate: a key or critical extension that we do not know.
            WeakKey: an RSA key that is too short.
        """
        if not self.understood:
            certificate = self.certificate
            try:
                self.not_before = certificate.not_valid_before_utc.timestamp()
                self.not_after = certificate.not_valid_after_utc.timestamp()
                self._read_extensions(certificate)
                if self.key is None:
                    self.key = certificate.public_key()
            except (x509.UnsupportedGeneralNameType, UnsupportedAlgorithm) as error:
                raise UnsupportedCertificate(f"certificate {self}: {error}") from error
            except (ValueError, TypeError, x509.DuplicateExtension) as error:
                raise BadCertificate(f"certificate {self} cannot be read: {error}") from error
            self.understood = True
        self._check_key(minimum_rsa_bits)

    def _read_extensions(self, certificate: x509.Certificate) -> None:
        self.basic_constraints = self.key_usage = self.name_constraints = None
        self.extended_key_usage = None
        self.authority_key_identifier = self.subject_key_identifier = None
        self.alternative_names = ()
        for extension in certificate.extensions:
            value = extension.value  # type() is: isinstance asks their abstract parent
            if type(value) is x509.BasicConstraints:
                self.basic_constraints = value
            elif type(value) is x509.KeyUsage:
                self.key_usage = value
            elif type(value) is x509.ExtendedKeyUsage:
                self.extended_key_usage = frozenset(value)
            elif type(value) is x509.SubjectAlternativeName:
                self.alternative_names = value
            elif type(value) is x509.AuthorityKeyIdentifier:
                self.authority_key_identifier = value.key_identifier
            elif type(value) is x509.SubjectKeyIdentifier:
                self.subject_key_identifier = value.digest
            elif type(value) is x509.NameConstraints:
                self.name_constraints = value
            elif type(value) is x509.PolicyConstraints:
                if value.require_explicit_policy is not None:
                    raise UnsupportedCertificate(
                        f"certificate {self} requires a certificate policy, which is not supported"
                    )
            elif extension.critical and not (
                isinstance(value, _ANY_CRITICAL) or extension.oid == _POLICY_MAPPINGS
            ):
                raise UnsupportedCertificate(
                    f"certificate {self} has a critical extension that is not supported: "
                    f"{extension.oid.dotted_string}"
                )

    def _check_key(self, minimum_rsa_bits: int) -> None:
        key = self.key
        if isinstance(key, ec.EllipticCurvePublicKey):
            if not isinstance(key.curve, _CURVES):
                raise UnsupportedCertificate(
                    f"certificate {self} has a key on the curve {key.curve.name}, "
                    "expected P-256, P-384 or P-521"
                )
        elif isinstance(key, rsa.RSAPublicKey):
            if key.key_size < minimum_rsa_bits:
                raise WeakKey(
                    f"certificate {self} has an RSA key of {key.key_size} bits, "
                    f"expected at least {minimum_rsa_bits}"
                )
            if key.key_size > MAXIMUM_RSA_BITS:
                raise UnsupportedCertificate(
                    f"certificate {self} has an RSA key of {key.key_size} bits, "
                    f"expected at most {MAXIMUM_RSA_BITS}"
                )

    def check_names(self) -> None:
        """Check that subject and issuer can be read, so that they can be shown later.

        Raises:
            BadCertificate: they cannot.
        """
        try:
            for name in ("subject", "issuer"):
                raw = getattr(self.fields, name)
                if raw not in _READABLE:  # reading one takes as long as a tenth of a signature
                    getattr(self.certificate, name)
                    if len(_READABLE) >= _READABLE_NAMES:
                        _READABLE.clear()
                    _READABLE.add(raw)
        except (ValueError, TypeError) as error:
            raise BadCertificate(f"certificate {self} has a damaged name: {error}") from error

    def check_signature(self, issuer: Facts) -> bool:
        """Whether the issuer's key made this certificate's signature (RFC 5280 section 4.1.1).

        Raises:
            WeakKey: the signature is by a broken or unknown hash.
            UnsupportedCertificate: a signature algorithm that we do not know.
            BadCertificate: the signature algorithm is stated in two ways, or
                cannot be read.
        """
        if self.fields.algorithm != self.fields.signature:
            raise BadCertificate(f"certificate {self} names two different signature algorithms")
        certificate, key, signed = self.certificate, issuer.key, self.fields.tbs
        oid = certificate.signature_algorithm_oid
        try:
            signature = certificate.signature
            if isinstance(key, ec.EllipticCurvePublicKey):
                if oid not in _ECDSA:
                    return self._other_algorithm()
                parameters = certificate.signature_algorithm_parameters
                key.verify(signature, signed, require(ec.ECDSA, parameters))
            elif isinstance(key, rsa.RSAPublicKey):
                pss_key = issuer.certificate.public_key_algorithm_oid == RSASSA_PSS
                if oid != Signed.RSASSA_PSS and (pss_key or oid not in _RSA):
                    return self._other_algorithm()
                scheme = certificate.signature_algorithm_parameters
                digest = certificate.signature_hash_algorithm
                if digest is None or digest.name not in _HASHES:
                    return self._other_algorithm()
                if not isinstance(scheme, (padding.PKCS1v15, padding.PSS)):
                    return self._other_algorithm()
                if pss_key and not may_have_signed(issuer.certificate, certificate):
                    return False
                key.verify(signature, signed, scheme, digest)
            elif isinstance(key, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)):
                ours = Signed.ED25519 if isinstance(key, ed25519.Ed25519PublicKey) else Signed.ED448
                if oid != ours:
                    return self._other_algorithm()
                key.verify(signature, signed)
            elif oid in _ML_DSA and oid == issuer.certificate.public_key_algorithm_oid:
                key.verify(signature, signed)  # type: ignore[union-attr, call-arg]
            else:
                return self._other_algorithm()
        except InvalidSignature:
            return False
        except (UnsupportedAlgorithm, ValueError, TypeError) as error:
            raise UnsupportedCertificate(
                f"the signature of certificate {self} cannot be checked: {error}"
            ) from error
        return True

    def _other_algorithm(self) -> bool:
        """Refuse weak and unknown algorithms; one that only is not the issuer's is False."""
        oid = self.certificate.signature_algorithm_oid
        if oid in _RSA or oid in _ECDSA or oid in _PURE or oid in _ML_DSA:
            return False
        try:
            algorithm = self.certificate.signature_hash_algorithm
        except (UnsupportedAlgorithm, ValueError):
            algorithm = None
        if algorithm is not None and algorithm.name not in _HASHES:
            raise WeakKey(
                f"certificate {self} is signed with {algorithm.name}, expected SHA-256 or better"
            )
        if oid == Signed.RSASSA_PSS:
            return False
        raise UnsupportedCertificate(
            f"certificate {self} has a signature of unknown kind: {oid.dotted_string}"
        )

    @property
    def is_self_issued(self) -> bool:
        """Whether subject and issuer are the same name."""
        return self.fields.subject == self.fields.issuer

    def __str__(self) -> str:
        return describe(self.certificate)

    def __repr__(self) -> str:
        return f"Facts({self})"


_RSA = frozenset([Signed.RSA_WITH_SHA256, Signed.RSA_WITH_SHA384, Signed.RSA_WITH_SHA512])
_ECDSA = frozenset([Signed.ECDSA_WITH_SHA256, Signed.ECDSA_WITH_SHA384, Signed.ECDSA_WITH_SHA512])
_PURE = frozenset([Signed.ED25519, Signed.ED448])
_ML_DSA = frozenset(ObjectIdentifier(f"2.16.840.1.101.3.4.3.{arc}") for arc in (17, 18, 19))


def load_certificate(der: bytes) -> x509.Certificate:
    """Parse a certificate.

    Raises:
        ValueError: it is damaged, or of an unknown version.
    """
    try:
        return x509.load_der_x509_certificate(der)
    except (x509.InvalidVersion, Warning) as error:  # not a ValueError
        raise ValueError(str(error)) from error


def load_certificates(data: bytes) -> list[x509.Certificate]:
    """Parse PEM text, from which other blocks are left out, or one DER certificate.

    Raises:
        ValueError: there is none, or one is damaged.
    """
    if b"-----BEGIN" not in data:
        return [load_certificate(data)]
    try:
        return x509.load_pem_x509_certificates(data)
    except (x509.InvalidVersion, Warning) as error:
        raise ValueError(str(error)) from error


def describe(certificate: x509.Certificate) -> str:
    """Name a certificate for a person: its subject, quoted and safe to print."""
    try:
        subject = certificate.subject.rfc4514_string()
    except (ValueError, TypeError, Warning):
        subject = ""
    if not subject:
        return f"with serial number {certificate.serial_number:x}"
    if len(subject) > 200:
        subject = subject[:200] + "…"
    return repr(subject)


def utc(at: float) -> str:
    """Write a time for a person."""
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return f"{at!r} seconds since 1970"
