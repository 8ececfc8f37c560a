"""Encryption with a password (PBES2, RFC 8018 section 6.2), undone.

For keys that ``cryptography`` decrypts and then cannot read, or does not decrypt. It has the
primitives; the schemes are those that OpenSSL and GnuTLS write: PBKDF2 or scrypt, and AES or
Camellia in CBC mode. Nothing below us has ARIA.
"""

from __future__ import annotations

import warnings
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import (
    BlockCipherAlgorithm,
    Cipher,
    algorithms,
    modes,
)
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.padding import PKCS7

from .elements import INTEGER, OCTET_STRING, SEQUENCE, Element, elements

__all__ = ["UnknownScheme", "camellia", "decrypt", "decrypt_key"]

_PBES2: Final = "1.2.840.113549.1.5.13"
_PBKDF2: Final = "1.2.840.113549.1.5.12"
_SCRYPT: Final = "1.3.6.1.4.1.11591.4.11"
_HMAC_SHA1: Final = "1.2.840.113549.2.7"  # the default of RFC 8018, A.2
_HMACS: Final[dict[str, hashes.HashAlgorithm]] = {
    _HMAC_SHA1: hashes.SHA1(),
    "1.2.840.113549.2.8": hashes.SHA224(),
    "1.2.840.113549.2.9": hashes.SHA256(),
    "1.2.840.113549.2.10": hashes.SHA384(),
    "1.2.840.113549.2.11": hashes.SHA512(),
}
_AES_CBC: Final = {
    "2.16.840.1.101.3.4.1.2": 16,
    "2.16.840.1.101.3.4.1.22": 24,
    "2.16.840.1.101.3.4.1.42": 32,
}
_CAMELLIA_CBC: Final = {
    "1.2.392.200011.61.1.1.1.2": 16,
    "1.2.392.200011.61.1.1.1.3": 24,
    "1.2.392.200011.61.1.1.1.4": 32,
}
_OTHERS: Final = {
    "1.2.410.200046.1.1.2": "ARIA-128-CBC",
    "1.2.410.200046.1.1.7": "ARIA-192-CBC",
    "1.2.410.200046.1.1.12": "ARIA-256-CBC",
}


class UnknownScheme(ValueError):
    """Something was encrypted by what cannot be had here; the text names it."""


def camellia(key: bytes) -> BlockCipherAlgorithm:
    """Make the cipher of RFC 3713, which ``cryptography`` keeps where old ones are.

    Raises:
        UnsupportedAlgorithm: it is not there any more.
    """
    try:
        from cryptography.hazmat.decrepit.ciphers.algorithms import Camellia

        return Camellia(key)
    except ImportError:  # before it went there
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            older = getattr(algorithms, "Camellia", None)
    if older is None:
        raise UnsupportedAlgorithm("Camellia is not supported")
    made: BlockCipherAlgorithm = older(key)
    return made


def decrypt_key(der: bytes, password: bytes) -> bytes:
    """Decrypt an EncryptedPrivateKeyInfo (RFC 5958 section 3).

    Raises:
        UnknownScheme: it is encrypted by what is not there.
        ValueError: it is damaged, or the password is wrong.
    """
    (whole,) = elements(der)
    algorithm, data = whole.parts()
    return decrypt(algorithm, data.expect(OCTET_STRING), password)


def decrypt(algorithm: Element, data: bytes, password: bytes) -> bytes:
    """Decrypt data.

    Args:
        algorithm: the AlgorithmIdentifier that says how they were encrypted.
        data: the data.
        password: the password, in UTF-8.

    Raises:
        UnknownScheme: there is no such scheme here.
        ValueError: the parameters are damaged, or the password is wrong.
    """
    oid, parameters = algorithm.algorithm()
    if oid != _PBES2:
        raise UnknownScheme(f"expected PBES2, got {oid}")
    (both,) = parameters
    derivation, encryption = both.parts()
    cipher, parameters = encryption.algorithm()
    make, sizes = (
        (camellia, _CAMELLIA_CBC) if cipher in _CAMELLIA_CBC else (algorithms.AES, _AES_CBC)
    )
    if cipher not in sizes:
        raise UnknownScheme(f"expected AES-CBC or Camellia-CBC, got {_OTHERS.get(cipher, cipher)}")
    (vector,) = parameters
    try:
        key = _derive(derivation, sizes[cipher], password)
        opened = Cipher(make(key), modes.CBC(vector.expect(OCTET_STRING))).decryptor()
        unpadder = PKCS7(128).unpadder()
        padded = opened.update(data) + opened.finalize()
        return unpadder.update(padded) + unpadder.finalize()
    except (OverflowError, MemoryError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueError(f"parameters that cannot be used: {error}") from error


def _derive(algorithm: Element, length: int, password: bytes) -> bytes:
    oid, parameters = algorithm.algorithm()
    (all_of_them,) = parameters
    salt, *rest = all_of_them.parts()
    numbers = [each.number() for each in rest if each.tag == INTEGER]
    if oid == _SCRYPT and len(numbers) >= 3:
        cost, block_size, parallelization = numbers[:3]
        scrypt = Scrypt(salt.expect(OCTET_STRING), length, cost, block_size, parallelization)
        return scrypt.derive(password)
    if oid != _PBKDF2 or not numbers:
        raise ValueError(f"expected PBKDF2 or scrypt, got {oid}")
    hmac = _HMAC_SHA1
    for each in rest:
        if each.tag == SEQUENCE:
            hmac = each.algorithm()[0]
    if hmac not in _HMACS:
        raise ValueError(f"expected PBKDF2 with a hash that is known, got {hmac}")
    derived = PBKDF2HMAC(_HMACS[hmac], length, salt.expect(OCTET_STRING), numbers[0])
    return derived.derive(password)
