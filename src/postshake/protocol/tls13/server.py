"""The server's handshake, in the order of §2, figure 1."""

from __future__ import annotations

from ...config import ClientAuth, ServerConfig
from ...constants import ProtocolVersion, Role, SignatureScheme, names_of
from ...crypto.groups import answer_share
from ...crypto.schedule import HandshakeSecret, MasterSecret, finished_mac
from ...errors import CertificateRequired, IllegalParameter, NoCommonScheme, UnrecognizedName
from ...events import Established
from ...pki.choose import Wanted, choose_scheme
from ...pki.credential import Credential
from ...pki.names import matches_host
from ...questions import ChooseCredential
from ...record.protection import Epoch
from ...resumption.external_psk import PskKind
from ...wire.auth import Certificate, CertificateRequest, CertificateVerify, Finished
from ...wire.extensions import (
    ApplicationLayerProtocolNegotiation,
    CertificateAuthorities,
    EarlyDataIndication,
    Extension,
    Extensions,
    KeyShareEntry,
    KeyShareServerHello,
    MaxFragmentLength,
    PostHandshakeAuth,
    PreSharedKeyServerHello,
    PskKeyExchangeModes,
    RecordSizeLimit,
    ServerName,
    ServerNameAck,
    SignatureAlgorithms,
    SignatureAlgorithmsCert,
    SupportedVersionsServerHello,
)
from ...wire.hello import EncryptedExtensions, ServerHello
from ..client_hello import FRAGMENT_LENGTHS
from ..flow import Flow, ask, expect
from ..link import Flight, Link
from ..negotiate import choose_protocol, kept_for_later, name_asked_for
from ..outcome import HandshakeOutcome
from ..proofs import FinishedProof, SignedChain, judge_client
from ..session_secrets import SessionSecrets
from .authenticate import (
    certificate_entries,
    check_certificate,
    check_finished,
    check_signature,
    sign_transcript,
)
from .certificate_request import make_certificate_request
from .compressed_certificate import add_compressed
from .early_data import admit_early_data, begin_reading, read_early_data
from .psk import handshake_secret, resumed_identity, started_at
from .server_hellos import Hellos, enter_compatibility

__all__ = ["handshake"]


def handshake(link: Link, config: ServerConfig, hellos: Hellos) -> Flow[HandshakeOutcome]:
    """Shake hands as a server, from the ClientHello on (§2)."""
    server_name = name_asked_for(hellos.extensions)
    alpn_protocol = choose_protocol(config, hellos.extensions)
    ours = yield from choose_proof(config, hellos, server_name)
    early = yield from admit_early_data(
        config, hellos.client_hello, hellos.psk, hellos.suite, alpn_protocol
    )
    secret, handshake_reading_secret = send_server_hello(link, config, hellos, early)
    flight = Flight(hellos.transcript)
    add_parameters(link, config, hellos, flight, alpn_protocol, early)
    request = yield from add_proof(link, config, hellos, flight, ours)
    add_finished(link, hellos, flight)
    link.send(flight)
    hellos.client_hello = kept_for_later(hellos.client_hello)
    master, reading_secret = write_application_keys(link, hellos, secret)
    exporter_master_secret = master.exporter_master_secret(hellos.transcript.digest())
    link.log_secret("EXPORTER_SECRET", hellos.client_hello.random, exporter_master_secret)
    if early:
        yield from read_early_data(link, hellos.suite, hellos.transcript, handshake_reading_secret)
    signed, proof = yield from read_client_proof(link, config, hellos, request)
    link.read_with(hellos.suite, reading_secret, Epoch.application)
    psk = hellos.psk
    identity = (
        resumed_identity(psk, proof)
        if psk is not None
        else (yield from judge_client(config, signed, proof))
    )
    return HandshakeOutcome(
        Established(
            version=ProtocolVersion.TLS13,
            suite=hellos.suite,
            group=hellos.group,
            server_name=server_name,
            alpn_protocol=alpn_protocol,
            post_handshake_auth=hellos.extensions.get(PostHandshakeAuth) is not None,
            our_credential=ours[0] if ours is not None else None,
            client_random=hellos.client_hello.random,
            hello_retry_request=hellos.retried,
            psk=psk.kind if psk is not None else None,
            resumed=psk is not None and psk.kind is PskKind.RESUMPTION,
            psk_identity=psk.external_identity if psk is not None else None,
            early_data_accepted=early,
        ),
        identity,
        SessionSecrets(
            hellos.suite,
            exporter_master_secret,
            master.resumption_master_secret(hellos.transcript.digest()),
        ),
        hellos.transcript,
        proof,
        started_at=started_at(config, psk),
        resumable=is_resumable(config, hellos),
    )


