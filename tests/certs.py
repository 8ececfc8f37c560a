"""Certificates for tests: authorities that issue whatever is asked of them, good or bad.

``CA("Test CA").issue("alice")`` is a client's certificate,
``ca.issue("a.example", purpose="server")`` a server's. What is returned knows its
chain and its key, and gives them in every form. RSA keys are slow to make, so a few
are shared by all certificates of a test run.
"""

from __future__ import annotations

import datetime
import ipaddress
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from postshake.constants import Role
from postshake.pki.credential import Credential
from postshake.pki.der import certificate_fields, tlv
from postshake.pki.trust import ChainVerifier, PeerChain, TrustStore

__all__ = [
    "CA",
    "KEY_TYPES",
    "NOW",
    "Issued",
    "content",
    "key_usage",
    "name",
    "new_key",
    "peer",
    "reseal",
    "restricted_key",
    "wrap",
]

NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
DAY = datetime.timedelta(days=1)
PURPOSES = {
    "client": (ExtendedKeyUsageOID.CLIENT_AUTH,),
    "server": (ExtendedKeyUsageOID.SERVER_AUTH,),
    "both": (ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH),
    "any": (ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,),
    "email": (ExtendedKeyUsageOID.EMAIL_PROTECTION,),
}


@dataclass
class Issued:
    """A certificate with its key and the certificates above it."""

    certificate: x509.Certificate
    private_key: Any
    above: tuple[x509.Certificate, ...] = ()
    """Intermediates, lowest first; the root is not among them."""

    @property
    def der(self) -> bytes:
        """The certificate alone."""
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def chain(self) -> tuple[bytes, ...]:
        """DER, leaf first, without the root."""
        return (self.der, *(other.public_bytes(Encoding.DER) for other in self.above))

    def credential(self, **fields: Any) -> Credential:
        """As the engine wants it."""
        return Credential.from_objects(
            [self.certificate, *self.above], _plain(self.private_key), **fields
        )

    def pem(self) -> bytes:
        """The chain as PEM, leaf first."""
        return b"".join(each.public_bytes(Encoding.PEM) for each in (self.certificate, *self.above))

    def key_pem(
        self, password: bytes | None = None, form: PrivateFormat = PrivateFormat.PKCS8
    ) -> bytes:
        """The key as PEM, encrypted if there is a password."""
        return bytes(self.private_key.private_bytes(Encoding.PEM, form, _encryption(password)))

    def key_der(self) -> bytes:
        """The key as DER."""
        return bytes(
            self.private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        )

    def pkcs12(self, password: bytes | None = None) -> bytes:
        """All of it as PKCS #12."""
        return pkcs12.serialize_key_and_certificates(
            b"test", _plain(self.private_key), self.certificate, self.above, _encryption(password)
        )

    def write(self, folder: Any, stem: str) -> tuple[str, str]:
        """Write ``stem.crt`` and ``stem.key``; their paths."""
        certificate, key = folder / f"{stem}.crt", folder / f"{stem}.key"
        certificate.write_bytes(self.pem())
        key.write_bytes(self.key_pem())
        return str(certificate), str(key)


@dataclass
class CA(Issued):
    """An authority: a root, or what ``intermediate`` makes.

    ``CA("Test CA", key_type="rsa2048", path_length=0)``; every keyword of ``_build``
    is accepted, so a CA can be as wrong as a test needs it.
    """

    certificate: x509.Certificate = field(init=False)
    private_key: Any = field(init=False)
    above: tuple[x509.Certificate, ...] = field(init=False, default=())

    def __init__(self, common_name: str = "Test CA", **options: Any) -> None:
        key = options.pop("key", None) or new_key(options.pop("key_type", "p256"))
        options.pop("key_type", None)
        subject = options.pop("subject", None) or name(common_name)
        self.private_key = key
        self.above = ()
        self.certificate = _build(
            subject, key, subject, key, **(_ca_defaults(options.get("path_length")) | options)
        )

    def issue(self, common_name: str = "alice", **options: Any) -> Issued:
        """Certify a new key.

        Args:
            common_name: the subject's; also the DNS name of servers that name none.
            options: ``purpose`` (``client``, ``server``, ``both``, ``any``, ``email``, None for
                no extendedKeyUsage), ``key_type`` or ``key``, ``dns``, ``ip``, ``email``,
                ``san=False``, ``expired``, ``not_yet_valid``, and all of ``_build``.
        """
        key = options.pop("key", None) or new_key(options.pop("key_type", "p256"))
        options.pop("key_type", None)
        subject = options.pop("subject", name(common_name))
        purpose = options.get("purpose", "client")
        if purpose in ("server", "both") and not options.keys() & {"dns", "ip", "names"}:
            options["dns"] = (common_name,)
        defaults: dict[str, Any] = {
            "ca": False,
            "purpose": "client",
            "usage": key_usage("digital_signature"),
        }
        certificate = _build(
            subject, key, self.certificate.subject, self.private_key, **(defaults | options)
        )
        return Issued(certificate, key, self._passed_on())

    def intermediate(self, common_name: str = "Test intermediate", **options: Any) -> CA:
        """Certify a CA below this one."""
        options = _ca_defaults(options.get("path_length")) | {"purpose": None} | options
        issued = self.issue(common_name, **options)
        below = CA.__new__(CA)
        below.certificate, below.private_key = issued.certificate, issued.private_key
        below.above = issued.above
        return below

    def trust(self, *others: CA) -> TrustStore:
        """Trust this authority, and others."""
        return TrustStore.from_certificates(ca.certificate for ca in (self, *others))

    def verifier(self, **options: Any) -> ChainVerifier:
        """Verify against this authority."""
        return ChainVerifier(self.trust(), **options)

    @property
    def name(self) -> bytes:
        """The subject, DER, as certificate_authorities holds it."""
        return self.certificate.subject.public_bytes()

    def _passed_on(self) -> tuple[x509.Certificate, ...]:
        if self.certificate.subject == self.certificate.issuer and not self.above:
            return ()
        return (self.certificate, *self.above)


