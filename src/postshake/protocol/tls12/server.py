"""The server's handshake in TLS 1.2, in the order of RFC 5246 section 7.3, figures 1 and 2."""

from __future__ import annotations

from ..._dataclass import dataclass, field
from ...config import ClientAuth, ServerConfig
from ...constants import ClientCertificateType, Role, SignatureScheme, names_of
from ...crypto.groups import KeyShare, generate_share
from ...crypto.tls12.suites import Suite12
from ...errors import CertificateRequired, NegotiationError, UnrecognizedName
from ...pki.choose import Wanted, choose_scheme
from ...pki.credential import Credential
from ...pki.names import matches_host
from ...pki.trust import VerifiedChain
from ...questions import ChooseCredential, Refused
from ...resumption.session12 import Session12
from ...wire.auth import CertificateVerify
from ...wire.extensions import (
    Extension,
    SessionTicket,
    SignatureAlgorithmsCert,
    SignedCertificateTimestampRequest,
    SignedCertificateTimestamps,
    StatusRequest,
    StatusRequestEmpty,
)
from ...wire.tls12 import (
    Certificate12,
    CertificateRequest12,
    CertificateStatus12,
    ClientKeyExchange,
    ServerEcdhParams,
    ServerHelloDone,
    ServerKeyExchange,
)
from ..flow import Flow, ask, expect
from ..link import Flight, Link
from ..negotiate import choose_protocol, kept_for_later, name_asked_for
from ..outcome import HandshakeOutcome
from ..proofs import SignedChain, judge_client
from ..session_secrets import SessionSecrets12
from ..tls12_chosen import ClientOffered12
from .authenticate import (
    authentication_of,
    check_chain_length,
    check_signature,
    sign_messages,
    with_keys_for,
    with_keys_in,
)
from .master_secret import Transcript12, derive_secrets, read_finished, send_finished
from .psk_server import psk_handshake
from .resumption import find_session, make_session, resumed_identity, reverify
from .server_hellos import Offered12, check_client_hello, choose_suite, read_offer
from .server_state import (
    ServerHandshakeState,
    acknowledgements,
    keep_session,
    make_outcome,
    make_server_hello,
)

__all__ = ["handshake"]

CERTIFICATE_TYPES = (ClientCertificateType.ecdsa_sign, ClientCertificateType.rsa_sign)


@dataclass(frozen=True, slots=True)
class ServerFlight:
    """What our first flight said, and what the rest of the handshake needs of it."""

    suite: Suite12
    server_random: bytes
    session_id: bytes
    share: KeyShare = field(repr=False)
    request: CertificateRequest12 | None
    transcript: Transcript12


def handshake(link: Link, config: ServerConfig, hellos: ClientOffered12) -> Flow[HandshakeOutcome]:
    """Shake hands as a server, from the ClientHello on (RFC 5246 section 7.3)."""
    link.enter_tls12()
    extended = check_client_hello(config, hellos.client_hello)
    alpn_protocol = choose_protocol(config, hellos.extensions)
    state = ServerHandshakeState(
        link, config, hellos, extended, name_asked_for(hellos.extensions), alpn_protocol
    )
    session = yield from find_session(config, hellos)
    if session is not None:
        verdict = yield from reverify(config, session)
        if not isinstance(verdict, Refused):  # else: prove it anew
            return (yield from resume(state, session, verdict))
    offered = read_offer(config, hellos.client_hello)
    psk_suite = offered.psk_suite
    if psk_suite is not None and offered.suites[0] is psk_suite:
        return (yield from psk_handshake(state, psk_suite, offered.group))
    try:
        credential, scheme = yield from choose_credential(state, offered)
    except NegotiationError:
        if psk_suite is None:
            raise
        return (yield from psk_handshake(state, psk_suite, offered.group))
    ours = yield from send_flight(state, offered, credential, scheme)
    signed, secrets = yield from read_client_proof(state, ours)
    proof = yield from read_finished(link, secrets, ours.transcript)
    identity = yield from judge_client(config, signed, proof)
    session = make_session(
        secrets,
        offered.group,
        server_name=state.server_name,
        peer=signed,
        proven_at=config.wall_clock(),
        lifetime=config.session_lifetime12,
        session_id=ours.session_id,
    )
    keep_session(state, session, ours.transcript)
    send_finished(link, secrets, ours.transcript)
    return make_outcome(
        state, session, session.group, secrets, ours.transcript, identity, proof, credential
    )


# --- what we choose


def choose_credential(
    state: ServerHandshakeState, offered: Offered12
) -> Flow[tuple[Credential, SignatureScheme]]:
    """Choose what to prove ourselves with, and the scheme to sign it (7.4.2, 7.4.1.4.1)."""
    config = state.config
    schemes_cert = state.hellos.extensions.get(SignatureAlgorithmsCert)
    wanted = Wanted(
        signature_algorithms=offered.schemes,
        signature_algorithms_cert=(
            schemes_cert.supported_signature_algorithms if schemes_cert else None
        ),
        tls12=True,
    )
    able = with_keys_in(with_keys_for(config.credentials, offered.authentications), offered.groups)
    name = state.server_name
    credential = yield from ask(ChooseCredential(Role.server, able, wanted, name))
    if credential is None:
        raise NegotiationError("none of our certificates fits what the client accepts")
    if not with_keys_in((credential,), offered.groups):  # whoever chose it
        raise NegotiationError(
            "our certificate's key is on a curve that the client does not list",
            section="RFC 8422, 5.3",
        )
    if config.refuse_unknown_names and name is not None and not matches_host(credential.leaf, name):
        raise UnrecognizedName(f"there is no certificate for {name!r}")
    scheme = choose_scheme(credential.schemes12, offered.schemes)
    if scheme is None:
        raise NegotiationError(
            "no signature scheme in common: the client accepts "
            + names_of(SignatureScheme, offered.schemes)
        )
    return credential, scheme


