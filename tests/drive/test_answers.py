"""Questions find their answers, at once or later; what stands in the way is said."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from postshake.constants import Role, SignatureScheme
from postshake.drive.answers import find_answer, find_answer_now, judge_identity
from postshake.errors import (
    CertificateExpired,
    CertificateRevoked,
    InternalError,
    UnknownCA,
    UsageError,
)
from postshake.pki.choose import Wanted
from postshake.pki.identity import Identity
from postshake.pki.revocation import Require, Revocation
from postshake.pki.trust import PeerChain, VerifiedChain
from postshake.questions import ChooseCredential, JudgePeer, Refused, Sign, Subject
from tests.certs import CA, DAY, NOW, Issued, peer
from tests.pair import Clock, client_config, issued, server_config, the_ca
from tests.revoking import make_list, make_response

P256 = SignatureScheme.ecdsa_secp256r1_sha256


class Verifier:
    """Says what it is told to, now or later."""

    def __init__(self, say: Callable[[], VerifiedChain | Awaitable[VerifiedChain]]) -> None:
        self.say = say

    def verify(self, peer: PeerChain) -> VerifiedChain | Awaitable[VerifiedChain]:
        return self.say()


def judge(verifier: Any) -> JudgePeer:
    return JudgePeer(peer(issued("alice")), verifier, b"context", None)


def refuse() -> VerifiedChain:
    raise UnknownCA("never heard of it")


async def accept_later() -> VerifiedChain:
    await asyncio.sleep(0)
    return VerifiedChain((b"leaf",))


async def refuse_later() -> VerifiedChain:
    await asyncio.sleep(0)
    raise UnknownCA("never heard of it")


class LateSigner:
    """Signs like an event loop's key service."""

    schemes = (P256,)
    public_key: Any = None

    async def sign(self, scheme: SignatureScheme, data: bytes) -> bytes:
        return b"signature"


