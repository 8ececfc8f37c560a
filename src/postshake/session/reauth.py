"""One reauthentication at a time, on either role: a state machine that can stop anywhere.

Each `run` goes on where the last one stopped. What stops it is raised; what it has done
is not done again.
"""

from __future__ import annotations

from contextlib import suppress
from inspect import isawaitable

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
from .certificate_choice import CertificateChooser
from .errors import (
    Again,
    GotApplicationData,
    Interrupted,
    NonFatal,
    ReauthRequest,
    SessionError,
    translate,
)
from .record_driver import RecordDriver
from .settings import SessionSettings
from .verification import PeerVerification

__all__ = ["ClientReauth", "ServerReauth", "sign"]


class ServerReauth:
    """A server's side: the request that is out, if one is.

    Args:
        settings: what was said to the session.
        verification: who judges the client.
        driver: engine and transport.
    """

    __slots__ = ("_context", "_declined", "_driver", "_settings", "_verification")

    def __init__(
        self, settings: SessionSettings, verification: PeerVerification, driver: RecordDriver
    ) -> None:
        self._settings = settings
        self._verification = verification
        self._driver = driver
        self._context: bytes | None = None
        self._declined = False  # as it may, and the verify function is still to be told

    def run(self) -> None:
        """Ask, unless the request is out already; then see it through."""
        driver = self._driver
        if not self.available or self._settings.request_mode == c.CERT_IGNORE:
            raise SessionError(
                codes.E_INVALID_REQUEST,
                "no certificate is to be asked for: see certificate_server_set_request"
                if self.available
                else "the client did not offer post_handshake_auth, or we did not want it",
            )
        if self._context is None:
            self._context = self._ask()
            driver.flush()
        else:
            driver.flush_answers()  # what is left of the request, too
        while not self._is_complete():
            driver.take_record()
        self._context = None

    @property
    def available(self) -> bool:
        """Whether the client offered reauth, and this session is for it."""
        established = self._driver.connection.established
        return (
            bool(self._settings.flags & c.POST_HANDSHAKE_AUTH)
            and established is not None
            and established.post_handshake_auth
        )

    def _ask(self) -> bytes:
        if self._settings.certificates is None:
            raise SessionError(codes.E_INSUFFICIENT_CREDENTIALS, "no certificate credentials")
        request = AuthRequest(
            authorities=self._settings.authorities,
            binding_authorities=False,
            required=False,
            request_ocsp=True,
        )
        try:
            return self._driver.connection.request_auth(request)
        except UsageError as error:  # nothing was sent
            raise translate(error) from error

    def _is_complete(self) -> bool:
        """Look at what has arrived, in the order in which it did.

        Raises:
            SessionError: that stops this call, or the session.
        """
        driver = self._driver
        context = present(self._context, "request")
        if driver.readable:
            raise GotApplicationData
        if driver.questions:
            self._judge(driver.questions[0])
        completed = driver.outcomes.pop(context, None)
        if completed is not None:
            if completed.error is not None and completed.outcome is not Outcome.DECLINED:
                self._context = None
                raise translate(completed.error)
            self._declined = completed.outcome is Outcome.DECLINED
            if self._declined and self._settings.request_mode == c.CERT_REQUIRE:
                with driver.fatal():
                    raise SessionError(codes.E_CERTIFICATE_REQUIRED)
            if not self._declined:
                return True
        if self._declined:
            self._verification.client_declined()
            self._declined = False
            return True
        if driver.connection.peer_closed:
            with driver.fatal():
                raise SessionError(codes.E_SESSION_EOF, "the client closed and did not answer")
        return False

    def _judge(self, question: Question) -> None:
        subject = require(JudgePeer, question.subject)  # a server asks nothing else by now
        try:
            verdict = self._verification.judge(subject)
        except SessionError as error:
            if error.code == codes.E_KEY_USAGE_VIOLATION:
                self._driver.invalid = True
            raise
        self._driver.answer(question, verdict)


class ClientReauth:
    """A client's side: the request that is being answered, if one is.

    Args:
        settings: what was said to the session.
        chooser: who chooses what we show.
        driver: engine and transport.
    """

    __slots__ = ("_chooser", "_context", "_driver", "_settings")

    def __init__(
        self, settings: SessionSettings, chooser: CertificateChooser, driver: RecordDriver
    ) -> None:
        self._settings = settings
        self._chooser = chooser
        self._driver = driver
        self._context: bytes | None = None

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
        driver = self._driver
        if not self._settings.flags & c.POST_HANDSHAKE_AUTH:
            raise SessionError(codes.E_INVALID_REQUEST, "POST_HANDSHAKE_AUTH was not asked for")
        if self._context is None:
            self._begin()
        if driver.questions:
            self._sign(driver.questions[0])
        if by_itself:
            driver.flush_answers()
        else:
            driver.flush()
        self._context = None

    def report_request(self) -> None:
        """Tell the application of a request, or answer it in its place (AUTO_REAUTH).

        Raises:
            ReauthRequest: there is one that it was not told of.
        """
        requests = self._driver.requests
        if self._settings.flags & c.AUTO_REAUTH:
            if self.running or requests:
                self.run(by_itself=True)
        elif requests:
            requests.popleft()
            raise ReauthRequest

    def _begin(self) -> None:
        driver = self._driver
        if not driver.unanswered:
            raise SessionError(codes.E_INVALID_REQUEST, "the server has not asked for anything")
        if self._settings.certificates is None:
            raise SessionError(codes.E_INSUFFICIENT_CREDENTIALS, "no certificate credentials")
        request = next(iter(driver.unanswered.values()))
        with driver.fatal():
            credential = self._chooser.choose(
                Role.client, wanted_by(request.request), None, post_handshake=True
            )
        try:
            driver.connection.answer_auth(request.context, credential)
        except UsageError as error:  # nothing was sent
            raise translate(error) from error
        driver.collect_events()
        self._context = request.context
        if request in driver.requests:  # answered before anybody was told of it
            driver.requests.remove(request)
        if not driver.questions:
            del driver.unanswered[request.context]

    def _sign(self, question: Question) -> None:
        context = present(self._context, "request")
        try:
            sign(self._driver, question)
        except NonFatal:
            raise
        except SessionError:
            self._context = None  # nothing was sent: the request is open as before
            raise
        del self._driver.unanswered[context]


def sign(driver: RecordDriver, question: Question) -> None:
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
            driver.answer(question, error)
        raise SessionError(codes.E_PK_SIGN_FAILED, str(error)) from error
    driver.answer(question, signature)
