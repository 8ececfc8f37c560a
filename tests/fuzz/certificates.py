"""What reads certificates, lists, responses and names: DER and PEM."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from postshake.constants import CertificateCompressionAlgorithm, Role
from postshake.errors import CertificateError, PeerError, UsageError
from postshake.pki import der
from postshake.pki.choose import leads_to, read_oid_filters
from postshake.pki.compression import compress, compressors, decompress
from postshake.pki.credential import Credential
from postshake.pki.identity import Identity
from postshake.pki.names import matches_host, normalize_server_name
from postshake.pki.ocsp import read_response
from postshake.pki.parsed_certificate import Facts, load_certificate
from postshake.pki.revocation import Revocation, read_lists
from postshake.pki.store import TrustStore
from postshake.pki.trust import PeerChain
from tests.certs import NOW
from tests.fuzz.target import Target, decoder
from tests.pair import issued, the_ca
from tests.revoking import make_list, make_response

__all__ = ["certificates"]


def certificates() -> Iterator[Target]:
    """Give a target for each."""
    yield Target("DER certificate", judged, leaves, group="certificates", weight=4)
    yield Target(
        "DER Facts", decoder(understood, CertificateError, ValueError), leaves, group="certificates"
    )
    yield Target("DER Identity", told, leaves, group="certificates")
    yield Target("DER name", named, names, group="certificates")
    for name, read, seed in (
        ("object identifier", der.object_identifier, "0603551d25"),
        ("object identifiers", der.object_identifiers, "300a06082b06010505070302"),
        ("bit string", der.bit_string, "03020780"),
    ):
        yield Target(
            f"DER {name}",
            decoder(read, ValueError),
            partial(list, [bytes.fromhex(seed)]),
            group="certificates",
        )
    yield Target(
        "DER oid_filters", filtered, lambda: [bytes.fromhex("0603551d25")], group="certificates"
    )
    yield Target("CRL", revoked, lists, group="certificates", weight=3)
    yield Target("OCSP response", stapled, responses, group="certificates", weight=2)
    yield Target(
        "PEM certificates", decoder(TrustStore.from_pem, UsageError), pems, group="certificates"
    )
    yield Target("PEM credential", decoder(credential, UsageError), pems, group="certificates")
    yield Target(
        "host name",
        hosted,
        lambda: [b"server.example", b"[::1]", b"10.0.0.1"],
        group="certificates",
    )
    for algorithm in compressors():
        yield Target(
            f"compressed by {algorithm.name}",
            partial(unpacked, algorithm),
            partial(packed, algorithm),
            group="certificates",
        )


def leaves() -> list[bytes]:
    ca = the_ca()
    limited = ca.intermediate("Limited CA", permitted=[x509.DNSName("example")])
    made = [ca.issue(kind, key_type=kind).der for kind in ("p256", "rsa2048", "ed25519")]
    return [*made, issued("server.example", "server").der, ca.der, limited.der]


def names() -> list[bytes]:
    return [each.certificate.subject.public_bytes() for each in (the_ca(), issued("alice"))]


def lists() -> list[bytes]:
    ca, alice = the_ca(), issued("alice")
    made = [make_list(ca), make_list(ca, alice, number=7), make_list(ca, alice)]
    return [each.public_bytes(Encoding.DER) for each in made] + [made[0].public_bytes(Encoding.PEM)]


def responses() -> list[bytes]:
    return [make_response(the_ca(), issued("alice"), each) for each in ("good", "revoked")]


def pems() -> list[bytes]:
    return [issued("alice").pem() + issued("alice").key_pem()]


def said(what: object) -> None:
    """Insist that there is something to say of it."""
    assert str(what)


def judged(data: bytes) -> bool:
    """Let the verifier judge a chain in which this is the leaf, then an issuer."""
    verifier = the_ca().verifier()
    believed = 0
    for chain in ((data,), (issued("alice").der, data), (data, the_ca().der)):
        for role in Role:
            name = "server.example" if role is Role.server else None
            try:
                verifier.verify(PeerChain(chain, role, name, None, NOW.timestamp()))
                believed += 1
            except CertificateError as error:
                said(error)
    return believed > 0


def understood(data: bytes) -> Facts:
    facts = Facts(data)
    facts.understand(2048)
    return facts


def told(data: bytes) -> bool:
    """Ask an identity for all that it tells."""
    try:
        certificate = load_certificate(data)
    except ValueError:
        return False
    identity = Identity((data,))
    repr(identity)
    for name in ("subject", "issuer", "serial_number", "fingerprint", "not_before", "not_after"):
        getattr(identity, name)
    _ = identity.common_name, identity.subject_alt_names
    try:
        matches_host(certificate, "server.example")
    except (ValueError, CertificateError):
        return False
    return True


def named(data: bytes) -> bool:
    normal = der.normal_name(data)
    leads_to((issued("alice").der,), (data,))
    return normal is not None


def filtered(data: bytes) -> bool:
    half = len(data) // 2
    try:
        read_oid_filters([(data, b""), (bytes.fromhex("0603551d0f"), data[half:])][: 1 + half % 2])
    except PeerError:
        return False
    return True


def revoked(data: bytes) -> bool:
    try:
        lists = read_lists(data)
    except UsageError:
        return False
    chain = (issued("alice").der, the_ca().der)
    told: list[Any] = []
    revocation = Revocation(lists, on_unusable=told.append)
    try:
        revocation.check(chain, NOW.timestamp())
    except CertificateError as error:
        said(error)
    for each in told:
        said(each)
    return True


def stapled(data: bytes) -> bool:
    leaf, issuer = issued("alice").certificate, the_ca().certificate
    return read_response(data, leaf, issuer, NOW) is not None


def credential(data: bytes) -> Credential:
    return Credential.from_pem(data, data)


def hosted(data: bytes) -> bool:
    text = data.decode("utf-8", "surrogateescape")
    try:
        normalize_server_name(text)
    except UsageError:
        return False
    return True


def packed(algorithm: CertificateCompressionAlgorithm) -> list[bytes]:
    return [compress(algorithm, b"certificate " * 20)]


def unpacked(algorithm: CertificateCompressionAlgorithm, data: bytes) -> bool:
    try:
        content = decompress(algorithm, data, 240)
    except CertificateError:
        return False
    assert len(content) == 240
    return True
