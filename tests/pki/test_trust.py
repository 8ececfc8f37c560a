"""Chain verification: what is believed, and each reason why not."""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
import warnings
from random import Random

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from postshake.constants import AlertDescription, Role
from postshake.errors import (
    BadCertificate,
    BadCertificateSignature,
    CertificateError,
    CertificateExpired,
    CertificateNotYetValid,
    CertificateRequired,
    InvalidCA,
    NameMismatch,
    PathLengthExceeded,
    PolicyMismatch,
    UnhandledCriticalExtension,
    UnknownCA,
    UnsupportedCertificate,
    UsageError,
    WeakKey,
    WrongPurpose,
)
from postshake.pki import parsed_certificate as facts_module
from postshake.pki.parsed_certificate import Facts
from postshake.pki.path import PathSearch
from postshake.pki.trust import ChainVerifier, PeerChain, TrustStore
from tests.certs import CA, DAY, KEY_TYPES, NOW, key_usage, name, new_key, peer, reseal

ROOT = CA("Root")
MIDDLE = ROOT.intermediate("Middle")
VERIFIER = ROOT.verifier(cache_size=0)
POLICIES = x509.ObjectIdentifier("1.2.3.4.5")


def test_path_is_leaf_to_anchor() -> None:
    leaf = MIDDLE.issue()
    assert VERIFIER.verify(peer(leaf)).certificates == (leaf.der, MIDDLE.der, ROOT.der)


@pytest.mark.parametrize("key_type", sorted(set(KEY_TYPES) - {"rsa1024"}))
def test_every_key_type(key_type: str) -> None:
    root = CA("Any", key_type=key_type)
    leaf = root.intermediate("Between", key_type=key_type).issue(key_type=key_type)
    assert len(root.verifier().verify(peer(leaf)).certificates) == 3
    other = CA("Any", key_type=key_type, key=new_key(key_type), key_identifiers=False)
    if key_type.startswith("rsa"):  # few keys: make sure that it is another one
        other = CA("Any", key_type="p256", key_identifiers=False)
    with pytest.raises(BadCertificate, match="was not signed by"):
        other.verifier().verify(peer(CA("Any", key_type="p384", key_identifiers=False).issue()))


def test_pss_signature_and_unusual_ecdsa_hash() -> None:
    from cryptography.hazmat.primitives import hashes

    root = CA("PSS", key_type="rsa2048")
    assert root.verifier().verify(peer(root.issue(pss_signature=True)))
    assert VERIFIER.verify(peer(ROOT.issue(hash_algorithm=hashes.SHA512())))


def test_pss_key_signs_nothing_but_pss() -> None:
    root = CA("PSS key", key_type="rsa-pss")
    forged = root.issue(signed_by=root.private_key.key)  # PKCS #1 v1.5, same numbers
    with pytest.raises(BadCertificate, match="was not signed by"):
        root.verifier().verify(peer(forged))


