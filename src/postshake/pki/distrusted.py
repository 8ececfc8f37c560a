"""Public keys that no path may have, whoever vouches for them.

A last line of defence, for keys that are known to be in wrong hands, while the stores of
trusted roots, systems and images still lead to them. It goes by the key and not by the
certificate, and so holds for every certificate of that key. CPython's `ssl` refuses the same
keys from 3.11.18, 3.12.16, 3.13.18, 3.14.10 and 3.15.2 on; its list is compiled in and cannot
be asked for, so this one serves every Python.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable
from typing import Final

from ..errors import DistrustedKey

__all__ = ["DISTRUSTED_KEYS", "check_keys"]

DISTRUSTED_KEYS: Final = frozenset(
    bytes.fromhex(digest)
    for digest in (
        # intermediates of eMudhra's whose private keys anybody can guess (CVE-2026-115557)
        "43bffa19d6ef651451f6841e019931e96f6f2eaeff28ab4b6f1ce4576de2717b",
        "49dd353dc2b919a3770645117d0e60c16115e7d1bc259eefe734b00ea434fe5f",
        "5c0660a2b164910d8ff589c18e14552e9e0ec237dcefe2cb736d41a4811f81a0",
        "63ecefee431d49523bc1136c4e72d0206a477086caf606cd5cf025686c109cf8",
        "92c063d67e8f14db71d288e11266ffdaf69cbf115f7bab14f3bc2f68d25e0e30",
        "e0254c7fcdc265e2f0f8a428dabb75ab4ae039b4872d62f5ee57f0877d5a8a41",
        "ebed6475c2c2d80fcb199f3fe8dd6e6b3ce60b77eb15d4e42c3dec0c6f5b5105",
        "ec4ffa1ad0ac88081314b7aaffef6a91f97cd57291bb5ba686c5415f5eb4f6b6",
    )
)
"""SHA-256 of each key's SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7), DER."""


def check_keys(keys: Iterable[bytes], distrusted: Container[bytes]) -> None:
    """Check that no key of a path is distrusted.

    Args:
        keys: their SubjectPublicKeyInfo, DER.
        distrusted: SHA-256 digests of what is distrusted.

    Raises:
        DistrustedKey: one is.
    """
    for key in keys:
        digest = hashlib.sha256(key).digest()
        if digest in distrusted:
            raise DistrustedKey(f"certificate rejected: its key {digest.hex()} is compromised")
