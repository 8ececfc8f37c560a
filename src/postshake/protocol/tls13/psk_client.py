"""Pre-shared keys, as a client offers them (§4.2.11)."""

from __future__ import annotations

from collections.abc import Sequence

from ..._dataclass import replace
from ...config import ClientConfig
from ...constants import ProtocolVersion, PskKeyExchangeMode, Role
from ...crypto.suites import TLS13_SUITES, Suite
from ...errors import IllegalParameter, NegotiationError
from ...resumption.ticket import Ticket
from ...wire.extensions import (
    EarlyDataIndication,
    Extension,
    Extensions,
    KeyShareServerHello,
    PreSharedKeyClientHello,
    PreSharedKeyServerHello,
    PskIdentity,
)
from ...wire.handshake import encode_handshake
from ...wire.hello import ClientHello, ServerHello
from ..flow import Flow
from ..transcript import Transcript
from .psk import Psk, make_binder, reverify

__all__ = ["check_selected", "gather_psks", "offer_psks"]


def gather_psks(
    config: ClientConfig, server_name: str | None, ticket: Ticket | None
) -> Flow[tuple[Psk, ...]]:
    """Decide what to offer: the ticket if it is still good, then external PSKs.

    A ticket that is not good any more is no error: there is a full handshake then.
    """
    if not config.psk_modes or ProtocolVersion.TLS13 not in config.versions:
        return ()
    offers: list[Psk] = []
    if ticket is not None and is_good(config, server_name, ticket):
        name = server_name if config.check_server_name else None
        psk = Psk.resuming(ticket.ticket, ticket)
        accepted = yield from reverify(config, psk, Role.server, name)
        if accepted is not None:
            offers.append(accepted)
    hashes = {TLS13_SUITES[code].hash_name for code in config.cipher_suites}
    offers += [Psk.external(psk) for psk in config.psks if psk.hash_name in hashes]
    return tuple(offers)


def is_good(config: ClientConfig, server_name: str | None, ticket: Ticket) -> bool:
    """Whether a ticket is for this server, in time, and of use with this configuration."""
    now = config.wall_clock()
    known = {psk.identity for psk in config.psks}
    return (
        ticket.is_current(now)
        and now < ticket.started_at + config.session_lifetime
        and ticket.server_name == server_name
        and any(TLS13_SUITES[code].hash_name == ticket.hash_name for code in config.cipher_suites)
        and (ticket.psk_identity is None or ticket.psk_identity in known)
        # a session in which the server proved nothing is worth nothing
        and (ticket.psk_identity is not None or bool(ticket.chain))
    )


def offer_psks(
    hello: ClientHello,
    psks: Sequence[Psk],
    now: float,
    *,
    before: Transcript | None = None,
    early_data: bool = False,
) -> ClientHello:
    """Add PSKs and their binders, and the wish to send early data, to a ClientHello.

    Args:
        hello: what to add to; pre_shared_key comes last (§4.2.11).
        psks: the offers, favourites first.
        now: the time, for the age of tickets.
        before: the transcript up to here, after a HelloRetryRequest.
        early_data: whether early data follows (§4.2.10).
    """
    if not psks:
        return hello
    extensions: list[Extension] = list(hello.extensions)
    if early_data:
        extensions.append(EarlyDataIndication())
    identities = tuple(PskIdentity(psk.identity, _obfuscated_age(psk, now)) for psk in psks)

    def with_binders(binders: tuple[bytes, ...]) -> tuple[ClientHello, int]:
        offer = PreSharedKeyClientHello(identities, binders)
        block = Extensions((*extensions, offer))
        return replace(hello, extensions=block), offer.binders_length

    blank, length = with_binders(tuple(bytes(_hash_length(psk)) for psk in psks))
    truncated = encode_handshake(blank)[:-length]
    signed, _ = with_binders(tuple(make_binder(psk, truncated, before) for psk in psks))
    return signed


def _obfuscated_age(psk: Psk, now: float) -> int:
    """Hide how old a ticket is from those who watch (§4.2.11.1)."""
    if psk.session is None:
        return 0
    return (int((now - psk.session.received_at) * 1000) + psk.session.age_add) % 2**32


def _hash_length(psk: Psk) -> int:
    return next(s.hash_length for s in TLS13_SUITES.values() if s.hash_name == psk.hash_name)


def check_selected(
    config: ClientConfig, hello: ServerHello, psks: Sequence[Psk], suite: Suite
) -> Psk | None:
    """Hold the server's choice of a PSK against our offers (§4.2.11).

    Returns:
        The PSK that it chose; None for certificates.
    """
    answer = hello.extensions.get(PreSharedKeyServerHello)
    if answer is None:
        if config.verifier is None:
            raise NegotiationError(
                "the server took none of our pre-shared keys, and we trust no certificate"
            )
        return None
    index = answer.selected_identity
    if index >= len(psks):
        raise IllegalParameter(
            f"ServerHello: expected a selected_identity below {len(psks)}, got {index}",
            section="4.2.11",
        )
    psk = psks[index]
    if psk.hash_name != suite.hash_name:
        raise IllegalParameter(
            f"ServerHello: expected a suite with {psk.hash_name}, the hash of the PSK that it "
            f"selected, got {suite}",
            section="4.2.11",
        )
    mode = (
        PskKeyExchangeMode.psk_ke
        if hello.extensions.get(KeyShareServerHello) is None
        else PskKeyExchangeMode.psk_dhe_ke
    )
    if mode not in config.psk_modes:
        raise IllegalParameter(
            f"ServerHello: {mode.name} was not among the modes that we offered", section="4.2.11"
        )
    return replace(psk, index=index, mode=mode)