def peer(
    issued: Issued | Sequence[bytes],
    role: Role = Role.client,
    server_name: str | None = None,
    *,
    at: datetime.datetime = NOW,
) -> PeerChain:
    """Ask about a certificate as a Verifier is asked."""
    chain = issued.chain if isinstance(issued, Issued) else tuple(issued)
    return PeerChain(chain, role, server_name, None, at.timestamp())


def name(common_name: str | None = None, **attributes: str) -> x509.Name:
    """A subject: a common name, and attributes such as ``organization_name="Org"``."""
    pairs = [
        x509.NameAttribute(getattr(NameOID, kind.upper()), value)
        for kind, value in attributes.items()
    ]
    if common_name is not None:
        pairs.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name))
    return x509.Name(pairs)


def key_usage(*allowed: str) -> x509.KeyUsage:
    """A keyUsage of these bits and no others."""
    bits = [
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    ]
    return x509.KeyUsage(**{bit: bit in allowed for bit in bits})


def _ml_dsa(kind: str) -> Callable[[], Any]:
    def generate() -> Any:
        from cryptography.hazmat.primitives.asymmetric import mldsa

        return getattr(mldsa, f"{kind}PrivateKey").generate()

    return generate


@cache
def _rsa_keys(bits: int) -> Iterator[rsa.RSAPrivateKey]:
    keys = [rsa.generate_private_key(65537, bits) for _ in range(2)]
    return itertools.cycle(keys)


KEY_TYPES: dict[str, Callable[[], Any]] = {
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "p521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "ed448": ed448.Ed448PrivateKey.generate,
    "rsa1024": lambda: next(_rsa_keys(1024)),
    "rsa2048": lambda: next(_rsa_keys(2048)),
    "rsa3072": lambda: next(_rsa_keys(3072)),
    "rsa-pss": lambda: _PSSKey(next(_rsa_keys(2048))),
    "mldsa44": _ml_dsa("MLDSA44"),
    "mldsa65": _ml_dsa("MLDSA65"),
    "mldsa87": _ml_dsa("MLDSA87"),
}


def new_key(key_type: str = "p256") -> Any:
    """A private key; of RSA there are only a few, used in turn."""
    return KEY_TYPES[key_type]()


@dataclass
class _PSSKey:
    """Marks an RSA key that is to be certified as RSASSA-PSS."""

    key: rsa.RSAPrivateKey
    parameters: bytes = b""
    """RSASSA-PSS-params, if it is restricted to any."""

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self.key, attribute)


_HASH_OIDS = {
    "sha1": "06052b0e03021a",
    "sha256": "0609608648016503040201",
    "sha384": "0609608648016503040202",
    "sha512": "0609608648016503040203",
    "sha3-256": "0609608648016503040208",
}
_MGF1 = "06092a864886f70d010108"


def restricted_key(
    hash_name: str | None, mask: str | None = None, salt_length: int | None = None
) -> Any:
    """An RSASSA-PSS key with parameters (RFC 4055 section 3.1); None leaves out what has a default.

    The mask's hash is the same, unless it is another.
    """
    fields = b""
    if hash_name is not None:
        oid = wrap(0x30, bytes.fromhex(_HASH_OIDS[hash_name]))
        of_mask = wrap(0x30, bytes.fromhex(_HASH_OIDS[mask or hash_name]))
        fields += wrap(0xA0, oid)
        fields += wrap(0xA1, wrap(0x30, bytes.fromhex(_MGF1) + of_mask))
    if salt_length is not None:
        fields += wrap(0xA2, wrap(0x02, bytes([salt_length])))
    return _PSSKey(next(_rsa_keys(2048)), wrap(0x30, fields))


def _plain(key: Any) -> Any:
    return key.key if isinstance(key, _PSSKey) else key


def _ca_defaults(path_length: int | None) -> dict[str, Any]:
    return {
        "ca": True,
        "path_length": path_length,
        "usage": key_usage("key_cert_sign", "crl_sign"),
    }


