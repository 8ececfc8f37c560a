"""No identity without its proofs, whatever an owner answers and however Python is started.

What makes an identity wants the tokens that only the checks give out: the key's signature,
Finished, and the verdict on the chain. Without one of them there is an InternalError, no
identity and no connection; also under `python -O`, which leaves assertions out.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from postshake import AuthRequest, ClientAuth, ProtocolVersion
from postshake.errors import InternalError
from postshake.exported import ExportedAuthenticators
from postshake.pki.trust import VerifiedChain
from postshake.protocol.proofs import FinishedProof, SignedChain, identify
from postshake.protocol.tls12 import resumption as resumption12
from postshake.protocol.tls13.psk import Psk, resumed_identity
from postshake.questions import JudgePeer
from tests.pair import ConnectionPair, client_config, issued, server_config, the_ca
from tests.resuming import Today, resuming
from tests.tls12 import TLS12


class Lookalike:
    """What has all that a verdict has, and is none."""

    certificates = (b"not", b"verified")


WRONG = [None, True, "accepted", (), Lookalike(), FinishedProof()]
wrong_answers = pytest.mark.parametrize("answer", WRONG, ids=lambda each: type(each).__name__)

REQUIRE = {"client_auth": ClientAuth.REQUIRE}
Held = tuple[ConnectionPair, Any]
"""A pair, and the end that waits for a verdict."""


def judging(pair: ConnectionPair, end: str, *, start: bool = True) -> Held:
    """Go on until that end asks what to think of its peer."""
    judge = getattr(pair, end)
    judge.hold = lambda question: isinstance(question.subject, JudgePeer)
    if start:
        pair.client.connection.start()
        pair.server.connection.start()
    pair.move()
    return pair, judge


def in_handshake(version: ProtocolVersion, end: str) -> Held:
    pair = ConnectionPair(
        client_config("alice", versions=(version,)), server_config(versions=(version,), **REQUIRE)
    )
    return judging(pair, end)


def in_reauth() -> Held:
    pair = ConnectionPair(client_config("alice"), server_config()).handshake()
    pair.ask()
    pair.answer_all()
    return judging(pair, "server", start=False)


def in_resumption() -> Held:
    today = Today("alice", server=REQUIRE)
    _, ticket = today.session()
    pair = resuming(ticket, client=today.client, server=today.server)
    return judging(pair, "server")


def in_resumption12() -> Held:
    today = Today("alice", client={"versions": TLS12}, server={"versions": TLS12, **REQUIRE})
    first = ConnectionPair(today.client, today.server).handshake()
    session = first.client.connection.session
    return judging(resuming(session, client=today.client, server=today.server), "server")


CONVERSATIONS: dict[str, Callable[[], Held]] = {
    "the client judges the server": lambda: in_handshake(ProtocolVersion.TLS13, "client"),
    "the server judges the client": lambda: in_handshake(ProtocolVersion.TLS13, "server"),
    "the client, TLS 1.2": lambda: in_handshake(ProtocolVersion.TLS12, "client"),
    "the server, TLS 1.2": lambda: in_handshake(ProtocolVersion.TLS12, "server"),
    "a resumed session": in_resumption,
    "a resumed session, TLS 1.2": in_resumption12,
    "reauth": in_reauth,
}


@wrong_answers
@pytest.mark.parametrize("conversation", CONVERSATIONS)
def test_only_a_verdict_lets_an_identity_in(conversation, answer):
    pair, judge = CONVERSATIONS[conversation]()
    (question,) = judge.held_questions
    with pytest.raises(InternalError):
        judge.connection.answer(question.id, answer)
    assert judge.connection.peer_identity is None
    pair.move()
    assert judge.connection.peer_identity is None


@pytest.mark.parametrize("conversation", CONVERSATIONS)
def test_a_verdict_does(conversation):
    """The test above looks at the right places."""
    pair, judge = CONVERSATIONS[conversation]()
    (question,) = judge.held_questions
    judge.connection.answer(question.id, VerifiedChain((b"by", b"somebody")))
    judge.hold = lambda question: False
    pair.move()
    assert judge.connection.peer_identity.verified_chain == (b"by", b"somebody")


@wrong_answers
def test_exported_authenticators(answer):
    class Verifier:
        def verify(self, peer: Any) -> Any:
            return answer

    pair = ConnectionPair(client_config("alice"), server_config(verifier=Verifier())).handshake()
    client = ExportedAuthenticators(pair.client.connection)
    server = ExportedAuthenticators(pair.server.connection)
    request = server.request(AuthRequest())
    shown = client.authenticate(request.data, issued("alice").credential())
    with pytest.raises(InternalError):
        server.validate(request.context, shown)


# --- the makers themselves


ALICE = issued("alice")
SIGNED = SignedChain(ALICE.chain, ALICE.certificate, 0x0403)
PROOF, VERIFIED = FinishedProof(), VerifiedChain((*ALICE.chain, the_ca().der))


def test_identify_wants_all_three():
    assert identify(SIGNED, PROOF, VERIFIED, 0).chain == ALICE.chain
    proofs = (SIGNED, PROOF, VERIFIED)
    for at in range(3):
        for wrong in (*WRONG, *proofs):
            if type(wrong) is type(proofs[at]):
                continue
            given: Any = list(proofs)
            given[at] = wrong
            with pytest.raises(InternalError, match="no identity without its three proofs"):
                identify(given[0], given[1], given[2], 0)


def test_a_resumed_identity_wants_finished_and_a_verdict_of_today():
    fields = {"peer_chain": ALICE.chain, "proven_at": 1.0, "ocsp_response": None}
    session: Any = type("Session", (), fields)()
    assert resumption12.resumed_identity(session, PROOF, VERIFIED).chain == ALICE.chain
    psk = Psk(b"ticket", b"key", "sha256", session, VERIFIED)
    session.chain = ALICE.chain
    assert resumed_identity(psk, PROOF).chain == ALICE.chain
    for wrong in (None, True, VERIFIED, Lookalike()):
        for call in (
            lambda wrong=wrong: resumption12.resumed_identity(session, wrong, VERIFIED),
            lambda wrong=wrong: resumed_identity(psk, wrong),
        ):
            with pytest.raises(InternalError, match="no identity without Finished"):
                call()
    with pytest.raises(InternalError, match="no identity without Finished and a verdict"):
        resumption12.resumed_identity(session, PROOF, Lookalike())


IN_ANOTHER_PROCESS = """
import sys
from postshake.errors import InternalError
from postshake.pki.trust import VerifiedChain
from postshake.protocol.proofs import identify
from postshake.protocol.tls13.psk import resumed_identity
from postshake.protocol.tls12 import resumption as resumption12
if __debug__:
    raise SystemExit("this is not python -O")
for call in (
    lambda: identify(None, None, VerifiedChain(()), 0.0),
    lambda: resumed_identity(None, None),
    lambda: resumption12.resumed_identity(None, None, VerifiedChain(())),
):
    try:
        call()
    except InternalError:
        continue
    raise SystemExit("an identity without proof")
print("refused")
"""


def test_python_optimized_leaves_no_check_out():
    """`make test-optimized` runs this whole module so, too."""
    code = f"import sys\nsys.path[:0] = {[path for path in sys.path if path]!r}\n"
    done = subprocess.run(
        [sys.executable, "-O", "-c", code + IN_ANOTHER_PROCESS],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("refused\n", "")
