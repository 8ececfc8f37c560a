"""The server's handshake, in the order of §2, figure 1."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, replace

from ..config import ClientAuth, ServerConfig
from ..constants import (
    CipherSuite,
    ExtensionType,
    NamedGroup,
    ProtocolVersion,
    Role,
    SignatureScheme,
    name_of,
)
from ..crypto.groups import answer_share
from ..crypto.schedule import EarlySecret, HandshakeSecret, MasterSecret, finished_mac
from ..crypto.suites import TLS13_SUITES, Suite
from ..errors import (
    CertificateRequired,
    IllegalParameter,
    MissingExtension,
    NegotiationError,
    NoApplicationProtocol,
    UnrecognizedName,
    UnsupportedVersion,
)
from ..events import Established
from ..pki.choose import Wanted, choose_scheme
from ..pki.credential import Credential
from ..pki.identity import Identity
from ..pki.trust import PeerChain
from ..questions import ChooseCredential, JudgePeer, Refused
from ..record.protection import Epoch
from ..wire.auth import Certificate, CertificateRequest, CertificateVerify, Finished
from ..wire.auth_extensions import PostHandshakeAuth, SignatureAlgorithms
from ..wire.exchange_extensions import (
    Cookie,
    KeyShareClientHello,
    KeyShareEntry,
    KeyShareHelloRetryRequest,
    KeyShareServerHello,
    SupportedGroups,
    SupportedVersionsClientHello,
    SupportedVersionsServerHello,
)
from ..wire.extensions import Extension, Extensions
from ..wire.hello import (
    HELLO_RETRY_REQUEST_RANDOM,
    ClientHello,
    EncryptedExtensions,
    ServerHello,
)
from ..wire.hello_extensions import (
    ApplicationLayerProtocolNegotiation,
    MaxFragmentLength,
    RecordSizeLimit,
    ServerName,
    ServerNameAck,
)
from .authenticate import (
    FinishedProof,
    SignedChain,
    certificate_entries,
    check_certificate,
    check_finished,
    check_signature,
    identify,
    sign_transcript,
)
from .certificate_request import make_certificate_request
from .flow import Flow, ask, expect, expect_one_of
from .link import Flight, Link
from .negotiate import choose_alpn, choose_first, choose_group
from .offer import FRAGMENT_LENGTHS
from .outcome import HandshakeOutcome, SessionSecrets
from .transcript import Transcript

__all__ = ["server_handshake"]


@dataclass(frozen=True, slots=True)
class Hellos:
    """What the exchange of hellos settled, before our ServerHello is written."""

    client_hello: ClientHello
    suite: Suite
    group: NamedGroup
    client_share: bytes
    transcript: Transcript
    retried: bool

    @property
    def extensions(self) -> Extensions:
        """The client's."""
        return self.client_hello.extensions


def server_handshake(link: Link, config: ServerConfig) -> Flow[HandshakeOutcome]:
    """Shake hands as a server (§2)."""
    hellos = yield from exchange_hellos(link, config)
    server_name = name_asked_for(hellos)
    alpn_protocol = choose_protocol(config, hellos)
    credential, scheme = yield from choose_credential(config, hellos, server_name)
    secret = send_server_hello(link, config, hellos)
    flight = Flight(hellos.transcript)
    add_parameters(link, config, hellos, flight, alpn_protocol)
    request = add_request(config, flight)
    flight.add(Certificate(b"", certificate_entries(credential, hellos.extensions)))
    flight.add((yield from sign_transcript(flight, Role.server, credential, scheme)))
    add_finished(link, hellos, flight)
    link.send(flight)
    master, reading_secret = write_application_keys(link, hellos, secret)
    exporter_master_secret = master.exporter_master_secret(hellos.transcript.digest())
    link.log_secret("EXPORTER_SECRET", hellos.client_hello.random, exporter_master_secret)
    signed, proof = yield from read_client_proof(link, config, hellos, request)
    link.read_with(hellos.suite, reading_secret, Epoch.application)
    identity = yield from judge_client(config, signed, proof)
    return HandshakeOutcome(
        Established(
            version=ProtocolVersion.TLS13,
            suite=hellos.suite,
            group=hellos.group,
            server_name=server_name,
            alpn_protocol=alpn_protocol,
            post_handshake_auth=hellos.extensions.get(PostHandshakeAuth) is not None,
            our_credential=credential,
            client_random=hellos.client_hello.random,
            hello_retry_request=hellos.retried,
        ),
        identity,
        SessionSecrets(
            hellos.suite,
            exporter_master_secret,
            master.resumption_master_secret(hellos.transcript.digest()),
        ),
        hellos.transcript,
        proof,
    )


