"""Exported authenticators: proofs that travel outside of TLS (RFC 9261).

The same three messages as everywhere, Certificate, CertificateVerify, Finished, over a
transcript of their own: what the connection exports for whoever proves, the request, and
they themselves. To decline is a Finished alone. Whoever carries them need not be
trusted, and TLS does not learn of them.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable

from ..._dataclass import dataclass, field
from ...config import Config
from ...constants import HandshakeType, Role, name_of
from ...errors import BadFinished, DecodeError, IllegalParameter, MessageTooLarge, UnexpectedMessage
from ...pki.choose import choose_scheme
from ...pki.credential import Credential
from ...pki.trust import Verifier
from ...questions import JudgePeer, Sign, Verdict
from ...record.limits import Limits
from ...wire.auth import (
    Certificate,
    CertificateRequest,
    CertificateVerify,
    ClientCertificateRequest,
    Finished,
)
from ...wire.handshake import encode_handshake
from ..flow import Flow, ask
from ..proofs import FinishedProof, SignedChain
from ..transcript import Transcript
from .authenticate import certificate_entries, check_certificate, check_signature, signed_content
from .certificate_request import wanted_by

__all__ = [
    "Claim",
    "Proven",
    "exported_keys",
    "read_authenticator",
    "read_request",
    "write_authenticator",
]

CONTEXT_STRING = b"Exported Authenticator"
HEADER = 4  # bytes: type and length of a message

Export = Callable[[bytes, bytes | None, int], bytes]
"""An exporter: label, context, length."""

REQUESTS: dict[Role, type[CertificateRequest]] = {
    Role.server: CertificateRequest,
    Role.client: ClientCertificateRequest,
}
"""What each end asks with (section 4)."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What one end's authenticators are made with (section 5.1)."""

    hash_name: str
    handshake_context: bytes = field(repr=False)
    finished_mac_key: bytes = field(repr=False)

    def finished(self, transcript: Transcript) -> Finished:
        """Make the Finished over a transcript (section 5.2.3)."""
        mac = hmac.digest(self.finished_mac_key, transcript.digest(), self.hash_name)
        return Finished(mac)


@dataclass(frozen=True, slots=True)
class Claim:
    """A request, and its bytes."""

    message: CertificateRequest
    raw: bytes

    def transcript(self, keys: Keys) -> Transcript:
        """Begin the transcript of its answer (section 5.2)."""
        return Transcript(keys.hash_name, keys.handshake_context, self.raw)


@dataclass(frozen=True, slots=True)
class Proven:
    """An authenticator that is genuine, and the verdict on its chain."""

    signed: SignedChain
    proof: FinishedProof
    verdict: Verdict
    at: float


def exported_keys(export: Export, hash_name: str, hash_length: int, role: Role) -> Keys:
    """Export what the authenticators of one end are made with (section 5.1)."""
    label = b"EXPORTER-" + role.name.encode()
    return Keys(
        hash_name,
        export(label + b" authenticator handshake context", b"", hash_length),
        export(label + b" authenticator finished key", b"", hash_length),
    )


def read_request(data: bytes, sender: Role, limits: Limits) -> Claim:
    """Read a request of that end's (section 4).

    Raises:
        DecodeError, IllegalParameter, MissingExtension: it is none.
        UnexpectedMessage: it is one of the other end's, or something else.
    """
    kind = REQUESTS[sender]
    ((handshake_type, body, raw),) = _messages(data, 1, limits)
    if handshake_type != kind.handshake_type:
        raise _unexpected(kind.__name__, handshake_type)
    message = kind.decode(body)
    wanted_by(message)  # which misses signature_algorithms
    return Claim(message, raw)


def write_authenticator(keys: Keys, claim: Claim, credential: Credential | None) -> Flow[bytes]:
    """Write the answer to a request (section 5.2); without a credential it declines.

    One that can make none of the signatures that are wanted declines as well.
    """
    message = claim.message
    transcript = claim.transcript(keys)
    schemes = credential.schemes if credential is not None else ()
    scheme = choose_scheme(schemes, wanted_by(message).signature_algorithms)
    context = message.certificate_request_context
    if credential is None or scheme is None:
        transcript.add(encode_handshake(Certificate(context, ())))
        return encode_handshake(keys.finished(transcript))
    entries = certificate_entries(credential, message.extensions)
    parts = [encode_handshake(Certificate(context, entries))]
    transcript.add(parts[-1])
    # whose it is, the handshake context tells
    content = signed_content(Role.client, transcript.digest(), CONTEXT_STRING)
    signature = yield from ask(Sign(credential.signer, scheme, content))
    parts.append(encode_handshake(CertificateVerify(scheme, signature)))
    transcript.add(parts[-1])
    parts.append(encode_handshake(keys.finished(transcript)))
    return b"".join(parts)


