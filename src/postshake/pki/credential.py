"""Who we are: a certificate chain, and something that can sign for its key.

A Credential never needs the private key itself: any Signer will do, one that asks
a token, an agent or a key service included, and its ``sign`` may be a coroutine.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Iterable
from functools import cached_property
from pathlib import Path
from typing import Protocol, cast

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    pkcs12,
)

from .._dataclass import dataclass
from ..constants import SignatureScheme
from ..crypto import signatures
from ..crypto.tls12.signatures import fits12, schemes12_for, sign12
from ..errors import KeyMismatch, UnsupportedKey, UsageError
from .der import certificate_fields, normal_name, object_identifiers
from .extensions import EXTENDED_KEY_USAGE, KEY_USAGE, extension_of, read_extensions, read_key_usage
from .parsed_certificate import certificate_ders, describe, load_certificate
from .private_key import Password, ask_password, load_private_key
from .pss import pss_key_of
from .strict_der import issuer_of, subject_of
from .trusted_certificate import without_uses
from .unreadable import UNREADABLE

__all__ = ["Credential", "LocalSigner", "Password", "Signer"]


class Signer(Protocol):
    """What can sign with the private key that belongs to a certificate."""

    @property
    def public_key(self) -> PublicKeyTypes:
        """The public half."""
        ...

    @property
    def schemes(self) -> tuple[SignatureScheme, ...]:
        """What it can sign with, best first."""
        ...

    def sign(self, scheme: SignatureScheme, data: bytes) -> bytes | Awaitable[bytes]:
        """Sign the data, hashing it as the scheme says."""
        ...


class LocalSigner:
    """A private key held in this process.

    Args:
        private_key: a private key of ``cryptography``.
        pss_key: whether the certificate restricts the RSA key to RSASSA-PSS, and to which
            parameters, if to any.
    """

    __slots__ = ("_private_key", "_pss_key", "public_key", "schemes")

    def __init__(self, private_key: PrivateKeyTypes, *, pss_key: signatures.PssKey = False) -> None:
        self._private_key = private_key
        self._pss_key = pss_key
        self.public_key: PublicKeyTypes = private_key.public_key()
        self.schemes: tuple[SignatureScheme, ...] = signatures.schemes_for(
            self.public_key, pss_key=pss_key
        )

    @property
    def schemes12(self) -> tuple[SignatureScheme, ...]:
        """What it can sign with in TLS 1.2, where more schemes fit a key, best first."""
        return schemes12_for(self.public_key, pss_key=self._pss_key)

    def sign(self, scheme: SignatureScheme, data: bytes) -> bytes:
        """Sign the data with this key (§4.4.3)."""
        return sign12(scheme, self._private_key, data)

    def __repr__(self) -> str:
        return f"LocalSigner({type(self.public_key).__name__})"


@dataclass(frozen=True, repr=False)
class Credential:
    """A certificate chain and the Signer for its leaf (§4.4.2).

    Raises:
        UsageError: a certificate cannot be read, or the key is another's.
    """

    chain: tuple[bytes, ...]
    """DER certificates, our own first, each certified by the next."""
    signer: Signer
    ocsp_response: bytes | None = None
    """DER, sent to peers that ask for it (RFC 6066 section 8)."""
    signed_certificate_timestamps: bytes | None = None
    """A SignedCertificateTimestampList (RFC 6962 section 3.3)."""

    def __post_init__(self) -> None:
        if not self.chain:
            raise UsageError("a credential needs at least one certificate")
        for index, der in enumerate(self.chain):
            try:
                certificate = load_certificate(der)
                if index == 0:
                    leaf_key = certificate.public_key()
                    _ = subject_of(certificate), issuer_of(certificate)
                    _check_usages(read_extensions(certificate_fields(der).extensions).values)
                    pss_key_of(certificate)
            except UNREADABLE as error:
                raise UsageError(
                    f"certificate {index} of the chain cannot be read: {error}"
                ) from error
        if not _same_key(leaf_key, self.signer.public_key):
            raise KeyMismatch(f"the key is not that of the certificate {describe(self.leaf)}")
        if not self.signer.schemes:
            raise UsageError(
                f"a {type(leaf_key).__name__} like that of the certificate "
                f"{describe(self.leaf)} cannot sign in TLS 1.3"
            )

    @cached_property
    def leaf(self) -> x509.Certificate:
        """Our own certificate.

        Where it is not in strict DER, and so is not read by ``cryptography``, a copy that is;
        ``chain`` has what is sent.
        """
        return load_certificate(self.chain[0])

    @cached_property
    def key_usage(self) -> int | None:
        """Bits of our own certificate's keyUsage, as in `KeyUsage`; None where it has none."""
        value = extension_of(self.leaf, KEY_USAGE)
        return read_key_usage(value) if value is not None else None

    @cached_property
    def certificates(self) -> tuple[x509.Certificate, ...]:
        """The whole chain, parsed, like ``leaf``."""
        return (self.leaf, *map(load_certificate, self.chain[1:]))

    @cached_property
    def pss_key(self) -> signatures.PssKey:
        """Whether the certificate restricts its RSA key to RSASSA-PSS, and how."""
        return pss_key_of(self.leaf)

    @cached_property
    def schemes(self) -> tuple[SignatureScheme, ...]:
        """What the signer can do and the certificate allows, best first (§4.2.3)."""
        key = self.leaf.public_key()
        return tuple(
            scheme
            for scheme in self.signer.schemes
            if signatures.fits(scheme, key, pss_key=self.pss_key)
        )

    @cached_property
    def schemes12(self) -> tuple[SignatureScheme, ...]:
        """What the signer can do in TLS 1.2 and the certificate allows, best first.

        A signer that can do more there than in TLS 1.3 says so in an attribute
        ``schemes12`` of its own.
        """
        able: tuple[SignatureScheme, ...] = getattr(self.signer, "schemes12", self.signer.schemes)
        key = self.leaf.public_key()
        return tuple(scheme for scheme in able if fits12(scheme, key, pss_key=self.pss_key))

    @classmethod
    def from_objects(
        cls,
        certificates: Iterable[x509.Certificate],
        private_key: PrivateKeyTypes | Signer,
        *,
        ocsp_response: bytes | None = None,
        signed_certificate_timestamps: bytes | None = None,
    ) -> Credential:
        """Make a credential of parsed certificates, in any order, and a key or Signer.

        Raises:
            UsageError: none of the certificates is for the key.
        """
        ders = [certificate.public_bytes(Encoding.DER) for certificate in certificates]
        return cls.from_der(
            ders,
            private_key,
            ocsp_response=ocsp_response,
            signed_certificate_timestamps=signed_certificate_timestamps,
        )

    @classmethod
    def from_der(
        cls,
        certificates: Iterable[bytes],
        private_key: PrivateKeyTypes | Signer,
        *,
        ocsp_response: bytes | None = None,
        signed_certificate_timestamps: bytes | None = None,
    ) -> Credential:
        """Make a credential of DER certificates, in any order, and a key or Signer.

        Raises:
            UsageError: one cannot be read, or none of them is for the key.
        """
        given = list(certificates)
        if not given:
            raise UsageError("no certificate given")
        signer: Signer | None = None if _is_private_key(private_key) else cast(Signer, private_key)
        public_key = (
            signer.public_key if signer else cast(PrivateKeyTypes, private_key).public_key()
        )
        try:
            ordered = _ordered(given, public_key)
            pss_key = pss_key_of(load_certificate(ordered[0]))
        except UNREADABLE as error:
            raise UsageError(f"a certificate cannot be read: {error}") from error
        if signer is None:
            signer = LocalSigner(cast(PrivateKeyTypes, private_key), pss_key=pss_key)
        return cls(tuple(ordered), signer, ocsp_response, signed_certificate_timestamps)

    @classmethod
    def from_pem(
        cls,
        certificates: bytes | str,
        private_key: bytes | str,
        password: Password = None,
    ) -> Credential:
        """Make a credential of PEM text; other blocks in it are passed over.

        Raises:
            UsageError: something cannot be read, or the two do not belong together.
        """
        return cls.from_der(
            _load_certificates(_octets(certificates), "the certificate text"),
            load_private_key(_octets(private_key), password, "the key text"),
        )

    @classmethod
    def from_files(
        cls,
        cert_path: str | os.PathLike[str],
        key_path: str | os.PathLike[str] | None = None,
        password: Password = None,
    ) -> Credential:
        """Read PEM or DER files; without ``key_path`` the key is in the first one too.

        Raises:
            UsageError: a file cannot be read, or the two do not belong together.
        """
        data = _read(cert_path)
        found = _load_certificates(data, os.fspath(cert_path))
        if key_path is None:
            return cls.from_der(found, load_private_key(data, password, os.fspath(cert_path)))
        key = load_private_key(_read(key_path), password, os.fspath(key_path))
        try:
            return cls.from_der(found, key)
        except UsageError as error:
            where = f"{os.fspath(cert_path)}, {os.fspath(key_path)}"
            raise type(error)(f"{where}: {error}") from error

    @classmethod
    def from_pkcs12(
        cls, source: bytes | str | os.PathLike[str], password: Password = None
    ) -> Credential:
        """Read a PKCS #12 file, or its bytes.

        Raises:
            UsageError: it cannot be read, or holds no key or no certificate.
        """
        where = "the PKCS #12 data" if isinstance(source, bytes) else os.fspath(source)
        data = source if isinstance(source, bytes) else _read(source)
        secret = ask_password(password)
        try:
            key, leaf, others = pkcs12.load_key_and_certificates(data, secret)
        except UNREADABLE as error:
            if not _is_of_what_was_proven(error):
                raise UsageError(f"{where}: damaged, or the password is wrong") from error
            return cls.from_der(*_read_otherwise(data, secret, where))
        if key is None:
            raise UsageError(f"{where}: holds no private key")
        return cls.from_objects([*([leaf] if leaf else []), *others], key)

    def __repr__(self) -> str:
        return (
            f"Credential(subject={subject_of(self.leaf).rfc4514_string()!r}, "
            f"certificates={len(self.chain)}, signer={self.signer!r})"
        )