# --- §4.1: the hellos


def exchange_hellos(link: Link, config: ServerConfig) -> Flow[Hellos]:
    """Read the ClientHello; ask once for another if it does not do (§4.1.4)."""
    received = yield from expect_one_of(ClientHello)
    hello = received.message
    assert isinstance(hello, ClientHello)
    suite = check_client_hello(config, hello)
    group, share = find_group(config, hello)
    if share is not None and not config.require_cookie:
        transcript = Transcript(suite.hash_name, received.raw)
        return Hellos(hello, suite, group, share, transcript, retried=False)

    digest = hashlib.new(suite.hash_name, received.raw).digest()
    transcript = Transcript.after_retry(suite.hash_name, digest)
    cookie = config.random(32) if config.require_cookie else None
    flight = Flight(transcript)
    flight.add(make_retry(hello, suite, group if share is None else None, cookie))
    link.send(flight)
    _enter_compatibility(link, hello)
    again = yield from expect(ClientHello, into=transcript)
    share = check_second_hello(hello, again, group, share, cookie)
    check_client_hello(config, again)
    return Hellos(again, suite, group, share, transcript, retried=True)


def _enter_compatibility(link: Link, hello: ClientHello) -> None:
    # §D.4: after our first handshake message, to a client that looks like TLS 1.2
    if hello.legacy_session_id:
        link.send_change_cipher_spec()


def check_client_hello(config: ServerConfig, hello: ClientHello) -> Suite:
    """Check what every ClientHello must be, and choose the suite (§4.1.2, §9.2)."""
    versions = hello.extensions.get(SupportedVersionsClientHello)
    if versions is None or ProtocolVersion.TLS13 not in versions.versions:
        offered = versions.versions if versions else (hello.legacy_version,)
        raise UnsupportedVersion(
            "expected TLS 1.3 to be offered, got "
            + ", ".join(name_of(ProtocolVersion, code) for code in offered),
            section="4.2.1",
        )
    if hello.legacy_compression_methods != b"\0":
        raise IllegalParameter(
            "ClientHello.legacy_compression_methods: expected 00, "
            f"got {hello.legacy_compression_methods.hex() or 'nothing'}",
            section="4.1.2",
        )
    for required in (SignatureAlgorithms, SupportedGroups, KeyShareClientHello):
        if hello.extensions.get(required) is None:
            raise MissingExtension(f"ClientHello: expected {required.__name__}", section="9.2")
    code = choose_first(config.cipher_suites, hello.cipher_suites)
    if code is None:
        raise NegotiationError(
            "no cipher suite in common: the client offers "
            + ", ".join(name_of(CipherSuite, code) for code in hello.cipher_suites)
        )
    return TLS13_SUITES[code]


