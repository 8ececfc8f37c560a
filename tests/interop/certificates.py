"""The files that the real peers are started with: one CA, a server, some clients."""

from __future__ import annotations

import ipaddress
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import ExtendedKeyUsageOID as Purpose
from cryptography.x509.oid import NameOID

from tests.requirements import require

__all__ = ["PASSWORD", "Certificates", "Who", "nss_database"]

PASSWORD = "pw"
"""Of the PKCS#12 files, which NSS insists on."""

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Who:
    """Somebody with a certificate and a key, in files."""

    name: str
    """The common name."""
    certificate: Path
    key: Path
    pkcs12: Path

    @property
    def pem(self) -> bytes:
        return self.certificate.read_bytes()


class Certificates:
    """Everything that a test's programs need, made once per session."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ca = _Issuer("Peers CA", folder / "ca.crt")
        self._rogue_ca = _Issuer("Rogue CA", folder / "rogue-ca.crt")
        self.ca = self._ca.path
        """The authority that everybody trusts."""
        self.server = self._issue(self._ca, "localhost", Purpose.SERVER_AUTH)
        self.server_rsa = self._issue(
            self._ca, "localhost", Purpose.SERVER_AUTH, rsa_key=True, file="localhost-rsa"
        )
        self.server_rsa_signing = self._issue(
            self._ca,
            "localhost",
            Purpose.SERVER_AUTH,
            rsa_key=True,
            file="localhost-rsa-signing",
            encipher=False,
        )
        """May sign and nothing else, which is all that TLS 1.3 needs."""
        self.alice = self._issue(self._ca, "alice", Purpose.CLIENT_AUTH)
        """P-256."""
        self.alice_rsa = self._issue(self._ca, "alice-rsa", Purpose.CLIENT_AUTH, rsa_key=True)
        """RSA 2048, and like many client certificates without a subjectAltName."""
        self.mallory = self._issue(self._rogue_ca, "mallory", Purpose.CLIENT_AUTH)
        """From an authority that nobody trusts."""

    def revoke(self, openssl: str, *revoked: Who) -> Path:
        """Let OpenSSL write a list in the authority's name, with these in it."""
        folder = self.folder / f"revoking-{'-'.join(who.name for who in revoked)}"
        folder.mkdir()
        (folder / "ca.key").write_bytes(self._ca.key_pem())
        (folder / "index").write_text("")
        (folder / "number").write_text("01")
        (folder / "conf").write_text(
            f"[ca]\ndefault_ca = this\n[this]\ndatabase = {folder}/index\n"
            f"crlnumber = {folder}/number\ndefault_md = sha256\ndefault_crl_days = 1\n"
        )
        base = [openssl, "ca", "-config", f"{folder}/conf", "-cert", str(self.ca)]
        base += ["-keyfile", f"{folder}/ca.key"]
        steps = [
            ["-revoke", str(who.certificate), "-crl_reason", "keyCompromise"] for who in revoked
        ]
        for step in [*steps, ["-gencrl", "-out", f"{folder}/crl.pem"]]:
            subprocess.run([*base, *step], check=True, capture_output=True, timeout=60)
        return folder / "crl.pem"

    def with_its_ca(self, who: Who) -> Who:
        """Somebody who shows the authority's certificate too: a chain of two."""
        path = self.folder / f"{who.certificate.stem}-chain.crt"
        path.write_bytes(who.pem + self.ca.read_bytes())
        return replace(who, certificate=path)

    def _issue(
        self,
        ca: _Issuer,
        name: str,
        purpose: x509.ObjectIdentifier,
        *,
        rsa_key: bool = False,
        file: str = "",
        encipher: bool = True,
    ) -> Who:
        key: Key = rsa.generate_private_key(65537, 2048) if rsa_key else _p256()
        names: Sequence[x509.GeneralName] = [x509.RFC822Name(f"{name}@example.org")]
        if purpose is Purpose.SERVER_AUTH:
            loopback = ipaddress.ip_address("127.0.0.1")
            names = [x509.DNSName("localhost"), x509.IPAddress(loopback)]
        elif rsa_key:
            names = []
        certificate = ca.issue(key, name, purpose, names, rsa_key and encipher)
        files = [self.folder / f"{file or name}.{ending}" for ending in ("crt", "key", "p12")]
        bundle = pkcs12.serialize_key_and_certificates(
            name.encode(), key, certificate, None, BestAvailableEncryption(PASSWORD.encode())
        )
        for path, data in zip(files, (_pem(certificate), _key_pem(key), bundle), strict=True):
            path.write_bytes(data)
        return Who(name, *files)

    @cached_property
    def nss(self) -> str:
        """An NSS database with the CA and everybody in it, by nickname."""
        return self._nss("nss", self.server, self.alice, self.alice_rsa, self.mallory)

    @cached_property
    def nss_rsa(self) -> str:
        """Another for the server with an RSA key: NSS has one nickname for one name."""
        return self._nss("nss-rsa", self.server_rsa)

    def _nss(self, name: str, *everybody: Who) -> str:
        folder = self.folder / name
        # T: may issue client certificates
        return nss_database(folder, self.ca, "CT,C,", *everybody)


def nss_database(folder: Path, ca: Path, trusted: str, *everybody: Who) -> str:
    """Make a database for NSS, with an authority that is trusted so, and these in it."""
    certutil, pk12util = require("certutil", "pk12util"), require("pk12util")
    folder.mkdir(exist_ok=True)
    database = f"sql:{folder}"

    def run(*arguments: str | Path) -> None:
        subprocess.run(arguments, check=True, capture_output=True, timeout=60)

    run(certutil, "-N", "-d", database, "--empty-password")
    run(certutil, "-A", "-d", database, "-n", "ca", "-t", trusted, "-i", ca)
    for who in everybody:
        run(pk12util, "-i", who.pkcs12, "-d", database, "-W", PASSWORD, "-K", "")
    return database


class _Issuer:
    """A root certificate and its key; only the certificate becomes a file."""

    def __init__(self, name: str, path: Path) -> None:
        self._key = _p256()
        self._name = _common_name(name)
        self.path = path
        builder = _builder(self._name, self._name, self._key)
        usage = _usage(key_cert_sign=True, crl_sign=True)
        builder = builder.add_extension(x509.BasicConstraints(True, None), critical=True)
        builder = builder.add_extension(usage, critical=True)
        self._certificate = builder.sign(self._key, hashes.SHA256())
        path.write_bytes(_pem(self._certificate))

    def key_pem(self) -> bytes:
        return _key_pem(self._key)

    def issue(
        self,
        key: Key,
        name: str,
        purpose: x509.ObjectIdentifier,
        alternative_names: Sequence[x509.GeneralName],
        encipher: bool,
    ) -> x509.Certificate:
        builder = _builder(_common_name(name), self._name, key)
        issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(False, None), critical=True)
        usage = _usage(digital_signature=True, key_encipherment=encipher)
        builder = builder.add_extension(usage, critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        builder = builder.add_extension(issuer_key, critical=False)
        if alternative_names:
            san = x509.SubjectAlternativeName(alternative_names)
            builder = builder.add_extension(san, critical=False)
        return builder.sign(self._key, hashes.SHA256())


def _builder(subject: x509.Name, issuer: x509.Name, key: Key) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    public = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _usage(**set_bits: bool) -> x509.KeyUsage:
    bits = dict.fromkeys(
        (
            "digital_signature",
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "key_cert_sign",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    return x509.KeyUsage(**(bits | set_bits))


def _common_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _p256() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def _key_pem(key: Key) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
