"""Certificates and revocation lists in the files that a context is told of: PEM and DER."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import Any

from ..pki.der import certificate_fields, list_issuer
from ..pki.hashed_folder import hashed_files, name_hash
from ..pki.pem import pem_blocks

__all__ = [
    "CERTIFICATES",
    "blocks_of",
    "certificates_in",
    "read_certificates",
    "read_hashed",
    "read_pipe",
    "split_der",
]

CERTIFICATES = (b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE")
"""The labels of certificates."""


def read_pipe(path: Any) -> bytes | None:
    """Read what can be read once only: a named pipe, or that of ``/dev/fd/3``.

    Returns:
        None for whatever else the path names, or is.
    """
    try:
        mode = os.stat(path).st_mode if isinstance(path, (str, bytes, os.PathLike)) else 0
    except (OSError, ValueError):
        return None  # who opens it says what is wrong
    if not stat.S_ISFIFO(mode):
        return None
    with open(path, "rb") as file:
        return file.read()


def blocks_of(data: bytes, *, strict: bool = True) -> list[tuple[bytes, bytes]]:
    """Return the PEM blocks in a file, or the certificates in DER, as kind and content."""
    blocks = [(block.label, block.content) for block in pem_blocks(data)]
    if not blocks and strict:
        return [(b"CERTIFICATE", der) for der in split_der(data)]
    return blocks


def read_certificates(path: str | os.PathLike[str]) -> list[bytes]:
    """Return the certificates in a PEM file, DER; none if it cannot be read."""
    try:
        data = Path(path).read_bytes()
    except OSError:
        return []
    return certificates_in(data)


def certificates_in(data: bytes) -> list[bytes]:
    """Return the certificates in PEM text, DER."""
    return [der for kind, der in blocks_of(data, strict=False) if kind in CERTIFICATES]


def read_hashed(places: str) -> tuple[list[bytes], list[bytes]]:
    """Return the certificates and revocation lists that OpenSSL would find in directories, DER.

    What lies in a file that is named for somebody else is passed over, and what cannot be read.
    """
    certificates: list[bytes] = []
    lists: list[bytes] = []
    for file in hashed_files(places):
        try:
            data = file.path.read_bytes()
        except OSError:
            continue
        for kind, der in blocks_of(data, strict=False):
            with contextlib.suppress(ValueError, IndexError):
                if (
                    file.is_list
                    and kind == b"X509 CRL"
                    and name_hash(list_issuer(der)) == file.hash
                ):
                    lists.append(der)
                elif not file.is_list and kind in CERTIFICATES:
                    if name_hash(certificate_fields(der).subject) == file.hash:
                        certificates.append(der)
    return certificates, lists


def split_der(data: bytes) -> list[bytes]:
    """Split certificates in DER that stand one after the other, in linear time."""
    found = []
    at, size = 0, len(data)
    while at + 1 < size:
        length, inner = data[at + 1], at + 2
        if length & 0x80:
            inner += length & 0x7F
            length = int.from_bytes(data[at + 2 : inner], "big")
        found.append(data[at : inner + length])
        at = inner + length
    return found
