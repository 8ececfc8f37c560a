"""Post-handshake authentication (§4.6.2): an answer, written and read.

Theory of operation
===================

A server may ask a client that offered ``post_handshake_auth`` to authenticate,
at any time after the handshake, with a CertificateRequest. Several requests may
be open at once; each has a ``certificate_request_context`` of its own, and the
client may answer them in any order and as late as it likes.

*One transcript each.* When the main handshake ends, its transcript is kept. Each
request forks it: handshake + this CertificateRequest + its answer, and nothing
of any other request (§4.4.1).

*An answer is one unbroken flight*: Certificate, CertificateVerify, Finished; or,
to decline, an empty Certificate and Finished. The client signs first, which may
take long, and only then queues all three at once. On the server the context of
the Certificate picks the conversation, which is the connection's *reader* until
Finished: nothing may come between, not even the messages of another answer.

*The Finished key is the current one.* It comes from the client's application
traffic secret as it is when the Finished is made or checked, whatever its
generation: key updates between request and answer do no harm. So it is read
then, never kept.

*Identity is committed last.* Signature, then Finished, then the verdict on the
chain; until all three are in hand, the client is who it was before. Each step
returns a token, and `Authenticated` cannot be built without them. Data that
arrives while a verdict is awaited counts as from the former identity.

*A settled request may still be open.* A request that expired or was cancelled
keeps its place until its answer comes, because the client must answer and we
must cope (§4.6.2). The late answer is read, checked, and dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from ..._dataclass import dataclass, field
from ...config import AuthRequest, ServerConfig
from ...constants import Role
from ...crypto.schedule import finished_mac
from ...pki.choose import Wanted
from ...pki.credential import Credential
from ...pki.identity import Identity
from ...pki.trust import Verifier
from ...questions import JudgePeer, Verdict
from ...wire.auth import Certificate, CertificateRequest, CertificateVerify, Finished
from ..flow import Conversation, Flow, ask, expect
from ..link import Flight, Link
from ..proofs import FinishedProof, SignedChain
from ..transcript import Transcript
from .authenticate import add_certificate, check_certificate, check_finished, check_signature
from .certificate_request import wanted_by

__all__ = [
    "Answer",
    "Authenticated",
    "Declined",
    "OpenRequest",
    "read_answer",
    "write_answer",
]


@dataclass(frozen=True, slots=True)
class Declined:
    """The client showed no certificate; Finished proves that it said so."""

    proof: FinishedProof


@dataclass(frozen=True, slots=True)
class Authenticated:
    """The client proved a key; the verdict says whether its chain is accepted."""

    signed: SignedChain
    proof: FinishedProof
    verdict: Verdict
    at: float
    """Wall-clock time of the proof."""


Answer: TypeAlias = Declined | Authenticated


@dataclass(slots=True, eq=False)
class OpenRequest:
    """A request that is not settled, or whose answer has not come."""

    context: bytes
    policy: AuthRequest
    message: CertificateRequest
    wanted: Wanted
    transcript: Transcript = field(repr=False)
    verifier: Verifier
    conversation: Conversation[Answer] | None = None
    answered: bool = False
    """Whether its Certificate has come: a context is good for one answer."""
    settled: bool = False
    """Whether its outcome was reported; a late answer then changes nothing."""


def read_answer(
    request: OpenRequest, link: Link, config: ServerConfig, previous: Callable[[], Identity | None]
) -> Flow[Answer]:
    """Read the client's answer to one CertificateRequest (§4.6.2)."""
    transcript = request.transcript  # handshake + this request
    certificate = yield from expect(Certificate, into=transcript)
    check_certificate(certificate, request.message.extensions, config.limits)
    signed: SignedChain | None = None
    if certificate.certificate_list:
        digest = transcript.digest()  # §4.4.3: through Certificate
        verify = yield from expect(CertificateVerify, into=transcript)
        offered = request.wanted.signature_algorithms
        signed = check_signature(certificate, verify, Role.client, offered, digest)
    digest = transcript.digest()
    finished = yield from expect(Finished)
    secret = link.reading_secret  # of the generation in force now
    proof = check_finished(finished, transcript.hash_name, secret, digest)
    if signed is None or request.settled:
        return Declined(proof)
    now = config.wall_clock()
    peer = signed.for_verifier(Role.client, None, now, request.policy.policies)
    verdict = yield from ask(JudgePeer(peer, request.verifier, request.context, previous()))
    return Authenticated(signed, proof, verdict, now)


def write_answer(
    request: CertificateRequest, transcript: Transcript, credential: Credential | None, link: Link
) -> Flow[tuple[Flight, Credential | None]]:
    """Write our answer to one CertificateRequest; it is sealed when this returns (§4.6.2)."""
    flight = Flight(transcript)  # handshake + this request
    used = yield from add_certificate(flight, link, request, wanted_by(request), credential)
    secret = link.writing_secret  # of the generation in force now
    flight.add(Finished(finished_mac(transcript.hash_name, secret, flight.digest())))
    return flight, used
