"""The client's handshake in TLS 1.2 with a pre-shared key (RFC 5489, RFC 4279 section 2).

The server shows no certificate: its Finished proves that it has the key, and nothing before
it does.
"""

from __future__ import annotations

from ...constants import NamedGroup
from ...crypto.groups import answer_share
from ...crypto.tls12.prf import psk_pre_master_secret
from ...errors import NegotiationError
from ...questions import ChoosePsk
from ...resumption.external_psk import ExternalPsk
from ...wire.tls12 import ClientKeyExchangePsk, ServerHelloDone, ServerKeyExchangePsk
from ..client_hello import psks_for_tls12
from ..flow import Flow, ask, expect
from ..link import Flight
from ..outcome import HandshakeOutcome
from .client_state import ClientHandshakeState, check_group, lifetime_of, make_outcome, read_ticket
from .master_secret import derive_secrets, read_finished, send_finished
from .resumption import make_session

__all__ = ["psk_handshake"]


def psk_handshake(state: ClientHandshakeState) -> Flow[HandshakeOutcome]:
    """Go on from a ServerHello whose suite has pre-shared keys.

    Which of our keys the server's hint means is the owner's to say (RFC 4279 section 5.2).
    """
    transcript = state.transcript
    state.link.enter_psk12()
    exchange = yield from expect(ServerKeyExchangePsk, into=transcript)
    params = exchange.params
    check_group(state, params)
    yield from expect(ServerHelloDone, into=transcript)
    usable = psks_for_tls12(state.config)  # without any we would not have offered the suite
    psk = yield from ask(ChoosePsk(usable, exchange.psk_identity_hint))
    if not isinstance(psk, ExternalPsk):
        raise NegotiationError("none of our pre-shared keys fits the server's hint")
    flight = Flight(transcript)
    public, shared = answer_share(params.group, params.public, state.config.random)
    flight.add(ClientKeyExchangePsk(psk.identity, public))
    session_hash = flight.digest() if state.choices.extended else None
    pre_master_secret = psk_pre_master_secret(shared, psk.key)
    secrets = derive_secrets(state.choices.suite, pre_master_secret, state.randoms, session_hash)
    state.link.log_secret("CLIENT_RANDOM", state.randoms[0], secrets.master_secret)
    state.link.send(flight)
    send_finished(state.link, secrets, transcript)
    ticket = yield from read_ticket(state)
    proof = yield from read_finished(state.link, secrets, transcript)
    group = NamedGroup(params.group)
    session = make_session(
        secrets,
        group,
        server_name=state.server_name,
        peer=None,
        proven_at=state.config.wall_clock(),
        lifetime=lifetime_of(ticket),
        session_id=state.hellos.server_hello.legacy_session_id_echo,
        ticket=ticket.ticket if ticket is not None else b"",
        psk_identity=psk.identity,
    )
    return make_outcome(
        state,
        session,
        group,
        secrets,
        None,
        proof,
        None,
        psk_identity=psk.identity,
        psk_identity_hint=exchange.psk_identity_hint or None,
    )
