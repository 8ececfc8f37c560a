"""PKCS #12 files with ML-DSA keys, as OpenSSL writes them."""

from __future__ import annotations

import pytest

from postshake.errors import UsageError
from postshake.pki.credential import Credential
from postshake.pki.pkcs12 import read_pkcs12
from tests.certs import CA
from tests.vectors.rfc9881 import CERTIFICATE, PASSWORD, PKCS12, SEED

ALICE = CA("Root").issue("alice")


def test_key_and_certificates():
    key, certificates = read_pkcs12(PKCS12, PASSWORD)
    assert key.private_bytes_raw() == SEED
    credential = Credential.from_objects(certificates, key)
    assert credential.chain == (CERTIFICATE,)


def test_credentials(tmp_path):
    path = tmp_path / "mldsa.p12"
    path.write_bytes(PKCS12)
    for source in (PKCS12, path, str(path)):
        assert Credential.from_pkcs12(source, PASSWORD).chain == (CERTIFICATE,)


@pytest.mark.parametrize("password", [b"wrong", b"", None], ids=str)
def test_the_wrong_password(password):
    with pytest.raises(UsageError, match="damaged, or the password is wrong"):
        Credential.from_pkcs12(PKCS12, password)


def test_a_file_that_was_changed_is_not_read():
    """Its integrity is checked before anything in it counts (RFC 7292 section 4)."""
    for at in range(40, len(PKCS12), 211):
        changed = bytearray(PKCS12)
        changed[at] ^= 0x40
        with pytest.raises(UsageError, match="damaged, or the password is wrong"):
            Credential.from_pkcs12(bytes(changed), PASSWORD)


def test_other_keys_are_not_read_here():
    with pytest.raises(ValueError, match="not an ML-DSA key"):
        read_pkcs12(ALICE.pkcs12(PASSWORD), PASSWORD)
    for length in range(0, len(PKCS12), 173):
        with pytest.raises(ValueError):  # noqa: PT011 - whatever the text
            read_pkcs12(PKCS12[:length], PASSWORD)
