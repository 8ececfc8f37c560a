from __future__ import annotations

import hashlib
import hmac

import pytest

from postshake.crypto.hkdf import expand_label, extract
from postshake.crypto.schedule import (
    EarlySecret,
    HandshakeSecret,
    MasterSecret,
    exporter,
    finished_mac,
    next_traffic_secret,
    resumption_psk,
    traffic_keys,
)
from postshake.crypto.suites import TLS13_SUITES, Suite
from postshake.errors import UsageError
from tests.vectors.rfc8448 import RESUMED, SIMPLE, TRACES, Trace

AES_128 = TLS13_SUITES[0x1301]
SECRET = bytes(range(32))
DIGEST = hashlib.sha256(b"messages").digest()

every_trace = pytest.mark.parametrize("trace", TRACES.values(), ids=TRACES)
every_suite = pytest.mark.parametrize("suite", TLS13_SUITES.values(), ids=str)


def walk(trace: Trace) -> tuple[EarlySecret, HandshakeSecret, MasterSecret]:
    early = EarlySecret("sha256", trace.secrets.get("psk"))
    handshake = early.with_shared_secret(trace.secrets["shared_secret"])
    return early, handshake, handshake.master()


@every_trace
def test_every_secret_of_rfc_8448(trace: Trace) -> None:
    early, handshake, master = walk(trace)
    methods = {
        "client_early_traffic_secret": early.client_early_traffic_secret,
        "early_exporter_master_secret": early.early_exporter_master_secret,
        "client_handshake_traffic_secret": handshake.client_handshake_traffic_secret,
        "server_handshake_traffic_secret": handshake.server_handshake_traffic_secret,
        "client_application_traffic_secret_0": master.client_application_traffic_secret_0,
        "server_application_traffic_secret_0": master.server_application_traffic_secret_0,
        "exporter_master_secret": master.exporter_master_secret,
        "resumption_master_secret": master.resumption_master_secret,
    }
    assert trace.digests.keys() <= methods.keys()
    for name, digest in trace.digests.items():
        assert methods[name](digest) == trace.secrets[name], name


@every_trace
def test_every_traffic_key_of_rfc_8448(trace: Trace) -> None:
    epochs = {
        "early": "early_traffic_secret",
        "handshake": "handshake_traffic_secret",
        "application": "application_traffic_secret_0",
    }
    for name, expected in trace.traffic_keys.items():
        owner, epoch = name.split("_")
        secret = trace.secrets[f"{owner}_{epochs[epoch]}"]
        assert traffic_keys(AES_128, secret) == expected, name


def test_the_binder_of_rfc_8448() -> None:
    binder = RESUMED.binder
    assert binder is not None
    key = EarlySecret("sha256", RESUMED.secrets["psk"]).binder_key(external=False)
    assert key == binder.binder_key
    assert finished_mac("sha256", key, binder.digest) == binder.binder


def test_the_ticket_of_rfc_8448_is_the_psk_that_resumes() -> None:
    ticket = SIMPLE.ticket
    assert ticket is not None
    master_secret = SIMPLE.secrets["resumption_master_secret"]
    psk = resumption_psk("sha256", master_secret, ticket.nonce)
    assert psk == ticket.psk == RESUMED.secrets["psk"]
    assert resumption_psk("sha256", master_secret, b"\x00\x01") != psk


def test_an_external_psk_has_a_binder_key_of_its_own() -> None:
    early = EarlySecret("sha256", SECRET)
    expected = expand_label(
        "sha256", extract("sha256", b"", SECRET), b"ext binder", hashlib.sha256(b"").digest(), 32
    )
    assert early.binder_key(external=True) == expected
    assert early.binder_key(external=False) != expected


@every_suite
def test_a_missing_input_is_zeros_of_the_hash_length(suite: Suite) -> None:
    name, zeros = suite.hash_name, bytes(suite.hash_length)
    digest = hashlib.new(name, b"messages").digest()
    assert EarlySecret(name).with_shared_secret(None).client_handshake_traffic_secret(
        digest
    ) == EarlySecret(name, zeros).with_shared_secret(zeros).client_handshake_traffic_secret(digest)
    # An empty secret is as good as zeros to HMAC; one octet more is not.
    assert EarlySecret(name, zeros + b"\x01").binder_key(external=True) != EarlySecret(
        name
    ).binder_key(external=True)


