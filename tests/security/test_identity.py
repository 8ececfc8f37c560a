"""An identity is proven or it is absent.

`peer_identity` changes only after Certificate, CertificateVerify and Finished were all checked
and the chain was accepted. An identity counts as an authority's only where that authority's
signature was checked, as a server's only for the name that was expected, and for as long as
the certificate would be accepted.
"""

from __future__ import annotations

import pytest

from postshake import AuthRequest, ChainVerifier, TrustStore, UsageError
from postshake.constants import Role
from postshake.errors import NameMismatch, UnknownCA
from postshake.events import Outcome
from postshake.exported import ExportedAuthenticators
from postshake.pki.credential import Credential
from postshake.pki.identity import Identity
from postshake.pki.trust import PeerChain
from postshake.web import Policy
from tests.certs import CA, NOW, Issued
from tests.pair import ConnectionPair, client_config, issued, server_config, the_ca

# --- whose word an issuer's name is

STAFF = CA("Staff CA")


def pinned_guest() -> Issued:
    """A certificate that says it is of the staff's authority, which never saw it."""
    return CA("Staff CA").issue("mallory")


def guests(*pinned: bytes) -> ChainVerifier:
    """A verifier of a server that trusts two authorities, and single certificates beside."""
    return ChainVerifier(TrustStore([the_ca().der, STAFF.der, *pinned]))


def showing(credential: Credential, verifier: ChainVerifier) -> ConnectionPair:
    """A connection whose client has this credential."""
    return ConnectionPair(
        client_config(credentials=(credential,)), server_config(verifier=verifier)
    ).handshake()


def test_a_pinned_certificate_s_issuer_name_is_nobody_s_word() -> None:
    mallory = pinned_guest()
    pair = showing(mallory.credential(), guests(mallory.der))
    refused = pair.reauth(authorities=(STAFF.name,))
    assert refused.outcome is Outcome.REFUSED
    assert type(refused.error) is UnknownCA
    assert pair.server.connection.peer_identity is None
    # it is a guest, and as such it is welcome
    assert pair.reauth().outcome is Outcome.AUTHENTICATED
    own_name = mallory.certificate.subject.public_bytes()
    assert pair.reauth(authorities=(own_name,)).outcome is Outcome.AUTHENTICATED


def test_nor_is_an_intermediate_s_that_is_trusted_itself() -> None:
    below = CA("Staff CA").intermediate("Below")  # of somebody else's Staff CA
    eve = below.issue("eve")
    pair = showing(eve.credential(), guests(below.der))
    assert pair.reauth(authorities=(STAFF.name,)).outcome is Outcome.REFUSED
    assert pair.reauth(authorities=(below.name,)).outcome is Outcome.AUTHENTICATED


def test_who_was_issued_by_it_is_its() -> None:
    for member in (STAFF.issue("bob"), STAFF.intermediate("Office").issue("carol")):
        pair = showing(member.credential(), guests())
        assert pair.reauth(authorities=(STAFF.name,)).outcome is Outcome.AUTHENTICATED
        assert pair.reauth(authorities=(the_ca().name,)).outcome is Outcome.REFUSED


def test_exported_authenticators_say_the_same() -> None:
    mallory = pinned_guest()
    pair = showing(mallory.credential(), guests(mallory.der))
    client, server = (ExportedAuthenticators(end.connection) for end in (pair.client, pair.server))
    request = server.request(AuthRequest(authorities=(STAFF.name,)))
    with pytest.raises(UnknownCA):
        server.validate(request.context, client.authenticate(request.data, mallory.credential()))


def verified(who: Issued, verifier: ChainVerifier) -> Identity:
    """The identity that a client with this certificate has proven."""
    at = NOW.timestamp()
    path = verifier.verify(PeerChain(who.chain, Role.client, None, None, at))
    return Identity(who.chain, path.certificates, at)


def test_so_do_routes() -> None:
    mallory, bob = pinned_guest(), STAFF.issue("bob")
    staff_only = Policy.of([STAFF.certificate])
    assert not staff_only.is_met_by(verified(mallory, guests(mallory.der)))
    assert staff_only.is_met_by(verified(bob, guests()))


# --- which server it is


def test_a_server_s_exported_identity_is_for_the_name_that_was_expected() -> None:
    mallory = issued("mallory.example", "server").credential()
    pair = ConnectionPair().handshake()
    client, server = (ExportedAuthenticators(end.connection) for end in (pair.client, pair.server))
    with pytest.raises(UsageError, match="needs a server_name"):
        client.request()
    for name in ("server.example", "other.example"):
        request = client.request(server_name=name)
        with pytest.raises(NameMismatch):
            client.validate(request.context, server.authenticate(request.data, mallory))
    request = client.request(server_name="mallory.example")
    identity = client.validate(request.context, server.authenticate(request.data, mallory))
    assert identity is not None
    assert identity.chain == mallory.chain


def test_unless_the_client_checks_no_names_at_all() -> None:
    other = issued("other.example", "server").credential()
    pair = ConnectionPair(client_config("alice", check_server_name=False)).handshake()
    client, server = (ExportedAuthenticators(end.connection) for end in (pair.client, pair.server))
    request = client.request()
    answer = server.authenticate(request.data, other)
    assert client.validate(request.context, answer) is not None
    # a name that it gives is checked all the same
    request = client.request(server_name="server.example")
    with pytest.raises(NameMismatch):
        client.validate(request.context, server.authenticate(request.data, other))
