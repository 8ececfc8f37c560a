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
from ..errors import (
    UsageError,
    present,
    require,
)
from ..pki.compression import compressors_named
from ..psk import ExternalPsk
from .errors import ssl_error, translate
from .verifier import AnyPeer

if TYPE_CHECKING:
    from .context import SSLContext

__all__ = ["CIPHERS", "check_end", "cipher_name", "config_for", "group_named", "versions_of"]

OP_NO_TLSv1_2, OP_NO_TLSv1_3 = 1 << 27, 1 << 29
OP_NO_TICKET, OP_MIDDLEBOX = 1 << 14, 1 << 20
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
    "SecP256r1MLKEM768": NamedGroup.SecP256r1MLKEM768,
    "SecP384r1MLKEM1024": NamedGroup.SecP384r1MLKEM1024,
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


def config_for(context: SSLContext, server_side: bool) -> ClientConfig | ServerConfig:
    """Make the configuration for a connection with these settings.

    One that was made before is used again as long as nothing has changed.
    """
    key = _fingerprint(context, server_side)
    kept: ClientConfig | ServerConfig | None = context._configs.get(key)
    if kept is None:
        try:
            kept = _server(context) if server_side else _client(context)
        except UsageError as error:
            raise translate(error) from error
        if len(context._configs) > 8:  # settings that change all the time are not worth keeping
            context._configs.clear()
        context._configs[key] = kept
    if not server_side and context._psk_client is not None:
        return _with_psk(context, kept)
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
    )


def _common(context: SSLContext) -> dict[str, Any]:
    found = [each["name"] for each in context.get_ciphers()]  # favourites first
    suites12 = tuple(CipherSuite(CIPHERS[name]) for name in found if CIPHERS[name] in TLS12_SUITES)
    versions = versions_of(context)
    if not suites12:
        versions = tuple(each for each in versions if each is not ProtocolVersion.TLS12)
    if not versions:
        raise ssl_error("NO_CIPHERS_AVAILABLE")
    settings: dict[str, Any] = {
        "versions": versions,
        "cipher_suites12": suites12 or tuple(TLS12_SUITES),
        "credentials": tuple(context._credentials),
        "alpn_protocols": context._alpn,
        "keylog": context._keylog,
        "reauth_forbidden_alpn": context.reauth_forbidden_alpn,
        "certificate_compression": compressors_named(context.certificate_compression),
    }
    if context._groups is not None:
        settings["groups"] = context._groups
    return settings


def _client(context: SSLContext) -> ClientConfig:
    judged = context.verify_mode != ssl.CERT_NONE
    settings = _common(context)
    groups = settings.get("groups", supported_groups())
    # whoever is older than the hybrids wants an ordinary share; asking for it is a round trip
    ordinary = [at for at, group in enumerate(groups) if "MLKEM" not in group.name]
    return ClientConfig(
        **settings,
        key_shares=ordinary[0] + 1 if ordinary else 1,
        verifier=context._verifier() if judged else AnyPeer(),
        check_server_name=judged and context.check_hostname,
        post_handshake_auth=context.post_handshake_auth,
        middlebox_compatibility=bool(context.options & OP_MIDDLEBOX),
    )


def _with_psk(context: SSLContext, config: ClientConfig | ServerConfig) -> ClientConfig:
    """Ask the callback which key to offer, for this one connection."""
    from dataclasses import replace

    config = require(ClientConfig, config)
    identity, key = present(context._psk_client, "callback")(None)
    if not key:
        return config
    if identity is None:
        raise ValueError("the callback gave a key without an identity")
    try:
        return replace(config, psks=(ExternalPsk(identity.encode(), bytes(key)),))
    except UsageError as error:
        raise translate(error) from error


def _server(context: SSLContext) -> ServerConfig:
    asks = {
        ssl.CERT_NONE: ClientAuth.NONE,
        ssl.CERT_OPTIONAL: ClientAuth.REQUEST,
        ssl.CERT_REQUIRED: ClientAuth.REQUIRE,
    }[context.verify_mode]
    tickets = not context.options & OP_NO_TICKET
    return ServerConfig(
        **_common(context),
        chosen_elsewhere=True,  # an sni_callback may bring another context's certificates
        verifier=context._verifier(),
        client_auth=ClientAuth.NONE if context.post_handshake_auth else asks,
        client_auth12=asks,  # which knows no later
        tickets=context.num_tickets if tickets else 0,
        ticket_keys=context._ticket_keys,
        tickets12=tickets,
        psk_lookup=context._psk_lookup,
        prefer_client_suites=not context.options & ssl.OP_CIPHER_SERVER_PREFERENCE,
        alpn_mismatch_is_fatal=False,
    )
