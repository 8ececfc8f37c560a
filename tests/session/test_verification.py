"""Who judges the peer, and what there is to be seen of it before anybody has."""

from __future__ import annotations

import pytest

from postshake.config import Config
from postshake.session import CertificateCredentials, Session, SessionError, codes
from postshake.session import constants as c
from postshake.session.settings import SessionSettings
from postshake.session.verification import PeerVerification
from tests.session.ends import Pair, Setup, authority, certificate


def test_before_there_is_a_connection():
    settings = SessionSettings(c.SERVER, Config())
    verification = PeerVerification(settings, handle=lambda: None)
    assert verification.chain() is verification.ocsp_response() is None
    assert verification.status == c.CERT_STATUS_UNKNOWN
    with pytest.raises(SessionError) as caught:
        verification.verify(None)
    assert caught.value.code == codes.E_INSUFFICIENT_CREDENTIALS
    settings.certificates = CertificateCredentials()
    with pytest.raises(SessionError) as caught:
        verification.verify(None)
    assert caught.value.code == codes.E_NO_CERTIFICATE_FOUND


def reauthenticated(prepare):
    """A server whose client showed alice's certificate; `prepare` says who judges it."""
    flags = c.POST_HANDSHAKE_AUTH | c.FORCE_CLIENT_CERT  # whatever authorities are named
    client = Setup(flags=flags, certificates=[certificate("alice")])
    pair = Pair("ours-ours", client, Setup(trust=[authority("Another CA")])).handshake()
    prepare(pair.server.it)
    return pair.reauth()[1], pair.server.it


def test_whoever_was_named_last_judges():
    """The credentials' function does in the end, where the session has none of its own."""
    seen: list[object] = []

    def by_credentials(session: Session) -> None:
        seen.append(session.certificate_get_peers())

    def function_then_chain(session: Session) -> None:
        session.set_verify_function(lambda _: seen.append("asked"))
        session.set_verify_cert()

    def chain_then_function(session: Session) -> None:
        session.set_verify_cert("somebody.else")
        session.set_verify_function(lambda _: seen.append("asked"))

    def chain_then_none(session: Session) -> None:
        found = CertificateCredentials()
        found.set_verify_function(by_credentials)
        session.credentials_set(found)
        session.set_verify_cert()
        session.set_verify_function(None)

    code, _ = reauthenticated(function_then_chain)
    assert (code, seen) == (codes.E_CERTIFICATE_VERIFICATION_ERROR, [])
    code, _ = reauthenticated(chain_then_function)
    assert (code, seen) == (0, ["asked"])
    seen.clear()
    code, _ = reauthenticated(chain_then_none)
    assert (code, seen) == (0, [certificate("alice").chain])


def test_what_was_refused_is_not_shown_as_the_peers():
    code, server = reauthenticated(lambda session: session.set_verify_cert())
    assert code == codes.E_CERTIFICATE_VERIFICATION_ERROR
    assert server.get_verify_cert_status() == c.CERT_INVALID | c.CERT_SIGNER_NOT_FOUND
    assert server.certificate_get_peers() is None
