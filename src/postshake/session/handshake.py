"""The main handshake of a session: a state machine that can stop anywhere."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ..constants import ProtocolVersion, Role
from ..errors import BadCertificate, CertificateError, PostshakeError
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
from . import constants as c
from .certificate_choice import CertificateChooser
from .errors import NonFatal, SessionError
from .reauth import sign
from .record_driver import RecordDriver
from .settings import SessionSettings
from .verification import PeerVerification

__all__ = ["MainHandshake"]


class MainHandshake:
    """The handshake that a session begins with.

    Args:
        settings: what was said to the session.
        verification: who judges the peer.
        chooser: who chooses what we show.
        driver: engine and transport.
        handle: returns the session, which a PSK function gets.
    """

    __slots__ = (
        "_begun",
        "_chooser",
        "_driver",
        "_handle",
        "_settings",
        "_verification",
        "complete",
        "early_data",
        "psk_hint",
    )

    def __init__(
        self,
        settings: SessionSettings,
        verification: PeerVerification,
        chooser: CertificateChooser,
        driver: RecordDriver,
        handle: Callable[[], object],
    ) -> None:
        self._settings = settings
        self._verification = verification
        self._chooser = chooser
        self._driver = driver
        self._handle = handle
        self._begun = False
        self.complete = False
        """Whether it has been seen through."""
        self.early_data: bytearray | None = None
        """Server: early data that nobody has taken yet."""
        self.psk_hint = b""
        """Client, TLS 1.2: the server's hint as to which PSK it means."""

    def run(self) -> None:
        """Go on until the handshake is complete.

        Raises:
            Again, Interrupted: run it again.
            SessionError: it failed.
        """
        if not self._begun:
            self._begin()
        driver = self._driver
        connection = driver.connection
        while True:
            while driver.questions:
                self._answer(driver.questions[0])
            established = connection.established
            if established is not None and self._only_tickets_are_left(established):
                driver.flush_answers()
            else:
                driver.flush()
            if established is not None:
                break
            driver.take_record()
            self._keep_early_data()
        driver.shown = established.our_credential
        self._report_decline()
        self.complete = True

    def _begin(self) -> None:
        """Start the engine; what goes out with the first message is there before."""
        driver, early_data = self._driver, self._settings.early_data
        with driver.fatal():
            if early_data:
                driver.connection.send_early_data(early_data)
            self._begun = True
            try:
                driver.connection.start()
            finally:
                driver.collect_events()

    def _only_tickets_are_left(self, established: Established) -> bool:
        is_server = self._settings.role is Role.server
        return is_server and established.version is ProtocolVersion.TLS13

    def _keep_early_data(self) -> None:
        """Keep early data apart from what comes after it; the engine bounds it."""
        connection = self._driver.connection
        while connection.readable and connection.read_is_early:
            if self.early_data is None:
                self.early_data = bytearray()
            self.early_data += connection.read()

    def _report_decline(self) -> None:
        """Tell the verify function of a client that was asked and declined."""
        settings, driver = self._settings, self._driver
        established = driver.connection.established
        asked = settings.role is Role.server and settings.request_mode != c.CERT_IGNORE
        if established is None or established.psk is not None or established.resumed:
            return  # nobody was asked (§4.3.2)
        if asked and driver.connection.peer_identity is None:
            with driver.fatal():
                self._verification.client_declined()

    def _answer(self, question: Question) -> None:
        driver = self._driver
        subject: Subject[Any] = question.subject
        match subject:
            case JudgePeer():
                self._judge(question, subject)
            case ChooseCredential():
                self._choose(question, subject)
            case ChoosePsk(psks, hint):
                self.psk_hint = hint
                own = self._settings.psk
                with driver.fatal():
                    again = own.offers(self._handle()) if hint and own else psks
                driver.answer(question, again[0] if again else None)
            case FindPsk(lookup, identity):
                with driver.fatal():
                    psk = lookup.find(identity)
                driver.answer(question, psk)
            case ClaimEarlyData(guard, claim):
                driver.answer(question, guard.claim(claim))
            case _:
                with driver.fatal():
                    sign(driver, question)

    def _judge(self, question: Question, subject: JudgePeer) -> None:
        try:
            verdict = self._verification.judge(subject)
        except NonFatal:
            raise
        except SessionError as error:
            reason = error.__cause__
            if not isinstance(reason, CertificateError):
                reason = BadCertificate(str(error))
            reason = reason.without_traceback()
            if subject.proven_at is not None:  # then the peer has to prove itself anew
                self._driver.answer(question, Refused(reason))
                return
            with suppress(PostshakeError):  # the verify function's reason is what is told
                self._driver.answer(question, Refused(reason))
            self._driver.invalid = True
            raise
        self._driver.answer(question, verdict)

    def _choose(self, question: Question, subject: ChooseCredential) -> None:
        driver = self._driver
        driver.was_asked = driver.was_asked or subject.role is Role.client
        with driver.fatal():
            credential = self._chooser.choose(
                subject.role, subject.wanted, subject.server_name, post_handshake=False
            )
        driver.answer(question, credential)
