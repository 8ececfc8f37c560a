"""The client's handshake in TLS 1.2, in the order of RFC 5246 section 7.3, figures 1 and 2."""

from __future__ import annotations

from ..config import ClientConfig
from ..constants import ClientCertificateType, NamedGroup, Role
from ..crypto.groups import answer_share
from ..crypto.suites12 import Authentication
from ..errors import (
    DecodeError,
    present,
    require,
)
from ..pki.choose import Wanted, choose_scheme
from ..pki.credential import Credential
from ..pki.trust import PeerChain, VerifiedChain
from ..questions import ChooseCredential, JudgePeer, Refused
from ..values import replace
from ..wire.auth import CertificateVerify
from ..wire.tls12 import (
    Certificate12,
    CertificateRequest12,
    CertificateStatus12,
    ClientKeyExchange,
    ServerHelloDone,
    ServerKeyExchange,
)
from .authenticate import SignedChain, identify
from .authenticate12 import check_chain_length, check_signature12, sign_data, with_keys_for
from .client_hellos12 import settle
from .client_psk12 import shake_with_psk
from .client_talk12 import Talk, check_group, conclude, lifetime_of, read_ticket
from .flow import Flow, Received, ask, expect, expect_one_of
from .hellos12 import OfferedSession12, ServerChose12
from .link import Flight, Link
from .outcome import HandshakeOutcome
from .resumption12 import resumed_identity, session_of
from .secrets12 import (
    SessionSecrets12,
    Transcript12,
    derive_secrets,
    read_finished,
    send_finished,
)

__all__ = ["client_handshake12"]

CERTIFICATE_TYPES = {
    ClientCertificateType.rsa_sign: Authentication.RSA,
    ClientCertificateType.ecdsa_sign: Authentication.ECDSA,
}


def client_handshake12(
    link: Link, config: ClientConfig, server_name: str | None, hellos: ServerChose12
) -> Flow[HandshakeOutcome]:
    """Shake hands as a client, from the ServerHello on (RFC 5246 section 7.3)."""
    link.enter_tls12()
    settled = settle(link, config, hellos)
    transcript = Transcript12(settled.suite.hash_name, *hellos.raw)
    talk = Talk(link, config, server_name, hellos, settled, transcript)
    if settled.session is not None:
        return (yield from resume(talk, settled.session))
    if settled.suite.authentication is Authentication.PSK:
        return (yield from shake_with_psk(talk))
    certificates = yield from read_certificate(talk)
    exchange, signed = yield from read_key_exchange(talk, certificates)
    request = yield from read_request(talk)
    verified = yield from judge_server(talk, signed.certificates, signed.ocsp_response)
    credential, secrets = yield from write_answer(talk, exchange, request)
    first = send_finished(link, secrets, transcript)
    ticket = yield from read_ticket(talk)
    proof, _ = yield from read_finished(link, secrets, transcript)
    now = config.wall_clock()
    identity = identify(signed, proof, verified, now)
    group = NamedGroup(exchange.params.group)
    session = session_of(
        secrets,
        group,
        server_name=server_name,
        peer=signed,
        proven_at=now,
        lifetime=lifetime_of(ticket),
        session_id=hellos.server_hello.legacy_session_id_echo,
        ticket=ticket.ticket if ticket else b"",
    )
    return conclude(
        talk, session, group, secrets, identity, proof, credential, first_finished=first
    )


# --- RFC 5246 7.4.2 to 7.4.5: the server's flight


def read_certificate(talk: Talk) -> Flow[tuple[bytes, ...]]:
    """Read the server's chain (RFC 5246 section 7.4.2)."""
    certificate = yield from expect(Certificate12, into=talk.transcript)
    certificates = certificate.certificate_list
    if not certificates:
        raise DecodeError(
            "Certificate: expected a server's certificates, got none", section="RFC 5246, 7.4.2"
        )
    check_chain_length(certificates, talk.config.limits)
    return certificates


def read_key_exchange(
    talk: Talk, certificates: tuple[bytes, ...]
) -> Flow[tuple[ServerKeyExchange, SignedChain]]:
    """Read the server's ephemeral key, which proves that it has its certificate's (7.4.3)."""
    received, ocsp_response = yield from read_status(talk)
    message = require(ServerKeyExchange, received.message)
    check_group(talk, message.params)
    client_random, server_random = talk.randoms
    signed = check_signature12(
        "ServerKeyExchange",
        certificates,
        message.algorithm,
        message.signature,
        client_random + server_random + received.raw[4 : 4 + message.params.length],
        talk.config.signature_algorithms12,
        authentication=talk.settled.suite.authentication,
        ocsp_response=ocsp_response,
    )
    return message, signed


