"""The ClientHello, first and second (§4.1.2)."""

from __future__ import annotations

from .._dataclass import dataclass, field, replace
from ..config import ClientConfig
from ..constants import CipherSuite, ExtensionType, NamedGroup, ProtocolVersion, name_of
from ..crypto.groups import KeyShare, generate_share
from ..crypto.tls12.signatures import common_schemes
from ..crypto.tls12.suites import TLS12_SUITES, Authentication
from ..errors import IllegalParameter, UnsupportedExtension
from ..pki.names import normalize_server_name
from ..resumption.external_psk import ExternalPsk
from ..resumption.session12 import Session12
from ..wire.extensions import (
    ApplicationLayerProtocolNegotiation,
    CertificateAuthorities,
    CompressCertificate,
    Cookie,
    EcPointFormats,
    ExtendedMasterSecret,
    Extension,
    Extensions,
    KeyShareClientHello,
    KeyShareEntry,
    KeyShareHelloRetryRequest,
    MaxFragmentLength,
    PostHandshakeAuth,
    PskKeyExchangeModes,
    RecordSizeLimit,
    RenegotiationInfo,
    ServerName,
    SessionTicket,
    SignatureAlgorithms,
    SignatureAlgorithmsCert,
    StatusRequest,
    SupportedGroups,
    SupportedVersionsClientHello,
)
from ..wire.hello import ClientHello, ServerHello
from .negotiate import UNCOMPRESSED, groups12

__all__ = [
    "FRAGMENT_LENGTHS",
    "Offer",
    "check_answers",
    "make_offer",
    "offered_schemes",
    "offered_suites",
    "offered_suites12",
    "psks_for_tls12",
    "renew_offer",
    "tls12_extensions",
    "without_tls13",
]

FRAGMENT_LENGTHS = {1: 512, 2: 1024, 3: 2048, 4: 4096}
"""RFC 6066 section 4: code to bytes."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A ClientHello, and the private halves of its key shares."""

    hello: ClientHello
    shares: dict[int, KeyShare] = field(repr=False)


def make_offer(
    config: ClientConfig,
    server_name: str | None,
    *,
    likely: int = 0,
    session12: Session12 | None = None,
) -> Offer:
    """Write the first ClientHello (§4.1.2).

    Args:
        config: our policy.
        server_name: whom we mean to reach.
        likely: a group of ours that the server took before; a key share for it saves
            a round trip, and with it early data.
        session12: a TLS 1.2 session to resume, if the server wants to.
    """
    tls13 = ProtocolVersion.TLS13 in config.versions
    chosen = sorted(config.groups, key=lambda group: group != likely)[: config.key_shares]
    shares: dict[int, KeyShare] = {
        group: generate_share(group, config.random)
        for group in config.groups  # §4.2.8: in the same order
        if group in chosen and tls13
    }
    session_id = config.random(32) if config.middlebox_compatibility and tls13 else b""
    if session12 is not None:  # RFC 5077 section 3.4: with a ticket any ID will do
        session_id = session12.session_id or session_id or config.random(32)
    hello = ClientHello(
        random=config.random(32),
        legacy_session_id=session_id,
        cipher_suites=offered_suites(config),
        extensions=Extensions(tuple(_extensions(config, server_name, shares, session12))),
    )
    return Offer(hello if tls13 else without_tls13(hello), shares)


def _extensions(
    config: ClientConfig,
    server_name: str | None,
    shares: dict[int, KeyShare],
    session12: Session12 | None,
) -> list[Extension]:
    extensions: list[Extension] = []
    if server_name is not None:
        host_name, is_address = normalize_server_name(server_name)
        if not is_address:  # RFC 6066 section 3: no literal addresses
            extensions.append(ServerName(host_name))
    extensions += [
        SupportedVersionsClientHello(tuple(sorted(config.versions, reverse=True))),
        SupportedGroups(config.groups),
        KeyShareClientHello(_entries(shares)),
        *tls12_extensions(config, session12),
    ]
    if config.verifier is not None:  # §4.2.3: without it the server shows no certificate
        schemes = offered_schemes(config)
        extensions.append(SignatureAlgorithms(schemes))
        if config.signature_algorithms_cert != schemes:
            extensions.append(SignatureAlgorithmsCert(config.signature_algorithms_cert))
        if config.certificate_compression:
            extensions.append(CompressCertificate(config.certificate_compression))
    if config.psk_modes:  # without it a server sends no tickets (§4.2.9)
        extensions.append(PskKeyExchangeModes(config.psk_modes))
    if config.alpn_protocols:
        extensions.append(ApplicationLayerProtocolNegotiation(config.alpn_protocols))
    if config.request_status:
        extensions.append(StatusRequest())
    if config.post_handshake_auth:
        extensions.append(PostHandshakeAuth())
    if config.certificate_authorities:
        extensions.append(CertificateAuthorities(config.certificate_authorities))
    if config.record_size_limit is not None:
        extensions.append(RecordSizeLimit(config.record_size_limit))
    if config.max_fragment_length is not None:
        codes = {length: code for code, length in FRAGMENT_LENGTHS.items()}
        extensions.append(MaxFragmentLength(codes[config.max_fragment_length]))
    return extensions


def _entries(shares: dict[int, KeyShare]) -> tuple[KeyShareEntry, ...]:
    return tuple(KeyShareEntry(group, share.public) for group, share in shares.items())


def renew_offer(config: ClientConfig, offer: Offer, retry: ServerHello) -> Offer:
    """Write the second ClientHello, as a HelloRetryRequest asks (§4.1.4).

    Raises:
        IllegalParameter: it asks for nothing, or for what it may not ask for.
    """
    selected = retry.extensions.get(KeyShareHelloRetryRequest)
    cookie = retry.extensions.get(Cookie)
    if selected is None and cookie is None:
        raise IllegalParameter(
            "HelloRetryRequest: expected a group or a cookie, got nothing to change",
            section="4.1.4",
        )
    shares = offer.shares
    if selected is not None:
        group = selected.selected_group
        name = name_of(NamedGroup, group)
        if group not in config.groups:
            raise IllegalParameter(
                f"HelloRetryRequest: asks for {name}, which we did not offer", section="4.2.8"
            )
        if group in shares:
            raise IllegalParameter(
                f"HelloRetryRequest: asks for {name}, for which it has a key share",
                section="4.2.8",
            )
        shares = {group: generate_share(group, config.random)}
    extensions: list[Extension] = [
        KeyShareClientHello(_entries(shares))
        if isinstance(extension, KeyShareClientHello)
        else extension
        for extension in offer.hello.extensions
    ]
    if cookie is not None:
        extensions.append(cookie)
    return Offer(replace(offer.hello, extensions=Extensions(tuple(extensions))), shares)


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


def check_answers(offered: ClientHello, answered: Extensions, message: str) -> None:
    """Refuse answers to extensions that we did not send (§4.2)."""
    sent = {extension.extension_type for extension in offered.extensions}
    for extension in answered:
        unasked = isinstance(extension, Cookie)  # the one that a server may begin
        if extension.extension_type not in sent and not unasked:
            raise UnsupportedExtension(
                f"{message}: extension {extension.extension_type} answers none of ours",
                section="4.2",
            )
