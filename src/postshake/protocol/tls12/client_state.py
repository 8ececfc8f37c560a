"""What the steps of a TLS 1.2 handshake share, on a client (RFC 5246 section 7.3)."""

from __future__ import annotations

from ..._dataclass import dataclass
from ...config import ClientConfig
from ...constants import NamedGroup, ProtocolVersion, name_of
from ...errors import IllegalParameter
from ...events import Established
from ...pki.credential import Credential
from ...pki.identity import Identity
from ...resumption.external_psk import PskKind
from ...resumption.session12 import Session12
from ...wire.tls12 import NewSessionTicket12, ServerEcdhParams
from ..flow import Flow, expect
from ..link import Link
from ..negotiate import groups12
from ..outcome import HandshakeOutcome
from ..proofs import FinishedProof
from ..session_secrets import SessionSecrets12
from ..tls12_chosen import ServerChose12
from .client_hellos import ServerHelloChoices
from .master_secret import Transcript12

__all__ = ["ClientHandshakeState", "check_group", "lifetime_of", "make_outcome", "read_ticket"]


@dataclass(frozen=True, slots=True)
class ClientHandshakeState:
    """What the steps of one handshake have in common."""

    link: Link
    config: ClientConfig
    server_name: str | None
    hellos: ServerChose12
    choices: ServerHelloChoices
    transcript: Transcript12

    @property
    def randoms(self) -> tuple[bytes, bytes]:
        """The client's and the server's."""
        return self.hellos.client_hello.random, self.hellos.server_hello.random


def check_group(state: ClientHandshakeState, params: ServerEcdhParams) -> None:
    """Check that the server's ephemeral key is in a group of ours (RFC 8422 section 5.4)."""
    if params.group not in groups12(state.config.groups):
        raise IllegalParameter(
            f"ServerKeyExchange: expected a group of ours, got {name_of(NamedGroup, params.group)}",
            section="RFC 8422, 5.4",
        )


def read_ticket(state: ClientHandshakeState) -> Flow[NewSessionTicket12 | None]:
    """Read the ticket that the ServerHello promised (RFC 5077 section 3.3)."""
    if not state.choices.ticket_promised:
        return None
    return (yield from expect(NewSessionTicket12, into=state.transcript))


def lifetime_of(ticket: NewSessionTicket12 | None) -> int:
    """Return for how many seconds a session is worth trying to resume."""
    hint = ticket.ticket_lifetime_hint if ticket is not None else 0
    return min(hint or LIFETIME, MAX_LIFETIME)


LIFETIME = 24 * 3600
"""Seconds for which a session without a hint is tried again (RFC 5246 appendix F.1.4)."""

MAX_LIFETIME = 7 * LIFETIME
"""Whatever a server hints at: as in TLS 1.3 (§4.6.1)."""


def make_outcome(
    state: ClientHandshakeState,
    session: Session12 | None,
    group: NamedGroup,
    secrets: SessionSecrets12,
    identity: Identity | None,
    proof: FinishedProof,
    credential: Credential | None,
    *,
    first_finished: bytes,
    psk_identity: bytes | None = None,
    psk_identity_hint: bytes | None = None,
) -> HandshakeOutcome:
    """Gather what the handshake came to.

    Args:
        state: the handshake.
        session: what may be resumed of it; None for nothing.
        group: of the key exchange.
        secrets: the connection's.
        identity: whom the server proved to be.
        proof: that its Finished was right.
        credential: what we showed.
        first_finished: verify_data of the handshake's first Finished.
        psk_identity: the external PSK that both ends have.
        psk_identity_hint: what the server said of it.
    """
    named = session is not None and bool(session.ticket or session.session_id)
    resumed = state.choices.session is not None
    return HandshakeOutcome(
        Established(
            version=ProtocolVersion.TLS12,
            suite=secrets.suite,
            group=group,
            server_name=state.server_name,
            alpn_protocol=state.choices.alpn_protocol,
            post_handshake_auth=False,
            our_credential=credential,
            client_random=secrets.client_random,
            psk=PskKind.EXTERNAL if psk_identity is not None and not resumed else None,
            psk_identity=psk_identity,
            psk_identity_hint=psk_identity_hint,
            resumed=resumed,
            extended_master_secret=secrets.extended,
        ),
        identity,
        secrets,
        state.transcript.fork(),
        proof,
        session12=session if named and secrets.extended else None,
        first_finished=first_finished,
    )
