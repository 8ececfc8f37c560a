"""Why a peer is refused: number and words are held against the standard module's.

The catalogue has certificates with one defect each, and some with two, of which OpenSSL tells
the first that it comes upon. Each is verified by both modules, as a server's and as a client's.
"""

from __future__ import annotations

import functools
import ssl as standard
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

import postshake.ssl as ours
from postshake.constants import Role
from postshake.errors import AccessDenied, CertificateExpired, UnsupportedCertificate
from postshake.pki.der import certificate_fields, tlv
from postshake.pki.parsed_certificate import Facts
from postshake.pki.trust import PeerChain, VerifiedChain
from postshake.ssl.verifier import ContextVerifier
from postshake.ssl.verify_codes import VerifyCode, code_of
from tests import forging
from tests.certs import CA, DAY, NOW, Issued, content, key_usage, name, new_key, reseal, wrap
from tests.revoking import make_list
from tests.sslmodule.ends import Memory, files, server_context

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")

FLAGS = standard.VerifyFlags
SIGN = key_usage("digital_signature")
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
PROXY = x509.UnrecognizedExtension(
    x509.ObjectIdentifier("1.3.6.1.5.5.7.1.14"),
    bytes.fromhex("300c300a06082b06010505071501"),
)


@dataclass
class Chain:
    """What a peer shows, and whom the other trusts."""

    leaf: Issued
    above: Sequence[CA]
    """What is sent after the leaf."""
    trusted: Sequence[CA]
    host: str = "localhost"
    flags: int = 0
    lists: Sequence[x509.CertificateRevocationList] = field(default_factory=list)


def chain(
    *,
    root: dict[str, Any] | None = None,
    between: Sequence[dict[str, Any]] = ({},),
    leaf: dict[str, Any] | None = None,
    **settings: Any,
) -> Callable[[Role], Chain]:
    """Describe a root, what is between, lowest last, and a leaf; all are right but for these."""

    def make(role: Role) -> Chain:
        authority = top = CA("Root", **(root or {}))
        below = []
        for number, options in enumerate(between):
            issuer = authority
            authority = issuer.intermediate(f"No. {number}", **options)
            below.append(authority)
        usual: dict[str, Any] = {"purpose": role.name, "dns": ("localhost",)}
        issued = authority.issue("somebody", **(usual | (leaf or {})))
        return Chain(issued, below[::-1], [top], **settings)

    return make


def dns(*names: str) -> list[x509.GeneralName]:
    return [x509.DNSName(each) for each in names]


def folder_name(common_name: str) -> x509.DirectoryName:
    return x509.DirectoryName(name(common_name))


def stranger(role: Role) -> Chain:
    made = chain()(role)
    made.trusted = [CA("Another")]
    return made


def root_sent(role: Role) -> Chain:
    made = chain()(role)
    return Chain(made.leaf, [*made.above, *made.trusted], [CA("Another")])


def self_signed(role: Role) -> Chain:
    alone = CA("localhost", ca=None, usage=None, purpose=role.name, dns=("localhost",))
    return Chain(alone, [], [CA("Another")])


def missing(role: Role) -> Chain:
    made = chain(between=({}, {}))(role)
    made.above = made.above[1:]
    return made


def trusted_between(role: Role) -> Chain:
    """The intermediate was loaded and its root was not."""
    made = chain()(role)
    return Chain(made.leaf, [], [made.above[0]])


def mimic(role: Role) -> Chain:
    """The root that is sent has the name of the one that is trusted, and another key."""
    made = chain(root={"key_identifiers": False}, leaf={"key_identifiers": False})(role)
    return Chain(made.leaf, [*made.above, *made.trusted], [CA("Root", key_identifiers=False)])


def two_roots(role: Role) -> Chain:
    """Both are trusted, and the one that is found first has another key."""
    made = chain(root={"key_identifiers": False}, between=({"key_identifiers": False},))(role)
    made.trusted = [CA("Root", key_identifiers=False), *made.trusted]
    return made


def forged(where: str) -> Callable[[Role], Chain]:
    key = CA("Another").private_key
    if where == "leaf":
        return chain(leaf={"signed_by": key})
    return chain(between=({"signed_by": key},))


