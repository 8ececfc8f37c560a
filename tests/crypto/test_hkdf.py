from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from hypothesis import given
from hypothesis import strategies as st

from postshake.crypto.hkdf import HASH_LENGTHS, derive_secret, expand_label, extract
from postshake.errors import UsageError

HASHES = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}

hash_names = st.sampled_from(sorted(HASHES))
secrets = st.binary(min_size=1, max_size=64)
labels = st.binary(min_size=1, max_size=249)
contexts = st.binary(max_size=255)


def oracle(hash_name: str, secret: bytes, label: bytes, context: bytes, length: int) -> bytes:
    """HKDF-Expand-Label by another's HKDF and the struct's own words (§7.1)."""
    full = b"tls13 " + label
    info = length.to_bytes(2, "big")
    info += len(full).to_bytes(1, "big") + full
    info += len(context).to_bytes(1, "big") + context
    return HKDFExpand(HASHES[hash_name], length, info).derive(secret)


@pytest.mark.parametrize(
    ("salt", "ikm", "prk"),
    [
        (
            bytes(range(13)),
            b"\x0b" * 22,
            "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
        ),
        (b"", b"\x0b" * 22, "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04"),
    ],
)
def test_extract_as_in_rfc_5869(salt: bytes, ikm: bytes, prk: str) -> None:
    assert extract("sha256", salt, ikm).hex() == prk


@given(hash_names, secrets, labels, contexts, st.integers(1, 500))
def test_expand_label_agrees_with_another_hkdf(
    hash_name: str, secret: bytes, label: bytes, context: bytes, length: int
) -> None:
    expected = oracle(hash_name, secret, label, context, length)
    assert expand_label(hash_name, secret, label, context, length) == expected


@pytest.mark.parametrize("hash_name", HASHES)
@pytest.mark.parametrize("blocks", [1, 2, 255])
@pytest.mark.parametrize("more", [-1, 0, 1])
def test_expand_label_at_the_edges_of_blocks(hash_name: str, blocks: int, more: int) -> None:
    length = blocks * HASH_LENGTHS[hash_name] + more
    if length > 255 * HASH_LENGTHS[hash_name]:
        with pytest.raises(UsageError, match="at most"):
            expand_label(hash_name, b"secret", b"label", b"", length)
        return
    expected = oracle(hash_name, b"secret", b"label", b"", length)
    assert expand_label(hash_name, b"secret", b"label", b"", length) == expected


@given(hash_names, secrets, labels, st.binary())
def test_derive_secret_is_an_expansion_to_the_hash_length(
    hash_name: str, secret: bytes, label: bytes, messages: bytes
) -> None:
    digest = hashlib.new(hash_name, messages).digest()
    expected = oracle(hash_name, secret, label, digest, len(digest))
    assert derive_secret(hash_name, secret, label, digest) == expected


@pytest.mark.parametrize(
    ("label", "context", "length", "text"),
    [
        (b"", b"", 32, "1 to 249 octets, not 0"),
        (bytes(250), b"", 32, "1 to 249 octets, not 250"),
        (b"label", bytes(256), 32, "at most 255 octets, not 256"),
        (b"label", b"", 65536, "65535 octets, not 65536"),
        (b"label", b"", -1, "not -1"),
    ],
)
def test_what_an_hkdf_label_cannot_hold(
    label: bytes, context: bytes, length: int, text: str
) -> None:
    for _ in range(2):  # a refusal is not remembered as a success
        with pytest.raises(UsageError, match=text):
            expand_label("sha256", b"secret", label, context, length)


def test_labels_that_share_octets_are_kept_apart() -> None:
    derived = {
        expand_label("sha256", b"secret", label, context, length)[:16]
        for label, context in [(b"ab", b""), (b"a", b"b"), (b"a", b""), (b"a", b"\x00")]
        for length in (16, 17, 33)
    }
    assert len(derived) == 12
