"""From a context's settings to the engine's configuration.

OpenSSL's words stay with OpenSSL: a context is one of the standard library's, which reads
them and complains. What is left to do here is to take what it settled on, as far as the
engine has it.
"""

from __future__ import annotations

import ssl
from typing import Any

from ..config import ClientAuth, ClientConfig, ServerConfig
from ..constants import CipherSuite, NamedGroup, ProtocolVersion, SignatureScheme
from ..crypto.groups import supported_groups
from ..crypto.signatures import handshake_schemes
from ..crypto.suites import TLS13_SUITES
from ..crypto.tls12.signatures import handshake_schemes12
from ..crypto.tls12.suites import TLS12_SUITES
from ..errors import UsageError, present, require
from ..pki.compression import compressors_named
from ..pki.credential import Credential
from ..pki.limited import limited
from ..protocol.negotiate import groups12
from ..resumption.external_psk import ExternalPsk
from .algorithms import supported_schemes
from .engine_settings import engine_settings
from .errors import ssl_error, translate
from .security_level import (
    allows_tickets,
    bits_of_level,
    has_strong_key,
    strong_groups,
    strong_schemes,
    strong_suites,
)
from .verifier import POLICY_FLAGS, AnyPeer

__all__ = [
    "CIPHERS",
    "check_end",
    "cipher_name",
    "config_for",
    "credentials_of",
    "groups_of",
    "psk_for",
    "schemes_to_sign_by",
    "stricter_flags",
    "stricter_level",
    "stricter_mode",
    "versions_of",
]

OP_NO_TLSv1_2, OP_NO_TLSv1_3 = 1 << 27, 1 << 29
OP_NO_TICKET, OP_MIDDLEBOX = 1 << 14, 1 << 20
_CHECKS_MORE = (
    ssl.VerifyFlags.VERIFY_CRL_CHECK_CHAIN | ssl.VerifyFlags.VERIFY_X509_STRICT | POLICY_FLAGS
)


def cipher_name(code: int) -> str:
    """Return OpenSSL's name for a suite."""
    name = CipherSuite(code).name
    if code in TLS13_SUITES:
        return name
    words = name.removeprefix("TLS_").replace("_WITH", "").split("_")
    text = "-".join(words).replace("AES-128", "AES128").replace("AES-256", "AES256")
    return text.removesuffix("-SHA256") if "POLY1305" in text else text


CIPHERS: dict[str, int] = {cipher_name(code): code for code in (*TLS13_SUITES, *TLS12_SUITES)}
"""Every suite by OpenSSL's name."""


def versions_of(context: ssl.SSLContext) -> tuple[ProtocolVersion, ...]:
    """Return the versions that a context allows, of those that we speak.

    Raises:
        SSLError: NO_PROTOCOLS_AVAILABLE.
    """
    low, high, options = context.minimum_version, context.maximum_version, int(context.options)
    if context.protocol == ssl.PROTOCOL_TLSv1_2:  # it and no other
        options |= OP_NO_TLSv1_3
    found = tuple(
        ours
        for ours, theirs, unwanted in (
            (ProtocolVersion.TLS13, ssl.TLSVersion.TLSv1_3, OP_NO_TLSv1_3),
            (ProtocolVersion.TLS12, ssl.TLSVersion.TLSv1_2, OP_NO_TLSv1_2),
        )
        if not options & unwanted
        and (low == ssl.TLSVersion.MINIMUM_SUPPORTED or low <= theirs)
        and (high == ssl.TLSVersion.MAXIMUM_SUPPORTED or theirs <= high)
    )
    if not found:
        raise ssl_error("NO_PROTOCOLS_AVAILABLE", "postshake speaks TLS 1.3 and 1.2, and no other")
    return found


