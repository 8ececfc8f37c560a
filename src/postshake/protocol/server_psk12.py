"""The server's handshake in TLS 1.2 with a pre-shared key (RFC 5489, RFC 4279 section 2).

Whether the client has the key shows in its Finished. A client that names a key that we do not
have is let run into the same wall as one that has the wrong key, so that nobody can ask us
which there are.
"""

from __future__ import annotations

from ..constants import NamedGroup
from ..crypto.groups import generate_share
from ..crypto.prf12 import psk_pre_master_secret
from ..crypto.suites12 import Suite12
from ..errors import BadFinished
from ..wire.extensions import SessionTicket
from ..wire.psk12 import ClientKeyExchangePsk, ServerKeyExchangePsk
from ..wire.tls12 import ServerEcdhParams, ServerHelloDone
from .flow import Flow, expect
from .link import Flight
from .negotiate import kept_for_later
from .outcome import HandshakeOutcome
from .psk_server import find_external
from .resumption12 import session_of
from .secrets12 import Transcript12, derive_secrets, read_finished, send_finished
from .server_talk12 import (
    Talk,
    acknowledgements,
    conclude,
    keep_session,
    make_server_hello,
)

__all__ = ["shake_with_psk"]

DECOY_LENGTH = 32


def shake_with_psk(talk: Talk, suite: Suite12, group: NamedGroup) -> Flow[HandshakeOutcome]:
    """Answer a ClientHello with a suite of pre-shared keys, and go on from there.

    No certificate is shown or asked for (RFC 4279 section 2).
    """
    config, transcript = talk.config, Transcript12(suite.hash_name, talk.hellos.raw)
    talk.link.enter_psk12()
    flight = Flight(transcript)
    extensions = acknowledgements(talk)
    if talk.sends_ticket:
        extensions.append(SessionTicket(b""))
    keeps = config.sessions12 is not None and talk.extended and not talk.sends_ticket
    session_id = config.random(32) if keeps else b""
    hello = make_server_hello(talk, suite, session_id, extensions)
    flight.add(hello)
    share = generate_share(group, config.random)
    params = ServerEcdhParams(group, share.public)
    flight.add(ServerKeyExchangePsk(config.psk_identity_hint, params))
    flight.add(ServerHelloDone())
    talk.link.send(flight)
    talk.hellos.client_hello = kept_for_later(talk.hellos.client_hello)
    exchange = yield from expect(ClientKeyExchangePsk, into=transcript)
    shared = share.complete(exchange.public)
    psk = yield from find_external(config, exchange.psk_identity)
    if psk is not None and psk.is_imported:
        psk = None  # it is for TLS 1.3 alone (RFC 9258 section 3)
    key = psk.key if psk is not None else config.random(DECOY_LENGTH)
    session_hash = transcript.digest() if talk.extended else None
    randoms = (talk.client_random, hello.random)
    secrets = derive_secrets(suite, psk_pre_master_secret(shared, key), randoms, session_hash)
    talk.link.log_secret("CLIENT_RANDOM", talk.client_random, secrets.master_secret)
    proof, first = yield from read_finished(talk.link, secrets, transcript)
    if psk is None:  # nobody can know the decoy; but then nobody is to get past it either
        raise BadFinished("Finished: there is no such PSK", section="RFC 4279, 2")
    session = session_of(
        secrets,
        group,
        server_name=talk.server_name,
        peer=None,
        proven_at=config.wall_clock(),
        lifetime=config.session_lifetime12,
        session_id=session_id,
        psk_identity=psk.identity,
    )
    keep_session(talk, session, transcript)
    send_finished(talk.link, secrets, transcript)
    identity = psk.identity
    return conclude(
        talk,
        session,
        group,
        secrets,
        transcript,
        None,
        proof,
        None,
        first_finished=first,
        psk_identity=identity,
    )
