"""The running hash: order, forks, and what stands for the first ClientHello."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postshake.constants import Role
from postshake.crypto.schedule import finished_mac
from postshake.protocol.transcript import Transcript
from tests.vectors.rfc8448 import CLIENT_AUTHENTICATION, COMPATIBILITY, RETRY, SIMPLE, Trace

messages = st.lists(st.binary(max_size=20), max_size=8)


@given(st.sampled_from(["sha256", "sha384"]), messages)
def test_a_digest_is_the_hash_of_all_so_far(name: str, parts: list[bytes]) -> None:
    transcript = Transcript(name)
    for place, part in enumerate(parts):
        transcript.add(part)
        expected = hashlib.new(name, b"".join(parts[: place + 1])).digest()
        assert transcript.digest() == expected
        assert transcript.digest() == expected  # asking changes nothing
    assert transcript.digest() == hashlib.new(name, b"".join(parts)).digest()
    assert Transcript(name, *parts).digest() == transcript.digest()


@given(messages, st.lists(messages, max_size=4))
def test_forks_go_their_own_ways(trunk: list[bytes], branches: list[list[bytes]]) -> None:
    transcript = Transcript("sha256", *trunk)
    forks = [transcript.fork() for _ in branches]
    for fork, branch in zip(forks, branches, strict=True):
        for part in branch:
            fork.add(part)
    for fork, branch in zip(forks, branches, strict=True):
        assert fork.digest() == hashlib.sha256(b"".join(trunk + branch)).digest()
        assert fork.hash_name == "sha256"
    assert transcript.digest() == hashlib.sha256(b"".join(trunk)).digest()


def test_after_a_retry_a_digest_stands_for_the_first_hello() -> None:
    """§4.4.1: message_hash, 00 00, the hash's length, the hash."""
    digest = hashlib.sha384(b"hello").digest()
    transcript = Transcript.after_retry("sha384", digest)
    transcript.add(b"retry")
    made_up = b"\xfe\0\0\x30" + digest
    assert transcript.digest() == hashlib.sha384(made_up + b"retry").digest()


@pytest.mark.parametrize(
    "trace",
    [SIMPLE, RETRY, CLIENT_AUTHENTICATION, COMPATIBILITY],
    ids=lambda trace: f"section {trace.section}",
)
def test_recorded_finisheds(trace: Trace) -> None:
    """Every Finished of RFC 8448 is a MAC over what this transcript says."""
    first, *rest = trace.messages
    if rest[0].name == "HelloRetryRequest":
        transcript = Transcript.after_retry("sha256", hashlib.sha256(first.data).digest())
    else:
        transcript = Transcript("sha256", first.data)
    checked = 0
    for message in rest:
        if message.name == "Finished":
            side = "client" if message.sender is Role.client else "server"
            secret = trace.secrets[f"{side}_handshake_traffic_secret"]
            assert message.data[4:] == finished_mac("sha256", secret, transcript.digest())
            checked += 1
        transcript.add(message.data)
    assert checked == 2


def test_a_transcript_does_not_show_what_it_hashed() -> None:
    assert "attack" not in repr(Transcript("sha256", b"attack at dawn"))
