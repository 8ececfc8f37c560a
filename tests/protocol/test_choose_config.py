"""The configuration that a server's owner chooses when the ClientHello is there."""

from __future__ import annotations

from typing import Any

import pytest

from postshake.config import AuthRequest, ClientAuth, ServerConfig
from postshake.constants import AlertDescription, NamedGroup, ProtocolVersion
from postshake.drive.answers import find_answer_now
from postshake.errors import (
    AlertReceived,
    CertificateError,
    InternalError,
    PostshakeError,
    UnrecognizedName,
)
from postshake.events import Outcome
from postshake.pki.trust import ChainVerifier, TrustStore
from postshake.questions import ChooseConfig, ChooseCredential, Question
from tests.certs import CA
from tests.pair import ConnectionPair, client_config, issued, server_config, the_ca
from tests.resuming import Today, resuming, tickets_of

VERSIONS = pytest.mark.parametrize(
    "version", [ProtocolVersion.TLS13, ProtocolVersion.TLS12], ids=["1.3", "1.2"]
)
OTHERS = CA("The other tenant's CA")


def trusting(authority: CA) -> ChainVerifier:
    return ChainVerifier(TrustStore([authority.der]))


class Choosing(ConnectionPair):
    """A pair whose server is asked for its configuration, and goes by `answer`."""

    def __init__(self, client: Any, server: ServerConfig, answer: Any, **options: Any) -> None:
        super().__init__(client, server, **options)
        self.answer_with = answer
        self.server.hold = lambda question: isinstance(question.subject, ChooseConfig)

    @property
    def asked(self) -> list[ChooseConfig]:
        subjects = [question.subject for question in self.server.held_questions]
        return [each for each in subjects if isinstance(each, ChooseConfig)]

    def move(self, rounds: int = 100) -> None:
        super().move(rounds)
        answered = getattr(self, "_answered", 0)
        while answered < len(self.server.held_questions):
            question: Question = self.server.held_questions[answered]
            answered += 1
            self._answered = answered
            try:
                self.server.connection.answer(question.id, self.answer_with)
            except PostshakeError as error:
                self.server.error = error
            super().move(rounds)


def shake(pair: Choosing) -> Choosing:
    pair.client.connection.start()
    pair.move()
    return pair


def test_it_is_asked_with_what_the_client_said_and_before_anything_else() -> None:
    client = client_config("alice", alpn_protocols=(b"x", b"y"))
    first = server_config(choose_config=True)
    pair = Choosing(client, first, None)
    kinds: list[type] = []
    hold = pair.server.hold

    def noting(question: Question) -> bool:
        kinds.append(type(question.subject))
        return hold(question)

    pair.server.hold = noting
    shake(pair)
    assert kinds[:2] == [ChooseConfig, ChooseCredential]
    (subject,) = pair.asked
    assert subject.config is first
    assert subject.server_name == "server.example"
    assert subject.alpn_protocols == (b"x", b"y")
    assert subject.client_hello.random == pair.server.connection.established.client_random
    assert pair.server.connection.config is first, "None keeps the one that there is"


def test_the_usual_answer_is_to_keep_the_one_that_there_is() -> None:
    pair = ConnectionPair(client_config("alice"), server_config(choose_config=True)).handshake()
    assert pair.server.connection.established is not None
    assert find_answer_now(ChooseConfig(server_config(), None, (), None)) is None


def test_nobody_is_asked_who_did_not_want_to_be() -> None:
    pair = shake(Choosing(client_config("alice"), server_config(), None))
    assert pair.asked == []
    assert pair.server.connection.established is not None


@VERSIONS
def test_the_chosen_one_decides_who_we_are_and_whom_we_trust(version: ProtocolVersion) -> None:
    ours = issued("server.example", "server", "p384").credential()
    chosen = server_config(versions=(version,), credentials=(ours,), client_auth=ClientAuth.REQUIRE)
    first = ServerConfig(versions=(version,), verifier=trusting(OTHERS), choose_config=True)
    pair = shake(Choosing(client_config("alice", versions=(version,)), first, chosen))
    assert pair.server.error is None
    assert pair.server.connection.config is chosen
    assert pair.server.connection.established.our_credential is ours
    assert pair.server.connection.peer_identity.common_name == "alice"

    strict = server_config(
        versions=(version,), client_auth=ClientAuth.REQUIRE, verifier=trusting(OTHERS)
    )
    pair = shake(Choosing(client_config("alice", versions=(version,)), first, strict))
    assert isinstance(pair.server.error, CertificateError)
    assert pair.server.connection.peer_identity is None


