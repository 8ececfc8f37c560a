"""The ClientHello as TLS 1.2 reads it, and our choices (RFC 5246 sections 7.4.1.2 to 7.4.1.4)."""

from __future__ import annotations

from ..._dataclass import dataclass
from ...config import ServerConfig
from ...constants import CipherSuite, NamedGroup, ProtocolVersion, SignatureScheme, names_of
from ...crypto.tls12.suites import TLS12_SUITES, Authentication, Suite12
from ...errors import IllegalParameter, NegotiationError
from ...wire.extensions import (
    EcPointFormats,
    ExtendedMasterSecret,
    Extensions,
    RenegotiationInfo,
    SignatureAlgorithms,
    SupportedGroups,
)
from ...wire.hello import DOWNGRADE_TLS12, ClientHello
from ..negotiate import UNCOMPRESSED, choose_first, common_suites, groups12

__all__ = [
    "Offered12",
    "check_client_hello",
    "choose_suite",
    "make_server_random",
    "read_offer",
    "wants_renegotiation_info",
]


KNOWN_SCHEMES = frozenset(map(int, SignatureScheme))
KNOWN_GROUPS = frozenset(map(int, NamedGroup))

GROUPS_UNSAID = (NamedGroup.secp256r1, NamedGroup.secp384r1)
"""What a client without supported_groups most likely has (RFC 8422 section 4)."""


@dataclass(frozen=True, slots=True)
class Offered12:
    """What a ClientHello offers that TLS 1.2 can use."""

    suites: tuple[Suite12, ...]
    """In our order of preference."""
    group: NamedGroup
    """The one to use."""
    groups: tuple[int, ...] | None
    """All that the client named, for the keys of ECDSA certificates as well (RFC 8422
    section 5.1.1); None where it named none."""
    schemes: tuple[int, ...]
    """For our signature."""

    @property
    def authentications(self) -> frozenset[Authentication]:
        """Kinds of keys that we may sign with."""
        return frozenset(suite.authentication for suite in self.suites) - {Authentication.PSK}

    @property
    def psk_suite(self) -> Suite12 | None:
        """The favourite of those with pre-shared keys (RFC 5489)."""
        return next((s for s in self.suites if s.authentication is Authentication.PSK), None)


def check_client_hello(config: ServerConfig, hello: ClientHello) -> bool:
    """Check what every ClientHello must be, whether it resumes or not (7.4.1.2).

    Returns:
        Whether the master secret will be an extended one (RFC 7627).

    Raises:
        IllegalParameter: compression or points that nobody has to offer so.
        NegotiationError: our policy forbids it.
    """
    extensions = hello.extensions
    if 0 not in hello.legacy_compression_methods:
        raise IllegalParameter(
            "ClientHello.compression_methods: expected null among them, "
            f"got {hello.legacy_compression_methods.hex()}",
            section="RFC 5246, 7.4.1.2",
        )
    check_renegotiation_info(extensions)
    formats = extensions.get(EcPointFormats)
    if formats is not None and UNCOMPRESSED not in formats.ec_point_format_list:
        raise IllegalParameter(
            f"ClientHello: expected uncompressed points, got {formats.ec_point_format_list}",
            section="RFC 8422, 5.1.2",
        )
    extended = extensions.get(ExtendedMasterSecret) is not None
    if config.require_extended_master_secret and not extended:
        raise NegotiationError(
            "ClientHello: expected extended_master_secret, which our policy requires"
        )
    return extended


def read_offer(config: ServerConfig, hello: ClientHello) -> Offered12:
    """Find what is in common for a full handshake (7.4.1.2).

    Raises:
        NegotiationError: nothing is.
    """
    extensions = hello.extensions
    schemes = extensions.get(SignatureAlgorithms)
    suites = find_suites(config, hello)
    if schemes is None and any(s.authentication is not Authentication.PSK for s in suites):
        # RFC 5246 section 7.4.1.4.1: then it means SHA-1
        raise NegotiationError("ClientHello: expected signature_algorithms, got none")
    groups = extensions.get(SupportedGroups)
    return Offered12(
        suites=suites,
        group=find_group12(config, extensions),
        # those that anyone has, each once, however many there are
        groups=_known(groups.named_group_list, KNOWN_GROUPS) if groups is not None else None,
        schemes=(
            _known(schemes.supported_signature_algorithms, KNOWN_SCHEMES)
            if schemes is not None
            else ()
        ),
    )


def _known(codes: tuple[int, ...], known: frozenset[int]) -> tuple[int, ...]:
    return tuple(dict.fromkeys([code for code in codes if code in known]))


def wants_renegotiation_info(hello: ClientHello) -> bool:
    """Whether the client asks in either way to be told of RFC 5746 (section 3.6)."""
    return (
        CipherSuite.TLS_EMPTY_RENEGOTIATION_INFO_SCSV in hello.cipher_suites
        or hello.extensions.get(RenegotiationInfo) is not None
    )


def check_renegotiation_info(extensions: Extensions) -> None:
    """Refuse a renegotiation that comes as a first handshake (RFC 5746 section 3.6)."""
    info = extensions.get(RenegotiationInfo)
    if info is not None and info.renegotiated_connection:
        raise NegotiationError(
            "ClientHello: expected an empty renegotiation_info in a first handshake, "
            f"got {len(info.renegotiated_connection)} bytes",
            section="RFC 5746, 3.6",
        )


def find_suites(config: ServerConfig, hello: ClientHello) -> tuple[Suite12, ...]:
    """Return the suites in common, to be preferred first."""
    shared = common_suites(
        config.cipher_suites12, hello.cipher_suites, client_first=config.prefer_client_suites
    )
    common = [code for code in shared if is_usable(config, TLS12_SUITES[code])]
    if not common:
        raise NegotiationError(
            "no TLS 1.2 cipher suite in common: the client offers "
            + names_of(CipherSuite, hello.cipher_suites)
        )
    return tuple(TLS12_SUITES[code] for code in common)


def is_usable(config: ServerConfig, suite: Suite12) -> bool:
    """Whether we have what vouches for a key exchange with this suite."""
    if suite.authentication is Authentication.PSK:
        listed = any(not psk.is_imported for psk in config.psks)
        return bool(config.psk_modes and (listed or config.psk_lookup is not None))
    return config.has_certificates


def find_group12(config: ServerConfig, extensions: Extensions) -> NamedGroup:
    """Choose the group of the key exchange (RFC 8422 section 5.1.1)."""
    groups = extensions.get(SupportedGroups)
    offered = groups.named_group_list if groups is not None else GROUPS_UNSAID
    group = choose_first(groups12(config.groups), offered)
    if group is None:
        raise NegotiationError(
            "no group for TLS 1.2 in common: the client offers " + names_of(NamedGroup, offered)
        )
    return NamedGroup(group)


def choose_suite(offered: Offered12, authentication: Authentication | None) -> Suite12:
    """Choose the first suite that goes with our key (RFC 8422 section 2)."""
    for suite in offered.suites:
        if suite.authentication is authentication:
            return suite
    raise NegotiationError("no cipher suite in common goes with our certificate")


def make_server_random(config: ServerConfig) -> bytes:
    """Draw a random; it says if we could do better than TLS 1.2 (§4.1.3)."""
    if ProtocolVersion.TLS13 in config.versions:
        return config.random(24) + DOWNGRADE_TLS12
    return config.random(32)
