"""What a context asks its application: whose context to take, what key, what certificate."""

from __future__ import annotations

import logging
import ssl
import weakref
from collections.abc import Callable
from typing import Any

from ..constants import AlertDescription
from ..errors import TLSError
from ..events import ReauthRequested
from ..pki.choose import Wanted, choose_credential
from ..pki.credential import Credential
from ..pki.limited import limited
from ..resumption.external_psk import ExternalPsk
from .engine_config import psk_for, schemes_to_sign_by
from .engine_settings import engine_settings
from .errors import alerting

__all__ = ["ContextCallbacks", "report_unraisable"]

log = logging.getLogger("postshake.ssl")


class ContextCallbacks:
    """Calls the callbacks of the context that made a TLS object.

    What they raise is never passed on to whoever was reading: it is reported, and refuses the
    connection or declines the request.

    Args:
        context: whose callbacks are called.
        asker: what they get: the SSLSocket, SSLObject or TLS object, which is not kept alive.
    """

    __slots__ = ("_asker", "_context")

    def __init__(self, context: ssl.SSLContext, asker: weakref.ref[Any]) -> None:
        self._context = context
        self._asker = asker

    def call_sni_callback(self, server_name: str | None) -> TLSError | None:
        """Server: let the application set another context for the name that is asked for.

        Returns:
            What ends the handshake; None to go on.
        """
        callback = engine_settings(self._context).sni_callback
        if callback is None:
            return None
        asker = self._asker()
        if asker is None:  # it is gone, and nobody can be called with it
            return alerting(AlertDescription.handshake_failure)
        try:
            answer = callback(asker, server_name, self._context)
        except Exception as error:
            report_unraisable(error)
            return alerting(AlertDescription.handshake_failure)
        if answer is None:
            return None
        if not isinstance(answer, int):
            text = f"expected None or an integer, got {type(answer).__name__}"
            report_unraisable(TypeError(text))
            return alerting(AlertDescription.internal_error)
        return alerting(answer)

    def choose_psk(self, shown: ssl.SSLContext, hint: str) -> ExternalPsk | TLSError | None:
        """Client: ask for a key again, now that the server gave a hint (RFC 4279).

        Args:
            shown: the context that has the callback.
            hint: what the server said.
        """
        try:
            return psk_for(shown, hint)
        except Exception as error:
            report_unraisable(error)
            return alerting(AlertDescription.handshake_failure)

    def choose_credential(
        self, request: ReauthRequested, credentials: Callable[[], tuple[Credential, ...]]
    ) -> Credential | None:
        """Client: choose what to show for a server's request; None declines.

        Args:
            request: what the server asks for.
            credentials: gives those to choose from, if no callback chooses.
        """
        callback = engine_settings(self._context).reauth_callback
        try:
            if callback is None:
                return choose_credential(credentials(), _wanted(request))
            credential = callback(self._asker(), request)
            if credential is None:
                return None
            return limited(credential, schemes_to_sign_by(self._context, server_side=False))
        except Exception:
            log.exception("a request was declined: choosing a certificate failed")
            return None


def report_unraisable(error: Exception) -> None:
    """Report what the caller of a callback cannot be told, as the standard library does."""
    _Reporting(error)


class _Reporting:
    """Raises where nobody can catch: then the interpreter calls sys.unraisablehook."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __del__(self) -> None:
        raise self._error


def _wanted(request: ReauthRequested) -> Wanted:
    return Wanted(
        request.authorities,
        request.signature_algorithms,
        request.signature_algorithms_cert,
        request.oid_filters,
    )
