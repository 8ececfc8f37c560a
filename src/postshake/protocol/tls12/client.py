"""The client's handshake in TLS 1.2, in the order of RFC 5246 section 7.3, figures 1 and 2."""

from __future__ import annotations

from ..._dataclass import replace
from ...config import ClientConfig
from ...constants import ClientCertificateType, NamedGroup, Role
from ...crypto.groups import answer_share
from ...crypto.tls12.suites import Authentication
from ...errors import DecodeError, present, require
from ...pki.choose import Wanted, choose_scheme
from ...pki.credential import Credential
from ...pki.trust import PeerChain, VerifiedChain
from ...questions import ChooseCredential, JudgePeer, Refused
from ...wire.auth import CertificateVerify
from ...wire.tls12 import (
    Certificate12,
    CertificateRequest12,
    CertificateStatus12,
    ClientKeyExchange,
    ServerHelloDone,
    ServerKeyExchange,
)
from ..flow import Flow, Received, ask, expect, expect_one_of
from ..link import Flight, Link
from ..outcome import HandshakeOutcome
from ..proofs import SignedChain, identify
from ..session_secrets import SessionSecrets12
from ..tls12_chosen import OfferedSession12, ServerChose12
from .authenticate import check_chain_length, check_signature, sign_messages, with_keys_for
from .client_hellos import read_server_hello
from .client_state import ClientHandshakeState, check_group, lifetime_of, make_outcome, read_ticket
from .master_secret import Transcript12, derive_secrets, read_finished, send_finished
from .psk_client import psk_handshake
from .resumption import make_session, resumed_identity

__all__ = ["handshake"]

CERTIFICATE_TYPES = {
    ClientCertificateType.rsa_sign: Authentication.RSA,
    ClientCertificateType.ecdsa_sign: Authentication.ECDSA,
}


def handshake(
    link: Link, config: ClientConfig, server_name: str | None, hellos: ServerChose12
) -> Flow[HandshakeOutcome]:
    """Shake hands as a client, from the ServerHello on (RFC 5246 section 7.3)."""
    link.enter_tls12()
    choices = read_server_hello(link, config, hellos)
    transcript = Transcript12(choices.suite.hash_name, *hellos.raw)
    state = ClientHandshakeState(link, config, server_name, hellos, choices, transcript)
    if choices.session is not None:
        return (yield from resume(state, choices.session))
    if choices.suite.authentication is Authentication.PSK:
        return (yield from psk_handshake(state))
    certificates = yield from read_certificate(state)
    exchange, signed = yield from read_key_exchange(state, certificates)
    request = yield from read_request(state)
    verified = yield from judge_server(state, signed.certificates, signed.ocsp_response)
    credential, secrets = yield from write_answer(state, exchange, request)
    send_finished(link, secrets, transcript)
    ticket = yield from read_ticket(state)
    proof = yield from read_finished(link, secrets, transcript)
    now = config.wall_clock()
    identity = identify(signed, proof, verified, now)
    group = NamedGroup(exchange.params.group)
    session = make_session(
        secrets,
        group,
        server_name=server_name,
        peer=signed,
        proven_at=now,
        lifetime=lifetime_of(ticket),
        session_id=hellos.server_hello.legacy_session_id_echo,
        ticket=ticket.ticket if ticket else b"",
    )
    return make_outcome(state, session, group, secrets, identity, proof, credential)


# --- RFC 5246 7.4.2 to 7.4.5: the server's flight


def read_certificate(state: ClientHandshakeState) -> Flow[tuple[bytes, ...]]:
    """Read the server's chain (RFC 5246 section 7.4.2)."""
    certificate = yield from expect(Certificate12, into=state.transcript)
    certificates = certificate.certificate_list
    if not certificates:
        raise DecodeError(
            "Certificate: expected a server's certificates, got none", section="RFC 5246, 7.4.2"
        )
    check_chain_length(certificates, state.config.limits)
    return certificates


def read_key_exchange(
    state: ClientHandshakeState, certificates: tuple[bytes, ...]
) -> Flow[tuple[ServerKeyExchange, SignedChain]]:
    """Read the server's ephemeral key, which proves that it has its certificate's (7.4.3)."""
    received, ocsp_response = yield from read_status(state)
    message = require(ServerKeyExchange, received.message)
    check_group(state, message.params)
    client_random, server_random = state.randoms
    signed = check_signature(
        "ServerKeyExchange",
        certificates,
        message.algorithm,
        message.signature,
        client_random + server_random + received.raw[4 : 4 + message.params.length],
        state.config.signature_algorithms12,
        authentication=state.choices.suite.authentication,
        ocsp_response=ocsp_response,
    )
    return message, signed