def test_the_chosen_one_decides_the_version() -> None:
    both = (ProtocolVersion.TLS13, ProtocolVersion.TLS12)
    chosen = server_config(versions=(ProtocolVersion.TLS12,))
    pair = shake(
        Choosing(
            client_config("alice", versions=both),
            server_config(versions=both, choose_config=True),
            chosen,
        )
    )
    assert pair.client.connection.established.version is ProtocolVersion.TLS12


@VERSIONS
def test_a_session_is_resumed_by_what_the_chosen_one_trusts_today(
    version: ProtocolVersion,
) -> None:
    """One authority for each tenant must hold for tickets, too."""
    fields = {"versions": (version,), "client_auth": ClientAuth.REQUIRE}
    today = Today("alice", client={"versions": (version,)}, server=fields)
    pair = ConnectionPair(today.client, today.server).handshake()
    session = pair.client.connection.session
    if version is ProtocolVersion.TLS13:
        session = tickets_of(pair)[-1]
    first = server_config(
        **fields, choose_config=True, ticket_keys=today.server.ticket_keys, tickets=1
    )
    for trust, resumes in ((the_ca(), True), (OTHERS, False)):
        chosen = server_config(
            **fields, verifier=trusting(trust), ticket_keys=today.server.ticket_keys
        )
        again = Choosing(today.client, first, chosen)
        again.client.connection = type(again.client.connection)(
            today.client, "server.example", session=session
        )
        shake(again)
        assert len(again.asked) == 1, "asked for a session that is resumed as well"
        if resumes:
            assert again.server.connection.established.resumed
            assert again.server.connection.peer_identity.common_name == "alice"
        else:
            assert isinstance(again.server.error, CertificateError)
            assert again.server.connection.peer_identity is None


def test_it_is_asked_once_though_there_is_a_second_hello() -> None:
    first = server_config(choose_config=True)
    chosen = server_config(groups=(NamedGroup.secp384r1,))
    pair = shake(Choosing(client_config("alice"), first, chosen))
    assert pair.server.connection.established.hello_retry_request
    assert pair.server.connection.established.group is NamedGroup.secp384r1
    assert len(pair.asked) == 1


def test_reauth_goes_by_the_chosen_one() -> None:
    first = server_config(choose_config=True)
    pair = shake(Choosing(client_config("alice"), first, server_config(verifier=trusting(OTHERS))))
    assert pair.reauth(AuthRequest()).outcome is Outcome.REFUSED
    assert pair.server.connection.peer_identity is None
    pair = shake(
        Choosing(
            client_config("alice"),
            server_config(choose_config=True, verifier=trusting(OTHERS)),
            server_config(),
        )
    )
    assert pair.reauth(AuthRequest()).outcome is Outcome.AUTHENTICATED


def test_a_refusal_has_the_alert_of_its_error() -> None:
    error = UnrecognizedName("no tenant has this name")
    pair = shake(Choosing(client_config("alice"), server_config(choose_config=True), error))
    assert pair.server.error is error
    assert isinstance(pair.client.error, AlertReceived)
    assert pair.client.error.received == AlertDescription.unrecognized_name


@pytest.mark.parametrize("answer", ["a.example", client_config("alice"), True])
def test_another_answer_fails_closed(answer: object) -> None:
    pair = shake(Choosing(client_config("alice"), server_config(choose_config=True), answer))
    assert isinstance(pair.server.error, InternalError)
    assert pair.server.connection.established is None
    assert pair.client.error.received == AlertDescription.internal_error


def test_the_question_does_not_show_the_whole_hello() -> None:
    pair = shake(Choosing(client_config("alice"), server_config(choose_config=True), None))
    assert "client_hello" not in repr(pair.asked[0])


def test_resuming_knows_nothing_of_it_without_the_setting() -> None:
    today = Today("alice")
    _, ticket = today.session()
    pair = resuming(ticket, client=today.client, server=today.server).handshake()
    assert pair.server.connection.established.resumed