def long(role: Role) -> Chain:
    return chain(between=[{}] * 9)(role)


SHA1 = bytes.fromhex("300906072a8648ce3d0401")  # ecdsa-with-SHA1
SHA256 = bytes.fromhex("300a06082a8648ce3d040302")


def with_sha1(certificate: x509.Certificate, key: Any) -> x509.Certificate:
    """The same, signed in the old way, which the builder refuses to do."""
    fields = certificate_fields(certificate.public_bytes(Encoding.DER))
    assert fields.tbs.count(SHA256) == 1
    tbs = wrap(0x30, content(fields.tbs.replace(SHA256, SHA1)))
    signature = key.sign(tbs, ec.ECDSA(hashes.SHA1()))
    return x509.load_der_x509_certificate(wrap(0x30, tbs + SHA1 + wrap(0x03, b"\0" + signature)))


def sha1_leaf(role: Role) -> Chain:
    made = chain()(role)
    made.leaf.certificate = with_sha1(made.leaf.certificate, made.above[0].private_key)
    return made


def sha1_intermediate(role: Role) -> Chain:
    made = chain()(role)
    between, root = made.above[0], made.trusted[0]
    between.certificate = with_sha1(between.certificate, root.private_key)
    return made


def sha1_root(role: Role) -> Chain:
    made = chain()(role)
    root = made.trusted[0]
    root.certificate = with_sha1(root.certificate, root.private_key)
    return made


CURVE = bytes.fromhex("06082a8648ce3d030107")  # secp256r1, by name
PARAMETERS = bytes.fromhex(
    "3081f7020101302c06072a8648ce3d0101022100ffffffff00000001000000000000000000000000ffffffff"
    "ffffffffffffffff305b0420ffffffff00000001000000000000000000000000fffffffffffffffffffffffc"
    "04205ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b031500c49d360886e704"
    "936a6678e1139d26b7819f7e900441046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945"
    "d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5022100ffffffff00"
    "000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551020101"
)
"""The same curve, spelled out."""


def explicit_curve(role: Role) -> Chain:
    """The intermediate's curve is spelled out."""
    made = chain()(role)
    between, root = made.above[0], made.trusted[0]
    spki = certificate_fields(between.der).spki
    _, start, end = tlv(spki, 0)
    algorithm_end = tlv(spki, start)[2]
    algorithm = spki[start:algorithm_end].replace(CURVE, PARAMETERS)
    other = wrap(0x30, wrap(0x30, content(algorithm)) + spki[algorithm_end:end])
    between.certificate = reseal(between.certificate, root.private_key, spki, other)
    return made


def damaged(role: Role) -> Chain:
    """The intermediate's keyUsage cannot be read."""
    made = chain()(role)
    between, root = made.above[0], made.trusted[0]
    right, wrong = bytes.fromhex("040403020106"), bytes.fromhex("040404020106")
    between.certificate = reseal(between.certificate, root.private_key, right, wrong)
    return made


def identified(**fields: Any) -> Callable[[Role], Chain]:
    """The leaf names its issuer's key, or certificate, otherwise."""
    wrong = x509.AuthorityKeyIdentifier(
        fields.get("key"),
        [x509.DirectoryName(name(fields["issuer"]))] if "issuer" in fields else None,
        fields.get("serial"),
    )
    return chain(leaf={"key_identifiers": False, "extra": [(wrong, False)]})


def other_kind_of_key(role: Role) -> Chain:
    """The root of that name has a key by which the intermediate cannot have been signed."""
    made = chain(root={"key_identifiers": False}, between=({"key_identifiers": False},))(role)
    made.trusted = [CA("Root", key_type="rsa2048", key_identifiers=False)]
    return made


def leaf_trusted(role: Role) -> Chain:
    made = chain()(role)
    made.trusted = [authority_of(made.leaf)]
    made.above = []
    return made


def authority_of(issued: Issued) -> CA:
    """As something that can be trusted."""
    trusted = CA.__new__(CA)
    trusted.certificate, trusted.private_key, trusted.above = (
        issued.certificate, issued.private_key, (),
    )  # fmt: skip
    return trusted


def asked_for_policy(role: Role) -> Chain:
    wanted = x509.PolicyConstraints(require_explicit_policy=0, inhibit_policy_mapping=None)
    return chain(between=({"extra": [(wanted, True)]},))(role)


