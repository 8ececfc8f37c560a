"""What path validation needs to know of one certificate, read once."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ObjectIdentifier, PublicKeyAlgorithmOID
from cryptography.x509.oid import SignatureAlgorithmOID as Signed

from .._dataclass import dataclass
from ..errors import (
    BadCertificate,
    CertificateError,
    ExplicitCurve,
    UnhandledCriticalExtension,
    UnsupportedCertificate,
    WeakKey,
    require,
)
from . import extensions as ext
from .der import (
    CertificateFields,
    NormalName,
    certificate_fields,
    check_name_size,
    normal_name,
    object_identifier,
)
from .pem import pem_blocks
from .pss import may_have_signed
from .strict_der import issuer_of, load_certificate, subject_of

__all__ = [
    "MAXIMUM_EXPONENT_BITS",
    "MAXIMUM_RSA_BITS",
    "RSASSA_PSS",
    "SMALL",
    "Content",
    "Facts",
    "certificate_ders",
    "check_sizes",
    "describe",
    "has_explicit_curve",
    "load_certificate",
    "load_certificates",
    "utc",
]

T = TypeVar("T")

RSASSA_PSS = PublicKeyAlgorithmOID.RSASSA_PSS
"""The algorithm of RSA keys that may only make PSS signatures."""

MAXIMUM_RSA_BITS = 8192
"""Larger keys cost too much to check: Go's limit too."""
MAXIMUM_EXPONENT_BITS = 64
"""A larger exponent costs as much as signing does: NSS's limit, and OpenSSL's for large keys."""
_RSA_ELSE = 38  # octets in a subjectPublicKeyInfo beside the modulus, if the exponent is 65537

_EC_KEY = b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01"  # id-ecPublicKey
_NAMED_CURVE = _EC_KEY + b"\x06"  # and then an object identifier (RFC 5480 section 2.1.1)
_EC_START = 18  # octets of a subjectPublicKeyInfo, at most, until there
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_HASHES = ("sha256", "sha384", "sha512")

_UNDERSTOOD = frozenset({
    ext.BASIC_CONSTRAINTS,
    ext.KEY_USAGE,
    ext.EXTENDED_KEY_USAGE,
    ext.SUBJECT_ALTERNATIVE_NAME,
    ext.NAME_CONSTRAINTS,
    ext.CERTIFICATE_POLICIES,
    ext.POLICY_CONSTRAINTS,
    ext.POLICY_MAPPINGS,
    ext.INHIBIT_ANY_POLICY,
    ext.CRL_DISTRIBUTION_POINTS,
})  # fmt: skip
"""Extensions that may be critical. What they say of policies is for `policies`; where lists are
is for `revocation`, which looks at those that it has."""

_HINTS: dict[bytes, Callable[[bytes], bytes | None]] = {
    ext.AUTHORITY_KEY_IDENTIFIER: ext.read_authority_key_identifier,
    ext.SUBJECT_KEY_IDENTIFIER: ext.read_subject_key_identifier,
}
_SHOWN = 200  # letters of a name, to people
SMALL = 4096
"""Bytes of a certificate in which nothing can be too large to read."""

_READABLE: set[bytes] = set()
"""Names of verified certificates that could be read, DER. To add one twice, or to lose all,
does no harm."""
_READABLE_NAMES = 1024
_READABLE_BYTES = 512  # of each


class Content(NamedTuple):
    """What path validation always needs of a certificate."""

    not_before: float
    not_after: float
    extensions: dict[bytes, bytes]
    """All, by object identifier, DER, unread. Nobody changes them."""
    critical: frozenset[bytes]
    """Those that are critical."""
    basic_constraints: ext.BasicConstraints | None
    key_usage: int | None
    """Bits of `KeyUsage`."""
    extended_key_usage: frozenset[bytes] | None
    key: PublicKeyTypes


