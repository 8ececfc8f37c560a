"""Which certificate we show: a retrieve function's choice, or GnuTLS's rules."""

from __future__ import annotations

from collections.abc import Callable

from ..constants import Role
from ..pki.authority_names import issuers_of, spellings
from ..pki.choose import Wanted, choose_scheme, choose_server_credential
from ..pki.credential import Credential
from ..pki.extensions import KeyUsage
from . import codes
from . import constants as c
from .credentials import RetrieveRequest
from .errors import SessionError, error_for
from .settings import SessionSettings

__all__ = ["CertificateChooser"]


class CertificateChooser:
    """Chooses what a session shows.

    Args:
        settings: whose credentials are chosen from.
        handle: returns the session, which a retrieve function gets.
    """

    __slots__ = ("_handle", "_settings")

    def __init__(self, settings: SessionSettings, handle: Callable[[], object]) -> None:
        self._settings = settings
        self._handle = handle

    def choose(
        self, role: Role, wanted: Wanted, server_name: str | None, *, post_handshake: bool
    ) -> Credential | None:
        """Choose what to show; None declines.

        Raises:
            Again: the retrieve function has not decided yet.
            SessionError: E_USER_ERROR, when the retrieve function failed, and
                E_INSUFFICIENT_CREDENTIALS, when the one certificate there is may not sign,
                or a server has none.
        """
        credentials = self._settings.certificates
        if credentials is None:
            if role is Role.server:
                raise SessionError(codes.E_INSUFFICIENT_CREDENTIALS)
            return None
        function = credentials.retrieve_function
        if function is not None:
            request = RetrieveRequest(
                wanted.authorities, wanted.signature_algorithms, server_name, post_handshake
            )
            return _retrieved(function(self._handle(), request))
        if role is Role.server:
            return choose_server_credential(credentials.chains, server_name, wanted)
        force = bool(self._settings.flags & c.FORCE_CLIENT_CERT)
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
    if not wanted.authorities:
        return None
    able = [
        (issuers_of(chain.chain), chain)
        for chain in chains
        if choose_scheme(chain.schemes, wanted.signature_algorithms) is not None
        and _may_sign(chain)
    ]
    for spelled, compared in spellings(wanted.authorities):
        for issuers, chain in able:
            if spelled in issuers or compared in issuers:
                return chain
    return None


def _may_sign(chain: Credential) -> bool:
    usage = chain.key_usage
    return usage is None or bool(usage & KeyUsage.digital_signature)
