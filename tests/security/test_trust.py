"""Trust can be taken back.

A verifier's anchors, lists and settings can be replaced while connections live. Every verdict goes
by what there was when it began: on new connections, on sessions that are resumed, on requests.
What was remembered from before then counts no more. Threads that share a verifier see each
certificate whole or not at all. Who was proven already stays proven until its connection ends, or
is asked again.
"""

from __future__ import annotations

import ssl as standard
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

import postshake.ssl as ours
from postshake import ChainVerifier, Connection, ProtocolVersion, TrustStore
from postshake.config import ClientAuth
from postshake.constants import Role
from postshake.errors import (
    BadCertificate,
    CertificateError,
    PostshakeError,
    UnknownCA,
    WeakKey,
)
from postshake.events import Outcome
from postshake.session import CertificateCredentials
from postshake.ssl.engine_settings import engine_settings
from tests.certs import CA, DAY, NOW, peer
from tests.interleaving import interleave
from tests.pair import ConnectionPair, client_config, issued, server_config, the_ca
from tests.resuming import NAME, Today, resuming
from tests.revoking import make_list
from tests.sslmodule.ends import Memory, authority, client_context, server_context

OTHER = CA("Other CA")
ALICE = issued("alice")
SETTINGS: dict[str, tuple[Callable[[ChainVerifier], None], type[CertificateError]]] = {
    "other anchors": (lambda verifier: verifier.replace(OTHER.trust()), UnknownCA),
    "other anchors, assigned": (
        lambda verifier: setattr(verifier, "trust", OTHER.trust()),
        UnknownCA,
    ),
    "nobody": (lambda verifier: verifier.replace(TrustStore()), UnknownCA),
    "longer keys": (lambda verifier: setattr(verifier, "minimum_rsa_bits", 3072), WeakKey),
    "shorter chains": (lambda verifier: setattr(verifier, "max_depth", 0), BadCertificate),
}
BOTH = pytest.mark.parametrize(
    "version", [ProtocolVersion.TLS13, ProtocolVersion.TLS12], ids=lambda each: each.name
)
MEMBER = the_ca().intermediate("Between").issue("member", key_type="rsa2048").credential()


def visiting(verifier: ChainVerifier, version: ProtocolVersion, **server: Any) -> ConnectionPair:
    """A client with a certificate of an authority below the one that is trusted at first."""
    return ConnectionPair(
        client_config(credentials=(MEMBER,), versions=(version,)),
        server_config(verifier=verifier, versions=(version,), **server),
    )


@BOTH
@pytest.mark.parametrize("change", SETTINGS)
def test_the_next_connection(change: str, version: ProtocolVersion) -> None:
    verifier = the_ca().verifier()
    make, error = SETTINGS[change]
    options: dict[str, Any] = {
        "client_auth": ClientAuth.REQUIRE,
        "client_auth12": ClientAuth.REQUIRE,
    }
    for _ in range(2):  # the second time from memory
        assert visiting(verifier, version, **options).handshake()
    make(verifier)
    pair = visiting(verifier, version, **options)
    with pytest.raises(PostshakeError):
        pair.handshake()
    assert type(pair.server.error) is error
    assert pair.server.connection.peer_identity is None


@pytest.mark.parametrize("change", SETTINGS)
def test_the_next_request_on_a_connection_that_lives(change: str) -> None:
    verifier = the_ca().verifier()
    pair = visiting(verifier, ProtocolVersion.TLS13).handshake()
    proven = pair.reauth()
    assert proven.outcome is Outcome.AUTHENTICATED
    SETTINGS[change][0](verifier)
    assert pair.server.connection.peer_identity is proven.identity  # it was proven when it was
    refused = pair.reauth()
    assert refused.outcome is Outcome.REFUSED
    assert refused.identity is None


@BOTH
def test_the_next_resumption(version: ProtocolVersion) -> None:
    """A client that has to show a certificate cannot bring the proof of before."""
    verifier = the_ca().verifier()
    client = client_config("alice", versions=(version,))
    server = server_config(
        verifier=verifier,
        client_auth=ClientAuth.REQUIRE,
        client_auth12=ClientAuth.REQUIRE,
        versions=(version,),
        tickets=1,
    )

    def come_back() -> ConnectionPair:
        before = ConnectionPair(client, server).handshake().client.connection
        session = before.tickets[-1] if before.tickets else before.session12
        assert session is not None
        pair = ConnectionPair(client, server)
        pair.client.connection = Connection(client, NAME, session=session)
        return pair

    pair = come_back().handshake()
    assert pair.server.connection.established is not None
    assert pair.server.connection.established.resumed
    assert pair.server.connection.peer_identity is not None
    pair = come_back()
    verifier.replace(OTHER.trust())
    with pytest.raises(PostshakeError):
        pair.handshake()
    assert isinstance(pair.server.error, UnknownCA)
    assert pair.server.connection.peer_identity is None


def test_a_client_goes_on_with_no_server_that_it_trusts_no_more() -> None:
    verifier = the_ca().verifier()
    today = Today(client={"verifier": verifier})
    _, ticket = today.session()
    verifier.replace(OTHER.trust())
    pair = resuming(ticket, client=today.client, server=today.server)
    with pytest.raises(PostshakeError):
        pair.handshake()
    assert isinstance(pair.client.error, UnknownCA)


def test_and_whom_it_trusts_again() -> None:
    verifier = the_ca().verifier()
    asked = peer(ALICE)
    verifier.verify(asked)
    for _ in range(3):
        verifier.replace(OTHER.trust())
        with pytest.raises(UnknownCA):
            verifier.verify(asked)
        verifier.replace(the_ca().trust(OTHER))
        assert verifier.verify(asked)
        assert verifier.verify(peer(OTHER.issue()))


