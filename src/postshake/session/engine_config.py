"""make_connection: from a session's settings to the engine that does what they say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

from ..config import ClientAuth, ClientConfig, Config, ServerConfig
from ..connection import Connection
from ..constants import ProtocolVersion, PskKeyExchangeMode, Role
from ..errors import UsageError
from ..pki.trust import PeerChain, VerifiedChain
from ..resumption.external_psk import ExternalPsk
from . import codes
from . import constants as c
from .errors import SessionError, translate
from .priority import Priorities, parse_priorities
from .session_data import read_session_data
from .settings import SessionSettings

__all__ = ["make_connection"]

DEFAULT = "NORMAL"
DEFAULT_WITH_PSK = "NORMAL:+ECDHE-PSK"
_BASE_FIELDS = tuple(each.name for each in fields(Config))
_KEY_SHARES = {c.KEY_SHARE_TOP: 1, c.KEY_SHARE_TOP2: 2, c.KEY_SHARE_TOP3: 3}
_MODES = (
    (PskKeyExchangeMode.psk_dhe_ke, {"ECDHE-PSK", "DHE-PSK"}),
    (PskKeyExchangeMode.psk_ke, {"PSK"}),
)


def make_connection(settings: SessionSettings, handle: Callable[[], object]) -> Connection:
    """Make the engine that a session's settings describe.

    Args:
        settings: what was said to the session.
        handle: returns the session, which the application's functions get.

    Raises:
        SessionError: they do not go together, or something is missing.
    """
    priorities = _priorities(settings)
    try:
        if settings.role is Role.client:
            config = _client_config(settings, priorities, handle)
            earlier = read_session_data(settings.session_data, settings.server_name)
            return Connection(config, settings.server_name, session=earlier)
        return Connection(_server_config(settings, priorities, handle))
    except UsageError as error:
        raise translate(error) from error


def _priorities(settings: SessionSettings) -> Priorities:
    priorities = settings.priorities
    if priorities is None:
        priorities = parse_priorities(DEFAULT if settings.psk is None else DEFAULT_WITH_PSK)
    if settings.psk is not None and settings.certificates is None and not _modes(priorities):
        raise SessionError(
            codes.E_INSUFFICIENT_CREDENTIALS,
            "there are only PSKs, and the priorities have no key exchange for them: "
            "add +ECDHE-PSK, or +PSK",
        )
    return priorities


def _modes(priorities: Priorities) -> tuple[PskKeyExchangeMode, ...]:
    """How external PSKs may be used (§4.2.9)."""
    allowed = set(priorities.key_exchanges)
    return tuple(mode for mode, words in _MODES if words & allowed)


def _common(settings: SessionSettings, priorities: Priorities) -> dict[str, Any]:
    base = {name: getattr(settings.base, name) for name in _BASE_FIELDS}
    certificates = settings.certificates
    suites12 = tuple(
        suite
        for suite in priorities.tls12_suites
        if (settings.psk if "_PSK_" in suite.name else certificates) is not None
    )
    versions = priorities.usable_versions
    if not suites12:
        versions = tuple(each for each in versions if each is not ProtocolVersion.TLS12) or versions
    modes = _modes(priorities) if settings.psk is not None else ()
    return base | {
        "versions": versions,
        "credentials": tuple(certificates.chains) if certificates is not None else (),
        "verifier": _answered_by_session,
        "alpn_protocols": settings.protocols,
        "cipher_suites": priorities.tls13_suites,
        "cipher_suites12": suites12 or priorities.tls12_suites,
        "groups": tuple(priorities.groups),
        "signature_algorithms": priorities.handshake_schemes,
        "signature_algorithms12": priorities.handshake_schemes12,
        "signature_algorithms_cert": tuple(priorities.signature_algorithms),
        # a session resumed needs a key exchange, as GnuTLS has it
        "psk_modes": modes or (() if settings.without_tickets else (_MODES[0][0],)),
        "certificate_compression": settings.compression,
        "require_extended_master_secret": "FORCE_SESSION_HASH" in priorities.options,
        "send_alerts": False,
    }


def _client_config(
    settings: SessionSettings, priorities: Priorities, handle: Callable[[], object]
) -> ClientConfig:
    shares = next((many for flag, many in _KEY_SHARES.items() if settings.flags & flag), 2)
    common = _common(settings, priorities)
    psks: tuple[ExternalPsk, ...] = ()
    if settings.psk is not None and _modes(priorities):
        psks = settings.psk.offers(handle())
    if psks and settings.certificates is None:
        common["verifier"] = None  # nobody but who has the key will do
    return ClientConfig(
        **common | {"psks": psks},
        check_server_name=False,
        post_handshake_auth=settings.offers_reauth,
        key_shares=shares,
        request_status=settings.certificates is not None and not settings.without_ocsp,
        is_fallback="FALLBACK_SCSV" in priorities.options,
        middlebox_compatibility="DISABLE_TLS13_COMPAT_MODE" not in priorities.options,
    )


def _server_config(
    settings: SessionSettings, priorities: Priorities, handle: Callable[[], object]
) -> ServerConfig:
    certificates, psk = settings.certificates, settings.psk
    by_function = certificates is not None and certificates.retrieve_function is not None
    has_psks = psk is not None and psk.serves and bool(_modes(priorities))
    if not has_psks and (certificates is None or not (certificates.chains or by_function)):
        what = "no certificate is set" if certificates is not None else "no credentials are set"
        raise SessionError(codes.E_INSUFFICIENT_CREDENTIALS, what)
    keys = settings.ticket_keys if not settings.without_tickets else None
    of_tickets: dict[str, Any] = {
        "prefer_client_suites": "SERVER_PRECEDENCE" not in priorities.options,
        "tickets12": keys is not None and not settings.without_tickets12,
        "tickets": c.DEFAULT_TICKETS if keys and not settings.flags & c.NO_AUTO_SEND_TICKET else 0,
        "session_lifetime12": settings.ticket_lifetime,
        "ticket_lifetime": settings.ticket_lifetime,
    }
    if keys is not None:
        of_tickets["ticket_keys"] = keys
        of_tickets["max_early_data"] = settings.allowed_early_data
        of_tickets["replay_guard"] = settings.replay_guard
        of_tickets["early_data_window"] = settings.early_data_window
    return ServerConfig(
        **_common(settings, priorities),
        **of_tickets,
        psk_identity_hint=psk.hint if psk is not None else b"",
        psk_lookup=psk.lookup_for(handle) if psk is not None and has_psks else None,
        client_auth=ClientAuth(settings.request_mode),
        certificate_authorities=settings.authorities,
        request_ocsp=True,
        chosen_elsewhere=by_function,
        allow_identity_change=True,  # the session looks itself, as it judges
    )


class _AnsweredBySession:
    """A verifier that is never asked: the session answers JudgePeer itself."""

    def verify(self, peer: PeerChain) -> VerifiedChain:
        raise UsageError("a session answers for its peers itself")


_answered_by_session = _AnsweredBySession()