@every_suite
def test_without_a_psk_the_first_stage_is_a_constant(suite: Suite) -> None:
    name, digest = suite.hash_name, hashlib.new(suite.hash_name, b"messages").digest()
    stages = (
        HandshakeSecret.without_psk(name, b"shared"),
        EarlySecret(name).with_shared_secret(b"shared"),
    )
    one, other = (stage.master().exporter_master_secret(digest) for stage in stages)
    assert one == other
    assert (
        HandshakeSecret.without_psk(name, b"other").master().exporter_master_secret(digest) != one
    )


def test_psk_and_shared_secret_both_count() -> None:
    secrets = {
        EarlySecret("sha256", psk)
        .with_shared_secret(shared)
        .master()
        .exporter_master_secret(DIGEST)
        for psk in (None, SECRET)
        for shared in (None, SECRET)
    }
    assert len(secrets) == 4


def test_no_two_names_give_the_same_secret() -> None:
    early = EarlySecret("sha256")
    handshake = early.with_shared_secret(SECRET)
    master = handshake.master()
    derived = [
        early.binder_key(external=True),
        early.binder_key(external=False),
        early.client_early_traffic_secret(DIGEST),
        early.early_exporter_master_secret(DIGEST),
        handshake.client_handshake_traffic_secret(DIGEST),
        handshake.server_handshake_traffic_secret(DIGEST),
        master.client_application_traffic_secret_0(DIGEST),
        master.server_application_traffic_secret_0(DIGEST),
        master.exporter_master_secret(DIGEST),
        master.resumption_master_secret(DIGEST),
    ]
    assert len(set(derived)) == len(derived)
    assert {len(secret) for secret in derived} == {32}


@every_suite
def test_every_suite_gets_keys_of_its_lengths(suite: Suite) -> None:
    handshake = EarlySecret(suite.hash_name).with_shared_secret(SECRET)
    digest = hashlib.new(suite.hash_name, b"messages").digest()
    secret = handshake.client_handshake_traffic_secret(digest)
    key, iv = traffic_keys(suite, secret)
    assert (len(secret), len(key), len(iv)) == (suite.hash_length, suite.key_length, 12)
    assert len(finished_mac(suite.hash_name, secret, digest)) == suite.hash_length
    assert len(next_traffic_secret(suite.hash_name, secret)) == suite.hash_length


@every_suite
def test_a_key_update_moves_on(suite: Suite) -> None:
    name, secret = suite.hash_name, bytes(suite.hash_length)
    following = next_traffic_secret(name, secret)
    assert following == expand_label(name, secret, b"traffic upd", b"", suite.hash_length)
    assert traffic_keys(suite, following) != traffic_keys(suite, secret)


def test_finished_mac_is_an_hmac_under_the_finished_key() -> None:
    finished_key = expand_label("sha256", SECRET, b"finished", b"", 32)
    expected = hmac.new(finished_key, DIGEST, "sha256").digest()
    assert finished_mac("sha256", SECRET, DIGEST) == expected


@pytest.mark.parametrize("length", [1, 32, 33, 255 * 32])
def test_exporter(length: int) -> None:
    empty = hashlib.sha256(b"").digest()
    secret = expand_label("sha256", SECRET, b"EXPORTER-test", empty, 32)
    context_hash = hashlib.sha256(b"context").digest()
    expected = expand_label("sha256", secret, b"exporter", context_hash, length)
    assert exporter("sha256", SECRET, b"EXPORTER-test", b"context", length) == expected
    assert len(expected) == length


def test_an_exporter_that_cannot_be() -> None:
    with pytest.raises(UsageError, match="at most 8160 octets, not 8161"):
        exporter("sha256", SECRET, b"EXPORTER-test", b"", 255 * 32 + 1)
    with pytest.raises(UsageError, match="label"):
        exporter("sha256", SECRET, b"", b"", 32)


@every_trace
def test_no_repr_shows_a_secret(trace: Trace) -> None:
    for stage, name in zip(walk(trace), ("early", "handshake", "master"), strict=True):
        assert repr(stage) == f"<{type(stage).__name__} sha256>"
        assert stage._secret == trace.secrets[f"{name}_secret"]  # so there was one to hide
        assert not hasattr(stage, "__dict__")


def test_a_stage_cannot_be_skipped() -> None:
    assert not hasattr(EarlySecret("sha256"), "master")
    assert not hasattr(EarlySecret("sha256"), "client_handshake_traffic_secret")
    assert not hasattr(EarlySecret("sha256").with_shared_secret(SECRET), "exporter_master_secret")