class Facts:
    """One certificate, with what path validation reads of it. It never changes.

    Trust anchors are read by many threads, so whatever is read late is worked out by a
    function of the certificate alone, and stored whole, by one assignment: two threads
    that are there at once store the same. What cannot be read stays so, and is not tried
    a second time: in a search, the peer says how often we come by.

    Args:
        der: the certificate.
        certificate: the same, if it was parsed already.
        key: its key, if that was read already.

    Raises:
        ValueError: the bytes are not a certificate, or there is too much in it.
    """

    __slots__ = (
        "_alternative_names",
        "_constraints",
        "_content",
        "_given_key",
        "_issuer",
        "_subject",
        "_text",
        "certificate",
        "der",
        "fields",
        "is_self_issued",
    )

    def __init__(
        self,
        der: bytes,
        certificate: x509.Certificate | None = None,
        key: PublicKeyTypes | None = None,
    ) -> None:
        self.certificate = load_certificate(der) if certificate is None else certificate
        self.der = der
        self.fields = fields = certificate_fields(der)
        if len(der) > SMALL:
            _check_sizes(fields)
        self.is_self_issued = fields.subject == fields.issuer
        """Whether subject and issuer are the same name."""
        self._given_key = key
        self._content: Content | _Defect | None = None
        self._alternative_names: tuple[ext.GeneralName, ...] | _Defect | None = None
        self._constraints: ext.Subtrees | _Defect | None = None
        self._subject: tuple[NormalName | None] | None = None
        self._issuer: tuple[NormalName | None] | None = None
        self._text: str | None = None

    @property
    def content(self) -> Content:
        """Validity, extensions and key.

        Raises:
            BadCertificate: something in it cannot be read.
            UnsupportedCertificate: a key or critical extension that we do not know.
        """
        content = self._content
        if content is None:
            content = self._content = _read_content(self, self._given_key)
        if isinstance(content, _Defect):
            raise content.error()
        return content

    @property
    def readable(self) -> Content | None:
        """The same; None if it cannot be read."""
        try:
            return self.content
        except CertificateError:
            return None

    @property
    def alternative_names(self) -> tuple[ext.GeneralName, ...]:
        """The names of its subjectAltName.

        Raises:
            BadCertificate: they cannot be read.
        """
        names = self._alternative_names
        if names is None:
            value = self.content.extensions.get(ext.SUBJECT_ALTERNATIVE_NAME)
            names = self._alternative_names = (
                _read(self, "subjectAltName", ext.read_general_names, value)
                if value is not None
                else ()
            )
        if isinstance(names, _Defect):
            raise names.error()
        return names

    def has(self, oid: bytes) -> bool:
        """Whether it has an extension; one that cannot be read has none."""
        content = self.readable
        return content is not None and oid in content.extensions

    def hint(self, oid: bytes) -> bytes | None:
        """An identifier of a key, which only helps to find a path; None without one to be read.

        Args:
            oid: AUTHORITY_KEY_IDENTIFIER or SUBJECT_KEY_IDENTIFIER.
        """
        content = self.readable
        value = content.extensions.get(oid) if content is not None else None
        try:
            return _HINTS[oid](value) if value is not None else None
        except ValueError:
            return None

    @property
    def name_constraints(self) -> ext.Subtrees:
        """What its names, and those below it, are held to.

        Raises:
            BadCertificate: it cannot be read.
        """
        constraints = self._constraints
        if constraints is None:
            value = self.content.extensions.get(ext.NAME_CONSTRAINTS)
            constraints = self._constraints = (
                _read(self, "nameConstraints", ext.read_name_constraints, value)
                if value is not None
                else ext.Subtrees((), ())
            )
        if isinstance(constraints, _Defect):
            raise constraints.error()
        return constraints

    @property
    def subject(self) -> NormalName | None:
        """The subject, made comparable; None if it cannot be."""
        subject = self._subject
        if subject is None:
            subject = self._subject = (normal_name(self.fields.subject, remember=False),)
        return subject[0]

    @property
    def issuer(self) -> NormalName | None:
        """The issuer's name, likewise."""
        issuer = self._issuer
        if issuer is None:
            issuer = self._issuer = (normal_name(self.fields.issuer, remember=False),)
        return issuer[0]

    def understand(self, minimum_rsa_bits: int) -> Content:
        """Refuse what must be refused anywhere in a path.

        Raises:
            BadCertificate: something in it cannot be read.
            UnsupportedCertificate: a key or critical extension that we do not know.
            WeakKey: an RSA key that is too short.
        """
        content = self.content
        if ext.SUBJECT_ALTERNATIVE_NAME in content.extensions:
            _ = self.alternative_names  # who it is must be understood, whoever asks for it
        key = content.key
        if isinstance(key, ec.EllipticCurvePublicKey):
            if not isinstance(key.curve, _CURVES):
                raise UnsupportedCertificate(
                    f"certificate {self} has a key on the curve {key.curve.name}, "
                    "expected P-256, P-384 or P-521"
                )
        elif isinstance(key, rsa.RSAPublicKey):
            self._check_rsa(key, minimum_rsa_bits)
        return content

    def _check_rsa(self, key: rsa.RSAPublicKey, minimum_bits: int) -> None:
        bits = key.key_size
        if bits < minimum_bits:
            raise WeakKey(
                f"certificate {self} has an RSA key of {bits} bits, "
                f"expected at least {minimum_bits}"
            )
        if bits > MAXIMUM_RSA_BITS:
            raise UnsupportedCertificate(
                f"certificate {self} has an RSA key of {bits} bits, "
                f"expected at most {MAXIMUM_RSA_BITS}"
            )
        if len(self.fields.spki) > (bits + 7) // 8 + _RSA_ELSE:  # not the one that all have
            exponent = key.public_numbers().e.bit_length()
            if exponent > MAXIMUM_EXPONENT_BITS:
                raise UnsupportedCertificate(
                    f"certificate {self} has an RSA key with an exponent of {exponent} bits, "
                    f"expected at most {MAXIMUM_EXPONENT_BITS}"
                )

    def check_names(self) -> None:
        """Check that subject and issuer can be read, so that they can be shown later.

        Raises:
            BadCertificate: they cannot.
        """
        try:
            for raw, name_of in (
                (self.fields.subject, subject_of),
                (self.fields.issuer, issuer_of),
            ):
                if raw not in _READABLE:  # reading one takes as long as a tenth of a signature
                    name_of(self.certificate)
                    if len(_READABLE) >= _READABLE_NAMES:
                        _READABLE.clear()
                    if len(raw) <= _READABLE_BYTES:
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
        certificate, key, signed = self.certificate, issuer.content.key, self.fields.tbs
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

    def __str__(self) -> str:
        text = self._text
        if text is None:
            text = self._text = describe(self.certificate)
        return text

    def issuer_text(self) -> str:
        """Name the issuer for a person: quoted and safe to print."""
        try:
            return repr(issuer_of(self.certificate).rfc4514_string()[:_SHOWN])
        except (ValueError, TypeError, Warning):
            return "a name that cannot be read"

    def __repr__(self) -> str:
        return f"Facts({self})"


