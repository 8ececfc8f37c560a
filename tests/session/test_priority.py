"""Priority strings: what they leave, and what is wrong with those that are wrong."""

from __future__ import annotations

import pytest

from postshake.constants import CipherSuite, NamedGroup, ProtocolVersion, SignatureScheme
from postshake.crypto.groups import supported_groups
from postshake.session import SessionError, codes
from postshake.session.priority import LEVELS, OPTIONS, parse_priorities
from tests.interop.versions import libgnutls_takes_srp
from tests.session.bridge import Gnutls, needs_libgnutls
from tests.session.ends import Pair, Setup, driver_of

AES128 = CipherSuite.TLS_AES_128_GCM_SHA256
AES256 = CipherSuite.TLS_AES_256_GCM_SHA384
CHACHA = CipherSuite.TLS_CHACHA20_POLY1305_SHA256


def test_normal_is_what_this_build_can_do():
    normal = parse_priorities("NORMAL")
    assert normal.versions == [ProtocolVersion.TLS13, ProtocolVersion.TLS12]
    assert normal.tls13_suites == (AES256, CHACHA, AES128)
    assert tuple(normal.groups) == supported_groups()
    assert SignatureScheme.ed25519 in normal.handshake_schemes
    assert SignatureScheme.rsa_pkcs1_sha256 in normal.signature_algorithms
    assert SignatureScheme.rsa_pkcs1_sha256 not in normal.handshake_schemes


@pytest.mark.parametrize("level", [level for level in LEVELS if level != "NONE"])
def test_every_level_leaves_something(level):
    assert parse_priorities(level).tls13_suites


@pytest.mark.parametrize("level", ["SECURE192", "SECURE256"])
def test_strong_levels_have_nothing_weaker(level):
    strong = parse_priorities(level)
    assert AES128 not in strong.tls13_suites
    assert NamedGroup.secp256r1 not in strong.groups
    assert SignatureScheme.ecdsa_secp256r1_sha256 not in strong.signature_algorithms
    assert SignatureScheme.ecdsa_secp384r1_sha384 in strong.handshake_schemes


def test_performance_prefers_the_short_key():
    assert parse_priorities("PERFORMANCE").tls13_suites[0] is AES128


def test_only_one_version():
    only = parse_priorities("NORMAL:-VERS-ALL:+VERS-TLS1.3")
    assert only.versions == [ProtocolVersion.TLS13]


def test_words_take_away_and_add_at_the_end():
    found = parse_priorities("NORMAL:-AES-256-GCM:!CHACHA20-POLY1305:+AES-256-GCM")
    assert found.tls13_suites == (AES128, AES256)
    found = parse_priorities("NORMAL:-GROUP-ALL:+GROUP-X448:+CURVE-X25519")
    assert found.groups == [NamedGroup.x448, NamedGroup.x25519]
    found = parse_priorities("NORMAL:-SIGN-ALL:+SIGN-EdDSA-Ed25519:+SIGN-RSA-SHA256")
    assert found.handshake_schemes == (SignatureScheme.ed25519,)
    assert SignatureScheme.rsa_pkcs1_sha256 in found.signature_algorithms
    found = parse_priorities("NORMAL:-KX-ALL:+ECDHE-PSK")
    assert found.key_exchanges == ["ECDHE-PSK"]


def test_from_nothing():
    text = (
        "NONE:+VERS-TLS1.3:+AES-128-GCM:+AEAD:+GROUP-SECP256R1:+SIGN-ECDSA-SECP256R1-SHA256:"
        "+CTYPE-X509:+COMP-NULL:%COMPAT"
    )
    found = parse_priorities(text)
    assert found.tls13_suites == (AES128,)
    assert found.options == {"COMPAT"}
    assert found.without_effect == ["+CTYPE-X509", "+COMP-NULL"]


@pytest.mark.parametrize("option", sorted(OPTIONS))
def test_options_are_taken(option):
    assert option in parse_priorities(f"NORMAL:%{option}").options


