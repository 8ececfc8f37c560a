"""Handshakes and step-ups with RSASSA-PSS keys that have parameters (§4.2.3, RFC 4055)."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from postshake.config import ClientAuth, ClientConfig
from postshake.constants import ProtocolVersion, SignatureScheme
from postshake.errors import IllegalParameter, NegotiationError
from postshake.events import ReauthCompleted
from postshake.pki.credential import Credential, LocalSigner
from tests.certs import restricted_key
from tests.pair import ConnectionPair, client_config, server_config, the_ca

VERSIONS = [ProtocolVersion.TLS13, ProtocolVersion.TLS12]
every_version = pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
Scheme = SignatureScheme


@cache
def restricted(purpose: str, hash_name: str = "sha512", salt_length: int = 64) -> Any:
    name = "server.example" if purpose == "server" else "alice"
    key = restricted_key(hash_name, None, salt_length)
    return the_ca().issue(name, purpose=purpose, key=key)


def breaking(purpose: str) -> Credential:
    """A credential whose owner does not care what its certificate says."""
    issued = restricted(purpose)
    credential = Credential(issued.chain, LocalSigner(issued.private_key.key, pss_key=True))
    cheat = (Scheme.rsa_pss_pss_sha256,)
    credential.__dict__.update(schemes=cheat, schemes12=cheat)
    return credential


def pair_of(
    version: ProtocolVersion, *, client: Credential | None = None, server: Credential | None = None
) -> ConnectionPair:
    """The client is asked for a certificate, if it has one."""
    fields: dict[str, Any] = {"client_auth": ClientAuth.REQUEST if client else ClientAuth.NONE}
    if server is not None:
        fields["credentials"] = (server,)
    credentials = (client,) if client is not None else ()
    return ConnectionPair(
        client_config(credentials=credentials, versions=(version,)),
        server_config(versions=(version,), **fields),
    )


def accepting(version: ProtocolVersion, *schemes: SignatureScheme) -> ClientConfig:
    """A client that takes these signatures in a handshake, and the authority's own."""
    taken = (*schemes, Scheme.ecdsa_secp256r1_sha256)
    return client_config(
        versions=(version,), signature_algorithms=taken, signature_algorithms12=taken
    )


def start(pair: ConnectionPair) -> ConnectionPair:
    """Begin a handshake that will fail."""
    pair.client.connection.start()
    pair.server.connection.start()
    pair.move()
    return pair


@every_version
@pytest.mark.parametrize("hash_name", ["sha256", "sha384", "sha512"])
def test_a_server_signs_by_its_parameters(version, hash_name):
    credential = restricted("server", hash_name, 0).credential()
    pair = pair_of(version, server=credential).handshake()
    assert pair.client.connection.peer_identity is not None
    signed = [scheme.name for scheme in credential.schemes]
    assert signed == [f"rsa_pss_pss_{hash_name}"]


@every_version
@pytest.mark.parametrize("hash_name", ["sha256", "sha384", "sha512"])
def test_a_client_signs_by_its_parameters(version, hash_name):
    credential = restricted("client", hash_name, 0).credential()
    pair = pair_of(version, client=credential).handshake()
    identity = pair.server.connection.peer_identity
    assert identity is not None
    assert identity.common_name == "alice"


@every_version
def test_a_server_that_does_not_is_refused(version):
    pair = start(pair_of(version, server=breaking("server")))
    assert isinstance(pair.client.error, IllegalParameter)
    assert "rsa_pss_pss_sha256 does not fit" in str(pair.client.error)
    assert pair.client.connection.peer_identity is None


@every_version
def test_a_client_that_does_not_is_refused(version):
    pair = start(pair_of(version, client=breaking("client")))
    assert isinstance(pair.server.error, IllegalParameter)
    assert "rsa_pss_pss_sha256 does not fit" in str(pair.server.error)
    assert pair.server.connection.peer_identity is None


def test_a_step_up():
    pair = ConnectionPair(
        client_config(credentials=(restricted("client").credential(),)), server_config()
    ).handshake()
    completed = pair.reauth()
    assert completed.identity is not None
    assert completed.identity.common_name == "alice"


def test_a_step_up_that_breaks_them_is_refused():
    pair = ConnectionPair(
        client_config(credentials=(breaking("client"),)), server_config()
    ).handshake()
    pair.ask()
    pair.answer_all()
    pair.move()
    assert isinstance(pair.server.error, IllegalParameter)
    assert not pair.server.of(ReauthCompleted)
    assert pair.server.connection.peer_identity is None


@every_version
def test_a_server_without_a_scheme_in_common_says_so(version):
    """It has SHA-512 alone to sign with, and the client takes SHA-256."""
    config = accepting(version, Scheme.rsa_pss_pss_sha256, Scheme.ed25519)
    credential = restricted("server").credential()
    settings = server_config(versions=(version,), credentials=(credential,))
    pair = start(ConnectionPair(config, settings))
    assert isinstance(pair.server.error, NegotiationError)


@every_version
def test_the_credential_whose_parameters_fit_is_chosen(version):
    config = accepting(version, Scheme.rsa_pss_pss_sha256, Scheme.rsa_pss_pss_sha384)
    both = tuple(restricted("server", each, 32).credential() for each in ("sha512", "sha384"))
    pair = ConnectionPair(config, server_config(versions=(version,), credentials=both)).handshake()
    identity = pair.client.connection.peer_identity
    assert identity is not None
    assert identity.chain == both[1].chain