_AFTER_THE_PROOF = ("Could not deserialize key data", '"Certificate::', '"AttributeTypeValue::')
"""What `cryptography` says where a file's integrity was proven, and its key is of no kind
that it reads, or a certificate not in strict DER. Should it come to say something else, such a
file is called damaged."""


def _is_of_what_was_proven(error: Exception) -> bool:
    if isinstance(error, x509.InvalidVersion):
        return True
    return any(words in str(error) for words in _AFTER_THE_PROOF)


def _read_otherwise(
    data: bytes, password: bytes | None, where: str
) -> tuple[list[bytes], PrivateKeyTypes]:
    from .pkcs12 import read_pkcs12  # which few need

    try:
        key, certificates = read_pkcs12(data, password or b"")
    except ValueError as error:
        raise UsageError(f"{where}: no private key that can be read") from error
    except UnsupportedKey as error:
        raise UnsupportedKey(f"{where}: {error}") from error
    return certificates, key


def _ordered(given: list[bytes], public_key: PublicKeyTypes) -> list[bytes]:
    """The key's certificate first, then its issuers as far as they are there, then the rest."""
    for leaf in given:
        try:
            if _same_key(load_certificate(leaf).public_key(), public_key):
                break
        except UNREADABLE:
            continue
    else:
        whose = describe(load_certificate(given[0]))
        raise KeyMismatch(f"the key is not that of the certificate {whose}")
    rest = [(der, certificate_fields(der).subject) for der in given if der is not leaf]
    ordered = [leaf]
    while True:
        fields = certificate_fields(ordered[-1])
        if _same_name(fields.issuer, fields.subject):
            break
        issuer = next((each for each in rest if _same_name(each[1], fields.issuer)), None)
        if issuer is None:
            break
        ordered.append(issuer[0])
        rest.remove(issuer)
    return ordered + [der for der, _ in rest]


