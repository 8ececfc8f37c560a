"""Certificates loaded with what they are trusted for, held against the standard module."""

from __future__ import annotations

import functools
import ssl as standard
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from postshake.constants import Role
from tests.auxiliary import ANY, CLIENT, SERVER, trusted_pem
from tests.certs import CA, Issued
from tests.sslmodule.ends import Memory, files, ours

EMAIL = "1.3.6.1.5.5.7.3.4"
ROOT = CA("Root")
BELOW = ROOT.intermediate("Below")
PARTIAL = int(standard.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN)
REJECTED = (28, "certificate rejected")

Make = Callable[[], bytes]
of_root: Callable[..., Make] = functools.partial(functools.partial, trusted_pem, ROOT.der)
of_below: Callable[..., Make] = functools.partial(functools.partial, trusted_pem, BELOW.der)
ROOT_TOO = ROOT.pem()
LOADED: dict[str, tuple[Make, ...]] = {
    "nothing said": (of_root(),),
    "for servers": (of_root([SERVER]),),
    "for clients": (of_root([CLIENT]),),
    "for both": (of_root([CLIENT, SERVER]),),
    "for all": (of_root([ANY]),),
    "for e-mail": (of_root([EMAIL]),),
    "not for servers": (of_root(None, [SERVER]),),
    "not for clients": (of_root(None, [CLIENT]),),
    "not for anything": (of_root(None, [ANY]),),
    "for servers and not for them": (of_root([SERVER], [SERVER]),),
    "an intermediate": (of_below(),),
    "an intermediate for servers": (of_below([SERVER]),),
    "an intermediate for clients": (of_below([CLIENT]),),
    "an intermediate that is not for servers": (of_below(None, [SERVER]), lambda: ROOT_TOO),
    "an intermediate that is not for clients": (of_below(None, [CLIENT]), lambda: ROOT_TOO),
}


@functools.cache
def leaf(role: Role) -> Issued:
    return BELOW.issue("localhost", purpose=role.name, dns=("localhost",))


def verdict(module: Any, text: bytes, role: Role, folder: Path, flags: int) -> Any:
    """What a context that has loaded this makes of a peer in this role."""
    (folder / "trusted.pem").write_bytes(text)
    shown = leaf(role).write(folder, "peer")
    if role is Role.server:
        peer = standard.SSLContext(standard.PROTOCOL_TLS_SERVER)
        own = module.SSLContext(module.PROTOCOL_TLS_CLIENT)
    else:
        peer = standard.SSLContext(standard.PROTOCOL_TLS_CLIENT)
        peer.check_hostname, peer.verify_mode = False, standard.CERT_NONE
        own = module.SSLContext(module.PROTOCOL_TLS_SERVER)
        own.load_cert_chain(*files())
    peer.load_cert_chain(*shown)
    own.load_verify_locations(folder / "trusted.pem")
    own.verify_mode = module.CERT_REQUIRED
    own.verify_flags = standard.VerifyFlags(int(own.verify_flags) & ~PARTIAL | flags)
    ends = (peer, own) if role is Role.server else (own, peer)
    pair = Memory(*ends)
    results = pair.run(pair.client.do_handshake, pair.server.do_handshake)
    result = results[0 if role is Role.server else 1]
    if isinstance(result, standard.SSLCertVerificationError):
        return result.verify_code, result.verify_message
    return result


@pytest.mark.parametrize("role", Role, ids=lambda role: role.name)
@pytest.mark.parametrize("flags", [0, PARTIAL], ids=["whole", "partial"])
@pytest.mark.parametrize("case", LOADED)
def test_it_is_the_standard_module_s_verdict(
    case: str, flags: int, role: Role, tmp_path: Path
) -> None:
    text = b"".join(make() for make in LOADED[case])
    expected = verdict(standard, text, role, tmp_path, flags)
    assert expected is None or isinstance(expected, tuple), expected
    assert verdict(ours, text, role, tmp_path, flags) == expected


def test_who_was_rejected_stays_so(tmp_path: Path) -> None:
    """Loaded as a plain one, too, before or after: it is what is said that holds.

    # docs/ssl.md: Certificates that say what they are trusted for
    """
    said = trusted_pem(ROOT.der, None, [SERVER])
    for text in (said + ROOT.pem(), ROOT.pem() + said):
        assert verdict(ours, text, Role.server, tmp_path, 0) == REJECTED
        assert verdict(ours, text, Role.client, tmp_path, 0) is None


def test_what_is_loaded_later_counts_for_connections_that_there_are(tmp_path: Path) -> None:
    (tmp_path / "later.pem").write_bytes(trusted_pem(ROOT.der, None, [SERVER]))
    server = standard.SSLContext(standard.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*leaf(Role.server).write(tmp_path, "peer"))
    client = ours.SSLContext(ours.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(cadata=ROOT.pem().decode())
    Memory(server, client).handshake()
    pair = Memory(server, client)
    client.load_verify_locations(tmp_path / "later.pem")
    result, _ = pair.run(pair.client.do_handshake, pair.server.do_handshake)
    assert (result.verify_code, result.verify_message) == REJECTED


def test_a_rejected_intermediate_is_not_taken_from_the_peer_either(tmp_path: Path) -> None:
    """It is sent, and its root is trusted: what was loaded says that it must not be used."""
    text = trusted_pem(BELOW.der, None, [SERVER]) + ROOT.pem()
    assert BELOW.certificate.public_bytes(Encoding.DER) in leaf(Role.server).chain
    assert verdict(ours, text, Role.server, tmp_path, 0) == REJECTED


def test_our_own_chain_may_be_written_so(tmp_path: Path) -> None:
    issued = leaf(Role.server)
    above = issued.above[0].public_bytes(Encoding.PEM)
    (tmp_path / "own.pem").write_bytes(trusted_pem(issued.der, [SERVER]) + above)
    (tmp_path / "own.key").write_bytes(issued.key_pem())
    server = ours.SSLContext(ours.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "own.pem", tmp_path / "own.key")
    client = standard.create_default_context(cadata=ROOT.pem().decode())
    pair = Memory(server, client).handshake()
    assert pair.client.getpeercert(True) == issued.der
