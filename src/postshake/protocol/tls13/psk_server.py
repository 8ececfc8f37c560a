"""Pre-shared keys, as a server chooses among those on offer (§4.2.11)."""

from __future__ import annotations

import hmac

from ..._dataclass import replace
from ...config import ClientAuth, ServerConfig
from ...constants import PskKeyExchangeMode, Role
from ...crypto.suites import TLS13_SUITES, Suite
from ...errors import DecryptError, InternalError, UsageError
from ...questions import FindTicket
from ...resumption.ticket import TicketState
from ...wire.extensions import (
    PreSharedKeyClientHello,
    PskKeyExchangeModes,
    ServerName,
    SupportedGroups,
)
from ...wire.hello import ClientHello
from ..external_psk import find_external
from ..flow import Flow, ask
from ..negotiate import common_suites
from ..transcript import Transcript
from .psk import Psk, make_binder, reverify

__all__ = ["choose_psk", "choose_suite"]

MOST_OFFERS = 8  # looked at; each may cost a look-up (Go looks at 5)


def choose_psk(
    config: ServerConfig,
    hello: ClientHello,
    raw: bytes,
    before: Transcript | None = None,
    hash_name: str | None = None,
    earlier: Psk | None = None,
) -> Flow[Psk | None]:
    """Choose the first PSK on offer that we know and accept (§4.2.11).

    What is unknown, too old, or from a client whom we would not accept today is
    passed over: in the end there is a full handshake.

    Args:
        config: our policy.
        hello: the ClientHello.
        raw: its bytes, with the header.
        before: what came before it, after a HelloRetryRequest.
        hash_name: the hash that is settled by then.
        earlier: what was chosen then; a ticket may be good for being found once.

    Raises:
        DecryptError: we know the PSK, and its binder is wrong; or there is nothing
            but PSKs to go by, and we know none of these. Which it is does not show.
    """
    offered = hello.extensions.get(PreSharedKeyClientHello)
    mode = choose_mode(config, hello)
    if offered is None or mode is None:
        return None
    truncated = raw[: -offered.binders_length]
    for index, entry in enumerate(offered.identities[:MOST_OFFERS]):
        psk = earlier
        if psk is None or psk.identity != entry.identity:
            psk = yield from find_psk(config, entry.identity)
        if psk is None or psk.hash_name != (hash_name or psk.hash_name):
            continue
        if not suites_for(config, hello, psk):
            continue
        check_binder(psk, offered.binders[index], truncated, before)
        accepted = yield from accept_session(config, hello, psk)
        if accepted is not None:
            return replace(accepted, index=index, mode=mode)
    if not config.has_certificates:
        raise DecryptError("ClientHello: no PSK on offer can be used", section="4.2.11")
    return None


def choose_mode(config: ServerConfig, hello: ClientHello) -> PskKeyExchangeMode | None:
    """Choose whether a key exchange goes with a PSK; it does if it can (§4.2.9)."""
    modes = hello.extensions.get(PskKeyExchangeModes)
    common = [mode for mode in config.psk_modes if modes is not None and mode in modes.ke_modes]
    exchange = PskKeyExchangeMode.psk_dhe_ke
    if exchange in common and hello.extensions.get(SupportedGroups) is not None:
        return exchange
    return next(iter(common), None)


def find_psk(config: ServerConfig, identity: bytes) -> Flow[Psk | None]:
    """Find the PSK that an identity names: external, or a session's."""
    external = yield from find_external(config, identity)
    if external is not None:
        return Psk.external(external)
    session: TicketState | None
    if config.ticket_database is None:
        session = open_ticket(config, identity)
    else:
        session = yield from ask(FindTicket(config.ticket_database, identity))
        if session is not None and not isinstance(session, TicketState):
            raise InternalError(f"FindTicket: the answer is a {type(session).__name__}")
    return Psk.resuming(identity, session) if session is not None else None


def open_ticket(config: ServerConfig, ticket: bytes) -> TicketState | None:
    """Open a ticket that we sealed; None if we did not, or cannot any more."""
    plaintext = config.ticket_keys.open(ticket, config.wall_clock())
    if plaintext is None:
        return None
    try:
        return TicketState.from_bytes(plaintext)
    except UsageError:  # sealed by another version of ours
        return None


def suites_for(config: ServerConfig, hello: ClientHello, psk: Psk) -> list[Suite]:
    """Return the suites in common that have the PSK's hash, to be preferred first."""
    common = common_suites(
        config.cipher_suites, hello.cipher_suites, client_first=config.prefer_client_suites
    )
    suites = [TLS13_SUITES[code] for code in common]
    return [suite for suite in suites if suite.hash_name == psk.hash_name]


def choose_suite(config: ServerConfig, hello: ClientHello, psk: Psk) -> Suite:
    """Choose the suite for a PSK: the session's again, since early data needs it (§4.2.10)."""
    suites = suites_for(config, hello, psk)
    wanted = psk.session.suite if psk.session is not None else None
    return next((suite for suite in suites if suite.code == wanted), suites[0])


def check_binder(psk: Psk, binder: bytes, truncated: bytes, before: Transcript | None) -> None:
    """Check that the client has the PSK, before anything of it is believed (§4.2.11.2)."""
    if not hmac.compare_digest(binder, make_binder(psk, truncated, before)):
        raise DecryptError("ClientHello: no PSK on offer can be used", section="4.2.11")


def accept_session(config: ServerConfig, hello: ClientHello, psk: Psk) -> Flow[Psk | None]:
    """Decide whether a session may be resumed today; None for a full handshake (§4.6.1)."""
    session = psk.session
    if session is None:
        return psk
    now = config.wall_clock()
    name = hello.extensions.get(ServerName)
    if (
        not session.is_current(now)
        or now >= session.started_at + config.session_lifetime
        or session.server_name != (name.host_name if name is not None else None)
    ):
        return None
    if session.psk_identity is not None:
        known = yield from find_external(config, session.psk_identity)
        if known is None:
            return None
    if (
        config.client_auth is ClientAuth.REQUIRE
        and config.resumption_requires_identity
        and not session.chain
        and session.psk_identity is None
    ):
        return None
    return (yield from reverify(config, psk, Role.client, None))