@dataclass(frozen=True, slots=True)
class _Defect:
    """What is wrong with a certificate, so that it can be said again.

    The exception itself would not do: each thread that raises it writes into it.
    """

    kind: type[CertificateError]
    words: str

    def error(self) -> CertificateError:
        return self.kind(self.words)


def _read_content(facts: Facts, key: PublicKeyTypes | None) -> Content | _Defect:
    certificate, info = facts.certificate, facts.fields.spki[:_EC_START]
    if _EC_KEY in info and _NAMED_CURVE not in info:  # as `has_explicit_curve`, without a call
        return _Defect(
            ExplicitCurve,
            f"certificate {facts} has a key on a curve that is written out, expected a named one",
        )
    try:
        extensions, critical = ext.read_extensions(facts.fields.extensions)
        if ext.CRL_DISTRIBUTION_POINTS in critical:  # `revocation` reads them when it has lists
            ext.read_distribution_points(extensions[ext.CRL_DISTRIBUTION_POINTS])
        basic = extensions.get(ext.BASIC_CONSTRAINTS)
        usage = extensions.get(ext.KEY_USAGE)
        purposes = extensions.get(ext.EXTENDED_KEY_USAGE)
        content = Content(
            certificate.not_valid_before_utc.timestamp(),
            certificate.not_valid_after_utc.timestamp(),
            extensions,
            critical,
            ext.read_basic_constraints(basic) if basic is not None else None,
            ext.read_key_usage(usage) if usage is not None else None,
            ext.read_extended_key_usage(purposes) if purposes is not None else None,
            certificate.public_key() if key is None else key,
        )
        for oid in critical - _UNDERSTOOD:
            reader = _HINTS.get(oid)
            if reader is None:
                return _Defect(
                    UnhandledCriticalExtension,
                    f"certificate {facts} has a critical extension that is not supported: "
                    f"{object_identifier(oid)}",
                )
            reader(extensions[oid])
    except UnsupportedAlgorithm as error:
        return _Defect(UnsupportedCertificate, f"certificate {facts}: {error}")
    except (ValueError, TypeError) as error:
        return _Defect(BadCertificate, f"certificate {facts} cannot be read: {error}")
    return content


