"""From a context's settings to the engine's configuration.

OpenSSL's words stay with OpenSSL: a context is one of the standard library's, which reads
them and complains. What is left to do here is to take what it settled on, as far as the
engine has it.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

from ..config import ClientAuth, ClientConfig, ServerConfig
from ..constants import CipherSuite, NamedGroup, ProtocolVersion
from ..crypto.groups import supported_groups
from ..crypto.suites import TLS13_SUITES
from ..crypto.suites12 import TLS12_SUITES
from ..errors import UsageError
from ..pki.compression import compressors_named
from ..psk import ExternalPsk
from .errors import ssl_error, translate
from .verifier import AnyPeer

if TYPE_CHECKING:
    from .context import SSLContext

__all__ = [
    "CIPHERS",
    "check_end",
    "cipher_name",
    "config_for",
    "group_named",
    "stricter_flags",
    "stricter_mode",
    "versions_of",
]

OP_NO_TLSv1_2, OP_NO_TLSv1_3 = 1 << 27, 1 << 29
OP_NO_TICKET, OP_MIDDLEBOX = 1 << 14, 1 << 20
_CHECKS_MORE = ssl.VerifyFlags.VERIFY_CRL_CHECK_CHAIN | ssl.VerifyFlags.VERIFY_X509_STRICT
_GROUPS = {
    "prime256v1": NamedGroup.secp256r1,
    "secp256r1": NamedGroup.secp256r1,
    "P-256": NamedGroup.secp256r1,
    "secp384r1": NamedGroup.secp384r1,
    "P-384": NamedGroup.secp384r1,
    "secp521r1": NamedGroup.secp521r1,
    "P-521": NamedGroup.secp521r1,
    "X25519": NamedGroup.x25519,
    "X448": NamedGroup.x448,
    "X25519MLKEM768": NamedGroup.X25519MLKEM768,
}


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


def group_named(name: str) -> NamedGroup:
    """Return the group that OpenSSL calls so.

    Raises:
        ValueError: we have no such group.
    """
    group = _GROUPS.get(name)
    if group is None or group not in supported_groups():
        raise ValueError(f"unknown elliptic curve name {name!r}")
    return group


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
    own: SSLContext, server_side: bool, shown: SSLContext | None = None
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
    if shown is not own:
        key = (own._serial, *key, *_fingerprint(shown, server_side))
    kept: ClientConfig | ServerConfig | None = shown._configs.get(key)
    if kept is None:
        try:
            kept = _server(own, shown) if server_side else _client(own, shown)
        except UsageError as error:
            raise translate(error) from error
        if len(shown._configs) > 8:  # settings that change all the time are not worth keeping
            shown._configs.clear()
        shown._configs[key] = kept
    if not server_side and shown._psk_client is not None:
        return _with_psk(shown, kept)
    return kept


def _fingerprint(context: SSLContext, server_side: bool) -> tuple[Any, ...]:
    return (
        server_side,
        context._version,
        context.verify_mode,
        context.check_hostname,
        context.verify_flags,
        context.options,
        context.minimum_version,
        context.maximum_version,
        context.post_handshake_auth,
        context.hostname_checks_common_name,
        tuple(context.certificate_compression),
        context.num_tickets if server_side else 0,
        context.sni_callback is not None,
    )


def stricter_mode(own: ssl.SSLContext, shown: ssl.SSLContext) -> ssl.VerifyMode:
    """Return what is asked of the peer when one context took another's place."""
    return max(own.verify_mode, shown.verify_mode)


def stricter_flags(own: ssl.SSLContext, shown: ssl.SSLContext) -> int:
    """Return the verify_flags of the one, and what the other looks at besides."""
    return int(own.verify_flags) | (int(shown.verify_flags) & _CHECKS_MORE)


def _common(own: SSLContext, shown: SSLContext) -> dict[str, Any]:
    found = [each["name"] for each in shown.get_ciphers()]  # favourites first
    suites12 = tuple(CipherSuite(CIPHERS[name]) for name in found if CIPHERS[name] in TLS12_SUITES)
    versions = versions_of(own)
    if not suites12:
        versions = tuple(each for each in versions if each is not ProtocolVersion.TLS12)
    if not versions:
        raise ssl_error("NO_CIPHERS_AVAILABLE")
    settings: dict[str, Any] = {
        "versions": versions,
        "cipher_suites12": suites12 or tuple(TLS12_SUITES),
        "credentials": tuple(shown._credentials),
        "alpn_protocols": shown._alpn,
        "keylog": shown._keylog,
        "reauth_forbidden_alpn": own.reauth_forbidden_alpn | shown.reauth_forbidden_alpn,
        "certificate_compression": compressors_named(shown.certificate_compression),
    }
    if own._groups is not None:
        settings["groups"] = own._groups
    return settings


def _client(own: SSLContext, shown: SSLContext) -> ClientConfig:
    judged = stricter_mode(own, shown) != ssl.CERT_NONE
    settings = _common(own, shown)
    settings["alpn_protocols"] = own._alpn  # OpenSSL copies a client's at the beginning
    groups = settings.get("groups", supported_groups())
    # whoever is older than the hybrids wants an ordinary share; asking for it is a round trip
    hybrids = sum("MLKEM" in group.name for group in groups)
    names = own.hostname_checks_common_name and shown.hostname_checks_common_name
    flags = stricter_flags(own, shown)
    return ClientConfig(
        **settings,
        key_shares=min(hybrids + 1, len(groups)),
        verifier=shown._verifier(flags, names) if judged else AnyPeer(),
        check_server_name=judged and (own.check_hostname or shown.check_hostname),
        post_handshake_auth=own.post_handshake_auth,
        middlebox_compatibility=bool(own.options & OP_MIDDLEBOX),
    )


def _with_psk(context: SSLContext, config: ClientConfig | ServerConfig) -> ClientConfig:
    """Ask the callback which key to offer, for this one connection."""
    from dataclasses import replace

    assert isinstance(config, ClientConfig)
    assert context._psk_client is not None
    identity, key = context._psk_client(None)
    if not key:
        return config
    if identity is None:
        raise ValueError("the callback gave a key without an identity")
    try:
        return replace(config, psks=(ExternalPsk(identity.encode(), bytes(key)),))
    except UsageError as error:
        raise translate(error) from error


_ASKS = {
    ssl.CERT_NONE: ClientAuth.NONE,
    ssl.CERT_OPTIONAL: ClientAuth.REQUEST,
    ssl.CERT_REQUIRED: ClientAuth.REQUIRE,
}


def _server(own: SSLContext, shown: SSLContext) -> ServerConfig:
    # what the handshake itself asks for: not what is left for later
    now = [each.verify_mode for each in (own, shown) if not each.post_handshake_auth]
    tickets = not own.options & OP_NO_TICKET
    names = own.hostname_checks_common_name and shown.hostname_checks_common_name
    return ServerConfig(
        **_common(own, shown),
        choose_config=own.sni_callback is not None,
        chosen_elsewhere=True,  # without any, the handshake fails: as with OpenSSL
        verifier=shown._verifier(stricter_flags(own, shown), names),
        client_auth=_ASKS[max(now, default=ssl.CERT_NONE)],
        client_auth12=_ASKS[stricter_mode(own, shown)],  # which knows no later
        tickets=own.num_tickets if tickets else 0,
        ticket_keys=own._ticket_keys,
        tickets12=tickets,
        psk_lookup=shown._psk_lookup,
        prefer_client_suites=not own.options & ssl.OP_CIPHER_SERVER_PREFERENCE,
        alpn_mismatch_is_fatal=False,
    )