@pytest.fixture(params=[find_answer, find_answer_now])
def find(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_a_signature(find):
    signer = issued("alice").credential().signer
    assert find(Sign(signer, P256, b"data"))[0] == 0x30  # DER


def test_a_verdict(find):
    verdict = find(judge(the_ca().verifier()))
    assert isinstance(verdict, VerifiedChain)
    assert verdict.certificates[0] == issued("alice").der


def test_a_refusal_is_an_answer(find):
    verdict = find(judge(CA("Other CA").verifier()))
    assert isinstance(verdict, Refused)
    assert isinstance(verdict.error, UnknownCA)


def test_a_clients_choice_is_by_authority(find):
    credentials = (issued("alice").credential(),)
    schemes = tuple(credentials[0].schemes)

    def choose(*authorities: bytes) -> object:
        wanted = Wanted(authorities=authorities, signature_algorithms=schemes)
        return find(ChooseCredential(Role.client, credentials, wanted, None))

    assert choose(the_ca().name) is credentials[0]
    assert choose(CA("Other CA").name) is None


def test_a_servers_choice_is_by_name(find):
    credentials = tuple(
        issued(name, "server").credential() for name in ("server.example", "other.example")
    )
    wanted = Wanted(signature_algorithms=tuple(credentials[0].schemes))
    question = ChooseCredential(Role.server, credentials, wanted, "other.example")
    assert find(question) is credentials[1]


@pytest.mark.parametrize(
    "question",
    [Sign(LateSigner(), P256, b"data"), judge(Verifier(accept_later))],
    ids=["sign", "judge"],
)
def test_what_comes_later_is_no_answer_now(question: Subject[Any]):
    error = find_answer_now(question)
    assert isinstance(error, UsageError)
    assert "asynchronous" in str(error)
    gc.collect()  # a coroutine that was not awaited would warn, and so fail, here


def test_answers_that_come_later():
    async def find_all() -> list[Any]:
        questions: list[Any] = [
            Sign(LateSigner(), P256, b"data"),
            judge(Verifier(accept_later)),
            judge(Verifier(refuse_later)),
        ]
        found: list[Any] = [find_answer(question) for question in questions]
        return [await each for each in found]

    signature, verdict, refusal = asyncio.run(find_all())
    assert signature == b"signature"
    assert verdict == VerifiedChain((b"leaf",))
    assert isinstance(refusal, Refused)
    assert isinstance(refusal.error, UnknownCA)


def test_other_exceptions_are_not_verdicts():
    def break_down() -> VerifiedChain:
        raise OSError("the verifier is away")

    question = judge(Verifier(break_down))
    with pytest.raises(OSError, match="away"):
        find_answer(question)
    assert isinstance(find_answer_now(question), OSError)


def test_unknown_questions_are_nobodys():
    with pytest.raises(UsageError, match="Subject"):
        find_answer(Subject())
    assert isinstance(find_answer_now(Subject()), UsageError)


# --- who was believed once


def proven(who: Issued, ca: CA | None = None, **fields: Any) -> Identity:
    """The identity of a peer that proved itself now."""
    path = (*who.chain, (ca or the_ca()).der)
    return Identity(who.chain, path, NOW.timestamp(), **fields)


def test_an_identity_is_judged_again() -> None:
    identity = proven(issued("alice"))
    verdict = judge_identity(identity, server_config())
    assert isinstance(verdict, VerifiedChain)
    assert verdict.certificates == identity.verified_chain


def test_it_ends_with_the_first_certificate_that_does() -> None:
    """On the configuration's clock, whatever the verifier looks at."""
    short = the_ca().intermediate("Short", not_after=NOW + DAY / 2)
    for who in (the_ca().issue("alice", not_after=NOW + DAY / 2), short.issue("bob")):
        identity = proven(who)
        last = (NOW + DAY / 2).timestamp()
        easy = Verifier(partial(VerifiedChain, identity.verified_chain))
        for verifier in (the_ca().verifier(), easy, None):
            for at, accepted in ((last, True), (last + 0.9, True), (last + 1, False)):
                config = server_config(verifier=verifier, wall_clock=Clock(at))
                verdict = judge_identity(identity, config)
                assert isinstance(verdict, VerifiedChain) is accepted
                if isinstance(verdict, Refused):
                    assert type(verdict.error) is CertificateExpired


def test_today_s_lists_and_authorities_count() -> None:
    identity = proven(issued("alice"))
    revocation = Revocation()
    config = server_config(verifier=the_ca().verifier(revocation=revocation))
    assert isinstance(judge_identity(identity, config), VerifiedChain)
    revocation.replace([make_list(the_ca(), issued("alice"))])
    verdict = judge_identity(identity, config)
    assert isinstance(verdict, Refused)
    assert type(verdict.error) is CertificateRevoked
    other = server_config(verifier=CA("Other").verifier())
    verdict = judge_identity(identity, other)
    assert isinstance(verdict, Refused)
    assert type(verdict.error) is UnknownCA


def test_the_response_that_was_stapled_counts_again() -> None:
    revocation = Revocation(require=Require.LEAF)
    config = server_config(verifier=the_ca().verifier(revocation=revocation))
    stapled = make_response(the_ca(), issued("alice"), until=NOW + DAY)
    identity = proven(issued("alice"), ocsp_response=stapled)
    assert isinstance(judge_identity(identity, config), VerifiedChain)
    assert isinstance(judge_identity(proven(issued("alice")), config), Refused)
    late = server_config(verifier=config.verifier, wall_clock=(NOW + 2 * DAY).timestamp)
    assert isinstance(judge_identity(identity, late), Refused)


def test_a_server_s_name_is_checked_again() -> None:
    identity = proven(issued("server.example", "server"))
    assert isinstance(judge_identity(identity, client_config(), "server.example"), VerifiedChain)
    assert isinstance(judge_identity(identity, client_config(), "other.example"), Refused)
    assert isinstance(judge_identity(identity, client_config()), VerifiedChain)
    # it is no client's
    assert isinstance(judge_identity(identity, server_config()), Refused)


def test_a_verifier_that_gives_no_verdict() -> None:
    identity = proven(issued("alice"))

    def broken() -> VerifiedChain:
        raise RuntimeError("no directory")

    for say, kind, text in (
        (accept_later, UsageError, "this driver blocks"),
        (broken, RuntimeError, "no directory"),
        (lambda: "yes", InternalError, "returned a str"),
    ):
        config = server_config(verifier=Verifier(say))
        with pytest.raises(kind, match=text):
            judge_identity(identity, config)


def test_a_refusal_keeps_nothing_of_where_it_was_found(find):
    class Refusing:
        def verify(self, peer: Any) -> Any:
            try:
                raise ValueError("not a certificate")
            except ValueError as error:
                raise UnknownCA("nobody knows it") from error

    error = find(judge(Refusing())).error
    assert str(error) == "nobody knows it"
    assert (error.__traceback__, error.__cause__, error.__context__) == (None, None, None)
