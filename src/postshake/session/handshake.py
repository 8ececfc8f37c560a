"""The main handshake of a session: a state machine that can stop anywhere."""

from __future__ import annotations

import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..constants import ProtocolVersion, Role
from ..errors import BadCertificate, CertificateError, PostshakeError, present
from ..events import Established
from ..questions import (
    ChooseCredential,
    ChoosePsk,
    ClaimEarlyData,
    FindPsk,
    JudgePeer,
    Question,
    Refused,
    Subject,
)
from . import codes
from . import constants as c
from .certificate_choice import choose
from .errors import NonFatal, SessionError
from .reauth import sign
from .record_driver import Machine

if TYPE_CHECKING:
    from .session import Session

__all__ = ["Handshake"]


class Handshake:
    """The handshake that a session begins with."""

    def __init__(self, session: Session, machine: Machine) -> None:
        self._of = weakref.ref(session)
        self._machine = machine
        self.complete = False
        """Whether it has been seen through."""
        machine.connection.start()
        machine.sort()

    @property
    def _session(self) -> Session:
        return present(self._of(), "session")

    def run(self) -> None:
        """Go on until the handshake is complete."""
        machine = self._machine
        connection = machine.connection
        while True:
            while machine.questions:
                self._answer(machine.questions[0])
            established = connection.established
            if established is not None and self._only_tickets_are_left(established):
                machine.flush_answers()
            else:
                machine.flush()
            if established is not None:
                break
            machine.take_record()
            self._keep_early_data()
        machine.shown = established.our_credential
        self._judge_nobody()
        self.complete = True

    def _only_tickets_are_left(self, established: Established) -> bool:
        is_server = self._session.role is Role.server
        return is_server and established.version is ProtocolVersion.TLS13

    def _keep_early_data(self) -> None:
        """Keep early data apart from what comes after it; the engine bounds it."""
        connection = self._machine.connection
        while connection.readable and connection.read_is_early:
            if self._session._early_received is None:
                self._session._early_received = bytearray()
            self._session._early_received += connection.read()

    def _judge_nobody(self) -> None:
        """Tell the verify function of a client that was asked and declined."""
        session, machine = self._session, self._machine
        established = machine.connection.established
        asked = session.role is Role.server and session._request != c.CERT_IGNORE
        if established is None or established.psk is not None or established.resumed:
            return  # nobody was asked (§4.3.2)
        if asked and machine.connection.peer_identity is None:
            with machine.fatal():
                session._judge_nobody()

    def _answer(self, question: Question) -> None:
        machine = self._machine
        subject: Subject[Any] = question.subject
        match subject:
            case JudgePeer():
                self._judge(question, subject)
            case ChooseCredential():
                self._choose(question, subject)
            case ChoosePsk(psks, hint):
                session = self._session
                session._psk_hint = hint
                with machine.fatal():
                    again = session._psk.offers(session) if hint and session._psk else psks
                machine.answer(question, again[0] if again else None)
            case FindPsk(lookup, identity):
                with machine.fatal():
                    psk = lookup.find(identity)
                machine.answer(question, psk)
            case ClaimEarlyData(guard, claim):
                machine.answer(question, guard.claim(claim))
            case _:
                with machine.fatal():
                    sign(machine, question)

    def _judge(self, question: Question, subject: JudgePeer) -> None:
        try:
            verdict = self._session._judge(subject)
        except NonFatal:
            raise
        except SessionError as error:
            reason = error.__cause__
            if not isinstance(reason, CertificateError):
                reason = BadCertificate(str(error))
            reason = reason.without_traceback()
            if subject.proven_at is not None:  # then the peer has to prove itself anew
                self._machine.answer(question, Refused(reason))
                return
            with suppress(PostshakeError):  # the verify function's reason is what is told
                self._machine.answer(question, Refused(reason))
            self._machine.invalid = True
            raise
        self._machine.answer(question, verdict)

    def _choose(self, question: Question, subject: ChooseCredential) -> None:
        session, machine = self._session, self._machine
        machine.was_asked = machine.was_asked or subject.role is Role.client
        with machine.fatal():
            if session._certificates is None:
                if subject.role is Role.server:
                    raise SessionError(codes.E_INSUFFICIENT_CREDENTIALS)
                credential = None
            else:
                credential = choose(
                    session,
                    session._certificates,
                    subject.role,
                    subject.wanted,
                    subject.server_name,
                    post_handshake=False,
                    force=bool(session.flags & c.FORCE_CLIENT_CERT),
                )
        machine.answer(question, credential)
