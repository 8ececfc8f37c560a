"""Private keys of files: ML-DSA's in every form of RFC 9881, and what is said of the others."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import mldsa
from cryptography.hazmat.primitives.serialization import PrivateFormat

from postshake.errors import UnsupportedKey, UsageError
from postshake.pki.private_key import load_private_key, read_pkcs8
from tests.certs import CA, Issued
from tests.vectors import encrypted_keys
from tests.vectors.rfc9881 import (
    BOTH,
    ENCRYPTED,
    PASSWORD,
    SEED,
    expanded_key,
    form,
    pem,
    tlv,
)

SETS = sorted(BOTH)
SECRET = b"correct horse"
EC_KEY = CA("Root").issue("alice")


def seed_of(key: Any) -> bytes:
    return key.private_bytes_raw()


def both(name: str, seed: bytes = SEED, expanded: bytes | None = None) -> bytes:
    expanded = expanded_key(name) if expanded is None else expanded
    return form(name, tlv(0x30, tlv(0x04, seed) + tlv(0x04, expanded)))


@pytest.mark.parametrize("name", SETS)
def test_every_form_that_has_the_seed_is_read(name):
    kind = getattr(mldsa, f"{name.replace('-', '')}PrivateKey")
    assert both(name) == BOTH[name]  # the forms below are made as OpenSSL makes them
    for der in (BOTH[name], form(name, tlv(0x80, SEED))):
        for data in (der, pem("PRIVATE KEY", der), EC_KEY.pem() + pem("PRIVATE KEY", der)):
            key = load_private_key(data, None, "the key")
            assert isinstance(key, kind)
            assert seed_of(key) == SEED
        assert seed_of(read_pkcs8(der)) == SEED


@pytest.mark.parametrize("name", SETS)
def test_an_expanded_key_alone_is_named_in_the_error(name):
    der = form(name, tlv(0x04, expanded_key(name)))
    for data in (der, pem("PRIVATE KEY", der)):
        with pytest.raises(UnsupportedKey, match=f"^a.key: an {name} private key as expandedKey"):
            load_private_key(data, None, "a.key")


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("at", [0, 31, 32, 63, 64, 127], ids=lambda at: f"byte {at}")
def test_the_two_halves_must_be_of_one_key(name, at):
    expanded = bytearray(expanded_key(name))
    expanded[at] ^= 1
    with pytest.raises(UnsupportedKey, match="of different keys"):
        load_private_key(both(name, expanded=bytes(expanded)), None, "a.key")
    with pytest.raises(UnsupportedKey, match="of different keys"):
        load_private_key(both(name, seed=bytes(32)), None, "a.key")


@pytest.mark.parametrize("derivation", sorted(ENCRYPTED))
def test_encrypted_keys(derivation):
    der = ENCRYPTED[derivation]
    for data in (der, pem("ENCRYPTED PRIVATE KEY", der)):
        for password in (PASSWORD, PASSWORD.decode(), lambda: PASSWORD):
            assert seed_of(load_private_key(data, password, "a.key")) == SEED
        with pytest.raises(UsageError, match=r"a\.key: .* encrypted and no password was given"):
            load_private_key(data, None, "a.key")
        with pytest.raises(UsageError, match="damaged, or the password wrong"):
            load_private_key(data, b"wrong", "a.key")


def test_the_password_is_asked_for_once():
    asked = []
    data = pem("ENCRYPTED PRIVATE KEY", ENCRYPTED["pbkdf2"])
    load_private_key(data, lambda: asked.append(1) or PASSWORD, "a.key")
    assert asked == [1]


@pytest.mark.parametrize(
    "choice",
    [
        b"",
        b"\x80",
        tlv(0x80, SEED[:31]),
        tlv(0x80, SEED + b"\0"),
        tlv(0x80, SEED) + b"\0",
        tlv(0x81, SEED),
        tlv(0x04, SEED),
        tlv(0x30, tlv(0x04, SEED)),
        tlv(0x30, tlv(0x80, SEED) + tlv(0x04, expanded_key("ML-DSA-44"))),
        tlv(0x30, tlv(0x04, SEED[:31]) + tlv(0x04, expanded_key("ML-DSA-44"))),
        tlv(0x30, tlv(0x04, SEED) + tlv(0x04, expanded_key("ML-DSA-44")[:-1])),
        tlv(0x30, tlv(0x04, SEED) + tlv(0x04, expanded_key("ML-DSA-44")) + b"\x05\0"),
    ],
    ids=lambda choice: choice[:6].hex() or "empty",
)
def test_what_is_none_of_the_forms_is_refused(choice):
    with pytest.raises(UsageError, match=r"a\.key: no private key that can be read"):
        load_private_key(form("ML-DSA-44", choice), None, "a.key")
    with pytest.raises(ValueError):  # noqa: PT011 - whatever the text
        read_pkcs8(form("ML-DSA-44", choice))


def test_no_prefix_of_a_key_is_one():
    for length in (*range(60), *range(60, len(BOTH["ML-DSA-44"]), 97)):
        with pytest.raises(ValueError):  # noqa: PT011 - whatever the text
            read_pkcs8(BOTH["ML-DSA-44"][:length])


def test_parameters_of_the_algorithm_are_refused():
    """RFC 9881 section 2: they must be absent."""
    there = BOTH["ML-DSA-44"].replace(bytes.fromhex("300b0609"), bytes.fromhex("300d0609"))
    there = there.replace(bytes.fromhex("030403110482"), bytes.fromhex("0304031105000482"))
    whole = tlv(0x30, there[4:])
    with pytest.raises(ValueError, match="not an ML-DSA key"):
        read_pkcs8(whole)


def test_other_keys_are_read_as_ever():
    for password in (None, SECRET):
        data = EC_KEY.key_pem(password)
        key = load_private_key(data, password, "a.key")
        assert key.private_numbers() == EC_KEY.private_key.private_numbers()
    old = EC_KEY.key_pem(SECRET, PrivateFormat.TraditionalOpenSSL)
    assert load_private_key(old, SECRET, "a.key")
    for data in (b"junk", b"", EC_KEY.pem(), b"-----BEGIN PRIVATE KEY-----\nA\n-----END PRIVATE"):
        with pytest.raises(UsageError, match=r"a\.key: no private key that can be read"):
            load_private_key(data, None, "a.key")
    with pytest.raises(UsageError, match="damaged, or the password wrong"):
        load_private_key(EC_KEY.key_pem(SECRET), b"wrong", "a.key")


def test_a_cryptography_without_ml_dsa_is_blamed(monkeypatch):
    def from_seed_bytes(seed: bytes) -> None:
        raise UnsupportedAlgorithm("not here")

    class Absent:
        pass

    monkeypatch.setattr(mldsa, "MLDSA44PrivateKey", Absent)
    monkeypatch.setattr(Absent, "from_seed_bytes", from_seed_bytes, raising=False)
    with pytest.raises(UnsupportedKey, match="this version of `cryptography`"):
        load_private_key(BOTH["ML-DSA-44"], None, "a.key")


# --- what OpenSSL reads beside


RSA_KEY = CA("Root").issue("bob", key_type="rsa2048")
SAME = load_private_key(encrypted_keys.PLAIN, None, "the key")


@pytest.mark.parametrize(
    ("label", "issued"), [("RSA PRIVATE KEY", RSA_KEY), ("EC PRIVATE KEY", EC_KEY)]
)
def test_pkcs8_under_the_label_of_an_older_form(label: str, issued: Issued) -> None:
    data = issued.pem() + pem(label, issued.key_der())
    key: Any = load_private_key(data, None, "the key")
    assert key.private_numbers() == issued.private_key.private_numbers()


@pytest.mark.parametrize(
    ("label", "issued"),
    [
        ("RSA PRIVATE KEY", EC_KEY),
        ("EC PRIVATE KEY", RSA_KEY),
        ("DSA PRIVATE KEY", EC_KEY),
        ("ENCRYPTED PRIVATE KEY", EC_KEY),
    ],
)
def test_but_no_key_of_another_kind(label: str, issued: Issued) -> None:
    with pytest.raises(UsageError, match=r"^k\.pem: "):
        load_private_key(pem(label, issued.key_der()), b"a password", "k.pem")


CAMELLIA = [
    data
    for keys in (encrypted_keys.PKCS8, encrypted_keys.TRADITIONAL)
    for name, data in keys.items()
    if name.startswith("camellia")
]
ARIA = [
    data
    for keys in (encrypted_keys.PKCS8, encrypted_keys.TRADITIONAL)
    for name, data in keys.items()
    if name.startswith("aria")
]


@pytest.mark.parametrize("data", CAMELLIA)
def test_camellia(data: bytes) -> None:
    key: Any = load_private_key(EC_KEY.pem() + data, encrypted_keys.PASSWORD, "the key")
    expected: Any = SAME
    assert key.private_numbers() == expected.private_numbers()
    with pytest.raises(UsageError, match="the password wrong"):
        load_private_key(data, b"falsch", "the key")


@pytest.mark.parametrize("data", ARIA)
def test_aria_is_named_and_not_taken_for_a_wrong_password(data: bytes) -> None:
    with pytest.raises(UnsupportedKey, match=r"^k\.pem: the private key is encrypted: .*ARIA-"):
        load_private_key(data, encrypted_keys.PASSWORD, "k.pem")


@pytest.mark.parametrize(
    "info",
    [b"CAMELLIA-256-CBC,00", b"CAMELLIA-256-CBC,xy", b"CAMELLIA-256-CBC", b"CAMELLIA-256-CBC,\xff"],
)
def test_what_is_wrong_with_the_header(info: bytes) -> None:
    whole = encrypted_keys.TRADITIONAL["camellia256"]
    line = next(each for each in whole.splitlines() if each.startswith(b"DEK-Info"))
    with pytest.raises(UsageError, match=r"^k\.pem: "):
        load_private_key(
            whole.replace(line, b"DEK-Info: " + info), encrypted_keys.PASSWORD, "k.pem"
        )
