"""From what was said to a session to the engine that does it."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from .session import Session

__all__ = ["connect"]

DEFAULT = "NORMAL"
DEFAULT_WITH_PSK = "NORMAL:+ECDHE-PSK"
_BASE_FIELDS = tuple(each.name for each in fields(Config))
_KEY_SHARES = {c.KEY_SHARE_TOP: 1, c.KEY_SHARE_TOP2: 2, c.KEY_SHARE_TOP3: 3}
_MODES = (
    (PskKeyExchangeMode.psk_dhe_ke, {"ECDHE-PSK", "DHE-PSK"}),
    (PskKeyExchangeMode.psk_ke, {"PSK"}),
)


def connect(session: Session) -> Connection:
    """Make the engine that a session's settings describe.

    Raises:
        SessionError: they do not go together, or something is missing.
    """
    priorities = _priorities(session)
    try:
        if session.role is Role.client:
            config = _client_config(session, priorities)
            earlier = read_session_data(session._session_data, session._server_name)
            return Connection(config, session._server_name, session=earlier)
        return Connection(_server_config(session, priorities))
    except UsageError as error:
        raise translate(error) from error


def _priorities(session: Session) -> Priorities:
    priorities = session._priorities
    if priorities is None:
        priorities = parse_priorities(DEFAULT if session._psk is None else DEFAULT_WITH_PSK)
    if session._psk is not None and session._certificates is None and not _modes(priorities):
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


def _common(session: Session, priorities: Priorities) -> dict[str, Any]:
    base = {name: getattr(session._base, name) for name in _BASE_FIELDS}
    certificates = session._certificates
    suites12 = tuple(
        suite
        for suite in priorities.tls12_suites
        if (session._psk if "_PSK_" in suite.name else certificates) is not None
    )
    versions = priorities.usable_versions
    if not suites12:
        versions = tuple(each for each in versions if each is not ProtocolVersion.TLS12) or versions
    modes = _modes(priorities) if session._psk is not None else ()
    return base | {
        "versions": versions,
        "credentials": tuple(certificates.chains) if certificates is not None else (),
        "verifier": _asked_elsewhere,
        "alpn_protocols": session._protocols,
        "cipher_suites": priorities.tls13_suites,
        "cipher_suites12": suites12 or priorities.tls12_suites,
        "groups": tuple(priorities.groups),
        "signature_algorithms": priorities.handshake_schemes,
        "signature_algorithms12": priorities.handshake_schemes12,
        "signature_algorithms_cert": tuple(priorities.signature_algorithms),
        # a session resumed needs a key exchange, as GnuTLS has it
        "psk_modes": modes or (() if session._without_tickets else (_MODES[0][0],)),
        "certificate_compression": session._compression,
        "require_extended_master_secret": "FORCE_SESSION_HASH" in priorities.options,
        "send_alerts": False,
    }


def _client_config(session: Session, priorities: Priorities) -> ClientConfig:
    shares = next((many for flag, many in _KEY_SHARES.items() if session.flags & flag), 2)
    common = _common(session, priorities)
    psks: tuple[ExternalPsk, ...] = ()
    if session._psk is not None and _modes(priorities):
        psks = session._psk.offers(session)
    if psks and session._certificates is None:
        common["verifier"] = None  # nobody but who has the key will do
    return ClientConfig(
        **common | {"psks": psks},
        check_server_name=False,
        post_handshake_auth=session._offers_reauth,
        key_shares=shares,
        request_status=session._certificates is not None and not session._without_ocsp,
        is_fallback="FALLBACK_SCSV" in priorities.options,
        middlebox_compatibility="DISABLE_TLS13_COMPAT_MODE" not in priorities.options,
    )


def _server_config(session: Session, priorities: Priorities) -> ServerConfig:
    certificates, psk = session._certificates, session._psk
    by_function = certificates is not None and certificates.retrieve_function is not None
    has_psks = psk is not None and psk.serves and bool(_modes(priorities))
    if not has_psks and (certificates is None or not (certificates.chains or by_function)):
        what = "no certificate is set" if certificates is not None else "no credentials are set"
        raise SessionError(codes.E_INSUFFICIENT_CREDENTIALS, what)
    keys = session._ticket_keys if not session._without_tickets else None
    settings: dict[str, Any] = {
        "prefer_client_suites": "SERVER_PRECEDENCE" not in priorities.options,
        "tickets12": keys is not None and not session._without_tickets12,
        "tickets": c.DEFAULT_TICKETS if keys and not session.flags & c.NO_AUTO_SEND_TICKET else 0,
        "session_lifetime12": session._ticket_lifetime,
        "ticket_lifetime": session._ticket_lifetime,
    }
    if keys is not None:
        settings["ticket_keys"] = keys
        settings["max_early_data"] = session._allowed_early_data
        settings["replay_guard"] = session._guard()
        settings["early_data_window"] = session._early_data_window
    return ServerConfig(
        **_common(session, priorities),
        **settings,
        psk_identity_hint=psk.hint if psk is not None else b"",
        psk_lookup=psk.lookup_for(session) if psk is not None and has_psks else None,
        client_auth=ClientAuth(session._request),
        certificate_authorities=session._authorities,
        request_ocsp=True,
        chosen_elsewhere=by_function,
        allow_identity_change=True,  # the session looks itself, as it judges
    )


class _AskedElsewhere:
    """A verifier that is never asked: the session answers JudgePeer itself."""

    def verify(self, peer: PeerChain) -> VerifiedChain:
        raise UsageError("a session answers for its peers itself")


_asked_elsewhere = _AskedElsewhere()
