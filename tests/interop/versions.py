"""Where peers differ by their version: who does what, from when on. Tests ask here.

Each is asked for by `require`, and says its version itself. The versions seen are those of
Debian 12 (OpenSSL 3.0, GnuTLS 3.7.9, dovecot 2.3) and of Debian unstable in late 2026 (3.6.5,
3.8.13, 2.4.5); where the change itself is known, its version is named.
"""

from __future__ import annotations

import ctypes
import functools
import re
import ssl
import subprocess

from tests.requirements import require

__all__ = [
    "dovecot_2_4",
    "gnutls_serv_echoes_early_data",
    "libgnutls_takes_srp",
    "libssl_compresses",
    "s_server_compresses",
    "version_of",
]

Version = tuple[int, ...]


@functools.cache
def version_of(program: str, *arguments: str) -> Version:
    """Ask a program for its version: the first number with a point in what it prints."""
    done = subprocess.run(
        (require(program), *(arguments or ("--version",))),
        capture_output=True,
        text=True,
        timeout=60,
    )
    return _first_number(done.stdout + done.stderr)


def _first_number(text: str) -> Version:
    found = re.search(r"\d+(\.\d+)+", text)
    assert found, text
    return tuple(map(int, found[0].split(".")))


# OpenSSL


def libssl_compresses() -> bool:
    """Whether the library below `ssl` may compress certificates (RFC 8879): from 3.2 on.

    What it then can depends on how it was built; Debian's of today offers zlib and Zstandard.
    """
    return ssl.OPENSSL_VERSION_INFO >= (3, 2)


@functools.cache
def s_server_compresses() -> bool:
    """Whether the program asks for compressed certificates: from 3.2 on, if it was built so."""
    openssl = require("openssl")
    if version_of("openssl", "version") < (3, 2):
        return False
    done = subprocess.run(
        (openssl, "list", "-disabled"), capture_output=True, text=True, timeout=60, check=True
    )
    return not {"BROTLI", "ZLIB", "ZSTD"} <= set(done.stdout.split())


# GnuTLS


def gnutls_serv_echoes_early_data() -> bool:
    """Whether ``gnutls-serv --echo`` answers early data too: 3.8 does, 3.7 does not."""
    return version_of("gnutls-serv") >= (3, 8)


@functools.cache
def libgnutls_takes_srp() -> bool:
    """Whether a priority string may name SRP: since 3.8.0 it is left out unless asked for."""
    check_version = ctypes.CDLL(require("libgnutls")).gnutls_check_version
    check_version.restype = ctypes.c_char_p
    return _first_number(check_version(None).decode()) < (3, 8)


# dovecot


def dovecot_2_4() -> bool:
    """Whether its configuration is written as since 2.4, which reads none from before."""
    return version_of("dovecot") >= (2, 4)
