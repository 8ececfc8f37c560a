"""Tokens of what a peer has proven, and the identity that they make (§4.4)."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from .._dataclass import dataclass, field
from ..config import ServerConfig
from ..constants import Role, SignatureScheme
from ..crypto.signatures import PssKey
from ..errors import (
    BadCertificate,
    InternalError,
)
from ..pki.identity import Identity
from ..pki.parsed_certificate import SMALL, check_sizes
from ..pki.pss import pss_key_of
from ..pki.trust import PeerChain, VerifiedChain
from ..questions import JudgePeer, Refused
from .flow import Flow, ask

__all__ = ["FinishedProof", "SignedChain", "identify", "judge_client", "read_leaf"]


@dataclass(frozen=True, slots=True)
class SignedChain:
    """Proof: the peer holds the private key of this chain's leaf (§4.4.3)."""

    certificates: tuple[bytes, ...]
    """DER, leaf first, as presented. Whether anyone trusts them is not said."""
    leaf: x509.Certificate
    scheme: SignatureScheme
    ocsp_response: bytes | None = field(default=None, repr=False)
    key: PublicKeyTypes | None = field(default=None, repr=False)
    """The leaf's, if it was read."""

    def for_verifier(self, role: Role, server_name: str | None, now: float) -> PeerChain:
        """Put it as the question whether to believe it."""
        peer = PeerChain(self.certificates, role, server_name, self.ocsp_response, now)
        return peer.with_leaf(self.leaf, self.key)


@dataclass(frozen=True, slots=True)
class FinishedProof:
    """Proof: the peer has the traffic key and saw the same transcript (§4.4.4)."""


def read_leaf(cert_data: bytes) -> tuple[x509.Certificate, PssKey, PublicKeyTypes]:
    """Parse the leaf; return it, whether its key is for RSA-PSS alone, and the key."""
    try:
        leaf = x509.load_der_x509_certificate(cert_data)
        if len(cert_data) > SMALL:
            check_sizes(cert_data)  # whoever is shown this peer reads what is in it
        return leaf, pss_key_of(leaf), leaf.public_key()
    except Exception as error:  # cryptography raises ValueError, UnsupportedAlgorithm, …
        raise BadCertificate(f"Certificate: the leaf cannot be read: {error}") from error


def identify(
    signed: SignedChain,
    proof: FinishedProof,
    verified: VerifiedChain,
    now: float,
    context: bytes = b"",
) -> Identity:
    """Make the identity that a peer has proven: key, presence and trust are in hand.

    Raises:
        InternalError: one of the three is not.
    """
    kinds = type(signed), type(proof), type(verified)
    if kinds != (SignedChain, FinishedProof, VerifiedChain):
        given = ", ".join(kind.__name__ for kind in kinds)
        raise InternalError(f"no identity without its three proofs: {given}")
    return Identity(
        chain=signed.certificates,
        verified_chain=verified.certificates,
        proven_at=now,
        certificate_request_context=context,
        ocsp_response=signed.ocsp_response,
        signature_scheme=signed.scheme,
    )


def judge_client(
    config: ServerConfig, signed: SignedChain | None, proof: FinishedProof
) -> Flow[Identity | None]:
    """Ask whether the client's chain is accepted; its key is proven by now."""
    if signed is None:
        return None
    verifier = config.verifier
    if verifier is None:  # ServerConfig sees to it
        raise InternalError("there is no verifier")
    now = config.wall_clock()
    peer = signed.for_verifier(Role.client, None, now)
    verdict = yield from ask(JudgePeer(peer, verifier, b"", None))
    if isinstance(verdict, Refused):
        raise verdict.error.without_traceback()
    return identify(signed, proof, verdict, now)