def read_status(state: ClientHandshakeState) -> Flow[tuple[Received, bytes | None]]:
    """Read what is stapled to the chain, if it is, and the message after it.

    A promised status may be left out (RFC 6066 section 8).
    """
    promised = (CertificateStatus12,) if state.choices.status_promised else ()
    received = yield from expect_one_of(*promised, ServerKeyExchange)
    state.transcript.add(received.raw)
    if not isinstance(received.message, CertificateStatus12):
        return received, None
    following = yield from expect_one_of(ServerKeyExchange)
    state.transcript.add(following.raw)
    return following, received.message.response


def read_request(state: ClientHandshakeState) -> Flow[CertificateRequest12 | None]:
    """Read whether the server wants a certificate, and the end of its flight (7.4.4, 7.4.5)."""
    received = yield from expect_one_of(CertificateRequest12, ServerHelloDone)
    state.transcript.add(received.raw)
    if not isinstance(received.message, CertificateRequest12):
        return None
    yield from expect(ServerHelloDone, into=state.transcript)
    return received.message


def judge_server(
    state: ClientHandshakeState, certificates: tuple[bytes, ...], ocsp_response: bytes | None
) -> Flow[VerifiedChain]:
    """Ask whether the server is the one that we want, before we answer it."""
    config = state.config
    verifier = present(config.verifier, "verifier")  # ClientConfig sees to it
    name = state.server_name if config.check_server_name else None
    peer = PeerChain(certificates, Role.server, name, ocsp_response, config.wall_clock())
    verdict = yield from ask(JudgePeer(peer, verifier, b"", None))
    if isinstance(verdict, Refused):
        raise verdict.error.without_traceback()
    return require(VerifiedChain, verdict)


# --- RFC 5246 7.4.6 to 7.4.8: our answer


def write_answer(
    state: ClientHandshakeState, exchange: ServerKeyExchange, request: CertificateRequest12 | None
) -> Flow[tuple[Credential | None, SessionSecrets12]]:
    """Send our certificate if we were asked, our key, and the proof that goes with it."""
    flight = Flight(state.transcript)
    credential: Credential | None = None
    scheme = None
    if request is not None:
        credential = yield from choose_credential(state, request)
        schemes = credential.schemes12 if credential is not None else ()
        scheme = choose_scheme(schemes, request.supported_signature_algorithms)
        if scheme is None:
            credential = None  # it can make none of the signatures that the server takes
        flight.add(Certificate12(credential.chain if credential is not None else ()))
    params = exchange.params
    public, pre_master_secret = answer_share(params.group, params.public, state.config.random)
    flight.add(ClientKeyExchange(public))
    session_hash = flight.digest() if state.choices.extended else None
    secrets = derive_secrets(state.choices.suite, pre_master_secret, state.randoms, session_hash)
    state.link.log_secret("CLIENT_RANDOM", state.randoms[0], secrets.master_secret)
    if credential is not None and scheme is not None:
        signature = yield from sign_messages(credential, scheme, state.transcript.messages())
        flight.add(CertificateVerify(scheme, signature))
    state.link.send(flight)
    return credential, secrets


def choose_credential(
    state: ClientHandshakeState, request: CertificateRequest12
) -> Flow[Credential | None]:
    """Choose what to authenticate with (RFC 5246 sections 7.4.4 and 7.4.6)."""
    kinds = [
        CERTIFICATE_TYPES[ClientCertificateType(code)]
        for code in request.certificate_types
        if code in CERTIFICATE_TYPES
    ]
    wanted = Wanted(
        authorities=request.certificate_authorities,
        signature_algorithms=request.supported_signature_algorithms,
        tls12=True,
    )
    credentials = with_keys_for(state.config.credentials, kinds)
    return (yield from ask(ChooseCredential(Role.client, credentials, wanted, None)))


# --- RFC 5246 7.3, figure 2: the abbreviated handshake


def resume(state: ClientHandshakeState, offered: OfferedSession12) -> Flow[HandshakeOutcome]:
    """Go on from an earlier session; here the server finishes first."""
    session = offered.session
    secrets = SessionSecrets12(session.suite, *state.randoms, session.master_secret, True)
    state.link.log_secret("CLIENT_RANDOM", state.randoms[0], secrets.master_secret)
    ticket = yield from read_ticket(state)
    proof = yield from read_finished(state.link, secrets, state.transcript)
    send_finished(state.link, secrets, state.transcript)
    if ticket is not None and ticket.ticket:
        session = replace(session, ticket=ticket.ticket, session_id=b"")
    verdict = offered.verdict
    identity = resumed_identity(session, proof, verdict) if verdict is not None else None
    known = session.psk_identity
    return make_outcome(
        state, session, session.group, secrets, identity, proof, None, psk_identity=known
    )
