"""What ``cryptography`` raises on bytes that are not what they should be.

Not all of it is a ValueError. And some bytes only make it warn, which raises where
warnings are errors: in test suites, and with ``python -W error``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from ..errors import BadCertificate

__all__ = ["UNREADABLE", "refusing_unreadable"]

UNREADABLE: Final = (
    ValueError,
    TypeError,
    OverflowError,
    Warning,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)

P = ParamSpec("P")
R = TypeVar("R")


def refusing_unreadable(verify: Callable[P, R]) -> Callable[P, R]:
    """Let a verifier's method refuse certificates that turn out to be unreadable anywhere.

    What has been read is remembered by ``cryptography``, and what was not is read when it
    is needed; this is for what nobody there expects.

    Raises:
        BadCertificate: something in them cannot be read.
    """

    @functools.wraps(verify)
    def checked(*arguments: P.args, **keywords: P.kwargs) -> R:
        try:
            return verify(*arguments, **keywords)
        except UNREADABLE as error:
            raise BadCertificate(f"the peer's certificates cannot be read: {error}") from error

    return checked
