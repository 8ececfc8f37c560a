"""Compression of certificates: what comes back, and what is refused."""

from __future__ import annotations

import sys
import tracemalloc
import zlib

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postshake.constants import AlertDescription, CertificateCompressionAlgorithm
from postshake.errors import BadCertificate, UsageError
from postshake.pki import compression
from postshake.pki.compression import compress, compressors, compressors_named, decompress

ALL = tuple(CertificateCompressionAlgorithm)
every_algorithm = pytest.mark.parametrize("algorithm", ALL, ids=lambda each: each.name)
MEGABYTE = 2**20


@every_algorithm
@given(data=st.binary(min_size=1, max_size=3000))
def test_what_was_compressed_comes_back(
    algorithm: CertificateCompressionAlgorithm, data: bytes
) -> None:
    assert decompress(algorithm, compress(algorithm, data), len(data)) == data


@every_algorithm
@pytest.mark.parametrize(("length", "got"), [(99, "more than 99"), (101, "100"), (1, "more than")])
def test_the_length_must_be_what_it_says(
    algorithm: CertificateCompressionAlgorithm, length: int, got: str
) -> None:
    shorter = compress(algorithm, b"0123456789" * 10)
    with pytest.raises(BadCertificate, match=f"expected {length} bytes behind .*, got {got}"):
        decompress(algorithm, shorter, length)


@every_algorithm
def test_every_cut_is_noticed(algorithm: CertificateCompressionAlgorithm) -> None:
    data = bytes(range(256)) * 3
    shorter = compress(algorithm, data)
    for end in range(len(shorter)):
        with pytest.raises(BadCertificate) as caught:
            decompress(algorithm, shorter[:end], len(data))
        assert caught.value.alert is AlertDescription.bad_certificate


@every_algorithm
def test_nothing_may_follow(algorithm: CertificateCompressionAlgorithm) -> None:
    with pytest.raises(BadCertificate):
        decompress(algorithm, compress(algorithm, b"a" * 100) + b"x", 100)


@every_algorithm
@given(data=st.binary(max_size=200), length=st.integers(0, 500))
def test_noise_is_refused_or_is_as_long_as_it_says(
    algorithm: CertificateCompressionAlgorithm, data: bytes, length: int
) -> None:
    try:
        content = decompress(algorithm, data, length)
    except BadCertificate:
        return
    assert len(content) == length


@every_algorithm
def test_a_bomb_costs_no_more_than_it_says(algorithm: CertificateCompressionAlgorithm) -> None:
    bomb = compress(algorithm, bytes(64 * MEGABYTE))
    compression.compress.cache_clear()
    tracemalloc.start()
    try:
        with pytest.raises(BadCertificate, match="got more than 1000"):
            decompress(algorithm, bomb, 1000)
        assert tracemalloc.get_traced_memory()[1] < MEGABYTE
    finally:
        tracemalloc.stop()


def test_the_one_that_costs_least_comes_first() -> None:
    assert compressors() == (
        CertificateCompressionAlgorithm.zlib,
        CertificateCompressionAlgorithm.zstd,
        CertificateCompressionAlgorithm.brotli,
    )


def test_zlib_alone_without_the_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("brotli", "compression", "backports", "backports.zstd"):
        monkeypatch.setitem(sys.modules, name, None)
    compression._brotli.cache_clear()
    compression._zstd.cache_clear()
    try:
        assert compressors() == (CertificateCompressionAlgorithm.zlib,)
    finally:
        compression._brotli.cache_clear()
        compression._zstd.cache_clear()


def test_a_brotli_that_knows_no_bounds_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    class Decompressor:  # as before 1.2
        def process(self, data: bytes) -> bytes:
            return data

    monkeypatch.setattr(brotli, "Decompressor", Decompressor)
    compression._brotli.cache_clear()
    try:
        assert CertificateCompressionAlgorithm.brotli not in compressors()
    finally:
        compression._brotli.cache_clear()


def test_it_is_the_libraries_format() -> None:
    assert zlib.decompress(compress(CertificateCompressionAlgorithm.zlib, b"abc")) == b"abc"
    assert brotli.decompress(compress(CertificateCompressionAlgorithm.brotli, b"abc")) == b"abc"


def test_names() -> None:
    assert compressors_named(["zstd", "zlib"]) == (
        CertificateCompressionAlgorithm.zstd,
        CertificateCompressionAlgorithm.zlib,
    )
    with pytest.raises(UsageError, match="'gzip': expected zlib, brotli, zstd"):
        compressors_named(["gzip"])