def two_algorithms(role: Role) -> Chain:
    """The signature's algorithm is stated in two ways."""
    made = chain()(role)
    certificate = made.leaf.certificate
    key = made.above[0].private_key
    inner = bytes.fromhex("300a06082a8648ce3d040302")
    other = bytes.fromhex("300a06082a8648ce3d040303")
    der = certificate.tbs_certificate_bytes
    assert der.count(inner) == 1
    made.leaf.certificate = reseal(certificate, key, inner, other)
    return made


def revoked(which: str) -> Callable[[Role], Chain]:
    def make(role: Role) -> Chain:
        made = chain()(role)
        between, root = made.above[0], made.trusted[0]
        old = {"since": NOW - 3 * DAY, "until": NOW - DAY}
        tomorrow = {"since": NOW + DAY, "until": NOW + 2 * DAY}
        both = [make_list(root), make_list(between)]
        made.lists, made.flags = {
            "leaf": ([make_list(root), make_list(between, made.leaf)], FLAGS.VERIFY_CRL_CHECK_LEAF),
            "intermediate": ([make_list(root, between), both[1]], FLAGS.VERIFY_CRL_CHECK_CHAIN),
            "no list": ([], FLAGS.VERIFY_CRL_CHECK_LEAF),
            "old list": ([make_list(between, **old)], FLAGS.VERIFY_CRL_CHECK_LEAF),
            "list of tomorrow": ([make_list(between, **tomorrow)], FLAGS.VERIFY_CRL_CHECK_LEAF),
            "forged list": (
                [make_list(between, signed_by=CA("Another").private_key)],
                FLAGS.VERIFY_CRL_CHECK_LEAF,
            ),
        }[which]
        return made

    return make


def revoked_and(**options: Any) -> Callable[[Role], Chain]:
    def make(role: Role) -> Chain:
        made = chain(**options)(role)
        made.lists = [make_list(made.above[0], made.leaf)]
        made.flags = FLAGS.VERIFY_CRL_CHECK_LEAF
        return made

    return make


def directory(role: Role) -> Chain:
    return chain(between=({"permitted": [folder_name("Somewhere")]},))(role)


