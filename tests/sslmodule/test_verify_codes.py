"""Why a peer is refused: number and words are held against the standard module's.

The catalogue has certificates with one defect each, and some with two, of which OpenSSL tells
the first that it comes upon. Each is verified by both modules, as a server's and as a client's.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import ssl as standard
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID

import postshake.ssl as ours
from postshake.constants import Role
from postshake.pki.trust import PeerChain
from postshake.ssl.verifier import ContextVerifier
from postshake.ssl.verify_codes import VerifyCode, message_of
from tests.certs import CA, DAY, NOW, Issued, key_usage, name, reseal
from tests.revoking import make_list
from tests.sslmodule import versions
from tests.sslmodule.ends import Memory

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


def forged(where: str) -> Callable[[Role], Chain]:
    key = CA("Another").private_key
    if where == "leaf":
        return chain(leaf={"signed_by": key})
    return chain(between=({"signed_by": key},))


def long(role: Role) -> Chain:
    return chain(between=[{}] * 9)(role)


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
    "SHA-1": chain(
        between=({"key_type": "rsa2048"},), leaf={"hash_algorithm": hashes.SHA1()}
    ),
    "an intermediate with SHA-1": chain(between=({"hash_algorithm": hashes.SHA1()},)),
    # critical extensions
    "a critical extension": chain(leaf={"extra": [(UNKNOWN, True)]}),
    "an intermediate's critical extension": chain(between=({"extra": [(UNKNOWN, True)]},)),
    "a root's critical extension": chain(root={"extra": [(UNKNOWN, True)]}),
    "a proxy": chain(leaf={"extra": [(PROXY, True)], "san": False}, host=""),
    # names
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
            {"permitted": [x509.IPAddress(__import__("ipaddress").ip_network("192.0.2.0/24"))]},
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


@functools.cache
def made(case: str, role: Role) -> Chain:
    """One of the catalogue, the same for both modules."""
    return CATALOGUE[case](role)


def verdict(module: Any, case: Chain, role: Role, folder: Path, flags: int) -> Any:
    """What this module makes of a peer in this role: number and words, or None."""
    sent = Issued(case.leaf.certificate, case.leaf.private_key, tuple(
        each.certificate for each in case.above
    ))  # fmt: skip
    files = sent.write(folder, "peer")
    from cryptography.hazmat.primitives.serialization import Encoding

    trusted = b"".join(each.certificate.public_bytes(Encoding.PEM) for each in case.trusted)
    trusted += b"".join(each.public_bytes(Encoding.PEM) for each in case.lists)
    (folder / "trusted.pem").write_bytes(trusted)
    peer_kind, own_kind = standard.PROTOCOL_TLS_CLIENT, module.PROTOCOL_TLS_SERVER
    if role is Role.server:
        peer_kind, own_kind = standard.PROTOCOL_TLS_SERVER, module.PROTOCOL_TLS_CLIENT
    peer, own = standard.SSLContext(peer_kind), module.SSLContext(own_kind)
    peer.set_ciphers("DEFAULT:@SECLEVEL=0")
    peer.load_cert_chain(*files)
    own.load_verify_locations(folder / "trusted.pem")
    own.verify_mode = module.CERT_REQUIRED
    own.verify_flags = standard.VerifyFlags(
        (int(own.verify_flags) & ~FLAGS.VERIFY_X509_STRICT) | case.flags | flags
    )
    if role is Role.client:
        peer.check_hostname = False
        peer.verify_mode = standard.CERT_NONE
        own.load_cert_chain(*own_files())
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


@functools.cache
def own_files() -> tuple[str, str]:
    from tests.sslmodule.ends import files

    return files()


@pytest.mark.parametrize("role", Role, ids=lambda role: role.name)
@pytest.mark.parametrize("strict", [False, True], ids=["lax", "strict"])
@pytest.mark.parametrize("case", CATALOGUE)
def test_it_is_openssl_s_verdict(case: str, strict: bool, role: Role, tmp_path: Path) -> None:
    flags = FLAGS.VERIFY_X509_STRICT if strict else 0
    expected = verdict(standard, made(case, role), role, tmp_path, flags)
    assert expected is None or isinstance(expected, tuple), expected
    assert verdict(ours, made(case, role), role, tmp_path, flags) == expected
