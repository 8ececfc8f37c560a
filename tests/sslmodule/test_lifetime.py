"""TLS objects that nobody holds any more are gone at once, without the collector's help.

So it is in the standard module, and programs rely on it: a handler that returns after an
error has closed its socket.
"""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import warnings
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from postshake import Credential
from postshake.config import AuthRequest
from postshake.errors import CertificateRequired
from postshake.events import Outcome, ReauthCompleted
from tests.certs import CA, key_usage
from tests.sslmodule.ends import (
    Memory,
    client_context,
    files,
    folder,
    kept,
    ours,
    over_sockets,
    server_context,
    standard,
)

MODULES = pytest.mark.parametrize("module", [ours, standard], ids=["ours", "standard"])


@pytest.fixture(autouse=True)
def without_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def begun(module: Any) -> Any:
    return Memory(server_context(module), client_context(module)).client


def hello_sent(module: Any) -> Any:
    client = begun(module)
    with contextlib.suppress(module.SSLWantReadError):
        client.do_handshake()
    return client


def shaken(module: Any) -> Any:
    return Memory(server_context(module), client_context(module)).handshake().client


def answered(module: Any) -> Any:
    pair = Memory(server_context(module, asks_later=True), client_context(module)).handshake()
    pair.exchange()
    pair.server.verify_client_post_handshake()
    pair.server.write(b"x")  # with which OpenSSL sends the request
    pair.move()
    assert pair.client.read(1) == b"x"
    pair.exchange()
    assert pair.server.getpeercert()
    return pair.server


def refused(module: Any) -> Any:
    client = client_context(module, ca="Another CA")
    pair = Memory(server_context(module), client)
    reasons = []
    for end in (pair.client, pair.server) * 3:
        try:
            end.do_handshake()
        except module.SSLError as error:  # and let go of it
            reasons.append(getattr(error, "reason", None))
        pair.move()
    assert {"CERTIFICATE_VERIFY_FAILED", "TLSV1_ALERT_UNKNOWN_CA"} <= set(reasons)
    return pair.client


def called_back(module: Any) -> Any:
    server = server_context(module)
    server.sni_callback = lambda end, name, context: None
    return Memory(server, client_context(module)).handshake().server


@MODULES
@pytest.mark.parametrize("how", [begun, hello_sent, shaken, answered, refused, called_back])
def test_an_object_that_nobody_holds_is_gone(how: Callable[[Any], Any], module: Any) -> None:
    end = how(module)
    there = weakref.ref(end)
    del end
    assert there() is None


@MODULES
def test_a_socket_that_nobody_holds_is_closed(module):
    with (
        over_sockets(server_context(standard), client_context(standard)),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", ResourceWarning)
        one, other = socket.socketpair()
        with other:
            tls = client_context(module).wrap_socket(
                one, server_hostname="localhost", do_handshake_on_connect=False
            )
            tls.setblocking(False)
            with contextlib.suppress(module.SSLWantReadError):
                tls.do_handshake()
            number = tls.fileno()
            there = weakref.ref(tls)
            del tls
            assert there() is None
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.fstat(number)


class Held:
    """Something that a caller has in a variable, as asyncio has a transport there."""


def shake(end: Any, module: Any) -> tuple[bool, weakref.ref[Any]]:
    """Take a step of the handshake; return whether it failed, and a caller's variable."""
    held = Held()
    try:
        end.do_handshake()
    except module.SSLWantReadError:
        return False, weakref.ref(held)
    except (module.SSLError, ValueError):  # and let go of it
        return True, weakref.ref(held)
    return False, weakref.ref(held)


@kept
def self_signed() -> tuple[str, str]:
    alone = CA("localhost", dns=("localhost",), usage=key_usage("digital_signature"), ca=False)
    certificate, key = folder() / "alone.crt", folder() / "alone.key"
    certificate.write_bytes(alone.pem())
    key.write_bytes(alone.key_pem())
    return str(certificate), str(key)


def fails_by_trust(module: Any) -> tuple[Any, Any]:
    return server_context(module), client_context(module, ca="Another CA")


def fails_by_self_signature(module: Any) -> tuple[Any, Any]:
    server, client = module.SSLContext(module.PROTOCOL_TLS_SERVER), client_context(module)
    server.load_cert_chain(*self_signed())
    client.check_hostname = False
    return server, client


def fails_by_name(module: Any) -> tuple[Any, Any]:
    return server_context(module, name="other.example"), client_context(module)


def fails_by_version(module: Any) -> tuple[Any, Any]:
    server, client = server_context(module), client_context(module)
    server.minimum_version = module.TLSVersion.TLSv1_3
    client.maximum_version = module.TLSVersion.TLSv1_2
    return server, client


def fails_by_client(module: Any) -> tuple[Any, Any]:
    server = server_context(module)
    server.verify_mode = module.CERT_REQUIRED
    client = client_context(module, name=None)
    client.load_cert_chain(*files("mallory", ca="Another CA", purpose="client"))
    return server, client


@MODULES
@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
@pytest.mark.parametrize(
    "contexts",
    [fails_by_trust, fails_by_self_signature, fails_by_name, fails_by_version, fails_by_client],
)
def test_a_handshake_that_fails_keeps_nothing_of_its_callers(contexts, version, module):
    server, client = contexts(module)
    if contexts is not fails_by_version:
        server.maximum_version = getattr(module.TLSVersion, version)
    pair = Memory(server, client)
    failed, there = False, []
    for end in (pair.client, pair.server) * 4:
        result, variable = shake(end, module)
        failed |= result
        there.append(variable)
        pair.move()
    assert failed
    assert [each() for each in there] == [None] * 8


class Broken:
    """A signer whose token was pulled out."""

    def __init__(self, signer: Any) -> None:
        self.public_key, self.schemes = signer.public_key, signer.schemes

    def sign(self, scheme: Any, data: bytes) -> bytes:
        raise OSError("no token")


def test_a_key_that_fails_keeps_nothing_of_its_callers():
    server = server_context(ours)
    credential = Credential.from_files(*files())
    server.use_signer(credential.certificates, Broken(credential.signer))
    pair = Memory(server, client_context(ours))
    assert not shake(pair.client, ours)[0]
    pair.move()
    failed, there = shake(pair.server, ours)
    assert failed
    assert there() is None


def test_a_refused_reauth_keeps_nothing_of_its_callers():
    reauth = ours.Reauth(AuthRequest(), b"context")
    declined = CertificateRequired("expected a certificate, got none")
    reauth.settle(ReauthCompleted(0, b"context", Outcome.DECLINED, None, declined))

    def ask() -> weakref.ref[Held]:
        held = Held()
        with contextlib.suppress(ours.SSLError):
            reauth.result()
        return weakref.ref(held)

    assert ask()() is None


@MODULES
def test_a_context_goes_with_the_last_that_needs_it(module):
    server, client = server_context(module), client_context(module)
    there = weakref.ref(client)
    pair = Memory(server, client).handshake()
    del client
    assert there() is pair.client.context
    del pair
    assert there() is None


def test_what_is_left_of_a_socket_says_so():
    one, other = socket.socketpair()
    with other:
        tls = client_context(ours).wrap_socket(
            one, server_hostname="localhost", do_handshake_on_connect=False
        )
        inside = tls._sslobj
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            del tls
        assert inside.owner is None
        with pytest.raises(ours.SSLError, match="Underlying socket connection gone"):
            inside.do_handshake()
