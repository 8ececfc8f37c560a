"""Sessions of TLS 1.2, made and found again (RFC 5246 7.3, RFC 5077, RFC 7627 5.3)."""

from __future__ import annotations

from ...config import ClientAuth, ClientConfig, Config, ServerConfig
from ...constants import NamedGroup, ProtocolVersion, Role
from ...errors import InternalError, NegotiationError, UsageError, present
from ...pki.identity import Identity
from ...pki.trust import PeerChain, VerifiedChain
from ...questions import JudgePeer, Refused, Verdict
from ...resumption.session12 import Session12
from ...wire.extensions import ExtendedMasterSecret, ServerName, SessionTicket
from ..external_psk import find_external
from ..flow import Flow, ask
from ..proofs import FinishedProof, SignedChain
from ..session_secrets import SessionSecrets12
from ..tls12_chosen import ClientOffered12, OfferedSession12

__all__ = [
    "find_session",
    "make_session",
    "make_ticket",
    "offered_session",
    "resumed_identity",
    "reverify",
]

MAX_TICKET = 2**16 - 1


def make_session(
    secrets: SessionSecrets12,
    group: NamedGroup,
    *,
    server_name: str | None,
    peer: SignedChain | None,
    proven_at: float,
    lifetime: int,
    session_id: bytes,
    ticket: bytes = b"",
    psk_identity: bytes | None = None,
) -> Session12:
    """Note what a full handshake came to."""
    return Session12(
        suite=secrets.suite,
        group=group,
        master_secret=secrets.master_secret,
        server_name=server_name,
        peer_chain=peer.certificates if peer is not None else (),
        ocsp_response=peer.ocsp_response if peer is not None else None,
        proven_at=proven_at,
        lifetime=lifetime,
        session_id=session_id,
        ticket=ticket,
        psk_identity=psk_identity,
    )


def resumed_identity(session: Session12, proof: FinishedProof, verified: VerifiedChain) -> Identity:
    """Make the identity that a peer proved when the session began.

    The key was proven then; that the peer is the same is proven by its Finished, and
    that it is still trusted by today's verdict.
    """
    if type(proof) is not FinishedProof or type(verified) is not VerifiedChain:
        raise InternalError("no identity without Finished and a verdict")
    return Identity(
        chain=session.peer_chain,
        verified_chain=verified.certificates,
        proven_at=session.proven_at,
        ocsp_response=session.ocsp_response,
    )


# --- the server's side


def find_session(config: ServerConfig, hellos: ClientOffered12) -> Flow[Session12 | None]:
    """Return the session that the client names, if it may be resumed.

    One that began with an external PSK may for as long as that is known.

    Raises:
        NegotiationError: it may, but the client forgot extended_master_secret.
    """
    session = _named_session(config, hellos)
    hello = hellos.client_hello
    if (
        session is None
        or not session.is_alive(config.wall_clock())
        or session.suite.code not in config.cipher_suites12
        or session.suite.code not in hello.cipher_suites
        or session.server_name != _server_name(hellos)  # RFC 6066 section 3
        or (config.auth12 is ClientAuth.REQUIRE and _proves_nothing(session))
        or (session.peer_chain and config.verifier is None)
    ):
        return None
    if session.psk_identity is not None:
        known = yield from find_external(config, session.psk_identity)
        if known is None:
            return None
    if hello.extensions.get(ExtendedMasterSecret) is None:
        raise NegotiationError(
            "ClientHello: expected extended_master_secret, as in the session to resume",
            section="RFC 7627, 5.3",
        )
    return session


def _proves_nothing(session: Session12) -> bool:
    return not session.peer_chain and session.psk_identity is None


def _named_session(config: ServerConfig, hellos: ClientOffered12) -> Session12 | None:
    ticket = hellos.extensions.get(SessionTicket)
    session_id = hellos.client_hello.legacy_session_id
    if ticket is not None and ticket.ticket and config.tickets12:
        sealed = config.ticket_keys.open(ticket.ticket, config.wall_clock())
        try:
            return Session12.decode(sealed) if sealed is not None else None
        except UsageError:  # sealed by another release of ours, or for TLS 1.3
            return None
    if session_id and config.sessions12 is not None:
        return config.sessions12.get(session_id)
    return None


def _server_name(hellos: ClientOffered12) -> str | None:
    server_name = hellos.extensions.get(ServerName)
    return server_name.host_name if server_name is not None else None


def reverify(config: ServerConfig, session: Session12) -> Flow[VerifiedChain | Refused | None]:
    """Ask whether the client of a session is still trusted; None if it was nobody."""
    if not session.peer_chain:
        return None
    return (yield from _verdict_of_today(config, session, Role.client, None))


def _verdict_of_today(
    config: Config, session: Session12, peer: Role, server_name: str | None
) -> Flow[Verdict]:
    verifier = present(config.verifier, "verifier")  # whoever asks sees to it
    now = config.wall_clock()
    chain = PeerChain(session.peer_chain, peer, server_name, session.ocsp_response, now)
    verdict = yield from ask(JudgePeer(chain, verifier, b"", None, session.proven_at))
    if not isinstance(verdict, (VerifiedChain, Refused)):  # else the identity would be lost
        raise InternalError(f"JudgePeer: the answer is a {type(verdict).__name__}, no verdict")
    return verdict


# --- the client's side


def offered_session(
    config: ClientConfig, session: Session12 | None, server_name: str | None
) -> Flow[OfferedSession12 | None]:
    """Return the session if it can be resumed now, as our policy and today's trust are.

    A server whose chain is refused today gets no offer, and can prove itself anew in a full
    handshake, as with the tickets of TLS 1.3.
    """
    if (
        session is None
        or ProtocolVersion.TLS12 not in config.versions
        or session.suite.code not in config.cipher_suites12
        or not session.is_alive(config.wall_clock())
        or _proves_nothing(session)  # a session in which the server did is worth nothing
        or (session.ticket and not config.tickets12)
    ):
        return None
    if session.psk_identity is not None:
        known = any(psk.identity == session.psk_identity for psk in config.psks)
        return OfferedSession12(session, None) if known and config.psk_modes else None
    if config.verifier is None:
        return None
    name = server_name if config.check_server_name else None
    verdict = yield from _verdict_of_today(config, session, Role.server, name)
    if isinstance(verdict, Refused):
        return None
    return OfferedSession12(session, verdict)


# --- tickets


def make_ticket(config: ServerConfig, session: Session12) -> bytes:
    """Seal a session; an empty ticket where it does not fit (RFC 5077 section 3.3)."""
    ticket = config.ticket_keys.seal(session.encode(), config.wall_clock(), config.random)
    return ticket if len(ticket) <= MAX_TICKET else b""