def find_group(config: ServerConfig, hello: ClientHello) -> tuple[NamedGroup, bytes | None]:
    """Choose the group, and find the client's share for it if there is one (§4.2.8)."""
    groups = hello.extensions.require(SupportedGroups).named_group_list
    shares: dict[int, bytes] = {}
    for entry in hello.extensions.require(KeyShareClientHello).client_shares:
        name = name_of(NamedGroup, entry.group)
        if entry.group in shares:
            raise IllegalParameter(f"ClientHello: two key shares for {name}", section="4.2.8")
        if entry.group not in groups:
            raise IllegalParameter(
                f"ClientHello: a key share for {name}, which supported_groups does not list",
                section="4.2.8",
            )
        shares[entry.group] = entry.key_exchange
    group = choose_group(config.groups, groups, shares)
    if group is None:
        raise NegotiationError(
            "no group in common: the client offers "
            + ", ".join(name_of(NamedGroup, code) for code in groups)
        )
    return NamedGroup(group), shares.get(group)


def make_retry(
    hello: ClientHello, suite: Suite, group: NamedGroup | None, cookie: bytes | None
) -> ServerHello:
    """Write a HelloRetryRequest (§4.1.4)."""
    extensions: list[Extension] = [SupportedVersionsServerHello(ProtocolVersion.TLS13)]
    if group is not None:
        extensions.append(KeyShareHelloRetryRequest(group))
    if cookie is not None:
        extensions.append(Cookie(cookie))
    return ServerHello(
        random=HELLO_RETRY_REQUEST_RANDOM,
        legacy_session_id_echo=hello.legacy_session_id,
        cipher_suite=suite.code,
        extensions=Extensions(tuple(extensions)),
    )


def check_second_hello(
    first: ClientHello,
    second: ClientHello,
    group: NamedGroup,
    first_share: bytes | None,
    cookie: bytes | None,
) -> bytes:
    """Check that only what we asked for has changed; return the share (§4.1.2)."""
    if _unchanging(first) != _unchanging(second):
        raise IllegalParameter(
            "second ClientHello: expected the first but for what we asked, got another",
            section="4.1.2",
        )
    if cookie is not None:
        echoed = second.extensions.require(Cookie).cookie
        if not hmac.compare_digest(echoed, cookie):
            raise IllegalParameter("second ClientHello: the cookie is not ours", section="4.2.2")
    shares = second.extensions.require(KeyShareClientHello).client_shares
    if first_share is not None:
        expected = first.extensions.require(KeyShareClientHello).client_shares
        if shares != expected:
            raise IllegalParameter(
                "second ClientHello: expected the same key shares", section="4.1.2"
            )
        return first_share
    if [entry.group for entry in shares] != [group]:
        raise IllegalParameter(
            f"second ClientHello: expected one key share, for {group.name}, got "
            + (", ".join(name_of(NamedGroup, entry.group) for entry in shares) or "none"),
            section="4.2.8",
        )
    return shares[0].key_exchange


MAY_CHANGE = frozenset(
    {
        ExtensionType.key_share,
        ExtensionType.cookie,
        ExtensionType.early_data,
        ExtensionType.pre_shared_key,
        ExtensionType.padding,
    }
)
"""Extensions that a second ClientHello may change, add or drop (§4.1.2)."""


def _unchanging(hello: ClientHello) -> ClientHello:
    kept = [item for item in hello.extensions if item.extension_type not in MAY_CHANGE]
    return replace(hello, extensions=Extensions(tuple(kept)))


# --- what we choose


def name_asked_for(hellos: Hellos) -> str | None:
    """Return the server name that the client wants (RFC 6066 section 3)."""
    server_name = hellos.extensions.get(ServerName)
    return server_name.host_name if server_name is not None else None


def choose_protocol(config: ServerConfig, hellos: Hellos) -> bytes | None:
    """Choose the application protocol (RFC 7301 section 3.2)."""
    offered = hellos.extensions.get(ApplicationLayerProtocolNegotiation)
    if offered is None or not config.alpn_protocols:
        return None
    chosen = choose_alpn(config.alpn_protocols, offered.protocol_name_list)
    if chosen is None:
        raise NoApplicationProtocol(
            f"expected one of {config.alpn_protocols!r}, got {offered.protocol_name_list!r}"
        )
    return chosen


