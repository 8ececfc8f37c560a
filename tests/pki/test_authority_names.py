"""Lists of authorities that a peer sends, held against certificates of ours."""

from __future__ import annotations

from typing import Any

import pytest

from postshake.config import Config
from postshake.constants import Role, SignatureScheme
from postshake.pki import authority_names, choose, der
from postshake.pki.authority_names import COMPARED, AuthorityNames, issuers_of, spellings
from postshake.pki.choose import Wanted, choose_credential, choose_server_credential
from postshake.session import CLIENT, CertificateCredentials
from postshake.session.certificate_choice import CertificateChooser
from postshake.session.settings import SessionSettings
from tests import forging as f
from tests.certs import CA

ROOT = CA("Root")
LEAVES = [ROOT.issue(name).credential() for name in ("alice", "bob", "carol")]
SCHEMES = (SignatureScheme.ecdsa_secp256r1_sha256,)
OURS = f.name("Root")
SPELLED_OTHERWISE = f.seq(f.rdn("ROOT", tag=0x13))
MANY = tuple(bytes([index % 255 + 1]) for index in range(21_000))  # 63 KiB of them
NAMES = tuple(f.name(f"{index:x}") for index in range(3000))


def test_names_are_compared_as_names_are() -> None:
    for names, found in (
        ((OURS,), True),
        ((SPELLED_OTHERWISE,), True),
        ((f.name("alice"),), True),  # its own subject
        ((f.name("Other"), b"no name", OURS), True),
        ((f.name("Other"), b"no name", b""), False),
        ((), False),
    ):
        assert AuthorityNames(names).have_any(LEAVES[0].chain) is found


def test_behind_the_first_thousand_bytes_count() -> None:
    filler = NAMES[:COMPARED]
    for name, found in ((OURS, True), (SPELLED_OTHERWISE, False)):
        assert AuthorityNames((*filler, name)).have_any(LEAVES[0].chain) is found
        assert AuthorityNames((*filler[:-1], name)).have_any(LEAVES[0].chain)


def test_spellings() -> None:
    assert list(spellings([b"no name"])) == [(b"no name", b"no name")]
    [(one, compared)], [(other, same)] = spellings([OURS]), spellings([SPELLED_OTHERWISE])
    assert (one, other) == (OURS, SPELLED_OTHERWISE)
    assert compared == same
    assert {OURS, compared} == issuers_of(LEAVES[0].chain)


@pytest.fixture
def comparisons(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What was brought to the form that is compared."""
    made: list[bytes] = []
    normal_name = der.normal_name

    def counted(name: bytes, **options: Any) -> Any:
        made.append(name)
        return normal_name(name, **options)

    for module in (authority_names, choose):
        monkeypatch.setattr(module, "normal_name", counted)
    return made


@pytest.mark.parametrize("names", [MANY, NAMES, NAMES[:1] * 3000], ids=["short", "names", "same"])
def test_a_long_list_is_gone_through_once(
    names: tuple[bytes, ...], comparisons: list[bytes]
) -> None:
    """However many certificates we have, of which none fits."""
    wanted = Wanted(names, SCHEMES)
    settings = SessionSettings(CLIENT, Config())
    settings.certificates = CertificateCredentials()
    for each in LEAVES:
        settings.certificates.set_x509_key(each)
    chooser = CertificateChooser(settings, handle=lambda: None)
    for choosing in (
        lambda: choose_credential(LEAVES, wanted),
        lambda: choose_server_credential(LEAVES, None, wanted),
        lambda: chooser.choose(Role.client, wanted, None, post_handshake=True),
    ):
        comparisons.clear()
        found = choosing()
        assert found in (None, LEAVES[0])
        assert len(comparisons) <= COMPARED + 2 * len(LEAVES)


def test_who_may_not_sign_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list that names its authority a thousand times."""
    from postshake.session import certificate_choice as module

    looked: list[object] = []
    monkeypatch.setattr(module, "_may_sign", lambda chain: bool(looked.append(chain)))
    wanted = Wanted((OURS,) * 1000, SCHEMES)
    assert module._choose_client(LEAVES, wanted, False) is None
    assert looked == LEAVES
