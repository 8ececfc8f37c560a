"""Hosts that are no names: what is asked for, what is sent, and who is believed."""

from __future__ import annotations

import ssl as standard
from typing import Any

import pytest

from postshake.ssl.verifier import AnyPeer
from tests.sslmodule.ends import MODULES, Memory, client_context, ours, server_context

BOTH = pytest.mark.parametrize("module", MODULES.values(), ids=MODULES)
NO_NAMES = ("localhost:443", "local host", "127.1", "2130706433", "127.0.0.1.", "host.1")


def visit(server: Any, client: Any, name: str) -> tuple[Any, list[str | None]]:
    """What comes of the client's handshake, and the names that the server heard."""
    heard: list[str | None] = []
    server.sni_callback = lambda sock, name, context: heard.append(name)
    both = Memory(server, client, name)
    said, _ = both.run(both.client.do_handshake, both.server.do_handshake)
    return said, heard


@BOTH
@pytest.mark.parametrize("name", NO_NAMES)
def test_where_names_are_checked_no_certificate_is_for_them(module, name):
    said, _ = visit(server_context(standard), client_context(module), name)
    assert isinstance(said, standard.SSLCertVerificationError)
    assert said.verify_code == 62
    assert said.verify_message == f"Hostname mismatch, certificate is not valid for '{name}'."


@BOTH
@pytest.mark.parametrize("verify_mode", [standard.CERT_NONE, standard.CERT_REQUIRED])
@pytest.mark.parametrize("name", NO_NAMES)
def test_where_names_are_not_checked_they_do_no_harm(module, name, verify_mode):
    context = client_context(module)
    context.check_hostname = False
    context.verify_mode = verify_mode
    said, heard = visit(server_context(standard), context, name)
    assert said is None
    # docs/ssl.md: Hosts that are no names
    assert heard == ([None] if module is ours else [name])


@BOTH
@pytest.mark.parametrize("name", ["host.1", "HOST.1", "stack_web.1"])
def test_a_name_that_ends_in_a_number_is_one_if_the_certificate_has_it(module, name):
    server = server_context(standard, name=name.lower(), dns=(name.lower(),))
    assert visit(server, client_context(module), name)[0] is None
    other = server_context(standard, name="host.2", dns=("host.2", "*.1"))
    assert visit(other, client_context(module), name)[0].verify_code == 62


def test_what_resolvers_take_for_an_address_is_for_nobody():
    server = server_context(standard, name="odd", dns=("127.1", "10.1", "a b"))
    for name in ("127.1", "10.1", "a b"):
        assert visit(server, client_context(ours), name)[0].verify_code == 62


def test_an_address_with_zeros_before_its_numbers():
    """For some resolvers they are octal. Old releases of OpenSSL (3.0) take it; 3.6 does not."""
    server = server_context(standard, name="address", dns=(), ip=("127.0.0.1",))
    said = [visit(server, client_context(m), "127.0.0.01")[0] for m in (standard, ours)]
    assert said[0] is None or said[0].verify_code == 62
    assert said[1].verify_code == 62


@BOTH
def test_who_is_not_trusted_is_not_for_an_unusual_name_either(module):
    server = server_context(standard, name="host.1", dns=("host.1",), ca="Another CA")
    assert visit(server, client_context(module), "host.1")[0].verify_code in (19, 20)


def test_a_session_is_not_resumed_for_another_unusual_name():
    server = server_context(ours, name="host.1", dns=("host.1",))
    client = client_context(ours)
    first = Memory(server, client, "host.1").handshake()
    first.exchange_client()
    session = first.client.session
    assert session.has_ticket
    for name, code in (("host.2", 62), ("host.1", None)):
        both = Memory(server, client, name)
        both.client.session = session
        said, _ = both.run(both.client.do_handshake, both.server.do_handshake)
        assert getattr(said, "verify_code", None) == code
        assert code is not None or both.client.session_reused


def test_a_verifier_of_one_s_own_gets_names_and_nothing_else():
    client = client_context(ours)
    client.verifier = AnyPeer()
    both = Memory(server_context(ours), client, "a b")
    with pytest.raises(ValueError, match="neither a DNS name nor an IP address: 'a b'"):
        both.client.do_handshake()


# docs/ssl.md: Hosts that are no names
WIDER = {
    "_x.example.org": {"dns": ("*.example.org",)},
    "[::1]": {"dns": (), "ip": ("::1",)},
    "::1%lo": {"dns": (), "ip": ("::1",)},
}


@pytest.mark.parametrize("name", WIDER)
def test_names_that_we_take_and_openssl_does_not(name):
    server = server_context(standard, name="wider", **WIDER[name])
    said = [visit(server, client_context(m), name)[0] for m in (standard, ours)]
    assert said[0].verify_code in (62, 64)
    assert said[1] is None
