"""Certificates with something odd, as `getpeercert` of both modules shows them."""

from __future__ import annotations

import ssl as standard
import warnings
from pathlib import Path
from typing import Any

import pytest

from postshake.ssl.peercert import certificate_dict
from tests import odd_certificates as odd

# docs/ssl.md: Certificates with something odd
NOT_SHOWN_ALIKE = {
    "an RDN whose attributes are not sorted": "subject",
    "a SEQUENCE in a name": "all",
    "a URI of Latin-1 in authorityInfoAccess": "all",
    "a URI of Latin-1 in cRLDistributionPoints": "all",
    "a DNS name of Latin-1": "all",
}
"""Where they differ: in one field, or in that the standard module shows none."""
NEVER_VERIFIED = ("UTCTime without seconds", "UTCTime with an offset", "version 5")
FIELDS = {"subject", "issuer", "version", "serialNumber", "notBefore", "notAfter"}


def shown_by_standard(der: bytes, folder: Path) -> dict[str, Any] | Exception:
    """What the standard module says, which reads it from a file here."""
    file = folder / "certificate.pem"
    file.write_text(standard.DER_cert_to_PEM_cert(der))
    try:
        decode = standard._ssl._test_decode_cert  # type: ignore[attr-defined]
        shown: dict[str, Any] = decode(str(file))
    except (standard.SSLError, UnicodeDecodeError) as error:
        return error
    return shown


@pytest.mark.parametrize("name", odd.ODDITIES)
def test_getpeercert(name: str, tmp_path: Path) -> None:
    der = odd.write(odd.ODDITIES[name])[0]
    theirs = shown_by_standard(der, tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of serial numbers
        try:
            ours = certificate_dict(der)
        except ValueError:  # nobody has verified it, and so nobody is shown it
            assert isinstance(theirs, Exception) or name in NEVER_VERIFIED
            return
    where = NOT_SHOWN_ALIKE.get(name)
    if where == "all":
        assert isinstance(theirs, Exception)
        assert ours.keys() >= FIELDS
    elif not isinstance(theirs, Exception):
        differ = {
            each for each in ours.keys() | theirs.keys() if ours.get(each) != theirs.get(each)
        }
        assert differ == ({where} if where else set())