CATALOGUE: dict[str, Callable[[Role], Chain]] = {
    "nothing": chain(),
    # where the path ends
    "a stranger's": stranger,
    "a stranger's, with its root": root_sent,
    "self-signed": self_signed,
    "an intermediate is missing": missing,
    "an intermediate is trusted, its root is not there": trusted_between,
    "another root of the same name": mimic,
    "two roots of a name": two_roots,
    # what is not an authority
    "issued by a leaf": chain(between=({}, {"ca": False})),
    "issued by who does not say what it is": chain(between=({"ca": None},)),
    "issued by who has no keyUsage and says nothing": chain(between=({"ca": None, "usage": None},)),
    "issued by who may not certify": chain(between=({"usage": SIGN},)),
    "a root that is none": chain(root={"ca": False}),
    "a root that says nothing": chain(root={"ca": None, "usage": None}),
    "a root that may not certify": chain(root={"usage": SIGN}),
    # lengths
    "a path length of a root": chain(root={"path_length": 0}),
    "a path length of an intermediate": chain(between=({"path_length": 0}, {})),
    "a path length of 1": chain(between=({"path_length": 1}, {}, {})),
    # purposes
    "for e-mail": chain(leaf={"purpose": "email"}),
    "an intermediate for e-mail": chain(between=({"purpose": "email"},)),
    "a path of nine": long,
    "an explicit policy that is not there": asked_for_policy,
    # what is not found, for what is in certificates
    "another key's identifier": identified(key=b"k" * 20),
    "another serial number": identified(issuer="Root", serial=77),
    "another issuer's issuer": identified(issuer="Elsewhere", serial=1),
    "another kind of key": other_kind_of_key,
    "an intermediate's damaged keyUsage": damaged,
    "two algorithms": two_algorithms,
    "the leaf is trusted, and nothing else": leaf_trusted,
    "a root for e-mail": chain(root={"purpose": "email"}),
    "for signing code": chain(leaf={"purpose": [ExtendedKeyUsageOID.CODE_SIGNING]}),
    "a keyUsage of nothing that TLS needs": chain(leaf={"usage": key_usage("content_commitment")}),
    "a keyUsage of another's": chain(leaf={"usage": key_usage("crl_sign")}),
    # times
    "expired": chain(leaf={"expired": True}),
    "of tomorrow": chain(leaf={"not_yet_valid": True}),
    "an expired intermediate": chain(between=({"expired": True},)),
    "an intermediate of tomorrow": chain(between=({"not_yet_valid": True},)),
    "an expired root": chain(root={"expired": True}),
    "a root of tomorrow": chain(root={"not_yet_valid": True}),
    # signatures
    "a forged leaf": forged("leaf"),
    "a forged intermediate": forged("intermediate"),
    # what is too weak
    "a weak key": chain(leaf={"key_type": "rsa1024"}),
    "an intermediate's weak key": chain(between=({"key_type": "rsa1024"},)),
    "a root's weak key": chain(root={"key_type": "rsa1024"}),
    "SHA-1": sha1_leaf,
    "an intermediate with SHA-1": sha1_intermediate,
    "a root with SHA-1": sha1_root,
    "an explicit curve": explicit_curve,
    # critical extensions
    "a critical extension": chain(leaf={"extra": [(UNKNOWN, True)]}),
    "an intermediate's critical extension": chain(between=({"extra": [(UNKNOWN, True)]},)),
    "a root's critical extension": chain(root={"extra": [(UNKNOWN, True)]}),
    "a proxy": chain(leaf={"extra": [(PROXY, True)], "san": False}, host=""),
    # names
    "a critical identifier": chain(
        leaf={"key_identifiers": False, "extra": [(x509.SubjectKeyIdentifier(b"k"), True)]}
    ),
    "another host": chain(host="elsewhere.example"),
    "another address": chain(host="192.0.2.7"),
    "another address of IPv6": chain(host="2001:db8::7"),
    "an address that is a name": chain(leaf={"dns": ("192.0.2.7",)}, host="192.0.2.7"),
    "no names": chain(leaf={"san": False}),
    # constraints
    "not permitted": chain(between=({"permitted": dns("bank.example")},)),
    "excluded": chain(between=({"excluded": dns("localhost")},)),
    "excluded by the root": chain(root={"excluded": dns("localhost")}),
    "a directory that is not permitted": directory,
    "a directory that is excluded": chain(between=({"excluded": [folder_name("somebody")]},)),
    "an address that is not permitted": chain(
        between=(
            {"permitted": [x509.IPAddress(ip_network("192.0.2.0/24"))]},
        ),
        leaf={"ip": ("198.51.100.1",)},
    ),
    "an e-mail address that is excluded": chain(
        between=({"excluded": [x509.RFC822Name("example.com")]},),
        leaf={"email": ("a@example.com",)},
    ),
    "a URI that is not permitted": chain(
        between=({"permitted": [x509.UniformResourceIdentifier("example.com")]},),
        leaf={"names": [x509.UniformResourceIdentifier("http://example.net/")]},
    ),
    "a kind of name that is not compared": chain(
        between=({"excluded": [x509.RegisteredID(x509.ObjectIdentifier("1.2.3"))]},),
        leaf={"names": [x509.RegisteredID(x509.ObjectIdentifier("1.2.3.4"))]},
    ),
    "a URI without a host": chain(
        between=({"permitted": [x509.UniformResourceIdentifier("example.com")]},),
        leaf={"names": [x509.UniformResourceIdentifier("urn:isbn:1")]},
    ),
    "an intermediate's name that is not permitted": chain(
        root={"permitted": [folder_name("Somewhere")]},
    ),
    # lists
    **{f"revocation: {which}": revoked(which) for which in (
        "leaf", "intermediate", "no list", "old list", "list of tomorrow", "forged list",
    )},
    # two defects
    "expired, and a stranger's": lambda role: Chain(
        chain(leaf={"expired": True})(role).leaf, [], [CA("Another")]
    ),
    "expired, for another host": chain(leaf={"expired": True}, host="elsewhere.example"),
    "expired, and forged": chain(leaf={"expired": True, "signed_by": CA("Another").private_key}),
    "expired, and for e-mail": chain(leaf={"expired": True, "purpose": "email"}),
    "expired, and so is the intermediate of tomorrow": chain(
        between=({"not_yet_valid": True},), leaf={"expired": True}
    ),
    "expired, and excluded": chain(
        between=({"excluded": dns("localhost")},), leaf={"expired": True}
    ),
    "for another host, and not permitted": chain(
        between=({"permitted": dns("bank.example")},), host="elsewhere.example"
    ),
    "for e-mail, and issued by a leaf": chain(between=({"ca": False},), leaf={"purpose": "email"}),
    "weak, and of a stranger": lambda role: Chain(
        chain(leaf={"key_type": "rsa1024"})(role).leaf, [], [CA("Another")]
    ),
    "weak above, and for another host": chain(
        root={"key_type": "rsa1024"}, host="elsewhere.example"
    ),
    "revoked, and expired": revoked_and(leaf={"expired": True}),
    "revoked, and forged": revoked_and(leaf={"signed_by": CA("Another").private_key}),
    "revoked, and for e-mail": revoked_and(leaf={"purpose": "email"}),
    "a critical extension, and no authority": chain(
        between=({"ca": False, "extra": [(UNKNOWN, True)]},)
    ),
    "a path too long, and expired": chain(
        between=({"path_length": 0}, {}), leaf={"expired": True}
    ),
}  # fmt: skip


