"""The client's handshake, in the order of §2, figure 1."""

from __future__ import annotations

from ...config import ClientConfig
from ...constants import NamedGroup, ProtocolVersion, Role, name_of
from ...crypto.schedule import HandshakeSecret, MasterSecret, finished_mac
from ...errors import DecodeError, IllegalParameter, InternalError, MissingExtension, require
from ...events import Established
from ...pki.credential import Credential
from ...pki.identity import Identity
from ...questions import ChooseCredential, JudgePeer, Refused
from ...record.protection import Epoch
from ...resumption.external_psk import PskKind
from ...wire.auth import Certificate, CertificateRequest, CertificateVerify, Finished
from ...wire.extensions import (
    EarlyDataIndication,
    KeyShareServerHello,
    MaxFragmentLength,
    RecordSizeLimit,
)
from ...wire.hello import EncryptedExtensions
from ..client_hello import FRAGMENT_LENGTHS, check_answers
from ..flow import Flow, ask, expect, expect_one_of
from ..link import Flight, Link
from ..negotiate import check_alpn
from ..outcome import HandshakeOutcome
from ..proofs import FinishedProof, SignedChain, identify
from ..session_secrets import SessionSecrets
from .authenticate import add_certificate, check_certificate, check_finished, check_signature
from .certificate_request import wanted_by
from .client_hellos import Hellos
from .early_data import EarlyData
from .psk import Psk, handshake_secret, resumed_identity, started_at

__all__ = ["handshake"]


def handshake(
    link: Link,
    config: ClientConfig,
    server_name: str | None,
    hellos: Hellos,
    early_data: EarlyData,
) -> Flow[HandshakeOutcome]:
    """Shake hands as a client, from the ServerHello on (§2).

    Args:
        link: the connection.
        config: our policy.
        server_name: whom we mean to reach, for SNI and for the certificate.
        hellos: what the exchange of hellos settled.
        early_data: what was sent before the server had answered.
    """
    group, secret = agree_on_keys(link, hellos, early_data)
    alpn_protocol = yield from read_parameters(link, config, hellos, early_data)
    request, signed, proof = yield from read_server_proof(link, config, hellos)
    master, writing_secret = read_application_keys(link, hellos, secret)
    exporter_master_secret = master.exporter_master_secret(hellos.transcript.digest())
    link.log_secret("EXPORTER_SECRET", hellos.client_random, exporter_master_secret)
    identity = yield from identify_server(config, server_name, hellos.psk, signed, proof)
    early_data.finish(hellos.transcript)
    credential = yield from write_answer(link, config, hellos, request)
    link.write_with(hellos.suite, writing_secret, Epoch.application)
    return HandshakeOutcome(
        Established(
            version=ProtocolVersion.TLS13,
            suite=hellos.suite,
            group=group,
            server_name=server_name,
            alpn_protocol=alpn_protocol,
            post_handshake_auth=config.post_handshake_auth,
            our_credential=credential,
            client_random=hellos.client_random,
            hello_retry_request=hellos.retried,
            psk=hellos.psk.kind if hellos.psk is not None else None,
            resumed=hellos.psk is not None and hellos.psk.kind is PskKind.RESUMPTION,
            psk_identity=hellos.psk.external_identity if hellos.psk is not None else None,
            early_data_accepted=early_data.accepted,
        ),
        identity,
        SessionSecrets(
            hellos.suite,
            exporter_master_secret,
            master.resumption_master_secret(hellos.transcript.digest()),
        ),
        hellos.transcript,
        proof,
        started_at=started_at(config, hellos.psk),
        resumable=bool(config.psk_modes),
    )


# --- §7.1: the keys


def agree_on_keys(
    link: Link, hellos: Hellos, early_data: EarlyData
) -> tuple[NamedGroup | None, HandshakeSecret]:
    """Protect what follows with what both ends have now (§7.1)."""
    psk = hellos.psk
    group, shared = complete_exchange(hellos)
    secret = handshake_secret(psk, hellos.suite, shared)
    digest = hellos.transcript.digest()
    reading = secret.server_handshake_traffic_secret(digest)
    writing = secret.client_handshake_traffic_secret(digest)
    link.log_secret("SERVER_HANDSHAKE_TRAFFIC_SECRET", hellos.client_random, reading)
    link.log_secret("CLIENT_HANDSHAKE_TRAFFIC_SECRET", hellos.client_random, writing)
    link.read_with(hellos.suite, reading, Epoch.handshake)
    early_data.keep_keys(psk, hellos.suite, writing)
    return group, secret


def complete_exchange(hellos: Hellos) -> tuple[NamedGroup | None, bytes | None]:
    """Complete the key exchange, if there is one beside the PSK (§4.2.8)."""
    answer = hellos.server_hello.extensions.get(KeyShareServerHello)
    if answer is None:
        if hellos.psk is not None:
            return None, None  # psk_ke, which we offered: `check_selected` saw to it
        raise MissingExtension("ServerHello: expected key_share, got none", section="4.2.8")
    entry = answer.server_share
    share = hellos.shares.get(entry.group)
    if share is None:
        raise IllegalParameter(
            "ServerHello: expected a key share for a group of ours, "
            f"got {name_of(NamedGroup, entry.group)}",
            section="4.2.8",
        )
    return NamedGroup(entry.group), share.complete(entry.key_exchange)


def read_application_keys(
    link: Link, hellos: Hellos, secret: HandshakeSecret
) -> tuple[MasterSecret, bytes]:
    """Read under application keys from here on; return the secret to write with."""
    master = secret.master()
    digest = hellos.transcript.digest()
    reading = master.server_application_traffic_secret_0(digest)
    writing = master.client_application_traffic_secret_0(digest)
    link.log_secret("SERVER_TRAFFIC_SECRET_0", hellos.client_random, reading)
    link.log_secret("CLIENT_TRAFFIC_SECRET_0", hellos.client_random, writing)
    link.read_with(hellos.suite, reading, Epoch.application)
    return master, writing


