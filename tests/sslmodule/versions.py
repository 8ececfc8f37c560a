"""What the standard module does differently from one Python or OpenSSL to the next.

The one place of these tests that looks at versions. True and False are what is known of the
versions that are tested; None is a version of which this was not seen.
"""

from __future__ import annotations

import ssl
import sys

__all__ = [
    "BIO_CHECKS_NAMES",
    "BROKEN_PIPES_ARE_TOLD",
    "CHOOSES_ALGORITHMS",
    "COMPARED",
    "HAS_DISTRUSTED_KEYS",
    "KEEPS_UNENDED_SESSIONS",
    "LOOKS_UP_ROOTS",
    "RECORD_LAYER_FAILURE",
    "RESETS_ARE_TOLD",
]

PYTHON = sys.version_info[:3]
OPENSSL = ssl.OPENSSL_VERSION_INFO[:3]


def _between(version: tuple[int, ...], no: tuple[int, ...], yes: tuple[int, ...]) -> bool | None:
    """Whether something is there that came after one version, and at the latest with another."""
    if version >= yes:
        return True
    return False if version <= no else None


COMPARED = PYTHON >= (3, 11, 7)
"""Before, among other things: other ends of streams, `shared_ciphers` of clients, no X25519 in
`set_ecdh_curve`. We do there as later versions do, and so there is nothing to compare."""

CHOOSES_ALGORITHMS = hasattr(ssl.SSLContext, "set_groups")
"""3.15: `set_groups`, `set_ciphersuites`, `set_client_sigalgs`, `set_server_sigalgs`."""

RESETS_ARE_TOLD = {11: PYTHON >= (3, 11, 9), 12: PYTHON >= (3, 12, 3)}.get(PYTHON[1], True)
"""A connection that was reset is an error, not the end of the stream."""

BROKEN_PIPES_ARE_TOLD = _between(PYTHON, (3, 13, 1), (3, 14, 0))
"""Reading says BrokenPipeError where OpenSSL could not send its last words (gh-127257)."""

BIO_CHECKS_NAMES = _between(PYTHON, (3, 14, 0), (3, 14, 8))
"""`wrap_bio` asks for the name that is to be checked, as `wrap_socket` does (gh-156793)."""

HAS_DISTRUSTED_KEYS = _between(PYTHON, (3, 14, 0), (3, 14, 10))
"""Keys that are known to be compromised are refused in every context (gh-160040)."""

RECORD_LAYER_FAILURE = _between(OPENSSL, (3, 1, 99), (3, 2, 0))
"""OpenSSL calls all that is wrong with a record so; before, it said what."""

_SKIPS_ROOTS = _between(OPENSSL, (3, 0, 99), (3, 6, 0))
LOOKS_UP_ROOTS = None if _SKIPS_ROOTS is None else not _SKIPS_ROOTS
"""A trust anchor is held against revocation lists, its own among them."""

KEEPS_UNENDED_SESSIONS = _between(OPENSSL, (3, 0, 99), (3, 6, 0))
"""A TLS 1.2 session without a ticket can be resumed though its connection was not closed."""
