"""Revocation: lists that were loaded, responses that were stapled."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from postshake.constants import AlertDescription
from postshake.errors import CertificateRevoked, CertificateUnknown, UsageError
from postshake.pki.ocsp import Finding, Standing, read_response
from postshake.pki.revocation import Require, Revocation
from postshake.pki.trust import ChainVerifier, PeerChain
from tests.certs import CA, DAY, NOW, Issued, key_usage, new_key, peer
from tests.revoking import SINCE, make_list, make_response

ROOT = CA("Root")
BELOW = ROOT.intermediate("Below")
ALICE, BOB = BELOW.issue("alice"), BELOW.issue("bob")
DIRECT = ROOT.issue("direct")
BELOW_ISSUED = Issued(BELOW.certificate, BELOW.private_key)
EVERYTHING = Require.CHAIN
POINT = x509.UniformResourceIdentifier("http://crl.example/1")
PART = x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COMMON_NAME, "part")])
ANOTHER_POINT = x509.UniformResourceIdentifier("http://crl.example/2")


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


def scope(**options: Any) -> tuple[x509.ExtensionType, bool]:
    defaults: dict[str, Any] = {
        "full_name": None,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }
    return x509.IssuingDistributionPoint(**(defaults | options)), True


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
    with pytest.raises(CertificateUnknown, match="not signed by its issuer"):
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


@pytest.mark.parametrize(
    ("options", "covers_leaf", "covers_authority"),
    [
        ({"only_contains_user_certs": True}, True, False),
        ({"only_contains_ca_certs": True}, False, True),
        ({"only_contains_attribute_certs": True}, False, False),
        ({"relative_name": PART}, False, False),
    ],
)
def test_lists_for_some_kinds(
    options: dict[str, Any], covers_leaf: bool, covers_authority: bool
) -> None:
    for ca, about, covers in ((BELOW, ALICE, covers_leaf), (ROOT, BELOW_ISSUED, covers_authority)):
        partial = make_list(ca, about, extra=[scope(**options)])
        if covers:
            with pytest.raises(CertificateRevoked):
                check(ALICE, partial)
        else:
            check(ALICE, partial)


def test_lists_in_parts() -> None:
    """A part is about those that name its place (section 5.2.5)."""
    points = x509.CRLDistributionPoints([x509.DistributionPoint([POINT], None, None, None)])
    dora = BELOW.issue("dora", extra=[(points, False)])
    hers = make_list(BELOW, dora, ALICE, extra=[scope(full_name=[POINT])])
    other = make_list(BELOW, dora, ALICE, extra=[scope(full_name=[ANOTHER_POINT])])
    check(dora, other)
    check(ALICE, hers)
    with pytest.raises(CertificateRevoked):
        check(dora, other, hers)


@pytest.mark.parametrize(
    ("extra", "why"),
    [
        (scope(indirect_crl=True), "is indirect"),
        (scope(only_some_reasons=frozenset([x509.ReasonFlags.key_compromise])), "some reasons"),
        ((x509.DeltaCRLIndicator(1), True), "critical extension that is not supported"),
    ],
)
def test_lists_that_say_too_little(extra: tuple[x509.ExtensionType, bool], why: str) -> None:
    with pytest.raises(UsageError, match=f"the revocation list of 'CN=Below' .*{why}"):
        Revocation([make_list(BELOW, extra=[extra])])


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


def test_it_comes_before_a_list() -> None:
    check(ALICE, make_list(BELOW, ALICE), stapled=response("good"))
    with pytest.raises(CertificateRevoked):
        check(ALICE, make_list(BELOW), stapled=response("revoked"))


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