# --- RFC 5246 7.4.1.3 to 7.4.5: our flight


def send_flight(
    state: ServerHandshakeState, offered: Offered12, credential: Credential, scheme: SignatureScheme
) -> Flow[ServerFlight]:
    """Send ServerHello through ServerHelloDone."""
    config = state.config
    suite = choose_suite(offered, authentication_of(credential.leaf.public_key()))
    keeps = config.sessions12 is not None and state.extended and not state.sends_ticket
    session_id = config.random(32) if keeps else b""
    transcript = Transcript12(suite.hash_name, state.hellos.raw)
    flight = Flight(transcript)
    hello = make_server_hello(state, suite, session_id, full_extensions(state, credential))
    flight.add(hello)
    flight.add(Certificate12(credential.chain))
    if credential.ocsp_response is not None and hello.extensions.get(StatusRequestEmpty):
        flight.add(CertificateStatus12(credential.ocsp_response))
    share = generate_share(offered.group, config.random)
    params = ServerEcdhParams(offered.group, share.public)
    signed = state.client_random + hello.random + params.encode()
    signature = yield from sign_messages(credential, scheme, signed)
    flight.add(ServerKeyExchange(params, scheme, signature))
    request = make_request(config)
    if request is not None:
        flight.add(request)
    flight.add(ServerHelloDone())
    state.link.send(flight)
    state.hellos.client_hello = kept_for_later(state.hellos.client_hello)
    return ServerFlight(suite, hello.random, session_id, share, request, transcript)


def full_extensions(state: ServerHandshakeState, credential: Credential) -> list[Extension]:
    """Return the answers that only a full handshake has."""
    asked = state.hellos.extensions
    extensions = acknowledgements(state)
    if state.sends_ticket:
        extensions.append(SessionTicket(b""))
    if credential.ocsp_response is not None and asked.get(StatusRequest) is not None:
        extensions.append(StatusRequestEmpty())
    timestamps = credential.signed_certificate_timestamps
    if timestamps and asked.get(SignedCertificateTimestampRequest) is not None:
        extensions.append(SignedCertificateTimestamps(timestamps))
    return extensions


def make_request(config: ServerConfig) -> CertificateRequest12 | None:
    """Ask for a certificate, if that is the policy (RFC 5246 section 7.4.4)."""
    if config.auth12 is ClientAuth.NONE:
        return None
    return CertificateRequest12(
        CERTIFICATE_TYPES, config.signature_algorithms12, config.certificate_authorities
    )


# --- RFC 5246 7.4.6 to 7.4.8: who the client is


def read_client_proof(
    state: ServerHandshakeState, ours: ServerFlight
) -> Flow[tuple[SignedChain | None, SessionSecrets12]]:
    """Read the client's certificate, its key, and the proof that goes with it."""
    transcript = ours.transcript
    certificates: tuple[bytes, ...] = ()
    if ours.request is not None:
        certificates = (yield from expect(Certificate12, into=transcript)).certificate_list
        check_chain_length(certificates, state.config.limits)
        if not certificates and state.config.auth12 is ClientAuth.REQUIRE:
            raise CertificateRequired("expected a certificate, got none", section="RFC 5246, 7.4.6")
    exchange = yield from expect(ClientKeyExchange, into=transcript)
    pre_master_secret = ours.share.complete(exchange.public)
    session_hash = transcript.digest() if state.extended else None
    randoms = (state.client_random, ours.server_random)
    secrets = derive_secrets(ours.suite, pre_master_secret, randoms, session_hash)
    state.link.log_secret("CLIENT_RANDOM", state.client_random, secrets.master_secret)
    if not certificates:
        return None, secrets
    signed_data = transcript.messages()
    verify = yield from expect(CertificateVerify, into=transcript)
    signed = check_signature(
        "CertificateVerify",
        certificates,
        verify.algorithm,
        verify.signature,
        signed_data,
        state.config.signature_algorithms12,
    )
    return signed, secrets


# --- RFC 5246 7.3, figure 2: the abbreviated handshake


def resume(
    state: ServerHandshakeState, session: Session12, verified: VerifiedChain | None
) -> Flow[HandshakeOutcome]:
    """Go on from an earlier session; here we finish first (RFC 5246 section 7.3)."""
    transcript = Transcript12(session.suite.hash_name, state.hellos.raw)
    flight = Flight(transcript)
    session_id = state.hellos.client_hello.legacy_session_id
    hello = make_server_hello(state, session.suite, session_id, [])
    flight.add(hello)
    state.link.send(flight)
    state.hellos.client_hello = kept_for_later(state.hellos.client_hello)
    randoms = (state.client_random, hello.random)
    secrets = SessionSecrets12(session.suite, *randoms, session.master_secret, True)
    state.link.log_secret("CLIENT_RANDOM", state.client_random, secrets.master_secret)
    send_finished(state.link, secrets, transcript)
    proof = yield from read_finished(state.link, secrets, transcript)
    identity = resumed_identity(session, proof, verified) if verified is not None else None
    return make_outcome(
        state,
        session,
        session.group,
        secrets,
        transcript,
        identity,
        proof,
        None,
        resumed=True,
        psk_identity=session.psk_identity,
    )