def check_end(context: ssl.SSLContext, server_side: bool, name: str | None) -> None:
    """Raise for what cannot be an end of a connection, as the standard library does."""
    if name is not None and not isinstance(name, str):
        raise TypeError(f"server_hostname must be str, not {type(name).__name__}")
    if name is not None and "\0" in name:
        raise TypeError("embedded null character")
    wrong = ssl.PROTOCOL_TLS_CLIENT if server_side else ssl.PROTOCOL_TLS_SERVER
    if context.protocol == wrong:
        kind = "server" if server_side else "client"
        raise ssl.SSLError(f"Cannot create a {kind} socket with a {wrong.name} context")
    if name is not None and (not name or name.startswith(".")):
        raise ValueError("server_hostname cannot be an empty string or start with a leading dot.")


def config_for(
    own: ssl.SSLContext, server_side: bool, shown: ssl.SSLContext | None = None
) -> ClientConfig | ServerConfig:
    """Make the configuration for a connection with these settings.

    One that was made before is used again as long as nothing has changed.

    Args:
        own: the context that made the connection: versions, groups, options and tickets.
        server_side: whether we are the server.
        shown: the context that was set on it since, which brings its certificates, trust,
            application protocols and ciphers, as with OpenSSL. What the peer must prove is
            the stricter of what the two ask for, so that neither can be got around.
    """
    if shown is None:
        shown = own
    key = _fingerprint(own, server_side)
    settings = engine_settings(shown)
    if shown is not own:
        key = (engine_settings(own).serial, *key, *_fingerprint(shown, server_side))
    kept = settings.configs.get(key)
    if kept is None:
        try:
            kept = _server(own, shown) if server_side else _client(own, shown)
        except UsageError as error:
            raise translate(error) from error
        if len(settings.configs) > 8:  # settings that change all the time are not worth keeping
            settings.configs.clear()
        settings.configs[key] = kept
    if not server_side and settings.psk_client is not None:
        return _with_psk(shown, kept)
    return kept


def _fingerprint(context: ssl.SSLContext, server_side: bool) -> tuple[Any, ...]:
    settings = engine_settings(context)
    return (
        server_side,
        settings.version,
        context.verify_mode,
        context.check_hostname,
        context.verify_flags,
        context.options,
        context.minimum_version,
        context.maximum_version,
        context.post_handshake_auth,
        context.hostname_checks_common_name,
        context.security_level,
        tuple(settings.certificate_compression),
        context.num_tickets if server_side else 0,
        settings.sni_callback is not None,
    )


def stricter_mode(own: ssl.SSLContext, shown: ssl.SSLContext) -> ssl.VerifyMode:
    """Return what is asked of the peer when one context took another's place."""
    return max(own.verify_mode, shown.verify_mode)


def stricter_flags(own: ssl.SSLContext, shown: ssl.SSLContext) -> int:
    """Return the verify_flags of the one, and what the other looks at besides."""
    return int(own.verify_flags) | (int(shown.verify_flags) & _CHECKS_MORE)


def stricter_level(own: ssl.SSLContext, shown: ssl.SSLContext) -> int:
    """Return the higher of two security levels."""
    return max(own.security_level, shown.security_level)


def _common(own: ssl.SSLContext, shown: ssl.SSLContext, server_side: bool) -> dict[str, Any]:
    ours, theirs = engine_settings(own), engine_settings(shown)
    bits = bits_of_level(stricter_level(own, shown))
    found = [CIPHERS[each["name"]] for each in shown.get_ciphers()]  # favourites first
    strong = strong_suites(map(CipherSuite, found), bits)
    suites = tuple(code for code in strong if code in TLS13_SUITES)
    suites12 = tuple(code for code in strong if code in TLS12_SUITES)
    schemes = strong_schemes(_schemes_to_accept(shown, server_side), bits)
    schemes13 = tuple(each for each in handshake_schemes() if each in schemes)
    schemes12 = tuple(each for each in handshake_schemes12() if each in schemes)
    groups = strong_groups(groups_of(own), bits)
    usable = {
        ProtocolVersion.TLS13: bool(suites and schemes13 and groups),
        ProtocolVersion.TLS12: bool(suites12 and schemes12 and groups12(groups)),
    }
    allowed = versions_of(own)
    versions = tuple(each for each in allowed if usable[each])
    if not versions or (ProtocolVersion.TLS13 in allowed and not suites):
        raise ssl_error("NO_CIPHERS_AVAILABLE")
    return {
        "versions": versions,
        "cipher_suites": suites or tuple(TLS13_SUITES),
        "cipher_suites12": suites12 or tuple(TLS12_SUITES),
        "signature_algorithms": schemes13 or handshake_schemes(),
        "signature_algorithms12": schemes12 or handshake_schemes12(),
        "groups": groups,
        "credentials": credentials_of(shown, server_side, stricter_level(own, shown)),
        "alpn_protocols": theirs.alpn_protocols,
        "keylog": theirs.keylog,
        "reauth_forbidden_alpn": ours.reauth_forbidden_alpn | theirs.reauth_forbidden_alpn,
        "certificate_compression": compressors_named(theirs.certificate_compression),
    }


