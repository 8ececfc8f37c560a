"""What comes of a step of the engine: its questions and events, settled at once."""

from __future__ import annotations

import logging
import weakref
from typing import Any

from ..config import Config
from ..connection import Connection
from ..constants import AlertDescription
from ..drive.answers import find_answer_now
from ..errors import TLSError, present
from ..events import ReauthCompleted, ReauthRequested
from ..pki.choose import Wanted, choose_credential
from ..pki.credential import Credential
from ..pki.limited import limited
from ..protocol.negotiate import choose_version
from ..questions import ChooseConfig, ChoosePsk, Question, Sign
from ..resumption.external_psk import ExternalPsk
from .engine_config import credentials_of, psk_for, schemes_to_sign_by
from .errors import alerting
from .facts import Facts
from .reauth import Reauth

__all__ = ["Settling"]

log = logging.getLogger("postshake.ssl")


class Settling(Facts):
    """The part of a TLS object that asks callbacks, and answers the engine.

    Its methods are called with the lock on the engine held.
    """

    _owner: weakref.ref[Any] | None
    _reauths: dict[bytes, Reauth]

    @property
    def owner(self) -> Any:
        """The SSLSocket or SSLObject, which has us and is not kept alive by us."""
        return self._owner() if self._owner is not None else None

    @owner.setter
    def owner(self, owner: Any) -> None:
        self._owner = weakref.ref(owner)

    def _connected(self) -> Connection:
        return present(self._connection, "connection")

    def _settle(self) -> None:
        connection = self._connected()
        while True:
            if (question := connection.next_question()) is not None:
                self._answer(question)
            elif (event := connection.next_event()) is not None:
                if self.recording is not None:
                    self.recording.event(event)
                if isinstance(event, ReauthCompleted):
                    reauth = self._reauths.pop(event.context, None)
                    if reauth is not None:
                        reauth.settle(event)
                elif isinstance(event, ReauthRequested):
                    self._answer_request(event)
            else:
                return

    def _answer(self, question: Question) -> None:
        connection = self._connected()
        subject = question.subject
        if isinstance(subject, ChooseConfig):
            found: object = self._choose_config(subject)
        elif isinstance(subject, ChoosePsk) and subject.hint:
            found = self._choose_psk(subject)
        else:
            if isinstance(subject, Sign):
                self._own_scheme = subject.scheme
            found = find_answer_now(subject)
        try:
            connection.answer(question.id, found)
            if not isinstance(subject, Sign) or connection.failure is not None:
                return
            if isinstance(found, Exception):
                log.error("a request was declined: the key could not sign", exc_info=found)
                for context in connection.open_requests if not self.server_side else ():
                    connection.answer_auth(context, None)
        finally:
            del found  # an exception's traceback has this frame

    def _choose_config(self, subject: ChooseConfig) -> Config | Exception | None:
        """Call the sni_callback, and go by the context that is set then."""
        try:
            choose_version(subject.config, subject.client_hello)
        except TLSError:
            return None  # it ends here, whatever is chosen: nobody is asked, as in OpenSSL
        callback = self._own_context.sni_callback
        if callback is not None:
            owner = self.owner if self._owner is not None else self
            if owner is None:  # it is gone, and nobody can be called with it
                return alerting(AlertDescription.handshake_failure)
            try:
                answer = callback(owner, subject.server_name, self._own_context)
            except Exception as error:
                _report(error)
                return alerting(AlertDescription.handshake_failure)
            if answer is not None:
                if not isinstance(answer, int):
                    text = f"expected None or an integer, got {type(answer).__name__}"
                    _report(TypeError(text))
                    return alerting(AlertDescription.internal_error)
                return alerting(answer)
        if self._context is self._configured:
            return None
        try:
            self._configure()
        except (OSError, ValueError) as error:  # the context cannot be used: fail closed
            _report(error)
            return alerting(AlertDescription.internal_error)
        return self._config

    def _choose_psk(self, subject: ChoosePsk) -> ExternalPsk | Exception | None:
        """Ask a client's callback again, now that the server gave a hint (RFC 4279)."""
        try:
            return psk_for(self._context, subject.hint.decode())
        except Exception as error:
            _report(error)
            return alerting(AlertDescription.handshake_failure)

    def _answer_request(self, request: ReauthRequested) -> None:
        connection = self._connected()
        if connection.failure is not None or connection.sent_close:
            return
        chooser = self._own_context.reauth_callback
        credential: Credential | None = None
        try:
            if chooser is not None:
                credential = chooser(self.owner if self._owner is not None else self, request)
                if credential is not None:
                    credential = limited(
                        credential, schemes_to_sign_by(self._own_context, server_side=False)
                    )
            else:
                credentials = self._config.credentials
                if self._context is not self._configured:  # set after the handshake
                    credentials = credentials_of(self._context, server_side=False)
                credential = choose_credential(credentials, _wanted(request))
        except Exception:
            log.exception("a request was declined: choosing a certificate failed")
        connection.answer_auth(request.context, credential)


class _Reporting:
    """Raises where nobody can catch: then the interpreter calls sys.unraisablehook."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __del__(self) -> None:
        raise self._error


def _report(error: Exception) -> None:
    """Report what the caller of a callback cannot be told, as the standard library does."""
    _Reporting(error)


def _wanted(request: ReauthRequested) -> Wanted:
    return Wanted(
        request.authorities,
        request.signature_algorithms,
        request.signature_algorithms_cert,
        request.oid_filters,
    )
