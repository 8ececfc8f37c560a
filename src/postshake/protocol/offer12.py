"""What a ClientHello says for TLS 1.2, beside or instead of TLS 1.3 (RFC 5246 7.4.1.2)."""

from __future__ import annotations

from ..config import ClientConfig
from ..constants import CipherSuite, ExtensionType, NamedGroup, ProtocolVersion
from ..crypto.tls12.signatures import common_schemes
from ..crypto.tls12.suites import TLS12_SUITES, Authentication
from ..resumption.external_psk import ExternalPsk
from ..resumption.session12 import Session12
from ..values import replace
from ..wire.extensions import (
    EcPointFormats,
    ExtendedMasterSecret,
    Extension,
    Extensions,
    RenegotiationInfo,
    SessionTicket,
    SupportedGroups,
)
from ..wire.hello import ClientHello
from .negotiate import POST_QUANTUM

__all__ = [
    "UNCOMPRESSED",
    "groups12",
    "offered_schemes",
    "offered_suites",
    "offered_suites12",
    "psks_for_tls12",
    "tls12_extensions",
    "without_tls13",
]

UNCOMPRESSED = 0
"""The one point format there is (RFC 8422 section 5.1.2)."""

TLS13_ALONE = frozenset(
    {
        ExtensionType.pre_shared_key,
        ExtensionType.early_data,
        ExtensionType.supported_versions,
        ExtensionType.cookie,
        ExtensionType.psk_key_exchange_modes,
        ExtensionType.certificate_authorities,
        ExtensionType.post_handshake_auth,
        ExtensionType.key_share,
    }
)
"""Extensions that mean nothing to TLS 1.2 (§4.2)."""


def groups12(groups: tuple[NamedGroup, ...]) -> tuple[NamedGroup, ...]:
    """Return those that TLS 1.2 has a key exchange for: no hybrids (RFC 8422)."""
    return tuple(group for group in groups if group not in POST_QUANTUM)


def offered_suites(config: ClientConfig) -> tuple[int, ...]:
    """Return the cipher suites of all versions, and the signal of a fallback (RFC 7507)."""
    suites: list[int] = []
    if ProtocolVersion.TLS13 in config.versions:
        suites += config.cipher_suites
    if ProtocolVersion.TLS12 in config.versions:
        suites += offered_suites12(config)
    if config.is_fallback:
        suites.append(CipherSuite.TLS_FALLBACK_SCSV)
    return tuple(suites)


def offered_suites12(config: ClientConfig) -> tuple[CipherSuite, ...]:
    """Return those of TLS 1.2 whose way of vouching for a server means something to us."""
    usable = {
        Authentication.PSK: bool(psks_for_tls12(config)),
        Authentication.ECDSA: config.verifier is not None,
        Authentication.RSA: config.verifier is not None,
    }
    return tuple(
        code for code in config.cipher_suites12 if usable[TLS12_SUITES[code].authentication]
    )


def psks_for_tls12(config: ClientConfig) -> tuple[ExternalPsk, ...]:
    """Return the external PSKs that are meant for TLS 1.2, too: not imported ones (RFC 9258)."""
    if not config.psk_modes:
        return ()
    return tuple([psk for psk in config.psks if not psk.is_imported])


def offered_schemes(config: ClientConfig) -> tuple[int, ...]:
    """Return the signature schemes of all versions: one list serves both (§4.2.3).

    A scheme that both versions have is offered if both settings name it, since the server
    may use it in either.
    """
    ours13, ours12 = config.signature_algorithms, config.signature_algorithms12
    if ProtocolVersion.TLS12 not in config.versions:
        return ours13
    if ProtocolVersion.TLS13 not in config.versions:
        return ours12
    return common_schemes(ours13, ours12)


def tls12_extensions(config: ClientConfig, session: Session12 | None) -> list[Extension]:
    """Return the extensions that a TLS 1.2 server looks for.

    Args:
        config: our policy.
        session: what we offer to resume.
    """
    if ProtocolVersion.TLS12 not in config.versions:
        return []
    extensions: list[Extension] = [
        ExtendedMasterSecret(),
        RenegotiationInfo(b""),  # instead of the SCSV (RFC 5746 section 3.4)
        EcPointFormats((UNCOMPRESSED,)),
    ]
    if config.tickets12:
        extensions.append(SessionTicket(session.ticket if session is not None else b""))
    return extensions


def without_tls13(hello: ClientHello) -> ClientHello:
    """Return a ClientHello as a client writes it that speaks TLS 1.2 alone."""
    extensions: list[Extension] = []
    for extension in hello.extensions:
        if isinstance(extension, SupportedGroups):
            groups = map(NamedGroup, extension.named_group_list)
            extensions.append(SupportedGroups(groups12(tuple(groups))))
        elif extension.extension_type not in TLS13_ALONE:
            extensions.append(extension)
    return replace(hello, extensions=Extensions(tuple(extensions)))
