"""Certificates and signatures in TLS 1.2 (RFC 5246 sections 7.4.2, 7.4.3 and 7.4.8).

The server signs its key exchange, the client the handshake so far; what proves a key
is the same check, and gives the same token as in TLS 1.3.
"""

from __future__ import annotations

from collections.abc import Iterable

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from ...constants import NamedGroup, SignatureScheme, name_of
from ...crypto.tls12.signatures import fits12, verify12
from ...crypto.tls12.suites import Authentication
from ...errors import IllegalParameter, InternalError, TooMuch
from ...pki.credential import Credential
from ...questions import Sign
from ...record.limits import Limits
from ..flow import Flow, ask
from ..proofs import SignedChain, read_leaf

__all__ = [
    "authentication_of",
    "check_chain_length",
    "check_signature",
    "sign_messages",
    "with_keys_for",
    "with_keys_in",
]


def authentication_of(key: PublicKeyTypes) -> Authentication | None:
    """Return what suites a key may sign for; None for none (RFC 8422 section 2)."""
    if isinstance(key, rsa.RSAPublicKey):
        return Authentication.RSA
    if isinstance(key, (ec.EllipticCurvePublicKey, ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)):
        return Authentication.ECDSA
    return None


def with_keys_for(
    credentials: Iterable[Credential], kinds: Iterable[Authentication]
) -> tuple[Credential, ...]:
    """Return the credentials whose keys are of these kinds, in their order."""
    wanted = frozenset(kinds)
    return tuple(
        credential
        for credential in credentials
        if authentication_of(credential.leaf.public_key()) in wanted
    )


def with_keys_in(
    credentials: Iterable[Credential], groups: tuple[int, ...] | None
) -> tuple[Credential, ...]:
    """Return the credentials whose keys a client can use that listed these groups.

    An ECDSA key on another curve would be of no use to it (RFC 8422 sections 5.1.1, 5.3);
    None for a client that listed nothing, and so has no preference.
    """
    if groups is None:
        return tuple(credentials)
    return tuple([each for each in credentials if _curve_of(each) in (None, *groups)])


def _curve_of(credential: Credential) -> int | None:
    key = credential.leaf.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return None
    return NamedGroup.__members__.get(key.curve.name, 0)  # 0 is no group at all


def check_chain_length(certificates: tuple[bytes, ...], limits: Limits) -> None:
    """Check that a chain is no longer than our limit.

    Raises:
        TooMuch: it is.
    """
    if len(certificates) > limits.certificate_entries:
        raise TooMuch(
            f"Certificate: expected at most {limits.certificate_entries} certificates, "
            f"got {len(certificates)}"
        )


def check_signature(
    what: str,
    certificates: tuple[bytes, ...],
    algorithm: int,
    signature: bytes,
    data: bytes,
    offered: tuple[int, ...],
    *,
    authentication: Authentication | None = None,
    ocsp_response: bytes | None = None,
) -> SignedChain:
    """Check a signature of the peer's, and return the proof (RFC 5246 section 4.7).

    Args:
        what: the message that holds it, for error texts.
        certificates: the peer's chain, not empty.
        algorithm: the scheme that it names.
        signature: the signature.
        data: what it signs.
        offered: the schemes that we said we accept.
        authentication: the kind of key that the suite asks for; None for any.
        ocsp_response: what came with the chain.

    Raises:
        BadCertificate: the leaf cannot be read.
        IllegalParameter: the scheme was not offered, or does not fit the key, or the
            key does not fit the suite.
        BadSignature: the signature is wrong.
    """
    leaf, pss_key, key = read_leaf(certificates[0])
    name = name_of(SignatureScheme, algorithm)
    if authentication is not None and authentication_of(key) is not authentication:
        raise IllegalParameter(
            f"Certificate: expected a key for an {authentication.name} suite, "
            f"got {type(key).__name__}",
            section="RFC 8422, 2",
        )
    if algorithm not in offered:
        raise IllegalParameter(
            f"{what}: expected one of the schemes that we offered, got {name}",
            section="RFC 5246, 7.4.1.4.1",
        )
    if not fits12(algorithm, key, pss_key=pss_key):
        raise IllegalParameter(
            f"{what}: scheme {name} does not fit the certificate's {type(key).__name__}",
            section="RFC 5246, 7.4.3",
        )
    verify12(algorithm, key, signature, data)
    return SignedChain(certificates, leaf, SignatureScheme(algorithm), ocsp_response)


def sign_messages(credential: Credential, scheme: SignatureScheme, data: bytes) -> Flow[bytes]:
    """Have data signed by our credential (RFC 5246 section 4.7)."""
    signature = yield from ask(Sign(credential.signer, scheme, data))
    if not isinstance(signature, bytes):
        raise InternalError(f"the signer returned {type(signature).__name__}, not bytes")
    return signature