SERVERS_ALONE = {"SHA-1"}
"""A client does not show it to who does not want it."""


@functools.cache
def made(case: str, role: Role) -> Chain:
    """One of the catalogue, the same for both modules."""
    return CATALOGUE[case](role)


def verdict(module: Any, case: Chain, role: Role, folder: Path, flags: int) -> Any:
    """What this module makes of a peer in this role: number and words, or None."""
    sent = Issued(case.leaf.certificate, case.leaf.private_key, tuple(
        each.certificate for each in case.above
    ))  # fmt: skip
    shown = sent.write(folder, "peer")
    trusted = b"".join(each.certificate.public_bytes(Encoding.PEM) for each in case.trusted)
    trusted += b"".join(each.public_bytes(Encoding.PEM) for each in case.lists)
    (folder / "trusted.pem").write_bytes(trusted)
    peer_kind, own_kind = standard.PROTOCOL_TLS_CLIENT, module.PROTOCOL_TLS_SERVER
    if role is Role.server:
        peer_kind, own_kind = standard.PROTOCOL_TLS_SERVER, module.PROTOCOL_TLS_CLIENT
    peer, own = standard.SSLContext(peer_kind), module.SSLContext(own_kind)
    peer.set_ciphers("DEFAULT:@SECLEVEL=0")
    peer.load_cert_chain(*shown)
    own.load_verify_locations(folder / "trusted.pem")
    own.verify_mode = module.CERT_REQUIRED
    own.verify_flags = standard.VerifyFlags(
        (int(own.verify_flags) & ~FLAGS.VERIFY_X509_STRICT) | case.flags | flags
    )
    if role is Role.client:
        peer.check_hostname = False
        peer.verify_mode = standard.CERT_NONE
        own.load_cert_chain(*files())
        pair = Memory(own, peer)
        _, result = pair.run(pair.client.do_handshake, pair.server.do_handshake)
    else:
        if not case.host:
            own.check_hostname = False
        pair = Memory(peer, own, case.host or None)
        result, _ = pair.run(pair.client.do_handshake, pair.server.do_handshake)
    if isinstance(result, standard.SSLCertVerificationError):
        return result.verify_code, result.verify_message
    return result


# docs/ssl.md: Identifiers of keys
# docs/ssl.md: Long paths
# docs/ssl.md: One path, or all of them
MEANT: dict[str, tuple[Any, Any]] = {
    "another key's identifier": ((20, "unable to get local issuer certificate"), None),
    "another serial number": ((20, "unable to get local issuer certificate"), None),
    "another issuer's issuer": ((20, "unable to get local issuer certificate"), None),
    "a critical identifier": ((34, "unhandled critical extension"), None),
    "two roots of a name": ((7, "certificate signature failure"), None),
    "a path of nine": (None, (22, "certificate chain too long")),
}
"""Where both verdicts may differ, and how: OpenSSL's, and ours."""


