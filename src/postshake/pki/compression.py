"""Certificate chains made shorter (RFC 8879 section 4): zlib, Brotli, Zstandard.

What a peer sends is undone within the length that it declares: whatever the data would
become, no more is ever made of it.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from functools import lru_cache
from types import ModuleType
from typing import Any

from ..constants import CertificateCompressionAlgorithm
from ..errors import (
    BadCertificate,
    UsageError,
    present,
)

__all__ = ["can_compress", "compress", "compressors", "compressors_named", "decompress"]

# What more would save, some ten bytes in a hundred, takes milliseconds with Brotli.
_BROTLI_QUALITY = 5
_ZSTD_LEVEL = 9
_ZSTD_WINDOW = 23  # log2: eight MiB, which every decoder should have (RFC 8878, 3.1.1.1.2)


def compressors() -> tuple[CertificateCompressionAlgorithm, ...]:
    """Return the algorithms that can be had here, those to be preferred first.

    zlib always, and first: on short chains it saves as much as the others, and takes the
    least time. Zstandard with Python 3.14, or the library ``backports.zstd``. Brotli with
    the library ``Brotli`` 1.2 or newer: older ones cannot be held to a length.
    """
    preferred = (
        CertificateCompressionAlgorithm.zlib,
        CertificateCompressionAlgorithm.zstd,
        CertificateCompressionAlgorithm.brotli,
    )
    return tuple(filter(can_compress, preferred))


def can_compress(algorithm: CertificateCompressionAlgorithm) -> bool:
    """Tell whether an algorithm can be had here; imports the library of this one alone."""
    if algorithm == CertificateCompressionAlgorithm.zstd:
        return _zstd() is not None
    if algorithm == CertificateCompressionAlgorithm.brotli:
        return _brotli() is not None
    return algorithm == CertificateCompressionAlgorithm.zlib


@lru_cache(maxsize=64)  # a server sends the same each time
def compress(algorithm: CertificateCompressionAlgorithm, data: bytes) -> bytes:
    """Compress the body of a Certificate message."""
    return _COMPRESS[algorithm](data)


def compressors_named(names: Iterable[str]) -> tuple[CertificateCompressionAlgorithm, ...]:
    """Return the algorithms of these names: zlib, brotli, zstd.

    Raises:
        UsageError: there is none of such a name.
    """
    try:
        return tuple([CertificateCompressionAlgorithm[name] for name in names])
    except KeyError as error:
        known = ", ".join(CertificateCompressionAlgorithm.__members__)
        raise UsageError(f"no way to compress is called {error}: expected {known}") from None


def decompress(algorithm: CertificateCompressionAlgorithm, data: bytes, length: int) -> bytes:
    """Undo it.

    Args:
        algorithm: with what it was done.
        data: what came of it.
        length: how long it was before; more than that is never held.

    Raises:
        BadCertificate: these data are not the algorithm's, or they are not of this
            length (RFC 8879 section 4).
    """
    try:
        content, complete = _DECOMPRESS[algorithm](data, length + 1)
    except Exception as error:  # each library has its own
        raise BadCertificate(
            f"CompressedCertificate: expected {algorithm.name} data, got: {error}"
        ) from error
    if len(content) != length or not complete:
        got = f"more than {length}" if len(content) > length else f"{len(content)}"
        end = "" if complete or len(content) > length else ", and no end of the data"
        raise BadCertificate(
            f"CompressedCertificate: expected {length} bytes behind {algorithm.name}, "
            f"got {got}{end}"
        )
    return content


@lru_cache(maxsize=1)
def _brotli() -> ModuleType | None:
    try:
        import brotli
    except ImportError:
        return None
    try:
        brotli.Decompressor().process(b"", output_buffer_limit=1)
    except TypeError:  # before 1.2 nothing bounds what it makes of a few bytes
        return None
    module: ModuleType = brotli
    return module


@lru_cache(maxsize=1)
def _zstd() -> Any:
    try:
        from compression import zstd  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        try:
            from backports import zstd
        except ImportError:
            return None
    return zstd


def _compress_brotli(data: bytes) -> bytes:
    module = present(_brotli(), "Brotli")
    shorter: bytes = module.compress(data, quality=_BROTLI_QUALITY)
    return shorter


def _compress_zstd(data: bytes) -> bytes:
    shorter: bytes = _zstd().compress(data, _ZSTD_LEVEL)
    return shorter


def _decompress_zlib(data: bytes, limit: int) -> tuple[bytes, bool]:
    stream = zlib.decompressobj()
    content = stream.decompress(data, limit)
    return content, stream.eof and not stream.unused_data


def _decompress_brotli(data: bytes, limit: int) -> tuple[bytes, bool]:
    module = present(_brotli(), "Brotli")
    stream = module.Decompressor()
    content: bytes = stream.process(data, output_buffer_limit=limit)
    return content, stream.is_finished()


def _decompress_zstd(data: bytes, limit: int) -> tuple[bytes, bool]:
    module = _zstd()
    options = {module.DecompressionParameter.window_log_max: _ZSTD_WINDOW}
    stream = module.ZstdDecompressor(options=options)
    content: bytes = stream.decompress(data, limit)
    return content, stream.eof and not stream.unused_data


_COMPRESS: dict[CertificateCompressionAlgorithm, Callable[[bytes], bytes]] = {
    # at the usual level: tlslite-ng 0.8 compresses what it received once more, and takes that
    # into its transcript
    CertificateCompressionAlgorithm.zlib: zlib.compress,
    CertificateCompressionAlgorithm.brotli: _compress_brotli,
    CertificateCompressionAlgorithm.zstd: _compress_zstd,
}

_DECOMPRESS: dict[CertificateCompressionAlgorithm, Callable[[bytes, int], tuple[bytes, bool]]] = {
    CertificateCompressionAlgorithm.zlib: _decompress_zlib,
    CertificateCompressionAlgorithm.brotli: _decompress_brotli,
    CertificateCompressionAlgorithm.zstd: _decompress_zstd,
}
