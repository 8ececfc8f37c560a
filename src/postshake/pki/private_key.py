"""Private keys as they stand in files: PKCS #8 and what came before it, encrypted or not.

``cryptography`` reads nearly all of them. Beside it there is here what OpenSSL reads too: PKCS #8
under the label of an older form, and Camellia. Of the three forms that RFC 9881 gives an
ML-DSA key it reads one, the seed; OpenSSL writes the one with seed and expanded key.
So what it refuses is looked at once more here, and the seed taken out. An expanded key
alone has no seed in it any more, and nothing below us signs with one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key

from ..errors import UnsupportedKey, UsageError
from .dek_info import decrypt_pem
from .elements import OCTET_STRING, Element, elements
from .pbes2 import UnknownScheme, decrypt_key
from .pem import PemBlock, pem_blocks

__all__ = ["ML_DSA", "Password", "ask_password", "load_private_key", "read_pkcs8"]

Password = bytes | str | Callable[[], bytes | str] | None
"""A password, or who to ask for it; asked only when a key turns out to be encrypted."""


def load_private_key(data: bytes, password: Password, where: str) -> PrivateKeyTypes:
    """Read the first private key of PEM text, in which other blocks may stand, or of DER.

    Args:
        data: the content of a file.
        password: for a key that is encrypted.
        where: what the data are, for error texts.

    Raises:
        UnsupportedKey: there is one, and it cannot be used.
        UsageError: there is none that can be read, or it is encrypted and the password
            is missing or wrong.
    """
    load = load_pem_private_key if b"-----BEGIN" in data else load_der_private_key
    try:
        return load(data, None)
    except TypeError:
        pass  # encrypted
    except (ValueError, UnsupportedAlgorithm) as error:
        key = _read_plain(_first_key(data), where)
        if key is None:
            raise UsageError(f"{where}: no private key that can be read") from error
        return key
    secret = ask_password(password)
    if secret is None:
        raise UsageError(f"{where}: the private key is encrypted and no password was given")
    try:
        return load(data, secret)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        pass
    key = _read_encrypted(_first_key(data), secret, where)
    if key is None:
        raise UsageError(f"{where}: the private key is damaged, or the password wrong")
    return key


def ask_password(password: Password) -> bytes | None:
    """Return a password, asking for it if need be."""
    if callable(password):
        password = password()
    return password.encode() if isinstance(password, str) else password


def read_pkcs8(der: bytes) -> PrivateKeyTypes:
    """Read an ML-DSA key, in any form that has its seed (RFC 9881 section 6).

    Args:
        der: a OneAsymmetricKey (RFC 5958 section 2).

    Raises:
        ValueError: it is no such key, or is damaged.
        UnsupportedKey: it is one, and cannot be used; the text says why.
    """
    (whole,) = elements(der)
    _, algorithm, private_key, *_ = whole.parts()
    oid, parameters = algorithm.algorithm()
    kind = ML_DSA.get(oid)
    if kind is None or parameters:
        raise ValueError(f"not an ML-DSA key: its algorithm is {oid}")
    (choice,) = private_key.parts(OCTET_STRING)
    seed, expanded = _parts(choice, kind)
    if seed is None:
        raise UnsupportedKey(
            f"an {kind.name} private key as expandedKey alone (RFC 9881, 6): expected one with "
            "its seed, from which `cryptography` signs, and which cannot be computed from it"
        )
    key: PrivateKeyTypes = _make(kind, seed)
    if expanded is not None and not _belong_together(key, seed, expanded, kind):
        raise UnsupportedKey(
            f"an {kind.name} private key whose seed and expandedKey are of different keys "
            "(RFC 9881, 8.2)"
        )
    return key


class _MlDsa(NamedTuple):
    """A parameter set (FIPS 204 section 4)."""

    name: str
    matrix: bytes
    """k and l, as key generation hashes them."""
    expanded: int
    """Octets of an expanded key."""


ML_DSA: Final = {
    "2.16.840.1.101.3.4.3.17": _MlDsa("ML-DSA-44", b"\x04\x04", 2560),
    "2.16.840.1.101.3.4.3.18": _MlDsa("ML-DSA-65", b"\x06\x05", 4032),
    "2.16.840.1.101.3.4.3.19": _MlDsa("ML-DSA-87", b"\x08\x07", 4896),
}
"""By the object identifier of the algorithm."""
_SEED: Final = 32


def _parts(choice: Element, kind: _MlDsa) -> tuple[bytes | None, bytes | None]:
    """Take seed and expanded key out of an ML-DSA-PrivateKey (RFC 9881 section 6)."""
    seed = expanded = None
    if choice.tag == 0x80:
        seed = choice.content
    elif choice.tag == OCTET_STRING:
        expanded = choice.content
    else:
        first, second = choice.parts()
        seed, expanded = first.expect(OCTET_STRING), second.expect(OCTET_STRING)
    if seed is not None and len(seed) != _SEED:
        raise ValueError(f"expected a seed of {_SEED} octets, got {len(seed)}")
    if expanded is not None and len(expanded) != kind.expanded:
        raise ValueError(f"expected an expandedKey of {kind.expanded} octets, got {len(expanded)}")
    return seed, expanded


def _make(kind: _MlDsa, seed: bytes) -> Any:
    try:  # newer than the oldest cryptography we work with
        from cryptography.hazmat.primitives.asymmetric import mldsa

        return getattr(mldsa, f"{kind.name.replace('-', '')}PrivateKey").from_seed_bytes(seed)
    except (ImportError, UnsupportedAlgorithm) as error:
        raise UnsupportedKey(
            f"an {kind.name} private key, which this version of `cryptography` cannot use"
        ) from error


def _belong_together(key: Any, seed: bytes, expanded: bytes, kind: _MlDsa) -> bool:
    """Whether an expanded key begins as the seed's does: with rho, K and tr (FIPS 204, 6.1)."""
    public: bytes = key.public_key().public_bytes_raw()
    drawn = hashlib.shake_256(seed + kind.matrix).digest(128)
    return expanded[:128] == drawn[:32] + drawn[96:] + hashlib.shake_256(public).digest(64)


