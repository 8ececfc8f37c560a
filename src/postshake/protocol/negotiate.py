"""What two ends agree on: choices from what each offers (§4.1.1).

The server chooses, by its own order of preference unless it is told to go by the client's.
None means that nothing is in common; what that costs is the caller's to say.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ..config import ClientConfig, ServerConfig
from ..constants import (
    CipherSuite,
    NamedGroup,
    ProtocolVersion,
    names_of,
)
from ..errors import (
    IllegalParameter,
    InappropriateFallback,
    NoApplicationProtocol,
    UnsupportedVersion,
)
from ..text import listed
from ..wire.extensions import (
    ApplicationLayerProtocolNegotiation,
    Extension,
    Extensions,
    PostHandshakeAuth,
    PskKeyExchangeModes,
    ServerName,
    SessionTicket,
    SupportedVersionsClientHello,
)
from ..wire.hello import ClientHello

__all__ = [
    "UNCOMPRESSED",
    "check_alpn",
    "check_legacy_version",
    "choose_alpn",
    "choose_first",
    "choose_group",
    "choose_protocol",
    "choose_version",
    "common_suites",
    "groups12",
    "kept_for_later",
    "name_asked_for",
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


def choose_version(config: ServerConfig, hello: ClientHello) -> ProtocolVersion:
    """Choose the highest version that both ends have (§4.2.1, RFC 5246 appendix E.1).

    Raises:
        UnsupportedVersion: there is none.
        InappropriateFallback: the client says that it retried with an older version
            than it has, and we have a newer one (RFC 7507).
    """
    extension = hello.extensions.get(SupportedVersionsClientHello)
    offered: tuple[int, ...]
    if extension is not None:
        offered = extension.versions
    elif hello.legacy_version >= ProtocolVersion.TLS12:  # 1.3 is only in the extension
        offered = (ProtocolVersion.TLS12,)
    else:
        offered = (hello.legacy_version,)
    common = [version for version in config.versions if version in offered]
    fallback = CipherSuite.TLS_FALLBACK_SCSV in hello.cipher_suites
    if fallback and max(config.versions) > max(common, default=0):
        raise InappropriateFallback(
            f"ClientHello: a fallback to {names_of(ProtocolVersion, offered)}, "
            f"and we have {max(config.versions).text}",
            section="RFC 7507, 3",
        )
    if not common:
        ours = " or ".join(version.text for version in config.versions)
        got = names_of(ProtocolVersion, offered)
        raise UnsupportedVersion(f"expected {ours} to be offered, got {got}", section="4.2.1")
    return max(common)


UNCOMPRESSED = 0
"""The one point format there is (RFC 8422 section 5.1.2)."""


def groups12(groups: tuple[NamedGroup, ...]) -> tuple[NamedGroup, ...]:
    """Return those that TLS 1.2 has a key exchange for: no hybrids (RFC 8422)."""
    return tuple(group for group in groups if group not in POST_QUANTUM)


def name_asked_for(extensions: Extensions) -> str | None:
    """Return the server name that a ClientHello asks for (RFC 6066 section 3)."""
    server_name = extensions.get(ServerName)
    return server_name.host_name if server_name is not None else None


def choose_protocol(config: ServerConfig, extensions: Extensions) -> bytes | None:
    """Choose the application protocol from those in a ClientHello (RFC 7301 section 3.2)."""
    offered = extensions.get(ApplicationLayerProtocolNegotiation)
    if offered is None or not config.alpn_protocols:
        return None
    chosen = choose_alpn(config.alpn_protocols, offered.protocol_name_list)
    if chosen is None and config.alpn_mismatch_is_fatal:
        raise NoApplicationProtocol(
            f"expected one of {config.alpn_protocols!r}, got {listed(offered.protocol_name_list)}"
        )
    return chosen


def check_alpn(config: ClientConfig, message: str, extensions: Extensions) -> bytes | None:
    """Return the application protocol that a server chose (RFC 7301 section 3.1).

    Raises:
        IllegalParameter: it is none of ours.
    """
    protocols = extensions.get(ApplicationLayerProtocolNegotiation)
    if protocols is None:
        return None
    names = protocols.protocol_name_list
    if len(names) != 1 or names[0] not in config.alpn_protocols:
        raise IllegalParameter(
            f"{message}: expected one of our application protocols, got {listed(names) or 'none'}",
            section="RFC 7301, 3.1",
        )
    return names[0]
