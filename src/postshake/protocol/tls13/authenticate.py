"""The certificate block: Certificate, CertificateVerify, Finished (§4.4).

The same three messages prove a server in its flight, a client in the main
handshake, and a client that answers a request later. They differ in the context
string, the transcript, and the secret that keys the Finished; all three come in
as arguments, so nothing here knows which of the cases it serves.

Each ``check_`` function returns a token that cannot be had without the check,
and the results of conversations require these tokens: a skipped check does not
type-check.
"""

from __future__ import annotations

import hmac

from ...config import AuthRequest
from ...constants import Role, SignatureScheme, name_of
from ...crypto.schedule import finished_mac
from ...crypto.signatures import fits, verify
from ...errors import (
    BadFinished,
    CertificateError,
    DecodeError,
    IllegalParameter,
    InternalError,
    SchemeMismatch,
    TooMuch,
    UnknownCA,
    UnsupportedExtension,
    require,
)
from ...pki.choose import Wanted, check_oid_filters, choose_scheme, leads_to
from ...pki.credential import Credential
from ...pki.policies import check_policies_held
from ...pki.trust import VerifiedChain
from ...questions import Refused, Sign, Verdict
from ...record.limits import Limits
from ...wire.auth import (
    Certificate,
    CertificateEntry,
    CertificateRequest,
    CertificateVerify,
    Finished,
)
from ...wire.extensions import (
    CertificateStatus,
    Extension,
    Extensions,
    SignedCertificateTimestamps,
    StatusRequest,
)
from ..flow import Flow, ask
from ..link import Flight, Link
from ..proofs import FinishedProof, SignedChain, read_leaf
from .compressed_certificate import add_compressed

__all__ = [
    "add_certificate",
    "apply_request_policy",
    "certificate_entries",
    "check_certificate",
    "check_finished",
    "check_signature",
    "sign_transcript",
    "signed_content",
]

CONTEXT_STRINGS = {
    Role.server: b"TLS 1.3, server CertificateVerify",
    Role.client: b"TLS 1.3, client CertificateVerify",
}


def certificate_entries(
    credential: Credential, requested: Extensions
) -> tuple[CertificateEntry, ...]:
    """Return the entries of our Certificate message (§4.4.2).

    Args:
        credential: what we authenticate with.
        requested: the extensions of the message that asks for it, since entries
            may only carry what was asked for.
    """
    extensions: list[Extension] = []
    asked = {extension.extension_type for extension in requested}
    if credential.ocsp_response is not None and StatusRequest.extension_type in asked:
        extensions.append(CertificateStatus(credential.ocsp_response))
    timestamps = credential.signed_certificate_timestamps
    if timestamps and SignedCertificateTimestamps.extension_type in asked:
        extensions.append(SignedCertificateTimestamps(timestamps))
    leaf, *issuers = credential.chain
    return (
        CertificateEntry(leaf, Extensions(tuple(extensions))),
        *(CertificateEntry(issuer, Extensions()) for issuer in issuers),
    )


def add_certificate(
    flight: Flight,
    link: Link,
    request: CertificateRequest,
    wanted: Wanted,
    credential: Credential | None,
) -> Flow[Credential | None]:
    """Add a client's Certificate, and its CertificateVerify (§4.4.2, §4.4.3).

    Without a credential, or with one that can make none of the signatures that
    the server takes, the Certificate is empty: that declines.

    Returns:
        The credential, if it was used.
    """
    context = request.certificate_request_context
    schemes = credential.schemes if credential is not None else ()
    scheme = choose_scheme(schemes, wanted.signature_algorithms)
    if credential is None or scheme is None:
        flight.add(Certificate(context, ()))
        return None
    certificate = Certificate(context, certificate_entries(credential, request.extensions))
    add_compressed(flight, link, certificate, request.extensions)
    flight.add((yield from sign_transcript(flight, Role.client, credential, scheme)))
    return credential


def sign_transcript(
    flight: Flight, role: Role, credential: Credential, scheme: SignatureScheme
) -> Flow[CertificateVerify]:
    """Have the transcript so far signed by our credential (§4.4.3)."""
    content = signed_content(role, flight.digest())
    signature = yield from ask(Sign(credential.signer, scheme, content))
    if not isinstance(signature, bytes):
        raise InternalError(f"the signer returned {type(signature).__name__}, not bytes")
    return CertificateVerify(scheme, signature)


def signed_content(role: Role, digest: bytes, context_string: bytes = b"") -> bytes:
    """Return what a CertificateVerify signs (§4.4.3).

    Args:
        role: whose signature it is.
        digest: the transcript's hash, through Certificate.
        context_string: what kind of signature it is, if not one of TLS's own.
    """
    return b" " * 64 + (context_string or CONTEXT_STRINGS[role]) + b"\0" + digest


