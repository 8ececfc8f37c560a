"""Conversations: flows that wait for messages and answers, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from postshake.constants import KeyUpdateRequest, SignatureScheme
from postshake.errors import AccessDenied, DecryptError, InternalError, TLSError, UnexpectedMessage
from postshake.protocol.flow import (
    Ask,
    Conversation,
    Expect,
    Flow,
    Received,
    ask,
    expect,
    expect_one_of,
)
from postshake.protocol.transcript import Transcript
from postshake.questions import Sign
from postshake.wire.auth import Certificate, CertificateVerify, Finished
from postshake.wire.handshake import Handshake, encode_handshake
from postshake.wire.post_handshake import KeyUpdate
from tests.pair import issued

FINISHED = Finished(bytes(32))
CERTIFICATE = Certificate(b"c", ())
SIGN = Sign(
    issued("alice").credential().signer, SignatureScheme.ecdsa_secp256r1_sha256, b"to be signed"
)


def received(message: Handshake) -> Received:
    return Received(message, encode_handshake(message))


def begun(
    flow: Flow[Any], on_failed: Callable[[BaseException], None] | None = None
) -> tuple[Conversation[Any], list[Any]]:
    results: list[Any] = []
    conversation: Conversation[Any] = Conversation("the test", flow, results.append, on_failed)
    assert conversation.waiting_for is None
    conversation.begin()
    return conversation, results


def one_of_each() -> Flow[tuple[Certificate, bytes, Received]]:
    certificate = yield from expect(Certificate)
    signature = yield from ask(SIGN)
    last = yield from expect_one_of(CertificateVerify, Finished)
    return certificate, signature, last


def test_a_flow_reads_from_top_to_bottom() -> None:
    conversation, results = begun(one_of_each())
    assert conversation.waiting_for == Expect((Certificate,))
    conversation.take(received(CERTIFICATE))
    assert conversation.waiting_for == Ask(SIGN)
    conversation.answer(b"signature")
    assert conversation.waiting_for == Expect((CertificateVerify, Finished))
    assert results == []
    conversation.take(received(FINISHED))
    assert conversation.waiting_for is None
    assert results == [(CERTIFICATE, b"signature", received(FINISHED))]


def test_what_is_awaited_is_written_for_people() -> None:
    conversation, _ = begun(one_of_each())
    assert repr(conversation) == "<the test: waiting for Certificate>"
    conversation.take(received(CERTIFICATE))
    assert repr(conversation) == "<the test: waiting for the answer to Sign>"
    conversation.answer(b"")
    assert repr(conversation) == "<the test: waiting for CertificateVerify or Finished>"
    conversation.take(received(FINISHED))
    assert repr(conversation) == "<the test: waiting for nothing>"


def test_a_message_that_is_not_awaited_is_refused_and_changes_nothing() -> None:
    conversation, results = begun(one_of_each())
    with pytest.raises(UnexpectedMessage, match="the test: expected Certificate, got Finished"):
        conversation.take(received(FINISHED))
    assert conversation.waiting_for == Expect((Certificate,))
    conversation.take(received(CERTIFICATE))
    with pytest.raises(UnexpectedMessage, match="expected the answer to Sign, got Certificate"):
        conversation.take(received(CERTIFICATE))
    conversation.answer(b"")
    with pytest.raises(UnexpectedMessage, match="CertificateVerify or Finished, got KeyUpdate"):
        conversation.take(received(KeyUpdate(KeyUpdateRequest.update_requested)))
    conversation.take(received(FINISHED))
    with pytest.raises(UnexpectedMessage, match="expected no message, got Finished"):
        conversation.take(received(FINISHED))
    assert len(results) == 1


def test_a_flow_that_waits_for_nothing_ends_at_once() -> None:
    def flow() -> Flow[str]:
        yield from ()
        return "done"

    conversation, results = begun(flow())
    assert conversation.waiting_for is None
    assert results == ["done"]


def test_a_message_enters_the_transcript_as_it_came() -> None:
    """And only there where the flow says so."""
    transcript, expected = Transcript("sha256"), Transcript("sha256")

    def flow() -> Flow[bytes]:
        yield from expect(Certificate, into=transcript)
        digest = transcript.digest()
        yield from expect(Finished)
        assert transcript.digest() == digest
        return digest

    conversation, results = begun(flow())
    raw = b"\x0b\0\0\5\1c\0\0\0"
    conversation.take(Received(CERTIFICATE, raw))
    conversation.take(received(FINISHED))
    expected.add(raw)
    assert results == [expected.digest()]


def test_an_error_inside_comes_out_of_the_step() -> None:
    def flow() -> Flow[None]:
        yield from expect(Finished)
        raise DecryptError("wrong")

    conversation, results = begun(flow())
    with pytest.raises(DecryptError, match="wrong"):
        conversation.take(received(FINISHED))
    assert results == []


def test_a_failure_to_answer_is_thrown_at_the_yield() -> None:
    conversation, results = begun(ask(SIGN))
    with pytest.raises(AccessDenied, match="no"):
        conversation.fail(AccessDenied("no"))
    assert results == []


@pytest.mark.parametrize("error", [OSError("unplugged"), KeyboardInterrupt(), GeneratorExit()])
def test_any_other_failure_becomes_an_internal_error(error: BaseException) -> None:
    """Whatever was given; what is to be raised here is for `Connection` to understand."""
    conversation, _ = begun(ask(SIGN))
    with pytest.raises(InternalError, match=f"{type(error).__name__}: {error}") as caught:
        conversation.fail(error)
    assert caught.value.__cause__ is error


def test_a_flow_may_make_the_best_of_a_failure() -> None:
    def flow() -> Flow[str]:
        try:
            yield from ask(SIGN)
        except TLSError as error:  # only to show where it is thrown: flows do not do this
            return str(error)
        return "signed"

    conversation, results = begun(flow())
    conversation.fail(AccessDenied("no"))
    assert results == ["no"]
    assert conversation.waiting_for is None


def test_what_can_be_given_up_is_given_up() -> None:
    """Closed, and told; neither finished nor broken."""
    closed = []

    def flow() -> Flow[None]:
        try:
            yield Ask(SIGN)
        except GeneratorExit:
            closed.append(True)
            raise

    failures: list[BaseException] = []
    conversation, results = begun(flow(), failures.append)
    error = OSError("unplugged")
    conversation.fail(error)
    assert failures == [error]
    assert closed == [True]
    assert results == []
    assert conversation.waiting_for is None