@pytest.mark.parametrize(
    ("issued", "role", "error", "text"),
    [
        (lambda: ROOT.issue("old", expired=True), "client", CertificateExpired, "CN=old"),
        (
            lambda: ROOT.issue("soon", not_yet_valid=True),
            "client",
            CertificateNotYetValid,
            "CN=soon",
        ),
        (lambda: ROOT.issue(purpose="server"), "client", WrongPurpose, "not for TLS clients"),
        (lambda: ROOT.issue(purpose="client"), "server", WrongPurpose, "not for TLS servers"),
        (lambda: ROOT.issue(purpose="email"), "client", WrongPurpose, "expected clientAuth"),
        (
            lambda: ROOT.issue(usage=key_usage("key_encipherment")),
            "client",
            WrongPurpose,
            "lacks digitalSignature",
        ),
        (lambda: CA("Root").issue(), "client", UnknownCA, "does not lead to"),
        (lambda: CA("Stranger").issue(), "client", UnknownCA, "does not lead to"),
        (lambda: CA("Self", usage=None), "client", UnknownCA, "self-signed"),
        (
            lambda: ROOT.issue(signed_by=new_key()),
            "client",
            BadCertificateSignature,
            "not signed by",
        ),
        (lambda: ROOT.issue(key_type="rsa1024"), "client", WeakKey, "1024 bits"),
        (
            lambda: ROOT.issue(key=ec.generate_private_key(ec.SECP256K1())),
            "client",
            UnsupportedCertificate,
            "secp256k1",
        ),
        (
            lambda: ROOT.issue(extra=[(x509.UnrecognizedExtension(POLICIES, b"\5\0"), True)]),
            "client",
            UnhandledCriticalExtension,
            "1.2.3.4.5",
        ),
        (
            lambda: ROOT.issue(extra=[(x509.PolicyConstraints(0, None), False)]),
            "client",
            PolicyMismatch,
            "a certificate policy is required",
        ),
        # what is above the leaf
        (
            lambda: ROOT.intermediate("Old", expired=True).issue(),
            "client",
            CertificateExpired,
            "CN=Old",
        ),
        (
            lambda: ROOT.intermediate("Soon", not_yet_valid=True).issue(),
            "client",
            CertificateNotYetValid,
            "CN=Soon",
        ),
        (
            lambda: ROOT.intermediate("No", ca=False).issue(),
            "client",
            InvalidCA,
            "is not a CA",
        ),
        (lambda: ROOT.intermediate("No", ca=None).issue(), "client", InvalidCA, "is not a CA"),
        (
            lambda: ROOT.intermediate("No", usage=key_usage("digital_signature")).issue(),
            "client",
            InvalidCA,
            "lacks keyCertSign",
        ),
        (
            lambda: ROOT.intermediate("S", purpose="server").issue(),
            "client",
            WrongPurpose,
            "CN=S",
        ),
        (
            lambda: ROOT.intermediate("P", path_length=0).intermediate("Q").issue(),
            "client",
            PathLengthExceeded,
            "longer than 'CN=P' allows",
        ),
        (
            lambda: ROOT.intermediate("W", key_type="rsa1024").issue(),
            "client",
            WeakKey,
            "CN=W",
        ),
        (
            lambda: ROOT.intermediate(
                "X", extra=[(x509.UnrecognizedExtension(POLICIES, b"\5\0"), True)]
            ).issue(),
            "client",
            UnhandledCriticalExtension,
            "CN=X",
        ),
        (
            lambda: ROOT.intermediate("F", signed_by=new_key()).issue(),
            "client",
            BadCertificateSignature,
            "'CN=F' was not signed by 'CN=Root'",
        ),
        (
            lambda: ROOT.issue("alice", expired=True, key_type="p384"),
            "server",
            CertificateExpired,
            "CN=alice",
        ),
    ],
)
def test_refused(issued, role: str, error: type[CertificateError], text: str) -> None:
    with pytest.raises(error, match=text) as raised:
        VERIFIER.verify(peer(issued(), Role[role]))
    assert type(raised.value) is error


@pytest.mark.parametrize(
    "issued",
    [
        lambda: ROOT.issue(purpose=None),
        lambda: ROOT.issue(purpose="any"),
        lambda: ROOT.issue(purpose="both", san=False),
        lambda: ROOT.issue(usage=None),
        lambda: ROOT.issue(ca=None),
        lambda: ROOT.issue(key_identifiers=False),
        lambda: ROOT.issue(subject=x509.Name([]), dns=("a.example",)),
        lambda: ROOT.issue(extra=[(x509.UnrecognizedExtension(POLICIES, b"\5\0"), False)]),
        lambda: ROOT.issue(
            extra=[(x509.CertificatePolicies([x509.PolicyInformation(POLICIES, None)]), True)]
        ),
        lambda: ROOT.issue(extra=[(x509.InhibitAnyPolicy(0), True)]),
        lambda: ROOT.intermediate("C", purpose="client").issue(),
        lambda: ROOT.intermediate("P", path_length=1).intermediate("Q").issue(),
        lambda: ROOT.intermediate("P", path_length=0).intermediate("P").issue(),  # self-issued
    ],
)
def test_accepted(issued) -> None:
    leaf = issued()
    found = VERIFIER.verify(peer(leaf)).certificates
    assert (found[0], found[-1]) == (leaf.der, ROOT.der)


