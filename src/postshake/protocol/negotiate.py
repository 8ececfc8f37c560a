"""What two ends agree on: pure choices from what each has (§4.1.1).

The server chooses, by its own order of preference unless it is told to go by the client's.
None means that nothing is in common; what that costs is the caller's to say.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ..constants import NamedGroup
from ..errors import UnsupportedVersion
from ..wire.extensions import (
    Extension,
    Extensions,
    PostHandshakeAuth,
    PskKeyExchangeModes,
    SessionTicket,
)
from ..wire.hello import ClientHello

__all__ = [
    "check_legacy_version",
    "choose_alpn",
    "choose_first",
    "choose_group",
    "common_suites",
    "kept_for_later",
]


def choose_first(ours: Sequence[int], theirs: Collection[int]) -> int | None:
    """Return the first of ours that they have too."""
    return next((code for code in ours if code in theirs), None)


def common_suites(ours: Sequence[int], theirs: Sequence[int], *, client_first: bool) -> list[int]:
    """Return the cipher suites in common, to be preferred first (§4.1.1)."""
    first, others = (theirs, ours) if client_first else (ours, theirs)
    # each once, however often the peer says it
    return list(dict.fromkeys([code for code in first if code in others]))


def choose_group(ours: Sequence[int], theirs: Sequence[int], shared: Collection[int]) -> int | None:
    """Return the group to use (§4.2.8).

    A group with a key share saves a round trip and is taken before a group that
    we like better, unless ours is in a class of its own: a hybrid with a
    post-quantum part is worth the round trip.

    Args:
        ours: our groups, favourites first.
        theirs: the client's supported_groups.
        shared: the groups for which the client sent key shares.
    """
    favourite = choose_first(ours, theirs)
    if favourite is None or favourite in shared or favourite in POST_QUANTUM:
        return favourite
    return choose_first(ours, [group for group in theirs if group in shared]) or favourite


SSL30 = 0x0300

POST_QUANTUM = frozenset(
    {NamedGroup.SecP256r1MLKEM768, NamedGroup.X25519MLKEM768, NamedGroup.SecP384r1MLKEM1024}
)
"""Groups that a future quantum computer does not break."""


def choose_alpn(ours: Sequence[bytes], theirs: Collection[bytes]) -> bytes | None:
    """Return the first of our application protocols that they have too."""
    return next((protocol for protocol in ours if protocol in theirs), None)


ASKED_LATER = (PostHandshakeAuth, PskKeyExchangeModes, SessionTicket)


def kept_for_later(hello: ClientHello) -> ClientHello:
    """Return what of a ClientHello a server still asks for when its flight has left.

    Read, a hello may take twenty times its length in memory, and what then comes, or does
    not come, is for the client to say.
    """
    kept: list[Extension] = []
    for item in hello.extensions.items:
        if type(item) in ASKED_LATER:
            kept.append(item)
    return ClientHello(
        random=hello.random,
        legacy_session_id=hello.legacy_session_id,
        cipher_suites=(),
        extensions=Extensions(tuple(kept)),
    )


def check_legacy_version(message: str, legacy_version: int) -> None:
    """Refuse SSL 3.0 and what came before it, whatever else a hello says (§D.5).

    Raises:
        UnsupportedVersion: legacy_version is 0x0300 or less.
    """
    if legacy_version <= SSL30:
        raise UnsupportedVersion(
            f"{message}.legacy_version: expected more than 0x{SSL30:04x}, which is SSL 3.0, "
            f"got 0x{legacy_version:04x}",
            section="D.5",
        )
