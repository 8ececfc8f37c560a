"""Revocation: lists that were loaded, responses that were stapled."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from postshake.constants import AlertDescription, Role
from postshake.errors import CertificateRevoked, CertificateUnknown, UsageError
from postshake.pki.ocsp import Finding, Standing, read_response
from postshake.pki.revocation import Require, Revocation, UnusableList
from postshake.pki.trust import ChainVerifier, PeerChain, TrustStore
from tests.certs import CA, DAY, NOW, Issued, key_usage, new_key, peer
from tests.revoking import SINCE, join_responses, make_list, make_response

ROOT = CA("Root")
BELOW = ROOT.intermediate("Below")
ALICE, BOB = BELOW.issue("alice"), BELOW.issue("bob")
DIRECT = ROOT.issue("direct")
BELOW_ISSUED = Issued(BELOW.certificate, BELOW.private_key)
EVERYTHING = Require.CHAIN
UNKNOWN = (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0"), True)


def check(
    who: Issued = ALICE,
    *lists: x509.CertificateRevocationList,
    require: Require = Require.NOTHING,
    stapled: bytes | None = None,
    at: datetime.datetime = NOW,
) -> None:
    """Ask a verifier that knows these lists."""
    verifier = ChainVerifier(ROOT.trust(), revocation=Revocation(lists, require=require))
    asked = peer(who, at=at)
    verifier.verify(PeerChain(asked.certificates, asked.role, asked.server_name, stapled, asked.at))


# --- lists


def test_who_is_in_no_list_is_believed() -> None:
    check(ALICE)
    check(ALICE, make_list(BELOW, BOB), make_list(ROOT, DIRECT))
    check(ALICE, make_list(BELOW, BOB), make_list(ROOT, DIRECT), require=EVERYTHING)


def test_who_was_revoked_is_not() -> None:
    revoked = make_list(BELOW, BOB, ALICE, reason=x509.ReasonFlags.key_compromise)
    with pytest.raises(CertificateRevoked) as caught:
        check(ALICE, revoked)
    assert caught.value.alert is AlertDescription.certificate_revoked
    assert "certificate 'CN=alice' was revoked on" in str(caught.value)
    assert "keyCompromise" in str(caught.value)


def test_nor_is_who_has_it_from_one_that_was() -> None:
    with pytest.raises(CertificateRevoked, match="'CN=Below' was revoked"):
        check(ALICE, make_list(ROOT, BELOW_ISSUED))


def test_a_remembered_chain_is_looked_up_again() -> None:
    revocation = Revocation([make_list(BELOW)])
    verifier = ChainVerifier(ROOT.trust(), revocation=revocation)
    verifier.verify(peer(ALICE))
    revocation.replace([make_list(BELOW, ALICE)])
    with pytest.raises(CertificateRevoked):
        verifier.verify(peer(ALICE))
    revocation.replace([])
    verifier.verify(peer(ALICE))


BAD_LISTS: dict[str, tuple[dict[str, Any], str]] = {
    "expired": ({"since": NOW - 3 * DAY, "until": NOW - 2 * DAY}, "has expired"),
    "of tomorrow": ({"since": NOW + DAY, "until": NOW + 2 * DAY}, "is of tomorrow"),
    "signed by another key": ({"signed_by": new_key()}, "not signed by its issuer"),
    "signed by a key of another kind": ({"signed_by": new_key("ed25519")}, "not signed"),
}


@pytest.mark.parametrize("bad", BAD_LISTS)
def test_a_list_that_will_not_do(bad: str) -> None:
    options, why = BAD_LISTS[bad]
    useless = make_list(BELOW, BOB, **options)
    check(ALICE, useless)
    with pytest.raises(CertificateUnknown, match=why) as caught:
        check(ALICE, useless, require=Require.LEAF)
    assert caught.value.alert is AlertDescription.certificate_unknown


def test_what_was_revoked_stays_so_when_the_list_grows_old() -> None:
    old = make_list(BELOW, ALICE, since=NOW - 3 * DAY, until=NOW - 2 * DAY)
    with pytest.raises(CertificateRevoked):
        check(ALICE, old)


def test_a_forged_list_revokes_nobody() -> None:
    check(ALICE, make_list(BELOW, ALICE, signed_by=new_key()))


def test_an_authority_without_the_right_to_sign_lists_signs_none() -> None:
    issuer = ROOT.intermediate("Silent", usage=key_usage("key_cert_sign"))
    carol = issuer.issue("carol")
    check(carol, make_list(issuer, carol))
    with pytest.raises(CertificateUnknown, match="signed by a key that may not sign any"):
        check(carol, make_list(issuer), require=Require.LEAF)


def test_the_newest_list_counts() -> None:
    old = make_list(BELOW, ALICE, since=NOW - 2 * DAY)
    check(ALICE, old, make_list(BELOW))
    check(ALICE, make_list(BELOW), old)


def test_a_namesake_s_list_does_not_hide_the_issuer_s() -> None:
    """Two authorities of one name, as after a change of keys: each signs for its own."""
    namesake = ROOT.intermediate("Below")
    newer = make_list(namesake, BOB, since=NOW)
    with pytest.raises(CertificateRevoked):
        check(ALICE, newer, make_list(BELOW, ALICE))
    check(ALICE, newer, make_list(BELOW), require=Require.LEAF)
    tomorrow = make_list(BELOW, since=NOW + DAY, until=NOW + 2 * DAY)
    with pytest.raises(CertificateRevoked):
        check(ALICE, tomorrow, make_list(BELOW, ALICE))


def test_which_have_to_be_known() -> None:
    leaf, chain = make_list(BELOW), make_list(ROOT)
    check(ALICE, leaf, require=Require.LEAF)
    check(ALICE, leaf, chain, require=Require.CHAIN)
    for lists, require in (((), Require.LEAF), ((chain,), Require.LEAF), ((leaf,), Require.CHAIN)):
        with pytest.raises(CertificateUnknown, match="no revocation list of its issuer"):
            check(ALICE, *lists, require=require)


# --- who is trusted without an issuer


def pinned(
    who: Issued, *lists: x509.CertificateRevocationList, others: tuple[CA, ...] = (), **options: Any
) -> None:
    """Ask a verifier that trusts this certificate itself, and some authorities."""
    trust = TrustStore([who.der, *(ca.der for ca in others)])
    asked = PeerChain(
        options.pop("chain", (who.der,)),
        Role.client,
        None,
        options.pop("stapled", None),
        NOW.timestamp(),
    )
    ChainVerifier(trust, revocation=Revocation(lists, **options)).verify(asked)


def test_a_pinned_certificate_is_looked_up_too() -> None:
    """Whoever signed it may revoke it: another anchor, or whom the peer or we know."""
    erin = ROOT.issue("erin")
    revoked, empty = make_list(ROOT, erin), make_list(ROOT, DIRECT)
    known: list[dict[str, Any]] = [
        {"others": (ROOT,)},
        {"issuers": [ROOT.certificate]},
        {"chain": (erin.der, ROOT.der)},
    ]
    for how in known:
        pinned(erin, empty, require=EVERYTHING, **how)
        with pytest.raises(CertificateRevoked):
            pinned(erin, revoked, **how)
    namesake = CA("Root")
    pinned(erin, make_list(namesake, erin), others=(namesake,))
    for how in ({}, {"others": (namesake,)}):
        with pytest.raises(CertificateUnknown):
            pinned(erin, empty, require=Require.LEAF, **how)
    with pytest.raises(CertificateRevoked):
        pinned(erin, stapled=make_response(ROOT, erin, "revoked"), others=(ROOT,))
    good = make_response(ROOT, erin)
    pinned(erin, stapled=good, others=(ROOT,), require=EVERYTHING)


def test_one_that_signed_itself_may_revoke_itself() -> None:
    alone = CA("alone", usage=key_usage("digital_signature", "key_cert_sign", "crl_sign"))
    pinned(alone)
    pinned(alone, make_list(alone), require=EVERYTHING)
    with pytest.raises(CertificateRevoked):
        pinned(alone, make_list(alone, alone))
    with pytest.raises(CertificateUnknown, match="no revocation list of its issuer"):
        pinned(alone, require=EVERYTHING)


def test_the_anchor_of_a_longer_path_is_not_looked_up() -> None:
    check(DIRECT, make_list(ROOT, ROOT), require=EVERYTHING)


# --- who hears of lists that cannot be used


def reports(**options: Any) -> tuple[Revocation, list[str]]:
    told: list[str] = []
    revocation = Revocation(**options, on_unusable=lambda unusable: told.append(str(unusable)))
    return revocation, told


UNUSABLE: dict[str, tuple[dict[str, Any], str]] = {
    "expired": (BAD_LISTS["expired"][0], "it has expired"),
    "of tomorrow": (BAD_LISTS["of tomorrow"][0], "it is of tomorrow"),
    "forged": ({"signed_by": new_key()}, "no authority of its issuer's name .* has signed it"),
}


@pytest.mark.parametrize("bad", UNUSABLE)
def test_what_shows_in_a_verification_is_told_once(bad: str) -> None:
    options, why = UNUSABLE[bad]
    for require in Require:
        revocation, told = reports(lists=[make_list(BELOW, BOB, **options)], require=require)
        assert told == []
        verifier = ROOT.verifier(revocation=revocation)
        for _ in range(2):
            with contextlib.suppress(CertificateUnknown):
                verifier.verify(peer(ALICE))
        assert len(told) == 1
        assert re.fullmatch(
            rf"the revocation list of 'CN=Below' of [0-9: -]+ cannot be used: {why}", told[0]
        )


def test_what_shows_at_once_is_told_at_once() -> None:
    critical = make_list(BELOW, ALICE, extra=[UNKNOWN])
    revocation, told = reports(lists=[critical, make_list(ROOT)])
    assert told == [
        f"the revocation list of 'CN=Below' of {critical.last_update_utc:%Y-%m-%d %H:%M} cannot "
        "be used: it has a critical extension that is not supported: 1.2.3.4"
    ]
    revocation.replace([critical])
    revocation.add([make_list(ROOT)])
    assert len(told) == 2  # it was loaded anew
    ROOT.verifier(revocation=revocation).verify(peer(ALICE))
    assert len(told) == 2


def test_what_the_callback_raises_goes_to_the_caller() -> None:
    def strict(unusable: UnusableList) -> None:
        raise RuntimeError(unusable.defect.name)

    critical = make_list(BELOW, ALICE, extra=[UNKNOWN])
    with pytest.raises(RuntimeError, match="CRITICAL_EXTENSION"):
        Revocation([critical], on_unusable=strict)
    revocation = Revocation([make_list(BELOW, ALICE)], on_unusable=strict)
    for change in (revocation.replace, revocation.add):
        with pytest.raises(RuntimeError):
            change([critical])
        with pytest.raises(CertificateRevoked):  # as before
            ROOT.verifier(revocation=revocation).verify(peer(ALICE))


def test_without_a_callback_it_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    Revocation([make_list(CA("evil\nname"), extra=[UNKNOWN])])
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("postshake.pki", "WARNING")
    assert "the revocation list of 'CN=evil\\nname'" in record.getMessage()
    assert record.getMessage().isprintable()


def test_a_namesake_s_good_list_is_not_complained_of() -> None:
    """Of two authorities of one name each signs for its own: nothing is wrong with that."""
    other = CA("Root")
    revocation, told = reports(lists=[make_list(other, BOB), make_list(ROOT, BOB)])
    verifier = ChainVerifier(ROOT.trust(other), revocation=revocation)
    for who in (DIRECT, other.issue("of the other")):
        verifier.verify(peer(who))
    assert told == []


# --- files


def test_files(tmp_path: Path) -> None:
    one, other = make_list(BELOW, ALICE), make_list(ROOT)
    (tmp_path / "pem").write_bytes(
        b"some words\n" + one.public_bytes(Encoding.PEM) + other.public_bytes(Encoding.PEM)
    )
    (tmp_path / "der").write_bytes(one.public_bytes(Encoding.DER))
    both = Revocation.from_files(tmp_path / "pem", require=EVERYTHING)
    assert repr(both) == "Revocation(2 lists, require=CHAIN)"
    assert repr(Revocation.from_files(tmp_path / "der")) == "Revocation(1 lists, require=NOTHING)"
    (tmp_path / "empty").write_bytes(b"-----BEGIN CERTIFICATE-----")
    (tmp_path / "noise").write_bytes(b"noise")
    for name, why in (("nosuch", "No such file"), ("empty", "no revocation list"), ("noise", "")):
        with pytest.raises(UsageError, match=f"{name}: .*{why}"):
            Revocation.from_files(tmp_path / name)


# --- responses


def response(status: str = "good", about: Issued = ALICE, **options: Any) -> bytes:
    return make_response(options.pop("ca", BELOW), about, status, **options)


def test_a_stapled_response_is_believed() -> None:
    check(ALICE, stapled=response("good"), require=Require.LEAF)
    with pytest.raises(CertificateRevoked, match=r"was revoked on .*cACompromise"):
        check(ALICE, stapled=response("revoked", reason=x509.ReasonFlags.ca_compromise))


@pytest.mark.parametrize(
    ("parts", "revoked"),
    [
        ([(BOB, "good"), (ALICE, "revoked")], True),
        ([(BOB, "revoked"), (ALICE, "good")], False),
        ([(ALICE, "good"), (ALICE, "revoked")], True),
        ([(ALICE, "unknown"), (ALICE, "revoked")], True),
        ([(ALICE, "unknown"), (ALICE, "good")], False),
        ([(ALICE, "revoked"), (ALICE, "good")], True),
    ],
)
def test_no_part_of_a_response_hides_another(
    parts: list[tuple[Issued, str]], revoked: bool
) -> None:
    """One response may be about many, and about one of them twice (RFC 6960 section 4.2.1)."""
    stapled = join_responses(BELOW, *[make_response(BELOW, who, status) for who, status in parts])
    if revoked:
        with pytest.raises(CertificateRevoked):
            check(ALICE, stapled=stapled)
    else:
        check(ALICE, stapled=stapled, require=Require.LEAF)


@pytest.mark.parametrize("require", Require)
def test_neither_hides_that_the_other_revokes(require: Require) -> None:
    chain = make_list(ROOT)
    with pytest.raises(CertificateRevoked):
        check(ALICE, make_list(BELOW, ALICE), chain, stapled=response("good"), require=require)
    with pytest.raises(CertificateRevoked):
        check(ALICE, make_list(BELOW), chain, stapled=response("revoked"), require=require)
    check(ALICE, make_list(BELOW), chain, stapled=response("good"), require=require)


def test_one_of_them_may_say_that_it_is_good() -> None:
    useless = make_list(BELOW, signed_by=new_key())
    check(ALICE, useless, stapled=response("good"), require=Require.LEAF)
    check(ALICE, make_list(BELOW), stapled=response(**OUTDATED), require=Require.LEAF)


def test_however_it_names_the_issuer() -> None:
    """By the name as the certificate has it, or as the issuer has it itself."""
    other = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, "BELOW", _type=_ASN1Type.PrintableString)]
    )
    key = hashlib.sha1(
        BELOW.certificate.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    ).digest()
    for spelled, is_named in (
        (BELOW.certificate.subject, True),
        (other, True),
        (ROOT.certificate.subject, False),
    ):
        who = renamed(ALICE, other)
        builder = ocsp.OCSPResponseBuilder().add_response_by_hash(
            hashlib.sha1(spelled.public_bytes()).digest(),
            key,
            ALICE.certificate.serial_number,
            hashes.SHA1(),
            ocsp.OCSPCertStatus.REVOKED,
            NOW - DAY,
            NOW + DAY,
            SINCE,
            None,
        )
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, BELOW.certificate)
        data = builder.sign(BELOW.private_key, hashes.SHA256()).public_bytes(Encoding.DER)
        found = read_response(data, who, BELOW.certificate, NOW)
        assert (found is not None) is is_named


def renamed(issued: Issued, issuer: x509.Name) -> x509.Certificate:
    """The certificate with its issuer's name spelled otherwise."""
    old = issued.certificate
    builder = x509.CertificateBuilder(issuer, old.subject, old.public_key(), old.serial_number)
    builder = builder.not_valid_before(NOW - DAY).not_valid_after(NOW + DAY)
    return builder.sign(BELOW.private_key, hashes.SHA256())