# --- §4.3: the server's parameters


def read_parameters(
    link: Link, config: ClientConfig, hellos: Hellos, early_data: EarlyData
) -> Flow[bytes | None]:
    """Read EncryptedExtensions (§4.3.1); return the application protocol."""
    message = yield from expect(EncryptedExtensions, into=hellos.transcript)
    extensions = message.extensions
    check_answers(hellos.client_hello, extensions, "EncryptedExtensions")
    size_limit = extensions.get(RecordSizeLimit)
    fragment = extensions.get(MaxFragmentLength)
    if size_limit is not None and fragment is not None:
        raise IllegalParameter(
            "EncryptedExtensions: both record_size_limit and max_fragment_length",
            section="RFC 8449, 5",
        )
    if size_limit is not None:
        link.limit_records(sent=size_limit.limit, received=config.record_size_limit)
    if fragment is not None:
        length = FRAGMENT_LENGTHS.get(fragment.code)
        if length is None or length != config.max_fragment_length:
            raise IllegalParameter(
                f"EncryptedExtensions: expected max_fragment_length "
                f"{config.max_fragment_length}, got {length}",
                section="RFC 6066, 4",
            )
        link.limit_records(sent=length + 1, received=length + 1)
    alpn_protocol = check_alpn(config, "EncryptedExtensions", extensions)
    accepted = extensions.get(EarlyDataIndication) is not None
    early_data.settle(accepted, hellos.suite, alpn_protocol)
    return alpn_protocol


# --- §4.4: who the server is


def read_server_proof(
    link: Link, config: ClientConfig, hellos: Hellos
) -> Flow[tuple[CertificateRequest | None, SignedChain | None, FinishedProof]]:
    """Read the server's flight through Finished, and check that it proves the key.

    With a PSK Finished is all: that the server has it proves who it is (§2.2).
    """
    request, signed = None, None
    if hellos.psk is None:
        request, signed = yield from read_certificate(config, hellos)
    digest = hellos.transcript.digest()
    finished = yield from expect(Finished, into=hellos.transcript)
    secret = link.reading_secret
    return request, signed, check_finished(finished, hellos.suite.hash_name, secret, digest)


def read_certificate(
    config: ClientConfig, hellos: Hellos
) -> Flow[tuple[CertificateRequest | None, SignedChain]]:
    """Read whether the server wants our certificate, and its own (§4.3.2, §4.4.2)."""
    transcript = hellos.transcript
    request: CertificateRequest | None = None
    received = yield from expect_one_of(CertificateRequest, Certificate)
    transcript.add(received.raw)
    if isinstance(received.message, CertificateRequest):
        request = received.message
        if request.certificate_request_context:
            raise IllegalParameter(
                "CertificateRequest: expected an empty context in the handshake, "
                f"got {len(request.certificate_request_context)} bytes",
                section="4.3.2",
            )
        certificate = yield from expect(Certificate, into=transcript)
    else:
        certificate = require(Certificate, received.message)
    check_server_certificate(certificate)
    check_certificate(certificate, hellos.client_hello.extensions, config.limits)
    digest = transcript.digest()
    verify = yield from expect(CertificateVerify, into=transcript)
    signed = check_signature(certificate, verify, Role.server, config.signature_algorithms, digest)
    return request, signed


def check_server_certificate(certificate: Certificate) -> None:
    """Check what only a server's Certificate must be (§4.4.2)."""
    if certificate.certificate_request_context:
        raise IllegalParameter(
            "Certificate: expected an empty context from a server, "
            f"got {len(certificate.certificate_request_context)} bytes",
            section="4.4.2",
        )
    if not certificate.certificate_list:
        raise DecodeError(
            "Certificate: expected a server's certificates, got none", section="4.4.2.4"
        )


def identify_server(
    config: ClientConfig,
    server_name: str | None,
    psk: Psk | None,
    signed: SignedChain | None,
    proof: FinishedProof,
) -> Flow[Identity | None]:
    """Find out who the server is: by its certificate now, or in the session resumed."""
    if signed is None:
        return resumed_identity(psk, proof) if psk is not None else None
    return (yield from judge_server(config, server_name, signed, proof))


def judge_server(
    config: ClientConfig, server_name: str | None, signed: SignedChain, proof: FinishedProof
) -> Flow[Identity]:
    """Ask whether the server is the one that we want; its key is proven by now."""
    verifier = config.verifier
    if verifier is None:  # `check_selected` refuses certificates without
        raise InternalError("there is no verifier")
    now = config.wall_clock()
    name = server_name if config.check_server_name else None
    peer = signed.for_verifier(Role.server, name, now)
    verdict = yield from ask(JudgePeer(peer, verifier, b"", None))
    if isinstance(verdict, Refused):
        raise verdict.error.without_traceback()
    return identify(signed, proof, verdict, now)


# --- §4.4, from our side


def write_answer(
    link: Link, config: ClientConfig, hellos: Hellos, request: CertificateRequest | None
) -> Flow[Credential | None]:
    """Send our second flight: a certificate if we were asked and have one, Finished."""
    flight = Flight(hellos.transcript)
    credential: Credential | None = None
    if request is not None:
        wanted = wanted_by(request)
        credential = yield from ask(ChooseCredential(Role.client, config.credentials, wanted, None))
        credential = yield from add_certificate(flight, link, request, wanted, credential)
    secret = link.writing_secret
    flight.add(Finished(finished_mac(hellos.suite.hash_name, secret, flight.digest())))
    link.send_due_change_cipher_spec()
    link.send(flight)
    return credential
