"""What the steps of a TLS 1.2 handshake share, on a server (RFC 5246 section 7.3)."""

from __future__ import annotations

from ..._dataclass import dataclass
from ...config import ServerConfig
from ...constants import NamedGroup, ProtocolVersion
from ...crypto.tls12.suites import Suite12
from ...events import Established
from ...pki.credential import Credential
from ...pki.identity import Identity
from ...resumption.external_psk import PskKind
from ...resumption.session12 import Session12
from ...wire.extensions import (
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
from ...wire.hello import ServerHello
from ...wire.tls12 import NewSessionTicket12
from ..link import Flight, Link
from ..negotiate import UNCOMPRESSED
from ..outcome import HandshakeOutcome
from ..proofs import FinishedProof
from ..session_secrets import SessionSecrets12
from ..tls12_chosen import ClientOffered12
from .master_secret import Transcript12
from .resumption import make_ticket
from .server_hellos import make_server_random, wants_renegotiation_info

__all__ = [
    "ServerHandshakeState",
    "acknowledgements",
    "keep_session",
    "make_outcome",
    "make_server_hello",
]


@dataclass(frozen=True, slots=True)
class ServerHandshakeState:
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
    state: ServerHandshakeState, suite: Suite12, session_id: bytes, more: list[Extension]
) -> ServerHello:
    """Write a ServerHello (RFC 5246 section 7.4.1.3)."""
    extensions: list[Extension] = []
    if wants_renegotiation_info(state.hellos.client_hello):
        extensions.append(RenegotiationInfo(b""))
    if state.extended:
        extensions.append(ExtendedMasterSecret())
    if state.alpn_protocol is not None:
        extensions.append(ApplicationLayerProtocolNegotiation((state.alpn_protocol,)))
    return ServerHello(
        random=make_server_random(state.config),
        legacy_session_id_echo=session_id,
        cipher_suite=suite.code,
        extensions=Extensions((*extensions, *limit_records(state), *more)),
    )


def acknowledgements(state: ServerHandshakeState) -> list[Extension]:
    """Return the answers of every full handshake."""
    asked = state.hellos.extensions
    extensions: list[Extension] = []
    if asked.get(ServerName) is not None:
        extensions.append(ServerNameAck())
    if asked.get(EcPointFormats) is not None:
        extensions.append(EcPointFormats((UNCOMPRESSED,)))
    return extensions


def limit_records(state: ServerHandshakeState) -> list[Extension]:
    """Agree on the size of records, and keep to it (RFC 8449, RFC 6066 section 4)."""
    size_limit = state.hellos.extensions.get(RecordSizeLimit)
    fragment = state.hellos.extensions.get(MaxFragmentLength)
    if size_limit is not None:
        ours = state.config.record_size_limit
        state.link.limit_records12(sent=size_limit.limit, received=ours)
        return [RecordSizeLimit(min(ours if ours is not None else 2**14, 2**14))]
    if fragment is not None:
        state.link.limit_records12(sent=fragment.length, received=fragment.length)
        return [fragment]
    return []


def keep_session(state: ServerHandshakeState, session: Session12, transcript: Transcript12) -> None:
    """Give the session to the client in a ticket, or keep it (RFC 5077 section 3.3)."""
    if state.sends_ticket:
        flight = Flight(transcript)
        ticket = make_ticket(state.config, session)
        flight.add(NewSessionTicket12(session.lifetime if ticket else 0, ticket))
        state.link.send(flight)
    elif session.session_id and state.config.sessions12 is not None:
        state.config.sessions12.put(session)


def make_outcome(
    state: ServerHandshakeState,
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
        state: the handshake.
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
            server_name=state.server_name,
            alpn_protocol=state.alpn_protocol,
            post_handshake_auth=False,
            our_credential=credential,
            client_random=state.client_random,
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
