"""``postshake certs``: an authority, a server's certificate and clients', for trying out."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)

from ..errors import UsageError
from .authority import Authority, Certified, private_file

__all__ = ["EPILOG", "add_arguments", "run"]

T = TypeVar("T")

EPILOG = """\
The folder gets ca.crt and ca.key, and for each name its .crt and .key; for clients a .p12
as well, which browsers import. Files that are there already stay, so that further names can
be added to an authority later. These certificates are for trying out: keys lie there unencrypted.

A revocation list, ca.crl, is made when it is asked for, and is good for a week; it is the only
file that is written again, with everybody who was in it before.

examples:
  postshake certs tls --server localhost --server 127.0.0.1 --client alice --client bob
  postshake certs tls --client carol --password-file p12.password
  postshake certs tls --revoke bob

"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.set_defaults(run=run)
    parser.add_argument("folder", metavar="FOLDER", help="where the files are put")
    parser.add_argument("--ca", metavar="NAME", default="postshake test CA", help="its name")
    parser.add_argument(
        "--server",
        metavar="HOST",
        action="append",
        default=[],
        help="one certificate for a server, good for this host; repeatable",
    )
    parser.add_argument(
        "--client",
        metavar="NAME",
        action="append",
        default=[],
        help="a certificate for a client of this name; repeatable",
    )
    parser.add_argument(
        "--revoke",
        metavar="NAME",
        action="append",
        default=[],
        help="put the certificate of this client into the revocation list; repeatable",
    )
    parser.add_argument(
        "--crl", action="store_true", help="make the revocation list, or a fresh one, all the same"
    )
    parser.add_argument(
        "--password-file",
        metavar="FILE",
        help='its first line protects the .p12 files (the password is "postshake" otherwise)',
    )
    parser.add_argument("--json", action="store_true", help="tell what was made as JSON")


def run(options: argparse.Namespace) -> int:
    """Make what is not there yet."""
    folder = Path(options.folder)
    password = b"postshake"
    try:
        if options.password_file is not None:
            lines = Path(options.password_file).read_bytes().splitlines()
            password = lines[0] if lines else b""
        if not password:
            raise UsageError("the password is empty: no browser imports a .p12 without one")
        folder.mkdir(parents=True, exist_ok=True)
        made = _make(folder, options, password)
    except OSError as error:
        raise UsageError(f"{error.filename or folder}: {error.strerror or error}") from error
    if options.json:
        json.dump(made, sys.stdout, indent=2)
        print()
        return 0
    for each in made:
        print(f"{each['subject']:<40} {', '.join(each['files'])}")
    if not made:
        print("everything was there already")
    return 0


def _make(folder: Path, options: argparse.Namespace, password: bytes) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    authority = _authority(folder, options.ca, made)
    if options.server:
        paths = folder / "server.crt", folder / "server.key"
        if not _are_there(paths):
            issued = authority.certify(options.server[0], hosts=options.server)
            _write(paths, issued)
            made.append(_told(issued.certificate, paths))
    for name in options.client:
        stem = _file_name(name)
        paths = folder / f"{stem}.crt", folder / f"{stem}.key"
        if _are_there(paths):
            continue
        issued = authority.certify(name)
        _write(paths, issued)
        bundle = folder / f"{stem}.p12"
        private_file(
            bundle,
            pkcs12.serialize_key_and_certificates(
                name.encode(),
                issued.key,
                issued.certificate,
                [authority.certificate],
                BestAvailableEncryption(password),
            ),
        )
        made.append(_told(issued.certificate, (*paths, bundle)))
    if options.revoke or options.crl:
        made.append(_revoke(folder, authority, options.revoke))
    return made


def _revoke(folder: Path, authority: Authority, names: list[str]) -> dict[str, Any]:
    path = folder / "ca.crl"
    certificates = []
    for name in names:
        certificate = folder / f"{_file_name(name)}.crt"
        certificates.append(_read(certificate, x509.load_pem_x509_certificate))
    before = _read(path, x509.load_pem_x509_crl) if path.exists() else None
    try:
        made = authority.revoke(*certificates, before=before)
    except (ValueError, x509.ExtensionNotFound) as error:
        raise UsageError(f"{path}: {error}") from error
    path.write_bytes(made.public_bytes(Encoding.PEM))
    return {
        "subject": f"revoked: {len(made)}",
        "fingerprint": made.fingerprint(hashes.SHA256()).hex(),
        "not_after": (made.next_update_utc or datetime.now(UTC)).isoformat(),
        "files": [str(path)],
    }


def _read(path: Path, load: Callable[[bytes], T]) -> T:
    try:
        return load(path.read_bytes())
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from error


def _authority(folder: Path, name: str, made: list[dict[str, Any]]) -> Authority:
    paths = folder / "ca.crt", folder / "ca.key"
    if _are_there(paths):
        try:
            authority = Authority.load(*(path.read_bytes() for path in paths))
        except ValueError as error:
            raise UsageError(f"{paths[0]}: {error}") from error
        if authority.certificate.not_valid_after_utc < datetime.now(UTC):
            raise UsageError(f"{paths[0]} has expired: use another folder")
        return authority
    authority = Authority(name)
    _write(paths, Certified(authority.certificate, authority.key))
    made.append(_told(authority.certificate, paths))
    return authority


def _are_there(paths: tuple[Path, ...]) -> bool:
    there = [path for path in paths if path.exists()]
    if there and len(there) < len(paths):
        raise UsageError(f"{there[0]} is there and its partner is not: nothing is overwritten")
    return bool(there)


def _file_name(name: str) -> str:
    stem = "".join(each if each.isalnum() or each in "-_." else "_" for each in name).strip(".")
    if not stem or stem in ("ca", "server"):
        raise UsageError(f"{name!r} is no name for a client's files")
    return stem


def _write(paths: tuple[Path, Path], issued: Certified) -> None:
    paths[0].write_bytes(issued.certificate.public_bytes(Encoding.PEM))
    key = issued.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    private_file(paths[1], key)


def _told(certificate: x509.Certificate, paths: tuple[Path, ...]) -> dict[str, Any]:
    return {
        "subject": certificate.subject.rfc4514_string(),
        "fingerprint": certificate.fingerprint(hashes.SHA256()).hex(),
        "not_after": certificate.not_valid_after_utc.isoformat(),
        "files": [str(path) for path in paths],
    }
