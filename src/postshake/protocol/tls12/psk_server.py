"""The server's handshake in TLS 1.2 with a pre-shared key (RFC 5489, RFC 4279 section 2).

Whether the client has the key shows in its Finished. A client that names a key that we do not
have is let run into the same wall as one that has the wrong key, so that nobody can ask us
which there are.
"""

from __future__ import annotations

from ...constants import NamedGroup
from ...crypto.groups import generate_share
from ...crypto.tls12.prf import psk_pre_master_secret
from ...crypto.tls12.suites import Suite12
from ...errors import BadFinished
from ...wire.extensions import SessionTicket
from ...wire.tls12 import (
    ClientKeyExchangePsk,
    ServerEcdhParams,
    ServerHelloDone,
    ServerKeyExchangePsk,
)
from ..external_psk import find_external
from ..flow import Flow, expect
from ..link import Flight
from ..negotiate import kept_for_later
from ..outcome import HandshakeOutcome
from .master_secret import Transcript12, derive_secrets, read_finished, send_finished
from .resumption import make_session
from .server_state import (
    ServerHandshakeState,
    acknowledgements,
    keep_session,
    make_outcome,
    make_server_hello,
)

__all__ = ["psk_handshake"]

DECOY_LENGTH = 32


def psk_handshake(
    state: ServerHandshakeState, suite: Suite12, group: NamedGroup
) -> Flow[HandshakeOutcome]:
    """Answer a ClientHello with a suite of pre-shared keys, and go on from there.

    No certificate is shown or asked for (RFC 4279 section 2).
    """
    config, transcript = state.config, Transcript12(suite.hash_name, state.hellos.raw)
    state.link.enter_psk12()
    flight = Flight(transcript)
    extensions = acknowledgements(state)
    if state.sends_ticket:
        extensions.append(SessionTicket(b""))
    keeps = config.sessions12 is not None and state.extended and not state.sends_ticket
    session_id = config.random(32) if keeps else b""
    hello = make_server_hello(state, suite, session_id, extensions)
    flight.add(hello)
    share = generate_share(group, config.random)
    params = ServerEcdhParams(group, share.public)
    flight.add(ServerKeyExchangePsk(config.psk_identity_hint, params))
    flight.add(ServerHelloDone())
    state.link.send(flight)
    state.hellos.client_hello = kept_for_later(state.hellos.client_hello)
    exchange = yield from expect(ClientKeyExchangePsk, into=transcript)
    shared = share.complete(exchange.public)
    psk = yield from find_external(config, exchange.psk_identity)
    if psk is not None and psk.is_imported:
        psk = None  # it is for TLS 1.3 alone (RFC 9258 section 3)
    key = psk.key if psk is not None else config.random(DECOY_LENGTH)
    session_hash = transcript.digest() if state.extended else None
    randoms = (state.client_random, hello.random)
    secrets = derive_secrets(suite, psk_pre_master_secret(shared, key), randoms, session_hash)
    state.link.log_secret("CLIENT_RANDOM", state.client_random, secrets.master_secret)
    proof = yield from read_finished(state.link, secrets, transcript)
    if psk is None:  # nobody can know the decoy; but then nobody is to get past it either
        raise BadFinished("Finished: there is no such PSK", section="RFC 4279, 2")
    session = make_session(
        secrets,
        group,
        server_name=state.server_name,
        peer=None,
        proven_at=config.wall_clock(),
        lifetime=config.session_lifetime12,
        session_id=session_id,
        psk_identity=psk.identity,
    )
    keep_session(state, session, transcript)
    send_finished(state.link, secrets, transcript)
    identity = psk.identity
    return make_outcome(
        state, session, group, secrets, transcript, None, proof, None, psk_identity=identity
    )
