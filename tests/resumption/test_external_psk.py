"""External PSKs, and how they are imported (RFC 9258)."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postshake import ExternalPsk
from postshake.constants import CipherSuite
from postshake.errors import DecodeError, DecryptError, TLSError, UsageError
from postshake.events import Established
from postshake.resumption.external_psk import ImportedIdentity, import_psk
from tests.pair import ConnectionPair, client_config, server_config

KEY = bytes(range(32))
SUITES = {
    "sha256": (CipherSuite.TLS_AES_128_GCM_SHA256,),
    "sha384": (CipherSuite.TLS_AES_256_GCM_SHA384,),
}


def by_hand(key: bytes, name: bytes, length: int, hash_name: str) -> bytes:
    """RFC 9258 section 4.1, from RFC 5869 and RFC 8446 section 7.1 alone."""
    size = hashlib.new(hash_name).digest_size
    prk = hmac.digest(bytes(size), key, hash_name)
    digest = hashlib.new(hash_name, name).digest()
    label = b"tls13 derived psk"
    info = length.to_bytes(2, "big") + bytes((len(label),)) + label + bytes((size,)) + digest
    out = block = b""
    for counter in (1, 2):
        block = hmac.digest(prk, block + info + bytes((counter,)), hash_name)
        out += block
    return out[:length]


@pytest.mark.parametrize("hash_name", ["sha256", "sha384"])
def test_importing_makes_one_key_for_each_hash(hash_name: str) -> None:
    psks = import_psk(b"sensor7", KEY, hash_name=hash_name, context=b"ctx")
    for psk, target, kdf, length in zip(psks, ("sha256", "sha384"), (1, 2), (32, 48), strict=True):
        name = b"\0\7sensor7" + b"\0\3ctx" + b"\3\4" + kdf.to_bytes(2, "big")
        assert psk.identity == name
        assert psk.hash_name == target
        assert psk.is_imported
        assert psk.key == by_hand(KEY, name, length, hash_name)
        assert KEY.hex() not in repr(psk)


@given(st.binary(min_size=1, max_size=50), st.binary(max_size=50), st.sampled_from(sorted(SUITES)))
def test_the_identity_can_be_read_again(name: bytes, context: bytes, target: str) -> None:
    identity = ImportedIdentity(name, context, target)
    assert ImportedIdentity.decode(identity.encode()) == identity
    for end in range(len(identity.encode())):
        with pytest.raises(DecodeError):
            ImportedIdentity.decode(identity.encode()[:end])


def test_another_target_is_none_of_ours() -> None:
    with pytest.raises(DecodeError, match="with HKDF_SHA256"):
        ImportedIdentity.decode(b"\0\1x\0\0\xfe\xfc\0\1")


@pytest.mark.parametrize("suite", sorted(SUITES))
def test_one_key_serves_every_suite(suite: str) -> None:
    psks = import_psk(b"sensor7", KEY, context=b"up")
    pair = ConnectionPair(
        client_config(psks=psks, verifier=None, cipher_suites=SUITES[suite]),
        server_config(psks=psks, credentials=()),
    ).handshake()
    established = pair.server.connection.established
    assert isinstance(established, Established)
    read = ImportedIdentity.decode(established.psk_identity or b"")
    assert (read.external_identity, read.context, read.hash_name) == (b"sensor7", b"up", suite)


def test_the_binder_tells_an_imported_key_from_another() -> None:
    """Section 4.2: "imp binder", so that no end takes the one for the other."""
    imported = import_psk(b"sensor7", KEY)
    plain = tuple(ExternalPsk(psk.identity, psk.key, psk.hash_name) for psk in imported)
    for ours, theirs in ((imported, plain), (plain, imported)):
        pair = ConnectionPair(
            client_config(psks=ours, verifier=None), server_config(psks=theirs, credentials=())
        )
        with pytest.raises(TLSError):
            pair.handshake()
        assert isinstance(pair.server.connection.failure, DecryptError)


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"key": bytes(15)}, "at least 16 bytes"),
        ({"identity": b""}, "1 to 65529 bytes"),
        ({"hash_name": "md5"}, "a PSK's hash is one of"),
        ({"context": bytes(65530)}, "too long for an ImportedIdentity"),
    ],
)
def test_what_cannot_be_imported(fields: dict[str, object], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        import_psk(**{"identity": b"sensor7", "key": KEY, **fields})