_PKCS8: Final = b"PRIVATE KEY"
_ENCRYPTED: Final = b"ENCRYPTED PRIVATE KEY"
_OLDER: Final = {
    b"RSA PRIVATE KEY": rsa.RSAPrivateKey,
    b"EC PRIVATE KEY": ec.EllipticCurvePrivateKey,
}
"""Labels of the forms before PKCS #8, under which OpenSSL reads that too, if the kind is right."""


def _first_key(data: bytes) -> PemBlock | None:
    """Return a file's first key, not encrypted or encrypted; None without one."""
    if b"-----BEGIN" not in data:
        return PemBlock(b"", {}, data)
    return next((block for block in pem_blocks(data) if block.label.endswith(_PKCS8)), None)


def _read_plain(block: PemBlock | None, where: str) -> PrivateKeyTypes | None:
    """Read a key that ``cryptography`` did not; None if it is nothing that is read here."""
    if block is None or block.headers:
        return None
    if block.label in _OLDER:
        key = _load(block.content)
        return key if isinstance(key, _OLDER[block.label]) else None
    if block.label in (b"", _PKCS8):
        return _read_ml_dsa(block.content, where)
    return None


def _read_encrypted(block: PemBlock | None, password: bytes, where: str) -> PrivateKeyTypes | None:
    """Decrypt a key that ``cryptography`` did not, or did not read; None if it cannot be."""
    if block is None:
        return None
    try:
        if block.headers:
            return _load(decrypt_pem(block, password))
        if block.label not in (b"", _ENCRYPTED):
            return None
        plain = decrypt_key(block.content, password)
    except UnknownScheme as error:
        raise UnsupportedKey(f"{where}: the private key is encrypted: {error}") from error
    except ValueError:
        return None
    return _load(plain) or _read_ml_dsa(plain, where)


def _load(der: bytes) -> PrivateKeyTypes | None:
    try:
        return load_der_private_key(der, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None


def _read_ml_dsa(der: bytes, where: str) -> PrivateKeyTypes | None:
    try:
        return read_pkcs8(der)
    except ValueError:
        return None
    except UnsupportedKey as error:
        raise UnsupportedKey(f"{where}: {error}") from error
