"""Certificates that say what they are trusted for, as OpenSSL writes them."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from postshake.errors import UsageError
from postshake.pki.credential import Credential
from postshake.pki.store import TrustStore
from postshake.pki.trusted_certificate import TrustedUses, read_trusted_certificate
from tests.auxiliary import ANY, CLIENT, SERVER, auxiliary, trusted_pem
from tests.certs import CA, wrap

ROOT = CA("Root")
NOTHING: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    ("behind", "uses"),
    [
        (b"", None),
        (auxiliary(), TrustedUses(None, NOTHING)),
        (auxiliary(trust=[]), TrustedUses(NOTHING, NOTHING)),
        (auxiliary(trust=[SERVER]), TrustedUses(frozenset({SERVER}), NOTHING)),
        (auxiliary(reject=[SERVER, ANY]), TrustedUses(None, frozenset({SERVER, ANY}))),
        (
            auxiliary(trust=[CLIENT], reject=[SERVER], alias="a name"),
            TrustedUses(frozenset({CLIENT}), frozenset({SERVER})),
        ),
    ],
)
def test_reading(behind: bytes, uses: TrustedUses | None) -> None:
    assert read_trusted_certificate(ROOT.der + behind) == (ROOT.der, uses)


@pytest.mark.parametrize(
    "behind", [b"\x30", b"\x05\x00", auxiliary() * 2, wrap(0x30, b"\x30\x02\x05\x00")]
)
def test_what_cannot_be_read(behind: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read_trusted_certificate(ROOT.der + behind)


@pytest.mark.parametrize(
    ("trusted", "rejected", "purpose", "allowed"),
    [
        (None, (), SERVER, None),
        (None, (CLIENT,), SERVER, None),
        (None, (SERVER,), SERVER, False),
        (None, (ANY,), SERVER, False),
        ((SERVER,), (), SERVER, True),
        ((ANY,), (), SERVER, True),
        ((CLIENT,), (), SERVER, False),
        ((), (), SERVER, False),
        ((SERVER,), (SERVER,), SERVER, False),
    ],
)
def test_what_is_allowed(
    trusted: tuple[str, ...] | None, rejected: tuple[str, ...], purpose: str, allowed: bool | None
) -> None:
    uses = TrustedUses(None if trusted is None else frozenset(trusted), frozenset(rejected))
    assert uses.allow(purpose) is allowed


def test_the_stricter_of_two() -> None:
    one = TrustedUses(frozenset({SERVER, CLIENT}), NOTHING)
    other = TrustedUses(frozenset({SERVER}), frozenset({CLIENT}))
    assert one.and_also(other) == other.and_also(one) == other
    silent = TrustedUses(None, frozenset({ANY}))
    assert silent.and_also(one) == TrustedUses(one.trusted, frozenset({ANY}))


def test_a_trust_store_does_not_pass_over_what_it_cannot_heed(tmp_path: Path) -> None:
    text = ROOT.pem() + trusted_pem(ROOT.der, reject=[SERVER])
    (tmp_path / "ca.pem").write_bytes(text)
    for load in (
        lambda: TrustStore.from_pem(text),
        lambda: TrustStore.from_files(tmp_path / "ca.pem"),
        lambda: TrustStore.from_files(tmp_path),
    ):
        with pytest.raises(UsageError, match="a TRUSTED CERTIFICATE says what it is trusted for"):
            load()


def test_the_system_s_bundle_has_others_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = CA("Other")
    (tmp_path / "ca.pem").write_bytes(trusted_pem(ROOT.der, trust=[SERVER]) + other.pem())
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    assert TrustStore.system().ders() == (other.der,)


def test_our_own_may_be_written_so(tmp_path: Path) -> None:
    issued = ROOT.intermediate("Below").issue("alice")
    above = issued.above[0].public_bytes(Encoding.PEM)
    text = trusted_pem(issued.der, trust=[CLIENT]) + above
    (tmp_path / "alice.crt").write_bytes(text)
    (tmp_path / "alice.key").write_bytes(issued.key_pem())
    credential = Credential.from_files(tmp_path / "alice.crt", tmp_path / "alice.key")
    assert credential.chain == issued.chain