def read_status(talk: Talk) -> Flow[tuple[Received, bytes | None]]:
    """Read what is stapled to the chain, if it is, and the message after it.

    A promised status may be left out (RFC 6066 section 8).
    """
    promised = (CertificateStatus12,) if talk.settled.status_promised else ()
    received = yield from expect_one_of(*promised, ServerKeyExchange)
    talk.transcript.add(received.raw)
    if not isinstance(received.message, CertificateStatus12):
        return received, None
    following = yield from expect_one_of(ServerKeyExchange)
    talk.transcript.add(following.raw)
    return following, received.message.response


def read_request(talk: Talk) -> Flow[CertificateRequest12 | None]:
    """Read whether the server wants a certificate, and the end of its flight (7.4.4, 7.4.5)."""
    received = yield from expect_one_of(CertificateRequest12, ServerHelloDone)
    talk.transcript.add(received.raw)
    if not isinstance(received.message, CertificateRequest12):
        return None
    yield from expect(ServerHelloDone, into=talk.transcript)
    return received.message


def judge_server(
    talk: Talk, certificates: tuple[bytes, ...], ocsp_response: bytes | None
) -> Flow[VerifiedChain]:
    """Ask whether the server is the one that we want, before we answer it."""
    config = talk.config
    verifier = present(config.verifier, "verifier")  # ClientConfig sees to it
    name = talk.server_name if config.check_server_name else None
    peer = PeerChain(certificates, Role.server, name, ocsp_response, config.wall_clock())
    verdict = yield from ask(JudgePeer(peer, verifier, b"", None))
    if isinstance(verdict, Refused):
        raise verdict.error.without_traceback()
    return require(VerifiedChain, verdict)


# --- RFC 5246 7.4.6 to 7.4.8: our answer


def write_answer(
    talk: Talk, exchange: ServerKeyExchange, request: CertificateRequest12 | None
) -> Flow[tuple[Credential | None, SessionSecrets12]]:
    """Send our certificate if we were asked, our key, and the proof that goes with it."""
    flight = Flight(talk.transcript)
    credential: Credential | None = None
    scheme = None
    if request is not None:
        credential = yield from choose_credential(talk, request)
        schemes = credential.schemes12 if credential is not None else ()
        scheme = choose_scheme(schemes, request.supported_signature_algorithms)
        if scheme is None:
            credential = None  # it can make none of the signatures that the server takes
        flight.add(Certificate12(credential.chain if credential is not None else ()))
    params = exchange.params
    public, pre_master_secret = answer_share(params.group, params.public, talk.config.random)
    flight.add(ClientKeyExchange(public))
    session_hash = flight.digest() if talk.settled.extended else None
    secrets = derive_secrets(talk.settled.suite, pre_master_secret, talk.randoms, session_hash)
    talk.link.log_secret("CLIENT_RANDOM", talk.randoms[0], secrets.master_secret)
    if credential is not None and scheme is not None:
        signature = yield from sign_data(credential, scheme, talk.transcript.messages())
        flight.add(CertificateVerify(scheme, signature))
    talk.link.send(flight)
    return credential, secrets


def choose_credential(talk: Talk, request: CertificateRequest12) -> Flow[Credential | None]:
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
    credentials = with_keys_for(talk.config.credentials, kinds)
    return (yield from ask(ChooseCredential(Role.client, credentials, wanted, None)))


# --- RFC 5246 7.3, figure 2: the abbreviated handshake


def resume(talk: Talk, offered: OfferedSession12) -> Flow[HandshakeOutcome]:
    """Go on from an earlier session; here the server finishes first."""
    session = offered.session
    secrets = SessionSecrets12(session.suite, *talk.randoms, session.master_secret, True)
    talk.link.log_secret("CLIENT_RANDOM", talk.randoms[0], secrets.master_secret)
    ticket = yield from read_ticket(talk)
    proof, first = yield from read_finished(talk.link, secrets, talk.transcript)
    send_finished(talk.link, secrets, talk.transcript)
    if ticket is not None and ticket.ticket:
        session = replace(session, ticket=ticket.ticket, session_id=b"")
    verdict = offered.verdict
    identity = resumed_identity(session, proof, verdict) if verdict is not None else None
    known = session.psk_identity
    return conclude(
        talk,
        session,
        session.group,
        secrets,
        identity,
        proof,
        None,
        first_finished=first,
        psk_identity=known,
    )
