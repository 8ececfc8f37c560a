from __future__ import annotations

import hashlib

import pytest

from postshake.constants import CipherSuite
from postshake.crypto.suites import IV_LENGTH, TAG_LENGTH, TLS13_SUITES, Suite


def test_preferred_first() -> None:
    assert list(TLS13_SUITES) == [
        CipherSuite.TLS_AES_128_GCM_SHA256,
        CipherSuite.TLS_AES_256_GCM_SHA384,
        CipherSuite.TLS_CHACHA20_POLY1305_SHA256,
    ]


def test_found_by_the_number_on_the_wire() -> None:
    assert str(TLS13_SUITES[0x1302]) == "TLS_AES_256_GCM_SHA384"
    assert 0x00FF not in TLS13_SUITES


@pytest.mark.parametrize("suite", TLS13_SUITES.values(), ids=str)
def test_lengths_are_those_of_the_primitives(suite: Suite) -> None:
    aead = suite.aead(bytes(suite.key_length))
    sealed = aead.encrypt(bytes(IV_LENGTH), b"data", b"header")
    assert len(sealed) == len(b"data") + TAG_LENGTH
    assert aead.decrypt(bytes(IV_LENGTH), sealed, b"header") == b"data"
    assert suite.hash_length == hashlib.new(suite.hash_name).digest_size


@pytest.mark.parametrize("suite", TLS13_SUITES.values(), ids=str)
def test_name_tells_the_key_length_and_the_hash(suite: Suite) -> None:
    name = suite.code.name
    assert name.endswith(suite.hash_name.upper())
    assert suite.key_length == (16 if "128" in name else 32)


def test_aes_keys_wear_out_and_chacha_keys_do_not() -> None:
    limits = {suite.code: suite.records_per_key for suite in TLS13_SUITES.values()}
    chacha = limits.pop(CipherSuite.TLS_CHACHA20_POLY1305_SHA256)
    assert set(limits.values()) == {int(2**24.5)}
    assert chacha == 2**64 - 1