def check_certificate(certificate: Certificate, requested: Extensions, limits: Limits) -> None:
    """Check what can be checked before the signature is there (§4.4.2).

    Args:
        certificate: the peer's message.
        requested: the extensions of our message that asked for it.
        limits: how long a chain may be.

    Raises:
        UnsupportedExtension: an entry carries what we did not ask for.
        TooMuch: the chain is longer than `limits` allow.
    """
    entries = certificate.certificate_list
    if len(entries) > limits.certificate_entries:
        raise TooMuch(
            f"Certificate: expected at most {limits.certificate_entries} certificates, "
            f"got {len(entries)}"
        )
    if not any(len(entry.extensions) for entry in entries):
        return
    asked = {extension.extension_type for extension in requested}
    for number, entry in enumerate(entries):
        for extension in entry.extensions:
            if extension.extension_type not in asked:
                raise UnsupportedExtension(
                    f"Certificate: entry {number} carries extension "
                    f"{extension.extension_type}, which nobody asked for",
                    section="4.4.2",
                )


def check_signature(
    certificate: Certificate,
    verify_message: CertificateVerify,
    role: Role,
    offered: tuple[int, ...],
    digest: bytes,
    context_string: bytes = b"",
) -> SignedChain:
    """Check a CertificateVerify, and return the proof (§4.4.3).

    Args:
        certificate: the Certificate message before it.
        verify_message: the message to check.
        role: the signer's.
        offered: the schemes that we said we accept.
        digest: the transcript's hash, through Certificate.
        context_string: what kind of signature it is, if not one of TLS's own.

    Raises:
        BadCertificate: the leaf cannot be read.
        IllegalParameter: the scheme was not offered.
        SchemeMismatch: the scheme does not fit the key.
        BadSignature: the signature is wrong.
    """
    leaf, pss_key, key = read_leaf(certificate.certificate_list[0].cert_data)
    scheme = verify_message.algorithm
    if scheme not in offered:
        raise IllegalParameter(
            "CertificateVerify: expected one of the schemes that we offered, "
            f"got {name_of(SignatureScheme, scheme)}",
            section="4.4.3",
        )
    if not fits(scheme, key, pss_key=pss_key):
        raise SchemeMismatch(
            f"CertificateVerify: scheme {name_of(SignatureScheme, scheme)} does not fit "
            f"the certificate's {type(key).__name__}",
            section="4.4.3",
        )
    content = signed_content(role, digest, context_string)
    verify(scheme, key, verify_message.signature, content)
    first = certificate.certificate_list[0].extensions.get(CertificateStatus)
    return SignedChain(
        tuple(entry.cert_data for entry in certificate.certificate_list),
        leaf,
        SignatureScheme(scheme),
        first.response if first is not None else None,
        key,
    )


def check_finished(
    finished: Finished, hash_name: str, base_key: bytes, digest: bytes
) -> FinishedProof:
    """Check a Finished, and return the proof (§4.4.4).

    Args:
        finished: the message.
        hash_name: the cipher suite's hash.
        base_key: the *current* traffic secret of the direction it came in.
        digest: the transcript's hash, through the message before it.

    Raises:
        DecodeError: it has the wrong length.
        BadFinished: it has the wrong value.
    """
    expected = finished_mac(hash_name, base_key, digest)
    if len(finished.verify_data) != len(expected):
        raise DecodeError(
            f"Finished: expected {len(expected)} bytes of verify_data, "
            f"got {len(finished.verify_data)}",
            section="4.4.4",
        )
    if not hmac.compare_digest(finished.verify_data, expected):
        raise BadFinished("Finished: verify_data does not match the transcript", section="4.4.4")
    return FinishedProof()


def apply_request_policy(
    verdict: Verdict, policy: AuthRequest, wanted: Wanted, signed: SignedChain
) -> VerifiedChain | Refused:
    """Add to a verifier's verdict what a request demands beside (§4.2.4, §4.2.5)."""
    if isinstance(verdict, Refused):
        return verdict
    require(VerifiedChain, verdict)
    binding = policy.binding_authorities and wanted.authorities
    if binding and not leads_to(verdict.certificates, wanted.authorities):
        return Refused(UnknownCA("the chain leads to none of the authorities asked for"))
    try:
        if policy.policies:
            check_policies_held(verdict.policies, policy.policies)
        check_oid_filters(signed.leaf, wanted.oid_filters)
    except CertificateError as error:
        return Refused(error.without_traceback())
    return verdict
