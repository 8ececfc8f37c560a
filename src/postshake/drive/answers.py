"""The usual answers to a connection's questions.

A driver that wants nothing special gives each question to `find_answer` and the result back
to the connection. What this calls is the application's: signers, verifiers.
"""

from __future__ import annotations

from collections.abc import Awaitable
from inspect import isawaitable, iscoroutine
from types import NoneType
from typing import Any

from ..config import AuthRequest, Config, ServerConfig
from ..constants import Role
from ..errors import (
    CertificateError,
    CertificateExpired,
    CertificateRequired,
    InternalError,
    UsageError,
)
from ..events import Outcome, ReauthCompleted, ReauthRequested
from ..pki.choose import Wanted, choose_credential, choose_server_credential
from ..pki.credential import Credential
from ..pki.identity import Identity
from ..pki.policies import check_policies_held
from ..pki.trust import VerifiedChain
from ..questions import (
    ChooseConfig,
    ChooseCredential,
    ChoosePsk,
    ClaimEarlyData,
    FindPsk,
    FindTicket,
    JudgePeer,
    KeepTicket,
    Refused,
    Sign,
    Subject,
    Verdict,
)

__all__ = [
    "choose_for",
    "declined_error",
    "find_answer",
    "find_answer_now",
    "judge_identity",
    "reauth_result",
]


def find_answer(subject: Subject[Any]) -> object | Awaitable[object]:
    """Return the answer, or what to await for it.

    A verifier's CertificateError becomes `Refused`, which is an answer too. Other
    exceptions are the caller's to give to `Connection.answer`.
    """
    answer = _ask(subject)
    if isinstance(subject, JudgePeer) and isawaitable(answer):
        return _refusing(answer)
    return answer


def find_answer_now(subject: Subject[Any]) -> object:
    """Return the answer at once; what only an event loop can find is an error.

    Returns:
        The answer, or the exception that stood in its way.
    """
    try:
        answer = _ask(subject)
        if type(answer) not in _PLAIN and isawaitable(answer):
            if iscoroutine(answer):
                answer.close()  # nobody will await it
            raise UsageError(
                f"{type(subject).__name__} has an asynchronous answer, and this driver blocks"
            )
    except Exception as error:
        return error
    return answer


_PLAIN = frozenset({bytes, bool, NoneType, VerifiedChain, Refused, Credential})
"""What nearly every answer is; to ask whether it can be awaited takes longer."""


def _ask(subject: Subject[Any]) -> object | Awaitable[object]:
    match subject:
        case Sign(signer, scheme, data):
            return signer.sign(scheme, data)
        case JudgePeer(peer, verifier):
            try:
                return verifier.verify(peer)
            except CertificateError as error:
                return Refused(error.without_traceback())
        case ChooseCredential(Role.server, credentials, wanted, server_name):
            return choose_server_credential(credentials, server_name, wanted)
        case ChooseCredential(_, credentials, wanted):
            return choose_credential(credentials, wanted)
        case ChoosePsk(psks):
            return psks[0]  # what a hint means is between the two ends
        case ChooseConfig():
            return None  # to keep the one that there is
        case FindTicket(database, ticket):
            return database.find(ticket)
        case KeepTicket(database, state):
            return database.keep(state)
        case FindPsk(lookup, identity):
            return lookup.find(identity)
        case ClaimEarlyData(guard, claim):
            return guard.claim(claim)
    raise UsageError(f"nobody here can answer {type(subject).__name__}")


def choose_for(request: ReauthRequested, credentials: tuple[Credential, ...]) -> Credential | None:
    """Choose what to answer a server's request with: the first that fits; None declines."""
    wanted = Wanted(
        request.authorities,
        request.signature_algorithms,
        request.signature_algorithms_cert,
        request.oid_filters,
    )
    return choose_credential(credentials, wanted)


def declined_error(error: Exception) -> UsageError:
    """Make the error for a request that was declined because answering it failed."""
    failure = UsageError(
        f"a request for authentication was declined, because answering it failed: "
        f"{type(error).__name__}: {error}"
    )
    failure.__cause__ = error
    return failure


def reauth_result(completed: ReauthCompleted, request: AuthRequest) -> Identity | None:
    """Return who a client proved to be; None if it declined, and was free to.

    Raises:
        CertificateError: its certificate was refused; or it declined, and must not.
        TimeoutError: it did not answer in time.
    """
    if completed.outcome is Outcome.AUTHENTICATED:
        return completed.identity
    if completed.outcome is Outcome.DECLINED and not request.required:
        return None
    if completed.outcome is Outcome.EXPIRED:
        raise TimeoutError(str(completed.error)) from completed.error
    raise completed.error or CertificateRequired("no certificate was shown")


def judge_identity(
    identity: Identity,
    config: Config,
    server_name: str | None = None,
    policies: tuple[str, ...] = (),
) -> Verdict:
    """Judge again, now, whom a peer has proven to be on a connection.

    The certificates must not have ended on the configuration's clock, and its verifier, which
    may have other revocation lists by now, must accept them as it would accept a new proof.
    Who was accepted by the verifier of a single request is held against the configuration's.

    Args:
        identity: of the connection's peer.
        config: of the connection.
        server_name: client: the name that the server's certificate must be for; None where it
            is not to be checked.
        policies: certificate policies, of which one must hold; none if empty.

    Returns:
        The path that is believed, or `Refused` with what is wrong.

    Raises:
        UsageError: the verifier is a coroutine.
        InternalError: what it returned is no verdict.
        Exception: the verifier's own.
    """
    now = config.wall_clock()
    ends = identity.valid_until
    if now >= ends.timestamp() + 1:  # the last second belongs to it
        return Refused(CertificateExpired(f"a certificate of the peer's was valid until {ends}"))
    if config.verifier is None:
        return _holding(VerifiedChain(identity.verified_chain, identity.policies), policies)
    role = Role.client if isinstance(config, ServerConfig) else Role.server
    peer = identity.for_verifier(role, server_name, now, policies)
    context = identity.certificate_request_context
    verdict = find_answer_now(JudgePeer(peer, config.verifier, context, None, identity.proven_at))
    if isinstance(verdict, Exception):
        try:
            raise verdict
        finally:
            del verdict  # its traceback has this frame
    if not isinstance(verdict, VerifiedChain | Refused):
        raise InternalError(f"the verifier returned a {type(verdict).__name__}, no verdict")
    return _holding(verdict, policies)


def _holding(verdict: Verdict, policies: tuple[str, ...]) -> Verdict:
    if isinstance(verdict, VerifiedChain):
        try:
            check_policies_held(verdict.policies, policies)
        except CertificateError as error:
            return Refused(error.with_traceback(None))
    return verdict


async def _refusing(verdict: Awaitable[object]) -> object:
    try:
        return await verdict
    except CertificateError as error:
        return Refused(error.without_traceback())
