"""What a call that failed leaves behind: nothing of its caller's.

An exception's traceback leads to the frames of all who called. Where a frame of ours keeps the
exception in turn, they and their variables stay until the collector runs.
"""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from postshake.config import AuthRequest
from postshake.constants import SignatureScheme
from postshake.events import Event, ReauthRequested
from postshake.pki.credential import Credential
from tests.certs import CA
from tests.drive.streams import at_once, join
from tests.pair import client_config, issued, server_config


@pytest.fixture(autouse=True)
def without_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class Held:
    """Something in a caller's variable."""


def left_by(call: Callable[[], object]) -> Held | None:
    """Make a call, which must fail; return what is left of a variable of who makes it."""

    def make() -> weakref.ref[Held]:
        held = Held()
        try:
            call()
        except Exception:  # and let go of it
            return weakref.ref(held)
        raise AssertionError("it did not fail")

    return make()()


class BrokenSigner:
    """A token that was pulled out."""

    def __init__(self, credential: Credential) -> None:
        self.public_key = credential.signer.public_key
        self.schemes = credential.signer.schemes

    def sign(self, scheme: SignatureScheme, data: bytes) -> bytes:
        raise OSError("the token does not answer")


def broken(name: str, purpose: str = "client") -> Credential:
    credential = issued(name, purpose).credential()
    return Credential(credential.chain, BrokenSigner(credential))


def refuse_to_choose(request: ReauthRequested) -> Credential | None:
    raise RuntimeError("no idea")


def fail_on_request(event: Event) -> None:
    if isinstance(event, ReauthRequested):
        raise RuntimeError("no idea")


def other_end(call: Callable[[], object]) -> threading.Thread:
    def run() -> None:
        try:
            call()
        except Exception:  # why it fails is the other's affair
            return

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_of_a_server_whose_key_fails():
    config = server_config(credentials=(broken("server.example", "server"),))
    with join(server=config) as streams:
        thread = other_end(streams.client.handshake)
        assert left_by(streams.server.handshake) is None
        thread.join()


def test_of_a_client_that_refuses():
    with join(client_config(verifier=CA("Another CA").verifier())) as streams:
        thread = other_end(streams.server.handshake)
        assert left_by(streams.client.handshake) is None
        thread.join()


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ({"credentials": (broken("alice"),)}, {}),
        ({}, {"answer": refuse_to_choose}),
        ({}, {"on_event": fail_on_request}),
    ],
    ids=["signer", "answer", "on_event"],
)
def test_of_a_client_that_cannot_answer(fields: dict[str, Any], options: dict[str, Any]):
    with join(client_config(**fields), client_options=options) as streams:
        streams.handshake()
        thread = other_end(lambda: streams.server.reauth(AuthRequest(required=False)))
        assert left_by(streams.client.receive) is None
        thread.join()
        at_once(lambda: streams.client.send(b"x"), streams.server.receive)
