"""Which certificate we show: a retrieve function's choice, or GnuTLS's rules."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cryptography import x509

from ..constants import Role
from ..pki.choose import Wanted, choose_scheme, choose_server_credential
from ..pki.credential import Credential
from ..pki.der import certificate_fields, normal_name
from . import codes
from .credentials import CertificateCredentials, RetrieveRequest
from .errors import SessionError, error_for

if TYPE_CHECKING:
    from .session import Session

__all__ = ["choose"]


def choose(
    session: Session,
    credentials: CertificateCredentials,
    role: Role,
    wanted: Wanted,
    server_name: str | None,
    *,
    post_handshake: bool,
    force: bool,
) -> Credential | None:
    """Choose what to show; None declines.

    Raises:
        Again: the retrieve function has not decided yet.
        SessionError: E_USER_ERROR, when the retrieve function failed, and
            E_INSUFFICIENT_CREDENTIALS, when the one certificate there is may not sign.
    """
    function = credentials.retrieve_function
    if function is not None:
        request = RetrieveRequest(
            wanted.authorities, wanted.signature_algorithms, server_name, post_handshake
        )
        return _retrieved(function(session, request))
    if role is Role.server:
        return choose_server_credential(credentials.chains, server_name, wanted)
    return _choose_client(credentials.chains, wanted, force)


def _retrieved(answer: object) -> Credential | None:
    if answer is None or isinstance(answer, Credential):
        return answer
    if isinstance(answer, int) and answer in (codes.E_AGAIN, codes.E_INTERRUPTED):
        raise error_for(answer, "the retrieve function has not decided yet")
    raise SessionError(
        codes.E_USER_ERROR, f"the retrieve function returned {answer!r}, not a Credential or None"
    )


def _choose_client(chains: list[Credential], wanted: Wanted, force: bool) -> Credential | None:
    """Choose what a client shows.

    The only chain is shown to a server that names no authorities, or anyway if forced.
    Otherwise the first authority that the server names and that issued something of a
    chain decides. Several chains and no authority: nothing is shown.
    """
    if len(chains) == 1 and (force or not wanted.authorities):
        if not _may_sign(chains[0]):
            raise SessionError(
                codes.E_INSUFFICIENT_CREDENTIALS, "the certificate's keyUsage forbids signing"
            )
        return chains[0]
    for authority in wanted.authorities:
        for chain in chains:
            if (
                authority_issued(authority, chain.chain)
                and _may_sign(chain)
                and choose_scheme(chain.schemes, wanted.signature_algorithms) is not None
            ):
                return chain
    return None


def authority_issued(authority: bytes, chain: Iterable[bytes]) -> bool:
    """Tell whether a certificate of the chain names this issuer (§4.2.4)."""
    name = normal_name(authority) or authority
    issuers = (certificate_fields(der).issuer for der in chain)
    return any((normal_name(issuer) or issuer) == name for issuer in issuers)


def _may_sign(chain: Credential) -> bool:
    try:
        usage = chain.leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return usage.digital_signature
