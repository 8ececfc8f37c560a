"""Which certificate is shown, by whom it is chosen, and when there is none to choose."""

from __future__ import annotations

import pytest

from postshake.config import Config
from postshake.constants import Role, SignatureScheme
from postshake.pki.choose import Wanted
from postshake.session import CertificateCredentials, SessionError, codes
from postshake.session import constants as c
from postshake.session.certificate_choice import CertificateChooser
from postshake.session.settings import SessionSettings
from tests.session.ends import authority, certificate

ECDSA = (SignatureScheme.ecdsa_secp256r1_sha256,)
SESSION = object()


def chooser(*names, flags=c.CLIENT):
    settings = SessionSettings(flags, Config())
    if names:
        settings.certificates = CertificateCredentials()
        for name, ca in names:
            settings.certificates.set_x509_key(certificate(name, ca=ca).credential())
    return settings, CertificateChooser(settings, lambda: SESSION)


def as_client(chooser, *authorities, post_handshake=True):
    wanted = Wanted(tuple(each.name for each in authorities), ECDSA)
    return chooser.choose(Role.client, wanted, None, post_handshake=post_handshake)


def test_without_credentials_a_client_declines_and_a_server_fails():
    _, nothing = chooser()
    assert as_client(nothing) is None
    with pytest.raises(SessionError) as caught:
        nothing.choose(Role.server, Wanted((), ECDSA), "server.example", post_handshake=False)
    assert caught.value.code == codes.E_INSUFFICIENT_CREDENTIALS


def test_the_only_certificate_is_shown_to_who_takes_it_or_if_it_is_forced():
    alice = certificate("alice").chain
    mine, other = authority(), authority("Another CA")
    _, only = chooser(("alice", "Test CA"))
    assert as_client(only).chain == as_client(only, mine).chain == alice
    assert as_client(only, other) is None
    _, forced = chooser(("alice", "Test CA"), flags=c.CLIENT | c.FORCE_CLIENT_CERT)
    assert as_client(forced, other).chain == alice


def test_the_first_authority_that_issued_something_decides():
    _, two = chooser(("alice", "Test CA"), ("bob", "Another CA"))
    mine, other = authority(), authority("Another CA")
    assert as_client(two) is None
    assert as_client(two, other, mine).chain == certificate("bob", ca="Another CA").chain
    assert as_client(two, mine, other).chain == certificate("alice").chain


def test_a_retrieve_function_gets_the_session_and_what_is_asked_for():
    settings, alone = chooser(("alice", "Test CA"))
    bob = certificate("bob").credential()
    asked = []
    settings.certificates.set_retrieve_function(lambda *each: asked.append(each) or bob)
    assert as_client(alone, authority(), post_handshake=False) is bob
    ((session, request),) = asked
    assert session is SESSION
    assert request.authorities == (authority().name,)
    assert request.signature_algorithms == ECDSA
    assert not request.post_handshake
