"""Constants of `ssl` that the running Python has and Python 3.11 has not.

`postshake.ssl` gives them on.
"""

from __future__ import annotations

import ssl

__all__: list[str] = []

_SINCE_3_11 = frozenset({
    "HAS_ALPN", "HAS_ECDH", "HAS_NEVER_CHECK_COMMON_NAME", "HAS_NPN", "HAS_SNI", "HAS_SSLv2",
    "HAS_SSLv3", "HAS_TLSv1", "HAS_TLSv1_1", "HAS_TLSv1_2", "HAS_TLSv1_3", "OP_ALL",
    "OP_CIPHER_SERVER_PREFERENCE", "OP_ENABLE_MIDDLEBOX_COMPAT", "OP_IGNORE_UNEXPECTED_EOF",
    "OP_NO_COMPRESSION", "OP_NO_RENEGOTIATION", "OP_NO_SSLv2", "OP_NO_SSLv3", "OP_NO_TICKET",
    "OP_NO_TLSv1", "OP_NO_TLSv1_1", "OP_NO_TLSv1_2", "OP_NO_TLSv1_3", "OP_SINGLE_DH_USE",
    "OP_SINGLE_ECDH_USE",
})  # fmt: skip

__all__ += [
    name for name in dir(ssl) if name.startswith(("HAS_", "OP_")) and name not in _SINCE_3_11
]