@pytest.mark.parametrize("role", Role, ids=lambda role: role.name)
@pytest.mark.parametrize(
    "flags",
    [0, FLAGS.VERIFY_X509_STRICT, FLAGS.VERIFY_X509_PARTIAL_CHAIN],
    ids=["lax", "strict", "partial"],
)
@pytest.mark.parametrize("case", CATALOGUE)
def test_it_is_openssl_s_verdict(case: str, flags: int, role: Role, tmp_path: Path) -> None:
    if case in SERVERS_ALONE and role is Role.client:
        return
    expected = verdict(standard, made(case, role), role, tmp_path, flags)
    assert expected is None or isinstance(expected, tuple), expected
    found = verdict(ours, made(case, role), role, tmp_path, flags)
    assert found == expected or (expected, found) == MEANT.get(case)


@pytest.mark.parametrize("case", MEANT)
def test_what_is_meant_to_differ_does(case: str, tmp_path: Path) -> None:
    shown = made(case, Role.server)
    both = [verdict(module, shown, Role.server, tmp_path, 0) for module in (standard, ours)]
    assert tuple(both) == MEANT[case]


def test_a_refusal_costs_no_more_signatures_than_the_path_is_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And what a peer sends beside the path is not looked at for ever."""
    top = CA("Root")
    authority = top
    for number in range(8):
        authority = authority.intermediate(f"No. {number}")
    leaf = authority.issue("leaf", expired=True)
    crowd = [CA(f"No. {number}").der for number in range(8)] * 4
    checked: list[Facts] = []
    check = Facts.check_signature

    def count(facts: Facts, issuer: Facts) -> bool:
        checked.append(facts)
        return check(facts, issuer)

    monkeypatch.setattr(Facts, "check_signature", count)
    peer = PeerChain((*leaf.chain, *crowd), Role.client, None, None, NOW.timestamp())
    with pytest.raises(CertificateExpired) as caught:
        ContextVerifier([top.der]).verify(peer)
    assert code_of(caught.value) == VerifyCode.CERT_HAS_EXPIRED
    assert len(checked) == 9  # the search had refused the leaf before it checked any


def test_no_signature_is_checked_that_would_be_dear(monkeypatch: pytest.MonkeyPatch) -> None:
    """The search has refused the key; to say why nobody has to use it."""
    signer = new_key("rsa2048")
    modulus = signer.public_key().public_numbers().n
    top = forging.CA("Root")
    between = top.issue("Dear", forging.rsa_spki(modulus, (1 << 2046) + 1), forging.BASIC_CA)
    leaf = forging.CA("Dear", signer).issue("leaf", forging.spki(new_key()))
    checked: list[Facts] = []

    def count(facts: Facts, issuer: Facts) -> bool:
        checked.append(facts)
        return True

    monkeypatch.setattr(Facts, "check_signature", count)
    peer = PeerChain((leaf, between), Role.client, None, None, NOW.timestamp())
    with pytest.raises(UnsupportedCertificate, match="an exponent of 2047 bits") as caught:
        ContextVerifier([top.own()]).verify(peer)
    assert code_of(caught.value) == VerifyCode.CERT_SIGNATURE_FAILURE
    assert [str(each) for each in checked] == ["'CN=Dear'"]


def test_proxies_are_refused_for_another_reason_where_they_are_allowed(tmp_path: Path) -> None:
    shown = made("a proxy", Role.server)
    allow = int(FLAGS.VERIFY_ALLOW_PROXY_CERTS)
    assert verdict(ours, shown, Role.server, tmp_path, allow)[0] == 34
    assert verdict(ours, shown, Role.server, tmp_path, 0)[0] == 40


def test_a_verifier_of_one_s_own_gets_the_number_of_its_error(tmp_path: Path) -> None:
    class Refusing:
        def verify(self, peer: PeerChain) -> VerifiedChain:
            raise AccessDenied("not today")

    client = ours.SSLContext(ours.PROTOCOL_TLS_CLIENT)
    client.verifier = Refusing()
    pair = Memory(server_context(standard), client)
    result, _ = pair.run(pair.client.do_handshake, pair.server.do_handshake)
    assert (result.verify_code, result.verify_message) == (50, "application verification failure")
