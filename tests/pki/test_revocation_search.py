"""Who may speak for an issuer, and what follows when several do (RFC 5280 section 6.3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID

from postshake.constants import Role
from postshake.pki.ocsp import Finding, Standing
from postshake.pki.parsed_certificate import Facts
from postshake.pki.path import PathSearch
from postshake.pki.revocation import Defect, UnusableList
from postshake.pki.revocation_search import RevocationLists, RevocationSearch, Surroundings
from postshake.pki.store import TrustStore
from tests.certs import CA, DAY, NOW, Issued, key_usage, new_key
from tests.pki.test_revocation_list import HOLD, KEY, POINT, points, scope
from tests.revoking import SINCE, make_list

ROOT = CA("Root")
BELOW = ROOT.intermediate("Below")
ALICE, BOB = BELOW.issue("alice"), BELOW.issue("bob")
REVOKED, GOOD = Standing.REVOKED, Standing.GOOD
List = x509.CertificateRevocationList


class Asked:
    """One look-up, and what was reported on the way."""

    def __init__(
        self,
        who: Issued,
        *lists: List,
        presented: Sequence[Issued] = (),
        known: Sequence[Issued] = (),
        trust: TrustStore | None = None,
    ) -> None:
        self.told: list[UnusableList] = []
        everything = RevocationLists(
            lists, issuers=[each.certificate for each in known], on_unusable=self.told.append
        )
        path = (*who.chain, ROOT.der)
        around = Surroundings(
            trust or ROOT.trust(),
            [each.der for each in presented],
            lambda anchors: PathSearch(anchors, Role.client, NOW.timestamp(), 8, 2048),
        )
        self.search = RevocationSearch(everything, path, NOW.timestamp(), around)
        self.found = self.search.find(0)

    @property
    def standing(self) -> Standing:
        return self.found.standing

    @property
    def defects(self) -> list[Defect]:
        return [each.defect for each in self.told]


# --- the issuer's name


def spelled(kind: _ASN1Type, text: str = "Below") -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text, _type=kind)])


@pytest.mark.parametrize(
    ("issuer", "same"),
    [
        (spelled(_ASN1Type.PrintableString), True),
        (spelled(_ASN1Type.BMPString), True),
        (spelled(_ASN1Type.UTF8String, " BELOW "), True),
        (spelled(_ASN1Type.UTF8String, "Be low"), False),
    ],
)
def test_names_are_compared_as_certificates_names_are(issuer: x509.Name, same: bool) -> None:
    """Section 7.1: whatever the string's type, its case and its blanks."""
    asked = Asked(ALICE, make_list(BELOW, ALICE, issuer=issuer))
    assert asked.standing is (REVOKED if same else Standing.UNKNOWN)
    assert asked.defects == []


# --- another key of the same authority


def another_key(*, usage: tuple[str, ...] = ("key_cert_sign", "crl_sign"), **options: Any) -> CA:
    """The same authority's, certified by the same one above."""
    return ROOT.intermediate("Below", usage=key_usage(*usage), **options)


def signed_by(ca: CA, *revoked: Issued, **options: Any) -> List:
    return make_list(BELOW, *revoked, signed_by=ca.private_key, **options)


@pytest.mark.parametrize("how", ["presented", "known"])
def test_after_a_change_of_keys_the_new_one_speaks_for_both(how: str) -> None:
    new = another_key()
    assert Asked(ALICE, signed_by(new, ALICE), **{how: [new]}).standing is REVOKED
    asked = Asked(ALICE, signed_by(new, BOB), **{how: [new]})
    assert asked.standing is GOOD
    assert asked.defects == []


def test_a_key_for_lists_alone() -> None:
    """It may be the authority's own work: issued by itself, for itself."""
    signer = another_key(usage=("crl_sign",), ca=False)
    assert Asked(ALICE, signed_by(signer, ALICE), known=[signer]).standing is REVOKED
    own = BELOW.intermediate("Below", usage=key_usage("crl_sign"), ca=False)
    assert Asked(ALICE, signed_by(own, ALICE), presented=[own]).standing is REVOKED


def test_it_may_take_more_than_one_step() -> None:
    above = ROOT.intermediate("Above")
    new = above.intermediate("Below")
    assert Asked(ALICE, signed_by(new, ALICE), known=[above, new]).standing is REVOKED
    assert Asked(ALICE, signed_by(new, ALICE), known=[new]).standing is Standing.BADLY_SIGNED


@pytest.mark.parametrize(
    ("signer", "defect"),
    [
        (another_key(usage=("key_cert_sign",)), Defect.NOT_ENTITLED),
        (another_key(expired=True), Defect.BADLY_SIGNED),
        (CA("Below"), Defect.BADLY_SIGNED),
        (CA("Root").intermediate("Below"), Defect.BADLY_SIGNED),
        (ROOT.intermediate("Above", path_length=0).intermediate("Deeper"), Defect.BADLY_SIGNED),
        (ROOT.intermediate("Other"), Defect.BADLY_SIGNED),
    ],
    ids=["not for lists", "expired", "by itself", "another root's", "other name", "other's"],
)
def test_who_may_not(signer: CA, defect: Defect) -> None:
    for how in ("presented", "known"):
        beside = [signer, *(Issued(each, None) for each in signer.above)]
        asked = Asked(ALICE, signed_by(signer, ALICE), **{how: beside})
        assert asked.standing is not REVOKED
        assert asked.defects == [defect]


def test_the_anchor_must_be_the_same() -> None:
    """A namesake under another anchor is another authority, trusted or not (6.3.3 (f))."""
    other = CA("Other root")
    namesake = other.intermediate("Below")
    asked = Asked(ALICE, signed_by(namesake, ALICE), known=[namesake], trust=ROOT.trust(other))
    assert asked.standing is Standing.BADLY_SIGNED


def test_a_signer_that_was_revoked() -> None:
    new = another_key()
    lists = signed_by(new, ALICE), make_list(ROOT, new)
    asked = Asked(ALICE, *lists, known=[new])
    assert asked.standing is Standing.BADLY_SIGNED
    assert asked.defects == [Defect.SIGNER_REVOKED]
    above = ROOT.intermediate("Above")
    new = above.intermediate("Below")
    lists = signed_by(new, ALICE), make_list(ROOT, above)
    assert Asked(ALICE, *lists, known=[above, new]).defects == [Defect.SIGNER_REVOKED]


def test_signers_that_revoke_each_other() -> None:
    """Nobody goes round in a circle: who signs for a signer's signer is in the path."""
    one, two = (
        BELOW.intermediate("Below", usage=key_usage("crl_sign"), ca=False) for _ in range(2)
    )
    lists = [signed_by(one, two, ALICE), signed_by(two, one)]
    asked = Asked(ALICE, *lists, known=[one, two])
    assert asked.standing is Standing.BADLY_SIGNED
    assert set(asked.defects) == {Defect.SIGNER_REVOKED}


# --- several that speak


def test_every_signer_is_heard() -> None:
    """Each key may list its own certificates alone, so none hides what another says."""
    new = another_key()
    old_list, new_list = make_list(BELOW, ALICE), signed_by(new, BOB, since=NOW)
    for lists in ((old_list, new_list), (new_list, old_list)):
        assert Asked(ALICE, *lists, known=[new]).standing is REVOKED
    late = make_list(BELOW, ALICE, since=NOW - 3 * DAY, until=NOW - DAY)
    found = Asked(ALICE, late, new_list, known=[new]).found
    assert found == Finding(REVOKED, SINCE, "", outdated=True)
    assert Asked(BOB, late, new_list, known=[new]).found == Finding(REVOKED, SINCE)


def test_of_one_signer_s_the_newest_counts() -> None:
    old = make_list(BELOW, ALICE, since=NOW - 2 * DAY)
    assert Asked(ALICE, old, make_list(BELOW)).standing is GOOD
    overtaken = make_list(BELOW, ALICE, since=NOW - 3 * DAY, until=NOW - 2 * DAY)
    asked = Asked(ALICE, overtaken, make_list(BELOW))
    assert (asked.standing, asked.defects) == (GOOD, [])
    # also where it is late, for what it took back it took back
    expired = make_list(BELOW, since=NOW - DAY, until=NOW - DAY / 2)
    assert Asked(ALICE, old, expired).standing is Standing.EXPIRED


def test_every_scope_is_heard() -> None:
    users = make_list(
        BELOW, ALICE, since=NOW - 2 * DAY, extra=[scope(only_contains_user_certs=True)]
    )
    assert Asked(ALICE, users, make_list(BELOW)).standing is REVOKED


def test_reasons_add_up() -> None:
    compromised = scope(only_some_reasons=frozenset([KEY]))
    rest = frozenset(x509.ReasonFlags) - {
        KEY,
        x509.ReasonFlags.unspecified,
        x509.ReasonFlags.remove_from_crl,
    }
    other = scope(only_some_reasons=rest)
    one, two = make_list(BELOW, BOB, extra=[compromised]), make_list(BELOW, extra=[other])
    assert Asked(ALICE, one).standing is Standing.PARTLY_KNOWN
    assert Asked(ALICE, one, two).standing is GOOD
    assert Asked(BOB, one).standing is REVOKED
    assert Asked(BOB, one, two).standing is REVOKED
    forged = make_list(BELOW, extra=[other], signed_by=new_key())
    assert Asked(ALICE, one, forged).standing is Standing.BADLY_SIGNED


def test_a_list_about_others() -> None:
    elsewhere = make_list(BELOW, ALICE, extra=[scope(full_name=[POINT])])
    asked = Asked(ALICE, elsewhere)
    assert asked.standing is Standing.OUT_OF_SCOPE
    assert asked.defects == []


def test_of_another_authority() -> None:
    other = ROOT.intermediate("Lists")
    place = points((None, None, other.certificate.subject))
    theirs = BELOW.issue("theirs", extra=[place])
    issuer = x509.CertificateIssuer([x509.DirectoryName(BELOW.certificate.subject)])
    indirect = [scope(indirect_crl=True)]
    revoking = make_list(other, theirs, extra=indirect, of_entries=[(issuer, True)])
    assert Asked(theirs, revoking, known=[other]).standing is REVOKED
    assert Asked(theirs, make_list(other, extra=indirect), known=[other]).standing is GOOD
    assert Asked(theirs, revoking).standing is Standing.BADLY_SIGNED
    assert Asked(theirs, make_list(other), known=[other]).standing is Standing.UNKNOWN
    assert Asked(ALICE, revoking, known=[other]).standing is Standing.UNKNOWN


# --- deltas


def delta(number: int, base: int, *revoked: Issued, ca: CA | None = None, **options: Any) -> List:
    """What has changed since the list with the number `base`."""
    options.setdefault("since", NOW)
    return make_list(
        BELOW,
        *revoked,
        number=number,
        extra=[(x509.DeltaCRLIndicator(base), True)],
        signed_by=(ca or BELOW).private_key,
        **options,
    )


BACK = x509.ReasonFlags.remove_from_crl


def test_a_delta_adds_and_takes_back() -> None:
    base = make_list(BELOW, BOB, number=5, reason=HOLD)
    assert Asked(ALICE, base, delta(6, 5, ALICE)).standing is REVOKED
    assert Asked(ALICE, base, delta(6, 5)).standing is GOOD
    assert Asked(BOB, base, delta(6, 5)).standing is REVOKED
    assert Asked(BOB, base, delta(6, 5, BOB, reason=BACK)).standing is GOOD
    assert Asked(ALICE, base, delta(7, 4, ALICE)).defects == []
    # of several the newest
    old = delta(6, 5, ALICE, BOB, reason=HOLD, since=NOW - DAY / 2)
    assert Asked(ALICE, base, old, delta(7, 5)).standing is GOOD


def test_a_delta_that_goes_on_from_another_list() -> None:
    """It still revokes; but it takes back nothing, and says of nobody that he is good."""
    base = make_list(BELOW, BOB, number=5, reason=HOLD)
    for lists in (
        (base, delta(8, 6, ALICE)),
        (delta(8, 6, ALICE),),
        (make_list(BELOW), delta(8, 6, ALICE)),
    ):
        asked = Asked(ALICE, *lists)
        assert asked.standing is REVOKED
        assert asked.defects == [Defect.NO_BASE]
    assert Asked(BOB, base, delta(8, 6, BOB, reason=BACK)).standing is REVOKED
    assert Asked(ALICE, delta(8, 6)).standing is Standing.UNKNOWN


def test_a_delta_that_was_overtaken() -> None:
    newer = make_list(BELOW, number=9, since=NOW)
    asked = Asked(ALICE, newer, delta(8, 6, ALICE, since=NOW - DAY))
    assert asked.standing is GOOD
    assert asked.defects == []


def test_a_delta_of_another_signer_changes_nothing() -> None:
    base = make_list(BELOW, BOB, number=5, reason=HOLD)
    new = another_key()
    taking_back = delta(6, 5, BOB, reason=BACK, ca=new)
    assert Asked(BOB, base, taking_back, known=[new]).standing is REVOKED
    forged = delta(6, 5, BOB, reason=BACK, ca=CA("Below"))
    assert Asked(BOB, base, forged).standing is REVOKED


def test_a_delta_that_is_late() -> None:
    base = make_list(BELOW, BOB, number=5, reason=HOLD, since=NOW - 3 * DAY)
    late = {"since": NOW - 2 * DAY, "until": NOW - DAY}
    asked = Asked(BOB, base, delta(6, 5, BOB, reason=BACK, **late))
    assert asked.standing is REVOKED
    assert asked.defects == [Defect.EXPIRED]
    found = Asked(ALICE, base, delta(6, 5, ALICE, **late)).found
    assert found == Finding(REVOKED, SINCE, "", outdated=True)


def test_in_a_whole_list_an_entry_that_takes_back_is_none() -> None:
    """Section 6.3.3 (k)."""
    assert Asked(ALICE, make_list(BELOW, ALICE, reason=BACK)).standing is GOOD


# --- what it costs


class Counted:
    """Counts the signatures of certificates that a search checks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.signatures = 0
        real = Facts.check_signature

        def counting(child: Any, issuer: Any) -> bool:
            self.signatures += 1
            return real(child, issuer)

        monkeypatch.setattr(Facts, "check_signature", counting)


def test_a_peer_cannot_make_it_look_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixteen certificates with the issuer's name, each of which might be the signer's."""
    lists = [make_list(BELOW, BOB, signed_by=new_key(), since=NOW - n * DAY) for n in range(5)]
    crowd = [CA("Below") for _ in range(4)]
    many = [each.intermediate("Below") for each in crowd for _ in range(3)] + crowd
    counted = Counted(monkeypatch)
    asked = Asked(ALICE, *lists, presented=many)
    assert asked.standing is Standing.BADLY_SIGNED
    assert counted.signatures <= 32
    counted.signatures = 0
    assert Asked(ALICE, make_list(BELOW), presented=many).standing is GOOD
    assert counted.signatures == 0


def test_strangers_keys_are_not_tried_on_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """To check the signature of a long list takes long."""
    tried: list[bytes] = []
    real = RevocationSearch._signer
    made = signed_by(another_key(), ALICE)
    strangers = [CA("Below") for _ in range(3)]

    def noting(search: RevocationSearch, list_: Any, index: int) -> Any:
        found = real(search, list_, index)
        tried.extend(list_._signers)
        return found

    monkeypatch.setattr(RevocationSearch, "_signer", noting)
    Asked(ALICE, made, presented=strangers)
    assert tried == [BELOW.der]


def test_certificates_that_cannot_be_read_are_left_out() -> None:
    new = another_key()
    around = Surroundings(
        ROOT.trust(),
        [b"noise", b"", new.der],
        lambda anchors: PathSearch(anchors, Role.client, NOW.timestamp(), 8, 2048),
    )
    lists = RevocationLists([signed_by(new, ALICE)])
    search = RevocationSearch(lists, (*ALICE.chain, ROOT.der), NOW.timestamp(), around)
    assert search.find(0).standing is REVOKED


def test_with_nothing_around_the_path_has_to_do() -> None:
    lists = RevocationLists([make_list(BELOW, ALICE), make_list(ROOT)])
    search = RevocationSearch(lists, (*ALICE.chain, ROOT.der), NOW.timestamp())
    assert search.find(0).standing is REVOKED
    assert search.find(1).standing is GOOD


def test_many_lists_of_one_issuer() -> None:
    """Parts of one authority's, each with a place of its own."""
    parts = [x509.UniformResourceIdentifier(f"http://crl.example/part/{n}") for n in range(50)]
    who = BELOW.issue("who", extra=[points((parts[30], None, None))])
    lists = [make_list(BELOW, who, extra=[scope(full_name=[part])]) for part in parts]
    assert Asked(who, *lists).standing is REVOKED
    assert Asked(who, *lists[:30], *lists[31:]).standing is Standing.OUT_OF_SCOPE


def test_adding_lists() -> None:
    lists = RevocationLists([make_list(BELOW, BOB, since=NOW - 2 * DAY)])
    assert len(lists) == 1
    lists.add([make_list(BELOW, ALICE), make_list(ROOT)])
    assert len(lists) == 3
    search = RevocationSearch(lists, (*ALICE.chain, ROOT.der), NOW.timestamp())
    assert search.find(0).standing is REVOKED
