"""Pre-shared keys in a handshake (§4.2.11).

Theory of operation
===================

A PSK enters the key schedule at its top, so a Finished under it proves that both
ends have it. Before that, the client's *binder* proves it: a MAC over the
ClientHello as far as the binders, keyed from the PSK. A server believes nothing
about a PSK before it has checked the binder.

An external PSK proves what it proves: the other end has the key. A resumption PSK
stands for a session, and with it comes whom the peer had proven to be when the
ticket was sent. No certificate is sent again. Instead the old chain is *judged
again*, by today's trust and today's time, before the PSK is used at all: by the
client before it offers the ticket, by the server before it accepts it. A chain that
fails costs a full handshake, in which the peer can prove itself anew.

`psk_client` and `psk_server` are the two sides of the choice.
"""

from __future__ import annotations

import hashlib

from ..._dataclass import dataclass, field, replace
from ...config import Config
from ...constants import PskKeyExchangeMode, Role
from ...crypto.schedule import EarlySecret, HandshakeSecret, finished_mac
from ...crypto.suites import Suite
from ...errors import InternalError
from ...pki.identity import Identity
from ...pki.trust import PeerChain, VerifiedChain
from ...questions import JudgePeer, Refused
from ...resumption.external_psk import ExternalPsk, PskKind
from ...resumption.ticket import TicketState
from ..flow import Flow, ask
from ..proofs import FinishedProof
from ..transcript import Transcript

__all__ = ["Psk", "make_binder", "resumed_identity", "reverify", "started_at"]


@dataclass(frozen=True, slots=True)
class Psk:
    """A pre-shared key that is on offer or in use."""

    identity: bytes
    """Names it on the wire: a ticket, or an external identity."""
    key: bytes = field(repr=False)
    hash_name: str
    """The hash that it is used with."""
    session: TicketState | None = None
    """The session that it resumes; None for an external PSK."""
    verdict: VerifiedChain | None = None
    """What the peer's chain of that session was judged today."""
    index: int = 0
    """Its place in the client's offer."""
    mode: PskKeyExchangeMode = PskKeyExchangeMode.psk_dhe_ke
    """Whether a key exchange goes with it (§4.2.9)."""

    is_imported: bool = False
    """Whether it was imported for this use (RFC 9258)."""

    @classmethod
    def external(cls, psk: ExternalPsk) -> Psk:
        """Use a key from outside of TLS."""
        return cls(psk.identity, psk.key, psk.hash_name, is_imported=psk.is_imported)

    @classmethod
    def resuming(cls, ticket: bytes, session: TicketState) -> Psk:
        """Use a session's key."""
        return cls(ticket, session.psk, session.hash_name, session)

    @property
    def kind(self) -> PskKind:
        """Where it comes from."""
        return PskKind.EXTERNAL if self.session is None else PskKind.RESUMPTION

    @property
    def external_identity(self) -> bytes | None:
        """The external PSK that this one is, or goes back to."""
        return self.identity if self.session is None else self.session.psk_identity

    def early_secret(self) -> EarlySecret:
        """Begin the key schedule with it (§7.1)."""
        return EarlySecret(self.hash_name, self.key)


def handshake_secret(psk: Psk | None, suite: Suite, shared: bytes | None) -> HandshakeSecret:
    """Go on from the PSK, if there is one, with the key exchange's result (§7.1)."""
    if psk is not None:
        return psk.early_secret().with_shared_secret(shared)
    if shared is None:  # without a PSK there is a key exchange
        raise InternalError("there is neither a PSK nor a shared secret")
    return HandshakeSecret.without_psk(suite.hash_name, shared)


def make_binder(psk: Psk, truncated_hello: bytes, before: Transcript | None) -> bytes:
    """Compute the proof that a client has a PSK (§4.2.11.2).

    Args:
        psk: the key.
        truncated_hello: the ClientHello with its header, without the binders list.
        before: what came before it, after a HelloRetryRequest.
    """
    if before is None:
        digest = hashlib.new(psk.hash_name, truncated_hello).digest()
    else:
        transcript = before.fork()
        transcript.add(truncated_hello)
        digest = transcript.digest()
    binder_key = psk.early_secret().binder_key(
        external=psk.session is None, imported=psk.is_imported
    )
    return finished_mac(psk.hash_name, binder_key, digest)


def reverify(config: Config, psk: Psk, peer: Role, server_name: str | None) -> Flow[Psk | None]:
    """Ask whether whom the peer was then is acceptable today; None if not (§4.6.1).

    Args:
        config: who judges, and the time.
        psk: the session to resume.
        peer: the peer's role.
        server_name: the server that we mean to reach, if it is to be checked.
    """
    session = psk.session
    if session is None or not session.chain or psk.verdict is not None:
        return psk
    if config.verifier is None:
        return None
    now = config.wall_clock()
    chain = PeerChain(session.chain, peer, server_name, session.ocsp_response, now)
    verdict = yield from ask(JudgePeer(chain, config.verifier, b"", None, session.proven_at))
    if isinstance(verdict, Refused):
        return None
    if not isinstance(verdict, VerifiedChain):  # else the identity would be lost unnoticed
        raise InternalError(f"JudgePeer: the answer is a {type(verdict).__name__}, no verdict")
    return replace(psk, verdict=verdict)


def resumed_identity(psk: Psk, proof: FinishedProof) -> Identity | None:
    """Make the identity that the peer brings from the session that is resumed.

    Its key was proven then; Finished proves that the peer has the session's key, and
    the chain was judged again today.
    """
    if type(proof) is not FinishedProof:
        raise InternalError(f"no identity without Finished: {type(proof).__name__}")
    if psk.session is None or psk.verdict is None:
        return None
    return Identity(
        chain=psk.session.chain,
        verified_chain=psk.verdict.certificates,
        proven_at=psk.session.proven_at,
        ocsp_response=psk.session.ocsp_response,
    )


def started_at(config: Config, psk: Psk | None) -> float:
    """Return when the full handshake was that a session goes back to: now, if this is it."""
    session = psk.session if psk is not None else None
    return session.started_at if session is not None else config.wall_clock()