def test_alerts() -> None:
    for issued, alert in (
        (ROOT.issue(expired=True), AlertDescription.certificate_expired),
        (CA("Stranger").issue(), AlertDescription.unknown_ca),
        (ROOT.issue(purpose="server"), AlertDescription.unsupported_certificate),
        (ROOT.issue(signed_by=new_key()), AlertDescription.bad_certificate),
    ):
        with pytest.raises(CertificateError) as raised:
            VERIFIER.verify(peer(issued))
        assert raised.value.alert == alert


@pytest.mark.parametrize(
    ("seconds", "valid"), [(-1, False), (0, True), (3600, True), (3601, False)]
)
def test_validity_includes_its_ends(seconds: int, valid: bool) -> None:
    leaf = ROOT.issue(not_before=NOW, not_after=NOW + datetime.timedelta(hours=1))
    asked = peer(leaf, at=NOW + datetime.timedelta(seconds=seconds))
    for verifier in (VERIFIER, ROOT.verifier()):
        verifier.verify(peer(leaf))  # remembered by the second
        if valid:
            assert verifier.verify(asked)
        else:
            with pytest.raises((CertificateExpired, CertificateNotYetValid)):
                verifier.verify(asked)


def test_sha1_and_md5_are_weak() -> None:
    root = CA("RSA", key_type="rsa2048")
    der = root.issue().der
    sha256, sha1, md5 = (
        bytes.fromhex("06092a864886f70d0101") + b for b in (b"\x0b", b"\x05", b"\4")
    )
    for weak in (sha1, md5):
        with pytest.raises(WeakKey, match=r"sha1|md5"):
            root.verifier().verify(peer([der.replace(sha256, weak)]))


