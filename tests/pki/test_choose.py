"""Which credential answers a request."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import ExtendedKeyUsageOID as EKU
from cryptography.x509.oid import NameOID

from postshake.constants import SignatureScheme as S
from postshake.errors import DecodeError, IllegalParameter, WrongPurpose
from postshake.pki.choose import (
    Wanted,
    check_oid_filters,
    choose_credential,
    choose_scheme,
    choose_server_credential,
    fits_request,
)
from tests.certs import CA, key_usage

ROOT = CA("Root")
OTHER = CA("Other", key_type="ed25519")
P256 = ROOT.issue("p256").credential()
BELOW = ROOT.intermediate("Middle").issue("below").credential()
ED = OTHER.issue("ed", key_type="ed25519").credential()
ALL = (S.ed25519, S.ecdsa_secp256r1_sha256)
KEY_USAGE, PURPOSE, UNKNOWN = (
    bytes.fromhex(oid) for oid in ("0603551d0f", "0603551d25", "06022a03")
)


def usages(*names: str) -> tuple[bytes, bytes]:
    return KEY_USAGE, key_usage(*names).public_bytes()


def purposes(*oids: x509.ObjectIdentifier) -> tuple[bytes, bytes]:
    return PURPOSE, x509.ExtendedKeyUsage(oids).public_bytes()


def test_first_that_fits() -> None:
    ours = [P256, BELOW, ED]
    assert choose_credential(ours, Wanted(signature_algorithms=ALL)) is P256
    assert choose_credential(ours[::-1], Wanted(signature_algorithms=ALL)) is ED
    assert choose_credential(ours, Wanted(signature_algorithms=(S.ed25519,))) is ED
    assert choose_credential(ours, Wanted((OTHER.name,), ALL)) is ED
    assert choose_credential(ours[1:], Wanted((OTHER.name, ROOT.name), ALL)) is BELOW
    assert choose_credential(ours, Wanted((CA("Nobody").name,), ALL)) is None
    assert choose_credential(ours, Wanted(signature_algorithms=(S.ed448,))) is None
    assert choose_credential([], Wanted(signature_algorithms=ALL)) is None


def test_authorities_of_any_link_and_spelling() -> None:
    spelt = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ROOT", _ASN1Type.PrintableString)])
    middle = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Middle")])
    for wanted in (ROOT.name, spelt.public_bytes(), middle.public_bytes()):
        assert fits_request(BELOW, Wanted((wanted,), ALL)) is None
    assert "authority" in str(fits_request(P256, Wanted((middle.public_bytes(),), ALL)))
    assert "authority" in str(fits_request(P256, Wanted((b"junk",), ALL)))


def test_reasons() -> None:
    wanted = Wanted(signature_algorithms=(S.ed448, 0x7F7F))
    assert "wanted ed448, 0x7f7f" in str(fits_request(P256, wanted))
    sealed = ROOT.issue(usage=key_usage("key_encipherment")).credential()
    assert "digitalSignature" in str(fits_request(sealed, Wanted(signature_algorithms=ALL)))
    free = ROOT.issue(usage=None).credential()
    assert fits_request(free, Wanted(signature_algorithms=ALL)) is None


@pytest.mark.parametrize(
    "key_type", ["p256", "p384", "ed25519", "ed448", "rsa2048", "rsa-pss", "mldsa44"]
)
def test_chain_signatures(key_type: str) -> None:
    ca = CA("Chain", key_type=key_type)
    fits = {
        "p256": S.ecdsa_secp256r1_sha256,
        "p384": S.ecdsa_secp256r1_sha256,  # signed with SHA-256 all the same
        "rsa2048": S.rsa_pkcs1_sha256,
        "rsa-pss": S.rsa_pss_pss_sha256,
    }.get(key_type) or S[key_type]
    credential = ca.issue().credential()
    asked = (S.ecdsa_secp256r1_sha256,)
    assert fits_request(credential, Wanted((), asked, (fits,))) is None
    wrong = Wanted((), asked, (S.rsa_pkcs1_sha512,))
    assert "chain" in str(fits_request(credential, wrong))
    assert choose_credential([credential], wrong) is credential  # better than nothing
    assert choose_credential([credential, P256], Wanted((), asked, (fits,))) is credential


def test_better_chain_wins() -> None:
    asked = Wanted(signature_algorithms=(S.ecdsa_secp256r1_sha256,))
    worse = OTHER.issue().credential()
    assert choose_credential([worse, P256], asked) is P256
    assert fits_request(worse, asked) is not None


def test_self_signed_certificates_are_not_held_against_the_list() -> None:
    whole = OTHER.issue(key_type="ed25519")
    whole.above = (OTHER.certificate,)
    alone = CA("Alone", usage=None).credential()
    assert fits_request(alone, Wanted((), ALL, (S.ed448,))) is None
    assert fits_request(whole.credential(), Wanted((), ALL, (S.ed25519,))) is None


@pytest.mark.parametrize(
    ("filters", "passes"),
    [
        ([], True),
        ([usages("digital_signature")], True),
        ([usages()], True),
        ([usages("digital_signature", "key_agreement")], True),
        ([usages("key_cert_sign")], False),
        ([usages("digital_signature", "content_commitment")], False),
        ([purposes(EKU.CLIENT_AUTH)], True),
        ([purposes(EKU.CLIENT_AUTH, EKU.EMAIL_PROTECTION)], False),
        ([usages("digital_signature"), purposes(EKU.SERVER_AUTH)], False),
        ([(UNKNOWN, b"anything")], True),
        ([(PURPOSE, b"")], True),
    ],
)
def test_oid_filters(filters: list[tuple[bytes, bytes]], passes: bool) -> None:
    issued = ROOT.issue(usage=key_usage("digital_signature", "key_agreement"))
    wanted = Wanted((), ALL, None, tuple(filters))
    assert (fits_request(issued.credential(), wanted) is None) is passes
    if passes:
        check_oid_filters(issued.certificate, filters)
    else:
        with pytest.raises(WrongPurpose, match="lacks"):
            check_oid_filters(issued.certificate, filters)


def test_filtered_extension_must_be_there() -> None:
    bare = ROOT.issue(usage=None, purpose=None).certificate
    for wanted in (usages(), purposes(EKU.CLIENT_AUTH), (PURPOSE, b"")):
        with pytest.raises(WrongPurpose):
            check_oid_filters(bare, [wanted])


@pytest.mark.parametrize(
    ("filters", "error"),
    [
        ([purposes(EKU.ANY_EXTENDED_KEY_USAGE)], IllegalParameter),
        ([usages(), usages()], IllegalParameter),
        ([(UNKNOWN, b""), (UNKNOWN, b"")], IllegalParameter),
        ([(b"junk", b"")], DecodeError),
        ([(KEY_USAGE, b"\3\2\x08\0")], DecodeError),
        ([(PURPOSE, b"\x30\1\6")], DecodeError),
    ],
)
def test_bad_filters(filters: list[tuple[bytes, bytes]], error: type[Exception]) -> None:
    wanted = Wanted((), ALL, None, tuple(filters))
    with pytest.raises(error):
        choose_credential([], wanted)
    with pytest.raises(error):
        fits_request(P256, wanted)


def test_scheme_in_the_peers_order() -> None:
    ours = (S.rsa_pss_rsae_sha256, S.rsa_pss_rsae_sha512)
    assert choose_scheme(ours, (0x7F7F, S.rsa_pss_rsae_sha512, S.rsa_pss_rsae_sha256)) is ours[1]
    assert choose_scheme(ours, (S.ed25519,)) is None


def test_server_credential() -> None:
    a, b, wild, ed = (
        ROOT.issue(host, purpose="server", key_type=key_type).credential()
        for host, key_type in (
            ("a.example", "p256"),
            ("b.example", "p256"),
            ("*.c.example", "p256"),
            ("a.example", "ed25519"),
        )
    )
    ours = [a, b, wild, ed]
    for server_name, algorithms, expected in (
        ("b.example", ALL, b),
        ("x.c.example", ALL, wild),
        ("a.example", (S.ed25519,), ed),
        ("b.example", (S.ed25519,), ed),
        ("unknown.example", ALL, a),
        (None, ALL, a),
        ("a.example", (S.ed448,), None),
    ):
        wanted = Wanted(signature_algorithms=algorithms)
        assert choose_server_credential(ours, server_name, wanted) is expected


def test_a_servers_authorities_and_chain_algorithms_are_preferences():
    other = CA("Other CA", key_type="ed25519")
    ours = [
        authority.issue("a.example", purpose="server", dns=["a.example"]).credential()
        for authority in (ROOT, other)
    ]
    schemes = (S.ecdsa_secp256r1_sha256,)

    def choose(**fields):
        wanted = Wanted(signature_algorithms=schemes, **fields)
        return choose_server_credential(ours, "a.example", wanted)

    assert choose(authorities=(other.name,)) is ours[1]
    assert choose(authorities=(ROOT.name,)) is ours[0]
    assert choose(authorities=(b"\x30\x00",)) is ours[0]
    assert choose(signature_algorithms_cert=(S.ed25519,)) is ours[1]