# --- threads


def test_a_verdict_that_comes_late_is_of_its_time() -> None:
    """Whatever the turns: once the anchors are replaced, nobody of before is believed."""
    for seed in range(100):
        verifier = the_ca().verifier()
        found, _, again = interleave(
            [
                partial(verifier.verify, peer(ALICE)),
                partial(verifier.replace, OTHER.trust()),
                partial(verifier.verify, peer(ALICE)),
            ],
            seed,
        )
        for each in (found, again):
            assert isinstance(each, UnknownCA) or each.certificates[-1] == the_ca().der
        with pytest.raises(UnknownCA):
            verifier.verify(peer(ALICE))


def test_a_constraint_is_never_overlooked_for_a_moment() -> None:
    root = CA("Constrained", permitted=[x509.DNSName("corp.example")])
    forbidden = peer(root.issue("www.bank.example", purpose="server"), Role.server)
    allowed = peer(root.issue("www.corp.example", purpose="server"), Role.server)
    for seed in range(150):
        verifier = root.verifier()
        runs = [partial(verifier.verify, each) for each in (forbidden, allowed, forbidden)]
        first, second, third = interleave(runs, seed)
        assert isinstance(first, BadCertificate)
        assert isinstance(third, BadCertificate)
        assert second.certificates[-1] == root.der


def test_real_threads_find_nothing_half_done() -> None:
    root = CA("Constrained", permitted=[x509.DNSName("corp.example")])
    forbidden = peer(root.issue("www.bank.example", purpose="server"), Role.server)
    for _ in range(40):
        verifier = root.verifier()
        together = threading.Barrier(4)
        found: list[Any] = []

        def run(verifier: ChainVerifier = verifier, together: Any = together) -> None:
            together.wait()
            try:
                found.append(verifier.verify(forbidden))  # noqa: B023
            except CertificateError as error:
                found.append(error)  # noqa: B023

        threads = [threading.Thread(target=run) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all(isinstance(each, BadCertificate) for each in found)


def test_two_who_trust_more_are_both_heard() -> None:
    """Credentials of `Session`, to which threads add authorities."""
    cas = [CA(f"CA {index}") for index in range(3)]
    for seed in range(10):  # each turn that a lock stops takes its time
        credentials = CertificateCredentials()
        results = interleave(
            [partial(credentials.set_x509_trust, [ca.certificate]) for ca in cas], seed
        )
        assert results == [1, 1, 1]
        assert len(credentials.trust) == 3
        for ca in cas:
            assert credentials.verifier.verify(peer(ca.issue()))


# --- the drop-in


def ask(pair: Memory) -> None:
    """Let the server ask for a certificate, and read what comes with the answer."""
    pair.server.verify_client_post_handshake()
    pair.server.write(b"?")
    pair.move()
    assert pair.client.read(1) == b"?"
    pair.client.write(b"!")
    pair.move()
    assert pair.server.read(1) == b"!"
    with pytest.raises(standard.SSLWantReadError):
        pair.server.read(1)


def test_an_authority_that_a_context_learns_of_later(tmp_path: Path) -> None:
    """A connection was made before; OpenSSL asks the context's store at the time of asking."""
    newcomer = CA("New CA")
    (tmp_path / "new.pem").write_bytes(newcomer.pem())
    files = newcomer.issue("bob").write(tmp_path, "bob")
    for module in (standard, ours):
        server = server_context(module, asks_later=True)
        client = client_context(module, name=None)
        client.load_cert_chain(*files)
        pair = Memory(server, client).handshake()
        server.load_verify_locations(tmp_path / "new.pem")
        ask(pair)
        assert dict(pair.server.getpeercert()["subject"][0]) == {"commonName": "bob"}


def test_a_list_that_a_context_learns_of_later(tmp_path: Path) -> None:
    """The client's certificate is revoked while its connection lives."""
    mallory = authority().issue("mallory")
    files = mallory.write(tmp_path, "mallory")
    nobody, revoking = tmp_path / "nobody.pem", tmp_path / "revoking.pem"
    pem = Encoding.PEM
    nobody.write_bytes(make_list(authority(), since=NOW - 2 * DAY).public_bytes(pem))
    revoking.write_bytes(make_list(authority(), mallory).public_bytes(pem))
    server = server_context(ours, asks_later=True)
    server.verify_flags |= standard.VerifyFlags.VERIFY_CRL_CHECK_LEAF
    server.load_verify_locations(nobody)
    client = client_context(ours, name=None)
    client.load_cert_chain(*files)
    pair = Memory(server, client).handshake()
    ask(pair)
    assert pair.server.getpeercert(True) is not None
    server.load_verify_locations(revoking)
    with pytest.raises(standard.SSLError, match="certificate revoked"):
        ask(pair)


def test_contexts_and_threads(tmp_path: Path) -> None:
    """Connections are made while authorities are added; each of them learns of all."""
    cas = [CA(f"CA {index}") for index in range(2)]
    for index, ca in enumerate(cas):
        (tmp_path / f"{index}.pem").write_bytes(ca.pem())
    for seed in range(10):
        context = ours.SSLContext(ours.PROTOCOL_TLS_CLIENT)
        find = engine_settings(context).find_verifier
        verifiers = interleave(
            [
                partial(find, int(context.verify_flags), True, context.security_level),
                partial(context.load_verify_locations, tmp_path / "0.pem"),
                partial(find, int(context.verify_flags), True, context.security_level),
                partial(context.load_verify_locations, tmp_path / "1.pem"),
            ],
            seed,
        )
        assert verifiers[1] is verifiers[3] is None
        for verifier in (verifiers[0], verifiers[2]):
            for ca in cas:
                assert verifier.verify(peer(ca.issue("a.example", purpose="server"), Role.server))
