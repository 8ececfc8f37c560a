"""Files under hashed names, as the `openssl` program names them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID

from postshake.pki.hashed_folder import HashedFile, hashed_files, name_hash
from tests.certs import CA
from tests.requirements import require

UTF8, PRINTABLE, BMP, T61 = (
    _ASN1Type.UTF8String, _ASN1Type.PrintableString, _ASN1Type.BMPString, _ASN1Type.T61String
)  # fmt: skip
COMMON_NAME, COUNTRY = NameOID.COMMON_NAME, NameOID.COUNTRY_NAME
UNIT, MAIL, NUMBER = (
    NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.EMAIL_ADDRESS, NameOID.X500_UNIQUE_IDENTIFIER
)  # fmt: skip


def one(text: str | bytes, kind: _ASN1Type = UTF8, oid: x509.ObjectIdentifier = COMMON_NAME):
    return x509.NameAttribute(oid, text, kind)


NAMES = {
    "plain": x509.Name([one("Root", PRINTABLE)]),
    "in capitals": x509.Name([one("ROOT")]),
    "blanks": x509.Name([one("  Test \t Root\n CA ")]),
    "umlauts stay as they are": x509.Name([one("MÜLLER Straße")]),
    "other blanks are letters": x509.Name([one("Test\u00a0Root\u00a0")]),
    "two bytes each": x509.Name([one("Test Ł", BMP)]),
    "latin": x509.Name([one("Caf\u00e9", T61)]),
    "several": x509.Name([one("DE", PRINTABLE, COUNTRY), one("A", UTF8, UNIT), one("B")]),
    "mail": x509.Name([one("Root@Example.ORG", _ASN1Type.IA5String, MAIL)]),
    "numbers": x509.Name([one("12 34", _ASN1Type.NumericString)]),
    "bits": x509.Name([one(b"\0\xaa", _ASN1Type.BitString, NUMBER)]),
    "a set": x509.Name(
        [
            x509.RelativeDistinguishedName([one("Z", UTF8, UNIT), one("a")]),
            x509.RelativeDistinguishedName(
                [one("A", UTF8, UNIT), one("z" * 200, oid=NameOID.ORGANIZATION_NAME)]
            ),
        ]
    ),
    "nothing": x509.Name([]),
}


@pytest.mark.interop
@pytest.mark.needs("openssl")
@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_names_hash_as_openssl_has_it(name: x509.Name, tmp_path: Path) -> None:
    path = tmp_path / "a.crt"
    path.write_bytes(CA("Test CA").issue(subject=name).pem())
    said = subprocess.run(
        [require("openssl"), "x509", "-noout", "-subject_hash", "-in", path],
        check=True,
        capture_output=True,
        text=True,
    )
    assert f"{name_hash(name.public_bytes()):08x}" == said.stdout.strip()


def test_a_hash_that_is_known() -> None:
    """Of the subject of ISRG Root X1, which is ``4042bcee.0`` wherever it is kept."""
    name = x509.Name(
        [
            one("US", PRINTABLE, COUNTRY),
            one("Internet Security Research Group", PRINTABLE, NameOID.ORGANIZATION_NAME),
            one("ISRG Root X1", PRINTABLE),
        ]
    )
    assert name_hash(name.public_bytes()) == 0x4042BCEE


@pytest.mark.parametrize("der", [b"", b"\x30", b"\x31\0", b"\x30\x03\x31\x01\x30", b"\x02\x01\x01"])
def test_what_is_no_name_has_no_hash(der: bytes) -> None:
    with pytest.raises((ValueError, IndexError)):
        name_hash(der)


def test_which_files_count(tmp_path: Path) -> None:
    names = (
        "0a0b0c0d.0", "0a0b0c0d.1", "0a0b0c0d.3", "ffffffff.1", "11111111.r0", "11111111.r1",
        "0A0B0C0E.0", "root.pem", "22222222.0.bak", "22222222.0~", "22222222", "122222222.0",
    )  # fmt: skip
    for name in names:
        (tmp_path / name).touch()
    assert list(hashed_files(tmp_path)) == [
        HashedFile(tmp_path / "0a0b0c0d.0", 0x0A0B0C0D, False),
        HashedFile(tmp_path / "0a0b0c0d.1", 0x0A0B0C0D, False),
        HashedFile(tmp_path / "11111111.r0", 0x11111111, True),
        HashedFile(tmp_path / "11111111.r1", 0x11111111, True),
    ]


def test_places_are_a_list_of_which_some_may_be_missing(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir()
        (folder / "00000000.0").touch()
    places = os.pathsep.join(["", "/not/there", str(folders[0]), "", str(folders[1]), __file__])
    assert [each.path.parent for each in hashed_files(places)] == folders
    assert list(hashed_files(places.replace(str(folders[1]), str(folders[0])))) == [
        HashedFile(folders[0] / "00000000.0", 0, False)
    ]
    assert list(hashed_files("")) == []
