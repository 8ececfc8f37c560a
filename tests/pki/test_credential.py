"""Credentials from every form in which people keep them."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat

from postshake.constants import SignatureScheme
from postshake.crypto import signatures
from postshake.errors import UsageError
from postshake.pki.credential import Credential, LocalSigner
from tests.certs import CA, KEY_TYPES, new_key

ROOT = CA("Root")
MIDDLE = ROOT.intermediate("Middle")
ALICE = MIDDLE.issue("alice")
SECRET = b"correct horse"


@pytest.mark.parametrize("key_type", sorted(KEY_TYPES))
def test_signs_with_every_key_type(key_type: str) -> None:
    credential = ROOT.issue(key_type=key_type).credential()
    assert credential.pss_key is (key_type == "rsa-pss")
    assert credential.schemes == credential.signer.schemes
    for scheme in credential.schemes:
        assert scheme.name.startswith("rsa_pss_pss") is credential.pss_key
        signature = credential.signer.sign(scheme, b"data")
        assert isinstance(signature, bytes)
        signatures.verify(scheme, credential.leaf.public_key(), signature, b"data")
    assert credential.schemes


def test_pem_in_any_order() -> None:
    expected = (ALICE.der, MIDDLE.der, ROOT.der)
    parts = [ALICE.certificate, MIDDLE.certificate, ROOT.certificate]
    for order in (parts, parts[::-1], [parts[1], parts[0], parts[2]]):
        text = b"".join(part.public_bytes(Encoding.PEM) for part in order)
        assert Credential.from_pem(text, ALICE.key_pem()).chain == expected
        assert Credential.from_pem(text.decode(), ALICE.key_pem().decode()).chain == expected
    credential = ALICE.credential()
    assert credential.leaf == ALICE.certificate
    assert credential.certificates == (ALICE.certificate, MIDDLE.certificate)


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_passwords(form: PrivateFormat) -> None:
    key = ALICE.key_pem(SECRET, form)
    for password in (SECRET, SECRET.decode(), lambda: SECRET):
        assert Credential.from_pem(ALICE.pem(), key, password).chain == ALICE.chain
    with pytest.raises(UsageError, match="no password was given"):
        Credential.from_pem(ALICE.pem(), key)
    with pytest.raises(UsageError) as raised:
        Credential.from_pem(ALICE.pem(), key, b"wrong horse")
    assert "horse" not in str(raised.value)
    asked = []
    Credential.from_pem(ALICE.pem(), ALICE.key_pem(), lambda: asked.append(1) or SECRET)
    assert not asked  # nobody is asked for what is not needed


def test_files(tmp_path) -> None:
    certificate, key = ALICE.write(tmp_path, "alice")
    assert Credential.from_files(certificate, key).chain == ALICE.chain
    both = tmp_path / "both.pem"
    both.write_bytes(ALICE.key_pem() + ALICE.pem())
    assert Credential.from_files(both).chain == ALICE.chain
    both.write_bytes(ALICE.pem() + ALICE.key_pem(SECRET))
    assert Credential.from_files(both, password=SECRET).chain == ALICE.chain
    (tmp_path / "c.der").write_bytes(ALICE.der)
    (tmp_path / "k.der").write_bytes(ALICE.key_der())
    assert Credential.from_files(tmp_path / "c.der", tmp_path / "k.der").chain == (ALICE.der,)


def test_files_refused(tmp_path) -> None:
    certificate, key = ALICE.write(tmp_path, "alice")
    (tmp_path / "bob.key").write_bytes(new_pem := ROOT.issue("bob").key_pem())
    (tmp_path / "junk").write_bytes(b"junk")
    for arguments, text in (
        ((tmp_path / "absent", key), "absent: No such file"),
        ((certificate, tmp_path / "absent"), "absent: No such file"),
        ((tmp_path / "junk", key), "junk: no certificate"),
        ((certificate, tmp_path / "junk"), "junk: no private key"),
        ((certificate,), "alice.crt: no private key"),
        ((certificate, tmp_path / "bob.key"), "bob.key: the key is not that of .*CN=alice"),
    ):
        with pytest.raises(UsageError, match=text):
            Credential.from_files(*arguments)
    assert new_pem


def test_pkcs12(tmp_path) -> None:
    path = tmp_path / "alice.p12"
    path.write_bytes(ALICE.pkcs12(SECRET))
    assert Credential.from_pkcs12(path, SECRET).chain == ALICE.chain
    assert Credential.from_pkcs12(str(path), lambda: SECRET).chain == ALICE.chain
    assert Credential.from_pkcs12(ALICE.pkcs12()).chain == ALICE.chain
    for data, password in ((ALICE.pkcs12(SECRET), b"wrong"), (b"junk", None)):
        with pytest.raises(UsageError, match="damaged, or the password is wrong"):
            Credential.from_pkcs12(data, password)


def test_construction_is_checked() -> None:
    signer = LocalSigner(ALICE.private_key)
    assert Credential(ALICE.chain, signer, b"ocsp").ocsp_response == b"ocsp"
    for chain, text in (
        ((), "at least one"),
        ((b"junk",), "certificate 0 .* cannot be read"),
        ((ALICE.der, b"junk"), "certificate 1 .* cannot be read"),
        ((MIDDLE.der,), "the key is not that of the certificate 'CN=Middle'"),
    ):
        with pytest.raises(UsageError, match=text):
            Credential(chain, signer)
    with pytest.raises(UsageError, match="no certificate given"):
        Credential.from_objects([], ALICE.private_key)


def test_a_remote_signer() -> None:
    class Remote:
        public_key = ALICE.private_key.public_key()
        schemes = (SignatureScheme.ed25519, SignatureScheme.ecdsa_secp256r1_sha256)

        async def sign(self, scheme: SignatureScheme, data: bytes) -> bytes:
            return b""

    remote = Remote()
    credential = Credential.from_objects([MIDDLE.certificate, ALICE.certificate], remote)
    assert credential.signer is remote
    assert credential.chain[0] == ALICE.der
    assert credential.schemes == (SignatureScheme.ecdsa_secp256r1_sha256,)


def test_repr_has_no_secrets() -> None:
    credential = ALICE.credential()
    assert repr(credential).startswith("Credential(subject='CN=alice', certificates=2")
    number = ALICE.private_key.private_numbers().private_value
    assert str(number) not in repr(credential) + repr(vars(credential))
    assert new_key("ed25519").private_bytes_raw().hex() not in repr(credential)
