"""What follows from what a session was told."""

from __future__ import annotations

import pytest

from postshake.config import Config
from postshake.constants import CertificateCompressionAlgorithm, Role
from postshake.session import AntiReplay, CertificateCredentials, Session, SessionError, codes
from postshake.session import constants as c
from postshake.session.priority import parse_priorities
from postshake.session.settings import SessionSettings, compression_algorithms
from tests.pair import Clock
from tests.session.ends import authority, settings_of


def settings(flags=c.SERVER, **options):
    return SessionSettings(flags, Config(**options))


def test_the_role_is_in_the_flags():
    assert settings(c.SERVER).role is Role.server
    assert settings(c.CLIENT).role is Role.client
    for flags in (0, c.CLIENT | c.SERVER):
        with pytest.raises(SessionError, match="E_INVALID_REQUEST"):
            settings(flags)


def test_reauth_is_offered_by_who_could_answer():
    told = settings(c.CLIENT | c.POST_HANDSHAKE_AUTH)
    assert not told.offers_reauth
    told.certificates = CertificateCredentials()
    assert told.offers_reauth
    other = settings(c.CLIENT)
    other.certificates = told.certificates
    assert not other.offers_reauth


@pytest.mark.parametrize(
    ("flag", "option", "derived"),
    [
        (c.NO_TICKETS, "NO_TICKETS", "without_tickets"),
        (c.NO_TICKETS_TLS12, "NO_TICKETS_TLS12", "without_tickets12"),
        (c.NO_STATUS_REQUEST, "NO_STATUS_REQUEST", "without_ocsp"),
    ],
)
def test_a_flag_and_a_word_of_the_priorities_say_the_same(flag, option, derived):
    assert getattr(settings(c.SERVER | flag), derived)
    told = settings()
    assert not getattr(told, derived)
    told.priorities = parse_priorities("NORMAL")
    assert not getattr(told, derived)
    told.priorities = parse_priorities(f"NORMAL:%{option}")
    assert getattr(told, derived)


def test_authorities_are_named_unless_they_are_to_stay_unsaid():
    told = settings()
    assert told.authorities == ()
    told.certificates = CertificateCredentials()
    told.certificates.set_x509_trust([authority().certificate])
    assert told.authorities == (authority().name,)
    told.name_authorities = False
    assert told.authorities == ()


def test_early_data_is_allowed_where_somebody_looks_after_replay():
    assert settings(c.SERVER | c.ENABLE_EARLY_DATA).allowed_early_data == 0
    alone = settings(c.SERVER | c.ENABLE_EARLY_DATA | c.NO_REPLAY_PROTECTION)
    assert alone.replay_guard is not None
    assert alone.allowed_early_data == 16384
    guarded = settings(c.SERVER | c.ENABLE_EARLY_DATA)
    guarded.anti_replay = guard = AntiReplay()
    assert guarded.replay_guard is guard
    assert guarded.allowed_early_data == 16384
    not_asked = settings()
    not_asked.anti_replay = guard
    assert not_asked.allowed_early_data == 0


def test_the_window_of_replay_is_that_of_the_handshake():
    """As in GnuTLS, which keeps the object and reads its window then."""
    session = Session(c.SERVER | c.ENABLE_EARLY_DATA)
    told = settings_of(session)
    assert told.early_data_window == 10
    anti_replay = AntiReplay()
    session.anti_replay_enable(anti_replay)
    anti_replay.set_window(2500)
    assert told.early_data_window == 2.5


def test_the_time_of_a_handshake_begins_with_its_first_call():
    clock = Clock()
    told = settings(clock=clock)
    assert told.handshake_left() is None
    told.limit_handshake(3000)
    clock.now += 100
    assert told.handshake_left() == 3
    clock.now += 2
    assert told.handshake_left() == 1
    told.limit_handshake(c.DEFAULT_HANDSHAKE_TIMEOUT)
    assert told.handshake_left() == 40
    told.limit_handshake(c.INDEFINITE_TIMEOUT)
    assert told.handshake_left() is None


def test_numbers_of_compression():
    zlib = CertificateCompressionAlgorithm.zlib
    assert compression_algorithms([c.COMP_ZLIB]) == (zlib,)
    assert compression_algorithms([]) == ()
    with pytest.raises(SessionError) as caught:
        compression_algorithms([c.COMP_ZLIB, 99])
    assert caught.value.code == codes.E_INVALID_REQUEST
    assert "99" in str(caught.value)