def _read(facts: Facts, what: str, reader: Callable[[bytes], T], value: bytes) -> T | _Defect:
    try:
        return reader(value)
    except ValueError as error:
        return _Defect(BadCertificate, f"certificate {facts}: its {what} cannot be read: {error}")


def check_sizes(der: bytes) -> None:
    """Refuse a certificate in which there is more to read than anybody should have to.

    What it may have is said in `der` and `extensions`: names of so many bytes and attributes,
    so many extensions and alternative names, so many bytes about where revocation lists are.

    Raises:
        ValueError: it has more, or cannot be read.
    """
    if len(der) > SMALL:
        _check_sizes(certificate_fields(der))


def _check_sizes(fields: CertificateFields) -> None:
    for what in ("subject", "issuer"):
        try:
            check_name_size(getattr(fields, what))
        except ValueError as error:
            raise ValueError(f"its {what} is {error}") from error
    extensions = ext.read_extensions(fields.extensions).values
    points = extensions.get(ext.CRL_DISTRIBUTION_POINTS)
    if points is not None and len(points) > ext.MAXIMUM_POINTS:
        raise ValueError(
            f"cRLDistributionPoints of {len(points)} bytes, at most {ext.MAXIMUM_POINTS}"
        )
    names = extensions.get(ext.SUBJECT_ALTERNATIVE_NAME)
    if names is not None and len(names) > SMALL:
        ext.read_general_names(names)


_RSA = frozenset([Signed.RSA_WITH_SHA256, Signed.RSA_WITH_SHA384, Signed.RSA_WITH_SHA512])
_ECDSA = frozenset([Signed.ECDSA_WITH_SHA256, Signed.ECDSA_WITH_SHA384, Signed.ECDSA_WITH_SHA512])
_PURE = frozenset([Signed.ED25519, Signed.ED448])
_ML_DSA = frozenset(ObjectIdentifier(f"2.16.840.1.101.3.4.3.{arc}") for arc in (17, 18, 19))


def has_explicit_curve(der: bytes) -> bool:
    """Whether a certificate's key is on a curve that is written out (RFC 5480 section 2.1.1)."""
    try:
        info = certificate_fields(der).spki[:_EC_START]
    except (ValueError, IndexError):
        return False
    return _EC_KEY in info and _NAMED_CURVE not in info


def load_certificates(data: bytes) -> list[x509.Certificate]:
    """Parse PEM text, from which other blocks are left out, or one DER certificate.

    Raises:
        ValueError: there is none, or one is damaged.
    """
    return [load_certificate(der) for der in certificate_ders(data)]


def certificate_ders(data: bytes) -> list[bytes]:
    """Return the certificates of PEM text, or the one that is DER, as they are spelled there.

    Raises:
        ValueError: there is none, or one is damaged.
    """
    if b"-----BEGIN" not in data:
        load_certificate(data)
        return [data]
    try:
        return [each.public_bytes(Encoding.DER) for each in x509.load_pem_x509_certificates(data)]
    except (ValueError, x509.InvalidVersion, Warning) as error:
        found = [block.content for block in pem_blocks(data) if block.label in _LABELS]
        for der in found:
            load_certificate(der)
        if len(found) != len(_BEGIN.findall(data)) or not found:
            raise ValueError(str(error)) from error  # one has no end, or there is none
        return found


_LABELS = (b"CERTIFICATE", b"X509 CERTIFICATE")
_BEGIN = re.compile(b"-----BEGIN (?:X509 )?CERTIFICATE-----")


def describe(certificate: x509.Certificate) -> str:
    """Name a certificate for a person: its subject, quoted and safe to print."""
    try:
        subject = subject_of(certificate).rfc4514_string()
    except (ValueError, TypeError, Warning):
        subject = ""
    if not subject:
        return f"with serial number {certificate.serial_number:x}"[:_SHOWN]
    if len(subject) > _SHOWN:
        subject = subject[:_SHOWN] + "…"
    return repr(subject)


def utc(at: float) -> str:
    """Write a time for a person."""
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return f"{at!r} seconds since 1970"