def _schemes_to_accept(context: ssl.SSLContext, server_side: bool) -> tuple[SignatureScheme, ...]:
    """Return by what the peer may sign: what a ClientHello or a CertificateRequest says."""
    return _schemes(context, engine_settings(context).client_schemes if server_side else None)


def schemes_to_sign_by(context: ssl.SSLContext, server_side: bool) -> tuple[SignatureScheme, ...]:
    """Return by what we may sign.

    As in OpenSSL, what is set for servers is for clients too, unless these have their own.
    """
    return _schemes(context, engine_settings(context).client_schemes if not server_side else None)


def credentials_of(
    context: ssl.SSLContext, server_side: bool, level: int | None = None
) -> tuple[Credential, ...]:
    """Return what a context can authenticate with by what we may sign by now.

    Several stand in the order of the algorithms, and not in that in which they were loaded:
    by that OpenSSL chooses, too, so that of an RSA certificate and an ECDSA one a peer that
    takes both sees the second.

    Args:
        context: whose certificates.
        server_side: whether we are the server.
        level: the security level; None for the context's.
    """
    settings = engine_settings(context)
    bits = bits_of_level(context.security_level if level is None else level)
    signing = strong_schemes(schemes_to_sign_by(context, server_side), bits)
    able = (
        limited(credential, signing)
        for credential in settings.credentials
        if not bits or has_strong_key(credential.leaf, bits)
    )
    usable = [credential for credential in able if credential is not None]
    is_set = settings.server_schemes or (settings.client_schemes and not server_side)
    place = {scheme: at for at, scheme in enumerate(signing if is_set else _FAVOURITES)}

    def first_scheme(credential: Credential) -> int:
        schemes = (*credential.schemes, *credential.schemes12)
        return min((place[each] for each in schemes if each in place), default=len(place))

    return tuple(sorted(usable, key=first_scheme))


_S = SignatureScheme
_FAVOURITES = (
    *(_S.mldsa65, _S.mldsa87, _S.mldsa44),
    *(_S.ecdsa_secp256r1_sha256, _S.ecdsa_secp384r1_sha384, _S.ecdsa_secp521r1_sha512),
    *(_S.ed25519, _S.ed448),
    *(_S.rsa_pss_pss_sha256, _S.rsa_pss_pss_sha384, _S.rsa_pss_pss_sha512),
    *(_S.rsa_pss_rsae_sha256, _S.rsa_pss_rsae_sha384, _S.rsa_pss_rsae_sha512),
    *(_S.rsa_pkcs1_sha256, _S.rsa_pkcs1_sha384, _S.rsa_pkcs1_sha512),
)
"""By what to sign, in OpenSSL's order (``tls12_sigalgs``, and from 3.5 on with ML-DSA)."""


def _schemes(
    context: ssl.SSLContext, for_clients: tuple[SignatureScheme, ...] | None
) -> tuple[SignatureScheme, ...]:
    chosen = for_clients or engine_settings(context).server_schemes or supported_schemes()
    return strong_schemes(chosen, bits_of_level(context.security_level))


