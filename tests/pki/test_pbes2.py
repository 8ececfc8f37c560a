"""Encryption with a password, undone: what OpenSSL made, and what we make of the RFC."""

from __future__ import annotations

import os

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.hazmat.primitives.padding import PKCS7

from postshake.pki.pbes2 import decrypt_key
from tests.vectors.rfc9881 import BOTH, ENCRYPTED, PASSWORD, tlv

PBES2 = bytes.fromhex("06092a864886f70d01050d")
PBKDF2 = bytes.fromhex("06092a864886f70d01050c")
NULL = b"\x05\x00"
SALT, VECTOR = bytes(range(16)), bytes(range(16, 32))
HMACS = {
    "sha1": (hashes.SHA1(), 7),
    "sha224": (hashes.SHA224(), 8),
    "sha256": (hashes.SHA256(), 9),
    "sha384": (hashes.SHA384(), 10),
    "sha512": (hashes.SHA512(), 11),
}
AES = {16: 2, 24: 22, 32: 42}


def number(value: int) -> bytes:
    return tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def encrypted(
    plain: bytes,
    *,
    hmac: str | None = "sha256",
    length: int = 32,
    iterations: bytes = number(5),
    derivation: bytes = PBKDF2,
    cipher_arc: int | None = None,
    vector: bytes = VECTOR,
    scheme: bytes = PBES2,
) -> bytes:
    """Encrypt by RFC 8018, with what may be wrong about it; no ``hmac`` is its default."""
    algorithm, arc = HMACS[hmac or "sha1"]
    key = PBKDF2HMAC(algorithm, length, SALT, 5).derive(PASSWORD)
    padder = PKCS7(128).padder()
    cipher = Cipher(algorithms.AES(key), modes.CBC(VECTOR)).encryptor()
    data = cipher.update(padder.update(plain) + padder.finalize()) + cipher.finalize()
    prf = tlv(0x30, tlv(0x06, bytes.fromhex("2a864886f70d02") + bytes([arc])) + NULL)
    parameters = tlv(0x30, tlv(0x04, SALT) + iterations + (prf if hmac else b""))
    aes = tlv(0x06, bytes.fromhex("60864801650304 01") + bytes([cipher_arc or AES[length]]))
    both = tlv(0x30, tlv(0x30, derivation + parameters) + tlv(0x30, aes + tlv(0x04, vector)))
    return tlv(0x30, tlv(0x30, scheme + both) + tlv(0x04, data))


@pytest.mark.parametrize("derivation", sorted(ENCRYPTED))
def test_what_openssl_encrypted(derivation):
    assert decrypt_key(ENCRYPTED[derivation], PASSWORD) == BOTH["ML-DSA-44"]


@pytest.mark.parametrize("length", sorted(AES))
@pytest.mark.parametrize("hmac", [None, *HMACS])
def test_every_hash_and_length(hmac, length):
    plain = os.urandom(100)
    assert decrypt_key(encrypted(plain, hmac=hmac, length=length), PASSWORD) == plain


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"scheme": PBKDF2}, "expected PBES2"),
        ({"derivation": PBES2}, "expected PBKDF2 or scrypt"),
        ({"cipher_arc": 1}, "expected AES-CBC"),
        ({"vector": b"short"}, "initialization vector|IV"),
        ({"iterations": b""}, "expected PBKDF2 or scrypt"),
        ({"iterations": number(0)}, "."),
        ({"iterations": tlv(0x02, b"\xff")}, "not negative"),
        ({"iterations": tlv(0x02, b"\x7f" * 40)}, "cannot be used"),
    ],
    ids=str,
)
def test_what_is_not_known_or_not_possible(change, text):
    with pytest.raises(ValueError, match=text):
        decrypt_key(encrypted(b"plain", **change), PASSWORD)


def test_no_prefix_decrypts():
    whole = encrypted(b"plain")
    for length in range(len(whole)):
        with pytest.raises(ValueError):  # noqa: PT011 - whatever the text
            decrypt_key(whole[:length], PASSWORD)
