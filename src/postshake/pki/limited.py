"""A credential that signs by some schemes alone, whatever else its key could do."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable

from .._dataclass import replace
from ..constants import SignatureScheme
from .credential import Credential, Signer

__all__ = ["limited"]


def limited(credential: Credential, schemes: Iterable[int]) -> Credential | None:
    """Return a credential that signs by these schemes alone; None if it can by none.

    Args:
        credential: whose; it is returned itself where nothing is taken from it.
        schemes: all that are allowed, in TLS 1.3 and 1.2.
    """
    allowed = frozenset(schemes)
    able = (*credential.schemes, *credential.schemes12)
    if allowed.issuperset(able):
        return credential
    left = tuple(dict.fromkeys(scheme for scheme in able if scheme in allowed))
    return replace(credential, signer=_LimitedSigner(credential.signer, left)) if left else None


class _LimitedSigner:
    """A signer that offers some of its schemes.

    Which of them is for which version the credential knows: it holds them against the key.
    """

    __slots__ = ("_signer", "public_key", "schemes", "schemes12")

    def __init__(self, signer: Signer, schemes: tuple[SignatureScheme, ...]) -> None:
        self._signer = signer
        self.public_key = signer.public_key
        self.schemes = self.schemes12 = schemes

    def sign(self, scheme: SignatureScheme, data: bytes) -> bytes | Awaitable[bytes]:
        """Sign the data, as the signer itself does."""
        return self._signer.sign(scheme, data)

    def __repr__(self) -> str:
        return repr(self._signer)