def read_authenticator(
    keys: Keys,
    claim: Claim,
    data: bytes,
    prover: Role,
    config: Config,
    verifier: Verifier,
    server_name: str | None,
) -> Flow[Proven | None]:
    """Read the answer to a request (section 5.2); None if it declines.

    Args:
        keys: the prover's.
        claim: the request.
        data: the answer.
        prover: whose it is.
        config: limits and clocks.
        verifier: who judges the chain.
        server_name: whom a server's certificate must be for; None for a client's, and where
            it is not to be checked.

    Raises:
        DecodeError, IllegalParameter, UnexpectedMessage, …: it is no authenticator.
        IllegalParameter: it answers another request.
        BadSignature: it does not prove the key of its certificate.
        BadFinished: it is of another connection, or an answer to another request.
    """
    transcript = claim.transcript(keys)
    message = claim.message
    context = message.certificate_request_context
    messages = _messages(data, 3, config.limits)
    if len(messages) == 1:
        transcript.add(encode_handshake(Certificate(context, ())))
        _check_finished(keys, transcript, messages[0])
        return None
    if len(messages) != 3:
        raise DecodeError(f"authenticator: expected three messages, or one, got {len(messages)}")
    certificate = Certificate.decode(_expect(Certificate, messages[0]))
    if certificate.certificate_request_context != context:
        raise IllegalParameter("authenticator: its context is another request's")
    if not certificate.certificate_list:
        raise DecodeError("authenticator: expected certificates, got none")
    check_certificate(certificate, message.extensions, config.limits)
    transcript.add(messages[0][2])
    verify = CertificateVerify.decode(_expect(CertificateVerify, messages[1]))
    offered = wanted_by(message).signature_algorithms
    digest = transcript.digest()
    signed = check_signature(certificate, verify, prover, offered, digest, CONTEXT_STRING)
    transcript.add(messages[1][2])
    proof = _check_finished(keys, transcript, messages[2])
    now = config.wall_clock()
    peer = signed.for_verifier(prover, server_name, now)
    verdict = yield from ask(JudgePeer(peer, verifier, context, None))
    return Proven(signed, proof, verdict, now)


_Message = tuple[int, bytes, bytes]
"""Type, body, and the whole."""


def _messages(data: bytes, most: int, limits: Limits) -> list[_Message]:
    """Take messages apart that follow on one another, without records around them."""
    found: list[_Message] = []
    while data or not found:
        if len(found) == most:
            raise DecodeError(
                f"authenticator: expected {most} messages at most, got {len(data)} bytes more"
            )
        size = int.from_bytes(data[1:HEADER])
        if size > limits.handshake_message:
            raise MessageTooLarge(
                f"authenticator: expected a message of at most {limits.handshake_message} bytes, "
                f"got one of {size}"
            )
        end = HEADER + size
        if len(data) < end:
            raise DecodeError(
                f"authenticator: expected a message of {end} bytes at least, got {len(data)}"
            )
        found.append((data[0], data[HEADER:end], data[:end]))
        data = data[end:]
    return found


def _expect(kind: type[Certificate | CertificateVerify | Finished], message: _Message) -> bytes:
    if message[0] != kind.handshake_type:
        raise _unexpected(kind.__name__, message[0])
    return message[1]


def _check_finished(keys: Keys, transcript: Transcript, message: _Message) -> FinishedProof:
    expected = keys.finished(transcript).verify_data
    if not hmac.compare_digest(_expect(Finished, message), expected):
        raise BadFinished("authenticator: it is not this connection's, or not for this request")
    return FinishedProof()


def _unexpected(expected: str, handshake_type: int) -> UnexpectedMessage:
    got = name_of(HandshakeType, handshake_type)
    return UnexpectedMessage(f"authenticator: expected {expected}, got {got}")
