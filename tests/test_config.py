"""Policies refuse what makes no sense, and never change afterwards."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from postshake.config import AuthRequest, ClientAuth, ClientConfig, Config, Refusal, ServerConfig
from postshake.constants import CipherSuite, NamedGroup
from postshake.crypto.groups import supported_groups
from postshake.errors import UsageError
from tests.pair import client_config, issued, server_config, the_ca

SERVER = {"credentials": (issued("server.example", "server").credential(),)}
CLIENT = {"verifier": the_ca().verifier()}


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"cipher_suites": ()}, "config.cipher_suites is empty"),
        ({"groups": ()}, "config.groups is empty"),
        ({"signature_algorithms": ()}, "config.signature_algorithms is empty"),
        ({"cipher_suites": (0x1304,)}, "config.cipher_suites has 0x1304"),
        (
            {"cipher_suites": (0x1301, CipherSuite.TLS_FALLBACK_SCSV)},
            "config.cipher_suites has TLS_FALLBACK_SCSV",
        ),
        ({"groups": (NamedGroup.x25519, NamedGroup.ffdhe2048)}, "config.groups has ffdhe2048"),
        ({"groups": (0x0A0A,)}, "config.groups has 0x0a0a"),
        ({"record_size_limit": 63}, "config.record_size_limit is 63; RFC 8449 allows 64 to 16385"),
        ({"record_size_limit": 2**14 + 2}, "config.record_size_limit is 16386"),
        ({"alpn_protocols": (b"",)}, "config.alpn_protocols: b'' is not"),
        ({"alpn_protocols": (b"h2", b"x" * 256)}, "config.alpn_protocols"),
        ({"alpn_protocols": ("h2",)}, "config.alpn_protocols: 'h2' is not 1 to 255 bytes"),
        ({"signature_algorithms": (0x0A0A,)}, "config.signature_algorithms has 0x0a0a, which we"),
        ({"signature_algorithms": (0x0401,)}, "config.signature_algorithms has rsa_pkcs1_sha256"),
        ({"signature_algorithms12": (0x0904,), "versions": (0x0303,)}, "algorithms12 has mldsa44"),
        ({"signature_algorithms_cert": (0x0201,)}, "config.signature_algorithms_cert has"),
        ({"psk_modes": (7,)}, "config.psk_modes has 0x0007"),
        ({"cipher_suites": ("TLS_AES_128_GCM_SHA256",)}, "has 'TLS_AES_128_GCM_SHA256', which"),
    ],
)
@pytest.mark.parametrize("make", [client_config, server_config])
def test_what_neither_may_be(make: Any, fields: dict[str, Any], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        make(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"record_size_limit": 64},
        {"record_size_limit": 2**14 + 1},
        {"alpn_protocols": (b"x", b"y" * 255)},
        {"groups": supported_groups()[::-1]},
    ],
)
@pytest.mark.parametrize("make", [client_config, server_config])
def test_what_both_may_be(make: Any, fields: dict[str, Any]) -> None:
    config = make(**fields)
    for name, value in fields.items():
        assert getattr(config, name) == value


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"verifier": None}, "a client needs config.verifier"),
        ({"key_shares": -1}, "config.key_shares is -1"),
        ({"max_fragment_length": 100}, "config.max_fragment_length is 100; RFC 6066 allows"),
    ],
)
def test_what_a_client_may_not_be(fields: dict[str, Any], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        ClientConfig(**(CLIENT | fields))


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"credentials": ()}, "a server needs config.credentials, or pre-shared keys"),
        ({"client_auth": ClientAuth.REQUEST}, "config.client_auth asks .* no verifier"),
        ({"client_auth": ClientAuth.REQUIRE}, "config.client_auth asks .* no verifier"),
    ],
)
def test_what_a_server_may_not_be(fields: dict[str, Any], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        ServerConfig(**(SERVER | fields))


def test_least_of_all() -> None:
    """What a configuration is without a word more than it needs."""
    client, server = ClientConfig(**CLIENT), ServerConfig(**SERVER)
    for config in (client, server):
        assert config.groups == supported_groups()
        assert config.cipher_suites == (0x1301, 0x1302, 0x1303)
        assert set(config.signature_algorithms) < set(config.signature_algorithms_cert)
        assert config.reauth_forbidden_alpn == {b"h2", b"h3"}
        assert config.keylog is config.trace is config.padding is None
        assert len(config.random(5)) == 5
        assert config.random(16) != config.random(16)
        assert config.wall_clock() > 1e9
    assert client.post_handshake_auth
    assert client.middlebox_compatibility
    assert client.check_server_name
    assert server.client_auth is ClientAuth.NONE
    assert not server.allow_identity_change
    assert AuthRequest().required
    assert AuthRequest().on_refusal is Refusal.KEEP


@pytest.mark.parametrize("config", [client_config(), server_config(), AuthRequest()])
def test_they_are_frozen(config: Config | AuthRequest) -> None:
    name = dataclasses.fields(config)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(config, name, None)


def test_arguments_have_names() -> None:
    for kind in (ClientConfig, ServerConfig, AuthRequest):
        with pytest.raises(TypeError):
            kind(())  # type: ignore[call-arg]


def test_observers_are_not_shown() -> None:
    """Whoever has the key log reads all: a repr should not lead there."""
    text = repr(client_config(keylog=print, trace=print))
    assert "keylog" not in text
    assert "trace" not in text


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"signature_algorithms": ()}, "request.signature_algorithms is empty"),
        ({"signature_algorithms_cert": ()}, "request.signature_algorithms_cert is empty"),
        ({"authorities": (b"0\0", b"")}, "request.authorities"),
        ({"oid_filters": ((b"not DER", b""),)}, "request.oid_filters"),
    ],
)
def test_what_a_request_may_not_be(fields: dict[str, Any], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        AuthRequest(**fields)