@pytest.mark.parametrize(
    ("text", "word", "position"),
    [
        ("", "''", 0),
        ("MEDIUM", "'MEDIUM'", 0),
        ("NORMAL:+GROUP-SECP256R2", "'+GROUP-SECP256R2'", 7),
        ("NORMAL:-VERS-ALL:VERS-TLS1.3", "'VERS-TLS1.3'", 17),
        ("NORMAL:%FASTER", "'%FASTER'", 7),
        ("NORMAL:+AES-128-GCM:", "''", 20),
        ("NORMAL::%COMPAT", "''", 7),
        ("NORMAL:+", "'+'", 7),
    ],
)
def test_a_wrong_word_is_named_with_its_position(text, word, position):
    with pytest.raises(SessionError) as caught:
        parse_priorities(text)
    assert caught.value.code == codes.E_INVALID_REQUEST
    assert f"{word} at position {position} is not" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["NONE", "NORMAL:-VERS-ALL", "NORMAL:-GROUP-ALL", "NORMAL:-CIPHER-ALL", "NORMAL:-AEAD",
     "NORMAL:-SIGN-ALL", "NORMAL:-SIGN-ALL:+SIGN-RSA-SHA256"],
)  # fmt: skip
def test_nothing_left(text):
    with pytest.raises(SessionError) as caught:
        parse_priorities(text)
    assert caught.value.code == codes.E_NO_PRIORITIES_WERE_SET


STRINGS = [
    "NORMAL",
    "PERFORMANCE",
    "PFS",
    "SECURE128",
    "SECURE192",
    "SECURE256",
    "NORMAL:-VERS-ALL:+VERS-TLS1.3",
    "NORMAL:-VERS-TLS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+CHACHA20-POLY1305",
    "NORMAL:-GROUP-ALL:+GROUP-X25519:+GROUP-X448:-SIGN-ALL:+SIGN-EdDSA-Ed25519",
    "NORMAL:+SRP:-RSA:+ANON-ECDH:%SERVER_PRECEDENCE:%PROFILE_MEDIUM",
    "NONE:+VERS-TLS1.3:+AES-256-GCM:+AEAD:+GROUP-ALL:+SIGN-ALL:+CTYPE-ALL:+KX-ALL",
]


@needs_libgnutls
@pytest.mark.parametrize("text", STRINGS)
def test_libgnutls_takes_the_same_strings(text):
    real = Gnutls()
    handle = real.gnutls_session_t()
    assert real.gnutls_init(handle, 2) == 0
    taken = "SRP" not in text or libgnutls_takes_srp()
    code = real.gnutls_priority_set_direct(handle, text)
    assert code == (0 if taken else codes.E_INVALID_REQUEST)
    parse_priorities(text)  # we pass over SRP, as over all that we do not speak


def test_a_session_negotiates_by_its_string():
    string = "NORMAL:-CIPHER-ALL:+CHACHA20-POLY1305:-GROUP-ALL:+GROUP-SECP384R1"
    pair = Pair("ours-ours", Setup(), Setup(priority=string)).handshake()
    established = driver_of(pair.server.it).connection.established
    assert established.suite.code == CHACHA
    assert established.group == NamedGroup.secp384r1


def test_tls_1_2_has_a_suite_for_each_cipher_and_key_exchange():
    rsa = parse_priorities("NORMAL:-CIPHER-ALL:+AES-128-GCM:+CHACHA20-POLY1305:-ECDHE-ECDSA")
    assert rsa.tls12_suites == (
        CipherSuite.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        CipherSuite.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    )
    assert ProtocolVersion.TLS12 in rsa.usable_versions


def test_tls_1_2_needs_a_key_exchange():
    none = "NORMAL:-ECDHE-ECDSA:-ECDHE-RSA"
    assert parse_priorities(none).usable_versions == (ProtocolVersion.TLS13,)
    with pytest.raises(SessionError, match="no protocol version"):
        parse_priorities(f"{none}:-VERS-TLS1.3")


GROUP_WORDS = {
    "SECP256R1": NamedGroup.secp256r1,
    "SECP384R1": NamedGroup.secp384r1,
    "SECP521R1": NamedGroup.secp521r1,
    "X25519": NamedGroup.x25519,
    "X448": NamedGroup.x448,
    "X25519-MLKEM768": NamedGroup.X25519MLKEM768,
    "SECP256R1-MLKEM768": NamedGroup.SecP256r1MLKEM768,
    "SECP384R1-MLKEM1024": NamedGroup.SecP384r1MLKEM1024,
}
"""As GnuTLS calls them, in builds that have them (lib/algorithms/groups.c)."""


def test_every_group_that_we_have_has_a_word():
    assert set(supported_groups()) <= set(GROUP_WORDS.values())
    for word, group in GROUP_WORDS.items():
        if group in supported_groups():
            for kind in ("GROUP", "CURVE"):
                found = parse_priorities(f"NORMAL:-{kind}-ALL:+{kind}-{word}")
                assert found.groups == [group]
