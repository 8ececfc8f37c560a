"""A certificate authority for trying things out, and the certificates that it issues."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .._dataclass import dataclass
from ..errors import UsageError
from ..pki.credential import Credential
from ..pki.trust import TrustStore
from ..private_file import open_private

__all__ = ["Authority", "Certified", "Folder", "private_file"]

LIFETIME = timedelta(days=90)
LIST_LIFETIME = timedelta(days=7)
_CLOCK_SKEW = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Certified:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def credential(self) -> Credential:
        """Make it ready for use by a connection."""
        return Credential.from_objects([self.certificate], self.key)


class Authority:
    """A certificate authority that lives in memory.

    Args:
        common_name: its name.
    """

    def __init__(self, common_name: str) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        """Its key."""
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        self.certificate = self._sign(
            self._name, self.key, x509.BasicConstraints(ca=True, path_length=0), _usage(ca=True)
        )
        """Its own certificate, signed by itself."""

    @classmethod
    def load(cls, certificate: bytes, key: bytes) -> Authority:
        """Take one up again that was kept as PEM.

        Raises:
            ValueError: something cannot be read, or the key is of another kind.
        """
        authority = cls.__new__(cls)
        authority.certificate = x509.load_pem_x509_certificate(certificate)
        authority._name = authority.certificate.subject
        loaded = load_pem_private_key(key, None)
        if not isinstance(loaded, ec.EllipticCurvePrivateKey):
            raise ValueError("expected an authority that `postshake certs` made")
        authority.key = loaded
        return authority

    @property
    def name(self) -> bytes:
        """Its name in DER, as a request for a certificate gives it."""
        return self._name.public_bytes()

    def trust(self) -> TrustStore:
        """Trust this authority and no other."""
        return TrustStore.from_certificates([self.certificate])

    def certify(self, common_name: str, *, hosts: Iterable[str] = ()) -> Certified:
        """Make a key and certify it: for a server at these hosts, or else for a client."""
        names = [_general_name(host) for host in hosts]
        key = ec.generate_private_key(ec.SECP256R1())
        purpose = ExtendedKeyUsageOID.SERVER_AUTH if names else ExtendedKeyUsageOID.CLIENT_AUTH
        extensions: list[x509.ExtensionType] = [x509.ExtendedKeyUsage([purpose])]
        if names:
            extensions.append(x509.SubjectAlternativeName(names))
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        basic = x509.BasicConstraints(ca=False, path_length=None)
        return Certified(self._sign(subject, key, basic, _usage(ca=False), *extensions), key)

    def revoke(
        self,
        *certificates: x509.Certificate,
        before: x509.CertificateRevocationList | None = None,
    ) -> x509.CertificateRevocationList:
        """Make a revocation list: whom an earlier one has, and these.

        Raises:
            ValueError: a certificate or the earlier list is not of this authority.
        """
        if before is not None and before.issuer != self._name:
            raise ValueError("the list that is there is another authority's")
        now = datetime.now(UTC)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._name)
            .last_update(now - _CLOCK_SKEW)
            .next_update(now + LIST_LIFETIME)
        )
        number = 0
        revoked = {entry.serial_number: entry for entry in before or ()}
        if before is not None:
            number = before.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        for certificate in certificates:
            if certificate.issuer != self._name:
                raise ValueError(
                    f"{certificate.subject.rfc4514_string()} is not of "
                    f"{self._name.rfc4514_string()}, so it is not ours to revoke"
                )
            entry = (
                x509.RevokedCertificateBuilder()
                .serial_number(certificate.serial_number)
                .revocation_date(now - _CLOCK_SKEW)
                .build()
            )
            revoked.setdefault(certificate.serial_number, entry)
        for entry in revoked.values():
            builder = builder.add_revoked_certificate(entry)
        for extension in (
            x509.CRLNumber(number + 1),
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
        ):
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        *extensions: x509.ExtensionType,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _CLOCK_SKEW)
            .not_valid_after(now + LIFETIME)
        )
        for extension in (
            *extensions,
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()),
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
        ):
            critical = isinstance(extension, x509.BasicConstraints | x509.KeyUsage)
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(self.key, hashes.SHA256())


class Folder:
    """A folder with an authority's certificate, a server's and a client's.

    They are made if none of the files is there, or they are about to expire; the
    authority's key is not kept.

    Args:
        path: the folder; it is made if it is not there.
        hosts: what the server's certificate is for.

    Raises:
        UsageError: only some of the files are there, or they cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str], hosts: Iterable[str]) -> None:
        self.path = Path(path)
        self.ca = self.path / "ca.crt"
        self.server = self.path / "server.crt", self.path / "server.key"
        self.client = self.path / "client.crt", self.path / "client.key"
        files = (self.ca, *self.server, *self.client)
        there = [file for file in files if file.exists()]
        if there and len(there) < len(files):
            missing = ", ".join(file.name for file in files if file not in there)
            raise UsageError(
                f"{self.path} has {there[0].name} but not {missing}: nothing is overwritten"
            )
        try:
            if not there or self._expires():
                self._make(hosts)
        except (OSError, ValueError) as error:
            raise UsageError(f"{self.path}: {error}") from error

    def _expires(self) -> bool:
        """Whether what we made earlier has less than a day to live."""
        certificate = x509.load_pem_x509_certificate(self.server[0].read_bytes())
        return certificate.not_valid_after_utc < datetime.now(UTC) + timedelta(days=1)

    def _make(self, hosts: Iterable[str]) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        authority = Authority("postshake test CA")
        self.ca.write_bytes(authority.certificate.public_bytes(Encoding.PEM))
        _write(self.server, authority.certify("postshake test server", hosts=hosts))
        _write(self.client, authority.certify("alice"))


def _write(paths: tuple[Path, Path], made: Certified) -> None:
    certificate, key = paths
    certificate.write_bytes(made.certificate.public_bytes(Encoding.PEM))
    private_file(key, made.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def private_file(path: Path, data: bytes) -> None:
    """Write a file that nobody else may read."""
    with open_private(path, "wb") as file:
        file.write(data)


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )
