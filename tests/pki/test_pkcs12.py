"""PKCS #12 files with ML-DSA keys and odd certificates, as OpenSSL and NSS write them."""

from __future__ import annotations

import subprocess
import warnings
from ssl import DER_cert_to_PEM_cert

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from postshake.errors import UsageError
from postshake.pki.credential import Credential
from postshake.pki.pkcs12 import read_pkcs12
from tests import odd_certificates as odd
from tests.certs import CA
from tests.requirements import require
from tests.vectors.rfc9881 import CERTIFICATE, PASSWORD, PKCS12, SEED

ALICE = CA("Root").issue("alice")

# cryptography's words on lengths that are not told beforehand
pytestmark = pytest.mark.filterwarnings("ignore:PKCS#12 bundle could not be parsed as DER")
every_writer = pytest.mark.parametrize("writer", sorted(PKCS12))


@every_writer
def test_key_and_certificates(writer):
    key, certificates = read_pkcs12(PKCS12[writer], PASSWORD)
    assert key.private_bytes_raw() == SEED
    credential = Credential.from_der(certificates, key)
    assert credential.chain == (CERTIFICATE,)


@every_writer
def test_credentials(writer, tmp_path):
    path = tmp_path / "mldsa.p12"
    path.write_bytes(PKCS12[writer])
    for source in (PKCS12[writer], path, str(path)):
        assert Credential.from_pkcs12(source, PASSWORD).chain == (CERTIFICATE,)


@every_writer
@pytest.mark.parametrize("password", [b"wrong", b"", None], ids=str)
def test_the_wrong_password(writer, password):
    with pytest.raises(UsageError, match="damaged, or the password is wrong"):
        Credential.from_pkcs12(PKCS12[writer], password)


@every_writer
def test_a_file_that_was_changed_is_not_read(writer):
    """Its integrity is checked before anything in it counts (RFC 7292 section 4)."""
    data = PKCS12[writer]
    for at in range(40, len(data), 211):
        changed = bytearray(data)
        changed[at] ^= 0x40
        with pytest.raises(UsageError, match="damaged, or the password is wrong"):
            Credential.from_pkcs12(bytes(changed), PASSWORD)


def test_a_warning_that_is_an_error_is_a_usage_error():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UsageError, match="damaged"):
            Credential.from_pkcs12(PKCS12["NSS"], PASSWORD)


def test_other_keys_are_read_too():
    key, certificates = read_pkcs12(ALICE.pkcs12(PASSWORD), PASSWORD)
    assert key.public_key() == ALICE.private_key.public_key()
    assert certificates == [ALICE.der]


@pytest.mark.parametrize(
    "name",
    ["critical FALSE, written out", "version 2", "PrintableString with _ and @", "an empty RDN"],
)
def test_certificates_that_are_not_in_strict_der(name, tmp_path):
    """OpenSSL writes them into such a file like others."""
    leaf = odd.write(odd.ODDITIES[name])[0]
    both, file = tmp_path / "both.pem", tmp_path / "odd.p12"
    key = odd.keys()[0].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    both.write_bytes(key + DER_cert_to_PEM_cert(leaf).encode())
    command = [require("openssl"), "pkcs12", "-export", "-in", both, "-out", file]
    subprocess.run([*command, "-passout", "pass:secret"], check=True, timeout=60)
    assert Credential.from_pkcs12(file, "secret").chain == (leaf,)
    data = file.read_bytes()
    for at in range(40, len(data), 131):
        changed = bytearray(data)
        changed[at] ^= 0x40
        with pytest.raises(UsageError, match="damaged, or the password is wrong"):
            Credential.from_pkcs12(bytes(changed), "secret")


@every_writer
def test_a_part_of_a_file_is_not_read(writer):
    data = PKCS12[writer]
    for length in range(0, len(data), 173):
        with pytest.raises(ValueError):  # noqa: PT011 - whatever the text
            read_pkcs12(data[:length], PASSWORD)
