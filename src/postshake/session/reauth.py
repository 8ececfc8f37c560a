"""One reauthentication at a time, on either role: a state machine that can stop anywhere.

Each `run` goes on where the last one stopped. What stops it is raised; what it has done
is not done again.
"""

from __future__ import annotations

import weakref
from contextlib import suppress
from inspect import isawaitable
from typing import TYPE_CHECKING

from ..config import AuthRequest
from ..constants import Role
from ..errors import (
    PostshakeError,
    UsageError,
    present,
    require,
)
from ..events import Outcome
from ..protocol.tls13.certificate_request import wanted_by
from ..questions import JudgePeer, Question, Sign
from . import codes
from . import constants as c
from .certificate_choice import choose
from .errors import Again, GotApplicationData, Interrupted, NonFatal, SessionError, translate
from .record_driver import Machine

if TYPE_CHECKING:
    from .session import Session

__all__ = ["ClientReauth", "ServerReauth", "sign"]


class ServerReauth:
    """A server's side: the request that is out, if one is."""

    def __init__(self, session: Session, machine: Machine) -> None:
        self._of = weakref.ref(session)
        self._machine = machine
        self._context: bytes | None = None
        self._declined = False  # as it may, and the verify function is still to be told

    @property
    def _session(self) -> Session:
        return present(self._of(), "session")

    def run(self) -> None:
        """Ask, unless the request is out already; then see it through."""
        session, machine = self._session, self._machine
        if not self.available or session._request == c.CERT_IGNORE:
            raise SessionError(
                codes.E_INVALID_REQUEST,
                "no certificate is to be asked for: see certificate_server_set_request"
                if self.available
                else "the client did not offer post_handshake_auth, or we did not want it",
            )
        if self._context is None:
            self._context = self._ask()
            machine.flush()
        else:
            machine.flush_answers()  # what is left of the request, too
        while not self._is_complete():
            machine.take_record()
        self._context = None

    @property
    def available(self) -> bool:
        """Whether the client offered reauth, and this session is for it."""
        established = self._machine.connection.established
        return (
            bool(self._session.flags & c.POST_HANDSHAKE_AUTH)
            and established is not None
            and established.post_handshake_auth
        )

    def _ask(self) -> bytes:
        session = self._session
        if session._certificates is None:
            raise SessionError(codes.E_INSUFFICIENT_CREDENTIALS, "no certificate credentials")
        request = AuthRequest(
            authorities=session._authorities,
            binding_authorities=False,
            required=False,
            request_ocsp=True,
        )
        try:
            return self._machine.connection.request_auth(request)
        except UsageError as error:  # nothing was sent
            raise translate(error) from error

    def _is_complete(self) -> bool:
        """Look at what has arrived, in the order in which it did.

        Raises:
            SessionError: that stops this call, or the session.
        """
        machine, session = self._machine, self._session
        context = present(self._context, "request")
        if machine.readable:
            raise GotApplicationData
        if machine.questions:
            self._judge(machine.questions[0])
        completed = machine.completed.pop(context, None)
        if completed is not None:
            if completed.error is not None and completed.outcome is not Outcome.DECLINED:
                self._context = None
                raise translate(completed.error)
            self._declined = completed.outcome is Outcome.DECLINED
            if self._declined and session._request == c.CERT_REQUIRE:
                with machine.fatal():
                    raise SessionError(codes.E_CERTIFICATE_REQUIRED)
            if not self._declined:
                return True
        if self._declined:
            session._judge_nobody()
            self._declined = False
            return True
        if machine.connection.peer_closed:
            with machine.fatal():
                raise SessionError(codes.E_SESSION_EOF, "the client closed and did not answer")
        return False

    def _judge(self, question: Question) -> None:
        subject = require(JudgePeer, question.subject)  # a server asks nothing else by now
        try:
            verdict = self._session._judge(subject)
        except SessionError as error:
            if error.code == codes.E_KEY_USAGE_VIOLATION:
                self._machine.invalid = True
            raise
        self._machine.answer(question, verdict)


class ClientReauth:
    """A client's side: the request that is being answered, if one is."""

    def __init__(self, session: Session, machine: Machine) -> None:
        self._of = weakref.ref(session)
        self._machine = machine
        self._context: bytes | None = None

    @property
    def _session(self) -> Session:
        return present(self._of(), "session")

    @property
    def running(self) -> bool:
        """Whether an answer was begun that has not left yet."""
        return self._context is not None

    def run(self, *, by_itself: bool = False) -> None:
        """Answer the oldest request, unless an answer is under way; see it through.

        Args:
            by_itself: whether the call is for something else, which goes on if the server
                has left and takes no answer any more.
        """
        machine = self._machine
        if not self._session.flags & c.POST_HANDSHAKE_AUTH:
            raise SessionError(codes.E_INVALID_REQUEST, "POST_HANDSHAKE_AUTH was not asked for")
        if self._context is None:
            self._begin()
        if machine.questions:
            self._sign(machine.questions[0])
        if by_itself:
            machine.flush_answers()
        else:
            machine.flush()
        self._context = None

    def _begin(self) -> None:
        session, machine = self._session, self._machine
        if not machine.open:
            raise SessionError(codes.E_INVALID_REQUEST, "the server has not asked for anything")
        if session._certificates is None:
            raise SessionError(codes.E_INSUFFICIENT_CREDENTIALS, "no certificate credentials")
        request = next(iter(machine.open.values()))
        with machine.fatal():
            credential = choose(
                session,
                session._certificates,
                Role.client,
                wanted_by(request.request),
                None,
                post_handshake=True,
                force=bool(session.flags & c.FORCE_CLIENT_CERT),
            )
        try:
            machine.connection.answer_auth(request.context, credential)
        except UsageError as error:  # nothing was sent
            raise translate(error) from error
        machine.sort()
        self._context = request.context
        if request in machine.requests:  # answered before anybody was told of it
            machine.requests.remove(request)
        if not machine.questions:
            del machine.open[request.context]

    def _sign(self, question: Question) -> None:
        context = present(self._context, "request")
        try:
            sign(self._machine, question)
        except NonFatal:
            raise
        except SessionError:
            self._context = None  # nothing was sent: the request is open as before
            raise
        del self._machine.open[context]


def sign(machine: Machine, question: Question) -> None:
    """Have the signature made that the engine asks for.

    Raises:
        Again: the signer would block; the question stays.
        SessionError: E_PK_SIGN_FAILED.
    """
    subject = require(Sign, question.subject)
    try:
        signature = subject.signer.sign(subject.scheme, subject.data)
        if isawaitable(signature):
            if hasattr(signature, "close"):
                signature.close()
            raise UsageError("the signer is asynchronous, and a session blocks")
    except NonFatal:
        raise
    except BlockingIOError as error:
        raise Again("the signer would block") from error
    except InterruptedError as error:
        raise Interrupted("the signer was interrupted") from error
    except Exception as error:
        with suppress(PostshakeError):  # the reason is told below
            machine.answer(question, error)
        raise SessionError(codes.E_PK_SIGN_FAILED, str(error)) from error
    machine.answer(question, signature)
