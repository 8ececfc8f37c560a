"""One request for authentication after the handshake, as a server's TLS object sees it."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ..config import AuthRequest, Refusal
from ..errors import (
    CertificateRequired,
    present,
)
from ..events import Outcome, ReauthCompleted
from ..pki.der import certificate_fields
from ..pki.identity import Identity
from ..pki.policies import policy_names
from .errors import refused, ssl_error

__all__ = ["Authority", "Reauth", "ReauthExpired", "auth_request", "authority_names"]

Authority: TypeAlias = x509.Certificate | x509.Name | bytes
"""Whom a client's chain must lead to: an authority's certificate, its name, or that in DER."""


class ReauthExpired(ssl.SSLError, TimeoutError):
    """The client did not answer in time. The connection goes on without its identity."""


def auth_request(
    authorities: Iterable[Authority] = (),
    *,
    within: float | None = None,
    require: bool = True,
    policies: Iterable[str] = (),
    request: AuthRequest | None = None,
) -> AuthRequest:
    """Say what to ask a client for; a whole `request` takes the place of the rest."""
    if request is not None:
        return request
    names = authority_names(authorities)
    return AuthRequest(
        authorities=names,
        within=within,
        required=require,
        on_refusal=Refusal.KEEP,
        policies=policy_names("policies", policies),
    )


def authority_names(authorities: Iterable[Authority]) -> tuple[bytes, ...]:
    """Return the authorities' names, DER."""
    return tuple(_name(each) for each in authorities)


def _name(authority: Authority) -> bytes:
    if isinstance(authority, x509.Certificate):  # its name as it is spelled there
        return certificate_fields(authority.public_bytes(Encoding.DER)).subject
    return authority if isinstance(authority, bytes) else authority.public_bytes()


class Reauth:
    """A request that is out. It is settled while the connection is read from.

    It is no awaitable: `postshake.ssl.reauth` is for asyncio.
    """

    def __init__(self, policy: AuthRequest, context: bytes) -> None:
        self.policy = policy
        self.context = context
        """Names it in its connection."""
        self._completed: ReauthCompleted | None = None
        self._failure: Callable[[], Exception] | None = None
        self._callbacks: list[Callable[[Reauth], object]] = []

    def __repr__(self) -> str:
        state = "open"
        if self._completed is not None:
            state = self._completed.outcome.value
        elif self._failure is not None:
            state = "failed"
        return f"<Reauth {self.context[:4].hex()} {state}>"

    @property
    def done(self) -> bool:
        """Whether it is settled."""
        return self._completed is not None or self._failure is not None

    def result(self) -> Identity | None:
        """Return whom the client proved to be; None if it declined, as it was free to.

        Raises:
            SSLCertVerificationError: its certificate was refused.
            SSLError: it declined, and must not: PEER_DID_NOT_RETURN_A_CERTIFICATE.
            ReauthExpired: it did not answer in time.
            Exception: the connection failed before.
        """
        if self._failure is not None:
            raise self._failure()
        completed = self._completed
        if completed is None:
            raise ValueError("the client has not answered yet")
        match completed.outcome:
            case Outcome.AUTHENTICATED:
                return completed.identity
            case Outcome.DECLINED if not self.policy.required:
                return None
            case Outcome.EXPIRED:
                error: ssl.SSLError = ssl_error(
                    "REAUTH_EXPIRED", str(completed.error), kind=ReauthExpired
                )
            case Outcome.DECLINED | Outcome.CANCELLED:
                error = ssl_error("PEER_DID_NOT_RETURN_A_CERTIFICATE")
            case _:
                error = refused(present(completed.error, "error"), None)
        if isinstance(completed.error, CertificateRequired):
            error.__cause__ = completed.error
        try:
            raise error
        finally:
            del error  # its traceback has this frame, and those that hold the socket

    def add_done_callback(self, callback: Callable[[Reauth], object]) -> None:
        """Call this once it is settled, from whatever call was reading; at once if it is.

        It may ask again and write; what it raises comes out of the call that was reading.
        """
        self._callbacks.append(callback)
        if self.done:  # by now; whoever settled it may have looked before
            self.tell()

    # --- for the TLS object

    def settle(self, completed: ReauthCompleted) -> None:
        """Note the outcome."""
        self._completed = completed

    def fail(self, failure: Callable[[], Exception]) -> None:
        """Note that there will be none: the connection is over.

        Args:
            failure: makes the exception that `result` raises.
        """
        if not self.done:
            self._failure = failure

    def tell(self) -> None:
        """Call whoever wants to know, each once, with no lock held: it is their code."""
        while self._callbacks:
            try:
                callback = self._callbacks.pop(0)
            except IndexError:  # another thread tells, too
                return
            callback(self)