def _same_name(one: bytes, other: bytes) -> bool:
    if one == other:
        return True
    name = normal_name(one)
    return name is not None and name == normal_name(other)


def _check_usages(extensions: dict[bytes, bytes]) -> None:
    """Read what is asked of our own certificate when it is chosen, so that nothing fails then."""
    usage = extensions.get(KEY_USAGE)
    if usage is not None:
        read_key_usage(usage)
    purposes = extensions.get(EXTENDED_KEY_USAGE)
    if purposes is not None:
        object_identifiers(purposes)


def _same_key(one: PublicKeyTypes, other: PublicKeyTypes) -> bool:
    try:
        return one == other or _spki(one) == _spki(other)
    except (ValueError, TypeError, AttributeError, UnsupportedAlgorithm):
        return False


def _spki(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _is_private_key(candidate: object) -> bool:
    return hasattr(candidate, "private_bytes") or not hasattr(candidate, "schemes")


def _load_certificates(data: bytes, where: str) -> list[bytes]:
    try:
        return certificate_ders(without_uses(data))
    except ValueError as error:
        raise UsageError(f"{where}: no certificate that can be read: {error}") from error


def _read(path: str | os.PathLike[str]) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"{os.fspath(path)}: {error.strerror or error}") from error


def _octets(text: bytes | str) -> bytes:
    return text.encode() if isinstance(text, str) else text