def groups_of(context: ssl.SSLContext) -> tuple[NamedGroup, ...]:
    """Return the groups that a context allows, of those that we have."""
    groups = engine_settings(context).groups
    chosen = groups if groups is not None else supported_groups()
    return strong_groups(chosen, bits_of_level(context.security_level))


def _client(own: ssl.SSLContext, shown: ssl.SSLContext) -> ClientConfig:
    judged = stricter_mode(own, shown) != ssl.CERT_NONE
    settings = _common(own, shown, server_side=False)
    settings["alpn_protocols"] = engine_settings(
        own
    ).alpn_protocols  # OpenSSL copies a client's at the beginning
    groups = settings["groups"]
    # whoever is older than the hybrids wants an ordinary share; asking for it is a round trip
    ordinary = [at for at, group in enumerate(groups) if "MLKEM" not in group.name]
    names = own.hostname_checks_common_name and shown.hostname_checks_common_name
    flags, level = stricter_flags(own, shown), stricter_level(own, shown)
    find_verifier = engine_settings(shown).find_verifier
    return ClientConfig(
        **settings,
        key_shares=ordinary[0] + 1 if ordinary else 1,
        verifier=find_verifier(flags, names, level) if judged else AnyPeer(),
        check_server_name=judged and (own.check_hostname or shown.check_hostname),
        post_handshake_auth=own.post_handshake_auth,
        middlebox_compatibility=bool(own.options & OP_MIDDLEBOX),
        tickets12=not own.options & OP_NO_TICKET and allows_tickets(level),
    )


def _with_psk(context: ssl.SSLContext, config: ClientConfig | ServerConfig) -> ClientConfig:
    """Ask the callback which key to offer, for this one connection."""
    from dataclasses import replace

    config = require(ClientConfig, config)
    psk = psk_for(context, None)
    return replace(config, psks=(psk,)) if psk is not None else config


def psk_for(context: ssl.SSLContext, hint: str | None) -> ExternalPsk | None:
    """Ask a client's callback for an identity and a key.

    Raises:
        ValueError: it gave what cannot be used.
    """
    identity, key = present(engine_settings(context).psk_client, "callback")(hint)
    if not key:
        return None
    if identity is None:
        raise ValueError("the callback gave a key without an identity")
    try:
        return ExternalPsk(identity.encode(), bytes(key))
    except UsageError as error:
        raise translate(error) from error


_ASKS = {
    ssl.CERT_NONE: ClientAuth.NONE,
    ssl.CERT_OPTIONAL: ClientAuth.REQUEST,
    ssl.CERT_REQUIRED: ClientAuth.REQUIRE,
}


def _server(own: ssl.SSLContext, shown: ssl.SSLContext) -> ServerConfig:
    ours, theirs = engine_settings(own), engine_settings(shown)
    # what the handshake itself asks for: not what is left for later
    now = [each.verify_mode for each in (own, shown) if not each.post_handshake_auth]
    level = stricter_level(own, shown)
    tickets = not own.options & OP_NO_TICKET and allows_tickets(level)
    names = own.hostname_checks_common_name and shown.hostname_checks_common_name
    return ServerConfig(
        **_common(own, shown, server_side=True),
        choose_config=ours.sni_callback is not None,
        chosen_elsewhere=True,  # without any, the handshake fails: as with OpenSSL
        verifier=theirs.find_verifier(stricter_flags(own, shown), names, level),
        client_auth=_ASKS[max(now, default=ssl.CERT_NONE)],
        client_auth12=_ASKS[stricter_mode(own, shown)],  # which knows no later
        tickets=own.num_tickets,
        ticket_keys=ours.ticket_keys,
        ticket_database=None if tickets else ours.sessions,
        tickets12=tickets,
        sessions12=ours.sessions12,
        psk_lookup=theirs.psk_lookup,
        psk_identity_hint=theirs.psk_hint,
        prefer_client_suites=not own.options & ssl.OP_CIPHER_SERVER_PREFERENCE,
        alpn_mismatch_is_fatal=False,
    )
