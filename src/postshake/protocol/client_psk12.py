"""The client's handshake in TLS 1.2 with a pre-shared key (RFC 5489, RFC 4279 section 2).

The server shows no certificate: its Finished proves that it has the key, and nothing before
it does.
"""

from __future__ import annotations

from ..constants import NamedGroup
from ..crypto.groups import answer_share
from ..crypto.prf12 import psk_pre_master_secret
from ..wire.psk12 import ClientKeyExchangePsk, ServerKeyExchangePsk
from ..wire.tls12 import ServerHelloDone
from .client_talk12 import Talk, check_group, conclude, read_ticket
from .flow import Flow, expect
from .link import Flight
from .outcome import HandshakeOutcome
from .secrets12 import derive_secrets, read_finished, send_finished

__all__ = ["shake_with_psk"]


def shake_with_psk(talk: Talk) -> Flow[HandshakeOutcome]:
    """Go on from a ServerHello whose suite has pre-shared keys.

    The favourite of our keys is taken: what the server's hint means is not for TLS to know.
    """
    transcript = talk.transcript
    talk.link.enter_psk12()
    exchange = yield from expect(ServerKeyExchangePsk, into=transcript)
    params = exchange.params
    check_group(talk, params)
    yield from expect(ServerHelloDone, into=transcript)
    psk = talk.config.psks[0]  # without any we would not have offered the suite
    flight = Flight(transcript)
    public, shared = answer_share(params.group, params.public, talk.config.random)
    flight.add(ClientKeyExchangePsk(psk.identity, public))
    session_hash = flight.digest() if talk.settled.extended else None
    pre_master_secret = psk_pre_master_secret(shared, psk.key)
    secrets = derive_secrets(talk.settled.suite, pre_master_secret, talk.randoms, session_hash)
    talk.link.log_secret("CLIENT_RANDOM", talk.randoms[0], secrets.master_secret)
    talk.link.send(flight)
    send_finished(talk.link, secrets, transcript)
    yield from read_ticket(talk)  # of no use: the key is there next time, too
    proof = yield from read_finished(talk.link, secrets, transcript)
    group = NamedGroup(params.group)
    return conclude(talk, None, group, secrets, None, proof, None, psk_identity=psk.identity)
