"""Keys that are known to be in wrong hands, wherever in a path they are."""

from __future__ import annotations

import hashlib
import importlib
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from postshake.constants import AlertDescription, Role
from postshake.errors import DistrustedKey, UnknownCA
from postshake.pki.distrusted import DISTRUSTED_KEYS
from postshake.pki.trust import ChainVerifier
from tests.certs import CA, peer
from tests.sslmodule import versions


def digest(private_key: Any) -> bytes:
    public = private_key.public_key()
    return hashlib.sha256(
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ).digest()


GUESSED = ec.derive_private_key(4, ec.SECP384R1())
"""A key of the list; that it is so small is why everybody has it."""

ROOT = CA("Root")
BETWEEN = ROOT.intermediate("Between", key=GUESSED)


def test_the_guessed_key_is_of_the_list():
    assert digest(GUESSED) in DISTRUSTED_KEYS
    assert {len(each) for each in DISTRUSTED_KEYS} == {32}


def chains() -> dict[str, tuple[Any, CA]]:
    """Chains with such a key, and the anchor that they lead to."""
    anchor = CA("Anchor", key=GUESSED)
    deep = BETWEEN.intermediate("Below it")
    return {
        "an intermediate": (BETWEEN.issue("alice"), ROOT),
        "higher up": (deep.issue("alice"), ROOT),
        "the leaf": (ROOT.issue("alice", key=GUESSED), ROOT),
        "the anchor": (anchor.issue("alice"), anchor),
    }


@pytest.mark.parametrize("where", chains())
def test_nobody_is_believed_by_such_a_key(where):
    issued, anchor = chains()[where]
    verifier = anchor.verifier()
    for _ in range(2):  # nothing is remembered either
        with pytest.raises(DistrustedKey, match=digest(GUESSED).hex()) as caught:
            verifier.verify(peer(issued))
    assert caught.value.alert is AlertDescription.bad_certificate


@pytest.mark.parametrize("where", chains())
def test_the_list_is_a_setting(where):
    issued, anchor = chains()[where]
    assert anchor.verifier(distrusted_keys=()).verify(peer(issued)).certificates


def test_a_list_of_ones_own():
    intermediate = ROOT.intermediate("Another")
    issued = intermediate.issue("alice")
    verifier = ROOT.verifier(distrusted_keys=[digest(intermediate.private_key)])
    with pytest.raises(DistrustedKey):
        verifier.verify(peer(issued))
    assert verifier.verify(peer(ROOT.issue("bob"))).certificates
    assert ROOT.verifier().verify(peer(issued)).certificates


def test_a_server_s_chain_is_held_against_it_too():
    issued = BETWEEN.issue("localhost", purpose="server")
    with pytest.raises(DistrustedKey):
        ROOT.verifier().verify(peer(issued, role=Role.server, server_name="localhost"))


def test_who_is_not_trusted_at_all_is_told_that():
    with pytest.raises(UnknownCA):
        ChainVerifier(CA("Stranger").trust()).verify(peer(BETWEEN.issue("alice")))


def test_the_list_is_that_of_the_interpreter():
    """CPython's is compiled into its module, where it can be seen and not be asked for."""
    binary = getattr(importlib.import_module("_ssl"), "__file__", None)
    if not versions.HAS_DISTRUSTED_KEYS or binary is None:
        pytest.skip("this Python has no list, or none that can be looked at")
    content = Path(binary).read_bytes()
    places = sorted(content.find(each) for each in DISTRUSTED_KEYS)
    assert places[0] >= 0, "a key of ours is not in it"
    assert places == list(range(places[0], places[-1] + 1, 32)), "it has others in between"
    for beside in (content[places[0] - 32 : places[0]], content[places[-1] + 32 :][:32]):
        # a digest is neither text nor full of zeros
        assert beside.isascii() or beside.count(0) > 8, "it has more keys than we have"
