"""The client's handshake in TLS 1.2 with a pre-shared key (RFC 5489, RFC 4279 section 2).

The server shows no certificate: its Finished proves that it has the key, and nothing before
it does.
"""

from __future__ import annotations

from ..constants import NamedGroup
from ..crypto.groups import answer_share
from ..crypto.prf12 import psk_pre_master_secret
from ..errors import NegotiationError
from ..psk import ExternalPsk
from ..questions import ChoosePsk
from ..wire.psk12 import ClientKeyExchangePsk, ServerKeyExchangePsk
from ..wire.tls12 import ServerHelloDone
from .client_talk12 import Talk, check_group, conclude, lifetime_of, read_ticket
from .flow import Flow, ask, expect
from .link import Flight
from .offer12 import psks_for_tls12
from .outcome import HandshakeOutcome
from .resumption12 import session_of
from .secrets12 import derive_secrets, read_finished, send_finished

__all__ = ["shake_with_psk"]


def shake_with_psk(talk: Talk) -> Flow[HandshakeOutcome]:
    """Go on from a ServerHello whose suite has pre-shared keys.

    Which of our keys the server's hint means is the owner's to say (RFC 4279 section 5.2).
    """
    transcript = talk.transcript
    talk.link.enter_psk12()
    exchange = yield from expect(ServerKeyExchangePsk, into=transcript)
    params = exchange.params
    check_group(talk, params)
    yield from expect(ServerHelloDone, into=transcript)
    usable = psks_for_tls12(talk.config)  # without any we would not have offered the suite
    psk = yield from ask(ChoosePsk(usable, exchange.psk_identity_hint))
    if not isinstance(psk, ExternalPsk):
        raise NegotiationError("none of our pre-shared keys fits the server's hint")
    flight = Flight(transcript)
    public, shared = answer_share(params.group, params.public, talk.config.random)
    flight.add(ClientKeyExchangePsk(psk.identity, public))
    session_hash = flight.digest() if talk.settled.extended else None
    pre_master_secret = psk_pre_master_secret(shared, psk.key)
    secrets = derive_secrets(talk.settled.suite, pre_master_secret, talk.randoms, session_hash)
    talk.link.log_secret("CLIENT_RANDOM", talk.randoms[0], secrets.master_secret)
    talk.link.send(flight)
    first = send_finished(talk.link, secrets, transcript)
    ticket = yield from read_ticket(talk)
    proof, _ = yield from read_finished(talk.link, secrets, transcript)
    group = NamedGroup(params.group)
    session = session_of(
        secrets,
        group,
        server_name=talk.server_name,
        peer=None,
        proven_at=talk.config.wall_clock(),
        lifetime=lifetime_of(ticket),
        session_id=talk.hellos.server_hello.legacy_session_id_echo,
        ticket=ticket.ticket if ticket is not None else b"",
        psk_identity=psk.identity,
    )
    return conclude(
        talk,
        session,
        group,
        secrets,
        None,
        proof,
        None,
        first_finished=first,
        psk_identity=psk.identity,
        psk_identity_hint=exchange.psk_identity_hint or None,
    )