def choose_credential(
    config: ServerConfig, hellos: Hellos, server_name: str | None
) -> Flow[tuple[Credential, SignatureScheme]]:
    """Choose what to prove ourselves with, and the scheme to sign it (§4.4.2.2)."""
    schemes = hellos.extensions.require(SignatureAlgorithms).supported_signature_algorithms
    wanted = Wanted(signature_algorithms=schemes)
    credential = yield from ask(
        ChooseCredential(Role.server, config.credentials, wanted, server_name)
    )
    if credential is None:
        if config.refuse_unknown_names and server_name is not None:
            raise UnrecognizedName(f"there is no certificate for {server_name!r}")
        raise NegotiationError("none of our certificates fits what the client accepts")
    scheme = choose_scheme(credential.schemes, schemes)
    if scheme is None:
        raise NegotiationError(
            "no signature scheme in common: the client accepts "
            + ", ".join(name_of(SignatureScheme, code) for code in schemes)
        )
    return credential, scheme


# --- §4.1.3 to §4.4: our flight


def send_server_hello(link: Link, config: ServerConfig, hellos: Hellos) -> HandshakeSecret:
    """Send ServerHello, and protect what follows (§4.1.3, §7.1)."""
    public, shared = answer_share(hellos.group, hellos.client_share, config.random)
    flight = Flight(hellos.transcript)
    flight.add(
        ServerHello(
            random=config.random(32),
            legacy_session_id_echo=hellos.client_hello.legacy_session_id,
            cipher_suite=hellos.suite.code,
            extensions=Extensions(
                (
                    SupportedVersionsServerHello(ProtocolVersion.TLS13),
                    KeyShareServerHello(KeyShareEntry(hellos.group, public)),
                )
            ),
        )
    )
    link.send(flight)
    if not hellos.retried:
        _enter_compatibility(link, hellos.client_hello)
    secret = EarlySecret(hellos.suite.hash_name).with_shared_secret(shared)
    digest = hellos.transcript.digest()
    writing = secret.server_handshake_traffic_secret(digest)
    reading = secret.client_handshake_traffic_secret(digest)
    link.log_secret("SERVER_HANDSHAKE_TRAFFIC_SECRET", hellos.client_hello.random, writing)
    link.log_secret("CLIENT_HANDSHAKE_TRAFFIC_SECRET", hellos.client_hello.random, reading)
    link.write_with(hellos.suite, writing, Epoch.handshake)
    link.read_with(hellos.suite, reading, Epoch.handshake)
    return secret


def add_parameters(
    link: Link, config: ServerConfig, hellos: Hellos, flight: Flight, alpn_protocol: bytes | None
) -> None:
    """Add EncryptedExtensions (§4.3.1)."""
    extensions: list[Extension] = []
    if hellos.extensions.get(ServerName) is not None:
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
    flight.add(EncryptedExtensions(Extensions(tuple(extensions))))


def add_request(config: ServerConfig, flight: Flight) -> CertificateRequest | None:
    """Add a CertificateRequest, if the policy is to ask here (§4.3.2)."""
    if config.client_auth is ClientAuth.NONE:
        return None
    wanted = Wanted(
        authorities=config.certificate_authorities,
        signature_algorithms=config.signature_algorithms,
        signature_algorithms_cert=config.signature_algorithms_cert,
    )
    request = make_certificate_request(b"", wanted)
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


def judge_client(
    config: ServerConfig, signed: SignedChain | None, proof: FinishedProof
) -> Flow[Identity | None]:
    """Ask whether the client's chain is accepted; its key is proven by now."""
    if signed is None:
        return None
    assert config.verifier is not None  # ServerConfig sees to it
    now = config.wall_clock()
    peer = PeerChain(signed.certificates, Role.client, None, signed.ocsp_response, now)
    verdict = yield from ask(JudgePeer(peer, config.verifier, b"", None))
    if isinstance(verdict, Refused):
        raise verdict.error
    return identify(signed, proof, verdict, now)