def test_a_responder_may_sign_it() -> None:
    responder = BELOW.issue("responder", purpose=[ExtendedKeyUsageOID.OCSP_SIGNING])
    check(ALICE, stapled=response(responder=responder), require=Require.LEAF)


def test_keys_of_every_kind_sign_it() -> None:
    for kind in ("rsa2048", "p384", "ed25519"):
        ca = ROOT.intermediate("Below, too", key_type=kind)
        erin = ca.issue("erin")
        stapled = make_response(ca, erin)
        check(erin, stapled=stapled, require=Require.LEAF)


STRANGER = CA("Stranger")
OUTDATED = {"since": NOW - 3 * DAY, "until": NOW - 2 * DAY}
USELESS: dict[str, bytes] = {
    "unknown": response("unknown"),
    "expired": response(**OUTDATED),
    "of tomorrow": response(since=NOW + DAY, until=NOW + 2 * DAY),
    "without an end, and old": response(since=NOW - 2 * DAY, until=None),
    "about somebody else": response(about=BOB),
    "signed by another key": response(ca=CA("Below"), issuer=BELOW),
    "by another authority": make_response(STRANGER, ALICE, "revoked"),
    "by another authority, about this one's": response("revoked", ca=STRANGER, issuer=BELOW),
    "by the root": make_response(ROOT, ALICE, "revoked", issuer=BELOW),
    "by no responder": response(responder=BELOW.issue("none")),
    "by another's responder": response(
        responder=STRANGER.issue("responder", purpose=[ExtendedKeyUsageOID.OCSP_SIGNING])
    ),
    "by a responder of yesterday": response(
        responder=BELOW.issue("responder", purpose=[ExtendedKeyUsageOID.OCSP_SIGNING], expired=True)
    ),
    "nothing": b"",
    "noise": b"\x30\x03\x0a\x01\x00",
    "try later": bytes.fromhex("30030a0103"),
}


