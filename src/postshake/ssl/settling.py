"""What comes of a step of the engine: its questions and events, settled at once."""

from __future__ import annotations

import logging
from typing import Any

from ..connection import Connection
from ..constants import AlertDescription, Role
from ..drive.answers import find_answer_now
from ..events import ReauthCompleted, ReauthRequested
from ..pki.choose import Wanted, choose_credential, choose_server_credential
from ..pki.credential import Credential
from ..pki.limited import limited
from ..questions import ChooseCredential, Question, Sign
from .errors import alerting
from .facts import Facts
from .reauth import Reauth
from .settings import credentials_of, schemes_to_sign_by

__all__ = ["Settling"]

log = logging.getLogger("postshake.ssl")


class Settling(Facts):
    """The part of a TLS object that asks callbacks, and answers the engine.

    Its methods are called with the lock on the engine held.
    """

    owner: Any
    _reauths: dict[bytes, Reauth]

    def _connected(self) -> Connection:
        assert self._connection is not None
        return self._connection

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
        if isinstance(subject, ChooseCredential) and subject.role is Role.server:
            found: object = self._choose(subject)
        else:
            if isinstance(subject, Sign):
                self._own_scheme = subject.scheme
            found = find_answer_now(subject)
        connection.answer(question.id, found)
        if not isinstance(subject, Sign) or connection.failure is not None:
            return
        if isinstance(found, Exception):
            log.error("a request was declined: the key could not sign", exc_info=found)
            for context in connection.open_requests if not self.server_side else ():
                connection.answer_auth(context, None)

    def _choose(self, subject: ChooseCredential) -> Credential | Exception | None:
        """Ask the sni_callback, then choose among the certificates of the context."""
        callback = self._own_context.sni_callback
        if callback is not None:
            try:
                answer = callback(self.owner, subject.server_name, self._own_context)
            except Exception as error:
                _report(error)
                return alerting(AlertDescription.handshake_failure)
            if answer is not None:
                if not isinstance(answer, int):
                    text = f"expected None or an integer, got {type(answer).__name__}"
                    _report(TypeError(text))
                    return alerting(AlertDescription.internal_error)
                return alerting(answer)
        if self._context is self._own_context:
            credentials = subject.credentials
        else:
            credentials = credentials_of(self._context, server_side=True)
        return choose_server_credential(credentials, subject.server_name, subject.wanted)

    def _answer_request(self, request: ReauthRequested) -> None:
        connection = self._connected()
        if connection.failure is not None or connection.sent_close:
            return
        chooser = self._own_context.reauth_callback
        credential: Credential | None = None
        try:
            if chooser is not None:
                credential = chooser(self.owner, request)
                if credential is not None:
                    credential = limited(
                        credential, schemes_to_sign_by(self._own_context, server_side=False)
                    )
            else:
                credential = choose_credential(self._config.credentials, _wanted(request))
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
