"""What a finished handshake leaves behind."""

from __future__ import annotations

from .._dataclass import dataclass
from ..events import Established
from ..pki.identity import Identity
from ..resumption.session12 import Session12
from .proofs import FinishedProof
from .session_secrets import SessionSecrets, SessionSecrets12
from .transcript import Transcript

__all__ = ["HandshakeOutcome"]


@dataclass(frozen=True, slots=True)
class HandshakeOutcome:
    """All that a handshake's flow returns; its temporaries go with its frame."""

    established: Established
    identity: Identity | None
    """Whom the peer proved to be in the handshake."""
    secrets: SessionSecrets | SessionSecrets12
    transcript: Transcript
    """ClientHello through client Finished: what requests fork from (§4.4.1)."""
    proof: FinishedProof
    """That the peer took part in this very handshake."""
    started_at: float = 0.0
    """When the full handshake was that the session goes back to."""
    resumable: bool = True
    """Whether the client could use a ticket (§4.2.9); a server wants to know."""
    session12: Session12 | None = None
    """What a TLS 1.2 connection can be resumed from."""
