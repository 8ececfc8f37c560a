"""The PRF of TLS 1.2: published vectors, and what OpenSSL says."""

from __future__ import annotations

import subprocess

import pytest

from postshake.constants import CipherSuite, Role
from postshake.crypto.tls12.prf import (
    KeyBlock,
    derive_key_block,
    exporter12,
    extended_master_secret,
    finished_mac12,
    master_secret,
    prf,
)
from postshake.crypto.tls12.suites import TLS12_SUITES
from tests.requirements import require
from tests.waiting import PATIENCE

VECTORS = {
    "sha256": (
        "9bbe436ba940f017b17652849a71db35",
        "a0ba9f936cda311827a6f796ffd5198c",
        "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9"
        "c9a46b4e14baf9af0fa022f7077def17abfd3797c0564bab4fbc91666e9def9b97fce34f796789ba"
        "a48082d122ee42c5a72e5a5110fff70187347b66",
    ),
    "sha384": (
        "b80b733d6ceefcdc71566ea48e5567df",
        "cd665cf6a8447dd6ff8b27555edb7465",
        "7b0c18e9ced410ed1804f2cfa34a336a1c14dffb4900bb5fd7942107e81c83cde9ca0faa60be9fe3"
        "4f82b1233c9146a0e534cb400fed2700884f9dc236f80edd8bfa961144c9e8d792eca722a7b32fc3"
        "d416d473ebc2c5fd4abfdad05d9184259b5bf8cd4d90fa0d31e2dec479e4f1a26066f2eea9a69236"
        "a3e52655c9e9aee691c8f3a26854308d5eaa3be85e0990703d73e56f",
    ),
    "sha512": (
        "b0323523c1853599584d88568bbb05eb",
        "d4640e12e4bcdbfb437f03e6ae418ee5",
        "1261f588c798c5c201ff036e7a9cb5edcd7fe3f94c669a122a4638d7d508b283042df6789875c714"
        "7e906d868bc75c45e20eb40c1cf4a1713b27371f68432592f7dc8ea8ef223e12ea8507841311bf68"
        "653d0cfc4056d811f025c45ddfa6e6fec702f054b409d6f28dd0a3233e498da41a3e75c5630eedbe"
        "22fe254e33a1b0e9f6b9826675bec7d01a845658dc9c397545401d40b9f46c7a400ee1b8f81ca0a6"
        "0d1a397a1028bff5d2ef5066126842fb8da4197632bdb54ff6633f86bbc836e640d4d898",
    ),
}
"""Secret, seed and output for the label "test label" (ietf-tls, 2009; also in Botan, mbedTLS)."""

SUITE = TLS12_SUITES[CipherSuite.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]
SUITE_384 = TLS12_SUITES[CipherSuite.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]
CHACHA = TLS12_SUITES[CipherSuite.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256]
CLIENT_RANDOM, SERVER_RANDOM = b"c" * 32, b"s" * 32


@pytest.mark.parametrize("hash_name", VECTORS)
def test_published_vectors(hash_name: str) -> None:
    secret, seed, output = map(bytes.fromhex, VECTORS[hash_name])
    for length in (0, 1, 12, 47, 48, 64, len(output)):
        assert prf(hash_name, secret, b"test label", seed, length) == output[:length]


def openssl(hash_name: str, secret: bytes, seed: bytes, length: int) -> bytes:
    """TLS1-PRF of OpenSSL's command line; its seed is label and seed."""
    printed = subprocess.run(
        [
            *(require("openssl"), "kdf", "-keylen", str(length), "-kdfopt", f"digest:{hash_name}"),
            *("-kdfopt", f"hexsecret:{secret.hex()}", "-kdfopt", f"hexseed:{seed.hex()}"),
            "TLS1-PRF",
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    ).stdout
    return bytes.fromhex(printed.replace(":", ""))


@pytest.mark.parametrize("suite", [SUITE, SUITE_384], ids=str)
def test_openssl_derives_the_same(suite) -> None:
    name = suite.hash_name
    randoms = CLIENT_RANDOM + SERVER_RANDOM
    digest = bytes(range(suite.hash_length))
    master = master_secret(name, b"pre", CLIENT_RANDOM, SERVER_RANDOM)
    assert master == openssl(name, b"pre", b"master secret" + randoms, 48)
    extended = extended_master_secret(name, b"pre", digest)
    assert extended == openssl(name, b"pre", b"extended master secret" + digest, 48)
    for role, label in ((Role.client, b"client finished"), (Role.server, b"server finished")):
        expected = openssl(name, master, label + digest, 12)
        assert finished_mac12(name, master, role, digest) == expected
    expected = openssl(name, master, b"key expansion" + SERVER_RANDOM + CLIENT_RANDOM, 40)
    block = derive_key_block(suite, master, CLIENT_RANDOM, SERVER_RANDOM)
    assert expected.startswith(block.client_write_key)
    expected = openssl(name, master, b"label" + randoms + b"\0\2ab", 70)
    assert exporter12(name, master, b"label", randoms, b"ab", 70) == expected


def test_the_key_block_in_its_order() -> None:
    whole = prf("sha256", b"m" * 48, b"key expansion", SERVER_RANDOM + CLIENT_RANDOM, 88)
    block = derive_key_block(SUITE, b"m" * 48, CLIENT_RANDOM, SERVER_RANDOM)
    assert block == KeyBlock(whole[:16], whole[16:32], whole[32:36], whole[36:40])
    assert block.write_keys(Role.client) == (whole[:16], whole[32:36])
    assert block.write_keys(Role.server) == (whole[16:32], whole[36:40])
    block = derive_key_block(CHACHA, b"m" * 48, CLIENT_RANDOM, SERVER_RANDOM)
    assert block == KeyBlock(whole[:32], whole[32:64], whole[64:76], whole[76:88])


def test_no_context_is_not_an_empty_one() -> None:
    exported = {
        exporter12("sha256", b"m" * 48, b"label", CLIENT_RANDOM + SERVER_RANDOM, context, 32)
        for context in (None, b"", b"\0\0")
    }
    assert len(exported) == 3


def test_repr_has_no_secrets() -> None:
    assert repr(KeyBlock(b"key1", b"key2", b"iv1", b"iv2")) == "KeyBlock()"
