"""Keys in a token: SoftHSM2's, used by sessions and streams as any other key."""

from __future__ import annotations

import threading

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from postshake.constants import SignatureScheme
from postshake.crypto.signatures import verify
from postshake.crypto.tls12.signatures import verify12
from postshake.errors import KeyMismatch, UsageError
from postshake.pki.credential import Credential
from postshake.signers.pkcs11 import TokenSigner, TokenUri, token_credential
from tests.tokens import PIN, needs_softhsm, token

# --- URIs


def test_a_uri():
    uri = TokenUri.parse(
        "pkcs11:token=My%20card;object=alice;id=%01%ff;manufacturer=x"
        "?module-path=/usr/lib/x.so&pin-value=12%2634"
    )
    assert uri == TokenUri("My card", None, "alice", b"\x01\xff", "/usr/lib/x.so", "12&34")
    assert "1234" not in repr(uri)
    assert "12&34" not in repr(uri)


def test_a_pin_in_a_file(tmp_path):
    file = tmp_path / "pin"
    file.write_text("1234\n")
    assert TokenUri.parse(f"pkcs11:?pin-source=file:{file}").pin == "1234"
    assert TokenUri.parse(f"pkcs11:?pin-source={file}").pin == "1234"
    with pytest.raises(UsageError, match="no PIN can be read"):
        TokenUri.parse("pkcs11:?pin-source=file:/none")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("file:key.pem", "begins with pkcs11:"),
        ("pkcs11:token", "has no value"),
        ("pkcs11:token=a;token=b", "twice"),
        ("pkcs11:token=%ff", "not UTF-8"),
        ("pkcs11:type=secret-key", "not private"),
    ],
)
def test_bad_uris(text, complaint):
    with pytest.raises(UsageError, match=complaint):
        TokenUri.parse(text)


# --- a real token


def kept(name, **options):
    """A certificate whose key is in the token, and the key's URI."""
    issued = token().ca.issue(name, **options)
    return issued, token().keep(name, issued)


def close(held):
    assert isinstance(held.signer, TokenSigner)
    held.signer.close()


OPENED: list[Credential] = []


@pytest.fixture(autouse=True)
def closing():
    """A process is logged in to a token for as long as one of its keys is in use."""
    yield
    while OPENED:
        close(OPENED.pop())


def credential(issued, uri, **options):
    options = {"module": token().module, "pin": PIN} | options
    OPENED.append(token_credential(uri, issued.pem(), **options))
    return OPENED[-1]


@needs_softhsm
@pytest.mark.parametrize("key", ["p256", "p384", "p521", "rsa2048", "ed25519"])
def test_signatures_of_a_token(key):
    held = credential(*kept(f"signs {key}", key_type=key))
    public = held.leaf.public_key()
    assert held.schemes
    for scheme in held.schemes:
        verify(scheme, public, held.signer.sign(scheme, b"data"), b"data")
    for scheme in held.schemes12:
        verify12(scheme, public, held.signer.sign(scheme, b"data"), b"data")
    assert (SignatureScheme.rsa_pkcs1_sha256 in held.schemes12) is (key == "rsa2048")
    assert PIN not in repr(held)
    close(held)
    with pytest.raises(UsageError, match="token:"):
        held.signer.sign(held.schemes[0], b"data")


@needs_softhsm
def test_what_is_not_there():
    issued, uri = kept("is there")
    with pytest.raises(UsageError, match="PinIncorrect"):
        credential(issued, uri, pin="0000")
    with pytest.raises(UsageError, match="one private key that fits, found 0"):
        credential(issued, uri.replace("type=private", "object=nobody"))
    with pytest.raises(UsageError, match="one token that fits, found 0"):
        credential(issued, "pkcs11:token=another")
    with pytest.raises(UsageError, match="token: "):
        credential(issued, uri, module="/no/such/library.so")
    with pytest.raises(UsageError, match="no PKCS #11 library was named"):
        credential(issued, uri, module=None)
    with pytest.raises(UsageError, match="no certificate under the key's id"):
        token_credential(uri, module=token().module, pin=PIN)
    with pytest.raises(UsageError, match="none"):
        token_credential(uri, "/none", module=token().module, pin=PIN)


@needs_softhsm
@pytest.mark.parametrize("key", ["p256", "rsa2048"])
def test_a_certificate_for_another_key(key):
    _, uri = kept(f"one {key}", key_type=key)
    with pytest.raises(KeyMismatch):
        credential(token().ca.issue("another", key_type=key), uri)
    other = "rsa2048" if key == "p256" else "p256"
    with pytest.raises(KeyMismatch):
        credential(token().ca.issue("another", key_type=other), uri)


@needs_softhsm
def test_the_certificate_from_the_token():
    from pkcs11 import Attribute, ObjectClass, lib

    issued, uri = kept("card", key_type="p256")
    where = TokenUri.parse(uri)
    certificates = {where.id: issued.der, b"ca": token().ca.der}
    library = lib(token().module)
    with library.get_token(token_label=where.token).open(user_pin=PIN, rw=True) as session:
        for name, der in certificates.items():
            certificate = issued.certificate if name == where.id else token().ca.certificate
            session.create_object(
                {
                    Attribute.CLASS: ObjectClass.CERTIFICATE,
                    Attribute.CERTIFICATE_TYPE: 0,
                    Attribute.ID: name,
                    Attribute.SUBJECT: certificate.subject.public_bytes(),
                    Attribute.ISSUER: certificate.issuer.public_bytes(),
                    Attribute.VALUE: der,
                    Attribute.TOKEN: True,
                }
            )
    held = token_credential(f"{uri}?module-path={token().module}&pin-value={PIN}")
    assert held.chain == (issued.der, token().ca.der)
    close(held)


@needs_softhsm
def test_two_keys_of_one_token():
    one = credential(*kept("one"))
    two = credential(*kept("two"), pin=lambda: pytest.fail("logged in already"))
    close(one)
    close(one)
    verify(two.schemes[0], two.leaf.public_key(), two.signer.sign(two.schemes[0], b"x"), b"x")
    close(two)
    issued, uri = kept("three")
    with pytest.raises(UsageError, match="PinIncorrect"):  # logged out after the last
        credential(issued, uri, pin="0000")


@needs_softhsm
def test_threads_take_turns():
    held = credential(*kept("busy", key_type="p256"))
    failures = []

    def work():
        try:
            for _ in range(20):
                scheme = held.schemes[0]
                verify(scheme, held.leaf.public_key(), held.signer.sign(scheme, b"x"), b"x")
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_a_token_signer_offers_what_its_token_can():
    class Slot:
        def get_mechanisms(self):
            from pkcs11 import Mechanism

            return {Mechanism.RSA_PKCS, Mechanism.SHA256_RSA_PKCS}

    class Session:
        class token:
            slot = Slot()

    key = rsa.generate_private_key(65537, 2048).public_key()
    signer = TokenSigner(Session(), None, key)
    assert signer.schemes == ()  # no PSS: nothing that TLS 1.3 could use
    assert SignatureScheme.rsa_pkcs1_sha256 in signer.schemes12
    assert TokenSigner(Session(), None, ec.generate_private_key(ec.SECP256R1()).public_key())