def _build(
    subject: x509.Name,
    key: Any,
    issuer: x509.Name,
    issuer_key: Any,
    *,
    ca: bool | None,
    path_length: int | None = None,
    usage: x509.KeyUsage | None = None,
    purpose: str | Iterable[ObjectIdentifier] | None = None,
    dns: Iterable[str] = (),
    ip: Iterable[str] = (),
    email: Iterable[str] = (),
    names: Iterable[x509.GeneralName] = (),
    san: bool = True,
    permitted: Iterable[x509.GeneralName] | None = None,
    excluded: Iterable[x509.GeneralName] | None = None,
    extra: Iterable[tuple[x509.ExtensionType, bool]] = (),
    key_identifiers: bool = True,
    not_before: datetime.datetime = NOW - DAY,
    not_after: datetime.datetime = NOW + 365 * DAY,
    expired: bool = False,
    not_yet_valid: bool = False,
    hash_algorithm: hashes.HashAlgorithm | None = None,
    pss_signature: bool = False,
    salt_length: int | None = None,
    serial_number: int | None = None,
    signed_by: Any = None,
) -> x509.Certificate:
    """Build one certificate. ``signed_by`` is a key to forge with."""
    if expired:
        not_before, not_after = NOW - 30 * DAY, NOW - DAY
    if not_yet_valid:
        not_before, not_after = NOW + DAY, NOW + 30 * DAY
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(serial_number or x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca, path_length), critical=True)
    if usage is not None:
        builder = builder.add_extension(usage, critical=True)
    if purpose is not None:
        oids = PURPOSES[purpose] if isinstance(purpose, str) else purpose
        builder = builder.add_extension(x509.ExtendedKeyUsage(oids), critical=False)
    held = [
        *map(x509.DNSName, dns),
        *(x509.IPAddress(ipaddress.ip_address(each)) for each in ip),
        *map(x509.RFC822Name, email),
        *names,
    ]
    if held and san:
        builder = builder.add_extension(x509.SubjectAlternativeName(held), critical=False)
    if permitted is not None or excluded is not None:
        builder = builder.add_extension(
            x509.NameConstraints(permitted and list(permitted), excluded and list(excluded)),
            critical=True,
        )
    if key_identifiers:
        own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
        builder = builder.add_extension(own, critical=False)
        builder = builder.add_extension(authority, critical=False)
    for extension, critical in extra:
        builder = builder.add_extension(extension, critical=critical)
    signer = signed_by or issuer_key
    pss_key = isinstance(signer, _PSSKey)
    plain = _plain(signer)
    has_hash = isinstance(plain, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey))
    algorithm = (hash_algorithm or hashes.SHA256()) if has_hash else None
    pss = (
        padding.PSS(
            padding.MGF1(algorithm), algorithm.digest_size if salt_length is None else salt_length
        )
        if algorithm is not None and (pss_signature or pss_key)
        else None
    )
    certificate = builder.sign(plain, algorithm, rsa_padding=pss)
    if isinstance(key, _PSSKey):
        fields = certificate_fields(certificate.public_bytes(Encoding.DER))
        algorithm_of_key = wrap(0x30, _RSASSA_PSS + key.parameters)
        spki = fields.spki.replace(_RSA_ENCRYPTION, algorithm_of_key)
        certificate = reseal(certificate, plain, fields.spki, wrap(0x30, content(spki)))
    return certificate


_RSA_ENCRYPTION = bytes.fromhex("300d06092a864886f70d0101010500")
_RSASSA_PSS = bytes.fromhex("06092a864886f70d01010a")


def reseal(certificate: x509.Certificate, key: Any, old: bytes, new: bytes) -> x509.Certificate:
    """Replace bytes of what is signed, and sign it again in the same way."""
    fields = certificate_fields(certificate.public_bytes(Encoding.DER))
    assert fields.tbs.count(old) == 1, "the bytes to replace must be there once"
    tbs = wrap(0x30, content(fields.tbs.replace(old, new)))
    algorithm = certificate.signature_hash_algorithm
    parameters: Any = certificate.signature_algorithm_parameters
    if isinstance(key, rsa.RSAPrivateKey):
        assert algorithm is not None
        signature = key.sign(tbs, parameters, algorithm)
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        signature = key.sign(tbs, parameters)
    else:
        signature = key.sign(tbs)
    der = wrap(0x30, tbs + fields.algorithm + wrap(0x03, b"\0" + signature))
    return x509.load_der_x509_certificate(der)


def content(element: bytes) -> bytes:
    """What an element holds, its own length disregarded: it may be wrong by now."""
    length = element[1]
    return element[2 + (length & 0x7F if length >= 0x80 else 0) :]


def wrap(tag: int, content: bytes) -> bytes:
    """Make an element of DER."""
    size = len(content)
    if size < 0x80:
        element = bytes([tag, size]) + content
    else:
        octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
        element = bytes([tag, 0x80 | len(octets)]) + octets + content
    assert tlv(element, 0)[2] == len(element)
    return element


def _encryption(password: bytes | None) -> KeySerializationEncryption:
    return BestAvailableEncryption(password) if password else NoEncryption()
