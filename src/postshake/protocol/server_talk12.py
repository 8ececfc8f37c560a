"""What the ways through a TLS 1.2 handshake have in common, as a server (RFC 5246 section 7.3)."""

from __future__ import annotations

from ..config import ServerConfig
from ..constants import NamedGroup, ProtocolVersion
from ..crypto.suites12 import Suite12
from ..events import Established
from ..pki.credential import Credential
from ..pki.identity import Identity
from ..psk import PskKind
from ..session12 import Session12
from ..values import dataclass
from ..wire.extensions import (
    ApplicationLayerProtocolNegotiation,
    EcPointFormats,
    ExtendedMasterSecret,
    Extension,
    Extensions,
    MaxFragmentLength,
    RecordSizeLimit,
    RenegotiationInfo,
    ServerName,
    ServerNameAck,
    SessionTicket,
)
from ..wire.hello import ServerHello
from ..wire.tls12 import NewSessionTicket12
from .authenticate import FinishedProof
from .hellos12 import ClientOffered12
from .link import Flight, Link
from .offer12 import UNCOMPRESSED
from .outcome import HandshakeOutcome
from .resumption12 import make_ticket
from .secrets12 import SessionSecrets12, Transcript12
from .server_hellos12 import make_server_random, wants_renegotiation_info

__all__ = ["Talk", "acknowledgements", "conclude", "keep_session", "make_server_hello"]


@dataclass(frozen=True, slots=True)
class Talk:
    """What the steps of one handshake have in common."""

    link: Link
    config: ServerConfig
    hellos: ClientOffered12
    extended: bool
    """Whether the master secret will be an extended one (RFC 7627)."""
    server_name: str | None
    alpn_protocol: bytes | None

    @property
    def client_random(self) -> bytes:
        """By which a key log names this connection."""
        return self.hellos.client_hello.random

    @property
    def sends_ticket(self) -> bool:
        """Whether a full handshake gives the client a ticket (RFC 5077 section 3.2)."""
        return (
            self.config.tickets12
            and self.extended
            and self.hellos.extensions.get(SessionTicket) is not None
        )


def make_server_hello(
    talk: Talk, suite: Suite12, session_id: bytes, more: list[Extension]
) -> ServerHello:
    """Write a ServerHello (RFC 5246 section 7.4.1.3)."""
    extensions: list[Extension] = []
    if wants_renegotiation_info(talk.hellos.client_hello):
        extensions.append(RenegotiationInfo(b""))
    if talk.extended:
        extensions.append(ExtendedMasterSecret())
    if talk.alpn_protocol is not None:
        extensions.append(ApplicationLayerProtocolNegotiation((talk.alpn_protocol,)))
    return ServerHello(
        random=make_server_random(talk.config),
        legacy_session_id_echo=session_id,
        cipher_suite=suite.code,
        extensions=Extensions((*extensions, *limit_records(talk), *more)),
    )


def acknowledgements(talk: Talk) -> list[Extension]:
    """Return the answers of every full handshake."""
    asked = talk.hellos.extensions
    extensions: list[Extension] = []
    if asked.get(ServerName) is not None:
        extensions.append(ServerNameAck())
    if asked.get(EcPointFormats) is not None:
        extensions.append(EcPointFormats((UNCOMPRESSED,)))
    return extensions


def limit_records(talk: Talk) -> list[Extension]:
    """Agree on the size of records, and keep to it (RFC 8449, RFC 6066 section 4)."""
    size_limit = talk.hellos.extensions.get(RecordSizeLimit)
    fragment = talk.hellos.extensions.get(MaxFragmentLength)
    if size_limit is not None:
        ours = talk.config.record_size_limit
        talk.link.limit_records12(sent=size_limit.limit, received=ours)
        return [RecordSizeLimit(min(ours if ours is not None else 2**14, 2**14))]
    if fragment is not None:
        talk.link.limit_records12(sent=fragment.length, received=fragment.length)
        return [fragment]
    return []


def keep_session(talk: Talk, session: Session12, transcript: Transcript12) -> None:
    """Give the session to the client in a ticket, or keep it (RFC 5077 section 3.3)."""
    if talk.sends_ticket:
        flight = Flight(transcript)
        ticket = make_ticket(talk.config, session)
        flight.add(NewSessionTicket12(session.lifetime if ticket else 0, ticket))
        talk.link.send(flight)
    elif session.session_id and talk.config.sessions12 is not None:
        talk.config.sessions12.put(session)


def conclude(
    talk: Talk,
    session: Session12 | None,
    group: NamedGroup,
    secrets: SessionSecrets12,
    transcript: Transcript12,
    identity: Identity | None,
    proof: FinishedProof,
    credential: Credential | None,
    *,
    first_finished: bytes,
    resumed: bool = False,
    psk_identity: bytes | None = None,
) -> HandshakeOutcome:
    """Gather what the handshake came to.

    Args:
        talk: the handshake.
        session: what can be resumed of it; None for nothing.
        group: of the key exchange.
        secrets: the connection's.
        transcript: all messages.
        identity: whom the client proved to be.
        proof: that its Finished was right.
        credential: what we showed.
        first_finished: verify_data of the handshake's first Finished.
        resumed: whether an earlier session goes on.
        psk_identity: the external PSK that both ends have.
    """
    return HandshakeOutcome(
        Established(
            version=ProtocolVersion.TLS12,
            suite=secrets.suite,
            group=group,
            server_name=talk.server_name,
            alpn_protocol=talk.alpn_protocol,
            post_handshake_auth=False,
            our_credential=credential,
            client_random=talk.client_random,
            psk=PskKind.EXTERNAL if psk_identity is not None and not resumed else None,
            psk_identity=psk_identity,
            resumed=resumed,
            extended_master_secret=secrets.extended,
        ),
        identity,
        secrets,
        transcript.fork(),
        proof,
        session12=session if secrets.extended else None,
        first_finished=first_finished,
    )