# --- what we choose


def is_resumable(config: ServerConfig, hellos: Hellos) -> bool:
    """Whether the client could use a ticket, as it said and we like it (§4.2.9)."""
    modes = hellos.extensions.get(PskKeyExchangeModes)
    return modes is not None and any(mode in modes.ke_modes for mode in config.psk_modes)


def choose_proof(
    config: ServerConfig, hellos: Hellos, server_name: str | None
) -> Flow[tuple[Credential, SignatureScheme] | None]:
    """Choose what to prove ourselves with; nothing else where there is a PSK (§2.2)."""
    if hellos.psk is not None:
        return None
    return (yield from choose_credential(config, hellos, server_name))


def choose_credential(
    config: ServerConfig, hellos: Hellos, server_name: str | None
) -> Flow[tuple[Credential, SignatureScheme]]:
    """Choose what to prove ourselves with, and the scheme to sign it (§4.4.2.2)."""
    extensions = hellos.extensions
    schemes = extensions.require(SignatureAlgorithms).supported_signature_algorithms
    schemes_cert = extensions.get(SignatureAlgorithmsCert)
    authorities = extensions.get(CertificateAuthorities)
    wanted = Wanted(
        authorities=authorities.authorities if authorities else (),
        signature_algorithms=schemes,
        signature_algorithms_cert=(
            schemes_cert.supported_signature_algorithms if schemes_cert else None
        ),
    )
    credential = yield from ask(
        ChooseCredential(Role.server, config.credentials, wanted, server_name)
    )
    if credential is None:
        raise NoCommonScheme("none of our certificates fits what the client accepts")
    if (
        config.refuse_unknown_names
        and server_name is not None
        and not matches_host(credential.leaf, server_name)
    ):
        raise UnrecognizedName(f"there is no certificate for {server_name!r}")
    scheme = choose_scheme(credential.schemes, schemes)
    if scheme is None:
        raise NoCommonScheme(
            "no signature scheme in common: the client accepts "
            + names_of(SignatureScheme, schemes)
        )
    return credential, scheme


# --- §4.1.3 to §4.4: our flight


def send_server_hello(
    link: Link, config: ServerConfig, hellos: Hellos, early: bool
) -> tuple[HandshakeSecret, bytes]:
    """Send ServerHello, and protect what follows (§4.1.3, §7.1).

    Returns:
        The schedule, and the secret to read the handshake with; it is in use already
        unless `early` data comes first.
    """
    psk, suite = hellos.psk, hellos.suite
    hello_digest = hellos.transcript.digest()
    extensions: list[Extension] = [SupportedVersionsServerHello(ProtocolVersion.TLS13)]
    shared: bytes | None = None
    if hellos.group is not None:
        public, shared = answer_share(hellos.group, hellos.client_share, config.random)
        extensions.append(KeyShareServerHello(KeyShareEntry(hellos.group, public)))
    if psk is not None:
        extensions.append(PreSharedKeyServerHello(psk.index))
    flight = Flight(hellos.transcript)
    flight.add(
        ServerHello(
            random=config.random(32),
            legacy_session_id_echo=hellos.client_hello.legacy_session_id,
            cipher_suite=suite.code,
            extensions=Extensions(tuple(extensions)),
        )
    )
    link.send(flight)
    if not hellos.retried:
        enter_compatibility(link, hellos.client_hello)
    secret = handshake_secret(psk, suite, shared)
    digest = hellos.transcript.digest()
    writing = secret.server_handshake_traffic_secret(digest)
    reading = secret.client_handshake_traffic_secret(digest)
    link.log_secret("SERVER_HANDSHAKE_TRAFFIC_SECRET", hellos.client_hello.random, writing)
    link.log_secret("CLIENT_HANDSHAKE_TRAFFIC_SECRET", hellos.client_hello.random, reading)
    link.write_with(suite, writing, Epoch.handshake)
    if early and psk is not None:
        begin_reading(link, psk, hellos.client_hello, suite, hello_digest)
    else:
        link.read_with(suite, reading, Epoch.handshake)
    return secret, reading


