"""Several certificates in one context: one for each kind of key, and which of them is shown.

The standard module, with which each case is compared, has a place for each kind of key: RSA and
RSASSA-PSS are two. It goes by the order of its signature algorithms, not by that of loading.
"""

from __future__ import annotations

import base64
import functools
import itertools
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from tests.sslmodule.ends import (
    Memory,
    ca_file,
    client_context,
    files,
    ours,
    server_context,
    standard,
)

MODULES = pytest.mark.parametrize("module", [ours, standard], ids=["ours", "standard"])
VERSIONS = pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
CASES = pytest.mark.parametrize(
    ("kinds", "shown"),
    [
        (("rsa2048", "rsa-pss"), "rsa-pss"),
        (("rsa2048", "p256"), "p256"),
        (("ed25519", "p384"), "p384"),
        (("ed448", "rsa-pss"), "ed448"),
        (("rsa2048", "rsa-pss", "p256", "ed25519"), "p256"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
BOTH_RSA = [("rsa2048", "rsa-pss"), ("rsa-pss", "rsa2048")]


@functools.cache
def certificate(kind: str, purpose: str) -> tuple[str, str]:
    """Certificate and key, as files."""
    chain, key = files(f"{kind}.example", purpose=purpose, dns=("localhost",), key_type=kind)
    if kind == "rsa-pss":
        mark_as_pss(Path(key))
    return chain, key


def mark_as_pss(path: Path) -> None:
    """Say of an RSA key in a file that it is for RSASSA-PSS alone, as OpenSSL wants it."""
    key = load_pem_private_key(path.read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    plain = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    before, found, after = plain.partition(bytes.fromhex("300d06092a864886f70d0101010500"))
    assert found
    assert before[:2] == b"\x30\x82"
    inside = before[4:] + bytes.fromhex("300b06092a864886f70d01010a") + after
    der = b"\x30\x82" + len(inside).to_bytes(2, "big") + inside
    text = base64.encodebytes(der)
    path.write_bytes(b"-----BEGIN PRIVATE KEY-----\n" + text + b"-----END PRIVATE KEY-----\n")


def load(context: Any, kind: str, purpose: str = "server") -> None:
    context.load_cert_chain(*certificate(kind, purpose))


def name_of(der: bytes) -> str:
    subject = x509.load_der_x509_certificate(der).subject
    return str(subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)


@MODULES
@VERSIONS
@CASES
def test_which_a_server_shows(kinds, shown, module, version):
    for order in itertools.permutations(kinds, len(kinds)) if len(kinds) < 3 else (kinds,):
        server = module.SSLContext(module.PROTOCOL_TLS_SERVER)
        server.maximum_version = getattr(module.TLSVersion, version)
        for kind in order:
            load(server, kind)
        pair = Memory(server, client_context(standard, name=None)).handshake()
        assert name_of(pair.client.getpeercert(True)) == f"{shown}.example"


@MODULES
def test_which_a_client_shows(module):
    for order in BOTH_RSA:
        server = server_context(standard)
        server.verify_mode = standard.CERT_REQUIRED
        client = module.create_default_context(cafile=ca_file())
        for kind in order:
            load(client, kind, "client")
        pair = Memory(server, client).handshake()
        assert name_of(pair.server.getpeercert(True)) == "rsa-pss.example"


@MODULES
def test_which_a_client_of_tls12_shows(module):
    # docs/ssl.md: Which of several certificates is shown
    for order in BOTH_RSA:
        server = server_context(standard)
        server.verify_mode = standard.CERT_REQUIRED
        client = module.create_default_context(cafile=ca_file())
        client.maximum_version = module.TLSVersion.TLSv1_2
        for kind in order:
            load(client, kind, "client")
        pair = Memory(server, client).handshake()
        shown = "rsa-pss" if module is ours else order[-1]
        assert name_of(pair.server.getpeercert(True)) == f"{shown}.example"


@MODULES
@VERSIONS
@pytest.mark.parametrize("order", BOTH_RSA, ids="-".join)
@pytest.mark.parametrize("left", ["rsa2048", "rsa-pss"])
def test_a_client_that_can_do_with_one_of_them(left, order, module, version):
    """An RSASSA-PSS certificate takes no RSA one's place."""
    server = module.SSLContext(module.PROTOCOL_TLS_SERVER)
    for kind in order:
        load(server, kind)
    client = ours.create_default_context(cafile=ca_file())
    client.maximum_version = getattr(ours.TLSVersion, version)
    client.set_server_sigalgs("rsa_pss_rsae_sha256" if left == "rsa2048" else "rsa_pss_pss_sha256")
    pair = Memory(server, client).handshake()
    assert name_of(pair.client.getpeercert(True)) == f"{left}.example"


@MODULES
def test_another_for_the_same_kind_of_key_takes_its_place(module):
    server = module.SSLContext(module.PROTOCOL_TLS_SERVER)
    load(server, "p256")
    load(server, "rsa2048")
    load(server, "p384")
    pair = Memory(server, client_context(standard, name=None)).handshake()
    assert name_of(pair.client.getpeercert(True)) == "p384.example"


def test_a_servers_own_order_is_gone_by():
    server = ours.SSLContext(ours.PROTOCOL_TLS_SERVER)
    server.set_server_sigalgs("rsa_pss_rsae_sha256:ecdsa_secp256r1_sha256")
    load(server, "p256")
    load(server, "rsa2048")
    pair = Memory(server, client_context(standard, name=None)).handshake()
    assert name_of(pair.client.getpeercert(True)) == "rsa2048.example"
