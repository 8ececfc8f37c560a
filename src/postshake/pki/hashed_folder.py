"""Folders of certificates and revocation lists as OpenSSL looks things up in them.

A file is named by the hash of a name, the subject of a certificate or the issuer of a list, and
a number: ``5ed36f99.0``, ``5ed36f99.r0`` (X509_LOOKUP_hash_dir(3)). Numbers begin at 0, and none
is left out. What has another name is not looked at, so that a file may lie there without being
trusted: a key, a copy, a root that was taken out of use.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import NamedTuple

from .der import elements, sequence, text

__all__ = ["HashedFile", "hashed_files", "name_hash"]

_NAMED = re.compile(r"([0-9a-f]{8})\.(r?)0")
_SPACES = re.compile(r"[\t\n\v\f\r ]+")
# the types whose letters are compared (ASN1_MASK_CANON); NumericString is not one of them
_LETTERED = frozenset({0x0C, 0x13, 0x14, 0x16, 0x1A, 0x1C, 0x1E})
_VISIBLE, _IA5 = 0x1A, 0x16


class HashedFile(NamedTuple):
    """A file whose name says what it is for."""

    path: Path
    hash: int
    """Of the subject of each certificate, or of the issuer of each list, that counts."""
    is_list: bool
    """Whether it is for revocation lists."""


def hashed_files(places: str | os.PathLike[str]) -> Iterator[HashedFile]:
    """Find the files that OpenSSL could look up, in order of their names.

    Args:
        places: a folder, or several with `os.pathsep` between them. Those that are not there,
            or cannot be read, are passed over.
    """
    for folder in dict.fromkeys(os.fspath(places).split(os.pathsep)):
        try:
            names = frozenset(os.listdir(folder)) if folder else frozenset()
        except OSError:
            continue
        for name in sorted(names):
            first = _NAMED.fullmatch(name)
            if first is None:
                continue
            for number in count():
                path = Path(folder, f"{name[:-1]}{number}")
                if path.name not in names or not path.is_file():  # a pipe would have us wait
                    break
                yield HashedFile(path, int(first[1], 16), bool(first[2]))


def name_hash(name: bytes) -> int:
    """Return OpenSSL's hash of a distinguished name, DER (X509_NAME_hash).

    It is of the name made comparable: in UTF-8, in small letters of ASCII, without blanks
    before, behind and in rows, and without the header of the whole.

    Raises:
        ValueError: it is no name, or has letters that its types have not.
    """
    canonical = b"".join(
        _tlv(0x31, b"".join(sorted(_attribute(name, *pair) for pair in elements(name, at, end))))
        for _, _, at, end in sequence(name)
    )
    digest = hashlib.sha1(canonical, usedforsecurity=False).digest()
    return int.from_bytes(digest[:4], "little")


def _attribute(name: bytes, tag: int, start: int, at: int, end: int) -> bytes:
    """Make an AttributeTypeAndValue comparable."""
    kind, value = elements(name, at, end)
    content = name[value[2] : value[3]]
    shown = name[value[1] : value[3]]
    if value[0] in _LETTERED:
        letters = text(_IA5 if value[0] == _VISIBLE else value[0], content)
        encoded = _SPACES.sub(" ", letters).strip(" ").encode()
        shown = _tlv(0x0C, encoded.lower())  # of bytes: ASCII alone has small letters here
    return _tlv(0x30, name[kind[1] : kind[3]] + shown)


def _tlv(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content