def add_parameters(
    link: Link,
    config: ServerConfig,
    hellos: Hellos,
    flight: Flight,
    alpn_protocol: bytes | None,
    early: bool,
) -> None:
    """Add EncryptedExtensions (§4.3.1)."""
    extensions: list[Extension] = []
    resumed = hellos.psk is not None and hellos.psk.kind is PskKind.RESUMPTION
    if hellos.extensions.get(ServerName) is not None and not resumed:  # RFC 6066 section 3
        extensions.append(ServerNameAck())
    if alpn_protocol is not None:
        extensions.append(ApplicationLayerProtocolNegotiation((alpn_protocol,)))
    size_limit = hellos.extensions.get(RecordSizeLimit)
    fragment = hellos.extensions.get(MaxFragmentLength)
    if size_limit is not None:  # RFC 8449 section 5: it displaces max_fragment_length
        ours = config.record_size_limit
        extensions.append(RecordSizeLimit(ours if ours is not None else 2**14 + 1))
        link.limit_records(sent=size_limit.limit, received=ours)
    elif fragment is not None:
        length = FRAGMENT_LENGTHS.get(fragment.code)
        if length is None:
            raise IllegalParameter(
                f"ClientHello: max_fragment_length has the unknown code {fragment.code}",
                section="RFC 6066, 4",
            )
        extensions.append(fragment)
        link.limit_records(sent=length + 1, received=length + 1)
    if early:
        extensions.append(EarlyDataIndication())
    flight.add(EncryptedExtensions(Extensions(tuple(extensions))))


def add_proof(
    link: Link,
    config: ServerConfig,
    hellos: Hellos,
    flight: Flight,
    ours: tuple[Credential, SignatureScheme] | None,
) -> Flow[CertificateRequest | None]:
    """Add our certificate and the wish for the client's, or nothing with a PSK (§4.3.2)."""
    if ours is None:
        return None
    credential, scheme = ours
    request = add_request(config, flight)
    certificate = Certificate(b"", certificate_entries(credential, hellos.extensions))
    add_compressed(flight, link, certificate, hellos.extensions)
    flight.add((yield from sign_transcript(flight, Role.server, credential, scheme)))
    return request


def add_request(config: ServerConfig, flight: Flight) -> CertificateRequest | None:
    """Add a CertificateRequest, if the policy is to ask here (§4.3.2)."""
    if config.client_auth is ClientAuth.NONE:
        return None
    wanted = Wanted(
        authorities=config.certificate_authorities,
        signature_algorithms=config.signature_algorithms,
        signature_algorithms_cert=config.signature_algorithms_cert,
    )
    request = make_certificate_request(
        b"",
        wanted,
        request_ocsp=config.request_ocsp,
        compression=config.certificate_compression,
    )
    flight.add(request)
    return request


def add_finished(link: Link, hellos: Hellos, flight: Flight) -> None:
    """Add our Finished (§4.4.4)."""
    secret = link.writing_secret
    flight.add(Finished(finished_mac(hellos.suite.hash_name, secret, flight.digest())))


def write_application_keys(
    link: Link, hellos: Hellos, secret: HandshakeSecret
) -> tuple[MasterSecret, bytes]:
    """Write under application keys from here on; return the secret to read with."""
    master = secret.master()
    digest = hellos.transcript.digest()
    writing = master.server_application_traffic_secret_0(digest)
    reading = master.client_application_traffic_secret_0(digest)
    link.log_secret("SERVER_TRAFFIC_SECRET_0", hellos.client_hello.random, writing)
    link.log_secret("CLIENT_TRAFFIC_SECRET_0", hellos.client_hello.random, reading)
    link.write_with(hellos.suite, writing, Epoch.application)
    return master, reading


# --- §4.4: who the client is


def read_client_proof(
    link: Link, config: ServerConfig, hellos: Hellos, request: CertificateRequest | None
) -> Flow[tuple[SignedChain | None, FinishedProof]]:
    """Read the client's second flight, and check what it proves."""
    transcript = hellos.transcript
    signed: SignedChain | None = None
    if request is not None:
        certificate = yield from expect(Certificate, into=transcript)
        if certificate.certificate_request_context:
            raise IllegalParameter(
                "Certificate: expected an empty context in the handshake, "
                f"got {len(certificate.certificate_request_context)} bytes",
                section="4.4.2",
            )
        if certificate.certificate_list:
            check_certificate(certificate, request.extensions, config.limits)
            digest = transcript.digest()
            verify = yield from expect(CertificateVerify, into=transcript)
            signed = check_signature(
                certificate, verify, Role.client, config.signature_algorithms, digest
            )
        elif config.client_auth is ClientAuth.REQUIRE:
            raise CertificateRequired("expected a certificate, got none", section="4.4.2.4")
    digest = transcript.digest()
    finished = yield from expect(Finished, into=transcript)
    secret = link.reading_secret
    return signed, check_finished(finished, hellos.suite.hash_name, secret, digest)
