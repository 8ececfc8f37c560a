from __future__ import annotations

import hashlib

import pytest

from postshake.constants import CipherSuite
from postshake.crypto.suites import IV_LENGTH, TAG_LENGTH, TLS13_SUITES
from postshake.crypto.tls12.suites import TLS12_SUITES, Authentication, Suite12

suites = pytest.mark.parametrize("suite", TLS12_SUITES.values(), ids=str)


def test_the_numbers_of_the_registry() -> None:
    assert {hex(code): suite.code.name for code, suite in TLS12_SUITES.items()} == {
        "0xc02b": "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        "0xc02c": "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        "0xc02f": "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "0xc030": "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        "0xcca8": "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        "0xcca9": "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        "0xccac": "TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256",
        "0xd001": "TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256",
        "0xd002": "TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384",
    }
    assert not set(TLS12_SUITES) & set(TLS13_SUITES)
    assert next(iter(TLS12_SUITES)) == CipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256


@suites
def test_lengths_are_those_of_the_primitives(suite: Suite12) -> None:
    aead = suite.aead(bytes(suite.key_length))
    nonce = bytes(suite.fixed_iv_length) + bytes(suite.explicit_nonce_length)
    assert len(nonce) == IV_LENGTH
    assert len(aead.encrypt(nonce, b"data", b"header")) == 4 + TAG_LENGTH
    assert suite.hash_length == hashlib.new(suite.hash_name).digest_size


@suites
def test_the_name_says_the_rest(suite: Suite12) -> None:
    name = str(suite)
    assert name.endswith(suite.hash_name.upper())
    assert suite.key_length == (16 if "AES_128" in name else 32)
    assert (suite.authentication is Authentication.RSA) is ("_RSA_" in name)
    assert suite.explicit_nonce_length == (8 if "GCM" in name else 0)
