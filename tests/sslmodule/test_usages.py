"""What certificates may be used for, and how strong they are: where we differ, on purpose.

docs/ssl.md has the reasons.
"""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.certs import key_usage
from tests.sslmodule.ends import (
    MODULES,
    Memory,
    authority,
    client_context,
    files,
    folder,
    ours,
    server_context,
    standard,
)

ROLES_OF_PEERS = pytest.mark.parametrize("role", ["server", "client"])


def refusal(module: Any, role: str, prepare: Any = None, **options: Any) -> int | None:
    """With which number this module refuses a peer in that role; None if it believes it."""
    options = {"purpose": role} | options
    if role == "server":
        judging = client_context(module)
        judged = standard.SSLContext(standard.PROTOCOL_TLS_SERVER)
    else:
        judging = server_context(module)
        judging.verify_mode = standard.CERT_REQUIRED
        judged = client_context(standard, name=None)
    judged.set_ciphers("DEFAULT:@SECLEVEL=0")
    judged.load_cert_chain(*files("localhost" if role == "server" else "alice", **options))
    if prepare is not None:
        prepare(judging)
    both = Memory(*((judged, judging) if role == "server" else (judging, judged)))
    said = both.run(both.client.do_handshake, both.server.do_handshake)[role == "client"]
    return said if said is None else said.verify_code


def compare(role: str, prepare: Any = None, **options: Any) -> list[int | None]:
    return [refusal(module, role, prepare, **options) for module in MODULES.values()]


assert list(MODULES) == ["ours", "standard"]


@pytest.mark.parametrize("key_type", ["p256", "rsa2048"])
@pytest.mark.parametrize("allowed", ["key_encipherment", "key_agreement"])
def test_servers_that_may_not_sign(allowed: str, key_type: str) -> None:
    # docs/ssl.md: Keys that may not sign
    usage = key_usage(allowed)
    assert compare("server", usage=usage, key_type=key_type) == [26, None]


@ROLES_OF_PEERS
@pytest.mark.parametrize(
    "allowed",
    [("content_commitment",), ("data_encipherment",), ("digital_signature", "key_encipherment")],
)
def test_other_uses_of_a_key(role: str, allowed: tuple[str, ...]) -> None:
    ours_says, theirs = compare(role, usage=key_usage(*allowed))
    assert ours_says == theirs == (None if "digital_signature" in allowed else 26)


@ROLES_OF_PEERS
def test_any_purpose(role: str) -> None:
    # docs/ssl.md: Certificates for any purpose
    purposes = (ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)
    dns = ("localhost",) if role == "server" else ()
    assert compare(role, purpose=purposes, dns=dns) == [None, 26]


@ROLES_OF_PEERS
@pytest.mark.parametrize("purpose", [None, "both", "email"])
def test_other_purposes(role: str, purpose: str | None) -> None:
    ours_says, theirs = compare(role, purpose=purpose, dns=("localhost",))
    assert ours_says == theirs == (26 if purpose == "email" else None)


@pytest.mark.parametrize("level", [0, 1, 2])
def test_security_levels_below_2(level: int) -> None:
    """Held by "The names of the Python that it runs on": they allow no more than level 2."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    weak = authority().issue("alice", purpose="client", key=key).write(folder(), f"weak-{level}")
    said = []
    for module in (ours, standard):
        server = server_context(module)
        server.verify_mode = standard.CERT_REQUIRED
        server.set_ciphers(f"DEFAULT:@SECLEVEL={level}")
        client = client_context(standard, name=None)
        client.set_ciphers("DEFAULT:@SECLEVEL=0")
        client.load_cert_chain(*weak)
        both = Memory(server, client)
        said.append(both.run(both.client.do_handshake, both.server.do_handshake)[1])
    assert said[0].verify_code == 66
    assert getattr(said[1], "verify_code", None) == (66 if level == 2 else None)


def test_proxy_certificates() -> None:
    """Held by "What is not there": the flag may be set, and nothing comes of it."""

    def allow(context: Any) -> None:
        context.verify_flags |= standard.VERIFY_ALLOW_PROXY_CERTS

    information = x509.UnrecognizedExtension(  # RFC 3820: inheritAll
        x509.ObjectIdentifier("1.3.6.1.5.5.7.1.14"), bytes.fromhex("300c300a06082b06010505071501")
    )
    assert refusal(ours, "client", allow, extra=((information, True),)) == 34