def test_damage_is_always_a_certificate_error() -> None:
    """Whatever stands in the certificates, no other exception comes out."""
    bound = [x509.DNSName("example"), x509.DirectoryName(name(organization_name="Org"))]
    leaf = ROOT.intermediate("Bound", permitted=bound).issue(
        subject=name("a", organization_name="Org"), dns=("a.example",), email=("a@b.example",)
    )
    assert VERIFIER.verify(peer(leaf))
    random = Random(2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(3000):
            chain = [bytearray(der) for der in leaf.chain]
            victim = random.choice(chain)
            victim[random.randrange(len(victim))] ^= 1 << random.randrange(8)
            victim[random.randrange(len(victim))] = random.randrange(256)
            if tuple(map(bytes, chain)) == leaf.chain:
                continue
            with pytest.raises(CertificateError):
                VERIFIER.verify(peer(tuple(map(bytes, chain))))


def test_signature_of_odd_bits() -> None:
    """``cryptography`` disregards the count of unused bits, so one signature had two forms."""
    leaf = ROOT.issue()
    start = len(leaf.der) - len(leaf.certificate.signature) - 1
    assert leaf.der[start] == 0
    for unused in range(1, 8):
        with pytest.raises(BadCertificate, match="cannot be read"):
            VERIFIER.verify(peer([leaf.der[:start] + bytes([unused]) + leaf.der[start + 1 :]]))


def test_two_signature_algorithms() -> None:
    root = CA("RSA", key_type="rsa2048")
    sha256, sha384 = (bytes.fromhex("06092a864886f70d0101") + b for b in (b"\x0b", b"\x0c"))
    forged = reseal(root.issue().certificate, root.private_key, sha256, sha384)
    with pytest.raises(BadCertificate, match="two different signature algorithms"):
        root.verifier().verify(peer([forged.public_bytes(Encoding.DER)]))


def test_every_flipped_byte_is_refused() -> None:
    leaf = MIDDLE.issue()
    for index in range(0, len(leaf.der), 3):
        damaged = bytearray(leaf.der)
        damaged[index] ^= 1 << index % 8
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pytest.raises(CertificateError):
                VERIFIER.verify(peer([bytes(damaged), *leaf.chain[1:]]))


def test_server_names() -> None:
    leaf = ROOT.issue("a.example", purpose="server", dns=("a.example", "*.b.example"), ip=("::1",))
    for good in ("A.example", "x.b.example", "[::1]", "a.example.", None):
        assert VERIFIER.verify(peer(leaf, Role.server, good))
    for bad in ("b.example", "x.y.b.example", "127.0.0.1"):
        with pytest.raises(NameMismatch, match=r"a\.example"):
            VERIFIER.verify(peer(leaf, Role.server, bad))
    with pytest.raises(UsageError):
        VERIFIER.verify(peer(leaf, Role.server, "not a name"))
    with pytest.raises(NameMismatch, match="for no host"):
        VERIFIER.verify(
            peer(ROOT.issue("a.example", purpose="server", san=False), Role.server, "a.example")
        )


def test_remembered_per_name_and_role() -> None:
    leaf = ROOT.issue("a.example", purpose="both")
    verifier = ROOT.verifier()
    assert verifier.verify(peer(leaf, Role.server, "a.example"))
    with pytest.raises(NameMismatch):
        verifier.verify(peer(leaf, Role.server, "b.example"))
    only_server = ROOT.issue("a.example", purpose="server")
    assert verifier.verify(peer(only_server, Role.server, "a.example"))
    assert verifier.verify(peer(only_server, Role.server))
    with pytest.raises(WrongPurpose):
        verifier.verify(peer(only_server))


def test_remembering_saves_the_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = []
    check = Facts.check_signature

    def counted(child: Facts, issuer: Facts) -> bool:
        checks.append(child)
        return check(child, issuer)

    monkeypatch.setattr(facts_module.Facts, "check_signature", counted)
    leaf, bad = ROOT.issue(), ROOT.issue(signed_by=new_key())
    verifier = ROOT.verifier(cache_size=2)
    first = verifier.verify(peer(leaf))
    again = PeerChain((bytes(bytearray(leaf.der)),), Role.client, None, None, NOW.timestamp())
    assert verifier.verify(again) is first
    assert len(checks) == 1
    for _ in range(2):  # refusals are not remembered
        with pytest.raises(BadCertificate):
            verifier.verify(peer(bad))
    assert len(checks) == 3
    for _ in range(5):
        verifier.verify(peer(ROOT.issue()))
    assert repr(verifier).endswith("remembered=2)")
    verifier.verify(peer(leaf))
    assert len(checks) == 9
    verifier.forget()
    assert repr(verifier).endswith("remembered=0)")


def test_expiry_of_a_ca_ends_the_remembering() -> None:
    middle = ROOT.intermediate("Brief", not_after=NOW + DAY)
    leaf = middle.issue()
    verifier = ROOT.verifier()
    verifier.verify(peer(leaf))
    with pytest.raises(CertificateExpired, match="CN=Brief"):
        verifier.verify(peer(leaf, at=NOW + 2 * DAY))


def test_order_and_extras_do_not_matter() -> None:
    lower = MIDDLE.intermediate("Lower")
    leaf = lower.issue()
    extra = CA("Extra").der
    chain = [leaf.der, ROOT.der, extra, b"not DER", MIDDLE.der, lower.der]
    assert len(VERIFIER.verify(peer(chain)).certificates) == 4


def test_damaged_certificates() -> None:
    with pytest.raises(BadCertificate, match="cannot be read"):
        VERIFIER.verify(peer([b"\x30\x03\x02\x01\x01"]))
    leaf = MIDDLE.issue()
    with pytest.raises(BadCertificate, match="certificate 1 of the chain cannot be read"):
        VERIFIER.verify(peer([leaf.der, MIDDLE.der[:-1]]))
    with pytest.raises(UnknownCA):
        VERIFIER.verify(peer([leaf.der]))
    with pytest.raises(CertificateRequired):
        VERIFIER.verify(peer([]))


def test_cross_signed_and_expired_way() -> None:
    old, new = CA("Old root", expired=True), CA("New root")
    key = new_key()
    subject = name("Shared")
    by_old = old.intermediate(subject=subject, key=key)
    by_new = new.intermediate(subject=subject, key=key)
    leaf = by_old.issue()
    verifier = ChainVerifier(old.trust(new))
    assert verifier.verify(peer([leaf.der, by_old.der, by_new.der])).certificates[-1] == new.der
    with pytest.raises(CertificateExpired, match="Old root"):
        verifier.verify(peer([leaf.der, by_old.der]))


def test_rolled_over_root_of_the_same_name() -> None:
    for identifiers in (True, False):
        roots = [CA("Twin", key_identifiers=identifiers) for _ in range(3)]
        for root in roots:
            leaf = root.issue(key_identifiers=identifiers)
            trust = ChainVerifier(roots[0].trust(*roots[1:]))
            assert trust.verify(peer(leaf)).certificates[-1] == root.der


def test_names_match_without_case_and_string_type() -> None:
    issuer = x509.Name(
        [
            x509.NameAttribute(
                x509.NameOID.COMMON_NAME, "ROOT  ca", x509.name._ASN1Type.PrintableString
            )
        ]
    )
    root = CA(subject=name("Root CA"))
    same_key = CA(subject=issuer, key=root.private_key)
    assert same_key.certificate.subject != root.certificate.subject
    leaf = same_key.issue()
    assert root.verifier().verify(peer(leaf)).certificates[-1] == root.der
    middle = ROOT.intermediate(subject=name("root CA"), key=root.private_key)
    assert VERIFIER.verify(peer([leaf.der, middle.der])).certificates[1] == middle.der


def test_anchor_that_is_the_peer_itself() -> None:
    alone = CA("alone", usage=key_usage("digital_signature"), ca=False)
    verifier = alone.verifier()
    assert verifier.verify(peer(alone)).certificates == (alone.der,)
    with pytest.raises(CertificateExpired):
        verifier.verify(peer(alone, at=NOW + 1000 * DAY))
    with pytest.raises(BadCertificate, match="is not a CA"):
        verifier.verify(peer(alone.issue()))  # trusted, and yet no authority
    with pytest.raises(UnknownCA):
        verifier.verify(peer(CA("alone", usage=None, ca=False)))


def test_intermediate_as_anchor() -> None:
    leaf = MIDDLE.issue()
    assert MIDDLE.verifier().verify(peer(leaf)).certificates == (leaf.der, MIDDLE.der)


def test_anchor_constraints_bind() -> None:
    short = CA("Short", path_length=0)
    with pytest.raises(BadCertificate, match="longer than"):
        short.verifier().verify(peer(short.intermediate().issue()))
    servers = CA("Servers", purpose="server")
    with pytest.raises(WrongPurpose):
        servers.verifier().verify(peer(servers.issue()))
    weak = CA("Weak", key_type="rsa1024")
    with pytest.raises(WeakKey):
        weak.verifier().verify(peer(weak.issue()))
    assert weak.verifier(minimum_rsa_bits=1024).verify(peer(weak.issue()))


def test_max_depth() -> None:
    ca = ROOT
    for index in range(3):
        ca = ca.intermediate(f"Level {index}")
    leaf = ca.issue()
    assert ROOT.verifier(max_depth=3).verify(peer(leaf))
    with pytest.raises(BadCertificate, match="more than 2 intermediates"):
        ROOT.verifier(max_depth=2).verify(peer(leaf))


def test_hostile_mesh_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """CAs of one name that all signed each other: many paths, no anchor."""
    checks = []
    check = Facts.check_signature
    monkeypatch.setattr(
        Facts, "check_signature", lambda child, issuer: checks.append(1) or check(child, issuer)
    )
    subject = name("Mesh")
    keys = [new_key() for _ in range(15)]
    first = CA(subject=subject, key=keys[0], key_identifiers=False)
    mesh = [first.intermediate(subject=subject, key=key, key_identifiers=False) for key in keys[1:]]
    leaf = first.issue(key_identifiers=False)
    with pytest.raises(BadCertificate):
        VERIFIER.verify(peer([leaf.der, *(ca.der for ca in mesh), first.der]))
    assert 0 < len(checks) <= 32


def test_steps_are_bounded() -> None:
    """Distinct names, everyone certified by everyone: each edge is right."""
    names = [name(f"Node {index}") for index in range(4)]
    keys = [new_key() for _ in names]
    nodes = [CA(subject=subject, key=key) for subject, key in zip(names, keys, strict=True)]
    cross = [
        issuer.intermediate(subject=subject, key=key).der
        for issuer in nodes
        for subject, key in zip(names, keys, strict=True)
        if issuer.certificate.subject != subject
    ]
    leaf = nodes[0].issue()
    search = PathSearch(ROOT.trust(), Role.client, NOW.timestamp(), 8, 2048, steps_left=10)
    with pytest.raises(BadCertificate, match="too many possible paths"):
        search.find(Facts(leaf.der), cross)
    search = PathSearch(ROOT.trust(), Role.client, NOW.timestamp(), 8, 2048, signatures_left=3)
    with pytest.raises(BadCertificate, match="too many signatures"):
        search.find(Facts(leaf.der), cross)
    with pytest.raises(UnknownCA):  # the same, allowed to finish
        VERIFIER.verify(peer([leaf.der, *cross]))


@pytest.mark.parametrize("role", [Role.client, Role.server])
def test_agrees_with_cryptography(role: Role) -> None:
    """Where its verifier applies (P-256, subjectAltName), it is the oracle."""
    purpose = role.name
    good = {"purpose": purpose, "dns": ("a.example",)}
    cases = [
        ROOT.issue(**good),
        MIDDLE.issue(**good),
        ROOT.issue(**good, expired=True),
        ROOT.issue(**good, not_yet_valid=True),
        ROOT.issue(**good | {"purpose": "email"}),
        ROOT.issue(**good, signed_by=new_key()),
        CA("Root").issue(**good),
        ROOT.issue(**good, extra=[(x509.UnrecognizedExtension(POLICIES, b"\5\0"), True)]),
        ROOT.intermediate("A", expired=True).issue(**good),
        ROOT.intermediate("B", ca=False).issue(**good),
        ROOT.intermediate("C", usage=key_usage("digital_signature")).issue(**good),
        ROOT.intermediate("D", path_length=0).intermediate("E").issue(**good),
        ROOT.intermediate("F", path_length=1).intermediate("G").issue(**good),
        ROOT.intermediate("H", purpose="email").issue(**good),
        ROOT.intermediate("I", permitted=[x509.DNSName("example")]).issue(**good),
        ROOT.intermediate("J", permitted=[x509.DNSName("b.example")]).issue(**good),
        ROOT.intermediate("K", excluded=[x509.DNSName("a.example")]).issue(**good),
        ROOT.intermediate("L", excluded=[x509.DNSName("b.example")]).issue(**good),
    ]
    policy = PolicyBuilder().store(Store([ROOT.certificate])).time(NOW)
    verdicts = []
    for leaf in cases:
        try:
            if role is Role.client:
                policy.build_client_verifier().verify(leaf.certificate, list(leaf.above))
            else:
                policy.build_server_verifier(x509.DNSName("a.example")).verify(
                    leaf.certificate, list(leaf.above)
                )
            theirs = True
        except VerificationError:
            theirs = False
        try:
            VERIFIER.verify(peer(leaf, role, "a.example"))
            ours = True
        except CertificateError:
            ours = False
        assert ours == theirs, leaf
        verdicts.append(ours)
    assert verdicts.count(True) == 5


def test_error_texts_are_safe_to_print() -> None:
    with pytest.raises(UnknownCA) as raised:
        VERIFIER.verify(peer(CA("Evil\x1b[2J\nroot", usage=None)))
    assert str(raised.value).isprintable()


def test_other_anchors_from_now_on() -> None:
    other = CA("Other root")
    ours, theirs = peer(ROOT.issue()), peer(other.issue())
    for replace in (
        ChainVerifier.replace,
        lambda verifier, trust: setattr(verifier, "trust", trust),
    ):
        verifier = ROOT.verifier()
        assert verifier.verify(ours)
        replace(verifier, other.trust())
        assert verifier.trust == other.trust()
        with pytest.raises(UnknownCA):
            verifier.verify(ours)
        assert verifier.verify(theirs)
        replace(verifier, ROOT.trust())
        assert verifier.verify(ours)
        with pytest.raises(UnknownCA):
            verifier.verify(theirs)
        with pytest.raises(UsageError, match="expected a TrustStore, got list"):
            replace(verifier, [ROOT.der])
        assert verifier.verify(ours)


def test_a_verdict_of_before_then_is_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anchors are replaced while a path to one of the old ones is being found."""
    verifier, other = ROOT.verifier(), CA("Other root")
    asked = peer(ROOT.issue())
    find = PathSearch.find

    def slow(search: PathSearch, leaf: Facts, others) -> list[Facts]:
        path = find(search, leaf, others)
        verifier.replace(other.trust())
        return path

    with monkeypatch.context() as patched:
        patched.setattr(PathSearch, "find", slow)
        assert verifier.verify(asked)  # it began when they were trusted
    for _ in range(2):
        with pytest.raises(UnknownCA):
            verifier.verify(asked)


@pytest.mark.parametrize(
    ("setting", "value", "error"),
    [("minimum_rsa_bits", 3072, WeakKey), ("max_depth", 0, BadCertificate)],
)
def test_a_stricter_setting_counts_at_once(
    setting: str, value: int, error: type[CertificateError]
) -> None:
    verifier = ROOT.verifier()
    asked = peer(ROOT.intermediate("Middle").issue(key_type="rsa2048"))
    before = getattr(verifier, setting)
    assert verifier.verify(asked)
    setattr(verifier, setting, value)
    with pytest.raises(error):
        verifier.verify(asked)
    setattr(verifier, setting, before)
    assert verifier.verify(asked)


def test_what_is_remembered_is_these_certificates_and_no_others() -> None:
    leaf = MIDDLE.issue()
    verifier = ROOT.verifier()
    assert verifier.verify(peer([leaf.der, MIDDLE.der]))
    for other in ([leaf.der], [leaf.der + MIDDLE.der], [leaf.der, MIDDLE.der[:-1]], [MIDDLE.der]):
        with pytest.raises(CertificateError):
            verifier.verify(peer(other))


def test_a_large_chain_is_not_remembered() -> None:
    """256 of them are what a verifier may hold."""
    verifier = ROOT.verifier()
    for size, remembered in ((31_000, 1), (33_000, 0)):
        verifier.forget()
        extra = [(x509.UnrecognizedExtension(POLICIES, bytes(size)), False)]
        leaf = ROOT.issue(extra=extra)
        for _ in range(2):
            assert verifier.verify(peer(leaf)).certificates == (leaf.der, ROOT.der)
        assert repr(verifier).endswith(f"remembered={remembered})")


def test_intermediates_of_our_own() -> None:
    others = [CA(f"Other {index}").intermediate(f"Middle {index}").der for index in range(40)]
    verifier = ChainVerifier(ROOT.trust(), intermediates=TrustStore([*others, MIDDLE.der]))
    leaf = MIDDLE.issue()
    assert verifier.verify(peer([leaf.der])).certificates == (leaf.der, MIDDLE.der, ROOT.der)
    with pytest.raises(UnknownCA):  # they are not trusted
        ChainVerifier(TrustStore(), intermediates=TrustStore([MIDDLE.der])).verify(peer([leaf.der]))
    with pytest.raises(UnknownCA):
        ROOT.verifier().verify(peer([leaf.der]))


def test_what_names_the_leaf_s_purposes() -> None:
    many = [x509.ObjectIdentifier(f"1.2.3.{index}") for index in range(9)]
    with pytest.raises(WrongPurpose, match=r"is 1\.2\.3\.0, .*1\.2\.3\.5 …, expected clientAuth"):
        VERIFIER.verify(peer(ROOT.issue(purpose=many)))


class TestStore:
    """Where anchors come from."""

    def test_forms(self, tmp_path) -> None:
        other = CA("Other")
        both = ROOT.certificate.public_bytes(Encoding.PEM) + other.pem()
        (tmp_path / "both.pem").write_bytes(both)
        (tmp_path / "root.der").write_bytes(ROOT.der)
        folder = tmp_path / "folder"
        folder.mkdir()
        (folder / "a.pem").write_bytes(both)
        (folder / "README").write_text("not a certificate")
        expected = ROOT.trust(other)
        for store in (
            TrustStore.from_pem(both),
            TrustStore.from_pem(both.decode()),
            TrustStore.from_files(tmp_path / "both.pem"),
            TrustStore.from_files(str(tmp_path / "both.pem"), tmp_path / "root.der"),
            TrustStore.from_files(folder),
            other.trust(ROOT),
        ):
            assert store == expected
            assert store.key == expected.key
            assert hash(store) == hash(expected)
            assert set(store.names()) == {ROOT.name, other.name}
            assert set(store.anchors) == {ROOT.certificate, other.certificate}
            assert ROOT.certificate in store
            assert MIDDLE.der not in store
            assert len(store) == 2
        assert ROOT.trust() != expected

    def test_refused(self, tmp_path) -> None:
        (tmp_path / "empty.pem").write_bytes(b"")
        for make in (
            lambda: TrustStore.from_files(tmp_path / "absent.pem"),
            lambda: TrustStore.from_files(tmp_path / "empty.pem"),
            lambda: TrustStore.from_files(),
            lambda: TrustStore.from_pem("no certificate"),
            lambda: TrustStore([b"no certificate"]),
        ):
            with pytest.raises(UsageError):
                make()

    def test_system_heeds_the_environment(self, tmp_path, monkeypatch) -> None:
        (tmp_path / "root.pem").write_bytes(ROOT.pem())
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "root.pem"))
        monkeypatch.delenv("SSL_CERT_DIR", raising=False)
        assert TrustStore.system() == ROOT.trust()

    def test_empty_trusts_nobody(self) -> None:
        with pytest.raises(UnknownCA):
            ChainVerifier(TrustStore()).verify(peer(ROOT.issue()))


def test_the_floor_imports_nothing_that_it_must_not() -> None:
    code = (
        "import sys, cryptography.x509, cryptography.hazmat.primitives.serialization.pkcs12\n"
        "before = set(sys.modules)\n"
        "import postshake.pki.choose, postshake.pki.trust, postshake.pki.identity\n"
        "assert not {'ssl', 'socket', 'asyncio'} & (set(sys.modules) - before)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": "src"})