@pytest.mark.parametrize("useless", USELESS)
def test_what_cannot_be_used_is_as_good_as_nothing(useless: str) -> None:
    stapled = USELESS[useless]
    check(ALICE, stapled=stapled)
    with pytest.raises(CertificateUnknown):
        check(ALICE, stapled=stapled, require=Require.LEAF)
    check(ALICE, make_list(BELOW), stapled=stapled, require=Require.LEAF)


def test_a_young_response_needs_no_end() -> None:
    check(ALICE, stapled=response(since=NOW - DAY / 2, until=None), require=Require.LEAF)


def test_a_response_says_nothing_of_the_issuer() -> None:
    with pytest.raises(CertificateUnknown, match="'CN=Below'"):
        check(ALICE, stapled=response("good"), require=Require.CHAIN)


GOOD = response("good")


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_a_changed_response_is_no_other_answer(at: int, change: int) -> None:
    damaged = bytearray(GOOD)
    damaged[at] ^= change
    found = read_response(bytes(damaged), ALICE.certificate, BELOW.certificate, NOW)
    assert found in (None, Finding(Standing.GOOD))


def test_a_finding_in_words() -> None:
    assert str(Finding(Standing.REVOKED, SINCE, "superseded")) == (
        f"revoked on {SINCE:%Y-%m-%d}, superseded"
    )
    assert str(Finding(Standing.REVOKED)) == "revoked"
    assert str(Finding(Standing.GOOD)) == "good"
