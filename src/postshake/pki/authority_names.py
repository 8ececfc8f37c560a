"""A peer's list of authorities, held against the names in certificates of ours (§4.2.4).

A list has up to 64 KiB, which are many thousand names if they are short. It is gone through once,
however many certificates we have, and of its names the first thousand are compared as RFC 5280
section 7.1 says; those behind count where their bytes are the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from .der import certificate_fields, normal_name

__all__ = ["COMPARED", "AuthorityNames", "issuers_of", "spellings"]

COMPARED = 1024
"""Names of a list whose spelling does not matter; those of the world have some hundreds."""


class AuthorityNames:
    """The names of a list.

    Args:
        names: DER, as the peer sent them.
    """

    __slots__ = ("_names", "_normal", "_spelled")

    def __init__(self, names: Sequence[bytes]) -> None:
        self._names = names
        self._spelled = frozenset(names)
        self._normal: frozenset[bytes] | None = None

    def have_any(self, chain: Iterable[bytes]) -> bool:
        """Whether the issuer or the subject of a certificate in a chain of ours is among them.

        Args:
            chain: DER.
        """
        found: list[bytes] = []
        for der in chain:
            fields = certificate_fields(der)
            found += fields.issuer, fields.subject
        if not self._spelled.isdisjoint(found):
            return True
        if self._normal is None:
            self._normal = frozenset([normal for _, normal in spellings(self._names)])
        return any((normal_name(name) or name) in self._normal for name in found)


def spellings(names: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Give each name of a list as it stands there, and as it is compared.

    These are the same for what is no name, for one that is too long, and behind the first
    `COMPARED`.
    """
    for count, name in enumerate(names):
        if count < COMPARED and name[:1] == b"\x30":
            yield name, normal_name(name, remember=False) or name
        else:
            yield name, name


def issuers_of(chain: Iterable[bytes]) -> frozenset[bytes]:
    """Return the names of who issued the certificates of a chain of ours, in both spellings."""
    issuers = [certificate_fields(der).issuer for der in chain]
    return frozenset([*issuers, *(normal_name(name) or name for name in issuers)])
